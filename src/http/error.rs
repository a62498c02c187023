//! Placeholder.
pub fn body(error: &crate::protocol::ApiError) -> (Vec<u8>, String) {
    (serde_json::to_vec(error).unwrap(), "x".into())
}
