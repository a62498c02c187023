//! One thread's share of a run: its connections, its judge, its counters, and the rules by which they send.
//! `drive` starts it and tells it the phases; each connection's task does nothing but `poll`. Everything is done inside
//! one poll, so one buffer for reading serves all connections. Never waits, never prints.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::check::{Checker, Ledger, Position};
use crate::conn::{Conn, Sent};
use crate::fault::{Faults, Kind};
use crate::measure::{Clock, Tally};
use crate::message::Composer;
use crate::wire;
use crate::world::World;

mod read;
mod send;

use send::Pace;

/// A read takes what is there, and what is there after a burst to a busy thread is a lot.
const SCRATCH: usize = 2 * wire::MAX_PAYLOAD;

/// Marks the `id` of a send that repeats an earlier one.
const REPEAT: u64 = 1 << 32;

/// When a send gives its place in the window back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// With its answer: measures how fast the server commits.
    Answered,
    /// When every member has it: measures how fast it delivers, and does not pile up what it cannot.
    Delivered,
}

/// What the senders do.
#[derive(Debug, Clone)]
pub struct Load {
    /// Of each room.
    pub senders: usize,
    pub burst: usize,
    /// Bursts that may be under way for each sender.
    pub in_flight: usize,
    pub done: Done,
    /// Messages a second of all senders together; without it each sends as fast as its window allows.
    pub rate: Option<f64>,
    pub size: usize,
}

pub struct Shard {
    world: Arc<World>,
    load: Load,
    clock: Clock,
    pub conns: Vec<Conn>,
    /// By the connection's number in the run; those of other threads are missing.
    local: BTreeMap<u32, usize>,
    senders: Vec<usize>,
    /// Members of each room on this thread.
    members: Vec<u32>,
    pub checker: Checker,
    pub tally: Tally,
    composer: Composer,
    scratch: Vec<u8>,
    queue: Vec<usize>,
    pace: Option<Pace>,
    sending: bool,
    ends: u64,
    now: u64,
    /// When bytes last came in: quiet is the absence of them.
    pub last_read: u64,
    /// The highest position known of each room.
    pub last: Vec<u64>,
    /// Why going on makes no sense.
    pub hopeless: Option<String>,
    unanswered: usize,
    repeats: usize,
}

/// What is left of a connection for the final reckoning.
pub struct Member {
    pub connection: u32,
    pub room: usize,
    pub position: Position,
    pub closed: bool,
    pub sends: Vec<Sent>,
}

/// What a thread hands back.
pub struct Share {
    pub ledgers: Vec<Ledger>,
    pub faults: Faults,
    pub tally: Tally,
    pub members: Vec<Member>,
    pub hopeless: Option<String>,
}

impl Shard {
    /// `packets`: its connections speak Socket.IO.
    pub fn new(world: Arc<World>, load: Load, clock: Clock, packets: bool) -> Self {
        let rooms = world.rooms.len();
        Self {
            checker: Checker::new(world.clone(), load.size),
            world,
            load,
            clock,
            conns: Vec::new(),
            local: BTreeMap::new(),
            senders: Vec::new(),
            members: vec![0; rooms],
            tally: Tally::default(),
            composer: Composer::new(packets),
            scratch: vec![0; SCRATCH],
            queue: Vec::new(),
            pace: None,
            sending: false,
            ends: 0,
            now: 0,
            last_read: 0,
            last: vec![0; rooms],
            hopeless: None,
            unanswered: 0,
            repeats: 0,
        }
    }

    /// Takes a connection in; its index here. The first members of each room are its senders.
    pub fn add(&mut self, conn: Conn) -> usize {
        let index = self.conns.len();
        self.local.insert(conn.number, index);
        if let Some(room) = conn.room {
            self.members[room] += 1;
            if conn.number as usize - self.world.rooms[room].first < self.load.senders {
                self.senders.push(index);
            }
        }
        self.conns.push(conn);
        index
    }

    pub fn is_answered(&self) -> bool {
        self.unanswered == 0 && self.repeats == 0
    }

    /// Whether every open connection has what `last` names for its room.
    pub fn is_complete(&self, last: impl Fn(usize) -> u64) -> bool {
        let behind = |conn: &Conn| {
            conn.room
                .is_some_and(|room| conn.position.next <= last(room) && last(room) > 0)
        };
        !self.conns.iter().any(|conn| !conn.closed && behind(conn))
    }

    pub fn into_share(mut self) -> Share {
        for conn in &self.conns {
            if conn.unanswered > 0 && !conn.closed {
                self.checker.faults.add(Kind::Unanswered, || {
                    format!(
                        "{} sends of connection {} were never answered",
                        conn.unanswered, conn.number
                    )
                });
            }
        }
        if self.repeats > 0 {
            let repeats = self.repeats;
            self.checker.faults.add(Kind::Unanswered, || {
                format!("{repeats} repeated sends were never answered")
            });
        }
        let member = |conn: Conn| {
            let room = conn.room?;
            Some(Member {
                connection: conn.number,
                room,
                position: conn.position,
                closed: conn.closed,
                sends: conn.sends,
            })
        };
        Share {
            members: self.conns.into_iter().filter_map(member).collect(),
            ledgers: self.checker.ledgers,
            faults: self.checker.faults,
            tally: self.tally,
            hopeless: self.hopeless,
        }
    }
}
