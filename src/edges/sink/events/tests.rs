//! Events in a file over restarts, torn ends and foreign journals; progress that is refused.

use super::*;
use crate::core::entry::Takeover;
use crate::core::time::{Slice, Time};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const JOURNAL: &str = "0123456789abcdef";

fn at(position: u64, index: u32) -> OutputPosition {
    OutputPosition { position, index }
}

fn event(position: u64, index: u32) -> Event {
    Event {
        position: at(position, index),
        key: "checkout".into(),
        subject: "checkout/availability".into(),
        kind: "slo.budget.consumed",
        id: format!("{position}-{index}"),
        time: Time::from_seconds(60 * position as i64),
        recorded: Time(0),
        severity: Default::default(),
        sequence: position * 10 + u64::from(index),
        replay: false,
        data: "{\"replay\":false}".into(),
    }
}

fn owner() -> Owner {
    Owner {
        pipeline: "edge".into(),
        journal: JOURNAL.into(),
        end: 100,
        takeover: None,
        published: None,
        incarnations: vec!["1".into()],
    }
}

fn takeover(cut: u64) -> Option<Takeover> {
    Some(Takeover { from: Slice(0), cut, sequences: Default::default() })
}

fn open(path: &Path, owner: &Owner) -> Result<(EventSink, Option<Progress>), EventError> {
    EventSink::open(&EventTarget::File(path.to_owned()), owner, &Control::quiet())
}

fn ids(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("reads");
    let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("whole")["id"].to_string();
    text.lines().map(|line| id(line).trim_matches('"').to_owned()).collect()
}

#[test]
fn a_file_takes_each_event_once_whatever_is_torn() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("new/events.jsonl");
    let (mut sink, progress) = open(&path, &owner()).expect("opens");
    assert_eq!(progress, None);
    let first = [event(2, 0), event(2, 1), event(3, 0)];
    assert_eq!(sink.publish(&first, at(3, u32::MAX), 0).expect("writes"), 3);
    assert_eq!(sink.publish(&first, at(3, u32::MAX), 0).expect("writes"), 0);
    assert_eq!(sink.publish(&[], at(4, u32::MAX), 1).expect("writes"), 0);
    drop(sink);
    let whole = fs::read(&path).expect("reads");

    // wherever the file was torn, the rest comes again and nothing twice
    for length in (0..=whole.len()).step_by(11).chain([whole.len() - 1, whole.len()]) {
        fs::write(&path, &whole[..length]).expect("writes");
        let (mut sink, _) = open(&path, &owner()).unwrap_or_else(|e| panic!("cut at {length}: {e}"));
        sink.publish(&[event(2, 0), event(2, 1), event(3, 0), event(5, 0)], at(5, 0), 1).expect("writes");
        assert_eq!(ids(&path), ["2-0", "2-1", "3-0", "5-0"], "cut at {length}");
    }
    // blocks that a power cut left empty
    fs::write(&path, [&whole[..], &[0; 200_000], b"\n", &[0; 10]].concat()).expect("writes");
    let (_, progress) = open(&path, &owner()).expect("opens");
    assert_eq!(progress.map(|p| (p.journal, p.at)), Some((JOURNAL.into(), at(3, 0))));
    assert_eq!(fs::read(&path).expect("reads"), whole);
}

#[test]
fn long_lines_are_found_from_the_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    let long = Event { data: format!("{{\"text\":\"{}\"}}", "x".repeat(300_000)), ..event(2, 0) };
    let (mut sink, _) = open(&path, &owner()).expect("opens");
    sink.publish(std::slice::from_ref(&long), at(2, 0), 0).expect("writes");
    drop(sink);
    let (mut sink, progress) = open(&path, &owner()).expect("opens");
    assert_eq!(progress.map(|p| p.at), Some(at(2, 0)));
    assert_eq!(sink.publish(&[long, event(2, 1)], at(2, 1), 0).expect("writes"), 1);
}

#[test]
fn a_peek_takes_all_sequences_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    let target = EventTarget::File(path.clone());
    assert_eq!(EventSink::peek(&target, "edge", &Control::quiet()).expect("reads"), None);
    let (mut sink, _) = open(&path, &owner()).expect("opens");
    let other = Event { subject: "cart/latency".into(), sequence: 7, ..event(4, 0) };
    sink.publish(&[event(2, 0), event(3, 0), other], at(4, 0), 0).expect("writes");
    let mut torn = fs::read(&path).expect("reads");
    torn.extend(b"{\"specver");
    fs::write(&path, &torn).expect("writes");
    let progress = EventSink::peek(&target, "edge", &Control::quiet()).expect("reads").expect("is there");
    assert_eq!(progress.at, at(4, 0));
    let want = [("cart/latency".to_owned(), 7), ("checkout/availability".to_owned(), 30)];
    assert_eq!(progress.sequences.into_iter().collect::<Vec<_>>(), want);
    assert_eq!(fs::read(&path).expect("reads"), torn);
}

