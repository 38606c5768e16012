//! Lines per second out of a topic: a bare librdkafka batch loop that counts, and the same through our source, with the
//! same settings, taking turns.
//!
//! Needs a broker: `NINETAIL_BENCH_BOOTSTRAP=localhost:9092 cargo bench --bench consume`. The topic
//! (`NINETAIL_BENCH_TOPIC`, default `ninetail-bench-consume`) is made and filled on first use with
//! `NINETAIL_BENCH_LINES` (default 2,000,000) lines of 670 bytes, 8 partitions, lz4.

use ninetail::edges::source::KafkaConfig;
use ninetail::edges::source::kafka::{Assignment, Delivery, KafkaConsumer};
use ninetail::edges::source::topics::{Found, Topics};
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
    if let Some(kib) =
        std::env::var("NINETAIL_BENCH_QUEUE_KIB").ok().and_then(|kib| kib.parse::<usize>().ok())
    {
        config.queue_bytes_max = kib << 10;
    }
    for setting in std::env::var("NINETAIL_BENCH_SETTINGS").iter().flat_map(|s| s.split_whitespace()) {
        if let Some((key, value)) = setting.split_once('=') {
            config.properties.insert(key.into(), value.into());
        }
    }
    let topics = Topics::open(&config)?;
    if topics.partitions(&topic)? == Found::Missing {
        let lines =
            std::env::var("NINETAIL_BENCH_LINES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000_000);
        fill(&brokers, &topic, lines)?;
    }
    let only = std::env::var("NINETAIL_BENCH_ONLY").unwrap_or_default();
    let rounds = std::env::var("NINETAIL_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    for _ in 0..rounds {
        if only != "ours" {
            measure("bare batch loop", || bare(&config, &topic));
        }
        if only != "bare" {
            measure("through our source", || ours(&config, &topic));
        }
    }
    Ok(())
}

/// Runs it and prints wall, cpu and memory.
fn measure(name: &str, run: impl Fn() -> Result<(u64, u64), Box<dyn Error>>) {
    let (wall, cpu) = (Instant::now(), cpu_s());
    match run() {
        Ok((lines, bytes)) => {
            let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_s() - cpu);
            println!(
                "{name:20} {lines} lines in {wall:.2} s, {cpu:.2} cpu s: {:.0} k lines/s, {:.0} MB/s, peak {} MiB so far",
                lines as f64 / wall / 1e3,
                bytes as f64 / wall / 1e6,
                peak_kib() >> 10,
            );
        }
        Err(error) => println!("{name}: {error}"),
    }
}

/// User and system time of this process, seconds (`/proc/self/stat`, in hundredths).
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(") ").next().unwrap_or_default();
    after.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Runs `work` for each consumer's number on a thread of its own and adds up.
fn on_threads<F>(work: F) -> Result<(u64, u64), Box<dyn Error>>
where
    F: Fn(i32) -> Result<(u64, u64), String> + Sync,
{
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONSUMERS).map(|n| scope.spawn(move || work(n))).collect();
        let mut sum = (0, 0);
        for thread in threads {
            let (lines, bytes) = thread.join().map_err(|_| "a thread panicked")??;
            sum = (sum.0 + lines, sum.1 + bytes);
        }
        Ok(sum)
    })
}

fn of(consumer: i32) -> impl Iterator<Item = i32> {
    (0..PARTITIONS).filter(move |partition| partition % CONSUMERS == consumer)
}

fn ours(config: &KafkaConfig, topic: &Arc<str>) -> Result<(u64, u64), Box<dyn Error>> {
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
        trouble.map_or(Ok((lines, bytes)), Err)
    })
}

fn bare(config: &KafkaConfig, topic: &Arc<str>) -> Result<(u64, u64), Box<dyn Error>> {
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
        Ok((lines, bytes))
    })
}

/// Makes the topic and fills it.
fn fill(brokers: &str, topic: &str, lines: u64) -> Result<(), Box<dyn Error>> {
    println!("filling {topic} with {lines} lines");
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(admin.create_topics(&[new], &AdminOptions::new()))?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.codec", "lz4")
        .set("linger.ms", "200")
        .set("batch.size", "131072")
        .set("enable.idempotence", "true")
        .create()?;
    for n in 0..lines {
        let line = line(n);
        loop {
            let record = BaseRecord::<(), str>::to(topic).partition((n % PARTITIONS as u64) as i32);
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

/// A line of an ALB's shape and length; what it says does not matter here.
fn line(n: u64) -> String {
    let mix = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (minute, service, id) = (n / 33_334 % 60, mix >> 59, mix ^ (mix >> 31));
    format!(
        "https 2018-07-02T22:{minute:02}:00.{:06}Z app/lb-{service}/50dc6c495c0c9188 {}.{}.{}.{}:{} 10.0.{service}.66:9000 \
         0.000 0.{:03} 0.000 200 200 {} {} \"GET https://www.example{service}.com:443/api/v1/items/{id:016x}?page={} \
         HTTP/1.1\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/12{}.0.0.0 \
         Safari/537.36\" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 \
         arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/service-{service}/73e2d6bc24d8a067 \
         \"Root=1-{:08x}-{id:016x}{:08x}\" \"www.example{service}.com\" \
         \"arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012\" 1 \
         2018-07-02T22:{minute:02}:00.{:06}Z \"forward\" \"-\" \"-\" \"10.0.{service}.66:9000\" \"200\" \"-\" \"-\" \
         TID_{id:016x}{id:016x}",
        mix % 1_000_000,
        mix % 223,
        mix % 251,
        mix % 241,
        mix % 239,
        1024 + mix % 60_000,
        mix % 977,
        100 + mix % 4096,
        300 + mix % 65_536,
        mix % 97,
        mix % 10,
        n,
        n >> 3,
        mix % 900_000,
    )
}
