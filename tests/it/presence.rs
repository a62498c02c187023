//! Who is there: online with the first session, offline with the last, told to those who share a conversation; and
//! who looks at a conversation.

use std::time::Instant;

use parlor::domain::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::{harness::*, messages::pair};

fn about(person: &Person) -> impl Fn(&Value) -> bool {
    let id = json!(person.id);
    move |data| data["userId"] == id
}

async fn presence(tab: &Tab, person: &Person) -> Value {
    let answer = tab.does("get_presence", json!({"userIds": [person.id]})).await;
    assert_eq!(answer["presence"].as_array().map(Vec::len), Some(1), "{answer}");
    answer["presence"][0].clone()
}

#[tokio::test]
async fn online_with_the_first_session_and_offline_with_the_last() {
    let (_server, alice, bob, _chat) = pair().await;
    let alice_tab = alice.connect().await;
    let first = bob.connect().await;
    let online = alice_tab.sees("user_online", about(&bob)).await;
    assert_eq!(online["userId"], json!(bob.id));
    let second = bob.connect().await;
    assert_eq!(presence(&alice_tab, &bob).await["online"], true);
    first.leaves().await;
    second.catches_up().await;
    assert_eq!(
        presence(&alice_tab, &bob).await["online"],
        true,
        "the second one is still there"
    );
    second.leaves().await;
    let offline = alice_tab.sees("user_offline", about(&bob)).await;
    assert_shape(&offline, &json!({"userId": bob.id, "lastSeenAt": "<time>"}));
    let gone = presence(&alice_tab, &bob).await;
    assert_eq!(
        gone,
        json!({"userId": bob.id, "online": false, "lastSeenAt": offline["lastSeenAt"]})
    );
    let by_rest = alice
        .get(&format!("/api/presence?userIds={},{}", bob.id, alice.id))
        .await
        .ok(200);
    assert_eq!(by_rest["presence"][0], gone);
    assert_eq!(by_rest["presence"][1]["online"], true);
    // Once each, and nothing in between.
    let events = |name: &str| alice_tab.got(name).into_iter().filter(|data| about(&bob)(data)).count();
    assert_eq!(
        (events("user_online"), events("user_offline")),
        (1, 1),
        "{}",
        alice_tab.log.shown()
    );
}

#[tokio::test]
async fn a_lost_connection_counts_as_well_as_a_closed_one() {
    let (_server, alice, bob, _chat) = pair().await;
    let alice_tab = alice.connect().await;
    drop(bob.connect().await);
    alice_tab.sees("user_online", about(&bob)).await;
    alice_tab.sees("user_offline", about(&bob)).await;
}

#[tokio::test]
async fn coming_and_going_ends_in_the_truth() {
    let (_server, alice, bob, _chat) = pair().await;
    let alice_tab = alice.connect().await;
    for _ in 0..30 {
        let (one, other) = tokio::join!(bob.connect(), bob.connect());
        drop(one);
        other.leaves().await;
    }
    let last = bob.connect().await;
    last.catches_up().await;
    assert_eq!(presence(&alice_tab, &bob).await["online"], true);
    last.leaves().await;
    // In the end as often offline as online, and in turns.
    loop {
        alice_tab.sees("user_offline", about(&bob)).await;
        let gone = presence(&alice_tab, &bob).await["online"] == false;
        if gone && alice_tab.got("user_online").len() == alice_tab.got("user_offline").len() {
            break;
        }
    }
    let turns: Vec<bool> = alice_tab.log.all(|what| match what {
        What::Event { name, data } if about(&bob)(data) && name.starts_with("user_o") => Some(name == "user_online"),
        _ => None,
    });
    assert!(
        turns.chunks(2).all(|turn| turn == [true, false]),
        "online and offline in turns: {turns:?}"
    );
}

#[tokio::test]
async fn presence_is_told_only_to_those_who_share_a_conversation() {
    let (server, alice, bob, chat) = pair().await;
    let stranger = server.user("stranger").await;
    let mate = server.user("mate").await;
    alice.group("Tea", &[&mate]).await;
    let (bob_tab, mate_tab, stranger_tab) = (bob.connect().await, mate.connect().await, stranger.connect().await);
    let alice_tab = alice.connect().await;
    bob_tab.sees("user_online", about(&alice)).await;
    mate_tab.sees("user_online", about(&alice)).await;
    alice_tab.leaves().await;
    bob_tab.sees("user_offline", about(&alice)).await;
    mate_tab.sees("user_offline", about(&alice)).await;
    stranger_tab.catches_up().await;
    let heard = stranger_tab.got("user_online").len() + stranger_tab.got("user_offline").len();
    assert_eq!(heard, 0, "{}", stranger_tab.log.shown());
    drop(chat);
}

