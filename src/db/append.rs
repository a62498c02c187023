//! The seam of the log: what rooms hand over to be committed, and what comes back. Called by the persistence actor only.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    domain::{
        Content, ConversationKey, Emoji, Invalid, InviteCode, Message, MessageId, PasswordHash, Reaction, Role, Seq,
        Settings, Timestamp, User, UserId, UserKey,
        message::{Draft, Quote},
    },
    protocol::{ApiError, ErrorCode, command::ReadUpTo},
};

/// Commits the durable changes of conversations.
///
/// Promises: of each conversation, `append` commits all that a call has or nothing (what conversations have is committed together
/// or apart, as the database likes); the ops of one conversation take effect in the order given; each op that takes a `seq`
/// takes the next one of its conversation's counter row in the same transaction, so that positions are gap-free with any number
/// of processes on one database. A repeated `client_id` of the same sender and conversation is recognised for as long as its
/// row exists, also within one call. Does not promise anything about the order between conversations. An op that is refused
/// changes nothing and takes no `seq`; the others go on.
#[async_trait]
pub trait Log: Send {
    /// Commits `batch`; the answer is aligned with it, and concerns one conversation each: that the outcome of one is not known
    /// says nothing about the others. Returns when everything is decided, and durable where it was committed.
    async fn append(&mut self, batch: Vec<ConversationAppend>) -> Vec<Result<Appended, LogError>>;
}

/// Why what a conversation has was not acknowledged; either way nobody may be told that it took place.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// Nothing was committed.
    #[error("nothing was committed: {0}")]
    Unavailable(String),
    /// The COMMIT failed: whether it took place shows only when the log is read again.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

impl From<super::StoreError> for LogError {
    fn from(error: super::StoreError) -> Self {
        use super::StoreError;
        match error {
            StoreError::Unknown(why) => Self::Unknown(why),
            StoreError::Unavailable(why) | StoreError::Broken(why) => Self::Unavailable(why),
        }
    }
}

/// What one conversation wants committed, in its order.
#[derive(Debug, Clone)]
pub struct ConversationAppend {
    /// Where.
    pub conversation: ConversationKey,
    /// What, in order. Nothing at all is allowed: the answer then says where the conversation stands once everything
    /// appended before is decided.
    pub ops: Vec<Op>,
}

/// What became of a [`ConversationAppend`].
#[derive(Debug, Clone)]
pub struct Appended {
    /// One for each op, in order.
    pub outcomes: Vec<Result<Outcome, Refusal>>,
    /// The conversation's last seq before this batch.
    pub before: Seq,
    /// And after it.
    pub head: Seq,
}

/// A message to be appended. Shared between the room, which encodes it, and the log, which stores it.
#[derive(Debug)]
pub struct NewMessage {
    /// Who wrote it.
    pub sender: Arc<User>,
    /// What they wrote.
    pub draft: Draft,
    /// The members whom it mentions, each once, in the order of the text.
    pub mentions: Vec<Arc<User>>,
    /// When the room took it in.
    pub at: Timestamp,
    /// What its id is made of besides the time and the seq.
    pub random: u64,
    /// Slow mode where it is on: how long `sender` may not have sent anything before.
    pub pause_seconds: Option<u32>,
}

/// What let somebody in who came by themselves. It was checked before; it must still be so when they are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The invite code that they showed; `None` for a channel, which asks for none.
    pub code: Option<InviteCode>,
    /// What their password was checked against; `None` when none was asked for.
    pub password_hash: Option<PasswordHash>,
}

