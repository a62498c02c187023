//! What operators see: health, readiness, metrics for Prometheus and as JSON, and lines without a secret in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{harness::*, messages::pair};

#[tokio::test]
async fn health_and_readiness_need_no_token() {
    let server = Server::start().await;
    assert_eq!(server.call("GET", "/healthz").send().await.status, 200);
    assert_eq!(server.call("GET", "/readyz").send().await.status, 200);
}

/// One sample of the exposition format: its labels as written, and its value.
#[derive(Debug)]
struct Sample {
    labels: String,
    value: f64,
}

/// Reads the Prometheus text format and fails on whatever is not it.
fn parse(text: &str) -> BTreeMap<String, Vec<Sample>> {
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("TYPE"), Some(name), Some(kind)) => {
                    let known = ["counter", "gauge", "histogram", "summary", "unknown", "untyped", "info"];
                    assert!(known.contains(&kind), "no such type: {line}");
                    assert!(types.insert(name, kind).is_none(), "typed twice: {line}");
                }
                (Some("HELP"), Some(_), Some(help)) => assert!(!help.is_empty(), "{line}"),
                (Some("UNIT"), Some(_), Some(_)) | (Some("EOF"), None, None) => {}
                _ => panic!("no comment of the format: {line}"),
            }
            continue;
        }
        let (name_and_labels, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let (name, labels) = match name_and_labels.split_once('{') {
            Some((name, rest)) => (
                name,
                rest.strip_suffix('}').unwrap_or_else(|| panic!("no labels: {line}")),
            ),
            None => (name_and_labels, ""),
        };
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':');
        assert!(plain && !name.is_empty(), "no name: {line}");
        let typed = types
            .keys()
            .any(|family| name.strip_prefix(family).is_some_and(is_suffix));
        assert!(typed, "without a type: {line}");
        samples.entry(name.to_owned()).or_default().push(Sample {
            labels: labels.to_owned(),
            value,
        });
    }
    samples
}

fn is_suffix(rest: &str) -> bool {
    matches!(
        rest,
        "" | "_total" | "_bucket" | "_count" | "_sum" | "_info" | "_created"
    )
}

#[tokio::test]
async fn metrics_are_prometheus_text_for_admins_and_scrapers() {
    let server = Server::with()
        .set("metrics_token", "scrape-me-0123456789")
        .start()
        .await;
    let (alice, bob, root) = (
        server.user("alice").await,
        server.user("bob").await,
        server.admin("root").await,
    );
    let chat = alice.direct_with(&bob).await;
    let tab = alice.connect().await;
    tab.sends(&chat, "counted").await;
    let scraped = server
        .call("GET", "/metrics")
        .bearer("scrape-me-0123456789")
        .send()
        .await;
    assert_eq!(scraped.status, 200, "{}", scraped.text);
    assert!(
        scraped.header("content-type").starts_with("text/plain")
            || scraped.header("content-type").contains("openmetrics")
    );
    let metrics = parse(&scraped.text);
    assert!(metrics.len() >= 10, "{metrics:?}");
    assert!(metrics["parlor_resident_bytes"][0].value > 1e6, "{metrics:?}");
    for (name, samples) in &metrics {
        assert!(name.starts_with("parlor_"), "{name}");
        for sample in samples {
            assert!(!sample.value.is_nan(), "{name}{{{}}}", sample.labels);
            let whose = ["u-alice", "alice", &chat.id]
                .into_iter()
                .find(|id| sample.labels.contains(id));
            assert!(
                whose.is_none(),
                "a label for each user or conversation grows for ever: {name} {}",
                sample.labels
            );
        }
    }
    let by_admin = root.get("/metrics").await;
    assert_eq!(by_admin.status, 200);
    assert_eq!(
        parse(&by_admin.text).keys().collect::<Vec<_>>(),
        metrics.keys().collect::<Vec<_>>()
    );
    alice.get("/metrics").await.refused(403, "FORBIDDEN");
    server.call("GET", "/metrics").send().await.refused(401, "UNAUTHORIZED");
    server
        .call("GET", "/metrics")
        .bearer("scrape-me-not")
        .send()
        .await
        .refused(401, "UNAUTHORIZED");
    // The scrape token opens nothing else.
    server
        .call("GET", "/api/me")
        .bearer("scrape-me-0123456789")
        .send()
        .await
        .refused(401, "UNAUTHORIZED");
}

