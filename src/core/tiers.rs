//! The coarser tables: rows of slices added up to hours and days, as they are cut.
//!
//! Invariant: of every hour (day) that a grain covers, the rows of the grain add up to the rows of its slices, cut by
//! cut, from the hour's first rows on. They are made of nothing but the rows of the slices, so what was counted once there is
//! counted once here. An open hour holds one row for each row that it will give, however many slices it has.

use crate::core::histogram::add;
use crate::core::ledger::Ledger;
use crate::core::rollup::{Coarse, Cut, RequestsRow, SliRow};
use crate::core::slices::sli_order;
use crate::core::time::{Grain, Slice, SliceLength, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// All grains that are on, or were.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Tiers {
    grains: Vec<Tier>,
}

/// How far a cut goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Until {
    /// The first slice of all, at the first cut, or the one up to which all had been cut before.
    pub from: Slice,
    /// Slices below this one have been cut.
    pub below: Slice,
    /// Whether open hours and days give their rows too: what comes for them later is a correction.
    pub forced: bool,
}

/// One grain.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
struct Tier {
    grain: Grain,
    /// Since when its rows hold all; None while it is off.
    on: Option<Since>,
    /// Hours `[from, below)` published before it was off: corrections still go there.
    before: Vec<(Option<Time>, Time)>,
    /// Columns that the open rows are broken down by.
    columns: Vec<Arc<str>>,
    /// The open hours' rows, ascending.
    requests: Vec<RequestsRow>,
    slis: Vec<SliRow>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Since {
    /// The first hour that it was on for from its beginning. None: all.
    from: Option<Time>,
    /// Hours that begin before this have given their first rows. None before the first cut.
    below: Option<Time>,
}

impl Tiers {
    /// Turns grains on and off. One that comes on holds what is cut from now on; `cut_to` is the end of what was cut,
    /// or is not counted here at all.
    pub fn configure(&mut self, wanted: &[Grain], cut_to: Option<Time>) {
        for grain in Grain::ALL {
            let on = wanted.contains(&grain);
            let known = self.grains.iter_mut().find(|tier| tier.grain == grain);
            match known {
                Some(tier) if on && tier.on.is_none() => tier.on = Some(Since::new(grain, cut_to)),
                Some(tier) if !on => tier.end(),
                None if on => {
                    let on = Some(Since::new(grain, cut_to));
                    let (before, columns) = (Vec::new(), Vec::new());
                    let (requests, slis) = (Vec::new(), Vec::new());
                    self.grains.push(Tier { grain, on, before, columns, requests, slis });
                    self.grains.sort_by_key(|tier| tier.grain);
                }
                _ => {}
            }
        }
    }

    /// Adds the rows of a cut, and gives it those of the hours and days that are over.
    pub fn cut(&mut self, cut: &mut Cut, until: Until, ledger: &Ledger) {
        for tier in &mut self.grains {
            let coarse = tier.cut(cut, until, ledger);
            if !(coarse.requests.is_empty() && coarse.slis.is_empty()) {
                cut.coarse.push(coarse);
            }
        }
    }

    /// How many rows are open.
    pub fn open(&self) -> usize {
        self.grains.iter().map(|tier| tier.requests.len() + tier.slis.len()).sum()
    }

