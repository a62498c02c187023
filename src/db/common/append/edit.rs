//! Editing: another content for one's own text. What it said before stays.

use std::sync::Arc;

use diesel::{
    query_builder::QueryId,
    sql_types::{BigInt, Nullable, Text},
};

use super::{Decision, Ledger, Turn, ledger::Former, send::ids_of};
use crate::{
    db::{Outcome, Refusal, position::pack, rows::MessageRow, statement::fragment},
    domain::{Content, MessageId, MessageType, Timestamp, User},
};

/// `changes.kind` of an edit.
pub const EDITED: i16 = 1;

impl<C: Ledger> Turn<'_, C> {
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
        if row.mentions.is_some() {
            self.connection.forget_mentions(row.position)?;
        }
        self.mention(row.position, by, mentions)?;
        let former = Former {
            content: std::mem::replace(&mut row.content, content.as_str().to_owned()),
            written_at: row.edited_at.unwrap_or(row.created_at),
        };
        (row.change_position, row.edited_at) = (pack(self.key, seq), Some(at.millis()));
        row.mentions = ids_of(mentions)?;
        self.connection.put_edit(&row, former)?;
        self.note_change(seq, &row, EDITED, by, at)?;
        let message = Box::new(self.load(row)?);
        Ok(Ok(Outcome::Edited { message, changed: true }))
    }
}

/// What a message says is kept as what it said before.
pub(super) struct NewVersion<'b> {
    pub message: i64,
    pub change: i64,
    pub former: &'b Former,
}

impl QueryId for NewVersion<'_> {
    type QueryId = NewVersion<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

fragment!(NewVersion<'_>, self, out => {
        out.push_sql("INSERT INTO message_versions (message_position, change_position, content, written_at) VALUES (");
        out.push_bind_param::<BigInt, _>(&self.message)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.change)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.former.content)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.former.written_at)?;
        out.push_sql(")");
        Ok(())
});

/// A message as it is after an edit.
pub(super) struct NewContent<'b>(pub &'b MessageRow);

impl QueryId for NewContent<'_> {
    type QueryId = NewContent<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

fragment!(NewContent<'_>, self, out => {
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
});
