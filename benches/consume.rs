//! Lines per second out of a topic: a bare librdkafka batch loop that counts, and the same through our source, with the
//! same settings, taking turns.
//!
//! Needs a broker: `NINETAIL_BENCH_BOOTSTRAP=localhost:9092 cargo bench --bench consume`. The topic
//! (`NINETAIL_BENCH_TOPIC`, default `ninetail-bench-consume`) is made and filled on first use with
//! `NINETAIL_BENCH_LINES` (default 2,000,000) made lines, 8 partitions, lz4.
//!
//! Then the delay of a quiet topic: single lines are written to another one, now and then, and timed from before they are
//! sent until they are counted.

mod support;

use ninetail::edges::source::KafkaConfig;
use ninetail::edges::source::kafka::{Assignment, Delivery, KafkaConsumer};
use ninetail::edges::source::topics::{Found, StartAt, Topics};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::bindings as sys;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{amount, measure};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: i32 = 8;
const CONSUMERS: i32 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let Ok(brokers) = std::env::var("NINETAIL_BENCH_BOOTSTRAP") else {
        println!("consume: set NINETAIL_BENCH_BOOTSTRAP to a broker to run this bench");
        return Ok(());
    };
    let topic: Arc<str> =
        std::env::var("NINETAIL_BENCH_TOPIC").unwrap_or("ninetail-bench-consume".into()).into();
    let mut config = KafkaConfig::new(&brokers, "ninetail-bench");
    let queue_kib = std::env::var("NINETAIL_BENCH_QUEUE_KIB").ok().and_then(|kib| kib.parse::<usize>().ok());
    config.queue_bytes_max = queue_kib.map_or(config.queue_bytes_max, |kib| kib << 10);
    for setting in std::env::var("NINETAIL_BENCH_SETTINGS").iter().flat_map(|s| s.split_whitespace()) {
        if let Some((key, value)) = setting.split_once('=') {
            config.properties.insert(key.into(), value.into());
        }
    }
    let topics = Topics::open(&config)?;
    if topics.partitions(&topic)? == Found::Missing {
        fill(&brokers, &topic, amount("NINETAIL_BENCH_LINES", 2_000_000))?;
    }
    let only = std::env::var("NINETAIL_BENCH_ONLY").unwrap_or_default();
    let units = ["lines", "bytes"];
    let done = |run: Result<[u64; 2], Box<dyn Error>>| run.unwrap_or_else(|error| panic!("{error}"));
    for _ in 0..amount("NINETAIL_BENCH_ROUNDS", 5) {
        if only != "ours" {
            measure("bare batch loop", units, || done(bare(&config, &topic)));
        }
        if only != "bare" {
            measure("through our source", units, || done(ours(&config, &topic)));
        }
    }
    match amount("NINETAIL_BENCH_QUIET_LINES", 100) {
        0 => Ok(()),
        lines => quiet(&config, &format!("{topic}-quiet").into(), lines),
    }
}

/// Writes one line at a time to a topic to which nothing else comes, and prints how long each took until it was counted.
fn quiet(config: &KafkaConfig, topic: &Arc<str>, lines: u64) -> Result<(), Box<dyn Error>> {
    let topics = Topics::open(config)?;
    if topics.partitions(topic)? == Found::Missing {
        create(&config.brokers, topic)?;
    }
    let settings = support::settings(support::BY_TARGET_GROUP);
    let (mut accumulator, slot) = support::accumulator(&settings, &support::classifier(&settings));
    let mut consumer = KafkaConsumer::<i32>::open(config)?;
    let start = topics.resolve_starts(&[(topic.clone(), 0)], StartAt::Latest)?[0].offset;
    consumer.assign(&[Assignment { slot: 0, topic: topic.clone(), partition: 0, offset: start }])?;
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).set("linger.ms", "0").create()?;
    let (mut traffic, mut line, mut delays_us) = (support::traffic(1), Vec::new(), Vec::new());
    for n in 0..lines {
        // no multiple of what a fetch waits, so that a line meets each moment of it
        let pause = Instant::now() + Duration::from_millis(50 + n * 7 % 40);
        while Instant::now() < pause {
            consumer.poll(Duration::from_millis(10), &mut |_| {});
        }
        traffic.next_line(&mut line);
        let sent = Instant::now();
        producer
            .send(BaseRecord::<(), [u8]>::to(topic).partition(0).payload(&line))
            .map_err(|(error, _)| error)?;
        let mut counted = false;
        while !counted {
            consumer.poll(Duration::from_millis(10), &mut |delivery| {
                if let Delivery::Message { payload, .. } = delivery {
                    accumulator.line(slot, payload.unwrap_or_default(), support::CLOCK);
                    counted = true;
                }
            });
        }
        delays_us.push(sent.elapsed().as_micros());
        producer.poll(Duration::ZERO);
    }
    delays_us.sort_unstable();
    let at = |percent: usize| delays_us[(delays_us.len() - 1) * percent / 100] as f64 / 1000.0;
    let (middle, late, most) = (at(50), at(95), at(100));
    println!(
        "a line of a quiet topic is counted after {middle:.1} ms (median), {late:.1} ms (p95), {most:.1} ms (most)"
    );
    Ok(())
}

