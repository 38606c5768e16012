//! Can what the pipeline names be reached: brokers, topics, folders.

use crate::edges::source::KafkaConfig;
use crate::edges::source::topics::{Found, Topics};
use crate::shell::pipeline::{Cluster, DeadLetters, Events, Pipeline};
use serde_json::{Value, json};
use std::path::Path;

/// One thing that was tried.
pub(super) struct Reached {
    /// What it is.
    pub(super) what: String,
    /// What was found.
    found: String,
    /// Why it is not usable.
    pub(super) error: Option<String>,
}

impl Reached {
    fn new(what: impl Into<String>, result: Result<String, String>) -> Reached {
        let (found, error) = match result {
            Ok(found) => (found, None),
            Err(error) => (String::new(), Some(error)),
        };
        Reached { what: what.into(), found, error }
    }

    pub(super) fn text(&self) -> String {
        match &self.error {
            None => format!("ok      {}: {}", self.what, self.found),
            Some(error) => format!("failed  {}: {error}", self.what),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "what": self.what, "ok": self.error.is_none(), "found": self.found, "error": self.error })
    }
}

/// Tries everything that the pipeline names.
pub(super) fn test(pipeline: &Pipeline) -> Vec<Reached> {
    let mut reached = Vec::new();
    let mut clusters: Vec<(&Cluster, Vec<(&str, bool)>)> = Vec::new();
    let mut add = |cluster, topics: Vec<(_, bool)>| match clusters.iter_mut().find(|(c, _)| *c == cluster) {
        Some((_, known)) => known.extend(topics),
        None => clusters.push((cluster, topics)),
    };
    for source in pipeline.sources.iter().flatten() {
        add(&source.cluster, source.topics.iter().map(|t| (t.as_str(), true)).collect());
    }
    if let Events::Kafka { cluster, topic, state_topic, .. } = &pipeline.sinks.events {
        add(cluster, vec![(topic, false), (state_topic, false)]);
    }
    if let DeadLetters::Kafka { cluster, topic } = &pipeline.sinks.dead_letters {
        add(cluster, vec![(topic, false)]);
    }
    for (cluster, topics) in clusters {
        kafka(cluster, &topics, &pipeline.settings.name, &mut reached);
    }
    reached.push(folder("rollups", &pipeline.sinks.rollups));
    reached.push(folder("state", &pipeline.state));
    for (what, path) in [
        ("events", if let Events::File(path) = &pipeline.sinks.events { Some(path) } else { None }),
        (
            "dead letters",
            if let DeadLetters::File(path) = &pipeline.sinks.dead_letters { Some(path) } else { None },
        ),
    ] {
        if let Some(folder_of) = path.and_then(|p| p.parent()) {
            reached.push(folder(what, folder_of));
        }
    }
    reached
}

/// `must` topics are read and have to exist; the others are made at the first start.
fn kafka(cluster: &Cluster, topics: &[(&str, bool)], pipeline: &str, reached: &mut Vec<Reached>) {
    let what = format!("kafka {}", cluster.brokers);
    let opened = cluster.settings().map_err(|e| e.to_string()).and_then(|settings| {
        let mut config = KafkaConfig::new(cluster.brokers.clone(), format!("ninetail-{pipeline}"));
        config.properties = settings;
        Topics::open(&config).map_err(|e| e.to_string())
    });
    let client = match opened {
        Ok(client) => client,
        Err(error) => return reached.push(Reached::new(what, Err(error))),
    };
    let brokers = client.brokers().map_err(|e| e.to_string());
    let lost = brokers.is_err();
    reached.push(Reached::new(what, brokers.map(|n| format!("{n} broker{}", if n == 1 { "" } else { "s" }))));
    if lost {
        return;
    }
    for (topic, must) in topics {
        let result = match client.partitions(topic) {
            Ok(Found::Partitions(numbers)) => Ok(format!("{} partitions", numbers.len())),
            Ok(Found::Missing) if *must => Err("it does not exist; create it, or correct the name".into()),
            Ok(Found::Missing) => Ok("not there yet, made at the first start".into()),
            Err(error) => Err(error.to_string()),
        };
        reached.push(Reached::new(format!("topic {topic}"), result));
    }
}

/// Writes and removes a file in the folder, or in the nearest one above it that exists.
fn folder(what: &str, path: &Path) -> Reached {
    let name = format!("{what} {}", path.display());
    let mut existing = path;
    while !existing.exists() {
        match existing.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => existing = parent,
            _ => {
                existing = Path::new(".");
                break;
            }
        }
    }
    if !existing.is_dir() {
        return Reached::new(name, Err(format!("{} is no folder", existing.display())));
    }
    let probe = existing.join(format!(".ninetail-check-{}", std::process::id()));
    let written = std::fs::write(&probe, b"ninetail\n").and_then(|()| std::fs::remove_file(&probe));
    let found = if existing == path { "can be written" } else { "will be made" };
    Reached::new(name, written.map(|()| found.to_string()).map_err(|e| format!("cannot be written: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_tried_and_left_as_they_were() {
        let base = tempfile::tempdir().expect("a folder");
        let file = base.path().join("file");
        std::fs::write(&file, "x").expect("written");
        assert!(folder("state", base.path()).error.is_none());
        assert!(folder("state", &base.path().join("a/b")).error.is_none());
        assert!(folder("state", &file.join("a")).error.is_some());
        assert_eq!(std::fs::read_dir(base.path()).expect("listed").count(), 1);
    }
}
