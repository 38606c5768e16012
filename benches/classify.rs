//! How long naming a service and deciding its SLOs takes, per record (Mrecords/s on one core).
//!
//! One record is refilled for every line, as ingest does (`fill only` is that alone). The rules are the shapes
//! that pipelines have: one template, hosts with paths and captures, two hundred named hosts.

mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::predicate::Predicate;
use ninetail::core::record::{Field, Labels, Record, Value};
use ninetail::core::service::ServiceResolver;
use ninetail::core::time::Time;
use std::hint::black_box;

/// A deterministic stream of numbers (splitmix64).
fn numbers(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }
}

struct Texts {
    hosts: Vec<String>,
    groups: Vec<String>,
    paths: Vec<String>,
}

fn texts() -> Texts {
    Texts {
        hosts: (0..40).map(|i| format!("host-{i}.example.com")).collect(),
        groups: (0..32).map(|i| format!("prod-service-{i}-tg")).collect(),
        paths: (0..500).map(|i| format!("/{}/v1/items/{i}", ["cart", "team", "u1", "api"][i % 4])).collect(),
    }
}

/// What one line says; a record is filled from it, as ingest reuses one record for all lines.
struct Line<'a> {
    status: u16,
    upstream_latency_us: u64,
    client_gone: bool,
    host: &'a [u8],
    group: &'a [u8],
    path: &'a [u8],
}

impl<'a> Line<'a> {
    #[inline]
    fn fill(&self, record: &mut Record<'a>) {
        record.status = Some(self.status);
        record.upstream_latency_us = Some(self.upstream_latency_us);
        record.client_gone = self.client_gone;
        record.set(Field::Host, Value::Text(self.host));
        record.set(Field::TargetGroup, Value::Text(self.group));
        record.set(Field::Path, Value::Text(self.path));
        record.set(Field::Method, Value::Text(b"GET"));
    }
}

fn lines(texts: &Texts) -> Vec<Line<'_>> {
    let mut number = numbers(7);
    let mut pick = |of: u64| number(of) as usize;
    (0..4096)
        .map(|_| [40, 500, 100, 4, 210_000, 100].map(&mut pick))
        .map(|[host, path, failed, status, latency_us, gone]| Line {
            status: if failed == 0 { 502 } else { [200, 200, 304, 404][status] },
            upstream_latency_us: latency_us as u64,
            client_gone: gone == 0,
            host: texts.hosts[host].as_bytes(),
            group: texts.groups[host % 32].as_bytes(),
            path: texts.paths[path].as_bytes(),
        })
        .collect()
}

/// Runs over all lines with one record; what `each` returns is added up.
fn over<'a>(lines: &[Line<'a>], mut each: impl FnMut(&Record<'a>) -> u64) -> u64 {
    let mut record = Record::at(Time::from_seconds(1_700_000_000));
    let mut sum = 0;
    for line in lines {
        line.fill(&mut record);
        sum += each(black_box(&record));
    }
    sum
}

fn classify(c: &mut Criterion) {
    let texts = texts();
    let lines = lines(&texts);
    let checkout = r#"{ name: checkout, when: 'host == "host-1.example.com" && path.startsWith("/cart")' }"#;
    let team = "{ name: 'team-{team}', match: { path: '^/(?<team>[a-z]+)/' } }";
    let group = "{ name: '{target_group}' }";
    let named = |i| format!(r#"{{ name: s{i}, when: 'host == "host-{i}.example.com"' }}"#);
    let rules = [
        ("template", support::BY_TARGET_GROUP.to_owned()),
        ("host_path_template", format!("[{checkout}, {group}]")),
        ("captures", format!("[{checkout}, {team}, {group}]")),
        ("200_named_hosts", format!("[{}]", (0..200).map(named).collect::<Vec<_>>().join(", "))),
    ];
    let mut group = c.benchmark_group("classify");
    group.throughput(Throughput::Elements(lines.len() as u64));
    for (name, rules) in rules {
        let classifier = support::classifier(&support::settings(&rules));
        let mut resolver = ServiceResolver::new(&classifier);
        group.bench_function(format!("{name}/name"), |b| {
            b.iter(|| over(&lines, |record| u64::from(resolver.resolve(record).0)));
        });
        group.bench_function(format!("{name}/name+2slos"), |b| {
            b.iter(|| {
                over(&lines, |record| {
                    let id = resolver.resolve(record);
                    let slos = &resolver.service(id).slos;
                    slos.iter().map(|slo| resolver.verdict(*slo, record) as u64).sum()
                })
            });
        });
    }
    group.bench_function("fill only", |b| b.iter(|| over(&lines, |_| 1)));
    group.finish();

    let mut group = c.benchmark_group("predicate");
    group.throughput(Throughput::Elements(lines.len() as u64));
    for text in [
        "status < 500",
        "status < 500 && !client_gone",
        "upstream_latency < duration(\"200ms\")",
        "host == \"host-1.example.com\" && path.startsWith(\"/cart\")",
        "method in [\"GET\", \"HEAD\"]",
        "path.contains(\"/items/\")",
        "path.matches(\"^/api/v[0-9]+/\")",
    ] {
        let predicate = Predicate::compile(text, &mut Labels::default()).expect("compiles");
        group.bench_function(text, |b| {
            b.iter(|| over(&lines, |record| u64::from(predicate.holds(record))));
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("compile", |b| {
        b.iter_batched(
            || "host == \"a\" && path.startsWith(\"/cart\")",
            |text| Predicate::compile(text, &mut Labels::default()).is_ok(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, classify);
criterion_main!(benches);
