//! One Engine.IO connection on the worker that took its handshake: what it travels on, what came over long polling and was
//! not taken yet, and the way out. `polling` and `socket` bring it requests and sockets, a `Reader` reads it, whoever speaks
//! above writes to it. Never opens a message, never waits.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, IoSlice},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{net::TcpStream, sync::oneshot};

use super::{
    out::{Encode, drain},
    packets::{Ahead, Packets, Said},
    reader::{Owned, Sign},
    registry::Registry,
};
use crate::{
    actors::session::{Carriage, Transport},
    domain::ConversationId,
    http::ws::Frames,
    protocol::CloseCode,
};

/// Packets that may wait ahead of the outbox: answers that a client does not read.
const AHEAD: usize = 4096;
/// How long a poll is held back that a client should not have begun: it is about to move to a socket.
const MOVING: Duration = Duration::from_millis(100);

/// What a connection travels on.
pub(super) enum Carrier {
    /// Long polling, and the request that waits, if one does.
    Polling(Option<oneshot::Sender<Bytes>>),
    /// A socket.
    Socket(Rc<TcpStream>),
    /// Nothing any more.
    Gone,
}

pub(super) struct State {
    pub carrier: Carrier,
    /// Came by POST, or behind the end of a move, and was not taken yet.
    backlog: VecDeque<Owned>,
    /// The POST that brought it: answered when all is taken.
    posted: Option<oneshot::Sender<()>>,
    /// The frames of a socket that was moved to, until the reader takes them.
    arrived: Option<Frames>,
    /// Packets that go out before anything else.
    pub ahead: VecDeque<Ahead>,
    /// Framed for the socket, and not with the kernel yet.
    pub out: BytesMut,
    /// Nothing but what is ahead may go out.
    pub corked: bool,
    /// Who waits for something to come, for a way out, for what is ahead to be on its way.
    reader: Option<Waker>,
    writer: Option<Waker>,
    pub speaker: Option<Waker>,
}

/// See the file's head.
pub struct Engine {
    sid: String,
    registry: Arc<Registry>,
    /// The most bytes of a payload.
    max_payload: usize,
    carriage: Rc<Carriage>,
    /// A socket asks to be moved to.
    moving: Cell<bool>,
    state: RefCell<State>,
}

impl Engine {
    fn new(
        sid: String,
        registry: Arc<Registry>,
        max_payload: usize,
        carrier: Carrier,
        transport: Transport,
    ) -> Rc<Self> {
        Rc::new(Self {
            sid,
            registry,
            max_payload,
            carriage: Rc::new(Carriage::new(transport)),
            moving: Cell::new(false),
            state: RefCell::new(State {
                carrier,
                backlog: VecDeque::new(),
                posted: None,
                arrived: None,
                ahead: VecDeque::new(),
                out: BytesMut::new(),
                corked: false,
                reader: None,
                writer: None,
                speaker: None,
            }),
        })
    }

    /// One that polls.
    pub fn polling(sid: String, registry: Arc<Registry>, max_payload: usize) -> Rc<Self> {
        Self::new(
            sid,
            registry,
            max_payload,
            Carrier::Polling(None),
            Transport::SocketIoPolling,
        )
    }

    /// One that has a socket from the start.
    pub fn socket(sid: String, registry: Arc<Registry>, max_payload: usize, stream: Rc<TcpStream>) -> Rc<Self> {
        let carrier = Carrier::Socket(stream);
        Self::new(sid, registry, max_payload, carrier, Transport::SocketIoWebSocket)
    }

    /// What the client calls it.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// What it travels on, for whoever counts it.
    pub fn carriage(&self) -> Rc<Carriage> {
        self.carriage.clone()
    }

    // What requests bring.

    /// A client waits for packets. A second one at a time is an offence.
    pub fn park(self: &Rc<Self>, poll: oneshot::Sender<Bytes>) {
        let mut state = self.state.borrow_mut();
        let Carrier::Polling(parked) = &mut state.carrier else {
            return;
        };
        if parked.as_ref().is_some_and(|first| !first.is_closed()) {
            drop(state);
            return self.shut();
        }
        *parked = Some(poll);
        drop(state);
        self.pump();
        if matches!(self.state.borrow().carrier, Carrier::Gone) {
            return self.shut();
        }
        self.wake_writer();
        self.hurry();
    }

