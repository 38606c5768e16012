//! Exclusion windows: what happens in them counts for no budget and no alert, and is kept beside.

use crate::support::*;
use ninetail::core::event::{self, Event};
use ninetail::core::settings::{Budgeting, Exclusion, Occurs, Settings, SliceTest, Slo};
use ninetail::core::time::Time;

/// Minutes after `BEGIN`, for a service.
fn once(service: &str, from: i64, to: i64) -> Exclusion {
    let at = |minute: i64| Time::from_seconds((BEGIN + minute) * 60);
    Exclusion {
        name: "upgrade".into(),
        reason: "database upgrade".into(),
        services: vec![service.into()],
        slos: vec!["*".into()],
        occurs: Occurs::Once { from: at(from), to: at(to) },
    }
}

fn bench(slos: Vec<Slo>, exclusions: Vec<Exclusion>) -> Bench {
    Bench::of(Settings { exclusions, ..settings(slos) })
}

/// Closes minutes in which a service has so many good and bad requests.
fn run(bench: &mut Bench, minutes: i64, service: &str, good: u64, bad: u64) -> Vec<Event> {
    (0..minutes).flat_map(|_| bench.close(&[(service, 0, good, bad)])).collect()
}

/// One day of seven removed, an hour down: the hour is a larger part of what is left.
#[test]
fn a_day_removed_of_a_week_shrinks_the_window() {
    let week = Slo {
        budgeting: Budgeting::Timeslices { slice_s: 60, test: SliceTest::Good { target: percent("95") } },
        ..slo("week", "99", 7 * 86_400, vec![])
    };
    for (exclusions, slices, consumed) in
        [(vec![], 10_080, "0.595238"), (vec![once("*", 1_440, 2_880)], 8_640, "0.694444")]
    {
        let mut bench = bench(vec![week.clone()], exclusions);
        run(&mut bench, 10_020, "shop", 10, 0);
        run(&mut bench, 59, "shop", 0, 10);
        let told = run(&mut bench, 1, "shop", 0, 10);
        let consumption = told.iter().find(|e| e.kind == event::CONSUMED).unwrap();
        assert_eq!(field(consumption, "/budget/consumed_ratio"), consumed);
        assert_eq!(field(consumption, "/provenance/coverage/slices"), slices);
        let gauge = bench.ledger.gauges().next().unwrap();
        assert_eq!((gauge.window.bad, gauge.window.total(), gauge.window.slices), (60, slices, slices));
    }
}

#[test]
fn maintenance_pages_nobody_and_consumes_nothing() {
    let mut bench =
        bench(vec![slo("availability", "99.9", MONTH_S, workbook())], vec![once("shop", 60, 120)]);
    run(&mut bench, 60, "shop", 1000, 0);
    assert_eq!(run(&mut bench, 60, "shop", 0, 1000), []);
    // another service is not excluded
    let told = bench.close(&[("cart", 0, 0, 1000)]);
    assert!(kinds(&told).contains(&event::FIRING));
    let told = run(&mut bench, 1, "shop", 0, 1000);
    let firing = told.iter().find(|e| e.kind == event::FIRING).unwrap();
    // what is in the window is told beside what counts
    assert_eq!(field(firing, "/sli/bad"), 1000);
    assert_eq!(field(firing, "/sli/good"), 60_000);
    assert_eq!(field(firing, "/sli/maintenance_bad"), 60_000);
    assert_eq!(field(firing, "/sli/maintenance_good"), 0);
}

/// An hour's window of which nearly all was maintenance is not judged by its first minute alone.
#[test]
fn after_maintenance_one_error_does_not_page() {
    let mut bench =
        bench(vec![slo("availability", "99.9", MONTH_S, workbook())], vec![once("shop", 60, 180)]);
    run(&mut bench, 180, "shop", 1000, 0);
    let told = bench.close(&[("shop", 0, 98, 2)]);
    assert_eq!(kinds(&told), [event::CONSUMED]);
    let told = bench.close(&[("shop", 0, 0, 1000)]);
    assert!(kinds(&told).contains(&event::FIRING));
}

#[test]
fn an_alert_that_fires_as_maintenance_begins_resolves_with_its_short_window() {
    let mut bench = bench(vec![slo("availability", "99.9", MONTH_S, workbook())], vec![once("*", 30, 90)]);
    run(&mut bench, 29, "shop", 1000, 0);
    run(&mut bench, 1, "shop", 0, 1000);
    run(&mut bench, 60, "shop", 0, 1000);
    assert_eq!(bench.minutes(event::FIRING, Some("page-1h")), [30]);
    assert_eq!(bench.minutes(event::RESOLVED, Some("page-1h")), [35]);
}

/// A configuration decides what is excluded of all that the ledger remembers, from its first slice on.
#[test]
fn an_exclusion_that_comes_later_corrects_the_window_and_one_that_goes_gives_it_back() {
    let slos = || vec![slo("availability", "99", MONTH_S, vec![])];
    let mut bench = bench(slos(), vec![]);
    run(&mut bench, 100, "shop", 99, 0);
    run(&mut bench, 2, "shop", 0, 100);
    assert_eq!(bench.minutes(event::EXHAUSTED, None), [101]);
    bench.configure(Some(BEGIN + 103), Settings { exclusions: vec![once("*", 90, 102)], ..settings(slos()) });
    run(&mut bench, 3, "shop", 99, 1);
    assert_eq!(bench.minutes(event::RECOVERED, None), [104]);
    let gauge = bench.ledger.gauges().next().unwrap();
    assert_eq!((gauge.window.bad, gauge.window.slices), (3, 43_200 - 12));
    bench.configure(Some(BEGIN + 106), settings(slos()));
    let told = run(&mut bench, 2, "shop", 99, 1);
    assert!(kinds(&told).contains(&event::EXHAUSTED));
    let gauge = bench.ledger.gauges().next().unwrap();
    assert_eq!((gauge.window.bad, gauge.window.slices), (205, 43_200));
}

/// Late requests of an excluded slice are maintenance too.
#[test]
fn late_requests_of_maintenance_do_not_count() {
    let mut bench = bench(vec![slo("availability", "99", MONTH_S, vec![])], vec![once("*", 10, 20)]);
    run(&mut bench, 30, "shop", 100, 0);
    assert!(bench.correct(15, ("shop", 0, 0, 10_000)));
    assert_eq!(run(&mut bench, 1, "shop", 100, 0), []);
    assert!(bench.correct(25, ("shop", 0, 0, 10_000)));
    assert!(kinds(&run(&mut bench, 1, "shop", 100, 0)).contains(&event::EXHAUSTED));
}
