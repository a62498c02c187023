//! Messages over REST: send, edit, react, delete, mark as read, page through history, see who has read and what was said
//! before. (A session hands what changes something to the room itself, and has its answers come over its relay.)

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Caller, ask, require_member, submit};
use crate::{
    actors::{Node, reply::Answer, room::Request},
    db::{History, HistoryAt, Receipt, Version},
    domain::{Content, ConversationId, Message, MessageId, Reaction, Seq, message::Draft},
    protocol::{ApiError, ErrorCode, command::ReadUpTo},
};

/// What a send came to.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The message.
    pub message: Message,
    /// Whether the `clientId` was known: nothing was sent then.
    pub repeated: bool,
}

/// Sends a message: answered after the commit.
pub async fn send_message(
    node: &Arc<Node>,
    caller: &Caller,
    conversation: ConversationId,
    draft: Draft,
) -> Result<Sent, ApiError> {
    sent(ask(node, caller, conversation, Request::Send(draft)).await?)
}

/// Has the server say something: a [`Draft::announcement`] of an administrator, who need not be a member.
///
/// # Errors
/// `FORBIDDEN` for everybody else; `NOT_FOUND`.
pub async fn announce(
    node: &Arc<Node>,
    caller: &Caller,
    conversation: ConversationId,
    draft: Draft,
) -> Result<Sent, ApiError> {
    if !caller.admin {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "only administrators of the server announce",
        ));
    }
    let found = node.store.conversation(conversation).await?;
    found.ok_or_else(|| ApiError::not_found("conversation"))?;
    sent(submit(node, caller, conversation, Request::Send(draft)).await?)
}

fn sent(answer: Answer) -> Result<Sent, ApiError> {
    match answer {
        Answer::Sent { message, repeated } => Ok(Sent {
            message: *message,
            repeated,
        }),
        _ => Err(ApiError::internal()),
    }
}

/// Gives the caller's own text another content; the message as it is now.
pub async fn edit_message(
    node: &Arc<Node>,
    caller: &Caller,
    conversation: ConversationId,
    message: MessageId,
    content: Content,
) -> Result<Message, ApiError> {
    match ask(node, caller, conversation, Request::Edit(message, content)).await? {
        Answer::Edited { message } => Ok(*message),
        _ => Err(ApiError::internal()),
    }
}

/// Puts the caller's reaction on a message (`add`) or takes it away; all of the message's reactions now.
pub async fn react(
    node: &Arc<Node>,
    caller: &Caller,
    conversation: ConversationId,
    message: MessageId,
    emoji: &str,
    add: bool,
) -> Result<Vec<Reaction>, ApiError> {
    let emoji = node.settings.reactions.find(emoji)?;
    match ask(node, caller, conversation, Request::React(message, emoji, add)).await? {
        Answer::Reacted { reactions } => Ok(reactions),
        _ => Err(ApiError::internal()),
    }
}

/// Who has read a message, the first one first.
pub async fn receipts(
    node: &Node,
    caller: &Caller,
    id: ConversationId,
    message: MessageId,
) -> Result<Vec<Receipt>, ApiError> {
    let (conversation, _) = require_member(node, caller, id).await?;
    let receipts = node.store.receipts(&conversation, message).await?;
    receipts.ok_or_else(|| ApiError::not_found("message"))
}

/// All that a message has said, oldest first. For administrators of the server, members or not: the one thing of other
/// people's conversations that they get to see.
pub async fn versions(
    node: &Node,
    caller: &Caller,
    id: ConversationId,
    message: MessageId,
) -> Result<Vec<Version>, ApiError> {
    if !caller.admin {
        return Err(ApiError::new(ErrorCode::Forbidden, "for administrators of the server"));
    }
    let conversation = node.store.conversation(id).await?;
    let conversation = conversation.ok_or_else(|| ApiError::not_found("conversation"))?;
    let versions = node.store.versions(&conversation, message).await?;
    versions.ok_or_else(|| ApiError::not_found("message"))
}

/// Deletes a message softly; the position of the deletion.
pub async fn delete_message(
    node: &Arc<Node>,
    caller: &Caller,
    conversation: ConversationId,
    message: MessageId,
) -> Result<Seq, ApiError> {
    match ask(node, caller, conversation, Request::Delete(message)).await? {
        Answer::Deleted { seq, .. } => Ok(seq),
        _ => Err(ApiError::internal()),
    }
}

/// Where a read cursor stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadState {
    /// Up to where the caller has read.
    pub last_read_seq: Seq,
    /// What is unread behind it.
    pub unread_count: u32,
    /// What of that mentions the caller.
    pub mention_count: u32,
}

/// Moves the caller's read cursor forward.
pub async fn mark_read(
    node: &Arc<Node>,
    caller: &Caller,
    conversation: ConversationId,
    upto: ReadUpTo,
) -> Result<ReadState, ApiError> {
    match ask(node, caller, conversation, Request::MarkRead(upto)).await? {
        Answer::Read {
            last_read_seq,
            unread_count,
            mention_count,
        } => Ok(ReadState {
            last_read_seq,
            unread_count,
            mention_count,
        }),
        _ => Err(ApiError::internal()),
    }
}

/// Which page of history, and whether looking at it counts as reading.
#[derive(Debug, Clone, Copy)]
pub struct HistoryRequest {
    /// Which page.
    pub at: HistoryAt,
    /// At most how many messages.
    pub limit: usize,
    /// Whether the cursor moves to the newest message of the page.
    pub mark_read: bool,
}

/// A page of history, oldest first.
pub async fn history(
    node: &Arc<Node>,
    caller: &Caller,
    id: ConversationId,
    request: HistoryRequest,
) -> Result<History, ApiError> {
    let (conversation, _) = require_member(node, caller, id).await?;
    let page = node.store.history(&conversation, request.at, request.limit).await?;
    let page = page.ok_or_else(|| ApiError::not_found("message"))?;
    if request.mark_read
        && let Some(newest) = page.messages.last()
    {
        mark_read(node, caller, id, ReadUpTo::Seq(newest.seq)).await?;
    }
    Ok(page)
}
