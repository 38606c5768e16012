//! `check --review`: is a pipeline ready to be relied on. What it has to have beyond being valid: someone to call,
//! something to read when they come, a policy for when budgets run out, and an SLO for every service that is seen.

use crate::core::service::selects;
use crate::core::settings::{ServiceRule, Settings, Slo, UNMATCHED};
use crate::shell::config::diagnostic::Problem;
use crate::shell::exit::CommandError;
use crate::shell::pipeline::{Pipeline, SILENT, pattern};
use crate::shell::report::shown;
use crate::shell::words::grouped;
use std::path::Path;

/// Services without an SLO that are told by name, of more only the number is; and budgets that are used up.
const SHOWN_MAX: usize = 20;

/// Findings: by service rule, by SLO, then what the rollups show.
///
/// # Errors
/// If rollups are named and cannot be read. Those of the pipeline need not be there yet.
pub(super) fn findings(pipeline: &Pipeline, rollups: Option<&Path>) -> Result<Vec<Problem>, CommandError> {
    let mut found = written(&pipeline.settings);
    let shown = match shown(pipeline, rollups) {
        Ok(shown) => shown,
        Err(_) if rollups.is_none() => return Ok(found),
        Err(error) => return Err(error),
    };
    let seen = shown.unjudged;
    for (service, requests) in seen.iter().take(SHOWN_MAX) {
        let message =
            format!("service {service} was seen with {} requests, and no SLO is for it", grouped(*requests));
        found.push(finding(message, "add an SLO for it, or take it into one by its pattern"));
    }
    if seen.len() > SHOWN_MAX {
        let more = seen.len() - SHOWN_MAX;
        found.push(finding(
            format!("{more} more services were seen, and no SLO is for them"),
            "see `ninetail report`",
        ));
    }
    for (service, budget) in shown.exhausted.iter().take(SHOWN_MAX) {
        let Some(rate) = budget.window.rate(budget.objective) else { continue };
        let group = budget.group.as_ref().map_or(String::new(), |group| format!(" for {group}"));
        let (slo, objective) = (&budget.slo, budget.objective);
        found.push(finding(
            format!("{slo} of {service}{group} is missed: its budget burns at {rate} times the rate that would last"),
            &format!("an objective of {objective} % is more than it holds: what it is for comes first, or a lower one"),
        ));
    }
    Ok(found)
}

fn finding(message: String, hint: &str) -> Problem {
    Problem { span: None, message, hint: Some(hint.to_string()), file: None }
}

/// What the pipeline file alone shows.
fn written(settings: &Settings) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut note = |message: String, hint: &str| found.push(finding(message, hint));
    for service in &settings.services {
        let missing: Vec<&str> = [
            ("owner", service.owner.is_none()),
            ("tier", service.tier.is_none()),
            // nobody is called for a service that alerts nobody
            ("runbook_url", service.runbook_url.is_none() && service.tier != Some(SILENT)),
        ]
        .into_iter()
        .filter_map(|(key, missing)| missing.then_some(key))
        .collect();
        if !missing.is_empty() {
            note(
                format!("service {} has no {}", service.name, missing.join(", no ")),
                "whoever is paged will look for it",
            );
        }
        for name in made(service).iter().filter(|name| !settings.slos.iter().any(|slo| covers(slo, name))) {
            let name = if service.map.is_some() { name } else { &service.name };
            note(format!("service {name} has no SLO"), "its requests are counted and never judged");
        }
    }
    for slo in settings.slos.iter().filter(|slo| slo.tiers.is_empty()) {
        let alerting = |rule: &&ServiceRule| rule.tier != Some(SILENT) && first(settings, slo, rule);
        let services: Vec<&str> =
            settings.services.iter().filter(alerting).map(|r| r.name.as_str()).collect();
        if !services.is_empty() {
            note(
                format!("SLO {} alerts nobody for {}", slo.name, services.join(", ")),
                "set `alerts: workbook`, or tiers of your own; a service of tier 4 is meant to be silent",
            );
        }
    }
    for slo in settings.slos.iter().filter(|slo| slo.policy.is_empty()) {
        note(
            format!("SLO {} has no error-budget policy", slo.name),
            "set `policy: handbook`, or tiers of your own: what follows once budget is used up",
        );
    }
    if !settings.slos.iter().any(|slo| slo.services.iter().any(|s| s == UNMATCHED)) {
        let open = settings
            .services
            .iter()
            .all(|rule| rule.when.is_some() || !rule.matches.is_empty() || rule.map.is_some());
        if open {
            note(
                "records that no service rule matches are judged by no SLO".into(),
                "end the rules with one that takes the rest, such as `- name: other`",
            );
        }
    }
    found
}

/// Whether the SLO is for services that the rule makes.
fn may_judge(slo: &Slo, rule: &ServiceRule) -> bool {
    made(rule).iter().any(|name| covers(slo, name))
}

/// The services that the rule makes: the names of its table, else its name as a pattern.
fn made(rule: &ServiceRule) -> Vec<String> {
    if rule.map.is_some() { rule.names().into_iter().collect() } else { vec![pattern(&rule.name)] }
}

/// Whether the SLO may be for a service of that name or pattern.
fn covers(slo: &Slo, name: &str) -> bool {
    slo.services.iter().any(|selector| selects(selector, name) || selects(name, selector))
}

/// Whether it is the first of its name that is for services of the rule.
fn first(settings: &Settings, slo: &Slo, rule: &ServiceRule) -> bool {
    let mut named = settings.slos.iter().filter(|other| other.name == slo.name);
    named.find(|other| may_judge(other, rule)).is_some_and(|found| std::ptr::eq(found, slo))
}
