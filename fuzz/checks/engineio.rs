//! What must hold for any payload of long polling: it is packets or it is refused as a whole, each packet alone is what it is
//! among the others, and written anew it is the same payload. Called by the fuzz target `engineio` and, with the committed
//! seeds, by `tests/it/corpus.rs`; panics when something does not hold.

use parlor::protocol::engineio::{self, PAYLOAD_PACKETS, Packet, SEPARATOR, packets};

/// Bytes that are no text never get this far: the POST is refused.
pub fn check(data: &[u8]) {
    let Ok(payload) = std::str::from_utf8(data) else { return };
    let parts: Vec<&str> = payload.split(char::from(SEPARATOR)).collect();
    let alone: Result<Vec<Packet<'_>>, _> = parts.iter().map(|part| Packet::parse(part)).collect();
    let Ok(packets) = packets(payload) else {
        return assert!(alone.is_err() || parts.len() > PAYLOAD_PACKETS, "refused for nothing");
    };
    assert!((1..=PAYLOAD_PACKETS).contains(&packets.len()));
    assert_eq!(alone.as_ref(), Ok(&packets));
    let held: usize = packets.iter().map(bytes).sum();
    assert!(held <= payload.len(), "more than came");
    let anew: Vec<String> = packets.iter().map(write).collect();
    let anew = anew.join("\u{1e}");
    assert_eq!(engineio::packets(&anew), Ok(packets));
}

fn bytes(packet: &Packet<'_>) -> usize {
    match packet {
        Packet::Message(text) | Packet::Ping(text) => text.len(),
        Packet::Binary(bytes) => bytes.len(),
        Packet::Close | Packet::Pong | Packet::Upgrade | Packet::Noop => 0,
    }
}

fn write(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Close => "1".to_owned(),
        Packet::Ping(text) => format!("2{text}"),
        Packet::Pong => "3".to_owned(),
        Packet::Message(text) => format!("4{text}"),
        Packet::Binary(bytes) => engineio::binary(bytes),
        Packet::Upgrade => "5".to_owned(),
        Packet::Noop => "6".to_owned(),
    }
}
