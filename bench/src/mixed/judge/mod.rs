//! The judge of one room of `mixed`: every durable change takes the next position, for everybody the same one, and is one
//! that somebody asked for. The shard that has all the room's connections calls it. Pure: no sockets, no clock.
//!
//! `check` is the judge of rooms in which only messages take positions, and made for millions of deliveries a second; this
//! one knows before a change comes that it was asked for, so it keeps tables and parses the first sighting of each position.
//! Where a change had an unknown outcome (`UNAVAILABLE`), the server may deliver later forms of a message at earlier
//! positions: from then on edits and reactions of that room are judged by their position alone.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::change::{Change, Reactions, What};
use crate::conn::Outcome;
use crate::fault::{Faults, Kind};
use crate::message::{Parsed, Stamp, content_is};
use crate::world::World;

mod end;

/// A position further ahead than this is nonsense, and no reason to allocate up to it.
const FURTHEST_JUMP: u64 = 1_000_000;
/// People react to what was said lately.
const RECENT: usize = 32;

/// What stands at one position.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Of the whole frame as first seen.
    hash: u64,
    meaning: u64,
    /// Of one of our messages.
    stamp: Option<Stamp>,
}

impl Entry {
    fn delivery(&self) -> Delivery {
        Delivery {
            sent_at: self.stamp.map(|stamp| stamp.sent_at),
        }
    }
}

/// A delivery of a change; of a message with the time at which it was sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery {
    pub sent_at: Option<u64>,
}

/// What became of a send or an edit.
#[derive(Debug, Clone, Copy)]
struct Fate {
    outcome: Outcome,
    stands_at: Option<u64>,
}

/// One user's one emoji on one message, put and taken back in turns: no two of its calls are ever under way at once.
#[derive(Debug, Default)]
struct Toggle {
    asked: u32,
    acked: u32,
    refused: u32,
    seen: u32,
}

pub struct Message {
    pub id: String,
    seq: u64,
    reactions: Reactions,
}

pub struct Judge {
    world: Arc<World>,
    room: usize,
    size: usize,
    hasher: FixedState,
    /// The first position that is judged; 0 until somebody has joined.
    base: u64,
    entries: Vec<Option<Entry>>,
    pub messages: Vec<Message>,
    by_id: HashMap<String, usize>,
    by_seq: BTreeMap<u64, usize>,
    /// Newest last: messages to react to.
    pub recent: VecDeque<usize>,
    sends: HashMap<(u32, u32), Fate>,
    edits: HashMap<u64, Fate>,
    toggles: HashMap<u64, Toggle>,
    shaken: bool,
    pub faults: Faults,
}

impl Judge {
    pub fn new(world: Arc<World>, room: usize, size: usize) -> Self {
        Self {
            world,
            room,
            size,
            hasher: FixedState::with_seed(0),
            base: 0,
            entries: Vec::new(),
            messages: Vec::new(),
            by_id: HashMap::new(),
            by_seq: BTreeMap::new(),
            recent: VecDeque::new(),
            sends: HashMap::new(),
            edits: HashMap::new(),
            toggles: HashMap::new(),
            shaken: false,
            faults: Faults::default(),
        }
    }

    // ---- what is asked for

    /// Somebody has opened the room at this position. Everybody does before anything changes.
    pub fn joined(&mut self, who: u32, seq: u64) {
        if self.base == 0 {
            self.base = seq + 1;
        } else if self.base != seq + 1 {
            let (room, head) = (self.room, self.base - 1);
            self.faults.add(Kind::Disagreement, || {
                format!("connection {who} joined room {room} at seq {seq}, others at {head}")
            });
        }
    }

    pub fn expect_send(&mut self, sender: u32, number: u32) {
        self.sends.insert((sender, number), WAITING);
    }

    /// The key under which the edit is answered. The content must be the only one of its kind.
    pub fn expect_edit(&mut self, message: usize, content: &str) -> u64 {
        let key = self.edit_key(&self.messages[message].id, content);
        self.edits.insert(key, WAITING);
        key
    }

    /// The key under which putting or taking back is answered.
    pub fn expect_toggle(&mut self, message: usize, user: &str, emoji: &str) -> u64 {
        let key = self.toggle_key(message, user, emoji);
        self.toggles.entry(key).or_default().asked += 1;
        key
    }

    fn edit_key(&self, id: &str, content: &str) -> u64 {
        self.hasher.hash_one((id, content))
    }

