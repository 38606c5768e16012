//! The file's `services:`, and the compilation of every predicate, template and regular expression.

use super::load::Checker;
use super::written::WrittenSlo;
use super::{labels, tiers};
use crate::core::format::{by_name, preset};
use crate::core::record::Labels;
use crate::core::service::{Classifier, Place};
use crate::core::settings::{Format, OTHER, RouteRule, Rule, ServiceMap, ServiceRule, Settings, UNMATCHED};
use crate::shell::config::{At, PipelineFile, RoutesFile, ServiceMapFile};
use std::collections::BTreeMap;
use std::ops::Range;

pub(super) fn build(file: &PipelineFile, checker: &mut Checker) -> Vec<ServiceRule> {
    let Some(written) = &file.services else {
        return vec![rule(default_name(file))];
    };
    let mut rules: Vec<ServiceRule> = Vec::new();
    for service in written {
        let mut labels = tiers::labels(file, service.tier.as_ref().map(|tier| tier.value));
        labels.extend(labels::read(service.labels.as_ref(), checker));
        // an empty label is none, and takes its tier's away
        labels.retain(|_, value| !value.is_empty());
        let map = service.map.as_ref().map(|map| service_map(map, checker));
        let unnamed = At { value: "{map}".to_string(), span: service.span.clone() };
        let name = service.name.as_ref().unwrap_or(&unnamed);
        if service.name.is_none() && map.is_none() {
            checker.error_hint(
                &name.span,
                "a service rule without a name",
                "add `name:`, or a table: `map:`",
            );
        }
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
        let conditionless = service.when.is_none() && service.matches.is_none() && service.map.is_none();
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
            map,
            tier: service.tier.as_ref().map(|t| t.value),
            owner: service.owner.clone(),
            runbook_url: service.runbook_url.clone(),
            dashboard_url: service.dashboard_url.clone(),
            labels,
        });
    }
    rules
}

/// The table of a rule: what stands in the file itself, then what stands in the file it names.
fn service_map(written: &At<ServiceMapFile>, checker: &mut Checker) -> ServiceMap {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    if let Some(file) = &written.file {
        match std::fs::read_to_string(checker.path(file)) {
            Ok(text) => read_table(&text, &mut values, &file.span, checker),
            Err(error) => checker.error(&file.span, format!("cannot read `{}`: {error}", file.value)),
        }
    }
    let own = written.values.iter().flatten();
    values.extend(own.map(|(value, service)| (value.clone(), service.value.clone())));
    if values.is_empty() {
        let hint = "write `values: { shop.example.com: checkout }`, or name a `file:`";
        checker.error_hint(&written.span, "the table is empty", hint);
    }
    ServiceMap { field: written.field.value.clone(), values: values.into_iter().collect() }
}

/// Lines of `value,service`; the service is what follows the last comma.
fn read_table(text: &str, values: &mut BTreeMap<String, String>, span: &Range<usize>, checker: &mut Checker) {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.rsplit_once(',').map(|(value, service)| (value.trim(), service.trim())) {
            Some((value, service)) if !value.is_empty() && !service.is_empty() => {
                if values.insert(value.to_string(), service.to_string()).is_some_and(|known| known != service)
                {
                    let message = format!("line {number} of the table gives `{value}` a second service");
                    checker.error_hint(span, message, "keep one of the lines");
                }
            }
            _ => {
                let message = format!("line {number} of the table is no `value,service`: `{line}`");
                checker.error(span, message);
            }
        }
    }
}

/// The format's own key.
fn default_name(file: &PipelineFile) -> &'static str {
    let named =
        file.sources.iter().filter_map(|s| by_name(&s.format.preset)).find(|f| *f != Format::External);
    let format = named.unwrap_or(Format::AwsAlb);
    preset(format).service_template
}

fn rule(name: &str) -> ServiceRule {
    ServiceRule {
        name: name.to_string(),
        when: None,
        matches: Vec::new(),
        map: None,
        tier: None,
        owner: None,
        runbook_url: None,
        dashboard_url: None,
        labels: BTreeMap::new(),
    }
}

