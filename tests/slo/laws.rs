//! Laws of the ledger: sums equal a naive recount, snapshots change nothing, and neither does skipping.

use crate::support::*;
use ninetail::core::budgeting;
use ninetail::core::calendar::{Calendar, Unit, Weekday};
use ninetail::core::event::Event;
use ninetail::core::ledger::{Gauge, Ledger, SHARES};
use ninetail::core::settings::{
    Budgeting, Exclusion, Occurs, OnEmpty, Op, PolicyTier, Rule, Settings, SliceTest, Slo, Tier,
};
use ninetail::core::time::{Slice, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

const SERVICES: [&str; 3] = ["shop", "team-a", "__other__"];

/// Small windows, so that everything happens within a few hundred slices.
pub(crate) fn slos() -> Vec<Slo> {
    let tiers = vec![tier("page-1h", (5, 1), 3600, 300), tier("ticket-3h", (3, 2), 3 * 3600, 1800)];
    let mut short = slo("short", "90", 7200, tiers.clone());
    short.consumed_step = percent("5");
    short.policy = PolicyTier::handbook();
    let mut reserved = slo("short", "50", 7200, vec![]);
    reserved.services = vec!["__other__".into()];
    let day = Slo {
        calendar: Some(Calendar {
            unit: Unit::Day,
            time_zone: "Asia/Kolkata".into(),
            week_starts: Weekday::Monday,
        }),
        window_s: 86_400,
        ..slo("day", "95", 86_400, tiers.clone())
    };
    // the tiers' windows are whole slices of five minutes
    let fives = Slo {
        budgeting: Budgeting::Timeslices { slice_s: 300, test: SliceTest::Good { target: percent("80") } },
        on_empty: OnEmpty::Bad,
        suppress_slower: true,
        ..slo("fives", "60", 7200, tiers.clone())
    };
    let waiting =
        tiers.iter().map(|t| Tier { alert_after_s: 240, cool_down_s: 1200, op: Op::Gte, ..t.clone() });
    let waiting = waiting.collect();
    let ratio = Slo {
        budgeting: Budgeting::RatioTimeslices { slice_s: 120 },
        consumed_step: percent("3"),
        ..slo("ratio", "90", 7200, waiting)
    };
    vec![short, slo("long", "95", 6 * 3600, tiers), reserved, day, fives, ratio]
}

/// Twenty minutes of every third hour since seven past midnight, for the team.
const NIGHT: i64 = (BEGIN / 1440) * 1440 + 7;
/// Minutes after `BEGIN` that are excluded once, for some.
const ONCE: (i64, i64) = (101, 407);

/// None; the recurring one; with a single one besides.
fn exclusions(state: u8) -> Vec<Exclusion> {
    let one = |services: &[&str], slos: &[&str], occurs| Exclusion {
        name: "x".into(),
        reason: "maintenance".into(),
        services: services.iter().map(|s| s.to_string()).collect(),
        slos: slos.iter().map(|s| s.to_string()).collect(),
        occurs,
    };
    let night = Occurs::Repeats {
        rule: "FREQ=HOURLY;INTERVAL=3".into(),
        start: Time::from_seconds(NIGHT * 60).to_string().trim_end_matches('Z').into(),
        time_zone: "UTC".into(),
        duration_s: 20 * 60,
    };
    let at = |minute: i64| Time::from_seconds((BEGIN + minute) * 60);
    let once = Occurs::Once { from: at(ONCE.0), to: at(ONCE.1) };
    let all = [one(&["team-*"], &["*"], night), one(&["shop", "__other__"], &["fives", "day", "sh*"], once)];
    all.into_iter().take(usize::from(state)).collect()
}

/// The same, said naively.
fn is_excluded(state: u8, service: usize, slo: &str, slice: i64) -> bool {
    let night = SERVICES[service] == "team-a" && slice >= NIGHT && (slice - NIGHT) % 180 < 20;
    let once = SERVICES[service] != "team-a"
        && ["fives", "day", "short"].contains(&slo)
        && (ONCE.0..ONCE.1).contains(&(slice - BEGIN));
    (state > 0 && night) || (state > 1 && once)
}

#[derive(Clone, Debug)]
enum Step {
    /// So many empty slices.
    Quiet(i64),
    /// A slice: (service, good, bad).
    Busy(Vec<(usize, u64, u64)>),
    /// Late counts, so many slices back: service, good, bad.
    Late(i64, usize, u64, u64),
    /// The bound of history moves, observation starts anew, or the configuration changes.
    Turn(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let count = || prop_oneof![3 => Just(0u64), 3 => 1u64..5, 1 => 100u64..1000];
    let step = prop_oneof![
        2 => prop_oneof![4 => 1i64..10, 1 => 10i64..500].prop_map(Step::Quiet),
        6 => prop::collection::vec((0usize..3, count(), count()), 0..4).prop_map(Step::Busy),
        3 => (0i64..400, 0usize..3, count(), count()).prop_map(|(b, s, g, bad)| Step::Late(b, s, g, bad)),
        1 => (0u8..9).prop_map(Step::Turn),
    ];
    prop::collection::vec(step, 1..60)
}

/// The index of the SLO of that name for the service.
fn index(service: usize, slo: &str) -> u16 {
    match (slo, SERVICES[service]) {
        ("short", "__other__") => 2,
        ("short", _) => 0,
        ("long", _) => 1,
        ("day", _) => 3,
        ("fives", _) => 4,
        _ => 5,
    }
}

/// Reserved names are not selected by `*`: `__other__` has only the short SLO.
pub(crate) fn brought(service: usize, good: u64, bad: u64) -> Vec<Brought<'static>> {
    let name = SERVICES[service];
    let slos: &[&str] =
        if name == "__other__" { &["short"] } else { &["short", "long", "day", "fives", "ratio"] };
    slos.iter().map(|slo| (name, index(service, slo), good, bad)).collect()
}

struct Run {
    bench: Bench,
    /// (service, SLO, slice) → good, bad.
    naive: BTreeMap<(usize, u16, i64), (u64, u64)>,
    /// First slice with a request of every budget that the ledger keeps.
    first: BTreeMap<(usize, u16), i64>,
    one_by_one: bool,
    /// What was not read of a slice.
    unread: BTreeMap<i64, u16>,
    /// Whether the long SLO has its other objective and tiers.
    objective: bool,
    /// Generation of the first SLO, and its first slice.
    generation: (u32, i64),
    /// Which exclusions there are.
    exclusions: u8,
}

impl Run {
    fn new(one_by_one: bool) -> Run {
        let mut bench = Bench::new(slos());
        bench.context.observed_from = None;
        let (naive, first) = (BTreeMap::new(), BTreeMap::new());
        Run {
            bench,
            naive,
            first,
            one_by_one,
            unread: BTreeMap::new(),
            objective: false,
            generation: (1, i64::MIN),
            exclusions: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        let (now, unread) = (self.bench.context.slice.0, self.bench.context.unread);
        self.step(step, now);
        if matches!(step, Step::Turn(7)) {
            self.unread.insert(now - 2, 5);
        }
        self.unread.extend((now + 1..=self.bench.context.slice.0).map(|slice| (slice, unread)));
    }

    fn step(&mut self, step: &Step, now: i64) {
        match step {
            Step::Quiet(n) if self.one_by_one => (0..*n).for_each(|_| drop(self.bench.close(&[]))),
            Step::Quiet(n) => drop(self.bench.close_empty(now - BEGIN + n)),
            Step::Busy(all) => {
                for (service, good, bad) in all {
                    self.count(*service, now + 1, *good, *bad);
                }
                let all: Vec<_> = all.iter().flat_map(|(s, g, b)| brought(*s, *g, *b)).collect();
                self.bench.close(&all);
            }
            Step::Late(back, service, good, bad) if now - back >= BEGIN => {
                for late in brought(*service, *good, *bad) {
                    let first = self.first.get(&(*service, late.1)).copied();
                    let taken = self.bench.correct(now - back - BEGIN, late);
                    self.count_one((*service, late.1, now - back), (*good, *bad));
                    if !taken {
                        // too far back to begin with
                        self.first.remove(&(*service, late.1));
                        self.first.extend(first.map(|first| ((*service, late.1), first)));
                    }
                }
            }
            Step::Late(..) => {}
            Step::Turn(0) => self.bench.context.history_before = Time::from_seconds((now + 30) * 60),
            Step::Turn(1) => self.bench.context.observed_from = Some(Slice(now - 3)),
            Step::Turn(2) => self.bench.context.observed_from = Some(Slice(now + 5)),
            // a third, or all, of what follows is not read; it is again; a slice is found to be another
            Step::Turn(5) => {
                let all = SHARES as u16;
                self.bench.context.unread = if self.bench.context.unread == 0 { all / 3 } else { all };
            }
            Step::Turn(6) => self.bench.context.unread = 0,
            Step::Turn(7) => self.bench.ledger.cover(Slice(now - 2), 5),
            Step::Turn(turn) => {
                match turn {
                    3 => self.objective = !self.objective,
                    8 => self.exclusions = (self.exclusions + 1) % 3,
                    _ => self.generation = (self.generation.0 + 1, now + 8),
                }
                let mut slos = slos();
                slos[0].indicator.rule = Rule::Good(format!("status < {}", 499 + self.generation.0));
                slos[1].objective = percent(if self.objective { "80" } else { "95" });
                slos[1].tiers.truncate(if self.objective { 1 } else { 2 });
                let exclusions = exclusions(self.exclusions);
                self.bench.configure(Some(now + 8), Settings { exclusions, ..settings(slos) });
                // one after the other
                (0..8).for_each(|_| drop(self.bench.close(&[])));
            }
        }
    }

    fn count(&mut self, service: usize, slice: i64, good: u64, bad: u64) {
        for (_, slo, ..) in brought(service, good, bad) {
            self.count_one((service, slo, slice), (good, bad));
        }
    }

    fn count_one(&mut self, (service, slo, slice): (usize, u16, i64), (good, bad): (u64, u64)) {
        if slo != 0 || slice >= self.generation.1 {
            let counts = self.naive.entry((service, slo, slice)).or_default();
            *counts = (counts.0 + good, counts.1 + bad);
            if good + bad > 0 {
                let first = self.first.entry((service, slo)).or_insert(slice);
                *first = slice.min(*first);
            }
        }
    }

    /// What one unit of an SLO holds.
    fn unit(&self, (service, slo): (usize, u16), unit: i64, slices: i64) -> (u64, u64) {
        let start = if slo == 0 { self.generation.1 } else { i64::MIN };
        let end = (unit + 1) * slices;
        let range = (service, slo, (unit * slices).max(start).min(end))..(service, slo, end);
        self.naive.range(range).fold((0, 0), |sum, (_, (good, bad))| (sum.0 + good, sum.1 + bad))
    }

    /// The ledger says of every window what a recount of all units says.
    fn recount(&mut self) {
        let now = self.bench.context.slice.0;
        let of = |g: &Gauge<'_>| SERVICES.iter().position(|s| *s == &**g.service).unwrap();
        let kept: Vec<_> = self.bench.ledger.gauges().map(|g| (of(&g), index(of(&g), g.slo))).collect();
        self.first.retain(|budget, _| kept.contains(budget));
        for gauge in self.bench.ledger.gauges() {
            let service = of(&gauge);
            let slo = index(service, gauge.slo);
            let d = self.bench.ledger.definition(Slice(now), slo).unwrap();
            if slo == 0 {
                assert_eq!(d.generation, self.generation.0);
            }
            let slices = match d.slo.budgeting {
                Budgeting::Occurrences => 1,
                Budgeting::Timeslices { slice_s, .. } | Budgeting::RatioTimeslices { slice_s } => {
                    i64::from(slice_s) / 60
                }
            };
            let last = (now + 1).div_euclid(slices) - 1;
            let started = if slo == 0 { self.generation.1 } else { i64::MIN };
            // what an exclusion touches counts for nobody
            let masked = |unit: i64| {
                let mut all = unit * slices..(unit + 1) * slices;
                all.any(|slice| is_excluded(self.exclusions, service, gauge.slo, slice))
            };
            let held = |unit: i64| match masked(unit) {
                true => (0, 0),
                false => self.unit((service, slo), unit, slices),
            };
            let first = self.first.get(&(service, slo)).map(|slice| slice.div_euclid(slices));
            // the first unit of a window of so many seconds, or of the day
            let begin = |seconds: Option<u64>| match seconds {
                Some(seconds) => last + 1 - seconds as i64 / 60 / slices,
                None => {
                    let calendar = d.slo.calendar.as_ref().unwrap();
                    calendar.period(Time::from_seconds(now * 60)).start.seconds() / 60
                }
            };
            let own = d.slo.calendar.is_none().then_some(d.slo.window_s);
            let all = d.slo.tiers.iter().flat_map(|t| [Some(t.long_s), Some(t.short_s)]).chain([own]);
            let alive = all.into_iter().any(|w| (begin(w)..=last).any(|unit| held(unit) != (0, 0)));
            let sum = |seconds: Option<u64>| {
                (begin(seconds)..=last).fold((0u128, 0u128), |sum, unit| {
                    let (good, bad) = held(unit);
                    let missing = |slice: i64| self.unread.get(&slice).is_some_and(|share| *share > 0);
                    let read = !(unit * slices..(unit + 1) * slices).any(missing);
                    let begun = first.is_some_and(|first| unit >= first);
                    let empty = (good, bad) == (0, 0) && alive && begun && read && !masked(unit);
                    let (good, bad) = match budgeting::empty(&d.slo).filter(|_| empty) {
                        Some(good) => (good as u64, !good as u64),
                        None => budgeting::weigh(&d.slo.budgeting, good, bad),
                    };
                    (sum.0 + u128::from(good), sum.1 + u128::from(bad))
                })
            };
            let (good, bad) = sum(own);
            let shown = (u128::from(gauge.window.good), u128::from(gauge.window.bad));
            assert_eq!(shown, (good, bad), "{} {} at {now}", gauge.service, gauge.slo);
            let observed = self.bench.context.observed_from.map(|o| {
                let first = (o.0.max(started) + slices - 1).div_euclid(slices);
                (last - first + 1).max(0)
            });
            let observed = observed.unwrap_or(0) as u128;
            // the budget's own window is shorter by what is excluded; of an alert's that was not seen
            let rate_of = |window: Option<u64>, shrinks: bool| {
                let ((good, bad), units) = (sum(window), (last + 1 - begin(window)) as u128);
                let seen = if window.is_none() && observed > 0 { units } else { observed.min(units) };
                let excluded =
                    |units: u128| (last + 1 - units as i64..=last).filter(|u| masked(*u)).count() as u128;
                let (units, seen) =
                    (units - if shrinks { excluded(units) } else { 0 }, seen - excluded(seen));
                let below = (good + bad) * units * (100_000_000 - d.slo.objective.0) as u128;
                let above = bad * seen * 100_000_000;
                (seen > 0 && below > 0).then_some((above, below))
            };
            let rate = |window: Option<u64>| rate_of(window, false);
            let shown =
                |seconds| rate(Some(seconds)).map(|(above, below)| (above * 1_000_000 / below) as i128);
            let remaining =
                rate_of(own, true).map(|(a, b)| ((b as i128 - a as i128) * 1_000_000).div_euclid(b as i128));
            assert_eq!(gauge.remaining.map(|m| m.0), remaining, "{} {}", gauge.service, gauge.slo);
            for (tier, (name, long, short, firing)) in d.slo.tiers.iter().zip(&gauge.burns) {
                assert_eq!(tier.name, **name);
                assert_eq!(long.map(|m| m.0), shown(tier.long_s));
                assert_eq!(short.map(|m| m.0), shown(tier.short_s));
                // a unit that is not over has decided nothing, nor does what comes late until the next one is
                if slices > 1 {
                    continue;
                }
                let over = |seconds| {
                    let factor = tier.factor;
                    rate(Some(seconds)).is_some_and(|(a, b)| a * factor.den as u128 > b * factor.num as u128)
                };
                // what is frozen keeps the state that it had
                let thin = |seconds: u64| {
                    let units = (observed as i64).clamp(0, seconds as i64 / 60);
                    let counted = |slice: &i64| !masked(*slice);
                    let unread =
                        self.unread.range(now + 1 - units..now + 1).filter(|(slice, _)| counted(slice));
                    let missing: u64 = unread.map(|(_, share)| u64::from(*share)).sum();
                    missing * 10 > (now + 1 - units..now + 1).filter(counted).count() as u64 * SHARES
                };
                if !thin(tier.long_s) && !thin(tier.short_s) {
                    assert_eq!(*firing, over(tier.long_s) && over(tier.short_s), "{} {name}", gauge.service);
                }
            }
        }
    }
}

/// Events without what differs between one close and many: the position of the record.
fn told(events: &[Event]) -> Vec<Event> {
    let blank = |e: &Event| {
        let mut event = e.clone();
        event.position = Default::default();
        event.data["provenance"]["position"] = 0.into();
        event
    };
    events.iter().map(blank).collect()
}

fn restored(ledger: &Ledger) -> Ledger {
    let bytes = postcard::to_stdvec(ledger).unwrap();
    postcard::from_bytes(&bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_equal_a_recount(steps in steps()) {
        let mut run = Run::new(false);
        for step in &steps {
            run.take(step);
            // what changed shows at the next close
            if matches!(step, Step::Late(..) | Step::Turn(_)) {
                run.take(&Step::Quiet(1));
            }
            run.recount();
        }
    }

    #[test]
    fn skipping_equals_closing_one_by_one(steps in steps()) {
        let (mut skip, mut slow) = (Run::new(false), Run::new(true));
        for step in &steps {
            skip.take(step);
            slow.take(step);
        }
        // what is held because nothing is read would be held for ever
        skip.take(&Step::Turn(6));
        slow.take(&Step::Turn(6));
        skip.take(&Step::Quiet(2000));
        slow.take(&Step::Quiet(2000));
        prop_assert_eq!(told(&skip.bench.events), told(&slow.bench.events));
        prop_assert_eq!(skip.bench.ledger.sequences(), slow.bench.ledger.sequences());
        prop_assert_eq!(skip.bench.ledger.series(), 0);
    }

    #[test]
    fn a_snapshot_at_every_step_changes_nothing(steps in steps()) {
        let (mut plain, mut broken) = (Run::new(false), Run::new(false));
        for step in &steps {
            plain.take(step);
            broken.take(step);
            broken.bench.ledger = restored(&broken.bench.ledger);
            prop_assert_eq!(&plain.bench.ledger, &broken.bench.ledger);
        }
        prop_assert_eq!(plain.bench.events, broken.bench.events);
    }
}
