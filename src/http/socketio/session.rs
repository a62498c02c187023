//! A session's ends in the clothes of Socket.IO: packets in become requests, ready plain frames out become packets, and what
//! the client is told of the log is noted in its offset. Made by `connect`, held by the session. Encodes nothing anew.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    engine::Engine,
    packets::{Packets, Said},
    reader::{Got, Reader},
};
use crate::{
    actors::{
        outbox::Wire,
        session::{Arrival, Input, Source},
    },
    domain::{ConversationId, Invalid, Seq, SessionId, User},
    metrics::CountBy,
    protocol::{
        ApiError, CloseCode,
        frame::{Header, Opcode},
        recovery::{Mark, Missed, Track},
        socketio::{Kind, Packet, Plain, position},
    },
};

/// What a client that speaks of a namespace that is not there is told; the words are the protocol's.
pub fn no_such_namespace(name: &str) -> Said {
    // A name has no quotes to escape here: it stands before the JSON.
    Said::from(format!("44{name},{{\"message\":\"Invalid namespace\"}}"))
}

/// The way in.
pub struct SessionSource {
    reader: Reader,
    engine: Rc<Engine>,
    /// An event whose attachments have not all come.
    awaiting: Option<Awaiting>,
}

struct Awaiting {
    /// The name and the number of what will be refused; `None` for an answer that nobody asked for.
    event: Option<(String, Option<i64>)>,
    left: usize,
}

impl SessionSource {
    /// Goes on where `reader` has been.
    pub fn new(reader: Reader, engine: Rc<Engine>) -> Self {
        Self {
            reader,
            engine,
            awaiting: None,
        }
    }
}

impl Source for SessionSource {
    fn poll_read(&mut self, cx: &mut Context<'_>, take: &mut dyn FnMut(Input<'_>) -> bool) -> Poll<io::Result<()>> {
        let Self {
            reader,
            engine,
            awaiting,
        } = self;
        reader.poll(cx, &mut |got| on_got(got, engine, awaiting, take))
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.reader.poll_discard(cx)
    }
}

