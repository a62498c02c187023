//! The JWKS of the embedding product: read from a file or fetched from a URL, kept fresh, the last good one kept when a fetch
//! fails. Called by `token`. Blocks only on blocking threads; one fetch at a time.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde::Deserialize;
use tokio::sync::Mutex;

use super::keys::{JsonKey, VerifyKey};
use crate::domain::{Clock, Timestamp};

/// How old keys may be, in milliseconds.
const OLD_AFTER_MS: u64 = 3_600_000;
/// The pause between two fetches, in milliseconds: tokens of strangers can ask for one.
const PAUSE_MS: u64 = 30_000;
/// How long one fetch may take.
const FETCH_WITHIN: Duration = Duration::from_secs(5);
/// The largest set that is read, in bytes, and the most keys of it that are kept.
const SET_BYTES: u64 = 256 * 1024;
const SET_KEYS: usize = 100;

/// The keys and where they come from.
pub(super) struct Jwks {
    source: Source,
    clock: Clock,
    /// Shared with the blocking thread that fetches, so that a fetch is kept even when who asked for it has gone.
    fetched: Arc<RwLock<Fetched>>,
    /// When the last fetch began; locked while it runs.
    tried: Mutex<Timestamp>,
}

struct Fetched {
    keys: Arc<Vec<VerifyKey>>,
    at: Option<Timestamp>,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Url { url: String, agent: ureq::Agent },
}

impl Jwks {
    /// Parses the place (a file or a URL) and loads it once. Blocks.
    ///
    /// Errors: a place that cannot be right, a file that cannot be read. A URL that does not answer is only warned of.
    pub fn open(place: &str, clock: Clock) -> Result<Self, String> {
        let source = Source::parse(place)?;
        let now = clock.now();
        let fetched = match (source.load(), &source) {
            (Ok(keys), _) => Fetched {
                keys: Arc::new(keys),
                at: Some(now),
            },
            (Err(why), Source::File(_)) => return Err(format!("jwks: {place}: {why}")),
            (Err(why), Source::Url { .. }) => {
                log::warn!(target: "parlor::auth", "jwks: {place}: {why}: no token can be verified with it until it answers");
                Fetched {
                    keys: Arc::default(),
                    at: None,
                }
            }
        };
        Ok(Self {
            source,
            clock,
            fetched: Arc::new(RwLock::new(fetched)),
            tried: Mutex::new(now),
        })
    }

    /// The last good set.
    pub fn keys(&self) -> Arc<Vec<VerifyKey>> {
        Arc::clone(&self.fetched.read().unwrap_or_else(PoisonError::into_inner).keys)
    }

    /// Fetches when the set is an hour old. Whoever finds a fetch under way goes on with the set as it is.
    pub async fn refresh_when_old(&self) {
        let at = self.fetched.read().unwrap_or_else(PoisonError::into_inner).at;
        let old = at.is_none_or(|at| apart(self.clock.now(), at) >= OLD_AFTER_MS);
        if old && let Ok(tried) = self.tried.try_lock() {
            self.fetch_unless_just_tried(tried).await;
        }
    }

    /// Fetches unless that was tried in the last 30 s. Whoever finds a fetch under way waits for it.
    pub async fn refresh_for_unknown_key(&self) {
        let tried = self.tried.lock().await;
        self.fetch_unless_just_tried(tried).await;
    }

    async fn fetch_unless_just_tried(&self, mut tried: tokio::sync::MutexGuard<'_, Timestamp>) {
        let now = self.clock.now();
        if apart(now, *tried) < PAUSE_MS {
            return;
        }
        *tried = now;
        let (source, fetched) = (self.source.clone(), Arc::clone(&self.fetched));
        let done = tokio::task::spawn_blocking(move || match source.load() {
            Ok(keys) => {
                *fetched.write().unwrap_or_else(PoisonError::into_inner) = Fetched {
                    keys: Arc::new(keys),
                    at: Some(now),
                };
            }
            Err(why) => log::warn!(target: "parlor::auth", "jwks: {why}: the keys of before stay in use"),
        });
        if let Err(error) = done.await {
            log::error!(target: "parlor::auth", "jwks: the fetch broke off: {error}");
        }
    }
}

/// Milliseconds between two moments: a clock that was set back must not stop the refresh.
fn apart(one: Timestamp, other: Timestamp) -> u64 {
    one.since(other).max(other.since(one))
}

impl Source {
    fn parse(place: &str) -> Result<Self, String> {
        if let Some(rest) = place.strip_prefix("http://") {
            if !is_loopback(rest) {
                return Err(
                    "jwks: http:// is taken for this machine only (127.0.0.1, localhost): use https://".to_owned(),
                );
            }
            let agent = ureq::Agent::config_builder().proxy(None).max_redirects(0);
            return Ok(Self::url(place, agent));
        }
        if place.starts_with("https://") {
            // A redirect to http:// is refused too.
            return Ok(Self::url(
                place,
                ureq::Agent::config_builder().https_only(true).max_redirects(3),
            ));
        }
        if place.contains("://") {
            return Err("jwks: must be a file or an https:// URL".to_owned());
        }
        Ok(Self::File(PathBuf::from(place)))
    }

    fn url(url: &str, agent: ureq::config::ConfigBuilder<ureq::typestate::AgentScope>) -> Self {
        Self::Url {
            url: url.to_owned(),
            agent: agent.timeout_global(Some(FETCH_WITHIN)).build().into(),
        }
    }

    /// Reads or fetches, and parses. Blocks, at most `FETCH_WITHIN`.
    fn load(&self) -> Result<Vec<VerifyKey>, String> {
        match self {
            Self::File(path) => {
                let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
                if size > SET_BYTES {
                    return Err(format!("is larger than {SET_BYTES} bytes"));
                }
                parse(&std::fs::read(path).map_err(|error| error.to_string())?)
            }
            Self::Url { url, agent } => {
                let mut answer = agent.get(url).call().map_err(|error| error.to_string())?;
                let body = answer.body_mut().with_config().limit(SET_BYTES).read_to_vec();
                parse(&body.map_err(|error| error.to_string())?)
            }
        }
    }
}

/// Whether what follows `http://` names this machine. User information ("127.0.0.1@elsewhere") is no part of a host.
fn is_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    !authority.contains('@') && (host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// The usable keys of a set. One that is no good is skipped with a warning: products publish keys for other purposes too.
fn parse(json: &[u8]) -> Result<Vec<VerifyKey>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(json).map_err(|error| format!("is no JWKS: {error}"))?;
    let mut keys = Vec::new();
    for value in set.keys.into_iter().take(SET_KEYS) {
        let Ok(key) = serde_json::from_value::<JsonKey>(value) else {
            log::warn!(target: "parlor::auth", "jwks: skipped something that is no key");
            continue;
        };
        let name = key.name();
        match key.into_key() {
            Ok(Some(key)) => keys.push(key),
            Ok(None) => log::debug!(target: "parlor::auth", "jwks: key {name:?} is for something else"),
            Err(why) => log::warn!(target: "parlor::auth", "jwks: skipped key {name:?}: it {why}"),
        }
    }
    if keys.is_empty() {
        return Err("holds no key for RS256, ES256 or EdDSA".to_owned());
    }
    Ok(keys)
}
