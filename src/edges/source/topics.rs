//! The control side of Kafka: which partitions there are, where reading starts, where partitions end, and the hint
//! that is committed to the group. All calls block; they belong on a thread of their own.
//!
//! Invariant: it asks and reads nothing. What it answers goes through the journal (starts) or is only compared with
//! positions (ends), so a wrong or late answer delays and never miscounts.

use super::config::{KafkaConfig, Logged};
use super::ends::{Answer, Ends};
use super::error::SourceError;
use crate::core::time::Time;
use crate::edges::kafka::{AssignConsumer, topic_id};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bound on one question.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bound on a question about one partition, asked after the question about all of them failed.
const SINGLE_TIMEOUT: Duration = Duration::from_secs(1);
/// After so many partitions in a row without an answer the rest is not asked.
const SILENT_MAX: usize = 3;

/// Where reading a topic starts when the journal does not know it yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartAt {
    /// The first offset that is there.
    Earliest,
    /// The high watermark: what comes from now on.
    Latest,
    /// The first record whose Kafka timestamp is not earlier; the end if there is none.
    Timestamp(Time),
}

/// A resolved start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The first offset to read.
    pub offset: i64,
    /// Whether the partition held anything from there on.
    pub had_data: bool,
}

/// What the cluster says of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// It has these partitions, ascending.
    Partitions(Vec<i32>),
    /// There is no such topic (yet).
    Missing,
}

/// Asks one cluster.
pub struct Topics {
    config: KafkaConfig,
    client: AssignConsumer<Logged>,
}

impl Topics {
    /// Makes the client. It does not wait for a broker.
    pub fn open(config: &KafkaConfig) -> Result<Topics, SourceError> {
        Ok(Topics { config: config.clone(), client: config.asker()? })
    }

    /// The partitions of a topic. An error means that nobody answered or that the answer is no (authorization).
    pub fn partitions(&self, topic: &str) -> Result<Found, SourceError> {
        self.serve();
        let failed = |error| self.failed(format!("topic {topic}"), error);
        let metadata = self.client.fetch_metadata(Some(topic), TIMEOUT).map_err(failed)?;
        let Some(found) = metadata.topics().iter().find(|t| t.name() == topic) else {
            return Ok(Found::Missing);
        };
        match found.error().map(Code::from) {
            None => {
                let mut numbers: Vec<i32> = found.partitions().iter().map(|p| p.id()).collect();
                numbers.sort_unstable();
                Ok(if numbers.is_empty() { Found::Missing } else { Found::Partitions(numbers) })
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                Ok(Found::Missing)
            }
            Some(code) => Err(failed(KafkaError::MetadataFetch(code))),
        }
    }

    /// The id that the cluster gave the topic: another one means that the topic was deleted and made anew, and that our
    /// positions are none of its. None if there is no such topic or the brokers have no ids.
    /// librdkafka's mock cluster does not answer this; it times out.
    pub fn id(&self, topic: &str) -> Result<Option<Arc<str>>, SourceError> {
        let id = topic_id(self.client.client(), topic, TIMEOUT);
        id.map(|id| id.map(Arc::from)).map_err(|error| self.failed(format!("the id of topic {topic}"), error))
    }

