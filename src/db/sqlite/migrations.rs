//! The schema's versions, embedded in the binary. Applied by `open` and by `parlor migrate`; never downwards, except by tests.

use std::{path::Path, time::Duration};

use diesel::{
    SqliteConnection,
    connection::SimpleConnection,
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Text},
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{OpenError, connection, lock::with_suffix};

/// Every version there is, oldest first.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The names of the versions that the file at `path` lacks, oldest first. Creates the file if it is missing.
pub fn pending(path: &Path, busy_timeout: Duration) -> Result<Vec<String>, OpenError> {
    missing(&mut connection::plain(path, busy_timeout)?)
}

/// Applies what is missing. A file that holds something already is copied first, to `<file>.before-<version>`.
/// Returns the names of what was applied.
pub fn migrate(path: &Path, busy_timeout: Duration) -> Result<Vec<String>, OpenError> {
    let mut connection = connection::writer(path, busy_timeout)?;
    apply(&mut connection, path)
}

/// As [`migrate`], on the writer's connection.
pub fn apply(connection: &mut SqliteConnection, path: &Path) -> Result<Vec<String>, OpenError> {
    let missing = missing(connection)?;
    let Some(first) = missing.first() else {
        return Ok(missing);
    };
    if !is_empty(connection)? {
        let copy = with_suffix(path, &format!(".before-{first}"));
        let Some(target) = copy.to_str() else {
            return Err(OpenError::Path(copy));
        };
        if copy.exists() {
            log::warn!(target: "parlor::db", "{target} is there already and kept; the file is not copied again");
        } else {
            diesel::sql_query("VACUUM INTO ?")
                .bind::<Text, _>(target)
                .execute(connection)
                .map_err(OpenError::database)?;
        }
    }
    // One transaction a version, so that a failure leaves the schema of the version before it.
    connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(OpenError::database)?;
    connection
        .batch_execute("PRAGMA optimize;")
        .map_err(OpenError::database)?;
    Ok(missing)
}

/// The names of the versions that are missing; refuses a file that a newer Parlor made.
pub fn missing(connection: &mut SqliteConnection) -> Result<Vec<String>, OpenError> {
    let applied = connection.applied_migrations().map_err(OpenError::database)?;
    let known = diesel::migration::MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(OpenError::database)?;
    let known: Vec<_> = known.iter().map(|migration| migration.name()).collect();
    if let Some(newer) = applied
        .iter()
        .find(|version| !known.iter().any(|name| name.version() == **version))
    {
        return Err(OpenError::Newer {
            version: newer.to_string(),
        });
    }
    let missing = known.iter().filter(|name| !applied.contains(&name.version()));
    Ok(missing.map(ToString::to_string).collect())
}

/// As [`missing`], of a file that must not be written to: one that is not ours lacks everything.
pub fn missing_of_existing(connection: &mut SqliteConnection) -> Result<Vec<String>, OpenError> {
    if is_empty(connection)? {
        return Err(OpenError::Database("there is no Parlor store in this file".to_owned()));
    }
    missing(connection)
}

/// Whether the file has no tables but diesel's own.
fn is_empty(connection: &mut SqliteConnection) -> Result<bool, OpenError> {
    let tables: i64 = diesel::select(sql::<BigInt>(
        "(SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name <> '__diesel_schema_migrations')",
    ))
    .get_result(connection)
    .map_err(OpenError::database)?;
    Ok(tables == 0)
}
