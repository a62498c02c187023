//! Signatures as Standard Webhooks has them: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, one for each
//! secret. Pure; called for every try, since the timestamp is of the try.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::{config::WebhookSecret, domain::Timestamp};

/// The value of `webhook-signature`: a signature for each secret, with a space between them, so that receivers can change
/// over from one secret to the next.
pub(super) fn signatures(secrets: &[WebhookSecret], id: &str, at: Timestamp, body: &[u8]) -> String {
    let signed = secrets
        .iter()
        .filter_map(|secret| signature(secret.key(), id, at, body));
    signed.collect::<Vec<_>>().join(" ")
}

fn signature(key: &[u8], id: &str, at: Timestamp, body: &[u8]) -> Option<String> {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}.{}.", at.seconds()).as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// The `webhook-id` of what these parts name: the same for every try, also after a restart, and another one for everything
/// else. Has no dot in it, which stands between the parts of what is signed.
pub(super) fn id_of(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // With its length in front, so that no two lists of parts are one text.
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher.finalize();
    hash.iter()
        .take(16)
        .fold("msg_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: Timestamp = Timestamp::from_millis(1_614_265_330_999);
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::parse(text).unwrap()
    }

    #[test]
    fn the_vector_of_standard_webhooks() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signatures(&[secret], ID, AT, BODY), expected);
    }

    #[test]
    fn a_signature_for_each_secret() {
        let both = [
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        ]
        .map(secret);
        // The second one was computed by another implementation.
        assert_eq!(
            signatures(&both, ID, AT, BODY),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44="
        );
    }

    #[test]
    fn ids_are_the_same_for_the_same_and_others_for_others() {
        let id = id_of(&["epoch", "url", "7"]);
        assert_eq!(id, id_of(&["epoch", "url", "7"]));
        assert!(id.len() == 36 && !id.contains('.'));
        for other in [
            &["epoch", "url", "8"][..],
            &["epoch", "ur", "l7"],
            &["epoch", "url7"],
            &["epoch2", "url", "7"],
        ] {
            assert_ne!(id, id_of(other));
        }
    }
}
