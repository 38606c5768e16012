//! The shell: arguments, configuration, wiring. Only `run` spawns.

pub mod args;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod exit;
pub mod explain;
pub mod generate;
pub mod input;
pub mod pipeline;
pub mod test;
pub mod traffic;
