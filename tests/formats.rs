//! Log formats from outside: the cases of `tests/formats/<format>/`, and each parser against a slow one.
//!
//! A case is a `.log` file and, beside it, a `.json` list with an object a line: the record as `explain`
//! prints it, where a field that is not listed must be null, `{"rejected": reason}`, or `{"skipped": true}`. Expectations are
//! written from the grammar, not from what the parser says.

#[path = "formats/allocations.rs"]
mod allocations;
#[path = "formats/aws_alb_slow.rs"]
mod aws_alb_slow;
#[path = "formats/aws_slow.rs"]
mod aws_slow;
#[path = "formats/common_log_slow.rs"]
mod common_log_slow;
#[path = "laws/counting.rs"]
mod counting;
#[path = "formats/declared.rs"]
mod declared;
#[path = "formats/declared_slow.rs"]
mod declared_slow;
#[path = "formats/envoy_slow.rs"]
mod envoy_slow;
#[path = "formats/json_lines.rs"]
mod json_lines;
#[path = "formats/json_slow.rs"]
mod json_slow;
#[path = "formats/mutation.rs"]
mod mutation;
#[path = "formats/servers.rs"]
mod servers;
#[path = "formats/servers_slow.rs"]
mod servers_slow;
#[path = "formats/slow_text.rs"]
mod slow_text;
#[path = "formats/w3c_slow.rs"]
mod w3c_slow;

use mutation::Mutation;
use ninetail::core::format::{ALL, Parsed, Parser, preset};
use ninetail::core::record::Value::{Absent, Boolean};
use ninetail::core::record::{Field, Fields, Labels, Reason, Record, to_json};
use ninetail::core::settings::{Format, Input, Layout};
use ninetail::core::time::Time;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// The line's record without nulls, or why there is none.
fn read(parser: &mut Parser, line: &[u8], wanted: Fields) -> Value {
    let mut record = Record::at(Time::Y2000);
    match parser.parse(line, wanted, &mut record) {
        Ok(Parsed::Record | Parsed::Counters) => {
            to_json(&record, Fields::ALL).as_object().map_or(Value::Null, without_nulls)
        }
        Ok(Parsed::Skipped) => json!({ "skipped": true }),
        Err(reason) => json!({ "rejected": reason.name() }),
    }
}

fn parser(input: &Input) -> Parser {
    Parser::new(input, &Labels::default()).unwrap_or_else(|e| panic!("{input:?}: {e}"))
}