/// Compiles everything, and notes each text that does not: one that fails is replaced by a harmless one
/// and compilation begins anew, so that one run shows all.
pub(super) fn compile(file: &PipelineFile, slos: &[WrittenSlo], settings: &Settings, checker: &mut Checker) {
    let mut settings = settings.clone();
    let values: usize = settings.services.iter().filter_map(|s| s.map.as_ref()).map(|m| m.values.len()).sum();
    let routes = settings.routes.as_ref().map_or(0, Vec::len);
    let texts = settings.services.len() * 8
        + values
        + settings.slos.len() * 3
        + routes * 2
        + settings.dimensions.len();
    for _ in 0..=texts {
        let Err(failed) = Classifier::compile(&settings, &mut Labels::default()) else { return };
        if let Some((scalar, text)) = place(file, &settings, slos, &failed.place) {
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
        Place::SloGood(i) | Place::SloLatency(i) | Place::SloExclude(i) | Place::SloPer(i) => Some(i),
        _ => None,
    }
}

/// Where a text of the settings stands in its file.
fn place(
    file: &PipelineFile,
    settings: &Settings,
    slos: &[WrittenSlo],
    place: &Place,
) -> Option<(Range<usize>, String)> {
    let service = |i: usize| file.services.as_ref()?.get(i);
    let matcher = |i: usize, m: usize| service(i)?.matches.as_ref()?.iter().nth(m);
    match *place {
        Place::ServiceName(i) => {
            service(i)?.name.as_ref().map(|name| (name.span.clone(), name.value.clone()))
        }
        Place::ServiceMapField(i) => {
            let field = &service(i)?.map.as_ref()?.field;
            Some((field.span.clone(), field.value.clone()))
        }
        Place::ServiceMapValue(i, m) => {
            let map = service(i)?.map.as_ref()?;
            let (value, _) = settings.services.get(i)?.map.as_ref()?.values.get(m)?;
            let own = map.values.as_ref().and_then(|values| values.get(value));
            let named = own.or(map.file.as_ref())?;
            Some((named.span.clone(), named.value.clone()))
        }
        Place::RouteMatch(i) | Place::RouteName(i) => {
            let RoutesFile::Rules(rules) = &file.routes.as_ref()?.value else { return None };
            let rule = rules.get(i)?;
            let text = if matches!(place, Place::RouteMatch(_)) { &rule.matches } else { &rule.route };
            Some((text.span.clone(), text.value.clone()))
        }
        Place::Dimension(i) => {
            let dimension = file.sinks.as_ref()?.rollups.as_ref()?.dimensions.as_ref()?.get(i)?;
            Some((dimension.span.clone(), dimension.value.clone()))
        }
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
            let of = slos.get(i)?.slo.indicator.latency.as_ref()?.of.as_ref()?;
            Some((of.span.clone(), of.value.clone()))
        }
        Place::SloExclude(i) => {
            let exclude = slos.get(i)?.slo.indicator.exclude.as_ref()?;
            Some((exclude.span.clone(), exclude.value.0.clone()))
        }
        Place::SloPer(i) => slos.get(i)?.slo.per.as_ref().map(|per| (per.span.clone(), per.value.clone())),
    }
}

fn neutralise(settings: &mut Settings, place: &Place) {
    match *place {
        Place::ServiceName(i) => {
            settings.services[i].name = "x".into();
            settings.services[i].map = None;
        }
        Place::ServiceWhen(i) => settings.services[i].when = None,
        Place::ServiceMatchField(i, m) | Place::ServiceMatchRegex(i, m) => {
            settings.services[i].matches[m] = ("path".into(), "x".into());
            settings.services[i].name = "x".into();
        }
        Place::ServiceMapField(i) => {
            settings.services[i].name = "x".into();
            settings.services[i].map = None;
        }
        Place::ServiceMapValue(i, m) => {
            if let Some(map) = &mut settings.services[i].map {
                map.values[m].1 = "x".into();
                settings.services[i].name = "{map}".into();
            }
        }
        Place::RouteMatch(i) | Place::RouteName(i) => {
            if let Some(rules) = &mut settings.routes {
                rules[i] = RouteRule { matches: "x".into(), route: "x".into() };
            }
        }
        Place::Dimension(i) => settings.dimensions[i] = "method".into(),
        Place::SloGood(i) | Place::SloLatency(i) => {
            settings.slos[i].indicator.rule = Rule::Good("true".into())
        }
        Place::SloExclude(i) => settings.slos[i].indicator.exclude = None,
        Place::SloPer(i) => settings.slos[i].per = None,
    }
}
