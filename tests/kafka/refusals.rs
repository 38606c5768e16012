//! What ninetail must refuse, in words that name the ways out, and without harm to who is right.

use crate::fixture::scenario::{PATIENCE, recent_lines};
use crate::fixture::{Options, Outcome, Scenario, eventually};
use std::fs;

fn brisk() -> Options {
    Options { slice_s: 10, cut_s: 10, lateness: "5s", ..Options::default() }
}

/// Runs, and expects a refusal that says all of these.
fn refused(scenario: &Scenario, arguments: &[&str], says: &[&str]) -> Outcome {
    let mut process = scenario.run(arguments, &[])?;
    let status = process.wait(PATIENCE)?;
    let said = process.said();
    assert!(!status.success(), "not refused:\n{said}");
    for part in says {
        assert!(said.to_lowercase().contains(part), "does not say `{part}`:\n{said}");
    }
    Ok(())
}

/// A second process on the same state refuses to start; the first goes on.
pub(crate) fn second_process() -> Outcome {
    let scenario = Scenario::new("second", brisk())?;
    let lines = recent_lines(7, 4_000, 300, 4);
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    let mut first = scenario.run(&[], &[])?;
    scenario.goes_on(&mut first)?;
    refused(&scenario, &[], &["in use", "state"])?;
    let files = scenario.files()?;
    scenario.client.produce(&scenario.topic, &lines[2_000..])?;
    eventually("more files from the first", PATIENCE, || Ok((scenario.files()? > files).then_some(())))?;
    assert!(first.ended()?.is_none(), "the first has ended:\n{}", first.said());
    first.signal("TERM")?;
    assert!(first.wait(PATIENCE)?.success(), "SIGTERM is a graceful end:\n{}", first.said());
    scenario.drain()?;
    scenario.check(&truth)
}

/// The same pipeline name with a state folder of its own: foreign outputs, refused before fencing anybody.
pub(crate) fn second_process_elsewhere() -> Outcome {
    let scenario = Scenario::new("elsewhere", brisk())?;
    let lines = recent_lines(8, 4_000, 300, 4);
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    let mut first = scenario.run(&[], &[])?;
    scenario.goes_on(&mut first)?;
    let other = scenario.path("other");
    fs::create_dir(&other)?;
    let text = fs::read_to_string(scenario.pipeline())?;
    let own = fs::read_to_string(scenario.pipeline())?;
    fs::write(
        scenario.pipeline(),
        text.replace("./state", "./other/state").replace("./rollups", "./other/rollups"),
    )?;
    refused(&scenario, &[], &["journal"])?;
    fs::write(scenario.pipeline(), own)?;
    let files = scenario.files()?;
    scenario.client.produce(&scenario.topic, &lines[2_000..])?;
    eventually("more files from the first", PATIENCE, || Ok((scenario.files()? > files).then_some(())))?;
    assert!(first.ended()?.is_none(), "the first has ended:\n{}", first.said());
    first.signal("TERM")?;
    first.wait(PATIENCE)?;
    scenario.drain()?;
    scenario.check(&truth)
}

/// An empty state folder beside existing outputs is refused; the outputs stay as they were.
pub(crate) fn empty_state_beside_outputs() -> Outcome {
    let scenario = Scenario::new("empty-state", brisk())?;
    let lines = recent_lines(9, 3_000, 300, 4);
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    scenario.client.produce(&scenario.topic, &lines)?;
    scenario.drain()?;
    fs::rename(scenario.path("state"), scenario.path("lost"))?;
    refused(&scenario, &["--until-end", "--close"], &["journal", "restore"])?;
    scenario.check(&truth)?;
    // With the state back all goes on.
    let _ = fs::remove_dir_all(scenario.path("state"));
    fs::rename(scenario.path("lost"), scenario.path("state"))?;
    scenario.drain()?;
    scenario.check(&truth)
}

/// An old copy of the state, whose journal ends before its outputs do, is refused.
pub(crate) fn old_state_restored() -> Outcome {
    let scenario = Scenario::new("old-state", brisk())?;
    let lines = recent_lines(10, 4_000, 300, 4);
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    scenario.drain()?;
    scenario.copy("state", "old")?;
    scenario.client.produce(&scenario.topic, &lines[2_000..])?;
    scenario.drain()?;
    fs::rename(scenario.path("state"), scenario.path("new"))?;
    scenario.copy("old", "state")?;
    refused(&scenario, &["--until-end", "--close"], &["journal"])?;
    scenario.check(&truth)
}

/// Two copies of one state folder, run one after the other onto the same file of events: the second is refused, though
/// its own journal goes further than the file.
pub(crate) fn copies_onto_one_events_file() -> Outcome {
    let scenario = Scenario::new("copies", Options { events_file: true, ..brisk() })?;
    let lines = recent_lines(11, 6_000, 300, 4);
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    scenario.drain()?;
    for (from, to) in [("state", "fork"), ("rollups", "rollups-fork"), ("events.jsonl", "events-fork.jsonl")]
    {
        scenario.copy(from, to)?;
    }
    scenario.client.produce(&scenario.topic, &lines[2_000..4_000])?;
    scenario.drain()?;
    // the copy goes on for longer, beside it
    let own = fs::read_to_string(scenario.pipeline())?;
    let forked = own.replace("./state", "./fork").replace("./rollups", "./rollups-fork");
    fs::write(scenario.pipeline(), forked.replace("./events.jsonl", "./events-fork.jsonl"))?;
    scenario.drain()?;
    scenario.client.produce(&scenario.topic, &lines[4_000..])?;
    scenario.drain()?;
    // then onto the file of the other
    fs::write(scenario.pipeline(), &forked)?;
    let events = scenario.events()?;
    refused(&scenario, &["--until-end", "--close"], &["another copy of its state folder", "--take-over"])?;
    assert_eq!(scenario.events()?, events);
    fs::write(scenario.pipeline(), own)?;
    scenario.drain()?;
    scenario.check(&truth)
}
