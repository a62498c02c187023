//! One POST to a receiver: the only file here that knows the HTTP client. Blocks, within the configured time: called by
//! `post` on threads that may. Follows no redirect, and reads no more of an answer than its head says.

use std::time::Duration;

use ureq::{Agent, http::Uri};

use super::lanes::WIDTH;

/// What is read of an answer's body, and for how long: only so that the connection can be used again.
const BODY_BYTES: u64 = 16 * 1024;
const BODY_WITHIN: Duration = Duration::from_secs(1);
/// Longest pause that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Why a receiver was not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It refused.
    #[error("it answered {status}")]
    Status {
        /// With this.
        status: u16,
        /// And asked to be left alone for so long.
        retry_after: Option<Duration>,
    },
    /// It wants nothing more: 410.
    #[error("it answered 410 Gone")]
    Gone,
    /// It did not answer in time.
    #[error("it did not answer in time")]
    Timeout,
    /// There was no connection, or it broke off.
    #[error("it cannot be reached: {0}")]
    Connection(String),
}

impl Failure {
    /// What the metrics call it; one of `metrics::WEBHOOK_FAILURES`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Gone => "gone",
            Self::Timeout => "timeout",
            Self::Connection(_) => "connection",
        }
    }
}

/// One request.
pub(super) struct Request {
    pub id: String,
    /// In seconds.
    pub timestamp: i64,
    pub signature: String,
    pub body: String,
}

/// See the file's head.
pub(super) struct Client {
    /// For `https://`, through the proxy that the environment names.
    secure: Agent,
    /// For `http://`: straight, to this machine or its network.
    plain: Agent,
}

impl Client {
    /// A receiver has `timeout` for its answer.
    pub fn new(timeout: Duration) -> Self {
        let config = || {
            Agent::config_builder()
                .timeout_global(Some(timeout))
                .timeout_recv_body(Some(BODY_WITHIN))
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("Parlor/", env!("CARGO_PKG_VERSION")))
                .max_idle_connections(4 * WIDTH)
                .max_idle_connections_per_host(WIDTH)
        };
        Self {
            secure: config().https_only(true).build().into(),
            plain: config().proxy(None).build().into(),
        }
    }

    /// Whether it is a URL that this client can call.
    pub fn check(url: &str) -> Result<(), String> {
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("webhook_urls: {} is no URL: {error}", shown(url)))?;
        match uri.host() {
            Some(_) => Ok(()),
            None => Err(format!("webhook_urls: {} names no host", shown(url))),
        }
    }

    /// Sends it; done when the receiver has answered 2xx.
    pub fn post(&self, url: &str, request: &Request) -> Result<(), Failure> {
        let agent = if url.starts_with("https://") {
            &self.secure
        } else {
            &self.plain
        };
        let sent = agent
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", &request.id)
            .header("webhook-timestamp", request.timestamp.to_string())
            .header("webhook-signature", &request.signature)
            .send(&request.body);
        let mut answer = sent.map_err(|error| match error {
            ureq::Error::Timeout(_) => Failure::Timeout,
            other => Failure::Connection(other.to_string()),
        })?;
        let status = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(seconds);
        // Whatever stands there is of no interest, nor whether it can be read.
        let _ = answer.body_mut().with_config().limit(BODY_BYTES).read_to_vec();
        match status {
            200..300 => Ok(()),
            410 => Err(Failure::Gone),
            _ => Err(Failure::Status { status, retry_after }),
        }
    }
}

/// A pause in seconds; the form with a date is not read.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse().ok().map(Duration::from_secs)?;
    Some(seconds.min(RETRY_AFTER_MAX))
}

/// A URL as it may stand in the log: paths and queries of webhooks hold secrets.
pub(super) fn shown(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?']).map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        assert_eq!(shown("https://a.example:8/hooks/secret?x=y"), "https://a.example:8");
        assert_eq!(shown("http://a.example?x"), "http://a.example");
        assert_eq!(shown("http://a.example"), "http://a.example");
        assert!(Client::check("https://a.example/x?y=z").is_ok());
        assert!(!Client::check("https://a:b:c/secret").unwrap_err().contains("secret"));
    }

    #[test]
    fn a_pause_is_taken_up_to_an_hour() {
        assert_eq!(seconds(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(seconds("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(seconds("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(seconds("-1"), None);
    }
}
