//! What a database brings to be a store: a way to read and a way to write. The rest is in the files of the nouns.

use std::time::Duration;

use crate::db::{
    StoreError,
    common::{append::Ledger, index::WordIndex},
};

/// Connections to a database, and the threads they live on. Cheap to ask from any runtime.
pub trait Engine: Send + Sync + 'static {
    /// What work is done on.
    type Connection: Ledger + WordIndex;

    /// See [`crate::db::Store::backend`].
    const NAME: &'static str;

    /// Runs `work` in one read-only transaction, which sees one snapshot. `Unavailable` when no connection is free within
    /// five seconds.
    fn read<T, F>(&self, work: F) -> impl Future<Output = Result<T, StoreError>> + Send
    where
        F: FnOnce(&mut Self::Connection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static;

    /// Runs `work` in one transaction of its own, durable when this returns. No other `write`, of whichever process, comes
    /// in between.
    fn write<T, F>(&self, work: F) -> impl Future<Output = Result<T, StoreError>> + Send
    where
        F: FnOnce(&mut Self::Connection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static;

    /// Whether a commit succeeded no longer ago than this.
    fn committed_within(&self, age: Duration) -> bool;

    /// Conversations that the search index is known to lack something of.
    fn backlog(&self) -> u64;

    /// Connections that read: (in use, open).
    fn pool(&self) -> (u32, u32);
}
