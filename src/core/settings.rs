//! The configuration as the core sees it: complete, normalised, plain data.
//!
//! The shell makes it from the pipeline file; the journal keeps it (as JSON) so that a replay decides as
//! the first run did. It holds no secret and nothing about how to reach a broker or a disk.

use crate::core::decimal::{Decimal, Ratio};
use crate::core::time::SliceLength;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Everything that decides what the rows and events are.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Settings {
    /// The pipeline's name.
    pub name: String,
    /// Length of the base slice.
    pub slice: SliceLength,
    /// Seconds between two cuts; a multiple of the slice.
    pub cut_s: u32,
    /// How many later event times a partition must have read before its watermark believes one.
    pub watermark_quorum: u32,
    /// An event whose slice ended longer ago than this plus the lateness is history, seconds.
    pub history_after_s: u32,
    /// A source read to its end that brings nothing for so long is silent, seconds.
    pub silent_after_s: u32,
    /// Sources in the order of the file.
    pub sources: Vec<Source>,
    /// Service rules, first match wins.
    pub services: Vec<ServiceRule>,
    /// SLOs in the order of the file.
    pub slos: Vec<Slo>,
    /// Limits.
    pub limits: Limits,
}

/// One source of log lines.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Source {
    /// Its name.
    pub name: Arc<str>,
    /// Its topics; `backfill` for archives.
    pub topics: Vec<Arc<str>>,
    /// What its messages hold.
    pub input: Input,
    /// How long after a slice's end its lines may still come, seconds.
    pub lateness_s: u32,
    /// A partition quiet at its confirmed end for so long is idle, seconds.
    pub idle_timeout_s: u32,
}

/// What a source's messages hold.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Input {
    /// The preset of its lines.
    pub format: Format,
    /// What the site declares of its lines beyond the preset.
    #[serde(default)]
    pub layout: Layout,
}

impl From<Format> for Input {
    /// Lines of that format as everybody writes them.
    fn from(format: Format) -> Input {
        Input { format, layout: Layout::Usual }
    }
}

/// A log format by its preset's name.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// AWS Application Load Balancer.
    AwsAlb,
}

/// What a site declares of its lines, beyond the preset that reads them.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Nothing: the preset's own layout.
    #[default]
    Usual,
    /// The server's own format string, as pasted from its configuration.
    Text(String),
    /// The columns in their order, by the format's names.
    Columns(Vec<String>),
    /// Fields by path, group or column.
    Mapped {
        /// Regular expression whose named groups are fields.
        pattern: Option<String>,
        /// Separator of columns.
        separator: Option<String>,
        /// The columns in their order.
        columns: Vec<String>,
        /// Where fields lie, and in what unit.
        fields: Vec<Mapping>,
    },
}

/// Where one field of a record lies, and how it is written.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Mapping {
    /// The record's field, or the name of a label.
    pub name: String,
    /// Paths, groups or columns, the first that is there counts. Empty: the one of that name.
    pub from: Vec<String>,
    /// Unit of a duration, or form of a time.
    pub unit: Option<String>,
}

impl Layout {
    /// Every name that it gives to something: fields and labels.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mapped: &[Mapping] = match self {
            Layout::Mapped { fields, .. } => fields,
            _ => &[],
        };
        mapped.iter().map(|m| m.name.as_str())
    }
}

/// A rule that names the service of a record.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct ServiceRule {
    /// The name; `{field}` and `{capture}` are filled in. Without braces it is a named service.
    pub name: String,
    /// CEL predicate that must hold.
    pub when: Option<String>,
    /// Field name and regular expression, all of which must match; named groups become captures.
    pub matches: Vec<(String, String)>,
    /// Service tier, 1 the most critical.
    pub tier: Option<u8>,
    /// The owning team.
    pub owner: Option<String>,
    /// Where its runbook lies.
    pub runbook_url: Option<String>,
    /// Where its dashboard is shown.
    pub dashboard_url: Option<String>,
}

/// A service level objective over a set of services.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Slo {
    /// Its name; (service, name) names one budget.
    pub name: Arc<str>,
    /// Service names or patterns (`*` stands for any run of characters).
    pub services: Vec<String>,
    /// Objective in percent, above 0 and below 100.
    pub objective: Decimal,
    /// Rolling window, seconds.
    pub window_s: u64,
    /// What is good, what is left out.
    pub indicator: Indicator,
    /// Burn-rate tiers, most urgent first.
    pub tiers: Vec<Tier>,
    /// Smallest share of the budget, percent, that one `slo.budget.consumed` event reports; smaller
    /// amounts wait and are added up.
    pub consumed_step: Decimal,
}

/// Decides good, bad or excluded for a record.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Indicator {
    /// CEL predicate; a record for which it holds is excluded. Goes first.
    pub exclude: Option<String>,
    /// What decides after that.
    pub rule: Rule,
}

/// Good or bad.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub enum Rule {
    /// Good where the CEL predicate holds, else bad.
    Good(String),
    /// Good where the latency lies below the bound.
    Latency {
        /// Bound, microseconds, exclusive.
        below_us: u64,
        /// Which latency.
        of: LatencyOf,
        /// What a failed request (status >= 500 or none) counts as.
        failed: Failed,
    },
}

/// Whose latency.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum LatencyOf {
    /// As the client saw it.
    Client,
    /// Of the target.
    Upstream,
    /// Another duration of the record, by the name of its field.
    Field(String),
}

/// What a failed request counts as for a latency SLO.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    /// Bad.
    Bad,
    /// Good.
    Good,
    /// Excluded.
    Excluded,
}

/// One burn-rate alert: fires while both windows burn faster than the factor.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Tier {
    /// Its name, part of event ids: `page-1h`.
    pub name: Arc<str>,
    /// `page` or `ticket`.
    pub severity: Arc<str>,
    /// Burn-rate factor; strictly more than this fires.
    pub factor: Ratio,
    /// Long window, seconds.
    pub long_s: u64,
    /// Short window, seconds.
    pub short_s: u64,
}

/// Bounds on what input can make grow.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Limits {
    /// Services made by templates that the engine keeps apart; more go to `__other__`.
    pub services_max: u32,
    /// The same for one ingest thread between two flushes; wider.
    pub ingest_services_max: u32,
    /// Longest line, bytes.
    pub line_bytes_max: u32,
    /// Longest service name, bytes; longer ones are cut.
    pub service_name_bytes_max: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            services_max: 10_000,
            ingest_services_max: 50_000,
            line_bytes_max: 1 << 20,
            service_name_bytes_max: 128,
        }
    }
}

/// Records that no service rule matches are counted under this name.
pub const UNMATCHED: &str = "__unmatched__";
/// Template-made services beyond the limit are counted under this name.
pub const OTHER: &str = "__other__";
