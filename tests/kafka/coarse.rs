//! The tables of hours and days, and how budgets stood, read by DuckDB: each equals what the tables of minutes say, by SQL alone.

use crate::fixture::Outcome;
use crate::fixture::archive::{Archive, ninetail};
use crate::fixture::tables::{Row, integer, query, text};
use ninetail::core::time::Time;
use ninetail::shell::traffic::{Incident, TrafficConfig};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const PIPELINE: &str = "version: 1
name: coarse
sources: [{ name: alb, format: aws_alb }]
services: [{ name: '{target_group}' }]
slos:
  - name: availability
    service: '*'
    objective: 99.5
    window: 6h
    indicator: { good: status < 500, exclude: client_gone }
  - name: latency
    service: '*'
    objective: 99
    window: { calendar: day, time_zone: Asia/Kolkata }
    indicator: { latency: { below: 200ms, of: upstream } }
  - name: slices
    service: '*'
    objective: 98
    window: 6h
    budgeting: timeslices
    slice_target: 99
    slice_window: 5m
    indicator: { good: status < 500 }
alerts:
  - { severity: page, factor: 6, long: 1h, short: 5m }
  - { severity: ticket, factor: 2, long: 3h, short: 30m }
sinks:
  rollups: { path: ./out/rollups, cut: 15m }
state: ./state
";

/// Thirty hours of lines, so that days and calendar periods end within; two services fail in turn.
const HOURS: u64 = 30;

pub(crate) fn add_up_and_budgets_follow() -> Outcome {
    let archive = Archive::backfilled(PIPELINE, traffic(), 40_000, |_| false)?;
    let path = archive.pipeline()?;
    let views = ninetail(&["generate", "sql", "duckdb", &path])?;

    let requests = query(&format!("{views}\nSELECT sum(requests)::BIGINT AS n FROM requests_1d"))?;
    assert_eq!(integer(&requests[0], "n")?, archive.truth.requests(), "requests by day");
    for (suffix, part) in [("1h", "hour"), ("1d", "day")] {
        sums(&views, suffix, part)?;
    }
    holes(&views)?;
    budgets(&views)?;
    reported(&views, &path, &archive.text("out/rollups")?)?;
    let events: Vec<Value> = fs::read_to_string(archive.path("out/events.jsonl"))?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    firing(&views, &events)?;
    counted(&views, &events)
}

/// `report` and `what-if` say what the table says last, of calendars and slices too; without the pipeline file as far as the
/// tables can tell.
fn reported(views: &str, pipeline: &str, rollups: &str) -> Outcome {
    let rows = query(&format!(
        "{views}\nSELECT service, slo, remaining_ratio FROM budget_1h
         QUALIFY row_number() OVER (PARTITION BY service, slo ORDER BY until DESC) = 1"
    ))?;
    let parsed = |arguments: &[&str]| -> Outcome<Value> { Ok(serde_json::from_str(&ninetail(arguments)?)?) };
    let named = parsed(&["report", pipeline, "--output", "json"])?;
    let unnamed = parsed(&["report", "--rollups", rollups, "--output", "json"])?;
    let what_if = parsed(&["report", "what-if", pipeline, "--objective", "99.9", "--output", "json"])?;
    assert!(rows.len() >= 12, "{} budgets", rows.len());
    for row in &rows {
        let (service, slo) = (text(row, "service")?, text(row, "slo")?);
        let want: f64 = text(row, "remaining_ratio")?.parse()?;
        let left = |report: &Value| -> Option<f64> {
            let all = report["slos"].as_array()?;
            let found = all.iter().find(|s| s["service"] == *service && s["slo"] == *slo)?;
            let judged = found["objectives"].as_array();
            let in_force = judged.and_then(|all| all.iter().find(|judged| judged["in_force"] == true));
            in_force.unwrap_or(found)["budget_left_percent"].as_str()?.parse().ok()
        };
        let same = |left: Option<f64>| left.is_some_and(|left| (left / 100.0 - want).abs() < 1e-6);
        assert!(same(left(&named)), "{service}/{slo}: {:?} {want}", left(&named));
        assert!(same(left(&what_if)), "{service}/{slo}: {:?} {want}", left(&what_if));
        match &*slo {
            // only the pipeline file says how long a slice is, and what makes one good
            "slices" => assert_eq!(left(&unnamed), None),
            _ => assert!(same(left(&unnamed)), "{service}/{slo}: {:?} {want}", left(&unnamed)),
        }
    }
    let refused = Command::new(env!("CARGO_BIN_EXE_ninetail"))
        .args(["report", "what-if", "--rollups", rollups, "--slo", "slices", "--objective", "99"])
        .output()?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("name it beside --rollups"), "{said}");
    Ok(())
}

