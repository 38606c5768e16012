//! The laws where SLOs have groups.

use super::partition;
use super::support::{allocates_nothing, changing, deals, same_sums};
use super::traffic::{CLOCK, line, settings};
use ninetail::core::accumulator::Accumulator;
use ninetail::core::partial::{Chunk, Verdicts};
use ninetail::core::record::Outcome;
use ninetail::core::settings::{Format, Limits, OTHER, Per, Settings};
use ninetail::core::time::Slice;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn with_path(line: Vec<u8>, path: &str) -> Vec<u8> {
    String::from_utf8(line).expect("text").replace("/cart?x=1", path).into_bytes()
}

/// Both SLOs by route, the first by method too, under another name; as many groups as dimensions' values.
fn grouped(limits: Limits) -> Settings {
    let mut settings = Settings { routes: Some(Vec::new()), limits, ..settings(200_000) };
    let mut by_method = settings.slos[0].clone();
    by_method.name = "by-method".into();
    let groups_max = limits.dimension_values_max;
    let per = |field: &str| Some(Per { field: field.into(), groups_max });
    settings.slos.iter_mut().for_each(|slo| slo.per = per("route"));
    by_method.per = per("method");
    settings.slos.push(by_method);
    settings
}

/// SLOs have groups from the fifth slice on.
fn accumulator(limits: Limits) -> Accumulator {
    changing(limits, &settings(200_000), &grouped(limits))
}

/// Verdicts by epoch, slice, service, SLO and group; without a group those of the cells.
type Sums = BTreeMap<(u32, Slice, String, u16, Option<String>), Verdicts>;

fn sums(chunks: &[Chunk]) -> Sums {
    let mut sums = Sums::default();
    chunks.iter().for_each(|chunk| add(&mut sums, chunk));
    sums
}

fn add(sums: &mut Sums, chunk: &Chunk) {
    let name = |service: u32| chunk.services[service as usize].name.to_string();
    for (epoch, slice, service, cell) in &chunk.cells {
        for (slo, verdicts) in cell.slos.iter() {
            sums.entry((*epoch, *slice, name(*service), slo, None)).or_default().merge(&verdicts);
        }
    }
    assert!(chunk.groups.is_sorted_by(|a, b| a < b));
    let mut before = None;
    for (epoch, slice, service, group, slos) in &chunk.grouped {
        let place = (*epoch, *slice, *service, *group);
        assert!(before < Some(place), "groups ascend and none comes twice");
        before = Some(place);
        assert!(chunk.cells.iter().any(|c| (c.0, c.1, c.2) == (*epoch, *slice, *service)));
        for (slo, verdicts) in slos.iter() {
            let group = Some(chunk.groups[*group as usize].to_string());
            sums.entry((*epoch, *slice, name(*service), slo, group)).or_default().merge(&verdicts);
        }
    }
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let path =
        prop::sample::select(vec!["/cart", "/users/17", "/users/18/x", "/u/anna", "/__x__", "/\u{7f}"]);
    let status = prop::sample::select(vec![200u16, 404, 460, 503]);
    (0i64..600_000, 0u32..4, status, path)
        .prop_map(|(t, service, status, path)| with_path(line(t, service, status, 5), path))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_and_any_order_give_the_same_groups(
        lines in prop::collection::vec(any_line(), 1..300),
        deal in deals(),
    ) {
        let accumulator = || accumulator(Limits::default());
        let whole = same_sums(&lines, &deal, &Format::AwsAlb.into(), accumulator, sums);
        // groups add up to the service: both availability SLOs have the same sums
        let mut by_slo: BTreeMap<(Slice, String, u16), Verdicts> = BTreeMap::new();
        for ((epoch, slice, service, slo, group), verdicts) in &whole {
            prop_assert_eq!(*epoch == 2, group.is_some());
            if *epoch == 2 {
                by_slo.entry((*slice, service.clone(), *slo)).or_default().merge(verdicts);
            }
        }
        for ((slice, service, slo), verdicts) in by_slo.iter().filter(|(key, _)| key.2 == 0) {
            prop_assert_eq!(&by_slo[&(*slice, service.clone(), *slo + 2)], verdicts);
        }
    }
}

#[test]
fn counting_groups_allocates_nothing() {
    let lines: Vec<Vec<u8>> = (0..4000)
        .map(|i| {
            let path = ["/cart", "/users/17/orders", "/u/anna"][i as usize % 3];
            with_path(line(i * 37 % 180_000 + 300_000, 1 + (i % 40) as u32, 200, i % 900), path)
        })
        .collect();
    // the second folds
    let narrow = Limits { dimension_values_max: 1, ingest_dimension_values_max: 1, ..Limits::default() };
    for limits in [Limits::default(), narrow] {
        let mut a = accumulator(limits);
        let slot = a.register(partition(0), &Format::AwsAlb.into(), 0).expect("a slot");
        allocates_nothing(&mut a, |a| {
            lines.iter().for_each(|line| assert_eq!(a.line(slot, line, CLOCK), Outcome::Record));
        });
        assert!(a.bytes() > 0);
    }
}

#[test]
fn a_thread_keeps_twice_as_many_groups_apart_as_the_engine_and_folds_the_rest() {
    let narrow = Limits { dimension_values_max: 3, ingest_dimension_values_max: 1, ..Limits::default() };
    let mut a = accumulator(narrow);
    let slot = a.register(partition(0), &Format::AwsAlb.into(), 0).expect("a slot");
    for span in 0..3 {
        for i in 0..100 {
            let path = format!("/r{}-{span}", i % 10);
            a.line(slot, &with_path(line(300_000 + i * 100, 1, 200, 5), &path), CLOCK);
        }
        let by_route: BTreeMap<String, u64> = sums(&[a.flush(CLOCK)])
            .iter()
            .filter(|(k, _)| k.3 == 0)
            .map(|(k, v)| (k.4.clone().expect("a group"), v.good))
            .collect();
        let kept = (0..6).map(|i| (format!("/r{i}-{span}"), 10));
        assert_eq!(by_route, kept.chain([(OTHER.to_string(), 40)]).collect());
    }
}
