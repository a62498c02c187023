//! The reading half of a mixed shard: bytes to frames, frames to events and answers, those to the judges and counters.
//! Each connection's task calls `poll` and nothing else. Never asks for anything but what a frame wants (a pong).

use std::hash::BuildHasher;
use std::io;
use std::task::{Context, Poll};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::act::EMOJI;
use super::{Asked, Asking, Reacting, Shard, outcome_of};
use crate::conn::Outcome;
use crate::fault::Kind;
use crate::measure::SECOND;
use crate::message::Parsed;
use crate::mixed::change::{Change, Reaction, set};
use crate::mixed::frame::{Said, unfold};
use crate::mixed::history::{Errand, Failure};
use crate::mixed::judge::Delivery;
use crate::mixed::mix::Op;
use crate::wire::{self, Frame, next_frame};

/// How long a user waits after a refusal.
const PAUSE: u64 = SECOND / 20;
/// So many of one's newest messages are edited.
const OWN: usize = 16;

#[derive(Deserialize)]
struct Joined {
    seq: u64,
}

#[derive(Deserialize)]
struct WithMessage {
    message: Parsed,
}

#[derive(Deserialize)]
struct WithReactions {
    reactions: Vec<Reaction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WithCursor {
    last_read_seq: u64,
}

impl Shard {
    /// The whole life of a connection's task: ready when the connection is gone.
    pub fn poll(&mut self, index: usize, context: &mut Context<'_>) -> Poll<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let read = loop {
            match self.seats[index].conn.poll_read(context, &mut scratch) {
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
            Poll::Pending => self.seats[index].conn.poll_flush(context).err(),
        };
        match failed {
            Some(error) => {
                self.lose(index, &error);
                Poll::Ready(())
            }
            None if self.seats[index].conn.closed => Poll::Ready(()),
            None => Poll::Pending,
        }
    }

    fn take_in(&mut self, index: usize, bytes: &[u8]) {
        let mut at = 0;
        loop {
            match next_frame(&bytes[at..]) {
                Ok(Some((frame, used))) => {
                    self.on_frame(index, &frame);
                    at += used;
                }
                Ok(None) => break,
                Err(error) => return self.lose(index, &io::Error::other(error.to_string())),
            }
        }
        self.seats[index].conn.keep(&bytes[at..]);
    }

    fn on_frame(&mut self, index: usize, frame: &Frame<'_>) {
        let conn = &mut self.seats[index].conn;
        match (frame.opcode, frame.fin) {
            (wire::TEXT, true) => self.on_text(index, frame.payload),
            (wire::TEXT | wire::CONTINUATION, false) => conn.fragments.extend_from_slice(frame.payload),
            (wire::CONTINUATION, true) => {
                let mut whole = std::mem::take(&mut conn.fragments);
                whole.extend_from_slice(frame.payload);
                self.on_text(index, &whole);
            }
            (wire::PING, _) => {
                conn.queue(wire::PONG, frame.payload);
                self.flush(index);
            }
            (wire::CLOSE, _) => {
                let reason = io::Error::other(format!("close code {}", wire::close_code(frame.payload)));
                self.lose(index, &reason);
            }
            (wire::PONG, _) => {}
            (opcode, _) => self.unreadable(index, &format!("a frame of type {opcode}")),
        }
    }

    fn on_text(&mut self, index: usize, payload: &[u8]) {
        let hash = self.hasher.hash_one(payload);
        let seat = &mut self.seats[index];
        if let Some(delivery) = self.judges[seat.room].delivered(&mut seat.next, hash) {
            return self.count(&delivery);
        }
        match unfold(payload) {
            Said::Event { name, data } if name == "error" => {
                self.unreadable(index, &format!("the event `error`: {data}"))
            }
            Said::Event { name, data } => self.on_event(index, &name, data, hash),
            Said::Answer { ask, result } => self.on_answer(index, ask, result),
            Said::Ping => {
                self.seats[index].conn.queue(wire::TEXT, b"3");
                self.flush(index);
            }
            Said::Nothing => {}
            Said::Unreadable(why) => self.unreadable(index, &why),
        }
    }

    fn on_event(&mut self, index: usize, name: &str, data: &str, hash: u64) {
        match Change::read(name, data) {
            Ok(Some(change)) => {
                let seat = &mut self.seats[index];
                let judge = &mut self.judges[seat.room];
                if let Some(delivery) = judge.examine(seat.conn.number, &mut seat.next, change, hash) {
                    self.count(&delivery);
                }
            }
            // Presence, typing, reads, viewers: volatile, or not part of the order.
            Ok(None) => {}
            Err(error) => self.unreadable(index, &format!("{name}: {error}")),
        }
    }

    fn count(&mut self, delivery: &Delivery) {
        // What is no message was not sent at a time that anybody knows: it counts, and has no latency.
        self.tally.delivery(self.now, delivery.sent_at.unwrap_or(0));
    }

    fn on_answer(&mut self, index: usize, ask: u64, result: Result<&str, String>) {
        let seat = &mut self.seats[index];
        let Some(Asked { at, what }) = seat.asked.remove(&ask) else {
            let number = seat.conn.number;
            self.faults.add(Kind::AnsweredTwice, || {
                format!("connection {number} got an answer {ask} that it did not wait for")
            });
            return;
        };
        self.unanswered -= 1;
        match result {
            Ok(data) => {
                if let Some(op) = what.op() {
                    self.figures.answered(op, self.now, at);
                }
                if let Err(error) = self.on_done(index, at, what, data) {
                    self.unreadable(index, &format!("an answer: {error} in {data}"));
                }
            }
            Err(code) => self.on_refusal(index, &what, &code),
        }
        self.give_back(index);
    }

