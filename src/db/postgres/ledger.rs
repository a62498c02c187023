//! The ledger on PostgreSQL: ops read what was looked up (`lookups`), and what they write waits (`waits`). A statement that runs by
//! itself sees all of it, since what waits is written first; and as it may change anything, what was looked up is forgotten.

use std::sync::Arc;

use diesel::{OptionalExtension, result::QueryResult};
use diesel_async::methods::LoadQuery;
use futures_util::{
    TryStreamExt,
    future::{join, join_all},
};

use super::{
    connection::{PgDb, Sending},
    readings::{self, AT_ONCE, ReadAll, ReadRow},
};
use crate::{
    db::{
        ConversationAppend, StoreError,
        common::append::{Answer, Former, Head, LastSent, Late, Ledger, NewChange, NewRow, ReactionRow, Reading},
        position::pack,
        query,
        rows::{self, ConversationRow, MessageRow, UserRow},
        run::Run,
    },
    domain::{ConversationId, ConversationKey, User},
};

type Result<T> = std::result::Result<T, StoreError>;

impl PgDb {
    /// Writes what waits, if anything does.
    pub fn write_turns(&mut self) -> QueryResult<()> {
        if self.turns.waits.is_empty() {
            return Ok(());
        }
        let (statements, readings) = std::mem::take(&mut self.turns.waits).into_statements();
        let mut parts = readings.chunks(AT_ONCE);
        let first = parts.next().unwrap_or_default();
        let rows = self.write_and_read(statements, first)?;
        self.note(first, rows)?;
        for part in parts {
            let rows = self.load_now(ReadAll::new(part))?;
            self.note(part, rows)?;
        }
        Ok(())
    }

    /// One round trip: the server runs them in this order.
    fn write_and_read(&mut self, statements: Vec<Sending>, readings: &[Reading]) -> QueryResult<Vec<ReadRow>> {
        let read = Some(ReadAll::new(readings)).filter(|_| !readings.is_empty());
        self.ask(async |on| {
            let written = join_all(statements.into_iter().map(|statement| statement(on)));
            let read = async {
                let mut on = on;
                match read {
                    Some(read) => {
                        let rows = LoadQuery::<'_, _, ReadRow>::internal_load(read, &mut on).await?;
                        rows.try_collect().await
                    }
                    None => Ok(Vec::new()),
                }
            };
            let (written, read) = join(written, read).await;
            // The first error is the reason of the others.
            written.into_iter().collect::<QueryResult<Vec<usize>>>()?;
            read
        })
    }

    fn note(&mut self, readings: &[Reading], rows: Vec<ReadRow>) -> QueryResult<()> {
        let late = readings::answers(readings, rows)
            .map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))?;
        self.turns.late.extend(late);
        Ok(())
    }

    /// Something is about to change that a cursor which waits would count.
    fn settle(&mut self, position: i64) -> QueryResult<()> {
        let key = position >> 32;
        let mut waiting = self.turns.waits.readings.range((key, i64::MIN)..=(key, i64::MAX));
        if waiting.any(|(_, reading)| position <= pack(reading.conversation, reading.head)) {
            self.write_turns()?;
        }
        Ok(())
    }
}

impl Ledger for PgDb {
    fn open_turns(&mut self, batch: &[ConversationAppend]) -> Result<()> {
        self.look_up(batch)
    }

    fn close_turns(&mut self) -> Result<Vec<Late>> {
        self.write_turns()?;
        Ok(std::mem::take(&mut self.turns.late))
    }

    fn head(&mut self, key: i64) -> Result<Option<Head>> {
        Ok(self.turns.heads.get(&key).copied())
    }

    fn put_head(&mut self, key: i64, head: Head) -> Result<()> {
        self.turns.heads.insert(key, head);
        self.turns.waits.heads.insert(key, head);
        Ok(())
    }

    fn put_message(&mut self, row: NewRow<'_>) -> Result<()> {
        if let Some(hash) = row.client_hash {
            self.turns.known.entry(hash).or_default().push(row.position);
        }
        self.turns.lookups.stands(row.position, || row.whole());
        self.turns.waits.rows.push(&row);
        Ok(())
    }

    fn by_client(&mut self, hash: i64) -> Result<Vec<i64>> {
        Ok(self.turns.known.get(&hash).cloned().unwrap_or_default())
    }

    fn message(&mut self, position: i64) -> Result<Option<MessageRow>> {
        if let Some(row) = self.turns.lookups.messages.get(&position) {
            return Ok(row.clone());
        }
        let row: Option<MessageRow> = query::messages::at(position).get_result(self).optional()?;
        self.turns.lookups.messages.insert(position, row.clone());
        Ok(row)
    }

