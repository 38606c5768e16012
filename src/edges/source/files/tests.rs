//! Archives of every kind, block size and number of threads against the lines that were written.

use super::*;
use crate::core::time::Time;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Barrier, Mutex};

/// Lines begin with their time in seconds.
fn time_of(line: &[u8]) -> Option<Time> {
    let digits = std::str::from_utf8(line).ok()?.split(' ').next()?;
    digits.parse().ok().map(Time::from_seconds)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("zstd")
}

/// The bytes as a file of the kind, in several members or frames.
fn pack(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let (a, b) = bytes.split_at(bytes.len() / 3);
    match kind {
        "gz" => [gzip(a), gzip(b""), gzip(b)].concat(),
        "zst" => [zst(a), vec![0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7], zst(b)].concat(),
        _ => bytes.to_vec(),
    }
}

/// Path and offset of a line, to its kept bytes and true length.
type Lines = BTreeMap<(String, u64), (Vec<u8>, u64)>;

fn expected(files: &[(&Path, &[u8])]) -> Lines {
    let mut lines = Lines::new();
    for (path, bytes) in files {
        let mut at = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line).to_vec();
            let length = text.len() as u64;
            lines.insert((path.display().to_string(), at), (text, length));
            at += line.len() as u64;
        }
    }
    lines
}

