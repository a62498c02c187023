//! Reacting: one of each emoji for each user, and each emoji keeps its place for as long as somebody stands behind it.

use diesel::{
    OptionalExtension, QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Text},
    sqlite::Sqlite,
};

use super::{Decision, Turn};
use crate::{
    db::{
        Outcome, Refusal,
        position::pack,
        sqlite::{statement::statement, store::assemble},
    },
    domain::{Emoji, MessageId, MessageType, Timestamp, User, limits},
};

/// `changes.kind` of a reaction that came or went.
pub const REACTED: i16 = 2;

impl Turn<'_> {
    pub(super) fn react(&mut self, id: MessageId, by: &User, emoji: &Emoji, add: bool, at: Timestamp) -> Decision {
        let Some(row) = self.message(id)? else {
            return Ok(Err(Refusal::NoSuchMessage));
        };
        if row.kind == MessageType::System.code() {
            return Ok(Err(Refusal::SystemMessage));
        }
        if row.deleted_at.is_some() {
            return Ok(Err(Refusal::Deleted));
        }
        let reaction = OneReaction {
            message: row.position,
            emoji: emoji.as_str(),
            user: by.key.0,
        };
        let there = reaction.is_there(self.connection)?;
        let mut changed_at = None;
        if there != add {
            let Some(seq) = self.next() else {
                return Ok(Err(Refusal::Ended));
            };
            let change = pack(self.key, seq);
            if add {
                let count: i64 = CountReactions { message: row.position }.get_result(self.connection)?;
                if count >= limits::REACTIONS as i64 {
                    return Ok(Err(Refusal::TooManyReactions));
                }
                Put { reaction, change }.execute(self.connection)?;
            } else {
                Take(reaction).execute(self.connection)?;
            }
            SetChange {
                message: row.position,
                change,
            }
            .execute(self.connection)?;
            self.note_change(seq, &row, REACTED, by, at)?;
            changed_at = Some(seq);
        }
        Ok(Ok(Outcome::Reacted {
            seq: changed_at,
            reactions: assemble::reactions_on(self.connection, row.position)?,
        }))
    }
}

/// A row of `reactions`; as a statement, the question whether it is there.
#[derive(Clone, Copy)]
struct OneReaction<'b> {
    message: i64,
    emoji: &'b str,
    user: i64,
}

impl<'b> OneReaction<'b> {
    fn is_there(&self, connection: &mut SqliteConnection) -> QueryResult<bool> {
        let found: Option<i64> = RunQueryDsl::get_result(*self, connection).optional()?;
        Ok(found.is_some())
    }

    fn is_it<'q>(&'q self, out: &mut AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql(" WHERE message_position = ");
        out.push_bind_param::<BigInt, _>(&self.message)?;
        out.push_sql(" AND emoji = ");
        out.push_bind_param::<Text, _>(self.emoji)?;
        out.push_sql(" AND user_key = ");
        out.push_bind_param::<BigInt, _>(&self.user)
    }
}

impl QueryId for OneReaction<'_> {
    type QueryId = OneReaction<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for OneReaction<'_> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql("SELECT position FROM reactions");
        self.is_it(&mut out)
    }
}

impl Query for OneReaction<'_> {
    type SqlType = BigInt;
}

impl<C> RunQueryDsl<C> for OneReaction<'_> {}

/// Somebody reacts; behind those who used the emoji before, in the place that it has.
struct Put<'b> {
    reaction: OneReaction<'b>,
    change: i64,
}

impl QueryId for Put<'_> {
    type QueryId = Put<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for Put<'_> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        let OneReaction { message, emoji, user } = &self.reaction;
        out.push_sql("INSERT INTO reactions (message_position, emoji, user_key, position, first_position) VALUES (");
        out.push_bind_param::<BigInt, _>(message)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(*emoji)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(user)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.change)?;
        out.push_sql(", coalesce((SELECT first_position FROM reactions WHERE message_position = ");
        out.push_bind_param::<BigInt, _>(message)?;
        out.push_sql(" AND emoji = ");
        out.push_bind_param::<Text, _>(*emoji)?;
        out.push_sql(" LIMIT 1), ");
        out.push_bind_param::<BigInt, _>(&self.change)?;
        out.push_sql("))");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for Put<'_> {}

/// Somebody takes it back.
struct Take<'b>(OneReaction<'b>);

impl QueryId for Take<'_> {
    type QueryId = Take<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for Take<'_> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql("DELETE FROM reactions");
        self.0.is_it(&mut out)
    }
}

impl<C> RunQueryDsl<C> for Take<'_> {}

statement! {
    /// How many reactions a message has.
    CountReactions { message: i64 as BigInt } -> BigInt,
    "SELECT count(*) FROM reactions WHERE message_position = " {message}
}

statement! {
    /// A message's last change is this one.
    SetChange { message: i64 as BigInt, change: i64 as BigInt },
    "UPDATE messages SET change_position = " {change} " WHERE position = " {message}
}
