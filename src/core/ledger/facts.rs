//! What an event about a budget says: its data, field by field as in schemas/event.schema.json.
//!
//! Invariant: counts are JSON integers, ratios and rates decimals in strings, rounded down to six places;
//! both computed from integers.

use super::CloseContext;
use super::definition::{Configuration, Definition};
use super::packed::Counts;
use super::series::{Finding, Observation, Series};
use crate::core::budgeting;
use crate::core::burn::{self, Millionths, Window};
use crate::core::event::{self, Event};
use crate::core::policy;
use crate::core::rollup::OutputPosition;
use crate::core::settings::{Op, PolicyTier, ServiceRule};
use crate::core::time::{Slice, SliceLength, Time};
use serde_json::{Value, json};
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
    fn name(self) -> Option<&'static str> {
        match self {
            Cause::Counted => None,
            Cause::Removed => Some("removed"),
            Cause::Redefined => Some("redefined"),
            Cause::LeftHistory => Some("left_history"),
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
            Finding::Policy { .. } => (event::POLICY_CHANGED, "policy_changed", None, None),
            Finding::Closed => (event::WINDOW_CLOSED, "closed", None, None),
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
            _ => tier.and_then(|t| definition.slo.tiers.get(t as usize)).map_or("budget", |t| &*t.name),
        };
        let id = event::id(&subject, definition.generation, named, transition, self.end, 0);
        let position = next_position(self.context.position, self.out);
        let rule = rule.and_then(|r| self.configuration.services.get(r as usize));
        let budget = series.window(definition.budget(), definition, self.seen, self.slice);
        let data = json!({
            "slo": self.slo(service, rule, definition),
            "sli": counts(series.requests(definition.budget(), definition), &budget),
            "budget": self.budget(series, definition, &budget, bad),
            "projection": self.projection(definition, &budget),
            "policy": policy(definition, finding),
            "verdict": (finding == Finding::Closed).then(|| verdict(definition, &budget)),
            "burn": tier.map(|tier| self.burn(series, definition, tier as usize)),
            "severity": tier.map(|tier| &*definition.slo.tiers[tier as usize].severity),
            "links": { "runbook_url": rule.and_then(|r| r.runbook_url.as_deref()) },
            "state": self.state(series, finding, cause),
            "provenance": {
                "window_end": self.end.to_string(),
                "watermark": self.context.watermark.to_string(),
                "coverage": {
                    "slices": budget.slices,
                    "observed": series.observed(definition.budget(), definition, self.seen, self.slice),
                },
                "complete": self.context.complete,
                "replay": self.replay(),
                "revision": 0,
                "epoch": self.configuration.epoch,
                "position": position.position,
            },
            "replay": self.replay(),
        });
        let sequence = number(self.sequences, &subject);
        self.out.push(Event {
            position,
            key: service.clone(),
            subject: subject.into(),
            kind,
            id,
            time: self.end,
            sequence,
            data,
        });
    }

    fn slo(&self, service: &str, rule: Option<&ServiceRule>, definition: &Definition) -> Value {
        let slo = &definition.slo;
        json!({
            "name": &*slo.name,
            "service": service,
            "tier": rule.and_then(|r| r.tier),
            "owner": rule.and_then(|r| r.owner.as_deref()),
            "objective": slo.objective.to_string(),
            "window": self.window(definition),
            "budgeting_method": budgeting::name(&slo.budgeting),
            "generation": definition.generation,
        })
    }

    /// A rolling window ends with the deciding slice, a calendar's with its period.
    fn window(&self, definition: &Definition) -> Value {
        let slo = &definition.slo;
        let length_s = self.window_s(definition);
        let back = -(slo.window_s.min(i64::MAX as u64) as i64);
        let (start, end) = match definition.period(self.length) {
            Some(period) => (period.start, period.end),
            None => (self.end.plus_seconds(back), self.end),
        };
        json!({
            "kind": if slo.calendar.is_some() { "calendar" } else { "rolling" },
            "length": span(length_s),
            "length_s": length_s,
            "start": start.to_string(),
            "end": end.to_string(),
            "calendar": slo.calendar.as_ref().map(|c| c.unit.name()),
            "time_zone": slo.calendar.as_ref().map(|c| &*c.time_zone),
        })
    }

    fn window_s(&self, definition: &Definition) -> u64 {
        definition.period(self.length).map_or(definition.slo.window_s, |period| period.seconds())
    }

    /// `bad` is what is told as consumed, as the budgeting method weighs it.
    fn budget(&self, series: &Series, definition: &Definition, window: &Window, bad: Option<u64>) -> Value {
        let objective = definition.slo.objective;
        let whole = budgeting::whole(&definition.slo.budgeting);
        let allowed = window.allowed(objective);
        // the rest of the period, not yet seen, as good at the mean rate so far
        let projected = series.elapsed(definition, self.seen, self.slice).map(|(seen, slices)| {
            let Window { good, bad, .. } = *window;
            Window { good, bad, slices, seen }
        });
        let in_slices = |value: Millionths, whole: u64| Millionths(value.0.div_euclid(i128::from(whole)));
        json!({
            "allowed_events": text(allowed.filter(|_| whole.is_none())),
            "allowed_slices": text(allowed.zip(whole).map(|(allowed, whole)| in_slices(allowed, whole))),
            "allowed_seconds": burn::allowed_seconds(self.window_s(definition), objective).to_string(),
            "consumed_events": series.requests(definition.budget(), definition).bad,
            "consumed_slices": text(whole.map(|whole| Millionths::of(window.bad.into(), whole.into()))),
            "consumed_ratio": text(window.rate(objective)),
            "projected_ratio": text(projected.and_then(|window| window.rate(objective))),
            "remaining_ratio": text(window.remaining(objective)),
            "consumed_delta_events": bad.filter(|_| whole.is_none()),
            "consumed_delta": bad.and_then(|bad| text(window.share(bad, objective))),
        })
    }

    /// When the budget is gone, if it goes on like this.
    fn projection(&self, definition: &Definition, window: &Window) -> Value {
        let pace = window.pace(self.window_s(definition), definition.slo.objective);
        let left_s = pace.map(|(_, left)| left).filter(|left| left.0 > 0);
        let seconds = left_s.and_then(|left| i64::try_from(left.0 / 1_000_000).ok());
        json!({
            "pace_seconds": text(pace.map(|(pace, _)| pace)),
            "remaining_seconds": text(pace.map(|(_, left)| left)),
            "exhausts_at": seconds.map(|s| self.end.plus_seconds(s)).filter(|t| *t < FAR).map(|t| t.to_string()),
        })
    }

    fn burn(&self, series: &Series, definition: &Definition, tier: usize) -> Value {
        let (rule, objective) = (&definition.slo.tiers[tier], definition.slo.objective);
        let window = |index| series.window(index, definition, self.seen, self.slice);
        let (long, short) = definition.tier(tier);
        let (long, short) = (window(long), window(short));
        let counted = |index| {
            let observed = series.observed(index, definition, self.seen, self.slice);
            (series.requests(index, definition), observed)
        };
        let (of_long, of_short) = (counted(definition.tier(tier).0), counted(definition.tier(tier).1));
        let said = |window: &Window, (requests, observed): (Counts, u64), seconds| {
            let mut said = json!({
                "window": span(seconds),
                "window_s": seconds,
                "rate": text(window.rate(objective)),
                "slices": window.slices,
                "observed": observed,
            });
            if let (Value::Object(said), Value::Object(counts)) = (&mut said, counts(requests, window)) {
                said.extend(counts);
            }
            said
        };
        json!({
            "rule": &*rule.name,
            "factor": rule.factor.to_string(),
            "op": if rule.op == Op::Gt { "gt" } else { "gte" },
            "long": said(&long, of_long, rule.long_s),
            "short": said(&short, of_short, rule.short_s),
            "governing_rate": text(long.rate(objective).zip(short.rate(objective)).map(|(l, s)| l.min(s))),
        })
    }

    fn state(&self, series: &Series, finding: Finding, cause: Cause) -> Value {
        let (previous, current, since) = match finding {
            Finding::Consumed { .. } if series.exhausted.is_some() => {
                ("exhausted", "exhausted", series.exhausted)
            }
            Finding::Consumed { .. } => ("within_budget", "within_budget", None),
            Finding::Exhausted => ("within_budget", "exhausted", Some(self.end)),
            Finding::Recovered { since } => ("exhausted", "within_budget", Some(since)),
            Finding::Fired { .. } if cause != Cause::LeftHistory => ("inactive", "firing", Some(self.end)),
            Finding::Fired { tier } => ("firing", "firing", series.alerts.since(tier)),
            Finding::Resolved { since, .. } => ("firing", "resolved", Some(since)),
            Finding::Policy { .. } | Finding::Closed => match series.exhausted {
                Some(since) => ("exhausted", "exhausted", Some(since)),
                None => ("within_budget", "within_budget", None),
            },
            Finding::Frozen { .. } => ("live", "frozen", Some(self.end)),
            Finding::Thawed { since } => ("frozen", "live", Some(since)),
        };
        json!({
            "previous": previous,
            "current": current,
            "since": since.map(|t| t.to_string()),
            "cause": cause.name(),
        })
    }
}

