//! Which messages show which uploads. Written with the message, forgotten with it, so that an upload is never swept while
//! somebody can see it.

use super::Ledger;
use crate::db::run::*;
use std::ops::RangeInclusive;

use diesel::sql_types::{BigInt, Text};

use super::Turn;
use crate::{
    db::{
        NewMessage, Refusal, StoreError,
        position::pack,
        rows::MessageRow,
        schema::{upload_uses, uploads},
        statement::statement,
    },
    domain::{MessageType, Seq, Timestamp, UploadName},
};

impl<C: Ledger> Turn<'_, C> {
    /// If `message` is an image: which upload it shows, if its sender may.
    pub(super) fn upload_of(
        &mut self,
        message: &NewMessage,
    ) -> Result<Result<Option<UploadName>, Refusal>, StoreError> {
        if message.draft.kind != MessageType::Image {
            return Ok(Ok(None));
        }
        let Ok(name) = UploadName::from_url(message.draft.content.as_str()) else {
            return Ok(Err(Refusal::NoSuchUpload));
        };
        let owner: Option<i64> = OwnerOf {
            name: name.as_str().to_owned(),
        }
        .get_result(self.connection)
        .optional()?;
        Ok(match owner {
            None => Err(Refusal::NoSuchUpload),
            Some(owner) if owner != message.sender.key.0 => Err(Refusal::NotYourUpload),
            Some(_) => Ok(Some(name)),
        })
    }

    /// Notes that the message at `seq` shows it.
    pub(super) fn show_upload(&mut self, name: &UploadName, seq: Seq) -> Result<(), StoreError> {
        // Rare enough, beside text, for statements that are prepared each time.
        diesel::insert_into(upload_uses::table)
            .values((
                upload_uses::position.eq(self.position(seq)),
                upload_uses::name.eq(name.as_str()),
            ))
            .execute(self.connection)?;
        diesel::update(uploads::table.find(name.as_str()))
            .set(uploads::sweep_at.eq(None::<i64>))
            .execute(self.connection)?;
        Ok(())
    }

    /// A message is deleted: if it showed an upload, it does so no more.
    pub(super) fn hide_upload(&mut self, row: &MessageRow, at: Timestamp) -> Result<(), StoreError> {
        if row.kind == MessageType::Image.code() {
            forget_uses(self.connection, row.position..=row.position, at)?;
        }
        Ok(())
    }

    /// The conversation ends. What it shows may be a great deal: the sweep forgets it in pieces.
    pub(super) fn hide_all_uploads(&mut self) -> Result<(), StoreError> {
        NoteEnding {
            conversation: self.key.0,
            first: pack(self.key, Seq(0)),
            last: pack(self.key, Seq(u32::MAX)),
        }
        .execute(self.connection)?;
        Ok(())
    }
}

/// The messages at these positions show no upload any more; uploads that no other message shows are to be swept at `now`.
/// For whoever deletes messages or removes their rows, in the same transaction; to be bounded by the caller.
pub fn forget_uses<C: Ledger>(
    connection: &mut C,
    positions: RangeInclusive<i64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (first, last) = positions.into_inner();
    if C::DIALECT == Dialect::Postgres {
        let _: Vec<String> = LockShown { first, last }.load(connection)?;
    }
    MarkUnused {
        first,
        last,
        now: now.millis(),
    }
    .execute(connection)?;
    ForgetUses { first, last }.execute(connection)?;
    Ok(())
}

statement! {
    /// Whose an upload is. Who shows it and who sweeps it or forgets a use of it wait for each other: on PostgreSQL one of
    /// them would not see what the other one is about to commit.
    OwnerOf { name: String as Text } -> BigInt,
    "SELECT user_key FROM uploads WHERE name = " {name} ["" | " FOR UPDATE"]
}

statement! {
    /// Uploads that messages from `first` to `last` show: what uses them is seen by the next statement. In one order, so that
    /// nobody waits for each other.
    LockShown { first: i64 as BigInt, last: i64 as BigInt } -> Text,
    "SELECT name FROM uploads WHERE name " ["IN (" | "= ANY (ARRAY("]
    "SELECT name FROM upload_uses WHERE position BETWEEN " {first} " AND " {last} [")" | "))"]
    " ORDER BY name" ["" | " FOR UPDATE"]
}

statement! {
    /// Uploads that only messages from `first` to `last` show.
    MarkUnused { first: i64 as BigInt, last: i64 as BigInt, now: i64 as BigInt },
    "UPDATE uploads SET sweep_at = " {now} " WHERE name " ["IN (" | "= ANY (ARRAY("]
    "SELECT name FROM upload_uses WHERE position BETWEEN " {first} " AND " {last} [")" | "))"]
    " AND (SELECT 1 FROM upload_uses u WHERE u.name = uploads.name AND u.position NOT BETWEEN "
    {first} " AND " {last} " LIMIT 1) IS NULL"
}

statement! {
    /// Messages from `first` to `last` show nothing.
    ForgetUses { first: i64 as BigInt, last: i64 as BigInt },
    "DELETE FROM upload_uses WHERE position BETWEEN " {first} " AND " {last}
}

statement! {
    /// A conversation that shows anything ended.
    NoteEnding { conversation: i64 as BigInt, first: i64 as BigInt, last: i64 as BigInt },
    "INSERT INTO upload_endings (conversation_key) SELECT " {conversation}
    " WHERE EXISTS (SELECT 1 FROM upload_uses WHERE position BETWEEN " {first} " AND " {last} ") ON CONFLICT DO NOTHING"
}
