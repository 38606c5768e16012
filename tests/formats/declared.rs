//! The parsers of column and operator formats against slow ones, on the cases and on lines made worse; and
//! lines printed from values, which must read as these.

use super::mutation::Mutation;
use super::slow_text::outcome;
use super::{aws_slow, cases, common_log_slow, declared_slow, envoy_slow, parser, read, sorted, w3c_slow};
use ninetail::core::format::Parser;
use ninetail::core::record::Fields;
use ninetail::core::settings::{Format, Input, Layout};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;

/// Lines of the format's cases that are read by its usual layout, and by these.
fn seeds(format: Format) -> Vec<Vec<u8>> {
    let usual = cases(format).into_iter().filter(|case| case.input.layout == Layout::Usual);
    usual.flat_map(|case| case.lines).filter(|line| !line.starts_with(b"#")).collect()
}

fn agree(fast: &mut Parser, seeds: &[Vec<u8>], slow: impl Fn(&[u8]) -> Value) {
    let mut mutation = Mutation::seeded(11);
    for round in 0..8_000 {
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

/// The case's parser against a slow one, on its lines and these.
fn case_agrees(format: Format, name: &str, more: &[&str], slow: impl Fn(&[u8]) -> Value) {
    let case = cases(format).into_iter().find(|case| case.name == name).expect("a case");
    let more = more.iter().map(|line| line.as_bytes().to_vec());
    let seeds: Vec<Vec<u8>> = case.lines.into_iter().chain(more).collect();
    agree(&mut parser(&case.input), &seeds, slow);
}

/// A delimited line by its columns and their roles.
fn delimited(line: &[u8], separator: u8, columns: &[&str], needed: usize, table: &str) -> Value {
    if line.is_empty() {
        return outcome(Err("empty"));
    }
    let mut cells: Vec<&[u8]> = if line.contains(&b'"') {
        declared_slow::quoted(line, separator)
    } else {
        line.split(|b| *b == separator).collect()
    };
    if line[0] == b'#' || cells.len() > 1 && declared_slow::unquoted(cells[0]) == columns[0].as_bytes() {
        return outcome(Err("skipped"));
    }
    if cells.len() == 1 {
        return outcome(Err("not_this_format"));
    }
    if cells.len() < columns.len() {
        cells.pop();
        if cells.len() < needed {
            return outcome(Err("truncated"));
        }
    }
    let cell = |name: &str| cells.get(columns.iter().position(|column| *column == name)?).copied();
    outcome(declared_slow::record_of_quoted(table, cell))
}

#[test]
fn delimited_agrees_with_the_slow_parser() {
    let columns = ["time", "status", "client_latency_ms", "host", "path", "-", "bytes_sent"];
    let table = "
        time end time
        status status status
        client_latency_us dur:ms client_latency_ms
        host address host
        path url path
        bytes_sent int bytes_sent";
    case_agrees(
        Format::Delimited,
        "pipes",
        &["04/Mar/2024:10:00:12 +0100|101|1.5|[::1]:8|/\"a\"|y|0"],
        |line| delimited(line, b'|', &columns, 2, table),
    );
    let columns =
        ["date", "time", "upstream_latency_s", "upstream_status", "request", "status", "client_gone"];
    let table = "
        time day date
        time end time
        upstream_latency_us durs:s upstream_latency_s
        upstream_status code upstream_status
        method request request
        status status status
        client_gone bool client_gone";
    let more = ["2024-01-02\t03:04:05\t0.5\t000\t\"PUT http://h:1/a?b HTTP/2\"\t200\tTRUE"];
    case_agrees(Format::Delimited, "tabs_start_date_and_lists", &more, |line| {
        delimited(line, b'\t', &columns, 6, table)
    });
    let columns = ["began", "took", "took_long", "code"];
    let table = "
        request_creation start:epoch_ms began
        client_latency_us dur:ms took took_long
        status status code";
    case_agrees(Format::Delimited, "mapped_first_that_is_there", &["1704164645000.5,-1,2,0"], |line| {
        delimited(line, b',', &columns, 4, table)
    });
    let columns = ["done", "written", "status"];
    let table = "
        time end done written
        status status status";
    case_agrees(Format::Delimited, "mapped_first_time_that_is_there", &[], |line| {
        delimited(line, b';', &columns, 3, table)
    });
}

#[test]
fn regex_agrees_with_the_slow_parser() {
    // What the expressions say, by hand.
    let groups = |line: &[u8]| -> Option<Vec<Vec<u8>>> {
        let line = line.strip_prefix(b"[")?;
        let (time, line) = line.split_at(line.iter().position(|b| *b == b']')?);
        let line = line.strip_prefix(b"] ")?;
        let (instance, line) =
            line.split_at(line.iter().position(|b| b.is_ascii_whitespace() || *b == 0x0b)?);
        let line = line.strip_prefix(b" \"")?;
        let (request, line) = line.split_at(line.iter().position(|b| *b == b'"')?);
        let line = line.strip_prefix(b"\" ")?;
        let mut words = line.split(|b| *b == b' ');
        let (status, took) = (words.next()?, words.next());
        let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let is_number =
            |text: &[u8]| !text.is_empty() && text.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        let good = !time.is_empty() && !instance.is_empty() && digits(status) && took.is_none_or(is_number);
        let all = [time, instance, request, status, took.unwrap_or_default()].map(<[u8]>::to_vec);
        (good && words.next().is_none()).then_some(all.to_vec())
    };
    let table = "
        time end time
        instance text instance
        method request request
        status status status
        client_latency_us dur:s took";
    let more =
        ["[1653485126.5] a \"PUT https://h:8/x HTTP/2\" 000 12", "[2024-03-04 10:00:12] b \"-\" 101 1"];
    case_agrees(Format::Regex, "groups_are_fields", &more, |line| {
        let Some(found) = groups(line) else {
            return outcome(Err(if line.is_empty() { "empty" } else { "not_this_format" }));
        };
        let names = ["time", "instance", "request", "status", "took"];
        let cell = |name: &str| names.iter().position(|n| *n == name).map(|i| &found[i][..]);
        outcome(declared_slow::record(table, cell))
    });
}

/// A line of the W3C's format by its columns.
fn w3c(line: &[u8], columns: &[&str], table: &str) -> Value {
    if line.is_empty() || line[0] == b'#' {
        return outcome(Err("skipped"));
    }
    let separator = line.iter().copied().find(|b| matches!(b, b' ' | b'\t')).unwrap_or(b' ');
    let mut cells: Vec<&[u8]> = line.split(|b| *b == separator).collect();
    if cells.len() > columns.len() {
        cells = declared_slow::quoted(line, separator);
    }
    if cells.len() != columns.len() {
        return outcome(Err(if cells.len() > columns.len() { "not_this_format" } else { "truncated" }));
    }
    let cell = |name: &str| columns.iter().position(|column| *column == name).map(|i| cells[i]);
    outcome(declared_slow::record_of_quoted(table, cell))
}

#[test]
fn w3c_agrees_with_the_slow_parser() {
    let columns = [
        "date",
        "time",
        "c-ip",
        "cs-method",
        "cs-uri",
        "sc-status",
        "bytes",
        "time-taken",
        "cached",
        "cs-host",
        "rs-status",
        "cs(User-Agent)",
    ];
    let table = "
        time day date
        time clock time
        client text c-ip
        method text cs-method
        path url cs-uri
        status status sc-status
        bytes_sent int bytes
        client_latency_us dur:s time-taken
        cache_status text cached
        host address cs-host
        upstream_status code rs-status
        user_agent text cs(User-Agent)";
    let seeds: Vec<Vec<u8>> = [
        "2024-01-02 03:04:05 1.2.3.4 GET /a?b=c 304 77 1.5 1 - 200 -",
        "2024-01-02\t03:04:05.25\t1.2.3.4\tGET\t/a\t499\t-\t-\t-\t[::1]:80\t502, 200\t\"UA x\"",
        "2024-01-02 03:04:05  1.2.3.4 GET /a 101 77 0.25 1 h:1 0 \"UA \"\"x\"\" y\"",
        "2024-01-02 03:04:05 1.2.3.4 GET",
    ]
    .map(|line| line.as_bytes().to_vec())
    .into();
    let mut fast = parser(&Format::W3c.into());
    fast.restore(format!("#Fields: {}", columns.join(" ")).as_bytes());
    agree(&mut fast, &seeds, |line| w3c(line, &columns, table));
    let columns = ["timestamp", "sc-status", "time-taken", "x-site", "x-unused"];
    let table = "
        time end timestamp
        status status sc-status
        client_latency_us dur:ms time-taken
        zone text x-site";
    case_agrees(Format::W3c, "declared_and_mapped", &["2024-01-02T03:04:05Z 499 - - -"], |line| {
        w3c(line, &columns, table)
    });
}

#[test]
fn traefik_text_agrees_with_the_slow_parser() {
    let is_text = |line: &Vec<u8>| line.first() != Some(&b'{');
    let seeds: Vec<Vec<u8>> = seeds(Format::Traefik).into_iter().filter(is_text).collect();
    agree(&mut parser(&Format::Traefik.into()), &seeds, |line| match line {
        [b'{', ..] => read(&mut parser(&Format::Traefik.into()), line, Fields::ALL),
        _ => common_log_slow::traefik(line),
    });
}

#[test]
fn fastly_text_agrees_with_the_slow_parser() {
    let is_text = |line: &[u8]| {
        let line = line.trim_ascii();
        line.first() != Some(&b'{') && line.last() != Some(&b'}')
    };
    let seeds: Vec<Vec<u8>> = seeds(Format::Fastly).into_iter().filter(|line| is_text(line)).collect();
    agree(&mut parser(&Format::Fastly.into()), &seeds, |line| {
        if is_text(line) {
            return common_log_slow::fastly(line.trim_ascii());
        }
        read(&mut parser(&Format::Fastly.into()), line, Fields::ALL)
    });
}

/// An object of which, of members with the same key, the first counts.
struct FirstOfEqual(Map<String, Value>);

impl<'de> Deserialize<'de> for FirstOfEqual {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FirstOfEqual, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = FirstOfEqual;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<FirstOfEqual, A::Error> {
                let mut members = Map::new();
                while let Some((key, value)) = object.next_entry::<String, Value>()? {
                    members.entry(key).or_insert(value);
                }
                Ok(FirstOfEqual(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// CloudFront's JSON against all members of the object, as serde_json reads them.
#[test]
fn cloudfront_json_agrees_with_the_slow_parser() {
    let seeds: Vec<Vec<u8>> =
        seeds(Format::Cloudfront).into_iter().filter(|line| line.first() == Some(&b'{')).collect();
    let table = "
        time end:epoch_ms timestamp(ms)
        time end timestamp
        time day date
        time clock time
        status status sc-status
        client_latency_us dur:s time-taken
        upstream_latency_us durs:s origin-lbl
        upstream_header_us dur:s origin-fbl
        bytes_sent int sc-bytes
        method text cs-method
        host address x-host-header
        path url cs-uri-stem
        client text c-ip
        edge_location text x-edge-location
        zone text DistributionId
        country text c-country";
    let mut mutation = Mutation::seeded(17);
    let mut fast = parser(&Format::Cloudfront.into());
    let mut compared = 0;
    for round in 0..12_000 {
        let line = if round < seeds.len() { seeds[round].clone() } else { mutation.of(&seeds) };
        // What is no JSON is read as far as that helps.
        let Ok(FirstOfEqual(members)) = serde_json::from_slice(&line) else { continue };
        if line[0] != b'{' {
            continue;
        }
        let text = |name: &str| match members.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(n) => Some(n.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        };
        let texts: Vec<(String, String)> =
            members.keys().filter_map(|name| Some((name.clone(), text(name)?))).collect();
        let cell = |name: &str| Some(texts.iter().find(|(key, _)| key == name)?.1.as_bytes());
        let mut expected = outcome(declared_slow::record(table, cell));
        if expected.get("rejected").is_none() && expected.get("status").is_none() {
            expected["client_gone"] = true.into();
        }
        let found = read(&mut fast, &line, Fields::ALL);
        let place = String::from_utf8_lossy(&line).into_owned();
        for key in expected.as_object().into_iter().flat_map(|object| object.keys()) {
            assert_eq!(found.get(key), expected.get(key), "{key}: {place}");
        }
        compared += 1;
    }
    assert!(compared > 2000, "only {compared} were JSON");
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
