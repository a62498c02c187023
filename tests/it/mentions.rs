//! Mentions: `@name` in a text, found by the server, counted beside what is unread.

use serde_json::{Value, json};

use crate::{harness::*, messages::pair};

/// (unreadCount, mentionCount) in the person's list.
async fn counts(person: &Person, chat: &Chat) -> (u64, u64) {
    let listed = person.listed(chat).await;
    let count = |key: &str| listed[key].as_u64().expect("a count");
    (count("unreadCount"), count("mentionCount"))
}

#[tokio::test]
async fn whoever_is_called_by_name_is_listed_and_counted() {
    let server = Server::start().await;
    let (ann, ben, cat) = (
        server.user("ann").await,
        server.user("ben").await,
        server.user("cat").await,
    );
    let chat = ann.group("Tea", &[&ben, &cat]).await;
    let tab = ben.connect().await;
    let sent = ann.posts(&chat, "@Cat and @ben: tea? (@ann makes it)").await;
    assert_eq!(
        sent["mentions"],
        json!([cat.id, ben.id, ann.id]),
        "in the order of the text"
    );
    assert_eq!(tab.sees("new_message", |_| true).await, sent);
    assert_eq!(ben.history(&chat).await, std::slice::from_ref(&sent));
    ann.posts(&chat, "it is ready").await;
    assert_eq!(counts(&ben, &chat).await, (2, 1));
    assert_eq!(counts(&cat, &chat).await, (2, 1));
    // What one says oneself is not counted.
    assert_eq!(counts(&ann, &chat).await, (0, 0));
    let one = ben.get(&chat.path("")).await.ok(200);
    assert_eq!(one["conversation"]["mentionCount"], 1);
    let read = tab
        .does("mark_read", json!({"conversationId": chat.id, "messageId": sent["id"]}))
        .await;
    assert_eq!(read, json!({"lastReadSeq": 1, "unreadCount": 1, "mentionCount": 0}));
    assert_eq!((counts(&ben, &chat).await, counts(&cat, &chat).await), ((1, 0), (2, 1)));
    let early = cat.reads(&chat, 0).await;
    assert_eq!(early, json!({"lastReadSeq": 0, "unreadCount": 2, "mentionCount": 1}));
}

#[tokio::test]
async fn what_is_no_name_of_a_member_is_no_mention() {
    let (server, alice, bob, chat) = pair().await;
    server.user("carol").await;
    for text in [
        "bob",
        "@ bob",
        "mail alice@bob.example",
        "@bobby",
        "@carol",
        "@",
        "x@bob",
        "@bob_",
        "@bob.b",
    ] {
        assert_eq!(alice.posts(&chat, text).await["mentions"], json!([]), "{text}");
    }
    for text in ["@bob", "@BOB.", "hey,@Bob!", "\n@bob\n", "@bob's", "@bob-", "\"@bob\""] {
        assert_eq!(alice.posts(&chat, text).await["mentions"], json!([bob.id]), "{text}");
    }
    assert_eq!(counts(&bob, &chat).await, (16, 7));
}

#[tokio::test]
async fn the_longest_name_is_meant_and_both_of_two_with_the_same() {
    let server = Server::start().await;
    let ann = server.user("ann").await;
    let mut people = Vec::new();
    for (id, name) in [
        ("u-1", "sam"),
        ("u-2", "Sam"),
        ("u-3", "sam.smith"),
        ("u-4", "Åsa Öberg"),
    ] {
        let token = Token::of(id).claim("name", name);
        let person = server.holder(id, &token.signed());
        person.get("/api/me").await.ok(200);
        people.push(id);
    }
    let body = json!({"kind": "group", "name": "Sams", "memberIds": people});
    let made = ann.post("/api/conversations", body).await.ok(201);
    let chat = Chat {
        id: made["conversation"]["id"].as_str().expect("an id").to_owned(),
    };
    for (text, expected) in [
        ("@SAM", json!(["u-1", "u-2"])),
        ("@sam.smith", json!(["u-3"])),
        ("@sam. smith", json!(["u-1", "u-2"])),
        ("@åsa öberg and @sam.smith", json!(["u-4", "u-3"])),
        ("@åsa", json!([])),
    ] {
        assert_eq!(ann.posts(&chat, text).await["mentions"], expected, "{text}");
    }
}

#[tokio::test]
async fn who_is_a_member_when_it_is_said_is_mentioned() {
    let server = Server::start().await;
    let (ann, ben, cat) = (
        server.user("ann").await,
        server.user("ben").await,
        server.user("cat").await,
    );
    let chat = ann.group("Tea", &[&ben]).await;
    assert_eq!(ann.posts(&chat, "@cat @ben").await["mentions"], json!([ben.id]));
    ann.adds(&chat, &cat).await;
    let both = ann.posts(&chat, "@cat @ben").await;
    assert_eq!(both["mentions"], json!([cat.id, ben.id]));
    assert_eq!(counts(&cat, &chat).await, (1, 1));
    ann.removes(&chat, &ben).await;
    assert_eq!(ann.posts(&chat, "@cat @ben").await["mentions"], json!([cat.id]));
    // What was said stays said; whoever comes back begins anew.
    assert_eq!(ann.history(&chat).await[2], both);
    ann.adds(&chat, &ben).await;
    assert_eq!((counts(&ben, &chat).await, counts(&cat, &chat).await), ((0, 0), (2, 2)));
}

#[tokio::test]
async fn edits_and_deletions_are_counted_too() {
    let (mut server, alice, bob, chat) = pair().await;
    let (one, two) = (alice.posts(&chat, "hi").await, alice.posts(&chat, "hey @bob").await);
    assert_eq!(counts(&bob, &chat).await, (2, 1));
    let edited = alice.edits(&chat, &one, "hi @bob @alice").await;
    assert_eq!(edited["mentions"], json!([bob.id, alice.id]));
    assert_eq!(counts(&bob, &chat).await, (2, 2));
    assert_eq!(alice.edits(&chat, &two, "hey").await["mentions"], json!([]));
    assert_eq!(counts(&bob, &chat).await, (2, 1));
    alice.deletes(&chat, &one).await;
    assert_eq!(counts(&bob, &chat).await, (1, 0));
    let deleted = alice.history(&chat).await[0].clone();
    assert_eq!((&deleted["mentions"], &deleted["content"]), (&json!([]), &Value::Null));
    assert_eq!(counts(&alice, &chat).await, (0, 0));
    server.kill().await;
    server.restart().await;
    assert_eq!(counts(&bob, &chat).await, (1, 0));
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_message_mentions_fifty_at_the_most() {
    let server = Server::start().await;
    let ann = server.user("ann").await;
    let mut people = Vec::new();
    for n in 0..55 {
        people.push(server.user(&format!("p{n}")).await);
    }
    let chat = ann.group("Crowd", &people.iter().collect::<Vec<_>>()).await;
    let text: Vec<String> = people.iter().map(|person| format!("@{}", person.name)).collect();
    let sent = ann.posts(&chat, &text.join(" ")).await;
    let expected: Vec<&str> = people[..50].iter().map(|person| person.id.as_str()).collect();
    assert_eq!(sent["mentions"], json!(expected));
    assert_eq!(
        (counts(&people[49], &chat).await, counts(&people[50], &chat).await),
        ((1, 1), (1, 0))
    );
}
