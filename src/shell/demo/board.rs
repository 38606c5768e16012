//! What `/metrics` says, as a table of services and SLOs.
//!
//! Invariant: nothing is decided here. Ratios that the metrics hold as fractions are only shown; the SLI is
//! computed from integers and rounded down.

use super::story::Story;
use crate::shell::words::{grouped, painted};
use comfy_table::{CellAlignment, Table, presets};
use std::collections::BTreeMap;

/// The metrics, read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Board {
    /// Lines that were records.
    pub(super) records: u64,
    /// Lines that could not be read.
    pub(super) rejected: u64,
    skipped: u64,
    /// Records after their slice had closed.
    pub(super) late: u64,
    /// Cuts written.
    pub(super) cuts: u64,
    /// Clock minus watermark, seconds of the demo's clock.
    watermark_lag_s: f64,
    rows: BTreeMap<(String, String), Row>,
}

#[derive(Debug, Default, PartialEq)]
struct Row {
    objective: f64,
    good: u64,
    bad: u64,
    remaining: Option<f64>,
    burns: BTreeMap<String, f64>,
}

impl Board {
    /// Reads the Prometheus text format as this process writes it. Labels here hold neither commas nor quotes.
    pub(super) fn read(text: &str) -> Board {
        let mut board = Board::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let label = |wanted: &str| {
                let mut pairs = labels.trim_end_matches('}').split(',').filter_map(|l| l.split_once('='));
                pairs.find(|(key, _)| *key == wanted).map_or("", |(_, value)| value.trim_matches('"'))
            };
            let (count, fraction) = (value.parse().unwrap_or(0), value.parse().unwrap_or(0.0));
            let Some(name) = name.strip_prefix("ninetail_") else { continue };
            match name {
                "records_total" => match label("outcome") {
                    "record" => board.records = count,
                    "rejected" => board.rejected = count,
                    _ => board.skipped = count,
                },
                "records_late_total" => board.late = count,
                "cuts_total" => board.cuts = count,
                "watermark_lag_seconds" => board.watermark_lag_s = fraction,
                "slo_objective_ratio" => row(&mut board.rows, &label).objective = fraction,
                "slo_window_good" => row(&mut board.rows, &label).good = count,
                "slo_window_bad" => row(&mut board.rows, &label).bad = count,
                "slo_error_budget_remaining_ratio" => {
                    row(&mut board.rows, &label).remaining = Some(fraction);
                }
                "slo_burn_rate" => {
                    row(&mut board.rows, &label).burns.insert(label("window").to_string(), fraction);
                }
                _ => {}
            }
        }
        board
    }

    /// Lines counted.
    pub(super) fn lines(&self) -> u64 {
        self.records + self.rejected + self.skipped
    }

    /// One line: how it stands.
    pub(super) fn line(&self, time: &str, story: &Story) -> String {
        format!(
            "{time}  {} lines counted, watermark {:.0}s behind, {} cuts, {} events, {} alerts firing",
            grouped(self.lines()),
            self.watermark_lag_s,
            self.cuts,
            grouped(story.events),
            story.firing()
        )
    }

    /// The table, ending in a newline.
    pub(super) fn table(&self, story: &Story, color: bool) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "service",
            "SLO",
            "objective",
            "requests",
            "bad",
            "SLI",
            "budget left",
            "burn 1h",
            "5m",
            "state",
        ]);
        for ((service, slo), row) in &self.rows {
            let burn = |window: &str| row.burns.get(window).map_or("-".into(), |rate| format!("{rate:.1}x"));
            let state = story.state(service, slo);
            table.add_row([
                service.clone(),
                slo.clone(),
                format!("{}%", (row.objective * 1e8).round() / 1e6),
                grouped(row.good + row.bad),
                grouped(row.bad),
                sli(row.good, row.good + row.bad),
                row.remaining.map_or("-".into(), |left| format!("{:.1}%", left * 100.0)),
                burn("1h"),
                burn("5m"),
                painted(code(state), state, color),
            ]);
        }
        for i in 2..9 {
            if let Some(column) = table.column_mut(i) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines = table.to_string();
        lines.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

fn row<'r, 'l>(
    rows: &'r mut BTreeMap<(String, String), Row>,
    label: &impl Fn(&str) -> &'l str,
) -> &'r mut Row {
    rows.entry((label("service").to_string(), label("slo").to_string())).or_default()
}

/// In percent, to three places, rounded down: 100 means all.
fn sli(good: u64, total: u64) -> String {
    if total == 0 {
        return "-".into();
    }
    let scaled = u128::from(good) * 100_000 / u128::from(total);
    format!("{}.{:03}%", scaled / 1_000, scaled % 1_000)
}

/// The colour of a budget's state.
fn code(state: &str) -> &'static str {
    match state {
        "ok" => "32",
        "ticket" => "33",
        _ => "1;31",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::metrics::{BurnLabels, Metrics, OutcomeLabel, SloLabels};

    #[test]
    fn it_reads_what_the_process_writes() {
        let metrics = Metrics::new();
        let labels = SloLabels { service: "checkout".into(), slo: "availability".into(), group: Vec::new() };
        metrics.records.get_or_create(&OutcomeLabel { outcome: "record" }).inc_by(12_345);
        metrics.records.get_or_create(&OutcomeLabel { outcome: "rejected" }).inc_by(2);
        metrics.slo_objective_ratio.get_or_create(&labels).set(0.999);
        metrics.slo_window_good.get_or_create(&labels).set(8_999);
        metrics.slo_window_bad.get_or_create(&labels).set(1_001);
        metrics.slo_error_budget_remaining_ratio.get_or_create(&labels).set(0.25);
        let (service, slo) = ("checkout".into(), "availability".into());
        let burn = BurnLabels { service, slo, group: Vec::new(), window: "1h".into() };
        metrics.slo_burn_rate.get_or_create(&burn).set(17.26);
        metrics.cuts.inc();
        let board = Board::read(&metrics.text());
        assert_eq!((board.lines(), board.rejected, board.cuts), (12_347, 2, 1));
        let story = Story::of("/nowhere".into());
        let table = board.table(&story, false);
        let words: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            words,
            ["checkout", "availability", "99.9%", "10,000", "1,001", "89.990%", "25.0%", "17.3x", "-", "ok"],
            "{table}"
        );
        assert!(board.line("10:07", &story).starts_with("10:07  12,347 lines counted"));
    }

    #[test]
    fn an_sli_is_never_rounded_up() {
        let cases = [(0, 0, "-"), (1, 1, "100.000%"), (999_999, 1_000_000, "99.999%"), (0, 5, "0.000%")];
        for (good, total, want) in cases {
            assert_eq!(sli(good, total), want);
        }
    }
}
