//! `check --print`: the pipeline as it runs, as a pipeline file.
//!
//! Invariant: what is printed reads back to the same settings (relative paths apart), and holds no secret.

use super::budget::spent;
use crate::core::budgeting;
use crate::core::decimal::Decimal;
use crate::core::format::preset;
use crate::core::settings::{
    Bound, Budgeting, Envelope, Exclusion, Failed, Input, LatencyOf, Layout, Mapping, Occurs, Op, PolicyTier,
    RouteRule, Rule, ServiceRule, Settings, SliceTest, Slo, Source, Tier,
};
use crate::core::sli::expand;
use crate::edges::sink::delivery::{Auth, Receiver, Speaks};
use crate::shell::config::scalar::{micros_text, seconds_text};
use crate::shell::pipeline::{Cluster, DeadLetters, Events, KafkaSource, Pipeline};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The pipeline as YAML, with what indicators expand to in comments at the end.
pub fn expanded(pipeline: &Pipeline) -> String {
    let settings = &pipeline.settings;
    let value = file(pipeline);
    // A tree of texts, numbers and lists: it has a YAML form.
    let mut text = serde_saphyr::to_string(&value).unwrap_or_default();
    text.push_str("\n# What the indicators expand to; the first line that holds decides:\n");
    for slo in &settings.slos {
        text.push_str(&format!("#\n# {} of {}:\n", slo.name, slo.services.join(", ")));
        for line in expand(slo).lines() {
            text.push_str(&format!("#   {line}\n"));
        }
    }
    text
}

fn file(pipeline: &Pipeline) -> Value {
    let settings = &pipeline.settings;
    let bounds = &pipeline.bounds;
    let limits = settings.limits;
    let sources: Vec<Value> = settings
        .sources
        .iter()
        .zip(&pipeline.sources)
        .map(|(core, kafka)| source(core, kafka.as_ref()))
        .collect();
    let mut object = json!({
        "version": 1,
        "name": settings.name,
        "sources": sources,
        "slice": seconds_text(settings.slice.0.into()),
        "routes": routes(settings.routes.as_deref()),
        "services": settings.services.iter().map(service).collect::<Vec<_>>(),
        "slos": pipeline.specified().map(|(one, text)| slo(one, text)).collect::<Vec<_>>(),
        "exclusions": settings.exclusions.iter().map(exclusion).collect::<Vec<_>>(),
        "sinks": sinks(pipeline, settings),
        "state": path(&pipeline.state),
        "history_after": seconds_text(settings.history_after_s.into()),
        "silent_after": seconds_text(settings.silent_after_s.into()),
        "watermark_quorum": settings.watermark_quorum,
        "shutdown_timeout": seconds_text(pipeline.shutdown_timeout.as_secs()),
        "threads": pipeline.threads,
        "limits": {
            "services_max": limits.services_max,
            "ingest_services_max": limits.ingest_services_max,
            "line_bytes_max": limits.line_bytes_max,
            "service_name_bytes_max": limits.service_name_bytes_max,
            "route_bytes_max": limits.route_bytes_max,
            "dimension_values_max": limits.dimension_values_max,
            "ingest_dimension_values_max": limits.ingest_dimension_values_max,
            "dimension_value_bytes_max": limits.dimension_value_bytes_max,
            "duplicate_ids_max": limits.duplicate_ids_max,
            "dead_letter_bytes_max": bounds.dead_letter_bytes_max,
            "fetch_bytes_max": bounds.fetch_bytes_max,
            "flush_every": micros_text(bounds.flush_every.as_micros() as u64),
            "flush_bytes_max": bounds.flush_bytes_max,
            "queue_chunks_max": bounds.queue_chunks_max,
        },
    });
    if let Some(lateness_s) = settings.alerts_lateness_s {
        object["alerts"] = json!({ "preset": "none", "lateness": seconds_text(lateness_s.into()) });
    }
    if let Some(http) = pipeline.http {
        object["http"] = http.to_string().into();
    }
    object
}

fn path(path: &Path) -> Value {
    path.display().to_string().into()
}

