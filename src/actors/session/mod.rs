//! One live connection of a user: reads requests, checks how fast they come, hands them to rooms and commands. Knows who it
//! is and what it has open; its answers and events go out through its outbox. Never touches the store itself, never knows
//! what its frames travel on (a `Source` and a `Wire` from `http`).

mod arrival;
mod connect;
mod requests;
mod source;
mod submit;
mod transport;

use std::{
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use actix::{Actor, ActorContext, Context, fut::ActorFuture};

pub use arrival::Arrival;
pub use connect::{Incoming, start};
pub use requests::Authenticated;
pub use source::{Input, Source};
pub use transport::{Carriage, Transport};

use self::submit::Stranger;
use super::{
    Node,
    outbox::Flushed,
    presence::Closed,
    relay::{Entry, Local, UNANSWERED_MAX},
    room::Unview,
};
use crate::{
    auth::Identity,
    domain::ConversationId,
    protocol::{CloseCode, envelope},
};

/// See the file's head.
pub struct Session {
    node: Arc<Node>,
    local: Rc<Local>,
    entry: Rc<Entry>,
    admin: bool,
    source: Option<Box<dyn Source>>,
    /// What its envelope says when it begins, if it says anything.
    arrival: Option<Box<dyn Arrival>>,
    /// Frames in a row that were not this protocol.
    bad_frames: u32,
    /// Requests in a row that were refused for coming too fast.
    too_fast: u32,
    /// Requests that wait for the store's word on whether they are a member's, in the order of reading.
    strangers: VecDeque<Stranger>,
    /// Whether presence knows of it.
    counted: bool,
    /// The client said goodbye first: nothing is to be waited for.
    client_closed: bool,
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.node.metrics.sessions.inc();
        self.entry.carriage.begin(&self.node.metrics);
        self.node.metrics.sessions_opened.inc();
        self.settle_in(ctx);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        if panicked {
            self.node.metrics.sessions_panicked.inc();
            log::error!(target: "parlor::session", "session {} ended by a panic", self.entry.id);
            self.entry.close(CloseCode::Internal);
        }
        if let Some(code) = self.entry.outbox.borrow().closing() {
            self.node
                .metrics
                .sessions_closed
                .get_or_create(&[("code", code.reason())])
                .inc();
        }
        self.node.metrics.sessions.dec();
        self.entry.carriage.end();
        self.leave_everything();
        self.entry.outbox.borrow_mut().abort();
        self.entry.waker.take();
    }
}

impl Session {
    /// Tells rooms and presence that this session is gone.
    fn leave_everything(&self) {
        let user = self.entry.user.borrow().clone();
        let viewing: Vec<ConversationId> = self.entry.viewing.borrow().iter().copied().collect();
        let shared: Arc<[ConversationId]> = self.entry.subscriptions.borrow().iter().copied().collect();
        self.local.remove(&self.entry);
        let at = self.entry.at;
        let node = self.node.clone();
        let counted = self.counted;
        // Both must arrive, also when a mailbox is full at this moment: so they are sent, and waited for, apart from the
        // actor, which ends here.
        actix::spawn(async move {
            for id in viewing {
                if let Some(room) = node.rooms.get(id) {
                    let _ = room
                        .send(Unview {
                            session: at,
                            user: user.key,
                        })
                        .await;
                }
            }
            if counted {
                let _ = node.presence.send(Closed { user, shared }).await;
            }
        });
    }

    fn bad_frame(&mut self, error: &crate::protocol::ApiError) {
        self.bad_frames += 1;
        self.entry
            .outbox
            .borrow_mut()
            .push(None, super::reply::error_event(error, None));
        if self.bad_frames >= crate::domain::limits::BAD_FRAMES {
            self.entry.close(CloseCode::NotThisProtocol);
        }
    }

