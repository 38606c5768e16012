//! Archives with maintenance in them, read by DuckDB: rows keep every request, and budgets what a recount of the raw lines
//! leaves of them.

use crate::fixture::Outcome;
use crate::fixture::archive::Archive;
use crate::fixture::oracle::{compare_events, consumed};
use crate::fixture::tables::{integer, query, rows, text};
use ninetail::core::time::Time;
use ninetail::shell::traffic::TrafficConfig;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// In the night that the story lasts over, Berlin's clocks go forward: four o'clock is at 02:00 UTC, not at 03:00.
const PIPELINE: &str = "version: 1
name: maintained
sources: [{ name: alb, format: aws_alb }]
services: [{ name: '{target_group}' }]
slos:
  - name: availability
    service: '*'
    objective: 99.9
    window: 30d
    indicator: { good: status < 500, exclude: client_gone }
  - name: latency
    service: '*'
    objective: 99
    window: 30d
    indicator: { latency: { below: 200ms, of: upstream } }
exclusions:
  - name: move
    reason: the checkout moves
    services: checkout
    from: 2025-03-29T20:00Z
    to: 2025-03-29T22:30Z
  - name: nightly
    reason: databases are tidied up
    slos: availability
    rrule: FREQ=DAILY
    start: 2025-03-01T04:00
    duration: 1h
    time_zone: Europe/Berlin
sinks:
  rollups: { path: ./out/rollups, cut: 15m }
  events: { file: ./events.jsonl }
state: ./state
";

const LINES: usize = 40_000;
const HOURS: u64 = 30;

/// Whether what happened then does not count.
fn is_excluded(service: &str, slo: &str, start: i64) -> bool {
    let at = |text: &str| Time::parse(text).map_or(0, Time::seconds);
    let within = |from: &str, to: &str| (at(from)..at(to)).contains(&start);
    service == "checkout" && within("2025-03-29T20:00:00Z", "2025-03-29T22:30:00Z")
        || slo == "availability" && within("2025-03-30T02:00:00Z", "2025-03-30T03:00:00Z")
}

pub(crate) fn backfill_equals_a_recount() -> Outcome {
    let config = TrafficConfig {
        seed: 77,
        services: 4,
        start: Time::parse("2025-03-29T12:00:00Z").ok_or("no time")?,
        interval_ns: HOURS * 3_600_000_000_000 / LINES as u64,
        ..TrafficConfig::default()
    };
    let archive = Archive::backfilled(PIPELINE, config, LINES, |_| false)?;
    let (truth, rollups) = (&archive.truth, archive.path("out/rollups"));

    // rows keep what was excluded
    truth.compare_rows(&rollups)?;
    let sql =
        "SELECT service, slo, epoch(slice_start)::BIGINT AS start, sum(maintenance_good)::BIGINT AS good,
               sum(maintenance_bad)::BIGINT AS bad FROM {table} GROUP BY ALL";
    let (mut counted, mut excluded) = (BTreeMap::<(String, String), (i64, i64)>::new(), 0);
    let verdicts = truth.verdicts();
    let mut seen = 0;
    for row in rows(&rollups, "sli_1m", sql)? {
        let key = (text(&row, "service")?, text(&row, "slo")?, integer(&row, "start")?);
        let (good, bad) = verdicts[&key];
        let out = is_excluded(&key.0, &key.1, key.2);
        let want = if out { (good, bad) } else { (0, 0) };
        assert_eq!((integer(&row, "good")?, integer(&row, "bad")?), want, "{key:?}");
        let sum = counted.entry((key.0, key.1)).or_default();
        *sum = if out { *sum } else { (sum.0 + good, sum.1 + bad) };
        excluded += if out { good + bad } else { 0 };
        seen += 1;
    }
    assert_eq!(seen, verdicts.len());
    assert!(excluded > 500, "only {excluded} requests are excluded: the test shows little");

    // budgets do not see it
    let files = format!("{}/budget_1h/date=*/*.parquet", rollups.display());
    let last = query(&format!(
        "SELECT service, slo, good, bad FROM read_parquet('{files}', hive_partitioning = false)
         QUALIFY row_number() OVER (PARTITION BY service, slo ORDER BY until DESC) = 1"
    ))?;
    let mut budgets = BTreeMap::new();
    for row in &last {
        let key = (text(row, "service")?, text(row, "slo")?);
        budgets.insert(key, (integer(row, "good")?, integer(row, "bad")?));
    }
    assert_eq!(budgets, counted);
    let lines = fs::read_to_string(archive.path("out/events.jsonl"))?;
    let events: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    compare_events(&events)?;
    let bad = counted.into_iter().filter(|(_, (_, bad))| *bad > 0);
    let bad: BTreeMap<String, i64> =
        bad.map(|((service, slo), (_, bad))| (format!("{service}/{slo}"), bad)).collect();
    assert_eq!(consumed(&events)?, bad);
    Ok(())
}
