//! What a service's tier stands for: the objective and the alerts of SLOs that do not say their own.
//!
//! Invariant: a value that is written wins over one of the table, and the first service rule that makes a name decides
//! its tier, as it does when records are counted. An SLO whose services differ in what the table says becomes several SLOs
//! of one name, in the order of the rules, each for its own services.

use super::load::Checker;
use super::written::WrittenSlo;
use super::{alerts, labels, slos};
use crate::core::service::selects;
use crate::core::settings::ServiceRule;
use crate::shell::config::{AlertsFile, At, DecimalText, OneOrMany, PipelineFile};
use std::collections::{BTreeMap, BTreeSet};

/// What a tier gives to SLOs that leave it open.
#[derive(Clone)]
struct Defaults {
    tier: u8,
    /// Objective, percent.
    objective: Option<String>,
    /// Preset of alerts: `tickets` wakes nobody, `none` tells nobody.
    alerts: Option<String>,
    /// Whether it is these whatever the pipeline's alerts are, and not in place of the workbook's alone.
    firm: bool,
}

/// The table: tier, objective, alerts. The texts of `tier:` and `objective:` in the schema say the same.
const TIERS: [(u8, &str, Option<&str>); 4] =
    [(1, "99.99", None), (2, "99.9", None), (3, "99.5", Some("tickets")), (SILENT, "99", Some("none"))];

/// The tier that is measured and never alerts, unless an SLO says so itself.
pub(in crate::shell) const SILENT: u8 = 4;

/// What an SLO says for some of its services: None where it keeps what is written.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Filled {
    objective: Option<String>,
    alerts: Option<String>,
}

/// The labels that a tier gives to its services. What is wrong with them is told by [`fill`].
pub(super) fn labels(file: &PipelineFile, tier: Option<u8>) -> BTreeMap<String, String> {
    let written = file.service_tiers.iter().flatten().find(|written| Some(written.tier.value) == tier);
    let labels = written.and_then(|written| written.labels.as_ref()).into_iter().flatten();
    labels.map(|(name, value)| (name.clone(), value.value.clone())).collect()
}

/// The table, with what the file says in its place.
fn table(file: &PipelineFile, checker: &mut Checker) -> Vec<Defaults> {
    let known = |&(tier, objective, alerts): &(u8, &str, Option<&str>)| Defaults {
        tier,
        objective: Some(objective.into()),
        alerts: alerts.map(str::to_owned),
        firm: tier == SILENT,
    };
    let mut table: Vec<Defaults> = TIERS.iter().map(known).collect();
    let mut seen = BTreeSet::new();
    for written in file.service_tiers.iter().flatten() {
        let tier = &written.tier;
        if !(1..=9).contains(&tier.value) {
            checker.error(&tier.span, format!("`{}` is no tier: 1 to 9, 1 the most critical", tier.value));
        }
        if !seen.insert(tier.value) {
            checker.error(&tier.span, format!("tier {} is written twice", tier.value));
        }
        labels::read(written.labels.as_ref(), checker);
        let mut of_tier = match table.iter().position(|d| d.tier == tier.value) {
            Some(i) => table.remove(i),
            None => Defaults { tier: tier.value, objective: None, alerts: None, firm: false },
        };
        if let Some(objective) = written.objective.as_ref().filter(|o| slos::objective(o, checker).is_some())
        {
            of_tier.objective = Some(objective.value.0.clone());
        }
        if let Some(alerts) = written.alerts.as_ref().filter(|name| alerts::is_preset(name, checker)) {
            (of_tier.alerts, of_tier.firm) = (Some(alerts.value.clone()), true);
        }
        table.push(of_tier);
    }
    table
}

