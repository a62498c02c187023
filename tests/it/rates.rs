//! Rate limits, which the other tests turn off: messages, other events, logins, floods, and each turned off or set.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::*;

/// A server with its limits on, two people and their conversation.
async fn limited(setup: impl FnOnce(Setup) -> Setup) -> (Server, Person, Person, Chat) {
    let server = setup(Server::with().env("PARLOR_RATE_LIMITS", "on")).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    (server, alice, bob, chat)
}

fn begin(tab: &Tab, chat: &Chat, count: usize) -> Vec<i64> {
    let send = |number| {
        let data = json!({"conversationId": chat.id, "content": format!("m{number}")});
        tab.begins("send_message", data)
    };
    (1..=count).map(send).collect()
}

/// How many were taken, and the errors of the others, which must all be `RATE_LIMITED` with a time to wait.
async fn outcome(tab: &Tab, asked: Vec<i64>) -> (usize, Vec<Value>) {
    let mut errors = Vec::new();
    let all = asked.len();
    for id in asked {
        if let Err(error) = tab.answer(id).await {
            assert_limited(&error);
            errors.push(error);
        }
    }
    (all - errors.len(), errors)
}

/// What may be taken since then of a burst of 20 and one a second, when the bucket was full.
fn most(start: Instant) -> usize {
    21 + start.elapsed().as_secs() as usize
}

fn assert_limited(error: &Value) {
    assert_eq!(error["code"], "RATE_LIMITED", "{error}");
    assert_eq!(error["retryable"], true, "{error}");
    let wait = error["retryAfterMs"]
        .as_u64()
        .unwrap_or_else(|| panic!("no retryAfterMs: {error}"));
    assert!((1..=60_000).contains(&wait), "{error}");
}

#[tokio::test]
async fn a_burst_of_messages_is_taken_and_the_rest_refused_with_a_time_to_wait() {
    let (_server, alice, bob, chat) = limited(|setup| setup.set("rate_messages_per_second", 1)).await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let start = Instant::now();
    let (taken, errors) = outcome(&alice_tab, begin(&alice_tab, &chat, 30)).await;
    assert!(
        (20..=most(start)).contains(&taken),
        "a burst of 20, one a second: {taken} were taken"
    );
    assert_eq!(taken + errors.len(), 30);
    // Another user is not held up by it.
    bob_tab.sends(&chat, "quiet please").await;
    alice_tab.sees_message(&chat, "quiet please").await;
    assert_eq!(
        alice.history(&chat).await.len(),
        taken + 1,
        "what was refused is nowhere"
    );
}

