//! Breaking services down by dimensions: which combinations are kept apart, and what is said of the others.
//!
//! Invariant: whether a combination is kept apart is decided here, in the order of the journal. Every request that is
//! counted under `__other__` is counted once more in the account of a partition that it may have come from.

use super::{Engine, decides};
use crate::core::breakdown::KEPT_S;
use crate::core::ledger::Contributors;
use crate::core::packed_cell::PackedCell;
use crate::core::partial::{Cell, Chunk, Combination};
use crate::core::roster::ServiceId;
use crate::core::time::{Slice, SliceLength};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// Adds a cell to its combination; `folds` counts the requests that went to `__other__`, by slice.
    pub(super) fn break_down(
        &mut self,
        slice: Slice,
        (service, epoch, combination): (ServiceId, u32, &Combination),
        (cell, is_folded): (&Cell, bool),
        values_max: u32,
        folds: &mut BTreeMap<Slice, u64>,
    ) {
        let placed = self.breakdown.place(service, combination, (slice, cell.requests), values_max);
        if placed.is_other() {
            *folds.entry(slice).or_default() += cell.requests;
        }
        let splits = &mut self.slices.counts(slice).splits;
        PackedCell::add(splits.entry((service, epoch, placed)), cell, is_folded);
    }

    /// Spreads folded requests over the chunk's partitions, each as many as it had records in the slice at most. Cells
    /// do not tell partitions apart, so what a thread read together is told apart by order alone; the sum is exact.
    pub(super) fn account_for_folds(&mut self, folds: BTreeMap<Slice, u64>, chunk: &Chunk) {
        for (slice, mut left) in folds {
            for coverage in &chunk.coverage {
                let records = coverage.quality.iter().filter(|(of, _)| *of == Some(slice));
                let mine = left.min(records.map(|(_, quality)| quality.records).sum());
                if mine > 0 {
                    let key = self.account_key(&coverage.partition);
                    self.account(slice, &key).dimensions_folded += mine;
                    left -= mine;
                }
            }
        }
    }

    /// What brought the bad requests of a slice that waits, as far as its own configuration decided it.
    pub(super) fn contributors(&self, slice: Slice) -> Contributors {
        let deciding = self.configurations.iter().rev().find(|c| decides(&self.ledger, slice, c.epoch));
        let columns = deciding.map(|c| c.settings.dimension_columns()).unwrap_or_default();
        let mut contributors = Contributors::new(slice, columns);
        for ((service, epoch, combination), cell) in
            self.slices.waiting(slice).into_iter().flat_map(|w| &w.splits)
        {
            if deciding.is_some_and(|c| c.epoch == *epoch) {
                let service = &self.roster.service(*service).name;
                cell.slos().iter().for_each(|(slo, verdicts)| {
                    contributors.add(service, slo, combination, verdicts);
                });
            }
        }
        contributors
    }

    /// The columns of every configuration that has dimensions.
    pub(super) fn dimension_columns(&self) -> Vec<(u32, Vec<Arc<str>>)> {
        let columns = self.configurations.iter().map(|c| (c.epoch, c.settings.dimension_columns()));
        columns.filter(|(_, columns)| !columns.is_empty()).collect()
    }

    /// Forgets combinations that had no record for a day before `below`.
    pub(super) fn forget_combinations(&mut self, below: Slice, length: SliceLength) {
        let before = Slice(below.0 - KEPT_S / i64::from(length.0));
        let roster = &self.roster;
        self.breakdown.forget(before, || roster.iter().map(|(id, _)| id).collect());
    }
}
