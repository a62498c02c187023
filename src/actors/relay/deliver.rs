//! What others say to a relay, and what it does about each. Everything here is a copy of ready bytes or a change of who
//! listens; rooms are the ones who decide.

use std::{rc::Rc, sync::Arc};

use actix::{Context, Handler, Message, MessageResult};
use bytes::Bytes;
use indexmap::IndexSet;
use serde::Serialize;
use smallvec::SmallVec;
use utoipa::ToSchema;

use super::{Entry, Relay, SessionRef};
use crate::{
    domain::{ConversationId, Seq, SessionId, Timestamp, User, UserId, UserKey},
    protocol::CloseCode,
};

/// An answer for one session.
#[derive(Debug, Clone)]
pub struct Ack {
    /// Whose.
    pub session: SessionRef,
    /// The ready frame; `None` when the request asked for no answer.
    pub frame: Option<Bytes>,
}

/// The durable changes of one commit, for everybody who listens, and the answers to those who asked for them.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Deliver {
    /// Where.
    pub conversation: ConversationId,
    /// The first and last position in `events`; `None` when there are only answers.
    pub span: Option<(Seq, Seq)>,
    /// The ready frames, one behind the other.
    pub events: Bytes,
    /// How many events that is.
    pub count: u32,
    /// Answers for sessions of this worker.
    pub acks: SmallVec<[Ack; 2]>,
}

/// Something without a position.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Tell {
    /// To whom.
    pub audience: Audience,
    /// The ready frame.
    pub frame: Bytes,
}

/// Who is told.
#[derive(Debug, Clone)]
pub enum Audience {
    /// Whoever listens to a conversation, but one session.
    Members {
        /// Which.
        conversation: ConversationId,
        /// The session that knows already.
        except: Option<SessionRef>,
    },
    /// Whoever has the conversation open, but one user. Dropped for a slow reader.
    Viewers {
        /// Which.
        conversation: ConversationId,
        /// Whom it is about.
        except: UserKey,
    },
    /// Whoever listens to one of these, once each, but one user. Dropped for a slow reader.
    Sharing {
        /// Which.
        conversations: Arc<[ConversationId]>,
        /// Whom it is about.
        except: UserKey,
    },
}

/// Users got a conversation: their sessions listen to it from now on.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Grant {
    /// Who.
    pub users: Arc<[UserKey]>,
    /// What.
    pub conversation: ConversationId,
    /// Where the log stands: what comes after it will be delivered.
    pub head: Seq,
    /// `conversation_created`, ready.
    pub frame: Bytes,
}

/// A conversation was lost: when this is answered, the losers' sessions on this worker get nothing more of it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Revoke {
    /// By whom; `None`: by everybody, it is deleted.
    pub user: Option<UserKey>,
    /// What.
    pub conversation: ConversationId,
    /// `conversation_removed`, ready.
    pub frame: Bytes,
}

/// A room that is in doubt (it begins again after a panic, or an append's outcome is unknown) asks: what did this worker's
/// listeners get, are they the members, and who has the conversation open?
#[derive(Debug, Clone, Message)]
#[rtype(result = "Attached")]
pub struct Attach {
    /// Which.
    pub conversation: ConversationId,
    /// Who belongs to it, as the store has it.
    pub members: Arc<IndexSet<UserKey>>,
}

/// The answer to [`Attach`].
#[derive(Debug, Clone)]
pub struct Attached {
    /// Which worker.
    pub relay: u16,
    /// The last position delivered; `None` when nobody listens here or it is not known.
    pub delivered: Option<Seq>,
    /// Who has it open.
    pub viewers: Vec<(SessionRef, Arc<User>)>,
    /// Who listens and is no member: their removal was not told.
    pub strangers: Vec<Arc<User>>,
    /// Members of whom a session does not listen: their coming was not told.
    pub missing: Vec<UserKey>,
}

/// A user changed their name or picture.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ProfileChanged(pub Arc<User>);

/// A token was revoked: its sessions are closed with 4401.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct TokenRevoked(pub Arc<str>);

/// Every session is closed with this code: the server is going away.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Drain(pub CloseCode);

/// No session reads further requests from now on; answered with how many requests are not answered yet.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "u32")]
pub struct Quiesce;

/// An administrator wants a session gone; answered with whether it was here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct Disconnect(pub SessionId);

/// Who is connected?
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<ConnectedSession>")]
pub struct ListSessions;

