//! How fast anybody may be: buckets (GCRA) per user for messages and other events, per address and name for logins. Sessions
//! and `http` ask before they do something; `app` sweeps. Per node: on two nodes a user has twice as much.

use std::{hash::Hash, net::IpAddr, num::NonZeroU32};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{
        StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};
use tokio::time::Instant;

use super::guesses::{Guess, Guesses};
use crate::{
    config::Rates,
    domain::{UserKey, limits},
    protocol::ApiError,
};

/// At this many login buckets the full ones are dropped at once, without waiting for the sweep: strangers choose the names.
const MANY: usize = 100_000;
/// Longest part of a name that tells buckets apart, in characters: no login name is longer.
const NAME_CHARS: usize = limits::USERNAME_CHARS.1;

/// All limits of the process.
pub struct RateLimits {
    messages: Option<Limiter<UserKey>>,
    events: Option<Limiter<UserKey>>,
    logins: Option<Limiter<(IpAddr, String)>>,
    guesses: Guesses,
}

impl RateLimits {
    /// As configured; a rate of 0 is no limit.
    pub fn new(rates: &Rates) -> Self {
        Self {
            messages: limiter(rates.messages_per_second, rates.messages_burst, Quota::per_second),
            events: limiter(rates.events_per_second, rates.events_per_second, Quota::per_second),
            logins: limiter(rates.logins_per_minute, rates.logins_per_minute, Quota::per_minute),
            guesses: Guesses::new(rates.guesses_per_minute),
        }
    }

    /// Whether `user` may send a message now. Errors: `RATE_LIMITED` with when.
    pub fn check_message(&self, user: UserKey) -> Result<(), ApiError> {
        check(&self.messages, &user)
    }

    /// Whether `user` may do anything else now. Errors: `RATE_LIMITED` with when.
    pub fn check_event(&self, user: UserKey) -> Result<(), ApiError> {
        check(&self.events, &user)
    }

    /// Whether somebody at `address` may try to log in as `name` (folded). Errors: `RATE_LIMITED` with when.
    pub fn check_login(&self, address: IpAddr, name: &str) -> Result<(), ApiError> {
        let Some(limiter) = &self.logins else { return Ok(()) };
        if limiter.len() > MANY {
            limiter.retain_recent();
        }
        let name = name.chars().take(NAME_CHARS).collect();
        check(&self.logins, &(network_of(address), name))
    }

    /// Whether `user` may try an invite code or a conversation's password now. Errors: `RATE_LIMITED` with when.
    pub fn guess(&self, user: UserKey) -> Result<Guess<'_>, ApiError> {
        self.guesses.begin(user)
    }

    /// Forgets the buckets that are full again. To be called about once a minute.
    pub fn sweep(&self) {
        sweep(&self.messages);
        sweep(&self.events);
        sweep(&self.logins);
        self.guesses.sweep();
    }
}

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, RuntimeClock, NoOpMiddleware<Nanos>>;

fn limiter<K: Hash + Eq + Clone>(rate: u32, burst: u32, per: fn(NonZeroU32) -> Quota) -> Option<Limiter<K>> {
    limiter_on(DashMapStateStore::default(), rate, burst, per)
}

/// A limiter that keeps its buckets in `state`; `None` for a rate of 0.
pub(super) fn limiter_on<S: StateStore>(
    state: S,
    rate: u32,
    burst: u32,
    per: fn(NonZeroU32) -> Quota,
) -> Option<RateLimiter<S::Key, S, RuntimeClock, NoOpMiddleware<Nanos>>> {
    let rate = NonZeroU32::new(rate)?;
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let clock = RuntimeClock(Instant::now());
    Some(RateLimiter::new(per(rate).allow_burst(burst), state, clock))
}

/// Takes one from the bucket of `key`. Errors: `RATE_LIMITED` with when there is one again.
pub(super) fn check<K: Hash + Eq + Clone, S: ShrinkableKeyedStateStore<K>>(
    limiter: &Option<RateLimiter<K, S, RuntimeClock, NoOpMiddleware<Nanos>>>,
    key: &K,
) -> Result<(), ApiError> {
    let Some(limiter) = limiter else { return Ok(()) };
    limiter.check_key(key).map_err(|not_until| {
        let wait = not_until.wait_time_from(limiter.clock().now());
        ApiError::rate_limited(wait.as_nanos().div_ceil(1_000_000) as u64)
    })
}

fn sweep<K: Hash + Eq + Clone>(limiter: &Option<Limiter<K>>) {
    if let Some(limiter) = limiter {
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}

/// Whoever has one IPv6 address has the 2^64 of its network: they count as one.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

/// The tokio runtime's clock since the start: steady, unlike the wall clock, and driven by tests that pause it.
#[derive(Debug, Clone)]
pub(super) struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATES: Rates = Rates {
        messages_per_second: 10,
        messages_burst: 20,
        events_per_second: 20,
        logins_per_minute: 10,
        guesses_per_minute: 5,
    };

    fn allowed(mut check: impl FnMut() -> Result<(), ApiError>) -> usize {
        (0..1000).take_while(|_| check().is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_the_rate_and_each_user_alone() {
        let limits = RateLimits::new(&RATES);
        let (alice, bob) = (UserKey(1), UserKey(2));
        assert_eq!(allowed(|| limits.check_message(alice)), 20);
        assert_eq!(limits.check_message(alice).unwrap_err().retry_after_ms, Some(100));
        assert_eq!(allowed(|| limits.check_message(bob)), 20);
        assert_eq!(allowed(|| limits.check_event(alice)), 20);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(allowed(|| limits.check_message(alice)), 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(allowed(|| limits.check_message(alice)), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn logins_are_counted_by_address_and_name() {
        let limits = RateLimits::new(&RATES);
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(allowed(|| limits.check_login(at("10.0.0.1"), "al")), 10);
        assert_eq!(
            limits
                .check_login(at("::ffff:10.0.0.1"), "al")
                .unwrap_err()
                .retry_after_ms,
            Some(6000)
        );
        assert!(limits.check_login(at("10.0.0.1"), "bo").is_ok());
        assert!(limits.check_login(at("10.0.0.2"), "al").is_ok());
        assert_eq!(allowed(|| limits.check_login(at("2001:db8::1"), "al")), 10);
        assert!(limits.check_login(at("2001:db8::2"), "al").is_err());
        assert!(limits.check_login(at("2001:db8:0:1::2"), "al").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let limits = RateLimits::new(&Rates {
            messages_per_second: 0,
            messages_burst: 5,
            events_per_second: 0,
            logins_per_minute: 0,
            guesses_per_minute: 0,
        });
        assert_eq!(allowed(|| limits.check_message(UserKey(1))), 1000);
        assert_eq!(allowed(|| limits.check_event(UserKey(1))), 1000);
        assert_eq!(allowed(|| limits.check_login([127, 0, 0, 1].into(), "al")), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_sweep_forgets_what_is_full_again() {
        let limits = RateLimits::new(&RATES);
        limits.check_message(UserKey(1)).unwrap();
        tokio::time::advance(Duration::from_secs(10)).await;
        limits.check_message(UserKey(2)).unwrap();
        limits.sweep();
        assert_eq!(limits.messages.as_ref().unwrap().len(), 1);
    }
}
