//! The fuzz targets' bodies (`tests/fuzz/`, in cargo-fuzz's layout) on the stable toolchain: they compile, and hold for random
//! bytes and for every case that there is.

#[path = "fuzz/body/mod.rs"]
mod body;

use body::{envelopes, formats};
use proptest::prelude::*;
use std::path::Path;

/// Every message and line of the cases.
fn cases() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders: Vec<_> =
        ["formats", "envelopes"].map(|f| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(f)).into();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "log" || e == "msg") {
                found.push(std::fs::read(path).expect("a file"));
            }
        }
    }
    assert!(found.len() > 100);
    found
}

#[test]
fn the_targets_hold_for_every_case() {
    for (number, bytes) in cases().into_iter().enumerate() {
        let bytes = &bytes[..bytes.len().min(4000)];
        for choice in [number as u8, (number % 2) as u8 + formats::choices() / 2] {
            formats::run(&[&[choice, number as u8][..], bytes].concat());
        }
        for choice in [0, 128 + (number % 128) as u8] {
            envelopes::run(&[&[choice, number as u8, 255][..], bytes].concat());
        }
    }
}

proptest! {
    #[test]
    fn the_targets_hold_for_any_bytes(bytes in any::<Vec<u8>>()) {
        formats::run(&bytes);
        envelopes::run(&bytes);
    }
}
