//! Journals for the laws of the engine, and the one that each of them must hold to: a restart changes nothing.

use crate::traffic::START;
use ninetail::core::accumulator::{Accumulator, Slot};
use ninetail::core::engine::{Engine, Outputs};
use ninetail::core::entry::{Begin, Configure, Entry, ForcedCut, Start};
use ninetail::core::event::Event;
use ninetail::core::partial::Standing;
use ninetail::core::position::Partition;
use ninetail::core::record::Labels;
use ninetail::core::service::Classifier;
use ninetail::core::settings::{Input, Settings};
use ninetail::core::time::{Slice, SliceLength, Time};
use serde_json::Value;
use std::sync::Arc;

pub(crate) const LENGTH: SliceLength = SliceLength(60);

pub(crate) fn partition(number: i32) -> Partition {
    Partition { source: "alb".into(), topic: "logs".into(), number }
}

/// Configurations, each from its minute after the start on; the first from ever.
pub(crate) fn configured(configurations: &[(i64, Settings)]) -> Vec<Configure> {
    let configure = |(i, (minute, settings)): (usize, &(i64, Settings))| Configure {
        epoch: i as u32 + 1,
        from: (i > 0).then_some(Slice(LENGTH.slice(START).0 + minute)),
        settings: settings.clone(),
    };
    configurations.iter().enumerate().map(configure).collect()
}

/// The entries that every journal begins with.
pub(crate) fn opening(configured: &[Configure], partitions: Vec<Partition>) -> Vec<Entry> {
    let start = |partition| Start { partition, offset: 0, had_data: true, topic_id: None };
    let mut entries =
        vec![Entry::Begin(Begin { journal: "0123456789abcdef".into(), backfill: false, takeover: None })];
    entries.extend(configured.iter().cloned().map(Entry::Configure));
    entries.push(Entry::Starts(partitions.into_iter().map(start).collect()));
    entries
}

/// An ingest thread that counts by those configurations.
pub(crate) fn accumulator(configured: &[Configure]) -> Accumulator {
    let settings = &configured[0].settings;
    let mut accumulator =
        Accumulator::new(settings.limits, LENGTH, settings.watermark_quorum, Labels::default());
    let compile = |c: &Configure| {
        let classifier = Classifier::compile(&c.settings, &mut Labels::default()).expect("the rules compile");
        (c.from, c.epoch, Arc::new(classifier))
    };
    accumulator.configure(configured.iter().map(compile).collect());
    accumulator
}

/// The partitions that it reads, each from its beginning.
pub(crate) fn slots(accumulator: &mut Accumulator, partitions: i32, input: &Input) -> Vec<Slot> {
    (0..partitions).map(|n| accumulator.register(partition(n), input, 0).expect("a slot")).collect()
}

/// Counts the line of the partition's next message.
pub(crate) fn take(accumulator: &mut Accumulator, slot: Slot, line: &[u8], clock: Time) {
    accumulator.line(slot, line, clock);
    accumulator.advance(slot, accumulator.next(slot) + 1);
}

/// Chunks of the lines, which are dealt to partitions in turn; one is flushed after each of the sizes, a second later.
/// All is closed at the end.
pub(crate) fn chunks(
    configured: &[Configure],
    input: &Input,
    (lines, partitions, sizes): (&[Vec<u8>], i32, &[usize]),
    mut clock: Time,
) -> Vec<Entry> {
    let mut accumulator = accumulator(configured);
    let slots = slots(&mut accumulator, partitions, input);
    let mut chunks = Vec::new();
    let mut sizes = sizes.iter().copied().cycle();
    let mut left = 0;
    for (i, line) in lines.iter().enumerate() {
        take(&mut accumulator, slots[i % slots.len()], line, clock);
        if left == 0 {
            left = sizes.next().unwrap_or(10);
        }
        left -= 1;
        if left == 0 {
            clock = clock.plus_seconds(1);
            chunks.push(Entry::Chunk(accumulator.flush(clock)));
        }
    }
    slots.iter().for_each(|slot| accumulator.standing(*slot, Standing::Finished));
    chunks.push(Entry::Chunk(accumulator.flush(clock.plus_seconds(1))));
    chunks.push(Entry::Cut(ForcedCut::All));
    chunks
}

pub(crate) fn play(entries: &[Entry]) -> (Engine, Outputs) {
    let (mut engine, mut out) = (Engine::new(), Outputs::default());
    for (entry, position) in entries.iter().zip(1..) {
        engine.apply(position, entry, &mut out).expect("applies");
    }
    (engine, out)
}

/// The engine as a snapshot holds it.
pub(crate) fn saved(engine: &Engine) -> Vec<u8> {
    postcard::to_stdvec(engine).expect("a snapshot")
}

pub(crate) fn restored(snapshot: &[u8]) -> Engine {
    postcard::from_bytes(snapshot).expect("restores")
}

/// The event's data.
pub(crate) fn said(event: &Event) -> Value {
    serde_json::from_str(&event.data).expect("the data are JSON")
}

/// What one entry brings out, as text.
pub(crate) fn step(engine: &mut Engine, position: u64, entry: &Entry) -> String {
    let mut out = Outputs::default();
    engine.apply(position, entry, &mut out).expect("applies");
    format!("{out:?}")
}

/// An engine restored from a snapshot, after every so many entries, goes on for `ahead` as if nothing had been.
pub(crate) fn goes_on_after_restarts(entries: &[Entry], every: usize, ahead: usize) {
    let mut engine = Engine::new();
    let mut snapshots = Vec::new();
    let mut whole = Vec::new();
    for (entry, position) in entries.iter().zip(1..) {
        whole.push(step(&mut engine, position, entry));
        snapshots.push(saved(&engine));
    }
    for (stop, snapshot) in (1..entries.len()).zip(&snapshots).step_by(every) {
        let mut engine = restored(snapshot);
        assert_eq!(saved(&engine), *snapshot, "after {stop} entries");
        for (i, entry) in entries.iter().enumerate().skip(stop).take(ahead) {
            assert_eq!(step(&mut engine, i as u64 + 1, entry), whole[i], "entry {i} after {stop}");
        }
    }
}
