//! Decoding alone, by how many fields are wanted, beside a bare newline scan of the same bytes.
//!
//! `NINETAIL_BENCH_LOG` names a log to use in place of the made one.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use ninetail::core::format::Parsed;
use ninetail::core::record::{Field, Fields, Record};
use ninetail::core::time::Time;
use std::hint::black_box;

/// Decodes every line into one record, used again and again; returns how many were records.
fn decode(log: &[u8], wanted: Fields) -> u64 {
    let mut parser = support::parser();
    let mut records = 0;
    for line in support::lines(log) {
        let mut record = Record::at(Time::default());
        let parsed = parser.parse(line, wanted, &mut record);
        records += u64::from(matches!(parsed, Ok(Parsed::Record)));
        black_box(&record);
    }
    records
}

fn benches(c: &mut Criterion) {
    let log = support::log();
    let mut group = c.benchmark_group("decode/aws_alb");
    group.throughput(support::throughput(&log));
    group.bench_function("newline scan", |b| b.iter(|| support::newlines(black_box(&log))));
    let wanted = [
        ("numbers", Fields::NONE),
        ("target group", Fields::NONE.with(Field::TargetGroup)),
        ("host and path", [Field::TargetGroup, Field::Host, Field::Path].into_iter().collect()),
        ("everything", Fields::ALL),
    ];
    for (name, wanted) in wanted {
        group.bench_function(name, |b| b.iter(|| decode(black_box(&log), wanted)));
    }
    group.finish();
}

criterion_group!(decode_benches, benches);
criterion_main!(decode_benches);
