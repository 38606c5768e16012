//! `gate`: may a service be released, by what is left of its error budgets.
//!
//! Invariant: it says yes only where it knows. Without requests, without rollups, or with rollups that are too old, the
//! answer is neither yes nor no. What decides are exact integers, never the numbers shown.

use super::cli::Terminal;
use super::clock::Clock;
use super::config::diagnostic::nearest;
use super::config::scalar::duration_us;
use super::exit::{CommandError, Exit};
use super::explain::Output;
use super::pipeline::Pipeline;
use super::report::{Standing, Standings, standings};
use super::words::{duration, painted};
use crate::core::burn::Millionths;
use crate::core::decimal::{Decimal, Ratio};
use crate::core::time::Time;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

/// One hundred percent.
const HUNDRED: u64 = 100_000_000;

/// Answers whether the error budgets of a service allow a release.
///
/// Exit codes: 0 they do, 3 they do not, 1 it cannot be known: no rollups, no requests, or rollups that are too old.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail gate pipelines/aws-alb-kafka.yaml --service checkout
  ninetail gate pipelines/aws-alb-kafka.yaml --service checkout --slo availability --min-remaining 25%")]
pub struct GateArgs {
    /// Pipeline file, whose SLOs and rollups are used
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
    /// Folder of rollups, in place of the pipeline's
    #[arg(long, value_name = "DIR")]
    pub rollups: Option<PathBuf>,
    /// The service
    #[arg(long, value_name = "NAME")]
    pub service: String,
    /// Only this SLO; may be repeated [default: every SLO of the service]
    #[arg(long, value_name = "NAME")]
    pub slo: Vec<String>,
    /// Share of the budget that has to be left, such as 25% [default: what the SLO's policy asks, else more than nothing]
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    pub min_remaining: Option<Decimal>,
    /// Rollups whose newest slice ended longer ago are too old to know
    #[arg(long, value_name = "DURATION", value_parser = age, default_value = "1h")]
    pub max_age: u64,
    /// The time to answer for, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Time>,
    /// Form of the output
    #[arg(long, short, value_name = "FORM", default_value = "text")]
    pub output: Output,
}

/// What is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Pass,
    Fail,
    Unknown,
}

impl Answer {
    const fn name(self) -> &'static str {
        match self {
            Answer::Pass => "pass",
            Answer::Fail => "fail",
            Answer::Unknown => "unknown",
        }
    }

    const fn exit(self) -> Exit {
        match self {
            Answer::Pass => Exit::Done,
            Answer::Fail => Exit::Condition,
            Answer::Unknown => Exit::Failed,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Answer::Pass => "32",
            Answer::Fail => "1;31",
            Answer::Unknown => "33",
        }
    }
}

/// One SLO's answer: that of its worst group, where it has groups.
struct Verdict {
    answer: Answer,
    reason: String,
    standing: Standing,
}

