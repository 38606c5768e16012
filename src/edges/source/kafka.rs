//! Reading assigned partitions of one cluster, on the thread that counts what is read.
//!
//! Invariant: for every partition, what is delivered starts at the assigned offset and goes on in order; `next` is
//! one past what was delivered or covered by an end mark, nothing below it is delivered again, and offsets that
//! were lost are said before anything after them.
//!
//! Offsets without a record (transaction markers, aborted or compacted records) are not delivered; the next message
//! or end mark is past them.

use super::config::{KafkaConfig, Logged};
use super::ends::Ends;
use super::error::SourceError;
use super::kafka_batch::{BatchConsumer, Raw, RecordHeaders, TopicKey, fetched_high};
use crate::core::partial::Standing;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr as Code;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A broker's answer older than this does not confirm an end.
pub const ANSWER_FRESH: Duration = Duration::from_secs(5);
/// A partition without any sign of its broker for so long is unreachable.
pub const UNREACHABLE_AFTER: Duration = Duration::from_secs(15);
/// Pause between two attempts to put a partition right.
const RETRY: Duration = Duration::from_secs(1);
/// How long a question to the broker may hold up this thread (only when a position was refused).
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// So many broken batches at one offset in a row stop the partition.
const CORRUPT_MAX: u32 = 3;

/// A partition to read, and the caller's handle for it.
#[derive(Clone, Debug)]
pub struct Assignment<S> {
    /// Comes back with every delivery.
    pub slot: S,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The first offset to deliver.
    pub offset: i64,
}

/// What a partition brings, in its order.
#[derive(Debug)]
pub enum Delivery<'a, S> {
    /// A record's value.
    Message {
        /// Its partition.
        slot: S,
        /// Its offset.
        offset: i64,
        /// Its value; None where the record has none.
        payload: Option<&'a [u8]>,
        /// Its key, if it has one.
        key: Option<&'a [u8]>,
        /// Its headers.
        headers: RecordHeaders<'a>,
    },
    /// There is nothing to read now: everything below `offset` was delivered or carries no record.
    End {
        /// Its partition.
        slot: S,
        /// The next offset.
        offset: i64,
        /// Whether it is the high watermark. If not, a transaction is open or more has come meanwhile.
        confirmed: bool,
    },
    /// A record seen before; it was dropped.
    Replayed {
        /// Its partition.
        slot: S,
        /// Its offset.
        offset: i64,
    },
    /// The log starts later than where we stood: the offsets from `from` up to `to` are lost. Reading goes on at `to`.
    Lost {
        /// Its partition.
        slot: S,
        /// The first lost offset.
        from: i64,
        /// One past the last.
        to: i64,
        /// Why, as in [`Gap::reason`](crate::core::partial::Gap).
        reason: &'static str,
    },
    /// Nothing more is read from the partition until it is assigned again.
    Stopped {
        /// Its partition.
        slot: S,
        /// Why.
        stop: Stop,
    },
    /// Something went wrong that may pass by itself; it is tried again.
    Trouble {
        /// Its partition.
        slot: S,
        /// What librdkafka said.
        error: String,
    },
}

/// Why a partition was stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Where we stood.
    pub next: i64,
    /// The kind.
    pub reason: StopReason,
}

/// What stopped a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StopReason {
    /// Our position lies after the log's end: the topic was made anew, or its end was lost.
    BeyondEnd {
        /// The log's first offset.
        low: i64,
        /// The log's end.
        high: i64,
    },
    /// The topic has another id than before ([`stop`](KafkaConsumer::stop)).
    Recreated {
        /// The id that our positions belong to.
        known: Arc<str>,
        /// The id that the topic has now.
        found: Arc<str>,
    },
    /// A batch fails its checksum or does not decompress, again and again.
    Corrupt(String),
}

impl StopReason {
    /// A short word for it: `beyond_end`, `recreated`, `corrupt`.
    pub fn word(&self) -> &'static str {
        match self {
            StopReason::BeyondEnd { .. } => "beyond_end",
            StopReason::Recreated { .. } => "recreated",
            StopReason::Corrupt(_) => "corrupt",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stop { topic, partition, next, reason } = self;
        match reason {
            StopReason::BeyondEnd { low, high } => write!(
                f,
                "{topic}/{partition}: the journal stands at offset {next}, but the log holds {low} to {high} only; \
                 was the topic deleted and made anew?"
            ),
            StopReason::Recreated { known, found } => write!(
                f,
                "{topic}/{partition}: the topic was deleted and made anew (id {known} then, {found} now); \
                 the journal's offset {next} is none of its"
            ),
            StopReason::Corrupt(error) => {
                write!(f, "{topic}/{partition}: the batch at offset {next} cannot be read: {error}")
            }
        }
    }
}

