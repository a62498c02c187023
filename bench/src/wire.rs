//! WebSocket frames by hand: reading what a server sends (unmasked) and writing what a client sends (masked).
//! Called by `conn` and `handshake` for every byte of the wire. Never copies a payload it reads, never allocates while
//! reading, and knows nothing of Parlor's events.

use std::fmt;

/// What Parlor sends at most (128 KiB), and room for the envelope around it. A header that promises more is refused
/// before its body is waited for, and a read buffer of twice this always makes progress.
pub const MAX_PAYLOAD: usize = 192 * 1024;

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

/// One frame in the reader's buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub fin: bool,
    pub opcode: u8,
    pub payload: &'a [u8],
}

/// Why the bytes are not frames of a server that keeps to RFC 6455 without extensions.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum WireError {
    Masked,
    ReservedBits,
    TooLong(u64),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masked => f.write_str("the server sent a masked frame"),
            Self::ReservedBits => f.write_str("the server set reserved bits without an extension"),
            Self::TooLong(len) => write!(f, "the server announced a frame of {len} bytes"),
        }
    }
}

/// The first frame in `bytes` and its length on the wire; `None` while it is not there as a whole.
#[inline]
pub fn next_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, WireError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(WireError::ReservedBits);
    }
    if second & 0x80 != 0 {
        return Err(WireError::Masked);
    }
    let (header, length) = match second & 0x7F {
        126 => match rest.first_chunk::<2>() {
            Some(long) => (4, u64::from(u16::from_be_bytes(*long))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(long) => (10, u64::from_be_bytes(*long)),
            None => return Ok(None),
        },
        short => (2, u64::from(short)),
    };
    if length > MAX_PAYLOAD as u64 {
        return Err(WireError::TooLong(length));
    }
    let end = header + length as usize;
    let Some(payload) = bytes.get(header..end) else {
        return Ok(None);
    };
    Ok(Some((
        Frame {
            fin: first & 0x80 != 0,
            opcode: first & 0x0F,
            payload,
        },
        end,
    )))
}

/// Appends one masked frame to `out`. Several calls before one write make one system call of many frames.
///
/// The key belongs to the connection and is not zero: zero would be legal and save the XOR, but the XOR of a short
/// frame costs ten nanoseconds against the microseconds of the write, and with a real key a server that unmasks
/// wrongly is found out. RFC 6455 wants a fresh key a frame because of proxies; there are none on loopback.
pub fn put_frame(out: &mut Vec<u8>, opcode: u8, mask: [u8; 4], payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        medium @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    for chunk in out[start..].chunks_mut(4) {
        for (byte, key) in chunk.iter_mut().zip(mask) {
            *byte ^= key;
        }
    }
}

/// The code of a close frame; 1005 (“none given”) for an empty one.
pub fn close_code(payload: &[u8]) -> u16 {
    payload
        .first_chunk::<2>()
        .map_or(1005, |code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..=125 => bytes.push(short as u8),
            medium @ 126..=0xFFFF => {
                bytes.push(126);
                bytes.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                bytes.push(127);
                bytes.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn reads_every_length_form() {
        for length in [0, 1, 125, 126, 127, 0xFFFF, 0x1_0000, MAX_PAYLOAD] {
            let payload = vec![b'x'; length];
            let bytes = server_frame(TEXT, &payload);
            let (frame, used) = next_frame(&bytes).unwrap().unwrap();
            assert_eq!((used, frame.fin, frame.opcode), (bytes.len(), true, TEXT));
            assert_eq!(frame.payload, payload);
        }
    }

    #[test]
    fn waits_for_the_rest_of_a_frame_cut_anywhere() {
        let bytes = server_frame(TEXT, &[b'x'; 300]);
        for cut in 0..bytes.len() {
            assert_eq!(next_frame(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn reads_several_frames_of_one_buffer() {
        let mut bytes = server_frame(TEXT, b"one");
        bytes.extend(server_frame(PING, b"two"));
        let (first, used) = next_frame(&bytes).unwrap().unwrap();
        let (second, rest) = next_frame(&bytes[used..]).unwrap().unwrap();
        assert_eq!(
            (first.payload, second.payload, second.opcode),
            (&b"one"[..], &b"two"[..], PING)
        );
        assert_eq!(used + rest, bytes.len());
    }

    #[test]
    fn refuses_what_no_server_may_send() {
        assert_eq!(next_frame(&[0x81, 0x80, 0, 0, 0, 0]), Err(WireError::Masked));
        assert_eq!(next_frame(&[0xC1, 0x00]), Err(WireError::ReservedBits));
        let mut endless = vec![0x81, 127];
        endless.extend_from_slice(&(1u64 << 40).to_be_bytes());
        assert_eq!(next_frame(&endless), Err(WireError::TooLong(1 << 40)));
    }

    #[test]
    fn a_written_frame_unmasks_to_its_payload() {
        for length in [0, 3, 4, 5, 125, 126, 0xFFFF, 0x1_0000] {
            let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mask = [1, 2, 3, 4];
            let mut out = Vec::new();
            put_frame(&mut out, TEXT, mask, &payload);
            let masked = &out[out.len() - length..];
            let plain: Vec<u8> = masked.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
            assert_eq!(plain, payload);
            assert_eq!(out[1] & 0x80, 0x80);
            assert_eq!(out[out.len() - length - 4..out.len() - length], mask);
        }
    }

    #[test]
    fn close_codes() {
        assert_eq!(close_code(&[0x11, 0x4E, b'x']), 4430);
        assert_eq!(close_code(&[]), 1005);
    }
}
