//! `parlor export`, `parlor import`, `parlor backup`: everything a database holds as a file, and back.

use std::{
    fs::File,
    io::{BufReader, BufWriter, ErrorKind},
    os::unix::fs::OpenOptionsExt,
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
        let mut out = BufWriter::with_capacity(BUFFER, private(&draft)?);
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
        output::tell(
            "clients begin anew: a server was running when the export was made, it is of a backup, or --new-epoch says so",
        );
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

/// A new file that nobody else may read: an export holds every message, and hashes of passwords.
fn private(draft: &Path) -> Result<File, Failure> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(draft);
    file.map_err(|error| {
        let what = match error.kind() {
            ErrorKind::AlreadyExists => "another export is writing it, or one was killed: then remove it".to_owned(),
            _ => error.to_string(),
        };
        Failure::Failed(format!("{}: {what}", draft.display()))
    })
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
