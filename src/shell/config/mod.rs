//! The pipeline file as it is written: its keys, their meaning, their places.
//!
//! Invariant: this is only the shape. Nothing is defaulted, resolved or compiled here; `pipeline` does
//! that. Unknown keys are errors everywhere, and every key's comment is its text in the JSON Schema.

pub mod alerts;
pub mod diagnostic;
pub mod exclusion;
pub mod format;
pub mod limits;
pub mod policy;
pub mod read;
pub mod receivers;
pub mod scalar;
pub mod service;
pub mod line_test;
pub mod slo_entry;
pub mod window;

use crate::core::time::Grain;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::core::settings::OnEmpty;
pub use alerts::{AlertsBlockFile, AlertsFile, TierFile};
pub use exclusion::ExclusionFile;
pub use format::{FormatFile, LayoutFile, MappedFieldFile, MappedFile};
pub use limits::LimitsFile;
pub use line_test::{ExpectFile, TestFile};
pub use policy::{CreditFile, PolicyFile, PolicyTierFile, SlaFile};
pub use receivers::{AlertmanagerFile, AuthFile, HttpTlsFile, ModeFile, Several, WebhookFile};
pub use scalar::{At, DecimalText, DurationText, OneOrMany, PredicateText, SizeText};
pub use service::{ServiceFile, ServiceMapFile, ServiceTierFile};
pub use slo_entry::{OpenSloFile, PresetFile, SloEntryFile};
pub use window::{BudgetingFile, CalendarFile, WindowFile};

/// A ninetail pipeline: from access logs to rollups and error-budget events.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pipeline")]
pub struct PipelineFile {
    /// Version of this file's grammar: 1.
    pub version: At<u32>,
    /// Name of the pipeline: names state, transactional ids and files. Lower-case letters, digits, hyphens.
    #[schemars(regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: At<String>,
    /// Where the log lines come from. All sources share one slice and one watermark.
    pub sources: At<Vec<At<SourceFile>>>,
    /// Length of the base slice: 10s, 30s, 1m (default) or 5m. Cannot change on a running journal.
    pub slice: Option<At<DurationText>>,
    /// Route templating: gives records the field `route`, their path without what differs from request to request
    /// (`/users/123` is `/users/{id}`). `none` (default), `ids`, or own rules that go before it.
    pub routes: Option<At<RoutesFile>>,
    /// Rules that name a record's service; the first match wins, nothing matches = `__unmatched__`.
    /// Default: one rule by the format's own key (`{target_group}` for `aws_alb`).
    pub services: Option<Vec<At<ServiceFile>>>,
    /// What the tiers of services stand for at this site, in place of what they stand for by default.
    pub service_tiers: Option<Vec<At<ServiceTierFile>>>,
    /// Service level objectives.
    pub slos: At<Vec<At<SloEntryFile>>>,
    /// Burn-rate alerts of every SLO that has none of its own. Default: `workbook`.
    pub alerts: Option<At<AlertsFile>>,
    /// When what happens does not count: maintenance, once or by a recurrence rule.
    pub exclusions: Option<Vec<At<ExclusionFile>>>,
    /// Where the results go.
    pub sinks: Option<SinksFile>,
    /// Folder of the journal and the snapshots. Default: `./data/state`.
    pub state: Option<At<String>>,
    /// Address of `/metrics`, `/livez` and `/readyz`, such as `127.0.0.1:9464`. Default: none.
    pub http: Option<At<String>>,
    /// An event whose slice ended longer ago than this plus the lateness is history and carries
    /// `replay: true`. Default: 15m.
    pub history_after: Option<At<DurationText>>,
    /// A source read to its end that brings nothing for so long is silent: its slices are incomplete.
    /// Default: 10m.
    pub silent_after: Option<At<DurationText>>,
    /// How many later event times a partition must have read before its watermark believes one.
    /// Default: 16.
    #[schemars(range(max = 1024))]
    pub watermark_quorum: Option<At<u32>>,
    /// How long a stop may take before the process ends without it. Default: 30s.
    pub shutdown_timeout: Option<At<DurationText>>,
    /// Ingest threads, each with its own consumer. Default: one per processor, at most 2.
    #[schemars(range(min = 1, max = 256))]
    pub threads: Option<At<u32>>,
    /// Bounds on what input can make grow.
    pub limits: Option<LimitsFile>,
    /// Lines and what must become of them; `ninetail test` runs them.
    pub tests: Option<Vec<At<TestFile>>>,
}

