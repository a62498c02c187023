//! The statements of the log that carry its load, so that each database can have them its own way: SQLite runs them one by
//! one, PostgreSQL, which is a round trip away, gathers them. The ops see no difference.

use super::{Head, ReadHead, WriteHead, insert::NewRow, send::ByClient};
use crate::db::{ConversationAppend, StoreError, run::*};

/// A connection that the log is written on.
pub trait Ledger: Db {
    /// A batch begins: from here on no other process appends to its conversations.
    fn open_turns(&mut self, batch: &[ConversationAppend]) -> Result<(), StoreError>;

    /// The counter row of a conversation; `None` of one that never was.
    fn head(&mut self, key: i64) -> Result<Option<Head>, StoreError>;

    /// The counter row as it is now.
    fn put_head(&mut self, key: i64, head: Head) -> Result<(), StoreError>;

    /// A new message.
    fn put_message(&mut self, row: NewRow<'_>) -> Result<(), StoreError>;

    /// Where messages with this hash of a client id stand.
    fn by_client(&mut self, hash: i64) -> Result<Vec<i64>, StoreError>;
}

/// A row of `heads` as it is read: seq, last_message_seq, active_at, member_count, deleted.
pub type HeadRow = (i64, i64, i64, i32, bool);

impl Ledger for diesel::SqliteConnection {
    /// The file has one writer.
    fn open_turns(&mut self, _: &[ConversationAppend]) -> Result<(), StoreError> {
        Ok(())
    }

    fn head(&mut self, key: i64) -> Result<Option<Head>, StoreError> {
        let row: Option<HeadRow> = ReadHead { key }.get_result(self).optional()?;
        row.map(|row| Head::from_row(key, row)).transpose()
    }

    fn put_head(&mut self, key: i64, head: Head) -> Result<(), StoreError> {
        WriteHead::new(key, head).execute(self)?;
        Ok(())
    }

    fn put_message(&mut self, row: NewRow<'_>) -> Result<(), StoreError> {
        // Only here is it inserted by itself.
        diesel::RunQueryDsl::execute(row, self)?;
        Ok(())
    }

    fn by_client(&mut self, hash: i64) -> Result<Vec<i64>, StoreError> {
        Ok(ByClient { hash }.load(self)?)
    }
}
