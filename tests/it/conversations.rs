//! Direct conversations and the list of conversations: found or created once, ordered by activity, paged.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::*,
    messages::{NO_SUCH_ID, message_of, pair},
};

#[tokio::test]
async fn find_or_create_creates_once_and_finds_from_both_sides() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let bob_tab = bob.connect().await;
    let made = alice
        .post("/api/conversations/find-or-create", json!({"otherUserId": bob.id}))
        .await
        .ok(201);
    assert_shape(&made, &json!({"conversationId": "<uuid>", "created": true}));
    let found = json!({"conversationId": made["conversationId"], "created": false});
    let by_alice = alice
        .post("/api/conversations/find-or-create", json!({"otherUserId": bob.id}))
        .await
        .ok(200);
    let by_bob = bob
        .post("/api/conversations/find-or-create", json!({"otherUserId": alice.id}))
        .await
        .ok(200);
    assert_eq!((&by_alice, &by_bob), (&found, &found));
    let told = bob_tab.sees("conversation_created", |_| true).await;
    assert_has(
        &told["conversation"],
        &json!({"id": made["conversationId"], "kind": "direct"}),
    );
    bob_tab.catches_up().await;
    assert_eq!(bob_tab.got("conversation_created").len(), 1);
}

#[tokio::test]
async fn find_or_create_refuses_oneself_and_nobody() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let path = "/api/conversations/find-or-create";
    alice
        .post(path, json!({"otherUserId": alice.id}))
        .await
        .refused(400, "VALIDATION_ERROR");
    alice
        .post(path, json!({"otherUserId": "u-nobody"}))
        .await
        .refused(404, "NOT_FOUND");
    for body in [
        json!({}),
        json!({"otherUserId": ""}),
        json!({"otherUserId": 7}),
        json!([]),
    ] {
        alice.post(path, body).await.refused(400, "VALIDATION_ERROR");
    }
    assert!(alice.conversations().await.is_empty());
}

#[tokio::test]
async fn a_hundred_parallel_calls_from_both_sides_make_one_conversation() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let calls = (0..100).map(|number| {
        let (from, to) = if number % 2 == 0 {
            (&alice, &bob)
        } else {
            (&bob, &alice)
        };
        from.post("/api/conversations/find-or-create", json!({"otherUserId": to.id}))
    });
    let answers = join_all(calls).await;
    let created = answers.iter().filter(|answer| answer.body["created"] == true);
    assert_eq!(created.clone().count(), 1, "exactly one call made it");
    assert_eq!(created.map(|answer| answer.status).next(), Some(201));
    let chat = Chat {
        id: answers[0].body["conversationId"].as_str().expect("an id").to_owned(),
    };
    for answer in &answers {
        assert_eq!(answer.body["conversationId"], chat.id, "{}", answer.text);
        assert_eq!(answer.status, if answer.body["created"] == true { 201 } else { 200 });
    }
    alice_tab.sends(&chat, "hi").await;
    bob_tab.sees_message(&chat, "hi").await;
    let told = alice_tab.got("conversation_created").len() + bob_tab.got("conversation_created").len();
    assert!((1..=2).contains(&told), "told {told} times");
    assert_eq!(
        (alice.conversations().await.len(), bob.conversations().await.len()),
        (1, 1)
    );
}

#[tokio::test]
async fn a_session_gets_a_conversation_made_after_it_connected() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let bob_tab = bob.connect().await;
    let chat = alice.direct_with(&bob).await;
    alice.posts(&chat, "surprise").await;
    bob_tab.sees_message(&chat, "surprise").await;
}

#[tokio::test]
async fn the_list_shows_what_a_client_needs_to_draw_it() {
    let (_server, alice, bob, chat) = pair().await;
    let before = json!({"id": chat.id, "kind": "direct", "lastMessage": null, "seq": 0, "unreadCount": 0,
        "lastReadSeq": 0, "memberCount": 2, "otherUser": alice.shown()});
    assert_has(&bob.listed(&chat).await, &before);
    let sent = alice.posts(&chat, "hi").await;
    let after = json!({"id": chat.id, "kind": "direct", "lastMessage": message_of(&alice, &chat, 1, "hi"),
        "lastMessageAt": sent["createdAt"], "seq": 1, "unreadCount": 1, "lastReadSeq": 0, "memberCount": 2,
        "otherUser": alice.shown()});
    assert_has(&bob.listed(&chat).await, &after);
    assert_has(
        &alice.listed(&chat).await,
        &json!({"otherUser": bob.shown(), "unreadCount": 0}),
    );
}

#[tokio::test]
async fn the_last_message_is_shown_without_its_content_when_deleted() {
    let (_server, alice, bob, chat) = pair().await;
    let sent = alice.posts(&chat, "regretted").await;
    alice
        .delete(&chat.path(&format!("/messages/{}", sent["id"].as_str().expect("an id"))))
        .await
        .ok(200);
    let listed = bob.listed(&chat).await;
    assert!(!listed.to_string().contains("regretted"), "{listed}");
    assert_eq!(listed["seq"], 2);
}

