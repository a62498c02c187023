//! Reading back: history page by page in both directions, what marks it read, the counts of unread messages.

use serde_json::{Value, json};

use crate::{
    harness::*,
    messages::{NO_SUCH_ID, pair},
};

fn texts(page: &Value) -> Vec<&str> {
    page["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| m["content"].as_str().expect("a text"))
        .collect()
}

fn more(page: &Value) -> (bool, bool) {
    (
        page["hasMore"].as_bool().expect("hasMore"),
        page["hasMoreAfter"].as_bool().expect("hasMoreAfter"),
    )
}

/// m1 … m`count`; their ids.
async fn fill(person: &Person, chat: &Chat, count: usize) -> Vec<String> {
    let tab = person.connect().await;
    let mut ids = Vec::new();
    for number in 1..=count {
        let sent = tab.sends(chat, &format!("m{number}")).await;
        ids.push(sent["id"].as_str().expect("an id").to_owned());
    }
    ids
}

fn numbered(range: std::ops::RangeInclusive<usize>) -> Vec<String> {
    range.map(|number| format!("m{number}")).collect()
}

#[tokio::test]
async fn history_is_read_in_pages_in_both_directions() {
    let (_server, alice, bob, chat) = pair().await;
    let ids = fill(&alice, &chat, 60).await;
    let newest = bob.page(&chat, "").await;
    assert_eq!(
        (texts(&newest), more(&newest)),
        (numbered(11..=60).iter().map(String::as_str).collect(), (true, false))
    );
    for (query, range, expected) in [
        (format!("before={}&limit=10", ids[10]), 1..=10, (false, true)),
        (format!("before={}&limit=10", ids[11]), 2..=11, (true, true)),
        (format!("after={}&limit=10", ids[9]), 11..=20, (true, true)),
        (format!("after={}&limit=10", ids[49]), 51..=60, (true, false)),
        (format!("after={}&limit=100", ids[0]), 2..=60, (true, false)),
        ("limit=100".to_owned(), 1..=60, (false, false)),
        ("limit=1".to_owned(), 60..=60, (true, false)),
    ] {
        let page = bob.page(&chat, &query).await;
        let wanted = numbered(range);
        assert_eq!(
            (texts(&page), more(&page)),
            (wanted.iter().map(String::as_str).collect(), expected),
            "{query}"
        );
    }
    let around = bob.page(&chat, &format!("around={}&limit=11", ids[29])).await;
    let shown = texts(&around);
    assert!(
        shown.contains(&"m30") && shown.len() <= 11 && shown.len() >= 10,
        "{shown:?}"
    );
    assert_eq!(more(&around), (true, true));
    let first = shown[0][1..].parse::<usize>().expect("a number");
    assert_eq!(shown, numbered(first..=first + shown.len() - 1), "without a hole");
    assert!((23..=27).contains(&first), "the middle is in the middle: {shown:?}");
    let around_the_first = bob.page(&chat, &format!("around={}&limit=10", ids[0])).await;
    assert_eq!(
        (texts(&around_the_first)[0], more(&around_the_first)),
        ("m1", (false, true))
    );
    let none_after = bob.page(&chat, &format!("after={}", ids[59])).await;
    assert_eq!((texts(&none_after).len(), more(&none_after).1), (0, false));
    let none_before = bob.page(&chat, &format!("before={}", ids[0])).await;
    assert_eq!((texts(&none_before).len(), more(&none_before).0), (0, false));
}

#[tokio::test]
async fn an_empty_conversation_has_an_empty_history() {
    let (_server, alice, _bob, chat) = pair().await;
    assert_eq!(
        alice.page(&chat, "").await,
        json!({"messages": [], "hasMore": false, "hasMoreAfter": false})
    );
}

#[tokio::test]
async fn bad_pages_are_refused() {
    let (server, alice, _bob, chat) = pair().await;
    let ids = fill(&alice, &chat, 2).await;
    for query in [
        "limit=0".to_owned(),
        "limit=101".to_owned(),
        "limit=-1".to_owned(),
        "limit=many".to_owned(),
        "before=x%20y".to_owned(),
        "markRead=perhaps".to_owned(),
        format!("before={}&after={}", ids[1], ids[0]),
    ] {
        alice
            .get(&chat.path(&format!("/messages?{query}")))
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    alice
        .get(&chat.path(&format!("/messages?before={NO_SUCH_ID}")))
        .await
        .refused(404, "NOT_FOUND");
    let carol = server.user("carol").await;
    let elsewhere = alice.direct_with(&carol).await;
    let foreign = elsewhere.path(&format!("/messages?around={}", ids[0]));
    carol.get(&foreign).await.refused(404, "NOT_FOUND");
    carol.get(&chat.path("/messages")).await.refused(403, "NOT_MEMBER");
    alice
        .get(&format!("/api/conversations/{NO_SUCH_ID}/messages"))
        .await
        .refused(404, "NOT_FOUND");
}

/// (lastReadSeq, unreadCount) in the person's list.
async fn standing(person: &Person, chat: &Chat) -> (u64, u64) {
    let listed = person.listed(chat).await;
    (
        listed["lastReadSeq"].as_u64().expect("lastReadSeq"),
        listed["unreadCount"].as_u64().expect("unreadCount"),
    )
}

#[tokio::test]
async fn fetching_marks_as_read_up_to_the_newest_returned_unless_told_otherwise() {
    let (_server, alice, bob, chat) = pair().await;
    let alice_tab = alice.connect().await;
    let ids = fill(&alice, &chat, 5).await;
    assert_eq!(standing(&bob, &chat).await, (0, 5));
    bob.page(&chat, "markRead=false").await;
    assert_eq!(standing(&bob, &chat).await, (0, 5));
    bob.page(&chat, &format!("before={}", ids[3])).await;
    assert_eq!(standing(&bob, &chat).await, (3, 2));
    let read = alice_tab.sees("message_read", |_| true).await;
    let expected = json!({"conversationId": chat.id, "userId": bob.id, "lastReadSeq": 3, "readAt": "<time>"});
    assert_shape(&read, &expected);
    bob.page(&chat, "markRead=true").await;
    assert_eq!(standing(&bob, &chat).await, (5, 0));
    bob.page(&chat, &format!("before={}", ids[2])).await;
    assert_eq!(
        standing(&bob, &chat).await,
        (5, 0),
        "reading old pages again takes nothing back"
    );
}

#[tokio::test]
async fn marking_read_counts_and_tells_the_others() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab, bob_phone) = (alice.connect().await, bob.connect().await, bob.connect().await);
    let ids = fill(&alice, &chat, 5).await;
    let by_seq = bob_tab
        .does("mark_read", json!({"conversationId": chat.id, "seq": 2}))
        .await;
    assert_eq!(by_seq, json!({"lastReadSeq": 2, "unreadCount": 3, "mentionCount": 0}));
    for tab in [&alice_tab, &bob_phone] {
        let read = tab.sees("message_read", |_| true).await;
        assert_eq!((&read["userId"], &read["lastReadSeq"]), (&json!(bob.id), &json!(2)));
    }
    let by_message = bob_tab
        .does("mark_read", json!({"conversationId": chat.id, "messageId": ids[3]}))
        .await;
    assert_eq!(
        by_message,
        json!({"lastReadSeq": 4, "unreadCount": 1, "mentionCount": 0})
    );
    let backwards = bob.post(&chat.path("/read"), json!({"seq": 1})).await.ok(200);
    assert_eq!(
        backwards,
        json!({"lastReadSeq": 4, "unreadCount": 1, "mentionCount": 0}),
        "a cursor never goes back"
    );
    let by_rest = bob
        .post(&chat.path("/read"), json!({"messageId": ids[4]}))
        .await
        .ok(200);
    assert_eq!(by_rest, json!({"lastReadSeq": 5, "unreadCount": 0, "mentionCount": 0}));
    alice_tab.sees("message_read", |read| read["lastReadSeq"] == 5).await;
    let told: Vec<Value> = alice_tab
        .got("message_read")
        .iter()
        .map(|read| read["lastReadSeq"].clone())
        .collect();
    assert_eq!(told, [2, 4, 5], "what changes nothing is not told");
}

