//! Deleting, and reading; and the row of a change.

use diesel::{
    prelude::*,
    sql_types::{BigInt, SmallInt},
};

use super::{Decision, Turn};
use crate::{
    db::{
        Outcome, Refusal, StoreError,
        position::{pack, unpack},
        query,
        rows::{self, MessageRow, People},
        sqlite::{statement::statement, store::unread},
        types::{Id, UuidType},
    },
    domain::{MessageId, MessageType, Seq, Timestamp, User, UserKey},
    protocol::command::ReadUpTo,
};

/// `changes.kind` of a deletion.
pub const DELETED: i16 = 0;

impl Turn<'_> {
    pub(super) fn delete(&mut self, id: MessageId, by: &User, moderator: bool, at: Timestamp) -> Decision {
        let Some(row) = self.message(id)? else {
            return Ok(Err(Refusal::NoSuchMessage));
        };
        let own = row.sender_key == by.key.0;
        if row.kind == MessageType::System.code() || !(own || moderator) {
            return Ok(Err(Refusal::NotYours));
        }
        if let (Some(deleted_at), Some(deleted_by)) = (row.deleted_at, row.deleted_by) {
            let people = People::new(query::users::by_keys(vec![deleted_by]).load(self.connection)?)?;
            return Ok(Ok(Outcome::Deleted {
                // Nothing changes a deleted message any more: its last change is the deletion.
                seq: unpack(row.change_position).1,
                at: Timestamp::from_millis(deleted_at),
                by: people.get(deleted_by)?.id.clone(),
                already: true,
            }));
        }
        let Some(seq) = self.next() else {
            return Ok(Err(Refusal::Ended));
        };
        let change = pack(self.key, seq);
        MarkDeleted {
            position: row.position,
            change,
            at: at.millis(),
            by: by.key.0,
        }
        .execute(self.connection)?;
        if row.change_position != row.position {
            ForgetReactions { position: row.position }.execute(self.connection)?;
        }
        if row.mentions.is_some() {
            self.forget_mentions(row.position)?;
        }
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
        NewChange {
            position: pack(self.key, seq),
            message: message.position,
            id: message.id,
            kind,
            actor: by.key.0,
            at: at.millis(),
        }
        .execute(self.connection)?;
        self.take(seq, None);
        Ok(())
    }

    pub(super) fn mark_read(&mut self, user: UserKey, upto: ReadUpTo, at: Timestamp) -> Decision {
        let cursor: Option<i64> = Cursor {
            conversation: self.key.0,
            user: user.0,
        }
        .get_result(self.connection)
        .optional()?;
        let Some(cursor) = cursor else {
            return Ok(Err(Refusal::NotMember));
        };
        let cursor = rows::seq(cursor, self.key.0)?;
        let wanted = match upto {
            ReadUpTo::Seq(seq) => seq.min(self.head.seq),
            ReadUpTo::Message(id) => match self.message(id)? {
                Some(row) => unpack(row.position).1,
                None => return Ok(Err(Refusal::NoSuchMessage)),
            },
        };
        let moved = wanted > cursor;
        let last_read_seq: Seq = wanted.max(cursor);
        if moved {
            MoveCursor {
                conversation: self.key.0,
                user: user.0,
                seq: i64::from(wanted.0),
                at: at.millis(),
            }
            .execute(self.connection)?;
            NewMark {
                conversation: self.key.0,
                user: user.0,
                seq: i64::from(wanted.0),
                at: at.millis(),
            }
            .execute(self.connection)?;
        }
        let unread_count = unread::count(self.connection, self.key, user, last_read_seq, self.head.seq)?;
        let mention_count = unread::mentions(self.connection, self.key, user, last_read_seq, self.head.seq)?;
        Ok(Ok(Outcome::Read {
            last_read_seq,
            moved,
            unread_count,
            mention_count,
        }))
    }
}

statement! {
    /// A message is deleted by a change.
    MarkDeleted { position: i64 as BigInt, change: i64 as BigInt, at: i64 as BigInt, by: i64 as BigInt },
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
    "INSERT OR IGNORE INTO read_marks (conversation_key, user_key, seq, at) VALUES (" {conversation} ", " {user} ", " {seq}
    ", " {at} ")"
}
