//! Catching up by `sync`: pages, resets, deletions, conversations one is no longer in, the epoch.

use serde_json::{Value, json};

use crate::{
    harness::*,
    messages::{NO_SUCH_ID, message_of, pair},
};

async fn sync(tab: &Tab, chat: &Chat, seq: u64, limit: Option<u64>) -> Value {
    let mut data = json!({"cursors": [{"conversationId": chat.id, "seq": seq}]});
    if let Some(limit) = limit {
        data["limit"] = json!(limit);
    }
    let answer = tab.does("sync", data).await;
    assert_eq!(answer["epoch"], tab.ready["epoch"]);
    assert_eq!(answer["conversations"].as_array().map(Vec::len), Some(1), "{answer}");
    answer["conversations"][0].clone()
}

fn changes(part: &Value) -> Vec<u64> {
    let messages = part["messages"].as_array().expect("messages").iter();
    messages
        .map(|message| message["changeSeq"].as_u64().expect("a changeSeq"))
        .collect()
}

/// Sends m`from` … m`to` without waiting for each.
async fn flood(tab: &Tab, chat: &Chat, numbers: std::ops::RangeInclusive<u64>) {
    let send = |number| {
        let text = format!("m{number}");
        tab.begins("send_message", json!({"conversationId": chat.id, "content": text}))
    };
    let asked: Vec<i64> = numbers.map(send).collect();
    for id in asked {
        tab.answer(id).await.expect("sent");
    }
}

#[tokio::test]
async fn sync_gives_what_was_missed() {
    let (_server, alice, bob, chat) = pair().await;
    let alice_tab = alice.connect().await;
    flood(&alice_tab, &chat, 1..=3).await;
    let bob_tab = bob.connect().await;
    let part = sync(&bob_tab, &chat, 1, None).await;
    let expected = json!({"conversationId": chat.id, "seq": 3, "expiredSeq": 0, "hasMore": false, "reset": false,
        "messages": [message_of(&alice, &chat, 2, "m2"), message_of(&alice, &chat, 3, "m3")]});
    assert_shape(&part, &expected);
    let nothing = sync(&bob_tab, &chat, 3, None).await;
    assert_eq!(
        nothing,
        json!({"conversationId": chat.id, "messages": [], "seq": 3, "expiredSeq": 0, "hasMore": false, "reset": false})
    );
}

#[tokio::test]
async fn sync_goes_page_by_page() {
    let (_server, alice, bob, chat) = pair().await;
    flood(&alice.connect().await, &chat, 1..=25).await;
    let tab = bob.connect().await;
    let mut cursor = 0;
    for (expected, more) in [(1..=10, true), (11..=20, true), (21..=25, false)] {
        let part = sync(&tab, &chat, cursor, Some(10)).await;
        assert_eq!(changes(&part), expected.clone().collect::<Vec<u64>>());
        assert_eq!(
            (&part["seq"], &part["hasMore"], &part["reset"]),
            (&json!(expected.end()), &json!(more), &json!(false))
        );
        cursor = *expected.end();
    }
    flood(&alice.connect().await, &chat, 26..=230).await;
    let part = sync(&tab, &chat, 0, None).await;
    assert_eq!(
        (changes(&part).len(), &part["hasMore"]),
        (200, &json!(true)),
        "200 unless asked otherwise"
    );
}

