//! Whose turn it is, for one endpoint: each conversation is a lane on which one request is on its way at a time, many lanes
//! beside each other. Pure bookkeeping, driven by `courier`; sends nothing, knows no store.
//!
//! A lane whose request fails rests, longer each time. When the whole endpoint fails (on `DOWN_AFTER` lanes, with
//! no success between), one lane at a time tries, with pauses between; its first success lets all of them go on. One
//! conversation that a receiver never takes is no reason for that.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use rand::{Rng, RngExt};
use tokio::time::Instant;

use crate::domain::{ConversationKey, Timestamp};

/// Requests on their way to one endpoint at a time.
pub(super) const WIDTH: usize = 16;
/// Lanes in memory. What finds no place is found in the store later.
pub(super) const LANES_MAX: usize = 10_000;
/// Lanes that fail with no success between that make an endpoint count as down.
const DOWN_AFTER: u32 = WIDTH as u32;
/// The pause after the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What is told in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lane {
    /// The changes of a conversation.
    Conversation(ConversationKey),
    /// Who came and went.
    Presence,
}

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// All of it was told.
    Told {
        /// Whether the endpoint was asked at all.
        asked: bool,
        /// Whether there is more.
        more: bool,
    },
    /// The endpoint failed.
    Failed {
        /// Of when what it was not told is.
        since: Timestamp,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
        /// In a word.
        why: &'static str,
    },
    /// The store failed.
    Unread,
    /// The endpoint wants nothing more.
    Gone,
}

impl Turn {
    /// See [`Turn::Told`].
    pub fn told(asked: bool, more: bool) -> Self {
        Self::Told { asked, more }
    }
}

struct Standing {
    /// Of when the oldest is that was not told, as far as it is known.
    since: Timestamp,
    /// In a row.
    failures: u32,
    phase: Phase,
}

#[derive(PartialEq, Eq)]
enum Phase {
    Queued,
    Busy {
        /// Something came meanwhile.
        again: bool,
    },
    Resting(Instant),
}

/// See the file's head.
pub(super) struct Lanes {
    lanes: HashMap<Lane, Standing>,
    queue: VecDeque<Lane>,
    resting: BTreeSet<(Instant, Lane)>,
    busy: usize,
    /// Lanes that began to fail since the last success, and the tries since that was too much.
    failures: u32,
    /// Nothing is sent before.
    closed_until: Option<Instant>,
    gone: bool,
    retry_max: Duration,
}

impl Lanes {
    /// With nothing to tell; no pause is longer than `retry_max`, but one that the endpoint asks for.
    pub fn new(retry_max: Duration) -> Self {
        Self {
            lanes: HashMap::new(),
            queue: VecDeque::new(),
            resting: BTreeSet::new(),
            busy: 0,
            failures: 0,
            closed_until: None,
            gone: false,
            retry_max,
        }
    }

    /// There is something to tell on this lane. False when there is no place for it.
    pub fn add(&mut self, lane: Lane, since: Timestamp) -> bool {
        if self.gone {
            return true;
        }
        if let Some(standing) = self.lanes.get_mut(&lane) {
            if let Phase::Busy { again } = &mut standing.phase {
                *again = true;
            }
            return true;
        }
        if self.lanes.len() >= LANES_MAX {
            return false;
        }
        let phase = Phase::Queued;
        self.lanes.insert(
            lane,
            Standing {
                since,
                failures: 0,
                phase,
            },
        );
        self.queue.push_back(lane);
        true
    }

    /// The lane whose turn it is, if a request may be sent now. Whoever takes it says what became of it by `done`.
    pub fn next(&mut self, now: Instant) -> Option<Lane> {
        while let Some((until, lane)) = self.resting.first().copied()
            && until <= now
        {
            self.resting.pop_first();
            self.queue_again(lane);
        }
        if self.gone || self.busy >= self.width() || self.closed_until.is_some_and(|until| until > now) {
            return None;
        }
        let lane = self.queue.pop_front()?;
        self.lanes.get_mut(&lane)?.phase = Phase::Busy { again: false };
        self.busy += 1;
        Some(lane)
    }

    fn width(&self) -> usize {
        if self.is_down() { 1 } else { WIDTH }
    }

    fn queue_again(&mut self, lane: Lane) {
        if let Some(standing) = self.lanes.get_mut(&lane) {
            standing.phase = Phase::Queued;
            self.queue.push_back(lane);
        }
    }

    /// When `next` has something to give that it has not now, unless a turn that is on its way ends before.
    pub fn wake_at(&self) -> Option<Instant> {
        if self.gone || self.busy >= self.width() {
            return None;
        }
        match (self.queue.is_empty(), self.resting.first()) {
            (false, _) => self.closed_until,
            (true, Some((until, _))) => Some(self.closed_until.map_or(*until, |closed| closed.max(*until))),
            (true, None) => None,
        }
    }

