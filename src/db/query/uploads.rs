//! Uploads by name, and the messages that show them.

use diesel::{dsl::auto_type, prelude::*};

use crate::db::schema::{upload_endings, upload_uses, uploads};

/// Those of these names that are recorded.
#[auto_type]
pub fn recorded(names: Vec<String>) -> _ {
    uploads::table.filter(uploads::name.eq_any(names)).select(uploads::name)
}

/// Those of a user that no message shows, up to `most`.
#[auto_type]
pub fn unposted(user: i64, most: i64) -> _ {
    uploads::table
        .filter(uploads::user_key.eq(user))
        .filter(uploads::sweep_at.is_not_null())
        .select(uploads::user_key)
        .limit(most)
}

/// Those that are to be swept at `now`, longest due first.
#[auto_type]
pub fn due(now: i64, limit: i64) -> _ {
    uploads::table
        .filter(uploads::sweep_at.is_not_null())
        .filter(uploads::sweep_at.le(now))
        .order(uploads::sweep_at.asc())
        .select(uploads::name)
        .limit(limit)
}

/// Conversations that ended with uses left.
#[auto_type]
pub fn endings() -> _ {
    upload_endings::table
        .select(upload_endings::conversation_key)
        .limit(1i64)
}

/// Where the first messages from `first` to `last` stand that show an upload.
#[auto_type]
pub fn uses(first: i64, last: i64, limit: i64) -> _ {
    upload_uses::table
        .filter(upload_uses::position.ge(first))
        .filter(upload_uses::position.le(last))
        .order(upload_uses::position.asc())
        .select(upload_uses::position)
        .limit(limit)
}
