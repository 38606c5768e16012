//! The monoid: what ingest counted between two flushes.
//!
//! Invariant: merging is associative and commutative and has an identity; every sum is an integer.
//! Whatever way the input is split and ordered, the sums are the same.

use crate::core::duplicates::IdSample;
use crate::core::histogram::{Histogram, add};
use crate::core::packed::{Packed, put, take};
use crate::core::position::{Partition, Span};
use crate::core::record::Reason;
pub use crate::core::service::{Combination, ServiceName};
use crate::core::time::{Slice, Time};
use serde::{Deserialize, Serialize};
use std::fmt;
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
        self.good = add(self.good, other.good);
        self.bad = add(self.bad, other.bad);
        self.excluded = add(self.excluded, other.excluded);
    }
}

/// Verdicts by index of the SLO, packed: ascending, only SLOs that apply (all three counts may be 0).
#[derive(Clone, PartialEq, Eq, Serialize, Default)]
pub struct SloVerdicts(Packed);

impl SloVerdicts {
    /// (index of the SLO in the settings, its verdicts), ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u16, Verdicts)> + '_ {
        let (mut rest, mut next) = (self.0.bytes(), 0u64);
        std::iter::from_fn(move || {
            let slo = next.checked_add(take(&mut rest)?)?;
            next = slo + 1;
            let (good, bad, excluded) = (take(&mut rest)?, take(&mut rest)?, take(&mut rest)?);
            Some((u16::try_from(slo).ok()?, Verdicts { good, bad, excluded }))
        })
    }

    /// The verdicts of one SLO, None where it does not apply.
    pub fn get(&self, slo: u16) -> Option<Verdicts> {
        self.iter().find(|(s, _)| *s == slo).map(|(_, v)| v)
    }

    /// Whether no SLO applies.
    pub fn is_empty(&self) -> bool {
        self.0.bytes().is_empty()
    }

    /// Adds another list, SLO by SLO.
    pub fn merge(&mut self, other: &SloVerdicts) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = other.clone();
            return;
        }
        let mut all: Vec<(u16, Verdicts)> = Vec::new();
        let (mut mine, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let take_mine = match (mine.peek(), theirs.peek()) {
                (Some(a), Some(b)) if a.0 == b.0 => {
                    let (Some(mut both), Some(b)) = (mine.next(), theirs.next()) else { break };
                    both.1.merge(&b.1);
                    all.push(both);
                    continue;
                }
                (Some(a), Some(b)) => a.0 < b.0,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            all.extend(if take_mine { mine.next() } else { theirs.next() });
        }
        drop((mine, theirs));
        *self = SloVerdicts::ascending(all);
    }

    /// Packs a list that ascends; what does not ascend is left out.
    fn ascending(verdicts: impl IntoIterator<Item = (u16, Verdicts)>) -> SloVerdicts {
        let (mut out, mut next) = (Vec::new(), 0u64);
        for (slo, v) in verdicts {
            let Some(step) = (slo as u64).checked_sub(next) else { continue };
            next = slo as u64 + 1;
            [step, v.good, v.bad, v.excluded].iter().for_each(|n| put(&mut out, *n));
        }
        SloVerdicts(out.into())
    }
}

/// In any order; the same SLO twice adds up.
impl FromIterator<(u16, Verdicts)> for SloVerdicts {
    fn from_iter<I: IntoIterator<Item = (u16, Verdicts)>>(verdicts: I) -> SloVerdicts {
        let mut all: Vec<(u16, Verdicts)> = verdicts.into_iter().collect();
        all.sort_by_key(|v| v.0);
        all.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1.merge(&later.1);
            }
            same
        });
        SloVerdicts::ascending(all)
    }
}

impl fmt::Debug for SloVerdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'de> Deserialize<'de> for SloVerdicts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<SloVerdicts, D::Error> {
        let list = SloVerdicts(Packed::deserialize(deserializer)?);
        if SloVerdicts::ascending(list.iter()) != list {
            return Err(serde::de::Error::custom("verdicts are not in their packed form"));
        }
        Ok(list)
    }
}

/// What one service did in one slice. About 220 bytes while its lists are short.
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
    /// Verdicts by index of the SLO in the settings of the cell's epoch, only SLOs that apply.
    pub slos: SloVerdicts,
}

impl Cell {
    /// Adds another cell of the same service, slice and epoch.
    pub fn merge(&mut self, other: &Cell) {
        self.requests = add(self.requests, other.requests);
        for (mine, theirs) in self.statuses.iter_mut().zip(other.statuses) {
            *mine = add(*mine, theirs);
        }
        self.client_gone = add(self.client_gone, other.client_gone);
        self.bytes_received = add(self.bytes_received, other.bytes_received);
        self.bytes_sent = add(self.bytes_sent, other.bytes_sent);
        self.client_latency.merge(&other.client_latency);
        self.upstream_latency.merge(&other.upstream_latency);
        self.slos.merge(&other.slos);
    }

