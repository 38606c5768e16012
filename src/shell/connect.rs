//! From the pipeline's words to what the edges are opened with.

use crate::edges::sink::Control;
use crate::edges::sink::dead_letters::LetterTarget;
use crate::edges::sink::events::{EventTarget, KafkaTarget};
use crate::edges::source::KafkaConfig;
use crate::edges::source::topics::StartAt;
use crate::shell::error::RunError;
use crate::shell::pipeline::{Cluster, DeadLetters, Events, KafkaSource, Pipeline, Start};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A cluster that sources read from, and what they read there: source, topic, where to start.
pub struct ClusterOf {
    /// How to reach it.
    pub config: KafkaConfig,
    /// What is read there.
    pub topics: Vec<(Arc<str>, Arc<str>, StartAt)>,
}

/// The stop flag with a log.
pub fn control(stop: &Arc<AtomicBool>) -> Control {
    Control { stop: stop.clone(), log: Arc::new(|message: &str| tracing::warn!("{message}")) }
}

/// The sources by cluster: one client set for all that is reached in the same way.
///
/// # Errors
/// If a secret's file cannot be read.
pub fn clusters(pipeline: &Pipeline) -> Result<Vec<ClusterOf>, RunError> {
    let mut clusters: Vec<ClusterOf> = Vec::new();
    for (source, kafka) in pipeline.settings.sources.iter().zip(&pipeline.sources) {
        let Some(kafka) = kafka else { continue };
        let config = config(kafka)?;
        let at = match clusters.iter().position(|c| c.config == config) {
            Some(at) => at,
            None => {
                clusters.push(ClusterOf { config, topics: Vec::new() });
                clusters.len() - 1
            }
        };
        let topics =
            kafka.topics.iter().map(|t| (source.name.clone(), t.as_str().into(), start_at(kafka.start)));
        clusters[at].topics.extend(topics);
    }
    let consumers = (clusters.len() * pipeline.threads).max(1);
    for cluster in &mut clusters {
        cluster.config.queue_bytes_max = pipeline.bounds.fetch_bytes_max / consumers;
    }
    Ok(clusters)
}

fn config(kafka: &KafkaSource) -> Result<KafkaConfig, RunError> {
    let mut config = KafkaConfig::new(kafka.cluster.brokers.clone(), kafka.group.clone());
    config.properties = properties(&kafka.cluster)?;
    Ok(config)
}

fn start_at(start: Start) -> StartAt {
    match start {
        Start::Earliest => StartAt::Earliest,
        Start::Latest => StartAt::Latest,
        Start::At(time) => StartAt::Timestamp(time),
    }
}

/// Where events go.
///
/// # Errors
/// If a secret's file cannot be read.
pub fn events(pipeline: &Pipeline) -> Result<EventTarget, RunError> {
    Ok(match &pipeline.sinks.events {
        Events::Kafka { cluster, topic, state_topic, mode } => EventTarget::Kafka(KafkaTarget {
            properties: properties(cluster)?,
            topic: topic.clone(),
            state_topic: state_topic.clone(),
            mode: *mode,
        }),
        Events::File(path) => EventTarget::File(path.clone()),
        Events::Stdout => EventTarget::Stdout,
        Events::None => EventTarget::None,
    })
}

/// Where dead letters go.
///
/// # Errors
/// If a secret's file cannot be read.
pub fn letters(pipeline: &Pipeline) -> Result<LetterTarget, RunError> {
    let kept = pipeline.state.join("dead-letters.jsonl");
    Ok(match &pipeline.sinks.dead_letters {
        DeadLetters::Kafka { cluster, topic } => {
            LetterTarget::Topic { properties: properties(cluster)?, topic: topic.clone(), refused: kept }
        }
        DeadLetters::File(path) => LetterTarget::File(path.clone()),
        DeadLetters::State => LetterTarget::File(kept),
    })
}

fn properties(cluster: &Cluster) -> Result<BTreeMap<String, String>, RunError> {
    cluster.settings().map_err(|e| RunError::Other(e.to_string()))
}
