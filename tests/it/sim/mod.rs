//! The real actors in one process, on one thread, in virtual time, with everything drawn from a seed: what goes wrong in
//! the store, what clients and their networks do. The checker decides whether the promises were kept.
//!
//! A failure prints its seed; `PARLOR_TEST_SEED=n cargo test --features faults --test it sim::every` plays that run alone
//! and prints its history.

mod asks;
mod device;
mod faults;
mod history;
mod script;
mod socket;
mod steward;
mod store;
mod world;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, Once,
        atomic::{AtomicU64, Ordering},
    },
};

use parlor::protocol::CloseCode;

use self::{
    faults::Sabotage,
    world::{Run, run},
};
use crate::checker::{Act, Promise, check};

/// Runs in the ordinary suite; `PARLOR_TEST_SEEDS` asks for another number.
const SEEDS: u64 = 300;

/// Of each run that failed.
const FAULTS_SHOWN: usize = 5;

/// Panics that the simulation asks for are no news; all others are.
fn expect_panics() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let otherwise = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let why = panic.payload().downcast_ref::<&str>();
            let asked_for = why.is_some_and(|why| why.starts_with("a test asked this"));
            if !asked_for {
                otherwise(panic);
            }
        }));
    });
}

/// Everything that is wrong with a run, by the promise that was not kept; `None` for what the checker does not see.
fn faults_of(run: &Run) -> Vec<(Option<Promise>, String)> {
    let mut breaches = check(&run.logs, &run.end);
    // Where the conversation ended, nobody can find out any more what became of a send whose outcome was unknown.
    breaches.retain(|breach| {
        breach.promise != Promise::EverySendEnds || !run.ended.iter().any(|ended| breach.what.contains(ended))
    });
    let complaints = run.complaints.iter().map(|what| (None, what.clone()));
    let breaches = breaches
        .into_iter()
        .map(|breach| (Some(breach.promise), format!("{breach:?}")));
    complaints.chain(breaches).collect()
}

fn play(seed: u64, sabotage: Sabotage) -> (Run, Vec<(Option<Promise>, String)>) {
    expect_panics();
    let run = run(seed, sabotage);
    let faults = faults_of(&run);
    (run, faults)
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    match number("PARLOR_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PARLOR_TEST_SEEDS").unwrap_or(SEEDS),
    }
}

/// Runs are independent of each other: each has its thread, its clock and its node.
fn each<T: Send>(seeds: std::ops::Range<u64>, look: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let hands = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(BTreeMap::new());
    let work = || {
        while let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed < seeds.end
        {
            let one = look(seed);
            found.lock().expect("no panics").insert(seed, one);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..hands {
            scope.spawn(work);
        }
    });
    found.into_inner().expect("no panics").into_values().collect()
}

/// Prints everything that clients did and learned in a run, in its order.
fn tell(run: &Run) {
    let acts = run.logs.iter().enumerate().flat_map(|(number, log)| {
        let told = move |(tick, act): &(u64, Act)| (*tick, format!("{tick} {number} {} {act:?}", log.user));
        log.acts.iter().map(told)
    });
    for (_, line) in acts.collect::<BTreeMap<_, _>>() {
        println!("{line}");
    }
}

/// How often what is to be survived took place.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    messages: u64,
    repeated: u64,
    rooms_panicked: u64,
    sessions_panicked: u64,
    recovered: u64,
    failed_commits: u64,
    too_slow: u64,
}

impl Tally {
    fn of(run: &Run) -> Tally {
        let metrics = &run.metrics;
        let outcomes = ["nothing_committed", "unknown"];
        let failed = |outcome| metrics.commits_failed.get_or_create(&[("outcome", outcome)]).get();
        let too_slow = CloseCode::TooSlow.reason();
        Tally {
            messages: metrics.messages.get(),
            repeated: metrics.messages_repeated.get(),
            rooms_panicked: metrics.rooms_panicked.get(),
            sessions_panicked: metrics.sessions_panicked.get(),
            recovered: metrics.rooms_recovered.get(),
            failed_commits: outcomes.into_iter().map(failed).sum(),
            too_slow: metrics.sessions_closed.get_or_create(&[("code", too_slow)]).get(),
        }
    }

