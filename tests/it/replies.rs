//! Answers to a message, and what they show of it.

use serde_json::{Value, json};

use crate::{
    harness::*,
    messages::{NO_SUCH_ID, message_of, pair},
};

/// What an answer shows of a text.
fn quote(of: &Value, preview: &str) -> Value {
    json!({"id": of["id"], "seq": of["seq"], "type": of["type"], "sender": of["sender"], "preview": preview})
}

#[tokio::test]
async fn an_answer_shows_what_it_answers() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let question = alice_tab.sends(&chat, "when?").await;
    let data = json!({"conversationId": chat.id, "content": "now", "replyToId": question["id"]});
    let answer = bob_tab.does("send_message", data).await["message"].clone();
    let mut expected = message_of(&bob, &chat, 2, "now");
    (expected["replyToId"], expected["replyTo"]) = (question["id"].clone(), quote(&question, "when?"));
    assert_shape(&answer, &expected);
    assert_eq!(alice_tab.sees_message(&chat, "now").await, answer);
    assert_eq!(alice.history(&chat).await[1], answer);
    assert_eq!(alice.listed(&chat).await["lastMessage"], answer);
    let opened = alice_tab.opens(&chat).await;
    assert_eq!(
        (&opened["messages"][1], &opened["conversation"]["lastMessage"]),
        (&answer, &answer)
    );
    let synced = alice_tab
        .does("sync", json!({"cursors": [{"conversationId": chat.id, "seq": 1}]}))
        .await;
    assert_eq!(synced["conversations"][0]["messages"], json!([answer]));
    // An answer to an answer shows that answer.
    let third = alice.replies(&chat, &answer, "fine").await;
    assert_eq!(third["replyTo"], quote(&answer, "now"));
}

#[tokio::test]
async fn the_quote_follows_what_it_quotes() {
    let (_server, alice, bob, chat) = pair().await;
    let long = "ä".repeat(150);
    let question = alice.posts(&chat, &long).await;
    let answer = bob.replies(&chat, &question, "long").await;
    assert_eq!(
        answer["replyTo"],
        quote(&question, &"ä".repeat(140)),
        "the beginning of it"
    );
    alice.edits(&chat, &question, "short").await;
    assert_eq!(bob.history(&chat).await[1]["replyTo"], quote(&question, "short"));
    let again = bob.replies(&chat, &question, "better").await;
    assert_eq!(again["replyTo"], quote(&question, "short"));
    // The answer is edited: it still shows what it answers.
    let edited = bob.edits(&chat, &again, "best").await;
    assert_eq!(edited["replyTo"], quote(&question, "short"));
    alice.deletes(&chat, &question).await;
    let late = bob.replies(&chat, &question, "too late").await;
    for shown in [
        late,
        bob.history(&chat).await[1].clone(),
        bob.edits(&chat, &again, "oh").await,
    ] {
        assert_eq!(
            (&shown["replyToId"], &shown["replyTo"]),
            (&question["id"], &Value::Null)
        );
    }
}

#[tokio::test]
async fn a_deleted_answer_shows_nothing_of_it() {
    let (_server, alice, bob, chat) = pair().await;
    let question = alice.posts(&chat, "when?").await;
    let answer = bob.replies(&chat, &question, "now").await;
    bob.deletes(&chat, &answer).await;
    let shown = alice.history(&chat).await[1].clone();
    assert_eq!(
        (&shown["replyToId"], &shown["replyTo"]),
        (&question["id"], &Value::Null)
    );
    assert_eq!(alice.listed(&chat).await["lastMessage"], shown);
}

#[tokio::test]
async fn what_the_server_said_is_quoted_without_words() {
    let server = Server::start().await;
    let (ann, ben) = (server.user("ann").await, server.user("ben").await);
    let chat = ann.group("Tea", &[]).await;
    ann.adds(&chat, &ben).await;
    let note = ann.history(&chat).await[0].clone();
    let answer = ben.replies(&chat, &note, "thank you").await;
    let expected = json!({"id": note["id"], "seq": 1, "type": "system", "sender": ann.shown(), "preview": null});
    assert_eq!(answer["replyTo"], expected);
}

#[tokio::test]
async fn the_same_words_to_another_message_are_another_send() {
    let (_server, alice, bob, chat) = pair().await;
    let (one, two) = (alice.posts(&chat, "one").await, alice.posts(&chat, "two").await);
    let send = async |to: Value| {
        let body = json!({"content": "yes", "clientId": "c-1", "replyToId": to});
        bob.post(&chat.path("/messages"), body).await
    };
    let sent = send(one["id"].clone()).await.ok(201);
    assert_eq!(send(one["id"].clone()).await.ok(200), sent);
    send(two["id"].clone()).await.refused(409, "CONFLICT");
    send(Value::Null).await.refused(409, "CONFLICT");
    // What it answers may be gone by then.
    alice.deletes(&chat, &one).await;
    assert_eq!(
        send(one["id"].clone()).await.ok(200)["message"]["id"],
        sent["message"]["id"]
    );
    assert_eq!(alice.seq_of(&chat).await, 4);
}

#[tokio::test]
async fn only_what_is_here_can_be_answered() {
    let (server, alice, bob, chat) = pair().await;
    let carol = server.user("carol").await;
    let elsewhere = alice.direct_with(&carol).await;
    let there = alice.posts(&elsewhere, "there").await;
    let tab = bob.connect().await;
    for (to, code) in [
        (there["id"].clone(), "NOT_FOUND"),
        (json!(NO_SUCH_ID), "NOT_FOUND"),
        (json!("x"), "VALIDATION_ERROR"),
        (json!(7), "VALIDATION_ERROR"),
    ] {
        let data = json!({"conversationId": chat.id, "content": "what?", "replyToId": to});
        refused(tab.asks("send_message", data).await, code);
    }
    assert_eq!(alice.seq_of(&chat).await, 0);
}
