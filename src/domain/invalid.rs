//! Why a value was refused at the door. Every constructor of `domain` returns it; it becomes `VALIDATION_ERROR` at the edge.

/// A value that breaks a rule of the contract: which field, and a sentence for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field's name as the client wrote it (camelCase).
    pub field: &'static str,
    /// What the rule is, worded for the sender. Never echoes the value.
    pub reason: String,
}

impl Invalid {
    /// Refuses `field` for `reason`.
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self {
            field,
            reason: reason.into(),
        }
    }
}
