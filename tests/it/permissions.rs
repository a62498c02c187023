//! Who may do what: one table of every route and event for every kind of caller. A route in `/api/openapi.json`, or
//! an event that the server understands, without a row here fails the suite.
//!
//! Every cell is tried on a fresh group, so that what one caller does changes nothing for the next.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::*;

/// The callers, in the order of the columns.
const CALLERS: [&str; 6] = ["anonymous", "stranger", "member", "gadmin", "owner", "root"];

/// Nobody in particular: 401 without a token, and the same for every user.
const fn anybody(then: &'static str) -> [&'static str; 6] {
    ["401 UNAUTHORIZED", then, then, then, then, then]
}

/// The same for everybody, with or without a token.
const fn public(then: &'static str) -> [&'static str; 6] {
    [then; 6]
}

/// Members only. The token's `admin` role says nothing about conversations: its holder is a stranger there.
const fn members(then: &'static str) -> [&'static str; 6] {
    ["401 UNAUTHORIZED", "403 NOT_MEMBER", then, then, then, "403 NOT_MEMBER"]
}

/// The group's owner and admins.
const fn managers(then: &'static str) -> [&'static str; 6] {
    [
        "401 UNAUTHORIZED",
        "403 NOT_MEMBER",
        "403 FORBIDDEN",
        then,
        then,
        "403 NOT_MEMBER",
    ]
}

/// The group's owner.
const fn owner(then: &'static str) -> [&'static str; 6] {
    [
        "401 UNAUTHORIZED",
        "403 NOT_MEMBER",
        "403 FORBIDDEN",
        "403 FORBIDDEN",
        then,
        "403 NOT_MEMBER",
    ]
}

/// Whoever's token says `role: admin`.
const fn operators(then: &'static str) -> [&'static str; 6] {
    [
        "401 UNAUTHORIZED",
        "403 FORBIDDEN",
        "403 FORBIDDEN",
        "403 FORBIDDEN",
        "403 FORBIDDEN",
        then,
    ]
}

/// The same, where everybody else breaks a rule before it is asked who they are.
const fn announcers(then: &'static str) -> [&'static str; 6] {
    let no = "400 VALIDATION_ERROR";
    ["401 UNAUTHORIZED", no, no, no, no, then]
}

