//! The rows of a cut, made of what was counted in its slices.
//!
//! Invariant: rows are made in the order in which they are published, service by service, and never moved; what was counted
//! of a service goes as its rows come.

use super::{Account, GroupKey, SliceCounts, Slices};
use crate::core::ledger::Ledger;
use crate::core::packed_cell::PackedCell;
use crate::core::partial::{Cell, Combination, Verdicts};
use crate::core::position::Partition;
use crate::core::rollup::{Cut, QualityRow, RejectsRow, RequestsRow, SliRow};
use crate::core::roster::{Roster, ServiceId};
use crate::core::time::{Slice, SliceLength, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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

impl Slices {
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
        let mut counted = Counted::new(roster);
        let revised = corrections.into_iter().map(|(slice, counts)| (slice, border.number, counts));
        for (slice, revision, counts) in closed.into_iter().map(|(s, c)| (s, 0, c)).chain(revised) {
            counted.take((slice, revision), counts.cells, counts.splits, counts.groups);
            add_accounts(&mut cut, border.slice.start(slice), revision, counts.accounts);
        }
        counted.give_rows(&mut cut, border, ledger);
        cut.quality.sort_by(|a, b| (&a.partition, a.slice_start).cmp(&(&b.partition, b.slice_start)));
        cut.rejects.sort_by(|a, b| {
            (&a.partition, a.slice_start, a.reason).cmp(&(&b.partition, b.slice_start, b.reason))
        });
        cut
    }
}

/// The order of published rows.
pub(crate) fn sli_order(row: &SliRow) -> (&Arc<str>, &Arc<str>, &Option<Arc<str>>, Time, u32) {
    (&row.service, &row.slo, &row.group, row.slice_start, row.generation)
}

/// Place of the service among all by name, slice, revision, and epoch of the settings that decided.
type Key = (u32, Slice, u64, u32);

/// What the slices of a cut hold.
struct Counted<'a> {
    /// By name.
    services: Vec<&'a Arc<str>>,
    /// Where each of them stands there.
    places: BTreeMap<ServiceId, u32>,
    cells: Vec<(Key, PackedCell)>,
    splits: Vec<(Key, Combination, PackedCell)>,
    /// With the index of the SLO in the epoch's settings.
    groups: Vec<(Key, (u16, Arc<str>), Verdicts)>,
}

