//! The close of a slice: configurations take effect, counts come in, windows move on, alerts decide.
//!
//! Invariant: closing a stretch of empty slices at once has the outcome of closing them one by one.

use super::definition::{Decided, Phase};
use super::facts::{Cause, Publisher};
use super::hours::{AlertsEnd, Hour, REVISED_S, last_of_hour};
use super::mask::Masks;
use super::series::{Finding, Observation, Series};
use super::{
    Account, CONFIGURATIONS_MAX, CloseContext, Counted, Counts, Ledger, LedgerError, account, known,
};
use crate::core::event::Event;
use crate::core::time::{Slice, SliceLength, Time};
use std::sync::Arc;

impl Ledger {
    /// The first slice from `next` on whose close may change anything though it brings nothing.
    pub(super) fn next_stop(&mut self, next: Slice, context: &CloseContext) -> Slice {
        if self.observed_from != context.observed_from || self.unread != context.unread || self.recovered {
            return next;
        }
        let series = self.accounts.values().flat_map(|a| &a.series);
        let mut stop = series.map(Series::due).min().unwrap_or(Slice(i64::MAX));
        if let Some(pending) = self.configurations.get(self.active.map_or(0, |a| a + 1)) {
            stop = stop.min(pending.from);
        }
        if let Some(length) = self.length {
            let hours = self.active.and_then(|a| self.configurations.get(a)).is_some_and(|c| c.hours);
            if hours && !self.accounts.is_empty() {
                stop = stop.min(last_of_hour(next, length));
            }
            // what is alerted of already was history, or not, by then
            self.in_history |= !self.is_alerted(next) && length.end(next) < context.history_before;
            if self.in_history {
                // the first slice that does not end before the bound
                stop = stop.min(length.slice(Time(context.history_before.0.saturating_sub(1))));
            }
        }
        stop.max(next)
    }

