//! What the public conformance suites of Engine.IO, Socket.IO and WebSocket expect behind the same doors: echoes. Only in
//! builds with the feature `conformance`, started by `parlor conformance`, on the loopback interface; knows no users and no
//! messages.

use std::{
    collections::HashSet, convert::Infallible, future::poll_fn, io, net::TcpListener, rc::Rc, sync::Arc, time::Duration,
};

use actix_codec::Framed;
use actix_http::{HttpService, Request, body::BodySize, h1, ws::handshake};
use actix_server::Server;
use actix_service::{fn_service, map_config};
use actix_web::{App, dev::AppConfig, web};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Behind, Host, PATHS, Timing,
    engine::Engine,
    handle, new_sid,
    packets::Said,
    reader::{Owned, Reader, Sign},
    session::no_such_namespace,
    upgrade,
};
use crate::{
    actors::session::{Input, Source},
    http::ws::{Frames, Rules, Scratch, scratch},
    protocol::{
        CloseCode,
        engineio::Malformed,
        frame::{self, Opcode},
        socketio::{Kind, Packet},
    },
};

/// What stands behind a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// Engine.IO: every message comes back.
    EngineIo,
    /// Socket.IO: two namespaces that send events back.
    SocketIo,
}

/// What the suites expect to be told.
const TIMING: Timing = Timing {
    ping_interval: Duration::from_millis(300),
    ping_timeout: Duration::from_millis(200),
    connect_within: Duration::from_secs(1),
    max_payload: 1_000_000,
    message_bytes: 1_000_000,
};
/// The largest message of the WebSocket suites.
const ECHO_BYTES: usize = 16 * 1024 * 1024;
/// Where the Engine.IO suite connects.
const ENGINE_PATH: &str = "/engine.io/";
/// The namespaces of the Socket.IO suite.
const NAMESPACES: &[&str] = &["/", "/custom"];
/// How long the suite may take from one packet to waiting for the next.
const APART: Duration = Duration::from_millis(10);
/// How much earlier than announced a silent client is given up: the suites look at the very moment.
const EARLY: Duration = Duration::from_millis(20);
/// How long a client may take to close what we have closed.
const LINGER: Duration = Duration::from_secs(1);

/// The server on `listener`, to be awaited.
pub fn listen(listener: TcpListener) -> io::Result<Server> {
    let server = Server::build().workers(1).listen("conformance", listener, || {
        let scratch = scratch();
        let (engineio, socketio) = (host(Suite::EngineIo, &scratch), host(Suite::SocketIo, &scratch));
        let app = App::new()
            .service(door(vec![ENGINE_PATH], &engineio))
            .service(door(PATHS.to_vec(), &socketio));
        HttpService::build()
            .tcp_nodelay(true)
            .upgrade(fn_service(
                move |(request, framed): (Request, Framed<TcpStream, h1::Codec>)| {
                    let (engineio, socketio, scratch) = (engineio.clone(), socketio.clone(), scratch.clone());
                    async move {
                        match request.path() {
                            "/echo" => drop(echo(&request, framed, scratch).await),
                            ENGINE_PATH => upgrade(&engineio, request, framed).await,
                            _ => upgrade(&socketio, request, framed).await,
                        }
                        Ok::<(), Infallible>(())
                    }
                },
            ))
            .finish(map_config(app, |_| AppConfig::default()))
            .tcp()
    })?;
    Ok(server.run())
}

fn host(suite: Suite, scratch: &Scratch) -> Rc<Host> {
    Rc::new(Host {
        registry: Arc::default(),
        timing: TIMING,
        scratch: scratch.clone(),
        behind: Behind::Conformance(suite),
    })
}

fn door(paths: Vec<&'static str>, host: &Rc<Host>) -> actix_web::Resource {
    web::resource(paths)
        .app_data(web::ThinData(host.clone()))
        .route(web::route().to(handle))
}

