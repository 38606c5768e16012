//! Formats of columns and operators: bytes and lines per second, beside a newline scan of the same bytes, and
//! JSON beside a typed, borrowing read of the same fields by serde_json.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ninetail::core::format::{Parsed, Parser, preset};
use ninetail::core::record::{Field, Fields, Labels, Record};
use ninetail::core::settings::{Format, Input, Layout};
use ninetail::core::time::Time;
use serde::Deserialize;
use std::borrow::Cow;
use std::hint::black_box;

/// Lines like this one; `@` is a number that changes.
fn log(line: &str) -> Vec<u8> {
    (0..20_000).flat_map(|i| (line.replace('@', &(100 + i % 900).to_string()) + "\n").into_bytes()).collect()
}

const WANTED: Fields = Fields::of(&[Field::Host, Field::Path, Field::Upstream, Field::LoadBalancer]);

/// Decodes every line; returns how many were records.
fn decode(input: &Input, log: &[u8]) -> usize {
    let mut parser = Parser::new(input, &Labels::default()).expect("a parser");
    let (mut rest, mut records) = (log, 0);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let mut record = Record::at(Time::default());
        records += usize::from(matches!(parser.parse(&rest[..end], WANTED, &mut record), Ok(Parsed::Record)));
        black_box(&record);
        rest = &rest[end + 1..];
    }
    records
}

/// The same fields of a CloudFront JSON line.
#[derive(Deserialize)]
struct Typed<'a> {
    date: &'a str,
    time: &'a str,
    #[serde(rename = "sc-status")]
    status: &'a str,
    #[serde(rename = "time-taken")]
    time_taken: &'a str,
    #[serde(rename = "sc-bytes")]
    sent: &'a str,
    #[serde(rename = "cs-bytes")]
    received: &'a str,
    #[serde(rename = "x-host-header", borrow)]
    host: Cow<'a, str>,
    #[serde(rename = "cs-uri-stem", borrow)]
    path: Cow<'a, str>,
    #[serde(rename = "cs-protocol")]
    protocol: &'a str,
    #[serde(rename = "x-edge-result-type")]
    result: &'a str,
}

