//! Finding channels and coming in by oneself: by a channel's id or by an invite code, with the password where there is one;
//! and the codes themselves. Whoever is a member already comes in again without anything happening.

use std::sync::Arc;

use super::{Caller, ask, require_member, submit};
use crate::{
    actors::{Node, room::Request},
    auth::Passwords,
    db::{Door, Doorway, Pass},
    domain::{
        ConversationId, InviteCode, Settings, Slug,
        conversation::{ChannelView, ConversationView},
        permission::{Way, may_join},
    },
    protocol::{ApiError, ErrorCode},
};

/// The channels whose slug begins with what somebody typed; with the cursor of the next page if there is one.
pub async fn list_channels(
    node: &Arc<Node>,
    caller: &Caller,
    query: &str,
    limit: usize,
    after: Option<&str>,
) -> Result<(Vec<ChannelView>, Option<String>), ApiError> {
    let folded = Slug::folded(query);
    Ok(node.store.channels(caller.user.key, &folded, limit, after).await?)
}

/// Joins a channel; the conversation as the caller sees it then.
///
/// # Errors
/// `FORBIDDEN` for what is by invitation only, for a wrong password and a missing one; `ROOM_FULL`; `RATE_LIMITED` after too
/// many wrong ones.
pub async fn join_by_id(
    node: &Arc<Node>,
    passwords: &Passwords,
    caller: &Caller,
    id: ConversationId,
    password: Option<&str>,
) -> Result<ConversationView, ApiError> {
    let door = node.store.door(&Doorway::Id(id), caller.user.key).await?;
    let mut door = door.ok_or_else(|| ApiError::not_found("conversation"))?;
    if door.role.is_none() {
        may_join(door.conversation.kind, Way::Open).map_err(|why| ApiError::new(ErrorCode::Forbidden, why))?;
        if door.password_hash.is_some() {
            door = judge(node, passwords, caller, Some(door), password).await?;
        }
    }
    enter(node, caller, door, None).await
}

/// Comes in by an invite code, as somebody typed it; the conversation as the caller sees it then.
///
/// # Errors
/// `NOT_FOUND` for a wrong code, `FORBIDDEN` for a wrong password and a missing one; `ROOM_FULL`, `LIMIT_REACHED`;
/// `RATE_LIMITED` after too many wrong ones.
pub async fn join_by_code(
    node: &Arc<Node>,
    passwords: &Passwords,
    caller: &Caller,
    code: &str,
    password: Option<&str>,
) -> Result<ConversationView, ApiError> {
    let code = InviteCode::parse(code);
    let door = match &code {
        Some(code) => {
            let doorway = Doorway::Code(code.clone());
            node.store.door(&doorway, caller.user.key).await?
        }
        None => None,
    };
    let door = judge(node, passwords, caller, door, password).await?;
    enter(node, caller, door, code).await
}

/// Lets nobody by who guessed wrong, and nobody at all who did so too often: not even with what is right, so that they can't
/// tell. Asked before any password is hashed.
async fn judge(
    node: &Node,
    passwords: &Passwords,
    caller: &Caller,
    door: Option<Door>,
    password: Option<&str>,
) -> Result<Door, ApiError> {
    let guess = node.rates.guess(caller.user.key)?;
    let Some(door) = door else {
        return Err(ApiError::not_found("invite code"));
    };
    let forbidden = |why| ApiError::new(ErrorCode::Forbidden, why);
    let outcome = match (&door.password_hash, password) {
        _ if door.role.is_some() => Ok(true),
        (None, _) => Ok(true),
        (Some(_), None) => Err(forbidden("this conversation asks for a password")),
        (Some(hash), Some(password)) => passwords.verify(password, Some(hash.expose())).await,
    };
    if let Ok(false) = outcome {
        return Err(forbidden("this is not the password of this conversation"));
    }
    guess.give_back();
    outcome.map(|_| door)
}

async fn enter(
    node: &Arc<Node>,
    caller: &Caller,
    door: Door,
    code: Option<InviteCode>,
) -> Result<ConversationView, ApiError> {
    let id = door.conversation.id;
    if door.role.is_none() {
        let pass = Pass {
            code,
            password_hash: door.password_hash,
        };
        submit(node, caller, id, Request::Join(Box::new(pass))).await?;
    }
    if let Some(view) = node.store.conversation_view(id, caller.user.key).await? {
        return Ok(view);
    }
    // Removed again meanwhile, or the conversation is no more.
    require_member(node, caller, id).await?;
    Err(ApiError::unavailable())
}

/// A new invite code; the one before lets nobody in any more.
///
/// # Errors
/// `FORBIDDEN` but for the owner and admins, and in a direct conversation.
pub async fn new_invite_code(node: &Arc<Node>, caller: &Caller, id: ConversationId) -> Result<InviteCode, ApiError> {
    let code = InviteCode::generate(node.entropy.bytes());
    let settings = Settings {
        invite_code: Some(Some(code.clone())),
        ..Settings::default()
    };
    ask(node, caller, id, Request::Configure(Box::new(settings))).await?;
    Ok(code)
}

/// Takes the invite code away: nobody comes in by one.
///
/// # Errors
/// As [`new_invite_code`]; `VALIDATION_ERROR` for a room, which has no other door.
pub async fn take_invite_code(node: &Arc<Node>, caller: &Caller, id: ConversationId) -> Result<(), ApiError> {
    let settings = Settings {
        invite_code: Some(None),
        ..Settings::default()
    };
    ask(node, caller, id, Request::Configure(Box::new(settings)))
        .await
        .map(drop)
}
