//! The directory of rooms: which conversation is in use on this node, and at which address. Asked by sessions and commands;
//! starts rooms on demand. Holds addresses only: what a room knows is the room's.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use actix::{Addr, ArbiterHandle};
use dashmap::{DashMap, Entry};

use super::{Node, room::Room};
use crate::domain::ConversationId;

/// See the file's head.
pub struct Rooms {
    open: DashMap<ConversationId, Addr<Room>>,
    /// The threads that rooms live on.
    threads: Vec<ArbiterHandle>,
    hasher: RandomState,
}

impl Rooms {
    /// Rooms will live on `threads`, at least one.
    pub fn new(threads: Vec<ArbiterHandle>) -> Self {
        Self {
            open: DashMap::new(),
            threads,
            hasher: RandomState::new(),
        }
    }

    /// The room of a conversation, started if there is none. A room that panicked is found here as a dead address and
    /// started again from the store. The conversation need not exist: the room will find out and say so.
    pub fn open(&self, node: &Arc<Node>, id: ConversationId) -> Addr<Room> {
        if let Some(room) = self.open.get(&id)
            && room.connected()
        {
            return room.clone();
        }
        match self.open.entry(id) {
            Entry::Occupied(mut dead) => {
                if !dead.get().connected() {
                    node.metrics.rooms_panicked.inc();
                    log::error!(target: "parlor::room", "the room of {id} ended unexpectedly: it begins again");
                    dead.insert(self.start(node, id, true));
                }
                dead.get().clone()
            }
            Entry::Vacant(vacant) => vacant.insert(self.start(node, id, false)).clone(),
        }
    }

    /// The room of a conversation, if it is in use.
    pub fn get(&self, id: ConversationId) -> Option<Addr<Room>> {
        self.open.get(&id).map(|room| room.clone())
    }

    /// Takes a room out that wants to retire: whoever asks from now on starts a new one.
    pub fn retire(&self, id: ConversationId, room: &Addr<Room>) {
        self.open.remove_if(&id, |_, found| found == room);
    }

    /// Rooms whose address is dead although they did not retire, in an order that a run under a seed repeats.
    pub fn dead(&self) -> Vec<ConversationId> {
        let dead = self.open.iter().filter(|room| !room.connected());
        let mut dead: Vec<_> = dead.map(|room| *room.key()).collect();
        dead.sort_unstable();
        dead
    }

    /// Every room in use.
    pub fn all(&self) -> Vec<Addr<Room>> {
        self.open.iter().map(|room| room.clone()).collect()
    }

    fn start(&self, node: &Arc<Node>, id: ConversationId, after_panic: bool) -> Addr<Room> {
        node.metrics.rooms_started.inc();
        let thread = self.hasher.hash_one(id) as usize % self.threads.len();
        let node = node.clone();
        Room::start_on(&self.threads[thread], node, id, after_panic)
    }
}
