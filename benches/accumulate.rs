//! Counting alone, and the whole of ingest (decode, classify, accumulate), beside a bare newline scan.
//!
//! `NINETAIL_BENCH_LOG` names a log to use in place of the made one.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use ninetail::core::envelope::Message;
use ninetail::core::format::{Parsed, Parser};
use ninetail::core::record::Record;
use ninetail::core::time::Time;
use std::hint::black_box;
use support::CLOCK;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn bench(c: &mut Criterion) {
    let log = support::log();
    let settings = support::settings(support::BY_TARGET_GROUP);
    let classifier = support::classifier(&settings);
    let wanted = classifier.fields();
    // Each record may borrow from its parser.
    let mut parsers: Vec<Parser> = support::lines(&log).map(|_| support::parser()).collect();
    let records: Vec<Record<'_>> = support::lines(&log)
        .zip(&mut parsers)
        .filter_map(|(line, parser)| {
            let mut record = Record::at(Time(0));
            let parsed = parser.parse(line, wanted, &mut record);
            (parsed == Ok(Parsed::Record)).then_some(record)
        })
        .collect();
    println!("{} lines, {} bytes, {} records", support::newlines(&log), log.len(), records.len());

    let mut group = c.benchmark_group("ingest");
    group.sample_size(20);
    group.throughput(support::throughput(&log));
    group.bench_function("newline scan", |b| b.iter(|| support::newlines(black_box(&log))));
    group.bench_function("decode", |b| {
        let mut parser = support::parser();
        b.iter(|| {
            for line in support::lines(&log) {
                let mut record = Record::at(Time(0));
                let _ = black_box(parser.parse(line, wanted, &mut record));
                black_box(&record);
            }
        });
    });
    group.bench_function("classify, accumulate", |b| {
        let (mut accumulator, slot) = support::accumulator(&settings, &classifier);
        b.iter(|| {
            for record in &records {
                accumulator.record(slot, record, CLOCK);
            }
            accumulator.flush(CLOCK)
        });
    });
    group.bench_function("decode, classify, accumulate", |b| {
        let (mut accumulator, slot) = support::accumulator(&settings, &classifier);
        b.iter(|| {
            for line in support::lines(&log) {
                accumulator.message(slot, &Message::line(line), CLOCK, &mut |_| {});
            }
            accumulator.flush(CLOCK)
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
