//! The file's `sinks:`.
//!
//! Invariant: no sink writes into a topic that a source reads, and each Kafka sink has one cluster.

use super::kafka::Cluster;
use super::load::Checker;
use super::sources::{KafkaSource, check_topic};
use crate::edges::sink::delivery::Receiver;
use crate::edges::sink::events::Mode;
use crate::shell::config::{At, DeadLettersFile, EventsFile, KafkaClusterFile, PipelineFile};
use std::ops::Range;
use std::path::PathBuf;

/// Where the results go.
#[derive(Clone, PartialEq, Debug)]
pub struct Sinks {
    /// Folder of the tables.
    pub rollups: PathBuf,
    /// Error-budget events.
    pub events: Events,
    /// Who receives events over HTTP beside that.
    pub receivers: Vec<Receiver>,
    /// Lines that could not be read.
    pub dead_letters: DeadLetters,
}

/// Where events go.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum Events {
    /// Topics; exactly once.
    Kafka {
        /// Their cluster.
        cluster: Cluster,
        /// Topic of the events.
        topic: String,
        /// Compacted topic of the progress record.
        state_topic: String,
        /// How a CloudEvent lies in a record.
        mode: Mode,
    },
    /// A file of JSON lines; exactly once.
    File(PathBuf),
    /// JSON lines on standard output; at least once.
    Stdout,
    /// Nowhere.
    None,
}

/// Where dead letters go.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum DeadLetters {
    /// A topic; at least once.
    Kafka {
        /// Its cluster.
        cluster: Cluster,
        /// The topic.
        topic: String,
    },
    /// A file of JSON lines that the user named.
    File(PathBuf),
    /// A file in the state folder.
    State,
}

pub(super) fn build(file: &PipelineFile, sources: &[Option<KafkaSource>], checker: &mut Checker) -> Sinks {
    let written = file.sinks.as_ref();
    let rollups = written.and_then(|s| s.rollups.as_ref()).and_then(|r| r.path.as_ref());
    if let Some(path) = rollups
        && path.contains("://")
    {
        checker.error_hint(
            &path.span,
            format!("`{}` is no folder", path.value),
            "object stores are not supported yet: write to a folder",
        );
    }
    let sinks = Sinks {
        rollups: checker.path(rollups.map_or("./data/rollups", |p| p)),
        events: match written.and_then(|s| s.events.as_ref()) {
            Some(events) => build_events(events, sources, checker),
            None => Events::None,
        },
        receivers: written.map(|s| super::receivers::build(s, checker)).unwrap_or_default(),
        dead_letters: match written.and_then(|s| s.dead_letters.as_ref()) {
            Some(dead) => build_dead_letters(dead, sources, checker),
            None => DeadLetters::State,
        },
    };
    if let (Events::Kafka { topic, .. }, Some(dead)) =
        (&sinks.events, written.and_then(|s| s.dead_letters.as_ref()).and_then(|d| d.topic.as_ref()))
        && *topic == dead.value
    {
        checker.error_hint(
            &dead.span,
            format!("topic `{topic}` already holds the events"),
            "give each its own topic",
        );
    }
    sinks
}

fn build_events(written: &At<EventsFile>, sources: &[Option<KafkaSource>], checker: &mut Checker) -> Events {
    let stdout = written.stdout.as_ref().is_some_and(|s| s.value);
    let chosen =
        usize::from(written.topic.is_some()) + usize::from(written.file.is_some()) + usize::from(stdout);
    if chosen != 1 {
        let message = if chosen == 0 { "events go nowhere" } else { "events go to one place only" };
        checker.error_hint(
            &written.span,
            message,
            "write one of { topic: … }, { file: … } and { stdout: true }",
        );
        return Events::None;
    }
    if let (None, Some(stray)) = (&written.topic, &written.state_topic) {
        checker.error(&stray.span, "`state_topic` goes with `topic`");
    }
    if let (None, Some(stray)) = (&written.topic, &written.kafka) {
        checker.error(&stray.span, "`kafka` goes with `topic`");
    }
    if let (None, Some(stray)) = (&written.topic, &written.mode) {
        checker.error(&stray.span, "`mode` goes with `topic`: lines hold whole events");
    }
    if let Some(file) = &written.file {
        return Events::File(checker.path(file));
    }
    let Some(topic) = &written.topic else { return Events::Stdout };
    let state_topic = match &written.state_topic {
        Some(state) => state.clone(),
        None => At { value: format!("{}-state", topic.value), span: topic.span.clone() },
    };
    if topic.value == state_topic.value {
        checker.error_hint(
            &state_topic.span,
            "events and state need two topics",
            "the state topic is compacted",
        );
    }
    let cluster = cluster(&topic.span, written.kafka.as_ref(), sources, checker);
    for topic in [topic, &state_topic] {
        check_topic(topic, checker);
        not_a_source(topic, cluster.as_ref(), sources, checker);
    }
    match cluster {
        Some(cluster) => {
            let mode = written.mode.as_ref().map_or(Mode::Structured, |m| m.value.into());
            Events::Kafka { cluster, topic: topic.value.clone(), state_topic: state_topic.value, mode }
        }
        None => Events::None,
    }
}

fn build_dead_letters(
    written: &At<DeadLettersFile>,
    sources: &[Option<KafkaSource>],
    checker: &mut Checker,
) -> DeadLetters {
    match (&written.topic, &written.file) {
        (Some(topic), None) => {
            check_topic(topic, checker);
            let cluster = cluster(&topic.span, written.kafka.as_ref(), sources, checker);
            not_a_source(topic, cluster.as_ref(), sources, checker);
            match cluster {
                Some(cluster) => DeadLetters::Kafka { cluster, topic: topic.value.clone() },
                None => DeadLetters::State,
            }
        }
        (None, Some(file)) => {
            if let Some(stray) = &written.kafka {
                checker.error(&stray.span, "`kafka` goes with `topic`");
            }
            DeadLetters::File(checker.path(file))
        }
        _ => {
            checker.error_hint(
                &written.span,
                "dead letters go to one place",
                "write one of { topic: … } and { file: … }",
            );
            DeadLetters::State
        }
    }
}

/// The sink's own cluster, or the one that all sources share.
fn cluster(
    span: &Range<usize>,
    own: Option<&At<KafkaClusterFile>>,
    sources: &[Option<KafkaSource>],
    checker: &mut Checker,
) -> Option<Cluster> {
    if let Some(own) = own {
        return Some(Cluster::of_sink(own, checker));
    }
    let mut clusters = sources.iter().flatten().map(|s| &s.cluster);
    let Some(first) = clusters.next() else {
        checker.error_hint(
            span,
            "no cluster is named for this topic",
            "add `kafka: { brokers: … }` beside `topic`",
        );
        return None;
    };
    if clusters.any(|other| other != first) {
        checker.error_hint(
            span,
            "the sources use several clusters, so this topic's is not clear",
            "add `kafka: { brokers: … }` beside `topic`",
        );
        return None;
    }
    Some(first.clone())
}

fn not_a_source(
    topic: &At<String>,
    cluster: Option<&Cluster>,
    sources: &[Option<KafkaSource>],
    checker: &mut Checker,
) {
    let same = |s: &&KafkaSource| cluster.is_some_and(|c| c.brokers == s.cluster.brokers);
    if sources.iter().flatten().filter(same).any(|s| s.topics.contains(&topic.value)) {
        checker.error_hint(
            &topic.span,
            format!("topic `{}` is read by a source of this pipeline", topic.value),
            "what is written there would be read back; choose another topic",
        );
    }
}
