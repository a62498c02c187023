//! Who speaks on a new connection: waits for the packet that says so, looks at the token, and lets a session begin; or says
//! why not. Called by `Host::begin`. Until then a connection costs little, and not for long.

use std::{future::poll_fn, rc::Rc, sync::Arc, time::Duration};

use actix_web::web;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Timing,
    engine::Engine,
    reader::{Owned, Reader, Sign},
    registry::Handle,
    session::{Memory, SessionArrival, SessionSource, SessionWire, Shown, connect_error, no_such_namespace},
};
use crate::{
    actors::{
        relay::Local,
        session::{self, Incoming},
    },
    auth::{AllowedOrigins, Identity, TokenSource, find_token},
    http::State,
    metrics::Metrics,
    protocol::{
        ApiError, CloseCode, ErrorCode,
        socketio::{Kind, Packet},
    },
};

/// Tokens that a connection may show before it is let in.
const TRIES: u32 = 5;
/// How long somebody who is not let in may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// What a handshake brought along to say who it is from.
pub struct Offered {
    token: Result<(String, TokenSource), ApiError>,
    /// See [`keeps_offsets`].
    keeps_offsets: bool,
}

impl Offered {
    /// Of a request.
    pub fn of<'a>(header: impl Fn(&str) -> Option<&'a str>, query: &'a str, origins: Option<&AllowedOrigins>) -> Self {
        let keeps_offsets = keeps_offsets(header("user-agent"), header("origin"));
        let token = match origins {
            Some(origins) => find_token(header, query, origins).map(|(token, source)| (token.to_owned(), source)),
            None => Err(ApiError::new(ErrorCode::Unauthorized, "no token is looked at here")),
        };
        Self { token, keeps_offsets }
    }

    /// The token that counts: the header's, the packet's, the cookie's, the query's.
    fn token<'a>(&'a self, shown: Option<&'a str>) -> Result<&'a str, ApiError> {
        match (&self.token, shown) {
            (Ok((token, TokenSource::Header)), _) => Ok(token),
            (_, Some(shown)) => Ok(shown),
            (Ok((token, _)), None) => Ok(token),
            (Err(error), None) => Err(error.clone()),
        }
    }
}

/// Whether a client is likely to be JavaScript's, the only one that keeps the offset behind an event's data and shows it
/// again. Another one would find an argument there that it did not ask for; in Python that is an error of every handler. A
/// browser says so of itself, Node's `ws` says nothing at all, not even where its page is from.
fn keeps_offsets(agent: Option<&str>, origin: Option<&str>) -> bool {
    match agent {
        Some(agent) => agent.contains("Mozilla/") || agent.starts_with("node"),
        None => origin.is_none(),
    }
}

/// A connection of which it is not known yet who speaks.
pub struct Newcomer {
    /// The server.
    pub state: web::Data<State>,
    /// The worker's sessions.
    pub local: Rc<Local>,
    /// How long it may take.
    pub timing: Timing,
    /// The connection.
    pub engine: Rc<Engine>,
    /// What its handshake brought along.
    pub offered: Offered,
    /// For the requests to come, while it polls.
    pub handle: Option<Arc<Handle>>,
}

/// Counted as long as it lives.
struct Counted(Metrics);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connecting.dec();
    }
}

impl Newcomer {
    /// Waits for the client to say who it is; then a session goes on, or nothing does.
    pub async fn greet(self, mut reader: Reader) {
        let counted = Counted(self.state.node.metrics.clone());
        counted.0.connecting.inc();
        let heard = timeout(self.timing.connect_within, self.hear(&mut reader)).await;
        drop(counted);
        match heard {
            Ok(Ok((identity, shown))) => self.begin(reader, identity, shown),
            Ok(Err(code)) => self.part(reader, code).await,
            Err(_) => self.part(reader, CloseCode::HeartbeatMissed).await,
        }
    }

    async fn hear(&self, reader: &mut Reader) -> Result<(Identity, Shown), CloseCode> {
        let mut tries = 0;
        loop {
            let Ok(next) = timeout(self.timing.ping_interval, reader.next()).await else {
                self.engine.say("2".into());
                continue;
            };
            let text = match next.ok_or(CloseCode::Normal)? {
                Owned::Message(text) => text,
                Owned::Sign(Sign::Pong | Sign::Nothing) | Owned::SocketPing(_) => continue,
                Owned::Sign(Sign::Close) => return Err(CloseCode::Normal),
                Owned::Sign(Sign::Violation(code)) => return Err(code),
                Owned::Sign(Sign::Upgrade) | Owned::Binary(_) | Owned::Probe(_) => {
                    return Err(CloseCode::Malformed);
                }
            };
            let packet = Packet::parse(&text).map_err(|_| CloseCode::Malformed)?;
            match (packet.kind, packet.namespace) {
                (Kind::Connect, "/") => {}
                (Kind::Connect, name) => {
                    self.engine.say(no_such_namespace(name));
                    continue;
                }
                (Kind::Disconnect, _) => return Err(CloseCode::Normal),
                _ => return Err(CloseCode::Malformed),
            }
            match self.identify(packet.data).await {
                Ok(known) => return Ok(known),
                // A stock client that is refused does not come back by itself; one whose connection ends does.
                Err(error) if error.retryable => return Err(CloseCode::Overloaded),
                Err(error) => self.refuse(&error),
            }
            tries += 1;
            if tries == TRIES {
                return Err(CloseCode::Unauthorized);
            }
        }
    }

    async fn identify(&self, data: &str) -> Result<(Identity, Shown), ApiError> {
        let auth: Value = serde_json::from_str(data).unwrap_or_default();
        let text = |name: &str| auth.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let token = self.offered.token(text("token"))?;
        let identity = self.state.node.authenticator.authenticate(token).await?;
        let shown = Shown {
            pid: text("pid").map(str::to_owned),
            offset: text("offset").map(str::to_owned),
            keeps: auth
                .get("recover")
                .and_then(Value::as_bool)
                .unwrap_or(self.offered.keeps_offsets),
        };
        Ok((identity, shown))
    }

    fn refuse(&self, error: &ApiError) {
        let metrics = &self.state.node.metrics;
        metrics.refused.get_or_create(&[("code", error.code.as_str())]).inc();
        self.engine.say(connect_error(error));
    }

    fn begin(self, reader: Reader, identity: Identity, shown: Shown) {
        let Self {
            state, local, engine, ..
        } = self;
        if let Some(handle) = self.handle {
            handle.bind(identity.user.id.clone());
        }
        let memory = Memory::new();
        engine.cork(true);
        let incoming = Incoming {
            identity,
            carriage: engine.carriage(),
            source: Box::new(SessionSource::new(reader, engine.clone())),
            wire: Box::new(SessionWire {
                engine: engine.clone(),
                memory: memory.clone(),
            }),
            arrival: Some(Box::new(SessionArrival {
                engine,
                memory,
                epoch: state.node.store.epoch().to_owned(),
                shown,
                recovered: state.node.metrics.recovered.clone(),
            })),
        };
        session::start(&state.node, &local, incoming);
    }

    /// Says goodbye to somebody who is not let in.
    async fn part(self, mut reader: Reader, code: CloseCode) {
        self.engine.farewell(code);
        // A socket dropped with unread bytes takes the close frame with it.
        let _ = timeout(LINGER, poll_fn(|cx| reader.poll_discard(cx))).await;
        self.engine.shut();
    }
}
