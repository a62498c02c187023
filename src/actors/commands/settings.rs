//! What a conversation is like, and its end. Each is a change in the log, decided by the room.

use std::sync::Arc;

use super::{Caller, ask, require_member};
use crate::{
    actors::{Node, room::Request},
    auth::Passwords,
    domain::{
        ConversationId, Password, PasswordHash, Settings,
        conversation::ConversationView,
        permission::{Action, allowed},
    },
    protocol::{ApiError, ErrorCode},
};

/// Changes the name, policies or password; the conversation as the caller sees it then. What is so already changes nothing,
/// but a password is always news.
///
/// # Errors
/// `FORBIDDEN` but for the owner and admins, and in a direct conversation; `ROOM_FULL` for a `maxMembers` below what it holds;
/// `CONFLICT` for the name of another channel.
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

/// The hash of a password that the caller wants to set. Hashing is dear: only for those who may set it, which the room
/// decides once more.
///
/// # Errors
/// `FORBIDDEN` as above.
pub async fn password_hash(
    node: &Node,
    passwords: &Passwords,
    caller: &Caller,
    id: ConversationId,
    password: &Password,
) -> Result<PasswordHash, ApiError> {
    let (conversation, role) = require_member(node, caller, id).await?;
    allowed(conversation.kind, role, Action::Configure).map_err(|why| ApiError::new(ErrorCode::Forbidden, why))?;
    passwords.hash(password).await.map(PasswordHash::new)
}

/// Deletes a conversation; when this is done, it exists for nobody, and nothing of it reaches any session any more.
///
/// # Errors
/// `FORBIDDEN` but for the owner, and for a direct conversation.
pub async fn delete_conversation(node: &Arc<Node>, caller: &Caller, id: ConversationId) -> Result<(), ApiError> {
    ask(node, caller, id, Request::End).await.map(drop)
}
