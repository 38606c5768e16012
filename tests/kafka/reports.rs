//! `report` and the SQL views against each other and the truth: three ways to the same numbers.

use crate::fixture::Outcome;
use crate::fixture::archive::{Archive, ninetail};
use crate::fixture::tables::{Row, integer, query, text};
use ninetail::shell::traffic::TrafficConfig;
use serde_json::Value;
use std::fs;

/// A window in the middle of the archive, so that the report's range and the SLO's differ.
const PIPELINE: &str = "version: 1
name: reports
sources: [{ name: alb, format: aws_alb }]
services: [{ name: '{target_group}' }]
slos:
  - name: availability
    service: '*'
    objective: 99.9
    window: 30m
    indicator: { good: status < 500, exclude: client_gone }
  - name: latency
    service: '*'
    objective: 99
    window: 30d
    indicator: { latency: { below: 200ms, of: upstream } }
sinks:
  rollups: { path: ./out/rollups, cut: 5m }
state: ./state
";

/// `report --output json`, `csv` and `table`, and `generate sql duckdb`, over one backfill.
pub(crate) fn agree_with_sql_and_the_truth() -> Outcome {
    let config =
        TrafficConfig { seed: 40, interval_ns: 3_600_000_000_000 / 30_000, ..TrafficConfig::default() };
    // an hour with an incident, and a few lines that cannot be read
    let archive = Archive::backfilled(PIPELINE, config, 30_000, |number| number % 6_000 == 0)?;
    let pipeline = &archive.pipeline()?;
    let views = ninetail(&["generate", "sql", "duckdb", pipeline])?;
    let report: Value = serde_json::from_str(&ninetail(&["report", pipeline, "--output", "json"])?)?;
    let rejected = query(&format!("{views}\nSELECT sum(lines)::BIGINT AS lines FROM rejects"))?;
    assert_eq!(integer(&rejected[0], "lines")?, 5);
    assert_eq!(report["quality"]["rejected"], 5);
    assert_eq!(
        report["services"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(_, s)| s["requests"].as_i64())
            .sum::<Option<i64>>(),
        Some(archive.truth.requests()),
        "requests of all services"
    );
    slos(&report, &query(&format!("{views}\nFROM slo_status"))?)?;
    let (since, until) = (&report["since"], &report["until"]);
    percentiles(&report, &percentiles_between(&views, since, until)?)?;
    bounds(&views)?;

    // A part of the range: the views take the same.
    let (since, until) = ("2025-03-04T10:11:00Z", "2025-03-04T10:42:00Z");
    let arguments = ["report", pipeline, "--since", since, "--until", until, "--output", "json"];
    let part: Value = serde_json::from_str(&ninetail(&arguments)?)?;
    percentiles(&part, &percentiles_between(&views, &since.into(), &until.into())?)?;
    counts_between(&part, &views)?;

    let csv = ninetail(&["report", pipeline, "--output", "csv"])?;
    let path = archive.path("report.csv");
    fs::write(&path, csv)?;
    let sums = query(&format!("SELECT sum(bad)::BIGINT AS bad FROM '{}'", path.display()))?;
    assert_eq!(integer(&sums[0], "bad")?, sum(&report["slos"], "bad"));
    let table = ninetail(&["report", pipeline])?;
    assert!(table.contains("budget left") && table.contains("slices of 1m complete"), "{table}");
    Ok(())
}

fn sum(slos: &Value, member: &str) -> i64 {
    slos.as_array().into_iter().flatten().filter_map(|slo| slo[member].as_i64()).sum()
}