    fn on_input(&mut self, input: Input<'_>, ctx: &mut Context<Self>) {
        match input {
            Input::Text(text) => self.on_text(text, ctx),
            Input::Request { event, id, data } => self.on_request(event, id, data, ctx),
            Input::Refused { event, id, error } => self.on_refused(event, id, error),
            Input::Binary(_) => self.entry.close(CloseCode::Unsupported),
            Input::Ping(payload) => {
                self.entry.outbox.borrow_mut().push(None, envelope::pong(payload));
            }
            Input::Pong => {}
            Input::Close => {
                self.client_closed = true;
                self.entry.close(CloseCode::Normal);
            }
            Input::Violation(code) => self.entry.close(code),
        }
    }
}

/// The session's reading and the part of its writing that had to wait for the socket.
struct Io {
    source: Box<dyn Source>,
    /// Nothing more will be read: the client said goodbye, or is being closed.
    deaf: bool,
}

/// The part of its outbox that a session may fill while it is read on: one over this. So nobody closes themselves by what
/// they ask for.
const UNREAD_SHARE: usize = 4;

/// Reads one session may do before others get their turn.
const READS_A_TURN: usize = 8;

impl Io {
    /// Reads what has come. `Ready` when the connection is gone.
    fn read(&mut self, session: &mut Session, ctx: &mut Context<Session>, task: &mut TaskContext<'_>) -> Poll<()> {
        // A client that has too much unanswered, or does not read its answers, is read no further: TCP tells it to wait.
        let most_unread = session.node.settings.outbox_bytes / UNREAD_SHARE;
        for _ in 0..READS_A_TURN {
            self.deaf |= !session.entry.outbox.borrow().open();
            let unread = session.entry.outbox.borrow().queued_bytes();
            let waits = session.entry.unanswered.get() >= UNANSWERED_MAX || unread > most_unread;
            if self.deaf || waits || session.local.quiet.get() {
                return Poll::Pending;
            }
            let entry = session.entry.clone();
            let mut inputs = |input: Input<'_>| {
                session.on_input(input, ctx);
                entry.outbox.borrow().open()
            };
            match self.source.poll_read(task, &mut inputs) {
                Poll::Ready(Ok(())) => {
                    entry.heard.set(tokio::time::Instant::now());
                    self.deaf = !entry.outbox.borrow().open();
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what the relay could not, as far as the socket takes it.
    fn write(&self, entry: &Entry, task: &mut TaskContext<'_>) -> Flushed {
        let mut outbox = entry.outbox.borrow_mut();
        let mut flushed = if outbox.blocked() {
            Flushed::Blocked
        } else {
            outbox.flush()
        };
        if flushed == Flushed::Blocked {
            match outbox.poll_flush(task) {
                Poll::Ready(done) => flushed = done,
                Poll::Pending => return Flushed::Blocked,
            }
        }
        if flushed == Flushed::More {
            task.waker().wake_by_ref();
        }
        flushed
    }

    /// After the close frame: whoever did not say goodbye first is waited for, what they still send is thrown away (a
    /// socket dropped with unread bytes takes the close frame with it), until they close or the sweep loses patience.
    fn part(&mut self, session: &Session, task: &mut TaskContext<'_>) -> Poll<()> {
        self.deaf = true;
        let mut outbox = session.entry.outbox.borrow_mut();
        if outbox.over() || session.client_closed {
            return Poll::Ready(());
        }
        outbox.half_close();
        drop(outbox);
        self.source.poll_discard(task)
    }
}

impl ActorFuture<Session> for Io {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        session: &mut Session,
        ctx: &mut Context<Session>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let entry = session.entry.clone();
        // What waits to be read goes out first: it decides whether more is taken in.
        self.write(&entry, task);
        let gone = self.read(session, ctx, task).is_ready();
        if gone {
            entry.outbox.borrow_mut().abort();
        }
        if self.write(&entry, task) == Flushed::Over && self.part(session, task).is_ready() {
            ctx.stop();
            return Poll::Ready(());
        }
        *entry.waker.borrow_mut() = Some(task.waker().clone());
        Poll::Pending
    }
}

impl Identity {
    fn apply(&self, entry: &Entry) {
        entry.expires_at.set(self.expires_at);
        entry.expiry_told.set(false);
        (*entry.token_key.borrow_mut()).clone_from(&self.token_key);
        *entry.user.borrow_mut() = self.user.clone();
    }
}
