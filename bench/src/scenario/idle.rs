//! `idle`: many connections that do nothing but answer pings. Measures the server's memory for each.

use std::time::Duration;

use super::{Bench, enough_files};
use crate::cli::IdleArgs;
use crate::drive::{self, Run};
use crate::probe::Probe;
use crate::provision::Wanted;
use crate::report::Report;
use crate::shard::{Done, Load};

pub fn run(bench: &Bench, args: &IdleArgs) -> Result<Report, String> {
    let label = format!("idle {}", args.connections);
    enough_files(args.connections)?;
    let users = args.users.unwrap_or(args.connections).min(args.connections);
    let world = bench.provision(
        &label,
        &Wanted {
            users,
            rooms: 0,
            members: 0,
        },
    )?;
    let measured = drive::run(Run {
        target: bench.target.clone(),
        world,
        load: Load {
            senders: 0,
            burst: 1,
            in_flight: 1,
            done: Done::Answered,
            rate: None,
            size: 1,
        },
        connections: args.connections,
        threads: usize::from(bench.common.threads),
        warmup: Duration::ZERO,
        seconds: Duration::from_secs_f64(args.hold),
        drain: Duration::ZERO,
        probe: Probe::new(bench.common.pid, Some(bench.target.clone())),
        label: label.clone(),
        progress: !bench.common.no_progress,
        needs_all: false,
    })?;
    let mut report = Report::of(label, measured, args.hold);
    let grown = report
        .server_rss_after
        .zip(report.server_rss_before)
        .map(|(after, before)| after as i64 - before as i64);
    report.bytes_per_connection = grown
        .filter(|_| report.connections > 0)
        .map(|bytes| bytes / report.connections as i64);
    // Memory is what this scenario is for.
    report.failed |= report.bytes_per_connection.is_none();
    Ok(report)
}
