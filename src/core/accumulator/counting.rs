//! The configurations in force and the cells that they decide: where a record goes once it is read.
//!
//! Invariant: a record is counted in one cell, of its own slice, by the configuration of that slice.

use super::AHEAD_MAX_S;
use super::cells::{Cells, Key};
use super::slot::SlotState;
use crate::core::partial::Cell;
use crate::core::record::{Fields, Outcome, Reason, Record};
use crate::core::service::{Classifier, ServiceId, ServiceName, ServiceResolver};
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

/// The counts of one thread between two flushes.
#[derive(Debug)]
pub(super) struct Counting {
    ingest_services_max: u32,
    length: SliceLength,
    epochs: Vec<Epoch>,
    /// Indexes of the configured epochs by the slice they begin with.
    order: Vec<u32>,
    wanted: Fields,
    recent: Recent,
    cells: Cells,
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
            recent: NOWHERE,
            cells: Cells::default(),
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
        self.recent = NOWHERE;
    }

    /// Counts one record.
    #[inline]
    pub(super) fn record(&mut self, state: &mut SlotState, record: &Record<'_>, clock: Time) -> Outcome {
        let time = record.time;
        if time < Time::Y2000 || time > clock.plus_seconds(AHEAD_MAX_S) {
            return state.reject(Reason::TimeOutOfRange);
        }
        if time < self.recent.start || time >= self.recent.end {
            self.recent = find_recent(self.length, &self.epochs, &self.order, time);
        }
        let Recent { slice, epoch, .. } = self.recent;
        state.record(time, slice);
        let service = self.epochs[epoch as usize].resolver.resolve(record);
        let key = Key { epoch, slice, service };
        let cell = match self.cells.find(key) {
            Some(cell) => cell,
            None => self.open(key),
        };
        self.cells.count(cell, record, &self.epochs[epoch as usize].resolver);
        Outcome::Record
    }

    /// The cell of a service that has none in this slice yet; the one of `__other__` where the span has
    /// met as many template-made services as it may.
    #[inline(never)]
    fn open(&mut self, mut key: Key) -> usize {
        let epoch = &mut self.epochs[key.epoch as usize];
        if !epoch.resolver.service(key.service).name.named {
            let i = key.service.0 as usize;
            if epoch.met.len() <= i {
                epoch.met.resize(epoch.resolver.len().max(i + 1), 0);
            }
            if epoch.met[i] != self.span {
                if self.made >= self.ingest_services_max {
                    key.service = ServiceId::OTHER;
                } else {
                    epoch.met[i] = self.span;
                    self.made += 1;
                }
            }
        }
        let slos = epoch.resolver.service(key.service).slos.len();
        match self.cells.find(key) {
            Some(cell) => cell,
            None => self.cells.open(key, slos),
        }
    }

    /// Hands out all names and cells, in the order of a chunk, and starts over.
    pub(super) fn flush(&mut self) -> (Vec<ServiceName>, Vec<(u32, Slice, u32, Cell)>) {
        let (services, order) = self.name();
        let mut cells = Vec::with_capacity(order.len());
        for (number, slice, service, i, epoch) in order {
            let cell = self.cells.pack(i, &self.epochs[epoch as usize].resolver);
            cells.push((number, slice, service, cell));
        }
        self.cells.clear();
        self.span += 1;
        self.made = 0;
        for epoch in &mut self.epochs {
            if epoch.resolver.trim() {
                epoch.met = Vec::new();
            }
        }
        if self.epochs.iter().any(|epoch| epoch.retired) {
            self.epochs.retain(|epoch| !epoch.retired);
            self.arrange();
        }
        (services, cells)
    }

    /// The names of all services that have a cell, sorted; and the cells in the chunk's order:
    /// (number of the epoch, slice, index of the name, index of the cell, index of the epoch).
    fn name(&self) -> (Vec<ServiceName>, Vec<(u32, Slice, u32, usize, u32)>) {
        let mut used: Vec<(u32, ServiceId)> = self.cells.keys().map(|key| (key.epoch, key.service)).collect();
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
        let mut order: Vec<_> = self
            .cells
            .keys()
            .enumerate()
            .map(|(i, key)| {
                let used = used.binary_search(&(key.epoch, key.service)).unwrap_or_default();
                (self.epochs[key.epoch as usize].number, key.slice, index[used], i, key.epoch)
            })
            .collect();
        order.sort_unstable();
        (services, order)
    }

    /// Whether there is no cell.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.len() == 0
    }

    /// Estimate of the cells' packed size.
    pub(super) fn bytes(&self) -> usize {
        self.cells.bytes()
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
