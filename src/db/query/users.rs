//! Who there is.

use diesel::{dsl::auto_type, prelude::*};

use crate::db::schema::users;

/// The columns of a `UserRow`.
pub type UserColumns = (
    users::key,
    users::id,
    users::name,
    users::display_name,
    users::avatar_url,
);
/// See [`UserColumns`].
pub const USER: UserColumns = (
    users::key,
    users::id,
    users::name,
    users::display_name,
    users::avatar_url,
);

/// The columns of an `AccountRow`.
pub type AccountColumns = (
    UserColumns,
    users::login,
    users::password_hash,
    users::is_admin,
    users::last_seen_at,
    users::told,
);
/// See [`AccountColumns`].
pub const ACCOUNT: AccountColumns = (
    USER,
    users::login,
    users::password_hash,
    users::is_admin,
    users::last_seen_at,
    users::told,
);

/// Those of these keys.
#[auto_type]
pub fn by_keys(keys: Vec<i64>) -> _ {
    let columns: UserColumns = USER;
    users::table.filter(users::key.eq_any(keys)).select(columns)
}

/// Those of these ids.
#[auto_type]
pub fn by_ids<'a>(ids: Vec<&'a str>) -> _ {
    let columns: UserColumns = USER;
    users::table.filter(users::id.eq_any(ids)).select(columns)
}

/// When those of these ids were last seen.
#[auto_type]
pub fn last_seen<'a>(ids: Vec<&'a str>) -> _ {
    users::table
        .filter(users::id.eq_any(ids))
        .select((users::id, users::last_seen_at))
}

/// The one of this id.
#[auto_type]
pub fn account<'a>(id: &'a str) -> _ {
    let columns: AccountColumns = ACCOUNT;
    users::table.filter(users::id.eq(id)).select(columns)
}

/// The one who logs in with this name.
#[auto_type]
pub fn account_by_login<'a>(login: &'a str) -> _ {
    let columns: AccountColumns = ACCOUNT;
    users::table.filter(users::login.eq(login)).select(columns)
}

/// By name, those whose name is in this range.
#[auto_type]
pub fn by_name<'a>(from: &'a str, below: &'a str, limit: i64) -> _ {
    let columns: UserColumns = USER;
    users::table
        .filter(users::name_folded.ge(from))
        .filter(users::name_folded.lt(below))
        .order((users::name_folded, users::key))
        .limit(limit)
        .select((users::name_folded, columns))
}

/// By name, the keys of those whose display name is in this range: from the index alone, however many there are.
#[auto_type]
pub fn keys_by_display_name<'a>(from: &'a str, below: &'a str, limit: i64) -> _ {
    users::table
        .filter(users::display_name_folded.ge(from))
        .filter(users::display_name_folded.lt(below))
        .order((users::name_folded, users::key))
        .limit(limit)
        .select((users::name_folded, users::key))
}
