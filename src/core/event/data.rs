//! What events say: the data of each type, field by field. The schemas in schemas/ are made from these types.
//!
//! Invariant: counts are JSON integers, ratios and rates decimals in strings, rounded down to six places; a
//! field that has nothing to say is null, so that every event of a type has the same shape.

mod provenance;

pub use provenance::{Coverage, GapProvenance, Provenance, TopicOffsets};

use crate::core::decimal::{Decimal, Ratio};
use crate::core::time::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// An instant as RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp(pub Time);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Stamp {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "RFC 3339, UTC.",
            "type": "string",
            "pattern": "^-?[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{6})?Z$"
        })
    }
}

/// A decimal in a string, without trailing zeros: no reader loses a digit of it to a float.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecimalText(String);

impl DecimalText {
    /// What the value is shown as. It must print as a decimal.
    pub fn of(value: impl fmt::Display) -> DecimalText {
        DecimalText(value.to_string())
    }

    /// A percentage as a ratio, exactly.
    pub fn ratio(percent: Decimal) -> DecimalText {
        let (whole, places) = (percent.0 / 100_000_000, percent.0 % 100_000_000);
        let text = format!("{whole}.{places:08}");
        DecimalText(text.trim_end_matches('0').trim_end_matches('.').to_owned())
    }
}

impl From<Decimal> for DecimalText {
    fn from(value: Decimal) -> DecimalText {
        DecimalText::of(value)
    }
}

impl From<Ratio> for DecimalText {
    fn from(value: Ratio) -> DecimalText {
        DecimalText::of(value)
    }
}

impl Serialize for DecimalText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl JsonSchema for DecimalText {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A decimal, rounded down to six places if it is no exact one, without trailing zeros.",
            "type": "string",
            "pattern": "^-?[0-9]+(\\.[0-9]{0,7}[1-9])?$"
        })
    }
}

/// What is said of the budget of one SLO of one service.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct BudgetData {
    /// Whose budget.
    pub slo: SloFacts,
    /// What was counted in the SLO's window.
    pub sli: SliFacts,
    /// The budget of the SLO's window. While the window is not observed in full, what is missing counts as
    /// good at the mean rate so far.
    pub budget: BudgetFacts,
    /// The rule and its windows. Only of `slo.burn_rate.*` and `slo.data.frozen`.
    pub burn: Option<BurnFacts>,
    /// When the budget is gone if it goes on like this.
    pub projection: Projection,
    /// The tier of the policy that the budget came into. Only of `slo.budget.policy_changed`.
    pub policy: Option<PolicyFacts>,
    /// What the period came to; read it beside `provenance.coverage`. Only of `slo.window.closed`.
    pub verdict: Option<Verdict>,
    /// What was published and what it would be now. Only of `slo.revised`.
    pub revision: Option<RevisionFacts>,
    /// `page`, `ticket`, or the pipeline's own word. Only of `slo.burn_rate.*` and `slo.data.frozen`.
    pub severity: Option<Arc<str>>,
    /// Where to look.
    pub links: Links,
    /// Which combinations of the values of `sinks.rollups.dimensions` brought most of the bad requests of the slice that ends
    /// with the event's time, the most bad first. Empty without dimensions, of a group's budget, and where that slice
    /// brought nothing bad; what came late for it is not in here.
    #[schemars(length(max = 5))]
    pub top_contributors: Vec<Contributor>,
    /// What became of the budget or the alert.
    pub state: StateFacts,
    /// Where it comes from.
    pub provenance: Provenance,
    /// History: the slice ended long before the clock. Never page for it.
    pub replay: bool,
}

