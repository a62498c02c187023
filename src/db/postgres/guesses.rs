//! Where conversations stand, as our own last commits left them: shared by the connections that append. Only a guess, since other
//! processes may have appended meanwhile; whoever uses one has the server compare it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::db::common::append::Head;

/// Conversations that are remembered. Beyond it all are forgotten.
const REMEMBERED: usize = 100_000;

/// See the file's head. Cheap to clone.
#[derive(Clone, Default)]
pub struct Guesses(Arc<Mutex<HashMap<i64, Head>>>);

impl Guesses {
    /// What is believed of some conversations, under one lock.
    pub fn look<T>(&self, look: impl FnOnce(&HashMap<i64, Head>) -> T) -> T {
        look(&self.lock())
    }

    /// Remembers what a commit left. One that is no more is none to guess about.
    pub fn learn(&self, left: impl IntoIterator<Item = (i64, Head)>) {
        let mut heads = self.lock();
        for (key, head) in left {
            if heads.len() >= REMEMBERED {
                heads.clear();
            }
            if head.deleted {
                heads.remove(&key);
            } else {
                heads.insert(key, head);
            }
        }
    }

    /// Of these we are in doubt.
    pub fn forget(&self, keys: impl IntoIterator<Item = i64>) {
        let mut heads = self.lock();
        for key in keys {
            heads.remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Head>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
