//! Wrong invite codes and passwords of conversations: so many a minute and user, whatever they try them on. Asked by the
//! commands that let people in. A guess counts as wrong until it is known to be right, so that many at once are no way round.

use std::sync::Arc;

use governor::{
    Quota, RateLimiter,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{
        StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};

use super::rates::{RuntimeClock, check, limiter_on};
use crate::{domain::UserKey, protocol::ApiError};

/// The limit.
pub struct Guesses {
    limiter: Option<RateLimiter<UserKey, Buckets, RuntimeClock, NoOpMiddleware<Nanos>>>,
    buckets: Buckets,
    /// How long one guess takes to be forgotten.
    price: Nanos,
}

/// One that is under way.
#[must_use = "a guess that is dropped counts"]
pub struct Guess<'a> {
    guesses: &'a Guesses,
    user: UserKey,
}

impl Guesses {
    /// So many wrong ones a minute and user; 0 is no limit.
    pub fn new(per_minute: u32) -> Self {
        let buckets = Buckets::default();
        let price = std::num::NonZeroU32::new(per_minute).map(|rate| Quota::per_minute(rate).replenish_interval());
        Self {
            limiter: limiter_on(buckets.clone(), per_minute, per_minute, Quota::per_minute),
            buckets,
            price: price.unwrap_or_default().into(),
        }
    }

    /// Whether `user` may try one now. It counts unless it is given back. Errors: `RATE_LIMITED` with when.
    pub fn begin(&self, user: UserKey) -> Result<Guess<'_>, ApiError> {
        check(&self.limiter, &user)?;
        Ok(Guess { guesses: self, user })
    }

    /// As `RateLimits::sweep`.
    pub fn sweep(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

impl Guess<'_> {
    /// It was no wrong one: it does not count.
    pub fn give_back(self) {
        let Guesses {
            limiter: Some(_),
            buckets,
            price,
        } = self.guesses
        else {
            return;
        };
        // What is kept is the time when the bucket is full again. A bucket that the sweep took was full.
        let _: Result<(), ()> = buckets.measure_and_replace(&self.user, |full_at| {
            full_at.map(|full_at| ((), full_at.saturating_sub(*price))).ok_or(())
        });
    }
}

/// The limiter's state, held twice: governor takes from a bucket, and `give_back` puts back, which governor can't.
#[derive(Clone, Default)]
struct Buckets(Arc<DashMapStateStore<UserKey>>);

impl StateStore for Buckets {
    type Key = UserKey;

    fn measure_and_replace<T, F, E>(&self, key: &UserKey, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, f)
    }
}

impl ShrinkableKeyedStateStore<UserKey> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&*self.0);
    }

    fn len(&self) -> usize {
        self.0.as_ref().len()
    }

    fn is_empty(&self) -> bool {
        self.0.as_ref().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ANN: UserKey = UserKey(1);

    fn wrong(guesses: &Guesses, user: UserKey) -> bool {
        guesses.begin(user).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_guesses_run_out_and_come_back() {
        let guesses = Guesses::new(5);
        assert_eq!((0..50).filter(|_| wrong(&guesses, ANN)).count(), 5);
        let error = guesses.begin(ANN).map(|_| ()).unwrap_err();
        assert_eq!(error.retry_after_ms, Some(12_000));
        assert!(wrong(&guesses, UserKey(2)), "each user alone");
        tokio::time::advance(Duration::from_secs(12)).await;
        assert!(wrong(&guesses, ANN));
        assert!(!wrong(&guesses, ANN));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((0..50).filter(|_| wrong(&guesses, ANN)).count(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn right_ones_do_not_count_and_win_nothing_back() {
        let guesses = Guesses::new(5);
        for _ in 0..100 {
            guesses.begin(ANN).unwrap().give_back();
        }
        for _ in 0..4 {
            assert!(wrong(&guesses, ANN));
            guesses.begin(ANN).unwrap().give_back();
        }
        assert!(wrong(&guesses, ANN));
        assert!(
            guesses.begin(ANN).is_err(),
            "five wrong ones, whatever was right between them"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn those_under_way_count_meanwhile() {
        let guesses = Guesses::new(5);
        let under_way: Vec<_> = (0..5).map(|_| guesses.begin(ANN).unwrap()).collect();
        assert!(guesses.begin(ANN).is_err());
        tokio::time::advance(Duration::from_secs(3600)).await;
        guesses.sweep();
        under_way.into_iter().for_each(Guess::give_back);
        assert_eq!((0..50).filter(|_| wrong(&guesses, ANN)).count(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let guesses = Guesses::new(0);
        assert_eq!((0..50).filter(|_| wrong(&guesses, ANN)).count(), 50);
        guesses.begin(ANN).unwrap().give_back();
    }
}
