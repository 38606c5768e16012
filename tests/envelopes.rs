//! Envelopes from outside: the cases of `tests/envelopes/<envelope>/`, a slow reader of the JSON ones, and any bytes.
//!
//! A case is a `.msg` file, a message's bytes, or several in order (`.0.msg`, `.1.msg`, …), and a `.json`: `lines`, every piece
//! that must come out, with the envelopes it came in and labels to be asked for; and what the source declares
//! (`envelope`, `json_lines`, `line_bytes_max`), the `key` and `headers` of the messages, and whether to `give_up` at the end.

#[path = "formats/mutation.rs"]
mod mutation;
#[path = "envelopes/slow.rs"]
mod slow;

use mutation::Mutation;
use ninetail::core::envelope::{Content, Envelope, Headers, Message, Piece};
use ninetail::core::reader::{Carry, Reader};
use ninetail::core::record::{Field, Fields, Labels, Reason, Record, Value as FieldValue};
use ninetail::core::settings::{self, Format, Input};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    envelope: Declared,
    #[serde(default)]
    json_lines: bool,
    #[serde(default = "line_bytes_max")]
    line_bytes_max: usize,
    key: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    give_up: bool,
    lines: Vec<Map<String, Value>>,
}

#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Declared {
    #[default]
    Auto,
    Word(String),
    Steps(Vec<settings::Step>),
}

fn line_bytes_max() -> usize {
    1 << 20
}

impl Declared {
    fn plan(&self) -> settings::Envelope {
        match self {
            Declared::Auto => settings::Envelope::Auto,
            Declared::Word(word) if word == "none" => settings::Envelope::None,
            Declared::Word(word) => panic!("{word}"),
            Declared::Steps(steps) => settings::Envelope::Steps(steps.clone()),
        }
    }
}

struct Case {
    name: String,
    messages: Vec<Vec<u8>>,
    expected: Expected,
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/envelopes");
    let mut cases = Vec::new();
    for folder in fs::read_dir(root).expect("the cases").map(|e| e.expect("an entry").path()) {
        let json = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "json");
        if !folder.is_dir() {
            continue;
        }
        for path in fs::read_dir(&folder).expect("a folder").map(|e| e.expect("an entry").path()).filter(json)
        {
            let message = |suffix: &str| fs::read(path.with_extension(suffix)).ok();
            let several = (0..).map_while(|i| message(&format!("{i}.msg")));
            let messages: Vec<Vec<u8>> = message("msg").into_iter().chain(several).collect();
            let name =
                path.strip_prefix(folder.parent().expect("a parent")).expect("inside").display().to_string();
            assert!(!messages.is_empty(), "{name} has no message");
            let text = fs::read_to_string(&path).expect("the expectations");
            let expected = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            cases.push(Case { name, messages, expected });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

struct Given<'h>(&'h BTreeMap<String, String>);

impl Headers for Given<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|value| value.as_bytes())
    }
}

/// What a piece is, in the words of the cases; only the labels that are named.
fn told(piece: Piece<'_>, labels: &Labels) -> Map<String, Value> {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
    let mut told = Map::new();
    match piece.content {
        Content::Line(line) => drop(told.insert("line".into(), text(line))),
        Content::Skipped => drop(told.insert("skipped".into(), true.into())),
        Content::Rejected { bytes, length, reason } => {
            told.insert("rejected".into(), reason.name().into());
            told.insert("bytes".into(), text(bytes));
            told.insert("length".into(), length.into());
        }
    }
    let steps: Vec<&str> = piece.steps.iter().map(|step| step.name()).collect();
    told.insert("envelope".into(), steps.into());
    let mut record = Record::at(Record::NO_TIME);
    piece.values.fill(&mut record);
    let label = |(name, field): (&str, Field)| match record.get(field) {
        FieldValue::Text(value) => (name.to_owned(), text(value)),
        _ => (name.to_owned(), Value::Null),
    };
    told.insert("labels".into(), Value::Object(labels.iter().map(label).collect()));
    told
}

