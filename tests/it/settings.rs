//! What a group is like, who owns it, and its end: beyond what `groups` tries.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::*;

/// A group of an owner and a member, in this order.
async fn group() -> (Server, Person, Person, Chat) {
    let server = Server::start().await;
    let (owner, ann) = (server.user("owner").await, server.user("ann").await);
    let chat = owner.group("Tea", &[&ann]).await;
    (server, owner, ann, chat)
}

fn seat(chat: &Chat, person: &Person) -> String {
    chat.path(&format!("/members/{}", person.id))
}

#[tokio::test]
async fn settings_are_told_to_everybody_alike_behind_their_system_message() {
    let (_server, owner, ann, chat) = group().await;
    let (owner_tab, ann_tab) = (owner.connect().await, ann.connect().await);
    let wanted = json!({"name": "Coffee", "maxMembers": 9, "retentionSeconds": 86400, "slowModeSeconds": 3});
    let answer = owner.patch(&chat.path(""), wanted.clone()).await.ok(200);
    assert_has(&answer["conversation"], &wanted);
    assert_has(
        &answer["conversation"],
        &json!({"role": "owner", "memberCount": 2, "seq": 1}),
    );
    let told = json!({"conversation": {"id": chat.id, "kind": "group", "name": "Coffee", "memberCount": 2, "seq": 1,
        "maxMembers": 9, "retentionSeconds": 86400, "slowModeSeconds": 3, "hasPassword": false, "createdAt": "<time>"}});
    for tab in [&owner_tab, &ann_tab] {
        let note = tab.sees("new_message", |message| message["type"] == "system").await;
        let said = json!({"event": "conversation_updated", "settings": wanted, "text": "<text>"});
        assert_shape(&note["content"], &said);
        assert_eq!((&note["seq"], &note["sender"]), (&json!(1), &owner.shown()));
        assert_shape(&tab.sees("conversation_updated", |_| true).await, &told);
    }
    let off = json!({"retentionSeconds": null, "slowModeSeconds": 0});
    let answer = owner.patch(&chat.path(""), off).await.ok(200);
    let expected = json!({"name": "Coffee", "maxMembers": 9, "retentionSeconds": null, "slowModeSeconds": null});
    assert_has(&answer["conversation"], &expected);
    assert_has(&ann.listed(&chat).await, &expected);
}

