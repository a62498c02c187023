//! The thread that writes: it alone changes the file. Fed by [`WriterHandle`] through a bounded queue; each command is one
//! transaction, its answer goes out after the commit. A command that panics or whose COMMIT fails costs the connection,
//! which is opened anew; meanwhile commands are answered `Unavailable`. Never blocks an event loop.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{SqliteConnection, connection::SimpleConnection};
use tokio::sync::oneshot;

use super::{OpenError, connection, epoch::Sidecar, lock::FileLock};
use crate::db::{
    Appended, ConversationAppend, StoreError,
    common::{append, backlog::Backlog},
};

/// Commands that may wait. Beyond it the store is `Unavailable` at once.
const QUEUE: usize = 1024;
/// A command that waited this long is answered `Unavailable` rather than begun: with the lock's own timeout its caller
/// waits less than ten seconds.
const STALE_AFTER: Duration = Duration::from_secs(5);
/// How often the sidecar is written while something changes.
const SIDECAR_EVERY: Duration = Duration::from_secs(60);
/// Pause after the first and after every further failure to open the file again.
const REOPEN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Asks the writer. Cheap to clone; the thread ends when the last one is gone, or after [`WriterHandle::close`].
#[derive(Clone)]
pub struct WriterHandle {
    queue: SyncSender<(Instant, Command)>,
    /// When the last commit succeeded; set by the thread.
    committed: Arc<Mutex<Option<Instant>>>,
    /// Conversations that the search index lacks something of; set by the thread.
    backlog: Arc<AtomicU64>,
}

enum Command {
    Append(
        Vec<ConversationAppend>,
        oneshot::Sender<Result<Vec<Appended>, StoreError>>,
    ),
    Write(Box<dyn Job>),
    Close,
}

/// A write of the store with its way back. `None`: the connection is missing, answer so.
trait Job: Send {
    fn run(self: Box<Self>, writer: &mut Writer);
    fn refuse(self: Box<Self>, error: StoreError);
}

struct WriteJob<F, T> {
    work: F,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for WriteJob<F, T>
where
    F: FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(self: Box<Self>, writer: &mut Writer) {
        let outcome = writer.transact(self.work);
        // Whoever asked may have given up; the write stands all the same.
        let _ = self.answer.send(outcome);
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.answer.send(Err(error));
    }
}

impl WriterHandle {
    /// Runs `work` in one transaction of its own; durable when this returns.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        self.send(Command::Write(Box::new(WriteJob { work, answer })))?;
        outcome.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Commits a batch of the log.
    pub async fn append(&self, batch: Vec<ConversationAppend>) -> Result<Vec<Appended>, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.send(Command::Append(batch, answer))?;
        outcome.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Whether a commit succeeded no longer ago than this.
    pub fn committed_within(&self, age: Duration) -> bool {
        let committed = *self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        committed.is_some_and(|at| at.elapsed() <= age)
    }

    /// Conversations that the search index is known to lack something of.
    pub fn backlog(&self) -> u64 {
        self.backlog.load(Ordering::Relaxed)
    }

    /// Ends the thread after what was asked before; nothing is answered afterwards.
    pub fn close(&self) {
        // A full queue or an ended thread: the last handle's drop ends it, or it has ended.
        let _ = self.queue.send((Instant::now(), Command::Close));
    }

    fn send(&self, command: Command) -> Result<(), StoreError> {
        self.queue.try_send((Instant::now(), command)).map_err(|error| {
            StoreError::Unavailable(match error {
                TrySendError::Full(_) => format!("{QUEUE} writes are waiting"),
                TrySendError::Disconnected(_) => "the store is closed".to_owned(),
            })
        })
    }
}

/// The command was taken and never answered: the thread was torn down in the middle of it.
fn gone() -> StoreError {
    StoreError::Unknown("the writer ended".to_owned())
}