/// Speaks on a new connection.
pub(super) fn begin(suite: Suite, timing: Timing, engine: Rc<Engine>, mut reader: Reader) {
    let mut client = Client {
        engine: engine.clone(),
        suite,
        namespaces: HashSet::new(),
        connected: suite == Suite::EngineIo,
        binary: None,
    };
    actix_rt::spawn(async move {
        client.serve(timing, &mut reader).await;
        engine.farewell(CloseCode::Normal);
        let _ = timeout(LINGER, poll_fn(|cx| reader.poll_discard(cx))).await;
        engine.shut();
    });
}

struct Client {
    engine: Rc<Engine>,
    suite: Suite,
    /// Where it is connected.
    namespaces: HashSet<String>,
    /// Whether it ever was.
    connected: bool,
    /// A packet whose attachments have not all come, and those that have.
    binary: Option<(String, usize, Vec<Vec<u8>>)>,
}

impl Client {
    /// Until one of both says goodbye.
    async fn serve(&mut self, timing: Timing, reader: &mut Reader) {
        let connect_until = Instant::now() + timing.connect_within;
        let mut ping_at = Instant::now() + timing.ping_interval;
        let mut pinged = false;
        loop {
            tokio::select! {
                packet = reader.next() => match packet {
                    Some(Owned::Sign(Sign::Pong)) => {
                        pinged = false;
                        ping_at = Instant::now() + timing.ping_interval;
                    }
                    Some(Owned::Sign(Sign::Nothing) | Owned::SocketPing(_)) => {}
                    Some(packet) if self.take(&packet).is_ok() => {}
                    _ => return,
                },
                () = sleep_until(ping_at) => {
                    if pinged {
                        return;
                    }
                    self.engine.say("2".into());
                    pinged = true;
                    ping_at += timing.ping_timeout - EARLY;
                }
                () = sleep_until(connect_until), if !self.connected => return,
            }
        }
    }

    fn take(&mut self, packet: &Owned) -> Result<(), Malformed> {
        match packet {
            Owned::Message(text) => self.message(text),
            Owned::Binary(bytes) => self.attached(bytes),
            _ => Err(Malformed("not here")),
        }
    }

    fn message(&mut self, text: &str) -> Result<(), Malformed> {
        if self.suite == Suite::EngineIo {
            self.engine.say(format!("4{text}").into());
            return Ok(());
        }
        let packet = Packet::parse(text)?;
        if self.binary.is_some() {
            return Err(Malformed("a packet among the attachments"));
        }
        match packet.kind {
            Kind::Connect => self.connect(&packet),
            Kind::Disconnect => {
                self.namespaces.remove(packet.namespace);
                return Ok(());
            }
            Kind::BinaryEvent if packet.attachments > 0 => {
                self.binary = Some((text.to_owned(), packet.attachments, Vec::new()));
            }
            Kind::Event | Kind::BinaryEvent if self.namespaces.contains(packet.namespace) => {
                self.answer(&packet, Vec::new());
            }
            Kind::Ack | Kind::BinaryAck => {}
            _ => return Err(Malformed("not where it is connected")),
        }
        Ok(())
    }

    fn connect(&mut self, packet: &Packet<'_>) {
        let name = packet.namespace;
        if !NAMESPACES.contains(&name) {
            return self.engine.say(no_such_namespace(name));
        }
        self.connected = true;
        self.namespaces.insert(name.to_owned());
        let (at, sid) = (address(name), new_sid().unwrap_or_default());
        let auth = if packet.data.is_empty() { "{}" } else { packet.data };
        self.engine.say(format!("40{at}{{\"sid\":\"{sid}\"}}").into());
        let event = format!("42{at}[\"auth\",{auth}]");
        let engine = self.engine.clone();
        actix_rt::spawn(async move {
            // The suite begins to wait for it when it has seen the answer: both in one segment would be too soon.
            tokio::time::sleep(APART).await;
            engine.say(event.into());
        });
    }

