//! What the event file tells, read as it grows: alerts that fire and resolve, budgets that end, gaps.
//!
//! Invariant: only whole lines are read; an event is told once.

use crate::core::event;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// The events so far.
#[derive(Debug)]
pub(super) struct Story {
    file: PathBuf,
    /// Bytes read, up to the end of a line.
    read: u64,
    /// How many there are.
    pub(super) events: u64,
    /// Of them, `slo.data.gap`.
    pub(super) gaps: u64,
    /// Alerts fired.
    pub(super) fired: u64,
    /// Alerts resolved.
    pub(super) resolved: u64,
    /// What fires now: (service, SLO) to (rule to severity).
    firing: BTreeMap<(String, String), BTreeMap<String, String>>,
    exhausted: BTreeSet<(String, String)>,
    /// All that was told.
    pub(super) told: Vec<String>,
}

impl Story {
    /// The story of an event file, which need not exist yet.
    pub(super) fn of(file: PathBuf) -> Story {
        Story {
            file,
            read: 0,
            events: 0,
            gaps: 0,
            fired: 0,
            resolved: 0,
            firing: BTreeMap::new(),
            exhausted: BTreeSet::new(),
            told: Vec::new(),
        }
    }

    /// Reads on; returns what is worth telling.
    pub(super) fn read(&mut self) -> io::Result<Vec<String>> {
        let mut file = match File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.read))?;
        let mut new = Vec::new();
        file.read_to_end(&mut new)?;
        let whole = new.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        let before = self.told.len();
        for line in new[..whole].split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            self.take(&serde_json::from_slice(line)?);
        }
        Ok(self.told[before..].to_vec())
    }

    /// How a budget stands: the severity of what fires, `exhausted`, or `ok`.
    pub(super) fn state(&self, service: &str, slo: &str) -> &str {
        let key = (service.to_string(), slo.to_string());
        match self.firing.get(&key).and_then(|rules| rules.values().next()) {
            Some(severity) => severity,
            None if self.exhausted.contains(&key) => "exhausted",
            None => "ok",
        }
    }

    /// How many alerts fire.
    pub(super) fn firing(&self) -> usize {
        self.firing.values().map(BTreeMap::len).sum()
    }

    fn take(&mut self, event: &Value) {
        self.events += 1;
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let kind = text("/type");
        let key = (text("/data/slo/service").to_string(), text("/data/slo/name").to_string());
        let at = hour_minute(text("/time"));
        let (subject, rule) = (text("/subject"), text("/data/burn/rule"));
        match kind {
            event::FIRING => {
                self.fired += 1;
                self.firing.entry(key).or_default().insert(rule.into(), text("/data/severity").into());
                let burn = |window| {
                    let part = |name| text(&format!("/data/burn/{window}/{name}")).to_string();
                    format!("{}x over {}", short(&part("rate")), part("window"))
                };
                self.told.push(format!(
                    "{at}  FIRING    {rule:<10} {subject}  burns {} and {}, threshold {}x",
                    burn("long"),
                    burn("short"),
                    short(text("/data/burn/factor"))
                ));
            }
            event::RESOLVED => {
                self.resolved += 1;
                if let Some(rules) = self.firing.get_mut(&key) {
                    rules.remove(rule);
                }
                self.firing.retain(|_, rules| !rules.is_empty());
                let since = hour_minute(text("/data/state/since"));
                self.told.push(format!("{at}  RESOLVED  {rule:<10} {subject}  fired since {since}"));
            }
            event::EXHAUSTED => {
                self.exhausted.insert(key);
                self.told.push(format!("{at}  EXHAUSTED            {subject}  the budget is gone"));
            }
            event::RECOVERED => {
                self.exhausted.remove(&key);
                self.told.push(format!("{at}  RECOVERED            {subject}"));
            }
            event::DATA_GAP => {
                self.gaps += 1;
                self.told.push(format!("{at}  DATA GAP             {subject}  {}", text("/data/gap/reason")));
            }
            _ => {}
        }
    }
}

/// `10:07` of an RFC 3339 time.
pub(super) fn hour_minute(time: &str) -> String {
    time.get(11..16).unwrap_or("--:--").to_string()
}

/// A decimal to one place, cut off.
fn short(decimal: &str) -> &str {
    match decimal.find('.') {
        Some(at) if decimal[at..].starts_with(".0") => &decimal[..at],
        Some(at) => &decimal[..decimal.len().min(at + 2)],
        None => decimal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn line(kind: &str, time: &str) -> String {
        let event = serde_json::json!({
            "type": kind, "time": time, "subject": "checkout/availability",
            "data": {
                "slo": { "service": "checkout", "name": "availability" },
                "severity": "page",
                "state": { "since": "2025-03-04T10:07:00Z" },
                "burn": {
                    "rule": "page-1h", "factor": "14.4",
                    "long": { "rate": "17.123456", "window": "1h" },
                    "short": { "rate": "250.000000", "window": "5m" },
                },
            },
        });
        format!("{event}\n")
    }

    #[test]
    fn alerts_are_told_once_and_torn_lines_wait() {
        let dir = tempfile::tempdir().unwrap();
        let mut story = Story::of(dir.path().join("events.jsonl"));
        assert!(story.read().unwrap().is_empty(), "no file yet");
        let mut file = File::create(dir.path().join("events.jsonl")).unwrap();
        let resolved = line(event::RESOLVED, "2025-03-04T10:15:00Z");
        let (head, tail) = resolved.split_at(20);
        write!(file, "{}{head}", line(event::FIRING, "2025-03-04T10:07:00Z")).unwrap();
        assert_eq!(
            story.read().unwrap(),
            [
                "10:07  FIRING    page-1h    checkout/availability  burns 17.1x over 1h and 250x over 5m, threshold 14.4x"
            ]
        );
        assert_eq!((story.state("checkout", "availability"), story.firing()), ("page", 1));
        assert!(story.read().unwrap().is_empty());
        write!(file, "{tail}").unwrap();
        let told = ["10:15  RESOLVED  page-1h    checkout/availability  fired since 10:07"];
        assert_eq!(story.read().unwrap(), told);
        assert_eq!((story.state("checkout", "availability"), story.firing()), ("ok", 0));
        assert_eq!((story.events, story.fired, story.resolved, story.gaps), (2, 1, 1, 0));
    }

    #[test]
    fn decimals_are_cut_to_one_place() {
        for (text, want) in [("14.4", "14.4"), ("6", "6"), ("250.000000", "250"), ("0.96", "0.9"), ("", "")] {
            assert_eq!(short(text), want);
        }
    }
}
