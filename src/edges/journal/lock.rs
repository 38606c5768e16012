//! The lock on a state folder: one process at a time.
//!
//! Invariant: whoever holds a [`StateLock`] is the only process that reads or writes the folder. The lock
//! is the kernel's, so it ends with its process, however that ends.

use crate::edges::journal::JournalError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE: &str = "lock";

/// Exclusive hold of a state folder, until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct StateLock {
    dir: PathBuf,
    _file: Arc<File>,
}

impl StateLock {
    /// Makes the folder if it is not there, and takes it.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another process has it; [`JournalError::Io`] if the folder cannot be
    /// made or written.
    pub fn acquire(dir: &Path) -> Result<StateLock, JournalError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |error| JournalError::Io { action, path, error }
        };
        fs::create_dir_all(dir).map_err(io("making", dir))?;
        let path = dir.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io("opening", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "another process" } else { holder };
                return Err(JournalError::Locked { dir: dir.to_owned(), holder: holder.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(io("locking", &path)(error)),
        }
        // who holds it is only told to people: a full disk must not keep a process from starting
        let _ = file.set_len(0);
        let _ = writeln!(file, "process {}", std::process::id());
        Ok(StateLock { dir: dir.to_owned(), _file: Arc::new(file) })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_who_holds() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = StateLock::acquire(dir.path()).expect("free");
        let refused = StateLock::acquire(dir.path()).expect_err("taken").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        StateLock::acquire(dir.path()).expect("free again");
    }
}
