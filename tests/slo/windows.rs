//! Calendar windows and budgeting methods, with the numbers that others publish for them.

use crate::support::*;
use ninetail::core::calendar::{Calendar, Unit, Weekday};
use ninetail::core::decimal::Decimal;
use ninetail::core::event::{CONSUMED, EXHAUSTED, Event, FIRING, RECOVERED};
use ninetail::core::ledger::Counted;
use ninetail::core::partial::Verdicts;
use ninetail::core::settings::{Budgeting, OnEmpty, Per, SliceTest, Slo};
use ninetail::core::time::{Slice, Time};
use std::sync::Arc;

fn of(calendar: Unit, time_zone: &str, objective: &str) -> Slo {
    Slo {
        calendar: Some(Calendar {
            unit: calendar,
            time_zone: time_zone.into(),
            week_starts: Weekday::Sunday,
        }),
        window_s: calendar.nominal_s(),
        ..slo("a", objective, MONTH_S, vec![])
    }
}

fn timeslices(slice_s: u32, target: &str) -> Budgeting {
    Budgeting::Timeslices { slice_s, test: SliceTest::Good { target: percent(target) } }
}

/// A bench whose first slice begins at the time.
fn bench_at(time: &str, slos: Vec<Slo>) -> Bench {
    let mut bench = Bench::new(slos);
    bench.context.slice = Slice(Time::parse(time).unwrap().seconds() / 60 - 1);
    bench
}

fn says(event: &Event, facts: &[(&str, &str)]) {
    for (path, want) in facts {
        let got = field(event, path);
        let got = got.as_str().map_or_else(|| got.to_string(), String::from);
        assert_eq!(got, *want, "{path}");
    }
}

#[test]
fn a_calendar_window_is_as_long_as_its_period() {
    let cases = [
        (Unit::Month, "UTC", "2026-02-01T00:00:00Z", "28d", "2419.2"),
        (Unit::Month, "UTC", "2024-02-01T00:00:00Z", "29d", "2505.6"),
        (Unit::Month, "UTC", "2026-04-01T00:00:00Z", "30d", "2592"),
        (Unit::Month, "UTC", "2026-01-01T00:00:00Z", "31d", "2678.4"),
        (Unit::Quarter, "UTC", "2026-01-01T00:00:00Z", "90d", "7776"),
        (Unit::Week, "UTC", "2026-01-04T00:00:00Z", "7d", "604.8"),
        (Unit::Week, "America/New_York", "2026-03-08T05:00:00Z", "167h", "601.2"),
        (Unit::Week, "America/New_York", "2026-11-01T04:00:00Z", "169h", "608.4"),
    ];
    for (unit, zone, start, length, allowed) in cases {
        let mut bench = bench_at(start, vec![of(unit, zone, "99.9")]);
        let events = bench.close(&[("shop", 0, 99, 1)]);
        says(
            &events[0],
            &[
                ("/slo/window/kind", "calendar"),
                ("/slo/window/length", length),
                ("/slo/window/start", start),
                ("/slo/window/calendar", unit.name()),
                ("/slo/window/time_zone", zone),
                ("/budget/allowed_seconds", allowed),
            ],
        );
    }
}

#[test]
fn what_has_not_been_of_a_month_is_not_assumed() {
    let mut bench = bench_at("2026-04-01T00:00:00Z", vec![of(Unit::Month, "UTC", "99.9")]);
    for _ in 0..4319 {
        bench.close(&[("shop", 0, 1000, 0)]);
    }
    // a tenth of the month has been; 2160 of 4,320,000 requests are half of a budget of 4320
    let event = &bench.close(&[("shop", 0, 0, 1000)])[0];
    says(
        event,
        &[
            ("/sli/total", "4320000"),
            ("/budget/allowed_events", "4320"),
            ("/budget/consumed_ratio", "0.231481"),
            ("/budget/remaining_ratio", "0.768518"),
            // of the whole month's, if nothing more goes wrong
            ("/budget/projected_ratio", "0.023148"),
        ],
    );
}

