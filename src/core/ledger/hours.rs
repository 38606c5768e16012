//! How every budget stands at the end of each hour: the rows of `budget_1h`.
//!
//! Invariant: the ledger looks at budgets once an hour, after the slice that ends it has been decided, and a row is
//! what it knows then. What comes late for one of the last two hours is told at the end of the next: by a row in place of the
//! earlier one, with the counts that the hour turned out to have, and the state that was decided, for that has been told. Older
//! hours stay as they are; what came for them shows in the hours after.

use super::Ledger;
use super::definition::{Configuration, Definition};
use super::packed::Counts;
use super::series::{Observation, Series};
use super::sums::Sums;
use crate::core::budgeting;
use crate::core::burn::Millionths;
use crate::core::rollup::{BudgetRow, BurnRow};
use crate::core::time::{Grain, Slice, SliceLength, Time};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// For so long after it ended late counts revise an hour's row, seconds.
pub(super) const REVISED_S: i64 = 2 * Grain::Hour.seconds();

/// The widest DECIMAL(18,6).
const WIDEST: i128 = 999_999_999_999_999_999;

/// Rows that no cut has taken yet.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub(super) struct Hours {
    /// By the hour's start; ascending by service, SLO and group, as they come at an hour's end.
    waiting: BTreeMap<Time, Vec<BudgetRow>>,
    /// Start of the latest hour that a cut has taken rows of.
    taken: Option<Time>,
    /// Whether anything closed or was corrected since a forced cut told of the open hour.
    pub(super) moved: bool,
}

/// What had been decided of a budget at the end of an hour.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub(super) struct HourEnd {
    /// The last slice of the hour.
    pub(super) slice: Slice,
    firing: Box<[u16]>,
    exhausted: Option<Time>,
    frozen: Option<Time>,
    policy: u16,
}

/// How alerts stood at the end of an hour that has not closed yet: where they are decided early, they are further on by then.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub(super) struct AlertsEnd {
    /// The last slice of the hour.
    slice: Slice,
    firing: Box<[u16]>,
    frozen: Option<Time>,
}

impl AlertsEnd {
    fn of(series: &Series, slice: Slice) -> AlertsEnd {
        let firing = series.alerts.firing().map(|(tier, _)| tier).collect();
        AlertsEnd { slice, firing, frozen: series.frozen }
    }

    /// Takes note of what is not quiet at the end of the hour whose alerts have just been decided.
    pub(super) fn note(series: &mut Series, slice: Slice) {
        if !series.alerts.is_quiet() || series.frozen.is_some() {
            series.alerted_hours.push(AlertsEnd::of(series, slice));
        }
    }
}

impl HourEnd {
    /// `early`: alerts were decided before. What is not noted of them was quiet.
    fn of(series: &Series, slice: Slice, early: bool) -> HourEnd {
        let quiet = AlertsEnd { slice, firing: Box::default(), frozen: None };
        let noted = || series.alerted_hours.iter().find(|alerts| alerts.slice == slice).cloned();
        let alerts = if early { noted().unwrap_or(quiet) } else { AlertsEnd::of(series, slice) };
        HourEnd {
            slice,
            firing: alerts.firing,
            exhausted: series.exhausted,
            frozen: alerts.frozen,
            policy: series.policy,
        }
    }
}

/// The last slice of the hour that the slice lies in.
pub(super) fn last_of_hour(slice: Slice, length: SliceLength) -> Slice {
    Slice(length.slice(Grain::Hour.ceil(length.end(slice))).0 - 1)
}

/// What all rows of one closed slice have in common.
pub(super) struct Hour<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) seen: Observation<'a>,
    pub(super) length: SliceLength,
    /// The last slice closed.
    pub(super) slice: Slice,
    /// Whether its alerts were decided before it closed.
    pub(super) alerted: bool,
    /// How many there are at most.
    pub(super) budgets: usize,
}

