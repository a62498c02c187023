//! One run: a node of real actors on one thread and a paused clock, over a fake store, with clients that play at it. Called
//! by the tests of this module; everything that happens in a run follows from its seed.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_rt::System;
use futures_util::future::join_all;
use parlor::{
    actors::{Node, presence::Online, relay::Local},
    db::NewConversation,
    domain::{ConversationId, Member, Role, User, UserId, UserKey},
    metrics::Metrics,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep};

use super::{
    device::Device,
    faults::{Faults, Sabotage},
    history::Chat,
    known::message_of,
    node::{self, ROOM_IDLE},
    socket::Socket,
    steward::Steward,
    store::{FakeStore, Memory},
};
use crate::checker::{Act, Conversation, End, Log};

/// How long the clients play, and how long everything then has to come to rest.
const PLAY: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_secs(45);

pub struct World {
    pub node: Arc<Node>,
    pub locals: Vec<Rc<Local>>,
    pub store: FakeStore,
    pub users: Vec<Arc<User>>,
    /// When the clients stop having whims, and the store stops failing.
    pub curfew: Instant,
    pub end: Instant,
    /// Who has a send that is not decided in a conversation that is not theirs any more.
    pub stuck: RefCell<BTreeSet<(ConversationId, UserId)>>,
    ticks: Cell<u64>,
    complaints: RefCell<Vec<String>>,
}

/// What a run left behind.
pub struct Run {
    pub logs: Vec<Log>,
    pub end: End,
    /// Conversations that were deleted.
    pub ended: Vec<String>,
    /// What is wrong beyond what the checker sees.
    pub complaints: Vec<String>,
    pub metrics: Metrics,
}

/// Plays the run of `seed`.
pub fn run(seed: u64, sabotage: Sabotage) -> Run {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().expect("a runtime")
    };
    System::with_tokio_rt(runtime).block_on(play(seed, sabotage))
}

async fn play(seed: u64, sabotage: Sabotage) -> Run {
    let mut rng = StdRng::seed_from_u64(seed);
    let users: Vec<_> = (0..rng.random_range(4..=6)).map(user).collect();
    let memory = Memory {
        faults: Faults::new(seed),
        sabotage,
        appends: 0,
        users: users.clone(),
        chats: Vec::new(),
        reset_after: [15, 1000][rng.random_range(0..2)],
    };
    let store = FakeStore::new(memory);
    let (node, locals) = node::start(seed, &mut rng, &store).await;
    let world = Rc::new(World {
        node,
        locals,
        store,
        users,
        curfew: Instant::now() + PLAY,
        end: Instant::now() + PLAY + REST,
        stuck: RefCell::default(),
        ticks: Cell::new(0),
        complaints: RefCell::default(),
    });
    let stewards = stewards(&world, &mut rng);
    let devices = devices(&world, &mut rng);
    let weather = world.clone();
    actix_rt::spawn(async move {
        tokio::time::sleep_until(weather.curfew).await;
        weather.store.memory().faults.calm();
    });
    let stewards = join_all(stewards.into_iter().map(|steward| actix_rt::spawn(steward.works())));
    let devices = join_all(devices.into_iter().map(|device| actix_rt::spawn(device.lives())));
    let (stewards, devices) = tokio::join!(stewards, devices);
    let (mut logs, mut sockets) = (Vec::new(), Vec::new());
    for device in devices {
        let (log, socket) = device.expect("a client does not panic");
        logs.push(log);
        sockets.extend(socket);
    }
    logs.extend(stewards.into_iter().map(|log| log.expect("a steward does not panic")));
    let end = world.ends().await;
    world.events_are_justified(&logs, &end);
    world.empties(sockets).await;
    let complaints = world.complaints.take();
    let ended = {
        let memory = world.store.memory();
        let ended = memory.chats.iter().filter(|chat| chat.ended);
        ended.map(|chat| chat.conversation.id.to_string()).collect()
    };
    Run {
        logs,
        end,
        ended,
        complaints,
        metrics: world.node.metrics.clone(),
    }
}

fn user(number: i64) -> Arc<User> {
    let name = ["ann", "ben", "cat", "dan", "eve", "fay"][number as usize];
    Arc::new(User {
        key: UserKey(number),
        id: UserId::parse(name).expect("an id"),
        name: name.to_owned(),
        display_name: name.to_owned(),
        avatar_url: None,
    })
}

/// Two or three groups from the start, and one to come.
fn stewards(world: &Rc<World>, rng: &mut StdRng) -> Vec<Steward> {
    let mut stewards = Vec::new();
    for _ in 0..rng.random_range(2..4) {
        let owner = rng.random_range(0..world.users.len());
        let members = world.users.iter().filter(|user| user.key.0 != owner as i64);
        let members = members.map(|user| user.key).filter(|_| rng.random_bool(0.7)).collect();
        let at = world.node.clock.now();
        let id = ConversationId::generate(at, world.node.entropy.bytes10());
        let group = NewConversation::group(id, "a group", world.users[owner].key, at);
        world.store.memory().create(NewConversation { members, ..group });
        stewards.push(Steward::new(world, &world.users[owner], Some(id), rng.random()));
    }
    stewards.push(Steward::new(world, &world.users[0], None, rng.random()));
    stewards
}

