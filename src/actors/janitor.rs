//! What nobody else would do in time: bring rooms back that panicked while nobody asked for them, forget what has run out.
//! One per node; does nothing in one go that takes long.

use std::{sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, WrapFuture, fut::ActorFutureExt};

use super::{
    Node,
    retention::{self, Round},
};
use crate::auth::Revoked;

/// How often it looks for dead rooms. Their viewers wait that long for what was committed but not broadcast.
const LOOK: Duration = Duration::from_secs(1);

/// How often it forgets.
const FORGET: Duration = Duration::from_secs(60);

/// Pause between two looks for what is past its time: that late it may be removed, and later by one look for each 500
/// conversations with a retention policy.
const RETAIN: Duration = Duration::from_secs(1);

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
        retain(Round::default(), self, ctx);
    }
}

/// Goes on with the round through what is past its time, for ever.
fn retain(round: Round, janitor: &mut Janitor, ctx: &mut Context<Janitor>) {
    let node = janitor.node.clone();
    let look = async move {
        let round = retention::go_on(&node, round).await;
        retention::forget_reads(&node, round).await
    };
    ctx.spawn(look.into_actor(janitor).map(|round, _, ctx| {
        ctx.run_later(RETAIN, move |janitor, ctx| retain(round, janitor, ctx));
    }));
}
