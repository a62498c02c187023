//! Channels: found by their names, joined by anybody, named once.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{harness::*, messages::NO_SUCH_ID};

async fn found(person: &Person, query: &str) -> Vec<Value> {
    let answer = person.get(&format!("/api/channels?{query}")).await.ok(200);
    answer["channels"].as_array().expect("a list").clone()
}

async fn slugs(person: &Person, query: &str) -> Vec<String> {
    let all = found(person, query).await;
    all.iter()
        .map(|one| one["slug"].as_str().expect("a slug").to_owned())
        .collect()
}

#[tokio::test]
async fn a_channel_is_found_and_joined() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let made = alice.makes(json!({"kind": "channel", "name": " Tea  Room "})).await;
    assert_has(
        &made,
        &json!({"kind": "channel", "name": "Tea  Room", "slug": "tea-room", "role": "owner", "memberCount": 1,
            "maxMembers": null, "retentionSeconds": null, "slowModeSeconds": null, "hasPassword": false}),
    );
    assert!(made["inviteCode"].is_null());
    let channel = chat(&made);
    let shown = json!({"id": channel.id, "name": "Tea  Room", "slug": "tea-room", "memberCount": 1, "joined": false,
        "hasPassword": false, "lastMessageAt": null, "createdAt": "<time>"});
    let listed = bob.get("/api/channels?query=TEA%20r").await.ok(200);
    assert_shape(&listed, &json!({"channels": [shown], "nextCursor": null}));
    let first = alice.posts(&channel, "welcome").await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let answer = bob.joins(&channel).await.ok(200);
    let view = json!({"id": channel.id, "role": "member", "memberCount": 2, "slug": "tea-room", "unreadCount": 0});
    assert_has(&answer["conversation"], &view);
    let told = bob_tab.sees("conversation_created", |_| true).await;
    assert_has(&told["conversation"], &view);
    let note = alice_tab
        .sees("new_message", |message| message["type"] == "system")
        .await;
    let said = json!({"event": "member_joined", "userId": bob.id, "text": "Bob joined"});
    assert_eq!((&note["content"], &note["sender"]), (&said, &bob.shown()));
    let added = alice_tab.sees("member_added", |_| true).await;
    assert_eq!(added, json!({"conversationId": channel.id, "user": bob.shown()}));
    let shown = &found(&bob, "query=tea-room").await[0];
    assert_has(
        shown,
        &json!({"joined": true, "memberCount": 2, "lastMessageAt": note["createdAt"]}),
    );
    assert!(first["createdAt"].as_str() <= note["createdAt"].as_str());
    assert_eq!(bob.texts(&channel).await, ["welcome"]);
    alice.posts(&channel, "hello Bob").await;
    bob_tab.sees_message(&channel, "hello Bob").await;
    // Who is in already comes in again without anything happening, over whatever body.
    for body in [json!({}), json!({"password": "none needed"}), json!({"password": null})] {
        let again = bob.post(&channel.path("/join"), body).await.ok(200);
        assert_has(&again["conversation"], &json!({"id": channel.id, "role": "member"}));
    }
    assert_eq!(bob.seq_of(&channel).await, 3);
    bob.leaves(&channel).await;
    bob.joins(&channel).await.ok(200);
    assert_eq!(bob.seq_of(&channel).await, 5);
}

