//! The truth check: every cell of the rows equals what the raw lines say, from the stream and from archives.

use crate::fixture::process::Process;
use crate::fixture::scenario::{PATIENCE, recent_lines};
use crate::fixture::{Options, Outcome, Scenario, Truth};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

fn truth_of<'a>(slice_s: i64, lines: impl IntoIterator<Item = &'a (i32, Vec<u8>)>) -> Truth {
    let mut truth = Truth::new(slice_s);
    lines.into_iter().for_each(|(_, line)| truth.add(line));
    truth
}

/// One run over a topic that was filled before.
pub(crate) fn stream() -> Outcome {
    let scenario = Scenario::new("stream", Options::default())?;
    let lines = recent_lines(1, 20_000, 1_200, 4);
    scenario.client.produce(&scenario.topic, &lines)?;
    scenario.drain()?;
    scenario.check_punctual(&truth_of(60, &lines))?;
    // A run with nothing new adds nothing.
    let files = scenario.files()?;
    scenario.drain()?;
    assert_eq!(scenario.files()?, files, "files after a run without new lines");
    scenario.check_punctual(&truth_of(60, &lines))
}

/// Runs that each see a piece, so that slices closed by one get corrections from the next.
pub(crate) fn stream_in_pieces() -> Outcome {
    let scenario = Scenario::new("pieces", Options { slice_s: 10, cut_s: 10, ..Options::default() })?;
    let lines = recent_lines(2, 8_000, 600, 4);
    let mut truth = scenario.truth();
    for piece in lines.chunks(1_300) {
        scenario.client.produce(&scenario.topic, piece)?;
        piece.iter().for_each(|(_, line)| truth.add(line));
        scenario.drain()?;
        scenario.check(&truth)?;
    }
    let revised = scenario.rows("requests", "SELECT service FROM {table} WHERE revision > 0 LIMIT 1")?;
    assert!(!revised.is_empty(), "no correction: the pieces did not overlap, and the test shows nothing");
    // every slice is a cut, and what it tells goes with its number: one transaction each
    let (cuts, events) = (scenario.published_cuts()?, scenario.events()?.len());
    assert!(cuts.len() > 10 && events > cuts.len(), "{} cuts and {events} events show nothing", cuts.len());
    assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]), "a cut in two transactions: {cuts:?}");
    Ok(())
}

/// The same lines as plain, gzip and zstd archives give the same cells.
pub(crate) fn backfill_equals_stream() -> Outcome {
    let scenario = Scenario::new("archives", Options::default())?;
    let lines = recent_lines(3, 20_000, 1_200, 4);
    let input = scenario.path("input");
    fs::create_dir(&input)?;
    for (index, piece) in lines.chunks(3_500).enumerate() {
        archive(&input, index, piece)?;
    }
    let (pipeline, out) = (scenario.pipeline(), scenario.path("out"));
    let arguments =
        [Path::new("backfill"), &pipeline, Path::new("--input"), &input, Path::new("--out"), &out];
    Process::start(arguments, &[], &scenario.path("log"))?.succeed(PATIENCE)?;
    let truth = truth_of(60, &lines);
    truth.compare_rows(&out.join("rollups"))?;
    // It never touches the pipeline's own places, and refuses a folder that holds a journal.
    assert!(!scenario.path("state").exists() && !scenario.path("rollups").exists());
    let mut again = Process::start(arguments, &[], &scenario.path("log"))?;
    assert!(!again.wait(PATIENCE)?.success(), "a second backfill into the same folder");
    truth.compare_rows(&out.join("rollups"))
}

/// Writes lines as an archive: of several members or frames where it is compressed.
fn archive(folder: &Path, index: usize, lines: &[(i32, Vec<u8>)]) -> Outcome {
    let halves = lines.chunks(lines.len().div_ceil(2));
    let text = |half: &[(i32, Vec<u8>)]| {
        half.iter().flat_map(|(_, line)| [line, &b"\n"[..]].concat()).collect::<Vec<u8>>()
    };
    let mut bytes = Vec::new();
    let extension = ["log", "log.gz", "log.zst"][index % 3];
    for half in halves.map(text) {
        match index % 3 {
            0 => bytes.extend(half),
            1 => {
                let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                member.write_all(&half)?;
                bytes.extend(member.finish()?);
            }
            _ => bytes.extend(zstd::encode_all(&half[..], 1)?),
        }
    }
    Ok(File::create(folder.join(format!("part-{index:02}.{extension}")))?.write_all(&bytes)?)
}

/// The file sink: the same check, and a torn last line is cut.
pub(crate) fn events_in_a_file() -> Outcome {
    let options = Options { slice_s: 10, cut_s: 10, events_file: true, ..Options::default() };
    let scenario = Scenario::new("event-file", options)?;
    let lines = recent_lines(4, 8_000, 600, 4);
    let mut truth = scenario.truth();
    for (index, piece) in lines.chunks(3_000).enumerate() {
        scenario.client.produce(&scenario.topic, piece)?;
        piece.iter().for_each(|(_, line)| truth.add(line));
        scenario.drain()?;
        scenario.check(&truth)?;
        let mut file = File::options().append(true).open(scenario.path("events.jsonl"))?;
        if index == 0 {
            file.write_all(b"{\"specversion\":\"1.0\",\"id\":\"torn")?;
        }
    }
    assert!(!scenario.events()?.is_empty(), "no event at all: the test shows nothing");
    Ok(())
}
