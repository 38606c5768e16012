//! The edges: each touches one part of the outside world, none imports another or the shell; `crash`, `kafka` and `metrics`
//! serve all.

pub mod crash;
pub mod http;
pub mod journal;
mod kafka;
pub mod metrics;
pub mod sink;
pub mod source;