/// Every SLO of the report is a row of `slo_status`, and the other way round.
fn slos(report: &Value, rows: &[Row]) -> Outcome {
    let slos = report["slos"].as_array().ok_or("no SLOs")?;
    assert_eq!(slos.len(), rows.len(), "SLOs");
    assert!(sum(&report["slos"], "bad") > 0, "nothing is bad: the test shows nothing");
    for row in rows {
        let (service, name) = (text(row, "service")?, text(row, "slo")?);
        let slo = slos.iter().find(|slo| slo["service"] == *service && slo["slo"] == *name);
        let slo = slo.ok_or_else(|| format!("{service}/{name} is not in the report"))?;
        for column in ["generation", "window_s", "requests", "good", "bad", "excluded"] {
            assert_eq!(slo[column].as_i64(), Some(integer(row, column)?), "{column} of {service}/{name}");
        }
        for column in ["sli_percent", "budget_left_percent"] {
            let said: f64 = slo[column].as_str().ok_or("no number")?.parse()?;
            let found = row.get(column).and_then(Value::as_f64).ok_or("no number")?;
            // The report rounds down, the SLI to two places.
            let step = if column == "sli_percent" { 0.01 } else { 0.0001 };
            assert!(
                said <= found + 1e-9 && found - said < step + 1e-9,
                "{column} of {service}/{name}: {said} {found}"
            );
        }
    }
    Ok(())
}

fn percentiles_between(views: &str, since: &Value, until: &Value) -> Outcome<Vec<Row>> {
    let (since, until) = (since.as_str().ok_or("no time")?, until.as_str().ok_or("no time")?);
    query(&format!("{views}\nFROM latency_percentiles('{since}'::TIMESTAMPTZ, '{until}'::TIMESTAMPTZ)"))
}

/// Percentiles are equal to the microsecond.
fn percentiles(report: &Value, rows: &[Row]) -> Outcome {
    assert!(rows.len() > 2, "no percentiles");
    for row in rows {
        let (service, latency) = (text(row, "service")?, text(row, "latency")?);
        let said = &report["services"][&service][format!("{latency}_latency_us")];
        for name in ["count", "min", "p50", "p95", "p99", "max"] {
            let column = if name == "count" { name.to_string() } else { format!("{name}_us") };
            let found = integer(row, &column)?;
            assert_eq!(said[name].as_i64(), Some(found), "{name} of {service}, {latency}");
        }
    }
    Ok(())
}

/// The counts of a part of the range: the last half hour of it for one SLO, all of it for the other.
fn counts_between(part: &Value, views: &str) -> Outcome {
    let rows = query(&format!(
        "{views}\nSELECT service, slo, sum(good)::BIGINT AS good, sum(bad)::BIGINT AS bad FROM sli
         WHERE slice_start < '2025-03-04T10:42:00Z' AND slice_start >= CASE slo
           WHEN 'availability' THEN '2025-03-04T10:12:00Z'::TIMESTAMPTZ ELSE '2025-03-04T10:11:00Z' END
         GROUP BY ALL"
    ))?;
    let slos = part["slos"].as_array().ok_or("no SLOs")?;
    assert_eq!(slos.len(), rows.len(), "SLOs in a part of the range");
    for row in &rows {
        let (service, name) = (text(row, "service")?, text(row, "slo")?);
        let slo = slos.iter().find(|slo| slo["service"] == *service && slo["slo"] == *name);
        let slo = slo.ok_or_else(|| format!("{service}/{name} is not in the report"))?;
        for column in ["good", "bad"] {
            assert_eq!(slo[column].as_i64(), Some(integer(row, column)?), "{column} of {service}/{name}");
        }
    }
    Ok(())
}

/// The views' bound of every bucket is that of ingest.
fn bounds(views: &str) -> Outcome {
    let rows = query(&format!(
        "{views}\nSELECT i, bucket_upper_us(i)::BIGINT AS upper_us FROM range(-1, 1983) AS t(i) ORDER BY i"
    ))?;
    assert_eq!(rows.len(), 1_984);
    for row in rows {
        let index = i16::try_from(integer(&row, "i")?)?;
        let want = i64::try_from(ninetail::core::histogram::upper_us(index))?;
        assert_eq!(integer(&row, "upper_us")?, want, "bucket {index}");
    }
    Ok(())
}
