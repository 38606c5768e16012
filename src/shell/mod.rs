//! The shell: arguments, configuration, wiring. Only `run` spawns.

pub mod cli;
pub mod clock;
pub mod config;
pub mod pipeline;
pub mod traffic;
