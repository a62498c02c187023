//! Long polling: handshakes, polls and posts as HTTP requests. Whichever worker takes one, the worker that took the handshake
//! owns the session: requests are brought there. Refuses pages of other origins, and requests that carry somebody else's
//! token. Never opens a message.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
    },
    web,
};
use futures_util::StreamExt;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    Host, NAMELESS_PAYLOAD, Query,
    connect::Offered,
    engine::Engine,
    new_sid,
    reader::Owned,
    registry::{Errand, Handle, Place},
    socket,
};
use crate::{
    auth::find_token,
    protocol::{
        ApiError,
        engineio::{Refusal, packets},
    },
};

/// How long the body of a POST may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Why a request is not done.
enum Refused {
    /// In the protocol's words.
    Protocol(Refusal),
    /// In ours.
    Server(ApiError),
    /// The body is too large, or does not come.
    Body(StatusCode),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Protocol(refusal)
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Server(error)
    }
}

/// Any request but an upgrade.
pub async fn handle(request: HttpRequest, body: web::Payload, host: web::ThinData<Rc<Host>>) -> HttpResponse {
    match answer(&request, body, &host.0).await {
        Ok(answer) => answer,
        Err(Refused::Protocol(refusal)) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            json(HttpResponse::build(status), refusal.body())
        }
        Err(Refused::Server(error)) => {
            let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let mut response = HttpResponse::build(status);
            response.insert_header((RETRY_AFTER, "1"));
            let body = serde_json::json!({"code": error.code, "message": error.message});
            json(response, body.to_string())
        }
        Err(Refused::Body(status)) => json(
            HttpResponse::build(status),
            r#"{"code":3,"message":"Bad request"}"#.to_owned(),
        ),
    }
}

fn json(mut response: HttpResponseBuilder, body: String) -> HttpResponse {
    response.insert_header((CONTENT_TYPE, "application/json")).body(body)
}

fn text(body: impl Into<bytes::Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=UTF-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body.into())
}

async fn answer(request: &HttpRequest, body: web::Payload, host: &Rc<Host>) -> Result<HttpResponse, Refused> {
    let query = Query::parse(request.query_string());
    match query.transport {
        "polling" => {}
        // Somebody between us and the client took the upgrade out of it.
        "websocket" => return Err(Refusal::BadRequest.into()),
        _ => return Err(Refusal::UnknownTransport.into()),
    }
    if query.version != "4" {
        return Err(Refusal::UnsupportedVersion.into());
    }
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let foreign = |origin: &str| {
        host.origins()
            .is_some_and(|origins| !origins.allows(origin, header("host")))
    };
    if header("origin").is_some_and(foreign) {
        return Err(Refusal::Forbidden.into());
    }
    let get = request.method() == Method::GET;
    let Some(sid) = query.sid else {
        if !get {
            return Err(Refusal::BadHandshakeMethod.into());
        }
        return begin(request, host);
    };
    let handle = match host.registry.get(sid).ok_or(Refusal::UnknownSid)? {
        Place::Polling(handle) => handle,
        Place::Moved => return Err(Refusal::BadRequest.into()),
    };
    check_token(request, host, &handle).await?;
    match *request.method() {
        Method::GET => poll(&handle).await,
        Method::POST => post(body, host, &handle).await,
        _ => Err(Refusal::BadRequest.into()),
    }
}

/// A new session, owned by this worker.
fn begin(request: &HttpRequest, host: &Rc<Host>) -> Result<HttpResponse, Refused> {
    host.has_room()?;
    let sid = new_sid().ok_or_else(ApiError::internal)?;
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let offered = Offered::of(header, request.query_string(), host.origins());
    let (handle, errands) = host.registry.insert(&sid);
    let engine = Engine::polling(sid, host.registry.clone(), host.timing.max_payload);
    let opening = host.opening(&engine, &["websocket"]);
    actix_rt::spawn(run_errands(host.clone(), engine.clone(), errands));
    host.begin(engine, None, offered, Some(handle));
    Ok(text(opening))
}

/// Does for a session what requests bring, for as long as it polls.
async fn run_errands(host: Rc<Host>, engine: Rc<Engine>, mut errands: mpsc::Receiver<Errand>) {
    while let Some(errand) = errands.recv().await {
        match errand {
            Errand::Poll(answer) => engine.park(answer),
            Errand::Post(packets, answer) => engine.post(packets, answer),
            Errand::Upgrade(stream, early) => socket::try_move(&host, &engine, stream, early),
            Errand::Offence => engine.shut(),
        }
    }
}

/// A session is its user's: a request that carries a token carries one of theirs. One without is let in by the `sid`.
async fn check_token(request: &HttpRequest, host: &Host, handle: &Handle) -> Result<(), Refused> {
    let (Some(state), Some(user)) = (host.state(), handle.user()) else {
        return Ok(());
    };
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let Ok((token, _)) = find_token(header, request.query_string(), &state.origins) else {
        return Ok(());
    };
    if handle.knows(token) {
        return Ok(());
    }
    match state.node.authenticator.authenticate(token).await {
        Ok(identity) if identity.user.id == *user => {
            handle.learn(token);
            Ok(())
        }
        Err(error) if error.retryable => Err(error.into()),
        _ => Err(Refusal::Forbidden.into()),
    }
}

async fn poll(handle: &Handle) -> Result<HttpResponse, Refused> {
    let (answer, payload) = oneshot::channel();
    if !handle.send(Errand::Poll(answer)) {
        return Err(Refusal::UnknownSid.into());
    }
    let payload = payload.await.map_err(|_| Refusal::BadRequest)?;
    Ok(text(payload))
}

async fn post(body: web::Payload, host: &Host, handle: &Arc<Handle>) -> Result<HttpResponse, Refused> {
    let Some(_posting) = handle.begin_post() else {
        handle.send(Errand::Offence);
        return Err(Refusal::BadRequest.into());
    };
    let most = match handle.user() {
        None if host.state().is_some() => host.timing.max_payload.min(NAMELESS_PAYLOAD),
        _ => host.timing.max_payload,
    };
    let body = timeout(BODY_WITHIN, read(body, most))
        .await
        .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
        .map_err(Refused::Body)?;
    let parsed = std::str::from_utf8(&body).ok().and_then(|body| packets(body).ok());
    let fits = |packet: &Owned| match packet {
        Owned::Message(text) => text.len() <= host.timing.message_bytes,
        Owned::Binary(bytes) => bytes.len() <= host.timing.message_bytes,
        _ => true,
    };
    let packets: Vec<Owned> = parsed.into_iter().flatten().map(Owned::of_packet).collect();
    if packets.is_empty() || !packets.iter().all(fits) {
        handle.send(Errand::Offence);
        return Err(Refusal::BadRequest.into());
    }
    let (answer, taken) = oneshot::channel();
    if !handle.send(Errand::Post(packets, answer)) {
        return Err(Refusal::UnknownSid.into());
    }
    taken.await.map_err(|_| Refusal::BadRequest)?;
    Ok(text("ok"))
}

async fn read(mut body: web::Payload, most: usize) -> Result<Vec<u8>, StatusCode> {
    let mut read = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        if read.len() + chunk.len() > most {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}
