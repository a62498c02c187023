//! The schema's versions for PostgreSQL, embedded in the binary: the same numbers and names as SQLite's. Applied by `open` and
//! by `parlor migrate`, under a lock, so that of several servers that start at once one does it; never downwards, except by
//! tests. Noted where diesel's own tool would note them.

use std::{collections::BTreeSet, time::Duration};

use diesel::sql_types::{Bool, Text};

use super::connection::PgDb;
use crate::db::{open::OpenError, run::*, statement::statement};

/// A version of the schema.
#[derive(Debug)]
pub struct Version {
    /// Its number and name, as its folder is called.
    pub name: &'static str,
    up: &'static str,
}

macro_rules! versions {
    ($($name:literal),* $(,)?) => {
        &[$(Version {
            name: $name,
            up: include_str!(concat!("../../../migrations/postgres/", $name, "/up.sql")),
        }),*]
    };
}

/// Every version there is, oldest first.
pub const VERSIONS: &[Version] = versions![
    "0001_engine",
    "0002_conversations",
    "0003_uploads",
    "0004_webhooks",
    "0005_search",
    "0006_search_blocks",
    "0007_told"
];

impl Version {
    /// What is noted of it.
    fn number(&self) -> &'static str {
        self.name.split('_').next().unwrap_or(self.name)
    }
}

const NOTES: &str = "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
     run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";

/// One migration at a time, whoever asks; the lock is given back with the transaction.
const LOCKED: &str = "BEGIN; SELECT pg_advisory_xact_lock(7310020)";

/// How long a version may take, and the wait for somebody else who applies one.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Applies what is missing, each version in a transaction of its own. Returns the names of what was applied.
pub fn apply(db: &mut PgDb) -> Result<Vec<String>, OpenError> {
    if missing(db)?.is_empty() {
        return Ok(Vec::new());
    }
    db.patient(PATIENCE).map_err(OpenError::database)?;
    let mut applied = Vec::new();
    while let Some(name) = db.transact(LOCKED, apply_next)? {
        applied.push(name);
    }
    db.impatient().map_err(OpenError::database)?;
    Ok(applied)
}

/// The next missing version; `None` when there is none (any more).
fn apply_next(db: &mut PgDb) -> Result<Option<String>, OpenError> {
    db.batch(NOTES).map_err(OpenError::database)?;
    let Some(next) = missing_of(&noted(db)?)?.first().copied() else {
        return Ok(None);
    };
    db.batch(next.up)
        .map_err(|error| OpenError::Database(format!("{}: {error}", next.name)))?;
    Note { version: next.number() }
        .execute(db)
        .map_err(OpenError::database)?;
    Ok(Some(next.name.to_owned()))
}

/// The names of the versions that are missing; refuses a database that a newer Parlor made.
pub fn missing(db: &mut PgDb) -> Result<Vec<String>, OpenError> {
    let there: bool = HasNotes {}.get_result(db).map_err(OpenError::database)?;
    let noted = if there { noted(db)? } else { BTreeSet::new() };
    Ok(missing_of(&noted)?
        .iter()
        .map(|version| version.name.to_owned())
        .collect())
}

fn noted(db: &mut PgDb) -> Result<BTreeSet<String>, OpenError> {
    let versions: Vec<String> = Notes {}.load(db).map_err(OpenError::database)?;
    Ok(versions.into_iter().collect())
}

fn missing_of(noted: &BTreeSet<String>) -> Result<Vec<&'static Version>, OpenError> {
    let newer = noted
        .iter()
        .find(|number| !VERSIONS.iter().any(|known| known.number() == number.as_str()));
    if let Some(version) = newer {
        return Err(OpenError::Newer {
            version: version.clone(),
        });
    }
    Ok(VERSIONS
        .iter()
        .filter(|known| !noted.contains(known.number()))
        .collect())
}

statement! {
    /// Whether anything was ever applied.
    HasNotes {} -> Bool,
    "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL"
}

statement! {
    /// The numbers of what was applied.
    Notes {} -> Text,
    "SELECT version FROM __diesel_schema_migrations"
}

statement! {
    /// It is applied.
    Note { version: &'static str as Text },
    "INSERT INTO __diesel_schema_migrations (version) VALUES (" {version} ")"
}
