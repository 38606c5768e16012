//! Reading JSON lines, by format and by how many fields are wanted, beside a bare newline scan of the same bytes and
//! beside serde_json reading the same members into a struct that borrows. One core; bytes and lines a second.

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use ninetail::core::format::{Parsed, Parser};
use ninetail::core::record::{Field, Fields, Labels, Record};
use ninetail::core::settings::Format;
use ninetail::core::time::Time;
use serde::Deserialize;
use std::borrow::Cow;
use std::hint::black_box;

const LINES: usize = 20_000;

/// Lines that differ where lines do: `@` becomes a number of six digits, `#` one of three.
fn log(template: &str) -> Vec<u8> {
    let (mut log, mut state) = (Vec::new(), 7u64);
    for _ in 0..LINES {
        for byte in template.bytes() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match byte {
                b'@' => log.extend_from_slice(format!("{:06}", (state >> 33) % 1_000_000).as_bytes()),
                b'#' => log.extend_from_slice((100 + (state >> 33) % 900).to_string().as_bytes()),
                byte => log.push(byte),
            }
        }
        log.push(b'\n');
    }
    log
}

const NGINX: &str = r##"{"time_iso8601":"2024-03-04T10:00:12+00:00","msec":"1709546412.#","remote_addr":"203.0.113.9","remote_user":"","request_method":"GET","request_uri":"/cart/@?id=@","server_protocol":"HTTP/1.1","status":"200","body_bytes_sent":"@","request_length":"#","request_time":"0.#","upstream_addr":"10.0.0.1:8080","upstream_status":"200","upstream_response_time":"0.#","http_host":"shop.example.com","http_referer":"https://shop.example.com/","http_user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36","http_x_forwarded_for":"203.0.113.9","request_id":"4f1c@4f1c@"}"##;
const ENVOY: &str = r##"{"start_time":"2024-03-04T10:00:12.#Z","method":"POST","x-envoy-origin-path":"/api/v1/@","protocol":"HTTP/2","response_code":204,"response_flags":"-","response_code_details":"via_upstream","connection_termination_details":null,"upstream_transport_failure_reason":null,"bytes_received":#,"bytes_sent":@,"duration":#,"x-envoy-upstream-service-time":"#","x-forwarded-for":"10.0.35.28","user-agent":"nsq2http","x-request-id":"cc21d9b0-cf5c-432b-8c7e-98aeb7@","authority":"locations","upstream_host":"10.0.2.1:80","upstream_cluster":"httproute/default/backend/rule/0","downstream_local_address":"10.0.2.9:10080","downstream_remote_address":"10.0.35.28:50718","route_name":"route"}"##;
const CADDY: &str = r##"{"level":"info","ts":1709546412.@,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"203.0.113.9","remote_port":"41342","client_ip":"203.0.113.9","proto":"HTTP/2.0","method":"GET","host":"example.com","uri":"/a/@","headers":{"User-Agent":["Mozilla/5.0 (X11; Linux x86_64)"],"Accept":["*/*"],"Accept-Encoding":["gzip, br"]},"tls":{"resumed":false,"version":772,"cipher_suite":4865,"proto":"h2","server_name":"example.com"}},"bytes_read":0,"user_id":"","duration":0.000@,"size":@,"status":200,"resp_headers":{"Server":["Caddy"],"Content-Type":["text/html; charset=utf-8"]}}"##;
const TRAEFIK: &str = r##"172.17.1.2 - - [24/Nov/2024:13:38:04 +0000] "GET /birthday/@ HTTP/2" 200 @ "-" "Mozilla/5.0 (X11; Linux x86_64)" @ "test@docker" "http://172.17.0.3:80" #ms"##;
const CLOUDFLARE: &str = r##"{"ClientIP":"203.0.113.9","ClientRequestHost":"www.example.com","ClientRequestMethod":"GET","ClientRequestURI":"/a/@?b=c","EdgeEndTimestamp":"2022-05-25T13:25:26Z","EdgeResponseBytes":@,"EdgeResponseStatus":200,"EdgeStartTimestamp":"2022-05-25T13:25:25Z","RayID":"710e98d9@","CacheCacheStatus":"dynamic","ClientCountry":"de","EdgeTimeToFirstByteMs":#,"OriginResponseDurationMs":#,"OriginResponseStatus":200,"ClientRequestUserAgent":"Mozilla/5.0 (X11; Linux x86_64)","ZoneName":"example.com","WorkerSubrequest":false}"##;

