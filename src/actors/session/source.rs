//! The way in from one client, as a session sees it: whole texts or requests, and the signs of a connection's life.
//! Implemented by `http` for sockets and long polling, and by tests.

use std::{
    io,
    task::{Context, Poll},
};

use crate::protocol::{ApiError, CloseCode};

/// Something that came from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// A whole message, in the plain envelope.
    Text(&'a str),
    /// A whole binary message; the plain envelope has none.
    Binary(&'a [u8]),
    /// A request, from another envelope.
    Request {
        /// The event's name.
        event: &'a str,
        /// The number to answer to; `None` asks for no answer.
        id: Option<i64>,
        /// The data's JSON, `{}` when there is none.
        data: &'a str,
    },
    /// A request that another envelope cannot hand on: to be refused.
    Refused {
        /// The event's name.
        event: &'a str,
        /// The number to answer to.
        id: Option<i64>,
        /// Why.
        error: &'a ApiError,
    },
    /// It asks whether we are there; to be answered with the same payload.
    Ping(&'a [u8]),
    /// It is there.
    Pong,
    /// It said goodbye.
    Close,
    /// It broke the transport's rules: the connection is to be closed with this code.
    Violation(CloseCode),
}

/// See the file's head.
pub trait Source {
    /// Reads once, handing everything complete to `take`, which says whether it wants more; what is left after it said no
    /// is dropped with the connection. `Ok(())` may mean that nothing was complete yet. An error (the end of the stream
    /// too) means that nothing will ever come again.
    fn poll_read(&mut self, cx: &mut Context<'_>, take: &mut dyn FnMut(Input<'_>) -> bool) -> Poll<io::Result<()>>;

    /// Throws away what comes. `Ready` when nothing will ever come again.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
