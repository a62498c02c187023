//! History, and what changed: each function is one transaction's work on a connection. Called by the store's methods.

use std::{collections::HashMap, sync::Arc};

use diesel::{
    OptionalExtension, SqliteConnection,
    connection::DefaultLoadingMode,
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
};

use super::{assemble::Assembly, bounded, conversations::ends};
use crate::{
    db::{
        Change, History, HistoryAt, Receipt, StoreError, SyncPage, Version,
        position::{pack, unpack},
        query,
        rows::{MessageRow, UserRow, broken},
        sqlite::{
            append::{DELETED, EDITED, REACTED},
            statement::statement,
        },
        types::Id,
    },
    domain::{Content, Conversation, Message, MessageId, MessageType, Seq, Timestamp, UserId, limits},
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

/// The last `limit` before a position, or at the end (fewer when they are large); oldest first, and whether there are more.
fn before(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    position: Option<i64>,
    limit: usize,
) -> Result<(Vec<MessageRow>, bool)> {
    let low = pack(conversation.key, Seq(0));
    let high = position.unwrap_or(low + (1 << 32));
    let query = query::messages::before(low, high, limit as i64 + 1);
    let (mut rows, more) = bounded::page(query.load_iter::<_, DefaultLoadingMode>(connection)?, limit)?;
    rows.reverse();
    Ok((rows, more))
}

/// The first `limit` after a position (fewer when they are large), and whether there are more.
fn after(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    position: i64,
    limit: usize,
) -> Result<(Vec<MessageRow>, bool)> {
    let last = pack(conversation.key, Seq(u32::MAX));
    let query = query::messages::after(position, last, limit as i64 + 1);
    bounded::page(query.load_iter::<_, DefaultLoadingMode>(connection)?, limit)
}

fn find(connection: &mut SqliteConnection, conversation: &Conversation, id: MessageId) -> Result<Option<MessageRow>> {
    let position = pack(conversation.key, id.claimed_seq());
    let row: Option<MessageRow> = query::messages::at(position).get_result(connection).optional()?;
    Ok(row.filter(|row| row.id.0 == id.0))
}

/// The rows as clients see them.
pub fn messages(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    rows: Vec<MessageRow>,
) -> Result<Vec<Message>> {
    let mut assembly = Assembly::of(connection, &rows, Vec::new())?;
    rows.into_iter()
        .map(|row| assembly.message(row, conversation.id))
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
    let most = limit as i64 + 1;
    let query = query::messages::unchanged_after(low, last, most);
    let unchanged = bounded::page(query.load_iter::<_, DefaultLoadingMode>(connection)?, limit)?;
    let query = query::messages::changed_after(low, last, most);
    let changed = bounded::page(query.load_iter::<_, DefaultLoadingMode>(connection)?, limit)?;
    let (rows, has_more) = bounded::merge(unchanged, changed, limit)?;
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
    let others: Vec<OtherChange> = query::messages::changes_after(low, last, limit as i64).load(connection)?;
    let mut changed = changed(connection, conversation, &others)?;
    let sent = messages(connection, conversation, rows)?.into_iter();
    let mut changes: Vec<Change> = sent.map(|message| Change::Sent(Box::new(message))).collect();
    for other in others {
        changes.push(other.told(&mut changed)?);
    }
    changes.sort_unstable_by_key(Change::seq);
    changes.truncate(limit);
    Ok(changes)
}

/// A change that is not a new message: `query::messages::changes_after`.
#[derive(Debug, Queryable)]
struct OtherChange {
    position: i64,
    kind: i16,
    at: i64,
    message: Id,
    by: String,
}

impl OtherChange {
    fn told(self, changed: &mut HashMap<MessageId, Message>) -> Result<Change> {
        let (seq, message) = (unpack(self.position).1, MessageId(self.message.0));
        if ![DELETED, EDITED, REACTED].contains(&self.kind) {
            return Err(broken("a change's kind", self.position));
        }
        Ok(match changed.get(&message) {
            Some(now) if self.kind == EDITED => Change::Edited {
                seq,
                message: Box::new(now.clone()),
            },
            Some(now) if self.kind == REACTED => Change::Reacted {
                seq,
                message,
                reactions: now.reactions.clone(),
                at: Timestamp::from_millis(self.at),
            },
            _ => Change::Deleted {
                seq,
                message,
                at: Timestamp::from_millis(self.at),
                by: UserId::parse(&self.by).map_err(|_| broken("a user's id", self.position))?,
            },
        })
    }
}

/// The messages that were edited or reacted to, those that are still there.
fn changed(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    changes: &[OtherChange],
) -> Result<HashMap<MessageId, Message>> {
    let ids = changes.iter().filter(|change| change.kind != DELETED);
    let mut positions: Vec<i64> = ids
        .map(|change| pack(conversation.key, MessageId(change.message.0).claimed_seq()))
        .collect();
    if positions.is_empty() {
        return Ok(HashMap::new());
    }
    positions.sort_unstable();
    positions.dedup();
    let rows: Vec<MessageRow> = query::messages::at_each(positions).load(connection)?;
    let messages = messages(connection, conversation, rows)?.into_iter();
    Ok(messages.map(|message| (message.id, message)).collect())
}

pub fn receipts(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    id: MessageId,
) -> Result<Option<Vec<Receipt>>> {
    let Some(row) = find(connection, conversation, id)? else {
        return Ok(None);
    };
    let readers: Vec<(UserRow, i64)> = Readers {
        conversation: conversation.key.0,
        sender: row.sender_key,
        seq: i64::from(unpack(row.position).1.0),
    }
    .load(connection)?;
    let mut receipts = Vec::with_capacity(readers.len());
    for (user, at) in readers {
        // At 0 their cursor began, above this message: they came later.
        if at > 0 {
            receipts.push(Receipt {
                user: Arc::new(user.try_into()?),
                at: Timestamp::from_millis(at),
            });
        }
    }
    receipts.sort_by_key(|receipt| (receipt.at, receipt.user.key));
    Ok(Some(receipts))
}

pub fn versions(
    connection: &mut SqliteConnection,
    conversation: &Conversation,
    id: MessageId,
) -> Result<Option<Vec<Version>>> {
    let Some(row) = find(connection, conversation, id)? else {
        return Ok(None);
    };
    let kind = MessageType::from_code(row.kind).ok_or_else(|| broken("a message's type", row.position))?;
    let mut said: Vec<(String, i64)> = query::messages::versions(row.position).load(connection)?;
    said.push((row.content, row.edited_at.unwrap_or(row.created_at)));
    let versions = said.into_iter().map(|(content, written_at)| Version {
        content: Content::from_store(kind, content),
        written_at: Timestamp::from_millis(written_at),
    });
    Ok(Some(versions.collect()))
}

statement! {
    /// The members but the sender whose cursor has reached a message: a user, the time of the first step there.
    Readers { conversation: i64 as BigInt, sender: i64 as BigInt, seq: i64 as BigInt } -> (
        (BigInt, Text, Text, Text, Nullable<Text>),
        BigInt,
    ),
    "SELECT u.key, u.id, u.name, u.display_name, u.avatar_url, coalesce((SELECT r.at FROM read_marks r
     WHERE r.conversation_key = m.conversation_key AND r.user_key = m.user_key AND r.seq >= " {seq}
    " ORDER BY r.seq LIMIT 1), 0) FROM members m JOIN users u ON u.key = m.user_key WHERE m.conversation_key = "
    {conversation} " AND m.last_read_seq >= " {seq} " AND m.user_key <> " {sender}
}
