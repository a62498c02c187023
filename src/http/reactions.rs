//! Reactions over REST. Only parses and words: what happens is in `actors::commands`.

use actix_web::web::{Data, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::{State, error::ErrorBody, extract::Auth, openapi::MembersOnly};
use crate::{
    actors::commands,
    domain::{ConversationId, MessageId, Reaction},
    protocol::ApiError,
};

/// Who reacted to a message, and with what.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"reactions": [{"emoji": "heart", "userIds": ["u-1"]}]}))]
pub struct Reactions {
    /// In the order in which the emoji were first used.
    reactions: Vec<Reaction>,
}

/// React
///
/// With an emoji of the configured set; the same one again changes nothing.
#[utoipa::path(put, path = "/api/conversations/{id}/messages/{messageId}/reactions/{emoji}",
    params(("id" = ConversationId, Path, description = "Which conversation"),
        ("messageId" = MessageId, Path, description = "Which message"),
        ("emoji" = String, Path, description = "With what")),
    responses((status = 200, description = "All of the message's reactions now", body = Reactions), MembersOnly,
        (status = 409, description = "CONFLICT: it is deleted. LIMIT_REACHED: it has as many as it may", body = ErrorBody)))]
pub async fn add_reaction(
    state: Data<State>,
    auth: Auth,
    path: Path<(ConversationId, MessageId, String)>,
) -> Result<Json<Reactions>, ApiError> {
    react(&state, &auth, path, true).await
}

/// Take a reaction back
///
/// One's own; one that is not there changes nothing.
#[utoipa::path(delete, path = "/api/conversations/{id}/messages/{messageId}/reactions/{emoji}",
    params(("id" = ConversationId, Path, description = "Which conversation"),
        ("messageId" = MessageId, Path, description = "Which message"),
        ("emoji" = String, Path, description = "With what")),
    responses((status = 200, description = "All of the message's reactions now", body = Reactions), MembersOnly,
        (status = 409, description = "CONFLICT: it is deleted", body = ErrorBody)))]
pub async fn remove_reaction(
    state: Data<State>,
    auth: Auth,
    path: Path<(ConversationId, MessageId, String)>,
) -> Result<Json<Reactions>, ApiError> {
    react(&state, &auth, path, false).await
}

async fn react(
    state: &State,
    auth: &Auth,
    path: Path<(ConversationId, MessageId, String)>,
    add: bool,
) -> Result<Json<Reactions>, ApiError> {
    let (id, message, emoji) = path.into_inner();
    let reactions = commands::react(&state.node, &auth.caller, id, message, &emoji, add).await?;
    Ok(Json(Reactions { reactions }))
}
