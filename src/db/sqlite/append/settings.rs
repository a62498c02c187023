//! What a conversation is like, and its end.

use diesel::{prelude::*, sql_types::BigInt};

use super::{Decision, Turn};
use crate::{
    db::{
        Outcome, Refusal, StoreError, query,
        rows::{self, ConversationRow},
        schema::conversations,
        sqlite::statement::statement,
    },
    domain::{Content, Conversation, Settings, Timestamp, UserKey},
};

impl Turn<'_> {
    pub(super) fn configure(
        &mut self,
        settings: &Settings,
        actor: UserKey,
        note: &Content,
        at: Timestamp,
        random: u64,
    ) -> Decision {
        if let Some(Some(most)) = settings.max_members
            && i64::from(self.head.members) > i64::from(most)
        {
            return Ok(Err(Refusal::TooManyMembers));
        }
        let Some(seq) = self.next() else {
            return Ok(Err(Refusal::Ended));
        };
        let row: ConversationRow = query::conversations::by_key(self.key.0).get_result(self.connection)?;
        let mut conversation = Conversation::try_from(row)?;
        settings.apply(&mut conversation);
        let policies = &conversation.policies;
        // Rare enough for a statement that is prepared each time.
        diesel::update(conversations::table.find(self.key.0))
            .set((
                conversations::name.eq(&conversation.name),
                conversations::max_members.eq(rows::policy(policies.max_members)),
                conversations::retention_seconds.eq(rows::policy(policies.retention_seconds)),
                conversations::slow_mode_seconds.eq(rows::policy(policies.slow_mode_seconds)),
            ))
            .execute(self.connection)?;
        let id = self.say(seq, actor, note, at, random)?;
        Ok(Ok(Outcome::Membership { id, seq }))
    }

    pub(super) fn end(&mut self, actor: UserKey, note: &Content, at: Timestamp, random: u64) -> Decision {
        let Some(seq) = self.next() else {
            return Ok(Err(Refusal::Ended));
        };
        let id = self.say(seq, actor, note, at, random)?;
        self.mark_ended(at)?;
        Ok(Ok(Outcome::Membership { id, seq }))
    }

    /// From now on it exists for nobody; its rows stay.
    pub(super) fn mark_ended(&mut self, at: Timestamp) -> Result<(), StoreError> {
        SetDeleted {
            conversation: self.key.0,
            at: at.millis(),
        }
        .execute(self.connection)?;
        self.hide_all_uploads()?;
        self.head.deleted = true;
        Ok(())
    }
}

statement! {
    /// The conversation is no more.
    SetDeleted { conversation: i64 as BigInt, at: i64 as BigInt },
    "UPDATE conversations SET deleted_at = " {at} " WHERE key = " {conversation}
}
