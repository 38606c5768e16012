//! Rows broken down by dimensions: they add up to the service, whatever was folded, and everything else stays as
//! it is without them.

use crate::support::{chunks, configured, goes_on_after_restarts, opening, partition, play, said};
use crate::traffic::{CLOCK, START, line, settings};
use ninetail::core::entry::Entry;
use ninetail::core::event::Event;
use ninetail::core::rollup::{Cut, RequestsRow};
use ninetail::core::settings::{Duplicates, Format, Input, OTHER, Settings};
use ninetail::core::time::Time;
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(crate) fn broken_down(values_max: u32, dimensions: &[&str]) -> Settings {
    let mut settings = settings(200_000);
    settings.routes = Some(Vec::new());
    settings.dimensions = dimensions.iter().map(|d| d.to_string()).collect();
    settings.limits.dimension_values_max = values_max;
    settings
}

/// A line of that path.
pub(crate) fn at(millis: i64, service: u32, status: u16, path: &str) -> Vec<u8> {
    let text = String::from_utf8(line(millis, service, status, 10)).expect("text");
    text.replace("/cart?x=1", path).into_bytes()
}

/// The journal of the lines, dealt to partitions in turn; each configuration from its minute on.
pub(crate) fn journal(
    configurations: &[(i64, Settings)],
    lines: &[Vec<u8>],
    partitions: i32,
    sizes: &[usize],
) -> Vec<Entry> {
    let configured = configured(configurations);
    let input = Input { duplicates: Duplicates::Estimate, ..Format::AwsAlb.into() };
    let mut entries = opening(&configured, (0..partitions).map(partition).collect());
    let clock = CLOCK.plus_seconds(7 * 86_400);
    entries.extend(chunks(&configured, &input, (lines, partitions, sizes), clock));
    entries
}

/// The same cuts with the rows of one service, slice and revision added up, and nothing said of dimensions.
fn whole(cuts: &[Cut]) -> Vec<Cut> {
    let mut cuts = cuts.to_vec();
    for cut in &mut cuts {
        cut.dimensions.clear();
        cut.coarse.clear();
        cut.quality.iter_mut().for_each(|row| row.dimensions_folded = 0);
        let mut rows: Vec<RequestsRow> = Vec::new();
        for row in std::mem::take(&mut cut.requests) {
            match rows.last_mut() {
                Some(last) if (&last.service, last.slice_start) == (&row.service, row.slice_start) => {
                    assert!(last.dimensions < row.dimensions, "rows ascend and none comes twice");
                    last.requests += row.requests;
                    last.statuses.iter_mut().zip(row.statuses).for_each(|(a, b)| *a += b);
                    last.client_gone += row.client_gone;
                    last.bytes_received += row.bytes_received;
                    last.bytes_sent += row.bytes_sent;
                    last.client_latency.merge(&row.client_latency);
                    last.upstream_latency.merge(&row.upstream_latency);
                    last.dimensions = row.dimensions;
                }
                _ => rows.push(row),
            }
        }
        rows.iter_mut().for_each(|row| row.dimensions = Box::default());
        cut.requests = rows;
    }
    cuts
}

/// Requests by the first dimension of a slice, over revisions.
fn by_first(cuts: &[Cut], start: Time) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in cuts.iter().flat_map(|c| &c.requests).filter(|r| r.slice_start == start) {
        let value = row.dimensions.first().and_then(|v| v.as_deref()).unwrap_or("NULL");
        *sums.entry(value.to_string()).or_default() += row.requests;
    }
    sums
}

pub(crate) fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, count)| (name.to_string(), *count)).collect()
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let path = prop::sample::select(vec!["/", "/users/17", "/users/18/x", "/a", "/b", "/c"]);
    let status = prop::sample::select(vec![200u16, 200, 404, 503]);
    (0i64..1_500_000, 0u32..4, status, path)
        .prop_map(|(t, service, status, path)| at(t, service, status, path))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_add_up_to_those_without_dimensions_and_all_else_is_the_same(
        lines in prop::collection::vec(any_line(), 20..200),
        sizes in prop::collection::vec(1usize..40, 1..6),
        partitions in 1i32..4,
        values_max in 1u32..8,
    ) {
        let plain = play(&journal(&[(0, broken_down(9, &[]))], &lines, partitions, &sizes)).1;
        let settings = broken_down(values_max, &["route", "method"]);
        let (engine, split) = play(&journal(&[(0, settings)], &lines, partitions, &sizes));
        // but for the hash of the settings and what names dimensions
        let told = |events: &[Event]| {
            let blank = |event: &Event| {
                let mut event = event.clone();
                let mut data = said(&event);
                data["provenance"]["config_sha256"] = "".into();
                data["top_contributors"] = Vec::<serde_json::Value>::new().into();
                event.data = data.to_string();
                event
            };
            events.iter().map(blank).collect::<Vec<_>>()
        };
        prop_assert_eq!(told(&split.events), told(&plain.events));
        prop_assert_eq!(whole(&split.cuts), whole(&plain.cuts));
        // every folded request is counted, in the slice it is of
        let rows = || split.cuts.iter().flat_map(|c| &c.requests);
        let mut folded: BTreeMap<Time, u64> = BTreeMap::new();
        for row in rows().filter(|r| r.dimensions[0].as_deref() == Some(OTHER)) {
            *folded.entry(row.slice_start).or_default() += row.requests;
        }
        let mut told: BTreeMap<Time, u64> = BTreeMap::new();
        for row in split.cuts.iter().flat_map(|c| &c.quality).filter(|r| r.dimensions_folded > 0) {
            prop_assert!(row.dimensions_folded <= row.records);
            *told.entry(row.slice_start).or_default() += row.dimensions_folded;
        }
        prop_assert_eq!(engine.breakdown().folded(), folded.values().sum::<u64>());
        prop_assert_eq!(told, folded);
        let mut kept: BTreeMap<&str, std::collections::BTreeSet<_>> = BTreeMap::new();
        for row in rows() {
            kept.entry(&row.service).or_default().insert(&row.dimensions);
        }
        prop_assert!(kept.values().all(|of| of.len() <= values_max as usize + 1), "{:?}", kept);
    }

    #[test]
    fn a_restored_engine_goes_on_as_if_nothing_had_been(
        lines in prop::collection::vec(any_line(), 40..120),
        sizes in prop::collection::vec(5usize..40, 1..6),
    ) {
        let settings = broken_down(2, &["route", "method"]);
        let entries = journal(&[(0, broken_down(2, &[])), (7, settings)], &lines, 2, &sizes);
        goes_on_after_restarts(&entries, 1, usize::MAX);
    }
}