    fn plus(self, other: Tally) -> Tally {
        Tally {
            messages: self.messages + other.messages,
            repeated: self.repeated + other.repeated,
            rooms_panicked: self.rooms_panicked + other.rooms_panicked,
            sessions_panicked: self.sessions_panicked + other.sessions_panicked,
            recovered: self.recovered + other.recovered,
            failed_commits: self.failed_commits + other.failed_commits,
            too_slow: self.too_slow + other.too_slow,
        }
    }

    fn least(self) -> u64 {
        let panics = if cfg!(feature = "faults") {
            self.rooms_panicked.min(self.sessions_panicked)
        } else {
            u64::MAX
        };
        let rest = [self.repeated, self.recovered, self.failed_commits, self.too_slow];
        rest.into_iter().fold(panics.min(self.messages), u64::min)
    }
}

#[test]
fn every_promise_is_kept_whatever_fails() {
    let seeds = seeds();
    let alone = seeds.end - seeds.start == 1;
    let runs = each(seeds.clone(), |seed| {
        let (run, faults) = play(seed, Sabotage::None);
        let shown: Vec<_> = faults
            .iter()
            .take(FAULTS_SHOWN)
            .map(|(_, what)| what.as_str())
            .collect();
        let (count, shown) = (faults.len(), shown.join("\n  "));
        if alone {
            tell(&run);
        }
        let verdict = (count > 0).then(|| format!("PARLOR_TEST_SEED={seed}: {count} faults\n  {shown}"));
        (Tally::of(&run), verdict)
    });
    let failed: Vec<_> = runs.iter().filter_map(|(_, verdict)| verdict.as_deref()).collect();
    assert!(failed.is_empty(), "{} runs failed\n{}", failed.len(), failed.join("\n"));
    let tally = runs.iter().map(|(tally, _)| *tally).fold(Tally::default(), Tally::plus);
    println!("{} runs: {tally:?}", runs.len());
    // A simulation in which nothing happens proves nothing.
    let few = seeds.end - seeds.start < 50;
    assert!(
        few || tally.least() > 10,
        "hardly anything went wrong in these runs: {tally:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..6 {
        let [one, other] = [(); 2].map(|()| play(seed, Sabotage::None));
        assert_eq!(one.1, other.1, "seed {seed}");
        for (one, other) in one.0.logs.iter().zip(&other.0.logs) {
            let differs = one.acts.iter().zip(&other.acts).find(|(one, other)| one != other);
            assert_eq!(differs, None, "seed {seed}, {}", one.user);
            assert_eq!(one.acts.len(), other.acts.len(), "seed {seed}, {}", one.user);
        }
    }
}

/// A store that breaks a promise is noticed, in most of a few runs and as what it is.
#[test]
fn a_store_that_breaks_its_promises_is_caught() {
    for (sabotage, promise) in [
        (Sabotage::LosesAcknowledged, Promise::Durable),
        (Sabotage::GivesASeqTwice, Promise::Agreement),
        (Sabotage::SkipsASeq, Promise::GapFree),
        (Sabotage::ForgetsClientIds, Promise::OnePlace),
        (Sabotage::Reorders, Promise::SenderOrder),
        (Sabotage::SyncsWithAHole, Promise::Complete),
    ] {
        let caught = each(0..8, |seed| {
            let (_, faults) = play(seed, sabotage);
            faults.iter().any(|(found, _)| *found == Some(promise))
        });
        let count = caught.iter().filter(|caught| **caught).count();
        assert!(count > caught.len() / 2, "{sabotage:?} was {promise:?} in {caught:?}");
    }
}