#[tokio::test]
async fn what_is_so_already_takes_no_seq() {
    let (_server, owner, ann, chat) = group().await;
    for body in [json!({}), json!({"name": "Tea"}), json!({"maxMembers": null})] {
        owner.patch(&chat.path(""), body).await.ok(200);
    }
    let same = owner.patch(&seat(&chat, &ann), json!({"role": "member"})).await.ok(200);
    assert_eq!(same, json!({"user": ann.shown(), "role": "member"}));
    assert_eq!(owner.seq_of(&chat).await, 0);
    ann.patch(&chat.path(""), json!({})).await.refused(403, "FORBIDDEN");
    for body in [
        json!({"name": null}),
        json!({"maxMembers": 1}),
        json!({"maxMembers": "many"}),
        json!({"retentionSeconds": 1}),
        json!({"slowModeSeconds": 7200}),
        json!({"password": ""}),
    ] {
        owner.patch(&chat.path(""), body).await.refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(owner.seq_of(&chat).await, 0);
}

#[tokio::test]
async fn a_group_holds_no_more_than_its_policy_says() {
    let (server, owner, ann, chat) = group().await;
    let (ben, carol) = (server.user("ben").await, server.user("carol").await);
    owner.patch(&chat.path(""), json!({"maxMembers": 3})).await.ok(200);
    owner.adds(&chat, &ben).await;
    let full = owner.post(&chat.path("/members"), json!({"userId": carol.id})).await;
    full.refused(409, "ROOM_FULL");
    let fewer = owner.patch(&chat.path(""), json!({"maxMembers": 2})).await;
    fewer.refused(409, "ROOM_FULL");
    owner.removes(&chat, &ann).await;
    owner.patch(&chat.path(""), json!({"maxMembers": 2})).await.ok(200);
    owner.patch(&chat.path(""), json!({"maxMembers": null})).await.ok(200);
    owner.adds(&chat, &carol).await;
}

#[tokio::test]
async fn ownership_is_passed_on() {
    let (_server, owner, ann, chat) = group().await;
    let ann_tab = ann.connect().await;
    let own = owner.patch(&seat(&chat, &owner), json!({"role": "member"})).await;
    own.refused(403, "FORBIDDEN");
    let answer = owner.patch(&seat(&chat, &ann), json!({"role": "owner"})).await.ok(200);
    assert_eq!(answer, json!({"user": ann.shown(), "role": "owner"}));
    let note = ann_tab.sees("new_message", |message| message["type"] == "system").await;
    let said = json!({"event": "owner_changed", "userId": ann.id, "role": "owner", "text": "<text>"});
    assert_shape(&note["content"], &said);
    let mut expected = vec![
        ("admin".to_owned(), owner.id.clone()),
        ("owner".to_owned(), ann.id.clone()),
    ];
    expected.sort();
    assert_eq!(ann.members(&chat).await, expected);
    assert_eq!(owner.listed(&chat).await["role"], "admin");
    owner.delete(&chat.path("")).await.refused(403, "FORBIDDEN");
    owner
        .patch(&seat(&chat, &ann), json!({"role": "admin"}))
        .await
        .refused(403, "FORBIDDEN");
    ann.removes(&chat, &owner).await;
    ann.delete(&chat.path("")).await.ok(204);
}

/// What comes behind a change of role is judged by the new one, however busy the room is: in the order of the log there is
/// no deletion by somebody who is no admin any more.
#[tokio::test]
async fn a_role_counts_for_what_comes_behind_it() {
    let (_server, owner, ann, chat) = group().await;
    let (owner_tab, ann_tab) = (owner.connect().await, ann.connect().await);
    let (mut allowed, mut forbidden) = (0, 0);
    for round in 0..10 {
        owner.makes_admin(&chat, &ann).await;
        let send = |n| {
            owner_tab.begins(
                "send_message",
                json!({"conversationId": chat.id, "content": format!("law {round}-{n}")}),
            )
        };
        let mut sent = Vec::new();
        for id in (0..100).map(send).collect::<Vec<i64>>() {
            sent.push(owner_tab.answer(id).await.expect("sent")["message"]["id"].clone());
        }
        let delete = |id: &Value| ann_tab.begins("delete_message", json!({"conversationId": chat.id, "messageId": id}));
        let path = seat(&chat, &ann);
        let (answer, asked) = tokio::join!(owner.patch(&path, json!({"role": "member"})), async {
            let mut asked = Vec::new();
            for id in &sent {
                asked.push(delete(id));
                tokio::task::yield_now().await;
            }
            asked
        });
        answer.ok(200);
        for id in asked {
            match ann_tab.answer(id).await {
                Ok(_) => allowed += 1,
                Err(error) => {
                    refused(Err(error), "FORBIDDEN");
                    forbidden += 1;
                }
            }
        }
    }
    owner_tab.sends(&chat, "the end").await;
    owner_tab.sees_message(&chat, "the end").await;
    let mut admin = false;
    for (name, data) in events(&owner_tab) {
        if data["content"]["event"] == "role_changed" {
            admin = data["content"]["role"] == "admin";
        }
        assert!(admin || name != "message_deleted", "{data} by somebody who may not");
    }
    assert_eq!(allowed + forbidden, 1000);
}

fn events(tab: &Tab) -> Vec<(String, Value)> {
    tab.log.all(|what| match what {
        What::Event { name, data } => Some((name.clone(), data.clone())),
        _ => None,
    })
}

/// While everybody writes, the group is deleted: whoever is acknowledged was before it, whoever is refused is told that
/// there is no such conversation, and after `conversation_removed` comes nothing of it.
#[tokio::test]
async fn a_deleted_group_is_silent_at_once() {
    let (mut server, owner, ann, chat) = group().await;
    let (ann_tab, phone) = (ann.connect().await, ann.connect().await);
    ann_tab.opens(&chat).await;
    let send = |n| {
        let data = json!({"conversationId": chat.id, "content": format!("m{n}"), "clientId": format!("c{n}")});
        ann_tab.begins("send_message", data)
    };
    let mut asked: Vec<i64> = (0..200).map(send).collect();
    ann_tab.answer(asked.remove(0)).await.expect("sent");
    let path = chat.path("");
    let (answer, ()) = tokio::join!(owner.delete(&path), async {
        for n in 200..400 {
            asked.push(send(n));
            tokio::task::yield_now().await;
        }
    });
    answer.ok(204);
    refused(ann_tab.sends_as(&chat, "late", "late").await, "NOT_FOUND");
    for id in asked {
        match ann_tab.answer(id).await {
            Ok(_) => {}
            Err(error) if error["code"] == "UNAVAILABLE" => {}
            Err(error) => drop(refused(Err(error), "NOT_FOUND")),
        }
    }
    for tab in [&ann_tab, &phone] {
        let told = tab.sees("conversation_removed", |_| true).await;
        assert_eq!(told, json!({"conversationId": chat.id, "reason": "deleted"}));
        tab.catches_up().await;
        let events = events(tab);
        let fence = events
            .iter()
            .position(|(name, _)| name == "conversation_removed")
            .expect("was told");
        let late = events[fence + 1..]
            .iter()
            .find(|(_, data)| data["conversationId"] == chat.id);
        assert!(late.is_none(), "after the end came {late:?}");
    }
    for event in ["join_conversation", "typing_start", "leave_conversation"] {
        refused(
            ann_tab.asks(event, json!({"conversationId": chat.id})).await,
            "NOT_FOUND",
        );
    }
    let synced = ann_tab
        .does("sync", json!({"cursors": [{"conversationId": chat.id, "seq": 0}]}))
        .await;
    assert_eq!(synced["conversations"][0]["error"]["code"], "NOT_FOUND");
    server.kill().await;
    server.restart().await;
    assert!(ann.conversations().await.is_empty());
    owner.delete(&chat.path("")).await.refused(404, "NOT_FOUND");
    owner
        .patch(&chat.path(""), json!({"name": "Ghost"}))
        .await
        .refused(404, "NOT_FOUND");
    owner
        .patch(&seat(&chat, &ann), json!({"role": "admin"}))
        .await
        .refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_room_that_panicked_knows_roles_and_settings() {
    need_faults();
    let (_server, owner, ann, chat) = group().await;
    let ann_tab = ann.connect().await;
    owner.makes_admin(&chat, &ann).await;
    owner.patch(&chat.path(""), json!({"name": "Coffee"})).await.ok(200);
    ann_tab.sees("conversation_updated", |_| true).await;
    let panics = json!({"conversationId": chat.id, "content": "!!parlor-fault-panic-room"});
    refused(ann_tab.asks("send_message", panics).await, "UNAVAILABLE");
    // Until the room's end is noticed, whoever asks it may have to ask again.
    let start = Instant::now();
    loop {
        let answer = ann.patch(&chat.path(""), json!({"maxMembers": 2})).await;
        if answer.status != 503 {
            answer.ok(200);
            break;
        }
        assert!(start.elapsed() < DEADLINE, "{}", answer.text);
    }
    let told = ann_tab
        .sees("conversation_updated", |data| data["conversation"]["maxMembers"] == 2)
        .await;
    assert_eq!(told["conversation"]["name"], "Coffee");
    owner.patch(&seat(&chat, &ann), json!({"role": "member"})).await.ok(200);
    ann.patch(&chat.path(""), json!({"name": "Mine"}))
        .await
        .refused(403, "FORBIDDEN");
}

#[tokio::test]
async fn the_product_says_who_its_users_are() {
    let server = Server::start().await;
    let (root, alice) = (server.admin("root").await, server.user("alice").await);
    let path = format!("/api/users/{}", alice.id);
    let whole = json!({"name": "alice", "displayName": "Alice B.", "avatarUrl": "https://example.org/a.png"});
    let tab = alice.connect().await;
    let chat = alice.direct_with(&root).await;
    root.put(&path, whole.clone()).await.ok(200);
    let sent = tab.sends(&chat, "hi").await;
    assert_has(&sent["sender"], &whole);
    // What is not said stays, but for what is taken away.
    let answer = root.put(&path, json!({"name": "al"})).await.ok(200);
    let expected =
        json!({"id": alice.id, "name": "al", "displayName": "Alice B.", "avatarUrl": "https://example.org/a.png"});
    assert_eq!(answer, expected);
    let answer = root.put(&path, json!({"name": "al", "avatarUrl": null})).await.ok(200);
    assert_eq!(answer["avatarUrl"], Value::Null);
    for body in [
        json!({"name": ""}),
        json!({"name": "n".repeat(100)}),
        json!({"name": "al", "displayName": ""}),
        json!({"name": "al", "avatarUrl": "javascript:alert(1)"}),
    ] {
        root.put(&path, body).await.refused(400, "VALIDATION_ERROR");
    }
    let body = json!({"username": "dora", "password": "correct horse battery"});
    let dora = server
        .call("POST", "/api/auth/register")
        .json(&body)
        .send()
        .await
        .ok(201);
    let path = format!("/api/users/{}", dora["user"]["id"].as_str().expect("an id"));
    root.put(&path, json!({"name": "eve"})).await.refused(409, "CONFLICT");
    alice.put(&path, json!({"name": "eve"})).await.refused(403, "FORBIDDEN");
}
