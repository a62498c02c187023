//! The server's database in a test's own hands: to hold its locks, and to damage it.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use diesel::{Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query};

use super::Place;

/// What every change needs. Reading goes on beside it.
const LOCKED: &str = "BEGIN; LOCK TABLE meta, users, revoked_tokens, conversations, heads, members, messages, changes \
     IN EXCLUSIVE MODE";

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
    touched: Receiver<Result<usize, String>>,
}

impl Session {
    fn open(url: String) -> Session {
        let (statements, asked) = channel::<String>();
        let (answers, touched) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let (client, connection) = runtime
                .block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls))
                .unwrap_or_else(|error| panic!("{url}: {error:?}"));
            runtime.spawn(connection);
            for statement in asked {
                let done = runtime.block_on(client.simple_query(&statement));
                let count = done.map_err(|error| format!("{statement}: {error:?}")).map(|answers| {
                    let touched = answers.iter().map(|answer| match answer {
                        tokio_postgres::SimpleQueryMessage::CommandComplete(rows) => *rows,
                        _ => 0,
                    });
                    touched.sum::<u64>() as usize
                });
                if answers.send(count).is_err() {
                    break;
                }
            }
        });
        Session { statements, touched }
    }

    fn runs(&mut self, statement: &str) -> usize {
        self.statements.send(statement.to_owned()).expect("the session is open");
        self.touched
            .recv()
            .expect("the session is open")
            .unwrap_or_else(|error| panic!("{error}"))
    }
}
