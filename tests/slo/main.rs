//! The SLO engine against numbers that others published, and against naive recounts.

mod acceptance;
mod alerts;
mod budgets;
mod changes;
mod coverage;
mod early;
mod exclusions;
mod groups;
mod hours;
mod laws;
mod policies;
mod provenance;
mod revisions;
mod support;
mod windows;
mod workbook;
