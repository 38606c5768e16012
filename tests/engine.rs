//! The laws of the engine: the same journal gives the same outputs, wherever it is cut short and restored;
//! any way to split and order the same lines gives the same sums over revisions; what does not continue
//! the chain is refused.

#[path = "engine/breakdown.rs"]
mod breakdown;
#[path = "engine/early.rs"]
mod early;
#[path = "engine/groups.rs"]
mod groups;
#[path = "engine/indicators.rs"]
mod indicators;
#[path = "engine/provenance.rs"]
mod provenance;
#[path = "engine/outages.rs"]
mod outages;
#[path = "engine/roster.rs"]
mod roster;
#[path = "engine/support.rs"]
mod support;
#[path = "engine/tiers.rs"]
mod tiers;
#[path = "laws/traffic.rs"]
mod traffic;

use ninetail::core::accumulator::Accumulator;
use ninetail::core::engine::{Engine, EngineError, Outputs};
use ninetail::core::entry::{Configure, Entry, ForcedCut, Start};
use ninetail::core::envelope::Message;
use ninetail::core::event::Event;
use ninetail::core::partial::{Chunk, Gap, Standing};
use ninetail::core::position::Span;
use ninetail::core::reader::Carry;
use ninetail::core::rollup::Cut;
use ninetail::core::service::ServiceName;
use ninetail::core::settings::Format;
use ninetail::core::time::{Slice, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::{
    accumulator, configured, goes_on_after_restarts, partition, play, restored, said, saved, step,
};
use traffic::{CLOCK, START, any_line, line, settings};

fn one() -> Vec<Configure> {
    configured(&[(0, settings(200_000))])
}

/// The entries that every journal begins with.
fn opening(partitions: i32) -> Vec<Entry> {
    support::opening(&one(), (0..partitions).map(partition).collect())
}

/// Chunks of the lines: line i goes to partition i % partitions, and a chunk is flushed after each of the sizes.
fn chunks(lines: &[Vec<u8>], partitions: i32, sizes: &[usize]) -> Vec<Entry> {
    support::chunks(&one(), &Format::AwsAlb.into(), (lines, partitions, sizes), CLOCK)
}

fn cuts(entries: &[Entry]) -> Vec<Cut> {
    play(entries).1.cuts
}

/// Sums over revisions: requests, 5xx and bytes by service and slice; verdicts by service, SLO and slice.
type Sums = (BTreeMap<(String, Time), [u64; 3]>, BTreeMap<(String, String, Time), [u64; 3]>, [u64; 4]);

fn sums(cuts: &[Cut]) -> Sums {
    let (mut requests, mut slis) = (BTreeMap::new(), BTreeMap::new());
    let mut lines = [0; 4];
    for cut in cuts {
        for row in &cut.requests {
            let sum: &mut [u64; 3] = requests.entry((row.service.to_string(), row.slice_start)).or_default();
            let mine = [row.requests, row.statuses[5], row.bytes_sent];
            sum.iter_mut().zip(mine).for_each(|(a, b)| *a += b);
        }
        for row in &cut.slis {
            let key = (row.service.to_string(), row.slo.to_string(), row.slice_start);
            let sum: &mut [u64; 3] = slis.entry(key).or_default();
            sum.iter_mut().zip([row.good, row.bad, row.excluded]).for_each(|(a, b)| *a += b);
        }
        for row in &cut.quality {
            let mine = [row.lines, row.records, row.skipped, row.rejected];
            lines.iter_mut().zip(mine).for_each(|(a, b)| *a += b);
        }
    }
    (requests, slis, lines)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_engine_goes_on_as_if_nothing_had_been(
        lines in prop::collection::vec(any_line(), 40..160),
        sizes in prop::collection::vec(1usize..30, 1..6),
    ) {
        let mut entries = opening(2);
        entries.extend(chunks(&lines, 2, &sizes));
        goes_on_after_restarts(&entries, 1, usize::MAX);
    }

    #[test]
    fn any_split_and_order_gives_the_same_sums(
        lines in prop::collection::vec(any_line(), 20..200),
        first in prop::collection::vec(1usize..40, 1..6),
        second in prop::collection::vec(1usize..40, 1..6),
        partitions in 1i32..4,
        turn in 0usize..200,
    ) {
        let mut one = opening(1);
        one.extend(chunks(&lines, 1, &first));
        let mut turned = lines.clone();
        turned.rotate_left(turn % lines.len());
        let mut other = opening(partitions);
        other.extend(chunks(&turned, partitions, &second));
        let (one, other) = (sums(&cuts(&one)), sums(&cuts(&other)));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.2[0], lines.len() as u64, "every line is in quality");
        prop_assert_eq!(one.2[0], one.2[1] + one.2[2] + one.2[3]);
    }
}

