//! The Kafka source against librdkafka's mock cluster: order, ends, pauses, positions out of range. What the mock cannot
//! do (transactions, deleted records, open transactions) is proven on a real broker in tests/kafka.rs.

use super::kafka::{Assignment, Delivery, KafkaConsumer, StopReason};
use super::topics::{Found, Resolved, StartAt, Topics};
use super::{Ends, KafkaConfig};
use crate::core::envelope::Headers;
use crate::core::partial::Standing;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Cluster {
    mock: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
}

impl Cluster {
    fn new(partitions: i32) -> Cluster {
        let mock = MockCluster::new(1).expect("mock cluster");
        mock.create_topic("logs", partitions, 1).expect("topic");
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", mock.bootstrap_servers())
            .set("linger.ms", "0")
            .create()
            .expect("producer");
        Cluster { mock, producer }
    }

    fn config(&self) -> KafkaConfig {
        KafkaConfig::new(self.mock.bootstrap_servers(), "test")
    }

    fn produce(&self, partition: i32, lines: std::ops::Range<i64>) {
        for n in lines {
            let line = format!("line {n}");
            let record = BaseRecord::<(), str>::to("logs").partition(partition).payload(&line);
            self.producer.send(record).expect("queued");
        }
        self.producer.flush(Duration::from_secs(10)).expect("produced");
    }
}

fn at(slot: u32, partition: i32, offset: i64) -> Assignment<u32> {
    Assignment { slot, topic: Arc::from("logs"), partition, offset }
}

/// What was delivered, in short: `0:5` a message, `0:end6`, `0:lost3-5`, `0:stopped`.
fn drain(consumer: &mut KafkaConsumer<u32>, until: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut seen = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !until(&seen) && Instant::now() < deadline {
        consumer.poll(Duration::from_millis(20), &mut |delivery| {
            let text = match delivery {
                Delivery::Message { slot, offset, payload, .. } => {
                    let line = String::from_utf8_lossy(payload.unwrap_or_default()).into_owned();
                    assert_eq!(line, format!("line {offset}"));
                    format!("{slot}:{offset}")
                }
                Delivery::End { slot, offset, confirmed } => {
                    format!("{slot}:end{offset}{}", if confirmed { "" } else { "?" })
                }
                Delivery::Replayed { slot, offset } => format!("{slot}:again{offset}"),
                Delivery::Lost { slot, from, to, .. } => format!("{slot}:lost{from}-{to}"),
                Delivery::Stopped { slot, stop } => {
                    assert!(matches!(stop.reason, StopReason::BeyondEnd { .. }), "{stop}");
                    format!("{slot}:stopped")
                }
                Delivery::Trouble { slot, error } => format!("{slot}:trouble {error}"),
            };
            seen.push(text);
        });
    }
    seen
}

fn has(wanted: &str) -> impl Fn(&[String]) -> bool + '_ {
    move |seen| seen.iter().any(|text| text == wanted)
}

#[test]
fn messages_come_in_order_from_the_given_offset_and_then_the_end() {
    let cluster = Cluster::new(2);
    cluster.produce(0, 0..5);
    cluster.produce(1, 0..3);
    let mut consumer = KafkaConsumer::open(&cluster.config()).expect("consumer");
    consumer.assign(&[at(7, 0, 2)]).expect("assign");
    assert_eq!(drain(&mut consumer, has("7:end5")), ["7:2", "7:3", "7:4", "7:end5"]);
    assert_eq!(consumer.next(7), Some(5));
    assert_eq!(consumer.standing(7, &Ends::new()), Standing::AtEnd);
    assert_eq!(consumer.lag(7, &Ends::new()), Some(0));

    // a partition that comes later does not disturb the first
    consumer.assign(&[at(8, 1, 0)]).expect("assign");
    assert_eq!(drain(&mut consumer, has("8:end3")), ["8:0", "8:1", "8:2", "8:end3"]);
    cluster.produce(0, 5..6);
    assert_eq!(drain(&mut consumer, has("7:end6")), ["7:5", "7:end6"]);
    consumer.unassign(8).expect("unassign");
    cluster.produce(1, 3..4);
    cluster.produce(0, 6..7);
    assert_eq!(drain(&mut consumer, has("7:end7")), ["7:6", "7:end7"]);
    assert_eq!(consumer.next(8), None);
    // moved back: its lines come again, because the caller says so
    consumer.assign(&[at(7, 0, 6)]).expect("assign");
    assert_eq!(drain(&mut consumer, has("7:end7")), ["7:6", "7:end7"]);
}

