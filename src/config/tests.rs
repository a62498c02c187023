//! The table and its four derivations.

use std::{collections::HashSet, ffi::OsString, path::PathBuf, time::Duration};

use super::*;

fn env(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(n, v)| (n.into(), v.into())).collect()
}

/// Loads with this `parlor.toml`, these variables and these flags.
fn load_with(toml: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Result<Loaded, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("parlor.toml"), toml).unwrap();
    let loaded = load(Sources {
        flags: flags.iter().map(|(key, text)| (*key, (*text).to_owned())).collect(),
        file: None,
        env: env(variables),
        dir: dir.path().to_owned(),
    });
    loaded.map_err(|error| error.replace(&format!("{}/", dir.path().display()), ""))
}

fn error(toml: &str, variables: &[(&str, &str)]) -> String {
    load_with(toml, variables, &[]).unwrap_err()
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let Config {
        listen,
        data_dir,
        jwt,
        registration,
        rates,
        ..
    } = load_with("", &[], &[]).unwrap().config;
    assert_eq!(listen.to_string(), "127.0.0.1:8080");
    assert_eq!(data_dir, PathBuf::from("./data"));
    assert_eq!(jwt.ttl, Duration::from_secs(86_400));
    assert!(jwt.secret.is_none() && jwt.public_key.is_none() && jwt.jwks.is_none());
    assert_eq!(registration, Registration::Open);
    assert_eq!(
        rates,
        Rates {
            messages_per_second: 10,
            messages_burst: 20,
            events_per_second: 20,
            logins_per_minute: 10,
            guesses_per_minute: 5
        }
    );
    let config = load_with("", &[], &[]).unwrap().config;
    assert_eq!(config.sqlite_path(), PathBuf::from("./data/parlor.sqlite3"));
    assert_eq!(config.heartbeat, Duration::from_secs(25));
    assert_eq!(config.heartbeat_timeout, Duration::from_secs(45));
    assert_eq!(config.outbox_bytes, 1 << 20);
    assert_eq!(config.max_connections, 25_000);
    assert!(config.workers > 0 && config.room_threads > 0);
}

#[test]
fn later_wins() {
    let port = |toml, variables: &[_], flags: &[_]| load_with(toml, variables, flags).unwrap().config.listen.port();
    let toml = "listen = \"127.0.0.1:1\"";
    let variable = [("PARLOR_LISTEN", "127.0.0.1:2")];
    let flag = [("listen", "127.0.0.1:3")];
    assert_eq!(port("", &[], &[]), 8080);
    assert_eq!(port(toml, &[], &[]), 1);
    assert_eq!(port(toml, &variable, &[]), 2);
    assert_eq!(port(toml, &variable, &flag), 3);
    assert_eq!(port(toml, &[("PARLOR_LISTEN", "")], &[]), 1, "empty is not set");
}

#[test]
fn the_file_speaks_toml() {
    let toml = "workers = 3\nrate_limits = false\nallowed_origins = [\"https://a.example\", \"http://b\"]\n\
                registration = \"closed\"\noutbox_kib = 0x200";
    let config = load_with(toml, &[], &[]).unwrap().config;
    assert_eq!(config.workers, 3);
    assert_eq!(config.rates.messages_per_second, 0);
    assert_eq!(config.allowed_origins, ["https://a.example", "http://b"]);
    assert_eq!(config.registration, Registration::Closed);
    assert_eq!(config.outbox_bytes, 512 * 1024);
}

#[test]
fn errors_name_the_setting_its_place_and_what_is_allowed() {
    for (toml, said) in [
        (
            "\nlisten = \"here\"",
            "listen (parlor.toml, line 2): must be an IP address and a port, like 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080, not \"here\"",
        ),
        (
            "# a\n\nlissten = 1",
            "parlor.toml, line 3: unknown setting lissten: did you mean listen?",
        ),
        (
            "data-dir = \"x\"",
            "parlor.toml, line 1: unknown setting data-dir: did you mean data_dir?",
        ),
        (
            "[server]\nlisten = \"127.0.0.1:1\"",
            "parlor.toml, line 1: unknown setting server: settings stand at the top level, without [sections]",
        ),
        (
            "workers = 1.5",
            "parlor.toml, line 1: workers: must be a text or a whole number",
        ),
        (
            "workers = -1",
            "workers (parlor.toml, line 1): must be a whole number from 0 to 1024, not \"-1\"",
        ),
        ("workers 1", "parlor.toml, line 1: is not TOML: "),
    ] {
        let error = error(toml, &[]);
        assert!(error.starts_with(said), "{error}");
    }
    for (name, value, said) in [
        (
            "PARLOR_RATE_LIMITS",
            "maybe",
            "rate_limits (PARLOR_RATE_LIMITS): must be on or off, not \"maybe\"",
        ),
        (
            "DATABASE_URL",
            "postgres://u:hidden@db/x",
            "database_url (DATABASE_URL): this build has no PostgreSQL yet: give sqlite://PATH, or nothing for the default",
        ),
        (
            "REDIS_URL",
            "redis://:hidden@r",
            "redis_url (REDIS_URL): several nodes arrive with a later version; leave it unset to run this one node",
        ),
    ] {
        assert_eq!(error("", &[(name, value)]), said);
    }
    assert!(error("", &[("PARLOR_ALLOWED_ORIGINS", "*")]).contains("* is not taken"));
    let flag = load_with("", &[], &[("room_threads", "x")]).unwrap_err();
    assert!(flag.starts_with("room_threads (--room-threads): "), "{flag}");
}

