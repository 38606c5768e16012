//! The laws that exactly-once counting stands on: partials are a commutative monoid, sums do not depend
//! on how the input was split or ordered, the chain of offsets refuses what it should, and counting a
//! line allocates nothing.

#[path = "laws/breakdown.rs"]
mod breakdown;
#[path = "laws/counting.rs"]
mod counting;
#[path = "laws/groups.rs"]
mod groups;
#[path = "laws/support.rs"]
mod support;
#[path = "laws/traffic.rs"]
mod traffic;

use ninetail::core::accumulator::Accumulator;
use ninetail::core::envelope::{Headers, Message};
use ninetail::core::histogram::Histogram;
use ninetail::core::partial::{Cell, Chunk, Quality, Verdicts};
use ninetail::core::position::{Fit, Partition, Positions, Span};
use ninetail::core::record::{Labels, Outcome, Reason};
use ninetail::core::service::Classifier;
use ninetail::core::settings::{Format, Limits, OTHER, Rule};
use ninetail::core::time::{Slice, SliceLength, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{allocates_nothing, changing, deals, same_sums};
use traffic::{CLOCK, START, any_line, line, settings};

const LENGTH: SliceLength = SliceLength(60);

fn partition(number: i32) -> Partition {
    Partition { source: "alb".into(), topic: "logs".into(), number }
}

/// The latency's bound changes.
fn accumulator(limits: Limits) -> Accumulator {
    changing(limits, &settings(200_000), &settings(1_000_000))
}

/// All that chunks say, added up: cells by (epoch, slice, service), line counts by slice.
#[derive(PartialEq, Debug, Default)]
struct Sums {
    cells: BTreeMap<(u32, Slice, String), Cell>,
    quality: BTreeMap<Option<Slice>, Quality>,
}

impl Sums {
    fn of(chunks: &[Chunk]) -> Sums {
        let mut sums = Sums::default();
        chunks.iter().for_each(|chunk| sums.add(chunk));
        sums
    }

    fn add(&mut self, chunk: &Chunk) {
        let mut before = None;
        for (epoch, slice, service, cell) in &chunk.cells {
            assert!(before < Some((*epoch, *slice, *service)), "cells ascend and none comes twice");
            before = Some((*epoch, *slice, *service));
            assert_eq!(cell.requests, cell.statuses.iter().sum::<u64>());
            let name = chunk.services[*service as usize].name.to_string();
            self.cells.entry((*epoch, *slice, name)).or_default().merge(cell);
        }
        for coverage in &chunk.coverage {
            assert!(coverage.top_times.is_sorted_by(|a, b| a >= b));
            for (slice, quality) in &coverage.quality {
                assert_eq!(quality.lines, quality.records + quality.skipped + quality.rejected());
                self.quality.entry(*slice).or_default().merge(quality);
            }
        }
    }
}

fn any_cell() -> impl Strategy<Value = Cell> {
    let slo = (0u16..6, (0u64..9, 0u64..9, 0u64..9));
    let latencies = prop::collection::vec(0u64..1 << 34, 0..60);
    let numbers = (any::<[u32; 6]>(), any::<u32>(), any::<u64>(), any::<u64>());
    (numbers, latencies.clone(), latencies, prop::collection::vec(slo, 0..5)).prop_map(
        |(n, client, upstream, slos)| {
            let histogram = |latencies: Vec<u64>| {
                latencies.iter().fold(Histogram::default(), |mut h, v| {
                    h.record(*v);
                    h
                })
            };
            let verdicts = |(good, bad, excluded)| Verdicts { good, bad, excluded };
            Cell {
                requests: n.0.iter().map(|c| *c as u64).sum(),
                statuses: n.0.map(u64::from),
                client_gone: n.1 as u64,
                bytes_received: n.2 >> 1,
                bytes_sent: n.3 >> 1,
                client_latency: histogram(client),
                upstream_latency: histogram(upstream),
                slos: slos.into_iter().map(|(slo, v)| (slo, verdicts(v))).collect(),
            }
        },
    )
}

fn merged(a: &Cell, b: &Cell) -> Cell {
    let mut sum = a.clone();
    sum.merge(b);
    sum
}

proptest! {
    #[test]
    fn cells_are_a_commutative_monoid(a in any_cell(), b in any_cell(), c in any_cell()) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(&merged(&a, &Cell::default()), &a);
        prop_assert_eq!(&merged(&Cell::default(), &a), &a);
        let wire = postcard::to_stdvec(&a).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Cell>(&wire).unwrap(), a);
    }

    #[test]
    fn any_split_and_any_order_give_the_same_sums(
        lines in prop::collection::vec(any_line(), 1..200),
        deal in deals(),
    ) {
        let accumulator = || accumulator(Limits::default());
        let whole = same_sums(&lines, &deal, &Format::AwsAlb.into(), accumulator, Sums::of);
        let counted: u64 = whole.quality.values().map(|q| q.lines).sum();
        prop_assert_eq!(counted, lines.len() as u64);
        let requests: u64 = whole.cells.values().map(|c| c.requests).sum();
        prop_assert_eq!(requests, whole.quality.values().map(|q| q.records).sum::<u64>());
    }

    #[test]
    fn the_chain_takes_every_offset_once(lengths in prop::collection::vec(0i64..20, 1..30), picks in prop::collection::vec(any::<prop::sample::Index>(), 1..200)) {
        let mut spans = Vec::new();
        for length in &lengths {
            let start = spans.last().map_or(0, |s: &Span| s.end);
            spans.push(Span { start, end: start + length });
        }
        let (p, mut positions) = (partition(0), Positions::default());
        positions.set(p.clone(), 0);
        let mut taken = 0;
        for span in picks.iter().map(|pick| *pick.get(&spans)).chain(spans.iter().copied()) {
            let stands = positions.next(&p).unwrap();
            match positions.fit([(&p, span)].into_iter()) {
                Fit::Next => {
                    prop_assert_eq!(span.start, stands);
                    taken += span.end - span.start;
                    positions.advance(&p, span);
                }
                Fit::Replay => prop_assert!(span.end <= stands),
                Fit::Broken { stands: at, .. } => {
                    prop_assert_eq!(at, stands);
                    prop_assert!(span.start > stands, "spans of one chain never overlap in part");
                }
            }
        }
        prop_assert_eq!(taken, lengths.iter().sum::<i64>());
        prop_assert_eq!(positions.next(&p), spans.last().map(|s| s.end));
    }
}

