//! Accounts and tokens by REST: register, login, logout, me, other users; where the token may stand.

use serde_json::{Value, json};

use crate::harness::*;

const PASSWORD: &str = "correct horse battery";

async fn register(server: &Server, name: &str) -> Answer {
    let body = json!({"username": name, "password": PASSWORD, "displayName": "Dora D."});
    server.call("POST", "/api/auth/register").json(&body).send().await
}

async fn login(server: &Server, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    server.call("POST", "/api/auth/login").json(&body).send().await
}

fn token_in(body: &Value) -> String {
    body["token"].as_str().expect("a token").to_owned()
}

/// The cookie that an answer sets: its value, with the attributes it must have.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").to_owned();
    let mut parts = set.split(';').map(str::trim);
    let value = parts
        .next()
        .and_then(|pair| pair.strip_prefix("token="))
        .expect("the cookie token")
        .to_owned();
    let attributes: Vec<String> = parts.map(str::to_lowercase).collect();
    for wanted in ["httponly", "samesite=lax", "path=/"] {
        assert!(
            attributes.iter().any(|attribute| attribute == wanted),
            "{wanted} is missing: {set}"
        );
    }
    value
}

async fn me(server: &Server, token: &str) -> Answer {
    server.call("GET", "/api/me").bearer(token).send().await
}

#[tokio::test]
async fn one_registers_and_logs_in() {
    let server = Server::start().await;
    let answer = register(&server, "dora").await;
    let set = cookie(&answer);
    let body = answer.ok(201);
    let user = json!({"id": "<uuid>", "name": "dora", "displayName": "Dora D.", "avatarUrl": null});
    assert_shape(&body, &json!({"token": "<text>", "expiresAt": "<time>", "user": user}));
    assert_eq!(set, token_in(&body));
    assert_eq!(me(&server, &token_in(&body)).await.ok(200), body["user"]);
    let answer = login(&server, "dora", PASSWORD).await;
    let set = cookie(&answer);
    let again = answer.ok(200);
    assert_shape(
        &again,
        &json!({"token": "<text>", "expiresAt": "<time>", "user": body["user"]}),
    );
    assert_eq!(set, token_in(&again));
    assert_ne!(again["token"], body["token"], "each login has a token of its own");
    server
        .call("GET", "/api/me")
        .bearer(&token_in(&again))
        .send()
        .await
        .ok(200);
}

#[tokio::test]
async fn without_a_display_name_the_name_is_shown() {
    let server = Server::start().await;
    let body = json!({"username": "dora", "password": PASSWORD});
    let body = server
        .call("POST", "/api/auth/register")
        .json(&body)
        .send()
        .await
        .ok(201);
    assert_eq!(body["user"]["displayName"], "dora");
}

#[tokio::test]
async fn bad_registrations_are_refused() {
    let server = Server::start().await;
    for body in [
        json!({}),
        json!({"username": "dora"}),
        json!({"password": PASSWORD}),
        json!({"username": "", "password": PASSWORD}),
        json!({"username": "two words", "password": PASSWORD}),
        json!({"username": "d".repeat(1000), "password": PASSWORD}),
        json!({"username": 7, "password": PASSWORD}),
        json!({"username": "dora", "password": ""}),
        json!({"username": "dora", "password": "short"}),
        json!({"username": "dora", "password": "p".repeat(100_000)}),
        json!({"username": "dora", "password": PASSWORD, "displayName": ""}),
        json!({"username": "dora", "password": PASSWORD, "displayName": "d".repeat(1000)}),
    ] {
        let answer = server.call("POST", "/api/auth/register").json(&body).send().await;
        answer.refused(400, "VALIDATION_ERROR");
    }
    register(&server, "dora").await.ok(201);
    register(&server, "dora").await.refused(409, "CONFLICT");
    register(&server, "DORA").await.refused(409, "CONFLICT");
}

#[tokio::test]
async fn of_parallel_registrations_of_one_name_one_wins() {
    let server = Server::start().await;
    let answers = futures_util::future::join_all((0..8).map(|_| register(&server, "dora"))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[201].as_slice(), &[409; 7]].concat());
}