/// A source of log lines.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Source")]
pub struct SourceFile {
    /// Name of the source, unique in the pipeline.
    pub name: At<String>,
    /// The topics it reads. Without it the source can only be used with `backfill`.
    pub kafka: Option<At<KafkaSourceFile>>,
    /// Format of its lines: a preset by name, or `{ preset: … }` with what the site declares of it.
    pub format: At<FormatFile>,
    /// What its lines come wrapped in: `auto` (default) recognises it message by message, `none` takes every
    /// message for a line, a list names the envelopes from the outside in: `[filebeat, cri]`.
    #[schemars(extend("anyOf" = envelope_schema()))]
    pub envelope: Option<At<OneOrMany>>,
    /// How long after a slice's end its lines may still come in time. Default by format: 10m for
    /// `aws_alb`, whose logs arrive as files.
    pub lateness: Option<At<DurationText>>,
    /// A partition that is read as far as it goes and brings no record for so long is idle and holds nothing up.
    /// Default: 30s.
    pub idle_timeout: Option<At<DurationText>>,
    /// What is done about records that repeat another (the same request id at the same time) because a shipper sent
    /// lines twice. Default: `ignore`.
    pub duplicates: Option<At<DuplicatesFile>>,
}

/// What is done about records that repeat another.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Duplicates")]
pub enum DuplicatesFile {
    /// Nothing.
    Ignore,
    /// Their number is estimated for each partition and slice: `duplicates_estimated` of the quality table.
    Estimate,
    /// The same, and those that repeat one of the latest `limits.duplicate_ids_max` of their partition are dropped. Best
    /// effort: what was read before a restart is not remembered, nor what another partition brought.
    Drop,
}

/// The words of `envelope:`.
fn envelope_schema() -> serde_json::Value {
    let steps: Vec<&str> = crate::core::settings::Step::ALL.iter().map(|step| step.name()).collect();
    let words: Vec<&str> = ["auto", "none"].into_iter().chain(steps.iter().copied()).collect();
    let list = serde_json::json!({ "type": "array", "items": { "enum": steps }, "minItems": 1 });
    serde_json::json!([{ "enum": words }, list, { "type": "null" }])
}

/// Topics of one Kafka cluster.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KafkaSource")]
pub struct KafkaSourceFile {
    /// Bootstrap servers, `host:port`, a list or separated by commas.
    pub brokers: At<OneOrMany>,
    /// Topics to read; every partition of them, also those that appear later.
    pub topics: At<OneOrMany>,
    /// Consumer group that offsets are committed to, as a hint for lag monitors. Positions come from the
    /// journal. Default: `ninetail-<pipeline>`.
    pub group: Option<At<String>>,
    /// Where to begin the first time: `earliest` (default), `latest`, or an RFC 3339 time.
    pub start: Option<At<String>>,
    /// TLS to the brokers.
    pub tls: Option<TlsFile>,
    /// SASL authentication.
    pub sasl: Option<At<SaslFile>>,
    /// Settings handed to librdkafka as they are.
    pub librdkafka: Option<BTreeMap<String, At<String>>>,
}

/// A Kafka cluster.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KafkaCluster")]
pub struct KafkaClusterFile {
    /// Bootstrap servers, `host:port`, a list or separated by commas.
    pub brokers: At<OneOrMany>,
    /// TLS to the brokers.
    pub tls: Option<TlsFile>,
    /// SASL authentication.
    pub sasl: Option<At<SaslFile>>,
    /// Settings handed to librdkafka as they are.
    pub librdkafka: Option<BTreeMap<String, At<String>>>,
}

