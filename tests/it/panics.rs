//! Actors that panic: a room comes back from the store, a session takes only itself down.
//! The server's failure switches make them panic; they are compiled in with the feature `faults`.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{failures::sends_until_acknowledged, harness::*, messages::pair};

const PANIC_ROOM: &str = "!!parlor-fault-panic-room";
const PANIC_SESSION: &str = "!!parlor-fault-panic-session";

#[tokio::test]
async fn a_room_that_panics_comes_back_from_the_store() {
    need_faults();
    let (server, alice, bob, chat) = pair().await;
    let carol = server.user("carol").await;
    let other = alice.direct_with(&carol).await;
    let (alice_tab, bob_tab, carol_tab) = (alice.connect().await, bob.connect().await, carol.connect().await);
    for round in 0..5 {
        let before =
            sends_until_acknowledged(&alice_tab, &chat, &format!("a{round}"), &format!("before {round}")).await;
        bob_tab.sees_message(&chat, &format!("before {round}")).await;
        let asked = Instant::now();
        let error = alice_tab
            .sends_as(&chat, &format!("p{round}"), PANIC_ROOM)
            .await
            .expect_err("the room panicked");
        assert!(
            asked.elapsed() < ANSWERED_WITHIN,
            "answered after {:?}",
            asked.elapsed()
        );
        assert!(
            matches!(error["code"].as_str(), Some("UNAVAILABLE" | "INTERNAL")),
            "{error}"
        );
        // The other room knows nothing of it.
        alice_tab.sends(&other, &format!("elsewhere {round}")).await;
        carol_tab.sees_message(&other, &format!("elsewhere {round}")).await;
        let after = sends_until_acknowledged(&alice_tab, &chat, &format!("b{round}"), &format!("after {round}")).await;
        let seq = |message: &Value| message["seq"].as_u64().expect("a seq");
        assert_eq!(seq(&after), seq(&before) + 1, "no seq is lost");
        // Both sessions are the same as before, and get what comes.
        bob_tab.sees_message(&chat, &format!("after {round}")).await;
    }
    assert_eq!(
        bob_tab.live_seqs(&chat),
        (1..=10).collect::<Vec<u64>>(),
        "each once, in order"
    );
    let texts = alice.texts(&chat).await;
    assert!(!texts.iter().any(|text| text == PANIC_ROOM), "{texts:?}");
}

#[tokio::test]
async fn what_is_in_flight_when_a_room_panics_is_answered_and_sent_once() {
    need_faults();
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let begin = |number: usize| {
        let text = if number == 50 {
            PANIC_ROOM.to_owned()
        } else {
            format!("m{number}")
        };
        let data = json!({"conversationId": chat.id, "content": text, "clientId": format!("c{number}")});
        (number, alice_tab.begins("send_message", data))
    };
    let asked: Vec<(usize, i64)> = (0..100).map(begin).collect();
    for (number, id) in asked {
        let answer = alice_tab.answer(id).await;
        if number == 50 {
            answer.expect_err("the room panicked");
        } else if answer.is_err() {
            sends_until_acknowledged(&alice_tab, &chat, &format!("c{number}"), &format!("m{number}")).await;
        }
    }
    let mut texts = alice.texts(&chat).await;
    texts.sort();
    let mut expected: Vec<String> = (0..100)
        .filter(|number| *number != 50)
        .map(|number| format!("m{number}"))
        .collect();
    expected.sort();
    assert_eq!(texts, expected, "each once");
    alice_tab.sends(&chat, "the end").await;
    bob_tab.sees_message(&chat, "the end").await;
    assert_eq!(bob_tab.live_seqs(&chat), (1..=100).collect::<Vec<u64>>());
}

