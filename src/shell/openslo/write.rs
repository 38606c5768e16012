//! A pipeline's SLOs as OpenSLO v1, in its strict form.
//!
//! Invariant: what is written passes OpenSLO's own rules (names are DNS labels, a metric has a source with a type
//! and a spec, a policy has one condition and a target), and [`super::read`] makes the same SLOs of it.

use super::{EXTERNAL, FRESHNESS, PREFIX, SOURCE, VERSION, extras, is_label, label, shifted};
use crate::core::format::preset;
use crate::core::settings::{
    Budgeting, Failed, LatencyOf, Op, Rule, ServiceRule, Settings, SliceTest, Slo, Tier,
};
use crate::shell::check::spent;
use crate::shell::config::scalar::seconds_text;
use crate::shell::pipeline::Pipeline;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Longest description, characters.
const DESCRIPTION_MAX: usize = 1_050;

/// The objects of a pipeline as YAML documents.
pub fn text(pipeline: &Pipeline) -> String {
    let mut out = format!(
        "# The SLOs of the pipeline {}. A pipeline takes them in with\n#   slos: [{{ openslo: <path of this file> }}]\n",
        pipeline.settings.name
    );
    for object in objects(pipeline) {
        out.push_str("---\n");
        // a tree of texts, numbers and lists has a YAML form
        out.push_str(&serde_saphyr::to_string(&object).unwrap_or_default());
    }
    out
}

/// All objects, those that others refer to first.
fn objects(pipeline: &Pipeline) -> Vec<Value> {
    let settings = &pipeline.settings;
    let mut names = Names::default();
    let source = names.of(&settings.name, "pipeline");
    let mut objects = vec![data_source(settings, &source)];
    objects.extend(services(settings));
    let severities: BTreeSet<&str> =
        settings.slos.iter().flat_map(|slo| &slo.tiers).map(|tier| &*tier.severity).collect();
    let mut targets = Names::default();
    let targets: Vec<(&str, String)> =
        severities.into_iter().map(|severity| (severity, targets.of(severity, "alert"))).collect();
    for (severity, name) in &targets {
        let spec = json!({ "target": name, "description": format!("Alerts of severity {severity}.") });
        objects.push(object("AlertNotificationTarget", metadata(name, severity, Map::new()), spec));
    }
    let mut names = Names::default();
    for (slo, specification) in pipeline.specified() {
        let name = names.of(&slo.name, "slo");
        let mut object = self::slo(slo, &name, &source, &targets);
        if let Some(text) = specification {
            object["spec"]["description"] = text.chars().take(DESCRIPTION_MAX).collect::<String>().into();
        }
        objects.push(object);
    }
    objects
}

fn object(kind: &str, metadata: Value, spec: Value) -> Value {
    json!({ "apiVersion": VERSION, "kind": kind, "metadata": metadata, "spec": spec })
}

/// Inline objects have no version.
fn inline(kind: &str, metadata: Value, spec: Value) -> Value {
    json!({ "kind": kind, "metadata": metadata, "spec": spec })
}

fn metadata(name: &str, shown: &str, annotations: Map<String, Value>) -> Value {
    let mut metadata = json!({ "name": name });
    if name != shown && shown.chars().count() <= 63 {
        metadata["displayName"] = shown.into();
    }
    if !annotations.is_empty() {
        metadata["annotations"] = annotations.into();
    }
    metadata
}

fn note(annotations: &mut Map<String, Value>, key: &str, value: impl Into<String>) {
    annotations.insert(format!("{PREFIX}{key}"), Value::String(value.into()));
}

fn data_source(settings: &Settings, name: &str) -> Value {
    let sources: Vec<Value> = settings
        .sources
        .iter()
        .map(|s| json!({ "name": s.name, "format": preset(s.input.format).name }))
        .collect();
    let spec = json!({
        "type": SOURCE,
        "connectionDetails": { "pipeline": settings.name, "sources": sources },
    });
    object("DataSource", metadata(name, &settings.name, Map::new()), spec)
}

