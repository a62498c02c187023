//! Hostile and clumsy frames: sizes, fragments, what RFC 6455 forbids, what is no envelope. Each closes with its own
//! code or is answered by an error, and never harms anybody else.

use serde_json::json;

use crate::{
    harness::{
        raw::{frame, head},
        *,
    },
    messages::pair,
};

/// A frame is at most 128 KiB.
const LARGEST: usize = 128 * 1024;
const FRAGMENTS: usize = 256;

/// The whole header of a text frame of this length, with its mask, and nothing of its body.
fn header_only(length: u64) -> Vec<u8> {
    [head(0x81, 0x80, length).as_slice(), &[1, 2, 3, 4]].concat()
}

/// An event that asks for an answer, padded with spaces to exactly this many bytes.
fn padded(id: i64, bytes: usize) -> Vec<u8> {
    let event = json!({"event": "get_presence", "id": id, "data": {"userIds": []}}).to_string();
    format!("{event}{}", " ".repeat(bytes - event.len())).into_bytes()
}

/// The bytes as a message in this many fragments.
fn fragmented(bytes: &[u8], fragments: usize) -> Vec<u8> {
    let size = bytes.len().div_ceil(fragments);
    let mut parts: Vec<&[u8]> = bytes.chunks(size).collect();
    parts.resize(fragments, b"");
    let last = parts.len() - 1;
    let opcode = |at| if at == 0 { op::TEXT } else { op::CONTINUATION };
    parts
        .iter()
        .enumerate()
        .flat_map(|(at, part)| frame(at == last, opcode(at), part))
        .collect()
}

/// After whatever a hostile connection did, two others chat on.
async fn others_chat_on(alice: &Person, bob: &Person, chat: &Chat) {
    let bob_tab = bob.connect().await;
    alice.connect().await.sends(chat, "still here").await;
    bob_tab.sees_message(chat, "still here").await;
}

/// Alice sends these bytes, each over a connection of its own, which must be closed with this code.
async fn close_with(code: u16, hostile: impl IntoIterator<Item = Vec<u8>>) {
    let (_server, alice, bob, chat) = pair().await;
    for bytes in hostile {
        let mut raw = alice.raw().await;
        raw.sees_event("ready").await;
        raw.sends(&bytes).await;
        raw.is_closed_with(code).await;
    }
    others_chat_on(&alice, &bob, &chat).await;
}

impl Raw {
    /// It still answers.
    async fn answers(&mut self, id: i64) {
        let event = json!({"event": "get_presence", "id": id, "data": {"userIds": []}});
        self.sends_text(&event.to_string()).await;
        assert_eq!(self.sees_answer(id).await["ok"], true);
    }
}

#[tokio::test]
async fn a_declared_length_of_a_terabyte_is_refused_at_the_header() {
    close_with(1009, [header_only(1 << 40)]).await;
}

#[tokio::test]
async fn the_largest_declarable_length_is_refused_at_the_header() {
    close_with(1009, [header_only((1 << 63) - 1)]).await;
}

#[tokio::test]
async fn one_byte_too_many_is_refused_at_the_header() {
    close_with(1009, [header_only(LARGEST as u64 + 1)]).await;
}

#[tokio::test]
async fn the_largest_frame_is_taken() {
    let (_server, alice, _bob, _chat) = pair().await;
    let mut raw = alice.raw().await;
    raw.sends_frame(true, op::TEXT, &padded(1, LARGEST)).await;
    assert_eq!(raw.sees_answer(1).await["ok"], true);
}

#[tokio::test]
async fn fragments_are_put_together() {
    let (_server, alice, _bob, _chat) = pair().await;
    let mut raw = alice.raw().await;
    for (id, (bytes, fragments)) in [
        (100, 2),
        (100, 3),
        (1000, 100),
        (10_000, FRAGMENTS),
        (LARGEST, FRAGMENTS),
    ]
    .into_iter()
    .enumerate()
    {
        raw.sends(&fragmented(&padded(id as i64, bytes), fragments)).await;
        assert_eq!(
            raw.sees_answer(id as i64).await["ok"],
            true,
            "{bytes} bytes in {fragments} fragments"
        );
    }
}

#[tokio::test]
async fn more_than_256_fragments_are_too_big() {
    close_with(1009, [fragmented(&padded(1, 1000), FRAGMENTS + 1)]).await;
}

#[tokio::test]
async fn fragments_are_too_big_together() {
    close_with(1009, [fragmented(&padded(1, LARGEST + 1), 2)]).await;
}

#[tokio::test]
async fn a_letter_may_be_cut_between_fragments() {
    let (_server, alice, bob, chat) = pair().await;
    let bob_tab = bob.connect().await;
    let mut raw = alice.raw().await;
    let event =
        json!({"event": "send_message", "id": 1, "data": {"conversationId": chat.id, "content": "ü𝄞"}}).to_string();
    for (at, byte) in event.bytes().enumerate() {
        let opcode = if at == 0 { op::TEXT } else { op::CONTINUATION };
        raw.sends_frame(at + 1 == event.len(), opcode, &[byte]).await;
    }
    assert_eq!(raw.sees_answer(1).await["data"]["message"]["content"], "ü𝄞");
    bob_tab.sees_message(&chat, "ü𝄞").await;
}

