//! Roles, settings and the end of a conversation: what is asked becomes an op, and what is decided takes effect here before
//! anything that was asked behind it is looked at.

use std::sync::Arc;

use actix::Context;

use super::{Loaded, Room, presence::Viewers};
use crate::{
    actors::{
        relay::{Audience, Revoke, Tell},
        reply::{Answer, Reply},
    },
    db::Op,
    domain::{
        Content, Invalid, Kind, Role, Settings, Slug, Timestamp, User, UserKey, conversation::SharedView,
        message::SystemNote, permission::Action,
    },
    protocol::{ApiError, ErrorCode, Event, envelope, event::RemovalReason},
};

impl Loaded {
    fn role(&self, user: UserKey) -> Result<Role, ApiError> {
        let seat = self.seats.get(&user).ok_or_else(ApiError::not_member)?;
        Ok(seat.role)
    }

    pub(super) fn give_role(
        &self,
        by: &Arc<User>,
        user: Arc<User>,
        role: Role,
        at: Timestamp,
        random: u64,
    ) -> Result<Option<Op>, ApiError> {
        let before = self.seats.get(&user.key).map(|seat| seat.role);
        // Whoever may not give any role learns no more than that.
        self.check(self.role(by.key)?, Action::GiveRole(before.unwrap_or(Role::Member)))?;
        let before = before.ok_or(ApiError::new(ErrorCode::NotFound, "this user is not a member"))?;
        if role == before {
            return Ok(None);
        }
        let (event, rank) = match role {
            Role::Owner => ("owner_changed", "the owner"),
            Role::Admin => ("role_changed", "an admin"),
            Role::Member => ("role_changed", "a member"),
        };
        let note = SystemNote {
            event,
            user_id: Some(user.id.clone()),
            role: Some(role),
            settings: None,
            text: format!("{} made {} {rank}", by.display_name, user.display_name),
        };
        Ok(Some(Op::SetRole {
            actor: by.clone(),
            user,
            role,
            note: note.into_content(),
            at,
            random,
        }))
    }

    pub(super) fn configure(
        &self,
        by: &Arc<User>,
        mut settings: Settings,
        at: Timestamp,
        random: u64,
    ) -> Result<Option<Op>, ApiError> {
        let invites = settings.invite_code.is_some();
        let action = if invites { Action::Invite } else { Action::Configure };
        self.check(self.role(by.key)?, action)?;
        match self.conversation.kind {
            Kind::Channel => settings.slug = settings.name.as_ref().map(Slug::of).transpose()?,
            Kind::Room if settings.invite_code == Some(None) => {
                return Err(Invalid::new("inviteCode", "is the only way into a room: make a new one").into());
            }
            _ => {}
        }
        let settings = settings.news_for(&self.conversation);
        if settings.is_empty() {
            return Ok(None);
        }
        let text = match &settings.name {
            Some(name) => format!("{} renamed the conversation to {}", by.display_name, name.as_str()),
            None if settings.invite_code == Some(None) => format!("{} took the invite code away", by.display_name),
            None if invites => format!("{} made a new invite code", by.display_name),
            None => format!("{} changed the settings", by.display_name),
        };
        let note = SystemNote {
            event: "conversation_updated",
            user_id: None,
            role: None,
            settings: Some(settings.clone()),
            text,
        };
        Ok(Some(Op::Configure {
            actor: by.clone(),
            settings: Box::new(settings),
            note: note.into_content(),
            at,
            random,
        }))
    }

    pub(super) fn end(&self, by: &Arc<User>, at: Timestamp, random: u64) -> Result<Op, ApiError> {
        self.check(self.role(by.key)?, Action::End)?;
        let text = format!("{} deleted the conversation", by.display_name);
        Ok(Op::End {
            actor: by.clone(),
            note: note("conversation_deleted", None, text),
            at,
            random,
        })
    }

    /// `user` is something else from now on. Whoever makes somebody the owner is an admin.
    pub(super) fn take_role(&mut self, actor: UserKey, user: UserKey, role: Role) {
        if role == Role::Owner
            && let Some(former) = self.seats.get_mut(&actor)
        {
            former.role = Role::Admin;
        }
        if let Some(seat) = self.seats.get_mut(&user) {
            seat.role = role;
        }
    }
}

impl Room {
    /// `conversation_updated` for every member, as the conversation is now.
    pub(super) fn updated(&self) -> Option<Tell> {
        let loaded = self.open().ok()?;
        let conversation = SharedView {
            id: self.id,
            kind: loaded.conversation.kind,
            name: loaded.conversation.name.clone(),
            slug: loaded.conversation.slug.clone(),
            member_count: loaded.seats.len() as u32,
            seq: loaded.head,
            policies: loaded.conversation.policies.clone(),
            created_at: loaded.conversation.created_at,
        };
        let event = Event::ConversationUpdated {
            conversation: &conversation,
        };
        Some(Tell {
            audience: Audience::Members {
                conversation: self.id,
                except: None,
            },
            frame: envelope::event(&event),
        })
    }

    /// The conversation is no more: takes it from every session that listens to it, whoever's (done when the future is), and
    /// ends the room. Nobody is told of the log's last line: who is told that the conversation is gone gets nothing more of it.
    pub(super) fn dissolve(&mut self, ctx: &mut Context<Self>) -> impl Future<Output = Vec<()>> + use<> {
        let event = Event::ConversationRemoved {
            conversation_id: self.id,
            reason: RemovalReason::Deleted,
        };
        let gone = self.node.relays.ask_all(Revoke {
            user: None,
            conversation: self.id,
            frame: envelope::event(&event),
        });
        self.viewers = Viewers::default();
        self.end(ApiError::not_found("conversation"), ctx);
        gone
    }
}

