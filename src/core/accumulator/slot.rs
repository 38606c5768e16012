//! What one thread knows of one partition between two flushes: everything of its coverage.
//!
//! Invariant: `lines = records + skipped + rejected`, in every slice and for lines without a time.

use crate::core::accumulator::ids::Ids;
use crate::core::accumulator::times::TopTimes;
use crate::core::partial::{Coverage, Gap, Quality, Standing};
use crate::core::position::{Partition, Span};
use crate::core::record::{Outcome, Reason, Record};
use crate::core::time::{Slice, Time};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// A partition that is being read.
#[derive(Debug)]
pub(super) struct SlotState {
    pub(super) partition: Partition,
    /// First offset that the next chunk accounts for.
    pub(super) start: i64,
    /// One past the last offset accounted for.
    pub(super) next: i64,
    pub(super) standing: Standing,
    pub(super) hold: Option<Time>,
    pub(super) gaps: Vec<Gap>,
    pub(super) replayed: u64,
    /// Goes with the next flush.
    pub(super) leaving: bool,
    first_time: Option<Time>,
    top_times: TopTimes,
    /// Lines without a usable time.
    timeless: Quality,
    /// Records by slice.
    records: Vec<(Slice, u64)>,
    by_slice: HashMap<Slice, u32, FixedState>,
    /// Where in `records` the last record went.
    last: usize,
    /// Request ids, where something is done about repeats.
    ids: Option<Box<Ids>>,
}

impl SlotState {
    pub(super) fn new(partition: Partition, start: i64, quorum: u32, ids: Option<Box<Ids>>) -> SlotState {
        SlotState {
            partition,
            start,
            next: start,
            standing: Standing::Behind,
            hold: None,
            gaps: Vec::new(),
            replayed: 0,
            leaving: false,
            first_time: None,
            top_times: TopTimes::new(quorum as usize + 1),
            timeless: Quality::default(),
            records: Vec::new(),
            by_slice: HashMap::default(),
            last: 0,
            ids,
        }
    }

    /// Counts a record of the slice. False: it repeats another, and was dropped.
    #[inline(always)]
    pub(super) fn record(&mut self, record: &Record<'_>, slice: Slice) -> bool {
        if self.ids.is_some() && self.is_dropped(record, slice) {
            return false;
        }
        self.first_time.get_or_insert(record.time);
        self.top_times.push(record.time);
        match self.records.get_mut(self.last) {
            Some((last, count)) if *last == slice => *count += 1,
            _ => {
                self.go_to(slice);
                self.records[self.last].1 += 1;
            }
        }
        true
    }

    #[inline(never)]
    fn go_to(&mut self, slice: Slice) {
        self.last = *self.by_slice.entry(slice).or_insert_with(|| {
            self.records.push((slice, 0));
            self.records.len() as u32 - 1
        }) as usize;
    }

    #[inline(never)]
    fn is_dropped(&mut self, record: &Record<'_>, slice: Slice) -> bool {
        if self.records.get(self.last).is_none_or(|(last, _)| *last != slice) {
            self.go_to(slice);
        }
        self.ids.as_mut().is_some_and(|ids| ids.drops(self.last, record))
    }

    /// Counts a rejected line.
    #[cold]
    pub(super) fn reject(&mut self, reason: Reason) -> Outcome {
        self.timeless.lines += 1;
        self.timeless.reject(reason, 1);
        Outcome::Rejected(reason)
    }

    /// Counts a skipped line.
    #[cold]
    pub(super) fn skip(&mut self) -> Outcome {
        self.timeless.lines += 1;
        self.timeless.skipped += 1;
        Outcome::Skipped
    }

    /// Whether it has nothing to account for but its standing.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.next
            && self.records.is_empty()
            && self.timeless.lines == 0
            && self.gaps.is_empty()
            && self.replayed == 0
    }

    /// Estimate of the packed size of its line counts.
    pub(super) fn bytes(&self) -> usize {
        self.records.len() * 12 + self.ids.as_ref().map_or(0, |ids| ids.bytes())
    }

    /// Hands out what it accounts for and goes on from there.
    pub(super) fn flush(&mut self, carry: Option<Box<[u8]>>) -> Coverage {
        let mut quality = Vec::with_capacity(self.records.len() + 1);
        let timeless = std::mem::take(&mut self.timeless);
        if timeless.lines > 0 {
            quality.push((None, timeless));
        }
        let ids = &mut self.ids;
        let count = |(place, (slice, records))| {
            let taken = ids.as_mut().map(|ids| ids.take(place));
            let dropped = taken.as_ref().map_or(0, |(dropped, _)| *dropped);
            let ids = taken.map(|(_, sample)| Box::new(sample));
            let (lines, skipped) = (records + dropped, dropped);
            (Some(slice), Quality { lines, records, skipped, dropped, ids, ..Quality::default() })
        };
        quality.extend(self.records.drain(..).enumerate().map(count));
        quality.sort_unstable_by_key(|(slice, _)| *slice);
        if let Some(ids) = &mut self.ids {
            ids.trim();
        }
        self.by_slice.clear();
        self.last = 0;
        let span = Span { start: self.start, end: self.next };
        self.start = self.next;
        Coverage {
            partition: self.partition.clone(),
            span,
            first_time: self.first_time.take(),
            top_times: self.top_times.take(),
            hold: self.hold,
            standing: self.standing,
            gaps: std::mem::take(&mut self.gaps),
            replayed: std::mem::take(&mut self.replayed),
            quality,
            carry,
        }
    }
}
