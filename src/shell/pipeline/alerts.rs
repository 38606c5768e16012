//! Burn-rate alerts: a preset, or own tiers, and what is doubtful about them.
//!
//! Invariant: a tier that can never fire is refused, or left out of a preset; one that leaves a hole is warned of.

use super::alert_presets::{self, NAMES, Preset};
use super::load::Checker;
use crate::core::decimal::{Decimal, Ratio, cmp_products};
use crate::core::settings::{Op, Source, Tier};
use crate::shell::config::scalar::seconds_text;
use crate::shell::config::{AlertsBlockFile, AlertsFile, At, DurationText, TierFile};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// One hundred percent.
const HUNDRED: Decimal = Decimal(100_000_000);

/// What a burn rate is a rate of.
pub(super) struct Over {
    /// Percent.
    pub(super) objective: Decimal,
    /// The SLO's window, seconds.
    pub(super) window_s: u64,
    /// The slices that are weighed, seconds.
    pub(super) slice_s: u64,
}

/// What `alerts:` says.
pub(super) enum Choice<'a> {
    /// A preset's tiers.
    Preset(&'static str, Preset),
    /// No alert.
    None,
    /// Own tiers.
    Tiers(&'a [At<TierFile>]),
}

impl<'a> Choice<'a> {
    /// Reads an SLO's own `alerts:`.
    pub(super) fn own(written: &'a At<AlertsFile>, checker: &mut Checker) -> Choice<'a> {
        refuse_lateness(Some(written), checker);
        Choice::of(Some(written), checker)
    }

    /// Reads `alerts:`; the workbook where it is absent.
    pub(super) fn of(written: Option<&'a At<AlertsFile>>, checker: &mut Checker) -> Choice<'a> {
        let Some(written) = written else { return Choice::Preset("workbook", Preset::Workbook) };
        match &written.value {
            AlertsFile::Preset(name) => Choice::preset(&written.with(name.clone()), checker),
            AlertsFile::Tiers(tiers) => Choice::Tiers(tiers),
            AlertsFile::Block(AlertsBlockFile { preset: Some(preset), tiers: Some(_), .. }) => {
                checker.error_hint(
                    &preset.span,
                    "a preset has its own tiers",
                    "take `preset` or `tiers` away",
                );
                Choice::None
            }
            AlertsFile::Block(AlertsBlockFile { tiers: Some(tiers), .. }) => Choice::Tiers(tiers),
            AlertsFile::Block(AlertsBlockFile { preset: Some(preset), .. }) => {
                Choice::preset(preset, checker)
            }
            AlertsFile::Block(_) => Choice::Preset("workbook", Preset::Workbook),
        }
    }

    fn preset(name: &At<String>, checker: &mut Checker) -> Choice<'a> {
        if name.value == "none" {
            return Choice::None;
        }
        if let Some((name, preset)) = NAMES.iter().find(|(known, _)| *known == name.value) {
            return Choice::Preset(name, *preset);
        }
        checker.error_hint(
            &name.span,
            format!("unknown alerts `{}`", name.value),
            "write workbook, handbook, sloth, pyrra, datadog, tickets, none, or a list of tiers with severity, factor or budget, long and short",
        );
        Choice::None
    }

    /// The tiers for an SLO; `span` is the SLO's place, for what the preset leaves out.
    pub(super) fn tiers(
        &self,
        span: &Range<usize>,
        slo: &str,
        over: &Over,
        checker: &mut Checker,
    ) -> Vec<Tier> {
        match self {
            Choice::None => Vec::new(),
            Choice::Preset(name, preset) => {
                let (tiers, left_out) = alert_presets::tiers(*preset, over);
                for reason in left_out {
                    checker.warn(
                        span,
                        format!("SLO `{slo}`: the {name}'s alert {reason}"),
                        "it is left out; write own tiers for this SLO to have others",
                    );
                }
                recall(span, slo, &tiers, over, checker);
                early(span, slo, &tiers, checker);
                tiers
            }
            Choice::Tiers(written) => {
                let tiers = own(written, over, checker);
                recall(span, slo, &tiers, over, checker);
                early(span, slo, &tiers, checker);
                tiers
            }
        }
    }
}

/// Whether the name is a preset's, or `none`; it is told if not.
pub(super) fn is_preset(name: &At<String>, checker: &mut Checker) -> bool {
    let problems = checker.problems.len();
    Choice::preset(name, checker);
    checker.problems.len() == problems
}

/// How far alerts wait behind the partition that is furthest ahead, seconds, where they have a watermark of their own.
pub(super) fn lateness(
    written: Option<&At<AlertsFile>>,
    sources: &[Source],
    checker: &mut Checker,
) -> Option<u32> {
    let Some(AlertsFile::Block(AlertsBlockFile { lateness: Some(text), .. })) = written.map(|w| &w.value)
    else {
        return None;
    };
    let seconds = checker.seconds(Some(text), 0) as u32;
    let longest = sources.iter().map(|source| source.lateness_s).max().unwrap_or(0);
    if seconds >= longest && sources.len() == 1 {
        checker.warn(
            &text.span,
            format!(
                "alerts wait for `{}`, no less than the source does ({})",
                &***text,
                seconds_text(longest.into())
            ),
            "write less than the source's `lateness`, or take it away",
        );
    }
    Some(seconds)
}

/// Refuses what only the pipeline's alerts can say.
fn refuse_lateness(written: Option<&At<AlertsFile>>, checker: &mut Checker) {
    if let Some(AlertsFile::Block(AlertsBlockFile { lateness: Some(text), .. })) = written.map(|w| &w.value) {
        checker.error_hint(
            &text.span,
            "alerts have one watermark, whatever their SLO",
            "write `lateness` under the pipeline's own `alerts`",
        );
    }
}

/// The burn rate when every request is bad: 1 / (1 − objective).
pub fn burn_max(objective: Decimal) -> Ratio {
    Ratio::new(HUNDRED.0, HUNDRED.0 - objective.0)
}

/// No burn rate is above the factor (or, with [`Op::Gte`], at it).
pub(super) fn out_of_reach(factor: Ratio, objective: Decimal, op: Op) -> bool {
    let most = burn_max(objective);
    match cmp_products(&[factor.num, most.den], &[most.num, factor.den]) {
        Ordering::Less => false,
        Ordering::Equal => op == Op::Gt,
        Ordering::Greater => true,
    }
}

/// The fewest requests in a window among which a single failure does not burn faster than the factor.
pub(crate) fn requests_for_one_failure(factor: Ratio, op: Op, objective: Decimal) -> u64 {
    // n > or >= 1 / (factor · (1 − objective))
    let above = u128::from(HUNDRED.0) * u128::from(factor.den);
    let below = u128::from(factor.num) * u128::from(HUNDRED.0 - objective.0);
    let requests = match op {
        Op::Gt => above.div_ceil(below.max(1)),
        Op::Gte => above / below.max(1) + 1,
    };
    u64::try_from(requests).unwrap_or(u64::MAX)
}

/// A burn rate that uses up the budget early and is below every tier never alerts.
fn recall(span: &Range<usize>, slo: &str, tiers: &[Tier], over: &Over, checker: &mut Checker) {
    let slower =
        |a: &&Tier, b: &&Tier| cmp_products(&[a.factor.num, b.factor.den], &[b.factor.num, a.factor.den]);
    let Some(lowest) = tiers.iter().min_by(slower).map(|t| t.factor).filter(|f| f.num > f.den) else {
        return;
    };
    let exhausts_s = u128::from(over.window_s) * u128::from(lowest.den) / u128::from(lowest.num);
    let (least, window) = (seconds_text(exhausts_s as u64), seconds_text(over.window_s));
    checker.warn(
        span,
        format!("SLO `{slo}`: a burn rate from 1 to {lowest} never alerts, and uses up the budget in {least} to {window}"),
        "add a tier with a factor of 1 over a long window",
    );
}

/// A tier below 1 alerts though the objective is met.
fn early(span: &Range<usize>, slo: &str, tiers: &[Tier], checker: &mut Checker) {
    for tier in tiers.iter().filter(|t| t.factor.num < t.factor.den) {
        checker.warn(
            span,
            format!(
                "SLO `{slo}`: alert {} fires from a burn rate of {} on, while the objective is met",
                tier.name, tier.factor
            ),
            "choose a factor of 1 or more",
        );
    }
}

fn own(written: &[At<TierFile>], over: &Over, checker: &mut Checker) -> Vec<Tier> {
    let Over { objective, window_s, .. } = *over;
    let mut names = BTreeSet::new();
    let mut tiers = Vec::new();
    for tier in written {
        let long_s = window(&tier.long, over, checker);
        let short_s = window(&tier.short, over, checker);
        if short_s >= long_s && long_s > 0 && short_s > 0 {
            checker.error_hint(
                &tier.short.span,
                "the short window is not shorter than the long one",
                "the workbook takes a twelfth of the long window",
            );
        }
        let Some(factor) = factor(tier, long_s, window_s, checker) else { continue };
        let place = tier.factor.as_ref().or(tier.budget.as_ref()).map_or(&tier.span, |f| &f.span);
        let op = tier.op.as_ref().map(|op| op.value).unwrap_or_default();
        if out_of_reach(factor, objective, op) {
            let most = burn_max(objective);
            checker.error_hint(
                place,
                format!("this alert can never fire: a burn rate above {factor} is out of reach"),
                format!("at an objective of {objective} % the burn rate is at most {most}; choose less"),
            );
        }
        let name = match &tier.name {
            Some(name) => name.value.clone(),
            None => format!("{}-{}", tier.severity.value, seconds_text(long_s)),
        };
        if tier.severity.is_empty() || name.is_empty() {
            checker.error(&tier.severity.span, "a tier needs a severity and a name");
        }
        if !names.insert(name.clone()) {
            let span = tier.name.as_ref().map_or(&tier.severity.span, |n| &n.span);
            checker.error_hint(span, format!("two tiers are named `{name}`"), "give each its own `name:`");
        }
        let severity = Arc::from(tier.severity.value.as_str());
        let alert_after_s = checker.seconds(tier.alert_after.as_ref(), 0);
        let cool_down_s = checker.seconds(tier.cool_down.as_ref(), 0);
        let name = Arc::from(name);
        tiers.push(Tier { name, severity, factor, op, alert_after_s, cool_down_s, long_s, short_s });
    }
    tiers
}

fn window(text: &At<DurationText>, over: &Over, checker: &mut Checker) -> u64 {
    let before = checker.problems.len();
    let seconds = checker.seconds(Some(text), 0);
    if checker.problems.len() > before {
        return 0;
    }
    if seconds == 0 || !seconds.is_multiple_of(over.slice_s) {
        let slice = seconds_text(over.slice_s);
        checker.error(&text.span, format!("`{}` is not a whole number of slices ({slice})", &***text));
    } else if seconds > over.window_s {
        let most = seconds_text(over.window_s);
        checker.error(&text.span, format!("`{}` is longer than the SLO's window ({most})", &***text));
    }
    seconds
}

fn factor(tier: &At<TierFile>, long_s: u64, window_s: u64, checker: &mut Checker) -> Option<Ratio> {
    let (text, is_factor) = match (&tier.factor, &tier.budget) {
        (Some(factor), None) => (factor, true),
        (None, Some(budget)) => (budget, false),
        _ => {
            checker.error_hint(
                &tier.span,
                "a tier needs either `factor` or `budget`",
                "factor: 14.4, or budget: 2% of the budget within the long window",
            );
            return None;
        }
    };
    let number = text.trim().strip_suffix('%').filter(|_| !is_factor).unwrap_or(text.trim());
    let Some(decimal) = Decimal::parse(number.trim()).filter(|d| d.0 > 0) else {
        checker.error(&text.span, format!("`{}` is not a decimal above 0 with at most six places", &***text));
        return None;
    };
    if is_factor {
        return Some(decimal.into());
    }
    if decimal > HUNDRED {
        checker.error(&text.span, format!("`{}` is more than the whole budget", &***text));
        return None;
    }
    // share/100 × window/long; the decimal's millionths and both lengths fit a u64 by far.
    (long_s > 0).then(|| {
        let share = Ratio::new(decimal.0, HUNDRED.0);
        let spans = Ratio::new(window_s, long_s);
        Ratio::new(share.num * spans.num, share.den * spans.den)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_a_burn_rate_can_be_is_out_of_reach() {
        let percent = |text| Decimal::parse(text).unwrap();
        // exactly at the limit only strictly more would have to fire
        assert!(out_of_reach(Ratio::new(10, 1), percent("90"), Op::Gt));
        assert!(!out_of_reach(Ratio::new(10, 1), percent("90"), Op::Gte));
        assert!(!out_of_reach(Ratio::new(9_999_999, 1_000_000), percent("90"), Op::Gt));
        assert!(out_of_reach(Ratio::new(10_000_001, 1_000_000), percent("90"), Op::Gte));
        for (objective, reaches) in [("93", false), ("93.055555", false), ("93.055556", true), ("94", true)] {
            assert_eq!(
                !out_of_reach(Ratio::new(144, 10), percent(objective), Op::Gt),
                reaches,
                "{objective}"
            );
        }
    }

    #[test]
    fn one_failure_among_few_requests_is_enough() {
        let table = [
            ("99.9", [70, 167, 334, 1000, 1001]),
            ("99", [7, 17, 34, 100, 101]),
            ("99.99", [695, 1667, 3334, 10_000, 10_001]),
        ];
        let factors = [
            (Ratio::new(144, 10), Op::Gt),
            (Ratio::new(6, 1), Op::Gt),
            (Ratio::new(3, 1), Op::Gt),
            (Ratio::new(1, 1), Op::Gt),
            (Ratio::new(1, 1), Op::Gte),
        ];
        for (objective, want) in table {
            let objective = Decimal::parse(objective).unwrap();
            for ((factor, op), want) in factors.into_iter().zip(want) {
                assert_eq!(requests_for_one_failure(factor, op, objective), want, "{objective} {factor}");
            }
        }
    }
}