    fn toggle_key(&self, message: usize, user: &str, emoji: &str) -> u64 {
        self.hasher.hash_one((message, user, emoji))
    }

    /// Whether the answer to an edit has the message as it was edited.
    pub fn is_edit(&self, key: u64, message: &Parsed) -> bool {
        message
            .content
            .as_str()
            .is_some_and(|content| self.edit_key(&message.id, content) == key)
    }

    // ---- what is answered

    /// The message of an `ok` answer to a send; its index when all is well.
    pub fn send_acked(&mut self, sender: u32, number: u32, message: &Parsed) -> Option<usize> {
        let stamp = self.whose(message);
        if stamp.is_none_or(|stamp| (stamp.sender, stamp.number) != (sender, number)) {
            self.send_ended(sender, number, Outcome::Unknown);
            let room = self.room;
            self.faults.add(Kind::WrongAnswer, || {
                format!("room {room}: connection {sender}'s send {number} was answered with another message")
            });
            return None;
        }
        self.send_ended(sender, number, Outcome::Acked(message.seq));
        self.is_as_sent(message);
        Some(self.register(message))
    }

    pub fn send_ended(&mut self, sender: u32, number: u32, outcome: Outcome) {
        self.shaken |= outcome == Outcome::Unknown;
        if let Some(fate) = self.sends.get_mut(&(sender, number)) {
            fate.outcome = outcome;
        }
    }

    pub fn edit_ended(&mut self, key: u64, outcome: Outcome) {
        self.shaken |= outcome == Outcome::Unknown;
        if let Some(fate) = self.edits.get_mut(&key) {
            fate.outcome = outcome;
        }
    }

    pub fn toggle_ended(&mut self, key: u64, outcome: Outcome) {
        self.shaken |= outcome == Outcome::Unknown;
        if let Some(toggle) = self.toggles.get_mut(&key) {
            toggle.acked += u32::from(matches!(outcome, Outcome::Acked(_)));
            toggle.refused += u32::from(outcome == Outcome::Refused);
        }
    }

    // ---- what is delivered

    /// Whether the frame is, byte for byte, what others got at this connection's next position.
    pub fn delivered(&mut self, next: &mut u64, hash: u64) -> Option<Delivery> {
        let index = next.checked_sub(self.base)?;
        let entry = self.entries.get(index as usize)?.filter(|entry| entry.hash == hash)?;
        *next += 1;
        Some(entry.delivery())
    }

