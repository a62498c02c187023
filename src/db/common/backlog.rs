//! What the search index lacks, and when there is time to add it: after each commit the writer notes the conversations that
//! changed, and takes a step when nobody waits, or, under a load that never ends, with a twentieth of its time. Called by the
//! writer's loop; runs no statement itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::sql_types::BigInt;
use indexmap::IndexSet;

use super::index::{self, Lagging, WordIndex};
use crate::db::{Appended, ConversationAppend, Outcome, StoreError, run::*, statement::statement};

/// The queue has been empty for so long: then there is time.
const IDLE: Duration = Duration::from_millis(5);

/// Under load, so many times what a step took goes to others before the next one.
const SHARE: u32 = 20;

/// After a failure.
const PAUSE: Duration = Duration::from_secs(5);

/// Keys of conversations that one look for what lags covers.
const KEYS: i64 = 5000;

/// How often it looks through all conversations: at the start, and for what was noted by nobody.
const SCAN: Duration = Duration::from_secs(3600);

/// See the file's head.
pub struct Backlog {
    /// Conversations of which it may lack something, first noted first.
    behind: IndexSet<i64>,
    /// So many of the first ones are being worked on.
    taken: usize,
    /// Those of them that were noted meanwhile: on a server others append during a step, which may have looked before.
    again: Vec<i64>,
    /// How many: for the metrics.
    count: Arc<AtomicU64>,
    /// The look through all conversations: behind which key it goes on. `None` until the next one.
    scan: Option<i64>,
    scan_at: Instant,
    /// Under load, when the next step may be.
    share_at: Instant,
    /// After a failure, when to try again.
    pause_until: Instant,
}

/// A piece of work.
pub enum Work {
    /// Look for what lags, behind this key.
    Scan(i64),
    /// Bring these up to date.
    Step(Vec<i64>),
}

/// What became of a piece of work.
pub enum Worked {
    /// What lags up to a key; `None`: there are no further keys.
    Scanned(Vec<i64>, Option<i64>),
    /// So many conversations, of those that were given, are up to date.
    Stepped(usize),
}

impl Work {
    /// Does it, in the writer's transaction.
    pub fn run(&self, connection: &mut impl WordIndex) -> Result<Worked, StoreError> {
        match self {
            Self::Scan(after) => {
                let last = after.saturating_add(KEYS);
                let found = Lagging { after: *after, last }.load(connection)?;
                let highest: i64 = Highest {}.get_result(connection)?;
                Ok(Worked::Scanned(found, (last < highest).then_some(last)))
            }
            Self::Step(conversations) => Ok(Worked::Stepped(index::step(connection, conversations)?.done)),
        }
    }
}

impl Backlog {
    /// Looks through everything first.
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            behind: IndexSet::new(),
            taken: 0,
            again: Vec::new(),
            count: Arc::default(),
            scan: Some(-1),
            scan_at: now,
            share_at: now,
            pause_until: now,
        }
    }

    /// The figure of how many conversations it may lack something of.
    pub fn count(&self) -> Arc<AtomicU64> {
        self.count.clone()
    }

    /// Notes what was appended.
    pub fn note<'a>(&mut self, done: impl Iterator<Item = (&'a ConversationAppend, &'a Appended)>) {
        for (append, appended) in done {
            let expired = |outcome: &Result<_, _>| matches!(outcome, Ok(Outcome::Expired { .. }));
            if appended.head > appended.before || appended.outcomes.iter().any(expired) {
                let (at, _) = self.behind.insert_full(append.conversation.0);
                if at < self.taken {
                    self.again.push(append.conversation.0);
                }
            }
        }
        self.tell();
    }

    /// How long the queue has to be empty for the next piece of work; `None` while there is none.
    pub fn waits(&mut self, now: Instant) -> Option<Duration> {
        if self.scan.is_none() && now >= self.scan_at {
            self.scan = Some(-1);
        }
        let work = self.scan.is_some() || !self.behind.is_empty();
        work.then(|| IDLE.max(self.pause_until.saturating_duration_since(now)))
    }

    /// The next piece of work, if its time has come. `idle`: nobody waits. What becomes of it is told to `worked` before the
    /// next one is asked for.
    pub fn next(&mut self, now: Instant, idle: bool) -> Option<Work> {
        if now < self.pause_until || !idle && now < self.share_at {
            return None;
        }
        if !self.behind.is_empty() {
            let some: Vec<i64> = self.behind.iter().copied().take(index::CONVERSATIONS).collect();
            self.taken = some.len();
            return Some(Work::Step(some));
        }
        self.scan.filter(|_| idle).map(Work::Scan)
    }

    /// What became of the piece of work that began at `began`.
    pub fn worked(&mut self, began: Instant, outcome: Result<Worked, StoreError>) {
        let now = Instant::now();
        self.share_at = now + (now - began) * SHARE;
        self.taken = 0;
        let again = std::mem::take(&mut self.again);
        match outcome {
            Ok(Worked::Stepped(done)) => {
                self.behind.drain(..done.min(self.behind.len()));
                self.behind.extend(again);
            }
            Ok(Worked::Scanned(found, next)) => {
                self.behind.extend(found);
                self.scan = next;
                self.scan_at = now + SCAN;
            }
            Err(error) => {
                log::warn!(target: "parlor::db", "the search index is not brought up to date: {error}");
                self.pause_until = now + PAUSE;
            }
        }
        self.tell();
    }

    fn tell(&self) {
        self.count.store(self.behind.len() as u64, Ordering::Relaxed);
    }
}

statement! {
    /// The last key there is.
    Highest {} -> BigInt,
    "SELECT coalesce(max(conversation_key), 0) FROM heads"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::Op,
        domain::{ConversationKey, Seq},
    };

    fn noted(backlog: &mut Backlog, key: i64) {
        let append = ConversationAppend {
            conversation: ConversationKey(key),
            ops: Vec::<Op>::new(),
        };
        let appended = Appended {
            before: Seq(1),
            head: Seq(2),
            outcomes: Vec::new(),
        };
        backlog.note([(&append, &appended)].into_iter());
    }

    fn step(backlog: &mut Backlog) -> Vec<i64> {
        match backlog.next(Instant::now(), true) {
            Some(Work::Step(keys)) => keys,
            _ => Vec::new(),
        }
    }

    #[test]
    fn what_is_noted_during_a_step_is_looked_at_again() {
        let mut backlog = Backlog::new();
        noted(&mut backlog, 1);
        noted(&mut backlog, 2);
        assert_eq!(step(&mut backlog), [1, 2]);
        // The step may have read these before: all of them are up to date as it saw them.
        noted(&mut backlog, 1);
        noted(&mut backlog, 3);
        backlog.worked(Instant::now(), Ok(Worked::Stepped(2)));
        assert_eq!(step(&mut backlog), [3, 1]);
        backlog.worked(Instant::now(), Ok(Worked::Stepped(2)));
        assert_eq!(step(&mut backlog), [0; 0]);
    }
}
