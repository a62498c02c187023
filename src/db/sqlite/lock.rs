//! One server on a file: an exclusive lock beside it, held for as long as the writer's thread lives. Taken by `open`.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use super::OpenError;

/// The lock; given back when it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock of the database at `path`, or says who has it.
    pub fn take(path: &Path) -> Result<Self, OpenError> {
        let lock = with_suffix(path, ".lock");
        let io = |error| OpenError::Io {
            path: lock.clone(),
            error,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Whoever holds the lock may not have written its number yet.
                let _ = file.read_to_string(&mut holder);
                return Err(OpenError::InUse {
                    path: path.to_owned(),
                    pid: holder.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        // Only for the message above: the lock holds without it.
        file.set_len(0).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { file })
    }
}

impl Drop for FileLock {
    /// Closing the file is not enough: a child that another thread is just starting has a copy of it until it is the program
    /// that it is to be, and the lock would be held until then. Where this fails, the lock goes with the last copy.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// `path` with `suffix` after its last letter.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_copy_of_the_file_does_not_hold_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("parlor.sqlite3");
        let lock = FileLock::take(&path).unwrap();
        assert!(matches!(FileLock::take(&path), Err(OpenError::InUse { .. })));
        // As a child has it that does not run its program yet.
        let copy = lock.file.try_clone().unwrap();
        drop(lock);
        FileLock::take(&path).unwrap();
        drop(copy);
    }
}
