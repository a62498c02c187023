//! The part of the store that retention asks: which conversations hold something past its time, and what has no room to remove
//! it. Asked by the janitor only; what goes from a conversation in use goes through its room and the log (`Op::Expire`).

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{ConversationId, ConversationKey, Seq, Timestamp, UserKey};

/// What the janitor asks. Each call is bounded by what it is given.
#[async_trait]
pub trait RetentionStore {
    /// Of the conversations with a retention policy whose keys follow `after` (from the first one on without it), at most
    /// `limit` are looked at: those whose oldest message is past its time at `now`, deleted conversations too.
    async fn due(&self, now: Timestamp, after: Option<ConversationKey>, limit: usize) -> Result<DuePage, StoreError>;
    /// As `Op::Expire`, for a deleted conversation: whether there is more to remove.
    async fn purge(&self, conversation: ConversationKey, before: Timestamp, limit: u32) -> Result<bool, StoreError>;
    /// Looks at most at `limit` steps of read cursors, those behind `from` in the store's own order, and forgets those of
    /// before `before` and those below what retention removed: nobody asks for them any more.
    async fn sweep_read_marks(
        &self,
        from: Option<SweepFrom>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Swept, StoreError>;
}

/// What was found among the conversations that were looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePage {
    /// Those with something past its time, by key.
    pub due: Vec<DueConversation>,
    /// Where to go on; `None` after the last one.
    pub next: Option<ConversationKey>,
}

/// A conversation that holds something past its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueConversation {
    /// The store's row.
    pub key: ConversationKey,
    /// Its name.
    pub id: ConversationId,
    /// Whether it was deleted, and so has no room.
    pub deleted: bool,
    /// What was sent before this is past its time.
    pub before: Timestamp,
}

/// Where a sweep of read marks goes on: behind this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepFrom {
    /// Where.
    pub conversation: ConversationKey,
    /// Whose.
    pub user: UserKey,
    /// Which.
    pub seq: Seq,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// How many it forgot.
    pub forgotten: usize,
    /// Where to go on; `None` after the last one.
    pub next: Option<SweepFrom>,
}