/// Arrival is looked at, and counters of other systems are counted, with as little.
#[test]
fn freshness_and_counters_allocate_nothing() {
    struct Arrived;
    impl Headers for Arrived {
        fn get(&self, _: &str) -> Option<&[u8]> {
            None
        }

        fn timestamp(&self) -> Option<Time> {
            Some(CLOCK)
        }
    }
    let mut settings = traffic::settings(200_000);
    settings.slos[0].indicator.rule = Rule::Freshness { below_us: 1 };
    settings.slos[1].indicator.rule = Rule::External;
    let mut a = Accumulator::new(Limits::default(), SliceLength(60), 16, Labels::default());
    let classifier = Classifier::compile(&settings, &mut Labels::default()).expect("the rules compile");
    a.configure(vec![(None, 1, Arc::new(classifier))]);
    let lines: Vec<Vec<u8>> = (0..1000).map(|i| line(i * 37, 1 + (i % 40) as u32, 200, i % 900)).collect();
    let counters: Vec<String> = (0..1000)
        .map(|i| {
            let (time, service) = (START.seconds() + i % 90, i % 40);
            format!(r#"{{"time":{time},"service":"team-{service}","slo":"latency","good":{i},"total":1000}}"#)
        })
        .collect();
    let slots = [(0, Format::AwsAlb), (1, Format::External)]
        .map(|(number, format)| a.register(partition(number), &format.into(), 0).expect("a slot"));
    let pass = |a: &mut Accumulator| {
        let mut rejected = 0;
        for (line, counters) in lines.iter().zip(&counters) {
            let messages = [Message::of(line), Message::of(counters.as_bytes())];
            for (slot, message) in slots.into_iter().zip(messages) {
                let message = Message { headers: &Arrived, ..message };
                a.message(slot, &message, CLOCK, &mut |_| rejected += 1);
                a.advance(slot, a.next(slot) + 1);
            }
        }
        assert_eq!(rejected, 0);
    };
    for _ in 0..2 {
        pass(&mut a);
        let chunk = a.flush(CLOCK);
        let cells = chunk.cells.iter().map(|(_, _, _, cell)| cell);
        let sum = |slo| cells.clone().filter_map(|c| c.slos.get(slo)).map(|v| v.good + v.bad).sum::<u64>();
        assert_eq!((sum(0), sum(1)), (1000, 1_000_000));
    }
    allocates_nothing(&mut a, pass);
}

#[test]
fn counting_a_line_allocates_nothing() {
    let lines: Vec<Vec<u8>> = (0..4000)
        .map(|i| line(i * 37 % 180_000, 1 + (i % 40) as u32, if i % 50 == 0 { 503 } else { 200 }, i % 900))
        .collect();
    let mut a = accumulator(Limits::default());
    let slot = a.register(partition(0), &Format::AwsAlb.into(), 0).expect("a slot");
    let cri = |line: &str| format!("2025-12-31T17:37:40.493035218+01:00 stdout F {line}");
    let filebeat = |line: &str| {
        serde_json::json!({ "@metadata": { "beat": "filebeat" }, "message": line, "log": { "offset": 0 } })
            .to_string()
    };
    // every other line comes wrapped
    let wrap = |(i, line): (usize, Vec<u8>)| match (i % 6, String::from_utf8(line).expect("text")) {
        (1, line) => cri(&line).into_bytes(),
        (3, line) => filebeat(&line).into_bytes(),
        (5, line) => filebeat(&cri(&line)).into_bytes(),
        (_, line) => line.into_bytes(),
    };
    let lines: Vec<Vec<u8>> = lines.into_iter().enumerate().map(wrap).collect();
    allocates_nothing(&mut a, |a| {
        for (i, line) in lines.iter().enumerate() {
            assert_eq!(a.line(slot, line, CLOCK), Outcome::Record);
            a.advance(slot, i as i64 + 1);
        }
    });
}

#[test]
fn services_beyond_the_cap_go_to_other_and_the_next_span_counts_afresh() {
    let mut a = accumulator(Limits { ingest_services_max: 3, ..Limits::default() });
    let slot = a.register(partition(0), &Format::AwsAlb.into(), 0).expect("a slot");
    for _ in 0..3 {
        for i in 0..1000 {
            a.line(slot, &line(i % 60_000, 1 + (i % 100) as u32, 200, 5), CLOCK);
        }
        let chunk = a.flush(CLOCK);
        let names: Vec<&str> = chunk.services.iter().map(|s| &*s.name).collect();
        assert_eq!(names, [OTHER, "team-1", "team-2", "team-3"]);
        let requests: Vec<u64> = chunk.cells.iter().map(|c| c.3.requests).collect();
        assert_eq!(requests, [970, 10, 10, 10]);
        assert!(chunk.cells[0].3.slos.is_empty(), "patterns do not match reserved names");
    }
}

#[test]
fn lines_are_rejected_with_their_reason() {
    let mut a = accumulator(Limits { line_bytes_max: 1000, ..Limits::default() });
    let slot = a.register(partition(0), &Format::AwsAlb.into(), 0).expect("a slot");
    let mut long = line(0, 1, 200, 5);
    long.resize(1001, b'x');
    let mut crlf = line(0, 1, 200, 5);
    crlf.extend_from_slice(b"\r\n");
    let late = line(0, 1, 200, 5);
    let cases: [(&[u8], _); 7] = [
        (b"", Outcome::Rejected(Reason::Empty)),
        (b"\n", Outcome::Rejected(Reason::Empty)),
        (b"\r\n", Outcome::Rejected(Reason::Empty)),
        (&long, Outcome::Rejected(Reason::TooLong)),
        (&crlf, Outcome::Record),
        (&late, Outcome::Record),
        (b"{\"not\": \"a line of this format\"}", Outcome::Rejected(Reason::NotThisFormat)),
    ];
    for (line, want) in cases {
        assert_eq!(a.line(slot, line, CLOCK), want, "{}", String::from_utf8_lossy(line));
    }
    // the time may lie a minute after the clock, not more
    let clock = START.plus_seconds(-60);
    assert_eq!(a.line(slot, &line(0, 1, 200, 5), clock), Outcome::Rejected(Reason::TimeOutOfRange));
    assert_eq!(a.line(slot, &line(-1, 1, 200, 5), clock), Outcome::Record);
    assert_eq!(a.reject(slot, Reason::TooLong), Outcome::Rejected(Reason::TooLong));
    let chunk = a.flush(CLOCK);
    let timeless = &chunk.coverage[0].quality[0];
    assert_eq!((timeless.0, timeless.1.lines), (None, 7));
    let want =
        [(Reason::Empty, 3), (Reason::TooLong, 2), (Reason::NotThisFormat, 1), (Reason::TimeOutOfRange, 1)];
    assert_eq!(timeless.1.rejects, want);
}
