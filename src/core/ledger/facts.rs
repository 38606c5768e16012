//! What an event about a budget says: its data (`core/event/data.rs`), filled in from the ledger.
//!
//! Invariant: every number is computed from integers.

use super::CloseContext;
use super::definition::{Configuration, Definition};
use super::intake::{Intake, Unsound};
use super::packed::Counts;
use super::revision::Standing;
use super::series::{Finding, Observation, Of, Series};
use crate::core::budgeting;
use crate::core::burn::{self, Millionths, Window};
use crate::core::decimal::Decimal;
use crate::core::event::data::{
    self, BudgetData, BudgetFacts, BudgetingMethod, BurnFacts, BurnWindow, Counted, Coverage, DecimalText,
    Links, PolicyFacts, Projection, Provenance, Published, RevisedEvent, RevisionCause, RevisionFacts,
    SlaVerdict, SliFacts, SloFacts, Stamp, State, StateFacts, Verdict, WindowFacts, WindowKind,
};
use crate::core::event::{self, Event, Severity};
use crate::core::policy;
use crate::core::rollup::OutputPosition;
use crate::core::settings::{Budgeting, Op, PolicyTier, ServiceRule};
use crate::core::time::{Slice, SliceLength, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// 9999-01-01T00:00:00Z: what is further off is never.
const FAR: Time = Time::from_seconds(253_370_764_800);

/// Numbers events and hands them out. Holds what all events of one closed slice have in common.
pub(super) struct Publisher<'a> {
    pub(super) context: &'a CloseContext,
    pub(super) configuration: &'a Configuration,
    pub(super) seen: Observation<'a>,
    /// Length of a slice.
    pub(super) length: SliceLength,
    /// The slice that decides: the last one that alerts' windows cover.
    pub(super) slice: Slice,
    /// The last slice that budgets' windows cover: earlier where alerts are decided early.
    pub(super) settled: Slice,
    /// The end of the slice that decides.
    pub(super) end: Time,
    pub(super) intake: &'a Intake,
    /// Its sums over windows that an event was told of: many budgets have the same window.
    pub(super) unsound: Vec<((i64, i64), Unsound)>,
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
        let subject = event::subject(service, &definition.slo.name, series.group.as_deref());
        let (kind, transition, tier, bad) = match finding {
            Finding::Consumed { bad } => (event::CONSUMED, "consumed", None, Some(bad)),
            Finding::Exhausted => (event::EXHAUSTED, "exhausted", None, None),
            Finding::Recovered { .. } => (event::RECOVERED, "recovered", None, None),
            Finding::Policy { .. } => (event::POLICY_CHANGED, "policy_changed", None, None),
            Finding::Closed => (event::WINDOW_CLOSED, "closed", None, None),
            Finding::Revised { .. } => (event::REVISED, "revised", None, None),
            Finding::Frozen { tier } => (event::FROZEN, "frozen", Some(tier), None),
            Finding::Thawed { .. } => (event::THAWED, "thawed", None, None),
            Finding::Fired { tier } => (event::FIRING, "firing", Some(tier), None),
            Finding::Resolved { tier, .. } => (event::RESOLVED, "resolved", Some(tier), None),
        };
        let named = match kind {
            // a budget may come into two tiers at one border: by its counts, and by the end of its SLO
            event::POLICY_CHANGED => policy_tier(definition, finding).map_or("budget", |tier| &tier.name),
            event::FROZEN | event::THAWED => "data",
            event::WINDOW_CLOSED => "window",
            event::REVISED if finding == (Finding::Revised { of: Of::Period }) => "window",
            _ => tier.and_then(|t| definition.slo.tiers.get(t as usize)).map_or("budget", |t| &*t.name),
        };
        // all tiers of a policy are one budget's, and so is what corrects it
        let grouped = if kind == event::POLICY_CHANGED || kind == event::REVISED { "budget" } else { named };
        let revision = self.revision(series, definition, finding);
        let corrections = revision.as_ref().map_or(0, |revision| revision.number);
        let id = event::id(&subject, definition.generation, named, transition, self.end, corrections);
        let first = self.context.first;
        let position = OutputPosition { index: first.index + self.out.len() as u32, ..first };
        let rule = rule.and_then(|r| self.configuration.services.get(r as usize));
        let budget = series.budget(definition, self.seen, self.settled);
        let unsound = self.unsound(definition);
        let contributors = &self.context.contributors;
        let subject: Arc<str> = subject.into();
        let tier = tier.map(usize::from);
        let data = BudgetData {
            slo: self.slo((service, &series.group), &subject, rule, definition),
            sli: self.sli(series, definition, &budget),
            budget: self.budget(series, definition, &budget, bad),
            burn: tier.map(|tier| self.burn(series, definition, tier)),
            projection: self.projection(series, definition, tier, &budget),
            policy: policy_facts(definition, finding),
            verdict: (finding == Finding::Closed).then(|| verdict(definition, &budget)),
            revision,
            severity: tier.map(|tier| definition.slo.tiers[tier].severity.clone()),
            links: Links {
                runbook_url: rule.and_then(|r| r.runbook_url.clone()),
                dashboard_url: rule.and_then(|r| r.dashboard_url.clone()),
                query: self.query((service, &series.group), definition, tier),
            },
            top_contributors: contributors.most((service, self.slice), series, definition, self.seen),
            state: self.state(
                series,
                (finding, definition.slo.objective),
                cause,
                event::fingerprint(&subject, grouped),
            ),
            provenance: Provenance {
                window_end: Stamp(self.end),
                watermark: Stamp(self.context.watermark),
                recorded_at: Stamp(self.context.clock),
                coverage: Coverage {
                    slices: budget.slices,
                    observed: series.observed(definition.budget(), definition, self.seen, self.settled),
                },
                complete: self.context.complete,
                late_events: unsound.late,
                dropped_events: unsound.rejected,
                source_offsets: self.context.source_offsets.clone(),
                replay: self.replay(),
                revision: corrections,
                epoch: self.configuration.epoch,
                config_sha256: self.configuration.sha256.clone(),
                position: position.position,
            },
            replay: self.replay(),
        };
        let sequence = number(self.sequences, &subject);
        let severity = severity(definition, finding, data.verdict.as_ref());
        self.out.push(Event {
            position,
            key: service.clone(),
            subject,
            kind,
            id,
            time: self.end,
            recorded: self.context.clock,
            severity,
            sequence,
            replay: data.replay,
            data: event::text(&data),
        });
    }

    /// How sound the input of the SLO's window was.
    fn unsound(&mut self, definition: &Definition) -> Unsound {
        let unit = definition.completed(self.settled);
        let first = definition.last_slice(definition.first(definition.budget(), unit) - 1).0 + 1;
        let window = (first, definition.last_slice(unit).0 + 1);
        if let Some((_, known)) = self.unsound.iter().find(|(known, _)| *known == window) {
            return *known;
        }
        let sum = self.intake.sum(window.0, window.1);
        self.unsound.push((window, sum));
        sum
    }

    fn slo(
        &self,
        (service, group): (&Arc<str>, &Option<Arc<str>>),
        subject: &Arc<str>,
        rule: Option<&ServiceRule>,
        definition: &Definition,
    ) -> SloFacts {
        let slo = &definition.slo;
        SloFacts {
            id: subject.clone(),
            name: slo.name.clone(),
            service: service.clone(),
            per: slo.per.as_ref().map(|per| per.field.clone()),
            group: group.clone(),
            tier: rule.and_then(|r| r.tier),
            owner: rule.and_then(|r| r.owner.clone()),
            labels: rule.map(|r| r.labels.clone()).unwrap_or_default(),
            objective: slo.objective.into(),
            target: DecimalText::ratio(slo.objective),
            window: self.window(definition),
            budgeting_method: match slo.budgeting {
                Budgeting::Occurrences => BudgetingMethod::Occurrences,
                Budgeting::Timeslices { .. } => BudgetingMethod::Timeslices,
                Budgeting::RatioTimeslices { .. } => BudgetingMethod::RatioTimeslices,
            },
            generation: definition.generation,
        }
    }

    /// What was told and what it would be now.
    fn revision(&self, series: &Series, definition: &Definition, finding: Finding) -> Option<RevisionFacts> {
        let Finding::Revised { of } = finding else { return None };
        let told = series.told(of)?;
        let objective = definition.slo.objective;
        let published = |standing: &Standing| {
            let window = standing.window();
            let tier = policy::tier(&definition.slo.policy, &window, objective);
            Published {
                good: standing.requests.good,
                bad: standing.requests.bad,
                consumed_ratio: text(window.rate(objective)),
                remaining_ratio: text(window.remaining(objective)),
                exhausted: window.is_exhausted(objective),
                policy: definition.slo.policy.get(usize::from(tier)).map(|tier| tier.name.to_string()),
                verdict: (of == Of::Period).then(|| verdict(definition, &window)),
            }
        };
        let (first, last) = told.touched?;
        Some(RevisionFacts {
            of: if of == Of::Budget { RevisedEvent::Budget } else { RevisedEvent::WindowClosed },
            window_end: Stamp(told.end),
            number: told.revisions + 1,
            cause: if told.by_exclusions { RevisionCause::Exclusions } else { RevisionCause::LateData },
            slices_start: Stamp(self.length.start(Slice(definition.last_slice(first - 1).0 + 1))),
            slices_end: Stamp(self.length.end(definition.last_slice(last))),
            previous: published(&told.published),
            corrected: published(&told.corrected),
        })
    }

    /// The slices that show it, for the views over the rollups.
    fn query(
        &self,
        (service, group): (&str, &Option<Arc<str>>),
        definition: &Definition,
        tier: Option<usize>,
    ) -> String {
        let WindowFacts { start, end, .. } = self.window(definition);
        let (since, until) = match tier {
            Some(tier) => {
                let long_s = definition.slo.tiers[tier].long_s.min(i64::MAX as u64) as i64;
                (self.end.plus_seconds(-long_s), self.end)
            }
            None => (start.0, end.0),
        };
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let group =
            group.iter().map(|group| format!(" AND slo_group = {}", quoted(group))).collect::<String>();
        format!(
            "SELECT slice_start, good, bad, excluded FROM sli WHERE service = {} AND slo = {}{group} AND slice_start >= '{since}' AND slice_start < '{until}' ORDER BY slice_start",
            quoted(service),
            quoted(&definition.slo.name),
        )
    }

    fn sli(&self, series: &Series, definition: &Definition, budget: &Window) -> SliFacts {
        let Counted { good, bad, total, value } =
            counts(series.requests(definition.budget(), definition), budget);
        let (excluded, maintenance) = series.left_out(definition, self.settled);
        SliFacts {
            good,
            bad,
            total,
            value,
            excluded,
            maintenance_good: maintenance.good,
            maintenance_bad: maintenance.bad,
        }
    }

    /// A rolling window ends with the last slice that budgets know of, a calendar's with its period.
    fn window(&self, definition: &Definition) -> WindowFacts {
        let slo = &definition.slo;
        let length_s = self.window_s(definition);
        let back = -(slo.window_s.min(i64::MAX as u64) as i64);
        let (start, end) = match definition.period(self.length) {
            Some(period) => (period.start, period.end),
            None => {
                let end = self.length.end(self.settled);
                (end.plus_seconds(back), end)
            }
        };
        WindowFacts {
            kind: if slo.calendar.is_some() { WindowKind::Calendar } else { WindowKind::Rolling },
            length: span(length_s),
            length_s,
            start: Stamp(start),
            end: Stamp(end),
            calendar: slo.calendar.as_ref().map(|c| c.unit.name().to_owned()),
            time_zone: slo.calendar.as_ref().map(|c| c.time_zone.clone()),
        }
    }

    fn window_s(&self, definition: &Definition) -> u64 {
        definition.period(self.length).map_or(definition.slo.window_s, |period| period.seconds())
    }

    /// `delta` is what is told as consumed, as the budgeting method weighs it.
    fn budget(
        &self,
        series: &Series,
        definition: &Definition,
        window: &Window,
        delta: Option<u64>,
    ) -> BudgetFacts {
        let objective = definition.slo.objective;
        let whole = budgeting::whole(&definition.slo.budgeting);
        let allowed = window.allowed(objective);
        // the rest of the period, not yet seen, as good at the mean rate so far
        let projected = series.elapsed(definition, self.seen, self.settled).map(|(seen, slices)| {
            let Window { good, bad, .. } = *window;
            Window { good, bad, slices, seen }
        });
        let excluded = series.excluded(definition, self.seen, self.settled);
        let counted_s = self.window_s(definition).saturating_sub(excluded * definition.unit_s(self.length));
        let in_slices = |value: Millionths, whole: u64| Millionths(value.0.div_euclid(i128::from(whole)));
        BudgetFacts {
            allowed_events: text(allowed.filter(|_| whole.is_none())),
            allowed_slices: text(allowed.zip(whole).map(|(allowed, whole)| in_slices(allowed, whole))),
            allowed_seconds: DecimalText::of(burn::allowed_seconds(counted_s, objective)),
            consumed_events: series.requests(definition.budget(), definition).bad,
            consumed_slices: text(whole.map(|whole| Millionths::of(window.bad.into(), whole.into()))),
            consumed_ratio: text(window.rate(objective)),
            projected_ratio: text(projected.and_then(|window| window.rate(objective))),
            remaining_ratio: text(window.remaining(objective)),
            consumed_delta_events: delta.filter(|_| whole.is_none()),
            consumed_delta: delta.and_then(|bad| text(window.share(bad, objective))),
        }
    }

    fn burn(&self, series: &Series, definition: &Definition, tier: usize) -> BurnFacts {
        let (rule, objective) = (&definition.slo.tiers[tier], definition.slo.objective);
        let (long, short) = self.windows(series, definition, tier);
        let said = |index, window: &Window, seconds| {
            let Counted { good, bad, total, value } = counts(series.requests(index, definition), window);
            BurnWindow {
                window: span(seconds),
                window_s: seconds,
                rate: text(window.rate(objective)),
                slices: window.slices,
                observed: series.observed(index, definition, self.seen, self.slice),
                good,
                bad,
                total,
                value,
            }
        };
        let (long_index, short_index) = definition.tier(tier);
        BurnFacts {
            rule: rule.name.clone(),
            factor: rule.factor.into(),
            op: if rule.op == Op::Gt { "gt" } else { "gte" },
            long: said(long_index, &long, rule.long_s),
            short: said(short_index, &short, rule.short_s),
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
        let (objective, period_s) = (definition.slo.objective, self.window_s(definition));
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
            exhausts_at: remaining.map(ends).filter(|end| end.0 < FAR),
        }
    }

    fn state(
        &self,
        series: &Series,
        (finding, objective): (Finding, Decimal),
        cause: Cause,
        fingerprint: String,
    ) -> StateFacts {
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
            Finding::Policy { .. } | Finding::Closed => match series.exhausted {
                Some(since) => (State::Exhausted, State::Exhausted, Some(since)),
                None => (State::WithinBudget, State::WithinBudget, None),
            },
            Finding::Revised { of } => {
                let state = |standing: &Standing| match standing.window().is_exhausted(objective) {
                    true => State::Exhausted,
                    false => State::WithinBudget,
                };
                let told = series.told(of);
                let (then, now) = told.map(|told| (told.published, told.corrected)).unwrap_or_default();
                (state(&then), state(&now), told.map(|told| told.end))
            }
            Finding::Frozen { .. } => (State::Live, State::Frozen, Some(self.end)),
            Finding::Thawed { since } => (State::Frozen, State::Live, Some(since)),
        };
        StateFacts { previous, current, since: since.map(Stamp), cause: cause.said(), fingerprint }
    }
}

