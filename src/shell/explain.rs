//! `explain`: a log line in, or a whole message as a shipper sends it, and its whole fate out.
//!
//! Invariant: what is shown is decided by the code that counts, with the same order of checks.

use super::cli::Terminal;
use super::clock::Clock;
use super::exit::{CommandError, Exit};
use super::formats;
use super::input::LineReader;
use super::pipeline::Pipeline;
use super::words::painted;
use crate::core::accumulator::AHEAD_MAX_S;
use crate::core::envelope::{Headers, Message};
use crate::core::format::{LayoutError, Parsed, preset};
use crate::core::reader::{Carry, Line, Reader};
use crate::core::record::{self, Field, Fields, Labels, Outcome, Reason, to_json};
use crate::core::route::Router;
use crate::core::service::{Classifier, CompileError, Counters, ServiceResolver, dimension_value};
use crate::core::settings::{Format, Settings, Source, Step};
use crate::core::sli::Verdict;
use crate::core::time::Time;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
    /// File of log lines or of messages, one a line (plain, gzip or zstd), `-` for stdin
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
        let preset = formats::named(name)?;
        match args.output {
            Output::Json => writeln!(out, "{}", formats::to_json(preset))?,
            Output::Text => formats::show(&mut out, preset)?,
        }
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
    let format_of = |source: usize| preset(settings.sources[source].input.format).name;
    let mut explainer = Explainer::new(settings).map_err(CommandError::failed)?;
    let mut lines = LineReader::open(&args.input, settings.limits.line_bytes_max as usize)
        .map_err(CommandError::failed)?;
    let now = Clock::system().now();
    let mut number = 0u64;
    loop {
        let line = lines.next_line().map_err(CommandError::failed)?;
        number += u64::from(line.is_some());
        let fates = match line {
            Some(line) => explainer.explain(source, line, Some(now), Fields::ALL),
            None => explainer.give_up(source),
        };
        for fate in &fates {
            match args.output {
                Output::Json => writeln!(out, "{}", fate.to_json())?,
                Output::Text => show(&mut out, number, fate, settings, terminal)?,
            }
        }
        match line {
            None => break,
            Some(_) if !fates.is_empty() => {}
            Some(_) if args.output == Output::Json => writeln!(out, "{}", partial(format_of(source)))?,
            Some(_) => writeln!(out, "line {number}: part of a line that goes on in another message\n")?,
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// A message that holds no more than part of a line.
fn partial(format: &str) -> Value {
    json!({
        "outcome": "partial", "reason": null, "format": format, "envelope": [], "record": null,
        "service": null, "slice": null, "slis": {},
    })
}

/// Decides messages one by one.
pub struct Explainer {
    readers: Vec<Reader>,
    labels: Labels,
    resolver: ServiceResolver,
    router: Option<Router>,
    route: Vec<u8>,
    /// Column and field of each dimension.
    dimensions: Vec<(String, Field)>,
    settings: Settings,
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
    /// The envelopes that it came in, from the outside in.
    pub envelope: Vec<Step>,
    /// The labels that it was given, by name.
    pub labels: Vec<(String, String)>,
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
    /// The record's group for each of them that has groups.
    pub groups: Vec<Option<String>>,
    /// Counters of another system: name of the SLO, its index, good, and total.
    pub counted: Option<(String, u16, u64, u64)>,
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
        let reader = |s: &Source| {
            // a file does not say which of several topics its lines are from
            let topic = if let [topic] = &s.topics[..] { topic } else { "" };
            Reader::new(&s.input, topic, &labels, settings.limits.line_bytes_max)
        };
        Ok(Explainer {
            readers: settings.sources.iter().map(reader).collect::<Result<_, _>>()?,
            labels,
            wanted: classifier.fields(),
            router: classifier.router_if_on(),
            route: Vec::new(),
            dimensions: columns.iter().map(|c| c.to_string()).zip(classifier.dimensions().to_vec()).collect(),
            resolver: ServiceResolver::new(&classifier),
            settings: settings.clone(),
        })
    }

    /// How many lines of the source were no valid JSON and were repaired.
    pub fn repaired(&self, source: usize) -> u64 {
        self.readers[source].repaired()
    }

    /// Forgets what messages before left behind: headers, parts of lines.
    pub fn begin(&mut self, source: usize) {
        self.readers[source].resume(Carry::default());
    }

    /// The fates of all lines of a message of that source, none if it holds only part of one; `shown` are fields wanted
    /// beside those that rules need. Without a clock no time is too late.
    pub fn explain(
        &mut self,
        source: usize,
        message: &[u8],
        clock: Option<Time>,
        shown: Fields,
    ) -> Vec<Fate> {
        self.message(source, &Message::of(message), clock, shown)
    }

    /// The same for a message that Kafka took at that time; no time is too late.
    pub fn explain_arrived(
        &mut self,
        source: usize,
        message: &[u8],
        arrival: Option<Time>,
        shown: Fields,
    ) -> Vec<Fate> {
        self.message(source, &Message { headers: &Arrived(arrival), ..Message::of(message) }, None, shown)
    }

    fn message(
        &mut self,
        source: usize,
        message: &Message<'_>,
        clock: Option<Time>,
        shown: Fields,
    ) -> Vec<Fate> {
        let format = self.settings.sources[source].input.format;
        let Explainer { readers, resolver, settings, labels, wanted, router, route, dimensions } = self;
        let mut rules = Rules { resolver, settings, labels, router: router.as_mut(), route, dimensions };
        let mut fates = Vec::new();
        readers[source].read(message, wanted.union(shown), &mut |line| {
            fates.push(fate(&line, format, clock, shown, &mut rules));
        });
        fates
    }

    /// The fates of lines whose rest has not come.
    pub fn give_up(&mut self, source: usize) -> Vec<Fate> {
        let format = self.settings.sources[source].input.format;
        let Explainer { readers, resolver, settings, labels, router, route, dimensions, .. } = self;
        let mut rules = Rules { resolver, settings, labels, router: router.as_mut(), route, dimensions };
        let mut fates = Vec::new();
        readers[source].give_up(&mut |line| {
            fates.push(fate(&line, format, None, Fields::NONE, &mut rules));
        });
        fates
    }
}

/// A message of which nothing is known but when it came.
struct Arrived(Option<Time>);

impl Headers for Arrived {
    fn get(&self, _: &str) -> Option<&[u8]> {
        None
    }

    fn timestamp(&self) -> Option<Time> {
        self.0
    }
}

/// What decides about a record.
struct Rules<'r> {
    resolver: &'r mut ServiceResolver,
    settings: &'r Settings,
    labels: &'r Labels,
    router: Option<&'r mut Router>,
    route: &'r mut Vec<u8>,
    dimensions: &'r [(String, Field)],
}

