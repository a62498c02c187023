//! Sockets of Engine.IO: connections that begin on one, and those that a session moves to. Called by `server` for each
//! upgrade of our paths. A move is tried beside the session, which goes on polling until its client says that it is complete.

use std::{collections::VecDeque, future::poll_fn, rc::Rc, time::Duration};

use actix_codec::Framed;
use actix_http::{HttpMessage, Request, Response, StatusCode, body::BodySize, h1, header, ws::handshake};
use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use tokio::{net::TcpStream, time::timeout};

use super::{
    Host, Query,
    connect::Offered,
    engine::Engine,
    new_sid,
    reader::{Got, read_frames},
    registry::{Errand, Handle, Place},
};
use crate::{
    auth::find_token,
    http::{server::prepare_socket, ws::Frames},
    protocol::{
        ApiError, CloseCode,
        engineio::Refusal,
        frame::{self, Opcode},
    },
};

/// How long a socket that a session may move to has to say so.
const MOVE_WITHIN: Duration = Duration::from_secs(10);

/// How long a socket that is dismissed may take to hear it.
const LINGER: Duration = Duration::from_secs(1);

type Upgrading = Framed<TcpStream, h1::Codec>;

/// Whom an upgrade is for.
enum For {
    /// A new session.
    Newcomer,
    /// A session that polls.
    Mover(std::sync::Arc<Handle>),
    /// A session that has a socket already: this one is closed.
    Nobody,
}

enum Refused {
    Protocol(Refusal),
    Server(ApiError),
}

/// Takes a connection over, or answers why not.
pub async fn upgrade(host: &Rc<Host>, request: Request, mut framed: Upgrading) {
    let found = match look(host, &request).await {
        Ok(found) => found,
        Err(refused) => return refuse(framed, refused).await,
    };
    let Some(response) = accept(&request) else {
        return refuse(framed, Refused::Protocol(Refusal::BadRequest)).await;
    };
    if framed.send((response, BodySize::None).into()).await.is_err() {
        return;
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let parts = framed.into_parts();
    if let Some(state) = host.state() {
        prepare_socket(&parts.io, state.config.heartbeat_timeout);
    }
    let early = parts.read_buf.to_vec();
    match found {
        For::Newcomer => {
            let offered = Offered::of(header, request.uri().query().unwrap_or_default(), host.origins());
            begin(host, parts.io, early, offered);
        }
        For::Mover(handle) => {
            // The session may be another worker's: the socket goes there.
            if let Ok(stream) = parts.io.into_std() {
                handle.send(Errand::Upgrade(stream, early));
            }
        }
        For::Nobody => dismiss(&parts.io).await,
    }
}

fn accept(request: &Request) -> Option<Response<()>> {
    handshake(request.head()).ok()?.message_body(()).ok()
}

async fn look(host: &Host, request: &Request) -> Result<For, Refused> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    match query.transport {
        "websocket" => {}
        "polling" => return Err(Refused::Protocol(Refusal::BadRequest)),
        _ => return Err(Refused::Protocol(Refusal::UnknownTransport)),
    }
    if query.version != "4" {
        return Err(Refused::Protocol(Refusal::UnsupportedVersion));
    }
    let Some(sid) = query.sid else {
        host.has_room().map_err(Refused::Server)?;
        return Ok(For::Newcomer);
    };
    match host.registry.get(sid) {
        None => Err(Refused::Protocol(Refusal::UnknownSid)),
        Some(Place::Moved) => Ok(For::Nobody),
        Some(Place::Polling(handle)) => {
            check_token(host, request, &handle).await?;
            Ok(For::Mover(handle))
        }
    }
}

/// As for polls.
async fn check_token(host: &Host, request: &Request, handle: &Handle) -> Result<(), Refused> {
    let (Some(state), Some(user)) = (host.state(), handle.user()) else {
        return Ok(());
    };
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let query = request.uri().query().unwrap_or_default();
    let Ok((token, _)) = find_token(header, query, &state.origins) else {
        return Ok(());
    };
    if handle.knows(token) {
        return Ok(());
    }
    match state.node.authenticator.authenticate(token).await {
        Ok(identity) if identity.user.id == *user => Ok(()),
        Err(error) if error.retryable => Err(Refused::Server(error)),
        _ => Err(Refused::Protocol(Refusal::Forbidden)),
    }
}

