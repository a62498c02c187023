//! Rows as they are read, and how they become the domain's values. Used by the stores; the columns come in the order of
//! `schema`. A row that holds what it cannot hold is [`StoreError::Broken`], never a panic.

use std::{collections::HashMap, sync::Arc};

use diesel::Queryable;

use super::{Account, StoreError, position::unpack, types::Id};
use crate::domain::{
    ClientId, Content, Conversation, ConversationId, ConversationKey, Kind, Message, MessageId, MessageType, Policies,
    Role, Timestamp, User, UserId, UserKey,
};

/// A whole row of `messages`.
#[derive(Debug, Clone, Queryable)]
pub struct MessageRow {
    pub position: i64,
    pub change_position: i64,
    pub id: Id,
    pub kind: i16,
    pub sender_key: i64,
    pub content: String,
    pub client_id: Option<String>,
    #[expect(
        dead_code,
        reason = "rows are read whole; only `verify` looks at it, in a query of its own"
    )]
    pub client_hash: Option<i64>,
    pub reply_to: Option<Id>,
    pub created_at: i64,
    pub edited_at: Option<i64>,
    pub deleted_at: Option<i64>,
    pub deleted_by: Option<i64>,
    pub mentions: Option<String>,
}

impl MessageRow {
    /// The message, as clients may see it: the content of a deleted one stays here. Without what is kept beside its row: see
    /// `sqlite::store::assemble`.
    pub fn into_message(self, conversation: ConversationId, people: &People) -> Result<Message, StoreError> {
        let kind = MessageType::from_code(self.kind).ok_or_else(|| broken("a message's type", self.position))?;
        let client_id = self.client_id.as_deref().map(ClientId::parse).transpose();
        Ok(Message {
            id: MessageId(self.id.0),
            conversation_id: conversation,
            seq: unpack(self.position).1,
            change_seq: unpack(self.change_position).1,
            kind,
            content: match self.deleted_at {
                Some(_) => None,
                None => Some(Content::from_store(kind, self.content)),
            },
            sender: people.get(self.sender_key)?,
            client_id: client_id.map_err(|_| broken("a client id", self.position))?,
            reply_to_id: self.reply_to.map(|id| MessageId(id.0)),
            reply_to: None,
            mentions: match (&self.mentions, self.deleted_at) {
                (Some(ids), None) => {
                    serde_json::from_str(ids).map_err(|_| broken("a message's mentions", self.position))?
                }
                _ => Vec::new(),
            },
            reactions: Vec::new(),
            created_at: Timestamp::from_millis(self.created_at),
            edited_at: self.edited_at.map(Timestamp::from_millis),
            deleted_at: self.deleted_at.map(Timestamp::from_millis),
        })
    }
}

/// The columns of `users` that everybody may see: key, id, name, display_name, avatar_url.
#[derive(Debug, Clone, Queryable)]
pub struct UserRow {
    pub key: i64,
    pub id: String,
    pub name: String,
    pub display_name: String,
    pub avatar_url: Option<String>,
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        Ok(Self {
            key: UserKey(row.key),
            id: UserId::parse(&row.id).map_err(|_| broken("a user's id", row.key))?,
            name: row.name,
            display_name: row.display_name,
            avatar_url: row.avatar_url,
        })
    }
}

/// A user with what only the server may know: a [`UserRow`], login, password_hash, is_admin, last_seen_at, told.
#[derive(Debug, Clone, Queryable)]
pub struct AccountRow {
    pub user: UserRow,
    pub login: Option<String>,
    pub password_hash: Option<String>,
    pub is_admin: bool,
    pub last_seen_at: Option<i64>,
    pub told: Option<String>,
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRow) -> Result<Self, StoreError> {
        Ok(Self {
            user: Arc::new(row.user.try_into()?),
            admin: row.is_admin,
            local: row.login.is_some(),
            last_seen_at: row.last_seen_at.map(Timestamp::from_millis),
            told: row.told,
        })
    }
}

/// The columns of `conversations` that make a [`Conversation`].
#[derive(Debug, Clone, Queryable)]
pub struct ConversationRow {
    pub key: i64,
    pub id: Id,
    pub kind: i16,
    pub name: Option<String>,
    pub slug: Option<String>,
    pub invite_code: Option<String>,
    pub password_hash: Option<String>,
    pub max_members: Option<i32>,
    pub retention_seconds: Option<i32>,
    pub slow_mode_seconds: Option<i32>,
    pub created_at: i64,
}

impl TryFrom<ConversationRow> for Conversation {
    type Error = StoreError;

    fn try_from(row: ConversationRow) -> Result<Self, StoreError> {
        let policy = |value: Option<i32>| value.map(|v| v.max(0) as u32);
        Ok(Self {
            key: ConversationKey(row.key),
            id: ConversationId(row.id.0),
            kind: kind(row.kind, row.key)?,
            name: row.name,
            slug: row.slug,
            invite_code: row.invite_code,
            policies: Policies {
                max_members: policy(row.max_members),
                retention_seconds: policy(row.retention_seconds),
                slow_mode_seconds: policy(row.slow_mode_seconds),
                has_password: row.password_hash.is_some(),
            },
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

/// A policy as its column keeps it.
pub fn policy(value: Option<u32>) -> Option<i32> {
    value.map(|value| i32::try_from(value).unwrap_or(i32::MAX))
}

/// Users by key, each once however many messages they wrote.
pub struct People(HashMap<i64, Arc<User>>);

impl People {
    /// Of what was read.
    pub fn new(rows: Vec<UserRow>) -> Result<Self, StoreError> {
        let users = rows.into_iter().map(|row| Ok((row.key, Arc::new(row.try_into()?))));
        users.collect::<Result<_, StoreError>>().map(Self)
    }

    /// The one of this key; nobody is ever taken out of `users`, so a missing one is a damaged store.
    pub fn get(&self, key: i64) -> Result<Arc<User>, StoreError> {
        self.0.get(&key).cloned().ok_or_else(|| broken("a user", key))
    }
}

impl From<Arc<User>> for People {
    fn from(user: Arc<User>) -> Self {
        Self(HashMap::from([(user.key.0, user)]))
    }
}

/// A conversation's kind from its number.
pub fn kind(code: i16, key: i64) -> Result<Kind, StoreError> {
    Kind::from_code(code).ok_or_else(|| broken("a conversation's kind", key))
}

/// A member's role from its number.
pub fn role(code: i16, key: i64) -> Result<Role, StoreError> {
    Role::from_code(code).ok_or_else(|| broken("a member's role", key))
}

/// A seq from a counter column.
pub fn seq(value: i64, key: i64) -> Result<crate::domain::Seq, StoreError> {
    u32::try_from(value)
        .map(crate::domain::Seq)
        .map_err(|_| broken("a seq", key))
}

/// `what` of the row `key` is missing or is not what it can be.
pub fn broken(what: &str, key: i64) -> StoreError {
    StoreError::Broken(format!("{what} (row {key}) is missing or cannot be read"))
}
