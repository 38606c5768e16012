//! From OpenSLO objects to SLOs as a pipeline file would have them.
//!
//! Invariant: nothing is guessed silently. What OpenSLO can say and cannot be meant here is an error.

use super::objects::{Object, Objects, Site};
use super::tree::Node;
use super::{Findings, PREFIX, alerts, extras, indicator, label, shifted, window};
use crate::shell::config::diagnostic::Included;
use crate::shell::config::scalar::seconds_text;
use crate::shell::config::{At, DecimalText, DurationText, OneOrMany, SloFile, WindowFile};
use std::path::Path;
use std::sync::Arc;

/// The SLOs of OpenSLO files.
#[derive(Debug, Default)]
pub struct Slos(Vec<(Arc<Included>, At<SloFile>)>);

impl Slos {
    /// Those of one file, in its order.
    pub fn slos<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a Arc<Included>, &'a At<SloFile>)> {
        self.0.iter().filter(move |(file, _)| file.path == path).map(|(file, slo)| (file, slo))
    }
}

/// Reads files; what one defines, another may refer to. The findings show their places.
pub fn read(files: &[Arc<Included>]) -> (Slos, Findings) {
    let mut objects = Objects::of(files);
    let mut slos = Vec::new();
    let all: Vec<Object> = objects.all.clone();
    for object in &all {
        match object.kind {
            "SLO" => slos
                .extend(self::slos(&mut objects, object).into_iter().map(|s| (object.site.file.clone(), s))),
            "Service" => objects.known(&object.site, &object.spec(), &["description"]),
            "DataSource" => {
                objects.known(&object.site, &object.spec(), &["description", "type", "connectionDetails"]);
            }
            _ => {}
        }
    }
    (Slos(slos), objects.findings)
}

/// The SLOs of one object: one for each objective.
fn slos(objects: &mut Objects, object: &Object) -> Vec<At<SloFile>> {
    let (site, node, spec) = (&object.site, &object.node, object.spec());
    objects.known(
        site,
        &spec,
        &[
            "description",
            "service",
            "indicator",
            "indicatorRef",
            "timeWindow",
            "budgetingMethod",
            "objectives",
            "alertPolicies",
        ],
    );
    let Some(name) = objects.annotation(site, node, "name").or_else(|| object.name.clone()) else {
        objects.error(site, &node.span, "an SLO has no name", "metadata: { name: … }");
        return Vec::new();
    };
    let objectives = objects.list(site, &spec, "objectives");
    if objectives.is_empty() {
        objects.error(site, &spec.span, "an SLO has no objectives", "objectives: [{ target: 0.999 }]");
    }
    if let Some(composite) = objectives.iter().find_map(|o| {
        o.get("indicator").or_else(|| o.get("indicatorRef")).or_else(|| o.get("compositeWeight"))
    }) {
        let hint = "an SLO has one indicator: write an SLO for each";
        objects.error(site, &composite.span, "composite objectives are not read", hint);
        return Vec::new();
    }
    let method = window::method(objects, site, &spec);
    let service = service(objects, site, node, &spec);
    let window = window::read(objects, site, &spec);
    let exact = objects.annotation(site, node, "window");
    let exact = exact.map(|exact| exact.with(WindowFile::Rolling(DurationText(exact.value.clone()))));
    let window = exact.or(window);
    let alerts = alerts::alerts(objects, site, node, &spec);
    let description = objects.text(site, &spec, "description").map(|text| text.value);
    let several = objectives.len() > 1;
    let mut slos = Vec::new();
    for objective in &objectives {
        let Some((at, mut indicator)) = sli(objects, site, &spec, objective) else { continue };
        if several && at {
            let hint = "a bound of latency has one objective in OpenSLO v1; write an SLO for each";
            objects.warn(site, &objective.span, "a threshold has several objectives", hint);
        }
        let Some(percent) = target(objects, site, objective) else { continue };
        let name = match several {
            false => name.clone(),
            true => {
                let display = objects.text(site, objective, "displayName");
                let suffix = display.map_or_else(|| percent.to_string(), |d| label(&d, &percent));
                name.with(format!("{}-{suffix}", name.value))
            }
        };
        if indicator.specification.is_none() {
            indicator.value.specification = description.clone();
        }
        let mut slo = SloFile::new(name, percent, indicator);
        slo.service = service.clone();
        slo.window = window.clone();
        slo.alerts = alerts.clone();
        slo.budgeting = method.clone();
        window::slices(objects, site, objective, &mut slo);
        extras::read(objects, site, node, &mut slo);
        slos.push(node.with(slo));
    }
    slos
}

