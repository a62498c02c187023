//! Keeping the search index up to date, behind what was committed: a bounded step at a time, each in a transaction of its own
//! with the note of how far it came, so that a crash loses nothing and doubles nothing. Called by the writer when it has time,
//! and by a search for the conversations that it is about to look through. Sends never wait for it to be complete.

use diesel::{
    SqliteConnection,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Text},
    sqlite::Sqlite,
};

use super::statement::statement;
use crate::{
    db::{
        StoreError,
        position::pack,
        query,
        rows::{self, MessageRow},
    },
    domain::{ConversationKey, MessageType, Seq, words::words},
};

/// Changes that one step looks at: some milliseconds.
pub const STEP: u32 = 200;

/// Conversations that one step looks at.
pub const CONVERSATIONS: usize = 100;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stepped {
    /// So many of the conversations, from the first one on, are up to date.
    pub done: usize,
    /// Changes that it looked at.
    pub looked: u32,
}

/// Brings conversations up to date, one after the other, until [`STEP`] changes were looked at.
pub fn step(connection: &mut SqliteConnection, conversations: &[i64]) -> Result<Stepped, StoreError> {
    let mut left = STEP;
    for (done, key) in conversations.iter().take(CONVERSATIONS).enumerate() {
        let stands = Standing::read(connection, ConversationKey(*key))?;
        let after = stands.advance(connection, &mut left)?;
        if after != stands {
            after.write(connection)?;
        }
        if after.behind() {
            let looked = STEP - left;
            return Ok(Stepped { done, looked });
        }
    }
    Ok(Stepped {
        done: conversations.len().min(CONVERSATIONS),
        looked: STEP - left,
    })
}

/// How far the index of a conversation is, and how far it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    key: ConversationKey,
    head: Seq,
    expired: Seq,
    /// Changes up to here are in it.
    seq: Seq,
    /// What retention removed up to here was taken out.
    cleared: Seq,
}

impl Standing {
    fn read(connection: &mut SqliteConnection, key: ConversationKey) -> Result<Self, StoreError> {
        let row: Option<(i64, i64, i64, i64)> = ReadStanding { key: key.0 }.get_result(connection).optional()?;
        let (head, expired, seq, cleared) = row.unwrap_or_default();
        Ok(Self {
            key,
            head: rows::seq(head, key.0)?,
            expired: rows::seq(expired, key.0)?,
            seq: rows::seq(seq, key.0)?,
            cleared: rows::seq(cleared, key.0)?,
        })
    }

    fn behind(&self) -> bool {
        self.seq < self.head || self.cleared < self.expired
    }

    fn write(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        WriteStanding {
            key: self.key.0,
            seq: i64::from(self.seq.0),
            cleared: i64::from(self.cleared.0),
        }
        .execute(connection)?;
        Ok(())
    }

    /// Where it stands when at most `left` more changes were looked at.
    fn advance(mut self, connection: &mut SqliteConnection, left: &mut u32) -> Result<Self, StoreError> {
        // What was never in it need not be taken out.
        let filled = self.expired.min(self.seq);
        if self.cleared < filled {
            let upto = Seq(self.cleared.0.saturating_add(*left)).min(filled);
            *left -= upto.0 - self.cleared.0;
            self.take_out(connection, upto)?;
            self.cleared = upto;
            if upto < filled {
                return Ok(self);
            }
        }
        self.cleared = self.expired;
        self.seq = self.seq.max(self.expired);
        if *left > 0 && self.seq < self.head {
            let upto = Seq(self.seq.0.saturating_add(*left)).min(self.head);
            *left -= upto.0 - self.seq.0;
            self.take_in(connection, upto)?;
            self.seq = upto;
        }
        Ok(self)
    }

    fn take_out(&self, connection: &mut SqliteConnection, upto: Seq) -> Result<(), StoreError> {
        let gone: Vec<i64> = Indexed {
            low: pack(self.key, self.cleared),
            high: pack(self.key, upto),
        }
        .load(connection)?;
        for position in gone {
            Remove { position }.execute(connection)?;
        }
        Ok(())
    }

