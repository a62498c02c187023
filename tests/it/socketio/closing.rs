//! How Socket.IO sessions end: malformed packets, silence, revoked tokens, goodbyes; and that the client is told why.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{harness::*, messages::pair};

#[tokio::test]
async fn malformed_packets_close_the_connection() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    let long = format!("42[\"x\",\"{}\"]", "x".repeat(200));
    for bad in [
        "",
        "abc",
        "0{}",
        "7",
        "4",
        "4abc",
        "49",
        "42",
        "42{}",
        "42[]",
        "42[null]",
        "42[{}]",
        "42[\"a\"",
        "42[\"a\"]]",
        "42abc[\"sync\"]",
        "42[\"connect\"]",
        "42[\"disconnect\"]",
        "429999999999999999[\"sync\"]",
        "43[]",
        "43x[]",
        "45[\"a\"]",
        "4511-[\"a\"]",
        "451-{}",
        "40[]",
        "40{}",
        "41{}",
        "44",
        "42/other,[\"a\"]",
        "2probe",
        "5",
        "bAQID",
        &long[..40],
    ] {
        let mut socket = bob.packets(&server).await;
        socket.sends_text(bad).await;
        let told = socket.sees_packet("42[\"error\"").await;
        assert_eq!(arguments(&told)[1]["closeCode"], 4400, "{bad}: {told}");
        assert_eq!(
            arguments(&told)[1]["message"],
            "a packet was not this protocol",
            "{bad}"
        );
        // A client that comes back by itself would only do the same again.
        assert_eq!(socket.next().await.unwrap().payload, b"41", "{bad}");
        socket.is_closed_with(4400).await;
    }
    let mut poller = bob.poller(&server).await;
    poller.says("4abc").await;
    let told = poller.sees(|packet| packet.starts_with("42[\"error\"")).await;
    assert_eq!(arguments(&told)[1]["closeCode"], 4400);
    poller.sees(|packet| packet == "41").await;
    assert_eq!(poller.polls().await, ["1"], "in a payload of its own");
    poller.is_gone().await;
}

#[tokio::test]
async fn before_it_is_known_who_speaks_nothing_else_is_taken() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    for bad in ["42[\"sync\",{}]", "431[]", "4abc", "abc", "451-[\"a\"]", "5", "2probe"] {
        let mut socket = server.packets("", &[]).await;
        socket.sends_text(bad).await;
        socket.is_closed_with(4400).await;
    }
    // Another namespace, and a wrong token, leave the connection for a better try; not for ever.
    let mut socket = server.packets("", &[]).await;
    socket.sends_text("40/other,{}").await;
    let refused = socket.sees_packet("44").await;
    assert_eq!(refused, "44/other,{\"message\":\"Invalid namespace\"}");
    for _ in 0..2 {
        socket.sends_text("40{\"token\":\"nonsense\"}").await;
        let refused = socket.sees_packet("44{").await;
        let refused: serde_json::Value = serde_json::from_str(&refused[2..]).unwrap();
        assert_eq!(refused["data"]["code"], "UNAUTHORIZED");
        assert_eq!(refused["message"], refused["data"]["message"]);
    }
    socket.sends_text(&bob.connects_with()).await;
    let connected = socket.sees_packet("40{").await;
    let connected: serde_json::Value = serde_json::from_str(&connected[2..]).unwrap();
    let ready = socket.sees_packet("42[\"ready\"").await;
    assert_eq!(arguments(&ready)[1]["sessionId"], connected["sid"]);
    assert!(connected["pid"].is_string());
    let mut stubborn = server.packets("", &[]).await;
    for _ in 0..5 {
        stubborn.sends_text("40{}").await;
    }
    stubborn.is_closed_with(4401).await;
}

#[tokio::test]
async fn whoever_never_says_who_they_are_is_closed_after_ten_seconds() {
    let server = Server::start().await;
    let began = Instant::now();
    let mut socket = server.packets("", &[]).await;
    let poller = server.poller().await;
    let parked = poller.begins_poll();
    socket.is_closed_with(4408).await;
    assert_eq!(parked.await.unwrap().text, "1");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(9), "{took:?}");
    poller.is_gone().await;
}

#[tokio::test]
async fn sessions_are_pinged_and_the_silent_are_swept() {
    let server = Server::with()
        .set("heartbeat_seconds", 1)
        .set("heartbeat_timeout_seconds", 6)
        .start()
        .await;
    let bob = server.user("bob").await;
    let mut socket = bob.packets(&server).await;
    let mut poller = bob.poller(&server).await;
    for _ in 0..8 {
        socket.sees_packet("2").await;
        socket.sends_text("3").await;
        // Answers it by itself.
        poller.sees(|packet| packet == "2").await;
    }
    let began = Instant::now();
    let told = socket.sees_packet("42[\"error\"").await;
    assert_eq!(arguments(&told)[1]["closeCode"], 4408);
    socket.is_closed_with(4408).await;
    // Who vanishes between polls is not waited for, nor told.
    let admin = server.admin("root").await;
    while admin.get("/api/admin/sessions").await.ok(200)["sessions"] != json!([]) {
        assert!(began.elapsed() < DEADLINE, "a session that vanished is still there");
    }
    poller.is_gone().await;
}