impl Hour<'_> {
    /// Ends a budget's hour with its slice: its row, and rows in place of those that late counts have changed since.
    pub(super) fn end(&self, service: &Arc<str>, series: &mut Series, hours: &mut Hours) {
        let oldest = self.slice.0 - REVISED_S / i64::from(self.length.0);
        series.hours.retain(|decided| decided.slice.0 >= oldest);
        if let Some(late) = series.late.take() {
            for decided in series.hours.iter().filter(|decided| decided.slice >= late) {
                hours.put(self.revised(service, series, decided), 0);
            }
        }
        let decided = HourEnd::of(series, self.slice, self.alerted);
        hours.put(self.row(service, series, &decided), self.budgets);
        series.hours.push(decided);
        series.alerted_hours.retain(|alerts| alerts.slice > self.slice);
    }

    /// How the budget stands at the end of the slice.
    fn row(&self, service: &Arc<str>, series: &Series, decided: &HourEnd) -> BudgetRow {
        let definition = &self.configuration.definitions[series.slo as usize];
        // alerts look at more than has closed where they are decided early
        let early = self.configuration.early;
        let sums = early.then(|| series.sums_at(self.slice, self.slice, definition, early));
        self.told(service, series, definition, decided, sums.as_ref())
    }

    /// How it stood at the end of an earlier hour, with what has come since.
    fn revised(&self, service: &Arc<str>, series: &Series, decided: &HourEnd) -> BudgetRow {
        let definition = &self.configuration.definitions[series.slo as usize];
        let then = definition.at(decided.slice, self.length);
        let sums = series.sums_at(decided.slice, self.slice, &then, self.configuration.early);
        self.told(service, series, &then, decided, Some(&sums))
    }

    fn told(
        &self,
        service: &Arc<str>,
        series: &Series,
        d: &Definition,
        decided: &HourEnd,
        sums: Option<&Sums>,
    ) -> BudgetRow {
        let (slice, length, objective) = (decided.slice, self.length, d.slo.objective);
        let window = |i: usize| series.window_of(sums, i, d, self.seen, slice);
        let requests = |i: usize| sums.map_or_else(|| series.requests(i, d), |sums| sums.requests(i));
        let counted = requests(d.budget());
        let budget = series.budget_of(sums, d, self.seen, slice);
        let whole = budgeting::whole(&d.slo.budgeting).unwrap_or(1).into();
        let bad = i128::from(budget.bad) * 1_000_000;
        let allowed = budget.allowed(objective).map(|allowed| allowed.0);
        let in_units = |parts: i128| clamped(Millionths(parts.div_euclid(whole)));
        let until = length.end(slice);
        // what the window holds are the units that are over
        let rolled = length.end(d.last_slice(d.completed(slice)));
        let window_s = d.length(d.budget()).unwrap_or(0) as u64 * d.unit_s(length);
        let (window_start, window_end) = match d.period(length) {
            Some(period) => (period.start, period.end),
            None => (rolled.plus_seconds(-i64::try_from(window_s).unwrap_or(i64::MAX)), rolled),
        };
        let mut burns = Vec::with_capacity(d.tier_windows().count());
        burns.extend(d.tier_windows().map(|i| {
            let Counts { good, bad } = requests(i);
            let window_s = d.length(i).unwrap_or(0) as u64 * d.unit_s(length);
            BurnRow { window_s, good, bad, rate: window(i).rate(objective).map(clamped) }
        }));
        let firing = decided.firing.iter().filter_map(|tier| d.slo.tiers.get(usize::from(*tier)));
        BudgetRow {
            service: service.clone(),
            slo: d.slo.name.clone(),
            group: series.group.clone(),
            slice_start: Grain::Hour.floor(length.start(slice)),
            revision: 0,
            until,
            generation: d.generation,
            objective,
            budgeting: d.slo.budgeting,
            calendar: d.slo.calendar.as_ref().map(|calendar| calendar.unit.name().into()),
            window_start,
            window_end,
            good: counted.good,
            bad: counted.bad,
            slices: budget.slices,
            seen: budget.seen,
            read: series.observed(d.budget(), d, self.seen, slice),
            allowed: allowed.map(in_units),
            consumed: in_units(bad),
            remaining: allowed.map(|allowed| in_units(allowed.saturating_sub(bad))),
            consumed_ratio: budget.rate(objective).map(clamped),
            remaining_ratio: budget.remaining(objective).map(clamped),
            burns: burns.into(),
            firing: firing.map(|tier| tier.name.clone()).collect(),
            exhausted_since: decided.exhausted,
            frozen_since: decided.frozen,
            policy: d.slo.policy.get(usize::from(decided.policy)).map(|tier| tier.name.clone()),
        }
    }
}

