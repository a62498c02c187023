//! The sessions of one worker thread, and who of them listens to what. Owned together by that thread's relay and its
//! sessions; nobody else can reach it, so there is nothing to lock.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    task::Waker,
};

use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};
use tokio::time::Instant;

use super::Relays;
use crate::{
    actors::{
        outbox::{Flushed, Outbox},
        session::Carriage,
    },
    domain::{ConversationId, Seq, SessionId, Timestamp, User, UserKey},
    protocol::CloseCode,
};

/// Where a session is: its worker and its number there, given once and never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionRef {
    /// The worker's place in [`Relays`].
    pub relay: u16,
    /// The session's number on that worker.
    pub number: u64,
}

/// One session, as its worker thread knows it.
pub struct Entry {
    /// Where it is.
    pub at: SessionRef,
    /// What clients and admins call it.
    pub id: SessionId,
    /// Who it is; replaced when they change their profile.
    pub user: RefCell<Arc<User>>,
    /// What waits to be written.
    pub outbox: RefCell<Outbox>,
    /// Whether `ready` was sent: before it, the session gets nothing.
    pub ready: Cell<bool>,
    /// Requests that are not answered yet; the session stops reading at a bound.
    pub unanswered: Cell<u32>,
    /// When anything was last heard from the client.
    pub heard: Cell<Instant>,
    /// When it was last pinged.
    pub pinged: Cell<Instant>,
    /// When its token ends.
    pub expires_at: Cell<Timestamp>,
    /// Whether it was told that its token ends soon.
    pub expiry_told: Cell<bool>,
    /// What revocation knows its token by.
    pub token_key: RefCell<String>,
    /// Since when it is open.
    pub opened_at: Timestamp,
    /// Conversations it listens to.
    pub subscriptions: RefCell<IndexSet<ConversationId>>,
    /// Conversations whose rooms may count it as a viewer: from the moment it asks to be one until it is gone, since it may be
    /// gone before the answer.
    pub viewing: RefCell<IndexSet<ConversationId>>,
    /// What it speaks, and over what.
    pub carriage: Rc<Carriage>,
    /// Wakes the session's I/O when its outbox is blocked, closing, or its reading may go on.
    pub waker: RefCell<Option<Waker>>,
}

impl Entry {
    /// Lets the session's I/O look at its outbox and its socket again.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Writes what the socket takes; what it doesn't is the session's I/O to write when it can.
    pub fn flush(&self) {
        match self.outbox.borrow_mut().flush() {
            Flushed::Empty => return,
            Flushed::Blocked | Flushed::More | Flushed::Over => {}
        }
        self.wake();
    }

    /// Closes the session with `code`.
    pub fn close(&self, code: CloseCode) {
        self.outbox.borrow_mut().close(code);
        self.flush();
        self.wake();
    }

    /// Notes that a request is answered; reading goes on if it had stopped.
    pub fn answered(&self) {
        let left = self.unanswered.get().saturating_sub(1);
        self.unanswered.set(left);
        if left + 1 == super::UNANSWERED_MAX {
            self.wake();
        }
    }

    /// Sends `bytes` to this session alone, at once.
    pub fn send(&self, bytes: Bytes) {
        self.outbox.borrow_mut().push(None, bytes);
        self.flush();
    }
}

/// Who listens to one conversation on this worker.
#[derive(Default)]
pub(super) struct Subscribers {
    /// The last position handed to them; what a restarted room begins after. `None` until it is known.
    pub delivered: Option<Seq>,
    pub sessions: IndexMap<u64, Rc<Entry>>,
    pub viewers: IndexMap<u64, Rc<Entry>>,
}

/// See the file's head.
pub struct Local {
    /// The worker's place in [`Relays`].
    pub relay: u16,
    relays: Relays,
    next: Cell<u64>,
    pub(super) sessions: RefCell<IndexMap<u64, Rc<Entry>>>,
    pub(super) users: RefCell<HashMap<UserKey, IndexMap<u64, Rc<Entry>>>>,
    pub(super) conversations: RefCell<HashMap<ConversationId, Subscribers>>,
    /// Conversations that a user was taken out of (or, without one, that were deleted) while a session was still being set
    /// up, which may have read of the membership before.
    pub(super) withdrawn: RefCell<IndexSet<(Option<UserKey>, ConversationId)>>,
    /// Sessions being set up.
    settling: Cell<u32>,
    /// No session reads further requests: the server is going away.
    pub quiet: Cell<bool>,
}

impl Local {
    pub(super) fn new(relay: u16, relays: Relays) -> Self {
        Self {
            relay,
            relays,
            next: Cell::new(0),
            sessions: RefCell::default(),
            users: RefCell::default(),
            conversations: RefCell::default(),
            withdrawn: RefCell::default(),
            settling: Cell::new(0),
            quiet: Cell::new(false),
        }
    }

