//! What nobody else would do in time: bring rooms back that panicked while nobody asked for them, forget what has run out.
//! One per node; does nothing in one go that takes long.

use std::{sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context};

use super::Node;
use crate::auth::Revoked;

/// How often it looks for dead rooms. Their viewers wait that long for what was committed but not broadcast.
const LOOK: Duration = Duration::from_secs(1);

/// How often it forgets.
const FORGET: Duration = Duration::from_secs(60);

/// See the file's head.
pub struct Janitor {
    /// The engine.
    pub node: Arc<Node>,
    /// Tokens that were revoked before their end.
    pub revoked: Arc<Revoked>,
}

impl Actor for Janitor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(LOOK, |janitor, _| {
            for id in janitor.node.rooms.dead() {
                janitor.node.rooms.open(&janitor.node, id);
            }
        });
        ctx.run_interval(FORGET, |janitor, _| {
            janitor.node.rates.sweep();
            janitor.revoked.sweep();
        });
    }
}
