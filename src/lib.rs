//! ninetail: raw load-balancer logs in, exact error budgets out.
//!
//! The modules stand in the order of the data. `core` is pure (no I/O, no clock, no
//! randomness), `edges` touch the world and never one another, `shell` wires them.

pub mod core;
pub mod edges;
pub mod shell;
