//! The product's backend, as webhooks reach it: a small HTTP server of the test's own that checks every signature (with an
//! implementation that shares nothing with the server's) and answers as the test likes.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::{DEADLINE, Server, Setup};

/// What the receivers of a test know the server by.
pub const WEBHOOK_SECRET: &str = "whsec_dGVzdHMgb2YgYSBzZWNyZXQgdGhhdCBpcyBsb25nIGVub3VnaA==";

/// What a receiver does with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Mood {
    /// 204.
    Takes,
    /// This status, with this header (or an empty one).
    Answers(u16, &'static str),
    /// Reads it and says nothing for as long as the sender waits.
    Hangs,
    /// Closes the connection without an answer.
    HangsUp,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Hook {
    pub id: String,
    pub timestamp: i64,
    pub signatures: Vec<String>,
    /// The event's `type`.
    pub kind: String,
    pub body: Value,
    pub at: Instant,
    pub mood: Mood,
}

impl Hook {
    /// Which conversation it is about; empty for none.
    pub fn place(&self) -> &str {
        self.body["data"]["conversation"]["id"].as_str().unwrap_or_default()
    }

    pub fn seq(&self) -> u64 {
        self.body["data"]["seq"].as_u64().unwrap_or_default()
    }

    pub fn was_taken(&self) -> bool {
        self.mood == Mood::Takes
    }
}

type Decide = Box<dyn Fn(&Hook) -> Mood + Send>;

struct Shared {
    decide: Mutex<Decide>,
    hooks: watch::Sender<Vec<Hook>>,
    /// Requests that were not what the contract says.
    wrong: Mutex<Vec<String>>,
}

/// See the file's head.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// One that takes everything.
    pub async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            decide: Mutex::new(Box::new(|_| Mood::Takes)),
            hooks: watch::channel(Vec::new()).0,
            wrong: Mutex::default(),
        });
        let all = shared.clone();
        let server = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.expect("it can accept");
                tokio::spawn(serve(socket, all.clone()));
            }
        });
        Receiver { port, shared, server }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks/a-secret-path", self.port)
    }

    /// From now on it does this with every request.
    pub fn is(&self, mood: Mood) {
        self.decides(move |_| mood.clone());
    }

    /// From now on it does what `decide` says.
    pub fn decides(&self, decide: impl Fn(&Hook) -> Mood + Send + 'static) {
        *self.shared.decide.lock().expect("not poisoned") = Box::new(decide);
    }

    /// Every request so far, taken or not.
    pub fn tries(&self) -> Vec<Hook> {
        self.shared.hooks.borrow().clone()
    }

    /// What it took so far.
    pub fn taken(&self) -> Vec<Hook> {
        self.tries().into_iter().filter(Hook::was_taken).collect()
    }

    /// Waits until what came so far is enough.
    #[track_caller]
    pub fn has(&self, enough: impl Fn(&[Hook]) -> bool) -> impl Future<Output = Vec<Hook>> {
        let mut hooks = self.shared.hooks.subscribe();
        let asked = std::panic::Location::caller();
        async move {
            let waited = timeout(DEADLINE, hooks.wait_for(|hooks| enough(hooks))).await;
            let found = waited.is_ok();
            drop(waited);
            let hooks = self.tries();
            if !found {
                let lines = hooks
                    .iter()
                    .map(|hook| format!("\n  {:?} {} {}", hook.mood, hook.id, hook.body));
                panic!("{asked}: not enough came:{}", lines.collect::<String>());
            }
            hooks
        }
    }

    /// Waits for one that fits, taken or not.
    #[track_caller]
    pub fn sees(&self, fits: impl Fn(&Hook) -> bool) -> impl Future<Output = Hook> {
        let fits = Arc::new(fits);
        let fit = fits.clone();
        let has = self.has(move |hooks| hooks.iter().any(|hook| fit(hook)));
        async move {
            let hooks = has.await;
            hooks.into_iter().find(|hook| fits(hook)).expect("it was there")
        }
    }

    /// Waits for one of this type that it takes.
    #[track_caller]
    pub fn takes(&self, kind: &str) -> impl Future<Output = Hook> {
        let kind = kind.to_owned();
        self.sees(move |hook| hook.was_taken() && hook.kind == kind)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
        let wrong = self.shared.wrong.lock().expect("not poisoned");
        if !std::thread::panicking() {
            assert!(wrong.is_empty(), "webhooks that are none: {wrong:#?}");
        }
    }
}

