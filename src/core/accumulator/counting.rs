//! The configurations in force and the cells that they decide: where a record goes once it is read.
//!
//! Invariant: a record is counted in one cell, of its own slice, by the configuration of that slice.

use super::AHEAD_MAX_S;
use super::cells::{Cells, Key};
use super::slot::SlotState;
use super::tallies::{self, Tallies};
use crate::core::partial::{Cell, Combination, SloVerdicts};
use crate::core::record::{Fields, Outcome, Reason, Record};
use crate::core::route::Router;
use crate::core::service::{Classifier, GroupId, Groups, ServiceId, ServiceName, ServiceResolver};
use crate::core::settings::NONE;
use crate::core::time::{SECOND_US, Slice, SliceLength, Time};
use std::sync::Arc;

/// A configuration and its resolver.
#[derive(Debug)]
struct Epoch {
    number: u32,
    from: Option<Slice>,
    /// No longer configured; kept until its cells are flushed.
    retired: bool,
    resolver: ServiceResolver,
    /// Where there are dimensions.
    groups: Option<Groups>,
    /// By field that SLOs have groups by.
    per: Box<[Groups]>,
    /// Where anything looks at routes.
    router: Option<Router>,
    fields: Fields,
    /// By service: the span in which it was last met.
    met: Vec<u64>,
}

/// The slice of the last record, so that most records need no division.
#[derive(Clone, Copy, Debug)]
struct Recent {
    start: Time,
    end: Time,
    slice: Slice,
    epoch: u32,
}

/// Nowhere: no time lies in it.
const NOWHERE: Recent = Recent { start: Time(0), end: Time(0), slice: Slice(0), epoch: 0 };

/// What was counted between two flushes, as a chunk has it.
pub(super) struct Counted {
    pub(super) services: Vec<ServiceName>,
    pub(super) cells: Vec<(u32, Slice, u32, Cell)>,
    pub(super) combinations: Vec<Combination>,
    pub(super) split: Vec<u32>,
    pub(super) groups: Vec<Arc<str>>,
    pub(super) grouped: Vec<(u32, Slice, u32, u32, SloVerdicts)>,
}

/// A cell's place in a chunk: its fields are in the order that cells are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    /// Number of the epoch.
    number: u32,
    slice: Slice,
    /// Index of its name.
    service: u32,
    /// Number of its combination, from 1; 0 without.
    combination: u32,
    /// Index of the cell.
    cell: usize,
    /// Index of the epoch.
    epoch: u32,
}

/// The counts of one thread between two flushes.
#[derive(Debug)]
pub(super) struct Counting {
    ingest_services_max: u32,
    length: SliceLength,
    epochs: Vec<Epoch>,
    /// Indexes of the configured epochs by the slice they begin with.
    order: Vec<u32>,
    wanted: Fields,
    /// Whether any of them names routes.
    routes: bool,
    recent: Recent,
    cells: Cells,
    tallies: Tallies,
    /// Number of the span between two flushes.
    span: u64,
    /// Template-made services met in this span.
    made: u32,
}

impl Counting {
    pub(super) fn new(ingest_services_max: u32, length: SliceLength) -> Counting {
        Counting {
            ingest_services_max,
            length,
            epochs: Vec::new(),
            order: Vec::new(),
            wanted: Fields::NONE,
            routes: false,
            recent: NOWHERE,
            cells: Cells::default(),
            tallies: Tallies::default(),
            span: 1,
            made: 0,
        }
    }

    /// The fields that the configurations look at.
    #[inline(always)]
    pub(super) fn wanted(&self) -> Fields {
        self.wanted
    }

    /// See [`super::Accumulator::configure`].
    pub(super) fn configure(&mut self, configurations: Vec<(Option<Slice>, u32, Arc<Classifier>)>) {
        self.epochs.iter_mut().for_each(|epoch| epoch.retired = true);
        for (from, number, classifier) in configurations {
            match self.epochs.iter_mut().find(|epoch| epoch.number == number) {
                Some(epoch) => (epoch.from, epoch.retired) = (from, false),
                None => self.epochs.push(Epoch {
                    number,
                    from,
                    retired: false,
                    resolver: ServiceResolver::new(&classifier),
                    groups: Groups::new(&classifier),
                    per: Groups::per(&classifier),
                    router: classifier.router(),
                    fields: classifier.fields(),
                    met: Vec::new(),
                }),
            }
        }
        if self.cells.len() == 0 {
            self.epochs.retain(|epoch| !epoch.retired);
        }
        self.arrange();
    }

