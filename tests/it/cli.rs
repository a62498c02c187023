//! The command line: help that reads well, tokens, users, migrations, and `verify`, which finds what is wrong.

use std::sync::Arc;

use serde_json::json;

use crate::{harness::*, messages::pair};

#[tokio::test]
async fn help_names_every_subcommand_and_flag() {
    let place = Place::new();
    for arguments in [["--help"], ["-h"]] {
        let help = place.bare(&arguments, &[]).await.succeeded();
        for word in [
            "serve", "token", "user", "migrate", "verify", "export", "import", "backup", "config", "Usage",
        ] {
            assert!(help.contains(word), "{arguments:?} does not name {word}:\n{help}");
        }
    }
    for (command, words) in [
        (
            &["serve"][..],
            &["--listen", "--data-dir", "PARLOR_LISTEN", "127.0.0.1:8080"][..],
        ),
        (
            &["token"],
            &["--name", "--display-name", "--admin", "--ttl", "--data-dir"],
        ),
        (&["user"], &["create", "password", "admin"]),
        (&["user", "create"], &["--password-stdin", "--display-name", "--admin"]),
        (&["user", "password"], &["--password-stdin"]),
        (&["user", "admin"], &["--revoke"]),
        (&["migrate"], &["--data-dir"]),
        (
            &["verify"],
            &["--data-dir", "positions", "uploads", "reactions", "webhook", "epoch"],
        ),
        (&["import"], &["--keep-epoch", "--new-epoch", "DATABASE_URL"]),
        (&["config"], &["Usage"]),
    ] {
        let help = place.bare(&[command, &["--help"]].concat(), &[]).await.succeeded();
        for word in words {
            assert!(help.contains(word), "{command:?} does not name {word}:\n{help}");
        }
    }
    let version = place.bare(&["--version"], &[]).await.succeeded();
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    assert!(!place.data().exists(), "help makes no data");
}

#[tokio::test]
async fn what_is_no_command_is_a_clear_error() {
    let place = Place::new();
    place.bare(&["sevre"], &[]).await.failed_naming(&["sevre", "serve"]);
    place
        .bare(&["serve", "--lisen", "x"], &[])
        .await
        .failed_naming(&["--lisen", "--listen"]);
    place.bare(&["token"], &[]).await.failed_naming(&["USER"]);
    place
        .bare(&["token", "x", "--ttl", "soon"], &[])
        .await
        .failed_naming(&["ttl", "soon"]);
    place.bare(&["user", "create"], &[]).await.failed_naming(&["NAME"]);
}

/// A server that keeps its own secret, as the program's tokens need it.
async fn own_secret(place: &Arc<Place>) -> Server {
    Server::with()
        .without_env("PARLOR_JWT_SECRET")
        .in_place(place)
        .start()
        .await
}

#[tokio::test]
async fn token_prints_a_token_that_the_server_takes() {
    let place = Arc::new(Place::new());
    // Before the first start as well as after it: it is the same secret.
    let before = place.parlor(&["token", "crm-1"]).await.succeeded();
    let server = own_secret(&place).await;
    let arguments = [
        "token",
        "crm-2",
        "--name",
        "vera",
        "--display-name",
        "Vera V.",
        "--ttl",
        "1h",
    ];
    let after = place.parlor(&arguments).await.succeeded();
    for (token, expected) in [
        (&before, json!({"id": "crm-1"})),
        (
            &after,
            json!({"id": "crm-2", "name": "vera", "displayName": "Vera V.", "avatarUrl": null}),
        ),
    ] {
        assert_eq!(token.lines().count(), 1, "just the token: {token:?}");
        assert_eq!(token.trim().split('.').count(), 3);
        let me = server.call("GET", "/api/me").bearer(token.trim()).send().await.ok(200);
        assert_has(&me, &expected);
        server
            .call("GET", "/api/admin/metrics")
            .bearer(token.trim())
            .send()
            .await
            .refused(403, "FORBIDDEN");
    }
    let admin = place.parlor(&["token", "root", "--admin"]).await.succeeded();
    server
        .call("GET", "/api/admin/metrics")
        .bearer(admin.trim())
        .send()
        .await
        .ok(200);
    let short = place.parlor(&["token", "crm-3", "--ttl", "10s"]).await.succeeded();
    let tab = server.dial("crm-3").bearer(short.trim()).open().await;
    tab.is_closed_with(4401).await;
    place.parlor(&["token", "bad id"]).await.failed_naming(&["USER"]);
}

#[tokio::test]
async fn user_makes_accounts_and_changes_them() {
    let place = Arc::new(Place::new());
    let create = [
        "user",
        "create",
        "dora",
        "--password-stdin",
        "--display-name",
        "Dora D.",
    ];
    let said = place
        .parlor_reading(&create, "correct horse battery\n")
        .await
        .succeeded();
    assert!(!said.contains("correct horse"), "{said}");
    place
        .parlor_reading(&create, "correct horse battery\n")
        .await
        .failed_naming(&["dora"]);
    place
        .parlor_reading(&["user", "create", "eve", "--password-stdin"], "short\n")
        .await
        .failed_naming(&["password"]);
    let root = ["user", "create", "root", "--password-stdin", "--admin"];
    place.parlor_reading(&root, "correct horse battery").await.succeeded();
    place
        .parlor_reading(
            &["user", "password", "nobody", "--password-stdin"],
            "correct horse battery",
        )
        .await
        .failed_naming(&["nobody"]);
    place
        .parlor(&["user", "admin", "nobody"])
        .await
        .failed_naming(&["nobody"]);
    let mut server = own_secret(&place).await;
    let dora = login(&server, "dora", "correct horse battery").await.ok(200);
    assert_has(&dora["user"], &json!({"name": "dora", "displayName": "Dora D."}));
    assert_eq!(admin_status(&server, "dora", "correct horse battery").await, 403);
    assert_eq!(admin_status(&server, "root", "correct horse battery").await, 200);
    server.stop().await;
    place
        .parlor_reading(
            &["user", "password", "dora", "--password-stdin"],
            "another horse battery\n",
        )
        .await
        .succeeded();
    place.parlor(&["user", "admin", "dora"]).await.succeeded();
    place.parlor(&["user", "admin", "root", "--revoke"]).await.succeeded();
    server.restart().await;
    login(&server, "dora", "correct horse battery")
        .await
        .refused(401, "UNAUTHORIZED");
    assert_eq!(admin_status(&server, "dora", "another horse battery").await, 200);
    assert_eq!(admin_status(&server, "root", "correct horse battery").await, 403);
}

