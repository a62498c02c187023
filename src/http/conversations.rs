//! Conversations over REST: the list, details, find-or-create, making one. Only parses and words: what happens is in
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
    extract::{Auth, Body, PageSize, given},
    openapi::MembersOnly,
    settings::{check_policies, pause},
};
use crate::{
    actors::commands::{self, CreateRequest, FoundOrCreated, MemberView},
    domain::{
        ConversationId, ConversationName, Invalid, Kind, Password, PasswordHash, Slug, UserId,
        conversation::ConversationView, limits,
    },
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
    body: Body<DirectRequest>,
) -> Result<HttpResponse, ApiError> {
    let found = commands::find_or_create_direct(&state.node, &auth.caller, &body.other_user_id).await?;
    let status = if found.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(HttpResponse::build(status).json(found))
}

/// What a room is called that was given no name.
const NAMELESS: &str = "Room";

/// What to make: a group, channel or room.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"kind": "group", "name": "Tea", "memberIds": ["0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f"]}))]
pub struct ConversationRequest {
    kind: Kind,
    /// Needed for a group and for a channel, whose name is unique; a room without one is called "Room".
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Who else belongs to it from the start.
    #[serde(default)]
    member_ids: Vec<UserId>,
    /// What joining by oneself asks for.
    #[schema(min_length = 1, max_length = 256, format = Password)]
    password: Option<String>,
    /// Most members; of a room 16 unless it is given, `null` for no policy.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 2, maximum = 5000)]
    max_members: Option<Option<u32>>,
    /// How long messages are kept; in a room 172800 unless it is given, `null` for ever.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 60, maximum = 2147483647)]
    retention_seconds: Option<Option<u32>>,
    /// Pause between two messages of one user; in a room 1 unless it is given, `null` or 0 for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 3600)]
    slow_mode_seconds: Option<Option<u32>>,
}

impl ConversationRequest {
    /// What to make, and its password, which is still to be hashed.
    fn parse(self) -> Result<(CreateRequest, Option<Password>), Invalid> {
        let kind = self.kind;
        let name = match (self.name, kind) {
            (_, Kind::Direct) => {
                let way = "a direct conversation is made by /api/conversations/find-or-create";
                return Err(Invalid::new("kind", way));
            }
            (Some(name), _) => ConversationName::parse(&name)?,
            (None, Kind::Room) => ConversationName::parse(NAMELESS)?,
            (None, _) => return Err(Invalid::new("name", "is needed for a group and for a channel")),
        };
        let unasked = |of_a_room| Some(of_a_room).filter(|_| kind == Kind::Room);
        let max_members = self.max_members.unwrap_or(unasked(limits::ROOM_MEMBERS));
        let retention_seconds = self
            .retention_seconds
            .unwrap_or(unasked(limits::ROOM_RETENTION_SECONDS));
        let slow_mode_seconds = self
            .slow_mode_seconds
            .unwrap_or(unasked(limits::ROOM_SLOW_MODE_SECONDS));
        check_policies(max_members, retention_seconds, slow_mode_seconds)?;
        let password = self.password.as_deref().map(Password::shared).transpose()?;
        let request = CreateRequest {
            kind,
            slug: (kind == Kind::Channel).then(|| Slug::of(&name)).transpose()?,
            name,
            members: self.member_ids,
            password_hash: None,
            max_members,
            retention_seconds,
            slow_mode_seconds: pause(slow_mode_seconds),
        };
        Ok((request, password))
    }
}

/// A conversation.
#[derive(Serialize, ToSchema)]
pub struct OneConversation {
    pub(super) conversation: ConversationView,
}

/// Make a group, channel or room
///
/// The caller is its owner. A room has an invite code from the start, which is shown to its owner and admins.
#[utoipa::path(post, path = "/api/conversations", request_body = ConversationRequest, responses(
    (status = 201, description = "Made", body = OneConversation),
    (status = 404, description = "NOT_FOUND: one of memberIds is nobody", body = ErrorBody),
    (status = 409, description = "ROOM_FULL: more memberIds than maxMembers allows; CONFLICT: another channel has this \
        name; LIMIT_REACHED: the caller or one of memberIds is in as many rooms as may be", body = ErrorBody),
))]
pub async fn create_conversation(
    state: Data<State>,
    auth: Auth,
    body: Body<ConversationRequest>,
) -> Result<HttpResponse, ApiError> {
    let (mut request, password) = body.into_inner().parse()?;
    if let Some(password) = password {
        request.password_hash = Some(PasswordHash::new(state.passwords.hash(&password).await?));
    }
    let conversation = commands::create_conversation(&state.node, &auth.caller, request).await?;
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

    fn made(json: serde_json::Value) -> CreateRequest {
        let request: ConversationRequest = serde_json::from_value(json).unwrap();
        request.parse().unwrap().0
    }

    #[test]
    fn names_and_policies_are_in_bounds() {
        use serde_json::json;
        assert_eq!(refusal(json!({"kind": "group", "name": "Tea"})), None);
        let all = json!({"kind": "group", "name": "Tea", "memberIds": ["a"], "maxMembers": 5000, "retentionSeconds": 60,
            "slowModeSeconds": 0, "password": "x"});
        assert_eq!(refusal(all), None);
        let with = |field: &str, value: serde_json::Value| {
            let mut body = json!({"kind": "group", "name": "Tea"});
            body[field] = value;
            body
        };
        for (field, bad) in [
            ("name", json!({"kind": "group"})),
            ("name", json!({"kind": "channel"})),
            ("name", json!({"kind": "group", "name": " "})),
            ("name", json!({"kind": "room", "name": " "})),
            ("name", json!({"kind": "channel", "name": "a/b"})),
            ("kind", json!({"kind": "direct", "name": "us"})),
            ("password", with("password", json!(""))),
            ("password", with("password", json!("x".repeat(257)))),
            ("maxMembers", with("maxMembers", json!(1))),
            ("maxMembers", with("maxMembers", json!(5001))),
            ("retentionSeconds", with("retentionSeconds", json!(59))),
            ("slowModeSeconds", with("slowModeSeconds", json!(3601))),
        ] {
            assert_eq!(refusal(bad.clone()), Some(field), "{bad}");
        }
    }

    #[test]
    fn a_room_has_policies_unless_they_are_given() {
        use serde_json::json;
        let policies = |made: CreateRequest| (made.max_members, made.retention_seconds, made.slow_mode_seconds);
        let room = made(json!({"kind": "room"}));
        assert_eq!((room.name.as_str(), &room.slug), ("Room", &None));
        assert_eq!(policies(room), (Some(16), Some(172_800), Some(1)));
        let off = json!({"kind": "room", "maxMembers": null, "retentionSeconds": null, "slowModeSeconds": 0});
        assert_eq!(policies(made(off)), (None, None, None));
        let own = json!({"kind": "room", "maxMembers": 3, "retentionSeconds": 60, "slowModeSeconds": null});
        assert_eq!(policies(made(own)), (Some(3), Some(60), None));
        let channel = made(json!({"kind": "channel", "name": "Tea Room"}));
        assert_eq!(channel.slug.as_ref().map(Slug::as_str), Some("tea-room"));
        assert_eq!(policies(channel), (None, None, None));
    }
}
