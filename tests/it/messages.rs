//! Messages: sent over the socket and by REST, seen by the others, idempotent, read back page by page, read, deleted.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::*;

/// A well-formed id that nothing has.
pub const NO_SUCH_ID: &str = "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f";

/// A server, two people and their direct conversation.
pub async fn pair() -> (Server, Person, Person, Chat) {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    (server, alice, bob, chat)
}

/// The whole message as the contract shows it.
pub fn message_of(sender: &Person, chat: &Chat, seq: u64, content: &str) -> Value {
    json!({
        "id": "<uuid>", "conversationId": chat.id, "seq": seq, "changeSeq": seq, "type": "text", "content": content,
        "sender": sender.shown(), "clientId": null, "replyToId": null, "replyTo": null, "mentions": [], "reactions": [],
        "createdAt": "<time>", "editedAt": null, "deletedAt": null,
    })
}

#[tokio::test]
async fn two_people_chat() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let sent = alice_tab.sends(&chat, "hi").await;
    assert_shape(&sent, &message_of(&alice, &chat, 1, "hi"));
    assert_eq!(bob_tab.sees_message(&chat, "hi").await, sent);
    let reply = bob_tab.sends(&chat, "hello").await;
    assert_shape(&reply, &message_of(&bob, &chat, 2, "hello"));
    assert_eq!(alice_tab.sees_message(&chat, "hello").await, reply);
    assert_eq!(alice.history(&chat).await, [sent.clone(), reply]);
    // The sender's own session gets it too: every member's session does.
    assert_eq!(alice_tab.sees_message(&chat, "hi").await, sent);
}

#[tokio::test]
async fn a_message_by_rest_is_the_same_as_one_by_the_socket() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let posted = alice.posts(&chat, "by post").await;
    assert_shape(&posted, &message_of(&alice, &chat, 1, "by post"));
    assert_eq!(bob_tab.sees_message(&chat, "by post").await, posted);
    assert_eq!(alice_tab.sees_message(&chat, "by post").await, posted);
}

#[tokio::test]
async fn both_sessions_of_a_user_get_everything_once_and_in_order() {
    let (_server, alice, bob, chat) = pair().await;
    let (desk, phone, alice_tab) = (bob.connect().await, bob.connect().await, alice.connect().await);
    for number in 1..=50 {
        alice_tab.sends(&chat, &format!("m{number}")).await;
    }
    desk.sends(&chat, "from the desk").await;
    for tab in [&desk, &phone, &alice_tab] {
        tab.sees_message(&chat, "from the desk").await;
        assert_eq!(tab.live_seqs(&chat), (1..=51).collect::<Vec<u64>>());
    }
    assert_ne!(desk.ready["sessionId"], phone.ready["sessionId"]);
}

#[tokio::test]
async fn the_client_id_comes_back_to_everybody() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let sent = alice_tab.sends_as(&chat, "c-1", "hi").await.expect("sent");
    assert_eq!(sent["clientId"], "c-1");
    assert_eq!(bob_tab.sees_message(&chat, "hi").await, sent);
}

