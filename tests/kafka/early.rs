//! Alerts that do not wait for the slowest file (`alerts: { lateness: … }`), on real Kafka and over kills: they page while their
//! slice is open, what was told stays told, and in the end the same alerts were told as by a pipeline that waits.

use crate::fixture::client::shop;
use crate::fixture::oracle::compare_events;
use crate::fixture::process::Process;
use crate::fixture::scenario::PATIENCE;
use crate::fixture::{Options, Outcome, Scenario, eventually};
use ninetail::core::time::Time;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Alerts told, by what they say.
fn alerts(events: &[Value]) -> BTreeSet<String> {
    let of = events.iter().filter(|e| e["type"].as_str().is_some_and(|t| t.starts_with("slo.burn_rate.")));
    of.filter_map(|e| e["id"].as_str().map(str::to_owned)).collect()
}

fn time(value: &Value) -> Option<Time> {
    Time::parse(value.as_str()?)
}

pub(crate) fn pages_before_its_slice_closes() -> Outcome {
    let options = Options {
        slice_s: 10,
        cut_s: 60,
        lateness: "10m",
        idle_timeout: "30m",
        partitions: 1,
        ..Options::default()
    };
    let scenario = Scenario::new("early", options)?;
    let written = fs::read_to_string(scenario.pipeline())?;
    let early = "alerts: { preset: workbook, lateness: 10s }";
    fs::write(scenario.pipeline(), written.replacen("alerts: workbook", early, 1))?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as i64;
    let mut truth = scenario.truth();
    let mut produce = |ago, status| -> Outcome {
        let lines = shop(now_s, ago, status);
        lines.iter().for_each(|(_, line)| truth.add(line));
        scenario.client.produce(&scenario.topic, &lines)
    };
    let until = |process: &mut Process, what: &str, kind: &str, rule: &str| {
        eventually(what, PATIENCE, || {
            if let Some(status) = process.ended()? {
                return Err(format!("ended: {status}\n{}", process.said()).into());
            }
            let events = scenario.events()?;
            let found = events.iter().find(|e| e["type"] == kind && e["data"]["burn"]["rule"] == rule);
            Ok(found.cloned().map(|event| (event, events)))
        })
    };

    // twenty minutes ago all was well; seven minutes ago everything failed for a minute
    produce(480..1_500, 200)?;
    produce(420..480, 502)?;
    produce(400..420, 200)?;
    let mut process = scenario.run(&[], &[])?;
    let (page, told) = until(&mut process, "the page", "slo.burn_rate.firing", "page-1h")?;
    process.kill()?;
    let provenance = &page["data"]["provenance"];
    assert!(time(&provenance["watermark"]) < time(&provenance["window_end"]), "the slice is open: {page}");
    assert_eq!(page["data"]["replay"], false, "{page}");
    assert!(told.iter().all(|e| e["type"] != "slo.budget.consumed"), "budgets wait: {told:#?}");

    // killed and begun again it says nothing anew, and goes on: the page ends before its slice closes too
    produce(60..400, 200)?;
    let mut process = scenario.run(&[], &[])?;
    let (end, after) = until(&mut process, "its end", "slo.burn_rate.resolved", "page-1h")?;
    process.kill()?;
    assert!(time(&end["data"]["provenance"]["watermark"]) < time(&end["time"]), "{end}");
    assert_eq!(after[..told.len()], told, "what was told stays told");

    // all is read to its end and closed, over one more kill
    let mut process = scenario.run(&["--until-end", "--close"], &[])?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    process.kill()?;
    scenario.drain()?;
    let events = scenario.events()?;
    assert_eq!(events[..after.len()], after, "what was told stays told");
    compare_events(&events)?;
    scenario.check_punctual(&truth)?;

    // a pipeline that waits tells the same alerts, later
    let late = written
        .replacen(&format!("name: {}\n", scenario.name), &format!("name: {}-late\n", scenario.name), 1)
        .replace("state: ./state", "state: ./late/state")
        .replace("path: ./rollups", "path: ./late/rollups")
        .replace(&format!("group: {}", scenario.name), &format!("group: {}-late", scenario.name))
        .replace(
            &format!("{{ topic: {0}-events, state_topic: {0}-state, mode: structured }}", scenario.name),
            "{ file: ./late/events.jsonl }",
        );
    let pipeline = scenario.path("late.yaml");
    fs::write(&pipeline, late)?;
    let path = pipeline.to_str().ok_or("the folder's name is not UTF-8")?;
    Process::start(["run", path, "--until-end", "--close"], &[], &scenario.path("late.log"))?
        .succeed(PATIENCE)?;
    let lines = fs::read_to_string(scenario.path("late/events.jsonl"))?;
    let waited: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(alerts(&waited), alerts(&events));
    assert_eq!(alerts(&events).len(), 2, "{:?}", alerts(&events));
    let consumed = |events: &[Value]| -> BTreeSet<String> {
        let of = events.iter().filter(|e| e["type"] == "slo.budget.consumed");
        of.filter_map(|e| e["id"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(consumed(&waited), consumed(&events), "budgets are told as without");
    Ok(())
}
