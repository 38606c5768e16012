//! What was read of a range of slices.
//!
//! Invariant: the highest revision of a slice says whether it is complete; the order of rows does not matter.

use super::sums::{Question, entry};
use crate::core::completeness::SILENT;
use crate::core::histogram::add;
use crate::core::time::Slice;
use crate::edges::sink::parquet::read::QualityView;
use std::collections::{BTreeMap, BTreeSet};

/// Source, topic and partition.
type Key = (String, String, i32);

/// What was read of the range.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct QualitySum {
    /// Slices that have a row.
    seen: BTreeSet<Slice>,
    /// Where a row is a revision or says incomplete: the highest revision by partition and slice. All
    /// others are complete.
    special: BTreeMap<Slice, BTreeMap<Key, (i64, Option<String>)>>,
    /// All partitions that any row is of.
    partitions: BTreeMap<String, BTreeMap<String, BTreeSet<i32>>>,
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
        entry(entry(&mut self.partitions, row.source), row.topic).insert(row.partition);
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
    fn keep(&mut self, slice: Slice, key: Key, found: (i64, Option<String>)) {
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
        for (source, topics) in other.partitions {
            let mine = entry(&mut self.partitions, &source);
            topics.into_iter().for_each(|(topic, numbers)| entry(mine, &topic).extend(numbers));
        }
        for (slice, partitions) in other.special {
            partitions.into_iter().for_each(|(key, found)| self.keep(slice, key, found));
        }
        self.totals([other.lines, other.rejected, other.late, other.gap_offsets]);
    }

    /// Whether the slice was read as far as budgets go: nothing of it was lost, and somebody said what was in it.
    pub(super) fn was_read(&self, slice: Slice) -> bool {
        if !self.seen.contains(&slice) {
            return false;
        }
        let Some(special) = self.special.get(&slice) else { return true };
        let mut silent = 0;
        for reason in special.values().filter_map(|(_, reason)| reason.as_deref()) {
            if reason != SILENT {
                return false;
            }
            silent += 1;
        }
        silent < self.partitions.values().flat_map(BTreeMap::values).map(BTreeSet::len).sum::<usize>()
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

    /// Of one partition, whole, in these slices.
    #[cfg(test)]
    pub(super) fn read(slices: impl IntoIterator<Item = i64>) -> QualitySum {
        let mut sum = QualitySum { seen: slices.into_iter().map(Slice).collect(), ..QualitySum::default() };
        entry(entry(&mut sum.partitions, "alb"), "logs").insert(0);
        sum
    }

    /// Slices that have a row.
    pub(super) fn slices(&self) -> u64 {
        self.seen.len() as u64
    }
}
