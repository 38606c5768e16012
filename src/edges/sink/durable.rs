//! Folders and names that outlive a power cut.
//!
//! Invariant: a name is durable once the folder that holds it is synced, and that folder's own name is
//! durable in the folder above.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Makes the folder and those above it, and syncs each new name.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = above(dir);
    make_dir(above)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => other?,
    }
    sync_dir(above)
}

/// Syncs the names in a folder.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The folder that holds the path.
pub(super) fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
        Some(dir) => dir,
        None => path,
    }
}

/// Gives the file a second, final name unless that name is taken; `Ok(false)` if it is.
///
/// Where the file system knows no hard links the file is renamed, with the same promise.
pub(super) fn publish(staged: &Path, to: &Path) -> io::Result<bool> {
    match fs::hard_link(staged, to) {
        Ok(()) => {
            fs::remove_file(staged)?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
            rename_new(staged, to)
        }
        Err(error) => Err(error),
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn rename_new(staged: &Path, to: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, staged, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn rename_new(_staged: &Path, _to: &Path) -> io::Result<bool> {
    Err(io::Error::new(ErrorKind::Unsupported, "the file system has neither hard links nor exclusive renames"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let (staged, to) = (dir.path().join("staged"), dir.path().join("a/b/final"));
        make_dir(above(&to)).expect("makes");
        make_dir(above(&to)).expect("is there");
        for publish in [publish, rename_new] {
            let _ = fs::remove_file(&to);
            fs::write(&staged, "one").expect("writes");
            assert!(publish(&staged, &to).expect("links"));
            assert!(!staged.exists());
            fs::write(&staged, "two").expect("writes");
            assert!(!publish(&staged, &to).expect("is taken"));
            assert_eq!(fs::read_to_string(&to).expect("reads"), "one");
        }
    }
}
