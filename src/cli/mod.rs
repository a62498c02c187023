//! The `parlor` command line: parses it, loads the configuration, runs one command, turns its end into an exit code.
//! Called by `main` alone. Errors are one line, `parlor: …`, on stderr; stdout is for what was asked for.

mod command;
#[cfg(feature = "conformance")]
mod conformance;
mod flags;
mod output;
mod password;
mod serve;
mod store;
mod token;
mod transfer;
mod user;
mod verify;

use std::process::ExitCode;

use clap::ArgMatches;

use crate::config::{self, Config, WebhookSecret};

/// Why a command did not do what was asked.
#[derive(Debug)]
enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// It was tried, and failed: exit code 1.
    Failed(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Usage(why) | Self::Failed(why)) = self;
        f.write_str(why)
    }
}

/// What most errors are.
impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// Runs the program with the process's arguments and environment.
pub fn main() -> ExitCode {
    let matches = match command::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    start_log();
    let ended = run(&matches).unwrap_or_else(|failure| {
        let (why, code) = match failure {
            Failure::Usage(why) => (why, 2),
            Failure::Failed(why) => (why, 1),
        };
        output::complain(&why);
        code
    });
    ExitCode::from(ended)
}

/// Runs the command; its exit code, if it has one to give.
fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    if matches.subcommand_name() == Some("config") {
        // Whoever asks for the default may do so because their file is wrong: it is not read.
        output::print(config::annotated().trim_end());
        return Ok(0);
    }
    if matches.subcommand_name() == Some("webhook-secret") {
        output::print(&WebhookSecret::generate()?);
        return Ok(0);
    }
    #[cfg(feature = "conformance")]
    if let Some(("conformance", asked)) = matches.subcommand() {
        conformance::run(asked)?;
        return Ok(0);
    }
    let config = load(matches)?;
    match matches.subcommand() {
        None | Some(("serve", _)) => serve::run(config)?,
        Some(("token", asked)) => token::run(&config, asked)?,
        Some(("user", asked)) => user::run(&config, asked)?,
        Some(("migrate", asked)) => store::migrate(&config, asked)?,
        Some(("export", asked)) => transfer::export(&config, asked)?,
        Some(("import", asked)) => transfer::import(&config, asked)?,
        Some(("backup", asked)) => transfer::backup(&config, asked)?,
        Some(("verify", _)) => return verify::run(&config),
        Some((other, _)) => return Err(Failure::Usage(format!("{other}: no such command"))),
    }
    Ok(0)
}

fn load(matches: &ArgMatches) -> Result<Config, Failure> {
    let loaded = config::load(flags::sources(matches)).map_err(Failure::Usage)?;
    for warning in loaded.warnings {
        log::warn!(target: "parlor::config", "{warning}");
    }
    Ok(loaded.config)
}

/// Lines at `info` and above go to stderr; `PARLOR_LOG` or `RUST_LOG` say otherwise (`parlor::auth=debug,warn`).
fn start_log() {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(log::LevelFilter::Info);
    // These say how many workers there are, in four lines, and what a schema has already.
    for module in ["actix_server", "tokio_postgres"] {
        builder.filter_module(module, log::LevelFilter::Warn);
    }
    let filter = ["PARLOR_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    if let Some(filter) = filter.filter(|filter| !filter.is_empty()) {
        builder.parse_filters(&filter);
    }
    // Below that the HTTP client writes down URLs and headers, where webhooks have their secrets.
    for module in ["ureq", "ureq_proto"] {
        builder.filter_module(module, log::LevelFilter::Warn);
    }
    builder.init();
}

/// Help and version go to stdout and end well; everything else is a mistake of whoever typed it.
fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        output::complain(&output::one_line(&error.render().to_string()));
        return ExitCode::from(2);
    }
    output::print(error.render().to_string().trim_end());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests;
