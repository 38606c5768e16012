//! The coarser tables add up to those of the slices, cut by cut, whatever comes late, is restored or switched on.

use crate::breakdown::{at, broken_down, journal};
use crate::support::{goes_on_after_restarts, play};
use crate::traffic::START;
use ninetail::core::engine::{Engine, Outputs};
use ninetail::core::entry::{Begin, Entry, Takeover};
use ninetail::core::rollup::{Cut, RequestsRow, SliRow};
use ninetail::core::settings::Settings;
use ninetail::core::time::{Grain, SliceLength, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;

/// Every record moves the watermark.
fn settings(dimensions: &[&str], tiers: &[Grain]) -> Settings {
    let mut settings = broken_down(3, dimensions);
    (settings.watermark_quorum, settings.tiers) = (0, tiers.to_vec());
    settings
}

/// A service, the values of its dimensions that are there, and an hour.
type Key = (Time, String, BTreeMap<String, String>);

/// What rows add up to: the latencies with all their buckets, and verdicts by SLO and generation.
#[derive(Clone, PartialEq, Default, Debug)]
struct Sums {
    requests: BTreeMap<Key, RequestsRow>,
    slis: BTreeMap<(Time, String, String, u32), [u64; 3]>,
}

impl Sums {
    fn add(&mut self, grain: Grain, dimensions: &[Arc<str>], requests: &[RequestsRow], slis: &[SliRow]) {
        for row in requests {
            let slice_start = grain.floor(row.slice_start);
            let named = dimensions.iter().zip(&row.dimensions);
            let values = named.filter_map(|(name, v)| Some((name.to_string(), v.as_ref()?.to_string())));
            let key = (slice_start, row.service.to_string(), values.collect());
            let row = RequestsRow { slice_start, revision: 0, dimensions: Box::default(), ..row.clone() };
            match self.requests.get_mut(&key) {
                Some(sum) => sum.absorb(&row),
                None => drop(self.requests.insert(key, row)),
            }
        }
        for row in slis {
            let hour = grain.floor(row.slice_start);
            let key = (hour, row.service.to_string(), row.slo.to_string(), row.generation);
            let sum = self.slis.entry(key).or_default();
            sum.iter_mut().zip([row.good, row.bad, row.excluded]).for_each(|(sum, n)| *sum += n);
        }
    }

    /// Those of the hours in the range.
    fn between(&self, from: Time, below: Time) -> Sums {
        let holds = |hour: Time| (from..below).contains(&hour);
        Sums {
            requests: self
                .requests
                .iter()
                .filter(|(k, _)| holds(k.0))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            slis: self.slis.iter().filter(|(k, _)| holds(k.0)).map(|(k, v)| (k.clone(), *v)).collect(),
        }
    }
}

/// The sums of a grain over the cuts: from the slices' rows, and from its own.
fn both(cuts: &[Cut], grain: Grain) -> (Sums, Sums) {
    let (mut fine, mut coarse) = (Sums::default(), Sums::default());
    for cut in cuts {
        fine.add(grain, &cut.dimensions, &cut.requests, &cut.slis);
        for rows in cut.coarse.iter().filter(|rows| rows.grain == grain) {
            coarse.add(grain, &rows.dimensions, &rows.requests, &rows.slis);
        }
    }
    (fine, coarse)
}

/// Each key has its first row once, and later ones only in later cuts; files are in order.
fn ordered(cuts: &[Cut]) {
    let mut first = BTreeMap::new();
    for cut in cuts {
        for rows in &cut.coarse {
            let key = |r: &RequestsRow| (r.service.clone(), r.slice_start, r.dimensions.clone(), r.revision);
            assert!(rows.requests.is_sorted_by(|a, b| key(a) < key(b)), "{:?}", rows.requests);
            for row in &rows.requests {
                let hour = (rows.grain, row.slice_start);
                assert_eq!(rows.grain.floor(row.slice_start), row.slice_start);
                let since = *first.entry(hour).or_insert(cut.number);
                let revision = if since == cut.number && row.revision == 0 { 0 } else { cut.number };
                assert_eq!(row.revision, revision, "{hour:?}");
            }
        }
    }
}

/// Lines whose times go on by up to hours, some of them late by up to two days.
fn history() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let late = prop_oneof![4 => Just(0), 2 => 0..2 * HOUR_MS, 1 => 0..48 * HOUR_MS];
    let path = prop::sample::select(vec!["/a", "/b", "/c", "/d", "/e"]);
    let status = prop::sample::select(vec![200u16, 200, 404, 503]);
    let line = (prop_oneof![3 => 0..HOUR_MS / 4, 1 => 0..7 * HOUR_MS], late, 0u32..4, status, path);
    prop::collection::vec(line, 20..60).prop_map(|lines| {
        let mut now = 0;
        let one = |(step, late, service, status, path): (i64, i64, u32, u16, &str)| {
            now += step;
            at(now - late, service, status, path)
        };
        lines.into_iter().map(one).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hours_and_days_add_up_to_their_slices_at_every_cut(
        lines in history(),
        sizes in prop::collection::vec(1usize..8, 1..6),
        dimensions in prop::sample::select(vec![&[][..], &["route"], &["method", "route"]]),
    ) {
        let cuts = play(&journal(&[(0, settings(dimensions, &Grain::ALL))], &lines, 2, &sizes)).1.cuts;
        ordered(&cuts);
        for grain in Grain::ALL {
            for n in 0..cuts.len() {
                let (fine, coarse) = both(&cuts[..=n], grain);
                let over = grain.floor(cuts[n].watermark);
                prop_assert_eq!(coarse.between(Time(i64::MIN), over), fine.between(Time(i64::MIN), over));
            }
            // the last cut was forced: open ones gave their rows too
            let (fine, coarse) = both(&cuts, grain);
            prop_assert!(!fine.requests.is_empty() && !fine.slis.is_empty());
            prop_assert_eq!(coarse, fine);
        }
    }

    #[test]
    fn budgets_are_what_the_published_rows_of_slices_say(
        lines in history(),
        sizes in prop::collection::vec(1usize..8, 1..6),
    ) {
        let cuts = play(&journal(&[(0, settings(&[], &Grain::ALL))], &lines, 2, &sizes)).1.cuts;
        let (mut slis, mut hours) = (Vec::new(), BTreeMap::<_, Vec<Time>>::new());
        for cut in &cuts {
            slis.extend(cut.slis.iter().cloned());
            for row in &cut.budgets {
                let of = |sli: &&SliRow| {
                    (&sli.service, &sli.slo, sli.generation) == (&row.service, &row.slo, row.generation)
                        && row.window_start <= sli.slice_start
                        && sli.slice_start < row.until
                };
                let sum = slis.iter().filter(of).fold((0, 0), |sum, sli| (sum.0 + sli.good, sum.1 + sli.bad));
                prop_assert_eq!((row.good, row.bad), sum, "cut {}: {:?}", cut.number, row);
                let told = hours.entry((row.service.clone(), row.slo.clone())).or_default();
                prop_assert_eq!(row.revision, if told.contains(&row.slice_start) { cut.number } else { row.revision });
                told.push(row.slice_start);
            }
            let key = |r: &ninetail::core::rollup::BudgetRow| (r.service.clone(), r.slo.clone(), r.slice_start);
            prop_assert!(cut.budgets.is_sorted_by(|a, b| key(a) < key(b)));
        }
        // thirty days are longer than any history here: from its first hour on a budget has a row for each
        prop_assert!(!hours.is_empty());
        for told in hours.values_mut() {
            told.sort_unstable();
            told.dedup();
            prop_assert!(told.windows(2).all(|two| two[0].plus_seconds(3_600) == two[1]), "{:?}", told);
        }
    }

    #[test]
    fn a_restored_engine_goes_on_as_if_nothing_had_been(
        lines in history(),
        sizes in prop::collection::vec(6usize..16, 1..6),
    ) {
        let configurations =
            [(0, settings(&[], &Grain::ALL)), (900, settings(&["route"], &Grain::ALL))];
        let entries = journal(&configurations, &lines, 2, &sizes);
        goes_on_after_restarts(&entries, 1, usize::MAX);
    }

    #[test]
    fn a_grain_that_comes_on_again_holds_whole_hours_only(
        lines in history(),
        sizes in prop::collection::vec(1usize..8, 1..6),
        changes in (1usize..40, 1usize..40),
    ) {
        // hours go off and on again at entries of the journal; what lies between is not theirs
        let mut entries = journal(&[(0, settings(&[], &Grain::ALL))], &lines, 2, &sizes);
        let configure = entries.iter().find(|e| matches!(e, Entry::Configure(_))).cloned();
        let Some(Entry::Configure(first)) = configure else { panic!("no configuration") };
        let mut engine = Engine::new();
        let (mut cuts, mut epoch) = (Vec::new(), 1);
        let last = entries.pop().expect("a forced cut");
        let (off, on) = (3 + changes.0, 3 + changes.0 + changes.1);
        for (entry, position) in entries.iter().zip(1..) {
            if position == off || position == on {
                epoch += 1;
                let tiers = if position == off { &[Grain::Day][..] } else { &Grain::ALL };
                let settings = Settings { tiers: tiers.to_vec(), ..first.settings.clone() };
                // the records stay those of the first one: what decides them is not what this is about
                let from = engine.next_border().map(|s| ninetail::core::time::Slice(s.0 + 1_000_000));
                let change = ninetail::core::entry::Configure { epoch, from, settings };
                apply(&mut engine, &Entry::Configure(change), &mut cuts);
            }
            apply(&mut engine, entry, &mut cuts);
        }
        apply(&mut engine, &last, &mut cuts);
        let (fine, coarse) = both(&cuts, Grain::Day);
        prop_assert_eq!(coarse, fine, "days were never off");
        // what the files say that they cover, and nothing else, is whole
        let (fine, coarse) = both(&cuts, Grain::Hour);
        let rows = || cuts.iter().flat_map(|c| &c.coarse).filter(|r| r.grain == Grain::Hour);
        for (from, below) in rows().filter_map(|rows| rows.covers) {
            let from = from.unwrap_or(Time(i64::MIN));
            prop_assert_eq!(coarse.between(from, below), fine.between(from, below));
        }
    }
}

fn apply(engine: &mut Engine, entry: &Entry, cuts: &mut Vec<Cut>) {
    let mut out = Outputs::default();
    engine.apply(1, entry, &mut out).expect("applies");
    cuts.extend(out.cuts);
}

#[test]
fn a_journal_that_takes_over_leaves_out_the_hour_that_it_did_not_see_whole() {
    let lines: Vec<Vec<u8>> = (0..24).map(|i| at(i * HOUR_MS / 4, 1, 200, "/a")).collect();
    let mut entries = journal(&[(0, settings(&[], &Grain::ALL))], &lines, 1, &[4]);
    let from = SliceLength(60).slice(START.plus_seconds(90 * 60));
    let takeover = Some(Takeover { from, cut: 7, sequences: Default::default() });
    entries[0] = Entry::Begin(Begin { journal: "0123456789abcdef".into(), backfill: false, takeover });
    let (_, out) = play(&entries);
    let (fine, coarse) = both(&out.cuts, Grain::Hour);
    let first = START.plus_seconds(2 * 3_600);
    assert_eq!(fine.requests.keys().next().map(|k| k.0), Some(START.plus_seconds(3_600)));
    assert_eq!(coarse, fine.between(first, Time(i64::MAX)));
    assert_eq!(coarse.requests.len(), 4);
    let hours = out.cuts.iter().flat_map(|c| &c.coarse).filter(|r| r.grain == Grain::Hour);
    assert!(hours.filter_map(|r| r.covers).all(|(from, _)| from == Some(first)));
    assert_eq!(both(&out.cuts, Grain::Day).1, Sums::default(), "the day had begun before");
}

#[test]
fn an_open_day_holds_a_row_of_each_service_and_not_of_each_minute() {
    let minutes = 20 * 60;
    let lines: Vec<Vec<u8>> = (0..minutes).map(|i| at(i * 60_000 / 2, 1, 200, "/a")).collect();
    let mut entries = journal(&[(0, settings(&[], &Grain::ALL))], &lines, 1, &[60]);
    entries.pop();
    let (engine, out) = play(&entries);
    // an hour and a day of one service with two SLOs
    assert!(out.cuts.len() > 10);
    assert_eq!(engine.tiers().open(), 6);
    assert!(engine.tiers().bytes() < 3_000, "{}", engine.tiers().bytes());
}