/// The tier of the policy that the budget came into.
fn policy(definition: &Definition, finding: Finding) -> Option<Value> {
    let Finding::Policy { from, .. } = finding else { return None };
    let previous = definition.slo.policy.get(from as usize).map(|tier| &tier.name);
    policy_tier(definition, finding)
        .map(|now| json!({ "tier": now.name, "action": now.action, "previous": previous }))
}

fn policy_tier(definition: &Definition, finding: Finding) -> Option<&PolicyTier> {
    let Finding::Policy { to, .. } = finding else { return None };
    definition.slo.policy.get(to as usize)
}

/// What a period came to. What was not read is not judged: the coverage stands beside it.
fn verdict(definition: &Definition, window: &Window) -> Value {
    let met = |objective| policy::is_met(window, objective);
    json!({
        "slo_met": met(definition.slo.objective),
        "sla": definition.slo.sla.as_ref().map(|sla| json!({
            "objective": sla.objective.to_string(),
            "met": met(sla.objective),
            "credit": policy::credit(sla, window).to_string(),
        })),
    })
}

/// Requests, and the indicator as the budgeting method weighs them.
fn counts(requests: Counts, window: &Window) -> Value {
    json!({
        "good": requests.good,
        "bad": requests.bad,
        "total": requests.good.saturating_add(requests.bad),
        "value": text(window.sli()),
    })
}

fn text(value: Option<Millionths>) -> Option<String> {
    value.map(|v| v.to_string())
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
