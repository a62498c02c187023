//! `parlor export`, `parlor import`, `parlor backup`: everything a database holds as a file, and back.

use std::{
    fs::File,
    io::{BufReader, BufWriter},
    path::{Path, PathBuf},
};

use clap::ArgMatches;

use super::{Failure, output};
use crate::{
    app::location,
    config::{Config, make_private_dir},
    db::TransferError,
};

/// The name that means standard output or input.
const STANDARD: &str = "-";

/// Bytes that are read or written at once.
const BUFFER: usize = 1 << 20;

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// `parlor export`
pub(super) fn export(config: &Config, asked: &ArgMatches) -> Result<(), Failure> {
    let location = location(config);
    if !location.exists() {
        return Err(Failure::Failed(format!("{location}: there is no database")));
    }
    let mut tell = |line: String| output::tell(&line);
    let target = file(asked);
    let carried = if target == Path::new(STANDARD) {
        location.export(&mut BufWriter::with_capacity(BUFFER, std::io::stdout()), &mut tell)?
    } else {
        // Never half an export under the name that was asked for.
        let draft = with_new(&target);
        let failed = |error| Failure::Failed(format!("{}: {error}", draft.display()));
        let mut out = BufWriter::with_capacity(BUFFER, File::create_new(&draft).map_err(failed)?);
        let carried = location.export(&mut out, &mut tell).inspect_err(|_| {
            let _ = std::fs::remove_file(&draft);
        })?;
        out.get_ref().sync_all().map_err(failed)?;
        std::fs::rename(&draft, &target).map_err(failed)?;
        carried
    };
    output::tell(&format!("exported {} rows of {location}", carried.rows));
    Ok(())
}

/// `parlor import`
pub(super) fn import(config: &Config, asked: &ArgMatches) -> Result<(), Failure> {
    let location = location(config);
    if !location.exists() {
        make_private_dir(&config.data_dir)
            .map_err(|error| Failure::Failed(format!("{}: {error}", config.data_dir.display())))?;
    }
    let keep_epoch = match (asked.get_flag("keep-epoch"), asked.get_flag("new-epoch")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let mut tell = |line: String| output::tell(&line);
    let source = file(asked);
    let carried = if source == Path::new(STANDARD) {
        location.import(
            &mut BufReader::with_capacity(BUFFER, std::io::stdin()),
            keep_epoch,
            &mut tell,
        )?
    } else {
        let input = File::open(&source).map_err(|error| Failure::Failed(format!("{}: {error}", source.display())))?;
        location.import(&mut BufReader::with_capacity(BUFFER, input), keep_epoch, &mut tell)?
    };
    output::tell(&format!("imported {} rows into {location}", carried.rows));
    if carried.new_epoch {
        output::tell("clients begin anew: a server was running when the export was made (or --new-epoch)");
    }
    Ok(())
}

/// `parlor backup`
pub(super) fn backup(config: &Config, asked: &ArgMatches) -> Result<(), Failure> {
    let target = file(asked);
    location(config).backup(&target)?;
    output::tell(&format!("copied the database to {}", target.display()));
    Ok(())
}

fn with_new(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn file(asked: &ArgMatches) -> PathBuf {
    asked
        .get_one::<PathBuf>("file")
        .cloned()
        .unwrap_or_else(|| STANDARD.into())
}
