//! The store's history as clients know it: the epoch in `meta`, and how a rolled-back file is noticed. Called by `open`
//! and the writer.
//!
//! Beside the file stands `<file>.history` with the epoch and the sum of all conversations' seqs, written at a clean close
//! and once a minute while something changes. A store that at its opening has fewer changes than the sidecar, or another
//! epoch, is not the one that clients saw: it gets a new epoch, which voids their cursors. So does what `parlor backup`
//! made, wherever it is opened: the row `copied` in its `meta` says that it is a copy. What this cannot see: a copy that was
//! made by hand and put back with a sum that is not lower than the sidecar's (made within the last minute before a crash),
//! on another machine, or together with its sidecar; whoever does that deletes the sidecar's file and `meta`'s row `epoch`:
//! the next start makes a new one.

use std::{fs, io::Write, path::PathBuf};

use diesel::{OptionalExtension, SqliteConnection, dsl::sql, prelude::*, sql_types::BigInt};
use serde::{Deserialize, Serialize};

use super::OpenError;
use crate::db::{
    schema::{heads, meta},
    transfer::COPIED,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    epoch: String,
    total: u64,
}

/// The sidecar and what is to be written into it.
#[derive(Debug)]
pub struct Sidecar {
    path: PathBuf,
    now: Mark,
    saved: Option<Mark>,
}

impl Sidecar {
    /// Compares the file with its sidecar, and gives the store a new epoch if history was rolled back.
    pub fn open(path: PathBuf, connection: &mut SqliteConnection, epoch: String) -> Result<Self, OpenError> {
        let total = total(connection).map_err(OpenError::database)?;
        let saved = read(&path);
        let mut now = Mark { epoch, total };
        if let Some(saved) = &saved
            && (saved.epoch != now.epoch || saved.total > now.total)
        {
            log::warn!(
                target: "parlor::db",
                "the database does not go on from the history that was here before ({} changes now, {} then): \
                 it was rolled back, and clients begin anew",
                now.total, saved.total
            );
            now.epoch = new_epoch();
            diesel::update(meta::table.find("epoch"))
                .set(meta::value.eq(&now.epoch))
                .execute(connection)
                .map_err(OpenError::database)?;
        }
        let mut sidecar = Self { path, now, saved };
        sidecar.save();
        Ok(sidecar)
    }

    /// The epoch that holds from now on.
    pub fn epoch(&self) -> &str {
        &self.now.epoch
    }

    /// Notes that so many seqs were given.
    pub fn grew(&mut self, by: u64) {
        self.now.total += by;
    }

    /// Counts again, after a commit whose outcome was unknown.
    pub fn recount(&mut self, connection: &mut SqliteConnection) {
        match total(connection) {
            Ok(total) => self.now.total = total,
            Err(error) => log::warn!(target: "parlor::db", "cannot count the changes: {error}"),
        }
    }

    /// Writes the sidecar if it is behind. A failure is logged and tried again: the store works without it.
    pub fn save(&mut self) {
        if self.saved.as_ref() == Some(&self.now) {
            return;
        }
        match self.write() {
            Ok(()) => self.saved = Some(self.now.clone()),
            Err(error) => log::warn!(target: "parlor::db", "cannot write {}: {error}", self.path.display()),
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let draft = super::lock::with_suffix(&self.path, ".new");
        let mut file = fs::File::create(&draft)?;
        file.write_all(&serde_json::to_vec(&self.now)?)?;
        file.sync_all()?;
        fs::rename(draft, &self.path)
    }
}

/// What the sidecar says. One that is missing or cannot be read says nothing.
fn read(path: &PathBuf) -> Option<Mark> {
    let text = fs::read(path).ok()?;
    serde_json::from_slice(&text)
        .inspect_err(|error| log::warn!(target: "parlor::db", "{} cannot be read: {error}", path.display()))
        .ok()
}

fn total(connection: &mut SqliteConnection) -> QueryResult<u64> {
    let total: i64 = heads::table
        .select(sql::<BigInt>("coalesce(sum(seq), 0)"))
        .get_result(connection)?;
    Ok(total.max(0) as u64)
}

/// The store's epoch, made if there is none, and made anew if the file is a copy: behind it, the original may have gone on.
pub fn read_or_make(connection: &mut SqliteConnection) -> Result<String, OpenError> {
    let copied: bool = diesel::select(diesel::dsl::exists(meta::table.find(COPIED)))
        .get_result(connection)
        .map_err(OpenError::database)?;
    let known: Option<String> = meta::table
        .find("epoch")
        .select(meta::value)
        .get_result(connection)
        .optional()
        .map_err(OpenError::database)?;
    if let Some(epoch) = known.filter(|_| !copied) {
        return Ok(epoch);
    }
    let epoch = new_epoch();
    diesel::replace_into(meta::table)
        .values((meta::name.eq("epoch"), meta::value.eq(&epoch)))
        .execute(connection)
        .map_err(OpenError::database)?;
    // Behind the new epoch: a crash in between makes another one.
    diesel::delete(meta::table.find(COPIED))
        .execute(connection)
        .map_err(OpenError::database)?;
    Ok(epoch)
}

/// Says in a copy that it is one, before anybody opens it.
pub fn mark_copy(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    diesel::replace_into(meta::table)
        .values((meta::name.eq(COPIED), meta::value.eq("")))
        .execute(connection)
        .map_err(OpenError::database)?;
    Ok(())
}

fn new_epoch() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}