/// Reads everything with so many threads, pausing after every third block; returns the lines and checks the spans.
fn read_all(inputs: Vec<Input>, limits: DealerLimits) -> Result<Lines, FilesError> {
    let dealer = Dealer::open(inputs, limits, time_of)?;
    let (lines, spans) = (Mutex::new(Lines::new()), Mutex::new(Vec::new()));
    let barrier = Barrier::new(limits.threads);
    let thread = || -> Result<(), FilesError> {
        let (mut buffer, mut blocks) = (Buffer::default(), 0);
        loop {
            match dealer.next(&mut buffer)? {
                Next::Block(block) => {
                    spans.lock().expect("spans").push((block.span.start, block.span.end));
                    for line in block.lines() {
                        assert!(block.span.contains(&block.position(&line)));
                        let key = (dealer.name(block.file).to_string(), line.offset);
                        let known =
                            lines.lock().expect("lines").insert(key, (line.bytes.to_vec(), line.length));
                        assert_eq!(known, None, "a line came twice");
                    }
                    blocks += 1;
                    if blocks % 3 == 0 {
                        dealer.pause();
                    }
                }
                Next::Pause => {
                    if barrier.wait().is_leader() {
                        let mut spans = spans.lock().expect("spans");
                        spans.sort();
                        assert_eq!(spans.first().map_or(0, |s| s.0), 0);
                        assert!(spans.windows(2).all(|w| w[0].1 == w[1].0), "{spans:?}");
                        dealer.resume();
                    }
                    barrier.wait();
                }
                Next::End => {
                    barrier.wait();
                    return Ok(());
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..limits.threads).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    assert_eq!(dealer.hold(), None);
    let progress = dealer.progress();
    assert_eq!((Some(progress.bytes), progress.files), (progress.bytes_total, progress.files_total));
    Ok(lines.into_inner().expect("lines"))
}

fn file(path: &Path) -> Input {
    Input::File(path.to_path_buf())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_line_comes_once_whatever_the_blocks(
        lengths in prop::collection::vec(0usize..60, 0..60),
        block_bytes in 1usize..90,
        threads in 1usize..4,
        last_line_ended in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().expect("folder");
        let mut bytes = Vec::new();
        for (i, length) in lengths.iter().enumerate() {
            bytes.extend(format!("{i} ").bytes());
            bytes.extend(std::iter::repeat_n(b'x', *length));
            bytes.push(b'\n');
        }
        if !last_line_ended {
            bytes.pop();
        }
        let paths: Vec<_> = ["plain", "gz", "zst"].map(|kind| folder.path().join(kind)).into();
        for path in &paths {
            let kind = path.file_name().and_then(|name| name.to_str()).expect("name");
            fs::write(path, pack(kind, &bytes)).expect("write");
        }
        let files: Vec<_> = paths.iter().map(|path| (path.as_path(), bytes.as_slice())).collect();
        let limits = DealerLimits { threads, block_bytes, line_bytes_max: 1000 };
        let read = read_all(paths.iter().map(|path| file(path)).collect(), limits).expect("read");
        prop_assert_eq!(read, expected(&files));
    }
}

#[test]
fn a_line_that_is_too_long_is_cut_and_its_length_known() {
    let folder = tempfile::tempdir().expect("folder");
    for ended in [true, false] {
        for kind in ["plain", "gz", "zst"] {
            let mut bytes = b"1 short\n".to_vec();
            bytes.extend(vec![b'y'; 300_000]);
            bytes.extend(b"\n2 after\n");
            bytes.extend(vec![b'z'; 500_000]);
            bytes.extend(&b"\n"[..usize::from(ended)]);
            let path = folder.path().join(kind);
            fs::write(&path, pack(kind, &bytes)).expect("write");
            for (block_bytes, line_bytes_max) in
                [(100, 1000), (4096, 1000), (1 << 20, 1000), (100, 400_000), (10_000, 1 << 20)]
            {
                let limits = DealerLimits { threads: 2, block_bytes, line_bytes_max };
                let read = read_all(vec![file(&path)], limits).expect("read");
                let lengths: Vec<u64> = read.values().map(|(_, length)| *length).collect();
                assert_eq!(lengths, [7, 300_000, 7, 500_000], "{kind} in blocks of {block_bytes}");
                for (kept, length) in read.values() {
                    assert!(kept.len() as u64 == *length || kept.len() > line_bytes_max, "{}", kept.len());
                    assert!(kept.len() <= 1 << 20);
                }
            }
        }
    }
}

#[test]
fn files_start_in_the_order_of_their_first_record_and_hold_the_watermark() {
    let folder = tempfile::tempdir().expect("folder");
    for (name, text) in
        [("a", "300 c\n301 c\n"), ("b", "no time\n100 a\n400 a\n"), ("c.gz", "200 b\n"), ("d", "")]
    {
        let kind = if name.ends_with("gz") { "gz" } else { "" };
        fs::write(folder.path().join(name), pack(kind, text.as_bytes())).expect("write");
    }
    let inputs = inputs(&[folder.path().display().to_string()]).expect("inputs");
    let limits = DealerLimits { threads: 1, block_bytes: 10, ..DealerLimits::default() };
    let dealer = Dealer::open(inputs, limits, time_of).expect("open");
    let mut buffer = Buffer::default();
    let mut seen = Vec::new();
    while let Next::Block(block) = dealer.next(&mut buffer).expect("next") {
        let lines: Vec<_> = block.lines().map(|l| String::from_utf8_lossy(l.bytes).into_owned()).collect();
        seen.push((lines.join("|"), dealer.hold().map(Time::seconds)));
    }
    let seen: Vec<_> = seen.iter().map(|(lines, hold)| (lines.as_str(), *hold)).collect();
    assert_eq!(
        seen,
        [
            ("no time|100 a", Some(100)),
            ("400 a", Some(200)),
            ("200 b", Some(300)),
            ("300 c|301 c", Some(300)),
            ("", None),
        ]
    );
}

/// Files of which each line depends on those before it.
struct InOrder;

impl Look for InOrder {
    fn first_time(&self, mut lines: &mut dyn Iterator<Item = &[u8]>) -> Option<Time> {
        Iterator::find_map(&mut lines, time_of)
    }

    fn in_order(&self, head: &[u8]) -> bool {
        head.starts_with(b"#")
    }

    fn is_header(&self, line: &[u8]) -> bool {
        line.starts_with(b"#")
    }
}

#[test]
fn a_file_whose_lines_depend_on_one_another_is_read_by_one_thread_in_order() {
    let folder = tempfile::tempdir().expect("folder");
    for (i, kind) in ["", "gz", "zst", ""].into_iter().enumerate() {
        let lines: String = (0..3000).map(|n| format!("{} line of file {i}\n", 1000 * i + n)).collect();
        let text = format!("{}{lines}", if i < 3 { "#header\n" } else { "" });
        fs::write(folder.path().join(format!("{i}.{kind}")), pack(kind, text.as_bytes())).expect("write");
    }
    let inputs = inputs(&[folder.path().display().to_string()]).expect("inputs");
    let limits = DealerLimits { threads: 3, block_bytes: 1000, ..DealerLimits::default() };
    let dealer = Dealer::open(inputs, limits, InOrder).expect("open");
    let blocks = Mutex::new(BTreeMap::<String, Vec<(usize, u64)>>::new());
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (dealer, blocks) = (&dealer, &blocks);
            scope.spawn(move || {
                let mut buffer = Buffer::default();
                while let Next::Block(block) = dealer.next(&mut buffer).expect("next") {
                    let name = dealer.name(block.file).to_string();
                    blocks.lock().expect("blocks").entry(name).or_default().push((thread, block.offset));
                    std::thread::yield_now();
                }
            });
        }
    });
    let blocks = blocks.into_inner().expect("blocks");
    assert_eq!(blocks.len(), 4);
    for (name, blocks) in blocks.iter().take(3) {
        assert!(blocks.len() > 50, "{name}");
        assert!(blocks.iter().all(|(thread, _)| *thread == blocks[0].0), "{name}: one thread");
        assert!(blocks.is_sorted_by(|a, b| a.1 <= b.1), "{name}: in order");
    }
}

