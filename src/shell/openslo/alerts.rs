//! Alert policies of OpenSLO as burn-rate tiers.
//!
//! An AlertCondition has one window, and a burn-rate alert here has two: `lookbackWindow` is the long one; the
//! short one is the annotation `ninetail.dev/short`, or a twelfth of the long one, as the SRE Workbook takes it.

use super::objects::{Objects, Site};
use super::read::duration;
use super::tree::Node;
use super::{PREFIX, shifted};
use crate::core::settings::Op;
use crate::shell::config::scalar::seconds_text;
use crate::shell::config::{AlertsFile, At, DecimalText, DurationText, TierFile};

/// What `alertPolicies` and our annotation say; None where they leave it to the pipeline.
pub(super) fn alerts(
    objects: &mut Objects,
    site: &Site,
    slo: &At<Node>,
    spec: &At<Node>,
) -> Option<At<AlertsFile>> {
    let preset = objects.annotation(site, slo, "alerts");
    let policies = objects.list(site, spec, "alertPolicies");
    if let Some(preset) = preset {
        if let Some(first) = policies.first() {
            let hint = format!("keep one of `{PREFIX}alerts` and alertPolicies");
            objects.error(site, &first.span, "alerts are said twice", hint);
        }
        return Some(site.at(&preset.span, AlertsFile::Preset(preset.value)));
    }
    let span = policies.first()?.span.clone();
    let mut tiers = Vec::new();
    for policy in policies {
        tiers.extend(self::policy(objects, site, &policy));
    }
    Some(site.at(&span, AlertsFile::Tiers(tiers)))
}

fn policy(objects: &mut Objects, site: &Site, item: &At<Node>) -> Option<At<TierFile>> {
    let (site, node) = resolve(objects, site, item, "alertPolicyRef", "AlertPolicy")?;
    let spec = node.get("spec").cloned().unwrap_or_else(|| node.with(Node::Null));
    objects.known(
        &site,
        &spec,
        &[
            "description",
            "alertWhenNoData",
            "alertWhenResolved",
            "alertWhenBreaching",
            "conditions",
            "notificationTargets",
        ],
    );
    for target in objects.list(&site, &spec, "notificationTargets") {
        let resolved = resolve(objects, &site, &target, "targetRef", "AlertNotificationTarget");
        if let Some((site, target)) = resolved
            && let Some(spec) = target.get("spec").cloned()
        {
            objects.known(&site, &spec, &["target", "description"]);
        }
    }
    if let Some(no_data) = flag(objects, &site, &spec, "alertWhenNoData").filter(|flag| flag.value) {
        let hint = "lost or unread input is told by `slo.data.gap` events, whatever stands here";
        objects.warn(&site, &no_data.span, "no alert fires for missing data", hint);
    }
    if let Some(resolved) = flag(objects, &site, &spec, "alertWhenResolved").filter(|flag| !flag.value) {
        let hint =
            "every alert that has fired is told to be over; whoever does not want that can drop the event";
        objects.warn(&site, &resolved.span, "alerts are always resolved", hint);
    }
    let conditions = objects.list(&site, &spec, "conditions");
    let [condition] = conditions.as_slice() else {
        let message = format!("an alert policy has one condition, not {}", conditions.len());
        objects.error(
            &site,
            &spec.span,
            message,
            "write a policy for each: an alert here has a long and a short window already",
        );
        return None;
    };
    let tier = self::condition(objects, &site, condition)?;
    let breaching = flag(objects, &site, &spec, "alertWhenBreaching");
    if let Some(breaching) = breaching.filter(|flag| !flag.value) {
        let hint = "set alertWhenBreaching: true to have it";
        objects.warn(&site, &breaching.span, "this alert never fires: it is left out", hint);
        return None;
    }
    Some(tier)
}

