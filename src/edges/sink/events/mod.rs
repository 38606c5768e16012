//! Events out, each once: in Kafka transactions, in a file, or on stdout.
//!
//! Invariant: an event and the record that it was published become durable in one step (a Kafka
//! transaction; the position inside the file's line), so a restart knows what to suppress. Stdout knows
//! nothing: there an event comes at least once.

pub(super) mod envelope;
mod file;
mod kafka;
mod progress;
mod reader;
mod stdout;
mod topics;
mod trouble;

pub use envelope::{DATA_TYPE, Mode, STRUCTURED_TYPE};
pub use progress::Progress;

use crate::core::event::Event;
use crate::core::rollup::OutputPosition;
use crate::edges::sink::{Control, Foreign, Owner};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Where events go.
#[derive(Clone, PartialEq, Debug)]
pub enum EventTarget {
    /// A topic, with the progress in a compacted one.
    Kafka(KafkaTarget),
    /// A file of JSON lines.
    File(PathBuf),
    /// Stdout, JSON lines.
    Stdout,
    /// Nowhere.
    None,
}

/// The place where the progress is looked for.
impl std::fmt::Display for EventTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EventTarget::Kafka(target) => write!(f, "topic {}", target.state_topic),
            EventTarget::File(path) => write!(f, "{}", path.display()),
            EventTarget::Stdout => f.write_str("stdout"),
            EventTarget::None => f.write_str("nowhere"),
        }
    }
}

/// Topics for events and how to reach them.
#[derive(Clone, PartialEq)]
pub struct KafkaTarget {
    /// librdkafka properties of the connection, `bootstrap.servers` among them. May hold secrets.
    pub properties: BTreeMap<String, String>,
    /// Topic of the events.
    pub topic: String,
    /// Compacted topic of the progress.
    pub state_topic: String,
    /// How a CloudEvent lies in a record.
    pub mode: Mode,
}

/// Without the properties: they may hold secrets.
impl std::fmt::Debug for KafkaTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KafkaTarget({}, {})", self.topic, self.state_topic)
    }
}

/// What can go wrong with events.
#[derive(thiserror::Error, Debug)]
pub enum EventError {
    /// The events there belong to another journal.
    #[error(transparent)]
    Foreign(#[from] Foreign),
    /// A file could not be read or written. Nothing torn stays; the events can be published again.
    #[error("{action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another process writes the file.
    #[error("{0} is in use by another process; name another file for the events, or stop the other process")]
    InUse(PathBuf),
    /// The file holds lines that are no events of ours.
    #[error("{0} holds lines that ninetail did not write; name another file for the events")]
    NotEvents(PathBuf),
    /// A topic has other settings than it must have.
    #[error(
        "topic {topic} cannot hold the progress: {difference}; change its settings, or name another `state_topic:` that will be created right"
    )]
    Settings {
        /// The topic.
        topic: String,
        /// What is and what must be.
        difference: String,
    },
    /// Another process publishes for the same pipeline.
    #[error(
        "another process took over the transactions of {transactional_id}; let one process run each pipeline name, and restart this one if it is the one"
    )]
    Fenced {
        /// The transactional id.
        transactional_id: String,
    },
    /// The broker refuses, and will refuse again.
    #[error("{action}: {error}; check the topic's access rights and limits")]
    Refused {
        /// What was tried.
        action: String,
        /// What Kafka said.
        error: String,
    },
    /// The process is to end while the broker cannot be reached.
    #[error("{action}: gave up as the process is to end; last error: {error}")]
    Stopped {
        /// What was tried.
        action: String,
        /// What Kafka said last.
        error: String,
    },
}

impl EventError {
    /// Whether trying again may help (space on the disk); otherwise somebody must decide.
    pub fn may_pass(&self) -> bool {
        matches!(self, EventError::Io { .. })
    }
}

/// Where events go, open.
pub enum EventSink {
    /// Kafka transactions.
    Kafka(Box<kafka::KafkaEvents>),
    /// A file.
    File(file::FileEvents),
    /// Stdout.
    Stdout(stdout::StdoutEvents),
    /// Nowhere.
    None,
}

