//! What goes wrong in a run, drawn from its seed: how long the store takes, when it fails and how. Asked by the fake store
//! and log; `calm` ends it. `Sabotage` is a store that breaks its promises, to prove that the checker would notice.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// A promise of the store that it breaks on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    None,
    /// An acknowledged message is not kept.
    LosesAcknowledged,
    /// Two changes get the same position.
    GivesASeqTwice,
    /// A position is given to nobody.
    SkipsASeq,
    /// A repeated client id is appended again.
    ForgetsClientIds,
    /// The messages of one append are stored in another order.
    Reorders,
    /// What `sync` gives leaves out one message.
    SyncsWithAHole,
}

/// How an append goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Committed,
    /// Nothing was committed, and it says so.
    Refused,
    /// It can't say; `applied` tells what took place.
    Unknown {
        applied: bool,
    },
}

/// How long a step takes before it takes effect, and behind that.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    pub before: Duration,
    pub after: Duration,
}

pub struct Faults {
    rng: StdRng,
    /// Faults of a thousand appends; reads have a third of it.
    rate: u32,
    calm: bool,
}

impl Faults {
    pub fn new(seed: u64) -> Faults {
        let mut rng = StdRng::seed_from_u64(seed ^ 0xfa17);
        let rate = [0, 20, 60, 150][rng.random_range(0..4)];
        Faults { rng, rate, calm: false }
    }

    /// From now on everything succeeds.
    pub fn calm(&mut self) {
        self.calm = true;
    }

    fn strikes(&mut self, of_thousand: u32) -> bool {
        self.rng.random_range(0..1000) < of_thousand && !self.calm
    }

    fn delay(&mut self, most: u64) -> Delay {
        // A stalled disk, now and then longer than anybody is willing to wait for an answer.
        let stall = match (self.strikes(self.rate / 10), self.strikes(self.rate / 60)) {
            (_, true) => 12_000,
            (true, _) => 3_000,
            _ => 0,
        };
        let whole = self.rng.random_range(0..=most) + stall;
        let before = self.rng.random_range(0..=whole);
        Delay {
            before: Duration::from_millis(before),
            after: Duration::from_millis(whole - before),
        }
    }

    pub fn append(&mut self) -> (Delay, Fate) {
        let delay = self.delay(30);
        let fate = match (self.strikes(self.rate), self.rng.random_range(0..3)) {
            (false, _) => Fate::Committed,
            (true, 0) => Fate::Refused,
            (true, 1) => Fate::Unknown { applied: true },
            (true, _) => Fate::Unknown { applied: false },
        };
        (delay, fate)
    }

    /// A read, or a write that takes no seq: its delay, and whether it fails without having done anything.
    pub fn read(&mut self) -> (Delay, bool) {
        let most = if self.rng.random_bool(0.3) { 4 } else { 0 };
        (self.delay(most), self.strikes(self.rate / 3))
    }
}