fn source(core: &Source, kafka: Option<&KafkaSource>) -> Value {
    let mut object = json!({
        "name": core.name,
        "format": format(&core.input),
        "envelope": envelope(&core.input.envelope),
        "lateness": seconds_text(core.lateness_s.into()),
        "idle_timeout": seconds_text(core.idle_timeout_s.into()),
        "duplicates": core.input.duplicates,
    });
    if let Some(kafka) = kafka {
        let mut block = cluster(&kafka.cluster);
        block.insert("topics".into(), kafka.topics.clone().into());
        block.insert("group".into(), kafka.group.clone().into());
        block.insert("start".into(), kafka.start.to_string().into());
        object["kafka"] = block.into();
    }
    object
}

/// The preset, with what the site declares of its lines.
fn format(input: &Input) -> Value {
    let name = preset(input.format).name;
    let layout: Value = match &input.layout {
        Layout::Usual => return name.into(),
        Layout::Text(text) => text.clone().into(),
        Layout::Columns(columns) => columns.clone().into(),
        Layout::Mapped { pattern, separator, columns, fields } => {
            let mut map = Map::new();
            let texts = [("pattern", pattern), ("separator", separator)];
            map.extend(texts.into_iter().filter_map(|(key, text)| Some((key.into(), text.clone()?.into()))));
            if !columns.is_empty() {
                map.insert("columns".into(), columns.clone().into());
            }
            if !fields.is_empty() {
                map.insert("fields".into(), fields.iter().map(|f| (f.name.clone(), mapping(f))).collect());
            }
            map.into()
        }
    };
    json!({ name: layout })
}

fn mapping(mapping: &Mapping) -> Value {
    let mut map = Map::new();
    if !mapping.from.is_empty() {
        map.insert("from".into(), mapping.from.clone().into());
    }
    if let Some(unit) = &mapping.unit {
        map.insert("unit".into(), unit.clone().into());
    }
    map.into()
}

fn envelope(envelope: &Envelope) -> Value {
    match envelope {
        Envelope::Auto => "auto".into(),
        Envelope::None => "none".into(),
        Envelope::Steps(steps) => steps.iter().map(|step| step.name()).collect(),
    }
}

fn cluster(cluster: &Cluster) -> Map<String, Value> {
    let mut block = Map::new();
    block.insert("brokers".into(), cluster.brokers.clone().into());
    if let Some(tls) = &cluster.tls {
        let mut files = Map::new();
        for (key, file) in [
            ("ca_file", &tls.ca_file),
            ("certificate_file", &tls.certificate_file),
            ("key_file", &tls.key_file),
            ("key_password_file", &tls.key_password_file),
        ] {
            if let Some(file) = file {
                files.insert(key.into(), path(file));
            }
        }
        files.insert("verify_hostname".into(), tls.verify_hostname.into());
        block.insert("tls".into(), files.into());
    }
    if let Some(sasl) = &cluster.sasl {
        let sasl = json!({
            "mechanism": sasl.mechanism,
            "username": sasl.username,
            "password_file": path(&sasl.password_file),
        });
        block.insert("sasl".into(), sasl);
    }
    if !cluster.librdkafka.is_empty() {
        block.insert("librdkafka".into(), json!(cluster.masked()));
    }
    block
}

fn routes(rules: Option<&[RouteRule]>) -> Value {
    match rules {
        None => "none".into(),
        Some([]) => "ids".into(),
        Some(rules) => rules.iter().map(|r| json!({ "match": r.matches, "route": r.route })).collect(),
    }
}

fn service(rule: &ServiceRule) -> Value {
    let mut object = Map::new();
    object.insert("name".into(), rule.name.clone().into());
    if let Some(when) = &rule.when {
        object.insert("when".into(), when.clone().into());
    }
    if !rule.matches.is_empty() {
        let matches: Map<String, Value> =
            rule.matches.iter().map(|(field, regex)| (field.clone(), regex.clone().into())).collect();
        object.insert("match".into(), matches.into());
    }
    if let Some(map) = &rule.map {
        let values: Map<String, Value> =
            map.values.iter().map(|(value, service)| (value.clone(), service.clone().into())).collect();
        object.insert("map".into(), json!({ "field": map.field, "values": values }));
    }
    if let Some(tier) = rule.tier {
        object.insert("tier".into(), tier.into());
    }
    let texts =
        [("owner", &rule.owner), ("runbook_url", &rule.runbook_url), ("dashboard_url", &rule.dashboard_url)];
    for (key, text) in texts {
        if let Some(text) = text {
            object.insert(key.into(), text.clone().into());
        }
    }
    if !rule.labels.is_empty() {
        object.insert("labels".into(), json!(rule.labels));
    }
    object.into()
}

