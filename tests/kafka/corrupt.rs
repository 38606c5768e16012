//! A batch that the broker's disk has spoiled: its checksum says so, and no strange line is counted.

use crate::fixture::scenario::{PATIENCE, recent_lines};
use crate::fixture::tables::integer;
use crate::fixture::{Cluster, Options, Outcome, Scenario};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a batch before its records.
const HEADER_BYTES: usize = 61;

/// Flips a bit of a batch that begins at the offset or later and is not the last; returns its offsets: the first,
/// and one past the last.
fn spoil(segment: &Path, from: i64) -> Outcome<(i64, i64)> {
    let bytes = fs::read(segment)?;
    let long = |at: usize| bytes[at..at + 8].try_into().map(i64::from_be_bytes);
    let int = |at: usize| bytes[at..at + 4].try_into().map(i32::from_be_bytes);
    let mut at = 0;
    while at + HEADER_BYTES < bytes.len() {
        let (first, length) = (long(at)?, usize::try_from(int(at + 8)?)?);
        let next = at + 12 + length;
        if first >= from && next + HEADER_BYTES < bytes.len() {
            let spot = at + HEADER_BYTES + (length + 12 - HEADER_BYTES) / 2;
            File::options().write(true).open(segment)?.write_all_at(&[bytes[spot] ^ 1], spot as u64)?;
            return Ok((first, first + i64::from(int(at + 23)?) + 1));
        }
        at = next;
    }
    Err("no such batch".into())
}

/// The partition stops there, the others are read; told to go on behind it, the rest is right and the hole is said.
pub(crate) fn batch_on_the_brokers_disk() -> Outcome {
    let cluster = Cluster::start(1)?;
    let options = Options {
        bootstrap: Some(cluster.bootstrap()),
        slice_s: 10,
        cut_s: 10,
        lateness: "5s",
        partitions: 2,
        ..Options::default()
    };
    let scenario = Scenario::new("corrupt", options)?;
    let lines = recent_lines(49, 6_000, 300, 2);
    for piece in lines.chunks(1_000) {
        scenario.client.produce(&scenario.topic, piece)?;
    }
    let (first, next) = spoil(&cluster.segment(0, &scenario.topic, 0), 1_200)?;
    let (mut before, mut all, mut offset) = (scenario.truth(), scenario.truth(), 0);
    for (partition, line) in &lines {
        let mine = *partition == 0;
        if !mine || offset < first {
            before.add(line);
        }
        if !mine || !(first..next).contains(&offset) {
            all.add(line);
        }
        offset += i64::from(mine);
    }
    let mut process = scenario.run(&["--until-end", "--close"], &[])?;
    let (status, said) = (process.wait(PATIENCE)?, process.said());
    assert!(!status.success(), "what was not read is no success:\n{said}");
    let place = format!("{}/0", scenario.topic);
    for part in
        [format!("{place}: the batch at offset {first} cannot be read"), format!("--restart-at {place}=")]
    {
        assert!(said.contains(&part), "does not say `{part}`:\n{said}");
    }
    scenario.check(&before)?;
    let behind = format!("{place}={next}");
    let repaired = scenario.run(&["--until-end", "--close", "--restart-at", &behind], &[])?;
    repaired.succeed(PATIENCE)?;
    scenario.check(&all)?;
    let rows = scenario.rows("quality", "SELECT sum(gap_offsets)::BIGINT AS lost FROM {table}")?;
    assert_eq!(integer(rows.first().ok_or("no row of quality")?, "lost")?, next - first);
    Ok(())
}
