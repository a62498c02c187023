//! Webhooks: whatever is committed is told, signed, in the order of each conversation, whatever happens to the receiver or
//! the server; and what operators see of it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::*;

/// What was taken of a conversation: (seq, type), in the order in which it came.
fn told(hooks: &[Hook], chat: &Chat) -> Vec<(u64, String)> {
    let taken = hooks.iter().filter(|hook| hook.was_taken() && hook.place() == chat.id);
    taken.map(|hook| (hook.seq(), hook.kind.clone())).collect()
}

/// Waits until the conversation was told up to `seq`.
async fn told_up_to(receiver: &Receiver, chat: &Chat, seq: u64) -> Vec<Hook> {
    let id = chat.id.clone();
    let fits = move |hook: &Hook| hook.was_taken() && hook.place() == id && hook.seq() == seq;
    receiver.has(move |hooks| hooks.iter().any(&fits)).await
}

/// A figure of `/metrics`; 0 when it is not there yet.
async fn figure(root: &Person, name: &str) -> f64 {
    let text = root.get("/metrics").await.text;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().expect("a number"))
}

/// Asks for a figure until it is as wanted.
async fn figure_is(root: &Person, name: &str, wanted: impl Fn(f64) -> bool) -> f64 {
    let asked = async {
        loop {
            let value = figure(root, name).await;
            if wanted(value) {
                return value;
            }
        }
    };
    timeout(DEADLINE, asked)
        .await
        .unwrap_or_else(|_| panic!("{name} never became what is wanted"))
}

#[tokio::test]
async fn all_that_happens_in_a_conversation_is_told_in_its_order() {
    let receiver = Receiver::start().await;
    let server = Server::telling(&receiver).await;
    let (alice, bob, carl) = (
        server.user("alice").await,
        server.user("bob").await,
        server.user("carl").await,
    );
    let chat = alice.group("Tea", &[&bob]).await;
    let message = alice.posts(&chat, "hello").await;
    alice.adds(&chat, &carl).await;
    alice.makes_admin(&chat, &carl).await;
    alice.patch(&chat.path(""), json!({"name": "Coffee"})).await.ok(200);
    let id = message["id"].as_str().expect("an id");
    alice.delete(&chat.path(&format!("/messages/{id}"))).await.ok(200);
    alice.removes(&chat, &bob).await;
    carl.leaves(&chat).await;
    alice.delete(&chat.path("")).await.ok(204);
    let hooks = told_up_to(&receiver, &chat, 8).await;
    let kinds = [
        "conversation.created",
        "message.created",
        "member.added",
        "member.updated",
        "conversation.updated",
        "message.deleted",
        "member.removed",
        "member.removed",
        "conversation.deleted",
    ];
    let expected: Vec<_> = [0].into_iter().chain(1..=8).zip(kinds.map(str::to_owned)).collect();
    assert_eq!(told(&hooks, &chat), expected);
    let body = |kind: &str| {
        hooks
            .iter()
            .find(|hook| hook.kind == kind)
            .expect("it was told")
            .body
            .clone()
    };
    let place = json!({"id": chat.id, "kind": "group"});
    let created = json!({"type": "conversation.created", "timestamp": "<time>", "data": {
        "conversation": {"id": chat.id, "kind": "group", "name": "<text>", "memberCount": "<count>", "seq": 0,
            "maxMembers": null, "retentionSeconds": null, "slowModeSeconds": null, "hasPassword": false,
            "createdAt": "<time>"},
        "members": body("conversation.created")["data"]["members"]}});
    assert_shape(&body("conversation.created"), &created);
    // In its latest form: it may have been deleted before it was told.
    let mut said = body("message.created");
    assert_eq!(said["data"]["message"]["id"], message["id"]);
    said["data"]["message"] = Value::Null;
    let expected = json!({"type": "message.created", "timestamp": message["createdAt"],
        "data": {"conversation": place, "seq": 1, "message": null}});
    assert_shape(&said, &expected);
    let expected = json!({"type": "message.deleted", "timestamp": "<time>", "data": {"conversation": place, "seq": 5,
        "messageId": message["id"], "deletedAt": "<time>", "deletedBy": alice.id}});
    assert_shape(&body("message.deleted"), &expected);
    let added = body("member.added");
    assert_has(
        &added["data"],
        &json!({"conversation": place, "seq": 2, "userId": carl.id}),
    );
    assert_eq!(added["data"]["message"]["sender"], alice.shown());
    assert_eq!(
        body("conversation.updated")["data"]["settings"],
        json!({"name": "Coffee"})
    );
}