/// What the thread owns.
pub struct Writer {
    /// Where to open the file again.
    pub path: PathBuf,
    /// As in `SqliteOptions`.
    pub busy_timeout: Duration,
    /// `None` from a failure until it could be opened again.
    pub connection: Option<SqliteConnection>,
    /// The file's protection against rolled-back history; `None` for tools that run beside a server.
    pub sidecar: Option<Sidecar>,
    /// Held until the thread ends: then nothing of this process writes any more.
    pub _lock: Option<FileLock>,
    /// See [`WriterHandle`].
    pub committed: Arc<Mutex<Option<Instant>>>,
    /// What the search index lacks; `None` for tools that run beside a server.
    pub backlog: Option<Backlog>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(self) -> Result<(WriterHandle, thread::JoinHandle<()>), OpenError> {
        let (queue, commands) = sync_channel(QUEUE);
        let path = self.path.clone();
        let committed = self.committed.clone();
        let backlog = self.backlog.as_ref().map(Backlog::count).unwrap_or_default();
        let thread = thread::Builder::new()
            .name("parlor-sqlite".to_owned())
            .spawn(move || {
                Loop {
                    writer: self,
                    reopen_at: None,
                    pause: REOPEN_AFTER.0,
                }
                .run(&commands)
            })
            .map_err(|error| OpenError::Io { path, error })?;
        let handle = WriterHandle {
            queue,
            committed,
            backlog,
        };
        Ok((handle, thread))
    }

    /// Runs `work` between BEGIN IMMEDIATE and COMMIT. Whatever makes the connection's state doubtful costs it.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self
            .connection
            .as_mut()
            .ok_or_else(|| StoreError::Unavailable("the file is being opened again".to_owned()))?;
        connection.batch_execute("BEGIN IMMEDIATE")?;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(connection)));
        let done = match outcome {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => {
                if connection.batch_execute("ROLLBACK").is_err() {
                    self.connection = None;
                }
                return Err(error);
            }
            Err(_) => {
                // Dropping the connection rolls back.
                self.connection = None;
                return Err(StoreError::Unavailable("the writer panicked; rolled back".to_owned()));
            }
        };
        if let Err(error) = connection.batch_execute("COMMIT") {
            self.connection = None;
            return Err(StoreError::Unknown(error.to_string()));
        }
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(done)
    }

    fn append(&mut self, batch: &[ConversationAppend]) -> Result<Vec<Appended>, StoreError> {
        let appended = self.transact(|connection| append::append(connection, batch))?;
        if let Some(sidecar) = &mut self.sidecar {
            let given: u64 = appended.iter().map(|a| u64::from(a.head.0 - a.before.0)).sum();
            sidecar.grew(given);
        }
        if let Some(backlog) = &mut self.backlog {
            backlog.note(batch.iter().zip(&appended));
        }
        Ok(appended)
    }

    /// Takes a step of the search index, if there is one to take.
    fn index(&mut self, idle: bool) {
        let began = Instant::now();
        if let Some(work) = self.backlog.as_mut().and_then(|backlog| backlog.next(began, idle)) {
            let outcome = self.transact(|connection| work.run(connection));
            if let Some(backlog) = &mut self.backlog {
                backlog.worked(began, outcome);
            }
        }
    }
}

/// The thread's loop, with what it remembers about opening the file again.
struct Loop {
    writer: Writer,
    reopen_at: Option<Instant>,
    pause: Duration,
}

