//! Uploads as files: `<data directory>/uploads/ab/<name>`. A file is there as a whole or not at all, and survives a power cut
//! once `write` has returned. Every method blocks: called on threads for blocking work. Knows nothing of users and messages.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::domain::{Timestamp, UploadName};

/// What a file is called while it is written.
const PART: &str = ".part";

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// No room is left, or only what is kept for the database.
    #[error("no room is left for uploads")]
    Full,
    /// Anything else.
    #[error("an upload could not be written: {0}")]
    Io(io::Error),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

/// The folder of uploads.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    reserve: u64,
}

impl Files {
    /// Of the folder `root`, made when it is needed, for its owner alone. `reserve` bytes of its disk stay free: a full disk
    /// would stop the database, and with it everybody.
    pub fn new(root: PathBuf, reserve: u64) -> Self {
        Self { root, reserve }
    }

    /// Writes a file. It is removed again unless [`Written::keep`] is called.
    ///
    /// # Errors
    /// In each case nothing of it stays.
    pub fn write(&self, name: &UploadName, bytes: &[u8]) -> Result<Written, FileError> {
        let folder = self.folder(name)?;
        self.check_room(bytes.len() as u64)?;
        let draft = folder.join(format!("{name}{PART}"));
        let path = folder.join(name.as_str());
        let written = write_whole(&draft, bytes).and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = written {
            // It may not even be there.
            let _ = fs::remove_file(&draft);
            return Err(error.into());
        }
        let written = Written { path, keep: false };
        sync_folder(&folder)?;
        Ok(written)
    }

    /// How many bytes it has, and the first of them, at most `most`; nothing when it is not there.
    pub fn begin(&self, name: &UploadName, most: usize) -> io::Result<Option<(u64, Vec<u8>)>> {
        let file = match fs::File::open(self.path(name)) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        let mut first = vec![0; size.min(most as u64) as usize];
        file.read_exact_at(&mut first, 0)?;
        Ok(Some((size, first)))
    }

