//! The file's `sources:`.
//!
//! Invariant: no topic is read twice, for its lines would be counted twice.

use super::kafka::Cluster;
use super::load::Checker;
use crate::core::format::{self, LayoutError, Parser, preset};
use crate::core::predicate::closest;
use crate::core::record::{Field, Labels};
use crate::core::settings::{Duplicates, Envelope, Format, Input, Layout, Mapping, Source, Step};
use crate::core::time::Time;
use crate::shell::config::{
    At, DuplicatesFile, FormatFile, KafkaSourceFile, LayoutFile, MappedFieldFile, OneOrMany, PipelineFile,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Envelopes around one another, at most.
const STEPS_MAX: usize = 8;

/// The topics of a source and how to reach them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaSource {
    /// The cluster.
    pub cluster: Cluster,
    /// Topics to read.
    pub topics: Vec<String>,
    /// Group that offsets are committed to as a hint.
    pub group: String,
    /// Where to begin the first time.
    pub start: Start,
}

/// Where reading begins the first time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At the oldest record there is.
    Earliest,
    /// At what comes next.
    Latest,
    /// At the first record with this timestamp or a later one.
    At(Time),
}

impl std::fmt::Display for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Start::Earliest => f.write_str("earliest"),
            Start::Latest => f.write_str("latest"),
            Start::At(time) => write!(f, "{time}"),
        }
    }
}

pub(super) fn build(file: &PipelineFile, checker: &mut Checker) -> (Vec<Source>, Vec<Option<KafkaSource>>) {
    if file.sources.is_empty() {
        checker.error_hint(
            &file.sources.span,
            "there is no source",
            "name one: a `name`, a `format`, and `kafka:` with its topics",
        );
    }
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut read: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut core = Vec::new();
    let mut edges = Vec::new();
    for (i, source) in file.sources.iter().enumerate() {
        let name = &source.name;
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 100 || !name.chars().all(legal) {
            checker.error_hint(
                &name.span,
                format!("`{}` cannot name a source", name.value),
                "use letters, digits, dots, hyphens and underscores, at most 100",
            );
        }
        if names.insert(name.value.as_str(), i).is_some() {
            checker.error_hint(
                &name.span,
                format!("two sources are named `{}`", name.value),
                "give each source its own name",
            );
        }
        let kafka = source.kafka.as_ref().map(|kafka| kafka_source(kafka, checker));
        if let (Some(kafka), Some(written)) = (&kafka, &source.kafka) {
            for topic in written.topics.items() {
                let key = (kafka.cluster.brokers.clone(), topic.value.clone());
                if let Some(other) = read.insert(key, name.value.clone()) {
                    checker.error_hint(
                        &topic.span,
                        format!("topic `{}` is already read by source `{other}`", topic.value),
                        "name it once: its lines would be counted twice",
                    );
                }
            }
        }
        let mut input = input(&source.format, checker);
        input.envelope = envelope(source.envelope.as_ref(), checker);
        let format = input.format;
        input.duplicates = duplicates(source.duplicates.as_ref(), format, checker);
        core.push(Source {
            name: Arc::from(name.value.as_str()),
            topics: kafka.iter().flat_map(|k| &k.topics).map(|t| Arc::from(t.as_str())).collect(),
            input,
            lateness_s: checker.seconds(source.lateness.as_ref(), preset(format).lateness_s_default.into())
                as u32,
            idle_timeout_s: checker.seconds(source.idle_timeout.as_ref(), 30) as u32,
        });
        edges.push(kafka);
    }
    (core, edges)
}

/// What the source's messages hold; checked by making its parser.
pub(super) fn input(file: &At<FormatFile>, checker: &mut Checker) -> Input {
    let Some(format) = format::by_name(&file.preset) else {
        let names = format::ALL.iter().map(|f| preset(*f).name);
        let hint = match closest(&file.preset, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of: {}", names.collect::<Vec<_>>().join(", ")),
        };
        checker.error_hint(&file.span, format!("unknown format `{}`", file.preset), hint);
        return Format::AwsAlb.into();
    };
    let layout = match file.layout.as_ref().map(|l| &l.value) {
        None => Layout::Usual,
        Some(LayoutFile::Text(text)) => Layout::Text(text.clone()),
        Some(LayoutFile::Columns(columns)) => {
            Layout::Columns(columns.iter().map(|c| c.value.clone()).collect())
        }
        Some(LayoutFile::Mapped(mapped)) => Layout::Mapped {
            pattern: mapped.pattern.as_ref().map(|p| p.value.clone()),
            separator: mapped.separator.as_ref().map(|s| s.value.clone()),
            columns: mapped.columns.iter().flatten().map(|c| c.value.clone()).collect(),
            fields: mapped.fields.iter().flatten().map(|(name, field)| mapping(name, field)).collect(),
        },
    };
    let input = Input { layout, ..format.into() };
    if let Err(error) = Parser::new(&input, &Labels::default()) {
        let span = layout_span(file, &error, checker);
        match &error.hint {
            Some(hint) => checker.error_hint(&span, &error.message, hint),
            None => checker.error(&span, &error.message),
        }
        return format.into();
    }
    input
}

