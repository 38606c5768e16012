//! How long the close of a slice takes the ledger, by how many budgets have traffic.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::decimal::Decimal;
use ninetail::core::entry::Configure;
use ninetail::core::ledger::{CloseContext, Counted, Ledger};
use ninetail::core::partial::Verdicts;
use ninetail::core::settings::Settings;
use ninetail::core::time::{Slice, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

const SLOS: u16 = 2;

/// Consumed budget is not told: that is what events cost, not what the close of a slice does.
fn quiet() -> Settings {
    let mut settings = support::settings(support::BY_TARGET_GROUP);
    for slo in &mut settings.slos {
        slo.consumed_step = Decimal::parse("1000").expect("a decimal");
    }
    settings
}

fn close(c: &mut Criterion) {
    let services = support::amount("NINETAIL_BENCH_SERVICES", 10_000);
    let names: Vec<Arc<str>> = (0..services).map(|i| format!("service-{i:05}").into()).collect();
    let mut group = c.benchmark_group("ledger_close");
    group.sample_size(20);
    for (label, busy_every) in [("all_busy", 1), ("one_in_ten_busy", 10), ("all_quiet", usize::MAX)] {
        let mut ledger = Ledger::new(BTreeMap::new());
        ledger.configure(&Configure { epoch: 1, from: None, settings: quiet() }).expect("a configuration");
        let mut context = CloseContext {
            slice: Slice(25_000_000),
            history_before: Time(i64::MIN),
            observed_from: Some(Slice(25_000_000 - 40_000)),
            complete: true,
            unread: 0,
            watermark: Time(0),
            clock: Time(0),
            position: 1,
        };
        let mut out = Vec::new();
        let mut next = |ledger: &mut Ledger, every: usize| {
            context.slice = context.slice.next();
            let counted = names.iter().step_by(every).flat_map(|service| {
                (0..SLOS).map(move |slo| {
                    let verdicts = Verdicts { good: 1000, bad: slo as u64 % 2, excluded: 0 };
                    Counted { service, rule: None, slo, group: None, verdicts }
                })
            });
            ledger.close(&context, counted, &mut out).expect("slices in order");
            out.clear();
        };
        // long enough that the hour's windows expire
        (0..400).for_each(|_| next(&mut ledger, 1));
        println!("{} series, {} bytes each", ledger.series(), ledger.bytes() / ledger.series());
        group.throughput(Throughput::Elements(services * u64::from(SLOS)));
        group.bench_function(BenchmarkId::from_parameter(label), |b| {
            b.iter(|| next(&mut ledger, busy_every));
        });
    }
    group.finish();
}

criterion_group!(benches, close);
criterion_main!(benches);
