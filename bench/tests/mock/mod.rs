//! A small server that keeps Parlor's contract as far as the load tool uses it, or breaks it in one chosen way.
//! The end-to-end tests start it. It keeps everything in memory, and is no model of how Parlor works inside.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

mod mixed;

pub const SECRET: &str = "a secret of the tests, long enough for HS256";

/// One way to break a promise, to the second member of a room, at the message `AT` unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    None,
    Lose,
    Double,
    Swap,
    ChangeContent,
    ChangeSender,
    ChangeId,
    SkipSeq,
    Phantom,
    WrongAnswer,
    AnswerTwice,
    AnswerNever,
    AnswerAndLose,
    AnswerRepeatAnew,
    HistoryForgets,
    Hangup,
    RateLimited,
    /// From there on, for a third of all messages.
    Unavailable,
    /// Only `mixed` can tell these.
    RepeatReaction,
    ReactionAgain,
    ForgetReaction,
    ForgetEdit,
    ChangeEdit,
    RefuseEdits,
    /// Half of those that it says so of are made all the same.
    UnavailableEdits,
    /// Always.
    StaleHistory,
    WrongCursor,
}

/// Late enough that the members' positions are known. Not later than what the members of a room send before they wait for
/// anything: the tool ends by its clock, and however little of the time it gets, that much is sent.
const AT: usize = 8;

#[derive(Default)]
struct Room {
    members: Vec<String>,
    seq: u64,
    sessions: Vec<(String, UnboundedSender<String>)>,
    history: Vec<Value>,
    answers: HashMap<String, Value>,
    edits: u64,
    reactions: u64,
    held_back: Option<String>,
}

#[derive(Default)]
struct State {
    rooms: HashMap<String, Room>,
    sessions: u64,
    /// How often each event came in, and each page of history (as `history`).
    asked: HashMap<String, u64>,
}

pub struct Mock {
    pub address: SocketAddr,
    breach: Breach,
    state: Mutex<State>,
}

