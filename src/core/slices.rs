//! What is counted but not yet published: slices before their cut, and corrections after it.
//!
//! Invariant: a published row is never changed. A slice's first cut gives revision 0; whatever comes for
//! it later waits here as a correction and leaves with the next cut as one more row.

use crate::core::ledger::{Definition, Ledger};
use crate::core::packed_cell::PackedCell;
use crate::core::partial::{Cell, Combination, Quality, Verdicts};
use crate::core::position::Partition;
use crate::core::rollup::{Cut, QualityRow, RejectsRow, RequestsRow, SliRow};
use crate::core::roster::{Roster, ServiceId};
use crate::core::time::{Slice, SliceLength, Time};
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

    /// Turns every slice below `below`, and every correction, into the rows of one cut. Before the first slice: the
    /// corrections alone.
    pub fn cut(&mut self, below: Slice, border: &Border, roster: &Roster, ledger: &Ledger) -> Cut {
        let below = self.cut_below.map_or(Slice(i64::MIN), |cut| cut.max(below));
        let later = self.waiting.split_off(&below);
        let closed = std::mem::replace(&mut self.waiting, later);
        let corrections = std::mem::take(&mut self.corrections);
        self.cut_below = self.cut_below.map(|_| below);
        let mut cut = Cut {
            number: border.number,
            watermark: border.watermark,
            slice: border.slice,
            position: border.position,
            dimensions: columns(closed.values().chain(corrections.values()), &border.dimensions),
            requests: Vec::new(),
            slis: Vec::new(),
            quality: Vec::new(),
            rejects: Vec::new(),
            coarse: Vec::new(),
            budgets: Vec::new(),
        };
        let cells: usize = closed.values().chain(corrections.values()).map(SliceCounts::len).sum();
        let mut done = 0;
        let revised = corrections.into_iter().map(|(slice, counts)| (slice, border.number, counts));
        for (slice, revision, counts) in closed.into_iter().map(|(s, c)| (s, 0, c)).chain(revised) {
            let start = border.slice.start(slice);
            let at = (slice, revision);
            let is_first = done == 0;
            done += counts.len();
            add_groups(&mut cut, at, counts.groups, (roster, ledger));
            add_cells(&mut cut, at, counts.cells, counts.splits, (border, roster, ledger));
            add_accounts(&mut cut, start, revision, counts.accounts);
            if is_first && done > 0 {
                // Rows that have to move to a larger place would be in both meanwhile: cells give about as many each.
                let more = |rows: usize| rows * (cells - done) / done;
                cut.requests.reserve_exact(more(cut.requests.len()));
                cut.slis.reserve_exact(more(cut.slis.len()));
            }
        }
        cut.requests.sort_by(|a, b| (&a.service, a.slice_start).cmp(&(&b.service, b.slice_start)));
        cut.slis.sort_by(|a, b| sli_order(a).cmp(&sli_order(b)));
        cut.quality.sort_by(|a, b| (&a.partition, a.slice_start).cmp(&(&b.partition, b.slice_start)));
        cut.rejects.sort_by(|a, b| {
            (&a.partition, a.slice_start, a.reason).cmp(&(&b.partition, b.slice_start, b.reason))
        });
        cut
    }
}

/// What names a cut.
pub struct Border {
    /// Its number.
    pub number: u64,
    /// The watermark that made it.
    pub watermark: Time,
    /// Length of the slices.
    pub slice: SliceLength,
    /// Position in the journal.
    pub position: u64,
    /// Columns of the dimensions, by epoch of the settings that have any, ascending.
    pub dimensions: Vec<(u32, Vec<Arc<str>>)>,
}

/// The order of published rows.
pub(crate) fn sli_order(row: &SliRow) -> (&Arc<str>, &Arc<str>, &Option<Arc<str>>, Time, u32) {
    (&row.service, &row.slo, &row.group, row.slice_start, row.generation)
}

/// All columns that any of these counts is broken down by: those of the oldest settings first.
fn columns<'a>(
    counts: impl Iterator<Item = &'a SliceCounts>,
    dimensions: &[(u32, Vec<Arc<str>>)],
) -> Vec<Arc<str>> {
    let epochs: BTreeSet<u32> = counts.flat_map(|c| c.splits.keys().map(|(_, epoch, _)| *epoch)).collect();
    let mut all: Vec<Arc<str>> = Vec::new();
    for (_, columns) in dimensions.iter().filter(|(epoch, _)| epochs.contains(epoch)) {
        let new = columns.iter().filter(|c| !all.contains(c)).cloned().collect::<Vec<_>>();
        all.extend(new);
    }
    all
}

/// A combination's values in the columns of a cut.
fn placed(
    columns: &[Arc<str>],
    epoch: u32,
    combination: &Combination,
    dimensions: &[(u32, Vec<Arc<str>>)],
) -> Box<[Option<Arc<str>>]> {
    let own = dimensions.iter().find(|(e, _)| *e == epoch).map_or(&[][..], |(_, own)| own);
    let value = |column| combination.values().get(own.iter().position(|c| c == column)?)?.clone();
    columns.iter().map(value).collect()
}

