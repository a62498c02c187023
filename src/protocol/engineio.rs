//! Engine.IO 4: packets as text, several of them in one payload of long polling, and what the server says first. Pure: text
//! in, packets out, and back. Called by `http::socketio`; fuzzed by `fuzz/`. Never knows what a message means.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::Serialize;

/// What stands between the packets of a payload. JSON never holds it bare, so our own packets never do.
pub const SEPARATOR: u8 = 0x1e;

/// Packets in one payload: far more than a client that reads its answers ever sends.
pub const PAYLOAD_PACKETS: usize = 10_000;

/// Some encoders leave the padding out, and nothing is lost with it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A packet of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// It goes.
    Close,
    /// Asks for a pong with the same text: a client does so on a socket that it wants to move to (`probe`).
    Ping(&'a str),
    /// It is there.
    Pong,
    /// A message of whatever is spoken above.
    Message(&'a str),
    /// A binary message; only long polling has it in a text.
    Binary(Cow<'a, [u8]>),
    /// The move to the socket that this came over is complete.
    Upgrade,
    /// Nothing.
    Noop,
}

/// Text that is no packet of a client: the session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

impl<'a> Packet<'a> {
    /// Reads one packet: all of a WebSocket's text frame, or a part of a payload.
    ///
    /// # Errors
    /// A type that does not exist or that only servers send, and bytes that are not base64.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let Some(kind) = text.bytes().next() else {
            return Err(Malformed("an empty packet"));
        };
        // Whatever begins with one of these has it as a character of its own.
        let rest = text.get(1..).ok_or(Malformed("no such packet type"))?;
        Ok(match kind {
            b'1' => Self::Close,
            b'2' => Self::Ping(rest),
            b'3' => Self::Pong,
            b'4' => Self::Message(rest),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            b'b' => {
                let bytes = LENIENT.decode(rest).map_err(|_| Malformed("not base64"))?;
                Self::Binary(bytes.into())
            }
            b'0' => return Err(Malformed("only a server opens")),
            _ => return Err(Malformed("no such packet type")),
        })
    }
}

/// The packets of a payload of long polling, in their order.
///
/// # Errors
/// As [`Packet::parse`] for the first that is none; more than [`PAYLOAD_PACKETS`].
pub fn packets(payload: &str) -> Result<Vec<Packet<'_>>, Malformed> {
    let separator = char::from(SEPARATOR);
    if payload.bytes().filter(|byte| *byte == SEPARATOR).count() >= PAYLOAD_PACKETS {
        return Err(Malformed("too many packets in a payload"));
    }
    payload.split(separator).map(Packet::parse).collect()
}

/// A binary message as long polling carries it.
pub fn binary(bytes: &[u8]) -> String {
    format!("b{}", STANDARD.encode(bytes))
}

/// What a server says first.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Opening<'a> {
    /// Names the session in every further request.
    pub sid: &'a str,
    /// What may be moved to.
    pub upgrades: &'a [&'a str],
    /// How often the server pings, in milliseconds.
    pub ping_interval: u64,
    /// How long it waits for the answer, in milliseconds.
    pub ping_timeout: u64,
    /// The most bytes of one payload.
    pub max_payload: usize,
}

impl Opening<'_> {
    /// As a packet.
    pub fn packet(&self) -> String {
        // Numbers and plain texts: cannot fail.
        format!("0{}", serde_json::to_string(self).unwrap_or_default())
    }
}

/// Why a request of Engine.IO is refused: the protocol's own numbers and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `transport` is neither `polling` nor `websocket`.
    UnknownTransport,
    /// `sid` names no session.
    UnknownSid,
    /// A session begins with GET.
    BadHandshakeMethod,
    /// Anything else that is not as it should be.
    BadRequest,
    /// From a page that may not, or with somebody else's token.
    Forbidden,
    /// `EIO` is not 4.
    UnsupportedVersion,
}

impl Refusal {
    /// The protocol's number.
    pub fn code(self) -> u8 {
        match self {
            Self::UnknownTransport => 0,
            Self::UnknownSid => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedVersion => 5,
        }
    }

    /// The protocol's words.
    pub fn message(self) -> &'static str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSid => "Session ID unknown",
            Self::BadHandshakeMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            _ => 400,
        }
    }

    /// The body that goes with it.
    pub fn body(self) -> String {
        format!(r#"{{"code":{},"message":"{}"}}"#, self.code(), self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_type_of_a_client_is_read() {
        for (text, packet) in [
            ("1", Packet::Close),
            ("2probe", Packet::Ping("probe")),
            ("2", Packet::Ping("")),
            ("3", Packet::Pong),
            ("4hello", Packet::Message("hello")),
            ("4", Packet::Message("")),
            ("4\u{20ac}", Packet::Message("\u{20ac}")),
            ("bAQIDBA==", Packet::Binary(vec![1, 2, 3, 4].into())),
            ("bAQIDBA", Packet::Binary(vec![1, 2, 3, 4].into())),
            ("b", Packet::Binary(vec![].into())),
            ("5", Packet::Upgrade),
            ("6", Packet::Noop),
        ] {
            assert_eq!(Packet::parse(text), Ok(packet), "{text}");
        }
        for bad in ["", "0{}", "7", "abc", "\u{e4}", "b*", "bA", "B", " 4"] {
            assert!(Packet::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_payload_is_its_packets_in_order_or_nothing() {
        assert_eq!(
            packets("4hello\u{1e}2\u{1e}4world\u{1e}bAQIDBA=="),
            Ok(vec![
                Packet::Message("hello"),
                Packet::Ping(""),
                Packet::Message("world"),
                Packet::Binary(vec![1, 2, 3, 4].into()),
            ])
        );
        for bad in ["", "\u{1e}", "4a\u{1e}", "4a\u{1e}\u{1e}4b", "4a\u{1e}abc"] {
            assert!(packets(bad).is_err(), "{bad:?}");
        }
        let many = vec!["6"; PAYLOAD_PACKETS + 1].join("\u{1e}");
        assert!(packets(&many).is_err());
        assert_eq!(packets(&many[2..]).map(|packets| packets.len()), Ok(PAYLOAD_PACKETS));
    }

    #[test]
    fn what_the_server_says_is_as_the_protocol_draws_it() {
        let opening = Opening {
            sid: "abc",
            upgrades: &["websocket"],
            ping_interval: 25_000,
            ping_timeout: 20_000,
            max_payload: 1_000_000,
        };
        assert_eq!(
            opening.packet(),
            r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
        assert_eq!(binary(&[1, 2, 3, 4]), "bAQIDBA==");
        assert_eq!(
            (Refusal::UnknownSid.body().as_str(), Refusal::UnknownSid.status()),
            (r#"{"code":1,"message":"Session ID unknown"}"#, 400)
        );
        assert_eq!(Refusal::Forbidden.status(), 403);
    }
}
