//! What an SLO says here and OpenSLO has no words for, as annotations: groups, missing and thin data, throughput, policy
//! and agreement.
//!
//! Invariant: only what differs from the default is written, and what is written reads back the same.

use super::objects::{Objects, Site};
use super::tree::Node;
use crate::core::decimal::Decimal;
use crate::core::settings::{Bound, Budgeting, OnEmpty, PolicyTier, Sla, SliceTest, Slo};
use crate::shell::config::scalar::seconds_text;
use crate::shell::config::{
    At, CreditFile, DecimalText, DurationText, PolicyFile, PolicyTierFile, SlaFile, SloFile, ThroughputFile,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Display;

/// The annotations of an SLO: name and text.
pub(super) fn of(slo: &Slo) -> Vec<(&'static str, String)> {
    let usual = Slo::default();
    let percent = |share: Decimal| format!("{share}%");
    let mut notes = Vec::new();
    let mut note = |key, text: Option<String>| notes.extend(text.map(|text| (key, text)));
    if let Budgeting::Timeslices { slice_s, .. } | Budgeting::RatioTimeslices { slice_s } = slo.budgeting {
        note("slice_window", (!slice_s.is_multiple_of(60)).then(|| seconds_text(slice_s.into())));
    }
    if let Budgeting::Timeslices { test: SliceTest::Requests { at_least, at_most }, .. } = slo.budgeting {
        note("throughput", Some(json!({ "at_least": at_least, "at_most": at_most }).to_string()));
    }
    note("on_empty", (slo.on_empty != usual.on_empty).then(|| slo.on_empty.name().to_string()));
    note("coverage_min", (slo.coverage_min != usual.coverage_min).then(|| percent(slo.coverage_min)));
    note("min_events", (slo.min_events > 0).then(|| slo.min_events.to_string()));
    note("min_failures", (slo.min_failures > 0).then(|| slo.min_failures.to_string()));
    note("suppress_slower", slo.suppress_slower.then(|| "true".to_string()));
    note("consumed_step", (slo.consumed_step.0 > 0).then(|| percent(slo.consumed_step)));
    note("per", slo.per.as_ref().map(|per| per.field.to_string()));
    note("groups_max", slo.per.as_ref().map(|per| per.groups_max.to_string()));
    note("policy", policy_text(&slo.policy));
    note("sla", slo.sla.as_ref().map(sla_text));
    notes
}

fn policy_text(policy: &[PolicyTier]) -> Option<String> {
    let tier = |tier: &PolicyTier| {
        let mut object = json!({ "name": tier.name, "action": tier.action, "releases": tier.releases });
        match tier.remaining {
            Bound::Above(percent) => object["above"] = percent.to_string().into(),
            Bound::From(percent) => object["from"] = percent.to_string().into(),
            Bound::Always => {}
        }
        object
    };
    match policy {
        [] => Some("none".into()),
        policy if policy == PolicyTier::handbook() => None,
        policy => Some(policy.iter().map(tier).collect::<Value>().to_string()),
    }
}

fn sla_text(sla: &Sla) -> String {
    let credit = |(below, credit): &(Decimal, Decimal)| json!({ "below": below.to_string(), "credit": credit.to_string() });
    let credits: Vec<Value> = sla.credits.iter().map(credit).collect();
    json!({ "objective": sla.objective.to_string(), "credits": credits }).to_string()
}

/// A policy's tier in an annotation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierNote {
    name: String,
    action: String,
    above: Option<String>,
    from: Option<String>,
    releases: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlaNote {
    objective: String,
    #[serde(default)]
    credits: Vec<CreditNote>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreditNote {
    below: String,
    credit: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThroughputNote {
    #[serde(default)]
    at_least: u64,
    at_most: Option<u64>,
}

/// Puts what the annotations of an SLO say into it.
pub(super) fn read(objects: &mut Objects, site: &Site, node: &At<Node>, slo: &mut SloFile) {
    let text = |objects: &mut Objects, key: &str| objects.annotation(site, node, key);
    let decimal = |text: At<String>| text.with(DecimalText(text.value.clone()));
    slo.consumed_step = text(objects, "consumed_step").map(decimal);
    slo.coverage_min = text(objects, "coverage_min").map(decimal);
    slo.per = text(objects, "per");
    slo.groups_max = number(objects, site, node, "groups_max");
    slo.min_events = number(objects, site, node, "min_events");
    slo.min_failures = number(objects, site, node, "min_failures");
    slo.suppress_slower = number(objects, site, node, "suppress_slower");
    if let Some(slice) = text(objects, "slice_window") {
        slo.slice_window = Some(slice.with(DurationText(slice.value.clone())));
    }
    if let Some(text) = text(objects, "on_empty") {
        let known = [OnEmpty::Gap, OnEmpty::Good, OnEmpty::Bad, OnEmpty::Ignore];
        match known.into_iter().find(|known| known.name() == text.value) {
            Some(known) => slo.on_empty = Some(text.with(known)),
            None => unread(objects, site, &text, "gap, good, bad or ignore"),
        }
    }
    if let Some((place, ThroughputNote { at_least, at_most })) = json(objects, site, node, "throughput") {
        let throughput = ThroughputFile {
            at_least: (at_least > 0).then(|| place.with(at_least)),
            at_most: at_most.map(|most| place.with(most)),
        };
        slo.indicator.value.throughput = Some(place.with(throughput));
        // its own test of a slice; the share is a stand-in
        slo.slice_target = None;
    }
    if let Some((place, SlaNote { objective, credits })) = json(objects, site, node, "sla") {
        let decimal = |text: String| place.with(DecimalText(text));
        let credit = |CreditNote { below, credit }: CreditNote| CreditFile {
            below: decimal(below),
            credit: decimal(credit),
        };
        let credits = Some(credits.into_iter().map(credit).collect());
        slo.sla = Some(place.with(SlaFile { objective: decimal(objective), credits }));
    }
    policy(objects, site, node, slo);
}

fn policy(objects: &mut Objects, site: &Site, node: &At<Node>, slo: &mut SloFile) {
    let Some(text) = objects.annotation(site, node, "policy") else { return };
    if !text.trim_start().starts_with('[') {
        slo.policy = Some(text.with(PolicyFile::Preset(text.value.clone())));
        return;
    }
    let Some((place, tiers)) = json::<Vec<TierNote>>(objects, site, node, "policy") else { return };
    let bound = |text: Option<String>| text.map(|text| place.with(DecimalText(text)));
    let tier = |tier: TierNote| {
        place.with(PolicyTierFile {
            name: place.with(tier.name),
            above: bound(tier.above),
            from: bound(tier.from),
            action: tier.action,
            releases: tier.releases,
        })
    };
    slo.policy = Some(place.with(PolicyFile::Tiers(tiers.into_iter().map(tier).collect())));
}

fn number<T: std::str::FromStr>(
    objects: &mut Objects,
    site: &Site,
    node: &At<Node>,
    key: &str,
) -> Option<At<T>> {
    let text = objects.annotation(site, node, key)?;
    match text.parse() {
        Ok(value) => Some(text.with(value)),
        Err(_) => {
            unread(objects, site, &text, "a whole number, or true or false");
            None
        }
    }
}

fn json<T: for<'a> Deserialize<'a>>(
    objects: &mut Objects,
    site: &Site,
    node: &At<Node>,
    key: &str,
) -> Option<(At<()>, T)> {
    let text = objects.annotation(site, node, key)?;
    match serde_json::from_str(&text) {
        Ok(value) => Some((text.with(()), value)),
        Err(error) => {
            unread(objects, site, &text, error);
            None
        }
    }
}

fn unread(objects: &mut Objects, site: &Site, text: &At<String>, hint: impl Display) {
    objects.error(site, &text.span, format!("`{}` cannot be read", text.value), hint.to_string());
}
