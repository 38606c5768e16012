//! The account of one SLO of one service, or of one of its groups: history, window sums, alerts, budget.
//!
//! Invariant: each window's sum is the sum of the history over its units, and a series that is not due
//! would change nothing if it were looked at. (A unit is a slice, or as many as the budgeting method takes for one.)

mod schedule;
mod windows;

use super::coverage::Coverage;
use super::definition::{Decided, Definition, Phase};
use super::history::History;
use super::hours::{AlertsEnd, HourEnd};
use super::mask::{Mask, Masks};
use super::packed::Counts;
use super::revision::{Standing, Told};
use super::sums::{Sums, weigh};
use crate::core::alert::{self, Alerts, Change};
use crate::core::budgeting;
use crate::core::decimal::Ratio;
use crate::core::policy;
use crate::core::settings::OnEmpty;
use crate::core::time::{Slice, SliceLength, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Units in a block of what the indicator left out: exact enough to be told, and costs next to nothing. By unit it would cost as
/// much as what was counted, for a number that decides nothing.
const LEFT_OUT_UNITS: i64 = 64;

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
    /// Requests by unit, but for those of excluded units.
    history: History,
    /// Requests of excluded units.
    maintenance: History,
    /// Requests that the indicator left out, by blocks of units: good here.
    left_out: History,
    /// Number of the mask that says which units are excluded.
    pub(super) mask: Option<u16>,
    sums: Sums,
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
    /// What the last event about the budget said, and the last one about the end of a period.
    told: [Option<Box<Told>>; 2],
    /// The first slice whose close may change anything even though it brings nothing.
    due: Slice,
    /// The same for alerts, where they are decided early.
    due_alerts: Slice,
    /// The latest slice that brought something.
    latest: Slice,
    /// The earliest slice that late counts came for in this hour.
    pub(super) late: Option<Slice>,
    /// What was decided at the ends of the latest hours, ascending: late counts may still revise their rows.
    pub(super) hours: Vec<HourEnd>,
    /// How alerts stood at the ends of hours that have not closed, ascending; none where they were quiet.
    pub(super) alerted_hours: Vec<AlertsEnd>,
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
    /// What was told is another by now: the last event about the budget, or about the end of a period.
    Revised { of: Of },
}

/// What was told, by its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Of {
    /// The last event about the budget.
    Budget,
    /// The last end of a period.
    Period,
}

