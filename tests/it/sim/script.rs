//! What a client takes it into its head to do, drawn from its seed: mostly write, now and then everything else that people
//! and their networks do.

use std::time::Duration;

use parlor::{
    actors::commands::{self, Caller},
    domain::ConversationId,
};
use rand::RngExt;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    asks::{Asked, Todo},
    device::Device,
};
use crate::checker::Act;

impl Device {
    /// One whim; the next one is due a moment later, until the curfew.
    pub async fn steps(&mut self) {
        if Instant::now() >= self.world.curfew {
            return;
        }
        let pause = [20, 100, 400][self.rng.random_range(0..3)];
        let pause = Duration::from_millis(self.rng.random_range(0..pause));
        self.later(pause, Todo::Step);
        if !self.ready {
            return;
        }
        let mine: Vec<ConversationId> = self
            .chats
            .iter()
            .filter(|(_, chat)| chat.member)
            .map(|(id, _)| *id)
            .collect();
        if mine.is_empty() {
            return;
        }
        let conversation = mine[self.rng.random_range(0..mine.len())];
        match self.rng.random_range(0..1000) {
            0..400 => self.chatters(conversation),
            400..460 => self.edits(conversation),
            460..520 => self.reacts(conversation),
            520..560 => self.deletes(conversation),
            560..650 => self.reads(conversation),
            650..710 => self.looks(conversation),
            710..770 => self.types(conversation),
            770..800 => self.says_it_again(),
            800..820 => self.syncs(mine),
            820..840 => self.wonders_who_is_there(),
            840..880 => self.is_busy_elsewhere().await,
            880..940 => self.loses_the_network(),
            940..950 => self.leaves_for_good(conversation),
            950..985 => self.trips(conversation, "!!parlor-fault-panic-room"),
            _ => self.trips(conversation, "!!parlor-fault-panic-session"),
        }
    }

    /// Several at once, without waiting for answers.
    fn chatters(&mut self, conversation: ConversationId) {
        let many = if self.pending.len() > 12 {
            0
        } else {
            self.rng.random_range(1..4)
        };
        for _ in 0..many {
            let long = if self.rng.random_bool(0.05) { 600 } else { 0 };
            let called = &self.world.users[self.rng.random_range(0..self.world.users.len())].name;
            let call = if self.rng.random_bool(0.1) {
                format!(" @{called}")
            } else {
                String::new()
            };
            let text = format!("{} says {}{call}{}", self.name, self.todos, ".".repeat(long));
            self.writes(conversation, text);
        }
    }

    /// Mostly what it said itself.
    fn edits(&mut self, conversation: ConversationId) {
        let chat = &self.chats[&conversation];
        let from = if self.rng.random_bool(0.1) {
            &chat.seen
        } else {
            &chat.mine
        };
        if from.is_empty() {
            return;
        }
        let id = from[self.rng.random_range(0..from.len())].clone();
        let content = format!("{} corrects {}", self.name, self.todos);
        let data = json!({"conversationId": conversation, "messageId": id, "content": content});
        self.notes(Act::Edits { id, content });
        self.asks("edit_message", data, Asked::Edit);
    }

    /// With one of the last few messages, so that reactions meet.
    fn reacts(&mut self, conversation: ConversationId) {
        let seen = &self.chats[&conversation].seen;
        let last = &seen[seen.len().saturating_sub(5)..];
        if last.is_empty() {
            return;
        }
        let message = &last[self.rng.random_range(0..last.len())];
        let emoji = ["heart", "laugh"][self.rng.random_range(0..2)];
        let event = ["add_reaction", "add_reaction", "remove_reaction"][self.rng.random_range(0..3)];
        let data = json!({"conversationId": conversation, "messageId": message, "emoji": emoji});
        self.asks(event, data, Asked::React);
    }

    fn deletes(&mut self, conversation: ConversationId) {
        let seen = &self.chats[&conversation].seen;
        if seen.is_empty() {
            return;
        }
        let message = &seen[self.rng.random_range(0..seen.len())];
        let data = json!({"conversationId": conversation, "messageId": message});
        self.asks("delete_message", data, Asked::Delete(conversation));
    }

    fn reads(&mut self, conversation: ConversationId) {
        let seq = self.chats[&conversation].cursor;
        let seq = self.rng.random_range(0..=seq + 2);
        let data = json!({"conversationId": conversation, "seq": seq});
        self.asks("mark_read", data, Asked::Other);
    }

    fn looks(&mut self, conversation: ConversationId) {
        let cursor = self.chats[&conversation].cursor;
        let only = json!({"conversationId": conversation});
        match self.rng.random_range(0..4) {
            0 => self.asks("leave_conversation", only, Asked::Other),
            1 => self.asks("join_conversation", only, Asked::Other),
            2 if !self.is_syncing(conversation) => {
                let data = json!({"conversationId": conversation, "after": cursor});
                self.asks("join_conversation", data, Asked::Join(conversation));
            }
            _ => {
                // Somebody who clicks faster than the server answers.
                self.asks("join_conversation", only, Asked::Other);
                self.loses_the_network();
            }
        }
    }

    fn types(&mut self, conversation: ConversationId) {
        let event = ["typing_start", "typing_stop"][self.rng.random_range(0..2)];
        self.asks(event, json!({"conversationId": conversation}), Asked::Other);
    }

    fn says_it_again(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let (client_id, conversation, text) = self.sent[self.rng.random_range(0..self.sent.len())].clone();
        if self.chats[&conversation].member {
            self.repeats(client_id, conversation, text);
        }
    }

    fn wonders_who_is_there(&mut self) {
        let users: Vec<_> = self.world.users.iter().map(|user| &user.id).collect();
        self.asks("get_presence", json!({"userIds": users}), Asked::Other);
    }

    /// Reads nothing for a while: what comes piles up in the socket and behind it.
    async fn is_busy_elsewhere(&mut self) {
        sleep(Duration::from_millis(self.rng.random_range(0..3000))).await;
        self.listens_since = Instant::now();
    }

    fn loses_the_network(&mut self) {
        let away = [50, 500, 3000][self.rng.random_range(0..3)];
        let away = Duration::from_millis(self.rng.random_range(0..away));
        self.hangs_up(away);
    }

    fn leaves_for_good(&self, conversation: ConversationId) {
        let caller = Caller {
            user: self.user.clone(),
            admin: false,
            session: None,
        };
        let world = self.world.clone();
        if !world.is_owner(conversation, &caller.user) {
            actix_rt::spawn(async move {
                // Whether it came to that shows in the history, and in `conversation_removed`.
                let leaving = commands::leave_for_good(&world.node, &caller, conversation);
                let _ = commands::in_time(leaving).await;
            });
        }
    }

    /// Makes an actor panic, where the build has the switch for it.
    fn trips(&mut self, conversation: ConversationId, fault: &str) {
        if cfg!(feature = "faults") {
            let data = json!({"conversationId": conversation, "content": fault});
            self.asks("send_message", data, Asked::Fault);
        }
    }
}
