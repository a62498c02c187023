//! What a conversation is like, and its end. Each is a change in the log, decided by the room.

use std::sync::Arc;

use super::{Caller, ask};
use crate::{
    actors::{Node, room::Request},
    domain::{ConversationId, Settings, conversation::ConversationView},
    protocol::ApiError,
};

/// Changes the name or policies; the conversation as the caller sees it then. What is so already changes nothing.
///
/// # Errors
/// `FORBIDDEN` but for the owner and admins, and in a direct conversation; `ROOM_FULL` for a `maxMembers` below what it holds.
pub async fn update_conversation(
    node: &Arc<Node>,
    caller: &Caller,
    id: ConversationId,
    settings: Settings,
) -> Result<ConversationView, ApiError> {
    ask(node, caller, id, Request::Configure(Box::new(settings))).await?;
    let view = node.store.conversation_view(id, caller.user.key).await?;
    view.ok_or_else(ApiError::not_member)
}

/// Deletes a conversation; when this is done, it exists for nobody, and nothing of it reaches any session any more.
///
/// # Errors
/// `FORBIDDEN` but for the owner, and for a direct conversation.
pub async fn delete_conversation(node: &Arc<Node>, caller: &Caller, id: ConversationId) -> Result<(), ApiError> {
    ask(node, caller, id, Request::End).await.map(drop)
}
