//! The seam of the store: what can be read from it, and the writes that take no `seq`. One trait, one implementation for
//! each database; the same contract suite runs on all of them.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Refusal, RetentionStore, SearchStore, StoreError, UploadStore, WebhookStore};
use crate::domain::{
    Content, Conversation, ConversationId, ConversationKey, InviteCode, Kind, Member, Message, MessageId, PasswordHash,
    Reaction, Role, Seq, Slug, Timestamp, User, UserId, UserKey,
    conversation::{ChannelView, ConversationView},
};

/// Everything but the log.
///
/// Promises: every method sees everything that was acknowledged before it was called; each answer is one consistent
/// snapshot; each write is one transaction, durable when it returns. Bounded: waits at most five seconds for a connection,
/// then `StoreError::Unavailable`. Does not check permissions.
#[async_trait]
pub trait Store: RetentionStore + SearchStore + UploadStore + WebhookStore + Send + Sync {
    /// The id of the store's history.
    fn epoch(&self) -> &str;
    /// Whether the database answers and can be written to.
    async fn check(&self) -> Result<(), StoreError>;
    /// Which database this is, for metrics and the start's line: "sqlite" or "postgres".
    fn backend(&self) -> &'static str;
    /// Connections of the pool: (in use, open).
    fn pool(&self) -> (u32, u32);

    /// Makes a user who registers here. `Ok(None)`: the name is taken.
    async fn create_account(&self, account: NewAccount) -> Result<Option<Arc<User>>, StoreError>;
    /// Whom a login name belongs to, and the hash of their password. `folded` is [`crate::domain::Username::folded`].
    async fn credentials(&self, folded: &str) -> Result<Option<Credentials>, StoreError>;
    /// Sets the password hash of a user who registered here; false when there is none of that name.
    async fn set_password(&self, folded: &str, hash: &str) -> Result<bool, StoreError>;
    /// Makes a user an admin or takes it away; false when there is no such user.
    async fn set_admin(&self, id: &UserId, admin: bool) -> Result<bool, StoreError>;
    /// Records a user of the embedding product on first sight, or takes over what the token says other than the last one: what
    /// was changed here since stays.
    async fn record_token_user(&self, user: TokenUser) -> Result<Account, StoreError>;
    /// Makes a user of the embedding product, or gives them what is said, whatever tokens said; who registered here stays as
    /// they are. What a token says next is compared with what the last one said, not with this.
    async fn put_product_user(&self, user: TokenUser) -> Result<Account, StoreError>;
    /// A user by id, with what only the server may know.
    async fn account(&self, id: &UserId) -> Result<Option<Account>, StoreError>;
    /// Those of `ids` who exist, in no order.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>, StoreError>;
    /// Users whose name or display name begins with `query` (any case), by name; all when it is empty.
    async fn search_users(&self, query: &str, limit: usize) -> Result<Vec<Arc<User>>, StoreError>;
    /// Changes what is given (`Some(None)` takes the picture away); the user as they are now.
    async fn update_profile(
        &self,
        user: UserKey,
        display_name: Option<&str>,
        avatar_url: Option<Option<&str>>,
    ) -> Result<Arc<User>, StoreError>;
    /// Notes when users were last seen.
    async fn set_last_seen(&self, seen: &[(UserKey, Timestamp)]) -> Result<(), StoreError>;
    /// When those of `ids` who exist were last seen.
    async fn last_seen(&self, ids: &[UserId]) -> Result<Vec<(UserId, Option<Timestamp>)>, StoreError>;

    /// Revokes a token by its `jti` until it would have ended anyway.
    async fn revoke_token(&self, jti: &str, expires_at: Timestamp) -> Result<(), StoreError>;
    /// The revoked tokens that have not ended at `now`; forgets the others.
    async fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError>;