fn slo(slo: &Slo, specification: Option<&str>) -> Value {
    let mut indicator = Map::new();
    if let Some(text) = specification {
        indicator.insert("specification".into(), text.into());
    }
    match &slo.indicator.rule {
        Rule::Good(good) => indicator.insert("good".into(), good.clone().into()),
        Rule::Latency { below_us, of, failed } => {
            let of = match of {
                LatencyOf::Client => "client",
                LatencyOf::Field(name) => name.as_str(),
                LatencyOf::Upstream => "upstream",
            };
            let failed = match failed {
                Failed::Bad => "bad",
                Failed::Good => "good",
                Failed::Excluded => "excluded",
            };
            let block = json!({ "below": micros_text(*below_us), "of": of, "failed": failed });
            indicator.insert("latency".into(), block)
        }
        Rule::External => indicator.insert("external".into(), true.into()),
        Rule::Freshness { below_us } => {
            indicator.insert("freshness".into(), json!({ "below": micros_text(*below_us) }))
        }
    };
    if let Some(exclude) = &slo.indicator.exclude {
        indicator.insert("exclude".into(), exclude.clone().into());
    }
    let alerts: Value = match slo.tiers.is_empty() {
        true => "none".into(),
        false => slo.tiers.iter().map(|t| tier(slo, t)).collect(),
    };
    let mut object = json!({
        "name": slo.name,
        "service": slo.services,
        "objective": slo.objective.to_string(),
        "window": window(slo),
        "budgeting": budgeting::name(&slo.budgeting),
    });
    match slo.budgeting {
        Budgeting::Occurrences => {}
        Budgeting::Timeslices { slice_s, test } => {
            object["slice_window"] = seconds_text(slice_s.into()).into();
            match test {
                SliceTest::Good { target } => object["slice_target"] = target.to_string().into(),
                SliceTest::Requests { at_least, at_most } => {
                    let mut throughput = json!({ "at_least": at_least });
                    if let Some(most) = at_most {
                        throughput["at_most"] = most.into();
                    }
                    indicator.remove("good");
                    indicator.insert("throughput".into(), throughput);
                }
            }
        }
        Budgeting::RatioTimeslices { slice_s } => {
            object["slice_window"] = seconds_text(slice_s.into()).into()
        }
    }
    if !matches!(slo.budgeting, Budgeting::Timeslices { test: SliceTest::Requests { .. }, .. }) {
        object["on_empty"] = slo.on_empty.name().into();
    }
    if let Some(per) = &slo.per {
        object["per"] = (*per.field).into();
        object["groups_max"] = per.groups_max.into();
    }
    object["coverage_min"] = format!("{}%", slo.coverage_min).into();
    object["min_events"] = slo.min_events.into();
    object["min_failures"] = slo.min_failures.into();
    object["indicator"] = indicator.into();
    object["alerts"] = alerts;
    object["policy"] = policy(&slo.policy);
    if let Some(sla) = &slo.sla {
        let credit = |(below, credit): &(Decimal, Decimal)| json!({ "below": below.to_string(), "credit": credit.to_string() });
        object["sla"] = json!({
            "objective": sla.objective.to_string(),
            "credits": sla.credits.iter().map(credit).collect::<Vec<_>>(),
        });
    }
    object["suppress_slower"] = slo.suppress_slower.into();
    object["consumed_step"] = format!("{}%", slo.consumed_step).into();
    object
}

fn exclusion(exclusion: &Exclusion) -> Value {
    let mut object = json!({
        "name": exclusion.name,
        "reason": exclusion.reason,
        "services": exclusion.services,
        "slos": exclusion.slos,
    });
    match &exclusion.occurs {
        Occurs::Once { from, to } => {
            object["from"] = from.to_string().into();
            object["to"] = to.to_string().into();
        }
        Occurs::Repeats { rule, start, time_zone, duration_s } => {
            object["rrule"] = rule.clone().into();
            object["start"] = start.clone().into();
            object["duration"] = seconds_text(*duration_s).into();
            object["time_zone"] = time_zone.clone().into();
        }
    }
    object
}

