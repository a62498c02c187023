//! How many messages a second the embedded store commits, and what other schemas would have given.
//!
//! `cargo bench --bench append [-- MESSAGES]`: each figure is the median of three rounds of so many messages (100,000), each
//! round on a fresh file in the temporary directory, rounds of all variants taking turns: the machine's noise hits all alike.
//! The figures that decided are in `docs/decisions/0002-position.md`.

mod append {
    pub mod bare;
    pub mod engine;
}

use std::time::Duration;

/// Conversations that take turns.
const CONVERSATIONS: usize = 100;
const ROUNDS: usize = 3;

/// One round: how long it took, and each batch's latency.
pub struct Round {
    pub messages: usize,
    pub took: Duration,
    pub batches: Vec<Duration>,
}

impl Round {
    fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }

    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.batches.clone();
        sorted.sort_unstable();
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len() - 1);
        sorted[index].as_secs_f64() * 1000.0
    }
}

/// A variant's name and how to run one round of it.
type Variant = (String, Box<dyn Fn(usize) -> Round>);

fn main() {
    // Cargo passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let messages = arguments
        .first()
        .map_or(100_000, |n| n.parse().expect("MESSAGES is a number"));
    let mut variants: Vec<Variant> = Vec::new();
    for batch in [1, 16, 64, 256, 500] {
        let few = if batch == 1 { messages / 20 } else { messages };
        variants.push((
            format!("engine, batches of {batch}"),
            Box::new(move |_| engine_round(few, batch)),
        ));
    }
    variants.extend(append::bare::variants(64));
    variants.extend(append::bare::variants(500));
    let mut rounds: Vec<Vec<Round>> = variants.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (variant, rounds) in variants.iter().zip(&mut rounds) {
            rounds.push(variant.1(messages));
        }
    }
    println!("{:<78} {:>11} {:>8} {:>8}", "", "messages/s", "p50 ms", "p99 ms");
    for ((name, _), mut rounds) in variants.into_iter().zip(rounds) {
        rounds.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
        let median = &rounds[ROUNDS / 2];
        println!(
            "{name:<78} {:>11.0} {:>8.2} {:>8.2}",
            median.rate(),
            median.at(0.5),
            median.at(0.99)
        );
    }
}

fn engine_round(messages: usize, batch: usize) -> Round {
    append::engine::round(messages, batch)
}