fn fate(line: &Line<'_>, format: Format, clock: Option<Time>, shown: Fields, rules: &mut Rules<'_>) -> Fate {
    let Rules { resolver, settings, labels, router, route, dimensions } = rules;
    let mut fate = Fate {
        outcome: Outcome::Skipped,
        format,
        envelope: line.envelope.to_vec(),
        labels: Vec::new(),
        record: None,
        service: None,
        rule: None,
        slice: None,
        dimensions: Vec::new(),
        slis: Vec::new(),
        names: Vec::new(),
        groups: Vec::new(),
        counted: None,
    };
    let mut record = line.record.clone();
    match line.read {
        Ok(Parsed::Record | Parsed::Counters) => {}
        Ok(Parsed::Skipped) => return fate,
        Err(reason) => return Fate { outcome: Outcome::Rejected(reason), ..fate },
    }
    let late = clock.is_some_and(|clock| record.time > clock.plus_seconds(AHEAD_MAX_S));
    if record.time < Time::Y2000 || late {
        return Fate { outcome: Outcome::Rejected(Reason::TimeOutOfRange), ..fate };
    }
    if line.read == Ok(Parsed::Counters) {
        return counters(fate, &record, shown, (resolver, settings));
    }
    fate.outcome = Outcome::Record;
    let mut fields = preset(format).fields();
    if let Some(router) = router {
        router.fill(&mut record, route);
        fields = fields.with(Field::Route);
    }
    if record.get(Field::Arrival) != record::Value::Absent {
        fields = fields.with(Field::Arrival);
    }
    let record = &record;
    fate.record = (shown != Fields::NONE).then(|| to_json(record, fields));
    let bytes_max = settings.limits.dimension_value_bytes_max as usize;
    let value = |(name, field): &(String, Field)| (name.clone(), dimension_value(record, *field, bytes_max));
    fate.dimensions = dimensions.iter().map(value).collect();
    let label = |(name, field): (&str, Field)| match record.get(field) {
        record::Value::Text(text) => Some((name.to_string(), String::from_utf8_lossy(text).into_owned())),
        _ => None,
    };
    fate.labels = labels.iter().filter_map(label).collect();
    let length = settings.slice;
    fate.slice = Some(length.start(length.slice(record.time)));
    let id = resolver.resolve(record);
    let service = resolver.service(id);
    fate.service = Some(service.name.name.to_string());
    fate.rule = service.name.rule;
    let mut slos: Vec<u16> = service.slos.to_vec();
    service.grouped.iter().for_each(|grouped| slos.extend(&grouped.slos));
    slos.sort_unstable();
    fate.slis = slos.iter().map(|&slo| (slo, resolver.verdict(slo, record))).collect();
    fate.groups = slos.iter().map(|&slo| resolver.group_of(slo, record)).collect();
    fate.names = fate.slis.iter().map(|(i, _)| settings.slos[*i as usize].name.to_string()).collect();
    fate
}