fn typed(log: &[u8]) -> usize {
    let lines = log.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let read = lines.filter_map(|line| serde_json::from_slice::<Typed<'_>>(line).ok());
    read.inspect(|t| {
        let texts = (t.date, t.time, &*t.host, &*t.path, t.protocol, t.result);
        let numbers = [t.status, t.sent, t.received].map(|n| n.parse::<u64>().ok());
        black_box((texts, numbers, t.time_taken.parse::<f64>().ok()));
    })
    .count()
}

const CLB: &str = "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000@ 0.@ 0.000057 200 200 0 @ \
                   \"GET http://www.example.com:80/shop/cart?id=@ HTTP/1.1\" \"Mozilla/5.0 (X11; Linux x86_64)\" - -";
const NLB: &str = "tls 2.0 2020-04-01T08:51:42 net/my-network-loadbalancer/c6e77e28c25b2234 g3d4b5e8bb8464cd 72.21.218.154:51341 \
                   172.100.100.185:443 @ 2 98 @ - arn:aws:acm:us-east-2:671290407336:certificate/2a108f19 - \
                   ECDHE-RSA-AES128-SHA tlsv12 - my-network-loadbalancer.elb.us-east-2.amazonaws.com h2 h2 \"h2\",\"http/1.1\" \
                   2020-04-01T08:51:20";
const CLOUDFRONT: &str = "2019-12-04\t21:02:31\tLAX1\t@\t192.0.2.7\tGET\td111111abcdef8.cloudfront.net\t/shop/@\t200\t-\t\
                          Mozilla/5.0%20(X11;%20Linux%20x86_64)\t-\t-\tHit\tSOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==\t\
                          www.example.com\thttps\t23\t0.@\t-\tTLSv1.2\tECDHE-RSA-AES128-GCM-SHA256\tHit\tHTTP/2.0\t-\t-\t11040\t\
                          0.001\tHit\ttext/html\t78\t-\t-";
const CLOUDFRONT_JSON: &str = r#"{"date":"2019-12-04","time":"21:02:31","x-edge-location":"LAX1","sc-bytes":"@","c-ip":"192.0.2.7","cs-method":"GET","cs(Host)":"d111111abcdef8.cloudfront.net","cs-uri-stem":"/shop/@","sc-status":"200","cs(Referer)":"-","cs(User-Agent)":"Mozilla/5.0%20(X11;%20Linux%20x86_64)","x-edge-result-type":"Hit","x-host-header":"www.example.com","cs-protocol":"https","cs-bytes":"23","time-taken":"0.@"}"#;
const IIS: &str = "2024-01-02 03:04:05 10.0.0.1 GET /shop/cart id=@ 443 - 192.0.2.7 Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64) \
                   https://shop.example.com/ 200 0 0 @";
const DELIMITED: &str =
    "2024-01-02T03:04:05.123456Z|200|@|www.example.com|/shop/cart?id=@|192.0.2.7|Mozilla/5.0 (X11; Linux)|@";
const REGEX: &str = "[10/Oct/2000:13:55:36 -0700] web1 \"GET /shop/cart?id=@ HTTP/1.1\" 200 0.@";
const ENVOY: &str = "[2016-04-15T20:17:00.310Z] \"POST /api/v1/locations HTTP/2\" 204 - 154 @ @ 100 \"10.0.35.28\" \
                     \"Mozilla/5.0 (X11; Linux x86_64)\" \"cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2\" \"locations\" \"10.0.2.1:80\"";
const ISTIO: &str = "[2022-09-01T13:08:55.358Z] \"GET /productpage HTTP/1.1\" 200 - via_upstream - \"-\" 0 @ @ 22 \"10.128.0.60\" \
                     \"Mozilla/5.0 (X11; Linux x86_64)\" \"2dc64af2-bd13-9962-819e-0b72064e7909\" \"shop.example.com\" \
                     \"10.124.1.6:9080\" outbound|9080||reviews.default.svc.cluster.local 127.0.0.6:38601 10.124.1.6:9080 \
                     10.128.0.60:0 - default";

fn inputs() -> Vec<(&'static str, Input, &'static str)> {
    let columns = |text: &str| Layout::Columns(text.split(' ').map(str::to_owned).collect());
    let mapped = |pattern: Option<&str>, separator: Option<&str>, columns: &str| Layout::Mapped {
        pattern: pattern.map(str::to_owned),
        separator: separator.map(str::to_owned),
        columns: columns.split_ascii_whitespace().map(str::to_owned).collect(),
        fields: Vec::new(),
    };
    let iis = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) \
               sc-status sc-substatus sc-win32-status time-taken";
    let delimited = "time status client_latency_ms host path client user_agent bytes_sent";
    let regex = r#"^\[(?<time>[^\]]+)\] (?<instance>\S+) "(?<request>[^"]*)" (?<status>\d+) (?<client_latency_s>[\d.]+)$"#;
    let usual = Layout::Usual;
    [
        (Format::AwsClb, usual.clone(), CLB),
        (Format::AwsNlbTls, usual.clone(), NLB),
        (Format::Cloudfront, usual.clone(), CLOUDFRONT),
        (Format::Iis, columns(iis), IIS),
        (Format::W3c, columns(iis), IIS),
        (Format::Delimited, mapped(None, Some("|"), delimited), DELIMITED),
        (Format::Regex, mapped(Some(regex), None, ""), REGEX),
        (Format::Envoy, usual.clone(), ENVOY),
        (Format::Istio, usual.clone(), ISTIO),
    ]
    .map(|(format, layout, line)| (preset(format).name, Input { layout, ..format.into() }, line))
    .into()
}

fn benches(c: &mut Criterion) {
    for (name, input, line) in inputs() {
        let log = log(line);
        let lines = memchr::memchr_iter(b'\n', &log).count();
        let mut group = c.benchmark_group(format!("formats/{name}"));
        assert_eq!(decode(&input, &log), lines, "{name}: every line is a record");
        group.throughput(Throughput::BytesDecimal(log.len() as u64));
        group.bench_function("newline scan", |b| {
            b.iter(|| memchr::memchr_iter(b'\n', black_box(&log)).count())
        });
        group.bench_function("bytes", |b| b.iter(|| decode(&input, black_box(&log))));
        group.throughput(Throughput::Elements(lines as u64));
        group.bench_function("lines", |b| b.iter(|| decode(&input, black_box(&log))));
        group.finish();
    }
    let log = log(CLOUDFRONT_JSON);
    let input = Input::from(Format::Cloudfront);
    let mut group = c.benchmark_group("formats/cloudfront json");
    group.throughput(Throughput::BytesDecimal(log.len() as u64));
    assert_eq!(decode(&input, &log), typed(&log));
    group
        .bench_function(BenchmarkId::from_parameter("bytes"), |b| b.iter(|| decode(&input, black_box(&log))));
    group.bench_function(BenchmarkId::from_parameter("serde_json, typed"), |b| {
        b.iter(|| typed(black_box(&log)))
    });
    group.finish();
}

criterion_group!(formats, benches);
criterion_main!(formats);
