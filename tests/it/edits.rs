//! Editing: one's own text, seen by everybody in order, caught up by `sync`, with what was said before kept for administrators.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::*,
    messages::{NO_SUCH_ID, message_of, pair},
};

#[tokio::test]
async fn an_edit_is_a_change_that_everybody_sees() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let sent = alice_tab.sends_as(&chat, "c-1", "helo").await.expect("sent");
    alice_tab.sends(&chat, "how are you?").await;
    let data = json!({"conversationId": chat.id, "messageId": sent["id"], "content": "  hello "});
    let answer = alice_tab.does("edit_message", data).await;
    let mut edited = message_of(&alice, &chat, 1, "hello");
    (edited["changeSeq"], edited["editedAt"], edited["clientId"]) = (json!(3), json!("<time>"), json!("c-1"));
    assert_shape(&answer, &json!({"message": edited}));
    let edited = answer["message"].clone();
    assert_eq!((&edited["id"], &edited["createdAt"]), (&sent["id"], &sent["createdAt"]));
    let event = json!({"conversationId": chat.id, "seq": 3, "message": edited});
    for tab in [&alice_tab, &bob_tab] {
        assert_eq!(tab.sees("message_edited", |_| true).await, event);
        assert_eq!(tab.live_seqs(&chat), [1, 2, 3]);
    }
    assert_eq!(bob.history(&chat).await[0], edited);
    let cursors = json!({"cursors": [{"conversationId": chat.id, "seq": 2}]});
    let synced = bob_tab.does("sync", cursors).await;
    assert_eq!(synced["conversations"][0]["messages"], json!([edited]));
    // By REST the same.
    let again = alice.edits(&chat, &sent, "hello!").await;
    let seen = bob_tab.sees("message_edited", |event| event["seq"] == 4).await;
    assert_eq!((&seen["message"], &again["changeSeq"]), (&again, &json!(4)));
    assert_eq!(bob.listed(&chat).await["seq"], 4);
}

#[tokio::test]
async fn the_same_content_again_changes_nothing() {
    let (_server, alice, bob, chat) = pair().await;
    let bob_tab = bob.connect().await;
    let sent = alice.posts(&chat, "hello").await;
    assert_eq!(alice.edits(&chat, &sent, " hello\n").await, sent, "it was never edited");
    let edited = alice.edits(&chat, &sent, "hi").await;
    assert_eq!(alice.edits(&chat, &sent, "hi").await, edited);
    alice.posts(&chat, "the end").await;
    bob_tab.sees_message(&chat, "the end").await;
    assert_eq!(bob_tab.live_seqs(&chat), [1, 2, 3]);
}

#[tokio::test]
async fn only_ones_own_text_that_is_there_can_be_edited() {
    let server = Server::start().await;
    let (ann, ben, cat) = (
        server.user("ann").await,
        server.user("ben").await,
        server.user("cat").await,
    );
    let chat = ann.group("Tea", &[&ben]).await;
    ann.adds(&chat, &cat).await;
    let note = ann.history(&chat).await[0].clone();
    let sent = ben.posts(&chat, "mine").await;
    let (ann_tab, ben_tab) = (ann.connect().await, ben.connect().await);
    let refuses = async |person: &Person, tab: &Tab, message: &Value, status: u16, code: &str| {
        let data = json!({"conversationId": chat.id, "messageId": message["id"], "content": "yours"});
        refused(tab.asks("edit_message", data).await, code);
        let answer = person
            .patch(&chat.message(message, ""), json!({"content": "yours"}))
            .await;
        answer.refused(status, code);
    };
    // Not even the owner.
    refuses(&ann, &ann_tab, &sent, 403, "FORBIDDEN").await;
    refuses(&ann, &ann_tab, &note, 403, "FORBIDDEN").await;
    refuses(&ann, &ann_tab, &json!({"id": NO_SUCH_ID}), 404, "NOT_FOUND").await;
    let elsewhere = ben.direct_with(&cat).await;
    let there = ben.posts(&elsewhere, "there").await;
    refuses(&ben, &ben_tab, &there, 404, "NOT_FOUND").await;
    ann.deletes(&chat, &sent).await;
    refuses(&ben, &ben_tab, &sent, 409, "CONFLICT").await;
    refuses(&ann, &ann_tab, &sent, 403, "FORBIDDEN").await;
    let kept = ben.posts(&chat, "kept").await;
    for content in [
        json!(""),
        json!(" "),
        json!(7),
        Value::Null,
        json!("a\u{0}b"),
        json!("x".repeat(2001)),
    ] {
        let data = json!({"conversationId": chat.id, "messageId": kept["id"], "content": content});
        refused(ben_tab.asks("edit_message", data).await, "VALIDATION_ERROR");
        let answer = ben.patch(&chat.message(&kept, ""), json!({"content": content})).await;
        answer.refused(400, "VALIDATION_ERROR");
    }
    ben.leaves(&chat).await;
    let answer = ben.patch(&chat.message(&kept, ""), json!({"content": "gone"})).await;
    answer.refused(403, "NOT_MEMBER");
    assert_eq!(ann.seq_of(&chat).await, 5, "a note, two messages, a deletion, a note");
}

