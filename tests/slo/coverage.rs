//! Missing and thin data: what was lost or not read is not judged; few requests need not page.

use crate::support::*;
use ninetail::core::event::{CONSUMED, FIRING, FROZEN, RESOLVED, THAWED};
use ninetail::core::ledger::SHARES;
use ninetail::core::settings::{Budgeting, OnEmpty, SliceTest, Slo};
use ninetail::core::time::Slice;

const WHOLE: u16 = SHARES as u16;

fn fast() -> Vec<Slo> {
    vec![slo("a", "99.9", MONTH_S, vec![tier("page-1h", (144, 10), 3600, 300)])]
}

fn unread(bench: &mut Bench, share: u16, minutes: usize) {
    bench.context.unread = share;
    (0..minutes).for_each(|_| drop(bench.close(&[])));
    bench.context.unread = 0;
}

#[test]
fn an_alert_holds_while_nothing_is_read() {
    let mut bench = Bench::new(fast());
    (0..60).for_each(|_| drop(bench.close(&[("shop", 0, 100, 0)])));
    (0..10).for_each(|_| drop(bench.close(&[("shop", 0, 0, 100)])));
    assert_eq!(bench.minutes(FIRING, None), [61]);
    // for an hour nothing can be read: it would have resolved in five minutes
    unread(&mut bench, WHOLE, 60);
    assert!(bench.minutes(RESOLVED, None).is_empty());
    assert_eq!(bench.minutes(FROZEN, None), [71]);
    let frozen = bench.events.iter().find(|e| e.kind == FROZEN).unwrap();
    assert_eq!(
        (field(frozen, "/state/current"), field(frozen, "/severity")),
        ("frozen".into(), "page".into())
    );
    assert_eq!(
        (field(frozen, "/burn/short/slices"), field(frozen, "/burn/short/observed")),
        (5.into(), 4.into())
    );
    // read again; the hour is nine tenths read once only six of its minutes are missing
    for _ in 0..60 {
        bench.close(&[("shop", 0, 100, 0)]);
    }
    assert_eq!(bench.minutes(THAWED, None), [184]);
    assert_eq!(bench.minutes(RESOLVED, None), [184]);
}

#[test]
fn what_comes_after_all_is_judged() {
    let mut bench = Bench::new(fast());
    (0..60).for_each(|_| drop(bench.close(&[("shop", 0, 100, 0)])));
    unread(&mut bench, WHOLE, 10);
    bench.close(&[("shop", 0, 100, 0)]);
    assert!(bench.events.is_empty(), "what is held back is told, not that something might be");
    for minute in 60..70 {
        assert!(bench.correct(minute, ("shop", 0, 0, 100)));
    }
    let events = bench.close(&[("shop", 0, 0, 100)]);
    assert_eq!(kinds(&events), [CONSUMED, "slo.budget.exhausted", FROZEN]);
    (60..70).for_each(|minute| bench.ledger.cover(Slice(BEGIN + minute), 0));
    let events = bench.close(&[("shop", 0, 0, 100)]);
    assert_eq!(kinds(&events), [CONSUMED, THAWED, FIRING]);
}

#[test]
fn coverage_is_frozen_strictly_below_its_floor() {
    // of an hour six minutes are a tenth; a twelfth of the partitions is less
    for (share, minutes, floor, fires) in [
        (WHOLE, 6, "90", true),
        (WHOLE, 7, "90", false),
        (WHOLE, 7, "88", true),
        (WHOLE / 12, 60, "90", true),
        (WHOLE / 8, 60, "90", false),
        (WHOLE, 55, "0", true),
    ] {
        let mut slos = fast();
        slos[0].coverage_min = percent(floor);
        let mut bench = Bench::new(slos);
        unread(&mut bench, share, minutes);
        for minute in minutes..60 {
            bench.close(&[("shop", 0, 0, (minute == 59) as u64)]);
        }
        bench.context.unread = if minutes == 60 { share } else { 0 };
        if minutes == 60 {
            bench.close(&[("shop", 0, 0, 1)]);
        }
        assert_eq!(!bench.minutes(FIRING, None).is_empty(), fires, "{share} for {minutes} m at {floor}");
        assert_eq!(bench.minutes(FROZEN, None).is_empty(), fires);
    }
}

#[test]
fn an_empty_slice_is_a_gap_only_where_the_slo_says_so() {
    // 1800 of 2016 slices with requests cover 0.892857
    for (on_empty, floor, frozen) in [
        (OnEmpty::Gap, "90", true),
        (OnEmpty::Gap, "89.285714", false),
        (OnEmpty::Gap, "89.285715", true),
        (OnEmpty::Ignore, "90", false),
    ] {
        let slo = Slo {
            on_empty,
            coverage_min: percent(floor),
            budgeting: Budgeting::Timeslices {
                slice_s: 300,
                test: SliceTest::Good { target: percent("50") },
            },
            ..slo("a", "60", 7 * 86_400, vec![tier("page-7d", (1, 1), 7 * 86_400, 3600)])
        };
        let mut bench = Bench::new(vec![slo]);
        bench.context.slice = Slice(BEGIN.div_euclid(5) * 5 - 1);
        for slice in 0..2016 {
            let bad = (slice >= 1216) as u64;
            (0..4).for_each(|_| drop(bench.close(&[])));
            let empty = (1000..1216).contains(&slice);
            let all = [("shop", 0, 1 - bad, bad)];
            bench.close(if empty { &[] } else { &all });
        }
        // 800 bad of 1800 burn; whether they fire is for the last slice to say
        assert_eq!(bench.minutes(FIRING, None).is_empty(), frozen, "{on_empty:?} {floor}");
        assert_eq!(bench.minutes(FROZEN, None).is_empty(), on_empty == OnEmpty::Ignore);
    }
}

#[test]
fn a_slice_that_was_not_read_is_not_a_bad_one() {
    let slo = Slo {
        on_empty: OnEmpty::Bad,
        budgeting: Budgeting::Timeslices { slice_s: 60, test: SliceTest::Good { target: percent("50") } },
        ..slo("a", "50", 3600, vec![])
    };
    let mut bench = Bench::new(vec![slo]);
    bench.close(&[("shop", 0, 1, 0)]);
    // said zero, then not read, then lost in part
    (0..3).for_each(|_| drop(bench.close(&[])));
    unread(&mut bench, WHOLE, 4);
    unread(&mut bench, 1, 2);
    bench.close(&[("shop", 0, 1, 0)]);
    let window = |bench: &Bench| {
        let gauge = bench.ledger.gauges().next().unwrap();
        (gauge.window.good, gauge.window.bad)
    };
    assert_eq!(window(&bench), (2, 3));
    // one of them was zero after all
    bench.ledger.cover(Slice(BEGIN + 5), 0);
    bench.close(&[]);
    assert_eq!(window(&bench), (2, 5));
    // it is told as consumed once: zero while open, when its slice closes
    assert_eq!(bench.minutes(CONSUMED, None), [2, 3, 4, 12]);
}

#[test]
fn few_requests_need_not_page() {
    for (events, failures, fires) in
        [(0, 0, true), (100, 0, true), (101, 0, false), (0, 10, true), (0, 11, false)]
    {
        let mut slos = fast();
        (slos[0].min_events, slos[0].min_failures) = (events, failures);
        let mut bench = Bench::new(slos);
        bench.close(&[("shop", 0, 90, 10)]);
        assert_eq!(!bench.minutes(FIRING, None).is_empty(), fires, "{events} {failures}");
    }
}
