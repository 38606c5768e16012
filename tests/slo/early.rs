//! Alerts decided before their slices close: the same alerts, sooner.

use crate::laws::{brought, slos};
use crate::support::*;
use ninetail::core::event;
use ninetail::core::ledger::Ledger;
use ninetail::core::settings::Settings;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn early(slos: Vec<ninetail::core::settings::Slo>) -> Bench {
    Bench::of(Settings { alerts_lateness_s: Some(60), ..settings(slos) })
}

/// Ids of all events: what they say, without the order in which subjects were told.
fn ids(bench: &Bench) -> BTreeSet<String> {
    bench.events.iter().map(|e| e.id.clone()).collect()
}

fn availability() -> Vec<ninetail::core::settings::Slo> {
    vec![slo("availability", "99.9", MONTH_S, workbook())]
}

#[test]
fn an_outage_pages_before_its_slice_closes_and_consumes_as_it_does() {
    let mut bench = early(availability());
    bench.close(&[("shop", 0, 1000, 0)]);
    (0..5).for_each(|_| drop(bench.alert(&[("shop", 0, 1000, 0)])));
    let told = bench.alert(&[("shop", 0, 0, 1000)]);
    assert!(told.len() == 4 && told.iter().all(|e| e.kind == event::FIRING), "{:?}", kinds(&told));
    assert_eq!(minute(told[0].time), 7);
    // the budget is that of the last slice closed
    assert_eq!((field(&told[0], "/sli/bad"), field(&told[0], "/sli/good")), (0.into(), 1000.into()));
    assert_eq!(field(&told[0], "/burn/short/bad"), 1000);
    assert_eq!(field(&told[0], "/slo/window/end"), "2018-07-02T22:24:00Z");
    (0..5).for_each(|_| assert_eq!(bench.close(&[]), []));
    let told = bench.close(&[]);
    assert!(kinds(&told).contains(&event::CONSUMED) && !kinds(&told).contains(&event::FIRING));
    assert_eq!(minute(told[0].time), 7);
}

#[test]
fn what_comes_between_alert_and_close_counts_for_both() {
    let mut bench = early(availability());
    bench.close(&[("shop", 0, 1000, 0)]);
    assert_eq!(bench.alert(&[("shop", 0, 1000, 0)]), []);
    assert!(bench.correct(1, ("shop", 0, 0, 4000)));
    let told = bench.alert(&[("shop", 0, 1000, 0)]);
    assert_eq!(kinds(&told).first(), Some(&event::FIRING));
    let told = bench.close(&[]);
    let consumed = told.iter().find(|e| e.kind == event::CONSUMED).unwrap();
    assert_eq!(field(consumed, "/budget/consumed_delta_events"), 4000);
    assert_eq!(field(consumed, "/sli/good"), 2000);
    let gauge = bench.ledger.gauges().next().unwrap();
    assert_eq!((gauge.window.good, gauge.window.bad), (2000, 4000));
}

#[test]
fn alerts_wait_at_the_border_of_a_configuration() {
    let mut bench = early(availability());
    bench.close(&[]);
    bench.configure(Some(BEGIN + 3), settings(availability()));
    bench.alert(&[]);
    bench.alert(&[("shop", 0, 0, 1000)]);
    assert_eq!(bench.ledger.border().map(|s| s.0), Some(BEGIN + 3));
    bench.close(&[]);
    bench.close(&[]);
    // the new one decides both at once, and goes on with the alert that fires
    assert_eq!(bench.close(&[("shop", 0, 0, 1000)]).iter().filter(|e| e.kind == event::FIRING).count(), 0);
    assert!(!bench.ledger.is_early());
    (0..80).for_each(|_| drop(bench.close(&[("shop", 0, 100_000, 0)])));
    assert!(!bench.minutes(event::RESOLVED, Some("page-1h")).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// On the same counts, what is told does not depend on how much earlier alerts are decided.
    #[test]
    fn early_or_not_the_same_is_told(
        lead in 0usize..7,
        slices in prop::collection::vec(
            prop_oneof![2 => Just(vec![]), 3 => prop::collection::vec((0usize..3, 0u64..50, prop_oneof![3 => Just(0u64), 1 => 1u64..40]), 1..4)],
            1..120),
    ) {
        let (mut plain, mut led) = (Bench::new(slos()), early(slos()));
        plain.close(&[]);
        led.close(&[]);
        let mut closed = 0;
        for (i, slice) in slices.iter().chain(vec![&vec![]; 40]).enumerate() {
            let all: Vec<_> = slice.iter().flat_map(|(s, g, b)| brought(*s, *g, *b)).collect();
            plain.close(&all);
            led.alert(&all);
            if i >= lead {
                led.close(&[]);
                closed += 1;
            }
            if i % 16 == 3 {
                let bytes = postcard::to_stdvec(&led.ledger).unwrap();
                led.ledger = postcard::from_bytes::<Ledger>(&bytes).unwrap();
            }
        }
        (closed..slices.len() + 40).for_each(|_| drop(led.close(&[])));
        prop_assert_eq!(ids(&plain), ids(&led));
        let gauges = |b: &Bench| b.ledger.gauges().map(|g| (g.service.clone(), g.slo.clone(), g.window, g.burns.iter().map(|b| (b.1, b.2, b.3)).collect::<Vec<_>>())).collect::<Vec<_>>();
        prop_assert_eq!(gauges(&plain), gauges(&led));
    }
}
