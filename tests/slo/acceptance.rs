//! Numbers that others publish of budgets, burn rates and detection, which no other test here has exactly.

use crate::support::*;
use ninetail::core::alert;
use ninetail::core::burn::{Window, allowed_seconds};
use ninetail::core::decimal::Ratio;
use ninetail::core::event::{CONSUMED, FIRING};
use ninetail::core::histogram::{Histogram, index};
use ninetail::core::policy;
use ninetail::core::settings::{Budgeting, Op, Tier};
use serde_json::Value;

/// What is said of: the objective in percent, the window in days, minutes of a steady load, then minutes of an incident, each with
/// (good, bad); and facts of the last event.
type Case<'a> = (&'a str, &'a str, u64, (i64, u64, u64), (i64, u64, u64), &'a [(&'a str, &'a str)]);

const CASES: &[Case<'_>] = &[
    (
        "1 % of errors at 99.9 %: ten times too fast, gone in 72 h",
        "99.9",
        30,
        (0, 0, 0),
        (1, 990, 10),
        &[
            ("/projection/rate", "10"),
            ("/projection/pace_seconds", "259200"),
            ("/budget/consumed_ratio", "10"),
        ],
    ),
    (
        "a million requests a day may fail a thousand times",
        "99.9",
        1,
        (0, 0, 0),
        (1, 999_999, 1),
        &[("/budget/allowed_events", "1000")],
    ),
    (
        "and thirty thousand times in thirty days",
        "99.9",
        30,
        (0, 0, 0),
        (1, 29_999_999, 1),
        &[("/budget/allowed_events", "30000"), ("/budget/allowed_seconds", "2592")],
    ),
    (
        "an hour's outage, as long as `for: 1h` waits, is 138.9 % of a month's budget",
        "99.9",
        30,
        (43_140, 100, 0),
        (60, 0, 100),
        &[("/budget/consumed_ratio", "1.388888"), ("/budget/remaining_ratio", "-0.388889")],
    ),
    (
        "a spike of five minutes is 11.574 %",
        "99.9",
        30,
        (43_195, 100, 0),
        (5, 0, 100),
        &[("/budget/consumed_ratio", "0.11574")],
    ),
    (
        "35 times too fast it is gone in 20.571 h, and no factor of 36 ever sees it",
        "99.9",
        30,
        (0, 0, 0),
        (1, 965, 35),
        &[("/projection/rate", "35"), ("/projection/pace_seconds", "74057.142857")],
    ),
    (
        "ten minutes at exactly the objective are 0.023148 %",
        "99.9",
        30,
        (43_190, 1_000, 0),
        (10, 999, 1),
        &[("/budget/consumed_ratio", "0.000231")],
    ),
    (
        "of a million events 5,000 bad are five times 1,000",
        "99.9",
        30,
        (0, 0, 0),
        (1, 995_000, 5_000),
        &[("/budget/allowed_events", "1000"), ("/budget/remaining_ratio", "-4"), ("/sli/value", "0.995")],
    ),
];

#[test]
fn budgets_are_what_others_say_they_are() {
    for (what, objective, days, steady, incident, facts) in CASES {
        let mut bench = Bench::new(vec![slo("a", objective, days * 86_400, vec![])]);
        for (minutes, good, bad) in [steady, incident] {
            (0..*minutes).for_each(|_| drop(bench.close(&[("shop", 0, *good, *bad)])));
        }
        let last = bench.events.iter().rfind(|e| e.kind == CONSUMED).expect("consumption");
        for (path, want) in *facts {
            assert_eq!(field(last, path), *want, "{what}: {path}");
        }
    }
}

/// One failure of ten requests an hour burns a hundred times too fast, and is 13.889 % of the month's 7.2.
#[test]
fn one_failure_of_ten_an_hour() {
    let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, workbook())]);
    for hour in 0..720 {
        let bad = u64::from(hour == 719);
        bench.close(&[("shop", 0, 10 - bad, bad)]);
        if hour < 719 {
            bench.close_empty(hour * 60 + 59);
        }
    }
    let page = bench.events.iter().find(|e| said(e)["burn"]["rule"] == "page-1h").expect("it pages");
    assert_eq!(field(page, "/burn/long/rate"), "100");
    assert_eq!(field(page, "/budget/consumed_ratio"), "0.138888");
    assert_eq!(field(page, "/budget/allowed_events"), "7.2");
}

/// A total outage of 43.2 minutes is all of a month at 99.9 %: nothing is left until it leaves the window, and then all is.
#[test]
fn an_outage_of_the_whole_budget_leaves_after_thirty_days() {
    let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, vec![])]);
    let mut left = Vec::new();
    for minute in -43_200..43_300i64 {
        // the last of its minutes fails by a fifth
        let bad = match minute {
            0..43 => 100,
            43 => 20,
            _ => 0,
        };
        bench.close(&[("shop", 0, 100 - bad, bad)]);
        let remaining = bench.ledger.gauges().next().and_then(|gauge| gauge.remaining).expect("a budget");
        if left.last().is_none_or(|(_, last)| *last != remaining.to_string()) {
            left.push((minute, remaining.to_string()));
        }
    }
    let at = |minute: i64| {
        let known = left.iter().rfind(|(from, _)| *from <= minute);
        known.map(|(_, remaining)| remaining.as_str()).expect("told")
    };
    assert_eq!([at(-1), at(42), at(43), at(43_199)], ["1", "0.004629", "0", "0"]);
    assert_eq!([at(43_242), at(43_243), at(43_299)], ["0.99537", "1", "1"]);
}

