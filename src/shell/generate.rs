//! `generate`: what ninetail can write for others: traffic, schemas, SQL, OpenSLO, rules, a dashboard, a unit, completions,
//! manuals.

mod asyncapi;
mod duckdb;
mod grafana;
mod rules;
mod schemas;
mod systemd;

pub use schemas::{documents, schema};

use super::cli::clap_command;
use super::exit::{CommandError, Exit};
use super::openslo;
use super::pipeline::Pipeline;
use super::traffic::{self, TrafficArgs};
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;

/// Generates traffic, schemas, SQL, OpenSLO, rules, a dashboard, a unit, completions, manuals.
#[derive(Args, Debug)]
pub struct GenerateArgs {
    /// What to generate.
    #[command(subcommand)]
    pub what: What,
}

/// What can be generated.
#[derive(Subcommand, Debug)]
pub enum What {
    /// Seeded load-balancer traffic with scripted incidents
    Traffic(TrafficArgs),
    /// Schemas of what ninetail reads and writes: pipeline files, for editors, and events
    ///
    /// Put `# yaml-language-server: $schema=<path>` in the first line of a pipeline file.
    Schema(SchemaArgs),
    /// SQL views that merge the revisions of the rollups, with percentiles and budgets
    Sql(SqlArgs),
    /// SLOs of a pipeline as OpenSLO v1
    Openslo(OpenSloArgs),
    /// Dashboard for Grafana over /metrics
    Grafana,
    /// Alerting rules for Prometheus over /metrics: the process's health, and a pipeline's burn rates
    Rules(RulesArgs),
    /// systemd unit that runs a pipeline
    Systemd(SystemdArgs),
    /// Completions for a shell
    Completions {
        /// Shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Manual pages in roff
    Man {
        /// Folder for one page per command [default: the main page on stdout]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// Which schema.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ninetail generate schema > pipeline.schema.json
  ninetail generate schema --of asyncapi > asyncapi.yaml
  ninetail generate schema --of slo.burn_rate.firing")]
pub struct SchemaArgs {
    /// Of what: pipeline files, events as structured CloudEvents, all that is known of the topic of events
    /// (AsyncAPI 3, YAML), or the data of one event type
    #[arg(long, value_name = "WHAT", default_value = "pipeline", value_parser = schemas::names())]
    pub of: String,
}

/// Which rollups the views are over.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ninetail generate sql duckdb --rollups ./out/rollups > views.sql
  duckdb -init views.sql -c 'FROM slo_status'")]
pub struct SqlArgs {
    /// For which database
    #[arg(value_name = "DATABASE")]
    pub dialect: Dialect,
    /// Pipeline file, whose rollups are read
    #[arg(value_name = "PIPELINE", required_unless_present = "rollups")]
    pub pipeline: Option<PathBuf>,
    /// Folder of rollups, in place of the pipeline's
    #[arg(long, value_name = "DIR")]
    pub rollups: Option<PathBuf>,
}

/// Which pipeline is written.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  ninetail generate openslo pipelines/quickstart.yaml > slos.yaml")]
pub struct OpenSloArgs {
    /// Pipeline file
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
}

/// Whose burn rates.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  ninetail generate rules pipelines/quickstart.yaml > ninetail.rules.yaml")]
pub struct RulesArgs {
    /// Pipeline file; without one the rules are about the process's health alone
    #[arg(value_name = "PIPELINE")]
    pub pipeline: Option<PathBuf>,
}

/// How the pipeline is run.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  ninetail generate systemd pipelines/quickstart.yaml > /etc/systemd/system/ninetail.service")]
pub struct SystemdArgs {
    /// Pipeline file
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
    /// Whom it runs as
    #[arg(long, value_name = "NAME", default_value = "ninetail")]
    pub user: String,
    /// The program [default: this one]
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,
}

/// A database's SQL.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// DuckDB.
    Duckdb,
}

/// Runs the command.
///
/// # Errors
/// If the output fails, or there are no rollups for the SQL.
pub fn command(args: &GenerateArgs) -> Result<Exit, CommandError> {
    let mut bytes = Vec::new();
    match &args.what {
        What::Traffic(traffic) => {
            traffic::command(traffic).map_err(CommandError::failed)?;
            return Ok(Exit::Done);
        }
        What::Schema(SchemaArgs { of }) => {
            // the parser takes only names that are there
            bytes = schema(of).unwrap_or_default().into_bytes();
        }
        What::Openslo(args) => {
            bytes = openslo::text(&Pipeline::load(&args.pipeline)?).into_bytes();
        }
        What::Grafana => bytes = grafana::dashboard().into_bytes(),
        What::Rules(RulesArgs { pipeline }) => {
            let pipeline = pipeline.as_deref().map(Pipeline::load).transpose()?;
            bytes = rules::rules(pipeline.as_ref()).into_bytes();
        }
        What::Systemd(SystemdArgs { pipeline, user, program }) => {
            let program = match program {
                Some(program) => program.clone(),
                None => std::env::current_exe()?,
            };
            bytes = systemd::unit(&Pipeline::load(pipeline)?, &program, user).into_bytes();
        }
        What::Sql(SqlArgs { dialect: Dialect::Duckdb, pipeline, rollups }) => {
            bytes = duckdb::views(pipeline.as_deref(), rollups.as_deref())?.into_bytes();
        }
        What::Completions { shell } => {
            clap_complete::generate(*shell, &mut clap_command(), "ninetail", &mut bytes);
        }
        What::Man { dir: None } => clap_mangen::Man::new(clap_command()).render(&mut bytes)?,
        What::Man { dir: Some(dir) } => {
            std::fs::create_dir_all(dir)
                .and_then(|()| clap_mangen::generate_to(clap_command(), dir))
                .map_err(|error| {
                    CommandError::failed(format!("cannot write manuals to {}: {error}", dir.display()))
                })?;
        }
    }
    let mut out = io::stdout().lock();
    out.write_all(&bytes)?;
    out.flush()?;
    Ok(Exit::Done)
}
