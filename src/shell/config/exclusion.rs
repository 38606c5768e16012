//! `exclusions:` as they are written.

use super::{At, DurationText, OneOrMany};
use schemars::JsonSchema;
use serde::Deserialize;

/// When what happens does not count: maintenance. Requests of a slice that a window touches count neither good nor bad
/// for budgets and alerts; rows of `sli_` keep them in `good` and `bad`, and tell how many they are.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Exclusion")]
pub struct ExclusionFile {
    /// Its name, unique in the pipeline.
    pub name: At<String>,
    /// Why: `check` and `report` show it.
    pub reason: At<String>,
    /// A service's name, a list of them, or patterns with `*`. Default: `*`, every service.
    pub services: Option<At<OneOrMany>>,
    /// An SLO's name, a list of them, or patterns with `*`. Default: `*`, every SLO.
    pub slos: Option<At<OneOrMany>>,
    /// One window: its beginning, `2026-03-01T02:00` in `time_zone`, or with an offset (`…Z`, `…+01:00`).
    pub from: Option<At<String>>,
    /// One window: its end, likewise.
    pub to: Option<At<String>>,
    /// Recurring windows: a recurrence rule of RFC 5545, such as `FREQ=WEEKLY;BYDAY=SU`.
    pub rrule: Option<At<String>>,
    /// Recurring windows: the first beginning, local to `time_zone`, such as `2026-01-04T02:00`.
    pub start: Option<At<String>>,
    /// Recurring windows: their length, such as `2h`; at most 31d.
    pub duration: Option<At<DurationText>>,
    /// IANA time zone of times without an offset, such as `Europe/Berlin`. Default: UTC.
    #[serde(alias = "timezone")]
    pub time_zone: Option<At<String>>,
}
