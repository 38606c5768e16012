//! The file's `slos:`.
//!
//! Invariant: every SLO can apply to some service, and its objective can be met and missed.

use super::alerts::{Choice, Over};
use super::indicators;
use super::load::Checker;
use super::written::WrittenSlo;
use super::{dimensions, policies, tiers, windows};
use crate::core::decimal::Decimal;
use crate::core::service::{is_reserved, selects};
use crate::core::settings::{Failed, Indicator, LatencyOf, Per, Rule, ServiceRule, Slo};
use crate::shell::config::{At, DecimalText, FailedFile, IndicatorFile, PipelineFile, SloFile};
use std::sync::Arc;

pub(super) fn build(
    file: &PipelineFile,
    written: &[WrittenSlo],
    services: &[ServiceRule],
    default_alerts: &Choice<'_>,
    checker: &mut Checker,
) -> Vec<Slo> {
    if file.slos.is_empty() {
        checker.warn(
            &file.slos.span,
            "there is no SLO",
            "without one only the rollups of requests are written",
        );
    }
    if written.len() > usize::from(u16::MAX) {
        checker.error(&file.slos.span, "too many SLOs");
    }
    let mut slos = Vec::new();
    let mut earlier: Vec<(String, Vec<String>)> = Vec::new();
    for WrittenSlo { file, slo: written } in written {
        checker.included = file.clone();
        let slo = slo(written, services, default_alerts, checker);
        shadowed(written, &slo, &earlier, checker);
        earlier.push((slo.name.to_string(), slo.services.clone()));
        slos.push(slo);
    }
    checker.included = None;
    slos
}

fn slo(
    written: &At<SloFile>,
    services: &[ServiceRule],
    default_alerts: &Choice<'_>,
    checker: &mut Checker,
) -> Slo {
    let name = &written.name;
    if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
        checker.error(&name.span, format!("`{}` cannot name an SLO", name.value));
    }
    let selectors: Vec<At<String>> = match &written.service {
        Some(selectors) => selectors.items().collect(),
        None => vec![At { value: "*".into(), span: name.span.clone() }],
    };
    if selectors.is_empty() || selectors.iter().any(|s| s.is_empty()) {
        let span = written.service.as_ref().map_or(&name.span, |s| &s.span);
        checker.error_hint(span, "no service is named", "name one, or `*` for every service");
    }
    for selector in &selectors {
        if !selector.contains('*')
            && !services.iter().any(|rule| may_name(&rule.name, selector))
            && !is_reserved(selector)
        {
            let known = services.iter().map(|r| r.name.as_str());
            checker.warn(
                &selector.span,
                format!("no service rule makes a service named `{}`", selector.value),
                super::load::meant(selector, known),
            );
        }
    }
    let budgeting = windows::budgeting(written, checker);
    let (window_s, calendar) = windows::window(written, &budgeting, checker);
    // one that is still open was told already
    let objective = written.objective.as_ref().and_then(|text| objective(text, checker));
    let own = written.alerts.as_ref().map(|alerts| Choice::own(alerts, checker));
    let alerts = own.as_ref().unwrap_or(default_alerts);
    // the pipeline's own tiers stand in the pipeline file, whatever file the SLO is of
    let elsewhere = own.is_none() && matches!(alerts, Choice::Tiers(_));
    let included = if elsewhere { checker.included.take() } else { None };
    let tiers = match objective {
        Some(objective) if window_s > 0 => {
            let over = Over { objective, window_s, slice_s: windows::slice_s(&budgeting, checker.slice_s) };
            alerts.tiers(&name.span, name, &over, checker)
        }
        _ => Vec::new(),
    };
    checker.included = checker.included.take().or(included);
    let sla = policies::sla(written, objective, calendar.as_ref(), checker);
    Slo {
        name: Arc::from(name.value.as_str()),
        services: selectors.into_iter().map(|s| s.value).collect(),
        objective: objective.unwrap_or_default(),
        window_s,
        calendar,
        coverage_min: windows::coverage_min(written, checker),
        min_events: written.min_events.as_ref().map_or(0, |n| n.value),
        min_failures: windows::min_failures(written, &budgeting, checker),
        on_empty: windows::on_empty(written, &budgeting, checker),
        budgeting,
        per: per(written, checker),
        indicator: indicator(&written.indicator, checker),
        tiers,
        sla,
        policy: policies::policy(written, checker),
        suppress_slower: written.suppress_slower.as_ref().is_some_and(|s| s.value),
        consumed_step: step(written.consumed_step.as_ref(), checker),
    }
}

/// Groups of one service that are kept apart where the file is silent, and the most that it may ask for: each has a
/// history of its own.
const GROUPS_MAX: (u32, u32) = (50, 10_000);

/// What the SLO's groups are by; that it is a field is checked when it is compiled.
fn per(written: &SloFile, checker: &mut Checker) -> Option<Per> {
    let groups_max = checker.count(written.groups_max.as_ref(), GROUPS_MAX.0, 1..=GROUPS_MAX.1);
    let Some(field) = &written.per else {
        if let Some(groups_max) = &written.groups_max {
            checker.error_hint(
                &groups_max.span,
                "`groups_max` without `per`: this SLO has no groups",
                "say what the groups are by, such as `per: route`, or remove it",
            );
        }
        return None;
    };
    if written.indicator.external.as_ref().is_some_and(|external| external.value) {
        checker.error_hint(
            &field.span,
            "an external SLO has no groups: its counters name a service and an SLO, and no request",
            "remove `per`, or let the other system count each group as a service of its own",
        );
        return None;
    }
    if dimensions::has_many_values(field) {
        checker.warn(
            &field.span,
            format!(
                "`{}` takes so many values that most requests will be in the group `__other__`",
                field.value
            ),
            "use a field of few values, such as route, method or target_group",
        );
    }
    Some(Per { field: field.value.as_str().into(), groups_max })
}

