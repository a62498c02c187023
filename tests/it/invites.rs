//! Invite codes and passwords: what opens a room, what is told of it, and what guessing comes to.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::*;

const BY_CODE: &str = "/api/conversations/join-by-code";

fn spelled(code: &str) -> String {
    let (one, two) = code.split_at(13);
    format!(" {}-{} ", one.to_lowercase(), two)
}

#[tokio::test]
async fn a_code_opens_a_room_and_a_password_its_second_door() {
    let server = Server::start().await;
    let (alice, bob, carol) = (
        server.user("alice").await,
        server.user("bob").await,
        server.user("carol").await,
    );
    let made = alice
        .makes(json!({"kind": "room", "name": "Den", "password": "7"}))
        .await;
    let (room, code) = (chat(&made), made["inviteCode"].as_str().expect("a code").to_owned());
    let with = |password: &str| json!({"inviteCode": code, "password": password});
    let missing = bob.joins_by(&code).await.refused(403, "FORBIDDEN");
    let wrong = bob.post(BY_CODE, with("8")).await.refused(403, "FORBIDDEN");
    assert_ne!(missing["message"], wrong["message"]);
    bob.post(BY_CODE, with(&"7".repeat(300)))
        .await
        .refused(403, "FORBIDDEN");
    for bad in [
        "",
        "x",
        "0000000000000000000000000",
        &"0".repeat(26),
        &"U".repeat(26),
        "é",
    ] {
        bob.joins_by(bad).await.refused(404, "NOT_FOUND");
    }
    for body in [json!({}), json!({"inviteCode": 7}), json!({"inviteCode": null})] {
        bob.post(BY_CODE, body).await.refused(400, "VALIDATION_ERROR");
    }
    bob.get(&room.path("")).await.refused(403, "NOT_MEMBER");
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    let body = json!({"inviteCode": spelled(&code), "password": "7"});
    let answer = bob.post(BY_CODE, body).await.ok(200);
    let view = json!({"id": room.id, "kind": "room", "name": "Den", "role": "member", "memberCount": 2,
        "hasPassword": true, "seq": 1});
    assert_has(&answer["conversation"], &view);
    assert_has(
        &bob_tab.sees("conversation_created", |_| true).await["conversation"],
        &view,
    );
    let note = alice_tab
        .sees("new_message", |message| message["type"] == "system")
        .await;
    assert_has(&note["content"], &json!({"event": "member_joined", "userId": bob.id}));
    alice_tab
        .sees("member_added", |data| data["user"]["id"] == bob.id)
        .await;
    // In already: the password is no longer asked for, and nothing happens.
    bob.joins_by(&code).await.ok(200);
    assert_eq!(bob.seq_of(&room).await, 1);
    alice.posts(&room, "hi").await;
    bob_tab.sees_message(&room, "hi").await;
    alice.delete(&room.path("")).await.ok(204);
    carol.post(BY_CODE, with("7")).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn codes_are_made_anew_and_taken_away() {
    let server = Server::start().await;
    let (alice, bob, carol) = (
        server.user("alice").await,
        server.user("bob").await,
        server.user("carol").await,
    );
    let group = alice.group("Tea", &[&bob]).await;
    let (room, first) = alice.room(&[&bob]).await;
    assert!(
        alice.listed(&group).await["inviteCode"].is_null(),
        "a group has none by itself"
    );
    let tab = bob.connect().await;
    let of_group = alice.new_code(&group).await;
    assert_eq!(alice.listed(&group).await["inviteCode"], of_group.as_str());
    let note = tab
        .sees("new_message", |message| message["conversationId"] == group.id)
        .await;
    let said = json!({"event": "conversation_updated", "settings": {"hasInviteCode": true}, "text": "<text>"});
    assert_shape(&note["content"], &said);
    carol.joins_by(&of_group).await.ok(200);
    alice.removes(&group, &carol).await;
    alice.delete(&group.path("/invite-code")).await.ok(204);
    carol.joins_by(&of_group).await.refused(404, "NOT_FOUND");
    let seq = alice.seq_of(&group).await;
    alice.delete(&group.path("/invite-code")).await.ok(204);
    assert_eq!(alice.seq_of(&group).await, seq, "there was none already");
    let second = alice.new_code(&room).await;
    assert_ne!(first, second);
    carol.joins_by(&first).await.refused(404, "NOT_FOUND");
    alice
        .delete(&room.path("/invite-code"))
        .await
        .refused(400, "VALIDATION_ERROR");
    carol.joins_by(&second).await.ok(200);
    let direct = alice.direct_with(&bob).await;
    for (who, of, code) in [
        (&bob, &room, "FORBIDDEN"),
        (&bob, &group, "FORBIDDEN"),
        (&carol, &group, "NOT_MEMBER"),
        (&alice, &direct, "FORBIDDEN"),
    ] {
        who.post(&of.path("/invite-code"), json!({})).await.refused(403, code);
        who.delete(&of.path("/invite-code")).await.refused(403, code);
    }
    alice.makes_admin(&room, &bob).await;
    bob.new_code(&room).await;
    // A channel may have one as well.
    let channel = alice.channel("Open").await;
    let of_channel = alice.new_code(&channel).await;
    bob.joins_by(&of_channel).await.ok(200);
    tab.catches_up().await;
    let (out, err) = server.output();
    let told = format!("{:?}", tab.log.all(|what| Some(what.clone())));
    for code in [of_group, first, second, of_channel] {
        assert!(!told.contains(&code), "a member was told a code");
        assert!(!out.contains(&code) && !err.contains(&code), "a code is in the log");
    }
}

/// While people join, the code is made anew: in the order of the log nobody comes in by the old code behind the new one.
#[tokio::test]
async fn a_code_that_was_made_anew_lets_nobody_in() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let names: Vec<String> = (0..12).map(|n| format!("guest{n}")).collect();
    let guests = join_all(names.iter().map(|name| server.user(name))).await;
    let (mut came, mut late) = (0, 0);
    for round in 0..12 {
        let (room, old) = owner.room(&[]).await;
        let join = join_all(
            guests
                .iter()
                .map(|guest| async { guest.joins_by(&old).await.outcome() }),
        );
        // Later from round to round, so that some are in and some are not.
        let rotate = async {
            join_all((0..round).map(|_| owner.get("/api/me"))).await;
            owner.new_code(&room).await
        };
        let (outcomes, new) = tokio::join!(join, rotate);
        for (guest, outcome) in guests.iter().zip(&outcomes) {
            let status = guest.get(&room.path("")).await.status;
            match outcome.as_str() {
                "200" => assert_eq!(status, 200),
                "404 NOT_FOUND" => assert_eq!(status, 403),
                other => panic!("{other}"),
            }
        }
        let events: Vec<Value> = owner
            .history(&room)
            .await
            .iter()
            .map(|message| message["content"]["event"].clone())
            .collect();
        let made_anew = events.iter().position(|event| event == "conversation_updated");
        assert_eq!(made_anew, Some(events.len() - 1), "somebody came behind it: {events:?}");
        came += outcomes.iter().filter(|outcome| *outcome == "200").count();
        late += outcomes.iter().filter(|outcome| *outcome != "200").count();
        guests[0].joins_by(&old).await.refused(404, "NOT_FOUND");
        guests[0].joins_by(&new).await.ok(200);
        owner.delete(&room.path("")).await.ok(204);
    }
    assert_eq!(came + late, 12 * 12);
}