    fn on_done(&mut self, index: usize, at: u64, what: Asking, data: &str) -> serde_json::Result<()> {
        let seat = &mut self.seats[index];
        let (number, judge) = (seat.conn.number, &mut self.judges[seat.room]);
        let right = match what {
            Asking::Typing => true,
            Asking::Join => {
                let Joined { seq } = read(data)?;
                judge.joined(number, seq);
                seat.next = seq + 1;
                true
            }
            Asking::Send { number: send } => {
                self.tally.answer(self.now, at);
                let WithMessage { message } = read(data)?;
                // The judge accuses by itself.
                seat.own.extend(judge.send_acked(number, send, &message));
                if seat.own.len() > OWN {
                    seat.own.pop_front();
                }
                true
            }
            Asking::Read { seq } => {
                let WithCursor { last_read_seq } = read(data)?;
                last_read_seq >= seq
            }
            Asking::React(Reacting { key, target, add }) => {
                judge.toggle_ended(key, Outcome::Acked(0));
                seat.untouchable.remove(&target);
                if add {
                    seat.standing.push_back(target);
                }
                let WithReactions { reactions } = read(data)?;
                let user = self.world.user_of(number as usize).id.clone();
                set(reactions).0.contains(&(EMOJI[target.1].to_owned(), user)) == add
            }
            Asking::Edit { key, message } => {
                judge.edit_ended(key, Outcome::Acked(0));
                seat.editing.remove(&message);
                let WithMessage { message } = read(data)?;
                judge.is_edit(key, &message)
            }
        };
        if !right {
            self.faults.add(Kind::WrongAnswer, || {
                format!("connection {number} was answered with what it did not ask for: {data}")
            });
        }
        Ok(())
    }

    fn on_refusal(&mut self, index: usize, what: &Asking, code: &str) {
        self.refused(index, what.op(), code);
        let outcome = outcome_of(code);
        self.end(index, what, outcome);
        let seat = &mut self.seats[index];
        match (what, outcome) {
            (Asking::Join, _) => {
                let why = format!("a room cannot be joined: {code}");
                self.hopeless.get_or_insert(why);
            }
            (Asking::React(it), Outcome::Refused) => {
                seat.untouchable.remove(&it.target);
                if !it.add {
                    seat.standing.push_back(it.target);
                }
            }
            (Asking::Edit { message, .. }, Outcome::Refused) => drop(seat.editing.remove(message)),
            _ => {}
        }
    }

    /// Tells the judge that a request did not succeed.
    fn end(&mut self, index: usize, what: &Asking, outcome: Outcome) {
        let seat = &self.seats[index];
        let judge = &mut self.judges[seat.room];
        match what {
            Asking::Send { number } => judge.send_ended(seat.conn.number, *number, outcome),
            Asking::React(it) => judge.toggle_ended(it.key, outcome),
            Asking::Edit { key, .. } => judge.edit_ended(*key, outcome),
            Asking::Join | Asking::Typing | Asking::Read { .. } => {}
        }
    }

    fn refused(&mut self, index: usize, op: Option<Op>, code: &str) {
        self.tally.error(code);
        if let Some(op) = op {
            self.figures.refused(op, code);
        }
        if code == "RATE_LIMITED" {
            self.hopeless.get_or_insert_with(|| {
                "the server limits the rate: it must run with PARLOR_RATE_LIMITS=off to be measured".into()
            });
        }
        self.seats[index].conn.paused_until = self.now + PAUSE;
    }

    /// A page of history came, or was refused with a code.
    pub fn on_page(&mut self, errand: &Errand, page: Result<Vec<Parsed>, Failure>) {
        self.now = self.clock.now();
        self.unanswered -= 1;
        match page {
            Ok(page) => {
                self.figures.answered(Op::History, self.now, errand.at);
                self.judges[errand.room].page(&page, errand.newest);
            }
            Err(Failure::Refused(code)) => self.refused(errand.seat, Some(Op::History), &code),
            Err(Failure::Broken(kind, why)) => {
                self.faults.add(kind, || format!("a page of history: {why}"));
            }
        }
        self.give_back(errand.seat);
        self.pump();
    }

    /// The connection is gone; what it waited for may have happened or not.
    pub(super) fn lose(&mut self, index: usize, reason: &io::Error) {
        let seat = &mut self.seats[index];
        if std::mem::replace(&mut seat.conn.closed, true) {
            return;
        }
        let (number, asked) = (seat.conn.number, std::mem::take(&mut seat.asked));
        self.unanswered -= asked.len();
        for Asked { what, .. } in asked.values() {
            self.end(index, what, Outcome::Unknown);
        }
        self.tally.error("closed");
        self.faults
            .add(Kind::Closed, || format!("connection {number}: {reason}"));
    }

    fn unreadable(&mut self, index: usize, why: &str) {
        let number = self.seats[index].conn.number;
        self.faults
            .add(Kind::Unreadable, || format!("connection {number}: {why}"));
    }
}

fn read<T: DeserializeOwned>(data: &str) -> serde_json::Result<T> {
    serde_json::from_str(data)
}