fn traffic() -> TrafficConfig {
    let incident = |service: &str, from_s, length_s, errors_ppm| Incident {
        service: service.into(),
        from_s,
        length_s,
        errors_ppm,
        latency_percent: 300,
    };
    TrafficConfig {
        seed: 41,
        services: 4,
        interval_ns: HOURS * 3_600_000_000_000 / 40_000,
        incidents: vec![
            incident("checkout", 7_200, 3_000, 400_000),
            incident("search", 70_000, 5_000, 150_000),
        ],
        ..TrafficConfig::default()
    }
}

/// What two queries give, each without the other's rows, is nothing; and they give something.
fn same(views: &str, coarse: &str, fine: &str) -> Outcome {
    let rows = query(&format!(
        "{views}\nSELECT (SELECT count(*) FROM ({coarse})) AS rows,
           (SELECT count(*) FROM (({coarse}) EXCEPT ALL ({fine}))) AS more,
           (SELECT count(*) FROM (({fine}) EXCEPT ALL ({coarse}))) AS less"
    ))?;
    let [rows, more, less] = ["rows", "more", "less"].map(|name| integer(&rows[0], name));
    assert!(rows? > 0, "nothing: {coarse}");
    assert_eq!((more?, less?), (0, 0), "{coarse}\n{fine}");
    Ok(())
}

/// Sums, extremes and buckets by hour or day.
fn sums(views: &str, suffix: &str, part: &str) -> Outcome {
    let mut columns = Vec::new();
    for name in ["requests", "status_2xx", "status_4xx", "status_5xx", "client_gone", "bytes_sent"] {
        columns.push(format!("sum({name})::BIGINT"));
    }
    for of in ["client", "upstream"] {
        columns.extend(["count", "sum_us"].map(|name| format!("sum({of}_latency_{name})::BIGINT")));
        columns.extend([format!("min({of}_latency_min_us)"), format!("max({of}_latency_max_us)")]);
    }
    let columns = columns.join(", ");
    let from = |table: &str, columns: &str, keys: &str, start: &str| {
        format!("SELECT {keys}, {start} AS start, {columns} FROM {table} GROUP BY {keys}, start")
    };
    let truncated = format!("date_trunc('{part}', slice_start)");
    let (by_service, by_slo) = ("service", "service, slo, generation");
    let coarse = format!("requests_{suffix}");
    same(
        views,
        &from(&coarse, &columns, by_service, "slice_start"),
        &from("requests", &columns, by_service, &truncated),
    )?;
    let verdicts = "sum(good)::BIGINT, sum(bad)::BIGINT, sum(excluded)::BIGINT";
    same(
        views,
        &from(&format!("sli_{suffix}"), verdicts, by_slo, "slice_start"),
        &from("sli", verdicts, by_slo, &truncated),
    )?;
    let counts = "sum(bucket_count)::BIGINT";
    let buckets = "service, latency, bucket_index";
    same(
        views,
        &from(&format!("request_buckets_{suffix}"), counts, buckets, "slice_start"),
        &from("request_buckets", counts, buckets, &truncated),
    )?;
    let percentiles = query(&format!(
        "{views}\nSELECT count(*) AS n FROM request_percentiles_{suffix} WHERE p50_us > p99_us OR p99_us > max_us"
    ))?;
    assert_eq!(integer(&percentiles[0], "n")?, 0);
    Ok(())
}

