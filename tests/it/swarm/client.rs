//! One client: connects whenever it can, writes, follows the rule of the cursor, tries again what has no answer, and
//! notes everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use futures_util::{SinkExt, StreamExt};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::watch};
use tokio_tungstenite::{WebSocketStream, tungstenite};

use super::{DELETES_ONE_IN, EDITS_ONE_IN, Phase, REACTS_ONE_IN, State, WINDOW, World, message_of, number, text};
use crate::{
    checker::{self, Act},
    harness::*,
};

/// A send without an answer.
#[derive(Clone)]
struct Sending {
    chat: String,
    client_id: String,
    content: String,
}

/// An edit or a reaction without an answer.
#[derive(Clone, PartialEq)]
struct Change {
    event: &'static str,
    data: Value,
}

/// What an answer is to.
#[derive(Clone)]
enum Asked {
    Send(Sending),
    Delete {
        chat: String,
        id: String,
    },
    /// An edit or a reaction: harmless when it is asked twice.
    Change(Change),
    Sync,
}

pub struct Client {
    person: Person,
    chats: Vec<Chat>,
    world: Arc<World>,
    writes: bool,
    state: watch::Sender<State>,
    rng: StdRng,
    log: checker::Log,
    cursors: BTreeMap<String, u64>,
    /// Live changes beyond the cursor, which a `sync` must explain.
    ahead: BTreeMap<String, BTreeSet<u64>>,
    /// In the order in which they were first sent: tried again in this order.
    pending: Vec<Sending>,
    deletions: Vec<(String, String)>,
    changes: Vec<Change>,
    asked: BTreeMap<i64, Asked>,
    next_id: i64,
}

type Socket = WebSocketStream<TcpStream>;

/// The connection is lost.
struct Lost;

impl From<tungstenite::Error> for Lost {
    fn from(_: tungstenite::Error) -> Lost {
        Lost
    }
}

impl Client {
    pub fn new(
        person: Person,
        chats: Vec<Chat>,
        world: Arc<World>,
        writes: bool,
        state: watch::Sender<State>,
        seed: u64,
    ) -> Client {
        Client {
            log: checker::Log {
                user: person.id.clone(),
                acts: Vec::new(),
            },
            person,
            chats,
            world,
            writes,
            state,
            rng: StdRng::seed_from_u64(seed),
            cursors: BTreeMap::new(),
            ahead: BTreeMap::new(),
            pending: Vec::new(),
            deletions: Vec::new(),
            changes: Vec::new(),
            asked: BTreeMap::new(),
            next_id: 1,
        }
    }

    pub async fn lives(mut self) -> checker::Log {
        let mut starts = self.world.starts.subscribe();
        let mut phase = self.world.phase.subscribe();
        while *phase.borrow() != Phase::Stop {
            starts.borrow_and_update();
            match self.person.dial().upgrade().await {
                Ok(socket) => {
                    if self.converses(socket, &mut phase).await.is_err() {
                        self.notes(Act::Closed);
                    }
                }
                Err(_) => {
                    tokio::select! {
                        started = starts.changed() => started.expect("the world goes on"),
                        stopped = phase.wait_for(|phase| *phase == Phase::Stop) => drop(stopped),
                    }
                }
            }
        }
        self.log
    }

    fn notes(&mut self, act: Act) {
        self.log
            .acts
            .push((self.world.clock.fetch_add(1, Ordering::SeqCst), act));
    }

