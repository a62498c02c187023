//! What a text frame of the server says, for every event there is: the plain envelope and Socket.IO's packets, unfolded.
//! The mixed shard asks it for what its judge does not know by its hash. Never looks into an event's data.

use serde_json::value::RawValue;

use crate::envelope::{Envelope, Refused};

/// A frame, unfolded; `data` is JSON.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    Event { name: String, data: &'a str },
    Answer { ask: u64, result: Result<&'a str, String> },
    Ping,
    Nothing,
    Unreadable(String),
}

pub fn unfold(frame: &[u8]) -> Said<'_> {
    let said = match frame.first() {
        Some(b'{') => plain(frame),
        _ => packet(frame),
    };
    said.unwrap_or_else(|error| Said::Unreadable(error.to_string()))
}

fn plain(frame: &[u8]) -> serde_json::Result<Said<'_>> {
    Ok(said(serde_json::from_slice(frame)?))
}

fn said(envelope: Envelope<'_>) -> Said<'_> {
    let data = envelope.data.map_or("null", RawValue::get);
    match (envelope.event, envelope.ack, envelope.ok, envelope.error) {
        (Some(name), None, ..) => Said::Event { name, data },
        (None, Some(ask), Some(true), _) => Said::Answer { ask, result: Ok(data) },
        (None, Some(ask), Some(false), Some(Refused { code })) => Said::Answer { ask, result: Err(code) },
        _ => Said::Unreadable("neither an event nor an answer".into()),
    }
}

fn packet(packet: &[u8]) -> serde_json::Result<Said<'_>> {
    if packet == b"2" {
        return Ok(Said::Ping);
    }
    if packet.starts_with(b"0") || packet.starts_with(b"40") {
        return Ok(Said::Nothing);
    }
    if let Some(arguments) = packet.strip_prefix(b"42") {
        // The name, the data, and perhaps an offset.
        let arguments: Vec<&RawValue> = serde_json::from_slice(arguments)?;
        let (Some(name), data) = (arguments.first(), arguments.get(1)) else {
            return Ok(Said::Unreadable("an event without a name".into()));
        };
        return Ok(Said::Event {
            name: serde_json::from_str(name.get())?,
            data: data.map_or("null", |data| data.get()),
        });
    }
    let Some(answer) = packet.strip_prefix(b"43") else {
        return Ok(Said::Unreadable("a packet that should not have come".into()));
    };
    let digits = answer.iter().take(16).take_while(|byte| byte.is_ascii_digit()).count();
    let ask = answer[..digits]
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    let [mut envelope]: [Envelope<'_>; 1] = serde_json::from_slice(&answer[digits..])?;
    envelope.ack = Some(ask);
    Ok(said(envelope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_envelopes_say_the_same() {
        let event = || Said::Event {
            name: "reaction_updated".into(),
            data: r#"{"seq":3}"#,
        };
        assert_eq!(unfold(br#"{"event":"reaction_updated","data":{"seq":3}}"#), event());
        assert_eq!(unfold(br#"42["reaction_updated",{"seq":3}]"#), event());
        assert_eq!(unfold(br#"42["reaction_updated",{"seq":3},"offset"]"#), event());
        let answer = || Said::Answer {
            ask: 7,
            result: Ok("{}"),
        };
        assert_eq!(unfold(br#"{"ack":7,"ok":true,"data":{}}"#), answer());
        assert_eq!(unfold(br#"437[{"ok":true,"data":{}}]"#), answer());
        let refusal = || Said::Answer {
            ask: 8,
            result: Err("FORBIDDEN".into()),
        };
        assert_eq!(
            unfold(br#"{"ack":8,"ok":false,"error":{"code":"FORBIDDEN"}}"#),
            refusal()
        );
        assert_eq!(unfold(br#"438[{"ok":false,"error":{"code":"FORBIDDEN"}}]"#), refusal());
    }

    #[test]
    fn nonsense_is_named() {
        assert_eq!((unfold(b"2"), unfold(br#"40{"sid":"s"}"#)), (Said::Ping, Said::Nothing));
        for frame in [
            "",
            "{",
            "[]",
            "{}",
            "41",
            "42[]",
            "42",
            "43",
            "43[]",
            r#"{"ack":1,"ok":false}"#,
        ] {
            assert!(matches!(unfold(frame.as_bytes()), Said::Unreadable(_)), "{frame}");
        }
    }
}
