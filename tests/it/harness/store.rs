//! The server's SQLite file in a test's own hands: to hold its lock, and to damage it.

use std::path::Path;

use diesel::{
    Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, dsl::sql, sql_query, sql_types::BigInt,
};

pub struct Store {
    connection: SqliteConnection,
}

impl Store {
    /// Opens the file of a data directory; it must be there.
    pub fn open(data: &Path) -> Store {
        let file = data.join("parlor.sqlite3");
        assert!(file.is_file(), "the server keeps its data in {}", file.display());
        let name = file.to_str().expect("a path of plain text");
        let connection = SqliteConnection::establish(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut store = Store { connection };
        store.runs("PRAGMA busy_timeout = 10000");
        store
    }

    pub fn runs(&mut self, statement: &str) {
        self.connection
            .batch_execute(statement)
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Runs a change; how many rows it touched.
    pub fn changes(&mut self, statement: &str) -> usize {
        sql_query(statement)
            .execute(&mut self.connection)
            .unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// A number that the file says: `SELECT …`.
    pub fn reads(&mut self, query: &str) -> i64 {
        diesel::select(sql::<BigInt>(&format!("({query})")))
            .get_result(&mut self.connection)
            .unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Holds the write lock until `unlocks`.
    pub fn locks(&mut self) {
        self.runs("BEGIN EXCLUSIVE");
    }

    pub fn unlocks(&mut self) {
        self.runs("ROLLBACK");
    }
}