fn without_nulls(object: &Map<String, Value>) -> Value {
    object.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// A file of lines, read one after another by one parser, and what must become of each.
struct Case {
    name: String,
    input: Input,
    lines: Vec<Vec<u8>>,
    expected: Vec<Value>,
}

/// All cases of a format. What the site declares lies in a `.layout.json` beside the lines.
fn cases(format: Format) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(preset(format).name);
    if !folder.exists() {
        return Vec::new();
    }
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("no cases in {}: {e}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect();
    paths.sort();
    let case = |path: &std::path::PathBuf| {
        let log = fs::read(path).expect("the lines");
        let lines = log.strip_suffix(b"\n").unwrap_or(&log).split(|b| *b == b'\n').map(<[u8]>::to_vec);
        let json = fs::read(path.with_extension("json")).expect("the expectations");
        let layout = fs::read(path.with_extension("layout.json")).map_or(Layout::Usual, |json| {
            serde_json::from_slice(&json).unwrap_or_else(|e| panic!("layout of {}: {e}", path.display()))
        });
        Case {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            input: Input { layout, ..format.into() },
            lines: lines.collect(),
            expected: serde_json::from_slice(&json).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
        }
    };
    paths.iter().map(case).collect()
}

#[test]
fn every_case_reads_as_its_json_says() {
    for &format in ALL {
        for case in cases(format) {
            let mut parser = parser(&case.input);
            let name = format!("{}/{}", preset(format).name, case.name);
            assert_eq!(case.lines.len(), case.expected.len(), "{name}: one object a line");
            for (i, (line, expected)) in case.lines.iter().zip(&case.expected).enumerate() {
                let place = format!("{name}, line {}: {}", i + 1, String::from_utf8_lossy(line));
                assert_eq!(sorted(&read(&mut parser, line, Fields::ALL)), sorted(expected), "{place}");
            }
        }
    }
}

/// One key a line, so that a failure shows what differs.
fn sorted(value: &Value) -> String {
    let Some(object) = value.as_object() else { return value.to_string() };
    let mut keys: Vec<String> = object.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    keys.sort();
    keys.join("\n")
}

#[test]
fn presets_list_every_field_they_fill() {
    for &format in ALL {
        let listed = preset(format).fields();
        for case in cases(format) {
            let mut parser = parser(&case.input);
            for line in &case.lines {
                let mut record = Record::at(Time::Y2000);
                if parser.parse(line, Fields::ALL, &mut record) != Ok(Parsed::Record) {
                    continue;
                }
                for &field in Field::ALL {
                    let there = !matches!(record.get(field), Absent | Boolean(false));
                    assert!(!there || listed.has(field), "{}: {}", case.name, field.name());
                }
            }
        }
    }
}

#[test]
fn aws_alb_agrees_with_the_slow_parser() {
    let slow = aws_alb_slow::Slow::new();
    let seeds: Vec<Vec<u8>> = cases(Format::AwsAlb).into_iter().flat_map(|case| case.lines).collect();
    let mut fast = parser(&Format::AwsAlb.into());
    let mut mutation = Mutation::seeded(7);
    for round in 0..30_000 {
        let line = if round < seeds.len() { seeds[round].clone() } else { mutation.of(&seeds) };
        let expected = slow.read(&line);
        let place = String::from_utf8_lossy(&line);
        assert_eq!(sorted(&read(&mut fast, &line, Fields::ALL)), sorted(&expected), "{place}");
        // Whatever is wanted, it is the same, and so is what is always there.
        let wanted: Fields = Field::ALL.iter().copied().filter(|_| mutation.below(4) == 0).collect();
        let some = read(&mut fast, &line, wanted);
        let always = ["rejected", "time", "status", "client_latency_us", "upstream_latency_us"];
        let always = always.iter().chain(&["bytes_received", "bytes_sent", "client_gone", "websocket"]);
        let names = wanted.iter().map(|field| match field.kind() {
            ninetail::core::record::Kind::Duration => format!("{}_us", field.name()),
            _ => field.name().to_owned(),
        });
        for key in names.chain(always.map(|key| (*key).to_owned())) {
            assert_eq!(some.get(&key), expected.get(&key), "{key} of {wanted:?}: {place}");
        }
    }
}

#[test]
fn a_rejected_line_keeps_only_its_time() {
    let line = b"https 2024-03-04T10:00:12.500000Z app/edge/0 1.2.3.4:5 - 0.001 0.002 0.003 OK - 1 2 \"-\"";
    let time = Time::parse("2024-03-04T10:00:12.5Z").expect("a time");
    let cases: [(&[u8], Reason, Time); 3] = [
        (line, Reason::BadStatus, time),
        (&line[..60], Reason::Truncated, time),
        (b"what", Reason::NotThisFormat, Record::NO_TIME),
    ];
    for (line, reason, time) in cases {
        let (mut parser, mut record) = (parser(&Format::AwsAlb.into()), Record::at(Time::Y2000));
        assert_eq!(parser.parse(line, Fields::ALL, &mut record), Err(reason));
        assert_eq!(record.time, time);
    }
}

/// Whether a site must declare something before its lines can be read.
fn needs_layout(format: Format) -> bool {
    Parser::new(&format.into(), &Labels::default()).is_err()
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(line in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for &format in ALL.iter().filter(|f| !needs_layout(**f)) {
            let _ = read(&mut parser(&format.into()), &line, Fields::ALL);
        }
    }

    #[test]
    fn any_columns_are_read_without_panic(
        line in "(h2|https) (2024-03-04T10:00:12.5Z|[0-9TZ.:-]{0,27}) ([-0-9.:]{0,9} |\"[ -~]{0,30}\" ?){0,60}",
    ) {
        for &format in ALL.iter().filter(|f| !needs_layout(**f)) {
            let _ = read(&mut parser(&format.into()), line.as_bytes(), Fields::ALL);
        }
    }
}
