//! The command line: few verbs, each a whole job; variants are options.
//!
//! Invariant: data on stdout, all else on stderr.

use super::exit::{CommandError, Exit};
use super::{args, backfill, check, demo, explain, formats, gate, generate, report, run, test};
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Raw load-balancer logs in, exact error budgets out.
///
/// Reads access logs from Kafka or from archives, decides for every request whether it was good or bad for
/// each SLO of its service, and publishes rollups as Parquet and error-budget events, each exactly once.
#[derive(Parser, Debug)]
#[command(
    name = "ninetail",
    version,
    max_term_width = 100,
    after_help = "Examples:
  ninetail check pipelines/aws-alb-kafka.yaml --offline
  ninetail explain pipelines/quickstart.yaml --input access.log
  ninetail generate traffic --lines 1000 > access.log

Exit codes: 0 done, 1 failed, 2 usage, 3 a condition that you asked to fail on, 78 pipeline invalid"
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Copy, Debug)]
pub struct GlobalArgs {
    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
    /// Say less on stderr: warnings and errors; twice for errors only
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose", help_heading = "Global options")]
    pub quiet: u8,
    /// Form of the log on stderr
    #[arg(
        long,
        global = true,
        value_name = "FORM",
        default_value = "auto",
        env = "NINETAIL_LOG_FORMAT",
        help_heading = "Global options"
    )]
    pub log_format: LogFormat,
    /// Colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        env = "NINETAIL_COLOR",
        help_heading = "Global options"
    )]
    pub color: ColorChoice,
}

/// Form of the log.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// When to use colours.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a pipeline: from Kafka to rollups and events
    Run(args::RunArgs),
    /// Run archives through a pipeline, into a folder of their own
    Backfill(args::BackfillArgs),
    /// Show the whole path on generated traffic, with no broker installed
    Demo(args::DemoArgs),
    /// Check pipeline files, and that what they name can be reached
    Check(check::CheckArgs),
    /// Show what becomes of log lines, field by field
    Explain(explain::ExplainArgs),
    /// List log formats, their fields, and the envelopes that lines come in
    Formats(formats::FormatsArgs),
    /// Run the `tests:` of pipeline files
    Test(test::TestArgs),
    /// Show SLIs, budgets left, burn rates and latencies from rollups
    Report(args::ReportArgs),
    /// Answer whether the error budgets of a service allow a release
    Gate(gate::GateArgs),
    /// Generate traffic, schemas, SQL, OpenSLO, completions, manuals
    Generate(generate::GenerateArgs),
}

/// Where a command prints, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terminal {
    /// Colours on stdout.
    pub stdout_color: bool,
    /// Colours on stderr.
    pub stderr_color: bool,
}

impl Terminal {
    fn new(choice: ColorChoice) -> Terminal {
        let wanted = |is_terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        Terminal {
            stdout_color: wanted(std::io::stdout().is_terminal()),
            stderr_color: wanted(std::io::stderr().is_terminal()),
        }
    }
}

/// Runs the command line.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Huge pages are touched and kept whole: a third of the memory, for nothing that could be measured. Where there
    // are none, or they stay, it goes on as well.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help is data; a reader that went away is no failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let terminal = Terminal::new(cli.global.color);
    log_to_stderr(&cli.global, matches!(cli.command, Command::Demo(_)), terminal);
    let code = match execute(cli.command, terminal) {
        Ok(exit) => exit.code(),
        Err(error) => {
            let _ = std::io::stderr().write_all(error.text(terminal.stderr_color).as_bytes());
            error.code()
        }
    };
    ExitCode::from(code)
}

fn execute(command: Command, terminal: Terminal) -> Result<Exit, CommandError> {
    match command {
        Command::Run(args) => run::command(&args, terminal),
        Command::Backfill(args) => backfill::command(&args, terminal),
        Command::Demo(args) => demo::command(&args, terminal),
        Command::Check(args) => check::command(&args, terminal),
        Command::Explain(args) => explain::command(&args, terminal),
        Command::Formats(args) => formats::command(&args),
        Command::Test(args) => test::command(&args, terminal),
        Command::Report(args) => report::command(&args, terminal),
        Command::Gate(args) => gate::command(&args, terminal),
        Command::Generate(args) => generate::command(&args),
    }
}

/// The whole command line, for completions and manuals.
pub fn clap_command() -> clap::Command {
    Cli::command()
}

/// `NINETAIL_LOG` overrules the flags, in tracing's filter language. A `live` command shows on stderr how it
/// stands: its log says only what is wrong.
fn log_to_stderr(global: &GlobalArgs, live: bool, terminal: Terminal) {
    let level = match (global.verbose, global.quiet) {
        (0, 0) if live => "warn,librdkafka=error",
        (0, 0) => "info,librdkafka=warn",
        (0, 1) => "warn",
        (0, _) => "error",
        (1, _) => "debug,librdkafka=info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("NINETAIL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // all it says is that a consumer which we have closed cannot be closed again
    let filter = match "rdkafka::consumer::base_consumer=off".parse() {
        Ok(closed) => filter.add_directive(closed),
        Err(_) => filter,
    };
    let text = match global.log_format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal.stderr_color);
    // A second call (tests run several command lines in one process) keeps the first's.
    let _ =
        if text { base.with_target(false).try_init() } else { base.json().flatten_event(true).try_init() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        clap_command().debug_assert();
    }
}
