//! One pass a second over a worker's sessions: who is silent, whose token ends, who is stuck. One timer for all of them:
//! 18,000 timers of their own cost ten times as much as one pass over 18,000 sessions.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::{AsyncContext, Context};
use tokio::time::Instant;

use super::{Entry, Relay};
use crate::{
    actors::Node,
    domain::{Timestamp, limits},
    protocol::{CloseCode, Event, envelope},
};

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// How long a session that is being closed may take to read its close frame.
const LINGER: Duration = Duration::from_secs(5);

impl Relay {
    pub(super) fn start_sweeping(&self, ctx: &mut Context<Self>) {
        ctx.run_interval(EVERY, |relay, _| {
            relay.check_overflow();
            let now = Instant::now();
            let time = relay.node.clock.now();
            let sessions: Vec<Rc<Entry>> = relay.local.sessions.borrow().values().cloned().collect();
            for entry in sessions {
                sweep(&relay.node, &entry, now, time);
            }
        });
    }
}

fn sweep(node: &Arc<Node>, entry: &Rc<Entry>, now: Instant, time: Timestamp) {
    if !entry.outbox.borrow().open() {
        // `pinged` marks when the closing was first seen: no further pings are sent.
        if entry.ready.replace(false) {
            entry.pinged.set(now);
        } else if now.duration_since(entry.pinged.get()) > LINGER {
            entry.outbox.borrow_mut().abort();
            entry.wake();
        }
        return;
    }
    let silent = now.duration_since(entry.heard.get());
    if silent >= node.settings.heartbeat_timeout {
        log::info!(target: "parlor::relay", "session {} is silent: closed", entry.id);
        entry.close(CloseCode::HeartbeatMissed);
        return;
    }
    // Half a round early rather than half a round late.
    if now.duration_since(entry.pinged.get()) + EVERY / 2 >= node.settings.heartbeat {
        entry.pinged.set(now);
        entry.send(envelope::ping());
    }
    expire(entry, time);
}

fn expire(entry: &Rc<Entry>, time: Timestamp) {
    let expires_at = entry.expires_at.get();
    if time >= expires_at {
        entry.close(CloseCode::Expired);
        return;
    }
    let soon = (expires_at.millis() - time.millis()) <= limits::TOKEN_EXPIRING_SECONDS * 1000;
    if soon && entry.ready.get() && !entry.expiry_told.replace(true) {
        entry.send(envelope::event(&Event::TokenExpiring { expires_at }));
    }
}
