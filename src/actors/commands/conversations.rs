//! Finding, making and listing conversations. What is made is told to everybody's sessions before it is answered, so that
//! the first message, however soon, finds them listening.

use std::{collections::HashSet, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

use super::{Caller, MemberView, list_members, require_member};
use crate::{
    actors::{Node, relay::Grant},
    db::{ListCursor, NewConversation},
    domain::{
        Conversation, ConversationId, ConversationName, Invalid, InviteCode, Kind, PasswordHash, Role, Seq, Slug, User,
        UserId, conversation::ConversationView, limits,
    },
    protocol::{ApiError, ErrorCode, Event, envelope},
};

/// The answer to find-or-create.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundOrCreated {
    /// Which.
    pub conversation_id: ConversationId,
    /// Whether this call made it.
    pub created: bool,
}

/// The direct conversation of the caller and somebody else, made if there is none.
///
/// # Errors
/// `VALIDATION_ERROR` for oneself, `NOT_FOUND` for nobody.
pub async fn find_or_create_direct(
    node: &Arc<Node>,
    caller: &Caller,
    other: &UserId,
) -> Result<FoundOrCreated, ApiError> {
    if *other == caller.user.id {
        return Err(Invalid::new("otherUserId", "must be somebody else").into());
    }
    let other = node
        .store
        .account(other)
        .await?
        .ok_or_else(|| ApiError::not_found("user"))?
        .user;
    let at = node.clock.now();
    let id = ConversationId::generate(at, node.entropy.bytes10());
    let (conversation, created) = node
        .store
        .find_or_create_direct(caller.user.key, other.key, id, at)
        .await?;
    if created {
        grant(
            node,
            &conversation,
            2,
            std::slice::from_ref(&caller.user),
            Role::Member,
            Some(&other),
        );
        grant(
            node,
            &conversation,
            2,
            std::slice::from_ref(&other),
            Role::Member,
            Some(&caller.user),
        );
    }
    Ok(FoundOrCreated {
        conversation_id: conversation.id,
        created,
    })
}

/// What a new group, channel or room should be like.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    /// What it is; not direct.
    pub kind: Kind,
    /// What it is called.
    pub name: ConversationName,
    /// What it is found by: a channel, and nothing else.
    pub slug: Option<Slug>,
    /// Who else belongs to it.
    pub members: Vec<UserId>,
    /// What the password of whoever joins by themselves is checked against.
    pub password_hash: Option<PasswordHash>,
    /// Most members.
    pub max_members: Option<u32>,
    /// How long messages are kept.
    pub retention_seconds: Option<u32>,
    /// Pause between two messages of one user.
    pub slow_mode_seconds: Option<u32>,
}

/// Makes a group, channel or room whose owner the caller is. A room has an invite code from the start.
///
/// # Errors
/// `NOT_FOUND` when one of the members is nobody, `ROOM_FULL` when they are more than `maxMembers`, `CONFLICT` for the name
/// of another channel, `LIMIT_REACHED` when one of them, or the caller, is in as many rooms as they may be.
pub async fn create_conversation(
    node: &Arc<Node>,
    caller: &Caller,
    request: CreateRequest,
) -> Result<ConversationView, ApiError> {
    let members = first_members(node, caller, &request).await?;
    let code = || InviteCode::generate(node.entropy.bytes());
    let new = NewConversation {
        id: ConversationId::generate(node.clock.now(), node.entropy.bytes10()),
        kind: request.kind,
        name: request.name.as_str().to_owned(),
        slug: request.slug,
        invite_code: (request.kind == Kind::Room).then(code),
        password_hash: request.password_hash,
        owner: caller.user.key,
        members: members.iter().map(|user| user.key).collect(),
        max_members: request.max_members,
        retention_seconds: request.retention_seconds,
        slow_mode_seconds: request.slow_mode_seconds,
        at: node.clock.now(),
    };
    let conversation = node.store.create_conversation(new).await??;
    let count = members.len() as u32 + 1;
    grant(
        node,
        &conversation,
        count,
        std::slice::from_ref(&caller.user),
        Role::Owner,
        None,
    );
    grant(node, &conversation, count, &members, Role::Member, None);
    Ok(fresh_view(&conversation, count, Role::Owner, None))
}

async fn first_members(node: &Node, caller: &Caller, request: &CreateRequest) -> Result<Vec<Arc<User>>, ApiError> {
    let wanted: HashSet<&UserId> = request.members.iter().filter(|id| **id != caller.user.id).collect();
    let most = request.max_members.map_or(limits::GROUP_MEMBERS, |max| max as usize);
    if wanted.len() + 1 > most {
        return Err(ApiError::new(
            ErrorCode::RoomFull,
            format!("the conversation may have {most} members at the most"),
        ));
    }
    let ids: Vec<UserId> = wanted.into_iter().cloned().collect();
    let members = node.store.users(&ids).await?;
    if members.len() < ids.len() {
        return Err(ApiError::not_found("user among memberIds"));
    }
    Ok(members)
}

fn fresh_view(conversation: &Conversation, count: u32, role: Role, other: Option<&Arc<User>>) -> ConversationView {
    ConversationView {
        id: conversation.id,
        kind: conversation.kind,
        name: conversation.name.clone(),
        slug: conversation.slug.clone(),
        invite_code: conversation.invite_code.clone().filter(|_| role >= Role::Admin),
        other_user: other.cloned(),
        role,
        member_count: count,
        seq: Seq(0),
        last_message: None,
        last_message_at: None,
        unread_count: 0,
        last_read_seq: Seq(0),
        mention_count: 0,
        expired_seq: Seq(0),
        policies: conversation.policies.clone(),
        created_at: conversation.created_at,
    }
}

/// Tells the sessions of these users, and the webhooks, of a conversation that was just made.
fn grant(
    node: &Node,
    conversation: &Conversation,
    count: u32,
    users: &[Arc<User>],
    role: Role,
    other: Option<&Arc<User>>,
) {
    node.webhooks.changed([conversation.key]);
    let view = fresh_view(conversation, count, role, other);
    let frame = envelope::event(&Event::ConversationCreated { conversation: &view });
    let users = users.iter().map(|user| user.key).collect();
    node.relays.offer_all(&Grant {
        users,
        conversation: conversation.id,
        head: Seq(0),
        frame,
    });
}

/// The caller's conversations, newest activity first.
pub async fn list_conversations(
    node: &Arc<Node>,
    caller: &Caller,
    limit: usize,
    cursor: Option<ListCursor>,
) -> Result<(Vec<ConversationView>, Option<ListCursor>), ApiError> {
    Ok(node.store.conversation_list(caller.user.key, limit, cursor).await?)
}

/// A conversation with its members, for its members.
pub async fn conversation_details(
    node: &Arc<Node>,
    caller: &Caller,
    id: ConversationId,
) -> Result<(ConversationView, Vec<MemberView>), ApiError> {
    let (conversation, _) = require_member(node, caller, id).await?;
    let view = node
        .store
        .conversation_view(id, caller.user.key)
        .await?
        .ok_or_else(ApiError::not_member)?;
    Ok((view, list_members(node, &conversation).await?))
}