    /// Packets came by POST.
    pub fn post(&self, packets: Vec<Owned>, answer: oneshot::Sender<()>) {
        let mut state = self.state.borrow_mut();
        if !matches!(state.carrier, Carrier::Polling(_)) {
            return;
        }
        if state.posted.is_some() {
            drop(state);
            return self.shut();
        }
        state.backlog.extend(packets);
        state.posted = Some(answer);
        wake(&mut state.reader);
    }

    /// A socket asks to be moved to; false when another does, or did.
    pub fn begin_move(&self) -> bool {
        matches!(self.state.borrow().carrier, Carrier::Polling(_)) && !self.moving.replace(true)
    }

    /// The socket changed its mind.
    pub fn give_up_move(&self) {
        self.moving.set(false);
    }

    /// A client that is about to move begins no other poll, but waits for the end of the one that is under way: it gets a
    /// no-op, unless the move is complete before.
    pub fn hurry(self: &Rc<Self>) {
        if !self.moving.get() {
            return;
        }
        let engine = Rc::downgrade(self);
        actix_rt::spawn(async move {
            tokio::time::sleep(MOVING).await;
            let Some(engine) = engine.upgrade().filter(|engine| engine.moving.get()) else {
                return;
            };
            if let Carrier::Polling(parked) = &mut engine.state.borrow_mut().carrier
                && let Some(poll) = parked.take()
            {
                let _ = poll.send(Bytes::from_static(b"6"));
            }
        });
    }

    /// The move is complete: what comes and goes, does so over the socket. `behind` came over it already.
    pub fn moved(&self, stream: Rc<TcpStream>, frames: Frames, behind: VecDeque<Owned>) {
        let mut state = self.state.borrow_mut();
        if !matches!(state.carrier, Carrier::Polling(_)) {
            return;
        }
        // A poll that still waits is refused: its sender is dropped here.
        state.carrier = Carrier::Socket(stream);
        state.arrived = Some(frames);
        state.backlog.extend(behind);
        self.moving.set(false);
        self.registry.moved(&self.sid);
        self.carriage.change(Transport::SocketIoWebSocket);
        wake(&mut state.reader);
        drop(state);
        self.pump();
        self.wake_writer();
    }

    // The way in.

    /// The next packet that waits.
    pub fn take_packet(&self) -> Option<Owned> {
        let mut state = self.state.borrow_mut();
        let packet = state.backlog.pop_front()?;
        if state.backlog.is_empty()
            && let Some(posted) = state.posted.take()
        {
            // A client that went away meanwhile needs no answer.
            let _ = posted.send(());
        }
        if packet == Owned::Sign(Sign::Close)
            && let Carrier::Polling(parked) = &mut state.carrier
        {
            if let Some(poll) = parked.take() {
                let _ = poll.send(Bytes::from_static(b"6"));
            }
            drop(state);
            self.shut();
        }
        Some(packet)
    }

    /// Packets that are to be taken after all that waits.
    pub fn give_back(&self, packets: VecDeque<Owned>) {
        self.state.borrow_mut().backlog.extend(packets);
    }

