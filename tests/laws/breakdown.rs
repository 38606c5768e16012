//! The laws where records have routes, services are broken down by them, and repeats are sampled.

use super::partition;
use super::support::{allocates_nothing, at_once, changing, counted, deals, same_sums};
use super::traffic::{CLOCK, line, settings};
use ninetail::core::accumulator::Accumulator;
use ninetail::core::partial::{Cell, Chunk, Quality};
use ninetail::core::record::Outcome;
use ninetail::core::service::Combination;
use ninetail::core::settings::{Duplicates, Format, Input, Limits, OTHER, RouteRule, Settings};
use ninetail::core::time::Slice;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A line with this path and request id, else as [`line`] makes it.
fn with(line: Vec<u8>, path: &str, id: &str) -> Vec<u8> {
    let text = String::from_utf8(line).expect("text");
    text.replace("/cart?x=1", path).replace("Root=1-67c6d0a0-000000000000000000000001", id).into_bytes()
}

fn broken_down(limits: Limits) -> Settings {
    let rule = RouteRule { matches: "^/u/[^/]+$".into(), route: "/u/{name}".into() };
    Settings {
        routes: Some(vec![rule]),
        dimensions: vec!["route".into(), "method".into()],
        limits,
        ..settings(200_000)
    }
}

/// The rules are broken down from the fifth slice on.
fn accumulator(limits: Limits) -> Accumulator {
    changing(limits, &settings(200_000), &broken_down(limits))
}

fn input(duplicates: Duplicates) -> Input {
    Input { duplicates, ..Format::AwsAlb.into() }
}

