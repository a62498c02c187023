//! Engine.IO itself: the handshake, the protocol's own refusals, moving from long polling to a socket, origins.

use serde_json::json;

use crate::{harness::*, messages::pair};

#[tokio::test]
async fn the_handshake_says_what_a_client_must_know() {
    let server = Server::with().set("max_payload_kib", 200).start().await;
    let poller = server.poller().await;
    assert_eq!(
        poller.opening,
        json!({"sid": poller.sid, "upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000,
               "maxPayload": 204_800})
    );
    assert!(poller.sid.len() >= 20, "a sid that can be guessed: {}", poller.sid);
    let mut socket = server.packets("", &[]).await;
    let opening = socket.sees_packet("0{").await;
    let opening: serde_json::Value = serde_json::from_str(&opening[1..]).unwrap();
    assert_eq!(opening["upgrades"], json!([]));
    assert_ne!(opening["sid"], json!(poller.sid));
}

#[tokio::test]
async fn refusals_have_the_protocol_s_numbers_and_words() {
    let server = Server::start().await;
    let poller = server.poller().await;
    let sid = &poller.sid;
    for (method, query, status, code, message) in [
        ("GET", "EIO=4", 400, 0, "Transport unknown"),
        ("GET", "EIO=4&transport=carrier-pigeon", 400, 0, "Transport unknown"),
        ("GET", "EIO=4&transport=websocket", 400, 3, "Bad request"),
        ("GET", "transport=polling", 400, 5, "Unsupported protocol version"),
        ("GET", "EIO=3&transport=polling", 400, 5, "Unsupported protocol version"),
        (
            "GET",
            "EIO=4&transport=polling&sid=nobody",
            400,
            1,
            "Session ID unknown",
        ),
        ("POST", "EIO=4&transport=polling&sid=", 400, 1, "Session ID unknown"),
        ("POST", "EIO=4&transport=polling", 400, 2, "Bad handshake method"),
        ("PUT", "EIO=4&transport=polling", 400, 2, "Bad handshake method"),
        (
            "PUT",
            &format!("EIO=4&transport=polling&sid={sid}"),
            400,
            3,
            "Bad request",
        ),
    ] {
        let answer = server.realm.call(method, &format!("/socket.io/?{query}")).send().await;
        assert_eq!(answer.status, status, "{method} {query}");
        assert_eq!(
            answer.body,
            json!({"code": code, "message": message}),
            "{method} {query}"
        );
    }
    // The slash at the end is left out by some.
    let answer = server
        .realm
        .call("GET", "/socket.io?EIO=4&transport=polling")
        .send()
        .await;
    assert_eq!(answer.status, 200);
    for query in [
        "EIO=3&transport=websocket",
        "EIO=4&transport=websocket&sid=nobody",
        "transport=websocket",
    ] {
        let mut raw = Raw::plain(&server.realm, None).await;
        let request = format!(
            "GET /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        raw.sends(request.as_bytes()).await;
        let head = raw.reads_head().await;
        assert!(head.starts_with("HTTP/1.1 400"), "{query}: {head}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_not_poll_and_allowed_ones_may_with_credentials() {
    let server = Server::with()
        .set("allowed_origins", "https://chat.example")
        .start()
        .await;
    let open = "/socket.io/?EIO=4&transport=polling";
    let origin = |origin: &str| server.realm.call("GET", open).header("origin", origin);
    let refused = origin("https://evil.example").send().await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body, json!({"code": 4, "message": "Forbidden"}));
    assert_eq!(refused.headers.get("access-control-allow-origin"), None);
    let allowed = origin("https://chat.example").send().await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://chat.example");
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    let asked = server
        .realm
        .call("OPTIONS", open)
        .header("origin", "https://chat.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send()
        .await;
    assert_eq!(asked.status, 200);
    assert_eq!(asked.header("access-control-allow-credentials"), "true");
    // A form on somebody's page can post without asking, but not in the name of a session of ours.
    let poller = server.poller().await;
    let posted = poller.post("3").header("origin", "https://evil.example").send().await;
    assert_eq!(posted.status, 403);
    // Its own origin needs no leave.
    let own = format!("http://{}", server.realm.host());
    assert_eq!(origin(&own).send().await.status, 200);
}

#[tokio::test]
async fn a_cookie_counts_from_allowed_origins_only() {
    let server = Server::with()
        .set("allowed_origins", "https://chat.example")
        .start()
        .await;
    let alice = server.user("alice").await;
    let cookie = format!("token={}", alice.token);
    let headers = [("Cookie", cookie.as_str()), ("Origin", "https://evil.example")];
    let mut evil = server.packets("", &headers).await;
    evil.sends_text("40").await;
    let refused = evil.sees_packet("44").await;
    let refused: serde_json::Value = serde_json::from_str(&refused[2..]).unwrap();
    assert_eq!(refused["data"]["code"], "UNAUTHORIZED");
    assert_eq!(refused["data"]["retryable"], false);
    let headers = [("Cookie", cookie.as_str()), ("Origin", "https://chat.example")];
    let mut good = server.packets("", &headers).await;
    good.sends_text("40").await;
    good.sees_packet("40{").await;
    // The header comes before what the packet says, the packet before the cookie.
    let bob = server.user("bob").await;
    let mut both = server.packets("", &headers).await;
    both.sends_text(&bob.connects_with()).await;
    let ready = both.sees_packet("42[\"ready\"").await;
    assert_eq!(arguments(&ready)[1]["user"]["id"], json!(bob.id));
    let bearer = format!("Bearer {}", alice.token);
    let mut header = server.packets("", &[("Authorization", &bearer)]).await;
    header.sends_text(&bob.connects_with()).await;
    let ready = header.sees_packet("42[\"ready\"").await;
    assert_eq!(arguments(&ready)[1]["user"]["id"], json!(alice.id));
}

#[tokio::test]
async fn a_session_moves_to_a_socket_and_is_found_nowhere_else_any_more() {
    let (server, alice, bob, chat) = pair().await;
    let mut poller = bob.poller(&server).await;
    alice.posts(&chat, "one").await;
    assert_eq!(poller.sees_event("new_message").await["content"], "one");
    let query = format!("&sid={}", poller.sid);
    let mut socket = server.packets(&query, &[]).await;
    let parked = poller.begins_poll();
    socket.sends_text("2probe").await;
    assert_eq!(socket.next().await.unwrap().payload, b"3probe");
    // The poll that waits is let go, by a no-op when there is nothing else to say.
    assert_eq!(parked.await.unwrap().text, "6");
    // Until the move is complete the session goes on polling.
    alice.posts(&chat, "two").await;
    assert_eq!(poller.sees_event("new_message").await["content"], "two");
    // A second socket is one too many.
    server.packets(&query, &[]).await.is_closed_with(1002).await;
    socket.sends_text("5").await;
    socket
        .sends_text(&format!(
            "421[\"send_message\",{{\"conversationId\":\"{}\",\"content\":\"three\"}}]",
            chat.id
        ))
        .await;
    let answer = socket.sees_packet("431").await;
    assert_eq!(arguments(&answer)[0]["data"]["message"]["content"], "three");
    let late = poller.get().send().await;
    assert_eq!((late.status, late.body["code"].as_u64()), (400, Some(3)));
    server.packets(&query, &[]).await.is_closed_with(1002).await;
    // It is still there after all that.
    alice.posts(&chat, "four").await;
    let four = socket.sees_packet("42[\"new_message\"").await;
    assert!(four.contains("three") || four.contains("four"), "{four}");
}

#[tokio::test]
async fn a_socket_that_changes_its_mind_leaves_the_session_as_it_was() {
    let (server, alice, bob, chat) = pair().await;
    let mut poller = bob.poller(&server).await;
    let query = format!("&sid={}", poller.sid);
    for said in ["4hello", "2other", "abc", "3"] {
        let mut socket = server.packets(&query, &[]).await;
        socket.sends_text(said).await;
        socket.is_closed_with(1002).await;
    }
    alice.posts(&chat, "still polling").await;
    assert_eq!(poller.sees_event("new_message").await["content"], "still polling");
    let mut socket = server.packets(&query, &[]).await;
    socket.sends_text("2probe").await;
    socket.sees_packet("3probe").await;
    drop(socket);
    alice.posts(&chat, "and again").await;
    assert_eq!(poller.sees_event("new_message").await["content"], "and again");
}

#[tokio::test]
async fn a_session_is_its_user_s() {
    let (server, alice, bob, _chat) = pair().await;
    let poller = bob.poller(&server).await;
    for call in [poller.get(), poller.post("3")] {
        let answer = call.bearer(&alice.token).send().await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        assert_eq!(answer.body, json!({"code": 4, "message": "Forbidden"}));
    }
    assert_eq!(poller.post("3").bearer("nonsense").send().await.status, 403);
    for _ in 0..2 {
        assert_eq!(poller.post("3").bearer(&bob.token).send().await.status, 200);
    }
    poller.says("3").await;
}

#[tokio::test]
async fn sessions_are_counted_and_shown_by_what_they_travel_on() {
    let (server, _alice, bob, _chat) = pair().await;
    let admin = server.admin("root").await;
    let _tab = bob.connect().await;
    let poller = bob.poller(&server).await;
    let _socket = bob.packets(&server).await;
    let shown = |sessions: serde_json::Value| {
        let sessions = sessions["sessions"].as_array().expect("a list").clone();
        let mut transports: Vec<String> = sessions
            .iter()
            .map(|session| session["transport"].as_str().unwrap_or_default().to_owned())
            .collect();
        transports.sort();
        transports
    };
    let sessions = admin.get("/api/admin/sessions").await.ok(200);
    assert_eq!(shown(sessions), ["socketio-polling", "socketio-websocket", "websocket"]);
    let metrics = admin.get("/api/admin/metrics").await.ok(200);
    assert_eq!(
        metrics["sessions"],
        json!({"websocket": 1, "socketioWebsocket": 1, "socketioPolling": 1})
    );
    let mut moving = server.packets(&format!("&sid={}", poller.sid), &[]).await;
    moving.sends_text("2probe").await;
    moving.sees_packet("3probe").await;
    moving.sends_text("5").await;
    moving.sends_text("421[\"get_presence\",{\"userIds\":[]}]").await;
    moving.sees_packet("431").await;
    let sessions = admin.get("/api/admin/sessions").await.ok(200);
    assert_eq!(
        shown(sessions),
        ["socketio-websocket", "socketio-websocket", "websocket"]
    );
    let text = admin.get("/metrics").await.text;
    assert!(
        text.contains("parlor_sessions_by_transport{transport=\"socketio-websocket\"} 2"),
        "{text}"
    );
    assert!(
        text.contains("parlor_sessions_by_transport{transport=\"socketio-polling\"} 0"),
        "{text}"
    );
}
