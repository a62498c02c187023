//! The data directory: made for its owner alone. Whoever needs it first makes it: `app`, `auth` for the secret, `cli`.

use std::{fs, io, path::Path};

/// Makes `dir`, and what leads to it, readable by its owner only; one that is there stays as it is.
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
