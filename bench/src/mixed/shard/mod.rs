//! One thread's share of `mixed`: whole rooms, their connections, the rooms' judges, the counters. `mixed::drive` starts it
//! and tells it the phases; each connection's task does nothing but `poll`. Never waits, never prints.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use tokio::sync::mpsc::UnboundedSender;

use super::figures::Figures;
use super::history::Errand;
use super::judge::Judge;
use super::mix::{Mix, Op};
use crate::conn::{Conn, Outcome};
use crate::fault::{Faults, Kind};
use crate::measure::{Clock, Tally, Window};
use crate::message::Composer;
use crate::wire;
use crate::world::World;

mod act;
mod pace;
mod read;

use pace::Pace;

/// A read takes what is there, and what is there after a burst to a busy thread is a lot.
const SCRATCH: usize = 2 * wire::MAX_PAYLOAD;

/// What the users do.
#[derive(Debug, Clone)]
pub struct Load {
    pub mix: Mix,
    /// Operations a second of all users together; without it each does as much as its window allows.
    pub rate: Option<f64>,
    /// Unanswered operations of each user.
    pub in_flight: usize,
    pub size: usize,
}

/// A request on the socket that waits for its answer.
struct Asked {
    /// In open loop the intended time.
    at: u64,
    what: Asking,
}

enum Asking {
    Join,
    Send { number: u32 },
    Typing,
    Read { seq: u64 },
    React(Reacting),
    Edit { key: u64, message: usize },
}

#[derive(Clone, Copy)]
struct Reacting {
    /// The judge's.
    key: u64,
    /// The message and the emoji.
    target: (usize, usize),
    add: bool,
}

impl Asking {
    fn op(&self) -> Option<Op> {
        match self {
            Self::Join => None,
            Self::Send { .. } => Some(Op::Send),
            Self::Typing => Some(Op::Typing),
            Self::Read { .. } => Some(Op::Read),
            Self::React(_) => Some(Op::React),
            Self::Edit { .. } => Some(Op::Edit),
        }
    }
}

/// A user at its connection.
struct Seat {
    conn: Conn,
    room: usize,
    /// The next position; 0 until the room is joined.
    next: u64,
    asked: HashMap<u64, Asked>,
    last_ask: u64,
    sends: u32,
    /// Own messages, newest last: to edit, but none of them twice at once.
    own: VecDeque<usize>,
    editing: BTreeSet<usize>,
    /// Own reactions (message, emoji) that can be taken back.
    standing: VecDeque<(usize, usize)>,
    /// Those under way, and those whose outcome is unknown: left alone for good.
    untouchable: BTreeSet<(usize, usize)>,
    /// The state of xorshift: the same run does the same.
    random: u64,
}

impl Seat {
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }
}

pub struct Shard {
    world: Arc<World>,
    load: Load,
    clock: Clock,
    /// Connections speak Socket.IO.
    packets: bool,
    seats: Vec<Seat>,
    /// Of every room of the run; those of other threads stay empty.
    judges: Vec<Judge>,
    /// The seats of each room.
    members: Vec<Vec<usize>>,
    pub figures: Figures,
    pub tally: Tally,
    faults: Faults,
    composer: Composer,
    hasher: FixedState,
    scratch: Vec<u8>,
    /// Seats that may have something to do, each once.
    queue: Vec<usize>,
    pace: Option<Pace>,
    /// Who does the REST calls.
    errands: UnboundedSender<Errand>,
    sending: bool,
    ends: u64,
    now: u64,
    /// When bytes last came in: quiet is the absence of them.
    pub last_read: u64,
    /// Why going on makes no sense.
    pub hopeless: Option<String>,
    unanswered: usize,
}

/// What a thread hands back.
pub struct Share {
    pub figures: Figures,
    pub tally: Tally,
    pub faults: Faults,
    pub hopeless: Option<String>,
}

