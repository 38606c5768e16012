//! The SLO engine against numbers that others published, and against naive recounts.

mod alerts;
mod budgets;
mod changes;
mod coverage;
mod groups;
mod laws;
mod policies;
mod support;
mod windows;
mod workbook;
