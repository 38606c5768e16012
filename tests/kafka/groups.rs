//! SLOs with groups, against a recount of the raw lines by plain splitting: rows, views, events, reports.

use crate::dimensions::route;
use crate::fixture::archive::ninetail;
use crate::fixture::oracle::{compare_events, consumed};
use crate::fixture::scenario::recent_lines;
use crate::fixture::tables::{Row, integer, query, text};
use crate::fixture::{Options, Outcome, Scenario};
use serde_json::Value;
use std::collections::BTreeMap;

/// By service, route and start of the minute: good, bad, excluded.
type Groups = BTreeMap<(String, String, i64), [i64; 3]>;

fn recount(lines: &[(i32, Vec<u8>)]) -> Groups {
    let mut groups = Groups::new();
    for (_, line) in lines {
        let line = std::str::from_utf8(line).expect("text");
        let pieces: Vec<&str> = line.split('"').collect();
        let (head, request) = (pieces[0].split(' ').collect::<Vec<_>>(), pieces[1]);
        let target_group = pieces[4].split(' ').nth(3).unwrap_or("-");
        // records without a target group are of no service that the SLO is for
        let Some(service) = target_group.rsplit('/').nth(1) else { continue };
        let words: Vec<&str> = request.split(' ').collect();
        let group = match words[..] {
            [_, url, _] if url.contains("://") => {
                let path = url.splitn(4, '/').nth(3).map(|rest| format!("/{rest}")).unwrap_or_default();
                route(path.split('?').next().unwrap_or_default())
            }
            _ => "__none__".to_string(),
        };
        let second = ninetail::core::time::Time::parse(head[1]).expect("a time").seconds();
        let status: i64 = head[8].parse().expect("a status");
        let verdict = match status {
            460 => 2,
            500.. => 1,
            _ => 0,
        };
        groups.entry((service.to_string(), group, second.div_euclid(60) * 60)).or_default()[verdict] += 1;
    }
    groups
}

const BY_GROUP: &str = "SELECT service, slo_group, epoch(slice_start)::BIGINT AS start, sum(good)::BIGINT AS good,
    sum(bad)::BIGINT AS bad, sum(excluded)::BIGINT AS excluded FROM {table} WHERE slo = 'availability' GROUP BY ALL";

fn groups(rows: Vec<Row>) -> Outcome<Groups> {
    let mut groups = Groups::new();
    for row in rows {
        let key = (text(&row, "service")?, text(&row, "slo_group")?, integer(&row, "start")?);
        groups.insert(key, [integer(&row, "good")?, integer(&row, "bad")?, integer(&row, "excluded")?]);
    }
    Ok(groups)
}

/// Over all minutes: by service and route.
fn whole(groups: &Groups) -> BTreeMap<(String, String), [i64; 3]> {
    let mut whole: BTreeMap<(String, String), [i64; 3]> = BTreeMap::new();
    for ((service, group, _), counts) in groups {
        let sum = whole.entry((service.clone(), group.clone())).or_default();
        sum.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
    }
    whole
}

