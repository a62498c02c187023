//! The Socket.IO door: Engine.IO 4 by long polling (`polling`) and on sockets (`socket`), moves from the one to the other,
//! and Socket.IO 5 above it. It is learnt here who speaks (`connect`); from then on an ordinary session stands behind the
//! packets (`session`), the same as behind `/ws`. `server` calls it for upgrades, `routes` for everything else.

#[cfg(feature = "conformance")]
pub mod conformance;
mod connect;
mod engine;
mod out;
mod packets;
mod polling;
mod reader;
mod registry;
mod session;
mod socket;

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_web::web;
pub use polling::handle;
pub use registry::Registry;
pub use socket::upgrade;

use self::{
    connect::Offered,
    engine::Engine,
    reader::Reader,
    registry::{Handle, new_sid},
};
use super::{
    State,
    ws::{Frames, Rules, Scratch},
};
use crate::{
    actors::relay::Local,
    auth::AllowedOrigins,
    domain::limits,
    protocol::{ApiError, ErrorCode, engineio::Opening},
};

/// Where clients connect unless they are told otherwise, with and without the slash that some leave out.
pub const PATHS: &[&str] = &["/socket.io/", "/socket.io"];

/// Most bytes of a payload from somebody who has not said yet who they are.
const NAMELESS_PAYLOAD: usize = 64 * 1024;
/// How many of them there may be: one of so many connections, and a few on a small server.
const NAMELESS_SHARE: i64 = 4;
/// See [`NAMELESS_SHARE`].
const NAMELESS_LEAST: i64 = 256;

/// What clients are told at the handshake.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How often they are pinged.
    pub ping_interval: Duration,
    /// How long the answer may take.
    pub ping_timeout: Duration,
    /// How long they may take to say who they are.
    pub connect_within: Duration,
    /// The most bytes of a payload.
    pub max_payload: usize,
    /// The most bytes of a packet on a socket.
    pub message_bytes: usize,
}

/// How long a client may take to say who it is.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What stands behind the connections.
enum Behind {
    /// The messaging engine.
    Parlor { state: web::Data<State>, local: Rc<Local> },
    /// Whatever a conformance suite expects.
    #[cfg(feature = "conformance")]
    Conformance(conformance::Suite),
}

/// What one worker needs for its connections.
pub struct Host {
    registry: Arc<Registry>,
    timing: Timing,
    scratch: Scratch,
    behind: Behind,
}

impl Host {
    /// In front of the messaging engine.
    pub fn new(state: &web::Data<State>, local: &Rc<Local>, scratch: &Scratch) -> Rc<Self> {
        let config = &state.config;
        Rc::new(Self {
            registry: state.socketio.clone(),
            timing: Timing {
                ping_interval: config.heartbeat,
                ping_timeout: config.heartbeat_timeout.saturating_sub(config.heartbeat),
                connect_within: CONNECT_WITHIN,
                max_payload: config.max_payload,
                message_bytes: limits::FRAME_BYTES,
            },
            scratch: scratch.clone(),
            behind: Behind::Parlor {
                state: state.clone(),
                local: local.clone(),
            },
        })
    }

    fn state(&self) -> Option<&web::Data<State>> {
        match &self.behind {
            Behind::Parlor { state, .. } => Some(state),
            #[cfg(feature = "conformance")]
            Behind::Conformance(_) => None,
        }
    }

    fn origins(&self) -> Option<&AllowedOrigins> {
        self.state().map(|state| &state.origins)
    }

    /// Whether one more connection may begin.
    fn has_room(&self) -> Result<(), ApiError> {
        let Some(state) = self.state() else { return Ok(()) };
        if state.draining() {
            return Err(ApiError::new(ErrorCode::Unavailable, "the server is going away"));
        }
        let metrics = &state.node.metrics;
        let (nameless, most) = (metrics.connecting.get(), state.config.max_connections as i64);
        if metrics.sessions.get() + nameless >= most || nameless >= (most / NAMELESS_SHARE).max(NAMELESS_LEAST) {
            return Err(ApiError::new(
                ErrorCode::Unavailable,
                "the server has as many connections as it may",
            ));
        }
        Ok(())
    }

    fn rules(&self) -> Rules {
        Rules {
            message_bytes: self.timing.message_bytes,
            binary: true,
            ..Rules::default()
        }
    }

    fn opening(&self, engine: &Engine, upgrades: &[&str]) -> String {
        let opening = Opening {
            sid: engine.sid(),
            upgrades,
            ping_interval: self.timing.ping_interval.as_millis() as u64,
            ping_timeout: self.timing.ping_timeout.as_millis() as u64,
            max_payload: self.timing.max_payload,
        };
        opening.packet()
    }

    /// Lets whatever stands behind it speak on a new connection.
    fn begin(
        self: &Rc<Self>,
        engine: Rc<Engine>,
        frames: Option<Frames>,
        offered: Offered,
        handle: Option<Arc<Handle>>,
    ) {
        let reader = Reader::new(engine.clone(), frames);
        match &self.behind {
            Behind::Parlor { state, local } => {
                let newcomer = connect::Newcomer {
                    state: state.clone(),
                    local: local.clone(),
                    timing: self.timing,
                    engine,
                    offered,
                    handle,
                };
                actix_rt::spawn(newcomer.greet(reader));
            }
            #[cfg(feature = "conformance")]
            Behind::Conformance(suite) => conformance::begin(*suite, self.timing, engine, reader),
        }
    }
}

/// A query's values, as far as Engine.IO has a say; taken as they stand, since none needs escaping.
#[derive(Debug, Clone, Copy, Default)]
struct Query<'a> {
    version: &'a str,
    transport: &'a str,
    sid: Option<&'a str>,
}

impl<'a> Query<'a> {
    fn parse(query: &'a str) -> Self {
        let mut found = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "EIO" => found.version = value,
                "transport" => found.transport = value,
                "sid" => found.sid = Some(value),
                _ => {}
            }
        }
        found
    }
}