/// TLS to a cluster. An empty block (`tls: {}`) uses the system's certificates.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tls")]
pub struct TlsFile {
    /// Certificates to trust, PEM. Default: the system's.
    pub ca_file: Option<String>,
    /// Certificate of this client, PEM.
    pub certificate_file: Option<String>,
    /// Private key of this client, PEM.
    pub key_file: Option<String>,
    /// File that holds the private key's password.
    pub key_password_file: Option<String>,
    /// Whether the broker's host name is checked against its certificate. Default: true.
    pub verify_hostname: Option<bool>,
}

/// SASL authentication.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sasl")]
pub struct SaslFile {
    /// Mechanism.
    pub mechanism: SaslMechanism,
    /// User name.
    pub username: String,
    /// File that holds the password. Secrets never stand in the pipeline file.
    pub password_file: String,
}

/// A SASL mechanism.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Debug)]
pub enum SaslMechanism {
    /// Password in the clear; use it only over TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// SCRAM with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// SCRAM with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Route templating: a preset or a list of rules.
#[derive(Clone, Debug)]
pub enum RoutesFile {
    /// A preset by name: `none` or `ids`.
    Preset(String),
    /// Own rules, first match wins; a path that none matches has its ids taken out.
    Rules(Vec<At<RouteFile>>),
}

/// A rule that names the route of a path.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route")]
pub struct RouteFile {
    /// Regular expression that finds the path.
    #[serde(rename = "match")]
    pub matches: At<String>,
    /// The route. `{name}` is filled in where the expression has a group of that name, else it stands as it is.
    pub route: At<String>,
}

/// A service level objective.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Slo")]
pub struct SloFile {
    /// Its name; service and name make one budget. Two SLOs may share a name if their services differ:
    /// per service the first match wins.
    pub name: At<String>,
    /// A service's name, a list of them, or patterns with `*`. `*` alone stands for every service but
    /// `__unmatched__` and `__other__`. Default: `*`.
    pub service: Option<At<OneOrMany>>,
    /// Objective in percent, above 0 and below 100, at most six places. Default: by the tier of each service.
    pub objective: Option<At<DecimalText>>,
    /// Its window: a length, which rolls, or `{ calendar: month, time_zone: … }`. Default: 30d.
    pub window: Option<At<WindowFile>>,
    /// How slices make up a window: `occurrences` (default), `timeslices` or `ratio_timeslices`.
    pub budgeting: Option<At<BudgetingFile>>,
    /// Of `timeslices`: the share of a slice's requests that must be good for the slice to be, percent.
    pub slice_target: Option<At<DecimalText>>,
    /// Of `timeslices` and `ratio_timeslices`: length of a slice, a multiple of the base slice. Default: one.
    pub slice_window: Option<At<DurationText>>,
    /// Of `timeslices` and `ratio_timeslices`: what a slice counts as that was read and holds no request: `gap`,
    /// `good`, `bad` or `ignore` (default). A gap lowers the window's coverage.
    #[serde(default)]
    #[schemars(schema_with = "window::on_empty")]
    pub on_empty: Option<At<OnEmpty>>,
    /// Alerts neither fire nor resolve while less than this of their windows was read: lost or unread input is not
    /// judged. Percent. Default: 90.
    pub coverage_min: Option<At<DecimalText>>,
    /// Alerts fire only from so many requests in their long window on. Default: 0.
    pub min_events: Option<At<u64>>,
    /// Alerts fire only from so many bad requests in their long window on. Default: 0.
    pub min_failures: Option<At<u64>>,
    /// A budget for each value of this field, in place of one for the service: any field or label that may be a
    /// dimension, such as `route`, `method` or `target_group`. Each value is a group with its own budget, alerts and
    /// events; the objective is the same. Requests without a value are the group `__none__`.
    pub per: Option<At<String>>,
    /// With `per`: groups of one service that are kept apart at a time, whoever comes first; the requests of further ones
    /// are the group `__other__`. Default: 50.
    pub groups_max: Option<At<u32>>,
    /// What is good, and what is left out.
    pub indicator: At<IndicatorFile>,
    /// Burn-rate alerts of this SLO, in place of the pipeline's.
    pub alerts: Option<At<AlertsFile>>,
    /// What follows from what remains of the budget: `handbook` (default), `none`, or own tiers.
    pub policy: Option<At<PolicyFile>>,
    /// What customers were promised of the same indicator; the period's end brings the verdict.
    pub sla: Option<At<SlaFile>>,
    /// Whether a tier does not begin to fire while a more urgent one fires. Default: false.
    pub suppress_slower: Option<At<bool>>,
    /// Smallest share of the budget that one `slo.budget.consumed` event reports, such as `0.1%`; smaller
    /// amounts wait and are added up. Default: 0, every slice that consumed budget.
    pub consumed_step: Option<At<DecimalText>>,
}

impl SloFile {
    /// What it is to say, in prose, if anybody wrote it.
    pub fn specification(&self) -> Option<String> {
        let text = self.indicator.specification.as_deref().unwrap_or_default().trim();
        (!text.is_empty()).then(|| text.to_string())
    }

