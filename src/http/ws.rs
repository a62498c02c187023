//! The WebSocket door: takes a connection over at the upgrade, so that nothing of HTTP's machinery and buffers stays behind
//! it (1 to 2 KiB for an idle connection instead of 11), reads its frames and hands whole texts to a session. Refuses what
//! is too big at the frame's header, before the body is read. Never knows what the texts mean.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::net::TcpStream;

use crate::{
    actors::{
        outbox::Wire,
        session::{Input, Source},
    },
    domain::limits,
    protocol::{
        CloseCode,
        frame::{self, Header, Opcode},
    },
};

/// Where a worker's sessions read into, one after the other: an idle connection has no buffer of its own.
pub type Scratch = Rc<RefCell<Box<[u8]>>>;

/// Bytes read at once.
const SCRATCH_BYTES: usize = 64 * 1024;

/// A scratch buffer for one worker.
pub fn scratch() -> Scratch {
    Rc::new(RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()))
}

/// The way out: the socket as it is.
pub struct Socket(pub Rc<TcpStream>);

impl Wire for Socket {
    fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx)
    }

    fn shut_write(&self) {
        // Fails when the peer is gone already: then there is nothing to say.
        let _ = socket2::SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write);
    }

    fn shut_down(&self) {
        let _ = socket2::SockRef::from(&*self.0).shutdown(std::net::Shutdown::Both);
    }
}

/// The way in: frames put together to texts.
pub struct Frames {
    stream: Rc<TcpStream>,
    scratch: Scratch,
    /// What came behind the handshake in the same read.
    early: Vec<u8>,
    assembly: Assembly,
}

impl Frames {
    /// Reads from `stream`, `early` bytes of which were read already; takes what `rules` allow.
    pub fn new(stream: Rc<TcpStream>, scratch: Scratch, early: Vec<u8>, rules: Rules) -> Self {
        Self {
            stream,
            scratch,
            early,
            assembly: Assembly::new(rules),
        }
    }
}

impl Source for Frames {
    fn poll_read(&mut self, cx: &mut Context<'_>, take: &mut dyn FnMut(Input<'_>) -> bool) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let mut early = std::mem::take(&mut self.early);
            self.assembly.feed(&mut early, take);
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            let mut scratch = self.scratch.borrow_mut();
            match self.stream.try_read(&mut scratch) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.assembly.feed(&mut scratch[..count], take);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            match self.stream.try_read(&mut self.scratch.borrow_mut()) {
                Ok(0) => return Poll::Ready(()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(()),
                _ => {}
            }
        }
    }
}

/// What a client's frames may be.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The most bytes of a message.
    pub message_bytes: usize,
    /// The most fragments that it comes in.
    pub fragments: usize,
    /// Whether binary messages are taken.
    pub binary: bool,
}

impl Default for Rules {
    /// Those of the plain envelope.
    fn default() -> Self {
        Self {
            message_bytes: limits::FRAME_BYTES,
            fragments: limits::FRAGMENTS,
            binary: false,
        }
    }
}

/// Puts frames together (RFC 6455 §5). Pure: bytes in, inputs out; fuzzed by `fuzz/`.
#[derive(Debug, Default)]
pub struct Assembly {
    /// The beginning of a frame whose rest has not come yet.
    partial: Vec<u8>,
    /// The fragments of a message so far; `None` when none is under way.
    message: Option<Vec<u8>>,
    /// Whether that is a binary one.
    binary: bool,
    fragments: usize,
    rules: Rules,
    /// Nothing more is taken: the rules were broken, or the client or the session said goodbye.
    done: bool,
}