fn chunk_of(entry: &Entry) -> Chunk {
    match entry {
        Entry::Chunk(chunk) => chunk.clone(),
        other => panic!("{other:?} is no chunk"),
    }
}

#[test]
fn replays_are_dropped_and_holes_refused() {
    let lines: Vec<Vec<u8>> = (0..60).map(|i| line(i * 1000, 1, 200, 10)).collect();
    let mut entries = opening(1);
    entries.extend(chunks(&lines, 1, &[20]));
    let mut engine = Engine::new();
    for (entry, position) in entries[..4].iter().zip(1..) {
        step(&mut engine, position, entry);
    }
    let before = saved(&engine);
    step(&mut engine, 5, &entries[3]);
    assert_eq!(engine.replayed_chunks(), 1);
    let mut ahead = chunk_of(&entries[4]);
    ahead.coverage[0].span = Span { start: 25, end: 40 };
    let mut engine = restored(&before);
    let refused = engine.apply(5, &Entry::Chunk(ahead.clone()), &mut Outputs::default());
    assert!(matches!(refused, Err(EngineError::Broken { stands: 20, .. })), "{refused:?}");
    assert!(engine.check(&[Entry::Chunk(ahead)]).is_err(), "refused before it is made durable");
    assert_eq!(saved(&engine), before, "a refused chunk changes nothing");
}

#[test]
fn a_long_way_is_cut_border_by_border() {
    const SERVICES: u32 = 2_000;
    const SLICES: i64 = 20;
    let mut entries = opening(1);
    if let Entry::Configure(configure) = &mut entries[1] {
        configure.settings.limits.services_max = SERVICES;
    }
    let lines = [line(0, 1, 200, 10)];
    let mut chunk = chunk_of(&chunks(&lines, 1, &[1])[0]);
    let (_, first, _, cell) = chunk.cells[0].clone();
    let service = chunk.services[0].clone();
    let named = |i| ServiceName { name: format!("service-{i}").into(), ..service.clone() };
    chunk.services = (0..SERVICES).map(named).collect();
    let of = |slice| (0..SERVICES).map(move |service| (slice, service));
    let cells = (0..SLICES).flat_map(|i| of(Slice(first.0 + i)));
    chunk.cells = cells.map(|(slice, service)| (1, slice, service, cell.clone())).collect();
    entries.extend([Entry::Chunk(chunk), Entry::Cut(ForcedCut::All)]);
    let mut engine = Engine::new();
    let mut out = Outputs::default();
    for (entry, position) in entries.iter().zip(1..) {
        engine.apply(position, entry, &mut out).expect("applies");
    }
    let rows: Vec<usize> = out.cuts.iter().map(|cut| cut.requests.len()).collect();
    assert!(rows.len() > 1 && rows.iter().all(|rows| *rows < (1 << 14) + 5 * SERVICES as usize), "{rows:?}");
    assert_eq!(rows.iter().sum::<usize>(), SLICES as usize * SERVICES as usize);
    assert!(out.cuts.iter().map(|cut| cut.number).eq(1..=rows.len() as u64));
    let (last, before) = out.cuts.split_last().expect("cuts");
    assert!(before.iter().all(|cut| cut.watermark.seconds() % 300 == 0), "at borders");
    assert!(
        before.iter().chain([last]).all(|cut| cut.requests.iter().all(|r| r.slice_start < cut.watermark))
    );
}

