//! Conversations as one of their members sees them: one page is three statements, however long it is, and two more when last
//! messages answer others or were changed. Called by the store's methods.

use crate::db::run::*;
use std::collections::HashMap;

use diesel::{
    QueryResult, Queryable,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, HasSqlType, Integer, Nullable, SmallInt, Text},
};

use super::{assemble::Assembly, unread};
use crate::{
    db::{
        ListCursor, StoreError,
        position::pack,
        query,
        rows::{self, ConversationRow, MessageRow},
        types::UuidType,
    },
    domain::{
        Conversation, ConversationId, ConversationKey, Kind, Message, Role, Timestamp, UserKey,
        conversation::ConversationView, limits,
    },
};

type Result<T> = std::result::Result<T, StoreError>;

pub fn page(
    connection: &mut impl Db,
    user: UserKey,
    limit: usize,
    cursor: Option<ListCursor>,
) -> Result<(Vec<ConversationView>, Option<ListCursor>)> {
    let (active_at, key) = cursor.map_or((i64::MAX, i64::MAX), |c| (c.active_at.millis(), c.key.0));
    let mut rows: Vec<ViewRow> = Views::<false>::new(user, active_at, key, limit + 1).load(connection)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| ListCursor {
        active_at: Timestamp::from_millis(row.active_at),
        key: ConversationKey(row.conversation.key),
    });
    Ok((views(connection, user, rows)?, next))
}

pub fn one(connection: &mut impl Db, id: ConversationId, user: UserKey) -> Result<Option<ConversationView>> {
    let Some(conversation) = super::conversations::by_id(connection, id)? else {
        return Ok(None);
    };
    let row: Option<ViewRow> = Views::<true>::new(user, 0, conversation.key.0, 1)
        .get_result(connection)
        .optional()?;
    Ok(views(connection, user, row.into_iter().collect())?.pop())
}

/// What is read of a conversation in one row; the rest is the last messages and the people, for all rows at once.
#[derive(Debug, Queryable)]
struct ViewRow {
    conversation: ConversationRow,
    direct_low: Option<i64>,
    direct_high: Option<i64>,
    role: i16,
    last_read_seq: i64,
    seq: i64,
    last_message_seq: i64,
    active_at: i64,
    member_count: i32,
    expired_seq: i64,
    unread: i64,
    mentions: i64,
}

impl ViewRow {
    /// The other one of a direct conversation.
    fn other(&self, user: UserKey) -> Option<i64> {
        let other = if self.direct_low == Some(user.0) {
            self.direct_high
        } else {
            self.direct_low
        };
        other.filter(|_| self.conversation.kind == Kind::Direct.code())
    }

    fn last_position(&self) -> Result<i64> {
        let key = self.conversation.key;
        Ok(pack(ConversationKey(key), rows::seq(self.last_message_seq, key)?))
    }
}

fn views(connection: &mut impl Db, user: UserKey, rows: Vec<ViewRow>) -> Result<Vec<ConversationView>> {
    let positions = rows.iter().map(ViewRow::last_position).collect::<Result<Vec<_>>>()?;
    let last: Vec<MessageRow> = query::messages::at_each(positions).load(connection)?;
    let keys: Vec<i64> = rows.iter().filter_map(|row| row.other(user)).collect();
    let mut assembly = Assembly::of(connection, &last, keys)?;
    let mut last: HashMap<i64, MessageRow> = last.into_iter().map(|m| (m.position, m)).collect();
    rows.into_iter()
        .map(|row| {
            let message = last.remove(&row.last_position()?);
            view(row, message, user, &mut assembly)
        })
        .collect()
}

fn view(row: ViewRow, last: Option<MessageRow>, user: UserKey, assembly: &mut Assembly) -> Result<ConversationView> {
    let other_user = row.other(user).map(|key| assembly.people().get(key)).transpose()?;
    let conversation: Conversation = row.conversation.try_into()?;
    let key = conversation.key.0;
    let last_message: Option<Message> = last
        .map(|message| assembly.message(message, conversation.id))
        .transpose()?;
    Ok(ConversationView {
        id: conversation.id,
        kind: conversation.kind,
        name: conversation.name,
        slug: conversation.slug,
        invite_code: conversation
            .invite_code
            .filter(|_| rows::role(row.role, key).is_ok_and(|role| role >= Role::Admin)),
        other_user,
        role: rows::role(row.role, key)?,
        member_count: row.member_count.max(0) as u32,
        seq: rows::seq(row.seq, key)?,
        last_message_at: last_message.as_ref().map(|message| message.created_at),
        last_message,
        unread_count: row.unread as u32,
        mention_count: row.mentions as u32,
        expired_seq: rows::seq(row.expired_seq, key)?,
        last_read_seq: rows::seq(row.last_read_seq, key)?,
        policies: conversation.policies,
        created_at: conversation.created_at,
    })
}

