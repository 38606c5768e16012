//! The account of one SLO of one service, or of one of its groups: history, window sums, alerts, budget.
//!
//! Invariant: each window's sum is the sum of the history over its units, and a series that is not due
//! would change nothing if it were looked at. (A unit is a slice, or as many as the budgeting method takes for one.)

use super::coverage::{Coverage, SHARES};
use super::definition::Definition;
use super::history::History;
use super::packed::Counts;
use super::sums::{Sums, weigh};
use crate::core::alert::{self, Alerts, Change};
use crate::core::budgeting;
use crate::core::burn::Window;
use crate::core::decimal::Ratio;
use crate::core::policy;
use crate::core::settings::{Bound, OnEmpty};
use crate::core::time::{Slice, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A budget's account.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub(super) struct Series {
    /// Name of the SLO.
    pub(super) name: Arc<str>,
    /// Its group, where it has groups.
    pub(super) group: Option<Arc<str>>,
    /// Index of its definition in the configuration in force.
    pub(super) slo: u16,
    /// Generation of that definition.
    pub(super) generation: u32,
    /// Nobody counted for it before this slice.
    pub(super) from: Slice,
    /// Requests by unit.
    history: History,
    sums: Sums,
    /// What the unit that is not over has brought; it is in the history, and not yet in the sums.
    open: Counts,
    /// First unit of the period that the calendar window's sum is of.
    period: i64,
    /// The first unit that ever brought a request.
    first: i64,
    pub(super) alerts: Alerts,
    /// End of the slice that exhausted the budget.
    pub(super) exhausted: Option<Time>,
    /// End of the slice since which too little was read for its alerts.
    pub(super) frozen: Option<Time>,
    /// Index of the policy's tier that the budget is in.
    pub(super) policy: u16,
    /// What is bad, as the budgeting method weighs it, and no `slo.budget.consumed` has told yet.
    pending_bad: u64,
    /// The first slice whose close may change anything even though it brings nothing.
    due: Slice,
    /// The latest slice that brought something.
    latest: Slice,
}

/// What a look at a series found, in the order in which it is told.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Finding {
    /// So much bad since the last one, as the budgeting method weighs it.
    Consumed { bad: u64 },
    /// The budget is gone.
    Exhausted,
    /// It had been since then and no longer is.
    Recovered { since: Time },
    /// The tier fires.
    Fired { tier: u16 },
    /// It had since then and no longer does.
    Resolved { tier: u16, since: Time },
    /// Too little was read: the tier fires and does not resolve, or would fire and does not.
    Frozen { tier: u16 },
    /// That was so since then, and no longer is.
    Thawed { since: Time },
    /// The budget came from that tier of its policy into another.
    Policy { from: u16, to: u16 },
    /// The calendar's period is over.
    Closed,
}

/// How far observation goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation<'a> {
    /// The first slice that counts as seen, None while nothing does.
    pub(super) from: Option<Slice>,
    /// What was not read since.
    pub(super) coverage: &'a Coverage,
}

impl Observation<'_> {
    /// The first unit seen of a series that was counted from `from` on.
    fn first(self, d: &Definition, from: Slice) -> Option<i64> {
        self.from.map(|observed| d.unit_from(observed.max(from)))
    }

    /// How many units up to `unit` have been seen of it.
    fn seen(self, d: &Definition, from: Slice, unit: i64) -> u64 {
        let units = self.first(d, from).map(|first| unit.saturating_sub(first).saturating_add(1));
        units.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
    }
}

impl Series {
    pub(super) fn new((slo, group): (u16, Option<Arc<str>>), definition: &Definition, now: Slice) -> Series {
        Series {
            name: definition.slo.name.clone(),
            group,
            slo,
            generation: definition.generation,
            from: definition.from,
            history: History::default(),
            sums: Sums::zero(definition),
            open: Counts::NONE,
            period: definition.period_units().map_or(0, |(first, _)| first),
            first: i64::MAX,
            alerts: Alerts::default(),
            exhausted: None,
            frozen: None,
            policy: 0,
            pending_bad: 0,
            due: now,
            latest: now,
        }
    }

