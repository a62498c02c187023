//! One thread's share of a run: its connections, its judge, its counters, and the rules by which they send.
//! `drive` starts it and tells it the phases; each connection's task does nothing but `poll`. Everything is done inside
//! one poll, so one buffer for reading serves all connections. Never waits, never prints.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::check::{Checker, Ledger, Position};
use crate::conn::{Conn, Outcome, Sent};
use crate::envelope::{self, Incoming};
use crate::fault::{Faults, Kind};
use crate::measure::{Clock, SECOND, Tally};
use crate::message::{Composer, Stamp};
use crate::wire::{self, Frame, next_frame};
use crate::world::World;

/// A read takes what is there, and what is there after a burst to a busy thread is a lot.
const SCRATCH: usize = 2 * wire::MAX_PAYLOAD;

/// How long a sender waits after a refusal.
const PAUSE: u64 = SECOND / 20;

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

/// The schedule of an open loop.
struct Pace {
    /// Nanoseconds between two messages.
    every: f64,
    begins: u64,
    count: u64,
}

impl Pace {
    fn due(&self) -> u64 {
        self.begins + (self.every * self.count as f64) as u64
    }
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
    pub fn new(world: Arc<World>, load: Load, clock: Clock) -> Self {
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
            composer: Composer::default(),
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

    // ---- phases, told by `drive`

    pub fn begin(&mut self, begins: u64, ends: u64) {
        self.ends = ends;
        self.sending = true;
        self.senders.sort_by_key(|index| self.conns[*index].number);
        if let (Some(rate), false) = (self.load.rate, self.senders.is_empty()) {
            let all = self.load.senders * self.world.rooms.len();
            let every = SECOND as f64 / rate * all as f64 / self.senders.len() as f64;
            self.pace = Some(Pace {
                every,
                begins,
                count: 0,
            });
        }
        self.tick(true);
    }

    /// Whatever only time brings about: the schedule every millisecond, senders that pause or waited for room in
    /// their socket now and then (`all`).
    pub fn tick(&mut self, all: bool) {
        self.now = self.clock.now();
        for index in 0..if all { self.senders.len() } else { 0 } {
            self.enqueue(self.senders[index]);
        }
        self.pump();
    }

    pub fn stop_sending(&mut self) {
        self.sending = false;
        self.tally.unsent = self.conns.iter().map(|conn| conn.backlog.len() as u64).sum();
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

    /// Sends the last acknowledged message of up to `most` senders once more: the same answer must come, and nothing
    /// must be delivered.
    pub fn repeat(&mut self, most: usize) {
        for index in self.senders.clone().into_iter().take(most) {
            let conn = &self.conns[index];
            let acked = |sent: &Sent| matches!(sent.outcome, Outcome::Acked(_));
            if let Some(number) = conn.sends.iter().rposition(acked).filter(|_| !conn.closed) {
                self.repeats += 1;
                let stamp = Stamp {
                    sender: conn.number,
                    number: number as u32,
                    sent_at: conn.sends[number].at,
                };
                self.compose(index, REPEAT | number as u64, &stamp);
                self.flush(index);
            }
        }
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

    // ---- reading

    /// The whole life of a connection's task: ready when the connection is gone.
    pub fn poll(&mut self, index: usize, context: &mut Context<'_>) -> Poll<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let read = loop {
            match self.conns[index].poll_read(context, &mut scratch) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Err(error)) => break Poll::Ready(error),
                Poll::Ready(Ok(length)) => {
                    self.now = self.clock.now();
                    self.last_read = self.now;
                    self.take_in(index, &scratch[..length]);
                }
            }
        };
        self.scratch = scratch;
        self.pump();
        let failed = match read {
            Poll::Ready(error) => Some(error),
            Poll::Pending => self.conns[index].poll_flush(context).err(),
        };
        match failed {
            Some(error) => {
                self.lose(index, &error);
                Poll::Ready(())
            }
            None if self.conns[index].closed => Poll::Ready(()),
            None => Poll::Pending,
        }
    }

    /// What came behind `ready` in the handshake's last read is judged with the first read after it.
    fn take_in(&mut self, index: usize, bytes: &[u8]) {
        let mut at = 0;
        loop {
            match next_frame(&bytes[at..]) {
                Ok(Some((frame, used))) => {
                    self.on_frame(index, &frame);
                    at += used;
                }
                Ok(None) => break,
                Err(error) => {
                    let number = self.conns[index].number;
                    self.checker
                        .faults
                        .add(Kind::Unreadable, || format!("connection {number}: {error}"));
                    self.conns[index].closed = true;
                    return;
                }
            }
        }
        self.conns[index].keep(&bytes[at..]);
    }

