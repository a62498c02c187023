//! Any interleaving of sends, edits, deletes, reactions, reads, retention and reconnects, with the server killed in between,
//! leaves what every device holds equal to what a fresh one loads, and every count equal to what the messages say. The same
//! run again: `PARLOR_TEST_SEED=…` with the seed that a failure prints; more of them: `PARLOR_TEST_SEEDS=…`.

use std::collections::BTreeMap;

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::{harness::*, replica::*};

const EMOJI: [&str; 3] = ["heart", "laugh", "fire"];

/// What somebody who is late, or not allowed, is told. Nothing else is expected of a right server.
const REFUSALS: [&str; 5] = ["CONFLICT", "NOT_FOUND", "FORBIDDEN", "RATE_LIMITED", "UNAVAILABLE"];

fn pick<'a, T>(rng: &mut StdRng, from: &'a [T]) -> Option<&'a T> {
    (!from.is_empty()).then(|| &from[rng.random_range(0..from.len())])
}

/// One thing that a device does without waiting for what comes of it.
fn acts(device: &Device, chat: &Chat, everybody: &[Person], rng: &mut StdRng) {
    let mine = |message: &Value| message["sender"]["id"] == device.person.id.as_str();
    let on = |event: &str, extra: Value, ids: Vec<String>, rng: &mut StdRng| {
        if let Some(id) = pick(rng, &ids) {
            let mut data = json!({"conversationId": chat.id, "messageId": id});
            for (key, value) in extra.as_object().expect("an object") {
                data[key] = value.clone();
            }
            device.does(event, data);
        }
    };
    let said = says(everybody, rng);
    let emoji = *pick(rng, &EMOJI).expect("some");
    match rng.random_range(0..100) {
        0..40 => {
            let mut data = json!({"conversationId": chat.id, "content": said});
            if rng.random_ratio(1, 3)
                && let Some(id) = pick(rng, &device.known(chat, |_| true))
            {
                data["replyToId"] = json!(id);
            }
            device.does("send_message", data);
        }
        40..58 => on("edit_message", json!({"content": said}), device.known(chat, mine), rng),
        58..66 => on("delete_message", json!({}), device.known(chat, mine), rng),
        66..82 => on(
            "add_reaction",
            json!({"emoji": emoji}),
            device.known(chat, |_| true),
            rng,
        ),
        82..92 => on(
            "remove_reaction",
            json!({"emoji": emoji}),
            device.known(chat, |_| true),
            rng,
        ),
        92..99 => on("mark_read", json!({}), device.known(chat, |_| true), rng),
        _ => {
            device.does(
                "send_message",
                json!({"conversationId": chat.id, "content": "x".repeat(2000)}),
            );
        }
    }
}

fn says(everybody: &[Person], rng: &mut StdRng) -> String {
    let number = rng.next_u32();
    match pick(rng, everybody) {
        Some(person) if number.is_multiple_of(4) => format!("@{} look: {number}", person.name),
        _ => format!("said {number}"),
    }
}

/// An hour goes by for the first third of what the conversation says; the last number of it.
async fn ages(server: &Server, who: &Person, chat: &Chat) -> u64 {
    let upto = who.seq_of(chat).await / 3;
    let id = chat.id.replace('-', "");
    Store::open(&server.place().data()).changes(&format!(
        "UPDATE messages SET created_at = created_at - 3600000 WHERE position & 4294967295 <= {upto}
         AND position >> 32 = (SELECT key FROM conversations WHERE id = x'{id}')"
    ));
    upto
}

/// Waits until retention has taken what is past its time.
async fn is_taken(who: &Person, chat: &Chat, aged: u64) {
    let tab = who.connect().await;
    loop {
        let first = who
            .history(chat)
            .await
            .first()
            .map_or(u64::MAX, |first| number(&first["seq"]));
        if first > aged {
            return;
        }
        let of = |data: &Value| data["conversationId"] == chat.id.as_str();
        tab.sees("messages_expired", of).await;
    }
}