/// Every SLO with what the tiers of its services give it.
pub(super) fn fill(
    file: &PipelineFile,
    slos: Vec<WrittenSlo>,
    services: &[ServiceRule],
    checker: &mut Checker,
) -> Vec<WrittenSlo> {
    let common = file.alerts.as_ref().map(|alerts| &alerts.value);
    let table = table(file, checker);
    let mut taken: Vec<(String, Vec<String>)> = Vec::new();
    let mut filled = Vec::new();
    for slo in slos {
        let (name, selectors) = (slo.slo.name.value.clone(), selectors(&slo));
        let earlier = taken.iter().filter(|(of, _)| *of == name).flat_map(|(_, all)| all);
        filled.extend(divide(
            slo,
            &earlier.cloned().collect::<Vec<_>>(),
            (&table, common),
            services,
            checker,
        ));
        taken.push((name, selectors));
    }
    filled
}

/// The services that an SLO is written for.
fn selectors(slo: &WrittenSlo) -> Vec<String> {
    match &slo.slo.service {
        Some(selectors) => selectors.items().map(|s| s.value).collect(),
        None => vec!["*".into()],
    }
}

/// One SLO as as many as its services need; those that an earlier one of its name has taken need none.
fn divide(
    slo: WrittenSlo,
    earlier: &[String],
    (table, common): (&[Defaults], Option<&AlertsFile>),
    services: &[ServiceRule],
    checker: &mut Checker,
) -> Vec<WrittenSlo> {
    let selectors = selectors(&slo);
    let is_open = slo.slo.objective.is_none();
    let mut parts: Vec<(Filled, Vec<String>)> = Vec::new();
    let mut without: Vec<String> = Vec::new();
    for rule in services {
        let mut new = not_in(&parts, common_part(&selectors, &pattern(&rule.name)));
        new.retain(|s| !earlier.iter().any(|e| e == s || selects(e, s)));
        if new.is_empty() {
            continue;
        }
        let defaults = table.iter().find(|d| Some(d.tier) == rule.tier);
        let objective = defaults.and_then(|d| d.objective.clone());
        if is_open && objective.is_none() {
            without.push(rule.name.clone());
        }
        let filled = Filled {
            objective: objective.filter(|_| is_open),
            alerts: defaults.filter(|_| slo.slo.alerts.is_none()).and_then(|d| alerts(d, common)),
        };
        match parts.last_mut() {
            Some((last, all)) if *last == filled => all.extend(new),
            _ => parts.push((filled, new)),
        }
    }
    let plain = Filled { objective: None, alerts: None };
    if is_open {
        without.extend(not_in(&parts, selectors));
        // of a pattern such as `*` only that is left which no rule can make
        if !parts.is_empty() {
            without.retain(|selector| !selector.contains('*'));
        }
        told_open(&slo, &without, checker);
    } else {
        // what comes after the last rule that the table speaks of is as it is written
        while parts.last().is_some_and(|(filled, _)| *filled == plain) {
            parts.pop();
        }
        if parts.is_empty() {
            return vec![slo];
        }
        let rest = not_in(&parts, selectors);
        if !rest.is_empty() {
            parts.push((plain, rest));
        }
    }
    parts.into_iter().map(|(filled, selectors)| part(&slo, filled, selectors)).collect()
}

/// Those of the selectors that no part takes in whole.
fn not_in(parts: &[(Filled, Vec<String>)], selectors: Vec<String>) -> Vec<String> {
    let known = |s: &String| parts.iter().flat_map(|(_, all)| all).any(|e| e == s || selects(e, s));
    selectors.into_iter().filter(|s| !known(s)).collect()
}

/// The alerts of a tier, beside those that the pipeline has in common.
fn alerts(defaults: &Defaults, common: Option<&AlertsFile>) -> Option<String> {
    let replaceable = match common {
        None => true,
        // tickets are the workbook's, so they stand in for it alone
        Some(AlertsFile::Preset(name)) => name == "workbook",
        Some(AlertsFile::Tiers(_)) => false,
        Some(AlertsFile::Block(block)) => {
            block.tiers.is_none() && block.preset.as_ref().is_none_or(|name| name.value == "workbook")
        }
    };
    defaults.alerts.clone().filter(|_| defaults.firm || replaceable)
}

