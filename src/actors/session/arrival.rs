//! How a session begins whose envelope has a memory: its client is told, in one go, where it stands and what it missed, from
//! the log, and only then what is new. Called by `connect`; what is remembered, and how it is said, is the envelope's
//! (`http::socketio`). Never tells of a conversation that the session does not hear.

use std::{
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use actix::{AsyncContext, Context, WrapFuture, fut::ActorFutureExt};
use bytes::Bytes;

use super::Session;
use crate::{
    actors::{
        Node, commands,
        relay::{Entry, Local},
        room::write_change,
    },
    domain::{ConversationId, Seq, SessionId, User},
    protocol::{ApiError, Event, envelope, envelope::BatchWriter, event::RemovalReason, recovery::Missed},
};

/// Changes read, and waited for, at once.
const PAGE: usize = 200;

/// An envelope that has something to say before the first event. From `arrive` to `arrived` its wire keeps what comes
/// through the outbox back, and lets what comes through `say` pass.
pub trait Arrival {
    /// The session is about to begin: `standing` says where each of its conversations stands, and what comes behind that will
    /// be in the outbox. What the client missed before it is the answer.
    fn arrive(&mut self, session: SessionId, user: &User, standing: &[(ConversationId, Seq)]) -> Missed;
    /// Says ready frames ahead of the outbox.
    fn say(&mut self, frames: Bytes);
    /// Ready when what was said is on its way: more may be said.
    fn poll_said(&mut self, cx: &mut TaskContext<'_>) -> Poll<()>;
    /// Nothing was missed but what has been said: the outbox may follow.
    fn arrived(&mut self);
}

impl Session {
    pub(super) fn arrive(&mut self, mut arrival: Box<dyn Arrival>, ctx: &mut Context<Self>) {
        // No relay does anything between this line and the one that says that the session is ready: what was delivered
        // stands in the log, and what will be is kept back.
        let standing = self.local.standing(&self.entry);
        let user = self.entry.user.borrow().clone();
        let missed = arrival.arrive(self.entry.id, &user, &standing);
        arrival.say(self.ready());
        self.entry.ready.set(true);
        self.listen(ctx);
        if missed == Missed::default() {
            arrival.arrived();
            return self.entry.flush();
        }
        let mut telling = Telling {
            node: self.node.clone(),
            local: self.local.clone(),
            entry: self.entry.clone(),
            user,
            arrival,
        };
        let told = async move {
            let told = telling.tell(missed).await;
            if told.is_ok() {
                telling.arrival.arrived();
                telling.entry.flush();
            }
            told
        };
        ctx.spawn(told.into_actor(self).map(|told, session, _| {
            if let Err(error) = told {
                log::warn!(target: "parlor::session", "session {} cannot be told what it missed: {error}", session.entry.id);
                // What it shows when it comes back is what it was told, so nothing is lost by trying again.
                session.entry.outbox.borrow_mut().abort();
                session.entry.wake();
            }
        }));
    }
}

/// What is needed to tell a client what it missed.
struct Telling {
    node: Arc<Node>,
    local: Rc<Local>,
    entry: Rc<Entry>,
    user: Arc<User>,
    arrival: Box<dyn Arrival>,
}

impl Telling {
    async fn tell(&mut self, missed: Missed) -> Result<(), ApiError> {
        for id in missed.lost {
            self.lost(id).await?;
        }
        for id in missed.gained {
            self.gained(id).await?;
        }
        for (id, after, upto) in missed.changes {
            self.changes(id, after, upto).await?;
        }
        Ok(())
    }

    async fn lost(&mut self, id: ConversationId) -> Result<(), ApiError> {
        let membership = commands::in_time(async { Ok(self.node.store.membership(id, self.user.key).await?) }).await?;
        let reason = match membership {
            None => RemovalReason::Deleted,
            Some((_, None)) => RemovalReason::Removed,
            // They were added again just now, and are told so by the outbox.
            Some((_, Some(_))) => return Ok(()),
        };
        let gone = Event::ConversationRemoved {
            conversation_id: id,
            reason,
        };
        self.say(envelope::event(&gone)).await;
        Ok(())
    }

    async fn gained(&mut self, id: ConversationId) -> Result<(), ApiError> {
        let view = commands::in_time(async { Ok(self.node.store.conversation_view(id, self.user.key).await?) }).await?;
        // Whoever was removed while the store was read gets nothing of it.
        if let Some(view) = view.filter(|_| self.local.subscribed(&self.entry, id)) {
            self.say(envelope::event(&Event::ConversationCreated { conversation: &view }))
                .await;
        }
        Ok(())
    }

    /// Tells every change after one position, up to and with another.
    async fn changes(&mut self, id: ConversationId, mut after: Seq, upto: Seq) -> Result<(), ApiError> {
        let store = self.node.store.clone();
        let Some(conversation) = commands::in_time(async { Ok(store.conversation(id).await?) }).await? else {
            return Ok(());
        };
        let mut writer = BatchWriter::default();
        while after < upto {
            let changes = commands::in_time(async { Ok(store.changes(&conversation, after, PAGE).await?) }).await?;
            let Some(last) = changes.last() else {
                // Retention has removed the rest of it.
                return Ok(());
            };
            after = last.seq();
            for change in changes.iter().take_while(|change| change.seq() <= upto) {
                write_change(&mut writer, id, change);
            }
            if !self.local.subscribed(&self.entry, id) {
                return Ok(());
            }
            self.say(writer.take()).await;
        }
        Ok(())
    }

    /// Says it, and waits until it is on its way.
    async fn say(&mut self, frames: Bytes) {
        self.arrival.say(frames);
        self.entry.flush();
        poll_fn(|cx| self.arrival.poll_said(cx)).await;
    }
}
