//! Alerts by their own watermark: a partition whose lines come late delays no page, and the journal alone decides.

use crate::support::{accumulator, configured, goes_on_after_restarts, opening, partition, slots, take};
use crate::traffic::{START, line, settings};
use ninetail::core::decimal::Ratio;
use ninetail::core::engine::{Engine, Outputs};
use ninetail::core::entry::{Entry, ForcedCut};
use ninetail::core::event::{self, Event};
use ninetail::core::partial::Standing;
use ninetail::core::rollup::BudgetRow;
use ninetail::core::settings::{Format, Settings, Tier};
use ninetail::core::time::Time;
use std::ops::Range;

/// Slices of a minute; a source that waits twelve minutes.
fn of(alerts_lateness_s: Option<u32>) -> Settings {
    let mut settings = settings(200_000);
    settings.alerts_lateness_s = alerts_lateness_s;
    settings.sources[0].lateness_s = 720;
    settings.slos[0].tiers = vec![Tier { factor: Ratio::new(144, 10), ..Tier::default() }];
    settings
}

/// An hour and ten minutes of two partitions, a chunk every ten seconds. The second one's lines come ten minutes late. From the 30th
/// minute to the 40th everything of the first fails.
fn journal(settings: &Settings, standing: Standing) -> Vec<Entry> {
    outage_of(settings, standing, 1_800..2_400)
}

/// The same with another outage, in seconds.
fn outage_of(settings: &Settings, standing: Standing, outage: Range<i64>) -> Vec<Entry> {
    let configured = configured(&[(0, settings.clone())]);
    let mut entries = opening(&configured, vec![partition(0), partition(1)]);
    let mut accumulator = accumulator(&configured);
    let slots = slots(&mut accumulator, 2, &Format::AwsAlb.into());
    slots.iter().for_each(|slot| accumulator.standing(*slot, standing));
    for ten in 60..420i64 {
        let clock = START.plus_seconds(ten * 10);
        for (slot, late_s) in [(slots[0], 0), (slots[1], 600)] {
            for half in 0..20i64 {
                let at_ms = ten * 10_000 - late_s * 1000 + half * 500 - 10_000;
                let fails = late_s == 0 && outage.contains(&at_ms.div_euclid(1_000));
                if at_ms >= 0 {
                    take(&mut accumulator, slot, &line(at_ms, 1, if fails { 503 } else { 200 }, 10), clock);
                }
            }
        }
        entries.push(Entry::Chunk(accumulator.flush(clock)));
    }
    entries
}

/// The events with the clock at which each was decided, seconds after the start.
fn events(entries: &[Entry]) -> Vec<(i64, Event)> {
    let mut engine = Engine::new();
    let mut told = Vec::new();
    for (entry, position) in entries.iter().zip(1..) {
        let mut out = Outputs::default();
        engine.apply(position, entry, &mut out).expect("applies");
        let clock = if let Entry::Chunk(chunk) = entry { chunk.clock } else { Time(0) };
        told.extend(out.events.into_iter().map(|e| (clock.seconds() - START.seconds(), e)));
    }
    told
}

fn at(told: &[(i64, Event)], kind: &str) -> Vec<(i64, i64)> {
    let of = told.iter().filter(|(_, e)| e.kind == kind);
    of.map(|(clock, e)| (*clock, e.time.seconds() - START.seconds())).collect()
}

#[test]
fn a_late_partition_delays_no_page() {
    let late = events(&journal(&of(None), Standing::Following));
    let soon = events(&journal(&of(Some(60)), Standing::Following));
    let ([late_at], [soon_at]) = (&at(&late, event::FIRING)[..], &at(&soon, event::FIRING)[..]) else {
        panic!("one page each: {:?} {:?}", at(&late, event::FIRING), at(&soon, event::FIRING))
    };
    // a minute after its slice it pages, in place of ten and twelve
    assert!(soon_at.0 <= soon_at.1 + 60 + 20, "{soon_at:?}");
    assert!(late_at.0 >= late_at.1 + 600 + 720, "{late_at:?}");
    assert!(soon_at.0 + 1_200 < late_at.0, "{soon_at:?} {late_at:?}");
    assert!(at(&soon, event::RESOLVED)[0].0 + 600 < at(&late, event::RESOLVED)[0].0);
    // budgets are told when and as they were
    let budgets = |told: &[(i64, Event)]| -> Vec<(i64, String)> {
        let of = told.iter().filter(|(_, e)| e.kind.starts_with("slo.budget."));
        of.map(|(clock, e)| (*clock, e.id.clone())).collect()
    };
    assert_eq!(budgets(&soon), budgets(&late));
    assert!(!budgets(&soon).is_empty());
}

/// An hour's row waits for the slowest partition; what it says of alerts is what they were at the hour's end, not since.
#[test]
fn an_hour_tells_what_fired_at_its_end() {
    for (outage, fires) in [(3_240, true), (2_400, false), (3_610, false)] {
        let mut entries = outage_of(&of(Some(60)), Standing::Following, outage..outage + 240);
        entries.push(Entry::Cut(ForcedCut::All));
        let (mut engine, mut out) = (Engine::new(), Outputs::default());
        for (entry, position) in entries.iter().zip(1..) {
            engine.apply(position, entry, &mut out).expect("applies");
        }
        // as the events say: by those of the first hour
        let end = START.plus_seconds(3_600);
        let by_then = |e: &&Event| e.time <= end && e.kind.starts_with("slo.burn_rate.");
        let last = out.events.iter().rfind(by_then).map(|e| e.kind);
        assert_eq!(last == Some(event::FIRING), fires, "{outage}: {last:?}");
        let budgets = out.cuts.iter().flat_map(|c| &c.budgets);
        let of_hour = |row: &&BudgetRow| row.until == end && &*row.slo == "availability";
        let rows: Vec<&BudgetRow> = budgets.filter(of_hour).collect();
        assert_eq!(rows.len(), 1, "{outage}");
        let firing: Vec<&str> = rows[0].firing.iter().map(|tier| &**tier).collect();
        assert_eq!(firing, if fires { vec!["page-1h"] } else { vec![] }, "{outage}");
        // it did not stand still: all is over by the time that the hour closes
        assert!(at_end(&out.events).is_none_or(|kind| kind == event::RESOLVED), "{outage}");
    }
}

fn at_end(events: &[Event]) -> Option<&'static str> {
    events.iter().rfind(|e| e.kind.starts_with("slo.burn_rate.")).map(|e| e.kind)
}

/// What was not read may hold anything: alerts wait for it.
#[test]
fn a_partition_with_lag_is_waited_for() {
    let mut entries = journal(&of(Some(60)), Standing::Following);
    for entry in &mut entries {
        if let Entry::Chunk(chunk) = entry {
            for coverage in chunk.coverage.iter_mut().filter(|c| c.partition.number == 1) {
                coverage.standing = Standing::Behind;
            }
        }
    }
    let fired = at(&events(&entries), event::FIRING);
    assert!(fired.first().is_some_and(|(clock, _)| *clock >= 1860 + 600), "{fired:?}");
}

#[test]
fn a_restored_engine_decides_the_same() {
    goes_on_after_restarts(&journal(&of(Some(60)), Standing::Following), 23, 40);
}
