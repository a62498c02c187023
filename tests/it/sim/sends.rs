//! A client's sends: the same `clientId` until one is decided, in the order they were written, a few on their way at once.
//! Called by `script` (something to say) and `asks` (answers).

use std::time::Duration;

use parlor::domain::ConversationId;
use serde_json::{Value, json};

use super::{
    asks::{Asked, Todo},
    device::Device,
    known::{message_of, text},
};
use crate::checker::Act;

/// A send without an outcome.
pub struct Pending {
    pub conversation: ConversationId,
    pub text: String,
    tries: u32,
    /// Tries that were refused with the word that nothing was sent. When all were, it is decided.
    refusals: u32,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be tried as soon as there is room for it.
    Waiting,
    Flying,
    /// Refused, and to be tried again in a moment; or shut out.
    Resting,
}

/// Sends that a client has on their way at once.
const WINDOW: usize = 6;

impl Device {
    /// Something new to say.
    pub fn writes(&mut self, conversation: ConversationId, text: String) {
        self.todos += 1;
        let client_id = format!("{}-{}", self.name, self.todos);
        let pending = Pending {
            conversation,
            text,
            tries: 0,
            refusals: 0,
            stage: Stage::Waiting,
        };
        self.pending.insert(client_id, pending);
        self.submits();
    }

    /// Tries what is not decided, in the order it was written and a few at a time.
    pub fn submits(&mut self) {
        while self.ready {
            let flying = self
                .pending
                .values()
                .filter(|pending| pending.stage == Stage::Flying)
                .count();
            let next = self.pending.iter().find(|(_, pending)| pending.stage == Stage::Waiting);
            match next.map(|(client_id, _)| client_id.clone()) {
                Some(client_id) if flying < WINDOW => self.submit(&client_id),
                _ => return,
            }
        }
    }

    fn submit(&mut self, client_id: &str) {
        let Some(pending) = self.pending.get_mut(client_id) else {
            return;
        };
        if !self.chats.get(&pending.conversation).is_some_and(|chat| chat.member) {
            return self.is_shut_out(client_id);
        }
        pending.tries += 1;
        pending.stage = Stage::Flying;
        let (conversation, text) = (pending.conversation, pending.text.clone());
        self.notes(Act::Sent {
            conversation: conversation.to_string(),
            client_id: client_id.to_owned(),
            content: text.clone(),
        });
        let data = json!({"conversationId": conversation, "content": text, "clientId": client_id});
        self.asks("send_message", data, Asked::Send(client_id.to_owned()));
    }

    /// Says once more what was acknowledged: the same answer must come.
    pub fn repeats(&mut self, client_id: String, conversation: ConversationId, text: String) {
        self.notes(Act::Sent {
            conversation: conversation.to_string(),
            client_id: client_id.clone(),
            content: text.clone(),
        });
        let data = json!({"conversationId": conversation, "content": text, "clientId": client_id});
        self.asks("send_message", data, Asked::Repeat(client_id, conversation));
    }

    /// Whatever is not decided (there) is tried again.
    pub fn resumes(&mut self, only: Option<ConversationId>) {
        for pending in self.pending.values_mut() {
            if only.is_none_or(|only| only == pending.conversation && pending.stage == Stage::Resting) {
                pending.stage = Stage::Waiting;
            }
        }
        self.submits();
    }

    pub fn tries_again(&mut self, client_id: &str) {
        if let Some(pending) = self.pending.get_mut(client_id) {
            pending.stage = Stage::Waiting;
        }
        self.submits();
    }

    pub fn send_is_granted(&mut self, client_id: String, message: &Value) {
        if let Some(pending) = self.pending.shift_remove(&client_id) {
            let chat = self.chats.entry(pending.conversation).or_default();
            chat.mine.push(text(&message["id"]));
            self.sent.push((client_id, pending.conversation, pending.text));
        }
        self.notes(Act::Answered(message_of(message)));
        self.submits();
    }

    pub fn send_is_refused(&mut self, client_id: String, code: &str, soon: Duration) {
        let Some(pending) = self.pending.get_mut(&client_id) else {
            return;
        };
        let known = code != "UNAVAILABLE";
        pending.refusals += u32::from(known);
        pending.stage = Stage::Resting;
        let conversation = pending.conversation.to_string();
        if known && code != "RATE_LIMITED" {
            self.is_shut_out(&client_id);
        } else {
            self.later(soon, Todo::Send(client_id.clone()));
        }
        self.notes(Act::Refused {
            conversation,
            client_id,
            known,
        });
        self.submits();
    }

    /// The conversation is not ours. What may have been sent before that can only be found out when it is ours again.
    fn is_shut_out(&mut self, client_id: &str) {
        let Some(pending) = self.pending.get_mut(client_id) else {
            return;
        };
        pending.stage = Stage::Resting;
        if pending.refusals == pending.tries || self.world.is_ended(pending.conversation) {
            self.pending.shift_remove(client_id);
        } else {
            let stuck = (pending.conversation, self.user.id.clone());
            self.world.stuck.borrow_mut().insert(stuck);
        }
    }

    /// The connection is gone, and with it the answers, refusals among them: what was under way may have failed, and what
    /// was sent behind it may not.
    pub fn gives_up_waiting(&mut self) {
        for ask in std::mem::take(&mut self.asked).into_values() {
            let Asked::Send(client_id) = ask.what else { continue };
            let Some(pending) = self.pending.get(&client_id) else {
                continue;
            };
            self.notes(Act::Refused {
                conversation: pending.conversation.to_string(),
                client_id,
                known: false,
            });
        }
    }

    /// At the end nothing is left open.
    pub fn is_at_rest(&self) {
        let open = self
            .pending
            .iter()
            .filter(|(_, pending)| !self.world.is_ended(pending.conversation));
        let open: Vec<_> = open.map(|(client_id, _)| client_id).collect();
        if !open.is_empty() {
            self.complains(format!("not decided: {open:?}"));
        }
    }
}
