//! What a good pipeline has beyond being valid: someone to call, and something to read when they come.

use crate::core::service::selects;
use crate::core::settings::{Settings, UNMATCHED};
use crate::shell::config::diagnostic::Problem;

/// Findings, in the order of the file.
pub(super) fn findings(settings: &Settings) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut note = |message: String, hint: &str| {
        found.push(Problem { span: None, message, hint: Some(hint.to_string()), file: None });
    };
    for service in &settings.services {
        let missing: Vec<&str> = [
            ("owner", service.owner.is_none()),
            ("tier", service.tier.is_none()),
            ("runbook_url", service.runbook_url.is_none()),
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
        let covered =
            |slo: &crate::core::settings::Slo| slo.services.iter().any(|s| selects(s, &service.name));
        if !service.name.contains('{') && !settings.slos.iter().any(covered) {
            note(format!("service {} has no SLO", service.name), "its requests are counted and never judged");
        }
    }
    for slo in &settings.slos {
        if slo.tiers.is_empty() {
            note(format!("SLO {} alerts nobody", slo.name), "set `alerts: workbook`, or tiers of your own");
        }
    }
    if !settings.slos.iter().any(|slo| slo.services.iter().any(|s| s == UNMATCHED)) {
        let open = settings.services.iter().all(|rule| rule.when.is_some() || !rule.matches.is_empty());
        if open {
            note(
                "records that no service rule matches are judged by no SLO".into(),
                "end the rules with one that takes the rest, such as `- name: other`",
            );
        }
    }
    found
}
