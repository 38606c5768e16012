//! What a topic may do: offsets moved behind our back, transactions, holes, silence, new partitions.

use crate::fixture::scenario::{PATIENCE, recent_lines};
use crate::fixture::tables::integer;
use crate::fixture::{Lines, Options, Outcome, Scenario, Truth, eventually};

fn brisk() -> Options {
    Options { slice_s: 10, cut_s: 10, lateness: "5s", ..Options::default() }
}

fn add(truth: &mut Truth, lines: &[(i32, Vec<u8>)]) {
    lines.iter().for_each(|(_, line)| truth.add(line));
}

/// Group offsets are a hint for others: set back or ahead, they move nothing.
pub(crate) fn group_offsets_reset() -> Outcome {
    let scenario = Scenario::new("group", brisk())?;
    let lines = recent_lines(11, 6_000, 300, 4);
    let mut truth = scenario.truth();
    for (piece, offset) in lines.chunks(2_000).zip([0, 100_000, 1]) {
        scenario.client.produce(&scenario.topic, piece)?;
        add(&mut truth, piece);
        scenario.drain()?;
        scenario.check(&truth)?;
        scenario.client.commit_group(&scenario.name, &scenario.topic, 4, offset)?;
    }
    scenario.drain()?;
    scenario.check(&truth)
}

/// Aborted records do not count; markers and aborted ends hold nothing up.
pub(crate) fn transactions_with_aborts() -> Outcome {
    let scenario = Scenario::new("aborts", brisk())?;
    let lines = recent_lines(12, 6_000, 300, 4);
    let mut truth = scenario.truth();
    let pieces: Vec<(bool, Lines)> =
        lines.chunks(500).enumerate().map(|(n, piece)| (n % 3 != 2, piece.to_vec())).collect();
    assert!(
        pieces.last().is_some_and(|(commit, _)| !commit),
        "the topic is to end with an aborted transaction"
    );
    for (index, half) in pieces.chunks(6).enumerate() {
        scenario.client.transactions(&scenario.topic, &format!("{}-{index}", scenario.name), half)?;
        half.iter().filter(|(commit, _)| *commit).for_each(|(_, piece)| add(&mut truth, piece));
        scenario.drain()?;
        scenario.check(&truth)?;
    }
    Ok(())
}

/// An open transaction at the end holds nothing up and is not counted; its lines are once it is committed.
pub(crate) fn open_transaction() -> Outcome {
    let scenario = Scenario::new("open", brisk())?;
    let lines = recent_lines(46, 6_000, 300, 4);
    let mut truth = scenario.truth();
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    add(&mut truth, &lines[..2_000]);
    let open = lines[2_000..4_000].to_vec();
    let transaction = scenario.client.open_transaction(&scenario.topic, &scenario.name, &open)?;
    scenario.drain()?;
    scenario.check(&truth)?;
    // Nobody may read past it, and that is no reason to wait.
    scenario.client.produce(&scenario.topic, &lines[4_000..])?;
    scenario.drain()?;
    scenario.check(&truth)?;
    transaction.commit()?;
    add(&mut truth, &lines[2_000..]);
    scenario.drain()?;
    scenario.check(&truth)
}

