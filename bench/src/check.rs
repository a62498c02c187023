//! The judgement of every message as it arrives: `client` asks it for each delivery and each answer.
//! Pure: no sockets, no clock. What can only be told when all is quiet is in `settle`.
//!
//! The idea that makes it cheap: a server encodes a message once and sends the same bytes to all. So the first sighting
//! of a position is examined in full, and its hash kept; another connection's frame that has the hash of its own next
//! position is right in every respect, position included, without looking into it. Frames that differ are examined
//! again and compared in meaning, so that a server which encodes per session is only slower to judge, not wrong.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::fault::{Faults, Kind};
use crate::message::{Parsed, Scanner, Stamp, View, content_is};
use crate::world::World;

/// One examined message in so many is parsed in full as well, to prove that the search reads it right.
const PARSE_EVERY: u64 = 100;

/// A position further ahead than this is nonsense, and no reason to allocate a ledger up to it.
const FURTHEST_JUMP: usize = 1_000_000;

/// The sender of a system message.
pub const NOBODY: u32 = u32::MAX;
/// The sender of a position that nobody has shown yet.
const VACANT: u32 = u32::MAX - 1;

/// What stands at one position of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Of the bytes as delivered (or as answered, until delivered).
    hash: u64,
    /// Of what must be the same for everybody: id, clientId, kind. Content and sender are compared with the send.
    pub meaning: u64,
    sent_at: u64,
    pub sender: u32,
    pub number: u32,
    /// How many of this thread's connections got it.
    delivered: u32,
}

const NOTHING: Entry = Entry {
    hash: 0,
    meaning: 0,
    sent_at: 0,
    sender: VACANT,
    number: 0,
    delivered: 0,
};

impl Entry {
    pub fn is_vacant(&self) -> bool {
        self.sender == VACANT
    }
}

/// One conversation as one thread saw it: entries from the first position seen on.
#[derive(Debug, Default)]
pub struct Ledger {
    base: u64,
    entries: Vec<Entry>,
}

impl Ledger {
    #[inline]
    pub fn get(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(seq.wrapping_sub(self.base) as usize)
    }

    #[inline]
    fn get_mut(&mut self, seq: u64) -> Option<&mut Entry> {
        self.entries.get_mut(seq.wrapping_sub(self.base) as usize)
    }

    /// The entry of a position, made vacant where there was none; `None` for an absurd position.
    pub fn at(&mut self, seq: u64) -> Option<&mut Entry> {
        if self.entries.is_empty() {
            self.base = seq;
        }
        if seq < self.base {
            let missing = (self.base - seq) as usize;
            if missing > FURTHEST_JUMP {
                return None;
            }
            self.entries.splice(0..0, std::iter::repeat_n(NOTHING, missing));
            self.base = seq;
        }
        let index = (seq - self.base) as usize;
        if index > self.entries.len() + FURTHEST_JUMP {
            return None;
        }
        if index >= self.entries.len() {
            self.entries.resize(index + 1, NOTHING);
        }
        self.entries.get_mut(index)
    }

    /// First and last position; `None` when nothing was seen.
    pub fn range(&self) -> Option<(u64, u64)> {
        (!self.entries.is_empty()).then(|| (self.base, self.base + self.entries.len() as u64 - 1))
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (self.base + index as u64, entry))
    }
}

/// Where a connection stands in its conversation. Zero: it has got nothing yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Position {
    pub first: u64,
    pub next: u64,
}

/// A delivery that was counted.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery {
    pub sender: u32,
    pub sent_at: u64,
    /// Of this thread's members, how many have this message now.
    pub delivered: u32,
}

/// What an examined message turned out to be.
pub struct Verdict {
    pub seq: u64,
    pub meaning: u64,
    stamp: Option<Stamp>,
}

impl Verdict {
    fn entry(&self, hash: u64) -> Entry {
        let (sender, number, sent_at) = self
            .stamp
            .map_or((NOBODY, 0, 0), |stamp| (stamp.sender, stamp.number, stamp.sent_at));
        Entry {
            hash,
            meaning: self.meaning,
            sent_at,
            sender,
            number,
            delivered: 0,
        }
    }
}

/// One thread's judge of all its conversations.
pub struct Checker {
    world: Arc<World>,
    size: usize,
    scanner: Scanner,
    hasher: FixedState,
    pub ledgers: Vec<Ledger>,
    pub faults: Faults,
    examined: u64,
}

impl Checker {
    pub fn new(world: Arc<World>, size: usize) -> Self {
        let mut ledgers = Vec::new();
        ledgers.resize_with(world.rooms.len(), Ledger::default);
        Self {
            world,
            size,
            ledgers,
            scanner: Scanner::default(),
            hasher: FixedState::with_seed(0),
            faults: Faults::default(),
            examined: 0,
        }
    }

    /// Judges one `new_message` on one connection. `message` is the JSON of the message alone.
    #[inline]
    pub fn delivered(&mut self, room: usize, who: u32, position: &mut Position, message: &[u8]) -> Option<Delivery> {
        let hash = self.hasher.hash_one(message);
        if let Some(entry) = self.ledgers[room].get_mut(position.next)
            && entry.hash == hash
        {
            position.next += 1;
            entry.delivered += 1;
            return Some(Delivery {
                sender: entry.sender,
                sent_at: entry.sent_at,
                delivered: entry.delivered,
            });
        }
        self.delivered_unknown(room, who, position, message, hash)
    }

