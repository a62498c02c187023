//! A tab: one WebSocket connection of a person, by a foreign implementation (tokio-tungstenite), with its log.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{
    Answer, DEADLINE, Log, What, described,
    http::{Realm, is_retryable},
    person::Chat,
};

/// How to connect: the token in one of its places, the Origin.
pub struct Dial {
    realm: Arc<Realm>,
    who: String,
    path: String,
    headers: Vec<(&'static str, String)>,
}

impl Dial {
    pub fn new(realm: &Arc<Realm>, who: &str) -> Dial {
        Dial {
            realm: Arc::clone(realm),
            who: who.to_owned(),
            path: "/ws".to_owned(),
            headers: Vec::new(),
        }
    }

    pub fn bearer(self, token: &str) -> Dial {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn cookie(self, token: &str) -> Dial {
        self.header("cookie", format!("token={token}"))
    }

    pub fn query(mut self, token: &str) -> Dial {
        self.path = format!("/ws?token={token}");
        self
    }

    pub fn origin(self, origin: &str) -> Dial {
        self.header("origin", origin.to_owned())
    }

    pub fn header(mut self, name: &'static str, value: String) -> Dial {
        self.headers.push((name, value));
        self
    }

    /// The open tab after its `ready`.
    pub async fn open(self) -> Tab {
        let who = self.who.clone();
        self.attempt()
            .await
            .unwrap_or_else(|refusal| panic!("{who} cannot connect: {refusal}"))
    }

    /// The server is to refuse before the upgrade. Asked by the HTTP client: the WebSocket one reads no whole answers.
    pub async fn refused(self) -> Answer {
        let mut call = self.realm.call("GET", &self.path);
        for (name, value) in &self.headers {
            call = call.header(name, value);
        }
        let handshake = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let answer = handshake
            .into_iter()
            .fold(call, |call, (name, value)| call.header(name, value))
            .send()
            .await;
        assert_ne!(answer.status, 101, "{} was let in and should not have been", self.who);
        answer
    }

    /// The open tab, or why there is none.
    pub async fn attempt(self) -> Result<Tab, String> {
        let socket = timeout(DEADLINE, self.upgrade())
            .await
            .unwrap_or_else(|_| panic!("{} was not answered within {DEADLINE:?}", self.who))?;
        let mut tab = Tab::over(socket, &self.who);
        // Whoever dies right after the upgrade (a killed server) is no failure of the caller's test yet.
        let ready = timeout(DEADLINE, tab.ready_or_end()).await;
        match ready.unwrap_or_else(|_| panic!("no ready for {}\n{}", self.who, tab.log.shown())) {
            Some(ready) => {
                tab.ready = ready;
                Ok(tab)
            }
            None => Err(format!("ended before ready\n{}", tab.log.shown())),
        }
    }

    /// The bare connection, for those who read it themselves.
    pub async fn upgrade(&self) -> Result<WebSocketStream<TcpStream>, String> {
        let network = |error: std::io::Error| error.to_string();
        let stream = TcpStream::connect(self.realm.host()).await.map_err(network)?;
        stream.set_nodelay(true).map_err(network)?;
        let url = format!("ws://{}{}", self.realm.host(), self.path);
        let mut request = url.into_client_request().expect("a URL");
        for (name, value) in &self.headers {
            request
                .headers_mut()
                .append(*name, value.parse().expect("a header's value"));
        }
        let (socket, _) = client_async(request, stream).await.map_err(|error| error.to_string())?;
        Ok(socket)
    }
}

/// The requests that asked for an answer: event and frame.
type Asked = Mutex<HashMap<i64, (String, Value)>>;

/// An open connection. Every frame on it must be as the server's description says; when one was not, dropping the tab fails. Dropping
/// it cuts the connection without a close frame, as a lost network would.
pub struct Tab {
    pub log: Arc<Log>,
    /// The data of `ready`.
    pub ready: Value,
    outgoing: mpsc::UnboundedSender<Message>,
    next_id: AtomicI64,
    /// Requests by number: what their answers are to be held against.
    asked: Arc<Asked>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Tab {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        let strange = self.log.all(|what| match what {
            What::Strange(frame) => Some(frame.clone()),
            _ => None,
        });
        if !std::thread::panicking() {
            assert!(strange.is_empty(), "frames that are not as described: {strange:#?}");
        }
    }
}

impl Tab {
    fn over(socket: WebSocketStream<TcpStream>, who: &str) -> Tab {
        let log = Arc::new(Log::new(who));
        let asked = Arc::new(Asked::default());
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut queue) = mpsc::unbounded_channel();
        let writer = tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                // What cannot be written is seen by the reader as the end of the stream.
                if sink.feed(message).await.is_err() || queue.is_empty() && sink.flush().await.is_err() {
                    break;
                }
            }
        });
        let reader = tokio::spawn({
            let (log, asked) = (Arc::clone(&log), Arc::clone(&asked));
            async move {
                loop {
                    match stream.next().await {
                        Some(Ok(message)) => log.add(as_described(read(message), &asked)),
                        Some(Err(error)) => break log.add(What::Gone(error.to_string())),
                        None => break log.add(What::Gone("end of the stream".to_owned())),
                    }
                }
            }
        });
        Tab {
            log,
            ready: Value::Null,
            outgoing,
            next_id: AtomicI64::new(1),
            asked,
            tasks: vec![writer, reader],
        }
    }

    async fn ready_or_end(&self) -> Option<Value> {
        let pick = |what: &What| match what {
            What::Event { name, data } if name == "ready" => Some(Some(data.clone())),
            What::Closed(_) | What::Gone(_) => Some(None),
            _ => None,
        };
        self.log.wait("ready", pick).await.0
    }

    // ---- saying ----

    /// Sends the text frame as it is.
    pub fn sends_frame(&self, text: impl Into<String>) {
        let _ = self.outgoing.send(Message::text(text.into()));
    }

    pub fn sends_message_frame(&self, message: Message) {
        let _ = self.outgoing.send(message);
    }

    /// An event that asks for no answer.
    pub fn tells(&self, event: &str, data: Value) {
        self.sends_frame(json!({"event": event, "data": data}).to_string());
    }

    /// An event that asks for an answer, without waiting for it: `answer` does.
    pub fn begins(&self, event: &str, data: Value) -> i64 {
        let id = self.next_id.fetch_add(1, Ordering::SeqCst);
        let frame = json!({"event": event, "id": id, "data": data});
        let mut asked = self.asked.lock().expect("not poisoned");
        asked.insert(id, (event.to_owned(), frame.clone()));
        drop(asked);
        self.sends_frame(frame.to_string());
        id
    }

    pub async fn answer(&self, id: i64) -> Result<Value, Value> {
        self.answer_at(id).await.0
    }

    /// The answer and when it came.
    pub async fn answer_at(&self, id: i64) -> (Result<Value, Value>, Instant) {
        let pick = |what: &What| match what {
            What::Answer { id: of, result } if *of == id => Some(result.clone()),
            _ => None,
        };
        self.log.wait(&format!("the answer to {id}"), pick).await
    }

    /// An event and its answer: the data, or the error.
    pub async fn asks(&self, event: &str, data: Value) -> Result<Value, Value> {
        let id = self.begins(event, data);
        self.answer(id).await
    }

    /// An event that must succeed.
    pub async fn does(&self, event: &str, data: Value) -> Value {
        let result = self.asks(event, data).await;
        result.unwrap_or_else(|error| panic!("{event} was refused: {error}\n{}", self.log.shown()))
    }

    /// Sends a text; the message as the answer gives it.
    pub async fn sends(&self, chat: &Chat, text: &str) -> Value {
        let answer = self
            .does("send_message", json!({"conversationId": chat.id, "content": text}))
            .await;
        answer["message"].clone()
    }

    pub async fn sends_as(&self, chat: &Chat, client_id: &str, text: &str) -> Result<Value, Value> {
        let data = json!({"conversationId": chat.id, "content": text, "clientId": client_id});
        self.asks("send_message", data)
            .await
            .map(|answer| answer["message"].clone())
    }

    /// Opens the conversation's view; the answer.
    pub async fn opens(&self, chat: &Chat) -> Value {
        self.does("join_conversation", json!({"conversationId": chat.id})).await
    }

    pub async fn closes_view(&self, chat: &Chat) {
        let answer = self
            .does("leave_conversation", json!({"conversationId": chat.id}))
            .await;
        assert_eq!(answer, json!({}));
    }

    /// Leaves with a close frame, and waits for the server's.
    pub async fn leaves(self) {
        self.sends_message_frame(Message::Close(None));
        self.log
            .wait("the end", |what| {
                matches!(what, What::Closed(_) | What::Gone(_)).then_some(())
            })
            .await;
    }

    // ---- seeing ----

    /// Waits for an event whose data fits; its data.
    pub async fn sees(&self, event: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.sees_at(event, fits).await.0
    }

    pub async fn sees_at(&self, event: &str, fits: impl Fn(&Value) -> bool) -> (Value, Instant) {
        let pick = |what: &What| match what {
            What::Event { name, data } if name == event && fits(data) => Some(data.clone()),
            _ => None,
        };
        self.log.wait(event, pick).await
    }

    /// Waits for a live message of this text in this conversation.
    pub async fn sees_message(&self, chat: &Chat, text: &str) -> Value {
        self.sees("new_message", |message| {
            message["conversationId"] == chat.id && message["content"] == text
        })
        .await
    }

    /// The events of this name that came so far.
    pub fn got(&self, event: &str) -> Vec<Value> {
        self.log.all(|what| match what {
            What::Event { name, data } if name == event => Some(data.clone()),
            _ => None,
        })
    }

    /// The `seq` of every durable change of the conversation that came live so far, in the order of arrival.
    pub fn live_seqs(&self, chat: &Chat) -> Vec<u64> {
        self.log.all(|what| match what {
            What::Event { name, data } if DURABLE.contains(&name.as_str()) && data["conversationId"] == chat.id => {
                Some(data["seq"].as_u64().expect("a durable change has a seq"))
            }
            _ => None,
        })
    }

    /// Everything that was said to this tab before now has arrived when this returns: the server answers in order.
    pub async fn catches_up(&self) {
        self.does("get_presence", json!({"userIds": []})).await;
    }

    /// Waits for the close frame, which must have this code.
    pub async fn is_closed_with(&self, code: u16) -> Instant {
        let pick = |what: &What| match what {
            What::Closed(code) => Some(*code),
            _ => None,
        };
        let (got, at) = self.log.wait(&format!("a close with {code}"), pick).await;
        assert_eq!(got, Some(code), "another close code\n{}", self.log.shown());
        at
    }
}

