//! One connection to PostgreSQL, as a [`Db`]: it blocks its thread until the server answers, and drives the connection
//! meanwhile. Held by a thread of `workers`, and by the migrations. What it is asked between `begin` and `end` is one
//! transaction.
//!
//! No answer within [`ANSWERS_WITHIN`], a connection that is gone and a server that turned out to be read-only all cost the
//! connection: whoever holds it opens another one, which may be to another host of the URL.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel::result::{DatabaseErrorKind, Error, QueryResult};
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    methods::{ExecuteDsl, LoadQuery},
};
use futures_util::{
    FutureExt, TryStreamExt,
    future::{LocalBoxFuture, join},
};
use tokio::{runtime::Runtime, time::timeout};

use super::{append::Turns, target::Target};
use crate::db::{
    StoreError,
    run::{Db, Dialect, Executes, Loads},
};

/// How long a statement may take before the connection is given up. The server is told to give up a little earlier, so
/// that this is only for a server or network that is silent.
pub const ANSWERS_WITHIN: Duration = Duration::from_millis(4500);

/// What every connection is set to. Plans are made once a statement, and must be right whatever the server believes of a
/// table's size: one that nobody has counted yet is taken to be small, and a plan that reads all of it, or all of its index
/// (as a hash or merge join does), costs more with each message until the next ANALYZE. So every table is entered through an
/// index, and rows are joined by looking them up; a quarter of the throughput otherwise, in every other run.
///
/// The lock says that somebody works here, whatever role they have and whatever they call themselves (`health`).
const SETUP: &str = "SET client_min_messages = warning; SET statement_timeout = '4s'; SET lock_timeout = '3s'; \
     SET idle_in_transaction_session_timeout = '10s'; SET default_transaction_isolation = 'read committed'; \
     SET search_path TO public; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
     SET enable_mergejoin = off; SET jit = off; SELECT pg_advisory_lock_shared(7310022)";

/// The connection, and what it is in the middle of.
pub struct PgDb {
    runtime: Runtime,
    connection: AsyncPgConnection,
    /// Set when the server has hung up.
    closed: Arc<AtomicBool>,
    lost: bool,
    /// See [`ANSWERS_WITHIN`].
    within: Duration,
    /// How the transaction begins: sent together with its first statement.
    begin: Option<&'static str>,
    /// Whether the server was told to begin.
    open: bool,
    /// What the log knows and has not written yet; see `append`.
    pub turns: Turns,
}

/// A statement on its way to the server.
pub type Sending = Box<dyn for<'a> FnOnce(&'a AsyncPgConnection) -> LocalBoxFuture<'a, QueryResult<usize>>>;

/// A statement that is sent later, with others.
pub fn sending<Q: PgExecutes + 'static>(statement: Q) -> Sending {
    Box::new(move |connection| {
        async move {
            let mut on = connection;
            ExecuteDsl::execute(statement, &mut on).await
        }
        .boxed_local()
    })
}

/// A statement that PostgreSQL can run.
pub trait PgExecutes: for<'a> ExecuteDsl<&'a AsyncPgConnection> {}

impl<Q: for<'a> ExecuteDsl<&'a AsyncPgConnection>> PgExecutes for Q {}

/// A query that PostgreSQL can run.
pub trait PgLoads<'q, U>: for<'a> LoadQuery<'q, &'a AsyncPgConnection, U> {}

impl<'q, U, Q: for<'a> LoadQuery<'q, &'a AsyncPgConnection, U>> PgLoads<'q, U> for Q {}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Keep what was done.
    Commit,
    /// Undo it.
    Rollback,
}

