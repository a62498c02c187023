//! Refusals of whole requests: the client gets to read them whatever it was sending, and what only looks like an object is
//! none.

use serde_json::json;

use crate::{harness::*, messages::pair};

/// Sends a request in one go, head and body, and reads the answer: a reset fails.
async fn all_at_once(server: &Server, path: &str, bytes: usize) -> String {
    let mut raw = Raw::plain(&server.realm, None).await;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {bytes}\r\n\r\n"
    );
    raw.sends(head.as_bytes()).await;
    let piece = vec![b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let some = left.min(piece.len());
        raw.sends(&piece[..some]).await;
        left -= some;
    }
    raw.reads_head().await
}

#[tokio::test]
async fn whoever_is_refused_while_they_send_gets_to_read_why() {
    let server = Server::start().await;
    for bytes in [300, 3_000_000] {
        let answer = all_at_once(&server, "/api/uploads", bytes).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(!answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    let answer = all_at_once(&server, "/api/nothing", 300_000).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test]
async fn whoever_waits_before_they_send_is_answered() {
    let server = Server::start().await;
    let mut raw = Raw::plain(&server.realm, None).await;
    raw.sends(b"POST /api/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        .await;
    let answer = raw.reads_head().await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn an_array_is_no_object() {
    let (server, alice, _bob, chat) = pair().await;
    let messages = format!("/api/conversations/{}/messages", chat.id);
    let call = |path: &str, body: &str| {
        let call = server.call("POST", path).bearer(&alice.token);
        call.body("application/json", body)
    };
    let why = call(&messages, r#"["hello"]"#)
        .send()
        .await
        .refused(400, "VALIDATION_ERROR");
    assert!(why["message"].as_str().unwrap().contains("object"), "{why}");
    call(&messages, "null").send().await.refused(400, "VALIDATION_ERROR");
    call(&messages, " {\"content\":\"hello\"}").send().await.ok(201);

    let tab = alice.connect().await;
    refused(tab.asks("typing_start", json!([chat.id])).await, "VALIDATION_ERROR");
    let mut raw = alice.raw().await;
    raw.sees_event("ready").await;
    raw.sends_text(r#"["get_presence", 1, {"userIds": []}]"#).await;
    assert_eq!(raw.sees_event("error").await["code"], "VALIDATION_ERROR");
}

#[tokio::test]
async fn control_characters_are_looked_for_in_no_name() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    for path in [
        "/api/users?query=a%00b",
        "/api/channels?query=%00",
        "/api/channels?cursor=%00",
    ] {
        let answer = server.call("GET", path).bearer(&alice.token).send().await;
        answer.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_websocket_without_an_upgrade_is_told_what_is_missing() {
    let server = Server::start().await;
    let why = server.call("GET", "/ws").send().await.refused(400, "VALIDATION_ERROR");
    assert!(why["message"].as_str().unwrap().contains("WebSocket"), "{why}");
}

#[tokio::test]
async fn monitors_may_ask_without_wanting_the_words() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = server.call("HEAD", path).send().await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }
}
