//! What the server tells clients unasked: every event's name and data, each once. Built by rooms, sessions and presence;
//! encoded once by `envelope`, then handed on as bytes.

use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorCode;
use crate::domain::{
    ConversationId, Emoji, Message, MessageId, Reaction, Seq, SessionId, Timestamp, User, UserId,
    conversation::{ConversationView, SharedView},
    limits,
};

/// An event on its way to clients: `{"event": name, "data": …}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(
    tag = "event",
    content = "data",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Event<'a> {
    /// The first one after connecting.
    Ready {
        session_id: SessionId,
        node_id: &'a str,
        epoch: &'a str,
        user: &'a User,
        server_time: Timestamp,
        heartbeat_seconds: u64,
        limits: Limits,
        reactions: &'a [Emoji],
    },
    /// A message was committed.
    NewMessage(&'a Message),
    /// A message was edited; told again after a failure, it is the message's form of then.
    MessageEdited {
        conversation_id: ConversationId,
        seq: Seq,
        message: &'a Message,
    },
    /// A reaction came or went: all that the message has now.
    ReactionUpdated {
        conversation_id: ConversationId,
        seq: Seq,
        message_id: MessageId,
        reactions: &'a [Reaction],
    },
    /// A message was deleted.
    MessageDeleted {
        conversation_id: ConversationId,
        seq: Seq,
        message_id: MessageId,
        deleted_at: Timestamp,
        deleted_by: &'a UserId,
    },
    /// Retention removed every message up to and with `expired_seq`, and what was done to them: to be forgotten. A cursor
    /// below it moves up to it.
    MessagesExpired {
        conversation_id: ConversationId,
        expired_seq: Seq,
    },
    /// A member's read cursor moved.
    MessageRead {
        conversation_id: ConversationId,
        user_id: &'a UserId,
        last_read_seq: Seq,
        read_at: Timestamp,
    },
    /// A viewer types.
    UserTyping {
        conversation_id: ConversationId,
        user_id: &'a UserId,
        display_name: &'a str,
    },
    /// A viewer stopped typing.
    UserStoppedTyping {
        conversation_id: ConversationId,
        user_id: &'a UserId,
        display_name: &'a str,
    },
    /// A user's first session opened.
    UserOnline { user_id: &'a UserId },
    /// A user's last session closed.
    UserOffline {
        user_id: &'a UserId,
        last_seen_at: Timestamp,
    },
    /// A member's first session opened the conversation.
    UserJoined {
        conversation_id: ConversationId,
        user: &'a User,
    },
    /// A member's last session closed it.
    UserLeft {
        conversation_id: ConversationId,
        user: &'a User,
    },
    /// You were added.
    ConversationCreated { conversation: &'a ConversationView },
    /// Its name or policies changed: behind the system message that says so. `conversation` has what all members see alike,
    /// to be laid over what a client knows; `role`, `unreadCount` and the like stay as they are. May come twice.
    ConversationUpdated { conversation: &'a SharedView },
    /// It is no longer yours: nothing of it comes behind this.
    ConversationRemoved {
        conversation_id: ConversationId,
        reason: RemovalReason,
    },
    /// Somebody was added.
    MemberAdded {
        conversation_id: ConversationId,
        user: &'a User,
    },
    /// Somebody left or was removed.
    MemberRemoved {
        conversation_id: ConversationId,
        user: &'a User,
    },
    /// Your token ends soon: `authenticate`.
    TokenExpiring { expires_at: Timestamp },
    /// An event that asked for no answer failed, or a frame could not be read.
    Error {
        code: ErrorCode,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

/// Why a conversation is no longer a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemovalReason {
    /// They left.
    Left,
    /// They were removed.
    Removed,
    /// It was deleted.
    Deleted,
}

/// The bounds that a client should know, in `ready`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Largest frame, in bytes.
    pub frame_bytes: usize,
    /// Longest text, in code points.
    pub text_chars: usize,
    /// Users in one `get_presence`.
    pub presence_users: usize,
    /// Conversations in one `sync`.
    pub sync_cursors: usize,
    /// Largest drawing, in bytes as it is sent.
    pub drawing_bytes: usize,
    /// Largest image, in bytes.
    pub image_bytes: usize,
    /// Messages a second and user, 0 for no limit.
    pub messages_per_second: u32,
    /// Other events a second and user, 0 for no limit.
    pub events_per_second: u32,
}

impl Limits {
    /// The contract's bounds beside the configured rates.
    pub fn with_rates(messages_per_second: u32, events_per_second: u32) -> Self {
        Self {
            frame_bytes: limits::FRAME_BYTES,
            text_chars: limits::TEXT_CHARS,
            presence_users: limits::PRESENCE_USERS,
            sync_cursors: limits::SYNC_CURSORS,
            drawing_bytes: limits::DRAWING_BYTES,
            image_bytes: limits::IMAGE_BYTES,
            messages_per_second,
            events_per_second,
        }
    }
}
