//! Conversations over REST: the list, details, find-or-create, making a group. Only parses and words: what happens is in
//! `actors::commands`.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json, Path, Query},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    State, cursor,
    error::ErrorBody,
    extract::{Auth, PageSize},
    openapi::MembersOnly,
    settings::{check_policies, pause},
};
use crate::{
    actors::commands::{self, FoundOrCreated, GroupRequest, MemberView},
    domain::{ConversationId, ConversationName, Invalid, Kind, UserId, conversation::ConversationView, limits},
    protocol::ApiError,
};

/// Which page of the list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// At most how many.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 50)]
    limit: PageSize<{ limits::PAGE_DEFAULT }>,
    /// The `nextCursor` of the page before; opaque.
    cursor: Option<String>,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationList {
    /// Newest activity first.
    conversations: Vec<ConversationView>,
    /// Asks for the next page; `null` on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One's conversations
#[utoipa::path(get, path = "/api/conversations", params(ListQuery), responses(
    (status = 200, description = "A page of them", body = ConversationList),
))]
pub async fn list_conversations(
    state: Data<State>,
    auth: Auth,
    query: Query<ListQuery>,
) -> Result<Json<ConversationList>, ApiError> {
    let after = query.cursor.as_deref().map(cursor::decode).transpose()?;
    let (conversations, next) = commands::list_conversations(&state.node, &auth.caller, query.limit.0, after).await?;
    Ok(Json(ConversationList {
        conversations,
        next_cursor: next.map(cursor::encode),
    }))
}

/// With whom to talk.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"otherUserId": "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f"}))]
pub struct DirectRequest {
    other_user_id: UserId,
}

/// Find or create a direct conversation
///
/// There is one for two users, whoever asks and however many at once.
#[utoipa::path(post, path = "/api/conversations/find-or-create", request_body = DirectRequest, responses(
    (status = 200, description = "There was one", body = FoundOrCreated),
    (status = 201, description = "Made", body = FoundOrCreated),
    (status = 404, description = "NOT_FOUND: there is nobody of that id", body = ErrorBody),
))]
pub async fn find_or_create(
    state: Data<State>,
    auth: Auth,
    body: Json<DirectRequest>,
) -> Result<HttpResponse, ApiError> {
    let found = commands::find_or_create_direct(&state.node, &auth.caller, &body.other_user_id).await?;
    let status = if found.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(HttpResponse::build(status).json(found))
}

/// What to make. Today groups only.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"kind": "group", "name": "Tea", "memberIds": ["0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f"]}))]
pub struct ConversationRequest {
    kind: Kind,
    /// Needed for a group.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Who else belongs to it from the start.
    #[serde(default)]
    member_ids: Vec<UserId>,
    /// Not for groups in this version.
    password: Option<String>,
    /// Most members.
    #[schema(minimum = 2, maximum = 5000)]
    max_members: Option<u32>,
    /// How long messages are kept.
    #[schema(minimum = 60, maximum = 2147483647)]
    retention_seconds: Option<u32>,
    /// Pause between two messages of one user.
    #[schema(minimum = 0, maximum = 3600)]
    slow_mode_seconds: Option<u32>,
}

impl ConversationRequest {
    fn parse(self) -> Result<GroupRequest, Invalid> {
        match self.kind {
            Kind::Group => {}
            Kind::Direct => {
                let way = "a direct conversation is made by /api/conversations/find-or-create";
                return Err(Invalid::new("kind", way));
            }
            Kind::Channel | Kind::Room => return Err(Invalid::new("kind", "is not available in this version")),
        }
        if self.password.is_some() {
            return Err(Invalid::new("password", "is not available for groups in this version"));
        }
        let name = self.name.ok_or_else(|| Invalid::new("name", "is needed for a group"))?;
        check_policies(self.max_members, self.retention_seconds, self.slow_mode_seconds)?;
        Ok(GroupRequest {
            name: ConversationName::parse(&name)?,
            members: self.member_ids,
            max_members: self.max_members,
            retention_seconds: self.retention_seconds,
            slow_mode_seconds: pause(self.slow_mode_seconds),
        })
    }
}

/// A conversation.
#[derive(Serialize, ToSchema)]
pub struct OneConversation {
    pub(super) conversation: ConversationView,
}

/// Make a group
///
/// The caller is its owner.
#[utoipa::path(post, path = "/api/conversations", request_body = ConversationRequest, responses(
    (status = 201, description = "Made", body = OneConversation),
    (status = 404, description = "NOT_FOUND: one of memberIds is nobody", body = ErrorBody),
    (status = 409, description = "ROOM_FULL: more memberIds than maxMembers allows", body = ErrorBody),
))]
pub async fn create_conversation(
    state: Data<State>,
    auth: Auth,
    body: Json<ConversationRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = body.into_inner().parse()?;
    let conversation = commands::create_group(&state.node, &auth.caller, request).await?;
    Ok(HttpResponse::Created().json(OneConversation { conversation }))
}

/// A conversation and who belongs to it.
#[derive(Serialize, ToSchema)]
pub struct ConversationDetails {
    conversation: ConversationView,
    /// Longest-standing first.
    members: Vec<MemberView>,
}

/// A conversation
#[utoipa::path(get, path = "/api/conversations/{id}",
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses((status = 200, description = "Its details", body = ConversationDetails), MembersOnly))]
pub async fn show_conversation(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
) -> Result<Json<ConversationDetails>, ApiError> {
    let (conversation, members) = commands::conversation_details(&state.node, &auth.caller, *id).await?;
    Ok(Json(ConversationDetails { conversation, members }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: serde_json::Value) -> Option<&'static str> {
        let request: ConversationRequest = serde_json::from_value(json).unwrap();
        request.parse().err().map(|invalid| invalid.field)
    }

    #[test]
    fn a_group_has_a_name_and_policies_in_bounds() {
        use serde_json::json;
        assert_eq!(refusal(json!({"kind": "group", "name": "Tea"})), None);
        let all = json!({"kind": "group", "name": "Tea", "memberIds": ["a"], "maxMembers": 5000, "retentionSeconds": 60,
            "slowModeSeconds": 0});
        assert_eq!(refusal(all), None);
        for (field, bad) in [
            ("name", json!({"kind": "group"})),
            ("name", json!({"kind": "group", "name": " "})),
            ("kind", json!({"kind": "direct", "name": "us"})),
            ("kind", json!({"kind": "room", "name": "us"})),
            ("kind", json!({"kind": "channel", "name": "us"})),
            ("password", json!({"kind": "group", "name": "Tea", "password": "x"})),
            ("maxMembers", json!({"kind": "group", "name": "Tea", "maxMembers": 1})),
            (
                "maxMembers",
                json!({"kind": "group", "name": "Tea", "maxMembers": 5001}),
            ),
            (
                "retentionSeconds",
                json!({"kind": "group", "name": "Tea", "retentionSeconds": 59}),
            ),
            (
                "slowModeSeconds",
                json!({"kind": "group", "name": "Tea", "slowModeSeconds": 3601}),
            ),
        ] {
            assert_eq!(refusal(bad.clone()), Some(field), "{bad}");
        }
    }
}