/// A durable change. Permissions were checked by the room; what only the store can know is checked here.
#[derive(Debug, Clone)]
pub enum Op {
    /// Append a message. Takes a seq.
    Send(Arc<NewMessage>),
    /// Give a text of one's own another content. Takes a seq, unless that is its content already. The former content is kept.
    Edit {
        /// Which.
        message: MessageId,
        /// Who wants it.
        by: Arc<User>,
        /// What it says from now on.
        content: Content,
        /// As in [`NewMessage`].
        mentions: Vec<Arc<User>>,
        /// When.
        at: Timestamp,
    },
    /// Put a reaction on a message or take one's own away. Takes a seq when that changes something.
    React {
        /// Which.
        message: MessageId,
        /// Who.
        by: Arc<User>,
        /// With what.
        emoji: Emoji,
        /// Whether it comes or goes.
        add: bool,
        /// When.
        at: Timestamp,
    },
    /// Delete a message softly, with its reactions. Takes a seq, unless it is deleted already.
    Delete {
        /// Which.
        message: MessageId,
        /// Who wants it.
        by: Arc<User>,
        /// Whether `by` may delete what others wrote.
        moderator: bool,
        /// When.
        at: Timestamp,
    },
    /// Add a member, with a system message by `actor`. Takes a seq. Their cursor starts at the seq before it: what was
    /// said before they came is there to read, but does not count as unread.
    AddMember {
        /// Who adds.
        actor: Arc<User>,
        /// Who is added.
        user: Arc<User>,
        /// As what.
        role: Role,
        /// What they came in by, when nobody added them.
        pass: Option<Box<Pass>>,
        /// The system message.
        note: Content,
        /// When.
        at: Timestamp,
        /// As in [`NewMessage`].
        random: u64,
    },
    /// Remove a member (or let them leave), with a system message by `actor`; takes a seq. With `heir`, that member becomes
    /// the owner in the same change. When nobody remains, the conversation is deleted (`deleted_at` is set).
    RemoveMember {
        /// Who removes; the same as `user` when they leave.
        actor: Arc<User>,
        /// Who goes.
        user: Arc<User>,
        /// Who owns the conversation from now on, if that changes.
        heir: Option<UserKey>,
        /// The system message.
        note: Content,
        /// When.
        at: Timestamp,
        /// As in [`NewMessage`].
        random: u64,
    },
    /// Give a member another role, with a system message by `actor`, who must be the owner and somebody else; takes a seq.
    /// With the role of the owner the ownership passes: `actor` becomes an admin in the same change.
    SetRole {
        /// Who gives.
        actor: Arc<User>,
        /// To whom.
        user: Arc<User>,
        /// What.
        role: Role,
        /// The system message.
        note: Content,
        /// When.
        at: Timestamp,
        /// As in [`NewMessage`].
        random: u64,
    },
    /// Change the name, policies or invite code, with a system message by `actor`; takes a seq. `maxMembers` below what the
    /// conversation holds is refused, and a slug that another channel has.
    Configure {
        /// Who changes.
        actor: Arc<User>,
        /// What.
        settings: Box<Settings>,
        /// The system message.
        note: Content,
        /// When.
        at: Timestamp,
        /// As in [`NewMessage`].
        random: u64,
    },
    /// Delete the conversation (`deleted_at` is set; every row stays; slug and invite code are free again), with a system message by `actor` as the last line of
    /// the log; takes a seq. Every op behind it is refused.
    End {
        /// Who deletes.
        actor: Arc<User>,
        /// The system message.
        note: Content,
        /// When.
        at: Timestamp,
        /// As in [`NewMessage`].
        random: u64,
    },
    /// Move a member's read cursor forward; takes no seq. Beyond the last seq it stops there; it never moves back.
    MarkRead {
        /// Who has read.
        user: UserKey,
        /// Up to where.
        upto: ReadUpTo,
        /// When.
        at: Timestamp,
    },
    /// Remove the messages at the beginning of the log that were sent before `before`, with everything that belongs to them;
    /// takes no seq. Stops at the first one that was not, however old what stands behind it.
    Expire {
        /// What was sent before this goes.
        before: Timestamp,
        /// Positions that may be removed in this op; what is left over is for a later one.
        limit: u32,
    },
}

impl Op {
    /// Whether it depends on this op's outcome who may do what behind it, or to what.
    pub fn decides_what_follows(&self) -> bool {
        match self {
            Self::Send(_)
            | Self::Edit { .. }
            | Self::React { .. }
            | Self::Delete { .. }
            | Self::MarkRead { .. }
            | Self::Expire { .. } => false,
            Self::AddMember { .. }
            | Self::RemoveMember { .. }
            | Self::SetRole { .. }
            | Self::Configure { .. }
            | Self::End { .. } => true,
        }
    }
}