/// Every budget has a row for each hour from its first request on, and the open hour's last.
fn holes(views: &str) -> Outcome {
    let rows = query(&format!(
        "{views}\nSELECT service, slo, count(*) AS hours, count(DISTINCT slice_start) AS starts,
           date_diff('hour', min(slice_start), max(slice_start)) + 1 AS span, max(until)::VARCHAR AS until
         FROM budget_1h GROUP BY service, slo"
    ))?;
    assert!(rows.len() >= 12, "{} budgets", rows.len());
    for row in &rows {
        let hours = integer(row, "hours")?;
        assert!(hours >= HOURS as i64, "{row:?}");
        assert_eq!((hours, hours), (integer(row, "starts")?, integer(row, "span")?), "{row:?}");
    }
    Ok(())
}

/// The standing of every budget at every hour, computed from the minutes' rows.
fn budgets(views: &str) -> Outcome {
    // what the window holds up to then, as the method weighs it: five minutes with less than 99 % good are a bad slice
    let recomputed = "WITH minutes AS (
          SELECT b.service, b.slo, b.slice_start, epoch(s.slice_start)::BIGINT // 300 AS five, s.good, s.bad
          FROM budget_1h b JOIN sli s ON s.service = b.service AND s.slo = b.slo AND s.generation = b.generation
           AND s.slice_start >= b.window_start AND s.slice_start < least(b.until, b.window_end)
        ), fives AS (
          SELECT service, slo, slice_start, five, sum(good)::BIGINT AS good, sum(bad)::BIGINT AS bad,
                 (sum(good) * 100 < 99 * (sum(good) + sum(bad)))::BIGINT AS fails
          FROM minutes WHERE good + bad > 0 GROUP BY ALL
        ), counted AS (
          SELECT service, slo, slice_start, sum(good)::BIGINT AS good, sum(bad)::BIGINT AS bad,
                 sum(fails)::BIGINT AS fails, count(*) AS fives
          FROM fives GROUP BY ALL
        ), weighed AS (
          SELECT b.*, c.good AS sli_good, c.bad AS sli_bad,
                 CASE b.slo WHEN 'slices' THEN c.fails ELSE c.bad END AS w_bad,
                 CASE b.slo WHEN 'slices' THEN c.fives ELSE c.good + c.bad END AS w_total,
                 100000000 - (b.objective * 1000000)::BIGINT AS w_allowed
          FROM budget_1h b JOIN counted c USING (service, slo, slice_start)
        )";
    let wrong = |what: &str| {
        format!(
            "{views}\n{recomputed} SELECT service, slo, until::VARCHAR AS until, window_start::VARCHAR AS since, state, good, bad, sli_good, sli_bad,
                 seen, slices, budget_allowed, budget_consumed, w_bad, w_total FROM weighed WHERE NOT ({what})"
        )
    };
    for what in [
        "good = sli_good AND bad = sli_bad",
        "budget_consumed = w_bad",
        // exact, then rounded down to six places
        "budget_allowed * 1000000 = (w_total::HUGEINT * slices * w_allowed) // (100::HUGEINT * seen)",
        "budget_remaining = budget_allowed - budget_consumed",
        "consumed_ratio * 1000000 = (w_bad::HUGEINT * seen * 100000000 * 1000000) // (w_total::HUGEINT * slices * w_allowed)",
        "(remaining_ratio + consumed_ratio) IN (1, 0.999999)",
        "(state = 'no_data') = (budget_allowed IS NULL)",
        "(exhausted_since IS NOT NULL) = (budget_remaining <= 0)",
        "seen <= slices AND read <= slices",
    ] {
        let rows = query(&wrong(what))?;
        assert!(rows.is_empty(), "{what}: {} rows, {:?}", rows.len(), rows.first());
    }
    let states = query(&format!("{views}\nSELECT DISTINCT state FROM budget_1h ORDER BY state"))?;
    let states: Vec<String> = states.iter().map(|row| text(row, "state")).collect::<Outcome<_>>()?;
    assert_eq!(states, ["exhausted", "firing", "ok"], "states that the test shows");
    // the alerts' windows, of requests
    let rows = query(&format!(
        "{views}\nWITH burns AS (
           SELECT service, slo, until, unnest(burn_window_s) AS window_s, unnest(burn_good) AS good, unnest(burn_bad) AS bad
           FROM budget_1h WHERE slo <> 'slices'
         )
         SELECT count(*) AS windows, count(*) FILTER (bad > 0) AS burning,
                count(*) FILTER ((good, bad) <> (sli_good, sli_bad)) AS wrong
         FROM (
           SELECT b.*, coalesce(sum(s.good), 0)::BIGINT AS sli_good, coalesce(sum(s.bad), 0)::BIGINT AS sli_bad
           FROM burns b LEFT JOIN sli s ON s.service = b.service AND s.slo = b.slo
            AND s.slice_start >= b.until - to_seconds(b.window_s) AND s.slice_start < b.until
           GROUP BY ALL
         )"
    ))?;
    assert_eq!(integer(&rows[0], "wrong")?, 0, "{rows:?}");
    assert!(integer(&rows[0], "burning")? > 0 && integer(&rows[0], "windows")? > 100, "{rows:?}");
    Ok(())
}

