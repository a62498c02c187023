//! A chat in the terminal, and a small model of a correct client: `cargo run --example chat -- ME OTHER`.
//!
//! Opens the direct conversation of two users of a running server, shows its last messages, and sends what is typed. It
//! signs tokens for both with the secret in the server's data directory, for trying things out on the server's machine:
//! a client of a real product gets its token from the product. The rules that it keeps are in docs/PROTOCOL.md.

use std::{collections::BTreeMap, error::Error, io, io::Write, time::Duration};

use futures_util::{SinkExt, StreamExt};
use parlor::auth::{Claims, Tokens, new_token_id};
use parlor::config::{Sources, load};
use parlor::domain::{Clock, UserId};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time};
use tokio_tungstenite::{connect_async, tungstenite::Message, tungstenite::client::IntoClientRequest};

const USAGE: &str = "usage: chat ME OTHER [--url http://127.0.0.1:8080] [--data-dir ./data]";
const NEWEST: u64 = u32::MAX as u64; // A cursor beyond every position: `sync` answers it with the newest messages.
const SYNC: u64 = 1; // The number of that request; messages count on from here.
const SILENCE: Duration = Duration::from_secs(60); // The server pings after 25: then the connection is lost.

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut chat = Chat::from_arguments()?;
    chat.conversation = chat.find().await?;
    println!("* {} with {}: a line is a message, Ctrl-D leaves", chat.me, chat.other);
    let (mut lines, mut failures) = (typed_lines(), 0);
    while let Err(why) = chat.connection(&mut lines, &mut failures).await {
        println!("* no connection ({why}): trying again");
        let pause = f64::min(0.5 * 2f64.powi(failures), 15.0);
        time::sleep(Duration::from_secs_f64(pause * rand::random_range(0.5..1.0))).await;
        failures += 1;
    }
    Ok(())
}

/// The lines of stdin, until its end. A thread, since reading a terminal cannot be interrupted.
fn typed_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut typed = io::stdin().lines().map_while(io::Result::ok);
        typed.try_for_each(|line| sender.blocking_send(line))
    });
    lines
}

struct Chat {
    tokens: Tokens,
    url: String,
    me: UserId,
    other: UserId,
    conversation: String,
    epoch: String,
    cursor: u64, // Everything up to here was shown.
    syncing: bool,
    /// Messages by number, and whether they are under way. Sent again, one keeps its `clientId`: it can't become two.
    unanswered: BTreeMap<u64, (Value, bool)>,
    acknowledged: u64, // The position of our last message that was.
}