/// An SLO of a service.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct SloFacts {
    /// `<service>/<slo>[/<group>]`, parts percent-encoded: the event's subject.
    pub id: Arc<str>,
    /// The SLO's name.
    pub name: Arc<str>,
    /// The service.
    pub service: Arc<str>,
    /// The field that the SLO's groups are by. Null of an SLO without groups.
    pub per: Option<Arc<str>>,
    /// The group whose budget it is: a value of the field, `__none__` of requests without one, `__other__` of all groups
    /// beyond the limit. Null of an SLO without groups.
    pub group: Option<Arc<str>>,
    /// Service tier, 1 the most critical.
    pub tier: Option<u8>,
    /// Team that owns the service.
    pub owner: Option<String>,
    /// What alerts are routed by: the labels of the service's rule and of its tier. Empty of a service without.
    pub labels: BTreeMap<String, String>,
    /// Objective, percent.
    pub objective: DecimalText,
    /// The same as a ratio, 0 to 1.
    pub target: DecimalText,
    /// The window that the budget is for.
    pub window: WindowFacts,
    /// How good and bad make a budget.
    pub budgeting_method: BudgetingMethod,
    /// Number of the SLO's definition: another indicator or window is another generation, with a fresh budget.
    pub generation: u32,
}

/// How good and bad make a budget.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
pub enum BudgetingMethod {
    /// By requests: bad over all of the window.
    Occurrences,
    /// By slices: bad slices over all slices.
    Timeslices,
    /// By slices: the mean of their shares of good requests.
    RatioTimeslices,
}

/// The window of an SLO.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct WindowFacts {
    /// How it moves.
    pub kind: WindowKind,
    /// Its length, such as `30d`, `6h`, `5m`, `10s`.
    #[schemars(regex(pattern = "^[0-9]+[dhms]$"))]
    pub length: String,
    /// The same in seconds.
    pub length_s: u64,
    /// Its first instant.
    pub start: Stamp,
    /// The first instant after it; of a calendar's period, its end, which may be to come.
    pub end: Stamp,
    /// The calendar's unit: `day`, `week`, `month`, `quarter` or `year`.
    pub calendar: Option<String>,
    /// Its time zone, by the name of the IANA database.
    pub time_zone: Option<String>,
}

/// How a window moves.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// With every slice.
    Rolling,
    /// From period to period of a calendar.
    Calendar,
}

/// What was counted in a window, in requests.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct Counted {
    /// Good requests.
    pub good: u64,
    /// Bad requests.
    pub bad: u64,
    /// Good and bad.
    pub total: u64,
    /// The indicator as the budgeting method weighs it: good over total. Null where nothing was counted.
    pub value: Option<DecimalText>,
}

/// What was counted in an SLO's window, in requests. Good and bad are what the budget sees: without what the
/// indicator leaves out, and without maintenance.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct SliFacts {
    /// Good requests.
    pub good: u64,
    /// Bad requests.
    pub bad: u64,
    /// Good and bad.
    pub total: u64,
    /// The indicator as the budgeting method weighs it: good over total. Null where nothing was counted.
    pub value: Option<DecimalText>,
    /// Requests that the indicator left out. They are kept by blocks of 64 slices: those of the window's oldest
    /// block are in here whole, at most 63 slices' too many. `links.query` and the rows of `sli_` have them exactly.
    pub excluded: u64,
    /// Good requests in exclusion windows.
    pub maintenance_good: u64,
    /// Bad requests in exclusion windows.
    pub maintenance_bad: u64,
}

/// A budget and what is left of it. Ratios are null where nothing was counted or observed.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct BudgetFacts {
    /// Bad requests that the budget allows. Null where slices are weighed.
    pub allowed_events: Option<DecimalText>,
    /// Bad slices that it allows. Null where requests are weighed.
    pub allowed_slices: Option<DecimalText>,
    /// Total outage that it allows.
    pub allowed_seconds: DecimalText,
    /// Bad requests in the window.
    pub consumed_events: u64,
    /// Bad slices in the window. Null where requests are weighed.
    pub consumed_slices: Option<DecimalText>,
    /// Their share of the budget; 1 and more: exhausted.
    pub consumed_ratio: Option<DecimalText>,
    /// The same at the end of a calendar's period, if it goes on at the mean rate so far. Null of a rolling window.
    pub projected_ratio: Option<DecimalText>,
    /// 1 less that; below 0 when overspent.
    pub remaining_ratio: Option<DecimalText>,
    /// Bad requests since the last such event. Over all events they add up to all bad requests. Only of
    /// `slo.budget.consumed`, and null where slices are weighed.
    #[schemars(range(min = 1))]
    pub consumed_delta_events: Option<u64>,
    /// Their share of the budget.
    pub consumed_delta: Option<DecimalText>,
}

