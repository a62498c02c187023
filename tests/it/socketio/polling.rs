//! Long polling by hand: payloads of several packets, one request of a kind at a time, requests that go away, what is said
//! while nobody polls, bounds.

use std::time::Instant;

use serde_json::json;

use crate::{harness::*, messages::pair};

#[tokio::test]
async fn a_payload_holds_several_packets_and_so_may_an_answer() {
    let (server, _alice, bob, chat) = pair().await;
    let mut poller = bob.poller(&server).await;
    let send = |id: u32| {
        format!(
            "42{id}[\"send_message\",{{\"conversationId\":\"{}\",\"content\":\"{id}\"}}]",
            chat.id
        )
    };
    poller
        .says(&[send(1), "3".to_owned(), "6".to_owned(), send(2)].join("\u{1e}"))
        .await;
    for id in [1, 2] {
        let answer = poller.sees(|packet| packet.starts_with(&format!("43{id}["))).await;
        assert_eq!(
            arguments(&answer)[0]["data"]["message"]["content"],
            json!(id.to_string())
        );
    }
    // A binary event, its attachments as base64.
    poller
        .says("452-3[\"send_message\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQIDBA==\u{1e}b\u{1e}3")
        .await;
    let answer = poller.sees(|packet| packet.starts_with("433[")).await;
    assert_eq!(arguments(&answer)[0]["error"]["code"], "VALIDATION_ERROR");
}

#[tokio::test]
async fn two_polls_at_a_time_end_the_session() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    let poller = bob.poller(&server).await;
    let (one, other) = tokio::join!(poller.get().send(), poller.get().send());
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    let told = if one.status == 200 { one } else { other };
    assert_eq!(told.text, "1", "the poll that waited is told that it is over");
    poller.is_gone().await;
}

#[tokio::test]
async fn two_posts_at_a_time_end_the_session() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    let poller = bob.poller(&server).await;
    let mut slow = Raw::plain(&server.realm, None).await;
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
        poller.sid
    );
    slow.sends(head.as_bytes()).await;
    // Its body is being waited for now.
    assert!(slow.reads_head().await.starts_with("HTTP/1.1 100"));
    assert_eq!(poller.post("3").send().await.status, 400);
    poller.is_gone().await;
}

#[tokio::test]
async fn what_is_no_payload_ends_the_session() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    for bad in ["", "abc", "0{}", "3\u{1e}", "3\u{1e}\u{1e}3", "b***", "7"] {
        let poller = bob.poller(&server).await;
        let answer = poller.post(bad).send().await;
        assert_eq!(answer.status, 400, "{bad:?}");
        poller.is_gone().await;
    }
    let poller = bob.poller(&server).await;
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", poller.sid);
    let answer = server
        .realm
        .call("POST", &path)
        .body("text/plain", [0xff, 0xfe])
        .send()
        .await;
    assert_eq!(answer.status, 400);
    poller.is_gone().await;
}

#[tokio::test]
async fn a_poll_that_is_given_up_loses_nothing() {
    let (server, alice, bob, chat) = pair().await;
    let mut poller = bob.poller(&server).await;
    for round in 0..5 {
        let mut raw = Raw::plain(&server.realm, None).await;
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", poller.sid);
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        raw.sends(head.as_bytes()).await;
        // The connection is ended and known to be: the server has nothing more to say on it.
        raw.gives_up().await;
        let text = format!("round {round}");
        alice.posts(&chat, &text).await;
        assert_eq!(poller.sees_event("new_message").await["content"], json!(text));
    }
}

#[tokio::test]
async fn typing_is_dropped_for_a_client_between_polls_and_messages_are_not() {
    let (server, alice, bob, chat) = pair().await;
    let mut poller = bob.poller(&server).await;
    poller
        .says(&format!(
            "421[\"join_conversation\",{{\"conversationId\":\"{}\"}}]",
            chat.id
        ))
        .await;
    poller.sees(|packet| packet.starts_with("431[")).await;
    let tab = alice.connect().await;
    poller.sees_event("user_online").await;
    tab.opens(&chat).await;
    // While nobody polls: much typing, three messages.
    for round in 0..50 {
        tab.does("typing_start", json!({"conversationId": chat.id})).await;
        tab.does("typing_stop", json!({"conversationId": chat.id})).await;
        if round % 20 == 0 {
            tab.sends(&chat, &format!("message {round}")).await;
        }
    }
    let (mut typing, mut said) = (0, Vec::new());
    while said.len() < 3 {
        for packet in poller.polls().await {
            if packet.contains("typing") {
                typing += 1;
            } else if packet.starts_with("42[\"new_message\"") {
                said.push(arguments(&packet)[1]["content"].clone());
            }
        }
    }
    assert_eq!(said, ["message 0", "message 20", "message 40"]);
    assert!(
        typing < 10,
        "{typing} of 100 notices were kept for a client that was not there"
    );
}

