//! A report as a table for people and as JSON.
//!
//! Invariant: JSON holds every number in full: counts as integers, decimals as text, microseconds.

use super::figures::{LatencyFigures, QUANTILES, Report, ServiceFigures, SloFigures};
use super::sums::BURN_WINDOWS;
use crate::core::burn::Millionths;
use crate::shell::words::{duration, painted};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// For people: one row for an SLO of a service, or for each of its groups, then what was read.
pub(super) fn table(report: &Report, color: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut header = vec!["service", "SLO", "objective", "window", "requests", "bad", "SLI", "budget left"];
    let burns = BURN_WINDOWS.map(|(name, _)| format!("burn {name}"));
    header.extend(burns.iter().map(String::as_str));
    header.extend(["client p50/p95/p99", "upstream p50/p95/p99", "state"]);
    // beside the SLO, where any has groups
    let grouped = report.slos.iter().any(|slo| slo.group.is_some());
    let put = |row: &mut Vec<String>, group: &str| {
        if grouped {
            row.insert(2, group.to_owned());
        }
    };
    let mut header: Vec<String> = header.into_iter().map(str::to_owned).collect();
    put(&mut header, "group");
    let columns = header.len();
    table.set_header(header);
    for slo in &report.slos {
        let mut row = vec![
            slo.service.clone(),
            slo.slo.clone(),
            format!("{}%", slo.objective),
            duration(slo.window_s),
            (slo.counts.good + slo.counts.bad).to_string(),
            slo.counts.bad.to_string(),
            slo.sli.as_ref().map_or("-".into(), |sli| format!("{sli}%")),
            slo.left.map_or("-".into(), |left| format!("{}%", percent(left, 1))),
        ];
        row.extend(slo.burn.map(|rate| rate.map_or("-".into(), |rate| rounded(rate, 2))));
        row.extend(latencies(report.services.get(&slo.service)));
        row.push(slo.state().map_or("-".into(), |state| painted(code(state), state, color)));
        put(&mut row, slo.group.as_deref().unwrap_or("-"));
        table.add_row(row);
    }
    for (service, figures) in report.without_slo() {
        let mut row = vec![service.clone(), "none".into(), "-".into(), "-".into()];
        row.extend([figures.requests.to_string(), "-".into(), "-".into(), "-".into()]);
        row.extend(BURN_WINDOWS.map(|_| "-".to_string()));
        row.extend(latencies(Some(figures)));
        row.push("-".into());
        put(&mut row, "-");
        table.add_row(row);
    }
    // the state is last: its colours have no width
    for i in 2 + usize::from(grouped)..columns - 1 {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = format!("{}\n\n{}", table.trim_fmt(), read(report));
    let exhausted = report.slos.iter().filter(|slo| slo.exhausted).count();
    if exhausted > 0 {
        let _ = writeln!(out, "{exhausted} of {} budgets are exhausted", report.slos.len());
    }
    for note in &report.notes {
        let _ = writeln!(out, "note: {note}");
    }
    for (slo, text) in &report.specifications {
        let _ = writeln!(out, "{slo}: {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    out
}

/// The colour of a budget's state.
fn code(state: &str) -> &'static str {
    match state {
        "ok" => "32",
        "missed" => "33",
        _ => "1;31",
    }
}

/// What the numbers are of.
fn read(report: &Report) -> String {
    let quality = &report.quality;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "pipeline {}, {} to {} ({} of {} slices of {} complete)",
        report.pipeline,
        report.since,
        report.until,
        quality.complete,
        quality.slices,
        duration(u64::from(report.slice.0))
    );
    let mut parts: Vec<String> =
        quality.reasons.iter().map(|(reason, slices)| format!("{slices} incomplete ({reason})")).collect();
    if quality.unread > 0 {
        parts.push(format!("{} without any account", quality.unread));
    }
    if !parts.is_empty() {
        let _ = writeln!(out, "slices: {}", parts.join(", "));
    }
    let _ = writeln!(
        out,
        "lines: {} read, {} rejected, {} late; {} offsets lost",
        quality.lines, quality.rejected, quality.late, quality.gap_offsets
    );
    let span_s = u64::try_from(report.until.seconds() - report.since.seconds()).unwrap_or(0);
    if report.slos.iter().any(|slo| slo.window_s > span_s) {
        let _ = writeln!(
            out,
            "windows end at {}; what lies in one before {} counts as good at the mean rate",
            report.until, report.since
        );
    }
    out
}

fn latencies(figures: Option<&ServiceFigures>) -> [String; 2] {
    let text = |latency: &LatencyFigures| {
        let parts = latency.quantiles_us.map(|us| us.map_or("-".into(), latency_text));
        parts.join(" / ")
    };
    match figures {
        Some(figures) => [text(&figures.client), text(&figures.upstream)],
        None => ["-".into(), "-".into()],
    }
}

/// Three digits and a unit: `850us`, `85.3ms`, `1.24s`, `340s`.
fn latency_text(us: u64) -> String {
    let (unit, name) = match us {
        0..1_000 => return format!("{us}us"),
        1_000..1_000_000 => (1_000, "ms"),
        _ => (1_000_000, "s"),
    };
    let (whole, thousandths) = (us / unit, us % unit * 1_000 / unit);
    match whole {
        0..10 => format!("{whole}.{:02}{name}", thousandths / 10),
        10..100 => format!("{whole}.{}{name}", thousandths / 100),
        _ => format!("{whole}{name}"),
    }
}

/// Rounded down to so many places, at most six.
fn rounded(value: Millionths, places: u32) -> String {
    let step = 10i128.pow(6 - places.min(6));
    Millionths(value.0.div_euclid(step) * step).to_string()
}

/// A share in percent, rounded down to so many places.
pub(super) fn percent(share: Millionths, places: u32) -> String {
    rounded(Millionths(share.0.saturating_mul(100)), places)
}

/// One object.
pub(super) fn json(report: &Report) -> Value {
    let quality = &report.quality;
    let services: Map<String, Value> = report
        .services
        .iter()
        .map(|(name, figures)| {
            let service = json!({
                "requests": figures.requests,
                "status_5xx": figures.status_5xx,
                "client_latency_us": latency_json(&figures.client),
                "upstream_latency_us": latency_json(&figures.upstream),
            });
            (name.clone(), service)
        })
        .collect();
    json!({
        "pipeline": report.pipeline,
        "slice_s": report.slice.0,
        "since": report.since.to_string(),
        "until": report.until.to_string(),
        "quality": {
            "slices": quality.slices,
            "complete": quality.complete,
            "unread": quality.unread,
            "incomplete": quality.reasons,
            "lines": quality.lines,
            "rejected": quality.rejected,
            "late": quality.late,
            "gap_offsets": quality.gap_offsets,
        },
        "slos": report.slos.iter().map(slo_json).collect::<Vec<_>>(),
        "services": services,
        "specifications": report.specifications.iter().cloned().collect::<BTreeMap<_, _>>(),
        "notes": report.notes,
    })
}

fn slo_json(slo: &SloFigures) -> Value {
    let burn: Map<String, Value> = BURN_WINDOWS
        .iter()
        .zip(slo.burn)
        .map(|((name, _), rate)| ((*name).to_owned(), json!(rate.map(|r| r.to_string()))))
        .collect();
    json!({
        "service": slo.service,
        "slo": slo.slo,
        "group": slo.group,
        "generation": slo.generation,
        "objective_percent": slo.objective.to_string(),
        "window_s": slo.window_s,
        "requests": slo.counts.good + slo.counts.bad,
        "good": slo.counts.good,
        "bad": slo.counts.bad,
        "excluded": slo.excluded,
        "maintenance_good": slo.maintenance.good,
        "maintenance_bad": slo.maintenance.bad,
        "raw_good": slo.counts.good + slo.maintenance.good,
        "raw_bad": slo.counts.bad + slo.maintenance.bad,
        "sli_percent": slo.sli,
        "objective_met": slo.met,
        "budget_left_percent": slo.left.map(|left| percent(left, 6)),
        "budget_exhausted": slo.exhausted,
        "burn_rates": burn,
    })
}

fn latency_json(latency: &LatencyFigures) -> Value {
    let mut out = Map::new();
    out.insert("count".into(), json!(latency.count));
    out.insert("min".into(), json!(latency.min_us));
    for ((name, _), us) in QUANTILES.iter().zip(latency.quantiles_us) {
        out.insert((*name).to_owned(), json!(us));
    }
    out.insert("max".into(), json!(latency.max_us));
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_three_digits() {
        let cases = [
            (0, "0us"),
            (999, "999us"),
            (1_000, "1.00ms"),
            (85_349, "85.3ms"),
            (999_999, "999ms"),
            (1_249_999, "1.24s"),
            (12_000_000, "12.0s"),
            (340_000_000, "340s"),
        ];
        for (us, text) in cases {
            assert_eq!(latency_text(us), text);
        }
    }

    #[test]
    fn shares_are_rounded_down() {
        for (millionths, text) in [(1_000_000, "100"), (999_999, "99.9"), (-1, "-0.1"), (-4_000_000, "-400")]
        {
            assert_eq!(percent(Millionths(millionths), 1), text);
        }
        assert_eq!(rounded(Millionths(14_449_999), 2), "14.44");
    }
}
