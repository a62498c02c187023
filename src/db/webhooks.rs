//! The seam of the webhooks: how far each endpoint has been told of each conversation, and what it is to be told next.
//! A part of [`Store`](super::Store); called by `webhooks` only.

use async_trait::async_trait;

use super::{Change, StoreError};
use crate::domain::{Conversation, ConversationKey, Member, Seq, Timestamp};

/// The store's row of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointKey(pub i64);

/// What webhooks ask of the store. The log is their outbox: what stands above an endpoint's cursor is to be told, so
/// nothing that was committed can be missing, and the hot path of a commit writes nothing for it.
///
/// Promises what [`Store`](super::Store) promises. Does not promise that something is told once: who is told twice knows by
/// the position. One node at a time may tell an endpoint; on several nodes that needs a lease.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// The endpoint of this URL, and whether this call recorded it. A new one is told of nothing that was there before: its
    /// cursors start at the present heads.
    async fn webhook_endpoint(&self, url: &str, at: Timestamp) -> Result<(EndpointKey, bool), StoreError>;
    /// The conversations, of the next `look_at` after `after` in the order of their keys, that hold something which this
    /// endpoint was not told; deleted ones too.
    async fn webhooks_behind(
        &self,
        endpoint: EndpointKey,
        after: Option<ConversationKey>,
        look_at: usize,
    ) -> Result<Behind, StoreError>;
    /// What this endpoint is to be told next of a conversation, deleted or not: at most `limit` changes. `told` is what the
    /// caller knows better than the store (a cursor that is not saved yet). `None` when there is no such conversation.
    async fn webhook_news(
        &self,
        endpoint: EndpointKey,
        conversation: ConversationKey,
        told: Option<Seq>,
        limit: usize,
    ) -> Result<Option<News>, StoreError>;
    /// Moves cursors forward, never back; all of them in one transaction.
    async fn webhooks_told(&self, told: &[Told]) -> Result<(), StoreError>;
}

/// One page of what [`WebhookStore::webhooks_behind`] looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Those with something to tell, and when each was last active.
    pub conversations: Vec<(ConversationKey, Timestamp)>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<ConversationKey>,
}

/// What is to be told next of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// Which, as it is now.
    pub conversation: Conversation,
    /// Whether it was deleted, by the last of all its changes.
    pub deleted: bool,
    /// Its members as they are now, longest-standing first; only if the endpoint has not heard of the conversation yet.
    pub introduced: Option<Vec<Member>>,
    /// In the order of their positions. One that retention has removed is not there.
    pub changes: Vec<Change>,
    /// The cursor when all of this was told.
    pub upto: Seq,
    /// Whether there is more behind it.
    pub more: bool,
}

/// Up to where an endpoint was told of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub endpoint: EndpointKey,
    /// Of what.
    pub conversation: ConversationKey,
    /// Up to and with here.
    pub upto: Seq,
}