/// The events that take a `seq`.
pub const DURABLE: [&str; 4] = ["new_message", "message_edited", "message_deleted", "reaction_updated"];

/// What a frame of the server says. An event that is not as described is strange.
pub fn read(message: Message) -> What {
    match message {
        Message::Text(text) => match read_envelope(&text) {
            What::Event { name, data } => {
                let frame = json!({"event": name, "data": data});
                match described::check(&name, &frame) {
                    Ok(()) => What::Event { name, data },
                    Err(why) => What::Strange(why),
                }
            }
            other => other,
        },
        Message::Ping(_) => What::Ping,
        Message::Pong(_) => What::Pong,
        Message::Close(frame) => What::Closed(frame.map(|frame| frame.code.into())),
        other => What::Strange(format!("{other:?}")),
    }
}

/// An answer is held against the request that it answers. A request that was granted was one as described; one that was refused
/// may have been anything.
fn as_described(what: What, asked: &Asked) -> What {
    let What::Answer { id, result } = &what else {
        return what;
    };
    let Some((event, request)) = asked.lock().expect("not poisoned").remove(id) else {
        return what; // sent by hand
    };
    let checked = match result {
        Ok(data) => {
            let answer = json!({"ack": id, "ok": true, "data": data});
            described::check(&event, &request).and_then(|()| described::check(&format!("{event}.answer"), &answer))
        }
        Err(error) => described::check("refusal", &json!({"ack": id, "ok": false, "error": error})),
    };
    match checked {
        Ok(()) => what,
        Err(why) => What::Strange(why),
    }
}

