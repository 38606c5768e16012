//! From arguments to a list of files.
//!
//! Invariant: every file once, in the order of its path, whatever way it was named.

use super::FilesError;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// One archive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// The standard input.
    Stdin,
}

impl Input {
    /// Its path, `-` for the standard input.
    pub fn path(&self) -> &Path {
        match self {
            Input::File(path) => path,
            Input::Stdin => Path::new("-"),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().display().fmt(f)
    }
}

/// The files that the arguments name: `-` is stdin; a folder stands for all files under it except hidden ones; what
/// names nothing is taken for a pattern (`*`, `?`, `[a-z]`, `**`). An argument without a file is a mistake.
pub fn inputs(arguments: &[String]) -> Result<Vec<Input>, FilesError> {
    let mut found = BTreeSet::new();
    for argument in arguments {
        if argument == "-" {
            found.insert((PathBuf::new(), Input::Stdin));
            continue;
        }
        let (path, mut any) = (Path::new(argument), false);
        if path.exists() {
            any = collect(path, &mut found)?;
        } else {
            let pattern =
                |message: &str| FilesError::Pattern { pattern: argument.clone(), message: message.into() };
            for path in glob::glob(argument).map_err(|error| pattern(error.msg))? {
                let path = path.map_err(|error| read_error(error.path(), error.error()))?;
                any |= collect(&path, &mut found)?;
            }
        }
        if !any {
            return Err(FilesError::Nothing(argument.clone()));
        }
    }
    Ok(found.into_iter().map(|(_, input)| input).collect())
}

/// Adds the file, or the files under the folder, by their real paths: a link and its target are one file. False: there was none.
fn collect(path: &Path, found: &mut BTreeSet<(PathBuf, Input)>) -> Result<bool, FilesError> {
    let real = path.canonicalize().map_err(|error| read_error(path, &error))?;
    if !real.is_dir() {
        if !found.iter().any(|(known, _)| *known == real) {
            found.insert((real, Input::File(path.to_path_buf())));
        }
        return Ok(true);
    }
    let mut any = false;
    let entries = std::fs::read_dir(path).map_err(|error| read_error(path, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| read_error(path, &error))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            any |= collect(&entry.path(), found)?;
        }
    }
    Ok(any)
}

pub(super) fn read_error(path: &Path, error: &std::io::Error) -> FilesError {
    FilesError::Read { path: path.to_path_buf(), message: error.to_string() }
}
