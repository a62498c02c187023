//! Messages over REST: history, send, edit, delete, mark as read. Only parses and words: what happens is in `actors::commands`.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json, Path, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{
    State,
    error::ErrorBody,
    extract::{Auth, Body, PageSize},
    openapi::MembersOnly,
};
use crate::{
    actors::commands::{self, HistoryRequest, ReadState},
    db::HistoryAt,
    domain::{Content, ConversationId, Invalid, Message, MessageId, Seq, limits, message::Draft},
    protocol::{ApiError, command::ReadUpTo},
};

/// Which page of history: the newest, or one beside a message.
#[derive(Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// What stands just before this message.
    #[param(value_type = Option<MessageId>)]
    before: Option<String>,
    /// What stands just after this message.
    #[param(value_type = Option<MessageId>)]
    after: Option<String>,
    /// This message in the middle.
    #[param(value_type = Option<MessageId>)]
    around: Option<String>,
    /// At most how many messages.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 50)]
    limit: PageSize<{ limits::PAGE_DEFAULT }>,
    /// Whether this counts as having read up to the newest message of the page.
    #[param(value_type = Option<bool>, default = true)]
    mark_read: Option<String>,
}

impl HistoryQuery {
    fn parse(&self) -> Result<HistoryRequest, Invalid> {
        let message = |field, text: &str| {
            text.parse::<MessageId>()
                .map_err(|invalid| Invalid::new(field, invalid.reason))
        };
        let at = match (&self.before, &self.after, &self.around) {
            (None, None, None) => HistoryAt::Newest,
            (Some(id), None, None) => HistoryAt::Before(message("before", id)?),
            (None, Some(id), None) => HistoryAt::After(message("after", id)?),
            (None, None, Some(id)) => HistoryAt::Around(message("around", id)?),
            _ => {
                return Err(Invalid::new(
                    "before",
                    "excludes after and around: give one of the three",
                ));
            }
        };
        let mark_read = match self.mark_read.as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(Invalid::new("markRead", "must be true or false")),
        };
        Ok(HistoryRequest {
            at,
            limit: self.limit.0,
            mark_read,
        })
    }
}

/// A page of history.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryPage {
    /// Oldest first.
    messages: Vec<Message>,
    /// Whether there are older ones.
    has_more: bool,
    /// Whether there are newer ones.
    has_more_after: bool,
}

/// History
///
/// `before`, `after` and `around` exclude each other. NOT_FOUND also for a message that is not in this conversation.
#[utoipa::path(get, path = "/api/conversations/{id}/messages",
    params(("id" = ConversationId, Path, description = "Which conversation"), HistoryQuery),
    responses((status = 200, description = "A page of it", body = HistoryPage), MembersOnly))]
pub async fn read_history(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
    query: Query<HistoryQuery>,
) -> Result<Json<HistoryPage>, ApiError> {
    let request = query.parse()?;
    let page = commands::history(&state.node, &auth.caller, *id, request).await?;
    Ok(Json(HistoryPage {
        messages: page.messages,
        has_more: page.has_more,
        has_more_after: page.has_more_after,
    }))
}

/// What to send.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"content": "hello", "clientId": "c-1"}))]
pub struct MessageRequest {
    /// Of a text 1 to 2000 characters after trimming; of an image the `url` that an upload was answered with; of a drawing
    /// `{operations, width, height}`.
    #[schema(value_type = Content)]
    content: Box<RawValue>,
    /// `text`, which is also what it is when it is not given, `image` or `drawing`; `system` for administrators of the server:
    /// the server says it, to any conversation.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Makes the call repeatable: the same one sends nothing again, and is answered with the first message.
    #[schema(min_length = 1, max_length = 64)]
    client_id: Option<String>,
    /// The message it answers.
    #[schema(format = "uuid")]
    reply_to_id: Option<String>,
}

/// A message.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"message": {"id": "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f", "conversationId": "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f",
    "seq": 42, "changeSeq": 42, "type": "text", "content": "hello",
    "sender": {"id": "u-1", "name": "alice", "displayName": "Alice", "avatarUrl": null},
    "clientId": "c-1", "replyToId": null, "replyTo": null, "mentions": [], "reactions": [], "createdAt": "2026-01-17T23:44:37.120Z", "editedAt": null,
    "deletedAt": null}}))]
pub struct OneMessage {
    message: Message,
}

/// Send a message
///
/// Answered after the commit. UNAVAILABLE means that the outcome may be unknown: repeat it with the same `clientId`.
#[utoipa::path(post, path = "/api/conversations/{id}/messages", request_body = MessageRequest,
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses(
        (status = 200, description = "The clientId was known: nothing was sent, here is the first message", body = OneMessage),
        (status = 201, description = "Sent", body = OneMessage),
        MembersOnly,
        (status = 409, description = "CONFLICT: the clientId was used for another content", body = ErrorBody),
    ))]
