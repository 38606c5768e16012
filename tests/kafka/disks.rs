//! Journal, Parquet, event and dead-letter files on a disk that is full or read-only: a clear error, nothing
//! torn, and on once there is space.

use crate::fixture::Outcome;
use crate::fixture::scenario::Mount;
use ninetail::core::decimal::Decimal;
use ninetail::core::entry::{Begin, Entry, Start};
use ninetail::core::event::Event;
use ninetail::core::position::Partition;
use ninetail::core::rollup::{Cut, OutputPosition, SliRow};
use ninetail::core::time::{SliceLength, Time};
use ninetail::edges::journal::{LocalJournal, StateLock};
use ninetail::edges::sink::dead_letters::{DeadLetters, Letter, LetterTarget};
use ninetail::edges::sink::events::{EventSink, EventTarget};
use ninetail::edges::sink::parquet::RollupSink;
use ninetail::edges::sink::{Control, Owner};
use std::fs;
use std::path::Path;

const JOURNAL: &str = "0123456789abcdef";

fn noise(seed: usize, length: usize) -> String {
    let mut state = seed as u64 * 2 + 1;
    let digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 59) as u8 % 26)
    };
    std::iter::repeat_with(digit).take(length).collect()
}

fn owner() -> Owner {
    Owner {
        pipeline: "edge".into(),
        journal: JOURNAL.into(),
        end: 1000,
        takeover: None,
        published: None,
        incarnations: Vec::new(),
    }
}

/// Names everywhere below the folder.
fn names(folder: &Path) -> Vec<String> {
    let all = glob::glob(&folder.join("**/*").display().to_string()).expect("a pattern");
    all.flatten().filter(|p| p.is_file()).map(|p| p.display().to_string()).collect()
}

/// A write fails while the disk is full, and while it is read-only, and succeeds after.
fn fails_then_passes<E: std::fmt::Display>(
    disk: &Mount,
    mut write: impl FnMut() -> Result<(), E>,
) -> Outcome {
    let error = write().err().ok_or("the disk was not full")?.to_string();
    assert!(error.contains("/") && error.contains("space"), "{error}");
    assert!(write().is_err(), "still full");
    disk.remount("size=64m")?;
    write().map_err(|e| e.to_string().into())
}

/// The journal keeps what it acknowledged, takes the same append again, and opens again.
pub(crate) fn journal() -> Outcome {
    let folder = tempfile::tempdir()?;
    let disk = Mount::new(&folder.path().join("state"), 6 * 1024)?;
    let lock = StateLock::acquire(&folder.path().join("state"))?;
    let begin = Begin { journal: JOURNAL.into(), backfill: false, takeover: None };
    let mut journal = LocalJournal::open(&lock, Some(begin))?;
    let bulky = |seed| {
        let partition = Partition { source: noise(seed, 300_000).into(), topic: "t".into(), number: 0 };
        Entry::Starts(vec![Start { partition, offset: seed as i64, had_data: true, topic_id: None }])
    };
    let mut count = 0;
    while journal.append(&[bulky(count)]).is_ok() {
        count += 1;
        assert!(count < 1000, "the disk never fills");
    }
    assert!(count > 3, "{count}");
    fails_then_passes(&disk, || journal.append(&[bulky(count)]).map(drop))?;
    assert_eq!(journal.append(&[bulky(count + 1)])?, count as u64 + 3);
    let check = |journal: &LocalJournal| -> Outcome {
        let entries = journal.read(2)?.collect::<Result<Vec<_>, _>>()?;
        assert_eq!(entries.len(), count + 2);
        assert!(entries.iter().enumerate().all(|(i, (p, e))| *p == i as u64 + 2 && *e == bulky(i)));
        Ok(())
    };
    check(&journal)?;

    // snapshots: the ones before stay
    disk.remount("size=12m")?;
    let state = |n| noise(n, 12 << 20).into_bytes();
    journal.put_snapshot(3, &|out| out.write_all(b"small"))?;
    fails_then_passes(&disk, || journal.put_snapshot(4, &|out| out.write_all(&state(4))))?;
    assert_eq!(journal.latest_snapshot()?.0, Some((4, state(4))));
    journal.trim()?;
    drop(journal);
    let journal = LocalJournal::open(&lock, None)?;
    assert_eq!((journal.end(), journal.latest_snapshot()?.0.map(|s| s.0)), (count as u64 + 3, Some(4)));
    assert_eq!(journal.read(4)?.count(), count);
    Ok(())
}