/// Which tiers fire at the end of every hour is what the events say.
fn firing(views: &str, events: &[Event]) -> Outcome {
    let rows = query(&format!(
        "{views}\nSELECT service, slo, until::VARCHAR AS until, epoch(until)::BIGINT AS at,
           array_to_string(list_sort(firing), ',') AS firing FROM budget_1h ORDER BY until"
    ))?;
    let mut fires = BTreeMap::<(String, String), Vec<String>>::new();
    let mut next = events.iter().peekable();
    let mut seen = 0;
    for row in &rows {
        let at = integer(row, "at")?;
        while let Some(event) = next.next_if(|event| time(event).is_some_and(|time| time.seconds() <= at)) {
            let rule = event["data"]["burn"]["rule"].as_str().map(str::to_owned);
            let said = |member: &str| event["data"]["slo"][member].as_str().unwrap_or_default().to_owned();
            let tiers = fires.entry((said("service"), said("name"))).or_default();
            match event["type"].as_str() {
                Some(kind) if kind.ends_with("burn_rate.firing") => tiers.extend(rule),
                Some(kind) if kind.ends_with("burn_rate.resolved") => {
                    tiers.retain(|t| Some(t) != rule.as_ref())
                }
                _ => {}
            }
        }
        let mut want = fires.get(&(text(row, "service")?, text(row, "slo")?)).cloned().unwrap_or_default();
        want.sort();
        assert_eq!(text(row, "firing")?, want.join(","), "{row:?}");
        seen += want.len();
    }
    assert!(seen > 0, "nothing fires at the end of any hour: the test shows nothing");
    Ok(())
}

type Event = Value;

fn time(event: &Event) -> Option<Time> {
    Time::parse(event["time"].as_str()?)
}

/// What every event says of its budget at its moment is what SQL recomputes from the minutes' rows.
fn counted(views: &str, events: &[Event]) -> Outcome {
    let mut said = Vec::new();
    for event in events {
        let (data, at) = (&event["data"], time(event).ok_or("no time")?);
        let name = |member: &str| data["slo"][member].as_str().ok_or("no name");
        let (slo, window) = (name("name")?, &data["slo"]["window"]);
        let start = Time::parse(window["start"].as_str().ok_or("no window")?).ok_or("no time")?;
        let [good, bad] = ["good", "bad"].map(|member| data["sli"][member].as_u64());
        let (good, bad) = (good.ok_or("no good")?, bad.ok_or("no bad")?);
        said.push(format!(
            "('{}', '{slo}', to_timestamp({}), to_timestamp({}), {good}, {bad})",
            name("service")?,
            start.seconds(),
            at.seconds()
        ));
    }
    assert!(said.len() > 50, "{} events", said.len());
    let rows: Vec<Row> = query(&format!(
        "{views}\nWITH events(service, slo, since, moment, good, bad) AS (VALUES {}), counted AS (
           SELECT e.*, coalesce(sum(s.good), 0)::BIGINT AS sli_good, coalesce(sum(s.bad), 0)::BIGINT AS sli_bad
           FROM (SELECT DISTINCT * FROM events) e LEFT JOIN sli s ON s.service = e.service AND s.slo = e.slo
            AND s.slice_start >= e.since AND s.slice_start < e.moment
           GROUP BY ALL
         ) SELECT service, slo, moment::VARCHAR AS moment, good, bad, sli_good, sli_bad FROM counted WHERE (good, bad) <> (sli_good, sli_bad)",
        said.join(",\n")
    ))?;
    assert!(rows.is_empty(), "{} events, such as {:?}", rows.len(), rows.first());
    Ok(())
}
