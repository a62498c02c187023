//! Engine.IO by hand, for what no stock client does: a poller whose every request is the test's own, and sockets whose every
//! packet is. Stock clients have tests of their own, in `tests/socketio/`.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Answer, Call, Person, Server, http::Realm, raw::Raw};

/// What stands between the packets of a payload.
const SEPARATOR: char = '\u{1e}';

/// A session over long polling.
pub struct Poller {
    realm: Arc<Realm>,
    pub sid: String,
    /// What the server said first.
    pub opening: Value,
    /// Packets that came and were not looked at yet.
    waiting: Vec<String>,
}

impl Poller {
    pub async fn open(realm: &Arc<Realm>) -> Poller {
        let answer = realm.call("GET", "/socket.io/?EIO=4&transport=polling").send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let opening: Value = serde_json::from_str(&answer.text[1..]).expect("an opening");
        Poller {
            realm: Arc::clone(realm),
            sid: opening["sid"].as_str().expect("a sid").to_owned(),
            opening,
            waiting: Vec::new(),
        }
    }

    fn path(&self) -> String {
        format!("/socket.io/?EIO=4&transport=polling&sid={}", self.sid)
    }

    pub fn get(&self) -> Call {
        self.realm.call("GET", &self.path())
    }

    pub fn post(&self, payload: &str) -> Call {
        self.realm
            .call("POST", &self.path())
            .body("text/plain;charset=UTF-8", payload)
    }

    /// A poll that waits while the test goes on. It is with the server when this returns, as far as one can know.
    pub fn begins_poll(&self) -> JoinHandle<Answer> {
        tokio::spawn(self.get().send())
    }

    pub async fn says(&self, payload: &str) {
        let answer = self.post(payload).send().await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "ok"), "{payload}");
    }

    /// One payload.
    pub async fn polls(&self) -> Vec<String> {
        let answer = self.get().send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text.split(SEPARATOR).map(str::to_owned).collect()
    }

    /// Polls until a packet fits; others that came before are dropped, pings are answered.
    pub async fn sees(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            while !self.waiting.is_empty() {
                let packet = self.waiting.remove(0);
                if packet == "2" {
                    self.says("3").await;
                }
                if fits(&packet) {
                    return packet;
                }
            }
            self.waiting = self.polls().await;
        }
    }

    pub async fn sees_event(&mut self, event: &str) -> Value {
        let begin = format!("42[\"{event}\"");
        let packet = self.sees(|packet| packet.starts_with(&begin)).await;
        arguments(&packet)[1].clone()
    }

    /// The requests that are refused because there is no such session any more.
    pub async fn is_gone(&self) {
        for call in [self.get(), self.post("3")] {
            let answer = call.send().await;
            assert_eq!(answer.status, 400, "{}", answer.text);
        }
    }
}

/// The arguments of an event's or an answer's packet.
pub fn arguments(packet: &str) -> Value {
    let at = packet.find('[').unwrap_or_else(|| panic!("no arguments in {packet}"));
    serde_json::from_str(&packet[at..]).unwrap_or_else(|error| panic!("{error}: {packet}"))
}

impl Server {
    /// A session of nobody yet.
    pub async fn poller(&self) -> Poller {
        Poller::open(&self.realm).await
    }

    /// A socket of Engine.IO, with more in its query if need be, after the upgrade.
    pub async fn packets(&self, query: &str, headers: &[(&str, &str)]) -> Raw {
        let path = format!("/socket.io/?EIO=4&transport=websocket{query}");
        Raw::upgraded(&self.realm, &path, headers).await
    }
}

impl Person {
    /// What they say to be let in.
    pub fn connects_with(&self) -> String {
        format!("40{}", json!({"token": self.token}))
    }

    /// Them over long polling, `ready`.
    pub async fn poller(&self, server: &Server) -> Poller {
        let mut poller = server.poller().await;
        poller.says(&self.connects_with()).await;
        poller.sees_event("ready").await;
        poller
    }

    /// Them on a socket of Socket.IO, `ready`.
    pub async fn packets(&self, server: &Server) -> Raw {
        let mut raw = server.packets("", &[]).await;
        raw.sends_text(&self.connects_with()).await;
        raw.sees_packet("42[\"ready\"").await;
        raw
    }
}

impl Raw {
    /// Reads on until a packet that begins so; the whole of it.
    pub async fn sees_packet(&mut self, begin: &str) -> String {
        let fits = |frame: &super::RawFrame| String::from_utf8_lossy(&frame.payload).starts_with(begin);
        let frame = self.sees(&format!("a packet {begin}"), fits).await;
        String::from_utf8_lossy(&frame.payload).into_owned()
    }
}
