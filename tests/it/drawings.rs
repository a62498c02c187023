//! Drawings: taken as they were written, bounded, the same for everybody over every door; refused with the rule they break.

use serde_json::{Value, json};

use crate::{harness::*, messages::pair};

fn drawing() -> Value {
    json!({
        "operations": [
            {"tool": "pen", "color": "#f00", "points": [[0, 0], [10.5, -20]]},
            ["line", 1, 2, 3, 4],
        ],
        "width": 800,
        "height": 600,
    })
}

#[tokio::test]
async fn a_drawing_is_seen_by_everybody_as_it_was_sent() {
    let (_server, alice, bob, chat) = pair().await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let data = json!({"conversationId": chat.id, "type": "drawing", "content": drawing(), "clientId": "c-1"});
    let sent = alice_tab.does("send_message", data.clone()).await["message"].clone();
    assert_eq!((&sent["type"], &sent["content"]), (&json!("drawing"), &drawing()));
    let seen = bob_tab.sees("new_message", |_| true).await;
    assert_eq!(seen, sent);
    assert_eq!(bob.history(&chat).await, std::slice::from_ref(&sent));
    let again = alice_tab.does("send_message", data).await["message"].clone();
    assert_eq!(again, sent, "the same clientId is the same drawing");
    let by_rest = alice.posts_of_type(&chat, "drawing", &drawing()).await.ok(201);
    assert_eq!(by_rest["message"]["content"], drawing());
    let listed = bob.listed(&chat).await;
    assert_eq!(listed["lastMessage"]["content"], drawing());
}

#[tokio::test]
async fn another_drawing_under_the_same_client_id_is_a_conflict() {
    let (_server, alice, _bob, chat) = pair().await;
    let tab = alice.connect().await;
    let send = |content: Value| {
        let data = json!({"conversationId": chat.id, "type": "drawing", "content": content, "clientId": "c-1"});
        tab.asks("send_message", data)
    };
    send(drawing()).await.expect("sent");
    let mut other = drawing();
    other["width"] = json!(801);
    refused(send(other).await, "CONFLICT");
}

#[tokio::test]
async fn a_deleted_drawing_is_seen_by_nobody() {
    let (_server, alice, bob, chat) = pair().await;
    let sent = alice.posts_of_type(&chat, "drawing", &drawing()).await.ok(201);
    alice.deletes(&chat, &sent["message"]).await;
    assert_eq!(bob.history(&chat).await[0]["content"], Value::Null);
}

#[tokio::test]
async fn what_is_no_drawing_is_refused_with_the_rule() {
    let (_server, alice, bob, chat) = pair().await;
    let tab = alice.connect().await;
    let with = |field: &str, value: Value| {
        let mut drawing = drawing();
        drawing[field] = value;
        drawing
    };
    let mut nested = json!([]);
    (0..10).for_each(|_| nested = json!([nested]));
    for wrong in [
        json!("a drawing"),
        json!(null),
        json!([]),
        json!({}),
        with("name", json!("x")),
        with("operations", json!("none")),
        with("operations", json!([1])),
        with("operations", nested),
        with("operations", json!(vec![json!({}); 10_001])),
        with("width", json!(0)),
        with("width", json!(8193)),
        with("width", json!(1.5)),
        with("height", json!("600")),
        with("height", json!(-1)),
    ] {
        let data = json!({"conversationId": chat.id, "type": "drawing", "content": wrong});
        let error = refused(tab.asks("send_message", data).await, "VALIDATION_ERROR");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("content")),
            "{error}"
        );
        let error = alice.posts_of_type(&chat, "drawing", &wrong).await;
        error.refused(400, "VALIDATION_ERROR");
    }
    // A number that no double can hold.
    let body = r#"{"type":"drawing","content":{"operations":[{"x":1e999}],"width":1,"height":1}}"#;
    let call = alice.call("POST", &chat.path("/messages"));
    call.body("application/json", body)
        .send()
        .await
        .refused(400, "VALIDATION_ERROR");
    assert!(bob.history(&chat).await.is_empty());
}

/// A drawing of exactly this many bytes.
fn drawing_of(bytes: usize) -> String {
    let frame = r#"{"operations":[{"text":""}],"width":1,"height":1}"#;
    frame.replace(
        r#""text":"""#,
        &format!(r#""text":"{}""#, "x".repeat(bytes - frame.len())),
    )
}

#[tokio::test]
async fn a_drawing_has_64_kib_at_the_most() {
    let (_server, alice, bob, chat) = pair().await;
    let (tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let post = |bytes: usize| {
        let body = format!(r#"{{"type":"drawing","content":{}}}"#, drawing_of(bytes));
        let call = alice.call("POST", &chat.path("/messages"));
        call.body("application/json", body).send()
    };
    let largest = post(65_536).await.ok(201);
    assert_eq!(bob_tab.sees("new_message", |_| true).await, largest["message"]);
    post(65_537).await.refused(400, "VALIDATION_ERROR");
    let data = |bytes: usize| {
        let content: Value = serde_json::from_str(&drawing_of(bytes)).expect("JSON");
        json!({"conversationId": chat.id, "type": "drawing", "content": content})
    };
    tab.does("send_message", data(65_536)).await;
    refused(tab.asks("send_message", data(65_537)).await, "VALIDATION_ERROR");
}

/// However much was drawn while somebody was away: they get all of it, in pages that their connection can take.
#[tokio::test]
async fn many_large_drawings_are_caught_up_with_in_pages() {
    let (_server, alice, bob, chat) = pair().await;
    const COUNT: usize = 60;
    for _ in 0..COUNT {
        let body = format!(r#"{{"type":"drawing","content":{}}}"#, drawing_of(65_536));
        let call = alice.call("POST", &chat.path("/messages"));
        call.body("application/json", body).send().await.ok(201);
    }
    let tab = bob.connect().await;
    let (mut cursor, mut seqs) = (0, Vec::new());
    loop {
        let cursors = json!({"cursors": [{"conversationId": chat.id, "seq": cursor}], "limit": 1000});
        let page = tab.does("sync", cursors).await["conversations"][0].clone();
        assert_eq!(page["reset"], false);
        assert!(
            page.to_string().len() < 1_200_000,
            "a page fits into what a session may pile up"
        );
        let messages = page["messages"].as_array().expect("messages").clone();
        assert!(!messages.is_empty());
        seqs.extend(messages.iter().map(|message| message["seq"].as_u64().expect("a seq")));
        cursor = page["seq"].as_u64().expect("a seq");
        if page["hasMore"] == false {
            break;
        }
    }
    assert_eq!(seqs, (1..=COUNT as u64).collect::<Vec<_>>());
    // History, either way.
    assert_eq!(bob.history(&chat).await.len(), COUNT);
    let first = bob.history(&chat).await[0]["id"].as_str().expect("an id").to_owned();
    let page = bob
        .page(&chat, &format!("after={first}&limit=100&markRead=false"))
        .await;
    assert_eq!(page["hasMoreAfter"], true);
    assert_eq!(page["messages"][0]["seq"], 2);
    let opened = tab.opens(&chat).await;
    let newest = opened["messages"]
        .as_array()
        .expect("messages")
        .last()
        .expect("one")
        .clone();
    assert_eq!((&newest["seq"], &opened["hasMore"]), (&json!(COUNT), &json!(true)));
}
