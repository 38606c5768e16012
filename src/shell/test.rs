//! `test`: the pipeline's own `tests:`.
//!
//! Invariant: a test compares only what it names, and a failing one shows what was wanted and what came.

use super::cli::Terminal;
use super::exit::{CommandError, Exit};
use super::explain::{Explainer, Fate};
use super::pipeline::{Expect, LineTest, Pipeline};
use super::words::painted;
use crate::core::record::{Fields, Reason};
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;

/// Runs the `tests:` of pipeline files: a line in; outcome, service, slice and verdicts out.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail test pipelines/*.yaml")]
pub struct TestArgs {
    /// Pipeline files
    #[arg(value_name = "PIPELINE", required = true)]
    pub pipelines: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If a pipeline is invalid, or the output fails.
pub fn command(args: &TestArgs, terminal: Terminal) -> Result<Exit, CommandError> {
    let mut out = io::stdout().lock();
    let mut exit = Exit::Done;
    for path in &args.pipelines {
        let pipeline = Pipeline::load(path)?;
        let mut explainer = Explainer::new(&pipeline.settings).map_err(CommandError::failed)?;
        let mut failed = 0;
        for test in &pipeline.tests {
            let differences = differences(&mut explainer, test);
            if differences.is_empty() {
                continue;
            }
            failed += 1;
            let (line, _) = super::config::diagnostic::line_column(&pipeline.text, test.span.start);
            let said = painted("1;31", "failed", terminal.stdout_color);
            writeln!(out, "{said}: {} ({}:{line})", test.name, path.display())?;
            for difference in differences {
                writeln!(out, "  {difference}")?;
            }
        }
        let count = pipeline.tests.len();
        writeln!(out, "{}: {} of {count} tests passed", path.display(), count - failed)?;
        if failed > 0 {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

/// What is not as expected, one line each. A test's times are never too late: it must pass on any day.
pub fn differences(explainer: &mut Explainer, test: &LineTest) -> Vec<String> {
    explainer.begin(test.source);
    match &explainer.explain_arrived(test.source, test.line.as_bytes(), test.arrival, Fields::ALL)[..] {
        [fate] => compare(&test.expect, fate),
        fates => vec![format!("lines: wanted 1, came {}", fates.len())],
    }
}

fn compare(expect: &Expect, fate: &Fate) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, wanted: Option<&str>, came: Option<&str>| {
        if wanted.is_some() && wanted != came {
            let word = |text: Option<&str>| text.unwrap_or("none").to_string();
            found.push(format!("{what}: wanted {}, came {}", word(wanted), word(came)));
        }
    };
    let reason = fate.reason().map(Reason::name);
    let outcome = match reason {
        Some(reason) if expect.outcome != "rejected" => format!("rejected ({reason})"),
        _ => fate.outcome_name().to_string(),
    };
    differ("outcome", Some(&expect.outcome), Some(&outcome));
    differ("reason", expect.reason.as_deref(), reason);
    differ("service", expect.service.as_deref(), fate.service.as_deref());
    let text = |time: Option<crate::core::time::Time>| time.map(|t| t.to_string());
    differ("slice", text(expect.slice).as_deref(), text(fate.slice).as_deref());
    for (slo, wanted) in &expect.slis {
        let came = fate.words().find(|(name, _)| name == slo).map(|(_, word)| word);
        differ(slo, Some(wanted.as_deref().unwrap_or("none")), Some(came.as_deref().unwrap_or("none")));
    }
    for (field, wanted) in &expect.record {
        let came = fate.record.as_ref().and_then(|r| r.get(field)).unwrap_or(&serde_json::Value::Null);
        if wanted != came {
            found.push(format!("record.{field}: wanted {wanted}, came {came}"));
        }
    }
    found
}