#[tokio::test]
async fn bad_read_marks_are_refused() {
    let (_server, alice, bob, chat) = pair().await;
    fill(&alice, &chat, 1).await;
    let tab = bob.connect().await;
    for body in [
        json!({}),
        json!({"seq": -1}),
        json!({"seq": "1"}),
        json!({"seq": 1.5}),
        json!({"messageId": 7}),
    ] {
        bob.post(&chat.path("/read"), body.clone())
            .await
            .refused(400, "VALIDATION_ERROR");
        let mut data = body;
        data["conversationId"] = json!(chat.id);
        refused(tab.asks("mark_read", data).await, "VALIDATION_ERROR");
    }
    bob.post(&chat.path("/read"), json!({"messageId": NO_SUCH_ID}))
        .await
        .refused(404, "NOT_FOUND");
    // Nobody has read what was not written yet.
    let ahead = bob.post(&chat.path("/read"), json!({"seq": 1000})).await;
    assert!(ahead.status == 400 || ahead.body["lastReadSeq"] == 1, "{}", ahead.text);
    alice.posts(&chat, "one more").await;
    assert_eq!(standing(&bob, &chat).await.1, if ahead.status == 400 { 2 } else { 1 });
}

#[tokio::test]
async fn ones_own_messages_are_never_unread() {
    let (_server, alice, bob, chat) = pair().await;
    fill(&alice, &chat, 3).await;
    assert_eq!(standing(&alice, &chat).await.1, 0);
    assert_eq!(standing(&bob, &chat).await.1, 3);
    bob.page(&chat, "").await;
    bob.posts(&chat, "seen").await;
    assert_eq!(standing(&bob, &chat).await.1, 0);
    assert_eq!(standing(&alice, &chat).await.1, 1);
}

#[tokio::test]
async fn a_deletion_is_no_unread_message() {
    let (_server, alice, bob, chat) = pair().await;
    let ids = fill(&alice, &chat, 3).await;
    bob.page(&chat, "").await;
    alice.delete(&chat.path(&format!("/messages/{}", ids[0]))).await.ok(200);
    assert_eq!(standing(&bob, &chat).await.1, 0);
    alice.posts(&chat, "one more").await;
    assert_eq!(standing(&bob, &chat).await.1, 1);
}

#[tokio::test]
async fn unread_counts_outlive_a_restart() {
    let (mut server, alice, bob, chat) = pair().await;
    fill(&alice, &chat, 4).await;
    bob.post(&chat.path("/read"), json!({"seq": 3})).await.ok(200);
    server.kill().await;
    server.restart().await;
    assert_eq!(standing(&bob, &chat).await, (3, 1));
}
