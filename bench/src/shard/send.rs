//! The sending half of a shard: who may send now, by the window and the schedule, and the writing of it.
//! Called after every read and at every tick. Never waits: what does not fit now is tried when something gave way.

use super::{Load, REPEAT, Shard};
use crate::conn::{Outcome, Sent};
use crate::measure::SECOND;
use crate::message::Stamp;
use crate::wire;

/// The schedule of an open loop.
pub(super) struct Pace {
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

impl Shard {
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

    /// Whatever only time brings about: the schedule, and senders that pause or waited for room in
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

    pub(super) fn give_back(&mut self, index: usize) {
        let conn = &mut self.conns[index];
        conn.outstanding = conn.outstanding.saturating_sub(1);
        self.enqueue(index);
    }

    pub(super) fn enqueue(&mut self, index: usize) {
        if !std::mem::replace(&mut self.conns[index].queued, true) {
            self.queue.push(index);
        }
    }

    /// Lets everybody send who got a place in the window or a time in the schedule.
    pub(super) fn pump(&mut self) {
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
            if open_loop {
                self.tally.lag(self.now, at);
            }
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

    pub(super) fn flush(&mut self, index: usize) {
        if let Err(error) = self.conns[index].flush() {
            self.lose(index, &error);
        }
    }
}
