//! `check --sample`: what would be counted for the lines of a file.

use crate::core::record::{Fields, Outcome, Reason};
use crate::core::settings::Settings;
use crate::core::sli::Verdict;
use crate::core::time::Time;
use crate::shell::clock::Clock;
use crate::shell::exit::CommandError;
use crate::shell::explain::{Explainer, Fate};
use crate::shell::input::LineReader;
use crate::shell::pipeline::Pipeline;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The most services that the table lists.
const SERVICES_SHOWN_MAX: usize = 30;
/// The most services that are told apart; more are counted together.
const SERVICES_MAX: usize = 10_000;

/// Requests, and good, bad, excluded by index of the SLO.
#[derive(Default)]
struct Service {
    requests: u64,
    verdicts: BTreeMap<u16, [u64; 3]>,
}

/// What became of lines.
#[derive(Default)]
struct Outcomes {
    records: u64,
    skipped: u64,
    rejects: BTreeMap<Reason, u64>,
}

/// What was counted.
#[derive(Default)]
pub(super) struct Counts {
    lines: u64,
    records: u64,
    skipped: u64,
    /// Records and others that are no valid JSON, and were read all the same.
    repaired: u64,
    rejects: BTreeMap<Reason, u64>,
    envelopes: BTreeMap<String, Outcomes>,
    first: Option<Time>,
    last: Option<Time>,
    services: BTreeMap<String, Service>,
    slos: Vec<String>,
}

/// Decides every line of a file by the source of that name, or the pipeline's first.
pub(super) fn count(pipeline: &Pipeline, file: &Path, source: Option<&str>) -> Result<Counts, CommandError> {
    let settings = &pipeline.settings;
    let source = match source {
        None => 0,
        Some(name) => settings
            .sources
            .iter()
            .position(|s| *s.name == *name)
            .ok_or_else(|| CommandError::Usage(format!("the pipeline has no source {name}")))?,
    };
    let mut explainer = Explainer::new(settings).map_err(CommandError::failed)?;
    let mut lines =
        LineReader::open(file, settings.limits.line_bytes_max as usize).map_err(CommandError::failed)?;
    let now = Clock::system().now();
    let mut counts =
        Counts { slos: settings.slos.iter().map(|s| s.name.to_string()).collect(), ..Counts::default() };
    while let Some(line) = lines.next_line().map_err(CommandError::failed)? {
        explainer
            .explain(source, line, Some(now), Fields::NONE)
            .into_iter()
            .for_each(|fate| counts.add(fate));
    }
    explainer.give_up(source).into_iter().for_each(|fate| counts.add(fate));
    counts.repaired = explainer.repaired(source);
    Ok(counts)
}

impl Counts {
    fn add(&mut self, fate: Fate) {
        self.lines += 1;
        let envelope = fate.envelope_names().join(" › ");
        let outcomes = self.envelopes.entry(envelope).or_default();
        match fate.outcome {
            Outcome::Record => {
                self.records += 1;
                outcomes.records += 1;
            }
            Outcome::Skipped => {
                self.skipped += 1;
                outcomes.skipped += 1;
            }
            Outcome::Rejected(reason) => {
                *self.rejects.entry(reason).or_default() += 1;
                *outcomes.rejects.entry(reason).or_default() += 1;
            }
        }
        let (Some(mut service), Some(slice)) = (fate.service, fate.slice) else { return };
        self.first = Some(self.first.map_or(slice, |t| t.min(slice)));
        self.last = Some(self.last.map_or(slice, |t| t.max(slice)));
        if self.services.len() >= SERVICES_MAX && !self.services.contains_key(&service) {
            service = crate::core::settings::OTHER.to_string();
        }
        let service = self.services.entry(service).or_default();
        if let Some((_, slo, good, total)) = fate.counted {
            let counts = service.verdicts.entry(slo).or_default();
            (counts[0], counts[1]) = (counts[0] + good, counts[1] + total - good);
            return;
        }
        service.requests += 1;
        for (slo, verdict) in fate.slis {
            let i = match verdict {
                Verdict::Good => 0,
                Verdict::Bad => 1,
                Verdict::Excluded => 2,
            };
            service.verdicts.entry(slo).or_default()[i] += 1;
        }
    }

