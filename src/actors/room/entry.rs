//! Coming in by oneself. What was shown at the door is checked by the commands, which run no argon2 here, and once more by the
//! log; the room only knows who is in already.

use std::sync::Arc;

use super::{Loaded, settings::note};
use crate::{
    db::{Op, Pass},
    domain::{
        Role, Timestamp, User,
        permission::{self, Way},
    },
    protocol::{ApiError, ErrorCode},
};

impl Loaded {
    /// Makes somebody a member; `None` when they are one already.
    pub(super) fn join(
        &self,
        by: &Arc<User>,
        pass: Box<Pass>,
        at: Timestamp,
        random: u64,
    ) -> Result<Option<Op>, ApiError> {
        if self.seats.contains_key(&by.key) {
            return Ok(None);
        }
        let way = if pass.code.is_some() { Way::Code } else { Way::Open };
        permission::may_join(self.conversation.kind, way).map_err(|why| ApiError::new(ErrorCode::Forbidden, why))?;
        Ok(Some(Op::AddMember {
            actor: by.clone(),
            user: by.clone(),
            role: Role::Member,
            pass: Some(pass),
            note: note("member_joined", Some(by), format!("{} joined", by.display_name)),
            at,
            random,
        }))
    }
}