/// What was committed while the room was gone is told by its successor, in order; what was not, is asked again.
#[tokio::test]
async fn edits_and_reactions_in_flight_when_a_room_panics_are_told_once() {
    need_faults();
    let (mut server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let mut sent = Vec::new();
    for number in 0..10 {
        sent.push(alice.posts(&chat, &format!("m{number}")).await);
    }
    let on = |number: usize| json!({"conversationId": chat.id, "messageId": sent[number % 10]["id"]});
    let change = |number: usize| {
        let mut data = on(number / 2);
        if number.is_multiple_of(2) {
            data["content"] = json!(format!("edited {number} @bob"));
            ("edit_message", data)
        } else {
            data["emoji"] = json!(["heart", "fire", "star"][number % 3]);
            (["add_reaction", "remove_reaction"][number / 10 % 2], data)
        }
    };
    for round in 0..6 {
        let asked: Vec<(usize, i64)> = (0..60)
            .map(|number| {
                if number == 20 {
                    let data = json!({"conversationId": chat.id, "content": PANIC_ROOM});
                    alice_tab.begins("send_message", data);
                }
                let (event, data) = change(round * 60 + number);
                (number, alice_tab.begins(event, data))
            })
            .collect();
        for (number, id) in asked {
            let start = Instant::now();
            let mut answer = alice_tab.answer(id).await;
            while let Err(error) = answer {
                assert_eq!(error["retryable"], true, "{error}");
                assert!(start.elapsed() < DEADLINE, "refused for {DEADLINE:?}: {error}");
                let (event, data) = change(round * 60 + number);
                answer = alice_tab.asks(event, data).await;
            }
        }
    }
    let end = sends_until_acknowledged(&alice_tab, &chat, "end", "the end").await;
    bob_tab.sees_message(&chat, "the end").await;
    let last = end["seq"].as_u64().expect("a seq");
    assert!(last > 100, "only {last} changes");
    assert_eq!(
        bob_tab.live_seqs(&chat),
        (1..=last).collect::<Vec<u64>>(),
        "each once, in order"
    );
    // What bob's tab was told is what there is.
    let history = alice.history(&chat).await;
    for message in &history[..10] {
        let edited = bob_tab.got("message_edited").into_iter();
        let edit = edited.rev().find(|event| event["message"]["id"] == message["id"]);
        assert_eq!(
            edit.map(|event| event["message"]["content"].clone()),
            Some(message["content"].clone())
        );
        let reacted = bob_tab.got("reaction_updated").into_iter();
        let reaction = reacted.rev().find(|event| event["messageId"] == message["id"]);
        if let Some(reaction) = reaction {
            assert_eq!(reaction["reactions"], message["reactions"]);
        }
    }
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_session_that_panics_takes_only_itself_down() {
    need_faults();
    let (_server, alice, bob, chat) = pair().await;
    let (doomed, alice_tab, bob_tab) = (alice.connect().await, alice.connect().await, bob.connect().await);
    doomed.begins(
        "send_message",
        json!({"conversationId": chat.id, "content": PANIC_SESSION}),
    );
    doomed
        .log
        .wait("the end", |what| matches!(what, What::Gone(_)).then_some(()))
        .await;
    for code in doomed.log.all(|what| {
        if let What::Closed(code) = what {
            Some(*code)
        } else {
            None
        }
    }) {
        assert_eq!(code, Some(1011));
    }
    alice_tab.sends(&chat, "my other tab works").await;
    bob_tab.sees_message(&chat, "my other tab works").await;
    alice.connect().await.sends(&chat, "and a new one").await;
    bob_tab.sees_message(&chat, "and a new one").await;
    assert_eq!(bob_tab.live_seqs(&chat), [1, 2]);
}

#[tokio::test]
async fn whoever_is_only_in_a_panicked_session_is_offline() {
    need_faults();
    let (_server, alice, bob, chat) = pair().await;
    let bob_tab = bob.connect().await;
    let doomed = alice.connect().await;
    bob_tab
        .sees("user_online", |who| who["userId"] == json!(alice.id))
        .await;
    doomed.begins(
        "send_message",
        json!({"conversationId": chat.id, "content": PANIC_SESSION}),
    );
    bob_tab
        .sees("user_offline", |who| who["userId"] == json!(alice.id))
        .await;
}
