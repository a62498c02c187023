//! What can go wrong between us and the database, as callers need to tell it apart.

use crate::protocol::{ApiError, ErrorCode};

/// Why the store did not do what was asked. Refusals that are the caller's fault are in the methods' own types instead.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is locked, full or broken: nothing was changed, try again.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A COMMIT failed: whether it took place is unknown.
    #[error("the outcome of a commit is unknown: {0}")]
    Unknown(String),
    /// The database holds something that it cannot hold, or a query of ours is wrong.
    #[error("the database answered nonsense: {0}")]
    Broken(String),
}

/// An error of a statement, outside of COMMIT: nothing was changed by it.
impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error};
        match error {
            Error::DatabaseError(
                DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::ForeignKeyViolation,
                info,
            ) => Self::Broken(info.message().to_owned()),
            Error::DatabaseError(_, info) => Self::Unavailable(info.message().to_owned()),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        log::warn!(target: "parlor::db", "{error}");
        match error {
            StoreError::Unavailable(_) => ApiError::unavailable(),
            StoreError::Unknown(_) => ApiError::uncertain(),
            StoreError::Broken(_) => ApiError::new(ErrorCode::Internal, "something broke on our side"),
        }
    }
}
