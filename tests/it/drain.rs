//! The end of a server and its neighbours: SIGTERM drains, a second one is refused, a killed one bars nobody.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{harness::*, messages::pair};

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let (server, alice, bob, chat) = pair().await;
    if server.place().database().is_some() {
        // On a database several servers may work.
        let second = server.setup().start().await;
        alice.posts(&chat, "the first one works on").await;
        assert_eq!(second.call("GET", "/readyz").send().await.status, 200);
        return;
    }
    let second = server.setup().ends().await;
    let second = second.failed_naming(&["data"]);
    let said = second.stderr.to_lowercase();
    let clear = ["already", "another", "in use", "second"]
        .iter()
        .any(|word| said.contains(word));
    assert!(clear, "the reason is clear: {second:#?}");
    let bob_tab = bob.connect().await;
    alice.posts(&chat, "the first one works on").await;
    bob_tab.sees_message(&chat, "the first one works on").await;
}

#[tokio::test]
async fn a_killed_server_does_not_bar_the_next() {
    let (mut server, alice, _bob, chat) = pair().await;
    alice.posts(&chat, "before").await;
    server.kill().await;
    server.restart().await;
    assert_eq!(alice.texts(&chat).await, ["before"]);
}

#[tokio::test]
async fn a_terminated_server_closes_its_sessions_and_ends_well() {
    let (mut server, alice, bob, chat) = pair().await;
    let mut tabs = vec![alice.connect().await];
    for _ in 0..20 {
        tabs.push(bob.connect().await);
    }
    tabs[0].sends(&chat, "before").await;
    let asked = Instant::now();
    server.terminate();
    for tab in &tabs {
        tab.is_closed_with(1012).await;
    }
    let status = server.exit(ANSWERED_WITHIN).await;
    assert!(
        status.success() && asked.elapsed() < ANSWERED_WITHIN,
        "{status} after {:?}",
        asked.elapsed()
    );
    server.restart().await;
    assert_eq!(alice.texts(&chat).await, ["before"]);
}

/// As a supervisor does that changes its mind. Half of the starts ended by the signal itself when it was not expected
/// before the line that says where the server listens.
#[tokio::test]
async fn a_server_that_is_terminated_as_soon_as_it_listens_ends_well() {
    let mut server = Server::start().await;
    for _ in 0..10 {
        server.stop().await;
        server.restart().await;
    }
}

/// What the server has taken when it is told to end is answered before the close frame. The lock on the database
/// keeps the sends in flight until then.
#[tokio::test]
async fn answers_in_flight_arrive_before_the_end() {
    let (mut server, alice, _bob, chat) = pair().await;
    let tab = alice.connect().await;
    tab.sends(&chat, "before").await;
    let mut store = Store::open(server.place());
    store.locks();
    let begin = |number: usize| {
        let data =
            json!({"conversationId": chat.id, "content": format!("m{number}"), "clientId": format!("c{number}")});
        tab.begins("send_message", data)
    };
    let asked: Vec<i64> = (0..20).map(begin).collect();
    // The server answers this one without the database: so it has taken those before it.
    tab.catches_up().await;
    server.terminate();
    store.unlocks();
    drop(store);
    for id in asked {
        tab.answer(id)
            .await
            .expect("taken before the end, so committed and answered");
    }
    tab.is_closed_with(1012).await;
    let answers_after_close = tab.log.all(|what| match what {
        What::Answer { .. } => Some(true),
        What::Closed(_) => Some(false),
        _ => None,
    });
    assert_eq!(answers_after_close.last(), Some(&false), "the close frame is the last");
    assert!(server.exit(ANSWERED_WITHIN).await.success());
    server.restart().await;
    assert_eq!(alice.texts(&chat).await.len(), 21);
}

#[tokio::test]
async fn an_end_under_load_loses_nothing_acknowledged() {
    let (mut server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let begin = |number: usize| {
        let data =
            json!({"conversationId": chat.id, "content": format!("m{number}"), "clientId": format!("c{number}")});
        alice_tab.begins("send_message", data)
    };
    let asked: Vec<i64> = (0..2_000).map(begin).collect();
    alice_tab.answer(asked[100]).await.expect("sent");
    server.terminate();
    alice_tab.is_closed_with(1012).await;
    bob_tab.is_closed_with(1012).await;
    assert!(server.exit(ANSWERED_WITHIN).await.success());
    alice_tab
        .log
        .wait("the end", |what| matches!(what, What::Gone(_)).then_some(()))
        .await;
    let acknowledged: Vec<Value> = alice_tab.log.all(|what| match what {
        What::Answer { result: Ok(data), .. } => Some(data["message"]["content"].clone()),
        _ => None,
    });
    let refusals: Vec<Value> = alice_tab.log.all(|what| match what {
        What::Answer { result: Err(error), .. } => Some(error["code"].clone()),
        _ => None,
    });
    assert!(refusals.iter().all(|code| code == "UNAVAILABLE"), "{refusals:?}");
    server.restart().await;
    let texts = alice.texts(&chat).await;
    let missing: Vec<&Value> = acknowledged
        .iter()
        .filter(|text| !texts.iter().any(|kept| text.as_str() == Some(kept)))
        .collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    let seen = bob_tab.live_seqs(&chat);
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<u64>>());
    assert!(
        seen.len() <= texts.len(),
        "nothing was broadcast that is not in the store"
    );
}
