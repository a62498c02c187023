//! `send`: many rooms in which members talk. Measures commits and their latency; deliveries come with them.

use super::Bench;
use crate::cli::SendArgs;
use crate::report::Report;
use crate::shard::{Done, Load};

pub fn run(bench: &Bench, args: &SendArgs) -> Result<Report, String> {
    let label = match args.rate {
        Some(rate) => format!("send {} x {} at {rate}/s", args.rooms, args.members),
        None => format!("send {} x {}", args.rooms, args.members),
    };
    let load = Load {
        senders: args.senders.unwrap_or(args.members).min(args.members),
        burst: 1,
        in_flight: args.in_flight,
        done: Done::Answered,
        rate: args.rate,
        size: args.size,
    };
    bench.talk(label, (args.rooms, args.members), load, &args.timing)
}
