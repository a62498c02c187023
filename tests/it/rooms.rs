//! Rooms: sixteen places, twenty rooms a user, and an end with their owner.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{groups::roles, harness::*};

async fn crowd(server: &Server, count: usize) -> Vec<Person> {
    let names: Vec<String> = (0..count).map(|n| format!("guest{n}")).collect();
    join_all(names.iter().map(|name| server.user(name))).await
}

fn seat(chat: &Chat, person: &Person) -> String {
    chat.path(&format!("/members/{}", person.id))
}

#[tokio::test]
async fn a_room_has_its_policies_and_a_code_for_those_who_invite() {
    let server = Server::start().await;
    let (alice, bob, carol) = (
        server.user("alice").await,
        server.user("bob").await,
        server.user("carol").await,
    );
    let tab = bob.connect().await;
    let made = alice.makes(json!({"kind": "room", "memberIds": [bob.id]})).await;
    let expected = json!({"kind": "room", "name": "Room", "role": "owner", "memberCount": 2, "maxMembers": 16,
        "retentionSeconds": 172_800, "slowModeSeconds": 1, "hasPassword": false});
    assert_has(&made, &expected);
    let (room, code) = (chat(&made), made["inviteCode"].as_str().expect("a code").to_owned());
    assert!(
        code.len() == 26 && code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()),
        "{code}"
    );
    let told = tab.sees("conversation_created", |_| true).await;
    assert_has(
        &told["conversation"],
        &json!({"id": room.id, "kind": "room", "role": "member"}),
    );
    let opened = tab.opens(&room).await;
    carol.joins_by(&code).await.ok(200);
    for seen in [
        told,
        opened,
        bob.listed(&room).await,
        bob.get(&room.path("")).await.ok(200),
        bob.patch(&seat(&room, &bob), json!({"role": "member"})).await.body,
        carol.joins_by(&code).await.ok(200),
    ] {
        assert!(!seen.to_string().contains(&code), "a member is not to see it: {seen}");
    }
    assert_eq!(alice.listed(&room).await["inviteCode"], code.as_str());
    alice.makes_admin(&room, &bob).await;
    assert_eq!(bob.listed(&room).await["inviteCode"], code.as_str());
    assert_eq!(tab.opens(&room).await["conversation"]["inviteCode"], code.as_str());
    let own = json!({"kind": "room", "name": "Den", "maxMembers": 2, "retentionSeconds": 60, "slowModeSeconds": 5});
    assert_has(&alice.makes(own.clone()).await, &own);
    let off = json!({"maxMembers": null, "retentionSeconds": null, "slowModeSeconds": null});
    let mut body = off.clone();
    (body["kind"], body["name"]) = (json!("room"), json!("Hall"));
    let hall = alice.makes(body).await;
    assert_has(&hall, &off);
    assert_ne!(hall["inviteCode"], code.as_str());
    for (field, bad) in [
        ("name", json!("")),
        ("name", json!(null)),
        ("maxMembers", json!(1)),
        ("password", json!("")),
        ("slowModeSeconds", json!(3601)),
    ] {
        let mut body = json!({"kind": "room", "name": "Den"});
        body[field] = bad.clone();
        let answer = alice.post("/api/conversations", body).await;
        if (field, &bad) == ("name", &Value::Null) {
            answer.ok(201);
        } else {
            answer.refused(400, "VALIDATION_ERROR");
        }
    }
}

#[tokio::test]
async fn the_seventeenth_finds_the_room_full() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let guests = crowd(&server, 17).await;
    let (room, code) = owner.room(&[]).await;
    for guest in &guests[..15] {
        guest.joins_by(&code).await.ok(200);
    }
    guests[15].joins_by(&code).await.refused(409, "ROOM_FULL");
    let add = json!({"userId": guests[15].id});
    owner.post(&room.path("/members"), add).await.refused(409, "ROOM_FULL");
    let seq = owner.seq_of(&room).await;
    assert_eq!(seq, 15, "what was refused took no seq");
    guests[3].joins_by(&code).await.ok(200);
    assert_eq!(owner.listed(&room).await["memberCount"], 16);
    guests[3].leaves(&room).await;
    guests[15].joins_by(&code).await.ok(200);
    guests[16].joins_by(&code).await.refused(409, "ROOM_FULL");
    guests[16].get(&room.path("")).await.refused(403, "NOT_MEMBER");
    let ids: Vec<&str> = guests.iter().map(|guest| guest.id.as_str()).collect();
    let body = json!({"kind": "room", "memberIds": ids[..16]});
    owner.post("/api/conversations", body).await.refused(409, "ROOM_FULL");
    owner.makes(json!({"kind": "room", "memberIds": ids[..15]})).await;
}