#[tokio::test]
async fn pings_are_answered_also_between_fragments() {
    let (_server, alice, _bob, _chat) = pair().await;
    let mut raw = alice.raw().await;
    let pong = |payload: &'static [u8]| move |frame: &RawFrame| frame.opcode == op::PONG && frame.payload == payload;
    raw.sends_frame(true, op::PING, b"").await;
    raw.sees("an empty pong", pong(b"")).await;
    let event = padded(1, 200);
    raw.sends_frame(false, op::TEXT, &event[..100]).await;
    raw.sends_frame(true, op::PING, b"are you there?").await;
    raw.sees("the same in a pong", pong(b"are you there?")).await;
    raw.sends_frame(true, op::PONG, b"unasked").await;
    raw.sends_frame(true, op::CONTINUATION, &event[100..]).await;
    assert_eq!(raw.sees_answer(1).await["ok"], true);
}

#[tokio::test]
async fn a_frame_without_a_mask_breaks_the_protocol() {
    let text = padded(1, 100);
    close_with(1002, [[head(0x81, 0, text.len() as u64), text].concat()]).await;
}

#[tokio::test]
async fn unknown_opcodes_break_the_protocol() {
    close_with(1002, [3, 7, 11, 15].map(|opcode| frame(true, opcode, b"what?"))).await;
}

#[tokio::test]
async fn reserved_bits_break_the_protocol() {
    close_with(
        1002,
        [0x10, 0x20, 0x40].map(|bit| frame(true, op::TEXT | bit, &padded(1, 100))),
    )
    .await;
}

#[tokio::test]
async fn wrong_control_frames_break_the_protocol() {
    let in_fragments = frame(false, op::PING, b"");
    let too_long = frame(true, op::PING, &[b'x'; 126]);
    let half_a_code = frame(true, op::CLOSE, &[3]);
    close_with(1002, [in_fragments, too_long, half_a_code]).await;
    let codes = [0u16, 999, 1004, 1005, 1006, 1015, 2999];
    close_with(1002, codes.map(|code| frame(true, op::CLOSE, &code.to_be_bytes()))).await;
}

#[tokio::test]
async fn fragments_out_of_order_break_the_protocol() {
    let twice = [frame(false, op::TEXT, b"{"), frame(true, op::TEXT, b"}")].concat();
    close_with(1002, [frame(true, op::CONTINUATION, b"of what?"), twice]).await;
}