/// 18 minutes at 12 % are 2.16 minutes of outage; counted to the fix 21 and from the deployment 28.
#[test]
fn equivalent_downtime_is_minutes_times_their_share() {
    for (minutes, downtime) in [(18, "2.16"), (21, "2.52"), (28, "3.36")] {
        let budgeting = Budgeting::RatioTimeslices { slice_s: 60 };
        let mut bench = Bench::new(vec![ninetail::core::settings::Slo {
            budgeting,
            ..slo("a", "99.9", MONTH_S, vec![])
        }]);
        for _ in 0..minutes {
            bench.close(&[("shop", 0, 880, 120)]);
        }
        assert_eq!(field(bench.events.last().unwrap(), "/budget/consumed_slices"), downtime);
    }
}

/// The buffer between 99.95 % and 99.9 % of a month.
#[test]
fn a_buffer_of_five_hundredths_of_a_point() {
    let month = |objective| allowed_seconds(MONTH_S, percent(objective)).0;
    assert_eq!(month("99.9") - month("99.95"), 1_296_000_000, "21.6 minutes");
}

/// 95 % of requests below 200 ms, in two forms: a share that is counted, and a percentile by nearest rank.
#[test]
fn a_latency_objective_is_a_share_of_requests() {
    let mut histogram = Histogram::default();
    (0..950).for_each(|_| histogram.record(199_000));
    (0..50).for_each(|_| histogram.record(500_000));
    let p95 = histogram.quantile(95, 100).expect("a percentile");
    assert!((199_000..203_400).contains(&p95), "{p95}: within the bucket of 199 ms");
    let window = Window { good: 950, bad: 50, slices: 60, seen: 60 };
    assert_eq!(policy::is_met(&window, percent("95")), Some(true), "exactly the objective meets it");
    let one_more = Window { good: 949, bad: 51, ..window };
    assert_eq!(policy::is_met(&one_more, percent("95")), Some(false));
}

/// Both windows must burn: of 0.987 and 0.654 the smaller governs.
#[test]
fn the_slower_window_governs() {
    let window = |bad: u64| Window { good: 10_000 - bad, bad, slices: 60, seen: 60 };
    let (long, short, objective) = (window(987), window(654), percent("90"));
    for (factor, fires) in [((8, 10), false), ((654, 1_000), false), ((653, 1_000), true)] {
        let tier = Tier { factor: Ratio::new(factor.0, factor.1), ..Tier::default() };
        for (long, short) in [(&long, &short), (&short, &long)] {
            assert_eq!(alert::burns(&tier, objective, [*short, *long]), fires, "{factor:?}");
        }
        let reached = Tier { op: Op::Gte, ..tier };
        assert_eq!(alert::burns(&reached, objective, [short, long]), factor.0 * 1_000 <= 654 * factor.1);
    }
    let mut bench = Bench::new(vec![slo("a", "90", MONTH_S, vec![tier("page", (6, 10), 3_600, 300)])]);
    bench.close(&[("shop", 0, 4_013, 987)]);
    (0..10).for_each(|_| drop(bench.close(&[("shop", 0, 0, 0)])));
    bench.close(&[("shop", 0, 9_346, 654)]);
    let fired: Vec<Value> = bench.events.iter().filter(|e| e.kind == FIRING).map(said).collect();
    assert_eq!(fired.last().map(|data| &data["burn"]["governing_rate"]), Some(&"0.654".into()));
}

/// A window of 36 hours sees a total outage after 129.6 s, in the third minute.
#[test]
fn a_long_window_sees_an_outage_in_its_third_minute() {
    let tiers = vec![tier("ticket", (1, 1), 36 * 3_600, 36 * 3_600)];
    let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, tiers)]);
    (0..36 * 60).for_each(|_| drop(bench.close(&[("shop", 0, 1_000, 0)])));
    (0..10).for_each(|_| drop(bench.close(&[("shop", 0, 0, 1_000)])));
    assert_eq!(bench.minutes(FIRING, None), [36 * 60 + 3]);
}

/// Sloth's own windows: so much of a 30-day budget within so long.
#[test]
fn factors_are_shares_of_a_budget() {
    for (percent, long_s, factor) in
        [(1, 1_800, (72, 5)), (2, 10_800, (24, 5)), (5, 43_200, (3, 1)), (5, 129_600, (1, 1))]
    {
        assert_eq!(Ratio::new(percent * MONTH_S, 100 * long_s), Ratio::new(factor.0, factor.1));
    }
}

/// Buckets are OpenTelemetry's at scale 5; at scale 0, by shifting, 1 is in bucket -1 and 2 in bucket 0.
#[test]
fn buckets_scale_down_by_shifting() {
    for (us, at_scale_0) in [(1, -1), (2, 0), (3, 1), (4, 1), (5, 2), (1_000_000, 19)] {
        assert_eq!(index(us) >> 5, at_scale_0, "{us}");
    }
}
