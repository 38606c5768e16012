//! The journal of one process: an embedded transactional database, `<state>/journal.redb`.
//!
//! Invariant: an append is one durable transaction, all of it or nothing; a failed one leaves nothing torn
//! and can be repeated with the same entries once its cause is gone, even if it had landed after all.

use crate::core::entry::{Begin, Entry};
use crate::edges::crash;
use crate::edges::journal::codec::{self, Unreadable};
use crate::edges::journal::snapshots::Snapshots;
use crate::edges::journal::{JournalError, StateLock};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Key in `META` of the first entry, kept when it is trimmed.
const BEGIN: &str = "begin";
/// Key in `META` of the last position trimmed away.
const TRIMMED: &str = "trimmed";

/// Memory for the database's pages, bytes: entries are written once and read once.
const CACHE_BYTES: usize = 8 << 20;
/// A file larger than this is compacted at the start if most of it is free.
const COMPACT_BYTES_MIN: u64 = 32 << 20;

/// A local journal, held exclusively.
pub struct LocalJournal {
    path: PathBuf,
    begin: Begin,
    end: u64,
    trimmed: u64,
    /// None after a failed write, until the file has been opened again.
    database: Option<Database>,
    snapshots: Snapshots,
    _lock: StateLock,
}

impl LocalJournal {
    /// Opens the journal of the state folder. Without one, `create` begins one (position 1).
    ///
    /// # Errors
    /// [`JournalError::Missing`] if there is none and `create` is None; others if it cannot be read.
    pub fn open(lock: &StateLock, create: Option<Begin>) -> Result<LocalJournal, JournalError> {
        let path = lock.dir().join("journal.redb");
        let there = path.try_exists().map_err(|error| JournalError::Io {
            action: "opening",
            path: path.clone(),
            error,
        })?;
        let opened = if there { Some(open(&path)?) } else { None };
        let (database, state) = match (opened, create) {
            (Some((database, Some(state))), _) => (database, state),
            // the process died between making the file and its first transaction
            (Some((database, None)), Some(begin)) => (database, State::fresh(begin)),
            (None, Some(begin)) => (make(&path)?, State::fresh(begin)),
            (_, None) => return Err(JournalError::Missing(lock.dir().to_owned())),
        };
        let snapshots = Snapshots::new(lock.dir());
        let mut journal = LocalJournal {
            path,
            begin: state.begin,
            end: state.end,
            trimmed: state.trimmed,
            database: Some(database),
            snapshots,
            _lock: lock.clone(),
        };
        if journal.end == 0 {
            journal.append(&[Entry::Begin(journal.begin.clone())])?;
        }
        Ok(journal)
    }

    /// The journal's id.
    pub fn id(&self) -> &str {
        &self.begin.journal
    }

    /// How it began.
    pub fn begin(&self) -> &Begin {
        &self.begin
    }

    /// Position of the last entry.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends in one durable transaction and returns the position of the first (the next one if there
    /// is none to append).
    ///
    /// # Errors
    /// If nothing was written. The same entries may be appended again when the cause is gone.
    pub fn append(&mut self, entries: &[Entry]) -> Result<u64, JournalError> {
        let first = self.end + 1;
        if entries.is_empty() {
            return Ok(first);
        }
        let damaged = |detail| JournalError::Damaged { path: self.path.clone(), detail };
        let encoded: Vec<Vec<u8>> =
            entries.iter().map(codec::encode).collect::<Result<_, _>>().map_err(damaged)?;
        crash::point("flush.before");
        if self.landed_before(&encoded)? {
            self.end += encoded.len() as u64;
            return Ok(first);
        }
        let begin = match &entries[0] {
            Entry::Begin(_) if first == 1 => Some(&encoded[0]),
            _ => None,
        };
        let Some(database) = &self.database else { return Err(JournalError::Missing(self.path.clone())) };
        if let Err(error) = write(database, first, &encoded, begin) {
            // after a failed write the database refuses everything until it is opened again; whether
            // the transaction landed is seen then
            self.database = None;
            return Err(database_error("writing", &self.path, error));
        }
        self.end += encoded.len() as u64;
        crash::point("flush.after");
        Ok(first)
    }

