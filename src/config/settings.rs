//! The one table of settings. `load` and `annotated` walk it, and so does `cli` for its flags; a new setting is a new row here
//! and a field of `Config`. Reads no file and no environment.

use std::time::Duration;

use super::{Config, JwtConfig, Rates, Registration, WebhookConfig, origin, parse, webhooks};
use crate::domain::ReactionSet;

/// A setting: its names, its default, and how its text becomes a part of `Config`.
pub struct Setting {
    /// In `parlor.toml`: snake_case, top level.
    pub key: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// The flag, without its dashes.
    pub flag: &'static str,
    /// What stands for the value in the help.
    pub value_name: &'static str,
    /// The default as text; empty for none.
    pub default: &'static str,
    /// One or two sentences for the operator.
    pub help: &'static str,
    /// Whether its value is shown to nobody, error messages included.
    pub secret: bool,
    /// Puts the value in; the error says what is allowed, and never repeats the value.
    pub(super) apply: fn(&mut Draft, &str) -> Result<(), String>,
}

/// The configuration while settings are put in, in the table's order.
pub(super) struct Draft {
    pub config: Config,
    /// Whether `config.rates` count; `finish` zeroes them otherwise.
    pub rate_limits: bool,
}

impl Draft {
    /// Nothing set: the defaults are the table's, not these.
    pub fn blank() -> Self {
        Self {
            config: Config {
                listen: ([0, 0, 0, 0], 0).into(),
                data_dir: Default::default(),
                database_url: None,
                database_connections: 0,
                migrate: false,
                workers: 0,
                room_threads: 0,
                node_id: String::new(),
                jwt: JwtConfig {
                    secret: None,
                    public_key: None,
                    jwks: None,
                    issuer: None,
                    audience: None,
                    ttl: Duration::ZERO,
                },
                allowed_origins: Vec::new(),
                registration: Registration::Closed,
                rates: Rates::OFF,
                heartbeat: Duration::ZERO,
                heartbeat_timeout: Duration::ZERO,
                room_idle: Duration::ZERO,
                outbox_bytes: 0,
                max_connections: 0,
                upload_reserve: 0,
                max_payload: 0,
                metrics_token: None,
                reactions: ReactionSet::default(),
                webhooks: WebhookConfig::OFF,
            },
            rate_limits: false,
        }
    }

    /// Checks what concerns more than one setting.
    pub fn finish(mut self) -> Result<Config, String> {
        let config = &mut self.config;
        if config.heartbeat_timeout <= config.heartbeat {
            return Err(format!(
                "heartbeat_timeout_seconds ({}) must be greater than heartbeat_seconds ({}): the answer to a ping needs time",
                config.heartbeat_timeout.as_secs(),
                config.heartbeat.as_secs()
            ));
        }
        if !config.webhooks.urls.is_empty() && config.webhooks.secrets.is_empty() {
            return Err(
                "webhook_urls needs webhook_secret, by which a receiver knows that it is us (parlor webhook-secret makes one)"
                    .to_owned(),
            );
        }
        if !self.rate_limits {
            config.rates = Rates::OFF;
        }
        Ok(self.config)
    }
}

macro_rules! setting {
    ($key:literal, $env:literal, $flag:literal, $value:literal, $default:literal, $help:literal, $apply:expr) => {
        setting!(@ $key, $env, $flag, $value, $default, $help, false, $apply)
    };
    (secret $key:literal, $env:literal, $flag:literal, $value:literal, $help:literal, $apply:expr) => {
        setting!(@ $key, $env, $flag, $value, "", $help, true, $apply)
    };
    (@ $key:literal, $env:literal, $flag:literal, $value:literal, $default:literal, $help:literal, $secret:literal, $apply:expr) => {
        Setting {
            key: $key,
            env: $env,
            flag: $flag,
            value_name: $value,
            default: $default,
            help: $help,
            secret: $secret,
            apply: $apply,
        }
    };
}

