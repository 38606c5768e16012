//! The sinks by themselves against a real broker: transactions with their progress, fencing, refusals, and
//! dead letters. What the whole process makes of them is tested beside.

use crate::fixture::client::{Client, Read};
use crate::fixture::{Cluster, Outcome, bootstrap, eventually};
use ninetail::core::entry::Takeover;
use ninetail::core::event::Event;
use ninetail::core::rollup::OutputPosition;
use ninetail::core::time::{Slice, Time};
use ninetail::edges::sink::dead_letters::{DeadLetters, Letter, LetterTarget};
use ninetail::edges::sink::events::{EventError, EventSink, EventTarget, KafkaTarget, Mode, Progress};
use ninetail::edges::sink::{Control, Foreign, Owner};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

struct Place {
    client: Client,
    target: KafkaTarget,
}

impl Place {
    fn new(bootstrap: String, name: &str) -> Place {
        let topic = |kind: &str| format!("sinks-{name}-{kind}-{}", std::process::id());
        let properties = BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap.clone())]);
        let target = KafkaTarget {
            properties,
            topic: topic("events"),
            state_topic: topic("state"),
            mode: Mode::Structured,
        };
        Place { client: Client { bootstrap }, target }
    }

    fn owner(&self, journal: &str) -> Owner {
        // one transactional id for each place: tests run side by side
        let pipeline = self.target.topic.as_str().into();
        let incarnations = vec!["1111111111111111".into()];
        Owner { pipeline, journal: journal.into(), end: 1000, takeover: None, published: None, incarnations }
    }

    fn open(&self, owner: &Owner) -> Result<(EventSink, Option<Progress>), EventError> {
        EventSink::open(&EventTarget::Kafka(self.target.clone()), owner, &Control::quiet())
    }

    fn peek(&self) -> Outcome<Option<Progress>> {
        let target = EventTarget::Kafka(self.target.clone());
        Ok(EventSink::peek(&target, &self.target.topic, &Control::quiet())?)
    }

    /// Ids of the events that a read_committed reader sees.
    fn ids(&self) -> Outcome<Vec<String>> {
        Ok(self.client.read(&self.target.topic)?.iter().map(id).collect())
    }
}

fn id(read: &Read) -> String {
    let value: Value = serde_json::from_slice(read.value.as_deref().unwrap_or_default()).unwrap_or_default();
    value["id"].as_str().unwrap_or("?").to_owned()
}

const A: &str = "aaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbb";

fn at(position: u64) -> OutputPosition {
    OutputPosition { position, index: u32::MAX }
}

fn event(position: u64, index: u32) -> Event {
    Event {
        position: OutputPosition { position, index },
        key: "checkout".into(),
        subject: "checkout/availability".into(),
        kind: "slo.budget.consumed",
        id: format!("{position}-{index}"),
        time: Time::from_seconds(60 * position as i64),
        recorded: Time(0),
        severity: Default::default(),
        sequence: position * 100 + u64::from(index),
        replay: false,
        data: "{\"replay\":false}".into(),
    }
}

/// Each event once, over restarts, repetitions and a transaction that died half-way.
pub(crate) fn each_event_once() -> Outcome {
    let place = Place::new(bootstrap()?, "once");
    assert_eq!(place.peek()?, None, "a topic that does not exist");
    let (mut sink, progress) = place.open(&place.owner(A))?;
    assert_eq!(progress, None);
    assert_eq!(sink.publish(&[event(2, 0), event(2, 1)], at(2), 0)?, 2);
    assert_eq!(sink.publish(&[event(2, 0), event(2, 1)], at(2), 0)?, 0);
    assert_eq!(sink.publish(&[], at(3), 1)?, 0);
    drop(sink);

    // a process that died with its transaction open, its events already sent
    let zombie: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &place.client.bootstrap)
        .set("transactional.id", format!("ninetail-{}", place.target.topic))
        .create()?;
    zombie.init_transactions(PATIENCE)?;
    zombie.begin_transaction()?;
    let lost = br#"{"id":"never"}"#.to_vec();
    let record = BaseRecord::to(&place.target.topic).key("checkout").payload(&lost);
    zombie.send(record).map_err(|(error, _)| error)?;
    let lost = br#"{"version":1,"journal":"aaaaaaaaaaaaaaaa","position":900,"index":0,"cut":9}"#.to_vec();
    let record = BaseRecord::to(&place.target.state_topic).key(place.target.topic.as_str()).payload(&lost);
    zombie.send(record).map_err(|(error, _)| error)?;
    zombie.flush(PATIENCE)?;

    let known = Owner { published: Some(OutputPosition { position: 2, index: 1 }), ..place.owner(A) };
    let (mut sink, progress) = place.open(&known)?;
    let progress = progress.ok_or("no progress")?;
    assert_eq!((progress.journal.as_str(), progress.at, progress.cut), (A, at(3), 1));
    assert_eq!(progress.sequences, BTreeMap::from([("checkout/availability".to_owned(), 201)]));
    assert!(zombie.commit_transaction(PATIENCE).is_err(), "the older process is fenced");
    assert_eq!(sink.publish(&[event(2, 1), event(4, 0)], at(4), 1)?, 1);
    assert_eq!(place.ids()?, ["2-0", "2-1", "4-0"]);

    let read = place.client.read(&place.target.topic)?;
    assert_eq!(read[0].key.as_deref(), Some(&b"checkout"[..]));
    assert!(
        read[0]
            .headers
            .iter()
            .any(|(k, v)| k == "content-type" && v.starts_with(b"application/cloudevents+json"))
    );
    let value: Value = serde_json::from_slice(read[0].value.as_deref().ok_or("no value")?)?;
    assert_eq!((&value["ninetailposition"], &value["ninetailjournal"]), (&"2/0".into(), &A.into()));
    Ok(())
}

