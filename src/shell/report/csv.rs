//! A report as comma-separated values.
//!
//! Invariant: every row has the header's fields, and numbers are in full, as in JSON.

use super::figures::{LatencyFigures, QUANTILES, Report, ServiceFigures, SloFigures};
use super::print::percent;
use super::sums::BURN_WINDOWS;

/// RFC 4180 with a header; what is not there is empty.
pub(super) fn text(report: &Report) -> String {
    let mut header: Vec<String> = [
        "service",
        "slo",
        "objective_percent",
        "window_s",
        "requests",
        "good",
        "bad",
        "excluded",
        "sli_percent",
        "objective_met",
        "budget_left_percent",
        "budget_exhausted",
    ]
    .map(str::to_owned)
    .into();
    header.extend(BURN_WINDOWS.map(|(name, _)| format!("burn_rate_{name}")));
    for latency in ["client", "upstream"] {
        header.extend(QUANTILES.map(|(name, _)| format!("{latency}_latency_{name}_us")));
    }
    header.extend(["since", "until", "slices", "slices_complete"].map(str::to_owned));
    header.extend(["maintenance_good", "maintenance_bad", "slo_group"].map(str::to_owned));
    let mut out = line(header);
    let tail = [
        report.since.to_string(),
        report.until.to_string(),
        report.quality.slices.to_string(),
        report.quality.complete.to_string(),
    ];
    let mut put = |head: Vec<String>, slo: Option<&SloFigures>, service: Option<&ServiceFigures>| {
        let mut row = head;
        let quantiles = |latency: fn(&ServiceFigures) -> &LatencyFigures| {
            QUANTILES.iter().enumerate().map(move |(i, _)| {
                service.and_then(|s| latency(s).quantiles_us[i]).map_or(String::new(), |us| us.to_string())
            })
        };
        row.extend(quantiles(|s| &s.client));
        row.extend(quantiles(|s| &s.upstream));
        row.extend(tail.clone());
        let maintenance = slo.map(|slo| [slo.maintenance.good, slo.maintenance.bad].map(|n| n.to_string()));
        row.extend(maintenance.unwrap_or_default());
        row.push(slo.and_then(|slo| slo.group.clone()).unwrap_or_default());
        out.push_str(&line(row));
    };
    let maybe = |text: Option<String>| text.unwrap_or_default();
    for slo in &report.slos {
        let mut row = vec![
            slo.service.clone(),
            slo.slo.clone(),
            slo.objective.to_string(),
            slo.window_s.to_string(),
            (slo.counts.good + slo.counts.bad).to_string(),
            slo.counts.good.to_string(),
            slo.counts.bad.to_string(),
            slo.excluded.to_string(),
            maybe(slo.sli.clone()),
            maybe(slo.met.map(|met| met.to_string())),
            maybe(slo.left.map(|left| percent(left, 6))),
            slo.exhausted.to_string(),
        ];
        row.extend(slo.burn.map(|rate| maybe(rate.map(|r| r.to_string()))));
        put(row, Some(slo), report.services.get(&slo.service));
    }
    for (service, figures) in report.without_slo() {
        let mut row = vec![String::new(); 12 + BURN_WINDOWS.len()];
        (row[0], row[4]) = (service.clone(), figures.requests.to_string());
        put(row, None, Some(figures));
    }
    out
}

fn line(fields: Vec<String>) -> String {
    let quoted = |field: String| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field
        }
    };
    let mut text = fields.into_iter().map(quoted).collect::<Vec<_>>().join(",");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let fields = ["a", "b,c", "say \"x\"", ""].map(str::to_owned).into();
        assert_eq!(line(fields), "a,\"b,c\",\"say \"\"x\"\"\",\n");
    }
}
