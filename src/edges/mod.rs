//! The edges: each touches one part of the outside world, none imports another or the shell.

pub mod crash;
pub mod http;
pub mod journal;
pub mod metrics;
pub mod sink;
pub mod source;
