//! Archives as input: files, globs, folders and stdin, plain or compressed, dealt in blocks to all threads.
//!
//! Invariant: every byte of every file is in exactly one block, blocks hold whole lines, and all threads read the same
//! few files at a time, in the order of the files' first records. No file is ever read in halves by two threads
//! that are far apart: the hours would be too, and slices would stay open in between. A file whose lines depend on
//! lines before them (headers, lines in parts) is read by one thread from its beginning to its end.
//!
//! ```text
//! let inputs = inputs(&["/logs/*.gz".into(), "/more".into()])?;
//! let dealer = Dealer::open(inputs, DealerLimits { threads, .. }, |line| time of the line, if it has one)?;
//! // on every thread:
//! let mut buffer = Buffer::default();
//! loop {
//!     match dealer.next(&mut buffer)? {
//!         Next::Block(block) => for line in block.lines() { accumulator.message(slot, &Message::line(line.bytes), ..) },
//!         Next::Pause => hand over what was counted; wait for all; the last one flushes, calls dealer.resume()
//!         Next::End => the same, for the last time
//!     }
//! }
//! ```

mod block;
mod dealer;
mod inputs;
mod packed;
mod plain;
mod reader;

pub use block::{Block, Buffer, Line};
pub use dealer::{Dealer, DealerLimits, Look, Next, Progress};
pub use inputs::{Input, inputs};

use std::path::PathBuf;

/// What can go wrong with archives. Every one ends the backfill: a file read in part would be counted in part.
#[derive(thiserror::Error, Clone, Debug)]
pub enum FilesError {
    /// A path or pattern that names nothing.
    #[error("no file at or under {0} (hidden ones are left out)")]
    Nothing(String),
    /// A pattern that is none.
    #[error("{pattern} is not a pattern: {message}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        message: String,
    },
    /// A file that cannot be opened or read.
    #[error("cannot read {}: {message}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// A compressed file that breaks off or is damaged.
    #[error("{} is damaged near byte {at} of its {kind} data: {message}; repair or leave it out", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How far it was read, compressed bytes.
        at: u64,
        /// `gzip` or `zstd`.
        kind: &'static str,
        /// What the decoder said.
        message: String,
    },
    /// A kind of file that we do not read.
    #[error("{} is a {kind} file; plain text, gzip and zstd are read: convert it, for example with {hint}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Its kind.
        kind: &'static str,
        /// A command that makes lines of it.
        hint: &'static str,
    },
    /// A file that became shorter while it was read.
    #[error("{} became shorter while it was read (at byte {at}); is something rotating it?", path.display())]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// Where it ended.
        at: u64,
    },
}

#[cfg(test)]
mod tests;