    /// Bytes that the open rows take.
    pub fn bytes(&self) -> usize {
        let request = |row: &RequestsRow| {
            let latencies = row.client_latency.heap_bytes() + row.upstream_latency.heap_bytes();
            size_of::<RequestsRow>() + size_of_val(&*row.dimensions) + latencies
        };
        let of = |tier: &Tier| {
            tier.requests.iter().map(request).sum::<usize>() + tier.slis.len() * size_of::<SliRow>()
        };
        self.grains.iter().map(of).sum()
    }
}

impl Since {
    fn new(grain: Grain, cut_to: Option<Time>) -> Since {
        let from = cut_to.map(|time| grain.ceil(time));
        Since { from, below: from }
    }
}

/// Where a row of an hour goes.
enum Place {
    /// To the open ones.
    Open,
    /// Out at once.
    Late,
    /// Nowhere: the grain does not hold the hour.
    None,
}

impl Tier {
    fn cut(&mut self, cut: &Cut, until: Until, ledger: &Ledger) -> Coarse {
        let (grain, length) = (self.grain, cut.slice);
        let end = length.start(until.below);
        if let Some(on) = &mut self.on {
            on.below.get_or_insert(grain.floor(length.start(until.from)));
        }
        self.align(&cut.dimensions);
        let mut coarse = Coarse {
            grain,
            covers: self.on.map(|on| (on.from, grain.floor(end))),
            dimensions: self.columns.clone(),
            requests: Vec::new(),
            slis: Vec::new(),
        };
        // those that the hour's rows are added to, and those of hours that have given theirs
        let (mut requests, mut late_requests) = (Vec::<RequestsRow>::new(), Vec::new());
        // an hour's rows of one service mostly follow one another
        let of_one = |a: &RequestsRow, b: &RequestsRow| {
            grain.floor(a.slice_start) == grain.floor(b.slice_start)
                && (&a.service, &a.dimensions) == (&b.service, &b.dimensions)
        };
        for rows in cut.requests.chunk_by(of_one) {
            let Some((row, others)) = rows.split_first() else { continue };
            let slice_start = grain.floor(row.slice_start);
            let (into, revision) = match self.place(slice_start) {
                Place::Open => (&mut requests, 0),
                Place::Late => (&mut late_requests, cut.number),
                Place::None => continue,
            };
            let dimensions = placed(&self.columns, &cut.dimensions, &row.dimensions);
            let mut row = RequestsRow { dimensions, slice_start, revision, ..row.clone() };
            row.absorb_all(others);
            into.push(row);
        }
        let (mut slis, mut late_slis) = (Vec::<SliRow>::new(), Vec::new());
        let of_one = |a: &SliRow, b: &SliRow| {
            grain.floor(a.slice_start) == grain.floor(b.slice_start)
                && (&a.service, &a.slo, &a.group, a.generation)
                    == (&b.service, &b.slo, &b.group, b.generation)
        };
        for rows in cut.slis.chunk_by(of_one) {
            let Some((row, others)) = rows.split_first() else { continue };
            let slice_start = grain.floor(row.slice_start);
            let (into, revision) = match self.place(slice_start) {
                Place::Open => (&mut slis, 0),
                Place::Late => (&mut late_slis, cut.number),
                Place::None => continue,
            };
            let mut row = SliRow { slice_start, revision, ..row.clone() };
            others.iter().for_each(|other| row.absorb(other));
            into.push(row);
        }
        add_up(&mut self.requests, requests);
        add_up(&mut self.slis, slis);
        if let Some(on) = &mut self.on {
            let below = if until.forced { grain.ceil(end) } else { grain.floor(end) };
            let below = on.below.map_or(below, |known| known.max(below));
            on.below = Some(below);
            // ascending by hour first: what is over lies in front
            let over = self.requests.partition_point(|row| row.slice_start < below);
            coarse.requests.extend(self.requests.drain(..over));
            let over = self.slis.partition_point(|row| row.slice_start < below);
            coarse.slis.extend(self.slis.drain(..over));
        }
        add_up(&mut coarse.requests, late_requests);
        add_up(&mut coarse.slis, late_slis);
        for row in &mut coarse.slis {
            put_in_force(row, grain, length, until.below, ledger);
        }
        coarse.requests.sort_by(|a, b| published(a).cmp(&published(b)));
        coarse.slis.sort_by(|a, b| sli_order(a).cmp(&sli_order(b)));
        if self.requests.is_empty() {
            self.columns.clear();
        }
        coarse
    }

    /// Where a row of the hour that begins then goes.
    fn place(&self, start: Time) -> Place {
        let held = |from: Option<Time>| from.is_none_or(|from| from <= start);
        match self.on {
            Some(on) if held(on.from) && on.below.is_some_and(|below| start < below) => Place::Late,
            Some(on) if held(on.from) => Place::Open,
            _ if self.before.iter().any(|(from, below)| held(*from) && start < *below) => Place::Late,
            _ => Place::None,
        }
    }

    /// Turns it off. What is open is given up: its hours never get a row.
    fn end(&mut self) {
        let Some(on) = self.on.take() else { return };
        if let Some(below) = on.below.filter(|below| on.from.is_none_or(|from| from < *below)) {
            self.before.push((on.from, below));
        }
        (self.columns, self.requests, self.slis) = (Vec::new(), Vec::new(), Vec::new());
    }

