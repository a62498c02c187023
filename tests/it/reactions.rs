//! Reactions: one of each emoji for each user, in a stable order, of the configured set.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::*,
    messages::{NO_SUCH_ID, pair},
};

/// A reaction as it is shown.
fn by(emoji: &str, people: &[&Person]) -> Value {
    let ids: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
    json!({"emoji": emoji, "userIds": ids})
}

fn reaction(chat: &Chat, message: &Value, emoji: &str) -> Value {
    json!({"conversationId": chat.id, "messageId": message["id"], "emoji": emoji})
}

#[tokio::test]
async fn a_reaction_comes_and_goes_before_everybodys_eyes() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let sent = alice_tab.sends(&chat, "hi").await;
    let answer = bob_tab.does("add_reaction", reaction(&chat, &sent, "heart")).await;
    assert_eq!(answer, json!({"reactions": [by("heart", &[&bob])]}));
    let event = |seq: u64, reactions: Value| json!({"conversationId": chat.id, "seq": seq, "messageId": sent["id"], "reactions": reactions});
    for tab in [&alice_tab, &bob_tab] {
        assert_eq!(
            tab.sees("reaction_updated", |_| true).await,
            event(2, json!([by("heart", &[&bob])]))
        );
    }
    let mut shown = sent.clone();
    (shown["changeSeq"], shown["reactions"]) = (json!(2), json!([by("heart", &[&bob])]));
    assert_eq!(alice.history(&chat).await, [shown.clone()]);
    assert_eq!(alice.listed(&chat).await["lastMessage"], shown);
    let synced = alice_tab
        .does("sync", json!({"cursors": [{"conversationId": chat.id, "seq": 1}]}))
        .await;
    assert_eq!(synced["conversations"][0]["messages"], json!([shown]));
    let answer = bob_tab.does("remove_reaction", reaction(&chat, &sent, "heart")).await;
    assert_eq!(answer, json!({"reactions": []}));
    let gone = alice_tab.sees("reaction_updated", |event| event["seq"] == 3).await;
    assert_eq!(gone, event(3, json!([])));
    assert_eq!(alice_tab.live_seqs(&chat), [1, 2, 3]);
}

#[tokio::test]
async fn the_same_reaction_again_changes_nothing() {
    let (_server, alice, bob, chat) = pair().await;
    let tab = alice.connect().await;
    let sent = alice.posts(&chat, "hi").await;
    let once = bob.reacts(&chat, &sent, "fire").await;
    assert_eq!(bob.reacts(&chat, &sent, "fire").await, once);
    assert_eq!(bob.takes_back(&chat, &sent, "sad").await, once, "it was not there");
    assert_eq!(bob.takes_back(&chat, &sent, "fire").await, json!([]));
    assert_eq!(bob.takes_back(&chat, &sent, "fire").await, json!([]));
    alice.posts(&chat, "the end").await;
    tab.sees_message(&chat, "the end").await;
    assert_eq!(tab.live_seqs(&chat), [1, 2, 3, 4]);
}

#[tokio::test]
async fn the_order_is_that_of_first_use_and_stays() {
    let server = Server::start().await;
    let (ann, ben, cat) = (
        server.user("ann").await,
        server.user("ben").await,
        server.user("cat").await,
    );
    let chat = ann.group("Tea", &[&ben, &cat]).await;
    let sent = ann.posts(&chat, "hi").await;
    ben.reacts(&chat, &sent, "thumbsup").await;
    cat.reacts(&chat, &sent, "fire").await;
    ann.reacts(&chat, &sent, "fire").await;
    let all = ann.reacts(&chat, &sent, "thumbsup").await;
    assert_eq!(all, json!([by("thumbsup", &[&ben, &ann]), by("fire", &[&cat, &ann])]));
    // The first one of an emoji leaves; it keeps its place, and they come back at its end.
    let all = ben.takes_back(&chat, &sent, "thumbsup").await;
    assert_eq!(all, json!([by("thumbsup", &[&ann]), by("fire", &[&cat, &ann])]));
    let all = ben.reacts(&chat, &sent, "thumbsup").await;
    assert_eq!(all, json!([by("thumbsup", &[&ann, &ben]), by("fire", &[&cat, &ann])]));
    // Nobody is left: next time it comes last.
    ann.takes_back(&chat, &sent, "thumbsup").await;
    ben.takes_back(&chat, &sent, "thumbsup").await;
    let all = cat.reacts(&chat, &sent, "thumbsup").await;
    assert_eq!(all, json!([by("fire", &[&cat, &ann]), by("thumbsup", &[&cat])]));
    assert_eq!(ben.history(&chat).await[0]["reactions"], all);
    // Who is gone has still reacted.
    ann.removes(&chat, &cat).await;
    assert_eq!(ben.history(&chat).await[0]["reactions"], all);
}

