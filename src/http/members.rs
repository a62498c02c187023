//! Who belongs to a conversation and as what, over REST: list, add, give a role, remove, leave. Only parses and words: who may what is the room's
//! to decide.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    State,
    error::ErrorBody,
    extract::{Auth, Body},
    openapi::MembersOnly,
};
use crate::{
    actors::commands::{self, MemberView},
    domain::{ConversationId, Role, User, UserId},
    protocol::ApiError,
};

/// Who belongs to it.
#[derive(Serialize, ToSchema)]
pub struct MemberList {
    /// Longest-standing first.
    members: Vec<MemberView>,
}

/// Members
#[utoipa::path(get, path = "/api/conversations/{id}/members",
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses((status = 200, description = "Who belongs to it", body = MemberList), MembersOnly))]
pub async fn list_members(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
) -> Result<Json<MemberList>, ApiError> {
    let (conversation, _) = commands::require_member(&state.node, &auth.caller, *id).await?;
    let members = commands::list_members(&state.node, &conversation).await?;
    Ok(Json(MemberList { members }))
}

/// Whom to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"userId": "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f"}))]
pub struct AddRequest {
    user_id: UserId,
}

/// Somebody who belongs to it.
#[derive(Serialize, ToSchema)]
pub struct MemberRole {
    user: Arc<User>,
    role: Role,
}

/// Add a member
///
/// For the owner and admins. Their open sessions get what comes from now on.
#[utoipa::path(post, path = "/api/conversations/{id}/members", request_body = AddRequest,
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses(
        (status = 201, description = "Added", body = MemberRole),
        MembersOnly,
        (status = 409, description = "CONFLICT: a member already; ROOM_FULL: as many members as may be", body = ErrorBody),
    ))]
pub async fn add_member(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
    body: Body<AddRequest>,
) -> Result<HttpResponse, ApiError> {
    let user = commands::add_member(&state.node, &auth.caller, *id, &body.user_id).await?;
    let role = Role::Member;
    Ok(HttpResponse::Created().json(MemberRole { user, role }))
}

/// What a member shall be.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"role": "admin"}))]
pub struct RoleRequest {
    role: Role,
}

/// Give a member a role
///
/// For the owner. `owner` passes the ownership on: whoever was the owner is an admin then. Every member is told by a system
/// message; what is so already changes nothing and tells nobody.
#[utoipa::path(patch, path = "/api/conversations/{id}/members/{userId}", request_body = RoleRequest,
    params(("id" = ConversationId, Path, description = "Which conversation"),
        ("userId" = UserId, Path, description = "Whom")),
    responses((status = 200, description = "They are that now", body = MemberRole), MembersOnly))]
pub async fn set_role(
    state: Data<State>,
    auth: Auth,
    path: Path<(ConversationId, UserId)>,
    body: Body<RoleRequest>,
) -> Result<Json<MemberRole>, ApiError> {
    let (id, user) = path.into_inner();
    let role = body.role;
    let user = commands::set_role(&state.node, &auth.caller, id, &user, role).await?;
    Ok(Json(MemberRole { user, role }))
}

/// Remove a member
///
/// For the owner and admins, and only of a lower role; oneself is to leave. Once answered, nothing of the conversation
/// reaches the removed any more.
#[utoipa::path(delete, path = "/api/conversations/{id}/members/{userId}",
    params(("id" = ConversationId, Path, description = "Which conversation"),
        ("userId" = UserId, Path, description = "Whom")),
    responses((status = 204, description = "Removed"), MembersOnly))]
pub async fn remove_member(
    state: Data<State>,
    auth: Auth,
    path: Path<(ConversationId, UserId)>,
) -> Result<HttpResponse, ApiError> {
    let (id, user) = path.into_inner();
    commands::remove_member(&state.node, &auth.caller, id, &user).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Leave
///
/// An owner hands over to the longest-standing admin, otherwise to the longest-standing member. A body is not looked at.
#[utoipa::path(post, path = "/api/conversations/{id}/leave",
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses((status = 204, description = "Left"), MembersOnly))]
pub async fn leave_conversation(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
) -> Result<HttpResponse, ApiError> {
    commands::leave_for_good(&state.node, &auth.caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
