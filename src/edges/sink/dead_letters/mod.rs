//! Lines that could not be read, kept with where they came from and why.
//!
//! Invariant: a letter is acknowledged (by the topic, or synced in the file) before the chunk that covers its
//! line is committed: at least once, under the key source-topic-partition-offset. What a topic refuses goes
//! to the file in the state folder; what a full file drops is counted.

mod file;
mod letter;
mod topic;

pub(super) use letter::base64;
pub use letter::{DEAD_LETTER_BYTES_MAX, Letter};

use crate::edges::sink::Control;
use file::LetterFile;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Letters that one file holds before it is rotated, bytes.
pub const DEAD_LETTER_FILE_BYTES_MAX: u64 = 256 << 20;
/// Files kept besides the one being written; the oldest is dropped, and its letters are counted.
pub const DEAD_LETTER_FILES_KEPT: u32 = 3;

/// Where dead letters go.
#[derive(Clone, PartialEq)]
pub enum LetterTarget {
    /// A topic; what it refuses goes to the file.
    Topic {
        /// librdkafka properties of the connection. May hold secrets.
        properties: BTreeMap<String, String>,
        /// The topic.
        topic: String,
        /// File for what the topic refuses, in the state folder.
        refused: PathBuf,
    },
    /// A file of JSON lines.
    File(PathBuf),
}

/// Without the properties: they may hold secrets.
impl std::fmt::Debug for LetterTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LetterTarget::Topic { topic, .. } => write!(f, "topic {topic}"),
            LetterTarget::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What can go wrong with dead letters: the chunk that covers them must not be committed.
#[derive(thiserror::Error, Debug)]
pub enum LetterError {
    /// The file could not be written. Nothing torn stays.
    #[error("{action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The producer could not be started: the configuration is wrong.
    #[error("dead letters to topic {topic}: {error}")]
    Refused {
        /// The topic.
        topic: String,
        /// What librdkafka said.
        error: String,
    },
    /// The process is to end while letters are not acknowledged.
    #[error(
        "dead letters to topic {topic}: gave up as the process is to end; {waiting} are not acknowledged"
    )]
    Stopped {
        /// The topic.
        topic: String,
        /// How many.
        waiting: usize,
    },
}

/// Counts for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LetterCounts {
    /// Letters acknowledged.
    pub kept: u64,
    /// Of them, letters that the topic refused and the file took.
    pub refused: u64,
    /// Letters dropped with the oldest file when the limit was reached.
    pub dropped: u64,
}

/// Dead letters of a process; every ingest thread has its own [`LetterWriter`].
#[derive(Clone)]
pub struct DeadLetters(Arc<Open>);

enum Open {
    Topic(topic::LetterTopic),
    File(Mutex<LetterFile>),
}

impl DeadLetters {
    /// Opens the target. A topic is not touched before the first letter; it is made then if it is not there.
    ///
    /// # Errors
    /// If the file cannot be opened, or librdkafka refuses the configuration.
    pub fn open(target: &LetterTarget, control: &Control) -> Result<DeadLetters, LetterError> {
        Ok(DeadLetters(Arc::new(match target {
            LetterTarget::File(path) => Open::File(Mutex::new(LetterFile::open(path)?)),
            LetterTarget::Topic { properties, topic, refused } => {
                Open::Topic(topic::LetterTopic::open(properties, topic, refused, control)?)
            }
        })))
    }

    /// A writer for one thread.
    pub fn writer(&self) -> LetterWriter {
        LetterWriter { letters: self.clone(), lines: Vec::new(), waiting: Arc::default() }
    }

    /// What became of all letters so far.
    pub fn counts(&self) -> LetterCounts {
        match &*self.0 {
            Open::Topic(topic) => topic.counts(),
            Open::File(file) => lock(file).counts(),
        }
    }
}

/// Letters held back before they go to the file in one write, bytes.
const FILE_BUFFER_BYTES: usize = 1 << 20;

/// One thread's way to the dead letters.
pub struct LetterWriter {
    letters: DeadLetters,
    lines: Vec<u8>,
    /// What this thread has sent to the topic and has no answer for.
    waiting: Arc<topic::Waiting>,
}

impl LetterWriter {
    /// Hands over a letter. It counts as kept only after [`LetterWriter::flush`].
    ///
    /// # Errors
    /// As [`LetterError`] says.
    pub fn send(&mut self, letter: &Letter<'_>) -> Result<(), LetterError> {
        match &*self.letters.0 {
            Open::Topic(topic) => topic.send(letter, &self.waiting),
            Open::File(file) => {
                letter.write_json(&mut self.lines);
                self.lines.push(b'\n');
                if self.lines.len() < FILE_BUFFER_BYTES {
                    return Ok(());
                }
                lock(file).append(&mut self.lines)
            }
        }
    }

    /// Waits until all letters of this thread are acknowledged. Free when there were none.
    ///
    /// # Errors
    /// As [`LetterError`] says. After an error of a file the letters are still held: flush again.
    pub fn flush(&mut self) -> Result<(), LetterError> {
        match &*self.letters.0 {
            Open::Topic(topic) => topic.flush(&self.waiting),
            Open::File(file) => {
                let mut file = lock(file);
                file.append(&mut self.lines)?;
                file.sync()
            }
        }
    }
}

/// A thread that panicked while it held the file leaves it whole: every append is one call.
fn lock(file: &Mutex<LetterFile>) -> std::sync::MutexGuard<'_, LetterFile> {
    file.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
