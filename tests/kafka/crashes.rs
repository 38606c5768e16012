//! Crashes: killed at random moments and at every named point of a commit, nothing is lost or twice.

use crate::fixture::process::Process;
use crate::fixture::scenario::{PATIENCE, Scenario, recent_lines};
use crate::fixture::{Options, Outcome, Truth, eventually};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Slices of 10 s, so that every second of the test closes and cuts some.
fn brisk() -> Options {
    Options { slice_s: 10, cut_s: 10, lateness: "5s", ..Options::default() }
}

fn truth_of(scenario: &Scenario, lines: &[(i32, Vec<u8>)]) -> Truth {
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    truth
}

/// SIGKILL at random moments while traffic flows, `NINETAIL_TEST_KILLS` times (30).
pub(crate) fn kill_loop() -> Outcome {
    killed(&Scenario::new("kills", brisk())?)
}

/// The same with events in a file.
pub(crate) fn kill_loop_with_an_event_file() -> Outcome {
    killed(&Scenario::new("kills-file", Options { events_file: true, ..brisk() })?)
}

fn killed(scenario: &Scenario) -> Outcome {
    let kills: u32 = match std::env::var("NINETAIL_TEST_KILLS") {
        Ok(count) => count.parse()?,
        Err(_) => 30,
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = match std::env::var("NINETAIL_TEST_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => since.as_nanos() as u64,
    };
    let lines = recent_lines(seed, 1_000 * kills as usize, 40 * u64::from(kills), 4);
    let truth = truth_of(scenario, &lines);
    let feed = scenario.client.feed(&scenario.topic)?;
    let (round, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let outcome: Outcome = std::thread::scope(|scope| {
        // Lines go on coming while ninetail is up and while it is down: a thousand for every round.
        let feeder = scope.spawn(|| -> Outcome {
            for (sent, piece) in lines.chunks(100).enumerate() {
                let ahead = || sent as u32 >= 10 * (round.load(Ordering::Relaxed) + 1);
                while ahead() && !stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                feed.send(piece)?;
                std::thread::sleep(Duration::from_millis(if stop.load(Ordering::Relaxed) { 0 } else { 60 }));
            }
            Ok(())
        });
        let mut random = seed;
        let result = (0..kills).try_for_each(|number| {
            round.store(number, Ordering::Relaxed);
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Two in three are hit while they publish, the third wherever it is after its start.
            killed_once(scenario, number % 3 != 2, Duration::from_millis((random >> 33) % 1_000))
        });
        stop.store(true, Ordering::Relaxed);
        let fed = feeder.join().map_err(|_| "the feeder panicked")?;
        result.and(fed)
    });
    outcome?;
    assert!(scenario.files()? > 0, "no file before the last run: the kills hit nothing");
    scenario.drain()?;
    let checked = scenario.check(&truth);
    checked.map_err(|error| format!("seed {seed}: {}", error.message().unwrap_or_default()).into())
}

/// Starts ninetail and kills it so long after its start, or after it has published a file.
fn killed_once(scenario: &Scenario, publishing: bool, moment: Duration) -> Outcome {
    let files = scenario.files()?;
    let mut process = scenario.run(&[], &[])?;
    let runs = |process: &mut Process| match process.ended()? {
        Some(status) => Err(format!("ended by itself: {status}\n{}", process.said()).into()),
        None => Outcome::Ok(()),
    };
    if publishing {
        eventually("a file", PATIENCE, || {
            runs(&mut process)?;
            Ok((scenario.files()? > files).then_some(()))
        })?;
    }
    std::thread::sleep(moment);
    runs(&mut process)?;
    process.kill()
}

/// Stops at a named point, the first time and a later time that it is passed, and restarts.
pub(crate) fn at(point: &str) -> Outcome {
    // Idle soon, so that cuts go on by the clock when the lines are read.
    let options = Options { idle_timeout: "2s", ..brisk() };
    let scenario = Scenario::new(&format!("at-{}", point.replace('.', "-")), options)?;
    let lines = recent_lines(5, 6_000, 300, 4);
    let mut truth = scenario.truth();
    // In two pieces, so that the second crash falls into a journal with a past.
    for (piece, nth) in lines.chunks(3_000).zip([1, 2]) {
        scenario.client.produce(&scenario.topic, piece)?;
        piece.iter().for_each(|(_, line)| truth.add(line));
        crash(&scenario, point, nth, &[])?;
        scenario.drain()?;
        scenario.check(&truth)?;
    }
    Ok(())
}

/// Runs until the n-th passing of the point, which must come.
fn crash(scenario: &Scenario, point: &str, nth: u32, environment: &[(&str, &str)]) -> Outcome {
    let armed = format!("{point}:{nth}");
    let mut environment = environment.to_vec();
    environment.push(("NINETAIL_TEST_CRASH_AT", &armed));
    let mut process = scenario.run(&[], &environment)?;
    let status = process.wait(PATIENCE)?;
    let said = process.said();
    if status.success() || !said.contains(&format!("crash point {point}")) {
        return Err(format!("did not stop at {armed}: {status}\n{said}").into());
    }
    Ok(())
}

/// The check can fail: with the snapshot written before the outputs, a crash between them loses some.
pub(crate) fn wrong_order_is_found() -> Outcome {
    let scenario = Scenario::new("wrong-order", brisk())?;
    let lines = recent_lines(6, 6_000, 300, 4);
    scenario.client.produce(&scenario.topic, &lines)?;
    let broken = [("NINETAIL_TEST_BREAK", "snapshot_first")];
    for point in ["parquet.before", "events.before", "parquet.before"] {
        // The last ones may not be reached any more: what was to be written is already lost.
        let mut process = scenario.run(&[], &[broken[0], ("NINETAIL_TEST_CRASH_AT", point)])?;
        let ended = eventually("the crash", Duration::from_secs(20), || process.ended());
        if ended.is_err() {
            process.kill()?;
        }
    }
    scenario.drain()?;
    match scenario.check(&truth_of(&scenario, &lines)) {
        Err(_) => Ok(()),
        Ok(()) => Err("the order of commits was broken, and the check found nothing".into()),
    }
}
