//! A conversation in use: the one place through which anything enters it, so that its mailbox gives the order. Started on
//! demand by the directory (`rooms`), retired when idle, started again from the store after a panic. Owns the membership
//! (cached), what waits to be committed, who has it open and who types. Broadcasts nothing before its commit; never blocks
//! its mailbox on the store after the start.

mod commit;
mod entry;
mod members;
mod presence;
mod recover;
mod retention;
mod seats;
mod settings;
mod stats;
mod submit;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message, WrapFuture, fut::ActorFutureExt,
};
use rand::rngs::StdRng;
use tokio::{sync::oneshot, time::Instant};

use self::{presence::Viewers, recover::Doubt, seats::Seats, stats::Recent};
use super::{Node, relay::Attach, reply::Reply};
use crate::{
    db::{Op, RoomState, StoreError},
    domain::{Conversation, ConversationId, Role, Seq, User, UserKey, limits},
    protocol::{ApiError, envelope::BatchWriter},
};

pub use presence::{Typing, Unview, View};
pub use retention::Expire;
pub use stats::{RoomFigures, RoomStats};
pub use submit::{Request, Submit};

pub(super) use self::recover::write_change;

/// Requests that may wait in front of a room; one more is refused with `RATE_LIMITED`.
const MAILBOX: usize = 1 << 13;

/// How often a room looks after itself.
const TICK: Duration = Duration::from_secs(1);

/// How long a room may load, while everything in its mailbox waits.
const LOAD_WITHIN: Duration = Duration::from_secs(5);

/// Something submitted, until it is answered.
struct Pending {
    op: Op,
    /// Taken when it is answered before its time (the store takes too long).
    reply: Option<Reply>,
    /// As in [`Submit`].
    since: Instant,
}

/// A member, as the room needs them.
#[derive(Clone)]
struct Seat {
    user: Arc<User>,
    role: Role,
}

/// What the room knows of its conversation. The room is the only writer of it on this node.
struct Loaded {
    conversation: Conversation,
    seats: Seats,
    /// The position up to which everything was broadcast.
    head: Seq,
    /// Up to where the members were told that retention has removed everything.
    expired: Seq,
}

enum State {
    /// The first look at the store is on its way; the mailbox waits for it.
    Loading,
    /// At work.
    Open(Box<Loaded>),
    /// Nothing to be done here (for now): why, for whoever asks. The room leaves, or loads itself again.
    Ended(ApiError),
}

/// See the file's head.
pub struct Room {
    node: Arc<Node>,
    id: ConversationId,
    after_panic: bool,
    state: State,
    /// To be committed next, in order.
    pending: VecDeque<Pending>,
    /// On their way to the log, in order; the next ones go when these are decided.
    committing: VecDeque<Pending>,
    flushing: bool,
    /// A change of the membership, a role or the settings is not decided yet: what comes behind it waits here, since who may
    /// do what depends on it. The same while the room is in doubt: who is a member is what it doubts.
    deferred: Option<VecDeque<Submit>>,
    doubt: Doubt,
    /// The janitor waits for a removal of what is past its time: there is one under way at the most.
    expiring: Option<oneshot::Sender<bool>>,
    viewers: Viewers,
    recent: Recent,
    writer: BatchWriter,
    rng: StdRng,
    used: Instant,
    retiring: bool,
}

impl Room {
    /// Starts the room of `id` on a thread; it loads itself from the store before it looks into its mailbox.
    pub(super) fn start_on(
        thread: &ArbiterHandle,
        node: Arc<Node>,
        id: ConversationId,
        after_panic: bool,
    ) -> Addr<Self> {
        Self::start_in_arbiter(thread, move |_| Self {
            rng: node.entropy.fork(),
            node,
            id,
            after_panic,
            state: State::Loading,
            pending: VecDeque::new(),
            committing: VecDeque::new(),
            flushing: false,
            deferred: None,
            doubt: Doubt::None,
            expiring: None,
            viewers: Viewers::default(),
            recent: Recent::default(),
            writer: BatchWriter::default(),
            used: Instant::now(),
            retiring: false,
        })
    }