#[tokio::test]
async fn a_wrong_password_says_no_more_than_a_wrong_name() {
    let server = Server::start().await;
    register(&server, "dora").await.ok(201);
    let mut wrong_password = login(&server, "dora", "wrong horse battery")
        .await
        .refused(401, "UNAUTHORIZED");
    let mut wrong_name = login(&server, "nobody", "wrong horse battery")
        .await
        .refused(401, "UNAUTHORIZED");
    for error in [&mut wrong_password, &mut wrong_name] {
        error["requestId"] = Value::Null;
    }
    assert_eq!(wrong_password, wrong_name);
    let empty = server.call("POST", "/api/auth/login").json(&json!({})).send().await;
    empty.refused(400, "VALIDATION_ERROR");
    // A user of the embedding product has no password to guess.
    server.user("alice").await;
    login(&server, "alice", "").await;
    login(&server, "alice", PASSWORD).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_closed_server_takes_no_registrations() {
    let server = Server::with().env("PARLOR_REGISTRATION", "closed").start().await;
    register(&server, "dora").await.refused(403, "FORBIDDEN");
    server.user("alice").await;
}

#[tokio::test]
async fn logout_revokes_this_token_and_closes_its_sessions_only() {
    let server = Server::start().await;
    let first = token_in(&register(&server, "dora").await.ok(201));
    let second = token_in(&login(&server, "dora", PASSWORD).await.ok(200));
    let first_tab = server.dial("dora").bearer(&first).open().await;
    let second_tab = server.dial("dora").bearer(&second).open().await;
    let answer = server.call("POST", "/api/auth/logout").bearer(&first).send().await;
    assert!(
        answer.header("set-cookie").starts_with("token=;"),
        "the cookie is taken back"
    );
    answer.ok(204);
    first_tab.is_closed_with(4401).await;
    me(&server, &first).await.refused(401, "UNAUTHORIZED");
    server
        .dial("dora")
        .bearer(&first)
        .refused()
        .await
        .refused(401, "UNAUTHORIZED");
    second_tab.catches_up().await;
    me(&server, &second).await.ok(200);
}

#[tokio::test]
async fn a_revoked_token_stays_revoked_over_a_restart() {
    let mut server = Server::start().await;
    let token = token_in(&register(&server, "dora").await.ok(201));
    server
        .call("POST", "/api/auth/logout")
        .bearer(&token)
        .send()
        .await
        .ok(204);
    server.kill().await;
    server.restart().await;
    me(&server, &token).await.refused(401, "UNAUTHORIZED");
    login(&server, "dora", PASSWORD).await.ok(200);
}

#[tokio::test]
async fn one_changes_ones_own_profile() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let changed = alice
        .patch(
            "/api/me",
            json!({"displayName": "Al", "avatarUrl": "https://example.org/a.png"}),
        )
        .await;
    let expected =
        json!({"id": alice.id, "name": "alice", "displayName": "Al", "avatarUrl": "https://example.org/a.png"});
    assert_eq!(changed.ok(200), expected);
    assert_eq!(bob.get(&format!("/api/users/{}", alice.id)).await.ok(200), expected);
    let chat = alice.direct_with(&bob).await;
    let sent = alice.posts(&chat, "hi").await;
    assert_eq!(sent["sender"], expected);
    alice.patch("/api/me", json!({"avatarUrl": null})).await.ok(200);
    assert_eq!(alice.get("/api/me").await.ok(200)["avatarUrl"], Value::Null);
    for body in [
        json!({"displayName": ""}),
        json!({"displayName": "d".repeat(1000)}),
        json!({"displayName": 7}),
        json!({"avatarUrl": "javascript:alert(1)"}),
        json!({"avatarUrl": 7}),
    ] {
        alice.patch("/api/me", body).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn users_are_looked_up() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    for name in ["alina", "bob", "carol"] {
        server.user(name).await;
    }
    let found = alice.get("/api/users?query=al").await.ok(200);
    let mut names: Vec<&str> = found["users"]
        .as_array()
        .expect("users")
        .iter()
        .map(|user| user["name"].as_str().expect("a name"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["alice", "alina"]);
    assert_shape(
        &found["users"][0],
        &json!({"id": "<text>", "name": "<text>", "displayName": "<text>", "avatarUrl": null}),
    );
    let few = alice.get("/api/users?query=&limit=2").await.ok(200);
    assert_eq!(few["users"].as_array().map(Vec::len), Some(2));
    let none = alice.get("/api/users?query=%25").await.ok(200);
    assert_eq!(none, json!({"users": []}), "no pattern of the database");
    assert_eq!(
        alice.get(&format!("/api/users/{}", alice.id)).await.ok(200),
        alice.shown()
    );
    alice.get("/api/users/u-nobody").await.refused(404, "NOT_FOUND");
    for query in ["limit=0", "limit=101", "limit=all"] {
        alice
            .get(&format!("/api/users?query=a&{query}"))
            .await
            .refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn an_admin_makes_and_updates_users_of_the_product() {
    let server = Server::start().await;
    let root = server.admin("root").await;
    let made = root
        .put(
            "/api/users/crm-17",
            json!({"name": "newcomer", "displayName": "New Comer"}),
        )
        .await;
    assert!(matches!(made.status, 200 | 201), "{}", made.text);
    let expected = json!({"id": "crm-17", "name": "newcomer", "displayName": "New Comer", "avatarUrl": null});
    assert_eq!(made.body, expected);
    let changed = root
        .put(
            "/api/users/crm-17",
            json!({"name": "newcomer", "displayName": "Old Hand"}),
        )
        .await
        .ok(200);
    assert_eq!(changed["displayName"], "Old Hand");
    let chat = root
        .post("/api/conversations/find-or-create", json!({"otherUserId": "crm-17"}))
        .await;
    chat.ok(201);
    root.put("/api/users/bad%20id", json!({"name": "x"}))
        .await
        .refused(400, "VALIDATION_ERROR");
    root.put("/api/users/crm-18", json!({}))
        .await
        .refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn what_is_changed_here_outlives_a_restart() {
    let mut server = Server::start().await;
    let (root, alice) = (server.admin("root").await, server.user("alice").await);
    let bob = server.user("bob").await;
    alice
        .patch(
            "/api/me",
            json!({"displayName": "Queen", "avatarUrl": "https://example.org/q.png"}),
        )
        .await
        .ok(200);
    root.put(
        &format!("/api/users/{}", bob.id),
        json!({"name": "bob", "displayName": "Bobby"}),
    )
    .await
    .ok(200);
    server.kill().await;
    server.restart().await;
    let me = alice.get("/api/me").await.ok(200);
    assert_eq!(
        (&me["displayName"], &me["avatarUrl"]),
        (&json!("Queen"), &json!("https://example.org/q.png"))
    );
    assert_eq!(bob.get("/api/me").await.ok(200)["displayName"], "Bobby");
    // What the product says anew holds.
    let renamed = server.holder(
        "alice",
        &Person::token_of("alice").claim("displayName", "Alice II").signed(),
    );
    assert_eq!(renamed.get("/api/me").await.ok(200)["displayName"], "Alice II");
    assert_eq!(
        alice.get("/api/me").await.ok(200)["avatarUrl"],
        "https://example.org/q.png"
    );
}

#[tokio::test]
async fn a_user_of_the_product_is_recorded_on_first_sight() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    let stranger = server.holder(
        "zoe",
        &Person::token_of("zoe")
            .claim("picture", "https://example.org/z.png")
            .signed(),
    );
    bob.get("/api/users/u-zoe").await.refused(404, "NOT_FOUND");
    let tab = stranger.connect().await;
    let shown = json!({"id": "u-zoe", "name": "zoe", "displayName": "Zoe", "avatarUrl": "https://example.org/z.png"});
    assert_eq!(tab.ready["user"], shown);
    assert_eq!(bob.get("/api/users/u-zoe").await.ok(200), shown);
    bob.direct_with(&stranger).await;
    // Only `sub` and `exp` are needed.
    let bare = server
        .call("GET", "/api/me")
        .with(Token::of("id-only"))
        .send()
        .await
        .ok(200);
    assert_eq!(bare["id"], "id-only");
}

#[tokio::test]
async fn ready_tells_what_a_client_needs() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let ready = alice.connect().await.ready.clone();
    let expected = json!({"sessionId": "<text>", "nodeId": "<text>", "epoch": "<text>", "user": alice.shown(),
        "serverTime": "<time>", "heartbeatSeconds": 25, "limits": "<any>",
        "reactions": ["heart", "laugh", "fire", "sad", "thumbsup", "thumbsdown", "star", "question"]});
    assert_shape(&ready, &expected);
    assert!(ready["limits"].is_object(), "{ready}");
    let mut raw = alice.raw().await;
    let first = raw.next().await.expect("a frame");
    assert_eq!(first.json()["event"], "ready", "ready is the first frame");
}

#[tokio::test]
async fn the_token_stands_in_the_header_the_cookie_or_the_query() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let own = format!("http://{}", server.realm.host());
    let dial = || server.dial("alice");
    dial().bearer(&alice.token).open().await;
    dial().query(&alice.token).open().await;
    dial().cookie(&alice.token).origin(&own).open().await;
    // The first that is there counts: a good one further down does not make up for it.
    dial()
        .bearer("nonsense")
        .query(&alice.token)
        .refused()
        .await
        .refused(401, "UNAUTHORIZED");
    dial()
        .cookie("nonsense")
        .origin(&own)
        .query(&alice.token)
        .refused()
        .await
        .refused(401, "UNAUTHORIZED");
    let by_cookie = server
        .call("GET", "/api/me")
        .header("cookie", &format!("token={}", alice.token));
    by_cookie.header("origin", &own).send().await.ok(200);
    let by_query = server
        .call("GET", &format!("/api/me?token={}", alice.token))
        .send()
        .await;
    by_query.ok(200);
}

#[tokio::test]
async fn pages_of_an_allowed_origin_may_send_what_the_contract_names() {
    let page = "https://chat.example";
    let server = Server::with().env("PARLOR_ALLOWED_ORIGINS", page).start().await;
    let asks = |headers: &'static str| {
        server
            .call("OPTIONS", "/api/me")
            .header("origin", page)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", headers)
            .send()
    };
    let answer = asks("authorization, content-type, parlor-act-as, x-request-id, traceparent").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let allowed = answer.header("access-control-allow-headers").to_lowercase();
    for header in [
        "authorization",
        "content-type",
        "parlor-act-as",
        "x-request-id",
        "traceparent",
    ] {
        assert!(allowed.contains(header), "{header}: {allowed}");
    }
    assert_eq!(asks("x-other").await.status, 400);
}

#[tokio::test]
async fn a_cookie_is_honoured_only_from_an_allowed_origin() {
    let server = Server::with()
        .env(
            "PARLOR_ALLOWED_ORIGINS",
            "https://chat.example.org, https://b.example.org",
        )
        .start()
        .await;
    let alice = server.user("alice").await;
    let port = server.realm.port();
    for allowed in ["https://chat.example.org", "https://b.example.org"] {
        server.dial("alice").cookie(&alice.token).origin(allowed).open().await;
        post_by_cookie(&server, &alice, allowed).await.ok(200);
    }
    for foreign in [
        "https://evil.example.org".to_owned(),
        "https://chat.example.org.evil.org".to_owned(),
        "http://chat.example.org".to_owned(),
        "https://chat.example.org:8443".to_owned(),
        format!("http://127.0.0.1:{}", port ^ 1),
        "null".to_owned(),
        String::new(),
    ] {
        let answer = server
            .dial("alice")
            .cookie(&alice.token)
            .origin(&foreign)
            .refused()
            .await;
        answer.refused(401, "UNAUTHORIZED");
        post_by_cookie(&server, &alice, &foreign)
            .await
            .refused(401, "UNAUTHORIZED");
        // With the token in the header the Origin is nobody's business.
        server.dial("alice").bearer(&alice.token).origin(&foreign).open().await;
    }
    // A browser always names the Origin of a WebSocket: without one it is no browser, and has no need of cookies.
    server
        .dial("alice")
        .cookie(&alice.token)
        .refused()
        .await
        .refused(401, "UNAUTHORIZED");
}

async fn post_by_cookie(server: &Server, person: &Person, origin: &str) -> Answer {
    let call = server
        .call("PATCH", "/api/me")
        .header("cookie", &format!("token={}", person.token));
    call.header("origin", origin)
        .json(&json!({"displayName": "Alice"}))
        .send()
        .await
}

#[tokio::test]
async fn without_a_good_token_nobody_is_let_in() {
    let server = Server::start().await;
    let other_secret = Key::Secret(b"another secret that is just as long as ours ...".to_vec());
    let good = Person::token_of("mallory");
    let signed = good.clone().signed();
    let (head, signature) = signed.rsplit_once('.').expect("three parts");
    let bad = [
        String::new(),
        "nonsense".to_owned(),
        "a.b.c".to_owned(),
        head.to_owned(),
        format!("{head}."),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        good.clone().signed_by(&other_secret),
        good.clone().signed_by(&Key::Nobody),
        good.clone().without("sub").signed(),
        good.clone().without("exp").signed(),
        good.clone().claim("sub", "").signed(),
        good.clone().claim("sub", "with space").signed(),
        good.clone().claim("sub", "s".repeat(65)).signed(),
        good.clone().claim("sub", 7).signed(),
        good.clone().claim("exp", "tomorrow").signed(),
    ];
    for token in bad {
        me(&server, &token).await.refused(401, "UNAUTHORIZED");
        server
            .dial("mallory")
            .bearer(&token)
            .refused()
            .await
            .refused(401, "UNAUTHORIZED");
    }
    server.call("GET", "/api/me").send().await.refused(401, "UNAUTHORIZED");
    server.dial("nobody").refused().await.refused(401, "UNAUTHORIZED");
    let basic = server
        .call("GET", "/api/me")
        .header("authorization", "Basic YTpi")
        .send()
        .await;
    basic.refused(401, "UNAUTHORIZED");
    me(&server, &good.ttl(-10).signed()).await.refused(401, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn issuer_and_audience_are_checked_when_configured() {
    let server = Server::with()
        .set("jwt_issuer", "https://crm.example.org")
        .set("jwt_audience", "chat")
        .start()
        .await;
    let good = || {
        Token::of("u-alice")
            .claim("iss", "https://crm.example.org")
            .claim("aud", "chat")
    };
    me(&server, &good().signed()).await.ok(200);
    me(&server, &good().claim("aud", json!(["mail", "chat"])).signed())
        .await
        .ok(200);
    for bad in [
        good().without("iss"),
        good().without("aud"),
        good().claim("iss", "https://evil.example.org"),
        good().claim("aud", "mail"),
        good().claim("aud", json!([])),
    ] {
        me(&server, &bad.signed()).await.refused(401, "UNAUTHORIZED");
    }
    // The server's own tokens are for itself.
    let own = token_in(&register(&server, "dora").await.ok(201));
    me(&server, &own).await.ok(200);
}

#[tokio::test]
async fn the_token_of_an_account_lives_as_long_as_configured() {
    let server = Server::with().set("token_ttl_seconds", 7200).start().await;
    let token = token_in(&register(&server, "dora").await.ok(201));
    let left = Token::expiry(&token) - Token::expiry(&Token::of("now").ttl(0).signed());
    assert!((7190..=7200).contains(&left), "{left} s are left of 7200");
}

#[tokio::test]
async fn an_unknown_route_is_an_error_of_the_same_form() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    alice.get("/api/nothing").await.refused(404, "NOT_FOUND");
    alice.get("/api/conversations/x/y/z").await.refused(404, "NOT_FOUND");
}
