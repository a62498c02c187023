//! What was said: ranges of positions, whole rows. `low` and `high` are exclusive unless it says otherwise.

use diesel::{dsl::auto_type, prelude::*};

use crate::db::schema::{changes, message_versions, messages, reactions, users};

diesel::define_sql_function! {
    /// A part of a text, in code points; the first one is 1.
    fn substr(
        text: diesel::sql_types::Text,
        start: diesel::sql_types::Integer,
        length: diesel::sql_types::Integer,
    ) -> diesel::sql_types::Text;
}

/// Code points of a quoted content that are read: the preview of a text needs fewer, an image's URL has fewer.
const QUOTED: i32 = 512;

/// The message at a position.
#[auto_type]
pub fn at(position: i64) -> _ {
    messages::table.filter(messages::position.eq(position))
}

/// Every column of a message, of its content the beginning: enough for whatever does not show the content.
pub type BeginningColumns = (
    messages::position,
    messages::change_position,
    messages::id,
    messages::kind,
    messages::sender_key,
    substr<messages::content, i32, i32>,
    messages::client_id,
    messages::client_hash,
    messages::reply_to,
    messages::created_at,
    messages::edited_at,
    messages::deleted_at,
    messages::deleted_by,
    messages::mentions,
);

/// See [`BeginningColumns`].
pub fn beginning() -> BeginningColumns {
    (
        messages::position,
        messages::change_position,
        messages::id,
        messages::kind,
        messages::sender_key,
        substr(messages::content, 1, QUOTED),
        messages::client_id,
        messages::client_hash,
        messages::reply_to,
        messages::created_at,
        messages::edited_at,
        messages::deleted_at,
        messages::deleted_by,
        messages::mentions,
    )
}

/// The message at a position, of its content the beginning.
#[auto_type]
pub fn beginning_at(position: i64) -> _ {
    let columns: BeginningColumns = beginning();
    messages::table.filter(messages::position.eq(position)).select(columns)
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

/// What is quoted of the messages at these positions, unless they are deleted: position, id, kind, sender, the content's
/// beginning.
#[auto_type]
pub fn quoted(positions: Vec<i64>) -> _ {
    let beginning: substr<messages::content, i32, i32> = substr(messages::content, 1, QUOTED);
    messages::table
        .filter(messages::position.eq_any(positions))
        .filter(messages::deleted_at.is_null())
        .select((
            messages::position,
            messages::id,
            messages::kind,
            messages::sender_key,
            beginning,
        ))
}

/// The reactions on the messages at these positions: the position, the emoji, whose; message by message, by emoji in the
/// order of their first use, by user in the order of theirs.
#[auto_type]
pub fn reactions_on(positions: Vec<i64>) -> _ {
    reactions::table
        .inner_join(users::table.on(users::key.eq(reactions::user_key)))
        .filter(reactions::message_position.eq_any(positions))
        .order((
            reactions::message_position,
            reactions::first_position,
            reactions::position,
        ))
        .select((reactions::message_position, reactions::emoji, users::id))
}

/// The same, whole rows, and whose: the position, the emoji, the user, its change, the first change of the emoji, the user's id.
#[auto_type]
pub fn reaction_rows(positions: Vec<i64>) -> _ {
    reactions::table
        .inner_join(users::table.on(users::key.eq(reactions::user_key)))
        .filter(reactions::message_position.eq_any(positions))
        .order((
            reactions::message_position,
            reactions::first_position,
            reactions::position,
        ))
        .select((
            reactions::message_position,
            reactions::emoji,
            reactions::user_key,
            reactions::position,
            reactions::first_position,
            users::id,
        ))
}

/// What a message said before each of its edits, oldest first: the content, since when.
#[auto_type]
pub fn versions(position: i64) -> _ {
    message_versions::table
        .filter(message_versions::message_position.eq(position))
        .order(message_versions::change_position.asc())
        .select((message_versions::content, message_versions::written_at))
}