/// The SLI, in place or by reference; and whether it is a threshold.
fn sli(
    objects: &mut Objects,
    site: &Site,
    spec: &At<Node>,
    objective: &At<Node>,
) -> Option<(bool, At<crate::shell::config::IndicatorFile>)> {
    let reference = objects.text(site, spec, "indicatorRef");
    let (there, sli) = match (spec.get("indicator").cloned(), reference) {
        (Some(inline), None) => {
            objects.known(site, &inline, &["apiVersion", "kind", "metadata", "spec"]);
            (site.clone(), inline.get("spec").cloned().unwrap_or_else(|| inline.with(Node::Null)))
        }
        (None, Some(reference)) => match objects.find("SLI", &reference).cloned() {
            Some(found) => (site.to(&reference.span, &found.site), found.spec()),
            None => {
                objects.missing(site, "SLI", &reference);
                return None;
            }
        },
        _ => {
            let message = "an SLO has either indicator or indicatorRef";
            objects.error(site, &spec.span, message, "indicatorRef: the name of an SLI");
            return None;
        }
    };
    let threshold = sli.get("thresholdMetric").is_some();
    Some((threshold, indicator::indicator(objects, &there, &sli, (site, objective))?))
}

/// Services: our annotation, or the one service of OpenSLO.
fn service(objects: &mut Objects, site: &Site, node: &At<Node>, spec: &At<Node>) -> Option<At<OneOrMany>> {
    let service = objects.text(site, spec, "service");
    if let Some(services) = objects.annotation(site, node, "services") {
        return match serde_json::from_str::<Vec<String>>(&services) {
            Ok(names) => Some(services.with(OneOrMany::many(names))),
            Err(_) => Some(services.with(OneOrMany::one(&services))),
        };
    }
    match service {
        Some(service) => Some(service.with(OneOrMany::one(&service))),
        None => {
            let hint = format!(
                "service: the name that a service rule makes; for several: {PREFIX}services: '[\"a-*\", \"b\"]'"
            );
            objects.error(site, &spec.span, "an SLO has no service", hint);
            None
        }
    }
}

/// Seconds of a duration of OpenSLO, and the same as we write it.
pub(super) fn duration(
    objects: &mut Objects,
    site: &Site,
    text: &At<String>,
) -> Option<(u64, At<DurationText>)> {
    let days = 86_400;
    let units = [
        ("m", 60),
        ("h", 3_600),
        ("d", days),
        ("w", 7 * days),
        ("M", 30 * days),
        ("Q", 90 * days),
        ("Y", 365 * days),
    ];
    let found = units.iter().find_map(|(unit, length)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some((*unit, number.checked_mul(*length)?))
    });
    let Some((unit, seconds)) = found else {
        let message = format!("`{}` is no duration of OpenSLO", text.value);
        objects.error(
            site,
            &text.span,
            message,
            "a whole number and a unit: m (minutes), h, d, w, M (months), Q, Y",
        );
        return None;
    };
    if ["M", "Q", "Y"].contains(&unit) {
        let message = format!("`{}` is read as {}", text.value, seconds_text(seconds));
        objects.warn(
            site,
            &text.span,
            message,
            "months have no length of their own in a rolling window; write days",
        );
    }
    Some((seconds, site.at(&text.span, DurationText(seconds_text(seconds)))))
}

/// The objective in percent.
fn target(objects: &mut Objects, site: &Site, objective: &At<Node>) -> Option<At<DecimalText>> {
    objects.known(
        site,
        objective,
        &["displayName", "op", "value", "target", "targetPercent", "timeSliceTarget", "timeSliceWindow"],
    );
    let target = objects.text(site, objective, "target");
    let percent = objects.text(site, objective, "targetPercent");
    let (text, places) = match (target, percent) {
        (Some(target), None) => (target, 2),
        (None, Some(percent)) => (percent, 0),
        _ => {
            let message = "an objective has either target or targetPercent";
            objects.error(site, &objective.span, message, "target: 0.999, or targetPercent: 99.9");
            return None;
        }
    };
    let Some(decimal) = shifted(&text, places) else {
        objects.error(site, &text.span, format!("`{}` is no decimal", text.value), "target: 0.999");
        return None;
    };
    if places == 2 && decimal.split('.').next().is_none_or(|whole| whole.len() >= 3) {
        objects.error(
            site,
            &text.span,
            format!("a target of `{}` is not below 1", text.value),
            "a target is a share: 0.999; percent is targetPercent",
        );
        return None;
    }
    Some(text.with(DecimalText(decimal)))
}
