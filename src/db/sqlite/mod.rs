//! The embedded store: one file, one thread that writes, a pool of connections that read. Opened by `app` and `cli`, which
//! see the two traits only.

mod append;
mod backlog;
mod connection;
mod epoch;
mod index;
mod lock;
mod migrations;
#[cfg(test)]
mod plans;
mod readers;
mod statement;
mod store;
pub mod verify;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;

use self::{
    backlog::Backlog, epoch::Sidecar, lock::FileLock, readers::Readers, store::SqliteStore, writer::Writer,
    writer::WriterHandle,
};
use super::{Appended, ConversationAppend, Log, LogError, Store, StoreError};

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

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server has it.
    #[error("another Parlor{} is using {}", holder(.pid), .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// The other one's process, if it is known.
        pid: Option<u32>,
    },
    /// A newer Parlor has changed its schema.
    #[error("the database was made by a newer Parlor (it has schema version {version}, unknown to this one)")]
    Newer {
        /// The version that this binary does not know.
        version: String,
    },
    /// The schema lacks versions, and they are not to be applied.
    #[error("the database's schema is out of date ({}): run `parlor migrate`", .0.join(", "))]
    Pending(Vec<String>),
    /// Its name is not UTF-8.
    #[error("the path {} is not valid UTF-8", .0.display())]
    Path(PathBuf),
    /// The file system refused.
    #[error("{}: {error}", .path.display())]
    Io {
        /// What was to be opened or written.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// SQLite refused.
    #[error("the database cannot be opened: {0}")]
    Database(String),
}

impl OpenError {
    fn database(error: impl fmt::Display) -> Self {
        Self::Database(error.to_string())
    }
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// An open file: the two seams on it, and the way to close it.
pub struct Sqlite {
    /// Reads, and writes that take no seq. Clone it as you like.
    pub store: Arc<dyn Store>,
    /// The log, for the persistence actor.
    pub log: Box<dyn Log>,
    /// To be called when nothing is asked any more.
    pub closer: Closer,
}

/// Ends the writer. Dropping it does nothing: the writer ends when store and log are gone, but nobody waits for that.
pub struct Closer {
    writer: WriterHandle,
    thread: JoinHandle<()>,
}

impl Closer {
    /// Waits for what was asked before, then closes the file and lets go of its lock. Blocks: not for an event loop.
    /// Whatever is asked afterwards is answered `Unavailable`.
    pub fn close(self) {
        self.writer.close();
        if self.thread.join().is_err() {
            log::error!(target: "parlor::db", "the writer ended in a panic");
        }
    }
}

/// Opens a file. Blocks: not for an event loop.
pub fn open(options: SqliteOptions) -> Result<Sqlite, OpenError> {
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
    Ok(Sqlite {
        store: Arc::new(SqliteStore::new(readers, writer.clone(), epoch)),
        log: Box::new(SqliteLog(writer.clone())),
        closer: Closer { writer, thread },
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

struct SqliteLog(WriterHandle);

#[async_trait]
impl Log for SqliteLog {
    async fn append(&mut self, batch: Vec<ConversationAppend>) -> Result<Vec<Appended>, LogError> {
        self.0.append(batch).await.map_err(|error| match error {
            StoreError::Unknown(why) => LogError::Unknown(why),
            StoreError::Unavailable(why) | StoreError::Broken(why) => LogError::Unavailable(why),
        })
    }
}
