//! From lines to partials: what every ingest thread does, each with an accumulator of its own.
//!
//! Invariant: a line is counted once, in the slice of its event time, under the configuration of that
//! slice; or it is rejected with a reason and counted there. No allocation, formatting, clock or lock a line.
//!
//! ```text
//! let mut accumulator = Accumulator::new(settings.limits, settings.slice, settings.watermark_quorum, labels);
//! accumulator.configure(vec![(None, 1, classifier)]);        // before the first line
//! let slot = accumulator.register(partition, &input, start)?; // the offset that the journal says
//! accumulator.message(slot, &message, clock, |rejected| …);  // every line in it; a rejected one is a dead letter
//! accumulator.advance(slot, offset + 1);                     // after each message, and at an end mark
//! let chunk = accumulator.flush(clock);                      // every second, or beyond so many bytes()
//! ```

mod cells;
mod counting;
mod ids;
mod latencies;
mod slot;
mod tallies;
mod times;

use crate::core::accumulator::counting::{Counted, Counting};
use crate::core::accumulator::ids::Ids;
use crate::core::accumulator::slot::SlotState;
use crate::core::envelope::Message;
use crate::core::format::{LayoutError, Parsed};
use crate::core::partial::{Chunk, Gap, Standing};
use crate::core::position::Partition;
use crate::core::reader::{Carry, Line, Reader};
use crate::core::record::{Fields, Labels, Outcome, Reason, Record};
use crate::core::service::Classifier;
use crate::core::settings::{Input, Limits, Step};
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
    reader: Reader,
    /// Fields wanted beside those of the configurations.
    wanted: Fields,
    state: SlotState,
}

/// A line that was rejected, lent for one call.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'l> {
    /// The partition that it was read from.
    pub partition: &'l Partition,
    /// Its bytes, or as many as were kept.
    pub line: &'l [u8],
    /// How long it truly is.
    pub length: u64,
    /// Its number within the message, from 0.
    pub index: u32,
    /// The envelopes that it came in, from the outside in.
    pub envelope: &'l [Step],
    /// Whether an envelope cannot be read; else the format, or what it read, is wrong.
    pub in_envelope: bool,
    /// Why.
    pub reason: Reason,
}

