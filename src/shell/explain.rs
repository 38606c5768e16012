//! `explain`: a log line in, its whole fate out.
//!
//! Invariant: what is shown is decided by the code that counts, with the same order of checks.

use super::cli::Terminal;
use super::clock::Clock;
use super::exit::{CommandError, Exit};
use super::input::LineReader;
use super::pipeline::Pipeline;
use super::words::painted;
use crate::core::accumulator::AHEAD_MAX_S;
use crate::core::format::{self, LayoutError, Parsed, Parser, Preset, preset};
use crate::core::record::{Field, Fields, Kind, Labels, Outcome, Reason, Record, to_json};
use crate::core::route::Router;
use crate::core::service::{Classifier, CompileError, ServiceResolver, dimension_value};
use crate::core::settings::{Format, Limits, Settings, Source};
use crate::core::sli::Verdict;
use crate::core::time::Time;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// Shows what becomes of log lines: every field, the service, the slice, the verdict of each SLO.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail explain pipelines/quickstart.yaml --input access.log
  tail -n 1 access.log | ninetail explain pipelines/quickstart.yaml --output json
  ninetail explain --format aws_alb")]
pub struct ExplainArgs {
    /// Pipeline file
    #[arg(value_name = "PIPELINE", required_unless_present = "format", conflicts_with = "format")]
    pub pipeline: Option<PathBuf>,
    /// File of log lines (plain, gzip or zstd), `-` for stdin
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// Source whose format reads the lines [default: the first]
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Form of the output
    #[arg(long, short, value_name = "FORM", default_value = "text")]
    pub output: Output,
    /// Show the facts about a format instead
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
}

/// Form of what is listed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Text for people.
    Text,
    /// JSON.
    Json,
}

