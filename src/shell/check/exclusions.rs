//! Exclusion windows as `check` shows them: what they are for, and when the next ones are.
//!
//! Invariant: the windows come from the function that the engine asks.

use crate::core::settings::{Exclusion, Occurs};
use crate::core::time::Time;
use crate::shell::config::scalar::seconds_text;
use serde_json::{Value, json};
use std::fmt::Write;

/// How many windows are shown.
const SHOWN: usize = 3;

/// For people.
pub(super) fn text(exclusion: &Exclusion, now: Time) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "  exclusion {} (services {}; SLOs {}): {}",
        exclusion.name,
        exclusion.services.join(", "),
        exclusion.slos.join(", "),
        exclusion.reason
    );
    if let Occurs::Repeats { rule, start, time_zone, duration_s } = &exclusion.occurs {
        let length = seconds_text(*duration_s);
        let _ = writeln!(out, "    rule     {rule} from {start} in {time_zone}, {length} each");
    }
    let upcoming = exclusion.occurs.upcoming(now, SHOWN);
    for (from, to) in &upcoming {
        let word = if *from <= now { "now " } else { "next" };
        let _ = writeln!(out, "    {word}     {from} to {to}");
    }
    if upcoming.is_empty() {
        let _ = writeln!(out, "    next     none: it is over");
    }
    out
}

/// One object.
pub(super) fn to_json(exclusion: &Exclusion, now: Time) -> Value {
    let upcoming = exclusion.occurs.upcoming(now, SHOWN);
    json!({
        "name": exclusion.name,
        "reason": exclusion.reason,
        "services": exclusion.services,
        "slos": exclusion.slos,
        "next": upcoming
            .iter()
            .map(|(from, to)| json!({ "from": from.to_string(), "to": to.to_string() }))
            .collect::<Vec<_>>(),
    })
}
