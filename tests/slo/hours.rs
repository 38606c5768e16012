//! The rows of `budget_1h`: every hour has one, they say what a recount says, and late data stands in place of what was said.

use crate::laws::{Run, SERVICES, Step, budget, index, steps};
use crate::support::*;
use ninetail::core::budgeting;
use ninetail::core::rollup::BudgetRow;
use ninetail::core::settings::{PolicyTier, Slo};
use ninetail::core::time::{Slice, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOUR: i64 = 60;

/// The rows of a run against a recount, as they leave at cuts, and the last slice closed.
struct Hours {
    cut: u64,
    /// The last slice that was closed at the check before.
    before: Slice,
    /// Until when each budget's rows have come, without a hole.
    told: BTreeMap<(String, String), Time>,
    revised: usize,
    /// Which exclusions there were at the check before.
    exclusions: u8,
}

impl Hours {
    fn check(&mut self, run: &mut Run) {
        let now = run.bench.context.slice;
        self.cut += 1;
        let end = Time::from_seconds((now.0 + 1) * 60);
        let rows = run.bench.ledger.take_hours(self.cut, end, false);
        // a row of the step that changes them may be of before or after that
        let changed = std::mem::replace(&mut self.exclusions, run.exclusions) != run.exclusions;
        for row in &rows {
            let last = row.until.seconds() / 60 - 1;
            assert_eq!((last + 1) % HOUR, 0);
            assert_eq!(row.slice_start.plus_seconds(3_600), row.until);
            let key = (row.service.to_string(), row.slo.to_string());
            match row.revision {
                0 => {
                    let before = self.told.insert(key, row.until);
                    assert!(before.is_none_or(|before| before < row.until), "{row:?} comes twice");
                }
                revision => {
                    assert_eq!(revision, self.cut);
                    assert!(self.told.get(&key).is_some_and(|told| row.until <= *told), "{row:?}");
                    self.revised += 1;
                }
            }
            let service = SERVICES.iter().position(|s| **s == *row.service).unwrap();
            let slo = index(service, &row.slo);
            if slo == 0 && row.generation != run.generation.0 {
                continue; // it ended within the step
            }
            if changed {
                continue;
            }
            let d = run.bench.ledger.definition(Slice(last), slo).unwrap();
            let naive = run.naive((service, slo), d, last);
            let own = naive.own();
            assert_eq!((row.good, row.bad), naive.requests(own), "{row:?}");
            let (units, seen) = naive.seen(own, true);
            assert_eq!((row.slices as u128, row.seen as u128), (units, seen), "{row:?}");
            let whole = u128::from(budgeting::whole(&d.slo.budgeting).unwrap_or(1));
            let (good, bad) = naive.sum(own);
            assert_eq!(row.consumed as u128, bad * 1_000_000 / whole, "{row:?}");
            let blank = seen == 0 || good + bad == 0;
            let allowed = (!blank).then(|| {
                let millionths =
                    (good + bad) * units * u128::from(100_000_000 - d.slo.objective.0) / 100 / seen;
                (millionths / whole) as i64
            });
            assert_eq!(row.allowed, allowed, "{row:?}");
            if whole == 1 {
                assert_eq!(row.remaining, allowed.map(|allowed| allowed - row.consumed));
            }
            assert_eq!(row.consumed_ratio.map(i128::from), naive.spent());
            assert_eq!(row.remaining_ratio.map(i128::from), naive.remaining());
            // whole units
            let unit_s = naive.slices as u64 * 60;
            let tiers = d.slo.tiers.iter().flat_map(|t| [t.long_s, t.short_s]);
            let mut windows: Vec<u64> = tiers.map(|seconds| seconds / unit_s * unit_s).collect();
            windows.sort_unstable();
            windows.dedup();
            assert_eq!(row.burns.iter().map(|b| b.window_s).collect::<Vec<_>>(), windows);
            for burn in &row.burns {
                let window = Some(burn.window_s);
                assert_eq!((burn.good, burn.bad), naive.requests(window), "{row:?}");
                assert_eq!(burn.rate.map(i128::from), naive.shown(window), "{row:?}");
            }
        }
        // of the hour that ends here every budget has its row, and it says what the gauge says
        if (now.0 + 1) % HOUR == 0 && std::mem::replace(&mut self.before, now) != now {
            for gauge in run.bench.ledger.gauges() {
                let told = |row: &&BudgetRow| {
                    row.until == end && row.service == *gauge.service && row.slo == *gauge.slo
                };
                let row =
                    rows.iter().find(told).or_else(|| panic!("{:?} has no row at {end}", budget(&gauge)));
                let fires = gauge.burns.iter().filter(|b| b.3).map(|b| b.0.clone());
                assert_eq!(row.unwrap().firing, fires.collect());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_hour_equals_a_recount(steps in steps()) {
        let mut run = Run::new(false);
        let mut hours = Hours { cut: 0, before: Slice(0), told: BTreeMap::new(), revised: 0, exclusions: 0 };
        for step in &steps {
            run.take(step);
            hours.check(&mut run);
            if matches!(step, Step::Late(..) | Step::Turn(_)) {
                run.take(&Step::Quiet(1));
                hours.check(&mut run);
            }
            run.recount();
        }
    }
}

/// A bench whose first minute begins an hour.
fn bench(slos: Vec<Slo>) -> Bench {
    let mut bench = Bench::new(slos);
    bench.context.slice = Slice(BEGIN.div_euclid(HOUR) * HOUR + HOUR - 1);
    bench
}

/// Closes slices up to the last one of the hour; the first brings something.
fn hour(bench: &mut Bench, good: u64, bad: u64) {
    bench.close(&[("shop", 0, good, bad)]);
    let last = bench.context.slice.0 / HOUR * HOUR + HOUR - 1;
    bench.close_empty(last - BEGIN);
}

fn take(bench: &mut Bench, cut: u64) -> Vec<BudgetRow> {
    let end = Time::from_seconds((bench.context.slice.0 + 1) * 60);
    bench.ledger.take_hours(cut, end, false)
}

fn brief(rows: &[BudgetRow]) -> Vec<(i64, u64, u64, u64, &'static str)> {
    let hour = |row: &BudgetRow| (row.slice_start.seconds() / 3_600).rem_euclid(24);
    rows.iter().map(|r| (hour(r), r.revision, r.good, r.bad, r.state())).collect()
}

#[test]
fn what_comes_late_stands_in_place_of_the_two_hours_before() {
    let mut bench = bench(vec![slo("a", "99", 6 * 3_600, workbook())]);
    for bad in [0, 1, 0] {
        hour(&mut bench, 99, bad);
    }
    let begin = take(&mut bench, 1)[0].slice_start.seconds() / 3_600 % 24;
    let late = bench.context.slice.0 - BEGIN - 150; // in the first of the three
    assert!(bench.correct(late, ("shop", 0, 100, 2)));
    assert!(take(&mut bench, 2).is_empty(), "not before the hour is over");
    hour(&mut bench, 100, 0);
    // the first hour is as it was; the second and third got what came late, with the state that had been decided
    let want = [
        ((begin + 1) % 24, 3, 298, 3, "ok"),
        ((begin + 2) % 24, 3, 397, 3, "ok"),
        ((begin + 3) % 24, 0, 497, 3, "ok"),
    ];
    let mut rows = take(&mut bench, 3);
    rows.sort_by_key(|row| row.slice_start);
    assert_eq!(brief(&rows), want);
    // nothing came: nothing is told again
    hour(&mut bench, 100, 0);
    assert_eq!(brief(&take(&mut bench, 4)), [((begin + 4) % 24, 0, 597, 3, "ok")]);
}

#[test]
fn hours_without_requests_have_rows_while_the_window_holds_one() {
    let policy = PolicyTier::handbook();
    let mut bench = bench(vec![Slo { policy, ..slo("a", "99", 4 * 3_600, vec![]) }]);
    hour(&mut bench, 98, 2);
    bench.close_empty(bench.context.slice.0 - BEGIN + 600);
    let rows = take(&mut bench, 1);
    let said: Vec<_> = brief(&rows).iter().map(|r| (r.1, r.2, r.3, r.4)).collect();
    assert_eq!(said, [(0, 98, 2, "exhausted"); 4]);
    for row in &rows {
        assert_eq!(
            (row.allowed, row.consumed, row.remaining),
            (Some(1_000_000), 2_000_000, Some(-1_000_000))
        );
        assert_eq!((row.consumed_ratio, row.remaining_ratio), (Some(2_000_000), Some(-1_000_000)));
        assert_eq!(row.exhausted_since, Some(rows[0].slice_start.plus_seconds(60)));
        assert_eq!(row.policy.as_deref(), Some("exhausted"));
        assert_eq!(row.window_end, row.until);
        assert_eq!(row.window_start.plus_seconds(4 * 3_600), row.until);
    }
}

#[test]
fn an_hour_that_is_forced_open_is_told_again_when_it_is_over() {
    let mut bench = bench(vec![slo("a", "99", 86_400, workbook())]);
    bench.close(&[("shop", 0, 90, 10)]);
    let end = bench.events.last().expect("events").time;
    let rows = bench.ledger.take_hours(1, end, true);
    assert_eq!((rows.len(), rows[0].until, rows[0].revision), (1, end, 0));
    assert_eq!((rows[0].state(), rows[0].firing.len()), ("firing", 3));
    assert_eq!(rows[0].burns[0].rate, Some(10_000_000));
    hour(&mut bench, 100, 0);
    let rows = take(&mut bench, 2);
    assert_eq!(
        (rows.len(), rows[0].until, rows[0].revision),
        (1, rows[0].slice_start.plus_seconds(3_600), 2)
    );
    assert_eq!((rows[0].good, rows[0].bad), (190, 10));
}

#[test]
fn another_definition_ends_what_may_be_revised() {
    let slos = || vec![slo("a", "99", 86_400, vec![])];
    let mut bench = bench(slos());
    hour(&mut bench, 100, 0);
    take(&mut bench, 1);
    let mut tighter = settings(slos());
    tighter.slos[0].objective = percent("99.9");
    bench.configure(Some(bench.context.slice.0 + 10), tighter);
    assert!(bench.correct(bench.context.slice.0 - BEGIN - 5, ("shop", 0, 0, 1)));
    hour(&mut bench, 100, 0);
    let rows = take(&mut bench, 2);
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].bad, rows[0].objective, rows[0].generation), (1, percent("99.9"), 1));
    let mut without = settings(slos());
    without.tiers.clear();
    bench.configure(Some(bench.context.slice.0 + 10), without);
    hour(&mut bench, 100, 0);
    assert!(take(&mut bench, 3).is_empty(), "hours are off");
}
