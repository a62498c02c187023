//! The part of the store that search asks. Called by the command; parsed at the door, so that nothing here can be malformed.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    ConversationKey, Message, MessageId, Timestamp, UserKey,
    words::{Segment, Sought},
};

/// Text messages by their words.
///
/// Promises: what was acknowledged before the call is found, in its latest form only, unless more than 20,000 changes of the
/// conversations looked through were not in the index yet: then what is in it is found, and the next call goes on from there.
/// In one conversation, a page may end early and yet have more; never without a message on it.
/// Nothing is found that is deleted, gone, or in a conversation that the user is no member of. Looks through the 1000 of the
/// user's conversations with the newest messages.
#[async_trait]
pub trait SearchStore {
    /// What fits, newest first.
    async fn search(&self, user: UserKey, search: Search) -> Result<Found, StoreError>;
    /// Conversations of which the index is known to lack something.
    fn search_backlog(&self) -> u64;
}

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub struct Search {
    /// The words. None at all find nothing.
    pub sought: Sought,
    /// Only in this conversation.
    pub conversation: Option<ConversationKey>,
    /// Only what this user wrote.
    pub from: Option<UserKey>,
    /// Only what is older.
    pub before: Option<Before>,
    /// At most how many.
    pub limit: usize,
}

/// Where a page of results begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Behind this message, which the page before ended with. When it is gone, its time counts.
    Message(MessageId),
    /// Before this moment.
    Time(Timestamp),
}

/// A page of results.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Newest first.
    pub hits: Vec<Hit>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// A message that fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// In its latest form.
    pub message: Message,
    /// Its content in pieces, what was looked for marked.
    pub highlights: Vec<Segment>,
}
