//! Tokens that end while a session is open, and hearts that stop beating.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::*;

/// The contract: nothing five seconds after the expiry. With a second for the whole seconds of `exp`.
const GRACE: Duration = Duration::from_secs(6);

#[tokio::test]
async fn an_expiring_token_is_announced_and_then_closes_the_session() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let bob_tab = bob.connect().await;
    let start = Instant::now();
    let tab = alice
        .holding(&Person::token_of("alice").ttl(10).signed())
        .connect()
        .await;
    let told = tab.sees("token_expiring", |_| true).await;
    assert_shape(&told, &json!({"expiresAt": "<time>"}));
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "at once, when less than 60 s are left"
    );
    tab.sends(&chat, "still valid").await;
    let closed = tab.is_closed_with(4401).await;
    let took = closed.duration_since(start);
    assert!(
        took > Duration::from_secs(8),
        "closed before the expiry, after {took:?}"
    );
    assert!(
        took < Duration::from_secs(10) + GRACE,
        "closed {took:?} after a token of 10 s"
    );
    bob_tab
        .sees("user_offline", |gone| gone["userId"] == json!(alice.id))
        .await;
    assert_eq!(tab.got("token_expiring").len(), 1);
}

#[tokio::test]
async fn a_token_with_more_than_a_minute_left_is_not_announced_yet() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let tab = alice
        .holding(&Person::token_of("alice").ttl(70).signed())
        .connect()
        .await;
    tab.catches_up().await;
    assert!(tab.got("token_expiring").is_empty());
    let start = Instant::now();
    tab.sees("token_expiring", |_| true).await;
    assert!(start.elapsed() < Duration::from_secs(30), "60 s ahead, of 70");
}

#[tokio::test]
async fn a_fresh_token_keeps_the_session_open() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let short = || alice.holding(&Person::token_of("alice").ttl(8).signed());
    let (renewed, forgotten) = (short().connect().await, short().connect().await);
    let fresh = Person::token_of("alice").ttl(3600).signed();
    let answer = renewed.does("authenticate", json!({"token": fresh})).await;
    assert_shape(&answer, &json!({"expiresAt": "<time>"}));
    // The other session with such a short token shows when it is over.
    forgotten.is_closed_with(4401).await;
    renewed.sends(&chat, "still here").await;
    renewed.catches_up().await;
}

#[tokio::test]
async fn authenticate_takes_only_a_good_token_of_the_same_user() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let tab = alice.connect().await;
    refused(tab.asks("authenticate", json!({"token": bob.token})).await, "FORBIDDEN");
    refused(
        tab.asks("authenticate", json!({"token": "nonsense"})).await,
        "UNAUTHORIZED",
    );
    let unsigned = Person::token_of("alice").signed_by(&Key::Nobody);
    refused(
        tab.asks("authenticate", json!({"token": unsigned})).await,
        "UNAUTHORIZED",
    );
    let expired = Person::token_of("alice").ttl(-10).signed();
    refused(
        tab.asks("authenticate", json!({"token": expired})).await,
        "TOKEN_EXPIRED",
    );
    refused(tab.asks("authenticate", json!({})).await, "VALIDATION_ERROR");
    // None of it harmed the session, whose own token is good.
    tab.catches_up().await;
    assert_eq!(
        tab.does("authenticate", json!({"token": alice.token})).await["expiresAt"]
            .as_str()
            .map(str::len),
        Some(24)
    );
}

#[tokio::test]
async fn a_token_that_replaced_another_is_the_one_that_logout_revokes() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let tab = alice.connect().await;
    let fresh = Person::token_of("alice").signed();
    tab.does("authenticate", json!({"token": fresh})).await;
    alice.post("/api/auth/logout", json!({})).await.ok(204);
    tab.catches_up().await;
    alice.holding(&fresh).post("/api/auth/logout", json!({})).await.ok(204);
    tab.is_closed_with(4401).await;
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_closed() {
    let server = Server::with()
        .set("heartbeat_seconds", 1)
        .set("heartbeat_timeout_seconds", 6)
        .start()
        .await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    alice.direct_with(&bob).await;
    let bob_tab = bob.connect().await;
    let mut silent = alice.raw().await;
    let start = Instant::now();
    assert_eq!(silent.sees_event("ready").await["heartbeatSeconds"], 1);
    silent.sees("a ping", |frame| frame.opcode == op::PING).await;
    // It reads, but says nothing.
    silent.is_closed_with(4408).await;
    let took = start.elapsed();
    assert!(
        (Duration::from_secs(5)..DEADLINE).contains(&took),
        "closed after {took:?}"
    );
    bob_tab
        .sees("user_offline", |gone| gone["userId"] == json!(alice.id))
        .await;
    // Bob's implementation answers pings: he is still there, after at least as long a time.
    bob_tab.catches_up().await;
}

#[tokio::test]
async fn a_peer_that_only_answers_pings_stays() {
    let server = Server::with()
        .set("heartbeat_seconds", 1)
        .set("heartbeat_timeout_seconds", 5)
        .start()
        .await;
    let alice = server.user("alice").await;
    let tab = alice.connect().await;
    for _ in 0..7 {
        tab.log
            .wait("a ping", |what| matches!(what, What::Ping).then_some(()))
            .await;
    }
    tab.catches_up().await;
}

#[tokio::test]
async fn a_peer_whose_network_is_gone_is_offline_in_time() {
    let server = Server::with()
        .set("heartbeat_seconds", 1)
        .set("heartbeat_timeout_seconds", 5)
        .start()
        .await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    alice.direct_with(&bob).await;
    let bob_tab = bob.connect().await;
    // It neither reads nor writes nor closes: as behind a cable that was pulled.
    let frozen = alice.raw_with_a_small_buffer().await;
    bob_tab
        .sees("user_online", |who| who["userId"] == json!(alice.id))
        .await;
    bob_tab
        .sees("user_offline", |gone| gone["userId"] == json!(alice.id))
        .await;
    drop(frozen);
}

#[tokio::test]
async fn a_room_that_was_idle_comes_back() {
    let server = Server::with()
        .set("room_idle_seconds", 1)
        .set("heartbeat_seconds", 1)
        .start()
        .await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    for round in 1..=3u64 {
        alice_tab.sends(&chat, &format!("round {round}")).await;
        bob_tab.sees_message(&chat, &format!("round {round}")).await;
        // Three of the server's heartbeats: the room has been idle for more than its second.
        for _ in 0..3 {
            alice_tab
                .log
                .wait("a ping", |what| matches!(what, What::Ping).then_some(()))
                .await;
        }
    }
    assert_eq!(bob_tab.live_seqs(&chat), [1, 2, 3]);
}
