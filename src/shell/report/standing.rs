//! How budgets stand, for those who decide by them: the windows themselves, not what is shown of them.

use super::Request;
use super::figures::slices;
use super::sums::{Question, SloSum, Sums, newest};
use super::units::Units;
use crate::core::burn::Window;
use crate::core::decimal::Decimal;
use crate::core::policy;
use crate::core::service::selects;
use crate::core::settings::PolicyTier;
use crate::core::time::Time;
use crate::shell::exit::CommandError;
use crate::shell::pipeline::Pipeline;
use std::collections::BTreeSet;
use std::path::Path;

/// The budget of one SLO, or of one of its groups.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::shell) struct Standing {
    pub(in crate::shell) slo: String,
    /// Its group; None where it has no groups, or none had a request.
    pub(in crate::shell) group: Option<String>,
    /// Percent.
    pub(in crate::shell) objective: Decimal,
    pub(in crate::shell) window_s: u64,
    /// What was counted in its window; blank without a request.
    pub(in crate::shell) window: Window,
    /// The tier of its policy that the budget is in.
    pub(in crate::shell) policy: Option<PolicyTier>,
}

/// The budgets of one service.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::shell) struct Standings {
    /// The end of the newest slice.
    pub(in crate::shell) until: Time,
    /// Slices of what was read.
    pub(in crate::shell) slices: u64,
    /// Those of them that are complete.
    pub(in crate::shell) complete: u64,
    /// By name and group.
    pub(in crate::shell) slos: Vec<Standing>,
}

/// What rollups show of a pipeline's SLOs.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::shell) struct Shown {
    /// Services that no SLO is for, with their requests, most first.
    pub(in crate::shell) unjudged: Vec<(String, u64)>,
    /// Budgets that are used up, by service.
    pub(in crate::shell) exhausted: Vec<(String, Standing)>,
}

/// The budgets of a service, as the pipeline's SLOs have them, at the end of the newest slice that ends by `until`.
///
/// # Errors
/// If the rollups cannot be read, or hold no slice of the pipeline.
pub(in crate::shell) fn standings(
    pipeline: &Pipeline,
    rollups: Option<&Path>,
    service: &str,
    until: Option<Time>,
) -> Result<Standings, CommandError> {
    let (_, question, sums) = Request::of(Some(pipeline.clone()), rollups, None, until)?.sums()?;
    let since = sums.first.unwrap_or(question.since).max(question.since);
    Ok(Standings {
        until: question.until,
        slices: slices(question.slice, since, question.until),
        complete: sums.quality.complete(),
        slos: of_service(service, (&question, &sums, since)),
    })
}

fn of_service(service: &str, (question, sums, since): (&Question, &Sums, Time)) -> Vec<Standing> {
    let names: BTreeSet<&str> = question.slos.iter().map(|slo| &*slo.name).collect();
    let of_slo = |slo: &str| {
        let Some((settings, window_s)) = question.configured(service, slo) else { return Vec::new() };
        let objective = settings.objective;
        let generations = sums.slos.get(service).and_then(|slos| slos.get(slo));
        let counted = generations.and_then(newest).into_iter().flat_map(|(_, newest)| newest.sums());
        // rows of an SLO as it was before it had groups, or when it had some, are none of it as it is now
        let counted = counted.filter(|(group, _)| group.is_some() == settings.per.is_some());
        let window = |sum: &SloSum| match sum.by_slices {
            true => Units::new(question, since, sum, Some(settings), &sums.quality).window(sum),
            false => whole(question, since, sum),
        };
        let mut windows: Vec<(Option<&str>, Window)> =
            counted.map(|(group, sum)| (group, window(sum))).collect();
        // a group that no longer has requests has left
        windows.retain(|(group, window)| group.is_none() || !window.is_blank());
        if windows.is_empty() {
            windows.push((None, Window::default()));
        }
        let standing = |(group, window): (Option<&str>, Window)| {
            let tier = policy::tier(&settings.policy, &window, objective);
            Standing {
                slo: slo.to_owned(),
                group: group.map(str::to_owned),
                objective,
                window_s,
                window,
                policy: settings.policy.get(usize::from(tier)).cloned(),
            }
        };
        windows.into_iter().map(standing).collect()
    };
    names.into_iter().flat_map(of_slo).collect()
}

/// What rollups show of a pipeline's SLOs at the end of their newest slice.
///
/// # Errors
/// If the rollups cannot be read, or hold no slice of the pipeline.
pub(in crate::shell) fn shown(pipeline: &Pipeline, rollups: Option<&Path>) -> Result<Shown, CommandError> {
    let (_, question, sums) = Request::of(Some(pipeline.clone()), rollups, None, None)?.sums()?;
    let judged =
        |name: &str| pipeline.settings.slos.iter().flat_map(|slo| &slo.services).any(|s| selects(s, name));
    let services = sums.services.iter().filter(|(name, _)| !judged(name));
    let mut services: Vec<(String, u64)> = services.map(|(name, s)| (name.clone(), s.requests)).collect();
    services.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let since = sums.first.unwrap_or(question.since).max(question.since);
    let budgets = sums.slos.keys().flat_map(|service| {
        let standings = of_service(service, (&question, &sums, since));
        standings.into_iter().map(|standing| (service.clone(), standing))
    });
    let exhausted = budgets.filter(|(_, budget)| budget.window.is_exhausted(budget.objective)).collect();
    Ok(Shown { unjudged: services, exhausted })
}

/// The SLO's whole window, of which the slices from `since` were seen.
pub(super) fn whole(question: &Question, since: Time, sum: &SloSum) -> Window {
    let slices = question.slice.slices_in(sum.window_s).max(1);
    let seen = self::slices(question.slice, since, question.until).min(slices);
    let seen = if sum.calendar && seen > 0 { slices } else { seen };
    // what is excluded makes the window shorter
    let (slices, seen) =
        (slices - sum.excluded_slices(question, slices), seen - sum.excluded_slices(question, seen));
    Window { good: sum.window.good, bad: sum.window.bad, slices, seen }
}
