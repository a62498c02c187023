//! The store on a server: a few threads that append to the log, one that writes what takes no seq, a pool of threads that
//! read, each with a connection of its own. Opened by `open`, whose callers see the two traits only. Several processes may
//! work on one database.

mod append;
mod connection;
mod groups;
mod guesses;
mod health;
mod history;
mod indexer;
mod ledger;
mod lookups;
mod migrations;
#[cfg(test)]
mod plans;
mod readings;
mod rows;
mod sends;
mod target;
mod waits;
mod words;
mod workers;

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::future::join_all;

use self::{
    append::WRITE_LOCKED,
    connection::{End, PgDb},
    groups::Group,
    guesses::Guesses,
    history::History,
    indexer::Indexer,
    target::Target,
    workers::Workers,
};
use super::{
    Appended, Carried, ConversationAppend, Log, LogError, StoreError, TransferError,
    common::{
        store::{Engine, Storage},
        verify::{self, Report},
    },
    open::{Closer, In, OpenError, Opened, Out, Progress},
    transfer,
};

/// How to open a database.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host/database`.
    pub url: String,
    /// Connections that read at once.
    pub readers: u32,
    /// Whether to apply the schema's missing versions; otherwise a database that lacks one is refused.
    pub migrate: bool,
    /// Whether this is a server, which looks at how the database is set up and says what is wrong with it.
    pub serves: bool,
}

impl PostgresOptions {
    /// What a server opens `url` with.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            readers: 8,
            migrate: true,
            serves: true,
        }
    }
}

/// How long a statement may take that looks at everything.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// How a read begins: what it sees does not change until it ends.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Opens a database. Blocks: not for an event loop.
pub fn open(options: &PostgresOptions) -> Result<Opened, OpenError> {
    aside(|| open_here(options))
}

/// Does `work` on a thread of its own: a connection has its own runtime, which cannot begin inside another one.
fn aside<T: Send, E: From<OpenError> + Send>(work: impl FnOnce() -> Result<T, E> + Send) -> Result<T, E> {
    thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| Err(OpenError::Database("the work on it ended in a panic".to_owned()).into()))
}

fn open_here(options: &PostgresOptions) -> Result<Opened, OpenError> {
    let target = target(&options.url)?;
    let mut db = PgDb::connect(&target).map_err(OpenError::Database)?;
    health::requirements(&mut db)?;
    if options.migrate {
        for version in migrations::apply(&mut db)? {
            log::info!(target: "parlor::db", "applied schema version {version}");
        }
    } else {
        let missing = migrations::missing(&mut db)?;
        if !missing.is_empty() {
            return Err(OpenError::Pending(missing));
        }
    }
    let epoch = health::epoch(&mut db)?;
    let history = Arc::new(History::default());
    if options.serves {
        health::warn(&mut db);
        health::warn_of_others(&mut db);
        history.begin(&mut db)?;
    }
    engine(options, &target, history, db, epoch)
}

fn engine(
    options: &PostgresOptions,
    target: &Arc<Target>,
    history: Arc<History>,
    db: PgDb,
    epoch: String,
) -> Result<Opened, OpenError> {
    let mut threads = Vec::new();
    let mut start = |name: &str, count: u32, first: Option<PgDb>| -> Result<Workers, OpenError> {
        let (workers, some) = Workers::start(name, count, target, &history, first).map_err(OpenError::database)?;
        threads.extend(some);
        Ok(workers)
    };
    let engine = PostgresEngine {
        appenders: start("parlor-pg-log", groups::CONNECTIONS, Some(db))?,
        writer: start("parlor-pg-write", 1, None)?,
        readers: start("parlor-pg-read", options.readers.max(1), None)?,
        guesses: Guesses::default(),
        indexer: Indexer::new(),
        committed: Arc::default(),
        history: history.clone(),
    };
    if options.serves {
        let indexing = engine.indexer.clone().start(engine.clone());
        threads.push(indexing.map_err(OpenError::database)?);
    }
    let closing = engine.clone();
    Ok(Opened {
        store: Arc::new(Storage::new(engine.clone(), epoch)),
        log: Box::new(PostgresLog(engine)),
        rolled_back: history.bell(),
        closer: Closer::new(move || closing.close(threads)),
    })
}

/// The names of the schema's versions that a database lacks, oldest first.
pub fn pending(url: &str) -> Result<Vec<String>, OpenError> {
    aside(|| migrations::missing(&mut connect(url)?))
}

/// Applies them; their names.
pub fn migrate(url: &str) -> Result<Vec<String>, OpenError> {
    aside(|| {
        let mut db = connect(url)?;
        health::requirements(&mut db)?;
        let applied = migrations::apply(&mut db)?;
        // A store is whole only with its epoch; a server that opens it finds it made.
        health::epoch(&mut db)?;
        Ok(applied)
    })
}

/// Writes everything that the database holds to `out`.
pub fn export(url: &str, out: Out<'_>, progress: Progress<'_>) -> Result<Carried, TransferError> {
    aside(|| {
        let mut db = connect(url)?;
        let missing = migrations::missing(&mut db)?;
        if !missing.is_empty() {
            return Err(OpenError::Pending(missing).into());
        }
        db.patient(PATIENCE)?;
        let at_rest = health::at_rest(&mut db)?;
        db.transact(SNAPSHOT, |db| transfer::export(db, at_rest, out, progress))
    })
}