/// The fate of counters: the service and the SLO that they name.
fn counters(
    mut fate: Fate,
    record: &record::Record<'_>,
    shown: Fields,
    (resolver, settings): (&mut ServiceResolver, &Settings),
) -> Fate {
    let Some(Counters { service, slo, good, bad, .. }) = resolver.counters(record) else {
        return Fate { outcome: Outcome::Rejected(Reason::UnknownSlo), ..fate };
    };
    fate.outcome = Outcome::Record;
    fate.record = (shown != Fields::NONE).then(|| to_json(record, preset(fate.format).fields()));
    fate.slice = Some(settings.slice.start(settings.slice.slice(record.time)));
    let name = &resolver.service(service).name;
    (fate.service, fate.rule) = (Some(name.name.to_string()), name.rule);
    fate.counted = Some((settings.slos[usize::from(slo)].name.to_string(), slo, good, good + bad));
    fate
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

    /// The record's group by name of the SLO, of those that have groups.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.names.iter().zip(&self.groups);
        named.filter_map(|(name, group)| Some((name.as_str(), group.as_deref()?)))
    }

    /// What each SLO makes of it, in words: a verdict, or the good of all of its counters.
    pub fn words(&self) -> impl Iterator<Item = (&str, String)> {
        let verdicts = self.verdicts().map(|(name, verdict)| (name, verdict.name().to_string()));
        let counted =
            self.counted.iter().map(|(name, _, good, total)| (&**name, format!("{good} of {total}")));
        verdicts.chain(counted)
    }

    /// One object, as documented; `dimensions` and `groups` only where the pipeline has any.
    pub fn to_json(&self) -> Value {
        let mut slis: serde_json::Map<String, Value> =
            self.verdicts().map(|(name, verdict)| (name.to_string(), verdict.name().into())).collect();
        if let Some((name, _, good, total)) = &self.counted {
            slis.insert(name.clone(), json!({ "good": good, "total": total }));
        }
        let dimensions: serde_json::Map<String, Value> =
            self.dimensions.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let mut object = json!({
            "outcome": self.outcome_name(),
            "reason": self.reason().map(Reason::name),
            "format": preset(self.format).name,
            "envelope": self.envelope_names(),
            "record": self.record,
            "service": self.service,
            "slice": self.slice.map(|s| s.to_string()),
            "slis": slis,
        });
        if !self.dimensions.is_empty() {
            object["dimensions"] = dimensions.into();
        }
        let groups: serde_json::Map<String, Value> =
            self.groups().map(|(name, group)| (name.to_string(), group.into())).collect();
        if !groups.is_empty() {
            object["groups"] = groups.into();
        }
        if !self.labels.is_empty() {
            object["labels"] = self.labels.iter().cloned().collect::<BTreeMap<_, _>>().into_iter().collect();
        }
        object
    }

    /// The names of the envelopes that it came in, from the outside in.
    pub fn envelope_names(&self) -> Vec<&'static str> {
        self.envelope.iter().map(|step| step.name()).collect()
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
    let mut format = preset(fate.format).name.to_string();
    for step in fate.envelope.iter().rev() {
        format = format!("{} › {format}", step.name());
    }
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
    for (name, text) in &fate.labels {
        writeln!(out, "  {name:<24}{text}")?;
    }
    if !absent.is_empty() {
        writeln!(out, "  {:<24}{}", paint("2", "absent"), paint("2", &absent.join(", ")))?;
    }
    let service = fate.service.as_deref().unwrap_or_default();
    match fate.rule.and_then(|i| Some((i, settings.services.get(usize::from(i))?))) {
        Some((i, rule)) => {
            writeln!(out, "  {:<24}{} (rule {}: {})", "→ service", paint("1", service), i + 1, rule.name)?;
        }
        None if fate.counted.is_some() => {
            writeln!(out, "  {:<24}{} (as the message names it)", "→ service", paint("1", service))?;
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
    for ((name, verdict), group) in fate.verdicts().zip(&fate.groups) {
        let of = group.as_ref().map_or(String::new(), |group| format!(" (group {group})"));
        let code = match verdict {
            Verdict::Good => "32",
            Verdict::Bad => "31",
            Verdict::Excluded => "2",
        };
        writeln!(out, "  {:<24}{}{of}", format!("→ {name}"), paint(code, verdict.name()))?;
    }
    if let Some((name, _, good, total)) = &fate.counted {
        writeln!(out, "  {:<24}{good} good of {total}", format!("→ {name}"))?;
    } else if fate.slis.is_empty() {
        writeln!(out, "  {:<24}none applies to this service", "→ SLOs")?;
    }
    writeln!(out)
}
