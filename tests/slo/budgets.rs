//! Consumption, exhaustion and recovery of budgets; what a fresh start does and does not tell.

use crate::support::*;
use ninetail::core::event::{CONSUMED, EXHAUSTED, FIRING, RECOVERED, RESOLVED};
use ninetail::core::time::Slice;

#[test]
fn an_outage_leaves_the_rolling_window_after_its_length() {
    // 1,000 requests an hour-slice's worth: 7 days, 99 %, a total outage of 100.8 minutes is the budget
    let week = 7 * 1440;
    let mut bench = Bench::new(vec![slo("a", "99", week as u64 * 60, vec![])]);
    for minute in 0..week * 2 {
        let bad = if (week - 50..week + 51).contains(&minute) { 100 } else { 0 };
        bench.close(&[("shop", 0, 100 - bad, bad)]);
    }
    assert_eq!(bench.minutes(EXHAUSTED, None), [week + 51]);
    assert_eq!(bench.minutes(RECOVERED, None), [week * 2 - 49]);
    let exhausted = bench.events.iter().find(|e| e.kind == EXHAUSTED).unwrap();
    assert_eq!(field(exhausted, "/budget/consumed_events"), 10_100);
    assert_eq!(field(exhausted, "/budget/allowed_events"), "10080");
    assert_eq!(field(exhausted, "/budget/consumed_ratio"), "1.001984");
    assert_eq!(field(exhausted, "/budget/remaining_ratio"), "-0.001985");
}

#[test]
fn exactly_the_budget_is_exhausted() {
    let mut bench = Bench::new(vec![slo("a", "99", 3600, vec![])]);
    bench.close(&[("shop", 0, 980, 9)]);
    assert!(bench.minutes(EXHAUSTED, None).is_empty());
    bench.close(&[("shop", 0, 10, 1)]);
    assert_eq!(bench.minutes(EXHAUSTED, None), [2]);
    // one more good request, and the share is below 1
    bench.close(&[("shop", 0, 1, 0)]);
    assert_eq!(bench.minutes(RECOVERED, None), [3]);
}

#[test]
fn three_quarters_are_three_quarters() {
    // 10,000,000 requests in 7 days at 99 %: 100,000 allowed, 75,000 gone
    let mut bench = Bench::new(vec![slo("latency", "99", 7 * 86_400, vec![])]);
    bench.close(&[("shop", 0, 9_925_000, 75_000)]);
    let event = &bench.events[0];
    assert_eq!(event.kind, CONSUMED);
    for (path, want) in [
        ("/budget/allowed_events", "100000"),
        ("/budget/consumed_ratio", "0.75"),
        ("/budget/remaining_ratio", "0.25"),
        ("/budget/consumed_delta", "0.75"),
        ("/sli/value", "0.9925"),
    ] {
        assert_eq!(field(event, path), want, "{path}");
    }
    assert_eq!(event.id, format!("shop/latency/1/budget/consumed/{}/0", event.time));
}

#[test]
fn every_bad_request_is_told_once() {
    let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, vec![])]);
    let mut all = 0;
    for minute in 0..500u64 {
        let bad = if minute % 7 == 0 { minute } else { 0 };
        all += bad;
        bench.close(&[("shop", 0, 1000, bad)]);
        if minute % 50 == 20 {
            // late ones are told at the next close
            assert!(bench.correct(minute as i64 - 10, ("shop", 0, 0, 3)));
            all += 3;
        }
    }
    let told = bench.events.iter().filter(|e| e.kind == CONSUMED);
    assert_eq!(told.map(|e| field(e, "/budget/consumed_delta_events").as_u64().unwrap()).sum::<u64>(), all);
}

#[test]
fn small_amounts_wait_for_the_step() {
    // 0.1 % of a budget of 1,000 is one bad request; at 1 % ten
    for (step, want) in [("0", 30), ("0.1", 30), ("1", 3), ("3", 1), ("3.1", 0)] {
        let mut slo = slo("a", "99.9", MONTH_S, vec![]);
        slo.consumed_step = percent(step);
        let mut bench = Bench::new(vec![slo]);
        bench.close(&[("shop", 0, 1_000_000 - 30, 0)]);
        for _ in 0..30 {
            bench.close(&[("shop", 0, 0, 1)]);
        }
        assert_eq!(bench.minutes(CONSUMED, None).len(), want, "step {step}");
    }
}

#[test]
fn no_traffic_is_no_transition_and_no_number() {
    let mut bench = Bench::new(vec![slo("a", "99.9", 3600, workbook())]);
    bench.close(&[("shop", 0, 10, 0)]);
    assert!(bench.close_empty(60).is_empty());
    // the hour is empty now: nothing is left to remember but the ticket's three days
    let gauge = bench.ledger.gauges().next().unwrap();
    assert_eq!(gauge.remaining, None);
    assert_eq!(gauge.burns[0].1, None);
    bench.close_empty(4320);
    assert_eq!(bench.ledger.series(), 0);
    assert!(bench.events.is_empty());
}

#[test]
fn a_fresh_start_pages_for_an_outage_not_for_one_error() {
    for (good, bad, fires) in [(999, 1, false), (95, 5, false), (0, 1000, true)] {
        let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, workbook())]);
        bench.context.observed_from = Some(Slice(BEGIN));
        bench.close(&[("shop", 0, good, bad)]);
        assert_eq!(bench.minutes(FIRING, Some("page-1h")), if fires { vec![1] } else { vec![] });
        let event = &bench.events[0];
        assert_eq!(field(event, "/provenance/coverage/observed"), 1);
        assert_eq!(field(event, "/provenance/coverage/slices"), 43_200);
    }
    // a partial outage fires once it is enough of the hour: 10 % is 100×, 100·n/60 > 14.4 from n = 9 on
    let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, workbook())]);
    bench.context.observed_from = Some(Slice(BEGIN));
    for _ in 0..20 {
        bench.close(&[("shop", 0, 900, 100)]);
    }
    assert_eq!(bench.minutes(FIRING, Some("page-1h")), [9]);
}

#[test]
fn nothing_is_decided_before_observation() {
    let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, workbook())]);
    bench.context.observed_from = None;
    for _ in 0..3 {
        assert!(bench.close(&[("shop", 0, 0, 100)]).is_empty());
    }
    bench.context.observed_from = Some(Slice(BEGIN + 3));
    let events = bench.close(&[]);
    // what was counted before is told now
    assert_eq!(events[0].kind, CONSUMED);
    assert_eq!(field(&events[0], "/budget/consumed_delta_events"), 300);
}

#[test]
fn an_alert_resolves_when_a_window_goes_blank() {
    let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, workbook())]);
    bench.close(&[("shop", 0, 0, 100)]);
    bench.close_empty(10);
    assert_eq!(bench.minutes(FIRING, Some("page-1h")), [1]);
    assert_eq!(bench.minutes(RESOLVED, Some("page-1h")), [6]);
}
