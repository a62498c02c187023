//! A person with a token: what people do, by REST; their tabs do the rest.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Call, Dial, Server, Tab, Token, http::Realm, raw::Raw};

/// A conversation, known by its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chat {
    pub id: String,
}

impl Chat {
    pub fn path(&self, rest: &str) -> String {
        format!("/api/conversations/{}{rest}", self.id)
    }
}

/// A user of the embedding product: their tokens are signed by the test.
#[derive(Clone)]
pub struct Person {
    pub id: String,
    pub name: String,
    pub token: String,
    realm: Arc<Realm>,
}

impl Server {
    /// Somebody with this name, already seen by the server. `alice` is shown as `Alice`.
    pub async fn user(&self, name: &str) -> Person {
        self.seen(name, Person::token_of(name)).await
    }

    /// Somebody whose token says `role: admin`.
    pub async fn admin(&self, name: &str) -> Person {
        self.seen(name, Person::token_of(name).claim("role", "admin")).await
    }

    /// Somebody with a token of the test's making.
    pub async fn seen(&self, name: &str, token: Token) -> Person {
        let person = self.holder(name, &token.signed());
        person.get("/api/me").await.ok(200);
        person
    }

    /// Somebody as the server does not know them yet.
    pub fn holder(&self, name: &str, token: &str) -> Person {
        Person {
            id: id_of(name),
            name: name.to_owned(),
            token: token.to_owned(),
            realm: Arc::clone(&self.realm),
        }
    }

    pub fn call(&self, method: &str, path: &str) -> Call {
        self.realm.call(method, path)
    }

    pub fn dial(&self, who: &str) -> Dial {
        Dial::new(&self.realm, who)
    }
}

fn id_of(name: &str) -> String {
    format!("u-{name}")
}

impl Person {
    /// The token of a person of this name: id `u-alice`, name `alice`, shown as `Alice`.
    pub fn token_of(name: &str) -> Token {
        let (first, rest) = name.split_at(1);
        let shown = format!("{}{rest}", first.to_uppercase());
        Token::of(&id_of(name)).claim("name", name).claim("displayName", shown)
    }

    /// Them as the contract shows a user.
    pub fn shown(&self) -> Value {
        let (first, rest) = self.name.split_at(1);
        let shown = format!("{}{rest}", first.to_uppercase());
        json!({"id": self.id, "name": self.name, "displayName": shown, "avatarUrl": null})
    }

