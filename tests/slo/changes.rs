//! Changed configurations, history, gaps, and what a new journal takes over.

use crate::support::*;
use ninetail::core::event::{
    CONSUMED, DATA_GAP, DataGap, EXHAUSTED, FIRING, Loss, Origin, RECOVERED, RESOLVED,
};
use ninetail::core::ledger::{Ledger, LedgerError};
use ninetail::core::position::Partition;
use ninetail::core::rollup::OutputPosition;
use ninetail::core::settings::{Rule, Slo};
use ninetail::core::time::{Slice, Time};
use std::collections::BTreeMap;

/// An availability SLO that burns and is exhausted, five minutes in.
fn burning() -> Bench {
    let mut bench = Bench::new(vec![slo("a", "99.9", 86_400, workbook())]);
    for _ in 0..5 {
        bench.close(&[("shop", 0, 0, 100)]);
    }
    assert_eq!(bench.minutes(EXHAUSTED, None), [1]);
    assert_eq!(bench.minutes(FIRING, None), [1; 4]);
    bench
}

fn changed(change: impl FnOnce(&mut Slo)) -> Vec<Slo> {
    let mut slo = slo("a", "99.9", 86_400, workbook());
    change(&mut slo);
    vec![slo]
}

#[test]
fn another_objective_keeps_the_history() {
    let mut bench = burning();
    bench.configure(Some(BEGIN + 5), settings(changed(|s| s.objective = percent("10"))));
    let events = bench.close(&[("shop", 0, 100, 0)]);
    // 500 of 600 were bad: 83.3 % against 90 % allowed
    assert_eq!(kinds(&events), [RECOVERED, RESOLVED, RESOLVED, RESOLVED, RESOLVED]);
    assert_eq!(field(&events[0], "/budget/consumed_ratio"), "0.925925");
    assert_eq!(field(&events[0], "/slo/generation"), 1);
    assert_eq!(field(&events[0], "/provenance/epoch"), 2);
    assert_eq!(bench.ledger.definition(Slice(BEGIN + 4), 0).unwrap().slo.objective, percent("99.9"));
}

#[test]
fn another_indicator_or_window_is_another_generation() {
    let changes: [fn(&mut Slo); 2] =
        [|s| s.indicator.rule = Rule::Good("status < 400".into()), |s| s.window_s = 2 * 86_400];
    for change in changes {
        let mut bench = burning();
        bench.configure(Some(BEGIN + 6), settings(changed(change)));
        // it takes effect at its border, not before
        assert_eq!(kinds(&bench.close(&[("shop", 0, 0, 100)])), [CONSUMED]);
        let events = bench.close(&[("shop", 0, 100, 0)]);
        assert_eq!(kinds(&events), [RESOLVED, RESOLVED, RESOLVED, RESOLVED, RECOVERED]);
        for event in &events {
            assert_eq!(field(event, "/state/cause"), "redefined");
            assert_eq!(field(event, "/slo/generation"), 1);
            assert_eq!(minute(event.time), 6, "at the border");
        }
        // late counts of the old generation have no place any more; those of the new one have
        assert!(!bench.correct(3, ("shop", 0, 0, 1)));
        assert!(bench.correct(6, ("shop", 0, 0, 1)));
        let events = bench.close(&[]);
        assert_eq!(field(&events[0], "/slo/generation"), 2);
        assert_eq!(field(&events[0], "/sli/total"), 101);
        assert_eq!(field(&events[0], "/provenance/coverage/observed"), 2);
        assert_eq!(bench.ledger.definition(Slice(BEGIN + 5), 0).unwrap().generation, 1);
        assert_eq!(bench.ledger.definition(Slice(BEGIN + 6), 0).unwrap().generation, 2);
    }
}

#[test]
fn a_removed_slo_resolves_at_the_border_and_comes_back_fresh() {
    let mut bench = burning();
    bench.configure(Some(BEGIN + 5), settings(vec![slo("b", "99", 86_400, vec![])]));
    let events = bench.close(&[]);
    assert_eq!(kinds(&events), [RESOLVED, RESOLVED, RESOLVED, RESOLVED, RECOVERED]);
    assert!(events.iter().all(|e| field(e, "/state/cause") == "removed"));
    assert_eq!(bench.ledger.series(), 0);
    bench.configure(Some(BEGIN + 6), settings(changed(|_| {})));
    let events = bench.close(&[("shop", 0, 999, 1)]);
    assert_eq!(field(&events[0], "/slo/generation"), 2);
}

#[test]
fn a_removed_tier_resolves_and_a_kept_one_goes_on() {
    let mut bench = burning();
    bench.configure(
        Some(BEGIN + 5),
        settings(changed(|s| {
            s.tiers.remove(0);
            s.tiers.reverse();
            s.tiers.push(tier("page-new", (100, 1), 600, 60));
        })),
    );
    let events = bench.close(&[("shop", 0, 0, 100)]);
    assert_eq!(kinds(&events), [RESOLVED, CONSUMED, FIRING]);
    assert_eq!(field(&events[0], "/burn/rule"), "page-1h");
    assert_eq!(field(&events[2], "/burn/rule"), "page-new");
    assert_eq!(field(&events[2], "/burn/long/bad"), 600, "the new window is counted from the history");
}