/// One for each user, a second one for some.
fn devices(world: &Rc<World>, rng: &mut StdRng) -> Vec<Device> {
    let second = world.users.iter().filter(|_| rng.random_bool(0.4));
    let users: Vec<_> = world.users.iter().chain(second).collect();
    let numbered = users.into_iter().enumerate();
    numbered
        .map(|(number, user)| Device::new(world, number, user, rng.random()))
        .collect()
}

impl World {
    /// The one clock that all logs are written by.
    pub fn tick(&self) -> u64 {
        self.ticks.set(self.ticks.get() + 1);
        self.ticks.get()
    }

    pub fn complain(&self, what: String) {
        self.complaints.borrow_mut().push(what);
    }

    fn of_chat<T>(&self, id: ConversationId, look: impl FnOnce(&Chat) -> T) -> T {
        let memory = self.store.memory();
        let chat = memory.chats.iter().find(|chat| chat.conversation.id == id);
        look(chat.expect("a conversation of this run"))
    }

    pub fn is_owner(&self, id: ConversationId, user: &User) -> bool {
        let owns = |member: &Member| member.role == Role::Owner;
        self.of_chat(id, |chat| chat.member(user.key).is_some_and(owns))
    }

    pub fn owner(&self, id: ConversationId) -> Arc<User> {
        let mut members = self.of_chat(id, |chat| chat.members.clone()).into_iter();
        let owner = members.find(|member| member.role == Role::Owner);
        owner.expect("every conversation has an owner").user
    }

    pub fn is_ended(&self, id: ConversationId) -> bool {
        self.of_chat(id, |chat| chat.ended)
    }

    pub fn is_member(&self, id: ConversationId, user: &UserId) -> bool {
        self.of_chat(id, |chat| chat.members.iter().any(|member| member.user.id == *user))
    }

    /// How everything stands, as the store and the presence registry have it.
    async fn ends(&self) -> End {
        let ids: Vec<UserId> = self.users.iter().map(|user| user.id.clone()).collect();
        let online = self.node.presence.send(Online(ids.clone())).await.expect("presence");
        let online = ids.iter().zip(online).filter(|(_, seen)| seen.online);
        let memory = self.store.memory();
        End {
            conversations: memory
                .chats
                .iter()
                .map(|chat| (chat.conversation.id.to_string(), conversation(chat)))
                .collect::<BTreeMap<_, _>>(),
            online: online.map(|(id, _)| id.to_string()).collect(),
        }
    }

    /// Nobody was told of coming and going that did not take place.
    fn events_are_justified(&self, logs: &[Log], end: &End) {
        for log in logs {
            for (id, conversation) in &end.conversations {
                let noted = |event| notes_about(conversation, &log.user, event);
                let told = |wanted: &Act| log.acts.iter().filter(|(_, act)| act == wanted).count();
                let added = told(&Act::Added {
                    conversation: id.clone(),
                });
                let removed = told(&Act::Removed {
                    conversation: id.clone(),
                });
                let ended = self.is_ended(id.parse().expect("an id"));
                // Its end takes it from everybody. One who was there from the start may be told once, when it is made.
                let removals = noted("member_removed") + noted("member_left") + usize::from(ended);
                if removed > removals || added > noted("member_added") + 1 {
                    let user = &log.user;
                    self.complain(format!(
                        "{user} was told of {added} additions to {id}, {removed} removals"
                    ));
                }
            }
        }
    }

    /// Everybody goes; then nobody is left over: no session, no viewer that keeps a room.
    async fn empties(&self, sockets: Vec<Socket>) {
        for socket in sockets {
            socket.cut(0);
        }
        sleep(ROOM_IDLE + Duration::from_secs(8)).await;
        let metrics = &self.node.metrics;
        let left = (metrics.sessions.get(), metrics.users_online.get(), metrics.rooms.get());
        let known: usize = self.locals.iter().map(|local| local.count()).sum();
        if left != (0, 0, 0) || known != 0 || metrics.append_queue.get() != 0 {
            self.complain(format!(
                "left over: {left:?} sessions, users and rooms, {known} known to workers"
            ));
        }
    }
}

/// How often the history says that this happened to somebody.
fn notes_about(conversation: &Conversation, user: &str, event: &str) -> usize {
    let (event, user) = (format!("\"event\":\"{event}\""), format!("\"userId\":\"{user}\""));
    let notes = conversation.messages.iter().filter(|message| message.system);
    let contents = notes.filter_map(|message| message.content.as_ref());
    contents
        .filter(|content| content.contains(&event) && content.contains(&user))
        .count()
}

fn conversation(chat: &Chat) -> Conversation {
    let messages = chat.messages.iter();
    let members = chat.members.iter().filter(|_| !chat.ended);
    let standing = |member: &Member| {
        let unread = chat.unread(member.user.key, member.last_read_seq);
        (member.user.id.to_string(), member.last_read_seq.0.into(), unread.into())
    };
    Conversation {
        members: members.map(|member| member.user.id.to_string()).collect(),
        seq: chat.head.0.into(),
        expired: 0,
        messages: messages
            .map(|message| message_of(&serde_json::to_value(message).expect("a message as JSON")))
            .collect(),
        changes: chat
            .other_changes()
            .map(|(seq, id)| (seq.0.into(), id.to_string()))
            .collect(),
        standings: chat.members.iter().map(standing).collect(),
    }
}