    /// An SLO that says no more than it must.
    pub fn new(name: At<String>, objective: At<DecimalText>, indicator: At<IndicatorFile>) -> SloFile {
        SloFile {
            name,
            service: None,
            objective: Some(objective),
            window: None,
            budgeting: None,
            slice_target: None,
            slice_window: None,
            on_empty: None,
            coverage_min: None,
            min_events: None,
            min_failures: None,
            per: None,
            groups_max: None,
            indicator,
            alerts: None,
            policy: None,
            sla: None,
            suppress_slower: None,
            consumed_step: None,
        }
    }
}

/// Decides good, bad or excluded for a record: `exclude` first, then one of `good`, `bad`, `latency` and `throughput`.
#[derive(Clone, Deserialize, JsonSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Indicator")]
pub struct IndicatorFile {
    /// What users want of the service, in prose: the specification that the keys beside it implement. `check` and
    /// `report` show it.
    pub specification: Option<String>,
    /// Good where it holds, else bad.
    pub good: Option<At<PredicateText>>,
    /// Errors: bad where it holds, good where it is known not to; `bad: X` is `good: "!(X)"`.
    pub bad: Option<At<PredicateText>>,
    /// Good where the latency lies below a bound.
    pub latency: Option<At<LatencyFile>>,
    /// How many requests a slice must hold; implies `budgeting: timeslices`.
    pub throughput: Option<At<ThroughputFile>>,
    /// Good where the line reached Kafka soon after its request had ended.
    pub freshness: Option<At<FreshnessFile>>,
    /// `true`: requests decide nothing; good and total are counters that a source of `format: external` brings, as
    /// another system counts them (correctness, durability). The messages name the service and this SLO.
    pub external: Option<At<bool>>,
    /// Records for which it holds are left out.
    pub exclude: Option<At<PredicateText>>,
}

/// A throughput objective: a slice is good if it holds so many requests.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Throughput")]
pub struct ThroughputFile {
    /// The fewest requests in a slice.
    pub at_least: Option<At<u64>>,
    /// The most requests in a slice.
    pub at_most: Option<At<u64>>,
}

/// Latency below a bound. A client that went away, a WebSocket or a record without this latency is
/// excluded; a failed request (status 500 or more, or none) counts as `failed` says.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Latency")]
pub struct LatencyFile {
    /// Bound, exclusive.
    pub below: At<DurationText>,
    /// Whose latency: `client` (default), `upstream`, or another field that holds a duration.
    pub of: Option<At<String>>,
    /// What a failed request counts as: `bad` (default), `good` or `excluded`.
    pub failed: Option<FailedFile>,
}

/// Freshness: the time from the end of a request to the timestamp of the Kafka record that its line came in lies below
/// a bound. The timestamp is the broker's (`message.timestamp.type=LogAppendTime`) or the producer's, as the topic is
/// set up. A line without one, such as an archive's in a backfill, is excluded.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Freshness")]
pub struct FreshnessFile {
    /// Bound, exclusive.
    pub below: At<DurationText>,
}

/// What a failed request counts as.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Failed")]
pub enum FailedFile {
    /// Bad.
    Bad,
    /// Good.
    Good,
    /// Left out.
    Excluded,
}

impl<'de> Deserialize<'de> for RoutesFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RoutesFile, D::Error> {
        struct Routes;