type Take<'a> = &'a mut dyn FnMut(Input<'_>) -> bool;

fn on_got(got: Got<'_>, engine: &Engine, awaiting: &mut Option<Awaiting>, take: Take<'_>) -> bool {
    match got {
        Got::Message(text) if awaiting.is_none() => match Packet::parse(text) {
            Ok(packet) => on_packet(&packet, engine, awaiting, take),
            Err(_) => take(Input::Violation(CloseCode::Malformed)),
        },
        Got::Binary(_) => attached(awaiting, take),
        Got::Pong => take(Input::Pong),
        Got::Nothing => true,
        Got::SocketPing(payload) => take(Input::Ping(payload)),
        Got::Close => take(Input::Close),
        Got::Violation(code) => take(Input::Violation(code)),
        // Something else among the attachments; or what belongs on a socket that is not moved to yet.
        Got::Message(_) | Got::Probe(_) | Got::Upgrade => take(Input::Violation(CloseCode::Malformed)),
    }
}

fn on_packet(packet: &Packet<'_>, engine: &Engine, awaiting: &mut Option<Awaiting>, take: Take<'_>) -> bool {
    match (packet.kind, packet.namespace) {
        (Kind::Event, "/") => match packet.event() {
            Ok(event) if event.more > 0 => take(Input::Refused {
                event: &event.name,
                id: packet.id,
                error: &Invalid::new("event", "takes one argument, and a callback").into(),
            }),
            Ok(event) => take(Input::Request {
                event: &event.name,
                id: packet.id,
                data: event.data.filter(|data| *data != "null").unwrap_or("{}"),
            }),
            Err(_) => take(Input::Violation(CloseCode::Malformed)),
        },
        (Kind::BinaryEvent, "/") => {
            let event = packet.event().map(|event| (event.name.into_owned(), packet.id));
            attach(event.ok(), packet.attachments, awaiting, take)
        }
        // We ask for no answers.
        (Kind::Ack, "/") => true,
        (Kind::BinaryAck, "/") => attach(None, packet.attachments, awaiting, take),
        (Kind::Disconnect, "/") => take(Input::Close),
        (Kind::Connect, name) if name != "/" => {
            engine.say(no_such_namespace(name));
            true
        }
        _ => take(Input::Violation(CloseCode::Malformed)),
    }
}

fn attach(event: Option<(String, Option<i64>)>, left: usize, awaiting: &mut Option<Awaiting>, take: Take<'_>) -> bool {
    *awaiting = Some(Awaiting { event, left: left + 1 });
    attached(awaiting, take)
}

/// One more has come; when it was the last, the event that it belongs to is refused.
fn attached(awaiting: &mut Option<Awaiting>, take: Take<'_>) -> bool {
    let Some(waits) = awaiting else {
        return take(Input::Violation(CloseCode::Malformed));
    };
    waits.left -= 1;
    if waits.left > 0 {
        return true;
    }
    match awaiting.take().and_then(|waits| waits.event) {
        Some((event, id)) => take(Input::Refused {
            event: &event,
            id,
            error: &Invalid::new("event", "may have no binary data: only JSON is taken").into(),
        }),
        None => true,
    }
}

/// What a session and its envelope remember together: what the client was told.
pub struct Memory {
    track: RefCell<Option<Track>>,
    /// Where conversations stand that the client is about to be told of.
    gained: RefCell<Vec<(ConversationId, Seq)>>,
}

impl Memory {
    /// Of a client that was told nothing yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            track: RefCell::new(None),
            gained: RefCell::default(),
        })
    }

    /// Writes an event or an answer as a packet, and notes what is told by it.
    fn write(&self, text: &[u8], packets: &mut Packets<'_>) {
        let Some(plain) = Plain::of(text) else {
            log::error!(target: "parlor::http", "a frame could not be put into a packet of Socket.IO");
            return;
        };
        let mut track = self.track.borrow_mut();
        let mut offset = "";
        if let (Some(track), Plain::Event { name, data }) = (&mut *track, &plain)
            && self.note(track, name, data)
        {
            offset = track.offset();
        }
        packets.text(&plain.packet(offset.as_bytes()));
    }

    /// Notes what an event tells of the log; whether it does.
    fn note(&self, track: &mut Track, name: &[u8], data: &[u8]) -> bool {
        if let Some((id, seq)) = position(data) {
            track.tell(id, seq);
            return true;
        }
        match name {
            b"conversation_created" => {
                let Ok(created) = serde_json::from_slice::<Created>(data) else {
                    return false;
                };
                let (id, seq) = (created.conversation.id, created.conversation.seq);
                let mut gained = self.gained.borrow_mut();
                // Read from the store a moment ago, it may be ahead of what was delivered.
                let found = gained.iter().position(|(gained, _)| *gained == id);
                track.gain(id, found.map_or(seq, |found| gained.swap_remove(found).1));
                true
            }
            b"conversation_removed" => {
                let Ok(removed) = serde_json::from_slice::<Removed>(data) else {
                    return false;
                };
                track.lose(removed.conversation_id);
                true
            }
            _ => false,
        }
    }
}

#[derive(Deserialize)]
struct Created {
    conversation: CreatedConversation,
}

#[derive(Deserialize)]
struct CreatedConversation {
    id: ConversationId,
    seq: Seq,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Removed {
    conversation_id: ConversationId,
}

/// The way out.
pub struct SessionWire {
    /// The connection.
    pub engine: Rc<Engine>,
    /// What the client was told.
    pub memory: Rc<Memory>,
}

impl Wire for SessionWire {
    fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.engine.write(pieces, &mut |opcode, payload, packets| match opcode {
            Opcode::Text => self.memory.write(payload, packets),
            Opcode::Ping => packets.text(&[b"2"]),
            Opcode::Close => goodbye(payload, packets),
            opcode => packets.control(opcode, payload),
        })
    }

    fn holds(&self) -> bool {
        self.engine.holds()
    }

    fn purge(&self, conversation: ConversationId) {
        self.engine.purge(conversation);
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.engine.poll_writable(cx)
    }

    fn shut_write(&self) {
        self.engine.shut_write();
    }

    fn shut_down(&self) {
        self.engine.shut();
    }
}

