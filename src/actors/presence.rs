//! Who is online: every user with at least one session on this node. Told by sessions, asked by commands; tells those who
//! share a direct conversation, a group or a room. Blocks nobody: what it tells is ready bytes handed to the relays.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult, WrapFuture, fut::ActorFutureExt};
use tokio::sync::oneshot;

use super::relay::{Audience, Relays, Tell};
use crate::{
    db::Store,
    domain::{Clock, ConversationId, Timestamp, User, UserId, UserKey},
    metrics::Metrics,
    protocol::{Event, envelope},
    webhooks::{self, Webhooks},
};

/// Sessions opened and closed that may wait. A session waits for its place (`send`), so nothing is lost.
const MAILBOX: usize = 1 << 14;

/// How often the store learns that those who are online still are: after a crash nobody was last seen much earlier than
/// they were there. Those who come are written down at once.
const STILL_HERE: Duration = Duration::from_secs(300);

/// Users that one write names. It waits in the line of the messages, and makes them wait.
const BATCH: usize = 500;

/// A session opened.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Opened {
    /// Whose.
    pub user: Arc<User>,
    /// The conversations whose members are to hear of it.
    pub shared: Arc<[ConversationId]>,
}

/// A session closed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Closed {
    /// Whose.
    pub user: Arc<User>,
    /// As in [`Opened`], as it is now.
    pub shared: Arc<[ConversationId]>,
}

/// Which of these are online? Answered in their order.
#[derive(Message)]
#[rtype(result = "Vec<Seen>")]
pub struct Online(pub Vec<UserId>);

/// Everybody who is still here was seen now; the sender is told, or dropped, when the store knows it, or cannot. The last
/// thing before the process ends.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave(pub oneshot::Sender<()>);

/// What presence knows of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether they have a session.
    pub online: bool,
    /// When they were last there, as long as the store may not know it yet.
    pub last_seen_at: Option<Timestamp>,
}

/// See the file's head.
pub struct Presence {
    relays: Relays,
    store: Arc<dyn Store>,
    clock: Clock,
    metrics: Metrics,
    webhooks: Webhooks,
    /// How many each has.
    sessions: HashMap<UserId, (UserKey, u32)>,
    /// Last seen, not in the store yet.
    unsaved: LastSeen,
    /// On its way to the store.
    saving: Option<LastSeen>,
    /// Waits until nothing is unsaved.
    leaving: Option<oneshot::Sender<()>>,
}

type LastSeen = HashMap<UserId, (UserKey, Timestamp)>;

impl Presence {
    /// With nobody online.
    pub fn new(relays: Relays, store: Arc<dyn Store>, clock: Clock, metrics: Metrics, webhooks: Webhooks) -> Self {
        Self {
            relays,
            store,
            clock,
            metrics,
            webhooks,
            sessions: HashMap::new(),
            unsaved: HashMap::new(),
            saving: None,
            leaving: None,
        }
    }

    fn seen(&self, id: &UserId) -> Seen {
        let saving = || self.saving.as_ref().and_then(|saving| saving.get(id));
        Seen {
            online: self.sessions.contains_key(id),
            last_seen_at: self.unsaved.get(id).or_else(saving).map(|(_, at)| *at),
        }
    }

    fn tell_outside(&self, user: &User, at: Timestamp, online: bool) {
        let (user, key) = (user.id.clone(), user.key);
        self.webhooks.seen(key, webhooks::Presence { user, at, online });
    }

    fn tell(&self, user: &User, shared: Arc<[ConversationId]>, event: &Event<'_>) {
        let audience = Audience::Sharing {
            conversations: shared,
            except: user.key,
        };
        self.relays.offer_all(&Tell {
            audience,
            frame: envelope::event(event),
        });
    }

    /// Writes who was last seen when, one write at a time: a thousand sessions that close at once are a few writes.
    fn save(&mut self, ctx: &mut Context<Self>) {
        if self.saving.is_some() {
            return;
        }
        if self.unsaved.is_empty() {
            if let Some(leaving) = self.leaving.take() {
                let _ = leaving.send(());
            }
            return;
        }
        let some: Vec<UserId> = self.unsaved.keys().take(BATCH).cloned().collect();
        let taken: LastSeen = some.iter().filter_map(|id| self.unsaved.remove_entry(id)).collect();
        let seen: Vec<_> = taken.values().copied().collect();
        self.saving = Some(taken);
        let store = self.store.clone();
        let write = async move { store.set_last_seen(&seen).await };
        ctx.spawn(write.into_actor(self).map(|result, actor, ctx| {
            let taken = actor.saving.take().unwrap_or_default();
            if let Err(error) = result {
                log::warn!(target: "parlor::presence", "who was last seen when could not be saved yet: {error}");
                for (id, seen) in taken {
                    actor.unsaved.entry(id).or_insert(seen);
                }
                actor.leaving = None;
            } else {
                actor.save(ctx);
            }
        }));
    }

    /// Those who are online were seen now. Tries again what could not be saved, too.
    fn still_here(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.now();
        let here = self.sessions.iter().map(|(id, (key, _))| (id.clone(), (*key, now)));
        self.unsaved.extend(here);
        self.save(ctx);
    }
}

impl Actor for Presence {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(STILL_HERE, Self::still_here);
    }
}

impl Handler<Opened> for Presence {
    type Result = ();

    fn handle(&mut self, opened: Opened, ctx: &mut Self::Context) {
        let user = &opened.user;
        let (_, count) = self.sessions.entry(user.id.clone()).or_insert((user.key, 0));
        *count += 1;
        if *count == 1 {
            self.metrics.users_online.inc();
            let now = self.clock.now();
            self.unsaved.insert(user.id.clone(), (user.key, now));
            self.save(ctx);
            self.tell_outside(user, now, true);
            self.tell(
                &opened.user,
                opened.shared,
                &Event::UserOnline {
                    user_id: &opened.user.id,
                },
            );
        }
    }
}

impl Handler<Closed> for Presence {
    type Result = ();

    fn handle(&mut self, closed: Closed, ctx: &mut Self::Context) {
        let Some((_, count)) = self.sessions.get_mut(&closed.user.id) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.sessions.remove(&closed.user.id);
            self.metrics.users_online.dec();
            let last_seen_at = self.clock.now();
            self.tell_outside(&closed.user, last_seen_at, false);
            self.unsaved
                .insert(closed.user.id.clone(), (closed.user.key, last_seen_at));
            self.save(ctx);
            self.tell(
                &closed.user,
                closed.shared,
                &Event::UserOffline {
                    user_id: &closed.user.id,
                    last_seen_at,
                },
            );
        }
    }
}

impl Handler<Online> for Presence {
    type Result = MessageResult<Online>;

    fn handle(&mut self, asked: Online, _: &mut Self::Context) -> Self::Result {
        MessageResult(asked.0.iter().map(|id| self.seen(id)).collect())
    }
}

impl Handler<Leave> for Presence {
    type Result = ();

    fn handle(&mut self, leave: Leave, ctx: &mut Self::Context) {
        self.leaving = Some(leave.0);
        self.still_here(ctx);
    }
}