#[test]
fn lost_offsets_are_counted_marked_and_told() {
    let mut entries = opening(1);
    let lines: Vec<Vec<u8>> = (0..40).map(|i| line(i * 1000, 1, 200, 10)).collect();
    let first = chunks(&lines, 1, &[40]);
    entries.push(first[0].clone());
    let mut hole = chunk_of(&first[0]);
    hole.cells.clear();
    hole.services.clear();
    hole.coverage[0].quality.clear();
    hole.coverage[0].top_times.clear();
    hole.coverage[0].first_time = None;
    hole.coverage[0].span = Span { start: 40, end: 140 };
    hole.coverage[0].gaps = vec![Gap { span: Span { start: 40, end: 140 }, reason: "retention".into() }];
    entries.push(Entry::Chunk(hole));
    entries.push(Entry::Cut(ForcedCut::All));
    let (_, out) = play(&entries);
    let gaps: Vec<_> = out.events.iter().filter(|e| e.kind == "slo.data.gap").collect();
    assert_eq!(gaps.len(), 1);
    assert_eq!(&*gaps[0].subject, "source/alb/logs/0");
    let row = out.cuts[0].quality.iter().find(|r| r.gap_offsets > 0).expect("a row with the gap");
    assert_eq!((row.gap_offsets, row.complete, row.slice_start), (100, false, START));
}

#[test]
fn a_topic_made_anew_is_told_each_time_and_a_learned_id_is_not() {
    let lines: Vec<Vec<u8>> = (0..40).map(|i| line(i * 1000, 1, 200, 10)).collect();
    let chunk = chunks(&lines, 1, &[40])[0].clone();
    let start = |offset, id: &str| {
        let (partition, topic_id) = (partition(0), Some(id.into()));
        Entry::Starts(vec![Start { partition, offset, had_data: false, topic_id }])
    };
    let mut entries = opening(1);
    // learned later than the offset, and told again
    entries.extend([start(0, "a"), start(0, "a"), chunk.clone(), start(40, "a")]);
    // anew: somewhere else, and at the very place where the old one stood
    let mut later = chunk_of(&chunk);
    later.clock = CLOCK.plus_seconds(600);
    later.coverage[0].top_times.iter_mut().for_each(|t| *t = t.plus_seconds(600));
    entries.extend([start(0, "b"), Entry::Chunk(later), start(0, "c"), start(0, "d")]);
    let (engine, out) = play(&entries);
    assert_eq!(engine.topic_id(&partition(0)).map(|id| &**id), Some("d"));
    let gaps: Vec<_> = out.events.iter().filter(|e| e.kind == "slo.data.gap").collect();
    let told = |e: &&Event| {
        let gap = &said(e)["gap"];
        assert_eq!((gap["reason"].as_str(), gap["offsets"].as_u64()), (Some("recreated"), None));
        (gap["first_offset"].as_i64(), gap["next_offset"].as_i64())
    };
    let told: Vec<_> = gaps.iter().map(told).collect();
    assert_eq!(told, [(Some(40), Some(0)), (Some(40), Some(0)), (Some(0), Some(0))]);
    let ids: std::collections::BTreeSet<_> = gaps.iter().map(|e| &e.id).collect();
    assert_eq!(ids.len(), gaps.len(), "{ids:?}");
}

