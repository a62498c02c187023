//! What the rest of the node says to the courier: this conversation has something new, this user came or went. Never waits,
//! never fails: a hint that finds no place is made up for by a look at the store. Called by `actors`; emptied by `courier`.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use indexmap::IndexMap;
use tokio::sync::Notify;

use crate::domain::{ConversationKey, Timestamp, UserId, UserKey};

/// Conversations that may wait here until the courier looks; it looks at once unless it is busy.
const CHANGED_MAX: usize = 1 << 16;

/// Users whose coming or going may wait here; of more, it is lost.
const SEEN_MAX: usize = 10_000;

/// Somebody came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Who.
    pub user: UserId,
    /// When.
    pub at: Timestamp,
    /// Whether they came.
    pub online: bool,
}

/// What came since the last look.
#[derive(Default)]
pub(super) struct News {
    /// Something was committed in these.
    pub changed: HashSet<ConversationKey>,
    /// Some of them found no place: only the store knows which.
    pub overflowed: bool,
    /// The latest of each user, in the order in which they were first heard of.
    pub seen: IndexMap<UserKey, Presence>,
}

/// See the file's head.
#[derive(Default)]
pub(super) struct Hints {
    news: Mutex<News>,
    /// Somebody said something; the courier holds the other end.
    wake: Notify,
}

impl Hints {
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn changed(&self, conversations: impl Iterator<Item = ConversationKey>) {
        let mut news = self.news();
        for conversation in conversations {
            if news.changed.len() < CHANGED_MAX {
                news.changed.insert(conversation);
            } else {
                news.overflowed = true;
            }
        }
        drop(news);
        self.wake.notify_one();
    }

    /// False when there was no place for it.
    pub fn seen(&self, key: UserKey, presence: Presence) -> bool {
        let mut news = self.news();
        if news.seen.len() >= SEEN_MAX && !news.seen.contains_key(&key) {
            return false;
        }
        news.seen.insert(key, presence);
        drop(news);
        self.wake.notify_one();
        true
    }

    /// What came since the last time, as soon as somebody says something.
    pub async fn next(&self) -> News {
        self.wake.notified().await;
        std::mem::take(&mut *self.news())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hints_are_merged_and_what_finds_no_place_is_said() {
        let hints = Hints::default();
        hints.changed([1, 2, 1].into_iter().map(ConversationKey));
        hints.changed(std::iter::once(ConversationKey(2)));
        let news = hints.next().await;
        assert_eq!((news.changed.len(), news.overflowed), (2, false));
        hints.changed((0..=CHANGED_MAX as i64).map(ConversationKey));
        let news = hints.next().await;
        assert_eq!((news.changed.len(), news.overflowed), (CHANGED_MAX, true));
        assert!(!std::mem::take(&mut *hints.news()).overflowed);
    }

    #[tokio::test]
    async fn the_latest_of_a_user_wins() {
        let hints = Hints::default();
        let seen = |online| Presence {
            user: UserId::parse("u").unwrap(),
            at: Timestamp::from_millis(7),
            online,
        };
        assert!(hints.seen(UserKey(1), seen(true)));
        assert!(hints.seen(UserKey(1), seen(false)));
        let news = hints.next().await;
        assert_eq!(news.seen.into_values().collect::<Vec<_>>(), [seen(false)]);
        assert!((0..SEEN_MAX as i64).all(|key| hints.seen(UserKey(key), seen(true))));
        assert!(!hints.seen(UserKey(-1), seen(true)));
    }
}