    /// Bytes in memory, those on the heap included.
    pub fn bytes(&self) -> usize {
        size_of::<Cell>()
            + self.client_latency.heap_bytes()
            + self.upstream_latency.heap_bytes()
            + self.slos.0.heap_bytes()
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
    /// Records that repeated another and were dropped; part of `skipped`.
    pub dropped: u64,
    /// Ids of the records, where repeats are estimated.
    pub ids: Option<Box<IdSample>>,
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
        self.dropped += other.dropped;
        match (&mut self.ids, &other.ids) {
            (_, None) => {}
            (None, Some(theirs)) => self.ids = Some(theirs.clone()),
            (Some(mine), Some(theirs)) => mine.merge(theirs),
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
    /// What reading goes on with at the span's end ([`Carry`](crate::core::reader::Carry)), if that is something else than at
    /// its start.
    pub carry: Option<Box<[u8]>>,
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
    /// (epoch of the settings, slice, index into `services`, cell), sorted by the first three, then by the
    /// combination.
    pub cells: Vec<(u32, Slice, u32, Cell)>,
    /// The combinations that `split` refers to, ascending.
    pub combinations: Vec<Combination>,
    /// By cell: 0 where it is not broken down, else the number of its combination, from 1. Empty: no cell is.
    pub split: Vec<u32>,
    /// The groups that `grouped` refers to, ascending.
    pub groups: Vec<Arc<str>>,
    /// What was counted for SLOs with groups: (epoch of the settings, slice, index into `services`, index into `groups`,
    /// verdicts), sorted by the first four. Their services have a cell of the slice.
    pub grouped: Vec<(u32, Slice, u32, u32, SloVerdicts)>,
}

impl Chunk {
    /// The combination that the cell of that index is of, where services are broken down.
    pub fn combination(&self, cell: usize) -> Option<&Combination> {
        let number = *self.split.get(cell)? as usize;
        self.combinations.get(number.checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(good: u64, bad: u64, excluded: u64) -> Verdicts {
        Verdicts { good, bad, excluded }
    }

    #[test]
    fn verdicts_pack_sorted_and_add_up() {
        let list: SloVerdicts =
            [(7, verdicts(1, 2, 3)), (0, verdicts(0, 0, 0)), (7, verdicts(10, 0, 0))].into_iter().collect();
        assert_eq!(list.iter().collect::<Vec<_>>(), [(0, verdicts(0, 0, 0)), (7, verdicts(11, 2, 3))]);
        assert_eq!((list.get(7), list.get(1)), (Some(verdicts(11, 2, 3)), None));
        let mut sum: SloVerdicts =
            [(1, verdicts(5, 0, 0)), (u16::MAX, verdicts(0, 1, 0))].into_iter().collect();
        sum.merge(&list);
        sum.merge(&list);
        let want = [
            (0, verdicts(0, 0, 0)),
            (1, verdicts(5, 0, 0)),
            (7, verdicts(22, 4, 6)),
            (u16::MAX, verdicts(0, 1, 0)),
        ];
        assert_eq!(sum.iter().collect::<Vec<_>>(), want);
        let wire = postcard::to_stdvec(&sum).unwrap();
        assert_eq!(postcard::from_bytes::<SloVerdicts>(&wire).unwrap(), sum);
        let torn = postcard::to_stdvec(&Packed::from(&[0u8, 1, 2][..])).unwrap();
        assert!(postcard::from_bytes::<SloVerdicts>(&torn).is_err());
    }

    #[test]
    fn a_small_cell_is_small() {
        assert!(size_of::<Cell>() <= 216, "{}", size_of::<Cell>());
        let mut cell = Cell { requests: 5, statuses: [0, 0, 5, 0, 0, 0], ..Cell::default() };
        for v in [12_000, 14_500, 18_200, 95_000, 1_200_000] {
            cell.client_latency.record(v);
            cell.upstream_latency.record(v);
        }
        cell.slos = [(0, verdicts(5, 0, 0)), (1, verdicts(4, 1, 0))].into_iter().collect();
        assert_eq!(cell.bytes(), size_of::<Cell>());
    }

    #[test]
    fn quality_keeps_its_equation() {
        let mut q = Quality { lines: 3, records: 1, skipped: 1, ..Quality::default() };
        q.reject(Reason::Truncated, 1);
        let mut sum = q.clone();
        sum.merge(&Quality {
            lines: 2,
            rejects: vec![(Reason::Empty, 1), (Reason::Truncated, 1)],
            ..Quality::default()
        });
        assert_eq!(sum.rejects, [(Reason::Empty, 1), (Reason::Truncated, 2)]);
        assert_eq!(sum.lines, sum.records + sum.skipped + sum.rejected());
    }
}
