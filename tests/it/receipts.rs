//! Who has read what: cursors that only move on, told to everybody, listed for each message; and counts that are exact.

use serde_json::json;

use crate::{
    harness::*,
    messages::{NO_SUCH_ID, pair},
};

#[tokio::test]
async fn a_message_knows_who_has_read_it_and_when() {
    let server = Server::start().await;
    let (ann, ben, cat) = (
        server.user("ann").await,
        server.user("ben").await,
        server.user("cat").await,
    );
    let chat = ann.group("Tea", &[&ben, &cat]).await;
    let (one, two) = (ann.posts(&chat, "one").await, ann.posts(&chat, "two").await);
    assert!(ann.sees_readers(&chat, &one).await.is_empty());
    let tab = ann.connect().await;
    cat.reads(&chat, 1).await;
    let cat_read = tab.sees("message_read", |_| true).await;
    // Two reads of one millisecond have no order.
    let read_at = cat_read["readAt"].as_str().expect("a time");
    while parlor::domain::Clock::System.now().to_string().as_str() <= read_at {}
    ben.reads(&chat, 2).await;
    let ben_read = tab.sees("message_read", |read| read["userId"] == ben.id).await;
    let receipts = ann.get(&chat.message(&one, "/receipts")).await.ok(200);
    let expected = json!({"readBy": [
        {"user": cat.shown(), "readAt": cat_read["readAt"]},
        {"user": ben.shown(), "readAt": ben_read["readAt"]},
    ]});
    assert_eq!(receipts, expected, "whoever read it first is first");
    assert_eq!(ann.sees_readers(&chat, &two).await, std::slice::from_ref(&ben.id));
    // Reading on does not change when the first one was read.
    cat.reads(&chat, 2).await;
    assert_eq!(ben.get(&chat.message(&one, "/receipts")).await.ok(200), expected);
    assert_eq!(ann.sees_readers(&chat, &two).await, [ben.id.clone(), cat.id.clone()]);
    // The sender is none of its readers.
    ann.reads(&chat, 2).await;
    assert_eq!(ann.sees_readers(&chat, &two).await, [ben.id, cat.id]);
}