/// Runs `work` for each consumer's number on a thread of its own and adds up.
fn on_threads<F>(work: F) -> Result<[u64; 2], Box<dyn Error>>
where
    F: Fn(i32) -> Result<[u64; 2], String> + Sync,
{
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONSUMERS).map(|n| scope.spawn(move || work(n))).collect();
        let mut sum = [0, 0];
        for thread in threads {
            let [lines, bytes] = thread.join().map_err(|_| "a thread panicked")??;
            sum = [sum[0] + lines, sum[1] + bytes];
        }
        Ok(sum)
    })
}

fn of(consumer: i32) -> impl Iterator<Item = i32> {
    (0..PARTITIONS).filter(move |partition| partition % CONSUMERS == consumer)
}

fn ours(config: &KafkaConfig, topic: &Arc<str>) -> Result<[u64; 2], Box<dyn Error>> {
    on_threads(|n| {
        let mut consumer = KafkaConsumer::<i32>::open(config).map_err(|error| error.to_string())?;
        let assignments: Vec<_> =
            of(n).map(|p| Assignment { slot: p, topic: topic.clone(), partition: p, offset: 0 }).collect();
        consumer.assign(&assignments).map_err(|error| error.to_string())?;
        let (mut left, mut lines, mut bytes, mut trouble) = (assignments.len(), 0, 0, None);
        while left > 0 && trouble.is_none() {
            consumer.poll(Duration::from_millis(100), &mut |delivery| match delivery {
                Delivery::Message { payload, .. } => {
                    lines += 1;
                    bytes += payload.map_or(0, <[u8]>::len) as u64;
                }
                Delivery::End { .. } => left -= 1,
                other => trouble = Some(format!("{other:?}")),
            });
        }
        trouble.map_or(Ok([lines, bytes]), Err)
    })
}

fn bare(config: &KafkaConfig, topic: &Arc<str>) -> Result<[u64; 2], Box<dyn Error>> {
    on_threads(|n| {
        let consumer: BaseConsumer = config.client_config().create().map_err(|error| error.to_string())?;
        let mut list = TopicPartitionList::new();
        for partition in of(n) {
            list.add_partition_offset(topic, partition, Offset::Offset(0))
                .map_err(|error| error.to_string())?;
        }
        let mut left = list.count();
        consumer.assign(&list).map_err(|error| error.to_string())?;
        let (mut lines, mut bytes) = (0, 0);
        let mut messages = vec![std::ptr::null_mut::<sys::rd_kafka_message_t>(); 1000];
        // SAFETY: the queue is live until it is given back below; messages are read before they are destroyed
        unsafe {
            let queue = sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr());
            while left > 0 {
                let count =
                    sys::rd_kafka_consume_batch_queue(queue, 10, messages.as_mut_ptr(), messages.len());
                for &message in &messages[..count.max(0) as usize] {
                    match (*message).err {
                        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {
                            lines += 1;
                            bytes += (*message).len as u64;
                        }
                        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => left -= 1,
                        other => panic!("{other:?}"),
                    }
                    sys::rd_kafka_message_destroy(message);
                }
            }
            sys::rd_kafka_queue_destroy(queue);
        }
        Ok([lines, bytes])
    })
}

/// Makes a topic that keeps what it gets.
fn create(brokers: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(admin.create_topics(&[new], &AdminOptions::new()))?;
    Ok(())
}

/// Makes the topic and fills it.
fn fill(brokers: &str, topic: &str, lines: u64) -> Result<(), Box<dyn Error>> {
    println!("filling {topic} with {lines} lines");
    create(brokers, topic)?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.codec", "lz4")
        .set("linger.ms", "200")
        .set("batch.size", "131072")
        .set("enable.idempotence", "true")
        .create()?;
    let (mut traffic, mut line) = (support::traffic(support::SERVICES), Vec::new());
    for n in 0..lines {
        traffic.next_line(&mut line);
        loop {
            let record = BaseRecord::<(), [u8]>::to(topic).partition((n % PARTITIONS as u64) as i32);
            match producer.send(record.payload(&line)) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    producer.poll(Duration::from_millis(20));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
    producer.flush(Duration::from_secs(120))?;
    Ok(())
}