/// A consumer of assigned partitions. One for each ingest thread and cluster; it may be made on another thread.
///
/// Dropping it waits for librdkafka to end, which may take seconds while a broker is away.
pub struct KafkaConsumer<S> {
    brokers: String,
    batch: BatchConsumer,
    lanes: Lanes<S>,
}

struct Lanes<S> {
    all: Vec<Lane<S>>,
    /// Where messages of a (topic, partition) go, by index into `all`.
    known: HashMap<(TopicKey, i32), usize>,
    recent: Option<((TopicKey, i32), usize)>,
    /// Whether a lane is in `State::Refused`.
    refused: bool,
}

struct Lane<S> {
    slot: S,
    topic: Arc<str>,
    partition: i32,
    next: i64,
    state: State,
    /// Position and moment of the last end mark that was the high watermark.
    confirmed: Option<(i64, Instant)>,
    /// The last sign of life from the partition's broker, and `next` at that time.
    heard: (i64, Instant),
    /// Broken batches at `next` in a row.
    corrupt: u32,
}

/// What is done with what librdkafka brings for a lane.
#[derive(PartialEq, Eq)]
enum State {
    Reading,
    /// The broker refused the position, or its batch is broken: dropped until it is put right, not before the moment.
    Refused {
        broken: Option<String>,
        at: Instant,
    },
    /// Taken from librdkafka until it is resumed.
    Paused,
    Stopped,
}

impl<S: Copy + PartialEq> KafkaConsumer<S> {
    /// Makes a consumer with nothing assigned. It does not wait for a broker.
    pub fn open(config: &KafkaConfig) -> Result<KafkaConsumer<S>, SourceError> {
        let brokers = config.brokers.clone();
        let batch = BatchConsumer::new(config.consumer()?).ok_or_else(|| SourceError::Client {
            brokers: brokers.clone(),
            error: Box::new(rdkafka::error::KafkaError::ClientCreation("no consumer queue".into())),
        })?;
        let lanes = Lanes { all: Vec::new(), known: HashMap::new(), recent: None, refused: false };
        Ok(KafkaConsumer { brokers, batch, lanes })
    }

    /// Reads these partitions as well, from their offsets on. A slot that is assigned already is moved.
    pub fn assign(&mut self, assignments: &[Assignment<S>]) -> Result<(), SourceError> {
        if assignments.is_empty() {
            return Ok(());
        }
        for moved in assignments {
            self.unassign(moved.slot)?;
        }
        list(assignments.iter().map(|a| (&a.topic, a.partition, Some(a.offset))))
            .and_then(|list| self.batch.consumer().incremental_assign(&list))
            .map_err(|error| SourceError::Assign {
                verb: "assign",
                what: names(assignments.iter().map(|a| (&a.topic, a.partition))),
                error: Box::new(error),
            })?;
        let now = Instant::now();
        self.lanes.all.extend(assignments.iter().map(|a| Lane {
            slot: a.slot,
            topic: a.topic.clone(),
            partition: a.partition,
            next: a.offset,
            state: State::Reading,
            confirmed: None,
            heard: (a.offset, now),
            corrupt: 0,
        }));
        self.lanes.forget_keys();
        Ok(())
    }

    /// Reads the partition no more. Nothing happens if it is not assigned.
    pub fn unassign(&mut self, slot: S) -> Result<(), SourceError> {
        let Some(at) = self.lanes.find(slot) else { return Ok(()) };
        let lane = self.lanes.all.swap_remove(at);
        self.lanes.forget_keys();
        if matches!(lane.state, State::Stopped | State::Paused) {
            return Ok(());
        }
        list([(&lane.topic, lane.partition, None)])
            .and_then(|list| self.batch.consumer().incremental_unassign(&list))
            .map_err(|error| SourceError::Assign {
                verb: "unassign",
                what: lane.name(),
                error: Box::new(error),
            })
    }

