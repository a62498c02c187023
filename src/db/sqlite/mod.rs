//! The embedded store: one file, one thread that writes, a pool of connections that read. Opened by `app` and `cli`, which
//! see the two traits only.

mod connection;
mod epoch;
mod lock;
mod migrations;
#[cfg(test)]
mod plans;
mod readers;
pub mod verify;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use diesel::SqliteConnection;

use self::{epoch::Sidecar, lock::FileLock, readers::Readers, writer::Writer, writer::WriterHandle};
pub use super::open::OpenError;
use super::{
    Appended, ConversationAppend, Log, LogError, StoreError,
    common::store::{Engine, Storage},
    open::{Closer, Opened},
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
    }
    .start()?;
    let engine = SqliteEngine {
        readers,
        writer: writer.clone(),
    };
    Ok(Opened {
        store: Arc::new(Storage::new(engine, epoch)),
        log: Box::new(SqliteLog(writer.clone())),
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

    fn pool(&self) -> (u32, u32) {
        self.readers.state()
    }
}

struct SqliteLog(WriterHandle);

#[async_trait]
impl Log for SqliteLog {
    async fn append(&mut self, batch: Vec<ConversationAppend>) -> Result<Vec<Appended>, LogError> {
        Ok(self.0.append(batch).await?)
    }
}
