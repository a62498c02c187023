//! What must hold for any packet of Socket.IO that a client sends, and for anything that it shows of an earlier connection:
//! it is read or it is refused, within bounds, and written anew it is the same. Called by the fuzz target `socketio` and, with
//! the committed seeds, by `tests/it/corpus.rs`; panics when something does not hold.

use parlor::{
    domain::{ConversationId, Seq, UserId},
    protocol::{
        recovery::{Mark, Track},
        socketio::{ATTACHMENTS, Kind, Packet, Plain, position},
    },
};
use serde_json::Value;

/// Bytes that are no text never get this far: the socket is closed with 1007.
pub fn check(data: &[u8]) {
    // Whatever comes out of these is looked at by nobody: they may not panic.
    let _ = (Plain::of(data), position(data));
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(packet) = Packet::parse(text) {
        check_packet(&packet);
    }
    check_shown(text);
}

fn check_packet(packet: &Packet<'_>) {
    assert!(packet.attachments <= ATTACHMENTS);
    assert!(packet.namespace.starts_with('/') && !packet.namespace.contains(','));
    assert!(packet.id.is_none_or(|id| (0..1_000_000_000_000_000).contains(&id)));
    let binary = matches!(packet.kind, Kind::BinaryEvent | Kind::BinaryAck);
    assert!(binary || packet.attachments == 0);
    let events = matches!(packet.kind, Kind::Event | Kind::BinaryEvent);
    let event = packet.event();
    assert!(!events || event.is_ok());
    if let (true, Ok(event)) = (events, event) {
        // What other readers take, they take as we do.
        if let Ok(Value::Array(arguments)) = serde_json::from_str(packet.data) {
            assert_eq!(arguments.len(), 1 + usize::from(event.data.is_some()) + event.more);
            if let Some(name) = arguments[0].as_str() {
                assert_eq!(event.name, name);
            }
            if let Some(data) = event.data {
                assert_eq!(serde_json::from_str::<Value>(data).ok().as_ref(), arguments.get(1));
            }
        }
    }
    let kind = [
        (Kind::Connect, '0'),
        (Kind::Disconnect, '1'),
        (Kind::Event, '2'),
        (Kind::Ack, '3'),
        (Kind::ConnectError, '4'),
        (Kind::BinaryEvent, '5'),
        (Kind::BinaryAck, '6'),
    ];
    let mut anew: String = kind
        .iter()
        .filter(|(kind, _)| *kind == packet.kind)
        .map(|(_, digit)| digit)
        .collect();
    if binary {
        anew += &format!("{}-", packet.attachments);
    }
    anew += packet.namespace;
    anew += ",";
    anew += &packet.id.map_or(String::new(), |id| id.to_string());
    anew += packet.data;
    assert_eq!(Packet::parse(&anew).as_ref(), Ok(packet), "{anew}");
}

/// The text as a `pid`, as an offset, and as both.
fn check_shown(text: &str) {
    let user = UserId::parse("alice").expect("a user's id");
    let mark = Mark::new("an epoch", &user);
    let id = |n: u8| ConversationId(uuid::Uuid::from_bytes([n; 16]));
    let known = [(id(1), Seq(7)), (id(2), Seq(0))];
    let fresh = Track::fresh(mark, *b"the origin: salt", known.into_iter());
    let pid = fresh.pid().expect("few conversations").to_owned();
    let (first, second) = text.split_once(' ').unwrap_or((text, text));
    for (pid, offset) in [(pid.as_str(), text), (first, second), (text, "")] {
        let Some(mut track) = Track::resumed(mark, pid, Some(offset)) else {
            continue;
        };
        let _ = track.missed(&known);
        track.tell(id(1), Seq(9));
        track.gain(id(3), Seq(u32::MAX));
        track.lose(id(2));
        let offset = track.offset().to_owned();
        if offset == "-" {
            continue;
        }
        let mut again = Track::resumed(mark, pid, Some(&offset)).expect("our own offset");
        assert_eq!(again.offset(), offset);
    }
}
