//! `all`: the standard matrix, one scenario after the other, and a table at the end (printed by `main`).

use super::{Bench, fanout, idle, mixed, send};
use crate::cli::{AllArgs, FanoutArgs, IdleArgs, MixedArgs, SendArgs};
use crate::mixed::USUAL;
use crate::report::Report;

/// Members of the rooms of the sending parts.
const MEMBERS: [usize; 2] = [2, 10];
/// Sizes of the bursts in the one large room, and how many are under way.
const BURSTS: [(usize, usize); 2] = [(1, 4), (16, 4)];
/// Members of the rooms of the mixed part, and what each has under way.
const MIXED_MEMBERS: usize = 10;
const MIXED_IN_FLIGHT: usize = 4;

pub fn run(bench: &Bench, args: &AllArgs, show: &mut dyn FnMut(&Report)) -> Result<Vec<Report>, String> {
    let mut reports = Vec::new();
    let mut take = |report: Report| {
        show(&report);
        reports.push(report);
    };
    for members in MEMBERS {
        let timing = args.timing.clone();
        let (in_flight, size) = (128 / members, 64);
        let args = SendArgs {
            rooms: args.rooms,
            members,
            senders: None,
            in_flight,
            rate: None,
            size,
            timing,
        };
        take(send::run(bench, &args)?);
    }
    for (burst, in_flight) in BURSTS {
        let timing = args.timing.clone();
        let args = FanoutArgs {
            members: args.members,
            senders: 1,
            burst,
            in_flight,
            size: 64,
            timing,
        };
        take(fanout::run(bench, &args)?);
    }
    let mixed = MixedArgs {
        rooms: args.rooms,
        members: MIXED_MEMBERS,
        in_flight: MIXED_IN_FLIGHT,
        rate: None,
        size: 64,
        mix: USUAL.parse()?,
        span: args.timing.span.clone(),
    };
    take(mixed::run(bench, &mixed)?);
    take(idle::run(
        bench,
        &IdleArgs {
            connections: args.connections,
            users: None,
            hold: args.timing.span.seconds,
        },
    )?);
    Ok(reports)
}