    /// Makes room for the columns of a cut.
    fn align(&mut self, columns: &[Arc<str>]) {
        let known = self.columns.len();
        for column in columns {
            if !self.columns.contains(column) {
                self.columns.push(column.clone());
            }
        }
        if self.columns.len() > known {
            for row in &mut self.requests {
                let mut wider = std::mem::take(&mut row.dimensions).into_vec();
                wider.resize(self.columns.len(), None);
                row.dimensions = wider.into();
            }
        }
    }
}

/// A row's values in other columns than its own.
fn placed(columns: &[Arc<str>], own: &[Arc<str>], values: &[Option<Arc<str>>]) -> Box<[Option<Arc<str>>]> {
    let value = |column| values.get(own.iter().position(|c| c == column)?)?.clone();
    columns.iter().map(value).collect()
}

/// The order of published rows.
fn published(row: &RequestsRow) -> (&Arc<str>, Time, &[Option<Arc<str>>]) {
    (&row.service, row.slice_start, &row.dimensions)
}

/// The objective in force at the end of the hour or day, as far as slices have closed: corrections say the same as the
/// row that they correct, or what is in force since.
fn put_in_force(row: &mut SliRow, grain: Grain, length: SliceLength, below: Slice, ledger: &Ledger) {
    let end = row.slice_start.plus_seconds(grain.seconds());
    let last = Slice((length.slice(end).0 - 1).min(below.0 - 1));
    if let Some(definition) = ledger.defined(&row.service, &row.slo, row.generation, last) {
        (row.objective, row.window_s) = (definition.slo.objective, definition.window_s(last, length));
    }
}

/// A row that adds up with those of its key.
trait Sum {
    /// By hour first, so that what is over can be taken from the front.
    fn order(&self, other: &Self) -> std::cmp::Ordering;
    fn absorb(&mut self, more: &Self);
}

impl Sum for RequestsRow {
    fn order(&self, other: &RequestsRow) -> std::cmp::Ordering {
        let key = |row: &RequestsRow| (row.slice_start, row.revision);
        key(self).cmp(&key(other)).then_with(|| published(self).cmp(&published(other)))
    }

    fn absorb(&mut self, more: &RequestsRow) {
        RequestsRow::absorb(self, more);
    }
}

impl Sum for SliRow {
    fn order(&self, other: &SliRow) -> std::cmp::Ordering {
        let key = |row: &SliRow| (row.slice_start, row.revision, row.generation);
        key(self).cmp(&key(other)).then_with(|| sli_order(self).cmp(&sli_order(other)))
    }

    fn absorb(&mut self, more: &SliRow) {
        (self.good, self.bad) = (add(self.good, more.good), add(self.bad, more.bad));
        self.excluded = add(self.excluded, more.excluded);
        self.maintenance_good = add(self.maintenance_good, more.maintenance_good);
        self.maintenance_bad = add(self.maintenance_bad, more.maintenance_bad);
        // the later slice's; where its definition is still known it is put right as the row leaves
        (self.objective, self.window_s) = (more.objective, more.window_s);
    }
}

/// Adds rows to others, which are ascending, one of each key, and stay so. Rows that are there already take no memory.
fn add_up<R: Sum>(rows: &mut Vec<R>, mut more: Vec<R>) {
    more.sort_by(R::order);
    let (mut new, mut at) = (Vec::<R>::new(), 0);
    for row in more {
        while rows.get(at).is_some_and(|known| known.order(&row).is_lt()) {
            at += 1;
        }
        match (rows.get_mut(at), new.last_mut()) {
            (Some(known), _) if known.order(&row).is_eq() => known.absorb(&row),
            (_, Some(last)) if last.order(&row).is_eq() => last.absorb(&row),
            _ => new.push(row),
        }
    }
    if !new.is_empty() {
        rows.reserve_exact(new.len());
        rows.append(&mut new);
        rows.sort_by(R::order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decimal::Decimal;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn row((hour, service, good): (i64, u8, u64)) -> SliRow {
        SliRow {
            service: format!("s{service}").into(),
            slo: "availability".into(),
            group: None,
            slice_start: Time::from_seconds(hour * 3600),
            revision: 0,
            generation: 1,
            good,
            bad: 0,
            excluded: 0,
            maintenance_good: 0,
            maintenance_bad: 0,
            objective: Decimal::parse("99.9").expect("a number"),
            window_s: 0,
        }
    }

    proptest! {
        #[test]
        fn rows_of_one_key_add_up_in_any_portions(
            portions in proptest::collection::vec(proptest::collection::vec((0i64..3, 0u8..4, 1u64..9), 0..12), 0..6),
        ) {
            let mut rows = Vec::new();
            for portion in &portions {
                add_up(&mut rows, portion.iter().copied().map(row).collect());
            }
            let mut sums = BTreeMap::new();
            for (hour, service, good) in portions.into_iter().flatten() {
                *sums.entry((hour, service)).or_insert(0) += good;
            }
            let expected: Vec<SliRow> = sums.into_iter().map(|((hour, service), good)| row((hour, service, good))).collect();
            prop_assert_eq!(rows, expected);
        }
    }
}
