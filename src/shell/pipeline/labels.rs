//! Labels that alerts are routed by: of a service rule, of a service tier, of an Alertmanager.
//!
//! Invariant: names are Prometheus' own grammar, and none is a label that every alert has of its own.

use super::load::Checker;
use crate::shell::config::At;
use std::collections::BTreeMap;

/// Labels that every alert has of its own.
const OWN: [&str; 11] = [
    "alertname",
    "pipeline",
    "service",
    "slo",
    "group",
    "tier",
    "owner",
    "severity",
    "rule",
    "long",
    "short",
];

/// Most labels in one place: every event carries them.
const LABELS_MAX: usize = 16;

/// Longest value, bytes.
const VALUE_BYTES_MAX: usize = 256;

/// The labels as written. The parser gives no place for keys: errors show the value beside it.
pub(super) fn read(
    written: Option<&BTreeMap<String, At<String>>>,
    checker: &mut Checker,
) -> BTreeMap<String, String> {
    let written = written.into_iter().flatten();
    for (number, (name, value)) in written.clone().enumerate() {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(letter) {
            checker.error_hint(
                &value.span,
                format!("`{name}` cannot name a label"),
                "use letters, digits and underscores, no digit first",
            );
        } else if name.starts_with("__") {
            let message = format!("`{name}` cannot name a label");
            checker.error_hint(&value.span, message, "names that begin with two underscores are reserved");
        }
        if OWN.contains(&name.as_str()) {
            checker.error_hint(
                &value.span,
                format!("`{name}` is a label that every alert has of its own"),
                format!("give it another name; taken are {}", OWN.join(", ")),
            );
        }
        if value.len() > VALUE_BYTES_MAX || value.chars().any(char::is_control) {
            let message = format!("label `{name}` has a value of more than one line of 256 bytes");
            checker.error(&value.span, message);
        }
        if number == LABELS_MAX {
            checker.error(&value.span, format!("there are more than {LABELS_MAX} labels"));
        }
    }
    written.map(|(name, value)| (name.clone(), value.value.clone())).collect()
}