    /// Stops the partition, for a reason that the caller found out: the topic has another id. None if it is not assigned.
    pub fn stop(&mut self, slot: S, reason: StopReason) -> Result<Option<Stop>, SourceError> {
        let Some(at) = self.lanes.find(slot) else { return Ok(None) };
        let lane = &mut self.lanes.all[at];
        if !matches!(lane.state, State::Stopped | State::Paused) {
            let detach = list([(&lane.topic, lane.partition, None)])
                .and_then(|list| self.batch.consumer().incremental_unassign(&list));
            detach.map_err(|error| SourceError::Assign {
                verb: "unassign",
                what: lane.name(),
                error: Box::new(error),
            })?;
        }
        lane.state = State::Stopped;
        Ok(Some(Stop { topic: lane.topic.clone(), partition: lane.partition, next: lane.next, reason }))
    }

    /// Fetches nothing from the partition until [`resume`](Self::resume); what was fetched and not yet handed over is
    /// dropped, and fetched again then.
    ///
    /// It is taken from librdkafka and given back from `next`. librdkafka's own pause goes on from its idea of our
    /// position, which the batch call moves one too far at an end mark: the first record after it would be lost.
    pub fn pause(&mut self, slot: S) -> Result<(), SourceError> {
        let Some(lane) = self.lanes.find(slot).map(|at| &mut self.lanes.all[at]) else { return Ok(()) };
        if matches!(lane.state, State::Stopped | State::Paused) {
            return Ok(());
        }
        list([(&lane.topic, lane.partition, None)])
            .and_then(|list| self.batch.consumer().incremental_unassign(&list))
            .map_err(|error| SourceError::Assign {
                verb: "pause",
                what: lane.name(),
                error: Box::new(error),
            })?;
        lane.state = State::Paused;
        self.lanes.forget_keys();
        Ok(())
    }

    /// Goes on with a paused partition.
    pub fn resume(&mut self, slot: S) -> Result<(), SourceError> {
        let Some(lane) = self.lanes.find(slot).map(|at| &mut self.lanes.all[at]) else { return Ok(()) };
        if lane.state != State::Paused {
            return Ok(());
        }
        list([(&lane.topic, lane.partition, Some(lane.next))])
            .and_then(|list| self.batch.consumer().incremental_assign(&list))
            .map_err(|error| SourceError::Assign {
                verb: "resume",
                what: lane.name(),
                error: Box::new(error),
            })?;
        lane.state = State::Reading;
        self.lanes.forget_keys();
        Ok(())
    }