fn ids(page: &Value) -> Vec<String> {
    let list = page["conversations"].as_array().expect("a list").iter();
    list.map(|conversation| conversation["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test]
async fn the_list_is_ordered_by_activity_and_read_in_pages() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut chats = Vec::new();
    for number in 0..7 {
        let other = server.user(&format!("other{number}")).await;
        let chat = alice.direct_with(&other).await;
        other.posts(&chat, "hello").await;
        chats.push(chat.id);
    }
    // The third one becomes the newest.
    alice.posts(&Chat { id: chats[2].clone() }, "again").await;
    let third = chats.remove(2);
    chats.push(third);
    chats.reverse();
    let all = alice.get("/api/conversations").await.ok(200);
    assert_eq!((ids(&all), &all["nextCursor"]), (chats.clone(), &Value::Null));
    let mut paged = Vec::new();
    let mut cursor = String::new();
    for expected in [3, 3, 1] {
        let page = alice.get(&format!("/api/conversations?limit=3{cursor}")).await.ok(200);
        assert_eq!(ids(&page).len(), expected);
        paged.extend(ids(&page));
        cursor = page["nextCursor"]
            .as_str()
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        assert_eq!(cursor.is_empty(), expected == 1, "{page}");
    }
    assert_eq!(paged, chats);
}

#[tokio::test]
async fn paging_loses_nothing_when_activity_moves_the_list() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut chats = Vec::new();
    for number in 0..6 {
        let other = server.user(&format!("other{number}")).await;
        chats.push(alice.direct_with(&other).await);
    }
    for chat in &chats {
        alice.posts(chat, "hello").await;
    }
    let first = alice.get("/api/conversations?limit=3").await.ok(200);
    alice.posts(&chats[5], "moves nothing but itself").await;
    let cursor = first["nextCursor"].as_str().expect("more");
    let second = alice
        .get(&format!("/api/conversations?limit=3&cursor={cursor}"))
        .await
        .ok(200);
    let mut seen = [ids(&first), ids(&second)].concat();
    seen.sort();
    let mut expected: Vec<String> = chats.into_iter().map(|chat| chat.id).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn bad_lists_are_refused() {
    let (_server, alice, _bob, _chat) = pair().await;
    for query in ["limit=0", "limit=101", "limit=few", "limit=-1", "cursor=nonsense"] {
        alice
            .get(&format!("/api/conversations?{query}"))
            .await
            .refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_direct_conversation_has_details_for_its_two_members_only() {
    let (server, alice, bob, chat) = pair().await;
    let details = alice.get(&chat.path("")).await.ok(200);
    assert_has(&details["conversation"], &json!({"id": chat.id, "kind": "direct"}));
    let mut members: Vec<Value> = details["members"]
        .as_array()
        .expect("members")
        .iter()
        .map(|member| member["user"].clone())
        .collect();
    members.sort_by_key(|user| user["id"].to_string());
    assert_eq!(members, [alice.shown(), bob.shown()]);
    let carol = server.user("carol").await;
    carol.get(&chat.path("")).await.refused(403, "NOT_MEMBER");
    carol
        .get(&format!("/api/conversations/{NO_SUCH_ID}"))
        .await
        .refused(404, "NOT_FOUND");
    let malformed = carol.get("/api/conversations/what%20ever").await;
    assert!(matches!(malformed.status, 400 | 404), "{}", malformed.text);
}

#[tokio::test]
async fn a_direct_conversation_keeps_its_two_members() {
    let (server, alice, bob, chat) = pair().await;
    let carol = server.user("carol").await;
    alice
        .post(&chat.path("/members"), json!({"userId": carol.id}))
        .await
        .refused(403, "FORBIDDEN");
    alice
        .delete(&chat.path(&format!("/members/{}", bob.id)))
        .await
        .refused(403, "FORBIDDEN");
    alice
        .post(&chat.path("/leave"), json!({}))
        .await
        .refused(403, "FORBIDDEN");
    assert_eq!(alice.members(&chat).await.len(), 2);
}

#[tokio::test]
async fn opening_a_conversation_answers_with_all_of_it() {
    let (_server, alice, bob, chat) = pair().await;
    let alice_tab = alice.connect().await;
    for number in 1..=60 {
        alice_tab.sends(&chat, &format!("m{number}")).await;
    }
    bob.post(&chat.path("/read"), json!({"seq": 7})).await.ok(200);
    let opened = bob.connect().await.opens(&chat).await;
    assert_has(&opened["conversation"], &json!({"id": chat.id, "kind": "direct"}));
    assert_eq!((&opened["seq"], &opened["hasMore"]), (&json!(60), &json!(true)));
    let seqs: Vec<u64> = seqs(&opened);
    assert_eq!(seqs, (11..=60).collect::<Vec<u64>>(), "the newest 50");
    let mut members = opened["members"].as_array().expect("members").clone();
    members.sort_by_key(|member| member["user"]["id"].to_string());
    let direct_role = members[0]["role"].clone();
    let expected = json!([
        {"user": alice.shown(), "role": direct_role, "online": true, "lastReadSeq": "<count>"},
        {"user": bob.shown(), "role": direct_role, "online": "<bool>", "lastReadSeq": 7},
    ]);
    assert_shape(&json!(members), &expected);
}

fn seqs(answer: &Value) -> Vec<u64> {
    answer["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| m["seq"].as_u64().expect("a seq"))
        .collect()
}

#[tokio::test]
async fn opening_after_a_cursor_answers_with_what_changed_since() {
    let (_server, alice, bob, chat) = pair().await;
    let alice_tab = alice.connect().await;
    let first = alice_tab.sends(&chat, "m1").await;
    for number in 2..=5 {
        alice_tab.sends(&chat, &format!("m{number}")).await;
    }
    alice_tab
        .does(
            "delete_message",
            json!({"conversationId": chat.id, "messageId": first["id"]}),
        )
        .await;
    let bob_tab = bob.connect().await;
    let since = bob_tab
        .does("join_conversation", json!({"conversationId": chat.id, "after": 3}))
        .await;
    assert_eq!(
        (seqs(&since), &since["seq"], &since["hasMore"]),
        (vec![4, 5, 1], &json!(6), &json!(false))
    );
    assert_eq!(since["messages"][2]["content"], Value::Null);
    let nothing = bob_tab
        .does("join_conversation", json!({"conversationId": chat.id, "after": 6}))
        .await;
    assert_eq!((seqs(&nothing), &nothing["seq"]), (vec![], &json!(6)));
    let all = bob_tab
        .does("join_conversation", json!({"conversationId": chat.id, "after": 0}))
        .await;
    assert_eq!(seqs(&all), [2, 3, 4, 5, 1], "in the order of their last change");
}

#[tokio::test]
async fn opening_is_refused_to_others() {
    let (server, alice, _bob, chat) = pair().await;
    let (alice_tab, carol_tab) = (alice.connect().await, server.user("carol").await.connect().await);
    for event in ["join_conversation", "leave_conversation"] {
        refused(
            carol_tab.asks(event, json!({"conversationId": chat.id})).await,
            "NOT_MEMBER",
        );
        refused(alice_tab.asks(event, json!({})).await, "VALIDATION_ERROR");
        refused(
            alice_tab.asks(event, json!({"conversationId": 7})).await,
            "VALIDATION_ERROR",
        );
    }
    let nowhere = json!({"conversationId": NO_SUCH_ID});
    refused(alice_tab.asks("join_conversation", nowhere).await, "NOT_FOUND");
    let bad = json!({"conversationId": chat.id, "after": -1});
    refused(alice_tab.asks("join_conversation", bad).await, "VALIDATION_ERROR");
}

#[tokio::test]
async fn join_and_live_events_under_load_leave_no_hole() {
    let (_server, alice, bob, chat) = pair().await;
    let alice_tab = alice.connect().await;
    let mut asked = Vec::new();
    let mut tabs = Vec::new();
    // While 1500 messages are under way, bob opens ten more tabs, each of which joins in the middle of it.
    for burst in 0..10 {
        for number in 0..150 {
            let text = format!("m{}", burst * 150 + number + 1);
            asked.push(alice_tab.begins("send_message", json!({"conversationId": chat.id, "content": text})));
        }
        let tab = bob.connect().await;
        let joined = tab.opens(&chat).await;
        tabs.push((tab, joined));
    }
    for id in asked {
        alice_tab.answer(id).await.expect("sent");
    }
    for (tab, joined) in &tabs {
        let seq = joined["seq"].as_u64().expect("a seq");
        // Also behind what the page has: the message may be in both.
        tab.catches_up().await;
        if seq < 1500 || !tab.live_seqs(&chat).is_empty() {
            tab.sees_message(&chat, "m1500").await;
        }
        let page = seqs(joined);
        assert_eq!(
            page,
            (seq + 1 - page.len() as u64..=seq).collect::<Vec<u64>>(),
            "the page has no hole"
        );
        let live = tab.live_seqs(&chat);
        if live.is_empty() {
            assert_eq!(seq, 1500, "nothing came live, so the page has everything");
            continue;
        }
        assert!(
            live[0] <= seq + 1,
            "between the page (up to {seq}) and the live events (from {}) is a hole",
            live[0]
        );
        assert_eq!(
            live,
            (live[0]..=1500).collect::<Vec<u64>>(),
            "the live events have no hole"
        );
    }
}
