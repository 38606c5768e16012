//! When a series has to be looked at again.
//!
//! Invariant: between two looks nothing that it would tell can change.

use super::{Observation, Series, step};
use crate::core::decimal::Ratio;
use crate::core::ledger::definition::{Definition, Phase};
use crate::core::policy;
use crate::core::settings::{Bound, OnEmpty};
use crate::core::time::Slice;

impl Series {
    /// Sets when it is due again, after the slice has been decided.
    pub(in crate::core::ledger) fn schedule(
        &mut self,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
        phase: Phase,
    ) {
        let due = d.last_slice(self.next_due(d, seen, slice, phase));
        if phase.decides_budget() {
            self.due = due;
        }
        if phase.decides_alerts() {
            self.due_alerts = due;
        }
    }

    /// The next unit whose end may change anything that the phase decides.
    fn next_due(&self, d: &Definition, seen: Observation<'_>, slice: Slice, phase: Phase) -> i64 {
        let unit = d.unit(slice);
        // most likely the next one brings something too: searching for the next expiry is not worth it
        if d.unit(self.latest) >= unit
            || (phase.decides_alerts() && self.alerts.is_waiting())
            || (d.empty().is_some() && !self.sums.is_none())
        {
            return unit + 1;
        }
        // while excluded units move through the windows, each of these changes with every unit
        let mask = seen.masks.get(self.mask);
        let next_excluded = mask.next(unit + 1 - d.horizon());
        if next_excluded.is_some_and(|excluded| excluded <= unit + 1) {
            return unit + 1;
        }
        let longest = d.last_slice(unit - d.longest_tier()).0 + 1;
        if phase.decides_alerts()
            && (d.slo.on_empty == OnEmpty::Gap || seen.coverage.touches(longest))
            && self.is_at_stake(d)
        {
            return unit + 1;
        }
        let mut due = next_excluded.unwrap_or(i64::MAX);
        // from the longest: it most often has something to drop at once, which ends the search
        let moving = |w: &usize| d.moves(*w, phase) && !self.sums.requests(*w).is_none();
        for window in (0..d.windows()).rev().filter(moving) {
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
            for crossing in self.crossings(d, seen, slice, phase) {
                due = due.min(start.saturating_add(crossing as i64).saturating_sub(1));
            }
        }
        due.max(unit + 1)
    }

    /// How many seen units may make an answer change though nothing is counted: while a window is not
    /// seen in full, each further unit makes what was counted weigh more.
    fn crossings(&self, d: &Definition, seen: Observation<'_>, slice: Slice, phase: Phase) -> Vec<u64> {
        let mut crossings = Vec::new();
        let objective = d.slo.objective;
        if seen.seen(d, self.from, d.unit(slice)) >= d.horizon() as u64 {
            return crossings;
        }
        if phase.decides_budget() && d.length(d.budget()).is_some() {
            let budget = self.budget(d, seen, slice);
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
        for (i, tier) in d.slo.tiers.iter().enumerate().filter(|_| phase.decides_alerts()) {
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

    /// Whether coverage can hold anything back: an alert fires, or there is something that might make one fire.
    fn is_at_stake(&self, d: &Definition) -> bool {
        let bad = |w: usize| self.sums.weighed(w).bad > 0;
        let of_tiers = || (0..d.slo.tiers.len()).map(|t| d.tier(t).0);
        !self.alerts.is_quiet() || self.frozen.is_some() || of_tiers().any(bad)
    }
}
