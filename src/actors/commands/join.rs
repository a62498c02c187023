//! Opening and closing a conversation: a place among its viewers, and what one needs to draw it.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Caller, require_member};
use crate::{
    actors::{
        Node,
        presence::Online,
        room::{Unview, View},
    },
    domain::{Conversation, ConversationId, Message, Role, Seq, User, conversation::ConversationView, limits},
    protocol::ApiError,
};

/// The answer to `join_conversation`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The conversation as the caller sees it.
    pub conversation: ConversationView,
    /// Its members, longest-standing first.
    pub members: Vec<MemberView>,
    /// The newest 50, or everything changed after `after`.
    pub messages: Vec<Message>,
    /// The cursor after these messages.
    pub seq: Seq,
    /// Up to where retention has removed everything: forget what you have of that.
    pub expired_seq: Seq,
    /// Whether there are older ones (or, with `after`, further changes).
    pub has_more: bool,
    /// With `after`: whether too much was missed; `messages` are the newest 50 then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reset: bool,
    /// With `reset`: whether there are older messages than these, which REST's history has.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_older: bool,
}

/// A member as others see them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    /// Who.
    pub user: Arc<User>,
    /// What they may do.
    pub role: Role,
    /// Whether they have a session.
    pub online: bool,
    /// Up to where they have read.
    pub last_read_seq: Seq,
}

/// Opens a conversation for a session.
pub async fn join_conversation(
    node: &Arc<Node>,
    caller: &Caller,
    id: ConversationId,
    after: Option<Seq>,
) -> Result<Joined, ApiError> {
    let (conversation, _) = require_member(node, caller, id).await?;
    if let Some(session) = caller.session {
        view(node, caller, id, session).await?;
    }
    let members = list_members(node, &conversation).await?;
    // A cursor beyond the end is answered with the newest: the page and its position come from one snapshot.
    let page = node
        .store
        .sync(&conversation, after.unwrap_or(Seq(u32::MAX)), limits::SYNC_PAGE_DEFAULT)
        .await?;
    let view = node
        .store
        .conversation_view(id, caller.user.key)
        .await?
        .ok_or_else(ApiError::not_member)?;
    Ok(Joined {
        conversation: view,
        members,
        has_older: after.is_some() && page.older,
        has_more: if after.is_none() { page.older } else { page.has_more },
        messages: page.messages,
        seq: page.seq,
        expired_seq: page.expired,
        reset: after.is_some() && page.reset,
    })
}

async fn view(
    node: &Arc<Node>,
    caller: &Caller,
    id: ConversationId,
    session: crate::actors::relay::SessionRef,
) -> Result<(), ApiError> {
    // A room may retire between being found and being asked; its successor will not.
    for _ in 0..2 {
        let asked = View {
            session,
            user: caller.user.clone(),
        };
        if let Ok(answer) = node.rooms.open(node, id).send(asked).await {
            return answer;
        }
    }
    Err(ApiError::unavailable())
}

/// Closes a conversation for a session; the membership stays.
pub async fn leave_conversation(node: &Arc<Node>, caller: &Caller, id: ConversationId) -> Result<Left, ApiError> {
    require_member(node, caller, id).await?;
    if let (Some(session), Some(room)) = (caller.session, node.rooms.get(id)) {
        // A room that is gone knows no viewers.
        let _ = room
            .send(Unview {
                session,
                user: caller.user.key,
            })
            .await;
    }
    Ok(Left {})
}

/// The answer to `leave_conversation`: nothing to say.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Left {}

/// The members of a conversation, and who of them is online.
pub async fn list_members(node: &Node, conversation: &Conversation) -> Result<Vec<MemberView>, ApiError> {
    let members = node.store.members(conversation.key).await?;
    let ids = members.iter().map(|member| member.user.id.clone()).collect();
    let online = node
        .presence
        .send(Online(ids))
        .await
        .map_err(|_| ApiError::unavailable())?;
    let with_presence = members.into_iter().zip(online);
    Ok(with_presence
        .map(|(member, seen)| MemberView {
            user: member.user,
            role: member.role,
            online: seen.online,
            last_read_seq: member.last_read_seq,
        })
        .collect())
}