#[tokio::test]
async fn a_message_is_told_as_its_members_see_it() {
    let receiver = Receiver::start().await;
    let server = Server::telling(&receiver).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let message = alice
        .posts(&chat, "a <b>text</b> with \"quotes\" and ü\nand lines")
        .await;
    let hook = receiver.takes("message.created").await;
    let expected = json!({"type": "message.created", "timestamp": message["createdAt"],
        "data": {"conversation": {"id": chat.id, "kind": "direct"}, "seq": 1, "message": message}});
    assert_eq!(hook.body, expected);
    let created = receiver.takes("conversation.created").await;
    let mut members = created.body["data"]["members"].as_array().expect("members").clone();
    members.sort_by_key(|member| member["userId"].as_str().map(str::to_owned));
    let expected = [&alice.id, &bob.id].map(|id| json!({"userId": id, "role": "member"}));
    assert_eq!(members, expected);
}

#[tokio::test]
async fn the_last_ones_leaving_ends_the_conversation() {
    let receiver = Receiver::start().await;
    let server = Server::telling(&receiver).await;
    let alice = server.user("alice").await;
    let chat = alice.group("Alone", &[]).await;
    alice.leaves(&chat).await;
    receiver.takes("conversation.deleted").await;
    let kinds: Vec<String> = receiver.taken().into_iter().map(|hook| hook.kind).collect();
    assert_eq!(
        kinds,
        ["conversation.created", "member.removed", "conversation.deleted"]
    );
}

#[tokio::test]
async fn a_new_endpoint_is_not_told_of_the_past() {
    let receiver = Receiver::start().await;
    let mut server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    alice.posts(&chat, "before").await;
    server.stop().await;
    server.restart_with(|setup| setup.telling(&[&receiver])).await;
    alice.posts(&chat, "after").await;
    let hook = receiver.takes("message.created").await;
    assert_eq!(hook.body["data"]["message"]["content"], "after");
    let other = alice.group("New", &[]).await;
    alice.posts(&other, "there").await;
    told_up_to(&receiver, &other, 1).await;
    assert_eq!(told(&receiver.taken(), &chat), [(2, "message.created".to_owned())]);
    // Without the setting nobody is told; with it again, what was missed comes.
    server.stop().await;
    server
        .restart_with(|setup| setup.without_env("PARLOR_WEBHOOK_URLS"))
        .await;
    alice.posts(&chat, "meanwhile").await;
    server.stop().await;
    server.restart_with(|setup| setup.telling(&[&receiver])).await;
    let hooks = told_up_to(&receiver, &chat, 3).await;
    assert_eq!(told(&hooks, &chat).len(), 2);
}