    #[inline]
    fn on_frame(&mut self, index: usize, frame: &Frame<'_>) {
        match (frame.opcode, frame.fin) {
            (wire::TEXT, true) => self.on_text(index, frame.payload),
            (wire::TEXT, false) | (wire::CONTINUATION, false) => {
                self.conns[index].fragments.extend_from_slice(frame.payload);
            }
            (wire::CONTINUATION, true) => {
                let mut whole = std::mem::take(&mut self.conns[index].fragments);
                whole.extend_from_slice(frame.payload);
                self.on_text(index, &whole);
            }
            (wire::PING, _) => {
                self.conns[index].queue(wire::PONG, frame.payload);
                self.flush(index);
            }
            (wire::CLOSE, _) => {
                let reason = io::Error::other(format!("close code {}", wire::close_code(frame.payload)));
                self.lose(index, &reason);
            }
            (wire::PONG, _) => {}
            (opcode, _) => {
                let number = self.conns[index].number;
                self.checker.faults.add(Kind::Unreadable, || {
                    format!("connection {number}: a frame of type {opcode}")
                });
            }
        }
    }

    #[inline]
    fn on_text(&mut self, index: usize, payload: &[u8]) {
        match envelope::sort(payload) {
            Incoming::Message(message) => self.on_message(index, message),
            Incoming::Answer { ask, message } => self.on_answer(index, ask, message),
            Incoming::Refusal { ask, code } => self.on_refusal(index, ask, &code),
            Incoming::Failure { code } => self.tally.error(&code),
            Incoming::Ready | Incoming::Other => {}
            Incoming::Unreadable(why) => {
                let number = self.conns[index].number;
                self.checker
                    .faults
                    .add(Kind::Unreadable, || format!("connection {number}: {why}"));
            }
        }
    }

    #[inline]
    fn on_message(&mut self, index: usize, message: &[u8]) {
        let conn = &mut self.conns[index];
        let Some(room) = conn.room else { return };
        let Some(delivery) = self.checker.delivered(room, conn.number, &mut conn.position, message) else {
            return;
        };
        self.last[room] = self.last[room].max(conn.position.next - 1);
        self.tally.delivery(self.now, delivery.sent_at);
        if self.load.done == Done::Delivered
            && delivery.delivered == self.members[room]
            && let Some(sender) = self.local.get(&delivery.sender)
        {
            self.give_back(*sender);
        }
    }

    fn on_answer(&mut self, index: usize, ask: u64, message: &[u8]) {
        let Some((room, number)) = self.answer_to(index, ask) else {
            return;
        };
        let sender = self.conns[index].number;
        let seq = self.checker.answered(room, sender, number as u32, message);
        let sent = &mut self.conns[index].sends[number];
        if ask & REPEAT != 0 {
            if let (Some(seq), Outcome::Acked(first)) = (seq, sent.outcome)
                && seq != first
            {
                self.checker.faults.add(Kind::WrongAnswer, || {
                    format!("connection {sender}'s send {number} was answered with seq {first}, repeated with {seq}")
                });
            }
            return;
        }
        sent.outcome = seq.map_or(Outcome::Unknown, Outcome::Acked);
        self.tally.answer(self.now, sent.at);
        self.last[room] = self.last[room].max(seq.unwrap_or(0));
        if self.load.done == Done::Answered {
            self.give_back(index);
        }
    }

    fn on_refusal(&mut self, index: usize, ask: u64, code: &str) {
        self.tally.error(code);
        if code == "RATE_LIMITED" {
            self.hopeless.get_or_insert_with(|| {
                "the server limits the rate: it must run with PARLOR_RATE_LIMITS=off to be measured".into()
            });
        }
        let Some((_, number)) = self.answer_to(index, ask) else {
            return;
        };
        if ask & REPEAT != 0 {
            let sender = self.conns[index].number;
            self.checker.faults.add(Kind::WrongAnswer, || {
                format!("connection {sender}'s send {number} was acknowledged; repeated, it was refused with {code}")
            });
            return;
        }
        let unknown = matches!(code, "UNAVAILABLE" | "INTERNAL");
        let conn = &mut self.conns[index];
        conn.sends[number].outcome = if unknown { Outcome::Unknown } else { Outcome::Refused };
        conn.paused_until = self.now + PAUSE;
        self.give_back(index);
    }

