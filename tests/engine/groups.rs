//! SLOs with groups: each group's rows and budget are a plain recount of its requests, whatever the order; beyond the
//! limit groups are folded, and all still add up to the service.

use crate::breakdown::{at, broken_down, counts, journal};
use crate::support::{goes_on_after_restarts, play, said};
use crate::traffic::START;
use ninetail::core::entry::Entry;
use ninetail::core::ledger::Ledger;
use ninetail::core::rollup::Cut;
use ninetail::core::settings::{NONE, OTHER, Per, Settings};
use ninetail::core::time::{SliceLength, Time};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Availability by route and latency by status, where nothing else is said.
fn grouped(groups_max: u32) -> Settings {
    let mut settings = broken_down(100, &[]);
    for (slo, field) in settings.slos.iter_mut().zip(["route", "status"]) {
        slo.per = Some(Per { field: field.into(), groups_max });
    }
    settings
}

/// A request: milliseconds, number of the service, status, path.
type Request = (i64, u32, u16, &'static str);

fn raw(requests: &[Request]) -> Vec<Vec<u8>> {
    requests.iter().map(|(ms, service, status, path)| at(*ms, *service, *status, path)).collect()
}

/// Service, SLO and group.
type Budget = (String, String, Option<String>);

/// Good and bad by budget and minute, by plain reading of what the requests are.
fn recount(requests: &[Request]) -> BTreeMap<(Budget, Time), [u64; 2]> {
    let mut counts: BTreeMap<(Budget, Time), [u64; 2]> = BTreeMap::new();
    for (ms, service, status, path) in requests.iter().filter(|r| r.1 > 0) {
        let route = path.replace("17", "{id}").replace("18", "{id}");
        let start = Time(START.0 + ms.div_euclid(60_000) * 60_000_000);
        for (slo, group) in [("availability", route), ("latency", status.to_string())] {
            let budget = (format!("team-{service}"), slo.to_string(), Some(group));
            counts.entry((budget, start)).or_default()[usize::from(*status >= 500)] += 1;
        }
    }
    counts
}

/// What the rows say over revisions.
fn rows(cuts: &[Cut]) -> BTreeMap<(Budget, Time), [u64; 2]> {
    let mut counts: BTreeMap<(Budget, Time), [u64; 2]> = BTreeMap::new();
    for cut in cuts {
        for row in &cut.slis {
            let budget =
                (row.service.to_string(), row.slo.to_string(), row.group.as_deref().map(str::to_string));
            let sum = counts.entry((budget, row.slice_start)).or_default();
            (sum[0], sum[1]) = (sum[0] + row.good, sum[1] + row.bad);
        }
    }
    counts
}

/// What the ledger says of every window, all of which hold everything.
fn budgets(ledger: &Ledger) -> BTreeMap<Budget, [u64; 2]> {
    let budget = |g: &ninetail::core::ledger::Gauge<'_>| {
        (g.service.to_string(), g.slo.to_string(), g.group.map(ToString::to_string))
    };
    ledger.gauges().map(|g| (budget(&g), [g.window.good, g.window.bad])).collect()
}

fn summed<K: Ord>(
    counts: &BTreeMap<(Budget, Time), [u64; 2]>,
    key: impl Fn(&Budget, Time) -> K,
) -> BTreeMap<K, [u64; 2]> {
    let mut sums: BTreeMap<K, [u64; 2]> = BTreeMap::new();
    for ((budget, start), counts) in counts {
        let sum = sums.entry(key(budget, *start)).or_default();
        (sum[0], sum[1]) = (sum[0] + counts[0], sum[1] + counts[1]);
    }
    sums
}

