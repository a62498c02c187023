//! Where the owner of an Engine.IO session is found by requests that another worker took: from its `sid` to the way there.
//! Written by the owner, read by `polling` and `socket`. Holds sessions that poll; of those that have moved to a socket only
//! that they have.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use dashmap::DashMap;
use rand::{TryRng, rngs::SysRng};
use tokio::sync::{mpsc, oneshot};

use super::reader::Owned;
use crate::domain::UserId;

/// Requests of one session that may wait for its owner: a client has two under way, and may be taken for one that has more.
const ERRANDS: usize = 16;

/// Random bytes of a `sid`: it cannot be guessed.
const SID_BYTES: usize = 15;

/// A new `sid`; `None` when the operating system gives no randomness.
pub fn new_sid() -> Option<String> {
    let mut bytes = [0; SID_BYTES];
    SysRng.try_fill_bytes(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// Something that a request brings to the session's owner. One that drops it unanswered refuses it.
pub enum Errand {
    /// A client waits for packets: the answer is a payload.
    Poll(oneshot::Sender<Bytes>),
    /// Packets came; answered when all are taken.
    Post(Vec<Owned>, oneshot::Sender<()>),
    /// A socket to move to, and what came behind its handshake.
    Upgrade(std::net::TcpStream, Vec<u8>),
    /// The client broke the protocol: the session is over.
    Offence,
}

/// A session that polls, as other workers see it.
pub struct Handle {
    errands: mpsc::Sender<Errand>,
    /// A POST is under way: a second one is an offence.
    posting: AtomicBool,
    /// Whose session it is, once they have said so.
    user: OnceLock<UserId>,
    /// The token that a request last showed and that was found to be the user's: it need not be looked at again.
    shown: Mutex<Option<Box<str>>>,
}

impl Handle {
    /// Hands an errand over; false when the owner is gone or has too many.
    pub fn send(&self, errand: Errand) -> bool {
        self.errands.try_send(errand).is_ok()
    }

    /// Begins a POST; `None` while another is under way.
    pub fn begin_post(self: &Arc<Self>) -> Option<Posting> {
        let begun = !self.posting.swap(true, Ordering::AcqRel);
        begun.then(|| Posting(self.clone()))
    }

    /// It is this user's from now on.
    pub fn bind(&self, user: UserId) {
        // Bound once: a session has one user.
        let _ = self.user.set(user);
    }

    /// Whose it is.
    pub fn user(&self) -> Option<&UserId> {
        self.user.get()
    }

    /// Whether this token is known to be the user's.
    pub fn knows(&self, token: &str) -> bool {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.as_deref() == Some(token)
    }

    /// This token is the user's.
    pub fn learn(&self, token: &str) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.into());
    }
}

/// A POST under way.
pub struct Posting(Arc<Handle>);

impl Drop for Posting {
    fn drop(&mut self) {
        self.0.posting.store(false, Ordering::Release);
    }
}

/// What is behind a `sid`.
#[derive(Clone)]
pub enum Place {
    /// A session that polls.
    Polling(Arc<Handle>),
    /// One that has moved to a socket.
    Moved,
}

/// See the file's head. One for all workers.
#[derive(Default)]
pub struct Registry(DashMap<String, Place>);

impl Registry {
    /// Takes a session in that polls; what is brought to it comes out of the receiver.
    pub fn insert(&self, sid: &str) -> (Arc<Handle>, mpsc::Receiver<Errand>) {
        let (errands, receiver) = mpsc::channel(ERRANDS);
        let handle = Arc::new(Handle {
            errands,
            posting: AtomicBool::new(false),
            user: OnceLock::new(),
            shown: Mutex::default(),
        });
        self.0.insert(sid.to_owned(), Place::Polling(handle.clone()));
        (handle, receiver)
    }

    /// What is behind a `sid`.
    pub fn get(&self, sid: &str) -> Option<Place> {
        self.0.get(sid).map(|place| place.clone())
    }

    /// The session has moved to a socket.
    pub fn moved(&self, sid: &str) {
        self.0.insert(sid.to_owned(), Place::Moved);
    }

    /// The session is over.
    pub fn remove(&self, sid: &str) {
        self.0.remove(sid);
    }
}
