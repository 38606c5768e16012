//! `generate grafana`: a dashboard over what `/metrics` shows.
//!
//! Invariant: every metric that a panel looks at is one that is exported.

use serde_json::{Value, json};

/// How wide Grafana's grid is.
const GRID: u64 = 24;

/// A panel: title, what kind it is, unit, how wide and high, and its queries with what their lines are called.
struct Panel {
    title: &'static str,
    about: &'static str,
    kind: &'static str,
    unit: &'static str,
    size: (u64, u64),
    queries: &'static [(&'static str, &'static str)],
}

const SLO: &str = "{service=~\"$service\",slo=~\"$slo\"}";

/// From the question asked most to the one asked least. `$SLO` stands for the chosen services and SLOs.
const PANELS: [Panel; 12] = [
    Panel {
        title: "Error budget left",
        about: "1 is all of it, below 0 is overspent",
        kind: "bargauge",
        unit: "percentunit",
        size: (12, 9),
        queries: &[(
            "sort(ninetail_slo_error_budget_remaining_ratio$SLO)",
            "{{service}} / {{slo}} {{group}}",
        )],
    },
    Panel {
        title: "Error budget left, over time",
        about: "The burn-down of each budget",
        kind: "timeseries",
        unit: "percentunit",
        size: (12, 9),
        queries: &[("ninetail_slo_error_budget_remaining_ratio$SLO", "{{service}} / {{slo}} {{group}}")],
    },
    Panel {
        title: "Burn rates",
        about: "1 spends the budget exactly in the SLO's window",
        kind: "timeseries",
        unit: "none",
        size: (12, 9),
        queries: &[("ninetail_slo_burn_rate$SLO", "{{service}} / {{slo}} {{group}} over {{window}}")],
    },
    Panel {
        title: "SLI beside its objective",
        about: "Good requests of all in the SLO's window",
        kind: "timeseries",
        unit: "percentunit",
        size: (12, 9),
        queries: &[
            (
                "ninetail_slo_window_good$SLO / (ninetail_slo_window_good$SLO + ninetail_slo_window_bad$SLO)",
                "{{service}} / {{slo}} {{group}}",
            ),
            ("ninetail_slo_objective_ratio$SLO", "{{service}} / {{slo}} {{group}} objective"),
        ],
    },
    Panel {
        title: "Events",
        about: "Published, by type",
        kind: "timeseries",
        unit: "short",
        size: (12, 8),
        queries: &[("sum by (type) (increase(ninetail_events_total[$__rate_interval]))", "{{type}}")],
    },
    Panel {
        title: "Lines",
        about: "Read in a second, by what became of them",
        kind: "timeseries",
        unit: "cps",
        size: (12, 8),
        queries: &[("sum by (outcome) (rate(ninetail_records_total[$__rate_interval]))", "{{outcome}}")],
    },
    Panel {
        title: "Watermark lag",
        about: "How old what is decided is: the clock minus the watermark",
        kind: "timeseries",
        unit: "s",
        size: (8, 8),
        queries: &[
            ("ninetail_watermark_lag_seconds", "watermark"),
            ("time() - ninetail_commit_timestamp_seconds", "commit"),
        ],
    },
    Panel {
        title: "Kafka lag",
        about: "Offsets still to read, by source",
        kind: "timeseries",
        unit: "short",
        size: (8, 8),
        queries: &[("sum by (source) (ninetail_kafka_lag_records)", "{{source}}")],
    },
    Panel {
        title: "Rejected lines",
        about: "In a second, by reason; each is a dead letter",
        kind: "timeseries",
        unit: "cps",
        size: (8, 8),
        queries: &[("sum by (reason) (rate(ninetail_rejected_total[$__rate_interval]))", "{{reason}}")],
    },
    Panel {
        title: "Late and repeated records",
        about: "After their slice had closed; seen again and dropped",
        kind: "timeseries",
        unit: "cps",
        size: (8, 8),
        queries: &[
            ("rate(ninetail_records_late_total[$__rate_interval])", "late"),
            ("rate(ninetail_replayed_total[$__rate_interval])", "seen again"),
            ("rate(ninetail_duplicates_dropped_total[$__rate_interval])", "duplicates dropped"),
        ],
    },
    Panel {
        title: "Failed writes and deliveries",
        about: "Each is tried again",
        kind: "timeseries",
        unit: "short",
        size: (8, 8),
        queries: &[
            ("sum by (sink) (increase(ninetail_sink_errors_total[$__rate_interval]))", "{{sink}}"),
            (
                "sum by (receiver, outcome) (increase(ninetail_deliveries_total{outcome!=\"taken\"}[$__rate_interval]))",
                "{{receiver}} {{outcome}}",
            ),
        ],
    },
    Panel {
        title: "Time a commit takes",
        about: "99th percentile of each step",
        kind: "timeseries",
        unit: "s",
        size: (8, 8),
        queries: &[
            (
                "histogram_quantile(0.99, sum by (le) (rate(ninetail_journal_duration_seconds_bucket[$__rate_interval])))",
                "journal",
            ),
            (
                "histogram_quantile(0.99, sum by (le) (rate(ninetail_apply_duration_seconds_bucket[$__rate_interval])))",
                "engine",
            ),
            (
                "histogram_quantile(0.99, sum by (le) (rate(ninetail_events_duration_seconds_bucket[$__rate_interval])))",
                "events",
            ),
            (
                "histogram_quantile(0.99, sum by (le) (rate(ninetail_rollup_write_duration_seconds_bucket[$__rate_interval])))",
                "rollups",
            ),
        ],
    },
];

/// The dashboard, JSON for Grafana's import.
pub(super) fn dashboard() -> String {
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    let (mut x, mut y, mut row) = (0, 0, 0);
    let mut panels = Vec::new();
    for (i, panel) in PANELS.iter().enumerate() {
        let (w, h) = panel.size;
        if x + w > GRID {
            (x, y) = (0, y + row);
        }
        row = h;
        panels.push(json!({
            "id": i + 1,
            "title": panel.title,
            "description": panel.about,
            "type": panel.kind,
            "datasource": source,
            "gridPos": { "x": x, "y": y, "w": w, "h": h },
            "fieldConfig": { "defaults": { "unit": panel.unit }, "overrides": [] },
            "targets": panel.queries.iter().enumerate().map(|(query, (expression, legend))| json!({
                "refId": char::from(b'A' + query as u8).to_string(),
                "datasource": source,
                "expr": expression.replace("$SLO", SLO),
                "legendFormat": legend,
            })).collect::<Vec<_>>(),
        }));
        x += w;
    }
    let choice = |name: &str, label: &str| {
        let query = format!("label_values(ninetail_slo_objective_ratio, {name})");
        json!({
            "name": name, "label": label, "type": "query", "datasource": source, "query": query, "definition": query,
            "multi": true, "includeAll": true, "allValue": ".*", "refresh": 2, "sort": 1,
            "current": { "text": "All", "value": "$__all" },
        })
    };
    let dashboard: Value = json!({
        "title": "ninetail",
        "uid": "ninetail",
        "tags": ["slo", "ninetail"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": { "from": "now-24h", "to": "now" },
        "templating": { "list": [
            { "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus" },
            choice("service", "Service"),
            choice("slo", "SLO"),
        ] },
        "panels": panels,
    });
    format!("{dashboard:#}\n")
}