/// The same for a password that is replaced.
#[tokio::test]
async fn a_password_that_was_replaced_lets_nobody_in() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let names: Vec<String> = (0..6).map(|n| format!("guest{n}")).collect();
    let guests = join_all(names.iter().map(|name| server.user(name))).await;
    for round in 0..4 {
        let made = owner.makes(json!({"kind": "room", "password": "old"})).await;
        let (room, code) = (chat(&made), made["inviteCode"].clone());
        let body = json!({"inviteCode": code, "password": "old"});
        let (path, patch) = (room.path(""), json!({"password": "new"}));
        let join = join_all(
            guests
                .iter()
                .map(|guest| async { guest.post(BY_CODE, body.clone()).await.outcome() }),
        );
        let (outcomes, replaced) = tokio::join!(join, owner.patch(&path, patch));
        replaced.ok(200);
        for outcome in &outcomes {
            assert!(
                matches!(outcome.as_str(), "200" | "403 FORBIDDEN"),
                "round {round}: {outcomes:?}"
            );
        }
        let history = owner.history(&room).await;
        let last = history.last().expect("at least the change");
        assert_eq!(
            last["content"]["event"], "conversation_updated",
            "round {round}: {history:?}"
        );
        owner.delete(&path).await.ok(204);
    }
}

