//! From lines to partials: what every ingest thread does, each with an accumulator of its own.
//!
//! Invariant: a line is counted once, in the slice of its event time, under the configuration of that
//! slice; or it is rejected with a reason and counted there. No allocation, formatting, clock or lock a line.
//!
//! ```text
//! let mut accumulator = Accumulator::new(settings.limits, settings.slice, settings.watermark_quorum);
//! accumulator.configure(vec![(None, 1, classifier)]);        // before the first line
//! let slot = accumulator.register(partition, format, start); // the offset that the journal says
//! accumulator.line(slot, payload, clock);                    // Outcome: a rejected line is a dead letter
//! accumulator.advance(slot, offset + 1);                     // after each message, and at an end mark
//! let chunk = accumulator.flush(clock);                      // every second, or beyond so many bytes()
//! ```

mod cells;
mod latencies;
mod slot;
mod times;

use crate::core::accumulator::cells::{Cells, Key};
use crate::core::accumulator::slot::SlotState;
use crate::core::format::{self, Parsed};
use crate::core::partial::{Chunk, Gap, Standing};
use crate::core::position::Partition;
use crate::core::record::{Fields, Outcome, Reason, Record};
use crate::core::service::{Classifier, ServiceId, ServiceName, ServiceResolver};
use crate::core::settings::{Format, Limits};
use crate::core::time::{SECOND_US, Slice, SliceLength, Time};
use std::sync::Arc;

/// How far after the clock an event time may lie, seconds.
pub const AHEAD_MAX_S: i64 = 60;

/// A registered partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u32);

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

/// Counts lines between two flushes.
#[derive(Debug)]
pub struct Accumulator {
    limits: Limits,
    length: SliceLength,
    quorum: u32,
    epochs: Vec<Epoch>,
    /// Indexes of the configured epochs by the slice they begin with.
    order: Vec<u32>,
    wanted: Fields,
    recent: Recent,
    slots: Vec<Option<SlotState>>,
    cells: Cells,
    /// Number of the span between two flushes.
    span: u64,
    /// Template-made services met in this span.
    made: u32,
}

impl Accumulator {
    /// An accumulator without a configuration and without partitions.
    pub fn new(limits: Limits, slice: SliceLength, quorum: u32) -> Accumulator {
        Accumulator {
            limits,
            length: slice,
            quorum,
            epochs: Vec::new(),
            order: Vec::new(),
            wanted: Fields::NONE,
            recent: NOWHERE,
            slots: Vec::new(),
            cells: Cells::default(),
            span: 1,
            made: 0,
        }
    }

