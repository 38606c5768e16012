//! Counting alone, and the whole of ingest (decode, classify, accumulate), beside a bare newline scan.
//!
//! `NINETAIL_BENCH_LOG` names a log to use in place of the made one.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::accumulator::{Accumulator, Slot};
use ninetail::core::decimal::Decimal;
use ninetail::core::format::{Parsed, Parser};
use ninetail::core::partial::Cell;
use ninetail::core::position::Partition;
use ninetail::core::record::{Labels, Record};
use ninetail::core::service::Classifier;
use ninetail::core::settings::{
    Failed, Format, Indicator, LatencyOf, Limits, Rule, ServiceRule, Settings, Slo,
};
use ninetail::core::time::{SliceLength, Time};
use ninetail::shell::traffic::{Traffic, TrafficConfig};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

/// The pipeline of the contract's example: services by target group, availability and latency.
fn settings() -> Settings {
    let slo = |name: &str, exclude: Option<&str>, rule| Slo {
        name: name.into(),
        services: vec!["*".into()],
        objective: Decimal(99_900_000),
        window_s: 30 * 86_400,
        indicator: Indicator { exclude: exclude.map(String::from), rule },
        tiers: Vec::new(),
        consumed_step: Decimal(0),
    };
    let latency = Rule::Latency { below_us: 200_000, of: LatencyOf::Upstream, failed: Failed::Bad };
    Settings {
        name: "bench".into(),
        slice: SliceLength(60),
        cut_s: 300,
        watermark_quorum: 16,
        history_after_s: 900,
        silent_after_s: 600,
        sources: Vec::new(),
        services: vec![ServiceRule {
            name: "{target_group}".into(),
            when: None,
            matches: Vec::new(),
            tier: None,
            owner: None,
            runbook_url: None,
        }],
        slos: vec![
            slo("availability", Some("client_gone"), Rule::Good("status < 500".into())),
            slo("latency", None, latency),
        ],
        limits: Limits::default(),
    }
}

/// Some 27 MB of lines of 32 services: more than the caches hold.
fn log() -> Vec<u8> {
    if let Ok(path) = std::env::var("NINETAIL_BENCH_LOG") {
        return std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {path}: {e}"));
    }
    // 40,000 lines in two minutes of event time
    let config = TrafficConfig { services: 32, interval_ns: 3_000_000, ..TrafficConfig::default() };
    let (mut traffic, mut line, mut log) = (Traffic::new(config), Vec::new(), Vec::new());
    for _ in 0..40_000 {
        traffic.next_line(&mut line);
        log.extend_from_slice(&line);
        log.push(b'\n');
    }
    log
}

/// Later than every line.
const CLOCK: Time = Time::from_seconds(4_102_444_800);

fn accumulator(classifier: &Arc<Classifier>) -> (Accumulator, Slot) {
    let settings = settings();
    let mut accumulator =
        Accumulator::new(settings.limits, settings.slice, settings.watermark_quorum, Labels::default());
    accumulator.configure(vec![(None, 1, classifier.clone())]);
    let partition = Partition { source: "alb".into(), topic: "logs".into(), number: 0 };
    let slot = accumulator.register(partition, &Format::AwsAlb.into(), 0).expect("a slot");
    (accumulator, slot)
}

fn parser() -> Parser {
    Parser::new(&Format::AwsAlb.into(), &Labels::default()).expect("a parser")
}

fn bench(c: &mut Criterion) {
    let log = log();
    let lines: Vec<&[u8]> = log.split_inclusive(|b| *b == b'\n').collect();
    let classifier =
        Arc::new(Classifier::compile(&settings(), &mut Labels::default()).expect("the rules compile"));
    let wanted = classifier.fields();
    let mut parsers: Vec<Parser> = lines.iter().map(|_| parser()).collect();
    let records: Vec<Record<'_>> = lines
        .iter()
        .zip(&mut parsers)
        .filter_map(|(line, parser)| {
            let mut record = Record::at(Time(0));
            let parsed = parser.parse(line.trim_ascii_end(), wanted, &mut record);
            (parsed == Ok(Parsed::Record)).then_some(record)
        })
        .collect();
    println!("{} lines, {} bytes, {} records", lines.len(), log.len(), records.len());

    let mut group = c.benchmark_group("ingest");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(log.len() as u64));
    group.bench_function("newline scan", |b| b.iter(|| memchr::memchr_iter(b'\n', black_box(&log)).count()));
    group.bench_function("decode", |b| {
        let mut parser = parser();
        b.iter(|| {
            for line in &lines {
                let mut record = Record::at(Time(0));
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                let _ = black_box(parser.parse(line, wanted, &mut record));
                black_box(&record);
            }
        });
    });
    group.bench_function("classify, accumulate", |b| {
        let (mut accumulator, slot) = accumulator(&classifier);
        b.iter(|| {
            for record in &records {
                accumulator.record(slot, record, CLOCK);
            }
            accumulator.flush(CLOCK)
        });
    });
    group.bench_function("decode, classify, accumulate", |b| {
        let (mut accumulator, slot) = accumulator(&classifier);
        b.iter(|| {
            for end in memchr::memchr_iter(b'\n', &log).scan(0, |start, end| {
                let line = *start..end;
                *start = end + 1;
                Some(line)
            }) {
                accumulator.line(slot, &log[end], CLOCK);
            }
            accumulator.flush(CLOCK)
        });
    });
    group.finish();

    let (mut accumulator, slot) = accumulator(&classifier);
    records.iter().for_each(|record| _ = accumulator.record(slot, record, CLOCK));
    let chunk = accumulator.flush(CLOCK);
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(chunk.cells.len() as u64));
    group.bench_function("merge cells", |b| {
        let mut sums: HashMap<_, Cell> = HashMap::new();
        for (epoch, slice, service, cell) in &chunk.cells {
            sums.insert((*epoch, *slice, *service), cell.clone());
        }
        b.iter_batched(
            || sums.clone(),
            |mut sums| {
                for (epoch, slice, service, cell) in &chunk.cells {
                    sums.entry((*epoch, *slice, *service)).or_default().merge(cell);
                }
                sums
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