    /// The send an answer belongs to; a fault when there is none that waits for it.
    fn answer_to(&mut self, index: usize, ask: u64) -> Option<(usize, usize)> {
        let conn = &mut self.conns[index];
        let (repeat, number) = (ask & REPEAT != 0, (ask & (REPEAT - 1)) as usize);
        let waiting = match conn.sends.get(number) {
            Some(sent) if repeat => self.repeats > 0 && sent.outcome != Outcome::Waiting,
            Some(sent) => sent.outcome == Outcome::Waiting,
            None => false,
        };
        let sender = conn.number;
        match conn.room {
            Some(room) if waiting => {
                if repeat {
                    self.repeats -= 1;
                } else {
                    conn.unanswered -= 1;
                    self.unanswered -= 1;
                }
                Some((room, number))
            }
            _ => {
                self.checker.faults.add(Kind::AnsweredTwice, || {
                    format!("connection {sender} got an answer {ask} that it did not wait for")
                });
                None
            }
        }
    }

    fn lose(&mut self, index: usize, reason: &io::Error) {
        let conn = &mut self.conns[index];
        if !std::mem::replace(&mut conn.closed, true) {
            self.unanswered -= std::mem::take(&mut conn.unanswered);
            let number = conn.number;
            self.tally.error("closed");
            self.checker
                .faults
                .add(Kind::Closed, || format!("connection {number}: {reason}"));
        }
    }

    // ---- sending

    fn give_back(&mut self, index: usize) {
        let conn = &mut self.conns[index];
        conn.outstanding = conn.outstanding.saturating_sub(1);
        self.enqueue(index);
    }

    fn enqueue(&mut self, index: usize) {
        if !std::mem::replace(&mut self.conns[index].queued, true) {
            self.queue.push(index);
        }
    }

    /// Lets everybody send who got a place in the window or a time in the schedule.
    fn pump(&mut self) {
        if !self.sending || self.now >= self.ends || self.hopeless.is_some() {
            return;
        }
        self.follow_the_schedule();
        let mut queue = std::mem::take(&mut self.queue);
        for index in queue.drain(..) {
            self.conns[index].queued = false;
            self.send_what_fits(index);
        }
        self.queue = queue;
    }

    fn follow_the_schedule(&mut self) {
        let Some(mut pace) = self.pace.take() else { return };
        while pace.due() <= self.now {
            let sender = self.senders[(pace.count % self.senders.len() as u64) as usize];
            self.conns[sender].backlog.push_back(pace.due());
            self.enqueue(sender);
            pace.count += 1;
        }
        self.pace = Some(pace);
    }

    fn send_what_fits(&mut self, index: usize) {
        let Load { burst, in_flight, .. } = self.load;
        let open_loop = self.pace.is_some();
        loop {
            let conn = &mut self.conns[index];
            if conn.closed
                || conn.is_full()
                || conn.paused_until > self.now
                || conn.outstanding + burst > in_flight * burst
            {
                break;
            }
            let at = if open_loop {
                conn.backlog.pop_front()
            } else {
                Some(self.now)
            };
            let Some(at) = at else { break };
            for _ in 0..burst {
                self.send(index, at);
            }
        }
        self.flush(index);
    }

    fn send(&mut self, index: usize, at: u64) {
        let conn = &mut self.conns[index];
        let number = conn.sends.len() as u32;
        conn.sends.push(Sent {
            at,
            outcome: Outcome::Waiting,
        });
        conn.outstanding += 1;
        conn.unanswered += 1;
        self.unanswered += 1;
        let stamp = Stamp {
            sender: conn.number,
            number,
            sent_at: at,
        };
        self.compose(index, u64::from(number), &stamp);
    }

    fn compose(&mut self, index: usize, ask: u64, stamp: &Stamp) {
        let conn = &mut self.conns[index];
        let Some(room) = conn.room else { return };
        let conversation = &self.world.rooms[room].conversation;
        let payload = self
            .composer
            .send_message(ask, conversation, &self.world.run, stamp, self.load.size);
        conn.queue(wire::TEXT, payload);
    }

    fn flush(&mut self, index: usize) {
        if let Err(error) = self.conns[index].flush() {
            self.lose(index, &error);
        }
    }
}