    /// Closes one slice, or decides its alerts early.
    pub(super) fn step<'a>(
        &mut self,
        context: &CloseContext,
        counted: impl IntoIterator<Item = Counted<'a>>,
        phase: Phase,
        out: &mut Vec<Event>,
    ) -> Result<(), LedgerError> {
        let slice = context.slice;
        let length = self.length.ok_or(LedgerError::NotConfigured(slice.0))?;
        while phase.decides_budget()
            && self.configurations.get(self.active.map_or(0, |a| a + 1)).is_some_and(|c| c.from <= slice)
        {
            self.enforce_next(context, length, out);
        }
        let was_alerted = self.is_alerted(slice);
        let active = self.active.and_then(|a| self.configurations.get_mut(a));
        let active = active.ok_or(LedgerError::NotConfigured(slice.0))?;
        if phase.decides_budget() {
            active.definitions.iter_mut().for_each(|d| d.turn(slice, length));
        }
        let horizon = active.horizon_slices();
        if active.exclusions.reach(slice.0 - horizon, slice.0 + horizon, length) {
            self.masks.refresh(&active.exclusions);
        }
        let configuration = &*active;
        let before = Slice(slice.0 - 1);
        let budget = if phase.decides_budget() { before } else { self.closed.unwrap_or(before) };
        let decided = Decided { budget, alerts: before };
        // what is counted of a service mostly comes in a row
        let mut last: Option<(&Arc<str>, &mut Account)> = None;
        for counted in counted {
            let definition = configuration.definition(slice, counted.slo)?;
            let counts = Counts { good: counted.verdicts.good, bad: counted.verdicts.bad };
            let same = last.take().filter(|(service, _)| Arc::ptr_eq(service, counted.service));
            if !counts.is_none() {
                let account = match same {
                    Some((_, account)) => account,
                    None => account(&mut self.accounts, counted.service, counted.rule),
                };
                let masks = &mut self.masks;
                let mask = || masks.find(&configuration.exclusions, counted.service, definition);
                let series = account.series((counted.slo, counted.group), definition, slice, mask);
                let mask = self.masks.get(series.mask);
                series.add(slice, counts, (definition, mask), decided);
                series.leave_out(slice, counted.verdicts.excluded, definition);
                last = Some((counted.service, account));
            } else if counted.verdicts.excluded > 0 {
                last = None;
                let slo = (&*definition.slo.name, counted.group);
                if let Some(series) = known(&mut self.accounts, counted.service, slo) {
                    series.leave_out(slice, counted.verdicts.excluded, definition);
                }
            }
        }
        let first = if phase.decides_budget() { self.closed.map_or(slice, Slice::next) } else { slice };
        if was_alerted {
            // alerts were decided by what was known of it then
            self.coverage_moved |= self.coverage.missing(slice.0, slice.0 + 1) != u64::from(context.unread);
        }
        self.coverage.set(first.0, slice.0 + 1, context.unread);
        let remembered = horizon + REVISED_S / i64::from(length.0);
        self.coverage.forget(budget.0 + 2 - remembered);
        self.intake.forget(budget.0 + 2 - remembered);
        let moved = self.observed_from != context.observed_from;
        let observed = match phase {
            Phase::Alerts => moved || self.alerted_unread != context.unread || self.coverage_moved,
            _ => moved || self.unread != context.unread || self.recovered,
        };
        let seen = Observation { from: context.observed_from, coverage: &self.coverage, masks: &self.masks };
        let mut publisher = Publisher {
            context,
            configuration,
            seen,
            length,
            slice,
            settled: if phase.decides_budget() { slice } else { budget },
            end: length.end(slice),
            intake: &self.intake,
            unsound: Vec::new(),
            sequences: &mut self.sequences,
            out,
        };
        let (replay, end) = (publisher.replay(), publisher.end);
        let leaves_history = phase.decides_alerts() && self.in_history && !replay;
        let ends_hour = configuration.hours && slice == last_of_hour(slice, length);
        let hour = (ends_hour && phase.decides_budget()).then(|| {
            let budgets = self.accounts.values().map(|account| account.series.len()).sum();
            Hour { configuration, seen, length, slice, alerted: !phase.decides_alerts(), budgets }
        });
        self.accounts.retain(|service, account| {
            let rule = account.rule;
            account.series.retain_mut(|series| {
                let republish = leaves_history && !series.alerts.is_quiet();
                let definition = &configuration.definitions[series.slo as usize];
                if observed {
                    series.due_by(definition, slice);
                }
                let decides = series.is_due(slice, phase) && definition.closes(slice);
                if decides {
                    series.settle(slice, definition, seen, (length, phase));
                    series.decide(definition, seen, (slice, end), phase, |series, finding| {
                        publisher.publish(service, rule, series, definition, finding, Cause::Counted);
                    });
                }
                if republish {
                    for (tier, _) in series.alerts.firing().filter(|(_, since)| *since != end) {
                        let finding = Finding::Fired { tier };
                        publisher.publish(service, rule, series, definition, finding, Cause::LeftHistory);
                    }
                }
                if decides {
                    series.schedule(definition, seen, slice, phase);
                }
                let lives_on = !(decides && phase.decides_budget() && series.is_spent(definition, slice));
                match &hour {
                    Some(hour) if lives_on => hour.end(service, series, &mut self.hours),
                    None if ends_hour => AlertsEnd::note(series, slice),
                    _ => {}
                }
                lives_on
            });
            !account.series.is_empty()
        });
        self.observed_from = context.observed_from;
        if phase.decides_budget() {
            (self.closed, self.unread, self.recovered) = (Some(slice), context.unread, false);
            self.hours.moved = true;
        }
        if phase.decides_alerts() {
            (self.in_history, self.alerted_unread, self.coverage_moved) = (replay, context.unread, false);
            self.alerted = self.active.is_some_and(|a| self.configurations[a].early).then_some(slice);
        }
        Ok(())
    }

    /// Puts the next configuration in force at its border: what it no longer has ends there.
    fn enforce_next(&mut self, context: &CloseContext, length: SliceLength, out: &mut Vec<Event>) {
        let Some(active) = self.active else {
            self.active = Some(0);
            return;
        };
        let last = Slice(self.configurations[active + 1].from.0 - 1);
        for definition in self.configurations[active..=active + 1].iter_mut().flat_map(|c| &mut c.definitions)
        {
            definition.turn(last, length);
        }
        let next = &mut self.configurations[active + 1];
        let horizon = next.horizon_slices();
        next.exclusions.reach(last.0 + 1 - horizon, last.0 + 1 + horizon, length);
        let mut masks = Masks::default();
        let (old, new) = (&self.configurations[active], &self.configurations[active + 1]);
        let mut publisher = Publisher {
            context,
            configuration: old,
            seen: Observation { from: self.observed_from, coverage: &self.coverage, masks: &self.masks },
            length,
            slice: last,
            settled: last,
            end: length.end(last),
            intake: &self.intake,
            unsound: Vec::new(),
            sequences: &mut self.sequences,
            out,
        };
        self.accounts.retain(|service, account| {
            let rule = account.rule;
            account.series.retain_mut(|series| {
                let before = &old.definitions[series.slo as usize];
                let found = new.find(service, &series.name).map(|i| (i, &new.definitions[i as usize]));
                let kept = found.filter(|(_, d)| d.generation == series.generation);
                let lives_on = |tier: u16| {
                    let name = &before.slo.tiers[tier as usize].name;
                    kept.is_some_and(|(_, d)| d.slo.tiers.iter().any(|t| t.name == *name))
                };
                let cause = match (kept, found) {
                    (None, Some(_)) => Cause::Redefined,
                    _ => Cause::Removed,
                };
                for (tier, since) in series.alerts.firing().filter(|(tier, _)| !lives_on(*tier)) {
                    let finding = Finding::Resolved { tier, since };
                    publisher.publish(service, rule, series, before, finding, cause);
                }
                if kept.is_none() && series.policy > 0 {
                    let finding = Finding::Policy { from: series.policy, to: 0 };
                    publisher.publish(service, rule, series, before, finding, cause);
                }
                match (kept, series.exhausted) {
                    (Some((index, after)), _) => {
                        let mask = masks.find(&new.exclusions, service, after);
                        let (before_mask, after_mask) = (self.masks.get(series.mask), masks.get(mask));
                        series.carry_over(index, before, after, new.from);
                        series.mask = mask;
                        if !before_mask.agrees(after_mask) {
                            series.split_anew(after, (before_mask, after_mask), new.from);
                        }
                    }
                    (None, Some(since)) => {
                        let finding = Finding::Recovered { since };
                        publisher.publish(service, rule, series, before, finding, cause);
                    }
                    (None, None) => {}
                }
                kept.is_some()
            });
            account.rule = new.rule(service, old, rule);
            !account.series.is_empty()
        });
        self.masks = masks;
        self.active = Some(active + 1);
        self.forget_configurations();
    }

    /// Forgets configurations that no late count can refer to any more.
    fn forget_configurations(&mut self) {
        let Some(active) = self.active else { return };
        let definitions = self.configurations.iter().flat_map(|c| &c.definitions);
        let horizon = definitions.map(|d| d.horizon_slices()).max().unwrap_or(0);
        let border = self.configurations[active].from.0;
        let over =
            self.configurations[1..=active].iter().filter(|next| next.from.0 <= border - horizon).count();
        let forgotten = over.max((active + 1).saturating_sub(CONFIGURATIONS_MAX));
        self.configurations.drain(..forgotten);
        self.active = Some(active - forgotten);
    }
}