/// A session, for admins.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectedSession {
    /// Which.
    pub session_id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// What it speaks.
    pub transport: &'static str,
    /// Since when it is open.
    pub opened_at: Timestamp,
    /// When its token ends.
    pub expires_at: Timestamp,
    /// Conversations it listens to.
    pub conversations: usize,
    /// Bytes that wait to be read by it.
    pub unsent_bytes: usize,
}

impl Handler<Deliver> for Relay {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, ctx: &mut Self::Context) {
        self.check_overflow();
        for ack in deliver.acks {
            let Some(entry) = self.local.session(ack.session.number) else {
                continue;
            };
            entry.answered();
            if let Some(frame) = ack.frame {
                entry.outbox.borrow_mut().push(None, frame);
                self.mark(&entry, ctx);
            }
        }
        let Some((first, last)) = deliver.span else { return };
        let mut delivered = 0;
        let local = self.local.clone();
        let mut conversations = local.conversations.borrow_mut();
        let Some(subscribers) = conversations.get_mut(&deliver.conversation) else {
            return;
        };
        // A room that began again tells what it is not sure was told; positions decide.
        if subscribers.delivered.is_some_and(|seen| first <= seen) {
            return;
        }
        subscribers.delivered = Some(last);
        for entry in subscribers.sessions.values().filter(|entry| entry.ready.get()) {
            delivered += u64::from(deliver.count);
            self.push(entry, Some(deliver.conversation), deliver.events.clone(), ctx);
        }
        self.node.metrics.deliveries.inc_by(delivered);
    }
}

impl Relay {
    fn push(&mut self, entry: &Rc<Entry>, conversation: Option<ConversationId>, frame: Bytes, ctx: &mut Context<Self>) {
        let mut outbox = entry.outbox.borrow_mut();
        let was_open = outbox.open();
        outbox.push(conversation, frame);
        if was_open && !outbox.open() {
            drop(outbox);
            log::info!(target: "parlor::relay", "session {} reads too slowly: closed", entry.id);
            entry.flush();
            return;
        }
        drop(outbox);
        self.mark(entry, ctx);
    }

    fn push_volatile(&mut self, entry: &Rc<Entry>, frame: Bytes, ctx: &mut Context<Self>) {
        if entry.outbox.borrow_mut().push_volatile(frame) {
            self.mark(entry, ctx);
        } else {
            self.node.metrics.volatile_dropped.inc();
        }
    }
}

impl Handler<Tell> for Relay {
    type Result = ();

    fn handle(&mut self, tell: Tell, ctx: &mut Self::Context) {
        self.check_overflow();
        let local = self.local.clone();
        let conversations = local.conversations.borrow();
        match tell.audience {
            Audience::Members { conversation, except } => {
                let Some(subscribers) = conversations.get(&conversation) else {
                    return;
                };
                for entry in subscribers.sessions.values() {
                    if entry.ready.get() && Some(entry.at) != except {
                        self.push(entry, Some(conversation), tell.frame.clone(), ctx);
                    }
                }
            }
            Audience::Viewers { conversation, except } => {
                let Some(subscribers) = conversations.get(&conversation) else {
                    return;
                };
                for entry in subscribers.viewers.values() {
                    if entry.user.borrow().key != except {
                        self.push_volatile(entry, tell.frame.clone(), ctx);
                    }
                }
            }
            Audience::Sharing {
                conversations: shared,
                except,
            } => {
                let mut told = std::collections::HashSet::new();
                for entry in shared
                    .iter()
                    .filter_map(|id| conversations.get(id))
                    .flat_map(|s| s.sessions.values())
                {
                    if entry.ready.get() && entry.user.borrow().key != except && told.insert(entry.at.number) {
                        self.push_volatile(entry, tell.frame.clone(), ctx);
                    }
                }
            }
        }
    }
}

impl Handler<Grant> for Relay {
    type Result = ();

    fn handle(&mut self, grant: Grant, ctx: &mut Self::Context) {
        self.check_overflow();
        let local = self.local.clone();
        for user in grant.users.iter() {
            local
                .withdrawn
                .borrow_mut()
                .swap_remove(&(Some(*user), grant.conversation));
            for entry in local.sessions_of(*user) {
                // Whoever listens already knows of it.
                let new = local.subscribe(&entry, grant.conversation);
                if new && entry.ready.get() {
                    // A removal does not take it back: answers that stand behind it would come from nowhere.
                    self.push(&entry, None, grant.frame.clone(), ctx);
                }
            }
        }
        local.baseline(std::iter::once((grant.conversation, grant.head)));
    }
}

