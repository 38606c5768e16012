//! The file's `services:`, and the compilation of every predicate, template and regular expression.

use super::load::Checker;
use super::written::WrittenSlo;
use crate::core::format::{by_name, preset};
use crate::core::record::Labels;
use crate::core::service::{Classifier, Place};
use crate::core::settings::{Format, OTHER, Rule, ServiceRule, Settings, UNMATCHED};
use crate::shell::config::PipelineFile;
use std::ops::Range;

pub(super) fn build(file: &PipelineFile, checker: &mut Checker) -> Vec<ServiceRule> {
    let Some(written) = &file.services else {
        return vec![rule(default_name(file))];
    };
    let mut rules: Vec<ServiceRule> = Vec::new();
    for service in written {
        let name = &service.name;
        if name.is_empty() || name.value == UNMATCHED || name.value == OTHER {
            checker.error_hint(
                &name.span,
                format!("`{}` cannot name a service", name.value),
                format!("`{UNMATCHED}` and `{OTHER}` are reserved, and a name is not empty"),
            );
        }
        if let Some(tier) = &service.tier
            && !(1..=9).contains(&tier.value)
        {
            checker.error(&tier.span, format!("`{}` is no tier: 1 to 9, 1 the most critical", tier.value));
        }
        let conditionless = service.when.is_none() && service.matches.is_none();
        if conditionless && !name.contains('{') {
            let last = written.last().is_some_and(|last| std::ptr::eq(last, service));
            if !last {
                checker.warn(
                    &name.span,
                    format!(
                        "service `{}` takes every record: the rules below it are never reached",
                        name.value
                    ),
                    "give it `when:` or `match:`, or move it to the end",
                );
            }
        }
        if service.matches.as_ref().is_some_and(|m| m.is_empty()) {
            checker.error(&name.span, "`match:` is empty");
        }
        let matches = service.matches.iter().flatten();
        rules.push(ServiceRule {
            name: name.value.clone(),
            when: service.when.as_ref().map(|w| w.value.0.clone()),
            matches: matches.map(|(field, regex)| (field.clone(), regex.value.clone())).collect(),
            tier: service.tier.as_ref().map(|t| t.value),
            owner: service.owner.clone(),
            runbook_url: service.runbook_url.clone(),
            dashboard_url: service.dashboard_url.clone(),
        });
    }
    rules
}

/// The format's own key.
fn default_name(file: &PipelineFile) -> &'static str {
    let named = file.sources.first().and_then(|s| by_name(&s.format.preset));
    let format = named.unwrap_or(Format::AwsAlb);
    preset(format).service_template
}

fn rule(name: &str) -> ServiceRule {
    ServiceRule {
        name: name.to_string(),
        when: None,
        matches: Vec::new(),
        tier: None,
        owner: None,
        runbook_url: None,
        dashboard_url: None,
    }
}

/// Compiles everything, and notes each text that does not: one that fails is replaced by a harmless one
/// and compilation begins anew, so that one run shows all.
pub(super) fn compile(file: &PipelineFile, slos: &[WrittenSlo], settings: &Settings, checker: &mut Checker) {
    let mut settings = settings.clone();
    let texts = settings.services.len() * 8 + settings.slos.len() * 2;
    for _ in 0..=texts {
        let Err(failed) = Classifier::compile(&settings, &mut Labels::default()) else { return };
        if let Some((scalar, text)) = place(file, slos, &failed.place) {
            checker.included = of_slo(&failed.place).and_then(|i| slos.get(i)?.file.clone());
            let span = checker.inside(&scalar, &text, &within(&failed.place, slos, &failed.error.span));
            match &failed.error.hint {
                Some(hint) => checker.error_hint(&span, &failed.error.message, hint),
                None => checker.error(&span, &failed.error.message),
            }
        } else {
            let whole = file.sources.span.clone();
            checker.error(&whole, failed.to_string());
        }
        checker.included = None;
        neutralise(&mut settings, &failed.place);
    }
}

/// A span of a text that was compiled, in the text that was written: `bad: X` was compiled as `!(X)`.
fn within(place: &Place, slos: &[WrittenSlo], span: &Range<usize>) -> Range<usize> {
    let before = match *place {
        Place::SloGood(i) if slos.get(i).is_some_and(|s| s.slo.indicator.bad.is_some()) => 2,
        _ => 0,
    };
    span.start.saturating_sub(before)..span.end.saturating_sub(before)
}

/// The SLO whose text it is.
fn of_slo(place: &Place) -> Option<usize> {
    match *place {
        Place::SloGood(i) | Place::SloLatency(i) | Place::SloExclude(i) => Some(i),
        _ => None,
    }
}

/// Where a text of the settings stands in its file.
fn place(file: &PipelineFile, slos: &[WrittenSlo], place: &Place) -> Option<(Range<usize>, String)> {
    let service = |i: usize| file.services.as_ref()?.get(i);
    let matcher = |i: usize, m: usize| service(i)?.matches.as_ref()?.iter().nth(m);
    match *place {
        Place::ServiceName(i) => service(i).map(|s| (s.name.span.clone(), s.name.value.clone())),
        Place::ServiceWhen(i) => service(i)?.when.as_ref().map(|w| (w.span.clone(), w.value.0.clone())),
        // The parser gives no place for keys: show the value beside it.
        Place::ServiceMatchField(i, m) => matcher(i, m).map(|(_, regex)| (regex.span.clone(), String::new())),
        Place::ServiceMatchRegex(i, m) => {
            matcher(i, m).map(|(_, regex)| (regex.span.clone(), regex.value.clone()))
        }
        Place::SloGood(i) => {
            let indicator = &slos.get(i)?.slo.indicator;
            let good = indicator.good.as_ref().or(indicator.bad.as_ref())?;
            Some((good.span.clone(), good.value.0.clone()))
        }
        Place::SloLatency(i) => {
            let latency = slos.get(i)?.slo.indicator.latency.as_ref()?;
            Some((latency.of.span.clone(), latency.of.value.clone()))
        }
        Place::SloExclude(i) => {
            let exclude = slos.get(i)?.slo.indicator.exclude.as_ref()?;
            Some((exclude.span.clone(), exclude.value.0.clone()))
        }
    }
}

fn neutralise(settings: &mut Settings, place: &Place) {
    match *place {
        Place::ServiceName(i) => settings.services[i].name = "x".into(),
        Place::ServiceWhen(i) => settings.services[i].when = None,
        Place::ServiceMatchField(i, m) | Place::ServiceMatchRegex(i, m) => {
            settings.services[i].matches[m] = ("path".into(), "x".into());
            settings.services[i].name = "x".into();
        }
        Place::SloGood(i) | Place::SloLatency(i) => {
            settings.slos[i].indicator.rule = Rule::Good("true".into())
        }
        Place::SloExclude(i) => settings.slos[i].indicator.exclude = None,
    }
}