/// A burn-rate rule and how both its windows burn.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct BurnFacts {
    /// Name of the burn-rate tier.
    pub rule: Arc<str>,
    /// It fires while both rates are above this, or with `gte` at it.
    pub factor: DecimalText,
    /// How rates are compared with it: `gt` or `gte`.
    #[schemars(regex(pattern = "^gte?$"))]
    pub op: &'static str,
    /// The long window.
    pub long: BurnWindow,
    /// The short window.
    pub short: BurnWindow,
    /// The smaller of both rates.
    pub governing_rate: Option<DecimalText>,
}

/// One window of a burn-rate rule.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct BurnWindow {
    /// Its length, such as `1h`.
    #[schemars(regex(pattern = "^[0-9]+[dhms]$"))]
    pub window: String,
    /// The same in seconds.
    pub window_s: u64,
    /// Burn rate: 1 spends the budget exactly by the end of the SLO's window. Null where nothing was counted
    /// or observed.
    pub rate: Option<DecimalText>,
    /// How many slices it has.
    pub slices: u64,
    /// How many of them were observed.
    pub observed: u64,
    /// Good requests.
    pub good: u64,
    /// Bad requests.
    pub bad: u64,
    /// Good and bad.
    pub total: u64,
    /// Good over total; null where nothing was counted.
    pub value: Option<DecimalText>,
}

/// When the budget is gone if it goes on at this rate and nothing leaves the window. All null where the
/// rate is unknown or 0.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct Projection {
    /// The burn rate: the rule's governing rate, else the mean over the SLO's window.
    pub rate: Option<DecimalText>,
    /// How long a whole budget lasts at that rate: window over rate.
    pub pace_seconds: Option<DecimalText>,
    /// How long what is left of it lasts; 0 where nothing is left.
    pub remaining_seconds: Option<DecimalText>,
    /// The end of that, rounded down to a second; the event's own time where nothing is left.
    pub exhausts_at: Option<Stamp>,
}

/// The tier of a policy that a budget came into.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct PolicyFacts {
    /// Its name.
    pub tier: String,
    /// What is to be done.
    pub action: String,
    /// The tier before.
    pub previous: Option<String>,
}

/// What a period of the calendar came to.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct Verdict {
    /// Whether the objective was met; exactly the objective meets it. Null where nothing was counted.
    pub slo_met: Option<bool>,
    /// What became of the agreement, if there is one.
    pub sla: Option<SlaVerdict>,
}

/// What became of an agreement.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct SlaVerdict {
    /// What was promised, percent.
    pub objective: DecimalText,
    /// Whether it was kept; exactly the objective keeps it. Null where nothing was counted.
    pub met: Option<bool>,
    /// Percent owed.
    pub credit: DecimalText,
}

/// What was published of a budget's window, and what it would be now.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct RevisionFacts {
    /// Which event is corrected: the last one about the budget, or the last `slo.window.closed`.
    pub of: RevisedEvent,
    /// The time of that event: the end of the slice that decided it.
    pub window_end: Stamp,
    /// Number of the correction of that event, from 1.
    pub number: u64,
    /// What corrected it.
    pub cause: RevisionCause,
    /// The first instant of the first slice that was corrected.
    pub slices_start: Stamp,
    /// The first instant after the last one.
    pub slices_end: Stamp,
    /// What was published, with earlier corrections.
    pub previous: Published,
    /// What it would be now.
    pub corrected: Published,
}

/// Which event is corrected.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
pub enum RevisedEvent {
    /// The last `slo.budget.*`.
    Budget,
    /// The last `slo.window.closed`.
    WindowClosed,
}

/// What corrected an event.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
pub enum RevisionCause {
    /// Requests that came after their slice had closed.
    LateData,
    /// Other exclusion windows.
    Exclusions,
}