#[test]
fn every_case_gives_the_pieces_that_its_json_says() {
    for Case { name, messages, expected } in cases() {
        let mut labels = Labels::default();
        for label in expected.lines.iter().filter_map(|l| l.get("labels")?.as_object()).flat_map(Map::keys) {
            labels.intern(label).unwrap_or_else(|| panic!("{name}: too many labels"));
        }
        let plan = expected.envelope.plan();
        let mut envelope =
            Envelope::new(&plan, expected.json_lines, ("logs", &labels), expected.line_bytes_max);
        let mut came = Vec::new();
        for payload in &messages {
            let key = expected.key.as_ref().map(String::as_bytes);
            let message = Message { key, headers: &Given(&expected.headers), ..Message::of(payload) };
            envelope.unwrap(&message, &mut |piece| came.push(told(piece, &labels)));
            if envelope.is_bare(&message) {
                let last = came.last().expect("a piece");
                assert_eq!(last["envelope"], json!([]), "{name}: bare, and yet in an envelope");
            }
        }
        if expected.give_up {
            envelope.give_up(&mut |piece| came.push(told(piece, &labels)));
        }
        assert!(envelope.fragments().is_empty(), "{name}: parts are left");
        assert_eq!(came.len(), expected.lines.len(), "{name}: {came:#?}");
        for (came, mut wanted) in came.into_iter().zip(expected.lines) {
            // labels that are not named are not compared
            let labels = wanted.remove("labels").unwrap_or_default();
            for (label, value) in labels.as_object().into_iter().flatten() {
                assert_eq!(&came["labels"][label], value, "{name}: {label}");
            }
            for (key, value) in &wanted {
                assert_eq!(came.get(key), Some(value), "{name}: {key}");
            }
            assert!(wanted.contains_key("envelope"), "{name} says nothing of envelopes");
        }
    }
}

#[test]
fn json_envelopes_read_as_the_slow_reader_does() {
    let cases = cases();
    let auto = |case: &&Case| matches!(case.expected.envelope, Declared::Auto);
    let seeds: Vec<Vec<u8>> = cases.iter().filter(auto).flat_map(|c| c.messages.clone()).collect();
    let mut mutation = Mutation::seeded(11);
    let mut compared = 0;
    for round in 0..20_000 {
        let message = if round < seeds.len() { seeds[round].clone() } else { mutation.of(&seeds) };
        for json_lines in [false, true] {
            let Some(wanted) = slow::read(&message, json_lines) else { continue };
            let mut envelope =
                Envelope::new(&settings::Envelope::Auto, json_lines, ("", &Labels::default()), 1 << 20);
            let mut came = Vec::new();
            envelope.unwrap(&Message::of(&message), &mut |piece| {
                let steps: Vec<&str> = piece.steps.iter().map(|s| s.name()).collect();
                came.push(match piece.content {
                    Content::Line(line) => (steps, Ok(line.to_vec())),
                    Content::Skipped => (steps, Err("skipped")),
                    Content::Rejected { reason, .. } => (steps, Err(reason.name())),
                });
            });
            assert_eq!(came, wanted, "{}", String::from_utf8_lossy(&message));
            compared += 1;
        }
    }
    assert!(compared > 5_000, "only {compared} were told apart by the slow reader");
}

/// What became of the lines of these messages, read by one reader after another: each goes on with what the one before
/// carried, from where `stops` says.
fn outcomes(messages: &[Vec<u8>], stops: &[bool]) -> Vec<String> {
    let new =
        || Reader::new(&Input::from(Format::AwsAlb), "logs", &Labels::default(), 4000).expect("a reader");
    let (mut reader, mut carried, mut outcomes) = (new(), Carry::default(), Vec::new());
    for (i, message) in messages.iter().enumerate() {
        let mut lines = 0;
        let held = reader.read(&Message::of(message), Fields::ALL, &mut |line| {
            assert_eq!(line.index, lines);
            lines += 1;
            outcomes.push(format!("{:?} {} {:?} {:?}", line.read, line.length, line.envelope, line.record));
        });
        assert!(lines > 0 || held, "a message without a trace");
        if let Some(carry) = reader.changed_carry() {
            carried = Carry::from_bytes(&carry.to_bytes()).expect("it reads back");
        }
        if stops[i % stops.len()] {
            reader = new();
            reader.resume(carried.clone());
        }
    }
    reader.give_up(&mut |line| outcomes.push(format!("{:?} {}", line.read, line.length)));
    outcomes
}

