//! Snapshots of the engine: one file each beside the journal, `snapshots/<position>.snapshot`.
//!
//! Invariant: a file under its final name is complete; each carries the journal's id, its position and a
//! checksum, and one that does not agree with itself is passed over for the one before it. They lie in
//! files of their own, so that a bad block in one costs neither the journal nor the other.

use crate::edges::journal::JournalError;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// How many snapshots are kept.
pub(super) const KEPT: usize = 2;

const MAGIC: &[u8; 8] = b"NTSNAP06";
const SUFFIX: &str = ".snapshot";
const LEVEL: i32 = 1;
/// Magic, checksum, position, journal id, length of the state; what follows is the state, compressed. The checksum is of
/// that and then of the header's last three.
const HEADER_BYTES: usize = 8 + 8 + 8 + 16 + 8;
/// What is compressed at a time: a state is written in pieces of a few bytes.
const PIECE_BYTES: usize = 64 << 10;
const STATE_BYTES_MAX: u64 = 16 << 30;

/// Writes a state, the same bytes each time.
pub type WriteState<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// A snapshot's position and state, if there is one; and why later ones were passed over.
pub type Latest = (Option<(u64, Vec<u8>)>, Vec<String>);

/// The snapshots of one state folder.
#[derive(Debug)]
pub(super) struct Snapshots {
    dir: PathBuf,
}

impl Snapshots {
    pub(super) fn new(state: &Path) -> Snapshots {
        Snapshots { dir: state.join("snapshots") }
    }

    /// Positions of all files there, ascending.
    pub(super) fn positions(&self) -> Result<Vec<u64>, JournalError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|e| self.io("reading", &self.dir, e))?,
        };
        let mut positions = Vec::new();
        for entry in entries {
            let name = entry.map_err(|e| self.io("reading", &self.dir, e))?.file_name();
            let number =
                name.to_str().and_then(|n| n.strip_suffix(SUFFIX)).and_then(|n| n.parse::<u64>().ok());
            positions.extend(number);
        }
        positions.sort_unstable();
        Ok(positions)
    }

    /// The latest snapshot that is whole and not beyond `end`, and what was wrong with later ones.
    pub(super) fn latest(&self, journal: &str, end: u64) -> Result<Latest, JournalError> {
        let mut passed_over = Vec::new();
        for position in self.positions()?.into_iter().rev() {
            let path = self.path(position);
            if position > end {
                passed_over
                    .push(format!("{} is passed over: it is beyond the journal's end", path.display()));
                continue;
            }
            match fs::read(&path).map_err(|e| e.to_string()).and_then(|b| unseal(&b, position, journal)) {
                Ok(state) => return Ok((Some((position, state)), passed_over)),
                Err(why) => passed_over.push(format!("{} is passed over: {why}", path.display())),
            }
        }
        Ok((None, passed_over))
    }

    /// Writes one durably, then removes all but the latest [`KEPT`].
    pub(super) fn put(
        &self,
        position: u64,
        journal: &str,
        state: WriteState<'_>,
    ) -> Result<(), JournalError> {
        fs::create_dir_all(&self.dir).map_err(|e| self.io("making", &self.dir, e))?;
        let staged = self.dir.join("next");
        let path = self.path(position);
        let write = || -> io::Result<()> {
            let mut file = File::create(&staged)?;
            seal(&mut file, position, journal, state)?;
            file.sync_all()?;
            fs::rename(&staged, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|e| {
            let _ = fs::remove_file(&staged); // gives its space back on a full disk
            self.io("writing", &path, e)
        })?;
        let positions = self.positions()?;
        for old in positions.iter().rev().skip(KEPT) {
            let path = self.path(*old);
            fs::remove_file(&path).map_err(|e| self.io("removing", &path, e))?;
        }
        Ok(())
    }

    fn path(&self, position: u64) -> PathBuf {
        self.dir.join(format!("{position:020}{SUFFIX}"))
    }

    fn io(&self, action: &'static str, path: &Path, error: io::Error) -> JournalError {
        JournalError::Io { action, path: path.to_owned(), error }
    }
}