/// Answers when `fence` is done: every worker has taken the conversation from those who lost it. Beside the room rather than
/// on its context, since the room may have ended by then.
pub(super) fn answer_behind(fence: impl Future<Output = Vec<()>> + 'static, reply: Option<Reply>) {
    actix::spawn(async move {
        fence.await;
        if let Some(reply) = reply {
            reply.answer(Answer::Done {});
        }
    });
}

/// What the server says about a change, when there is no more to it than whom it happened to.
pub(super) fn note(event: &'static str, user: Option<&User>, text: String) -> Content {
    SystemNote {
        event,
        user_id: user.map(|user| user.id.clone()),
        role: None,
        settings: None,
        text,
    }
    .into_content()
}

#[cfg(test)]
mod tests {
    use super::{super::Seat, *};
    use crate::domain::{Conversation, ConversationId, ConversationKey, ConversationName, Kind, Policies, Seq, UserId};

    fn at() -> Timestamp {
        Timestamp::from_millis(7)
    }

    fn user(key: i64) -> Arc<User> {
        Arc::new(User {
            key: UserKey(key),
            id: UserId::parse(&format!("u-{key}")).unwrap(),
            name: format!("user{key}"),
            display_name: format!("User {key}"),
            avatar_url: None,
        })
    }

    /// A group of an owner (0), an admin (1) and a member (2).
    fn room() -> Loaded {
        let roles = [Role::Owner, Role::Admin, Role::Member];
        let seats = roles
            .into_iter()
            .zip(0..)
            .map(|(role, key)| (UserKey(key), Seat { user: user(key), role }));
        Loaded {
            conversation: Conversation {
                key: ConversationKey(1),
                id: ConversationId(uuid::Uuid::nil()),
                kind: Kind::Group,
                name: Some("Tea".to_owned()),
                slug: None,
                invite_code: None,
                policies: Policies::default(),
                created_at: at(),
            },
            seats: seats.collect(),
            head: Seq(0),
            expired: Seq(0),
        }
    }

    fn said(op: &Op) -> serde_json::Value {
        let (Op::SetRole { note, .. } | Op::Configure { note, .. } | Op::End { note, .. }) = op else {
            panic!("{op:?}")
        };
        serde_json::from_str(note.as_str()).unwrap()
    }

    fn refusal<T>(result: Result<T, ApiError>) -> Option<ErrorCode> {
        result.err().map(|error| error.code)
    }

    #[test]
    fn a_role_is_given_by_the_owner_to_members_once() {
        let mut room = room();
        let give = |room: &Loaded, by, to, role| room.give_role(&user(by), user(to), role, at(), 1);
        let made = give(&room, 0, 2, Role::Admin).unwrap().expect("a change");
        let expected = serde_json::json!({"event": "role_changed", "userId": "u-2", "role": "admin", "text": "User 0 made User 2 an admin"});
        assert_eq!(said(&made), expected);
        assert!(give(&room, 0, 1, Role::Admin).unwrap().is_none(), "already");
        assert_eq!(refusal(give(&room, 1, 2, Role::Admin)), Some(ErrorCode::Forbidden));
        assert_eq!(refusal(give(&room, 0, 0, Role::Member)), Some(ErrorCode::Forbidden));
        assert_eq!(refusal(give(&room, 0, 9, Role::Admin)), Some(ErrorCode::NotFound));
        assert_eq!(refusal(give(&room, 1, 9, Role::Admin)), Some(ErrorCode::Forbidden));
        assert_eq!(refusal(give(&room, 9, 2, Role::Admin)), Some(ErrorCode::NotMember));
        let passed = give(&room, 0, 1, Role::Owner).unwrap().expect("a change");
        assert_eq!(
            (&said(&passed)["event"], &said(&passed)["userId"]),
            (&"owner_changed".into(), &"u-1".into())
        );
        room.take_role(UserKey(0), UserKey(1), Role::Owner);
        let roles: Vec<Role> = room.seats.values().map(|seat| seat.role).collect();
        assert_eq!(roles, [Role::Admin, Role::Owner, Role::Member]);
    }

    #[test]
    fn settings_that_change_nothing_are_no_change() {
        let room = room();
        let name = |name| Settings {
            name: ConversationName::parse(name).ok(),
            ..Settings::default()
        };
        let configure = |by, settings| room.configure(&user(by), settings, at(), 1);
        let op = configure(1, name("Coffee")).unwrap().expect("a change");
        let expected = serde_json::json!({"event": "conversation_updated", "settings": {"name": "Coffee"},
            "text": "User 1 renamed the conversation to Coffee"});
        assert_eq!(said(&op), expected);
        assert!(configure(1, name("Tea")).unwrap().is_none());
        assert_eq!(refusal(configure(2, name("Tea"))), Some(ErrorCode::Forbidden));
        assert_eq!(refusal(room.end(&user(1), at(), 1)), Some(ErrorCode::Forbidden));
        let expected = serde_json::json!({"event": "conversation_deleted", "text": "User 0 deleted the conversation"});
        assert_eq!(said(&room.end(&user(0), at(), 1).unwrap()), expected);
    }
}