impl Handler<Revoke> for Relay {
    type Result = ();

    fn handle(&mut self, revoke: Revoke, ctx: &mut Self::Context) {
        self.check_overflow();
        let local = self.local.clone();
        if local.settling() {
            local.withdrawn.borrow_mut().insert((revoke.user, revoke.conversation));
        }
        let losers = match revoke.user {
            Some(user) => local.sessions_of(user),
            None => local.listeners_of(revoke.conversation),
        };
        for entry in losers {
            local.unsubscribe(&entry, revoke.conversation);
            entry.outbox.borrow_mut().purge(revoke.conversation);
            if entry.ready.get() {
                self.push(&entry, None, revoke.frame.clone(), ctx);
            }
        }
    }
}

impl Handler<Attach> for Relay {
    type Result = MessageResult<Attach>;

    fn handle(&mut self, attach: Attach, _: &mut Self::Context) -> Self::Result {
        self.check_overflow();
        let Attach { conversation, members } = attach;
        self.local.withhold_from_strangers(conversation, &members);
        let missing = self.local.members_not_listening(conversation, &members);
        let conversations = self.local.conversations.borrow();
        let subscribers = conversations.get(&conversation);
        MessageResult(Attached {
            missing,
            strangers: subscribers.map_or_else(Vec::new, |subscribers| {
                let listening = subscribers.sessions.values().map(|entry| entry.user.borrow().clone());
                listening.filter(|user| !members.contains(&user.key)).collect()
            }),
            relay: self.local.relay,
            delivered: subscribers.and_then(|subscribers| subscribers.delivered),
            viewers: subscribers.map_or_else(Vec::new, |subscribers| {
                subscribers
                    .viewers
                    .values()
                    .map(|entry| (entry.at, entry.user.borrow().clone()))
                    .collect()
            }),
        })
    }
}

impl Handler<ProfileChanged> for Relay {
    type Result = ();

    fn handle(&mut self, changed: ProfileChanged, _: &mut Self::Context) {
        for entry in self.local.sessions_of(changed.0.key) {
            *entry.user.borrow_mut() = changed.0.clone();
        }
    }
}

impl Handler<TokenRevoked> for Relay {
    type Result = ();

    fn handle(&mut self, revoked: TokenRevoked, _: &mut Self::Context) {
        let sessions: Vec<_> = self.local.sessions.borrow().values().cloned().collect();
        for entry in sessions.iter().filter(|entry| **entry.token_key.borrow() == *revoked.0) {
            entry.close(CloseCode::Unauthorized);
        }
    }
}

impl Handler<Quiesce> for Relay {
    type Result = u32;

    fn handle(&mut self, _: Quiesce, _: &mut Self::Context) -> u32 {
        self.local.quiet.set(true);
        self.local
            .sessions
            .borrow()
            .values()
            .map(|entry| entry.unanswered.get())
            .sum()
    }
}

impl Handler<Drain> for Relay {
    type Result = ();

    fn handle(&mut self, drain: Drain, _: &mut Self::Context) {
        self.close_all(drain.0);
    }
}

impl Handler<Disconnect> for Relay {
    type Result = bool;

    fn handle(&mut self, disconnect: Disconnect, _: &mut Self::Context) -> bool {
        let found = self
            .local
            .sessions
            .borrow()
            .values()
            .find(|entry| entry.id == disconnect.0)
            .cloned();
        found.inspect(|entry| entry.close(CloseCode::Revoked)).is_some()
    }
}

impl Handler<ListSessions> for Relay {
    type Result = MessageResult<ListSessions>;

    fn handle(&mut self, _: ListSessions, _: &mut Self::Context) -> Self::Result {
        let sessions = self.local.sessions.borrow();
        MessageResult(sessions.values().map(|entry| describe(entry)).collect())
    }
}

fn describe(entry: &Entry) -> ConnectedSession {
    ConnectedSession {
        session_id: entry.id,
        user_id: entry.user.borrow().id.clone(),
        transport: entry.carriage.transport().as_str(),
        opened_at: entry.opened_at,
        expires_at: entry.expires_at.get(),
        conversations: entry.subscriptions.borrow().len(),
        unsent_bytes: entry.outbox.borrow().queued_bytes(),
    }
}
