//! Multi-window burn-rate alerts against the workbook's arithmetic, minute by minute.

use crate::support::*;
use ninetail::core::event::{FIRING, RESOLVED};

/// Requests in a minute.
const RATE: u64 = 10_000;
/// The tiers of the table, in its order: the workbook's four, and 3× over 3d/6h.
const RULES: [&str; 5] = ["page-1h", "page-6h", "ticket-1d", "ticket-3d", "ticket-slow"];

fn bench() -> Bench {
    let mut tiers = workbook();
    tiers.push(tier("ticket-slow", (3, 1), 259_200, 21_600));
    // events about consumption are another test's
    let mut slo = slo("availability", "99.9", MONTH_S, tiers);
    slo.consumed_step = percent("100000");
    Bench::new(vec![slo])
}

/// (error rate in 1/10,000, minutes, [(fires, resolves) by tier]); strict `>`, minutes after the start.
type Row = (u64, i64, [Option<(i64, i64)>; 5]);

const TABLE: &[Row] = &[
    (10_000, 3, [Some((1, 8)), Some((3, 33)), None, None, None]),
    (10_000, 10, [Some((1, 15)), Some((3, 40)), Some((5, 130)), Some((5, 370)), None]),
    (10_000, 60, [Some((1, 65)), Some((3, 90)), Some((5, 180)), Some((5, 420)), Some((13, 419))]),
    (1500, 10, [Some((6, 15)), None, None, None, None]),
    (1200, 18, [Some((8, 23)), None, None, None, None]),
    (500, 30, [Some((18, 34)), None, None, None, None]),
    (200, 120, [Some((44, 122)), Some((109, 141)), None, None, None]),
    (144, 240, [None, Some((151, 258)), None, None, None]),
    (100, 600, [None, Some((217, 612)), Some((433, 684)), Some((433, 924)), None]),
    (60, 1500, [None, None, Some((721, 1560)), Some((721, 1800)), None]),
    (30, 5000, [None, None, None, Some((1441, 5240)), None]),
    (20, 9000, [None, None, None, Some((2161, 9180)), None]),
    (10, 9000, [None; 5]),
];

#[test]
fn alerts_fire_and_resolve_at_the_minute() {
    const CLEAN: i64 = 4320;
    for (rate, minutes, want) in TABLE {
        let mut bench = bench();
        for minute in 0..CLEAN + minutes + 400 {
            let bad = if (CLEAN..CLEAN + minutes).contains(&minute) { rate * RATE / 10_000 } else { 0 };
            bench.close(&[("shop", 0, RATE - bad, bad)]);
        }
        for (rule, want) in RULES.into_iter().zip(want) {
            let at = |kind| bench.minutes(kind, Some(rule)).iter().map(|m| m - CLEAN).collect::<Vec<_>>();
            let (fires, resolves) = want.map_or((vec![], vec![]), |(f, r)| (vec![f], vec![r]));
            assert_eq!((at(FIRING), at(RESOLVED)), (fires, resolves), "{rate}/10000 for {minutes} m: {rule}");
        }
    }
}

#[test]
fn an_event_says_what_a_responder_needs() {
    let mut bench = bench();
    for _ in 0..4320 {
        bench.close(&[("shop", 0, RATE, 0)]);
    }
    let fired = bench.close(&[("shop", 0, 0, RATE)]);
    assert_eq!(kinds(&fired), [FIRING]);
    let event = &fired[0];
    assert_eq!((&*event.subject, &*event.key), ("shop/availability", "shop"));
    for (path, want) in [
        ("/slo/owner", "payments"),
        ("/slo/objective", "99.9"),
        ("/slo/window/length", "30d"),
        ("/burn/rule", "page-1h"),
        ("/burn/factor", "14.4"),
        ("/burn/long/rate", "16.666666"),
        ("/burn/short/rate", "200"),
        ("/burn/governing_rate", "16.666666"),
        ("/burn/long/window", "1h"),
        ("/severity", "page"),
        ("/slo/id", "shop/availability"),
        ("/slo/target", "0.999"),
        ("/slo/budgeting_method", "occurrences"),
        ("/projection/rate", "16.666666"),
        ("/projection/pace_seconds", "155520"),
        // 33,210 of 43,210 bad requests are left
        ("/projection/remaining_seconds", "119528.331404"),
        ("/links/runbook_url", "https://runbooks.example.com/shop"),
        ("/links/dashboard_url", "https://dashboards.example.com/shop"),
        ("/state/previous", "inactive"),
        ("/state/current", "firing"),
    ] {
        assert_eq!(field(event, path), want, "{path}");
    }
    assert_eq!(field(event, "/projection/exhausts_at"), event.time.plus_seconds(119_528).to_string());
    assert_eq!(field(event, "/provenance/recorded_at"), bench.context.clock.to_string());
    assert_eq!(field(event, "/burn/long/total"), 600_000);
    assert_eq!(field(event, "/sli/bad"), 10_000);
    assert_eq!(field(event, "/replay"), false);

    // its end is grouped with it, and says when
    let mut resolved = Vec::new();
    while resolved.is_empty() {
        let closed = bench.close(&[("shop", 0, RATE, 0)]);
        resolved = closed.into_iter().filter(|e| e.kind == RESOLVED).collect();
    }
    assert_eq!(field(&resolved[0], "/state/fingerprint"), field(event, "/state/fingerprint"));
    assert_eq!(field(&resolved[0], "/state/since"), event.time.to_string());
    // nothing burns in the short window any more: there is nothing to project
    assert_eq!(field(&resolved[0], "/projection/remaining_seconds"), serde_json::Value::Null);
}

#[test]
fn factors_out_of_reach_never_fire() {
    // at 93 % the highest burn rate there is is 14.28
    for (objective, fires) in [("90", false), ("93", false), ("94", true)] {
        let mut bench = Bench::new(vec![slo("a", objective, MONTH_S, workbook())]);
        for _ in 0..120 {
            bench.close(&[("shop", 0, 0, 10)]);
        }
        assert_eq!(!bench.minutes(FIRING, Some("page-1h")).is_empty(), fires, "{objective}");
    }
}

#[test]
fn a_single_failure_among_few_fires_up_to_the_known_number() {
    // all in one slice: the hour's total is n
    for (objective, n) in [("99", 7), ("99.9", 70), ("99.99", 695)] {
        for (total, fires) in [(n, false), (n - 1, true)] {
            let mut bench = Bench::new(vec![slo("a", objective, MONTH_S, workbook())]);
            bench.close(&[("shop", 0, total - 1, 1)]);
            assert_eq!(bench.minutes(FIRING, Some("page-1h")).len(), fires as usize, "{objective} {total}");
        }
    }
}
