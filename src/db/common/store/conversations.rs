//! Conversations and their members: each function is one transaction's work on a connection. Called by the store's methods.

use crate::db::run::*;
use std::{collections::HashMap, sync::Arc};

use diesel::sql_types::{BigInt, SmallInt};

use crate::{
    db::{
        Membership, NewConversation, Refusal, RoomState, StoreError,
        position::KEY_MAX,
        query,
        rows::{self, ConversationRow, UserRow, broken},
        schema::{conversations, heads, members},
        statement::statement,
        types::Id,
    },
    domain::{
        Conversation, ConversationId, ConversationKey, InviteCode, Kind, Member, PasswordHash, Role, Seq, Slug,
        Timestamp, UserKey, limits,
    },
};

type Result<T> = std::result::Result<T, StoreError>;

pub fn by_id(connection: &mut impl Db, id: ConversationId) -> Result<Option<Conversation>> {
    let row: Option<ConversationRow> = query::conversations::by_id(Id(id.0))
        .get_result(connection)
        .optional()?;
    row.map(TryInto::try_into).transpose()
}

/// The direct one of two users, in whichever order they are named.
pub fn direct(connection: &mut impl Db, one: UserKey, other: UserKey) -> Result<Option<Conversation>> {
    let (low, high) = (one.0.min(other.0), one.0.max(other.0));
    let row: Option<ConversationRow> = query::conversations::direct(low, high)
        .get_result(connection)
        .optional()?;
    row.map(TryInto::try_into).transpose()
}

/// Makes it unless it is there. In the writer's transaction nobody comes in between; true when this call made it.
pub fn find_or_create_direct(
    connection: &mut impl Db,
    one: UserKey,
    other: UserKey,
    id: ConversationId,
    at: Timestamp,
) -> Result<(Conversation, bool)> {
    if let Some(found) = direct(connection, one, other)? {
        return Ok((found, false));
    }
    diesel::insert_into(conversations::table)
        .values((
            conversations::id.eq(Id(id.0)),
            conversations::kind.eq(Kind::Direct.code()),
            conversations::direct_low.eq(one.0.min(other.0)),
            conversations::direct_high.eq(one.0.max(other.0)),
            conversations::created_by.eq(one.0),
            conversations::created_at.eq(at.millis()),
        ))
        .execute(connection)?;
    // Nobody owns a direct conversation.
    let made = begin(connection, id, &[(one, Role::Member), (other, Role::Member)], at)?;
    Ok((made, true))
}

/// Makes a group, channel or room. Its slug is free and everybody has room for it, or nothing is made.
pub fn create(connection: &mut impl Db, new: &NewConversation) -> Result<std::result::Result<Conversation, Refusal>> {
    if let Some(slug) = &new.slug
        && slug_is_taken(connection, slug, None)?
    {
        return Ok(Err(Refusal::NameTaken));
    }
    let mut people = vec![(new.owner, Role::Owner)];
    people.extend(new.members.iter().map(|key| (*key, Role::Member)));
    if new.kind == Kind::Room {
        for (user, _) in &people {
            if rooms_of(connection, *user)? >= limits::ROOMS_OF_A_USER {
                return Ok(Err(Refusal::TooManyRooms));
            }
        }
    }
    diesel::insert_into(conversations::table)
        .values((
            conversations::id.eq(Id(new.id.0)),
            conversations::kind.eq(new.kind.code()),
            conversations::name.eq(&new.name),
            conversations::slug.eq(new.slug.as_ref().map(Slug::as_str)),
            conversations::invite_code.eq(new.invite_code.as_ref().map(InviteCode::as_str)),
            conversations::password_hash.eq(new.password_hash.as_ref().map(PasswordHash::expose)),
            conversations::max_members.eq(rows::policy(new.max_members)),
            conversations::retention_seconds.eq(rows::policy(new.retention_seconds)),
            conversations::slow_mode_seconds.eq(rows::policy(new.slow_mode_seconds)),
            conversations::created_by.eq(new.owner.0),
            conversations::created_at.eq(new.at.millis()),
        ))
        .execute(connection)?;
    begin(connection, new.id, &people, new.at).map(Ok)
}

/// Whether a channel (but `own`) has this slug.
pub fn slug_is_taken(connection: &mut impl Db, slug: &Slug, own: Option<ConversationKey>) -> Result<bool> {
    let holder: Option<i64> = query::conversations::key_by_slug(slug.as_str())
        .get_result(connection)
        .optional()?;
    Ok(holder.is_some_and(|holder| own.is_none_or(|own| own.0 != holder)))
}

/// How many rooms somebody is in.
pub fn rooms_of(connection: &mut impl Db, user: UserKey) -> Result<usize> {
    let count: i64 = CountOfKind {
        user: user.0,
        kind: Kind::Room.code(),
    }
    .get_result(connection)?;
    Ok(count as usize)
}

