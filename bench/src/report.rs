//! What a scenario found, as a table for people or JSON for scripts. Scenarios fill it, `main` prints it.
//! Never measures and never decides the exit code beyond saying whether something failed.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::drive::Measured;
use crate::fault::Faults;
use crate::measure::Latency;
use crate::mixed::{Figure, Figures};

/// Milliseconds; of the messages sent in the measured span.
#[derive(Debug, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Quantiles {
    fn of(latency: &Latency) -> Option<Self> {
        (!latency.is_empty()).then(|| Self {
            p50: latency.quantile_ms(0.5),
            p99: latency.quantile_ms(0.99),
            p999: latency.quantile_ms(0.999),
            max: latency.max_ms(),
        })
    }

    fn text(&self) -> String {
        let Self { p50, p99, p999, max } = self;
        format!("p50 {p50:.2} ms   p99 {p99:.2} ms   p99.9 {p999:.2} ms   max {max:.2} ms")
    }
}

/// One kind of operation of `mixed`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    pub per_second: f64,
    /// From asking (in open loop: from the scheduled time) to the answer.
    #[serde(flatten)]
    pub latency_ms: Option<Quantiles>,
    pub refused: BTreeMap<String, u64>,
}

impl Operation {
    fn of(figure: &Figure, seconds: f64) -> Self {
        Self {
            per_second: figure.answered as f64 / seconds,
            latency_ms: Quantiles::of(&figure.latency),
            refused: figure.refused.clone(),
        }
    }

    fn text(&self) -> String {
        let mut out = format!("{:>9}/s", grouped(self.per_second));
        if let Some(latency) = &self.latency_ms {
            let _ = write!(out, "   {}", latency.text());
        }
        for (code, count) in &self.refused {
            let _ = write!(out, "   refused {code}: {count}");
        }
        out
    }
}

/// One scenario's result. What does not belong to it, or could not be measured, is left out of the JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub scenario: String,
    pub seconds: f64,
    pub connections: u64,
    pub connects_per_second: f64,
    /// Of all kinds together, answered with `ok`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations_per_second: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<&'static str, Operation>,
    /// Messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliveries_per_second: Option<f64>,
    /// Messages of the whole run, warm-up and end included: what of it fell into the measured span is chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked_in_all: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_in_all: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_ms: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_ms: Option<Quantiles>,
    /// How late this tool sent what `--rate` scheduled; contained in the latencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_connection: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_rss_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_rss_after: Option<u64>,
    /// Cores used while measuring: 1.0 is one core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cores: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_cores: Option<f64>,
    pub errors: BTreeMap<String, u64>,
    /// Due by the schedule of `--rate` and never sent, because the window was full.
    pub unsent: u64,
    /// Messages compared with the history read back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_checked: Option<u64>,
    pub violations: Faults,
    pub failed: bool,
}

impl Report {
    /// What every scenario has in common. `seconds` is the measured span.
    pub fn of(scenario: String, measured: Measured, seconds: f64) -> Self {
        let cores = |of: fn(&crate::probe::Reading) -> Option<f64>| {
            let (from, to) = &measured.window;
            Some((of(to)? - of(from)?) / seconds).filter(|_| seconds > 0.0)
        };
        Self {
            scenario,
            seconds,
            connections: measured.connected,
            connects_per_second: measured.connected as f64 / measured.connect_seconds.max(1e-9),
            operations_per_second: None,
            operations: BTreeMap::new(),
            acked_per_second: None,
            deliveries_per_second: None,
            acked_in_all: Some(measured.tally.acked_ever).filter(|count| *count > 0),
            delivered_in_all: Some(measured.tally.delivered_ever).filter(|count| *count > 0),
            answer_ms: Quantiles::of(&measured.tally.answers),
            delivery_ms: Quantiles::of(&measured.tally.deliveries),
            lag_ms: Quantiles::of(&measured.tally.lags),
            bytes_per_connection: None,
            server_rss_before: measured.before.server_rss,
            server_rss_after: measured.after.server_rss,
            server_cores: cores(|reading| reading.server_cpu),
            own_cores: cores(|reading| reading.own_cpu),
            errors: measured.tally.errors,
            unsent: measured.tally.unsent,
            history_checked: None,
            failed: measured.faults.total > 0,
            violations: measured.faults,
        }
    }

    pub fn with_rates(mut self, acked: u64, delivered: u64) -> Self {
        self.acked_per_second = Some(acked as f64 / self.seconds);
        self.deliveries_per_second = Some(delivered as f64 / self.seconds);
        // Nothing measured is not a good result, however little was violated.
        self.failed |= acked == 0 || delivered == 0;
        self
    }

