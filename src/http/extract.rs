//! What handlers ask a request for: who it is from, and values parsed at the door. Used by the handlers only; the token
//! itself was looked at by `access`, before anything here runs.

use std::{
    future::{Ready, ready},
    ops::Deref,
    time::Duration,
};

use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, dev::Payload, web::Json};
use futures_util::future::LocalBoxFuture;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::{
    actors::commands::Caller,
    auth::Identity,
    domain::{Invalid, Timestamp, json::in_words, limits},
    protocol::{ApiError, ErrorCode, command::is_object},
};

/// Who asks, by a good token.
#[derive(Debug, Clone)]
pub struct Auth {
    /// As commands know them.
    pub caller: Caller,
    /// When their token ends.
    pub expires_at: Timestamp,
    /// What revocation knows their token by.
    pub token_key: String,
    /// Whether the token is not theirs but that of an administrator who acts for them.
    pub acting: bool,
}

impl Auth {
    /// From what the token came to.
    pub fn new(identity: Identity, acting: bool) -> Self {
        Self {
            caller: Caller {
                user: identity.user,
                admin: identity.admin,
                session: None,
            },
            expires_at: identity.expires_at,
            token_key: identity.token_key,
            acting,
        }
    }

    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let found = request.extensions().get::<Self>().cloned();
        found.ok_or_else(|| {
            log::error!(target: "parlor::http", "{} asks for a caller, but its route is open", request.path());
            ApiError::internal()
        })
    }
}

impl FromRequest for Auth {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// Who asks, an administrator of the server. The route's `Access` says so too; here so that a handler cannot be
/// registered without it.
#[derive(Debug, Clone)]
pub struct Admin;

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Auth::of(request).and_then(|auth| {
            if auth.caller.admin {
                Ok(Self)
            } else {
                Err(ApiError::new(
                    ErrorCode::Forbidden,
                    "this is for administrators of the server",
                ))
            }
        }))
    }
}

/// How long a body may take to arrive: less than the whole request, so that its sender is told what was late.
const ARRIVES_WITHIN: Duration = Duration::from_millis(limits::ANSWER_WITHIN_MS - 1000);

/// A body that is a JSON object; with `web::Json` alone an array would do for the fields in their order.
#[derive(Debug)]
pub struct Body<T>(T);

impl<T> Body<T> {
    /// What it says.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Body<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let json = Json::<Box<RawValue>>::from_request(request, payload);
        Box::pin(async move {
            let json = timeout(ARRIVES_WITHIN, json).await;
            let json = json.map_err(|_| ApiError::from(Invalid::new("body", "did not arrive in time")))??;
            Ok(Self(object(json.get())?))
        })
    }
}

fn object<T: DeserializeOwned>(json: &str) -> Result<T, ApiError> {
    if !is_object(json.as_bytes()) {
        return Err(Invalid::new("body", "must be an object").into());
    }
    serde_json::from_str(json).map_err(|error| Invalid::new("body", in_words(&error, json)).into())
}

/// For fields where `null` is something else than nothing: `Some(None)`, with `default` beside it.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// How many entries a page may have: 1 to 100, `UNASKED` when the query does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize<const UNASKED: usize>(pub usize);

impl<const UNASKED: usize> Default for PageSize<UNASKED> {
    fn default() -> Self {
        Self(UNASKED)
    }
}

impl<'de, const UNASKED: usize> Deserialize<'de> for PageSize<UNASKED> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(size) if (1..=limits::PAGE_MAX).contains(&size) => Ok(Self(size)),
            _ => Err(de::Error::custom(format_args!(
                "limit: must be 1 to {}",
                limits::PAGE_MAX
            ))),
        }
    }
}
