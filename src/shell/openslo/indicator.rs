//! An SLI of OpenSLO as an indicator: predicates of a ratio, or a latency and its bound.
//!
//! Invariant: a request is good or left out only where that is known. So `bad: X` makes `good: !(X)` and
//! `filter: X` makes `exclude: !(X)`: what X does not say of a request counts against it.

use super::objects::{Objects, Site};
use super::tree::Node;
use super::{EXTERNAL, FRESHNESS, SOURCE, shifted};
use crate::shell::config::scalar::micros_text;
use crate::shell::config::{
    At, DurationText, FailedFile, FreshnessFile, IndicatorFile, LatencyFile, PredicateText,
};

/// The indicator that an SLI's spec is, with the objective's `op` and `value`.
pub(super) fn indicator(
    objects: &mut Objects,
    site: &Site,
    spec: &At<Node>,
    objective: (&Site, &At<Node>),
) -> Option<At<IndicatorFile>> {
    objects.known(site, spec, &["thresholdMetric", "ratioMetric", "description"]);
    let indicator = match (spec.get("ratioMetric").cloned(), spec.get("thresholdMetric").cloned()) {
        (Some(ratio), None) => {
            for key in ["op", "value"] {
                if let Some(value) = objective.1.get(key) {
                    let hint = "an objective of a ratio has a target only; it is not read";
                    objects.warn(objective.0, &value.span, format!("`{key}` is of no use here"), hint);
                }
            }
            self::ratio(objects, site, &ratio)?
        }
        (None, Some(threshold)) => self::threshold(objects, site, &threshold, objective)?,
        _ => {
            let message = "an SLI has either ratioMetric or thresholdMetric";
            objects.error(site, &spec.span, message, "ratioMetric counts good and all requests");
            return None;
        }
    };
    let specification = objects.text(site, spec, "description").map(|text| text.value);
    Some(site.at(&spec.span, IndicatorFile { specification, ..indicator }))
}

fn ratio(objects: &mut Objects, site: &Site, ratio: &At<Node>) -> Option<IndicatorFile> {
    objects.known(site, ratio, &["counter", "good", "bad", "total", "raw", "rawType"]);
    if let Some(raw) = ratio.get("raw") {
        let hint = "write good (or bad) and total, with predicates: requests are counted, not ratios";
        objects.error(site, &raw.span, "a raw ratio cannot be counted from access logs", hint);
        return None;
    }
    if let Some(indicator) = external(objects, site, ratio) {
        return Some(indicator);
    }
    let predicate = |objects: &mut Objects, role: &'static str| {
        let metric = ratio.get(role)?.clone();
        let spec = source(objects, site, &metric)?;
        objects.known(site, &spec, &[role, "filter"]);
        let text = objects.text(site, &spec, role).or_else(|| objects.text(site, &spec, "filter"));
        if text.is_none() {
            let hint = format!("{role}: status {} 500", if role == "good" { "<" } else { ">=" });
            objects.error(site, &spec.span, format!("`{role}` has no predicate"), hint);
        }
        text
    };
    let place = |predicate: At<String>| site.at(&predicate.span, PredicateText(predicate.value));
    let (good, bad) = match (ratio.get("good").is_some(), ratio.get("bad").is_some()) {
        (true, false) => (Some(place(predicate(objects, "good")?)), None),
        (false, true) => (None, Some(place(predicate(objects, "bad")?))),
        _ => {
            let message = "a ratio has either good or bad, beside total";
            let hint = "good: { metricSource: … }, total: { metricSource: … }";
            objects.error(site, &ratio.span, message, hint);
            return None;
        }
    };
    let exclude = match ratio.get("total").cloned() {
        Some(total) => {
            let spec = source(objects, site, &total)?;
            objects.known(site, &spec, &["total", "filter", "exclude"]);
            excluded(objects, site, &spec)
        }
        None => {
            objects.warn(site, &ratio.span, "a ratio has no total", "every request of the service counts");
            None
        }
    };
    Some(IndicatorFile { good, bad, exclude, ..IndicatorFile::default() })
}

/// A ratio whose good and total another system counts: a spec of either that says so stands for both.
fn external(objects: &mut Objects, site: &Site, ratio: &At<Node>) -> Option<IndicatorFile> {
    let of = |role: &str| ratio.get(role)?.get("metricSource")?.get("spec")?.get(EXTERNAL).cloned();
    let says = of("good").or_else(|| of("total"))?;
    for role in ["good", "bad", "total"] {
        if let Some(metric) = ratio.get(role).cloned()
            && let Some(spec) = source(objects, site, &metric)
        {
            objects.known(site, &spec, &[EXTERNAL]);
        }
    }
    let external = Some(site.at(&says.span, says.value == Node::Scalar("true".into())));
    Some(IndicatorFile { external, ..IndicatorFile::default() })
}

/// `exclude`, or what `filter` (of all that count) leaves out.
fn excluded(objects: &mut Objects, site: &Site, spec: &At<Node>) -> Option<At<PredicateText>> {
    let filter = objects.text(site, spec, "filter").or_else(|| objects.text(site, spec, "total"));
    let filter = filter.filter(|filter| filter.value != "true");
    let exclude = objects.text(site, spec, "exclude");
    let text = match (&filter, &exclude) {
        (Some(filter), None) => format!("!({})", filter.value),
        (None, Some(exclude)) => exclude.value.clone(),
        (Some(filter), Some(exclude)) => format!("({}) || !({})", exclude.value, filter.value),
        (None, None) => return None,
    };
    let span = &exclude.or(filter)?.span;
    Some(site.at(span, PredicateText(text)))
}

