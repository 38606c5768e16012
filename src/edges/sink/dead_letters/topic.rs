//! Dead letters to a Kafka topic, acknowledged by all replicas.
//!
//! Invariant: a flush returns only when every letter of its thread is in the topic, or in the file for what
//! the topic refused. A broker that is away is waited for.

use crate::edges::sink::Control;
use crate::edges::sink::dead_letters::file::LetterFile;
use crate::edges::sink::dead_letters::{Letter, LetterCounts, LetterError};
use crate::edges::sink::kafka::{config, ensure};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Letters on their way, KiB: what a flood of bad lines may hold in memory.
const QUEUE_KBYTES_MAX: &str = "16384";
/// A letter waits for a broker however long.
const MESSAGE_TIMEOUT_MS: &str = "0";
/// A poll takes all of its time even when all is answered.
const POLL: Duration = Duration::from_millis(1);

/// What one thread has sent and has no answer for.
#[derive(Default)]
pub(super) struct Waiting {
    letters: AtomicUsize,
    /// The file could not take what the topic refused.
    failed: Mutex<Option<LetterError>>,
}

/// A producer shared by all ingest threads.
pub(super) struct LetterTopic {
    topic: String,
    control: Control,
    made: AtomicBool,
    producer: BaseProducer<Answers>,
}

impl LetterTopic {
    pub(super) fn open(
        properties: &BTreeMap<String, String>,
        topic: &str,
        refused: &Path,
        control: &Control,
    ) -> Result<LetterTopic, LetterError> {
        let answers = Answers {
            kept: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            file: Mutex::new(None),
            path: refused.to_owned(),
            control: control.clone(),
        };
        let producer = config(properties)
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", MESSAGE_TIMEOUT_MS)
            .set("linger.ms", "5")
            .set("compression.codec", "lz4")
            .set("queue.buffering.max.kbytes", QUEUE_KBYTES_MAX)
            .create_with_context(answers)
            .map_err(|e| LetterError::Refused { topic: topic.to_owned(), error: e.to_string() })?;
        Ok(LetterTopic {
            topic: topic.to_owned(),
            control: control.clone(),
            made: AtomicBool::new(false),
            producer,
        })
    }

    pub(super) fn counts(&self) -> LetterCounts {
        let answers = self.producer.context();
        let dropped = answers.file().as_ref().map_or(0, |f| f.counts().dropped);
        LetterCounts {
            kept: answers.kept.load(Ordering::Relaxed),
            refused: answers.refused.load(Ordering::Relaxed),
            dropped,
        }
    }

    pub(super) fn send(&self, letter: &Letter<'_>, waiting: &Arc<Waiting>) -> Result<(), LetterError> {
        if !self.made.swap(true, Ordering::Relaxed) {
            self.make();
        }
        let mut value = Vec::with_capacity(letter.kept().len() + 256);
        letter.write_json(&mut value);
        let key = letter.key();
        let (partition, offset) = (letter.partition.to_string(), letter.offset.to_string());
        let headers = OwnedHeaders::new()
            .insert(Header { key: "content-type", value: Some("application/json") })
            .insert(Header { key: "reason", value: Some(letter.reason) })
            .insert(Header { key: "source", value: Some(letter.source) })
            .insert(Header { key: "topic", value: Some(letter.topic) })
            .insert(Header { key: "partition", value: Some(&partition) })
            .insert(Header { key: "offset", value: Some(&offset) });
        waiting.letters.fetch_add(1, Ordering::AcqRel);
        let mut record = BaseRecord::with_opaque_to(&self.topic, waiting.clone())
            .key(&key)
            .payload(&value)
            .headers(headers);
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    if self.control.stopped() {
                        waiting.letters.fetch_sub(1, Ordering::AcqRel);
                        return Err(self.stopped(waiting));
                    }
                    record = again;
                    self.producer.poll(POLL);
                }
                Err((_, refused)) => {
                    drop(refused);
                    self.producer.context().refused(&value, waiting);
                    break;
                }
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    pub(super) fn flush(&self, waiting: &Waiting) -> Result<(), LetterError> {
        while waiting.letters.load(Ordering::Acquire) > 0 {
            // any thread's poll serves all threads' answers, so this one looks again soon
            self.producer.poll(POLL);
            if self.control.stopped() && waiting.letters.load(Ordering::Acquire) > 0 {
                // a healthy broker answers within a moment
                let _ = self.producer.flush(Duration::from_secs(2));
                if waiting.letters.load(Ordering::Acquire) > 0 {
                    return Err(self.stopped(waiting));
                }
            }
        }
        match waiting.failed.lock().ok().and_then(|mut failed| failed.take()) {
            Some(error) => Err(error),
            None => match &mut *self.producer.context().file() {
                Some(file) => file.sync(),
                None => Ok(()),
            },
        }
    }

    /// Makes the topic if it is not there. If that fails the letters find out.
    fn make(&self) {
        let made = ensure(self.producer.client(), &self.topic, None, &[]);
        if let Err(error) = made {
            (self.control.log)(&format!("making topic {}: {error}", self.topic));
        }
    }

    fn stopped(&self, waiting: &Waiting) -> LetterError {
        let waiting = waiting.letters.load(Ordering::Acquire);
        LetterError::Stopped { topic: self.topic.clone(), waiting }
    }
}

/// Takes the broker's answers.
struct Answers {
    kept: AtomicU64,
    refused: AtomicU64,
    /// Opened for the first letter that the topic refuses.
    file: Mutex<Option<LetterFile>>,
    path: PathBuf,
    control: Control,
}

impl Answers {
    fn file(&self) -> MutexGuard<'_, Option<LetterFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a refused letter in the file, which the flush syncs.
    fn refused(&self, value: &[u8], waiting: &Waiting) {
        let mut line = value.to_vec();
        line.push(b'\n');
        let mut file = self.file();
        let kept = match &mut *file {
            Some(file) => file.append(&mut line),
            None => LetterFile::open(&self.path).and_then(|opened| file.insert(opened).append(&mut line)),
        };
        drop(file);
        match kept {
            Ok(()) => {
                self.kept.fetch_add(1, Ordering::Relaxed);
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                if let Ok(mut failed) = waiting.failed.lock() {
                    *failed = Some(error);
                }
            }
        }
        waiting.letters.fetch_sub(1, Ordering::AcqRel);
    }
}

impl ClientContext for Answers {}

impl ProducerContext for Answers {
    type DeliveryOpaque = Arc<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Arc<Waiting>) {
        match result {
            Ok(_) => {
                self.kept.fetch_add(1, Ordering::Relaxed);
                waiting.letters.fetch_sub(1, Ordering::AcqRel);
            }
            Err((error, message)) => {
                let before = self.refused.load(Ordering::Relaxed);
                if before.is_power_of_two() || before == 0 {
                    let path = self.path.display();
                    (self.control.log)(&format!(
                        "the dead letters' topic refuses: {error}; keeping in {path}"
                    ));
                }
                self.refused(message.payload().unwrap_or_default(), &waiting);
            }
        }
    }
}
