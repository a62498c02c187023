//! A server and its clients as they ought to be, in a few lines and without a network: it makes the logs that the
//! checker's own tests start from. Every run follows from its seed.

use std::collections::{BTreeMap, VecDeque};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{Act, Conversation, End, Log, Message, Tick};

const USERS: [&str; 4] = ["ann", "ben", "cat", "dan"];
const CHATS: [(&str, &[&str]); 3] = [
    ("tea", &["ann", "ben", "cat", "dan"]),
    ("two", &["ann", "ben"]),
    ("trio", &["ben", "cat", "dan"]),
];

/// A send on its way: client, conversation, client id, text.
type Sent = (usize, &'static str, String, String);

pub struct Model {
    rng: StdRng,
    clock: Tick,
    logs: Vec<Log>,
    /// What the server said to each client and has not arrived yet.
    outboxes: Vec<VecDeque<Act>>,
    /// What arrived at the server and is not committed yet.
    inbox: VecDeque<Sent>,
    /// What each client sent and has no answer to.
    pending: Vec<Vec<Sent>>,
    cursors: Vec<BTreeMap<&'static str, u64>>,
    history: BTreeMap<&'static str, Vec<Message>>,
    seqs: BTreeMap<&'static str, u64>,
    changes: BTreeMap<&'static str, BTreeMap<u64, String>>,
    made: u64,
}

/// The logs and the end of a run in which every promise was kept.
pub fn run(seed: u64) -> (Vec<Log>, End) {
    let mut model = Model::new(seed);
    for client in 0..USERS.len() {
        model.opens(client);
    }
    for _ in 0..400 {
        match model.rng.random_range(0..100) {
            0..40 => model.sends(),
            40..65 => model.commits(),
            65..90 => model.delivers(),
            90..93 => model.deletes(),
            93..95 => model.edits(),
            95 => model.reacts(),
            96 => model.refuses(),
            97 => model.repeats(),
            _ => model.crashes(),
        }
    }
    model.settles();
    model.ends()
}

impl Model {
    fn new(seed: u64) -> Model {
        let log = |user: &str| Log {
            user: user.to_owned(),
            acts: Vec::new(),
        };
        Model {
            rng: StdRng::seed_from_u64(seed),
            clock: 0,
            logs: USERS.iter().map(|user| log(user)).collect(),
            outboxes: vec![VecDeque::new(); USERS.len()],
            inbox: VecDeque::new(),
            pending: vec![Vec::new(); USERS.len()],
            cursors: vec![BTreeMap::new(); USERS.len()],
            history: CHATS.iter().map(|(chat, _)| (*chat, Vec::new())).collect(),
            seqs: CHATS.iter().map(|(chat, _)| (*chat, 0)).collect(),
            changes: BTreeMap::new(),
            made: 0,
        }
    }

    fn notes(&mut self, client: usize, act: Act) {
        self.clock += 1;
        self.logs[client].acts.push((self.clock, act));
    }

    fn chats_of(client: usize) -> impl Iterator<Item = &'static str> {
        CHATS
            .iter()
            .filter(move |(_, members)| members.contains(&USERS[client]))
            .map(|(chat, _)| *chat)
    }

    fn opens(&mut self, client: usize) {
        self.notes(
            client,
            Act::Opened {
                epoch: "e-1".to_owned(),
            },
        );
        for chat in Model::chats_of(client) {
            let after = self.cursors[client].get(chat).copied().unwrap_or(0);
            let mut messages: Vec<Message> = self.history[chat]
                .iter()
                .filter(|message| message.change_seq > after)
                .cloned()
                .collect();
            messages.sort_by_key(|message| message.change_seq);
            let seq = self.seqs[chat];
            self.cursors[client].insert(chat, seq);
            self.notes(
                client,
                Act::Synced {
                    conversation: chat.to_owned(),
                    messages,
                    seq,
                    reset: false,
                },
            );
        }
        for sent in self.pending[client].clone() {
            self.submits(sent);
        }
    }

    fn submits(&mut self, sent: Sent) {
        let (client, chat, client_id, content) = sent.clone();
        self.notes(
            client,
            Act::Sent {
                conversation: chat.to_owned(),
                client_id,
                content,
            },
        );
        self.inbox.push_back(sent);
    }

    fn somebody(&mut self) -> (usize, &'static str) {
        let client = self.rng.random_range(0..USERS.len());
        let chats: Vec<&'static str> = Model::chats_of(client).collect();
        (client, chats[self.rng.random_range(0..chats.len())])
    }

    fn writes(&mut self) -> Sent {
        let (client, chat) = self.somebody();
        self.made += 1;
        (client, chat, format!("c{}", self.made), format!("text {}", self.made))
    }

    fn sends(&mut self) {
        let sent = self.writes();
        self.pending[sent.0].push(sent.clone());
        self.submits(sent);
    }

    fn refuses(&mut self) {
        let (client, chat, client_id, content) = self.writes();
        let conversation = chat.to_owned();
        self.notes(
            client,
            Act::Sent {
                conversation: conversation.clone(),
                client_id: client_id.clone(),
                content,
            },
        );
        self.notes(
            client,
            Act::Refused {
                conversation,
                client_id,
                known: true,
            },
        );
    }

    /// An impatient client tries again what is in flight.
    fn repeats(&mut self) {
        let (client, _) = self.somebody();
        if let Some(sent) = self.pending[client].last().cloned() {
            self.submits(sent);
        }
    }

    fn commits(&mut self) {
        for _ in 0..self.rng.random_range(1..4) {
            let Some((client, chat, client_id, content)) = self.inbox.pop_front() else {
                return;
            };
            let known = self.history[chat]
                .iter()
                .find(|message| message.sender == USERS[client] && message.client_id.as_deref() == Some(&client_id));
            if let Some(known) = known.cloned() {
                self.outboxes[client].push_back(Act::Answered(known));
                continue;
            }
            let seq = self.next_seq(chat);
            let message = Message {
                id: format!("{chat}-{seq}"),
                conversation: chat.to_owned(),
                seq,
                change_seq: seq,
                sender: USERS[client].to_owned(),
                client_id: Some(client_id),
                content: Some(content),
                reactions: "[]".to_owned(),
                system: false,
                created_at: format!("t{seq}"),
            };
            self.history.get_mut(chat).expect("a chat").push(message.clone());
            self.outboxes[client].push_back(Act::Answered(message.clone()));
            self.broadcasts(chat, &Act::Received(message));
        }
    }

    fn next_seq(&mut self, chat: &'static str) -> u64 {
        let seq = self.seqs.get_mut(chat).expect("a chat");
        *seq += 1;
        *seq
    }

    fn broadcasts(&mut self, chat: &str, act: &Act) {
        for client in 0..USERS.len() {
            if Model::chats_of(client).any(|mine| mine == chat) {
                self.outboxes[client].push_back(act.clone());
            }
        }
    }

    fn deletes(&mut self) {
        let (client, chat) = self.somebody();
        let mine = |message: &&Message| message.sender == USERS[client] && message.content.is_some();
        let Some(id) = self.history[chat].iter().find(mine).map(|message| message.id.clone()) else {
            return;
        };
        let seq = self.next_seq(chat);
        let message = self
            .history
            .get_mut(chat)
            .expect("a chat")
            .iter_mut()
            .find(|m| m.id == id)
            .expect("found");
        (message.content, message.change_seq) = (None, seq);
        message.reactions = "[]".to_owned();
        self.changes.entry(chat).or_default().insert(seq, id.clone());
        let conversation = chat.to_owned();
        let answer = Act::DeleteAnswered {
            conversation: conversation.clone(),
            seq,
            id: id.clone(),
        };
        self.outboxes[client].push_back(answer);
        self.broadcasts(chat, &Act::Deleted { conversation, seq, id });
    }

    fn edits(&mut self) {
        let (client, chat) = self.somebody();
        let mine = |message: &&Message| message.sender == USERS[client] && message.content.is_some();
        let Some(id) = self.history[chat]
            .iter()
            .rev()
            .find(mine)
            .map(|message| message.id.clone())
        else {
            return;
        };
        self.made += 1;
        let content = format!("edit {}", self.made);
        self.notes(
            client,
            Act::Edits {
                id: id.clone(),
                content: content.clone(),
            },
        );
        let (seq, message) = self.changed(chat, &id, |message| message.content = Some(content));
        self.outboxes[client].push_back(Act::EditAnswered(message.clone()));
        self.broadcasts(chat, &Act::Edited { seq, message });
    }

    fn reacts(&mut self) {
        let (client, chat) = self.somebody();
        let there = |message: &&Message| message.content.is_some();
        let Some(id) = self.history[chat]
            .iter()
            .rev()
            .find(there)
            .map(|message| message.id.clone())
        else {
            return;
        };
        let reactions = format!("{} {}", self.made, USERS[client]);
        let (seq, message) = self.changed(chat, &id, |message| message.reactions = reactions);
        let act = Act::Reacted {
            conversation: chat.to_owned(),
            seq,
            id,
            reactions: message.reactions,
        };
        self.broadcasts(chat, &act);
    }

    fn changed(&mut self, chat: &'static str, id: &str, change: impl FnOnce(&mut Message)) -> (u64, Message) {
        let seq = self.next_seq(chat);
        self.changes.entry(chat).or_default().insert(seq, id.to_owned());
        let history = self.history.get_mut(chat).expect("a chat");
        let message = history.iter_mut().find(|message| message.id == id).expect("found");
        change(message);
        message.change_seq = seq;
        (seq, message.clone())
    }

    fn delivers(&mut self) {
        let client = self.rng.random_range(0..USERS.len());
        for _ in 0..self.rng.random_range(1..6) {
            self.delivers_one(client);
        }
    }

    fn delivers_one(&mut self, client: usize) -> bool {
        let Some(act) = self.outboxes[client].pop_front() else {
            return false;
        };
        let live = match &act {
            Act::Received(message) => Some((message.conversation.clone(), message.seq)),
            Act::Deleted { conversation, seq, .. } | Act::Reacted { conversation, seq, .. } => {
                Some((conversation.clone(), *seq))
            }
            Act::Edited { seq, message } => Some((message.conversation.clone(), *seq)),
            Act::Answered(message) => {
                self.pending[client].retain(|sent| Some(&sent.2) != message.client_id.as_ref());
                None
            }
            _ => None,
        };
        if let Some((chat, seq)) = live {
            let chat = CHATS.iter().find(|(known, _)| *known == chat).expect("a chat").0;
            let cursor = self.cursors[client].entry(chat).or_insert(0);
            *cursor = (*cursor).max(seq);
        }
        self.notes(client, act);
        true
    }

    /// What was under way in both directions is lost; all come back and catch up.
    fn crashes(&mut self) {
        self.inbox.clear();
        for client in 0..USERS.len() {
            for _ in 0..self.rng.random_range(0..5) {
                self.delivers_one(client);
            }
            self.outboxes[client].clear();
            self.notes(client, Act::Closed);
        }
        for client in 0..USERS.len() {
            self.opens(client);
        }
    }

    fn settles(&mut self) {
        while !self.inbox.is_empty() {
            self.commits();
        }
        for client in 0..USERS.len() {
            while self.delivers_one(client) {}
        }
    }

    fn ends(self) -> (Vec<Log>, End) {
        let mut end = End {
            online: USERS.iter().map(|user| (*user).to_owned()).collect(),
            ..End::default()
        };
        for (chat, members) in CHATS {
            let messages = self.history[chat].clone();
            let standing = |user: &&str| {
                let unread = |message: &&Message| message.sender != **user && message.content.is_some();
                ((*user).to_owned(), 0, messages.iter().filter(unread).count() as u64)
            };
            let conversation = Conversation {
                members: members.iter().map(|user| (*user).to_owned()).collect(),
                seq: self.seqs[chat],
                changes: self.changes.get(chat).cloned().unwrap_or_default(),
                expired: 0,
                standings: members.iter().map(standing).collect(),
                messages,
            };
            end.conversations.insert(chat.to_owned(), conversation);
        }
        (self.logs, end)
    }
}