    /// Judges a change that is not known by its bytes. Nothing is judged before the connection has joined.
    pub fn examine(&mut self, who: u32, next: &mut u64, change: Change, hash: u64) -> Option<Delivery> {
        let (room, seq) = (self.room, change.seq);
        if *next == 0 || self.base == 0 {
            return None;
        }
        if change.conversation != self.world.rooms[room].conversation {
            self.faults.add(Kind::Changed, || {
                let conversation = change.conversation;
                format!("room {room} was sent a change of conversation {conversation} at seq {seq}")
            });
            return None;
        }
        let expected = *next;
        if seq != expected {
            let kind = if seq > expected { Kind::Gap } else { Kind::Behind };
            self.faults.add(kind, || {
                format!("connection {who} in room {room} expected seq {expected}, got {seq}")
            });
        }
        let index = seq.wrapping_sub(self.base);
        if index > self.entries.len() as u64 + FURTHEST_JUMP {
            return None;
        }
        // From here on as if it had been right, so that one fault is reported once.
        *next = expected.max(seq + 1);
        let index = index as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, None);
        }
        let meaning = change.meaning(&self.hasher);
        if let Some(known) = self.entries[index] {
            if known.meaning != meaning {
                self.faults.add(Kind::Disagreement, || {
                    format!(
                        "connection {who} in room {room} has another change at seq {seq} than was seen there before"
                    )
                });
            }
            return (known.meaning == meaning).then(|| known.delivery());
        }
        let stamp = self.first_sighting(seq, change.what);
        let entry = Entry { hash, meaning, stamp };
        self.entries[index] = Some(entry);
        Some(entry.delivery())
    }

    fn first_sighting(&mut self, seq: u64, what: What) -> Option<Stamp> {
        match what {
            What::New(message) => self.on_new(seq, &message),
            What::Edited(message) => {
                self.on_edited(seq, &message);
                None
            }
            What::Deleted { message } => {
                self.phantom(seq, || format!("message {message} was deleted"));
                None
            }
            What::Reacted {
                message,
                reactions,
                twice,
            } => {
                if twice {
                    let room = self.room;
                    self.faults.add(Kind::Changed, || {
                        format!("room {room}, seq {seq}: somebody has one emoji twice on message {message}")
                    });
                }
                self.on_reacted(seq, &message, reactions);
                None
            }
        }
    }

    fn on_new(&mut self, seq: u64, message: &Parsed) -> Option<Stamp> {
        if message.kind != "text" {
            return None;
        }
        let Some(stamp) = self.whose(message) else {
            self.phantom(seq, || format!("a text that nobody sent, {}", message.id));
            return None;
        };
        self.is_as_sent(message);
        let index = self.register(message);
        self.recent.push_back(index);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        if let Some(fate) = self.sends.get_mut(&(stamp.sender, stamp.number)) {
            fate.stands_at.get_or_insert(seq);
        }
        Some(stamp)
    }

    fn on_edited(&mut self, seq: u64, message: &Parsed) {
        let content = message.content.as_str().unwrap_or_default();
        let key = self.edit_key(&message.id, content);
        match self.edits.get_mut(&key) {
            Some(fate) if fate.stands_at.is_none() => fate.stands_at = Some(seq),
            _ if self.shaken => {}
            Some(_) => self.phantom(seq, || format!("an edit of message {} stands there again", message.id)),
            None => self.phantom(seq, || format!("an edit of message {} that nobody made", message.id)),
        }
    }

    /// One position, one emoji of one user more or less.
    fn on_reacted(&mut self, seq: u64, id: &str, reactions: Reactions) {
        let Some(index) = self.by_id.get(id).copied() else {
            return self.phantom(seq, || format!("reactions to message {id}, which was never delivered"));
        };
        let before = &self.messages[index].reactions;
        let changed: Vec<_> = reactions.symmetric_difference(before).cloned().collect();
        let found = match &changed[..] {
            [(emoji, user)] => {
                let added = reactions.len() > before.len();
                Some((self.toggle_key(index, user, emoji), added))
            }
            _ => None,
        };
        self.messages[index].reactions = reactions;
        let shaken = self.shaken;
        match found.and_then(|(key, added)| Some((self.toggles.get_mut(&key)?, added))) {
            Some((toggle, added)) if toggle.seen < toggle.asked && added == toggle.seen.is_multiple_of(2) => {
                toggle.seen += 1;
            }
            _ if shaken => {}
            _ => self.phantom(seq, || {
                format!("a reaction_updated of message {id} that nobody asked for: it changes {changed:?}")
            }),
        }
    }

    // ---- helpers

    fn phantom(&mut self, seq: u64, what: impl FnOnce() -> String) {
        let room = self.room;
        self.faults
            .add(Kind::Phantom, || format!("room {room}, seq {seq}: {}", what()));
    }

    /// The stamp of a message that was sent in this room.
    fn whose(&self, message: &Parsed) -> Option<Stamp> {
        let stamp = Stamp::parse(&self.world.run, message.client_id.as_ref()?.as_bytes())?;
        self.sends.contains_key(&(stamp.sender, stamp.number)).then_some(stamp)
    }

    /// A fault when content or sender of one of our messages were changed on the way.
    fn is_as_sent(&mut self, message: &Parsed) {
        let view = message.view();
        let stamp = self.whose(message);
        let user = stamp.and_then(|stamp| self.world.sender(stamp.sender));
        let same_content = view.client_id.is_some_and(|id| content_is(id, self.size, view.content));
        if !same_content || user.is_none_or(|user| user.id.as_bytes() != view.sender) {
            let (room, seq) = (self.room, message.seq);
            self.faults.add(Kind::Changed, || {
                format!("room {room}, seq {seq}: not the content or the sender of the send {stamp:?}")
            });
        }
    }

    /// The message's index; it is known from its answer or its delivery on, whichever comes first.
    fn register(&mut self, message: &Parsed) -> usize {
        if let Some(index) = self.by_id.get(&message.id) {
            return *index;
        }
        let index = self.messages.len();
        self.messages.push(Message {
            id: message.id.clone(),
            seq: message.seq,
            reactions: Reactions::new(),
        });
        self.by_id.insert(message.id.clone(), index);
        self.by_seq.insert(message.seq, index);
        index
    }
}

const WAITING: Fate = Fate {
    outcome: Outcome::Waiting,
    stands_at: None,
};

#[cfg(test)]
mod tests;
