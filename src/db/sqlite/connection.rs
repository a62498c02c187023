//! How a connection is opened and set up. Called by the writer, the reader pool, the migrations and `verify`.

use std::{path::Path, time::Duration};

use diesel::{Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, r2d2};

use super::OpenError;

/// Pages that may pile up in the write-ahead log before a commit moves them into the file (4 KiB each: 16 MiB). Every page
/// is written once per round however often it changed in between, and a round costs the commit that runs it an fsync of
/// the file. Other values and a second thread that does it: `docs/decisions/0002-position.md`.
const AUTOCHECKPOINT_PAGES: u32 = 4000;

/// The connection that writes. The caller sees to it that there is one.
pub fn writer(path: &Path, busy_timeout: Duration) -> Result<SqliteConnection, OpenError> {
    let mut connection = plain(path, busy_timeout)?;
    // FULL: what was acknowledged survives a power cut; NORMAL lost 0.4 % of it.
    let setup = format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES};
         PRAGMA journal_size_limit = 67108864;"
    );
    connection.batch_execute(&setup).map_err(OpenError::database)?;
    limit_pages(&mut connection)?;
    Ok(connection)
}

/// A connection with nothing set but how long it waits for a lock: that comes first, or switching to the write-ahead log
/// fails now and then with "database is locked".
pub fn plain(path: &Path, busy_timeout: Duration) -> Result<SqliteConnection, OpenError> {
    let url = path.to_str().ok_or_else(|| OpenError::Path(path.to_owned()))?;
    let mut connection = SqliteConnection::establish(url).map_err(OpenError::database)?;
    let setup = format!("PRAGMA busy_timeout = {};", busy_timeout.as_millis());
    connection.batch_execute(&setup).map_err(OpenError::database)?;
    Ok(connection)
}

/// Sets up the connections of the reader pool: they cannot write.
#[derive(Debug)]
pub struct Reader {
    /// As in `SqliteOptions`.
    pub busy_timeout: Duration,
}

impl r2d2::CustomizeConnection<SqliteConnection, r2d2::Error> for Reader {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), r2d2::Error> {
        let setup = format!(
            "PRAGMA busy_timeout = {};
             PRAGMA foreign_keys = OFF;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -16384;
             PRAGMA query_only = ON;",
            self.busy_timeout.as_millis()
        );
        connection.batch_execute(&setup).map_err(r2d2::Error::QueryError)
    }
}

/// What is wrong with the file's own structure, with its indexes.
pub fn integrity(connection: &mut SqliteConnection) -> Vec<String> {
    let lines: diesel::QueryResult<Vec<String>> =
        diesel::dsl::sql::<diesel::sql_types::Text>("PRAGMA integrity_check(20)").load(connection);
    match lines {
        Ok(lines) => {
            let wrong = lines.into_iter().filter(|line| line != "ok");
            wrong.map(|line| format!("the file: {line}")).collect()
        }
        Err(error) => vec![format!("the file cannot be read: {error}")],
    }
}

/// A disk that fills up, for tests.
#[cfg(feature = "faults")]
fn limit_pages(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    match std::env::var("PARLOR_FAULT_SQLITE_MAX_PAGES") {
        Ok(pages) => connection
            .batch_execute(&format!("PRAGMA max_page_count = {pages};"))
            .map_err(OpenError::database),
        Err(_) => Ok(()),
    }
}

#[cfg(not(feature = "faults"))]
fn limit_pages(_: &mut SqliteConnection) -> Result<(), OpenError> {
    Ok(())
}