    /// Adds to a slice that closes now, or that has closed and that a window still covers. `settled` is the last
    /// unit that is in the sums.
    pub(super) fn add(&mut self, slice: Slice, counts: Counts, d: &Definition, settled: i64, now: Slice) {
        let unit = d.unit(slice);
        if unit > settled {
            self.open.add(counts);
        } else {
            let before = self.history.get(unit);
            for window in 0..d.windows() {
                if unit >= d.first(window, settled) && self.is_current(window, d) {
                    self.sums.add(window, d, before, counts);
                }
            }
            let mut after = before;
            after.add(counts);
            // late good requests may make a bad slice good
            let (before, after) = (weigh(d, before).bad, weigh(d, after).bad);
            self.pending_bad = self.pending_bad.saturating_add(after).saturating_sub(before);
        }
        self.history.add(unit, counts);
        self.first = self.first.min(unit);
        self.due_by(d, now);
        self.latest = self.latest.max(slice);
    }

    /// Makes it due when the unit that the slice lies in is over.
    pub(super) fn due_by(&mut self, d: &Definition, slice: Slice) {
        self.due = self.due.min(d.last_slice(d.unit(slice)));
    }

    /// Whether the window's sum is of the period that the definition is in; a rolling one's always is.
    fn is_current(&self, window: usize, d: &Definition) -> bool {
        d.length(window).is_some() || d.period_units().is_some_and(|(first, _)| first == self.period)
    }

    /// Whether closing the slice may change anything.
    pub(super) fn is_due(&self, slice: Slice) -> bool {
        self.due <= slice
    }

    /// The first slice whose close may change anything.
    pub(super) fn due(&self) -> Slice {
        self.due
    }

    /// Takes the unit that is over with the slice into the sums, and out of them what leaves their windows.
    pub(super) fn settle(&mut self, slice: Slice, d: &Definition, seen: Observation<'_>) {
        let unit = d.unit(slice);
        let open = std::mem::take(&mut self.open);
        for window in 0..d.windows() {
            match d.length(window) {
                Some(length) => {
                    if !self.sums.requests(window).is_none() {
                        self.sums.subtract(window, d, self.history.get(unit - length));
                    }
                }
                None if self.is_current(window, d) => {}
                None => {
                    self.period = d.period_units().map_or(0, |(first, _)| first);
                    self.sums.recount(window, &self.history, d, unit - 1);
                }
            }
            self.sums.add(window, d, Counts::NONE, open);
        }
        let read = seen.coverage.missing(d.last_slice(unit - 1).0 + 1, slice.0 + 1) == 0;
        let bad = match open.is_none() && d.empty() == Some(false) && read && self.is_active(unit) {
            true => budgeting::whole(&d.slo.budgeting).unwrap_or(0),
            false => weigh(d, open).bad,
        };
        self.pending_bad = self.pending_bad.saturating_add(bad);
        self.history.drop_before(unit + 1 - d.horizon());
    }

    /// Whether empty units count: from the first request on, while some window holds one.
    fn is_active(&self, unit: i64) -> bool {
        unit >= self.first && !self.sums.is_none()
    }

    /// One of the definition's windows as the budgeting method weighs it, as it stands at the end of the slice.
    pub(super) fn window(&self, i: usize, d: &Definition, seen: Observation<'_>, slice: Slice) -> Window {
        let unit = d.completed(slice);
        let first = d.first(i, unit);
        let slices = u64::try_from(unit + 1 - first).unwrap_or(0);
        let Counts { mut good, mut bad } = match self.is_current(i, d) {
            true => self.sums.weighed(i),
            false => Counts::NONE,
        };
        if let (Some(is_good), Some(whole)) = (d.empty(), budgeting::whole(&d.slo.budgeting))
            && self.is_active(unit)
        {
            let first = first.max(self.first);
            let units = u64::try_from(unit + 1 - first).unwrap_or(0);
            let counted = (good + bad) / whole + self.unread(first, unit, d, seen);
            let empty = units.saturating_sub(counted) * whole;
            *(if is_good { &mut good } else { &mut bad }) += empty;
        }
        let seen = seen.seen(d, self.from, unit).min(slices);
        // a calendar's window is what has been of it: nothing is filled in
        let seen = if d.length(i).is_none() && seen > 0 { slices } else { seen };
        Window { good, bad, slices, seen }
    }

