//! What can end a run, and the words for it.

use crate::core::engine::EngineError;
use crate::core::format::LayoutError;
use crate::core::time::SliceLength;
use crate::edges::journal::JournalError;
use crate::edges::sink::dead_letters::LetterError;
use crate::edges::sink::delivery::OutboxError;
use crate::edges::sink::events::EventError;
use crate::edges::sink::parquet::RollupError;
use crate::edges::source::SourceError;
use crate::edges::source::files::FilesError;
use std::path::PathBuf;

/// Why a run or a backfill ended without being done.
#[derive(thiserror::Error, Debug)]
pub enum RunError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The rollups.
    #[error(transparent)]
    Rollups(#[from] RollupError),
    /// The events.
    #[error(transparent)]
    Events(#[from] EventError),
    /// What waits for receivers of events.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The dead letters.
    #[error(transparent)]
    Letters(#[from] LetterError),
    /// Kafka as a source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Archives as a source.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// What a site declares of its lines.
    #[error("the lines of a source cannot be read: {0}")]
    Layout(#[from] LayoutError),
    /// The engine refuses an entry.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No snapshot is whole and the journal's beginning has been trimmed.
    #[error("the state cannot be restored: {0}")]
    Restore(String),
    /// The slice length cannot change on a running journal.
    #[error(
        "slice is {} and the journal was begun with {}: the length of slices cannot change on a running journal; set it back, or give the pipeline a new name, state folder and rollups folder",
        now.suffix(), then.suffix()
    )]
    SliceChanged {
        /// In the pipeline file.
        now: SliceLength,
        /// In the journal.
        then: SliceLength,
    },
    /// The name cannot change on a running journal.
    #[error(
        "the pipeline is named {now} and the journal in its state folder belongs to {then}; set the name back, or give the pipeline its own state folder"
    )]
    NameChanged {
        /// In the pipeline file.
        now: String,
        /// In the journal.
        then: String,
    },
    /// A compiled rule is refused: `check` would have said so.
    #[error("the rules cannot be compiled: {0}")]
    Rules(String),
    /// `--until-end` on a topic that is not there.
    #[error("topic {topic} does not exist at {brokers}; create it, or correct the pipeline file")]
    NoTopic {
        /// The topic.
        topic: String,
        /// The cluster.
        brokers: String,
    },
    /// `--until-end` beside partitions that are stopped.
    #[error(
        "not read to their end, for they are stopped: {0}; what could be read is published; --restart-at says where they go on"
    )]
    Unread(String),
    /// A backfill into a folder that holds one.
    #[error("{0} holds a journal already: give --out a new folder")]
    OutputTaken(PathBuf),
    /// Anything said in words.
    #[error("{0}")]
    Other(String),
    /// Told to stop before it was done.
    #[error("stopped before it was done")]
    Stopped,
}
