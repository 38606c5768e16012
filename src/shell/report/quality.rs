//! What was read of a range of slices.
//!
//! Invariant: the highest revision of a slice says whether it is complete; the order of rows does not matter.

use super::sums::Question;
use crate::core::histogram::add;
use crate::core::time::Slice;
use crate::edges::sink::parquet::read::QualityView;
use std::collections::{BTreeMap, BTreeSet};

/// What was read of the range.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct QualitySum {
    /// Slices that have a row.
    seen: BTreeSet<Slice>,
    /// Where a row is a revision or says incomplete: the highest revision by partition and slice. All
    /// others are complete.
    special: BTreeMap<Slice, BTreeMap<(String, String, i32), (i64, Option<String>)>>,
    /// Lines read.
    pub(super) lines: u64,
    /// Lines that could not be read.
    pub(super) rejected: u64,
    /// Records that came after their slice had closed.
    pub(super) late: u64,
    /// Offsets lost.
    pub(super) gap_offsets: u64,
}

impl QualitySum {
    pub(super) fn add(&mut self, question: &Question, row: &QualityView<'_>) {
        let first = question.slice.slice(row.slice_start);
        let end = first.0.saturating_add(i64::try_from(row.slices.max(1)).unwrap_or(i64::MAX));
        let from = first.max(question.slice.slice(question.since));
        let to = Slice(end).min(question.slice.slice(question.until));
        for slice in (from.0..to.0).map(Slice) {
            self.seen.insert(slice);
            if row.incomplete.is_some() || row.revision > 0 {
                let key = (row.source.to_owned(), row.topic.to_owned(), row.partition);
                let found = (row.revision, row.incomplete.map(str::to_owned));
                self.keep(slice, key, found);
            }
        }
        if question.holds(row.slice_start) {
            self.totals([row.lines, row.rejected, row.late, row.gap_offsets]);
        }
    }

    /// Of two rows of the same revision (of two journals) the incomplete one is believed.
    fn keep(&mut self, slice: Slice, key: (String, String, i32), found: (i64, Option<String>)) {
        let kept = self.special.entry(slice).or_default().entry(key).or_insert_with(|| found.clone());
        if found > *kept {
            *kept = found;
        }
    }

    fn totals(&mut self, [lines, rejected, late, gap_offsets]: [u64; 4]) {
        (self.lines, self.rejected) = (add(self.lines, lines), add(self.rejected, rejected));
        (self.late, self.gap_offsets) = (add(self.late, late), add(self.gap_offsets, gap_offsets));
    }

    pub(super) fn merge(&mut self, other: QualitySum) {
        self.seen.extend(other.seen);
        for (slice, partitions) in other.special {
            partitions.into_iter().for_each(|(key, found)| self.keep(slice, key, found));
        }
        self.totals([other.lines, other.rejected, other.late, other.gap_offsets]);
    }

    /// How many slices have a row of every partition that says complete.
    pub(super) fn complete(&self) -> u64 {
        let incomplete = |slice: &&Slice| {
            self.special.get(slice).is_some_and(|p| p.values().any(|(_, reason)| reason.is_some()))
        };
        self.seen.iter().filter(|slice| !incomplete(slice)).count() as u64
    }

    /// Slices that are not complete, by reason; one with several counts for each.
    pub(super) fn reasons(&self) -> BTreeMap<&str, u64> {
        let mut reasons = BTreeMap::new();
        for partitions in self.special.values() {
            let mine: BTreeSet<&str> =
                partitions.values().filter_map(|(_, reason)| reason.as_deref()).collect();
            mine.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
        }
        reasons
    }

    /// Slices that have a row.
    pub(super) fn slices(&self) -> u64 {
        self.seen.len() as u64
    }
}