#[tokio::test]
async fn the_limit_is_the_users_whatever_door_they_use() {
    let (_server, alice, _bob, chat) = limited(|setup| setup.set("rate_messages_per_second", 1)).await;
    let (desk, phone) = (alice.connect().await, alice.connect().await);
    let start = Instant::now();
    let (by_desk, by_phone) = (begin(&desk, &chat, 10), begin(&phone, &chat, 10));
    let taken = outcome(&desk, by_desk).await.0 + outcome(&phone, by_phone).await.0;
    assert!(
        (20..=most(start)).contains(&taken),
        "both together have a burst of 20: {taken} were taken"
    );
    let mut limited = None;
    for _ in 0..5 {
        let answer = alice.post(&chat.path("/messages"), json!({"content": "by post"})).await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("the burst is used up: REST is refused as well");
    let wait: u64 = limited.header("retry-after").parse().expect("Retry-After in seconds");
    let error = limited.refused(429, "RATE_LIMITED");
    assert_limited(&error);
    let exact = error["retryAfterMs"].as_u64().expect("checked");
    assert_eq!(
        wait,
        exact.div_ceil(1000),
        "Retry-After is retryAfterMs in whole seconds, rounded up"
    );
}

#[tokio::test]
async fn a_refused_message_is_taken_after_the_time_to_wait() {
    let (_server, alice, _bob, chat) =
        limited(|setup| setup.set("rate_messages_burst", 2).set("heartbeat_seconds", 1)).await;
    let tab = alice.connect().await;
    let (taken, errors) = outcome(&tab, begin(&tab, &chat, 30)).await;
    assert!(taken >= 2 && !errors.is_empty(), "{taken} taken");
    let wait = errors
        .last()
        .expect("one")
        .get("retryAfterMs")
        .and_then(Value::as_u64)
        .expect("checked");
    assert!(wait <= 1000, "ten a second: {wait} ms are too long");
    // The server's own heartbeat is the clock here: between two pings lies a second.
    for _ in 0..2 {
        tab.log
            .wait("a ping", |what| matches!(what, What::Ping).then_some(()))
            .await;
    }
    tab.sends_as(&chat, "later", "later")
        .await
        .expect("taken after the time to wait");
}

#[tokio::test]
async fn other_events_have_a_limit_of_their_own() {
    let (_server, alice, _bob, chat) = limited(|setup| setup.set("rate_events_per_second", 5)).await;
    let tab = alice.connect().await;
    let start = Instant::now();
    let asked = (0..60)
        .map(|_| tab.begins("get_presence", json!({"userIds": [alice.id]})))
        .collect();
    let (taken, errors) = outcome(&tab, asked).await;
    // What Alice did by REST before may count as well.
    let most = 10 + 5 * start.elapsed().as_secs() as usize;
    assert!((2..=most).contains(&taken), "about a second's worth is taken: {taken}");
    assert!(!errors.is_empty(), "60 at once are more than 5 a second");
    tab.sends(&chat, "messages are counted apart").await;
}

/// Everybody in a channel is told of whoever comes: that is saying something.
#[tokio::test]
async fn joining_counts_as_a_message() {
    let (_server, alice, bob, _chat) = limited(|setup| setup.set("rate_messages_per_second", 1)).await;
    let channel = alice.channel("Open").await;
    let start = Instant::now();
    let answers = join_all((0..60).map(|_| bob.joins(&channel))).await;
    let (joined, limited): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(
        (20..=most(start)).contains(&joined.len()),
        "a burst of 20, one a second: {}",
        joined.len()
    );
    for answer in limited {
        assert_limited(&answer.refused(429, "RATE_LIMITED"));
    }
}

#[tokio::test]
async fn a_flood_is_closed() {
    let (_server, alice, bob, chat) = limited(|setup| setup).await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let flood = tokio::spawn(async move {
        begin(&alice_tab, &chat, 5_000);
        alice_tab.is_closed_with(4429).await;
    });
    flood.await.expect("closed with 4429");
    bob_tab.catches_up().await;
    let again = alice.connect().await;
    again.catches_up().await;
}

#[tokio::test]
async fn zero_turns_a_limit_off() {
    let setup = |setup: Setup| {
        setup
            .set("rate_messages_per_second", 0)
            .set("rate_events_per_second", 0)
    };
    let (_server, alice, _bob, chat) = limited(setup).await;
    let tab = alice.connect().await;
    let (taken, _) = outcome(&tab, begin(&tab, &chat, 300)).await;
    assert_eq!(taken, 300);
    let asked = (0..300)
        .map(|_| tab.begins("get_presence", json!({"userIds": []})))
        .collect();
    assert_eq!(outcome(&tab, asked).await.0, 300);
}

#[tokio::test]
async fn logins_are_limited_for_a_name() {
    let (server, _alice, _bob, _chat) = limited(|setup| setup.set("rate_logins_per_minute", 3)).await;
    let body = json!({"username": "dora", "password": "correct horse battery"});
    server
        .call("POST", "/api/auth/register")
        .json(&body)
        .send()
        .await
        .ok(201);
    let wrong = json!({"username": "dora", "password": "guess"});
    // The registration may count as one of the three.
    let mut tries = 0;
    let answer = loop {
        let answer = server.call("POST", "/api/auth/login").json(&wrong).send().await;
        if answer.status == 429 {
            break answer;
        }
        answer.refused(401, "UNAUTHORIZED");
        tries += 1;
    };
    assert!((1..=3).contains(&tries), "three a minute, and {tries} were taken");
    assert!(answer.headers.contains_key("retry-after"));
    assert_limited(&answer.refused(429, "RATE_LIMITED"));
    // The right password does not open it either: a guesser learns nothing.
    server
        .call("POST", "/api/auth/login")
        .json(&body)
        .send()
        .await
        .refused(429, "RATE_LIMITED");
}

#[tokio::test]
async fn off_turns_all_of_them_off() {
    let (server, alice, _bob, chat) = limited(|setup| setup.env("PARLOR_RATE_LIMITS", "off")).await;
    let tab = alice.connect().await;
    assert_eq!(outcome(&tab, begin(&tab, &chat, 500)).await.0, 500);
    let wrong = json!({"username": "dora", "password": "guess"});
    for _ in 0..15 {
        server
            .call("POST", "/api/auth/login")
            .json(&wrong)
            .send()
            .await
            .refused(401, "UNAUTHORIZED");
    }
}