impl Mock {
    pub async fn start(breach: Breach) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mock = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            breach,
            state: Mutex::default(),
        });
        let serving = mock.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        mock
    }

    // ---- what it saw: it depends on nobody's clock

    /// Messages sent, each once.
    pub fn said(&self) -> u64 {
        let state = self.state.lock().unwrap();
        state.rooms.values().map(|room| room.history.len() as u64).sum()
    }

    /// Positions taken by whatever takes one.
    pub fn positions(&self) -> u64 {
        let state = self.state.lock().unwrap();
        let taken = |room: &Room| room.seq - room.members.len() as u64;
        state.rooms.values().map(taken).sum()
    }

    /// How often something was asked for: an event, or `history`.
    pub fn asked(&self, what: &str) -> u64 {
        self.state.lock().unwrap().asked.get(what).copied().unwrap_or(0)
    }

    /// When each message was sent or should have been, in nanoseconds of the tool's clock, in order; of each sender
    /// without the `first` ones. The tool writes it at the end of its clientIds: `run-sender-number-time`.
    pub fn due(&self, first: u64) -> Vec<u64> {
        let state = self.state.lock().unwrap();
        let messages = state.rooms.values().flat_map(|room| &room.history);
        let parsed = messages.filter_map(|message| {
            let mut parts = message["clientId"].as_str().unwrap().rsplit('-');
            let mut part = || u64::from_str_radix(parts.next().unwrap(), 16).unwrap();
            let (time, number) = (part(), part());
            (number >= first).then_some(time)
        });
        let mut due: Vec<u64> = parsed.collect();
        due.sort_unstable();
        due
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let mut start = [0; 8];
        loop {
            match stream.peek(&mut start).await {
                // Gone without a word.
                Ok(0) | Err(_) => return,
                Ok(length) if length < start.len() => tokio::task::yield_now().await,
                Ok(_) => break,
            }
        }
        match &start {
            b"GET /ws " => self.session(stream).await,
            _ => self.rest(stream).await,
        }
    }

    // ---- REST

    async fn rest(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        loop {
            let Some(head) = bytes
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .map(|at| at + 4)
            else {
                match stream.read_buf(&mut bytes).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => continue,
                }
            };
            let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
            let header = |name: &str| {
                let line = text
                    .lines()
                    .find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
                Some(line.split_once(':')?.1.trim().to_owned())
            };
            let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
            while bytes.len() < head + length {
                stream.read_buf(&mut bytes).await.unwrap();
            }
            let body: Value = serde_json::from_slice(&bytes[head..head + length]).unwrap_or(Value::Null);
            bytes.drain(..head + length);
            let mut line = text.lines().next().unwrap().split(' ');
            let (method, path) = (line.next().unwrap(), line.next().unwrap());
            let (status, answer) = match header("authorization").and_then(|header| user_of(&header)) {
                Some(user) => self.call(method, path, &user, &body),
                None => (
                    "401 Unauthorized",
                    json!({"error": {"code": "UNAUTHORIZED"}}).to_string(),
                ),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", answer.len());
            stream.write_all((head + &answer).as_bytes()).await.unwrap();
        }
    }

    fn call(&self, method: &str, path: &str, user: &str, body: &Value) -> (&'static str, String) {
        let mut state = self.state.lock().unwrap();
        match (method, path) {
            ("GET", "/api/me") => ("200 OK", json!({"id": user, "name": user}).to_string()),
            ("GET", "/metrics") => {
                let bytes = 10_000_000 + state.sessions * 2048;
                (
                    "200 OK",
                    format!("# TYPE x gauge\nprocess_resident_memory_bytes {bytes}\n"),
                )
            }
            ("POST", "/api/conversations") => {
                let id = format!("c-{}", state.rooms.len());
                let mut members = vec![user.to_owned()];
                members.extend(
                    body["memberIds"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|id| id.as_str().unwrap().to_owned()),
                );
                // A conversation begins with system messages, from before anybody was connected.
                let seq = members.len() as u64;
                state.rooms.insert(
                    id.clone(),
                    Room {
                        members,
                        seq,
                        ..Room::default()
                    },
                );
                (
                    "201 Created",
                    json!({"conversation": {"id": id, "kind": "group"}}).to_string(),
                )
            }
            ("GET", history) if history.contains("/messages?") => {
                *state.asked.entry("history".into()).or_default() += 1;
                let room = &state.rooms[history.split('/').nth(3).unwrap()];
                let before = history.split_once("before=").map(|(_, id)| id);
                let end = before.map_or(room.history.len(), |id| {
                    room.history.iter().position(|m| m["id"] == id).unwrap()
                });
                let limit = history.split_once("limit=").unwrap().1.split('&').next().unwrap();
                let start = end.saturating_sub(limit.parse().unwrap());
                let end = end - usize::from(self.breach == Breach::StaleHistory && end > 0);
                let page = &room.history[start..end];
                (
                    "200 OK",
                    json!({"messages": page, "hasMore": start > 0, "hasMoreAfter": false}).to_string(),
                )
            }
            _ => ("404 Not Found", json!({"error": {"code": "NOT_FOUND"}}).to_string()),
        }
    }

    // ---- the socket

    #[expect(clippy::result_large_err, reason = "the signature of tungstenite's callback")]
    async fn session(&self, stream: TcpStream) {
        let mut user = None;
        let accepted = tokio_tungstenite::accept_hdr_async(stream, |request: &Request, response: Response| {
            user = request
                .headers()
                .get("authorization")
                .and_then(|header| user_of(header.to_str().unwrap()));
            Ok(response)
        });
        let (Ok(socket), Some(user)) = (accepted.await, user) else {
            return;
        };
        let (mut writer, mut reader) = socket.split();
        let (out, mut outbox) = unbounded_channel::<String>();
        out.send(json!({"event": "ready", "data": {"sessionId": "s"}}).to_string())
            .unwrap();
        out.send(json!({"event": "user_online", "data": {"userId": user}}).to_string())
            .unwrap();
        self.enter(&user, &out);
        tokio::spawn(async move {
            while let Some(frame) = outbox.recv().await {
                let message = if frame == HANGUP {
                    Message::Close(None)
                } else {
                    Message::text(frame)
                };
                if writer.send(message).await.is_err() {
                    return;
                }
            }
        });
        while let Some(Ok(message)) = reader.next().await {
            if let Message::Text(text) = message {
                self.on_event(&user, &serde_json::from_str(&text).unwrap(), &out);
            }
        }
    }

    fn enter(&self, user: &str, out: &UnboundedSender<String>) {
        let mut state = self.state.lock().unwrap();
        state.sessions += 1;
        for room in state
            .rooms
            .values_mut()
            .filter(|room| room.members.iter().any(|member| member == user))
        {
            room.sessions.push((user.to_owned(), out.clone()));
        }
    }

    fn on_event(&self, user: &str, event: &Value, out: &UnboundedSender<String>) {
        let (ask, data) = (event["id"].as_u64().unwrap(), &event["data"]);
        let name = event["event"].as_str().unwrap();
        *self.state.lock().unwrap().asked.entry(name.to_owned()).or_default() += 1;
        if name != "send_message" {
            let result = self.on_other(user, name, data);
            let answer = match result {
                Ok(data) => json!({"ack": ask, "ok": true, "data": data}),
                Err(code) => json!({"ack": ask, "ok": false, "error": {"code": code}}),
            };
            return drop(out.send(answer.to_string()));
        }
        let answer = |message: &str| format!(r#"{{"ack":{ask},"ok":true,"data":{{"message":{message}}}}}"#);
        let refuse =
            |code: &str| json!({"ack": ask, "ok": false, "error": {"code": code, "message": "no"}}).to_string();
        // A session that is gone gets nothing, as after a hang-up.
        let send = |frame: String| drop(out.send(frame));
        let mut state = self.state.lock().unwrap();
        let room = state.rooms.get_mut(data["conversationId"].as_str().unwrap()).unwrap();
        let client_id = data["clientId"].as_str().unwrap().to_owned();
        let known = room.answers.get(&client_id);
        if let Some(known) = known.filter(|_| self.breach != Breach::AnswerRepeatAnew) {
            send(answer(&compose(known)));
            return;
        }
        let hit = room.history.len() == AT;
        match self.breach {
            Breach::RateLimited if hit => return send(refuse("RATE_LIMITED")),
            Breach::Unavailable if room.history.len() >= AT && ask % 3 == 0 => return send(refuse("UNAVAILABLE")),
            Breach::SkipSeq if hit => room.seq += 1,
            _ => {}
        }
        room.seq += 1;
        let message = message(user, room.seq, data);
        room.answers.insert(client_id, message.clone());
        room.history.push(message.clone());
        if hit && self.breach == Breach::HistoryForgets {
            room.history.remove(AT / 2);
        }
        match self.breach {
            Breach::AnswerNever if hit => {}
            Breach::WrongAnswer if hit => send(answer(&compose(&room.history[3]))),
            Breach::AnswerTwice if hit => {
                send(answer(&compose(&message)));
                send(answer(&compose(&message)));
            }
            _ => send(answer(&compose(&message))),
        }
        self.deliver(room, &message, hit);
    }

    fn deliver(&self, room: &mut Room, message: &Value, hit: bool) {
        let frame = |message: &Value| format!(r#"{{"event":"new_message","data":{}}}"#, compose(message));
        let right = frame(message);
        for (index, (_, session)) in room.sessions.iter().enumerate() {
            let send = |frame: &str| drop(session.send(frame.to_owned()));
            let changed = |key: &str, value: Value| {
                let mut changed = message.clone();
                changed[key] = value;
                frame(&changed)
            };
            if hit && self.breach == Breach::AnswerAndLose {
                continue;
            }
            if index != 1 || !hit {
                send(&right);
                if index == 1
                    && let Some(late) = room.held_back.take()
                {
                    send(&late);
                }
                continue;
            }
            match self.breach {
                Breach::Lose => {}
                Breach::Swap => room.held_back = Some(right.clone()),
                Breach::Double => [&right, &right].into_iter().for_each(|frame| send(frame)),
                Breach::ChangeContent => {
                    let content = message["content"].as_str().unwrap();
                    send(&changed(
                        "content",
                        json!(format!("{}y", &content[..content.len() - 1])),
                    ));
                }
                Breach::ChangeSender => send(&changed("sender", json!({"id": "somebody else"}))),
                Breach::ChangeId => send(&changed("id", json!("another id"))),
                Breach::Phantom => {
                    send(&changed("clientId", Value::Null));
                }
                Breach::Hangup => send(HANGUP),
                _ => send(&right),
            }
        }
    }
}

/// Not a frame: tells the writer to close.
const HANGUP: &str = "hang up";

fn user_of(header: &str) -> Option<String> {
    let token = header.strip_prefix("Bearer ")?;
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let claims = jsonwebtoken::decode::<Value>(token, &key, &Validation::new(Algorithm::HS256))
        .ok()?
        .claims;
    Some(claims["sub"].as_str()?.to_owned())
}

fn message(user: &str, seq: u64, data: &Value) -> Value {
    json!({
        "id": format!("m-{}-{seq}", data["conversationId"].as_str().unwrap()),
        "conversationId": data["conversationId"], "seq": seq, "changeSeq": seq, "type": "text",
        "content": data["content"],
        "sender": {"id": user, "name": user, "displayName": null, "avatarUrl": null},
        "clientId": data["clientId"], "replyToId": null, "reactions": [],
        "createdAt": "2026-01-17T23:44:37.120Z", "editedAt": null, "deletedAt": null,
    })
}

/// The message with its id first, as Parlor writes it; serde_json's map would put it in alphabetical order.
fn compose(message: &Value) -> String {
    let mut rest = message.as_object().unwrap().clone();
    let id = rest.remove("id").unwrap();
    format!(r#"{{"id":{id},{}"#, &Value::Object(rest).to_string()[1..])
}