/// A large batch in several transactions, and as many subjects as a large pipeline has.
pub(crate) fn many_events_and_subjects() -> Outcome {
    let place = Place::new(bootstrap()?, "many");
    let (mut sink, _) = place.open(&place.owner(A))?;
    let subject = |n: u64| format!("service-{n}/availability");
    let many = |position, from: u64, to: u64| {
        let one =
            |n: u64| Event { subject: subject(n).into(), sequence: position, ..event(position, n as u32) };
        (from..to).map(one).collect::<Vec<_>>()
    };
    assert_eq!(sink.publish(&many(2, 0, 25_000), at(2), 0)?, 25_000);
    assert_eq!(sink.publish(&many(3, 0, 10), at(3), 0)?, 10);
    let progress = place.peek()?.ok_or("no progress")?;
    assert_eq!((progress.at, progress.sequences.len()), (at(3), 25_000));
    assert_eq!((progress.sequences[&subject(9)], progress.sequences[&subject(10)]), (3, 2));
    assert_eq!(place.ids()?.len(), 25_010);
    Ok(())
}

/// Foreign progress is refused before anybody is fenced; a takeover is claimed and fences.
pub(crate) fn another_journal_is_refused() -> Outcome {
    let place = Place::new(bootstrap()?, "foreign");
    let (mut sink, _) = place.open(&place.owner(A))?;
    sink.publish(&[event(2, 0)], at(2), 3)?;
    let refused = |owner: &Owner| match place.open(owner) {
        Err(EventError::Foreign(foreign)) => Ok(foreign),
        Err(other) => Err(other.to_string()),
        Ok(_) => Err("opened".to_owned()),
    };
    assert!(matches!(refused(&place.owner(B))?, Foreign::Other { .. }));
    assert!(matches!(refused(&Owner { end: 1, ..place.owner(A) })?, Foreign::Beyond { .. }));
    let ahead = Owner { published: Some(OutputPosition { position: 7, index: 0 }), ..place.owner(A) };
    assert!(matches!(refused(&ahead)?, Foreign::Lost { .. }));
    assert_eq!(sink.publish(&[event(3, 0)], at(3), 3)?, 1, "the first goes on");

    let sequences = place.peek()?.ok_or("no progress")?.sequences;
    let takeover = Some(Takeover { from: Slice(0), cut: 3, sequences });
    let (mut second, progress) = place.open(&Owner { takeover, ..place.owner(B) })?;
    assert_eq!(progress, None);
    let claimed = place.peek()?.ok_or("no progress")?;
    assert_eq!((claimed.journal.as_str(), claimed.cut, claimed.sequences.len()), (B, 3, 1));
    assert!(matches!(sink.publish(&[event(4, 0)], at(4), 3), Err(EventError::Fenced { .. })));
    second.publish(&[event(2, 7)], at(2), 3)?;
    assert_eq!(place.ids()?, ["2-0", "3-0", "2-7"]);
    Ok(())
}

/// Two copies of one state: the second to publish fences the first, which cannot come back: its state knows nothing
/// of what the other published.
pub(crate) fn a_copy_that_published_is_known() -> Outcome {
    let place = Place::new(bootstrap()?, "copies");
    let incarnated = |ids: &[&str]| {
        let incarnations = ids.iter().map(|id| (*id).into()).collect();
        Owner { incarnations, ..place.owner(A) }
    };
    let (mut first, _) = place.open(&incarnated(&["1"]))?;
    first.publish(&[event(2, 0)], at(2), 0)?;
    let (mut copy, progress) = place.open(&incarnated(&["1", "2"]))?;
    assert_eq!(progress.map(|p| p.incarnation).as_deref(), Some("1"));
    copy.publish(&[event(3, 0)], at(3), 0)?;
    assert!(matches!(first.publish(&[event(3, 1)], at(3), 0), Err(EventError::Fenced { .. })));
    // far ahead by its own journal, and yet not the one that published
    let refused = place.open(&incarnated(&["1", "3"]));
    assert!(matches!(refused, Err(EventError::Foreign(Foreign::Forked { .. }))), "not refused");
    assert_eq!(copy.publish(&[event(4, 0)], at(4), 0)?, 1, "the copy goes on");
    drop(copy);
    place.open(&incarnated(&["2", "4"]))?;
    assert_eq!(place.ids()?, ["2-0", "3-0", "4-0"]);
    Ok(())
}

