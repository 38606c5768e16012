//! One thread per cluster that asks: which partitions there are, where they end; and commits the hint.
//!
//! Invariant: it decides nothing. What it finds becomes true by going through the journal.

use crate::core::position::Partition;
use crate::edges::sink::Control;
use crate::edges::source::topics::{Found, StartAt, Topics};
use crate::edges::source::{Ends, KafkaConfig, SourceError};
use crate::shell::ingest::Report;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// Between two questions about ends.
const REFRESH: Duration = Duration::from_secs(1);
/// Between two looks for new partitions.
const DISCOVER: Duration = Duration::from_secs(5);
/// Between two looks while a topic is missing or nobody answers.
const DISCOVER_SOON: Duration = Duration::from_secs(1);

/// A topic to watch.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its source.
    pub source: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// Where reading it starts when the journal does not know it.
    pub start: StartAt,
    /// Whether the journal knows the topic: then partitions that appear start at their beginning.
    pub known: bool,
    /// The topic's id, once it was told.
    pub id: Option<Arc<str>>,
}

/// A partition that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct FoundPartition {
    /// The partition.
    pub partition: Partition,
    /// Where to start if the journal does not know it: the offset, and whether anything was there.
    pub start: (i64, bool),
    /// The id of its topic, where the broker tells it.
    pub topic_id: Option<Arc<str>>,
}

/// What a watch tells.
pub enum Sighting {
    /// Partitions not told of before, of one cluster.
    Partitions(usize, Vec<FoundPartition>),
    /// Every topic of the cluster was looked at once.
    Complete(usize),
    /// The topic has this id now, and had another before: it was deleted and made anew.
    Recreated {
        /// Its source.
        source: Arc<str>,
        /// The topic.
        topic: Arc<str>,
        /// The id.
        id: Arc<str>,
    },
    /// The topic is not there.
    Missing {
        /// The cluster's address.
        brokers: String,
        /// The topic.
        topic: Arc<str>,
    },
}

/// Offsets to commit to the group: topic, partition, next offset.
pub type Hint = Vec<(Arc<str>, i32, i64)>;

/// What a watch is made of.
pub struct Watch {
    /// Number of the cluster.
    pub cluster: usize,
    /// How to reach it.
    pub config: KafkaConfig,
    /// Its topics.
    pub topics: Vec<Watched>,
    /// Whether its brokers know topic ids.
    pub ids: bool,
    /// Where answers about ends go.
    pub ends: Ends,
    /// Hints to commit; the channel's end ends the watch.
    pub hints: Receiver<Hint>,
    /// Where sightings go.
    pub sightings: SyncSender<Report>,
    /// Stop flag and log.
    pub control: Control,
}