#[tokio::test]
async fn a_message_deleted_meanwhile_comes_once_in_its_last_form() {
    let (_server, alice, bob, chat) = pair().await;
    let tab = alice.connect().await;
    let first = tab.sends(&chat, "m1").await;
    flood(&tab, &chat, 2..=4).await;
    tab.does(
        "delete_message",
        json!({"conversationId": chat.id, "messageId": first["id"]}),
    )
    .await;
    let bob_tab = bob.connect().await;
    let part = sync(&bob_tab, &chat, 0, None).await;
    assert_eq!((changes(&part), &part["seq"]), (vec![2, 3, 4, 5], &json!(5)));
    let last = &part["messages"][3];
    assert_eq!(
        (&last["id"], &last["seq"], &last["content"]),
        (&first["id"], &json!(1), &Value::Null)
    );
    let part = sync(&bob_tab, &chat, 4, None).await;
    assert_eq!(
        (changes(&part), &part["messages"][0]["id"]),
        (vec![5], &first["id"]),
        "also to who had it already"
    );
    // A page that ends before the deletion: the message is not there yet, and nothing is skipped.
    let part = sync(&bob_tab, &chat, 0, Some(2)).await;
    assert_eq!(
        (changes(&part), &part["seq"], &part["hasMore"]),
        (vec![2, 3], &json!(3), &json!(true))
    );
}

#[tokio::test]
async fn more_than_a_thousand_missed_changes_reset() {
    let (_server, alice, bob, chat) = pair().await;
    flood(&alice.connect().await, &chat, 1..=1001).await;
    let tab = bob.connect().await;
    let part = sync(&tab, &chat, 0, None).await;
    assert_eq!((&part["reset"], &part["seq"]), (&json!(true), &json!(1001)));
    assert_eq!(changes(&part), (952..=1001).collect::<Vec<u64>>(), "the newest 50");
    // Nothing more to sync; the older ones are in the history.
    assert_eq!((&part["hasMore"], &part["hasOlder"]), (&json!(false), &json!(true)));
    let join = async |after| {
        let asked = json!({"conversationId": chat.id, "after": after});
        let joined = tab.does("join_conversation", asked).await;
        json!([joined["hasMore"], joined["reset"], joined["hasOlder"]])
    };
    assert_eq!(join(0).await, json!([false, true, true]));
    assert_eq!(join(1).await, json!([true, null, null]));
    let part = sync(&tab, &chat, 1, None).await;
    assert_eq!(
        (&part["reset"], &part["hasMore"], changes(&part)[0]),
        (&json!(false), &json!(true), 2)
    );
}

#[tokio::test]
async fn a_cursor_from_the_future_resets() {
    let (_server, alice, bob, chat) = pair().await;
    flood(&alice.connect().await, &chat, 1..=3).await;
    let tab = bob.connect().await;
    let part = sync(&tab, &chat, 4, None).await;
    assert_eq!(
        (&part["reset"], &part["seq"], changes(&part)),
        (&json!(true), &json!(3), vec![1, 2, 3])
    );
    assert_eq!(part["hasOlder"], json!(null), "these are all");
}

#[tokio::test]
async fn several_conversations_are_synced_in_one_call_with_their_errors() {
    let (server, alice, bob, chat) = pair().await;
    let carol = server.user("carol").await;
    let group = alice.group("Tea", &[&bob]).await;
    let foreign = alice.direct_with(&carol).await;
    alice.posts(&chat, "one").await;
    alice.posts(&group, "two").await;
    let tab = bob.connect().await;
    let start = bob.seq_of(&group).await - 1;
    let cursors = json!([
        {"conversationId": chat.id, "seq": 0},
        {"conversationId": foreign.id, "seq": 0},
        {"conversationId": group.id, "seq": start},
    ]);
    let answer = tab.does("sync", json!({"cursors": cursors})).await;
    let parts = answer["conversations"].as_array().expect("a list");
    let ids: Vec<&Value> = parts.iter().map(|part| &part["conversationId"]).collect();
    assert_eq!(ids, [&chat.id, &foreign.id, &group.id]);
    assert_eq!(parts[0]["messages"][0]["content"], "one");
    assert_eq!(parts[2]["messages"][0]["content"], "two");
    assert_eq!(parts[1]["error"]["code"], "NOT_MEMBER");
    assert!(parts[1].get("messages").is_none(), "{}", parts[1]);
}

