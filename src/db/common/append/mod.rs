//! The hot path: what a batch of the log becomes in one transaction. Called by the writer, between its BEGIN and COMMIT.
//! Never commits, never asks who may do what.
//!
//! A conversation's counter row is read once and written once a batch. See `docs/decisions/0002-position.md` for what the
//! rest costs.

mod changes;
mod direct;
mod edit;
mod entry;
mod expire;
mod insert;
mod ledger;
mod members;
mod pace;
mod react;
mod send;
mod settings;
mod uploads;

use crate::{
    db::{
        Appended, ConversationAppend, Op, Refusal, StoreError,
        position::pack,
        rows::{self, MessageRow},
        statement::statement,
    },
    domain::{ConversationKey, MessageId, Seq, Timestamp},
};

pub use self::{
    changes::{DELETED, NewChange},
    edit::EDITED,
    expire::purge,
    insert::NewRow,
    ledger::{Answer, Former, HeadRow, Late, Ledger, Place, Reading},
    pace::LastSent,
    react::{REACTED, ReactionRow},
    uploads::forget_uses,
};

#[cfg(test)]
pub use self::{
    expire::Oldest,
    send::ByClient,
    uploads::{ForgetUses, MarkUnused},
};

/// What became of one op: what the database says is an error of the whole batch, a refusal concerns the op alone.
type Decision = Result<Answer, StoreError>;

/// Applies a batch; the answer is aligned with it. An error means that the caller must roll back.
pub fn append(connection: &mut impl Ledger, batch: &[ConversationAppend]) -> Result<Vec<Appended>, StoreError> {
    connection.open_turns(batch)?;
    let mut appended = Vec::with_capacity(batch.len());
    for (part, one) in batch.iter().enumerate() {
        appended.push(Turn::begin(connection, one.conversation)?.apply(part, &one.ops)?);
    }
    for Late { place, answer } in connection.close_turns()? {
        let outcomes = appended.get_mut(place.part).map(|one| &mut one.outcomes);
        if let Some(outcome) = outcomes.and_then(|outcomes| outcomes.get_mut(place.op)) {
            *outcome = answer;
        }
    }
    Ok(appended)
}

/// One conversation's part of a batch.
struct Turn<'a, C> {
    connection: &'a mut C,
    key: ConversationKey,
    head: Head,
}

/// A row of `heads`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The last seq given.
    pub seq: Seq,
    /// That of the newest message.
    pub last_message: Seq,
    /// When it was last active.
    pub active_at: i64,
    /// How many members there are.
    pub members: i32,
    /// Whether it is no more.
    pub deleted: bool,
}

impl Head {
    /// One that never was is answered like one that is no more.
    const NONE: Self = Self {
        seq: Seq(0),
        last_message: Seq(0),
        active_at: 0,
        members: 0,
        deleted: true,
    };

    /// As it was read.
    pub fn from_row(key: i64, row: HeadRow) -> Result<Self, StoreError> {
        let (seq, last_message, active_at, members, deleted) = row;
        Ok(Self {
            seq: rows::seq(seq, key)?,
            last_message: rows::seq(last_message, key)?,
            active_at,
            members,
            deleted,
        })
    }
}

impl<'a, C: Ledger> Turn<'a, C> {
    fn begin(connection: &'a mut C, key: ConversationKey) -> Result<Self, StoreError> {
        let head = connection.head(key.0)?.unwrap_or(Head::NONE);
        Ok(Self { connection, key, head })
    }

    fn apply(mut self, part: usize, ops: &[Op]) -> Result<Appended, StoreError> {
        let before = self.head;
        let mut outcomes = Vec::with_capacity(ops.len());
        for (at, op) in ops.iter().enumerate() {
            outcomes.push(self.op(Place { part, op: at }, op)?);
        }
        if self.head != before {
            self.write_head()?;
        }
        Ok(Appended {
            outcomes,
            before: before.seq,
            head: self.head.seq,
        })
    }

