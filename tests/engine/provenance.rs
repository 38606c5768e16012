//! What events say of where their numbers come from, told by the engine from the journal alone.

use super::breakdown::{at, broken_down, journal};
use crate::support::{play, said};
use crate::traffic::START;
use ninetail::core::engine::{Engine, Outputs};
use ninetail::core::entry::Entry;
use ninetail::core::event::{CONSUMED, Event};
use serde_json::{Value, json};

/// A minute of a request a second, of which these fail: (path, how many).
fn minute(number: i64, failing: &[(&str, usize)]) -> Vec<Vec<u8>> {
    let failing: Vec<&str> = failing.iter().flat_map(|(path, times)| vec![*path; *times]).collect();
    let line = |second: usize| match failing.get(second) {
        Some(path) => at(number * 60_000 + second as i64 * 1_000, 1, 503, path),
        None => at(number * 60_000 + second as i64 * 1_000, 1, 200, "/fine"),
    };
    (0..60).map(line).collect()
}

fn story() -> Vec<Vec<u8>> {
    [
        minute(0, &[]),
        vec![b"no line of a load balancer".to_vec(); 5],
        minute(1, &[("/a", 6), ("/b", 3)]),
        minute(20, &[]),
        // late
        minute(1, &[("/c", 60)]),
        minute(21, &[("/b", 1)]),
        minute(45, &[]),
    ]
    .concat()
}

/// Each part of the story comes in a chunk of its own.
const SIZES: [usize; 7] = [60, 5, 60, 60, 60, 60, 60];

/// Events about consumption with the minute that decided each; the late requests' own among them.
fn consumed(events: &[Event]) -> Vec<(i64, Value)> {
    let of = events.iter().filter(|e| e.kind == CONSUMED && e.subject.ends_with("/availability"));
    of.map(|e| ((e.time.0 - START.0) / 60_000_000 - 1, said(e))).collect()
}

#[test]
fn contributors_late_and_rejected_are_those_of_slice_and_window() {
    let (_, out) = play(&journal(&[(0, broken_down(9, &["route"]))], &story(), 1, &SIZES));
    let named = |data: &Value| -> Vec<(String, u64)> {
        let all = data["top_contributors"].as_array().expect("a list");
        let one = |c: &Value| Some((c["dimensions"]["route"].as_str()?.to_owned(), c["bad"].as_u64()?));
        all.iter().map(|c| one(c).expect("a route and a count")).collect()
    };
    let told: Vec<(i64, u64, Vec<(String, u64)>, [Value; 2])> = consumed(&out.events)
        .into_iter()
        .map(|(minute, data)| {
            let provenance = &data["provenance"];
            let bad = data["budget"]["consumed_delta_events"].as_u64().expect("a count");
            (
                minute,
                bad,
                named(&data),
                [provenance["late_events"].clone(), provenance["dropped_events"].clone()],
            )
        })
        .collect();
    let first = (1, 9, vec![("/a".to_owned(), 6), ("/b".to_owned(), 3)], [json!(0), json!(5)]);
    assert_eq!(told[0], first, "{told:?}");
    let last = told.last().expect("events");
    assert_eq!((last.0, &last.2, &last.3), (21, &vec![("/b".to_owned(), 1)], &[json!(60), json!(5)]));
    assert_eq!(told.iter().map(|(_, bad, ..)| bad).sum::<u64>(), 70, "{told:?}");
}

#[test]
fn offsets_are_where_reading_stood() {
    for partitions in [1, 3, 128, 129] {
        let entries = journal(&[(0, broken_down(9, &[]))], &story(), partitions, &[65]);
        let (mut engine, mut seen) = (Engine::new(), 0);
        for (entry, position) in entries.iter().zip(1..) {
            let mut out = Outputs::default();
            engine.apply(position, entry, &mut out).expect("applies");
            let next: Vec<i64> = engine.positions().iter().map(|(_, next)| next).collect();
            let want = match partitions {
                129 => Value::Null,
                _ => json!([{ "source": "alb", "topic": "logs", "next": next }]),
            };
            for event in &out.events {
                let told = &said(event)["provenance"]["source_offsets"];
                assert_eq!(told, &want, "{partitions} partitions, position {position}");
                seen += 1;
            }
        }
        assert!(seen > 0);
    }
}

#[test]
fn archives_have_no_offsets() {
    let mut entries = journal(&[(0, broken_down(9, &[]))], &story(), 2, &[65]);
    let Some(Entry::Begin(begin)) = entries.first_mut() else { panic!("a journal begins with itself") };
    begin.backfill = true;
    let (_, out) = play(&entries);
    assert!(!consumed(&out.events).is_empty());
    assert!(out.events.iter().all(|e| said(e)["provenance"]["source_offsets"] == Value::Null));
}
