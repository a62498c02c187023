//! Opening a database, whichever it is: what comes of it, and why it did not. Called by `app` and `cli`, which know of
//! databases no more than this.

use std::{
    fmt,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Notify;

use super::{
    Carried, Log, Store, TransferError, common::verify::Report, postgres, postgres::PostgresOptions, sqlite,
    sqlite::SqliteOptions,
};

/// Where the data is.
#[derive(Clone)]
pub enum Location {
    /// In a file.
    Sqlite(PathBuf),
    /// On a server: the URL.
    Postgres(String),
}

/// What it is to be opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To serve: brings the schema up to date.
    Serve {
        /// Whether to apply the schema's missing versions; otherwise a database that lacks one is refused.
        migrate: bool,
        /// Connections that read at once.
        readers: u32,
    },
    /// To look something up or set it, beside a server that may be running: the schema is left alone, unless there is
    /// nothing yet.
    Tool,
}

/// Where an export goes.
pub type Out<'a> = &'a mut (dyn Write + Send);
/// Where an import comes from.
pub type In<'a> = &'a mut (dyn BufRead + Send);
/// Who is told how far it is.
pub type Progress<'a> = &'a mut (dyn FnMut(String) + Send);

/// An open database: the two seams on it, and the way to close it.
pub struct Opened {
    /// Reads, and writes that take no seq. Clone it as you like.
    pub store: Arc<dyn Store>,
    /// The log, for the persistence actor.
    pub log: Box<dyn Log>,
    /// Rung when it turns out that the database lacks what was committed (another host took over): everything is answered
    /// `Unavailable` from then on, and whoever serves has to end and be started again.
    pub rolled_back: Arc<Notify>,
    /// To be called when nothing is asked any more.
    pub closer: Closer,
}

/// Ends the threads of a database. Dropping it does nothing: they end when store and log are gone, but nobody waits for
/// that.
pub struct Closer(Box<dyn FnOnce() + Send + Sync>);

impl Closer {
    pub(super) fn new(close: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Box::new(close))
    }

    /// Waits for what was asked before, then closes the connections. Blocks: not for an event loop. Whatever is asked
    /// afterwards is answered `Unavailable`.
    pub fn close(self) {
        (self.0)();
    }
}

impl Location {
    /// Whether there is anything to open yet. Of a server one cannot say: it is.
    pub fn exists(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            Self::Postgres(_) => true,
        }
    }

    /// Opens it. Blocks: not for an event loop.
    pub fn open(&self, purpose: Purpose) -> Result<Opened, OpenError> {
        match self {
            Self::Sqlite(path) => {
                // A file that is there may belong to a running server: then its schema is not ours to change.
                let new = !path.exists();
                sqlite::open(match purpose {
                    Purpose::Serve { migrate, .. } => SqliteOptions {
                        migrate,
                        ..SqliteOptions::new(path)
                    },
                    Purpose::Tool => SqliteOptions {
                        readers: 1,
                        exclusive: new,
                        migrate: new,
                        ..SqliteOptions::new(path)
                    },
                })
            }
            Self::Postgres(url) => postgres::open(&match purpose {
                Purpose::Serve { migrate, readers } => PostgresOptions {
                    migrate,
                    readers,
                    ..PostgresOptions::new(url)
                },
                Purpose::Tool => PostgresOptions {
                    readers: 1,
                    migrate: false,
                    serves: false,
                    ..PostgresOptions::new(url)
                },
            }),
        }
    }

    /// Writes everything it holds to `out`; `progress` gets a line now and then. A server may run meanwhile. Blocks.
    pub fn export(&self, out: Out<'_>, progress: Progress<'_>) -> Result<Carried, TransferError> {
        match self {
            Self::Sqlite(path) => sqlite::export(path, out, progress),
            Self::Postgres(url) => postgres::export(url, out, progress),
        }
    }

    /// Puts everything that `input` holds into it; it is made if it is missing, and must be empty. `keep_epoch`: whether
    /// clients may go on from what they have; by default, if the export was made while no server ran. Blocks.
    pub fn import(
        &self,
        input: In<'_>,
        keep_epoch: Option<bool>,
        progress: Progress<'_>,
    ) -> Result<Carried, TransferError> {
        match self {
            Self::Sqlite(path) => sqlite::import(path, input, keep_epoch, progress),
            Self::Postgres(url) => postgres::import(url, input, keep_epoch, progress),
        }
    }

    /// Checks that it keeps what the store promises. A server may run meanwhile. An error means that nothing could be said.
    /// Blocks.
    pub fn verify(&self, progress: Progress<'_>) -> Result<Report, OpenError> {
        match self {
            Self::Sqlite(path) => sqlite::verify(path, progress),
            Self::Postgres(url) => postgres::verify(url, progress),
        }
    }

    /// Copies a file as it is at one moment, to `target`, which must not be there. A server may run meanwhile. Blocks.
    pub fn backup(&self, target: &Path) -> Result<(), OpenError> {
        match self {
            Self::Sqlite(path) => sqlite::backup(path, target),
            Self::Postgres(_) => Err(OpenError::Database(
                "a PostgreSQL database is backed up with its own tools: pg_dump, or pg_basebackup with archived WAL"
                    .to_owned(),
            )),
        }
    }

    /// The names of the schema's versions that it lacks, oldest first; of one that is missing, all. Blocks.
    pub fn pending(&self) -> Result<Vec<String>, OpenError> {
        match self {
            Self::Sqlite(path) => sqlite::pending(path),
            Self::Postgres(url) => postgres::pending(url),
        }
    }

    /// Applies them (a file is copied before); their names. Refused while a server has the file open. Blocks.
    pub fn migrate(&self) -> Result<Vec<String>, OpenError> {
        match self {
            Self::Sqlite(path) => sqlite::migrate(path),
            Self::Postgres(url) => postgres::migrate(url),
        }
    }
}

/// For the operator: without a password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => f.write_str(&postgres::shown(url)),
        }
    }
}

/// Why a database could not be opened.
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
    /// The database refused.
    #[error("the database cannot be opened: {0}")]
    Database(String),
}

impl OpenError {
    /// Whatever the database says.
    pub(super) fn database(error: impl fmt::Display) -> Self {
        Self::Database(error.to_string())
    }
}

/// What the work on a connection that is being opened says.
impl From<super::StoreError> for OpenError {
    fn from(error: super::StoreError) -> Self {
        Self::database(error)
    }
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}
