//! One client of the simulation: its connection, what it hears, what it remembers. Follows the contract's rules for clients
//! (cursor, `sync`, the same `clientId` until decided) and records every act for the checker. What it wants is in `script`,
//! how it asks and takes answers in `asks` and `sends`.

use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use indexmap::IndexMap;
use parlor::{
    actors::{
        commands::{self, Caller},
        session::{self, Carriage, Incoming, Transport},
    },
    auth::Identity,
    domain::{ConversationId, User},
    protocol::frame::{Header, Opcode},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::{
    asks::{Ask, Todo},
    known::{Known, conversation_of, message_of, number, text},
    sends::Pending,
    socket::{Socket, Up},
    world::World,
};
use crate::checker::{Act, Log};

pub struct Device {
    pub world: Rc<World>,
    pub name: String,
    pub user: Arc<User>,
    /// Which of the two workers it connects to.
    worker: usize,
    pub rng: StdRng,
    acts: Vec<(u64, Act)>,
    pub chats: BTreeMap<ConversationId, Known>,
    pub socket: Option<Socket>,
    /// `ready` has come on this connection.
    pub ready: bool,
    heard: BytesMut,
    /// When it will connect again.
    back_at: Instant,
    /// Since when it listens without a pause: an answer it did not listen for is not late.
    pub listens_since: Instant,
    /// Sends without an outcome, oldest first.
    pub pending: IndexMap<String, Pending>,
    /// Sends that were acknowledged: (client id, conversation, text).
    pub sent: Vec<(String, ConversationId, String)>,
    pub asked: BTreeMap<i64, Ask>,
    pub asks: i64,
    pub due: BTreeMap<(Instant, u64), Todo>,
    pub todos: u64,
    /// Whether it goes for good when it has nothing left to do.
    leaves_early: bool,
}

impl Device {
    pub fn new(world: &Rc<World>, number: usize, user: &Arc<User>, seed: u64) -> Device {
        let mut rng = StdRng::seed_from_u64(seed ^ (0xde71ce << 8 | number as u64));
        let now = Instant::now();
        Device {
            world: world.clone(),
            name: format!("d{number}"),
            user: user.clone(),
            worker: rng.random_range(0..world.locals.len()),
            acts: Vec::new(),
            chats: BTreeMap::new(),
            socket: None,
            ready: false,
            heard: BytesMut::new(),
            back_at: now + Duration::from_millis(rng.random_range(0..200)),
            listens_since: now,
            pending: IndexMap::new(),
            sent: Vec::new(),
            asked: BTreeMap::new(),
            asks: 0,
            due: BTreeMap::new(),
            todos: 0,
            leaves_early: rng.random_bool(0.2),
            rng,
        }
    }

    /// Until the end of the run; the socket that is open then stays so.
    pub async fn lives(mut self) -> (Log, Option<Socket>) {
        self.later(Duration::from_millis(300), Todo::Step);
        let end = self.world.end;
        while Instant::now() < end {
            if self.leaves_early && Instant::now() >= self.world.curfew && self.pending.is_empty() {
                self.hangs_up(Duration::MAX);
                sleep_until(end).await;
                break;
            }
            match &self.socket {
                None => {
                    sleep_until(self.back_at.min(end)).await;
                    self.connects();
                }
                Some(socket) => {
                    let due = self.due.keys().next().map_or(end, |(due, _)| *due);
                    match timeout_at(due.min(end), socket.clone().hear()).await {
                        Ok(Some(bytes)) => self.hears(&bytes).await,
                        Ok(None) => self.is_cut_off(),
                        Err(_) => self.does_what_is_due().await,
                    }
                }
            }
            self.is_answered_in_time();
        }
        self.is_at_rest();
        let user = self.user.id.to_string();
        (Log { user, acts: self.acts }, self.socket)
    }

    pub fn notes(&mut self, act: Act) {
        let tick = self.world.tick();
        self.acts.push((tick, act));
    }

    pub fn complains(&self, what: impl std::fmt::Display) {
        let name = &self.name;
        self.world.complain(format!("{name} ({}): {what}", self.user.id));
    }

    fn connects(&mut self) {
        if Instant::now() >= self.world.end {
            return;
        }
        let socket = Socket::with_room([600, 4_000, 60_000][self.rng.random_range(0..3)]);
        let incoming = Incoming {
            identity: Identity {
                user: self.user.clone(),
                admin: false,
                expires_at: self.world.node.clock.now().plus(Duration::from_secs(3600)),
                token_key: self.name.clone(),
            },
            source: Box::new(socket.clone()),
            wire: Box::new(socket.clone()),
            carriage: Rc::new(Carriage::new(Transport::WebSocket)),
            arrival: None,
        };
        session::start(&self.world.node, &self.world.locals[self.worker], incoming);
        self.socket = Some(socket);
        self.listens_since = Instant::now();
    }

    /// Goes without a word, or after one.
    pub fn hangs_up(&mut self, away: Duration) {
        if let Some(socket) = self.socket.take() {
            if self.rng.random_bool(0.2) {
                socket.say(Up::Close);
                socket.cut(usize::MAX);
            } else {
                socket.cut(self.rng.random_range(0..=socket.unread()));
            }
        }
        self.forgets_the_connection(away);
    }

    fn is_cut_off(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.cut(0);
        }
        let away = Duration::from_millis(self.rng.random_range(20..600));
        self.forgets_the_connection(away);
    }

    fn forgets_the_connection(&mut self, away: Duration) {
        let was_open = std::mem::take(&mut self.ready);
        self.heard.clear();
        self.gives_up_waiting();
        self.due.retain(|_, todo| matches!(todo, Todo::Step));
        if was_open {
            self.notes(Act::Closed);
        }
        let never = self.world.end;
        self.back_at = Instant::now().checked_add(away).unwrap_or(never);
    }

    async fn hears(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        while let Ok(Some(header)) = Header::read(&self.heard) {
            let whole = header.header_bytes + header.payload_bytes as usize;
            if self.heard.len() < whole {
                break;
            }
            self.heard.advance(header.header_bytes);
            let payload = self.heard.split_to(header.payload_bytes as usize);
            match header.opcode {
                Opcode::Text => match serde_json::from_slice(&payload) {
                    Ok(said) => self.is_told(said).await,
                    Err(error) => self.complains(format!("{error} in {payload:?}")),
                },
                Opcode::Ping => self.says(Up::Pong),
                Opcode::Close => return self.is_cut_off(),
                _ => self.complains(format!("an unexpected {:?}", header.opcode)),
            }
        }
        if self.rng.random_bool(0.3) {
            sleep(Duration::from_millis(self.rng.random_range(0..8))).await;
        }
    }

    pub fn says(&self, up: Up) {
        if let Some(socket) = &self.socket {
            socket.say(up);
        }
    }

    async fn is_told(&mut self, mut said: Value) {
        let Some(event) = said["event"].as_str().map(str::to_owned) else {
            return self.is_answered(said);
        };
        let data = said["data"].take();
        match event.as_str() {
            "ready" => self.begins(&data).await,
            _ if !self.ready => self.complains(format!("{event} before ready")),
            "new_message" => {
                let message = message_of(&data);
                let (seq, id) = (message.seq, message.id.clone());
                self.notes(Act::Received(message));
                self.chat(&data).seen.push(id);
                self.follows(conversation_of(&data), seq);
            }
            "message_edited" => {
                let seq = number(&data["seq"]);
                let message = message_of(&data["message"]);
                self.notes(Act::Edited { seq, message });
                self.follows(conversation_of(&data), seq);
            }
            "reaction_updated" => {
                let seq = number(&data["seq"]);
                self.notes(Act::Reacted {
                    conversation: text(&data["conversationId"]),
                    seq,
                    id: text(&data["messageId"]),
                    reactions: data["reactions"].to_string(),
                });
                self.follows(conversation_of(&data), seq);
            }
            "message_deleted" => {
                let seq = number(&data["seq"]);
                self.notes(Act::Deleted {
                    conversation: text(&data["conversationId"]),
                    seq,
                    id: text(&data["messageId"]),
                });
                self.follows(conversation_of(&data), seq);
            }
            "conversation_created" => {
                let id = text(&data["conversation"]["id"]);
                let conversation = id.parse().expect("an id");
                self.notes(Act::Added { conversation: id });
                self.chats.entry(conversation).or_default().member = true;
                self.syncs(vec![conversation]);
                self.resumes(Some(conversation));
            }
            "conversation_removed" => {
                self.notes(Act::Removed {
                    conversation: text(&data["conversationId"]),
                });
                self.chat(&data).member = false;
            }
            "error" => self.complains(format!("the event error: {data}")),
            _ => {}
        }
    }

    fn chat(&mut self, data: &Value) -> &mut Known {
        self.chats.entry(conversation_of(data)).or_default()
    }

    fn follows(&mut self, conversation: ConversationId, seq: u64) {
        let chat = self.chats.entry(conversation).or_default();
        chat.follows(seq);
        if chat.misses() {
            self.syncs(vec![conversation]);
        }
    }

    /// After `ready`: which conversations are mine (as REST tells), what did I miss, and what is not decided yet.
    async fn begins(&mut self, ready: &Value) {
        self.ready = true;
        self.notes(Act::Opened {
            epoch: text(&ready["epoch"]),
        });
        let caller = Caller {
            user: self.user.clone(),
            admin: false,
            session: None,
        };
        let views = loop {
            match commands::list_conversations(&self.world.node, &caller, 100, None).await {
                Ok((views, _)) => break views,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        self.listens_since = Instant::now();
        for chat in self.chats.values_mut() {
            chat.member = false;
        }
        for view in views {
            self.chats.entry(view.id).or_default().member = true;
        }
        let mine = self.chats.iter().filter(|(_, chat)| chat.member);
        self.syncs(mine.map(|(id, _)| *id).collect());
        self.resumes(None);
    }
}
