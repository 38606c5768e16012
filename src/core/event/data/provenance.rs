//! Where what an event says comes from: how much was read of it, what came late, up to which offsets, by which configuration.
//!
//! Invariant: as for all data; every list in here is bounded.

use super::Stamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// Where an event about a budget comes from.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct Provenance {
    /// End of the slice that decided it.
    pub window_end: Stamp,
    /// The watermark.
    pub watermark: Stamp,
    /// The clock in the journal's entry that decided it.
    pub recorded_at: Stamp,
    /// How much of the SLO's window was observed.
    pub coverage: Coverage,
    /// Whether all that belongs to the deciding slice was read, as far as anybody can know.
    pub complete: bool,
    /// Records of all sources that came after their slice in the SLO's window had closed. They are counted: the window holds
    /// them, what was told before they came does not.
    pub late_events: u64,
    /// Lines of all sources in the slices of the SLO's window that could not be read. They are counted nowhere else: nobody
    /// knows whose they were.
    pub dropped_events: u64,
    /// How far each topic was read. Null of archives, which have no offsets, and where there are more than 128
    /// partitions: then the journal's position stands for them.
    pub source_offsets: Option<Arc<[TopicOffsets]>>,
    /// History.
    pub replay: bool,
    /// 0 for what was known when the slice closed; of `slo.revised` the number of the correction.
    pub revision: u64,
    /// Number of the configuration that decided.
    pub epoch: u32,
    /// SHA-256 of that configuration as the journal keeps it.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub config_sha256: Arc<str>,
    /// Position in the journal.
    pub position: u64,
}

/// How far a topic was read.
#[derive(Clone, PartialEq, Eq, Serialize, JsonSchema, Debug)]
pub struct TopicOffsets {
    /// The source.
    pub source: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The first offset not read yet, by number of the partition. Null where nothing is read of it.
    pub next: Vec<Option<i64>>,
}

/// How much of a window was observed.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct Coverage {
    /// How many slices the window has.
    pub slices: u64,
    /// How many of them were observed.
    pub observed: u64,
}

/// Where an event about the input comes from.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct GapProvenance {
    /// End of the slice that decided it.
    pub window_end: Stamp,
    /// The watermark.
    pub watermark: Stamp,
    /// The clock in the journal's entry that decided it.
    pub recorded_at: Stamp,
    /// History.
    pub replay: bool,
    /// 0 for what was known when the slice closed.
    pub revision: u64,
    /// Position in the journal.
    pub position: u64,
}
