//! What an event about a budget says: its data (`core/event/data.rs`), filled in from the ledger.
//!
//! Invariant: every number is computed from integers.

use super::CloseContext;
use super::definition::{Configuration, Definition};
use super::series::{Finding, Observation, Series};
use crate::core::burn::{self, Millionths, Window};
use crate::core::event::data::{
    self, BudgetData, BudgetFacts, BudgetingMethod, BurnFacts, BurnWindow, Counted, Coverage, DecimalText,
    Links, Projection, Provenance, SloFacts, Stamp, State, StateFacts, WindowFacts, WindowKind,
};
use crate::core::event::{self, Event};
use crate::core::rollup::OutputPosition;
use crate::core::settings::ServiceRule;
use crate::core::time::{Slice, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Numbers events and hands them out. Holds what all events of one closed slice have in common.
pub(super) struct Publisher<'a> {
    pub(super) context: &'a CloseContext,
    pub(super) configuration: &'a Configuration,
    pub(super) seen: Observation,
    /// The last slice that the windows cover.
    pub(super) slice: Slice,
    /// Its end.
    pub(super) end: Time,
    pub(super) sequences: &'a mut BTreeMap<String, u64>,
    pub(super) out: &'a mut Vec<Event>,
}

/// Why a state ended, or was told again, if not by what was counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// By what was counted.
    Counted,
    /// The SLO, its tier or its hold on the service is gone.
    Removed,
    /// The SLO has a new generation.
    Redefined,
    /// It was told as history and goes on.
    LeftHistory,
}

impl Cause {
    fn said(self) -> Option<data::Cause> {
        match self {
            Cause::Counted => None,
            Cause::Removed => Some(data::Cause::Removed),
            Cause::Redefined => Some(data::Cause::Redefined),
            Cause::LeftHistory => Some(data::Cause::LeftHistory),
        }
    }
}

/// The next number of a subject.
pub(super) fn number(sequences: &mut BTreeMap<String, u64>, subject: &str) -> u64 {
    match sequences.get_mut(subject) {
        Some(last) => {
            *last += 1;
            *last
        }
        None => {
            sequences.insert(subject.to_owned(), 1);
            1
        }
    }
}

/// The position of the next event of the record at `position`.
pub(super) fn next_position(position: u64, out: &[Event]) -> OutputPosition {
    OutputPosition { position, index: out.len() as u32 }
}

