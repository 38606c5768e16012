//! The database file under the local journal: its tables, opening it, damage told from trouble.
//!
//! Invariant: every page is checked when the file is opened, so a bit that flipped is an error and never a
//! number. After a failed write the database refuses everything; the file is closed and opened again.

use crate::core::entry::{Begin, Entry};
use crate::edges::journal::JournalError;
use crate::edges::journal::codec::{self, Unreadable};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Key in `META` of the first entry, kept when it is trimmed.
const BEGIN: &str = "begin";
/// Key in `META` of the last position trimmed away.
const TRIMMED: &str = "trimmed";

/// Memory for the database's pages, bytes: entries are written once, and read after a restart alone.
const CACHE_BYTES: usize = 1 << 20;
/// A file larger than this is compacted when it is opened, if most of it is free.
const COMPACT_BYTES_MIN: u64 = 32 << 20;

/// What the file says of itself.
pub(super) struct State {
    pub(super) begin: Begin,
    pub(super) end: u64,
    pub(super) trimmed: u64,
}

/// The file, open or closed after a failed write.
pub(super) struct Store {
    path: PathBuf,
    database: Mutex<Option<Database>>,
}

impl Store {
    /// Makes the file, durably named.
    pub(super) fn make(path: &Path) -> Result<Store, JournalError> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|e| database_error("making", path, e))?;
        let synced = path.parent().map_or(Ok(()), |dir| std::fs::File::open(dir)?.sync_all());
        synced.map_err(|error| JournalError::Io {
            action: "syncing the folder of",
            path: path.to_owned(),
            error,
        })?;
        Ok(Store { path: path.to_owned(), database: Mutex::new(Some(database)) })
    }

    /// Opens the file; None before its first append.
    pub(super) fn open(path: &Path) -> Result<(Store, Option<State>), JournalError> {
        let (database, state) = open(path)?;
        Ok((Store { path: path.to_owned(), database: Mutex::new(Some(database)) }, state))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file again if a failed write had closed it, and tells what it says then.
    pub(super) fn reopen(&self) -> Result<Option<State>, JournalError> {
        let mut held = self.held();
        if held.is_some() {
            return Ok(None);
        }
        let (database, state) = open(&self.path)?;
        *held = Some(database);
        Ok(state)
    }

    /// Stores entries from that position on, and the beginning if they hold it: all or nothing.
    pub(super) fn append(
        &self,
        first: u64,
        encoded: &[Vec<u8>],
        begin: Option<&Vec<u8>>,
    ) -> Result<(), JournalError> {
        self.write("writing", |transaction| {
            let mut entries = transaction.open_table(ENTRIES)?;
            for (position, bytes) in (first..).zip(encoded) {
                entries.insert(position, bytes.as_slice())?;
            }
            if let Some(begin) = begin {
                transaction.open_table(META)?.insert(BEGIN, begin.as_slice())?;
            }
            Ok(())
        })
    }

    /// Drops entries up to that position.
    pub(super) fn trim(&self, to: u64) -> Result<(), JournalError> {
        self.write("trimming", |transaction| {
            transaction.open_table(ENTRIES)?.retain_in(..=to, |_, _| false)?;
            transaction.open_table(META)?.insert(TRIMMED, to.to_le_bytes().as_slice())?;
            Ok(())
        })
    }

    /// Entries from that position on as they are stored, until they hold `bytes_max`.
    pub(super) fn page(&self, from: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, JournalError> {
        let held = self.held();
        let Some(database) = &*held else { return Err(self.closed("reading")) };
        let read = || {
            let (mut page, mut bytes) = (Vec::new(), 0);
            for item in database.begin_read()?.open_table(ENTRIES)?.range(from..)? {
                let (position, stored) = item?;
                bytes += stored.value().len();
                page.push((position.value(), stored.value().to_vec()));
                if bytes >= bytes_max {
                    break;
                }
            }
            Ok::<_, redb::Error>(page)
        };
        read().map_err(|e| database_error("reading", &self.path, e))
    }

    /// One durable transaction; if it fails the file is closed, and only opening it tells whether it landed.
    fn write(
        &self,
        action: &'static str,
        fill: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), JournalError> {
        let mut held = self.held();
        let Some(database) = &*held else { return Err(self.closed(action)) };
        let commit = || {
            let transaction = database.begin_write()?;
            fill(&transaction)?;
            transaction.commit()?;
            Ok::<_, redb::Error>(())
        };
        let done = commit();
        done.map_err(|error| {
            *held = None;
            database_error(action, &self.path, error)
        })
    }

    fn held(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self, action: &'static str) -> JournalError {
        let error = std::io::Error::other("it is closed after a failed write");
        JournalError::Io { action, path: self.path.clone(), error }
    }
}

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

pub(super) fn unreadable_error(path: &Path, unreadable: Unreadable) -> JournalError {
    let path = path.to_owned();
    match unreadable {
        Unreadable::OtherFormat(found) => JournalError::OtherFormat { path, found, known: codec::VERSION },
        Unreadable::Damaged(detail) => JournalError::Damaged { path, detail },
    }
}