/// Puts everything that `input` holds into the database.
pub fn import(
    url: &str,
    input: In<'_>,
    keep_epoch: Option<bool>,
    progress: Progress<'_>,
) -> Result<Carried, TransferError> {
    aside(|| {
        let mut db = connect(url)?;
        health::requirements(&mut db)?;
        migrations::apply(&mut db)?;
        db.patient(PATIENCE)?;
        health::alone(&mut db)?;
        let carried = db.transact(WRITE_LOCKED, |db| transfer::import(db, input, keep_epoch, progress))?;
        health::epoch(&mut db)?;
        Ok(carried)
    })
}

/// Checks the database; servers may run beside it. An error means that nothing could be said.
pub fn verify(url: &str, progress: Progress<'_>) -> Result<Report, OpenError> {
    aside(|| {
        let mut db = connect(url)?;
        let missing = migrations::missing(&mut db)?;
        if !missing.is_empty() {
            return Err(OpenError::Pending(missing));
        }
        db.patient(PATIENCE).map_err(OpenError::database)?;
        // What the server itself is like, its own tools say (pg_amcheck).
        let report = db.transact(SNAPSHOT, |db| verify::verify(db, |_| Vec::new(), progress));
        Ok(report?)
    })
}

/// Host and database of a URL.
pub fn shown(url: &str) -> String {
    match Target::parse(url) {
        Ok(target) => target.shown(),
        Err(_) => "a PostgreSQL server".to_owned(),
    }
}

fn connect(url: &str) -> Result<PgDb, OpenError> {
    PgDb::connect(&*target(url)?).map_err(OpenError::Database)
}

fn target(url: &str) -> Result<Arc<Target>, OpenError> {
    Target::parse(url)
        .map(Arc::new)
        .map_err(|why| OpenError::Database(format!("DATABASE_URL: {why}")))
}

/// The threads with their connections.
#[derive(Clone)]
struct PostgresEngine {
    appenders: Workers,
    writer: Workers,
    readers: Workers,
    /// What the appenders believe.
    guesses: Guesses,
    /// What brings the search index up to date.
    indexer: Indexer,
    /// When the last commit succeeded.
    committed: Arc<Mutex<Option<Instant>>>,
    /// Whether the database goes on from what was committed.
    history: Arc<History>,
}

impl PostgresEngine {
    fn note_commit(&self) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Each group on a connection of its own, at the same time: what befalls one of them befalls no other.
    async fn append(&self, batch: Vec<ConversationAppend>) -> Vec<Result<Appended, LogError>> {
        let nothing = || Err(LogError::Unavailable("it was not tried".to_owned()));
        let mut answers: Vec<_> = batch.iter().map(|_| nothing()).collect();
        let groups = groups::split(batch, &self.guesses);
        let decided = join_all(groups.into_iter().map(|group| self.commit(group))).await;
        for (place, answer) in decided.into_iter().flatten() {
            if let Some(slot) = answers.get_mut(place) {
                *slot = answer.map_err(LogError::from);
            }
        }
        answers
    }

    async fn commit(&self, group: Group) -> Vec<(usize, Result<Appended, StoreError>)> {
        let Group { kind, places, batch } = group;
        let engine = self.clone();
        let work = move |db: &mut PgDb, answer: workers::Answer<_>| {
            let decided = append::commit(db, &engine.guesses, kind, &batch);
            let done = batch.iter().zip(&decided);
            let done: Vec<_> = done
                .filter_map(|(one, decided)| Some((one, decided.as_ref().ok()?)))
                .collect();
            if !done.is_empty() {
                engine.note_commit();
                let given = done.iter().map(|(_, one)| u64::from(one.head.0 - one.before.0));
                engine.history.grew(given.sum());
                engine.indexer.note(done.into_iter());
            }
            answer.give(Ok(decided));
        };
        let decided = match self.appenders.ask(work).await {
            Ok(decided) => decided,
            Err(error) => vec![Err(error); places.len()],
        };
        places.into_iter().zip(decided).collect()
    }

    fn close(self, threads: Vec<JoinHandle<()>>) {
        self.indexer.close();
        for workers in [&self.appenders, &self.writer, &self.readers] {
            workers.close();
        }
        for thread in threads {
            if thread.join().is_err() {
                log::error!(target: "parlor::db", "a thread of the store ended in a panic");
            }
        }
    }
}

impl Engine for PostgresEngine {
    type Connection = PgDb;
    const NAME: &'static str = "postgres";

    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut PgDb) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let read = move |db: &mut PgDb, answer: workers::Answer<T>| {
            db.begin(SNAPSHOT);
            answer.give(work(db));
            // Nobody has to wait for the end of a transaction that changed nothing; one that does not end costs the
            // connection.
            let _ = db.end(End::Rollback);
        };
        self.readers.ask(read).await
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut PgDb) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let engine = self.clone();
        let write = move |db: &mut PgDb, answer: workers::Answer<T>| {
            let outcome = db.transact(WRITE_LOCKED, work);
            if outcome.is_ok() {
                engine.note_commit();
            }
            answer.give(outcome);
        };
        self.writer.ask(write).await
    }

    fn committed_within(&self, age: Duration) -> bool {
        let committed = *self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        committed.is_some_and(|at| at.elapsed() <= age)
    }

    fn backlog(&self) -> u64 {
        self.indexer.count()
    }

    fn pool(&self) -> (u32, u32) {
        self.readers.state()
    }
}

struct PostgresLog(PostgresEngine);

#[async_trait]
impl Log for PostgresLog {
    async fn append(&mut self, batch: Vec<ConversationAppend>) -> Vec<Result<Appended, LogError>> {
        self.0.append(batch).await
    }
}
