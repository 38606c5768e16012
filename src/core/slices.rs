//! What is counted but not yet published: slices before their cut, and corrections after it.
//!
//! Invariant: a published row is never changed. A slice's first cut gives revision 0; whatever comes for
//! it later waits here as a correction and leaves with the next cut as one more row.

use crate::core::ledger::Ledger;
use crate::core::partial::{Cell, Quality};
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
            incomplete: None,
            slices: 1,
        }
    }
}

/// One slice's counts.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct SliceCounts {
    /// By service and epoch of the settings that decided.
    pub cells: BTreeMap<(ServiceId, u32), Cell>,
    /// By partition.
    pub accounts: BTreeMap<Partition, Account>,
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
        let cut = self.cut_below.is_some_and(|below| slice < below);
        let map = if cut { &mut self.corrections } else { &mut self.waiting };
        map.entry(slice).or_default()
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

    /// How many slices wait, corrections included.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.corrections.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.corrections.is_empty()
    }

    /// Turns every slice below `below`, and every correction, into the rows of one cut.
    /// None if there is no row to write.
    pub fn cut(&mut self, below: Slice, border: &Border, roster: &Roster, ledger: &Ledger) -> Option<Cut> {
        let later = self.waiting.split_off(&below);
        let closed = std::mem::replace(&mut self.waiting, later);
        let corrections = std::mem::take(&mut self.corrections);
        self.cut_below = self.cut_below.max(Some(below));
        if closed.is_empty() && corrections.is_empty() {
            return None;
        }
        let mut cut = Cut {
            number: border.number,
            watermark: border.watermark,
            slice: border.slice,
            position: border.position,
            requests: Vec::new(),
            slis: Vec::new(),
            quality: Vec::new(),
            rejects: Vec::new(),
        };
        let revised = corrections.into_iter().map(|(slice, counts)| (slice, border.number, counts));
        for (slice, revision, counts) in closed.into_iter().map(|(s, c)| (s, 0, c)).chain(revised) {
            let start = border.slice.start(slice);
            add_cells(&mut cut, slice, revision, counts.cells, roster, ledger);
            add_accounts(&mut cut, start, revision, counts.accounts);
        }
        cut.requests.sort_by(|a, b| (&a.service, a.slice_start).cmp(&(&b.service, b.slice_start)));
        cut.slis.sort_by(|a, b| sli_order(a).cmp(&sli_order(b)));
        cut.quality.sort_by(|a, b| (&a.partition, a.slice_start).cmp(&(&b.partition, b.slice_start)));
        cut.rejects.sort_by(|a, b| {
            (&a.partition, a.slice_start, a.reason).cmp(&(&b.partition, b.slice_start, b.reason))
        });
        Some(cut)
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
}

fn sli_order(row: &SliRow) -> (&Arc<str>, &Arc<str>, Time, u32) {
    (&row.service, &row.slo, row.slice_start, row.generation)
}

fn add_cells(
    cut: &mut Cut,
    slice: Slice,
    revision: u64,
    cells: BTreeMap<(ServiceId, u32), Cell>,
    roster: &Roster,
    ledger: &Ledger,
) {
    let first = cut.requests.len();
    let slice_start = cut.slice.start(slice);
    let configuration = ledger.configuration(slice);
    for ((id, epoch), cell) in cells {
        let service = roster.service(id).name.clone();
        let deciding = configuration.filter(|c| c.epoch == epoch);
        for (index, v) in cell.slos.iter().filter(|(_, v)| v.good + v.bad + v.excluded > 0) {
            let Some(definition) = deciding.and_then(|c| c.definitions.get(index as usize)) else { continue };
            cut.slis.push(SliRow {
                service: service.clone(),
                slo: definition.slo.name.clone(),
                slice_start,
                revision,
                generation: definition.generation,
                good: v.good,
                bad: v.bad,
                excluded: v.excluded,
                objective: definition.slo.objective,
                window_s: definition.slo.window_s,
            });
        }
        // Cells of one service under two configurations make one row: requests do not depend on them.
        match cut.requests[first..].last_mut() {
            Some(row) if row.service == service => add_to(row, cell),
            _ => cut.requests.push(requests_row(service, slice_start, revision, cell)),
        }
    }
}

fn requests_row(service: Arc<str>, slice_start: Time, revision: u64, cell: Cell) -> RequestsRow {
    RequestsRow {
        service,
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
    row.requests += cell.requests;
    for (mine, theirs) in row.statuses.iter_mut().zip(cell.statuses) {
        *mine += theirs;
    }
    row.client_gone += cell.client_gone;
    row.bytes_received += cell.bytes_received;
    row.bytes_sent += cell.bytes_sent;
    row.client_latency.merge(&cell.client_latency);
    row.upstream_latency.merge(&cell.upstream_latency);
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
        });
    }
}