/// Several people post into several conversations at once, to a receiver that fails now and then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_under_load_with_a_receiver_that_fails_now_and_then() {
    const MESSAGES: u64 = 25;
    let receiver = Receiver::start().await;
    let server = Server::telling(&receiver).await;
    let count = Arc::new(AtomicUsize::new(0));
    receiver.decides(move |_| match count.fetch_add(1, Ordering::SeqCst) % 37 {
        7 => Mood::Answers(500, ""),
        11 => Mood::HangsUp,
        15 => Mood::Answers(404, ""),
        _ => Mood::Takes,
    });
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut chats = Vec::new();
    for name in ["One", "Two", "Three"] {
        chats.push(alice.group(name, &[&bob]).await);
    }
    let people = [&alice, &bob];
    let all = chats.iter().flat_map(|chat| people.map(|person| (chat, person)));
    join_all(all.map(|(chat, person)| async move {
        for number in 0..MESSAGES {
            person.posts(chat, &format!("{} {number}", person.name)).await;
        }
    }))
    .await;
    for chat in &chats {
        let hooks = told_up_to(&receiver, chat, 2 * MESSAGES).await;
        let seqs: Vec<u64> = told(&hooks, chat).into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(seqs, (0..=2 * MESSAGES).collect::<Vec<_>>(), "each once, in order");
    }
    let tries = receiver.tries();
    assert!(tries.iter().any(|hook| !hook.was_taken()), "none failed");
    // What failed was tried again under its id, and nothing else has that id.
    let mut by_id: BTreeMap<&str, Vec<&Hook>> = BTreeMap::new();
    tries
        .iter()
        .for_each(|hook| by_id.entry(&hook.id).or_default().push(hook));
    for (id, tries) in by_id {
        let (last, failed) = tries.split_last().expect("at least one");
        assert!(last.was_taken() && failed.iter().all(|hook| !hook.was_taken()), "{id}");
        assert!(tries.iter().all(|hook| hook.body == last.body), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_by_kills_and_an_id_stays_what_it_names() {
    let receiver = Receiver::start().await;
    let mut server = Server::with().telling(&[&receiver]).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chats = [alice.direct_with(&bob).await, alice.group("Group", &[&bob]).await];
    for round in 0..4_u64 {
        // Some is left to tell in any case; how much more of it, and whether the cursors were saved, is the scheduler's to say.
        receiver.decides(move |hook| match hook.seq() > round * 10 + 5 {
            true => Mood::Answers(500, ""),
            false => Mood::Takes,
        });
        for number in 0..10 {
            for chat in &chats {
                alice.posts(chat, &format!("{round} {number}")).await;
            }
        }
        told_up_to(&receiver, &chats[0], round * 10 + 3).await;
        server.kill().await;
        receiver.is(Mood::Takes);
        server.restart().await;
    }
    for chat in &chats {
        let hooks = told_up_to(&receiver, chat, 40).await;
        let mut ids: BTreeMap<u64, &str> = BTreeMap::new();
        let mut cursor = 0;
        for hook in hooks.iter().filter(|hook| hook.place() == chat.id && hook.was_taken()) {
            assert!(hook.seq() <= cursor + 1, "{} came before {}", hook.seq(), cursor + 1);
            cursor = cursor.max(hook.seq());
            let id = ids.entry(hook.seq()).or_insert(&hook.id);
            assert_eq!(*id, hook.id, "the same, told again, has the same id");
        }
        assert_eq!(cursor, 40);
        assert_eq!(ids.len(), 41, "the introduction and forty messages");
    }
}

#[tokio::test]
async fn a_polite_restart_tells_nothing_twice() {
    let receiver = Receiver::start().await;
    let mut server = Server::with().telling(&[&receiver]).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    for number in 1..=3 {
        alice.posts(&chat, "before").await;
        told_up_to(&receiver, &chat, 2 * number - 1).await;
        alice.posts(&chat, "just before").await;
        server.stop().await;
        server.restart().await;
    }
    let hooks = told_up_to(&receiver, &chat, 6).await;
    let seqs: Vec<u64> = told(&hooks, &chat).into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(seqs, [0, 1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_receiver_that_was_away_is_told_everything_and_operators_see_it() {
    let receiver = Receiver::start().await;
    let server = Server::telling(&receiver).await;
    let (alice, bob, root) = (
        server.user("alice").await,
        server.user("bob").await,
        server.admin("root").await,
    );
    receiver.is(Mood::Answers(503, ""));
    let chats = [alice.direct_with(&bob).await, alice.group("Group", &[&bob]).await];
    for chat in &chats {
        alice.posts(chat, "one").await;
        alice.posts(chat, "two").await;
    }
    figure_is(&root, "parlor_webhook_backlog", |conversations| conversations == 2.0).await;
    figure_is(&root, "parlor_webhook_failed_total{reason=\"status\"}", |tries| {
        tries >= 4.0
    })
    .await;
    figure_is(&root, "parlor_webhook_oldest_seconds", |seconds| seconds >= 1.0).await;
    let shown = root.get("/api/admin/metrics").await.ok(200)["webhooks"].clone();
    assert_has(
        &shown,
        &json!({"endpoints": 1, "disabled": 0, "delivered": 0, "backlog": 2}),
    );
    assert!(
        shown["failed"]["status"].as_u64().is_some_and(|tries| tries >= 4),
        "{shown}"
    );
    receiver.is(Mood::Takes);
    for chat in &chats {
        let hooks = told_up_to(&receiver, chat, 2).await;
        let seqs: Vec<u64> = told(&hooks, chat).into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(seqs, [0, 1, 2]);
    }
    figure_is(&root, "parlor_webhook_backlog", |conversations| conversations == 0.0).await;
    assert_eq!(figure(&root, "parlor_webhook_delivered_total").await, 6.0);
    assert_eq!(figure(&root, "parlor_webhook_oldest_seconds").await, 0.0);
    let tries = receiver.tries().len() as f64;
    assert_eq!(figure(&root, "parlor_webhook_seconds_count").await, tries);
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_told_of_all_conversations_when_it_is_up() {
    let receiver = Receiver::start().await;
    let server = Server::telling(&receiver).await;
    let (alice, root) = (server.user("alice").await, server.admin("root").await);
    receiver.is(Mood::Answers(500, ""));
    let mut chats = Vec::new();
    for number in 0..20 {
        let chat = alice.group(&format!("Group {number}"), &[]).await;
        alice.posts(&chat, "hi").await;
        chats.push(chat);
    }
    let lines = |what: &str| server.output().1.lines().filter(|line| line.contains(what)).count();
    let down = async {
        while lines("is down") == 0 {
            figure(&root, "parlor_webhook_backlog").await;
        }
    };
    timeout(DEADLINE, down).await.expect("sixteen of them fail");
    receiver.is(Mood::Takes);
    for chat in &chats {
        let hooks = told_up_to(&receiver, chat, 1).await;
        assert_eq!(told(&hooks, chat).len(), 2);
    }
    assert_eq!((lines("is down"), lines("is up again")), (1, 1));
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_its_conversation_and_no_other() {
    let receiver = Receiver::start().await;
    let server = Server::with()
        .telling(&[&receiver])
        .set("webhook_timeout_seconds", 5)
        .start()
        .await;
    let (alice, bob, root) = (
        server.user("alice").await,
        server.user("bob").await,
        server.admin("root").await,
    );
    let (stuck, free) = (alice.direct_with(&bob).await, alice.group("Free", &[]).await);
    let id = stuck.id.clone();
    receiver.decides(move |hook| if hook.place() == id { Mood::Hangs } else { Mood::Takes });
    alice.posts(&stuck, "into the void").await;
    let id = stuck.id.clone();
    receiver.sees(move |hook| hook.place() == id).await;
    alice.posts(&free, "hi").await;
    told_up_to(&receiver, &free, 1).await;
    figure_is(&root, "parlor_webhook_failed_total{reason=\"timeout\"}", |tries| {
        tries >= 1.0
    })
    .await;
    receiver.is(Mood::Takes);
    let hooks = told_up_to(&receiver, &stuck, 1).await;
    assert_eq!(told(&hooks, &stuck).len(), 2);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone_and_another_one_is_not() {
    let (gone, well) = (Receiver::start().await, Receiver::start().await);
    let mut server = Server::with().telling(&[&gone, &well]).start().await;
    let (alice, root) = (server.user("alice").await, server.admin("root").await);
    gone.is(Mood::Answers(410, ""));
    let chat = alice.group("Group", &[]).await;
    figure_is(&root, "parlor_webhook_disabled", |endpoints| endpoints == 1.0).await;
    gone.is(Mood::Takes);
    for number in 1..=5 {
        alice.posts(&chat, "hi").await;
        told_up_to(&well, &chat, number).await;
    }
    assert_eq!(gone.tries().len(), 1);
    assert_eq!(figure(&root, "parlor_webhook_failed_total{reason=\"gone\"}").await, 1.0);
    let (_, stderr) = server.output();
    assert!(stderr.contains("410 Gone"), "{stderr}");
    server.stop().await;
    server.restart().await;
    let hooks = told_up_to(&gone, &chat, 5).await;
    assert_eq!(
        told(&hooks, &chat).len(),
        6,
        "a restart tries again, and nothing is missing"
    );
}

#[tokio::test]
async fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
    let receiver = Receiver::start().await;
    let server = Server::telling(&receiver).await;
    let alice = server.user("alice").await;
    receiver.decides({
        let first = AtomicUsize::new(0);
        move |_| match first.fetch_add(1, Ordering::SeqCst) {
            0 => Mood::Answers(429, "retry-after: 3"),
            _ => Mood::Takes,
        }
    });
    let chat = alice.group("Group", &[]).await;
    alice.posts(&chat, "hi").await;
    let hooks = told_up_to(&receiver, &chat, 1).await;
    let pause = hooks[1].at - hooks[0].at;
    assert!(pause >= Duration::from_millis(2900), "{pause:?}");
    assert_eq!(hooks[0].id, hooks[1].id);
    assert!(hooks[1].timestamp > hooks[0].timestamp, "signed anew");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let server = Server::telling(&receiver).await;
    let (alice, root) = (server.user("alice").await, server.admin("root").await);
    let location: &'static str = format!("location: {}", elsewhere.url()).leak();
    receiver.is(Mood::Answers(307, location));
    let chat = alice.group("Group", &[]).await;
    figure_is(&root, "parlor_webhook_failed_total{reason=\"status\"}", |tries| {
        tries >= 2.0
    })
    .await;
    receiver.is(Mood::Takes);
    alice.posts(&chat, "hi").await;
    told_up_to(&receiver, &chat, 1).await;
    assert!(elsewhere.tries().is_empty());
}

#[tokio::test]
async fn a_courier_that_panics_is_followed_by_another_one() {
    need_faults();
    let receiver = Receiver::start().await;
    let server = Server::telling(&receiver).await;
    let alice = server.user("alice").await;
    let (chat, other) = (alice.group("Group", &[]).await, alice.group("Other", &[]).await);
    for text in ["before", "!!parlor-fault-panic-courier", "behind"] {
        alice.posts(&chat, text).await;
        alice.posts(&other, "meanwhile").await;
    }
    for chat in [&chat, &other] {
        let hooks = told_up_to(&receiver, chat, 3).await;
        let mut seqs: Vec<u64> = told(&hooks, chat).into_iter().map(|(seq, _)| seq).collect();
        // What was under way when it panicked may come twice.
        seqs.dedup();
        assert_eq!(seqs, [0, 1, 2, 3]);
    }
    let (_, stderr) = server.output();
    assert!(stderr.contains("the courier ended unexpectedly"), "{stderr}");
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let receiver = Receiver::start().await;
    let server = Server::with()
        .telling(&[&receiver])
        .set("webhook_events", "membership")
        .start()
        .await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.group("Group", &[]).await;
    for _ in 0..30 {
        alice.posts(&chat, "hi").await;
    }
    let _tab = alice.connect().await;
    alice.adds(&chat, &bob).await;
    let hooks = told_up_to(&receiver, &chat, 31).await;
    let kinds: Vec<String> = hooks.into_iter().map(|hook| hook.kind).collect();
    assert_eq!(kinds, ["conversation.created", "member.added"]);
}

#[tokio::test]
async fn coming_and_going_is_told_when_it_is_asked_for() {
    let receiver = Receiver::start().await;
    let server = Server::with()
        .telling(&[&receiver])
        .set("webhook_events", "presence")
        .start()
        .await;
    let alice = server.user("alice").await;
    let (tab, second) = (alice.connect().await, alice.connect().await);
    let online = receiver.takes("user.online").await;
    assert_shape(
        &online.body,
        &json!({"type": "user.online", "timestamp": "<time>", "data": {"userId": alice.id}}),
    );
    tab.leaves().await;
    second.leaves().await;
    let offline = receiver.takes("user.offline").await;
    let expected =
        json!({"type": "user.offline", "timestamp": "<time>", "data": {"userId": alice.id, "lastSeenAt": "<time>"}});
    assert_shape(&offline.body, &expected);
    assert_eq!(receiver.tries().len(), 2, "a second session is no news");
    assert_ne!(online.id, offline.id);
    // While the receiver is away, the latest of each user is what is kept.
    receiver.is(Mood::Answers(500, ""));
    let tab = alice.connect().await;
    receiver.sees(|hook| !hook.was_taken()).await;
    tab.leaves().await;
    receiver
        .sees(|hook| !hook.was_taken() && hook.kind == "user.offline")
        .await;
    receiver.is(Mood::Takes);
    let hooks = receiver
        .has(|hooks| hooks.iter().filter(|hook| hook.was_taken()).count() >= 3)
        .await;
    let taken: Vec<&str> = hooks
        .iter()
        .filter(|hook| hook.was_taken())
        .map(|hook| hook.kind.as_str())
        .collect();
    assert_eq!(taken, ["user.online", "user.offline", "user.offline"]);
}

#[tokio::test]
async fn a_secret_is_changed_by_signing_with_both() {
    let receiver = Receiver::start().await;
    let new = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrsc";
    let both = format!("{new},{WEBHOOK_SECRET}");
    let server = Server::with()
        .telling(&[&receiver])
        .set("webhook_secret", both)
        .start()
        .await;
    server.user("alice").await.group("Group", &[]).await;
    // The receiver itself has checked the one that it knows.
    let hook = receiver.takes("conversation.created").await;
    assert_eq!(hook.signatures.len(), 2);
}

#[tokio::test]
async fn a_url_without_a_secret_is_refused_at_the_start_and_no_secret_is_shown() {
    let receiver = Receiver::start().await;
    let ended = Server::with().set("webhook_urls", receiver.url()).ends().await;
    assert!(ended.stderr.contains("webhook_secret"), "{}", ended.stderr);
    for (name, value) in [
        ("webhook_secret", "whsec_dG9vIHNob3J0"),
        ("webhook_secret", "no-secret-of-this-form-0815"),
        ("webhook_urls", "ftp://somewhere.example/a-secret-path"),
        ("webhook_urls", "https://name:a-secret-path@somewhere.example/"),
        ("webhook_events", "messages"),
    ] {
        let ended = Server::with().telling(&[&receiver]).set(name, value).ends().await;
        assert!(ended.stderr.contains(name), "{name}={value}: {}", ended.stderr);
        let secret = ["a-secret-path", "dG9vIHNob3J0", "0815", WEBHOOK_SECRET];
        assert!(
            !secret.iter().any(|secret| ended.stderr.contains(secret)),
            "{}",
            ended.stderr
        );
    }
    let server = Server::with()
        .telling(&[&receiver])
        .env("RUST_LOG", "trace")
        .start()
        .await;
    let alice = server.user("alice").await;
    let chat = alice.group("Group", &[]).await;
    alice.posts(&chat, "the-text-of-a-message-0815").await;
    receiver.is(Mood::Answers(500, ""));
    alice.posts(&chat, "the-text-of-a-message-0815").await;
    let hook = receiver.sees(|hook| !hook.was_taken()).await;
    let signature = hook.signatures[0].trim_start_matches("v1,").to_owned();
    let (stdout, stderr) = server.output();
    let secrets = [
        "a-secret-path",
        "the-text-of-a-message-0815",
        WEBHOOK_SECRET,
        &signature,
    ];
    let found = stdout
        .lines()
        .chain(stderr.lines())
        .find(|line| secrets.iter().any(|secret| line.contains(secret)));
    assert!(found.is_none(), "{found:?}");
}
