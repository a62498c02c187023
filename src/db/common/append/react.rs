//! Reacting: one of each emoji for each user, and each emoji keeps its place for as long as somebody stands behind it.

use diesel::{
    Queryable,
    query_builder::QueryId,
    sql_types::{BigInt, Text},
};

use super::{Decision, Ledger, Turn};
use crate::{
    db::{
        Outcome, Refusal,
        common::store::assemble,
        position::pack,
        statement::{fragment, statement},
    },
    domain::{Emoji, MessageId, MessageType, Timestamp, User, limits},
};

/// `changes.kind` of a reaction that came or went.
pub const REACTED: i16 = 2;

impl<C: Ledger> Turn<'_, C> {
    pub(super) fn react(&mut self, id: MessageId, by: &User, emoji: &Emoji, add: bool, at: Timestamp) -> Decision {
        let Some(row) = self.beginning(id)? else {
            return Ok(Err(Refusal::NoSuchMessage));
        };
        if row.kind == MessageType::System.code() {
            return Ok(Err(Refusal::SystemMessage));
        }
        if row.deleted_at.is_some() {
            return Ok(Err(Refusal::Deleted));
        }
        let mut reactions = self.connection.reactions(row.position)?;
        let own = reactions
            .iter()
            .position(|one| one.emoji == emoji.as_str() && one.user_key == by.key.0);
        let mut changed_at = None;
        if own.is_some() != add {
            let Some(seq) = self.next() else {
                return Ok(Err(Refusal::Ended));
            };
            let change = pack(self.key, seq);
            if let Some(own) = own {
                self.connection.take_reaction(&reactions.remove(own))?;
            } else {
                if reactions.len() >= limits::REACTIONS {
                    return Ok(Err(Refusal::TooManyReactions));
                }
                let new = ReactionRow::new(&reactions, row.position, emoji, by, change);
                self.connection.put_reaction(&new)?;
                new.join(&mut reactions);
            }
            self.connection.put_change_position(row.position, change)?;
            self.note_change(seq, &row, REACTED, by, at)?;
            changed_at = Some(seq);
        }
        Ok(Ok(Outcome::Reacted {
            seq: changed_at,
            reactions: assemble::by_emoji(reactions.into_iter().map(|one| (one.emoji, one.user_id)), row.position)?,
        }))
    }
}

/// A row of `reactions`, and the id of its user: `query::messages::reaction_rows`.
#[derive(Debug, Clone, Queryable)]
pub struct ReactionRow {
    pub message: i64,
    pub emoji: String,
    pub user_key: i64,
    /// The change that put it there.
    pub position: i64,
    /// The change that first put this emoji there, of those that are still there.
    pub first_position: i64,
    pub user_id: String,
}

impl ReactionRow {
    /// Somebody reacts; behind those who used the emoji before, in the place that it has.
    fn new(there: &[Self], message: i64, emoji: &Emoji, by: &User, change: i64) -> Self {
        let same = there.iter().find(|one| one.emoji == emoji.as_str());
        Self {
            message,
            emoji: emoji.as_str().to_owned(),
            user_key: by.key.0,
            position: change,
            first_position: same.map_or(change, |one| one.first_position),
            user_id: by.id.as_str().to_owned(),
        }
    }

    /// Takes its place among the others: the last of its emoji.
    pub fn join(self, others: &mut Vec<Self>) {
        let at = others.partition_point(|one| one.first_position <= self.first_position);
        others.insert(at, self);
    }
}

/// Somebody reacts.
pub(super) struct Put<'b>(pub &'b ReactionRow);

impl QueryId for Put<'_> {
    type QueryId = Put<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

fragment!(Put<'_>, self, out => {
        out.push_sql("INSERT INTO reactions (message_position, emoji, user_key, position, first_position) VALUES (");
        out.push_bind_param::<BigInt, _>(&self.0.message)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.0.emoji)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.0.user_key)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.0.position)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.0.first_position)?;
        out.push_sql(")");
        Ok(())
});

/// Somebody takes it back.
pub(super) struct Take<'b>(pub &'b ReactionRow);

impl QueryId for Take<'_> {
    type QueryId = Take<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

fragment!(Take<'_>, self, out => {
        out.push_sql("DELETE FROM reactions WHERE message_position = ");
        out.push_bind_param::<BigInt, _>(&self.0.message)?;
        out.push_sql(" AND emoji = ");
        out.push_bind_param::<Text, _>(&self.0.emoji)?;
        out.push_sql(" AND user_key = ");
        out.push_bind_param::<BigInt, _>(&self.0.user_key)?;
        Ok(())
});

statement! {
    /// A message's last change is this one.
    SetChange { message: i64 as BigInt, change: i64 as BigInt },
    "UPDATE messages SET change_position = " {change} " WHERE position = " {message}
}
