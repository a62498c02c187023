//! What a database must be like, what it had better be like, and which history it holds. Asked when it is opened.

use diesel::sql_types::{Bool, Integer, Text};

use super::{append::WRITE_LOCKED, connection::PgDb};
use crate::db::{StoreError, open::OpenError, run::*, statement::statement};

/// The oldest server whose SQL we speak, as `server_version_num` has it.
const OLDEST: i32 = 140_000;

/// Refuses a server that cannot keep what we promise.
pub fn requirements(db: &mut PgDb) -> Result<(), OpenError> {
    let (version, encoding): (i32, String) = Server {}.get_result(db).map_err(OpenError::database)?;
    if version < OLDEST {
        let major = version / 10_000;
        return Err(OpenError::Database(format!(
            "PostgreSQL {major} is too old: 14 or newer is needed"
        )));
    }
    if encoding != "UTF8" {
        return Err(OpenError::Database(format!(
            "its encoding is {encoding}: make it with `createdb --encoding=UTF8 --template=template0`"
        )));
    }
    Ok(())
}

/// Says aloud what may lose acknowledged messages.
pub fn warn(db: &mut PgDb) {
    let settings: Result<(String, String, String), _> = Durability {}.get_result(db);
    let Ok((fsync, synchronous_commit, full_page_writes)) = settings else {
        log::warn!(target: "parlor::db", "cannot tell how durable the database's commits are");
        return;
    };
    let mut doubts = Vec::new();
    if fsync != "on" {
        doubts.push("fsync=off: a crash of its machine may destroy the whole database");
    }
    if synchronous_commit == "off" {
        doubts.push("synchronous_commit=off: a crash loses messages that were acknowledged");
    }
    if full_page_writes != "on" {
        doubts.push("full_page_writes=off: a crash of its machine may damage the database");
    }
    for doubt in doubts {
        log::warn!(target: "parlor::db", "the database does not keep what Parlor promises: {doubt}");
    }
}

/// Says aloud that another server is there already: each is right by itself, and their users do not hear each other.
pub fn warn_of_others(db: &mut PgDb) {
    if is_served(db).unwrap_or(false) {
        log::warn!(
            target: "parlor::db",
            "another server of Parlor, or a tool of it, is connected to this database: what is said at one of them is kept \
             for all, but not heard live at the other, and who comes and goes there is noticed late here. Run one server on a \
             database, unless this one replaces the other just now"
        );
    }
}

/// Whether a server, or another tool of ours, is connected beside us.
fn is_served(db: &mut PgDb) -> Result<bool, StoreError> {
    Ok(Others {}.get_result(db)?)
}

/// Whether nobody writes. A server that has just stopped, and that the database still counts, is waited for.
pub fn at_rest(db: &mut PgDb) -> Result<bool, StoreError> {
    if !is_served(db)? {
        return Ok(true);
    }
    let free = db
        .batch("SET lock_timeout = '1s'; SELECT pg_advisory_lock(7310022); SELECT pg_advisory_unlock(7310022)")
        .is_ok();
    db.batch("SET lock_timeout = 0")?;
    Ok(free)
}

/// Keeps servers and tools away until this connection ends. Refused while one is there; one that was killed may need a
/// moment to be noticed.
pub fn alone(db: &mut PgDb) -> Result<(), OpenError> {
    db.batch("SET lock_timeout = '3s'; SELECT pg_advisory_lock(7310022)")
        .map_err(|_| {
            OpenError::Database("a server, or another tool of Parlor, is connected to it: stop it first".to_owned())
        })?;
    Ok(db.batch("SET lock_timeout = 0").map_err(StoreError::from)?)
}

/// The epoch, made if there is none. A database that does not go on from where its epoch was made (restored from a dump or
/// an archive, or a standby that took over) gets a new one, which voids the cursors of clients.
pub fn epoch(db: &mut PgDb) -> Result<String, OpenError> {
    Ok(db.transact(WRITE_LOCKED, |db| -> Result<String, StoreError> {
        let lineage = lineage(db)?;
        let known: Option<String> = Meta { name: "epoch" }.get_result(db).optional()?;
        let before: Option<String> = Meta { name: "lineage" }.get_result(db).optional()?;
        let goes_on = before.as_deref().is_none_or(|before| before == lineage);
        if let Some(epoch) = known
            && goes_on
        {
            if before.is_none() {
                put(db, "lineage", &lineage)?;
            }
            return Ok(epoch);
        }
        if !goes_on {
            log::warn!(
                target: "parlor::db",
                "the database is not the one that was here before, or goes on from a copy: clients begin anew"
            );
        }
        let epoch = uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string();
        put(db, "epoch", &epoch)?;
        put(db, "lineage", &lineage)?;
        Ok(epoch)
    })?)
}

/// Which cluster, which of its timelines, which database.
pub fn lineage(db: &mut PgDb) -> Result<String, StoreError> {
    Ok(Lineage {}.get_result(db)?)
}

fn put(db: &mut PgDb, name: &'static str, value: &str) -> Result<(), StoreError> {
    let value = value.to_owned();
    PutMeta { name, value }.execute(db)?;
    Ok(())
}

statement! {
    /// Version and encoding.
    Server {} -> (Integer, Text),
    "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')"
}

statement! {
    /// What decides whether a commit survives.
    Durability {} -> (Text, Text, Text),
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')"
}

statement! {
    /// Which cluster, which of its timelines, which database: changes whenever history may have been rolled back. The timeline
    /// is that of what is written now; the control file has it only after the next checkpoint.
    Lineage {} -> Text,
    "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || \
     ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int::text || '/' || \
     (SELECT oid FROM pg_database WHERE datname = current_database())::text"
}

statement! {
    /// Whether anybody else holds the lock that all our connections hold.
    Others {} -> Bool,
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid() \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     AND classid = 0 AND objid = 7310022 AND objsubid = 1)"
}

statement! {
    /// A value of `meta`.
    Meta { name: &'static str as Text } -> Text,
    "SELECT value FROM meta WHERE name = " {name}
}

statement! {
    /// A value of `meta` from now on.
    PutMeta { name: &'static str as Text, value: String as Text },
    "INSERT INTO meta (name, value) VALUES (" {name} ", " {value} ") ON CONFLICT (name) DO UPDATE SET value = excluded.value"
}
