//! A finer beat than the event loop's timers, which count whole milliseconds. `drive` waits for it in open loop.
//! Never runs unless a schedule is to be kept: each beat wakes the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// With the loop's own timers a message would be sent one millisecond late on average, and a server that answers in half
/// of one could not be told from one that takes two. This costs about 3 % of a core.
const BEAT: Duration = Duration::from_micros(250);

#[derive(Default)]
struct Beat {
    notify: Notify,
    over: AtomicBool,
}

pub struct Ticker(Arc<Beat>);

impl Ticker {
    pub fn start() -> Self {
        let beat = Arc::new(Beat::default());
        let theirs = beat.clone();
        std::thread::spawn(move || {
            while !theirs.over.load(Ordering::Relaxed) {
                // Nobody unparks this thread: the timeout is the beat.
                std::thread::park_timeout(BEAT);
                theirs.notify.notify_one();
            }
        });
        Self(beat)
    }

    pub async fn beat(&self) {
        self.0.notify.notified().await;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}