    fn op(&mut self, place: Place, op: &Op) -> Decision {
        match op {
            _ if self.head.deleted => Ok(Err(Refusal::Ended)),
            Op::Send(message) => self.send(message),
            Op::Edit {
                message,
                by,
                content,
                mentions,
                at,
            } => self.edit(*message, by, content, mentions, *at),
            Op::React {
                message,
                by,
                emoji,
                add,
                at,
            } => self.react(*message, by, emoji, *add, *at),
            Op::Delete {
                message,
                by,
                moderator,
                at,
            } => self.delete(*message, by, *moderator, *at),
            Op::MarkRead { user, upto, at } => self.mark_read(place, *user, *upto, *at),
            Op::Expire { before, limit } => self.expire(*before, *limit),
            Op::AddMember {
                actor,
                user,
                role,
                pass,
                note,
                at,
                random,
            } => match pass.as_ref().map(|pass| self.pass_fails(pass)).transpose()?.flatten() {
                Some(refusal) => Ok(Err(refusal)),
                None => {
                    let added = self.add_member(user.key, *role, actor.key, note, *at, *random)?;
                    if added.is_ok() && pass.is_some() {
                        self.resume_pace(user.key)?;
                    }
                    Ok(added)
                }
            },
            Op::RemoveMember {
                actor,
                user,
                heir,
                note,
                at,
                random,
            } => self.remove_member(user.key, *heir, actor.key, note, *at, *random),
            Op::SetRole {
                actor,
                user,
                role,
                note,
                at,
                random,
            } => self.set_role(user.key, *role, actor.key, note, *at, *random),
            Op::Configure {
                actor,
                settings,
                note,
                at,
                random,
            } => self.configure(settings, actor.key, note, *at, *random),
            Op::End {
                actor,
                note,
                at,
                random,
            } => self.end(actor.key, note, *at, *random),
        }
    }

    /// The next seq, if there is one left. Taken with [`Turn::take`] once nothing can be refused any more.
    fn next(&self) -> Option<Seq> {
        (self.head.seq.0 < u32::MAX).then(|| self.head.seq.next())
    }

    /// The seq is given; to a message of this moment, unless there is none.
    fn take(&mut self, seq: Seq, message_at: Option<Timestamp>) {
        self.head.seq = seq;
        if let Some(at) = message_at {
            self.head.last_message = seq;
            // A clock that was set back must not put the conversation down in everybody's list.
            self.head.active_at = self.head.active_at.max(at.millis());
        }
    }

    fn position(&self, seq: Seq) -> i64 {
        pack(self.key, seq)
    }

    /// The message of this id, if it is in this conversation.
    fn message(&mut self, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        let row = self.connection.message(self.position(id.claimed_seq()))?;
        Ok(row.filter(|row| row.id.0 == id.0))
    }

    /// The same; its content may be cut off behind the beginning.
    fn beginning(&mut self, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        let row = self.connection.beginning(self.position(id.claimed_seq()))?;
        Ok(row.filter(|row| row.id.0 == id.0))
    }

    fn write_head(&mut self) -> Result<(), StoreError> {
        self.connection.put_head(self.key.0, self.head)?;
        Ok(())
    }
}

statement! {
    /// The counter row.
    ReadHead { key: i64 as diesel::sql_types::BigInt } -> (
        diesel::sql_types::BigInt,
        diesel::sql_types::BigInt,
        diesel::sql_types::BigInt,
        diesel::sql_types::Integer,
        diesel::sql_types::Bool,
    ),
    "SELECT seq, last_message_seq, active_at, member_count, deleted FROM heads WHERE conversation_key = " {key}
}

impl WriteHead {
    fn new(key: i64, head: Head) -> Self {
        Self {
            key,
            seq: i64::from(head.seq.0),
            last_message: i64::from(head.last_message.0),
            active_at: head.active_at,
            members: head.members,
            deleted: head.deleted,
        }
    }
}

statement! {
    /// The counter row as it is now.
    WriteHead {
        key: i64 as diesel::sql_types::BigInt,
        seq: i64 as diesel::sql_types::BigInt,
        last_message: i64 as diesel::sql_types::BigInt,
        active_at: i64 as diesel::sql_types::BigInt,
        members: i32 as diesel::sql_types::Integer,
        deleted: bool as diesel::sql_types::Bool,
    },
    "UPDATE heads SET seq = " {seq} ", last_message_seq = " {last_message} ", active_at = " {active_at}
    ", member_count = " {members} ", deleted = " {deleted} " WHERE conversation_key = " {key}
}