#[test]
fn a_budget_comes_back_whole_with_the_next_period() {
    // Berlin's day of 23 hours; the outage of its last hour is not the next day's
    let mut bench = bench_at("2026-03-28T23:00:00Z", vec![of(Unit::Day, "Europe/Berlin", "99")]);
    for minute in 0..23 * 60 {
        let bad = if minute >= 22 * 60 { 100 } else { 0 };
        bench.close(&[("shop", 0, 100 - bad, bad), ("quiet", 0, 0, (minute == 3) as u64)]);
    }
    let shop = |bench: &Bench, kind| -> Vec<String> {
        let mine = bench.events.iter().filter(|e| e.kind == kind && &*e.key == "shop");
        mine.map(|e| e.time.to_string()).collect()
    };
    assert_eq!(shop(&bench, EXHAUSTED), ["2026-03-29T21:14:00Z"]);
    // nobody comes any more, and it is a new day all the same: one minute into it
    bench.context.slice = bench.context.slice.next();
    let until = bench.context.slice.0 - BEGIN + 5000;
    let events = bench.close_empty(until);
    assert_eq!(kinds(&events), [RECOVERED, RECOVERED]);
    assert_eq!(shop(&bench, RECOVERED), ["2026-03-29T22:01:00Z"]);
    says(&events[0], &[("/slo/window/start", "2026-03-29T22:00:00Z"), ("/slo/window/length", "1d")]);
    assert_eq!(bench.ledger.series(), 0);
}

#[test]
fn late_counts_find_their_period() {
    let mut bench = bench_at("2026-03-31T23:58:00Z", vec![of(Unit::Month, "UTC", "99")]);
    let first = bench.context.slice.0 + 1 - BEGIN;
    for _ in 0..4 {
        bench.close(&[("shop", 0, 100, 0)]);
    }
    assert!(bench.correct(first + 1, ("shop", 0, 0, 7)), "March is remembered");
    assert!(bench.correct(first + 2, ("shop", 0, 0, 5)));
    let events = bench.close(&[]);
    says(&events[0], &[("/sli/bad", "5"), ("/sli/total", "205"), ("/budget/allowed_events", "2.05")]);
}

/// Two weeks of one-minute slices: OpenSLO's example.
#[test]
fn two_weeks_of_slices_allow_1008_bad_ones() {
    let mut slo = slo("a", "95", 14 * 86_400, vec![]);
    slo.budgeting = timeslices(60, "95");
    let mut bench = Bench::new(vec![slo]);
    let fortnight = 20_160;
    for minute in 0..fortnight {
        // 5 % bad is as good as none, 6 % is a bad slice
        let bad = if minute >= fortnight - 1007 { 6 } else { 5 };
        bench.close(&[("shop", 0, 100 - bad, bad)]);
    }
    let told = bench.events.iter().filter(|e| e.kind == CONSUMED).count();
    assert_eq!((told, bench.minutes(EXHAUSTED, None).len()), (1007, 0));
    let events = bench.close(&[("shop", 0, 0, 1)]);
    assert_eq!(kinds(&events), [CONSUMED, EXHAUSTED]);
    says(
        &events[0],
        &[
            ("/slo/budgeting_method", "timeslices"),
            ("/budget/allowed_slices", "1008"),
            ("/budget/consumed_slices", "1008"),
            ("/budget/allowed_events", "null"),
            ("/budget/consumed_delta_events", "null"),
            ("/budget/allowed_seconds", "60480"),
        ],
    );
}

#[test]
fn ratio_slices_last_822_minutes_of_an_attack() {
    // 99 % good every minute, then 1 %: 806.4 / 0.98 = 822.857 minutes
    let mut slo = slo("a", "95", 14 * 86_400, vec![]);
    slo.budgeting = Budgeting::RatioTimeslices { slice_s: 60 };
    slo.consumed_step = percent("50");
    let mut bench = Bench::new(vec![slo]);
    for _ in 0..20_160 {
        bench.close(&[("shop", 0, 99, 1)]);
    }
    for _ in 0..900 {
        // ten times the traffic weighs no more
        bench.close(&[("shop", 0, 10, 990)]);
    }
    assert_eq!(bench.minutes(EXHAUSTED, None), [20_160 + 823]);
}

#[test]
fn a_week_at_three_and_a_half_nines_is_302_seconds() {
    let mut slo = slo("a", "99.95", 7 * 86_400, vec![]);
    slo.budgeting = Budgeting::RatioTimeslices { slice_s: 60 };
    let mut bench = Bench::new(vec![slo]);
    let events = bench.close(&[("shop", 0, 0, 1)]);
    says(&events[0], &[("/budget/allowed_seconds", "302.4"), ("/budget/consumed_slices", "1")]);
}

