//! Pages that are bounded by what they hold, not only by how many messages: a thousand drawings are 64 MiB, which neither a
//! session's outbox nor this process should have to carry at once. Called by `messages`.

use diesel::QueryResult;

use super::Result;
use crate::{db::rows::MessageRow, domain::limits};

/// The first of `rows`, up to `limit` of them and up to [`limits::PAGE_BYTES`] of content, but one at least (if `limit` allows);
/// and whether there is one more. What is beyond the page is not read.
pub fn page(rows: impl Iterator<Item = QueryResult<MessageRow>>, limit: usize) -> Result<(Vec<MessageRow>, bool)> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let row = row?;
        bytes += row.content.len();
        if page.len() >= limit || (bytes > limits::PAGE_BYTES && !page.is_empty()) {
            return Ok((page, true));
        }
        page.push(row);
    }
    Ok((page, false))
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
    let (page, more) = page(one.into_iter().map(Ok), limit)?;
    Ok((page, more || more_of_one || more_of_other))
}
