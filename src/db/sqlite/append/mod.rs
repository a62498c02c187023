//! The hot path: what a batch of the log becomes in one transaction. Called by the writer, between its BEGIN and COMMIT.
//! Never commits, never asks who may do what.
//!
//! A conversation's counter row is read once and written once a batch. See `docs/decisions/0002-position.md` for what the
//! rest costs.

mod changes;
mod edit;
mod entry;
mod expire;
mod insert;
mod members;
mod pace;
mod react;
mod send;
mod settings;
mod uploads;

use diesel::{SqliteConnection, prelude::*};

use super::statement::statement;
use crate::{
    db::{
        Appended, ConversationAppend, Op, Outcome, Refusal, StoreError,
        position::pack,
        query,
        rows::{self, MessageRow},
    },
    domain::{ConversationKey, MessageId, Seq, Timestamp},
};

pub use self::{changes::DELETED, edit::EDITED, expire::purge, react::REACTED, uploads::forget_uses};

#[cfg(test)]
pub use self::{
    expire::Oldest,
    send::ByClient,
    uploads::{ForgetUses, MarkUnused},
};

/// What became of one op: what the database says is an error of the whole batch, a refusal concerns the op alone.
type Decision = Result<Result<Outcome, Refusal>, StoreError>;

/// Applies a batch; the answer is aligned with it. An error means that the caller must roll back.
pub fn append(connection: &mut SqliteConnection, batch: &[ConversationAppend]) -> Result<Vec<Appended>, StoreError> {
    batch
        .iter()
        .map(|one| Turn::begin(connection, one.conversation)?.apply(&one.ops))
        .collect()
}

/// One conversation's part of a batch.
struct Turn<'a> {
    connection: &'a mut SqliteConnection,
    key: ConversationKey,
    head: Head,
}

/// A row of `heads`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    seq: Seq,
    last_message: Seq,
    active_at: i64,
    members: i32,
    deleted: bool,
}

impl<'a> Turn<'a> {
    fn begin(connection: &'a mut SqliteConnection, key: ConversationKey) -> Result<Self, StoreError> {
        let row: Option<(i64, i64, i64, i32, bool)> = ReadHead { key: key.0 }.get_result(connection).optional()?;
        let head = match row {
            Some((seq, last_message, active_at, members, deleted)) => Head {
                seq: rows::seq(seq, key.0)?,
                last_message: rows::seq(last_message, key.0)?,
                active_at,
                members,
                deleted,
            },
            // One that never was is answered like one that is no more.
            None => Head {
                seq: Seq(0),
                last_message: Seq(0),
                active_at: 0,
                members: 0,
                deleted: true,
            },
        };
        Ok(Self { connection, key, head })
    }

    fn apply(mut self, ops: &[Op]) -> Result<Appended, StoreError> {
        let before = self.head;
        let mut outcomes = Vec::with_capacity(ops.len());
        for op in ops {
            outcomes.push(self.op(op)?);
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

    fn op(&mut self, op: &Op) -> Decision {
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
            Op::MarkRead { user, upto, at } => self.mark_read(*user, *upto, *at),
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
                None => self.add_member(user.key, *role, actor.key, note, *at, *random),
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
        let position = self.position(id.claimed_seq());
        let row: Option<MessageRow> = query::messages::at(position).get_result(self.connection).optional()?;
        Ok(row.filter(|row| row.id.0 == id.0))
    }

    fn write_head(&mut self) -> Result<(), StoreError> {
        WriteHead {
            key: self.key.0,
            seq: i64::from(self.head.seq.0),
            last_message: i64::from(self.head.last_message.0),
            active_at: self.head.active_at,
            members: self.head.members,
            deleted: self.head.deleted,
        }
        .execute(self.connection)?;
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