#[tokio::test]
async fn a_session_that_is_ended_is_told_why_over_either_transport() {
    let (server, _alice, bob, _chat) = pair().await;
    let admin = server.admin("root").await;
    let mut socket = bob.packets(&server).await;
    let mut poller = bob.poller(&server).await;
    let sessions = admin.get("/api/admin/sessions").await.ok(200);
    for session in sessions["sessions"].as_array().unwrap() {
        let path = format!("/api/admin/sessions/{}", session["sessionId"].as_str().unwrap());
        admin.delete(&path).await.ok(204);
    }
    let why = json!({"code": "FORBIDDEN", "message": "access revoked", "closeCode": 4403});
    let told = socket.sees_packet("42[\"error\"").await;
    assert_eq!(arguments(&told)[1], why);
    assert_eq!(socket.next().await.unwrap().payload, b"41");
    socket.is_closed_with(4403).await;
    assert_eq!(poller.sees_event("error").await, why);
    poller.sees(|packet| packet == "41").await;
    assert_eq!(poller.polls().await, ["1"], "in a payload of its own");
    poller.is_gone().await;
}

#[tokio::test]
async fn a_server_that_goes_away_lets_clients_come_back_by_themselves() {
    let mut server = Server::start().await;
    let bob = server.user("bob").await;
    let mut socket = bob.packets(&server).await;
    let poller = bob.poller(&server).await;
    let parked = poller.begins_poll();
    // What was begun before has left when this is answered.
    server.call("GET", "/healthz").send().await.ok(200);
    server.terminate();
    let told = socket.sees_packet("42[\"error\"").await;
    assert_eq!(arguments(&told)[1]["code"], "UNAVAILABLE");
    // No `41`: a stock client would not come back after it.
    socket.is_closed_with(1012).await;
    let last = parked.await.unwrap().text;
    assert!(last.contains("UNAVAILABLE") && !last.contains("\u{1e}41"), "{last}");
    server.exit(Duration::from_secs(12)).await;
}

#[tokio::test]
async fn an_expired_token_ends_the_session() {
    let server = Server::start().await;
    let bob = server.seen("bob", Person::token_of("bob").ttl(10)).await;
    let mut socket = bob.packets(&server).await;
    socket.sees_packet("42[\"token_expiring\"").await;
    let told = socket.sees_packet("42[\"error\"").await;
    let why = json!({"code": "TOKEN_EXPIRED", "message": "token expired", "closeCode": 4401});
    assert_eq!(arguments(&told)[1], why);
    assert_eq!(socket.next().await.unwrap().payload, b"41");
    socket.is_closed_with(4401).await;
}

#[tokio::test]
async fn what_is_too_big_is_refused_at_its_header() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    for opcode in [op::TEXT, op::BINARY] {
        let mut socket = bob.packets(&server).await;
        socket.sends(&raw::head(0x80 | opcode, 0x80, 129 * 1024)).await;
        socket.is_closed_with(1009).await;
    }
}

#[tokio::test]
async fn binary_is_bounded_and_answered() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    let mut socket = bob.packets(&server).await;
    socket
        .sends_text("452-7[\"sync\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]")
        .await;
    for _ in 0..2 {
        socket.sends_frame(true, op::BINARY, &[1, 2, 3]).await;
    }
    let answer = socket.sees_packet("437[").await;
    assert_eq!(arguments(&answer)[0]["error"]["code"], "VALIDATION_ERROR");
    // Without a number the failure is an event; an answer to nothing is nothing.
    socket
        .sends_text("451-[\"sync\",{\"_placeholder\":true,\"num\":0}]")
        .await;
    socket.sends_frame(true, op::BINARY, &[]).await;
    let told = socket.sees_packet("42[\"error\"").await;
    assert_eq!(arguments(&told)[1]["event"], "sync");
    socket.sends_text("461-9[{\"_placeholder\":true,\"num\":0}]").await;
    socket.sends_frame(true, op::BINARY, &[9; 1000]).await;
    socket.sends_text("439[]").await;
    socket.sends_text("421[\"get_presence\",{\"userIds\":[]}]").await;
    socket.sees_packet("431[").await;
    // Attachments of nothing, and a packet among attachments, break the protocol.
    socket.sends_frame(true, op::BINARY, &[1]).await;
    socket.is_closed_with(4400).await;
    let mut socket = bob.packets(&server).await;
    socket
        .sends_text("451-[\"sync\",{\"_placeholder\":true,\"num\":0}]")
        .await;
    socket.sends_text("421[\"sync\"]").await;
    socket.is_closed_with(4400).await;
}

#[tokio::test]
async fn connections_that_say_nothing_are_bounded_too() {
    let server = Server::with().set("max_connections", 3).start().await;
    let bob = server.user("bob").await;
    let _first = bob.packets(&server).await;
    let _pollers = [server.poller().await, server.poller().await];
    let answer = server
        .realm
        .call("GET", "/socket.io/?EIO=4&transport=polling")
        .send()
        .await;
    assert_eq!(
        (answer.status, answer.body["code"].as_str()),
        (503, Some("UNAVAILABLE"))
    );
}