    /// Replaces the configurations: from which slice on, number, rules. A record is decided by the last
    /// one that begins no later than its slice; earlier records by the first.
    ///
    /// One that is there already (by its number) keeps what it remembers.
    pub fn configure(&mut self, configurations: Vec<(Option<Slice>, u32, Arc<Classifier>)>) {
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

    /// Registers a partition, read from that offset on.
    ///
    /// A partition that is leaving ([`unregister`](Self::unregister)) must have been flushed before.
    pub fn register(&mut self, partition: Partition, format: Format, start: i64) -> Slot {
        let state = Some(SlotState::new(partition, format, start, self.quorum));
        match self.slots.iter_mut().position(|slot| slot.is_none()) {
            Some(free) => {
                self.slots[free] = state;
                Slot(free as u32)
            }
            None => {
                self.slots.push(state);
                Slot(self.slots.len() as u32 - 1)
            }
        }
    }

    /// Lets a partition go: its last coverage leaves with the next flush, then the slot is void.
    pub fn unregister(&mut self, slot: Slot) {
        self.slot(slot).leaving = true;
    }

    /// Counts one line, or a message's whole payload; one newline at its end does not belong to it.
    ///
    /// # Panics
    /// If the slot is void, or nothing was configured.
    #[inline]
    pub fn line(&mut self, slot: Slot, line: &[u8], clock: Time) -> Outcome {
        let line = trim(line);
        let state = state(&mut self.slots, slot);
        if line.is_empty() {
            return state.reject(Reason::Empty);
        }
        if line.len() > self.limits.line_bytes_max as usize {
            return state.reject(Reason::TooLong);
        }
        let mut record = Record::at(Time(0));
        match format::parse(state.format, line, self.wanted, &mut record) {
            Ok(Parsed::Record) => self.record(slot, &record, clock),
            Ok(Parsed::Skipped) => state.skip(),
            Err(reason) => state.reject(reason),
        }
    }

    /// Counts a line that a source could not hand over whole.
    pub fn reject(&mut self, slot: Slot, reason: Reason) -> Outcome {
        self.slot(slot).reject(reason)
    }

    /// Counts one record: what [`line`](Self::line) does once it has read it.
    ///
    /// # Panics
    /// If the slot is void, or nothing was configured.
    #[inline]
    pub fn record(&mut self, slot: Slot, record: &Record<'_>, clock: Time) -> Outcome {
        let time = record.time;
        let state = state(&mut self.slots, slot);
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
                if self.made >= self.limits.ingest_services_max {
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

    /// Everything below this offset is accounted for: a message was read, or an end mark came in order.
    /// Never goes back.
    #[inline]
    pub fn advance(&mut self, slot: Slot, next_offset: i64) {
        let state = self.slot(slot);
        state.next = state.next.max(next_offset);
    }

    /// Declares offsets that were lost, and accounts for them.
    pub fn gap(&mut self, slot: Slot, gap: Gap) {
        let state = self.slot(slot);
        state.next = state.next.max(gap.span.end);
        state.gaps.push(gap);
    }

    /// Counts records that were seen again and dropped.
    pub fn replayed(&mut self, slot: Slot, count: u64) {
        self.slot(slot).replayed += count;
    }

    /// Says where the partition stands towards its end; stays until said otherwise.
    pub fn standing(&mut self, slot: Slot, standing: Standing) {
        self.slot(slot).standing = standing;
    }

    /// Archives: no line still unread is expected to be earlier; stays until said otherwise.
    pub fn hold(&mut self, slot: Slot, hold: Option<Time>) {
        self.slot(slot).hold = hold;
    }

    /// The next offset to be read: a source drops what is below.
    #[inline]
    pub fn next(&self, slot: Slot) -> i64 {
        self.slots[slot.0 as usize].as_ref().expect("a registered slot").next
    }

    /// The partition of the slot.
    ///
    /// # Panics
    /// If the slot is void.
    pub fn partition(&self, slot: Slot) -> &Partition {
        &self.slots[slot.0 as usize].as_ref().expect("a registered slot").partition
    }

    /// Estimate of the chunk's encoded size, bytes, on the large side. In memory it takes up to three times
    /// as much, before the flush and after.
    pub fn bytes(&self) -> usize {
        let slices: usize = self.slots.iter().flatten().map(SlotState::slices).sum();
        self.cells.bytes() + slices * 12
    }

    /// Whether nothing was counted or covered since the last flush.
    pub fn is_empty(&self) -> bool {
        self.cells.len() == 0 && self.slots.iter().flatten().all(SlotState::is_empty)
    }

    /// Hands out everything counted since the last flush and starts over.
    ///
    /// Every registered partition has its coverage, even an empty one, so that standing and clock travel.
    pub fn flush(&mut self, clock: Time) -> Chunk {
        let (services, order) = self.name();
        let mut cells = Vec::with_capacity(order.len());
        for (number, slice, service, i, epoch) in order {
            let cell = self.cells.pack(i, &self.epochs[epoch as usize].resolver);
            cells.push((number, slice, service, cell));
        }
        self.cells.clear();
        self.span += 1;
        self.made = 0;
        let mut coverage = Vec::with_capacity(self.slots.len());
        for slot in &mut self.slots {
            if let Some(state) = slot {
                coverage.push(state.flush());
                if state.leaving {
                    *slot = None;
                }
            }
        }
        for epoch in &mut self.epochs {
            if epoch.resolver.trim() {
                epoch.met = Vec::new();
            }
        }
        if self.epochs.iter().any(|epoch| epoch.retired) {
            self.epochs.retain(|epoch| !epoch.retired);
            self.arrange();
        }
        Chunk { clock, coverage, services, cells }
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

    fn slot(&mut self, slot: Slot) -> &mut SlotState {
        state(&mut self.slots, slot)
    }
}

#[inline(always)]
fn state(slots: &mut [Option<SlotState>], slot: Slot) -> &mut SlotState {
    slots[slot.0 as usize].as_mut().expect("a registered slot")
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

/// The line without the one line end that may close it.
#[inline(always)]
fn trim(line: &[u8]) -> &[u8] {
    match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
        _ => line,
    }
}
