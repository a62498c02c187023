//! How many messages a second the embedded store commits, and what other schemas would have given.
//!
//! `cargo bench --bench append [-- MESSAGES [PART OF A VARIANT'S NAME]]`: each figure is the median of three rounds of so many messages (100,000), each
//! round on a fresh file in the temporary directory, rounds of all variants taking turns: the machine's noise hits all alike.
//! "per CPU s" counts the time that our threads had a processor (Linux: schedstat), which other people's work on the machine
//! changes far less than the wall clock. The figures that decided are in `docs/decisions/0002-position.md`.

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
    /// Time on a processor, all threads together; zero where the system does not say.
    pub cpu: Duration,
    /// Bytes handed to the system, log and file together.
    pub written: u64,
    pub batches: Vec<Duration>,
}

impl Round {
    fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }

    fn per_cpu(&self) -> f64 {
        self.messages as f64 / self.cpu.as_secs_f64()
    }

    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.batches.clone();
        sorted.sort_unstable();
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len() - 1);
        sorted[index].as_secs_f64() * 1000.0
    }
}

/// How long this process's living threads were on a processor.
pub fn cpu() -> Duration {
    let nanos = |task: std::fs::DirEntry| -> Option<u64> {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    Duration::from_nanos(tasks.filter_map(|task| nanos(task.ok()?)).sum())
}

/// How many bytes this process has written; zero where the system does not say. Unlike a time it is the same in each run.
pub fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
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
    variants.retain(|(name, _)| arguments.get(1).is_none_or(|part| name.contains(part)));
    let mut rounds: Vec<Vec<Round>> = variants.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (variant, rounds) in variants.iter().zip(&mut rounds) {
            rounds.push(variant.1(messages));
        }
    }
    println!(
        "{:<78} {:>10} {:>10} {:>8} {:>8}",
        "messages", "per CPU s", "per s", "p50 ms", "p99 ms"
    );
    for ((name, _), mut rounds) in variants.into_iter().zip(rounds) {
        rounds.sort_by(|a, b| a.per_cpu().total_cmp(&b.per_cpu()));
        let median = &rounds[ROUNDS / 2];
        println!(
            "{name:<98} {:>10.0} {:>10.0} {:>8} {:>8.2} {:>8.2}",
            median.per_cpu(),
            median.rate(),
            median.written / median.messages as u64,
            median.at(0.5),
            median.at(0.99)
        );
    }
}

fn engine_round(messages: usize, batch: usize) -> Round {
    append::engine::round(messages, batch)
}