#[test]
fn what_is_not_ours_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    for text in ["hello\n", "important, no line end", "{\"a\":1}\n"] {
        fs::write(&path, text).expect("writes");
        assert!(matches!(open(&path, &owner()), Err(EventError::NotEvents(_))), "{text}");
        assert_eq!(fs::read_to_string(&path).expect("reads"), text);
    }
    fs::remove_file(&path).expect("removes");
    let (mut sink, _) = open(&path, &owner()).expect("opens");
    sink.publish(&[event(7, 1)], at(7, 1), 0).expect("writes");
    drop(sink);

    let foreign = Owner { journal: "ffffffffffffffff".into(), ..owner() };
    assert!(matches!(open(&path, &foreign), Err(EventError::Foreign(Foreign::Other { .. }))));
    let takes_over = Owner { takeover: takeover(3), ..foreign };
    let (mut sink, progress) = open(&path, &takes_over).expect("takes over");
    assert_eq!(progress, None);
    sink.publish(&[event(2, 0)], at(2, 0), 0).expect("writes");
    drop(sink);
    // the older journal finds out
    assert!(matches!(open(&path, &owner()), Err(EventError::Foreign(Foreign::Other { .. }))));
    let (_, progress) = open(&path, &Owner { published: Some(at(2, 0)), ..takes_over }).expect("opens");
    assert_eq!(progress.map(|p| p.at), Some(at(2, 0)));
}

#[test]
fn a_copy_of_the_state_is_refused_by_the_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("events.jsonl");
    let runs = |incarnations: &[&str], position| {
        let incarnations = incarnations.iter().map(|id| Arc::from(*id)).collect();
        let (mut sink, _) = open(&path, &Owner { incarnations, ..owner() })?;
        sink.publish(&[event(position, 0)], at(position, 0), 0)
    };
    let forked = |result| matches!(result, Err(EventError::Foreign(Foreign::Forked { .. })));
    assert_eq!(runs(&["a"], 2).expect("writes"), 1);
    assert_eq!(runs(&["a", "b"], 3).expect("goes on"), 1);
    // two copies of that folder, each with a process of its own
    assert_eq!(runs(&["a", "b", "c"], 5).expect("goes on"), 1);
    let mut whole = fs::read(&path).expect("reads");
    assert!(forked(runs(&["a", "b", "d"], 7)));
    assert!(forked(runs(&["a", "b", "d", "e"], 7)));
    whole.extend(b"{\"torn");
    fs::write(&path, &whole).expect("writes");
    assert!(forked(runs(&["a", "b", "d", "e"], 7)));
    assert_eq!(fs::read(&path).expect("reads"), whole, "what is refused is not touched");
    assert_eq!(runs(&["a", "b", "c", "f"], 7).expect("goes on"), 1);
    assert_eq!(ids(&path), ["2-0", "3-0", "5-0", "7-0"]);
    // and at the same time
    let (first, _) = open(&path, &Owner { incarnations: vec!["f".into()], ..owner() }).expect("opens");
    assert!(matches!(open(&path, &owner()), Err(EventError::InUse(_))));
    drop(first);
}

#[test]
fn progress_must_lie_between_the_snapshot_and_the_journal_s_end() {
    let progress = |journal: &str, position, cut| Progress {
        journal: journal.into(),
        incarnation: "1".into(),
        at: at(position, 1),
        cut,
        sequences: Default::default(),
    };
    let ours = |position| Some(progress(JOURNAL, position, 2));
    let check = |owner: &Owner, found| own("topic slo-state", owner, found);
    let knows = |published| Owner { published: Some(published), ..owner() };
    assert_eq!(check(&owner(), None), Ok(None));
    assert_eq!(check(&owner(), ours(5)), Ok(ours(5)));
    assert_eq!(check(&owner(), ours(100)), Ok(ours(100)));
    assert!(matches!(check(&owner(), ours(101)), Err(Foreign::Beyond { position: 101, end: 100, .. })));
    assert_eq!(check(&knows(at(5, 1)), ours(5)), Ok(ours(5)));
    assert!(matches!(check(&knows(at(5, 2)), ours(5)), Err(Foreign::Lost { .. })));
    assert!(matches!(check(&knows(at(5, 2)), None), Err(Foreign::Lost { .. })));
    let copy = Owner { incarnations: vec!["0".into(), "2".into()], ..owner() };
    assert!(matches!(check(&copy, ours(5)), Err(Foreign::Forked { .. })));
    let theirs = Some(progress("ffff", 5, 8));
    assert!(matches!(check(&owner(), theirs.clone()), Err(Foreign::Other { .. })));
    assert_eq!(check(&Owner { takeover: takeover(8), ..owner() }, theirs.clone()), Ok(None));
    // it has gone on since: somebody else took over, or it still runs
    assert!(check(&Owner { takeover: takeover(7), ..owner() }, theirs).is_err());
}
