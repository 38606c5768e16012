//! The arguments of the commands that move data: `run`, `backfill`, `demo`, `report`.
//!
//! Their command files turn them into options; nothing is decided here but what can be typed.

use super::config::scalar::duration_us;
use super::explain::Output;
use crate::core::decimal::Decimal;
use crate::core::time::Time;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Runs a pipeline: reads its topics, writes rollups and events, each exactly once.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail run pipelines/aws-alb-kafka.yaml
  ninetail run pipelines/aws-alb-kafka.yaml --until-end --close")]
pub struct RunArgs {
    /// Pipeline file
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
    /// Read what is in the topics now, cut what the watermark has closed, stop
    #[arg(long)]
    pub until_end: bool,
    /// With --until-end: also close the open slices; later data become revisions
    #[arg(long, requires = "until_end")]
    pub close: bool,
    /// Begin a new journal beside outputs of an older one, at a slice border
    #[arg(long)]
    pub take_over: bool,
    /// Go on reading a stopped partition at this place: earliest, latest or an offset; may be repeated
    #[arg(long, value_name = "TOPIC/PARTITION=PLACE", value_parser = restart)]
    pub restart_at: Vec<Restart>,
}

/// Runs archives through a pipeline: the same rows as from the stream, in a folder of their own.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail backfill pipelines/quickstart.yaml --input 'logs/**/*.gz' --out ./out
  zcat old.log.gz | ninetail backfill pipelines/quickstart.yaml --input - --out ./out")]
pub struct BackfillArgs {
    /// Pipeline file
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
    /// Files, globs, folders (plain, gzip or zstd by content), `-` for stdin; may be repeated
    #[arg(long, short, value_name = "PATH", required = true, num_args = 1..)]
    pub input: Vec<String>,
    /// Folder for rollups, events, dead letters and the journal; it must hold no journal yet
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Source whose format and lateness are used, if the pipeline has several
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Show no progress
    #[arg(long)]
    pub no_progress: bool,
}

/// Shows the whole path on generated traffic, with no broker installed.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail demo
  ninetail demo --for 30s --dir ./demo")]
pub struct DemoArgs {
    /// End after so long; `0s` runs on until Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub length: Duration,
    /// Folder for what it writes; it must be new or empty [default: a fresh one, named at the start]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Shows services and SLOs from the rollups: SLI, budget left, burn rates, latency percentiles.
///
/// Every SLO is shown over its own window, which ends with the newest slice, or at --until. --since leaves out what lies
/// before it: that part of a window counts as good at the mean rate of the rest.
#[derive(Args, Clone, Debug)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  ninetail report pipelines/quickstart.yaml
  ninetail report --rollups ./out/rollups --output json
  ninetail report nines 99.95
  ninetail report what-if --objective 99.95 --rollups ./out/rollups")]
pub struct ReportArgs {
    /// Another report
    #[command(subcommand)]
    pub other: Option<OtherReport>,
    /// Pipeline file, whose rollups are read
    #[arg(value_name = "PIPELINE", required_unless_present = "rollups")]
    pub pipeline: Option<PathBuf>,
    /// Folder of rollups, in place of the pipeline's
    #[arg(long, value_name = "DIR")]
    pub rollups: Option<PathBuf>,
    /// First instant, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub since: Option<Time>,
    /// First instant after the last, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub until: Option<Time>,
    /// Form of the output
    #[arg(long, short, value_name = "FORM", default_value = "table")]
    pub output: ReportOutput,
}

/// Reports beside the one of how everything stands.
#[derive(Subcommand, Clone, Debug)]
pub enum OtherReport {
    /// What an objective allows: its budget in time, and the alerts that guard it
    Nines(NinesArgs),
    /// What other objectives would have meant for what was counted
    WhatIf(WhatIfArgs),
}

/// Shows what objectives allow: downtime by length of window, and burn-rate alerts with what they mean.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail report nines
  ninetail report nines 99.95
  ninetail report nines 99.9 99.99 --window 28d --output json")]
pub struct NinesArgs {
    /// Objectives in percent [default: the usual ones]
    #[arg(value_name = "PERCENT", value_parser = objective)]
    pub objectives: Vec<Decimal>,
    /// Window of the budget
    #[arg(long, value_name = "DURATION", value_parser = window, default_value = "30d")]
    pub window: u64,
    /// Form of the output
    #[arg(long, short, value_name = "FORM", default_value = "text")]
    pub output: Output,
}

/// Judges stored counts by other objectives: budget allowed, consumed and left, and the alerts that would have fired.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail report what-if --objective 99.95 pipelines/quickstart.yaml
  ninetail report what-if --objective 99.5 --objective 99.99 --rollups ./out/rollups --slo availability")]
pub struct WhatIfArgs {
    /// Pipeline file, whose rollups are read
    #[arg(value_name = "PIPELINE", required_unless_present = "rollups")]
    pub pipeline: Option<PathBuf>,
    /// Folder of rollups, in place of the pipeline's
    #[arg(long, value_name = "DIR")]
    pub rollups: Option<PathBuf>,
    /// Objective in percent; may be repeated
    #[arg(long, value_name = "PERCENT", value_parser = objective, required = true)]
    pub objective: Vec<Decimal>,
    /// Window of the budget, in place of each SLO's
    #[arg(long, value_name = "DURATION", value_parser = window)]
    pub window: Option<u64>,
    /// Only SLOs of this name
    #[arg(long, value_name = "NAME")]
    pub slo: Option<String>,
    /// Only this service
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// First instant, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub since: Option<Time>,
    /// First instant after the last, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub until: Option<Time>,
    /// Form of the output
    #[arg(long, short, value_name = "FORM", default_value = "text")]
    pub output: Output,
}

/// Form of a report.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportOutput {
    /// A table for people.
    Table,
    /// JSON.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// Where a stopped partition goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restart {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The place.
    pub place: RestartPlace,
}

