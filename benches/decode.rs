//! Decoding alone, by how many fields are wanted, beside a bare newline scan of the same bytes.
//!
//! `NINETAIL_BENCH_LOG` names a log to use in place of the made one.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::format::{Parsed, Parser};
use ninetail::core::record::{Field, Fields, Labels, Record};
use ninetail::core::settings::Format;
use ninetail::core::time::Time;
use ninetail::shell::traffic::{Traffic, TrafficConfig};
use std::hint::black_box;

fn log() -> Vec<u8> {
    if let Ok(path) = std::env::var("NINETAIL_BENCH_LOG") {
        return std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {path}: {e}"));
    }
    let config = TrafficConfig { services: 32, interval_ns: 3_000_000, ..TrafficConfig::default() };
    let (mut traffic, mut line, mut log) = (Traffic::new(config), Vec::new(), Vec::new());
    for _ in 0..40_000 {
        traffic.next_line(&mut line);
        log.extend_from_slice(&line);
        log.push(b'\n');
    }
    log
}

/// Decodes every line; returns how many were records.
fn decode(log: &[u8], wanted: Fields) -> usize {
    let mut parser = Parser::new(&Format::AwsAlb.into(), &Labels::default()).expect("a parser");
    let mut rest = log;
    let mut records = 0;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let mut record = Record::at(Time::default());
        let parsed = parser.parse(&rest[..end], wanted, &mut record);
        records += usize::from(matches!(parsed, Ok(Parsed::Record)));
        black_box(&record);
        rest = &rest[end + 1..];
    }
    records
}

fn benches(c: &mut Criterion) {
    let log = log();
    let lines = memchr::memchr_iter(b'\n', &log).count();
    let mut group = c.benchmark_group("decode/aws_alb");
    group.throughput(Throughput::BytesDecimal(log.len() as u64));
    group.bench_function("newline scan", |b| b.iter(|| memchr::memchr_iter(b'\n', black_box(&log)).count()));
    let wanted = [
        ("numbers", Fields::NONE),
        ("target group", Fields::NONE.with(Field::TargetGroup)),
        ("host and path", [Field::TargetGroup, Field::Host, Field::Path].into_iter().collect()),
        ("everything", Fields::ALL),
    ];
    for (name, wanted) in wanted {
        assert_eq!(decode(&log, wanted), lines, "every line is a record");
        group.bench_function(name, |b| b.iter(|| decode(black_box(&log), wanted)));
    }
    group.finish();
}

criterion_group!(decode_benches, benches);
criterion_main!(decode_benches);