#[tokio::test]
async fn nothing_but_a_channel_is_open() {
    let server = Server::start().await;
    let (alice, bob, eve) = (
        server.user("alice").await,
        server.user("bob").await,
        server.user("eve").await,
    );
    let group = alice.group("Tea", &[&bob]).await;
    let direct = alice.direct_with(&bob).await;
    let (room, _) = alice.room(&[&bob]).await;
    for closed in [&group, &direct, &room] {
        eve.joins(closed).await.refused(403, "FORBIDDEN");
        let seq = bob.seq_of(closed).await;
        bob.joins(closed).await.ok(200);
        assert_eq!(bob.seq_of(closed).await, seq);
    }
    assert!(eve.conversations().await.is_empty());
    assert_eq!(slugs(&eve, "").await, Vec::<String>::new());
    let nowhere = Chat {
        id: NO_SUCH_ID.to_owned(),
    };
    eve.joins(&nowhere).await.refused(404, "NOT_FOUND");
    let channel = alice.channel("Open").await;
    for body in [json!({"password": 7}), json!([]), json!("x")] {
        eve.post(&channel.path("/join"), body)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    let broken = eve.call("POST", &channel.path("/join")).body("application/json", "{");
    broken.send().await.refused(400, "VALIDATION_ERROR");
    // One that somebody was removed from is as open to them as to anybody.
    eve.joins(&channel).await.ok(200);
    alice.removes(&channel, &eve).await;
    eve.get(&channel.path("")).await.refused(403, "NOT_MEMBER");
    assert_eq!(found(&eve, "").await[0]["joined"], false);
    eve.joins(&channel).await.ok(200);
}

#[tokio::test]
async fn a_name_is_taken_once_and_free_again() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let tea = alice.channel("Tea Room").await;
    for same in ["Tea Room", "tea room", " TEA   ROOM ", "tea-room", "ｔｅａ Room"] {
        let body = json!({"kind": "channel", "name": same});
        bob.post("/api/conversations", body).await.refused(409, "CONFLICT");
    }
    for bad in ["Q&A", "#tea", "a/b", "🍵", "-", ""] {
        let body = json!({"kind": "channel", "name": bad});
        bob.post("/api/conversations", body)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    bob.post("/api/conversations", json!({"kind": "channel"}))
        .await
        .refused(400, "VALIDATION_ERROR");
    // Only channels share their names.
    bob.group("Tea Room", &[]).await;
    bob.group("Q&A", &[]).await;
    let coffee = bob.channel("Coffee").await;
    let rename = json!({"name": "tea room"});
    bob.patch(&coffee.path(""), rename).await.refused(409, "CONFLICT");
    bob.patch(&coffee.path(""), json!({"name": "a/b"}))
        .await
        .refused(400, "VALIDATION_ERROR");
    assert_eq!(slugs(&bob, "").await, ["coffee", "tea-room"]);
    assert_eq!(bob.seq_of(&coffee).await, 0, "what was refused took no seq");
    // Its own name in another case is no other channel's.
    let answer = alice.patch(&tea.path(""), json!({"name": "TEA room"})).await.ok(200);
    assert_has(
        &answer["conversation"],
        &json!({"name": "TEA room", "slug": "tea-room"}),
    );
    let tab = alice.connect().await;
    alice.patch(&tea.path(""), json!({"name": "Cocoa"})).await.ok(200);
    let note = tab.sees("new_message", |message| message["type"] == "system").await;
    assert_eq!(note["content"]["settings"], json!({"name": "Cocoa", "slug": "cocoa"}));
    let told = tab.sees("conversation_updated", |_| true).await;
    assert_has(&told["conversation"], &json!({"name": "Cocoa", "slug": "cocoa"}));
    bob.patch(&coffee.path(""), json!({"name": "Tea Room"})).await.ok(200);
    assert_eq!(slugs(&bob, "").await, ["cocoa", "tea-room"]);
    alice.delete(&tea.path("")).await.ok(204);
    assert_eq!(slugs(&bob, "").await, ["tea-room"]);
    let again = alice.channel("Cocoa").await;
    assert_ne!(again, tea);
    alice.leaves(&again).await;
    assert_eq!(slugs(&bob, "").await, ["tea-room"], "the last one out ends it");
    bob.channel("cocoa").await;
}

#[tokio::test]
async fn of_many_who_want_a_name_at_once_one_gets_it() {
    let server = Server::start().await;
    let people = join_all(["ann", "ben", "cem", "dan", "eve", "fay"].map(|name| server.user(name))).await;
    for round in 0..5 {
        let wants = |person: &Person| {
            let person = person.clone();
            let body = json!({"kind": "channel", "name": format!("round {round}")});
            async move { person.post("/api/conversations", body).await.outcome() }
        };
        let mut outcomes = join_all(people.iter().map(wants)).await;
        outcomes.sort();
        assert_eq!(outcomes[0], "201", "{outcomes:?}");
        assert!(
            outcomes[1..].iter().all(|other| other == "409 CONFLICT"),
            "{outcomes:?}"
        );
        assert_eq!(slugs(&people[0], "").await.len(), round + 1);
    }
}

#[tokio::test]
async fn channels_come_in_pages() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for name in ["Tea 3", "tea 1", "TEA 2", "tea", "teapot", "coffee", "Äpfel", "zoo"] {
        alice.channel(name).await;
    }
    assert_eq!(
        slugs(&bob, "").await,
        ["coffee", "tea", "tea-1", "tea-2", "tea-3", "teapot", "zoo", "äpfel"]
    );
    assert_eq!(slugs(&bob, "query=%C3%84P").await, ["äpfel"]);
    assert_eq!(slugs(&bob, "query=ea").await, Vec::<String>::new(), "by how they begin");
    assert_eq!(slugs(&bob, "query=%25").await, Vec::<String>::new());
    let (mut all, mut cursor) = (Vec::new(), String::new());
    let mut pages = 0;
    loop {
        let path = format!("/api/channels?query=tea&limit=2{cursor}");
        let page = bob.get(&path).await.ok(200);
        all.extend(page["channels"].as_array().expect("a list").clone());
        pages += 1;
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let shown: Vec<&str> = all.iter().filter_map(|channel| channel["slug"].as_str()).collect();
    assert_eq!(shown, ["tea", "tea-1", "tea-2", "tea-3", "teapot"]);
    assert_eq!(pages, 3);
    for bad in ["limit=0", "limit=101", "limit=x"] {
        bob.get(&format!("/api/channels?{bad}"))
            .await
            .refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_password_stands_before_a_channel() {
    let server = Server::start().await;
    let (alice, bob, eve) = (
        server.user("alice").await,
        server.user("bob").await,
        server.user("eve").await,
    );
    let made = alice
        .makes(json!({"kind": "channel", "name": "Club", "password": "sesame"}))
        .await;
    let club = chat(&made);
    assert_eq!(made["hasPassword"], true);
    assert_eq!(found(&bob, "").await[0]["hasPassword"], true);
    let join = club.path("/join");
    let missing = bob.joins(&club).await.refused(403, "FORBIDDEN");
    let wrong = bob
        .post(&join, json!({"password": "Sesame"}))
        .await
        .refused(403, "FORBIDDEN");
    assert_ne!(
        missing["message"], wrong["message"],
        "one is to be asked for, the other again"
    );
    bob.post(&join, json!({"password": ""})).await.refused(403, "FORBIDDEN");
    bob.post(&join, json!({"password": "sesame"})).await.ok(200);
    let tab = bob.connect().await;
    alice
        .patch(&club.path(""), json!({"password": "open up"}))
        .await
        .ok(200);
    eve.post(&join, json!({"password": "sesame"}))
        .await
        .refused(403, "FORBIDDEN");
    let note = tab.sees("new_message", |message| message["type"] == "system").await;
    let said = json!({"event": "conversation_updated", "settings": {"hasPassword": true}, "text": "<text>"});
    assert_shape(&note["content"], &said);
    let answer = alice.patch(&club.path(""), json!({"password": null})).await.ok(200);
    assert_eq!(answer["conversation"]["hasPassword"], false);
    let told = tab
        .sees("conversation_updated", |data| {
            data["conversation"]["hasPassword"] == false
        })
        .await;
    assert_eq!(told["conversation"]["slug"], "club");
    eve.joins(&club).await.ok(200);
    let seq = eve.seq_of(&club).await;
    alice.patch(&club.path(""), json!({"password": null})).await.ok(200);
    assert_eq!(eve.seq_of(&club).await, seq, "there was none already");
    for bad in [json!(""), json!("x".repeat(257)), json!(7)] {
        alice
            .patch(&club.path(""), json!({"password": bad}))
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    bob.patch(&club.path(""), json!({"password": "mine"}))
        .await
        .refused(403, "FORBIDDEN");
    let (out, err) = server.output();
    for secret in ["sesame", "open up", "argon2"] {
        assert!(!out.contains(secret) && !err.contains(secret), "{secret} is in the log");
        let everything = format!("{:?}", tab.log.all(|what| Some(what.clone())));
        assert!(!everything.contains(secret), "{secret} was told");
    }
}

/// Members of a channel are not told of each other's coming online: they may be thousands. Those of a room are.
#[tokio::test]
async fn a_channel_shares_no_presence() {
    let server = Server::start().await;
    let (alice, bob, carol) = (
        server.user("alice").await,
        server.user("bob").await,
        server.user("carol").await,
    );
    let channel = alice.channel("Open").await;
    bob.joins(&channel).await.ok(200);
    carol.joins(&channel).await.ok(200);
    alice.room(&[&carol]).await;
    let tab = alice.connect().await;
    let _bob = bob.connect().await;
    let _carol = carol.connect().await;
    tab.sees("user_online", |data| data["userId"] == carol.id).await;
    tab.catches_up().await;
    let told: Vec<Value> = tab.got("user_online");
    assert!(told.iter().all(|data| data["userId"] != bob.id), "{told:?}");
}

/// A crowd comes at once, while somebody talks and some leave again: everybody is in, in one order without a gap.
#[tokio::test]
async fn a_crowd_joins_at_once() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let names: Vec<String> = (0..30).map(|n| format!("guest{n}")).collect();
    let guests = join_all(names.iter().map(|name| server.user(name))).await;
    let channel = owner.channel("Open").await;
    let tab = owner.connect().await;
    let come = join_all(guests.iter().enumerate().map(|(n, guest)| {
        let channel = &channel;
        async move {
            guest.joins(channel).await.ok(200);
            if n % 10 == 0 {
                guest.leaves(channel).await;
            }
        }
    }));
    let talk = async {
        for n in 0..20 {
            tab.sends(&channel, &format!("m{n}")).await;
        }
    };
    tokio::join!(come, talk);
    assert_eq!(owner.members(&channel).await.len(), 28);
    tab.catches_up().await;
    assert_eq!(tab.live_seqs(&channel), (1..=53).collect::<Vec<u64>>());
    assert_eq!(
        (tab.got("member_added").len(), tab.got("member_removed").len()),
        (30, 3)
    );
    let told = &found(&guests[0], "").await[0];
    assert_has(told, &json!({"memberCount": 28, "joined": false}));
}
