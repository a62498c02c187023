//! What no single delivery could tell: a page of history against what was seen, and the final reckoning of a room.
//! The other half of the judge; `drive` and the shard call it.

use std::collections::HashMap;

use super::{Fate, Judge, Toggle};
use crate::conn::Outcome;
use crate::fault::{Faults, Kind};
use crate::message::{Parsed, Stamp};

impl Judge {
    /// A page of history against what was seen. `newest` is the last message known when it was asked for.
    pub fn page(&mut self, page: &[Parsed], newest: u64) {
        let (room, mut last) = (self.room, 0);
        let mut wrong = Vec::new();
        for message in page {
            if message.seq <= last || message.conversation_id != self.world.rooms[room].conversation {
                wrong.push(format!("message {} is out of order or of elsewhere", message.id));
            }
            last = message.seq;
            let known = self.by_id.get(&message.id);
            if known.is_some_and(|known| self.messages[*known].seq != message.seq) {
                wrong.push(format!("message {} is at seq {}", message.id, message.seq));
            }
        }
        if last < newest {
            wrong.push(format!("it ends at seq {last}, and {newest} was already committed"));
        }
        // What is newer than `newest` may have come in while the page was read.
        let first = page.first().map_or(u64::MAX, |message| message.seq);
        for (seq, _) in self.by_seq.range(..=newest).rev().take_while(|(seq, _)| **seq >= first) {
            if !page.iter().any(|message| message.seq == *seq) {
                wrong.push(format!("seq {seq} is missing"));
            }
        }
        for what in wrong {
            self.faults
                .add(Kind::History, || format!("room {room}, a page of history: {what}"));
        }
    }

    pub fn newest(&self) -> u64 {
        self.by_seq.keys().next_back().copied().unwrap_or(0)
    }

    /// Behind the last position that anybody got.
    fn end(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// Whether open connections (their next positions) and what was acknowledged are at the same end.
    pub fn is_complete(&self, mut nexts: impl Iterator<Item = u64>) -> bool {
        let lost = |fate: &Fate| matches!(fate.outcome, Outcome::Acked(_)) && fate.stands_at.is_none();
        nexts.all(|next| next == self.end())
            && !self.sends.values().chain(self.edits.values()).any(lost)
            && !self.toggles.values().any(|toggle| toggle.seen < toggle.acked)
    }

    /// The final reckoning: `(connection, next position)` of those that are still open.
    pub fn settle(&mut self, open: impl Iterator<Item = (u32, u64)>) {
        let (room, end, base) = (self.room, self.end(), self.base);
        let faults = &mut self.faults;
        for (index, _) in self.entries.iter().enumerate().filter(|(_, entry)| entry.is_none()) {
            faults.add(Kind::Gap, || {
                format!("room {room}: nobody got seq {}", base + index as u64)
            });
        }
        for (who, next) in open.filter(|(_, next)| *next != end) {
            faults.add(Kind::Incomplete, || {
                format!("connection {who} in room {room} is at seq {next} instead of {end} at the end")
            });
        }
        self.check_order();
        let faults = &mut self.faults;
        for ((sender, number), fate) in &self.sends {
            let what = || format!("room {room}: send {number} of connection {sender}");
            check_fate(fate, what, faults);
        }
        if self.shaken {
            return;
        }
        for fate in self.edits.values() {
            check_fate(fate, || format!("room {room}: an edit"), faults);
        }
        for toggle in self.toggles.values() {
            let Toggle {
                asked,
                acked,
                refused,
                seen,
            } = *toggle;
            let kind = match () {
                () if seen < acked => Kind::AcknowledgedLost,
                () if seen > asked - refused => Kind::Phantom,
                () => continue,
            };
            faults.add(kind, || {
                format!("room {room}: of a reaction put and taken back, {acked} calls were acknowledged, {seen} seen")
            });
        }
    }

    /// Along the positions each sender's numbers only rise; one that stands there twice does not.
    fn check_order(&mut self) {
        let (room, base) = (self.room, self.base);
        let mut highest = HashMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let Some(Stamp { sender, number, .. }) = entry.and_then(|entry| entry.stamp) else {
                continue;
            };
            if let Some(before) = highest.insert(sender, number)
                && before >= number
            {
                let seq = base + index as u64;
                self.faults.add(Kind::SenderOrder, || {
                    format!(
                        "room {room}, seq {seq}: send {number} of connection {sender} stands behind its send {before}"
                    )
                });
            }
        }
    }
}

/// What was acknowledged stands where the answer said (an edit's does not: 0), what was refused stands nowhere.
fn check_fate(fate: &Fate, what: impl Fn() -> String, faults: &mut Faults) {
    match (fate.outcome, fate.stands_at) {
        (Outcome::Acked(seq), stands_at) if stands_at.is_none() || (seq > 0 && stands_at != Some(seq)) => {
            faults.add(Kind::AcknowledgedLost, || format!("{} is not at its seq {seq}", what()));
        }
        (Outcome::Refused, Some(seq)) => faults.add(Kind::Phantom, || {
            format!("{} was refused and stands at seq {seq}", what())
        }),
        _ => {}
    }
}