impl Shard {
    pub fn new(world: Arc<World>, load: Load, clock: Clock, packets: bool, errands: UnboundedSender<Errand>) -> Self {
        let rooms = world.rooms.len();
        let judge = |room| Judge::new(world.clone(), room, load.size);
        Self {
            judges: (0..rooms).map(judge).collect(),
            members: vec![Vec::new(); rooms],
            world,
            load,
            clock,
            packets,
            seats: Vec::new(),
            figures: Figures::default(),
            tally: Tally::default(),
            faults: Faults::default(),
            composer: Composer::new(packets),
            hasher: FixedState::with_seed(0),
            scratch: vec![0; SCRATCH],
            queue: Vec::new(),
            pace: None,
            errands,
            sending: false,
            ends: 0,
            now: 0,
            last_read: 0,
            hopeless: None,
            unanswered: 0,
        }
    }

    /// Takes a connection in and opens its room; its index here.
    pub fn add(&mut self, conn: Conn, room: usize) -> usize {
        let index = self.seats.len();
        self.members[room].push(index);
        self.seats.push(Seat {
            room,
            next: 0,
            asked: HashMap::new(),
            last_ask: 0,
            sends: 0,
            own: VecDeque::new(),
            editing: BTreeSet::new(),
            standing: VecDeque::new(),
            untouchable: BTreeSet::new(),
            random: (u64::from(conn.number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            conn,
        });
        self.now = self.clock.now();
        self.join(index);
        index
    }

    /// Everybody says something once, so that from the beginning there is something to edit and to react to.
    pub fn break_the_ice(&mut self) {
        self.now = self.clock.now();
        for index in 0..self.seats.len() {
            self.send(index, self.now);
            self.flush(index);
        }
    }

    pub fn begin(&mut self, begins: u64, window: Window) {
        self.figures.window = window;
        self.tally.window = window;
        self.ends = window.to;
        self.sending = true;
        if let (Some(rate), false) = (self.load.rate, self.seats.is_empty()) {
            let share = self.seats.len() as f64 / self.world.users.len() as f64;
            self.pace = Some(Pace::new(rate * share, begins));
        }
        self.tick(true);
    }

    /// Whatever only time brings about: the schedule, and users that pause or waited for room in their socket (`all`).
    pub fn tick(&mut self, all: bool) {
        self.now = self.clock.now();
        for index in 0..if all { self.seats.len() } else { 0 } {
            self.enqueue(index);
        }
        self.pump();
    }

    pub fn stop(&mut self) {
        self.sending = false;
        self.tally.unsent = self.seats.iter().map(|seat| seat.conn.backlog.len() as u64).sum();
    }

    pub fn is_answered(&self) -> bool {
        self.unanswered == 0
    }

    /// Whether everything acknowledged has arrived at every open connection.
    pub fn is_complete(&self) -> bool {
        let rooms = self.judges.iter().zip(&self.members);
        rooms
            .filter(|(_, members)| !members.is_empty())
            .all(|(judge, members)| judge.is_complete(self.open(members).map(|(_, next)| next)))
    }

    /// The open connections of a room, and their next positions.
    fn open(&self, members: &[usize]) -> impl Iterator<Item = (u32, u64)> {
        let seats = members.iter().map(|index| &self.seats[*index]);
        seats
            .filter(|seat| !seat.conn.closed)
            .map(|seat| (seat.conn.number, seat.next))
    }

    /// The final reckoning.
    pub fn into_share(mut self) -> Share {
        for seat in self.seats.iter().filter(|seat| !seat.asked.is_empty()) {
            let (count, number) = (seat.asked.len(), seat.conn.number);
            self.faults.add(Kind::Unanswered, || {
                format!("{count} requests of connection {number} were never answered")
            });
        }
        let asked: usize = self.seats.iter().map(|seat| seat.asked.len()).sum();
        let pages = self.unanswered - asked;
        if pages > 0 {
            self.faults
                .add(Kind::Unanswered, || format!("{pages} pages of history never came"));
        }
        let mut judges = std::mem::take(&mut self.judges);
        for (judge, members) in judges.iter_mut().zip(&self.members) {
            judge.settle(self.open(members));
        }
        for judge in judges {
            self.faults.merge(judge.faults);
        }
        Share {
            figures: self.figures,
            tally: self.tally,
            faults: self.faults,
            hopeless: self.hopeless,
        }
    }
}

/// Whether a refusal leaves open what happened.
fn outcome_of(code: &str) -> Outcome {
    match code {
        "UNAVAILABLE" | "INTERNAL" => Outcome::Unknown,
        _ => Outcome::Refused,
    }
}
