//! The configuration as the core sees it: complete, normalised, plain data.
//!
//! The shell makes it from the pipeline file; the journal keeps it (as JSON) so that a replay decides as
//! the first run did. It holds no secret and nothing about how to reach a broker or a disk.

use crate::core::calendar::Calendar;
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
    /// Rolling window, seconds; of a calendar window the length that factors take for it.
    pub window_s: u64,
    /// The calendar whose periods are its windows. None: it rolls.
    #[serde(default)]
    pub calendar: Option<Calendar>,
    /// How slices make up a window.
    #[serde(default)]
    pub budgeting: Budgeting,
    /// What a slice counts as that was read and holds no request.
    #[serde(default)]
    pub on_empty: OnEmpty,
    /// Alerts neither fire nor resolve while less than this of their windows was read, percent.
    #[serde(default = "coverage_min")]
    pub coverage_min: Decimal,
    /// Alerts fire only from so many requests in their long window on.
    #[serde(default)]
    pub min_events: u64,
    /// Alerts fire only from so many bad requests in their long window on.
    #[serde(default)]
    pub min_failures: u64,
    /// What is good, what is left out.
    pub indicator: Indicator,
    /// Burn-rate tiers, most urgent first.
    pub tiers: Vec<Tier>,
    /// Whether a tier does not begin to fire while a more urgent one fires.
    #[serde(default)]
    pub suppress_slower: bool,
    /// What follows from what remains of the budget, top-down. Empty: nothing.
    #[serde(default)]
    pub policy: Vec<PolicyTier>,
    /// What customers were promised of the same indicator; only with a calendar.
    #[serde(default)]
    pub sla: Option<Sla>,
    /// Smallest share of the budget, percent, that one `slo.budget.consumed` event reports; smaller
    /// amounts wait and are added up.
    pub consumed_step: Decimal,
}

impl Default for Slo {
    /// Every service, 99.9 % of requests within 30 days, no alert.
    fn default() -> Slo {
        Slo {
            name: "slo".into(),
            services: vec!["*".into()],
            objective: Decimal(99_900_000),
            window_s: 30 * 86_400,
            calendar: None,
            budgeting: Budgeting::default(),
            on_empty: OnEmpty::default(),
            coverage_min: coverage_min(),
            min_events: 0,
            min_failures: 0,
            indicator: Indicator::default(),
            tiers: Vec::new(),
            suppress_slower: false,
            policy: Vec::new(),
            sla: None,
            consumed_step: Decimal(0),
        }
    }
}

/// 90 %.
fn coverage_min() -> Decimal {
    Decimal(90_000_000)
}

/// How slices make up a window: OpenSLO's budgeting methods.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub enum Budgeting {
    /// Good requests over all requests.
    #[default]
    Occurrences,
    /// Good slices over all slices.
    Timeslices {
        /// Length of these slices, seconds; a multiple of the base slice.
        slice_s: u32,
        /// What makes one good.
        test: SliceTest,
    },
    /// The mean of the slices' shares of good requests.
    RatioTimeslices {
        /// Length of these slices, seconds; a multiple of the base slice.
        slice_s: u32,
    },
}

/// What makes a slice good.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum SliceTest {
    /// At least this share of its requests is good, percent.
    Good {
        /// The share.
        target: Decimal,
    },
    /// So many requests came in it: a throughput objective. Excluded ones do not count.
    Requests {
        /// The fewest.
        at_least: u64,
        /// The most.
        at_most: Option<u64>,
    },
}

/// What a slice counts as that was read and holds no request.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum OnEmpty {
    /// As not covered: it lowers the window's coverage.
    Gap,
    /// As a good slice.
    Good,
    /// As a bad slice.
    Bad,
    /// As nothing: only slices with requests make up the window.
    #[default]
    Ignore,
}

impl OnEmpty {
    /// `gap`, …
    pub const fn name(self) -> &'static str {
        match self {
            OnEmpty::Gap => "gap",
            OnEmpty::Good => "good",
            OnEmpty::Bad => "bad",
            OnEmpty::Ignore => "ignore",
        }
    }
}

/// Decides good, bad or excluded for a record.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Indicator {
    /// CEL predicate; a record for which it holds is excluded. Goes first.
    pub exclude: Option<String>,
    /// What decides after that.
    pub rule: Rule,
}

impl Default for Indicator {
    /// A status below 500 is good.
    fn default() -> Indicator {
        Indicator { exclude: None, rule: Rule::Good("status < 500".into()) }
    }
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

/// One tier of an error-budget policy.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct PolicyTier {
    /// Its name.
    pub name: String,
    /// What remains of the budget, percent.
    pub remaining: Bound,
    /// What is to be done.
    pub action: String,
}

/// A bound on what remains of a budget, percent.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Bound {
    /// More than that.
    Above(Decimal),
    /// That, or more.
    From(Decimal),
    /// Whatever remains.
    Always,
}

impl PolicyTier {
    /// Five tiers, bounds 50, 25, 10 and 0 %.
    pub fn handbook() -> Vec<PolicyTier> {
        let tier = |name: &str, remaining, action: &str| PolicyTier {
            name: name.into(),
            remaining,
            action: action.into(),
        };
        vec![
            tier("full speed", Bound::Above(Decimal(50_000_000)), "Ship as usual."),
            tier("caution", Bound::From(Decimal(25_000_000)), "Review risky changes before they go out."),
            tier(
                "slow down",
                Bound::From(Decimal(10_000_000)),
                "Only low-risk changes; reliability work goes first.",
            ),
            tier("freeze", Bound::Above(Decimal(0)), "Freeze features; only fixes go out."),
            tier("exhausted", Bound::Always, "Nothing goes out but what restores the objective."),
        ]
    }
}

/// What customers were promised.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Sla {
    /// Objective in percent; less is a breach.
    pub objective: Decimal,
    /// Below so many percent so many percent are credited.
    pub credits: Vec<(Decimal, Decimal)>,
}

/// How a burn rate is compared with a tier's factor.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// More than the factor.
    #[default]
    Gt,
    /// The factor, or more.
    Gte,
}

/// One burn-rate alert: fires while both windows burn faster than the factor.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Tier {
    /// Its name, part of event ids: `page-1h`.
    pub name: Arc<str>,
    /// `page` or `ticket`.
    pub severity: Arc<str>,
    /// Burn-rate factor.
    pub factor: Ratio,
    /// What fires: strictly more, unless said otherwise.
    #[serde(default)]
    pub op: Op,
    /// It fires once it has burned for so long, seconds.
    #[serde(default)]
    pub alert_after_s: u64,
    /// It resolves once it has not burned for so long, seconds.
    #[serde(default)]
    pub cool_down_s: u64,
    /// Long window, seconds.
    pub long_s: u64,
    /// Short window, seconds.
    pub short_s: u64,
}

impl Default for Tier {
    /// The most urgent of the workbook's for 30 days.
    fn default() -> Tier {
        Tier {
            name: "page-1h".into(),
            severity: "page".into(),
            factor: Ratio { num: 72, den: 5 },
            op: Op::Gt,
            alert_after_s: 0,
            cool_down_s: 0,
            long_s: 3600,
            short_s: 300,
        }
    }
}

/// Bounds on what input can make grow.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Limits {
    /// Services made by templates that the engine keeps apart at a time; more go to `__other__`.
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
