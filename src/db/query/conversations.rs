//! Where it is said, and who belongs there.

use diesel::{dsl::auto_type, prelude::*};

use super::users::{USER, UserColumns};
use crate::db::{
    schema::{conversations, heads, members, users},
    types::Id,
};

/// The columns of a `ConversationRow`.
pub type ConversationColumns = (
    conversations::key,
    conversations::id,
    conversations::kind,
    conversations::name,
    conversations::slug,
    conversations::invite_code,
    conversations::password_hash,
    conversations::max_members,
    conversations::retention_seconds,
    conversations::slow_mode_seconds,
    conversations::created_at,
);
/// See [`ConversationColumns`].
pub const CONVERSATION: ConversationColumns = (
    conversations::key,
    conversations::id,
    conversations::kind,
    conversations::name,
    conversations::slug,
    conversations::invite_code,
    conversations::password_hash,
    conversations::max_members,
    conversations::retention_seconds,
    conversations::slow_mode_seconds,
    conversations::created_at,
);

/// The one of this id, unless it is deleted.
#[auto_type]
pub fn by_id(id: Id) -> _ {
    let columns: ConversationColumns = CONVERSATION;
    conversations::table
        .filter(conversations::id.eq(id))
        .filter(conversations::deleted_at.is_null())
        .select(columns)
}

/// The one that this code opens; a deleted one has none.
#[auto_type]
pub fn by_code<'a>(code: &'a str) -> _ {
    let columns: ConversationColumns = CONVERSATION;
    conversations::table
        .filter(conversations::invite_code.eq(code))
        .filter(conversations::deleted_at.is_null())
        .select(columns)
}

/// The key of the channel of this slug.
#[auto_type]
pub fn key_by_slug<'a>(slug: &'a str) -> _ {
    conversations::table
        .filter(conversations::slug.eq(slug))
        .select(conversations::key)
}

/// Channels by slug, those from `from` to before `below` but the one of `without`: the conversation, its member_count,
/// last_message_seq and active_at, and what `user` is there. (A deleted one has no slug.)
#[auto_type]
pub fn channels<'a>(from: &'a str, below: &'a str, without: &'a str, user: i64, limit: i64) -> _ {
    let columns: ConversationColumns = CONVERSATION;
    conversations::table
        .inner_join(heads::table.on(heads::conversation_key.eq(conversations::key)))
        .left_join(
            members::table.on(members::conversation_key
                .eq(conversations::key)
                .and(members::user_key.eq(user))),
        )
        .filter(conversations::slug.ge(from))
        .filter(conversations::slug.lt(below))
        .filter(conversations::slug.ne(without))
        .order(conversations::slug.asc())
        .limit(limit)
        .select((
            columns,
            heads::member_count,
            heads::last_message_seq,
            heads::active_at,
            members::role.nullable(),
        ))
}

/// The one of this key, deleted or not.
#[auto_type]
pub fn by_key(key: i64) -> _ {
    let columns: ConversationColumns = CONVERSATION;
    conversations::table.filter(conversations::key.eq(key)).select(columns)
}

/// Those of these keys.
#[auto_type]
pub fn by_keys(keys: Vec<i64>) -> _ {
    let columns: ConversationColumns = CONVERSATION;
    conversations::table
        .filter(conversations::key.eq_any(keys))
        .select(columns)
}

/// The direct one of these two.
#[auto_type]
pub fn direct(low: i64, high: i64) -> _ {
    let columns: ConversationColumns = CONVERSATION;
    conversations::table
        .filter(conversations::direct_low.eq(low))
        .filter(conversations::direct_high.eq(high))
        .select(columns)
}

/// Everybody in it: a user, role, joined_at, last_read_seq; longest-standing first, of those who came at once the higher
/// role first.
#[auto_type]
pub fn members_of(conversation: i64) -> _ {
    let columns: UserColumns = USER;
    members::table
        .inner_join(users::table.on(users::key.eq(members::user_key)))
        .filter(members::conversation_key.eq(conversation))
        .order((members::joined_at.asc(), members::role.desc(), members::user_key.asc()))
        .select((columns, members::role, members::joined_at, members::last_read_seq))
}

/// What somebody is in it.
#[auto_type]
pub fn role(conversation: i64, user: i64) -> _ {
    members::table
        .filter(members::conversation_key.eq(conversation))
        .filter(members::user_key.eq(user))
        .select(members::role)
}

/// Every conversation somebody is in: key, id, kind, up to where its log is gone.
#[auto_type]
pub fn of_user(user: i64) -> _ {
    members::table
        .inner_join(conversations::table.on(conversations::key.eq(members::conversation_key)))
        .inner_join(heads::table.on(heads::conversation_key.eq(members::conversation_key)))
        .filter(members::user_key.eq(user))
        .filter(conversations::deleted_at.is_null())
        .select((
            conversations::key,
            conversations::id,
            conversations::kind,
            heads::expired_seq,
        ))
}

/// The last seq of it, and up to where retention has removed everything.
#[auto_type]
pub fn ends(conversation: i64) -> _ {
    heads::table
        .filter(heads::conversation_key.eq(conversation))
        .select((heads::seq, heads::expired_seq))
}

/// The last seqs of these: key, seq.
#[auto_type]
pub fn heads_of(keys: Vec<i64>) -> _ {
    heads::table
        .filter(heads::conversation_key.eq_any(keys))
        .select((heads::conversation_key, heads::seq))
}
