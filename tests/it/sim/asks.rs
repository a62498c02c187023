//! How a client asks and what it does with answers: the same `clientId` until a send is decided, `sync` until nothing is
//! missing, nothing answered twice or late.

use std::time::Duration;

use parlor::domain::ConversationId;
use rand::RngExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    device::{Device, conversation_of, message_of, number, text},
    socket::Up,
};
use crate::checker::Act;

/// The contract: every request is answered within 10 s, whatever fails.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// A request on its way.
pub struct Ask {
    what: Asked,
    at: Instant,
}

pub enum Asked {
    Send(String),
    /// A send that was acknowledged before.
    Repeat(String, ConversationId),
    Delete(ConversationId),
    Sync(Vec<ConversationId>),
    /// With `after`: the answer is a page as those of `sync`.
    Join(ConversationId),
    /// The text that makes a room panic.
    Fault,
    Other,
}

/// What to do at a later time.
pub enum Todo {
    Step,
    Send(String),
    Sync(Vec<ConversationId>),
}

impl Device {
    pub fn later(&mut self, wait: Duration, todo: Todo) {
        self.todos += 1;
        self.due.insert((Instant::now() + wait, self.todos), todo);
    }

    pub async fn does_what_is_due(&mut self) {
        while let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= Instant::now()) {
            match first.remove() {
                Todo::Step => self.steps().await,
                Todo::Send(client_id) => {
                    if let Some(pending) = self.pending.get_mut(&client_id) {
                        pending.stage = Stage::Waiting;
                    }
                    self.submits();
                }
                Todo::Sync(conversations) => self.syncs(conversations),
            }
        }
    }

    pub fn asks(&mut self, event: &str, data: Value, what: Asked) {
        self.asks += 1;
        let frame = json!({"event": event, "id": self.asks, "data": data});
        let at = Instant::now();
        self.asked.insert(self.asks, Ask { what, at });
        self.says(Up::Text(frame.to_string()));
    }

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

    /// Asks what was missed. One question at a time for a conversation: an older answer behind a newer one would set back.
    pub fn syncs(&mut self, mut conversations: Vec<ConversationId>) {
        conversations.retain(|conversation| !self.is_syncing(*conversation));
        if !self.ready || conversations.is_empty() {
            return;
        }
        let cursor = |id: &ConversationId| json!({"conversationId": id, "seq": self.chats[id].cursor});
        let cursors: Vec<Value> = conversations.iter().map(cursor).collect();
        let limit = [3, 20, 200][self.rng.random_range(0..3)];
        let data = json!({"cursors": cursors, "limit": limit});
        self.asks("sync", data, Asked::Sync(conversations));
    }

    pub fn is_syncing(&self, conversation: ConversationId) -> bool {
        let under_way = |ask: &Ask| match &ask.what {
            Asked::Sync(asked) => asked.contains(&conversation),
            Asked::Join(asked) => *asked == conversation,
            _ => false,
        };
        self.asked.values().any(under_way)
    }

    pub fn is_answered(&mut self, mut said: Value) {
        let asked = said["ack"].as_i64().and_then(|ack| self.asked.remove(&ack));
        let Some(Ask { what, .. }) = asked else {
            return self.complains(format!("an answer to nothing, or the second one: {said}"));
        };
        if said["ok"] == true {
            self.is_granted(what, said["data"].take());
        } else {
            let code = text(&said["error"]["code"]);
            let wait = said["error"]["retryAfterMs"].as_u64().unwrap_or(0);
            self.is_refused(what, &code, Duration::from_millis(wait));
        }
    }

    fn is_granted(&mut self, what: Asked, data: Value) {
        match what {
            Asked::Send(client_id) => {
                if let Some(pending) = self.pending.shift_remove(&client_id) {
                    self.sent.push((client_id, pending.conversation, pending.text));
                }
                self.notes(Act::Answered(message_of(&data["message"])));
                self.submits();
            }
            Asked::Repeat(..) => self.notes(Act::Answered(message_of(&data["message"]))),
            Asked::Delete(conversation) => self.notes(Act::DeleteAnswered {
                conversation: conversation.to_string(),
                seq: number(&data["seq"]),
                id: text(&data["messageId"]),
            }),
            Asked::Sync(_) => {
                for page in data["conversations"].as_array().into_iter().flatten() {
                    if page.get("error").is_none() {
                        self.takes_page(page, &page["messages"]);
                    } else if self.chats[&conversation_of(page)].member {
                        // Let in while this was under way, or about to be.
                        let soon = Duration::from_millis(self.rng.random_range(100..500));
                        self.later(soon, Todo::Sync(vec![conversation_of(page)]));
                    }
                }
            }
            Asked::Join(_) => {
                let page = json!({
                    "conversationId": data["conversation"]["id"], "seq": data["seq"],
                    "hasMore": data["hasMore"], "reset": data.get("reset").is_some(),
                });
                self.takes_page(&page, &data["messages"]);
            }
            Asked::Fault => self.complains(format!("the text that stands for a fault was sent: {data}")),
            Asked::Other => {}
        }
    }

    fn takes_page(&mut self, page: &Value, messages: &Value) {
        let conversation = conversation_of(page);
        let (seq, reset) = (number(&page["seq"]), page["reset"] == true);
        let messages = messages.as_array().into_iter().flatten().map(message_of).collect();
        self.notes(Act::Synced {
            conversation: conversation.to_string(),
            messages,
            seq,
            reset,
        });
        let chat = self.chats.entry(conversation).or_default();
        let more = page["hasMore"] == true;
        chat.turns_page(seq, reset, more);
        if more || chat.misses() {
            self.syncs(vec![conversation]);
        }
    }

    fn is_refused(&mut self, what: Asked, code: &str, wait: Duration) {
        let known = code != "UNAVAILABLE";
        let soon = wait + Duration::from_millis(self.rng.random_range(20..500));
        match what {
            Asked::Send(client_id) => self.send_is_refused(client_id, code, soon),
            Asked::Repeat(client_id, conversation) => self.notes(Act::Refused {
                conversation: conversation.to_string(),
                client_id,
                known,
            }),
            Asked::Sync(conversations) => self.later(soon, Todo::Sync(conversations)),
            Asked::Join(conversation) => self.later(soon, Todo::Sync(vec![conversation])),
            Asked::Delete(_) | Asked::Fault | Asked::Other => {}
        }
        let ordinary = ["UNAVAILABLE", "RATE_LIMITED", "NOT_MEMBER", "NOT_FOUND", "FORBIDDEN"];
        if !ordinary.contains(&code) {
            self.complains(format!("refused with {code}"));
        }
    }

    fn send_is_refused(&mut self, client_id: String, code: &str, soon: Duration) {
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
        for Ask { what, .. } in std::mem::take(&mut self.asked).into_values() {
            let Asked::Send(client_id) = what else { continue };
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

    /// Every request of an open connection is answered in time.
    pub fn is_answered_in_time(&mut self) {
        let late = |ask: &Ask| ask.at.max(self.listens_since).elapsed() > PATIENCE;
        let Some(number) = self.asked.iter().find(|(_, ask)| late(ask)).map(|(number, _)| *number) else {
            return;
        };
        self.complains(format!("request {number} is not answered"));
        self.asked.clear();
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
