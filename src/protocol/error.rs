//! Error codes: name, HTTP status, whether to retry, meaning; each once. Part of the public contract.

use serde::Serialize;
use utoipa::{PartialSchema, ToSchema, openapi};

use crate::domain::Invalid;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $status:literal, $retryable:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $wire)] $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire),* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// Whether the same request may succeed later.
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable),* }
            }
        }
    };
}

error_codes! {
    /// The request breaks a rule of the contract.
    ValidationError = "VALIDATION_ERROR", 400, false;
    /// No token, or none that is good.
    Unauthorized = "UNAUTHORIZED", 401, false;
    /// The token was good once.
    TokenExpired = "TOKEN_EXPIRED", 401, false;
    /// Known, but not allowed.
    Forbidden = "FORBIDDEN", 403, false;
    /// Not a member of that conversation.
    NotMember = "NOT_MEMBER", 403, false;
    /// There is no such thing.
    NotFound = "NOT_FOUND", 404, false;
    /// It contradicts what is there.
    Conflict = "CONFLICT", 409, false;
    /// The conversation holds as many members as it may.
    RoomFull = "ROOM_FULL", 409, false;
    /// Another bound is reached.
    LimitReached = "LIMIT_REACHED", 409, false;
    /// The body or frame is larger than allowed.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413, false;
    /// The body is not of a type that is taken here.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, false;
    /// Too much, too fast; `retryAfterMs` says when.
    RateLimited = "RATE_LIMITED", 429, true;
    /// A defect of the server.
    Internal = "INTERNAL", 500, true;
    /// The outcome may be unknown: repeat it with the same `clientId`.
    Unavailable = "UNAVAILABLE", 503, true;
}

// The derive cannot see the names that the macro puts in.
impl PartialSchema for ErrorCode {
    fn schema() -> openapi::RefOr<openapi::schema::Schema> {
        openapi::ObjectBuilder::new()
            .schema_type(openapi::schema::Type::String)
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .description(Some("What went wrong, for programs."))
            .into()
    }
}

impl ToSchema for ErrorCode {}

/// A refusal on its way to a client: the code and a sentence for people. Holds no secret and nobody's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, ToSchema)]
#[error("{}: {message}", code.as_str())]
#[serde(rename_all = "camelCase")]
pub struct ApiError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// When, for `RATE_LIMITED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ApiError {
    /// A refusal with `code`, worded `message`.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: code.retryable(),
            retry_after_ms: None,
        }
    }

    /// Too fast; try again in `retry_after_ms`.
    pub fn rate_limited(retry_after_ms: u64) -> Self {
        let mut error = Self::new(ErrorCode::RateLimited, "too many requests: slow down");
        error.retry_after_ms = Some(retry_after_ms.max(1));
        error
    }

    /// No such thing; `what` names it ("conversation", "message", …).
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no such {what}"))
    }

    /// Not a member of the conversation.
    pub fn not_member() -> Self {
        Self::new(ErrorCode::NotMember, "you are not a member of this conversation")
    }

    /// Nothing was done.
    pub fn unavailable() -> Self {
        Self::new(ErrorCode::Unavailable, "the server cannot do this right now: try again")
    }

    /// Something was to be stored, and may have been.
    pub fn uncertain() -> Self {
        Self::new(
            ErrorCode::Unavailable,
            "this may or may not have been stored: try again, a message with the same clientId",
        )
    }

    /// A defect; the details are in the log, under the request's id.
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "something broke on our side")
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::new(ErrorCode::ValidationError, invalid.to_string())
    }
}
