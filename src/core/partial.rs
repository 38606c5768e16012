//! The monoid: what ingest counted between two flushes.
//!
//! Invariant: merging is associative and commutative and has an identity; every sum is an integer.
//! Whatever way the input is split and ordered, the sums are the same.

use crate::core::histogram::Histogram;
use crate::core::position::{Partition, Span};
use crate::core::record::Reason;
pub use crate::core::service::ServiceName;
use crate::core::time::{Slice, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Verdicts of one SLO.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Verdicts {
    /// Good requests.
    pub good: u64,
    /// Bad requests.
    pub bad: u64,
    /// Requests left out.
    pub excluded: u64,
}

impl Verdicts {
    /// Adds another.
    pub fn merge(&mut self, other: &Verdicts) {
        self.good += other.good;
        self.bad += other.bad;
        self.excluded += other.excluded;
    }
}

/// What one service did in one slice.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Cell {
    /// All requests.
    pub requests: u64,
    /// By status class: none, 1xx … 5xx (6xx and up count as none).
    pub statuses: [u64; 6],
    /// Requests whose client went away.
    pub client_gone: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Latency as clients saw it.
    pub client_latency: Histogram,
    /// Latency of targets.
    pub upstream_latency: Histogram,
    /// Verdicts by index of the SLO in the settings of the cell's epoch, ascending, only SLOs that apply.
    pub slos: Vec<(u16, Verdicts)>,
}

impl Cell {
    /// Adds another cell of the same service, slice and epoch.
    pub fn merge(&mut self, other: &Cell) {
        self.requests += other.requests;
        for (mine, theirs) in self.statuses.iter_mut().zip(other.statuses) {
            *mine += theirs;
        }
        self.client_gone += other.client_gone;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.client_latency.merge(&other.client_latency);
        self.upstream_latency.merge(&other.upstream_latency);
        for (slo, verdicts) in &other.slos {
            match self.slos.binary_search_by_key(slo, |s| s.0) {
                Ok(i) => self.slos[i].1.merge(verdicts),
                Err(i) => self.slos.insert(i, (*slo, *verdicts)),
            }
        }
    }
}

/// Line counts of one partition in one slice: `lines = records + skipped + sum of rejects`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Quality {
    /// Lines read.
    pub lines: u64,
    /// Lines that were requests.
    pub records: u64,
    /// Lines that were no requests.
    pub skipped: u64,
    /// Lines that could not be read, by reason, ascending.
    pub rejects: Vec<(Reason, u64)>,
}

impl Quality {
    /// Adds another.
    pub fn merge(&mut self, other: &Quality) {
        self.lines += other.lines;
        self.records += other.records;
        self.skipped += other.skipped;
        for (reason, count) in &other.rejects {
            self.reject(*reason, *count);
        }
    }

    /// Counts rejected lines (not `lines`).
    pub fn reject(&mut self, reason: Reason, count: u64) {
        match self.rejects.binary_search_by_key(&reason, |r| r.0) {
            Ok(i) => self.rejects[i].1 += count,
            Err(i) => self.rejects.insert(i, (reason, count)),
        }
    }

    /// All rejected lines.
    pub fn rejected(&self) -> u64 {
        self.rejects.iter().map(|r| r.1).sum()
    }
}

/// Where a partition stands towards its end.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Standing {
    /// There is more to read, or nobody knows.
    Behind,
    /// A recent broker answer says that nothing more is there.
    AtEnd,
    /// Read to the end that was asked for (`--until-end`, a file): leaves the watermark's minimum.
    Finished,
    /// No answer from the broker.
    Unreachable,
    /// Stopped until it is repaired (recreated topic, offset beyond the end).
    Stopped,
    /// The pipeline file no longer names its topic.
    Removed,
}

/// Offsets that were lost before they could be read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Gap {
    /// The lost offsets.
    pub span: Span,
    /// Why: `retention`, `recreated`, `beyond_end`.
    pub reason: Arc<str>,
}

/// What a chunk accounts for in one partition.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Coverage {
    /// The partition.
    pub partition: Partition,
    /// Its offsets.
    pub span: Span,
    /// Event time of the first record ever counted in this partition by this chunk's span, if any.
    pub first_time: Option<Time>,
    /// The largest event times read, descending, at most `watermark_quorum + 1` of them.
    pub top_times: Vec<Time>,
    /// Archives: no line still unread is expected to be earlier (the watermark holds here).
    pub hold: Option<Time>,
    /// Where it stands towards its end.
    pub standing: Standing,
    /// Lost offsets inside the span.
    pub gaps: Vec<Gap>,
    /// Records seen again and dropped.
    pub replayed: u64,
    /// Line counts by slice, ascending; `None` where the line had no usable time.
    pub quality: Vec<(Option<Slice>, Quality)>,
}

/// What one ingest thread counted between two flushes.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Chunk {
    /// Ingest's clock at the flush.
    pub clock: Time,
    /// What it accounts for.
    pub coverage: Vec<Coverage>,
    /// The services that `cells` refers to.
    pub services: Vec<ServiceName>,
    /// (epoch of the settings, slice, index into `services`, cell), sorted by the first three.
    pub cells: Vec<(u32, Slice, u32, Cell)>,
}
