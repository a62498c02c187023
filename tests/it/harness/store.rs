//! The server's SQLite file in a test's own hands: to hold its lock, and to damage it.

use std::{collections::BTreeMap, path::Path};

use diesel::{
    Connection, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    dsl::sql,
    prelude::QueryableByName,
    sql_query,
    sql_types::{BigInt, Text},
};

#[derive(QueryableByName)]
struct ChangeRow {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Text)]
    id: String,
}

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

    /// The changes of a conversation that are no new message, by their number: which message they changed.
    pub fn changes_of(&mut self, conversation: &str) -> BTreeMap<u64, String> {
        let id = uuid::Uuid::parse_str(conversation).expect("an id").simple();
        let statement = format!(
            "SELECT c.position & 4294967295 AS seq, lower(hex(c.message_id)) AS id FROM changes c
             JOIN conversations ON c.position >> 32 = key WHERE conversations.id = x'{id}'"
        );
        let rows: Vec<ChangeRow> = sql_query(statement)
            .load(&mut self.connection)
            .expect("the changes can be read");
        let id = |hex: &str| uuid::Uuid::parse_str(hex).expect("an id").to_string();
        rows.iter().map(|row| (row.seq as u64, id(&row.id))).collect()
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