    /// Not the bytes that were expected next: the first sighting, or something is wrong.
    #[cold]
    fn delivered_unknown(
        &mut self,
        room: usize,
        who: u32,
        position: &mut Position,
        message: &[u8],
        hash: u64,
    ) -> Option<Delivery> {
        let verdict = self.examine(room, message)?;
        self.advance(room, who, position, verdict.seq);
        let entry = self.agree(room, &verdict, hash, || format!("connection {who}"))?;
        entry.hash = hash;
        entry.delivered += 1;
        Some(Delivery {
            sender: entry.sender,
            sent_at: entry.sent_at,
            delivered: entry.delivered,
        })
    }

    /// Live order: strictly one further, from wherever the connection began.
    fn advance(&mut self, room: usize, who: u32, position: &mut Position, seq: u64) {
        let expected = position.next;
        if expected == 0 {
            *position = Position {
                first: seq,
                next: seq + 1,
            };
            return;
        }
        if seq != expected {
            let kind = if seq > expected { Kind::Gap } else { Kind::Behind };
            self.faults.add(kind, || {
                format!("connection {who} in room {room} expected seq {expected}, got {seq}")
            });
        }
        // From here on as if it had been right, so that one fault is reported once.
        position.next = expected.max(seq + 1);
    }

    /// One message per position, everywhere.
    fn agree(
        &mut self,
        room: usize,
        verdict: &Verdict,
        hash: u64,
        source: impl FnOnce() -> String,
    ) -> Option<&mut Entry> {
        let seq = verdict.seq;
        let Some(entry) = self.ledgers[room].at(seq) else {
            self.faults.add(Kind::Gap, || {
                format!("{} in room {room} got the absurd seq {seq}", source())
            });
            return None;
        };
        if entry.is_vacant() {
            *entry = verdict.entry(hash);
        } else if entry.meaning != verdict.meaning {
            self.faults.add(Kind::Disagreement, || {
                format!(
                    "{} in room {room} has another message at seq {seq} than was seen there before",
                    source()
                )
            });
            return None;
        }
        Some(entry)
    }

    /// Judges the message in an `ok` answer to a send; its position when all is well.
    pub fn answered(&mut self, room: usize, sender: u32, number: u32, message: &[u8]) -> Option<u64> {
        let seq = self.scanner.seq(message);
        let hash = self.hasher.hash_one(message);
        let known = seq
            .and_then(|seq| self.ledgers[room].get(seq))
            .filter(|entry| entry.hash == hash);
        let (seq, whose) = match (known, seq) {
            (Some(entry), Some(seq)) => (seq, (entry.sender, entry.number)),
            _ => {
                let verdict = self.examine(room, message)?;
                let entry = self.agree(room, &verdict, hash, || format!("the answer to connection {sender}"))?;
                (verdict.seq, (entry.sender, entry.number))
            }
        };
        if whose != (sender, number) {
            self.faults.add(Kind::WrongAnswer, || {
                format!(
                    "connection {sender}'s send {number} was answered with send {} of {}",
                    whose.1, whose.0
                )
            });
            return None;
        }
        Some(seq)
    }

    fn examine(&mut self, room: usize, message: &[u8]) -> Option<Verdict> {
        self.examined += 1;
        let searched = self.scanner.fast(message);
        if let Some(view) = searched
            && !self.examined.is_multiple_of(PARSE_EVERY)
        {
            return self.judge(room, &view);
        }
        let parsed: Parsed = match serde_json::from_slice(message) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.faults
                    .add(Kind::Unreadable, || format!("{error} in {}", excerpt(message)));
                return None;
            }
        };
        if searched.is_some_and(|view| view != parsed.view()) {
            self.faults.add(Kind::Unreadable, || {
                format!("a key stands twice in {}", excerpt(message))
            });
        }
        self.judge(room, &parsed.view())
    }

    /// Compares a message with what its clientId says was sent.
    pub fn judge(&mut self, room: usize, view: &View<'_>) -> Option<Verdict> {
        let seq = view.seq;
        if view.conversation != self.world.rooms[room].conversation.as_bytes() {
            self.faults.add(Kind::Changed, || {
                let conversation = String::from_utf8_lossy(view.conversation);
                format!("room {room} was sent a message of conversation {conversation} at seq {seq}")
            });
            return None;
        }
        let stamp = view.client_id.and_then(|id| Stamp::parse(&self.world.run, id));
        let sender = stamp.and_then(|stamp| self.world.sender(stamp.sender));
        match (stamp, sender, view.client_id) {
            (Some(stamp), Some(user), Some(client_id)) => {
                if !content_is(client_id, self.size, view.content) {
                    self.faults.add(Kind::Changed, || {
                        format!("room {room}, seq {seq}: the content is {}", excerpt(view.content))
                    });
                }
                if view.sender != user.id.as_bytes() {
                    self.faults.add(Kind::Changed, || {
                        format!(
                            "room {room}, seq {seq}: the sender is {}",
                            String::from_utf8_lossy(view.sender)
                        )
                    });
                }
                let meaning = self.hasher.hash_one((view.id, stamp.sender, stamp.number));
                Some(Verdict {
                    seq,
                    meaning,
                    stamp: Some(stamp),
                })
            }
            _ if view.is_text => {
                self.faults.add(Kind::Phantom, || {
                    format!(
                        "room {room}, seq {seq}: a text that nobody sent, {}",
                        excerpt(view.content)
                    )
                });
                None
            }
            _ => {
                let meaning = self.hasher.hash_one((view.id, view.content));
                Some(Verdict {
                    seq,
                    meaning,
                    stamp: None,
                })
            }
        }
    }
}

fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 120;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
    if bytes.len() > SHOWN {
        format!("{text}…")
    } else {
        text
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