#[test]
fn a_stopped_partition_is_told_of_once_and_again_when_it_is_read() {
    let mut entries = opening(2);
    let lines: Vec<Vec<u8>> = (0..200).map(|i| line(i * 1000, 1, 200, 10)).collect();
    for (standing, seconds) in [(Standing::Stopped, 1), (Standing::Stopped, 2), (Standing::Behind, 3)] {
        let mut chunk = chunk_of(&chunks(&lines, 2, &[500])[0]);
        chunk.clock = CLOCK.plus_seconds(seconds);
        chunk.coverage[0].standing = standing;
        if seconds > 1 {
            chunk.cells.clear();
            chunk.coverage.iter_mut().for_each(|c| {
                c.span = Span { start: c.span.end, end: c.span.end };
                c.quality.clear();
            });
        }
        entries.push(Entry::Chunk(chunk));
    }
    let (_, out) = play(&entries);
    let gaps: Vec<_> = out.events.iter().filter(|e| e.kind == "slo.data.gap").collect();
    let told: Vec<_> = gaps.iter().map(|e| (&*e.subject, said(e)["gap"]["transition"].clone())).collect();
    assert_eq!(told, [("source/alb/logs/0", "began".into()), ("source/alb/logs/0", "ended".into())]);
}

#[test]
fn late_lines_become_revisions_that_add_up() {
    let minute = 60_000;
    let lines = [
        // twenty minutes, then one line of the first
        (0..200).map(|i| line(i * 6_000, 1, 200, 10)).collect::<Vec<_>>(),
        vec![line(1_000, 1, 500, 10)],
        (0..200).map(|i| line(20 * minute + i * 6_000, 1, 200, 10)).collect(),
    ]
    .concat();
    let mut entries = opening(1);
    entries.extend(chunks(&lines, 1, &[100]));
    let cuts = cuts(&entries);
    let rows: Vec<_> = cuts.iter().flat_map(|c| &c.requests).filter(|r| r.slice_start == START).collect();
    let [first, late] = rows[..] else { panic!("a row and its revision, not {rows:?}") };
    assert_eq!((first.revision, first.requests, first.statuses[5]), (0, 10, 0));
    assert_eq!((late.requests, late.statuses[5]), (1, 1));
    assert!(
        late.revision > 0 && late.revision == cuts.iter().find(|c| c.requests.contains(late)).unwrap().number
    );
    let quality: Vec<_> = cuts.iter().flat_map(|c| &c.quality).filter(|r| r.slice_start == START).collect();
    assert_eq!(quality.iter().map(|r| r.late).sum::<u64>(), 1);
}

/// The line as a container's runtime logs it, split into parts of that many bytes.
fn cri(line: &[u8], part: usize) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = line.chunks(part.max(1)).collect();
    let of = |(i, piece): (usize, &&[u8])| {
        let tag = if i + 1 < pieces.len() { "P" } else { "F" };
        [format!("2025-03-04T10:00:00.5Z stdout {tag} ").as_bytes(), piece].concat()
    };
    pieces.iter().enumerate().map(of).collect()
}