/// The state topic is made compacted, and one that is not is refused.
pub(crate) fn state_topic_must_be_compacted() -> Outcome {
    let place = Place::new(bootstrap()?, "settings");
    place.open(&place.owner(A))?;
    place.open(&place.owner(A))?;
    let mut other = Place::new(bootstrap()?, "settings");
    other.target.state_topic.push_str("-plain");
    other.client.create_topic(&other.target.state_topic, 1, &[])?;
    match other.open(&other.owner(A)) {
        Err(error @ EventError::Settings { .. }) => {
            let text = error.to_string();
            assert!(text.contains("cleanup.policy is delete, and must be compact"), "{text}");
            Ok(())
        }
        Err(other) => Err(other.into()),
        Ok(_) => Err("opened".into()),
    }
}

/// The broker dies while events are published: they wait, and each comes once.
pub(crate) fn broker_killed_while_publishing() -> Outcome {
    let mut cluster = Cluster::start(1)?;
    let place = Place::new(cluster.bootstrap(), "outage");
    let control = Control { log: std::sync::Arc::new(|line| eprintln!("{line}")), ..Control::quiet() };
    let target = EventTarget::Kafka(place.target.clone());
    let (mut sink, _) = EventSink::open(&target, &place.owner(A), &control)?;
    let publisher = std::thread::spawn(move || -> Result<(), EventError> {
        for position in 2..400 {
            sink.publish(&[event(position, 0), event(position, 1)], at(position), 0)?;
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    });
    for _ in 0..2 {
        // a reader to the end would never be done while the publisher is as quick
        let end = || Ok::<i64, libtest_mimic::Failed>(place.client.watermarks(&place.target.topic, 0)?.1);
        let seen = end()?;
        eventually("more events", PATIENCE, || Ok((end()? > seen + 30).then_some(())))?;
        cluster.kill(0)?;
        std::thread::sleep(Duration::from_secs(2));
        cluster.restart(0)?;
    }
    publisher.join().map_err(|_| "the publisher panicked")??;
    let want: Vec<String> = (2..400).flat_map(|p| [format!("{p}-0"), format!("{p}-1")]).collect();
    assert_eq!(place.ids()?, want);
    Ok(())
}

/// Dead letters are in the topic after the flush; what the topic refuses is in the file.
pub(crate) fn dead_letters_are_kept() -> Outcome {
    let bootstrap = bootstrap()?;
    let client = Client { bootstrap: bootstrap.clone() };
    let topic = format!("sinks-dead-{}", std::process::id());
    let dir = tempfile::tempdir()?;
    let refused = dir.path().join("state/refused.jsonl");
    let properties = BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap)]);
    let target = LetterTarget::Topic { properties, topic: topic.clone(), refused: refused.clone() };
    let letters = DeadLetters::open(&target, &Control::quiet())?;
    let letter = |offset, line| Letter {
        source: "alb",
        topic: "alb-logs",
        partition: 3,
        offset,
        index: 0,
        reason: "not_this_format",
        step: "format",
        envelope: &[],
        line,
        length: 10,
        seen: Time::from_seconds(1_530_570_180),
    };
    std::thread::scope(|scope| {
        let run = |from: i64| {
            let mut writer = letters.writer();
            move || {
                for offset in from..from + 5_000 {
                    writer.send(&letter(offset, b"garbage \xff"))?;
                }
                writer.flush()
            }
        };
        let threads = [scope.spawn(run(0)), scope.spawn(run(5_000))];
        threads.into_iter().try_for_each(|t| t.join().expect("no panic"))
    })?;
    let read = client.read(&topic)?;
    assert_eq!(read.len(), 10_000);
    let keys: std::collections::BTreeSet<_> = read.iter().map(|r| r.key.clone()).collect();
    assert_eq!(keys.len(), 10_000);
    let first = &read[0];
    assert!(first.headers.contains(&("reason".to_owned(), b"not_this_format".to_vec())));
    let value: Value = serde_json::from_slice(first.value.as_deref().ok_or("no value")?)?;
    assert_eq!(value["line_base64"], "Z2FyYmFnZSD/");
    assert_eq!((letters.counts().kept, letters.counts().refused), (10_000, 0));

    let small = format!("{topic}-small");
    client.create_topic(&small, 1, &[("max.message.bytes", "2000")])?;
    let LetterTarget::Topic { properties, .. } = target else { return Err("a topic".into()) };
    let target = LetterTarget::Topic { properties, topic: small.clone(), refused: refused.clone() };
    let letters = DeadLetters::open(&target, &Control::quiet())?;
    let mut writer = letters.writer();
    // bytes that no codec makes small
    let noise: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    writer.send(&letter(1, &noise))?;
    writer.flush()?;
    writer.send(&letter(2, b"short"))?;
    writer.flush()?;
    assert_eq!(client.read(&small)?.len(), 1);
    assert_eq!((letters.counts().kept, letters.counts().refused), (2, 1));
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&refused)?)?;
    assert_eq!(kept["offset"], 1);
    Ok(())
}