impl Loop {
    fn run(mut self, commands: &Receiver<(Instant, Command)>) {
        let mut sidecar_at = Instant::now() + SIDECAR_EVERY;
        loop {
            let now = Instant::now();
            let until_sidecar = sidecar_at.saturating_duration_since(now);
            let until_work = self.writer.backlog.as_mut().and_then(|backlog| backlog.waits(now));
            match commands.recv_timeout(until_work.map_or(until_sidecar, |wait| wait.min(until_sidecar))) {
                Ok((_, Command::Close)) | Err(RecvTimeoutError::Disconnected) => break,
                Ok((asked, command)) => {
                    self.handle(asked, command);
                    self.writer.index(false);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.reopen();
                    self.writer.index(true);
                }
            }
            if Instant::now() >= sidecar_at {
                sidecar_at = Instant::now() + SIDECAR_EVERY;
                self.save_sidecar();
            }
        }
        // The file alone is then whole, for whoever copies it. Not being able to costs nothing: the next opening does it.
        if let Some(connection) = &mut self.writer.connection {
            let _ = connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        self.save_sidecar();
    }

    fn handle(&mut self, asked: Instant, command: Command) {
        self.reopen();
        let stale = asked.elapsed() >= STALE_AFTER;
        let error = || StoreError::Unavailable("the write waited too long".to_owned());
        match command {
            Command::Append(_, answer) if stale => drop(answer.send(Err(error()))),
            Command::Write(job) if stale => job.refuse(error()),
            Command::Append(batch, answer) => {
                let outcome = self.writer.append(&batch);
                // Whoever asked may have given up; the commit stands all the same.
                let _ = answer.send(outcome);
            }
            Command::Write(job) => job.run(&mut self.writer),
            Command::Close => {}
        }
    }

    /// Opens the file again if it is not open and the pause is over. Never waits: the queue goes on being answered.
    fn reopen(&mut self) {
        let due = self.reopen_at.is_none_or(|at| Instant::now() >= at);
        if self.writer.connection.is_some() || !due {
            return;
        }
        match connection::writer(&self.writer.path, self.writer.busy_timeout) {
            Ok(mut connection) => {
                if let Some(sidecar) = &mut self.writer.sidecar {
                    sidecar.recount(&mut connection);
                }
                log::info!(target: "parlor::db", "opened the database again");
                self.writer.connection = Some(connection);
                self.reopen_at = None;
                self.pause = REOPEN_AFTER.0;
            }
            Err(error) => {
                log::error!(target: "parlor::db", "cannot open the database again: {error}");
                self.reopen_at = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(REOPEN_AFTER.1);
            }
        }
    }

    fn save_sidecar(&mut self) {
        if let Some(sidecar) = &mut self.writer.sidecar {
            sidecar.save();
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::{RunQueryDsl, dsl::sql, sql_types::BigInt};

    use super::*;

    fn started() -> (tempfile::TempDir, WriterHandle) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let busy_timeout = Duration::from_millis(100);
        let mut connection = connection::writer(&path, busy_timeout).unwrap();
        connection.batch_execute("CREATE TABLE t (a)").unwrap();
        let connection = Some(connection);
        let writer = Writer {
            path,
            busy_timeout,
            connection,
            sidecar: None,
            _lock: None,
            committed: Arc::default(),
            backlog: None,
        };
        (dir, writer.start().unwrap().0)
    }

    async fn rows(writer: &WriterHandle) -> i64 {
        writer
            .write(|c| Ok(sql::<BigInt>("SELECT count(*) FROM t").get_result(c)?))
            .await
            .unwrap()
    }

    fn insert(connection: &mut SqliteConnection) -> Result<(), StoreError> {
        Ok(connection.batch_execute("INSERT INTO t VALUES (1)")?)
    }

    #[tokio::test]
    async fn a_panic_rolls_back_and_the_next_write_goes_on() {
        let (_dir, writer) = started();
        let outcome: Result<(), _> = writer
            .write(|c| {
                insert(c)?;
                panic!("planned by a test")
            })
            .await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        assert_eq!(rows(&writer).await, 0);
        writer.write(insert).await.unwrap();
        assert_eq!(rows(&writer).await, 1);
    }

    #[tokio::test]
    async fn a_failed_commit_is_unknown_and_the_next_write_goes_on() {
        let (_dir, writer) = started();
        // The transaction is over before the writer's own COMMIT, which therefore fails.
        let outcome: Result<(), _> = writer
            .write(|c| {
                insert(c)?;
                Ok(c.batch_execute("ROLLBACK")?)
            })
            .await;
        assert!(matches!(outcome, Err(StoreError::Unknown(_))), "{outcome:?}");
        writer.write(insert).await.unwrap();
        assert_eq!(rows(&writer).await, 1);
    }

    #[tokio::test]
    async fn a_failed_statement_changes_nothing() {
        let (_dir, writer) = started();
        let outcome: Result<(), _> = writer
            .write(|c| {
                insert(c)?;
                Ok(c.batch_execute("INSERT INTO nowhere VALUES (1)")?)
            })
            .await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        assert!(!writer.committed_within(Duration::ZERO));
        assert_eq!(rows(&writer).await, 0);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_again_is_unavailable_until_it_can() {
        let (dir, writer) = started();
        let path = dir.path().join("store");
        let aside = dir.path().join("aside");
        let (from, to) = (path.clone(), aside.clone());
        let lost: Result<(), _> = writer
            .write(move |_| {
                std::fs::rename(&from, &to).unwrap();
                // Where the file was, something stands that is none.
                std::fs::create_dir(&from).unwrap();
                panic!("planned by a test")
            })
            .await;
        assert!(lost.is_err());
        for _ in 0..3 {
            assert!(matches!(writer.write(insert).await, Err(StoreError::Unavailable(_))));
        }
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        while writer.write(insert).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(rows(&writer).await, 1);
    }
}