/// A server with its limits on, and the default of five wrong ones a minute.
async fn limited() -> (Server, Person, Person) {
    let setup = Server::with()
        .env("PARLOR_RATE_LIMITS", "on")
        .set("rate_messages_per_second", 0);
    let server = setup.start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    (server, alice, bob)
}

fn assert_limited(answer: Answer) {
    let header: u64 = answer.header("retry-after").parse().expect("whole seconds");
    let error = answer.refused(429, "RATE_LIMITED");
    let wait = error["retryAfterMs"].as_u64().expect("a time to wait");
    assert!((1..=12_000).contains(&wait), "one every twelve seconds: {error}");
    assert_eq!(header, wait.div_ceil(1000));
}

#[tokio::test]
async fn guessing_codes_ends_after_five() {
    let (_server, alice, bob) = limited().await;
    let (room, code) = alice.room(&[]).await;
    let guess = |n: usize| format!("{n:026}");
    for n in 0..5 {
        bob.joins_by(&guess(n)).await.refused(404, "NOT_FOUND");
    }
    assert_limited(bob.joins_by(&guess(5)).await);
    // What is no code at all is none the less a guess, and the right one learns nobody anything any more.
    assert_limited(bob.joins_by("x").await);
    assert_limited(bob.joins_by(&code).await);
    bob.get(&room.path("")).await.refused(403, "NOT_MEMBER");
    // Nobody else is held up, nor are they where nothing is to be guessed.
    let open = alice.channel("Open").await;
    bob.joins(&open).await.ok(200);
    alice.joins_by(&code).await.ok(200);
}

#[tokio::test]
async fn many_guesses_at_once_are_no_way_round() {
    let (_server, alice, bob) = limited().await;
    let made = alice.makes(json!({"kind": "room", "password": "sesame"})).await;
    let code = made["inviteCode"].clone();
    let guess = |n: usize| {
        let body = json!({"inviteCode": code, "password": format!("guess {n}")});
        bob.post(BY_CODE, body)
    };
    let answers = join_all((0..40).map(guess)).await;
    let (limited, wrong): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 429);
    assert_eq!(wrong.len(), 5);
    for answer in wrong {
        answer.refused(403, "FORBIDDEN");
    }
    limited.into_iter().for_each(assert_limited);
    let body = json!({"inviteCode": code, "password": "sesame"});
    assert_limited(bob.post(BY_CODE, body).await);
}

#[tokio::test]
async fn codes_and_passwords_are_counted_together_and_right_ones_not() {
    let (_server, alice, bob) = limited().await;
    let club = json!({"kind": "channel", "name": "Club", "password": "sesame"});
    let club = chat(&alice.makes(club).await);
    let (_, code) = alice.room(&[]).await;
    let join = club.path("/join");
    for _ in 0..10 {
        bob.joins_by(&code).await.ok(200);
        // Without a password nothing was guessed.
        bob.joins(&club).await.refused(403, "FORBIDDEN");
    }
    bob.joins_by("x").await.refused(404, "NOT_FOUND");
    bob.post(&join, json!({"password": "one"}))
        .await
        .refused(403, "FORBIDDEN");
    bob.joins_by(&code).await.ok(200);
    bob.joins_by("y").await.refused(404, "NOT_FOUND");
    bob.post(&join, json!({"password": "two"}))
        .await
        .refused(403, "FORBIDDEN");
    bob.post(&join, json!({"password": "sesame"})).await.ok(200);
    bob.joins_by("z").await.refused(404, "NOT_FOUND");
    assert_limited(bob.joins_by("z").await);
    // In already, nothing is to be guessed.
    bob.post(&join, json!({"password": "three"})).await.ok(200);
}

#[tokio::test]
async fn zero_turns_the_limit_off() {
    let setup = Server::with()
        .env("PARLOR_RATE_LIMITS", "on")
        .set("rate_messages_per_second", 0)
        .set("rate_guesses_per_minute", 0);
    let server = setup.start().await;
    let bob = server.user("bob").await;
    for _ in 0..20 {
        bob.joins_by("x").await.refused(404, "NOT_FOUND");
    }
}