#[test]
fn damaged_and_unsupported_files_are_named() {
    let folder = tempfile::tempdir().expect("folder");
    let text = "1 a line of some length\n".repeat(50_000).into_bytes();
    let cut = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() - 9);
        bytes
    };
    let mut flipped = gzip(&text);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("cut.gz", cut(gzip(&text)), "gzip data: it breaks off"),
        ("cut.zst", cut(zst(&text)), "zstd data"),
        ("flipped.gz", flipped, "gzip data"),
        ("tail.gz", [gzip(&text), b"garbage".to_vec()].concat(), "gzip data"),
        ("a.bz2", b"BZh91AY&SY....".to_vec(), "is a bzip2 file"),
        ("a.xz", vec![0xfd, b'7', b'z', b'X', b'Z', 0, 0], "is a xz file"),
        ("a.zip", b"PK\x03\x04....".to_vec(), "is a zip file"),
    ];
    for (name, bytes, message) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("write");
        let limits = DealerLimits { threads: 2, block_bytes: 4096, ..DealerLimits::default() };
        let error = read_all(vec![file(&path)], limits).expect_err(name).to_string();
        assert!(error.contains(message) && error.contains(name), "{error}");
    }
}

#[test]
fn all_threads_get_the_error_even_while_some_stand_at_a_pause() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.gz");
    let text = "1 a line of some length\n".repeat(2000).into_bytes();
    let mut bytes = gzip(&text);
    bytes.truncate(bytes.len() - 9);
    fs::write(&path, bytes).expect("write");
    for _ in 0..20 {
        let limits = DealerLimits { threads: 3, block_bytes: 4096, ..DealerLimits::default() };
        assert!(read_all(vec![file(&path)], limits).is_err());
    }
}

#[test]
fn arguments_name_files_folders_and_patterns_once_each() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("logs/day")).expect("folder");
    for name in ["logs/b.log", "logs/day/a.log", "logs/.hidden", "logs/c.txt"] {
        fs::write(at(name), "1 x\n").expect("write");
    }
    let arg = |name: &str| at(name).display().to_string();
    let names = |arguments: &[String]| -> Result<Vec<String>, String> {
        let found = inputs(arguments).map_err(|error| error.to_string())?;
        let strip = |path: &Path| path.strip_prefix(folder.path()).unwrap_or(path).display().to_string();
        Ok(found.iter().map(|input| strip(input.path())).collect())
    };
    let all = ["logs/b.log", "logs/c.txt", "logs/day/a.log"].map(String::from).to_vec();
    assert_eq!(names(&[arg("logs")]), Ok(all.clone()));
    assert_eq!(names(&[arg("logs/*.log"), arg("logs/**/*.log"), arg("logs")]), Ok(all));
    assert_eq!(names(&[arg("logs/[bc].*")]), Ok(vec!["logs/b.log".into(), "logs/c.txt".into()]));
    assert_eq!(names(&["-".into()]), Ok(vec!["-".into()]));
    fs::create_dir_all(at("empty/day")).expect("folder");
    fs::write(at("empty/.hidden"), "1 x\n").expect("write");
    for none in ["none", "none*", "empty", "emp*"] {
        let said = format!("no file at or under {} (hidden ones are left out)", arg(none));
        assert_eq!(names(&[arg("logs"), arg(none)]), Err(said));
    }
    assert!(names(&["[".into()]).expect_err("pattern").starts_with("[ is not a pattern"));
}
