//! The embedded store: one file, one thread that writes, a pool of connections that read. Opened by `app` and `cli`, which
//! see the two traits only.

mod connection;
mod epoch;
mod lock;
mod migrations;
#[cfg(test)]
mod plans;
mod readers;
mod words;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use diesel::{SqliteConnection, connection::SimpleConnection};

use self::{epoch::Sidecar, lock::FileLock, readers::Readers, writer::Writer, writer::WriterHandle};
pub use super::open::OpenError;
use super::{
    Appended, Carried, ConversationAppend, Log, LogError, StoreError, TransferError,
    common::{
        backlog::Backlog,
        store::{Engine, Storage},
        verify::{self, Report},
    },
    open::{Closer, In, Opened, Out, Progress},
    transfer,
};

/// How to open a file.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Which; created if it is missing. Its folder must be there.
    pub path: PathBuf,
    /// Connections that read at once.
    pub readers: u32,
    /// How long a statement waits for another process's lock.
    pub busy_timeout: Duration,
    /// Whether to refuse a file that another server has open. Tools that may run beside a server set it to false.
    pub exclusive: bool,
    /// Whether to apply the schema's missing versions; otherwise a file that lacks one is refused.
    pub migrate: bool,
}

impl SqliteOptions {
    /// What a server opens `path` with.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers: 4,
            busy_timeout: Duration::from_secs(4),
            exclusive: true,
            migrate: true,
        }
    }
}

/// Opens a file. Blocks: not for an event loop.
pub fn open(options: SqliteOptions) -> Result<Opened, OpenError> {
    let SqliteOptions {
        path,
        readers,
        busy_timeout,
        exclusive,
        migrate,
    } = options;
    let lock = if exclusive { Some(FileLock::take(&path)?) } else { None };
    let mut connection = connection::writer(&path, busy_timeout)?;
    if migrate {
        migrations::apply(&mut connection, &path)?;
    } else {
        let missing = migrations::missing(&mut connection)?;
        if !missing.is_empty() {
            return Err(OpenError::Pending(missing));
        }
    }
    let mut epoch = epoch::read_or_make(&mut connection)?;
    // A tool beside a server leaves the sidecar to the server.
    let sidecar = if exclusive {
        let sidecar = Sidecar::open(lock::with_suffix(&path, ".history"), &mut connection, epoch)?;
        epoch = sidecar.epoch().to_owned();
        Some(sidecar)
    } else {
        None
    };
    let readers = Readers::open(&path, readers, busy_timeout)?;
    let (writer, thread) = Writer {
        path,
        busy_timeout,
        connection: Some(connection),
        sidecar,
        _lock: lock,
        committed: Arc::default(),
        backlog: exclusive.then(Backlog::new),
    }
    .start()?;
    let engine = SqliteEngine {
        readers,
        writer: writer.clone(),
    };
    Ok(Opened {
        store: Arc::new(Storage::new(engine, epoch)),
        log: Box::new(SqliteLog(writer.clone())),
        rolled_back: Arc::default(),
        closer: Closer::new(move || {
            writer.close();
            if thread.join().is_err() {
                log::error!(target: "parlor::db", "the writer ended in a panic");
            }
        }),
    })
}

/// The names of the schema's versions that a file lacks, oldest first; of a file that is missing, all. For `parlor migrate`.
pub fn pending(path: &Path) -> Result<Vec<String>, OpenError> {
    migrations::pending(path, Duration::from_secs(4))
}

/// Applies them, after a copy of the file; their names. Refused while a server has the file open.
pub fn migrate(path: &Path) -> Result<Vec<String>, OpenError> {
    let _lock = FileLock::take(path)?;
    migrations::migrate(path, Duration::from_secs(4))
}

/// Writes everything that the file at `path` holds to `out`.
pub fn export(path: &Path, out: Out<'_>, progress: Progress<'_>) -> Result<Carried, TransferError> {
    // Held until it is written: no server can begin.
    let lock = FileLock::take(path);
    let mut connection = existing(path)?;
    connection.batch_execute("BEGIN")?;
    transfer::export(&mut connection, lock.is_ok(), out, progress)
}

/// Puts everything that `input` holds into the file at `path`.
pub fn import(
    path: &Path,
    input: In<'_>,
    keep_epoch: Option<bool>,
    progress: Progress<'_>,
) -> Result<Carried, TransferError> {
    let _lock = FileLock::take(path)?;
    let mut connection = connection::writer(path, Duration::from_secs(4))?;
    migrations::apply(&mut connection, path)?;
    connection.batch_execute("BEGIN IMMEDIATE")?;
    let carried = transfer::import(&mut connection, input, keep_epoch, progress)?;
    connection.batch_execute("COMMIT")?;
    epoch::read_or_make(&mut connection)?;
    connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(carried)
}

/// Copies the file at `path` as it is at one moment.
pub fn backup(path: &Path, target: &Path) -> Result<(), OpenError> {
    if target.exists() {
        let error = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        let path = target.to_owned();
        return Err(OpenError::Io { path, error });
    }
    migrations::copy(&mut existing(path)?, target, |copy| {
        epoch::mark_copy(&mut connection::plain(copy, Duration::from_secs(4))?)
    })
}

/// Checks the file at `path`; a server may run beside it. An error means that nothing could be said.
pub fn verify(path: &Path, progress: &mut dyn FnMut(String)) -> Result<Report, OpenError> {
    let mut connection = existing(path)?;
    connection
        .batch_execute("PRAGMA query_only = ON; BEGIN")
        .map_err(OpenError::database)?;
    Ok(verify::verify(&mut connection, connection::integrity, progress)?)
}

/// A connection to a file that is there and up to date.
fn existing(path: &Path) -> Result<SqliteConnection, OpenError> {
    std::fs::metadata(path).map_err(|error| OpenError::Io {
        path: path.to_owned(),
        error,
    })?;
    let mut connection = connection::plain(path, Duration::from_secs(4))?;
    let missing = migrations::missing_of_existing(&mut connection)?;
    if missing.is_empty() {
        Ok(connection)
    } else {
        Err(OpenError::Pending(missing))
    }
}

/// The threads with their connections.
struct SqliteEngine {
    readers: Readers,
    writer: WriterHandle,
}

impl Engine for SqliteEngine {
    type Connection = SqliteConnection;
    const NAME: &'static str = "sqlite";

    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.readers.read(work).await
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.writer.write(work).await
    }

    fn committed_within(&self, age: Duration) -> bool {
        self.writer.committed_within(age)
    }

    fn backlog(&self) -> u64 {
        self.writer.backlog()
    }

    fn pool(&self) -> (u32, u32) {
        self.readers.state()
    }
}

struct SqliteLog(WriterHandle);

#[async_trait]
impl Log for SqliteLog {
    /// One transaction: all share its fate.
    async fn append(&mut self, batch: Vec<ConversationAppend>) -> Vec<Result<Appended, LogError>> {
        let asked = batch.len();
        match self.0.append(batch).await {
            Ok(appended) => appended.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error.into()); asked],
        }
    }
}
