//! How long a cut takes from rows to synced Parquet files, and an append to the journal.
//!
//! A cut of five minutes: so many services with a row for each minute in `requests_` and `sli_`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::decimal::Decimal;
use ninetail::core::entry::{Begin, Entry, Start};
use ninetail::core::histogram::Histogram;
use ninetail::core::position::Partition;
use ninetail::core::rollup::{Cut, RequestsRow, SliRow};
use ninetail::core::time::{SliceLength, Time};
use ninetail::edges::journal::{LocalJournal, StateLock};
use ninetail::edges::sink::Owner;
use ninetail::edges::sink::parquet::RollupSink;

const SLICES: i64 = 5;

fn cut(services: u64) -> Cut {
    let (mut requests, mut slis) = (Vec::new(), Vec::new());
    for service in 0..services {
        let name: std::sync::Arc<str> = format!("service-{service:05}").into();
        for slice in 0..SLICES {
            let slice_start = Time::from_seconds(1_530_570_000 + slice * 60);
            let mut latency = Histogram::default();
            (0..40).for_each(|n| latency.record(800 + (service * 97 + n * n * 331) % 90_000));
            requests.push(RequestsRow {
                service: name.clone(),
                dimensions: Box::default(),
                slice_start,
                revision: 0,
                requests: 40,
                statuses: [0, 0, 38, 0, 1, 1],
                client_gone: 0,
                bytes_received: 10_000 + service,
                bytes_sent: 400_000 + service * 7,
                client_latency: latency.clone(),
                upstream_latency: latency,
            });
            for slo in ["availability", "latency"] {
                slis.push(SliRow {
                    service: name.clone(),
                    slo: slo.into(),
                    group: None,
                    slice_start,
                    revision: 0,
                    generation: 1,
                    good: 39,
                    bad: 1,
                    excluded: 0,
                    objective: Decimal(99_950_000),
                    window_s: 2_592_000,
                });
            }
        }
    }
    Cut {
        number: 1,
        watermark: Time::from_seconds(1_530_570_300),
        slice: SliceLength(60),
        position: 1,
        dimensions: Vec::new(),
        requests,
        slis,
        quality: vec![],
        rejects: vec![],
        coarse: Vec::new(),
    }
}

fn cuts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cut");
    group.sample_size(10);
    for services in [32, 10_000] {
        let cut = cut(services);
        let owner = Owner {
            pipeline: "bench".into(),
            journal: "0123456789abcdef".into(),
            end: 1,
            takeover: None,
            published: None,
            incarnations: Vec::new(),
        };
        let rows = (cut.requests.len() + cut.slis.len()) as u64;
        group.throughput(Throughput::Elements(rows));
        group.bench_function(format!("{services} services"), |bencher| {
            let fresh = || {
                let dir = tempfile::tempdir().expect("a folder");
                let sink = RollupSink::open(dir.path(), &owner).expect("opens");
                (dir, sink)
            };
            bencher.iter_batched_ref(
                fresh,
                |(_, sink)| {
                    let written = sink.write(&cut).expect("writes");
                    assert_eq!((written.files, written.rows), (2, rows));
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn appends(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let lock = StateLock::acquire(dir.path()).expect("free");
    let begin = Begin { journal: "0123456789abcdef".into(), backfill: false, takeover: None };
    let mut journal = LocalJournal::open(&lock, Some(begin)).expect("begins");
    let entry = |partitions| {
        let start = |number| Start {
            partition: Partition { source: "alb".into(), topic: "alb-logs".into(), number },
            offset: i64::from(number) * 7919,
            had_data: true,
            topic_id: None,
        };
        Entry::Starts((0..partitions).map(start).collect())
    };
    let mut group = criterion.benchmark_group("journal");
    group.sample_size(20);
    for (name, partitions) in [("append 200 B", 10), ("append 400 KB, compressed", 20_000)] {
        let entry = [entry(partitions)];
        group.bench_function(name, |bencher| bencher.iter(|| journal.append(&entry).expect("appends")));
    }
    group.finish();
}

criterion_group!(benches, cuts, appends);
criterion_main!(benches);
