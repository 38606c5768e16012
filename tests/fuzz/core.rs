//! The core of ninetail alone, under the crate's name: what the targets read lines with, without the edges' dependencies, which
//! take long to build with a fuzzer's instruments.

#[path = "../../src/core/mod.rs"]
pub mod core;
