//! How a client asks and what it does with answers: `sync` until nothing is missing, nothing answered twice or late. Sends are
//! in `sends`.

use std::time::Duration;

use parlor::domain::ConversationId;
use rand::RngExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    device::Device,
    known::{conversation_of, message_of, number, text},
    socket::Up,
};
use crate::checker::Act;

/// The contract: every request is answered within 10 s, whatever fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request on its way.
pub struct Ask {
    pub what: Asked,
    at: Instant,
}

pub enum Asked {
    Send(String),
    /// A send that was acknowledged before.
    Repeat(String, ConversationId),
    Delete(ConversationId),
    /// May be too late for a message: `CONFLICT`.
    Edit,
    React,
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
                Todo::Send(client_id) => self.tries_again(&client_id),
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
            Asked::Send(client_id) => self.send_is_granted(client_id, &data["message"]),
            Asked::Repeat(..) => self.notes(Act::Answered(message_of(&data["message"]))),
            Asked::Delete(conversation) => self.notes(Act::DeleteAnswered {
                conversation: conversation.to_string(),
                seq: number(&data["seq"]),
                id: text(&data["messageId"]),
            }),
            Asked::Edit => self.notes(Act::EditAnswered(message_of(&data["message"]))),
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
            Asked::React | Asked::Other => {}
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
        let late = code == "CONFLICT" && matches!(what, Asked::Edit | Asked::React);
        match what {
            Asked::Send(client_id) => self.send_is_refused(client_id, code, soon),
            Asked::Repeat(client_id, conversation) => self.notes(Act::Refused {
                conversation: conversation.to_string(),
                client_id,
                known,
            }),
            Asked::Sync(conversations) => self.later(soon, Todo::Sync(conversations)),
            Asked::Join(conversation) => self.later(soon, Todo::Sync(vec![conversation])),
            Asked::Delete(_) | Asked::Edit | Asked::React | Asked::Fault | Asked::Other => {}
        }
        let ordinary = ["UNAVAILABLE", "RATE_LIMITED", "NOT_MEMBER", "NOT_FOUND", "FORBIDDEN"];
        if !late && !ordinary.contains(&code) {
            self.complains(format!("refused with {code}"));
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
}
