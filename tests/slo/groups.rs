//! Budgets of groups: each is kept as if the group were a service of its own, and leaves as one would.

use crate::support::*;
use ninetail::core::event::{Event, FIRING, RESOLVED, encoded};
use ninetail::core::ledger::{Counted, Ledger};
use ninetail::core::partial::Verdicts;
use ninetail::core::settings::{Per, PolicyTier, Slo};
use ninetail::core::time::Slice;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// In the other ledger these are services, so none has a reserved name.
const GROUPS: [&str; 4] = ["/a", "/users/{id}", "GET", "ü"];

fn slos(per: Option<&str>) -> Vec<Slo> {
    let tiers = vec![tier("page-1h", (5, 1), 3600, 300), tier("ticket-3h", (3, 2), 3 * 3600, 1800)];
    let mut short = slo("short", "90", 7200, tiers.clone());
    short.policy = PolicyTier::handbook();
    let mut all = vec![short, slo("long", "95", 6 * 3600, tiers)];
    for slo in &mut all {
        slo.per = per.map(|field| Per { field: field.into(), groups_max: 2 });
    }
    all
}

/// What a slice brings: group, good, bad; for both SLOs.
type Busy = Vec<(usize, u64, u64)>;

#[derive(Clone, Debug)]
enum Step {
    Quiet(i64),
    Busy(Busy),
    Late(i64, usize, u64, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let count = || prop_oneof![3 => Just(0u64), 3 => 1u64..5, 1 => 100u64..1000];
    let step = prop_oneof![
        2 => prop_oneof![4 => 1i64..10, 1 => 10i64..500].prop_map(Step::Quiet),
        6 => prop::collection::vec((0usize..4, count(), count()), 0..5).prop_map(Step::Busy),
        2 => (0i64..300, 0usize..4, count(), count()).prop_map(|(b, s, g, bad)| Step::Late(b, s, g, bad)),
    ];
    prop::collection::vec(step, 1..50)
}

/// A ledger of one service with groups, or of a service for each group.
struct Run {
    bench: Bench,
    grouped: bool,
    names: Vec<Arc<str>>,
    service: Arc<str>,
}

impl Run {
    fn new(grouped: bool) -> Run {
        let bench = Bench::new(slos(grouped.then_some("route")));
        Run { bench, grouped, names: GROUPS.iter().map(|g| (*g).into()).collect(), service: "team".into() }
    }

    fn take(&mut self, step: &Step) {
        let now = self.bench.context.slice.0;
        let Run { bench, grouped, names, service } = self;
        let counted = |(group, good, bad): (usize, u64, u64), slo: u16| {
            let name = &names[group];
            let (service, group) = if *grouped { (&*service, Some(name)) } else { (name, None) };
            Counted { service, rule: None, slo, group, verdicts: Verdicts { good, bad, excluded: 1 } }
        };
        match step {
            Step::Quiet(n) => drop(bench.close_empty(now - BEGIN + n)),
            Step::Busy(all) => {
                bench.context.slice = bench.context.slice.next();
                bench.context.first.position += 1;
                let all: Vec<_> = all.iter().flat_map(|b| [counted(*b, 0), counted(*b, 1)]).collect();
                bench.close_with(all.into_iter());
            }
            Step::Late(back, group, good, bad) if now - back >= BEGIN => {
                for slo in 0..2 {
                    let late = counted((*group, *good, *bad), slo);
                    bench.ledger.correct(Slice(now - back), late).unwrap();
                }
            }
            Step::Late(..) => {}
        }
    }

    /// Every budget by group and SLO: good and bad of its window, and what fires.
    fn budgets(&self) -> BTreeMap<(String, String), (u64, u64, Vec<bool>)> {
        let gauges = self.bench.ledger.gauges();
        let of = |g: ninetail::core::ledger::Gauge<'_>| {
            assert_eq!(g.group.is_some(), self.grouped);
            let firing = g.burns.iter().map(|burn| burn.3).collect();
            (
                (g.group.unwrap_or(g.service).to_string(), g.slo.to_string()),
                (g.window.good, g.window.bad, firing),
            )
        };
        gauges.map(of).collect()
    }

