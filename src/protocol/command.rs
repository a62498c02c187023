//! What a client may ask over a socket: every event's name and data, each once. Parsed from the envelope's `data`;
//! the limits of the contract are checked here, so that what comes out is valid.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::ApiError;
use crate::domain::{
    ConversationId, Invalid, MessageId, Seq, UserId,
    json::in_words,
    limits,
    message::{Content, Draft, MessageType},
};

/// A parsed request of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Open a conversation: its latest messages, its typing events, a place among its viewers.
    JoinConversation {
        conversation: ConversationId,
        after: Option<Seq>,
    },
    /// Close the view; the membership stays.
    LeaveConversation { conversation: ConversationId },
    /// Send a message.
    SendMessage { conversation: ConversationId, draft: Draft },
    /// Give one's own text another content.
    EditMessage {
        conversation: ConversationId,
        message: MessageId,
        content: Content,
    },
    /// Put a reaction on a message, or take one's own away. Whether there is such an emoji is for the configured set to say.
    React {
        conversation: ConversationId,
        message: MessageId,
        emoji: String,
        add: bool,
    },
    /// Delete a message.
    DeleteMessage {
        conversation: ConversationId,
        message: MessageId,
    },
    /// Move the read cursor.
    MarkRead {
        conversation: ConversationId,
        upto: ReadUpTo,
    },
    /// Begin or renew typing.
    TypingStart { conversation: ConversationId },
    /// Stop typing.
    TypingStop { conversation: ConversationId },
    /// Who is online.
    GetPresence { users: Vec<UserId> },
    /// What was missed.
    Sync { cursors: Vec<Cursor>, limit: usize },
    /// A new token for an expiring one of the same user.
    Authenticate { token: String },
}

/// Up to where somebody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadUpTo {
    /// A position.
    Seq(Seq),
    /// A message's position.
    Message(MessageId),
}

/// Up to where a client has seen a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// Which.
    pub conversation_id: ConversationId,
    /// The highest position seen.
    pub seq: Seq,
}

/// The events that a client may send, by name; a test of the permission table reads this list.
pub const NAMES: &[&str] = &[
    "join_conversation",
    "leave_conversation",
    "send_message",
    "edit_message",
    "add_reaction",
    "remove_reaction",
    "delete_message",
    "mark_read",
    "typing_start",
    "typing_stop",
    "get_presence",
    "sync",
    "authenticate",
];

/// Which conversation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InConversation {
    conversation_id: ConversationId,
}

/// Which conversation, and from where on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinData {
    conversation_id: ConversationId,
    after: Option<Seq>,
}

/// What to send, and where.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendData<'a> {
    conversation_id: ConversationId,
    #[serde(rename = "type", borrow)]
    #[schema(rename = "type", value_type = Option<MessageType>)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    #[schema(value_type = Content)]
    content: &'a RawValue,
    #[serde(borrow)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    client_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    #[schema(value_type = Option<MessageId>)]
    reply_to_id: Option<Cow<'a, str>>,
}

/// Which message.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageData {
    conversation_id: ConversationId,
    message_id: MessageId,
}

/// Which message, and what it says from now on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EditData<'a> {
    conversation_id: ConversationId,
    message_id: MessageId,
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1)]
    content: &'a RawValue,
}

/// Which message, and which emoji.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReactionData {
    conversation_id: ConversationId,
    message_id: MessageId,
    emoji: String,
}

/// Up to where: one of both.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadData {
    conversation_id: ConversationId,
    message_id: Option<MessageId>,
    seq: Option<Seq>,
}

/// About whom.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PresenceData {
    user_ids: Vec<UserId>,
}

/// From where on, and how much at once.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SyncData {
    cursors: Vec<Cursor>,
    limit: Option<usize>,
}

/// The new token.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AuthenticateData {
    token: String,
}

impl ReadUpTo {
    /// Of a `messageId` and a `seq` exactly one must be given.
    pub fn parse(message: Option<MessageId>, seq: Option<Seq>) -> Result<Self, Invalid> {
        match (message, seq) {
            (Some(message), None) => Ok(Self::Message(message)),
            (None, Some(seq)) => Ok(Self::Seq(seq)),
            _ => Err(Invalid::new("seq", "exactly one of messageId and seq must be given")),
        }
    }
}