/// Every group's rows, budget, events and report are what its own requests make of them.
pub(crate) fn budgets_by_route() -> Outcome {
    let options = Options {
        cut_s: 60,
        more_slo: "    per: route\n    groups_max: 1000\n",
        more: "routes: ids\n".into(),
        ..Options::default()
    };
    let scenario = Scenario::new("groups", options)?;
    let lines = recent_lines(13, 9_000, 900, 4);
    let mut truth = scenario.truth();
    for piece in lines.chunks(3_000) {
        scenario.client.produce(&scenario.topic, piece)?;
        piece.iter().for_each(|(_, line)| truth.add(line));
        scenario.drain()?;
        truth.compare_rows(&scenario.path("rollups"))?;
    }
    let expected = recount(&lines);
    assert!(expected.len() > 200 && expected.keys().any(|k| k.1.contains("{id}")));
    assert_eq!(groups(scenario.rows("sli", BY_GROUP)?)?, expected);
    let none = "SELECT count(*)::BIGINT AS n FROM {table} WHERE slo = 'latency' AND slo_group IS NOT NULL";
    assert_eq!(integer(&scenario.rows("sli", none)?[0], "n")?, 0, "the other SLO has no groups");
    let revised = scenario.rows("sli", "SELECT slo FROM {table} WHERE revision > 0 LIMIT 1")?;
    assert!(!revised.is_empty(), "no correction: the test shows less than it says");

    let expected = whole(&expected);
    let events = scenario.events()?;
    compare_events(&events)?;
    let told = consumed(&events)?;
    let bad: BTreeMap<String, i64> = (expected.iter())
        .map(|((service, group), counts)| {
            (ninetail::core::event::subject(service, "availability", Some(group)), counts[1])
        })
        .collect();
    let told: Vec<_> = told.iter().filter(|(subject, _)| subject.contains("/availability/")).collect();
    assert!(told.len() > 3, "{told:?}");
    assert!(told.iter().all(|(subject, count)| **count <= bad[*subject]), "{told:?} of {bad:?}");

    let pipeline = scenario.pipeline();
    let pipeline = pipeline.to_str().ok_or("the folder's name is not UTF-8")?;
    let views = ninetail(&["generate", "sql", "duckdb", pipeline])?;
    let status = "SELECT service, slo_group, good, bad, excluded, 0 AS start FROM slo_status WHERE slo = 'availability'";
    let status = groups(query(&format!("{views}\n{status}"))?)?;
    assert_eq!(whole(&status), expected);
    let burned = "SELECT service, slo_group, 0 AS start, max(good)::BIGINT AS good, max(bad)::BIGINT AS bad,
                  0 AS excluded FROM burn_down WHERE slo = 'availability' GROUP BY ALL";
    let burned = whole(&groups(query(&format!("{views}\n{burned}"))?)?);
    assert!(burned.iter().all(|(key, counts)| counts[..2] == expected[key][..2]), "{burned:?}");
    let report: Value = serde_json::from_str(&ninetail(&["report", pipeline, "--output", "json"])?)?;
    let mut reported: BTreeMap<(String, String), [i64; 3]> = BTreeMap::new();
    for row in report["slos"].as_array().ok_or("no rows")?.iter().filter(|r| r["slo"] == "availability") {
        let text = |name: &str| row[name].as_str().map(str::to_string).ok_or("no text");
        let number = |name: &str| row[name].as_i64().ok_or("no number");
        reported.insert(
            (text("service")?, text("group")?),
            [number("good")?, number("bad")?, number("excluded")?],
        );
    }
    assert_eq!(reported, expected);
    Ok(())
}

/// Few groups are kept apart: the service is whole, and no more than those and `__other__` have budgets.
pub(crate) fn beyond_the_limit() -> Outcome {
    let options = Options {
        more_slo: "    per: route\n    groups_max: 2\n",
        more: "routes: ids\n".into(),
        ..Options::default()
    };
    let scenario = Scenario::new("few-groups", options)?;
    let lines = recent_lines(14, 5_000, 600, 4);
    scenario.client.produce(&scenario.topic, &lines)?;
    scenario.drain()?;
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    truth.compare_rows(&scenario.path("rollups"))?;
    let kept = "SELECT max(n)::BIGINT AS n FROM (SELECT service, count(DISTINCT slo_group) AS n FROM {table}
                WHERE slo = 'availability' AND slo_group NOT IN ('__other__', '__none__') GROUP BY service)";
    assert_eq!(integer(&scenario.rows("sli", kept)?[0], "n")?, 2);
    let folded =
        "SELECT coalesce(sum(good + bad), 0)::BIGINT AS n FROM {table} WHERE slo_group = '__other__'";
    assert!(integer(&scenario.rows("sli", folded)?[0], "n")? > 0);
    compare_events(&scenario.events()?)
}