#[tokio::test]
async fn whoever_is_there_already_is_shown_by_opening_the_conversation() {
    let (_server, alice, bob, chat) = pair().await;
    let _bob_tab = bob.connect().await;
    let opened = alice.connect().await.opens(&chat).await;
    let online = |person: &Person| {
        let members = opened["members"].as_array().expect("members");
        members
            .iter()
            .find(|member| member["user"]["id"] == json!(person.id))
            .expect("a member")["online"]
            .clone()
    };
    assert_eq!((online(&alice), online(&bob)), (json!(true), json!(true)));
}

#[tokio::test]
async fn bad_questions_for_presence_are_refused() {
    let (_server, alice, _bob, _chat) = pair().await;
    let tab = alice.connect().await;
    let ids = |count: usize| (0..count).map(|number| format!("u-{number}")).collect::<Vec<String>>();
    tab.does("get_presence", json!({"userIds": ids(500)})).await;
    for data in [
        json!({}),
        json!({"userIds": "u-bob"}),
        json!({"userIds": [7]}),
        json!({"userIds": ids(501)}),
    ] {
        refused(tab.asks("get_presence", data).await, "VALIDATION_ERROR");
    }
    let many = format!("/api/presence?userIds={}", ids(501).join(","));
    alice.get(&many).await.refused(400, "VALIDATION_ERROR");
    alice.get("/api/presence").await.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn viewers_see_who_else_opens_and_leaves_the_conversation() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, elsewhere) = (alice.connect().await, alice.connect().await);
    let (desk, phone) = (bob.connect().await, bob.connect().await);
    alice_tab.opens(&chat).await;
    desk.opens(&chat).await;
    let joined = alice_tab.sees("user_joined", |_| true).await;
    assert_eq!(joined, json!({"conversationId": chat.id, "user": bob.shown()}));
    phone.opens(&chat).await;
    phone.opens(&chat).await;
    desk.closes_view(&chat).await;
    alice_tab.catches_up().await;
    drop(phone);
    let left = alice_tab.sees("user_left", |_| true).await;
    assert_eq!(left, json!({"conversationId": chat.id, "user": bob.shown()}));
    desk.opens(&chat).await;
    alice_tab.sees("user_joined", |_| true).await;
    desk.closes_view(&chat).await;
    alice_tab.sees("user_left", |_| true).await;
    desk.sends(&chat, "I am a member all the same").await;
    alice_tab.sees_message(&chat, "I am a member all the same").await;
    assert_eq!(
        (alice_tab.got("user_joined").len(), alice_tab.got("user_left").len()),
        (2, 2)
    );
    elsewhere.catches_up().await;
    assert!(elsewhere.got("user_joined").is_empty(), "only viewers are told");
}

#[tokio::test]
async fn the_log_of_presence_outlives_a_restart() {
    let (mut server, alice, bob, _chat) = pair().await;
    let alice_tab = alice.connect().await;
    bob.connect().await.leaves().await;
    let offline = alice_tab.sees("user_offline", about(&bob)).await;
    server.stop().await;
    server.restart().await;
    let shown = presence(&alice.connect().await, &bob).await;
    assert_eq!(
        shown,
        json!({"userId": bob.id, "online": false, "lastSeenAt": offline["lastSeenAt"]})
    );
}

fn millis(time: &Value) -> i64 {
    let parsed = Timestamp::parse(time.as_str().expect("a time"));
    parsed.expect("a time").millis()
}

#[tokio::test]
async fn whoever_is_there_when_the_server_ends_was_seen_then() {
    let (mut server, alice, bob, _chat) = pair().await;
    let began = Clock::System.now().millis();
    let bob_tab = bob.connect().await;
    bob_tab.catches_up().await;
    server.stop().await;
    drop(bob_tab);
    server.restart().await;
    let shown = presence(&alice.connect().await, &bob).await;
    assert_eq!(shown["online"], false);
    assert!(millis(&shown["lastSeenAt"]) >= began, "{shown}");
}

#[tokio::test]
async fn whoever_was_there_when_the_server_was_killed_was_seen_since_they_came() {
    let (mut server, alice, bob, _chat) = pair().await;
    let began = Clock::System.now().millis();
    let bob_tab = bob.connect().await;
    let mut store = Store::open(server.place());
    let seen = format!(
        "SELECT coalesce(max(last_seen_at), 0) FROM users WHERE id = '{}'",
        bob.id
    );
    let start = Instant::now();
    while store.reads(&seen) < began {
        assert!(start.elapsed() < DEADLINE, "the store does not know that they came");
    }
    server.kill().await;
    drop((bob_tab, store));
    server.restart().await;
    let shown = presence(&alice.connect().await, &bob).await;
    assert_eq!(shown["online"], false);
    assert!(millis(&shown["lastSeenAt"]) >= began, "{shown}");
}