#[tokio::test]
async fn what_was_said_before_is_for_administrators() {
    let (mut server, alice, bob, chat) = pair().await;
    let sent = alice.posts(&chat, "one").await;
    let versions = chat.message(&sent, "/versions");
    let root = server.admin("root").await;
    let first = root.get(&versions).await.ok(200);
    assert_eq!(
        first,
        json!({"versions": [{"content": "one", "writtenAt": sent["createdAt"]}]})
    );
    let two = alice.edits(&chat, &sent, "two").await;
    let three = alice.edits(&chat, &sent, "three").await;
    alice.deletes(&chat, &sent).await;
    server.kill().await;
    server.restart().await;
    let expected = json!({"versions": [
        {"content": "one", "writtenAt": sent["createdAt"]},
        {"content": "two", "writtenAt": two["editedAt"]},
        {"content": "three", "writtenAt": three["editedAt"]},
    ]});
    assert_eq!(root.get(&versions).await.ok(200), expected);
    for person in [&alice, &bob] {
        person.get(&versions).await.refused(403, "FORBIDDEN");
    }
    root.get(&chat.path(&format!("/messages/{NO_SUCH_ID}/versions")))
        .await
        .refused(404, "NOT_FOUND");
    root.get(&format!(
        "/api/conversations/{NO_SUCH_ID}/messages/{NO_SUCH_ID}/versions"
    ))
    .await
    .refused(404, "NOT_FOUND");
    assert_eq!(bob.history(&chat).await[0]["content"], Value::Null);
}

#[tokio::test]
async fn a_repeated_send_is_recognised_after_an_edit() {
    let (mut server, alice, _bob, chat) = pair().await;
    let sent = alice.posts_as(&chat, "c-1", "once").await.ok(201)["message"].clone();
    let edited = alice.edits(&chat, &sent, "twice").await;
    let again = alice.posts_as(&chat, "c-1", "once").await.ok(200);
    assert_eq!(again["message"], edited, "the message as it is now");
    // What it says now was never sent under this name.
    alice.posts_as(&chat, "c-1", "twice").await.refused(409, "CONFLICT");
    let back = alice.edits(&chat, &sent, "once").await;
    server.kill().await;
    server.restart().await;
    assert_eq!(alice.posts_as(&chat, "c-1", "once").await.ok(200)["message"], back);
    alice.posts_as(&chat, "c-1", "twice").await.refused(409, "CONFLICT");
    alice.deletes(&chat, &sent).await;
    let gone = alice.posts_as(&chat, "c-1", "once").await.ok(200);
    assert_eq!(
        (&gone["message"]["id"], &gone["message"]["content"]),
        (&sent["id"], &Value::Null)
    );
    assert_eq!(alice.seq_of(&chat).await, 4);
}

#[tokio::test]
async fn edits_at_the_same_time_all_take_place_in_one_order() {
    let (_server, alice, bob, chat) = pair().await;
    let (desk, phone, bob_tab) = (alice.connect().await, alice.connect().await, bob.connect().await);
    let sent = alice.posts(&chat, "v").await;
    let edit = |tab: &Tab, text: String| {
        tab.begins(
            "edit_message",
            json!({"conversationId": chat.id, "messageId": sent["id"], "content": text}),
        )
    };
    let asked: Vec<(&Tab, i64, String)> = (0..40)
        .map(|n| {
            let (tab, text) = ([&desk, &phone][n % 2], format!("v{n}"));
            (tab, edit(tab, text.clone()), text)
        })
        .collect();
    for (tab, id, text) in asked {
        assert_eq!(tab.answer(id).await.expect("edited")["message"]["content"], text);
    }
    bob_tab.sees("message_edited", |event| event["seq"] == 41).await;
    assert_eq!(bob_tab.live_seqs(&chat), (1..=41).collect::<Vec<u64>>());
    let edits = bob_tab.got("message_edited");
    for event in &edits {
        assert_eq!(event["seq"], event["message"]["changeSeq"]);
    }
    assert_eq!(
        bob.history(&chat).await[0],
        edits[39]["message"],
        "the last one is what stays"
    );
}