    /// The direct conversation of two different users, made if there is none: atomic, whoever asks at the same time.
    /// True when this call made it.
    async fn find_or_create_direct(
        &self,
        one: UserKey,
        other: UserKey,
        id: ConversationId,
        at: Timestamp,
    ) -> Result<(Conversation, bool), StoreError>;
    /// Makes a group, channel or room with its owner and members. Refused: a channel whose slug another one has
    /// (`NameTaken`), a room when one of them is in as many as they may be (`TooManyRooms`).
    async fn create_conversation(&self, new: NewConversation) -> Result<Result<Conversation, Refusal>, StoreError>;
    /// What somebody finds who wants to come in by themselves; `None` when it leads nowhere.
    async fn door(&self, by: &Doorway, user: UserKey) -> Result<Option<Door>, StoreError>;
    /// The channels whose slug begins with `folded` ([`Slug::folded`]), by slug, as `user` sees them: at most `limit` after
    /// the slug `after`; with the last one's slug if there are more.
    async fn channels(
        &self,
        user: UserKey,
        folded: &str,
        limit: usize,
        after: Option<&str>,
    ) -> Result<(Vec<ChannelView>, Option<String>), StoreError>;
    /// A conversation that exists (deleted ones do not).
    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError>;
    /// What a room must know to begin; `None` when the conversation does not exist.
    async fn room_state(&self, id: ConversationId) -> Result<Option<RoomState>, StoreError>;
    /// What a user is in a conversation; `None` when it does not exist, `Some((_, None))` when they are not a member.
    async fn membership(
        &self,
        id: ConversationId,
        user: UserKey,
    ) -> Result<Option<(Conversation, Option<Role>)>, StoreError>;
    /// Every conversation that a user is a member of.
    async fn memberships(&self, user: UserKey) -> Result<Vec<Membership>, StoreError>;
    /// The last seqs of conversations, aligned with `keys`; 0 for one that does not exist.
    async fn heads(&self, keys: &[ConversationKey]) -> Result<Vec<Seq>, StoreError>;
    /// A conversation as `user` sees it; `None` when they are not a member (or it does not exist).
    async fn conversation_view(
        &self,
        id: ConversationId,
        user: UserKey,
    ) -> Result<Option<ConversationView>, StoreError>;
    /// The conversations of `user`, newest activity first (of equal ones the younger conversation first), at most `limit`
    /// after `cursor`; with the cursor of the next page if there is one.
    async fn conversation_list(
        &self,
        user: UserKey,
        limit: usize,
        cursor: Option<ListCursor>,
    ) -> Result<(Vec<ConversationView>, Option<ListCursor>), StoreError>;
    /// The members of a conversation, longest-standing first.
    async fn members(&self, conversation: ConversationKey) -> Result<Vec<Member>, StoreError>;

    /// A page of messages, oldest first. `Ok(None)`: the message that `at` names is not in this conversation.
    async fn history(
        &self,
        conversation: &Conversation,
        at: HistoryAt,
        limit: usize,
    ) -> Result<Option<History>, StoreError>;
    /// What changed after `after`, by change, in its latest form; a reset (the newest 50) when more than 1000 changes were
    /// missed or `after` is beyond the end.
    async fn sync(&self, conversation: &Conversation, after: Seq, limit: usize) -> Result<SyncPage, StoreError>;
    /// Every change after `after`, one by one in the order of seq, at most `limit`: what a room broadcasts when it has
    /// reason to doubt that it did.
    async fn changes(&self, conversation: &Conversation, after: Seq, limit: usize) -> Result<Vec<Change>, StoreError>;
    /// Who has read a message: the members but its sender who were members when it was sent and whose cursor has reached it,
    /// each with when it first did; the first of them first. `Ok(None)`: it is not in this conversation.
    async fn receipts(
        &self,
        conversation: &Conversation,
        message: MessageId,
    ) -> Result<Option<Vec<Receipt>>, StoreError>;
    /// All that a message has said, oldest first, its last content (also of a deleted one) last. `Ok(None)`: it is not in this
    /// conversation.
    async fn versions(
        &self,
        conversation: &Conversation,
        message: MessageId,
    ) -> Result<Option<Vec<Version>>, StoreError>;
}

/// Somebody who registers.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Their id.
    pub id: UserId,
    /// The name as they wrote it.
    pub name: String,
    /// [`crate::domain::Username::folded`].
    pub folded: String,
    /// What to show.
    pub display_name: String,
    /// The hash of their password (PHC string).
    pub password_hash: String,
    /// Whether they are an admin.
    pub admin: bool,
    /// When.
    pub at: Timestamp,
}

/// A user of the embedding product, as their token or the product's server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUser {
    /// The token's `sub`.
    pub id: UserId,
    /// Its `name`, if any: `None` keeps what is recorded, and records the id on first sight.
    pub name: Option<String>,
    /// Its `displayName`, if any; on first sight the name.
    pub display_name: Option<String>,
    /// Its `picture`, if any.
    pub avatar_url: Option<String>,
    /// When it was seen.
    pub at: Timestamp,
}

/// A user with what only the server may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: Arc<User>,
    /// Whether the store says that they are an admin (a token may say so too).
    pub admin: bool,
    /// Whether they registered here.
    pub local: bool,
    /// When they were last seen.
    pub last_seen_at: Option<Timestamp>,
    /// What their last token said, as it is kept; `None` before the first one. Read by [`TokenUser::is_old`].
    pub told: Option<String>,
}

/// What a login is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub account: Account,
    /// The hash of their password (PHC string).
    pub password_hash: String,
}

