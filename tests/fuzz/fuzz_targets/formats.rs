//! Any bytes as lines of any format: see `body/formats.rs`.
#![no_main]

#[path = "../body/formats.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
