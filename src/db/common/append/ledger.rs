//! What the ops read and write, so that each database can have it its own way: SQLite runs a statement at once
//! ([`super::direct`]); PostgreSQL, which is a round trip away, looks up what a batch names before it begins, and gathers what
//! it writes (`postgres::ledger`). The ops see no difference: what was put is there for whoever asks.

use std::sync::Arc;

use super::{Head, changes::NewChange, insert::NewRow, react::ReactionRow};
use crate::{
    db::{ConversationAppend, Outcome, Refusal, StoreError, rows::MessageRow, run::Db},
    domain::{ConversationId, ConversationKey, Seq, Timestamp, User, UserKey},
};

type Result<T> = std::result::Result<T, StoreError>;

/// What an op is answered.
pub type Answer = std::result::Result<Outcome, Refusal>;

/// A connection that the log is written on.
pub trait Ledger: Db {
    /// A batch begins: from here on no other process appends to its conversations.
    fn open_turns(&mut self, batch: &[ConversationAppend]) -> Result<()>;

    /// It ends: everything is written; the answers that were put off.
    fn close_turns(&mut self) -> Result<Vec<Late>>;

    /// The counter row of a conversation; `None` of one that never was.
    fn head(&mut self, key: i64) -> Result<Option<Head>>;

    /// The counter row as it is now.
    fn put_head(&mut self, key: i64, head: Head) -> Result<()>;

    /// A new message.
    fn put_message(&mut self, row: NewRow<'_>) -> Result<()>;

    /// Where messages with this hash of a client id stand.
    fn by_client(&mut self, hash: i64) -> Result<Vec<i64>>;

    /// The message at a position.
    fn message(&mut self, position: i64) -> Result<Option<MessageRow>>;

    /// The same; its content may be cut off behind what a quote shows.
    fn beginning(&mut self, position: i64) -> Result<Option<MessageRow>>;

    /// A message as an edit left it. `former` is what it said before, and since when.
    fn put_edit(&mut self, row: &MessageRow, former: Former) -> Result<()>;

    /// A message is deleted: its `change_position`, `deleted_at` and `deleted_by` say so.
    fn put_deletion(&mut self, row: &MessageRow) -> Result<()>;

    /// The last change of the message at `position` is this one.
    fn put_change_position(&mut self, position: i64, change: i64) -> Result<()>;

    /// A change that is not a new message.
    fn put_change(&mut self, change: NewChange) -> Result<()>;

    /// The message at a position calls somebody by name.
    fn put_mention(&mut self, user: i64, position: i64) -> Result<()>;

    /// It calls nobody any more.
    fn forget_mentions(&mut self, position: i64) -> Result<()>;

    /// The reactions on the message at a position, emoji by emoji in the order of their first use.
    fn reactions(&mut self, position: i64) -> Result<Vec<ReactionRow>>;

    /// Somebody reacts.
    fn put_reaction(&mut self, reaction: &ReactionRow) -> Result<()>;

    /// Somebody takes it back.
    fn take_reaction(&mut self, reaction: &ReactionRow) -> Result<()>;

    /// The message at a position has no reactions any more.
    fn forget_reactions(&mut self, position: i64) -> Result<()>;

    /// When a member last sent something where slow mode was on; nothing of who is none.
    fn last_sent(&mut self, conversation: i64, user: i64) -> Result<Option<i64>>;

    /// A member sends something.
    fn put_last_sent(&mut self, conversation: i64, user: i64, at: i64) -> Result<()>;

    /// Moves a read cursor and counts what is behind it; `None`: the answer comes with [`Ledger::close_turns`], unless the
    /// user is no member.
    fn mark_read(&mut self, reading: Reading) -> Result<Option<Answer>>;

    /// Who has this key.
    fn person(&mut self, key: i64) -> Result<Arc<User>>;

    /// The id of the conversation of a key.
    fn conversation_id(&mut self, key: ConversationKey) -> Result<ConversationId>;
}

/// What a message said before an edit.
#[derive(Debug)]
pub struct Former {
    /// What.
    pub content: String,
    /// Since when.
    pub written_at: i64,
}

/// Which op of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which part of it.
    pub part: usize,
    /// Which op of that.
    pub op: usize,
}

/// An answer that was put off.
#[derive(Debug)]
pub struct Late {
    /// Whose.
    pub place: Place,
    /// What.
    pub answer: Answer,
}

/// A read cursor that is to move.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Which op wants it.
    pub place: Place,
    /// Where.
    pub conversation: ConversationKey,
    /// Whose.
    pub user: UserKey,
    /// To where, at most `head`; `None`: to a message that is not there.
    pub upto: Option<Seq>,
    /// When.
    pub at: Timestamp,
    /// The last seq at this moment: what is sent later in the batch does not count.
    pub head: Seq,
}

/// A row of `heads` as it is read: seq, last_message_seq, active_at, member_count, deleted.
pub type HeadRow = (i64, i64, i64, i32, bool);