/// A new group, channel or room. `members` does not hold the owner, and nobody twice.
#[derive(Debug, Clone)]
pub struct NewConversation {
    /// Its id.
    pub id: ConversationId,
    /// What it is; not direct.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// What it is found by: a channel, and nothing else.
    pub slug: Option<Slug>,
    /// What lets in who knows it.
    pub invite_code: Option<InviteCode>,
    /// What the password of whoever comes in is checked against.
    pub password_hash: Option<PasswordHash>,
    /// Whose it is.
    pub owner: UserKey,
    /// Who else belongs to it from the start.
    pub members: Vec<UserKey>,
    /// Its policies.
    pub max_members: Option<u32>,
    /// See `max_members`.
    pub retention_seconds: Option<u32>,
    /// See `max_members`.
    pub slow_mode_seconds: Option<u32>,
    /// When.
    pub at: Timestamp,
}

impl NewConversation {
    /// A group without members, policies, code and password.
    pub fn group(id: ConversationId, name: impl Into<String>, owner: UserKey, at: Timestamp) -> Self {
        Self {
            id,
            kind: Kind::Group,
            name: name.into(),
            slug: None,
            invite_code: None,
            password_hash: None,
            owner,
            members: Vec::new(),
            max_members: None,
            retention_seconds: None,
            slow_mode_seconds: None,
            at,
        }
    }
}

/// Which conversation somebody wants to come into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doorway {
    /// The one of this id.
    Id(ConversationId),
    /// The one that this invite code opens.
    Code(InviteCode),
}

/// What stands between somebody and a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The conversation.
    pub conversation: Conversation,
    /// What they are there already.
    pub role: Option<Role>,
    /// What their password is checked against; `None` when none is asked for.
    pub password_hash: Option<PasswordHash>,
}

/// What a room must know to begin.
#[derive(Debug, Clone)]
pub struct RoomState {
    /// The conversation.
    pub conversation: Conversation,
    /// Its members, longest-standing first.
    pub members: Vec<Member>,
    /// The last seq.
    pub head: Seq,
    /// Up to where retention has removed everything.
    pub expired: Seq,
}

/// One of a user's conversations, as their sessions need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The conversation's row.
    pub key: ConversationKey,
    /// Its id.
    pub id: ConversationId,
    /// What it is.
    pub kind: Kind,
    /// Up to where retention has removed everything.
    pub expired: Seq,
}

/// Where a page of the conversation list begins: after this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCursor {
    /// When it was last active.
    pub active_at: Timestamp,
    /// Which one it is.
    pub key: ConversationKey,
}

/// Which page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryAt {
    /// The newest.
    Newest,
    /// What stands just before this message.
    Before(MessageId),
    /// What stands just after this message.
    After(MessageId),
    /// This message in the middle.
    Around(MessageId),
}

/// A page of history.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// Whether there are newer ones.
    pub has_more_after: bool,
}

/// A page of `sync`.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncPage {
    /// By `changeSeq` (for a reset: by `seq`).
    pub messages: Vec<Message>,
    /// The cursor after this page.
    pub seq: Seq,
    /// Whether there is more.
    pub has_more: bool,
    /// Whether the client must forget what it has.
    pub reset: bool,
    /// For a reset: whether there are older messages than these.
    pub older: bool,
    /// Up to where retention has removed everything.
    pub expired: Seq,
}

/// One durable change, to be told again. One of a message whose row is gone is told as its deletion.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A message was appended; here in its latest form.
    Sent(Box<Message>),
    /// A message was deleted.
    Deleted {
        /// The change's position.
        seq: Seq,
        /// Which message.
        message: MessageId,
        /// When.
        at: Timestamp,
        /// By whom.
        by: UserId,
    },
    /// A message was edited; here in its latest form.
    Edited {
        /// The change's position.
        seq: Seq,
        /// The message.
        message: Box<Message>,
    },
    /// Somebody reacted, or no longer does.
    Reacted {
        /// The change's position.
        seq: Seq,
        /// To which message.
        message: MessageId,
        /// Its reactions in their latest form.
        reactions: Vec<Reaction>,
        /// When.
        at: Timestamp,
    },
}

/// That somebody has read a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Who.
    pub user: Arc<User>,
    /// When their cursor first reached it.
    pub at: Timestamp,
}

/// What a message said for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// What it said.
    pub content: Content,
    /// Since when.
    pub written_at: Timestamp,
}

impl Change {
    /// Where the change stands.
    pub fn seq(&self) -> Seq {
        match self {
            Self::Sent(message) => message.seq,
            Self::Deleted { seq, .. } | Self::Edited { seq, .. } | Self::Reacted { seq, .. } => *seq,
        }
    }
}