    /// `length` of its bytes from `offset` on. Opens the file each time: whoever reads slowly holds no open file.
    pub fn read(&self, name: &UploadName, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        fs::File::open(self.path(name))?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove(&self, name: &UploadName) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if !is_missing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// The folders that uploads are spread over, those that there are.
    pub fn shards(&self) -> io::Result<Vec<PathBuf>> {
        match fs::read_dir(&self.root) {
            Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The uploads in one of [`Files::shards`] that were written before `limit`. Of what was never finished before that, the
    /// remains are removed on the way; files that are none of ours stay.
    pub fn older_than(&self, limit: Timestamp, shard: &Path) -> io::Result<Vec<UploadName>> {
        let mut found = Vec::new();
        if !shard.is_dir() {
            return Ok(found);
        }
        for entry in fs::read_dir(shard)? {
            let entry = entry?;
            let file = entry.file_name();
            let Some(text) = file.to_str() else { continue };
            let Ok(name) = UploadName::parse(text.strip_suffix(PART).unwrap_or(text)) else {
                continue;
            };
            let written = entry
                .metadata()?
                .modified()?
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            if Timestamp::from_millis(written.as_millis() as i64) >= limit {
                continue;
            }
            if text.ends_with(PART) {
                fs::remove_file(entry.path())?;
            } else {
                found.push(name);
            }
        }
        Ok(found)
    }

    fn path(&self, name: &UploadName) -> PathBuf {
        self.root.join(name.shard()).join(name.as_str())
    }

    /// The folder for a file, made if it is missing.
    fn folder(&self, name: &UploadName) -> io::Result<PathBuf> {
        let folder = self.root.join(name.shard());
        if !folder.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            sync_folder(&self.root)?;
        }
        Ok(folder)
    }

    fn check_room(&self, bytes: u64) -> Result<(), FileError> {
        let disk = rustix::fs::statvfs(&self.root).map_err(|error| FileError::Io(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < self.reserve.saturating_add(bytes) {
            return Err(FileError::Full);
        }
        Ok(())
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What was made or renamed in a folder survives a power cut from here on.
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A file that is there, but that nobody has vouched for yet: removed when this is dropped, so that a request that is given
/// up leaves nothing behind.
#[derive(Debug)]
#[must_use = "the file goes with it"]
pub struct Written {
    path: PathBuf,
    keep: bool,
}

impl Written {
    /// It stays: the store knows it.
    pub fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!(target: "parlor::uploads", "an upload that was not taken cannot be removed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ImageType;

    fn fresh(reserve: u64) -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().join("uploads"), reserve);
        (dir, files)
    }

    fn name(byte: u8) -> UploadName {
        UploadName::new([byte; 26], ImageType::Png)
    }

    fn entries(files: &Files) -> usize {
        let shards = files.shards().unwrap();
        shards.iter().map(|shard| fs::read_dir(shard).unwrap().count()).sum()
    }

    #[test]
    fn a_file_is_written_read_and_removed() {
        let (_dir, files) = fresh(0);
        assert_eq!(files.begin(&name(1), 3).unwrap(), None);
        assert!(files.shards().unwrap().is_empty());
        files.write(&name(1), b"picture").unwrap().keep();
        assert_eq!(files.begin(&name(1), 3).unwrap(), Some((7, b"pic".to_vec())));
        assert_eq!(files.begin(&name(1), 9).unwrap(), Some((7, b"picture".to_vec())));
        assert_eq!(files.read(&name(1), 3, 4).unwrap(), b"ture");
        assert!(files.read(&name(1), 3, 5).is_err());
        assert_eq!(entries(&files), 1);
        files.remove(&name(1)).unwrap();
        files.remove(&name(1)).unwrap();
        files.remove(&name(2)).unwrap();
        assert_eq!(files.begin(&name(1), 3).unwrap(), None);
    }

    #[test]
    fn others_on_the_machine_see_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, files) = fresh(0);
        files.write(&name(1), b"picture").unwrap().keep();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&files.root), 0o700);
        assert_eq!(mode(&files.path(&name(1))), 0o600);
    }

    #[test]
    fn what_nobody_vouches_for_goes() {
        let (_dir, files) = fresh(0);
        drop(files.write(&name(1), b"picture").unwrap());
        assert_eq!(entries(&files), 0);
    }

    #[test]
    fn a_disk_without_room_is_full_and_nothing_stays() {
        let (_dir, files) = fresh(u64::MAX / 2);
        let refused = files.write(&name(1), b"picture").unwrap_err();
        assert!(matches!(refused, FileError::Full), "{refused}");
        assert_eq!(entries(&files), 0);
        let full = FileError::from(io::Error::from_raw_os_error(28));
        assert!(matches!(full, FileError::Full), "ENOSPC: {full}");
    }

    #[test]
    fn a_name_is_written_once() {
        let (_dir, files) = fresh(0);
        fs::create_dir_all(files.path(&name(1))).unwrap();
        fs::write(files.path(&name(1)).join("in the way"), "").unwrap();
        assert!(matches!(files.write(&name(1), b"picture"), Err(FileError::Io(_))));
        assert_eq!(entries(&files), 1, "no draft stays");
    }

    #[test]
    fn old_files_are_found_and_old_drafts_removed() {
        let (_dir, files) = fresh(0);
        files.write(&name(1), b"picture").unwrap().keep();
        let shard = files.shards().unwrap().remove(0);
        fs::write(shard.join(format!("{}{PART}", name(1))), "half").unwrap();
        fs::write(shard.join("notes.txt"), "not ours").unwrap();
        assert_eq!(files.older_than(Timestamp::from_millis(0), &shard).unwrap(), []);
        assert_eq!(entries(&files), 3);
        let far = Timestamp::from_seconds(100_000_000_000);
        assert_eq!(files.older_than(far, &shard).unwrap(), [name(1)]);
        assert_eq!(entries(&files), 2);
        assert_eq!(files.older_than(far, &shard.join("notes.txt")).unwrap(), []);
    }
}
