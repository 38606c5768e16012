//! A partition that nobody can read for long: the others go on without it, its slices are incomplete and said to
//! be, and what it makes up for later completes them.

use crate::fixture::scenario::{PATIENCE, recent_lines};
use crate::fixture::tables::integer;
use crate::fixture::{Cluster, Lines, Options, Outcome, Scenario, eventually};
use ninetail::core::time::Time;
use ninetail::shell::traffic::{Traffic, TrafficConfig};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// Partition 0 stays, partition 1 goes with its node.
const NODES: [i32; 2] = [1, 3];

/// Lines of one partition that begin so many seconds ago, ten a second.
fn ago(seed: u64, seconds: u64, count: usize, partition: i32) -> Lines {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let start = Time::from_seconds((now - seconds) as i64);
    let mut traffic =
        Traffic::new(TrafficConfig { seed, start, interval_ns: 100_000_000, ..TrafficConfig::default() });
    let line = |_| {
        let mut line = Vec::new();
        traffic.next_line(&mut line);
        (partition, line)
    };
    (0..count).map(line).collect()
}

fn gaps(scenario: &Scenario, transition: &str) -> Outcome<Vec<Value>> {
    let mut events = scenario.events()?;
    events.retain(|e| e["type"] == "slo.data.gap" && e["data"]["gap"]["transition"] == transition);
    Ok(events)
}

/// The node that holds the only copy of a partition is gone for long, and comes back.
pub(crate) fn node_is_gone() -> Outcome {
    let mut cluster = Cluster::start(3)?;
    let options = Options {
        bootstrap: Some(cluster.bootstrap()),
        slice_s: 10,
        cut_s: 10,
        lateness: "5s",
        idle_timeout: "2s",
        partitions: 2,
        more: "silent_after: 20s\n".into(),
        ..Options::default()
    };
    let mut scenario = Scenario::new("gone", options)?;
    scenario.topic = format!("{}-on-nodes", scenario.name);
    scenario.write_pipeline()?;
    scenario.client.create_topic_on(&scenario.topic, &NODES)?;
    let mut truth = scenario.truth();
    let feed = scenario.client.feed(&scenario.topic)?;
    let mut send = |lines: Lines| -> Outcome {
        lines.iter().for_each(|(_, line)| truth.add(line));
        feed.send(&lines)
    };
    send(recent_lines(50, 2_000, 120, 2))?;
    let mut process = scenario.run(&[], &[])?;
    scenario.goes_on(&mut process)?;

    cluster.kill(2)?;
    let incomplete = "SELECT count(*)::BIGINT AS slices FROM {table}
                      WHERE partition = 1 AND NOT complete AND reason = 'unreachable'";
    let mut seed = 51;
    eventually("rows of slices that nobody could read", PATIENCE, || {
        assert!(process.ended()?.is_none(), "ended:\n{}", process.said());
        seed += 1;
        send(ago(seed, 1, 3, 0))?;
        std::thread::sleep(std::time::Duration::from_millis(500));
        let rows = scenario.rows("quality", incomplete)?;
        Ok(rows.first().map(|row| integer(row, "slices")).transpose()?.filter(|slices| *slices >= 3))
    })?;
    let began = gaps(&scenario, "began")?;
    assert_eq!(began.len(), 1, "{began:?}");
    assert_eq!(began[0]["subject"], format!("source/alb/{}/1", scenario.topic));
    assert_eq!(began[0]["data"]["gap"]["reason"], "unreachable");
    let other = scenario
        .rows("quality", "SELECT count(*)::BIGINT AS n FROM {table} WHERE partition = 0 AND NOT complete")?;
    assert_eq!(
        integer(other.first().ok_or("no row of quality")?, "n")?,
        0,
        "partition 0 was read all the time"
    );

    // It comes back with what it held up, and with lines after the hole.
    cluster.restart(2)?;
    send(ago(1_000, 25, 100, 1))?;
    let whole = "SELECT count(*) FILTER (NOT complete)::BIGINT AS holes, count(*)::BIGINT AS slices FROM
                   (SELECT slice_start, arg_max(complete, revision) AS complete FROM {table}
                    WHERE partition = 1 GROUP BY slice_start)";
    eventually("every slice is complete by its highest revision", PATIENCE, || {
        assert!(process.ended()?.is_none(), "ended:\n{}", process.said());
        seed += 1;
        send(ago(seed, 1, 2, 0))?;
        send(ago(2_000 + seed, 1, 2, 1))?;
        std::thread::sleep(std::time::Duration::from_millis(500));
        let rows = scenario.rows("quality", whole)?;
        Ok(rows.first().map(|row| integer(row, "holes")).transpose()?.filter(|holes| *holes == 0))
    })?;
    assert_eq!(gaps(&scenario, "ended")?.len(), 1);
    process.signal("TERM")?;
    assert!(process.wait(PATIENCE)?.success(), "SIGTERM is a graceful end:\n{}", process.said());
    scenario.drain()?;
    scenario.check(&truth)
}
