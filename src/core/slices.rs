//! What is counted but not yet published: slices before their cut, and corrections after it.
//!
//! Invariant: a published row is never changed. A slice's first cut gives revision 0; whatever comes for
//! it later waits here as a correction and leaves with the next cut as one more row.

mod rows;

pub use rows::Border;
pub(crate) use rows::sli_order;

use crate::core::packed_cell::PackedCell;
use crate::core::partial::{Combination, Quality, Verdicts};
use crate::core::position::Partition;
use crate::core::roster::ServiceId;
use crate::core::time::Slice;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was read of one partition in one slice.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Account {
    /// Line counts.
    pub quality: Quality,
    /// Records that came after the slice had closed.
    pub late: u64,
    /// Records seen again and dropped.
    pub replayed: u64,
    /// Offsets lost.
    pub gap_offsets: u64,
    /// Requests counted under `__other__` in place of the values of their dimensions.
    pub dimensions_folded: u64,
    /// Why the slice is not complete, if it is not.
    pub incomplete: Option<Arc<str>>,
    /// How many slices this stands for.
    pub slices: u64,
}

impl Default for Account {
    fn default() -> Account {
        Account {
            quality: Quality::default(),
            late: 0,
            replayed: 0,
            gap_offsets: 0,
            dimensions_folded: 0,
            incomplete: None,
            slices: 1,
        }
    }
}

impl Account {
    /// Adds line counts that belong to no slice of their own.
    pub fn add(&mut self, unplaced: &Account) {
        self.quality.merge(&unplaced.quality);
        self.replayed += unplaced.replayed;
        self.gap_offsets += unplaced.gap_offsets;
    }
}

/// Service, epoch of the settings that decided, index of the SLO there, and its group.
pub type GroupKey = (ServiceId, u32, u16, Arc<str>);

/// One slice's counts.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct SliceCounts {
    /// By service and epoch of the settings that decided.
    pub cells: BTreeMap<(ServiceId, u32), PackedCell>,
    /// The same broken down, where there are dimensions; without verdicts. They add up to the cell.
    pub splits: BTreeMap<(ServiceId, u32, Combination), PackedCell>,
    /// Of SLOs with groups: by service, epoch, index of the SLO in the epoch's settings, and group.
    pub groups: BTreeMap<GroupKey, Verdicts>,
    /// By partition.
    pub accounts: BTreeMap<Partition, Account>,
}

impl SliceCounts {
    /// How many cells there are.
    fn len(&self) -> usize {
        self.cells.len() + self.splits.len()
    }
}

/// Slices waiting for their cut, and corrections to slices already cut.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Slices {
    waiting: BTreeMap<Slice, SliceCounts>,
    corrections: BTreeMap<Slice, SliceCounts>,
    /// Slices below this one have been cut.
    cut_below: Option<Slice>,
}

impl Slices {
    /// The counts that new facts of this slice go into.
    pub fn counts(&mut self, slice: Slice) -> &mut SliceCounts {
        let map = if self.is_cut(slice) { &mut self.corrections } else { &mut self.waiting };
        map.entry(slice).or_default()
    }

    /// The counts that leave with the next cut, whatever has been cut and closed.
    pub fn correction(&mut self, slice: Slice) -> &mut SliceCounts {
        self.corrections.entry(slice).or_default()
    }

    /// Whether the slice's first rows have left.
    pub fn is_cut(&self, slice: Slice) -> bool {
        self.cut_below.is_some_and(|below| slice < below)
    }

    /// The counts of a slice that waits, if there are any.
    pub fn waiting(&self, slice: Slice) -> Option<&SliceCounts> {
        self.waiting.get(&slice)
    }

    /// The first waiting slice from here on that holds a record.
    pub fn first_with_records(&self, from: Slice) -> Option<Slice> {
        self.waiting.range(from..).find(|(_, c)| !c.cells.is_empty()).map(|(s, _)| *s)
    }

    /// The first waiting slice from here on that holds anything.
    pub fn first_waiting(&self, from: Slice) -> Option<Slice> {
        self.waiting.range(from..).next().map(|(s, _)| *s)
    }

    /// The last waiting slice that holds a record.
    pub fn last_with_records(&self) -> Option<Slice> {
        self.waiting.iter().rev().find(|(_, c)| !c.cells.is_empty()).map(|(s, _)| *s)
    }

    /// The first slice of all: everything before it is a correction.
    pub fn begin(&mut self, first: Slice) {
        let later = self.waiting.split_off(&first);
        self.corrections = std::mem::replace(&mut self.waiting, later);
        self.cut_below = Some(first);
    }

    /// The services that anything waits for.
    pub fn services(&self) -> BTreeSet<ServiceId> {
        let counts = self.waiting.values().chain(self.corrections.values());
        counts.flat_map(|counts| counts.cells.keys().map(|(id, _)| *id)).collect()
    }

    /// The groups of SLOs that anything waits for.
    pub fn groups(&self) -> impl Iterator<Item = &GroupKey> {
        self.waiting.values().chain(self.corrections.values()).flat_map(|counts| counts.groups.keys())
    }

    /// How many cells wait in slices below this one.
    pub fn cells(&self, below: Slice) -> usize {
        self.waiting.range(..below).map(|(_, counts)| counts.len()).sum()
    }

    /// How many slices wait, corrections included.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.corrections.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.corrections.is_empty()
    }

    /// Slices below this one have been cut. None before the first slice.
    pub fn cut_below(&self) -> Option<Slice> {
        self.cut_below
    }
}
