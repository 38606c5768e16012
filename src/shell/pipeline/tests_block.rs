//! The file's `tests:`: lines, and what must become of them.

use super::load::{Checker, meant};
use crate::core::record::{Field, Kind, Reason};
use crate::core::settings::Settings;
use crate::core::time::Time;
use crate::shell::config::{At, ExpectFile, PipelineFile};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;

/// A line, and what must become of it.
#[derive(Clone, PartialEq, Debug)]
pub struct LineTest {
    /// What it shows, or its number.
    pub name: String,
    /// Index of the source whose format reads it.
    pub source: usize,
    /// The line.
    pub line: String,
    /// When Kafka took it.
    pub arrival: Option<Time>,
    /// Where the test stands in the file.
    pub span: Range<usize>,
    /// What is compared.
    pub expect: Expect,
}

/// What must become of a line; None is not compared.
#[derive(Clone, PartialEq, Debug)]
pub struct Expect {
    /// `record`, `skipped` or `rejected`.
    pub outcome: String,
    /// Name of the reason of a rejection.
    pub reason: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// Start of the slice.
    pub slice: Option<Time>,
    /// Verdicts by SLO; None = the SLO does not apply.
    pub slis: BTreeMap<String, Option<String>>,
    /// Fields as `explain` prints them.
    pub record: BTreeMap<String, Value>,
}

pub(super) fn build(file: &PipelineFile, settings: &Settings, checker: &mut Checker) -> Vec<LineTest> {
    let mut tests = Vec::new();
    for (i, test) in file.tests.iter().flatten().enumerate() {
        let source = test.source.as_ref().map_or(Some(0), |name| {
            let found = settings.sources.iter().position(|s| *s.name == *name.value);
            if found.is_none() {
                let hint = meant(name, settings.sources.iter().map(|s| &*s.name));
                checker.error_hint(&name.span, format!("there is no source `{}`", name.value), hint);
            }
            found
        });
        tests.push(LineTest {
            name: test.name.clone().unwrap_or_else(|| format!("test {}", i + 1)),
            source: source.unwrap_or(0),
            line: test.line.value.trim_end_matches(['\n', '\r']).to_string(),
            arrival: test.arrival.as_ref().and_then(|text| time(text, checker)),
            span: test.line.span.clone(),
            expect: expect(&test.expect, settings, checker),
        });
    }
    tests
}

fn expect(written: &At<ExpectFile>, settings: &Settings, checker: &mut Checker) -> Expect {
    let one_of = |text: &At<String>, known: &[&str], what: &str, checker: &mut Checker| {
        if !known.contains(&text.value.as_str()) {
            let hint = meant(text, known.iter().copied());
            checker.error_hint(&text.span, format!("unknown {what} `{}`", text.value), hint);
        }
        text.value.clone()
    };
    let outcome = written.outcome.as_ref().map_or_else(
        || if written.reason.is_some() { "rejected".into() } else { "record".to_string() },
        |text| one_of(text, &["record", "skipped", "rejected"], "outcome", checker),
    );
    let reasons: Vec<&str> = Reason::ALL.iter().map(|r| r.name()).collect();
    let reason = written.reason.as_ref().map(|text| one_of(text, &reasons, "reason", checker));
    let slice = written.slice.as_ref().and_then(|text| time(text, checker));
    let mut slis = BTreeMap::new();
    for (slo, verdict) in written.slis.iter().flatten() {
        if !settings.slos.iter().any(|s| *s.name == **slo) {
            let hint = meant(slo, settings.slos.iter().map(|s| &*s.name));
            checker.error_hint(&verdict.span, format!("there is no SLO `{slo}`"), hint);
        }
        let text = match verdict.split_once(" of ") {
            Some((good, total)) if [good, total].iter().all(|n| n.parse::<u64>().is_ok()) => {
                verdict.value.clone()
            }
            _ => one_of(verdict, &["good", "bad", "excluded", "none", "1 of 2"], "verdict", checker),
        };
        slis.insert(slo.clone(), Some(text).filter(|t| t != "none"));
    }
    let mut record = BTreeMap::new();
    for (field, value) in written.record.iter().flatten() {
        let known = |f: &&Field| match f.kind() {
            Kind::Duration => field.strip_suffix("_us") == Some(f.name()),
            _ => f.name() == field,
        };
        if Field::ALL.iter().find(known).is_none() {
            let hint = meant(field, Field::ALL.iter().map(|f| f.name()));
            checker.error_hint(&value.span, format!("a record has no field `{field}`"), hint);
        }
        record.insert(field.clone(), value.value.clone());
    }
    Expect {
        outcome,
        reason,
        service: written.service.as_ref().map(|s| s.value.clone()),
        slice,
        slis,
        record,
    }
}

fn time(text: &At<String>, checker: &mut Checker) -> Option<Time> {
    let time = Time::parse(text);
    if time.is_none() {
        checker.error_hint(
            &text.span,
            format!("`{}` is not a time", text.value),
            "write it as 2026-11-23T10:00:00Z",
        );
    }
    time
}
