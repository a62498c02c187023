//! What every handler reaches for. Made once by `app`, shared by all workers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use prometheus_client::registry::Registry;

use super::socketio;
use crate::{
    actors::Node,
    auth::{AllowedOrigins, Passwords, Revoked, Tokens},
    config::Config,
    uploads::Uploads,
};

/// See the file's head.
pub struct State {
    /// The engine.
    pub node: Arc<Node>,
    /// Mints and verifies tokens.
    pub tokens: Arc<Tokens>,
    /// Tokens that were revoked before their end.
    pub revoked: Arc<Revoked>,
    /// Hashes and verifies passwords.
    pub passwords: Arc<Passwords>,
    /// Pictures.
    pub uploads: Arc<Uploads>,
    /// From where a cookie is honoured.
    pub origins: AllowedOrigins,
    /// What the operator set.
    pub config: Config,
    /// Every figure.
    pub registry: Registry,
    /// Where Engine.IO sessions that poll are found.
    pub socketio: Arc<socketio::Registry>,
    draining: AtomicBool,
}

impl State {
    /// Put together by `app`.
    pub fn new(
        node: Arc<Node>,
        tokens: Arc<Tokens>,
        revoked: Arc<Revoked>,
        passwords: Arc<Passwords>,
        uploads: Arc<Uploads>,
        config: Config,
    ) -> Self {
        let origins = AllowedOrigins::new(config.allowed_origins.clone());
        let registry = node.metrics.registry();
        Self {
            node,
            tokens,
            revoked,
            passwords,
            uploads,
            origins,
            config,
            registry,
            socketio: Arc::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// Whether the server is going away: no new sessions, not ready.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on it is.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
