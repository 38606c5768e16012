//! Laws of the ledger: sums equal a naive recount, snapshots change nothing, and neither does skipping. Those of its hours are
//! in `hours.rs`.

use crate::support::*;
use ninetail::core::budgeting;
use ninetail::core::calendar::{Calendar, Unit, Weekday};
use ninetail::core::event::Event;
use ninetail::core::ledger::{Definition, Gauge, Ledger, SHARES};
use ninetail::core::settings::{
    Budgeting, Exclusion, Occurs, OnEmpty, Op, PolicyTier, Rule, Settings, SliceTest, Slo, Tier,
};
use ninetail::core::time::{Slice, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(crate) const SERVICES: [&str; 3] = ["shop", "team-a", "__other__"];

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
        rule: "FREQ=HOURLY;INTERVAL=3;COUNT=300".into(),
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
    let night = SERVICES[service] == "team-a"
        && (NIGHT..NIGHT + 300 * 180).contains(&slice)
        && (slice - NIGHT) % 180 < 20;
    let once = SERVICES[service] != "team-a"
        && ["fives", "day", "short"].contains(&slo)
        && (ONCE.0..ONCE.1).contains(&(slice - BEGIN));
    (state > 0 && night) || (state > 1 && once)
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// So many empty slices.
    Quiet(i64),
    /// A slice: (service, good, bad).
    Busy(Vec<(usize, u64, u64)>),
    /// Late counts, so many slices back: service, good, bad.
    Late(i64, usize, u64, u64),
    /// The bound of history moves, observation starts anew, or the configuration changes.
    Turn(u8),
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
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
pub(crate) fn index(service: usize, slo: &str) -> u16 {
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

pub(crate) struct Run {
    pub(crate) bench: Bench,
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
    pub(crate) generation: (u32, i64),
    /// Which exclusions there are.
    pub(crate) exclusions: u8,
}

impl Run {
    pub(crate) fn new(one_by_one: bool) -> Run {
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

    pub(crate) fn take(&mut self, step: &Step) {
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
                    // what is too far back to begin with is nowhere
                    if self.bench.correct(now - back - BEGIN, late) {
                        self.count_one((*service, late.1, now - back), (*good, *bad));
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

    /// The recount of an SLO of a service as it was at the end of a slice, by what is known now.
    pub(crate) fn naive<'a>(
        &'a self,
        (service, slo): (usize, u16),
        d: &'a Definition,
        now: i64,
    ) -> Naive<'a> {
        let slices = match d.slo.budgeting {
            Budgeting::Occurrences => 1,
            Budgeting::Timeslices { slice_s, .. } | Budgeting::RatioTimeslices { slice_s } => {
                i64::from(slice_s) / 60
            }
        };
        Naive { run: self, service, slo, d, now, slices, last: (now + 1).div_euclid(slices) - 1 }
    }

    /// The ledger says of every window what a recount of all units says.
    pub(crate) fn recount(&mut self) {
        let now = self.bench.context.slice.0;
        let kept: Vec<_> = self.bench.ledger.gauges().map(|g| budget(&g)).collect();
        self.first.retain(|budget, _| kept.contains(budget));
        for gauge in self.bench.ledger.gauges() {
            let (service, slo) = budget(&gauge);
            let d = self.bench.ledger.definition(Slice(now), slo).unwrap();
            if slo == 0 {
                assert_eq!(d.generation, self.generation.0);
            }
            let naive = self.naive((service, slo), d, now);
            let own = naive.own();
            let (good, bad) = naive.sum(own);
            let shown = (u128::from(gauge.window.good), u128::from(gauge.window.bad));
            assert_eq!(shown, (good, bad), "{} {} at {now}", gauge.service, gauge.slo);
            assert_eq!(gauge.remaining.map(|m| m.0), naive.remaining(), "{} {}", gauge.service, gauge.slo);
            for (tier, (name, long, short, firing)) in d.slo.tiers.iter().zip(&gauge.burns) {
                assert_eq!(tier.name, **name);
                assert_eq!(long.map(|m| m.0), naive.shown(Some(tier.long_s)));
                assert_eq!(short.map(|m| m.0), naive.shown(Some(tier.short_s)));
                // a unit that is not over has decided nothing, nor does what comes late until the next one is
                if naive.slices > 1 {
                    continue;
                }
                let over = |seconds| {
                    let factor = tier.factor;
                    let rate = naive.rate(Some(seconds));
                    rate.is_some_and(|(a, b)| a * factor.den as u128 > b * factor.num as u128)
                };
                // what is frozen keeps the state that it had
                let thin = |seconds: u64| {
                    let units = (naive.observed() as i64).clamp(0, seconds as i64 / 60);
                    let counted = |slice: &i64| !naive.masked(*slice);
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

/// The budget that a gauge is of.
pub(crate) fn budget(gauge: &Gauge<'_>) -> (usize, u16) {
    let service = SERVICES.iter().position(|s| *s == &**gauge.service).unwrap();
    (service, index(service, gauge.slo))
}

/// One budget at the end of one slice, counted unit by unit.
pub(crate) struct Naive<'a> {
    run: &'a Run,
    service: usize,
    slo: u16,
    d: &'a Definition,
    now: i64,
    /// Slices in a unit, and the last unit that is over.
    pub(crate) slices: i64,
    last: i64,
}

impl Naive<'_> {
    /// The SLO's own window, seconds; None for the day.
    pub(crate) fn own(&self) -> Option<u64> {
        self.d.slo.calendar.is_none().then_some(self.d.slo.window_s)
    }

    /// Whether an exclusion touches the unit: it counts for nobody.
    fn masked(&self, unit: i64) -> bool {
        let name = &self.d.slo.name;
        let mut all = unit * self.slices..(unit + 1) * self.slices;
        all.any(|slice| is_excluded(self.run.exclusions, self.service, name, slice))
    }

    fn held(&self, unit: i64) -> (u64, u64) {
        if self.masked(unit) {
            return (0, 0);
        }
        self.run.unit((self.service, self.slo), unit, self.slices)
    }

    /// The first unit of a window of so many seconds, or of the day.
    fn begin(&self, seconds: Option<u64>) -> i64 {
        match seconds {
            Some(seconds) => self.last + 1 - seconds as i64 / 60 / self.slices,
            None => {
                let calendar = self.d.slo.calendar.as_ref().unwrap();
                calendar.period(Time::from_seconds(self.now * 60)).start.seconds() / 60
            }
        }
    }

    /// Good and bad requests.
    pub(crate) fn requests(&self, seconds: Option<u64>) -> (u64, u64) {
        let units = self.begin(seconds)..=self.last;
        units.map(|unit| self.held(unit)).fold((0, 0), |sum, (good, bad)| (sum.0 + good, sum.1 + bad))
    }

    /// Good and bad as the method weighs them.
    pub(crate) fn sum(&self, seconds: Option<u64>) -> (u128, u128) {
        let (d, slices) = (self.d, self.slices);
        let first = self.run.first.get(&(self.service, self.slo)).map(|slice| slice.div_euclid(slices));
        let all = d.slo.tiers.iter().flat_map(|t| [Some(t.long_s), Some(t.short_s)]).chain([self.own()]);
        let alive = all.into_iter().any(|w| self.requests(w) != (0, 0));
        (self.begin(seconds)..=self.last).fold((0u128, 0u128), |sum, unit| {
            let (good, bad) = self.held(unit);
            let missing = |slice: i64| self.run.unread.get(&slice).is_some_and(|share| *share > 0);
            let read = !(unit * slices..(unit + 1) * slices).any(missing);
            let begun = first.is_some_and(|first| unit >= first);
            let empty = (good, bad) == (0, 0) && alive && begun && read && !self.masked(unit);
            let (good, bad) = match budgeting::empty(&d.slo).filter(|_| empty) {
                Some(good) => (good as u64, !good as u64),
                None => budgeting::weigh(&d.slo.budgeting, good, bad),
            };
            (sum.0 + u128::from(good), sum.1 + u128::from(bad))
        })
    }

    /// Units since observation began.
    fn observed(&self) -> u128 {
        let started = if self.slo == 0 { self.run.generation.1 } else { i64::MIN };
        let observed = self.run.bench.context.observed_from.map(|o| {
            let first = (o.0.max(started) + self.slices - 1).div_euclid(self.slices);
            (self.last - first + 1).max(0)
        });
        observed.unwrap_or(0) as u128
    }

    /// Units of a window, and those of them that were observed. The budget's own window is shorter by what is excluded; of an
    /// alert's that was not seen.
    pub(crate) fn seen(&self, window: Option<u64>, shrinks: bool) -> (u128, u128) {
        let (observed, units) = (self.observed(), (self.last + 1 - self.begin(window)) as u128);
        let seen = if window.is_none() && observed > 0 { units } else { observed.min(units) };
        let excluded = |units: u128| {
            (self.last + 1 - units as i64..=self.last).filter(|unit| self.masked(*unit)).count() as u128
        };
        (units - if shrinks { excluded(units) } else { 0 }, seen - excluded(seen))
    }

    /// The burn rate as a fraction.
    fn rate(&self, window: Option<u64>) -> Option<(u128, u128)> {
        self.rate_of(window, false)
    }

    fn rate_of(&self, window: Option<u64>, shrinks: bool) -> Option<(u128, u128)> {
        let ((good, bad), (units, seen)) = (self.sum(window), self.seen(window, shrinks));
        let below = (good + bad) * units * (100_000_000 - self.d.slo.objective.0) as u128;
        let above = bad * seen * 100_000_000;
        (seen > 0 && below > 0).then_some((above, below))
    }

    /// The burn rate in millionths.
    pub(crate) fn shown(&self, window: Option<u64>) -> Option<i128> {
        self.rate(window).map(|(above, below)| (above * 1_000_000 / below) as i128)
    }

    /// What is consumed of the budget, in millionths of it.
    pub(crate) fn spent(&self) -> Option<i128> {
        self.rate_of(self.own(), true).map(|(above, below)| (above * 1_000_000 / below) as i128)
    }

    /// What is left of the budget, in millionths of it.
    pub(crate) fn remaining(&self) -> Option<i128> {
        self.rate_of(self.own(), true)
            .map(|(a, b)| ((b as i128 - a as i128) * 1_000_000).div_euclid(b as i128))
    }
}

/// Events without what differs between one close and many: the position of the record.
fn told(events: &[Event]) -> Vec<Event> {
    let blank = |e: &Event| {
        let mut event = e.clone();
        event.position = Default::default();
        let mut data = said(e);
        data["provenance"]["position"] = 0.into();
        event.data = data.to_string();
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
        // a stretch begins after a slice that has closed
        for step in [Step::Quiet(1)].iter().chain(&steps) {
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
        let hours = |run: &mut Run| run.bench.ledger.take_hours(1, Time(i64::MAX), false);
        prop_assert_eq!(hours(&mut skip), hours(&mut slow));
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
