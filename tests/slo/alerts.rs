//! When alerts fire and resolve beyond the workbook's table: at the bound, after a while, one for another.

use crate::support::*;
use ninetail::core::event::{FIRING, RESOLVED};
use ninetail::core::settings::{Op, Slo, Tier};

/// An outage from the 61st minute on for so long, at a share of bad requests in thousandths; then two hours of peace.
fn outage(tiers: Vec<Tier>, suppress_slower: bool, minutes: i64, share: u64) -> Bench {
    let mut slo = Slo { suppress_slower, ..slo("a", "99.9", MONTH_S, tiers) };
    slo.consumed_step = percent("100000");
    let mut bench = Bench::new(vec![slo]);
    (0..4320).for_each(|_| drop(bench.close(&[("shop", 0, 1000, 0)])));
    (0..minutes).for_each(|_| drop(bench.close(&[("shop", 0, 1000 - share, share)])));
    (0..400).for_each(|_| drop(bench.close(&[("shop", 0, 1000, 0)])));
    bench
}

fn at(bench: &Bench, kind: &str, rule: &str) -> Vec<i64> {
    bench.minutes(kind, Some(rule)).iter().map(|minute| minute - 4320).collect()
}

#[test]
fn an_incident_at_the_bound_fires_only_where_the_bound_counts() {
    // 18 minutes at 12 %: six hours hold exactly 6 × the budget
    for (op, fires) in [(Op::Gt, vec![]), (Op::Gte, vec![18])] {
        let tiers: Vec<Tier> = workbook().into_iter().map(|t| Tier { op, ..t }).collect();
        let bench = outage(tiers, false, 18, 120);
        assert_eq!(at(&bench, FIRING, "page-1h"), [8]);
        assert_eq!(at(&bench, RESOLVED, "page-1h"), [23]);
        assert_eq!(at(&bench, FIRING, "page-6h"), fires);
        assert!(at(&bench, FIRING, "ticket-1d").is_empty() && at(&bench, FIRING, "ticket-3d").is_empty());
    }
    // 1.44 %: from the 60th minute on exactly 14.4 ×
    for (op, fires) in [(Op::Gt, vec![]), (Op::Gte, vec![60])] {
        let mut bench =
            Bench::new(vec![slo("a", "99.9", MONTH_S, vec![Tier { op, ..workbook().remove(0) }])]);
        (0..60).for_each(|_| drop(bench.close(&[("shop", 0, 100_000, 0)])));
        (0..240).for_each(|_| drop(bench.close(&[("shop", 0, 98_560, 1_440)])));
        (0..10).for_each(|_| drop(bench.close(&[("shop", 0, 100_000, 0)])));
        let minutes: Vec<i64> = bench.minutes(FIRING, None).iter().map(|m| m - 60).collect();
        assert_eq!(minutes, fires);
        let resolved: Vec<i64> = bench.minutes(RESOLVED, None).iter().map(|m| m - 60).collect();
        assert_eq!(resolved, if fires.is_empty() { vec![] } else { vec![241] });
    }
}

#[test]
fn the_seeds_ticket_fires_after_thirty_percent() {
    // a total outage takes 12.96 minutes to it
    let bench = outage(vec![tier("ticket-3d", (3, 1), 259_200, 21_600)], false, 60, 1000);
    assert_eq!(at(&bench, FIRING, "ticket-3d"), [13]);
    let fired = bench.events.iter().find(|e| e.kind == FIRING).unwrap();
    assert_eq!(field(fired, "/burn/op"), "gt");
}

#[test]
fn an_alert_waits_as_it_is_told_to() {
    let mut rule = workbook().remove(0);
    (rule.alert_after_s, rule.cool_down_s) = (120, 600);
    let bench = outage(vec![rule.clone()], false, 10, 1000);
    // it burns from the first minute to the fourteenth
    assert_eq!(at(&bench, FIRING, "page-1h"), [3]);
    assert_eq!(at(&bench, RESOLVED, "page-1h"), [25]);
    // two minutes of outage burn for six; a quarter of an hour's wait is not over by then
    rule.alert_after_s = 900;
    assert!(outage(vec![rule], false, 2, 1000).events.is_empty());
}

#[test]
fn the_most_urgent_speaks_for_the_others() {
    // ten minutes of total outage fire all four
    let every = outage(workbook(), false, 10, 1000);
    assert_eq!(every.minutes(FIRING, None).len(), 4);
    let bench = outage(workbook(), true, 10, 1000);
    let fired: Vec<i64> = ["page-1h", "page-6h", "ticket-1d", "ticket-3d"]
        .iter()
        .flat_map(|rule| at(&bench, FIRING, rule))
        .collect();
    // the next one takes over where the first resolves and it still burns
    assert_eq!(fired, [1, 15, 40, 130]);
    assert_eq!(at(&bench, RESOLVED, "ticket-3d"), [370]);
}