    /// What `mixed` did besides sending. `acked` are the messages sent, `delivered` all that took a position.
    pub fn with_operations(mut self, (acked, delivered): (u64, u64), figures: &Figures) -> Self {
        let done = figures.iter().filter(|(_, figure)| figure.asked > 0);
        let all: u64 = figures.iter().map(|(_, figure)| figure.answered).sum();
        // A kind that was asked for and never done is not measured either.
        self.failed |= all == 0 || done.clone().any(|(_, figure)| figure.answered == 0);
        self.operations = done
            .map(|(op, figure)| (op.name(), Operation::of(figure, self.seconds)))
            .collect();
        self.operations_per_second = Some(all as f64 / self.seconds);
        self.acked_per_second = Some(acked as f64 / self.seconds);
        self.deliveries_per_second = Some(delivered as f64 / self.seconds);
        self
    }

    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| format!("{{\"failed\":true,\"error\":\"{error}\"}}"))
    }

    /// Everything about one scenario.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", self.scenario);
        let mut line = |name: &str, value: String| {
            let _ = writeln!(out, "  {name:<24}{value}");
        };
        line(
            "connections",
            format!("{} ({:.0}/s)", self.connections, self.connects_per_second),
        );
        if let Some(rate) = self.operations_per_second {
            line("operations/s", grouped(rate));
        }
        for (name, operation) in &self.operations {
            line(&format!("  {name}"), operation.text());
        }
        if let Some(rate) = self.acked_per_second {
            line("acknowledged/s", grouped(rate));
        }
        if let Some(rate) = self.deliveries_per_second {
            line("deliveries/s", grouped(rate));
        }
        for (name, quantiles) in [
            ("answer latency", &self.answer_ms),
            ("delivery latency", &self.delivery_ms),
            ("of it before sending", &self.lag_ms),
        ] {
            if let Some(quantiles) = quantiles {
                line(name, quantiles.text());
            }
        }
        if let Some(bytes) = self.bytes_per_connection {
            line("memory/connection", format!("{} bytes", grouped(bytes as f64)));
        }
        if let (Some(before), Some(after)) = (self.server_rss_before, self.server_rss_after) {
            line(
                "server's memory",
                format!("{} MiB before, {} MiB after", before >> 20, after >> 20),
            );
        }
        match (self.server_cores, self.own_cores) {
            (Some(server), Some(own)) => line("CPU", format!("server {server:.2} cores, this tool {own:.2} cores")),
            (None, Some(own)) => line("CPU", format!("this tool {own:.2} cores")),
            _ => {}
        }
        for (code, count) in &self.errors {
            line("error", format!("{code}: {count}"));
        }
        if self.unsent > 0 {
            line(
                "never sent",
                format!("{}: the window was full when they were due", self.unsent),
            );
        }
        if let Some(messages) = self.history_checked {
            line("history", format!("{messages} messages compared"));
        }
        out + &self.verdict()
    }

    fn verdict(&self) -> String {
        if self.violations.total == 0 {
            return if self.failed {
                "  NOTHING MEASURED\n".into()
            } else {
                "  no violations\n".into()
            };
        }
        let mut out = format!("  {} VIOLATIONS", self.violations.total);
        for (kind, count) in &self.violations.kinds {
            let _ = write!(out, "  {kind}: {count}");
        }
        out.push('\n');
        for detail in &self.violations.first {
            let _ = writeln!(out, "    {detail}");
        }
        out
    }
}

/// Several scenarios side by side.
pub fn table(reports: &[Report]) -> String {
    let mut out = format!(
        "{:<34}{:>11}{:>14}{:>22}{:>22}{:>12}{:>8}{:>8}\n",
        "scenario",
        "acked/s",
        "deliveries/s",
        "answer p50/p99 ms",
        "delivery p50/p99 ms",
        "bytes/conn",
        "server",
        "tool"
    );
    let number = |value: Option<f64>| value.map_or("-".into(), grouped);
    let latency = |quantiles: &Option<Quantiles>| {
        quantiles.as_ref().map_or("-".into(), |quantiles| {
            format!("{:.2} / {:.2}", quantiles.p50, quantiles.p99)
        })
    };
    let cores = |value: Option<f64>| value.map_or("-".into(), |cores| format!("{cores:.2}"));
    for report in reports {
        let _ = writeln!(
            out,
            "{:<34}{:>11}{:>14}{:>22}{:>22}{:>12}{:>8}{:>8}{}",
            report.scenario,
            number(report.acked_per_second),
            number(report.deliveries_per_second),
            latency(&report.answer_ms),
            latency(&report.delivery_ms),
            number(report.bytes_per_connection.map(|bytes| bytes as f64)),
            cores(report.server_cores),
            cores(report.own_cores),
            if report.failed { "  FAILED" } else { "" },
        );
    }
    out
}

/// 1234567 as 1,234,567.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::from(if value <= -0.5 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let cases = [
            (0.0, "0"),
            (999.4, "999"),
            (1000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-4096.0, "-4,096"),
        ];
        for (value, text) in cases {
            assert_eq!(grouped(value), text);
        }
    }
}
