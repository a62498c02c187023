//! The way back to whoever asked a room for something: a session (over its worker's relay) or an HTTP request. A reply that
//! is dropped unanswered (a room that panicked, a mailbox thrown away) answers `UNAVAILABLE` by itself, so that every
//! request ends.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use smallvec::smallvec;
use tokio::sync::oneshot;

use super::{
    Node,
    relay::{Ack, Deliver, SessionRef},
};
use crate::{
    domain::{ConversationId, Message, MessageId, Reaction, Seq},
    protocol::{ApiError, Event, envelope},
};

/// What a room answers to what was submitted.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Answer {
    /// To a send.
    Sent {
        /// The message, as it was appended, or as it is now when the send was a repetition.
        message: Box<Message>,
        /// Whether it was there already.
        #[serde(skip)]
        repeated: bool,
    },
    /// To an edit.
    Edited {
        /// The message as it is now.
        message: Box<Message>,
    },
    /// To a reaction that was to come or go.
    Reacted {
        /// All of the message's reactions now.
        reactions: Vec<Reaction>,
    },
    /// To a deletion.
    Deleted {
        /// Which.
        message_id: MessageId,
        /// The position of the deletion.
        seq: Seq,
    },
    /// To `mark_read`.
    Read {
        /// Where the cursor stands.
        last_read_seq: Seq,
        /// What is unread behind it.
        unread_count: u32,
        /// What of that mentions them.
        mention_count: u32,
    },
    /// To everything that has nothing to say: `{}`.
    Done {},
}

enum To {
    Session {
        node: Arc<Node>,
        session: SessionRef,
        id: Option<i64>,
        event: &'static str,
    },
    Caller(oneshot::Sender<Result<Answer, ApiError>>),
}

/// See the file's head.
pub struct Reply(Option<To>);

/// Where a reply went: what the room still has to hand to a relay.
pub enum Settled {
    /// An answer for a session, for the relay of its worker.
    Ack(Ack),
    /// Nothing left to do.
    Nothing,
}

impl Reply {
    /// To a session's request `id` (if it asked for an answer) of `event`.
    pub fn to_session(node: &Arc<Node>, session: SessionRef, id: Option<i64>, event: &'static str) -> Self {
        Self(Some(To::Session {
            node: node.clone(),
            session,
            id,
            event,
        }))
    }

    /// To whoever holds the receiver.
    pub fn to_caller() -> (Self, oneshot::Receiver<Result<Answer, ApiError>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(To::Caller(sender))), receiver)
    }

    /// The session that asks, if one does.
    pub fn session(&self) -> Option<SessionRef> {
        match &self.0 {
            Some(To::Session { session, .. }) => Some(*session),
            _ => None,
        }
    }

    /// Answers a commit: `frame` writes the frame for a session, `answer` the value for a caller.
    pub fn settle(mut self, frame: impl FnOnce(i64) -> Bytes, answer: impl FnOnce() -> Answer) -> Settled {
        match self.0.take() {
            Some(To::Session { session, id, .. }) => Settled::Ack(Ack {
                session,
                frame: id.map(frame),
            }),
            Some(To::Caller(sender)) => {
                // A caller that gave up is no concern of the room's.
                let _ = sender.send(Ok(answer()));
                Settled::Nothing
            }
            None => Settled::Nothing,
        }
    }

    /// Answers at once, by itself.
    pub fn answer(mut self, answer: Answer) {
        if let Some(to) = self.0.take() {
            send(to, Ok(answer));
        }
    }

    /// Refuses at once, by itself.
    pub fn refuse(mut self, error: ApiError) {
        if let Some(to) = self.0.take() {
            send(to, Err(error));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(to) = self.0.take() {
            send(to, Err(ApiError::uncertain()));
        }
    }
}

fn send(to: To, result: Result<Answer, ApiError>) {
    match to {
        To::Caller(sender) => {
            let _ = sender.send(result);
        }
        To::Session {
            node,
            session,
            id,
            event,
        } => {
            if let Err(error) = &result {
                node.metrics
                    .refused
                    .get_or_create(&[("code", error.code.as_str())])
                    .inc();
            }
            let frame = frame(id, event, result.as_ref());
            node.relays
                .offer(session.relay, Deliver::answer(Ack { session, frame }));
        }
    }
}

/// The frame of an answer: to the request's number if it has one; otherwise a failure is reported by the event `error`,
/// and a success not at all.
pub fn frame<T: Serialize>(id: Option<i64>, event: &str, result: Result<&T, &ApiError>) -> Option<Bytes> {
    match (id, result) {
        (Some(id), result) => Some(envelope::answer(id, result)),
        (None, Ok(_)) => None,
        (None, Err(error)) => Some(error_event(error, Some(event))),
    }
}

/// The event `error`.
pub fn error_event(error: &ApiError, event: Option<&str>) -> Bytes {
    envelope::event(&Event::Error {
        code: error.code,
        message: &error.message,
        event,
        retry_after_ms: error.retry_after_ms,
    })
}

impl Deliver {
    /// An answer with no events.
    pub fn answer(ack: Ack) -> Self {
        Self {
            conversation: ConversationId(uuid::Uuid::nil()),
            span: None,
            events: Bytes::new(),
            count: 0,
            acks: smallvec![ack],
        }
    }
}