    /// What became of a turn that `next` gave.
    pub fn done(&mut self, lane: Lane, turn: Turn, now: Instant, rng: &mut impl Rng) {
        self.busy = self.busy.saturating_sub(1);
        match turn {
            Turn::Told { asked, more } => {
                if asked {
                    self.answered();
                }
                self.told(lane, more);
            }
            Turn::Failed { since, retry_after, .. } => {
                let fresh = self.lanes.get(&lane).is_some_and(|standing| standing.failures == 0);
                if fresh || self.is_down() {
                    self.failures = self.failures.saturating_add(1);
                }
                let asked_for = retry_after.map(|pause| now + pause);
                let probe = self.failures.checked_sub(DOWN_AFTER);
                let down = probe.map(|probes| now + pause(probes, self.retry_max, rng));
                self.closed_until = asked_for.max(down).max(self.closed_until);
                self.rest(lane, Some(since), now, rng);
            }
            Turn::Unread => self.rest(lane, None, now, rng),
            Turn::Gone => {
                let retry_max = self.retry_max;
                *self = Self {
                    gone: true,
                    busy: self.busy,
                    ..Self::new(retry_max)
                };
            }
        }
    }

    /// The endpoint is well: if it was down, everybody may go on.
    fn answered(&mut self) {
        if self.is_down() {
            for (_, lane) in std::mem::take(&mut self.resting) {
                self.queue_again(lane);
            }
        }
        self.failures = 0;
        self.closed_until = None;
    }

    fn told(&mut self, lane: Lane, more: bool) {
        let Some(standing) = self.lanes.get_mut(&lane) else {
            return;
        };
        standing.failures = 0;
        if more || standing.phase == (Phase::Busy { again: true }) {
            self.queue_again(lane);
        } else {
            self.lanes.remove(&lane);
        }
    }

    fn rest(&mut self, lane: Lane, since: Option<Timestamp>, now: Instant, rng: &mut impl Rng) {
        let Some(standing) = self.lanes.get_mut(&lane) else {
            return;
        };
        let until = now + pause(standing.failures, self.retry_max, rng);
        standing.failures = standing.failures.saturating_add(1);
        standing.since = since.unwrap_or(standing.since);
        standing.phase = Phase::Resting(until);
        self.resting.insert((until, lane));
    }

    /// Whether the endpoint counts as down.
    pub fn is_down(&self) -> bool {
        self.failures >= DOWN_AFTER
    }

    /// Whether its last request failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Whether it wants nothing more.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// How many more lanes find a place.
    pub fn room(&self) -> usize {
        LANES_MAX - self.lanes.len().min(LANES_MAX)
    }

    /// Conversations with something to tell.
    pub fn backlog(&self) -> usize {
        self.lanes.len() - usize::from(self.lanes.contains_key(&Lane::Presence))
    }

    /// Of when the oldest is that a conversation has to tell.
    pub fn oldest(&self) -> Option<Timestamp> {
        let conversations = self.lanes.iter().filter(|(lane, _)| **lane != Lane::Presence);
        conversations.map(|(_, standing)| standing.since).min()
    }
}

