//! When in doubt, the log decides: after a panic, after a commit whose outcome is unknown, after a position that does not
//! follow the last one, the room reads what it has not broadcast and broadcasts it. Relays drop what they have had.

use actix::{AsyncContext, Context, WrapFuture, fut::ActorFutureExt};

use super::{Room, State, TICK, commit::again, seats, settings::answer_behind};
use crate::{
    actors::relay::Attached,
    db::{Change, ConversationAppend, RoomState},
    domain::{Conversation, MessageType, Seq},
    protocol::{Event, event::RemovalReason},
};

/// Changes read at once.
const PAGE: usize = 500;

/// Whether the room trusts what it has broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It does.
    None,
    /// It is reading the log; nothing is broadcast until it has caught up.
    Reading,
    /// It is reading the log, and something was committed since it began to.
    ReadAgain,
}

impl Doubt {
    pub(super) fn is_none(self) -> bool {
        self == Self::None
    }
}

/// What the log says.
struct Found {
    state: RoomState,
    changes: Vec<Change>,
}

impl Room {
    /// Begins again after a panic: the workers say what their sessions got and who has the conversation open.
    pub(super) fn resume(&mut self, attached: Vec<Attached>, ctx: &mut Context<Self>) {
        let behind = attached.iter().filter_map(|attached| attached.delivered).min();
        if let State::Open(loaded) = &mut self.state
            && let Some(behind) = behind
        {
            loaded.head = loaded.head.min(behind);
        }
        for (session, user) in attached.into_iter().flat_map(|attached| attached.viewers) {
            self.viewers.restore(session, user);
        }
        self.recover(ctx);
    }

    /// Reads what was not broadcast and broadcasts it, until there is no more.
    pub(super) fn recover(&mut self, ctx: &mut Context<Self>) {
        if !self.doubt.is_none() {
            self.doubt = Doubt::ReadAgain;
            return;
        }
        let State::Open(loaded) = &self.state else { return };
        self.doubt = Doubt::Reading;
        self.node.metrics.rooms_recovered.inc();
        let (node, conversation, head) = (self.node.clone(), loaded.conversation.clone(), loaded.head);
        let look = async move {
            // An append of nothing: when it is decided, so is everything that was on its way before.
            let barrier = ConversationAppend {
                conversation: conversation.key,
                ops: Vec::new(),
            };
            node.append(barrier).await.map_err(|error| error.to_string())?;
            look(&node, &conversation, head).await
        };
        ctx.spawn(look.into_actor(self).map(|found, room, ctx| room.caught_up(found, ctx)));
    }

    fn caught_up(&mut self, found: Result<Option<Found>, String>, ctx: &mut Context<Self>) {
        let again = std::mem::replace(&mut self.doubt, Doubt::None) == Doubt::ReadAgain;
        match found {
            Ok(Some(found)) => {
                let full = found.changes.len() == PAGE;
                let noted = found.changes.iter().any(is_note);
                let changed = self.renew(found.state, ctx);
                self.tell_again(found.changes);
                // A panic forgets what the settings were: any system message told again may be about them.
                if let Some(tell) = self.updated().filter(|_| noted || changed) {
                    self.tell(tell);
                }
                if again || full {
                    self.recover(ctx);
                }
            }
            // A deletion whose outcome was unknown has taken place.
            Ok(None) => answer_behind(self.dissolve(ctx), None),
            Err(error) => {
                log::warn!(target: "parlor::room", "the log of {} cannot be read yet: {error}", self.id);
                self.doubt = Doubt::Reading;
                ctx.run_later(TICK, |room, ctx| {
                    room.doubt = Doubt::None;
                    room.recover(ctx);
                });
            }
        }
    }

    fn tell_again(&mut self, changes: Vec<Change>) {
        for change in changes {
            match &change {
                Change::Sent(message) => {
                    self.writer.message(message);
                    self.writer.new_message();
                }
                Change::Deleted { seq, message, at, by } => self.writer.event(&Event::MessageDeleted {
                    conversation_id: self.id,
                    seq: *seq,
                    message_id: *message,
                    deleted_at: *at,
                    deleted_by: by,
                }),
            }
            let events = self.writer.take();
            for relay in self.node.relays.listening(self.id) {
                self.node
                    .relays
                    .offer(relay, again(self.id, change.seq(), events.clone()));
            }
            if let State::Open(loaded) = &mut self.state {
                loaded.head = change.seq();
            }
        }
    }

    /// Takes over members, roles and settings as the store has them: a change whose outcome was unknown may have taken
    /// place. Says whether the settings are others now.
    fn renew(&mut self, state: RoomState, ctx: &mut Context<Self>) -> bool {
        let now = seats(state.members);
        let State::Open(loaded) = &mut self.state else {
            return false;
        };
        let changed = loaded.conversation != state.conversation;
        loaded.conversation = state.conversation;
        let before = std::mem::replace(&mut loaded.seats, now.clone());
        for (key, seat) in before.iter().filter(|(key, _)| !now.contains_key(*key)) {
            log::info!(target: "parlor::room", "{key:?} is no longer a member of {}", self.id);
            let gone = self.expel(&seat.user, None, RemovalReason::Removed, ctx);
            ctx.spawn(gone.into_actor(self).map(|_, _, _| ()));
        }
        for (key, seat) in now.iter().filter(|(key, _)| !before.contains_key(*key)) {
            self.grant_late(*key, seat.role, ctx);
        }
        changed
    }

    /// Tells a member whom the store knows and this room did not of the conversation.
    fn grant_late(&self, user: crate::domain::UserKey, role: crate::domain::Role, ctx: &mut Context<Self>) {
        let (node, id, head) = (
            self.node.clone(),
            self.id,
            self.open().map_or(Seq(0), |loaded| loaded.head),
        );
        let grant = async move {
            if let Ok(Some(mut view)) = node.store.conversation_view(id, user).await {
                view.role = role;
                let frame = crate::protocol::envelope::event(&Event::ConversationCreated { conversation: &view });
                let users = std::sync::Arc::new([user]);
                node.relays.offer_all(&crate::actors::relay::Grant {
                    users,
                    conversation: id,
                    head,
                    frame,
                });
            }
        };
        ctx.spawn(grant.into_actor(self));
    }
}

fn is_note(change: &Change) -> bool {
    matches!(change, Change::Sent(message) if message.kind == MessageType::System)
}

async fn look(node: &crate::actors::Node, conversation: &Conversation, head: Seq) -> Result<Option<Found>, String> {
    let Some(state) = node
        .store
        .room_state(conversation.id)
        .await
        .map_err(|error| error.to_string())?
    else {
        return Ok(None);
    };
    let changes = node
        .store
        .changes(conversation, head, PAGE)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Some(Found { state, changes }))
}
