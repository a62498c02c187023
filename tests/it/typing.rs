//! Typing: shown to the other viewers, taken back by hand, by leaving, and by itself.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{harness::*, messages::pair};

fn here(chat: &Chat) -> serde_json::Value {
    json!({"conversationId": chat.id})
}

#[tokio::test]
async fn typing_is_shown_to_the_other_viewers() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, alice_phone, bob_tab, bob_elsewhere) = (
        alice.connect().await,
        alice.connect().await,
        bob.connect().await,
        bob.connect().await,
    );
    for tab in [&alice_tab, &alice_phone, &bob_tab] {
        tab.opens(&chat).await;
    }
    assert_eq!(alice_tab.does("typing_start", here(&chat)).await, json!({}));
    let typing = bob_tab.sees("user_typing", |_| true).await;
    assert_eq!(
        typing,
        json!({"conversationId": chat.id, "userId": alice.id, "displayName": "Alice"})
    );
    assert_eq!(alice_tab.does("typing_stop", here(&chat)).await, json!({}));
    let stopped = bob_tab.sees("user_stopped_typing", |_| true).await;
    assert_eq!(
        stopped,
        json!({"conversationId": chat.id, "userId": alice.id, "displayName": "Alice"})
    );
    for tab in [&alice_tab, &bob_elsewhere] {
        tab.catches_up().await;
        assert!(
            tab.got("user_typing").is_empty(),
            "neither the typist nor who does not look: {}",
            tab.log.shown()
        );
    }
}

#[tokio::test]
async fn typing_stops_by_itself_after_five_seconds() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    for tab in [&alice_tab, &bob_tab] {
        tab.opens(&chat).await;
    }
    let before = Instant::now();
    alice_tab.does("typing_start", here(&chat)).await;
    bob_tab.sees("user_typing", |_| true).await;
    let (_, stopped) = bob_tab.sees_at("user_stopped_typing", |_| true).await;
    let took = stopped.duration_since(before);
    assert!(
        (Duration::from_secs(4)..Duration::from_secs(20)).contains(&took),
        "stopped after {took:?}"
    );
}

#[tokio::test]
async fn whoever_goes_on_typing_is_not_stopped() {
    let server = Server::with().set("heartbeat_seconds", 1).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    for tab in [&alice_tab, &bob_tab] {
        tab.opens(&chat).await;
    }
    alice_tab.does("typing_start", here(&chat)).await;
    let (_, started) = bob_tab.sees_at("user_typing", |_| true).await;
    // Between two of the server's heartbeats lies a second.
    for _ in 0..2 {
        alice_tab
            .log
            .wait("a ping", |what| matches!(what, What::Ping).then_some(()))
            .await;
    }
    let again = Instant::now();
    assert!(
        again.duration_since(started) < Duration::from_millis(4500),
        "too late to go on: the heart beats slowly"
    );
    alice_tab.does("typing_start", here(&chat)).await;
    let (_, stopped) = bob_tab.sees_at("user_stopped_typing", |_| true).await;
    let took = stopped.duration_since(again);
    assert!(
        took > Duration::from_secs(4),
        "each start begins the five seconds anew, and it stopped after {took:?}"
    );
    bob_tab.catches_up().await;
    assert_eq!(bob_tab.got("user_stopped_typing").len(), 1);
}

#[tokio::test]
async fn whoever_leaves_stops_typing() {
    let (_server, alice, bob, chat) = pair().await;
    let bob_tab = bob.connect().await;
    bob_tab.opens(&chat).await;
    let alice_tab = alice.connect().await;
    alice_tab.opens(&chat).await;
    alice_tab.does("typing_start", here(&chat)).await;
    let (_, started) = bob_tab.sees_at("user_typing", |_| true).await;
    alice_tab.closes_view(&chat).await;
    let (_, stopped) = bob_tab.sees_at("user_stopped_typing", |_| true).await;
    assert!(
        stopped.duration_since(started) < Duration::from_secs(4),
        "at once, not by itself"
    );
    alice_tab.opens(&chat).await;
    alice_tab.does("typing_start", here(&chat)).await;
    let (_, started) = bob_tab.sees_at("user_typing", |_| true).await;
    drop(alice_tab);
    let (_, stopped) = bob_tab.sees_at("user_stopped_typing", |_| true).await;
    assert!(
        stopped.duration_since(started) < Duration::from_secs(4),
        "also when the connection is lost"
    );
}

#[tokio::test]
async fn typing_is_refused_to_others() {
    let (server, alice, _bob, chat) = pair().await;
    let (alice_tab, stranger_tab) = (alice.connect().await, server.user("stranger").await.connect().await);
    for event in ["typing_start", "typing_stop"] {
        refused(stranger_tab.asks(event, here(&chat)).await, "NOT_MEMBER");
        refused(alice_tab.asks(event, json!({})).await, "VALIDATION_ERROR");
        let nowhere = json!({"conversationId": crate::messages::NO_SUCH_ID});
        refused(alice_tab.asks(event, nowhere).await, "NOT_FOUND");
    }
}

#[tokio::test]
async fn typing_takes_no_seq_and_is_not_history() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    for tab in [&alice_tab, &bob_tab] {
        tab.opens(&chat).await;
    }
    alice_tab.does("typing_start", here(&chat)).await;
    bob_tab.sees("user_typing", |_| true).await;
    assert_eq!(alice_tab.sends(&chat, "done").await["seq"], 1);
    assert_eq!(bob.history(&chat).await.len(), 1);
}
