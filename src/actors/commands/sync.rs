//! Catching up: for each conversation, what changed after the client's cursor. One answer is bounded as a whole, so that
//! nobody can ask for a thousand conversations' worth of history in one frame.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Caller, require_member};
use crate::{
    actors::Node,
    domain::{ConversationId, Message, Seq, limits},
    protocol::{ApiError, ErrorCode, command::Cursor},
};

/// Messages in one answer, over all conversations. Conversations beyond it are answered with `hasMore` and their own
/// cursor: the client asks again for those.
const MESSAGES_AN_ANSWER: usize = 2000;
/// Bytes of content beyond which the conversations behind are answered so, too. With the last page, an answer has up to twice
/// as many.
const BYTES_AN_ANSWER: usize = limits::PAGE_BYTES;

/// The answer to `sync`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Synced {
    /// The id of the store's history: cursors of another one are void.
    pub epoch: String,
    /// In the order of the cursors.
    pub conversations: Vec<SyncedConversation>,
}

/// One conversation's part of the answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum SyncedConversation {
    /// What changed.
    Page {
        /// Where.
        conversation_id: ConversationId,
        /// By `changeSeq`, in their latest form; after a reset the newest 50.
        messages: Vec<Message>,
        /// The cursor after this page.
        seq: Seq,
        /// Up to where retention has removed everything: to be forgotten.
        expired_seq: Seq,
        /// Whether there is more.
        has_more: bool,
        /// Whether the client must forget what it has.
        reset: bool,
        /// With `reset`: whether there are older messages than these, which REST's history has.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        has_older: bool,
    },
    /// Why there is nothing.
    Refused {
        /// Where.
        conversation_id: ConversationId,
        /// Why.
        error: ApiError,
    },
}

impl Synced {
    /// Takes back what a session may not see (any more).
    pub fn withhold(&mut self, hidden: impl Fn(ConversationId) -> bool) {
        for part in &mut self.conversations {
            if let SyncedConversation::Page { conversation_id, .. } = *part
                && hidden(conversation_id)
            {
                *part = SyncedConversation::Refused {
                    conversation_id,
                    error: ApiError::not_member(),
                };
            }
        }
    }
}

/// What changed after each cursor.
pub async fn sync(node: &Arc<Node>, caller: &Caller, cursors: Vec<Cursor>, limit: usize) -> Result<Synced, ApiError> {
    let mut conversations = Vec::with_capacity(cursors.len());
    let (mut left, mut bytes) = (MESSAGES_AN_ANSWER, 0);
    for cursor in cursors {
        let room = if bytes < BYTES_AN_ANSWER { left } else { 0 };
        let part = page(node, caller, cursor, limit.min(room)).await?;
        if let SyncedConversation::Page { messages, .. } = &part {
            left = left.saturating_sub(messages.len());
            bytes += messages.iter().map(Message::content_bytes).sum::<usize>();
        }
        conversations.push(part);
    }
    Ok(Synced {
        epoch: node.store.epoch().to_owned(),
        conversations,
    })
}

async fn page(node: &Node, caller: &Caller, cursor: Cursor, limit: usize) -> Result<SyncedConversation, ApiError> {
    let Cursor { conversation_id, seq } = cursor;
    let conversation = match require_member(node, caller, conversation_id).await {
        Ok((conversation, _)) => conversation,
        Err(error) if error.code == ErrorCode::Unavailable => return Err(error),
        Err(error) => return Ok(SyncedConversation::Refused { conversation_id, error }),
    };
    if limit == 0 {
        return Ok(SyncedConversation::Page {
            conversation_id,
            messages: Vec::new(),
            seq,
            // The page that follows says it.
            expired_seq: Seq(0),
            has_more: true,
            reset: false,
            has_older: false,
        });
    }
    let page = node.store.sync(&conversation, seq, limit).await?;
    Ok(SyncedConversation::Page {
        conversation_id,
        messages: page.messages,
        seq: page.seq,
        expired_seq: page.expired,
        has_more: page.has_more,
        reset: page.reset,
        has_older: page.older,
    })
}
