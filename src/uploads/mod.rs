//! Pictures that users upload: looking at them, and keeping them as files. Called by `actors` (the command that takes one, the
//! sweeper) and by `http` (which serves them). Knows nothing of the store: whose a picture is, and whether it was posted, is
//! there.

mod files;
pub mod inspect;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rand::{TryRng, rngs::SysRng};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

pub use self::{
    files::{FileError, Files, Written},
    inspect::{Picture, Unfit},
};
use crate::domain::{ImageType, UploadName, UserKey};

/// Pictures decoded at once: each takes a core. A large one takes all places.
const DECODERS: u32 = 2;
/// Memory from which on a picture is large.
const LARGE: u64 = 32 << 20;
/// Uploads under way at once, and how many of them may be of one user: each holds up to 2 MB twice.
const PLACES: usize = 64;
/// See [`PLACES`].
const PLACES_OF_ONE: u32 = 2;

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is not what is taken here.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// It could not be kept.
    #[error(transparent)]
    File(#[from] FileError),
    /// The machine gave no randomness, or a thread was lost.
    #[error("{0}")]
    Broken(String),
}

/// Uploads of this node.
#[derive(Debug)]
pub struct Uploads {
    /// Where they are kept.
    pub files: Arc<Files>,
    decoders: Arc<Semaphore>,
    places: Arc<Places>,
}

/// Who has how many uploads under way, and the bell for those who wait.
#[derive(Debug, Default)]
struct Places {
    taken: Mutex<HashMap<UserKey, u32>>,
    freed: Notify,
}

impl Uploads {
    /// Kept in `files`.
    pub fn new(files: Files) -> Self {
        Self {
            files: Arc::new(files),
            decoders: Arc::new(Semaphore::new(DECODERS as usize)),
            places: Arc::default(),
        }
    }

    /// A place among the uploads under way, before the first byte is read. Waits for one, however long.
    pub async fn enter(&self, user: UserKey) -> Place {
        loop {
            // From here on the bell is heard.
            let freed = self.places.freed.notified();
            if let Some(place) = self.try_enter(user) {
                return place;
            }
            freed.await;
        }
    }

    /// A place; `None` when all are taken, or those of `user`.
    fn try_enter(&self, user: UserKey) -> Option<Place> {
        let mut places = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = places.values().sum();
        let own = places.get(&user).copied().unwrap_or_default();
        if all as usize >= PLACES || own >= PLACES_OF_ONE {
            return None;
        }
        places.insert(user, own + 1);
        Some(Place {
            user,
            places: self.places.clone(),
        })
    }

    /// The picture that a file is, without what does not belong to it, decoded to its last pixel. Waits for its turn.
    pub async fn inspect(&self, file: Bytes) -> Result<Picture, UploadError> {
        let picture = off_the_loop(move || inspect::open(&file)).await??;
        let permit = self.turn(&picture).await?;
        off_the_loop(move || {
            let decoded = inspect::decode(&picture);
            drop(permit);
            decoded.map(|()| picture)
        })
        .await?
        .map_err(UploadError::from)
    }

    async fn turn(&self, picture: &Picture) -> Result<OwnedSemaphorePermit, UploadError> {
        let weight = if picture.unpacked > LARGE { DECODERS } else { 1 };
        let turn = self.decoders.clone().acquire_many_owned(weight).await;
        turn.map_err(|error| UploadError::Broken(error.to_string()))
    }

    /// Keeps a picture under a new name, until what is given back is dropped.
    pub async fn keep(&self, picture: Picture) -> Result<(UploadName, Written), UploadError> {
        let name = new_name(picture.kind)?;
        let (files, wanted) = (self.files.clone(), name.clone());
        let written = off_the_loop(move || files.write(&wanted, &picture.bytes)).await??;
        Ok((name, written))
    }
}

/// 130 secret bits: who knows the name may see the picture.
fn new_name(kind: ImageType) -> Result<UploadName, UploadError> {
    let mut secret = [0; 26];
    SysRng
        .try_fill_bytes(&mut secret)
        .map_err(|error| UploadError::Broken(error.to_string()))?;
    Ok(UploadName::new(secret, kind))
}

/// Runs `work` on a thread for blocking work. A decoder that panics costs its picture only.
async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, UploadError> {
    spawn_blocking(work)
        .await
        .map_err(|error| UploadError::Broken(format!("a picture could not be looked at: {error}")))
}

/// One upload under way.
#[derive(Debug)]
#[must_use = "the place is free again when it is dropped"]
pub struct Place {
    user: UserKey,
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.user);
            }
        }
        drop(taken);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploads() -> (tempfile::TempDir, Uploads) {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(Files::new(dir.path().to_owned(), 0));
        (dir, uploads)
    }

    #[test]
    fn places_are_bounded_for_one_and_for_all() {
        let (_dir, uploads) = uploads();
        let one = uploads.try_enter(UserKey(0)).unwrap();
        let _two = uploads.try_enter(UserKey(0)).unwrap();
        assert!(uploads.try_enter(UserKey(0)).is_none());
        drop(one);
        let _again = uploads.try_enter(UserKey(0)).unwrap();
        let others: Vec<Place> = (1..1000).map_while(|key| uploads.try_enter(UserKey(key))).collect();
        assert_eq!(others.len(), PLACES - 2);
        drop(others);
        assert_eq!(uploads.places.taken.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn who_finds_no_place_gets_one_that_is_freed() {
        let (_dir, uploads) = uploads();
        let uploads = Arc::new(uploads);
        let (one, two) = (uploads.enter(UserKey(0)).await, uploads.enter(UserKey(0)).await);
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let uploads = uploads.clone();
                tokio::spawn(async move { drop(uploads.enter(UserKey(0)).await) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
        drop(one);
        for waiting in waiting {
            waiting.await.unwrap();
        }
        drop(two);
        assert!(uploads.places.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn names_do_not_repeat() {
        let names: std::collections::HashSet<UploadName> =
            (0..1000).map(|_| new_name(ImageType::Gif).unwrap()).collect();
        assert_eq!(names.len(), 1000);
    }
}