#[tokio::test]
async fn an_edit_against_a_deletion_ends_deleted() {
    let server = Server::start().await;
    let (ann, ben) = (server.user("ann").await, server.user("ben").await);
    let chat = ann.group("Tea", &[&ben]).await;
    let tab = ben.connect().await;
    let mut outcomes = Vec::new();
    for round in 0..20 {
        let sent = ben.posts(&chat, &format!("m{round}")).await;
        let path = chat.message(&sent, "");
        let edit = async { ben.patch(&path, json!({"content": "edited"})).await.outcome() };
        let delete = async { ann.delete(&path).await.outcome() };
        let (edited, deleted) = tokio::join!(edit, delete);
        assert_eq!(deleted, "200");
        assert!(matches!(edited.as_str(), "200" | "409 CONFLICT"), "{edited}");
        outcomes.push(edited);
    }
    ann.posts(&chat, "the end").await;
    let end = tab.sees_message(&chat, "the end").await;
    let seqs = tab.live_seqs(&chat);
    assert_eq!(seqs, (1..=end["seq"].as_u64().expect("a seq")).collect::<Vec<u64>>());
    let history = ann.history(&chat).await;
    assert!(
        history[..20].iter().all(|message| message["content"].is_null()),
        "{history:?}"
    );
    let edits = outcomes.iter().filter(|outcome| *outcome == "200").count();
    assert_eq!(seqs.len(), 20 + 20 + edits + 1);
}

#[tokio::test]
async fn everything_survives_a_kill() {
    let (mut server, alice, bob, chat) = pair().await;
    let sent = alice.posts(&chat, "one @bob").await;
    let edited = alice.edits(&chat, &sent, "two @bob").await;
    bob.reacts(&chat, &sent, "heart").await;
    let answer = bob.replies(&chat, &sent, "what?").await;
    let before = alice.history(&chat).await;
    server.kill().await;
    server.restart().await;
    assert_eq!(alice.history(&chat).await, before);
    assert_eq!((&before[0]["editedAt"], &before[1]), (&edited["editedAt"], &answer));
    let tab = bob.connect().await;
    let synced = tab
        .does("sync", json!({"cursors": [{"conversationId": chat.id, "seq": 1}]}))
        .await;
    let page = &synced["conversations"][0];
    assert_eq!((&page["messages"], &page["seq"]), (&json!(before), &json!(4)));
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_burst_of_everything_comes_in_order_on_every_device() {
    let server = Server::start().await;
    let (ann, ben, cat) = (
        server.user("ann").await,
        server.user("ben").await,
        server.user("cat").await,
    );
    let chat = ann.group("Tea", &[&ben, &cat]).await;
    let first = ann.posts(&chat, "first").await;
    let tabs = join_all([ann.connect(), ben.connect(), cat.connect(), cat.connect()]).await;
    let asked: Vec<(usize, i64)> = (0..120)
        .map(|n| {
            let on = json!({"conversationId": chat.id, "messageId": first["id"]});
            let with = |key: &str, value: String| {
                let mut data = on.clone();
                data[key] = json!(value);
                data
            };
            let (tab, event, data) = match n % 4 {
                0 => (0, "edit_message", with("content", format!("first {n}"))),
                1 => (
                    1,
                    "send_message",
                    json!({"conversationId": chat.id, "content": format!("m{n} @ann")}),
                ),
                2 => (2, "add_reaction", with("emoji", "fire".into())),
                _ => (2, "remove_reaction", with("emoji", "fire".into())),
            };
            (tab, tabs[tab].begins(event, data))
        })
        .collect();
    for (tab, id) in asked {
        tabs[tab].answer(id).await.expect("done");
    }
    let last = ann.seq_of(&chat).await;
    assert_eq!(last, 1 + 30 + 30 + 60, "every one of them changed something");
    for tab in &tabs {
        tab.log
            .wait("the last change", |what| match what {
                What::Event { name, data } if DURABLE.contains(&name.as_str()) => (data["seq"] == last).then_some(()),
                _ => None,
            })
            .await;
        assert_eq!(tab.live_seqs(&chat), (2..=last).collect::<Vec<u64>>());
    }
}
