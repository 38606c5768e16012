//! What the engine says of input that is missing: lost offsets, silent sources, partitions without an answer.
//!
//! Invariant: zero requests, unread input and lost input are three things, and each shows in the rows and, once
//! at its beginning and once at its end, in an event.

use super::{Engine, Pass};
use crate::core::accumulator::AHEAD_MAX_S;
use crate::core::completeness::{GAP, SILENT, STOPPED, UNREACHABLE};
use crate::core::event::{DataGap, Loss, Origin};
use crate::core::ledger::SHARES;
use crate::core::partial::{Gap, Standing};
use crate::core::position::Partition;
use crate::core::time::{Slice, SliceLength, Time};
use crate::core::watermark::Progress;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Lost offsets after which no record has come yet.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize, Debug)]
pub(super) struct OpenGap {
    /// The slice of the last record before them; None where there was none.
    from: Option<Slice>,
    /// The last slice that they may have belonged to: what is lost had been written. None until a chunk tells the time.
    to: Option<Slice>,
}

impl Engine {
    /// Counts lost offsets in the slice of the last record before the hole and says so.
    pub(super) fn lose(&mut self, partition: &Partition, gap: &Gap, pass: &mut Pass<'_>) {
        let length = pass.settings.slice;
        let key = self.account_key(partition);
        let before = self.watermarks.get(partition).and_then(|p| p.latest(self.clock));
        let slice = before.map(|t| length.slice(t));
        let offsets = (gap.span.end - gap.span.start).max(0) as u64;
        match slice {
            Some(slice) => {
                self.account(slice, &key).gap_offsets += offsets;
                self.mark(&key, slice, GAP);
            }
            None => self.unplaced.entry(key).or_default().gap_offsets += offsets,
        }
        let open = self.open_gaps.entry(partition.clone()).or_insert(OpenGap { from: slice, to: None });
        open.to = None;
        let end = length.end(slice.unwrap_or(length.slice(self.clock)));
        let loss = Loss::Offsets { first: gap.span.start, next: gap.span.end };
        self.tell_gap(Origin::Partition(partition), &gap.reason, loss, end, pass);
    }

    /// A record has come after lost offsets: they lay between the one before them and this one.
    pub(super) fn end_gap(&mut self, partition: &Partition, time: Time, length: SliceLength) {
        let Some(gap) = self.open_gaps.remove(partition) else { return };
        let key = self.account_key(partition);
        let last = length.slice(time).min(gap.to.unwrap_or(self.latest_possible(length)));
        // of a partition that had brought nothing: since anything is counted and not closed
        let open = self.next_close.or_else(|| self.slices.first_with_records(Slice(i64::MIN)));
        let from = gap.from.unwrap_or(open.unwrap_or(last).min(last));
        for slice in from.0..=last.0.max(from.0) {
            self.mark(&key, Slice(slice), GAP);
        }
    }

    /// What was lost by now had been written by now: no slice after this one misses it.
    pub(super) fn bound_gaps(&mut self, length: SliceLength) {
        let latest = self.latest_possible(length);
        for gap in self.open_gaps.values_mut() {
            gap.to.get_or_insert(latest);
        }
    }

    /// The latest slice that a record read now can belong to.
    fn latest_possible(&self, length: SliceLength) -> Slice {
        length.slice(self.clock.plus_seconds(AHEAD_MAX_S))
    }

    fn tell_gap(&mut self, origin: Origin<'_>, reason: &str, loss: Loss, end: Time, pass: &mut Pass<'_>) {
        let watermark = self.watermarks.watermark().unwrap_or(end);
        let replay = end < self.history_before(pass.settings);
        let gap = DataGap { origin, reason, loss, end, watermark, clock: self.clock, replay };
        let next = pass.next();
        pass.events.push(self.ledger.gap(&gap, next));
    }

    /// Notices sources that have fallen silent, and those that speak again.
    pub(super) fn listen_for_silence(&mut self, pass: &mut Pass<'_>) {
        if self.next_close.is_none() || self.backfill() {
            return;
        }
        let length = pass.settings.slice;
        for source in &pass.settings.sources {
            let mine: Vec<(&Partition, &Progress)> =
                self.watermarks.iter().filter(|(p, _)| p.source == source.name).collect();
            let long = i64::from(pass.settings.silent_after_s);
            let heard = |p: &Progress| !matches!(p.standing(), Standing::Removed | Standing::Finished);
            let silent_for = mine.iter().filter(|(_, p)| heard(p)).map(|(_, p)| p.silent_for_s(self.clock));
            let shortest = silent_for.collect::<Option<Vec<i64>>>().and_then(|all| all.into_iter().min());
            // however it stands: under load it may never be seen at its end
            let speaks = mine.iter().any(|(_, p)| heard(p) && p.brought_s_ago(self.clock) < long);
            let partitions: Vec<Partition> = mine.iter().map(|(p, _)| (*p).clone()).collect();
            match (self.silences.get(&source.name).copied(), shortest) {
                (None, Some(quiet)) if quiet >= long => {
                    let since = length.slice(self.clock.plus_seconds(-quiet)).next();
                    self.silences.insert(source.name.clone(), since);
                    for partition in &partitions {
                        for slice in since.0..self.next_close.map_or(since.0, |n| n.0) {
                            self.mark(partition, Slice(slice), SILENT);
                        }
                    }
                    self.tell_gap(Origin::Source(&source.name), SILENT, Loss::Began, length.end(since), pass);
                }
                (Some(since), _) if speaks => {
                    self.silences.remove(&source.name);
                    let end = length.end(length.slice(self.clock));
                    let loss = Loss::Ended { since: length.start(since) };
                    self.tell_gap(Origin::Source(&source.name), SILENT, loss, end, pass);
                }
                _ => {}
            }
        }
    }

