//! A socket without a network: what a client writes is the session's `Source`, what the session writes through its `Wire`
//! is the client's to read. The way down has a small buffer, as the kernel's, so that a client that stops reading is felt.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use parlor::actors::{
    outbox::Wire,
    session::{Input, Source},
};

/// What a client says.
#[derive(Debug)]
pub enum Up {
    Text(String),
    Pong,
    Close,
}

#[derive(Default)]
struct Pipe {
    up: VecDeque<Up>,
    down: Vec<u8>,
    /// Bytes that `down` takes.
    room: usize,
    /// The client is gone: what it said may still be read, then comes the end.
    cut: bool,
    /// The server writes no more.
    finished: bool,
    /// The server reads no more either.
    deaf: bool,
    /// Who waits for `up`, for room in `down`, for bytes in `down`.
    reader: Option<Waker>,
    writer: Option<Waker>,
    client: Option<Waker>,
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// One end of a connection. Clones are the same end.
#[derive(Clone)]
pub struct Socket(Rc<RefCell<Pipe>>);

impl Socket {
    pub fn with_room(room: usize) -> Socket {
        let pipe = Pipe {
            room,
            ..Pipe::default()
        };
        Socket(Rc::new(RefCell::new(pipe)))
    }

    /// The client says something.
    pub fn say(&self, up: Up) {
        let mut pipe = self.0.borrow_mut();
        pipe.up.push_back(up);
        wake(&mut pipe.reader);
    }

    /// The bytes that have come since last asked; `None` when there will never be more.
    pub async fn hear(&self) -> Option<Vec<u8>> {
        poll_fn(|cx| {
            let mut pipe = self.0.borrow_mut();
            if !pipe.down.is_empty() {
                wake(&mut pipe.writer);
                return Poll::Ready(Some(std::mem::take(&mut pipe.down)));
            }
            if pipe.finished {
                return Poll::Ready(None);
            }
            pipe.client = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The client is gone from one moment to the next; of what it said last only `arrives` gets through.
    pub fn cut(&self, arrives: usize) {
        let mut pipe = self.0.borrow_mut();
        pipe.cut = true;
        pipe.up.truncate(arrives);
        wake(&mut pipe.reader);
        wake(&mut pipe.writer);
    }

    /// How much the client said that was not read yet.
    pub fn unread(&self) -> usize {
        self.0.borrow().up.len()
    }
}

impl Wire for Socket {
    fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.cut || pipe.finished {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let before = pipe.down.len();
        for piece in pieces {
            let free = pipe.room - pipe.down.len();
            pipe.down.extend_from_slice(&piece[..piece.len().min(free)]);
        }
        if pipe.down.len() == before {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wake(&mut pipe.client);
        Ok(pipe.down.len() - before)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.0.borrow_mut();
        if pipe.cut || pipe.finished || pipe.down.len() < pipe.room {
            return Poll::Ready(Ok(()));
        }
        pipe.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn shut_write(&self) {
        let mut pipe = self.0.borrow_mut();
        pipe.finished = true;
        wake(&mut pipe.client);
    }

    fn shut_down(&self) {
        self.shut_write();
        let mut pipe = self.0.borrow_mut();
        pipe.deaf = true;
        wake(&mut pipe.reader);
    }
}

impl Socket {
    fn poll_up(&self, cx: &mut Context<'_>) -> Poll<Option<Up>> {
        let mut pipe = self.0.borrow_mut();
        if pipe.deaf {
            return Poll::Ready(None);
        }
        match pipe.up.pop_front() {
            Some(up) => Poll::Ready(Some(up)),
            None if pipe.cut => Poll::Ready(None),
            None => {
                pipe.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Source for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, take: &mut dyn FnMut(Input<'_>) -> bool) -> Poll<io::Result<()>> {
        let mut read = false;
        loop {
            // The pipe is not borrowed while the session looks at it: it may want to write.
            match self.poll_up(cx) {
                Poll::Ready(None) if !read => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Pending if !read => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => return Poll::Ready(Ok(())),
                Poll::Ready(Some(up)) => {
                    read = true;
                    let more = match &up {
                        Up::Text(text) => take(Input::Text(text)),
                        Up::Pong => take(Input::Pong),
                        Up::Close => take(Input::Close),
                    };
                    if !more {
                        self.0.borrow_mut().up.clear();
                    }
                }
            }
        }
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.poll_up(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(_)) => {}
            }
        }
    }
}
