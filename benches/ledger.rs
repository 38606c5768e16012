//! How long the close of a slice takes the ledger, by how many budgets have traffic.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::decimal::{Decimal, Ratio};
use ninetail::core::entry::Configure;
use ninetail::core::ledger::{CloseContext, Counted, Ledger};
use ninetail::core::partial::Verdicts;
use ninetail::core::settings::{Indicator, Limits, Rule, Settings, Slo, Tier};
use ninetail::core::time::{Slice, SliceLength, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

const SERVICES: usize = 10_000;
const SLOS: u16 = 2;

fn settings() -> Settings {
    let tier = |name: &str, num, den, long_s, short_s| Tier {
        name: name.into(),
        severity: "page".into(),
        factor: Ratio::new(num, den),
        long_s,
        short_s,
    };
    let slo = |name: &str| Slo {
        name: name.into(),
        services: vec!["*".into()],
        objective: Decimal::parse("99.9").expect("a decimal"),
        window_s: 30 * 86_400,
        indicator: Indicator { exclude: None, rule: Rule::Good("status < 500".into()) },
        tiers: vec![
            tier("1h", 72, 5, 3600, 300),
            tier("6h", 6, 1, 21_600, 1800),
            tier("1d", 3, 1, 86_400, 7200),
            tier("3d", 1, 1, 259_200, 21_600),
        ],
        consumed_step: Decimal::parse("1000").expect("a decimal"),
    };
    Settings {
        name: "bench".into(),
        slice: SliceLength(60),
        cut_s: 300,
        watermark_quorum: 16,
        history_after_s: 900,
        silent_after_s: 600,
        sources: Vec::new(),
        services: Vec::new(),
        slos: vec![slo("availability"), slo("latency")],
        limits: Limits::default(),
    }
}

fn close(c: &mut Criterion) {
    let names: Vec<Arc<str>> = (0..SERVICES).map(|i| format!("service-{i:05}").into()).collect();
    let mut group = c.benchmark_group("ledger_close");
    group.sample_size(20);
    for (label, busy_every) in [("all_busy", 1), ("one_in_ten_busy", 10), ("all_quiet", usize::MAX)] {
        let mut ledger = Ledger::new(BTreeMap::new());
        ledger.configure(&Configure { epoch: 1, from: None, settings: settings() }).expect("a configuration");
        let mut context = CloseContext {
            slice: Slice(25_000_000),
            history_before: Time(i64::MIN),
            observed_from: Some(Slice(25_000_000 - 40_000)),
            complete: true,
            watermark: Time(0),
            position: 1,
        };
        let mut out = Vec::new();
        let mut next = |ledger: &mut Ledger, every: usize| {
            context.slice = context.slice.next();
            let counted = names.iter().step_by(every).flat_map(|service| {
                (0..SLOS).map(move |slo| {
                    let verdicts = Verdicts { good: 1000, bad: slo as u64 % 2, excluded: 0 };
                    Counted { service, rule: None, slo, verdicts }
                })
            });
            ledger.close(&context, counted, &mut out).expect("slices in order");
            out.clear();
        };
        // long enough that the hour's windows expire
        (0..400).for_each(|_| next(&mut ledger, 1));
        println!("{} series, {} bytes each", ledger.series(), ledger.bytes() / ledger.series());
        group.throughput(Throughput::Elements((SERVICES * SLOS as usize) as u64));
        group.bench_function(BenchmarkId::from_parameter(label), |b| {
            b.iter(|| next(&mut ledger, busy_every));
        });
    }
    group.finish();
}

criterion_group!(benches, close);
criterion_main!(benches);
