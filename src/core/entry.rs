//! What the journal holds: all that is not deterministic, written down once and in order.
//!
//! Everything after the journal is a pure function of these entries and their positions.

use crate::core::partial::Chunk;
use crate::core::position::Partition;
use crate::core::settings::Settings;
use crate::core::time::Slice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One journal record.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub enum Entry {
    /// The first record of every journal.
    Begin(Begin),
    /// A configuration, in force from a slice on.
    Configure(Configure),
    /// Resolved starting offsets of partitions, durable before their first poll.
    Starts(Vec<Start>),
    /// What ingest counted.
    Chunk(Chunk),
    /// A cut that no watermark made.
    Cut(ForcedCut),
}

/// How a journal began.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Begin {
    /// Random id, 16 hex digits.
    pub journal: Arc<str>,
    /// Archives: every event is history.
    pub backfill: bool,
    /// What it takes over from an earlier journal of the same pipeline.
    pub takeover: Option<Takeover>,
}

/// What a new journal takes over from outputs of an older one.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Takeover {
    /// Slices before this one are skipped: the older journal published them.
    pub from: Slice,
    /// The highest cut number published.
    pub cut: u64,
    /// The last sequence number of every subject.
    pub sequences: BTreeMap<String, u64>,
}

/// A configuration and when it takes effect.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Configure {
    /// Number of the configuration, from 1; cells name it.
    pub epoch: u32,
    /// Records in this slice and later ones are decided by it. None: all (the first one).
    pub from: Option<Slice>,
    /// The settings.
    pub settings: Settings,
}

/// Where reading a partition starts.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Start {
    /// The partition.
    pub partition: Partition,
    /// The first offset to read.
    pub offset: i64,
    /// Whether it held anything from there on when the start was resolved.
    pub had_data: bool,
    /// The id of the topic that the offset belongs to: one deleted and made anew has another. None where the
    /// broker tells none.
    pub topic_id: Option<Arc<str>>,
}

/// Why a cut was forced.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum ForcedCut {
    /// `--until-end`: cut what the watermark has closed.
    Closed,
    /// `--close` and backfill: close every slice up to the latest that holds a record, then cut.
    All,
}
