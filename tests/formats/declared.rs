//! The parsers of column and operator formats against slow ones, on the cases and on lines made worse; and
//! lines printed from values, which must read as these.

use super::mutation::Mutation;
use super::{aws_slow, cases, envoy_slow, parser, read, sorted, w3c_slow};
use ninetail::core::format::Parser;
use ninetail::core::record::Fields;
use ninetail::core::settings::{Format, Input, Layout};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Lines of the format's cases that are read by its usual layout, and by these.
fn seeds(format: Format) -> Vec<Vec<u8>> {
    let usual = cases(format).into_iter().filter(|case| case.input.layout == Layout::Usual);
    usual.flat_map(|case| case.lines).filter(|line| !line.starts_with(b"#")).collect()
}

fn agree(fast: &mut Parser, seeds: &[Vec<u8>], slow: impl Fn(&[u8]) -> Value) {
    let mut mutation = Mutation::seeded(11);
    for round in 0..12_000 {
        let line = if round < seeds.len() { seeds[round].clone() } else { mutation.of(seeds) };
        let place = String::from_utf8_lossy(&line);
        assert_eq!(sorted(&read(fast, &line, Fields::ALL)), sorted(&slow(&line)), "{place}");
    }
}

#[test]
fn aws_clb_agrees_with_the_slow_parser() {
    let slow = aws_slow::Clb::new();
    agree(&mut parser(&Format::AwsClb.into()), &seeds(Format::AwsClb), |line| slow.read(line));
}

#[test]
fn aws_nlb_tls_agrees_with_the_slow_parser() {
    agree(&mut parser(&Format::AwsNlbTls.into()), &seeds(Format::AwsNlbTls), aws_slow::nlb);
}

#[test]
fn cloudfront_agrees_with_the_slow_parser() {
    let mut seeds = seeds(Format::Cloudfront);
    seeds.retain(|line| line.first() != Some(&b'{'));
    let plain = |line: &[u8]| match line {
        // JSON lines have a test of their own.
        [b'{', ..] => read(&mut parser(&Format::Cloudfront.into()), line, Fields::ALL),
        _ => w3c_slow::cloudfront(line),
    };
    let mut fast = parser(&Format::Cloudfront.into());
    // A header that mutation makes would move the columns; lines are read as if none had come.
    let header = format!("#Fields: {}", w3c_slow::CLOUDFRONT.join(" "));
    fast.restore(header.as_bytes());
    agree(&mut parser(&Format::Cloudfront.into()), &seeds, plain);
    agree(&mut fast, &seeds, plain);
}

#[test]
fn iis_agrees_with_the_slow_parser() {
    let columns = w3c_slow::IIS.map(str::to_owned).to_vec();
    let input = Input { layout: Layout::Columns(columns), ..Format::Iis.into() };
    agree(&mut parser(&input), &seeds(Format::Iis), w3c_slow::iis);
}

#[test]
fn envoy_agrees_with_the_slow_parser() {
    let slow = envoy_slow::Slow::envoy();
    agree(&mut parser(&Format::Envoy.into()), &seeds(Format::Envoy), |line| slow.read(line));
}

#[test]
fn istio_agrees_with_the_slow_parser() {
    let slow = envoy_slow::Slow::istio();
    agree(&mut parser(&Format::Istio.into()), &seeds(Format::Istio), |line| slow.read(line));
}

/// What the record has of the fields expected.
fn some(format: Format, line: &str, expected: &Value) -> Value {
    let record = read(&mut parser(&format.into()), line.as_bytes(), Fields::ALL);
    let keys = expected.as_object().into_iter().flat_map(|object| object.keys());
    keys.map(|key| (key.clone(), record.get(key).cloned().unwrap_or(Value::Null))).collect()
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(
        second in 0..60u32,
        status in 100..1000u16,
        (received, sent, ms) in (any::<u32>(), any::<u64>(), 0..60_000u64),
        host in "[a-z]{1,9}\\.example",
        path in "/[!#-+.-~]{0,30}",
        agent in "[!#-~][ !#-~]{0,30}[!#-~]",
    ) {
        let path = path.replace('?', "_");
        let client = format!("192.0.2.{second}");
        let expected = json!({
            "status": status, "bytes_received": received, "bytes_sent": sent, "client_latency_us": ms * 1000,
            "host": host, "path": path, "method": "PUT", "user_agent": agent,
        });
        let s = format!("{}.{:03}", ms / 1000, ms % 1000);
        let clb = format!(
            "2024-03-04T10:00:{second:02}.5Z lb {client}:1 - {s} 0 0.000 {status} - {received} {sent} \
             \"PUT http://{host}:80{path} HTTP/1.1\" \"{}\" - -",
            agent.replace('\\', "/"),
        );
        let mut of_clb = expected.clone();
        of_clb["user_agent"] = agent.replace('\\', "/").into();
        if !path.contains('\\') {
            prop_assert_eq!(some(Format::AwsClb, &clb, &of_clb), of_clb);
        }
        let escaped: String = agent.bytes().map(|b| format!("%{b:02X}")).collect();
        let cloudfront = format!(
            "2024-03-04\t10:00:{second:02}\tX\t{sent}\t{client}\tPUT\td\t{path}\t{status}\t-\t{escaped}\t-\t-\tHit\tid\t{host}\t\
             https\t{received}\t{s}"
        );
        prop_assert_eq!(some(Format::Cloudfront, &cloudfront, &expected), expected.clone());
        let envoy = format!(
            "[2024-03-04T10:00:{second:02}.250Z] \"PUT {path} HTTP/2\" {status} - {received} {sent} {ms} - \"-\" \"{agent}\" \
             \"id\" \"{host}\" \"{client}:80\""
        );
        prop_assert_eq!(some(Format::Envoy, &envoy, &expected), expected.clone());
        let istio = format!(
            "[2024-03-04T10:00:{second:02}.250Z] \"PUT {path} HTTP/2\" {status} - via_upstream - \"-\" {received} {sent} {ms} - \"-\" \
             \"{agent}\" \"id\" \"{host}\" \"{client}:80\" outbound|80||x - - - - default"
        );
        prop_assert_eq!(some(Format::Istio, &istio, &expected), expected);
    }

    #[test]
    fn printed_columns_of_iis_read_back(
        second in 0..60u32,
        status in 100..1000u16,
        ms in any::<u32>(),
        path in "/[!#-*,-~]{0,30}",
        agent in "[!#-*,-~]{2,30}( [!#-*,-~]{1,9})?",
    ) {
        let columns = w3c_slow::IIS.map(str::to_owned).to_vec();
        let mut parser = parser(&Input { layout: Layout::Columns(columns), ..Format::Iis.into() });
        let agent_written = agent.replace(' ', "+");
        let line = format!(
            "2024-03-04 10:00:{second:02} 10.0.0.1 GET {path} - 443 - 192.0.2.1 {agent_written} - {status} 0 0 {ms}"
        );
        let record = read(&mut parser, line.as_bytes(), Fields::ALL);
        prop_assert_eq!(&record["status"], &json!(status));
        prop_assert_eq!(&record["client_latency_us"], &json!(u64::from(ms) * 1000));
        prop_assert_eq!(&record["path"], &json!(path));
        prop_assert_eq!(&record["user_agent"], &json!(agent));
    }
}
