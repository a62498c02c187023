//! Editing: another content for one's own text. What it said before stays.

use std::sync::Arc;

use diesel::{
    QueryResult, RunQueryDsl,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Nullable, Text},
    sqlite::Sqlite,
};

use super::{Decision, Turn, send::ids_of};
use crate::{
    db::{Outcome, Refusal, position::pack, rows::MessageRow},
    domain::{Content, MessageId, MessageType, Timestamp, User},
};

/// `changes.kind` of an edit.
pub const EDITED: i16 = 1;

impl Turn<'_> {
    pub(super) fn edit(
        &mut self,
        id: MessageId,
        by: &User,
        content: &Content,
        mentions: &[Arc<User>],
        at: Timestamp,
    ) -> Decision {
        let Some(mut row) = self.message(id)? else {
            return Ok(Err(Refusal::NoSuchMessage));
        };
        if row.sender_key != by.key.0 || row.kind == MessageType::System.code() {
            return Ok(Err(Refusal::NotYours));
        }
        if row.deleted_at.is_some() {
            return Ok(Err(Refusal::Deleted));
        }
        if row.kind != MessageType::Text.code() {
            return Ok(Err(Refusal::NoText));
        }
        if row.content == content.as_str() {
            let message = Box::new(self.load(row)?);
            return Ok(Ok(Outcome::Edited {
                message,
                changed: false,
            }));
        }
        let Some(seq) = self.next() else {
            return Ok(Err(Refusal::Ended));
        };
        let change = pack(self.key, seq);
        NewVersion { row: &row, change }.execute(self.connection)?;
        if row.mentions.is_some() {
            self.forget_mentions(row.position)?;
        }
        self.mention(row.position, by, mentions)?;
        (row.change_position, row.edited_at) = (change, Some(at.millis()));
        (row.content, row.mentions) = (content.as_str().to_owned(), ids_of(mentions)?);
        NewContent(&row).execute(self.connection)?;
        self.note_change(seq, &row, EDITED, by, at)?;
        let message = Box::new(self.load(row)?);
        Ok(Ok(Outcome::Edited { message, changed: true }))
    }
}

/// What a message says is kept as what it said before.
struct NewVersion<'b> {
    row: &'b MessageRow,
    change: i64,
}

impl QueryId for NewVersion<'_> {
    type QueryId = NewVersion<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for NewVersion<'_> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql("INSERT INTO message_versions (message_position, change_position, content, written_at) VALUES (");
        out.push_bind_param::<BigInt, _>(&self.row.position)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.change)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.row.content)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(self.row.edited_at.as_ref().unwrap_or(&self.row.created_at))?;
        out.push_sql(")");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for NewVersion<'_> {}

/// A message as it is after an edit.
struct NewContent<'b>(&'b MessageRow);

impl QueryId for NewContent<'_> {
    type QueryId = NewContent<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for NewContent<'_> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE messages SET change_position = ");
        out.push_bind_param::<BigInt, _>(&self.0.change_position)?;
        out.push_sql(", content = ");
        out.push_bind_param::<Text, _>(&self.0.content)?;
        out.push_sql(", mentions = ");
        out.push_bind_param::<Nullable<Text>, _>(&self.0.mentions)?;
        out.push_sql(", edited_at = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.0.edited_at)?;
        out.push_sql(" WHERE position = ");
        out.push_bind_param::<BigInt, _>(&self.0.position)?;
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for NewContent<'_> {}
