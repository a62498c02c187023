//! The way in of one Engine.IO connection: packets, whether they came by POST or in a socket's frames. Read by `connect` until
//! it is known who speaks, then by the session's `Source`. Never knows what a message means.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    rc::Rc,
    task::{Context, Poll, ready},
};

use super::engine::Engine;
use crate::{
    actors::session::{Input, Source},
    http::ws::Frames,
    protocol::{CloseCode, engineio::Packet},
};

/// Packets of a POST that are taken in one go, before others have their turn.
const PACKETS_A_TURN: usize = 64;

/// Something that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got<'a> {
    /// A message.
    Message(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// The client is there.
    Pong,
    /// The client goes.
    Close,
    /// The client asks for a pong: only on a socket that it wants to move to.
    Probe(&'a str),
    /// The move is complete: only there.
    Upgrade,
    /// A socket's own question: to be answered in kind.
    SocketPing(&'a [u8]),
    /// Nothing of meaning.
    Nothing,
    /// A rule was broken.
    Violation(CloseCode),
}

/// The same, kept for later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owned {
    /// See [`Got`].
    Message(String),
    /// See [`Got`].
    Binary(Vec<u8>),
    /// See [`Got`].
    SocketPing(Vec<u8>),
    /// See [`Got`].
    Probe(String),
    /// Whatever has no content.
    Sign(Sign),
}

/// See [`Got`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Pong,
    Close,
    Upgrade,
    Nothing,
    Violation(CloseCode),
}

impl<'a> Got<'a> {
    fn of_packet(packet: &'a Packet<'a>) -> Self {
        match packet {
            Packet::Close => Self::Close,
            Packet::Ping(text) => Self::Probe(text),
            Packet::Pong => Self::Pong,
            Packet::Message(text) => Self::Message(text),
            Packet::Binary(bytes) => Self::Binary(bytes),
            Packet::Upgrade => Self::Upgrade,
            Packet::Noop => Self::Nothing,
        }
    }

    /// To keep it.
    pub fn to_owned(self) -> Owned {
        Owned::Sign(match self {
            Self::Message(text) => return Owned::Message(text.to_owned()),
            Self::Binary(bytes) => return Owned::Binary(bytes.to_owned()),
            Self::SocketPing(bytes) => return Owned::SocketPing(bytes.to_owned()),
            Self::Probe(text) => return Owned::Probe(text.to_owned()),
            Self::Pong => Sign::Pong,
            Self::Close => Sign::Close,
            Self::Upgrade => Sign::Upgrade,
            Self::Nothing => Sign::Nothing,
            Self::Violation(code) => Sign::Violation(code),
        })
    }
}

impl Owned {
    /// From a packet of a payload.
    pub fn of_packet(packet: Packet<'_>) -> Self {
        match packet {
            Packet::Binary(bytes) => Self::Binary(bytes.into_owned()),
            packet => Got::of_packet(&packet).to_owned(),
        }
    }

    /// To read it.
    pub fn got(&self) -> Got<'_> {
        match self {
            Self::Message(text) => Got::Message(text),
            Self::Binary(bytes) => Got::Binary(bytes),
            Self::SocketPing(bytes) => Got::SocketPing(bytes),
            Self::Probe(text) => Got::Probe(text),
            Self::Sign(Sign::Pong) => Got::Pong,
            Self::Sign(Sign::Close) => Got::Close,
            Self::Sign(Sign::Upgrade) => Got::Upgrade,
            Self::Sign(Sign::Nothing) => Got::Nothing,
            Self::Sign(Sign::Violation(code)) => Got::Violation(*code),
        }
    }
}

/// What came in a socket's frames.
pub fn read_frames(
    frames: &mut Frames,
    cx: &mut Context<'_>,
    take: &mut dyn FnMut(Got<'_>) -> bool,
) -> Poll<io::Result<()>> {
    frames.poll_read(cx, &mut |input| match input {
        Input::Text(text) => match Packet::parse(text) {
            // Only a text that long polling carries has its bytes as base64.
            Ok(Packet::Binary(_)) | Err(_) => take(Got::Violation(CloseCode::Malformed)),
            Ok(packet) => take(Got::of_packet(&packet)),
        },
        Input::Binary(bytes) => take(Got::Binary(bytes)),
        Input::Ping(payload) => take(Got::SocketPing(payload)),
        Input::Pong | Input::Request { .. } | Input::Refused { .. } => take(Got::Nothing),
        Input::Close => take(Got::Close),
        Input::Violation(code) => take(Got::Violation(code)),
    })
}

/// See the file's head.
pub struct Reader {
    engine: Rc<Engine>,
    /// The socket's frames, once there is a socket.
    frames: Option<Frames>,
}

impl Reader {
    /// Of `engine`, over `frames` or, without them, by POST until there are.
    pub fn new(engine: Rc<Engine>, frames: Option<Frames>) -> Self {
        Self { engine, frames }
    }

    /// As [`Source::poll_read`].
    pub fn poll(&mut self, cx: &mut Context<'_>, take: &mut dyn FnMut(Got<'_>) -> bool) -> Poll<io::Result<()>> {
        for turn in 0..PACKETS_A_TURN {
            let Some(packet) = self.engine.take_packet() else {
                if turn > 0 {
                    return Poll::Ready(Ok(()));
                }
                break;
            };
            let got = packet.got();
            if !take(got) || turn + 1 == PACKETS_A_TURN {
                return Poll::Ready(Ok(()));
            }
        }
        if self.frames.is_none() {
            self.frames = ready!(self.engine.poll_arrived(cx))?;
        }
        match &mut self.frames {
            Some(frames) => read_frames(frames, cx, take),
            None => Poll::Ready(Ok(())),
        }
    }

    /// The next thing that comes; `None` when nothing will ever come again. What came along with it is kept.
    pub async fn next(&mut self) -> Option<Owned> {
        loop {
            if let Some(packet) = self.engine.take_packet() {
                return Some(packet);
            }
            let mut came = VecDeque::new();
            let read = poll_fn(|cx| {
                self.poll(cx, &mut |got| {
                    came.push_back(got.to_owned());
                    true
                })
            })
            .await;
            self.engine.give_back(came);
            read.ok()?;
        }
    }

    /// As [`Source::poll_discard`].
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.frames {
            Some(frames) => frames.poll_discard(cx),
            None => Poll::Ready(()),
        }
    }
}