/// The counter row and the members of a conversation whose row was just inserted.
fn begin(
    connection: &mut impl Db,
    id: ConversationId,
    people: &[(UserKey, Role)],
    at: Timestamp,
) -> Result<Conversation> {
    let made = by_id(connection, id)?.ok_or_else(|| broken("a conversation that was just made", 0))?;
    if made.key.0 > KEY_MAX {
        return Err(StoreError::Unavailable(
            "the store holds as many conversations as it can".to_owned(),
        ));
    }
    diesel::insert_into(heads::table)
        .values((
            heads::conversation_key.eq(made.key.0),
            heads::seq.eq(0),
            heads::last_message_seq.eq(0),
            heads::active_at.eq(at.millis()),
            heads::member_count.eq(people.len() as i32),
        ))
        .execute(connection)?;
    for (user, role) in people {
        diesel::insert_into(members::table)
            .values((
                members::conversation_key.eq(made.key.0),
                members::user_key.eq(user.0),
                members::role.eq(role.code()),
                members::joined_at.eq(at.millis()),
                members::last_read_seq.eq(0),
            ))
            .execute(connection)?;
    }
    Ok(made)
}

pub fn room_state(connection: &mut impl Db, id: ConversationId) -> Result<Option<RoomState>> {
    let Some(conversation) = by_id(connection, id)? else {
        return Ok(None);
    };
    let members = members(connection, conversation.key)?;
    let (head, expired) = ends(connection, conversation.key)?;
    Ok(Some(RoomState {
        conversation,
        members,
        head,
        expired,
    }))
}

pub fn members(connection: &mut impl Db, conversation: ConversationKey) -> Result<Vec<Member>> {
    let rows: Vec<(UserRow, i16, i64, i64)> = query::conversations::members_of(conversation.0).load(connection)?;
    let members = rows.into_iter().map(|(user, role, joined_at, last_read_seq)| {
        Ok(Member {
            user: Arc::new(user.try_into()?),
            role: rows::role(role, conversation.0)?,
            joined_at: Timestamp::from_millis(joined_at),
            last_read_seq: rows::seq(last_read_seq, conversation.0)?,
        })
    });
    members.collect()
}

pub fn membership(
    connection: &mut impl Db,
    id: ConversationId,
    user: UserKey,
) -> Result<Option<(Conversation, Option<Role>)>> {
    let Some(conversation) = by_id(connection, id)? else {
        return Ok(None);
    };
    let role: Option<i16> = query::conversations::role(conversation.key.0, user.0)
        .get_result(connection)
        .optional()?;
    let role = role.map(|code| rows::role(code, conversation.key.0)).transpose()?;
    Ok(Some((conversation, role)))
}

pub fn memberships(connection: &mut impl Db, user: UserKey) -> Result<Vec<Membership>> {
    let rows: Vec<(i64, Id, i16, i64)> = query::conversations::of_user(user.0).load(connection)?;
    let memberships = rows.into_iter().map(|(key, id, kind, expired)| {
        Ok(Membership {
            key: ConversationKey(key),
            id: ConversationId(id.0),
            kind: rows::kind(kind, key)?,
            expired: rows::seq(expired, key)?,
        })
    });
    memberships.collect()
}

/// The last seq, and up to where retention has removed everything; 0 of one that does not exist.
pub fn ends(connection: &mut impl Db, key: ConversationKey) -> Result<(Seq, Seq)> {
    let ends: Option<(i64, i64)> = query::conversations::ends(key.0).get_result(connection).optional()?;
    let (last, expired) = ends.unwrap_or_default();
    Ok((rows::seq(last, key.0)?, rows::seq(expired, key.0)?))
}

pub fn heads(connection: &mut impl Db, keys: &[ConversationKey]) -> Result<Vec<Seq>> {
    let mut known = HashMap::with_capacity(keys.len());
    // SQLite takes 32,766 values in one statement.
    for some in keys.chunks(10_000) {
        let rows: Vec<(i64, i64)> =
            query::conversations::heads_of(some.iter().map(|key| key.0).collect()).load(connection)?;
        known.extend(rows);
    }
    keys.iter()
        .map(|key| rows::seq(known.get(&key.0).copied().unwrap_or(0), key.0))
        .collect()
}

statement! {
    /// How many conversations of this kind somebody is in.
    CountOfKind { user: i64 as BigInt, kind: i16 as SmallInt } -> BigInt,
    "SELECT count(*) FROM members m WHERE m.user_key = " {user}
    " AND (SELECT c.kind FROM conversations c WHERE c.key = m.conversation_key AND c.deleted_at IS NULL) = " {kind}
}