#[test]
fn a_service_moves_between_slos_of_one_name() {
    let mut bench = burning();
    // the service gets an SLO of its own, which counts the same but promises less
    let mut own = changed(|s| s.objective = percent("10"));
    own[0].services = vec!["sho*".into()];
    own.extend(changed(|_| {}));
    bench.configure(Some(BEGIN + 5), settings(own));
    let events = bench.close(&[("shop", 0, 100, 0), ("other", 1, 0, 1)]);
    assert!(events.iter().any(|e| e.kind == RECOVERED && &*e.key == "shop"));
    assert!(events.iter().any(|e| e.kind == EXHAUSTED && &*e.key == "other"));
    assert!(events.iter().all(|e| field(e, "/slo/generation") == 1));
}

#[test]
fn history_is_marked_and_what_still_fires_is_told_again() {
    let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, workbook())]);
    // slices that end before minute 20 are history
    bench.context.history_before = Time::from_seconds((BEGIN + 20) * 60);
    for minute in 0..40 {
        let bad = if (5..30).contains(&minute) { 100 } else { 0 };
        bench.close(&[("shop", 0, 100 - bad, bad), ("calm", 0, if minute < 3 { 0 } else { 1_000_000 }, 1)]);
    }
    let of = |service: &str, kind: &str, replay: bool| -> Vec<i64> {
        let wanted = |e: &&ninetail::core::event::Event| {
            &*e.key == service && e.kind == kind && e.replay == replay && said(e)["burn"]["rule"] == "page-1h"
        };
        bench.events.iter().filter(wanted).map(|e| minute(e.time)).collect()
    };
    assert_eq!(of("shop", FIRING, true), [6]);
    assert_eq!(of("shop", FIRING, false), [20], "once more at the first slice that is not history");
    assert_eq!(of("shop", RESOLVED, false), [35]);
    // what is over in history stays there
    assert_eq!((of("calm", FIRING, true).len(), of("calm", RESOLVED, true).len()), (1, 1));
    assert!(of("calm", FIRING, false).is_empty() && of("calm", RESOLVED, false).is_empty());
    let again = bench.events.iter().find(|e| field(e, "/state/cause") == "left_history").unwrap();
    assert_eq!(
        (field(again, "/state/previous"), field(again, "/state/current")),
        ("firing".into(), "firing".into())
    );
}

#[test]
fn archives_are_history_throughout() {
    let mut bench = Bench::new(vec![slo("a", "99.9", MONTH_S, workbook())]);
    bench.context.history_before = Time(i64::MAX);
    for _ in 0..10 {
        bench.close(&[("shop", 0, 0, 10)]);
    }
    bench.close_empty(10_000);
    assert!(bench.events.iter().all(|e| e.replay));
    assert_eq!(bench.minutes(RESOLVED, None).len(), 4);
}

#[test]
fn gaps_are_numbered_beside_the_budgets() {
    let mut bench = burning();
    let partition = Partition { source: "alb".into(), topic: "logs".into(), number: 3 };
    let end = Time::from_seconds((BEGIN + 5) * 60);
    let gap = |origin, reason, loss| DataGap {
        origin,
        reason,
        loss,
        end,
        watermark: end,
        clock: end,
        replay: false,
    };
    let lost = Origin::Partition(&partition);
    let mut out = Vec::new();
    let mut told = |gap: &DataGap<'_>| {
        let at = OutputPosition { position: 7, index: out.len() as u32 };
        out.push(bench.ledger.gap(gap, at));
    };
    told(&gap(lost, "retention", Loss::Offsets { first: 5, next: 9 }));
    told(&gap(lost, "retention", Loss::Offsets { first: 20, next: 21 }));
    told(&gap(Origin::Source("alb"), "silent", Loss::Began));
    told(&gap(Origin::Source("alb"), "silent", Loss::Ended { since: end }));
    bench.check(&out);
    assert_eq!(kinds(&out), [DATA_GAP; 4]);
    assert_eq!(out.iter().map(|e| e.sequence).collect::<Vec<_>>(), [1, 2, 1, 2]);
    assert_eq!(bench.ledger.sequences()["source/alb/logs/3"], 2);
}

#[test]
fn a_new_journal_goes_on_counting() {
    let mut bench = burning();
    let sequences = bench.ledger.sequences().clone();
    assert_eq!(sequences["shop/a"], 10);
    bench.ledger = Ledger::new(sequences);
    bench.configure(None, settings(changed(|_| {})));
    assert_eq!(bench.close(&[("shop", 0, 0, 1)])[0].sequence, 11);
}

#[test]
fn calls_out_of_order_are_refused() {
    let mut bench = burning();
    let mut out = Vec::new();
    let closed = bench.ledger.closed().unwrap();
    let late = ninetail::core::ledger::CloseContext { slice: closed, ..bench.context.clone() };
    assert_eq!(bench.ledger.close(&late, [], &mut out), Err(LedgerError::OutOfOrder(closed.0)));
    let mut blank = Ledger::new(BTreeMap::new());
    let error = blank.close(&bench.context, [], &mut out);
    assert_eq!(error, Err(LedgerError::NotConfigured(closed.0)));
    assert!(out.is_empty());
}
