//! The event types, each once: name, meaning, the type of its data, and what more holds for it.
//!
//! A new type is one line here; its schema, its place in the AsyncAPI document and the check that both are
//! committed follow from it.

use super::data::{BudgetData, GapData};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

/// An event type.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The CloudEvents `type`.
    pub name: &'static str,
    /// What it says, a sentence.
    pub about: &'static str,
    /// The schema of its data, as a part of what the generator makes.
    pub data: fn(&mut SchemaGenerator) -> Schema,
    /// What holds for its data beyond that, as JSON Schema.
    pub narrows: fn() -> Value,
    /// The subject's form, a regular expression.
    pub subject: &'static str,
}

macro_rules! kinds {
    ($($(#[doc = $about:literal])+ $name:ident = $text:literal, $data:ty, $subject:expr, $narrows:expr;)+) => {
        $($(#[doc = $about])+ pub const $name: &str = $text;)+

        /// All event types.
        pub const KINDS: &[Kind] = &[$(Kind {
            name: $name,
            about: concat!($($about),+).trim_ascii(),
            data: subschema::<$data>,
            narrows: $narrows,
            subject: $subject,
        }),+];
    };
}

kinds! {
    /// Both windows of a tier burn faster than its factor.
    FIRING = "slo.burn_rate.firing", BudgetData, OF_BUDGET, of_alert;
    /// A window of a firing tier no longer does, or the tier or its SLO is gone.
    RESOLVED = "slo.burn_rate.resolved", BudgetData, OF_BUDGET, of_alert;
    /// Budget was consumed.
    CONSUMED = "slo.budget.consumed", BudgetData, OF_BUDGET, of_consumption;
    /// The whole budget of the window is consumed.
    EXHAUSTED = "slo.budget.exhausted", BudgetData, OF_BUDGET, of_budget;
    /// It no longer is.
    RECOVERED = "slo.budget.recovered", BudgetData, OF_BUDGET, of_budget;
    /// What remains of the budget falls under another tier of its policy.
    POLICY_CHANGED = "slo.budget.policy_changed", BudgetData, OF_BUDGET, of_policy;
    /// A period of the calendar is over.
    WINDOW_CLOSED = "slo.window.closed", BudgetData, OF_BUDGET, of_period;
    /// Too little was read for an alert to fire or to resolve.
    FROZEN = "slo.data.frozen", BudgetData, OF_BUDGET, of_freeze;
    /// Enough is read again.
    THAWED = "slo.data.thawed", BudgetData, OF_BUDGET, of_budget;
    /// Input was lost, or nothing comes.
    DATA_GAP = "slo.data.gap", GapData, OF_SOURCE, anything;
}

/// The type of that name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.name == name)
}

/// Identifies the schema of a type's data: the CloudEvents `dataschema`, and the `$id` of the file.
pub fn data_schema(kind: &str) -> String {
    format!("https://ninetail.dev/schemas/events/{kind}.schema.json")
}

const OF_BUDGET: &str = "^[A-Za-z0-9._~%-]+(/[A-Za-z0-9._~%-]+){1,2}$";
const OF_SOURCE: &str = "^source(/[A-Za-z0-9._~%-]+){1,3}$";

fn subschema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn of_alert() -> Value {
    json!({ "properties": {
        "burn": { "type": "object" },
        "severity": { "type": "string" },
        "state": { "properties": { "previous": { "enum": ["inactive", "firing"] } } },
    } })
}

fn of_budget() -> Value {
    json!({ "properties": { "burn": { "type": "null" }, "severity": { "type": "null" } } })
}

fn of_consumption() -> Value {
    json!({ "properties": {
        "burn": { "type": "null" },
        "severity": { "type": "null" },
        "budget": { "properties": { "consumed_delta": { "type": "string" } } },
    } })
}

fn of_policy() -> Value {
    json!({ "properties": { "policy": { "type": "object" }, "burn": { "type": "null" }, "severity": { "type": "null" } } })
}

fn of_period() -> Value {
    json!({ "properties": {
        "verdict": { "type": "object" },
        "burn": { "type": "null" },
        "severity": { "type": "null" },
        "slo": { "properties": { "window": { "properties": { "kind": { "const": "calendar" } } } } },
    } })
}

fn of_freeze() -> Value {
    json!({ "properties": { "burn": { "type": "object" }, "severity": { "type": "string" } } })
}

fn anything() -> Value {
    json!({})
}
