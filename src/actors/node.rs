//! What every actor and command of this node reaches for: the store, the directory of rooms, the relays, the clock.
//! Made once by `app`; holds no state of its own.

use std::{sync::Arc, time::Duration};

use actix::Addr;

use super::{persistence::Persistence, presence::Presence, relay::Relays, rooms::Rooms};
use crate::{
    auth::{Authenticator, RateLimits},
    db::Store,
    domain::{Clock, Entropy, ReactionSet, Timestamp},
    metrics::Metrics,
    protocol::event::Limits,
    webhooks::Webhooks,
};

/// See the file's head.
pub struct Node {
    /// What this node calls itself.
    pub id: String,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Reads, and writes that take no seq.
    pub store: Arc<dyn Store>,
    /// The queue in front of the log.
    pub persistence: Addr<Persistence>,
    /// Who is online.
    pub presence: Addr<Presence>,
    /// The way to every session.
    pub relays: Relays,
    /// The conversations in use.
    pub rooms: Rooms,
    /// Who a token belongs to.
    pub authenticator: Arc<Authenticator>,
    /// How fast they may be.
    pub rates: Arc<RateLimits>,
    /// What time it is.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// Whom to tell outside what happened.
    pub webhooks: Webhooks,
    /// What is counted.
    pub metrics: Metrics,
    /// Bounds that an operator may set.
    pub settings: Settings,
}

/// The part of the configuration that actors read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// After how much silence a session is pinged.
    pub heartbeat: Duration,
    /// After how much silence it is closed.
    pub heartbeat_timeout: Duration,
    /// After how much idleness a room retires.
    pub room_idle: Duration,
    /// Unsent bytes a session may pile up.
    pub outbox_bytes: usize,
    /// What `ready` says about bounds.
    pub limits: Limits,
    /// What people may react with.
    pub reactions: ReactionSet,
}