        impl<'de> Visitor<'de> for Routes {
            type Value = RoutesFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`none`, `ids`, or a list of rules")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RoutesFile, E> {
                Ok(RoutesFile::Preset(text.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RoutesFile, A::Error> {
                let mut rules = Vec::new();
                while let Some(rule) = items.next_element()? {
                    rules.push(rule);
                }
                Ok(RoutesFile::Rules(rules))
            }
        }

        deserializer.deserialize_any(Routes)
    }
}

impl JsonSchema for RoutesFile {
    fn schema_name() -> Cow<'static, str> {
        "Routes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rule = generator.subschema_for::<RouteFile>();
        json_schema!({
            "description": "Route templating: `none` (default), `ids` (numbers, UUIDs and hexadecimal ids are `{id}`), or a list of rules that go before that.",
            "anyOf": [
                { "enum": ["none", "ids"] },
                { "type": "array", "items": rule }
            ]
        })
    }
}

/// Where the results go.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sinks")]
pub struct SinksFile {
    /// Rollups as Parquet files. Default: `./data/rollups`, cut every 5m.
    pub rollups: Option<RollupsFile>,
    /// Error-budget events. Default: none are published.
    pub events: Option<At<EventsFile>>,
    /// Alertmanagers that are told which alerts fire, one or a list. Default: none.
    pub alertmanager: Option<Several<AlertmanagerFile>>,
    /// Webhooks that events are posted to, one or a list. Default: none.
    pub webhook: Option<Several<WebhookFile>>,
    /// Lines that could not be read. Default: a file in the state folder.
    pub dead_letters: Option<At<DeadLettersFile>>,
}

/// Rollups as Parquet files.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rollups")]
pub struct RollupsFile {
    /// Folder of the tables.
    pub path: Option<At<String>>,
    /// How often rows are cut to files; a multiple of the slice. Default: 5m.
    pub cut: Option<At<DurationText>>,
    /// Fields that rows of `requests_` are broken down by, such as `[route, method]`: one column each behind
    /// `service`, where dots of a name are underscores. Default: none.
    pub dimensions: Option<Vec<At<String>>>,
    /// Coarser tables beside those of slices: `1h` for `requests_1h`, `sli_1h` and `budget_1h`, `1d` for
    /// `requests_1d` and `sli_1d`. Default: [1h, 1d].
    pub tiers: Option<Vec<At<GrainFile>>>,
}

/// A grain of the coarser tables.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Debug)]
#[schemars(rename = "RollupTier")]
pub enum GrainFile {
    /// Hours, UTC.
    #[serde(rename = "1h")]
    Hour,
    /// Days, UTC.
    #[serde(rename = "1d")]
    Day,
}

impl From<GrainFile> for Grain {
    fn from(written: GrainFile) -> Grain {
        match written {
            GrainFile::Hour => Grain::Hour,
            GrainFile::Day => Grain::Day,
        }
    }
}

/// Where events go: `topic` with `state_topic`, or `file`, or `stdout`.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Events")]
pub struct EventsFile {
    /// Topic of the events; exactly once for read_committed readers.
    pub topic: Option<At<String>>,
    /// Compacted topic of the progress record. Default: `<topic>-state`.
    pub state_topic: Option<At<String>>,
    /// How an event lies in a record: `structured` (default), all of it in the value, or `binary`, its
    /// attributes in headers and its data in the value.
    pub mode: Option<At<ModeFile>>,
    /// Cluster of both topics. Default: the sources'.
    pub kafka: Option<At<KafkaClusterFile>>,
    /// File of JSON lines; exactly once.
    pub file: Option<At<String>>,
    /// JSON lines on standard output; at least once.
    pub stdout: Option<At<bool>>,
}

/// Where dead letters go: `topic` or `file`.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DeadLetters")]
pub struct DeadLettersFile {
    /// Topic of the dead letters; at least once.
    pub topic: Option<At<String>>,
    /// Its cluster. Default: the sources'.
    pub kafka: Option<At<KafkaClusterFile>>,
    /// File of JSON lines.
    pub file: Option<At<String>>,
}