    /// Ready when there is something to read: packets, or the frames of a socket.
    pub fn poll_arrived(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Frames>>> {
        let mut state = self.state.borrow_mut();
        if let Some(frames) = state.arrived.take() {
            return Poll::Ready(Ok(Some(frames)));
        }
        if matches!(state.carrier, Carrier::Gone) {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        if !state.backlog.is_empty() {
            return Poll::Ready(Ok(None));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    // The way out.

    /// Says a packet ahead of what is written, and sends it if there is a way.
    pub fn say(&self, packet: Said) {
        let mut state = self.state.borrow_mut();
        state.ahead.push_back(packet.into());
        let too_many = state.ahead.len() > AHEAD;
        drop(state);
        if too_many {
            return self.shut();
        }
        self.pump();
        self.wake_writer();
    }

    /// Says several, without sending anything yet.
    pub fn prepare(&self, fill: impl FnOnce(&mut Packets<'_>)) {
        fill(&mut Packets::List(&mut self.state.borrow_mut().ahead));
    }

    /// Takes back what was said of a conversation and is not on its way.
    pub fn purge(&self, conversation: ConversationId) {
        self.state
            .borrow_mut()
            .ahead
            .retain(|ahead| ahead.of != Some(conversation));
    }

    /// Ready when little of what was said waits.
    pub fn poll_said(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.ahead.is_empty() || matches!(state.carrier, Carrier::Gone) {
            return Poll::Ready(());
        }
        state.speaker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Keeps everything back but what is said ahead, or no longer.
    pub fn cork(&self, corked: bool) {
        self.state.borrow_mut().corked = corked;
        self.wake_writer();
    }

    /// Sends what waits ahead, if there is a way.
    pub fn pump(&self) {
        // What cannot go now goes when there is a way: whoever writes is told.
        let _ = self.write(&[], &mut |_, _, _| {});
    }

    /// Whether something was taken that is not on its way yet.
    pub fn holds(&self) -> bool {
        let state = self.state.borrow();
        !state.out.is_empty() || !state.ahead.is_empty()
    }

    /// Sends what is ahead and then as many frames of `pieces` as there is a way for; how many bytes of them. `encode` writes
    /// a frame as packets.
    pub fn write(&self, pieces: &[IoSlice<'_>], encode: Encode<'_>) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        match &mut state.carrier {
            Carrier::Gone => Err(io::ErrorKind::BrokenPipe.into()),
            Carrier::Socket(stream) => {
                let stream = stream.clone();
                state.write_socket(&stream, pieces, encode)
            }
            Carrier::Polling(parked) => match parked.take().filter(|poll| !poll.is_closed()) {
                Some(poll) => state.answer_poll(poll, self.max_payload, pieces, encode),
                None => Err(io::ErrorKind::WouldBlock.into()),
            },
        }
    }

    /// As `Wire::poll_writable`.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        let something = !state.corked || !state.out.is_empty() || !state.ahead.is_empty();
        state.writer = Some(cx.waker().clone());
        match &state.carrier {
            Carrier::Gone => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Carrier::Socket(stream) if something => stream.poll_write_ready(cx),
            Carrier::Polling(Some(poll)) if something && !poll.is_closed() => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    /// Says that nothing more will be written.
    pub fn shut_write(&self) {
        if let Carrier::Socket(stream) = &self.state.borrow().carrier {
            // Fails when the peer is gone already: then there is nothing to say.
            let _ = socket2::SockRef::from(&**stream).shutdown(std::net::Shutdown::Write);
        }
    }

    /// Says goodbye to somebody who was never let in: on a socket with `code`; the connection is to be shut soon.
    pub fn farewell(&self, code: CloseCode) {
        let mut state = self.state.borrow_mut();
        let State { carrier, out, .. } = &mut *state;
        let Carrier::Socket(stream) = carrier else {
            drop(state);
            return self.shut();
        };
        let payload = [&code.number().to_be_bytes(), code.reason().as_bytes()].concat();
        Packets::Frames(out).close(&payload);
        // A client that does not take these few bytes has gone.
        let _ = drain(stream, out);
        drop(state);
        self.shut_write();
    }

    /// The connection is over: whoever waits is told so.
    pub fn shut(&self) {
        let mut state = self.state.borrow_mut();
        match std::mem::replace(&mut state.carrier, Carrier::Gone) {
            Carrier::Socket(stream) => {
                let _ = socket2::SockRef::from(&*stream).shutdown(std::net::Shutdown::Both);
            }
            Carrier::Polling(Some(poll)) => {
                let _ = poll.send(Bytes::from_static(b"1"));
            }
            Carrier::Polling(None) | Carrier::Gone => {}
        }
        state.posted = None;
        state.arrived = None;
        state.backlog.clear();
        state.ahead.clear();
        self.registry.remove(&self.sid);
        let state = &mut *state;
        wake(&mut state.reader);
        wake(&mut state.writer);
        wake(&mut state.speaker);
    }

    fn wake_writer(&self) {
        wake(&mut self.state.borrow_mut().writer);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shut();
    }
}

pub(super) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
