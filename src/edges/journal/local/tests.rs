//! The local journal over restarts, damage and lack of space.

use super::*;
use crate::core::entry::{ForcedCut, Start};
use crate::core::position::Partition;
use std::fs;

fn begin() -> Begin {
    Begin { journal: "0123456789abcdef".into(), backfill: false, takeover: None }
}

fn entry(offset: i64) -> Entry {
    let partition = Partition { source: "alb".into(), topic: "alb-logs".into(), number: 3 };
    Entry::Starts(vec![Start { partition, offset, had_data: false, topic_id: None }])
}

fn bulky(seed: i64) -> Entry {
    let start = |i: i64| Start {
        partition: Partition {
            source: format!("{:x}", (seed * 7919 + i).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)).into(),
            topic: "t".into(),
            number: 0,
        },
        offset: i,
        had_data: true,
        topic_id: None,
    };
    Entry::Starts((0..20_000).map(start).collect())
}

fn all(journal: &LocalJournal, from: u64) -> Vec<(u64, Entry)> {
    journal.read(from).expect("reads").collect::<Result<_, _>>().expect("whole")
}

#[test]
fn positions_run_without_holes_over_restarts_and_trims() {
    let dir = tempfile::tempdir().expect("a folder");
    let lock = StateLock::acquire(dir.path()).expect("free");
    assert!(matches!(LocalJournal::open(&lock, None), Err(JournalError::Missing(_))));
    let mut journal = LocalJournal::open(&lock, Some(begin())).expect("begins");
    assert_eq!((journal.end(), journal.id()), (1, "0123456789abcdef"));
    assert_eq!(journal.append(&[entry(2), entry(3)]).expect("appends"), 2);
    assert_eq!(journal.append(&[]).expect("appends"), 4);
    assert_eq!(journal.append(&[Entry::Cut(ForcedCut::All)]).expect("appends"), 4);
    drop(journal);

    let other = Begin { journal: "ffff".into(), ..begin() };
    let mut journal = LocalJournal::open(&lock, Some(other)).expect("opens what is there");
    assert_eq!((journal.end(), journal.begin()), (4, &begin()));
    let want = [Entry::Begin(begin()), entry(2), entry(3), Entry::Cut(ForcedCut::All)];
    assert_eq!(all(&journal, 1), (1..).zip(want).collect::<Vec<_>>());
    assert_eq!(all(&journal, 4).len(), 1);
    assert_eq!(all(&journal, 5).len(), 0);

    journal.put_snapshot(3, &|out| out.write_all(b"three")).expect("writes");
    assert_eq!(journal.trim().expect("trims"), 0, "one snapshot does not trim");
    journal.put_snapshot(4, &|out| out.write_all(b"four")).expect("writes");
    assert_eq!(journal.trim().expect("trims"), 3);
    assert_eq!(journal.trim().expect("trims"), 0);
    journal.put_snapshot(4, &|out| out.write_all(b"four")).expect("writes again");
    assert!(matches!(journal.read(3), Err(JournalError::Trimmed { wanted: 3, first: 4, .. })));
    drop(journal);

    let mut journal = LocalJournal::open(&lock, None).expect("opens");
    assert_eq!((journal.end(), journal.begin()), (4, &begin()));
    assert_eq!(journal.latest_snapshot().expect("reads"), (Some((4, b"four".to_vec())), vec![]));
    assert_eq!(journal.append(&[entry(5)]).expect("appends"), 5);
    journal.put_snapshot(5, &|out| out.write_all(b"five")).expect("writes");
    journal.put_snapshot(6, &|out| out.write_all(b"beyond")).expect("writes");
    journal.trim().expect("trims all");
    assert_eq!(all(&journal, 6).len(), 0);
    drop(journal);
    let journal = LocalJournal::open(&lock, None).expect("opens");
    assert_eq!(journal.end(), 5, "an empty journal knows where it stands");
}

#[test]
fn damage_is_an_error_and_never_a_number() {
    let dir = tempfile::tempdir().expect("a folder");
    let lock = StateLock::acquire(dir.path()).expect("free");
    let mut journal = LocalJournal::open(&lock, Some(begin())).expect("begins");
    for offset in 0..50 {
        journal.append(&[entry(offset)]).expect("appends");
    }
    let want = all(&journal, 1);
    drop(journal);
    let path = dir.path().join("journal.redb");
    let whole = fs::read(&path).expect("reads");
    let mut seen = 0;
    for at in (0..whole.len()).step_by(16_411) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(&path, &bytes).expect("writes");
        // a free page may hold anything: then nothing has changed
        match LocalJournal::open(&lock, None).map(|j| all(&j, 1)) {
            Ok(found) => assert_eq!(found, want, "a flip in byte {at} changed what is read"),
            Err(_) => seen += 1,
        }
    }
    assert!(seen > 0, "no flip was noticed");
    fs::write(&path, b"not a database").expect("writes");
    assert!(LocalJournal::open(&lock, None).is_err());
}

#[test]
fn the_file_stays_bounded_by_what_is_held() {
    let dir = tempfile::tempdir().expect("a folder");
    let lock = StateLock::acquire(dir.path()).expect("free");
    let mut journal = LocalJournal::open(&lock, Some(begin())).expect("begins");
    let path = dir.path().join("journal.redb");
    let mut sizes = Vec::new();
    for round in 0..30 {
        let position = journal.append(&[bulky(round)]).expect("appends");
        journal.put_snapshot(position, &|out| out.write_all(b"state")).expect("writes");
        journal.trim().expect("trims");
        sizes.push(fs::metadata(&path).expect("there").len());
    }
    assert!(sizes[29] <= sizes[6] * 2, "the file grows without bound: {sizes:?}");
}
