//! A database that is locked or full: everybody is answered in time, nothing is sent that is not committed, and all
//! goes on when the database does.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{harness::*, messages::pair};

/// Sends with a client id until it is acknowledged, as the contract tells clients to when an error is retryable.
pub async fn sends_until_acknowledged(tab: &Tab, chat: &Chat, client_id: &str, text: &str) -> Value {
    let start = Instant::now();
    loop {
        match tab.sends_as(chat, client_id, text).await {
            Ok(message) => return message,
            Err(error) => {
                assert_eq!(error["retryable"], true, "{error}");
                assert!(start.elapsed() < DEADLINE, "refused for {DEADLINE:?}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_locked_database_is_answered_and_sends_nothing() {
    let (server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    alice_tab.sends(&chat, "before").await;
    let mut store = Store::open(server.place());
    store.locks();
    let asked = Instant::now();
    let by_socket = alice_tab.begins(
        "send_message",
        json!({"conversationId": chat.id, "content": "by socket", "clientId": "c-socket"}),
    );
    let by_rest = alice.posts_as(&chat, "c-rest", "by rest").await;
    let error = refused(alice_tab.answer(by_socket).await, "UNAVAILABLE");
    assert!(
        asked.elapsed() < ANSWERED_WITHIN,
        "answered after {:?}: {error}",
        asked.elapsed()
    );
    assert!(by_rest.took < ANSWERED_WITHIN, "answered after {:?}", by_rest.took);
    by_rest.refused(503, "UNAVAILABLE");
    // What needs no commit goes on.
    bob_tab.catches_up().await;
    assert_eq!(
        bob.page(&chat, "markRead=false").await["messages"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let alive = server.call("GET", "/healthz").send().await;
    assert_eq!(alive.status, 200);
    assert_eq!(
        bob_tab.live_seqs(&chat),
        [1],
        "nothing was broadcast that is not committed"
    );
    store.unlocks();
    let first = sends_until_acknowledged(&alice_tab, &chat, "c-socket", "by socket").await;
    sends_until_acknowledged(&alice_tab, &chat, "c-rest", "by rest").await;
    assert_eq!(
        alice_tab
            .sends_as(&chat, "c-socket", "by socket")
            .await
            .expect("repeated"),
        first
    );
    bob_tab.sees_message(&chat, "by socket").await;
    bob_tab.sees_message(&chat, "by rest").await;
    assert_eq!(bob_tab.live_seqs(&chat), [1, 2, 3], "each once");
    let mut texts = alice.texts(&chat).await;
    texts.sort();
    assert_eq!(texts, ["before", "by rest", "by socket"]);
}

#[tokio::test]
async fn a_database_locked_for_a_moment_is_nobodys_business() {
    let (server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let mut store = Store::open(server.place());
    store.locks();
    let data = json!({"conversationId": chat.id, "content": "patience", "clientId": "c-1"});
    let asked = alice_tab.begins("send_message", data);
    bob_tab.catches_up().await;
    store.unlocks();
    alice_tab.answer(asked).await.expect("the lock was gone in time");
    bob_tab.sees_message(&chat, "patience").await;
}

#[tokio::test]
async fn every_route_that_writes_is_answered_in_time_while_the_database_is_locked() {
    let (server, alice, bob, chat) = pair().await;
    let carol = server.user("carol").await;
    let group = alice.group("Tea", &[&bob]).await;
    let sent = alice.posts(&chat, "before").await;
    let message = format!("/messages/{}", sent["id"].as_str().expect("an id"));
    let mut store = Store::open(server.place());
    store.locks();
    let register = json!({"username": "dora", "password": "correct horse battery"});
    let calls = [
        server.call("POST", "/api/auth/register").json(&register),
        alice.call("PATCH", "/api/me").json(&json!({"displayName": "Al"})),
        alice
            .call("POST", "/api/conversations/find-or-create")
            .json(&json!({"otherUserId": carol.id})),
        alice
            .call("POST", "/api/conversations")
            .json(&json!({"kind": "group", "name": "Two"})),
        alice
            .call("POST", &group.path("/members"))
            .json(&json!({"userId": carol.id})),
        alice.call("DELETE", &group.path(&format!("/members/{}", bob.id))),
        bob.call("POST", &group.path("/leave")).json(&json!({})),
        bob.call("POST", &chat.path("/read")).json(&json!({"seq": 1})),
        alice.call("DELETE", &chat.path(&message)),
    ];
    let answers = futures_util::future::join_all(calls.map(Call::send)).await;
    for answer in answers {
        assert!(
            answer.took < ANSWERED_WITHIN,
            "answered after {:?}: {}",
            answer.took,
            answer.text
        );
        answer.refused(503, "UNAVAILABLE");
    }
    store.unlocks();
    // What was under way may have been done or not; the server itself goes on as if nothing had been.
    alice.posts(&chat, "after").await;
    assert_eq!(alice.texts(&chat).await.last().map(String::as_str), Some("after"));
}

#[tokio::test]
async fn a_full_disk_refuses_and_keeps_what_it_acknowledged() {
    need_faults();
    let mut server = Server::on_sqlite()
        .env("PARLOR_FAULT_SQLITE_MAX_PAGES", "300")
        .start()
        .await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let text = |number: usize| format!("{number:04}{}", "x".repeat(1900));
    let mut kept = Vec::new();
    let refused_at = loop {
        let number = kept.len();
        assert!(number < 2_000, "300 pages hold no {number} messages of 2 kB");
        match alice_tab.sends_as(&chat, &format!("c{number}"), &text(number)).await {
            Ok(_) => kept.push(text(number)),
            Err(error) => {
                refused(Err(error), "UNAVAILABLE");
                break number;
            }
        }
    };
    alice
        .posts_as(&chat, "by-rest", &text(9999))
        .await
        .refused(503, "UNAVAILABLE");
    assert_eq!(
        alice.texts(&chat).await,
        kept,
        "reading works, and shows what was acknowledged"
    );
    bob_tab.catches_up().await;
    assert!(
        bob_tab.live_seqs(&chat).len() <= kept.len(),
        "nothing refused was broadcast"
    );
    assert_eq!(server.call("GET", "/healthz").send().await.status, 200);
    // With room again: the same client id is taken, and the seq goes on without a gap.
    server.stop().await;
    server
        .restart_with(|setup| setup.without_env("PARLOR_FAULT_SQLITE_MAX_PAGES"))
        .await;
    let tab = alice.connect().await;
    let sent = tab
        .sends_as(&chat, &format!("c{refused_at}"), &text(refused_at))
        .await
        .expect("there is room");
    assert_eq!(sent["seq"], kept.len() as u64 + 1);
    kept.push(text(refused_at));
    assert_eq!(alice.texts(&chat).await, kept);
}