/// What an op did.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The message stands at `seq` under `id`.
    Sent {
        /// Its name for clients.
        id: MessageId,
        /// Its position.
        seq: Seq,
        /// What it answers, as it is now.
        quote: Option<Box<Quote>>,
    },
    /// The `client_id` was known and what was sent under it is the same: the message as it is now. Nothing was appended.
    Repeated(Box<Message>),
    /// The message says what it was to say.
    Edited {
        /// As it is now; its `change_seq` is the position of the edit.
        message: Box<Message>,
        /// Whether this op changed it.
        changed: bool,
    },
    /// The reaction is there, or is not.
    Reacted {
        /// The position of the change, if this op changed something.
        seq: Option<Seq>,
        /// All of the message's reactions now.
        reactions: Vec<Reaction>,
    },
    /// The message is deleted, by the change at `seq`.
    Deleted {
        /// The position of the deletion.
        seq: Seq,
        /// When it was deleted.
        at: Timestamp,
        /// Who deleted it.
        by: UserId,
        /// Whether it had been deleted before this op: nothing was appended then.
        already: bool,
    },
    /// The membership, a role, the settings or the conversation's life changed; the system message stands at `seq` under
    /// `id`.
    Membership {
        /// The system message.
        id: MessageId,
        /// Its position.
        seq: Seq,
    },
    /// The cursor stands at `last_read_seq`.
    Read {
        /// Where the cursor stands now.
        last_read_seq: Seq,
        /// Whether this op moved it.
        moved: bool,
        /// Messages of others after it: as `ConversationView::unread_count`.
        unread_count: u32,
        /// As `ConversationView::mention_count`.
        mention_count: u32,
    },
    /// Messages past their time are gone.
    Expired {
        /// Up to where everything is gone, now or before.
        upto: Seq,
        /// Whether there is more to remove.
        more: bool,
    },
}

/// Why an op was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The `client_id` stands for another content, or for an answer to another message.
    OtherContent,
    /// There is no such message in this conversation.
    NoSuchMessage,
    /// It is somebody else's message, or the server's.
    NotYours,
    /// It is deleted.
    Deleted,
    /// It is no text.
    NoText,
    /// It is the server's.
    SystemMessage,
    /// It has as many reactions as it may.
    TooManyReactions,
    /// The message it answers is not in this conversation.
    NoSuchReply,
    /// There is no such upload (any more).
    NoSuchUpload,
    /// Somebody else uploaded it.
    NotYourUpload,
    /// They are a member already.
    AlreadyMember,
    /// They are not a member.
    NotMember,
    /// The conversation holds as many members as it may.
    Full,
    /// The conversation holds more members than it is to hold.
    TooManyMembers,
    /// They are not the owner (any more).
    NotOwner,
    /// Another channel is called so.
    NameTaken,
    /// They are in as many rooms as they may be.
    TooManyRooms,
    /// The invite code is another by now.
    OtherCode,
    /// The password is another by now.
    OtherPassword,
    /// Slow mode: the sender's pause is not over.
    TooSoon {
        /// What is left of it, in milliseconds.
        retry_after_ms: u64,
    },
    /// The conversation is at its last possible position, or was deleted.
    Ended,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OtherContent => Self::new(ErrorCode::Conflict, "this clientId was used for another message"),
            Refusal::NoSuchMessage => Self::not_found("message"),
            Refusal::NotYours => Self::new(ErrorCode::Forbidden, "this message is not yours to change"),
            Refusal::Deleted => Self::new(ErrorCode::Conflict, "this message is deleted"),
            Refusal::NoText => Self::new(ErrorCode::Forbidden, "only a text can be edited"),
            Refusal::SystemMessage => Self::new(ErrorCode::Forbidden, "what the server says takes no reactions"),
            Refusal::TooManyReactions => {
                Self::new(ErrorCode::LimitReached, "this message has as many reactions as it may")
            }
            Refusal::NoSuchReply => Self::not_found("message to reply to"),
            Refusal::NoSuchUpload => Invalid::new("content", "is not the url of an upload that is still there").into(),
            Refusal::NotYourUpload => Self::new(ErrorCode::Forbidden, "this upload is somebody else's"),
            Refusal::AlreadyMember => Self::new(ErrorCode::Conflict, "this user is a member already"),
            Refusal::NotMember => Self::new(ErrorCode::NotFound, "this user is not a member"),
            Refusal::Full => Self::new(ErrorCode::RoomFull, "the conversation holds as many members as it may"),
            Refusal::TooManyMembers => Self::new(ErrorCode::RoomFull, "the conversation holds more members than that"),
            Refusal::NotOwner => Self::new(ErrorCode::Forbidden, "only the owner gives roles"),
            Refusal::NameTaken => Self::new(ErrorCode::Conflict, "there is a channel of this name"),
            Refusal::TooManyRooms => Self::new(ErrorCode::LimitReached, "this user is in as many rooms as one may be"),
            Refusal::OtherCode => Self::not_found("invite code"),
            Refusal::OtherPassword => Self::new(ErrorCode::Forbidden, "the password is another by now"),
            Refusal::TooSoon { retry_after_ms } => Self {
                message: "slow mode: wait a little between two messages".to_owned(),
                ..Self::rate_limited(retry_after_ms)
            },
            Refusal::Ended => Self::not_found("conversation"),
        }
    }
}
