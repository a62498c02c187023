//! What is past its time: the janitor asks, the log removes a bounded number at a time, in order with everything else, and the
//! members are told up to where their conversation is gone. The janitor sets the pace: nothing here asks for more by itself.

use actix::{Context, Handler, Message};
use tokio::{sync::oneshot, time::Instant};

use super::{Pending, Room, State};
use crate::{
    actors::relay::{Audience, Tell},
    db::Op,
    domain::{Seq, limits},
    protocol::{Event, envelope},
};

/// Remove what is past its time, some of it. A room that cannot take it in right now drops the sender: the janitor comes again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Expire(
    /// Told after the commit whether there is more.
    pub oneshot::Sender<bool>,
);

impl Handler<Expire> for Room {
    type Result = ();

    fn handle(&mut self, Expire(reply): Expire, ctx: &mut Context<Self>) {
        let State::Open(loaded) = &self.state else { return };
        // While a change is undecided, the policy may be what it changes.
        let Some(seconds) = loaded.conversation.policies.retention_seconds else {
            return;
        };
        if self.deferred.is_some() || self.expiring.is_some() {
            return;
        }
        let op = Op::Expire {
            before: self.node.clock.now().before_seconds(seconds),
            limit: limits::EXPIRED_AT_ONCE,
        };
        self.expiring = Some(reply);
        self.pending.push_back(Pending {
            op,
            reply: None,
            since: Instant::now(),
        });
        self.schedule(ctx);
    }
}

impl Room {
    /// The log removed something, or found nothing to remove. What to tell, if the members do not know yet.
    pub(super) fn expired(&mut self, upto: Seq, more: bool) -> Option<Tell> {
        if let Some(reply) = self.expiring.take() {
            // A janitor that gave up comes again.
            let _ = reply.send(more);
        }
        let State::Open(loaded) = &mut self.state else {
            return None;
        };
        if upto <= loaded.expired {
            return None;
        }
        loaded.expired = upto;
        Some(self.gone_up_to(upto))
    }

    /// `messages_expired` for every member.
    pub(super) fn gone_up_to(&self, expired_seq: Seq) -> Tell {
        let event = Event::MessagesExpired {
            conversation_id: self.id,
            expired_seq,
        };
        Tell {
            audience: Audience::Members {
                conversation: self.id,
                except: None,
            },
            frame: envelope::event(&event),
        }
    }
}