impl Watch {
    /// Runs until nobody sends hints any more.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub fn run(mut self) -> Result<(), SourceError> {
        let client = Topics::open(&self.config)?;
        let mut seen: BTreeSet<(Arc<str>, i32)> = BTreeSet::new();
        let (mut next_look, mut next_identify) = (Instant::now(), Instant::now());
        let mut complete = false;
        let mut missing: BTreeMap<Arc<str>, bool> = BTreeMap::new();
        loop {
            if Instant::now() >= next_look {
                let all = self.discover(&client, &mut seen, &mut missing);
                if all && !complete {
                    complete = true;
                    self.tell(Sighting::Complete(self.cluster));
                }
                next_look = Instant::now() + if all { DISCOVER } else { DISCOVER_SOON };
            }
            let places: Vec<(Arc<str>, i32)> = seen.iter().cloned().collect();
            client.refresh(&places, &self.ends);
            if Instant::now() >= next_identify && !self.identify(&client) {
                next_identify = Instant::now() + DISCOVER;
            }
            match self.hints.recv_timeout(REFRESH) {
                Ok(hint) => {
                    if let Err(error) = client.commit(&hint) {
                        tracing::warn!("{error}; only lag monitors notice");
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.control.stop.load(Ordering::Relaxed) {
                return self.drain(&client);
            }
        }
    }

    /// False: nobody listens any more.
    fn tell(&self, sighting: Sighting) -> bool {
        self.sightings.send(Report::Seen(sighting)).is_ok()
    }

    /// After the stop: the last hint is the snapshot's.
    fn drain(&self, client: &Topics) -> Result<(), SourceError> {
        while let Ok(hint) = self.hints.recv() {
            if let Err(error) = client.commit(&hint) {
                tracing::warn!("{error}; only lag monitors notice");
            }
        }
        Ok(())
    }

    /// Looks at every topic; tells of what is new. True: all were there.
    fn discover(
        &mut self,
        client: &Topics,
        seen: &mut BTreeSet<(Arc<str>, i32)>,
        missing: &mut BTreeMap<Arc<str>, bool>,
    ) -> bool {
        let mut all = true;
        for at in 0..self.topics.len() {
            match self.look(client, at, seen) {
                Ok(true) => {
                    missing.remove(&self.topics[at].topic);
                }
                Ok(false) => {
                    all = false;
                    let topic = self.topics[at].topic.clone();
                    if missing.insert(topic.clone(), true).is_none() {
                        tracing::warn!(%topic, brokers = self.config.brokers, "the topic does not exist (yet)");
                    }
                    let brokers = self.config.brokers.clone();
                    self.tell(Sighting::Missing { brokers, topic });
                }
                Err(error) => {
                    all = false;
                    tracing::warn!("{error}");
                }
            }
        }
        all
    }

    /// Looks whether topics are still those they were. False: somebody did not answer.
    fn identify(&mut self, client: &Topics) -> bool {
        for watched in self.topics.iter_mut().filter(|watched| watched.id.is_some()) {
            match client.id(&watched.topic) {
                Ok(Some(id)) if watched.id.as_ref() != Some(&id) => {
                    watched.id = Some(id.clone());
                    let (source, topic) = (watched.source.clone(), watched.topic.clone());
                    let _ = self.sightings.send(Report::Seen(Sighting::Recreated { source, topic, id }));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!("{error}");
                    return false;
                }
            }
        }
        true
    }

    fn look(
        &mut self,
        client: &Topics,
        at: usize,
        seen: &mut BTreeSet<(Arc<str>, i32)>,
    ) -> Result<bool, SourceError> {
        let watched = &mut self.topics[at];
        // Asked before anything else: should the topic be made anew meanwhile, its next answer differs.
        let id = if self.ids && watched.id.is_none() { client.id(&watched.topic)? } else { None };
        let Found::Partitions(numbers) = client.partitions(&watched.topic)? else { return Ok(false) };
        let new: Vec<(Arc<str>, i32)> =
            numbers.into_iter().map(|n| (watched.topic.clone(), n)).filter(|p| !seen.contains(p)).collect();
        if new.is_empty() {
            return Ok(true);
        }
        if self.ids && watched.id.is_none() {
            // None before, and there now: made in between, or the broker tells none.
            watched.id = id.map_or_else(|| client.id(&watched.topic), |id| Ok(Some(id)))?;
        }
        let id = watched.id.clone();
        let partition =
            |number: i32| Partition { source: watched.source.clone(), topic: watched.topic.clone(), number };
        // A partition that appears later starts at 0: what retention took before we saw it is a gap.
        let found: Vec<FoundPartition> = if watched.known {
            new.iter()
                .map(|(_, number)| (partition(*number), (0, true)))
                .map(|(partition, start)| FoundPartition { partition, start, topic_id: id.clone() })
                .collect()
        } else {
            let resolved = client.resolve_starts(&new, watched.start)?;
            resolved
                .into_iter()
                .map(|r| (partition(r.partition), (r.offset, r.had_data)))
                .map(|(partition, start)| FoundPartition { partition, start, topic_id: id.clone() })
                .collect()
        };
        watched.known = true;
        if self.tell(Sighting::Partitions(self.cluster, found)) {
            seen.extend(new);
        }
        Ok(true)
    }
}
