//! `parlor-bench`, the load tool: parses, runs a scenario, prints, exits. Called by people and scripts.
//! It never starts or stops a server, and never loads one that is not on this machine.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod conn;
mod crew;
mod drive;
mod envelope;
mod fault;
mod generate;
mod handshake;
mod history;
mod measure;
mod message;
mod mixed;
mod probe;
mod progress;
mod provision;
mod report;
mod scenario;
mod settle;
mod shard;
mod target;
mod ticker;
mod wire;
mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Scenario};
use crate::report::{Report, table};
use crate::scenario::Bench;

/// Could not run at all: a wrong secret, no server, no permission.
const COULD_NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    fail_with_any_part();
    let Cli { common, scenario } = Cli::parse();
    if let Scenario::Generate(args) = &scenario {
        return ended(generate::run(args));
    }
    let json = common.json;
    let mut show = |report: &Report| match json {
        true => println!("{}", report.json()),
        false => println!("{}", report.text()),
    };
    match Bench::new(common).and_then(|bench| bench.run(&scenario, &mut show)) {
        Ok(reports) => {
            if !json && reports.len() > 1 {
                println!("{}", table(&reports));
            }
            ExitCode::from(u8::from(reports.iter().any(|report| report.failed)))
        }
        Err(why) => ended(Err(why)),
    }
}

fn ended(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// An event loop swallows the panic of a task: a judge that broke would look like one with nothing to say.
fn fail_with_any_part() {
    let complain = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        complain(panic);
        std::process::exit(i32::from(COULD_NOT_RUN));
    }));
}
