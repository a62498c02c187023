//! The pool of reading connections. Each read is one transaction, so one snapshot, on a thread for blocking work. Called
//! by the store's methods from any tokio runtime, also a single-threaded one.
//!
//! A thread that has read goes on with what waits, as long as something does: handing a connection to whoever is next would
//! wake two threads a read, and where the machine is busy each of them waits for its turn. A chat as it is used
//! (`parlor-bench mixed`) does twice as much this way.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use diesel::{
    Connection, SqliteConnection,
    r2d2::{ConnectionManager, Pool},
};
use tokio::{sync::oneshot, task::spawn_blocking, time::timeout};

use super::{OpenError, connection};
use crate::db::StoreError;

/// How long a read waits for a connection.
const WAIT: Duration = Duration::from_secs(5);
/// Reads that may wait at once. Beyond it the store is `Unavailable` at once.
const QUEUE: usize = 4096;

/// A read: what to do with a connection, or with the reason why there is none.
type Job = Box<dyn FnOnce(Result<&mut SqliteConnection, StoreError>) + Send>;

/// The pool, and the reads that wait for one of its connections.
#[derive(Clone)]
pub struct Readers {
    pool: Pool<ConnectionManager<SqliteConnection>>,
    waiting: Arc<Mutex<Waiting>>,
    size: u32,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(u64, Job)>,
    /// The number of the next job.
    next: u64,
    /// Threads that take from the queue.
    threads: u32,
}

impl Readers {
    /// Opens `size` connections.
    pub fn open(path: &Path, size: u32, busy_timeout: Duration) -> Result<Self, OpenError> {
        let url = path.to_str().ok_or_else(|| OpenError::Path(path.to_owned()))?;
        let pool = Pool::builder()
            .max_size(size)
            .connection_timeout(WAIT)
            .test_on_check_out(false)
            .connection_customizer(Box::new(connection::Reader { busy_timeout }))
            .build(ConnectionManager::new(url))
            .map_err(OpenError::database)?;
        Ok(Self {
            pool,
            waiting: Arc::default(),
            size,
        })
    }

    /// Runs `work` in a read transaction. `Unavailable` when no connection is free within five seconds, or too many wait.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let (answer, mut outcome) = oneshot::channel();
        let number = self.push(Box::new(move |connection| {
            let read = connection.and_then(|connection| SqliteConnection::transaction(connection, work));
            // Whoever asked may be gone.
            let _ = answer.send(read);
        }))?;
        let read = match timeout(WAIT, &mut outcome).await {
            Ok(read) => read,
            Err(_) if self.withdraw(number) => {
                return Err(StoreError::Unavailable("every connection is in use".to_owned()));
            }
            // It has begun.
            Err(_) => outcome.await,
        };
        read.unwrap_or_else(|_| Err(StoreError::Broken("a read ended in a panic".to_owned())))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a read, and sees to it that somebody does it.
    fn push(&self, job: Job) -> Result<u64, StoreError> {
        let mut waiting = self.lock();
        if waiting.jobs.len() >= QUEUE {
            return Err(StoreError::Unavailable(format!("{QUEUE} reads are waiting")));
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.jobs.push_back((number, job));
        if waiting.threads < self.size {
            waiting.threads += 1;
            drop(waiting);
            let place = Place {
                readers: self.clone(),
                given_up: false,
            };
            spawn_blocking(move || place.work());
        }
        Ok(number)
    }

    /// Takes a read out of the queue; false: it was begun.
    fn withdraw(&self, number: u64) -> bool {
        let mut waiting = self.lock();
        // They stand in the order of their numbers, and those that give up first stand in front.
        let found = waiting.jobs.binary_search_by_key(&number, |(number, _)| *number);
        found.is_ok_and(|place| waiting.jobs.remove(place).is_some())
    }

    /// Connections: (in use, open).
    pub fn state(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections - state.idle_connections, state.connections)
    }
}

/// The place of a thread that takes from the queue. Given up when there is nothing in it; also when the thread never begins,
/// since its runtime ends first.
struct Place {
    readers: Readers,
    given_up: bool,
}

impl Place {
    fn work(mut self) {
        while let Some(job) = self.next() {
            let pool = &self.readers.pool;
            let read = || match pool.get() {
                Ok(mut connection) => job(Ok(&mut connection)),
                Err(error) => job(Err(StoreError::Unavailable(error.to_string()))),
            };
            if catch_unwind(AssertUnwindSafe(read)).is_err() {
                log::error!(target: "parlor::db", "a read ended in a panic");
            }
        }
    }

    fn next(&mut self) -> Option<Job> {
        let mut waiting = self.readers.lock();
        let next = waiting.jobs.pop_front();
        if next.is_none() {
            waiting.threads -= 1;
            self.given_up = true;
        }
        next.map(|(_, job)| job)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.given_up {
            self.readers.lock().threads -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_read_that_finds_no_connection_in_time_is_unavailable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        connection::writer(&path, Duration::ZERO).unwrap();
        let readers = Readers::open(&path, 1, Duration::ZERO).unwrap();
        let (release, released) = mpsc::channel::<()>();
        let holder = readers.clone();
        let (begin, begun) = oneshot::channel();
        let hold = move |_: &mut SqliteConnection| {
            let _ = begin.send(());
            Ok(released.recv().is_ok())
        };
        let held = tokio::spawn(async move { holder.read(hold).await });
        begun.await.unwrap();
        let waiting = readers.clone();
        let refused = tokio::spawn(async move { waiting.read(|_| Ok(())).await });
        tokio::task::yield_now().await;
        tokio::time::advance(WAIT + Duration::from_millis(1)).await;
        let refused = refused.await.unwrap();
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert_eq!(readers.state().1, 1);
        release.send(()).unwrap();
        assert!(held.await.unwrap().unwrap());
        readers.read(|_| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn more_reads_than_may_wait_are_unavailable_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        connection::writer(&path, Duration::ZERO).unwrap();
        let readers = Readers::open(&path, 1, Duration::ZERO).unwrap();
        let (release, released) = mpsc::channel::<()>();
        let (begin, begun) = oneshot::channel();
        let hold = move |_: Result<&mut SqliteConnection, StoreError>| {
            let _ = begin.send(());
            let _ = released.recv();
        };
        readers.push(Box::new(hold)).unwrap();
        begun.await.unwrap();
        for _ in 0..QUEUE {
            readers.push(Box::new(|_| ())).unwrap();
        }
        let refused = readers.read(|_| Ok(())).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn a_read_that_panics_gives_its_connection_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        connection::writer(&path, Duration::ZERO).unwrap();
        let readers = Readers::open(&path, 1, Duration::ZERO).unwrap();
        let outcome: Result<(), _> = readers.read(|_| panic!("planned by a test")).await;
        assert!(matches!(outcome, Err(StoreError::Broken(_))));
        readers.read(|_| Ok(())).await.unwrap();
    }
}
