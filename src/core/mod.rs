//! The pure core, in the order of the data. A module imports only what stands above it here.

// what everything is made of
pub mod time;
pub mod decimal;
pub mod calendar;
pub mod position;
pub mod record;
pub mod settings;
// from bytes to verdicts
pub mod scan;
pub mod json;
pub mod envelope;
pub mod format;
pub mod reader;
pub mod predicate;
pub mod sli;
pub mod route;
pub mod service;
pub mod exclusion;
// the monoid
pub(crate) mod packed;
pub mod histogram;
pub mod duplicates;
pub mod partial;
pub mod packed_cell;
pub mod accumulator;
// the journal's entries, and what follows from them
pub mod entry;
pub mod rollup;
pub mod completeness;
pub mod event;
pub mod budgeting;
pub mod burn;
pub mod policy;
pub mod alert;
pub mod ledger;
pub mod roster;
pub mod breakdown;
pub mod slo_groups;
pub mod slices;
pub mod tiers;
pub mod watermark;
pub mod engine;