fn begin(host: &Rc<Host>, stream: TcpStream, early: Vec<u8>, offered: Offered) {
    let Some(sid) = new_sid() else { return };
    let stream = Rc::new(stream);
    let frames = Frames::new(stream.clone(), host.scratch.clone(), early, host.rules());
    let engine = Engine::socket(sid, host.registry.clone(), host.timing.max_payload, stream);
    engine.say(host.opening(&engine, &[]).into());
    host.begin(engine, Some(frames), offered, None);
}

/// On the session's own worker: listens to a socket that its client may move to.
pub fn try_move(host: &Rc<Host>, engine: &Rc<Engine>, stream: std::net::TcpStream, early: Vec<u8>) {
    let Ok(stream) = TcpStream::from_std(stream) else {
        return;
    };
    if !engine.begin_move() {
        actix_rt::spawn(async move { dismiss(&stream).await });
        return;
    }
    let stream = Rc::new(stream);
    let frames = Frames::new(stream.clone(), host.scratch.clone(), early, host.rules());
    let engine = engine.clone();
    actix_rt::spawn(async move {
        let moved = timeout(MOVE_WITHIN, listen(&engine, &stream, frames)).await;
        if !matches!(moved, Ok(Some(()))) {
            engine.give_up_move();
            dismiss(&stream).await;
        }
    });
}

/// Waits for the probe and the word that the move is complete. `None` when something else comes.
async fn listen(engine: &Rc<Engine>, stream: &Rc<TcpStream>, mut frames: Frames) -> Option<()> {
    let mut came = VecDeque::new();
    loop {
        let read = poll_fn(|cx| {
            read_frames(&mut frames, cx, &mut |got| {
                came.push_back(got.to_owned());
                true
            })
        })
        .await;
        read.ok()?;
        while let Some(packet) = came.pop_front() {
            match packet.got() {
                Got::Probe("probe") => {
                    send(stream, Opcode::Text, b"3probe").await?;
                    engine.hurry();
                }
                Got::Upgrade => {
                    engine.moved(stream.clone(), frames, came);
                    return Some(());
                }
                Got::SocketPing(payload) => send(stream, Opcode::Pong, payload).await?,
                Got::Nothing => {}
                _ => return None,
            }
        }
    }
}

/// A few bytes to a socket that nothing else is written to.
async fn send(stream: &TcpStream, opcode: Opcode, payload: &[u8]) -> Option<()> {
    let mut bytes = BytesMut::new();
    frame::write(&mut bytes, opcode, &[payload]);
    stream.writable().await.ok()?;
    let written = stream.try_write(&bytes).ok()?;
    (written == bytes.len()).then_some(())
}

/// Closes a socket that nobody moves to.
async fn dismiss(stream: &TcpStream) {
    let mut bytes = BytesMut::new();
    let code = CloseCode::ProtocolError;
    frame::write(
        &mut bytes,
        Opcode::Close,
        &[&code.number().to_be_bytes(), code.reason().as_bytes()],
    );
    // A client that does not take these few bytes has gone.
    let _ = timeout(LINGER, stream.writable()).await;
    let _ = stream.try_write(&bytes);
    let _ = socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write);
}

async fn refuse(mut framed: Upgrading, refused: Refused) {
    let (status, body) = match refused {
        Refused::Protocol(refusal) => (refusal.status(), refusal.body()),
        Refused::Server(error) => (
            error.code.status(),
            serde_json::json!({"code": error.code, "message": error.message}).to_string(),
        ),
    };
    let mut response = Response::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST));
    response.insert_header((header::CONTENT_TYPE, "application/json"));
    response.force_close();
    let Ok(response) = response.message_body(()) else {
        return;
    };
    // The head and the body go out as one write: not every client waits for a second one after a refusal.
    if framed
        .feed((response, BodySize::Sized(body.len() as u64)).into())
        .await
        .is_ok()
    {
        let _ = framed.send(h1::Message::Chunk(Some(Bytes::from(body)))).await;
    }
}