/// The counts of everybody's list are what the messages say.
async fn counts_agree(people: &[Person], chat: &Chat) {
    for person in people {
        let listed = person.listed(chat).await;
        let read = number(&listed["lastReadSeq"]);
        let unread = |message: &&Value| {
            number(&message["seq"]) > read
                && message["sender"]["id"] != person.id.as_str()
                && message["type"] != "system"
                && message["deletedAt"].is_null()
        };
        let history = person.history(chat).await;
        let unread: Vec<&Value> = history.iter().filter(unread).collect();
        let names = |message: &&&Value| {
            message["mentions"]
                .as_array()
                .expect("a list")
                .contains(&json!(person.id))
        };
        let mentions = unread.iter().filter(names).count();
        assert_eq!(
            number(&listed["unreadCount"]),
            unread.len() as u64,
            "unread of {}",
            person.name
        );
        assert_eq!(
            number(&listed["mentionCount"]),
            mentions as u64,
            "mentions of {}",
            person.name
        );
        assert_eq!(listed["lastMessage"], *history.last().unwrap_or(&Value::Null));
    }
}

/// Waits until everybody has everything, and nothing more comes: what a cut connection had under way is decided then too.
async fn all_quiet(who: &Person, chats: &[Chat], devices: &mut [Device]) {
    loop {
        let mut heads = BTreeMap::new();
        for chat in chats {
            heads.insert(chat.id.clone(), who.seq_of(chat).await);
        }
        for device in devices.iter_mut() {
            device.settles().await;
            device.catches_up(&heads).await;
        }
        let mut same = true;
        for chat in chats {
            same &= heads[&chat.id] == who.seq_of(chat).await;
        }
        if same {
            return;
        }
    }
}

async fn run(seed: u64) {
    println!("PARLOR_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut server = Server::with().on_a_port_of_its_own().start().await;
    let mut people = Vec::new();
    for name in ["ann", "ben", "cat"] {
        people.push(server.user(name).await);
    }
    let others: Vec<&Person> = people[1..].iter().collect();
    let all = people[0].group("all", &others).await;
    people[0]
        .patch(&all.path(""), json!({"retentionSeconds": 60}))
        .await
        .ok(200);
    let mut aged = 0;
    let chats = [all, people[0].direct_with(&people[1]).await];
    let mut devices = Vec::new();
    for (number, person) in people.iter().enumerate() {
        let own = if number < 2 { &chats[..] } else { &chats[..1] };
        for _ in 0..2 {
            devices.push(Device::of(person, own).await);
        }
    }
    for round in 0..60 {
        for device in &mut devices {
            device.reads();
            for _ in 0..rng.random_range(0..5) {
                let own: Vec<&Chat> = chats
                    .iter()
                    .filter(|chat| device.views.contains_key(&chat.id))
                    .collect();
                acts(device, pick(&mut rng, &own).expect("a chat"), &people, &mut rng);
            }
            if rng.random_ratio(1, 25) {
                device.reconnects().await;
            }
        }
        if round % 15 == 14 {
            aged = ages(&server, &people[0], &chats[0]).await;
        }
        if round == 30 {
            server.kill().await;
            server.restart().await;
            for device in &mut devices {
                device.reconnects().await;
            }
        } else {
            // Not everybody is ahead of everybody else for ever.
            let device = rng.random_range(0..devices.len());
            devices[device].settles().await;
        }
    }
    is_taken(&people[0], &chats[0], aged).await;
    all_quiet(&people[0], &chats, &mut devices).await;
    for device in &mut devices {
        for error in &device.refused {
            let code = error["code"].as_str().expect("a code");
            assert!(REFUSALS.contains(&code), "{} was told {error}", device.person.name);
        }
        for chat in chats.iter().filter(|chat| device.views.contains_key(&chat.id)) {
            device.agrees(chat).await;
        }
    }
    counts_agree(&people, &chats[0]).await;
    counts_agree(&people[..2], &chats[1]).await;
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_device_ends_with_what_a_fresh_one_loads() {
    let from = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().expect("a whole number"))
    };
    let first = from("PARLOR_TEST_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    for seed in first..first + from("PARLOR_TEST_SEEDS").unwrap_or(2) {
        run(seed).await;
    }
}
