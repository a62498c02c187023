//! Search over REST. Only parses and words: what happens is in `actors::commands`.

use actix_web::web::{Data, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    State,
    error::ErrorBody,
    extract::{Auth, PageSize},
};
use crate::{
    actors::commands::{self, SearchRequest},
    db::{Before, Hit},
    domain::{
        ConversationId, Invalid, Message, MessageId, Timestamp, UserId, limits,
        words::{Segment, Sought},
    },
    protocol::ApiError,
};

/// What to look for, and where.
#[derive(Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Words, all of which a message must have, in any order; the last one may be only the beginning of one. Upper and lower
    /// case and accents make no difference. There are no operators: everything but letters and digits only separates words,
    /// and where there are none, nothing is found.
    #[serde(default)]
    #[param(min_length = 1, max_length = 200, required = true)]
    q: String,
    /// Only in this conversation; otherwise in all of the caller's (in the 1000 with the newest messages).
    #[param(value_type = Option<ConversationId>)]
    conversation_id: Option<String>,
    /// Only what this user wrote.
    #[param(value_type = Option<UserId>)]
    from: Option<String>,
    /// Only what is older: than the message of this id, the last one of the page before, or than a moment (RFC 3339).
    before: Option<String>,
    /// At most how many messages.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 20)]
    limit: PageSize<{ limits::SEARCH_DEFAULT }>,
}

impl SearchQuery {
    fn parse(&self) -> Result<SearchRequest, Invalid> {
        let named = |field| move |invalid: Invalid| Invalid::new(field, invalid.reason);
        let conversation = self.conversation_id.as_deref().map(str::parse).transpose();
        let from = self.from.as_deref().map(UserId::parse).transpose();
        Ok(SearchRequest {
            sought: Sought::parse(&self.q)?,
            conversation: conversation.map_err(named("conversationId"))?,
            from: from.map_err(named("from"))?,
            before: self.before.as_deref().map(before).transpose()?,
            limit: self.limit.0,
        })
    }
}

fn before(text: &str) -> Result<Before, Invalid> {
    let message = text.parse::<MessageId>().ok().filter(|id| id.claimed_at().is_some());
    message
        .map(Before::Message)
        .or_else(|| Timestamp::parse(text).map(Before::Time))
        .ok_or_else(|| Invalid::new("before", "must be a message's id or a time (RFC 3339)"))
}

/// A message that was found: in its latest form, with the pieces of its content.
#[derive(Serialize, ToSchema)]
struct FoundMessage {
    #[serde(flatten)]
    message: Message,
    /// The whole content in pieces, one behind the other; plain text like the content itself.
    highlights: Vec<Segment>,
}

impl From<Hit> for FoundMessage {
    fn from(hit: Hit) -> Self {
        Self {
            message: hit.message,
            highlights: hit.highlights,
        }
    }
}

/// A page of what was found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchPage {
    /// Newest first.
    messages: Vec<FoundMessage>,
    /// Whether there are older ones: ask again with `before`, the id of the last one.
    has_more: bool,
}

/// Search
///
/// Text messages of the caller's conversations, by their words. What is deleted or gone is not found, what was edited is
/// found under its new words only.
#[utoipa::path(get, path = "/api/search", params(SearchQuery), responses(
    (status = 200, description = "What was found", body = SearchPage),
    (status = 403, description = "NOT_MEMBER: not a member of the conversation that was named", body = ErrorBody),
    (status = 404, description = "NOT_FOUND: there is no such conversation", body = ErrorBody),
))]
pub async fn search(state: Data<State>, auth: Auth, query: Query<SearchQuery>) -> Result<Json<SearchPage>, ApiError> {
    let request = query.parse()?;
    let found = commands::search(&state.node, &auth.caller, request).await?;
    Ok(Json(SearchPage {
        messages: found.hits.into_iter().map(FoundMessage::from).collect(),
        has_more: found.has_more,
    }))
}

#[cfg(test)]
mod tests {
    use actix_web::web;

    use super::*;

    #[test]
    fn what_is_looked_for_is_parsed() {
        const ID: &str = "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f";
        let parse = |query: &str| {
            let query = web::Query::<SearchQuery>::from_query(query).map_err(|error| error.to_string())?;
            query.parse().map_err(|invalid| invalid.to_string())
        };
        let request = parse("q=tea").unwrap();
        assert_eq!(
            (request.limit, request.conversation, request.from, request.before),
            (20, None, None, None)
        );
        let request = parse(&format!(
            "q=tea&conversationId={ID}&from=u-1&before={ID}&limit=100&token=x"
        ))
        .unwrap();
        assert_eq!(request.before, Some(Before::Message(ID.parse().unwrap())));
        let request = parse("q=tea&before=2026-01-17T23:44:37.120Z").unwrap();
        let moment = Timestamp::from_millis(1_768_693_477_120);
        assert_eq!(request.before, Some(Before::Time(moment)));
        let request = parse("q=tea&before=2026-01-18T01:44:37.120%2B02:00").unwrap();
        assert_eq!(request.before, Some(Before::Time(moment)));
        for (bad, field) in [
            ("", "q:"),
            ("q=", "q:"),
            (&format!("q={}", "x".repeat(201)), "q:"),
            ("q=x&conversationId=1", "conversationId:"),
            ("q=x&from=a/b", "from:"),
            ("q=x&from=", "from:"),
            ("q=x&before=yesterday", "before:"),
            ("q=x&before=a9e3f5a4-7a3e-4c3a-9d35-0a1b2c3d4e5f", "before:"),
            ("q=x&limit=101", "limit:"),
            ("q=x&limit=0", "limit:"),
        ] {
            let refusal = parse(bad).unwrap_err();
            assert!(refusal.contains(field), "{bad}: {refusal}");
        }
    }
}