impl Command {
    /// Parses the data of `event`. An unknown event and data that break a rule are `VALIDATION_ERROR`.
    pub fn parse(event: &str, data: &str) -> Result<Self, ApiError> {
        Ok(match event {
            "send_message" => {
                let data: SendData<'_> = read(data)?;
                let draft = Draft::parse(
                    data.kind.as_deref(),
                    data.content,
                    data.client_id.as_deref(),
                    data.reply_to_id.as_deref(),
                )?;
                Self::SendMessage {
                    conversation: data.conversation_id,
                    draft,
                }
            }
            "join_conversation" => {
                let data: JoinData = read(data)?;
                Self::JoinConversation {
                    conversation: data.conversation_id,
                    after: data.after,
                }
            }
            "leave_conversation" => Self::LeaveConversation {
                conversation: in_conversation(data)?,
            },
            "edit_message" => {
                let data: EditData<'_> = read(data)?;
                Self::EditMessage {
                    conversation: data.conversation_id,
                    message: data.message_id,
                    content: Content::text_json(data.content)?,
                }
            }
            "add_reaction" => react(read(data)?, true),
            "remove_reaction" => react(read(data)?, false),
            "delete_message" => {
                let data: MessageData = read(data)?;
                Self::DeleteMessage {
                    conversation: data.conversation_id,
                    message: data.message_id,
                }
            }
            "mark_read" => {
                let data: ReadData = read(data)?;
                let upto = ReadUpTo::parse(data.message_id, data.seq)?;
                Self::MarkRead {
                    conversation: data.conversation_id,
                    upto,
                }
            }
            "typing_start" => Self::TypingStart {
                conversation: in_conversation(data)?,
            },
            "typing_stop" => Self::TypingStop {
                conversation: in_conversation(data)?,
            },
            "get_presence" => Self::GetPresence {
                users: presence_users(read::<PresenceData>(data)?.user_ids)?,
            },
            "sync" => sync(read(data)?)?,
            "authenticate" => Self::Authenticate {
                token: read::<AuthenticateData>(data)?.token,
            },
            _ => return Err(Invalid::new("event", "is not one that this server knows").into()),
        })
    }
}

fn read<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, Invalid> {
    // serde would take an array for the fields in their order.
    if !is_object(data.as_bytes()) {
        return Err(Invalid::new("data", "must be an object"));
    }
    serde_json::from_str(data).map_err(|error| Invalid::new("data", in_words(&error, data)))
}

/// Whether JSON is an object, as far as its first character says.
pub fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

fn in_conversation(data: &str) -> Result<ConversationId, Invalid> {
    read::<InConversation>(data).map(|data| data.conversation_id)
}

fn react(data: ReactionData, add: bool) -> Command {
    Command::React {
        conversation: data.conversation_id,
        message: data.message_id,
        emoji: data.emoji,
        add,
    }
}

/// At most 500 users.
pub fn presence_users(users: Vec<UserId>) -> Result<Vec<UserId>, Invalid> {
    if users.len() > limits::PRESENCE_USERS {
        return Err(Invalid::new(
            "userIds",
            format!("must name at most {} users", limits::PRESENCE_USERS),
        ));
    }
    Ok(users)
}

fn sync(data: SyncData) -> Result<Command, Invalid> {
    if data.cursors.len() > limits::SYNC_CURSORS {
        return Err(Invalid::new(
            "cursors",
            format!("must name at most {} conversations", limits::SYNC_CURSORS),
        ));
    }
    let limit = data.limit.unwrap_or(limits::SYNC_PAGE_DEFAULT);
    if limit == 0 || limit > limits::SYNC_PAGE_MAX {
        return Err(Invalid::new("limit", format!("must be 1 to {}", limits::SYNC_PAGE_MAX)));
    }
    Ok(Command::Sync {
        cursors: data.cursors,
        limit,
    })
}