#[test]
fn the_parser_of_metrics_is_strict() {
    let good = "# HELP a_b helps.\n# TYPE a_b counter\na_b_total{c=\"d\"} 1\n# EOF\n";
    assert_eq!(parse(good)["a_b_total"][0].value, 1.0);
    for bad in [
        "a 1",
        "# TYPE a counter\na",
        "# TYPE a counter\na one",
        "# TYPE a thing\na 1",
        "# TYPE a gauge\na{b 1",
    ] {
        assert!(std::panic::catch_unwind(|| parse(bad)).is_err(), "{bad}");
    }
}

/// Every value of an object, also inside objects, by its path.
fn leaves(value: &Value, path: String, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => object
            .iter()
            .for_each(|(key, value)| leaves(value, format!("{path}.{key}"), into)),
        other => drop(into.insert(path.to_lowercase(), other.clone())),
    }
}

#[tokio::test]
async fn admins_see_the_figures_as_json() {
    let (server, alice, bob, chat) = pair().await;
    let root = server.admin("root").await;
    let (alice_tab, _bob_tab) = (alice.connect().await, bob.connect().await);
    for number in 0..10 {
        alice_tab.sends(&chat, &format!("m{number}")).await;
    }
    let metrics = root.get("/api/admin/metrics").await.ok(200);
    let mut figures = BTreeMap::new();
    leaves(&metrics, String::new(), &mut figures);
    // Each of the contract's figures under a name that says what it is.
    for wanted in [
        &["uptime"][..],
        &["session"],
        &["online"],
        &["room"],
        &["messagespersecond"],
        &["commit", "batch"],
        &["latenc", "seconds"],
        &["mailbox", "queue"],
        &["database"],
        &["memory"],
        &["busiest"],
    ] {
        let there = figures.keys().any(|path| wanted.iter().any(|word| path.contains(word)));
        assert!(there, "nothing about {wanted:?}: {metrics:#}");
    }
    let online: Vec<&Value> = figures
        .iter()
        .filter(|(path, _)| path.contains("online"))
        .map(|(_, value)| value)
        .collect();
    assert!(online.contains(&&json!(2)), "two users are online: {metrics:#}");
}

#[tokio::test]
async fn no_secret_is_in_any_line() {
    let secret_text = "the-text-of-a-message-0815";
    let server = Server::with()
        .set("metrics_token", "scrape-me-0123456789")
        .env("RUST_LOG", "trace")
        .start()
        .await;
    let body = json!({"username": "dora", "password": "correct horse battery"});
    let registered = server
        .call("POST", "/api/auth/register")
        .json(&body)
        .send()
        .await
        .ok(201);
    let dora_token = registered["token"].as_str().expect("a token").to_owned();
    server.call("POST", "/api/auth/login").json(&body).send().await.ok(200);
    let wrong = json!({"username": "dora", "password": "a-wrong-password-4711"});
    server
        .call("POST", "/api/auth/login")
        .json(&wrong)
        .send()
        .await
        .refused(401, "UNAUTHORIZED");
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    server.dial("dora").query(&dora_token).open().await;
    let tab = alice.connect().await;
    tab.sends(&chat, secret_text).await;
    tab.does("authenticate", json!({"token": Person::token_of("alice").signed()}))
        .await;
    refused(
        tab.asks(
            "send_message",
            json!({"conversationId": chat.id, "content": [secret_text]}),
        )
        .await,
        "VALIDATION_ERROR",
    );
    tab.sends_frame(format!("{{\"event\":\"send_message\",\"data\":{secret_text}"));
    tab.sees("error", |_| true).await;
    server
        .call("GET", "/metrics")
        .bearer("scrape-me-0123456789")
        .send()
        .await;
    let (stdout, stderr) = server.output();
    let signature = |token: &str| token.rsplit('.').next().expect("three parts").to_owned();
    for secret in [
        SECRET.to_owned(),
        "correct horse battery".to_owned(),
        "a-wrong-password-4711".to_owned(),
        "scrape-me-0123456789".to_owned(),
        secret_text.to_owned(),
        signature(&dora_token),
        signature(&alice.token),
        signature(&bob.token),
    ] {
        let line = stdout.lines().chain(stderr.lines()).find(|line| line.contains(&secret));
        assert!(line.is_none(), "a secret in the log: {line:?}");
    }
}

#[tokio::test]
async fn answers_are_not_to_be_sniffed_or_stored() {
    let (_server, alice, _bob, _chat) = pair().await;
    let answer = alice.get("/api/me").await;
    assert!(answer.header("content-type").starts_with("application/json"));
    let other = alice.get("/api/me").await;
    assert_ne!(answer.header("x-request-id"), other.header("x-request-id"));
}
