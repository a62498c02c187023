//! When in doubt, the log decides: after a panic, after a commit whose outcome is unknown, after a position that does not
//! follow the last one, the room reads what it has not broadcast and broadcasts it. Relays drop what they have had.

use std::sync::Arc;

use actix::{AsyncContext, Context, WrapFuture, fut::ActorFutureExt};
use indexmap::{IndexMap, IndexSet};

use super::{Room, State, TICK, attach, commit::again, seats::Seats, settings::answer_behind};
use crate::{
    actors::relay::{Attached, Grant},
    db::{Change, ConversationAppend, RoomState},
    domain::{Conversation, ConversationId, MessageType, Seq, UserKey},
    protocol::{
        Event,
        envelope::{self, BatchWriter},
        event::RemovalReason,
    },
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
    attached: Vec<Attached>,
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
        self.deferred.get_or_insert_default();
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
                let expired = found.state.expired;
                let changed = self.renew(found.state, found.attached, ctx);
                // A panic forgets what was told. Before what changed: positions that are gone leave no gap then.
                let told = self.expired(expired, true).or_else(|| {
                    let unsure = self.after_panic && expired > Seq(0);
                    unsure.then(|| self.gone_up_to(expired))
                });
                if let Some(tell) = told {
                    self.tell(tell);
                }
                self.tell_again(found.changes);
                // A panic forgets what the settings were: any system message told again may be about them.
                if let Some(tell) = self.updated().filter(|_| noted || changed) {
                    self.tell(tell);
                }
                if again || full {
                    self.recover(ctx);
                } else {
                    self.resume_deferred(ctx);
                    self.schedule(ctx);
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
            write_change(&mut self.writer, self.id, &change);
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

    /// Takes over members, roles and settings as the store has them, and has the relays follow: a change may have taken place
    /// of which nobody was told, because its outcome was unknown or because the room panicked before it could. Says whether
    /// the settings are others now.
    fn renew(&mut self, state: RoomState, attached: Vec<Attached>, ctx: &mut Context<Self>) -> bool {
        let State::Open(loaded) = &mut self.state else {
            return false;
        };
        let changed = loaded.conversation != state.conversation;
        loaded.conversation = state.conversation;
        loaded.seats = Seats::of(state.members);
        // Somebody with sessions on two workers is named by both.
        let (mut strangers, mut missing) = (IndexMap::new(), IndexSet::new());
        for one in attached {
            strangers.extend(one.strangers.into_iter().map(|user| (user.key, user)));
            missing.extend(one.missing);
        }
        for user in strangers.into_values() {
            log::info!(target: "parlor::room", "{} is no longer a member of {}", user.id, self.id);
            let gone = self.expel(&user, None, RemovalReason::Removed, ctx);
            ctx.spawn(gone.into_actor(self).map(|_, _, _| ()));
        }
        for user in missing {
            self.grant_late(user, ctx);
        }
        changed
    }

    /// Lets the sessions of a member listen that do not.
    fn grant_late(&self, user: UserKey, ctx: &mut Context<Self>) {
        let (node, id) = (self.node.clone(), self.id);
        let view = async move { node.store.conversation_view(id, user).await };
        ctx.spawn(view.into_actor(self).map(move |view, room, ctx| {
            // They may have been removed again while the store was read: then this would undo it.
            let Ok(loaded) = room.open() else { return };
            if !loaded.seats.contains_key(&user) {
                return;
            }
            match view {
                Ok(Some(view)) => room.node.relays.offer_all(&Grant {
                    users: Arc::new([user]),
                    conversation: id,
                    head: loaded.head,
                    frame: envelope::event(&Event::ConversationCreated { conversation: &view }),
                }),
                Ok(None) => {}
                Err(_) => {
                    ctx.run_later(TICK, move |room, ctx| room.grant_late(user, ctx));
                }
            }
        }));
    }
}

/// Writes a change as the event that tells it. Also for a client that comes back and missed it (`session::arrival`).
pub(in crate::actors) fn write_change(writer: &mut BatchWriter, id: ConversationId, change: &Change) {
    match change {
        Change::Sent(message) => {
            writer.message(message);
            writer.new_message();
        }
        Change::Deleted { seq, message, at, by } => writer.event(&Event::MessageDeleted {
            conversation_id: id,
            seq: *seq,
            message_id: *message,
            deleted_at: *at,
            deleted_by: by,
        }),
        Change::Edited { seq, message } => writer.event(&Event::MessageEdited {
            conversation_id: id,
            seq: *seq,
            message,
        }),
        Change::Reacted {
            seq,
            message,
            reactions,
            ..
        } => writer.event(&Event::ReactionUpdated {
            conversation_id: id,
            seq: *seq,
            message_id: *message,
            reactions,
        }),
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
    let attached = node.relays.ask_all(attach(&state)).await;
    Ok(Some(Found {
        state,
        changes,
        attached,
    }))
}