fn any_request() -> impl Strategy<Value = Request> {
    let path = prop::sample::select(vec!["/", "/users/17", "/users/18/x", "/a", "/b", "/c"]);
    (0i64..1_500_000, 0u32..4, prop::sample::select(vec![200u16, 200, 404, 503]), path)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_group_is_a_recount_of_its_requests_in_any_order(
        requests in prop::collection::vec(any_request(), 20..200),
        sizes in prop::collection::vec(1usize..40, 1..6),
        partitions in 1i32..4,
        turn in 0usize..200,
    ) {
        let mut turned = requests.clone();
        turned.rotate_left(turn % requests.len());
        let expected = recount(&requests);
        for requests in [requests, turned] {
            let (engine, out) = play(&journal(&[(0, grouped(50))], &raw(&requests), partitions, &sizes));
            prop_assert_eq!(&rows(&out.cuts), &expected);
            prop_assert_eq!(budgets(engine.ledger()), summed(&expected, |budget, _| budget.clone()));
            prop_assert_eq!(engine.slo_groups().folded(), 0);
            for event in &out.events {
                let slo = &said(event)["slo"];
                let parts = ["service", "name", "group"].map(|p| ninetail::core::event::encoded(slo[p].as_str().unwrap()));
                prop_assert_eq!(&*event.subject, parts.join("/"));
                prop_assert_eq!(&slo["id"], &*event.subject);
            }
        }
    }

    #[test]
    fn beyond_the_limit_groups_are_folded_and_add_up(
        requests in prop::collection::vec(any_request(), 20..200),
        sizes in prop::collection::vec(1usize..40, 1..6),
        partitions in 1i32..4,
        groups_max in 1u32..5,
    ) {
        let lines = raw(&requests);
        let plain = play(&journal(&[(0, broken_down(9, &[]))], &lines, partitions, &sizes)).1;
        let (engine, out) = play(&journal(&[(0, grouped(groups_max))], &lines, partitions, &sizes));
        let found = rows(&out.cuts);
        let whole = |(service, slo, _): &Budget, start| (service.clone(), slo.clone(), start);
        prop_assert_eq!(summed(&found, whole), summed(&rows(&plain.cuts), whole));
        let mut kept: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for ((service, slo, group), _) in found.keys() {
            kept.entry((service, slo)).or_default().insert(group.as_deref().expect("a group"));
        }
        prop_assert!(kept.values().all(|of| of.len() <= groups_max as usize + 1), "{:?}", kept);
        let folded = found.iter().filter(|((budget, _), _)| budget.2.as_deref() == Some(OTHER));
        prop_assert_eq!(folded.map(|(_, [good, bad])| good + bad).sum::<u64>(), engine.slo_groups().folded());
        // the ledger has the same groups, and no more
        prop_assert_eq!(budgets(engine.ledger()), summed(&found, |budget, _| budget.clone()));
    }

    #[test]
    fn a_restored_engine_goes_on_as_if_nothing_had_been(
        requests in prop::collection::vec(any_request(), 40..120),
        sizes in prop::collection::vec(5usize..40, 1..6),
    ) {
        let entries = journal(&[(0, broken_down(2, &[])), (7, grouped(2))], &raw(&requests), 2, &sizes);
        goes_on_after_restarts(&entries, 1, usize::MAX);
    }
}

/// Requests by group of the first SLO, of the minute that begins so many milliseconds after the start.
fn by_group(cuts: &[Cut], millis: i64) -> BTreeMap<String, u64> {
    let start = Time(START.0 + millis * 1_000);
    let rows = cuts.iter().flat_map(|c| &c.slis);
    let rows = rows.filter(|r| r.slice_start == start && &*r.slo == "availability");
    rows.map(|r| (r.group.as_deref().unwrap_or("NULL").to_string(), r.good + r.bad)).collect()
}

