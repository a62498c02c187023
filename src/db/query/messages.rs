//! What was said: ranges of positions, whole rows. `low` and `high` are exclusive unless it says otherwise.

use diesel::{dsl::auto_type, prelude::*};

use crate::db::schema::{changes, messages, users};

/// The message at a position.
#[auto_type]
pub fn at(position: i64) -> _ {
    messages::table.filter(messages::position.eq(position))
}

/// The messages at these positions.
#[auto_type]
pub fn at_each(positions: Vec<i64>) -> _ {
    messages::table.filter(messages::position.eq_any(positions))
}

/// The last ones before `high`, newest first.
#[auto_type]
pub fn before(low: i64, high: i64, limit: i64) -> _ {
    messages::table
        .filter(messages::position.gt(low))
        .filter(messages::position.lt(high))
        .order(messages::position.desc())
        .limit(limit)
}

/// The first ones after `low`, up to and with `last`, oldest first.
#[auto_type]
pub fn after(low: i64, last: i64, limit: i64) -> _ {
    messages::table
        .filter(messages::position.gt(low))
        .filter(messages::position.le(last))
        .order(messages::position.asc())
        .limit(limit)
}

/// As [`after`], those that were never changed.
#[auto_type]
pub fn unchanged_after(low: i64, last: i64, limit: i64) -> _ {
    messages::table
        .filter(messages::position.gt(low))
        .filter(messages::position.le(last))
        .filter(messages::change_position.eq(messages::position))
        .order(messages::position.asc())
        .limit(limit)
}

/// By change, those that were changed after `low`, up to and with `last`.
#[auto_type]
pub fn changed_after(low: i64, last: i64, limit: i64) -> _ {
    messages::table
        .filter(messages::change_position.ne(messages::position))
        .filter(messages::change_position.gt(low))
        .filter(messages::change_position.le(last))
        .order(messages::change_position.asc())
        .limit(limit)
}

/// The changes after `low`, up to and with `last`, that are not a new message: position, kind, when, the message's id (it
/// may be gone), the actor's id.
#[auto_type]
pub fn changes_after(low: i64, last: i64, limit: i64) -> _ {
    changes::table
        .inner_join(users::table.on(users::key.eq(changes::actor_key)))
        .filter(changes::position.gt(low))
        .filter(changes::position.le(last))
        .order(changes::position.asc())
        .limit(limit)
        .select((
            changes::position,
            changes::kind,
            changes::at,
            changes::message_id,
            users::id,
        ))
}
