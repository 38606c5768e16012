//! Where results go: rollups as Parquet, events with their progress and to receivers over HTTP, dead letters.
//!
//! Invariant: every output is idempotent by its position in the journal, and nothing is written beside
//! outputs of the same pipeline that another journal made, or that lie beyond this journal's end.

pub mod columns;
pub mod dead_letters;
pub mod delivery;
pub mod events;
pub mod parquet;

mod durable;
mod kafka;

use crate::core::entry::Takeover;
use crate::core::rollup::OutputPosition;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Whose outputs a sink writes: what it needs to know of the journal to refuse a wrong one.
#[derive(Clone, PartialEq, Debug)]
pub struct Owner {
    /// The pipeline's name, `[a-z0-9-]`.
    pub pipeline: Arc<str>,
    /// The journal's id, 16 hex digits.
    pub journal: Arc<str>,
    /// Position of the journal's last entry.
    pub end: u64,
    /// What the journal took over, if it began beside outputs of an older one.
    pub takeover: Option<Takeover>,
    /// The last event that the snapshot knows to be published, if any.
    pub published: Option<OutputPosition>,
    /// The incarnations of the state folder that may have published, this process's own last.
    pub incarnations: Vec<Arc<str>>,
}

/// What a sink that waits for a broker needs from its caller.
#[derive(Clone)]
pub struct Control {
    /// Set when the process is to end: waiting gives up with an error.
    pub stop: Arc<AtomicBool>,
    /// Called with what people should know while the sink waits or repairs itself.
    pub log: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Control {
    /// Never stops, logs nothing.
    pub fn quiet() -> Control {
        Control { stop: Arc::new(AtomicBool::new(false)), log: Arc::new(|_| {}) }
    }

    fn stopped(&self) -> bool {
        self.stop.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// The outputs are not this journal's, which knows its own by its id: what to do about it.
#[derive(thiserror::Error, Clone, PartialEq, Debug)]
pub enum Foreign {
    /// Another journal of the same pipeline name wrote them.
    #[error(
        "{place} holds outputs of pipeline {pipeline} by another journal ({theirs}; this one is {ours}); restore the state folder that belongs to them, give this pipeline another name or place, or start a new journal that takes over (`--take-over`)"
    )]
    Other {
        /// Folder, file or topic.
        place: String,
        /// The pipeline's name.
        pipeline: String,
        /// Id of the journal that wrote them.
        theirs: String,
        /// Id of this journal.
        ours: String,
    },
    /// This journal wrote them, later than its own end: an old copy of the state was restored.
    #[error(
        "{place} holds outputs of this journal ({journal}) up to position {position}, but the journal ends at {end}: an old copy of the state was restored; restore the latest one, or move the state folder away and start a new journal that takes over (`--take-over`)"
    )]
    Beyond {
        /// Folder, file or topic.
        place: String,
        /// The journal's id.
        journal: String,
        /// Position of the output.
        position: u64,
        /// Position of the journal's last entry.
        end: u64,
    },
    /// Another copy of the state has published: the two have gone different ways since.
    #[error(
        "{place} holds outputs of this journal ({journal}) that another copy of its state folder published (incarnation {theirs} is not ours); one of them is the right one: go on with that, or move the state folder away and start a new journal that takes over (`--take-over`)"
    )]
    Forked {
        /// File or topic.
        place: String,
        /// The journal's id.
        journal: String,
        /// The incarnation that published last.
        theirs: String,
    },
    /// The outputs end before what the snapshot knows to be published.
    #[error(
        "{place} ends at {found}, before the last event that the state knows to be published ({published}): its end was lost; restore it, or move the state folder away and start a new journal that takes over (`--take-over`)"
    )]
    Lost {
        /// File or topic.
        place: String,
        /// What it ends with.
        found: String,
        /// What it should hold.
        published: String,
    },
}