#[tokio::test]
async fn of_ten_who_join_at_the_same_instant_one_gets_the_last_place() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let guests = crowd(&server, 24).await;
    let (first, latecomers) = guests.split_at(14);
    for _ in 0..5 {
        let (room, code) = owner.room(&first.iter().collect::<Vec<_>>()).await;
        let tab = owner.connect().await;
        let mut outcomes = join_all(
            latecomers
                .iter()
                .map(|guest| async { guest.joins_by(&code).await.outcome() }),
        )
        .await;
        outcomes.sort();
        assert_eq!(outcomes[0], "200", "{outcomes:?}");
        assert_eq!(outcomes[1..], vec!["409 ROOM_FULL"; 9]);
        assert_eq!(owner.members(&room).await.len(), 16);
        assert_eq!(owner.seq_of(&room).await, 1);
        tab.sees("member_added", |_| true).await;
        tab.catches_up().await;
        assert_eq!(tab.got("member_added").len(), 1);
        let in_it = join_all(
            latecomers
                .iter()
                .map(|guest| async { guest.get(&room.path("")).await.status }),
        )
        .await;
        assert_eq!(in_it.iter().filter(|status| **status == 200).count(), 1);
    }
}

/// Two places left, and the owner adds while others join: whichever way they come, nobody is the seventeenth.
#[tokio::test]
async fn adding_and_joining_share_the_places() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let guests = crowd(&server, 21).await;
    let (room, code) = owner.room(&guests[..13].iter().collect::<Vec<_>>()).await;
    let add = join_all(guests[13..17].iter().map(|guest| {
        let body = json!({"userId": guest.id});
        let path = room.path("/members");
        let owner = owner.clone();
        async move { owner.post(&path, body).await.outcome() }
    }));
    let join = join_all(
        guests[17..]
            .iter()
            .map(|guest| async { guest.joins_by(&code).await.outcome() }),
    );
    let (added, joined) = tokio::join!(add, join);
    let full = added
        .iter()
        .chain(&joined)
        .filter(|outcome| *outcome == "409 ROOM_FULL")
        .count();
    assert_eq!(full, 6, "{added:?} {joined:?}");
    assert_eq!(owner.members(&room).await.len(), 16);
}

#[tokio::test]
async fn a_user_is_in_twenty_rooms_at_the_most() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut own = Vec::new();
    for _ in 0..18 {
        own.push(alice.room(&[]).await.0);
    }
    let (_, code) = bob.room(&[&alice]).await;
    let (theirs, _) = bob.room(&[]).await;
    bob.adds(&theirs, &alice).await;
    let room = json!({"kind": "room"});
    alice
        .post("/api/conversations", room.clone())
        .await
        .refused(409, "LIMIT_REACHED");
    let (other, other_code) = bob.room(&[]).await;
    alice.joins_by(&other_code).await.refused(409, "LIMIT_REACHED");
    let add = json!({"userId": alice.id});
    bob.post(&other.path("/members"), add)
        .await
        .refused(409, "LIMIT_REACHED");
    let together = json!({"kind": "room", "memberIds": [alice.id]});
    let before = bob.conversations().await.len();
    bob.post("/api/conversations", together)
        .await
        .refused(409, "LIMIT_REACHED");
    assert_eq!(bob.conversations().await.len(), before, "nothing was made by halves");
    // Where she is already she is let in, and nothing else is counted.
    alice.joins_by(&code).await.ok(200);
    alice.group("Tea", &[]).await;
    alice.channel("Tea").await;
    alice.delete(&own[0].path("")).await.ok(204);
    alice.joins_by(&other_code).await.ok(200);
    alice
        .post("/api/conversations", room.clone())
        .await
        .refused(409, "LIMIT_REACHED");
    alice.leaves(&theirs).await;
    alice.makes(room).await;
}

#[tokio::test]
async fn rooms_are_counted_when_many_are_made_at_once() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let make = || async {
        alice
            .post("/api/conversations", json!({"kind": "room"}))
            .await
            .outcome()
    };
    let outcomes = join_all((0..30).map(|_| make())).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "201").count(), 20);
    let refused = outcomes
        .iter()
        .filter(|outcome| *outcome == "409 LIMIT_REACHED")
        .count();
    assert_eq!(refused, 10, "{outcomes:?}");
}

