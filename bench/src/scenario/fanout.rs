//! `fanout`: one large room. Measures deliveries: a burst is over when every member has it, so that what is measured is
//! what the server delivers, not what it piles up.

use super::Bench;
use crate::cli::FanoutArgs;
use crate::report::Report;
use crate::shard::{Done, Load};

pub fn run(bench: &Bench, args: &FanoutArgs) -> Result<Report, String> {
    let label = match args.burst {
        1 => format!("fanout {}, single", args.members),
        burst => format!("fanout {}, bursts of {burst}", args.members),
    };
    let load = Load {
        senders: args.senders.min(args.members),
        burst: args.burst,
        in_flight: args.in_flight,
        done: Done::Delivered,
        rate: None,
        size: args.size,
    };
    bench.talk(label, (1, args.members), load, &args.timing)
}