/// What chunks say, added up.
#[derive(PartialEq, Debug, Default)]
struct Sums {
    cells: BTreeMap<(Slice, String, Option<Combination>), Cell>,
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
        for (i, (epoch, slice, service, cell)) in chunk.cells.iter().enumerate() {
            let combination = chunk.combination(i);
            assert_eq!(combination.is_some(), *epoch == 2, "broken down from the change on");
            let place = (*epoch, *slice, *service, combination.cloned());
            assert!(before < Some(place.clone()), "cells ascend and none comes twice");
            before = Some(place);
            let name = chunk.services[*service as usize].name.to_string();
            self.cells.entry((*slice, name, combination.cloned())).or_default().merge(cell);
        }
        for (slice, quality) in chunk.coverage.iter().flat_map(|c| &c.quality) {
            assert_eq!(quality.lines, quality.records + quality.skipped + quality.rejected());
            self.quality.entry(*slice).or_default().merge(quality);
        }
    }

    /// The cells of services as a whole.
    fn whole(&self) -> BTreeMap<(Slice, String), Cell> {
        let mut whole: BTreeMap<(Slice, String), Cell> = BTreeMap::new();
        for ((slice, service, _), cell) in &self.cells {
            whole.entry((*slice, service.clone())).or_default().merge(cell);
        }
        whole
    }
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let path = prop::sample::select(vec!["/cart", "/users/17", "/users/18/x", "/u/anna", "/u/7", "/\u{7f}"]);
    (0i64..600_000, 0u32..4, path, 0u32..40).prop_map(|(t, service, path, id)| {
        // a few ids and times, so that there are repeats
        with(line(t / 20_000 * 20_000, service, 200, 5), path, &format!("Root=1-{id}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_and_any_order_give_the_same_combinations_and_samples(
        lines in prop::collection::vec(any_line(), 1..300),
        deal in deals(),
    ) {
        let input = input(Duplicates::Estimate);
        let whole = same_sums(&lines, &deal, &input, || accumulator(Limits::default()), Sums::of);
        // fewer combinations are kept apart: other rows, the same services
        let narrow = Limits { ingest_dimension_values_max: 1, ..Limits::default() };
        let narrow = Sums::of(&counted(&lines, &deal, &input, || accumulator(narrow)));
        prop_assert_eq!(narrow.whole(), whole.whole());
        prop_assert_eq!(&narrow.quality, &whole.quality);
        // few ids are counted exactly: those of one slice, and of one time, that came before
        let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for line in &lines {
            let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
            let id = fields.iter().find(|f| f.starts_with(b"\"Root")).expect("an id");
            *seen.entry([fields[1], id].concat()).or_default() += 1;
        }
        let repeats: u64 = seen.values().map(|n| n - 1).sum();
        let estimated: u64 = whole.quality.values().filter_map(|q| q.ids.as_ref()).map(|ids| ids.repeats()).sum();
        prop_assert_eq!(estimated, repeats);
    }
}

#[test]
fn routes_and_methods_are_told_apart() {
    let at = 300_000;
    let lines =
        ["/users/1", "/users/22", "/u/anna", "/u/33", "/cart"].map(|p| with(line(at, 1, 200, 5), p, "x"));
    let input = input(Duplicates::Estimate);
    let sums = Sums::of(&at_once(&lines, &input, || accumulator(Limits::default())));
    let routes: Vec<(&str, u64)> = sums
        .cells
        .iter()
        .map(|((_, _, c), cell)| {
            (c.as_ref().and_then(|c| c.values()[0].as_deref()).unwrap_or("-"), cell.requests)
        })
        .collect();
    assert_eq!(routes, [("/cart", 1), ("/u/{name}", 2), ("/users/{id}", 2)]);
}

#[test]
fn counting_combinations_and_ids_allocates_nothing() {
    let lines: Vec<Vec<u8>> = (0..4000)
        .map(|i| {
            let path = ["/cart", "/users/17/orders", "/u/anna"][i as usize % 3];
            with(
                line(i * 37 % 180_000 + 300_000, 1 + (i % 40) as u32, 200, i % 900),
                path,
                &format!("Root=1-{i}"),
            )
        })
        .collect();
    for duplicates in [Duplicates::Ignore, Duplicates::Estimate, Duplicates::Drop] {
        let mut a = accumulator(Limits { duplicate_ids_max: 1_000, ..Limits::default() });
        let slot = a.register(partition(0), &input(duplicates), 0).expect("a slot");
        allocates_nothing(&mut a, |a| {
            lines.iter().for_each(|line| assert_eq!(a.line(slot, line, CLOCK), Outcome::Record));
        });
    }
}

#[test]
fn combinations_beyond_the_cap_go_to_other_and_the_next_span_counts_afresh() {
    let mut a = accumulator(Limits { ingest_dimension_values_max: 2, ..Limits::default() });
    let slot = a.register(partition(0), &Format::AwsAlb.into(), 0).expect("a slot");
    for span in 0..3 {
        for i in 0..100 {
            a.line(
                slot,
                &with(line(300_000 + i * 1_000, 1, 200, 5), &format!("/r{}-{span}", i % 10), "x"),
                CLOCK,
            );
        }
        let chunk = a.flush(CLOCK);
        let mut by_route: BTreeMap<String, u64> = BTreeMap::new();
        for (i, (.., cell)) in chunk.cells.iter().enumerate() {
            let route = chunk.combination(i).and_then(|c| c.values()[0].clone()).expect("a route");
            *by_route.entry(route.to_string()).or_default() += cell.requests;
        }
        let want = [(format!("/r0-{span}"), 10), (format!("/r1-{span}"), 10), (OTHER.to_string(), 80)];
        assert_eq!(by_route, want.into());
    }
}

#[test]
fn records_that_repeat_one_of_the_latest_are_dropped_and_counted() {
    let mut a = accumulator(Limits { duplicate_ids_max: 100, ..Limits::default() });
    let slot = a.register(partition(0), &input(Duplicates::Drop), 0).expect("a slot");
    let one = |i: i64, id: &str| with(line(i, 1, 200, 5), "/cart", id);
    let cases = [
        (one(0, "a"), Outcome::Record),
        (one(0, "a"), Outcome::Skipped),
        (one(1, "a"), Outcome::Record), // the trace goes on: another time
        (one(0, "b"), Outcome::Record),
        (one(0, "-"), Outcome::Record), // no id
        (one(0, "-"), Outcome::Record),
        (one(61_000, "a"), Outcome::Record),
        (one(61_000, "a"), Outcome::Skipped),
    ];
    for (i, (line, want)) in cases.iter().enumerate() {
        assert_eq!(a.line(slot, line, CLOCK), *want, "{i}");
    }
    let chunk = a.flush(CLOCK);
    let counts: Vec<_> = chunk.coverage[0]
        .quality
        .iter()
        .map(|(_, q)| {
            (q.lines, q.records, q.skipped, q.dropped, q.ids.as_ref().map(|ids| (ids.len(), ids.repeats())))
        })
        .collect();
    assert_eq!(counts, [(6, 5, 1, 1, Some((3, 0))), (2, 1, 1, 1, Some((1, 0)))]);
    assert_eq!(chunk.cells.iter().map(|c| c.3.requests).sum::<u64>(), 6);
    // the memory outlives a flush
    assert_eq!(a.line(slot, &cases[0].0, CLOCK), Outcome::Skipped);
}