#[tokio::test]
async fn a_room_ends_with_its_owner() {
    let server = Server::start().await;
    let (owner, ann, ben) = (
        server.user("owner").await,
        server.user("ann").await,
        server.user("ben").await,
    );
    for by_name in [false, true] {
        let (room, code) = owner.room(&[&ann, &ben]).await;
        owner.makes_admin(&room, &ann).await;
        ben.leaves(&room).await;
        let (owner_tab, ann_tab) = (owner.connect().await, ann.connect().await);
        ann_tab.opens(&room).await;
        if by_name {
            owner.removes(&room, &owner).await;
        } else {
            owner.leaves(&room).await;
        }
        for tab in [&owner_tab, &ann_tab] {
            let told = tab.sees("conversation_removed", |_| true).await;
            assert_eq!(told, json!({"conversationId": room.id, "reason": "deleted"}));
        }
        for person in [&owner, &ann, &ben] {
            person.get(&room.path("")).await.refused(404, "NOT_FOUND");
            assert!(person.conversations().await.is_empty());
        }
        ben.joins_by(&code).await.refused(404, "NOT_FOUND");
        ben.joins(&room).await.refused(404, "NOT_FOUND");
        ann_tab.catches_up().await;
        assert_eq!(ann_tab.got("member_removed"), Vec::<Value>::new());
    }
}

/// The owner passes the room on and leaves at the same time: either it was theirs still and ends, or it lives on as the
/// other's.
#[tokio::test]
async fn a_room_that_is_passed_on_while_its_owner_leaves() {
    let server = Server::start().await;
    let (owner, ann, ben) = (
        server.user("owner").await,
        server.user("ann").await,
        server.user("ben").await,
    );
    let (mut ended, mut lived) = (0, 0);
    for round in 0..20 {
        let (room, _) = owner.room(&[&ann, &ben]).await;
        let (path, leave) = (seat(&room, &ann), room.path("/leave"));
        let pass = owner.patch(&path, json!({"role": "owner"}));
        let go = owner.post(&leave, json!({}));
        // Whichever is begun first.
        let (passed, gone) = if round % 2 == 0 {
            tokio::join!(pass, go)
        } else {
            let (gone, passed) = tokio::join!(go, pass);
            (passed, gone)
        };
        gone.ok(204);
        if passed.status == 200 {
            lived += 1;
            assert_eq!(ben.members(&room).await, roles(&[("owner", &ann), ("member", &ben)]));
            owner.get(&room.path("")).await.refused(403, "NOT_MEMBER");
            ann.leaves(&room).await;
        } else {
            ended += 1;
            passed.refused(404, "NOT_FOUND");
        }
        for person in [&owner, &ann, &ben] {
            person.get(&room.path("")).await.refused(404, "NOT_FOUND");
        }
    }
    assert_eq!(ended + lived, 20);
}

/// While people join, talk and leave, the room is deleted: whoever was let in was so before it, and behind the answer
/// nobody is in any more.
#[tokio::test]
async fn a_room_is_deleted_while_others_join_and_talk() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let guests = crowd(&server, 10).await;
    for round in 0..8 {
        let (room, code) = owner.room(&[&guests[0], &guests[1]]).await;
        let tabs = join_all(guests.iter().map(Person::connect)).await;
        let talk = |tab: &Tab, n: usize| {
            let data = json!({"conversationId": room.id, "content": format!("m{n}")});
            tab.begins("send_message", data)
        };
        let asked: Vec<i64> = (0..50).map(|n| talk(&tabs[0], n)).collect();
        let join = join_all(
            guests[2..]
                .iter()
                .map(|guest| async { guest.joins_by(&code).await.outcome() }),
        );
        let path = room.path("");
        let (joined, deleted) = tokio::join!(join, owner.delete(&path));
        deleted.ok(204);
        for outcome in &joined {
            assert!(
                matches!(outcome.as_str(), "200" | "404 NOT_FOUND" | "503 UNAVAILABLE"),
                "round {round}: {joined:?}"
            );
        }
        for id in asked {
            match tabs[0].answer(id).await {
                Ok(_) => {}
                // It was handed to the room when that ended.
                Err(error) if error["code"] == "UNAVAILABLE" => {}
                Err(error) => drop(refused(Err(error), "NOT_FOUND")),
            }
        }
        for (guest, tab) in guests.iter().zip(&tabs) {
            tab.catches_up().await;
            guest.get(&path).await.refused(404, "NOT_FOUND");
            let told: Vec<(String, Value)> = tab.log.all(|what| match what {
                What::Event { name, data } => Some((name.clone(), data.clone())),
                _ => None,
            });
            let end = told.iter().position(|(name, _)| name == "conversation_removed");
            let heard = told.iter().any(|(name, _)| name == "conversation_created") || guest.id == guests[0].id;
            if heard {
                let end = end.unwrap_or_else(|| panic!("round {round}: {} was not told of the end", guest.name));
                let late = told[end + 1..]
                    .iter()
                    .find(|(_, data)| data["conversationId"] == room.id);
                assert!(late.is_none(), "after the end came {late:?}");
            }
        }
        guests[9].joins_by(&code).await.refused(404, "NOT_FOUND");
    }
}
