//! A service level objective: what is counted, over which window, what follows from it.
//!
//! Invariant: as for all settings.

use crate::core::calendar::Calendar;
use crate::core::decimal::{Decimal, Ratio};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// A budget for each value of a field, in place of one for the service.
    #[serde(default)]
    pub per: Option<Per>,
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
            per: None,
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

/// What an SLO's groups are: requests of a service with the same value of a field. Each has a budget, alerts and
/// events of its own; the objective is the same for all.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Per {
    /// The field: one that may be a dimension.
    pub field: Arc<str>,
    /// Groups of one service that are kept apart at a time; more are counted as `__other__`.
    pub groups_max: u32,
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
    /// Good where the line reached Kafka before its request was so old.
    Freshness {
        /// Bound, microseconds, exclusive.
        below_us: u64,
    },
    /// Requests decide nothing: good and all are counted elsewhere, and come as [`crate::core::settings::Format::External`].
    External,
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
    pub name: Arc<str>,
    /// What remains of the budget, percent.
    pub remaining: Bound,
    /// What is to be done.
    pub action: String,
    /// Whether releases may go out: what `gate` answers by.
    pub releases: bool,
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
            // less than a tenth is for fixes alone
            releases: !matches!(remaining, Bound::Above(Decimal(0)) | Bound::Always),
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
