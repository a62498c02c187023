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

    /// The path of a message of it.
    pub fn message(&self, message: &Value, rest: &str) -> String {
        let id = message["id"].as_str().expect("a message has an id");
        self.path(&format!("/messages/{id}{rest}"))
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

    pub async fn channel(&self, name: &str) -> Chat {
        chat(&self.makes(json!({"kind": "channel", "name": name})).await)
    }

    /// A room without slow mode, and its invite code.
    pub async fn room(&self, members: &[&Person]) -> (Chat, String) {
        let ids: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
        let made = self
            .makes(json!({"kind": "room", "memberIds": ids, "slowModeSeconds": null}))
            .await;
        (chat(&made), text(&made["inviteCode"]))
    }

    /// Makes a conversation; as it is answered.
    pub async fn makes(&self, body: Value) -> Value {
        let answer = self.post("/api/conversations", body).await.ok(201);
        answer["conversation"].clone()
    }

    /// A new invite code of the conversation.
    pub async fn new_code(&self, chat: &Chat) -> String {
        let answer = self.post(&chat.path("/invite-code"), json!({})).await.ok(200);
        text(&answer["inviteCode"])
    }

    pub async fn joins(&self, chat: &Chat) -> Answer {
        self.call("POST", &chat.path("/join")).send().await
    }

    pub async fn joins_by(&self, code: &str) -> Answer {
        self.post("/api/conversations/join-by-code", json!({"inviteCode": code}))
            .await
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

    /// Posts an answer to a message; the answer.
    pub async fn replies(&self, chat: &Chat, to: &Value, text: &str) -> Value {
        let body = json!({"content": text, "replyToId": to["id"]});
        let answer = self.post(&chat.path("/messages"), body).await.ok(201);
        answer["message"].clone()
    }

    /// Edits by REST; the message as it is then.
    pub async fn edits(&self, chat: &Chat, message: &Value, text: &str) -> Value {
        let answer = self
            .patch(&chat.message(message, ""), json!({"content": text}))
            .await
            .ok(200);
        answer["message"].clone()
    }

    pub async fn deletes(&self, chat: &Chat, message: &Value) -> Value {
        self.delete(&chat.message(message, "")).await.ok(200)
    }

    /// Reacts by REST; all of the message's reactions then.
    pub async fn reacts(&self, chat: &Chat, message: &Value, emoji: &str) -> Value {
        let path = chat.message(message, &format!("/reactions/{emoji}"));
        self.call("PUT", &path).send().await.ok(200)["reactions"].clone()
    }

    /// Takes a reaction back by REST; all of the message's reactions then.
    pub async fn takes_back(&self, chat: &Chat, message: &Value, emoji: &str) -> Value {
        let path = chat.message(message, &format!("/reactions/{emoji}"));
        self.delete(&path).await.ok(200)["reactions"].clone()
    }

    /// Marks as read by REST; where they stand then.
    pub async fn reads(&self, chat: &Chat, seq: u64) -> Value {
        self.post(&chat.path("/read"), json!({"seq": seq})).await.ok(200)
    }

    /// Who has read a message: the ids, the first one first.
    pub async fn sees_readers(&self, chat: &Chat, message: &Value) -> Vec<String> {
        let receipts = self.get(&chat.message(message, "/receipts")).await.ok(200);
        let read_by = receipts["readBy"].as_array().expect("a list").iter();
        read_by.map(|receipt| text(&receipt["user"]["id"])).collect()
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

/// What an answer shows.
pub fn chat(conversation: &Value) -> Chat {
    Chat {
        id: text(&conversation["id"]),
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text and not {value}"))
        .to_owned()
}
