//! The messages this tool sends, and how it knows them again. `client` composes with it, `check` reads with it.
//! Everything a receiver needs for a verdict is in the clientId: run, sender, number, time of sending, and from it and
//! `--size` follows the content. So no table has to be shared with the senders. Never touches a socket.

use std::io::Write;

use memchr::memmem::Finder;
use serde::Deserialize;

/// What the content is filled up with.
const FILL: u8 = b'x';

/// Who sent a message, which of that connection's messages it is, and when it was (or should have been) sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub sender: u32,
    pub number: u32,
    /// Nanoseconds of the run's clock: in open loop the time the schedule intended.
    pub sent_at: u64,
}

impl Stamp {
    /// `run-sender-number-time`, in hexadecimal: at most 64 characters of the plainest alphabet.
    pub fn put_client_id(&self, run: &str, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{run}-{:x}-{:x}-{:x}", self.sender, self.number, self.sent_at);
    }

    pub fn parse(run: &str, client_id: &[u8]) -> Option<Self> {
        let mut parts = client_id
            .strip_prefix(run.as_bytes())?
            .strip_prefix(b"-")?
            .split(|byte| *byte == b'-');
        let mut part = || hex(parts.next()?);
        let (sender, number, sent_at) = (part()?, part()?, part()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            sender: sender.try_into().ok()?,
            number: number.try_into().ok()?,
            sent_at,
        })
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        Some(value << 4 | u64::from((*digit as char).to_digit(16)?))
    })
}

/// The content that belongs to a clientId: the id itself, cut to its end (where it differs most) or filled up.
pub fn put_content(client_id: &[u8], size: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&client_id[client_id.len().saturating_sub(size)..]);
    out.resize(out.len() + size.saturating_sub(client_id.len()), FILL);
}

/// Whether `content` is what `put_content` made, without making it again.
pub fn content_is(client_id: &[u8], size: usize, content: &[u8]) -> bool {
    let tail = &client_id[client_id.len().saturating_sub(size)..];
    content.len() == size
        && content
            .strip_prefix(tail)
            .is_some_and(|fill| fill.iter().all(|byte| *byte == FILL))
}

/// Composes the `send_message` payload of a stamp; the buffers are kept so that sending allocates nothing.
#[derive(Default)]
pub struct Composer {
    /// As packets of Socket.IO.
    packets: bool,
    client_id: Vec<u8>,
    payload: Vec<u8>,
}

impl Composer {
    /// For the plain envelope, or for Socket.IO's packets.
    pub fn new(packets: bool) -> Self {
        Self {
            packets,
            ..Self::default()
        }
    }

    pub fn send_message(&mut self, ask: u64, conversation: &str, run: &str, stamp: &Stamp, size: usize) -> &[u8] {
        self.client_id.clear();
        stamp.put_client_id(run, &mut self.client_id);
        let out = &mut self.payload;
        out.clear();
        let _ = if self.packets {
            write!(out, "42{ask}[\"send_message\",{{\"conversationId\":\"{conversation}\",")
        } else {
            write!(
                out,
                "{{\"event\":\"send_message\",\"id\":{ask},\"data\":{{\"conversationId\":\"{conversation}\","
            )
        };
        out.extend_from_slice(b"\"clientId\":\"");
        out.extend_from_slice(&self.client_id);
        out.extend_from_slice(b"\",\"content\":\"");
        put_content(&self.client_id, size, out);
        out.extend_from_slice(if self.packets { b"\"}]" } else { b"\"}}" });
        &self.payload
    }
}

/// The parts of a message that decide whether it is the right one, borrowed from its JSON.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct View<'a> {
    pub id: &'a [u8],
    pub conversation: &'a [u8],
    pub seq: u64,
    pub sender: &'a [u8],
    pub client_id: Option<&'a [u8]>,
    pub content: &'a [u8],
    /// Anything but a text: a system message is none of ours and still takes its place in the order.
    pub is_text: bool,
}

/// Reads a message's parts: by searching for its keys, or by a full parse where that is not conclusive.
///
/// Searching is sound because a quote inside a JSON string is escaped: the bytes `"seq":` can only be a key. Keys that
/// also occur in nested objects (`id`) are only taken where they must stand, else the parser decides.
pub struct Scanner {
    seq: Finder<'static>,
    client_id: Finder<'static>,
    conversation: Finder<'static>,
    content: Finder<'static>,
    sender: Finder<'static>,
    text: Finder<'static>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            seq: Finder::new(b"\"seq\":"),
            client_id: Finder::new(b"\"clientId\":\""),
            conversation: Finder::new(b"\"conversationId\":\""),
            content: Finder::new(b"\"content\":\""),
            sender: Finder::new(b"\"sender\":{\"id\":\""),
            text: Finder::new(b"\"type\":\"text\""),
        }
    }
}

impl Scanner {
    /// The position alone: what an answer needs to be compared with what was delivered.
    pub fn seq(&self, message: &[u8]) -> Option<u64> {
        match after(&self.seq, message).and_then(number) {
            Some(seq) => Some(seq),
            None => serde_json::from_slice::<Parsed>(message).ok().map(|parsed| parsed.seq),
        }
    }

