//! Whether the database still goes on from what we committed. Another host that took over, or a copy that was put in place,
//! may lack what was acknowledged; the next messages would then get positions that clients have seen already. Asked on
//! every new connection of a server (`workers`); told of every commit of the log.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::sql_types::BigInt;
use tokio::sync::Notify;

use super::{connection::PgDb, health};
use crate::db::{StoreError, run::*, statement::statement};

/// How long adding up all seqs may take: it reads one page for some fifty conversations.
const COUNTED_WITHIN: Duration = Duration::from_secs(300);

/// What this process knows of the history. One for all its connections.
#[derive(Default)]
pub struct History {
    /// Where it goes on; `None` until it is known, and for tools.
    lineage: Mutex<Option<String>>,
    /// At least so many changes are in it: the sum of all seqs, as it was found, and with what we added.
    total: AtomicU64,
    /// It does not go on: nothing may be asked or written any more.
    lost: AtomicBool,
    /// Rung when that turns out.
    bell: Arc<Notify>,
}

impl History {
    /// From here on it is watched. `db` is as it was opened.
    pub fn begin(&self, db: &mut PgDb) -> Result<(), StoreError> {
        let lineage = health::lineage(db)?;
        self.total.store(total(db)?, Ordering::SeqCst);
        *self.lineage() = Some(lineage);
        Ok(())
    }

    /// So many seqs were given, durably.
    pub fn grew(&self, by: u64) {
        self.total.fetch_add(by, Ordering::SeqCst);
    }

    /// Rung once when it does not go on.
    pub fn bell(&self) -> Arc<Notify> {
        self.bell.clone()
    }

    /// Whether a new connection sees what we know. One that lacks something ends everything: only a process that begins
    /// anew can tell its clients so.
    pub fn goes_on(&self, db: &mut PgDb) -> Result<(), StoreError> {
        let lost = || StoreError::Unavailable("the database lacks what was committed".to_owned());
        if AtomicBool::load(&self.lost, Ordering::SeqCst) {
            return Err(lost());
        }
        let Some(known) = self.lineage().clone() else {
            return Ok(());
        };
        let lineage = health::lineage(db)?;
        if lineage == known {
            return Ok(());
        }
        // Read before it is compared: a commit of ours would have to be in it.
        let at_least = AtomicU64::load(&self.total, Ordering::SeqCst);
        let found = total(db)?;
        if found >= at_least {
            log::warn!(target: "parlor::db", "another host has taken over; it has everything that this server committed");
            *self.lineage() = Some(lineage);
            return Ok(());
        }
        log::error!(
            target: "parlor::db",
            "another host has taken over, or a copy was put in place, that lacks {} changes which were acknowledged: this \
             server ends, so that the next start begins a new epoch and clients begin anew",
            at_least - found
        );
        self.lost.store(true, Ordering::SeqCst);
        self.bell.notify_one();
        Err(lost())
    }

    fn lineage(&self) -> MutexGuard<'_, Option<String>> {
        self.lineage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at every conversation, at the start and when the timeline is another one: that may take longer than a statement of
/// the service has, and a store of many conversations must start all the same.
fn total(db: &mut PgDb) -> Result<u64, StoreError> {
    db.patient(COUNTED_WITHIN)?;
    let total: Result<i64, _> = Total {}.get_result(db);
    db.impatient()?;
    Ok(total?.max(0) as u64)
}

statement! {
    /// The sum of all conversations' seqs: it only grows.
    Total {} -> BigInt,
    "SELECT coalesce(sum(seq), 0)::bigint FROM heads"
}
