//! Members come and go, roles and settings change: what is decided does something to the room, to the sessions of whom it
//! is about, and to everybody else. Whoever is removed hears nothing behind the answer to the removal.

use std::sync::Arc;

use actix::Context;

use super::{Room, Seat, State, commit::Broadcast, settings::answer_behind};
use crate::{
    actors::{
        relay::{Audience, Grant, Revoke, Tell},
        reply::{Answer, Reply},
    },
    db::Op,
    domain::{
        Content, Message, MessageId, MessageType, Role, Seq, Timestamp, User, UserKey, conversation::ConversationView,
    },
    protocol::{ApiError, Event, envelope, event::RemovalReason},
};

impl Room {
    #[expect(clippy::too_many_arguments, reason = "one outcome's parts, passed on once")]
    pub(super) fn membership(
        &mut self,
        op: Op,
        reply: Option<Reply>,
        id: MessageId,
        seq: Seq,
        in_order: bool,
        broadcast: &mut Broadcast,
        ctx: &mut Context<Self>,
    ) {
        let (note, reply) = match op {
            Op::AddMember {
                actor,
                user,
                role,
                note,
                at,
                ..
            } => {
                let note = self.system_message(&actor, note, id, seq, at);
                self.added(&user, role, &note, broadcast);
                (note, reply)
            }
            Op::RemoveMember {
                actor,
                user,
                heir,
                note,
                at,
                ..
            } => {
                let note = self.system_message(&actor, note, id, seq, at);
                // The fence: the answer goes out when every worker has taken the conversation from that user's sessions.
                answer_behind(self.removed(&actor, &user, heir, broadcast, ctx), reply);
                (note, None)
            }
            Op::SetRole {
                actor,
                user,
                role,
                note,
                at,
                ..
            } => {
                if let State::Open(loaded) = &mut self.state {
                    loaded.take_role(actor.key, user.key, role);
                }
                (self.system_message(&actor, note, id, seq, at), reply)
            }
            Op::Configure {
                actor,
                settings,
                note,
                at,
                ..
            } => {
                if let State::Open(loaded) = &mut self.state {
                    settings.apply(&mut loaded.conversation);
                }
                // Out of order, the recovery tells of it behind what it tells again.
                broadcast.tells.extend(self.updated().filter(|_| in_order));
                (self.system_message(&actor, note, id, seq, at), reply)
            }
            Op::End { .. } => return answer_behind(self.dissolve(ctx), reply),
            Op::Send(_)
            | Op::Edit { .. }
            | Op::React { .. }
            | Op::Delete { .. }
            | Op::MarkRead { .. }
            | Op::Expire { .. } => return,
        };
        self.announce(&note, in_order, broadcast);
        if let Some(reply) = reply {
            reply.answer(Answer::Done {});
        }
    }

    fn added(&mut self, user: &Arc<User>, role: Role, note: &Message, broadcast: &mut Broadcast) {
        let State::Open(loaded) = &mut self.state else { return };
        let user = user.clone();
        loaded.seats.insert(
            user.key,
            Seat {
                user: user.clone(),
                role,
            },
        );
        self.grant(user.key, note, role);
        broadcast.tells.push(self.member_event(&Event::MemberAdded {
            conversation_id: self.id,
            user: &user,
        }));
    }

    fn removed(
        &mut self,
        actor: &Arc<User>,
        user: &Arc<User>,
        heir: Option<UserKey>,
        broadcast: &mut Broadcast,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Vec<()>> + use<> {
        let reason = if actor.key == user.key {
            RemovalReason::Left
        } else {
            RemovalReason::Removed
        };
        broadcast.tells.push(self.member_event(&Event::MemberRemoved {
            conversation_id: self.id,
            user,
        }));
        self.expel(user, heir, reason, ctx)
    }

    fn member_event(&self, event: &Event<'_>) -> Tell {
        let audience = Audience::Members {
            conversation: self.id,
            except: None,
        };
        Tell {
            audience,
            frame: envelope::event(event),
        }
    }

    fn announce(&mut self, note: &Message, in_order: bool, broadcast: &mut Broadcast) {
        if in_order {
            self.writer.message(note);
            self.writer.new_message();
            broadcast.extend(note.seq);
        }
    }

    fn system_message(&self, actor: &Arc<User>, note: Content, id: MessageId, seq: Seq, at: Timestamp) -> Message {
        Message {
            id,
            conversation_id: self.id,
            seq,
            change_seq: seq,
            kind: MessageType::System,
            content: Some(note),
            sender: actor.clone(),
            client_id: None,
            reply_to_id: None,
            reply_to: None,
            mentions: Vec::new(),
            reactions: Vec::new(),
            created_at: at,
            edited_at: None,
            deleted_at: None,
        }
    }

    /// Lets the sessions of a new member listen from `note` on, and tells them of the conversation.
    fn grant(&self, user: UserKey, note: &Message, role: Role) {
        let Ok(loaded) = self.open() else { return };
        let before = Seq(note.seq.0 - 1);
        let view = ConversationView {
            id: self.id,
            kind: loaded.conversation.kind,
            name: loaded.conversation.name.clone(),
            slug: loaded.conversation.slug.clone(),
            invite_code: None,
            other_user: None,
            role,
            member_count: loaded.seats.len() as u32,
            seq: note.seq,
            last_message: Some(note.clone()),
            last_message_at: Some(note.created_at),
            unread_count: 0,
            last_read_seq: before,
            mention_count: 0,
            expired_seq: Seq(0),
            policies: loaded.conversation.policies.clone(),
            created_at: loaded.conversation.created_at,
        };
        let frame = envelope::event(&Event::ConversationCreated { conversation: &view });
        self.node.relays.offer_all(&Grant {
            users: Arc::new([user]),
            conversation: self.id,
            head: before,
            frame,
        });
    }

    /// Takes a member out of everything this room knows, and the conversation from their sessions: done when the future is.
    pub(super) fn expel(
        &mut self,
        user: &Arc<User>,
        heir: Option<UserKey>,
        reason: RemovalReason,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Vec<()>> + use<> {
        let event = Event::ConversationRemoved {
            conversation_id: self.id,
            reason,
        };
        let revoke = Revoke {
            user: Some(user.key),
            conversation: self.id,
            frame: envelope::event(&event),
        };
        let gone = self.node.relays.ask_all(revoke);
        self.forget_viewer(user.key);
        if let State::Open(loaded) = &mut self.state {
            loaded.seats.shift_remove(&user.key);
            if let Some(seat) = heir.and_then(|heir| loaded.seats.get_mut(&heir)) {
                seat.role = Role::Owner;
            }
            if loaded.seats.is_empty() {
                self.end(ApiError::not_found("conversation"), ctx);
            }
        }
        gone
    }
}
