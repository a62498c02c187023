//! The server's database in a test's own hands: to hold its locks, and to damage it.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

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

use super::Place;

/// What every change needs. Reading goes on beside it.
const LOCKED: &str = "BEGIN; LOCK TABLE meta, users, revoked_tokens, conversations, heads, members, messages, changes, \
     uploads, upload_uses, upload_endings, read_marks, reactions, mentions, message_versions IN EXCLUSIVE MODE";

/// One connection; what it holds is given back when it is dropped.
pub enum Store {
    Sqlite(SqliteConnection),
    Postgres(Session),
}

impl Store {
    /// Opens the database of a place; it must be there.
    pub fn open(place: &Place) -> Store {
        if let Some(database) = place.database() {
            return Store::Postgres(Session::open(database.url()));
        }
        let file = place.data().join("parlor.sqlite3");
        assert!(file.is_file(), "the server keeps its data in {}", file.display());
        let name = file.to_str().expect("a path of plain text");
        let connection = SqliteConnection::establish(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut store = Store::Sqlite(connection);
        store.runs("PRAGMA busy_timeout = 10000");
        store
    }

    pub fn runs(&mut self, statement: &str) {
        match self {
            Store::Sqlite(connection) => connection
                .batch_execute(statement)
                .unwrap_or_else(|error| panic!("{statement}: {error}")),
            Store::Postgres(session) => drop(session.runs(statement)),
        }
    }

    /// Runs a change; how many rows it touched.
    pub fn changes(&mut self, statement: &str) -> usize {
        match self {
            Store::Sqlite(connection) => sql_query(statement)
                .execute(connection)
                .unwrap_or_else(|error| panic!("{statement}: {error}")),
            Store::Postgres(session) => session.runs(statement),
        }
    }

    /// The changes of a conversation that are no new message, by their number: which message they changed.
    pub fn changes_of(&mut self, conversation: &str) -> BTreeMap<u64, String> {
        let id = uuid::Uuid::parse_str(conversation).expect("an id").simple();
        let text = |id: &str| uuid::Uuid::parse_str(id).expect("an id").to_string();
        match self {
            Store::Sqlite(connection) => {
                let statement = format!(
                    "SELECT c.position & 4294967295 AS seq, lower(hex(c.message_id)) AS id FROM changes c
                     JOIN conversations ON c.position >> 32 = key WHERE conversations.id = x'{id}'"
                );
                let rows: Vec<ChangeRow> = sql_query(statement).load(connection).expect("the changes can be read");
                rows.iter().map(|row| (row.seq as u64, text(&row.id))).collect()
            }
            Store::Postgres(session) => {
                let lines = session.asks(&format!(
                    "SELECT (c.position & 4294967295) || ' ' || c.message_id FROM changes c
                     JOIN conversations ON c.position >> 32 = key WHERE conversations.id = '{id}'"
                ));
                let row = |line: &String| {
                    let (seq, id) = line.split_once(' ').expect("two columns");
                    (seq.parse().expect("a number"), text(id))
                };
                lines.iter().map(row).collect()
            }
        }
    }

    /// A number that the database says: `SELECT …`.
    pub fn reads(&mut self, query: &str) -> i64 {
        match self {
            Store::Sqlite(connection) => diesel::select(sql::<BigInt>(&format!("({query})")))
                .get_result(connection)
                .unwrap_or_else(|error| panic!("{query}: {error}")),
            Store::Postgres(session) => session.asks(query)[0].parse().expect("a number"),
        }
    }

    /// Holds the write lock until `unlocks`.
    pub fn locks(&mut self) {
        match self {
            Store::Sqlite(_) => self.runs("BEGIN EXCLUSIVE"),
            Store::Postgres(_) => self.runs(LOCKED),
        }
    }

    pub fn unlocks(&mut self) {
        self.runs("ROLLBACK");
    }
}

/// A session on a server, driven by a thread of its own: tests call it without waiting for a future.
pub struct Session {
    statements: Sender<String>,
    touched: Receiver<Result<(usize, Vec<String>), String>>,
}

impl Session {
    pub fn open(url: String) -> Session {
        Self::try_open(url.clone()).unwrap_or_else(|| panic!("{url} cannot be connected to"))
    }

    /// `None`: the server does not take it.
    pub fn try_open(url: String) -> Option<Session> {
        let (statements, asked) = channel::<String>();
        let (answers, touched) = channel();
        let (opened, outcome) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let connected = runtime.block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls));
            let _ = opened.send(connected.is_ok());
            let Ok((client, connection)) = connected else { return };
            runtime.spawn(connection);
            for statement in asked {
                let done = runtime.block_on(client.simple_query(&statement));
                let count = done.map_err(|error| format!("{statement}: {error:?}")).map(|answers| {
                    let (mut touched, mut rows) = (0, Vec::new());
                    for answer in answers {
                        match answer {
                            tokio_postgres::SimpleQueryMessage::CommandComplete(count) => touched += count as usize,
                            tokio_postgres::SimpleQueryMessage::Row(row) => {
                                rows.push(row.get(0).unwrap_or_default().to_owned());
                            }
                            _ => {}
                        }
                    }
                    (touched, rows)
                });
                if answers.send(count).is_err() {
                    break;
                }
            }
        });
        outcome
            .recv()
            .expect("it tries")
            .then_some(Session { statements, touched })
    }

    fn runs(&mut self, statement: &str) -> usize {
        self.both(statement).0
    }

    /// The first column of what a query gives.
    fn asks(&mut self, query: &str) -> Vec<String> {
        self.both(query).1
    }

    fn both(&mut self, statement: &str) -> (usize, Vec<String>) {
        // Ids as SQLite writes them.
        let statement = statement.replace("= x'", "= '");
        self.statements.send(statement).expect("the session is open");
        self.touched
            .recv()
            .expect("the session is open")
            .unwrap_or_else(|error| panic!("{error}"))
    }
}