    /// Works out the order of the epochs and the fields they need.
    fn arrange(&mut self) {
        let configured = |i: &u32| !self.epochs[*i as usize].retired;
        self.order = (0..self.epochs.len() as u32).filter(configured).collect();
        self.order.sort_by_key(|i| (self.epochs[*i as usize].from, self.epochs[*i as usize].number));
        let fields = self.order.iter().map(|i| self.epochs[*i as usize].fields);
        self.wanted = fields.fold(Fields::NONE, Fields::union);
        self.routes = self.order.iter().any(|i| self.epochs[*i as usize].router.is_some());
        self.recent = NOWHERE;
    }

    /// Whether records need [`Counting::routed_record`].
    #[inline(always)]
    pub(super) fn routes(&self) -> bool {
        self.routes
    }

    /// Counts one record.
    #[inline]
    pub(super) fn record(&mut self, state: &mut SlotState, record: &Record<'_>, clock: Time) -> Outcome {
        match self.place(state, record, clock) {
            Ok(Recent { slice, epoch, .. }) => self.add(slice, epoch, record),
            Err(outcome) => outcome,
        }
    }

    /// The same, with the route that its own slice's configuration gives; `scratch` holds it.
    pub(super) fn routed_record<'r>(
        &mut self,
        state: &mut SlotState,
        record: &mut Record<'r>,
        scratch: &'r mut Vec<u8>,
        clock: Time,
    ) -> Outcome {
        match self.place(state, record, clock) {
            Ok(Recent { slice, epoch, .. }) => {
                if let Some(router) = &mut self.epochs[epoch as usize].router {
                    router.fill(record, scratch);
                }
                self.add(slice, epoch, record)
            }
            Err(outcome) => outcome,
        }
    }

    /// Counts what another system has counted.
    #[inline(never)]
    pub(super) fn counters(&mut self, state: &mut SlotState, record: &Record<'_>, clock: Time) -> Outcome {
        let Some(Recent { slice, epoch, .. }) = self.recent(record.time, clock) else {
            return state.reject(Reason::TimeOutOfRange);
        };
        let of = &mut self.epochs[epoch as usize];
        let Some(counters) = of.resolver.counters(record) else { return state.reject(Reason::UnknownSlo) };
        let group = match &of.groups {
            None => GroupId(counters.service.0),
            Some(_) => GroupId::whole(counters.service),
        };
        let key = Key { epoch, slice, group };
        let cell = self.cells.find(key).unwrap_or_else(|| self.open(key, counters.service));
        let resolver = &self.epochs[epoch as usize].resolver;
        if !self.cells.is_of(cell, counters.service) {
            return state.reject(Reason::UnknownSlo);
        }
        if !state.record(record, slice) {
            return Outcome::Skipped;
        }
        self.cells.tally(cell, &counters, resolver);
        Outcome::Record
    }

    /// The slice of a record that counts, and the configuration that decides there.
    #[inline(always)]
    fn place(&mut self, state: &mut SlotState, record: &Record<'_>, clock: Time) -> Result<Recent, Outcome> {
        let Some(recent) = self.recent(record.time, clock) else {
            return Err(state.reject(Reason::TimeOutOfRange));
        };
        if state.record(record, recent.slice) { Ok(recent) } else { Err(Outcome::Skipped) }
    }

    /// The slice of a time and the configuration that decides there. None: no record is of that time.
    #[inline(always)]
    fn recent(&mut self, time: Time, clock: Time) -> Option<Recent> {
        if time < Time::Y2000 || time > clock.plus_seconds(AHEAD_MAX_S) {
            return None;
        }
        if time < self.recent.start || time >= self.recent.end {
            self.recent = find_recent(self.length, &self.epochs, &self.order, time);
        }
        Some(self.recent)
    }

    #[inline(always)]
    fn add(&mut self, slice: Slice, epoch: u32, record: &Record<'_>) -> Outcome {
        let of = &mut self.epochs[epoch as usize];
        let service = of.resolver.resolve(record);
        let group = match &mut of.groups {
            None => GroupId(service.0),
            Some(groups) => groups.group(service, record),
        };
        let key = Key { epoch, slice, group };
        let cell = match self.cells.find(key) {
            Some(cell) => cell,
            None => self.open(key, service),
        };
        let of = &mut self.epochs[epoch as usize];
        self.cells.count(cell, record, &of.resolver);
        if !of.per.is_empty() {
            let service = self.cells.service(cell);
            for grouped in &of.resolver.service(service).grouped {
                let groups = &mut of.per[usize::from(grouped.per)];
                let group = groups.group(service, record);
                let mut key = tallies::Key { epoch, per: grouped.per, slice, group };
                let tally = match self.tallies.find(key) {
                    Some(tally) => tally,
                    None => {
                        key.group = groups.admit(group, service, self.span);
                        self.tallies.open(key, service, grouped.slos.len())
                    }
                };
                self.tallies.count(tally, grouped, record, &of.resolver);
            }
        }
        Outcome::Record
    }

    /// The cell of a service that has none in this slice yet; the one of `__other__` where the span has
    /// met as many template-made services, or combinations of the service, as it may.
    #[inline(never)]
    fn open(&mut self, mut key: Key, mut service: ServiceId) -> usize {
        let epoch = &mut self.epochs[key.epoch as usize];
        if !epoch.resolver.service(service).name.named {
            let i = service.0 as usize;
            if epoch.met.len() <= i {
                epoch.met.resize(epoch.resolver.len().max(i + 1), 0);
            }
            if epoch.met[i] != self.span {
                if self.made >= self.ingest_services_max {
                    service = ServiceId::OTHER;
                } else {
                    epoch.met[i] = self.span;
                    self.made += 1;
                }
            }
        }
        key.group = match &mut epoch.groups {
            None => GroupId(service.0),
            Some(_) if key.group.is_whole() => GroupId::whole(service),
            Some(groups) => groups.admit(key.group, service, self.span),
        };
        let of = epoch.resolver.service(service);
        let slos = of.slos.len() + of.external.len();
        match self.cells.find(key) {
            Some(cell) => cell,
            None => self.cells.open(key, service, slos),
        }
    }

    /// Hands out everything counted, in the order of a chunk, and starts over.
    pub(super) fn flush(&mut self) -> Counted {
        let (services, combinations, order) = self.name();
        let (groups, grouped) = self.name_groups(&services);
        let mut cells = Vec::with_capacity(order.len());
        let mut split = Vec::new();
        for Placed { number, slice, service, combination, cell, epoch } in order {
            cells.push((
                number,
                slice,
                service,
                self.cells.pack(cell, &self.epochs[epoch as usize].resolver),
            ));
            if !combinations.is_empty() {
                split.push(combination);
            }
        }
        self.cells.clear();
        self.tallies.clear();
        self.span += 1;
        self.made = 0;
        for epoch in &mut self.epochs {
            let trimmed = epoch.resolver.trim();
            if trimmed {
                epoch.met = Vec::new();
            }
            for groups in epoch.groups.iter_mut().chain(&mut epoch.per) {
                groups.trim(trimmed);
            }
        }
        if self.epochs.iter().any(|epoch| epoch.retired) {
            self.epochs.retain(|epoch| !epoch.retired);
            self.arrange();
        }
        Counted { services, cells, combinations, split, groups, grouped }
    }

    /// The groups that have a tally, sorted, and what was counted for them in the chunk's order.
    fn name_groups(
        &self,
        services: &[ServiceName],
    ) -> (Vec<Arc<str>>, Vec<(u32, Slice, u32, u32, SloVerdicts)>) {
        if self.tallies.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let none: Arc<str> = NONE.into();
        let named = |key: &tallies::Key| {
            let groups = &self.epochs[key.epoch as usize].per[usize::from(key.per)];
            let value = groups.combination(key.group).and_then(|c| c.values().first().cloned().flatten());
            value.filter(|value| !value.is_empty()).unwrap_or_else(|| none.clone())
        };
        let names: Vec<Arc<str>> = self.tallies.keys().map(|(key, _)| named(&key)).collect();
        let mut groups = names.clone();
        groups.sort_unstable();
        groups.dedup();
        let mut grouped: Vec<_> = (self.tallies.keys().zip(&names).enumerate())
            .map(|(tally, ((key, service), name))| {
                let epoch = &self.epochs[key.epoch as usize];
                let service = epoch.resolver.service(service);
                let slos = service.grouped.iter().find(|grouped| grouped.per == key.per);
                let verdicts = self.tallies.verdicts(tally, slos.map_or(&[], |grouped| &grouped.slos));
                let index = services.binary_search(&service.name).unwrap_or_default() as u32;
                let group = groups.binary_search(name).unwrap_or_default() as u32;
                (epoch.number, key.slice, index, group, verdicts)
            })
            .collect();
        grouped.sort_by_key(|(number, slice, service, group, _)| (*number, *slice, *service, *group));
        // several fields may have the same value, and no value and an empty one are the same
        grouped.dedup_by(|later, kept| {
            let same = (later.0, later.1, later.2, later.3) == (kept.0, kept.1, kept.2, kept.3);
            if same {
                kept.4.merge(&later.4);
            }
            same
        });
        (groups, grouped)
    }

    /// The names of all services that have a cell, and the combinations, sorted; and the cells in the chunk's order.
    fn name(&self) -> (Vec<ServiceName>, Vec<Combination>, Vec<Placed>) {
        let mut used: Vec<(u32, ServiceId)> =
            self.cells.keys().map(|(key, service)| (key.epoch, service)).collect();
        used.sort_unstable();
        used.dedup();
        let of = |(epoch, service): &(u32, ServiceId)| {
            &self.epochs[*epoch as usize].resolver.service(*service).name
        };
        let mut services: Vec<ServiceName> = used.iter().map(|u| of(u).clone()).collect();
        services.sort_unstable();
        services.dedup();
        let index: Vec<u32> =
            used.iter().map(|u| services.binary_search(of(u)).unwrap_or_default() as u32).collect();
        let combination = |key: &Key| self.epochs[key.epoch as usize].groups.as_ref()?.combination(key.group);
        let mut combinations: Vec<Combination> =
            self.cells.keys().filter_map(|(key, _)| combination(&key)).cloned().collect();
        combinations.sort_unstable();
        combinations.dedup();
        let mut order: Vec<Placed> = self
            .cells
            .keys()
            .enumerate()
            .map(|(cell, (key, service))| {
                let used = used.binary_search(&(key.epoch, service)).unwrap_or_default();
                let found = combination(&key).and_then(|c| combinations.binary_search(c).ok());
                Placed {
                    number: self.epochs[key.epoch as usize].number,
                    slice: key.slice,
                    service: index[used],
                    combination: found.map_or(0, |i| i as u32 + 1),
                    cell,
                    epoch: key.epoch,
                }
            })
            .collect();
        order.sort_unstable();
        (services, combinations, order)
    }

    /// Whether there is no cell.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.len() == 0
    }

    /// Estimate of the cells' packed size.
    pub(super) fn bytes(&self) -> usize {
        // a combination's values, which several slices share
        let values = if self.epochs.iter().any(|epoch| epoch.groups.is_some()) { 40 } else { 0 };
        self.cells.bytes() + self.cells.len() * values + self.tallies.bytes()
    }
}

/// The slice of the time and the epoch that decides there.
#[inline(never)]
fn find_recent(length: SliceLength, epochs: &[Epoch], order: &[u32], time: Time) -> Recent {
    let slice = length.slice(time);
    let start = length.start(slice);
    let begun = order.partition_point(|i| epochs[*i as usize].from.is_none_or(|from| from <= slice));
    let epoch = order[begun.saturating_sub(1)];
    Recent { start, end: Time(start.0 + length.0 as i64 * SECOND_US), slice, epoch }
}
