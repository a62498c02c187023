//! Everything one connection received, in the order of arrival, and the waiting for a thing to arrive.
//! `tab.rs` writes it from the socket's reader; tests read it through the tab.

use std::{
    fmt::Write as _,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{sync::watch, time::timeout};

use super::DEADLINE;

/// One thing that arrived.
#[derive(Clone, Debug)]
pub enum What {
    Event {
        name: String,
        data: Value,
    },
    Answer {
        id: i64,
        result: Result<Value, Value>,
    },
    Ping,
    Pong,
    /// A close frame, with its code.
    Closed(Option<u16>),
    /// The end of the stream, with or without a close frame before it.
    Gone(String),
    /// A frame that the contract does not know.
    Strange(String),
}

struct Entry {
    at: Instant,
    what: What,
    /// Somebody waited for it and got it: the next one who waits wants another.
    claimed: bool,
}

/// The log of one connection.
pub struct Log {
    /// Shown when a wait fails.
    who: String,
    start: Instant,
    entries: Mutex<Vec<Entry>>,
    /// Its length, for those who wait for more.
    grown: watch::Sender<usize>,
}

impl Log {
    pub fn new(who: &str) -> Log {
        Log {
            who: who.to_owned(),
            start: Instant::now(),
            entries: Mutex::new(Vec::new()),
            grown: watch::Sender::new(0),
        }
    }

    pub fn add(&self, what: What) {
        let mut entries = self.entries.lock().expect("not poisoned");
        entries.push(Entry {
            at: Instant::now(),
            what,
            claimed: false,
        });
        self.grown.send_replace(entries.len());
    }

    /// The first thing that nobody claimed yet and of which `pick` makes something, now or as soon as it arrives.
    pub async fn wait<T>(&self, wanted: &str, pick: impl Fn(&What) -> Option<T>) -> (T, Instant) {
        self.wait_within(DEADLINE, wanted, pick).await
    }

    pub async fn wait_within<T>(
        &self,
        within: Duration,
        wanted: &str,
        pick: impl Fn(&What) -> Option<T>,
    ) -> (T, Instant) {
        match timeout(within, self.arrival(&pick)).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!(
                "{} was to get {wanted}, but the connection ended.\n{}",
                self.who,
                self.shown()
            ),
            Err(_) => panic!("{} did not get {wanted} within {within:?}.\n{}", self.who, self.shown()),
        }
    }

    /// None when the connection ended without it.
    async fn arrival<T>(&self, pick: impl Fn(&What) -> Option<T>) -> Option<(T, Instant)> {
        let mut grown = self.grown.subscribe();
        let mut looked_at = 0;
        loop {
            grown.borrow_and_update();
            {
                let mut entries = self.entries.lock().expect("not poisoned");
                for entry in entries[looked_at..].iter_mut().filter(|entry| !entry.claimed) {
                    if let Some(found) = pick(&entry.what) {
                        entry.claimed = true;
                        return Some((found, entry.at));
                    }
                }
                looked_at = entries.len();
                if matches!(
                    entries.last(),
                    Some(Entry {
                        what: What::Gone(_),
                        ..
                    })
                ) {
                    return None;
                }
            }
            grown
                .changed()
                .await
                .expect("the log lives as long as it is waited for");
        }
    }

    /// What is there already, claimed or not, in the order of arrival.
    pub fn all<T>(&self, pick: impl Fn(&What) -> Option<T>) -> Vec<T> {
        self.entries
            .lock()
            .expect("not poisoned")
            .iter()
            .filter_map(|entry| pick(&entry.what))
            .collect()
    }

    /// What arrived behind the first `count` things, claimed or not.
    pub fn since(&self, count: usize) -> Vec<What> {
        let entries = self.entries.lock().expect("not poisoned");
        entries[count..].iter().map(|entry| entry.what.clone()).collect()
    }

    /// Waits until more than `count` things have arrived.
    pub async fn grows_beyond(&self, count: usize) {
        let mut grown = self.grown.subscribe();
        let grown = timeout(DEADLINE, grown.wait_for(|length| *length > count)).await;
        assert!(
            grown.is_ok(),
            "{} got no more than {count} things.\n{}",
            self.who,
            self.shown()
        );
    }

    pub fn shown(&self) -> String {
        let entries = self.entries.lock().expect("not poisoned");
        let mut text = format!("---- what {} got: {} things ----", self.who, entries.len());
        let skipped = entries.len().saturating_sub(80);
        if skipped > 0 {
            let _ = write!(text, "\n  … {skipped} earlier ones …");
        }
        for entry in &entries[skipped..] {
            let line = match &entry.what {
                What::Gone(why) => format!("gone: {why}"),
                other => format!("{other:?}"),
            };
            let line: String = line.chars().take(300).collect();
            let _ = write!(text, "\n  {:>9.3?} {line}", entry.at.duration_since(self.start));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn ping(what: &What) -> Option<()> {
        matches!(what, What::Ping).then_some(())
    }

    #[tokio::test]
    async fn each_arrival_is_claimed_once() {
        let log = Arc::new(Log::new("ann"));
        log.add(What::Ping);
        log.wait("a ping", ping).await;
        let later = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.wait("another ping", ping).await }
        });
        log.add(What::Closed(Some(1000)));
        log.add(What::Ping);
        later.await.expect("the second ping is seen");
        assert_eq!(log.all(ping).len(), 2);
    }

    #[tokio::test]
    #[should_panic(expected = "ann was to get a ping, but the connection ended")]
    async fn a_wait_on_an_ended_connection_fails_at_once() {
        let log = Log::new("ann");
        log.add(What::Gone("end of stream".to_owned()));
        log.wait("a ping", ping).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "ann did not get a ping within")]
    async fn a_wait_has_a_deadline() {
        Log::new("ann").wait("a ping", ping).await;
    }
}