    pub fn fast<'a>(&self, message: &'a [u8]) -> Option<View<'a>> {
        self.text.find(message)?;
        Some(View {
            id: string(message.strip_prefix(b"{\"id\":\"")?)?,
            conversation: string(after(&self.conversation, message)?)?,
            seq: number(after(&self.seq, message)?)?,
            sender: string(after(&self.sender, message)?)?,
            client_id: Some(string(after(&self.client_id, message)?)?),
            content: string(after(&self.content, message)?)?,
            is_text: true,
        })
    }
}

fn after<'a>(key: &Finder<'_>, message: &'a [u8]) -> Option<&'a [u8]> {
    Some(&message[key.find(message)? + key.needle().len()..])
}

fn number(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 18 {
        return None;
    }
    Some(
        bytes[..digits]
            .iter()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0')),
    )
}

/// A string without escapes; anything else is left to the parser.
fn string(bytes: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr2(b'"', b'\\', bytes)?;
    (bytes[end] == b'"').then(|| &bytes[..end])
}

/// The same parts by a full parse. Owned, because escapes must be undone; the slow path only.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parsed {
    pub id: String,
    pub conversation_id: String,
    pub seq: u64,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub content: serde_json::Value,
    pub sender: Option<ParsedSender>,
    #[serde(default)]
    pub client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct ParsedSender {
    pub id: String,
}

impl Parsed {
    pub fn view(&self) -> View<'_> {
        View {
            id: self.id.as_bytes(),
            conversation: self.conversation_id.as_bytes(),
            seq: self.seq,
            sender: self.sender.as_ref().map_or(b"", |sender| sender.id.as_bytes()),
            client_id: self.client_id.as_deref().map(str::as_bytes),
            content: self.content.as_str().map_or(b"", str::as_bytes),
            is_text: self.kind == "text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        sender: 31,
        number: 7,
        sent_at: 123_456_789,
    };

    fn client_id() -> Vec<u8> {
        let mut id = Vec::new();
        STAMP.put_client_id("run", &mut id);
        id
    }

    #[test]
    fn a_client_id_reads_back() {
        assert_eq!(client_id(), b"run-1f-7-75bcd15");
        assert_eq!(Stamp::parse("run", &client_id()), Some(STAMP));
        for foreign in [
            "",
            "run",
            "run-1-2",
            "run-1-2-3-4",
            "other-1-2-3",
            "run-1-x-3",
            "run-1ffffffff-2-3",
        ] {
            assert_eq!(Stamp::parse("run", foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn content_follows_from_the_client_id_at_every_size() {
        for size in [1, 5, 16, 17, 64, 2000] {
            let mut content = Vec::new();
            put_content(&client_id(), size, &mut content);
            assert_eq!(content.len(), size);
            assert!(content_is(&client_id(), size, &content));
            for at in [0, size / 2, size - 1] {
                let mut changed = content.clone();
                changed[at] ^= 1;
                assert!(!content_is(&client_id(), size, &changed), "byte {at} of {size}");
            }
            assert!(!content_is(&client_id(), size, &content[1..]));
        }
    }

    #[test]
    fn the_composed_event_is_the_contract() {
        let mut composer = Composer::default();
        let payload = composer.send_message(7, "c-1", "run", &STAMP, 20).to_vec();
        let event: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let data = serde_json::json!({
            "conversationId": "c-1", "clientId": "run-1f-7-75bcd15", "content": "run-1f-7-75bcd15xxxx",
        });
        assert_eq!(
            event,
            serde_json::json!({"event": "send_message", "id": 7, "data": data})
        );
    }

    const MESSAGE: &str = r#"{"id":"m-1","conversationId":"c-1","seq":42,"changeSeq":57,"type":"text","content":"hello",
        "sender":{"id":"u-1","name":"alice","displayName":"Alice","avatarUrl":null},"clientId":"x","reactions":[]}"#;

    #[test]
    fn search_and_parser_agree() {
        let parsed: Parsed = serde_json::from_str(MESSAGE).unwrap();
        assert_eq!(Scanner::default().fast(MESSAGE.as_bytes()), Some(parsed.view()));
        assert_eq!(Scanner::default().seq(MESSAGE.as_bytes()), Some(42));
    }

    #[test]
    fn search_gives_up_rather_than_guess() {
        let scanner = Scanner::default();
        let other_order = r#"{"sender":{"id":"u-1"},"id":"m-1","conversationId":"c","seq":42,"type":"text","content":"h","clientId":"x"}"#;
        assert_eq!(scanner.fast(other_order.as_bytes()), None);
        assert_eq!(serde_json::from_str::<Parsed>(other_order).unwrap().view().id, b"m-1");
        let escaped = MESSAGE.replace("hello", r#"he said \"seq\":1"#);
        assert_eq!(scanner.fast(escaped.as_bytes()), None);
        assert_eq!(scanner.seq(escaped.as_bytes()), Some(42));
        let spaced = MESSAGE.replace("\"seq\":42", "\"seq\" : 42");
        assert_eq!(scanner.seq(spaced.as_bytes()), Some(42));
    }
}
