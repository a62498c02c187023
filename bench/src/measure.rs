//! Clocks, counters and latencies, and what /proc says of a process. Written by `shard` while it runs, summed up by the
//! scenarios. Never prints.

use std::collections::BTreeMap;
use std::time::Instant;

use hdrhistogram::Histogram;

pub const SECOND: u64 = 1_000_000_000;

/// The run's clock: nanoseconds since its start, the same on all threads.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    #[inline]
    pub fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// The measured span of the run, after the warm-up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    pub from: u64,
    pub to: u64,
}

impl Window {
    #[inline]
    pub fn has(self, time: u64) -> bool {
        self.from <= time && time < self.to
    }
}

/// Latencies in microseconds' resolution up to two minutes, to three digits.
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        // The bounds are constants that hdrhistogram accepts.
        Self(Histogram::new_with_bounds(1_000, 120 * SECOND, 3).unwrap_or_else(|_| unreachable!("constant bounds")))
    }
}

impl Latency {
    #[inline]
    pub fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    pub fn merge(&mut self, other: &Self) {
        // Both have the same bounds, the only way this fails.
        let _ = self.0.add(&other.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e6
    }

    pub fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1e6
    }
}

/// What one thread counted. Rates count by arrival inside the window; latencies belong to the messages *sent* inside it,
/// however late they arrive, so that a stall at the end is not left out.
#[derive(Default)]
pub struct Tally {
    pub window: Window,
    pub acked: u64,
    pub delivered: u64,
    pub answers: Latency,
    pub deliveries: Latency,
    /// In open loop: how late after its time on the schedule a message was written.
    pub lags: Latency,
    /// Over the whole run, with the warm-up.
    pub acked_ever: u64,
    pub delivered_ever: u64,
    pub errors: BTreeMap<String, u64>,
    /// Due by the schedule, and held back by the window until the end.
    pub unsent: u64,
}

impl Tally {
    #[inline]
    pub fn delivery(&mut self, now: u64, sent_at: u64) {
        self.delivered_ever += 1;
        self.delivered += u64::from(self.window.has(now));
        if self.window.has(sent_at) {
            self.deliveries.record(now.saturating_sub(sent_at));
        }
    }

    pub fn answer(&mut self, now: u64, sent_at: u64) {
        self.acked_ever += 1;
        self.acked += u64::from(self.window.has(now));
        if self.window.has(sent_at) {
            self.answers.record(now.saturating_sub(sent_at));
        }
    }

    pub fn lag(&mut self, now: u64, due: u64) {
        if self.window.has(due) {
            self.lags.record(now.saturating_sub(due));
        }
    }

    pub fn error(&mut self, code: &str) {
        match self.errors.get_mut(code) {
            Some(count) => *count += 1,
            None => drop(self.errors.insert(code.to_owned(), 1)),
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.acked += other.acked;
        self.delivered += other.delivered;
        self.acked_ever += other.acked_ever;
        self.delivered_ever += other.delivered_ever;
        self.unsent += other.unsent;
        self.answers.merge(&other.answers);
        self.lags.merge(&other.lags);
        self.deliveries.merge(&other.deliveries);
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
    }
}

/// A process's resident memory in bytes, from /proc.
pub fn resident_bytes(pid: u32) -> Result<u64, String> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| format!("{path} has no VmRSS"))
}

/// The CPU time a process has used so far, in seconds; `None` where /proc does not say.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    // Linux shows these counters in hundredths of a second to user space on every architecture.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in brackets, which may itself contain spaces.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_arrivals_and_latencies_count_sends_of_the_window() {
        let mut tally = Tally {
            window: Window { from: 100, to: 200 },
            ..Tally::default()
        };
        tally.delivery(150, 50);
        tally.delivery(250, 150);
        tally.answer(90, 80);
        assert_eq!((tally.delivered, tally.delivered_ever, tally.acked), (1, 2, 0));
        assert!(tally.answers.is_empty());
        assert!(!tally.deliveries.is_empty());
    }

    #[test]
    fn reads_this_process_from_proc() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).unwrap() > 100_000);
        assert!(cpu_seconds(pid).is_some());
        assert!(resident_bytes(u32::MAX).is_err());
    }
}
