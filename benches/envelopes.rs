//! From messages to records, by what lines come wrapped in, beside a newline scan of the same bytes. A bare line shows what
//! looking for an envelope costs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::envelope::Message;
use ninetail::core::format::Parsed;
use ninetail::core::reader::Reader;
use ninetail::core::record::{Fields, Labels};
use ninetail::core::settings::{Envelope, Format, Input};
use ninetail::shell::traffic::{Traffic, TrafficConfig};
use std::hint::black_box;

fn lines() -> Vec<String> {
    let config = TrafficConfig { services: 32, interval_ns: 3_000_000, ..TrafficConfig::default() };
    let (mut traffic, mut line) = (Traffic::new(config), Vec::new());
    let mut next = || {
        traffic.next_line(&mut line);
        String::from_utf8_lossy(&line).into_owned()
    };
    (0..10_000).map(|_| next()).collect()
}

fn filebeat(line: &str) -> String {
    serde_json::json!({
        "@timestamp": "2020-12-03T11:41:57.000Z",
        "@metadata": { "beat": "filebeat", "type": "_doc", "version": "8.15.0" },
        "message": line,
        "log": { "offset": 0, "file": { "path": "/var/log/access.log" } },
        "input": { "type": "filestream" },
        "host": { "name": "web-1" },
        "agent": { "type": "filebeat", "version": "8.15.0" },
    })
    .to_string()
}

fn cri(line: &str) -> String {
    format!("2025-12-31T17:37:40.493035218+01:00 stdout F {line}")
}

fn records(reader: &mut Reader, messages: &[String]) -> usize {
    let mut records = 0;
    for message in messages {
        reader.read(&Message::of(message.as_bytes()), Fields::NONE, &mut |line| {
            records += usize::from(line.read == Ok(Parsed::Record));
            black_box(line.record);
        });
    }
    records
}

fn benches(c: &mut Criterion) {
    let lines = lines();
    let batches: Vec<String> = lines.chunks(20).map(|batch| batch.join("\n")).collect();
    let of = |wrap: &dyn Fn(&str) -> String| lines.iter().map(|line| wrap(line)).collect::<Vec<_>>();
    let cases = [
        ("bare, none", Envelope::None, lines.clone()),
        ("bare, auto", Envelope::Auto, lines.clone()),
        ("lines", Envelope::Auto, batches),
        ("cri", Envelope::Auto, of(&cri)),
        ("filebeat", Envelope::Auto, of(&filebeat)),
        ("filebeat(cri)", Envelope::Auto, of(&|line| filebeat(&cri(line)))),
    ];
    for (name, envelope, messages) in cases {
        let mut group = c.benchmark_group(format!("envelope/{name}"));
        let bytes: usize = messages.iter().map(String::len).sum();
        group.throughput(Throughput::BytesDecimal(bytes as u64));
        let input = Input { envelope, ..Format::AwsAlb.into() };
        let mut reader = Reader::new(&input, "logs", &Labels::default(), 1 << 20).expect("a reader");
        assert_eq!(records(&mut reader, &messages), lines.len(), "every line is a record");
        group.bench_function("newline scan", |b| {
            b.iter(|| {
                messages.iter().map(|m| memchr::memchr_iter(b'\n', m.as_bytes()).count()).sum::<usize>()
            });
        });
        group.bench_function("read", |b| b.iter(|| records(&mut reader, black_box(&messages))));
        group.finish();
    }
}

criterion_group!(all, benches);
criterion_main!(all);