impl EventSink {
    /// What the target says of the pipeline's progress, by whatever journal; changes nothing there and
    /// fences nobody. Sequences are complete: a new journal takes them over.
    ///
    /// # Errors
    /// If the target cannot be read. Waits for a broker until `control` stops it.
    pub fn peek(
        target: &EventTarget,
        pipeline: &str,
        control: &Control,
    ) -> Result<Option<Progress>, EventError> {
        match target {
            EventTarget::Kafka(target) => reader::peek(target, pipeline, control),
            EventTarget::File(path) => file::peek(path),
            EventTarget::Stdout | EventTarget::None => Ok(None),
        }
    }

    /// Opens the target for the journal and tells how far its events are published, if any are.
    ///
    /// Kafka: reads the progress and refuses a foreign one before it fences anybody; makes the topics
    /// that are not there; fences an older process of this pipeline; reads the progress again. A
    /// takeover is claimed at once. The file's progress has no sequences (see [`EventSink::peek`]).
    ///
    /// # Errors
    /// As [`EventError`] says. Waits for a broker until `control` stops it.
    pub fn open(
        target: &EventTarget,
        owner: &Owner,
        control: &Control,
    ) -> Result<(EventSink, Option<Progress>), EventError> {
        match target {
            EventTarget::Kafka(target) => {
                let (sink, progress) = kafka::KafkaEvents::open(target, owner, control)?;
                Ok((EventSink::Kafka(Box::new(sink)), progress))
            }
            EventTarget::File(path) => {
                let (sink, progress) = file::FileEvents::open(path, owner)?;
                Ok((EventSink::File(sink), progress))
            }
            EventTarget::Stdout => Ok((EventSink::Stdout(stdout::StdoutEvents::new(owner)), None)),
            EventTarget::None => Ok((EventSink::None, None)),
        }
    }

    /// Publishes those events, in order of their positions, that are not published yet, and with them that
    /// all up to `at` are (`at.index` = `u32::MAX`: all of that journal record) and that `cut` was the
    /// last cut. With no events it records the progress alone, as before a cut without any. Durable when it returns.
    /// Returns how many were new.
    ///
    /// # Errors
    /// As [`EventError`] says. Kafka: waits for the broker, however long, until `control` stops it.
    pub fn publish(&mut self, events: &[Event], at: OutputPosition, cut: u64) -> Result<usize, EventError> {
        match self {
            EventSink::Kafka(sink) => sink.publish(events, at, cut),
            EventSink::File(sink) => sink.publish(events),
            EventSink::Stdout(sink) => sink.publish(events),
            EventSink::None => Ok(0),
        }
    }
}

/// Refuses progress that is not this journal's, or not where it should be. Returns it if it is ours.
fn own(place: &str, owner: &Owner, found: Option<Progress>) -> Result<Option<Progress>, Foreign> {
    let lost = |found: String, published: OutputPosition| Foreign::Lost {
        place: place.to_owned(),
        found,
        published: envelope::position(published),
    };
    let found = match found {
        Some(progress) if progress.journal != *owner.journal => {
            if owner.takeover.as_ref().is_none_or(|t| progress.cut > t.cut) {
                return Err(Foreign::Other {
                    place: place.to_owned(),
                    pipeline: owner.pipeline.to_string(),
                    theirs: progress.journal,
                    ours: owner.journal.to_string(),
                });
            }
            None
        }
        other => other,
    };
    match (&found, owner.published) {
        (Some(progress), _) if progress.at.position > owner.end => Err(Foreign::Beyond {
            place: place.to_owned(),
            journal: owner.journal.to_string(),
            position: progress.at.position,
            end: owner.end,
        }),
        (Some(progress), _) if is_of_a_copy(progress, owner) => Err(Foreign::Forked {
            place: place.to_owned(),
            journal: owner.journal.to_string(),
            theirs: progress.incarnation.clone(),
        }),
        (None, Some(published)) => Err(lost("nothing".into(), published)),
        (Some(progress), Some(published)) if progress.at < published => {
            Err(lost(envelope::position(progress.at), published))
        }
        _ => Ok(found),
    }
}

/// Whether a copy of our state has published it: under an incarnation that is none of ours.
fn is_of_a_copy(progress: &Progress, owner: &Owner) -> bool {
    !progress.incarnation.is_empty() && owner.incarnations.iter().all(|ours| **ours != *progress.incarnation)
}

#[cfg(test)]
mod tests;