/// One of the two forms of the contract's envelope, and nothing beside their keys.
fn read_envelope(text: &str) -> What {
    let strange = || What::Strange(text.to_owned());
    let Ok(Value::Object(mut frame)) = serde_json::from_str::<Value>(text) else {
        return strange();
    };
    let (event, data) = (frame.remove("event"), frame.remove("data"));
    let (ack, ok, error) = (frame.remove("ack"), frame.remove("ok"), frame.remove("error"));
    match (event, data, ack, ok, error) {
        _ if !frame.is_empty() => strange(),
        (Some(Value::String(name)), Some(data), None, None, None) => What::Event { name, data },
        (None, Some(data), Some(id), Some(Value::Bool(true)), None) if id.is_i64() => What::Answer {
            id: id.as_i64().expect("checked"),
            result: Ok(data),
        },
        (None, None, Some(id), Some(Value::Bool(false)), Some(error)) if id.is_i64() => What::Answer {
            id: id.as_i64().expect("checked"),
            result: Err(error),
        },
        _ => strange(),
    }
}

/// The answer is a refusal with this code, in the contract's form; the error.
#[track_caller]
pub fn refused(result: Result<Value, Value>, code: &str) -> Value {
    let error = result.expect_err(&format!("should be refused with {code}"));
    assert_eq!(error["code"], code, "{error}");
    assert!(
        error["message"].as_str().is_some_and(|message| !message.is_empty()),
        "no message: {error}"
    );
    assert_eq!(error["retryable"], is_retryable(code), "retryable: {error}");
    error
}

#[test]
fn only_the_envelope_of_the_contract_is_read() {
    assert!(matches!(
        read_envelope(r#"{"event":"a","data":{}}"#),
        What::Event { .. }
    ));
    assert!(matches!(
        read_envelope(r#"{"ack":7,"ok":true,"data":{}}"#),
        What::Answer { id: 7, result: Ok(_) }
    ));
    assert!(matches!(
        read_envelope(r#"{"ack":7,"ok":false,"error":{}}"#),
        What::Answer { id: 7, result: Err(_) }
    ));
    for strange in [
        "",
        "[]",
        r#"{"event":"a"}"#,
        r#"{"event":"a","data":{},"id":1}"#,
        r#"{"ack":7,"ok":true,"data":{},"error":null}"#,
        r#"{"ack":7,"ok":false,"data":{}}"#,
    ] {
        assert!(matches!(read_envelope(strange), What::Strange(_)), "{strange}");
    }
}
