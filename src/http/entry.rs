//! Finding channels, joining, and invite codes over REST. Only parses and words: what opens which door is decided in
//! `actors::commands`. Never logs a code or a password.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    http::header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    web::{Data, Json, Path, Query},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    State,
    conversations::OneConversation,
    error::ErrorBody,
    extract::{Auth, Body, PageSize},
    openapi::MembersOnly,
};
use crate::{
    actors::commands,
    domain::{ConversationId, Invalid, conversation::ChannelView, limits},
    protocol::ApiError,
};

/// Which channels.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChannelQuery {
    /// What their names begin with, in any case; all when it is empty.
    #[serde(default)]
    query: String,
    /// At most how many.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 50)]
    limit: PageSize<{ limits::PAGE_DEFAULT }>,
    /// The `nextCursor` of the page before; opaque.
    cursor: Option<String>,
}

/// A page of channels.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelList {
    /// By slug.
    channels: Vec<ChannelView>,
    /// Asks for the next page; `null` on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Channels
///
/// Those that anybody may join, the caller's own among them.
#[utoipa::path(get, path = "/api/channels", params(ChannelQuery), responses(
    (status = 200, description = "A page of them", body = ChannelList),
))]
pub async fn list_channels(
    state: Data<State>,
    auth: Auth,
    query: Query<ChannelQuery>,
) -> Result<Json<ChannelList>, ApiError> {
    let ChannelQuery { query, limit, cursor } = query.into_inner();
    for (field, text) in [("query", Some(&query)), ("cursor", cursor.as_ref())] {
        // No name has one, and no database compares them alike.
        if text.is_some_and(|text| text.contains(char::is_control)) {
            return Err(Invalid::new(field, "must not contain control characters").into());
        }
    }
    let (channels, next_cursor) =
        commands::list_channels(&state.node, &auth.caller, &query, limit.0, cursor.as_deref()).await?;
    Ok(Json(ChannelList { channels, next_cursor }))
}

/// What joining may ask for.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!({}))]
pub struct JoinRequest {
    /// Where there is one.
    #[schema(format = Password)]
    password: Option<String>,
}

/// Join a channel
///
/// Whoever is a member already, of whatever it is, gets the same answer, and nothing happens. Where there is no password,
/// the body may be left away.
#[utoipa::path(post, path = "/api/conversations/{id}/join", request_body = JoinRequest,
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses(
        (status = 200, description = "A member", body = OneConversation),
        (status = 403, description = "FORBIDDEN: by invitation only; or the password is wrong or missing", body = ErrorBody),
        (status = 404, description = "NOT_FOUND: there is no such conversation", body = ErrorBody),
        (status = 409, description = "ROOM_FULL: as many members as may be", body = ErrorBody),
    ))]
pub async fn join_conversation(
    state: Data<State>,
    request: HttpRequest,
    auth: Auth,
    id: Path<ConversationId>,
    body: Result<Body<JoinRequest>, Error>,
) -> Result<Json<OneConversation>, Error> {
    let JoinRequest { password } = match body {
        Ok(body) => body.into_inner(),
        Err(_) if has_no_body(&request) => JoinRequest::default(),
        Err(error) => return Err(error),
    };
    let (node, passwords) = (&state.node, &state.passwords);
    let conversation = commands::join_by_id(node, passwords, &auth.caller, *id, password.as_deref()).await?;
    Ok(Json(OneConversation { conversation }))
}

fn has_no_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    !headers.contains_key(TRANSFER_ENCODING) && matches!(length, None | Some("0"))
}

/// An invitation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"inviteCode": "4T2C8VD2T6K3RBQZ0WJ5NHM7XE"}))]
pub struct CodeRequest {
    /// In any case, with hyphens and spaces as you like.
    invite_code: String,
    /// Where there is one.
    #[schema(format = Password)]
    password: Option<String>,
}

/// Join by an invite code
///
/// Whoever is a member already gets the same answer, and nothing happens.
#[utoipa::path(post, path = "/api/conversations/join-by-code", request_body = CodeRequest,
    responses(
        (status = 200, description = "A member", body = OneConversation),
        (status = 403, description = "FORBIDDEN: the password is wrong or missing", body = ErrorBody),
        (status = 404, description = "NOT_FOUND: there is no such invite code", body = ErrorBody),
        (status = 409, description = "ROOM_FULL: as many members as may be; LIMIT_REACHED: in as many rooms as may be",
            body = ErrorBody),
    ))]
pub async fn join_by_code(
    state: Data<State>,
    auth: Auth,
    body: Body<CodeRequest>,
) -> Result<Json<OneConversation>, ApiError> {
    let CodeRequest { invite_code, password } = body.into_inner();
    let (node, passwords) = (&state.node, &state.passwords);
    let conversation = commands::join_by_code(node, passwords, &auth.caller, &invite_code, password.as_deref()).await?;
    Ok(Json(OneConversation { conversation }))
}

/// What lets in who knows it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"inviteCode": "4T2C8VD2T6K3RBQZ0WJ5NHM7XE"}))]
pub struct InviteCodeBody {
    /// 128 random bits.
    invite_code: String,
}

/// Make a new invite code
///
/// For the owner and admins of what is not direct. The code before lets nobody in any more.
#[utoipa::path(post, path = "/api/conversations/{id}/invite-code",
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses((status = 200, description = "The code from now on", body = InviteCodeBody), MembersOnly))]
pub async fn new_invite_code(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
) -> Result<Json<InviteCodeBody>, ApiError> {
    let code = commands::new_invite_code(&state.node, &auth.caller, *id).await?;
    Ok(Json(InviteCodeBody {
        invite_code: code.as_str().to_owned(),
    }))
}

/// Take the invite code away
///
/// For the owner and admins of a group or channel. A room has no other door: it always has a code.
#[utoipa::path(delete, path = "/api/conversations/{id}/invite-code",
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses((status = 204, description = "Nobody comes in by a code"), MembersOnly))]
pub async fn take_invite_code(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
) -> Result<HttpResponse, ApiError> {
    commands::take_invite_code(&state.node, &auth.caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
