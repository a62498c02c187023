//! Slow mode: the pause between two messages of one member, kept by the log so that it holds whoever sends, over whichever
//! door, and over restarts. Costs nothing where it is off.

use super::Ledger;
use crate::db::run::*;
use diesel::sql_types::{BigInt, Nullable};

use super::Turn;
use crate::{
    db::{NewMessage, Refusal, StoreError, statement::statement},
    domain::{Seq, Timestamp, UserKey},
};

impl<C: Ledger> Turn<'_, C> {
    /// Whether the sender has to wait; otherwise notes that they sent something now. To be asked last: a message that is
    /// refused for something else costs no pause, a repeated one neither.
    pub(super) fn keep_pace(&mut self, message: &NewMessage) -> Result<Option<Refusal>, StoreError> {
        let Some(pause) = message.pause_seconds.filter(|seconds| *seconds > 0) else {
            return Ok(None);
        };
        let (conversation, user) = (self.key.0, message.sender.key.0);
        let last = self.connection.last_sent(conversation, user)?;
        let wait = last.and_then(|last| wait(last, message.at, pause));
        if let Some(retry_after_ms) = wait {
            return Ok(Some(Refusal::TooSoon { retry_after_ms }));
        }
        self.connection.put_last_sent(conversation, user, message.at.millis())?;
        Ok(None)
    }

    /// Somebody comes in by themselves: what they sent here before they left counts, or leaving and coming back would end their
    /// pause. As far as it is among the newest [`LOOKED_AT`] messages.
    pub(super) fn resume_pace(&mut self, user: UserKey) -> Result<(), StoreError> {
        if !self.has_slow_mode()? {
            return Ok(());
        }
        let (conversation, low) = (self.key.0, self.position(Seq(0)));
        let last: Option<i64> = LastMessage {
            low,
            high: self.position(self.head.seq),
            limit: LOOKED_AT,
            user: user.0,
        }
        .get_result(self.connection)
        .optional()?;
        if let Some(at) = last {
            self.connection.put_last_sent(conversation, user.0, at)?;
        }
        Ok(())
    }
}

/// Messages that are looked at for one of somebody who comes back.
const LOOKED_AT: i64 = 1000;

/// How many milliseconds are left of a pause of so many seconds that began at `last`. A clock that was set back by more than
/// the pause says nothing about how long ago that was: then nobody waits.
fn wait(last: i64, now: Timestamp, pause: u32) -> Option<u64> {
    let pause = i64::from(pause) * 1000;
    let passed = now.millis().saturating_sub(last);
    (-pause..pause).contains(&passed).then(|| (pause - passed) as u64)
}

statement! {
    /// When a member last sent something where slow mode was on.
    LastSent { conversation: i64 as BigInt, user: i64 as BigInt } -> Nullable<BigInt>,
    "SELECT last_sent_at FROM members WHERE conversation_key = " {conversation} " AND user_key = " {user}
}

statement! {
    /// A member sends something.
    SetLastSent { conversation: i64 as BigInt, user: i64 as BigInt, at: i64 as BigInt },
    "UPDATE members SET last_sent_at = " {at} " WHERE conversation_key = " {conversation} " AND user_key = " {user}
}

statement! {
    /// When somebody sent the newest of their messages among the last ones; 3 is `MessageType::System`.
    LastMessage { low: i64 as BigInt, high: i64 as BigInt, limit: i64 as BigInt, user: i64 as BigInt } -> BigInt,
    "SELECT created_at FROM (SELECT position, created_at, sender_key, kind FROM messages WHERE position > " {low}
    " AND position <= " {high} " ORDER BY position DESC LIMIT " {limit} ") AS newest WHERE sender_key = " {user}
    " AND kind <> 3 ORDER BY position DESC LIMIT 1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_exact_and_a_clock_set_back_makes_nobody_wait_for_long() {
        let at = |now| wait(10_000, Timestamp::from_millis(now), 3);
        assert_eq!(at(10_000), Some(3000));
        assert_eq!(at(12_999), Some(1));
        assert_eq!(at(13_000), None);
        assert_eq!(at(9_990), Some(3010), "a clock that is being adjusted");
        assert_eq!(at(7_000), Some(6000));
        assert_eq!(at(6_999), None, "a clock that was set back");
        assert_eq!(at(i64::MIN), None);
    }
}
