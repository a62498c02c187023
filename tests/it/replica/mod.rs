//! Devices that hold conversations as a client does: what comes live is applied, what is missing is asked for by `sync`, what
//! is held when all is quiet must be what a fresh client loads. Used by `converge`.

mod view;

use std::{cell::Cell, collections::BTreeMap};

use serde_json::{Value, json};

use view::Took;
pub use view::{View, number};

use crate::harness::*;

/// The events with a position.
const DURABLE: [&str; 4] = ["new_message", "message_edited", "message_deleted", "reaction_updated"];

/// One device of a person: a connection (now and then another one), and what it holds.
pub struct Device {
    pub person: Person,
    pub tab: Tab,
    pub views: BTreeMap<String, View>,
    /// How much of the tab's log was read.
    read: usize,
    /// The sync that is under way.
    syncing: Option<i64>,
    /// What came live while it is.
    held_back: Vec<(String, Value)>,
    /// What it did that is not answered yet.
    under_way: Cell<usize>,
    /// Refusals, with what was refused unknown: whoever lost a race is told so.
    pub refused: Vec<Value>,
}

impl Device {
    pub async fn of(person: &Person, chats: &[Chat]) -> Device {
        let mut device = Device {
            person: person.clone(),
            tab: person.connect().await,
            views: chats.iter().map(|chat| (chat.id.clone(), View::default())).collect(),
            read: 0,
            syncing: None,
            held_back: Vec::new(),
            under_way: Cell::new(0),
            refused: Vec::new(),
        };
        device.syncs();
        device
    }

    /// The connection is cut, and made anew.
    pub async fn reconnects(&mut self) {
        self.tab = self.person.connect().await;
        self.read = 0;
        self.syncing = None;
        self.held_back.clear();
        self.under_way.set(0);
        self.syncs();
    }

    /// Does something, without waiting for what comes of it.
    pub fn does(&self, event: &str, data: Value) {
        self.tab.begins(event, data);
        self.under_way.set(self.under_way.get() + 1);
    }

    fn syncs(&mut self) {
        let cursor = |(id, view): (&String, &View)| json!({"conversationId": id, "seq": view.cursor});
        let cursors: Vec<Value> = self.views.iter().map(cursor).collect();
        self.syncing = Some(self.tab.begins("sync", json!({"cursors": cursors, "limit": 37})));
    }

    /// Takes in what has come.
    pub fn reads(&mut self) {
        for what in self.tab.log.since(self.read) {
            self.read += 1;
            match what {
                What::Event { name, data } => self.hears(&name, data),
                What::Answer { id, result } if self.syncing == Some(id) => self.is_synced(result),
                What::Answer { result, .. } => {
                    self.under_way.set(self.under_way.get() - 1);
                    self.refused.extend(result.err());
                }
                What::Strange(frame) => panic!("{} got a strange frame: {frame}", self.person.name),
                _ => {}
            }
        }
    }

    fn hears(&mut self, name: &str, data: Value) {
        if name == "messages_expired" {
            let view = self.views.get_mut(data["conversationId"].as_str().expect("an id"));
            view.expect("a known conversation").expires(number(&data["expiredSeq"]));
        } else if DURABLE.contains(&name) {
            if self.syncing.is_some() {
                self.held_back.push((name.to_owned(), data));
            } else {
                self.follows(name, &data);
            }
        }
    }

    fn follows(&mut self, name: &str, data: &Value) {
        let id = data["conversationId"].as_str().expect("an id");
        let view = self.views.get_mut(id).expect("a known conversation");
        if view.follows(name, data) == Took::Hole {
            self.syncs();
        }
    }

    fn is_synced(&mut self, result: Result<Value, Value>) {
        self.syncing = None;
        let Ok(answer) = result else {
            return self.syncs();
        };
        let mut more = false;
        for part in answer["conversations"].as_array().expect("a list") {
            let id = part["conversationId"].as_str().expect("an id");
            assert!(part["error"].is_null(), "{} is a member: {part}", self.person.name);
            self.views.get_mut(id).expect("a known conversation").takes_page(part);
            more |= part["hasMore"] == true;
        }
        if more {
            return self.syncs();
        }
        for (name, data) in std::mem::take(&mut self.held_back) {
            if self.syncing.is_some() {
                self.held_back.push((name, data));
            } else {
                self.follows(&name, &data);
            }
        }
    }

    /// Reads on until everything that it did is answered.
    pub async fn settles(&mut self) {
        self.reads();
        while self.under_way.get() > 0 {
            self.tab.log.grows_beyond(self.read).await;
            self.reads();
        }
    }

    /// Reads on until it stands at these positions.
    pub async fn catches_up(&mut self, heads: &BTreeMap<String, u64>) {
        loop {
            self.reads();
            let there = |(id, view): (&String, &View)| heads.get(id).is_some_and(|head| view.cursor >= *head);
            if self.syncing.is_none() && self.views.iter().all(there) {
                return;
            }
            self.tab.log.grows_beyond(self.read).await;
        }
    }

    /// The messages that it holds of a conversation, of which `fits` says so.
    pub fn known(&self, chat: &Chat, fits: impl Fn(&Value) -> bool) -> Vec<String> {
        let messages = self.views[&chat.id].messages.values();
        let fitting = messages.filter(|message| message["type"] != "system" && fits(message));
        fitting
            .map(|message| message["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// What it holds is what a fresh client loads.
    pub async fn agrees(&self, chat: &Chat) {
        let view = &self.views[&chat.id];
        let fresh = self.person.history(chat).await;
        let from = view.messages.keys().next().copied().unwrap_or(u64::MAX);
        let mut expected = fresh.iter().filter(|message| number(&message["seq"]) >= from);
        let who = &self.person.name;
        for held in view.messages.values() {
            assert_eq!(Some(held), expected.next(), "{who} holds (left) what is not so (right)");
        }
        assert_eq!(expected.next(), None, "{who} lacks a message");
        let all = view.expired + 1;
        assert!(
            from <= all || from > 50 || fresh.first().is_none_or(|first| number(&first["seq"]) >= from),
            "{who} lacks the beginning: holds from {from}, expired {}",
            view.expired
        );
    }
}
