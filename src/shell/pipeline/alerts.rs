//! Burn-rate alerts: the workbook's preset, and own tiers.
//!
//! Source of the preset: The Site Reliability Workbook, chapter 5, "multiwindow, multi-burn-rate alerts";
//! it keeps the shares of the budget, so that the factor follows the SLO's window:
//! factor = share × window / long window.

use super::load::Checker;
use crate::core::decimal::{Decimal, Ratio, cmp_products};
use crate::core::settings::Tier;
use crate::shell::config::scalar::seconds_text;
use crate::shell::config::{AlertsFile, At, TierFile};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// One hundred percent.
const HUNDRED: Decimal = Decimal(100_000_000);

/// Severity, percent of the budget, long window, short window; seconds.
const WORKBOOK: [(&str, u64, u64, u64); 4] = [
    ("page", 2, 3_600, 300),
    ("page", 5, 21_600, 1_800),
    ("ticket", 10, 86_400, 7_200),
    ("ticket", 10, 259_200, 21_600),
];

/// What `alerts:` says.
pub(super) enum Choice<'a> {
    /// The workbook's tiers.
    Workbook,
    /// The workbook's tiers, all of them tickets.
    Tickets,
    /// No alert.
    None,
    /// Own tiers.
    Tiers(&'a [At<TierFile>]),
}

