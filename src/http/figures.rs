//! Figures that have to be worked out before somebody can read them: a rate from a counter, percentiles from a histogram,
//! the process's memory. Called by `admin`; counts nothing itself.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{encoding::text, metrics::histogram::Histogram, registry::Registry};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};
use utoipa::ToSchema;

use crate::metrics::{Count, Metrics};

/// Over how long the rate is taken.
const WINDOW: Duration = Duration::from_secs(10);
/// How often the counter is looked at.
const SAMPLE: Duration = Duration::from_secs(1);

/// Messages a second over the last ten seconds. One for each worker, looking at the same counter: a sample a second costs
/// nothing, and no worker has to be the one that does it.
pub struct Meter {
    counter: Count,
    samples: Mutex<VecDeque<(Instant, u64)>>,
}

impl Meter {
    /// Begins to look, for as long as somebody holds the meter. Outside of a tokio runtime it only looks when asked.
    pub fn start(metrics: &Metrics) -> Arc<Self> {
        let meter = Arc::new(Self {
            counter: metrics.messages.clone(),
            samples: Mutex::default(),
        });
        meter.sample();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let held = Arc::downgrade(&meter);
            runtime.spawn(async move {
                let mut ticks = tokio::time::interval(SAMPLE);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    match held.upgrade() {
                        Some(meter) => meter.sample(),
                        None => return,
                    }
                }
            });
        }
        meter
    }

    fn sample(&self) {
        let now = Instant::now();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back((now, self.counter.get()));
        // The one at or before the window's beginning stays, as what the others are compared with.
        while samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            samples.pop_front();
        }
    }

    /// Messages a second, rounded to a tenth.
    pub fn per_second(&self) -> f64 {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, before)) = samples.front() else {
            return 0.0;
        };
        let seconds = since.elapsed().as_secs_f64().max(SAMPLE.as_secs_f64());
        let count = self.counter.get().saturating_sub(*before);
        (count as f64 / seconds * 10.0).round() / 10.0
    }
}

/// A histogram in few words. Percentiles are bounds of its buckets, so rather too high than too low.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Distribution {
    /// How many were observed.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half of them were not above this.
    pub p50: f64,
    /// 99 of 100 were not above this.
    pub p99: f64,
}

impl Distribution {
    /// What `histogram` holds since the start. Prometheus' client shows a histogram's inside only as text, so that is read.
    pub fn of(histogram: &Histogram) -> Self {
        let mut registry = Registry::default();
        registry.register("h", "", histogram.clone());
        let mut text = String::new();
        match text::encode(&mut text, &registry) {
            Ok(()) => Self::parse(&text),
            // Writing into a string does not fail.
            Err(_) => Self::parse(""),
        }
    }

    fn parse(text: &str) -> Self {
        let (mut sum, mut count) = (0.0, 0);
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        for line in text.lines() {
            if let Some(value) = line.strip_prefix("h_sum ") {
                sum = value.parse().unwrap_or(0.0);
            } else if let Some(value) = line.strip_prefix("h_count ") {
                count = value.parse().unwrap_or(0);
            } else if let Some((bound, value)) = line
                .strip_prefix("h_bucket{le=\"")
                .and_then(|bucket| bucket.split_once("\"} "))
            {
                let bound = bound.parse().unwrap_or(f64::INFINITY);
                buckets.push((bound, value.parse().unwrap_or(0)));
            }
        }
        let mean = if count == 0 { 0.0 } else { sum / count as f64 };
        Self {
            count,
            mean,
            p50: percentile(&buckets, count, 0.5),
            p99: percentile(&buckets, count, 0.99),
        }
    }
}

/// The bound below which the `share` of all stands, from cumulative `buckets`; what is beyond the last one is reported as
/// that one.
fn percentile(buckets: &[(f64, u64)], count: u64, share: f64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let rank = count as f64 * share;
    let mut finite = buckets.iter().filter(|(bound, _)| bound.is_finite());
    let found = finite.clone().find(|(_, upto)| *upto as f64 >= rank);
    found.or_else(|| finite.next_back()).map_or(0.0, |(bound, _)| *bound)
}

/// Bytes of memory that the process holds, where the system says so.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_of_the_last_ten_seconds() {
        let metrics = Metrics::default();
        let meter = Meter::start(&metrics);
        assert_eq!(meter.per_second(), 0.0);
        for _ in 0..20 {
            metrics.messages.inc_by(50);
            tokio::time::sleep(SAMPLE).await;
        }
        assert!((45.0..=55.0).contains(&meter.per_second()), "{}", meter.per_second());
        tokio::time::sleep(2 * WINDOW).await;
        assert_eq!(meter.per_second(), 0.0);
        assert!(meter.samples.lock().unwrap().len() <= 12);
    }

    #[test]
    fn percentiles_come_from_the_buckets() {
        let histogram = Histogram::new([1.0, 2.0, 4.0, 8.0]);
        let empty = Distribution::of(&histogram);
        assert_eq!((empty.count, empty.mean, empty.p50, empty.p99), (0, 0.0, 0.0, 0.0));
        for value in 1..=100 {
            histogram.observe(if value <= 50 { 1.5 } else { 3.0 });
        }
        let figures = Distribution::of(&histogram);
        assert_eq!((figures.count, figures.mean), (100, 2.25));
        assert_eq!((figures.p50, figures.p99), (2.0, 4.0));
        histogram.observe(1000.0);
        histogram.observe(1000.0);
        assert_eq!(Distribution::of(&histogram).p99, 8.0);
    }

    #[test]
    fn the_process_takes_some_memory() {
        if cfg!(target_os = "linux") {
            assert!(resident_bytes().unwrap() > 1 << 16);
        }
    }
}