/// Records that retention took before they were read: a declared gap, never a hang, and the rest is right.
pub(crate) fn retention_hole() -> Outcome {
    let scenario = Scenario::new("hole", Options { partitions: 2, ..brisk() })?;
    let lines = recent_lines(13, 6_000, 600, 2);
    let mut truth = scenario.truth();
    scenario.client.produce(&scenario.topic, &lines[..2_000])?;
    add(&mut truth, &lines[..2_000]);
    scenario.drain()?;
    let (_, end) = scenario.client.watermarks(&scenario.topic, 0)?;
    scenario.client.produce(&scenario.topic, &lines[2_000..])?;
    let lost = 700;
    scenario.client.delete_records(&scenario.topic, 0, end + lost)?;
    let (mut skipped, mut seen) = (0, 0);
    for (partition, line) in &lines[2_000..] {
        seen += i64::from(*partition == 0);
        if *partition == 0 && seen <= lost { skipped += 1 } else { truth.add(line) }
    }
    assert_eq!(skipped, lost);
    scenario.drain()?;
    scenario.check(&truth)?;
    let rows = scenario.rows(
        "quality",
        "SELECT sum(gap_offsets)::BIGINT AS lost, count(*) FILTER (NOT complete)::BIGINT AS incomplete FROM {table}
         WHERE partition = 0",
    )?;
    let row = rows.first().ok_or("no row of quality")?;
    assert_eq!(integer(row, "lost")?, lost, "gap_offsets");
    assert!(integer(row, "incomplete")? > 0, "a hole leaves slices incomplete");
    let subject = format!("source/alb/{}/0", scenario.topic);
    let gap =
        |event: &serde_json::Value| event["type"] == "slo.data.gap" && event["subject"] == subject.as_str();
    assert_eq!(
        scenario.events()?.iter().filter(|event| gap(event)).count(),
        1,
        "one slo.data.gap of {subject}"
    );
    Ok(())
}

/// A partition without traffic is idle and holds nothing up: rows come while the process runs.
pub(crate) fn silent_partition() -> Outcome {
    let scenario = Scenario::new("silent", Options { idle_timeout: "2s", ..brisk() })?;
    let mut lines = recent_lines(14, 4_000, 300, 4);
    lines.iter_mut().filter(|(partition, _)| *partition == 3).for_each(|(partition, _)| *partition = 0);
    let mut truth = scenario.truth();
    add(&mut truth, &lines);
    scenario.client.produce(&scenario.topic, &lines)?;
    let mut process = scenario.run(&[], &[])?;
    let cell = "SELECT count(DISTINCT slice_start)::BIGINT AS slices FROM {table}";
    eventually("rows of 20 slices beside a silent partition", PATIENCE, || {
        let rows = scenario.rows("requests", cell)?;
        Ok(rows.first().map(|row| integer(row, "slices")).transpose()?.filter(|slices| *slices >= 20))
    })?;
    process.signal("TERM")?;
    process.wait(PATIENCE)?;
    scenario.drain()?;
    scenario.check(&truth)
}

/// When all partitions have fallen silent the clock closes the last slices.
pub(crate) fn all_silent() -> Outcome {
    let scenario = Scenario::new("all-silent", Options { idle_timeout: "2s", ..brisk() })?;
    let lines = recent_lines(15, 2_000, 120, 4);
    let mut truth = scenario.truth();
    add(&mut truth, &lines);
    scenario.client.produce(&scenario.topic, &lines)?;
    let mut process = scenario.run(&[], &[])?;
    eventually("every request in a row, without the end of the process", PATIENCE, || {
        let rows = scenario.rows("requests", "SELECT sum(requests)::BIGINT AS requests FROM {table}")?;
        let sum = rows.first().map(|row| integer(row, "requests")).transpose()?;
        Ok(sum.filter(|sum| *sum == truth.requests()))
    })?;
    process.signal("TERM")?;
    assert!(process.wait(PATIENCE)?.success(), "SIGTERM is a graceful end:\n{}", process.said());
    scenario.check(&truth)
}

/// Partitions that are added while ninetail runs are found and read from their first record.
pub(crate) fn new_partitions() -> Outcome {
    let scenario = Scenario::new("grown", Options { partitions: 2, idle_timeout: "2s", ..brisk() })?;
    let lines = recent_lines(16, 4_000, 300, 4);
    let mut truth = scenario.truth();
    add(&mut truth, &lines);
    let (old, new): (Lines, Lines) = lines.into_iter().partition(|(partition, _)| *partition < 2);
    scenario.client.produce(&scenario.topic, &old)?;
    let mut process = scenario.run(&[], &[])?;
    scenario.goes_on(&mut process)?;
    scenario.client.grow_topic(&scenario.topic, 4)?;
    scenario.client.produce(&scenario.topic, &new)?;
    eventually("every request in a row", PATIENCE, || {
        let rows = scenario.rows("requests", "SELECT sum(requests)::BIGINT AS requests FROM {table}")?;
        let sum = rows.first().map(|row| integer(row, "requests")).transpose()?;
        Ok(sum.filter(|sum| *sum == truth.requests()))
    })?;
    process.signal("TERM")?;
    process.wait(PATIENCE)?;
    scenario.check(&truth)
}

