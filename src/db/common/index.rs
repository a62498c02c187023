//! Keeping the search index up to date, behind what was committed: a bounded step at a time, each in a transaction of its own
//! with the note of how far it came, so that a crash loses nothing and doubles nothing. Called by the writer when it has time,
//! and by a search for the conversations that it is about to look through. Sends never wait for it to be complete.

use diesel::{QueryResult, sql_types::BigInt};

use crate::{
    db::{
        StoreError,
        position::pack,
        query,
        rows::{self, MessageRow},
        run::*,
        statement::statement,
    },
    domain::{
        ConversationKey, MessageType, Seq, UserKey,
        words::{Sought, words},
    },
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
pub fn step(connection: &mut impl WordIndex, conversations: &[i64]) -> Result<Stepped, StoreError> {
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
    fn read(connection: &mut impl WordIndex, key: ConversationKey) -> Result<Self, StoreError> {
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

    fn write(&self, connection: &mut impl WordIndex) -> Result<(), StoreError> {
        WriteStanding {
            key: self.key.0,
            seq: i64::from(self.seq.0),
            cleared: i64::from(self.cleared.0),
        }
        .execute(connection)?;
        Ok(())
    }

    /// Where it stands when at most `left` more changes were looked at.
    fn advance(mut self, connection: &mut impl WordIndex, left: &mut u32) -> Result<Self, StoreError> {
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

    fn take_out(&self, connection: &mut impl WordIndex, upto: Seq) -> Result<(), StoreError> {
        let gone = connection.words_of(pack(self.key, self.cleared), pack(self.key, upto))?;
        for position in gone {
            connection.remove_words(position)?;
        }
        Ok(())
    }

    /// The messages that were sent or changed after `self.seq`, up to and with `upto`.
    fn take_in(&self, connection: &mut impl WordIndex, upto: Seq) -> Result<(), StoreError> {
        let (low, high) = (pack(self.key, self.seq), pack(self.key, upto));
        let sent: Vec<MessageRow> = query::messages::unchanged_after(low, high, i64::from(STEP)).load(connection)?;
        for row in &sent {
            self.put(connection, row)?;
        }
        let changed: Vec<MessageRow> = query::messages::changed_after(low, high, i64::from(STEP)).load(connection)?;
        for row in &changed {
            connection.remove_words(row.position)?;
            self.put(connection, row)?;
        }
        Ok(())
    }

    fn put(&self, connection: &mut impl WordIndex, row: &MessageRow) -> Result<(), StoreError> {
        if row.kind == MessageType::Text.code() && row.deleted_at.is_none() {
            let words = words(&row.content);
            let words: Vec<&str> = words.iter().map(|word| word.folded.as_str()).collect();
            connection.put_words(self.key, row.position, &words, UserKey(row.sender_key))?;
        }
        Ok(())
    }
}

/// Where in the index to look, and for how many.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Above this position.
    pub low: i64,
    /// Below this one.
    pub below: i64,
    /// At most so many.
    pub limit: i64,
}

/// The index itself, which each database has its own way. It names messages that may fit; the rows decide.
pub trait WordIndex: Db {
    /// A message has these words (folded), and this sender. It was not in the index.
    fn put_words(&mut self, key: ConversationKey, position: i64, words: &[&str], sender: UserKey) -> QueryResult<()>;

    /// Takes a message out, if it is in.
    fn remove_words(&mut self, position: i64) -> QueryResult<()>;

    /// What is in the index above `low`, up to and with `high`.
    fn words_of(&mut self, low: i64, high: i64) -> QueryResult<Vec<i64>>;

    /// The newest messages of a conversation, in a range, that have all that is sought, newest first.
    fn words_match(
        &mut self,
        key: ConversationKey,
        sought: &Sought,
        from: Option<UserKey>,
        range: Range,
    ) -> QueryResult<Vec<i64>>;
}

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
    /// Conversations behind a key that the index lacks something of.
    Lagging { after: i64 as BigInt, last: i64 as BigInt } -> BigInt,
    "SELECT h.conversation_key FROM heads h LEFT JOIN search_progress p ON p.conversation_key = h.conversation_key
     WHERE h.conversation_key > " {after} " AND h.conversation_key <= " {last}
    " AND (h.seq > coalesce(p.seq, 0) OR h.expired_seq > coalesce(p.expired_seq, 0))"
}