#[test]
fn a_heartbeat_must_fit_into_its_timeout() {
    let toml = "heartbeat_seconds = 45";
    assert!(error(toml, &[]).starts_with("heartbeat_timeout_seconds (45) must be greater than heartbeat_seconds (45)"));
    assert!(load_with(toml, &[("PARLOR_HEARTBEAT_TIMEOUT_SECONDS", "46")], &[]).is_ok());
}

#[test]
fn a_value_that_is_overridden_does_no_harm() {
    assert!(load_with("listen = \"here\"", &[("PARLOR_LISTEN", "[::1]:0")], &[]).is_ok());
}

#[test]
fn databases_are_files() {
    let path = |url: &str| load_with("", &[("DATABASE_URL", url)], &[]).map(|loaded| loaded.config.sqlite_path());
    assert_eq!(path("sqlite:///srv/a.db").unwrap(), PathBuf::from("/srv/a.db"));
    assert_eq!(path("sqlite:a.db").unwrap(), PathBuf::from("a.db"));
    assert_eq!(path("sqlite://").unwrap(), PathBuf::from("./data/parlor.sqlite3"));
    for bad in ["a.db", "sqlite::memory:", "sqlite://a?mode=ro", "mysql://a"] {
        assert!(path(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_file_that_is_named_must_exist() {
    let named = |file: Option<&str>, variables: &[_]| {
        load(Sources {
            file: file.map(PathBuf::from),
            env: env(variables),
            ..Sources::default()
        })
        .unwrap_err()
    };
    assert!(named(Some("/no/such.toml"), &[]).starts_with("--config: /no/such.toml: "));
    assert!(named(None, &[("PARLOR_CONFIG", "/no/such.toml")]).starts_with("PARLOR_CONFIG: /no/such.toml: "));
}

#[test]
fn unknown_variables_of_ours_are_warned_of() {
    let variables = [
        ("PARLOR_LISTN", "x"),
        ("PARLOR_WHATEVER_ELSE", "x"),
        ("PARLOR_FAULT_DISK", "x"),
        ("PARLOR_TEST_SEED", "x"),
        ("PARLOR_LOG", "debug"),
        ("HOME", "x"),
    ];
    assert_eq!(
        load_with("", &variables, &[]).unwrap().warnings,
        [
            "PARLOR_LISTN is no setting of ours: did you mean PARLOR_LISTEN?",
            "PARLOR_WHATEVER_ELSE is no setting of ours: it changes nothing",
        ]
    );
}

#[test]
fn the_names_of_a_setting_follow_from_its_key() {
    let mut seen = HashSet::new();
    for setting in SETTINGS {
        assert!(seen.insert(setting.key), "{} stands there twice", setting.key);
        assert_eq!(setting.flag, setting.key.replace('_', "-"));
        let bare = ["database_url", "redis_url"].contains(&setting.key);
        let prefix = if bare { "" } else { "PARLOR_" };
        assert_eq!(setting.env, format!("{prefix}{}", setting.key.to_uppercase()));
    }
}

#[test]
fn the_annotated_default_is_a_file_that_changes_nothing() {
    let annotated = annotated();
    assert!(toml::from_str::<toml::Table>(&annotated).unwrap().is_empty());
    let taken: String = annotated
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(toml::from_str::<toml::Table>(&taken).unwrap().len(), SETTINGS.len());
    let show = |toml| format!("{:?}", load_with(toml, &[], &[]).unwrap().config);
    assert_eq!(show(&taken), show(""));
}

#[test]
fn no_secret_shows_in_debug() {
    let variables = [
        ("PARLOR_JWT_SECRET", "hidden-hidden-hidden-hidden-hidden"),
        ("PARLOR_METRICS_TOKEN", "hidden"),
        ("DATABASE_URL", "sqlite://hidden"),
    ];
    let loaded = load_with("", &variables, &[]).unwrap();
    assert_eq!(loaded.config.metrics_token.as_deref(), Some("hidden"));
    assert!(!format!("{loaded:?}").contains("hidden"));
}
