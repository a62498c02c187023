//! `mixed`: rooms in which members send, type, read, react, edit and look back at once, in given proportions. Measures each
//! kind of operation.

use std::time::Duration;

use super::{Bench, enough_files};
use crate::cli::MixedArgs;
use crate::mixed::{self, Load, REST_AT_ONCE, Run};
use crate::probe::Probe;
use crate::provision::Wanted;
use crate::report::Report;

pub fn run(bench: &Bench, args: &MixedArgs) -> Result<Report, String> {
    let label = match args.rate {
        Some(rate) => format!("mixed {} x {} at {rate}/s", args.rooms, args.members),
        None => format!("mixed {} x {}", args.rooms, args.members),
    };
    let connections = args.rooms * args.members;
    enough_files(connections + REST_AT_ONCE)?;
    let wanted = Wanted {
        users: connections,
        rooms: args.rooms,
        members: args.members,
    };
    let world = bench.provision(&label, &wanted)?;
    let (measured, figures) = mixed::run(Run {
        target: bench.target.clone(),
        world,
        load: Load {
            mix: args.mix.clone(),
            rate: args.rate,
            in_flight: args.in_flight,
            size: args.size,
        },
        threads: usize::from(bench.common.threads),
        warmup: Duration::from_secs_f64(args.span.warmup),
        seconds: Duration::from_secs_f64(args.span.seconds),
        drain: Duration::from_secs_f64(args.span.drain),
        probe: Probe::new(bench.common.pid, None),
        label: label.clone(),
        progress: !bench.common.no_progress,
    })?;
    let counts = (measured.tally.acked, measured.tally.delivered);
    Ok(Report::of(label, measured, args.span.seconds).with_operations(counts, &figures))
}