#[test]
fn keys_and_headers_are_lent_with_their_message() {
    let cluster = Cluster::new(1);
    let headers = OwnedHeaders::new()
        .insert(Header { key: "tenant", value: Some("old") })
        .insert(Header { key: "none", value: None::<&str> })
        .insert(Header { key: "tenant", value: Some("acme") });
    let with = BaseRecord::to("logs").partition(0).payload("x").key("pod-7").headers(headers);
    cluster.producer.send(with).expect("queued");
    cluster.producer.send(BaseRecord::<(), str>::to("logs").partition(0).payload("y")).expect("queued");
    cluster.producer.flush(Duration::from_secs(10)).expect("produced");
    let mut consumer = KafkaConsumer::open(&cluster.config()).expect("consumer");
    consumer.assign(&[at(1, 0, 0)]).expect("assign");
    let (mut seen, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(20));
    while seen.len() < 2 && Instant::now() < deadline {
        consumer.poll(Duration::from_millis(20), &mut |delivery| {
            if let Delivery::Message { key, headers, .. } = delivery {
                let names = ["tenant", "none", "other", "\0"];
                seen.push((key.map(<[u8]>::to_vec), names.map(|n| headers.get(n).map(<[u8]>::to_vec))));
            }
        });
    }
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    let wanted = [(bytes("pod-7"), [bytes("acme"), None, None, None]), (None, [None, None, None, None])];
    assert_eq!(seen, wanted);
}

#[test]
fn a_paused_partition_goes_on_where_it_stood() {
    let cluster = Cluster::new(1);
    cluster.produce(0, 0..3000);
    let mut consumer = KafkaConsumer::open(&cluster.config()).expect("consumer");
    consumer.assign(&[at(1, 0, 0)]).expect("assign");
    let mut seen = drain(&mut consumer, |seen| seen.len() >= 500);
    for _ in 0..3 {
        consumer.pause(1).expect("pause");
        let quiet = Instant::now() + Duration::from_millis(200);
        // what librdkafka had handed over already may still come
        seen.extend(drain(&mut consumer, |_| Instant::now() > quiet));
        let stood = seen.len();
        let quiet = Instant::now() + Duration::from_millis(100);
        seen.extend(drain(&mut consumer, |_| Instant::now() > quiet));
        assert_eq!(seen.len(), stood);
        consumer.resume(1).expect("resume");
        seen.extend(drain(&mut consumer, |more| more.len() >= 300 || more.iter().any(|t| t == "1:end3000")));
    }
    if consumer.next(1) < Some(3000) {
        seen.extend(drain(&mut consumer, has("1:end3000")));
    }
    let messages: Vec<_> = seen.iter().filter(|text| !text.contains("end")).collect();
    let expected: Vec<_> = (0..3000).map(|n| format!("1:{n}")).collect();
    assert!(messages.iter().copied().eq(&expected), "{} messages", messages.len());
}

/// librdkafka's own pause would go on one past the end mark: the batch call counts that as a message.
#[test]
fn what_comes_while_paused_at_the_end_is_read_from_its_first_record() {
    let cluster = Cluster::new(1);
    cluster.produce(0, 0..5);
    let mut consumer = KafkaConsumer::open(&cluster.config()).expect("consumer");
    consumer.assign(&[at(1, 0, 0)]).expect("assign");
    drain(&mut consumer, has("1:end5"));
    consumer.pause(1).expect("pause");
    cluster.produce(0, 5..8);
    assert_eq!(consumer.poll(Duration::from_millis(300), &mut |d| panic!("{d:?} while paused")), 0);
    consumer.resume(1).expect("resume");
    assert_eq!(drain(&mut consumer, has("1:end8")), ["1:5", "1:6", "1:7", "1:end8"]);
}