impl PgDb {
    /// Connects to the first host that answers and can be written to. The error is for the operator, and holds no password.
    pub fn connect(target: &Target) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime: {error}"))?;
        let closed = Arc::new(AtomicBool::new(false));
        let connection = runtime.block_on(async {
            let client = target.connect(closed.clone()).await?;
            let mut connection = AsyncPgConnection::try_from(client)
                .await
                .map_err(|error| error.to_string())?;
            timeout(ANSWERS_WITHIN, connection.batch_execute(SETUP))
                .await
                .map_err(|_| target.with_advice("the server does not answer"))?
                .map_err(|error| target.with_advice(&error.to_string()))?;
            Ok::<_, String>(connection)
        })?;
        Ok(Self {
            runtime,
            connection,
            closed,
            lost: false,
            within: ANSWERS_WITHIN,
            begin: None,
            open: false,
            turns: Turns::default(),
        })
    }

    /// Waits for something else, and notices meanwhile when the server hangs up.
    pub fn wait<T>(&self, event: impl Future<Output = T>) -> T {
        self.runtime.block_on(event)
    }

    /// Whether it is worth asking.
    pub fn is_usable(&self) -> bool {
        !self.lost && !self.closed.load(Ordering::Acquire)
    }

    /// Never to be used again: nobody knows what it is in the middle of.
    pub fn lose(&mut self) {
        self.lost = true;
    }

    /// From here on everything is one transaction; `how` begins it. Nothing is sent yet.
    pub fn begin(&mut self, how: &'static str) {
        self.turns = Turns::default();
        self.begin = Some(how);
        self.open = false;
    }

    /// Ends the transaction, if it ever began. An error of a COMMIT is [`StoreError::Unknown`].
    pub fn end(&mut self, end: End) -> Result<(), StoreError> {
        self.begin = None;
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        let text = match end {
            End::Commit => "COMMIT",
            End::Rollback => {
                // What was not written need not be.
                self.turns = Turns::default();
                "ROLLBACK"
            }
        };
        let ended = self.batch(text);
        if let Err(error) = ended {
            self.lost = true;
            return match end {
                End::Commit => Err(StoreError::Unknown(error.to_string())),
                End::Rollback => Ok(()),
            };
        }
        Ok(())
    }

    /// Runs `work` in a transaction that `how` begins; an error of it, and a panic, undo everything.
    pub fn transact<T, E: From<StoreError>>(
        &mut self,
        how: &'static str,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin(how);
        match work(self) {
            Ok(done) => {
                self.end(End::Commit)?;
                Ok(done)
            }
            Err(error) => {
                let _ = self.end(End::Rollback);
                Err(error)
            }
        }
    }

    /// From here on statements may take this long: for what is done once and looks at everything.
    pub fn patient(&mut self, within: Duration) -> QueryResult<()> {
        self.within = within;
        self.batch(
            "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
             SET enable_seqscan = on; SET enable_hashjoin = on; SET enable_mergejoin = on",
        )
    }

    /// As before [`PgDb::patient`].
    pub fn impatient(&mut self) -> QueryResult<()> {
        self.batch(SETUP)?;
        self.within = ANSWERS_WITHIN;
        Ok(())
    }

    /// Runs a statement that has nothing to do with what waits, without writing that first.
    pub fn run_now<Q: PgExecutes>(&mut self, statement: Q) -> QueryResult<usize> {
        self.ask(async |mut on| ExecuteDsl::execute(statement, &mut on).await)
    }

    /// As [`PgDb::run_now`], for a query.
    pub fn load_now<'q, Q: PgLoads<'q, U>, U>(&mut self, query: Q) -> QueryResult<Vec<U>> {
        self.ask(async |mut on| LoadQuery::internal_load(query, &mut on).await?.try_collect().await)
    }

    /// Sends the beginning of the transaction, if it is due, and `work` behind it, and waits for both. `work` may be several
    /// statements at once: the server gets them in the order in which their futures are polled first, also when one of
    /// them has to be prepared (the cache of prepared statements is locked until it is, and whoever waits for it stands in line).
    pub fn ask<'a, T, F, W>(&'a mut self, work: W) -> QueryResult<T>
    where
        W: FnOnce(&'a AsyncPgConnection) -> F,
        F: Future<Output = QueryResult<T>>,
    {
        let begin = self.begin.take();
        self.open |= begin.is_some();
        let Self {
            runtime,
            connection,
            lost,
            within,
            ..
        } = self;
        let connection: &'a AsyncPgConnection = connection;
        let answered = async {
            let begun = async {
                let mut on = connection;
                match begin {
                    Some(text) => on.batch_execute(text).await,
                    None => Ok(()),
                }
            };
            let (begun, done) = join(begun, work(connection)).await;
            begun.and(done)
        };
        let outcome = runtime.block_on(async { timeout(*within, answered).await });
        let outcome = outcome.unwrap_or_else(|_| {
            let why = format!("the database did not answer within {within:?}");
            Err(Error::DatabaseError(
                DatabaseErrorKind::UnableToSendCommand,
                Box::new(why),
            ))
        });
        if let Err(error) = &outcome {
            *lost |= is_fatal(error);
        }
        outcome
    }
}

/// Whether a connection is of no use after this.
fn is_fatal(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::ReadOnlyTransaction,
            _
        )
    )
}

impl Db for PgDb {
    const DIALECT: Dialect = Dialect::Postgres;

    fn rows<'q, Q: Loads<'q, U>, U: Send + 'static>(&mut self, query: Q) -> QueryResult<Vec<U>> {
        self.write_turns()?;
        self.ask(async |mut on| {
            let rows = LoadQuery::internal_load(query, &mut on).await?;
            rows.try_collect().await
        })
    }

    fn rows_while<'q, Q: Loads<'q, U>, U: Send + 'static>(
        &mut self,
        query: Q,
        take: &mut dyn FnMut(U) -> bool,
    ) -> QueryResult<()> {
        self.write_turns()?;
        self.ask(async |mut on| {
            let mut rows = std::pin::pin!(LoadQuery::internal_load(query, &mut on).await?);
            while let Some(row) = rows.try_next().await? {
                if !take(row) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn row<'q, Q: Loads<'q, U>, U: Send + 'static>(&mut self, query: Q) -> QueryResult<U> {
        self.rows(query)?.into_iter().next().ok_or(Error::NotFound)
    }

    fn run<Q: Executes>(&mut self, statement: Q) -> QueryResult<usize> {
        self.write_turns()?;
        self.turns.lookups.forget();
        self.ask(async |mut on| ExecuteDsl::execute(statement, &mut on).await)
    }

    fn batch(&mut self, text: &str) -> QueryResult<()> {
        self.write_turns()?;
        self.ask(async |mut on| on.batch_execute(text).await)
    }
}
