//! The threads of a run: how they are started, where they meet, what they tell each other. `drive` and `mixed` run on
//! them. Never knows what the threads do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Barrier;

use crate::measure::{Clock, SECOND};
use crate::probe::Reading;
use crate::progress::Progress;

/// What the threads of a run tell each other.
pub struct Shared {
    pub clock: Clock,
    barrier: Barrier,
    pub begins: AtomicU64,
    /// The last position of each room that anybody knows.
    pub last: Vec<AtomicU64>,
    pub connected: AtomicU64,
    /// Acknowledged and delivered so far, of each thread: for the progress line.
    counts: Vec<(AtomicU64, AtomicU64)>,
    failed: Mutex<Option<String>>,
    readings: Mutex<Readings>,
}

/// The machine's figures at the turns of a run.
#[derive(Default, Clone)]
pub struct Readings {
    pub before: Reading,
    pub connect_seconds: f64,
    pub from: Reading,
    pub to: Reading,
    pub after: Reading,
}

impl Shared {
    pub fn new(threads: usize, rooms: usize) -> Self {
        Self {
            clock: Clock::start(),
            barrier: Barrier::new(threads),
            begins: AtomicU64::new(0),
            last: (0..rooms).map(|_| AtomicU64::new(0)).collect(),
            connected: AtomicU64::new(0),
            counts: (0..threads).map(|_| Default::default()).collect(),
            failed: Mutex::new(None),
            readings: Mutex::default(),
        }
    }

    /// Waits for all the other threads.
    pub async fn meet(&self) {
        self.barrier.wait().await;
    }

    /// Going on makes no sense; the first reason is kept.
    pub fn fail(&self, why: String) {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(why);
    }

    pub fn has_failed(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub fn take_failure(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn note(&self, note: impl FnOnce(&mut Readings)) {
        note(&mut self.readings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn readings(&self) -> Readings {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells the others what this thread has (acknowledged, delivered) since `begins`, and people what all have.
    pub fn show_rates(&self, thread: usize, (acked, delivered): (u64, u64), begins: u64, progress: &Progress) {
        self.counts[thread].0.store(acked, Ordering::Relaxed);
        self.counts[thread].1.store(delivered, Ordering::Relaxed);
        progress.show(|| {
            let passed = (self.clock.now() - begins) as f64 / SECOND as f64;
            let sum = |of: fn(&(AtomicU64, AtomicU64)) -> &AtomicU64| {
                let counts = self.counts.iter().map(|counts| of(counts).load(Ordering::Relaxed));
                counts.sum::<u64>() as f64 / passed
            };
            let (acked, delivered) = (sum(|counts| &counts.0), sum(|counts| &counts.1));
            format!("{passed:.0} s, {acked:.0} acknowledged/s, {delivered:.0} deliveries/s")
        });
    }
}

/// Runs `work` on so many threads, each with an event loop of its own, and waits for what they hand back.
pub fn on_threads<T, F>(threads: usize, work: impl Fn(usize) -> F + Clone + Send + 'static) -> Result<Vec<T>, String>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let work = work.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build_local(Default::default());
                // Without a runtime there is nobody to meet the others at the barrier.
                let runtime = runtime.unwrap_or_else(|error| fatal(&format!("no event loop: {error}")));
                runtime.block_on(work(thread))
            })
        })
        .collect();
    let join = |thread: std::thread::JoinHandle<T>| {
        thread
            .join()
            .map_err(|_| "a thread of the load tool panicked".to_owned())
    };
    threads.into_iter().map(join).collect()
}

fn fatal(why: &str) -> ! {
    eprintln!("error: {why}");
    std::process::exit(2)
}
