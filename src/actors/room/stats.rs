//! How busy a room is, for administrators: counted by the room as it goes, asked by `http`. Stores nothing, and says nothing
//! of what is said there.

use actix::{Context, Handler, Message};
use serde::Serialize;
use utoipa::ToSchema;

use super::Room;
use crate::domain::ConversationId;

/// Ticks of the room in one slot, and slots in a minute.
const TICKS_A_SLOT: u8 = 10;
const SLOTS: usize = 6;

/// How busy are you?
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "RoomFigures")]
pub struct RoomStats;

/// The answer to [`RoomStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, actix::MessageResponse)]
#[serde(rename_all = "camelCase")]
pub struct RoomFigures {
    /// Which.
    pub conversation_id: ConversationId,
    /// Messages committed over the last minute, to ten seconds.
    pub messages_per_minute: u64,
    /// Users who have it open.
    pub viewers: usize,
    /// Changes that wait for the log.
    pub pending: usize,
}

/// What was sent lately. Looked at once a tick, so that a message costs an addition and no clock.
#[derive(Debug, Default)]
pub(super) struct Recent {
    sent: u64,
    /// What `sent` was at the beginning of each of the last slots, the newest first.
    marks: [u64; SLOTS],
    ticks: u8,
}

impl Recent {
    /// A message was committed.
    pub fn sent(&mut self) {
        self.sent += 1;
    }

    /// A second has gone by.
    pub fn tick(&mut self) {
        self.ticks += 1;
        if self.ticks == TICKS_A_SLOT {
            self.ticks = 0;
            self.marks.rotate_right(1);
            self.marks[0] = self.sent;
        }
    }

    fn per_minute(&self) -> u64 {
        self.sent - self.marks[SLOTS - 1]
    }
}

impl Handler<RoomStats> for Room {
    type Result = RoomFigures;

    fn handle(&mut self, _: RoomStats, _: &mut Context<Self>) -> RoomFigures {
        RoomFigures {
            conversation_id: self.id,
            messages_per_minute: self.recent.per_minute(),
            viewers: self.viewers.count(),
            pending: self.pending.len() + self.committing.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_counts_for_a_minute() {
        let mut recent = Recent::default();
        for second in 0..200 {
            if second < 100 {
                recent.sent();
            }
            recent.tick();
            let per_minute = recent.per_minute();
            match second {
                0..50 => assert_eq!(per_minute, second + 1),
                60..100 => assert!((50..=60).contains(&per_minute), "{second}: {per_minute}"),
                160.. => assert_eq!(per_minute, 0, "{second}"),
                _ => {}
            }
        }
    }
}
