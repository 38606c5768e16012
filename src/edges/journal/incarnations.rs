//! The incarnations of a state folder: a random id for each process that publishes from it.
//!
//! Invariant: an id is durable here before anything is published under it. What was published under an id that is
//! not here comes from a copy of the folder that went on by itself.

use crate::edges::journal::{JournalError, StateLock, new_id};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE: &str = "incarnations";
/// Hex digits of an id.
const ID_LEN: usize = 16;

/// Begins one: returns the ids of the folder that may have published last, and the new one after them.
///
/// # Errors
/// If the file cannot be read or written.
pub fn begin(lock: &StateLock) -> Result<Vec<Arc<str>>, JournalError> {
    let path = lock.dir().join(FILE);
    let io = |error| failed("writing", &path, error);
    let text = read(&path)?;
    let id = new_id().map_err(io)?;
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        // a torn line was nobody's
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        file.write_all(format!("{end}{id}\n").as_bytes())?;
        file.sync_all()?;
        File::open(lock.dir())?.sync_all()
    };
    write().map_err(io)?;
    let mut ids = ids(&text);
    ids.push(id);
    Ok(ids)
}

/// Forgets those before the one that published last: nothing will be found under them any more.
///
/// # Errors
/// If the file cannot be written; it is then as before.
pub fn forget_before(lock: &StateLock, id: &str) -> Result<(), JournalError> {
    let path = lock.dir().join(FILE);
    let ids = ids(&read(&path)?);
    let Some(first) = ids.iter().position(|known| **known == *id).filter(|first| *first > 0) else {
        return Ok(());
    };
    let kept: String = ids[first..].iter().map(|id| format!("{id}\n")).collect();
    let staged = path.with_extension("next");
    let write = || -> io::Result<()> {
        let mut file = File::create(&staged)?;
        file.write_all(kept.as_bytes())?;
        file.sync_all()?;
        fs::rename(&staged, &path)?;
        File::open(lock.dir())?.sync_all()
    };
    write().map_err(|error| failed("writing", &path, error))
}

/// What the file holds; nothing where no process has published yet.
fn read(path: &Path) -> Result<String, JournalError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|error| failed("reading", path, error)),
    }
}

fn ids(text: &str) -> Vec<Arc<str>> {
    text.lines().filter(|line| line.len() == ID_LEN).map(Arc::from).collect()
}

fn failed(action: &'static str, path: &Path, error: io::Error) -> JournalError {
    JournalError::Io { action, path: PathBuf::from(path), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_from_the_last_that_published_on() {
        let dir = tempfile::tempdir().expect("a folder");
        let lock = StateLock::acquire(dir.path()).expect("free");
        forget_before(&lock, "").expect("nothing to do");
        let first = begin(&lock).expect("begins");
        assert_eq!(first.len(), 1);
        OpenOptions::new()
            .append(true)
            .open(dir.path().join(FILE))
            .and_then(|mut file| file.write_all(b"torn"))
            .expect("writes");
        let second = begin(&lock).expect("begins");
        assert_eq!(second[..1], first);
        let third = begin(&lock).expect("begins");
        assert_eq!(third[..2], second);
        forget_before(&lock, "ffffffffffffffff").expect("nothing to do");
        forget_before(&lock, &third[1]).expect("writes");
        assert_eq!(begin(&lock).expect("begins")[..2], third[1..]);
    }
}
