//! Messages past their time: gone for everybody, told to those who are there, learned by those who were not; and nothing else
//! is harmed by it, whatever happens meanwhile.

use serde_json::{Value, json};

use crate::{checker::Breach, harness::*, swarm::Swarm};

/// A group whose messages are kept for a minute.
async fn ephemeral(owner: &Person, members: &[&Person]) -> Chat {
    let ids: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
    let body = json!({"kind": "group", "name": "Fleeting", "memberIds": ids, "retentionSeconds": 60});
    let answer = owner.post("/api/conversations", body).await.ok(201);
    let id = answer["conversation"]["id"].as_str().expect("an id").to_owned();
    Chat { id }
}

/// Lets an hour go by for what was said so far, up to and with a seq, wherever it was said.
fn an_hour_passes(server: &Server, upto: u64) {
    let aged = Store::open(server.place()).changes(&format!(
        "UPDATE messages SET created_at = created_at - 3600000 WHERE position & 4294967295 <= {upto}"
    ));
    assert!(aged > 0, "nothing was said");
}

async fn gone_up_to(tab: &Tab, chat: &Chat, seq: u64) {
    let told = tab
        .sees("messages_expired", |data| {
            data["conversationId"] == chat.id && data["expiredSeq"] == seq
        })
        .await;
    assert_eq!(told, json!({"conversationId": chat.id, "expiredSeq": seq}));
}

#[tokio::test]
async fn what_is_past_its_time_is_gone_and_everybody_is_told() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = ephemeral(&alice, &[&bob]).await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let first = alice.posts(&chat, "one").await;
    alice.posts_as(&chat, "c-2", "two").await.ok(201);
    let reply = json!({"content": "three", "replyToId": first["id"]});
    alice.post(&chat.path("/messages"), reply).await.ok(201);
    an_hour_passes(&server, 2);
    gone_up_to(&bob_tab, &chat, 2).await;
    gone_up_to(&alice_tab, &chat, 2).await;
    assert_eq!(bob.texts(&chat).await, ["three"]);
    let page = bob.page(&chat, "limit=1&markRead=false").await;
    assert_has(&page, &json!({"hasMore": false, "hasMoreAfter": false}));
    assert_has(
        &page["messages"][0],
        &json!({"replyToId": first["id"], "replyTo": null}),
    );
    let listed = bob.listed(&chat).await;
    assert_has(
        &listed,
        &json!({"seq": 3, "expiredSeq": 2, "unreadCount": 1, "lastReadSeq": 0}),
    );
    // It is as if it had never been said.
    let gone = first["id"].as_str().expect("an id");
    let message = chat.path(&format!("/messages/{gone}"));
    alice.delete(&message).await.refused(404, "NOT_FOUND");
    bob.get(&chat.path(&format!("/messages?before={gone}")))
        .await
        .refused(404, "NOT_FOUND");
    bob.post(&chat.path("/read"), json!({"messageId": gone}))
        .await
        .refused(404, "NOT_FOUND");
    let answer = json!({"content": "yes", "replyToId": gone});
    bob.post(&chat.path("/messages"), answer)
        .await
        .refused(404, "NOT_FOUND");
    // Its client id is free again; no seq is given twice.
    let again = alice.posts_as(&chat, "c-2", "something else").await.ok(201);
    assert_eq!(again["message"]["seq"], 4);
    let read = bob.post(&chat.path("/read"), json!({"seq": 1})).await.ok(200);
    assert_eq!(read, json!({"lastReadSeq": 1, "unreadCount": 2, "mentionCount": 0}));
}

#[tokio::test]
async fn a_conversation_may_lose_everything() {
    let mut server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = ephemeral(&alice, &[]).await;
    let tab = alice.connect().await;
    alice.adds(&chat, &bob).await;
    alice.posts(&chat, "hi").await;
    an_hour_passes(&server, 2);
    gone_up_to(&tab, &chat, 2).await;
    let listed = alice.listed(&chat).await;
    let empty = json!({"seq": 2, "expiredSeq": 2, "unreadCount": 0, "lastMessage": null, "lastMessageAt": null});
    assert_has(&listed, &empty);
    assert_has(
        &tab.opens(&chat).await,
        &json!({"messages": [], "seq": 2, "expiredSeq": 2, "hasMore": false}),
    );
    assert_eq!(bob.posts(&chat, "still here").await["seq"], 3);
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn who_was_away_learns_what_is_gone() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = ephemeral(&alice, &[&bob]).await;
    let tab = alice.connect().await;
    for text in ["one", "two", "three", "four"] {
        alice.posts(&chat, text).await;
    }
    an_hour_passes(&server, 3);
    gone_up_to(&tab, &chat, 3).await;
    let bob_tab = bob.connect().await;
    let cursors = json!({"cursors": [{"conversationId": chat.id, "seq": 1}]});
    let answer = bob_tab.does("sync", cursors).await;
    let part = &answer["conversations"][0];
    assert_has(
        part,
        &json!({"seq": 4, "expiredSeq": 3, "hasMore": false, "reset": false}),
    );
    assert_eq!(part["messages"].as_array().map(Vec::len), Some(1), "{part}");
    let joined = bob_tab.opens(&chat).await;
    assert_has(&joined, &json!({"seq": 4, "expiredSeq": 3, "hasMore": false}));
    assert_eq!(joined["conversation"]["expiredSeq"], 3);
    assert_eq!(
        bob_tab.got("messages_expired"),
        Vec::<Value>::new(),
        "nothing more went"
    );
}

