//! The seam of the store: what can be read from it, and the writes that take no `seq`. One trait, one implementation for
//! each database; the same contract suite runs on all of them.

use std::sync::Arc;

use async_trait::async_trait;

use super::{RetentionStore, SearchStore, StoreError};
use crate::domain::{
    Conversation, ConversationId, ConversationKey, Kind, Member, Message, MessageId, Role, Seq, Timestamp, User,
    UserId, UserKey, conversation::ConversationView,
};

/// Everything but the log.
///
/// Promises: every method sees everything that was acknowledged before it was called; each answer is one consistent
/// snapshot; each write is one transaction, durable when it returns. Bounded: waits at most five seconds for a connection,
/// then `StoreError::Unavailable`. Does not check permissions.
#[async_trait]
pub trait Store: RetentionStore + SearchStore + Send + Sync {
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
    /// Records a user of the embedding product on first sight, or takes over what the token says anew.
    async fn record_token_user(&self, user: TokenUser) -> Result<Account, StoreError>;
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
    /// Makes a group with its owner and members.
    async fn create_group(&self, group: NewGroup) -> Result<Conversation, StoreError>;
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

/// A user of the embedding product, as their token says.
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
}

/// What a login is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub account: Account,
    /// The hash of their password (PHC string).
    pub password_hash: String,
}

/// A new group. `members` does not hold the owner, and nobody twice.
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// Its id.
    pub id: ConversationId,
    /// What it is called.
    pub name: String,
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

/// One durable change, to be told again.
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
}

impl Change {
    /// Where the change stands.
    pub fn seq(&self) -> Seq {
        match self {
            Self::Sent(message) => message.seq,
            Self::Deleted { seq, .. } => *seq,
        }
    }
}