async fn login(server: &Server, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    server.call("POST", "/api/auth/login").json(&body).send().await
}

/// What the account's fresh token gets of the admins' figures.
async fn admin_status(server: &Server, name: &str, password: &str) -> u16 {
    let body = login(server, name, password).await.ok(200);
    let token = body["token"].as_str().expect("a token").to_owned();
    server
        .call("GET", "/api/admin/metrics")
        .bearer(&token)
        .send()
        .await
        .status
}

#[tokio::test]
async fn migrate_prepares_a_store_and_may_be_repeated() {
    let place = Arc::new(Place::on_sqlite());
    place.parlor(&["migrate"]).await.succeeded();
    assert!(place.data().join("parlor.sqlite3").is_file());
    place.parlor(&["migrate"]).await.succeeded();
    place.parlor(&["verify"]).await.succeeded();
    let server = Server::with().in_place(&place).start().await;
    server.user("alice").await;
}

/// A sound store with a conversation of five messages, one deleted, at rest.
async fn store_at_rest() -> (Server, Store) {
    let (mut server, alice, bob, chat) = pair().await;
    for number in 1..=4 {
        alice.posts(&chat, &format!("m{number}")).await;
    }
    let sent = bob.posts(&chat, "m5").await;
    bob.delete(&chat.path(&format!("/messages/{}", sent["id"].as_str().expect("an id"))))
        .await
        .ok(200);
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
    let store = Store::open(server.place());
    (server, store)
}

/// Damages a sound store; `verify` must find it, and say so in a line that has these words.
async fn verify_finds(damage: &str, words: &[&str]) {
    let (server, mut store) = store_at_rest().await;
    assert!(store.changes(damage) > 0, "{damage} changes nothing");
    drop(store);
    let found = server.place().parlor(&["verify"]).await;
    assert_eq!(found.code, Some(1), "{damage}: {found:#?}");
    found.failed_naming(words);
}

// The damages name tables and columns of `migrations/sqlite`: the only place of the suite that knows the schema.

#[tokio::test]
async fn verify_finds_a_message_that_is_gone() {
    verify_finds("DELETE FROM messages WHERE (position & 4294967295) = 2", &["2"]).await;
}

#[tokio::test]
async fn verify_finds_a_change_that_is_gone() {
    verify_finds("DELETE FROM changes", &["6"]).await;
}

#[tokio::test]
async fn verify_finds_a_counter_that_is_behind_or_ahead() {
    verify_finds("UPDATE heads SET seq = seq - 1", &["5"]).await;
    verify_finds("UPDATE heads SET seq = seq + 1", &["7"]).await;
    verify_finds("UPDATE heads SET member_count = 9", &["9"]).await;
}

#[tokio::test]
async fn verify_finds_orphans() {
    verify_finds("DELETE FROM conversations", &["conversation"]).await;
    verify_finds("DELETE FROM heads", &["conversation"]).await;
    verify_finds("DELETE FROM users WHERE id = 'u-bob'", &["user"]).await;
    verify_finds(
        "UPDATE members SET user_key = 4711 WHERE user_key = (SELECT max(user_key) FROM members)",
        &["4711"],
    )
    .await;
}

#[tokio::test]
async fn verify_finds_a_read_cursor_beyond_the_end() {
    verify_finds("UPDATE members SET last_read_seq = 999", &["999"]).await;
}

#[tokio::test]
async fn verify_finds_a_client_id_that_is_there_twice() {
    let twins =
        "UPDATE messages SET client_id = 'twin', client_hash = 1, sender_key = 1 WHERE (position & 4294967295) < 3";
    verify_finds(twins, &["client"]).await;
}

#[tokio::test]
async fn verify_finds_a_damaged_file() {
    let (server, store) = store_at_rest().await;
    drop(store);
    if server.place().database().is_some() {
        // A server looks after its own files.
        return;
    }
    let file = server.place().data().join("parlor.sqlite3");
    let mut bytes = std::fs::read(&file).expect("the file can be read");
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    std::fs::write(&file, bytes).expect("the file can be written");
    server.place().parlor(&["verify"]).await.failed_naming(&[]);
}

#[tokio::test]
async fn verify_of_nothing_is_a_clear_error() {
    let place = Place::on_sqlite();
    place.parlor(&["verify"]).await.failed_naming(&["data"]);
    assert!(!place.data().join("parlor.sqlite3").exists(), "verify makes nothing");
}

#[tokio::test]
async fn verify_beside_a_running_server_is_sound_or_refused_but_harmless() {
    let (server, alice, bob, chat) = pair().await;
    let bob_tab = bob.connect().await;
    alice.posts(&chat, "before").await;
    let verified = server.place().parlor(&["verify"]).await;
    assert!(verified.code.is_some(), "{verified:#?}");
    alice.posts(&chat, "after").await;
    bob_tab.sees_message(&chat, "after").await;
}
