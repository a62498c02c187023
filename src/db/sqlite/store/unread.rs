//! How much somebody has not read. Asked by the log (`mark_read`) and by the lists.

use diesel::{SqliteConnection, prelude::*, sql_types::BigInt};

use crate::{
    db::{StoreError, position::pack, sqlite::statement::statement},
    domain::{ConversationKey, Seq, UserKey, limits},
};

/// Messages that are looked at, from the newest back. A count is exact unless more than so many messages were not read
/// *and* most of them do not count (one's own, deleted, the system's): a program that writes and never reads must not
/// make everybody wait. Edits and reactions, which take positions too, cost nothing and change nothing.
pub const SCAN_MAX: u32 = 5 * limits::UNREAD_COUNT_MAX;

/// Messages of others after `last_read` that are neither deleted nor the system's, at most
/// [`limits::UNREAD_COUNT_MAX`].
pub fn count(
    connection: &mut SqliteConnection,
    conversation: ConversationKey,
    user: UserKey,
    last_read: Seq,
    head: Seq,
) -> Result<u32, StoreError> {
    if last_read >= head {
        return Ok(0);
    }
    let count: i64 = Count {
        after: pack(conversation, last_read),
        last: pack(conversation, head),
        user: user.0,
        scan: i64::from(SCAN_MAX),
        most: i64::from(limits::UNREAD_COUNT_MAX),
    }
    .get_result(connection)?;
    Ok(count as u32)
}

/// Those of these messages that mention the user; as exact, up to the same figure.
pub fn mentions(
    connection: &mut SqliteConnection,
    conversation: ConversationKey,
    user: UserKey,
    last_read: Seq,
    head: Seq,
) -> Result<u32, StoreError> {
    if last_read >= head {
        return Ok(0);
    }
    let count: i64 = CountMentions {
        after: pack(conversation, last_read),
        last: pack(conversation, head),
        user: user.0,
        most: i64::from(limits::UNREAD_COUNT_MAX),
    }
    .get_result(connection)?;
    Ok(count as u32)
}

statement! {
    /// As [`mentions`].
    CountMentions { after: i64 as BigInt, last: i64 as BigInt, user: i64 as BigInt, most: i64 as BigInt } -> BigInt,
    "SELECT count(*) FROM (SELECT 1 FROM mentions WHERE user_key = " {user} " AND position > " {after}
    " AND position <= " {last} " LIMIT " {most} ")"
}

statement! {
    /// As [`count`]; 3 is `MessageType::System`.
    Count {
        after: i64 as BigInt,
        last: i64 as BigInt,
        user: i64 as BigInt,
        scan: i64 as BigInt,
        most: i64 as BigInt,
    } -> BigInt,
    "SELECT count(*) FROM (SELECT 1 FROM (SELECT sender_key, kind, deleted_at FROM messages WHERE position > " {after}
    " AND position <= " {last} " ORDER BY position DESC LIMIT " {scan} ") WHERE sender_key <> " {user}
    " AND kind <> 3 AND deleted_at IS NULL LIMIT " {most} ")"
}