#[test]
fn the_equivalent_downtime_of_an_incident() {
    // 18 minutes at 12 % are 2.16 minutes; 11.7 % beyond a baseline of 0.3 % are 2.106
    for (objective, share, downtime, consumed) in
        [("99.9", 120, "2.16", "0.05"), ("99.95", 120, "2.16", "0.1"), ("99.9", 117, "2.106", "0.04875")]
    {
        let mut slo = slo("a", objective, MONTH_S, vec![]);
        slo.budgeting = Budgeting::RatioTimeslices { slice_s: 60 };
        let mut bench = Bench::new(vec![slo]);
        for minute in 0..43_200u64 {
            let bad = if minute >= 43_200 - 18 { share } else { 0 };
            bench.close(&[("shop", 0, 1000 - bad, bad)]);
        }
        let last = bench.events.last().unwrap();
        says(last, &[("/budget/consumed_slices", downtime), ("/budget/consumed_ratio", consumed)]);
    }
    // a baseline of 0.3 % is itself three times the budget
    let mut bench = Bench::new(vec![slo("a", "99.9", 3600, vec![])]);
    (0..60).for_each(|_| drop(bench.close(&[("shop", 0, 997, 3)])));
    says(bench.events.last().unwrap(), &[("/budget/consumed_ratio", "3")]);
}

#[test]
fn one_slice_of_a_week_against_its_requests() {
    // 500 of 10,000 bad in one five-minute slice, of 20 million requests a week
    let slos = |budgeting| vec![Slo { budgeting, ..slo("a", "99.9", 7 * 86_400, vec![]) }];
    let five = |bench: &mut Bench, good: u64, bad: u64| {
        (0..4).for_each(|_| drop(bench.close(&[])));
        bench.close(&[("shop", 0, good, bad)]);
    };
    for (budgeting, value, consumed) in
        [(Budgeting::Occurrences, "0.999975", "0.025"), (timeslices(300, "99.9"), "0.999503", "0.496031")]
    {
        let mut bench = Bench::new(slos(budgeting));
        // a whole number of five-minute slices
        bench.context.slice = Slice(BEGIN.div_euclid(5) * 5 - 1);
        for _ in 0..2014 {
            five(&mut bench, 9920, 0);
        }
        five(&mut bench, 11_120, 0);
        five(&mut bench, 9500, 500);
        let event = bench.events.last().unwrap();
        assert_eq!(field(event, "/sli/total"), 20_000_000);
        says(event, &[("/sli/value", value), ("/budget/consumed_ratio", consumed)]);
    }
}

#[test]
fn missing_slices_are_what_the_slo_says() {
    // 2016 possible, 1800 with requests, 50 of them bad
    let cases = [
        (OnEmpty::Good, "0.975198"),
        (OnEmpty::Ignore, "0.972222"),
        (OnEmpty::Gap, "0.972222"),
        (OnEmpty::Bad, "0.868055"),
    ];
    for (on_empty, value) in cases {
        let slo = Slo { on_empty, budgeting: timeslices(300, "50"), ..slo("a", "50", 7 * 86_400, vec![]) };
        let mut bench = Bench::new(vec![slo]);
        bench.context.slice = Slice(BEGIN.div_euclid(5) * 5 - 1);
        for slice in 0..2016 {
            let bad = (slice < 49 || slice == 2015) as u64;
            let empty = (1000..1216).contains(&slice);
            let all = [("shop", 0, 1 - bad, bad)];
            (0..4).for_each(|_| drop(bench.close(&[])));
            bench.close(if empty { &[] } else { &all });
        }
        says(
            bench.events.last().unwrap(),
            &[("/sli/value", value), ("/sli/total", "1800"), ("/sli/bad", "50")],
        );
    }
}

#[test]
fn a_bad_slice_of_half_a_day() {
    let slo = Slo { budgeting: timeslices(300, "99"), ..slo("a", "99", 720 * 60, vec![]) };
    let mut bench = Bench::new(vec![slo]);
    bench.context.slice = Slice(BEGIN.div_euclid(5) * 5 - 1);
    for minute in 0..720 {
        bench.close(&[("shop", 0, (minute < 715) as u64, (minute >= 715) as u64)]);
    }
    says(bench.events.last().unwrap(), &[("/sli/value", "0.993055")]);
}