impl<'a> Counted<'a> {
    fn new(roster: &'a Roster) -> Counted<'a> {
        let places = roster.by_name().zip(0..).map(|((id, _), place)| (id, place)).collect();
        let services = roster.by_name().map(|(_, name)| name).collect();
        Counted { services, places, cells: Vec::new(), splits: Vec::new(), groups: Vec::new() }
    }

    /// Takes what one slice holds.
    fn take(
        &mut self,
        (slice, revision): (Slice, u64),
        cells: BTreeMap<(ServiceId, u32), PackedCell>,
        splits: BTreeMap<(ServiceId, u32, Combination), PackedCell>,
        groups: BTreeMap<GroupKey, Verdicts>,
    ) {
        let places = &self.places;
        let key = |id: ServiceId, epoch| (places[&id], slice, revision, epoch);
        self.cells.extend(cells.into_iter().map(|((id, epoch), cell)| (key(id, epoch), cell)));
        self.splits.extend(splits.into_iter().map(|((id, epoch, of), cell)| (key(id, epoch), of, cell)));
        let groups = groups.into_iter().map(|((id, epoch, slo, group), v)| (key(id, epoch), (slo, group), v));
        self.groups.extend(groups);
    }

    fn give_rows(mut self, cut: &mut Cut, border: &Border, ledger: &Ledger) {
        self.cells.sort_unstable_by_key(|(key, _)| *key);
        self.splits.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        self.groups.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        // rows that had to move to a larger place would be in both meanwhile
        cut.requests.reserve_exact(self.cells.len() + self.splits.len());
        let slis: usize = self.cells.iter().map(|(_, cell)| cell.slos().iter().count()).sum();
        cut.slis.reserve_exact(slis + self.groups.len());
        let mut cells = self.cells.into_iter().peekable();
        let mut splits = self.splits.into_iter().peekable();
        let mut groups = self.groups.into_iter().peekable();
        let mut rows: Vec<RequestsRow> = Vec::new();
        for (place, service) in (0..).zip(self.services) {
            let first = cut.slis.len();
            while let Some((key, (slo, group), verdicts)) = groups.next_if(|(key, ..)| key.0 == place) {
                cut.slis.extend(sli_row((service, Some(group)), slo, verdicts, key, (border, ledger)));
            }
            while let Some((key, cell)) = cells.next_if(|(key, _)| key.0 == place) {
                let cell = cell.cell();
                for (slo, verdicts) in cell.slos.iter().filter(|(_, v)| v.good + v.bad + v.excluded > 0) {
                    cut.slis.extend(sli_row((service, None), slo, verdicts, key, (border, ledger)));
                }
                let mut whole = true;
                while let Some((_, combination, part)) = splits.next_if(|(of, ..)| *of == key) {
                    whole = false;
                    let values = placed(&cut.dimensions, key.3, &combination, &border.dimensions);
                    rows.push(requests_row(service, values, key, part.cell(), border));
                }
                // counters of other systems alone are no requests
                if whole && cell.requests > 0 {
                    let values = vec![None; cut.dimensions.len()].into();
                    rows.push(requests_row(service, values, key, cell, border));
                }
            }
            cut.slis[first..].sort_by(|a, b| sli_order(a).cmp(&sli_order(b)));
            add_rows(&mut cut.requests, &mut rows);
        }
    }
}

/// Adds the rows of one service. Those of one slice under two configurations make one row: requests do not depend on them.
fn add_rows(all: &mut Vec<RequestsRow>, rows: &mut Vec<RequestsRow>) {
    fn key(row: &RequestsRow) -> (Time, u64, &[Option<Arc<str>>]) {
        (row.slice_start, row.revision, &row.dimensions)
    }
    let first = all.len();
    rows.sort_by(|a, b| key(a).cmp(&key(b)));
    for row in rows.drain(..) {
        match all[first..].last_mut() {
            Some(last) if key(last) == key(&row) => last.absorb(&row),
            _ => all.push(row),
        }
    }
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

/// None where the epoch's settings are not those that decide the slice.
fn sli_row(
    (service, group): (&Arc<str>, Option<Arc<str>>),
    slo: u16,
    verdicts: Verdicts,
    (_, slice, revision, epoch): Key,
    (border, ledger): (&Border, &Ledger),
) -> Option<SliRow> {
    let deciding = ledger.configuration(slice).filter(|c| c.epoch == epoch)?;
    let definition = deciding.definitions.get(usize::from(slo))?;
    let is_excluded = deciding.is_excluded(slice, service, definition, border.slice);
    let maintenance = if is_excluded { verdicts } else { Verdicts::default() };
    Some(SliRow {
        service: service.clone(),
        slo: definition.slo.name.clone(),
        group,
        slice_start: border.slice.start(slice),
        revision,
        generation: definition.generation,
        good: verdicts.good,
        bad: verdicts.bad,
        excluded: verdicts.excluded,
        maintenance_good: maintenance.good,
        maintenance_bad: maintenance.bad,
        objective: definition.slo.objective,
        window_s: definition.window_s(slice, border.slice),
    })
}

fn requests_row(
    service: &Arc<str>,
    dimensions: Box<[Option<Arc<str>>]>,
    (_, slice, revision, _): Key,
    cell: Cell,
    border: &Border,
) -> RequestsRow {
    RequestsRow {
        service: service.clone(),
        dimensions,
        slice_start: border.slice.start(slice),
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