#[tokio::test]
async fn a_repeated_client_id_answers_with_the_first_message_and_sends_nothing() {
    let (server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let first = alice_tab.sends_as(&chat, "c-1", "once").await.expect("sent");
    assert_eq!(alice_tab.sends_as(&chat, "c-1", "once").await.expect("repeated"), first);
    assert_eq!(
        alice
            .connect()
            .await
            .sends_as(&chat, "c-1", "once")
            .await
            .expect("from another tab"),
        first
    );
    let by_rest = alice.posts_as(&chat, "c-1", "once").await.ok(200);
    assert_eq!(by_rest, json!({"message": first}));
    let conflict = alice_tab.sends_as(&chat, "c-1", "something else").await;
    refused(conflict, "CONFLICT");
    alice
        .posts_as(&chat, "c-1", "something else")
        .await
        .refused(409, "CONFLICT");
    // The id is the sender's own, and the conversation's own.
    let of_bob = bob_tab.sends_as(&chat, "c-1", "once").await.expect("another user's");
    assert_eq!(of_bob["seq"], 2);
    let carol = server.user("carol").await;
    let other = alice.direct_with(&carol).await;
    assert_eq!(
        alice_tab
            .sends_as(&other, "c-1", "elsewhere")
            .await
            .expect("another conversation's")["seq"],
        1
    );
    alice_tab.sends(&chat, "the end").await;
    bob_tab.sees_message(&chat, "the end").await;
    assert_eq!(bob_tab.live_seqs(&chat), [1, 2, 3]);
    assert_eq!(alice.texts(&chat).await, ["once", "once", "the end"]);
}

#[tokio::test]
async fn a_hundred_parallel_repeats_of_one_client_id_make_one_message() {
    let (_server, alice, bob, chat) = pair().await;
    let bob_tab = bob.connect().await;
    let answers = join_all((0..100).map(|_| alice.posts_as(&chat, "c-1", "once"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let bodies: BTreeSet<String> = answers
        .into_iter()
        .map(|answer| {
            assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
            answer.text
        })
        .collect();
    assert_eq!(bodies.len(), 1, "every answer is the same: {bodies:?}");
    alice.posts(&chat, "the end").await;
    bob_tab.sees_message(&chat, "the end").await;
    assert_eq!(bob_tab.live_seqs(&chat), [1, 2]);
}

#[tokio::test]
async fn a_client_id_works_on_after_a_restart() {
    let (mut server, alice, _bob, chat) = pair().await;
    let first = alice.posts_as(&chat, "c-1", "once").await.ok(201);
    server.kill().await;
    server.restart().await;
    assert_eq!(alice.posts_as(&chat, "c-1", "once").await.ok(200), first);
    alice.posts_as(&chat, "c-1", "other").await.refused(409, "CONFLICT");
}

#[tokio::test]
async fn what_is_sent_in_a_row_keeps_its_order() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let texts: Vec<String> = (1..=500).map(|number| format!("m{number}")).collect();
    let asked: Vec<i64> = texts
        .iter()
        .map(|text| alice_tab.begins("send_message", json!({"conversationId": chat.id, "content": text})))
        .collect();
    for (number, id) in asked.into_iter().enumerate() {
        let answer = alice_tab.answer(id).await.expect("sent");
        assert_eq!(answer["message"]["seq"], number as u64 + 1);
    }
    bob_tab.sees_message(&chat, "m500").await;
    let seen: Vec<Value> = bob_tab
        .got("new_message")
        .iter()
        .map(|message| message["content"].clone())
        .collect();
    assert_eq!(seen, texts);
    assert_eq!(alice.texts(&chat).await, texts);
}

#[tokio::test]
async fn text_is_kept_as_it_is_and_trimmed() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let longest = "é".repeat(2000);
    let widest = "𝄞".repeat(2000);
    for text in [
        "<b>&amp;</b>",
        "a\n\tb",
        "\"\\/",
        "🏳️‍🌈 \u{202e}x",
        "null",
        longest.as_str(),
        widest.as_str(),
    ] {
        let sent = alice_tab.sends(&chat, text).await;
        assert_eq!(sent["content"], text);
        bob_tab.sees_message(&chat, text).await;
    }
    let trimmed = alice_tab.sends(&chat, " \n\t hi there \n").await;
    assert_eq!(trimmed["content"], "hi there");
    let padded = format!("  {longest}\n");
    assert_eq!(alice_tab.sends(&chat, &padded).await["content"], longest);
}

#[tokio::test]
async fn bad_messages_are_refused_by_both_doors() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let long = "a".repeat(2001);
    let long_id = "c".repeat(65);
    let bad = [
        json!({}),
        json!({"content": null}),
        json!({"content": 7}),
        json!({"content": ["hi"]}),
        json!({"content": ""}),
        json!({"content": " \n\t "}),
        json!({"content": long}),
        json!({"content": "a\u{0}b"}),
        json!({"content": "a\u{7}b"}),
        json!({"content": "a\rb"}),
        json!({"content": "a\u{7f}b"}),
        json!({"content": "a\u{85}b"}),
        json!({"content": "hi", "clientId": ""}),
        json!({"content": "hi", "clientId": long_id}),
        json!({"content": "hi", "clientId": 7}),
        json!({"content": "hi", "type": "system"}),
        json!({"content": "hi", "type": "poem"}),
        json!({"content": "hi", "type": 1}),
    ];
    for body in bad {
        let mut data = body.clone();
        data["conversationId"] = json!(chat.id);
        refused(alice_tab.asks("send_message", data).await, "VALIDATION_ERROR");
        alice
            .post(&chat.path("/messages"), body)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    refused(
        alice_tab.asks("send_message", json!({"content": "hi"})).await,
        "VALIDATION_ERROR",
    );
    let no_json = alice
        .call("POST", &chat.path("/messages"))
        .body("application/json", "{\"content\":")
        .send()
        .await;
    no_json.refused(400, "VALIDATION_ERROR");
    alice_tab.sends(&chat, "good").await;
    bob_tab.sees_message(&chat, "good").await;
    assert_eq!(
        bob_tab.live_seqs(&chat),
        [1],
        "nothing of the bad ones was sent, and no seq was used"
    );
}

#[tokio::test]
async fn a_failed_event_without_an_id_is_reported_by_the_event_error() {
    let (_server, alice, _bob, chat) = pair().await;
    let tab = alice.connect().await;
    tab.tells("send_message", json!({"conversationId": chat.id, "content": ""}));
    let error = tab.sees("error", |_| true).await;
    assert_shape(
        &error,
        &json!({"code": "VALIDATION_ERROR", "message": "<text>", "event": "send_message"}),
    );
    tab.tells(
        "send_message",
        json!({"conversationId": chat.id, "content": "no answer wanted"}),
    );
    tab.sees_message(&chat, "no answer wanted").await;
}

#[tokio::test]
async fn messages_go_nowhere_else() {
    let (server, alice, bob, chat) = pair().await;
    let carol = server.user("carol").await;
    let with_carol = alice.direct_with(&carol).await;
    let (alice_tab, bob_tab, carol_tab) = (alice.connect().await, bob.connect().await, carol.connect().await);
    let data = json!({"conversationId": chat.id, "content": "let me in"});
    refused(carol_tab.asks("send_message", data).await, "NOT_MEMBER");
    carol
        .post(&chat.path("/messages"), json!({"content": "let me in"}))
        .await
        .refused(403, "NOT_MEMBER");
    let nowhere = json!({"conversationId": NO_SUCH_ID, "content": "hello?"});
    refused(carol_tab.asks("send_message", nowhere).await, "NOT_FOUND");
    let nowhere = format!("/api/conversations/{NO_SUCH_ID}/messages");
    carol
        .post(&nowhere, json!({"content": "hello?"}))
        .await
        .refused(404, "NOT_FOUND");
    alice_tab.sends(&chat, "for bob").await;
    alice_tab.sends(&with_carol, "for carol").await;
    bob_tab.sees_message(&chat, "for bob").await;
    carol_tab.sees_message(&with_carol, "for carol").await;
    for tab in [&bob_tab, &carol_tab] {
        tab.catches_up().await;
        assert_eq!(tab.got("new_message").len(), 1, "{}", tab.log.shown());
    }
}

#[tokio::test]
async fn a_reply_names_its_message() {
    let (server, alice, bob, chat) = pair().await;
    let question = alice.posts(&chat, "when?").await;
    let body = json!({"content": "now", "replyToId": question["id"]});
    let reply = bob.post(&chat.path("/messages"), body).await.ok(201);
    assert_eq!(reply["message"]["replyToId"], question["id"]);
    let carol = server.user("carol").await;
    let elsewhere = alice.direct_with(&carol).await;
    for (target, why) in [
        (question["id"].clone(), "another conversation's"),
        (json!(NO_SUCH_ID), "nobody's"),
    ] {
        let body = json!({"content": "what?", "replyToId": target});
        let answer = alice.post(&elsewhere.path("/messages"), body).await;
        assert!(
            matches!(answer.status, 400 | 404),
            "a reply to {why} message: {}",
            answer.text
        );
    }
    assert!(alice.texts(&elsewhere).await.is_empty());
}

#[tokio::test]
async fn a_deleted_message_stays_in_history_without_its_content() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let sent = alice_tab.sends_as(&chat, "c-1", "regretted").await.expect("sent");
    alice_tab.sends(&chat, "kept").await;
    let data = json!({"conversationId": chat.id, "messageId": sent["id"]});
    let answer = alice_tab.does("delete_message", data).await;
    assert_eq!(answer, json!({"messageId": sent["id"], "seq": 3}));
    let deleted = bob_tab.sees("message_deleted", |_| true).await;
    let expected = json!({"conversationId": chat.id, "seq": 3, "messageId": sent["id"], "deletedAt": "<time>",
        "deletedBy": alice.id});
    assert_shape(&deleted, &expected);
    assert_eq!(bob_tab.live_seqs(&chat), [1, 2, 3]);
    let mut tombstone = sent.clone();
    tombstone["content"] = Value::Null;
    tombstone["changeSeq"] = json!(3);
    tombstone["deletedAt"] = deleted["deletedAt"].clone();
    assert_eq!(bob.history(&chat).await[0], tombstone);
    // The client id holds for as long as the row exists: the same content again is the first message.
    let again = alice_tab.sends_as(&chat, "c-1", "regretted").await.expect("repeated");
    assert_eq!((&again["id"], &again["seq"]), (&sent["id"], &sent["seq"]));
    assert_eq!(bob.seq_of(&chat).await, 3);
}

#[tokio::test]
async fn deleting_twice_is_deleting_once() {
    let (_server, alice, bob, chat) = pair().await;
    let bob_tab = bob.connect().await;
    let sent = alice.posts(&chat, "regretted").await;
    let path = chat.path(&format!("/messages/{}", sent["id"].as_str().expect("an id")));
    let first = alice.delete(&path).await.ok(200);
    assert_eq!(first, json!({"messageId": sent["id"], "seq": 2}));
    assert_eq!(alice.delete(&path).await.ok(200), first);
    alice.posts(&chat, "the end").await;
    bob_tab.sees_message(&chat, "the end").await;
    assert_eq!(bob_tab.live_seqs(&chat), [1, 2, 3]);
}

#[tokio::test]
async fn only_ones_own_messages_can_be_deleted_in_a_direct_conversation() {
    let (_server, alice, bob, chat) = pair().await;
    let sent = alice.posts(&chat, "mine").await;
    let bob_tab = bob.connect().await;
    let data = json!({"conversationId": chat.id, "messageId": sent["id"]});
    refused(bob_tab.asks("delete_message", data).await, "FORBIDDEN");
    let path = chat.path(&format!("/messages/{}", sent["id"].as_str().expect("an id")));
    bob.delete(&path).await.refused(403, "FORBIDDEN");
    let nothing = json!({"conversationId": chat.id, "messageId": NO_SUCH_ID});
    refused(bob_tab.asks("delete_message", nothing).await, "NOT_FOUND");
    bob.delete(&chat.path(&format!("/messages/{NO_SUCH_ID}")))
        .await
        .refused(404, "NOT_FOUND");
    assert_eq!(alice.texts(&chat).await, ["mine"]);
}
