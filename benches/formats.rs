//! How fast each format is read, on one core: GB and lines a second, beside a newline scan of the same bytes; JSON beside a typed
//! read of the same fields by serde_json that borrows; and what lines cost a byte that a client has made as nasty as it can.
//!
//! All that is compared is measured in turns, and the best turn of each counts: another load on the machine slows all of
//! it. With `--floors` it fails where one is missed. A word picks the formats that have it in their name.

#[path = "formats/lines.rs"]
mod lines;
#[path = "formats/typed.rs"]
mod typed;

use lines::{Sample, samples};
use ninetail::core::format::{Parsed, Parser, reads_json};
use ninetail::core::record::{Field, Fields, Labels, Record};
use ninetail::core::settings::Format;
use ninetail::core::time::Time;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

/// Turns of which the best counts.
const TURNS: usize = 15;
/// What pipelines mostly look at, beside the numbers that are always read.
const USUAL: Fields = Fields::of(&[Field::Host, Field::Path, Field::Upstream, Field::TargetGroup]);
/// What columns of text must reach, GB a second.
const TEXT_FLOOR: f64 = 1.0;
/// What JSON must reach, times a typed read.
const JSON_FLOOR: f64 = 1.8;
/// What a hostile byte may cost at most, times a usual one.
const HOSTILE_CEILING: f64 = 1.3;

/// Reads every line; returns how many were records.
fn read(parser: &mut Parser, log: &[u8], wanted: Fields) -> usize {
    let (mut rest, mut records) = (log, 0);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let mut record = Record::at(Time::default());
        let parsed = parser.parse(&rest[..end], wanted, &mut record);
        records += usize::from(matches!(parsed, Ok(Parsed::Record | Parsed::Counters)));
        black_box(&record);
        rest = &rest[end + 1..];
    }
    records
}

/// Reads a log in some way, and counts what it has read.
type Task<'t> = Box<dyn FnMut() -> usize + 't>;

/// Seconds that each takes at best.
fn best(mut tasks: Vec<Task<'_>>) -> Vec<f64> {
    let mut best = vec![f64::MAX; tasks.len()];
    for _ in 0..TURNS {
        for (task, best) in tasks.iter_mut().zip(&mut best) {
            let start = Instant::now();
            black_box(task());
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    best
}

fn lines_of(log: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', log).count()
}

/// Prints a line of the table; what is missed is said.
fn measure(sample: &Sample, missed: &mut Vec<String>) {
    let Sample { name, input, .. } = sample;
    let parser = || Parser::new(input, &Labels::default()).expect("a parser");
    let log = sample.log();
    let hostile = sample.hostile();
    for log in hostile.iter().map(|(_, log)| log).chain([&log]) {
        let mut parser = parser();
        for line in log.split(|b| *b == b'\n').filter(|line| !line.is_empty()).take(3) {
            let mut record = Record::at(Time::default());
            let parsed = parser.parse(line, Fields::ALL, &mut record);
            assert!(
                matches!(parsed, Ok(Parsed::Record | Parsed::Counters)),
                "{name}: {parsed:?}: {}",
                line.escape_ascii()
            );
        }
        assert_eq!(read(&mut parser, log, Fields::ALL), lines_of(log), "{name}: every line is a record");
    }
    let log = &log[..];
    let reads = |log, wanted| -> Task<'_> {
        let mut parser = parser();
        Box::new(move || read(&mut parser, black_box(log), wanted))
    };
    let mut tasks: Vec<Task<'_>> = vec![
        Box::new(|| lines_of(black_box(log))),
        reads(log, Fields::NONE),
        reads(log, USUAL),
        reads(log, Fields::ALL),
    ];
    let typed = typed::reader(input.format).filter(|_| sample.json);
    if let Some(typed) = typed {
        assert_eq!(typed(log), lines_of(log), "{name}: every line is typed");
    }
    tasks.push(match typed {
        Some(typed) => Box::new(move || typed(black_box(log))),
        None => Box::new(|| 0),
    });
    tasks.extend(hostile.iter().map(|(_, log)| reads(log, USUAL)));
    let seconds = best(tasks);
    let [scan, numbers, usual, all, typed_read, ref nasty @ ..] = seconds[..] else {
        unreachable!("five and more")
    };
    let (bytes, count) = (log.len() as f64, lines_of(log) as f64);
    let gb = |seconds: f64| bytes / seconds / 1e9;
    let ratio = |((kind, log), seconds): (&(&'static str, Vec<u8>), &f64)| {
        (seconds / log.len() as f64 / (usual / bytes), *kind)
    };
    let worst = hostile.iter().zip(nasty).map(ratio).fold((0.0, "-"), |a, b| if b.0 > a.0 { b } else { a });
    let times_typed = typed.map(|_| typed_read / usual);
    println!(
        "{name:<20}{:>7.0}{:>9.2}{:>9.2}{:>9.2}{:>10.2}{:>10.1}{:>9}{:>9.2}  {}",
        bytes / count,
        gb(numbers),
        gb(usual),
        gb(all),
        count / usual / 1e6,
        usual / scan,
        times_typed.map_or("-".into(), |times| format!("{times:.2}")),
        worst.0,
        worst.1,
    );
    // The regular expression's and the counters' speed is what it is.
    let free = matches!(input.format, Format::Regex | Format::External);
    if !sample.json && !free && gb(usual) < TEXT_FLOOR {
        missed.push(format!("{name}: {:.2} GB/s, less than {TEXT_FLOOR}", gb(usual)));
    }
    if let Some(times) = times_typed.filter(|times| *times < JSON_FLOOR) {
        missed.push(format!("{name}: {times:.2} times a typed read, less than {JSON_FLOOR}"));
    }
    if !free && worst.0 > HOSTILE_CEILING {
        missed.push(format!(
            "{name}: {} cost {:.2} times as much a byte, more than {HOSTILE_CEILING}",
            worst.1, worst.0
        ));
    }
    debug_assert!(!sample.json || reads_json(input.format));
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let floors = arguments.iter().any(|a| a == "--floors");
    let words: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    println!(
        "{:<20}{:>7}{:>9}{:>9}{:>9}{:>10}{:>10}{:>9}{:>9}",
        "", "bytes", "GB/s", "GB/s", "GB/s", "M lines/s", "times", "times", "hostile"
    );
    println!(
        "{:<20}{:>7}{:>9}{:>9}{:>9}{:>10}{:>10}{:>9}{:>9}",
        "format", "a line", "numbers", "usual", "all", "usual", "newlines", "typed", "a byte"
    );
    let mut missed = Vec::new();
    for sample in
        samples().iter().filter(|s| words.is_empty() || words.iter().any(|w| s.name.contains(&***w)))
    {
        measure(sample, &mut missed);
    }
    missed.iter().for_each(|missed| println!("{missed}"));
    if floors && !missed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
