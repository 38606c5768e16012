//! Services that come, go and come back: places are given to others, numbers of events go on, nothing is lost.

use crate::support::{accumulator, configured, opening, partition, restored, saved, slots, step, take};
use crate::traffic::{START, line, settings};
use ninetail::core::engine::{Engine, Outputs};
use ninetail::core::entry::{Entry, ForcedCut};
use ninetail::core::event::Event;
use ninetail::core::settings::{Format, Settings};
use ninetail::edges::metrics::Metrics;
use ninetail::shell::gauges::{self, Shown};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const HOUR_MS: i64 = 3_600_000;

/// Windows of an hour, and room for so many services.
fn hourly(services_max: u32) -> Settings {
    let mut settings = settings(200_000);
    settings.watermark_quorum = 0;
    settings.limits.services_max = services_max;
    settings.slos.iter_mut().for_each(|slo| slo.window_s = 3_600);
    settings
}

/// The journal of requests, in order: (milliseconds after the start, service, status). One chunk each.
fn journal(services_max: u32, requests: &[(i64, u32, u16)]) -> Vec<Entry> {
    let configured = configured(&[(0, hourly(services_max))]);
    let mut accumulator = accumulator(&configured);
    let slot = slots(&mut accumulator, 1, &Format::AwsAlb.into())[0];
    let mut entries = opening(&configured, vec![partition(0)]);
    for (millis, service, status) in requests {
        let clock = START.plus_seconds(millis / 1_000 + 10);
        take(&mut accumulator, slot, &line(*millis, *service, *status, 10), clock);
        entries.push(Entry::Chunk(accumulator.flush(clock)));
    }
    entries.push(Entry::Cut(ForcedCut::All));
    entries
}

/// Applies all; `look` sees the engine after every entry.
fn play(entries: &[Entry], mut look: impl FnMut(&Engine, &Outputs)) -> Outputs {
    let (mut engine, mut all) = (Engine::new(), Outputs::default());
    for (entry, position) in entries.iter().zip(1..) {
        let mut out = Outputs::default();
        engine.apply(position, entry, &mut out).expect("applies");
        look(&engine, &out);
        all.events.extend(out.events);
        all.cuts.extend(out.cuts);
    }
    all
}

fn requests(out: &Outputs) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in out.cuts.iter().flat_map(|cut| &cut.requests) {
        *sums.entry(row.service.to_string()).or_default() += row.requests;
    }
    sums
}

/// Ids come once; numbers go on without a hole.
fn unbroken(events: &[Event]) {
    let (mut ids, mut numbers) = (BTreeSet::new(), BTreeMap::<&str, u64>::new());
    for event in events {
        assert!(ids.insert(&event.id), "{} comes twice", event.id);
        let last = numbers.entry(&event.subject).or_default();
        assert_eq!(event.sequence, *last + 1, "{}", event.id);
        *last = event.sequence;
    }
}

#[test]
fn a_service_that_left_every_window_makes_room_and_its_events_go_on_counting() {
    let bad = |millis, service| (millis, service, 500);
    let mut all = vec![bad(0, 1), bad(1_000, 2), bad(2_000, 3)];
    // team-1 goes on; in the second hour nothing of team-2 is left, and team-3 gets its place
    all.extend((1..30).map(|n| bad(n * HOUR_MS / 10, 1)));
    let back = 29 * HOUR_MS / 10;
    all.extend([bad(back + 1_000, 3), bad(back + 2_000, 2)]);
    // two hours later both have left, and team-2 comes first
    all.push(bad(back + 2 * HOUR_MS, 1));
    all.extend([bad(back + 2 * HOUR_MS + 600_000, 2), bad(back + 2 * HOUR_MS + 1_200_000, 1)]);
    let (mut most, mut shown, metrics) = (0, Shown::default(), Metrics::new());
    let mut stayed = true;
    let out = play(&journal(2, &all), |engine, _| {
        most = most.max(engine.roster().len());
        gauges::budgets(&metrics, engine, &mut shown);
        let has_gauge = metrics.text().contains("slo_window_bad{service=\"team-2\"");
        assert_eq!(has_gauge, engine.ledger().knows("team-2"));
        stayed &= has_gauge || engine.ledger().closed().is_none();
    });
    assert!(!stayed, "gauges leave with their service");
    assert_eq!(most, 3, "two and __other__");
    let want = [("__other__", 2), ("team-1", 32), ("team-2", 2), ("team-3", 1)];
    assert_eq!(requests(&out), want.map(|(name, n)| (name.to_string(), n)).into());
    unbroken(&out.events);
    let of = |service: &str| out.events.iter().filter(|e| &*e.key == service).map(|e| e.sequence).max();
    assert!(of("team-2") > of("team-3"), "team-2 was there twice: {:?} {:?}", of("team-2"), of("team-3"));
}

/// Bursts: minutes to wait, a service, whether it is bad.
fn bursts() -> impl Strategy<Value = Vec<(i64, u32, u16)>> {
    let wait = prop_oneof![5 => 0i64..3, 2 => 3i64..40, 1 => 40i64..150];
    let burst = (wait, 1u32..6, prop::sample::select(vec![200u16, 500]), -70i64..0);
    prop::collection::vec((burst, any::<bool>()), 1..60).prop_map(|bursts| {
        let mut now = 0;
        let at = |((wait, service, status, back), late): ((i64, u32, u16, i64), bool)| {
            now += wait * 60_000 + 1_000;
            // one in two comes late, up to more than the window
            let millis = if late { (now + back * 60_000).max(0) } else { now };
            (millis, service, status)
        };
        bursts.into_iter().map(at).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn services_come_and_go(all in bursts(), services_max in 1u32..4, stop in 0usize..60) {
        let entries = journal(services_max, &all);
        let mut whole = Vec::new();
        let out = play(&entries, |engine, out| {
            whole.push(format!("{out:?}"));
            let made = engine.roster().iter().filter(|(_, s)| s.name.starts_with("team-"));
            let made: Vec<_> = made.collect();
            assert!(made.len() <= services_max as usize, "{made:?}");
            if !out.cuts.is_empty() {
                let waiting = engine.slices().services();
                let idle = made.iter().find(|(id, s)| !waiting.contains(id) && !engine.ledger().knows(&s.name));
                assert_eq!(idle, None, "nothing refers to it");
            }
        });
        unbroken(&out.events);
        prop_assert_eq!(requests(&out).values().sum::<u64>(), all.len() as u64, "no request is lost");
        // a restart anywhere goes on as if nothing had been
        let stop = stop.min(entries.len() - 1);
        let mut engine = Engine::new();
        for (entry, position) in entries[..stop].iter().zip(1..) {
            step(&mut engine, position, entry);
        }
        let snapshot = saved(&engine);
        let mut engine = restored(&snapshot);
        for (entry, position) in entries.iter().zip(1..).skip(stop) {
            prop_assert_eq!(&step(&mut engine, position, entry), &whole[position as usize - 1]);
        }
    }

    #[test]
    fn with_room_for_all_forgetting_changes_no_sum(all in bursts()) {
        let out = play(&journal(100, &all), |_, _| {});
        let mut want = BTreeMap::new();
        for (_, service, _) in &all {
            *want.entry(format!("team-{service}")).or_default() += 1;
        }
        prop_assert_eq!(requests(&out), want);
    }
}
