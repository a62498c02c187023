//! Pages that are bounded by what they hold, not only by how many messages: a thousand drawings are 64 MiB, which neither a
//! session's outbox nor this process should have to carry at once. Called by `messages`.

use crate::db::run::*;

use super::Result;
use crate::{db::rows::MessageRow, domain::limits};

/// What fits on a page, row by row.
struct Page {
    rows: Vec<MessageRow>,
    bytes: usize,
    limit: usize,
    more: bool,
}

impl Page {
    fn new(limit: usize) -> Self {
        Self {
            rows: Vec::new(),
            bytes: 0,
            limit,
            more: false,
        }
    }

    /// Takes one more, if there is room: false when there is none.
    fn take(&mut self, row: MessageRow) -> bool {
        self.bytes += row.content.len();
        self.more = self.rows.len() >= self.limit || (self.bytes > limits::PAGE_BYTES && !self.rows.is_empty());
        if !self.more {
            self.rows.push(row);
        }
        !self.more
    }
}

/// The first rows of a query, up to `limit` of them and up to [`limits::PAGE_BYTES`] of content, but one at least (if `limit`
/// allows); and whether there is one more. What is beyond the page is not read.
pub fn read<'q, Q: Loads<'q, MessageRow>>(
    connection: &mut impl Db,
    query: Q,
    limit: usize,
) -> Result<(Vec<MessageRow>, bool)> {
    let mut page = Page::new(limit);
    connection.rows_while(query, &mut |row| page.take(row))?;
    Ok((page.rows, page.more))
}

/// Two pages in the order of their changes as one: of what one of them did not hold any more nothing is skipped.
pub fn merge(
    (mut one, more_of_one): (Vec<MessageRow>, bool),
    (other, more_of_other): (Vec<MessageRow>, bool),
    limit: usize,
) -> Result<(Vec<MessageRow>, bool)> {
    let end = |rows: &[MessageRow], more: bool| match rows.last() {
        Some(last) if more => last.change_position,
        None if more => i64::MIN,
        _ => i64::MAX,
    };
    let complete_until = end(&one, more_of_one).min(end(&other, more_of_other));
    one.extend(other);
    one.sort_unstable_by_key(|row| row.change_position);
    one.retain(|row| row.change_position <= complete_until);
    let mut page = Page::new(limit);
    // The rest is read again for the next page.
    let _ = one.into_iter().all(|row| page.take(row));
    Ok((page.rows, page.more || more_of_one || more_of_other))
}
