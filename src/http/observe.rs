//! What happens to every request, whatever it asks: it gets an id, is counted and timed, leaves one line in the log at
//! debug, and its answer gets the headers and, when it failed, the form of the contract. Outermost part of `routes::app`.
//! Never logs a token or a body.

use std::borrow::Cow;

use actix_cors::Cors;
use actix_web::{
    Error, HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{
            AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
            HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    web,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{State, access::ACT_AS, error::shaped, socketio::PATHS};
use crate::{
    domain::{Clock, Entropy},
    metrics::Metrics,
};

/// Names the request, on every answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What tracing in browsers puts on every request. Nothing here reads it; but a browser that may not send it sends nothing.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// How long a browser may remember what it was told about calls from other origins, in seconds.
const PREFLIGHT_SECONDS: usize = 3600;

/// A request's id: a UUIDv7. In the request's extensions for whoever has something to log.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    /// A new one.
    pub fn generate(clock: &Clock, entropy: &Entropy) -> Self {
        let millis = clock.now().millis().max(0) as u64;
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &entropy.bytes10()).into_uuid();
        Self(Uuid::to_string(&id))
    }

    /// The one of this request; empty outside of [`observe`].
    pub fn of(request: &impl HttpMessage) -> Self {
        let found = request.extensions().get::<Self>().cloned();
        found.unwrap_or_else(|| Self(String::new()))
    }
}

/// What [`observe`] needs, apart from [`State`] so that tests need no store.
#[derive(Clone)]
pub struct Observer {
    clock: Clock,
    entropy: Entropy,
    metrics: Metrics,
}

impl Observer {
    /// Counts into `metrics`.
    pub fn new(clock: Clock, entropy: Entropy, metrics: Metrics) -> Self {
        Self {
            clock,
            entropy,
            metrics,
        }
    }
}

/// See the file's head.
pub async fn observe<B: MessageBody + 'static>(
    observer: web::Data<Observer>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    let id = RequestId::generate(&observer.clock, &observer.entropy);
    request.extensions_mut().insert(id.clone());
    let response = next.call(request).await?.map_into_boxed_body();
    let (mut response, refused) = shaped(response, &id.0);
    put_headers(response.headers_mut(), &id);
    let (status, seconds) = (response.status(), began.elapsed().as_secs_f64());
    let metrics = &observer.metrics;
    metrics.http_requests.get_or_create(&[("status", class(status))]).inc();
    if !waits(&response) {
        metrics.http_seconds.observe(seconds);
    }
    if let Some(code) = refused {
        metrics.refused.get_or_create(&[("code", code.as_str())]).inc();
    }
    report(&response, seconds, &id);
    Ok(response)
}

/// Whether it was made to wait: how long a poll took says nothing.
fn waits(response: &ServiceResponse<BoxBody>) -> bool {
    let request = response.request();
    request.method() == Method::GET && PATHS.contains(&request.path())
}

fn put_headers(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let json = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json {
        // Nobody is to show an answer as a page, or to keep one that holds a token or somebody's messages.
        let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

fn report(response: &ServiceResponse<BoxBody>, seconds: f64, id: &RequestId) {
    let status = response.status();
    // Whatever broke was logged where it broke; this line tells which request it broke for.
    let level = if status == StatusCode::INTERNAL_SERVER_ERROR {
        log::Level::Error
    } else {
        log::Level::Debug
    };
    if !log::log_enabled!(target: "parlor::http", level) {
        return;
    }
    let request = response.request();
    let query = without_token(request.query_string());
    let mark = if query.is_empty() { "" } else { "?" };
    log::log!(
        target: "parlor::http",
        level,
        "{} {}{mark}{query}: {} in {:.1} ms, request {}",
        request.method(),
        without_name(request.path()),
        status.as_u16(),
        seconds * 1000.0,
        id.0
    );
}

/// A path as it may stand in the log: who knows the name of an upload may see it.
fn without_name(path: &str) -> &str {
    if path.starts_with("/uploads/") {
        "/uploads/…"
    } else {
        path
    }
}

/// A query as it may stand in the log.
fn without_token(query: &str) -> Cow<'_, str> {
    if !query.contains('=') {
        return Cow::Borrowed(query);
    }
    let shown = |pair| match str::split_once(pair, '=') {
        // Only `token` itself is taken as a token, but somebody may have misspelt it. A `sid` is as good as one.
        Some((name, _)) if name.to_ascii_lowercase().contains("token") || name == "sid" || name.contains('%') => {
            format!("{name}=…")
        }
        _ => pair.to_owned(),
    };
    Cow::Owned(query.split('&').map(shown).collect::<Vec<_>>().join("&"))
}

/// Lets pages of the allowed origins call across origins, with their cookies.
pub fn cors(state: web::Data<State>) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin, request| {
            let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
            origin.to_str().is_ok_and(|origin| state.origins.allows(origin, host))
        })
        .allowed_methods(["GET", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([AUTHORIZATION, CONTENT_TYPE, ACT_AS, REQUEST_ID, TRACE_PARENT])
        .expose_headers([REQUEST_ID, RETRY_AFTER])
        .supports_credentials()
        .max_age(PREFLIGHT_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_reaches_the_log() {
        assert_eq!(without_token(""), "");
        assert_eq!(without_token("limit=5&query=a%20b"), "limit=5&query=a%20b");
        for query in ["token=secret", "Token=secret", "%74oken=secret", "access_token=secret"] {
            let shown = without_token(query);
            assert!(!shown.contains("secret"), "{shown}");
        }
        assert_eq!(without_name("/uploads/aaaaaaaaaaaaaaaaaaaaaaaaaa.png"), "/uploads/…");
        assert_eq!(without_name("/api/uploads"), "/api/uploads");
        assert_eq!(without_token("a=1&token=secret&b=2&c"), "a=1&token=…&b=2&c");
        assert_eq!(without_token("EIO=4&sid=secret"), "EIO=4&sid=…");
    }
}
