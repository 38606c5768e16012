//! OpenSLO v1: SLOs from its files into a pipeline, and a pipeline's SLOs into such a file.
//!
//! Invariant: reading is lenient and writing strict. What an object cannot mean here is an error with its place,
//! what is odd but clear is read with a warning, and what is written here reads back to the same settings.
//!
//! An indicator here is a `metricSource` of the type `accesslog`. For a `ratioMetric` its `spec` holds a CEL
//! predicate: `good` of good requests, or `bad` of bad ones, `filter` of all that count (`total`), or `exclude` of
//! those that do not. For a `thresholdMetric` it holds `of` and `unit` of a latency. What OpenSLO has no words for
//! stands in annotations that begin with [`PREFIX`].

mod alerts;
mod extras;
mod indicator;
mod objects;
mod read;
mod tree;
mod window;
mod write;
#[cfg(test)]
mod tests;

pub use read::{Slos, read};
pub use write::text;

use super::config::diagnostic::Problem;

/// What our annotations begin with.
const PREFIX: &str = "ninetail.dev/";
/// Our annotations: what comes after the prefix, and of which kinds.
const ANNOTATIONS: [&str; 24] = [
    // SLO: its name here, its services as a JSON list, `workbook` or `none`, the step of consumption events
    "name",
    "services",
    "alerts",
    "consumed_step",
    // what it does with slices, and with missing and thin data
    "slice_window",
    "throughput",
    "on_empty",
    "coverage_min",
    "min_events",
    "min_failures",
    "suppress_slower",
    // what its groups are by, and how many there may be
    "per",
    "groups_max",
    // its policy (`none`, or a JSON list of tiers) and its agreement (JSON)
    "policy",
    "sla",
    // AlertCondition: its short window, the share of the budget in place of the threshold, and how long it waits
    "short",
    "budget",
    "alert_after",
    "cool_down",
    // SLO and AlertCondition: a window that is no whole number of minutes
    "window",
    // Service: what its rule says, for others to read
    "tier",
    "owner",
    "runbook_url",
    "dashboard_url",
];
/// The version that is read and written.
const VERSION: &str = "openslo/v1";
/// Our type of metric source.
const SOURCE: &str = "accesslog";
/// What a metric's spec says of numbers that another system counts.
const EXTERNAL: &str = "external";
/// What a threshold is `of` that bounds the way from a request to Kafka.
const FRESHNESS: &str = "freshness";

/// What was found wrong or odd.
#[derive(Debug, Default)]
pub struct Findings {
    /// What cannot be used.
    pub problems: Vec<Problem>,
    /// What can, and probably does not say what was meant.
    pub warnings: Vec<Problem>,
}

/// A decimal's text with its point moved right by so many places, exactly; an exponent is read too. None if it is
/// no decimal or below 0.
fn shifted(text: &str, places: i32) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok().filter(|e| e.abs() < 30)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent + places;
    let before = usize::try_from(-point).unwrap_or(0);
    let digits = format!("{}{digits}", "0".repeat(before));
    let point = usize::try_from(point).unwrap_or(0);
    let padded = format!("{digits:0<point$}");
    let (whole, fraction) = padded.split_at(point);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    Some(if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") })
}

/// Whether a name is a DNS label (RFC 1123): lower-case letters, digits, hyphens between them, at most 63.
fn is_label(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The nearest DNS label to a name; `otherwise` where nothing of it is left.
fn label(name: &str, otherwise: &str) -> String {
    let mut made = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => made.push(c),
            _ if !made.is_empty() && !made.ends_with('-') => made.push('-'),
            _ => {}
        }
    }
    made.truncate(63);
    let made = made.trim_end_matches('-');
    if made.is_empty() { otherwise.to_string() } else { made.to_string() }
}