#[tokio::test]
async fn only_a_conversation_with_the_policy_loses_anything() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    // The younger ones of the round: when the last one has lost something, the others had their turn.
    let (kept, relaxed) = (alice.group("Kept", &[&bob]).await, ephemeral(&alice, &[&bob]).await);
    let chat = ephemeral(&alice, &[&bob]).await;
    let tab = bob.connect().await;
    for chat in [&kept, &relaxed, &chat] {
        alice.posts(chat, "hi").await;
    }
    alice
        .patch(&relaxed.path(""), json!({"retentionSeconds": 86400}))
        .await
        .ok(200);
    an_hour_passes(&server, 1);
    gone_up_to(&tab, &chat, 1).await;
    assert_eq!(bob.texts(&kept).await, ["hi"]);
    assert_eq!(bob.texts(&relaxed).await, ["hi"]);
    // A policy that is set counts for what was said before.
    alice
        .patch(&kept.path(""), json!({"retentionSeconds": 600}))
        .await
        .ok(200);
    gone_up_to(&tab, &kept, 1).await;
    assert_eq!(bob.texts(&kept).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_long_past_goes_step_by_step_while_others_write() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = ephemeral(&alice, &[&bob]).await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let say = |n: u64| {
        alice_tab.begins(
            "send_message",
            json!({"conversationId": chat.id, "content": format!("m{n}")}),
        )
    };
    let asked: Vec<i64> = (1..=3000).map(say).collect();
    for id in asked {
        alice_tab.answer(id).await.expect("sent");
    }
    an_hour_passes(&server, 3000);
    let mut sent = 0;
    while !bob_tab
        .got("messages_expired")
        .iter()
        .any(|data| data["expiredSeq"] == 3000)
    {
        alice_tab.sends(&chat, "meanwhile").await;
        sent += 1;
    }
    let last = alice.posts(&chat, "the last one").await;
    bob_tab.sees_message(&chat, "the last one").await;
    assert_eq!(last["seq"], 3000 + sent + 1);
    assert_eq!(bob_tab.live_seqs(&chat), (1..=3000 + sent + 1).collect::<Vec<u64>>());
    // What bob saw, in order: a step removes 500 at the most. How many sends come in between is the scheduler's.
    let seen = bob_tab.log.all(|what| match what {
        What::Event { name, data } if name == "messages_expired" => data["expiredSeq"].as_u64().map(Some),
        What::Event { name, data } if name == "new_message" && data["content"] == "meanwhile" => Some(None),
        _ => None,
    });
    let steps: Vec<u64> = seen.iter().flatten().copied().collect();
    assert_eq!(steps, [500, 1000, 1500, 2000, 2500, 3000]);
    assert_eq!(bob.listed(&chat).await["unreadCount"], sent + 1);
}

#[tokio::test]
async fn a_deleted_conversation_loses_its_messages_too_unless_they_are_kept() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let (kept, chat, other) = (
        alice.group("Kept", &[]).await,
        ephemeral(&alice, &[]).await,
        ephemeral(&alice, &[]).await,
    );
    let tab = alice.connect().await;
    for chat in [&kept, &chat, &other] {
        alice.posts(chat, "hi").await;
    }
    for chat in [&kept, &chat] {
        alice.delete(&chat.path("")).await.ok(204);
    }
    an_hour_passes(&server, 2);
    // The last one of the round.
    gone_up_to(&tab, &other, 1).await;
    let left = Store::open(server.place()).reads("SELECT count(*) FROM messages");
    assert_eq!(left, 2, "what was said in the one that is kept, and its end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_the_middle_of_it_break_no_promise() {
    let mut server = Server::with().on_a_port_of_its_own().start().await;
    let swarm = Swarm::start(&server, 7).await;
    swarm.acknowledges(50).await;
    let mut store = Store::open(server.place());
    // Shorter than anybody may ask for; the rooms of the next start know.
    store.changes("UPDATE conversations SET retention_seconds = 2 WHERE kind = 1");
    const GONE: &str = "SELECT sum(expired_seq) FROM heads";
    for _ in 0..4 {
        server.kill().await;
        server.restart().await;
        swarm.server_started();
        let before = store.reads(GONE);
        while store.reads(GONE) == before {
            swarm.acknowledges(20).await;
        }
    }
    store.changes("UPDATE conversations SET retention_seconds = NULL");
    let breaches = swarm.ends().await;
    let first: Vec<&Breach> = breaches.iter().take(10).collect();
    assert!(
        breaches.is_empty(),
        "{} promises were not kept: {first:#?}",
        breaches.len()
    );
    assert!(store.reads("SELECT min(expired_seq) FROM heads WHERE conversation_key IN (SELECT key FROM conversations WHERE kind = 1)") > 0);
    drop(store);
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}
