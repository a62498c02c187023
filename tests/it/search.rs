//! Search: what one may read is found at once by its words, newest first, whatever is typed.

use serde_json::{Value, json};

use crate::{harness::*, messages::NO_SUCH_ID};

/// Any text as a part of a query.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

impl Person {
    async fn searches(&self, q: &str, more: &str) -> Value {
        self.get(&format!("/api/search?q={}{more}", encoded(q))).await.ok(200)
    }

    /// The texts that are found, newest first.
    async fn finds(&self, q: &str) -> Vec<String> {
        texts(&self.searches(q, "").await)
    }
}

fn texts(page: &Value) -> Vec<String> {
    let messages = page["messages"].as_array().expect("messages").iter();
    messages
        .map(|message| message["content"].as_str().expect("a text").to_owned())
        .collect()
}

#[tokio::test]
async fn what_was_said_is_found_with_its_words_marked() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let said = alice.posts(&chat, "Shall we have tea? <b>Tea</b>time!").await;
    alice.posts(&chat, "or coffee").await;
    let page = bob.searches("TEA", "").await;
    let mut expected = said.clone();
    // Pieces of one kind stand together.
    expected["highlights"] = json!([{"text": "Shall we have ", "match": false}, {"text": "tea", "match": true},
        {"text": "? <b>", "match": false}, {"text": "Tea", "match": true}, {"text": "</b>time!", "match": false}]);
    assert_eq!(page, json!({"messages": [expected], "hasMore": false}));
    assert_eq!(
        bob.finds("have sha").await.len(),
        1,
        "all words, in any order, the last one only begun"
    );
    assert_eq!(bob.finds("sha have").await, Vec::<String>::new());
    assert_eq!(bob.finds("tea coffee").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = bob.group("Bob's", &[]).await;
    let long = "x".repeat(201);
    for (query, field) in [
        ("", "q"),
        ("?q=", "q"),
        (&format!("?q={long}"), "q"),
        ("?q=a&limit=0", "limit"),
        ("?q=a&limit=101", "limit"),
        ("?q=a&limit=many", "limit"),
        ("?q=a&before=then", "before"),
        ("?q=a&from=a%20b", "from"),
        ("?q=a&conversationId=tea", "conversationId"),
    ] {
        let error = alice
            .get(&format!("/api/search{query}"))
            .await
            .refused(400, "VALIDATION_ERROR");
        assert!(
            error["message"].as_str().expect("a text").contains(field),
            "{query}: {error}"
        );
    }
    let at = |id: &str| format!("/api/search?q=a&conversationId={id}");
    alice.get(&at(NO_SUCH_ID)).await.refused(404, "NOT_FOUND");
    alice.get(&at(&chat.id)).await.refused(403, "NOT_MEMBER");
    server
        .call("GET", "/api/search?q=a")
        .send()
        .await
        .refused(401, "UNAUTHORIZED");
    let nothing = json!({"messages": [], "hasMore": false});
    assert_eq!(alice.searches("a", "&from=nobody").await, nothing);
    assert_eq!(alice.searches("...", "").await, nothing);
}

#[tokio::test]
async fn everything_typed_is_taken_literally() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let chat = alice.group("Notes", &[]).await;
    let lines = [
        "salt AND pepper",
        "near the sea",
        "5.tea and u5",
        "東京タワーは高い",
        "สวัสดีครับ",
        "مَرْحَبًا بالعالم",
        "שלום עולם",
        "naïve café 𝓯𝓪𝓷𝓬𝔂",
        "zero\u{200d}width",
        "🎉 party 🎉",
    ];
    for line in lines {
        alice.posts(&chat, line).await;
    }
    for (q, found) in [
        ("AND", &["5.tea and u5", "salt AND pepper"][..]),
        ("pepper AND", &["salt AND pepper"]),
        ("NEAR(sea", &["near the sea"]),
        ("\"sea\"", &["near the sea"]),
        ("sea*", &["near the sea"]),
        ("-sea", &["near the sea"]),
        ("^near", &["near the sea"]),
        ("content:near", &[]),
        ("sender : near", &[]),
        ("{near the}", &["near the sea"]),
        ("タワー", &["東京タワーは高い"]),
        ("京東", &[]),
        ("สวัสดี", &["สวัสดีครับ"]),
        ("مرحبا", &["مَرْحَبًا بالعالم"]),
        ("עולם", &["שלום עולם"]),
        ("NAIVE fancy", &["naïve café 𝓯𝓪𝓷𝓬𝔂"]),
        ("zerowid", &["zero\u{200d}width"]),
        ("🎉", &[]),
        ("party🎉", &["🎉 party 🎉"]),
        ("\u{0}", &[]),
        ("' OR 1=1 --", &[]),
        ("\"", &[]),
        ("*", &[]),
        ("(", &[]),
    ] {
        assert_eq!(alice.finds(q).await, found, "{q}");
    }
}

