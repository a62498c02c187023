//! The events as receivers read them, whole.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::domain::{ConversationKey, Policies, User, UserKey};

fn user(name: &str) -> Arc<User> {
    Arc::new(User {
        key: UserKey(1),
        id: UserId::parse(name).unwrap(),
        name: name.to_owned(),
        display_name: name.to_uppercase(),
        avatar_url: None,
    })
}

fn news(changes: Vec<Change>) -> News {
    let upto = changes.last().map_or(Seq(0), Change::seq);
    News {
        conversation: Conversation {
            key: ConversationKey(1),
            id: ConversationId(uuid::Uuid::nil()),
            kind: Kind::Group,
            name: Some("Tea".to_owned()),
            slug: None,
            invite_code: None,
            policies: Policies::default(),
            created_at: Timestamp::from_millis(0),
        },
        deleted: false,
        introduced: None,
        changes,
        upto,
        more: false,
    }
}

fn message(seq: u32, kind: MessageType, content: Option<Content>) -> Message {
    Message {
        id: MessageId(uuid::Uuid::nil()),
        conversation_id: ConversationId(uuid::Uuid::nil()),
        seq: Seq(seq),
        change_seq: Seq(seq),
        kind,
        content,
        sender: user("ann"),
        client_id: None,
        reply_to_id: None,
        reply_to: None,
        mentions: Vec::new(),
        reactions: Vec::new(),
        created_at: Timestamp::from_millis(1000),
        edited_at: None,
        deleted_at: None,
    }
}

fn note(seq: u32, note: Value) -> Change {
    let content = Content::Json(serde_json::value::to_raw_value(&note).unwrap());
    Change::Sent(Box::new(message(seq, MessageType::System, Some(content))))
}

fn bodies(news: &News) -> Vec<Value> {
    let events = all(news).into_iter();
    events.map(|event| serde_json::from_str(&event.body).unwrap()).collect()
}

fn kinds(news: &News) -> Vec<&'static str> {
    all(news).iter().map(|event| event.kind).collect()
}

const NIL: &str = "00000000-0000-0000-0000-000000000000";

#[test]
fn a_message_is_told_as_clients_see_it() {
    let said = message(7, MessageType::Text, Some(Content::text("hi").unwrap()));
    let shown = serde_json::to_value(&said).unwrap();
    let deleted = Change::Deleted {
        seq: Seq(8),
        message: said.id,
        at: Timestamp::from_millis(2000),
        by: UserId::parse("ben").unwrap(),
    };
    let expected = [
        json!({"type": "message.created", "timestamp": "1970-01-01T00:00:01.000Z",
            "data": {"conversation": {"id": NIL, "kind": "group"}, "seq": 7, "message": shown}}),
        json!({"type": "message.deleted", "timestamp": "1970-01-01T00:00:02.000Z",
            "data": {"conversation": {"id": NIL, "kind": "group"}, "seq": 8, "messageId": NIL,
                "deletedAt": "1970-01-01T00:00:02.000Z", "deletedBy": "ben"}}),
    ];
    assert_eq!(bodies(&news(vec![Change::Sent(Box::new(said)), deleted])), expected);
}

#[test]
fn what_the_server_says_is_told_as_the_change_that_it_is() {
    let notes = news(vec![
        note(1, json!({"event": "member_added", "userId": "ben", "text": "…"})),
        note(2, json!({"event": "member_removed", "userId": "ben", "text": "…"})),
        note(3, json!({"event": "member_left", "userId": "ben", "text": "…"})),
        note(
            4,
            json!({"event": "owner_changed", "userId": "ben", "role": "owner", "text": "…"}),
        ),
        note(
            5,
            json!({"event": "conversation_updated", "settings": {"name": "Coffee"}, "text": "…"}),
        ),
        note(6, json!({"event": "announcement", "text": "…"})),
        note(7, json!("of a later version")),
        note(8, json!({"event": "conversation_deleted", "text": "…"})),
    ]);
    let told: Vec<Value> = bodies(&notes)
        .into_iter()
        .map(|mut body| {
            assert!(body["data"]["message"].is_object() && body["data"]["seq"].is_number());
            let kind = body["type"].clone();
            let data = body["data"].as_object_mut().unwrap();
            for always in ["conversation", "message", "seq"] {
                data.remove(always);
            }
            json!([kind, data])
        })
        .collect();
    let expected = [
        json!(["member.added", {"userId": "ben"}]),
        json!(["member.removed", {"userId": "ben", "reason": "removed"}]),
        json!(["member.removed", {"userId": "ben", "reason": "left"}]),
        json!(["member.updated", {"userId": "ben", "role": "owner"}]),
        json!(["conversation.updated", {"settings": {"name": "Coffee"}}]),
        json!(["message.created", {}]),
        json!(["message.created", {}]),
        json!(["conversation.deleted", {}]),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_conversation_is_introduced_before_anything_of_it() {
    let members = [("ann", Role::Owner), ("ben", Role::Member)].map(|(name, role)| Member {
        user: user(name),
        role,
        joined_at: Timestamp::from_millis(0),
        last_read_seq: Seq(0),
    });
    let said = message(1, MessageType::Text, None);
    let news = News {
        introduced: Some(members.to_vec()),
        ..news(vec![Change::Sent(Box::new(said))])
    };
    assert_eq!(kinds(&news), ["conversation.created", "message.created"]);
    let expected = json!({"type": "conversation.created", "timestamp": "1970-01-01T00:00:00.000Z", "data": {
        "conversation": {"id": NIL, "kind": "group", "name": "Tea", "memberCount": 2, "seq": 0, "maxMembers": null,
            "retentionSeconds": null, "slowModeSeconds": null, "hasPassword": false, "createdAt": "1970-01-01T00:00:00.000Z"},
        "members": [{"userId": "ann", "role": "owner"}, {"userId": "ben", "role": "member"}]}});
    assert_eq!(bodies(&news)[0], expected);
}

#[test]
fn the_end_of_a_conversation_is_told_once_and_last() {
    let left = || note(5, json!({"event": "member_left", "userId": "ann", "text": "…"}));
    let ended = News {
        deleted: true,
        ..news(vec![left()])
    };
    assert_eq!(kinds(&ended), ["member.removed", "conversation.deleted"]);
    let more = News {
        more: true,
        ..ended.clone()
    };
    assert_eq!(kinds(&more), ["member.removed"]);
    let line = note(6, json!({"event": "conversation_deleted", "text": "…"}));
    let deleted = News {
        deleted: true,
        ..news(vec![left(), line])
    };
    assert_eq!(kinds(&deleted), ["member.removed", "conversation.deleted"]);
    let nothing = News {
        deleted: true,
        ..news(Vec::new())
    };
    assert!(kinds(&nothing).is_empty(), "it was told before");
}

#[test]
fn who_came_and_went() {
    let went = Presence {
        user: UserId::parse("ann").unwrap(),
        at: Timestamp::from_millis(0),
        online: false,
    };
    let event = of_presence(&went);
    assert_eq!(event.group, Group::Presence);
    let body: Value = serde_json::from_str(&event.body).unwrap();
    let at = "1970-01-01T00:00:00.000Z";
    assert_eq!(
        body,
        json!({"type": "user.offline", "timestamp": at, "data": {"userId": "ann", "lastSeenAt": at}})
    );
    let came = Presence { online: true, ..went };
    let body: Value = serde_json::from_str(&of_presence(&came).body).unwrap();
    assert_eq!(
        body,
        json!({"type": "user.online", "timestamp": at, "data": {"userId": "ann"}})
    );
}