/// A partition that is far ahead of another loses nothing while the other follows.
pub(crate) fn far_ahead() -> Outcome {
    let scenario = Scenario::new("ahead", Options { partitions: 2, idle_timeout: "300s", ..brisk() })?;
    let lines = recent_lines(22, 6_000, 900, 2);
    let mut truth = scenario.truth();
    add(&mut truth, &lines);
    let (ahead, behind): (Lines, Lines) = lines.into_iter().partition(|(partition, _)| *partition == 0);
    let (first, last) = ahead.split_at(ahead.len() * 2 / 3);
    scenario.client.produce(&scenario.topic, first)?;
    scenario.client.produce(&scenario.topic, &behind[..100])?;
    let mut process = scenario.run(&[], &[])?;
    let seen = || -> Outcome<i64> {
        let rows = scenario.rows("requests", "SELECT sum(requests)::BIGINT AS requests FROM {table}")?;
        Ok(rows.first().map(|row| integer(row, "requests")).transpose()?.unwrap_or(0))
    };
    eventually("the first rows", PATIENCE, || Ok((seen()? > 0).then_some(())))?;
    let before = seen()?;
    scenario.client.produce(&scenario.topic, last)?;
    scenario.client.produce(&scenario.topic, &behind[100..])?;
    eventually("rows of what waited for the other", PATIENCE, || Ok((seen()? > before).then_some(())))?;
    process.signal("TERM")?;
    process.wait(PATIENCE)?;
    scenario.drain()?;
    scenario.check(&truth)
}

/// Lines in parts, as a container's runtime splits them: the process dies between the parts of a line, and each line counts
/// once.
pub(crate) fn lines_in_parts_and_kills() -> Outcome {
    let scenario = Scenario::new("parts", Options { idle_timeout: "2s", ..brisk() })?;
    let lines = recent_lines(31, 6_000, 300, 4);
    let mut truth = scenario.truth();
    add(&mut truth, &lines);
    let mut parts: Lines = Vec::new();
    for (number, (partition, line)) in lines.iter().enumerate() {
        let pieces: Vec<&[u8]> = line.chunks(60 + number * 37 % 500).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let tag = if at + 1 < pieces.len() { "P" } else { "F" };
            let header = format!("2025-12-31T17:37:40.493035218+01:00 stdout {tag} ");
            parts.push((*partition, [header.as_bytes(), piece].concat()));
        }
    }
    // a step that is no multiple of anything: most pieces end inside a line, in every partition
    for (round, piece) in parts.chunks(parts.len() / 6 - 1).enumerate() {
        scenario.client.produce(&scenario.topic, piece)?;
        let mut process = scenario.run(&[], &[])?;
        std::thread::sleep(std::time::Duration::from_millis(900 + 450 * round as u64));
        if let Some(status) = process.ended()? {
            return Err(format!("ended by itself: {status}\n{}", process.said()).into());
        }
        process.kill()?;
    }
    scenario.drain()?;
    scenario.check(&truth)?;
    let rows = scenario.rows(
        "quality",
        "SELECT sum(lines)::BIGINT AS lines, sum(rejected)::BIGINT AS rejected, sum(skipped)::BIGINT AS skipped FROM {table}",
    )?;
    let row = rows.first().ok_or("no row of quality")?;
    assert_eq!(integer(row, "lines")?, lines.len() as i64, "a line is counted when its last part is there");
    assert_eq!((integer(row, "rejected")?, integer(row, "skipped")?), (0, 0));
    Ok(())
}