    /// Notices partitions that are stopped or have no answer for `silent_after`, and those that are read again.
    pub(super) fn listen_for_outages(&mut self, pass: &mut Pass<'_>) {
        let length = pass.settings.slice;
        let now = length.slice(self.clock);
        let partitions: Vec<(Partition, Option<&str>)> =
            self.watermarks.iter().map(|(p, progress)| (p.clone(), self.outage(progress))).collect();
        for (partition, outage) in partitions {
            match (self.outages.get(&partition).cloned(), outage) {
                (None, Some(reason)) => {
                    self.outages.insert(partition.clone(), (reason.into(), now));
                    self.tell_gap(Origin::Partition(&partition), reason, Loss::Began, length.end(now), pass);
                }
                (Some((reason, since)), None) => {
                    self.outages.remove(&partition);
                    let loss = Loss::Ended { since: length.start(since) };
                    self.tell_gap(Origin::Partition(&partition), &reason, loss, length.end(now), pass);
                }
                _ => {}
            }
        }
    }

    /// Why nothing can be read of the partition, if that is so.
    fn outage(&self, progress: &Progress) -> Option<&'static str> {
        let silent_after = self.configured().map_or(i64::MAX, |c| i64::from(c.settings.silent_after_s));
        let unanswered = progress.unreachable_for_s(self.clock).is_some_and(|s| s >= silent_after);
        match progress.standing() {
            Standing::Stopped => Some(STOPPED),
            Standing::Unreachable if unanswered => Some(UNREACHABLE),
            _ => None,
        }
    }

    /// Publishes as complete what an unreachable or stopped partition has made up for since.
    pub(super) fn repair_holes(&mut self, length: SliceLength) {
        let reached: Vec<(Partition, Slice)> = self
            .watermarks
            .iter()
            .filter(|(_, p)| {
                matches!(
                    p.standing(),
                    Standing::Behind | Standing::Following | Standing::AtEnd | Standing::Finished
                )
            })
            .filter_map(|(partition, p)| {
                // one that is read to its end and quiet has nothing to make up for any more
                let idle = p.is_idle(self.clock).then(|| self.watermarks.watermark());
                Some((partition.clone(), length.slice(idle.unwrap_or(p.watermark())?)))
            })
            .collect();
        for (partition, below) in reached {
            for slice in self.completeness.repair(&partition, below) {
                self.account(slice, &partition).incomplete = None;
                self.ledger.cover(slice, self.unread(slice));
            }
        }
    }

    /// Gives every partition its line counts of the slice, zeros too, and says what is not complete.
    pub(super) fn close_accounts(&mut self, slice: Slice, slices: u64) {
        let mut accounts: BTreeMap<Partition, Option<&str>> = BTreeMap::new();
        for (partition, progress) in self.watermarks.iter() {
            let outage = self.outage(progress);
            let why = match progress.standing() {
                Standing::Removed => continue,
                _ if outage.is_some() => outage,
                _ if self.open_gaps.get(partition).is_some_and(|gap| gap.to.is_none_or(|to| slice <= to)) => {
                    Some(GAP)
                }
                _ if self.silences.contains_key(&partition.source) => Some(SILENT),
                _ => None,
            };
            accounts.entry(self.account_key(partition)).or_insert(why);
        }
        for (partition, why) in accounts {
            if let Some(reason) = why {
                self.mark(&partition, slice, reason);
            }
            self.account(slice, &partition).slices = slices;
        }
        self.place(slice);
    }

    /// Gives line counts without a slice to this one.
    pub(super) fn place(&mut self, slice: Slice) {
        for (partition, unplaced) in std::mem::take(&mut self.unplaced) {
            self.account(slice, &partition).add(&unplaced);
            self.ledger.note(slice, 0, unplaced.quality.rejected());
        }
    }

    pub(super) fn mark(&mut self, partition: &Partition, slice: Slice, reason: &str) {
        self.completeness.mark(partition, slice, reason);
        let why = self.completeness.reason(partition, slice).cloned();
        self.account(slice, partition).incomplete = why;
        if self.is_closed(slice) || self.ledger.is_alerted(slice) {
            self.ledger.cover(slice, self.unread(slice));
        }
    }

    /// What share of the slice's input was lost or could not be read: partitions that were, of all that bring
    /// anything. A silent one was read to its end and says zero; only if all are silent does nobody say anything.
    pub(super) fn unread(&self, slice: Slice) -> u16 {
        if self.completeness.is_whole() {
            return 0;
        }
        let (mut speaking, mut missing, mut all) = (0u64, 0u64, 0u64);
        for (partition, _) in self.watermarks.iter().filter(|(_, p)| p.standing() != Standing::Removed) {
            all += 1;
            match self.completeness.reason(&self.account_key(partition), slice).map(|r| &**r) {
                Some(SILENT) => {}
                Some(_) => (speaking, missing) = (speaking + 1, missing + 1),
                None => speaking += 1,
            }
        }
        let share = match speaking {
            0 if all > 0 => SHARES,
            0 => 0,
            _ => missing * SHARES / speaking,
        };
        share as u16
    }
}