impl<'a> Choice<'a> {
    /// Reads `alerts:`; the workbook where it is absent.
    pub(super) fn of(written: Option<&'a At<AlertsFile>>, checker: &mut Checker) -> Choice<'a> {
        let Some(written) = written else { return Choice::Workbook };
        match &written.value {
            AlertsFile::Preset(name) if name == "workbook" => Choice::Workbook,
            AlertsFile::Preset(name) if name == "tickets" => Choice::Tickets,
            AlertsFile::Preset(name) if name == "none" => Choice::None,
            AlertsFile::Preset(name) => {
                checker.error_hint(
                    &written.span,
                    format!("unknown alerts `{name}`"),
                    "write workbook, tickets, none, or a list of tiers with severity, factor or budget, long and short",
                );
                Choice::None
            }
            AlertsFile::Tiers(tiers) => Choice::Tiers(tiers),
        }
    }

    /// The tiers for an SLO; `span` is the SLO's place, for what the preset leaves out.
    pub(super) fn tiers(
        &self,
        span: &Range<usize>,
        slo: &str,
        objective: Decimal,
        window_s: u64,
        checker: &mut Checker,
    ) -> Vec<Tier> {
        match self {
            Choice::None => Vec::new(),
            Choice::Workbook | Choice::Tickets => {
                let (mut tiers, left_out) = workbook(objective, window_s, checker.slice_s);
                if matches!(self, Choice::Tickets) {
                    tiers.iter_mut().for_each(ticket);
                }
                for reason in left_out {
                    checker.warn(
                        span,
                        format!("SLO `{slo}`: the workbook's alert {reason}"),
                        "it is left out; write own tiers for this SLO to have others",
                    );
                }
                tiers
            }
            Choice::Tiers(written) => own(written, objective, window_s, checker),
        }
    }
}

/// The workbook's tiers for an objective (percent) and a window, and what was left out and why.
pub fn workbook(objective: Decimal, window_s: u64, slice_s: u64) -> (Vec<Tier>, Vec<String>) {
    let mut tiers = Vec::new();
    let mut left_out = Vec::new();
    for (severity, percent, long_s, short_s) in WORKBOOK {
        let factor = Ratio::new(percent * window_s, 100 * long_s);
        let name = format!("{severity}-{}", seconds_text(long_s));
        if long_s > window_s {
            left_out.push(format!("{name} has a longer window than the SLO's {}", seconds_text(window_s)));
        } else if factor.num < factor.den {
            left_out.push(format!(
                "{name} would need a burn rate of only {factor}, which uses up no budget early"
            ));
        } else if out_of_reach(factor, objective) {
            left_out.push(format!(
                "{name} would need a burn rate above {factor}, and {objective} % allows at most {}",
                burn_max(objective)
            ));
        } else if !short_s.is_multiple_of(slice_s) {
            left_out.push(format!("{name} has windows that are no whole slices"));
        } else {
            tiers.push(Tier {
                name: Arc::from(name),
                severity: Arc::from(severity),
                factor,
                long_s,
                short_s,
            });
        }
    }
    (tiers, left_out)
}

/// Makes a ticket of a tier; windows tell the workbook's apart.
fn ticket(tier: &mut Tier) {
    tier.severity = Arc::from("ticket");
    tier.name = Arc::from(format!("ticket-{}", seconds_text(tier.long_s)));
}

/// The burn rate when every request is bad: 1 / (1 − objective).
pub fn burn_max(objective: Decimal) -> Ratio {
    Ratio::new(HUNDRED.0, HUNDRED.0 - objective.0)
}

/// No burn rate is strictly above the factor.
fn out_of_reach(factor: Ratio, objective: Decimal) -> bool {
    let most = burn_max(objective);
    cmp_products(&[factor.num, most.den], &[most.num, factor.den]) != Ordering::Less
}

fn own(written: &[At<TierFile>], objective: Decimal, window_s: u64, checker: &mut Checker) -> Vec<Tier> {
    let mut names = BTreeSet::new();
    let mut tiers = Vec::new();
    for tier in written {
        let long_s = window(&tier.long, window_s, checker);
        let short_s = window(&tier.short, window_s, checker);
        if short_s >= long_s && long_s > 0 && short_s > 0 {
            checker.error_hint(
                &tier.short.span,
                "the short window is not shorter than the long one",
                "the workbook takes a twelfth of the long window",
            );
        }
        let Some(factor) = factor(tier, long_s, window_s, checker) else { continue };
        let place = tier.factor.as_ref().or(tier.budget.as_ref()).map_or(&tier.span, |f| &f.span);
        if out_of_reach(factor, objective) {
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
        tiers.push(Tier { name: Arc::from(name), severity, factor, long_s, short_s });
    }
    tiers
}

fn window(text: &At<crate::shell::config::DurationText>, slo_window_s: u64, checker: &mut Checker) -> u64 {
    let before = checker.problems.len();
    let seconds = checker.seconds(Some(text), 0);
    if checker.problems.len() > before {
        return 0;
    }
    if seconds == 0 || !seconds.is_multiple_of(checker.slice_s) {
        let slice = seconds_text(checker.slice_s);
        checker.error(&text.span, format!("`{}` is not a whole number of slices ({slice})", &***text));
    } else if seconds > slo_window_s {
        let most = seconds_text(slo_window_s);
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

    fn factors(objective: &str, window_s: u64) -> (Vec<String>, usize) {
        let (tiers, left_out) = workbook(Decimal::parse(objective).unwrap(), window_s, 60);
        (tiers.iter().map(|t| format!("{} {}", t.name, t.factor)).collect(), left_out.len())
    }

    #[test]
    fn the_workbook_follows_the_window() {
        let day = 86_400;
        let thirty = ["page-1h 14.4", "page-6h 6", "ticket-1d 3", "ticket-3d 1"].map(String::from).to_vec();
        assert_eq!(factors("99.9", 30 * day), (thirty, 0));
        let four_weeks = ["page-1h 13.44", "page-6h 5.6", "ticket-1d 2.8"].map(String::from).to_vec();
        assert_eq!(factors("99.9", 28 * day), (four_weeks, 1));
        // 7 d: 3.36, 1.4, then 0.7 and 0.233333 which are below 1
        let week = ["page-1h 3.36", "page-6h 1.4"].map(String::from).to_vec();
        assert_eq!(factors("99", 7 * day), (week, 2));
    }

    #[test]
    fn what_cannot_fire_is_left_out() {
        // 90 % allows a burn rate of 10: 14.4 is out of reach, 6 is not.
        assert_eq!(factors("90", 30 * 86_400).0.first().map(String::as_str), Some("page-6h 6"));
        // exactly at the limit is out of reach too, for only strictly more fires
        assert!(out_of_reach(Ratio::new(10, 1), Decimal::parse("90").unwrap()));
        assert!(!out_of_reach(Ratio::new(9_999_999, 1_000_000), Decimal::parse("90").unwrap()));
    }
}
