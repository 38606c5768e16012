//! What budgets cost: the close of a slice by how many have traffic, and a month of minutes held, snapshot and restored.
//!
//! The month of some services is filled minute by minute, as the engine fills it: three SLOs of each with the workbook's four tiers,
//! a share of 150,000 requests a second as Zipf has it, noise, a daily wave, some failures. `NINETAIL_BENCH_FILLED` says how many (100);
//! others, up to `NINETAIL_BENCH_MONTH` (10,000), get copies of their pasts. From then on each has noise of its own, and what is held,
//! closed, snapshot and restored is the whole.

#[path = "../src/allocator.rs"]
mod allocator;
mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::decimal::Decimal;
use ninetail::core::entry::Configure;
use ninetail::core::ledger::{CloseContext, Contributors, Counted, Ledger};
use ninetail::core::partial::Verdicts;
use ninetail::core::settings::{Settings, Slo};
use ninetail::core::time::{Slice, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

const SLOS: u16 = 2;

/// Consumed budget is not told: that is what events cost, not what the close of a slice does.
fn quiet() -> Settings {
    let mut settings = support::settings(support::BY_TARGET_GROUP);
    for slo in &mut settings.slos {
        slo.consumed_step = Decimal::parse("1000").expect("a decimal");
    }
    settings
}

fn context(slice: Slice) -> CloseContext {
    CloseContext {
        slice,
        history_before: Time(i64::MIN),
        observed_from: Some(Slice(slice.0 - 40_000)),
        complete: true,
        unread: 0,
        watermark: Time(0),
        clock: Time(0),
        first: Default::default(),
        source_offsets: None,
        contributors: Contributors::default(),
    }
}

fn close(c: &mut Criterion) {
    let services = support::amount("NINETAIL_BENCH_SERVICES", 10_000);
    let names: Vec<Arc<str>> = (0..services).map(|i| format!("service-{i:05}").into()).collect();
    let mut group = c.benchmark_group("ledger_close");
    group.sample_size(20);
    for (label, busy_every) in [("all_busy", 1), ("one_in_ten_busy", 10), ("all_quiet", usize::MAX)] {
        let mut ledger = Ledger::new(BTreeMap::new());
        ledger.configure(&Configure { epoch: 1, from: None, settings: quiet() }).expect("a configuration");
        let mut context = context(Slice(25_000_000));
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

/// What a close of the month's minutes brings for one SLO.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// As many as a mean gives on average, with about the noise that counts have.
    fn count(&mut self, mean: f64) -> u64 {
        let bits = self.next();
        // of 32 coins; a fraction between two of their steps
        let normal =
            f64::from((bits as u32).count_ones()) - 16.0 + ((bits >> 40) as f64 / (1 << 24) as f64 - 0.5);
        let value = mean + normal * (mean / 8.0).sqrt() + ((bits >> 32) as u8 as f64 / 256.0);
        value.max(0.0) as u64
    }
}

const MINUTES: i64 = 30 * 1_440;
const MONTH_SLOS: usize = 3;
/// Requests a minute of all services.
const LOAD: f64 = 150_000.0 * 60.0;

fn month(_: &mut Criterion) {
    allocator::give_back_soon();
    let services = support::amount("NINETAIL_BENCH_MONTH", 10_000) as usize;
    let filled = (support::amount("NINETAIL_BENCH_FILLED", 100) as usize).clamp(1, services);
    let names: Vec<Arc<str>> = (0..services).map(|i| format!("service-{i:05}").into()).collect();
    let harmonic: f64 = (1..=10_000).map(|rank| 1.0 / f64::from(rank)).sum();
    // of ten thousand ranks as many as are filled, evenly
    let rank = |i: usize| (((i % filled) * 10_000 / filled) + 1) as f64;
    let loads: Vec<f64> = (0..services).map(|i| LOAD / harmonic / rank(i)).collect();
    let mut settings = quiet();
    settings.slos.push(Slo { name: "errors".into(), ..settings.slos[0].clone() });
    assert_eq!(settings.slos.len(), MONTH_SLOS);
    let before = resident("VmRSS");
    let mut ledger = Ledger::new(BTreeMap::new());
    ledger.configure(&Configure { epoch: 1, from: None, settings }).expect("a configuration");
    let begin = Slice(25_000_000 / 60 * 60);
    let mut context = context(begin);
    context.observed_from = Some(begin);
    let (mut noise, mut out) = (Noise(88_172_645_463_325_252), Vec::new());
    let mut minute = |ledger: &mut Ledger, services: usize, slice: i64| {
        let wave = 1.0 + 0.5 * ((slice % 1_440) as f64 / 720.0 - 1.0).abs();
        let mut counted = Vec::with_capacity(names.len() * MONTH_SLOS);
        for (service, load) in names.iter().zip(&loads).take(services) {
            let all = noise.count(load * wave);
            for (share, slo) in [0.001, 0.01, 0.000_1].into_iter().zip(0..) {
                let bad = noise.count(all as f64 * share).min(all);
                let verdicts = Verdicts { good: all - bad, bad, excluded: 0 };
                counted.push(Counted { group: None, service, rule: None, slo, verdicts });
            }
        }
        context.slice = Slice(begin.0 + slice);
        let started = Instant::now();
        ledger.close(&context, counted, &mut out).expect("slices in order");
        out.clear();
        let closed = started.elapsed();
        // of a cut that follows, not of the close
        let started = Instant::now();
        let told = ledger.take_hours(1, Time(i64::MAX), false).len();
        (closed, started.elapsed(), told)
    };
    let started = Instant::now();
    for slice in 0..MINUTES {
        minute(&mut ledger, filled, slice);
    }
    for (i, name) in names.iter().enumerate().skip(filled) {
        ledger.copy_service(&names[i % filled], name);
    }
    println!(
        "month of {services} services x {MONTH_SLOS} SLOs: {} series, {filled} services filled and copied in {:.0?}",
        ledger.series(),
        started.elapsed()
    );
    // an hour, for copies have no room to grow in; then three hours of sixty minutes, of which the last ends the hour
    for slice in MINUTES..MINUTES + 60 {
        minute(&mut ledger, services, slice);
    }
    let (mut took, mut ends) = (Vec::new(), Vec::new());
    for slice in MINUTES + 60..MINUTES + 240 {
        let closed = minute(&mut ledger, services, slice);
        if slice % 60 == 59 { &mut ends } else { &mut took }.push(closed);
    }
    took.sort_unstable();
    ends.sort_unstable();
    let (hour, taken, told) = ends[1];
    println!(
        "one closed minute: {:.1?} in the middle, 99 of a hundred within {:.1?}, {hour:.1?} an hour's end, and {taken:.1?} to take its {told} rows; aim for 10,000: 200 ms",
        took[took.len() / 2].0,
        took[took.len() * 99 / 100].0
    );
    let held = resident("VmRSS") - before;
    let slices = (services * MONTH_SLOS) as f64 * MINUTES as f64;
    println!(
        "resident: {:.2} GiB, {:.2} bytes for each minute of a budget ({:.2} as the ledger counts); aim for 10,000: 1.5 GiB, 1.24",
        gib(held),
        held as f64 / slices,
        ledger.bytes() as f64 / slices
    );
    bare(services * MONTH_SLOS);
    let started = Instant::now();
    let bytes = postcard::to_extend(&ledger, Vec::with_capacity(ledger.bytes())).expect("a snapshot");
    let snapshot = started.elapsed();
    let started = Instant::now();
    let copy = bytes.clone();
    let copied = started.elapsed();
    let packed = zstd::bulk::compress(&copy, 1).expect("compresses").len();
    drop(copy);
    let started = Instant::now();
    let restored: Ledger = postcard::from_bytes(&bytes).expect("restores");
    println!(
        "snapshot: {:.2} GiB ({:.2} compressed) in {snapshot:.2?}, restored in {:.2?}; aim 10 s each; a bare copy of the bytes {copied:.2?}",
        gib(bytes.len()),
        gib(packed),
        started.elapsed()
    );
    assert!(restored == ledger, "the snapshot is another ledger");
    println!(
        "at most resident: {:.2} GiB, with the snapshot, its copy and the restored ledger",
        gib(resident("VmHWM"))
    );
}

/// What a minute costs at the least: nine sums of each budget moved on, from arrays in order.
fn bare(series: usize) {
    const WINDOWS: usize = 8;
    let leaving = vec![[(1_000u64, 1u64); WINDOWS]; series];
    let mut sums = vec![[(1_000_000u64, 1_000u64); WINDOWS]; series];
    let started = Instant::now();
    for (sums, leaving) in sums.iter_mut().zip(&leaving) {
        for (sum, gone) in sums.iter_mut().zip(leaving) {
            sum.0 = sum.0 + 999 - gone.0;
            sum.1 = sum.1 + 1 - gone.1;
        }
    }
    std::hint::black_box(&sums);
    println!("the same sums from bare arrays: {:.1?}", started.elapsed());
}

fn gib(bytes: usize) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}

/// Bytes that the kernel says the process holds.
fn resident(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number") * 1024
}

criterion_group!(benches, close, month);
criterion_main!(benches);
