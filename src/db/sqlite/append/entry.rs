//! Who comes in: whether what let somebody in still holds, and whether they may be in one more room.

use diesel::prelude::*;

use super::Turn;
use crate::{
    db::{
        Pass, Refusal, StoreError, query,
        rows::{self, ConversationRow},
        sqlite::store::rooms_of,
    },
    domain::{Kind, UserKey, limits},
};

impl Turn<'_> {
    /// Why this pass lets nobody in (any more): it was checked before, and what it was checked against may be another now.
    pub(super) fn pass_fails(&mut self, pass: &Pass) -> Result<Option<Refusal>, StoreError> {
        let row = self.row()?;
        let open = match &pass.code {
            Some(code) => row.invite_code.as_deref() == Some(code.as_str()),
            None => rows::kind(row.kind, row.key)? == Kind::Channel,
        };
        let hash = pass.password_hash.as_ref().map(|hash| hash.expose());
        Ok(match open {
            false => Some(Refusal::OtherCode),
            true if row.password_hash.as_deref() != hash => Some(Refusal::OtherPassword),
            true => None,
        })
    }

    /// Why nobody else comes in, or not this one: by its policy, the engine's bound, or because they are in so many rooms.
    pub(super) fn has_no_place(&mut self, user: UserKey) -> Result<Option<Refusal>, StoreError> {
        let row = self.row()?;
        let kind = rows::kind(row.kind, row.key)?;
        let policy = row.max_members.map_or(usize::MAX, |most| most.max(0) as usize);
        let most = match kind {
            Kind::Group | Kind::Room => policy.min(limits::GROUP_MEMBERS),
            Kind::Direct => 2,
            Kind::Channel => policy,
        };
        if self.head.members.max(0) as usize >= most {
            return Ok(Some(Refusal::Full));
        }
        let many = kind == Kind::Room && rooms_of(self.connection, user)? >= limits::ROOMS_OF_A_USER;
        Ok(many.then_some(Refusal::TooManyRooms))
    }

    fn row(&mut self) -> Result<ConversationRow, StoreError> {
        Ok(query::conversations::by_key(self.key.0).get_result(self.connection)?)
    }
}
