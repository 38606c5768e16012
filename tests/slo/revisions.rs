//! `slo.revised`: what was published of a budget and would be another now.

use crate::support::*;
use ninetail::core::calendar::{Calendar, Unit, Weekday};
use ninetail::core::event::{self, Event};
use ninetail::core::settings::{Exclusion, Occurs, PolicyTier, Settings, Slo};
use ninetail::core::time::Time;

fn revised(events: &[Event]) -> Vec<&Event> {
    events.iter().filter(|e| e.kind == event::REVISED).collect()
}

fn budget() -> Vec<Slo> {
    vec![Slo { policy: PolicyTier::handbook(), ..slo("availability", "99", 7_200, vec![]) }]
}

#[test]
fn late_failures_correct_what_was_told_and_are_told_once() {
    let mut bench = Bench::new(budget());
    (0..50).for_each(|_| drop(bench.close(&[("shop", 0, 100, 0)])));
    // told at minute 51: 10 bad
    bench.close(&[("shop", 0, 90, 10)]);
    bench.close(&[("shop", 0, 100, 0)]);
    assert!(revised(&bench.events).is_empty());
    assert!(bench.correct(30, ("shop", 0, 0, 200)));
    assert!(bench.correct(40, ("shop", 0, 0, 1)));
    let told = bench.close(&[("shop", 0, 100, 0)]);
    let [event] = revised(&told)[..] else { panic!("one, not {:?}", kinds(&told)) };
    assert_eq!(event.id, "shop/availability/1/budget/revised/2018-07-02T23:16:00Z/1");
    for (path, want) in [
        ("/revision/of", "budget"),
        ("/revision/cause", "late_data"),
        ("/revision/window_end", "2018-07-02T23:14:00Z"),
        ("/revision/slices_start", "2018-07-02T22:53:00Z"),
        ("/revision/slices_end", "2018-07-02T23:04:00Z"),
        ("/revision/previous/policy", "full speed"),
        ("/revision/corrected/policy", "exhausted"),
        ("/state/previous", "within_budget"),
        ("/state/current", "exhausted"),
    ] {
        assert_eq!(field(event, path), want, "{path}");
    }
    for (path, want) in [
        ("/revision/number", 1),
        ("/revision/previous/bad", 10),
        ("/revision/corrected/bad", 211),
        ("/revision/previous/good", 5_090),
        ("/provenance/revision", 1),
    ] {
        assert_eq!(field(event, path), want, "{path}");
    }
    // it is told before what follows from it, and once
    assert_eq!(told[0].kind, event::REVISED);
    assert!(kinds(&told).contains(&event::EXHAUSTED));
    assert!(revised(&bench.close(&[("shop", 0, 100, 0)])).is_empty());
}

#[test]
fn late_good_requests_and_others_than_those_told_of_correct_nothing() {
    let mut bench = Bench::new(budget());
    (0..50).for_each(|_| drop(bench.close(&[("shop", 0, 100, 0)])));
    bench.close(&[("shop", 0, 90, 10)]);
    bench.close(&[("shop", 0, 100, 0)]);
    // good ones change no number of failures and no state
    assert!(bench.correct(30, ("shop", 0, 5, 0)));
    // and what belongs to a later slice than the event was not in what it said
    assert!(bench.correct(51, ("shop", 0, 0, 1)));
    let told = bench.close(&[("shop", 0, 100, 0)]);
    assert_eq!(kinds(&told), [event::CONSUMED]);
}

#[test]
fn a_step_keeps_small_corrections_back() {
    let mut bench =
        Bench::new(vec![Slo { consumed_step: percent("10"), ..slo("availability", "99", 7_200, vec![]) }]);
    (0..50).for_each(|_| drop(bench.close(&[("shop", 0, 100, 0)])));
    bench.close(&[("shop", 0, 80, 20)]);
    // of 5,100 requests 51 may be bad: a tenth of them is 5.1
    for (bad, want) in [(3, 0), (2, 0), (1, 1)] {
        assert!(bench.correct(30, ("shop", 0, 0, bad)));
        assert_eq!(revised(&bench.close(&[("shop", 0, 100, 0)])).len(), want, "{bad}");
    }
}

#[test]
fn a_closed_period_has_another_verdict() {
    let day = Slo {
        calendar: Some(Calendar { unit: Unit::Day, time_zone: "UTC".into(), week_starts: Weekday::Monday }),
        ..slo("day", "99", 86_400, vec![])
    };
    let mut bench = Bench::new(vec![day]);
    // the day ends 97 minutes after 22:23
    (0..97).for_each(|_| drop(bench.close(&[("shop", 0, 100, 0)])));
    assert_eq!(bench.minutes(event::WINDOW_CLOSED, None), [97]);
    bench.close(&[("shop", 0, 100, 0)]);
    assert!(bench.correct(96, ("shop", 0, 0, 500)));
    let told = bench.close(&[("shop", 0, 100, 0)]);
    let [event] = revised(&told)[..] else { panic!("one, not {:?}", kinds(&told)) };
    assert!(event.id.contains("/window/revised/"), "{}", event.id);
    assert_eq!(field(event, "/revision/of"), "window_closed");
    assert_eq!(field(event, "/revision/previous/verdict/slo_met"), true);
    assert_eq!(field(event, "/revision/corrected/verdict/slo_met"), false);
}

#[test]
fn an_exclusion_that_comes_later_says_what_it_corrects() {
    let mut bench = Bench::new(budget());
    (0..50).for_each(|_| drop(bench.close(&[("shop", 0, 100, 0)])));
    bench.close(&[("shop", 0, 0, 100)]);
    let at = |minute: i64| Time::from_seconds((BEGIN + minute) * 60);
    let exclusion = Exclusion {
        name: "upgrade".into(),
        reason: "database upgrade".into(),
        services: vec!["*".into()],
        slos: vec!["*".into()],
        occurs: Occurs::Once { from: at(50), to: at(51) },
    };
    bench.configure(Some(BEGIN + 52), Settings { exclusions: vec![exclusion], ..settings(budget()) });
    bench.close(&[("shop", 0, 100, 0)]);
    let told = bench.close(&[("shop", 0, 100, 0)]);
    let [event] = revised(&told)[..] else { panic!("one, not {:?}", kinds(&told)) };
    assert_eq!(field(event, "/revision/cause"), "exclusions");
    assert_eq!(
        (field(event, "/revision/previous/bad"), field(event, "/revision/corrected/bad")),
        (100.into(), 0.into())
    );
}