impl Setup {
    /// Tells these receivers what happens, and does not wait long between two tries.
    pub fn telling(self, receivers: &[&Receiver]) -> Setup {
        let urls: Vec<String> = receivers.iter().map(|receiver| receiver.url()).collect();
        self.set("webhook_urls", urls.join(","))
            .set("webhook_secret", WEBHOOK_SECRET)
            .set("webhook_retry_max_seconds", 1)
    }
}

impl Server {
    /// One that tells this receiver what happens.
    pub async fn telling(receiver: &Receiver) -> Server {
        Server::with().telling(&[receiver]).start().await
    }
}

/// The requests of one connection.
async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Some((head, body)) = request(&mut read).await {
        let hook = match hook(&head, &body) {
            Ok(hook) => hook,
            Err(wrong) => {
                shared.wrong.lock().expect("not poisoned").push(wrong);
                return;
            }
        };
        let mood = (shared.decide.lock().expect("not poisoned"))(&hook);
        let hook = Hook {
            mood: mood.clone(),
            ..hook
        };
        let answer = match mood {
            Mood::Takes => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            Mood::Answers(status, header) => {
                let line = if header.is_empty() {
                    String::new()
                } else {
                    format!("{header}\r\n")
                };
                format!("HTTP/1.1 {status} Whatever\r\n{line}content-length: 5\r\n\r\nwords")
            }
            Mood::Hangs => {
                shared.hooks.send_modify(|hooks| hooks.push(hook));
                // Until the sender hangs up.
                let _ = read.read_u8().await;
                return;
            }
            Mood::HangsUp => {
                shared.hooks.send_modify(|hooks| hooks.push(hook));
                return;
            }
        };
        shared.hooks.send_modify(|hooks| hooks.push(hook));
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The lines of a request's head, and its body; none when the connection ends.
async fn request(read: &mut (impl AsyncBufReadExt + Unpin)) -> Option<(Vec<String>, String)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = header(&head, "content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    read.read_exact(&mut body).await.ok()?;
    String::from_utf8(body).ok().map(|body| (head, body))
}

fn header<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What came, if it is what Standard Webhooks says and signed with the secret.
fn hook(head: &[String], body: &str) -> Result<Hook, String> {
    let wrong = |what: &str| format!("{what}: {head:?} {body}");
    let wanted = |name: &str| header(head, name).ok_or_else(|| wrong(name));
    if head
        .first()
        .is_none_or(|line| line != "POST /hooks/a-secret-path HTTP/1.1")
    {
        return Err(wrong("the request line"));
    }
    if wanted("content-type")? != "application/json" {
        return Err(wrong("content-type"));
    }
    let (id, timestamp) = (wanted("webhook-id")?, wanted("webhook-timestamp")?);
    let signatures: Vec<String> = wanted("webhook-signature")?.split(' ').map(str::to_owned).collect();
    let signed = signature(WEBHOOK_SECRET, &format!("{id}.{timestamp}.{body}"));
    if !signatures.contains(&signed) {
        return Err(wrong("webhook-signature"));
    }
    let timestamp: i64 = timestamp.parse().map_err(|_| wrong("webhook-timestamp"))?;
    if timestamp.abs_diff(jsonwebtoken::get_current_timestamp() as i64) > 300 {
        return Err(wrong("webhook-timestamp is too far from now"));
    }
    let body: Value = serde_json::from_str(body).map_err(|_| wrong("the body"))?;
    let kind = body["type"].as_str().ok_or_else(|| wrong("type"))?.to_owned();
    if !body["timestamp"].is_string() || !body["data"].is_object() {
        return Err(wrong("timestamp and data"));
    }
    Ok(Hook {
        id: id.to_owned(),
        timestamp,
        signatures,
        kind,
        body,
        at: Instant::now(),
        mood: Mood::Takes,
    })
}

/// `v1,` and the HMAC in base64: by the library that signs tokens, whose base64url differs in two letters and the padding.
fn signature(secret: &str, signed: &str) -> String {
    let key = EncodingKey::from_base64_secret(secret.trim_start_matches("whsec_")).expect("a secret in base64");
    let url_safe = crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).expect("it can sign");
    format!("v1,{}=", url_safe.replace('-', "+").replace('_', "/"))
}

#[test]
fn the_check_is_that_of_standard_webhooks() {
    let signed = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
    let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", signed), expected);
}