fn condition(objects: &mut Objects, site: &Site, item: &At<Node>) -> Option<At<TierFile>> {
    let (site, node) = resolve(objects, site, item, "conditionRef", "AlertCondition")?;
    let name = node.get("metadata").cloned().and_then(|m| objects.text(&site, &m, "name"));
    let name = objects.annotation(&site, &node, "name").or(name);
    let short = objects.annotation(&site, &node, "short");
    let budget = objects.annotation(&site, &node, "budget");
    let exact = objects.annotation(&site, &node, "window");
    let spec = node.get("spec").cloned().unwrap_or_else(|| node.with(Node::Null));
    objects.known(&site, &spec, &["description", "severity", "condition"]);
    let Some(severity) = objects.text(&site, &spec, "severity") else {
        objects.error(&site, &spec.span, "an alert condition has no severity", "severity: page");
        return None;
    };
    let Some(condition) = spec.get("condition").cloned() else {
        objects.error(
            &site,
            &spec.span,
            "condition is missing",
            "condition: { kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h }",
        );
        return None;
    };
    objects.known(&site, &condition, &["kind", "op", "threshold", "lookbackWindow", "alertAfter"]);
    if let Some(kind) = objects.text(&site, &condition, "kind")
        && !kind.eq_ignore_ascii_case("burnrate")
    {
        objects.error(
            &site,
            &kind.span,
            format!("conditions of kind `{}` are not read", kind.value),
            "burnrate is the only one of OpenSLO v1",
        );
        return None;
    }
    let op = objects.text(&site, &condition, "op").map(|op| match op.value.as_str() {
        "gt" => op.with(Op::Gt),
        "gte" => op.with(Op::Gte),
        _ => {
            let hint = "an alert fires while its burn rate is above the threshold: gt, or gte";
            objects.warn(&site, &op.span, format!("`{}` is read as gt", op.value), hint);
            op.with(Op::Gt)
        }
    });
    let after = match objects.text(&site, &condition, "alertAfter") {
        Some(after) => Some(duration(objects, &site, &after)?.1),
        None => None,
    };
    let noted = |objects: &mut Objects, key: &str| {
        let text = objects.annotation(&site, &node, key)?;
        Some(site.at(&text.span, DurationText(text.value)))
    };
    let alert_after = noted(objects, "alert_after").or(after);
    let cool_down = noted(objects, "cool_down");
    let Some(lookback) = objects.text(&site, &condition, "lookbackWindow") else {
        objects.error(&site, &condition.span, "lookbackWindow is missing", "lookbackWindow: 1h");
        return None;
    };
    let (long_s, long) = duration(objects, &site, &lookback)?;
    let long = exact.map_or(long, |exact| site.at(&exact.span, DurationText(exact.value)));
    let short = match short {
        Some(short) => site.at(&short.span, DurationText(short.value)),
        None => site.at(&lookback.span, DurationText(seconds_text(long_s / 12))),
    };
    let (factor, budget) = match budget {
        Some(budget) => (None, Some(site.at(&budget.span, DecimalText(budget.value)))),
        None => {
            let Some(threshold) = objects.text(&site, &condition, "threshold") else {
                objects.error(&site, &condition.span, "threshold is missing", "threshold: 14.4");
                return None;
            };
            let Some(factor) = shifted(&threshold, 0) else {
                objects.error(
                    &site,
                    &threshold.span,
                    format!("`{}` is no burn rate", threshold.value),
                    "write a decimal: 14.4",
                );
                return None;
            };
            (Some(site.at(&threshold.span, DecimalText(factor))), None)
        }
    };
    let tier = TierFile {
        name: name.map(|name| site.at(&name.span, name.value)),
        severity: site.at(&severity.span, severity.value),
        factor,
        budget,
        long,
        short,
        op: op.map(|op| site.at(&op.span, op.value)),
        alert_after,
        cool_down,
    };
    Some(site.at(&node.span, tier))
}

/// An item of a list: an object, or the name of one.
fn resolve(
    objects: &mut Objects,
    site: &Site,
    item: &At<Node>,
    key: &str,
    kind: &'static str,
) -> Option<(Site, At<Node>)> {
    let reference = match item.text() {
        Some(name) => {
            objects.warn(
                site,
                &item.span,
                "a bare name is read as a reference",
                format!("write {key}: {name}"),
            );
            Some(item.with(name.to_string()))
        }
        None => objects.text(site, item, key),
    };
    let Some(reference) = reference else {
        objects.known(site, item, &["apiVersion", "kind", "metadata", "spec"]);
        if let Some(said) = objects.text(site, item, "kind").filter(|said| said.value != kind) {
            objects.error(site, &said.span, format!("expected {kind}, found {}", said.value), "");
            return None;
        }
        objects.metadata(site, item);
        return Some((site.clone(), item.clone()));
    };
    let Some(found) = objects.find(kind, &reference).cloned() else {
        objects.missing(site, kind, &reference);
        return None;
    };
    Some((site.to(&reference.span, &found.site), found.node))
}

fn flag(objects: &mut Objects, site: &Site, node: &At<Node>, key: &str) -> Option<At<bool>> {
    let text = objects.text(site, node, key)?;
    match text.as_str() {
        "true" => Some(text.with(true)),
        "false" => Some(text.with(false)),
        _ => {
            objects.error(site, &text.span, format!("`{}` is neither true nor false", text.value), "");
            None
        }
    }
}