#[tokio::test]
async fn what_cannot_be_reacted_to() {
    let server = Server::start().await;
    let (ann, ben, cat) = (
        server.user("ann").await,
        server.user("ben").await,
        server.user("cat").await,
    );
    let chat = ann.group("Tea", &[&ben]).await;
    ann.adds(&chat, &cat).await;
    let note = ann.history(&chat).await[0].clone();
    let gone = ann.posts(&chat, "gone").await;
    ben.reacts(&chat, &gone, "heart").await;
    ann.deletes(&chat, &gone).await;
    let sent = ann.posts(&chat, "hi").await;
    let tab = ben.connect().await;
    let nothing = json!({"id": NO_SUCH_ID});
    for (message, emoji, status, code) in [
        (&note, "heart", 403, "FORBIDDEN"),
        (&gone, "heart", 409, "CONFLICT"),
        (&nothing, "heart", 404, "NOT_FOUND"),
        (&sent, "hart", 400, "VALIDATION_ERROR"),
        (&sent, "HEART", 400, "VALIDATION_ERROR"),
        (&sent, "%F0%9F%91%8D", 400, "VALIDATION_ERROR"),
    ] {
        for (event, method) in [("add_reaction", "PUT"), ("remove_reaction", "DELETE")] {
            refused(tab.asks(event, reaction(&chat, message, emoji)).await, code);
            let path = chat.message(message, &format!("/reactions/{emoji}"));
            ben.call(method, &path).send().await.refused(status, code);
        }
    }
    let unknown = refused(
        tab.asks("add_reaction", reaction(&chat, &sent, "x")).await,
        "VALIDATION_ERROR",
    );
    let said = unknown["message"].as_str().expect("a message");
    assert!(
        said.contains("heart laugh fire sad thumbsup thumbsdown star question"),
        "{said}"
    );
    refused(
        tab.asks(
            "add_reaction",
            json!({"conversationId": chat.id, "messageId": sent["id"]}),
        )
        .await,
        "VALIDATION_ERROR",
    );
    ben.leaves(&chat).await;
    refused(
        tab.asks("add_reaction", reaction(&chat, &sent, "heart")).await,
        "NOT_MEMBER",
    );
    let history = ann.history(&chat).await;
    assert!(
        history.iter().all(|message| message["reactions"] == json!([])),
        "{history:?}"
    );
    let deleted = history
        .iter()
        .find(|message| message["id"] == gone["id"])
        .expect("it stays");
    assert_eq!((&deleted["content"], &deleted["reactions"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn the_set_of_emoji_is_the_operators() {
    let server = Server::with().set("reactions", "👍,+1, ❤️").start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let tab = alice.connect().await;
    assert_eq!(tab.ready["reactions"], json!(["👍", "+1", "❤️"]));
    let sent = alice.posts(&chat, "hi").await;
    let data = reaction(&chat, &sent, "👍");
    assert_eq!(
        tab.does("add_reaction", data).await["reactions"],
        json!([by("👍", &[&alice])])
    );
    bob.reacts(&chat, &sent, "%F0%9F%91%8D").await;
    let all = bob.reacts(&chat, &sent, "+1").await;
    assert_eq!(all, json!([by("👍", &[&alice, &bob]), by("+1", &[&bob])]));
    refused(
        tab.asks("add_reaction", reaction(&chat, &sent, "heart")).await,
        "VALIDATION_ERROR",
    );
    let default = Server::start().await;
    let ready = default.user("carol").await.connect().await.ready.clone();
    let names = [
        "heart",
        "laugh",
        "fire",
        "sad",
        "thumbsup",
        "thumbsdown",
        "star",
        "question",
    ];
    assert_eq!(ready["reactions"], json!(names));
    for bad in [",", "heart,heart", "a b", "Heart"] {
        let refusal = Server::with().set("reactions", bad).ends().await;
        refusal.failed_naming(&["reactions", "comma separated"]);
    }
}

#[tokio::test]
async fn two_users_react_at_the_same_instant_and_one_from_two_devices() {
    let (_server, alice, bob, chat) = pair().await;
    let (desk, phone, bob_tab) = (alice.connect().await, alice.connect().await, bob.connect().await);
    for round in 0..15 {
        let sent = alice.posts(&chat, &format!("m{round}")).await;
        let asked: Vec<(&Tab, i64)> = [&desk, &phone, &bob_tab]
            .into_iter()
            .map(|tab| (tab, tab.begins("add_reaction", reaction(&chat, &sent, "star"))))
            .collect();
        for (tab, id) in asked {
            tab.answer(id).await.expect("reacted");
        }
        let seq = sent["seq"].as_u64().expect("a seq");
        let last = bob_tab.sees("reaction_updated", |event| event["seq"] == seq + 2).await;
        let mut users: Vec<Value> = last["reactions"][0]["userIds"].as_array().expect("a list").clone();
        users.sort_by_key(Value::to_string);
        assert_eq!(users, [json!(alice.id), json!(bob.id)], "each once");
        // Both devices take it back: once.
        let asked = [&desk, &phone].map(|tab| (tab, tab.begins("remove_reaction", reaction(&chat, &sent, "star"))));
        for (tab, id) in asked {
            tab.answer(id).await.expect("taken back");
        }
        let left = alice.history(&chat).await.last().expect("a message").clone();
        assert_eq!(
            (&left["reactions"], &left["changeSeq"]),
            (&json!([by("star", &[&bob])]), &json!(seq + 3))
        );
    }
    bob_tab.sees("reaction_updated", |event| event["seq"] == 60).await;
    assert_eq!(
        bob_tab.live_seqs(&chat),
        (1..=60).collect::<Vec<u64>>(),
        "no seq for what changed nothing"
    );
}

#[tokio::test]
async fn a_reaction_against_the_deletion_leaves_none() {
    let (mut server, alice, bob, chat) = pair().await;
    for round in 0..15 {
        let sent = alice.posts(&chat, &format!("m{round}")).await;
        let path = chat.message(&sent, "/reactions/heart");
        let (deletion, reaction) = (chat.message(&sent, ""), bob.call("PUT", &path));
        let (reacted, deleted) = tokio::join!(reaction.send(), alice.delete(&deletion));
        deleted.ok(200);
        assert!(
            matches!(reacted.outcome().as_str(), "200" | "409 CONFLICT"),
            "{}",
            reacted.text
        );
    }
    let history = bob.history(&chat).await;
    assert!(
        history.iter().all(|message| message["reactions"] == json!([])),
        "{history:?}"
    );
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_message_takes_so_many_reactions_and_no_more() {
    let (mut server, alice, bob, chat) = pair().await;
    let sent = alice.posts(&chat, "popular").await;
    server.stop().await;
    // A thousand users would take a while: the store is told that they did, each as the change that it would be.
    Store::open(&server.place().data()).runs(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
         INSERT INTO users (key, id, name, name_folded, display_name, display_name_folded, created_at)
         SELECT 1000 + i, 'fan-' || i, 'fan' || i, 'fan' || i, 'Fan', 'fan', 1 FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
         INSERT INTO reactions SELECT m.position, 'heart', 1000 + i, m.position + i, m.position + 1 FROM n, messages m;
         INSERT INTO changes SELECT r.position, m.position, m.id, 2, r.user_key, 1 FROM reactions r, messages m;
         UPDATE messages SET change_position = position + 999;
         UPDATE heads SET seq = seq + 999;",
    );
    server.restart().await;
    let all = bob.reacts(&chat, &sent, "fire").await;
    assert_eq!(all[0]["userIds"].as_array().map(Vec::len), Some(999));
    assert_eq!(all[1], by("fire", &[&bob]));
    let path = chat.message(&sent, "/reactions/star");
    bob.call("PUT", &path).send().await.refused(409, "LIMIT_REACHED");
    // What is there already is no more than there is, and what goes makes room.
    bob.reacts(&chat, &sent, "fire").await;
    bob.takes_back(&chat, &sent, "fire").await;
    bob.reacts(&chat, &sent, "star").await;
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn everybody_in_a_group_reacts() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let mut people = Vec::new();
    for n in 0..12 {
        people.push(server.user(&format!("p{n}")).await);
    }
    let chat = owner.group("Crowd", &people.iter().collect::<Vec<_>>()).await;
    let sent = owner.posts(&chat, "vote").await;
    join_all(people.iter().map(|person| person.reacts(&chat, &sent, "thumbsup"))).await;
    let shown = owner.history(&chat).await[0].clone();
    let users = shown["reactions"][0]["userIds"].as_array().expect("a list");
    assert_eq!((users.len(), &shown["changeSeq"]), (12, &json!(13)));
}