/// Two routes are each bad in one slice of 144, not in the same one: each has 99.3056 %, the service 98.6111 %.
#[test]
fn slices_of_groups_and_of_the_whole() {
    let budgeting = timeslices(300, "99");
    let whole = Slo { budgeting, ..slo("whole", "99", 720 * 60, vec![]) };
    let per = Some(Per { field: "route".into(), groups_max: 10 });
    let routes = Slo { budgeting, per, ..slo("routes", "99", 720 * 60, vec![]) };
    let mut bench = Bench::new(vec![whole, routes]);
    bench.context.slice = Slice(BEGIN.div_euclid(5) * 5 - 1);
    let (service, names): (Arc<str>, [Arc<str>; 2]) = ("shop".into(), ["/a".into(), "/b".into()]);
    let counted = |slo, group, good: bool| {
        let verdicts = Verdicts { good: u64::from(good), bad: u64::from(!good), excluded: 0 };
        Counted { service: &service, rule: None, slo, group, verdicts }
    };
    for minute in 0..720 {
        bench.context.slice = bench.context.slice.next();
        bench.context.first.position += 1;
        let routes = [(&names[0], minute / 5 != 20), (&names[1], minute / 5 != 143)];
        let all =
            routes.iter().flat_map(|(name, good)| [counted(0, None, *good), counted(1, Some(*name), *good)]);
        bench.close_with(all);
    }
    let last = |slo: &str, group: Option<&str>| {
        let of = |e: &&Event| {
            let said = said(e);
            said["slo"]["name"] == slo && group.is_none_or(|group| said["slo"]["group"] == group)
        };
        field(bench.events.iter().rfind(of).unwrap(), "/sli/value")
    };
    assert_eq!(last("whole", None), "0.986111");
    assert_eq!(last("routes", Some("/b")), "0.993055");
}

#[test]
fn half_of_twelve_hours_bad() {
    let mut bench = Bench::new(vec![slo("a", "90", 43_200, vec![])]);
    let event = &bench.close(&[("shop", 0, 3556, 3556)])[0];
    says(
        event,
        &[
            ("/sli/value", "0.5"),
            ("/budget/consumed_ratio", "5"),
            ("/budget/allowed_seconds", "4320"),
            // of 72 minutes: −288
            ("/budget/remaining_ratio", "-4"),
        ],
    );
}

#[test]
fn a_throughput_is_missed_by_silence_too() {
    let test = SliceTest::Requests { at_least: 100, at_most: Some(1000) };
    let budgeting = Budgeting::Timeslices { slice_s: 60, test };
    let tiers = vec![tier("page-10m", (2, 1), 600, 120)];
    let mut bench = Bench::new(vec![Slo { budgeting, ..slo("a", "90", 3600, tiers) }]);
    for minute in 0..60 {
        let requests = match minute {
            10 => 99,
            20 => 100,
            30 => 1000,
            40 => 1001,
            _ => 500,
        };
        bench.close(&[("shop", 0, requests, 0), ("other", 0, 0, 0)]);
    }
    assert_eq!(bench.minutes(CONSUMED, None), [11, 41]);
    assert!(bench.minutes(FIRING, None).is_empty());
    // silence: five of the hour's six bad slices are there after the fifth minute
    let events = bench.close_empty(70);
    assert_eq!(bench.minutes(CONSUMED, None)[2..], [61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71]);
    assert_eq!(bench.minutes(FIRING, None), [63]);
    assert_eq!(bench.minutes(EXHAUSTED, None), [64]);
    assert!(events.iter().all(|e| field(e, "/budget/consumed_delta_events").is_null()));
    // a service that is gone for a whole window is no longer one
    bench.close_empty(200);
    assert_eq!(bench.minutes(RECOVERED, None), [120]);
    assert_eq!(bench.ledger.series(), 0);
}

#[test]
fn late_good_requests_make_a_bad_slice_good() {
    let slo = Slo { budgeting: timeslices(60, "90"), ..slo("a", "50", 3600, vec![]) };
    let mut bench = Bench::new(vec![slo]);
    bench.close(&[("shop", 0, 80, 20)]);
    bench.close(&[("shop", 0, 100, 0)]);
    bench.correct(0, ("shop", 0, 100, 0));
    bench.close(&[]);
    let gauge = bench.ledger.gauges().next().unwrap();
    assert_eq!((gauge.window.good, gauge.window.bad), (2, 0));
    assert_eq!(gauge.remaining.unwrap().to_string(), Decimal(1_000_000).to_string());
}