impl Rejected<'_> {
    /// What rejected it: `format`, an envelope by its name, or `message` where there was none.
    pub fn step(&self) -> &'static str {
        match self.envelope.last() {
            _ if !self.in_envelope => "format",
            Some(step) => step.name(),
            None => "message",
        }
    }
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
        let reader = Reader::new(input, &partition.topic, &self.labels, self.limits.line_bytes_max)?;
        let (ids, wanted) = Ids::new(input.duplicates, &self.limits);
        let state = SlotState::new(partition, start, self.quorum, ids);
        let lane = Some(Lane { reader, wanted, state });
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

    /// Goes on with what a reader of the partition carried when it stood where this one starts.
    pub fn resume(&mut self, slot: Slot, carry: Carry) {
        lane(&mut self.lanes, slot).reader.resume(carry);
    }

    /// Begins with lines of another file, whose header in force is this.
    pub fn begin(&mut self, slot: Slot, header: Option<&[u8]>) {
        lane(&mut self.lanes, slot).reader.begin(header);
    }

    /// Counts every line of a message, and hands over those that are rejected.
    ///
    /// # Panics
    /// If the slot is void, or nothing was configured.
    #[inline]
    pub fn message(
        &mut self,
        slot: Slot,
        message: &Message<'_>,
        clock: Time,
        on: &mut impl FnMut(Rejected<'_>),
    ) {
        let Lane { reader, wanted, state } = lane(&mut self.lanes, slot);
        let (counting, route) = (&mut self.counting, &mut self.route);
        reader.read(message, counting.wanted().union(*wanted), &mut |line| {
            if let Outcome::Rejected(reason) = count(counting, state, &line, (route, clock)) {
                on(rejected(&state.partition, &line, reason));
            }
        });
    }

    /// Counts a message and tells what became of its last line; skipped if there was none.
    ///
    /// # Panics
    /// If the slot is void, or nothing was configured.
    #[inline]
    pub fn line(&mut self, slot: Slot, line: &[u8], clock: Time) -> Outcome {
        let Lane { reader, wanted, state } = lane(&mut self.lanes, slot);
        let (counting, route, mut outcome) = (&mut self.counting, &mut self.route, Outcome::Skipped);
        reader.read(&Message::of(line), counting.wanted().union(*wanted), &mut |line| {
            outcome = count(counting, state, &line, (route, clock));
        });
        outcome
    }

    /// Gives up lines whose rest will not come: after lost offsets, at the end of a file.
    pub fn give_up(&mut self, slot: Slot, on: &mut impl FnMut(Rejected<'_>)) {
        let Lane { reader, state, .. } = lane(&mut self.lanes, slot);
        reader.give_up(&mut |line| {
            if let Err(reason) = line.read {
                state.reject(reason);
                on(rejected(&state.partition, &line, reason));
            }
        });
    }

    /// Counts one record: what [`message`](Self::message) does once it has read it.
    ///
    /// # Panics
    /// If the slot is void, or nothing was configured.
    #[inline]
    pub fn record(&mut self, slot: Slot, record: &Record<'_>, clock: Time) -> Outcome {
        let state = &mut lane(&mut self.lanes, slot).state;
        counted(&mut self.counting, state, record, (&mut self.route, clock))
    }

    /// Counts a line that a source could not hand over whole.
    pub fn reject(&mut self, slot: Slot, reason: Reason) -> Outcome {
        self.slot(slot).reject(reason)
    }

    /// The same, and hands over what there is of it: too long, whatever it is.
    pub fn reject_cut(&mut self, slot: Slot, line: &[u8], length: u64, on: &mut impl FnMut(Rejected<'_>)) {
        let (state, reason) = (self.slot(slot), Reason::TooLong);
        state.reject(reason);
        let partition = &state.partition;
        on(Rejected { partition, line, length, index: 0, envelope: &[], in_envelope: true, reason });
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
        let Counted { services, cells, combinations, split, groups, grouped } = self.counting.flush();
        let mut coverage = Vec::with_capacity(self.lanes.len());
        for place in &mut self.lanes {
            if let Some(Lane { state, reader, .. }) = place {
                let carry = reader.changed_carry().map(|carry| carry.to_bytes().into());
                coverage.push(state.flush(carry));
                if state.leaving {
                    *place = None;
                }
            }
        }
        Chunk { clock, coverage, services, cells, combinations, split, groups, grouped }
    }

    fn slot(&mut self, slot: Slot) -> &mut SlotState {
        &mut lane(&mut self.lanes, slot).state
    }
}

#[inline(always)]
fn lane(lanes: &mut [Option<Lane>], slot: Slot) -> &mut Lane {
    lanes[slot.0 as usize].as_mut().expect("a registered slot")
}

#[inline(always)]
fn count(
    counting: &mut Counting,
    state: &mut SlotState,
    line: &Line<'_>,
    (route, clock): (&mut Vec<u8>, Time),
) -> Outcome {
    match line.read {
        Ok(Parsed::Record) => counted(counting, state, line.record, (route, clock)),
        Ok(Parsed::Counters) => counting.counters(state, line.record, clock),
        Ok(Parsed::Skipped) => state.skip(),
        Err(reason) => state.reject(reason),
    }
}

#[inline(always)]
fn counted(
    counting: &mut Counting,
    state: &mut SlotState,
    record: &Record<'_>,
    (route, clock): (&mut Vec<u8>, Time),
) -> Outcome {
    if counting.routes() {
        let mut record = record.clone();
        return counting.routed_record(state, &mut record, route, clock);
    }
    counting.record(state, record, clock)
}

#[cold]
fn rejected<'l>(partition: &'l Partition, line: &Line<'l>, reason: Reason) -> Rejected<'l> {
    let &Line { bytes, length, index, envelope, by_format, .. } = line;
    Rejected { partition, line: bytes, length, index, envelope, in_envelope: !by_format, reason }
}
