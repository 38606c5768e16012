//! How far the events are published, and how that lies in the compacted state topic.
//!
//! Under the key `<pipeline>` lies the position; the sequences of the subjects lie in shards under
//! `<pipeline>/sequences/<00 to 63>`, so that a publish writes only the shards it changed and no record
//! grows with all services.

use crate::core::event::Event;
use crate::core::rollup::OutputPosition;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

const VERSION: u64 = 1;
/// Fixed for ever: a subject's shard is its hash modulo this.
const SHARDS: u64 = 64;

/// How far a journal's events are published.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Progress {
    /// The journal's id.
    pub journal: String,
    /// The incarnation of the state folder that published last; empty where the target does not tell.
    pub incarnation: String,
    /// Every event up to here is published.
    pub at: OutputPosition,
    /// The last cut recorded (0 where the target does not tell).
    pub cut: u64,
    /// The last sequence of every subject.
    pub sequences: BTreeMap<String, u64>,
}

impl Progress {
    /// Takes over the sequences of published events; returns the shards that changed.
    pub(super) fn advance(&mut self, events: &[&Event]) -> BTreeSet<u64> {
        let mut changed = BTreeSet::new();
        for event in events {
            self.sequences.insert(event.subject.to_string(), event.sequence);
            changed.insert(shard(&event.subject));
        }
        changed
    }

    /// Every shard that holds something.
    pub(super) fn shards(&self) -> BTreeSet<u64> {
        self.sequences.keys().map(|subject| shard(subject)).collect()
    }

    /// The records to write: the position, and the shards named.
    pub(super) fn records(&self, pipeline: &str, shards: &BTreeSet<u64>) -> Vec<(String, Vec<u8>)> {
        let main = json!({
            "version": VERSION,
            "pipeline": pipeline,
            "journal": self.journal,
            "incarnation": self.incarnation,
            "position": self.at.position,
            "index": self.at.index,
            "cut": self.cut,
        });
        let mut parts = BTreeMap::<u64, serde_json::Map<String, Value>>::new();
        for (subject, sequence) in &self.sequences {
            let shard = shard(subject);
            if shards.contains(&shard) {
                parts.entry(shard).or_default().insert(subject.clone(), (*sequence).into());
            }
        }
        let part = |(shard, sequences)| {
            let value =
                json!({ "version": VERSION, "pipeline": pipeline, "sequences": Value::Object(sequences) });
            (format!("{pipeline}/sequences/{shard:02}"), value.to_string().into_bytes())
        };
        let main = (pipeline.to_owned(), main.to_string().into_bytes());
        parts.into_iter().map(part).chain([main]).collect()
    }
}

fn shard(subject: &str) -> u64 {
    xxh3_64(subject.as_bytes()) % SHARDS
}

/// Latest records of a pipeline by key, as a compacted topic gives them.
#[derive(Default)]
pub(super) struct Fold(BTreeMap<String, Vec<u8>>);

impl Fold {
    /// Takes the next record of the topic, if it is the pipeline's.
    pub(super) fn take(&mut self, pipeline: &str, key: &[u8], value: Option<&[u8]>) {
        let Ok(key) = std::str::from_utf8(key) else { return };
        let rest = key.strip_prefix(pipeline);
        if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("/sequences/")) {
            return;
        }
        match value {
            Some(value) => self.0.insert(key.to_owned(), value.to_vec()),
            None => self.0.remove(key),
        };
    }

    /// The progress they say.
    pub(super) fn progress(&self, pipeline: &str) -> Result<Option<Progress>, String> {
        let Some(main) = self.0.get(pipeline) else { return Ok(None) };
        let parse = |bytes: &[u8]| -> Result<Value, String> {
            let value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
            match value["version"].as_u64() {
                Some(VERSION) => Ok(value),
                other => Err(format!("its version is {other:?}, this release reads {VERSION}")),
            }
        };
        let main = parse(main)?;
        let number = |name: &str| main[name].as_u64().ok_or_else(|| format!("it has no {name}"));
        let mut progress = Progress {
            journal: main["journal"].as_str().ok_or("it has no journal")?.to_owned(),
            incarnation: main["incarnation"].as_str().unwrap_or_default().to_owned(),
            at: OutputPosition {
                position: number("position")?,
                index: u32::try_from(number("index")?).map_err(|e| e.to_string())?,
            },
            cut: number("cut")?,
            sequences: BTreeMap::new(),
        };
        for (_, value) in self.0.iter().filter(|(key, _)| *key != pipeline) {
            let value = parse(value)?;
            for (subject, sequence) in value["sequences"].as_object().into_iter().flatten() {
                let sequence = sequence.as_u64().ok_or("a sequence is no number")?;
                progress.sequences.insert(subject.clone(), sequence);
            }
        }
        Ok(Some(progress))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_fold_back_to_the_progress() {
        let mut progress = Progress {
            journal: "0123456789abcdef".into(),
            incarnation: "fedcba9876543210".into(),
            at: OutputPosition { position: 12, index: u32::MAX },
            cut: 3,
            sequences: (0..500).map(|i| (format!("service-{i}/availability"), i)).collect(),
        };
        let mut fold = Fold::default();
        for (key, value) in progress.records("edge", &progress.shards()) {
            fold.take("edge", key.as_bytes(), Some(&value));
        }
        assert_eq!(fold.progress("edge"), Ok(Some(progress.clone())));

        // one changed subject writes one shard
        progress.at.position = 13;
        progress.sequences.insert("service-7/availability".into(), 99);
        let records = progress.records("edge", &[shard("service-7/availability")].into());
        assert_eq!(records.len(), 2);
        for (key, value) in records {
            fold.take("edge", key.as_bytes(), Some(&value));
        }
        // other pipelines' records are not ours
        fold.take("edge", b"edge-2", Some(b"{}"));
        fold.take("edge", b"edge-2/sequences/00", Some(b"{}"));
        fold.take("edge", b"\xff", Some(b"{}"));
        assert_eq!(fold.progress("edge"), Ok(Some(progress)));
        assert_eq!(fold.progress("other"), Ok(None));

        fold.take("edge", b"edge", Some(br#"{"version":2}"#));
        assert!(fold.progress("edge").is_err());
    }
}
