//! What a session speaks, and over what: counted in the metrics and shown to administrators. Set by `http`, which also says
//! when a session moves from long polling to a socket; a session itself never asks.

use std::cell::{Cell, RefCell};

use crate::metrics::{LevelBy, Metrics};

/// See the file's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The plain envelope on a WebSocket.
    WebSocket,
    /// Socket.IO on a WebSocket.
    SocketIoWebSocket,
    /// Socket.IO over long polling.
    SocketIoPolling,
}

impl Transport {
    /// Every one.
    pub const ALL: &[Self] = &[Self::WebSocket, Self::SocketIoWebSocket, Self::SocketIoPolling];

    /// What administrators and metrics call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::SocketIoWebSocket => "socketio-websocket",
            Self::SocketIoPolling => "socketio-polling",
        }
    }

    /// How metrics tell it from the others.
    pub fn label(self) -> [(&'static str, &'static str); 1] {
        [("transport", self.as_str())]
    }
}

/// What one session travels on; held by the session and by whoever may move it.
#[derive(Debug)]
pub struct Carriage {
    transport: Cell<Transport>,
    /// Where the session is counted, while it is.
    counted: RefCell<Option<LevelBy>>,
}

impl Carriage {
    /// Over `transport` for now.
    pub fn new(transport: Transport) -> Self {
        Self {
            transport: Cell::new(transport),
            counted: RefCell::new(None),
        }
    }

    /// Over what.
    pub fn transport(&self) -> Transport {
        self.transport.get()
    }

    /// The session begins.
    pub(super) fn begin(&self, metrics: &Metrics) {
        let figures = metrics.sessions_by_transport.clone();
        figures.get_or_create(&self.transport().label()).inc();
        *self.counted.borrow_mut() = Some(figures);
    }

    /// The session is over.
    pub(super) fn end(&self) {
        if let Some(figures) = self.counted.borrow_mut().take() {
            figures.get_or_create(&self.transport().label()).dec();
        }
    }

    /// The session moves.
    pub fn change(&self, to: Transport) {
        let from = self.transport.replace(to);
        if let Some(figures) = &*self.counted.borrow() {
            figures.get_or_create(&from.label()).dec();
            figures.get_or_create(&to.label()).inc();
        }
    }
}