    /// Where reading these partitions starts, in the order asked. All or nothing: starts are recorded together.
    pub fn resolve_starts(
        &self,
        places: &[(Arc<str>, i32)],
        at: StartAt,
    ) -> Result<Vec<Resolved>, SourceError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let lows = self.offsets(places, Offset::Beginning)?;
        let highs = self.offsets(places, Offset::End)?;
        let offsets = match at {
            StartAt::Earliest => lows,
            StartAt::Latest => highs.clone(),
            StartAt::Timestamp(time) => {
                let found = self.offsets(places, Offset::Offset(time.0.div_euclid(1000).max(0)))?;
                // none that late: from the end on, as it was asked before
                found.iter().zip(&highs).map(|(&found, &high)| if found < 0 { high } else { found }).collect()
            }
        };
        let resolved = places.iter().zip(offsets).zip(highs).map(|(((topic, partition), offset), high)| {
            Resolved { topic: topic.clone(), partition: *partition, offset, had_data: offset < high }
        });
        Ok(resolved.collect())
    }

    /// The high watermarks of these partitions, in the order asked.
    pub fn highs(&self, places: &[(Arc<str>, i32)]) -> Result<Vec<i64>, SourceError> {
        if places.is_empty() { Ok(Vec::new()) } else { self.offsets(places, Offset::End) }
    }

    /// Asks for the high watermarks and notes the answers. Returns how many partitions were answered for; a partition
    /// without a leader does not keep the others from being answered.
    pub fn refresh(&self, places: &[(Arc<str>, i32)], ends: &Ends) -> usize {
        if places.is_empty() {
            return 0;
        }
        let asked = Instant::now();
        if let Ok(highs) = self.ask(places, Offset::End, TIMEOUT)
            && highs.iter().all(Result::is_ok)
        {
            for ((topic, partition), high) in places.iter().zip(highs.into_iter().flatten()) {
                ends.note(topic, *partition, Answer { high, asked });
            }
            return places.len();
        }
        let (mut answered, mut silent) = (0, 0);
        for place in places {
            if silent >= SILENT_MAX {
                break;
            }
            let asked = Instant::now();
            let answer = self.ask(std::slice::from_ref(place), Offset::End, SINGLE_TIMEOUT);
            match answer.ok().and_then(|mut answers| answers.pop()?.ok()) {
                Some(high) => {
                    ends.note(&place.0, place.1, Answer { high, asked });
                    (answered, silent) = (answered + 1, 0);
                }
                None => silent += 1,
            }
        }
        answered
    }

    /// Commits next offsets to the group, for lag monitors. They are never read back.
    pub fn commit(&self, offsets: &[(Arc<str>, i32, i64)]) -> Result<(), SourceError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let commit = || -> KafkaResult<()> {
            let mut list = TopicPartitionList::new();
            for (topic, partition, next) in offsets {
                list.add_partition_offset(topic, *partition, Offset::Offset(*next))?;
            }
            self.client.commit(&list, CommitMode::Sync)
        };
        commit()
            .map_err(|error| SourceError::Commit { group: self.config.group.clone(), error: Box::new(error) })
    }

    /// How many brokers the cluster has: the connection test of `check`.
    pub fn brokers(&self) -> Result<usize, SourceError> {
        self.serve();
        // a topic that cannot exist: the answer lists the brokers and not every topic of a large cluster
        let metadata = self.client.client().fetch_metadata(Some("__ninetail_check"), TIMEOUT);
        metadata.map(|m| m.brokers().len()).map_err(|error| self.failed("its brokers".into(), error))
    }

    fn offsets(&self, places: &[(Arc<str>, i32)], at: Offset) -> Result<Vec<i64>, SourceError> {
        let what = || match places {
            [(topic, partition)] => format!("offsets of {topic}/{partition}"),
            [(topic, _), ..] => format!("offsets of {} partitions of {topic} and others", places.len()),
            [] => String::new(),
        };
        let answers = self.ask(places, at, TIMEOUT).map_err(|error| self.failed(what(), error))?;
        let zipped = places.iter().zip(answers);
        zipped
            .map(|((topic, partition), answer)| {
                answer.map_err(|error| self.failed(format!("offsets of {topic}/{partition}"), error))
            })
            .collect()
    }

    /// One ListOffsets request to every leader. An offset of -1 means that no record is that late.
    fn ask(
        &self,
        places: &[(Arc<str>, i32)],
        at: Offset,
        timeout: Duration,
    ) -> KafkaResult<Vec<KafkaResult<i64>>> {
        self.serve();
        let mut list = TopicPartitionList::with_capacity(places.len());
        for (topic, partition) in places {
            list.add_partition_offset(topic, *partition, at)?;
        }
        let answers = self.client.offsets_for_times(list, timeout)?;
        let of = |(topic, partition): &(Arc<str>, i32)| {
            let Some(answer) = answers.find_partition(topic, *partition) else {
                return Err(KafkaError::OffsetFetch(Code::UnknownPartition));
            };
            answer.error()?;
            Ok(answer.offset().to_raw().unwrap_or(-1))
        };
        Ok(places.iter().map(of).collect())
    }

    /// Lets the client log what went wrong since the last question.
    fn serve(&self) {
        while let Some(result) = self.client.poll(Duration::ZERO) {
            if let Err(error) = result {
                tracing::debug!(target: "librdkafka", %error, "control client");
            }
        }
    }

    fn failed(&self, what: String, error: KafkaError) -> SourceError {
        SourceError::Query { brokers: self.config.brokers.clone(), what, error: Box::new(error) }
    }
}