fn threshold(
    objects: &mut Objects,
    site: &Site,
    threshold: &At<Node>,
    (slo, objective): (&Site, &At<Node>),
) -> Option<IndicatorFile> {
    let spec = source(objects, site, threshold)?;
    if let Some(aggregation) = spec.get("aggregation") {
        let hint = "requests under a bound are counted, which is exact: p95 below 200ms is a target of 0.95";
        objects.error(site, &aggregation.span, "an aggregated latency is not read", hint);
        return None;
    }
    objects.known(site, &spec, &["of", "field", "unit", "failed", "filter", "exclude"]);
    let of = objects.text(site, &spec, "of").or_else(|| objects.text(site, &spec, "field"));
    let Some(of) = of else {
        objects.error(
            site,
            &spec.span,
            "a threshold names no latency",
            "of: client, upstream, freshness, or the name of a duration",
        );
        return None;
    };
    let failed = match objects.text(site, &spec, "failed") {
        None => None,
        Some(text) => match text.as_str() {
            "bad" => Some(FailedFile::Bad),
            "good" => Some(FailedFile::Good),
            "excluded" => Some(FailedFile::Excluded),
            _ => {
                objects.error(
                    site,
                    &text.span,
                    format!("unknown value `{}`", text.value),
                    "bad, good or excluded",
                );
                None
            }
        },
    };
    let below = bound(objects, site, &spec, slo, objective)?;
    if of.value == FRESHNESS {
        if let (Some(_), Some(written)) = (failed, spec.get("failed")) {
            let hint = "a failed request is as fresh as any other; it is not read";
            objects.warn(site, &written.span, "`failed` is of no use here", hint);
        }
        let freshness = Some(site.at(&threshold.span, FreshnessFile { below }));
        let exclude = excluded(objects, site, &spec);
        return Some(IndicatorFile { freshness, exclude, ..IndicatorFile::default() });
    }
    let latency = LatencyFile { below, of: Some(site.at(&of.span, of.value)), failed };
    let exclude = excluded(objects, site, &spec);
    Some(IndicatorFile {
        latency: Some(site.at(&threshold.span, latency)),
        exclude,
        ..IndicatorFile::default()
    })
}

/// The bound, exclusive, from the objective's `op` and `value` and the metric's unit.
fn bound(
    objects: &mut Objects,
    site: &Site,
    spec: &At<Node>,
    slo: &Site,
    objective: &At<Node>,
) -> Option<At<DurationText>> {
    let places = match objects.text(site, spec, "unit") {
        Some(unit) => match unit.as_str() {
            "s" => 6,
            "ms" => 3,
            "us" => 0,
            _ => {
                objects.error(site, &unit.span, format!("unknown unit `{}`", unit.value), "s, ms or us");
                return None;
            }
        },
        None => {
            objects.error(
                site,
                &spec.span,
                "a threshold has no unit",
                "unit: ms, or s, or us: of the objective's value",
            );
            return None;
        }
    };
    let (op, value) = (objects.text(slo, objective, "op"), objects.text(slo, objective, "value"));
    let (Some(op), Some(value)) = (op, value) else {
        objects.error(
            slo,
            &objective.span,
            "an objective of a threshold needs op and value",
            "op: lt, value: 200",
        );
        return None;
    };
    let inclusive = match op.as_str() {
        "lt" => 0,
        "lte" => 1,
        _ => {
            let message = format!("`{}` makes the slow requests good", op.value);
            objects.error(slo, &op.span, message, "a latency is good below its bound: lt or lte");
            return None;
        }
    };
    let Some(us) = shifted(&value, places).and_then(|us| us.parse::<u64>().ok()) else {
        let message = format!("`{}` is not a latency of whole microseconds", value.value);
        objects.error(slo, &value.span, message, "write a decimal: 200, 0.25");
        return None;
    };
    // the value stands in the SLO's own file
    Some(value.with(DurationText(micros_text(us.saturating_add(inclusive)))))
}

/// The `spec` of a metric's source, which has to be of our type.
fn source(objects: &mut Objects, site: &Site, metric: &At<Node>) -> Option<At<Node>> {
    objects.known(site, metric, &["metricSource"]);
    let Some(source) = metric.get("metricSource").cloned() else {
        objects.error(
            site,
            &metric.span,
            "metricSource is missing",
            format!("metricSource: {{ type: {SOURCE}, spec: … }}"),
        );
        return None;
    };
    objects.known(site, &source, &["metricSourceRef", "type", "spec"]);
    let reference = objects.text(site, &source, "metricSourceRef");
    let named = objects.text(site, &source, "type");
    let referred = match &reference {
        None => None,
        Some(reference) => match objects.find("DataSource", reference).cloned() {
            Some(found) => {
                let spec = found.spec();
                objects.text(&found.site, &spec, "type").map(|kind| reference.with(kind.value))
            }
            None => {
                let message = format!("there is no DataSource named `{}`", reference.value);
                match named {
                    Some(_) => {
                        objects.warn(site, &reference.span, message, "the type that stands here is used")
                    }
                    None => objects.error(site, &reference.span, message, "name one, or write the type here"),
                }
                None
            }
        },
    };
    let Some(kind) = named.or(referred) else {
        if reference.is_none() {
            objects.error(site, &source.span, "a metric source has no type", format!("type: {SOURCE}"));
        }
        return None;
    };
    if !kind.eq_ignore_ascii_case(SOURCE) {
        let message = format!("a metric source of type `{}` cannot be read", kind.value);
        objects.error(
            site,
            &kind.span,
            message,
            format!("indicators come from access logs: type: {SOURCE}, with predicates in spec"),
        );
        return None;
    }
    Some(source.get("spec").cloned().unwrap_or_else(|| source.with(Node::Null)))
}
