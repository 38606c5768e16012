//! Reads a pipeline's progress from the compacted state topic.
//!
//! Invariant: only committed records count, and all that were committed when the read began; nothing is
//! changed and nobody is fenced.

use crate::edges::kafka::AssignConsumer;
use crate::edges::sink::Control;
use crate::edges::sink::events::progress::{Fold, Progress};
use crate::edges::sink::events::trouble::{Trouble, refused, retry};
use crate::edges::sink::events::{EventError, KafkaTarget};
use crate::edges::sink::kafka::{Quiet, REQUEST_TIMEOUT, code, config, is_refusal, partitions};
use rdkafka::client::Client;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Reads the pipeline's progress and touches nothing.
pub(super) fn peek(
    target: &KafkaTarget,
    pipeline: &str,
    control: &Control,
) -> Result<Option<Progress>, EventError> {
    let action = format!("reading topic {}", target.state_topic);
    retry(control, &action, || {
        let mut reader = ProgressReader::new(target, pipeline).map_err(|e| refused(&action, &e))?;
        reader.read()
    })
}

/// Reads the state topic to the end of what is committed, and on from there the next time.
pub(super) struct ProgressReader {
    consumer: AssignConsumer<Quiet>,
    topic: String,
    pipeline: String,
    next: BTreeMap<i32, i64>,
    fold: Fold,
}

impl ProgressReader {
    pub(super) fn new(target: &KafkaTarget, pipeline: &str) -> KafkaResult<ProgressReader> {
        let mut config = config(&target.properties);
        config
            // librdkafka wants a name to assign partitions; nothing is ever committed under it
            .set("group.id", format!("ninetail-{pipeline}-progress"))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .set("check.crcs", "true")
            // a read ends with the answer that there is no more
            .set("fetch.wait.max.ms", "5");
        let consumer = AssignConsumer::new(&config, Quiet)?;
        let (topic, pipeline) = (target.state_topic.clone(), pipeline.to_owned());
        Ok(ProgressReader { consumer, topic, pipeline, next: BTreeMap::new(), fold: Fold::default() })
    }

    /// For other questions to the same brokers.
    pub(super) fn client(&self) -> &Client<Quiet> {
        self.consumer.client()
    }

    pub(super) fn read(&mut self) -> Result<Option<Progress>, Trouble> {
        // an error leaves the positions as they are: the next read goes on from them
        let Some(partitions) = partitions(self.consumer.client(), &self.topic)? else { return Ok(None) };
        let mut list = TopicPartitionList::new();
        for partition in &partitions {
            let from = self.next.get(partition).map_or(Offset::Beginning, |next| Offset::Offset(*next));
            list.add_partition_offset(&self.topic, *partition, from)?;
        }
        // to what is committed now: a process that still publishes could be followed for ever
        let mut open = BTreeMap::new();
        for partition in partitions {
            let (_, end) = self.consumer.fetch_watermarks(&self.topic, partition, REQUEST_TIMEOUT)?;
            open.insert(partition, end);
        }
        self.consumer.assign(&list)?;
        let mut heard = Instant::now();
        while !open.is_empty() {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => {
                    heard = Instant::now();
                    let (partition, next) = (record.partition(), record.offset() + 1);
                    self.next.insert(partition, next);
                    if open.get(&partition).is_some_and(|end| next >= *end) {
                        open.remove(&partition);
                    }
                    if let Some(key) = record.key() {
                        self.fold.take(&self.pipeline, key, record.payload());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard = Instant::now();
                    open.remove(&partition);
                }
                Some(Err(error)) => match code(&error) {
                    // a broker that is away is heard of again, or not within the time
                    Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {}
                    Some(code) if is_refusal(code) => {
                        return Err(refused(&format!("reading topic {}", self.topic), &error));
                    }
                    _ => return Err(error.into()),
                },
                None => {}
            }
            if heard.elapsed() > REQUEST_TIMEOUT {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut).into());
            }
        }
        self.consumer.unassign()?;
        self.fold.progress(&self.pipeline).map_err(|why| {
            let action = format!("reading the progress of {} in topic {}", self.pipeline, self.topic);
            Trouble::Final(EventError::Refused { action, error: why })
        })
    }
}