/// What the columns are was said before the restart, or in another block of the file.
#[test]
fn a_header_is_carried_to_where_reading_goes_on() {
    let header = b"#Fields: date time cs-method cs-uri-stem sc-status time-taken";
    let line = b"2024-03-04 10:00:12 GET /x 503 15";
    let mut read = 0;
    for format in [Format::Iis, Format::W3c] {
        let new = || Reader::new(&format.into(), "", &Labels::default(), 4000);
        // a format that needs its columns declared has nothing to carry here
        let (Ok(mut one), Ok(mut other)) = (new(), new()) else { continue };
        let outcome = |reader: &mut Reader, line: &[u8]| {
            let mut said = String::new();
            reader.read(&Message::of(line), Fields::ALL, &mut |line| {
                said = format!("{:?} {:?}", line.read, line.record.status);
            });
            said
        };
        outcome(&mut one, header);
        let carry = one.changed_carry().expect("a header is carried").to_bytes();
        assert_eq!(one.changed_carry(), None);
        let wanted = outcome(&mut one, line);
        assert_eq!(wanted, "Ok(Record) Some(503)");
        other.resume(Carry::from_bytes(&carry).expect("it reads back"));
        assert_eq!(outcome(&mut other, line), wanted);
        other.begin(None);
        assert_eq!(other.carry(), Carry::default(), "another file has not said what its columns are");
        read += 1;
    }
    println!("{read} formats carry headers");
}

fn cri_message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("h2 2018-07-02T22:23:00.186641Z app/lb/50dc 10.0.1.252:48160 10.0.0.66:9000 0.000 0.002 "),
        Just("0.000 200 200 5 257 \"GET https://10.0.2.105:773/ HTTP/2.0\" \"curl/7.46.0\" - - - \"-\""),
        Just("x"),
        Just(""),
    ];
    let line = (prop::bool::ANY, prop::bool::weighted(0.6), piece).prop_map(|(out, partial, text)| {
        let (stream, tag) = (if out { "stdout" } else { "stderr" }, if partial { "P" } else { "F" });
        format!("2025-12-31T17:37:40.493035218+01:00 {stream} {tag} {text}\n")
    });
    prop_oneof![
        4 => line.clone().prop_map(String::into_bytes),
        1 => prop::collection::vec(line, 2..5).prop_map(|lines| lines.concat().into_bytes()),
        1 => any::<Vec<u8>>(),
    ]
}

proptest! {
    #[test]
    fn a_restart_anywhere_changes_nothing(
        messages in prop::collection::vec(cri_message(), 1..40),
        stops in prop::collection::vec(any::<bool>(), 1..10),
    ) {
        prop_assert_eq!(outcomes(&messages, &stops), outcomes(&messages, &[false]));
    }

    #[test]
    fn any_bytes_give_lines_skips_or_reasons(
        payload in prop_oneof![
            any::<Vec<u8>>(),
            "[{}\\[\\]\":,\\\\a1 \n]{0,80}".prop_map(String::into_bytes),
            "(<[0-9]{0,4}>|\u{feff}|\"|1 )?(Feb  6 12:14:14 |2025-12-31T17:37:40Z )?(stdout |h )?(P |F |a: |- ){0,6}[ -~\n]{0,30}"
                .prop_map(String::into_bytes),
            any::<Vec<u8>>().prop_map(|b| [&[0x1f, 0x8b][..], &b].concat()),
            any::<Vec<u8>>().prop_map(|b| [&[0][..], &b].concat()),
        ],
        steps in prop::collection::vec(prop::sample::select(settings::Step::ALL), 0..4),
        plan in 0..3,
    ) {
        let plan = match plan {
            0 => settings::Envelope::Auto,
            1 => settings::Envelope::None,
            _ => settings::Envelope::Steps(steps),
        };
        let mut labels = Labels::default();
        labels.intern("a.a");
        labels.intern("syslog.hostname");
        let mut envelope = Envelope::new(&plan, false, ("", &labels), 50);
        let mut pieces = 0;
        let held = envelope.unwrap(&Message::of(&payload), &mut |piece| {
            pieces += 1;
            match piece.content {
                Content::Line(line) => assert!(!line.is_empty() && line.len() <= 50),
                Content::Skipped => {}
                Content::Rejected { bytes, length, reason } => {
                    assert!(length >= bytes.len() as u64);
                    assert_ne!(reason, Reason::NotThisFormat);
                }
            }
        });
        prop_assert!(pieces > 0 || held);
        if envelope.is_bare(&Message::of(&payload)) {
            prop_assert_eq!((pieces, held), (1, false));
        }
    }
}
