//! The packet rules of Socket.IO 5, one by one, and our frames in its clothes.

use serde_json::json;

use super::*;
use crate::protocol::{ApiError, ErrorCode, Event as Told, envelope, frame};

fn parse(text: &str) -> Option<(Kind, usize, &str, Option<i64>, &str)> {
    let packet = Packet::parse(text).ok()?;
    Some((
        packet.kind,
        packet.attachments,
        packet.namespace,
        packet.id,
        packet.data,
    ))
}

#[test]
fn the_examples_of_the_protocol_are_read() {
    for (text, packet) in [
        ("0", (Kind::Connect, 0, "/", None, "")),
        (
            r#"0{"token":"123"}"#,
            (Kind::Connect, 0, "/", None, r#"{"token":"123"}"#),
        ),
        ("0/admin,", (Kind::Connect, 0, "/admin", None, "")),
        ("0/admin", (Kind::Connect, 0, "/admin", None, "")),
        (
            r#"0/admin,{"sid":"x"}"#,
            (Kind::Connect, 0, "/admin", None, r#"{"sid":"x"}"#),
        ),
        ("1", (Kind::Disconnect, 0, "/", None, "")),
        ("1/admin,", (Kind::Disconnect, 0, "/admin", None, "")),
        (r#"2["foo"]"#, (Kind::Event, 0, "/", None, r#"["foo"]"#)),
        (r#"212["foo"]"#, (Kind::Event, 0, "/", Some(12), r#"["foo"]"#)),
        (
            r#"2/admin,456["project:delete",123]"#,
            (Kind::Event, 0, "/admin", Some(456), r#"["project:delete",123]"#),
        ),
        ("3/admin,456[]", (Kind::Ack, 0, "/admin", Some(456), "[]")),
        (r#"312["bar"]"#, (Kind::Ack, 0, "/", Some(12), r#"["bar"]"#)),
        (
            r#"4{"message":"no"}"#,
            (Kind::ConnectError, 0, "/", None, r#"{"message":"no"}"#),
        ),
        (
            r#"52-/admin,7["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
            (
                Kind::BinaryEvent,
                2,
                "/admin",
                Some(7),
                r#"["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
            ),
        ),
        (
            r#"61-15[{"_placeholder":true,"num":0}]"#,
            (Kind::BinaryAck, 1, "/", Some(15), r#"[{"_placeholder":true,"num":0}]"#),
        ),
    ] {
        assert_eq!(parse(text), Some(packet), "{text}");
    }
}

#[test]
fn what_is_no_packet_is_refused() {
    let long = format!("0/{},", "n".repeat(NAMESPACE));
    for bad in [
        "",
        "abc",
        "7",
        "\u{e4}",
        "0[]",
        "0\"x\"",
        "07",
        "1{}",
        "2",
        "2{}",
        "2[]",
        "2[null]",
        "2[{}]",
        "2[[]]",
        "2[true]",
        r#"2["foo""#,
        r#"2["foo"]x"#,
        r#"2["foo"] ["bar"]"#,
        r#"2abc["foo"]"#,
        r#"2-1["foo"]"#,
        "3[]",
        "31",
        "31{}",
        "4",
        "47",
        "5",
        r#"5["a"]"#,
        r#"5-["a"]"#,
        r#"511-["a"]"#,
        r#"599999999999999999999-["a"]"#,
        "51-{}",
        "61-[]",
        r#"2["connect"]"#,
        r#"2["disconnect"]"#,
        r#"2["\u0063onnect"]"#,
        r#"2["newListener",1]"#,
        r#"29999999999999999["foo"]"#,
        &long,
    ] {
        assert_eq!(parse(bad), None, "{bad}");
    }
}

#[test]
fn an_event_is_its_name_its_data_and_how_much_more_there_is() {
    let event = |text| Packet::parse(text).and_then(|packet| packet.event());
    for (text, name, data, more) in [
        (r#"2["sync"]"#, "sync", None, 0),
        (r#"2["sync",{"a":[1]}]"#, "sync", Some(r#"{"a":[1]}"#), 0),
        (r#"2["sync",null]"#, "sync", Some("null"), 0),
        (r#"2["sync",1,"2",{"3":[true]}]"#, "sync", Some("1"), 2),
        (r#"2["s\u0079nc",1]"#, "sync", Some("1"), 0),
        ("2[7,1]", "7", Some("1"), 0),
        ("2[-7]", "-7", None, 0),
    ] {
        let event = event(text).unwrap();
        assert_eq!(
            (event.name.as_ref(), event.data, event.more),
            (name, data, more),
            "{text}"
        );
    }
}

fn text_of(frame: &[u8]) -> &[u8] {
    let header = frame::Header::read(frame).unwrap().unwrap();
    &frame[header.header_bytes..]
}

fn packet(frame: &[u8], offset: &str) -> String {
    let plain = Plain::of(text_of(frame)).expect("one of ours");
    String::from_utf8(plain.packet(offset.as_bytes()).concat()).expect("UTF-8")
}

#[test]
fn our_frames_become_packets_without_a_word_changed() {
    let error = Told::Error {
        code: ErrorCode::Forbidden,
        message: "no \"}\u{1e}{",
        event: Some("sync"),
        retry_after_ms: None,
    };
    let told = json!({"code": "FORBIDDEN", "message": "no \"}\u{1e}{", "event": "sync"});
    let frame = envelope::event(&error);
    let bare = packet(&frame, "");
    assert_eq!(bare[..2], *"42");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&bare[2..]).unwrap(),
        json!(["error", told])
    );
    let with_offset = packet(&frame, "x-1");
    let arguments: serde_json::Value = serde_json::from_str(&with_offset[2..]).unwrap();
    assert_eq!(arguments, json!(["error", told, "x-1"]));
    assert!(!bare.bytes().any(|byte| byte == crate::protocol::engineio::SEPARATOR));

    let good = envelope::answer(7, Ok(&json!({"a": [1, "}"]})));
    assert_eq!(packet(&good, ""), r#"437[{"ok":true,"data":{"a":[1,"}"]}}]"#);
    let bad = envelope::answer::<()>(-8, Err(&ApiError::not_member()));
    assert_eq!(
        packet(&bad, ""),
        r#"43-8[{"ok":false,"error":{"code":"NOT_MEMBER","message":"you are not a member of this conversation","retryable":false}}]"#
    );
    for other in ["", "{}", "[]", "{\"event\":7}", "{\"event\":\"a\"}", "{\"ack\":7}"] {
        assert_eq!(Plain::of(other.as_bytes()), None, "{other}");
    }
}
