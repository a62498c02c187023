//! How far endpoints have been told.

use diesel::{dsl::auto_type, prelude::*};

use crate::db::schema::{heads, webhook_cursors, webhook_endpoints};

/// The key of the endpoint of this URL.
#[auto_type]
pub fn endpoint<'a>(url: &'a str) -> _ {
    webhook_endpoints::table
        .filter(webhook_endpoints::url.eq(url))
        .select(webhook_endpoints::key)
}

/// The counter rows after a key: key, seq, active_at.
#[auto_type]
pub fn heads_after(after: i64, limit: i64) -> _ {
    heads::table
        .filter(heads::conversation_key.gt(after))
        .order(heads::conversation_key.asc())
        .limit(limit)
        .select((heads::conversation_key, heads::seq, heads::active_at))
}

/// The cursors of an endpoint after a key, up to and with `last`: key, seq.
#[auto_type]
pub fn cursors_after(endpoint: i64, after: i64, last: i64) -> _ {
    webhook_cursors::table
        .filter(webhook_cursors::endpoint_key.eq(endpoint))
        .filter(webhook_cursors::conversation_key.gt(after))
        .filter(webhook_cursors::conversation_key.le(last))
        .select((webhook_cursors::conversation_key, webhook_cursors::seq))
}

/// One cursor.
#[auto_type]
pub fn cursor(endpoint: i64, conversation: i64) -> _ {
    webhook_cursors::table
        .filter(webhook_cursors::endpoint_key.eq(endpoint))
        .filter(webhook_cursors::conversation_key.eq(conversation))
        .select(webhook_cursors::seq)
}

/// Where a conversation stands: its last seq, whether it was deleted.
#[auto_type]
pub fn standing(conversation: i64) -> _ {
    heads::table
        .filter(heads::conversation_key.eq(conversation))
        .select((heads::seq, heads::deleted))
}