    fn load(&mut self, ctx: &mut Context<Self>) {
        let (node, id, after_panic) = (self.node.clone(), self.id, self.after_panic);
        let look = async move {
            let state = node.store.room_state(id).await?;
            let attached = match &state {
                Some(state) if after_panic => node.relays.ask_all(attach(state)).await,
                _ => Vec::new(),
            };
            Ok((state, attached))
        };
        let look = async {
            let late = |_| Err(StoreError::Unavailable("it takes too long to answer".into()));
            tokio::time::timeout(LOAD_WITHIN, look).await.unwrap_or_else(late)
        };
        ctx.wait(look.into_actor(self).map(|loaded, room, ctx| match loaded {
            Ok((Some(state), attached)) => {
                room.state = State::Open(Box::new(Loaded::new(state)));
                if room.after_panic {
                    room.resume(attached, ctx);
                }
            }
            // The room before may have panicked between the deletion and telling of it.
            Ok((None, _)) if room.after_panic => settings::answer_behind(room.dissolve(ctx), None),
            Ok((None, _)) => room.end(ApiError::not_found("conversation"), ctx),
            Err(error) if room.after_panic => room.load_later(error.into(), ctx),
            Err(error) => room.end(error.into(), ctx),
        }));
    }

    /// Tries again to load: a successor would not know that it has to tell what this one's predecessor did not.
    fn load_later(&mut self, why: ApiError, ctx: &mut Context<Self>) {
        self.state = State::Ended(why);
        self.doubt = Doubt::Reading;
        ctx.run_later(TICK, |room, ctx| {
            room.doubt = Doubt::None;
            room.load(ctx);
        });
    }

    /// There is no more to do here: everybody who asks is told `why`, and the room leaves.
    fn end(&mut self, why: ApiError, ctx: &mut Context<Self>) {
        for reply in self.pending.drain(..).filter_map(|pending| pending.reply) {
            reply.refuse(why.clone());
        }
        self.refuse_deferred(&why);
        self.expiring = None;
        self.state = State::Ended(why);
        self.retire(ctx);
    }

    fn retire(&mut self, ctx: &mut Context<Self>) {
        self.retiring = true;
        self.node.rooms.retire(self.id, &ctx.address());
        ctx.notify(Leave);
    }

    fn idle(&self) -> bool {
        self.pending.is_empty()
            && self.committing.is_empty()
            && self.deferred.is_none()
            && matches!(self.doubt, Doubt::None)
            && self.viewers.is_empty()
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.recent.tick();
        let now = Instant::now();
        let patience = Duration::from_millis(limits::ANSWER_WITHIN_MS);
        for waiting in self.committing.iter_mut().chain(&mut self.pending) {
            if now.duration_since(waiting.since) >= patience
                && let Some(reply) = waiting.reply.take()
            {
                reply.refuse(ApiError::uncertain());
            }
        }
        if let Some(deferred) = &mut self.deferred {
            let late = |first: &Submit| now.duration_since(first.since) >= patience;
            while deferred.front().is_some_and(late)
                && let Some(first) = deferred.pop_front()
            {
                first.reply.refuse(ApiError::unavailable());
            }
        }
        if !self.idle() {
            self.used = now;
        } else if !self.retiring && now.duration_since(self.used) >= self.node.settings.room_idle {
            self.retire(ctx);
        }
    }

    fn open(&self) -> Result<&Loaded, ApiError> {
        match &self.state {
            State::Open(loaded) => Ok(loaded),
            State::Ended(why) => Err(why.clone()),
            State::Loading => Err(ApiError::unavailable()),
        }
    }

    fn seat(&self, user: UserKey) -> Result<&Seat, ApiError> {
        self.open()?.seats.get(&user).ok_or_else(ApiError::not_member)
    }
}

impl Loaded {
    fn new(state: RoomState) -> Self {
        Self {
            conversation: state.conversation,
            seats: Seats::of(state.members),
            head: state.head,
            expired: state.expired,
        }
    }
}

/// The question to the relays: what did your listeners get, and are they those who should be?
fn attach(state: &RoomState) -> Attach {
    let members = state.members.iter().map(|member| member.user.key).collect();
    Attach {
        conversation: state.conversation.id,
        members: Arc::new(members),
    }
}

impl Actor for Room {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.node.metrics.rooms.inc();
        self.load(ctx);
        ctx.run_interval(TICK, Self::tick);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.node.metrics.rooms.dec();
    }
}

/// Comes back to a retiring room behind what reached its mailbox before it left the directory.
#[derive(Message)]
#[rtype(result = "()")]
struct Leave;

impl Handler<Leave> for Room {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        if self.pending.is_empty() && self.committing.is_empty() {
            ctx.stop();
        } else {
            ctx.notify_later(Leave, TICK);
        }
    }
}
