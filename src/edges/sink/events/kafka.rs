//! Events in Kafka transactions, each together with the progress in a compacted topic.
//!
//! Invariant: events and the progress that covers them are committed in one transaction. After any result
//! that is not plainly a success the producer is destroyed, a new one fences the old, the progress is read
//! again, and publishing goes on from there.

use crate::core::event::Event;
use crate::core::rollup::OutputPosition;
use crate::edges::crash;
use crate::edges::sink::events::reader::ProgressReader;
use crate::edges::sink::events::topics::make_topics;
use crate::edges::sink::events::trouble::{Trouble, refused, retry};
use crate::edges::sink::events::{EventError, KafkaTarget, Progress, envelope, own};
use crate::edges::sink::kafka::{REQUEST_TIMEOUT, code, config, is_refusal};
use crate::edges::sink::{Control, Owner};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// Events of one transaction at most: bounds its memory and its time.
const TRANSACTION_EVENTS_MAX: usize = 10_000;
/// A transaction lives for milliseconds; the broker aborts one that was left open after this.
const TRANSACTION_TIMEOUT_MS: &str = "30000";
/// A record that is not acknowledged by then makes its transaction fail.
const MESSAGE_TIMEOUT_MS: &str = "20000";
/// How long flush and commit may take before the result counts as unknown.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(25);
/// Between two looks for acknowledgements.
const PAUSE: Duration = Duration::from_micros(200);

/// An open transactional producer and what it has published.
pub struct KafkaEvents {
    target: KafkaTarget,
    owner: Owner,
    control: Control,
    /// None until connected, and after any result that is not plainly a success.
    producer: Option<BaseProducer<Deliveries>>,
    reader: Option<ProgressReader>,
    progress: Progress,
}

impl KafkaEvents {
    pub(super) fn open(
        target: &KafkaTarget,
        owner: &Owner,
        control: &Control,
    ) -> Result<(KafkaEvents, Option<Progress>), EventError> {
        let mut sink = KafkaEvents {
            target: target.clone(),
            owner: owner.clone(),
            control: control.clone(),
            producer: None,
            reader: None,
            progress: Progress { journal: owner.journal.to_string(), ..Progress::default() },
        };
        // refuse before anybody is fenced
        let reading = format!("reading topic {}", target.state_topic);
        own(&sink.place(), owner, retry(control, &reading, || sink.read())?)?;
        let action = format!("preparing topics {} and {}", target.topic, target.state_topic);
        retry(control, &action, || make_topics(sink.reader()?.client(), target, control))?;
        let connecting = format!("starting transactions at topic {}", target.topic);
        let found = retry(control, &connecting, || sink.connect())?;
        if found.is_none() {
            // a takeover is claimed before anything is published; a first start says that it is there
            let takeover = owner.takeover.as_ref();
            sink.progress.cut = takeover.map_or(0, |t| t.cut);
            sink.progress.sequences = takeover.map(|t| t.sequences.clone()).unwrap_or_default();
            retry(control, "claiming the state topic", || {
                sink.connect()?;
                let progress = sink.progress.clone();
                let shards = progress.shards();
                sink.transaction(&[], progress, &shards)
            })?;
        }
        Ok((sink, found))
    }

    pub(super) fn publish(
        &mut self,
        events: &[Event],
        at: OutputPosition,
        cut: u64,
    ) -> Result<usize, EventError> {
        let before = self.progress.at;
        let control = self.control.clone();
        let action = format!("publishing to topic {}", self.target.topic);
        retry(&control, &action, || self.attempt(events, at, cut))?;
        Ok(events.iter().filter(|e| e.position > before).count())
    }

    /// Publishes what the progress does not cover yet.
    fn attempt(&mut self, events: &[Event], at: OutputPosition, cut: u64) -> Result<(), Trouble> {
        self.owner.end = self.owner.end.max(at.position);
        self.connect()?;
        let done = self.progress.at;
        let fresh: Vec<&Event> = events.iter().filter(|e| e.position > done).collect();
        let mut parts = fresh.chunks(TRANSACTION_EVENTS_MAX).peekable();
        while let Some(part) = parts.next() {
            let reached = match (parts.peek(), part.last()) {
                (Some(_), Some(last)) => last.position,
                _ => at,
            };
            let mut progress = Progress { at: reached, cut, ..self.progress.clone() };
            let shards = progress.advance(part);
            self.transaction(part, progress, &shards)?;
        }
        if self.progress.at < at || self.progress.cut < cut {
            let progress = Progress { at: at.max(self.progress.at), cut, ..self.progress.clone() };
            self.transaction(&[], progress, &BTreeSet::new())?;
        }
        Ok(())
    }