    /// Opens the file again if a write had failed, and tells whether that write, of the same entries,
    /// had landed all the same.
    fn landed_before(&mut self, encoded: &[Vec<u8>]) -> Result<bool, JournalError> {
        if self.database.is_some() {
            return Ok(false);
        }
        let (database, state) = open(&self.path)?;
        let end = state.map_or(0, |s| s.end);
        if end == self.end {
            self.database = Some(database);
            return Ok(false);
        }
        let same = end == self.end + encoded.len() as u64
            && stored(&database, self.end + 1)
                .map_err(|e| database_error("reading", &self.path, e))?
                .eq(encoded);
        if !same {
            return Err(JournalError::Landed(self.path.clone()));
        }
        self.database = Some(database);
        Ok(true)
    }

    /// Entries from that position to the end, in order.
    ///
    /// # Errors
    /// [`JournalError::Trimmed`] if it is no longer held.
    pub fn read(&self, from: u64) -> Result<Entries, JournalError> {
        if from <= self.trimmed {
            let (path, first) = (self.path.clone(), self.trimmed + 1);
            return Err(JournalError::Trimmed { path, wanted: from, first });
        }
        let Some(database) = &self.database else { return Err(JournalError::Missing(self.path.clone())) };
        let range = || Ok::<_, redb::Error>(database.begin_read()?.open_table(ENTRIES)?.range(from..)?);
        let range = range().map_err(|e| database_error("reading", &self.path, e))?;
        Ok(Entries { path: self.path.clone(), range, next: from })
    }

    /// Writes a snapshot of the engine as it stands after the entry at `position`, durably; keeps two.
    ///
    /// # Errors
    /// If it cannot be written; the ones before it stay.
    pub fn put_snapshot(&mut self, position: u64, state: &[u8]) -> Result<(), JournalError> {
        crash::point("snapshot.before");
        self.snapshots.put(position, &self.begin.journal, state)?;
        crash::point("snapshot.after");
        Ok(())
    }

    /// The latest snapshot that is whole and not beyond the journal's end; and, for the log, why later
    /// ones were passed over.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn latest_snapshot(&self) -> Result<(Option<(u64, Vec<u8>)>, Vec<String>), JournalError> {
        self.snapshots.latest(&self.begin.journal, self.end)
    }

    /// Positions of the snapshots kept, ascending.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn snapshots(&self) -> Result<Vec<u64>, JournalError> {
        self.snapshots.positions()
    }

    /// Drops the entries that the oldest snapshot kept covers, once there are two. Returns how many.
    ///
    /// # Errors
    /// If the file cannot be written; nothing is lost then.
    pub fn trim(&mut self) -> Result<u64, JournalError> {
        let positions = self.snapshots()?;
        // with a single snapshot the whole tail stays: should it be damaged, all can be replayed
        let to = match positions[..] {
            [oldest, _, ..] => oldest.min(self.end),
            _ => return Ok(0),
        };
        if to <= self.trimmed {
            return Ok(0);
        }
        crash::point("trim.before");
        if self.database.is_none() {
            self.landed_before(&[])?;
        }
        let Some(database) = &self.database else { return Err(JournalError::Missing(self.path.clone())) };
        if let Err(error) = trim(database, to) {
            self.database = None;
            return Err(database_error("trimming", &self.path, error));
        }
        let count = to - self.trimmed;
        self.trimmed = to;
        crash::point("trim.after");
        Ok(count)
    }
}

/// What a journal file says of itself.
struct State {
    begin: Begin,
    end: u64,
    trimmed: u64,
}

impl State {
    fn fresh(begin: Begin) -> State {
        State { begin, end: 0, trimmed: 0 }
    }
}

fn make(path: &Path) -> Result<Database, JournalError> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)
        .map_err(|e| database_error("making", path, e))?;
    // the file's name must be as durable as its first transaction
    let synced = path.parent().map_or(Ok(()), |dir| std::fs::File::open(dir)?.sync_all());
    synced.map_err(|error| JournalError::Io { action: "syncing the folder of", path: path.to_owned(), error })?;
    Ok(database)
}

/// Opens the file, checking every page: a bit that flipped must be an error, not a number.
fn open(path: &Path) -> Result<(Database, Option<State>), JournalError> {
    let mut database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .open(path)
        .map_err(|e| database_error("opening", path, e))?;
    let state = state(&database).map_err(|e| database_error("reading", path, e))?;
    let Some((begin, end, trimmed)) = state else { return Ok((database, None)) };
    let begin = match codec::decode(&begin) {
        Ok(Entry::Begin(begin)) => begin,
        Ok(_) => return Err(JournalError::Damaged { path: path.to_owned(), detail: "no beginning".into() }),
        Err(unreadable) => return Err(unreadable_error(path, unreadable)),
    };
    compact(&mut database, path)?;
    Ok((database, Some(State { begin, end, trimmed })))
}

