//! The HS256 secret: a given one is checked, a missing one made once in `<data_dir>/jwt.secret`. Called by `Tokens::open`.
//! Never shows it to anybody, the log included.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use rand::{TryRng, rngs::SysRng};

use crate::{auth::base64url, config::make_private_dir};

/// Below this many bytes a secret is refused, and below `ADVISED_BYTES` (RFC 7518, 3.2) warned of.
const LEAST_BYTES: usize = 16;
const ADVISED_BYTES: usize = 32;

/// The secret, if it is long enough. `name` is where it comes from.
pub(super) fn checked(secret: String, name: &str) -> Result<String, String> {
    if secret.len() < LEAST_BYTES {
        return Err(format!(
            "{name}: must be at least {LEAST_BYTES} bytes long, better {ADVISED_BYTES} (openssl rand -base64 32)"
        ));
    }
    if secret.len() < ADVISED_BYTES {
        log::warn!(
            target: "parlor::auth",
            "{name} is shorter than {ADVISED_BYTES} bytes: it can be guessed from a token (openssl rand -base64 32)"
        );
    }
    Ok(secret)
}

/// The secret of the data directory, made when there is none. Two processes that start at once agree on one.
pub(super) fn read_or_make(data_dir: &Path) -> Result<String, String> {
    let path = data_dir.join("jwt.secret");
    let name = path.display().to_string();
    match fs::read_to_string(&path) {
        Ok(text) => {
            warn_of_readers(&path);
            return checked(text.trim().to_owned(), &name);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("{name}: {error}")),
    }
    make(data_dir, &path).map_err(|error| format!("{name}: cannot be made: {error}"))?;
    // Read back rather than remembered: another process may have been first.
    let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
    checked(text.trim().to_owned(), &name)
}

/// Writes a new secret beside `path` and links it there, which fails when there is one already: no process ever reads half
/// a secret, and none replaces one that is in use.
fn make(data_dir: &Path, path: &Path) -> io::Result<()> {
    make_private_dir(data_dir)?;
    let (mut secret, mut suffix) = ([0; 32], [0; 9]);
    SysRng.try_fill_bytes(&mut secret).map_err(io::Error::other)?;
    SysRng.try_fill_bytes(&mut suffix).map_err(io::Error::other)?;
    let beside = data_dir.join(format!(".jwt.secret.{}", base64url::encode(&suffix)));
    let mut file = private_file().open(&beside)?;
    file.write_all(base64url::encode(&secret).as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let placed = match fs::hard_link(&beside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Some network file systems know no hard links.
        Err(_) => fs::rename(&beside, path),
        Ok(()) => Ok(()),
    };
    let _ = fs::remove_file(&beside);
    placed?;
    fs::File::open(data_dir)?.sync_all()?;
    log::info!(target: "parlor::auth", "made a new secret for tokens: {}", path.display());
    Ok(())
}

#[cfg(unix)]
fn private_file() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private_file() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    options
}

fn warn_of_readers(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
            log::warn!(target: "parlor::auth", "{} can be read by others: chmod 600 it", path.display());
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}
