//! How a session begins: it takes its place on its worker, learns from the store what it belongs to, listens to all of it,
//! and says `ready`. From then on it gets everything; what was committed before, its client catches up by `sync`.

use std::{cell::Cell, rc::Rc, sync::Arc};

use actix::{Actor, AsyncContext, Context, WrapFuture, fut::ActorFutureExt};
use tokio::time::Instant;

use super::{Arrival, Carriage, Io, Session, Source};
use crate::{
    actors::{
        Node,
        outbox::{Outbox, Wire},
        presence::Opened,
        relay::{Entry, Local, Relay},
    },
    auth::Identity,
    domain::{ConversationId, Seq, SessionId},
    protocol::{ApiError, CloseCode, Event, envelope},
};

/// A connection that was let in.
pub struct Incoming {
    /// Who it is.
    pub identity: Identity,
    /// The way in.
    pub source: Box<dyn Source>,
    /// The way out.
    pub wire: Box<dyn Wire>,
    /// What it speaks, and over what.
    pub carriage: Rc<Carriage>,
    /// What its envelope says when it begins; nothing for the plain one.
    pub arrival: Option<Box<dyn Arrival>>,
}

/// Starts a session on the current worker.
pub fn start(node: &Arc<Node>, local: &Rc<Local>, incoming: Incoming) {
    Relay::revive(node, local);
    let (node, local) = (node.clone(), local.clone());
    Session::create(move |_| {
        let Incoming {
            identity,
            source,
            wire,
            carriage,
            arrival,
        } = incoming;
        let now = Instant::now();
        let entry = Rc::new(Entry {
            at: local.place(),
            id: SessionId::generate(node.clock.now(), node.entropy.bytes10()),
            user: identity.user.clone().into(),
            outbox: Outbox::new(wire, node.settings.outbox_bytes).into(),
            ready: Cell::new(false),
            unanswered: Cell::new(0),
            heard: Cell::new(now),
            pinged: Cell::new(now),
            expires_at: Cell::new(identity.expires_at),
            expiry_told: Cell::new(false),
            token_key: identity.token_key.clone().into(),
            opened_at: node.clock.now(),
            subscriptions: Default::default(),
            viewing: Default::default(),
            waker: Default::default(),
            carriage,
        });
        Session {
            node,
            local,
            entry,
            admin: identity.admin,
            source: Some(source),
            arrival,
            bad_frames: 0,
            too_fast: 0,
            strangers: Default::default(),
            counted: false,
            client_closed: false,
        }
    });
}

/// What the store says about a session that begins.
struct Place {
    shared: Vec<ConversationId>,
    heads: Vec<(ConversationId, Seq)>,
}

impl Session {
    /// Finds out what this session belongs to; its client is read only after that.
    pub(super) fn settle_in(&mut self, ctx: &mut Context<Self>) {
        self.local.register(&self.entry);
        let (node, local, entry) = (self.node.clone(), self.local.clone(), self.entry.clone());
        let placed = async move {
            let placed = place(&node, &local, &entry).await;
            local.settled();
            placed
        };
        ctx.wait(placed.into_actor(self).map(|placed, session, ctx| match placed {
            Ok(place) => session.begin(place, ctx),
            Err(error) => {
                log::warn!(target: "parlor::session", "session {} cannot begin: {error}", session.entry.id);
                if let Some(mut arrival) = session.arrival.take() {
                    arrival.arrived();
                }
                session.entry.close(CloseCode::Overloaded);
                session.listen(ctx);
            }
        }));
    }

    fn begin(&mut self, place: Place, ctx: &mut Context<Self>) {
        self.local.baseline(place.heads.into_iter());
        let user = self.entry.user.borrow().clone();
        let opened = Opened {
            user,
            shared: place.shared.into(),
        };
        let presence = self.node.presence.clone();
        self.counted = true;
        ctx.wait(
            async move { presence.send(opened).await }
                .into_actor(self)
                .map(|_, session, ctx| match session.arrival.take() {
                    None => {
                        session.entry.send(session.ready());
                        session.entry.ready.set(true);
                        session.listen(ctx);
                    }
                    Some(arrival) => session.arrive(arrival, ctx),
                }),
        );
    }

    /// What is said first.
    pub(super) fn ready(&self) -> bytes::Bytes {
        let user = self.entry.user.borrow().clone();
        let ready = Event::Ready {
            session_id: self.entry.id,
            node_id: &self.node.id,
            epoch: self.node.store.epoch(),
            user: &user,
            server_time: self.node.clock.now(),
            heartbeat_seconds: self.node.settings.heartbeat.as_secs(),
            limits: self.node.settings.limits,
            reactions: self.node.settings.reactions.all(),
        };
        envelope::event(&ready)
    }

    pub(super) fn listen(&mut self, ctx: &mut Context<Self>) {
        if let Some(source) = self.source.take() {
            ctx.spawn(Io { source, deaf: false });
        }
    }
}

async fn place(node: &Node, local: &Local, entry: &Rc<Entry>) -> Result<Place, ApiError> {
    let user = entry.user.borrow().key;
    let memberships = node.store.memberships(user).await?;
    // Listening comes before the heads are read: what is committed in between is in one of them.
    local.subscribe_all(entry, memberships.iter().map(|membership| membership.id));
    let keys: Vec<_> = memberships.iter().map(|membership| membership.key).collect();
    let heads = node.store.heads(&keys).await?;
    Ok(Place {
        shared: memberships
            .iter()
            .filter(|m| m.kind.shares_presence())
            .map(|m| m.id)
            .collect(),
        heads: memberships.iter().map(|membership| membership.id).zip(heads).collect(),
    })
}
