//! Freshness and counters of other systems against a recount of what was sent, while the process is killed again and
//! again; and the same counters from an archive.

use crate::fixture::oracle::{compare_events, consumed};
use crate::fixture::process::Process;
use crate::fixture::scenario::{PATIENCE, recent_lines};
use crate::fixture::tables::{Row, integer, query, rows, text};
use crate::fixture::{Options, Outcome, Scenario};
use ninetail::core::time::Time;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// By service, SLO and start of the minute: good, bad, excluded.
type Slis = BTreeMap<(String, String, i64), [i64; 3]>;

const SLIS: &str = "SELECT service, slo, epoch(slice_start)::BIGINT AS start, sum(good)::BIGINT AS good,
                    sum(bad)::BIGINT AS bad, sum(excluded)::BIGINT AS excluded
                    FROM {table} WHERE slo IN ('freshness', 'correctness') GROUP BY ALL";

fn slis(found: Vec<Row>) -> Outcome<Slis> {
    let one = |row: Row| {
        let key = (text(&row, "service")?, text(&row, "slo")?, integer(&row, "start")?);
        Ok((key, [integer(&row, "good")?, integer(&row, "bad")?, integer(&row, "excluded")?]))
    };
    found.into_iter().map(one).collect()
}

fn same(what: &str, expected: &Slis, found: &Slis) {
    for key in expected.keys().chain(found.keys()) {
        assert_eq!(expected.get(key), found.get(key), "{what}: {key:?} of {} cells", expected.len());
    }
}