    fn beginning(&mut self, position: i64) -> Result<Option<MessageRow>> {
        if let Some(row) = self.turns.lookups.beginnings.get(&position) {
            return Ok(row.clone());
        }
        let row: Option<MessageRow> = query::messages::beginning_at(position).get_result(self).optional()?;
        self.turns.lookups.beginnings.insert(position, row.clone());
        Ok(row)
    }

    fn put_edit(&mut self, row: &MessageRow, former: Former) -> Result<()> {
        self.turns.lookups.change(row.position, |held| held.clone_from(row));
        self.turns.waits.edit(row, former);
        Ok(())
    }

    fn put_deletion(&mut self, row: &MessageRow) -> Result<()> {
        self.settle(row.position)?;
        self.turns.lookups.change(row.position, |held| {
            held.change_position = row.change_position;
            (held.deleted_at, held.deleted_by) = (row.deleted_at, row.deleted_by);
        });
        self.turns.waits.delete(row);
        Ok(())
    }

    fn put_change_position(&mut self, position: i64, change: i64) -> Result<()> {
        let lookups = &mut self.turns.lookups;
        lookups.change(position, |held| held.change_position = change);
        self.turns.waits.touch(position, change);
        Ok(())
    }

    fn put_change(&mut self, change: NewChange) -> Result<()> {
        self.turns.waits.changes.push(change);
        Ok(())
    }

    fn put_mention(&mut self, user: i64, position: i64) -> Result<()> {
        self.settle(position)?;
        self.turns.waits.mention(user, position);
        Ok(())
    }

    fn forget_mentions(&mut self, position: i64) -> Result<()> {
        self.settle(position)?;
        self.turns.waits.forget_mentions(position);
        Ok(())
    }

    fn reactions(&mut self, position: i64) -> Result<Vec<ReactionRow>> {
        if let Some(reactions) = self.turns.lookups.reactions.get(&position) {
            return Ok(reactions.clone());
        }
        let rows: Vec<ReactionRow> = query::messages::reaction_rows(vec![position]).load(self)?;
        self.turns.lookups.reactions.insert(position, rows.clone());
        Ok(rows)
    }

    fn put_reaction(&mut self, reaction: &ReactionRow) -> Result<()> {
        if let Some(held) = self.turns.lookups.reactions.get_mut(&reaction.message) {
            reaction.clone().join(held);
        }
        self.turns.waits.react(reaction);
        Ok(())
    }

    fn take_reaction(&mut self, reaction: &ReactionRow) -> Result<()> {
        if let Some(held) = self.turns.lookups.reactions.get_mut(&reaction.message) {
            held.retain(|one| one.position != reaction.position);
        }
        self.turns.waits.take(reaction);
        Ok(())
    }

    fn forget_reactions(&mut self, position: i64) -> Result<()> {
        self.turns.lookups.reactions.insert(position, Vec::new());
        self.turns.waits.forget_reactions(position);
        Ok(())
    }

    fn last_sent(&mut self, conversation: i64, user: i64) -> Result<Option<i64>> {
        if let Some(last) = self.turns.lookups.paces.get(&(conversation, user)) {
            return Ok(*last);
        }
        let last: Option<Option<i64>> = LastSent { conversation, user }.get_result(self).optional()?;
        Ok(last.flatten())
    }

    fn put_last_sent(&mut self, conversation: i64, user: i64, at: i64) -> Result<()> {
        self.turns.lookups.paces.insert((conversation, user), Some(at));
        self.turns.waits.paces.insert((conversation, user), at);
        Ok(())
    }

    fn mark_read(&mut self, reading: Reading) -> Result<Option<Answer>> {
        let whose = (reading.conversation.0, reading.user.0);
        if self.turns.waits.readings.contains_key(&whose) {
            // One statement moves a cursor once.
            self.write_turns()?;
        }
        self.turns.waits.readings.insert(whose, reading);
        Ok(None)
    }

    fn person(&mut self, key: i64) -> Result<Arc<User>> {
        if let Some(person) = self.turns.lookups.people.get(&key) {
            return Ok(person.clone());
        }
        // What waits concerns no user.
        let row: Option<UserRow> = self.load_now(query::users::by_keys(vec![key]))?.pop();
        let row = row.ok_or_else(|| rows::broken("a user", key))?;
        let person: Arc<User> = Arc::new(row.try_into()?);
        self.turns.lookups.people.insert(key, person.clone());
        Ok(person)
    }

    fn conversation_id(&mut self, key: ConversationKey) -> Result<ConversationId> {
        if let Some(id) = self.turns.lookups.ids.get(&key.0) {
            return Ok(*id);
        }
        let row: Option<ConversationRow> = self.load_now(query::conversations::by_key(key.0))?.pop();
        let row = row.ok_or_else(|| rows::broken("a conversation", key.0))?;
        let id = ConversationId(row.id.0);
        self.turns.lookups.ids.insert(key.0, id);
        Ok(id)
    }
}
