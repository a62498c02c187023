//! What a conversation is like, and its end.

use diesel::{prelude::*, sql_types::BigInt};

use super::{Decision, Turn};
use crate::{
    db::{
        Outcome, Refusal, StoreError, query,
        rows::{self, ConversationRow},
        schema::conversations,
        sqlite::{statement::statement, store::slug_is_taken},
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
        if let Some(slug) = &settings.slug
            && slug_is_taken(self.connection, slug, Some(self.key))?
        {
            return Ok(Err(Refusal::NameTaken));
        }
        let row: ConversationRow = query::conversations::by_key(self.key.0).get_result(self.connection)?;
        let password_hash = match &settings.password_hash {
            Some(hash) => hash.as_ref().map(|hash| hash.expose().to_owned()),
            None => row.password_hash.clone(),
        };
        let mut conversation = Conversation::try_from(row)?;
        settings.apply(&mut conversation);
        let policies = &conversation.policies;
        // Rare enough for a statement that is prepared each time.
        diesel::update(conversations::table.find(self.key.0))
            .set((
                conversations::name.eq(&conversation.name),
                conversations::slug.eq(&conversation.slug),
                conversations::invite_code.eq(&conversation.invite_code),
                conversations::password_hash.eq(password_hash),
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

    /// From now on it exists for nobody; its rows stay. Others may have its slug and nobody comes in by its code.
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
    "UPDATE conversations SET slug = NULL, invite_code = NULL, deleted_at = " {at} " WHERE key = " {conversation}
}
