//! `tests:`: lines, and what must become of them.

use super::At;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A line, and what must become of it.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Test")]
pub struct TestFile {
    /// What it shows.
    pub name: Option<String>,
    /// Source whose format reads it. Default: the first.
    pub source: Option<At<String>>,
    /// The log line.
    pub line: At<String>,
    /// When Kafka took it, such as `2026-11-23T10:00:00Z`. Default: nobody knows, as in an archive.
    pub arrival: Option<At<String>>,
    /// What must become of it; only what is named is compared.
    pub expect: At<ExpectFile>,
}

/// What must become of a line.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
pub struct ExpectFile {
    /// `record`, `skipped` or `rejected`. Default: `record`.
    pub outcome: Option<At<String>>,
    /// Why it was rejected.
    pub reason: Option<At<String>>,
    /// Its service.
    pub service: Option<At<String>>,
    /// Start of its slice.
    pub slice: Option<At<String>>,
    /// Verdict by SLO: `good`, `bad`, `excluded`, or `none` where the SLO does not apply; of counters `10 of 12`, the good
    /// and all.
    pub slis: Option<BTreeMap<String, At<String>>>,
    /// Fields of the record, named as `explain` prints them; `null` is absent.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub record: Option<BTreeMap<String, At<serde_json::Value>>>,
}