    /// One transaction: events, and the progress that covers them. Whatever fails, the producer is gone.
    fn transaction(
        &mut self,
        events: &[&Event],
        progress: Progress,
        shards: &BTreeSet<u64>,
    ) -> Result<(), Trouble> {
        let Some(producer) = self.producer.take() else {
            return Err(KafkaError::Canceled.into());
        };
        let incarnation = self.owner.incarnations.last().map(|id| id.to_string()).unwrap_or_default();
        let progress = Progress { incarnation, ..progress };
        crash::point("events.before");
        producer.begin_transaction().map_err(|e| self.trouble(&producer, e))?;
        for event in events {
            let (said, value) =
                envelope::record(event, &self.owner.pipeline, &self.owner.journal, self.target.mode);
            let mut headers = OwnedHeaders::new_with_capacity(said.len());
            for (key, value) in &said {
                headers = headers.insert(Header { key, value: Some(value) });
            }
            let record = BaseRecord::to(&self.target.topic).key(&*event.key).payload(&value).headers(headers);
            send(&producer, record).map_err(|e| self.trouble(&producer, e))?;
        }
        for (key, value) in progress.records(&self.owner.pipeline, shards) {
            let record = BaseRecord::to(&self.target.state_topic).key(key.as_str()).payload(&value);
            send(&producer, record).map_err(|e| self.trouble(&producer, e))?;
        }
        flush(&producer).map_err(|e| self.trouble(&producer, e))?;
        crash::point("events.sent");
        producer.commit_transaction(COMMIT_TIMEOUT).map_err(|e| self.trouble(&producer, e))?;
        crash::point("events.after");
        self.producer = Some(producer);
        self.owner.published = Some(progress.at);
        self.progress = progress;
        Ok(())
    }

    /// A producer that has fenced every older one, and the progress as it stands after that.
    fn connect(&mut self) -> Result<Option<Progress>, Trouble> {
        if self.producer.is_some() {
            return Ok(Some(self.progress.clone()));
        }
        let producer: BaseProducer<Deliveries> = config(&self.target.properties)
            .set("transactional.id", self.transactional_id())
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
            .set("message.timeout.ms", MESSAGE_TIMEOUT_MS)
            .set("linger.ms", "0")
            .set("compression.codec", "lz4")
            .set("queue.buffering.max.kbytes", "32768")
            .create_with_context(Deliveries::default())
            .map_err(|e| refused("starting the events' producer", &e))?;
        // librdkafka asks a broker that it has learned of for the coordinator, and without one again in 500 ms: this
        // connects to one
        producer.client().fetch_watermarks(&self.target.state_topic, 0, REQUEST_TIMEOUT)?;
        producer.init_transactions(REQUEST_TIMEOUT).map_err(|e| self.trouble(&producer, e))?;
        let found = self.read()?;
        let found = own(&self.place(), &self.owner, found).map_err(|e| Trouble::Final(e.into()))?;
        // from now on nothing less than this may be found, and anything that this process published
        self.owner.published = found.as_ref().map(|f| f.at).max(self.owner.published);
        if let Some(found) = &found {
            self.progress = found.clone();
        }
        self.producer = Some(producer);
        Ok(found)
    }

    /// The progress as it is committed now.
    fn read(&mut self) -> Result<Option<Progress>, Trouble> {
        self.reader()?.read()
    }

    fn reader(&mut self) -> Result<&mut ProgressReader, Trouble> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => ProgressReader::new(&self.target, &self.owner.pipeline)
                .map_err(|e| refused("starting the reader of the progress", &e))?,
        };
        Ok(self.reader.insert(reader))
    }

    /// What an error of the producer means.
    fn trouble(&self, producer: &BaseProducer<Deliveries>, error: KafkaError) -> Trouble {
        let fatal = producer.client().fatal_error().map(|(code, _)| code);
        let delivery = producer.context().first_error();
        for code in [fatal, code(&error), delivery].into_iter().flatten() {
            use RDKafkaErrorCode as Code;
            match code {
                Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => {
                    let transactional_id = self.transactional_id();
                    return Trouble::Final(EventError::Fenced { transactional_id });
                }
                code if is_refusal(code) => {
                    let action =
                        format!("publishing to topics {} and {}", self.target.topic, self.target.state_topic);
                    return Trouble::Final(EventError::Refused { action, error: code.to_string() });
                }
                _ => {}
            }
        }
        Trouble::Passing(error)
    }

    fn transactional_id(&self) -> String {
        format!("ninetail-{}", self.owner.pipeline)
    }

    fn place(&self) -> String {
        format!("topic {}", self.target.state_topic)
    }
}

/// Sends, serving deliveries while the queue is full.
fn send(producer: &BaseProducer<Deliveries>, record: BaseRecord<'_, str, Vec<u8>>) -> KafkaResult<()> {
    let deadline = Instant::now() + COMMIT_TIMEOUT;
    let mut record = record;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again))
                if Instant::now() < deadline =>
            {
                record = again;
                producer.poll(Duration::from_millis(20));
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Waits for all acknowledgements. Neither the producer's own flush nor a poll with a timeout serves here: the one waits
/// for 100 ms at a time, the other spins through the last millisecond.
fn flush(producer: &BaseProducer<Deliveries>) -> KafkaResult<()> {
    let deadline = Instant::now() + COMMIT_TIMEOUT;
    loop {
        producer.poll(Duration::ZERO);
        if producer.in_flight_count() == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut));
        }
        thread::sleep(PAUSE);
    }
}

/// Keeps the first error of a delivery: why a transaction failed.
#[derive(Default)]
struct Deliveries {
    first: Mutex<Option<RDKafkaErrorCode>>,
}

impl Deliveries {
    fn first_error(&self) -> Option<RDKafkaErrorCode> {
        self.first.lock().map_or(None, |first| *first)
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let (Err((error, _)), Ok(mut first)) = (result, self.first.lock()) {
            *first = first.or_else(|| code(error));
        }
    }
}
