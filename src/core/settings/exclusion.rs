//! Exclusion windows: when maintenance is done, and for whom what happens then does not count.
//!
//! Invariant: as for all settings.

use crate::core::time::Time;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Requests in its windows count neither good nor bad for budgets and alerts; rows keep them beside.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Exclusion {
    /// Its name.
    pub name: Arc<str>,
    /// Why, for people.
    pub reason: String,
    /// Service names or patterns.
    pub services: Vec<String>,
    /// SLO names or patterns.
    pub slos: Vec<String>,
    /// When.
    pub occurs: Occurs,
}

/// When windows are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Occurs {
    /// One window, half-open.
    Once {
        /// Its first instant.
        from: Time,
        /// The first instant after it.
        to: Time,
    },
    /// One window for each occurrence of a rule.
    Repeats {
        /// Recurrence rule of RFC 5545, without `RRULE:`.
        rule: String,
        /// The first start, local: `2026-01-04T02:00:00`.
        start: String,
        /// IANA name of the zone that starts are local to.
        time_zone: String,
        /// Length of a window, seconds.
        duration_s: u64,
    },
}