pub(super) fn objective(text: &At<DecimalText>, checker: &mut Checker) -> Option<Decimal> {
    let number = text.trim();
    let number = number.strip_suffix('%').unwrap_or(number).trim_end();
    let Some(objective) = Decimal::parse(number) else {
        let places = number.split_once('.').map_or(0, |(_, places)| places.len());
        let (message, hint) = if places > 6 {
            (
                format!("objective `{number}` has more than six places"),
                "six places are kept exactly; round it",
            )
        } else {
            (format!("objective `{number}` is not a decimal"), "write percent as a decimal: 99.95")
        };
        checker.error_hint(&text.span, message, hint);
        return None;
    };
    if objective.0 == 0 {
        checker.error_hint(
            &text.span,
            "an objective of 0 % can never be missed",
            "write percent above 0: 99.95",
        );
        return None;
    }
    if objective.0 == 100_000_000 {
        checker.error_hint(
            &text.span,
            "an objective of 100 % leaves no error budget",
            "one bad request would exhaust it for good; choose less, such as 99.99",
        );
        return None;
    }
    if objective.0 > 100_000_000 {
        checker.error_hint(
            &text.span,
            format!("an objective of {objective} % is impossible"),
            "write percent below 100: 99.95",
        );
        return None;
    }
    if objective.0 < 1_000_000 {
        checker.warn(
            &text.span,
            format!("an objective of {objective} % is unusually low"),
            "it is read as percent: 99.9, not 0.999",
        );
    }
    Some(objective)
}

fn step(text: Option<&At<DecimalText>>, checker: &mut Checker) -> Decimal {
    let Some(text) = text else { return Decimal(0) };
    let number = text.trim();
    let number = number.strip_suffix('%').unwrap_or(number).trim_end();
    match Decimal::parse(number).filter(|d| d.0 <= 100_000_000) {
        Some(step) => step,
        None => {
            checker.error_hint(
                &text.span,
                format!("`{}` is not a share of the budget", &***text),
                "write percent with at most six places: 0.1%",
            );
            Decimal(0)
        }
    }
}

fn indicator(written: &At<IndicatorFile>, checker: &mut Checker) -> Indicator {
    if let Some(indicator) = indicators::build(written, checker) {
        return indicator;
    }
    let rule = match (&written.good, &written.bad, &written.latency) {
        (Some(good), None, None) => Rule::Good(good.value.0.clone()),
        (None, Some(bad), None) => Rule::Good(format!("!({})", bad.value.0)),
        (None, None, Some(latency)) => {
            let below_us = checker.micros(&latency.below).unwrap_or(1);
            if below_us == 0 {
                checker.error(&latency.below.span, "nothing is faster than 0");
            }
            Rule::Latency {
                below_us,
                of: match latency.of.as_ref().map(|of| of.as_str()) {
                    None | Some("client") => LatencyOf::Client,
                    Some("upstream") => LatencyOf::Upstream,
                    Some(field) => LatencyOf::Field(field.to_string()),
                },
                failed: match latency.failed.unwrap_or(FailedFile::Bad) {
                    FailedFile::Bad => Failed::Bad,
                    FailedFile::Good => Failed::Good,
                    FailedFile::Excluded => Failed::Excluded,
                },
            }
        }
        // that a request came is all that counts; how many of them, the slice's test
        (None, None, None) if written.throughput.is_some() => Rule::Good("true".into()),
        (good, bad, latency) => {
            let message = match (good, bad, latency) {
                (None, None, None) => "an indicator needs `good`, `latency` or `throughput`",
                (Some(_), None, Some(_)) => "an indicator has either `good` or `latency`, not both",
                _ => "an indicator has one of `good`, `bad` and `latency`",
            };
            checker.error_hint(
                &written.span,
                message,
                "good: status < 500, or latency: { below: 200ms, of: upstream }",
            );
            Rule::Good("true".into())
        }
    };
    Indicator { exclude: written.exclude.as_ref().map(|e| e.value.0.clone()), rule }
}

/// An SLO that an earlier one of its name covers whole would never be used.
fn shadowed(written: &At<SloFile>, slo: &Slo, earlier: &[(String, Vec<String>)], checker: &mut Checker) {
    let covers = |selector: &String| {
        earlier
            .iter()
            .filter(|(name, _)| **name == *slo.name)
            .flat_map(|(_, s)| s)
            .any(|e| covers(e, selector))
    };
    let span = written.service.as_ref().map_or(&written.name.span, |s| &s.span);
    if !slo.services.is_empty() && slo.services.iter().all(covers) {
        checker.error_hint(
            span,
            format!(
                "SLO `{}` for `{}` can never apply: an earlier one of this name covers it",
                slo.name,
                slo.services.join("`, `")
            ),
            "per service the first match wins: put the narrower one first, or give it its own name",
        );
    }
}

/// Whether every service that `selector` selects is selected by `earlier` too. A pattern is decided by its
/// text: what `earlier` makes of the other's `*` it makes of any text there.
fn covers(earlier: &str, selector: &str) -> bool {
    earlier == selector || selects(earlier, selector)
}

/// Whether a rule's name or template can make this name.
fn may_name(template: &str, name: &str) -> bool {
    selects(&tiers::pattern(template), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_and_patterns_are_weighed() {
        assert!(may_name("team-{team}", "team-red"));
        assert!(!may_name("team-{team}", "red"));
        assert!(may_name("checkout", "checkout"));
        assert!(covers("*", "checkout"));
        assert!(covers("pay*", "pay-*"));
        assert!(!covers("pay-*", "pay*"));
        assert!(!covers("*", "__other__"));
    }
}
