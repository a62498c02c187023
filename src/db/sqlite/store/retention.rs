//! What retention asks: each function is one transaction's work on a connection. Called by the store's methods.

use async_trait::async_trait;
use diesel::{
    SqliteConnection,
    prelude::*,
    sql_types::{BigInt, Bool, Integer, Nullable},
};

use super::SqliteStore;
use crate::{
    db::{
        DueConversation, DuePage, RetentionStore, StoreError, SweepFrom, Swept, rows,
        sqlite::{append, statement::statement},
        types::{Id, UuidType},
    },
    domain::{ConversationId, ConversationKey, Timestamp, UserKey},
};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl RetentionStore for SqliteStore {
    async fn due(&self, now: Timestamp, after: Option<ConversationKey>, limit: usize) -> Result<DuePage> {
        self.readers.read(move |c| due(c, now, after, limit)).await
    }

    async fn purge(&self, conversation: ConversationKey, before: Timestamp, limit: u32) -> Result<bool> {
        self.writer
            .write(move |c| append::purge(c, conversation, before, limit))
            .await
    }

    async fn sweep_read_marks(&self, from: Option<SweepFrom>, before: Timestamp, limit: usize) -> Result<Swept> {
        let (gone, next) = self.readers.read(move |c| stale_marks(c, from, before, limit)).await?;
        let forgotten = gone.len();
        if forgotten > 0 {
            self.writer.write(move |c| forget_marks(c, &gone)).await?;
        }
        Ok(Swept { forgotten, next })
    }
}

fn due(
    connection: &mut SqliteConnection,
    now: Timestamp,
    after: Option<ConversationKey>,
    limit: usize,
) -> Result<DuePage> {
    let rows: Vec<(i64, Id, i32, bool, Option<i64>)> = Retained {
        after: after.map_or(-1, |key| key.0),
        limit: limit as i64,
    }
    .load(connection)?;
    let next = rows.last().filter(|_| rows.len() == limit);
    let next = next.map(|(key, ..)| ConversationKey(*key));
    let due = rows.into_iter().filter_map(|(key, id, seconds, deleted, oldest)| {
        let before = now.before_seconds(seconds.max(0) as u32);
        oldest.filter(|oldest| *oldest < before.millis())?;
        Some(DueConversation {
            key: ConversationKey(key),
            id: ConversationId(id.0),
            deleted,
            before,
        })
    });
    Ok(DuePage {
        due: due.collect(),
        next,
    })
}

/// Conversation, user, seq.
type MarkKey = (i64, i64, i64);

fn stale_marks(
    connection: &mut SqliteConnection,
    from: Option<SweepFrom>,
    before: Timestamp,
    limit: usize,
) -> Result<(Vec<MarkKey>, Option<SweepFrom>)> {
    let (conversation, user, seq) = from.map_or((-1, 0, 0), |from| {
        (from.conversation.0, from.user.0, i64::from(from.seq.0))
    });
    let marks: Vec<(i64, i64, i64, i64, i64)> = Marks {
        conversation,
        user,
        seq,
        limit: limit as i64,
    }
    .load(connection)?;
    let next = match marks.last().filter(|_| marks.len() == limit) {
        Some(&(conversation, user, seq, ..)) => Some(SweepFrom {
            conversation: ConversationKey(conversation),
            user: UserKey(user),
            seq: rows::seq(seq, conversation)?,
        }),
        None => None,
    };
    let stale = marks
        .into_iter()
        .filter(|(.., seq, at, expired)| *at < before.millis() || seq <= expired);
    Ok((
        stale
            .map(|(conversation, user, seq, ..)| (conversation, user, seq))
            .collect(),
        next,
    ))
}

fn forget_marks(connection: &mut SqliteConnection, gone: &[MarkKey]) -> Result<()> {
    for &(conversation, user, seq) in gone {
        ForgetMark {
            conversation,
            user,
            seq,
        }
        .execute(connection)?;
    }
    Ok(())
}

statement! {
    /// Conversations with a policy: key, id, the policy, whether it is deleted, when its oldest message was sent.
    Retained { after: i64 as BigInt, limit: i64 as BigInt } -> (BigInt, UuidType, Integer, Bool, Nullable<BigInt>),
    "SELECT c.key, c.id, c.retention_seconds, h.deleted, (SELECT created_at FROM messages
     WHERE position > (c.key << 32) + h.expired_seq AND position <= (c.key << 32) + h.seq ORDER BY position LIMIT 1)
     FROM conversations c INDEXED BY conversations_retained CROSS JOIN heads h ON h.conversation_key = c.key
     WHERE c.retention_seconds IS NOT NULL AND c.key > " {after} " ORDER BY c.key LIMIT " {limit}
}

statement! {
    /// Read marks behind one: conversation, user, seq, when, and up to where the conversation's log is gone.
    Marks { conversation: i64 as BigInt, user: i64 as BigInt, seq: i64 as BigInt, limit: i64 as BigInt }
        -> (BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT r.conversation_key, r.user_key, r.seq, r.at, coalesce(h.expired_seq, 0) FROM read_marks r
     LEFT JOIN heads h ON h.conversation_key = r.conversation_key WHERE (r.conversation_key, r.user_key, r.seq) > ("
    {conversation} ", " {user} ", " {seq} ") ORDER BY r.conversation_key, r.user_key, r.seq LIMIT " {limit}
}

statement! {
    /// One that nobody asks for any more.
    ForgetMark { conversation: i64 as BigInt, user: i64 as BigInt, seq: i64 as BigInt },
    "DELETE FROM read_marks WHERE conversation_key = " {conversation} " AND user_key = " {user} " AND seq = " {seq}
}
