//! What an operator may set, parsed and checked. Read by `app`, `cli` and whatever they hand parts of it to; never changes
//! after the start.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Every setting. See [`crate::config`] for where each comes from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// SQLite file, secret, uploads.
    pub data_dir: PathBuf,
    /// `sqlite://PATH`; `None` is `parlor.sqlite3` in the data directory.
    pub database_url: Option<String>,
    /// How many HTTP worker threads.
    pub workers: usize,
    /// How many threads rooms live on.
    pub room_threads: usize,
    /// What this node calls itself in `ready`.
    pub node_id: String,
    /// Who may sign tokens.
    pub jwt: JwtConfig,
    /// Origins from which a cookie is honoured, beside the server's own; also who may call across origins.
    pub allowed_origins: Vec<String>,
    /// Whether people may register.
    pub registration: Registration,
    /// How fast clients may be.
    pub rates: Rates,
    /// After how much silence the server pings.
    pub heartbeat: Duration,
    /// After how much silence it closes with 4408.
    pub heartbeat_timeout: Duration,
    /// After how much idleness a room retires.
    pub room_idle: Duration,
    /// Unsent bytes that a session may pile up before it is closed with 4430.
    pub outbox_bytes: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// What a scraper shows instead of an admin's token.
    pub metrics_token: Option<String>,
}

/// Who may sign tokens, and how long ours live.
#[derive(Clone)]
pub struct JwtConfig {
    /// The HS256 secret; `None` with no public keys either: made at the first start, in the data directory.
    pub secret: Option<String>,
    /// A PEM file with a public key (RS256, ES256 or EdDSA by its kind).
    pub public_key: Option<PathBuf>,
    /// A JWKS file or `https://` URL.
    pub jwks: Option<String>,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must hold.
    pub audience: Option<String>,
    /// How long tokens of register and login live.
    pub ttl: Duration,
}

/// Whether people may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Only tokens and admins make users.
    Closed,
}

/// How fast clients may be; 0 turns a limit off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Messages a second and user.
    pub messages_per_second: u32,
    /// How many of them at once.
    pub messages_burst: u32,
    /// Other events a second and user.
    pub events_per_second: u32,
    /// Logins a minute for an address and a name.
    pub logins_per_minute: u32,
}

impl std::fmt::Debug for JwtConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtConfig")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