/// Gives free pages back to the file system where most of a large file is free.
fn compact(database: &mut Database, path: &Path) -> Result<(), JournalError> {
    let length = std::fs::metadata(path).map(|m| m.len()).unwrap_or(0);
    if length < COMPACT_BYTES_MIN {
        return Ok(());
    }
    let stored = || {
        let table = database.begin_read()?.open_table(ENTRIES)?;
        Ok::<_, redb::Error>(table.stats()?.stored_bytes())
    };
    if stored().map_err(|e| database_error("reading", path, e))? > length / 2 {
        return Ok(());
    }
    database.compact().map(|_| ()).map_err(|e| database_error("compacting", path, e))
}

/// The first entry, the last position, the last one trimmed; None before the first append.
fn state(database: &Database) -> Result<Option<(Vec<u8>, u64, u64)>, redb::Error> {
    let read = database.begin_read()?;
    let meta = match read.open_table(META) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        other => other?,
    };
    let Some(begin) = meta.get(BEGIN)?.map(|v| v.value().to_vec()) else { return Ok(None) };
    let trimmed = meta.get(TRIMMED)?.and_then(|v| v.value().try_into().ok()).map_or(0, u64::from_le_bytes);
    let last = read.open_table(ENTRIES)?.last()?.map_or(0, |(position, _)| position.value());
    Ok(Some((begin, last.max(trimmed), trimmed)))
}

fn write(database: &Database, first: u64, encoded: &[Vec<u8>], begin: Option<&Vec<u8>>) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        for (position, bytes) in (first..).zip(encoded) {
            entries.insert(position, bytes.as_slice())?;
        }
        if let Some(begin) = begin {
            transaction.open_table(META)?.insert(BEGIN, begin.as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn trim(database: &Database, to: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        entries.retain_in(..=to, |_, _| false)?;
        transaction.open_table(META)?.insert(TRIMMED, to.to_le_bytes().as_slice())?;
    }
    transaction.commit()?;
    Ok(())
}

/// Stored bytes of the entries from that position on.
fn stored(database: &Database, from: u64) -> Result<Vec<Vec<u8>>, redb::Error> {
    let table = database.begin_read()?.open_table(ENTRIES)?;
    table.range(from..)?.map(|item| Ok(item?.1.value().to_vec())).collect()
}

/// Names the file; tells damage from trouble.
fn database_error(action: &'static str, path: &Path, error: impl Into<redb::Error>) -> JournalError {
    let path = path.to_owned();
    match error.into() {
        redb::Error::Corrupted(detail) => JournalError::Damaged { path, detail },
        redb::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            JournalError::Damaged { path, detail: error.to_string() }
        }
        redb::Error::Io(error) => JournalError::Io { action, path, error },
        error => JournalError::Database { action, path, error: Box::new(error) },
    }
}

fn unreadable_error(path: &Path, unreadable: Unreadable) -> JournalError {
    let path = path.to_owned();
    match unreadable {
        Unreadable::Newer(found) => JournalError::Newer { path, found, known: codec::VERSION },
        Unreadable::Damaged(detail) => JournalError::Damaged { path, detail },
    }
}

/// Entries with their positions, in order.
pub struct Entries {
    path: PathBuf,
    range: redb::Range<'static, u64, &'static [u8]>,
    next: u64,
}

impl Iterator for Entries {
    type Item = Result<(u64, Entry), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (position, bytes) = match self.range.next()? {
            Ok(item) => item,
            Err(error) => return Some(Err(database_error("reading", &self.path, error))),
        };
        let position = position.value();
        if position != self.next {
            let detail = format!("position {} is missing", self.next);
            return Some(Err(JournalError::Damaged { path: self.path.clone(), detail }));
        }
        self.next += 1;
        match codec::decode(bytes.value()) {
            Ok(entry) => Some(Ok((position, entry))),
            Err(unreadable) => Some(Err(unreadable_error(&self.path, unreadable))),
        }
    }
}

#[cfg(test)]
mod tests;
