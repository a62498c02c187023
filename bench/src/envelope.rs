//! What a text frame of the server is: one of the few forms this tool cares for, decided by its first bytes.
//! `shard` asks it for every frame. Never looks into a message itself; that is `check`'s.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A frame, sorted. The slices are the JSON of the message alone.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    Message(&'a [u8]),
    Answer {
        ask: u64,
        message: &'a [u8],
    },
    Refusal {
        ask: u64,
        code: String,
    },
    /// The event `error`: an event of ours without an answer was refused.
    Failure {
        code: String,
    },
    Ready,
    /// Socket.IO's server asks whether we are there.
    Ping,
    /// An event that this tool does not judge: presence, typing, reads, membership.
    Other,
    Unreadable(String),
}

const MESSAGE: &[u8] = b"{\"event\":\"new_message\",\"data\":{";
const ANSWER: &[u8] = b"{\"ack\":";
const ANSWERED: &[u8] = b",\"ok\":true,\"data\":{\"message\":{";

#[inline]
pub fn sort(frame: &[u8]) -> Incoming<'_> {
    if frame.starts_with(MESSAGE) && frame.ends_with(b"}}") {
        return Incoming::Message(&frame[MESSAGE.len() - 1..frame.len() - 1]);
    }
    if frame.first() != Some(&b'{') {
        return sort_packet(frame);
    }
    quick_answer(frame).unwrap_or_else(|| parsed(frame))
}

const EVENT_PACKET: &[u8] = b"42[\"";
const MESSAGE_PACKET: &[u8] = b"42[\"new_message\",{";
const ANSWER_PACKET: &[u8] = b"43";
const ANSWERED_PACKET: &[u8] = b"[{\"ok\":true,\"data\":{\"message\":{";

/// The same for packets of Socket.IO.
fn sort_packet(packet: &[u8]) -> Incoming<'_> {
    if packet.starts_with(MESSAGE_PACKET)
        // An offset may follow, which has no braces.
        && let Some(end) = memchr::memrchr(b'}', packet)
    {
        return Incoming::Message(&packet[MESSAGE_PACKET.len() - 1..=end]);
    }
    if let Some(rest) = packet.strip_prefix(ANSWER_PACKET) {
        let digits = rest.iter().take(16).take_while(|byte| byte.is_ascii_digit()).count();
        let (id, rest) = rest.split_at(digits);
        let ask = id.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        if rest.starts_with(ANSWERED_PACKET) && rest.ends_with(b"}}]") {
            let message = &rest[ANSWERED_PACKET.len() - 1..rest.len() - 3];
            return Incoming::Answer { ask, message };
        }
        return match serde_json::from_slice::<[Refusal; 1]>(rest) {
            Ok(
                [
                    Refusal {
                        error: Refused { code },
                    },
                ],
            ) => Incoming::Refusal { ask, code },
            Err(error) => Incoming::Unreadable(error.to_string()),
        };
    }
    match packet {
        b"2" => Incoming::Ping,
        packet if packet.starts_with(b"42[\"ready\"") => Incoming::Ready,
        packet if packet.starts_with(b"42[\"error\"") => {
            match serde_json::from_slice::<(String, Refused)>(&packet[2..]) {
                Ok((_, Refused { code })) => Incoming::Failure { code },
                Err(error) => Incoming::Unreadable(error.to_string()),
            }
        }
        packet if packet.starts_with(EVENT_PACKET) || packet.starts_with(b"40") || packet.starts_with(b"0") => {
            Incoming::Other
        }
        _ => Incoming::Unreadable("a packet that should not have come".into()),
    }
}

/// `{"ack":7,"ok":true,"data":{"message":{…}}}`, as it stands.
fn quick_answer(frame: &[u8]) -> Option<Incoming<'_>> {
    let rest = frame.strip_prefix(ANSWER)?;
    let digits = rest.iter().take(16).take_while(|byte| byte.is_ascii_digit()).count();
    let ask = rest[..digits]
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    let rest = &rest[digits..];
    if digits == 0 || !rest.starts_with(ANSWERED) || !rest.ends_with(b"}}}") {
        return None;
    }
    Some(Incoming::Answer {
        ask,
        message: &rest[ANSWERED.len() - 1..rest.len() - 2],
    })
}

/// Any frame of the plain envelope.
#[derive(Deserialize)]
pub struct Envelope<'a> {
    pub event: Option<String>,
    pub ack: Option<u64>,
    pub ok: Option<bool>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    pub error: Option<Refused>,
}

#[derive(Deserialize)]
pub struct Refused {
    pub code: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: Refused,
}

#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
}