/// A route: method, template as in openapi.json, a query, a body, and what each caller gets.
pub struct Route {
    pub method: &'static str,
    pub template: &'static str,
    query: &'static str,
    body: &'static str,
    expected: [&'static str; 6],
    /// Whether the server must have it now, or may have it: a later issue asks for it.
    pub needed: bool,
}

impl Route {
    /// The statuses that its callers get.
    pub fn statuses(&self) -> Vec<String> {
        self.expected
            .iter()
            .map(|outcome| outcome.chars().take(3).collect())
            .collect()
    }
}

const fn route(
    method: &'static str,
    template: &'static str,
    query: &'static str,
    body: &'static str,
    expected: [&'static str; 6],
) -> Route {
    Route {
        method,
        template,
        query,
        body,
        expected,
        needed: true,
    }
}

pub const CONVERSATION: &str = "/api/conversations/{id}";
const MESSAGES: &str = "/api/conversations/{id}/messages";
const MESSAGE: &str = "/api/conversations/{id}/messages/{messageId}";
const REACTION: &str = "/api/conversations/{id}/messages/{messageId}/reactions/{emoji}";
const VERSIONS: &str = "/api/conversations/{id}/messages/{messageId}/versions";
const RECEIPTS: &str = "/api/conversations/{id}/messages/{messageId}/receipts";
const MEMBERS: &str = "/api/conversations/{id}/members";
const INVITE_CODE: &str = "/api/conversations/{id}/invite-code";
pub const MEMBER: &str = "/api/conversations/{id}/members/{userId}";

/// In bodies and paths, `{tom}` is a member with no role, `{guest}` a user outside, `{tomsMessage}` Tom's message, `{code}` the
/// group's invite code.
pub static ROUTES: &[Route] = &[
    route(
        "POST",
        "/api/auth/register",
        "",
        r#"{"username":"{fresh}","password":"correct horse battery"}"#,
        public("201"),
    ),
    route(
        "POST",
        "/api/auth/login",
        "",
        r#"{"username":"{account}","password":"correct horse battery"}"#,
        public("200"),
    ),
    route("POST", "/api/auth/logout", "", "", anybody("204")),
    route("GET", "/api/me", "", "", anybody("200")),
    route("PATCH", "/api/me", "", r#"{"displayName":"Somebody"}"#, anybody("200")),
    route("GET", "/api/users", "?query=to&limit=5", "", anybody("200")),
    route("GET", "/api/users/{id}", "", "", anybody("200")),
    route("PUT", "/api/users/{id}", "", r#"{"name":"newcomer"}"#, operators("200")),
    route("GET", "/api/conversations", "?limit=10", "", anybody("200")),
    route(
        "POST",
        "/api/conversations/find-or-create",
        "",
        r#"{"otherUserId":"{guest}"}"#,
        anybody("201"),
    ),
    route(
        "POST",
        "/api/conversations",
        "",
        r#"{"kind":"group","name":"Mine"}"#,
        anybody("201"),
    ),
    route(
        "POST",
        "/api/conversations/join-by-code",
        "",
        r#"{"inviteCode":"{code}"}"#,
        anybody("200"),
    ),
    // Of a group, which is by invitation only; whoever is in already is in.
    route(
        "POST",
        "/api/conversations/{id}/join",
        "",
        "",
        [
            "401 UNAUTHORIZED",
            "403 FORBIDDEN",
            "200",
            "200",
            "200",
            "403 FORBIDDEN",
        ],
    ),
    route("POST", INVITE_CODE, "", "", managers("200")),
    route("DELETE", INVITE_CODE, "", "", managers("204")),
    route("GET", "/api/channels", "?query=to&limit=5", "", anybody("200")),
    route("GET", CONVERSATION, "", "", members("200")),
    route("PATCH", CONVERSATION, "", r#"{"name":"Renamed"}"#, managers("200")),
    route("DELETE", CONVERSATION, "", "", owner("204")),
    route("GET", MESSAGES, "?limit=10", "", members("200")),
    route("POST", MESSAGES, "", r#"{"content":"hi"}"#, members("201")),
    // Whoever it is, the message is Tom's.
    route(
        "PATCH",
        MESSAGE,
        "",
        r#"{"content":"said by somebody"}"#,
        members("403 FORBIDDEN"),
    ),
    route(
        "POST",
        MESSAGES,
        "",
        r#"{"type":"system","content":"hear, hear"}"#,
        announcers("201"),
    ),
    route("DELETE", MESSAGE, "", "", managers("200")),
    route("PUT", REACTION, "", "", members("200")),
    route("DELETE", REACTION, "", "", members("200")),
    route("GET", VERSIONS, "", "", operators("200")),
    route(
        "POST",
        "/api/conversations/{id}/read",
        "",
        r#"{"seq":1}"#,
        members("200"),
    ),
    route("GET", RECEIPTS, "", "", members("200")),
    route("GET", MEMBERS, "", "", members("200")),
    route("POST", MEMBERS, "", r#"{"userId":"{guest}"}"#, managers("201")),
    route("PATCH", MEMBER, "", r#"{"role":"admin"}"#, owner("200")),
    route("DELETE", MEMBER, "", "", managers("204")),
    route("POST", "/api/conversations/{id}/leave", "", "{}", members("204")),
    route("GET", "/api/search", "?q=hi&limit=5", "", anybody("200")),
    route("GET", "/api/presence", "?userIds={tom}", "", anybody("200")),
    route("POST", "/api/uploads", "", "{picture}", anybody("201")),
    route("GET", "/uploads/{name}", "", "", public("200")),
    route("HEAD", "/uploads/{name}", "", "", public("200")),
    route("GET", "/api/admin/sessions", "", "", operators("200")),
    route("DELETE", "/api/admin/sessions/{id}", "", "", operators("404 NOT_FOUND")),
    route("GET", "/api/admin/metrics", "", "", operators("200")),
    route("GET", "/metrics", "", "", operators("200")),
    route("GET", "/healthz", "", "", public("200")),
    route("HEAD", "/healthz", "", "", public("200")),
    route("GET", "/readyz", "", "", public("200")),
    route("HEAD", "/readyz", "", "", public("200")),
    route("GET", "/api/openapi.json", "", "", public("200")),
    route("GET", "/api/asyncapi.json", "", "", public("200")),
    // The upgrade itself: a plain GET of an authenticated user is no WebSocket handshake.
];

/// An event, its data, and what each caller with a connection gets: `ok` or a code.
struct Event {
    name: &'static str,
    data: &'static str,
    expected: [&'static str; 5],
}

const fn event(name: &'static str, data: &'static str, expected: [&'static str; 5]) -> Event {
    Event { name, data, expected }
}

const ANYBODY: [&str; 5] = ["ok"; 5];
const MEMBERS_ONLY: [&str; 5] = ["NOT_MEMBER", "ok", "ok", "ok", "NOT_MEMBER"];
const AUTHOR_ONLY: [&str; 5] = ["NOT_MEMBER", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "NOT_MEMBER"];
const MANAGERS_ONLY: [&str; 5] = ["NOT_MEMBER", "FORBIDDEN", "ok", "ok", "NOT_MEMBER"];

static EVENTS: &[Event] = &[
    event("join_conversation", r#"{"conversationId":"{id}"}"#, MEMBERS_ONLY),
    event("leave_conversation", r#"{"conversationId":"{id}"}"#, MEMBERS_ONLY),
    event(
        "send_message",
        r#"{"conversationId":"{id}","content":"hi"}"#,
        MEMBERS_ONLY,
    ),
    event(
        "edit_message",
        r#"{"conversationId":"{id}","messageId":"{tomsMessage}","content":"said by somebody"}"#,
        AUTHOR_ONLY,
    ),
    event(
        "add_reaction",
        r#"{"conversationId":"{id}","messageId":"{tomsMessage}","emoji":"heart"}"#,
        MEMBERS_ONLY,
    ),
    event(
        "remove_reaction",
        r#"{"conversationId":"{id}","messageId":"{tomsMessage}","emoji":"heart"}"#,
        MEMBERS_ONLY,
    ),
    event(
        "delete_message",
        r#"{"conversationId":"{id}","messageId":"{tomsMessage}"}"#,
        MANAGERS_ONLY,
    ),
    event("mark_read", r#"{"conversationId":"{id}","seq":1}"#, MEMBERS_ONLY),
    event("typing_start", r#"{"conversationId":"{id}"}"#, MEMBERS_ONLY),
    event("typing_stop", r#"{"conversationId":"{id}"}"#, MEMBERS_ONLY),
    event("get_presence", r#"{"userIds":["{tom}"]}"#, ANYBODY),
    event("sync", r#"{"cursors":[{"conversationId":"{id}","seq":0}]}"#, ANYBODY),
    event("authenticate", r#"{"token":"{ownToken}"}"#, ANYBODY),
];

/// Every event that the contract lets a client send, of this issue or a later one.
const EVENTS_OF_THE_CONTRACT: [&str; 13] = [
    "join_conversation",
    "leave_conversation",
    "send_message",
    "edit_message",
    "delete_message",
    "add_reaction",
    "remove_reaction",
    "mark_read",
    "typing_start",
    "typing_stop",
    "get_presence",
    "sync",
    "authenticate",
];

/// The people of the table, and whom they act upon.
struct Cast {
    server: Server,
    people: Vec<Person>,
    tom: Person,
    guest: Person,
    account: String,
    /// The name of an upload of Tom's.
    picture: String,
}

impl Cast {
    async fn new() -> Cast {
        let server = Server::start().await;
        let mut people = Vec::new();
        for name in &CALLERS[1..5] {
            people.push(server.user(name).await);
        }
        people.push(server.admin("root").await);
        let (tom, guest) = (server.user("tom").await, server.user("guest").await);
        let body = json!({"username": "account", "password": "correct horse battery"});
        server
            .call("POST", "/api/auth/register")
            .json(&body)
            .send()
            .await
            .ok(201);
        let picture = tom.uploads_a_picture().await.replace("/uploads/", "");
        Cast {
            server,
            people,
            tom,
            guest,
            account: "account".to_owned(),
            picture,
        }
    }

    /// The caller of a column, with a token of their own; None is anonymous.
    async fn caller(&self, column: usize) -> Option<Person> {
        let person = self.people.get(column.checked_sub(1)?)?;
        let token = Person::token_of(&person.name);
        let token = if person.name == "root" {
            token.claim("role", "admin")
        } else {
            token
        };
        Some(person.holding(&token.signed()))
    }

    /// A fresh group with the member, the group's admin, the owner and Tom, and a message of Tom's.
    async fn stage(&self) -> Stage<'_> {
        let (member, gadmin, owner) = (&self.people[1], &self.people[2], &self.people[3]);
        let chat = owner.group("Stage", &[member, gadmin, &self.tom]).await;
        owner.makes_admin(&chat, gadmin).await;
        let message = self.tom.posts(&chat, "said by Tom").await;
        let code = owner.new_code(&chat).await;
        // Somebody nobody has a conversation with yet: the find-or-create of every column makes one.
        let guest = self.server.user(&self.server.realm.unique("guest")).await;
        Stage {
            cast: self,
            chat,
            code,
            message: message["id"].as_str().expect("an id").to_owned(),
            guest,
        }
    }
}

struct Stage<'a> {
    cast: &'a Cast,
    chat: Chat,
    code: String,
    message: String,
    guest: Person,
}

impl Stage<'_> {
    /// The template with its names filled in. `{id}` is the conversation, or whatever the route is about.
    fn fill(&self, text: &str, template: &str) -> String {
        let id = match template {
            "/api/users/{id}" => &self.cast.guest.id,
            "/api/admin/sessions/{id}" => "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f",
            _ => &self.chat.id,
        };
        text.replace("{id}", id)
            .replace("{messageId}", &self.message)
            .replace("{emoji}", "heart")
            .replace("{tomsMessage}", &self.message)
            .replace("{name}", &self.cast.picture)
            .replace("{userId}", &self.cast.tom.id)
            .replace("{tom}", &self.cast.tom.id)
            .replace("{code}", &self.code)
            .replace("{guest}", &self.guest.id)
            .replace("{account}", &self.cast.account)
            .replace("{fresh}", &self.cast.server.realm.unique("fresh"))
    }
}

/// (method, template) of everything that the server describes.
pub async fn described(server: &Server) -> BTreeSet<(String, String)> {
    let description = server.call("GET", "/api/openapi.json").send().await.ok(200);
    let mut routes = BTreeSet::new();
    for (template, item) in description["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("an item").keys() {
            if ["get", "put", "post", "delete", "patch", "head", "options"].contains(&method.as_str()) {
                routes.insert((method.to_uppercase(), plain(template)));
            }
        }
    }
    routes
}

/// The template with its parameters named alike, whatever the server calls them.
pub fn plain(template: &str) -> String {
    let parts = template
        .split('/')
        .map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<&str>>().join("/")
}

#[tokio::test]
async fn every_route_has_a_row() {
    let server = Server::start().await;
    let rows: BTreeSet<(String, String)> = ROUTES
        .iter()
        .map(|row| (row.method.to_owned(), plain(row.template)))
        .collect();
    let described = described(&server).await;
    let without: Vec<_> = described.difference(&rows).collect();
    assert!(
        without.is_empty(),
        "routes without a row in the table of permissions: {without:#?}"
    );
}

#[tokio::test]
async fn every_route_answers_every_caller_as_the_table_says() {
    let cast = Cast::new().await;
    let described = described(&cast.server).await;
    let mut wrong = Vec::new();
    for row in ROUTES {
        if !row.needed && !described.contains(&(row.method.to_owned(), plain(row.template))) {
            continue;
        }
        for (column, expected) in row.expected.iter().enumerate() {
            let stage = cast.stage().await;
            let path = stage.fill(&format!("{}{}", row.template, row.query), row.template);
            let call = match cast.caller(column).await {
                Some(person) => person.call(row.method, &path),
                None => cast.server.call(row.method, &path),
            };
            let body = stage.fill(row.body, row.template);
            let call = if body.is_empty() {
                call
            } else if body == "{picture}" {
                call.form(&[Part::image("image/png", &png())])
            } else {
                call.body("application/json", body)
            };
            let answer = call.send().await;
            if answer.outcome() != *expected {
                let caller = CALLERS[column];
                wrong.push(format!(
                    "{} {path} by {caller}: {} instead of {expected}",
                    row.method,
                    answer.outcome()
                ));
            }
            if answer.status >= 400 && row.template.starts_with("/api") {
                let code = answer.body["error"]["code"].as_str().unwrap_or("no code").to_owned();
                let status = answer.status;
                answer.refused(status, &code);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn every_event_answers_every_caller_as_the_table_says() {
    let cast = Cast::new().await;
    cast.server.dial("anonymous").refused().await;
    let mut wrong = Vec::new();
    for row in EVENTS {
        for (column, expected) in row.expected.iter().enumerate() {
            let stage = cast.stage().await;
            let person = cast.caller(column + 1).await.expect("somebody");
            let tab = person.connect().await;
            let data = stage.fill(row.data, "").replace("{ownToken}", &person.token);
            let result = tab.asks(row.name, serde_json::from_str(&data).expect("JSON")).await;
            let outcome = match &result {
                Ok(_) => "ok",
                Err(error) => error["code"].as_str().unwrap_or("no code"),
            };
            if outcome != *expected {
                wrong.push(format!(
                    "{} by {}: {outcome} instead of {expected}",
                    row.name,
                    CALLERS[column + 1]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// An event of the contract is understood when it is answered otherwise than an event that nobody ever heard of.
#[tokio::test]
async fn every_event_that_the_server_understands_has_a_row() {
    let server = Server::start().await;
    let person = server.user("alice").await;
    let answer = async |event: &str| {
        // A tab for each: an unknown event may count as a bad frame, and five of those close.
        let error = person
            .connect()
            .await
            .asks(event, json!({}))
            .await
            .expect_err("no event wants empty data");
        let said = error["message"].as_str().expect("a message").replace(event, "…");
        (error["code"].clone(), said)
    };
    let unheard_of = answer("unheard_of").await;
    assert_eq!(unheard_of.0, "VALIDATION_ERROR");
    for event in EVENTS_OF_THE_CONTRACT {
        let has_a_row = EVENTS.iter().any(|row| row.name == event);
        let understood = answer(event).await != unheard_of;
        assert_eq!(
            understood, has_a_row,
            "{event}: understood by the server: {understood}, has a row: {has_a_row}"
        );
    }
}

/// A token says who one is: the words of another's do not help.
#[tokio::test]
async fn the_role_of_a_token_is_the_tokens_alone() {
    let server = Server::start().await;
    let root = server.admin("root").await;
    root.get("/api/admin/metrics").await.ok(200);
    let same_user_without_the_role = server.seen("root", Person::token_of("root")).await;
    same_user_without_the_role
        .get("/api/admin/metrics")
        .await
        .refused(403, "FORBIDDEN");
    for role in [json!("owner"), json!("ADMIN"), json!(["admin"]), Value::Null] {
        let token = Person::token_of("mallory").claim("role", role.clone()).signed();
        let answer = server.call("GET", "/api/admin/metrics").bearer(&token).send().await;
        assert!(matches!(answer.status, 401 | 403), "role {role}: {}", answer.text);
    }
}