impl Assembly {
    /// Takes what `rules` allow.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Takes in bytes as they came; unmasks them in place.
    pub fn feed(&mut self, bytes: &mut [u8], take: &mut dyn FnMut(Input<'_>) -> bool) {
        if self.done {
            return;
        }
        if self.partial.is_empty() {
            let used = self.parse(bytes, take);
            if !self.done {
                self.partial.extend_from_slice(&bytes[used..]);
            }
            return;
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(bytes);
        let used = self.parse(&mut joined, take);
        if !self.done && used < joined.len() {
            joined.drain(..used);
            self.partial = joined;
        }
    }

    /// Bytes that wait for the rest of their frame or message: bounded by two frames.
    pub fn held(&self) -> usize {
        self.partial.len() + self.message.as_ref().map_or(0, Vec::len)
    }

    /// Takes every whole frame off the front; how many bytes that was.
    fn parse(&mut self, bytes: &mut [u8], take: &mut dyn FnMut(Input<'_>) -> bool) -> usize {
        let mut used = 0;
        while !self.done {
            match self.frame(&mut bytes[used..], take) {
                Ok(Some(count)) => used += count,
                Ok(None) => break,
                Err(code) => {
                    take(Input::Violation(code));
                    self.done = true;
                }
            }
        }
        used
    }

    /// Takes one frame; its length, or `None` when it is not all there.
    fn frame(&mut self, bytes: &mut [u8], take: &mut dyn FnMut(Input<'_>) -> bool) -> Result<Option<usize>, CloseCode> {
        let Some(header) = Header::read(bytes).map_err(|_| CloseCode::ProtocolError)? else {
            return Ok(None);
        };
        if !header.masked {
            return Err(CloseCode::ProtocolError);
        }
        // A ping between the fragments of a message is no part of it.
        let message = self.message.as_ref().filter(|_| !header.opcode.is_control());
        let collected = message.map_or(0, Vec::len) as u64;
        if header.payload_bytes.saturating_add(collected) > self.rules.message_bytes as u64 {
            return Err(CloseCode::TooBig);
        }
        if header.opcode == Opcode::Binary && !self.rules.binary {
            return Err(CloseCode::Unsupported);
        }
        let end = header.header_bytes + header.payload_bytes as usize;
        let Some(key) = header.key(bytes) else { return Ok(None) };
        let Some(payload) = bytes.get_mut(header.header_bytes..end) else {
            return Ok(None);
        };
        frame::unmask(payload, key);
        let more = match (header.opcode, header.fin) {
            (Opcode::Text, true) if self.message.is_none() => take(text(payload)?),
            (Opcode::Binary, true) if self.message.is_none() => take(Input::Binary(payload)),
            (Opcode::Text | Opcode::Binary, false) if self.message.is_none() => {
                self.message = Some(payload.to_vec());
                self.binary = header.opcode == Opcode::Binary;
                self.fragments = 1;
                true
            }
            (Opcode::Continuation, fin) => self.continuation(payload, fin, take)?,
            (Opcode::Ping, _) => take(Input::Ping(payload)),
            (Opcode::Pong, _) => take(Input::Pong),
            (Opcode::Close, _) => {
                check_close(payload)?;
                take(Input::Close);
                false
            }
            (Opcode::Text | Opcode::Binary, _) => return Err(CloseCode::ProtocolError),
        };
        self.done = !more;
        Ok(Some(end))
    }

    fn continuation(
        &mut self,
        payload: &[u8],
        fin: bool,
        take: &mut dyn FnMut(Input<'_>) -> bool,
    ) -> Result<bool, CloseCode> {
        let message = self.message.as_mut().ok_or(CloseCode::ProtocolError)?;
        self.fragments += 1;
        if self.fragments > self.rules.fragments {
            return Err(CloseCode::TooBig);
        }
        message.extend_from_slice(payload);
        if !fin {
            return Ok(true);
        }
        let whole = self.message.take().unwrap_or_default();
        Ok(take(if self.binary {
            Input::Binary(&whole)
        } else {
            text(&whole)?
        }))
    }
}

fn text(payload: &[u8]) -> Result<Input<'_>, CloseCode> {
    std::str::from_utf8(payload)
        .map(Input::Text)
        .map_err(|_| CloseCode::NotUtf8)
}

/// RFC 6455 §5.5.1 and §7.4: nothing, or a code that may stand on the wire and a reason in UTF-8.
fn check_close(payload: &[u8]) -> Result<(), CloseCode> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(())
        } else {
            Err(CloseCode::ProtocolError)
        };
    };
    match u16::from_be_bytes(*code) {
        1000..=1003 | 1007..=1014 | 3000..=4999 => {}
        _ => return Err(CloseCode::ProtocolError),
    }
    std::str::from_utf8(reason).map(drop).map_err(|_| CloseCode::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let key = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(&key);
        let at = frame.len();
        frame.extend_from_slice(payload);
        frame::unmask(&mut frame[at..], key);
        frame
    }

    fn inputs(assembly: &mut Assembly, bytes: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        assembly.feed(&mut bytes.to_vec(), &mut |input| {
            seen.push(format!("{input:?}"));
            true
        });
        seen
    }

    #[test]
    fn frames_cut_anywhere_give_the_same_texts() {
        let mut bytes = client_frame(0x81, b"one");
        bytes.extend(client_frame(0x01, "tw\u{e4}".as_bytes()));
        bytes.extend(client_frame(0x89, b"p"));
        bytes.extend(client_frame(0x80, &[b'x'; 300]));
        let whole = inputs(&mut Assembly::default(), &bytes);
        assert_eq!(whole.len(), 3);
        for cut in 0..bytes.len() {
            let mut assembly = Assembly::default();
            let mut seen = inputs(&mut assembly, &bytes[..cut]);
            seen.extend(inputs(&mut assembly, &bytes[cut..]));
            assert_eq!(seen, whole, "cut at {cut}");
            assert!(assembly.partial.is_empty());
        }
    }

    #[test]
    fn a_frame_that_declares_too_much_is_refused_at_its_header() {
        let mut header = vec![0x81, 0xff];
        header.extend_from_slice(&(1u64 << 40).to_be_bytes());
        header.extend_from_slice(&[0; 4]);
        assert_eq!(inputs(&mut Assembly::default(), &header), ["Violation(TooBig)"]);
    }

    #[test]
    fn every_breach_has_its_code() {
        let mut unmasked = client_frame(0x81, b"x");
        unmasked[1] = 1;
        for (bytes, code) in [
            (unmasked, "ProtocolError"),
            (client_frame(0x82, b"x"), "Unsupported"),
            (client_frame(0x81, &[0xff]), "NotUtf8"),
            (client_frame(0x80, b"x"), "ProtocolError"),
            (client_frame(0x88, &[3]), "ProtocolError"),
            (client_frame(0x88, &1005u16.to_be_bytes()), "ProtocolError"),
            (client_frame(0x88, &[3, 232, 0xff]), "NotUtf8"),
        ] {
            assert_eq!(inputs(&mut Assembly::default(), &bytes), [format!("Violation({code})")]);
        }
        let mut twice = client_frame(0x01, b"x");
        twice.extend(client_frame(0x81, b"y"));
        assert_eq!(inputs(&mut Assembly::default(), &twice), ["Violation(ProtocolError)"]);
    }

    #[test]
    fn fragments_are_bounded_in_number_and_together() {
        let mut many = client_frame(0x01, b"x");
        for _ in 0..limits::FRAGMENTS {
            many.extend(client_frame(0x00, b"x"));
        }
        assert_eq!(inputs(&mut Assembly::default(), &many), ["Violation(TooBig)"]);
        let mut large = client_frame(0x01, &[b'x'; 60_000]);
        large.extend(client_frame(0x00, &[b'x'; 60_000]));
        large.extend(client_frame(0x00, &[b'x'; 20_000]));
        assert_eq!(inputs(&mut Assembly::default(), &large), ["Violation(TooBig)"]);
    }

    #[test]
    fn a_ping_between_the_fragments_of_the_largest_message_is_no_part_of_it() {
        let mut bytes = client_frame(0x01, &[b'x'; 60_000]);
        bytes.extend(client_frame(0x00, &[b'x'; 60_000]));
        bytes.extend(client_frame(0x00, &[b'x'; limits::FRAME_BYTES - 120_000]));
        bytes.extend(client_frame(0x89, b"still there?"));
        bytes.extend(client_frame(0x80, b""));
        let seen = inputs(&mut Assembly::default(), &bytes);
        assert!(seen[0].starts_with("Ping"), "{}", seen[0]);
        assert!(seen[1].starts_with("Text"), "{}", &seen[1][..20]);
    }

    #[test]
    fn nothing_is_read_after_goodbye() {
        let mut bytes = client_frame(0x88, &1000u16.to_be_bytes());
        bytes.extend(client_frame(0x81, b"late"));
        assert_eq!(inputs(&mut Assembly::default(), &bytes), ["Close"]);
    }
}