    /// One connection, until it is lost or all is over.
    async fn converses(&mut self, mut socket: Socket, phase: &mut watch::Receiver<Phase>) -> Result<(), Lost> {
        self.asked.clear();
        self.ahead.clear();
        let ready = loop {
            match read(socket.next().await.ok_or(Lost)??) {
                What::Event { name, data } if name == "ready" => break data,
                What::Closed(_) => return Err(Lost),
                _ => {}
            }
        };
        self.notes(Act::Opened {
            epoch: text(&ready["epoch"]),
        });
        let chats: Vec<String> = self.chats.iter().map(|chat| chat.id.clone()).collect();
        self.syncs(&mut socket, &chats).await?;
        for sending in self.pending.clone() {
            self.submits(&mut socket, sending).await?;
        }
        for (chat, id) in self.deletions.clone() {
            self.deletes(&mut socket, chat, id).await?;
        }
        for change in self.changes.clone() {
            self.asks(&mut socket, change.event, change.data.clone(), Asked::Change(change))
                .await?;
        }
        loop {
            let now = phase.borrow().clone();
            self.writes_on(&mut socket, &now).await?;
            socket.flush().await?;
            tokio::select! {
                frame = socket.next() => self.takes(&mut socket, read(frame.ok_or(Lost)??)).await?,
                changed = phase.changed() => changed.expect("the world goes on"),
            }
            if *phase.borrow() == Phase::Stop {
                return Ok(());
            }
        }
    }

    /// Writes as much as the window takes, and says how far it is.
    async fn writes_on(&mut self, socket: &mut Socket, phase: &Phase) -> Result<(), Lost> {
        while *phase == Phase::Chat && self.writes && self.pending.len() < WINDOW {
            let chat = self.chats[self.rng.random_range(0..self.chats.len())].id.clone();
            let length = self.rng.random_range(0..300);
            let client_id = self.person.client_id();
            let content = format!("{client_id} {}", "x".repeat(length)).trim().to_owned();
            let sending = Sending {
                chat,
                client_id,
                content,
            };
            self.pending.push(sending.clone());
            self.submits(socket, sending).await?;
        }
        let none_pending = self.pending.is_empty() && self.deletions.is_empty() && self.changes.is_empty();
        let at_rest = none_pending && self.asked.is_empty();
        let behind = |(chat, seq): (&String, &u64)| self.cursors.get(chat).is_some_and(|cursor| cursor < seq);
        let state = match phase {
            Phase::Settle if at_rest => State::Settled,
            Phase::CatchUp(seqs) if at_rest && !seqs.iter().any(behind) => State::CaughtUp,
            _ => State::Busy,
        };
        self.state.send_replace(state);
        Ok(())
    }

    async fn asks(&mut self, socket: &mut Socket, event: &str, data: Value, about: Asked) -> Result<(), Lost> {
        let id = self.next_id;
        self.next_id += 1;
        self.asked.insert(id, about);
        let frame = json!({"event": event, "id": id, "data": data}).to_string();
        Ok(socket.feed(tungstenite::Message::text(frame)).await?)
    }

    async fn submits(&mut self, socket: &mut Socket, sending: Sending) -> Result<(), Lost> {
        let Sending {
            chat,
            client_id,
            content,
        } = sending.clone();
        let data = json!({"conversationId": chat, "clientId": client_id, "content": content});
        self.notes(Act::Sent {
            conversation: chat,
            client_id,
            content,
        });
        self.asks(socket, "send_message", data, Asked::Send(sending)).await
    }

    async fn deletes(&mut self, socket: &mut Socket, chat: String, id: String) -> Result<(), Lost> {
        let data = json!({"conversationId": chat, "messageId": id});
        self.asks(socket, "delete_message", data, Asked::Delete { chat, id })
            .await
    }

    async fn changes(&mut self, socket: &mut Socket, event: &'static str, data: Value) -> Result<(), Lost> {
        let change = Change { event, data };
        self.changes.push(change.clone());
        self.asks(socket, event, change.data.clone(), Asked::Change(change))
            .await
    }

    async fn edits(&mut self, socket: &mut Socket, chat: &str, id: &str) -> Result<(), Lost> {
        let content = format!("{} instead", self.person.client_id());
        let data = json!({"conversationId": chat, "messageId": id, "content": content});
        let id = id.to_owned();
        self.notes(Act::Edits { id, content });
        self.changes(socket, "edit_message", data).await
    }