#[test]
fn the_first_in_the_journal_are_kept_apart_and_a_day_later_others_are() {
    let day = 86_400_000;
    let minute = |from: i64, paths: [&str; 3]| -> Vec<Vec<u8>> {
        (0..60).map(|i| at(from + i * 900, 1, 200, paths[i as usize / 20])).collect()
    };
    let lines = [
        minute(0, ["/a", "/b", "/c"]),
        minute(day / 2, ["/c", "/b", "/d"]),
        // a cut: a day without /a and /b
        minute(2 * day - 3_600_000, ["/a", "/a", "/a"]),
        minute(2 * day, ["/x", "/y", "/a"]),
    ];
    let later = |ms: i64| Time(START.0 + ms * 1_000);
    let (engine, out) = play(&journal(&[(0, broken_down(2, &["route"]))], &lines.concat(), 1, &[60]));
    assert_eq!(by_first(&out.cuts, START), counts(&[("/a", 20), ("/b", 20), (OTHER, 20)]));
    assert_eq!(by_first(&out.cuts, later(day / 2)), counts(&[("/b", 20), (OTHER, 40)]));
    assert_eq!(by_first(&out.cuts, later(2 * day)), counts(&[("/x", 20), ("/a", 20), (OTHER, 20)]));
    assert_eq!(engine.breakdown().folded(), 80);
}

#[test]
fn a_change_of_dimensions_makes_one_cut_with_the_columns_of_both() {
    let lines: Vec<Vec<u8>> = (0..120).map(|i| at(i * 1_500, 1, 200, "/users/7")).collect();
    let configurations = [
        (0, broken_down(5, &[])),
        (1, broken_down(5, &["method"])),
        (2, broken_down(5, &["route", "method"])),
    ];
    let (_, out) = play(&journal(&configurations, &lines, 1, &[200]));
    let [cut] = &out.cuts[..] else { panic!("one cut, not {}", out.cuts.len()) };
    assert_eq!(cut.dimensions.iter().map(|d| &**d).collect::<Vec<_>>(), ["method", "route"]);
    let rows: Vec<_> = cut.requests.iter().map(|r| (r.dimensions.to_vec(), r.requests)).collect();
    let (get, route) = (Some("GET".into()), Some("/users/{id}".into()));
    assert_eq!(rows, [(vec![None, None], 40), (vec![get.clone(), None], 40), (vec![get, route], 40)]);
    assert_eq!(cut.slis.iter().map(|r| r.good).sum::<u64>(), 240, "verdicts stay by service");
}

#[test]
fn repeats_are_estimated_by_partition_slice_and_revision() {
    // the id is the same in all lines: lines of one time repeat
    let minute = |from: i64, times: i64| -> Vec<Vec<u8>> {
        (0..60).map(|i| at(from + i % times, 1, 200, "/")).collect()
    };
    let lines =
        [minute(0, 60), minute(60_000, 20), minute(1_200_000, 60), minute(60_000, 30), minute(1_260_000, 60)];
    let (_, out) = play(&journal(&[(0, broken_down(9, &[]))], &lines.concat(), 1, &[60]));
    let of = |minute: i64| -> Vec<(bool, Option<u64>)> {
        let start = START.plus_seconds(minute * 60);
        let rows = out.cuts.iter().flat_map(|c| &c.quality).filter(|r| r.slice_start == start);
        rows.map(|r| (r.revision > 0, r.duplicates_estimated)).collect()
    };
    assert_eq!(of(0), [(false, Some(0))]);
    assert_eq!(of(1), [(false, Some(40)), (true, Some(30))], "a revision compares its own records only");
    assert_eq!(of(5), [(false, None)], "nothing was sampled");
}