/// A Parquet file is there whole or not at all.
pub(crate) fn rollups() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("rollups");
    let disk = Mount::new(&path, 512)?;
    let mut sink = RollupSink::open(&path, &owner())?;
    let row = |n| SliRow {
        service: noise(n, 100).into(),
        slo: "availability".into(),
        group: None,
        slice_start: Time::from_seconds(60),
        revision: 0,
        generation: 1,
        good: 1,
        bad: 0,
        excluded: 0,
        maintenance_good: 0,
        maintenance_bad: 0,
        objective: Decimal(99_000_000),
        window_s: 3600,
    };
    let cut = |number, rows| Cut {
        number,
        watermark: Time::from_seconds(300),
        slice: SliceLength(60),
        position: number,
        dimensions: Vec::new(),
        requests: vec![],
        slis: (0..rows).map(row).collect(),
        quality: vec![],
        rejects: vec![],
        coarse: Vec::new(),
        budgets: Vec::new(),
    };
    sink.write(&cut(1, 10))?;
    disk.remount("ro")?;
    let error = sink.write(&cut(2, 10)).err().ok_or("the disk was not read-only")?;
    assert!(error.may_pass() && error.to_string().contains("Read-only"), "{error}");
    disk.remount("rw")?;
    fails_then_passes(&disk, || {
        let done = sink.write(&cut(2, 20_000)).map(drop);
        let visible = names(&path).len();
        assert_eq!(visible, if done.is_ok() { 2 } else { 1 }, "{:?}", names(&path));
        done
    })
}

/// Lines of an event file are whole, and come once.
pub(crate) fn events() -> Outcome {
    let folder = tempfile::tempdir()?;
    let disk = Mount::new(&folder.path().join("out"), 256)?;
    let path = folder.path().join("out/events.jsonl");
    let (mut sink, _) = EventSink::open(&EventTarget::File(path.clone()), &owner(), &Control::quiet())?;
    let event = |position: u64| Event {
        position: OutputPosition { position, index: 0 },
        key: "checkout".into(),
        subject: "checkout/availability".into(),
        kind: "slo.budget.consumed",
        id: position.to_string(),
        time: Time::from_seconds(60),
        recorded: Time(0),
        severity: Default::default(),
        sequence: position,
        replay: false,
        data: format!("{{\"pad\":\"{}\"}}", noise(position as usize, 1000)),
    };
    sink.publish(&[event(1)], OutputPosition { position: 1, index: 0 }, 0)?;
    let many: Vec<Event> = (1..500).map(event).collect();
    fails_then_passes(&disk, || {
        let done = sink.publish(&many, OutputPosition { position: 499, index: 0 }, 0).map(drop);
        let text = fs::read_to_string(&path).expect("reads");
        assert!(text.ends_with('\n') || text.is_empty(), "a torn line is visible");
        done
    })?;
    let text = fs::read_to_string(&path)?;
    let ids = text.lines().map(|l| Ok(serde_json::from_str::<serde_json::Value>(l)?["id"].to_string()));
    let ids = ids.collect::<Outcome<Vec<_>>>()?;
    assert!(ids.iter().map(|i| i.trim_matches('"')).eq((1..500).map(|n| n.to_string())));
    Ok(())
}

/// Dead letters wait for space.
pub(crate) fn dead_letters() -> Outcome {
    let folder = tempfile::tempdir()?;
    let disk = Mount::new(&folder.path().join("out"), 256)?;
    let path = folder.path().join("out/dead.jsonl");
    let letters = DeadLetters::open(&LetterTarget::File(path.clone()), &Control::quiet())?;
    let mut writer = letters.writer();
    let line = noise(1, 1000);
    for offset in 0..500 {
        writer.send(&Letter {
            source: "alb",
            topic: "alb-logs",
            partition: 0,
            offset,
            index: 0,
            reason: "truncated",
            step: "format",
            envelope: &[],
            line: line.as_bytes(),
            length: 1000,
            seen: Time::from_seconds(60),
        })?;
    }
    fails_then_passes(&disk, || writer.flush())?;
    let text = fs::read_to_string(&path)?;
    let offset = |l: &str| Ok(serde_json::from_str::<serde_json::Value>(l)?["offset"].as_i64());
    let offsets = text.lines().map(offset).collect::<Outcome<Vec<_>>>()?;
    assert!(offsets.into_iter().flatten().eq(0..500));
    Ok(())
}
