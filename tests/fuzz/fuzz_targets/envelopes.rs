//! Any bytes as messages in any envelope: see `body/envelopes.rs`.
#![no_main]

#[path = "../body/mod.rs"]
#[allow(dead_code)]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::envelopes::run(data));