#[tokio::test]
async fn who_came_later_did_not_read_what_was_before() {
    let server = Server::start().await;
    let (ann, ben, cat) = (
        server.user("ann").await,
        server.user("ben").await,
        server.user("cat").await,
    );
    let chat = ann.group("Tea", &[&ben]).await;
    let before = ann.posts(&chat, "before").await;
    ann.adds(&chat, &cat).await;
    let after = ann.posts(&chat, "after").await;
    cat.page(&chat, "limit=10").await;
    assert!(ann.sees_readers(&chat, &before).await.is_empty());
    assert_eq!(ann.sees_readers(&chat, &after).await, std::slice::from_ref(&cat.id));
    // Whoever is gone is not listed, and begins anew when they come back.
    ann.removes(&chat, &cat).await;
    assert!(ann.sees_readers(&chat, &after).await.is_empty());
    ann.adds(&chat, &cat).await;
    let last = ann.posts(&chat, "last").await;
    assert!(ann.sees_readers(&chat, &after).await.is_empty());
    cat.reads(&chat, 6).await;
    let expected: Vec<Vec<String>> = vec![vec![], vec![], vec![cat.id.clone()]];
    let mut seen = Vec::new();
    for message in [&before, &after, &last] {
        seen.push(ann.sees_readers(&chat, message).await);
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn receipts_are_for_members_and_of_messages_that_are_here() {
    let (server, alice, bob, chat) = pair().await;
    let carol = server.user("carol").await;
    let sent = alice.posts(&chat, "hi").await;
    let path = chat.message(&sent, "/receipts");
    carol.get(&path).await.refused(403, "NOT_MEMBER");
    server.call("GET", &path).send().await.refused(401, "UNAUTHORIZED");
    bob.get(&chat.path(&format!("/messages/{NO_SUCH_ID}/receipts")))
        .await
        .refused(404, "NOT_FOUND");
    let elsewhere = carol.direct_with(&bob).await;
    bob.get(&elsewhere.message(&sent, "/receipts"))
        .await
        .refused(404, "NOT_FOUND");
    bob.get(&chat.path("/messages/x/receipts"))
        .await
        .refused(400, "VALIDATION_ERROR");
    // Also of a deleted one.
    bob.reads(&chat, 1).await;
    alice.deletes(&chat, &sent).await;
    assert_eq!(alice.sees_readers(&chat, &sent).await, [bob.id]);
}

#[tokio::test]
async fn the_readers_other_devices_hear_of_it() {
    let (_server, alice, bob, chat) = pair().await;
    let (desk, phone, alice_tab) = (bob.connect().await, bob.connect().await, alice.connect().await);
    alice.posts(&chat, "hi @bob").await;
    desk.sees_message(&chat, "hi @bob").await;
    let read = desk
        .does("mark_read", json!({"conversationId": chat.id, "seq": 1}))
        .await;
    assert_eq!(read, json!({"lastReadSeq": 1, "unreadCount": 0, "mentionCount": 0}));
    for tab in [&phone, &alice_tab] {
        let event = tab.sees("message_read", |_| true).await;
        let expected = json!({"conversationId": chat.id, "userId": bob.id, "lastReadSeq": 1, "readAt": "<time>"});
        assert_shape(&event, &expected);
    }
    // The phone is behind: nothing moves, nobody is told.
    let behind = phone
        .does("mark_read", json!({"conversationId": chat.id, "seq": 0}))
        .await;
    assert_eq!(behind["lastReadSeq"], 1);
    phone
        .does("mark_read", json!({"conversationId": chat.id, "seq": 1}))
        .await;
    for tab in [&desk, &alice_tab, &phone] {
        tab.catches_up().await;
    }
    let told = [&desk, &alice_tab, &phone].map(|tab| tab.got("message_read").len());
    assert_eq!(told, [0, 1, 1]);
}

#[tokio::test]
async fn several_devices_read_at_once_and_the_cursor_only_moves_on() {
    let (mut server, alice, bob, chat) = pair().await;
    for n in 1..=60 {
        alice.posts(&chat, &format!("m{n}")).await;
    }
    let tabs = [bob.connect().await, bob.connect().await, bob.connect().await];
    let watcher = alice.connect().await;
    let asked: Vec<(usize, i64)> = (0..180)
        .map(|n| {
            // Each device in an order of its own, all of them out of order.
            let (tab, seq) = (n % 3, n * 37 % 60 + 1);
            (
                tab,
                tabs[tab].begins("mark_read", json!({"conversationId": chat.id, "seq": seq})),
            )
        })
        .collect();
    for (tab, id) in asked {
        let read = tabs[tab].answer(id).await.expect("read");
        let (cursor, unread) = (read["lastReadSeq"].as_u64(), read["unreadCount"].as_u64());
        assert_eq!(
            cursor.zip(unread).map(|(cursor, unread)| cursor + unread),
            Some(60),
            "{read}"
        );
    }
    watcher.sees("message_read", |read| read["lastReadSeq"] == 60).await;
    let steps: Vec<u64> = watcher
        .got("message_read")
        .iter()
        .map(|read| read["lastReadSeq"].as_u64().expect("a seq"))
        .collect();
    assert!(steps.is_sorted_by(|one, other| one < other), "{steps:?}");
    server.kill().await;
    server.restart().await;
    let listed = bob.listed(&chat).await;
    assert_eq!(
        (&listed["lastReadSeq"], &listed["unreadCount"]),
        (&json!(60), &json!(0))
    );
    assert_eq!(
        alice.sees_readers(&chat, &alice.history(&chat).await[59]).await,
        [bob.id]
    );
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn edits_reactions_and_deletions_leave_the_counts_exact() {
    let (_server, alice, bob, chat) = pair().await;
    let mut sent = Vec::new();
    for n in 0..6 {
        sent.push(alice.posts(&chat, &format!("m{n}")).await);
    }
    bob.reads(&chat, 2).await;
    let unread = async || bob.listed(&chat).await["unreadCount"].as_u64().expect("a count");
    assert_eq!(unread().await, 4);
    alice.edits(&chat, &sent[0], "edited, read").await;
    alice.edits(&chat, &sent[5], "edited, unread").await;
    bob.reacts(&chat, &sent[4], "heart").await;
    alice.reacts(&chat, &sent[4], "heart").await;
    assert_eq!(unread().await, 4, "what changes is no new message");
    alice.deletes(&chat, &sent[1]).await;
    assert_eq!(unread().await, 4, "it was read");
    alice.deletes(&chat, &sent[3]).await;
    assert_eq!(unread().await, 3);
    bob.posts(&chat, "mine").await;
    assert_eq!(unread().await, 3);
    let read = bob.reads(&chat, 5).await;
    assert_eq!(read, json!({"lastReadSeq": 5, "unreadCount": 1, "mentionCount": 0}));
    let read = bob.reads(&chat, 999).await;
    assert_eq!(read, json!({"lastReadSeq": 13, "unreadCount": 0, "mentionCount": 0}));
}
