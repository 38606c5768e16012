//! Where the generated lines go: stdout, a file, or a Kafka topic; flat out or paced.

use super::{Traffic, TrafficArgs};
use crate::core::time::Time;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a topic that a broker makes on demand may take to appear.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);

/// Why no more traffic could be written.
#[derive(thiserror::Error, Debug)]
pub enum TrafficError {
    /// An incident names a service that the traffic does not have.
    #[error("incident of `{service}`: there is no such service among the {count} generated ones")]
    UnknownService {
        /// The service.
        service: String,
        /// How many there are.
        count: usize,
    },
    /// The file cannot be made.
    #[error("cannot create {path}: {error}", path = path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Writing failed.
    #[error("cannot write the lines: {0}")]
    Write(#[from] io::Error),
    /// The topic has no partitions: it does not exist.
    #[error("topic {topic} does not exist at {brokers}: create it first")]
    NoTopic {
        /// The topic.
        topic: String,
        /// The brokers asked.
        brokers: String,
    },
    /// Kafka did not take the lines.
    #[error("cannot produce to topic {topic}: {error}")]
    Produce {
        /// The topic.
        topic: String,
        /// What Kafka said.
        error: KafkaError,
    },
}

/// Writes all lines. A reader that closes its pipe has had enough: no error.
pub(super) fn write(args: &TrafficArgs) -> Result<(), TrafficError> {
    match write_all(args) {
        Err(TrafficError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn write_all(args: &TrafficArgs) -> Result<(), TrafficError> {
    let mut traffic = Traffic::new(args.config(now()));
    if let Some(unknown) = args.incidents.iter().find(|i| !traffic.has_service(&i.service)) {
        return Err(TrafficError::UnknownService { service: unknown.service.clone(), count: args.services });
    }
    let mut sink = Sink::open(args)?;
    let mut pace = Pace { began: Instant::now(), first: traffic.next_arrival(), rated: args.rate.is_some() };
    let end = args.length_us().map(|length| Time(pace.first.0 + length));
    let mut line = Vec::with_capacity(1_024);
    let mut left = args.lines().unwrap_or(u64::MAX);
    while left > 0 && end.is_none_or(|end| traffic.next_arrival() < end) {
        if let Some(wait) = pace.ahead(traffic.next_arrival()) {
            sink.flush()?;
            std::thread::sleep(wait);
        }
        traffic.next_line(&mut line);
        sink.line(&mut line)?;
        left -= 1;
    }
    sink.finish()
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(since.as_micros() as i64)
}

/// Holds lines back until they arrive in real time.
struct Pace {
    began: Instant,
    first: Time,
    rated: bool,
}

impl Pace {
    /// How long to wait for the arrival: at least some milliseconds, so that lines go out in small groups.
    fn ahead(&mut self, arrival: Time) -> Option<Duration> {
        if !self.rated {
            return None;
        }
        let due = Duration::from_micros((arrival.0 - self.first.0).max(0) as u64);
        let wait = due.checked_sub(self.began.elapsed())?;
        (wait > Duration::from_millis(2)).then_some(wait)
    }
}

/// Keeps the first delivery that failed.
#[derive(Default)]
pub(super) struct Deliveries(Mutex<Option<KafkaError>>);

impl Deliveries {
    fn failed(&self) -> Option<KafkaError> {
        self.0.lock().ok()?.clone()
    }
}

impl rdkafka::ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let (Err((error, _)), Ok(mut first)) = (result, self.0.lock()) {
            first.get_or_insert_with(|| error.clone());
        }
    }
}

/// Where lines go.
pub(super) enum Sink {
    Writer(Box<dyn Write>),
    Topic { producer: BaseProducer<Deliveries>, topic: String, partitions: i32, next: i32 },
}

impl Sink {
    fn open(args: &TrafficArgs) -> Result<Sink, TrafficError> {
        if let (Some(topic), Some(brokers)) = (&args.topic, &args.brokers) {
            return Sink::topic(topic, brokers);
        }
        let writer: Box<dyn Write> = if args.output.as_os_str() == "-" {
            Box::new(io::stdout().lock())
        } else {
            let create = |error| TrafficError::Create { path: args.output.clone(), error };
            Box::new(File::create(&args.output).map_err(create)?)
        };
        Ok(Sink::Writer(Box::new(BufWriter::with_capacity(1 << 18, writer))))
    }

    /// A topic that exists.
    pub(super) fn topic(topic: &str, brokers: &str) -> Result<Sink, TrafficError> {
        let failed = |error| TrafficError::Produce { topic: topic.to_string(), error };
        let producer: BaseProducer<Deliveries> = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            .create_with_context(Deliveries::default())
            .map_err(failed)?;
        let asked = Instant::now();
        let mut partitions = 0;
        // A broker that makes topics on demand says at first that there is none.
        while partitions == 0 && asked.elapsed() < APPEARS_WITHIN {
            let metadata =
                producer.client().fetch_metadata(Some(topic), Duration::from_secs(15)).map_err(failed)?;
            partitions = metadata.topics().iter().map(|t| t.partitions().len() as i32).max().unwrap_or(0);
            if partitions == 0 {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        if partitions == 0 {
            return Err(TrafficError::NoTopic { topic: topic.into(), brokers: brokers.into() });
        }
        Ok(Sink::Topic { producer, topic: topic.into(), partitions, next: 0 })
    }

    /// Takes one line; adds the newline where lines need one.
    pub(super) fn line(&mut self, line: &mut Vec<u8>) -> Result<(), TrafficError> {
        match self {
            Sink::Writer(writer) => {
                line.push(b'\n');
                writer.write_all(line)?;
            }
            Sink::Topic { producer, topic, partitions, next } => {
                let mut record = BaseRecord::<(), [u8]>::to(topic).payload(&line[..]).partition(*next);
                *next = (*next + 1) % *partitions;
                while let Err((error, back)) = producer.send(record) {
                    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                        return Err(TrafficError::Produce { topic: topic.clone(), error });
                    }
                    producer.poll(Duration::from_millis(20));
                    record = back;
                }
                producer.poll(Duration::ZERO);
                if let Some(error) = producer.context().failed() {
                    return Err(TrafficError::Produce { topic: topic.clone(), error });
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TrafficError> {
        match self {
            Sink::Writer(writer) => Ok(writer.flush()?),
            // librdkafka sends by itself after its linger.
            Sink::Topic { .. } => Ok(()),
        }
    }

    /// Writes what is still held.
    pub(super) fn finish(mut self) -> Result<(), TrafficError> {
        self.flush()?;
        match self {
            Sink::Writer(_) => Ok(()),
            Sink::Topic { producer, topic, .. } => {
                let flushed = producer.flush(Duration::from_secs(60)).err();
                match producer.context().failed().or(flushed) {
                    Some(error) => Err(TrafficError::Produce { topic, error }),
                    None => Ok(()),
                }
            }
        }
    }
}
