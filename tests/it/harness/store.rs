//! The server's SQLite file in a test's own hands: to hold its lock, and to damage it.

use std::path::Path;

use diesel::{Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query, sql_types::BigInt};

pub struct Store {
    connection: SqliteConnection,
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
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

    /// A query whose one row has one whole number, named `number`.
    pub fn number(&mut self, query: &str) -> i64 {
        let row: Number = sql_query(query)
            .get_result(&mut self.connection)
            .unwrap_or_else(|e| panic!("{query}: {e}"));
        row.number
    }

    /// Holds the write lock until `unlocks`.
    pub fn locks(&mut self) {
        self.runs("BEGIN EXCLUSIVE");
    }

    pub fn unlocks(&mut self) {
        self.runs("ROLLBACK");
    }
}