/// Rows of SLOs with groups, one for each group that had requests.
fn add_groups(
    cut: &mut Cut,
    at: (Slice, u64),
    groups: BTreeMap<GroupKey, Verdicts>,
    (roster, ledger): (&Roster, &Ledger),
) {
    let configuration = ledger.configuration(at.0);
    for ((id, epoch, slo, group), v) in groups {
        let deciding = configuration.filter(|c| c.epoch == epoch);
        let Some(definition) = deciding.and_then(|c| c.definitions.get(usize::from(slo))) else { continue };
        let service = &roster.service(id).name;
        let excluded = deciding.is_some_and(|c| c.is_excluded(at.0, service, definition, cut.slice));
        cut.slis.push(sli_row((service, Some(group)), definition, at, (v, excluded), cut.slice));
    }
}

fn sli_row(
    (service, group): (&Arc<str>, Option<Arc<str>>),
    definition: &Definition,
    (slice, revision): (Slice, u64),
    (verdicts, is_excluded): (Verdicts, bool),
    length: SliceLength,
) -> SliRow {
    let maintenance = if is_excluded { verdicts } else { Verdicts::default() };
    SliRow {
        service: service.clone(),
        slo: definition.slo.name.clone(),
        group,
        slice_start: length.start(slice),
        revision,
        generation: definition.generation,
        good: verdicts.good,
        bad: verdicts.bad,
        excluded: verdicts.excluded,
        maintenance_good: maintenance.good,
        maintenance_bad: maintenance.bad,
        objective: definition.slo.objective,
        window_s: definition.window_s(slice, length),
    }
}

fn add_cells(
    cut: &mut Cut,
    (slice, revision): (Slice, u64),
    cells: BTreeMap<(ServiceId, u32), PackedCell>,
    splits: BTreeMap<(ServiceId, u32, Combination), PackedCell>,
    (border, roster, ledger): (&Border, &Roster, &Ledger),
) {
    let first = cut.requests.len();
    let slice_start = cut.slice.start(slice);
    let configuration = ledger.configuration(slice);
    let mut splits = splits.into_iter().peekable();
    for ((id, epoch), cell) in cells {
        let cell = cell.cell();
        let service = roster.service(id).name.clone();
        let deciding = configuration.filter(|c| c.epoch == epoch);
        for (index, v) in cell.slos.iter().filter(|(_, v)| v.good + v.bad + v.excluded > 0) {
            let Some(definition) = deciding.and_then(|c| c.definitions.get(index as usize)) else { continue };
            let excluded = deciding.is_some_and(|c| c.is_excluded(slice, &service, definition, cut.slice));
            cut.slis.push(sli_row((&service, None), definition, (slice, revision), (v, excluded), cut.slice));
        }
        let row = |dimensions, cell| requests_row(service.clone(), dimensions, (slice_start, revision), cell);
        let mut whole = true;
        while let Some(((_, _, combination), part)) =
            splits.next_if(|((of, under, _), _)| (*of, *under) == (id, epoch))
        {
            whole = false;
            cut.requests
                .push(row(placed(&cut.dimensions, epoch, &combination, &border.dimensions), part.cell()));
        }
        // counters of other systems alone are no requests
        if !whole || cell.requests == 0 {
            continue;
        }
        // Cells of one service under two configurations make one row: requests do not depend on them.
        match cut.requests[first..].last_mut() {
            Some(row) if row.service == service && cut.dimensions.is_empty() => add_to(row, cell),
            _ => cut.requests.push(row(vec![None; cut.dimensions.len()].into(), cell)),
        }
    }
    if !cut.dimensions.is_empty() {
        let mut rows = cut.requests.split_off(first);
        rows.sort_by(|a, b| (&a.service, &a.dimensions).cmp(&(&b.service, &b.dimensions)));
        for row in rows {
            match cut.requests[first..].last_mut() {
                Some(last) if (&last.service, &last.dimensions) == (&row.service, &row.dimensions) => {
                    last.absorb(&row);
                }
                _ => cut.requests.push(row),
            }
        }
    }
}

fn requests_row(
    service: Arc<str>,
    dimensions: Box<[Option<Arc<str>>]>,
    (slice_start, revision): (Time, u64),
    cell: Cell,
) -> RequestsRow {
    RequestsRow {
        service,
        dimensions,
        slice_start,
        revision,
        requests: cell.requests,
        statuses: cell.statuses,
        client_gone: cell.client_gone,
        bytes_received: cell.bytes_received,
        bytes_sent: cell.bytes_sent,
        client_latency: cell.client_latency,
        upstream_latency: cell.upstream_latency,
    }
}

fn add_to(row: &mut RequestsRow, cell: Cell) {
    let more = requests_row(row.service.clone(), Box::default(), (row.slice_start, row.revision), cell);
    row.absorb(&more);
}

fn add_accounts(cut: &mut Cut, slice_start: Time, revision: u64, accounts: BTreeMap<Partition, Account>) {
    for (partition, account) in accounts {
        for (reason, lines) in &account.quality.rejects {
            cut.rejects.push(RejectsRow {
                partition: partition.clone(),
                slice_start,
                revision,
                reason: reason.name(),
                lines: *lines,
            });
        }
        cut.quality.push(QualityRow {
            partition,
            slice_start,
            revision,
            slices: account.slices,
            complete: account.incomplete.is_none(),
            reason: account.incomplete,
            lines: account.quality.lines,
            records: account.quality.records,
            skipped: account.quality.skipped,
            rejected: account.quality.rejected(),
            late: account.late,
            replayed: account.replayed,
            gap_offsets: account.gap_offsets,
            dimensions_folded: account.dimensions_folded,
            duplicates_estimated: account.quality.ids.map(|ids| ids.repeats()),
            duplicates_dropped: account.quality.dropped,
        });
    }
}
