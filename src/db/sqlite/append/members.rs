//! Coming and going.

use diesel::{
    prelude::*,
    sql_types::{BigInt, SmallInt},
};

use super::{Decision, Turn, changes::NewMark};
use crate::{
    db::{Outcome, Refusal, StoreError, query, rows, sqlite::statement::statement},
    domain::{Content, Role, Timestamp, UserKey},
};

impl Turn<'_> {
    pub(super) fn add_member(
        &mut self,
        user: UserKey,
        role: Role,
        actor: UserKey,
        note: &Content,
        at: Timestamp,
        random: u64,
    ) -> Decision {
        if self.role(user)?.is_some() {
            return Ok(Err(Refusal::AlreadyMember));
        }
        if let Some(refusal) = self.has_no_place(user)? {
            return Ok(Err(refusal));
        }
        let Some(seq) = self.next() else {
            return Ok(Err(Refusal::Ended));
        };
        NewMember {
            conversation: self.key.0,
            user: user.0,
            role: role.code(),
            at: at.millis(),
            // What was said before they came does not count as unread.
            read: i64::from(self.head.seq.0),
        }
        .execute(self.connection)?;
        if self.head.seq.0 > 0 {
            NewMark {
                conversation: self.key.0,
                user: user.0,
                seq: i64::from(self.head.seq.0),
                at: 0,
            }
            .execute(self.connection)?;
        }
        self.head.members += 1;
        let id = self.say(seq, actor, note, at, random)?;
        Ok(Ok(Outcome::Membership { id, seq }))
    }

    pub(super) fn remove_member(
        &mut self,
        user: UserKey,
        heir: Option<UserKey>,
        actor: UserKey,
        note: &Content,
        at: Timestamp,
        random: u64,
    ) -> Decision {
        if self.role(user)?.is_none() {
            return Ok(Err(Refusal::NotMember));
        }
        if let Some(heir) = heir
            && (heir == user || self.role(heir)?.is_none())
        {
            return Ok(Err(Refusal::NotMember));
        }
        let Some(seq) = self.next() else {
            return Ok(Err(Refusal::Ended));
        };
        GoneMember {
            conversation: self.key.0,
            user: user.0,
        }
        .execute(self.connection)?;
        ForgetMarks {
            conversation: self.key.0,
            user: user.0,
        }
        .execute(self.connection)?;
        self.head.members -= 1;
        if let Some(heir) = heir {
            self.write_role(heir, Role::Owner)?;
        }
        let id = self.say(seq, actor, note, at, random)?;
        if self.head.members <= 0 {
            self.mark_ended(at)?;
        }
        Ok(Ok(Outcome::Membership { id, seq }))
    }

    pub(super) fn set_role(
        &mut self,
        user: UserKey,
        role: Role,
        actor: UserKey,
        note: &Content,
        at: Timestamp,
        random: u64,
    ) -> Decision {
        // Whatever the room believed: there is one owner before this change and after it.
        if self.role(actor)? != Some(Role::Owner) || user == actor {
            return Ok(Err(Refusal::NotOwner));
        }
        if self.role(user)?.is_none() {
            return Ok(Err(Refusal::NotMember));
        }
        let Some(seq) = self.next() else {
            return Ok(Err(Refusal::Ended));
        };
        self.write_role(user, role)?;
        if role == Role::Owner {
            self.write_role(actor, Role::Admin)?;
        }
        let id = self.say(seq, actor, note, at, random)?;
        Ok(Ok(Outcome::Membership { id, seq }))
    }

    fn write_role(&mut self, user: UserKey, role: Role) -> Result<(), StoreError> {
        SetRole {
            conversation: self.key.0,
            user: user.0,
            role: role.code(),
        }
        .execute(self.connection)?;
        Ok(())
    }

    /// What somebody is here.
    fn role(&mut self, user: UserKey) -> Result<Option<Role>, StoreError> {
        let role: Option<i16> = query::conversations::role(self.key.0, user.0)
            .get_result(self.connection)
            .optional()?;
        role.map(|code| rows::role(code, self.key.0)).transpose()
    }
}

statement! {
    /// Somebody comes.
    NewMember {
        conversation: i64 as BigInt,
        user: i64 as BigInt,
        role: i16 as SmallInt,
        at: i64 as BigInt,
        read: i64 as BigInt,
    },
    "INSERT INTO members (conversation_key, user_key, role, joined_at, last_read_seq) VALUES (" {conversation} ", "
    {user} ", " {role} ", " {at} ", " {read} ")"
}

statement! {
    /// Somebody goes.
    GoneMember { conversation: i64 as BigInt, user: i64 as BigInt },
    "DELETE FROM members WHERE conversation_key = " {conversation} " AND user_key = " {user}
}

statement! {
    /// With a membership goes what they read and when.
    ForgetMarks { conversation: i64 as BigInt, user: i64 as BigInt },
    "DELETE FROM read_marks WHERE conversation_key = " {conversation} " AND user_key = " {user}
}

statement! {
    /// A member is something else from now on.
    SetRole { conversation: i64 as BigInt, user: i64 as BigInt, role: i16 as SmallInt },
    "UPDATE members SET role = " {role} " WHERE conversation_key = " {conversation} " AND user_key = " {user}
}
