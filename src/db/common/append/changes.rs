//! Deleting, and reading; and the row of a change.

use diesel::sql_types::{BigInt, Nullable, SmallInt};

use super::{Decision, Ledger, Place, Reading, Turn};
use crate::{
    db::{
        Outcome, Refusal, StoreError,
        position::{pack, unpack},
        rows::MessageRow,
        statement::statement,
        types::{Id, UuidType},
    },
    domain::{MessageId, MessageType, Seq, Timestamp, User, UserKey},
    protocol::command::ReadUpTo,
};

/// `changes.kind` of a deletion.
pub const DELETED: i16 = 0;

impl<C: Ledger> Turn<'_, C> {
    pub(super) fn delete(&mut self, id: MessageId, by: &User, moderator: bool, at: Timestamp) -> Decision {
        let Some(mut row) = self.beginning(id)? else {
            return Ok(Err(Refusal::NoSuchMessage));
        };
        let own = row.sender_key == by.key.0;
        if row.kind == MessageType::System.code() || !(own || moderator) {
            return Ok(Err(Refusal::NotYours));
        }
        if let (Some(deleted_at), Some(deleted_by)) = (row.deleted_at, row.deleted_by) {
            return Ok(Ok(Outcome::Deleted {
                // Nothing changes a deleted message any more: its last change is the deletion.
                seq: unpack(row.change_position).1,
                at: Timestamp::from_millis(deleted_at),
                by: self.connection.person(deleted_by)?.id.clone(),
                already: true,
            }));
        }
        let Some(seq) = self.next() else {
            return Ok(Err(Refusal::Ended));
        };
        if row.change_position != row.position {
            self.connection.forget_reactions(row.position)?;
        }
        if row.mentions.is_some() {
            self.connection.forget_mentions(row.position)?;
        }
        row.change_position = pack(self.key, seq);
        (row.deleted_at, row.deleted_by) = (Some(at.millis()), Some(by.key.0));
        self.connection.put_deletion(&row)?;
        self.hide_upload(&row, at)?;
        self.note_change(seq, &row, DELETED, by, at)?;
        Ok(Ok(Outcome::Deleted {
            seq,
            at,
            by: by.id.clone(),
            already: false,
        }))
    }

    /// Takes the seq for a change of this message.
    pub(super) fn note_change(
        &mut self,
        seq: Seq,
        message: &MessageRow,
        kind: i16,
        by: &User,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.connection.put_change(NewChange {
            position: pack(self.key, seq),
            message: message.position,
            id: message.id,
            kind,
            actor: by.key.0,
            at: at.millis(),
        })?;
        self.take(seq, None);
        Ok(())
    }

    pub(super) fn mark_read(&mut self, place: Place, user: UserKey, upto: ReadUpTo, at: Timestamp) -> Decision {
        let upto = match upto {
            ReadUpTo::Seq(seq) => Some(seq.min(self.head.seq)),
            ReadUpTo::Message(id) => self.beginning(id)?.map(|row| unpack(row.position).1),
        };
        let answer = self.connection.mark_read(Reading {
            place,
            conversation: self.key,
            user,
            upto,
            at,
            head: self.head.seq,
        })?;
        // One that is put off comes, if there is a member to answer.
        Ok(answer.unwrap_or(Err(Refusal::NotMember)))
    }
}

statement! {
    /// A message is deleted by a change.
    MarkDeleted {
        position: i64 as BigInt,
        change: i64 as BigInt,
        at: Option<i64> as Nullable<BigInt>,
        by: Option<i64> as Nullable<BigInt>,
    },
    "UPDATE messages SET change_position = " {change} ", deleted_at = " {at} ", deleted_by = " {by}
    " WHERE position = " {position}
}

statement! {
    /// A deleted message has no reactions.
    ForgetReactions { position: i64 as BigInt },
    "DELETE FROM reactions WHERE message_position = " {position}
}

statement! {
    /// A change that is not a new message.
    NewChange {
        position: i64 as BigInt,
        message: i64 as BigInt,
        id: Id as UuidType,
        kind: i16 as SmallInt,
        actor: i64 as BigInt,
        at: i64 as BigInt,
    },
    "INSERT INTO changes (position, message_position, message_id, kind, actor_key, at) VALUES (" {position} ", " {message} ", "
    {id} ", "
    {kind} ", " {actor} ", " {at} ")"
}

statement! {
    /// Up to where a member has read.
    Cursor { conversation: i64 as BigInt, user: i64 as BigInt } -> BigInt,
    "SELECT last_read_seq FROM members WHERE conversation_key = " {conversation} " AND user_key = " {user}
}

statement! {
    /// A member has read on.
    MoveCursor { conversation: i64 as BigInt, user: i64 as BigInt, seq: i64 as BigInt, at: i64 as BigInt },
    "UPDATE members SET last_read_seq = " {seq} ", last_read_at = " {at} " WHERE conversation_key = " {conversation}
    " AND user_key = " {user}
}

statement! {
    /// A step of a read cursor; where it begins, if not at 0, `at` is 0.
    NewMark { conversation: i64 as BigInt, user: i64 as BigInt, seq: i64 as BigInt, at: i64 as BigInt },
    "INSERT INTO read_marks (conversation_key, user_key, seq, at) VALUES (" {conversation} ", " {user} ", " {seq}
    ", " {at} ") ON CONFLICT DO NOTHING"
}
