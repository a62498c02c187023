//! From a session to a room. Only a member's request goes there at once; for a conversation that the session does not listen
//! to, the store is asked who they are. Called by `requests`; keeps the order in which a conversation's requests were read,
//! also when the session begins to listen between two of them.

use std::time::Duration;

use actix::{AsyncContext, Context, WrapFuture, fut::ActorFutureExt};
use tokio::time::{Instant, timeout_at};

use super::Session;
use crate::{
    actors::{
        commands,
        room::{Request, Submit},
    },
    domain::{Conversation, ConversationId, Role, limits},
    protocol::{ApiError, ErrorCode},
};

/// A request for a conversation that the session does not listen to.
pub(super) struct Stranger {
    conversation: ConversationId,
    submit: Submit,
}

impl Session {
    /// Hands a request to its room, or lets it wait for the store's word.
    pub(super) fn submit(
        &mut self,
        conversation: ConversationId,
        request: Request,
        id: Option<i64>,
        event: &'static str,
        ctx: &mut Context<Self>,
    ) {
        let submit = Submit {
            by: self.entry.user.borrow().clone(),
            request,
            reply: self.reply(id, event),
            since: Instant::now(),
        };
        let waits = |stranger: &Stranger| stranger.conversation == conversation;
        if self.local.subscribed(&self.entry, conversation) && !self.strangers.iter().any(waits) {
            return commands::offer(&self.node.rooms.open(&self.node, conversation), submit);
        }
        self.strangers.push_back(Stranger { conversation, submit });
        if self.strangers.len() == 1 {
            self.ask_for_stranger(ctx);
        }
    }

    fn ask_for_stranger(&mut self, ctx: &mut Context<Self>) {
        let Some(first) = self.strangers.front() else { return };
        let (node, caller, conversation) = (self.node.clone(), self.caller(), first.conversation);
        let until = first.submit.since + Duration::from_millis(limits::ANSWER_WITHIN_MS);
        let known = async move {
            let known = timeout_at(until, commands::require_member(&node, &caller, conversation)).await;
            known.unwrap_or_else(|_| Err(ApiError::unavailable()))
        };
        ctx.spawn(known.into_actor(self).map(|known, session, ctx| {
            session.decide_on_stranger(known);
            session.ask_for_stranger(ctx);
        }));
    }

    fn decide_on_stranger(&mut self, known: Result<(Conversation, Role), ApiError>) {
        let Some(Stranger { conversation, submit }) = self.strangers.pop_front() else {
            return;
        };
        match known {
            Ok(_) => commands::offer(&self.node.rooms.open(&self.node, conversation), submit),
            Err(error) => {
                let all = error.code == ErrorCode::Unavailable;
                submit.reply.refuse(error.clone());
                if all {
                    // A store that does not answer is not asked, and waited for, once for each of them.
                    for stranger in self.strangers.drain(..) {
                        stranger.submit.reply.refuse(error.clone());
                    }
                }
            }
        }
    }
}
