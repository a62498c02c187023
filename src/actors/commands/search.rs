//! Search: the words of text messages, in one conversation or in all of the caller's. A read of the store; who is no member
//! finds nothing there.

use std::sync::Arc;

use super::{Caller, require_member};
use crate::{
    actors::Node,
    db::{Before, Found, Search},
    domain::{ConversationId, UserId, words::Sought},
    protocol::ApiError,
};

/// What is looked for, parsed.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// The words.
    pub sought: Sought,
    /// Only in this conversation.
    pub conversation: Option<ConversationId>,
    /// Only what this user wrote; somebody who does not exist wrote nothing.
    pub from: Option<UserId>,
    /// Only what is older.
    pub before: Option<Before>,
    /// At most how many messages.
    pub limit: usize,
}

/// A page of what fits, newest first.
///
/// # Errors
/// `NOT_FOUND` and `NOT_MEMBER` for the conversation that was named.
pub async fn search(node: &Arc<Node>, caller: &Caller, request: SearchRequest) -> Result<Found, ApiError> {
    let conversation = match request.conversation {
        Some(id) => Some(require_member(node, caller, id).await?.0.key),
        None => None,
    };
    let from = match request.from {
        Some(id) => match node.store.users(std::slice::from_ref(&id)).await?.pop() {
            Some(user) => Some(user.key),
            None => {
                let (hits, has_more) = (Vec::new(), false);
                return Ok(Found { hits, has_more });
            }
        },
        None => None,
    };
    let search = Search {
        sought: request.sought,
        conversation,
        from,
        before: request.before,
        limit: request.limit,
    };
    Ok(node.store.search(caller.user.key, search).await?)
}
