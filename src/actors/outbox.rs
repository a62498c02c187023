//! What waits to be written to one session's socket: ready frames, the budget they may take, and what happens beyond it.
//! Filled and flushed by the relay of the session's worker thread and by the session itself; never encodes, never blocks.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};

use crate::{
    domain::ConversationId,
    protocol::{CloseCode, envelope},
};

/// The way out to one client: a socket, without a word about what is written to it. Implemented by `http`, and by tests.
pub trait Wire {
    /// Writes what the kernel takes at once; `WouldBlock` when that is nothing.
    fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Whether something that was taken is not with the kernel yet: the wire is then to be tried again, with nothing if
    /// there is nothing. Only a wire that writes what it is given in another form keeps anything back.
    fn holds(&self) -> bool {
        false
    }
    /// Takes back what it keeps of a conversation and has begun to write nothing of.
    fn purge(&self, _conversation: ConversationId) {}
    /// Ready when `try_write` is worth trying again.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Says that nothing more will be written; may be said again.
    fn shut_write(&self);
    /// Ends the connection in both directions, whatever is still unsent.
    fn shut_down(&self);
}

/// Pieces gathered into one write.
const PIECES_A_WRITE: usize = 64;
/// Bytes after which one session's flush gives way to the next session.
const BYTES_A_TURN: usize = 256 * 1024;

struct Piece {
    /// Whose event it is: what a removal takes back. `None` for answers and events of no conversation.
    conversation: Option<ConversationId>,
    bytes: Bytes,
}

/// How far a flush came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Everything is with the kernel.
    Empty,
    /// The socket takes no more for now: wait for it to be writable.
    Blocked,
    /// This turn's share is used up; there is more.
    More,
    /// The close frame is out, or the socket is gone: the session is over.
    Over,
}

/// The queue of one session.
pub struct Outbox {
    wire: Box<dyn Wire>,
    queue: VecDeque<Piece>,
    queued_bytes: usize,
    /// Bytes of the first piece are out already: it can't be taken back.
    begun: bool,
    /// The most unsent bytes; more close the session with 4430.
    budget: usize,
    blocked: bool,
    closing: Option<CloseCode>,
    over: bool,
}

impl Outbox {
    /// An empty queue in front of `wire`, which may hold up to `budget` bytes.
    pub fn new(wire: Box<dyn Wire>, budget: usize) -> Self {
        Self {
            wire,
            queue: VecDeque::new(),
            queued_bytes: 0,
            begun: false,
            budget,
            blocked: false,
            closing: None,
            over: false,
        }
    }

    /// Whether more durable events may be queued: neither closing nor over.
    pub fn open(&self) -> bool {
        self.closing.is_none() && !self.over
    }

    /// The code it is being closed with.
    pub fn closing(&self) -> Option<CloseCode> {
        self.closing
    }

    /// Whether the connection has ended.
    pub fn over(&self) -> bool {
        self.over
    }

    /// Whether the socket took no more when last tried.
    pub fn blocked(&self) -> bool {
        self.blocked
    }

    /// Bytes that wait.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Queues a durable frame. Beyond the budget the session is too slow: what waits is dropped, it is closed with 4430,
    /// and the client will `sync`. False when nothing was queued.
    pub fn push(&mut self, conversation: Option<ConversationId>, bytes: Bytes) -> bool {
        if !self.open() || bytes.is_empty() {
            return false;
        }
        if self.queued_bytes + bytes.len() > self.budget && self.queued_bytes > 0 {
            self.close(CloseCode::TooSlow);
            return false;
        }
        self.queued_bytes += bytes.len();
        self.queue.push_back(Piece { conversation, bytes });
        true
    }

    /// Queues a frame that may be lost: dropped when anything waits. False when it was.
    pub fn push_volatile(&mut self, bytes: Bytes) -> bool {
        !self.blocked && self.push(None, bytes)
    }

    /// Takes back what is queued of `conversation`, unless it is being written already.
    pub fn purge(&mut self, conversation: ConversationId) {
        self.wire.purge(conversation);
        let begun = self.begun;
        let mut first = true;
        let mut freed = 0;
        self.queue.retain(|piece| {
            let keep = std::mem::take(&mut first) && begun || piece.conversation != Some(conversation);
            if !keep {
                freed += piece.bytes.len();
            }
            keep
        });
        self.queued_bytes -= freed;
    }

    /// Says goodbye with `code` behind what is queued, or, when the reader is too slow for that, in place of it.
    pub fn close(&mut self, code: CloseCode) {
        if !self.open() {
            return;
        }
        if code == CloseCode::TooSlow {
            self.drop_queued();
        }
        self.closing = Some(code);
        let bytes = envelope::close(code);
        self.queued_bytes += bytes.len();
        self.queue.push_back(Piece {
            conversation: None,
            bytes,
        });
    }

    /// Says that nothing more will be written.
    pub fn half_close(&mut self) {
        self.wire.shut_write();
    }

    /// Ends the connection at once.
    pub fn abort(&mut self) {
        if !self.over {
            self.wire.shut_down();
        }
        self.over = true;
        self.queue = VecDeque::new();
        self.queued_bytes = 0;
    }

    fn drop_queued(&mut self) {
        // A frame whose first bytes are out must be finished, or the close frame behind it would be read as its rest.
        self.queue.truncate(usize::from(self.begun));
        self.queued_bytes = self.queue.iter().map(|piece| piece.bytes.len()).sum();
    }

