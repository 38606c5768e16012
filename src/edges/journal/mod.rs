//! The journal: everything that is not deterministic, written down once, in a total order, before
//! anything is decided from it.
//!
//! Invariant: what `append` has acknowledged is there after any crash, at the position it was given, and
//! positions run from 1 without holes. A journal over a Kafka topic would take the same verbs: the
//! chain of coverage inside the entries, not the journal, is what keeps two writers apart.

mod codec;
pub mod incarnations;
mod local;
mod lock;
mod snapshots;
mod store;

pub use local::{Entries, LocalJournal};
pub use lock::StateLock;
pub use snapshots::{Latest, WriteState};

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What can go wrong with a journal; each names the place and the way out.
#[derive(thiserror::Error, Debug)]
pub enum JournalError {
    /// There is no journal in the state folder.
    #[error("{0} holds no journal")]
    Missing(PathBuf),
    /// Another process holds the state folder.
    #[error("{dir} is in use by {holder}; stop that process, or give this pipeline its own `state:` folder")]
    Locked {
        /// The state folder.
        dir: PathBuf,
        /// What the holder wrote into its lock.
        holder: String,
    },
    /// A file could not be read or written.
    #[error("{action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The database could not do what it was asked to; the entries were not written.
    #[error("{action} {path}: {error}")]
    Database {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the database said.
        error: Box<redb::Error>,
    },
    /// The file is there and cannot be trusted.
    #[error(
        "{path} is damaged: {detail}; restore the state folder from a copy, or move it away and start a new journal"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// An entry could not be encoded.
    #[error("encoding an entry for {path}: {detail}")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        detail: String,
    },
    /// Another release wrote this journal.
    #[error(
        "{path} was written by another release (format {found}, this one reads {known}): run that release, or move the folder away and begin anew with `run --take-over`"
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u8,
        /// The format that this release reads.
        known: u8,
    },
    /// Entries that were asked for have been trimmed away.
    #[error(
        "{path} begins at position {first}, and position {wanted} is asked for: no snapshot covers what lies between; restore the state folder from a copy, or move it away and start a new journal"
    )]
    Trimmed {
        /// The file.
        path: PathBuf,
        /// The position asked for.
        wanted: u64,
        /// The first position held.
        first: u64,
    },
    /// An append whose outcome was unknown turned out to be durable, and something else is appended now.
    #[error("{0}: an append that failed before is in the journal after all; restart to go on from there")]
    Landed(PathBuf),
}

/// A fresh journal id: 16 random hex digits.
///
/// # Errors
/// If the system gives no random bytes.
pub fn new_id() -> io::Result<Arc<str>> {
    let number = getrandom::u64().map_err(io::Error::other)?;
    Ok(format!("{number:016x}").into())
}
