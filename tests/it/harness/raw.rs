//! A connection byte by byte, for frames that no honest WebSocket implementation sends, and for readers that do not
//! read. Its frames are masked as a client's must be, unless the test says otherwise.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{DEADLINE, http::Realm};

/// The opcodes of RFC 6455.
pub mod op {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// A frame of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    pub fin: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// The code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        match (self.opcode, self.payload.get(..2)) {
            (op::CLOSE, Some(code)) => Some(u16::from_be_bytes([code[0], code[1]])),
            _ => None,
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or(Value::Null)
    }
}

/// An upgraded connection.
pub struct Raw {
    stream: TcpStream,
    /// Read and not yet taken apart.
    buffer: Vec<u8>,
}

impl Raw {
    pub async fn connect(realm: &Realm, token: &str) -> Raw {
        Raw::connect_with_buffer(realm, token, None).await
    }

    pub async fn connect_with_buffer(realm: &Realm, token: &str, receive_buffer: Option<u32>) -> Raw {
        let raw = Raw::plain(realm, receive_buffer).await;
        let bearer = format!("Bearer {token}");
        raw.upgrade(realm, "/ws", &[("Authorization", &bearer)]).await
    }

    /// After the upgrade of a path, with more headers if need be.
    pub async fn upgraded(realm: &Realm, path: &str, headers: &[(&str, &str)]) -> Raw {
        Raw::plain(realm, None).await.upgrade(realm, path, headers).await
    }

    async fn upgrade(self, realm: &Realm, path: &str, headers: &[(&str, &str)]) -> Raw {
        let mut raw = self;
        let host = realm.host();
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
        );
        raw.sends(request.as_bytes()).await;
        let head = raw.reads_head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "no upgrade: {head}");
        // The example of RFC 6455, section 1.3.
        assert!(
            head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "a wrong Sec-WebSocket-Accept: {head}"
        );
        raw
    }

    /// A connection on which nothing was said yet.
    pub async fn plain(realm: &Realm, receive_buffer: Option<u32>) -> Raw {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).expect("a receive buffer's size");
        }
        let address = realm.host().parse().expect("an address");
        let stream = socket.connect(address).await.expect("the server takes connections");
        stream.set_nodelay(true).expect("no delay");
        Raw {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The head of an HTTP answer, up to its empty line.
    pub async fn reads_head(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill().await, "ended in the head of the answer");
        };
        String::from_utf8_lossy(&self.buffer.drain(..end).collect::<Vec<u8>>()).into_owned()
    }

    /// These bytes. A server that has closed already is no failure: the test looks at why it closed.
    pub async fn sends(&mut self, bytes: &[u8]) {
        let _ = timeout(DEADLINE, self.stream.write_all(bytes))
            .await
            .expect("the server takes bytes");
    }

    pub async fn sends_frame(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        self.sends(&frame(fin, opcode, payload)).await;
    }

    pub async fn sends_text(&mut self, text: &str) {
        self.sends_frame(true, op::TEXT, text.as_bytes()).await;
    }

    /// The next frame; None at the end of the stream.
    pub async fn next(&mut self) -> Option<RawFrame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Reads on until a frame fits; fails at the end of the stream.
    pub async fn sees(&mut self, wanted: &str, fits: impl Fn(&RawFrame) -> bool) -> RawFrame {
        let mut others = Vec::new();
        while let Some(frame) = self.next().await {
            if fits(&frame) {
                return frame;
            }
            others.push(frame);
        }
        panic!("the stream ended without {wanted}, after {}", shown(&others))
    }

    pub async fn sees_event(&mut self, event: &str) -> Value {
        self.sees(event, |frame| frame.json()["event"] == event).await.json()["data"].clone()
    }

    pub async fn sees_answer(&mut self, id: i64) -> Value {
        self.sees("an answer", |frame| frame.json()["ack"] == id).await.json()
    }

    /// Reads on until the close frame, which must have this code, and the end of the stream after it.
    pub async fn is_closed_with(&mut self, code: u16) {
        let frame = self
            .sees(&format!("a close with {code}"), |frame| frame.opcode == op::CLOSE)
            .await;
        assert_eq!(
            frame.close_code(),
            Some(code),
            "the close frame says {:?}",
            String::from_utf8_lossy(&frame.payload)
        );
        while self.next().await.is_some() {}
    }

    /// Says that nothing more will come, and waits until the server has closed too.
    pub async fn gives_up(mut self) {
        let _ = self.stream.shutdown().await;
        while self.fill().await {}
    }

    /// Everything up to the end of the stream.
    pub async fn rest(&mut self) -> Vec<RawFrame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// False at the end of the stream, whether it ended well or was reset.
    async fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        let read = timeout(DEADLINE + Duration::from_secs(1), self.stream.read(&mut chunk)).await;
        match read.expect("the server says something or closes") {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
        }
    }

    fn take_frame(&mut self) -> Option<RawFrame> {
        let [first, second] = *self.buffer.get(..2)? else {
            return None;
        };
        assert_eq!(second & MASKED, 0, "a server does not mask");
        let (head, length) = match second {
            126 => (
                4,
                u64::from(u16::from_be_bytes(self.buffer.get(2..4)?.try_into().ok()?)),
            ),
            127 => (10, u64::from_be_bytes(self.buffer.get(2..10)?.try_into().ok()?)),
            short => (2, u64::from(short)),
        };
        let end = head + length as usize;
        let payload = self.buffer.get(head..end)?.to_vec();
        self.buffer.drain(..end);
        Some(RawFrame {
            fin: first & FIN != 0,
            opcode: first & 0x0f,
            payload,
        })
    }
}

fn shown(frames: &[RawFrame]) -> String {
    frames
        .iter()
        .map(|frame| format!("\n  {} {:?}", frame.opcode, String::from_utf8_lossy(&frame.payload)))
        .collect()
}

/// A client's frame, whole.
pub fn frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let first = opcode | if fin { FIN } else { 0 };
    let mut bytes = head(first, MASKED, payload.len() as u64);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The head of a frame that declares a length, up to the mask.
pub fn head(first: u8, masked: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(masked | length as u8),
        126..65_536 => {
            bytes.push(masked | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

#[test]
fn frames_are_written_as_in_rfc_6455() {
    assert_eq!(
        frame(true, op::TEXT, b"hi"),
        [0x81, 0x82, 0x11, 0x22, 0x33, 0x44, b'h' ^ 0x11, b'i' ^ 0x22]
    );
    assert_eq!(head(0x81, 0x80, 125), [0x81, 0xfd]);
    assert_eq!(head(0x81, 0x80, 126), [0x81, 0xfe, 0, 126]);
    assert_eq!(head(0x81, 0x80, 1 << 40), [0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0]);
}
