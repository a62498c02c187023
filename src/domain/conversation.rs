//! Conversations, their members, kinds, roles and policies. No permissions here: those are one table in `permission`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ConversationId, ConversationKey, ConversationName, InviteCode, Message, PasswordHash, Seq, Slug, Timestamp, User,
    entry::whether,
};

/// What a conversation is. The numbers are what the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[repr(i16)]
pub enum Kind {
    /// Exactly two users, one per unordered pair, never a name.
    Direct = 0,
    /// Private, by invitation.
    Group = 1,
    /// Public, found by its unique name.
    Channel = 2,
    /// Private and ephemeral, by invite code.
    Room = 3,
}

impl Kind {
    /// The number in the store.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// From the number in the store.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Direct, Self::Group, Self::Channel, Self::Room]
            .into_iter()
            .find(|k| k.code() == code)
    }

    /// Whether its members are told of each other's coming online: everywhere but in public channels.
    pub fn shares_presence(self) -> bool {
        self != Self::Channel
    }
}

/// What a member may do; see `permission`. The numbers are what the store keeps; a higher one may more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[repr(i16)]
pub enum Role {
    /// Takes part.
    Member = 0,
    /// Invites, removes, moderates.
    Admin = 1,
    /// The one whom it belongs to.
    Owner = 2,
}

impl Role {
    /// The number in the store.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// From the number in the store.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Member, Self::Admin, Self::Owner]
            .into_iter()
            .find(|r| r.code() == code)
    }
}

/// The four policies; `None` is off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// Most members.
    #[schema(required)]
    pub max_members: Option<u32>,
    /// How long messages are kept.
    #[schema(required)]
    pub retention_seconds: Option<u32>,
    /// Pause between two messages of one user.
    #[schema(required)]
    pub slow_mode_seconds: Option<u32>,
    /// Whether joining by code asks for a password.
    pub has_password: bool,
}

/// What a conversation is, the same for everybody who looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The store's row.
    pub key: ConversationKey,
    /// Its name for clients.
    pub id: ConversationId,
    /// What it is.
    pub kind: Kind,
    /// What it is called; never for a direct one.
    pub name: Option<String>,
    /// What a channel is found by: unique among them.
    pub slug: Option<String>,
    /// What lets somebody in who knows it. Not for everybody's eyes: see `permission`.
    pub invite_code: Option<String>,
    /// Its policies.
    pub policies: Policies,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What to change about a conversation; what is not given stays, and `Some(None)` turns a policy off. Written as members
/// are told of it: of password and invite code no more than whether there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// What it is called from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ConversationName>,
    /// What a channel is found by from now on: goes with its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<Slug>,
    /// See [`Policies`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_members: Option<Option<u32>>,
    /// See [`Policies`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_seconds: Option<Option<u32>>,
    /// See [`Policies`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_mode_seconds: Option<Option<u32>>,
    /// What a password is checked against from now on.
    #[serde(
        rename = "hasPassword",
        serialize_with = "whether",
        skip_serializing_if = "Option::is_none"
    )]
    pub password_hash: Option<Option<PasswordHash>>,
    /// What lets in from now on who knows it.
    #[serde(
        rename = "hasInviteCode",
        serialize_with = "whether",
        skip_serializing_if = "Option::is_none"
    )]
    pub invite_code: Option<Option<InviteCode>>,
}

impl Settings {
    /// Without what `conversation` is like already.
    pub fn news_for(mut self, conversation: &Conversation) -> Self {
        let policies = &conversation.policies;
        self.name
            .take_if(|name| conversation.name.as_deref() == Some(name.as_str()));
        self.slug
            .take_if(|slug| conversation.slug.as_deref() == Some(slug.as_str()));
        self.max_members.take_if(|most| *most == policies.max_members);
        self.retention_seconds
            .take_if(|seconds| *seconds == policies.retention_seconds);
        self.slow_mode_seconds
            .take_if(|seconds| *seconds == policies.slow_mode_seconds);
        // A password that is given is news: whether it is the old one, nobody can tell from its hash.
        self.password_hash
            .take_if(|hash| hash.is_none() && !policies.has_password);
        self.invite_code
            .take_if(|code| code.as_ref().map(InviteCode::as_str) == conversation.invite_code.as_deref());
        self
    }

    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes `conversation` to what is given.
    pub fn apply(&self, conversation: &mut Conversation) {
        let policies = &mut conversation.policies;
        if let Some(name) = &self.name {
            conversation.name = Some(name.as_str().to_owned());
        }
        if let Some(slug) = &self.slug {
            conversation.slug = Some(slug.as_str().to_owned());
        }
        if let Some(code) = &self.invite_code {
            conversation.invite_code = code.as_ref().map(|code| code.as_str().to_owned());
        }
        if let Some(hash) = &self.password_hash {
            policies.has_password = hash.is_some();
        }
        policies.max_members = self.max_members.unwrap_or(policies.max_members);
        policies.retention_seconds = self.retention_seconds.unwrap_or(policies.retention_seconds);
        policies.slow_mode_seconds = self.slow_mode_seconds.unwrap_or(policies.slow_mode_seconds);
    }
}