/// Reads every line; returns how many were records.
fn read(format: Format, log: &[u8], wanted: Fields) -> usize {
    let mut parser = Parser::new(&format.into(), &Labels::default()).expect("a parser");
    let (mut rest, mut records) = (log, 0);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let mut record = Record::at(Time::default());
        let parsed = parser.parse(&rest[..end], wanted, &mut record);
        records += usize::from(matches!(parsed, Ok(Parsed::Record)));
        black_box(&record);
        rest = &rest[end + 1..];
    }
    records
}

/// What is always filled and the path and host of an nginx line.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct NginxLine<'a> {
    #[serde(borrow)]
    msec: Cow<'a, str>,
    status: Cow<'a, str>,
    request_time: Cow<'a, str>,
    upstream_response_time: Cow<'a, str>,
    request_length: Cow<'a, str>,
    body_bytes_sent: Cow<'a, str>,
    request_uri: Cow<'a, str>,
    http_host: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct EnvoyLine<'a> {
    #[serde(borrow)]
    start_time: Cow<'a, str>,
    response_code: u16,
    duration: u64,
    #[serde(rename = "x-envoy-upstream-service-time")]
    upstream: Option<Cow<'a, str>>,
    bytes_received: u64,
    bytes_sent: u64,
    #[serde(rename = "x-envoy-origin-path")]
    path: Cow<'a, str>,
    authority: Cow<'a, str>,
}

fn typed<'a, T: Deserialize<'a>>(log: &'a [u8]) -> usize {
    let (mut rest, mut records) = (log, 0);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line: Result<T, _> = serde_json::from_slice(&rest[..end]);
        records += usize::from(black_box(&line).is_ok());
        rest = &rest[end + 1..];
    }
    records
}

fn compare(group: &mut BenchmarkGroup<'_, WallTime>, format: Format, log: &[u8]) {
    group.throughput(Throughput::BytesDecimal(log.len() as u64));
    group.bench_function("newline scan", |b| b.iter(|| memchr::memchr_iter(b'\n', black_box(log)).count()));
    let wanted = [
        ("numbers", Fields::NONE),
        ("host and path", Fields::of(&[Field::Host, Field::Path])),
        ("all", Fields::ALL),
    ];
    for (name, wanted) in wanted {
        assert_eq!(read(format, log, wanted), LINES);
        group.throughput(Throughput::BytesDecimal(log.len() as u64));
        group.bench_function(name, |b| b.iter(|| read(format, black_box(log), wanted)));
        group.throughput(Throughput::Elements(LINES as u64));
        group.bench_function(format!("{name}, lines"), |b| b.iter(|| read(format, black_box(log), wanted)));
    }
}

fn benches(c: &mut Criterion) {
    let formats = [
        ("nginx_json", Format::NginxJson, NGINX),
        ("json", Format::Json, NGINX),
        ("envoy_json", Format::EnvoyJson, ENVOY),
        ("caddy", Format::Caddy, CADDY),
        ("cloudflare", Format::Cloudflare, CLOUDFLARE),
        ("traefik text", Format::Traefik, TRAEFIK),
    ];
    for (name, format, template) in formats {
        let log = log(&template.replace("test@", "test\u{1}"));
        let log: Vec<u8> = log.into_iter().map(|byte| if byte == 1 { b'@' } else { byte }).collect();
        let mut group = c.benchmark_group(format!("formats/{name}"));
        compare(&mut group, format, &log);
        group.throughput(Throughput::BytesDecimal(log.len() as u64));
        match name {
            "nginx_json" => {
                assert_eq!(typed::<NginxLine<'_>>(&log), LINES);
                group.bench_function("serde_json, typed", |b| {
                    b.iter(|| typed::<NginxLine<'_>>(black_box(&log)))
                });
            }
            "envoy_json" => {
                assert_eq!(typed::<EnvoyLine<'_>>(&log), LINES);
                group.bench_function("serde_json, typed", |b| {
                    b.iter(|| typed::<EnvoyLine<'_>>(black_box(&log)))
                });
            }
            _ => {}
        }
        group.finish();
    }
}

criterion_group!(all, benches);
criterion_main!(all);
