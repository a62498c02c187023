//! Groups: made with members, changed by those who may, left; and the fence around whoever is no longer in.

use serde_json::{Value, json};

use crate::{harness::*, messages::NO_SUCH_ID};

pub struct Group {
    pub server: Server,
    pub owner: Person,
    pub ann: Person,
    pub ben: Person,
    pub chat: Chat,
}

/// A group of an owner and two members, in this order.
pub async fn group() -> Group {
    let server = Server::start().await;
    let (owner, ann, ben) = (
        server.user("owner").await,
        server.user("ann").await,
        server.user("ben").await,
    );
    let chat = owner.group("Tea", &[&ann, &ben]).await;
    Group {
        server,
        owner,
        ann,
        ben,
        chat,
    }
}

pub fn message_path(chat: &Chat, message: &Value) -> String {
    chat.path(&format!("/messages/{}", message["id"].as_str().expect("an id")))
}

/// The members as `Person::members` gives them.
pub fn roles(expected: &[(&str, &Person)]) -> Vec<(String, String)> {
    let mut roles: Vec<_> = expected
        .iter()
        .map(|(role, person)| ((*role).to_owned(), person.id.clone()))
        .collect();
    roles.sort();
    roles
}

#[tokio::test]
async fn a_group_is_made_with_its_members_and_everybody_is_told() {
    let server = Server::start().await;
    let (owner, ann, ben) = (
        server.user("owner").await,
        server.user("ann").await,
        server.user("ben").await,
    );
    let (ann_tab, ben_tab) = (ann.connect().await, ben.connect().await);
    let body = json!({"kind": "group", "name": "Tea", "memberIds": [ann.id, ben.id, ann.id]});
    let answer = owner.post("/api/conversations", body).await.ok(201);
    assert_has(
        &answer,
        &json!({"conversation": {"id": "<uuid>", "kind": "group", "name": "Tea"}}),
    );
    let chat = Chat {
        id: answer["conversation"]["id"].as_str().expect("an id").to_owned(),
    };
    for tab in [&ann_tab, &ben_tab] {
        let told = tab.sees("conversation_created", |_| true).await;
        assert_has(
            &told["conversation"],
            &json!({"id": chat.id, "kind": "group", "name": "Tea"}),
        );
    }
    let expected = roles(&[("owner", &owner), ("member", &ann), ("member", &ben)]);
    assert_eq!(owner.members(&chat).await, expected);
    assert_has(
        &ann.listed(&chat).await,
        &json!({"kind": "group", "name": "Tea", "memberCount": 3}),
    );
    assert!(
        ann.listed(&chat).await["otherUser"].is_null(),
        "only a direct conversation has an other user"
    );
    owner.posts(&chat, "welcome").await;
    for tab in [&ann_tab, &ben_tab] {
        tab.sees_message(&chat, "welcome").await;
    }
    let details = ben.get(&chat.path("")).await.ok(200);
    assert_eq!(details["members"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn bad_groups_are_refused() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    for body in [
        json!({}),
        json!({"kind": "group", "name": ""}),
        json!({"kind": "group", "name": "n".repeat(1000)}),
        json!({"kind": "group", "name": 7}),
        json!({"kind": "direct", "name": "us"}),
        json!({"kind": "club", "name": "Tea"}),
        json!({"kind": "group", "name": "Tea", "memberIds": "u-ann"}),
        json!({"kind": "group", "name": "Tea", "memberIds": [7]}),
    ] {
        owner
            .post("/api/conversations", body)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    let stranger = json!({"kind": "group", "name": "Tea", "memberIds": ["u-nobody"]});
    owner
        .post("/api/conversations", stranger)
        .await
        .refused(404, "NOT_FOUND");
    assert!(owner.conversations().await.is_empty(), "nothing was made by halves");
}

#[tokio::test]
async fn an_added_member_is_told_and_gets_what_comes() {
    let g = group().await;
    let carol = g.server.user("carol").await;
    let (ann_tab, carol_tab) = (g.ann.connect().await, carol.connect().await);
    g.owner.posts(&g.chat, "before").await;
    let before = g.owner.seq_of(&g.chat).await;
    g.owner.adds(&g.chat, &carol).await;
    let told = carol_tab.sees("conversation_created", |_| true).await;
    assert_has(
        &told["conversation"],
        &json!({"id": g.chat.id, "kind": "group", "name": "Tea"}),
    );
    let added = ann_tab.sees("member_added", |_| true).await;
    assert_eq!(added, json!({"conversationId": g.chat.id, "user": carol.shown()}));
    let system = ann_tab.sees("new_message", |message| message["type"] == "system").await;
    assert_eq!(system["seq"], before + 1, "a membership change takes one seq");
    g.owner.posts(&g.chat, "after").await;
    carol_tab.sees_message(&g.chat, "after").await;
    assert_eq!(carol.texts(&g.chat).await, ["before", "after"]);
    let expected = roles(&[
        ("owner", &g.owner),
        ("member", &g.ann),
        ("member", &g.ben),
        ("member", &carol),
    ]);
    assert_eq!(carol.members(&g.chat).await, expected);
    assert_eq!(g.owner.seq_of(&g.chat).await, before + 2);
}

#[tokio::test]
async fn adding_has_its_refusals() {
    let g = group().await;
    let carol = g.server.user("carol").await;
    let members = g.chat.path("/members");
    g.ann
        .post(&members, json!({"userId": carol.id}))
        .await
        .refused(403, "FORBIDDEN");
    g.owner
        .post(&members, json!({"userId": "u-nobody"}))
        .await
        .refused(404, "NOT_FOUND");
    g.owner
        .post(&members, json!({"userId": g.ann.id}))
        .await
        .refused(409, "CONFLICT");
    for body in [json!({}), json!({"userId": 7}), json!({"userId": ""})] {
        g.owner.post(&members, body).await.refused(400, "VALIDATION_ERROR");
    }
    carol
        .post(&members, json!({"userId": carol.id}))
        .await
        .refused(403, "NOT_MEMBER");
    let nowhere = format!("/api/conversations/{NO_SUCH_ID}/members");
    g.owner
        .post(&nowhere, json!({"userId": carol.id}))
        .await
        .refused(404, "NOT_FOUND");
    assert_eq!(g.owner.members(&g.chat).await.len(), 3);
}

#[tokio::test]
async fn a_removed_member_is_told_and_has_no_more_access() {
    let g = group().await;
    let (ann_tab, ben_tab) = (g.ann.connect().await, g.ben.connect().await);
    g.owner.posts(&g.chat, "before").await;
    g.owner.removes(&g.chat, &g.ben).await;
    let told = ben_tab.sees("conversation_removed", |_| true).await;
    assert_eq!(told, json!({"conversationId": g.chat.id, "reason": "removed"}));
    let removed = ann_tab.sees("member_removed", |_| true).await;
    assert_eq!(removed, json!({"conversationId": g.chat.id, "user": g.ben.shown()}));
    ann_tab.sees("new_message", |message| message["type"] == "system").await;
    for (event, data) in [
        (
            "send_message",
            json!({"conversationId": g.chat.id, "content": "still here?"}),
        ),
        ("join_conversation", json!({"conversationId": g.chat.id})),
        ("mark_read", json!({"conversationId": g.chat.id, "seq": 1})),
        ("typing_start", json!({"conversationId": g.chat.id})),
    ] {
        refused(ben_tab.asks(event, data).await, "NOT_MEMBER");
    }
    for path in ["", "/messages", "/members"] {
        g.ben.get(&g.chat.path(path)).await.refused(403, "NOT_MEMBER");
    }
    assert!(g.ben.conversations().await.is_empty());
    g.owner
        .delete(&g.chat.path(&format!("/members/{}", g.ben.id)))
        .await
        .refused(404, "NOT_FOUND");
    // Back again: everything as before.
    g.owner.adds(&g.chat, &g.ben).await;
    ben_tab.sees("conversation_created", |_| true).await;
    g.owner.posts(&g.chat, "welcome back").await;
    ben_tab.sees_message(&g.chat, "welcome back").await;
}

#[tokio::test]
async fn removing_has_its_refusals() {
    let g = group().await;
    let stranger = g.server.user("stranger").await;
    let seat = |person: &Person| g.chat.path(&format!("/members/{}", person.id));
    g.ann.delete(&seat(&g.ben)).await.refused(403, "FORBIDDEN");
    stranger.delete(&seat(&g.ben)).await.refused(403, "NOT_MEMBER");
    g.owner.delete(&seat(&stranger)).await.refused(404, "NOT_FOUND");
}

/// The fence: while somebody floods, a member is removed; nothing that was sent after the answer reaches them, and
/// nothing at all after their `conversation_removed`.
#[tokio::test]
async fn a_removed_member_gets_nothing_while_others_flood() {
    let g = group().await;
    let (ann_tab, ben_tab, ben_phone) = (g.ann.connect().await, g.ben.connect().await, g.ben.connect().await);
    for round in 0..10 {
        let flood = |from: usize| {
            let numbers = (from..from + 100).map(|number| format!("r{round}-{number}"));
            let send = |text| ann_tab.begins("send_message", json!({"conversationId": g.chat.id, "content": text}));
            numbers.map(send).collect::<Vec<i64>>()
        };
        let before = flood(0);
        g.owner.removes(&g.chat, &g.ben).await;
        let after = flood(100);
        for id in before.into_iter().chain(after) {
            ann_tab.answer(id).await.expect("sent");
        }
        ann_tab.sees_message(&g.chat, &format!("r{round}-199")).await;
        for tab in [&ben_tab, &ben_phone] {
            tab.sees("conversation_removed", |_| true).await;
            tab.catches_up().await;
            assert_fenced(tab, &g.chat, round);
        }
        g.owner.adds(&g.chat, &g.ben).await;
        for tab in [&ben_tab, &ben_phone] {
            tab.sees("conversation_created", |_| true).await;
        }
    }
}

fn assert_fenced(tab: &Tab, chat: &Chat, round: usize) {
    let events: Vec<(String, Value)> = tab.log.all(|what| match what {
        What::Event { name, data } => Some((name.clone(), data.clone())),
        _ => None,
    });
    let fence = events
        .iter()
        .rposition(|(name, _)| name == "conversation_removed")
        .expect("was removed");
    let late = events[fence + 1..]
        .iter()
        .find(|(_, data)| data["conversationId"] == chat.id);
    assert!(late.is_none(), "after the removal came {late:?}");
    let sent_after = |text: &str| {
        let number = text
            .strip_prefix(&format!("r{round}-"))
            .and_then(|number| number.parse::<usize>().ok());
        number.is_some_and(|number| number >= 100)
    };
    let leaked = events
        .iter()
        .find(|(_, data)| data["content"].as_str().is_some_and(sent_after));
    assert!(
        leaked.is_none(),
        "sent after the removal was answered, and still seen: {leaked:?}"
    );
}

#[tokio::test]
async fn a_member_leaves() {
    let g = group().await;
    let (ann_tab, ben_tab, ben_phone) = (g.ann.connect().await, g.ben.connect().await, g.ben.connect().await);
    g.ben.leaves(&g.chat).await;
    for tab in [&ben_tab, &ben_phone] {
        let told = tab.sees("conversation_removed", |_| true).await;
        assert_eq!(told, json!({"conversationId": g.chat.id, "reason": "left"}));
    }
    let removed = ann_tab.sees("member_removed", |_| true).await;
    assert_eq!(removed, json!({"conversationId": g.chat.id, "user": g.ben.shown()}));
    g.owner.posts(&g.chat, "without ben").await;
    ann_tab.sees_message(&g.chat, "without ben").await;
    ben_tab.catches_up().await;
    assert!(
        ben_tab
            .got("new_message")
            .iter()
            .all(|message| message["content"] != "without ben")
    );
    g.ben
        .post(&g.chat.path("/leave"), json!({}))
        .await
        .refused(403, "NOT_MEMBER");
    assert_eq!(
        g.owner.members(&g.chat).await,
        roles(&[("owner", &g.owner), ("member", &g.ann)])
    );
}

#[tokio::test]
async fn ownership_passes_to_the_longest_standing_member() {
    let g = group().await;
    // Ann and Ben came in one call: Ben goes and comes back, so that Ann has been there longer.
    g.owner.removes(&g.chat, &g.ben).await;
    g.owner.adds(&g.chat, &g.ben).await;
    g.owner.leaves(&g.chat).await;
    assert_eq!(
        g.ann.members(&g.chat).await,
        roles(&[("owner", &g.ann), ("member", &g.ben)])
    );
    g.ann.leaves(&g.chat).await;
    assert_eq!(g.ben.members(&g.chat).await, roles(&[("owner", &g.ben)]));
    // The last one leaving ends the conversation.
    g.ben.leaves(&g.chat).await;
    for person in [&g.owner, &g.ben] {
        is_gone_for(person, &g.chat).await;
    }
}

/// The conversation is no more: for nobody.
pub async fn is_gone_for(person: &Person, chat: &Chat) {
    person.get(&chat.path("")).await.refused(404, "NOT_FOUND");
    person.get(&chat.path("/messages")).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn the_owner_deletes_any_message_of_a_group() {
    let g = group().await;
    let ben_tab = g.ben.connect().await;
    let sent = g.ben.posts(&g.chat, "rude").await;
    g.owner.delete(&message_path(&g.chat, &sent)).await.ok(200);
    let deleted = ben_tab.sees("message_deleted", |_| true).await;
    assert_eq!(
        (&deleted["messageId"], &deleted["deletedBy"]),
        (&sent["id"], &json!(g.owner.id))
    );
    let sent = g.owner.posts(&g.chat, "law").await;
    g.ben
        .delete(&message_path(&g.chat, &sent))
        .await
        .refused(403, "FORBIDDEN");
}

#[tokio::test]
async fn every_change_of_a_group_takes_the_next_seq() {
    let g = group().await;
    let carol = g.server.user("carol").await;
    let ann_tab = g.ann.connect().await;
    let start = g.owner.seq_of(&g.chat).await;
    let sent = g.owner.posts(&g.chat, "one").await;
    g.owner.adds(&g.chat, &carol).await;
    g.owner
        .delete(
            &g.chat
                .path(&format!("/messages/{}", sent["id"].as_str().expect("an id"))),
        )
        .await
        .ok(200);
    g.owner.removes(&g.chat, &carol).await;
    g.owner.posts(&g.chat, "the end").await;
    ann_tab.sees_message(&g.chat, "the end").await;
    assert_eq!(
        ann_tab.live_seqs(&g.chat),
        (start + 1..=start + 5).collect::<Vec<u64>>()
    );
    let history = g.ann.history(&g.chat).await;
    let mut changes: Vec<u64> = history
        .iter()
        .flat_map(|m| [m["seq"].as_u64(), m["changeSeq"].as_u64()])
        .flatten()
        .collect();
    changes.sort_unstable();
    changes.dedup();
    assert_eq!(
        changes,
        (1..=start + 5).collect::<Vec<u64>>(),
        "history has every change"
    );
}