/// How far observation goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation<'a> {
    /// The first slice that counts as seen, None while nothing does.
    pub(super) from: Option<Slice>,
    /// What was not read since.
    pub(super) coverage: &'a Coverage,
    /// What is excluded.
    pub(super) masks: &'a Masks,
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
    pub(super) fn new(
        (slo, group): (u16, Option<Arc<str>>),
        definition: &Definition,
        (now, seed): (Slice, u8),
        mask: Option<u16>,
    ) -> Series {
        Series {
            name: definition.slo.name.clone(),
            group,
            slo,
            generation: definition.generation,
            from: definition.from,
            history: History::new(seed),
            maintenance: History::default(),
            left_out: History::default(),
            mask,
            sums: Sums::zero(definition),
            period: definition.period_units().map_or(0, |(first, _)| first),
            first: i64::MAX,
            alerts: Alerts::default(),
            exhausted: None,
            frozen: None,
            policy: 0,
            pending_bad: 0,
            told: [None, None],
            due: now,
            due_alerts: now,
            latest: now,
            late: None,
            hours: Vec::new(),
            alerted_hours: Vec::new(),
        }
    }

    /// Adds to a slice that closes now, or that has closed and that a window still covers.
    pub(super) fn add(
        &mut self,
        slice: Slice,
        counts: Counts,
        (d, mask): (&Definition, &Mask),
        decided: Decided,
    ) {
        let unit = d.unit(slice);
        self.first = self.first.min(unit);
        self.due_by(d, decided.budget.next());
        self.due_alerts = self.due_alerts.min(d.last_slice(d.unit(decided.alerts.next())));
        if mask.holds(unit) {
            self.maintenance.add(unit, counts);
            return;
        }
        let before = self.history.get(unit);
        for window in 0..d.windows() {
            // what is not settled yet is taken from the history then
            let settled = d.settled(window, decided);
            if unit <= settled && unit >= d.first(window, settled) && self.is_current(window, d) {
                self.sums.add(window, d, before, counts);
            }
        }
        if unit <= d.settled(d.budget(), decided) {
            let mut after = before;
            after.add(counts);
            for told in self.told.iter_mut().flatten() {
                told.correct(unit, d, before, after);
            }
            // late good requests may make a bad slice good
            let (before, after) = (weigh(d, before).bad, weigh(d, after).bad);
            self.pending_bad = self.pending_bad.saturating_add(after).saturating_sub(before);
        }
        self.history.add(unit, counts);
        self.latest = self.latest.max(slice);
    }

    /// Makes it due when the unit that the slice lies in is over.
    pub(super) fn due_by(&mut self, d: &Definition, slice: Slice) {
        let last = d.last_slice(d.unit(slice));
        (self.due, self.due_alerts) = (self.due.min(last), self.due_alerts.min(last));
    }

    /// Whether the window's sum is of the period that the definition is in; a rolling one's always is.
    fn is_current(&self, window: usize, d: &Definition) -> bool {
        d.length(window).is_some() || d.period_units().is_some_and(|(first, _)| first == self.period)
    }

    /// Whether closing the slice may change anything.
    pub(super) fn is_due(&self, slice: Slice, phase: Phase) -> bool {
        match phase {
            Phase::Both => self.due() <= slice,
            Phase::Alerts => self.due_alerts <= slice,
            Phase::Budget => self.due <= slice,
        }
    }

    /// The first slice whose close may change anything.
    pub(super) fn due(&self) -> Slice {
        self.due.min(self.due_alerts)
    }

    /// Takes the unit that is over with the slice into the sums, and out of them what leaves their windows.
    pub(super) fn settle(
        &mut self,
        slice: Slice,
        d: &Definition,
        seen: Observation<'_>,
        (length, phase): (SliceLength, Phase),
    ) {
        let unit = d.unit(slice);
        let counts = self.history.read(0, unit);
        for window in (0..d.windows()).filter(|window| d.moves(*window, phase)) {
            match d.length(window) {
                Some(length) => {
                    if !self.sums.requests(window).is_none() {
                        self.sums.subtract(window, d, self.history.read(1 + window, unit - length));
                    }
                }
                None if self.is_current(window, d) => {}
                None => {
                    self.period = d.period_units().map_or(0, |(first, _)| first);
                    self.sums.recount(window, &self.history, d, unit - 1);
                }
            }
            self.sums.add(window, d, Counts::NONE, counts);
        }
        if !phase.decides_budget() {
            return;
        }
        let read = seen.coverage.missing(d.last_slice(unit - 1).0 + 1, slice.0 + 1) == 0
            && !seen.masks.get(self.mask).holds(unit);
        let bad = match counts.is_none() && d.empty() == Some(false) && read && self.is_active(unit) {
            true => budgeting::whole(&d.slo.budgeting).unwrap_or(0),
            false => weigh(d, counts).bad,
        };
        self.pending_bad = self.pending_bad.saturating_add(bad);
        self.history.drop_before(unit + 1 - d.remembered(length));
        let oldest = unit + 1 - d.horizon();
        self.maintenance.drop_before(oldest);
        self.left_out.drop_before(oldest.div_euclid(LEFT_OUT_UNITS));
    }

    /// Takes note of requests that the indicator left out.
    pub(super) fn leave_out(&mut self, slice: Slice, excluded: u64, d: &Definition) {
        let block = d.unit(slice).div_euclid(LEFT_OUT_UNITS);
        self.left_out.add(block, Counts { good: excluded, bad: 0 });
    }

    /// Other units are excluded than before, of those that are remembered too: their requests change sides.
    pub(super) fn split_anew(&mut self, d: &Definition, (old, mask): (&Mask, &Mask), border: Slice) {
        let settled = d.completed(Slice(border.0 - 1));
        let (counted, excluded) = (self.history.take(), self.maintenance.take());
        let mut all: Vec<(i64, Counts, bool)> =
            counted.iter_from(i64::MIN).map(|(u, c)| (u, c, true)).collect();
        all.extend(excluded.iter_from(i64::MIN).map(|(u, c)| (u, c, false)));
        all.sort_by_key(|(unit, ..)| *unit);
        for told in &mut self.told {
            // what an empty unit counts as is not known of those that are forgotten
            if d.empty().is_some() {
                *told = None;
            }
            let Some(told) = told else { continue };
            let (first, last) = told.units();
            let moved = all.iter().filter(|(unit, _, counted)| *counted == mask.holds(*unit));
            let moved = moved.map(|(unit, counts, counted)| (*unit, *counts, !counted));
            told.exclude(d, (old.count(first, last + 1), mask.count(first, last + 1)), moved);
        }
        for (unit, counts, was_counted) in all {
            let counts_now = !mask.holds(unit);
            let side = if counts_now { &mut self.history } else { &mut self.maintenance };
            side.add(unit, counts);
            let bad = if unit > settled { 0 } else { weigh(d, counts).bad };
            match (was_counted, counts_now) {
                (true, false) => self.pending_bad = self.pending_bad.saturating_sub(bad),
                (false, true) => self.pending_bad = self.pending_bad.saturating_add(bad),
                _ => {}
            }
        }
        self.sums = Sums::of(&self.history, d, settled);
        self.due_by(d, border);
    }

    /// Whether empty units count: from the first request on, while some window holds one.
    fn is_active(&self, unit: i64) -> bool {
        unit >= self.first && !self.sums.is_none()
    }

    /// The sums as they would have been at the end of an earlier slice, or of the last one closed; `d` is in that slice's
    /// period, `now` is the last one closed. What alerts look at is further on where they are decided early.
    pub(super) fn sums_at(&self, then: Slice, now: Slice, d: &Definition, early: bool) -> Sums {
        let (then, now) = (d.completed(then), d.completed(now));
        let mut sums = self.sums.clone();
        let held = |from: i64, to: i64| self.history.iter_from(from).take_while(move |(at, _)| *at < to);
        let since: Vec<Counts> = held(then + 1, now + 1).map(|(_, counts)| counts).collect();
        for window in 0..d.windows() {
            let kept = match d.length(window) {
                _ if early && !d.moves(window, Phase::Budget) => false,
                Some(length) => then > now - length,
                None => self.is_current(window, d),
            };
            if !kept {
                sums.recount(window, &self.history, d, then);
                continue;
            }
            since.iter().for_each(|counts| sums.subtract(window, d, *counts));
            if d.length(window).is_some() {
                for (_, counts) in held(d.first(window, then), d.first(window, now)) {
                    sums.add(window, d, Counts::NONE, counts);
                }
            }
        }
        sums
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
        (slice, end): (Slice, Time),
        phase: Phase,
        mut tell: impl FnMut(&Series, Finding),
    ) {
        if phase.decides_budget() {
            self.decide_budget(d, seen, (slice, end), &mut tell);
        }
        if phase.decides_alerts() {
            self.decide_alerts(d, seen, (slice, end), &mut tell);
        }
    }

    fn decide_budget(
        &mut self,
        d: &Definition,
        seen: Observation<'_>,
        (slice, end): (Slice, Time),
        tell: &mut impl FnMut(&Series, Finding),
    ) {
        for of in [Of::Budget, Of::Period] {
            if self.told(of).is_some_and(|told| told.is_wrong(d, step(d))) {
                tell(self, Finding::Revised { of });
                self.told[of as usize].iter_mut().for_each(|told| told.settle());
            }
        }
        let mut told = false;
        let budget = self.budget(d, seen, slice);
        if self.pending_bad > 0 && budget.reaches(self.pending_bad, step(d), d.slo.objective) {
            tell(self, Finding::Consumed { bad: self.pending_bad });
            (self.pending_bad, told) = (0, true);
        }
        if budget.total() == 0 {
            self.pending_bad = 0;
        }
        match (self.exhausted, budget.is_exhausted(d.slo.objective)) {
            (None, true) => {
                self.exhausted = Some(end);
                tell(self, Finding::Exhausted);
                told = true;
            }
            (Some(since), false) => {
                self.exhausted = None;
                tell(self, Finding::Recovered { since });
                told = true;
            }
            _ => {}
        }
        let to = policy::tier(&d.slo.policy, &budget, d.slo.objective);
        if to != self.policy {
            let from = std::mem::replace(&mut self.policy, to);
            tell(self, Finding::Policy { from, to });
            told = true;
        }
        let over = d.period_units().is_some_and(|(_, end)| d.unit(slice) == end - 1);
        if over && !self.requests(d.budget(), d).is_none() {
            tell(self, Finding::Closed);
        }
        let closed = over && !self.requests(d.budget(), d).is_none();
        for (of, told) in [(Of::Budget, told), (Of::Period, closed)] {
            if told {
                let unit = d.completed(slice);
                let standing = Standing { requests: self.requests(d.budget(), d), window: budget.into() };
                let units = (d.first(d.budget(), unit), unit);
                self.told[of as usize] = Some(Box::new(Told::new(end, units, standing)));
            }
        }
    }

    /// What was told.
    pub(super) fn told(&self, of: Of) -> Option<&Told> {
        self.told[of as usize].as_deref()
    }

    fn decide_alerts(
        &mut self,
        d: &Definition,
        seen: Observation<'_>,
        (slice, end): (Slice, Time),
        tell: &mut impl FnMut(&Series, Finding),
    ) {
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
            let windows = [short, long].into_iter().map(|window| self.window(window, d, seen, slice));
            let burns = enough && alert::burns(tier, d.slo.objective, windows);
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

    /// Goes on under another definition of the same generation, from the slice on.
    pub(super) fn carry_over(&mut self, slo: u16, old: &Definition, new: &Definition, border: Slice) {
        self.slo = slo;
        if old.slo != new.slo {
            // it was told of another objective
            self.told = [None, None];
        }
        if new.horizon() > old.horizon() {
            // what lies further back may be forgotten already
            self.from = self.from.max(Slice(border.0 - old.horizon_slices()));
        }
        // they were told under the other definition
        self.hours.clear();
        self.alerted_hours.clear();
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
    pub(super) fn is_spent(&self, d: &Definition, slice: Slice) -> bool {
        self.sums.is_none()
            && self.history.first_from(d.unit(slice) + 1).is_none()
            && self.maintenance.first_from(d.unit(slice) + 1 - d.horizon()).is_none()
            && self.alerts.is_quiet()
            && self.frozen.is_none()
            && self.exhausted.is_none()
    }

    /// Bytes of its history.
    pub(super) fn bytes(&self) -> usize {
        let histories = [&self.history, &self.maintenance, &self.left_out];
        histories.iter().map(|h| h.bytes()).sum::<usize>()
            + size_of::<Series>()
            + self.sums.bytes()
            + self.hours.capacity() * size_of::<HourEnd>()
            + self.alerted_hours.capacity() * size_of::<AlertsEnd>()
    }
}

/// The smallest share of the budget that is told.
fn step(d: &Definition) -> Ratio {
    Ratio::new(d.slo.consumed_step.0, 100_000_000)
}