/// Services that rules name, and one for each set of selectors that is no such name.
fn services(settings: &Settings) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut objects = Vec::new();
    for rule in settings.services.iter().filter(|rule| is_label(&rule.name)) {
        if seen.insert(rule.name.clone()) {
            objects.push(service(rule));
        }
    }
    for slo in &settings.slos {
        let name = service_name(slo);
        if seen.insert(name.clone()) {
            let description = format!("Services: {}.", slo.services.join(", "));
            let description: String = description.chars().take(DESCRIPTION_MAX).collect();
            objects.push(object(
                "Service",
                metadata(&name, &name, Map::new()),
                json!({ "description": description }),
            ));
        }
    }
    objects
}

fn service(rule: &ServiceRule) -> Value {
    let mut annotations = Map::new();
    let tier = rule.tier.map(|tier| tier.to_string());
    for (key, value) in [
        ("tier", &tier),
        ("owner", &rule.owner),
        ("runbook_url", &rule.runbook_url),
        ("dashboard_url", &rule.dashboard_url),
    ] {
        if let Some(value) = value {
            note(&mut annotations, key, value.clone());
        }
    }
    object("Service", metadata(&rule.name, &rule.name, annotations), json!({}))
}

/// The service of OpenSLO that an SLO belongs to: its own, or one that stands for its selectors.
fn service_name(slo: &Slo) -> String {
    match slo.services.as_slice() {
        [one] if is_label(one) => one.clone(),
        [one] if one == "*" => "every-service".into(),
        several => label(&several.join("-").replace('*', "any"), "services"),
    }
}

fn slo(slo: &Slo, name: &str, source: &str, targets: &[(&str, String)]) -> Value {
    let mut annotations = Map::new();
    if *slo.name != *name {
        note(&mut annotations, "name", &*slo.name);
    }
    let service = service_name(slo);
    if slo.services != [service.clone()] {
        note(&mut annotations, "services", json!(slo.services).to_string());
    }
    if slo.tiers.is_empty() {
        note(&mut annotations, "alerts", "none");
    }
    if slo.calendar.is_none() {
        note_window(&mut annotations, slo.window_s);
    }
    for (key, text) in extras::of(slo) {
        note(&mut annotations, key, text);
    }
    let (sli, bound) = indicator(slo, source);
    // a target is a share: two places less than percent
    let mut objective =
        json!({ "target": number(&shifted(&slo.objective.to_string(), -2).unwrap_or_default()) });
    if let Some(bound) = bound {
        objective["op"] = "lt".into();
        objective["value"] = number(&bound);
    }
    let method = match slo.budgeting {
        Budgeting::Occurrences => "Occurrences",
        Budgeting::Timeslices { slice_s, test } => {
            let target = match test {
                SliceTest::Good { target } => target.to_string(),
                // an annotation says what a slice has to hold
                SliceTest::Requests { .. } => "100".to_string(),
            };
            objective["timeSliceTarget"] = number(&shifted(&target, -2).unwrap_or_default());
            objective["timeSliceWindow"] = window(slice_s.into()).into();
            "Timeslices"
        }
        Budgeting::RatioTimeslices { slice_s } => {
            objective["timeSliceWindow"] = window(slice_s.into()).into();
            "RatioTimeslices"
        }
    };
    let rolling = || json!({ "duration": window(slo.window_s), "isRolling": true });
    let mut spec = json!({
        "service": service,
        "indicator": { "metadata": { "name": name }, "spec": sli },
        "timeWindow": [slo.calendar.as_ref().map_or_else(rolling, super::window::of)],
        "budgetingMethod": method,
        "objectives": [objective],
    });
    if !slo.tiers.is_empty() {
        let mut names = Names::default();
        let policies: Vec<Value> = slo
            .tiers
            .iter()
            .map(|tier| {
                let name = names.of(&tier.name, "alert");
                policy(slo, tier, &name, targets)
            })
            .collect();
        spec["alertPolicies"] = policies.into();
    }
    object("SLO", metadata(name, &slo.name, annotations), spec)
}

