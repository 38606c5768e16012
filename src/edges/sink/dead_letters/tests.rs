//! Dead letters in files: whole lines, limits, torn ends.

use super::letter::letter;
use super::*;
use std::fs;

#[test]
fn letters_of_many_threads_stay_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("state/dead.jsonl");
    let letters = DeadLetters::open(&LetterTarget::File(path.clone()), &Control::quiet()).expect("opens");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut writer = letters.writer();
            scope.spawn(move || {
                for offset in 0..2000 {
                    let letter = Letter { partition: thread, offset, ..letter(b"garbage \xff") };
                    writer.send(&letter).expect("sends");
                    if offset % 100 == 0 {
                        writer.flush().expect("flushes");
                    }
                }
                writer.flush().expect("flushes");
            });
        }
    });
    assert_eq!(letters.counts(), LetterCounts { kept: 8000, refused: 0, dropped: 0 });
    let text = fs::read_to_string(&path).expect("reads");
    let mut seen = std::collections::BTreeSet::new();
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("is whole");
        assert_eq!(value["line_base64"], "Z2FyYmFnZSD/");
        seen.insert((value["partition"].as_i64(), value["offset"].as_i64()));
    }
    assert_eq!(seen.len(), 8000);
}

#[test]
fn a_full_file_is_rotated_and_what_goes_is_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("dead.jsonl");
    let mut file = LetterFile::with_limit(&path, 1000).expect("opens");
    for n in 0..20 {
        let mut lines = format!("{{\"n\":{n},\"pad\":\"{}\"}}\n", "x".repeat(380)).into_bytes();
        file.append(&mut lines).expect("appends");
        assert!(lines.is_empty());
    }
    file.sync().expect("syncs");
    let held = |name: &str| fs::read_to_string(dir.path().join(name)).map_or(0, |t| t.lines().count() as u64);
    assert!(!dir.path().join("dead.jsonl.4").exists());
    let kept = held("dead.jsonl") + held("dead.jsonl.1") + held("dead.jsonl.2") + held("dead.jsonl.3");
    assert_eq!((kept, file.counts().dropped), (8, 12), "two letters a file, four files");
}

#[test]
fn a_torn_end_is_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("dead.jsonl");
    let torn = "x".repeat(200_000);
    for (text, want) in
        [("", ""), ("{}\n{}\n{\"li", "{}\n{}\n"), ("{\"line", ""), (&*format!("{{}}\n{torn}"), "{}\n")]
    {
        fs::write(&path, text).expect("writes");
        let mut file = LetterFile::open(&path).expect("opens");
        file.append(&mut b"{\"a\":1}\n".to_vec()).expect("appends");
        assert_eq!(fs::read_to_string(&path).expect("reads"), format!("{want}{{\"a\":1}}\n"));
    }
}
