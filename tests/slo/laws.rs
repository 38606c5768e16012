//! Laws of the ledger: sums equal a naive recount, snapshots change nothing, and neither does skipping.

use crate::support::*;
use ninetail::core::event::Event;
use ninetail::core::ledger::Ledger;
use ninetail::core::settings::{Rule, Slo};
use ninetail::core::time::{Slice, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

const SERVICES: [&str; 3] = ["shop", "team-a", "__other__"];

/// Small windows, so that everything happens within a few hundred slices.
fn slos() -> Vec<Slo> {
    let tiers = vec![tier("page-1h", (5, 1), 3600, 300), tier("ticket-3h", (3, 2), 3 * 3600, 1800)];
    let mut short = slo("short", "90", 7200, tiers.clone());
    short.consumed_step = percent("5");
    let mut reserved = slo("short", "50", 7200, vec![]);
    reserved.services = vec!["__other__".into()];
    vec![short, slo("long", "95", 6 * 3600, tiers), reserved]
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
        1 => (0u8..5).prop_map(Step::Turn),
    ];
    prop::collection::vec(step, 1..60)
}

/// The index of the SLO of that kind for the service.
fn index(service: usize, long: bool) -> u16 {
    match (long, SERVICES[service]) {
        (true, _) => 1,
        (false, "__other__") => 2,
        (false, _) => 0,
    }
}

/// Reserved names are not selected by `*`: `__other__` has no long SLO.
fn brought(service: usize, good: u64, bad: u64) -> Vec<Brought<'static>> {
    let name = SERVICES[service];
    let mut all = vec![(name, index(service, false), good, bad)];
    if name != "__other__" {
        all.push((name, index(service, true), good, bad));
    }
    all
}

struct Run {
    bench: Bench,
    /// (service, SLO, slice) → good, bad.
    naive: BTreeMap<(usize, u16, i64), (u64, u64)>,
    one_by_one: bool,
    /// Whether the long SLO has its other objective and tiers.
    objective: bool,
    /// Generation of the first SLO, and its first slice.
    generation: (u32, i64),
}

impl Run {
    fn new(one_by_one: bool) -> Run {
        let mut bench = Bench::new(slos());
        bench.context.observed_from = None;
        Run { bench, naive: BTreeMap::new(), one_by_one, objective: false, generation: (1, i64::MIN) }
    }

    fn take(&mut self, step: &Step) {
        let now = self.bench.context.slice.0;
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
                    self.bench.correct(now - back - BEGIN, late);
                }
                self.count(*service, now - back, *good, *bad);
            }
            Step::Late(..) => {}
            Step::Turn(0) => self.bench.context.history_before = Time::from_seconds((now + 30) * 60),
            Step::Turn(1) => self.bench.context.observed_from = Some(Slice(now - 3)),
            Step::Turn(2) => self.bench.context.observed_from = Some(Slice(now + 5)),
            Step::Turn(turn) => {
                if *turn == 3 {
                    self.objective = !self.objective;
                } else {
                    self.generation = (self.generation.0 + 1, now + 8);
                }
                let mut slos = slos();
                slos[0].indicator.rule = Rule::Good(format!("status < {}", 499 + self.generation.0));
                slos[1].objective = percent(if self.objective { "80" } else { "95" });
                slos[1].tiers.truncate(if self.objective { 1 } else { 2 });
                self.bench.configure(Some(now + 8), settings(slos));
                // one after the other
                (0..8).for_each(|_| drop(self.bench.close(&[])));
            }
        }
    }

    fn count(&mut self, service: usize, slice: i64, good: u64, bad: u64) {
        for (_, slo, ..) in brought(service, good, bad) {
            if slo != 0 || slice >= self.generation.1 {
                let counts = self.naive.entry((service, slo, slice)).or_default();
                *counts = (counts.0 + good, counts.1 + bad);
            }
        }
    }

    /// The ledger says of every window what a recount says.
    fn recount(&self) {
        let now = self.bench.context.slice.0;
        for gauge in self.bench.ledger.gauges() {
            let service = SERVICES.iter().position(|s| *s == &**gauge.service).unwrap();
            let slo = index(service, &**gauge.slo == "long");
            let d = self.bench.ledger.definition(Slice(now), slo).unwrap();
            let start = if slo == 0 { self.generation.1 } else { i64::MIN };
            let sum = |seconds: u64| {
                let from = (now + 1 - seconds as i64 / 60).max(start);
                let all = self.naive.range((service, slo, from)..=(service, slo, now));
                all.fold((0, 0), |sum, (_, (good, bad))| (sum.0 + good, sum.1 + bad))
            };
            let observed = self.bench.context.observed_from.map(|o| (now - o.0.max(start) + 1).max(0));
            let observed = observed.unwrap_or(0) as u128;
            if slo == 0 {
                assert_eq!(d.generation, self.generation.0);
            }
            let rate = |seconds: u64| {
                let ((good, bad), slices) = (sum(seconds), seconds as u128 / 60);
                let seen = observed.min(slices);
                let below = (good + bad) as u128 * slices * (100_000_000 - d.slo.objective.0) as u128;
                let above = bad as u128 * seen * 100_000_000;
                (seen > 0 && below > 0).then_some((above, below))
            };
            let shown = |seconds| rate(seconds).map(|(above, below)| (above * 1_000_000 / below) as i128);
            let remaining = rate(d.slo.window_s)
                .map(|(a, b)| ((b as i128 - a as i128) * 1_000_000).div_euclid(b as i128));
            assert_eq!(gauge.remaining.map(|m| m.0), remaining, "{} {}", gauge.service, gauge.slo);
            for (tier, (name, long, short, firing)) in d.slo.tiers.iter().zip(&gauge.burns) {
                assert_eq!(tier.name, **name);
                assert_eq!(long.map(|m| m.0), shown(tier.long_s));
                assert_eq!(short.map(|m| m.0), shown(tier.short_s));
                let over = |seconds| {
                    let factor = tier.factor;
                    rate(seconds).is_some_and(|(a, b)| a * factor.den as u128 > b * factor.num as u128)
                };
                assert_eq!(*firing, over(tier.long_s) && over(tier.short_s), "{} {name}", gauge.service);
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
        skip.take(&Step::Quiet(500));
        slow.take(&Step::Quiet(500));
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