/// Runs the command.
///
/// # Errors
/// If the pipeline is invalid, or names no such SLO, or the output fails.
pub fn command(args: &GateArgs, terminal: Terminal) -> Result<Exit, CommandError> {
    let pipeline = Pipeline::load(&args.pipeline)?;
    let now = args.at.unwrap_or_else(|| Clock::system().now());
    let found = match standings(&pipeline, args.rollups.as_deref(), &args.service, args.at) {
        Ok(found) => Ok(found),
        Err(error @ CommandError::Failed(_)) => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    let (answer, reason, verdicts) = match &found {
        Ok(found) => decide(args, &pipeline, found, now)?,
        Err(reason) => (Answer::Unknown, reason.clone(), Vec::new()),
    };
    let mut out = io::stdout().lock();
    match args.output {
        Output::Json => {
            let object = to_json(args, &pipeline, found.as_ref().ok(), now, (answer, &reason), &verdicts);
            writeln!(out, "{object:#}")?;
        }
        Output::Text => {
            let mut text = String::new();
            for Verdict { answer, reason, standing } in &verdicts {
                let word = painted(answer.code(), answer.name(), terminal.stdout_color);
                let group = standing.group.as_ref().map_or(String::new(), |group| format!(" {group}"));
                let _ = writeln!(text, "{word}: {}/{}{group}: {reason}", args.service, standing.slo);
            }
            let word = painted(answer.code(), answer.name(), terminal.stdout_color);
            let _ = writeln!(text, "{word}: {reason}");
            out.write_all(text.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(answer.exit())
}

/// The whole answer, its reason, and that of every SLO.
fn decide(
    args: &GateArgs,
    pipeline: &Pipeline,
    found: &Standings,
    now: Time,
) -> Result<(Answer, String, Vec<Verdict>), CommandError> {
    let there = || found.slos.iter().map(|standing| standing.slo.as_str());
    for slo in &args.slo {
        if !there().any(|name| name == slo) {
            let hint = match nearest(slo, there()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "it has: {}",
                    there().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
                ),
            };
            let message =
                format!("service {} has no SLO `{slo}` in {}; {hint}", args.service, args.pipeline.display());
            return Err(CommandError::Usage(message));
        }
    }
    let age_s = u64::try_from(now.seconds() - found.until.seconds()).unwrap_or(0);
    let chosen = found.slos.iter().filter(|s| args.slo.is_empty() || args.slo.contains(&s.slo));
    let verdicts = worst(chosen.map(|standing| verdict(args.min_remaining, standing)).collect());
    if verdicts.is_empty() {
        let reason =
            format!("no SLO of pipeline `{}` is for service {}", pipeline.settings.name, args.service);
        return Ok((Answer::Unknown, reason, verdicts));
    }
    if age_s > args.max_age {
        let reason = format!(
            "the newest slice ended at {}, {} ago: more than {}",
            found.until,
            duration(age_s),
            duration(args.max_age)
        );
        return Ok((Answer::Unknown, reason, Vec::new()));
    }
    let count = |answer| verdicts.iter().filter(|v| v.answer == answer).count();
    let (failed, unknown) = (count(Answer::Fail), count(Answer::Unknown));
    let of = |number: usize| format!("{number} of {} SLOs of {}", verdicts.len(), args.service);
    let (answer, reason) = match (failed, unknown) {
        (0, 0) => {
            (Answer::Pass, format!("all {} SLOs of {} have enough budget left", verdicts.len(), args.service))
        }
        (0, unknown) => (Answer::Unknown, format!("nothing is known of {}", of(unknown))),
        (failed, _) => (Answer::Fail, format!("{} have too little budget left", of(failed))),
    };
    let reason = format!("{reason}, as of {}", found.until);
    Ok((answer, reason, verdicts))
}

/// Of each SLO's groups, which stand side by side, the worst: one that fails before others, then the one with the
/// least left.
fn worst(verdicts: Vec<Verdict>) -> Vec<Verdict> {
    let rank = |v: &Verdict| (v.answer != Answer::Fail, v.standing.window.remaining(v.standing.objective));
    let mut chosen: Vec<Verdict> = Vec::new();
    for verdict in verdicts {
        match chosen.last_mut().filter(|last| last.standing.slo == verdict.standing.slo) {
            Some(last) if rank(&verdict) < rank(last) => *last = verdict,
            Some(_) => {}
            None => chosen.push(verdict),
        }
    }
    chosen
}

fn verdict(min_remaining: Option<Decimal>, standing: &Standing) -> Verdict {
    let Standing { objective, window_s, window, policy, by_slices, group, .. } = standing;
    if *by_slices {
        let reason = "its budget is weighed by slices, which the rollups do not show".into();
        return Verdict { answer: Answer::Unknown, reason, standing: standing.clone() };
    }
    let Some(left) = window.remaining(*objective) else {
        let reason = format!("no request in its window of {}", duration(*window_s));
        return Verdict { answer: Answer::Unknown, reason, standing: standing.clone() };
    };
    // so much is left, if not more than the rest is consumed
    let (enough, asked) = match (min_remaining, policy) {
        (Some(least), _) => (
            !window.burns_over(Ratio::new(HUNDRED - least.0, HUNDRED), *objective),
            format!("at least {least} % is asked for"),
        ),
        (None, Some(tier)) => (
            tier.releases,
            format!("that is tier `{}` of its policy: {}", tier.name, tier.action.trim_end_matches('.')),
        ),
        (None, None) => (!window.is_exhausted(*objective), "more than 0 % is asked for".to_string()),
    };
    let worst = if group.is_some() { ", the worst group" } else { "" };
    let reason = format!(
        "{} % of the budget is left ({objective} % over {}, {} of {} requests bad){worst}; {asked}",
        Millionths(left.0.saturating_mul(100)),
        duration(*window_s),
        window.bad,
        window.total(),
    );
    let answer = if enough { Answer::Pass } else { Answer::Fail };
    Verdict { answer, reason, standing: standing.clone() }
}

fn to_json(
    args: &GateArgs,
    pipeline: &Pipeline,
    found: Option<&Standings>,
    now: Time,
    (answer, reason): (Answer, &str),
    verdicts: &[Verdict],
) -> Value {
    let slos: Vec<Value> = verdicts
        .iter()
        .map(|Verdict { answer, reason, standing }| {
            let left = standing.window.remaining(standing.objective);
            json!({
                "slo": standing.slo,
                "group": standing.group,
                "result": answer.name(),
                "reason": reason,
                "objective_percent": standing.objective.to_string(),
                "window_s": standing.window_s,
                "good": standing.window.good,
                "bad": standing.window.bad,
                "policy_tier": standing.policy.as_ref().map(|tier| &tier.name),
                "budget_left_percent": left.map(|left| Millionths(left.0.saturating_mul(100)).to_string()),
            })
        })
        .collect();
    json!({
        "result": answer.name(),
        "reason": reason,
        "pipeline": pipeline.settings.name,
        "service": args.service,
        "min_remaining_percent": args.min_remaining.map(|least| least.to_string()),
        "at": now.to_string(),
        "newest_slice_end": found.map(|found| found.until.to_string()),
        "slices": found.map(|found| found.slices),
        "slices_complete": found.map(|found| found.complete),
        "slos": slos,
    })
}

fn share(text: &str) -> Result<Decimal, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    Decimal::parse(number)
        .filter(|d| d.0 <= HUNDRED)
        .ok_or_else(|| "write percent of the budget, 0 to 100: 25%".into())
}

fn age(text: &str) -> Result<u64, String> {
    duration_us(text).map(|us| us / 1_000_000).ok_or_else(|| "write a number and a unit: 30m, 1h, 1d".into())
}

fn instant(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "write a time such as 2026-11-23T10:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::burn::Window;
    use crate::core::settings::PolicyTier;

    fn answer(objective: &str, (good, bad): (u64, u64), least: Option<&str>) -> Answer {
        let decimal = |text| Decimal::parse(text).expect("a decimal");
        let standing = Standing {
            slo: "a".into(),
            group: None,
            objective: decimal(objective),
            window_s: 604_800,
            window: Window { good, bad, slices: 10_080, seen: 10_080 },
            by_slices: false,
            policy: None,
        };
        verdict(least.map(decimal), &standing).answer
    }

    #[test]
    fn the_border_passes() {
        // 10,000,000 requests at 99 %: 75,000 bad leave exactly 25 %
        assert_eq!(answer("99", (9_925_000, 75_000), Some("25")), Answer::Pass);
        assert_eq!(answer("99", (9_924_999, 75_001), Some("25")), Answer::Fail);
        assert_eq!(answer("99", (9_924_999, 75_001), None), Answer::Pass);
        // all of it: nothing is left, which is not more than nothing
        assert_eq!(answer("99", (9_900_000, 100_000), None), Answer::Fail);
        assert_eq!(answer("99", (9_900_000, 100_000), Some("0")), Answer::Pass);
        assert_eq!(answer("99", (9_900_001, 99_999), None), Answer::Pass);
        assert_eq!(answer("99", (100, 0), Some("100")), Answer::Pass);
        assert_eq!(answer("99", (99_999, 1), Some("100")), Answer::Fail);
        // 1,440 of 100,000 at 99.9 % is 14.4 budgets
        assert_eq!(answer("99.9", (98_560, 1_440), Some("0")), Answer::Fail);
    }

    #[test]
    fn without_a_bound_the_policy_answers() {
        let at = |bad: u64| {
            let window = Window { good: 1_000_000 - bad, bad, slices: 10_080, seen: 10_080 };
            let (policy, objective) = (PolicyTier::handbook(), Decimal(99_000_000));
            let tier = crate::core::policy::tier(&policy, &window, objective);
            let policy = policy.get(usize::from(tier)).cloned();
            let slo = "a".into();
            verdict(
                None,
                &Standing {
                    slo,
                    group: None,
                    objective,
                    window_s: 604_800,
                    window,
                    by_slices: false,
                    policy,
                },
            )
        };
        // of 10,000 bad requests a tenth is left, then less
        assert_eq!(at(9_000).answer, Answer::Pass);
        let frozen = at(9_001);
        assert_eq!(frozen.answer, Answer::Fail);
        assert!(frozen.reason.contains("tier `freeze`"), "{}", frozen.reason);
        let by_slices = Standing { by_slices: true, ..at(1).standing };
        assert_eq!(verdict(None, &by_slices).answer, Answer::Unknown);
    }

    #[test]
    fn no_request_is_no_answer() {
        assert_eq!(answer("99", (0, 0), None), Answer::Unknown);
        assert_eq!(answer("99", (0, 0), Some("0")), Answer::Unknown);
    }
}