#[tokio::test]
async fn only_what_one_may_read_is_found() {
    let server = Server::start().await;
    let (alice, bob, carol) = (
        server.user("alice").await,
        server.user("bob").await,
        server.user("carol").await,
    );
    let admin = server.admin("root").await;
    let (tea, coffee) = (alice.group("Tea", &[&bob]).await, carol.group("Coffee", &[&bob]).await);
    alice.posts(&tea, "the word is swordfish").await;
    carol.posts(&coffee, "swordfish it is").await;
    assert_eq!(alice.finds("swordfish").await, ["the word is swordfish"]);
    assert_eq!(
        bob.finds("swordfish").await,
        ["swordfish it is", "the word is swordfish"]
    );
    assert_eq!(admin.finds("swordfish").await, Vec::<String>::new());
    let only = format!("&conversationId={}", tea.id);
    assert_eq!(
        texts(&bob.searches("swordfish", &only).await),
        ["the word is swordfish"]
    );
    let from = format!("&from={}", carol.id);
    assert_eq!(texts(&bob.searches("swordfish", &from).await), ["swordfish it is"]);
    alice.removes(&tea, &bob).await;
    assert_eq!(bob.finds("swordfish").await, ["swordfish it is"]);
    carol.delete(&coffee.path("")).await.ok(204);
    assert_eq!(bob.finds("swordfish").await, Vec::<String>::new());
    // Who is added finds what was said before.
    alice.adds(&tea, &carol).await;
    assert_eq!(carol.finds("swordfish").await, ["the word is swordfish"]);
}

#[tokio::test]
async fn what_is_deleted_or_gone_is_not_found() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let body = json!({"kind": "group", "name": "Fleeting", "retentionSeconds": 60});
    let made = alice.post("/api/conversations", body).await.ok(201);
    let id = made["conversation"]["id"].as_str().expect("an id").to_owned();
    let chat = Chat { id };
    let tab = alice.connect().await;
    let regretted = alice.posts(&chat, "a word I regret").await;
    assert_eq!(alice.finds("word").await.len(), 1);
    let message = regretted["id"].as_str().expect("an id");
    alice.delete(&chat.path(&format!("/messages/{message}"))).await.ok(200);
    assert_eq!(alice.finds("word").await, Vec::<String>::new());
    alice.posts(&chat, "a word that passes").await;
    assert_eq!(alice.finds("word").await.len(), 1);
    let mut store = Store::open(&server.place().data());
    store.changes("UPDATE messages SET created_at = created_at - 3600000");
    tab.sees("messages_expired", |data| data["expiredSeq"] == 3).await;
    assert_eq!(alice.finds("word").await, Vec::<String>::new());
}

#[tokio::test]
async fn pages_follow_each_other_while_others_write() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chats = [alice.direct_with(&bob).await, alice.group("Tea", &[&bob]).await];
    let mut said = Vec::new();
    for n in 0..25 {
        let text = format!("number {n}");
        alice.posts(&chats[n % 3 % 2], &text).await;
        said.push(text);
    }
    said.reverse();
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let page = bob.searches("number", &format!("&limit=10{before}")).await;
        found.extend(texts(&page));
        alice.posts(&chats[0], "number 1000, meanwhile").await;
        if page["hasMore"] == false {
            break;
        }
        let last = page["messages"][9]["id"].as_str().expect("a full page").to_owned();
        before = format!("&before={last}");
    }
    assert_eq!(found, said);
    let first = bob.searches("number", "&limit=1&before=2020-01-01T00:00:00Z").await;
    assert_eq!(first, json!({"messages": [], "hasMore": false}));
}

#[tokio::test]
async fn searching_has_the_pace_of_events() {
    let setup = Server::with()
        .env("PARLOR_RATE_LIMITS", "on")
        .set("rate_events_per_second", 1);
    let server = setup.start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut taken = 0;
    let refused = loop {
        let answer = alice.get("/api/search?q=tea").await;
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken < 1000, "nobody is refused");
    };
    refused.refused(429, "RATE_LIMITED");
    assert!(taken > 0, "not even one");
    bob.finds("tea").await;
}

#[tokio::test]
async fn the_index_survives_a_kill_and_says_how_far_it_is() {
    let mut server = Server::start().await;
    let root = server.admin("root").await;
    let chat = root.group("Notes", &[]).await;
    for n in 0..30 {
        root.posts(&chat, &format!("note {n}")).await;
    }
    server.kill().await;
    server.restart().await;
    assert_eq!(
        root.searches("note", "&limit=100").await["messages"]
            .as_array()
            .map(Vec::len),
        Some(30)
    );
    let figures = root.get("/api/admin/metrics").await.ok(200);
    assert!(figures["mailboxDepths"]["searchBacklog"].is_u64(), "{figures}");
    assert!(root.get("/metrics").await.text.contains("parlor_search_backlog"));
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}
