//! Slow mode: a pause between two messages of one user, whichever way they send, whoever they are, and over restarts.

use serde_json::{Value, json};

use crate::harness::*;

async fn slow(seconds: u32) -> (Server, Person, Person, Chat) {
    let server = Server::start().await;
    let (owner, ann) = (server.user("owner").await, server.user("ann").await);
    let body = json!({"kind": "group", "name": "Tea", "memberIds": [ann.id], "slowModeSeconds": seconds});
    let chat = chat(&owner.makes(body).await);
    (server, owner, ann, chat)
}

fn assert_slow(error: &Value, seconds: u64) -> u64 {
    assert_eq!(
        (&error["code"], &error["retryable"]),
        (&json!("RATE_LIMITED"), &json!(true)),
        "{error}"
    );
    let wait = error["retryAfterMs"].as_u64().expect("a time to wait");
    assert!((1..=seconds * 1000).contains(&wait), "{error}");
    wait
}

#[tokio::test]
async fn one_message_in_a_pause() {
    let (mut server, owner, ann, chat) = slow(60).await;
    let tab = ann.connect().await;
    let first = tab.sends_as(&chat, "c-1", "first").await.expect("sent");
    let wait = assert_slow(&tab.sends_as(&chat, "c-2", "second").await.expect_err("too soon"), 60);
    let by_post = ann.posts_as(&chat, "c-3", "third").await;
    let header: u64 = by_post.header("retry-after").parse().expect("whole seconds");
    let error = by_post.refused(429, "RATE_LIMITED");
    assert!(assert_slow(&error, 60) <= wait, "it runs out");
    assert_eq!(header, error["retryAfterMs"].as_u64().expect("checked").div_ceil(1000));
    // What was sent is answered again, and what it may not be is refused as ever.
    assert_eq!(tab.sends_as(&chat, "c-1", "first").await.expect("repeated"), first);
    refused(tab.sends_as(&chat, "c-1", "another").await, "CONFLICT");
    let nothing = json!({"conversationId": chat.id, "content": "x", "replyToId": crate::messages::NO_SUCH_ID});
    refused(tab.asks("send_message", nothing).await, "NOT_FOUND");
    // Owners too; each for themselves, and elsewhere everybody.
    owner.posts(&chat, "welcome").await;
    owner.posts_as(&chat, "c-4", "again").await.refused(429, "RATE_LIMITED");
    let direct = owner.direct_with(&ann).await;
    for n in 0..3 {
        ann.posts(&direct, &format!("m{n}")).await;
    }
    // To delete is not to send.
    let path = chat.path(&format!("/messages/{}", first["id"].as_str().expect("an id")));
    ann.delete(&path).await.ok(200);
    ann.posts_as(&chat, "c-2", "second").await.refused(429, "RATE_LIMITED");
    assert_eq!(owner.texts(&chat).await, ["welcome"]);
    assert_eq!(owner.seq_of(&chat).await, 3, "what was refused took no seq");
    server.kill().await;
    server.restart().await;
    let error = ann.posts_as(&chat, "c-2", "second").await.refused(429, "RATE_LIMITED");
    assert_slow(&error, 60);
    ann.posts_as(&chat, "c-1", "first").await.ok(200);
}

#[tokio::test]
async fn many_at_once_are_one() {
    let (_server, owner, ann, chat) = slow(60).await;
    let (desk, phone) = (ann.connect().await, ann.connect().await);
    let send = |tab: &Tab, n: usize| {
        let data = json!({"conversationId": chat.id, "content": format!("m{n}")});
        tab.begins("send_message", data)
    };
    let asked: Vec<_> = (0..50).map(|n| (send(&desk, n), send(&phone, n))).collect();
    let mut taken = 0;
    for (by_desk, by_phone) in asked {
        for answer in [desk.answer(by_desk).await, phone.answer(by_phone).await] {
            match answer {
                Ok(_) => taken += 1,
                Err(error) => drop(assert_slow(&error, 60)),
            }
        }
    }
    assert_eq!(taken, 1);
    assert_eq!(owner.texts(&chat).await.len(), 1);
}

/// Asked again and again, the next message is taken when the pause is over, and not before.
#[tokio::test]
async fn the_pause_is_as_long_as_it_says() {
    let (_server, _owner, ann, chat) = slow(1).await;
    let tab = ann.connect().await;
    let mut last = tab.sends(&chat, "tick").await;
    for n in 0..2 {
        let next = loop {
            match tab.sends_as(&chat, &format!("c-{n}"), "tock").await {
                Ok(message) => break message,
                Err(error) => drop(assert_slow(&error, 1)),
            }
        };
        let passed = (millis(&next["createdAt"]) - millis(&last["createdAt"])).rem_euclid(86_400_000);
        assert!((1000..20_000).contains(&passed), "{passed} ms instead of 1000");
        last = next;
    }
}

/// Since midnight.
fn millis(time: &Value) -> i64 {
    let digits: Vec<i64> = time.as_str().expect("a time")[11..23]
        .split([':', '.'])
        .map(|part| part.parse().expect("digits"))
        .collect();
    ((digits[0] * 60 + digits[1]) * 60 + digits[2]) * 1000 + digits[3]
}

#[tokio::test]
async fn it_counts_from_when_it_is_turned_on() {
    let server = Server::start().await;
    let (owner, ann) = (server.user("owner").await, server.user("ann").await);
    let channel = owner.channel("Open").await;
    ann.joins(&channel).await.ok(200);
    let set = async |seconds: Value| {
        owner
            .patch(&channel.path(""), json!({"slowModeSeconds": seconds}))
            .await
            .ok(200);
    };
    for text in ["one", "two"] {
        ann.posts(&channel, text).await;
    }
    set(json!(60)).await;
    ann.posts(&channel, "three").await;
    ann.posts_as(&channel, "c-1", "four").await.refused(429, "RATE_LIMITED");
    set(json!(null)).await;
    for text in ["four", "five"] {
        ann.posts(&channel, text).await;
    }
    set(json!(3600)).await;
    let error = ann.posts_as(&channel, "c-2", "six").await.refused(429, "RATE_LIMITED");
    assert!(assert_slow(&error, 3600) > 60_000, "by the pause as it is now");
    set(json!(0)).await;
    ann.posts(&channel, "six").await;
    assert_eq!(
        owner.texts(&channel).await,
        ["one", "two", "three", "four", "five", "six"]
    );
}

#[tokio::test]
async fn leaving_and_coming_back_ends_no_pause() {
    let server = Server::start().await;
    let (owner, ann, ben) = (
        server.user("owner").await,
        server.user("ann").await,
        server.user("ben").await,
    );
    let body = json!({"kind": "channel", "name": "square", "slowModeSeconds": 3600});
    let square = chat(&owner.makes(body).await);
    for person in [&ann, &ben] {
        person.post(&square.path("/join"), json!({})).await.ok(200);
    }
    ann.posts(&square, "first").await;
    for person in [&ann, &ben] {
        person.leaves(&square).await;
        person.post(&square.path("/join"), json!({})).await.ok(200);
    }
    let again = ann
        .posts_as(&square, "c-1", "second")
        .await
        .refused(429, "RATE_LIMITED");
    assert_slow(&again, 3600);
    ben.posts(&square, "whoever said nothing yet waits for nothing").await;
}