    /// Sometimes, and sometimes takes it back.
    async fn may_react(&mut self, socket: &mut Socket, chat: &str, id: &str) -> Result<(), Lost> {
        if !self.writes || *self.world.phase.borrow() != Phase::Chat || !self.rng.random_ratio(1, REACTS_ONE_IN) {
            return Ok(());
        }
        let data = json!({"conversationId": chat, "messageId": id, "emoji": "heart"});
        self.changes(socket, "add_reaction", data.clone()).await?;
        if self.rng.random_ratio(1, 2) {
            self.changes(socket, "remove_reaction", data).await?;
        }
        Ok(())
    }

    async fn syncs(&mut self, socket: &mut Socket, chats: &[String]) -> Result<(), Lost> {
        let cursor = |chat: &String| json!({"conversationId": chat, "seq": self.cursors.get(chat).unwrap_or(&0)});
        let data = json!({"cursors": chats.iter().map(cursor).collect::<Vec<Value>>()});
        self.asks(socket, "sync", data, Asked::Sync).await
    }

    async fn takes(&mut self, socket: &mut Socket, what: What) -> Result<(), Lost> {
        match what {
            What::Event { name, data } if name == "new_message" => {
                let message = message_of(&data);
                let (chat, seq, id) = (message.conversation.clone(), message.seq, message.id.clone());
                self.notes(Act::Received(message));
                self.may_react(socket, &chat, &id).await?;
                self.follows(socket, chat, seq).await
            }
            What::Event { name, data } if name == "message_edited" => {
                let (seq, message) = (number(&data["seq"]), message_of(&data["message"]));
                self.notes(Act::Edited { seq, message });
                self.follows(socket, text(&data["conversationId"]), seq).await
            }
            What::Event { name, data } if name == "reaction_updated" => {
                let (conversation, seq) = (text(&data["conversationId"]), number(&data["seq"]));
                self.notes(Act::Reacted {
                    conversation: conversation.clone(),
                    seq,
                    id: text(&data["messageId"]),
                    reactions: data["reactions"].to_string(),
                });
                self.follows(socket, conversation, seq).await
            }
            What::Event { name, data } if name == "message_deleted" => {
                let (conversation, seq) = (text(&data["conversationId"]), number(&data["seq"]));
                let id = text(&data["messageId"]);
                self.notes(Act::Deleted {
                    conversation: conversation.clone(),
                    seq,
                    id,
                });
                self.follows(socket, conversation, seq).await
            }
            What::Answer { id, result } => {
                let asked = self
                    .asked
                    .remove(&id)
                    .unwrap_or_else(|| panic!("an answer to {id}, which nobody asked"));
                match result {
                    Ok(data) => self.is_answered(socket, asked, data).await,
                    Err(error) => self.is_refused(socket, asked, error).await,
                }
            }
            What::Strange(frame) => panic!("{} got a strange frame: {frame}", self.person.name),
            What::Closed(_) | What::Gone(_) => Err(Lost),
            _ => Ok(()),
        }
    }

    /// The rule of the cursor.
    async fn follows(&mut self, socket: &mut Socket, chat: String, seq: u64) -> Result<(), Lost> {
        self.ahead.entry(chat.clone()).or_default().insert(seq);
        self.advances(&chat);
        self.asks_for_holes(socket, chat).await
    }

    fn advances(&mut self, chat: &str) {
        let cursor = self.cursors.entry(chat.to_owned()).or_insert(0);
        let Some(ahead) = self.ahead.get_mut(chat) else { return };
        while let Some(next) = ahead.first().copied().filter(|next| *next <= *cursor + 1) {
            *cursor = (*cursor).max(next);
            ahead.pop_first();
        }
    }

    async fn asks_for_holes(&mut self, socket: &mut Socket, chat: String) -> Result<(), Lost> {
        let hole = self.ahead.get(&chat).is_some_and(|ahead| !ahead.is_empty());
        if hole && !self.asked.values().any(|asked| matches!(asked, Asked::Sync)) {
            self.syncs(socket, &[chat]).await?;
        }
        Ok(())
    }