    /// The same person with another token.
    pub fn holding(&self, token: &str) -> Person {
        Person {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path).json(&body).send().await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call("PUT", path).json(&body).send().await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("PATCH", path).json(&body).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path).send().await
    }

    pub fn call(&self, method: &str, path: &str) -> Call {
        self.realm.call(method, path).bearer(&self.token)
    }

    /// A client id that nobody else in this test has.
    pub fn client_id(&self) -> String {
        self.realm.unique(&self.name)
    }

    // ---- conversations ----

    pub async fn direct_with(&self, other: &Person) -> Chat {
        let answer = self
            .post("/api/conversations/find-or-create", json!({"otherUserId": other.id}))
            .await;
        assert!(matches!(answer.status, 200 | 201), "no conversation: {}", answer.text);
        Chat {
            id: text(&answer.body["conversationId"]),
        }
    }

    pub async fn group(&self, name: &str, members: &[&Person]) -> Chat {
        let ids: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
        let body = json!({"kind": "group", "name": name, "memberIds": ids});
        let answer = self.post("/api/conversations", body).await.ok(201);
        Chat {
            id: text(&answer["conversation"]["id"]),
        }
    }

    pub async fn adds(&self, chat: &Chat, other: &Person) -> Value {
        self.post(&chat.path("/members"), json!({"userId": other.id}))
            .await
            .ok(201)
    }

    pub async fn removes(&self, chat: &Chat, other: &Person) {
        self.delete(&chat.path(&format!("/members/{}", other.id))).await.ok(204);
    }

    pub async fn makes_admin(&self, chat: &Chat, other: &Person) {
        self.patch(&chat.path(&format!("/members/{}", other.id)), json!({"role": "admin"}))
            .await
            .ok(200);
    }

    pub async fn leaves(&self, chat: &Chat) {
        self.post(&chat.path("/leave"), json!({})).await.ok(204);
    }

    /// Their list of conversations: the first hundred.
    pub async fn conversations(&self) -> Vec<Value> {
        let answer = self.get("/api/conversations?limit=100").await.ok(200);
        answer["conversations"].as_array().expect("a list").clone()
    }

    /// The conversation as their list shows it.
    pub async fn listed(&self, chat: &Chat) -> Value {
        let all = self.conversations().await;
        let found = all.iter().find(|conversation| conversation["id"] == chat.id);
        found
            .unwrap_or_else(|| panic!("{} does not list {chat:?}: {all:?}", self.name))
            .clone()
    }

    /// The `seq` of the conversation's last change.
    pub async fn seq_of(&self, chat: &Chat) -> u64 {
        self.listed(chat).await["seq"]
            .as_u64()
            .expect("a conversation has a seq")
    }

    /// (role, user id) of the members, sorted.
    pub async fn members(&self, chat: &Chat) -> Vec<(String, String)> {
        let answer = self.get(&chat.path("/members")).await.ok(200);
        let members = answer["members"].as_array().expect("a list").iter();
        let mut members: Vec<_> = members
            .map(|member| (text(&member["role"]), text(&member["user"]["id"])))
            .collect();
        members.sort();
        members
    }

    // ---- messages ----

    /// Posts by REST; the message.
    pub async fn posts(&self, chat: &Chat, text: &str) -> Value {
        let answer = self
            .post(&chat.path("/messages"), json!({"content": text}))
            .await
            .ok(201);
        answer["message"].clone()
    }

    pub async fn posts_as(&self, chat: &Chat, client_id: &str, text: &str) -> Answer {
        self.post(&chat.path("/messages"), json!({"content": text, "clientId": client_id}))
            .await
    }

    /// A page of history as it is answered; `query` without the question mark.
    pub async fn page(&self, chat: &Chat, query: &str) -> Value {
        self.get(&chat.path(&format!("/messages?{query}"))).await.ok(200)
    }

    /// The whole history, oldest first, without marking it read.
    pub async fn history(&self, chat: &Chat) -> Vec<Value> {
        let mut pages = Vec::new();
        let mut before = String::new();
        loop {
            let page = self.page(chat, &format!("limit=100&markRead=false{before}")).await;
            let messages = page["messages"].as_array().expect("a list").clone();
            before = messages
                .first()
                .map(|first| format!("&before={}", text(&first["id"])))
                .unwrap_or_default();
            let more = page["hasMore"].as_bool().expect("hasMore") && !messages.is_empty();
            pages.push(messages);
            if !more {
                return pages.into_iter().rev().flatten().collect();
            }
        }
    }

    /// The texts of the history, oldest first, without what the server itself said or what was deleted.
    pub async fn texts(&self, chat: &Chat) -> Vec<String> {
        let history = self.history(chat).await;
        history
            .iter()
            .filter(|message| message["type"] == "text" && message["deletedAt"].is_null())
            .map(|message| text(&message["content"]))
            .collect()
    }

    // ---- for others ----

    /// A call that they, an administrator, make for somebody else.
    pub fn acts_as(&self, other: &Person, method: &str, path: &str) -> Call {
        self.call(method, path).header("parlor-act-as", &other.id)
    }

    /// Has the server say something.
    pub async fn announces(&self, chat: &Chat, text: &str) -> Answer {
        self.post(&chat.path("/messages"), json!({"type": "system", "content": text}))
            .await
    }

    // ---- tabs ----

    pub async fn connect(&self) -> Tab {
        self.dial().open().await
    }

    pub fn dial(&self) -> Dial {
        Dial::new(&self.realm, &self.name).bearer(&self.token)
    }

    /// A connection whose every byte is the test's own, after the upgrade.
    pub async fn raw(&self) -> Raw {
        Raw::connect(&self.realm, &self.token).await
    }

    /// The same, with a receive buffer so small that the server notices soon that nobody reads.
    pub async fn raw_with_a_small_buffer(&self) -> Raw {
        Raw::connect_with_buffer(&self.realm, &self.token, Some(4096)).await
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text and not {value}"))
        .to_owned()
}