/// Tells of services that are left without an objective.
fn told_open(slo: &WrittenSlo, without: &[String], checker: &mut Checker) {
    if without.is_empty() {
        return;
    }
    checker.included = slo.file.clone();
    let (name, without) = (&slo.slo.name, without.join("`, `"));
    checker.error_hint(
        &name.span,
        format!("SLO `{}` has no objective, and no tier gives it one for `{without}`", name.value),
        "write `objective: 99.9`, or give the service rules a `tier:` from 1 to 4",
    );
    checker.included = None;
}

fn part(slo: &WrittenSlo, filled: Filled, selectors: Vec<String>) -> WrittenSlo {
    let mut part = slo.slo.clone();
    let place = slo.slo.service.as_ref().map_or(&slo.slo.name.span, |s| &s.span);
    part.value.service = Some(At { value: OneOrMany::many(selectors), span: place.clone() });
    if let Some(objective) = filled.objective {
        part.value.objective = Some(part.name.with(DecimalText(objective)));
    }
    if let Some(alerts) = filled.alerts {
        part.value.alerts = Some(part.name.with(AlertsFile::Preset(alerts)));
    }
    WrittenSlo { file: slo.file.clone(), slo: part }
}

/// The selectors that select what both the SLO's and the rule's pattern do.
fn common_part(selectors: &[String], rule: &str) -> Vec<String> {
    if selectors.iter().any(|s| selects(s, rule)) {
        return vec![rule.to_string()];
    }
    selectors.iter().filter(|s| selects(rule, s)).cloned().collect()
}

