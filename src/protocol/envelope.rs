//! The plain envelope of `/ws`: how a client's text frame names an event, how answers and events are written.
//! Encoding gives ready WebSocket frames as shared bytes: encode once, send many. Called by rooms (events, answers to
//! sends) and sessions (everything else); never touches a socket.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ApiError, CloseCode, Event, command::is_object, frame};
use crate::domain::{Invalid, Message, json::in_words};

/// A client's frame, opened: which event, whether it asks for an answer, its data still unread.
#[derive(Debug)]
pub struct Request<'a> {
    /// The event's name.
    pub event: std::borrow::Cow<'a, str>,
    /// The number to answer to; `None` asks for no answer.
    pub id: Option<i64>,
    /// The data's JSON, `{}` when there is none.
    pub data: &'a str,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    event: std::borrow::Cow<'a, str>,
    id: Option<i64>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Opens a client's text frame.
///
/// # Errors
/// `VALIDATION_ERROR` when it is not `{"event": string, "id"?: integer, "data"?: …}`.
pub fn open(text: &str) -> Result<Request<'_>, ApiError> {
    if !is_object(text.as_bytes()) {
        return Err(Invalid::new("frame", "is not an event envelope: it must be an object").into());
    }
    let frame: Frame<'_> = serde_json::from_str(text)
        .map_err(|error| Invalid::new("frame", format!("is not an event envelope: {}", in_words(&error, text))))?;
    Ok(Request {
        event: frame.event,
        id: frame.id,
        data: frame.data.map_or("{}", RawValue::get),
    })
}

#[derive(Serialize)]
struct Answer<'a, T> {
    ack: i64,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ApiError>,
}

/// Writes `value` as JSON. Our own types have string keys and no failing serializers, so it cannot fail; if one ever
/// does, an empty object goes out and the log says so.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| {
        log::error!(target: "parlor::protocol", "an answer could not be written: {error}");
        b"{}".to_vec()
    })
}

fn framed(payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + frame::HEADER_MAX);
    frame::write_text(&mut out, &[payload]);
    out.freeze()
}

/// An event as a ready frame.
pub fn event(event: &Event<'_>) -> Bytes {
    framed(&json(event))
}

/// The answer to request `id` as a ready frame.
pub fn answer<T: Serialize>(id: i64, result: Result<&T, &ApiError>) -> Bytes {
    let (data, error) = (result.ok(), result.err());
    framed(&json(&Answer {
        ack: id,
        ok: error.is_none(),
        data,
        error,
    }))
}

/// A close frame (RFC 6455 §5.5.1).
pub fn close(code: CloseCode) -> Bytes {
    let mut out = BytesMut::new();
    frame::write(
        &mut out,
        frame::Opcode::Close,
        &[&code.number().to_be_bytes(), code.reason().as_bytes()],
    );
    out.freeze()
}

/// A ping (RFC 6455 §5.5.2) without payload.
pub fn ping() -> Bytes {
    let mut out = BytesMut::new();
    frame::write(&mut out, frame::Opcode::Ping, &[]);
    out.freeze()
}

/// The answer to a ping of the client's (RFC 6455 §5.5.3).
pub fn pong(payload: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    frame::write(&mut out, frame::Opcode::Pong, &[payload]);
    out.freeze()
}

/// Writes frames for one commit: events one behind the other into one piece of shared bytes, and the answers to those
/// who sent them, a message's JSON being made once for both.
#[derive(Debug, Default)]
pub struct BatchWriter {
    events: BytesMut,
    message: Vec<u8>,
}

impl BatchWriter {
    /// Writes a message's JSON, to be used by [`Self::new_message`] and [`Self::sent_answer`].
    pub fn message(&mut self, message: &Message) {
        self.message.clear();
        if let Err(error) = serde_json::to_writer(&mut self.message, message) {
            log::error!(target: "parlor::protocol", "a message could not be written: {error}");
        }
    }

    /// Appends `new_message` with the message written last.
    pub fn new_message(&mut self) {
        frame::write_text(
            &mut self.events,
            &[b"{\"event\":\"new_message\",\"data\":", &self.message, b"}"],
        );
    }

    /// Appends any other event.
    pub fn event(&mut self, event: &Event<'_>) {
        frame::write_text(&mut self.events, &[&json(event)]);
    }

    /// The answer to the `send_message` that asked with `id`, with the message written last.
    pub fn sent_answer(&self, id: i64) -> Bytes {
        let mut out = BytesMut::with_capacity(self.message.len() + 64);
        let mut digits = BytesMut::with_capacity(20);
        digits.put_slice(id.to_string().as_bytes());
        frame::write_text(
            &mut out,
            &[
                b"{\"ack\":",
                &digits,
                b",\"ok\":true,\"data\":{\"message\":",
                &self.message,
                b"}}",
            ],
        );
        out.freeze()
    }

    /// The events so far, as one piece; empty when there were none.
    pub fn take(&mut self) -> Bytes {
        self.events.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorCode;

    fn text_of(frame: &[u8]) -> serde_json::Value {
        let header = frame::Header::read(frame).unwrap().unwrap();
        serde_json::from_slice(&frame[header.header_bytes..]).unwrap()
    }

    #[test]
    fn a_frame_is_opened_with_and_without_id_and_data() {
        let request = open(r#"{"event":"sync","id":7,"data":{"cursors":[]}}"#).unwrap();
        assert_eq!(
            (request.event.as_ref(), request.id, request.data),
            ("sync", Some(7), r#"{"cursors":[]}"#)
        );
        let request = open(r#"{"event":"typ\u0069ng_start"}"#).unwrap();
        assert_eq!(
            (request.event.as_ref(), request.id, request.data),
            ("typing_start", None, "{}")
        );
        for bad in [
            "",
            "[]",
            "{}",
            "7",
            r#"{"event":7}"#,
            r#"{"event":"a","id":"x"}"#,
            r#"{"event":"a","id":1.5}"#,
        ] {
            assert_eq!(open(bad).unwrap_err().code, ErrorCode::ValidationError, "{bad}");
        }
    }

    #[test]
    fn answers_are_as_the_contract_draws_them() {
        let good = answer(7, Ok(&serde_json::json!({"a": 1})));
        assert_eq!(
            text_of(&good),
            serde_json::json!({"ack": 7, "ok": true, "data": {"a": 1}})
        );
        let bad = answer::<()>(8, Err(&ApiError::not_member()));
        assert_eq!(
            text_of(&bad),
            serde_json::json!({"ack": 8, "ok": false, "error": {
                "code": "NOT_MEMBER", "message": "you are not a member of this conversation", "retryable": false}})
        );
    }
}