#[tokio::test]
async fn a_binary_frame_is_unsupported() {
    close_with(
        1003,
        [frame(true, op::BINARY, &padded(1, 100)), frame(false, op::BINARY, b"{")],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_utf_8_is_refused() {
    let texts = [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"{\"event\":\"\xe2\x82\"}",
    ];
    close_with(1007, texts.map(|bytes| frame(true, op::TEXT, bytes))).await;
    let cut = [frame(false, op::TEXT, b"\xe2\x82"), frame(true, op::CONTINUATION, b"")].concat();
    let reason = frame(true, op::CLOSE, b"\x03\xe8\xff");
    close_with(1007, [cut, reason]).await;
}

#[tokio::test]
async fn a_close_is_answered_with_a_close() {
    let (_server, alice, _bob, _chat) = pair().await;
    for code in [1000u16, 1001, 3000, 4999] {
        let mut raw = alice.raw().await;
        raw.sends_frame(true, op::CLOSE, &code.to_be_bytes()).await;
        raw.sees("a close", |frame| frame.opcode == op::CLOSE).await;
        assert_eq!(raw.rest().await, [], "and nothing after it");
    }
    let mut raw = alice.raw().await;
    raw.sends_frame(true, op::CLOSE, b"").await;
    raw.sees("a close", |frame| frame.opcode == op::CLOSE).await;
}

/// What is no envelope of this protocol.
const BAD_FRAMES: [&str; 11] = [
    "",
    "hello",
    "{",
    "null",
    "7",
    "[]",
    "{}",
    r#"{"event":7,"data":{}}"#,
    r#"{"event":"send_message","id":"seven","data":{}}"#,
    r#"{"event":"send_message","id":1.5,"data":{}}"#,
    "{\"event\":\"get_presence\",\"data\":{}} trailing",
];

#[tokio::test]
async fn one_bad_frame_is_answered_by_an_error() {
    let (_server, alice, _bob, _chat) = pair().await;
    let mut raw = alice.raw().await;
    for (id, bad) in BAD_FRAMES.into_iter().enumerate() {
        raw.sends_text(bad).await;
        let error = raw.sees_event("error").await;
        assert_has(&error, &json!({"code": "VALIDATION_ERROR", "message": "<text>"}));
        raw.answers(id as i64).await;
    }
}

#[tokio::test]
async fn five_bad_frames_in_a_row_close() {
    let (_server, alice, bob, chat) = pair().await;
    for bad in BAD_FRAMES {
        let mut raw = alice.raw().await;
        for _ in 0..4 {
            raw.sends_text(bad).await;
        }
        // A good one between them, and they are not in a row.
        raw.answers(1).await;
        for _ in 0..4 {
            raw.sends_text(bad).await;
        }
        raw.answers(2).await;
        for _ in 0..5 {
            raw.sends_text(bad).await;
        }
        raw.is_closed_with(4400).await;
    }
    others_chat_on(&alice, &bob, &chat).await;
}

#[tokio::test]
async fn deep_and_odd_json_is_only_an_error() {
    let (_server, alice, _bob, _chat) = pair().await;
    let mut raw = alice.raw().await;
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
    let deep_data = format!(r#"{{"event":"get_presence","data":{{"userIds":{deep}}}}}"#);
    for (id, odd) in [
        deep.as_str(),
        deep_data.as_str(),
        r#"{"event":"send_message","id":1e999,"data":{}}"#,
    ]
    .into_iter()
    .enumerate()
    {
        raw.sends_text(odd).await;
        raw.sees_event("error").await;
        raw.answers(id as i64).await;
    }
}

#[tokio::test]
async fn ids_of_every_integer_come_back() {
    let (_server, alice, _bob, _chat) = pair().await;
    let mut raw = alice.raw().await;
    for id in [0, 1, -1, 9_007_199_254_740_991, -9_007_199_254_740_991] {
        raw.answers(id).await;
    }
}

#[tokio::test]
async fn an_upgrade_without_what_it_needs_is_refused() {
    let (server, alice, bob, chat) = pair().await;
    let good = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];
    for missing in 0..good.len() {
        let headers: Vec<&str> = good
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != missing)
            .map(|(_, header)| *header)
            .collect();
        let mut raw = Raw::plain(&server.realm, None).await;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{}\r\n\r\n",
            server.realm.host(),
            alice.token,
            headers.join("\r\n")
        );
        raw.sends(request.as_bytes()).await;
        let head = raw.reads_head().await;
        assert!(head.starts_with("HTTP/1.1 4"), "without {}: {head}", good[missing]);
    }
    others_chat_on(&alice, &bob, &chat).await;
}

#[tokio::test]
async fn a_body_that_is_too_big_is_refused() {
    let (_server, alice, bob, chat) = pair().await;
    let body = json!({"content": "hi", "padding": "x".repeat(3 * 1024 * 1024)});
    let answer = alice.call("POST", &chat.path("/messages")).json(&body).attempt().await;
    // A server may answer and hang up before it read it all: then the client may not see the answer.
    if let Ok(answer) = answer {
        answer.refused(413, "PAYLOAD_TOO_LARGE");
    }
    others_chat_on(&alice, &bob, &chat).await;
}

/// A body of which the end never comes: the sender is told so, not that the store was at fault.
#[tokio::test]
async fn a_body_that_does_not_arrive_is_refused_as_late() {
    let (server, alice, _bob, chat) = pair().await;
    let mut raw = Raw::plain(&server.realm, None).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{\"content\":",
        chat.path("/messages"),
        server.realm.host(),
        alice.token
    );
    raw.sends(head.as_bytes()).await;
    let answer = raw.reads_head().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

/// Whoever writes to this server knows JSON, but no Rust.
#[tokio::test]
async fn refusals_name_the_field_and_the_rule() {
    let (_server, alice, _bob, chat) = pair().await;
    let tab = alice.connect().await;
    for (event, data, words) in [
        (
            "send_message",
            json!({"conversationId": chat.id}),
            "data: content is missing",
        ),
        (
            "sync",
            json!({"cursors": [{"conversationId": chat.id, "seq": "secret"}]}),
            "data: seq must be a whole number from 0 to 4294967295",
        ),
        (
            "get_presence",
            json!({"userIds": "secret"}),
            "data: userIds must be an array",
        ),
    ] {
        let error = tab.asks(event, data).await.expect_err("a refusal");
        assert_eq!(error["message"], words, "{error}");
    }
    let path = chat.path("/messages");
    for (body, words) in [
        (r#"{"type":"text"}"#, "body: content is missing"),
        (r#"{"content":"a","clientId":{}}"#, "body: clientId must be a string"),
        (
            r#"{"content":"a""#,
            "body: is not valid JSON: EOF while parsing an object",
        ),
    ] {
        let answer = alice.call("POST", &path).body("application/json", body).send().await;
        assert_eq!(answer.body["error"]["message"], words, "{}", answer.text);
        answer.refused(400, "VALIDATION_ERROR");
    }
}
