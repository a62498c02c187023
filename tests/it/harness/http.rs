//! REST calls, and what every answer must have whatever it is about: an `x-request-id`, errors of one form.

use std::{
    sync::atomic::{AtomicU16, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use super::{DEADLINE, token::Token};

/// Where the server is, shared by all who call it: it stays when the server restarts on another port.
pub struct Realm {
    port: AtomicU16,
    client: reqwest::Client,
    /// Makes client ids and names that nobody else in the test has.
    next: AtomicU64,
}

impl Realm {
    pub fn new() -> std::sync::Arc<Realm> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DEADLINE)
            .build()
            .expect("an HTTP client can be made");
        std::sync::Arc::new(Realm {
            port: AtomicU16::new(0),
            client,
            next: AtomicU64::new(1),
        })
    }

    pub fn moved_to(&self, port: u16) {
        self.port.store(port, Ordering::SeqCst);
    }

    pub fn port(&self) -> u16 {
        self.port.load(Ordering::SeqCst)
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    pub fn unique(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.next.fetch_add(1, Ordering::SeqCst))
    }

    pub fn call(&self, method: &str, path: &str) -> Call {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let shown = format!("{method} {path}");
        Call {
            request: self.client.request(method, format!("http://{}{path}", self.host())),
            shown,
        }
    }
}

/// A call in the making.
pub struct Call {
    request: reqwest::RequestBuilder,
    shown: String,
}

impl Call {
    pub fn bearer(self, token: &str) -> Call {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Signed by the harness's secret, as an embedding product would.
    pub fn with(self, token: Token) -> Call {
        self.bearer(&token.signed())
    }

    pub fn header(mut self, name: &str, value: &str) -> Call {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(mut self, body: &Value) -> Call {
        self.request = self.request.json(body);
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Call {
        self.request = self.request.header("content-type", content_type).body(body.into());
        self
    }

    /// The answer, or why there was none: the server is gone.
    pub async fn attempt(self) -> Result<Answer, String> {
        let start = Instant::now();
        let response = self
            .request
            .send()
            .await
            .map_err(|error| format!("{}: {error:?}", self.shown))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response
            .bytes()
            .await
            .map_err(|error| format!("{}: {error:?}", self.shown))?
            .to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::Null)
        };
        Ok(Answer {
            shown: self.shown,
            status,
            headers,
            body,
            text,
            bytes,
            took: start.elapsed(),
        })
    }

    pub async fn send(self) -> Answer {
        self.attempt()
            .await
            .unwrap_or_else(|error| panic!("no answer to {error}"))
    }
}

/// An answer to a REST call.
#[derive(Clone, Debug)]
pub struct Answer {
    shown: String,
    pub status: u16,
    pub headers: HeaderMap,
    /// Null when the body is empty or not JSON.
    pub body: Value,
    pub text: String,
    pub bytes: Vec<u8>,
    pub took: Duration,
}

impl Answer {
    /// It succeeded with this status; its body.
    #[track_caller]
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.shown, self.text);
        self.request_id();
        self.body
    }

    /// It failed with this status and code, in the contract's form; the error.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let shown = format!("{} gave {}: {}", self.shown, self.status, self.text);
        let error = &self.body["error"];
        assert_eq!((self.status, error["code"].as_str()), (status, Some(code)), "{shown}");
        assert!(
            error["message"].as_str().is_some_and(|message| !message.is_empty()),
            "{shown}: no message"
        );
        assert_eq!(
            error["retryable"].as_bool(),
            Some(is_retryable(code)),
            "{shown}: retryable"
        );
        assert_eq!(
            error["requestId"].as_str(),
            Some(self.request_id().as_str()),
            "{shown}: requestId"
        );
        error.clone()
    }

    /// The status and, of a refusal, the code: as the table of permissions writes them.
    pub fn outcome(&self) -> String {
        match self.body["error"]["code"].as_str() {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }

    #[track_caller]
    fn request_id(&self) -> String {
        let id = self
            .headers
            .get("x-request-id")
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default();
        assert!(!id.is_empty(), "{}: every answer carries x-request-id", self.shown);
        id.to_owned()
    }

    /// The value of a header that is there.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("{}: no header {name}", self.shown));
        value.to_str().expect("a header of plain text")
    }
}

/// What a client may try again as it is.
pub fn is_retryable(code: &str) -> bool {
    matches!(code, "RATE_LIMITED" | "UNAVAILABLE" | "INTERNAL")
}