    async fn is_answered(&mut self, socket: &mut Socket, asked: Asked, data: Value) -> Result<(), Lost> {
        match asked {
            Asked::Send(sending) => {
                let message = message_of(&data["message"]);
                let own = (message.conversation.clone(), message.id.clone());
                let deleted = message.content.is_none();
                self.notes(Act::Answered(message));
                self.pending.retain(|pending| pending.client_id != sending.client_id);
                self.world.acknowledged.send_modify(|count| *count += 1);
                if !deleted && self.rng.random_ratio(1, DELETES_ONE_IN) {
                    self.deletions.push(own.clone());
                    self.deletes(socket, own.0, own.1).await?;
                } else if !deleted && self.rng.random_ratio(1, EDITS_ONE_IN) {
                    self.edits(socket, &own.0, &own.1).await?;
                }
            }
            Asked::Delete { chat, id } => {
                self.deletions.retain(|(_, pending)| *pending != id);
                self.notes(Act::DeleteAnswered {
                    conversation: chat,
                    seq: number(&data["seq"]),
                    id,
                });
            }
            Asked::Change(change) => {
                self.changes.retain(|pending| *pending != change);
                if change.event == "edit_message" {
                    self.notes(Act::EditAnswered(message_of(&data["message"])));
                }
            }
            Asked::Sync => {
                for part in data["conversations"].as_array().expect("a list") {
                    self.takes_page(socket, part).await?;
                }
            }
        }
        Ok(())
    }

    async fn takes_page(&mut self, socket: &mut Socket, part: &Value) -> Result<(), Lost> {
        assert!(part["error"].is_null(), "{} is a member: {part}", self.person.name);
        let conversation = text(&part["conversationId"]);
        let messages = part["messages"]
            .as_array()
            .expect("messages")
            .iter()
            .map(message_of)
            .collect();
        let (seq, reset) = (number(&part["seq"]), part["reset"] == true);
        self.notes(Act::Synced {
            conversation: conversation.clone(),
            messages,
            seq,
            reset,
        });
        let cursor = self.cursors.entry(conversation.clone()).or_insert(0);
        *cursor = if reset { seq } else { seq.max(*cursor) };
        self.advances(&conversation);
        if part["hasMore"] == true && !reset {
            return self.syncs(socket, &[conversation]).await;
        }
        self.asks_for_holes(socket, conversation).await
    }

    /// A refusal that may be repeated is repeated at once; no other is expected of a right server.
    async fn is_refused(&mut self, socket: &mut Socket, asked: Asked, error: Value) -> Result<(), Lost> {
        // Deleted in the meantime, or gone by retention.
        if let Asked::Change(change) = &asked
            && (error["code"] == "CONFLICT" || error["code"] == "NOT_FOUND")
        {
            self.changes.retain(|pending| pending != change);
            return Ok(());
        }
        if let Asked::Delete { id, .. } = &asked
            && error["code"] == "NOT_FOUND"
        {
            // Retention was there first. Where there is none, the checker finds that the message is not.
            self.deletions.retain(|(_, pending)| pending != id);
            return Ok(());
        }
        assert_eq!(error["retryable"], true, "{} was refused: {error}", self.person.name);
        match asked {
            Asked::Send(sending) => {
                let known = error["code"] == "RATE_LIMITED";
                let (conversation, client_id) = (sending.chat.clone(), sending.client_id.clone());
                self.notes(Act::Refused {
                    conversation,
                    client_id,
                    known,
                });
                self.world.refused.send_modify(|count| *count += 1);
                self.submits(socket, sending).await
            }
            Asked::Delete { chat, id } => self.deletes(socket, chat, id).await,
            Asked::Change(change) => {
                let (event, data) = (change.event, change.data.clone());
                self.asks(socket, event, data, Asked::Change(change)).await
            }
            Asked::Sync => {
                let chats: Vec<String> = self.chats.iter().map(|chat| chat.id.clone()).collect();
                self.syncs(socket, &chats).await
            }
        }
    }
}