/// The tier of the policy that the budget came into.
fn policy_facts(definition: &Definition, finding: Finding) -> Option<PolicyFacts> {
    let Finding::Policy { from, .. } = finding else { return None };
    let now = policy_tier(definition, finding)?;
    Some(PolicyFacts {
        tier: now.name.to_string(),
        action: now.action.clone(),
        previous: definition.slo.policy.get(from as usize).map(|tier| tier.name.to_string()),
    })
}

fn policy_tier(definition: &Definition, finding: Finding) -> Option<&PolicyTier> {
    let Finding::Policy { to, .. } = finding else { return None };
    definition.slo.policy.get(to as usize)
}

/// How bad a finding is.
fn severity(definition: &Definition, finding: Finding, verdict: Option<&Verdict>) -> Severity {
    let broken = |sla: &SlaVerdict| sla.met == Some(false);
    match finding {
        Finding::Fired { tier } if &*definition.slo.tiers[usize::from(tier)].severity == "page" => {
            Severity::Error
        }
        Finding::Exhausted => Severity::Error,
        Finding::Closed if verdict.and_then(|v| v.sla.as_ref()).is_some_and(broken) => Severity::Error,
        Finding::Closed if verdict.is_some_and(|v| v.slo_met == Some(false)) => Severity::Warn,
        Finding::Fired { .. } | Finding::Frozen { .. } => Severity::Warn,
        Finding::Policy { from, to } if to > from => Severity::Warn,
        _ => Severity::Info,
    }
}

/// What a period came to. What was not read is not judged: the coverage stands beside it.
fn verdict(definition: &Definition, window: &Window) -> Verdict {
    let met = |objective| policy::is_met(window, objective);
    Verdict {
        slo_met: met(definition.slo.objective),
        sla: definition.slo.sla.as_ref().map(|sla| SlaVerdict {
            objective: sla.objective.into(),
            met: met(sla.objective),
            credit: policy::credit(sla, window).into(),
        }),
    }
}

/// Requests, and the indicator as the budgeting method weighs them.
fn counts(requests: Counts, window: &Window) -> Counted {
    Counted {
        good: requests.good,
        bad: requests.bad,
        total: requests.good.saturating_add(requests.bad),
        value: text(window.sli()),
    }
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