#[tokio::test]
async fn payloads_are_bounded_in_both_directions() {
    let server = Server::with().set("max_payload_kib", 128).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let most = 128 * 1024;
    // Of somebody who has not said who they are, less is taken.
    let nameless = server.poller().await;
    assert_eq!(
        nameless.post(&format!("4{}", "x".repeat(70_000))).send().await.status,
        413
    );
    let poller = bob.poller(&server).await;
    assert_eq!(poller.post(&format!("4{}", "x".repeat(most))).send().await.status, 413);
    // The session is none the worse.
    poller.says("3").await;
    let tab = alice.connect().await;
    let text = "\u{1f600}".repeat(2000);
    for _ in 0..40 {
        tab.sends(&chat, &text).await;
    }
    let (mut seen, mut polls) = (0, 0);
    while seen < 40 {
        let payload = poller.polls().await;
        let bytes: usize = payload.iter().map(|packet| packet.len() + 1).sum();
        assert!(bytes < most + 10_000, "{bytes} bytes in a payload");
        seen += payload.iter().filter(|packet| packet.contains("new_message")).count();
        polls += 1;
    }
    assert!(polls >= 3, "{polls}");
}

#[tokio::test]
async fn whoever_says_goodbye_is_gone() {
    let (server, alice, bob, _chat) = pair().await;
    let tab = alice.connect().await;
    for goodbye in ["1", "41"] {
        let poller = bob.poller(&server).await;
        tab.sees("user_online", |user| user["userId"] == bob.id.as_str()).await;
        let parked = poller.begins_poll();
        poller.says(goodbye).await;
        let last = parked.await.unwrap();
        // Or it came too late to wait.
        assert!(
            ["6", "1"].contains(&last.text.as_str()) || last.status == 400,
            "{}",
            last.text
        );
        tab.sees("user_offline", |user| user["userId"] == bob.id.as_str()).await;
        poller.is_gone().await;
    }
}

#[tokio::test]
async fn what_was_missed_of_a_conversation_is_not_told_once_one_is_removed_from_it() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (lost, kept) = (alice.group("lost", &[&bob]).await, alice.group("kept", &[&bob]).await);
    let mut poller = server.poller().await;
    poller.says(&bob.connects_with()).await;
    let connected = poller.sees(|packet| packet.starts_with("40{")).await;
    let connected: serde_json::Value = serde_json::from_str(&connected[2..]).unwrap();
    poller.says("1").await;
    alice.posts(&lost, "not for him any more").await;
    alice.posts(&kept, "for him").await;
    // He comes back, is told what he missed, and has not heard it yet when he is removed.
    let poller = server.poller().await;
    poller
        .says(&format!("40{}", json!({"token": bob.token, "pid": connected["pid"]})))
        .await;
    let admin = server.admin("root").await;
    let there = |sessions: &serde_json::Value| {
        let waiting = |session: &serde_json::Value| session["conversations"] == 2;
        sessions["sessions"]
            .as_array()
            .is_some_and(|sessions| sessions.iter().any(waiting))
    };
    let start = Instant::now();
    while !there(&admin.get("/api/admin/sessions").await.ok(200)) {
        assert!(start.elapsed() < DEADLINE, "he does not come back");
    }
    alice.removes(&lost, &bob).await;
    let mut told = Vec::new();
    while !told
        .iter()
        .any(|packet: &String| packet.contains("conversation_removed"))
    {
        told.extend(poller.polls().await);
    }
    assert!(told[0].starts_with("40{"), "{told:?}");
    let messages: Vec<&String> = told.iter().filter(|packet| packet.contains("new_message")).collect();
    assert!(messages.iter().all(|packet| packet.contains(&kept.id)), "{messages:?}");
}