    /// A new place for a session.
    pub fn place(&self) -> SessionRef {
        let number = self.next.get();
        self.next.set(number + 1);
        SessionRef {
            relay: self.relay,
            number,
        }
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// Takes a session in: from now on it is found by its user, so that conversations given or taken while it is being
    /// set up are not missed.
    pub fn register(&self, entry: &Rc<Entry>) {
        let number = entry.at.number;
        self.sessions.borrow_mut().insert(number, entry.clone());
        let key = entry.user.borrow().key;
        self.users
            .borrow_mut()
            .entry(key)
            .or_default()
            .insert(number, entry.clone());
        self.settling.set(self.settling.get() + 1);
    }

    /// Subscribes a session being set up to what the store says it belongs to, except what was taken from it meanwhile.
    pub fn subscribe_all(&self, entry: &Rc<Entry>, conversations: impl Iterator<Item = ConversationId>) {
        let user = Some(entry.user.borrow().key);
        let withdrawn = self.withdrawn.borrow();
        let lost = |id| withdrawn.contains(&(user, id)) || withdrawn.contains(&(None, id));
        for id in conversations.filter(|id| !lost(*id)) {
            self.subscribe(entry, id);
        }
    }

    /// The setting up of a session is over, however it went.
    pub fn settled(&self) {
        self.settling.set(self.settling.get() - 1);
        if self.settling.get() == 0 {
            self.withdrawn.borrow_mut().clear();
        }
    }

    pub(super) fn settling(&self) -> bool {
        self.settling.get() > 0
    }

    /// Sessions being set up may have read that they belong to a conversation before they were taken out of it: those who
    /// are not its members are not let in.
    pub(super) fn withhold_from_strangers(&self, id: ConversationId, members: &IndexSet<UserKey>) {
        if self.settling() {
            let users = self.users.borrow();
            let strangers = users.keys().filter(|user| !members.contains(*user));
            self.withdrawn
                .borrow_mut()
                .extend(strangers.map(|user| (Some(*user), id)));
        }
    }

    /// Members with a session here that does not hear the conversation.
    pub(super) fn members_not_listening(&self, id: ConversationId, members: &IndexSet<UserKey>) -> Vec<UserKey> {
        let users = self.users.borrow();
        let deaf = |user: &UserKey| {
            let mut sessions = users.get(user).into_iter().flat_map(IndexMap::values);
            sessions.any(|entry| !self.subscribed(entry, id))
        };
        members.iter().copied().filter(deaf).collect()
    }

    /// Lets a session hear a conversation's events from now on. False when it did before.
    pub fn subscribe(&self, entry: &Rc<Entry>, id: ConversationId) -> bool {
        if !entry.subscriptions.borrow_mut().insert(id) {
            return false;
        }
        let mut conversations = self.conversations.borrow_mut();
        let subscribers = conversations.entry(id).or_insert_with(|| {
            self.relays.listen(id, self.relay);
            Subscribers::default()
        });
        subscribers.sessions.insert(entry.at.number, entry.clone());
        true
    }

    /// Ends that.
    pub fn unsubscribe(&self, entry: &Entry, id: ConversationId) {
        entry.viewing.borrow_mut().swap_remove(&id);
        if !entry.subscriptions.borrow_mut().swap_remove(&id) {
            return;
        }
        let mut conversations = self.conversations.borrow_mut();
        if let Some(subscribers) = conversations.get_mut(&id) {
            subscribers.sessions.swap_remove(&entry.at.number);
            subscribers.viewers.swap_remove(&entry.at.number);
            if subscribers.sessions.is_empty() {
                conversations.remove(&id);
                self.relays.ignore(id, self.relay);
            }
        }
    }

    /// Whether a session hears a conversation's events: whether, as far as this worker knows, its user is a member.
    pub fn subscribed(&self, entry: &Entry, id: ConversationId) -> bool {
        entry.subscriptions.borrow().contains(&id)
    }

    /// Shows a session as a viewer. False when it is not subscribed (any more).
    pub fn view(&self, entry: &Rc<Entry>, id: ConversationId) -> bool {
        if !self.subscribed(entry, id) {
            return false;
        }
        entry.viewing.borrow_mut().insert(id);
        if let Some(subscribers) = self.conversations.borrow_mut().get_mut(&id) {
            subscribers.viewers.insert(entry.at.number, entry.clone());
        }
        true
    }

    /// Ends that.
    pub fn unview(&self, entry: &Entry, id: ConversationId) {
        if let Some(subscribers) = self.conversations.borrow_mut().get_mut(&id) {
            subscribers.viewers.swap_remove(&entry.at.number);
        }
    }

    /// Says where the log stands for conversations whose position on this worker is not known yet.
    pub fn baseline(&self, heads: impl Iterator<Item = (ConversationId, Seq)>) {
        let mut conversations = self.conversations.borrow_mut();
        for (id, seq) in heads {
            if let Some(subscribers) = conversations.get_mut(&id) {
                subscribers.delivered.get_or_insert(seq);
            }
        }
    }

    /// Where the conversations that a session hears stand: what comes behind these positions will be delivered.
    pub fn standing(&self, entry: &Entry) -> Vec<(ConversationId, Seq)> {
        let conversations = self.conversations.borrow();
        let position = |id: &ConversationId| Some((*id, conversations.get(id)?.delivered?));
        entry.subscriptions.borrow().iter().filter_map(position).collect()
    }

    /// Forgets a session.
    pub fn remove(&self, entry: &Entry) {
        let number = entry.at.number;
        if self.sessions.borrow_mut().swap_remove(&number).is_none() {
            return;
        }
        let subscriptions: Vec<ConversationId> = entry.subscriptions.borrow().iter().copied().collect();
        for id in subscriptions {
            self.unsubscribe(entry, id);
        }
        let key = entry.user.borrow().key;
        let mut users = self.users.borrow_mut();
        if let Some(sessions) = users.get_mut(&key) {
            sessions.swap_remove(&number);
            if sessions.is_empty() {
                users.remove(&key);
            }
        }
    }

    pub(super) fn session(&self, number: u64) -> Option<Rc<Entry>> {
        self.sessions.borrow().get(&number).cloned()
    }

    pub(super) fn listeners_of(&self, id: ConversationId) -> Vec<Rc<Entry>> {
        self.conversations
            .borrow()
            .get(&id)
            .map_or_else(Vec::new, |subscribers| subscribers.sessions.values().cloned().collect())
    }

    pub(super) fn sessions_of(&self, user: UserKey) -> Vec<Rc<Entry>> {
        self.users
            .borrow()
            .get(&user)
            .map_or_else(Vec::new, |sessions| sessions.values().cloned().collect())
    }
}
