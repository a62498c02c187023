//! The server-to-server way in: an administrator's token acts for users, and has the server say something.

use serde_json::json;

use crate::{
    harness::*,
    permissions::{described, plain},
};

/// Routes without a caller: who asks is of no interest there.
const OPEN: [&str; 7] = [
    "/api/auth/register",
    "/api/auth/login",
    "/api/openapi.json",
    "/api/asyncapi.json",
    "/healthz",
    "/readyz",
    "/uploads/{}",
];

#[tokio::test]
async fn a_backend_makes_conversations_and_posts_for_its_users() {
    let server = Server::start().await;
    let (backend, alice, bob) = (
        server.admin("backend").await,
        server.user("alice").await,
        server.user("bob").await,
    );
    let tab = bob.connect().await;
    let body = json!({"otherUserId": bob.id});
    let made = backend
        .acts_as(&alice, "POST", "/api/conversations/find-or-create")
        .json(&body)
        .send()
        .await
        .ok(201);
    let chat = Chat {
        id: made["conversationId"].as_str().expect("an id").to_owned(),
    };
    let body = json!({"content": "hello from the product", "clientId": "order-4711"});
    let post = async || {
        backend
            .acts_as(&alice, "POST", &chat.path("/messages"))
            .json(&body)
            .send()
            .await
    };
    let message = post().await.ok(201)["message"].clone();
    assert_eq!(message["sender"], alice.shown());
    let seen = tab.sees_message(&chat, "hello from the product").await;
    assert_eq!(seen, message);
    assert_eq!(post().await.ok(200)["message"], message, "repeated");
    // It is Alice's own, for all there is to it.
    let id = message["id"].as_str().expect("an id");
    alice.delete(&chat.path(&format!("/messages/{id}"))).await.ok(200);
    let group = json!({"kind": "group", "name": "Order 4711", "memberIds": [bob.id]});
    let made = backend
        .acts_as(&alice, "POST", "/api/conversations")
        .json(&group)
        .send()
        .await
        .ok(201);
    assert_eq!(made["conversation"]["role"], "owner");
    let group = Chat {
        id: made["conversation"]["id"].as_str().expect("an id").to_owned(),
    };
    assert_eq!(
        bob.members(&group).await,
        [
            ("member".to_owned(), bob.id.clone()),
            ("owner".to_owned(), alice.id.clone())
        ]
    );
    assert_eq!(
        backend.acts_as(&alice, "GET", "/api/me").send().await.ok(200),
        alice.shown()
    );
    let (_, stderr) = server.output();
    let line = format!("u-backend acts for u-alice: POST {}", chat.path("/messages"));
    assert!(stderr.contains(&line), "{stderr}");
    assert!(!stderr.contains("hello from the product"), "{stderr}");
}

#[tokio::test]
async fn who_acts_for_somebody_may_what_they_may_and_no_more() {
    let server = Server::start().await;
    let (root, alice, bob) = (
        server.admin("root").await,
        server.user("alice").await,
        server.user("bob").await,
    );
    let chat = alice.group("Group", &[&bob]).await;
    let posts = async |person: &Person| {
        let call = root.acts_as(person, "POST", &chat.path("/messages"));
        call.json(&json!({"content": "hi"})).send().await
    };
    posts(&bob).await.ok(201);
    root.acts_as(&bob, "DELETE", &chat.path(""))
        .send()
        .await
        .refused(403, "FORBIDDEN");
    alice.removes(&chat, &bob).await;
    posts(&bob).await.refused(403, "NOT_MEMBER");
    posts(&root).await.refused(403, "NOT_MEMBER");
    root.post(&chat.path("/messages"), json!({"content": "hi"}))
        .await
        .refused(403, "NOT_MEMBER");
    // What is for administrators is not for a user, whoever acts for them.
    root.acts_as(&alice, "GET", "/api/admin/sessions")
        .send()
        .await
        .refused(403, "FORBIDDEN");
    root.acts_as(&alice, "GET", "/metrics")
        .send()
        .await
        .refused(403, "FORBIDDEN");
    let announcement = json!({"type": "system", "content": "hear, hear"});
    let call = root.acts_as(&alice, "POST", &chat.path("/messages"));
    call.json(&announcement).send().await.refused(400, "VALIDATION_ERROR");
    // The token is root's: logging out for somebody would end it.
    root.acts_as(&alice, "POST", "/api/auth/logout")
        .send()
        .await
        .refused(403, "FORBIDDEN");
    root.get("/api/me").await.ok(200);
    assert_eq!(alice.texts(&chat).await, ["hi"]);
}

#[tokio::test]
async fn the_header_takes_one_id_of_somebody_who_exists() {
    let server = Server::start().await;
    let (root, alice) = (server.admin("root").await, server.user("alice").await);
    let acts_as = async |id: &str| root.call("GET", "/api/me").header("parlor-act-as", id).send().await;
    for malformed in ["", " ", "two words", "u-alice,u-bob", "ümlaut", &"a".repeat(65)] {
        acts_as(malformed).await.refused(400, "VALIDATION_ERROR");
    }
    acts_as("u-nobody").await.refused(404, "NOT_FOUND");
    let twice = root.acts_as(&alice, "GET", "/api/me").header("parlor-act-as", &root.id);
    twice.send().await.refused(400, "VALIDATION_ERROR");
    assert_eq!(acts_as("u-alice").await.ok(200), alice.shown());
    // A socket is whose token it is: taken there and ignored, the header would mislead.
    let dial = root.dial().header("parlor-act-as", alice.id.clone());
    dial.refused().await.refused(400, "VALIDATION_ERROR");
    assert_eq!(acts_as("u-root").await.ok(200), root.shown());
}

