//! When and how much a seat does: the window, the schedule, the queue of those who may go on.
//! Called after every read and at every tick. Never waits: what does not fit now is tried when something gave way.

use super::Shard;
use crate::measure::SECOND;

/// The schedule of an open loop.
pub(super) struct Pace {
    /// Nanoseconds between two operations.
    every: f64,
    begins: u64,
    count: u64,
}

impl Pace {
    pub(super) fn new(rate: f64, begins: u64) -> Self {
        Self {
            every: SECOND as f64 / rate,
            begins,
            count: 0,
        }
    }

    fn due(&self) -> u64 {
        self.begins + (self.every * self.count as f64) as u64
    }
}

impl Shard {
    pub(super) fn give_back(&mut self, index: usize) {
        let conn = &mut self.seats[index].conn;
        conn.outstanding = conn.outstanding.saturating_sub(1);
        self.enqueue(index);
    }

    pub(super) fn enqueue(&mut self, index: usize) {
        if !std::mem::replace(&mut self.seats[index].conn.queued, true) {
            self.queue.push(index);
        }
    }

    /// Lets everybody go on who got a place in the window or a time in the schedule.
    pub(super) fn pump(&mut self) {
        if !self.sending || self.now >= self.ends || self.hopeless.is_some() {
            return;
        }
        self.follow_the_schedule();
        let mut queue = std::mem::take(&mut self.queue);
        for index in queue.drain(..) {
            self.seats[index].conn.queued = false;
            self.do_what_fits(index);
        }
        self.queue = queue;
    }

    fn follow_the_schedule(&mut self) {
        let Some(mut pace) = self.pace.take() else { return };
        while pace.due() <= self.now {
            let index = (pace.count % self.seats.len() as u64) as usize;
            self.seats[index].conn.backlog.push_back(pace.due());
            self.enqueue(index);
            pace.count += 1;
        }
        self.pace = Some(pace);
    }

    fn do_what_fits(&mut self, index: usize) {
        let open_loop = self.pace.is_some();
        loop {
            let conn = &mut self.seats[index].conn;
            let waits = conn.paused_until > self.now || conn.outstanding >= self.load.in_flight;
            if waits || conn.closed || conn.is_full() {
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
            self.act(index, at);
        }
        self.flush(index);
    }

    pub(super) fn flush(&mut self, index: usize) {
        if let Err(error) = self.seats[index].conn.flush() {
            self.lose(index, &error);
        }
    }
}
