//! History, and what changed: each function is one transaction's work on a connection. Called by the store's methods.

use diesel::{OptionalExtension, SqliteConnection, prelude::*};

use super::conversations::ends;
use crate::{
    db::{
        Change, History, HistoryAt, StoreError, SyncPage,
        position::{pack, unpack},
        query,
        rows::{MessageRow, People, broken},
        sqlite::append::DELETED,
        types::Id,
    },
    domain::{Conversation, Message, MessageId, Seq, Timestamp, UserId, limits},
};

type Result<T> = std::result::Result<T, StoreError>;

pub fn history(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    at: HistoryAt,
    limit: usize,
) -> Result<Option<History>> {
    let (mut rows, older, newer) = match at {
        HistoryAt::Newest => {
            let (rows, more) = before(connection, conversation, None, limit)?;
            (rows, more, false)
        }
        HistoryAt::Before(id) => {
            let Some(anchor) = find(connection, conversation, id)? else {
                return Ok(None);
            };
            let (rows, more) = before(connection, conversation, Some(anchor.position), limit)?;
            (rows, more, true)
        }
        HistoryAt::After(id) => {
            let Some(anchor) = find(connection, conversation, id)? else {
                return Ok(None);
            };
            let (rows, more) = after(connection, conversation, anchor.position, limit)?;
            (rows, true, more)
        }
        HistoryAt::Around(id) => {
            let Some(anchor) = find(connection, conversation, id)? else {
                return Ok(None);
            };
            let older_half = limit / 2;
            let newer_half = limit.saturating_sub(older_half + 1);
            let (mut rows, older) = before(connection, conversation, Some(anchor.position), older_half)?;
            let (after, newer) = after(connection, conversation, anchor.position, newer_half)?;
            rows.push(anchor);
            rows.extend(after);
            (rows, older, newer)
        }
    };
    rows.sort_unstable_by_key(|row| row.position);
    let messages = messages(connection, conversation, rows)?;
    Ok(Some(History {
        messages,
        has_more: older,
        has_more_after: newer,
    }))
}

/// The last `limit` before a position, or at the end; oldest first, and whether there are more.
fn before(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    position: Option<i64>,
    limit: usize,
) -> Result<(Vec<MessageRow>, bool)> {
    let low = pack(conversation.key, Seq(0));
    let high = position.unwrap_or(low + (1 << 32));
    let mut rows: Vec<MessageRow> = query::messages::before(low, high, limit as i64 + 1).load(connection)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.reverse();
    Ok((rows, more))
}

/// The first `limit` after a position, and whether there are more.
fn after(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    position: i64,
    limit: usize,
) -> Result<(Vec<MessageRow>, bool)> {
    let last = pack(conversation.key, Seq(u32::MAX));
    let mut rows: Vec<MessageRow> = query::messages::after(position, last, limit as i64 + 1).load(connection)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok((rows, more))
}

fn find(connection: &mut SqliteConnection, conversation: &Conversation, id: MessageId) -> Result<Option<MessageRow>> {
    let position = pack(conversation.key, id.claimed_seq());
    let row: Option<MessageRow> = query::messages::at(position).get_result(connection).optional()?;
    Ok(row.filter(|row| row.id.0 == id.0))
}

/// The rows as clients see them, with their senders in one query.
pub fn messages(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    rows: Vec<MessageRow>,
) -> Result<Vec<Message>> {
    let mut keys: Vec<i64> = rows.iter().map(|row| row.sender_key).collect();
    keys.sort_unstable();
    keys.dedup();
    let people = People::new(query::users::by_keys(keys).load(connection)?)?;
    rows.into_iter()
        .map(|row| row.into_message(conversation.id, &people))
        .collect()
}

pub fn sync(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    after: Seq,
    limit: usize,
) -> Result<SyncPage> {
    let (head, expired) = ends(connection, conversation.key)?;
    if after > head || head.0 - after.0 > limits::SYNC_RESET_AFTER {
        let (rows, older) = before(connection, conversation, None, limits::PAGE_DEFAULT)?;
        let messages = messages(connection, conversation, rows)?;
        return Ok(SyncPage {
            messages,
            seq: head,
            has_more: false,
            reset: true,
            older,
            expired,
        });
    }
    let (low, last) = (pack(conversation.key, after), pack(conversation.key, head));
    // Each of the two is in order of change and has one row more than fits: what is left of both after merging is the page.
    let most = limit as i64 + 1;
    let mut rows: Vec<MessageRow> = query::messages::unchanged_after(low, last, most).load(connection)?;
    rows.extend(query::messages::changed_after(low, last, most).load::<MessageRow>(connection)?);
    rows.sort_unstable_by_key(|row| row.change_position);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let seq = match rows.last() {
        Some(row) if has_more => unpack(row.change_position).1,
        // Nothing to give and yet more: only for a limit of 0.
        None if has_more => after,
        _ => head,
    };
    let messages = messages(connection, conversation, rows)?;
    Ok(SyncPage {
        messages,
        seq,
        has_more,
        reset: false,
        older: false,
        expired,
    })
}

pub fn changes(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    after: Seq,
    limit: usize,
) -> Result<Vec<Change>> {
    let (low, last) = (pack(conversation.key, after), pack(conversation.key, Seq(u32::MAX)));
    let rows: Vec<MessageRow> = query::messages::after(low, last, limit as i64).load(connection)?;
    let others: Vec<(i64, i16, i64, Id, String)> =
        query::messages::changes_after(low, last, limit as i64).load(connection)?;
    let sent = messages(connection, conversation, rows)?.into_iter();
    let mut changes: Vec<Change> = sent.map(|message| Change::Sent(Box::new(message))).collect();
    for (position, kind, at, message, by) in others {
        if kind != DELETED {
            return Err(broken("a change's kind", position));
        }
        changes.push(Change::Deleted {
            seq: unpack(position).1,
            message: MessageId(message.0),
            at: Timestamp::from_millis(at),
            by: UserId::parse(&by).map_err(|_| broken("a user's id", position))?,
        });
    }
    changes.sort_unstable_by_key(Change::seq);
    changes.truncate(limit);
    Ok(changes)
}