    /// How many units from `first` to `unit` hold no request and were not read in full: nobody knows what they held.
    fn unread(&self, first: i64, unit: i64, d: &Definition, seen: Observation<'_>) -> u64 {
        let slices = d.unit_slices();
        let (mut unread, mut below) = (0, i64::MAX);
        for (from, to) in seen.coverage.runs(first * slices, (unit + 1) * slices) {
            // two runs may meet within one unit
            let last = d.unit(Slice(to - 1)).min(below - 1);
            below = d.unit(Slice(from)).min(below);
            unread += (below..=last).filter(|unit| self.history.get(*unit).is_none()).count() as u64;
        }
        unread
    }

    /// How much of the seen part of a window was read, and how much there is of it, in [`SHARES`] of base slices.
    pub(super) fn covered(
        &self,
        i: usize,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> (u64, u64) {
        let unit = d.completed(slice);
        let units = u64::try_from(unit + 1 - d.first(i, unit)).unwrap_or(0);
        let units = seen.seen(d, self.from, unit).min(units);
        let (slices, first) = (d.unit_slices(), unit + 1 - units as i64);
        let whole = slices as u64 * SHARES;
        let missing = |first: i64, end: i64| seen.coverage.missing(first * slices, end * slices);
        let covered = match d.slo.on_empty {
            OnEmpty::Gap => {
                let held = self.history.iter_from(first).map(|(at, _)| at).take_while(|at| *at <= unit);
                held.map(|at| whole - missing(at, at + 1)).sum()
            }
            _ => units * whole - missing(first, unit + 1),
        };
        (covered, units * whole)
    }

    /// How many units of a window were read.
    pub(super) fn observed(&self, i: usize, d: &Definition, seen: Observation<'_>, slice: Slice) -> u64 {
        self.covered(i, d, seen, slice).0 / (d.unit_slices() as u64 * SHARES)
    }

    /// Whether too little of the window was read to decide.
    fn is_thin(&self, i: usize, d: &Definition, seen: Observation<'_>, slice: Slice) -> bool {
        let (covered, all) = self.covered(i, d, seen, slice);
        u128::from(covered) * 100_000_000 < u128::from(all) * u128::from(d.slo.coverage_min.0)
    }

    /// Whether coverage can hold anything back: an alert fires, or there is something that might make one fire.
    fn is_at_stake(&self, d: &Definition) -> bool {
        let bad = |w: usize| self.sums.weighed(w).bad > 0;
        let of_tiers = || (0..d.slo.tiers.len()).map(|t| d.tier(t).0);
        !self.alerts.is_quiet() || self.frozen.is_some() || of_tiers().any(bad)
    }

    /// What share of a calendar's period has been seen, in units: (seen, of the whole period).
    pub(super) fn elapsed(&self, d: &Definition, seen: Observation<'_>, slice: Slice) -> Option<(u64, u64)> {
        let (first, end) = d.period_units()?;
        let unit = d.completed(slice);
        let seen = seen.seen(d, self.from, unit).min(u64::try_from(unit + 1 - first).unwrap_or(0));
        Some((seen, u64::try_from(end - first).unwrap_or(0)))
    }

    /// Requests in one of the definition's windows.
    pub(super) fn requests(&self, i: usize, d: &Definition) -> Counts {
        if self.is_current(i, d) { self.sums.requests(i) } else { Counts::NONE }
    }

    /// Decides at the end of the slice; hands every finding on with the series as it stands then.
    pub(super) fn decide(
        &mut self,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
        end: Time,
        mut tell: impl FnMut(&Series, Finding),
    ) {
        let budget = self.window(d.budget(), d, seen, slice);
        if self.pending_bad > 0 && budget.reaches(self.pending_bad, step(d), d.slo.objective) {
            tell(self, Finding::Consumed { bad: self.pending_bad });
            self.pending_bad = 0;
        }
        if budget.total() == 0 {
            self.pending_bad = 0;
        }
        match (self.exhausted, budget.is_exhausted(d.slo.objective)) {
            (None, true) => {
                self.exhausted = Some(end);
                tell(self, Finding::Exhausted);
            }
            (Some(since), false) => {
                self.exhausted = None;
                tell(self, Finding::Recovered { since });
            }
            _ => {}
        }
        let to = policy::tier(&d.slo.policy, &budget, d.slo.objective);
        if to != self.policy {
            let from = std::mem::replace(&mut self.policy, to);
            tell(self, Finding::Policy { from, to });
        }
        let over = d.period_units().is_some_and(|(_, end)| d.unit(slice) == end - 1);
        if over && !self.requests(d.budget(), d).is_none() {
            tell(self, Finding::Closed);
        }
        let longest = d.last_slice(d.unit(slice) - d.longest_tier()).0 + 1;
        let covered = d.slo.on_empty != OnEmpty::Gap && !seen.coverage.touches(longest);
        let thin = |series: &Series, i: usize| {
            let (long, short) = d.tier(i);
            !covered && (series.is_thin(long, d, seen, slice) || series.is_thin(short, d, seen, slice))
        };
        if let Some(since) = self.frozen
            && !(0..d.slo.tiers.len()).any(|i| thin(self, i))
        {
            self.frozen = None;
            tell(self, Finding::Thawed { since });
        }
        for (i, tier) in d.slo.tiers.iter().enumerate() {
            let requests = self.requests(d.tier(i).0, d);
            let enough = requests.good.saturating_add(requests.bad) >= d.slo.min_events
                && requests.bad >= d.slo.min_failures;
            let (long, short) = d.tier(i);
            let (long, short) = (self.window(long, d, seen, slice), self.window(short, d, seen, slice));
            let burns = enough && alert::burns(tier, d.slo.objective, &long, &short);
            let fires = self.alerts.since(i as u16).is_some();
            if thin(self, i) {
                if self.frozen.is_none() && (burns || fires) {
                    self.frozen = Some(end);
                    tell(self, Finding::Frozen { tier: i as u16 });
                }
                self.alerts.hold(i as u16);
                continue;
            }
            let faster = |(tier, _): (u16, Time)| tier < i as u16;
            let suppressed = d.slo.suppress_slower && !fires && self.alerts.firing().any(faster);
            match self.alerts.observe(i as u16, tier, burns && !suppressed, end) {
                Change::None => {}
                Change::Fired => tell(self, Finding::Fired { tier: i as u16 }),
                Change::Resolved { since } => tell(self, Finding::Resolved { tier: i as u16, since }),
            }
        }
    }

    /// Sets when it is due again, after the slice has been decided.
    pub(super) fn schedule(&mut self, d: &Definition, seen: Observation<'_>, slice: Slice) {
        let unit = d.unit(slice);
        // most likely the next one brings something too: searching for the next expiry is not worth it
        if d.unit(self.latest) == unit
            || self.alerts.is_waiting()
            || (d.empty().is_some() && !self.sums.is_none())
        {
            self.due = d.last_slice(unit + 1);
            return;
        }
        let longest = d.last_slice(unit - d.longest_tier()).0 + 1;
        if (d.slo.on_empty == OnEmpty::Gap || seen.coverage.touches(longest)) && self.is_at_stake(d) {
            self.due = d.last_slice(unit + 1);
            return;
        }
        let mut due = i64::MAX;
        // from the longest: it most often has something to drop at once, which ends the search
        for window in (0..d.windows()).rev().filter(|w| !self.sums.requests(*w).is_none()) {
            match d.length(window) {
                Some(length) if due > unit + 1 => {
                    if let Some(oldest) = self.history.first_from(unit + 1 - length) {
                        due = due.min(oldest + length);
                    }
                }
                Some(_) => {}
                // the period's last unit closes it, the next one begins anew
                None => {
                    let end = d.period_units().map_or(i64::MAX, |(_, end)| end);
                    due = due.min(if unit < end - 1 { end - 1 } else { end });
                }
            }
        }
        if let Some(start) = seen.first(d, self.from) {
            for crossing in self.crossings(d, seen, slice) {
                due = due.min(start.saturating_add(crossing as i64).saturating_sub(1));
            }
        }
        self.due = d.last_slice(due.max(unit + 1));
    }

    /// How many seen units may make an answer change though nothing is counted: while a window is not
    /// seen in full, each further unit makes what was counted weigh more.
    fn crossings(&self, d: &Definition, seen: Observation<'_>, slice: Slice) -> Vec<u64> {
        let mut crossings = Vec::new();
        let objective = d.slo.objective;
        if seen.seen(d, self.from, d.unit(slice)) >= d.horizon() as u64 {
            return crossings;
        }
        if d.length(d.budget()).is_some() {
            let budget = self.window(d.budget(), d, seen, slice);
            crossings.extend(budget.seen_until(self.pending_bad, step(d), objective));
            if let Some(Bound::Above(percent) | Bound::From(percent)) =
                d.slo.policy.get(self.policy as usize).map(|tier| tier.remaining)
            {
                crossings.extend(budget.seen_until(budget.bad, policy::consumed_at(percent), objective));
            }
            if self.exhausted.is_none() {
                crossings.extend(budget.seen_until(budget.bad, Ratio::new(1, 1), objective));
            }
        }
        for (i, tier) in d.slo.tiers.iter().enumerate() {
            if self.alerts.since(i as u16).is_none() {
                let (long, short) = d.tier(i);
                let until = |w: usize| {
                    let window = self.window(w, d, seen, slice);
                    window.seen_until(window.bad, tier.factor, objective)
                };
                crossings.extend(until(long).zip(until(short)).map(|(long, short)| long.max(short)));
            }
        }
        crossings
    }

    /// Goes on under another definition of the same generation, from the slice on.
    pub(super) fn carry_over(&mut self, slo: u16, old: &Definition, new: &Definition, border: Slice) {
        self.slo = slo;
        if new.horizon() > old.horizon() {
            // what lies further back may be forgotten already
            self.from = self.from.max(Slice(border.0 - old.horizon_slices()));
        }
        self.sums = Sums::of(&self.history, new, new.completed(Slice(border.0 - 1)));
        self.period = new.period_units().map_or(0, |(first, _)| first);
        self.due_by(new, border);
        let name = old.slo.policy.get(self.policy as usize).map(|tier| &tier.name);
        let kept = new.slo.policy.iter().position(|tier| Some(&tier.name) == name);
        self.policy = kept.unwrap_or(0) as u16;
        self.alerts.renumber(|tier| {
            let name = &old.slo.tiers[tier as usize].name;
            new.slo.tiers.iter().position(|t| t.name == *name).map(|i| i as u16)
        });
    }

    /// Whether nothing of it is left that could ever show.
    pub(super) fn is_spent(&self) -> bool {
        self.sums.is_none()
            && self.open.is_none()
            && self.alerts.is_quiet()
            && self.frozen.is_none()
            && self.exhausted.is_none()
    }

    /// Bytes of its history.
    pub(super) fn bytes(&self) -> usize {
        self.history.bytes() + size_of::<Series>() + self.sums.bytes()
    }
}

/// The smallest share of the budget that is told.
fn step(d: &Definition) -> Ratio {
    Ratio::new(d.slo.consumed_step.0, 100_000_000)
}