    /// What became of lines, by the envelopes that they came in.
    fn outcomes(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["    envelope", "outcome", "lines", "meaning"]);
        for (envelope, outcomes) in &self.envelopes {
            let envelope = if envelope.is_empty() { "none" } else { envelope };
            let mut head = format!("    {envelope}");
            let mut add = |outcome: &str, count: u64, meaning: &str| {
                if count > 0 {
                    let head = std::mem::take(&mut head);
                    table.add_row([head.as_str(), outcome, &count.to_string(), meaning]);
                }
            };
            add("record", outcomes.records, "counted");
            add("skipped", outcomes.skipped, "no request, and not meant to be one");
            for (reason, count) in &outcomes.rejects {
                add(reason.name(), *count, reason.doc().trim());
            }
        }
        if let Some(column) = table.column_mut(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    pub(super) fn text(&self, settings: &Settings) -> String {
        let mut out = String::new();
        let rejected: u64 = self.rejects.values().sum();
        let _ = writeln!(
            out,
            "  sample: {} lines = {} records + {} skipped + {rejected} rejected",
            self.lines, self.records, self.skipped
        );
        if self.lines > 0 {
            let _ = writeln!(out, "{}", self.outcomes());
        }
        if self.repaired > 0 {
            let _ = writeln!(out, "    {} lines are no valid JSON and were repaired", self.repaired);
        }
        if let (Some(first), Some(last)) = (self.first, self.last) {
            let _ = writeln!(out, "    slices from {first} to {last}");
        }
        if self.services.is_empty() {
            return out;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["    service", "requests", "SLO", "good", "bad", "excluded", "good %"]);
        let mut order: Vec<_> = self.services.iter().collect();
        order.sort_by_key(|(name, service)| (std::cmp::Reverse(service.requests), name.as_str()));
        for (name, service) in order.iter().take(SERVICES_SHOWN_MAX) {
            let mut head = (format!("    {name}"), service.requests.to_string());
            if service.verdicts.is_empty() {
                table.add_row([head.0.as_str(), &head.1, "none"]);
            }
            for (slo, [good, bad, excluded]) in &service.verdicts {
                let slo = &settings.slos[usize::from(*slo)].name;
                let (name, requests) = std::mem::take(&mut head);
                let numbers = [good, bad, excluded].map(ToString::to_string);
                let [good_text, bad_text, excluded_text] = numbers;
                let share = percent(*good, good + bad);
                table.add_row([name, requests, slo.to_string(), good_text, bad_text, excluded_text, share]);
            }
        }
        for i in [1, 3, 4, 5, 6] {
            if let Some(column) = table.column_mut(i) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let _ = writeln!(out, "\n{table}");
        if order.len() > SERVICES_SHOWN_MAX {
            let _ = writeln!(out, "    … and {} more services", order.len() - SERVICES_SHOWN_MAX);
        }
        out
    }

    pub(super) fn to_json(&self) -> Value {
        let rejects: BTreeMap<&str, u64> = self.rejects.iter().map(|(r, n)| (r.name(), *n)).collect();
        let outcomes = |o: &Outcomes| {
            let rejects: BTreeMap<&str, u64> = o.rejects.iter().map(|(r, n)| (r.name(), *n)).collect();
            json!({ "records": o.records, "skipped": o.skipped, "rejects": rejects })
        };
        let envelopes: BTreeMap<&str, Value> = self
            .envelopes
            .iter()
            .map(|(e, o)| (if e.is_empty() { "none" } else { e }, outcomes(o)))
            .collect();
        let services: BTreeMap<&String, Value> = self
            .services
            .iter()
            .map(|(name, service)| {
                let slis: BTreeMap<&str, Value> = service
                    .verdicts
                    .iter()
                    .map(|(slo, [good, bad, excluded])| {
                        let name = self.slos[usize::from(*slo)].as_str();
                        (name, json!({ "good": good, "bad": bad, "excluded": excluded }))
                    })
                    .collect();
                (name, json!({ "requests": service.requests, "slis": slis }))
            })
            .collect();
        json!({
            "lines": self.lines,
            "records": self.records,
            "skipped": self.skipped,
            "repaired": self.repaired,
            "rejects": rejects,
            "envelopes": envelopes,
            "first_slice": self.first.map(|t| t.to_string()),
            "last_slice": self.last.map(|t| t.to_string()),
            "services": services,
        })
    }
}

/// To four places, rounded down, so that 100 means all.
fn percent(good: u64, total: u64) -> String {
    if total == 0 {
        return "-".into();
    }
    let scaled = u128::from(good) * 1_000_000 / u128::from(total);
    format!("{}.{:04}", scaled / 10_000, scaled % 10_000)
}