impl Hours {
    /// A later row of the same hour goes in place of the one that waits; the first makes room for so many.
    fn put(&mut self, row: BudgetRow, budgets: usize) {
        let rows = self.waiting.entry(row.slice_start).or_insert_with(|| Vec::with_capacity(budgets));
        if rows.last().is_none_or(|last| budget(last) < budget(&row)) {
            rows.push(row);
            return;
        }
        match rows.binary_search_by(|held| budget(held).cmp(&budget(&row))) {
            Ok(i) => rows[i] = row,
            Err(i) => rows.insert(i, row),
        }
    }
}

impl Ledger {
    /// The rows of the hours that ended by `below`, in order of service, SLO and hour, for the cut of that number. `forced`: those of
    /// the open hour too, as they stand at the end of the last slice closed.
    pub fn take_hours(&mut self, number: u64, below: Time, forced: bool) -> Vec<BudgetRow> {
        if let (true, Some(slice), Some(length)) = (forced, self.closed, self.length)
            && let Some(configuration) = self.active.and_then(|a| self.configurations.get(a))
            && configuration.hours
            && last_of_hour(slice, length) != slice
            && std::mem::take(&mut self.hours.moved)
        {
            let seen = Observation { from: self.observed_from, coverage: &self.coverage, masks: &self.masks };
            // a forced cut closes all that alerts have been decided of
            let budgets = self.series();
            let hour = Hour { configuration, seen, length, slice, alerted: false, budgets };
            for (service, account) in &self.accounts {
                for series in &account.series {
                    let decided = HourEnd::of(series, slice, hour.alerted);
                    self.hours.put(hour.row(service, series, &decided), hour.budgets);
                }
            }
        }
        let below = if forced { Time(i64::MAX) } else { Grain::Hour.floor(below) };
        let later = self.hours.waiting.split_off(&below);
        let over = std::mem::replace(&mut self.hours.waiting, later);
        let mut over = over.into_values();
        let mut rows = over.next().unwrap_or_default();
        over.for_each(|hour| rows.extend(hour));
        for row in &mut rows {
            let again = self.hours.taken.is_some_and(|taken| row.slice_start <= taken);
            row.revision = if again { number } else { 0 };
        }
        self.hours.taken = rows.last().map(|row| row.slice_start).max(self.hours.taken);
        rows.sort_by(|a, b| (budget(a), a.slice_start).cmp(&(budget(b), b.slice_start)));
        rows
    }
}

impl Definition {
    /// The same, with the calendar's period that the slice lies in.
    fn at(&self, slice: Slice, length: SliceLength) -> Cow<'_, Definition> {
        let unit = self.unit(slice);
        match self.period_units() {
            Some((first, end)) if !(first..end).contains(&unit) => {
                let mut turned = self.clone();
                turned.turn(slice, length);
                Cow::Owned(turned)
            }
            _ => Cow::Borrowed(self),
        }
    }
}

/// The budget that a row is of: service, SLO and group.
fn budget(row: &BudgetRow) -> (&str, &str, Option<&str>) {
    (&row.service, &row.slo, row.group.as_deref())
}

fn clamped(value: Millionths) -> i64 {
    value.0.clamp(-WIDEST, WIDEST) as i64
}