/// Runs the command.
///
/// # Errors
/// If the pipeline is invalid, or input or output fail.
pub fn command(args: &ExplainArgs, terminal: Terminal) -> Result<Exit, CommandError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if let Some(name) = &args.format {
        let known = || format::ALL.iter().map(|f| format::preset(*f).name).collect::<Vec<_>>().join(", ");
        let format = format::by_name(name)
            .ok_or_else(|| CommandError::Usage(format!("unknown format {name}; known: {}", known())))?;
        show_preset(&mut out, format::preset(format), args.output)?;
        out.flush()?;
        return Ok(Exit::Done);
    }
    let Some(path) = &args.pipeline else {
        return Err(CommandError::Usage("name a pipeline file, or a format with --format".into()));
    };
    let pipeline = Pipeline::load(path)?;
    let settings = &pipeline.settings;
    let source = match &args.source {
        None => 0,
        Some(name) => settings
            .sources
            .iter()
            .position(|s| *s.name == **name)
            .ok_or_else(|| CommandError::Usage(format!("the pipeline has no source {name}")))?,
    };
    let mut explainer = Explainer::new(settings).map_err(CommandError::failed)?;
    let mut lines = LineReader::open(&args.input, settings.limits.line_bytes_max as usize)
        .map_err(CommandError::failed)?;
    let now = Clock::system().now();
    let mut number = 0u64;
    while let Some(line) = lines.next_line().map_err(CommandError::failed)? {
        number += 1;
        let fate = explainer.explain(source, line, Some(now), Fields::ALL);
        match args.output {
            Output::Json => writeln!(out, "{}", fate.to_json())?,
            Output::Text => show(&mut out, number, &fate, settings, terminal)?,
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// Decides lines one by one.
pub struct Explainer {
    parsers: Vec<Parser>,
    resolver: ServiceResolver,
    router: Option<Router>,
    route: Vec<u8>,
    /// Column and field of each dimension.
    dimensions: Vec<(String, Field)>,
    settings: Settings,
    limits: Limits,
    wanted: Fields,
}

/// A rule cannot be compiled, or a source's lines cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum RulesError {
    /// A rule.
    Compile(#[from] CompileError),
    /// What a site declares of its lines.
    Layout(#[from] LayoutError),
}

/// What became of a line.
#[derive(Clone, PartialEq, Debug)]
pub struct Fate {
    /// Record, skipped or rejected, and why.
    pub outcome: Outcome,
    /// The format that read it.
    pub format: Format,
    /// Every field of the record.
    pub record: Option<Value>,
    /// Its service.
    pub service: Option<String>,
    /// Index of the service rule that named it.
    pub rule: Option<u16>,
    /// The start of its slice.
    pub slice: Option<Time>,
    /// Column and value of each dimension.
    pub dimensions: Vec<(String, Option<String>)>,
    /// Index of each SLO that applies, and its verdict.
    pub slis: Vec<(u16, Verdict)>,
    /// The names of those SLOs.
    pub names: Vec<String>,
}

impl Explainer {
    /// Compiles the rules.
    ///
    /// # Errors
    /// The first that does not compile.
    pub fn new(settings: &Settings) -> Result<Explainer, RulesError> {
        let mut labels = Labels::default();
        let classifier = Classifier::compile(settings, &mut labels)?;
        let columns = settings.dimension_columns();
        let parser = |s: &Source| Parser::new(&s.input, &labels);
        Ok(Explainer {
            parsers: settings.sources.iter().map(parser).collect::<Result<_, _>>()?,
            wanted: classifier.fields(),
            router: classifier.router_if_on(),
            route: Vec::new(),
            dimensions: columns.iter().map(|c| c.to_string()).zip(classifier.dimensions().to_vec()).collect(),
            resolver: ServiceResolver::new(&classifier),
            limits: settings.limits,
            settings: settings.clone(),
        })
    }

    /// The fate of a line of that source; `shown` are fields wanted beside those that rules need. Without a clock no time
    /// is too late.
    pub fn explain(&mut self, source: usize, line: &[u8], clock: Option<Time>, shown: Fields) -> Fate {
        let format = self.settings.sources[source].input.format;
        let mut fate = Fate {
            outcome: Outcome::Skipped,
            format,
            record: None,
            service: None,
            rule: None,
            slice: None,
            dimensions: Vec::new(),
            slis: Vec::new(),
            names: Vec::new(),
        };
        let reject = |fate: Fate, reason| Fate { outcome: Outcome::Rejected(reason), ..fate };
        if line.is_empty() {
            return reject(fate, Reason::Empty);
        }
        if line.len() > self.limits.line_bytes_max as usize {
            return reject(fate, Reason::TooLong);
        }
        let mut record = Record::at(Time(0));
        match self.parsers[source].parse(line, self.wanted.union(shown), &mut record) {
            Ok(Parsed::Record) => {}
            Ok(Parsed::Skipped) => return fate,
            Err(reason) => return reject(fate, reason),
        }
        let late = clock.is_some_and(|clock| record.time > clock.plus_seconds(AHEAD_MAX_S));
        if record.time < Time::Y2000 || late {
            return reject(fate, Reason::TimeOutOfRange);
        }
        fate.outcome = Outcome::Record;
        let mut fields = preset(format).fields();
        if let Some(router) = &mut self.router {
            router.fill(&mut record, &mut self.route);
            fields = fields.with(Field::Route);
        }
        fate.record = (shown != Fields::NONE).then(|| to_json(&record, fields));
        let bytes_max = self.limits.dimension_value_bytes_max as usize;
        let value =
            |(name, field): &(String, Field)| (name.clone(), dimension_value(&record, *field, bytes_max));
        fate.dimensions = self.dimensions.iter().map(value).collect();
        let length = self.settings.slice;
        fate.slice = Some(length.start(length.slice(record.time)));
        let id = self.resolver.resolve(&record);
        let service = self.resolver.service(id);
        fate.service = Some(service.name.name.to_string());
        fate.rule = service.name.rule;
        fate.slis = service.slos.iter().map(|&slo| (slo, self.resolver.verdict(slo, &record))).collect();
        fate.names =
            fate.slis.iter().map(|(i, _)| self.settings.slos[*i as usize].name.to_string()).collect();
        fate
    }
}

impl Fate {
    /// `record`, `skipped` or `rejected`.
    pub fn outcome_name(&self) -> &'static str {
        match self.outcome {
            Outcome::Record => "record",
            Outcome::Skipped => "skipped",
            Outcome::Rejected(_) => "rejected",
        }
    }

    /// Why it was rejected.
    pub fn reason(&self) -> Option<Reason> {
        match self.outcome {
            Outcome::Rejected(reason) => Some(reason),
            _ => None,
        }
    }

    /// Verdicts by name of the SLO.
    pub fn verdicts(&self) -> impl Iterator<Item = (&str, Verdict)> {
        self.names.iter().map(String::as_str).zip(self.slis.iter().map(|(_, verdict)| *verdict))
    }

    /// One object, as documented; `dimensions` only where the pipeline has any.
    pub fn to_json(&self) -> Value {
        let slis: serde_json::Map<String, Value> =
            self.verdicts().map(|(name, verdict)| (name.to_string(), verdict.name().into())).collect();
        let dimensions: serde_json::Map<String, Value> =
            self.dimensions.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let mut object = json!({
            "outcome": self.outcome_name(),
            "reason": self.reason().map(Reason::name),
            "format": format::preset(self.format).name,
            "envelope": [],
            "record": self.record,
            "service": self.service,
            "slice": self.slice.map(|s| s.to_string()),
            "slis": slis,
        });
        if !self.dimensions.is_empty() {
            object["dimensions"] = dimensions.into();
        }
        object
    }
}

fn show(
    out: &mut impl Write,
    number: u64,
    fate: &Fate,
    settings: &Settings,
    terminal: Terminal,
) -> io::Result<()> {
    let paint = |code: &str, text: &str| painted(code, text, terminal.stdout_color);
    let format = format::preset(fate.format).name;
    match fate.reason() {
        Some(reason) => {
            let head = paint("1;31", &format!("line {number}: rejected, {}", reason.name()));
            return writeln!(out, "{head} ({format})\n  {}\n", reason.doc().trim());
        }
        None if fate.outcome == Outcome::Skipped => {
            return writeln!(
                out,
                "{} ({format})\n",
                paint("1", &format!("line {number}: skipped, no request"))
            );
        }
        None => writeln!(out, "{} ({format})", paint("1", &format!("line {number}: record")))?,
    }
    let mut absent = Vec::new();
    for (name, value) in fate.record.iter().filter_map(Value::as_object).flatten() {
        match value {
            Value::Null => absent.push(name.as_str()),
            Value::String(text) => writeln!(out, "  {name:<24}{text}")?,
            other => writeln!(out, "  {name:<24}{other}")?,
        }
    }
    if !absent.is_empty() {
        writeln!(out, "  {:<24}{}", paint("2", "absent"), paint("2", &absent.join(", ")))?;
    }
    let service = fate.service.as_deref().unwrap_or_default();
    match fate.rule.and_then(|i| Some((i, settings.services.get(usize::from(i))?))) {
        Some((i, rule)) => {
            writeln!(out, "  {:<24}{} (rule {}: {})", "→ service", paint("1", service), i + 1, rule.name)?;
        }
        None => writeln!(out, "  {:<24}{} (no rule matches)", "→ service", paint("1", service))?,
    }
    for (name, value) in &fate.dimensions {
        let value = value.as_deref().unwrap_or("absent");
        writeln!(out, "  {:<24}{value}", format!("→ by {name}"))?;
    }
    if let Some(slice) = fate.slice {
        writeln!(out, "  {:<24}{slice}", "→ slice")?;
    }
    for (name, verdict) in fate.verdicts() {
        let code = match verdict {
            Verdict::Good => "32",
            Verdict::Bad => "31",
            Verdict::Excluded => "2",
        };
        writeln!(out, "  {:<24}{}", format!("→ {name}"), paint(code, verdict.name()))?;
    }
    if fate.slis.is_empty() {
        writeln!(out, "  {:<24}none applies to this service", "→ SLOs")?;
    }
    writeln!(out)
}

fn show_preset(out: &mut impl Write, preset: &Preset, output: Output) -> io::Result<()> {
    let kind = |field: Field| match field.kind() {
        Kind::Text => "text",
        Kind::Integer => "integer",
        Kind::Duration => "duration",
        Kind::Boolean => "boolean",
        Kind::Timestamp => "timestamp",
    };
    let facts = [
        ("time", preset.time_is),
        ("client latency", preset.client_latency_is),
        ("upstream latency", preset.upstream_latency_is),
        ("client gone", preset.client_gone_if),
        ("websocket", preset.websocket_if),
        ("service", preset.service_template),
        ("absent", preset.absent_if),
        ("skipped", preset.skips),
        ("rejected", preset.rejects),
    ];
    if output == Output::Json {
        let fields: Vec<Value> = preset
            .fields
            .iter()
            .map(|(field, from)| json!({ "name": field.name(), "type": kind(*field), "from": from, "doc": field.doc().trim() }))
            .collect();
        let mut object =
            json!({ "format": preset.name, "doc": preset.doc, "lateness_s": preset.lateness_s_default });
        for (name, fact) in facts {
            object[name.replace(' ', "_")] = fact.into();
        }
        object["fields"] = fields.into();
        return writeln!(out, "{object}");
    }
    writeln!(out, "{}: {}\n", preset.name, preset.doc)?;
    for (name, fact) in facts {
        writeln!(out, "  {name:<18}{fact}")?;
    }
    let lateness = super::config::scalar::seconds_text(preset.lateness_s_default.into());
    writeln!(out, "  {:<18}{lateness}: {}\n", "lateness", preset.lateness_why)?;
    writeln!(out, "  {:<22}{:<11}from", "field", "type")?;
    for (field, from) in preset.fields {
        writeln!(out, "  {:<22}{:<11}{from}", field.name(), kind(*field))?;
    }
    Ok(())
}
