//! Readers that do not read: closed when they hold too much, and nobody else waits for them.

use serde_json::json;

use crate::harness::*;

#[tokio::test]
async fn a_reader_too_slow_is_closed_and_nobody_waits_for_it() {
    let server = Server::with().set("outbox_kib", 256).start().await;
    let (alice, bob, carol) = (
        server.user("alice").await,
        server.user("bob").await,
        server.user("carol").await,
    );
    let chat = alice.group("Tea", &[&bob, &carol]).await;
    let start = alice.seq_of(&chat).await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let mut carol_raw = carol.raw_with_a_small_buffer().await;
    carol_raw.sees_event("ready").await;
    let offline = |tab: &Tab| {
        tab.got("user_offline")
            .iter()
            .any(|gone| gone["userId"] == json!(carol.id))
    };
    // Carol reads no more. Alice writes until the server gives up on Carol, at the latest after 64 MiB.
    let text = "x".repeat(2000);
    let mut sent = 0;
    while !offline(&alice_tab) {
        assert!(
            sent < 32_000,
            "Carol read nothing of {sent} messages and is still connected"
        );
        // Few enough at a time that a reader who reads, in this same process, stays far under the budget.
        let asked: Vec<i64> = (0..20)
            .map(|_| alice_tab.begins("send_message", json!({"conversationId": chat.id, "content": text})))
            .collect();
        let mut last = 0;
        for id in asked {
            let answer = alice_tab.answer(id).await.expect("Alice is not held up");
            last = answer["message"]["seq"].as_u64().expect("a seq");
            sent += 1;
        }
        // On a busy machine this process may starve, and Bob with it, who is not the one to be given up.
        bob_tab.sees("new_message", |message| message["seq"] == last).await;
    }
    let last = alice_tab.sends(&chat, "the end").await["seq"].as_u64().expect("a seq");
    bob_tab.sees_message(&chat, "the end").await;
    assert_eq!(
        bob_tab.live_seqs(&chat),
        (start + 1..=last).collect::<Vec<u64>>(),
        "Bob got all of it"
    );
    // What still reached Carol has no hole; if there was room for a close frame, it says why.
    let rest = carol_raw.rest().await;
    let seqs: Vec<u64> = rest
        .iter()
        .map(RawFrame::json)
        .filter(|frame| frame["event"] == "new_message")
        .map(|frame| frame["data"]["seq"].as_u64().expect("a seq"))
        .collect();
    assert_eq!(
        seqs,
        (start + 1..=start + seqs.len() as u64).collect::<Vec<u64>>(),
        "without a hole"
    );
    assert!((seqs.len() as u64) < last - start, "the slow reader was to miss some");
    for frame in rest.iter().filter(|frame| frame.opcode == op::CLOSE) {
        assert_eq!(frame.close_code(), Some(4430));
    }
    // And all of it can be had by a new connection.
    let again = carol.connect().await;
    let cursors = json!({"cursors": [{"conversationId": chat.id, "seq": last - 10}]});
    let part = again.does("sync", cursors).await["conversations"][0].clone();
    assert_eq!(
        (part["messages"].as_array().map(Vec::len), &part["seq"]),
        (Some(10), &json!(last))
    );
}

#[tokio::test]
async fn typing_is_dropped_for_a_slow_reader_and_never_closes_it() {
    let server = Server::with().set("outbox_kib", 256).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let alice_tab = alice.connect().await;
    alice_tab.opens(&chat).await;
    let mut bob_raw = bob.raw_with_a_small_buffer().await;
    bob_raw.sees_event("ready").await;
    let join = json!({"event": "join_conversation", "id": 1, "data": {"conversationId": chat.id}});
    bob_raw.sends_text(&join.to_string()).await;
    bob_raw.sees_answer(1).await;
    for _ in 0..5_000 {
        alice_tab.tells("typing_start", json!({"conversationId": chat.id}));
        alice_tab.tells("typing_stop", json!({"conversationId": chat.id}));
    }
    alice_tab.catches_up().await;
    alice_tab.sends(&chat, "after all that typing").await;
    bob_raw
        .sees("the message", |frame| {
            frame.json()["data"]["content"] == "after all that typing"
        })
        .await;
}