/// The pause behind so many failures before this one: twice as long each time up to `most`, less up to a half of it, so that
/// those who failed together do not come back together.
fn pause(failures: u32, most: Duration, rng: &mut impl Rng) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.min(16));
    doubled.min(most).mul_f64(rng.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const MOST: Duration = Duration::from_secs(300);
    const TOLD: Turn = Turn::Told {
        asked: true,
        more: false,
    };
    const FAILED: Turn = Turn::Failed {
        since: Timestamp::from_millis(3),
        retry_after: None,
        why: "status",
    };

    fn lane(key: i64) -> Lane {
        Lane::Conversation(ConversationKey(key))
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn lanes(count: i64) -> (Lanes, StdRng, Instant) {
        let mut lanes = Lanes::new(MOST);
        assert!((1..=count).all(|key| lanes.add(lane(key), at(key))));
        (lanes, StdRng::seed_from_u64(7), Instant::now())
    }

    fn all(lanes: &mut Lanes, now: Instant) -> Vec<Lane> {
        std::iter::from_fn(|| lanes.next(now)).collect()
    }

    #[test]
    fn one_turn_at_a_time_for_a_lane_and_so_many_lanes_at_once() {
        let (mut lanes, mut rng, now) = lanes(20);
        assert_eq!(all(&mut lanes, now), (1..=16).map(lane).collect::<Vec<_>>());
        assert!(lanes.add(lane(1), at(99)), "it came while the lane was busy");
        lanes.done(lane(1), TOLD, now, &mut rng);
        assert_eq!(all(&mut lanes, now), [lane(17)]);
        for key in 2..=17 {
            lanes.done(lane(key), TOLD, now, &mut rng);
        }
        assert_eq!(all(&mut lanes, now), [lane(18), lane(19), lane(20), lane(1)]);
        assert_eq!((lanes.backlog(), lanes.oldest()), (4, Some(at(1))));
        for key in [18, 19, 20, 1] {
            lanes.done(lane(key), TOLD, now, &mut rng);
        }
        assert_eq!((lanes.backlog(), lanes.oldest(), lanes.wake_at()), (0, None, None));
    }

    #[test]
    fn a_lane_that_fails_rests_longer_each_time_and_holds_up_no_other() {
        let (mut lanes, mut rng, mut now) = lanes(1);
        let mut before = Duration::ZERO;
        for failure in 0..12 {
            assert_eq!(lanes.next(now), Some(lane(1)));
            lanes.done(lane(1), FAILED, now, &mut rng);
            assert_eq!((lanes.next(now), lanes.oldest()), (None, Some(at(3))));
            let pause = lanes.wake_at().unwrap() - now;
            let most = FIRST_PAUSE.saturating_mul(1 << failure).min(MOST);
            assert!(pause >= most / 2 && pause <= most, "{failure}: {pause:?}");
            assert!(pause >= before / 2);
            before = pause;
            assert!(lanes.add(lane(2), at(9)));
            assert_eq!(lanes.next(now), Some(lane(2)));
            lanes.done(lane(2), TOLD, now, &mut rng);
            assert_eq!(lanes.next(now), None, "the success of another one is none of its own");
            now += pause;
        }
    }

    #[test]
    fn one_that_is_never_taken_does_not_close_the_endpoint() {
        let (mut lanes, mut rng, mut now) = lanes(1);
        for _ in 0..5 * DOWN_AFTER {
            assert_eq!(lanes.next(now), Some(lane(1)));
            lanes.done(lane(1), FAILED, now, &mut rng);
            now = lanes.wake_at().unwrap();
        }
        assert!(lanes.is_failing() && !lanes.is_down());
        assert!(lanes.add(lane(2), at(9)));
        assert_eq!(all(&mut lanes, now), [lane(2), lane(1)]);
    }

    #[test]
    fn an_endpoint_that_is_down_is_asked_by_one_until_it_is_well() {
        let (mut lanes, mut rng, mut now) = lanes(40);
        for lane in all(&mut lanes, now) {
            lanes.done(lane, FAILED, now, &mut rng);
        }
        assert!(lanes.is_down());
        assert_eq!(lanes.next(now), None, "the others wait, though they have not failed");
        for _ in 0..3 {
            now = lanes.wake_at().unwrap();
            let probe = lanes.next(now).expect("one");
            assert_eq!((lanes.next(now), lanes.wake_at()), (None, None));
            lanes.done(probe, FAILED, now, &mut rng);
        }
        now = lanes.wake_at().unwrap();
        let probe = lanes.next(now).expect("one");
        lanes.done(probe, TOLD, now, &mut rng);
        assert_eq!(all(&mut lanes, now).len(), WIDTH, "also those who rested");
        assert!(!lanes.is_failing());
    }

    #[test]
    fn an_endpoint_is_left_alone_for_as_long_as_it_asks() {
        let (mut lanes, mut rng, now) = lanes(2);
        assert_eq!(lanes.next(now), Some(lane(1)));
        let retry_after = Some(Duration::from_secs(1000));
        lanes.done(
            lane(1),
            Turn::Failed {
                since: at(1),
                retry_after,
                why: "status",
            },
            now,
            &mut rng,
        );
        assert_eq!(lanes.next(now + Duration::from_secs(999)), None);
        assert_eq!(lanes.wake_at(), Some(now + Duration::from_secs(1000)));
        assert!(lanes.next(now + Duration::from_secs(1000)).is_some());
    }

    #[test]
    fn an_endpoint_that_is_gone_is_told_nothing_more() {
        let (mut lanes, mut rng, now) = lanes(3);
        assert!(lanes.next(now).is_some() && lanes.next(now).is_some());
        lanes.done(lane(1), Turn::Gone, now, &mut rng);
        lanes.done(lane(2), FAILED, now, &mut rng);
        assert!(lanes.add(lane(9), at(1)) && lanes.is_gone());
        assert_eq!(
            (lanes.next(now + MOST), lanes.backlog(), lanes.wake_at()),
            (None, 0, None)
        );
    }

    #[test]
    fn what_finds_no_place_is_said_to_find_none() {
        let (mut lanes, _, _) = lanes(LANES_MAX as i64);
        assert_eq!(lanes.room(), 0);
        assert!(!lanes.add(lane(0), at(1)));
        assert!(lanes.add(lane(1), at(1)));
    }
}
