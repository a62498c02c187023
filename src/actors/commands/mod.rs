//! What clients may ask of the engine, one verb a file, the same for WebSocket and REST: who may, then what. Called by
//! sessions and by `http`. What enters a conversation goes to its room; what is only read comes from the store.

mod conversations;
mod entry;
mod join;
mod members;
mod messages;
mod presence;
mod search;
mod settings;
mod sync;
mod uploads;
mod users;

use std::{sync::Arc, time::Duration};

use actix::{Addr, dev::SendError};
use tokio::time::Instant;

use super::{
    Node,
    relay::SessionRef,
    reply::{Answer, Reply},
    room::{Request, Room, Submit},
};
use crate::{
    domain::{Conversation, ConversationId, Role, User, limits},
    protocol::ApiError,
};

pub use conversations::{
    CreateRequest, FoundOrCreated, conversation_details, create_conversation, find_or_create_direct, list_conversations,
};
pub use entry::{join_by_code, join_by_id, list_channels, new_invite_code, take_invite_code};
pub use join::{Joined, Left, MemberView, join_conversation, leave_conversation, list_members};
pub use members::{add_member, leave_for_good, remove_member, set_role};
pub use messages::{
    HistoryRequest, ReadState, Sent, announce, delete_message, edit_message, history, mark_read, react, receipts,
    send_message, versions,
};
pub use presence::{PresenceList, PresenceView, get_presence};
pub use search::{SearchRequest, search};
pub use settings::{delete_conversation, password_hash, update_conversation};
pub use sync::{Synced, sync};
pub use uploads::{begin_upload, upload_image};
pub use users::{ProductUser, put_user};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub user: Arc<User>,
    /// Whether they are an administrator of the server. Being one gives no way into other people's conversations.
    pub admin: bool,
    /// Over which session; `None` over REST.
    pub session: Option<SessionRef>,
}

/// How long a command may take, so that the contract's promise of an answer holds.
pub const ANSWERED_WITHIN: Duration = Duration::from_millis(limits::ANSWER_WITHIN_MS);

/// Runs a command within the time that the contract promises an answer in.
pub async fn in_time<T>(command: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    tokio::time::timeout(ANSWERED_WITHIN, command)
        .await
        .unwrap_or_else(|_| Err(ApiError::unavailable()))
}

/// The conversation and the caller's role in it.
///
/// # Errors
/// `NOT_FOUND`, `NOT_MEMBER`, `UNAVAILABLE`.
pub async fn require_member(
    node: &Node,
    caller: &Caller,
    id: ConversationId,
) -> Result<(Conversation, Role), ApiError> {
    match node.store.membership(id, caller.user.key).await? {
        None => Err(ApiError::not_found("conversation")),
        Some((_, None)) => Err(ApiError::not_member()),
        Some((conversation, Some(role))) => Ok((conversation, role)),
    }
}

/// Hands a request to a room. A room whose mailbox is full is busier than it can be: `RATE_LIMITED`. One that has just gone
/// drops it, and the reply says `UNAVAILABLE`: asked again, it goes to the room's successor.
pub fn offer(room: &Addr<Room>, submit: Submit) {
    match room.try_send(submit) {
        Ok(()) => {}
        Err(SendError::Full(submit)) => submit.reply.refuse(ApiError::rate_limited(500)),
        Err(SendError::Closed(submit)) => submit.reply.refuse(ApiError::unavailable()),
    }
}

/// Asks a room for a change and waits until it is committed (or refused).
async fn ask(node: &Arc<Node>, caller: &Caller, id: ConversationId, request: Request) -> Result<Answer, ApiError> {
    require_member(node, caller, id).await?;
    submit(node, caller, id, request).await
}

/// The same for whoever need not be a member.
async fn submit(node: &Arc<Node>, caller: &Caller, id: ConversationId, request: Request) -> Result<Answer, ApiError> {
    let (reply, answer) = Reply::to_caller();
    offer(
        &node.rooms.open(node, id),
        Submit {
            by: caller.user.clone(),
            request,
            reply,
            since: Instant::now(),
        },
    );
    answer.await.unwrap_or_else(|_| Err(ApiError::uncertain()))
}
