//! Clients that write and read all the time, follow the contract's rules for whoever loses the connection (the same
//! client ids again, `sync` by cursors), and note all they did and learned for the checker.

mod client;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicU64},
};

use client::Client;
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::{
    checker::{self, Breach, Conversation, End},
    harness::*,
};

/// How many sends a client keeps in flight.
const WINDOW: usize = 16;

/// One in so many of its own messages a client deletes.
const DELETES_ONE_IN: u32 = 40;

/// One in so many it edits, of the rest.
const EDITS_ONE_IN: u32 = 15;

/// To one in so many messages of anybody it reacts.
const REACTS_ONE_IN: u32 = 60;

/// What the clients are to do.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Chat,
    /// Write nothing new; end what is under way.
    Settle,
    /// Catch up to these numbers.
    CatchUp(BTreeMap<String, u64>),
    Stop,
}

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Busy,
    Settled,
    CaughtUp,
}

/// What all clients share.
struct World {
    /// The one clock of all logs.
    clock: AtomicU64,
    /// Grows with every start of the server: worth another try to connect.
    starts: watch::Sender<u64>,
    phase: watch::Sender<Phase>,
    /// Acknowledged sends, and refused ones, of all clients.
    acknowledged: watch::Sender<u64>,
    refused: watch::Sender<u64>,
}

/// People in conversations, each with a client that never stops writing, some with a second one that only reads.
pub struct Swarm {
    world: Arc<World>,
    people: Vec<Person>,
    pub chats: Vec<(Chat, Vec<usize>)>,
    clients: Vec<(JoinHandle<checker::Log>, watch::Receiver<State>)>,
    place: Arc<Place>,
}

impl Swarm {
    pub async fn start(server: &Server, seed: u64) -> Swarm {
        let mut people = Vec::new();
        for name in ["ann", "ben", "cat", "dan", "eve"] {
            people.push(server.user(name).await);
        }
        let all: Vec<&Person> = people[1..].iter().collect();
        let chats = vec![
            (people[0].direct_with(&people[1]).await, vec![0, 1]),
            (people[2].direct_with(&people[3]).await, vec![2, 3]),
            (people[0].group("everybody", &all).await, vec![0, 1, 2, 3, 4]),
            (people[1].group("three", &[&people[2], &people[4]]).await, vec![1, 2, 4]),
        ];
        let world = Arc::new(World {
            clock: AtomicU64::new(1),
            starts: watch::Sender::new(1),
            phase: watch::Sender::new(Phase::Chat),
            acknowledged: watch::Sender::new(0),
            refused: watch::Sender::new(0),
        });
        let mut swarm = Swarm {
            world,
            people,
            chats,
            clients: Vec::new(),
            place: Arc::clone(server.place()),
        };
        for user in 0..swarm.people.len() {
            swarm.joins(user, true, seed);
        }
        swarm.joins(0, false, seed);
        swarm.joins(3, false, seed);
        swarm
    }

    fn joins(&mut self, user: usize, writes: bool, seed: u64) {
        let chats = self
            .chats
            .iter()
            .filter(|(_, members)| members.contains(&user))
            .map(|(chat, _)| chat.clone());
        let (told, state) = watch::channel(State::Busy);
        let person = self.people[user].clone();
        let seed = seed.wrapping_mul(1000) + self.clients.len() as u64;
        let client = Client::new(person, chats.collect(), Arc::clone(&self.world), writes, told, seed);
        self.clients.push((tokio::spawn(client.lives()), state));
    }

    /// The server is there again.
    pub fn server_started(&self) {
        self.world.starts.send_modify(|starts| *starts += 1);
    }

    /// Waits until this many more sends were acknowledged.
    pub async fn acknowledges(&self, more: u64) {
        grows(&self.world.acknowledged, more, "acknowledged").await;
    }

    /// Waits until this many more sends were refused.
    pub async fn is_refused(&self, more: u64) {
        grows(&self.world.refused, more, "refused").await;
    }

    pub fn acknowledged(&self) -> u64 {
        *self.world.acknowledged.borrow()
    }