fn policy(policy: &[PolicyTier]) -> Value {
    let tier = |tier: &PolicyTier| {
        let mut object = json!({ "name": tier.name });
        match tier.remaining {
            Bound::Above(percent) => object["above"] = percent.to_string().into(),
            Bound::From(percent) => object["from"] = percent.to_string().into(),
            Bound::Always => {}
        }
        object["action"] = tier.action.clone().into();
        object["releases"] = tier.releases.into();
        object
    };
    match policy.is_empty() {
        true => "none".into(),
        false => policy.iter().map(tier).collect(),
    }
}

fn window(slo: &Slo) -> Value {
    match &slo.calendar {
        None => seconds_text(slo.window_s).into(),
        Some(calendar) => json!({
            "calendar": calendar.unit.name(),
            "time_zone": calendar.time_zone,
            "week_starts": calendar.week_starts.name(),
        }),
    }
}

fn tier(slo: &Slo, tier: &Tier) -> Value {
    let mut object = json!({
        "name": tier.name,
        "severity": tier.severity,
        "long": seconds_text(tier.long_s),
        "short": seconds_text(tier.short_s),
    });
    if tier.op == Op::Gte {
        object["op"] = "gte".into();
    }
    for (key, seconds) in [("alert_after", tier.alert_after_s), ("cool_down", tier.cool_down_s)] {
        if seconds > 0 {
            object[key] = seconds_text(seconds).into();
        }
    }
    // A factor with more than six places is a share of the budget, which has fewer.
    if 1_000_000 % tier.factor.den == 0 {
        object["factor"] = tier.factor.to_string().into();
    } else {
        object["budget"] = format!("{}%", spent(slo.window_s, tier)).into();
    }
    object
}

fn sinks(pipeline: &Pipeline, settings: &Settings) -> Value {
    let mut object = json!({
        "rollups": {
            "path": path(&pipeline.sinks.rollups),
            "cut": seconds_text(settings.cut_s.into()),
            "dimensions": settings.dimensions,
            "tiers": settings.tiers,
        },
    });
    match &pipeline.sinks.events {
        Events::Kafka { cluster: kafka, topic, state_topic, mode } => {
            object["events"] = json!({
                "topic": topic,
                "state_topic": state_topic,
                "mode": mode.name(),
                "kafka": cluster(kafka),
            });
        }
        Events::File(file) => object["events"] = json!({ "file": path(file) }),
        Events::Stdout => object["events"] = json!({ "stdout": true }),
        Events::None => {}
    }
    for (key, wanted) in [("alertmanager", true), ("webhook", false)] {
        let is_wanted = |r: &&Receiver| matches!(r.speaks, Speaks::Alertmanager { .. }) == wanted;
        let written: Vec<Value> = pipeline.sinks.receivers.iter().filter(is_wanted).map(receiver).collect();
        if !written.is_empty() {
            object[key] = written.into();
        }
    }
    match &pipeline.sinks.dead_letters {
        DeadLetters::Kafka { cluster: kafka, topic } => {
            object["dead_letters"] = json!({ "topic": topic, "kafka": cluster(kafka) });
        }
        DeadLetters::File(file) => object["dead_letters"] = json!({ "file": path(file) }),
        DeadLetters::State => {}
    }
    object
}

fn receiver(receiver: &Receiver) -> Value {
    let http = &receiver.http;
    let mut object = json!({
        "name": receiver.name,
        "url": http.url,
        "timeout": seconds_text(http.timeout.as_secs()),
    });
    match &receiver.speaks {
        Speaks::Alertmanager { resend_every, labels } => {
            object["url"] = http.url.trim_end_matches("/api/v2/alerts").into();
            object["resend_every"] = seconds_text(resend_every.as_secs()).into();
            object["labels"] = json!(labels);
        }
        Speaks::Webhook { mode, headers, types, replay } => {
            object["mode"] = mode.name().into();
            object["headers"] = json!(headers);
            if !types.is_empty() {
                object["types"] = json!(types);
            }
            object["replay"] = (*replay).into();
        }
    }
    if let Some(file) = &http.ca_file {
        object["tls"] = json!({ "ca_file": path(file) });
    }
    match &http.auth {
        Auth::None => {}
        Auth::Bearer(file) => object["auth"] = json!({ "bearer_token_file": path(file) }),
        Auth::Basic(user, file) => object["auth"] = json!({ "username": user, "password_file": path(file) }),
    }
    object
}
