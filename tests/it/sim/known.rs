//! What a client knows of a conversation, and how it reads what the server says. Called by `device` and `asks`; the rule of
//! the cursor is here.

use std::collections::BTreeSet;

use parlor::domain::ConversationId;
use serde_json::Value;

use crate::checker::Message;

/// What a client knows of a conversation.
#[derive(Default)]
pub struct Known {
    pub member: bool,
    pub cursor: u64,
    /// In the middle of a `sync`: live changes wait until its last page, since what was changed late stands on a late page.
    paging: bool,
    /// Live changes beyond the cursor, which wait for a `sync`.
    ahead: BTreeSet<u64>,
    /// The last live change: a reset that is older sets back behind it.
    newest: u64,
    /// Messages it could delete or react to.
    pub seen: Vec<String>,
    /// Messages it could edit.
    pub mine: Vec<String>,
}

impl Known {
    /// The rule of the cursor.
    pub fn follows(&mut self, seq: u64) {
        self.ahead.insert(seq);
        self.newest = self.newest.max(seq);
        self.catches_up();
    }

    /// Whether something between the cursor and what came live is missing.
    pub fn misses(&self) -> bool {
        self.cursor < self.newest
    }

    pub fn turns_page(&mut self, seq: u64, reset: bool, more: bool) {
        self.paging = more;
        self.cursor = if reset { seq } else { self.cursor.max(seq) };
        self.catches_up();
    }

    fn catches_up(&mut self) {
        if self.paging {
            return;
        }
        while let Some(next) = self.ahead.first().copied().filter(|next| *next <= self.cursor + 1) {
            self.cursor = self.cursor.max(next);
            self.ahead.remove(&next);
        }
    }
}

pub fn message_of(message: &Value) -> Message {
    let system = message["type"] == "system";
    Message {
        id: text(&message["id"]),
        conversation: text(&message["conversationId"]),
        seq: number(&message["seq"]),
        change_seq: number(&message["changeSeq"]),
        sender: text(&message["sender"]["id"]),
        client_id: message["clientId"].as_str().map(str::to_owned),
        // A system message's content is an object.
        content: (!message["content"].is_null()).then(|| match &message["content"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }),
        reactions: message["reactions"].to_string(),
        system,
        created_at: text(&message["createdAt"]),
    }
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text and not {value}"))
        .to_owned()
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number and not {value}"))
}

pub fn conversation_of(data: &Value) -> ConversationId {
    text(&data["conversationId"]).parse().expect("an id")
}