/// Every setting, in the order in which they are shown.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    setting!("listen", "PARLOR_LISTEN", "listen", "ADDR:PORT", "127.0.0.1:8080",
        "Where to listen. Port 0 picks a free one, which is printed at the start.",
        |d, t| parse::put(&mut d.config.listen, parse::address(t))),
    setting!("data_dir", "PARLOR_DATA_DIR", "data-dir", "DIR", "./data",
        "Where the SQLite file, the secret for tokens and uploads are kept.",
        |d, t| parse::put(&mut d.config.data_dir, parse::path(t))),
    setting!(secret "database_url", "DATABASE_URL", "database-url", "URL",
        "The database: postgres://USER:PASSWORD@HOST/DATABASE or sqlite://PATH. Without it, parlor.sqlite3 in the data directory.",
        |d, t| parse::put(&mut d.config.database_url, parse::optional(t, parse::database_url).map(Option::flatten))),
    setting!("database_connections", "PARLOR_DATABASE_CONNECTIONS", "database-connections", "N", "8",
        "Connections to PostgreSQL that read at once; five more write.",
        |d, t| parse::put(&mut d.config.database_connections, parse::number(t, 1..=1000))),
    setting!("migrate", "PARLOR_MIGRATE", "migrate", "on|off", "on",
        "Whether the server brings the database's schema up to date when it starts. off: it refuses to start until \
         parlor migrate was run.",
        |d, t| parse::put(&mut d.config.migrate, parse::switch(t))),
    setting!(secret "redis_url", "REDIS_URL", "redis-url", "URL",
        "Reserved: joins several nodes, which a later version brings.",
        |_, t| parse::redis_url(t)),
    setting!("workers", "PARLOR_WORKERS", "workers", "N", "0",
        "Threads that speak HTTP and WebSocket. 0: one for each core.",
        |d, t| parse::put(&mut d.config.workers, parse::threads(t))),
    setting!("room_threads", "PARLOR_ROOM_THREADS", "room-threads", "N", "0",
        "Threads that rooms live on. 0: one for each core.",
        |d, t| parse::put(&mut d.config.room_threads, parse::threads(t))),
    setting!("node_id", "PARLOR_NODE_ID", "node-id", "NAME", "node-1",
        "What this server calls itself to clients.",
        |d, t| parse::put(&mut d.config.node_id, parse::node_id(t))),
    setting!(secret "jwt_secret", "PARLOR_JWT_SECRET", "jwt-secret", "SECRET",
        "The HS256 secret for tokens, 32 bytes or more; better not as a flag, which other users of the machine can see. \
         Without it and without public keys, one is made at the first start, in the data directory.",
        |d, t| parse::put(&mut d.config.jwt.secret, parse::optional(t, parse::text))),
    setting!("jwt_public_key", "PARLOR_JWT_PUBLIC_KEY", "jwt-public-key", "FILE", "",
        "A PEM file with the public keys of whoever signs tokens: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).",
        |d, t| parse::put(&mut d.config.jwt.public_key, parse::optional(t, parse::public_key_file))),
    setting!("jwks", "PARLOR_JWKS", "jwks", "FILE|URL", "",
        "The same as a JWKS: a file, or an https:// URL that is fetched anew every hour.",
        |d, t| parse::put(&mut d.config.jwt.jwks, parse::optional(t, parse::text))),
    setting!("jwt_issuer", "PARLOR_JWT_ISSUER", "jwt-issuer", "TEXT", "",
        "What a token's iss must be. Without it, iss is not checked.",
        |d, t| parse::put(&mut d.config.jwt.issuer, parse::optional(t, parse::text))),
    setting!("jwt_audience", "PARLOR_JWT_AUDIENCE", "jwt-audience", "TEXT", "",
        "What a token's aud must hold. Without it, aud is not checked.",
        |d, t| parse::put(&mut d.config.jwt.audience, parse::optional(t, parse::text))),
    setting!("token_ttl_seconds", "PARLOR_TOKEN_TTL_SECONDS", "token-ttl-seconds", "SECONDS", "86400",
        "How long the tokens of register and login live.",
        |d, t| parse::put(&mut d.config.jwt.ttl, parse::seconds(t, 1..=366 * 86_400))),
    setting!("allowed_origins", "PARLOR_ALLOWED_ORIGINS", "allowed-origins", "ORIGINS", "",
        "Web pages beside the server's own that may use it with a cookie, and across origins: https://chat.example, \
         comma separated (or a list in the file).",
        |d, t| parse::put(&mut d.config.allowed_origins, origin::origins(t))),
    setting!("registration", "PARLOR_REGISTRATION", "registration", "open|closed", "open",
        "Whether anybody may register. closed: only tokens and admins make users.",
        |d, t| parse::put(&mut d.config.registration, parse::registration(t))),
    setting!("rate_limits", "PARLOR_RATE_LIMITS", "rate-limits", "on|off", "on",
        "off lifts all rate limits: for load tests.",
        |d, t| parse::put(&mut d.rate_limits, parse::switch(t))),
    setting!("rate_messages_per_second", "PARLOR_RATE_MESSAGES_PER_SECOND", "rate-messages-per-second", "N", "10",
        "Messages that a user may send a second. 0: no limit.",
        |d, t| parse::put(&mut d.config.rates.messages_per_second, parse::number(t, 0..=1_000_000))),
    setting!("rate_messages_burst", "PARLOR_RATE_MESSAGES_BURST", "rate-messages-burst", "N", "20",
        "How many of them at once.",
        |d, t| parse::put(&mut d.config.rates.messages_burst, parse::number(t, 1..=1_000_000))),
    setting!("rate_events_per_second", "PARLOR_RATE_EVENTS_PER_SECOND", "rate-events-per-second", "N", "20",
        "Other events that a user may send a second. 0: no limit.",
        |d, t| parse::put(&mut d.config.rates.events_per_second, parse::number(t, 0..=1_000_000))),
    setting!("rate_logins_per_minute", "PARLOR_RATE_LOGINS_PER_MINUTE", "rate-logins-per-minute", "N", "10",
        "Logins a minute for one address and name. 0: no limit.",
        |d, t| parse::put(&mut d.config.rates.logins_per_minute, parse::number(t, 0..=1_000_000))),
    setting!("rate_guesses_per_minute", "PARLOR_RATE_GUESSES_PER_MINUTE", "rate-guesses-per-minute", "N", "5",
        "Wrong invite codes and passwords of conversations that a user may try a minute. 0: no limit.",
        |d, t| parse::put(&mut d.config.rates.guesses_per_minute, parse::number(t, 0..=1_000_000))),
    setting!("heartbeat_seconds", "PARLOR_HEARTBEAT_SECONDS", "heartbeat-seconds", "SECONDS", "25",
        "After how much silence the server pings a session.",
        |d, t| parse::put(&mut d.config.heartbeat, parse::seconds(t, 1..=3600))),
    setting!("heartbeat_timeout_seconds", "PARLOR_HEARTBEAT_TIMEOUT_SECONDS", "heartbeat-timeout-seconds", "SECONDS", "45",
        "After how much silence it closes the session; more than heartbeat_seconds.",
        |d, t| parse::put(&mut d.config.heartbeat_timeout, parse::seconds(t, 2..=7200))),
    setting!("room_idle_seconds", "PARLOR_ROOM_IDLE_SECONDS", "room-idle-seconds", "SECONDS", "60",
        "After how much idleness a conversation leaves memory.",
        |d, t| parse::put(&mut d.config.room_idle, parse::seconds(t, 1..=86_400))),
    setting!("outbox_kib", "PARLOR_OUTBOX_KIB", "outbox-kib", "KIB", "1024",
        "Unsent KiB that a session may pile up before it is closed as too slow to read.",
        |d, t| parse::put(&mut d.config.outbox_bytes, parse::number(t, 64..=1_048_576).map(|kib: usize| kib * 1024))),
    setting!("max_connections", "PARLOR_MAX_CONNECTIONS", "max-connections", "N", "25000",
        "Most connections at once.",
        |d, t| parse::put(&mut d.config.max_connections, parse::number(t, 1..=10_000_000))),
    setting!("reactions", "PARLOR_REACTIONS", "reactions", "EMOJI",
        "heart,laugh,fire,sad,thumbsup,thumbsdown,star,question",
        "What people may react with: names, or emoji themselves, comma separated (or a list in the file).",
        |d, t| parse::put(&mut d.config.reactions, ReactionSet::parse(t))),
    setting!("upload_reserve_mib", "PARLOR_UPLOAD_RESERVE_MIB", "upload-reserve-mib", "MIB", "256",
        "Free MiB that uploads leave on the disk, so that they cannot stop the database. With less, they are refused.",
        |d, t| parse::put(&mut d.config.upload_reserve, parse::number(t, 0..=1_000_000_000).map(|mib: u64| mib << 20))),
    setting!("max_payload_kib", "PARLOR_MAX_PAYLOAD_KIB", "max-payload-kib", "KIB", "1000",
        "KiB of one payload of Socket.IO's long polling, in either direction.",
        |d, t| parse::put(&mut d.config.max_payload, parse::number(t, 128..=65_536).map(|kib: usize| kib * 1024))),
    setting!(secret "metrics_token", "PARLOR_METRICS_TOKEN", "metrics-token", "TOKEN",
        "What a scraper of /metrics shows (Authorization: Bearer) instead of an admin's token.",
        |d, t| parse::put(&mut d.config.metrics_token, parse::optional(t, parse::text))),
    setting!(secret "webhook_urls", "PARLOR_WEBHOOK_URLS", "webhook-urls", "URLS",
        "Where webhooks are sent: http:// or https:// URLs, comma separated (or a list in the file). Needs webhook_secret.",
        |d, t| parse::put(&mut d.config.webhooks.urls, webhooks::urls(t))),
    setting!(secret "webhook_secret", "PARLOR_WEBHOOK_SECRET", "webhook-secret", "SECRET",
        "What webhooks are signed with: whsec_…, which parlor webhook-secret makes. Several, comma separated, while receivers \
         change over: each request then carries a signature for each.",
        |d, t| parse::put(&mut d.config.webhooks.secrets, webhooks::secrets(t))),
    setting!("webhook_events", "PARLOR_WEBHOOK_EVENTS", "webhook-events", "GROUPS", "message,membership",
        "What webhooks tell of: message, membership (and the conversations themselves), presence; comma separated.",
        |d, t| parse::put(&mut d.config.webhooks.events, webhooks::events(t))),
    setting!("webhook_timeout_seconds", "PARLOR_WEBHOOK_TIMEOUT_SECONDS", "webhook-timeout-seconds", "SECONDS", "10",
        "How long a receiver may take to answer.",
        |d, t| parse::put(&mut d.config.webhooks.timeout, parse::seconds(t, 1..=60))),
    setting!("webhook_retry_max_seconds", "PARLOR_WEBHOOK_RETRY_MAX_SECONDS", "webhook-retry-max-seconds", "SECONDS", "300",
        "The longest pause between two tries of a webhook; the first one is a second.",
        |d, t| parse::put(&mut d.config.webhooks.retry_max, parse::seconds(t, 1..=3600))),
];
