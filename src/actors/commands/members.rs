//! Who belongs to a conversation and as what: adding, removing, leaving, roles. Each is a change in the log, decided by the room.

use std::sync::Arc;

use super::{Caller, ask};
use crate::{
    actors::{Node, room::Request},
    domain::{ConversationId, Role, User, UserId},
    protocol::ApiError,
};

/// Adds a user; done when their sessions listen.
pub async fn add_member(
    node: &Arc<Node>,
    caller: &Caller,
    conversation: ConversationId,
    user: &UserId,
) -> Result<Arc<User>, ApiError> {
    // Who may not look learns nothing about who exists.
    super::require_member(node, caller, conversation).await?;
    let user = find(node, user).await?;
    ask(node, caller, conversation, Request::Add(user.clone())).await?;
    Ok(user)
}

/// Removes a user; when this is done, nothing of the conversation reaches their sessions any more.
pub async fn remove_member(
    node: &Arc<Node>,
    caller: &Caller,
    conversation: ConversationId,
    user: &UserId,
) -> Result<(), ApiError> {
    super::require_member(node, caller, conversation).await?;
    let user = find(node, user).await?;
    ask(node, caller, conversation, Request::Remove(user)).await.map(drop)
}

/// Leaves for good. An owner hands over; the last one out ends the conversation.
pub async fn leave_for_good(node: &Arc<Node>, caller: &Caller, conversation: ConversationId) -> Result<(), ApiError> {
    ask(node, caller, conversation, Request::Leave).await.map(drop)
}

/// Gives a member a role; whoever asks for something behind this has it. With the owner's role the ownership passes, and
/// the caller is an admin from then on.
pub async fn set_role(
    node: &Arc<Node>,
    caller: &Caller,
    conversation: ConversationId,
    user: &UserId,
    role: Role,
) -> Result<Arc<User>, ApiError> {
    super::require_member(node, caller, conversation).await?;
    let user = find(node, user).await?;
    ask(node, caller, conversation, Request::SetRole(user.clone(), role)).await?;
    Ok(user)
}

async fn find(node: &Node, user: &UserId) -> Result<Arc<User>, ApiError> {
    let found = node.store.account(user).await?;
    found
        .map(|account| account.user)
        .ok_or_else(|| ApiError::not_found("user"))
}
