//! `/api/asyncapi.json`, and the two descriptions as the TypeScript client keeps them: `clients/js` makes its types of those. That
//! every frame of this suite is as described, `harness::described` checks.

use std::{fs, path::Path};

use serde_json::Value;

use crate::harness::*;

#[tokio::test]
async fn the_socket_is_described() {
    let server = Server::start().await;
    let answer = server.call("GET", "/api/asyncapi.json").send().await;
    assert!(answer.header("content-type").starts_with("application/json"));
    let description = answer.ok(200);
    assert_eq!(description["asyncapi"], "3.0.0");
    let operations = description["operations"].as_object().expect("operations");
    for name in parlor::protocol::command::NAMES {
        assert_eq!(operations[*name]["action"], "receive", "{name}");
    }
    assert_eq!(operations["new_message"]["action"], "send");
}

#[tokio::test]
async fn the_client_s_copies_are_fresh() {
    let server = Server::start().await;
    for name in ["openapi", "asyncapi"] {
        let now = server.call("GET", &format!("/api/{name}.json")).send().await.ok(200);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("clients/js/{name}.json"));
        let copy: Value = serde_json::from_str(&fs::read_to_string(&path).expect("the copy is there")).expect("JSON");
        assert!(
            now == copy,
            "clients/js/{name}.json is not what the server says now: in clients/js, npm ci && npm run generate"
        );
    }
}
