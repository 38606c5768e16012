//! The shell: arguments, configuration, wiring. Only `run` spawns.

pub mod args;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod exit;
pub mod explain;
pub mod gate;
pub mod generate;
pub mod input;
pub mod openslo;
pub mod pipeline;
pub mod report;
pub mod test;
pub mod traffic;
pub mod commit;
pub mod backfill;
pub mod connect;
pub mod progress;
pub mod error;
pub mod gauges;
pub mod ingest;
pub mod run;
pub mod watch;
pub mod words;
