//! Dead letters in a file of JSON lines, rotated at a limit.
//!
//! Invariant: every line in the file is whole; a failed append leaves none of it. The files together never
//! hold more than the limits, and letters that go with the oldest file are counted.

use crate::edges::sink::dead_letters::{
    DEAD_LETTER_FILE_BYTES_MAX, DEAD_LETTER_FILES_KEPT, LetterCounts, LetterError,
};
use crate::edges::sink::durable::{above, make_dir, sync_dir};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file being written, `<path>`, and the older ones, `<path>.1` the latest.
pub(super) struct LetterFile {
    path: PathBuf,
    file: File,
    length: u64,
    length_max: u64,
    synced: bool,
    counts: LetterCounts,
}

impl LetterFile {
    pub(super) fn open(path: &Path) -> Result<LetterFile, LetterError> {
        LetterFile::with_limit(path, DEAD_LETTER_FILE_BYTES_MAX)
    }

    pub(super) fn with_limit(path: &Path, length_max: u64) -> Result<LetterFile, LetterError> {
        let io = |action| move |error| LetterError::Io { action, path: path.to_owned(), error };
        make_dir(above(path)).map_err(io("making the folder of"))?;
        let (file, length) = open(path).map_err(io("opening"))?;
        sync_dir(above(path)).map_err(io("syncing the folder of"))?;
        Ok(LetterFile {
            path: path.to_owned(),
            file,
            length,
            length_max,
            synced: true,
            counts: LetterCounts::default(),
        })
    }

    pub(super) fn counts(&self) -> LetterCounts {
        self.counts
    }

    /// Appends whole lines and empties the buffer; on an error the buffer is as it was.
    pub(super) fn append(&mut self, lines: &mut Vec<u8>) -> Result<(), LetterError> {
        if lines.is_empty() {
            return Ok(());
        }
        let failed = |path: &Path, error| LetterError::Io { action: "writing", path: path.to_owned(), error };
        if self.length > 0 && self.length + lines.len() as u64 > self.length_max {
            self.rotate().map_err(|e| failed(&self.path, e))?;
        }
        // what an append before this one left torn goes first
        let written = self.file.set_len(self.length).and_then(|()| self.file.write_all(lines));
        if let Err(error) = written {
            let _ = self.file.set_len(self.length);
            return Err(failed(&self.path, error));
        }
        self.length += lines.len() as u64;
        self.counts.kept += memchr::memchr_iter(b'\n', lines).count() as u64;
        self.synced = false;
        lines.clear();
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<(), LetterError> {
        if !self.synced {
            let path = &self.path;
            self.file.sync_data().map_err(|error| LetterError::Io {
                action: "syncing",
                path: path.clone(),
                error,
            })?;
            self.synced = true;
        }
        Ok(())
    }

    /// Moves every file one further, drops the last, and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let older = |n: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        let last = older(DEAD_LETTER_FILES_KEPT);
        if last.try_exists()? {
            self.counts.dropped += lines_in(&last)?;
            fs::remove_file(&last)?;
        }
        for n in (1..DEAD_LETTER_FILES_KEPT).rev() {
            if older(n).try_exists()? {
                fs::rename(older(n), older(n + 1))?;
            }
        }
        fs::rename(&self.path, older(1))?;
        (self.file, self.length) = open(&self.path)?;
        sync_dir(above(&self.path))
    }
}

/// Opens for appending and cuts a torn last line: its letter comes again, its chunk was not committed.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut end = file.metadata()?.len();
    let mut block = vec![0; 64 << 10];
    let mut whole = end;
    while end > 0 {
        let from = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - from) as usize];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(part)?;
        match memchr::memrchr(b'\n', part) {
            Some(at) => {
                whole = from + at as u64 + 1;
                break;
            }
            None => (whole, end) = (from, from),
        }
    }
    if whole < file.metadata()?.len() {
        file.set_len(whole)?;
    }
    Ok((file, whole))
}

fn lines_in(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut block = vec![0; 64 << 10];
    let mut count = 0;
    loop {
        let length = file.read(&mut block)?;
        if length == 0 {
            return Ok(count);
        }
        count += memchr::memchr_iter(b'\n', &block[..length]).count() as u64;
    }
}