    /// Writes as much as the socket takes, up to a turn's share.
    pub fn flush(&mut self) -> Flushed {
        let mut written = 0;
        while !self.queue.is_empty() || self.wire.holds() {
            if written >= BYTES_A_TURN {
                return Flushed::More;
            }
            match self.write_some() {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Flushed::Blocked;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.abort();
                    return Flushed::Over;
                }
            }
        }
        self.blocked = false;
        if self.queue.capacity() > 16 {
            self.queue = VecDeque::new();
        }
        if self.closing.is_some() || self.over {
            Flushed::Over
        } else {
            Flushed::Empty
        }
    }

    fn write_some(&mut self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); PIECES_A_WRITE];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(&piece.bytes);
            count += 1;
        }
        let written = self.wire.try_write(&slices[..count])?;
        if written == 0 && count > 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.advance(written);
        Ok(written)
    }

    fn advance(&mut self, mut written: usize) {
        self.queued_bytes -= written;
        while let Some(piece) = self.queue.front_mut() {
            if written < piece.bytes.len() {
                self.begun |= written > 0;
                piece.bytes.advance(written);
                return;
            }
            written -= piece.bytes.len();
            self.begun = false;
            self.queue.pop_front();
        }
    }

    /// Waits for the socket after a flush that was blocked, then flushes again.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Flushed> {
        loop {
            match self.wire.poll_writable(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => {
                    self.abort();
                    return Poll::Ready(Flushed::Over);
                }
                Poll::Ready(Ok(())) => match self.flush() {
                    Flushed::Blocked => {}
                    done => return Poll::Ready(done),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    /// A socket that takes `room` bytes and then blocks.
    #[derive(Clone, Default)]
    struct Pipe(Rc<RefCell<(Vec<u8>, usize)>>);

    impl Pipe {
        fn with_room(room: usize) -> Self {
            let pipe = Self::default();
            pipe.0.borrow_mut().1 = room;
            pipe
        }
    }

    impl Wire for Pipe {
        fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            let (taken, room) = &mut *self.0.borrow_mut();
            if *room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
            let count = all.len().min(*room);
            taken.extend_from_slice(&all[..count]);
            *room -= count;
            Ok(count)
        }

        fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.0.borrow().1 > 0 {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }

        fn shut_write(&self) {}

        fn shut_down(&self) {}
    }

    fn conversation(n: u8) -> Option<ConversationId> {
        Some(ConversationId(uuid::Uuid::from_bytes([n; 16])))
    }

    #[test]
    fn pieces_go_out_in_order_over_blocked_writes() {
        let pipe = Pipe::with_room(7);
        let mut outbox = Outbox::new(Box::new(pipe.clone()), 100);
        for text in ["hello ", "wide ", "world"] {
            assert!(outbox.push(None, Bytes::from_static(text.as_bytes())));
        }
        assert_eq!(outbox.flush(), Flushed::Blocked);
        assert_eq!(outbox.queued_bytes(), 9);
        pipe.0.borrow_mut().1 = 100;
        assert_eq!(outbox.flush(), Flushed::Empty);
        assert_eq!(pipe.0.borrow().0, b"hello wide world");
    }

    #[test]
    fn a_slow_reader_is_closed_and_a_frame_begun_is_finished_first() {
        let pipe = Pipe::with_room(2);
        let mut outbox = Outbox::new(Box::new(pipe.clone()), 10);
        assert!(outbox.push(None, Bytes::from_static(b"abcdef")));
        assert_eq!(outbox.flush(), Flushed::Blocked);
        assert!(outbox.push(None, Bytes::from_static(b"ghijkl")));
        assert!(!outbox.push(None, Bytes::from_static(b"mnopqr")));
        assert_eq!(outbox.closing(), Some(CloseCode::TooSlow));
        pipe.0.borrow_mut().1 = 1000;
        assert_eq!(outbox.flush(), Flushed::Over);
        let mut expected = b"abcdef".to_vec();
        expected.extend_from_slice(&envelope::close(CloseCode::TooSlow));
        assert_eq!(pipe.0.borrow().0, expected);
    }

    #[test]
    fn what_is_volatile_is_dropped_while_anything_waits() {
        let pipe = Pipe::with_room(3);
        let mut outbox = Outbox::new(Box::new(pipe.clone()), 100);
        assert!(outbox.push_volatile(Bytes::from_static(b"abcdef")));
        assert_eq!(outbox.flush(), Flushed::Blocked);
        assert!(!outbox.push_volatile(Bytes::from_static(b"typing")));
    }

    #[test]
    fn a_removal_takes_back_what_is_queued_but_not_what_is_begun() {
        let pipe = Pipe::with_room(1);
        let mut outbox = Outbox::new(Box::new(pipe.clone()), 100);
        for (of, text) in [(1, "aa"), (2, "bb"), (1, "cc"), (2, "dd")] {
            outbox.push(conversation(of), Bytes::from(text));
        }
        assert_eq!(outbox.flush(), Flushed::Blocked);
        outbox.purge(conversation(1).unwrap());
        pipe.0.borrow_mut().1 = 100;
        assert_eq!(outbox.flush(), Flushed::Empty);
        assert_eq!(pipe.0.borrow().0, b"aabbdd");
        assert_eq!(outbox.queued_bytes(), 0);
    }
}