impl Publisher<'_> {
    /// Whether what is published now is history.
    pub(super) fn replay(&self) -> bool {
        self.end < self.context.history_before
    }

    /// Publishes a finding about a series of a service.
    pub(super) fn publish(
        &mut self,
        service: &Arc<str>,
        rule: Option<u16>,
        series: &Series,
        definition: &Definition,
        finding: Finding,
        cause: Cause,
    ) {
        let subject = event::subject(service, &definition.slo.name);
        let (kind, transition, tier, bad) = match finding {
            Finding::Consumed { bad } => (event::CONSUMED, "consumed", None, Some(bad)),
            Finding::Exhausted => (event::EXHAUSTED, "exhausted", None, None),
            Finding::Recovered { .. } => (event::RECOVERED, "recovered", None, None),
            Finding::Fired { tier } => (event::FIRING, "firing", Some(tier), None),
            Finding::Resolved { tier, .. } => (event::RESOLVED, "resolved", Some(tier), None),
        };
        let named = tier.and_then(|t| definition.slo.tiers.get(t as usize)).map_or("budget", |t| &*t.name);
        let id = event::id(&subject, definition.generation, named, transition, self.end, 0);
        let position = next_position(self.context.position, self.out);
        let rule = rule.and_then(|r| self.configuration.services.get(r as usize));
        let budget = series.window(definition.budget(), definition, self.seen, self.slice);
        let subject: Arc<str> = subject.into();
        let tier = tier.map(usize::from);
        let data = BudgetData {
            slo: self.slo(service, &subject, rule, definition),
            sli: counts(&budget),
            budget: self.budget(definition, &budget, bad),
            burn: tier.map(|tier| self.burn(series, definition, tier)),
            projection: self.projection(series, definition, tier, &budget),
            severity: tier.map(|tier| definition.slo.tiers[tier].severity.clone()),
            links: Links {
                runbook_url: rule.and_then(|r| r.runbook_url.clone()),
                dashboard_url: rule.and_then(|r| r.dashboard_url.clone()),
            },
            state: self.state(series, finding, cause, event::fingerprint(&subject, named)),
            provenance: Provenance {
                window_end: Stamp(self.end),
                watermark: Stamp(self.context.watermark),
                recorded_at: Stamp(self.context.clock),
                coverage: Coverage { slices: budget.slices, observed: budget.seen },
                complete: self.context.complete,
                replay: self.replay(),
                revision: 0,
                epoch: self.configuration.epoch,
                position: position.position,
            },
            replay: self.replay(),
        };
        let sequence = number(self.sequences, &subject);
        self.out.push(Event {
            position,
            key: service.clone(),
            subject,
            kind,
            id,
            time: self.end,
            sequence,
            data: event::plain(&data),
        });
    }

    fn slo(
        &self,
        service: &Arc<str>,
        subject: &Arc<str>,
        rule: Option<&ServiceRule>,
        definition: &Definition,
    ) -> SloFacts {
        let slo = &definition.slo;
        SloFacts {
            id: subject.clone(),
            name: slo.name.clone(),
            service: service.clone(),
            tier: rule.and_then(|r| r.tier),
            owner: rule.and_then(|r| r.owner.clone()),
            objective: slo.objective.into(),
            target: DecimalText::ratio(slo.objective),
            window: WindowFacts {
                kind: WindowKind::Rolling,
                length: span(slo.window_s),
                length_s: slo.window_s,
                start: Stamp(self.end.plus_seconds(-(slo.window_s.min(i64::MAX as u64) as i64))),
                end: Stamp(self.end),
            },
            budgeting_method: BudgetingMethod::Occurrences,
            generation: definition.generation,
        }
    }

    fn budget(&self, definition: &Definition, window: &Window, delta: Option<u64>) -> BudgetFacts {
        let objective = definition.slo.objective;
        BudgetFacts {
            allowed_events: text(window.allowed(objective)),
            allowed_seconds: DecimalText::of(burn::allowed_seconds(definition.slo.window_s, objective)),
            consumed_events: window.bad,
            consumed_ratio: text(window.rate(objective)),
            remaining_ratio: text(window.remaining(objective)),
            consumed_delta_events: delta,
            consumed_delta: delta.and_then(|bad| text(window.share(bad, objective))),
        }
    }

    fn burn(&self, series: &Series, definition: &Definition, tier: usize) -> BurnFacts {
        let (rule, objective) = (&definition.slo.tiers[tier], definition.slo.objective);
        let (long, short) = self.windows(series, definition, tier);
        let said = |window: &Window, seconds| BurnWindow {
            window: span(seconds),
            window_s: seconds,
            rate: text(window.rate(objective)),
            slices: window.slices,
            observed: window.seen,
            good: window.good,
            bad: window.bad,
            total: window.total(),
            value: text(window.sli()),
        };
        BurnFacts {
            rule: rule.name.clone(),
            factor: rule.factor.into(),
            long: said(&long, rule.long_s),
            short: said(&short, rule.short_s),
            governing_rate: text(long.rate(objective).zip(short.rate(objective)).map(|(l, s)| l.min(s))),
        }
    }

    /// A tier's long and short window.
    fn windows(&self, series: &Series, definition: &Definition, tier: usize) -> (Window, Window) {
        let window = |index| series.window(index, definition, self.seen, self.slice);
        let (long, short) = definition.tier(tier);
        (window(long), window(short))
    }

    fn projection(
        &self,
        series: &Series,
        definition: &Definition,
        tier: Option<usize>,
        budget: &Window,
    ) -> Projection {
        let (objective, period_s) = (definition.slo.objective, definition.slo.window_s);
        let governing = match tier.map(|tier| self.windows(series, definition, tier)) {
            Some((long, short)) if short.rate(objective) < long.rate(objective) => short,
            Some((long, _)) => long,
            None => *budget,
        };
        let remaining = governing.countdown(budget, period_s, objective);
        let ends = |left: Millionths| {
            let seconds = i64::try_from(left.0 / 1_000_000).unwrap_or(i64::MAX);
            Stamp(self.end.plus_seconds(seconds))
        };
        Projection {
            rate: text(governing.rate(objective).filter(|rate| rate.0 > 0)),
            pace_seconds: text(governing.pace(period_s, objective)),
            remaining_seconds: text(remaining),
            exhausts_at: remaining.map(ends),
        }
    }

    fn state(&self, series: &Series, finding: Finding, cause: Cause, fingerprint: String) -> StateFacts {
        let (previous, current, since) = match finding {
            Finding::Consumed { .. } if series.exhausted.is_some() => {
                (State::Exhausted, State::Exhausted, series.exhausted)
            }
            Finding::Consumed { .. } => (State::WithinBudget, State::WithinBudget, None),
            Finding::Exhausted => (State::WithinBudget, State::Exhausted, Some(self.end)),
            Finding::Recovered { since } => (State::Exhausted, State::WithinBudget, Some(since)),
            Finding::Fired { .. } if cause != Cause::LeftHistory => {
                (State::Inactive, State::Firing, Some(self.end))
            }
            Finding::Fired { tier } => (State::Firing, State::Firing, series.alerts.since(tier)),
            Finding::Resolved { since, .. } => (State::Firing, State::Resolved, Some(since)),
        };
        StateFacts { previous, current, since: since.map(Stamp), cause: cause.said(), fingerprint }
    }
}

fn counts(window: &Window) -> Counted {
    Counted { good: window.good, bad: window.bad, total: window.total(), value: text(window.sli()) }
}

fn text(value: Option<Millionths>) -> Option<DecimalText> {
    value.map(DecimalText::of)
}

/// Seconds in the largest unit that divides them: `30d`, `6h`, `5m`, `10s`.
fn span(seconds: u64) -> String {
    for (unit, name) in [(86_400, "d"), (3600, "h"), (60, "m")] {
        if seconds > 0 && seconds.is_multiple_of(unit) {
            return format!("{}{name}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_written() {
        for (seconds, want) in
            [(2_592_000, "30d"), (21_600, "6h"), (300, "5m"), (90, "90s"), (86_460, "1441m"), (0, "0s")]
        {
            assert_eq!(span(seconds), want);
        }
    }
}
