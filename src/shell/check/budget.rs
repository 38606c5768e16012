//! What an objective allows, in requests and minutes, and when its alerts fire.
//!
//! Invariant: exact integers throughout; what is shown is rounded down to six places.

use crate::core::budgeting;
use crate::core::decimal::{Decimal, Ratio};
use crate::core::settings::{Budgeting, Op, Per, SliceTest, Slo, Tier};
use crate::core::sli::expand;
use crate::shell::config::scalar::seconds_text;
use crate::shell::pipeline::requests_for_one_failure;
use serde_json::{Value, json};
use std::fmt::Write;

/// One hundred percent, in millionths of a percent.
const HUNDRED: u64 = 100_000_000;

/// Share of requests that may be bad, percent.
pub(in crate::shell) fn allowed(objective: Decimal) -> Decimal {
    Decimal(HUNDRED - objective.0)
}

/// Bad requests allowed in a million.
pub(in crate::shell) fn per_million(objective: Decimal) -> Decimal {
    // percent × 10⁴, and a decimal holds millionths already
    Decimal(allowed(objective).0 * 10_000)
}

/// Minutes of full outage that use up the budget.
fn minutes(slo: &Slo) -> Decimal {
    // window/60 × allowed/10⁸, in millionths
    let millionths = u128::from(slo.window_s) * u128::from(allowed(slo.objective).0) / 6_000;
    Decimal(millionths.min(u128::from(u64::MAX)) as u64)
}

/// Share of bad requests above which a tier fires, percent.
pub(in crate::shell) fn bad_share(objective: Decimal, tier: &Tier) -> Ratio {
    let share = Ratio::from(allowed(objective));
    scaled(tier.factor, share.num, share.den)
}

/// Share of the budget that its long window uses up at its factor, percent.
pub(in crate::shell) fn spent(window_s: u64, tier: &Tier) -> Ratio {
    scaled(tier.factor, 100 * tier.long_s, window_s)
}

/// `ratio × num / den`, exact wherever the result fits; what does not is cut to the most that does.
fn scaled(ratio: Ratio, num: u64, den: u64) -> Ratio {
    let (mut top, mut bottom) =
        (u128::from(ratio.num) * u128::from(num), u128::from(ratio.den) * u128::from(den));
    let (mut a, mut b) = (top, bottom);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (top, bottom) = (top / a.max(1), bottom / a.max(1));
    while top > u128::from(u64::MAX) || bottom > u128::from(u64::MAX) {
        (top, bottom) = (top >> 1, bottom >> 1);
    }
    Ratio::new(top as u64, (bottom as u64).max(1))
}

/// For people; with what the SLO is to say, in prose, if somebody wrote it.
pub(super) fn text(slo: &Slo, specification: Option<&str>) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "  {} of {}: {} % over {}",
        slo.name,
        slo.services.join(", "),
        slo.objective,
        window(slo)
    );
    if let Some(Per { field, groups_max }) = &slo.per {
        let _ =
            writeln!(out, "    per      {field}: a budget for each value, at most {groups_max} of a service");
    }
    for line in specification.unwrap_or_default().lines() {
        let _ = writeln!(out, "    {line}");
    }
    for line in expand(slo).lines() {
        let _ = writeln!(out, "    {line}");
    }
    if let Some(line) = weighs(slo) {
        let _ = writeln!(out, "    slices   {line}");
    }
    let _ = writeln!(
        out,
        "    budget   {} bad requests in a million, or {} minutes of full outage",
        per_million(slo.objective),
        minutes(slo)
    );
    if slo.tiers.is_empty() {
        let _ = writeln!(out, "    alerts   none");
    }
    for tier in &slo.tiers {
        let _ = writeln!(
            out,
            "    {:<10} burn rate {} {} over {} and {}: more than {} % bad, {} % of the budget in {}",
            tier.name,
            if tier.op == Op::Gt { "above" } else { "from" },
            tier.factor,
            seconds_text(tier.long_s),
            seconds_text(tier.short_s),
            bad_share(slo.objective, tier),
            spent(slo.window_s, tier),
            seconds_text(tier.long_s),
        );
        let fewest = requests_for_one_failure(tier.factor, tier.op, slo.objective);
        if slo.min_failures < 2 && slo.min_events < fewest && slo.budgeting == Budgeting::Occurrences {
            let long = seconds_text(tier.long_s);
            let _ = writeln!(
                out,
                "               one failure fires it among fewer than {fewest} requests in {long}"
            );
        }
    }
    out
}

