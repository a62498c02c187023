//! The reading half of a shard: bytes to frames, frames to events, events to the judge and the counters.
//! Each connection's task calls `poll` and nothing else. Never sends but what a frame asks for (a pong).

use std::io;
use std::task::{Context, Poll};

use super::{Done, REPEAT, Shard};
use crate::conn::Outcome;
use crate::envelope::{self, Incoming};
use crate::fault::Kind;
use crate::measure::SECOND;
use crate::wire::{self, Frame, next_frame};

/// How long a sender waits after a refusal.
const PAUSE: u64 = SECOND / 20;

impl Shard {
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
            Incoming::Ping => {
                self.conns[index].queue(wire::TEXT, b"3");
                self.flush(index);
            }
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

    pub(super) fn lose(&mut self, index: usize, reason: &io::Error) {
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
}