    /// The messages that were sent or changed after `self.seq`, up to and with `upto`.
    fn take_in(&self, connection: &mut SqliteConnection, upto: Seq) -> Result<(), StoreError> {
        let (low, high) = (pack(self.key, self.seq), pack(self.key, upto));
        let sent: Vec<MessageRow> = query::messages::unchanged_after(low, high, i64::from(STEP)).load(connection)?;
        for row in &sent {
            self.put(connection, row)?;
        }
        let changed: Vec<MessageRow> = query::messages::changed_after(low, high, i64::from(STEP)).load(connection)?;
        for row in &changed {
            Remove { position: row.position }.execute(connection)?;
            self.put(connection, row)?;
        }
        Ok(())
    }

    fn put(&self, connection: &mut SqliteConnection, row: &MessageRow) -> Result<(), StoreError> {
        if row.kind == MessageType::Text.code() && row.deleted_at.is_none() {
            let content = Terms(self.key).of(words(&row.content).iter().map(|word| word.folded.as_str()));
            let sender = Terms(self.key).one(row.sender_key);
            let position = row.position;
            Insert {
                position,
                content: &content,
                sender: &sender,
            }
            .execute(connection)?;
        }
        Ok(())
    }
}

/// How words of a conversation are written in the index; see its migration.
#[derive(Debug, Clone, Copy)]
pub struct Terms(pub ConversationKey);

impl Terms {
    /// Words, one behind the other.
    pub fn of<'a>(self, words: impl Iterator<Item = &'a str>) -> String {
        let mut terms = String::new();
        for word in words {
            if !terms.is_empty() {
                terms.push(' ');
            }
            terms.push_str(&format!("{:x}.", self.0.0));
            terms.push_str(word);
        }
        terms
    }

    /// A user.
    pub fn one(self, user: i64) -> String {
        format!("{:x}.{user}", self.0.0)
    }
}

struct Insert<'b> {
    position: i64,
    content: &'b str,
    sender: &'b str,
}

impl QueryId for Insert<'_> {
    type QueryId = Insert<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for Insert<'_> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql("INSERT INTO message_index (rowid, content, sender) VALUES (");
        out.push_bind_param::<BigInt, _>(&self.position)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.content)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.sender)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for Insert<'_> {}

statement! {
    /// Of a conversation: its last seq, up to where it is gone, and both as the index has them.
    ReadStanding { key: i64 as BigInt } -> (BigInt, BigInt, BigInt, BigInt),
    "SELECT h.seq, h.expired_seq, coalesce(p.seq, 0), coalesce(p.expired_seq, 0) FROM heads h
     LEFT JOIN search_progress p ON p.conversation_key = h.conversation_key WHERE h.conversation_key = " {key}
}

statement! {
    /// How far the index is now.
    WriteStanding { key: i64 as BigInt, seq: i64 as BigInt, cleared: i64 as BigInt },
    "INSERT INTO search_progress (conversation_key, seq, expired_seq) VALUES (" {key} ", " {seq} ", " {cleared}
    ") ON CONFLICT (conversation_key) DO UPDATE SET seq = excluded.seq, expired_seq = excluded.expired_seq"
}

statement! {
    /// What of a range is in the index.
    Indexed { low: i64 as BigInt, high: i64 as BigInt } -> BigInt,
    "SELECT id FROM message_index_docsize WHERE id > " {low} " AND id <= " {high}
}

statement! {
    /// Takes a message out, if it is in.
    Remove { position: i64 as BigInt },
    "DELETE FROM message_index WHERE rowid = " {position}
}

statement! {
    /// Conversations behind a key that the index lacks something of.
    Lagging { after: i64 as BigInt, last: i64 as BigInt } -> BigInt,
    "SELECT h.conversation_key FROM heads h LEFT JOIN search_progress p ON p.conversation_key = h.conversation_key
     WHERE h.conversation_key > " {after} " AND h.conversation_key <= " {last}
    " AND (h.seq > coalesce(p.seq, 0) OR h.expired_seq > coalesce(p.expired_seq, 0))"
}
