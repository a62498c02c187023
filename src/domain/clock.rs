//! Time and randomness, from one place, so that a test can drive both. Everybody asks here; nobody else reads the wall clock.

use std::{fmt, sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Serialize, Serializer};
use std::sync::Mutex;
use utoipa::{PartialSchema, ToSchema, openapi};

/// A moment: milliseconds since the Unix epoch, UTC. Written as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the Unix epoch, as JWTs count (RFC 7519, NumericDate).
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// From RFC 3339, with any offset; to the millisecond.
    pub fn parse(text: &str) -> Option<Self> {
        let moment: jiff::Timestamp = text.parse().ok()?;
        Some(Self(moment.as_millisecond()))
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment moved by `duration` into the future.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_millis() as i64))
    }

    /// This moment moved by so many seconds into the past.
    pub fn before_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_sub(i64::from(seconds) * 1000))
    }

    /// Milliseconds from `earlier` to here; 0 if `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0).max(0) as u64
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{moment:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> openapi::RefOr<openapi::schema::Schema> {
        openapi::ObjectBuilder::new()
            .schema_type(openapi::schema::Type::String)
            .format(Some(openapi::SchemaFormat::KnownFormat(openapi::KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Timestamp {}

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// The tokio runtime's clock from `start` on: paused and advanced by tests.
    Virtual {
        /// What the time was when the runtime's clock stood at `origin`.
        start: Timestamp,
        /// See `start`.
        origin: tokio::time::Instant,
    },
}

impl Clock {
    /// A clock that follows the tokio runtime's, beginning with `start`. Needs a runtime.
    pub fn virtual_from(start: Timestamp) -> Self {
        Self::Virtual {
            start,
            origin: tokio::time::Instant::now(),
        }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that reads the wall clock"
            )]
            Self::System => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                Timestamp(since.map_or(0, |d| d.as_millis() as i64))
            }
            Self::Virtual { start, origin } => start.plus(origin.elapsed()),
        }
    }
}

/// Where randomness comes from: the operating system's generator, or a seed in tests.
///
/// The generator is a cryptographic one, so that invite codes may come from it; under a seed they can be guessed like
/// everything else. Secrets that must not be even then ask the operating system themselves (`auth`).
#[derive(Debug, Clone)]
pub struct Entropy(Arc<Mutex<StdRng>>);

impl Entropy {
    /// Seeded by the operating system.
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(rand::make_rng())))
    }

    /// The same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A generator of its own for one actor, so that hot paths share no lock.
    pub fn fork(&self) -> StdRng {
        let mut rng = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        StdRng::from_rng(&mut *rng)
    }

    /// Ten random bytes: what a UUIDv7 needs.
    pub fn bytes10(&self) -> [u8; 10] {
        self.bytes()
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc_3339_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_768_693_477_120).to_string(),
            "2026-01-17T23:44:37.120Z"
        );
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(Entropy::seeded(7).bytes10(), Entropy::seeded(7).bytes10());
        assert_ne!(Entropy::seeded(7).bytes10(), Entropy::seeded(8).bytes10());
    }
}