/// A member as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: Arc<User>,
    /// What they may do.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
    /// Up to where they have read.
    pub last_read_seq: Seq,
}

/// A conversation as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationView {
    /// Its name for clients.
    pub id: ConversationId,
    /// What it is.
    pub kind: Kind,
    /// What it is called; `null` for a direct one.
    #[schema(required)]
    pub name: Option<String>,
    /// What a channel is found by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// What lets somebody in who knows it; shown to owner and admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_code: Option<String>,
    /// The other one of a direct conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_user: Option<Arc<User>>,
    /// What the one who looks may do.
    pub role: Role,
    /// How many members it has.
    pub member_count: u32,
    /// The position of the last change.
    pub seq: Seq,
    /// The newest message, deleted or not; `null` while there is none.
    #[schema(required)]
    pub last_message: Option<Message>,
    /// When that was sent.
    #[schema(required)]
    pub last_message_at: Option<Timestamp>,
    /// Messages of others after `lastReadSeq` that are neither deleted nor the system's; counted up to 10,000.
    pub unread_count: u32,
    /// Those among them that mention the one who looks.
    pub mention_count: u32,
    /// Up to where the one who looks has read.
    pub last_read_seq: Seq,
    /// Up to where retention has removed everything; 0 while it has not.
    pub expired_seq: Seq,
    /// The policies.
    #[serde(flatten)]
    pub policies: Policies,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A conversation as all of its members see it alike: a part of [`ConversationView`], in the same words. What is only one
/// member's (their role, what they have read) is not here, so that it is written once however many are told.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedView {
    /// Its name for clients.
    pub id: ConversationId,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    #[schema(required)]
    pub name: Option<String>,
    /// What a channel is found by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// How many members it has.
    pub member_count: u32,
    /// The position of the last change.
    pub seq: Seq,
    /// The policies.
    #[serde(flatten)]
    pub policies: Policies,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A channel as everybody sees it who looks for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelView {
    /// Its name for clients.
    pub id: ConversationId,
    /// What it is called.
    pub name: String,
    /// What it is found by: unique among channels.
    pub slug: String,
    /// How many members it has.
    pub member_count: u32,
    /// Whether the one who looks is a member.
    pub joined: bool,
    /// Whether joining asks for a password.
    pub has_password: bool,
    /// When the newest message was sent; `null` while there was none.
    #[schema(required)]
    pub last_message_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tea() -> Conversation {
        Conversation {
            key: ConversationKey(1),
            id: ConversationId(uuid::Uuid::nil()),
            kind: Kind::Group,
            name: Some("Tea".to_owned()),
            slug: None,
            invite_code: None,
            policies: Policies {
                max_members: Some(5),
                ..Policies::default()
            },
            created_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn settings_change_what_is_given_and_turn_off_what_is_given_as_none() {
        let settings = Settings {
            name: ConversationName::parse("Coffee").ok(),
            max_members: Some(None),
            slow_mode_seconds: Some(Some(3)),
            ..Settings::default()
        };
        let mut changed = tea();
        settings.apply(&mut changed);
        assert_eq!(changed.name.as_deref(), Some("Coffee"));
        let expected = Policies {
            slow_mode_seconds: Some(3),
            ..Policies::default()
        };
        assert_eq!(changed.policies, expected);
        assert!(settings.clone().news_for(&changed).is_empty());
        assert_eq!(
            serde_json::to_value(settings).unwrap(),
            json!({"name": "Coffee", "maxMembers": null, "slowModeSeconds": 3})
        );
    }

    #[test]
    fn what_is_so_already_is_no_news() {
        let settings = Settings {
            name: ConversationName::parse("Tea").ok(),
            max_members: Some(Some(5)),
            retention_seconds: Some(Some(60)),
            slow_mode_seconds: Some(None),
            password_hash: Some(None),
            invite_code: Some(None),
            ..Settings::default()
        };
        let expected = Settings {
            retention_seconds: Some(Some(60)),
            ..Settings::default()
        };
        assert_eq!(settings.news_for(&tea()), expected);
    }

    #[test]
    fn what_is_told_of_secrets_is_that_there_are_some() {
        let hash = PasswordHash::new("$argon2id$secret".to_owned());
        let settings = Settings {
            password_hash: Some(Some(hash)),
            invite_code: Some(Some(InviteCode::generate([7; 16]))),
            ..Settings::default()
        };
        let told = serde_json::to_value(&settings).unwrap();
        assert_eq!(told, json!({"hasPassword": true, "hasInviteCode": true}));
        let mut changed = tea();
        settings.apply(&mut changed);
        assert!(changed.policies.has_password && changed.invite_code.is_some());
        let expected = Settings {
            invite_code: None,
            ..settings.clone()
        };
        assert_eq!(
            settings.news_for(&changed),
            expected,
            "a password that is given is news"
        );
        let away = Settings {
            password_hash: Some(None),
            invite_code: Some(None),
            ..Settings::default()
        };
        let told = serde_json::to_value(&away).unwrap();
        assert_eq!(told, json!({"hasPassword": false, "hasInviteCode": false}));
        away.apply(&mut changed);
        assert_eq!(changed, tea());
    }
}
