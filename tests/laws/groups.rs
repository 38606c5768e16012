//! The laws where SLOs have groups.

use super::traffic::{CLOCK, START, line, settings};
use super::{LENGTH, counting, partition};
use ninetail::core::accumulator::Accumulator;
use ninetail::core::partial::{Chunk, Verdicts};
use ninetail::core::record::{Labels, Outcome};
use ninetail::core::service::Classifier;
use ninetail::core::settings::{Format, Limits, OTHER, Per, Settings};
use ninetail::core::time::Slice;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    let compile = |settings: &Settings| {
        Arc::new(Classifier::compile(settings, &mut Labels::default()).expect("the rules compile"))
    };
    let mut accumulator = Accumulator::new(limits, LENGTH, 16, Labels::default());
    let change = Slice(LENGTH.slice(START).0 + 5);
    accumulator.configure(vec![
        (None, 1, compile(&settings(200_000))),
        (Some(change), 2, compile(&grouped(limits))),
    ]);
    accumulator
}

/// Verdicts by epoch, slice, service, SLO and group; without a group those of the cells.
type Sums = BTreeMap<(u32, Slice, String, u16, Option<String>), Verdicts>;

fn add(sums: &mut Sums, chunk: &Chunk) {
    let wire = postcard::to_stdvec(chunk).expect("a chunk encodes");
    let chunk: Chunk = postcard::from_bytes(&wire).expect("a chunk decodes");
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

fn count(lines: &[Vec<u8>], dealt: &[usize], flushed: &[bool], limits: Limits) -> Sums {
    let mut sums = Sums::default();
    let mut threads: Vec<_> = (0..3)
        .map(|t| {
            let mut a = accumulator(limits);
            let slot = a.register(partition(t), &Format::AwsAlb.into(), 0).expect("a slot");
            (a, slot)
        })
        .collect();
    for (i, line) in lines.iter().enumerate() {
        let (a, slot) = &mut threads[dealt[i % dealt.len()] % 3];
        a.line(*slot, line, CLOCK);
        if flushed[i % flushed.len()] {
            add(&mut sums, &a.flush(CLOCK));
        }
    }
    threads.iter_mut().for_each(|(a, _)| add(&mut sums, &a.flush(CLOCK)));
    sums
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
        dealt in prop::collection::vec(0usize..3, 1..20),
        flushed in prop::collection::vec(prop::bool::weighted(0.1), 1..50),
        order in any::<prop::sample::Index>(),
    ) {
        let whole = count(&lines, &[0], &[false], Limits::default());
        let mut turned = lines.clone();
        turned.rotate_left(order.index(lines.len()));
        turned.reverse();
        prop_assert_eq!(&count(&lines, &dealt, &flushed, Limits::default()), &whole);
        prop_assert_eq!(&count(&turned, &dealt, &flushed, Limits::default()), &whole);
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
        let pass = |a: &mut Accumulator| {
            for line in &lines {
                assert_eq!(a.line(slot, line, CLOCK), Outcome::Record);
            }
        };
        for _ in 0..3 {
            pass(&mut a);
            a.flush(CLOCK);
        }
        let before = counting::allocations();
        pass(&mut a);
        assert_eq!(counting::allocations() - before, 0);
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
        let mut sums = Sums::default();
        add(&mut sums, &a.flush(CLOCK));
        let by_route: BTreeMap<String, u64> = sums
            .iter()
            .filter(|(k, _)| k.3 == 0)
            .map(|(k, v)| (k.4.clone().expect("a group"), v.good))
            .collect();
        let kept = (0..6).map(|i| (format!("/r{i}-{span}"), 10));
        assert_eq!(by_route, kept.chain([(OTHER.to_string(), 40)]).collect());
    }
}