/// How a budget stood at the end of a slice.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct Published {
    /// Good requests in the window.
    pub good: u64,
    /// Bad requests in the window.
    pub bad: u64,
    /// Their share of the budget, as the budgeting method weighs them.
    pub consumed_ratio: Option<DecimalText>,
    /// 1 less that.
    pub remaining_ratio: Option<DecimalText>,
    /// Whether the whole budget was consumed.
    pub exhausted: bool,
    /// The tier of the policy, if there is one.
    pub policy: Option<String>,
    /// What the period came to. Only of `window_closed`.
    pub verdict: Option<Verdict>,
}

/// Where whoever is called finds more.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct Links {
    /// The service's runbook.
    pub runbook_url: Option<String>,
    /// The service's dashboard.
    pub dashboard_url: Option<String>,
    /// SQL for the views of `ninetail generate sql duckdb`: the slices of the alert's long window, or of the SLO's window.
    pub query: String,
}

/// What one combination of dimension values brought.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct Contributor {
    /// The value of each dimension: null of requests without one, `__other__` of combinations beyond the limit.
    pub dimensions: BTreeMap<Arc<str>, Option<Arc<str>>>,
    /// Its bad requests.
    #[schemars(range(min = 1))]
    pub bad: u64,
    /// Its good and bad requests.
    pub total: u64,
    /// Its share of all bad requests of the slice.
    pub share: DecimalText,
}

/// What became of the budget or the alert.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct StateFacts {
    /// Before.
    pub previous: State,
    /// From now on.
    pub current: State,
    /// End of the slice that began to fire, or exhausted the budget; of the state that ends, where one ends.
    pub since: Option<Stamp>,
    /// Why, where it is not what was counted.
    pub cause: Option<Cause>,
    /// The same for all events of one alert, or of one budget, of this pipeline: what a pager groups by.
    #[schemars(regex(pattern = "^[0-9a-f]{16}$"))]
    pub fingerprint: String,
}

/// A state of a budget or of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The alert does not fire.
    Inactive,
    /// It fires.
    Firing,
    /// It no longer does.
    Resolved,
    /// Something of the budget is left.
    WithinBudget,
    /// Nothing is left of it.
    Exhausted,
    /// Alerts are decided.
    Live,
    /// Too little was read for alerts to fire or to resolve.
    Frozen,
}

/// Why a state changed or was told again, where it is not what was counted.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The SLO, its tier or its hold on the service is gone.
    Removed,
    /// The SLO has a new generation.
    Redefined,
    /// It was told as history and still fires.
    LeftHistory,
}

/// Input was lost, or nothing comes.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct GapData {
    /// What is missing.
    pub gap: GapFacts,
    /// Where it comes from.
    pub provenance: GapProvenance,
    /// History. Never page for it.
    pub replay: bool,
}

/// What is missing.
#[derive(Clone, PartialEq, Serialize, JsonSchema, Debug)]
pub struct GapFacts {
    /// The source.
    pub source: String,
    /// The topic, unless it is the whole source.
    pub topic: Option<Arc<str>>,
    /// The partition, unless it is the whole source.
    pub partition: Option<i32>,
    /// `retention`, `recreated`, `beyond_end`, `silent`, `unreachable` or `stopped`.
    pub reason: String,
    /// What happened.
    pub transition: GapTransition,
    /// The first lost offset.
    pub first_offset: Option<i64>,
    /// The first offset that could be read again.
    pub next_offset: Option<i64>,
    /// How many offsets are lost; not all of them need have held a record.
    pub offsets: Option<i64>,
    /// Start of the first incomplete slice. Only of `ended`.
    pub since: Option<Stamp>,
}

/// What happened to the input.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
pub enum GapTransition {
    /// Offsets are gone for good.
    Lost,
    /// From now on nothing comes.
    Began,
    /// It comes again.
    Ended,
}

impl GapTransition {
    /// The name, as in the id.
    pub const fn name(self) -> &'static str {
        match self {
            GapTransition::Lost => "lost",
            GapTransition::Began => "began",
            GapTransition::Ended => "ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_become_exact_ratios() {
        for (percent, ratio) in [
            ("99.9", "0.999"),
            ("99.999999", "0.99999999"),
            ("50", "0.5"),
            ("0.000001", "0.00000001"),
            ("100", "1"),
        ] {
            assert_eq!(DecimalText::ratio(Decimal::parse(percent).unwrap()), DecimalText(ratio.into()));
        }
    }
}
