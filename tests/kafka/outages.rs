//! Outages around ninetail: brokers gone, disks full or read-only. It waits or ends with a clear error, and
//! goes on from where it was.

use crate::fixture::scenario::{Mount, PATIENCE, Scenario, recent_lines};
use crate::fixture::{Cluster, Options, Outcome, Truth, eventually};
use std::time::Duration;

fn brisk() -> Options {
    Options { slice_s: 10, cut_s: 10, lateness: "5s", ..Options::default() }
}

fn truth_of(scenario: &Scenario, lines: &[(i32, Vec<u8>)]) -> Truth {
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    truth
}

/// The broker dies under a running ninetail and comes back: the same process goes on.
pub(crate) fn broker_killed_and_started() -> Outcome {
    let mut cluster = Cluster::start(1)?;
    let options = Options { bootstrap: Some(cluster.bootstrap()), idle_timeout: "300s", ..brisk() };
    let scenario = Scenario::new("broker", options)?;
    let lines = recent_lines(19, 6_000, 600, 4);
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    let mut process = scenario.run(&[], &[])?;
    scenario.goes_on(&mut process)?;
    for piece in lines[2_000..].chunks(2_000) {
        cluster.kill(0)?;
        // Long enough for requests under way to fail.
        std::thread::sleep(Duration::from_secs(3));
        assert!(process.ended()?.is_none(), "ended with the broker:\n{}", process.said());
        cluster.restart(0)?;
        scenario.client.produce(&scenario.topic, piece)?;
        scenario.goes_on(&mut process)?;
    }
    process.signal("TERM")?;
    assert!(process.wait(PATIENCE)?.success(), "SIGTERM is a graceful end:\n{}", process.said());
    scenario.drain()?;
    scenario.check(&truth_of(&scenario, &lines))
}

/// One of three nodes dies: leaders move, and ninetail follows.
pub(crate) fn one_of_three_nodes_killed() -> Outcome {
    let mut cluster = Cluster::start(3)?;
    let options = Options { bootstrap: Some(cluster.bootstrap()), idle_timeout: "300s", ..brisk() };
    let scenario = Scenario::new("nodes", options)?;
    let lines = recent_lines(20, 6_000, 600, 4);
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    let mut process = scenario.run(&[], &[])?;
    scenario.goes_on(&mut process)?;
    cluster.kill(1)?;
    scenario.client.produce(&scenario.topic, &lines[2_000..4_000])?;
    scenario.goes_on(&mut process)?;
    cluster.restart(1)?;
    scenario.client.produce(&scenario.topic, &lines[4_000..])?;
    scenario.goes_on(&mut process)?;
    process.signal("TERM")?;
    process.wait(PATIENCE)?;
    scenario.drain()?;
    scenario.check(&truth_of(&scenario, &lines))
}

/// Runs over a file system that takes no more, then gives room: whether ninetail waited or ended, the rest
/// comes out right.
fn starved(
    name: &str,
    folder: &str,
    starve: impl FnOnce(&Mount) -> Outcome,
    relieve: impl FnOnce(&Mount) -> Outcome,
) -> Outcome {
    let scenario = Scenario::new(name, brisk())?;
    let lines = recent_lines(21, 8_000, 600, 4);
    let mount = Mount::new(&scenario.path(folder), 256 << 10)?;
    scenario.client.produce(&scenario.topic, &lines[..4_000])?;
    scenario.drain()?;
    scenario.client.produce(&scenario.topic, &lines[4_000..])?;
    starve(&mount)?;
    let mut process = scenario.run(&["--until-end", "--close"], &[])?;
    let words = ["no space left", "read-only", "disk full", "disk is full"];
    eventually("a clear error", PATIENCE, || {
        let said = process.said().to_lowercase();
        Ok(words.iter().any(|word| said.contains(word)).then_some(()))
    })?;
    // Nothing torn is visible, and what was there is as it was. Events do not wait for the files. What a full state
    // folder still took goes on to its rows.
    if folder == "rollups" {
        truth_of(&scenario, &lines[..4_000]).compare_rows(&scenario.path("rollups"))?;
    }
    relieve(&mount)?;
    let ended = eventually("its end", Duration::from_secs(30), || process.ended());
    if ended.is_err() {
        process.kill()?;
    }
    drop(process);
    scenario.drain()?;
    scenario.check(&truth_of(&scenario, &lines))
}

/// The rollups' disk is full.
pub(crate) fn disk_full() -> Outcome {
    starved("disk-full", "rollups", Mount::fill, Mount::empty)
}

/// The journal's disk is full.
pub(crate) fn state_disk_full() -> Outcome {
    starved("state-full", "state", Mount::fill, Mount::empty)
}

/// The rollups cannot be written at all.
pub(crate) fn read_only_output() -> Outcome {
    starved("read-only", "rollups", |mount| mount.remount("ro"), |mount| mount.remount("rw"))
}