/// The SLI's spec, and the bound of a latency in milliseconds.
fn indicator(slo: &Slo, source: &str) -> (Value, Option<String>) {
    let metric =
        |spec: Value| json!({ "metricSource": { "metricSourceRef": source, "type": SOURCE, "spec": spec } });
    let exclude = slo.indicator.exclude.as_ref();
    match &slo.indicator.rule {
        Rule::Good(good) => {
            let total = match exclude {
                Some(exclude) => json!({ "exclude": exclude }),
                None => json!({ "filter": "true" }),
            };
            let ratio = json!({
                "counter": true,
                "good": metric(json!({ "good": good })),
                "total": metric(total),
            });
            (json!({ "ratioMetric": ratio }), None)
        }
        Rule::Latency { below_us, of, failed } => {
            let mut spec = json!({
                "of": match of {
                    LatencyOf::Client => "client",
                    LatencyOf::Upstream => "upstream",
                    LatencyOf::Field(name) => name,
                },
                "unit": "ms",
                "failed": match failed {
                    Failed::Bad => "bad",
                    Failed::Good => "good",
                    Failed::Excluded => "excluded",
                },
            });
            if let Some(exclude) = exclude {
                spec["exclude"] = exclude.clone().into();
            }
            let bound = shifted(&below_us.to_string(), -3);
            (json!({ "thresholdMetric": metric(spec) }), bound)
        }
        Rule::External => {
            let counted = || metric(json!({ EXTERNAL: true }));
            (json!({ "ratioMetric": { "counter": true, "good": counted(), "total": counted() } }), None)
        }
        Rule::Freshness { below_us } => {
            let mut spec = json!({ "of": FRESHNESS, "unit": "ms" });
            if let Some(exclude) = exclude {
                spec["exclude"] = exclude.clone().into();
            }
            (json!({ "thresholdMetric": metric(spec) }), shifted(&below_us.to_string(), -3))
        }
    }
}

fn policy(slo: &Slo, tier: &Tier, name: &str, targets: &[(&str, String)]) -> Value {
    let mut annotations = Map::new();
    if *tier.name != *name {
        note(&mut annotations, "name", &*tier.name);
    }
    note(&mut annotations, "short", seconds_text(tier.short_s));
    note_window(&mut annotations, tier.long_s);
    if !tier.alert_after_s.is_multiple_of(60) {
        note(&mut annotations, "alert_after", seconds_text(tier.alert_after_s));
    }
    if tier.cool_down_s > 0 {
        note(&mut annotations, "cool_down", seconds_text(tier.cool_down_s));
    }
    // a factor with more than six places is a share of the budget, which has fewer
    if 1_000_000 % tier.factor.den != 0 {
        note(&mut annotations, "budget", format!("{}%", spent(slo.window_s, tier)));
    }
    let condition = json!({
        "severity": tier.severity,
        "condition": {
            "kind": "burnrate",
            "op": if tier.op == Op::Gt { "gt" } else { "gte" },
            "threshold": number(&tier.factor.to_string()),
            "lookbackWindow": window(tier.long_s),
            "alertAfter": format!("{}m", tier.alert_after_s.div_ceil(60)),
        },
    });
    let target = targets.iter().find(|(severity, _)| *severity == &*tier.severity);
    let spec = json!({
        "alertWhenNoData": false,
        "alertWhenResolved": true,
        "alertWhenBreaching": true,
        "conditions": [inline("AlertCondition", metadata(name, &tier.name, annotations), condition)],
        "notificationTargets": [{ "targetRef": target.map_or(&*tier.severity, |(_, name)| name) }],
    });
    inline("AlertPolicy", metadata(name, &tier.name, Map::new()), spec)
}

/// A window that OpenSLO has no words for.
fn note_window(annotations: &mut Map<String, Value>, seconds: u64) {
    if !seconds.is_multiple_of(60) {
        note(annotations, "window", seconds_text(seconds));
    }
}

/// A length in OpenSLO's words: one number and a unit, whole minutes at least.
fn window(seconds: u64) -> String {
    for (unit, length) in [("d", 86_400), ("h", 3_600)] {
        if seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{}m", seconds.div_ceil(60))
}

/// A decimal as a number. Up to 15 digits a float prints as the decimal that it was read from.
fn number(text: &str) -> Value {
    text.parse::<f64>().map_or_else(|_| text.into(), Value::from)
}

/// Names of one kind, each a DNS label and each once.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn of(&mut self, name: &str, otherwise: &str) -> String {
        let base = label(name, otherwise);
        let mut made = base.clone();
        let mut number = 2;
        while !self.0.insert(made.clone()) {
            let short: String = base.chars().take(58).collect();
            made = format!("{}-{number}", short.trim_end_matches('-'));
            number += 1;
        }
        made
    }
}
