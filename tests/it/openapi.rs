//! `/api/openapi.json`: valid, complete, with the answers that go wrong.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    harness::*,
    permissions::{ROUTES, described, plain},
};

#[tokio::test]
async fn the_description_is_valid() {
    let server = Server::start().await;
    let answer = server.call("GET", "/api/openapi.json").send().await;
    assert!(answer.header("content-type").starts_with("application/json"));
    let spec = oas3::from_json(&answer.text).unwrap_or_else(|error| panic!("no OpenAPI 3.1: {error}"));
    spec.validate_version().expect("its version is one that exists");
    assert!(!spec.info.title.is_empty() && !spec.info.version.is_empty());
    let mut operations = BTreeSet::new();
    for (path, method, operation) in spec.operations() {
        if let Some(id) = &operation.operation_id {
            assert!(
                operations.insert(id.clone()),
                "{method} {path}: the operation id {id} is there twice"
            );
        }
    }
    assert!(operations.len() >= 20, "{operations:?}");
}

#[tokio::test]
async fn the_description_lists_every_route() {
    let server = Server::start().await;
    let described = described(&server).await;
    let needed = ROUTES.iter().filter(|row| row.needed);
    let wanted: BTreeSet<(String, String)> = needed.map(|row| (row.method.to_owned(), plain(row.template))).collect();
    let missing: Vec<_> = wanted.difference(&described).collect();
    assert!(missing.is_empty(), "not described: {missing:#?}");
}

/// Every `$ref` leads somewhere.
fn refs(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get("$ref") {
                into.insert(target.clone());
            }
            object.values().for_each(|value| refs(value, into));
        }
        Value::Array(list) => list.iter().for_each(|value| refs(value, into)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let server = Server::start().await;
    let description = server.call("GET", "/api/openapi.json").send().await.ok(200);
    let mut targets = BTreeSet::new();
    refs(&description, &mut targets);
    assert!(!targets.is_empty(), "the types are named");
    for target in targets {
        let pointer = target
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{target} leads outside"));
        assert!(description.pointer(pointer).is_some(), "{target} leads nowhere");
    }
}

/// What the table of permissions expects is what the description promises: each status is described.
#[tokio::test]
async fn the_answers_that_go_wrong_are_described() {
    let server = Server::start().await;
    let description = server.call("GET", "/api/openapi.json").send().await.ok(200);
    let mut missing = Vec::new();
    for (template, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            let row = ROUTES
                .iter()
                .find(|row| row.method.eq_ignore_ascii_case(method) && plain(row.template) == plain(template));
            let Some(row) = row.filter(|_| template.starts_with("/api")) else {
                continue;
            };
            for status in row.statuses() {
                if operation["responses"].get(&status).is_none() {
                    missing.push(format!("{method} {template}: {status}"));
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "answers that are given and not described: {missing:#?}"
    );
}
