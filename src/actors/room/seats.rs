//! The members as their room knows them, and an index of their names for `@name`, made when a text first asks for it and
//! thrown away with every change of the members.

use std::{
    cell::OnceCell,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use indexmap::IndexMap;

use super::Seat;
use crate::domain::{Content, Member, User, UserKey, mention::Names};

/// Longest-standing first.
#[derive(Default)]
pub(super) struct Seats {
    members: IndexMap<UserKey, Seat>,
    names: OnceCell<Names>,
}

impl Seats {
    /// As the store has them.
    pub(super) fn of(members: Vec<Member>) -> Self {
        let seat = |member: Member| Seat {
            user: member.user,
            role: member.role,
        };
        members.into_iter().map(|m| (m.user.key, seat(m))).collect()
    }

    /// Whom a text mentions.
    pub(super) fn mentioned(&self, content: &Content) -> Vec<Arc<User>> {
        let text = content.as_str();
        if !text.contains('@') {
            return Vec::new();
        }
        let names = || Names::of(self.members.values().map(|seat| &seat.user));
        self.names.get_or_init(names).mentioned(text)
    }
}

impl FromIterator<(UserKey, Seat)> for Seats {
    fn from_iter<T: IntoIterator<Item = (UserKey, Seat)>>(seats: T) -> Self {
        Self {
            members: seats.into_iter().collect(),
            names: OnceCell::new(),
        }
    }
}

impl Deref for Seats {
    type Target = IndexMap<UserKey, Seat>;

    fn deref(&self) -> &Self::Target {
        &self.members
    }
}

impl DerefMut for Seats {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.names.take();
        &mut self.members
    }
}