fn duplicates(written: Option<&At<DuplicatesFile>>, format: Format, checker: &mut Checker) -> Duplicates {
    let chosen = match written.map(|w| w.value) {
        None | Some(DuplicatesFile::Ignore) => return Duplicates::Ignore,
        Some(DuplicatesFile::Estimate) => Duplicates::Estimate,
        Some(DuplicatesFile::Drop) => Duplicates::Drop,
    };
    if let Some(written) = written
        && !preset(format).fields().has(Field::RequestId)
    {
        checker.error_hint(
            &written.span,
            format!("{} has no request id to know duplicates by", preset(format).name),
            "leave `duplicates` out, or use a format that fills `request_id`",
        );
    }
    chosen
}

/// What the source's lines come wrapped in.
fn envelope(file: Option<&At<OneOrMany>>, checker: &mut Checker) -> Envelope {
    let Some(file) = file else { return Envelope::Auto };
    let words: Vec<At<String>> = file.items().collect();
    match words.iter().map(|word| word.as_str()).collect::<Vec<_>>()[..] {
        ["auto"] => return Envelope::Auto,
        ["none"] => return Envelope::None,
        [] => {
            checker.error_hint(&file.span, "no envelope is named", "write `none`, or leave the key out");
            return Envelope::None;
        }
        _ => {}
    }
    let mut steps = Vec::new();
    for word in words {
        if let Some(step) = Step::ALL.iter().find(|step| step.name() == word.value) {
            steps.push(*step);
            continue;
        }
        let names = Step::ALL.iter().map(|step| step.name());
        let hint = match (word.as_str(), closest(&word.value, names.clone())) {
            ("auto" | "none", _) => "it stands alone, or not at all".to_string(),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            (_, None) => format!("auto, none, or of: {}", names.collect::<Vec<_>>().join(", ")),
        };
        checker.error_hint(&word.span, format!("unknown envelope `{}`", word.value), hint);
    }
    if steps.len() > STEPS_MAX {
        checker.error(&file.span, format!("more than {STEPS_MAX} envelopes around one another"));
    }
    Envelope::Steps(steps)
}

fn mapping(name: &str, field: &MappedFieldFile) -> Mapping {
    Mapping {
        name: name.to_string(),
        from: field.from.iter().flat_map(At::items).map(|from| from.value).collect(),
        unit: field.unit.as_ref().map(|unit| unit.value.clone()),
    }
}

/// Where in the file the declared value stands that an error is about.
fn layout_span(file: &At<FormatFile>, error: &LayoutError, checker: &Checker) -> Range<usize> {
    let Some(layout) = &file.layout else { return file.span.clone() };
    let inside = |at: &At<String>| checker.inside(&at.span, &at.value, &error.span);
    match &layout.value {
        LayoutFile::Text(text) => checker.inside(&layout.span, text, &error.span),
        LayoutFile::Columns(columns) => columns.get(error.item).map_or(layout.span.clone(), inside),
        LayoutFile::Mapped(mapped) => {
            let texts = mapped.pattern.iter().chain(&mapped.separator).chain(mapped.columns.iter().flatten());
            let fields = mapped.fields.iter().flatten().map(|(_, field)| field.span.clone());
            texts.map(inside).chain(fields).nth(error.item).unwrap_or(layout.span.clone())
        }
    }
}

fn kafka_source(file: &At<KafkaSourceFile>, checker: &mut Checker) -> KafkaSource {
    let topics: Vec<At<String>> = file.topics.items().collect();
    if topics.is_empty() {
        checker.error_hint(&file.topics.span, "no topic is named", "list at least one topic");
    }
    for topic in &topics {
        check_topic(topic, checker);
    }
    KafkaSource {
        cluster: Cluster::of_source(file, checker),
        topics: topics.into_iter().map(|t| t.value).collect(),
        group: file.group.as_ref().map_or_else(|| format!("ninetail-{}", checker.name), |g| g.value.clone()),
        start: start(file, checker),
    }
}

/// Kafka's rule for topic names.
pub(super) fn check_topic(topic: &At<String>, checker: &mut Checker) {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name = topic.value.as_str();
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.chars().all(legal) {
        checker.error_hint(
            &topic.span,
            format!("`{name}` cannot name a topic"),
            "Kafka allows letters, digits, dots, hyphens and underscores, at most 249",
        );
    }
}

fn start(file: &KafkaSourceFile, checker: &mut Checker) -> Start {
    let Some(text) = &file.start else { return Start::Earliest };
    match text.as_str() {
        "earliest" => Start::Earliest,
        "latest" => Start::Latest,
        other => match Time::parse(other) {
            Some(time) => Start::At(time),
            None => {
                checker.error_hint(
                    &text.span,
                    format!("`{other}` is no place to start"),
                    "write earliest, latest, or a time such as 2026-11-23T10:00:00Z",
                );
                Start::Earliest
            }
        },
    }
}
