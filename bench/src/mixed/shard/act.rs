//! What a user does next, and how it is asked for: the choice by the mix, the request, what the judge has to expect.
//! Never waits for an answer; `read` gets it.

use serde_json::{Value, json};

use super::{Asked, Asking, Reacting, Shard};
use crate::message::{Stamp, put_content};
use crate::mixed::history::Errand;
use crate::mixed::mix::Op;
use crate::wire;

/// The set that a server has unless it is told otherwise.
pub(super) const EMOJI: [&str; 8] = [
    "heart",
    "laugh",
    "fire",
    "sad",
    "thumbsup",
    "thumbsdown",
    "star",
    "question",
];

/// So many reactions of one user stand at once: far from what a message may have, and there is always one to take back.
const STANDING: usize = 8;
/// A free message and emoji is found at once, nearly always.
const TRIES: usize = 4;

impl Shard {
    /// One operation of the mix. Where there is nothing to edit or to react to, something is said instead.
    pub(super) fn act(&mut self, index: usize, at: u64) {
        let random = self.seats[index].random();
        let done = match self.load.mix.pick(random) {
            Op::Send => false,
            Op::Typing => {
                self.ask(index, at, Asking::Typing, "typing_start", json!({}));
                true
            }
            Op::Read => {
                let seq = self.seats[index].next.saturating_sub(1);
                self.ask(index, at, Asking::Read { seq }, "mark_read", json!({"seq": seq}));
                true
            }
            Op::React => self.react(index, at),
            Op::Edit => self.edit(index, at),
            Op::History => self.read_history(index, at),
        };
        if !done {
            self.send(index, at);
        }
    }

    pub(super) fn join(&mut self, index: usize) {
        self.ask(index, self.now, Asking::Join, "join_conversation", json!({}));
        self.flush(index);
    }

    pub(super) fn send(&mut self, index: usize, at: u64) {
        let seat = &mut self.seats[index];
        let (number, sender) = (seat.sends, seat.conn.number);
        seat.sends += 1;
        self.judges[seat.room].expect_send(sender, number);
        let ask = self.note(index, at, Asking::Send { number });
        let stamp = Stamp {
            sender,
            number,
            sent_at: at,
        };
        let seat = &mut self.seats[index];
        let conversation = &self.world.rooms[seat.room].conversation;
        let (run, size) = (&self.world.run, self.load.size);
        let payload = self.composer.send_message(ask, conversation, run, &stamp, size);
        seat.conn.queue(wire::TEXT, payload);
    }

    fn edit(&mut self, index: usize, at: u64) -> bool {
        let seat = &mut self.seats[index];
        let skip = seat.random() as usize % seat.own.len().max(1);
        let free = |message: &&usize| !seat.editing.contains(*message);
        let Some(message) = seat
            .own
            .iter()
            .cycle()
            .skip(skip)
            .take(seat.own.len())
            .find(free)
            .copied()
        else {
            return false;
        };
        seat.editing.insert(message);
        // Unlike what it said before, and unlike any other edit: by the number of the request, and the time.
        let stamp = Stamp {
            sender: seat.conn.number,
            number: seat.last_ask as u32,
            sent_at: at,
        };
        let (mut id, mut content) = (Vec::new(), Vec::new());
        stamp.put_client_id("edit", &mut id);
        put_content(&id, self.load.size, &mut content);
        let content = String::from_utf8_lossy(&content);
        let judge = &mut self.judges[seat.room];
        let key = judge.expect_edit(message, &content);
        let data = json!({"messageId": judge.messages[message].id, "content": content});
        self.ask(index, at, Asking::Edit { key, message }, "edit_message", data);
        true
    }

    fn react(&mut self, index: usize, at: u64) -> bool {
        let Some((target, add)) = self.choose_reaction(index) else {
            return false;
        };
        let seat = &mut self.seats[index];
        seat.untouchable.insert(target);
        let (message, emoji) = (target.0, EMOJI[target.1]);
        let user = &self.world.user_of(seat.conn.number as usize).id;
        let judge = &mut self.judges[seat.room];
        let key = judge.expect_toggle(message, user, emoji);
        let data = json!({"messageId": judge.messages[message].id, "emoji": emoji});
        let event = if add { "add_reaction" } else { "remove_reaction" };
        self.ask(index, at, Asking::React(Reacting { key, target, add }), event, data);
        true
    }

    /// Something that changes something: an emoji the user does not have there, or has.
    fn choose_reaction(&mut self, index: usize) -> Option<((usize, usize), bool)> {
        let seat = &mut self.seats[index];
        let recent = &self.judges[seat.room].recent;
        let take_back = seat.standing.len() >= STANDING || seat.random().is_multiple_of(2);
        if !take_back && !recent.is_empty() {
            for _ in 0..TRIES {
                let random = seat.random() as usize;
                let target = (recent[random / EMOJI.len() % recent.len()], random % EMOJI.len());
                if !seat.standing.contains(&target) && !seat.untouchable.contains(&target) {
                    return Some((target, true));
                }
            }
        }
        if let Some(target) = seat.standing.pop_front() {
            return Some((target, false));
        }
        let free = |target: &(usize, usize)| !seat.untouchable.contains(target);
        let every = recent
            .iter()
            .flat_map(|message| (0..EMOJI.len()).map(|emoji| (*message, emoji)));
        every.into_iter().find(free).map(|target| (target, true))
    }

    fn read_history(&mut self, index: usize, at: u64) -> bool {
        let seat = &mut self.seats[index];
        let errand = Errand {
            seat: index,
            user: seat.conn.number as usize,
            room: seat.room,
            at,
            newest: self.judges[seat.room].newest(),
        };
        if self.errands.send(errand).is_err() {
            return false;
        }
        seat.conn.outstanding += 1;
        self.unanswered += 1;
        self.figures.asked(Op::History, at);
        true
    }

    /// A request on the socket about the user's room; `data` is the rest of what it says.
    fn ask(&mut self, index: usize, at: u64, what: Asking, event: &str, mut data: Value) {
        let ask = self.note(index, at, what);
        let seat = &mut self.seats[index];
        data["conversationId"] = Value::from(self.world.rooms[seat.room].conversation.as_str());
        let payload = if self.packets {
            format!("42{ask}[\"{event}\",{data}]")
        } else {
            format!("{{\"event\":\"{event}\",\"id\":{ask},\"data\":{data}}}")
        };
        seat.conn.queue(wire::TEXT, payload.as_bytes());
    }

    /// Its answer is waited for.
    fn note(&mut self, index: usize, at: u64, what: Asking) -> u64 {
        if let Some(op) = what.op() {
            self.figures.asked(op, at);
        }
        let seat = &mut self.seats[index];
        seat.last_ask += 1;
        seat.asked.insert(seat.last_ask, Asked { at, what });
        seat.conn.outstanding += 1;
        self.unanswered += 1;
        seat.last_ask
    }
}
