//! Moving house: everything a database holds as lines of text, and back, whichever database it is. `parlor export` and
//! `parlor import` call it through [`super::Location`]. The format is described in docs/EXPORT.md.
//!
//! An export is one snapshot. An import is one transaction: all of it or nothing, after the checksum was compared.

mod export;
mod import;
mod sql;
mod tables;

use sha2::{Digest, Sha256};

pub use self::{export::export, import::import};
use super::StoreError;

/// The version of the format, in the first line.
const FORMAT: u32 = 1;

/// Lines and bytes between two reports of progress.
const ROWS_A_REPORT: u64 = 100_000;

/// The name in `meta` of what says on which server the store is.
const LINEAGE: &str = "lineage";

/// The name in `meta` of what says that the file is a copy: whoever opens it begins a new epoch.
pub const COPIED: &str = "copied";

/// What was carried.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Rows of all tables.
    pub rows: u64,
    /// Whether the epoch is another one than the export's: clients begin anew.
    pub new_epoch: bool,
}

/// Why nothing was carried.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] super::OpenError),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be read or written.
    #[error("the file: {0}")]
    File(#[from] std::io::Error),
    /// The file is not what an export writes, or was damaged.
    #[error("line {line}: {what}")]
    Format {
        /// Which, the first being 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// There is something in the database already.
    #[error("there is something in the database already: an import needs an empty one, so make a new one for it")]
    NotEmpty,
}

impl From<diesel::result::Error> for TransferError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The checksum of lines, each with its line feed.
#[derive(Default)]
struct Checksum(Sha256);

impl Checksum {
    fn add(&mut self, line: &str) {
        self.0.update(line);
        self.0.update("\n");
    }

    fn hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
