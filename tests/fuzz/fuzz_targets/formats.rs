//! Any bytes as lines of any format: see `body/formats.rs`.
#![no_main]

#[path = "../body/mod.rs"]
#[allow(dead_code)]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::formats::run(data));
