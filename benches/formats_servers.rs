//! Decoding lines of nginx, ingress-nginx, Apache and HAProxy, beside a bare newline scan of the same bytes.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::format::{Parsed, Parser};
use ninetail::core::record::{Field, Fields, Labels, Record};
use ninetail::core::settings::{Format, Input, Layout};
use ninetail::core::time::Time;
use std::fmt::Write;
use std::hint::black_box;

const COMBINED: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
const AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36";

/// Lines of 40 000 requests, 200 a second.
fn lines(line: impl Fn(&mut String, usize)) -> Vec<u8> {
    let mut log = String::new();
    for i in 0..40_000 {
        line(&mut log, i);
        log.push('\n');
    }
    log.into_bytes()
}

fn clock(i: usize) -> String {
    let second = i / 200;
    format!("04/Mar/2024:10:{:02}:{:02}", second / 60 % 60, second % 60)
}

fn combined(log: &mut String, i: usize) {
    let _ = write!(
        log,
        "203.0.{}.{} - - [{} +0000] \"GET /shop/item/{}?ref={} HTTP/1.1\" {} {} \"https://shop.example.com/cart\" \"{AGENT}\"",
        i % 113,
        i % 251,
        clock(i),
        i % 5000,
        i % 7,
        [200, 200, 200, 304, 404, 502][i % 6],
        i * 37 % 90_000,
    );
}

/// Decodes every line; returns how many were records.
fn decode(log: &[u8], input: &Input, wanted: Fields) -> usize {
    let mut parser = Parser::new(input, &Labels::default()).expect("a parser");
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
    let with_times = lines(|log, i| {
        combined(log, i);
        let _ = write!(log, " 0.{:03} 0.{:03}", i % 990 + 2, i % 990);
    });
    let ingress = lines(|log, i| {
        combined(log, i);
        let _ = write!(
            log,
            " {} 0.{:03} [shop-cart-80] [] 10.1.2.{}:8080 612 0.{:03} 200 3db73c6c673c4256ade033a6ce08c2ab",
            i % 900,
            i % 990 + 2,
            i % 9,
            i % 990
        );
    });
    let haproxy = lines(|log, i| {
        let _ = write!(
            log,
            "haproxy[14389]: 10.0.{}.{}:{} [{}.{:03}] http-in shop/srv{} 0/0/{}/{}/{} 200 {} - - ---- {}/{}/1/1/0 0/0 {{shop.example.com}} \
             \"GET /shop/item/{}?ref={} HTTP/1.1\"",
            i % 113,
            i % 251,
            i % 60_000 + 1024,
            clock(i),
            i % 1000,
            i % 9,
            i % 3,
            i % 300,
            i % 300 + 3,
            i * 37 % 90_000,
            i % 90,
            i % 80,
            i % 5000,
            i % 7
        );
    });
    let combined = lines(combined);
    let text = |format: Format, text: &str| Input { layout: Layout::Text(text.to_string()), ..format.into() };
    let declared = format!("{COMBINED} $request_time $upstream_response_time");
    let wanted: Fields = [Field::Host, Field::Path, Field::Upstream].into_iter().collect();
    for (name, log, input) in [
        ("nginx combined", &combined, Format::Nginx.into()),
        ("nginx with times", &with_times, Format::Nginx.into()),
        ("nginx declared", &with_times, text(Format::Nginx, &declared)),
        ("ingress_nginx", &ingress, Format::IngressNginx.into()),
        ("apache", &combined, Format::Apache.into()),
        ("haproxy", &haproxy, Format::Haproxy.into()),
    ] {
        let count = memchr::memchr_iter(b'\n', log).count();
        assert_eq!(decode(log, &input, Fields::ALL), count, "every line is a record");
        for (unit, throughput) in [
            ("bytes", Throughput::BytesDecimal(log.len() as u64)),
            ("lines", Throughput::Elements(count as u64)),
        ] {
            let mut group = c.benchmark_group(format!("{name}/{unit}"));
            group.throughput(throughput);
            group.bench_function("newline scan", |b| {
                b.iter(|| memchr::memchr_iter(b'\n', black_box(log)).count())
            });
            for (asked, fields) in
                [("numbers", Fields::NONE), ("host, path, upstream", wanted), ("everything", Fields::ALL)]
            {
                group.bench_function(asked, |b| b.iter(|| decode(black_box(log), &input, fields)));
            }
            group.finish();
        }
    }
}

criterion_group!(server_benches, benches);
criterion_main!(server_benches);