/// Writes the file piece by piece: at no time is a state in memory twice.
fn seal(file: &mut File, position: u64, journal: &str, state: WriteState<'_>) -> io::Result<()> {
    file.write_all(&[0; HEADER_BYTES])?;
    let mut body = Body { file, sum: Xxh3::new(), error: None };
    let mut pieces = Pieces { encoder: zstd::Encoder::new(&mut body, LEVEL)?, bytes: 0 };
    let mut buffer = BufWriter::with_capacity(PIECE_BYTES, &mut pieces);
    let written = state(&mut buffer).and_then(|()| buffer.flush());
    drop(buffer.into_parts()); // what a failure has left in it is given up
    let Pieces { encoder, bytes } = pieces;
    if let Err(error) = written.and_then(|()| encoder.finish().map(drop)) {
        // whoever encodes the state may have another word for it
        return Err(body.error.take().unwrap_or(error));
    }
    let Body { file, mut sum, .. } = body;
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[16..24].copy_from_slice(&position.to_le_bytes());
    header[24..40].copy_from_slice(&id_bytes(journal));
    header[40..].copy_from_slice(&bytes.to_le_bytes());
    sum.update(&header[16..]);
    header[8..16].copy_from_slice(&sum.digest().to_le_bytes());
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header)
}

/// The state on its way into the compressor.
struct Pieces<W: Write> {
    encoder: zstd::Encoder<'static, W>,
    bytes: u64,
}

impl<W: Write> Write for Pieces<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The compressed state on its way into the file.
struct Body<'a> {
    file: &'a mut File,
    sum: Xxh3,
    /// The first failure.
    error: Option<io::Error>,
}

impl Write for Body<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            Ok(written) => {
                self.sum.update(&bytes[..written]);
                Ok(written)
            }
            Err(error) => {
                let kind = error.kind();
                self.error.get_or_insert(error);
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unseal(bytes: &[u8], position: u64, journal: &str) -> Result<Vec<u8>, String> {
    let word = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
    if bytes.len() < HEADER_BYTES || &bytes[..8] != MAGIC {
        return Err("it is no snapshot of this release".into());
    }
    let mut sum = Xxh3::new();
    sum.update(&bytes[HEADER_BYTES..]);
    sum.update(&bytes[16..HEADER_BYTES]);
    if word(8) != sum.digest() {
        return Err("its checksum does not match".into());
    }
    if word(16) != position || bytes[24..40] != id_bytes(journal) {
        return Err("it belongs to another journal or position".into());
    }
    let length = word(40);
    if length > STATE_BYTES_MAX {
        return Err("its length is impossible".into());
    }
    let mut state = Vec::with_capacity(length as usize);
    let decoder = zstd::Decoder::with_buffer(&bytes[HEADER_BYTES..]).map_err(|e| e.to_string())?;
    decoder.take(length).read_to_end(&mut state).map_err(|e| e.to_string())?;
    Ok(state)
}

/// The id in a field of fixed width.
fn id_bytes(journal: &str) -> [u8; 16] {
    let mut field = [0; 16];
    let length = journal.len().min(16);
    field[..length].copy_from_slice(&journal.as_bytes()[..length]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_kept_and_a_damaged_one_is_passed_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let snapshots = Snapshots::new(dir.path());
        assert_eq!(snapshots.latest("id", 99).expect("reads").0, None);
        for position in [3, 7, 12] {
            snapshots
                .put(position, "id", &|out| out.write_all(&vec![position as u8; 100_000]))
                .expect("writes");
        }
        assert_eq!(snapshots.positions().expect("reads"), [7, 12]);
        assert_eq!(snapshots.latest("id", 99).expect("reads"), (Some((12, vec![12; 100_000])), vec![]));

        assert_eq!(
            snapshots.latest("id", 11).expect("reads").0.map(|f| f.0),
            Some(7),
            "12 is beyond the end"
        );

        let path = snapshots.path(12);
        let whole = fs::read(&path).expect("reads");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).expect("writes");
            let (found, passed_over) = snapshots.latest("id", 99).expect("reads");
            assert_eq!(found.map(|f| f.0), Some(7), "a flip in byte {at} goes unseen");
            assert_eq!(passed_over.len(), 1);
        }
        for length in [0, 5, 40, whole.len() - 1] {
            fs::write(&path, &whole[..length]).expect("writes");
            assert_eq!(snapshots.latest("id", 99).expect("reads").0.map(|f| f.0), Some(7));
        }
        fs::write(&path, &whole).expect("writes");
        assert_eq!(snapshots.latest("other", 99).expect("reads").0, None, "another journal's is not ours");
    }
}
