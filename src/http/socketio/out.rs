//! How what waits for a client goes out: into a socket's frames as far as the kernel takes them, or into the payload that
//! answers a poll. Called by `engine`; keeps what it took and could not send, drops nothing.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{net::TcpStream, sync::oneshot};

use super::{
    engine::{Carrier, State, wake},
    packets::{Ahead, Packets, Said},
};
use crate::protocol::{
    engineio::SEPARATOR,
    frame::{Header, Opcode},
};

/// Bytes framed for a socket before they are written.
const CHUNK: usize = 64 * 1024;

/// The packet that ends a connection, as the last of several. It goes into a payload of its own: a stock client closes at once
/// when it comes to it, and looks at what stood before it only after that.
const END_BEHIND_OTHERS: &[u8] = b"\x1e1";

/// Writes one of our frames as packets.
pub type Encode<'a> = &'a mut dyn FnMut(Opcode, &[u8], &mut Packets<'_>);

impl State {
    /// To a socket: what was framed before, what is ahead, then frames of `pieces`; how many bytes of those were taken.
    pub fn write_socket(
        &mut self,
        stream: &TcpStream,
        pieces: &[IoSlice<'_>],
        encode: Encode<'_>,
    ) -> io::Result<usize> {
        drain(stream, &mut self.out)?;
        while !self.ahead.is_empty() {
            let mut packets = Packets::Frames(&mut self.out);
            while packets.len() < CHUNK
                && let Some(ahead) = self.ahead.pop_front()
            {
                packets.said(&ahead.said);
            }
            drain(stream, &mut self.out)?;
        }
        wake(&mut self.speaker);
        if pieces.is_empty() {
            return Ok(0);
        }
        if self.corked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = take_frames(pieces, CHUNK, &mut Packets::Frames(&mut self.out), encode);
        match drain(stream, &mut self.out) {
            // What was taken is kept: see `Engine::holds`.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// To a poll, which gets one payload; the same.
    pub fn answer_poll(
        &mut self,
        poll: oneshot::Sender<Bytes>,
        max_payload: usize,
        pieces: &[IoSlice<'_>],
        encode: Encode<'_>,
    ) -> io::Result<usize> {
        let mut payload = BytesMut::new();
        let mut packets = Packets::Payload(&mut payload);
        while packets.len() < max_payload
            && let Some(Ahead { said, .. }) = self.ahead.front()
            && (packets.is_empty() || packets.len() + said.payload_bytes() < max_payload)
        {
            packets.said(said);
            self.ahead.pop_front();
        }
        let taken = if self.corked || !self.ahead.is_empty() {
            0
        } else {
            take_frames(pieces, max_payload.saturating_sub(packets.len()), &mut packets, encode)
        };
        if payload.ends_with(END_BEHIND_OTHERS) {
            payload.truncate(payload.len() - END_BEHIND_OTHERS.len());
            self.ahead.push_back(Said::from("1").into());
        }
        if payload == "1" {
            // Whoever polls next would wait for nothing.
            self.carrier = Carrier::Gone;
        }
        if payload.is_empty() {
            self.carrier = Carrier::Polling(Some(poll));
        } else if let Err(unsent) = poll.send(payload.freeze()) {
            // The client went away in this moment: its next poll gets what this one would have.
            for packet in unsent.split(|byte| *byte == SEPARATOR).rev() {
                self.ahead.push_front(Said::Text(unsent.slice_ref(packet)).into());
            }
        }
        if self.ahead.is_empty() {
            wake(&mut self.speaker);
        }
        if taken == 0 && !pieces.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }
}

/// Encodes whole frames until there are about `bytes` of packets; how many bytes of frames that were.
fn take_frames(pieces: &[IoSlice<'_>], bytes: usize, packets: &mut Packets<'_>, encode: Encode<'_>) -> usize {
    let before = packets.len();
    let mut taken = 0;
    for piece in pieces {
        let mut rest = &**piece;
        while !rest.is_empty() {
            // At least one: a frame that is larger than a payload may be goes alone.
            if packets.len() - before >= bytes && taken > 0 {
                return taken;
            }
            let frame = Header::read(rest).ok().flatten();
            let end = frame.map_or(rest.len(), |header| header.header_bytes + header.payload_bytes as usize);
            let (whole, behind) = rest.split_at(end.min(rest.len()));
            if let Some(header) = frame {
                encode(
                    header.opcode,
                    whole.get(header.header_bytes..).unwrap_or_default(),
                    packets,
                );
            }
            taken += whole.len();
            rest = behind;
        }
    }
    taken
}

/// Writes what was framed; `WouldBlock` when some of it is left.
pub fn drain(stream: &TcpStream, out: &mut BytesMut) -> io::Result<()> {
    while !out.is_empty() {
        match stream.try_write(out) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => out.advance(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // An idle connection keeps no buffer.
    *out = BytesMut::new();
    Ok(())
}
