//! The ledger on SQLite: each statement at once, since asking costs nothing.

use std::sync::Arc;

use crate::db::run::*;

use super::{
    Head, ReadHead, WriteHead,
    changes::{Cursor, ForgetReactions, MarkDeleted, MoveCursor, NewChange, NewMark},
    edit::{NewContent, NewVersion},
    insert::NewRow,
    ledger::{Answer, Former, HeadRow, Late, Ledger, Reading},
    pace::{LastSent, SetLastSent},
    react::{Put, ReactionRow, SetChange, Take},
    send::{ByClient, ForgetMentions, NewMention},
};
use crate::{
    db::{
        ConversationAppend, Outcome, Refusal, StoreError,
        common::store::unread,
        query,
        rows::{self, ConversationRow, MessageRow, UserRow},
    },
    domain::{ConversationId, ConversationKey, Seq, User},
};

type Result<T> = std::result::Result<T, StoreError>;

impl Ledger for diesel::SqliteConnection {
    /// The file has one writer.
    fn open_turns(&mut self, _: &[ConversationAppend]) -> Result<()> {
        Ok(())
    }

    fn close_turns(&mut self) -> Result<Vec<Late>> {
        Ok(Vec::new())
    }

    fn head(&mut self, key: i64) -> Result<Option<Head>> {
        let row: Option<HeadRow> = ReadHead { key }.get_result(self).optional()?;
        row.map(|row| Head::from_row(key, row)).transpose()
    }

    fn put_head(&mut self, key: i64, head: Head) -> Result<()> {
        WriteHead::new(key, head).execute(self)?;
        Ok(())
    }

    fn put_message(&mut self, row: NewRow<'_>) -> Result<()> {
        // Only here is it inserted by itself.
        diesel::RunQueryDsl::execute(row, self)?;
        Ok(())
    }

    fn by_client(&mut self, hash: i64) -> Result<Vec<i64>> {
        Ok(ByClient { hash }.load(self)?)
    }

    fn message(&mut self, position: i64) -> Result<Option<MessageRow>> {
        Ok(query::messages::at(position).get_result(self).optional()?)
    }

    fn beginning(&mut self, position: i64) -> Result<Option<MessageRow>> {
        Ok(query::messages::beginning_at(position).get_result(self).optional()?)
    }

    fn put_edit(&mut self, row: &MessageRow, former: Former) -> Result<()> {
        NewVersion {
            message: row.position,
            change: row.change_position,
            former: &former,
        }
        .execute(self)?;
        NewContent(row).execute(self)?;
        Ok(())
    }

    fn put_deletion(&mut self, row: &MessageRow) -> Result<()> {
        MarkDeleted {
            position: row.position,
            change: row.change_position,
            at: row.deleted_at,
            by: row.deleted_by,
        }
        .execute(self)?;
        Ok(())
    }

    fn put_change_position(&mut self, position: i64, change: i64) -> Result<()> {
        let message = position;
        SetChange { message, change }.execute(self)?;
        Ok(())
    }

    fn put_change(&mut self, change: NewChange) -> Result<()> {
        change.execute(self)?;
        Ok(())
    }

    fn put_mention(&mut self, user: i64, position: i64) -> Result<()> {
        NewMention { user, position }.execute(self)?;
        Ok(())
    }

    fn forget_mentions(&mut self, position: i64) -> Result<()> {
        ForgetMentions { position }.execute(self)?;
        Ok(())
    }

    fn reactions(&mut self, position: i64) -> Result<Vec<ReactionRow>> {
        Ok(query::messages::reaction_rows(vec![position]).load(self)?)
    }

    fn put_reaction(&mut self, reaction: &ReactionRow) -> Result<()> {
        Put(reaction).execute(self)?;
        Ok(())
    }

    fn take_reaction(&mut self, reaction: &ReactionRow) -> Result<()> {
        Take(reaction).execute(self)?;
        Ok(())
    }

    fn forget_reactions(&mut self, position: i64) -> Result<()> {
        ForgetReactions { position }.execute(self)?;
        Ok(())
    }

    fn last_sent(&mut self, conversation: i64, user: i64) -> Result<Option<i64>> {
        let last: Option<Option<i64>> = LastSent { conversation, user }.get_result(self).optional()?;
        Ok(last.flatten())
    }

    fn put_last_sent(&mut self, conversation: i64, user: i64, at: i64) -> Result<()> {
        SetLastSent { conversation, user, at }.execute(self)?;
        Ok(())
    }

    fn mark_read(&mut self, reading: Reading) -> Result<Option<Answer>> {
        let Reading {
            conversation,
            user,
            upto,
            at,
            head,
            ..
        } = reading;
        let cursor = Cursor {
            conversation: conversation.0,
            user: user.0,
        };
        let cursor: Option<i64> = cursor.get_result(self).optional()?;
        let Some(cursor) = cursor else {
            return Ok(Some(Err(Refusal::NotMember)));
        };
        let cursor = rows::seq(cursor, conversation.0)?;
        let Some(upto) = upto else {
            return Ok(Some(Err(Refusal::NoSuchMessage)));
        };
        let moved = upto > cursor;
        let last_read_seq: Seq = upto.max(cursor);
        if moved {
            let (conversation, user, seq, at) = (conversation.0, user.0, i64::from(upto.0), at.millis());
            MoveCursor {
                conversation,
                user,
                seq,
                at,
            }
            .execute(self)?;
            NewMark {
                conversation,
                user,
                seq,
                at,
            }
            .execute(self)?;
        }
        Ok(Some(Ok(Outcome::Read {
            last_read_seq,
            moved,
            unread_count: unread::count(self, conversation, user, last_read_seq, head)?,
            mention_count: unread::mentions(self, conversation, user, last_read_seq, head)?,
        })))
    }

    fn person(&mut self, key: i64) -> Result<Arc<User>> {
        let row: Option<UserRow> = query::users::by_keys(vec![key]).get_result(self).optional()?;
        let row = row.ok_or_else(|| rows::broken("a user", key))?;
        Ok(Arc::new(row.try_into()?))
    }

    fn conversation_id(&mut self, key: ConversationKey) -> Result<ConversationId> {
        let row: ConversationRow = query::conversations::by_key(key.0).get_result(self)?;
        Ok(ConversationId(row.id.0))
    }
}
