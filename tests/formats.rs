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
#[path = "formats/escapes_slow.rs"]
mod escapes_slow;
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
#[path = "formats/values_slow.rs"]
mod values_slow;
#[path = "formats/w3c_slow.rs"]
mod w3c_slow;
#[path = "formats/written.rs"]
mod written;

use mutation::Mutation;
use ninetail::core::format::{ALL, Parsed, Parser, preset};
use ninetail::core::record::Value::{Absent, Boolean};
use ninetail::core::record::{Field, Fields, Labels, Reason, Record, to_json};
use ninetail::core::settings::{Format, Input, Layout};
use ninetail::core::time::Time;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
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

/// The traps that parsers of others fell into bear numbers; a case that keeps us out of one has it in its name.
#[test]
fn every_known_trap_is_a_case() {
    let mut cases: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folders = ["formats", "envelopes"].map(|kind| fs::read_dir(tests.join(kind)).expect("the cases"));
    for folder in folders.into_iter().flatten().map(|entry| entry.expect("an entry").path()) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let number = name.strip_prefix("trap_").and_then(|rest| rest.split('_').next()?.parse().ok());
            if let Some(number) = number {
                cases.entry(number).or_default().push(name);
            }
        }
    }
    let has = |number: &u32, ends: &[&str]| {
        let names = cases.get(number).map(Vec::as_slice).unwrap_or_default();
        ends.iter().any(|end| names.iter().any(|name| name.ends_with(end)))
    };
    for number in 1..=22 {
        assert!(has(&number, &[".log", ".msg"]) && has(&number, &[".json"]), "trap {number} is no case");
    }
    assert!(cases.keys().all(|number| (1..=22).contains(number)), "no such trap: {:?}", cases.keys());
}

/// What a preset says of itself is said, and the cases are as it says.
#[test]
fn every_format_states_all_its_choices() {
    let mut wrong = Vec::new();
    for &format in ALL {
        let p = preset(format);
        let name = p.name;
        let stated = [
            p.doc,
            p.time_is,
            p.client_latency_is,
            p.upstream_latency_is,
            p.client_gone_if,
            p.websocket_if,
            p.service_template,
            p.absent_if,
            p.skips,
            p.rejects,
            p.lateness_why,
        ];
        for text in stated {
            assert!(!text.trim().is_empty() && !text.contains("  "), "{name}: {text:?}");
        }
        assert!((1..=24 * 3600).contains(&p.lateness_s_default), "{name}: {} s", p.lateness_s_default);
        // Which end of the request its time is. Counters of other systems are no requests.
        let end = p.time_is.starts_with("end of the request")
            || p.time_is.starts_with("end of the connection")
            || p.time_is.contains("taken for the end of the request");
        assert!(end || format == Format::External, "{name}: {}", p.time_is);
        // The usual service is told by fields that it fills.
        let keys: Vec<&str> =
            p.service_template.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        assert!(!keys.is_empty(), "{name}: {}", p.service_template);
        for key in keys {
            let field = Field::by_name(key).unwrap_or_else(|| panic!("{name}: no field {key}"));
            assert!(p.fields().has(field), "{name} does not fill {key}");
        }
        let cases = cases(format);
        assert!(!cases.is_empty(), "{name} has no case");
        let any = |is: &dyn Fn(&Value) -> bool| cases.iter().flat_map(|case| &case.expected).any(is);
        let choices: [(&str, bool, bool); 5] = [
            (
                "client latency",
                !p.client_latency_is.starts_with("none"),
                any(&|e| e.get("client_latency_us").is_some()),
            ),
            (
                "upstream latency",
                !p.upstream_latency_is.starts_with("none"),
                any(&|e| e.get("upstream_latency_us").is_some()),
            ),
            ("client gone", !p.client_gone_if.starts_with("never"), any(&|e| e["client_gone"] == true)),
            ("websocket", !p.websocket_if.starts_with("never"), any(&|e| e["websocket"] == true)),
            ("skipped", !p.skips.starts_with("none"), any(&|e| e["skipped"] == true)),
        ];
        for (choice, stated, there) in choices.into_iter().filter(|(_, stated, there)| stated != there) {
            wrong.push(format!("{name}: {choice}: stated {stated}, in a case {there}"));
        }
        if !any(&|e| e.get("rejected").is_some()) {
            wrong.push(format!("{name}: no case of a line that is rejected"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
