//! `check`: is the pipeline file right, what does it mean, and can what it names be reached.
//!
//! Invariant: it changes nothing: no topic, no offset, no journal; a folder is tested with a file that is
//! removed at once.

mod budget;
mod connect;
mod exclusions;
mod print;
mod review;
mod sample;

pub(in crate::shell) use budget::{allowed, bad_share, per_million, spent};
pub use print::expanded;

use super::cli::Terminal;
use super::clock::Clock;
use super::config::diagnostic::{Level, Problem, render};
use super::config::scalar::seconds_text;
use super::exit::{CommandError, Exit};
use super::explain::Output;
use super::pipeline::{LoadError, Pipeline};
use clap::Args;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// Checks pipeline files: what is wrong, with places; what each SLO's budget and alerts are; and whether
/// brokers, topics and folders can be reached.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail check pipelines/*.yaml --offline
  ninetail check edge.yaml --sample access.log.gz
  ninetail check edge.yaml --offline --print > expanded.yaml")]
pub struct CheckArgs {
    /// Pipeline files
    #[arg(value_name = "PIPELINE", required = true)]
    pub pipelines: Vec<PathBuf>,
    /// Do not connect to anything
    #[arg(long)]
    pub offline: bool,
    /// Decide the lines of a file (plain, gzip, zstd; - for stdin) and show the counts
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// With --sample: the source whose format reads the lines [default: the first]
    #[arg(long, value_name = "NAME", requires = "sample")]
    pub source: Option<String>,
    /// Print the pipeline as it runs: defaults filled in, presets expanded, secrets masked
    #[arg(long)]
    pub print: bool,
    /// Review readiness: owners, tiers, runbooks, alerts, services seen without an SLO; exit with 3 if anything is found
    #[arg(long)]
    pub review: bool,
    /// With --review: folder of rollups, in place of the pipeline's
    #[arg(long, value_name = "DIR", requires = "review")]
    pub rollups: Option<PathBuf>,
    /// Exit with 3 if there is any warning
    #[arg(long)]
    pub deny_warnings: bool,
    /// Form of the output
    #[arg(long, short, value_name = "FORM", default_value = "text", conflicts_with = "print")]
    pub output: Output,
}

/// Runs the command.
///
/// # Errors
/// If the sample cannot be read or the output fails; invalid pipelines are reported and exit with 78.
pub fn command(args: &CheckArgs, terminal: Terminal) -> Result<Exit, CommandError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut exit = Exit::Done;
    for path in &args.pipelines {
        match Pipeline::load(path) {
            Ok(pipeline) => exit = exit.max(one(&mut out, &pipeline, args, terminal)?),
            Err(error) => {
                if let (Output::Json, LoadError::Invalid(invalid)) = (args.output, &error) {
                    let problems: Vec<_> =
                        invalid.problems.iter().map(|p| problem_json(p, &invalid.text)).collect();
                    writeln!(out, "{}", json!({ "path": path, "valid": false, "errors": problems }))?;
                }
                let error = CommandError::Load(error);
                exit =
                    exit.max(if error.code() == Exit::Invalid.code() { Exit::Invalid } else { Exit::Failed });
                eprint(&error.text(terminal.stderr_color));
            }
        }
    }
    out.flush()?;
    Ok(exit)
}

fn one(
    out: &mut impl Write,
    pipeline: &Pipeline,
    args: &CheckArgs,
    terminal: Terminal,
) -> Result<Exit, CommandError> {
    eprint(&pipeline.warnings_text(terminal.stderr_color));
    let findings =
        if args.review { review::findings(pipeline, args.rollups.as_deref())? } else { Vec::new() };
    let path = pipeline.path.display().to_string();
    for finding in &findings {
        eprint(&render(finding, Level::Warning, &path, &pipeline.text, terminal.stderr_color));
    }
    let sample = match &args.sample {
        Some(file) => Some(sample::count(pipeline, file, args.source.as_deref())?),
        None => None,
    };
    let reached = if args.offline { Vec::new() } else { connect::test(pipeline) };
    let failed = reached.iter().any(|r| r.error.is_some());
    if args.print {
        write!(out, "{}", expanded(pipeline))?;
        for line in reached.iter().filter_map(|r| r.error.as_ref().map(|e| format!("{}: {e}\n", r.what))) {
            eprint(&line);
        }
    } else if args.output == Output::Json {
        let warnings: Vec<_> =
            pipeline.warnings.iter().chain(&findings).map(|p| problem_json(p, &pipeline.text)).collect();
        let settings = &pipeline.settings;
        let object = json!({
            "path": pipeline.path,
            "valid": true,
            "name": settings.name,
            "warnings": warnings,
            "slos": pipeline.specified().map(|(slo, text)| budget::to_json(slo, text)).collect::<Vec<_>>(),
            "exclusions": settings
                .exclusions
                .iter()
                .map(|exclusion| exclusions::to_json(exclusion, Clock::system().now()))
                .collect::<Vec<_>>(),
            "sample": sample.as_ref().map(sample::Counts::to_json),
            "reached": reached.iter().map(connect::Reached::to_json).collect::<Vec<_>>(),
        });
        writeln!(out, "{object}")?;
    } else {
        text(out, pipeline, sample.as_ref(), &reached)?;
    }
    Ok(match () {
        () if failed => Exit::Failed,
        () if !findings.is_empty() => Exit::Condition,
        () if args.deny_warnings && !pipeline.warnings.is_empty() => Exit::Condition,
        () => Exit::Done,
    })
}

fn text(
    out: &mut impl Write,
    pipeline: &Pipeline,
    sample: Option<&sample::Counts>,
    reached: &[connect::Reached],
) -> io::Result<()> {
    let settings = &pipeline.settings;
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    writeln!(
        out,
        "{}: valid\n  pipeline {}: {}, {}, {}, slices of {}, cuts of {}",
        pipeline.path.display(),
        settings.name,
        count(settings.sources.len(), "source"),
        count(settings.services.len(), "service rule"),
        count(settings.slos.len(), "SLO"),
        seconds_text(settings.slice.0.into()),
        seconds_text(settings.cut_s.into()),
    )?;
    for (slo, specification) in pipeline.specified() {
        write!(out, "\n{}", budget::text(slo, specification))?;
    }
    if !settings.exclusions.is_empty() {
        writeln!(out)?;
    }
    for exclusion in &settings.exclusions {
        write!(out, "{}", exclusions::text(exclusion, Clock::system().now()))?;
    }
    if let Some(sample) = sample {
        write!(out, "\n{}", sample.text(settings))?;
    }
    if !reached.is_empty() {
        writeln!(out)?;
    }
    for reached in reached {
        writeln!(out, "  {}", reached.text())?;
    }
    writeln!(out)
}

fn problem_json(problem: &Problem, text: &str) -> serde_json::Value {
    let included = problem.file.as_ref();
    let text = included.map_or(text, |file| &file.text);
    let place = problem.span.as_ref().map(|s| super::config::diagnostic::line_column(text, s.start));
    json!({
        "message": problem.message,
        "hint": problem.hint,
        "file": included.map(|file| file.path.display().to_string()),
        "line": place.map(|p| p.0),
        "column": place.map(|p| p.1),
    })
}

/// Messages are not data: a stderr that went away is no failure.
fn eprint(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
