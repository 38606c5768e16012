//! From lines to partials: what every ingest thread does, each with an accumulator of its own.
//!
//! Invariant: a line is counted once, in the slice of its event time, under the configuration of that
//! slice; or it is rejected with a reason and counted there. No allocation, formatting, clock or lock a line.
//!
//! ```text
//! let mut accumulator = Accumulator::new(settings.limits, settings.slice, settings.watermark_quorum, labels);
//! accumulator.configure(vec![(None, 1, classifier)]);        // before the first line
//! let slot = accumulator.register(partition, &input, start)?; // the offset that the journal says
//! accumulator.line(slot, payload, clock);                    // Outcome: a rejected line is a dead letter
//! accumulator.advance(slot, offset + 1);                     // after each message, and at an end mark
//! let chunk = accumulator.flush(clock);                      // every second, or beyond so many bytes()
//! ```

mod cells;
mod counting;
mod ids;
mod latencies;
mod slot;
mod times;

use crate::core::accumulator::counting::{Counted, Counting};
use crate::core::accumulator::ids::Ids;
use crate::core::accumulator::slot::SlotState;
use crate::core::format::{LayoutError, Parsed, Parser};
use crate::core::partial::{Chunk, Gap, Standing};
use crate::core::position::Partition;
use crate::core::record::{Fields, Labels, Outcome, Reason, Record};
use crate::core::service::Classifier;
use crate::core::settings::{Input, Limits};
use crate::core::time::{Slice, SliceLength, Time};
use std::sync::Arc;

/// How far after the clock an event time may lie, seconds.
pub const AHEAD_MAX_S: i64 = 60;

/// A registered partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u32);

/// Counts lines between two flushes.
#[derive(Debug)]
pub struct Accumulator {
    limits: Limits,
    quorum: u32,
    labels: Labels,
    counting: Counting,
    lanes: Vec<Option<Lane>>,
    /// Where the route of a record is put together.
    route: Vec<u8>,
}

/// A registered partition.
#[derive(Debug)]
struct Lane {
    parser: Parser,
    /// Fields wanted beside those of the configurations.
    wanted: Fields,
    state: SlotState,
}

impl Accumulator {
    /// An accumulator without a configuration and without partitions. `labels` are those that the
    /// configurations to come were compiled with.
    pub fn new(limits: Limits, slice: SliceLength, quorum: u32, labels: Labels) -> Accumulator {
        Accumulator {
            limits,
            quorum,
            labels,
            counting: Counting::new(limits.ingest_services_max, slice),
            lanes: Vec::new(),
            route: Vec::new(),
        }
    }

    /// Replaces the configurations: from which slice on, number, rules. A record is decided by the last
    /// one that begins no later than its slice; earlier records by the first.
    ///
    /// One that is there already (by its number) keeps what it remembers.
    pub fn configure(&mut self, configurations: Vec<(Option<Slice>, u32, Arc<Classifier>)>) {
        self.counting.configure(configurations);
    }

    /// Registers a partition, read from that offset on.
    ///
    /// A partition that is leaving ([`unregister`](Self::unregister)) must have been flushed before.
    ///
    /// # Errors
    /// If what the site declares of its lines cannot be read.
    pub fn register(&mut self, partition: Partition, input: &Input, start: i64) -> Result<Slot, LayoutError> {
        let parser = Parser::new(input, &self.labels)?;
        let (ids, wanted) = Ids::new(input.duplicates, &self.limits);
        let state = SlotState::new(partition, start, self.quorum, ids);
        let lane = Some(Lane { parser, wanted, state });
        match self.lanes.iter().position(Option::is_none) {
            Some(free) => {
                self.lanes[free] = lane;
                Ok(Slot(free as u32))
            }
            None => {
                self.lanes.push(lane);
                Ok(Slot(self.lanes.len() as u32 - 1))
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
        let Lane { parser, wanted, state } = lane(&mut self.lanes, slot);
        if line.is_empty() {
            return state.reject(Reason::Empty);
        }
        if line.len() > self.limits.line_bytes_max as usize {
            return state.reject(Reason::TooLong);
        }
        let mut record = Record::at(Time(0));
        match parser.parse(line, self.counting.wanted().union(*wanted), &mut record) {
            Ok(Parsed::Record) if self.counting.routes() => {
                self.counting.routed_record(state, &mut record, &mut self.route, clock)
            }
            Ok(Parsed::Record) => self.counting.record(state, &record, clock),
            Ok(Parsed::Skipped) => state.skip(),
            Err(reason) => state.reject(reason),
        }
    }

    /// Counts one record: what [`line`](Self::line) does once it has read it.
    ///
    /// # Panics
    /// If the slot is void, or nothing was configured.
    #[inline]
    pub fn record(&mut self, slot: Slot, record: &Record<'_>, clock: Time) -> Outcome {
        let state = &mut lane(&mut self.lanes, slot).state;
        if self.counting.routes() {
            let mut record = record.clone();
            return self.counting.routed_record(state, &mut record, &mut self.route, clock);
        }
        self.counting.record(state, record, clock)
    }

    /// Counts a line that a source could not hand over whole.
    pub fn reject(&mut self, slot: Slot, reason: Reason) -> Outcome {
        self.slot(slot).reject(reason)
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
        self.lanes[slot.0 as usize].as_ref().expect("a registered slot").state.next
    }

    /// The partition of the slot.
    ///
    /// # Panics
    /// If the slot is void.
    pub fn partition(&self, slot: Slot) -> &Partition {
        &self.lanes[slot.0 as usize].as_ref().expect("a registered slot").state.partition
    }

    /// Estimate of the chunk's encoded size, bytes, on the large side. In memory it takes up to three times
    /// as much, before the flush and after.
    pub fn bytes(&self) -> usize {
        let lines: usize = self.lanes.iter().flatten().map(|lane| lane.state.bytes()).sum();
        self.counting.bytes() + lines
    }

    /// Whether nothing was counted or covered since the last flush.
    pub fn is_empty(&self) -> bool {
        self.counting.is_empty() && self.lanes.iter().flatten().all(|lane| lane.state.is_empty())
    }

    /// Hands out everything counted since the last flush and starts over.
    ///
    /// Every registered partition has its coverage, even an empty one, so that standing and clock travel.
    pub fn flush(&mut self, clock: Time) -> Chunk {
        let Counted { services, cells, combinations, split } = self.counting.flush();
        let mut coverage = Vec::with_capacity(self.lanes.len());
        for place in &mut self.lanes {
            if let Some(Lane { state, .. }) = place {
                coverage.push(state.flush());
                if state.leaving {
                    *place = None;
                }
            }
        }
        Chunk { clock, coverage, services, cells, combinations, split }
    }

    fn slot(&mut self, slot: Slot) -> &mut SlotState {
        &mut lane(&mut self.lanes, slot).state
    }
}

#[inline(always)]
fn lane(lanes: &mut [Option<Lane>], slot: Slot) -> &mut Lane {
    lanes[slot.0 as usize].as_mut().expect("a registered slot")
}

/// The line without the one line end that may close it.
#[inline(always)]
fn trim(line: &[u8]) -> &[u8] {
    match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
        _ => line,
    }
}
