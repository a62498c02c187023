//! Retention: what is past its time goes, always as a prefix of the log, in bounded steps. Called for a room's op, and by the
//! store for conversations that were deleted and have no room.

use super::Ledger;
use crate::db::run::*;
use diesel::sql_types::BigInt;

use super::{Decision, Turn, forget_uses};
use crate::{
    db::{ConversationAppend, Outcome, StoreError, position::unpack, rows, statement::statement},
    domain::{ConversationKey, Seq, Timestamp},
};

/// Reactions, and former versions, that one step removes, give or take those of one message: each is a row of its own, and a
/// message may have thousands.
const BESIDE: i64 = 2000;

/// As [`crate::db::RetentionStore::purge`], in the writer's transaction.
pub fn purge(
    connection: &mut impl Ledger,
    conversation: ConversationKey,
    before: Timestamp,
    limit: u32,
) -> Result<bool, StoreError> {
    let ops = Vec::new();
    connection.open_turns(&[ConversationAppend { conversation, ops }])?;
    let mut turn = Turn::begin(connection, conversation)?;
    let head = turn.head;
    let (_, more) = turn.step(before, limit)?;
    if turn.head != head {
        turn.write_head()?;
    }
    connection.close_turns()?;
    Ok(more)
}

impl<C: Ledger> Turn<'_, C> {
    pub(super) fn expire(&mut self, before: Timestamp, limit: u32) -> Decision {
        let (upto, more) = self.step(before, limit)?;
        Ok(Ok(Outcome::Expired { upto, more }))
    }

    /// Removes the messages at the beginning of the log that were sent before `before`, in at most `limit` positions; up to
    /// where everything is gone now, and whether there is more to remove. A step that ends for its bounds may end at a change.
    fn step(&mut self, before: Timestamp, limit: u32) -> Result<(Seq, bool), StoreError> {
        let expired: Option<i64> = ReadExpired { key: self.key.0 }.get_result(self.connection).optional()?;
        let expired = rows::seq(expired.unwrap_or(0), self.key.0)?;
        let low = self.position(expired);
        let oldest: Vec<(i64, i64)> = Oldest {
            low,
            last: self.position(Seq(u32::MAX)),
            limit: i64::from(limit),
        }
        .load(self.connection)?;
        let due = oldest.iter().take_while(|(_, at)| *at < before.millis()).count();
        let Some(&(target, _)) = due.checked_sub(1).and_then(|last| oldest.get(last)) else {
            return Ok((expired, false));
        };
        let mut high = target.min(low + i64::from(limit));
        let reactions: Option<i64> = ManyReactions {
            low,
            high,
            some: BESIDE,
        }
        .get_result(self.connection)
        .optional()?;
        let versions: Option<i64> = ManyVersions {
            low,
            high,
            some: BESIDE,
        }
        .get_result(self.connection)
        .optional()?;
        for full in [reactions, versions].into_iter().flatten() {
            high = high.min(full);
        }
        self.remove(low, high, before)?;
        let upto = unpack(high).1;
        if self.head.last_message <= upto {
            // No message is left.
            self.head.last_message = Seq(0);
        }
        WriteExpired {
            key: self.key.0,
            seq: i64::from(upto.0),
        }
        .execute(self.connection)?;
        Ok((upto, high < target || due == limit as usize))
    }

    /// The one place where messages are removed in bulk, with all that hangs on them: those above `low`, up to and with `high`.
    /// The index of `search` follows by itself. Uploads that only they showed may be swept since `before`, which is past.
    fn remove(&mut self, low: i64, high: i64, before: Timestamp) -> Result<(), StoreError> {
        forget_uses(self.connection, low + 1..=high, before)?;
        RemoveMentions { low, high }.execute(self.connection)?;
        RemoveVersions { low, high }.execute(self.connection)?;
        RemoveReactions { low, high }.execute(self.connection)?;
        RemoveChanges { low, high }.execute(self.connection)?;
        RemoveMessages { low, high }.execute(self.connection)?;
        Ok(())
    }
}

statement! {
    /// Up to where everything was removed before.
    ReadExpired { key: i64 as BigInt } -> BigInt,
    "SELECT expired_seq FROM heads WHERE conversation_key = " {key}
}

statement! {
    /// And now.
    WriteExpired { key: i64 as BigInt, seq: i64 as BigInt },
    "UPDATE heads SET expired_seq = " {seq} " WHERE conversation_key = " {key}
}

statement! {
    /// The first messages above `low`: where they stand, and when they were sent.
    Oldest { low: i64 as BigInt, last: i64 as BigInt, limit: i64 as BigInt } -> (BigInt, BigInt),
    "SELECT position, created_at FROM messages WHERE position > " {low} " AND position <= " {last}
    " ORDER BY position LIMIT " {limit}
}

statement! {
    /// The message that has the reaction after the first `some`, if there are more.
    ManyReactions { low: i64 as BigInt, high: i64 as BigInt, some: i64 as BigInt } -> BigInt,
    "SELECT message_position FROM reactions WHERE message_position > " {low} " AND message_position <= " {high}
    " ORDER BY message_position LIMIT 1 OFFSET " {some}
}

statement! {
    /// The same of former versions.
    ManyVersions { low: i64 as BigInt, high: i64 as BigInt, some: i64 as BigInt } -> BigInt,
    "SELECT message_position FROM message_versions WHERE message_position > " {low} " AND message_position <= " {high}
    " ORDER BY message_position LIMIT 1 OFFSET " {some}
}

statement! {
    /// See [`Turn::remove`].
    RemoveMentions { low: i64 as BigInt, high: i64 as BigInt },
    "DELETE FROM mentions WHERE position > " {low} " AND position <= " {high}
}

statement! {
    /// See [`Turn::remove`].
    RemoveVersions { low: i64 as BigInt, high: i64 as BigInt },
    "DELETE FROM message_versions WHERE message_position > " {low} " AND message_position <= " {high}
}

statement! {
    /// See [`Turn::remove`].
    RemoveReactions { low: i64 as BigInt, high: i64 as BigInt },
    "DELETE FROM reactions WHERE message_position > " {low} " AND message_position <= " {high}
}

statement! {
    /// See [`Turn::remove`]. Those above that were done to a message that is gone stay, and are told as its deletion.
    RemoveChanges { low: i64 as BigInt, high: i64 as BigInt },
    "DELETE FROM changes WHERE position > " {low} " AND position <= " {high}
}

statement! {
    /// See [`Turn::remove`].
    RemoveMessages { low: i64 as BigInt, high: i64 as BigInt },
    "DELETE FROM messages WHERE position > " {low} " AND position <= " {high}
}
