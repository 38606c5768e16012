//! An SLO's `policy:` and `sla:`.
//!
//! Invariant: whatever remains of a budget falls under one tier, and every tier can be reached.

use super::load::Checker;
use super::slos::objective;
use crate::core::calendar::Calendar;
use crate::core::decimal::Decimal;
use crate::core::settings::{Bound, PolicyTier, Sla};
use crate::shell::config::{At, DecimalText, PolicyFile, SloFile};

fn percent(text: &At<DecimalText>, checker: &mut Checker) -> Decimal {
    let number = text.trim();
    let number = number.strip_suffix('%').unwrap_or(number).trim_end();
    let read = Decimal::parse(number).filter(|d| d.0 <= 100_000_000);
    if read.is_none() {
        let message = format!("`{}` is not a percentage", &***text);
        checker.error_hint(&text.span, message, "write percent from 0 to 100 with at most six places");
    }
    read.unwrap_or_default()
}

pub(super) fn policy(written: &SloFile, checker: &mut Checker) -> Vec<PolicyTier> {
    let Some(policy) = &written.policy else { return PolicyTier::handbook() };
    let tiers = match &policy.value {
        PolicyFile::Preset(name) if name == "handbook" => return PolicyTier::handbook(),
        PolicyFile::Preset(name) if name == "none" => return Vec::new(),
        PolicyFile::Preset(name) => {
            let hint = "write handbook, none, or a list of tiers with name, above or from, and action";
            checker.error_hint(&policy.span, format!("unknown policy `{name}`"), hint);
            return Vec::new();
        }
        PolicyFile::Tiers(tiers) => tiers,
    };
    let mut read: Vec<PolicyTier> = Vec::new();
    for (i, tier) in tiers.iter().enumerate() {
        let last = i + 1 == tiers.len();
        let remaining = match (&tier.above, &tier.from) {
            (Some(above), None) if !last => Bound::Above(percent(above, checker)),
            (None, Some(from)) if !last => Bound::From(percent(from, checker)),
            (None, None) if last => Bound::Always,
            _ => {
                checker.error_hint(
                    &tier.span,
                    "a tier of a policy has `above` or `from`, and the last one neither",
                    "[{ name: go, above: 50, action: … }, { name: stop, action: … }]",
                );
                Bound::Always
            }
        };
        // the share that it begins with; of two at the same, the open one is the higher
        let rank = |bound: Bound| match bound {
            Bound::Above(percent) => Some((percent, 1)),
            Bound::From(percent) => Some((percent, 0)),
            Bound::Always => None,
        };
        if read.last().is_some_and(|before| rank(before.remaining) <= rank(remaining)) {
            checker.error_hint(
                &tier.span,
                format!("tier `{}` can never hold: the one before it takes in all of it", tier.name.value),
                "order tiers from the most that remains to the least",
            );
        }
        if tier.name.is_empty() || read.iter().any(|known| *known.name == *tier.name.value) {
            checker.error(&tier.name.span, "every tier of a policy needs a name of its own");
        }
        read.push(PolicyTier {
            name: tier.name.value.as_str().into(),
            remaining,
            action: tier.action.clone(),
            releases: tier.releases.unwrap_or(!last),
        });
    }
    read
}

pub(super) fn sla(
    written: &SloFile,
    slo: Option<Decimal>,
    calendar: Option<&Calendar>,
    checker: &mut Checker,
) -> Option<Sla> {
    let sla = written.sla.as_ref()?;
    if calendar.is_none() {
        checker.error_hint(
            &sla.span,
            "an agreement needs a calendar window: a rolling one never ends",
            "window: { calendar: month, time_zone: Europe/Berlin }",
        );
    }
    let promised = objective(&sla.objective, checker)?;
    if slo.is_some_and(|slo| promised >= slo) {
        checker.warn(
            &sla.objective.span,
            "the agreement is not looser than the objective: a breach comes without a warning",
            "promise less than you aim for: 99.9 for an objective of 99.95",
        );
    }
    let mut credits = Vec::new();
    for credit in sla.credits.iter().flatten() {
        let Some(below) = objective(&credit.below, checker) else { continue };
        if below > promised {
            checker.error(
                &credit.below.span,
                format!("a credit above the promised {promised} % is none for a breach"),
            );
        }
        credits.push((below, percent(&credit.credit, checker)));
    }
    Some(Sla { objective: promised, credits })
}
