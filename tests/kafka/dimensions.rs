//! Rows broken down by route and method, against a recount of the raw lines by plain splitting; the views over them;
//! duplicates that a shipper made.

use crate::fixture::archive::{backfill, ninetail};
use crate::fixture::scenario::recent_lines;
use crate::fixture::tables::{Row, integer, query};
use crate::fixture::{Lines, Options, Outcome, Scenario};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// By service, route, method and start of the minute: requests, 5xx, sum of the targets' latencies, microseconds.
type Cells = BTreeMap<(String, Option<String>, Option<String>, i64), [i64; 3]>;

/// The same routes by an own reading of the rule: numbers, UUIDs and hexadecimal ids of eight digits and more.
pub(crate) fn route(path: &str) -> String {
    let part = |part: &str| {
        let hex = part.len() >= 8 && part.chars().all(|c| c.is_ascii_hexdigit());
        let number = !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
        let is_id = number || hex && part.chars().any(|c| c.is_ascii_digit());
        if is_id { "{id}".to_string() } else { part.to_string() }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn recount(lines: &[(i32, Vec<u8>)]) -> Cells {
    let mut cells = Cells::new();
    for (_, line) in lines {
        let line = std::str::from_utf8(line).expect("text");
        let pieces: Vec<&str> = line.split('"').collect();
        let (head, request) = (pieces[0].split(' ').collect::<Vec<_>>(), pieces[1]);
        let group = pieces[4].split(' ').nth(3).unwrap_or("-");
        let service = group.rsplit('/').nth(1).unwrap_or("__unmatched__").to_string();
        let words: Vec<&str> = request.split(' ').collect();
        let (route, method) = match words[..] {
            [method, url, _] if url.contains("://") => {
                let path = url.splitn(4, '/').nth(3).map(|rest| format!("/{rest}")).unwrap_or_default();
                (Some(route(path.split('?').next().unwrap_or_default())), Some(method.to_string()))
            }
            _ => (None, None),
        };
        let second = ninetail::core::time::Time::parse(head[1]).expect("a time").seconds();
        let status: i64 = head[8].parse().expect("a status");
        let latency = match head[6] {
            "-1" => 0,
            _ if head[0].starts_with("ws") => 0,
            seconds => (seconds.parse::<f64>().expect("seconds") * 1e6).round() as i64,
        };
        let sums = cells.entry((service, route, method, second.div_euclid(60) * 60)).or_default();
        let values = [1, i64::from(status >= 500), latency];
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    cells
}

/// Some lines twice, as a shipper that had no answer sends them again.
fn with_repeats(lines: Lines) -> (Lines, i64) {
    let (mut sent, mut repeats) = (Lines::new(), 0);
    for (i, line) in lines.into_iter().enumerate() {
        if i % 50 == 0 {
            sent.push(line.clone());
            repeats += 1;
        }
        sent.push(line);
    }
    (sent, repeats)
}

const SUMS: &str = "sum(requests)::BIGINT AS requests, sum(status_5xx)::BIGINT AS errors,
                    sum(upstream_latency_sum_us)::BIGINT AS latency";

fn cells(rows: Vec<Row>) -> Outcome<Cells> {
    let mut cells = Cells::new();
    for row in rows {
        let text = |name: &str| row[name].as_str().map(str::to_string);
        let key =
            (text("service").ok_or("no service")?, text("route"), text("method"), integer(&row, "start")?);
        let sums = [integer(&row, "requests")?, integer(&row, "errors")?, integer(&row, "latency")?];
        assert!(cells.insert(key, sums).is_none(), "two rows of {row:?}");
    }
    Ok(cells)
}

fn same(what: &str, expected: &Cells, found: &Cells) {
    for key in expected.keys().chain(found.keys()) {
        assert_eq!(expected.get(key), found.get(key), "{what}: {key:?} of {} cells", expected.len());
    }
}

/// Every cell of the rows and of the views, over revisions; the same from archives.
pub(crate) fn rows_by_route_and_method() -> Outcome {
    let options = Options {
        cut_s: 60,
        dimensions: "route, method",
        duplicates: "estimate",
        more: "routes: ids\nlimits: { dimension_values_max: 1000, ingest_dimension_values_max: 2000 }\n"
            .into(),
        ..Options::default()
    };
    let scenario = Scenario::new("dimensions", options)?;
    let (lines, repeats) = with_repeats(recent_lines(11, 12_000, 900, 4));
    let mut truth = scenario.truth();
    for piece in lines.chunks(5_000) {
        scenario.client.produce(&scenario.topic, piece)?;
        piece.iter().for_each(|(_, line)| truth.add(line));
        scenario.drain()?;
        scenario.check(&truth)?;
    }
    let by = format!(
        "SELECT service, route, method, epoch(slice_start)::BIGINT AS start, {SUMS} FROM {{table}} GROUP BY ALL"
    );
    let expected = recount(&lines);
    assert!(
        expected.len() > 200 && expected.keys().any(|k| k.1.as_ref().is_some_and(|r| r.contains("{id}")))
    );
    same("rows", &expected, &cells(scenario.rows("requests", &by)?)?);
    let revised = scenario.rows("requests", "SELECT route FROM {table} WHERE revision > 0 LIMIT 1")?;
    assert!(!revised.is_empty(), "no correction: the test shows less than it says");
    let quality = "SELECT sum(duplicates_estimated)::BIGINT AS repeats, sum(dimensions_folded)::BIGINT AS folded FROM {table}";
    let quality = scenario.rows("quality", quality)?;
    assert_eq!((integer(&quality[0], "repeats")?, integer(&quality[0], "folded")?), (repeats, 0));

    let pipeline = scenario.pipeline();
    let pipeline = pipeline.to_str().ok_or("the folder's name is not UTF-8")?;
    let views = ninetail(&["generate", "sql", "duckdb", pipeline])?;
    let ask = |sql: &str| query(&format!("{views}\n{sql}"));
    same("views", &expected, &cells(ask(&by.replace("{table}", "requests_by_dimension"))?)?);
    let services = "SELECT count(*) = count(DISTINCT (service, slice_start)) AS once, sum(requests)::BIGINT AS requests FROM requests";
    let services = ask(services)?;
    assert_eq!(
        (&services[0]["once"], integer(&services[0], "requests")?),
        (&Value::Bool(true), lines.len() as i64)
    );
    // one combination in one slice: its percentiles lie within its smallest and largest
    let ordered = ask("SELECT sum(count)::BIGINT AS count, bool_and(min_us <= p50_us AND p50_us <= p95_us AND p95_us <= p99_us AND p99_us <= max_us) AS ordered
                       FROM request_percentiles_by_dimension WHERE latency = 'upstream'")?;
    let counted = ask("SELECT sum(upstream_latency_count)::BIGINT AS count FROM requests")?;
    assert_eq!(integer(&ordered[0], "count")?, integer(&counted[0], "count")?);
    assert_eq!(ordered[0]["ordered"], Value::Bool(true));
    let nulls = ask(
        "SELECT count(*)::BIGINT AS n FROM request_percentiles_by_dimension WHERE route IS NULL AND p99_us = 0 AND min_us > 0",
    )?;
    assert_eq!(integer(&nulls[0], "n")?, 0, "what has no route has its buckets too");

    let (input, out) = (scenario.path("input.log"), scenario.path("out"));
    let text: Vec<u8> = lines.iter().flat_map(|(_, line)| [line, &b"\n"[..]].concat()).collect();
    std::fs::write(&input, text)?;
    backfill(Path::new(pipeline), &input, &out, &scenario.path("log"))?;
    truth.compare_rows(&out.join("rollups"))?;
    same(
        "archives",
        &expected,
        &cells(crate::fixture::tables::rows(&out.join("rollups"), "requests_1m", &by)?)?,
    );
    Ok(())
}

/// Few combinations are kept apart: services are whole, and quality says how many requests were folded.
pub(crate) fn beyond_the_limit() -> Outcome {
    let options = Options {
        dimensions: "route, method",
        more: "routes: ids\nlimits: { dimension_values_max: 3 }\n".into(),
        ..Options::default()
    };
    let scenario = Scenario::new("folded", options)?;
    let lines = recent_lines(12, 6_000, 600, 4);
    scenario.client.produce(&scenario.topic, &lines)?;
    scenario.drain()?;
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    scenario.check_punctual(&truth)?;
    let kept = "SELECT max(n)::BIGINT AS n FROM (SELECT service, count(DISTINCT (route, method)) AS n FROM {table} GROUP BY service)";
    assert_eq!(integer(&scenario.rows("requests", kept)?[0], "n")?, 4);
    let folded =
        "SELECT sum(requests)::BIGINT AS n FROM {table} WHERE route = '__other__' AND method = '__other__'";
    let folded = integer(&scenario.rows("requests", folded)?[0], "n")?;
    let told = "SELECT sum(dimensions_folded)::BIGINT AS n FROM {table}";
    assert_eq!(integer(&scenario.rows("quality", told)?[0], "n")?, folded);
    assert!(folded > 0 && folded < lines.len() as i64, "{folded}");
    Ok(())
}