#[tokio::test]
async fn a_removed_member_syncs_to_an_error() {
    let (_server, alice, bob, _) = pair().await;
    let group = alice.group("Tea", &[&bob]).await;
    let tab = bob.connect().await;
    sync(&tab, &group, 0, None).await;
    alice.posts(&group, "secret").await;
    alice.removes(&group, &bob).await;
    let part = sync(&tab, &group, 0, None).await;
    assert_eq!(part["error"]["code"], "NOT_MEMBER");
    assert!(!part.to_string().contains("secret"));
}

#[tokio::test]
async fn bad_syncs_are_refused() {
    let (_server, alice, _bob, chat) = pair().await;
    let tab = alice.connect().await;
    for data in [
        json!({}),
        json!({"cursors": {}}),
        json!({"cursors": [{}]}),
        json!({"cursors": [{"conversationId": chat.id}]}),
        json!({"cursors": [{"conversationId": chat.id, "seq": -1}]}),
        json!({"cursors": [{"conversationId": chat.id, "seq": "0"}]}),
        json!({"cursors": [], "limit": 0}),
        json!({"cursors": [], "limit": "all"}),
    ] {
        refused(tab.asks("sync", data).await, "VALIDATION_ERROR");
    }
    assert_has(
        &tab.does("sync", json!({"cursors": []})).await,
        &json!({"conversations": []}),
    );
    let nowhere = json!({"cursors": [{"conversationId": NO_SUCH_ID, "seq": 0}]});
    let part = tab.does("sync", nowhere).await["conversations"][0].clone();
    assert!(
        matches!(part["error"]["code"].as_str(), Some("NOT_FOUND" | "NOT_MEMBER")),
        "{part}"
    );
}

#[tokio::test]
async fn the_epoch_stays_over_restarts() {
    let (mut server, alice, _bob, chat) = pair().await;
    alice.posts(&chat, "one").await;
    let epoch = alice.connect().await.ready["epoch"].clone();
    assert!(epoch.as_str().is_some_and(|epoch| !epoch.is_empty()), "{epoch}");
    server.kill().await;
    server.restart().await;
    assert_eq!(alice.connect().await.ready["epoch"], epoch);
    server.stop().await;
    server.restart().await;
    assert_eq!(alice.connect().await.ready["epoch"], epoch);
    assert_ne!(
        Server::start().await.user("zoe").await.connect().await.ready["epoch"],
        epoch,
        "another store, another epoch"
    );
}

/// Alice floods; Bob drops his connection again and again and catches up by his cursor: he gets everything once.
#[tokio::test]
async fn reconnect_and_sync_under_load_lose_and_double_nothing() {
    let (_server, alice, bob, chat) = pair().await;
    let alice_tab = alice.connect().await;
    let mut got: Vec<u64> = Vec::new();
    let mut asked = Vec::new();
    for round in 0..15 {
        for number in 0..40 {
            let text = format!("m{}", round * 40 + number + 1);
            asked.push(alice_tab.begins("send_message", json!({"conversationId": chat.id, "content": text})));
        }
        let tab = bob.connect().await;
        loop {
            let part = sync(&tab, &chat, got.len() as u64, Some(25)).await;
            got.extend(changes(&part));
            if part["hasMore"] == false {
                break;
            }
        }
        // What is live already, by the rule of the cursor.
        for seq in tab.live_seqs(&chat) {
            if seq == got.len() as u64 + 1 {
                got.push(seq);
            }
        }
    }
    for id in asked {
        alice_tab.answer(id).await.expect("sent");
    }
    let tab = bob.connect().await;
    while (got.len() as u64) < 600 {
        let page = changes(&sync(&tab, &chat, got.len() as u64, Some(100)).await);
        assert!(
            !page.is_empty(),
            "everything is acknowledged, and {} is the last that can be had",
            got.len()
        );
        got.extend(page);
    }
    assert_eq!(got, (1..=600).collect::<Vec<u64>>());
}