/// The pipeline of the scenario with two more SLOs, and a source of counters.
fn extend(scenario: &Scenario, counts: &str) -> Outcome {
    let source = format!(
        "  - name: counters
    kafka: {{ brokers: \"{brokers}\", topics: [{counts}], group: {name} }}
    format: external
    lateness: 10m
slice:",
        brokers = scenario.client.bootstrap,
        name = scenario.name,
    );
    let slos = "  - name: freshness
    service: \"*\"
    objective: 99
    indicator: { freshness: { below: 5m } }
  - name: correctness
    service: \"*\"
    objective: 99.9
    indicator: { external: true }
alerts:";
    let text = std::fs::read_to_string(scenario.pipeline())?;
    let text = text.replacen("slice:", &source, 1).replacen("alerts:", slos, 1);
    // lines come up to ten minutes after the fact
    Ok(std::fs::write(scenario.pipeline(), text.replacen("lateness: 30s", "lateness: 12m", 1))?)
}

/// The service and the time of a line, by plain splitting.
fn service_and_time(line: &[u8]) -> (String, Time) {
    let line = std::str::from_utf8(line).expect("text");
    let pieces: Vec<&str> = line.split('"').collect();
    let group = pieces[4].split(' ').nth(3).unwrap_or("-");
    let service = group.rsplit('/').nth(1).unwrap_or("__unmatched__").to_string();
    (service, Time::parse(line.split(' ').nth(1).expect("a time")).expect("a time"))
}

fn minute(time: Time) -> i64 {
    time.seconds().div_euclid(60) * 60
}

pub(crate) fn freshness_and_counters() -> Outcome {
    let scenario = Scenario::new("indicators", Options { cut_s: 60, ..Options::default() })?;
    let counts = format!("{}-counts", scenario.name);
    scenario.client.create_topic(&counts, 2, &[])?;
    extend(&scenario, &counts)?;
    let mut expected = Slis::new();
    let mut truth = scenario.truth();

    // when Kafka took each line, milliseconds after its end: on both sides of the bound
    let delays_ms = [0, 1_500, 299_998, 300_001, 600_000];
    let mut lines = Vec::new();
    for (i, (partition, line)) in recent_lines(21, 8_000, 900, 4).into_iter().enumerate() {
        truth.add(&line);
        let (service, time) = service_and_time(&line);
        let arrival_ms = time.0.div_euclid(1000) + delays_ms[i % delays_ms.len()];
        if service != "__unmatched__" {
            let fresh = arrival_ms * 1000 - time.0 < 300_000_000;
            let cell = expected.entry((service, "freshness".into(), minute(time))).or_default();
            cell[usize::from(!fresh)] += 1;
        }
        lines.push((partition, arrival_ms, line));
    }
    let first = lines.iter().map(|(_, _, line)| service_and_time(line).1).min().ok_or("no line")?;
    let seen: Vec<String> = lines.iter().take(40).map(|(_, _, line)| service_and_time(line).0).collect();
    let mut counters = Vec::new();
    let mut refused: BTreeMap<&str, i64> = BTreeMap::new();
    for i in 0..2_000i64 {
        let time = first.plus_seconds(i * 7 % 900);
        let service = match i % 4 {
            0 => "ledger",
            _ => &seen[i as usize % seen.len()],
        };
        let (good, total) = (i % 90, 90 + i % 3);
        let mut message = json!({ "time": time.to_string(), "service": service, "slo": "correctness", "good": good, "total": total });
        let reason = match i % 50 {
            7 => Some(("total", json!(good - 1), if good == 0 { "bad_number" } else { "bad_counters" })),
            17 => Some(("good", json!(1.5), "bad_number")),
            27 => Some(("slo", json!("availability"), "unknown_slo")),
            37 => Some(("time", json!("yesterday"), "bad_time")),
            _ if service == "__unmatched__" => Some(("good", json!(good), "unknown_slo")),
            _ => None,
        };
        match reason {
            Some((member, value, reason)) => {
                message[member] = value;
                *refused.entry(reason).or_default() += 1;
            }
            None => {
                let cell = expected.entry((service.into(), "correctness".into(), minute(time))).or_default();
                (cell[0], cell[1]) = (cell[0] + good, cell[1] + total - good);
            }
        }
        counters.push(((i % 2) as i32, message.to_string().into_bytes()));
    }

    let mut process = scenario.run(&[], &[])?;
    for (lines, counters) in lines.chunks(1_600).zip(counters.chunks(400)) {
        scenario.client.produce_at(&scenario.topic, lines)?;
        scenario.client.produce(&counts, counters)?;
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        process.kill()?;
        process = scenario.run(&[], &[])?;
    }
    process.kill()?;
    scenario.drain()?;

    let of_both = slis(scenario.rows("sli", SLIS)?)?;
    assert!(expected.len() > 200 && expected.values().any(|v| v[0] > 0 && v[1] > 0));
    same("rows", &expected, &of_both);
    let requests = scenario.rows("requests", "SELECT sum(requests)::BIGINT AS n, count(*) FILTER (service = 'ledger')::BIGINT AS ledger FROM {table}")?;
    assert_eq!((integer(&requests[0], "n")?, integer(&requests[0], "ledger")?), (lines.len() as i64, 0));
    let quality = "SELECT sum(lines)::BIGINT AS lines, sum(records)::BIGINT AS records, sum(rejected)::BIGINT AS rejected
                   FROM {table} WHERE source = 'counters'";
    let quality = scenario.rows("quality", quality)?;
    let rejected: i64 = refused.values().sum();
    for (column, wanted) in [("lines", 2_000), ("records", 2_000 - rejected), ("rejected", rejected)] {
        assert_eq!(integer(&quality[0], column)?, wanted, "{column} of the counters");
    }
    let reasons =
        scenario.rows("rejects", "SELECT reason, sum(lines)::BIGINT AS lines FROM {table} GROUP BY ALL")?;
    let reasons: BTreeMap<String, i64> = reasons
        .iter()
        .map(|row| Ok((text(row, "reason")?, integer(row, "lines")?)))
        .collect::<Outcome<_>>()?;
    assert_eq!(reasons, refused.iter().map(|(reason, n)| (reason.to_string(), *n)).collect());
    // at least once, each under its own key
    let mut letters: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for read in scenario.client.read(&format!("{}-dead", scenario.name))? {
        let letter: Value = serde_json::from_slice(read.value.as_deref().unwrap_or(b"null"))?;
        let reason = letter["reason"].as_str().unwrap_or_default().to_string();
        letters.insert(read.key.unwrap_or_default(), reason);
    }
    let mut kept: BTreeMap<&str, i64> = BTreeMap::new();
    letters.values().for_each(|reason| *kept.entry(reason).or_default() += 1);
    assert_eq!(kept, refused, "dead letters");

    // budgets are consumed by what was counted, and no bad of it is said twice
    let events = scenario.events()?;
    compare_events(&events)?;
    let told = consumed(&events)?.get("ledger/correctness").copied().unwrap_or(0);
    let bad: i64 = expected.iter().filter(|(k, _)| k.0 == "ledger").map(|(_, v)| v[1]).sum();
    assert!(told > 0 && told <= bad, "{told} of {bad}");

    from_an_archive(&scenario, &counters, &expected)
}

/// The same counters from a file.
fn from_an_archive(scenario: &Scenario, counters: &[(i32, Vec<u8>)], expected: &Slis) -> Outcome {
    let (input, out) = (scenario.path("counters.jsonl"), scenario.path("out"));
    let text: Vec<u8> = counters.iter().flat_map(|(_, line)| [line, &b"\n"[..]].concat()).collect();
    std::fs::write(&input, text)?;
    let pipeline = scenario.pipeline();
    let mut arguments =
        vec![Path::new("backfill"), &pipeline, Path::new("--input"), &input, Path::new("--out"), &out];
    arguments.extend([Path::new("--source"), Path::new("counters")]);
    Process::start(arguments, &[], &scenario.path("log"))?.succeed(PATIENCE)?;
    let of_counters = expected.iter().filter(|(key, _)| key.1 == "correctness");
    let of_counters: Slis = of_counters.map(|(key, value)| (key.clone(), *value)).collect();
    same("archives", &of_counters, &slis(rows(&out.join("rollups"), "sli_1m", SLIS)?)?);
    let pattern = format!("{}/requests_1m/**/*.parquet", out.join("rollups").display());
    let requests = query(&format!("SELECT count(*)::BIGINT AS n FROM read_parquet('{pattern}')"));
    assert!(requests.is_err() || integer(&requests?[0], "n")? == 0, "counters are no requests");
    Ok(())
}
