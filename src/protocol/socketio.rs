//! Socket.IO 5, over the messages of Engine.IO: packets of a client opened, and our ready plain frames put into packets of a
//! server without encoding them anew. Pure. Called by `http::socketio`; fuzzed by `fuzz/`. Never knows what events mean.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer as _,
    de::{Deserialize, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::engineio::Malformed;
use crate::domain::{ConversationId, Seq};

/// Most attachments of one packet. Our events carry none: such a packet is answered, not understood.
pub const ATTACHMENTS: usize = 10;
/// How long an id is on the wire.
const UUID_CHARS: usize = 36;
/// Longest name of a namespace, in bytes.
const NAMESPACE: usize = 128;
/// Most digits of the number that an answer is asked for with: JavaScript counts no further exactly.
const ID_DIGITS: usize = 15;
/// What clients' libraries say among themselves: nobody may send it as an event.
const RESERVED: &[&str] = &[
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Into a namespace, or back: let in.
    Connect,
    /// Out of a namespace.
    Disconnect,
    /// An event.
    Event,
    /// An answer to an event.
    Ack,
    /// Not let in.
    ConnectError,
    /// An event with attachments.
    BinaryEvent,
    /// An answer with attachments.
    BinaryAck,
}

/// A packet, opened; its data is still text, of the form that its kind asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is.
    pub kind: Kind,
    /// How many binary messages follow that belong to it.
    pub attachments: usize,
    /// Where.
    pub namespace: &'a str,
    /// The number that an answer is asked for with, or given to.
    pub id: Option<i64>,
    /// Its JSON; empty when there is none.
    pub data: &'a str,
}

impl<'a> Packet<'a> {
    /// Opens a packet.
    ///
    /// # Errors
    /// Whatever the protocol does not allow: the connection is to be closed.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut rest = Rest(text);
        let kind = match rest.byte() {
            Some(b'0') => Kind::Connect,
            Some(b'1') => Kind::Disconnect,
            Some(b'2') => Kind::Event,
            Some(b'3') => Kind::Ack,
            Some(b'4') => Kind::ConnectError,
            Some(b'5') => Kind::BinaryEvent,
            Some(b'6') => Kind::BinaryAck,
            _ => return Err(Malformed("no such packet type")),
        };
        let attachments = if matches!(kind, Kind::BinaryEvent | Kind::BinaryAck) {
            rest.attachments()?
        } else {
            0
        };
        let namespace = rest.namespace()?;
        let id = rest.id()?;
        let packet = Self {
            kind,
            attachments,
            namespace,
            id,
            data: rest.0,
        };
        packet.check()?;
        Ok(packet)
    }

    /// Whether the data has the form that the packet's kind asks for.
    fn check(&self) -> Result<(), Malformed> {
        let form = Form::of(self.data)?;
        let fits = match self.kind {
            Kind::Connect => matches!(form, Form::Nothing | Form::Object) && self.id.is_none(),
            Kind::Disconnect => form == Form::Nothing && self.id.is_none(),
            Kind::ConnectError => matches!(form, Form::Object | Form::Text) && self.id.is_none(),
            Kind::Ack | Kind::BinaryAck => form == Form::Array && self.id.is_some(),
            Kind::Event | Kind::BinaryEvent => form == Form::Array && self.event().is_ok(),
        };
        if fits {
            Ok(())
        } else {
            Err(Malformed("not the data of such a packet"))
        }
    }

    /// The event that it carries.
    ///
    /// # Errors
    /// It carries none.
    pub fn event(&self) -> Result<Event<'a>, Malformed> {
        let mut json = serde_json::Deserializer::from_str(self.data);
        let event = json
            .deserialize_seq(EventVisitor)
            .map_err(|_| Malformed("not an event"))?;
        json.end().map_err(|_| Malformed("something behind the event"))?;
        if RESERVED.contains(&event.name.as_ref()) {
            return Err(Malformed("a reserved event"));
        }
        Ok(event)
    }
}

/// `["name", data, …]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its name; for one that is a number, its digits.
    pub name: Cow<'a, str>,
    /// The JSON of its first argument.
    pub data: Option<&'a str>,
    /// How many arguments there are behind that.
    pub more: usize,
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array that begins with an event's name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let Name(name) = items
            .next_element()?
            .ok_or_else(|| serde::de::Error::custom("no name"))?;
        let data: Option<&RawValue> = items.next_element()?;
        let mut more = 0;
        while items.next_element::<IgnoredAny>()?.is_some() {
            more += 1;
        }
        Ok(Event {
            name,
            data: data.map(RawValue::get),
            more,
        })
    }
}

struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text or a number")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }

            fn visit_u64<E>(self, name: u64) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_string())))
            }

            fn visit_i64<E>(self, name: i64) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_string())))
            }

            fn visit_f64<E>(self, name: f64) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_string())))
            }
        }
        deserializer.deserialize_any(NameVisitor)
    }
}

/// What a JSON text is on the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Nothing,
    Object,
    Array,
    Text,
    Other,
}

impl Form {
    fn of(data: &str) -> Result<Self, Malformed> {
        if data.is_empty() {
            return Ok(Self::Nothing);
        }
        let json: &RawValue = serde_json::from_str(data).map_err(|_| Malformed("not JSON"))?;
        Ok(match json.get().bytes().next() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::Text,
            _ => Self::Other,
        })
    }
}

/// What is left of a packet's text.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Option<u8> {
        let first = self.0.bytes().next().filter(u8::is_ascii)?;
        self.0 = &self.0[1..];
        Some(first)
    }

    fn digits(&mut self) -> &'a str {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        digits
    }

    fn attachments(&mut self) -> Result<usize, Malformed> {
        let digits = self.digits();
        self.0 = self.0.strip_prefix('-').ok_or(Malformed("no number of attachments"))?;
        let count = digits.parse().map_err(|_| Malformed("no number of attachments"))?;
        if count > ATTACHMENTS {
            return Err(Malformed("too many attachments"));
        }
        Ok(count)
    }

    fn namespace(&mut self) -> Result<&'a str, Malformed> {
        if !self.0.starts_with('/') {
            return Ok("/");
        }
        let (name, rest) = self.0.split_once(',').unwrap_or((self.0, ""));
        if name.len() > NAMESPACE {
            return Err(Malformed("too long a namespace"));
        }
        self.0 = rest;
        Ok(name)
    }

    fn id(&mut self) -> Result<Option<i64>, Malformed> {
        let digits = self.digits();
        if digits.len() > ID_DIGITS {
            return Err(Malformed("too large a number"));
        }
        Ok(digits.parse().ok())
    }
}

/// A plain frame's text (`envelope` writes no others), to be put into a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain<'a> {
    /// `{"event":NAME,"data":DATA}`.
    Event {
        /// The name, without quotes.
        name: &'a [u8],
        /// The data's JSON.
        data: &'a [u8],
    },
    /// `{"ack":ID,"ok":…}`.
    Answer {
        /// The digits.
        id: &'a [u8],
        /// What follows: `"ok":…}`.
        rest: &'a [u8],
    },
}

impl<'a> Plain<'a> {
    /// Takes a frame's text apart; `None` for what `envelope` does not write.
    pub fn of(text: &'a [u8]) -> Option<Self> {
        if let Some(rest) = text.strip_prefix(b"{\"event\":\"") {
            let end = rest.iter().position(|byte| *byte == b'"')?;
            let (name, rest) = rest.split_at(end);
            let data = rest.strip_prefix(b"\",\"data\":")?.strip_suffix(b"}")?;
            return Some(Self::Event { name, data });
        }
        let rest = text.strip_prefix(b"{\"ack\":")?;
        let end = rest.iter().position(|byte| *byte == b',')?;
        let (id, rest) = rest.split_at(end);
        Some(Self::Answer { id, rest: &rest[1..] })
    }

    /// The same as the pieces of an Engine.IO packet. `offset` goes with an event as its last argument.
    pub fn packet<'b>(&'b self, offset: &'b [u8]) -> [&'b [u8]; 7] {
        match self {
            Self::Event { name, data } if offset.is_empty() => [b"42[\"", name, b"\",", data, b"]", b"", b""],
            Self::Event { name, data } => [b"42[\"", name, b"\",", data, b",\"", offset, b"\"]"],
            Self::Answer { id, rest } => [b"43", id, b"[{", rest, b"]", b"", b""],
        }
    }
}

/// Where the change that an event tells of stands: every event of the log's begins with its conversation and its position
/// (a message behind its own id). `None` for what takes no position.
pub fn position(data: &[u8]) -> Option<(ConversationId, Seq)> {
    let rest = data.strip_prefix(b"{")?;
    let rest = match rest.strip_prefix(b"\"id\":\"") {
        Some(rest) => rest.get(UUID_CHARS..)?.strip_prefix(b"\",")?,
        None => rest,
    };
    let rest = rest.strip_prefix(b"\"conversationId\":\"")?;
    let (id, rest) = rest.split_at_checked(UUID_CHARS)?;
    let rest = rest.strip_prefix(b"\",\"seq\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let seq = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let id = uuid::Uuid::try_parse_ascii(id).ok()?;
    Some((ConversationId(id), Seq(seq)))
}

#[cfg(test)]
#[path = "socketio_tests.rs"]
mod tests;