    fn attached(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if self.suite == Suite::EngineIo {
            self.engine.say(Said::Binary(Bytes::copy_from_slice(bytes)));
            return Ok(());
        }
        let (_, expected, attachments) = self.binary.as_mut().ok_or(Malformed("an attachment of nothing"))?;
        attachments.push(bytes.to_owned());
        if attachments.len() == *expected
            && let Some((text, _, attachments)) = self.binary.take()
        {
            self.answer(&Packet::parse(&text)?, attachments);
        }
        Ok(())
    }

    /// Sends an event's arguments back, as an event or as an answer.
    fn answer(&self, packet: &Packet<'_>, attachments: Vec<Vec<u8>>) {
        let at = address(packet.namespace);
        let count = if packet.kind == Kind::BinaryEvent {
            format!("{}-", attachments.len())
        } else {
            String::new()
        };
        let binary = !count.is_empty();
        let back = |name: &str| packet.data.strip_prefix(&format!("[\"{name}\""));
        let text = if let (Some(rest), Some(id)) = (back("message-with-ack"), packet.id) {
            let kind = if binary { '6' } else { '3' };
            format!("4{kind}{count}{at}{id}[{}", rest.trim_start_matches(','))
        } else if let Some(rest) = back("message") {
            let kind = if binary { '5' } else { '2' };
            format!("4{kind}{count}{at}[\"message-back\"{rest}")
        } else {
            return;
        };
        self.engine.say(text.into());
        for bytes in attachments {
            self.engine.say(Said::Binary(bytes.into()));
        }
    }
}

fn address(namespace: &str) -> String {
    match namespace {
        "/" => String::new(),
        name => format!("{name},"),
    }
}

/// A plain WebSocket that sends every message back.
async fn echo(request: &Request, mut framed: Framed<TcpStream, h1::Codec>, scratch: Scratch) -> Option<()> {
    let response = handshake(request.head()).ok()?.message_body(()).ok()?;
    framed.send((response, BodySize::None).into()).await.ok()?;
    let parts = framed.into_parts();
    let stream = Rc::new(parts.io);
    let rules = Rules {
        message_bytes: ECHO_BYTES,
        fragments: usize::MAX,
        binary: true,
    };
    let mut frames = Frames::new(stream.clone(), scratch, parts.read_buf.to_vec(), rules);
    let mut out = BytesMut::new();
    loop {
        let mut over = false;
        let read = poll_fn(|cx| {
            frames.poll_read(cx, &mut |input| {
                over |= !repeat(&input, &mut out);
                !over
            })
        })
        .await;
        while !out.is_empty() {
            stream.writable().await.ok()?;
            match stream.try_write(&out) {
                Ok(count) => drop(out.split_to(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
        read.ok()?;
        if over {
            let _ = socket2::SockRef::from(&*stream).shutdown(std::net::Shutdown::Write);
            let _ = timeout(LINGER, poll_fn(|cx| frames.poll_discard(cx))).await;
            return Some(());
        }
    }
}

/// Whether it goes on.
fn repeat(input: &Input<'_>, out: &mut BytesMut) -> bool {
    match input {
        Input::Text(text) => frame::write(out, Opcode::Text, &[text.as_bytes()]),
        Input::Binary(bytes) => frame::write(out, Opcode::Binary, &[bytes]),
        Input::Ping(payload) => frame::write(out, Opcode::Pong, &[payload]),
        Input::Pong | Input::Request { .. } | Input::Refused { .. } => {}
        Input::Close => return close(CloseCode::Normal, out),
        Input::Violation(code) => return close(*code, out),
    }
    true
}

fn close(code: CloseCode, out: &mut BytesMut) -> bool {
    let mut payload = BytesMut::new();
    payload.put_u16(code.number());
    payload.put_slice(code.reason().as_bytes());
    frame::write(out, Opcode::Close, &[&payload]);
    false
}
