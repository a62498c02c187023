//! What an operator may set, parsed and checked. Read by `app`, `cli` and whatever they hand parts of it to; never changes
//! after the start.
//!
//! Every setting is one row of [`SETTINGS`]; flags, environment variables, `parlor.toml` and the annotated default are
//! derived from it. Later wins: defaults, `parlor.toml`, environment, flags.

mod annotated;
mod file;
mod load;
mod origin;
mod parse;
mod private_dir;
mod settings;
mod similar;
mod webhooks;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::domain::ReactionSet;

pub use annotated::annotated;
pub use load::{Loaded, Sources, load};
pub use private_dir::make_private_dir;
pub use settings::{SETTINGS, Setting};
pub use webhooks::{WebhookConfig, WebhookEvents, WebhookSecret};

/// What the SQLite file is called in the data directory, unless `database_url` says otherwise.
const SQLITE_FILE: &str = "parlor.sqlite3";

/// Every setting. See [`crate::config`] for where each comes from.
#[derive(Clone)]
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
    /// Origins from which a cookie is honoured, beside the server's own; also who may call across origins. As browsers send
    /// them: `scheme://host[:port]` in lower case, without a default port; never `*`.
    pub allowed_origins: Vec<String>,
    /// Whether people may register.
    pub registration: Registration,
    /// How fast clients may be.
    pub rates: Rates,
    /// After how much silence the server pings.
    pub heartbeat: Duration,
    /// After how much silence it closes with 4408; longer than `heartbeat`.
    pub heartbeat_timeout: Duration,
    /// After how much idleness a room retires.
    pub room_idle: Duration,
    /// Unsent bytes that a session may pile up before it is closed with 4430.
    pub outbox_bytes: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// What people may react with.
    pub reactions: ReactionSet,
    /// Bytes that uploads leave free on their disk.
    pub upload_reserve: u64,
    /// Most bytes of one payload of Socket.IO's long polling.
    pub max_payload: usize,
    /// What a scraper shows instead of an admin's token.
    pub metrics_token: Option<String>,
    /// Whom to tell what happens here.
    pub webhooks: WebhookConfig,
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
    /// Wrong passwords and invite codes of conversations a minute and user.
    pub guesses_per_minute: u32,
}

impl Rates {
    /// No limit at all.
    pub const OFF: Self = Self {
        messages_per_second: 0,
        messages_burst: 0,
        events_per_second: 0,
        logins_per_minute: 0,
        guesses_per_minute: 0,
    };
}

impl Config {
    /// Where the SQLite file is.
    pub fn sqlite_path(&self) -> PathBuf {
        match self
            .database_url
            .as_deref()
            .and_then(|url| url.strip_prefix("sqlite://"))
        {
            Some(path) => PathBuf::from(path),
            None => self.data_dir.join(SQLITE_FILE),
        }
    }
}

/// Without what is secret: the metrics token, the webhooks, and the database's URL, which may hold a password.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .field("workers", &self.workers)
            .field("room_threads", &self.room_threads)
            .field("node_id", &self.node_id)
            .field("jwt", &self.jwt)
            .field("allowed_origins", &self.allowed_origins)
            .field("registration", &self.registration)
            .field("rates", &self.rates)
            .field("heartbeat", &self.heartbeat)
            .field("heartbeat_timeout", &self.heartbeat_timeout)
            .field("room_idle", &self.room_idle)
            .field("outbox_bytes", &self.outbox_bytes)
            .field("max_connections", &self.max_connections)
            .field("reactions", &self.reactions)
            .field("upload_reserve", &self.upload_reserve)
            .field("max_payload", &self.max_payload)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for JwtConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtConfig")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
