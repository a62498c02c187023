//! Configuration: defaults, then `parlor.toml`, then the environment, then flags; clear errors that name the key.

use std::sync::Arc;

use crate::harness::*;

/// What the server says its heartbeat is: a setting that one can see from outside.
async fn heartbeat(setup: Setup) -> u64 {
    let mut server = setup.start().await;
    let ready = server.user("alice").await.connect().await.ready.clone();
    server.stop().await;
    ready["heartbeatSeconds"].as_u64().expect("a number")
}

#[tokio::test]
async fn flags_beat_the_environment_beats_the_file_beats_the_default() {
    let place = Arc::new(Place::new());
    assert_eq!(heartbeat(Server::with().in_place(&place)).await, 25);
    place.write("parlor.toml", "heartbeat_seconds = 11\n");
    assert_eq!(heartbeat(Server::with().in_place(&place)).await, 11);
    let by_environment = || Server::with().in_place(&place).set("heartbeat_seconds", 12);
    assert_eq!(heartbeat(by_environment()).await, 12);
    assert_eq!(heartbeat(by_environment().flag("--heartbeat-seconds", "13")).await, 13);
}

#[tokio::test]
async fn the_printed_configuration_is_annotated_and_says_what_the_defaults_are() {
    let place = Arc::new(Place::new());
    let printed = place.bare(&["config"], &[]).await.succeeded();
    let table: toml::Table = printed
        .parse()
        .unwrap_or_else(|error| panic!("no TOML: {error}\n{printed}"));
    drop(table);
    for setting in [
        "listen",
        "data_dir",
        "database_url",
        "allowed_origins",
        "rate_limits",
        "registration",
        "heartbeat_seconds",
        "heartbeat_timeout_seconds",
        "room_idle_seconds",
        "outbox_kib",
        "token_ttl_seconds",
        "metrics_token",
        "workers",
        "jwt_issuer",
        "jwt_audience",
        "jwt_public_key",
        "jwks",
        "rate_messages_per_second",
        "rate_messages_burst",
        "rate_events_per_second",
        "rate_logins_per_minute",
        "rate_guesses_per_minute",
    ] {
        assert!(printed.contains(setting), "{setting} is not in it:\n{printed}");
    }
    assert!(
        printed.lines().filter(|line| line.starts_with('#')).count() > 10,
        "it explains itself:\n{printed}"
    );
    // It is a configuration that works, and changes nothing.
    place.write("parlor.toml", &printed);
    assert_eq!(heartbeat(Server::with().in_place(&place)).await, 25);
    // Also with every setting that has a default taken in.
    let uncommented: Vec<&str> = printed
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line))
        .collect();
    let uncommented = uncommented.join("\n");
    uncommented
        .parse::<toml::Table>()
        .unwrap_or_else(|error| panic!("uncommented it is no TOML: {error}\n{uncommented}"));
}

fn is_setting(line: &str) -> bool {
    let key = line.split_once(" = ").map(|(key, _)| key);
    key.is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}

#[tokio::test]
async fn unknown_keys_and_bad_values_are_named() {
    let in_file = |text: &str| {
        let place = Arc::new(Place::new());
        place.write("parlor.toml", text);
        Server::with().in_place(&place).ends()
    };
    in_file("heartbeat_secnods = 11\n")
        .await
        .failed_naming(&["parlor.toml", "heartbeat_secnods"]);
    in_file("heartbeat_seconds = \"often\"\n")
        .await
        .failed_naming(&["parlor.toml", "heartbeat_seconds"]);
    in_file("heartbeat_seconds = -1\n")
        .await
        .failed_naming(&["parlor.toml", "heartbeat_seconds"]);
    in_file("heartbeat_seconds = \n").await.failed_naming(&["parlor.toml"]);
    in_file("registration = \"perhaps\"\n")
        .await
        .failed_naming(&["registration", "perhaps"]);
    for (setting, value) in [
        ("heartbeat_seconds", "often"),
        ("heartbeat_seconds", "-1"),
        ("rate_limits", "perhaps"),
        ("registration", "perhaps"),
        ("workers", "many"),
        ("outbox_kib", "1e999"),
        ("allowed_origins", "not an origin"),
    ] {
        let name = format!("PARLOR_{}", setting.to_uppercase());
        Server::with()
            .set(setting, value)
            .ends()
            .await
            .failed_naming(&[&name, value]);
    }
    Server::with()
        .flag("--heartbeat-seconds", "often")
        .ends()
        .await
        .failed_naming(&["--heartbeat-seconds", "often"]);
}

#[tokio::test]
async fn a_secret_that_is_too_short_is_refused_and_not_shown() {
    let ended = Server::with().env("PARLOR_JWT_SECRET", "too-short-7").ends().await;
    let ended = ended.failed_naming(&["PARLOR_JWT_SECRET"]);
    assert!(
        !format!("{}{}", ended.stdout, ended.stderr).contains("too-short-7"),
        "{ended:#?}"
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_clear_error() {
    let server = Server::start().await;
    let address = server.realm.host();
    let ended = Server::with().flag("--listen", &address).ends().await;
    ended.failed_naming(&[&address]);
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_is_a_clear_error() {
    let place = Arc::new(Place::new());
    place.write("data", "a file where the directory should be");
    Server::with().in_place(&place).ends().await.failed_naming(&["data"]);
}

#[tokio::test]
async fn serve_is_the_default_command_and_says_what_to_try_next() {
    let server = Server::start().await;
    server.user("alice").await;
    let (stdout, _) = server.output();
    assert!(stdout.contains("parlor token"), "what to try next:\n{stdout}");
    let help_of_none = server.place().bare(&["--listen", "nowhere"], &[]).await;
    help_of_none.failed_naming(&["--listen", "nowhere"]);
}
