//! What one client holds of one conversation, kept by the rules of the contract alone: events and pages in, messages out.
//! Called by `Device`; knows no socket.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The first so many code points of a text are quoted.
const QUOTE_CHARS: usize = 140;

/// See the file's head.
#[derive(Default)]
pub struct View {
    /// Everything up to here was seen.
    pub cursor: u64,
    /// Everything up to here is gone.
    pub expired: u64,
    /// By seq.
    pub messages: BTreeMap<u64, Value>,
}

/// What a live event did.
#[derive(Debug, PartialEq, Eq)]
pub enum Took {
    Yes,
    /// It was known.
    Known,
    /// Something before it is missing.
    Hole,
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number and not {value}"))
}

impl View {
    /// A live event with a position.
    pub fn follows(&mut self, name: &str, data: &Value) -> Took {
        let seq = number(&data["seq"]);
        if seq <= self.cursor {
            return Took::Known;
        }
        if seq > self.cursor + 1 {
            return Took::Hole;
        }
        self.cursor = seq;
        match name {
            "new_message" => self.holds(data.clone()),
            "message_edited" => {
                assert_eq!(
                    data["message"]["changeSeq"], seq,
                    "an edit's message is as of the edit: {data}"
                );
                self.holds(data["message"].clone());
            }
            "message_deleted" => {
                let at = data["deletedAt"].clone();
                self.changes(&data["messageId"], seq, |message| {
                    let gone =
                        json!({"content": null, "reactions": [], "mentions": [], "replyTo": null, "deletedAt": at});
                    merge(message, gone);
                });
            }
            "reaction_updated" => {
                let reactions = data["reactions"].clone();
                self.changes(&data["messageId"], seq, |message| {
                    merge(message, json!({"reactions": reactions}));
                });
            }
            other => panic!("{other} has no position"),
        }
        Took::Yes
    }

    /// Retention removed everything up to here: what stands there is not quoted any more either.
    pub fn expires(&mut self, upto: u64) {
        self.expired = self.expired.max(upto);
        self.messages = self.messages.split_off(&(self.expired + 1));
        for message in self.messages.values_mut() {
            if message["replyTo"]["seq"].as_u64().is_some_and(|seq| seq <= upto) {
                message["replyTo"] = Value::Null;
            }
        }
    }

    /// A page of `sync`.
    pub fn takes_page(&mut self, page: &Value) {
        if page["reset"] == true {
            self.messages.clear();
        }
        for message in page["messages"].as_array().expect("messages") {
            let held = self.messages.get(&number(&message["seq"]));
            if held.is_none_or(|held| number(&held["changeSeq"]) <= number(&message["changeSeq"])) {
                self.holds(message.clone());
            }
        }
        let seq = number(&page["seq"]);
        self.cursor = if page["reset"] == true {
            seq
        } else {
            self.cursor.max(seq)
        };
        if let Some(expired) = page["expiredSeq"].as_u64() {
            self.expires(expired);
        }
    }

    /// Takes a message in its newest form, and has what quotes it follow.
    fn holds(&mut self, mut message: Value) {
        let seq = number(&message["seq"]);
        if seq <= self.expired {
            return;
        }
        if message["replyTo"]["seq"]
            .as_u64()
            .is_some_and(|seq| seq <= self.expired)
        {
            message["replyTo"] = Value::Null;
        }
        // What is held decides about a quote: a page may be older than it.
        if message["deletedAt"].is_null()
            && let Some(quoted) = self.messages.values().find(|held| held["id"] == message["replyToId"])
        {
            message["replyTo"] = quote(quoted);
        }
        let (id, quote) = (message["id"].clone(), quote(&message));
        self.messages.insert(seq, message);
        self.requote(&id, &quote);
    }

    fn changes(&mut self, id: &Value, seq: u64, change: impl FnOnce(&mut Value)) {
        let Some(message) = self.messages.values_mut().find(|message| message["id"] == *id) else {
            return;
        };
        change(message);
        message["changeSeq"] = json!(seq);
        let quote = quote(message);
        self.requote(id, &quote);
    }

    fn requote(&mut self, id: &Value, quote: &Value) {
        for message in self.messages.values_mut() {
            if message["replyToId"] == *id && message["deletedAt"].is_null() {
                message["replyTo"] = quote.clone();
            }
        }
    }
}

fn merge(message: &mut Value, news: Value) {
    for (key, value) in news.as_object().expect("an object") {
        message[key] = value.clone();
    }
}

/// How a message is shown in those that answer it.
fn quote(message: &Value) -> Value {
    if !message["deletedAt"].is_null() {
        return Value::Null;
    }
    let preview = match message["type"].as_str() {
        Some("text") => message["content"]
            .as_str()
            .map(|text| text.chars().take(QUOTE_CHARS).collect::<String>()),
        Some("image") => message["content"].as_str().map(str::to_owned),
        _ => None,
    };
    json!({"id": message["id"], "seq": message["seq"], "type": message["type"], "sender": message["sender"],
        "preview": preview})
}
