//! Keeping the search index up to date, behind what was committed: a bounded step at a time, each in a transaction of its own
//! with the note of how far it came, so that a crash loses nothing and doubles nothing. Called by the writer when it has time,
//! and by a search for the conversations that it is about to look through. Sends never wait for it to be complete.

use diesel::{QueryResult, sql_types::BigInt};

use crate::{
    db::{
        StoreError,
        position::{pack, unpack},
        query,
        rows::{self, MessageRow},
        run::*,
        statement::statement,
    },
    domain::{
        ConversationKey, MessageType, Seq, UserKey,
        words::{Sought, Word, words},
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
        connection.remove_words(gone)?;
        Ok(())
    }

    /// The messages that were sent or changed after `self.seq`, up to and with `upto`.
    fn take_in(&self, connection: &mut impl WordIndex, upto: Seq) -> Result<(), StoreError> {
        let (low, high) = (pack(self.key, self.seq), pack(self.key, upto));
        let sent: Vec<MessageRow> = query::messages::unchanged_after(low, high, i64::from(STEP)).load(connection)?;
        let changed: Vec<MessageRow> = query::messages::changed_after(low, high, i64::from(STEP)).load(connection)?;
        connection.remove_words(changed.iter().map(|row| row.position).collect())?;
        connection.put_words(sent.iter().chain(&changed).filter_map(Entry::of).collect())?;
        Ok(())
    }
}

/// What the index has of a message.
#[derive(Debug)]
pub struct Entry {
    /// Where the message is.
    pub position: i64,
    /// Who wrote it.
    pub sender: UserKey,
    /// Its words, in order.
    pub words: Vec<Word>,
}

impl Entry {
    /// `None` for what is not to be found.
    fn of(row: &MessageRow) -> Option<Self> {
        let found = row.kind == MessageType::Text.code() && row.deleted_at.is_none();
        found.then(|| Self {
            position: row.position,
            sender: UserKey(row.sender_key),
            words: words(&row.content),
        })
    }
}

/// Seqs of one conversation whose words stand together in the index, as a power of two: the common words of so many messages
/// are the most that one question to it reads, and a rare word in a long conversation takes one question for each so many. Kept
/// in files: another number needs another index.
pub const BLOCK_BITS: u32 = 12;

/// A piece of one conversation to look through; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Above this position, which is of the conversation, too.
    pub low: i64,
    /// Below this one.
    pub below: i64,
}

impl Range {
    /// The range between two positions of a conversation; `None`: there is nothing in between.
    pub fn between(low: i64, below: i64) -> Option<Self> {
        (low + 1 < below).then_some(Self { low, below })
    }

    /// The blocks that it has a part of, the first and the last one.
    pub fn blocks(&self) -> (u32, u32) {
        (block(self.low + 1), block(self.below - 1))
    }

    /// Its newest part: so many blocks, or less.
    pub fn newest(&self, blocks: u32) -> Self {
        let (first, last) = self.blocks();
        let low = match last.checked_sub(blocks) {
            Some(before) if before >= first => ((self.low >> 32) << 32) + ((i64::from(before) + 1) << BLOCK_BITS) - 1,
            _ => self.low,
        };
        Self { low, below: self.below }
    }
}

/// The block of a position.
pub fn block(position: i64) -> u32 {
    unpack(position).1.0 >> BLOCK_BITS
}

/// The index itself, which each database has its own way. It names messages that may fit; the rows decide. Its terms are
/// `<conversation's key in hex>.<block in hex>.<word>`, and the like for the sender.
pub trait WordIndex: Db {
    /// These messages are in the index from now on. They were not before.
    fn put_words(&mut self, entries: Vec<Entry>) -> QueryResult<()>;

    /// Takes messages out, those that are in.
    fn remove_words(&mut self, positions: Vec<i64>) -> QueryResult<()>;

    /// What is in the index above `low`, up to and with `high`.
    fn words_of(&mut self, low: i64, high: i64) -> QueryResult<Vec<i64>>;

    /// Of each range its newest messages that have all that is sought, at most `limit`, in any order. Goes through the blocks
    /// of a range from the newest on, and no further than it has to; and reads all that a beginning of a word stands for only
    /// in blocks that have the other words.
    fn words_match(
        &mut self,
        sought: &Sought,
        from: Option<UserKey>,
        ranges: &[Range],
        limit: i64,
    ) -> QueryResult<Vec<i64>>;

    /// Of each range, in their order, where the messages begin that are newer than a moment: found by halves, as messages come
    /// in the order of their times as far as clocks do.
    fn newer_than(&mut self, at: i64, ranges: &[Range]) -> QueryResult<Vec<i64>>;
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
    "SELECT h.conversation_key FROM heads h WHERE h.conversation_key > " {after} " AND h.conversation_key <= " {last}
    " AND (h.seq > coalesce((SELECT p.seq FROM search_progress p WHERE p.conversation_key = h.conversation_key), 0) \
     OR h.expired_seq > coalesce((SELECT p.expired_seq FROM search_progress p WHERE p.conversation_key = h.conversation_key), 0))"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_gone_through_block_by_block_from_the_newest_on() {
        let at = |seq| pack(ConversationKey(7), Seq(seq));
        assert_eq!(Range::between(at(5), at(6)), None);
        assert_eq!(Range::between(at(5), at(5)), None);
        let mut rest = Range::between(at(5), at(3 * 4096 + 1));
        let mut parts = Vec::new();
        while let Some(range) = rest {
            let part = range.newest(1);
            parts.push((part.low - at(0), part.below - at(0), part.blocks()));
            rest = Range::between(range.low, part.low + 1);
        }
        assert_eq!(
            parts,
            [
                (3 * 4096 - 1, 3 * 4096 + 1, (3, 3)),
                (2 * 4096 - 1, 3 * 4096, (2, 2)),
                (4096 - 1, 2 * 4096, (1, 1)),
                (5, 4096, (0, 0)),
            ]
        );
        let all = Range::between(at(5), at(3 * 4096 + 1)).unwrap();
        assert_eq!((all.newest(4), all.newest(100)), (all, all));
        assert_eq!(all.newest(3).blocks(), (1, 3));
        let end = Range::between(at(u32::MAX - 1), at(u32::MAX) + 1).unwrap();
        assert_eq!((end.blocks(), end.newest(1)), (((1 << 20) - 1, (1 << 20) - 1), end));
    }
}