    /// Lets all come to rest, reads the final state, and checks the promises: what was broken.
    pub async fn ends(self) -> Vec<Breach> {
        self.world.phase.send_replace(Phase::Settle);
        let settled = self.waits_for(State::Settled).await;
        let mut end = self.final_state().await;
        let seqs = end
            .conversations
            .iter()
            .map(|(id, chat)| (id.clone(), chat.seq))
            .collect();
        self.world.phase.send_replace(Phase::CatchUp(seqs));
        self.waits_for(State::CaughtUp).await;
        end.online = self.online().await;
        self.world.phase.send_replace(Phase::Stop);
        let mut logs = Vec::new();
        for (client, _) in self.clients {
            logs.push(client.await.expect("a client does not panic"));
        }
        let breaches = checker::check(&logs, &end);
        assert!(
            settled || !breaches.is_empty(),
            "the clients did not come to rest, and nobody misses anything"
        );
        breaches
    }

    /// Whether all of them got there. Those who did not will be found by the checker.
    async fn waits_for(&self, wanted: State) -> bool {
        let mut all = true;
        for (_, state) in &self.clients {
            let mut state = state.clone();
            all &= matches!(
                timeout(DEADLINE, state.wait_for(|state| *state == wanted)).await,
                Ok(Ok(_))
            );
        }
        all
    }

    async fn final_state(&self) -> End {
        let mut end = End::default();
        for (chat, members) in &self.chats {
            // Once more while retention takes something away from between the looks.
            let mut conversation = self.state_of(chat, members).await;
            while number(&self.people[members[0]].listed(chat).await["expiredSeq"]) != conversation.expired {
                conversation = self.state_of(chat, members).await;
            }
            end.conversations.insert(chat.id.clone(), conversation);
        }
        end
    }

    async fn state_of(&self, chat: &Chat, members: &[usize]) -> Conversation {
        let mut conversation = Conversation::default();
        for member in members {
            let person = &self.people[*member];
            let listed = person.listed(chat).await;
            conversation.members.insert(person.id.clone());
            conversation.seq = number(&listed["seq"]);
            conversation.expired = number(&listed["expiredSeq"]);
            let standing = (
                person.id.clone(),
                number(&listed["lastReadSeq"]),
                number(&listed["unreadCount"]),
            );
            conversation.standings.push(standing);
        }
        let history = self.people[members[0]].history(chat).await;
        conversation.messages = history.iter().map(message_of).collect();
        // What was changed again since is told by nobody: only the store knows that number.
        conversation.changes = Store::open(&self.place).changes_of(&chat.id);
        conversation
    }

    async fn online(&self) -> BTreeSet<String> {
        let ids: Vec<&str> = self.people.iter().map(|person| person.id.as_str()).collect();
        let answer = self.people[0]
            .get(&format!("/api/presence?userIds={}", ids.join(",")))
            .await
            .ok(200);
        let list = answer["presence"].as_array().expect("a list").iter();
        list.filter(|one| one["online"] == true)
            .map(|one| text(&one["userId"]))
            .collect()
    }
}

/// However slow the machine is: it fails when nothing more comes.
async fn grows(counter: &watch::Sender<u64>, more: u64, what: &str) {
    let mut counter = counter.subscribe();
    let mut now = *counter.borrow_and_update();
    let wanted = now + more;
    while now < wanted {
        let grown = timeout(DEADLINE, counter.wait_for(|count| *count > now)).await;
        let missing = wanted - now;
        now = *grown
            .unwrap_or_else(|_| panic!("no send more was {what} in {DEADLINE:?}, {missing} of {more} are missing"))
            .expect("the world goes on");
    }
}

fn message_of(message: &Value) -> checker::Message {
    checker::Message {
        id: text(&message["id"]),
        conversation: text(&message["conversationId"]),
        seq: number(&message["seq"]),
        change_seq: number(&message["changeSeq"]),
        sender: message["sender"]["id"].as_str().unwrap_or_default().to_owned(),
        client_id: message["clientId"].as_str().map(str::to_owned),
        content: message["content"].as_str().map(str::to_owned),
        reactions: message["reactions"].to_string(),
        system: message["type"] == "system",
        created_at: text(&message["createdAt"]),
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text and not {value}"))
        .to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number and not {value}"))
}