/// A place in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestartPlace {
    /// The first record that is there.
    Earliest,
    /// What comes from now on.
    Latest,
    /// This offset.
    Offset(i64),
}

fn restart(text: &str) -> Result<Restart, String> {
    let wanted = "write it as topic/0=earliest, topic/0=latest or topic/0=12345";
    let (partition, place) = text.rsplit_once('=').ok_or(wanted)?;
    let (topic, partition) = partition.rsplit_once('/').ok_or(wanted)?;
    let number: i32 = partition.parse().map_err(|_| wanted)?;
    let place = match place {
        "earliest" => RestartPlace::Earliest,
        "latest" => RestartPlace::Latest,
        offset => RestartPlace::Offset(offset.parse().ok().filter(|o| *o >= 0).ok_or(wanted)?),
    };
    if topic.is_empty() || number < 0 {
        return Err(wanted.into());
    }
    Ok(Restart { topic: topic.to_string(), partition: number, place })
}

fn duration(text: &str) -> Result<Duration, String> {
    duration_us(text)
        .map(Duration::from_micros)
        .ok_or_else(|| "write a number and a unit: 30s, 5m, 1h30m".into())
}

/// Percent above 0 and below 100.
fn objective(text: &str) -> Result<Decimal, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    Decimal::parse(number)
        .filter(|d| (1..100_000_000).contains(&d.0))
        .ok_or_else(|| "write percent above 0 and below 100, with at most six places: 99.95".into())
}

/// Whole seconds above 0.
fn window(text: &str) -> Result<u64, String> {
    duration_us(text)
        .filter(|us| *us > 0 && us.is_multiple_of(1_000_000))
        .map(|us| us / 1_000_000)
        .filter(|seconds| *seconds <= 400 * 86_400)
        .ok_or_else(|| "write whole seconds, at most 400d: 7d, 30d, 12h".into())
}

fn instant(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "write a time such as 2026-11-23T10:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_read_as_written() {
        let cases = [
            ("alb-logs/3=earliest", Some(("alb-logs", 3, RestartPlace::Earliest))),
            ("a.b/0=latest", Some(("a.b", 0, RestartPlace::Latest))),
            ("t/12=345", Some(("t", 12, RestartPlace::Offset(345)))),
        ];
        for (text, want) in cases {
            let read = restart(text).ok();
            assert_eq!(read.as_ref().map(|r| (r.topic.as_str(), r.partition, r.place)), want, "{text}");
        }
        for bad in ["", "t=0", "t/0", "t/x=0", "/0=0", "t/0=-1", "t/-1=0", "t/0=soon"] {
            assert!(restart(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn arguments_are_sound() {
        for command in [
            RunArgs::augment_args(clap::Command::new("run")),
            BackfillArgs::augment_args(clap::Command::new("backfill")),
            DemoArgs::augment_args(clap::Command::new("demo")),
            ReportArgs::augment_args(clap::Command::new("report")),
        ] {
            command.debug_assert();
        }
    }
}