fn minute(from: i64, paths: [&'static str; 3]) -> Vec<Vec<u8>> {
    (0..60).map(|i| at(from + i * 900, 1, 200, paths[i as usize / 20])).collect()
}

#[test]
fn a_group_whose_window_holds_nothing_any_more_leaves_and_others_have_its_place() {
    let hour = 3_600_000;
    let mut settings = grouped(2);
    settings.slos.iter_mut().for_each(|slo| slo.window_s = 3600);
    let lines = [
        minute(0, ["/a", "/b", "/c"]),
        // within the hour
        minute(hour / 2, ["/c", "/b", "/d"]),
        // the hour of /a is over, that of /b is not: one place is free after the cut
        minute(hour + hour / 4, ["/b", "/b", "/b"]),
        minute(hour + hour / 3, ["/c", "/d", "/b"]),
    ];
    let (engine, out) = play(&journal(&[(0, settings)], &lines.concat(), 1, &[60]));
    assert_eq!(by_group(&out.cuts, 0), counts(&[("/a", 20), ("/b", 20), (OTHER, 20)]));
    assert_eq!(by_group(&out.cuts, hour / 2), counts(&[("/b", 20), (OTHER, 40)]));
    assert_eq!(by_group(&out.cuts, hour + hour / 3), counts(&[("/b", 20), ("/c", 20), (OTHER, 20)]));
    let groups = budgets(engine.ledger());
    let groups: Vec<&str> =
        groups.keys().filter(|b| b.1 == "availability").filter_map(|b| b.2.as_deref()).collect();
    assert_eq!(groups, ["/b", "/c", OTHER]);
}

#[test]
fn records_without_a_value_are_a_group_that_takes_no_place() {
    let mut settings = grouped(1);
    settings.slos[0].per = Some(Per { field: "error_reason".into(), groups_max: 1 });
    let (engine, out) = play(&journal(&[(0, settings)], &minute(0, ["/a", "/b", "/c"]), 1, &[60]));
    assert_eq!(by_group(&out.cuts, 0), counts(&[(NONE, 60)]));
    assert_eq!(engine.slo_groups().folded(), 0);
}

#[test]
fn another_field_is_another_generation() {
    let other = {
        let mut settings = grouped(5);
        settings.slos[0].per = Some(Per { field: "method".into(), groups_max: 5 });
        // more places are the same groups
        settings.slos[1].per = Some(Per { field: "status".into(), groups_max: 9 });
        settings
    };
    let lines: Vec<Vec<u8>> = (0..120).map(|i| at(i * 1_500, 1, 200, "/a")).collect();
    let configurations = [(0, broken_down(9, &[])), (1, grouped(5)), (2, other)];
    let (engine, out) = play(&journal(&configurations, &lines, 1, &[200]));
    let rows = out.cuts.iter().flat_map(|c| &c.slis);
    let said: BTreeSet<(&str, u32, Option<&str>, u64)> =
        rows.map(|r| (&*r.slo, r.generation, r.group.as_deref(), r.good)).collect();
    let want = [
        ("availability", 1, None, 40),
        ("availability", 2, Some("/a"), 40),
        ("availability", 3, Some("GET"), 40),
        ("latency", 1, None, 40),
        ("latency", 2, Some("200"), 40),
    ];
    assert_eq!(said, want.into());
    let want = [(("availability", "GET"), [40, 0]), (("latency", "200"), [80, 0])];
    let want = want.map(|((slo, group), counts)| (("team-1".into(), slo.into(), Some(group.into())), counts));
    assert_eq!(budgets(engine.ledger()), want.into());
}

#[test]
fn hours_and_days_keep_groups_apart() {
    let lines: Vec<Vec<u8>> =
        (0..240).map(|i| at(i * 60_000, 1, 200, ["/a", "/b"][i as usize % 2])).collect();
    let entries: Vec<Entry> = journal(&[(0, grouped(5))], &lines, 1, &[60]);
    let (_, out) = play(&entries);
    let length = SliceLength(60);
    for cut in &out.cuts {
        assert!(cut.slis.iter().all(|r| length.start(length.slice(r.slice_start)) == r.slice_start));
    }
    let mut hours: BTreeMap<(Time, String), u64> = BTreeMap::new();
    for rows in
        out.cuts.iter().flat_map(|c| &c.coarse).filter(|c| c.grain == ninetail::core::time::Grain::Hour)
    {
        for row in rows.slis.iter().filter(|r| &*r.slo == "availability") {
            let group = row.group.as_deref().expect("a group").to_string();
            *hours.entry((row.slice_start, group)).or_default() += row.good;
        }
    }
    assert_eq!(hours.len(), 8);
    assert!(hours.values().all(|good| *good == 30), "{hours:?}");
}