/// The end of a session, in the place of a plain close frame: an event that says why, since long polling has no codes; the
/// packet that keeps a client from coming back by itself, when it first has to mend something; the end of the connection.
fn goodbye(payload: &[u8], packets: &mut Packets<'_>) {
    if let Some(code) = CloseCode::from_payload(payload) {
        say_why(code, packets);
    }
    packets.close(payload);
}

/// Why a connection is closed, as packets.
pub fn say_why(code: CloseCode, packets: &mut Packets<'_>) {
    if code == CloseCode::Normal {
        return;
    }
    let why = serde_json::json!({
        "code": code.error_code(),
        "message": code.reason(),
        "closeCode": code.number(),
    });
    packets.text(&[b"42[\"error\",", why.to_string().as_bytes(), b"]"]);
    if !code.may_return() {
        packets.text(&[b"41"]);
    }
}

/// What the client showed of an earlier connection.
#[derive(Debug, Clone)]
pub struct Shown {
    /// See [`Track`]; `None` of one that connects for the first time.
    pub pid: Option<String>,
    /// See [`Track`].
    pub offset: Option<String>,
    /// Whether it keeps what it is given.
    pub keeps: bool,
}

/// How it begins.
pub struct SessionArrival {
    /// The connection; corked.
    pub engine: Rc<Engine>,
    /// What the client was told.
    pub memory: Rc<Memory>,
    /// The store's history.
    pub epoch: String,
    /// What the client showed.
    pub shown: Shown,
    /// Who came back.
    pub recovered: CountBy,
}

impl Arrival for SessionArrival {
    fn arrive(&mut self, session: SessionId, user: &User, standing: &[(ConversationId, Seq)]) -> Option<Missed> {
        let mark = Mark::new(&self.epoch, &user.id);
        let shown = &self.shown;
        let resumed = shown.pid.as_ref().and_then(|pid| {
            let track = Track::resumed(mark, pid, shown.offset.as_deref())?;
            let missed = track.missed(standing)?;
            Some((track, missed))
        });
        if shown.pid.is_some() {
            let outcome = if resumed.is_some() { "recovered" } else { "fresh" };
            self.recovered.get_or_create(&[("outcome", outcome)]).inc();
        }
        let (track, missed) = match resumed {
            Some((track, missed)) => (track, Some(missed)),
            None if shown.keeps => (
                Track::fresh(mark, *session.0.as_bytes(), standing.iter().copied()),
                None,
            ),
            None => (Track::none(*session.0.as_bytes()), None),
        };
        let is_gained = |id: &ConversationId| missed.as_ref().is_some_and(|missed| missed.gained.contains(id));
        let gained = standing.iter().filter(|(id, _)| is_gained(id));
        *self.memory.gained.borrow_mut() = gained.copied().collect();
        // A client that is recovered keeps its id.
        let id = Uuid::from_bytes(track.origin());
        let connected = match track.pid() {
            Some(pid) => format!("40{{\"sid\":\"{id}\",\"pid\":\"{pid}\"}}"),
            None => format!("40{{\"sid\":\"{id}\"}}"),
        };
        *self.memory.track.borrow_mut() = Some(track);
        self.engine.say(connected.into());
        missed
    }

    fn say(&mut self, frames: Bytes) {
        let memory = &self.memory;
        self.engine.prepare(|packets| {
            let mut rest = &frames[..];
            while let Ok(Some(header)) = Header::read(rest) {
                let end = header.header_bytes + header.payload_bytes as usize;
                let Some((frame, behind)) = rest.split_at_checked(end) else {
                    return;
                };
                let text = &frame[header.header_bytes..];
                memory.write(text, packets);
                if let Some(Plain::Event { data, .. }) = Plain::of(text)
                    && let Some((conversation, _)) = position(data)
                {
                    packets.belongs_to(conversation);
                }
                rest = behind;
            }
        });
    }

    fn poll_said(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.engine.poll_said(cx)
    }

    fn arrived(&mut self) {
        self.engine.cork(false);
    }
}

/// An error as the data of `connect_error`.
pub fn connect_error(error: &ApiError) -> Said {
    let refused = serde_json::json!({ "message": error.message, "data": error });
    Said::from(format!("44{refused}"))
}
