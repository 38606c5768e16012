//! A topic that was deleted and made anew: its offsets are none of the journal's, however many it has.
//! The partition stops, with words that name the way out, and nothing is counted before somebody decides.

use crate::fixture::scenario::{PATIENCE, recent_lines};
use crate::fixture::{Lines, Options, Outcome, Scenario, Truth, eventually};

const PARTITIONS: i32 = 2;

fn brisk() -> Options {
    Options { slice_s: 10, cut_s: 10, lateness: "5s", partitions: PARTITIONS, ..Options::default() }
}

fn add(truth: &mut Truth, lines: &[(i32, Vec<u8>)]) {
    lines.iter().for_each(|(_, line)| truth.add(line));
}

/// Fails unless the log says so of every partition, with the command that repairs it.
fn says(scenario: &Scenario, said: &str, words: &str) {
    for partition in 0..PARTITIONS {
        let place = format!("{}/{partition}", scenario.topic);
        for part in [format!("{place}: {words}"), format!("--restart-at {place}=earliest")] {
            assert!(said.contains(&part), "does not say `{part}`:\n{said}");
        }
    }
}

/// Runs to the end, every partition from the beginning of what is there now.
fn repair(scenario: &Scenario) -> Outcome {
    let places: Vec<String> =
        (0..PARTITIONS).map(|partition| format!("{}/{partition}=earliest", scenario.topic)).collect();
    let mut arguments = vec!["--until-end", "--close"];
    places.iter().for_each(|place| arguments.extend(["--restart-at", place]));
    scenario.run(&arguments, &[])?.succeed(PATIENCE)
}

/// `slo.data.gap` events by reason and transition, over all partitions.
fn gaps(scenario: &Scenario, reason: &str, transition: &str) -> Outcome<usize> {
    let wanted = |event: &&serde_json::Value| {
        let gap = &event["data"]["gap"];
        event["type"] == "slo.data.gap" && gap["reason"] == reason && gap["transition"] == transition
    };
    Ok(scenario.events()?.iter().filter(wanted).count())
}

/// Two batches of lines for the two lives of a topic; the second is the longer one in every partition.
fn two_lives(seed: u64) -> (Lines, Lines) {
    let mut first = recent_lines(seed, 6_000, 300, PARTITIONS);
    let second = first.split_off(2_000);
    (first, second)
}

/// Made anew while nobody ran, and longer than the position: only the id tells.
pub(crate) fn across_a_restart() -> Outcome {
    let scenario = Scenario::new("anew", brisk())?;
    let (first, second) = two_lives(43);
    let mut truth = scenario.truth();
    scenario.client.produce(&scenario.topic, &first)?;
    add(&mut truth, &first);
    scenario.drain()?;
    scenario.client.recreate_topic(&scenario.topic, PARTITIONS)?;
    scenario.client.produce(&scenario.topic, &second)?;
    let mut process = scenario.run(&["--until-end", "--close"], &[])?;
    let status = process.wait(PATIENCE)?;
    let said = process.said();
    assert!(!status.success(), "what was not read is no success:\n{said}");
    says(&scenario, &said, "the topic was deleted and made anew");
    assert!(said.contains("not read to their end"), "{said}");
    scenario.check(&truth)?;
    assert_eq!(gaps(&scenario, "stopped", "began")?, PARTITIONS as usize);
    add(&mut truth, &second);
    repair(&scenario)?;
    scenario.check(&truth)?;
    assert_eq!(gaps(&scenario, "stopped", "ended")?, PARTITIONS as usize);
    assert_eq!(gaps(&scenario, "recreated", "lost")?, PARTITIONS as usize);
    // Repaired for good: the journal knows the new id.
    scenario.drain()?;
    scenario.check(&truth)
}

/// Made anew under a running process, exactly as long as the position: no offset is out of range, no line
/// comes, and only the id tells.
pub(crate) fn while_running() -> Outcome {
    let scenario = Scenario::new("anew-live", Options { idle_timeout: "2s", ..brisk() })?;
    let (first, second) = two_lives(44);
    let mut truth = scenario.truth();
    scenario.client.produce(&scenario.topic, &first)?;
    add(&mut truth, &first);
    let mut process = scenario.run(&[], &[])?;
    eventually("every line is cut", PATIENCE, || Ok(scenario.check(&truth).ok()))?;
    // It must not see the topic while it is shorter.
    process.signal("STOP")?;
    scenario.client.recreate_topic(&scenario.topic, PARTITIONS)?;
    let mut again: Lines = Vec::new();
    for partition in 0..PARTITIONS {
        let length = first.iter().filter(|(p, _)| *p == partition).count();
        again.extend(second.iter().filter(|(p, _)| *p == partition).take(length).cloned());
    }
    scenario.client.produce(&scenario.topic, &again)?;
    process.signal("CONT")?;
    eventually("the partitions stop", PATIENCE, || {
        assert!(process.ended()?.is_none(), "ended:\n{}", process.said());
        Ok((gaps(&scenario, "stopped", "began")? == PARTITIONS as usize).then_some(()))
    })?;
    says(&scenario, &process.said(), "the topic was deleted and made anew");
    process.signal("TERM")?;
    assert!(process.wait(PATIENCE)?.success(), "SIGTERM is a graceful end:\n{}", process.said());
    scenario.check(&truth)?;
    add(&mut truth, &again);
    repair(&scenario)?;
    scenario.check(&truth)
}

/// Made anew and shorter than the position: the same words and the same way out.
pub(crate) fn shorter() -> Outcome {
    let scenario = Scenario::new("anew-short", brisk())?;
    let (first, second) = two_lives(45);
    let mut truth = scenario.truth();
    scenario.client.produce(&scenario.topic, &second)?;
    add(&mut truth, &second);
    scenario.drain()?;
    scenario.client.recreate_topic(&scenario.topic, PARTITIONS)?;
    scenario.client.produce(&scenario.topic, &first)?;
    let mut process = scenario.run(&["--until-end", "--close"], &[])?;
    assert!(!process.wait(PATIENCE)?.success(), "what was not read is no success:\n{}", process.said());
    says(&scenario, &process.said(), "the topic was deleted and made anew");
    scenario.check(&truth)?;
    add(&mut truth, &first);
    repair(&scenario)?;
    scenario.check(&truth)
}