    /// Events by group and SLO, without what names them.
    fn told(&self) -> BTreeMap<(String, String), Vec<Event>> {
        let mut told: BTreeMap<(String, String), Vec<Event>> = BTreeMap::new();
        for event in &self.bench.events {
            let mut event = event.clone();
            let mut data = said(&event);
            let text = |name: &str| data["slo"][name].as_str().map(str::to_string);
            let slo = text("name").unwrap();
            let group = text(if self.grouped { "group" } else { "service" }).unwrap();
            let subject = match self.grouped {
                true => format!("team/{slo}/{}", encoded(&group)),
                false => format!("{}/{slo}", encoded(&group)),
            };
            assert_eq!(*event.subject, *subject);
            assert_eq!(text("per").as_deref(), self.grouped.then_some("route"));
            assert!(event.id.starts_with(&format!("{subject}/1/")), "{}", event.id);
            event.id = event.id[subject.len()..].to_string();
            (event.subject, event.key) = ("".into(), "".into());
            event.position.index = 0;
            for name in ["id", "service", "per", "group"] {
                data["slo"][name] = "".into();
            }
            data["state"]["fingerprint"] = "".into();
            data["links"]["query"] = "".into();
            data["provenance"]["config_sha256"] = "".into();
            event.data = data.to_string();
            told.entry((group, slo)).or_default().push(event);
        }
        told
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_group_has_the_budget_of_a_service_of_its_own(steps in steps()) {
        let (mut grouped, mut apart) = (Run::new(true), Run::new(false));
        for step in steps.iter().chain([&Step::Quiet(700)]) {
            grouped.take(step);
            apart.take(step);
            prop_assert_eq!(grouped.budgets(), apart.budgets());
        }
        prop_assert_eq!(grouped.told(), apart.told());
        prop_assert_eq!(grouped.bench.ledger.series(), 0, "what holds nothing leaves");
    }

    #[test]
    fn a_snapshot_at_every_step_changes_nothing(steps in steps()) {
        let (mut plain, mut broken) = (Run::new(true), Run::new(true));
        for step in &steps {
            plain.take(step);
            broken.take(step);
            let bytes = postcard::to_stdvec(&broken.bench.ledger).unwrap();
            broken.bench.ledger = postcard::from_bytes::<Ledger>(&bytes).unwrap();
            prop_assert_eq!(&plain.bench.ledger, &broken.bench.ledger);
        }
        prop_assert_eq!(plain.bench.events, broken.bench.events);
    }
}

#[test]
fn groups_end_with_the_field_that_they_are_by() {
    let mut run = Run::new(true);
    // one group burns, the other does not
    for _ in 0..10 {
        run.take(&Step::Busy(vec![(0, 10, 90), (1, 100, 0)]));
    }
    let firing = |bench: &Bench, kind: &str| -> Vec<String> {
        let events = bench.events.iter().filter(|e| e.kind == kind);
        events.map(|e| format!("{} {}", e.subject, field(e, "/burn/rule").as_str().unwrap())).collect()
    };
    let burning = firing(&run.bench, FIRING);
    assert!(burning.iter().all(|e| e.starts_with("team/") && e.contains("/%2Fa ")), "{burning:?}");
    assert_eq!(burning.len(), 4);
    let from = run.bench.context.slice.0 + 1;
    // more places change nothing, another field ends all
    let mut wider = slos(Some("route"));
    wider.iter_mut().for_each(|slo| slo.per.as_mut().unwrap().groups_max = 9);
    run.bench.configure(Some(from), settings(wider));
    run.take(&Step::Busy(vec![(0, 10, 90)]));
    assert!(firing(&run.bench, RESOLVED).is_empty());
    assert!(run.bench.ledger.knows_group("team", "short", "/a"));
    assert!(!run.bench.ledger.knows_group("team", "short", "/b"));
    run.bench.configure(Some(from + 1), settings(slos(Some("method"))));
    run.take(&Step::Busy(vec![(2, 5, 0)]));
    let ended: Vec<_> = run.bench.events.iter().filter(|e| e.kind == RESOLVED).collect();
    assert_eq!(ended.len(), 4);
    assert!(ended.iter().all(|e| field(e, "/state/cause") == "redefined" && field(e, "/slo/group") == "/a"));
    assert_eq!(run.bench.ledger.series(), 2, "only what the new field brought");
    assert_eq!(run.bench.ledger.definition(Slice(from + 1), 0).unwrap().generation, 2);
}