impl Chat {
    fn from_arguments() -> Result<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [me, other, options @ ..] = &arguments[..] else {
            Err(USAGE)?
        };
        let (mut url, mut flags) = ("http://127.0.0.1:8080".to_owned(), Vec::new());
        for option in options.chunks(2) {
            match option {
                [name, value] if name == "--url" => url = value.clone(),
                [name, value] if name == "--data-dir" => flags.push(("data_dir", value.clone())),
                _ => Err(USAGE)?,
            }
        }
        // As the server reads its settings: parlor.toml and the environment count too.
        let (file, env, dir) = (None, std::env::vars_os().collect(), Default::default());
        let config = load(Sources { flags, file, env, dir })?.config;
        let secret = config.data_dir.join("jwt.secret");
        if config.jwt.secret.is_none() && !secret.exists() {
            Err(format!("there is no {secret:?}: is the server running here?"))?;
        }
        Ok(Self {
            tokens: Tokens::open(&config.jwt, &config.data_dir, Clock::System)?,
            me: UserId::parse(me)?,
            other: UserId::parse(other)?,
            url,
            conversation: String::new(),
            epoch: String::new(),
            cursor: NEWEST,
            syncing: false,
            unanswered: BTreeMap::new(),
            acknowledged: 0,
        })
    }

    async fn find(&self) -> Result<String> {
        let (http, api) = (reqwest::Client::new(), format!("{}/api", self.url));
        // A user is recorded on first sight: this makes the other one known, who may never have been here.
        self.call(http.get(format!("{api}/me")), &self.other).await?;
        let find = http.post(format!("{api}/conversations/find-or-create"));
        let find = find.json(&json!({"otherUserId": self.other}));
        Ok(text(&self.call(find, &self.me).await?["conversationId"]).to_owned())
    }

    async fn call(&self, call: reqwest::RequestBuilder, user: &UserId) -> Result<Value> {
        let answer = call.bearer_auth(self.token(user)?).send().await;
        let answer = answer.map_err(|_| format!("nobody answers at {}: is the server running?", self.url))?;
        let refused = |error| format!("{error} (401: --data-dir is not this server's)");
        Ok(answer.error_for_status().map_err(refused)?.json().await?)
    }

    /// A token for an hour. The server closes a connection whose token has ended: the next one has a new token.
    fn token(&self, user: &UserId) -> Result<String> {
        let in_an_hour = Clock::System.now().plus(Duration::from_secs(3600));
        Ok(self.tokens.mint(&Claims::of(user.clone(), in_an_hour))?)
    }

    /// One connection, from the upgrade to its end: `Ok` when nothing is typed any more and everything is sent.
    async fn connection(&mut self, lines: &mut mpsc::Receiver<String>, failures: &mut i32) -> Result<()> {
        let mut upgrade = format!("{}/ws", self.url.replacen("http", "ws", 1)).into_client_request()?;
        let bearer = format!("Bearer {}", self.token(&self.me)?).parse()?;
        upgrade.headers_mut().insert("authorization", bearer);
        let (mut socket, _) = connect_async(upgrade).await?;
        *failures = 0;
        self.unanswered.values_mut().for_each(|(_, sent)| *sent = false);
        let (mut typing, mut again) = (true, time::interval(Duration::from_secs(1)));
        while typing || self.cursor == NEWEST || !self.unanswered.is_empty() || self.cursor < self.acknowledged {
            let waiting = self.unanswered.values().any(|(_, sent)| !sent);
            let requests = tokio::select! {
                frame = time::timeout(SILENCE, socket.next()) => match frame?.ok_or("closed")?? {
                    Message::Text(frame) => self.on_frame(&frame)?,
                    Message::Close(Some(why)) if why.code == 4403.into() => return Ok(writeln!(io::stdout(), "{why}")?),
                    Message::Close(Some(why)) => Err(why.to_string())?,
                    _ => Vec::new(),
                },
                line = lines.recv(), if typing => {
                    typing = line.is_some();
                    line.map_or(Ok(Vec::new()), |line| self.on_line(&line))?
                }
                _ = again.tick(), if waiting => self.unsent(),
            };
            for request in requests {
                socket.send(Message::text(request.to_string())).await?;
            }
        }
        Ok(socket.close(None).await?)
    }

    fn on_line(&mut self, line: &str) -> Result<Vec<Value>> {
        let number = 1 + self.unanswered.last_key_value().map_or(SYNC, |(last, _)| *last);
        let data = json!({"conversationId": self.conversation, "content": line, "clientId": new_token_id()?});
        let message = json!({"event": "send_message", "id": number, "data": data});
        self.unanswered.insert(number, (message, false));
        Ok(self.unsent())
    }

    fn unsent(&mut self) -> Vec<Value> {
        let due = self.unanswered.values_mut().filter(|(_, sent)| !sent);
        due.map(|(message, sent)| (*sent = true, message.clone()).1).collect()
    }

    /// Takes in one frame; what is to be asked because of it.
    fn on_frame(&mut self, frame: &str) -> Result<Vec<Value>> {
        let frame: Value = serde_json::from_str(frame)?;
        let (data, other) = (&frame["data"], &self.other);
        let here = data["conversationId"] == *self.conversation;
        let theirs = data["userId"] == *other.as_str();
        match (frame["ack"].as_u64(), text(&frame["event"])) {
            (Some(SYNC), _) => return self.on_page(&frame),
            (Some(number), _) => self.on_answer(number, data, &frame["error"]),
            (_, "ready") => return Ok(self.begin(data)),
            (_, "new_message" | "message_edited" | "message_deleted" | "reaction_updated") if here => {
                return Ok(self.on_change(data));
            }
            (_, "user_typing") if here => println!("* {} is typing", text(&data["displayName"])),
            (_, event @ ("user_online" | "user_offline")) if theirs => println!("* {other} is {}", &event[5..]),
            _ => {}
        }
        Ok(Vec::new())
    }

    /// Opens the conversation (for typing), asks for what was missed. A new epoch (a restored backup) voids the cursor.
    fn begin(&mut self, ready: &Value) -> Vec<Value> {
        if ready["epoch"] != *self.epoch {
            (self.cursor, self.epoch) = (NEWEST, text(&ready["epoch"]).to_owned());
        }
        let open = json!({"event": "join_conversation", "data": {"conversationId": self.conversation}});
        vec![open, self.sync()]
    }

    fn sync(&mut self) -> Value {
        self.syncing = true;
        let cursor = json!({"conversationId": self.conversation, "seq": self.cursor});
        json!({"event": "sync", "id": SYNC, "data": {"cursors": [cursor]}})
    }

    /// The cursor rule: the next change is shown, one seen is dropped, one further ahead means that some are missing.
    fn on_change(&mut self, change: &Value) -> Vec<Value> {
        let seq = change["seq"].as_u64().unwrap_or_default();
        if seq == self.cursor + 1 {
            self.cursor = seq;
            show(change);
        }
        let missing = seq > self.cursor && !self.syncing;
        missing.then(|| self.sync()).into_iter().collect()
    }

    /// The answer to `sync`: a page of changes, or a fresh start. Asks on until nothing is new.
    fn on_page(&mut self, frame: &Value) -> Result<Vec<Value>> {
        let page = &frame["data"]["conversations"][0];
        let (Some(messages), Some(seq)) = (page["messages"].as_array(), page["seq"].as_u64()) else {
            Err(format!("no answer to sync: {frame}"))?
        };
        let reset = page["reset"] == true;
        let skipped = if reset { messages.len().saturating_sub(20) } else { 0 };
        // What came live in the meantime is not shown twice.
        let new = |one: &&Value| reset || one["changeSeq"].as_u64() > Some(self.cursor);
        messages[skipped..].iter().filter(new).for_each(show);
        let cursor = if reset { seq } else { seq.max(self.cursor) };
        let moved = std::mem::replace(&mut self.cursor, cursor) != cursor;
        self.syncing = false;
        Ok(moved.then(|| self.sync()).into_iter().collect())
    }

    /// The answer to a message: done, or to be tried again, or hopeless.
    fn on_answer(&mut self, number: u64, data: &Value, error: &Value) {
        self.acknowledged = data["message"]["seq"].as_u64().unwrap_or(self.acknowledged);
        if error["retryable"] == true {
            self.unanswered.entry(number).and_modify(|(_, sent)| *sent = false);
        } else if let Some((message, _)) = self.unanswered.remove(&number)
            && error.is_object()
        {
            println!("* not sent: {} ({})", message["data"]["content"], error["message"]);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `14:02 alice: hello` (UTC)
fn show(change: &Value) {
    // Who reacts to what is not shown here.
    if change["reactions"].is_array() && change["sender"].is_null() {
        return;
    }
    let change = change.get("message").unwrap_or(change);
    let (sender, content) = (text(&change["sender"]["displayName"]), &change["content"]);
    let at = text(&change["createdAt"]).get(11..16).unwrap_or_default();
    match content.as_str().or(content["text"].as_str()) {
        Some(words) if change["editedAt"].is_null() => println!("{at} {sender}: {words}"),
        Some(words) => println!("{at} {sender}: {words} (edited)"),
        None => println!("* a message was deleted"),
    }
}
