//! The settings as flags, derived from the table of `config`. Every command takes all of them, before or after its name; its
//! help shows those that matter to it.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

use crate::config::{SETTINGS, Setting, Sources};

const CONFIG: &str = "config";
const NO_MIGRATE: &str = "no-migrate";
const HEADING: &str = "Settings (a flag, else the environment variable, else parlor.toml, else the default)";

/// Adds every setting to a command; the help shows those whose key `shown` names, or all.
pub(super) fn add(command: Command, shown: Option<&[&str]>) -> Command {
    let file = Arg::new(CONFIG)
        .long("config")
        .value_name("FILE")
        .help("The file of settings [env: PARLOR_CONFIG] [default: parlor.toml, if it is there]")
        .value_parser(value_parser!(PathBuf))
        .help_heading(HEADING);
    let no_migrate = Arg::new(NO_MIGRATE)
        .long(NO_MIGRATE)
        .action(ArgAction::SetTrue)
        .help("The same as --migrate off")
        .help_heading(HEADING)
        .hide(shown.is_some());
    SETTINGS
        .iter()
        .fold(command.arg(file).arg(no_migrate), |command, setting| {
            let hidden = shown.is_some_and(|shown| !shown.contains(&setting.key));
            command.arg(arg(setting).hide(hidden))
        })
}

fn arg(setting: &Setting) -> Arg {
    let mut help = format!("{} [env: {}]", setting.help, setting.env);
    if !setting.default.is_empty() {
        help.push_str(&format!(" [default: {}]", setting.default));
    }
    Arg::new(setting.key)
        .long(setting.flag)
        .value_name(setting.value_name)
        .help(help)
        .help_heading(HEADING)
}

/// Where the configuration comes from, for `config::load`: the flags of the whole command line, and the environment.
pub(super) fn sources(matches: &ArgMatches) -> Sources {
    let mut sources = Sources {
        env: std::env::vars_os().collect(),
        ..Sources::default()
    };
    let mut level = Some(matches);
    // `parlor --listen A serve --listen B`: the later one wins.
    while let Some(matches) = level {
        for setting in SETTINGS {
            if let Ok(Some(text)) = matches.try_get_one::<String>(setting.key) {
                sources.flags.push((setting.key, text.clone()));
            }
        }
        if let Ok(Some(true)) = matches.try_get_one::<bool>(NO_MIGRATE) {
            sources.flags.push(("migrate", "off".to_owned()));
        }
        if let Ok(Some(path)) = matches.try_get_one::<PathBuf>(CONFIG) {
            sources.file = Some(path.clone());
        }
        level = matches.subcommand().map(|(_, deeper)| deeper);
    }
    sources
}
