//! Packets of Engine.IO on their way out, in the form that their carrier asks for: each in a frame of its own on a socket, one
//! behind the other in a payload. Written by `engine` and whoever speaks above.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    domain::ConversationId,
    protocol::{
        engineio::{self, SEPARATOR},
        frame::{self, Opcode},
    },
};

/// A packet that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Its text, type and all.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&'static str> for Said {
    fn from(text: &'static str) -> Self {
        Self::Text(Bytes::from_static(text.as_bytes()))
    }
}

impl Said {
    /// How much of a payload it takes.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 1,
            Self::Binary(bytes) => bytes.len().div_ceil(3) * 4 + 2,
        }
    }
}

/// A packet that goes out before anything of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// Whose event it is: what a removal takes back.
    pub of: Option<ConversationId>,
    /// The packet.
    pub said: Said,
}

impl From<Said> for Ahead {
    fn from(said: Said) -> Self {
        Self { of: None, said }
    }
}

/// Where packets are written to.
pub enum Packets<'a> {
    /// A payload of long polling.
    Payload(&'a mut BytesMut),
    /// A socket's frames.
    Frames(&'a mut BytesMut),
    /// A list, until it is known which.
    List(&'a mut VecDeque<Ahead>),
}

impl Packets<'_> {
    /// Bytes so far.
    pub fn len(&self) -> usize {
        match self {
            Self::Payload(bytes) | Self::Frames(bytes) => bytes.len(),
            Self::List(list) => list.iter().map(|ahead| ahead.said.payload_bytes()).sum(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A packet, `parts` one behind the other.
    pub fn text(&mut self, parts: &[&[u8]]) {
        match self {
            Self::Payload(bytes) => {
                separate(bytes);
                for part in parts {
                    bytes.put_slice(part);
                }
            }
            Self::Frames(bytes) => frame::write_text(bytes, parts),
            Self::List(list) => list.push_back(Said::Text(parts.concat().into()).into()),
        }
    }

    /// A binary message.
    pub fn binary(&mut self, message: &[u8]) {
        match self {
            Self::Payload(bytes) => {
                separate(bytes);
                bytes.put_slice(engineio::binary(message).as_bytes());
            }
            Self::Frames(bytes) => frame::write(bytes, Opcode::Binary, &[message]),
            Self::List(list) => list.push_back(Said::Binary(Bytes::copy_from_slice(message)).into()),
        }
    }

    /// Says whose event the last packet of a list is.
    pub fn belongs_to(&mut self, conversation: ConversationId) {
        if let Self::List(list) = self
            && let Some(last) = list.back_mut()
        {
            last.of = Some(conversation);
        }
    }

    /// One that waited.
    pub fn said(&mut self, said: &Said) {
        match said {
            Said::Text(text) => self.text(&[text]),
            Said::Binary(bytes) => self.binary(bytes),
        }
    }

    /// A frame that only a socket has; nothing elsewhere.
    pub fn control(&mut self, opcode: Opcode, payload: &[u8]) {
        if let Self::Frames(bytes) = self {
            frame::write(bytes, opcode, &[payload]);
        }
    }

    /// The end: a socket's close frame, or the packet that says so.
    pub fn close(&mut self, payload: &[u8]) {
        match self {
            Self::Frames(bytes) => frame::write(bytes, Opcode::Close, &[payload]),
            _ => self.text(&[b"1"]),
        }
    }
}

fn separate(bytes: &mut BytesMut) {
    if !bytes.is_empty() {
        bytes.put_u8(SEPARATOR);
    }
}
