//! WebSocket frames (RFC 6455 §5.2) as bytes: reading a client's frame header before its body has come, and writing the
//! server's frames. Called by `http` (reading) and `envelope` (writing); pure, no I/O. Fuzzed by `fuzz/`.

use bytes::{BufMut, BytesMut};

/// Most bytes a server's header takes.
pub const HEADER_MAX: usize = 10;

/// The operation codes that RFC 6455 defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// The next part of a fragmented message.
    Continuation,
    /// A text, or its first fragment.
    Text,
    /// A binary message, or its first fragment.
    Binary,
    /// Goodbye.
    Close,
    /// Are you there?
    Ping,
    /// I am.
    Pong,
}

impl Opcode {
    /// Whether it may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether the message ends here.
    pub fin: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// Whether the payload is masked: the key is the header's last four bytes.
    pub masked: bool,
    /// How long the payload is, as declared.
    pub payload_bytes: u64,
    /// How long the header itself is, the key among it.
    pub header_bytes: usize,
}

/// A header that RFC 6455 does not allow: the connection fails with 1002.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadHeader(pub &'static str);

impl Header {
    /// Reads a header off the front of `bytes`; `Ok(None)` when more bytes are needed. Neither the key nor the payload need
    /// be there yet: that is the point.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, BadHeader> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(BadHeader("a reserved bit is set"));
        }
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(BadHeader("an unknown operation code"))?;
        let fin = first & 0x80 != 0;
        let length_code = second & 0x7f;
        if opcode.is_control() && (!fin || length_code > 125) {
            return Err(BadHeader("a control frame that is fragmented or longer than 125 bytes"));
        }
        let (length_bytes, payload_bytes) = match length_code {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (2, u64::from(u16::from_be_bytes(*length))),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (8, u64::from_be_bytes(*length)),
                None => return Ok(None),
            },
            short => (0, u64::from(short)),
        };
        if payload_bytes > i64::MAX as u64 {
            return Err(BadHeader("a length with its highest bit set"));
        }
        let masked = second & 0x80 != 0;
        let header_bytes = 2 + length_bytes + if masked { 4 } else { 0 };
        Ok(Some(Self {
            fin,
            opcode,
            masked,
            payload_bytes,
            header_bytes,
        }))
    }

    /// The key that the payload is masked with, out of the frame whose header this is; `None` when it is not masked, or the
    /// key has not come yet.
    pub fn key(&self, frame: &[u8]) -> Option<[u8; 4]> {
        let before = frame.get(..self.header_bytes)?;
        before.last_chunk::<4>().copied().filter(|_| self.masked)
    }
}

/// Takes the mask off `payload` (or puts it on: it is the same).
pub fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (i, byte) in tail.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}

/// Appends an unmasked, unfragmented frame whose payload is `parts` one behind the other.
pub fn write(out: &mut BytesMut, opcode: Opcode, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(length + HEADER_MAX);
    out.put_u8(0x80 | opcode.bits());
    match length {
        0..=125 => out.put_u8(length as u8),
        126..=0xffff => {
            out.put_u8(126);
            out.put_u16(length as u16);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
    for part in parts {
        out.put_slice(part);
    }
}

/// Appends a text frame whose payload is `parts` one behind the other.
pub fn write_text(out: &mut BytesMut, parts: &[&[u8]]) {
    write(out, Opcode::Text, parts);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(bytes: &[u8]) -> Header {
        Header::read(bytes).unwrap().unwrap()
    }

    #[test]
    fn headers_of_every_length_are_read_before_the_body_comes() {
        assert_eq!(
            header(&[0x81, 0x85, 1, 2, 3, 4]),
            Header {
                fin: true,
                opcode: Opcode::Text,
                masked: true,
                payload_bytes: 5,
                header_bytes: 6
            }
        );
        assert_eq!(header(&[0x01, 0xfe, 0x10, 0, 1, 2, 3, 4]).payload_bytes, 4096);
        let huge = header(&[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!((huge.payload_bytes, huge.header_bytes), (1 << 40, 14));
        let whole = [0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        assert_eq!(huge.key(&whole), Some([1, 2, 3, 4]));
        assert_eq!(huge.key(&whole[..13]), None);
        for cut in 0..10 {
            assert_eq!(Header::read(&whole[..cut]), Ok(None), "{cut} bytes");
        }
    }

    #[test]
    fn what_the_rfc_forbids_is_refused() {
        for bad in [[0xc1, 0x80], [0x83, 0x80], [0x8b, 0x80], [0x09, 0x80], [0x89, 0xfe]] {
            assert!(Header::read(&bad).is_err(), "{bad:x?}");
        }
        assert!(Header::read(&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]).is_err());
    }

    #[test]
    fn masking_twice_gives_the_same() {
        let text: Vec<u8> = (0..100).collect();
        let mut masked = text.clone();
        unmask(&mut masked, [9, 8, 7, 6]);
        assert_eq!(masked[13], 13 ^ 8);
        unmask(&mut masked, [9, 8, 7, 6]);
        assert_eq!(masked, text);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let mut out = BytesMut::new();
            let payload = vec![b'x'; length];
            write_text(&mut out, &[&payload[..length / 2], &payload[length / 2..]]);
            let header = header(&out);
            assert_eq!(header.payload_bytes as usize, length);
            assert_eq!(out.len(), header.header_bytes + length);
        }
    }
}