    /// Hands over what was fetched, up to about a thousand messages; waits for the first up to the timeout. Returns how
    /// many there were; 0 means that the timeout is over.
    ///
    /// A partition whose position was refused is put right in here, which may take a few seconds of asking the broker.
    #[inline]
    pub fn poll(&mut self, timeout: Duration, on: &mut impl FnMut(Delivery<'_, S>)) -> usize {
        let lanes = &mut self.lanes;
        let count = self.batch.poll(timeout, |raw, consumer| {
            let Some(at) = lanes.locate(raw) else { return };
            let Some(lane) = lanes.all.get_mut(at) else { return };
            match raw.error() {
                None => lane.message(raw, on),
                Some(code) => lanes.refused |= lane.error(code, raw, consumer, on),
            }
        });
        if self.lanes.refused {
            self.put_right(on);
        }
        count
    }

    /// Whether the partition is stopped.
    pub fn is_stopped(&self, slot: S) -> bool {
        self.lanes.find(slot).is_some_and(|at| self.lanes.all[at].state == State::Stopped)
    }

    /// The next offset of the partition: one past what was delivered or covered. None if it is not assigned.
    pub fn next(&self, slot: S) -> Option<i64> {
        self.lanes.find(slot).map(|at| self.lanes.all[at].next)
    }

    /// Where the partition stands towards its end, given the brokers' last answers. To be asked about once a second.
    pub fn standing(&mut self, slot: S, ends: &Ends) -> Standing {
        let Some(at) = self.lanes.find(slot) else { return Standing::Behind };
        let lane = &mut self.lanes.all[at];
        let now = Instant::now();
        if lane.next != lane.heard.0 {
            lane.heard = (lane.next, now);
        }
        let answer = ends.get(&lane.topic, lane.partition).map(|answer| (answer.high, answer.asked));
        // the latest word counts: an end that was confirmed is none any more once a later answer lies beyond it
        let word = answer.into_iter().chain(lane.confirmed).max_by_key(|(_, at)| *at);
        let beyond = fetched_high(self.batch.consumer(), &lane.topic, lane.partition) > Some(lane.next);
        let within = |at: Instant, bound: Duration| now.saturating_duration_since(at) <= bound;
        let confirmed = word.is_some_and(|(high, at)| high == lane.next && within(at, ANSWER_FRESH));
        let follows = answer.is_some_and(|(high, at)| high <= lane.next && within(at, ANSWER_FRESH));
        let heard = answer.map_or(lane.heard.1, |(_, at)| at.max(lane.heard.1));
        match () {
            () if lane.state == State::Stopped => Standing::Stopped,
            () if confirmed && !beyond => Standing::AtEnd,
            () if follows => Standing::Following,
            () if within(heard, UNREACHABLE_AFTER) => Standing::Behind,
            () => Standing::Unreachable,
        }
    }

    /// How many offsets lie before the high watermark, as far as known: the lag that monitors show.
    pub fn lag(&self, slot: S, ends: &Ends) -> Option<u64> {
        let lane = &self.lanes.all[self.lanes.find(slot)?];
        let fetched = fetched_high(self.batch.consumer(), &lane.topic, lane.partition);
        let answered = ends.get(&lane.topic, lane.partition).map(|answer| answer.high);
        u64::try_from(fetched.max(answered)?.saturating_sub(lane.next).max(0)).ok()
    }

    /// Asks the broker up to where committed records can be read now: what `--until-end` reads to. None if it is not
    /// assigned.
    pub fn stable_end(&self, slot: S) -> Result<Option<i64>, SourceError> {
        let Some(at) = self.lanes.find(slot) else { return Ok(None) };
        let lane = &self.lanes.all[at];
        let answer = self.batch.consumer().fetch_watermarks(&lane.topic, lane.partition, QUERY_TIMEOUT);
        answer.map(|(_, high)| Some(high)).map_err(|error| SourceError::Query {
            brokers: self.brokers.clone(),
            what: format!("the end of {}/{}", lane.topic, lane.partition),
            error: Box::new(error),
        })
    }

    /// Finds out why positions were refused: what lies before the log is lost and reading goes on at its start; what
    /// lies after its end stops the partition; anything else is tried again.
    #[cold]
    fn put_right(&mut self, on: &mut impl FnMut(Delivery<'_, S>)) {
        let consumer = self.batch.consumer();
        let mut waiting = false;
        for lane in &mut self.lanes.all {
            let State::Refused { broken, at } = &lane.state else { continue };
            if *at > Instant::now() {
                waiting = true;
                continue;
            }
            let broken = broken.clone();
            let mut trouble = |lane: &mut Lane<S>, error: String| {
                lane.state = State::Refused { broken: broken.clone(), at: Instant::now() + RETRY };
                waiting = true;
                on(Delivery::Trouble { slot: lane.slot, error });
            };
            let verdict = match &broken {
                Some(error) if lane.corrupt >= CORRUPT_MAX => Err(StopReason::Corrupt(error.clone())),
                Some(_) => Ok(lane.next),
                None => match consumer.fetch_watermarks(&lane.topic, lane.partition, QUERY_TIMEOUT) {
                    Err(error) => {
                        trouble(lane, format!("cannot ask where the log of {} begins: {error}", lane.name()));
                        continue;
                    }
                    Ok((low, high)) if lane.next > high => Err(StopReason::BeyondEnd { low, high }),
                    Ok((low, _)) => Ok(lane.next.max(low)),
                },
            };
            let place = list([(&lane.topic, lane.partition, verdict.as_ref().ok().copied())]);
            let moved = place.and_then(|place| {
                // may be detached already by an attempt that failed half way
                let detached = consumer.incremental_unassign(&place);
                if verdict.is_ok() { consumer.incremental_assign(&place) } else { detached }
            });
            match (moved, verdict) {
                (Err(error), _) => {
                    let error = format!("cannot move {} to another offset: {error}", lane.name());
                    trouble(lane, error);
                }
                (Ok(()), Ok(to)) => {
                    lane.state = State::Reading;
                    let from = lane.next;
                    if to > from {
                        lane.next = to;
                        on(Delivery::Lost { slot: lane.slot, from, to, reason: "retention" });
                    }
                }
                (Ok(()), Err(reason)) => {
                    lane.state = State::Stopped;
                    let (topic, partition, next) = (lane.topic.clone(), lane.partition, lane.next);
                    on(Delivery::Stopped { slot: lane.slot, stop: Stop { topic, partition, next, reason } });
                }
            }
        }
        self.lanes.refused = waiting;
        self.lanes.forget_keys();
    }
}

impl<S: Copy + PartialEq> Lanes<S> {
    fn find(&self, slot: S) -> Option<usize> {
        self.all.iter().position(|lane| lane.slot == slot)
    }

    /// The lane of a message. Messages come in runs of one partition.
    #[inline]
    fn locate(&mut self, raw: Raw<'_>) -> Option<usize> {
        let key = (raw.topic_key(), raw.partition());
        match self.recent {
            Some((recent, at)) if recent == key => Some(at),
            _ => self.look_up(key, raw),
        }
    }

    fn look_up(&mut self, key: (TopicKey, i32), raw: Raw<'_>) -> Option<usize> {
        let at = match self.known.get(&key) {
            Some(&at) => at,
            None => {
                let topic = raw.topic()?;
                let at =
                    self.all.iter().position(|l| l.partition == raw.partition() && *l.topic == *topic)?;
                self.known.insert(key, at);
                at
            }
        };
        self.recent = Some((key, at));
        Some(at)
    }

    /// To be called when `all` changes: keys stand for topics only while something of them is assigned.
    fn forget_keys(&mut self) {
        self.known.clear();
        self.recent = None;
    }
}

impl<S: Copy> Lane<S> {
    fn name(&self) -> String {
        format!("{}/{}", self.topic, self.partition)
    }

    #[inline]
    fn message(&mut self, raw: Raw<'_>, on: &mut impl FnMut(Delivery<'_, S>)) {
        let (slot, offset) = (self.slot, raw.offset());
        if self.state != State::Reading {
            // it comes again once the partition is put right
        } else if offset >= self.next {
            self.next = offset + 1;
            self.corrupt = 0;
            let (payload, key, headers) = (raw.payload(), raw.key(), raw.headers());
            on(Delivery::Message { slot, offset, payload, key, headers });
        } else {
            on(Delivery::Replayed { slot, offset });
        }
    }

    /// Whether the partition has to be put right.
    #[cold]
    fn error(
        &mut self,
        code: Code,
        raw: Raw<'_>,
        consumer: &BaseConsumer<Logged>,
        on: &mut impl FnMut(Delivery<'_, S>),
    ) -> bool {
        if self.state != State::Reading {
            return false;
        }
        let (slot, offset) = (self.slot, raw.offset());
        let text = || String::from_utf8_lossy(raw.payload().unwrap_or_default()).into_owned();
        match code {
            Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                if offset >= self.next {
                    self.next = offset;
                    let confirmed = fetched_high(consumer, &self.topic, self.partition) == Some(offset);
                    let now = Instant::now();
                    self.heard = (offset, now);
                    self.confirmed = confirmed.then_some((offset, now));
                    on(Delivery::End { slot, offset, confirmed });
                }
                return false;
            }
            Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET | Code::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE => {
                self.state = State::Refused { broken: None, at: Instant::now() };
            }
            Code::RD_KAFKA_RESP_ERR__BAD_MSG
            | Code::RD_KAFKA_RESP_ERR__BAD_COMPRESSION
            | Code::RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED
            | Code::RD_KAFKA_RESP_ERR_INVALID_MSG => {
                self.corrupt += 1;
                self.state = State::Refused { broken: Some(text()), at: Instant::now() };
                on(Delivery::Trouble { slot, error: text() });
            }
            _ => {
                on(Delivery::Trouble { slot, error: text() });
                return false;
            }
        }
        true
    }
}

type Place<'a> = (&'a Arc<str>, i32, Option<i64>);

fn list<'a>(places: impl IntoIterator<Item = Place<'a>>) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset) in places {
        list.add_partition_offset(topic, partition, offset.map_or(Offset::Invalid, Offset::Offset))?;
    }
    Ok(list)
}

fn names<'a>(places: impl IntoIterator<Item = (&'a Arc<str>, i32)>) -> String {
    places.into_iter().map(|(topic, partition)| format!("{topic}/{partition}")).collect::<Vec<_>>().join(", ")
}