pub async fn send_message(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
    body: Body<MessageRequest>,
) -> Result<HttpResponse, ApiError> {
    let (client_id, reply_to) = (body.client_id.as_deref(), body.reply_to_id.as_deref());
    let sent = match body.kind.as_deref() {
        Some("system") if auth.caller.admin && !auth.acting => {
            let draft = Draft::announcement(&body.content, client_id, reply_to)?;
            commands::announce(&state.node, &auth.caller, *id, draft).await?
        }
        kind => {
            let draft = Draft::parse(kind, &body.content, client_id, reply_to)?;
            commands::send_message(&state.node, &auth.caller, *id, draft).await?
        }
    };
    let status = if sent.repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(HttpResponse::build(status).json(OneMessage { message: sent.message }))
}

/// What a message is to say.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"content": "hello, all"}))]
pub struct EditRequest {
    /// 1 to 2000 characters after trimming.
    #[schema(value_type = String, min_length = 1)]
    content: Box<RawValue>,
}

/// Edit a message
///
/// One's own text. The same content again changes nothing; what it said before is kept for administrators.
#[utoipa::path(patch, path = "/api/conversations/{id}/messages/{messageId}", request_body = EditRequest,
    params(("id" = ConversationId, Path, description = "Which conversation"),
        ("messageId" = MessageId, Path, description = "Which message")),
    responses((status = 200, description = "As it is now", body = OneMessage), MembersOnly,
        (status = 409, description = "CONFLICT: it is deleted", body = ErrorBody)))]
pub async fn edit_message(
    state: Data<State>,
    auth: Auth,
    path: Path<(ConversationId, MessageId)>,
    body: Body<EditRequest>,
) -> Result<Json<OneMessage>, ApiError> {
    let (id, message) = path.into_inner();
    let content = Content::text_json(&body.content)?;
    let message = commands::edit_message(&state.node, &auth.caller, id, message, content).await?;
    Ok(Json(OneMessage { message }))
}

/// A deletion.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"messageId": "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f", "seq": 43}))]
pub struct Deleted {
    message_id: MessageId,
    /// The position of the deletion.
    seq: Seq,
}

/// Delete a message
///
/// One's own, or anybody's as owner or admin. The message stays in history without its content.
#[utoipa::path(delete, path = "/api/conversations/{id}/messages/{messageId}",
    params(("id" = ConversationId, Path, description = "Which conversation"),
        ("messageId" = MessageId, Path, description = "Which message")),
    responses((status = 200, description = "Deleted, now or before", body = Deleted), MembersOnly))]
pub async fn delete_message(
    state: Data<State>,
    auth: Auth,
    path: Path<(ConversationId, MessageId)>,
) -> Result<Json<Deleted>, ApiError> {
    let (id, message_id) = path.into_inner();
    let seq = commands::delete_message(&state.node, &auth.caller, id, message_id).await?;
    Ok(Json(Deleted { message_id, seq }))
}

/// Up to where one has read: one of both.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"seq": 42}))]
pub struct ReadRequest {
    seq: Option<Seq>,
    message_id: Option<MessageId>,
}

/// Mark as read
///
/// The cursor only moves forward.
#[utoipa::path(post, path = "/api/conversations/{id}/read", request_body = ReadRequest,
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses((status = 200, description = "Where the cursor stands", body = ReadState), MembersOnly))]
pub async fn mark_read(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
    body: Body<ReadRequest>,
) -> Result<Json<ReadState>, ApiError> {
    let upto = ReadUpTo::parse(body.message_id, body.seq)?;
    commands::mark_read(&state.node, &auth.caller, *id, upto)
        .await
        .map(Json)
}

#[cfg(test)]
mod tests {
    use actix_web::web;

    use super::*;

    #[test]
    fn a_page_is_beside_one_message_at_the_most() {
        const ID: &str = "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f";
        let parse = |query: &str| {
            let query = web::Query::<HistoryQuery>::from_query(query).map_err(|error| error.to_string())?;
            query.parse().map_err(|invalid| invalid.to_string())
        };
        let newest = parse("").unwrap();
        assert_eq!(
            (newest.at, newest.limit, newest.mark_read),
            (HistoryAt::Newest, 50, true)
        );
        let page = parse(&format!("around={ID}&limit=100&markRead=false&token=x")).unwrap();
        assert_eq!(
            (page.at, page.limit, page.mark_read),
            (HistoryAt::Around(ID.parse().unwrap()), 100, false)
        );
        for (bad, field) in [
            ("before=x", "before:"),
            ("after=", "after:"),
            ("limit=0", "limit:"),
            ("limit=101", "limit:"),
            ("limit=-1", "limit:"),
            ("limit=", "limit:"),
            ("markRead=maybe", "markRead:"),
            (&format!("before={ID}&after={ID}"), "before:"),
        ] {
            let refusal = parse(bad).unwrap_err();
            assert!(refusal.contains(field), "{bad}: {refusal}");
        }
    }
}
