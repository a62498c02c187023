//! One connection's bytes: what it read and could not use yet, what it has to write. Owned by `shard`, filled by `drive`.
//! It has no read buffer of its own (the thread has one for all), and never judges what it carries.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use crate::check::Position;
use crate::wire;

/// Above this many unwritten bytes nothing more is sent: the server is not reading.
const FULL: usize = 256 * 1024;

/// What became of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Waiting,
    /// Committed at this position.
    Acked(u64),
    Refused,
    /// The server could not tell (or its answer was wrong): it may stand in the conversation or not.
    Unknown,
}

#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// In open loop the intended time.
    pub at: u64,
    pub outcome: Outcome,
}

pub struct Conn {
    stream: TcpStream,
    /// The connection's number in the whole run, over all threads.
    pub number: u32,
    pub room: Option<usize>,
    pub position: Position,
    pub sends: Vec<Sent>,
    /// Sends that still take a place in the window of `--in-flight`.
    pub outstanding: usize,
    /// Sends without an answer.
    pub unanswered: usize,
    /// Intended times of sends that the window holds back (open loop).
    pub backlog: VecDeque<u64>,
    /// After a refusal a sender waits: a closed loop would spin on errors.
    pub paused_until: u64,
    pub closed: bool,
    /// In the shard's list of connections that may send: kept here so that the list has each once.
    pub queued: bool,
    /// The part of a frame that the last read ended with.
    carry: Vec<u8>,
    pub fragments: Vec<u8>,
    out: Vec<u8>,
    mask: [u8; 4],
    /// Of the connection's task: somebody else wrote for it, and the socket was full.
    waker: Option<Waker>,
}

impl Conn {
    /// `carry` is what came behind the `ready` event in the same read.
    pub fn new(stream: TcpStream, number: u32, room: Option<usize>, carry: Vec<u8>) -> Self {
        Self {
            stream,
            number,
            room,
            position: Position::default(),
            sends: Vec::new(),
            outstanding: 0,
            unanswered: 0,
            backlog: VecDeque::new(),
            paused_until: 0,
            closed: false,
            queued: false,
            carry,
            fragments: Vec::new(),
            out: Vec::new(),
            mask: number.wrapping_mul(0x9E37_79B9).wrapping_add(0x5bd1_e995).to_be_bytes(),
            waker: None,
        }
    }

    /// Reads into the thread's buffer, behind what was kept of the last read; the bytes in it from its start.
    ///
    /// `poll_read` rather than `try_read`: it forgets the readiness after a short read, which spares the second call
    /// that would only say “nothing more”.
    pub fn poll_read(&mut self, context: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<usize>> {
        let kept = self.carry.len();
        scratch[..kept].copy_from_slice(&self.carry);
        let mut buffer = ReadBuf::new(&mut scratch[kept..]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.carry.clear();
        Poll::Ready(Ok(kept + read))
    }

    pub fn keep(&mut self, rest: &[u8]) {
        self.carry.extend_from_slice(rest);
    }

    pub fn queue(&mut self, opcode: u8, payload: &[u8]) {
        wire::put_frame(&mut self.out, opcode, self.mask, payload);
    }

    pub fn is_full(&self) -> bool {
        self.out.len() > FULL
    }

    /// Writes what is queued in one call; what the socket does not take is left to the connection's own task.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Some(waker) = self.waker.take() {
                        waker.wake();
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The task's own flush: registers for the moment when the socket takes more.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.poll_write_ready(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) => match self.stream.try_write(&self.out) {
                    Ok(written) => drop(self.out.drain(..written)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                },
            }
        }
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            self.waker = Some(context.waker().clone());
        }
        Ok(())
    }
}
