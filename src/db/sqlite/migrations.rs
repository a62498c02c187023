//! The schema's versions, embedded in the binary. Applied by `open` and by `parlor migrate`; never downwards, except by tests.

use std::{os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

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
    let applied = apply(&mut connection, path)?;
    // A store is whole only with its epoch; a server that opens it finds it made.
    super::epoch::read_or_make(&mut connection)?;
    Ok(applied)
}

/// As [`migrate`], on the writer's connection.
pub fn apply(connection: &mut SqliteConnection, path: &Path) -> Result<Vec<String>, OpenError> {
    let missing = missing(connection)?;
    let Some(first) = missing.first() else {
        return Ok(missing);
    };
    if !is_empty(connection)? {
        let target = with_suffix(path, &format!(".before-{first}"));
        copy(connection, &target, |_| Ok(()))?;
        log::info!(target: "parlor::db", "copied the database to {} before its schema changes", target.display());
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

/// Copies the file, as it is to this connection, to `target`; one that is there is replaced, and never by half a copy.
/// `finish` gets the copy before it has its name. Nobody but its owner may read it.
pub fn copy(
    connection: &mut SqliteConnection,
    target: &Path,
    finish: impl FnOnce(&Path) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let draft = with_suffix(target, ".new");
    let io = |error| OpenError::Io {
        path: target.to_owned(),
        error,
    };
    if draft.exists() {
        std::fs::remove_file(&draft).map_err(io)?;
    }
    let name = draft.to_str().ok_or_else(|| OpenError::Path(draft.clone()))?;
    // An empty file is written into as it is.
    let mut private = std::fs::OpenOptions::new();
    private
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(io)?;
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(name)
        .execute(connection)
        .map_err(OpenError::database)?;
    finish(&draft)?;
    std::fs::File::open(&draft)
        .and_then(|file| file.sync_all())
        .map_err(io)?;
    std::fs::rename(&draft, target).map_err(io)?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use diesel::migration::MigrationSource;

    use super::*;

    fn fresh() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        (dir, path)
    }

    fn schema(connection: &mut SqliteConnection) -> Vec<String> {
        sql::<Text>(
            "SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'
             AND name NOT LIKE 'sqlite_autoindex%' ORDER BY name",
        )
        .load(connection)
        .unwrap()
    }

    #[test]
    fn each_down_restores_the_schema_before_it() {
        let (_dir, path) = fresh();
        let mut connection = connection::plain(&path, Duration::ZERO).unwrap();
        assert!(!missing(&mut connection).unwrap().is_empty());
        let migrations: Vec<Box<dyn diesel::migration::Migration<Sqlite>>> = MIGRATIONS.migrations().unwrap();
        for migration in &migrations {
            let before = schema(&mut connection);
            connection.run_migration(migration.as_ref()).unwrap();
            let after = schema(&mut connection);
            connection.revert_migration(migration.as_ref()).unwrap();
            assert_eq!(schema(&mut connection), before, "{}", migration.name());
            connection.run_migration(migration.as_ref()).unwrap();
            assert_eq!(schema(&mut connection), after);
        }
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let (_dir, path) = fresh();
        let all = pending(&path, Duration::ZERO).unwrap();
        assert!(all.len() > 1, "{all:?}");
        assert_eq!(migrate(&path, Duration::ZERO).unwrap(), all);
        assert!(migrate(&path, Duration::ZERO).unwrap().is_empty());
        let mut connection = connection::plain(&path, Duration::ZERO).unwrap();
        connection
            .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')")
            .unwrap();
        let refused = migrate(&path, Duration::ZERO).unwrap_err();
        assert!(
            matches!(&refused, OpenError::Newer { version } if version == "9999"),
            "{refused}"
        );
        assert!(matches!(pending(&path, Duration::ZERO), Err(OpenError::Newer { .. })));
    }

    #[test]
    fn a_file_that_holds_something_is_copied_first() {
        let (_dir, path) = fresh();
        let mut connection = connection::plain(&path, Duration::ZERO).unwrap();
        connection
            .batch_execute("CREATE TABLE kept (a); INSERT INTO kept VALUES (7)")
            .unwrap();
        let applied = apply(&mut connection, &path).unwrap();
        let copy = with_suffix(&path, &format!(".before-{}", applied[0]));
        let mut copy = connection::plain(&copy, Duration::ZERO).unwrap();
        assert_eq!(schema(&mut copy), ["kept: CREATE TABLE kept (a)"]);
        assert_eq!(
            sql::<BigInt>("SELECT a FROM kept")
                .get_result::<i64>(&mut copy)
                .unwrap(),
            7
        );
    }

    #[test]
    fn a_new_file_is_not_copied() {
        let (dir, path) = fresh();
        migrate(&path, Duration::ZERO).unwrap();
        let names: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.iter().all(|name| !name.contains("before")), "{names:?}");
    }

    /// The columns that diesel asks a table for, as `SELECT `t`.`c`, …` names them.
    fn columns(query: &str) -> Vec<String> {
        let list = query.split(" FROM ").next().unwrap_or_default();
        list.split(", ")
            .filter_map(|column| Some(column.rsplit('`').nth(1)?.to_owned()))
            .collect()
    }

    #[test]
    fn the_tables_are_as_diesel_sees_them() {
        use crate::db::schema::*;
        let (_dir, path) = fresh();
        migrate(&path, Duration::ZERO).unwrap();
        let mut connection = connection::plain(&path, Duration::ZERO).unwrap();
        macro_rules! same {
            ($($table:ident),*) => {
                $(
                    let made: Vec<String> =
                        sql::<Text>(concat!("SELECT name FROM pragma_table_info('", stringify!($table), "') ORDER BY cid"))
                            .load(&mut connection)
                            .unwrap();
                    let seen = columns(&diesel::debug_query::<Sqlite, _>(&$table::table.select($table::all_columns)).to_string());
                    assert_eq!(made, seen, stringify!($table));
                    assert!(!made.is_empty());
                )*
            };
        }
        same!(
            webhook_endpoints,
            webhook_cursors,
            meta,
            users,
            revoked_tokens,
            conversations,
            heads,
            members,
            messages,
            mentions,
            message_versions,
            reactions,
            read_marks,
            changes,
            uploads,
            upload_uses,
            upload_endings
        );
    }
}