/// The names that a rule can make, as a pattern.
pub(in crate::shell) fn pattern(template: &str) -> String {
    let mut pattern = String::new();
    let mut inside = false;
    for c in template.chars() {
        match c {
            '{' => {
                inside = true;
                pattern.push('*');
            }
            '}' => inside = false,
            _ if !inside => pattern.push(c),
            _ => {}
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use crate::shell::pipeline::{LoadError, Pipeline};
    use std::collections::HashMap;
    use std::path::Path;

    const HEAD: &str = "version: 1
name: shop
sources: [{ name: alb, format: aws_alb }]
services:
  - { name: checkout, when: 'path == \"/checkout\"', tier: 1 }
  - { name: search, when: 'path == \"/search\"', tier: 2 }
  - { name: team-red, when: 'path == \"/red\"', tier: 2 }
  - { name: \"team-{team}\", match: { path: '^/(?<team>[a-z]+)/' }, tier: 3 }
  - { name: lab, when: 'path == \"/lab\"', tier: 4 }
  - { name: \"{target_group}\" }
";
    const GOOD: &str = "indicator: { good: status < 500 }";

    fn load(slos: &str) -> Result<Vec<String>, String> {
        let text = format!("{HEAD}{slos}");
        let pipeline = Pipeline::parse(Path::new("p.yaml"), &text, HashMap::new()).map_err(|e| match e {
            LoadError::Invalid(invalid) => invalid.to_string(),
            LoadError::Read { error, .. } => error.to_string(),
        })?;
        let slo = |slo: &crate::core::settings::Slo| {
            let alerts: Vec<&str> = slo.tiers.iter().map(|t| &*t.name).collect();
            format!("{} {} {} | {}", slo.name, slo.services.join(" "), slo.objective, alerts.join(" "))
        };
        Ok(pipeline.settings.slos.iter().map(slo).collect())
    }

    const WORKBOOK: &str = "page-1h page-6h ticket-1d ticket-3d";
    const TICKETS: &str = "ticket-1h ticket-6h ticket-1d ticket-3d";

    #[test]
    fn an_open_objective_is_the_tiers() {
        let got = load(&format!("slos: [{{ name: a, service: [checkout, search, team-*, lab], {GOOD} }}]"));
        let want = [
            format!("a checkout 99.99 | {WORKBOOK}"),
            format!("a search team-red 99.9 | {WORKBOOK}"),
            format!("a team-* 99.5 | {TICKETS}"),
            "a lab 99 | ".to_string(),
        ];
        assert_eq!(got.expect("valid"), want);
        let said = load(&format!("slos: [{{ name: a, {GOOD} }}]")).expect_err("one rule has no tier");
        assert!(
            said.contains("no objective")
                && said.contains("`{target_group}`")
                && said.contains("p.yaml:11:16"),
            "{said}"
        );
        let said =
            load(&format!("slos: [{{ name: a, service: __unmatched__, {GOOD} }}]")).expect_err("no rule");
        assert!(said.contains("`__unmatched__`"), "{said}");
        let none = "services: [{ name: checkout, tier: 1 }]\n";
        let (head, _) = HEAD.split_once("services:").expect("services");
        let text = format!("{head}{none}slos: [{{ name: a, service: shop-*, {GOOD} }}]");
        let said =
            Pipeline::parse(Path::new("p.yaml"), &text, HashMap::new()).expect_err("nothing").to_string();
        assert!(said.contains("gives it one for `shop-*`"), "{said}");
    }

    #[test]
    fn what_the_file_says_of_a_tier_stands_in_place_of_the_table() {
        let tiers = "service_tiers: [{ tier: 1, objective: 99.5, alerts: handbook }, { tier: 3, objective: 98 }, { tier: 4, alerts: tickets }]\n";
        let got =
            load(&format!("{tiers}slos: [{{ name: a, service: [checkout, search, team-*, lab], {GOOD} }}]"));
        let want = [
            "a checkout 99.5 | page-1h page-6h ticket-3d".to_string(),
            format!("a search team-red 99.9 | {WORKBOOK}"),
            format!("a team-* 98 | {TICKETS}"),
            format!("a lab 99 | {TICKETS}"),
        ];
        assert_eq!(got.expect("valid"), want);
        // alerts that are written for a tier win over those of the pipeline, the table's `tickets` do not
        let common = "alerts: [{ severity: page, factor: 10, long: 2h, short: 10m }]\n";
        let slos = format!("slos: [{{ name: a, service: [checkout, team-*], objective: 99.95, {GOOD} }}]");
        let want = ["a checkout 99.95 | page-1h page-6h ticket-3d", "a team-* 99.95 | page-2h"];
        assert_eq!(load(&format!("{tiers}{common}{slos}")).expect("valid"), want);
        // a tier beyond the table has what is written of it
        let own = "service_tiers: [{ tier: 7, objective: 97.5 }]\n";
        let text =
            format!("{HEAD}{own}slos: [{{ name: a, service: lab, {GOOD} }}]").replace("tier: 4", "tier: 7");
        let pipeline = Pipeline::parse(Path::new("p.yaml"), &text, HashMap::new()).expect("valid");
        assert_eq!(pipeline.settings.slos[0].objective.to_string(), "97.5");
    }

    #[test]
    fn what_is_written_wins() {
        // an objective is kept; the alerts of tiers 3 and 4 are theirs
        let got = load(&format!("slos: [{{ name: a, objective: 99.95, {GOOD} }}]\nalerts: workbook"));
        let want = [
            format!("a checkout search team-red 99.95 | {WORKBOOK}"),
            format!("a team-* 99.95 | {TICKETS}"),
            "a lab 99.95 | ".to_string(),
            format!("a * 99.95 | {WORKBOOK}"),
        ];
        assert_eq!(got.expect("valid"), want);
        // so is an SLO's own alert, whatever the tier
        let got = load(&format!("slos: [{{ name: a, objective: 99.95, alerts: workbook, {GOOD} }}]"));
        assert_eq!(got.expect("valid"), [format!("a * 99.95 | {WORKBOOK}")]);
        // own tiers of the pipeline are kept by all but tier 4
        let own = "alerts: [{ severity: page, factor: 10, long: 2h, short: 10m }]";
        let got =
            load(&format!("slos: [{{ name: a, service: [team-*, lab], objective: 99.95, {GOOD} }}]\n{own}"));
        let want = ["a team-red team-* 99.95 | page-2h", "a lab 99.95 | "];
        assert_eq!(got.expect("valid"), want);
        // without a service of tier 3 or 4 nothing is divided
        let got =
            load(&format!("slos: [{{ name: a, service: [checkout, search], objective: 99.95, {GOOD} }}]"));
        assert_eq!(got.expect("valid"), [format!("a checkout search 99.95 | {WORKBOOK}")]);
    }
}
