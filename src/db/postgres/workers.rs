//! Threads that each hold one connection and take work from one bounded queue: the readers, the writer, the appender.
//! Each thread drives its connection with a small runtime of its own, so that asking costs no hop to another thread, and
//! notices while it waits for work that the server hung up. Fed by `PostgresEngine` from any runtime.
//!
//! A connection that broke is opened again by the next piece of work; while that fails, work is answered `Unavailable`
//! at once, with a pause between the attempts.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, oneshot};

use super::{connection::PgDb, history::History, target::Target};
use crate::db::StoreError;

/// Pieces of work that may wait for one crowd of threads. Beyond it the store is `Unavailable` at once.
const QUEUE: usize = 4096;
/// Work that waited this long is answered `Unavailable` rather than begun.
const STALE_AFTER: Duration = Duration::from_secs(5);
/// Pause after the first and after every further failure to connect.
const CONNECT_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What a thread does with its connection, or with the reason why it has none. Must not block on anything else.
type Job = Box<dyn FnOnce(Result<&mut PgDb, StoreError>) + Send>;

/// A crowd of threads. Cheap to clone; they end after [`Workers::close`].
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<VecDeque<(Instant, Job)>>,
    /// As many permits as pieces of work wait; closed when no more will come.
    waiting: Semaphore,
    target: Arc<Target>,
    history: Arc<History>,
    busy: AtomicU32,
    open: AtomicU32,
}

impl Workers {
    /// Starts `count` threads called `name`. They connect when the first work comes; `first` is a connection that is open
    /// already.
    pub fn start(
        name: &str,
        count: u32,
        target: &Arc<Target>,
        history: &Arc<History>,
        mut first: Option<PgDb>,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            waiting: Semaphore::new(0),
            target: target.clone(),
            history: history.clone(),
            busy: AtomicU32::new(0),
            open: AtomicU32::new(u32::from(first.is_some())),
        });
        let mut threads = Vec::new();
        for number in 0..count {
            let (shared, first) = (shared.clone(), first.take());
            let thread = thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                Worker {
                    shared,
                    db: first,
                    connect_at: None,
                    pause: CONNECT_AFTER.0,
                }
                .run();
            })?;
            threads.push(thread);
        }
        Ok((Self { shared }, threads))
    }

    /// Does `work` on one of the connections. A panic in it costs the connection and is `Unavailable`.
    pub async fn ask<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut PgDb, Answer<T>) + Send + 'static,
        T: Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        self.push(Box::new(move |db| match db {
            Ok(db) => work(db, Answer(answer)),
            Err(error) => Answer(answer).give(Err(error)),
        }))?;
        // Taken and never answered: the work panicked, and its transaction with it.
        outcome.await.unwrap_or_else(|_| {
            Err(StoreError::Unknown(
                "the work on the database ended in a panic".to_owned(),
            ))
        })
    }

    fn push(&self, job: Job) -> Result<(), StoreError> {
        if self.shared.waiting.is_closed() {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        let mut queue = self.shared.queue();
        if queue.len() >= QUEUE {
            return Err(StoreError::Unavailable(format!("{QUEUE} pieces of work are waiting")));
        }
        queue.push_back((Instant::now(), job));
        drop(queue);
        self.shared.waiting.add_permits(1);
        Ok(())
    }

    /// Connections: (in use, open).
    pub fn state(&self) -> (u32, u32) {
        let shared = &self.shared;
        (shared.busy.load(Ordering::Relaxed), shared.open.load(Ordering::Relaxed))
    }

    /// Ends the threads once what was asked before is done.
    pub fn close(&self) {
        self.shared.waiting.close();
    }
}

/// The way back to whoever asked.
pub struct Answer<T>(oneshot::Sender<Result<T, StoreError>>);

impl<T> Answer<T> {
    /// Answers. Whoever asked may have given up; what was done stands all the same.
    pub fn give(self, outcome: Result<T, StoreError>) {
        let _ = self.0.send(outcome);
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, VecDeque<(Instant, Job)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread remembers.
struct Worker {
    shared: Arc<Shared>,
    db: Option<PgDb>,
    connect_at: Option<Instant>,
    pause: Duration,
}

impl Worker {
    fn run(mut self) {
        // Without a connection there is nothing to watch while waiting.
        let Ok(idle) = tokio::runtime::Builder::new_current_thread().build() else {
            log::error!(target: "parlor::db", "a thread of the store has no runtime");
            return;
        };
        let shared = self.shared.clone();
        loop {
            let next = async {
                if let Ok(permit) = shared.waiting.acquire().await {
                    permit.forget();
                }
            };
            match &self.db {
                Some(db) => db.wait(next),
                None => idle.block_on(next),
            }
            let Some((asked, job)) = shared.queue().pop_front() else {
                // Closed, and nothing is left.
                break;
            };
            self.handle(asked, job);
        }
        if self.db.take().is_some() {
            shared.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn handle(&mut self, asked: Instant, job: Job) {
        if asked.elapsed() >= STALE_AFTER {
            job(Err(StoreError::Unavailable("every connection is in use".to_owned())));
            return;
        }
        if let Err(error) = self.connect() {
            job(Err(error));
            return;
        }
        let Some(db) = &mut self.db else { return };
        self.shared.busy.fetch_add(1, Ordering::Relaxed);
        let outcome = catch_unwind(AssertUnwindSafe(|| job(Ok(db))));
        self.shared.busy.fetch_sub(1, Ordering::Relaxed);
        if outcome.is_err() {
            log::error!(target: "parlor::db", "work on the database ended in a panic");
            db.lose();
        }
        self.let_go();
    }

    /// Forgets a connection that broke.
    fn let_go(&mut self) {
        if self.db.as_ref().is_some_and(|db| !db.is_usable()) {
            self.db = None;
            self.shared.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Connects if there is no connection and the pause is over.
    fn connect(&mut self) -> Result<(), StoreError> {
        self.let_go();
        if self.db.is_some() {
            return Ok(());
        }
        if self.connect_at.is_some_and(|at| Instant::now() < at) {
            return Err(StoreError::Unavailable(
                "the database is being connected to again".to_owned(),
            ));
        }
        let connected = PgDb::connect(&self.shared.target).and_then(|mut db| {
            let goes_on = self.shared.history.goes_on(&mut db);
            goes_on.map(|()| db).map_err(|error| error.to_string())
        });
        match connected {
            Ok(db) => {
                log::debug!(target: "parlor::db", "connected to the database");
                self.db = Some(db);
                self.shared.open.fetch_add(1, Ordering::Relaxed);
                self.connect_at = None;
                self.pause = CONNECT_AFTER.0;
                Ok(())
            }
            Err(error) => {
                log::error!(target: "parlor::db", "cannot connect to the database: {error}");
                self.connect_at = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(CONNECT_AFTER.1);
                Err(StoreError::Unavailable(error))
            }
        }
    }
}
