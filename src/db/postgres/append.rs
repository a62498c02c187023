//! The log on PostgreSQL. Called by the appenders' threads, each with a group that no other one shares a conversation with.
//!
//! What only sends is one statement ([`super::sends`]), checked by the server against what we believe about the counter rows.
//! Everything else, and whatever that check refuses, is a transaction of four round trips, whatever it holds: the counter rows
//! are locked in the order of their keys, so that servers on one database neither deadlock nor leave gaps, and what the
//! ops name is looked up behind that; then the ops run as they do everywhere, on what was looked up; then what they wrote is
//! written; then it is committed.

use std::collections::HashMap;

use super::{
    connection::{End, PgDb},
    groups::Kind,
    guesses::Guesses,
    lookups::Lookups,
    sends,
    waits::Waits,
};
use crate::db::{
    Appended, ConversationAppend, Op, StoreError,
    common::append::{self, Head, Late},
};

/// Held by every write of the store, and by batches that change who may do what: what one looked at stays so until it is
/// done, as if there were one writer. (The number is arbitrary; locks belong to one database.)
pub const WRITE_LOCKED: &str = "BEGIN; SELECT pg_advisory_xact_lock(7310021)";

/// What the log is in the middle of.
#[derive(Default)]
pub struct Turns {
    /// The counter rows of this batch, as they are to be.
    pub heads: HashMap<i64, Head>,
    /// Where messages of the client ids of this batch stand.
    pub known: HashMap<i64, Vec<i64>>,
    /// What was looked up.
    pub lookups: Lookups,
    /// What was not written yet.
    pub waits: Waits,
    /// Answers that were put off and have come.
    pub late: Vec<Late>,
}

/// What became of each part of a group.
type Decided = Vec<Result<Appended, StoreError>>;

/// Commits a group; aligned. See [`crate::db::Log`].
pub fn commit(db: &mut PgDb, guesses: &Guesses, kind: Kind, batch: &[ConversationAppend]) -> Decided {
    if kind != Kind::Sends {
        return the_long_way(db, guesses, batch);
    }
    let tried = sends::try_commit(db, guesses, batch);
    let left = tried.iter().zip(batch).filter(|(one, _)| one.is_none());
    let left: Vec<ConversationAppend> = left.map(|(_, one)| one.clone()).collect();
    let mut rest = match left.is_empty() {
        true => Vec::new(),
        false => the_long_way(db, guesses, &left),
    }
    .into_iter();
    let nothing = || Err(StoreError::Unavailable("it was not tried".to_owned()));
    let decided = tried.into_iter();
    decided
        .map(|one| one.unwrap_or_else(|| rest.next().unwrap_or_else(nothing)))
        .collect()
}

fn the_long_way(db: &mut PgDb, guesses: &Guesses, batch: &[ConversationAppend]) -> Decided {
    match transaction(db, guesses, batch) {
        Ok(appended) => appended.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); batch.len()],
    }
}

fn transaction(db: &mut PgDb, guesses: &Guesses, batch: &[ConversationAppend]) -> Result<Vec<Appended>, StoreError> {
    // Not to be believed until the COMMIT succeeded.
    guesses.forget(batch.iter().map(|one| one.conversation.0));
    let alone = batch.iter().flat_map(|one| &one.ops).any(Op::decides_what_follows);
    db.begin(if alone { WRITE_LOCKED } else { "BEGIN" });
    let done = append::append(db, batch);
    let heads = std::mem::take(&mut db.turns.heads);
    match done {
        Ok(appended) => {
            db.end(End::Commit)?;
            guesses.learn(heads);
            Ok(appended)
        }
        Err(error) => {
            db.end(End::Rollback)?;
            Err(error)
        }
    }
}
