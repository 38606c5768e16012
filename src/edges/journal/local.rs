//! The journal of one process: an embedded transactional database, `<state>/journal.redb`.
//!
//! Invariant: an append is one durable transaction, all of it or nothing; a failed one leaves nothing torn
//! and can be repeated with the same entries once its cause is gone, even if it had landed after all.

use crate::core::entry::{Begin, Entry};
use crate::edges::crash;
use crate::edges::journal::snapshots::{Snapshots, WriteState};
use crate::edges::journal::store::{State, Store, unreadable_error};
use crate::edges::journal::{JournalError, Latest, StateLock, codec};
use std::collections::VecDeque;
use std::sync::Arc;

/// Stored bytes that a reader of entries holds at a time.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// A local journal, held exclusively.
pub struct LocalJournal {
    begin: Begin,
    end: u64,
    trimmed: u64,
    store: Arc<Store>,
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
        let fresh = |begin| State { begin, end: 0, trimmed: 0 };
        let opened = if there { Some(Store::open(&path)?) } else { None };
        let (store, state) = match (opened, create) {
            (Some((store, Some(state))), _) => (store, state),
            // the process died between making the file and its first transaction
            (Some((store, None)), Some(begin)) => (store, fresh(begin)),
            (None, Some(begin)) => (Store::make(&path)?, fresh(begin)),
            (_, None) => return Err(JournalError::Missing(lock.dir().to_owned())),
        };
        let mut journal = LocalJournal {
            begin: state.begin,
            end: state.end,
            trimmed: state.trimmed,
            store: Arc::new(store),
            snapshots: Snapshots::new(lock.dir()),
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
    /// If nothing was written, or nobody can tell: the same entries may be appended again, and are found to
    /// be there if they are.
    pub fn append(&mut self, entries: &[Entry]) -> Result<u64, JournalError> {
        let first = self.end + 1;
        if entries.is_empty() {
            return Ok(first);
        }
        let encode = |entry| {
            let path = self.store.path().to_owned();
            codec::encode(entry).map_err(|detail| JournalError::Encoding { path, detail })
        };
        let encoded: Vec<Vec<u8>> = entries.iter().map(encode).collect::<Result<_, _>>()?;
        crash::point("flush.before");
        if !self.landed_before(&encoded)? {
            let begin = match &entries[0] {
                Entry::Begin(_) if first == 1 => Some(&encoded[0]),
                _ => None,
            };
            self.store.append(first, &encoded, begin)?;
        }
        self.end += encoded.len() as u64;
        crash::point("flush.after");
        Ok(first)
    }

    /// Opens the file again if a write had failed, and tells whether that write, of the same entries,
    /// had landed all the same.
    fn landed_before(&self, encoded: &[Vec<u8>]) -> Result<bool, JournalError> {
        let Some(state) = self.store.reopen()? else { return Ok(false) };
        if state.end == self.end {
            return Ok(false);
        }
        let stored = self.store.page(self.end + 1, usize::MAX)?;
        if stored.iter().map(|(_, bytes)| bytes).eq(encoded) {
            return Ok(true);
        }
        Err(JournalError::Landed(self.store.path().to_owned()))
    }

    /// Entries from that position to the end, in order.
    ///
    /// # Errors
    /// [`JournalError::Trimmed`] if it is no longer held.
    pub fn read(&self, from: u64) -> Result<Entries, JournalError> {
        if from <= self.trimmed {
            let (path, first) = (self.store.path().to_owned(), self.trimmed + 1);
            return Err(JournalError::Trimmed { path, wanted: from, first });
        }
        Ok(Entries { store: self.store.clone(), page: VecDeque::new(), next: from, end: self.end })
    }

    /// Writes a snapshot of the engine as it stands after the entry at `position`, durably; keeps two.
    ///
    /// # Errors
    /// If it cannot be written; the ones before it stay.
    pub fn put_snapshot(&mut self, position: u64, state: WriteState<'_>) -> Result<(), JournalError> {
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
    pub fn latest_snapshot(&self) -> Result<Latest, JournalError> {
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
        self.landed_before(&[])?;
        self.store.trim(to)?;
        let count = to - self.trimmed;
        self.trimmed = to;
        crash::point("trim.after");
        Ok(count)
    }
}

/// Entries with their positions, in order. Reads in pages, and holds no transaction between them.
pub struct Entries {
    store: Arc<Store>,
    page: VecDeque<(u64, Vec<u8>)>,
    next: u64,
    end: u64,
}

impl Iterator for Entries {
    type Item = Result<(u64, Entry), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next > self.end {
            return None;
        }
        if self.page.is_empty() {
            match self.store.page(self.next, PAGE_BYTES_MAX) {
                Ok(page) => self.page = page.into(),
                Err(error) => return Some(Err(error)),
            }
        }
        let path = || self.store.path().to_owned();
        let Some((position, bytes)) = self.page.pop_front().filter(|item| item.0 == self.next) else {
            let detail = format!("position {} is missing", self.next);
            self.end = 0; // nothing after a hole
            return Some(Err(JournalError::Damaged { path: path(), detail }));
        };
        self.next += 1;
        Some(match codec::decode(&bytes) {
            Ok(entry) => Ok((position, entry)),
            Err(unreadable) => Err(unreadable_error(self.store.path(), unreadable)),
        })
    }
}

#[cfg(test)]
mod tests;
