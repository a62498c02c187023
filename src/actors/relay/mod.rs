//! The relay of one worker thread: takes ready frames from rooms and puts them into the outboxes of that thread's sessions;
//! everything that piles up in one turn of its mailbox goes to each socket as one write. It also sweeps: heartbeats, tokens
//! at their end, readers that are stuck. Never encodes an event of a conversation, never waits for a session.

mod deliver;
mod local;
mod sweep;

use std::{
    rc::Rc,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use dashmap::DashMap;
use indexmap::IndexMap;

pub use deliver::{
    Ack, Attach, Attached, Audience, ConnectedSession, Deliver, Disconnect, Drain, Grant, ListSessions, ProfileChanged,
    Quiesce, Revoke, Tell, TokenRevoked,
};
pub use local::{Entry, Local, SessionRef};

use super::Node;
use crate::{domain::ConversationId, protocol::CloseCode};

/// Requests of one session that may wait for their answers; it reads no further until one is answered.
pub const UNANSWERED_MAX: u32 = 256;

/// Frames from rooms that may wait for a relay. A relay only copies; one this far behind has lost its thread, and its
/// sessions are better off elsewhere: they are closed with 1013 and `sync`.
const MAILBOX: usize = 1 << 16;

/// One worker's relay, as others reach it.
#[derive(Default)]
struct Slot {
    address: RwLock<Option<Addr<Relay>>>,
    /// A frame could not be handed over: every session of that relay must `sync`. Checked by the relay before it handles
    /// anything, so nothing behind the lost frame is delivered.
    overflowed: AtomicBool,
}

/// The relays of all workers, and which of them has listeners for a conversation. Shared by all rooms.
#[derive(Clone)]
pub struct Relays {
    slots: Arc<[Slot]>,
    /// A bit for each relay with subscribers (relays beyond 64 share bits: a bit too many costs an idle wake-up).
    interest: Arc<DashMap<ConversationId, u64>>,
}

impl Relays {
    /// Places for `workers` relays.
    pub fn new(workers: usize) -> Self {
        Self {
            slots: (0..workers.max(1)).map(|_| Slot::default()).collect(),
            interest: Arc::default(),
        }
    }

    /// How many workers there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none (never: see [`Self::new`]).
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn bit(relay: u16) -> u64 {
        1 << (relay % 64)
    }

    fn listen(&self, id: ConversationId, relay: u16) {
        *self.interest.entry(id).or_insert(0) |= Self::bit(relay);
    }

    fn ignore(&self, id: ConversationId, relay: u16) {
        if self.slots.len() > 64 {
            return;
        }
        self.interest.alter(&id, |_, bits| bits & !Self::bit(relay));
        self.interest.remove_if(&id, |_, bits| *bits == 0);
    }

    /// The relays that have subscribers of a conversation. Asked after a commit: a session that subscribed before it is
    /// always among them.
    pub fn listening(&self, id: ConversationId) -> impl Iterator<Item = u16> + use<> {
        let bits = self.interest.get(&id).map_or(0, |bits| *bits);
        (0..self.slots.len() as u16).filter(move |relay| bits & Self::bit(*relay) != 0)
    }

    fn address(&self, relay: u16) -> Option<Addr<Relay>> {
        let slot = self.slots.get(usize::from(relay))?;
        slot.address.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands `message` to a relay without waiting. A full mailbox means that the relay will close its sessions.
    pub fn offer<M>(&self, relay: u16, message: M)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Relay: Handler<M>,
    {
        let Some(address) = self.address(relay) else { return };
        if let Err(actix::dev::SendError::Full(_)) = address.try_send(message) {
            self.slots[usize::from(relay)].overflowed.store(true, Ordering::SeqCst);
        }
    }

    /// Hands `message` to every relay without waiting.
    pub fn offer_all<M>(&self, message: &M)
    where
        M: Message + Clone + Send + 'static,
        M::Result: Send,
        Relay: Handler<M>,
    {
        for relay in 0..self.slots.len() as u16 {
            self.offer(relay, message.clone());
        }
    }

    /// Asks every relay; the future gives their answers, none from a relay that is gone. The question is in the mailboxes
    /// when this returns, so what is offered afterwards stands behind it.
    pub fn ask_all<M>(&self, message: M) -> impl Future<Output = Vec<M::Result>> + use<M>
    where
        M: Message + Clone + Send + 'static,
        M::Result: Send,
        Relay: Handler<M>,
    {
        let asked: Vec<_> = (0..self.slots.len() as u16)
            .filter_map(|relay| self.address(relay))
            .map(|address| address.send(message.clone()))
            .collect();
        async {
            futures_util::future::join_all(asked)
                .await
                .into_iter()
                .flatten()
                .collect()
        }
    }
}

/// See the file's head.
pub struct Relay {
    node: Arc<Node>,
    local: Rc<Local>,
    /// Sessions with something new in their outboxes, until the end of the turn.
    dirty: IndexMap<u64, Rc<Entry>>,
    flushing: bool,
}

impl Relay {
    /// Starts the relay of worker number `relay` on the current thread and gives the thread's sessions their table.
    pub fn start_on_worker(node: &Arc<Node>, relay: u16) -> Rc<Local> {
        let local = Rc::new(Local::new(relay, node.relays.clone()));
        Self::begin(node, &local);
        local
    }

    fn begin(node: &Arc<Node>, local: &Rc<Local>) -> Addr<Self> {
        let actor = Self {
            node: node.clone(),
            local: local.clone(),
            dirty: IndexMap::new(),
            flushing: false,
        };
        let address = actor.start();
        let slot = &node.relays.slots[usize::from(local.relay)];
        *slot.address.write().unwrap_or_else(PoisonError::into_inner) = Some(address.clone());
        address
    }

    /// Starts a worker's relay again if it panicked. Called for every new session: until one comes, there is nobody to
    /// serve, since a panicking relay closes all its sessions.
    pub fn revive(node: &Arc<Node>, local: &Rc<Local>) {
        if node
            .relays
            .address(local.relay)
            .is_none_or(|address| !address.connected())
        {
            Self::begin(node, local);
        }
    }

    /// To be called before anything is handled: closes everybody if a frame was lost on the way here.
    fn check_overflow(&mut self) {
        let slot = &self.node.relays.slots[usize::from(self.local.relay)];
        if slot.overflowed.load(Ordering::Relaxed) && slot.overflowed.swap(false, Ordering::SeqCst) {
            log::error!(target: "parlor::relay", "the mailbox of worker {} was full: its sessions are closed", self.local.relay);
            self.node.metrics.relays_overflowed.inc();
            self.close_all(CloseCode::Overloaded);
        }
    }

    fn close_all(&self, code: CloseCode) {
        let sessions: Vec<_> = self.local.sessions.borrow().values().cloned().collect();
        for entry in sessions {
            entry.close(code);
        }
    }

    fn mark(&mut self, entry: &Rc<Entry>, ctx: &mut Context<Self>) {
        if !entry.outbox.borrow().blocked() {
            self.dirty.insert(entry.at.number, entry.clone());
            if !self.flushing {
                self.flushing = true;
                ctx.notify(Flush);
            }
        }
    }
}

impl Actor for Relay {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.start_sweeping(ctx);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.close_all(CloseCode::Internal);
        }
    }
}

/// Comes back to the relay behind everything that waits in its mailbox: the end of a turn.
#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

impl Handler<Flush> for Relay {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        self.flushing = false;
        for (_, entry) in self.dirty.drain(..) {
            entry.flush();
        }
    }
}
