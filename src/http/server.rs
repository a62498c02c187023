//! The listening server: HTTP requests go to the routes, upgrades are taken over and become sessions. Started by `app`.

use std::{
    convert::Infallible,
    net::TcpListener,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use actix_codec::Framed;
use actix_http::{HttpMessage, HttpService, Request, Response, StatusCode, body::BodySize, h1, header, ws::handshake};
use actix_server::Server;
use actix_service::{fn_service, map_config};
use actix_web::{dev::AppConfig, web};
use bytes::Bytes;
use futures_util::SinkExt;
use tokio::net::TcpStream;

use super::{
    State,
    access::ACT_AS,
    observe::{REQUEST_ID, RequestId},
    routes, socketio,
    ws::{Frames, Rules, Scratch, Socket, scratch},
};
use crate::{
    actors::{
        relay::{Local, Relay},
        session::{self, Carriage, Incoming, Transport},
    },
    auth::{Identity, find_token},
    domain::Invalid,
    protocol::{ApiError, ErrorCode},
};

/// The kernel's buffer for what we send to one client: a slow reader must show in its outbox, not hide megabytes here.
const SEND_BUFFER: usize = 64 * 1024;

/// How long a connection without requests is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long the server waits for HTTP requests under way when it stops, in seconds.
const STOP_WITHIN: u64 = 2;

/// The server on `listener`, to be awaited. Each worker thread gets a relay of its own.
pub fn listen(state: web::Data<State>, listener: TcpListener) -> std::io::Result<Server> {
    let workers = state.config.workers;
    let next = Arc::new(AtomicU16::new(0));
    let server = Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(STOP_WITHIN)
        .listen("parlor", listener, move || {
            // A worker that died is started again by the server, in the place of the one it follows.
            let place = next.fetch_add(1, Ordering::Relaxed) % workers as u16;
            let (local, scratch) = (Relay::start_on_worker(&state.node, place), scratch());
            let socketio = socketio::Host::new(&state, &local, &scratch);
            let door = Door {
                local,
                state: state.clone(),
                scratch,
                socketio: socketio.clone(),
            };
            HttpService::build()
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(Duration::from_secs(10))
                .tcp_nodelay(true)
                // A poll whose client has gone must not be taken for one that waits: what it is answered would be lost.
                .h1_allow_half_closed(false)
                .upgrade(fn_service(move |(request, framed)| {
                    let door = door.clone();
                    async move {
                        door.upgrade(request, framed).await;
                        Ok::<(), Infallible>(())
                    }
                }))
                .finish(map_config(routes::app(state.clone(), socketio), |_| {
                    AppConfig::default()
                }))
                .tcp()
        })?;
    Ok(server.run())
}

/// Makes a connection that was taken over fit for a session. Each is an improvement, none a condition: a kernel that refuses
/// one is served without it.
pub(super) fn prepare_socket(stream: &TcpStream, silence: Duration) {
    let socket = socket2::SockRef::from(stream);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(silence));
}

/// One worker's door for upgrades.
#[derive(Clone)]
struct Door {
    state: web::Data<State>,
    local: Rc<Local>,
    scratch: Scratch,
    socketio: Rc<socketio::Host>,
}

impl Door {
    /// Lets a connection in, or answers why not.
    async fn upgrade(&self, request: Request, mut framed: Framed<TcpStream, h1::Codec>) {
        if socketio::PATHS.contains(&request.path()) {
            return socketio::upgrade(&self.socketio, request, framed).await;
        }
        match self.admit(&request).await {
            Ok((identity, response)) => {
                if framed.send((response, BodySize::None).into()).await.is_ok() {
                    self.begin(identity, framed);
                }
            }
            Err(error) => self.refuse(framed, error).await,
        }
    }

    async fn admit(&self, request: &Request) -> Result<(Identity, Response<()>), ApiError> {
        if request.path() != "/ws" {
            return Err(ApiError::not_found("WebSocket"));
        }
        if request.headers().contains_key(ACT_AS) {
            // Ignored, it would make an administrator's session of what was meant to be a user's.
            return Err(Invalid::new("Parlor-Act-As", "is for REST calls: a socket is its token's user's").into());
        }
        if self.state.draining() {
            return Err(ApiError::new(ErrorCode::Unavailable, "the server is going away"));
        }
        if self.state.node.metrics.sessions.get() >= self.state.config.max_connections as i64 {
            return Err(ApiError::new(
                ErrorCode::Unavailable,
                "the server has as many connections as it may",
            ));
        }
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let query = request.uri().query().unwrap_or_default();
        let (token, _) = find_token(header, query, &self.state.origins)?;
        let identity = self.state.node.authenticator.authenticate(token).await?;
        let response = handshake(request.head())
            .and_then(|mut response| {
                response
                    .message_body(())
                    .map_err(|_| actix_http::ws::HandshakeError::NoWebsocketUpgrade)
            })
            .map_err(|error| Invalid::new("upgrade", error.to_string()))?;
        Ok((identity, response))
    }

    fn begin(&self, identity: Identity, framed: Framed<TcpStream, h1::Codec>) {
        let parts = framed.into_parts();
        prepare_socket(&parts.io, self.state.config.heartbeat_timeout);
        let stream = Rc::new(parts.io);
        let incoming = Incoming {
            identity,
            source: Box::new(Frames::new(
                stream.clone(),
                self.scratch.clone(),
                parts.read_buf.to_vec(),
                Rules::default(),
            )),
            wire: Box::new(Socket(stream)),
            carriage: Rc::new(Carriage::new(Transport::WebSocket)),
            arrival: None,
        };
        session::start(&self.state.node, &self.local, incoming);
    }

    /// Answers an upgrade that is not let in, as REST would.
    async fn refuse(&self, mut framed: Framed<TcpStream, h1::Codec>, error: ApiError) {
        let node = &self.state.node;
        node.metrics
            .refused
            .get_or_create(&[("code", error.code.as_str())])
            .inc();
        let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let request_id = RequestId::generate(&node.clock, &node.entropy).0;
        let body = super::error::body(error, &request_id);
        let mut response = Response::build(status);
        response.insert_header((header::CONTENT_TYPE, "application/json"));
        response.insert_header((REQUEST_ID, request_id));
        response.force_close();
        let Ok(response) = response.message_body(()) else {
            return;
        };
        // A client that is gone needs no answer.
        // The head and the body go out as one write: not every client waits for a second one after a refusal.
        if framed
            .feed((response, BodySize::Sized(body.len() as u64)).into())
            .await
            .is_ok()
        {
            let _ = framed.send(h1::Message::Chunk(Some(Bytes::from(body)))).await;
        }
    }
}