/// The window in words.
fn window(slo: &Slo) -> String {
    slo.calendar.as_ref().map_or_else(|| seconds_text(slo.window_s), |c| format!("each {c}"))
}

/// What makes a slice good, where slices are weighed.
fn weighs(slo: &Slo) -> Option<String> {
    match slo.budgeting {
        Budgeting::Occurrences => None,
        Budgeting::RatioTimeslices { slice_s } => {
            Some(format!("of {} count by their share of good requests", seconds_text(slice_s.into())))
        }
        Budgeting::Timeslices { slice_s, test } => {
            let slice = seconds_text(slice_s.into());
            Some(match test {
                SliceTest::Good { target } => format!("of {slice} are good from {target} % good requests on"),
                SliceTest::Requests { at_least, at_most: None } => {
                    format!("of {slice} are good from {at_least} requests on")
                }
                SliceTest::Requests { at_least, at_most: Some(most) } => {
                    format!("of {slice} are good from {at_least} to {most} requests")
                }
            })
        }
    }
}

/// For programs; decimals as text.
pub(super) fn to_json(slo: &Slo, specification: Option<&str>) -> Value {
    let tiers: Vec<Value> = slo
        .tiers
        .iter()
        .map(|tier| {
            json!({
                "name": tier.name,
                "severity": tier.severity,
                "factor": tier.factor.to_string(),
                "long_s": tier.long_s,
                "short_s": tier.short_s,
                "op": if tier.op == Op::Gt { "gt" } else { "gte" },
                "alert_after_s": tier.alert_after_s,
                "cool_down_s": tier.cool_down_s,
                "requests_for_one_failure": requests_for_one_failure(tier.factor, tier.op, slo.objective),
                "bad_percent": bad_share(slo.objective, tier).to_string(),
                "budget_percent": spent(slo.window_s, tier).to_string(),
            })
        })
        .collect();
    json!({
        "name": slo.name,
        "services": slo.services,
        "objective_percent": slo.objective.to_string(),
        "window_s": slo.window_s,
        "per": slo.per.as_ref().map(|per| &per.field),
        "groups_max": slo.per.as_ref().map(|per| per.groups_max),
        "specification": specification,
        "window": window(slo),
        "budgeting_method": budgeting::name(&slo.budgeting),
        "slices": weighs(slo),
        "decides": expand(slo),
        "budget": { "bad_per_million": per_million(slo.objective).to_string(), "outage_minutes": minutes(slo).to_string() },
        "alerts": tiers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::settings::{Indicator, Rule};
    use crate::shell::pipeline::workbook;

    #[test]
    fn budgets_are_those_of_the_book() {
        let cases = [
            ("99.95", 30, "500", "21.6", "0.72"),
            ("99.9", 30, "1000", "43.2", "1.44"),
            ("99", 30, "10000", "432", "14.4"),
            ("99.9", 28, "1000", "40.32", "1.344"),
        ];
        for (objective, days, million, outage, first) in cases {
            let objective = Decimal::parse(objective).unwrap();
            let window_s = days * 86_400;
            let slo = Slo {
                name: "a".into(),
                services: vec!["*".into()],
                objective,
                window_s,
                indicator: Indicator { exclude: None, rule: Rule::Good("status < 500".into()) },
                tiers: workbook(objective, window_s, 60).0,
                consumed_step: Decimal(0),
                ..Slo::default()
            };
            assert_eq!(per_million(slo.objective).to_string(), million);
            assert_eq!(minutes(&slo).to_string(), outage);
            assert_eq!(bad_share(slo.objective, &slo.tiers[0]).to_string(), first);
            assert_eq!(spent(slo.window_s, &slo.tiers[0]).to_string(), "2");
        }
    }
}