#[test]
fn a_position_beyond_the_end_stops_the_partition_and_no_other() {
    let cluster = Cluster::new(2);
    cluster.produce(0, 0..3);
    cluster.produce(1, 0..3);
    let mut consumer = KafkaConsumer::open(&cluster.config()).expect("consumer");
    consumer.assign(&[at(0, 0, 100), at(1, 1, 0)]).expect("assign");
    let seen = drain(&mut consumer, |seen| has("0:stopped")(seen) && has("1:end3")(seen));
    assert_eq!(seen.iter().filter(|text| text.starts_with("1:")).count(), 4, "{seen:?}");
    assert!(has("0:stopped")(&seen), "{seen:?}");
    assert_eq!(consumer.standing(0, &Ends::new()), Standing::Stopped);
    assert_eq!(consumer.next(0), Some(100));
    // the repair: another position
    consumer.assign(&[at(0, 0, 1)]).expect("assign");
    assert_eq!(drain(&mut consumer, has("0:end3")), ["0:1", "0:2", "0:end3"]);
}

#[test]
fn a_broker_that_goes_away_and_comes_back_costs_no_line_and_doubles_none() {
    let cluster = Cluster::new(1);
    cluster.produce(0, 0..3);
    let mut consumer = KafkaConsumer::open(&cluster.config()).expect("consumer");
    consumer.assign(&[at(1, 0, 0)]).expect("assign");
    drain(&mut consumer, has("1:end3"));
    cluster.mock.broker_down(1).expect("down");
    let quiet = Instant::now() + Duration::from_millis(500);
    assert_eq!(drain(&mut consumer, |_| Instant::now() > quiet), [""; 0]);
    cluster.mock.broker_up(1).expect("up");
    cluster.produce(0, 3..6);
    assert_eq!(drain(&mut consumer, has("1:end6")), ["1:3", "1:4", "1:5", "1:end6"]);
}

#[test]
fn an_answer_confirms_only_the_position_that_it_names() {
    let cluster = Cluster::new(1);
    cluster.produce(0, 0..4);
    let place = [(Arc::from("logs"), 0)];
    let topics = Topics::open(&cluster.config()).expect("client");
    let ends = Ends::new();
    let mut consumer = KafkaConsumer::open(&cluster.config()).expect("consumer");
    consumer.assign(&[at(1, 0, 0)]).expect("assign");
    assert_eq!(topics.refresh(&place, &ends), 1);
    assert_eq!(consumer.standing(1, &ends), Standing::Behind);
    assert_eq!(consumer.lag(1, &ends), Some(4));
    drain(&mut consumer, has("1:end4"));
    assert_eq!(consumer.standing(1, &ends), Standing::AtEnd);
    cluster.produce(0, 4..5);
    topics.refresh(&place, &ends);
    // the end mark was true when it came; a later answer says that there is more
    assert_eq!(consumer.standing(1, &ends), Standing::Behind);
    assert_eq!(ends.get("logs", 0).map(|answer| answer.high), Some(5));
    drain(&mut consumer, has("1:end5"));
    assert_eq!(consumer.standing(1, &ends), Standing::AtEnd);
}

#[test]
fn starts_are_resolved_and_partitions_found() {
    let cluster = Cluster::new(3);
    cluster.produce(0, 0..4);
    let topics = Topics::open(&cluster.config()).expect("client");
    assert_eq!(topics.brokers().expect("brokers"), 1);
    assert_eq!(topics.partitions("logs").expect("found"), Found::Partitions(vec![0, 1, 2]));
    assert_eq!(topics.partitions("none").expect("asked"), Found::Missing);
    let places: Vec<(Arc<str>, i32)> = vec![(Arc::from("logs"), 1), (Arc::from("logs"), 0)];
    let resolved = |at| {
        let found = topics.resolve_starts(&places, at).expect("starts");
        found.into_iter().map(|Resolved { offset, had_data, .. }| (offset, had_data)).collect::<Vec<_>>()
    };
    assert_eq!(resolved(StartAt::Earliest), [(0, false), (0, true)]);
    assert_eq!(resolved(StartAt::Latest), [(0, false), (4, false)]);
    topics.commit(&[(Arc::from("logs"), 0, 3)]).expect("commit");
}

#[test]
fn a_cluster_that_is_away_is_said_so() {
    let config = KafkaConfig::new("127.0.0.1:1", "test");
    let topics = Topics::open(&config).expect("client");
    let error = topics.partitions("logs").expect_err("nobody there").to_string();
    assert!(error.starts_with("no answer from kafka at 127.0.0.1:1 about topic logs: "), "{error}");
}
