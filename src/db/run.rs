//! How a query is run, whichever database it is for: everything in `common` is written once, for a [`Db`]. SQLite's
//! connection is one, and PostgreSQL's (`postgres::connection`), which waits for its answers on its own thread. Imported
//! instead of diesel's prelude, whose `RunQueryDsl` runs a query on one backend only.

use diesel::{QueryResult, SqliteConnection, connection::SimpleConnection};
use diesel_async::AsyncPgConnection;

pub use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};

/// A query that gives rows of `U` on both databases. Never written by hand: whatever diesel can run on both is one.
pub trait Loads<'q, U>:
    diesel::query_dsl::LoadQuery<'q, SqliteConnection, U>
    + for<'c> diesel_async::methods::LoadQuery<'q, &'c AsyncPgConnection, U>
{
}

impl<'q, U, Q> Loads<'q, U> for Q where
    Q: diesel::query_dsl::LoadQuery<'q, SqliteConnection, U>
        + for<'c> diesel_async::methods::LoadQuery<'q, &'c AsyncPgConnection, U>
{
}

/// A statement that both databases can run.
pub trait Executes:
    diesel::query_dsl::methods::ExecuteDsl<SqliteConnection>
    + for<'c> diesel_async::methods::ExecuteDsl<&'c AsyncPgConnection>
{
}

impl<Q> Executes for Q where
    Q: diesel::query_dsl::methods::ExecuteDsl<SqliteConnection>
        + for<'c> diesel_async::methods::ExecuteDsl<&'c AsyncPgConnection>
{
}

/// Which database a [`Db`] talks to, where a statement has to know: see [`Speaks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// One file.
    Sqlite,
    /// A server.
    Postgres,
}

pub use super::statement::Speaks;

/// A connection inside a transaction. Blocks: it belongs on a thread of its own.
pub trait Db {
    /// What is on the other side.
    const DIALECT: Dialect;

    /// Every row of a query.
    fn rows<'q, Q: Loads<'q, U>, U: Send + 'static>(&mut self, query: Q) -> QueryResult<Vec<U>>;

    /// Gives the rows of a query to `take`, until that says that it has enough; those behind are not read.
    fn rows_while<'q, Q: Loads<'q, U>, U: Send + 'static>(
        &mut self,
        query: Q,
        take: &mut dyn FnMut(U) -> bool,
    ) -> QueryResult<()>;

    /// The first row of a query; `NotFound` when there is none.
    fn row<'q, Q: Loads<'q, U>, U: Send + 'static>(&mut self, query: Q) -> QueryResult<U>;

    /// Runs a statement; how many rows it touched.
    fn run<Q: Executes>(&mut self, statement: Q) -> QueryResult<usize>;

    /// Runs statements given as text.
    fn batch(&mut self, text: &str) -> QueryResult<()>;
}

/// The methods by which queries run themselves.
pub trait Run: Sized {
    /// Every row.
    fn load<'q, U: Send + 'static, C: Db>(self, connection: &mut C) -> QueryResult<Vec<U>>
    where
        Self: Loads<'q, U>,
    {
        connection.rows(self)
    }

    /// The first row; `NotFound` when there is none, which `optional` makes a `None`.
    fn get_result<'q, U: Send + 'static, C: Db>(self, connection: &mut C) -> QueryResult<U>
    where
        Self: Loads<'q, U>,
    {
        connection.row(self)
    }

    /// How many rows it touched.
    fn execute<C: Db>(self, connection: &mut C) -> QueryResult<usize>
    where
        Self: Executes,
    {
        connection.run(self)
    }
}

impl<Q> Run for Q {}

impl Db for SqliteConnection {
    const DIALECT: Dialect = Dialect::Sqlite;

    fn rows<'q, Q: Loads<'q, U>, U: Send + 'static>(&mut self, query: Q) -> QueryResult<Vec<U>> {
        diesel::query_dsl::LoadQuery::internal_load(query, self)?.collect()
    }

    fn rows_while<'q, Q: Loads<'q, U>, U: Send + 'static>(
        &mut self,
        query: Q,
        take: &mut dyn FnMut(U) -> bool,
    ) -> QueryResult<()> {
        for row in diesel::query_dsl::LoadQuery::internal_load(query, self)? {
            if !take(row?) {
                break;
            }
        }
        Ok(())
    }

    fn row<'q, Q: Loads<'q, U>, U: Send + 'static>(&mut self, query: Q) -> QueryResult<U> {
        let mut rows = diesel::query_dsl::LoadQuery::internal_load(query, self)?;
        rows.next().unwrap_or(Err(diesel::result::Error::NotFound))
    }

    fn run<Q: Executes>(&mut self, statement: Q) -> QueryResult<usize> {
        diesel::query_dsl::methods::ExecuteDsl::execute(statement, self)
    }

    fn batch(&mut self, text: &str) -> QueryResult<()> {
        self.batch_execute(text)
    }
}