/// Also for themselves, also for nobody, on every route that has a caller.
#[tokio::test]
async fn nobody_but_administrators_acts_for_others() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut refused = 0;
    for (method, template) in described(&server).await {
        if OPEN.contains(&template.as_str()) {
            continue;
        }
        let path = template.replace("{}", "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f");
        for id in [&bob.id, &alice.id, "u-nobody", "not an id"] {
            let call = alice.call(&method, &path).header("parlor-act-as", id);
            call.send().await.refused(403, "FORBIDDEN");
        }
        server
            .call(&method, &path)
            .header("parlor-act-as", &bob.id)
            .send()
            .await
            .refused(401, "UNAUTHORIZED");
        refused += 1;
    }
    assert!(refused >= 20, "{refused}");
}

#[tokio::test]
async fn the_header_is_described_where_it_is_taken() {
    let server = Server::start().await;
    let description = server.call("GET", "/api/openapi.json").send().await.ok(200);
    let header = &description["components"]["parameters"]["ActAs"];
    assert_has(
        header,
        &json!({"name": "Parlor-Act-As", "in": "header", "required": false}),
    );
    for (template, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            let all = operation["parameters"].as_array().cloned().unwrap_or_default();
            let there = all.contains(&json!({"$ref": "#/components/parameters/ActAs"}));
            assert_eq!(there, !OPEN.contains(&plain(template).as_str()), "{method} {template}");
        }
    }
}

#[tokio::test]
async fn an_administrator_has_the_server_say_something() {
    let server = Server::start().await;
    let (root, alice, bob) = (
        server.admin("root").await,
        server.user("alice").await,
        server.user("bob").await,
    );
    let chat = alice.direct_with(&bob).await;
    let tab = bob.connect().await;
    alice.posts(&chat, "hi").await;
    let body = json!({"type": "system", "content": " The order <b>was sent</b>. ", "clientId": "a-1"});
    let announce = async || root.post(&chat.path("/messages"), body.clone()).await;
    let message = announce().await.ok(201)["message"].clone();
    let expected = json!({"event": "announcement", "text": "The order <b>was sent</b>."});
    assert_eq!((&message["type"], &message["content"]), (&json!("system"), &expected));
    assert_eq!((&message["seq"], &message["sender"]), (&json!(2), &root.shown()));
    assert_eq!(announce().await.ok(200)["message"], message, "repeated");
    let other = json!({"type": "system", "content": "another", "clientId": "a-1"});
    root.post(&chat.path("/messages"), other).await.refused(409, "CONFLICT");
    let seen = tab.sees("new_message", |seen| seen["seq"] == 2).await;
    assert_eq!(seen, message);
    alice.posts(&chat, "behind it").await;
    assert_eq!(
        bob.listed(&chat).await["unreadCount"],
        2,
        "an announcement is not unread"
    );
    assert_eq!(alice.history(&chat).await[1], message);
    // It is the server's: nobody deletes it, and saying it makes nobody a member.
    let path = chat.path(&format!("/messages/{}", message["id"].as_str().expect("an id")));
    alice.delete(&path).await.refused(403, "FORBIDDEN");
    root.delete(&path).await.refused(403, "NOT_MEMBER");
    root.get(&chat.path("/messages")).await.refused(403, "NOT_MEMBER");
}

#[tokio::test]
async fn an_announcement_is_a_text_of_an_administrator_to_a_conversation_that_exists() {
    let server = Server::start().await;
    let (root, alice) = (server.admin("root").await, server.user("alice").await);
    let chat = alice.group("Group", &[]).await;
    alice
        .announces(&chat, "hear, hear")
        .await
        .refused(400, "VALIDATION_ERROR");
    let by_tab = json!({"conversationId": chat.id, "type": "system", "content": "hear, hear"});
    let root_tab = root.connect().await;
    refused(root_tab.asks("send_message", by_tab).await, "VALIDATION_ERROR");
    for content in [
        json!(""),
        json!(" \n"),
        json!({"event": "member_added"}),
        json!("x".repeat(2001)),
        json!("a\u{0}b"),
    ] {
        let body = json!({"type": "system", "content": content});
        root.post(&chat.path("/messages"), body)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    let nowhere = Chat {
        id: "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f".to_owned(),
    };
    root.announces(&nowhere, "hear, hear").await.refused(404, "NOT_FOUND");
    root.announces(&chat, "hear, hear").await.ok(201);
    alice.delete(&chat.path("")).await.ok(204);
    root.announces(&chat, "hear, hear").await.refused(404, "NOT_FOUND");
}

/// The backend of a product speaks for many; a user's own limit stays as it is.
#[tokio::test]
async fn who_administrates_the_server_is_not_held_up() {
    let server = Server::with()
        .set("rate_limits", "on")
        .set("rate_messages_per_second", 1)
        .set("rate_messages_burst", 1)
        .start()
        .await;
    let (root, alice) = (server.admin("root").await, server.user("alice").await);
    let chat = alice.group("Group", &[]).await;
    for number in 0..5 {
        root.announces(&chat, "hear, hear").await.ok(201);
        let call = root.acts_as(&alice, "POST", &chat.path("/messages"));
        call.json(&json!({"content": number.to_string()})).send().await.ok(201);
    }
    alice.posts(&chat, "my own").await;
    alice
        .post(&chat.path("/messages"), json!({"content": "too fast"}))
        .await
        .refused(429, "RATE_LIMITED");
}
