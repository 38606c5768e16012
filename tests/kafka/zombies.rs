//! A process that sleeps through its own replacement (SIGSTOP: a paused virtual machine, a long swap) and wakes.
//! It must not publish beside whoever took over.

use crate::fixture::scenario::{PATIENCE, recent_lines};
use crate::fixture::{Options, Outcome, Scenario, eventually};

fn brisk() -> Options {
    Options { slice_s: 10, cut_s: 10, lateness: "5s", idle_timeout: "2s", ..Options::default() }
}

/// A sleeper still holds its state folder: nobody else starts there, and it goes on as if nothing had been.
pub(crate) fn asleep_beside_its_state() -> Outcome {
    let scenario = Scenario::new("asleep", brisk())?;
    let lines = recent_lines(47, 4_000, 300, 4);
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    let mut sleeper = scenario.run(&[], &[])?;
    scenario.goes_on(&mut sleeper)?;
    sleeper.signal("STOP")?;
    let mut second = scenario.run(&[], &[])?;
    assert!(!second.wait(PATIENCE)?.success(), "not refused:\n{}", second.said());
    assert!(second.said().contains("in use"), "{}", second.said());
    scenario.client.produce(&scenario.topic, &lines[2_000..])?;
    sleeper.signal("CONT")?;
    scenario.goes_on(&mut sleeper)?;
    sleeper.signal("TERM")?;
    assert!(sleeper.wait(PATIENCE)?.success(), "SIGTERM is a graceful end:\n{}", sleeper.said());
    scenario.drain()?;
    scenario.check(&truth)
}

/// On another host a copy of the state takes over while the first sleeps: it fences the sleeper, which ends with
/// a clear error when it wakes and publishes nothing more.
pub(crate) fn fenced_by_a_copy() -> Outcome {
    let scenario = Scenario::new("fenced", brisk())?;
    let lines = recent_lines(48, 8_000, 300, 4);
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    let mut sleeper = scenario.run(&[], &[])?;
    scenario.goes_on(&mut sleeper)?;
    sleeper.signal("STOP")?;
    scenario.copy("state", "copy")?;
    scenario.client.produce(&scenario.topic, &lines[2_000..4_000])?;
    let mut heir = scenario.run_on("copy", &[])?;
    scenario.goes_on(&mut heir)?;
    sleeper.signal("CONT")?;
    scenario.client.produce(&scenario.topic, &lines[4_000..6_000])?;
    let status = eventually("the sleeper ends", PATIENCE, || sleeper.ended())?;
    assert!(!status.success(), "an end for a reason:\n{}", sleeper.said());
    assert!(sleeper.said().contains("another process took over"), "{}", sleeper.said());
    scenario.client.produce(&scenario.topic, &lines[6_000..])?;
    scenario.goes_on(&mut heir)?;
    // Started again by a supervisor, on a state that others have gone beyond, it is refused and fences nobody.
    let mut again = scenario.run_on("state", &[])?;
    assert!(!again.wait(PATIENCE)?.success(), "not refused:\n{}", again.said());
    assert!(again.said().contains("journal"), "{}", again.said());
    assert!(heir.ended()?.is_none(), "ended:\n{}", heir.said());
    heir.signal("TERM")?;
    assert!(heir.wait(PATIENCE)?.success(), "SIGTERM is a graceful end:\n{}", heir.said());
    scenario.run_on("copy", &["--until-end", "--close"])?.succeed(PATIENCE)?;
    scenario.check(&truth)
}