/// Counts messages of one partition, at an offset each, flushing after each of the sizes. Where `kills` says, the process is gone
/// before the chunk is durable; it goes on from what the engine knows, which was itself restored from a snapshot.
fn count_with_kills(messages: &[Vec<u8>], sizes: &[usize], kills: &[bool]) -> (Sums, u64) {
    let (mut engine, mut position, mut cuts) = (Engine::new(), 0, Vec::new());
    let mut apply = |engine: &mut Engine, entry: Entry| {
        position += 1;
        let mut out = Outputs::default();
        engine.apply(position, &entry, &mut out).expect("applies");
        cuts.extend(out.cuts);
    };
    opening(1).into_iter().for_each(|entry| apply(&mut engine, entry));
    let start = |engine: &Engine| {
        let mut accumulator = accumulator(&one());
        let next = engine.positions().next(&partition(0)).expect("a position");
        let slot = accumulator.register(partition(0), &Format::AwsAlb.into(), next).expect("a slot");
        accumulator.resume(slot, Carry::from_bytes(engine.carry(&partition(0))).expect("a carry"));
        (accumulator, slot)
    };
    let (mut accumulator, slot) = start(&engine);
    let (mut turn, mut rejected) = (0, 0);
    loop {
        let from = accumulator.next(slot) as usize;
        let until = (from + sizes[turn % sizes.len()]).min(messages.len());
        for (offset, message) in messages[from..until].iter().enumerate() {
            accumulator.message(slot, &Message::of(message), CLOCK, &mut |_| rejected += 1);
            accumulator.advance(slot, (from + offset) as i64 + 1);
        }
        turn += 1;
        if turn < 200 && kills[turn % kills.len()] {
            engine = restored(&saved(&engine));
            accumulator = start(&engine).0;
            continue;
        }
        if until == messages.len() {
            accumulator.standing(slot, Standing::Finished);
        }
        let clock = CLOCK.plus_seconds(turn as i64);
        apply(&mut engine, Entry::Chunk(accumulator.flush(clock)));
        if until == messages.len() {
            break;
        }
    }
    apply(&mut engine, Entry::Cut(ForcedCut::All));
    (sums(&cuts), rejected)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_in_parts_are_counted_once_wherever_the_process_dies(
        lines in prop::collection::vec((0i64..600_000, 0u32..5, 20usize..700), 1..60),
        sizes in prop::collection::vec(1usize..12, 1..6),
        kills in prop::collection::vec(prop::bool::weighted(0.4), 1..8),
    ) {
        let whole: Vec<Vec<u8>> = lines.iter().map(|(at, service, _)| line(*at, *service, 200, 5)).collect();
        let parts: Vec<Vec<u8>> =
            whole.iter().zip(&lines).flat_map(|(line, (_, _, part))| cri(line, *part)).collect();
        let (one, _) = count_with_kills(&whole, &[1000], &[false]);
        let (other, rejected) = count_with_kills(&parts, &sizes, &kills);
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.2, [lines.len() as u64, lines.len() as u64, 0, 0]);
        prop_assert_eq!(rejected, 0);
    }
}

#[test]
fn what_is_carried_goes_with_the_position_that_it_belongs_to() {
    let parts = cri(&line(0, 1, 200, 5), 300);
    let mut accumulator = accumulator(&one());
    let slot = accumulator.register(partition(0), &Format::AwsAlb.into(), 0).expect("a slot");
    let mut engine = Engine::new();
    let entries = opening(1);
    entries.iter().zip(1..).for_each(|(entry, position)| drop(step(&mut engine, position, entry)));
    let mut coverage = |accumulator: &mut Accumulator, message: &[u8], position| {
        accumulator.message(slot, &Message::of(message), CLOCK, &mut |_| {});
        accumulator.advance(slot, accumulator.next(slot) + 1);
        let chunk = accumulator.flush(CLOCK);
        step(&mut engine, position, &Entry::Chunk(chunk.clone()));
        (chunk.coverage[0].carry.as_ref().map(|c| c.len()), engine.carry(&partition(0)).len())
    };
    let first = coverage(&mut accumulator, &parts[0], 4);
    assert!(matches!(first, (Some(bytes), kept) if bytes > 300 && bytes == kept), "{first:?}");
    let (_, kept) = coverage(&mut accumulator, &line(1, 1, 200, 5), 5);
    assert_eq!(kept, first.1, "what does not change is not said again");
    assert_eq!(coverage(&mut accumulator, b"2025-03-04T10:00:00.5Z stdout F x", 6), (Some(0), 0));
    // a repair gives it up: it belonged to the place where the partition stood
    coverage(&mut accumulator, &parts[0], 7);
    let repair = Start { partition: partition(0), offset: 100, had_data: true, topic_id: None };
    step(&mut engine, 8, &Entry::Starts(vec![repair]));
    assert_eq!(engine.carry(&partition(0)), b"");
}
