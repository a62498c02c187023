//! `parlor conformance`: what public conformance suites speak to. Only in builds with the feature of that name.

use clap::{Arg, ArgMatches, Command, value_parser};

use super::Failure;
use crate::app;

/// The command.
pub(super) fn command() -> Command {
    Command::new("conformance")
        .about("Answers the conformance suites of Engine.IO, Socket.IO and WebSocket, on the loopback interface")
        .arg(
            Arg::new("port")
                .long("port")
                .value_name("PORT")
                .default_value("3000")
                .value_parser(value_parser!(u16))
                .help("Where to listen; 0 picks a free port, which is printed"),
        )
}

/// Runs until it is stopped.
pub(super) fn run(asked: &ArgMatches) -> Result<(), Failure> {
    let port = asked.get_one::<u16>("port").copied().unwrap_or_default();
    app::conformance(port).map_err(Failure::Failed)
}