type ViewTypes = (
    (
        BigInt,
        UuidType,
        SmallInt,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Integer>,
        Nullable<Integer>,
        Nullable<Integer>,
        BigInt,
    ),
    Nullable<BigInt>,
    Nullable<BigInt>,
    SmallInt,
    BigInt,
    BigInt,
    BigInt,
    BigInt,
    Integer,
    BigInt,
    BigInt,
    BigInt,
);

/// The rows of a page (`ONE` false), or the one of `key`; a static query either way.
///
/// MATERIALIZED, or SQLite counts the unread messages of every conversation before it sorts them and cuts off the page. What
/// orders the page is all that is read of the conversations that are not on it.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct Views<const ONE: bool> {
    user: i64,
    active_at: i64,
    key: i64,
    limit: i64,
    scan: i64,
    most: i64,
}

impl<const ONE: bool> Views<ONE> {
    pub fn new(user: UserKey, active_at: i64, key: i64, limit: usize) -> Self {
        let (scan, most) = (i64::from(unread::SCAN_MAX), i64::from(limits::UNREAD_COUNT_MAX));
        Self {
            user: user.0,
            active_at,
            key,
            limit: limit as i64,
            scan,
            most,
        }
    }
}

impl<DB, const ONE: bool> QueryFragment<DB> for Views<ONE>
where
    DB: Speaks + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(
            "WITH page AS MATERIALIZED (SELECT m.conversation_key AS key, m.user_key, m.role, m.last_read_seq, h.seq, \
             h.last_message_seq, h.active_at, h.member_count, h.expired_seq FROM members m ",
        );
        out.push_sql(join::<DB>());
        out.push_sql(" heads h ON h.conversation_key = m.conversation_key WHERE NOT h.deleted AND m.user_key = ");
        out.push_bind_param::<BigInt, _>(&self.user)?;
        if ONE {
            out.push_sql(" AND m.conversation_key = ");
            out.push_bind_param::<BigInt, _>(&self.key)?;
        } else {
            out.push_sql(" AND (h.active_at, m.conversation_key) < (");
            out.push_bind_param::<BigInt, _>(&self.active_at)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&self.key)?;
            out.push_sql(")");
        }
        out.push_sql(" ORDER BY h.active_at DESC, m.conversation_key DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        // As `unread::count`, for each row of the page; 3 is `MessageType::System`.
        out.push_sql(
            ") SELECT c.key, c.id, c.kind, c.name, c.slug, c.invite_code, c.password_hash, c.max_members, c.retention_seconds, \
             c.slow_mode_seconds, c.created_at, c.direct_low, c.direct_high, page.role, page.last_read_seq, page.seq, \
             page.last_message_seq, page.active_at, page.member_count, page.expired_seq, (SELECT count(*) FROM (SELECT 1 FROM (SELECT sender_key, kind, deleted_at FROM messages \
             WHERE position > (page.key << 32) + page.last_read_seq AND position <= (page.key << 32) + page.seq \
             ORDER BY position DESC LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.scan)?;
        // The subqueries have names because PostgreSQL before 16 wants them to.
        out.push_sql(") AS newest WHERE sender_key <> page.user_key AND kind <> 3 AND deleted_at IS NULL LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.most)?;
        out.push_sql(
            ") AS unread), (SELECT count(*) FROM (SELECT 1 FROM mentions WHERE user_key = page.user_key AND position > \
             (page.key << 32) + page.last_read_seq AND position <= (page.key << 32) + page.seq LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.most)?;
        out.push_sql(") AS mentioned) FROM page ");
        out.push_sql(join::<DB>());
        out.push_sql(" conversations c ON c.key = page.key ORDER BY page.active_at DESC, page.key DESC");
        Ok(())
    }
}

/// In SQLite CROSS JOIN keeps the order of the tables: from the user's memberships on.
fn join<DB: Speaks>() -> &'static str {
    match DB::DIALECT {
        Dialect::Sqlite => "CROSS JOIN",
        Dialect::Postgres => "JOIN",
    }
}

impl<const ONE: bool> Query for Views<ONE> {
    type SqlType = ViewTypes;
}

impl<C, const ONE: bool> diesel::RunQueryDsl<C> for Views<ONE> {}
