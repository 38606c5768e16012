//! Any bytes as messages in any envelope: see `body/envelopes.rs`.
#![no_main]

#[path = "../body/envelopes.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
