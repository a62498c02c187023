//! Who has read a message, and what it said before, over REST. Only parses and words: what happens is in `actors::commands`.

use std::sync::Arc;

use actix_web::web::{Data, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::{State, extract::Auth, openapi::MembersOnly};
use crate::{
    actors::commands,
    domain::{Content, ConversationId, MessageId, Timestamp, User},
    protocol::ApiError,
};

/// That somebody has read a message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Who.
    user: Arc<User>,
    /// When their read cursor first reached it.
    read_at: Timestamp,
}

/// Who has read a message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipts {
    /// Members of now but its sender, who were members when it was sent; whoever read it first is first.
    read_by: Vec<Receipt>,
}

/// Who has read a message
#[utoipa::path(get, path = "/api/conversations/{id}/messages/{messageId}/receipts",
    params(("id" = ConversationId, Path, description = "Which conversation"),
        ("messageId" = MessageId, Path, description = "Which message")),
    responses((status = 200, description = "Those who have", body = Receipts), MembersOnly))]
pub async fn show_receipts(
    state: Data<State>,
    auth: Auth,
    path: Path<(ConversationId, MessageId)>,
) -> Result<Json<Receipts>, ApiError> {
    let (id, message) = path.into_inner();
    let receipts = commands::receipts(&state.node, &auth.caller, id, message).await?;
    let read_by = receipts.into_iter().map(|receipt| Receipt {
        user: receipt.user,
        read_at: receipt.at,
    });
    Ok(Json(Receipts {
        read_by: read_by.collect(),
    }))
}

/// What a message said for a time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    content: Content,
    /// Since when.
    written_at: Timestamp,
}

/// All that a message has said.
#[derive(Serialize, ToSchema)]
pub struct Versions {
    /// Oldest first; the last one is what it says now, or said when it was deleted.
    versions: Vec<Version>,
}

/// What a message said before
///
/// Of edited and of deleted messages, for as long as retention keeps them.
#[utoipa::path(get, path = "/api/conversations/{id}/messages/{messageId}/versions",
    params(("id" = ConversationId, Path, description = "Which conversation"),
        ("messageId" = MessageId, Path, description = "Which message")),
    responses((status = 200, description = "All of it", body = Versions),
        (status = 404, description = "NOT_FOUND: no such conversation or message", body = super::error::ErrorBody)))]
pub async fn show_versions(
    state: Data<State>,
    auth: Auth,
    path: Path<(ConversationId, MessageId)>,
) -> Result<Json<Versions>, ApiError> {
    let (id, message) = path.into_inner();
    let versions = commands::versions(&state.node, &auth.caller, id, message).await?;
    let versions = versions.into_iter().map(|version| Version {
        content: version.content,
        written_at: version.written_at,
    });
    Ok(Json(Versions {
        versions: versions.collect(),
    }))
}