/// The same by a parser, for frames that are rarer or written in another order.
#[cold]
fn parsed(frame: &[u8]) -> Incoming<'_> {
    let envelope: Envelope<'_> = match serde_json::from_slice(frame) {
        Ok(envelope) => envelope,
        Err(error) => return Incoming::Unreadable(error.to_string()),
    };
    let data = envelope.data.map_or("null", RawValue::get);
    match (envelope.event.as_deref(), envelope.ack) {
        (Some("new_message"), _) => Incoming::Message(data.as_bytes()),
        (Some("ready"), _) => Incoming::Ready,
        (Some("error"), _) => match serde_json::from_str::<Refused>(data) {
            Ok(Refused { code }) => Incoming::Failure { code },
            Err(error) => Incoming::Unreadable(error.to_string()),
        },
        (Some(_), _) => Incoming::Other,
        (None, Some(ask)) if envelope.ok == Some(true) => match serde_json::from_str::<Answered<'_>>(data) {
            Ok(Answered { message }) => Incoming::Answer {
                ask,
                message: message.get().as_bytes(),
            },
            Err(error) => Incoming::Unreadable(error.to_string()),
        },
        (None, Some(ask)) => match envelope.error {
            Some(Refused { code }) => Incoming::Refusal { ask, code },
            None => Incoming::Unreadable("an answer neither ok nor with an error".into()),
        },
        (None, None) => Incoming::Unreadable("neither an event nor an answer".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_every_form_of_the_contract() {
        let message = b"{\"id\":\"m\",\"seq\":1}";
        let cases: [(&str, Incoming<'_>); 7] = [
            (
                r#"{"event":"new_message","data":{"id":"m","seq":1}}"#,
                Incoming::Message(message),
            ),
            (
                r#"{"ack":7,"ok":true,"data":{"message":{"id":"m","seq":1}}}"#,
                Incoming::Answer { ask: 7, message },
            ),
            (
                r#"{"ack":8,"ok":false,"error":{"code":"NOT_MEMBER","message":"no","retryable":false}}"#,
                Incoming::Refusal {
                    ask: 8,
                    code: "NOT_MEMBER".into(),
                },
            ),
            (
                r#"{"event":"error","data":{"code":"RATE_LIMITED","message":"x"}}"#,
                Incoming::Failure {
                    code: "RATE_LIMITED".into(),
                },
            ),
            (r#"{"event":"ready","data":{"sessionId":"s"}}"#, Incoming::Ready),
            (r#"{"event":"user_online","data":{"userId":"u"}}"#, Incoming::Other),
            (r#"{"event":"token_expiring","data":{}}"#, Incoming::Other),
        ];
        for (frame, expected) in cases {
            assert_eq!(sort(frame.as_bytes()), expected, "{frame}");
        }
    }

    #[test]
    fn sorts_packets_of_socketio() {
        let message = b"{\"id\":\"m\",\"seq\":1}";
        for (packet, expected) in [
            (r#"42["new_message",{"id":"m","seq":1}]"#, Incoming::Message(message)),
            (
                r#"42["new_message",{"id":"m","seq":1},"AbC-_"]"#,
                Incoming::Message(message),
            ),
            (
                r#"437[{"ok":true,"data":{"message":{"id":"m","seq":1}}}]"#,
                Incoming::Answer { ask: 7, message },
            ),
            (
                r#"438[{"ok":false,"error":{"code":"NOT_MEMBER","message":"no","retryable":false}}]"#,
                Incoming::Refusal {
                    ask: 8,
                    code: "NOT_MEMBER".into(),
                },
            ),
            (
                r#"42["error",{"code":"RATE_LIMITED","message":"x"}]"#,
                Incoming::Failure {
                    code: "RATE_LIMITED".into(),
                },
            ),
            (r#"42["ready",{"sessionId":"s"}]"#, Incoming::Ready),
            (r#"42["user_online",{"userId":"u"}]"#, Incoming::Other),
            (r#"40{"sid":"s"}"#, Incoming::Other),
            ("2", Incoming::Ping),
        ] {
            assert_eq!(sort(packet.as_bytes()), expected, "{packet}");
        }
        assert!(matches!(sort(b"41"), Incoming::Unreadable(_)));
    }

    #[test]
    fn another_order_or_spacing_is_still_understood() {
        let message = b"{\"id\":\"m\"}";
        for frame in [
            r#"{"data":{"id":"m"},"event":"new_message"}"#,
            r#"{ "event": "new_message", "data": {"id":"m"} }"#,
        ] {
            assert_eq!(sort(frame.as_bytes()), Incoming::Message(message));
        }
        let answer = r#"{"ok":true,"ack":7,"data":{"message":{"id":"m"}}}"#;
        assert_eq!(sort(answer.as_bytes()), Incoming::Answer { ask: 7, message });
    }

    #[test]
    fn nonsense_is_named() {
        for frame in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"ack":1,"ok":false}"#,
            r#"{"ack":1,"ok":true,"data":{}}"#,
        ] {
            assert!(matches!(sort(frame.as_bytes()), Incoming::Unreadable(_)), "{frame}");
        }
    }
}
