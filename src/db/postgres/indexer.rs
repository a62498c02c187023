//! The thread that keeps the search index up to date, behind what was committed: the same bounded steps as on SQLite, as
//! writes of the store. Told by the appenders; ends when the store closes. Several servers may do the same work twice, and do
//! no harm by it.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::PostgresEngine;
use crate::db::{
    Appended, ConversationAppend, StoreError,
    common::{
        backlog::{Backlog, Worked},
        store::Engine,
    },
};

/// How long it waits for something to do before it looks at the time.
const NAP: Duration = Duration::from_secs(1);

/// How long after the last batch nobody is taken to be waiting.
const QUIET: Duration = Duration::from_millis(20);

/// What the thread and the appender share.
#[derive(Clone)]
pub struct Indexer(Arc<Shared>);

struct Shared {
    backlog: Mutex<(Backlog, Option<Instant>)>,
    noted: Condvar,
    count: Arc<AtomicU64>,
    closed: AtomicBool,
}

impl Indexer {
    /// Not started yet.
    pub fn new() -> Self {
        let backlog = Backlog::new();
        let count = backlog.count();
        Self(Arc::new(Shared {
            backlog: Mutex::new((backlog, None)),
            noted: Condvar::new(),
            count,
            closed: AtomicBool::new(false),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, (Backlog, Option<Instant>)> {
        self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This was appended.
    pub fn note<'a>(&self, done: impl Iterator<Item = (&'a ConversationAppend, &'a Appended)>) {
        let mut shared = self.lock();
        shared.0.note(done);
        shared.1 = Some(Instant::now());
        self.0.noted.notify_one();
    }

    /// See [`Engine::backlog`].
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// The thread ends after its step.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.noted.notify_one();
    }

    /// Starts the thread.
    pub fn start(self, engine: PostgresEngine) -> std::io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        thread::Builder::new()
            .name("parlor-pg-index".to_owned())
            .spawn(move || {
                while !self.0.closed.load(Ordering::Acquire) {
                    let began = Instant::now();
                    let work = {
                        let mut shared = self.lock();
                        let idle = shared.1.is_none_or(|at| began.duration_since(at) > QUIET);
                        let (next, wait) = (shared.0.next(began, idle), shared.0.waits(began));
                        if next.is_none() {
                            let nap = wait.map_or(NAP, |wait| wait.max(QUIET).min(NAP));
                            let _ = self.0.noted.wait_timeout(shared, nap);
                        }
                        next
                    };
                    let Some(work) = work else { continue };
                    let outcome: Result<Worked, StoreError> =
                        runtime.block_on(engine.write(move |connection| work.run(connection)));
                    self.lock().0.worked(began, outcome);
                }
            })
    }
}
