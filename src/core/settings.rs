//! The configuration as the core sees it: complete, normalised, plain data.
//!
//! The shell makes it from the pipeline file; the journal keeps it (as JSON) so that a replay decides as
//! the first run did. It holds no secret and nothing about how to reach a broker or a disk.

mod exclusion;
mod slo;

pub use exclusion::{Exclusion, Occurs};
pub use slo::{
    Bound, Budgeting, Failed, Indicator, LatencyOf, OnEmpty, Op, Per, PolicyTier, Rule, Sla, SliceTest, Slo,
    Tier,
};

use crate::core::time::{Grain, SliceLength};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that decides what the rows and events are.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Settings {
    /// The pipeline's name.
    pub name: String,
    /// Length of the base slice.
    pub slice: SliceLength,
    /// Seconds between two cuts; a multiple of the slice.
    pub cut_s: u32,
    /// How many later event times a partition must have read before its watermark believes one.
    pub watermark_quorum: u32,
    /// An event whose slice ended longer ago than this plus the lateness is history, seconds.
    pub history_after_s: u32,
    /// A source read to its end that brings nothing for so long is silent, seconds.
    pub silent_after_s: u32,
    /// Alerts are decided by a watermark of their own, so far behind the partition that is furthest ahead, seconds. None: by
    /// the watermark of all, as everything else.
    #[serde(default)]
    pub alerts_lateness_s: Option<u32>,
    /// Sources in the order of the file.
    pub sources: Vec<Source>,
    /// Own rules that name routes, first match wins; None: no record has a route.
    #[serde(default)]
    pub routes: Option<Vec<RouteRule>>,
    /// Service rules, first match wins.
    pub services: Vec<ServiceRule>,
    /// SLOs in the order of the file.
    pub slos: Vec<Slo>,
    /// When what happens does not count.
    #[serde(default)]
    pub exclusions: Vec<Exclusion>,
    /// Fields that rows of `requests_` are broken down by.
    #[serde(default)]
    pub dimensions: Vec<String>,
    /// The grains of the coarser tables, ascending; with hours come those of budgets.
    #[serde(default)]
    pub tiers: Vec<Grain>,
    /// Limits.
    pub limits: Limits,
}

impl Settings {
    /// Names of the columns that the dimensions become: a label's dots are underscores there.
    pub fn dimension_columns(&self) -> Vec<Arc<str>> {
        self.dimensions.iter().map(|name| name.replace('.', "_").into()).collect()
    }
}

/// One source of log lines.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Source {
    /// Its name.
    pub name: Arc<str>,
    /// Its topics; `backfill` for archives.
    pub topics: Vec<Arc<str>>,
    /// What its messages hold.
    pub input: Input,
    /// How long after a slice's end its lines may still come, seconds.
    pub lateness_s: u32,
    /// A partition quiet at its confirmed end for so long is idle, seconds.
    pub idle_timeout_s: u32,
}

/// What a source's messages hold.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Input {
    /// The preset of its lines.
    pub format: Format,
    /// What the site declares of its lines beyond the preset.
    #[serde(default)]
    pub layout: Layout,
    /// What its lines come wrapped in.
    #[serde(default)]
    pub envelope: Envelope,
    /// What is done about lines that shippers sent twice.
    #[serde(default)]
    pub duplicates: Duplicates,
}

impl From<Format> for Input {
    /// Lines of that format as everybody writes them.
    fn from(format: Format) -> Input {
        Input { format, layout: Layout::Usual, envelope: Envelope::Auto, duplicates: Duplicates::Ignore }
    }
}

/// What is done about records that repeat another: the same request id at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// Nothing.
    #[default]
    Ignore,
    /// Their number is estimated.
    Estimate,
    /// Those that repeat one of the latest are dropped; the number of the others is estimated.
    Drop,
}

/// What lines come wrapped in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Envelope {
    /// Whatever is recognised by its shape, message by message.
    #[default]
    Auto,
    /// Nothing: a message is a line.
    None,
    /// These, from the outside in.
    Steps(Vec<Step>),
}

macro_rules! steps {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal;)+) => {
        /// One way in which lines come wrapped.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Debug)]
        pub enum Step { $($(#[doc = $doc])+ #[serde(rename = $name)] $variant),+ }

        impl Step {
            /// All of them.
            pub const ALL: &'static [Step] = &[$(Step::$variant),+];

            /// Its name in pipeline files.
            pub const fn name(self) -> &'static str {
                match self { $(Step::$variant => $name),+ }
            }

            /// What it is, in one line.
            pub const fn doc(self) -> &'static str {
                match self { $(Step::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

steps! {
    /// Filebeat's event: the line in `message`.
    Filebeat "filebeat";
    /// Fluent Bit's record: the line in `log`, `message` or `log_processed`.
    FluentBit "fluent_bit";
    /// Fluentd's record: the line in `log` or `message`.
    Fluentd "fluentd";
    /// Vector's event: the line in `message`.
    Vector "vector";
    /// Logstash's event: the line in `event.original` or `message`.
    Logstash "logstash";
    /// OpenTelemetry logs as JSON: a line in the `body` of every log record.
    OtlpJson "otlp_json";
    /// Docker's json-file: the line in `log`.
    Docker "docker";
    /// A line of a Kubernetes container log: time, stream, `P` or `F`, then the line or a part of it.
    Cri "cri";
    /// A syslog message, RFC 3164 or 5424: the line after the header.
    Syslog "syslog";
    /// A CloudWatch Logs subscription, gzip and base64 or not: a line in the `message` of every log event.
    Cloudwatch "cloudwatch";
    /// What Azure sends to an Event Hub: every object of `records` is a line.
    AzureRecords "azure_records";
    /// Kafka Connect's JSON converter: the line is the `payload`, or the one string that the message is.
    KafkaConnect "kafka_connect";
    /// A message with a schema's id in front: a zero byte and four more.
    Confluent "confluent";
    /// Bytes packed with gzip.
    Gzip "gzip";
    /// Several lines in one message.
    Lines "lines";
}

/// A log format by its preset's name.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// AWS Application Load Balancer.
    AwsAlb,
    /// AWS Classic Load Balancer.
    AwsClb,
    /// AWS Network Load Balancer, TLS listeners.
    AwsNlbTls,
    /// Amazon CloudFront.
    Cloudfront,
    /// nginx.
    Nginx,
    /// nginx, JSON lines.
    NginxJson,
    /// Kubernetes ingress-nginx.
    IngressNginx,
    /// Apache httpd.
    Apache,
    /// HAProxy.
    Haproxy,
    /// Envoy, text.
    Envoy,
    /// Envoy, JSON lines.
    EnvoyJson,
    /// Istio, text.
    Istio,
    /// Istio, JSON lines.
    IstioJson,
    /// Google Cloud load balancers.
    GcpLb,
    /// Azure Application Gateway.
    AzureAppgw,
    /// Azure Front Door.
    AzureFrontdoor,
    /// Traefik.
    Traefik,
    /// Caddy.
    Caddy,
    /// IIS, W3C lines.
    Iis,
    /// Cloudflare Logpush.
    Cloudflare,
    /// Fastly.
    Fastly,
    /// Any JSON lines, fields by path.
    Json,
    /// A regular expression with named groups.
    Regex,
    /// W3C extended lines with declared columns.
    W3c,
    /// Delimited lines with declared columns.
    Delimited,
    /// Counters of other systems.
    External,
}

/// What a site declares of its lines, beyond the preset that reads them.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Nothing: the preset's own layout.
    #[default]
    Usual,
    /// The server's own format string, as pasted from its configuration.
    Text(String),
    /// The columns in their order, by the format's names.
    Columns(Vec<String>),
    /// Fields by path, group or column.
    Mapped {
        /// Regular expression whose named groups are fields.
        pattern: Option<String>,
        /// Separator of columns.
        separator: Option<String>,
        /// The columns in their order.
        columns: Vec<String>,
        /// Where fields lie, and in what unit.
        fields: Vec<Mapping>,
    },
}

/// Where one field of a record lies, and how it is written.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Mapping {
    /// The record's field, or the name of a label.
    pub name: String,
    /// Paths, groups or columns, the first that is there counts. Empty: the one of that name.
    pub from: Vec<String>,
    /// Unit of a duration, or form of a time.
    pub unit: Option<String>,
}

impl Layout {
    /// Every name that it gives to something: fields and labels.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (mapped, columns, pattern): (&[Mapping], &[String], &str) = match self {
            Layout::Mapped { fields, columns, pattern, .. } => {
                (fields, columns, pattern.as_deref().unwrap_or_default())
            }
            Layout::Columns(columns) => (&[], columns, ""),
            _ => (&[], &[], ""),
        };
        mapped
            .iter()
            .map(|m| m.name.as_str())
            .chain(columns.iter().map(String::as_str))
            .chain(groups(pattern))
    }
}

/// A rule that names the route of a path.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct RouteRule {
    /// Regular expression that finds the path.
    pub matches: String,
    /// The route; `{name}` is filled in where the expression has a group of that name, else it stands as it is.
    pub route: String,
}

/// A table from the values of a field to services.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct ServiceMap {
    /// The field.
    pub field: String,
    /// Value and service, by value.
    pub values: Vec<(String, String)>,
}

/// The names of a regular expression's groups: `(?<name>..)` or `(?P<name>..)`.
fn groups(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split("(?").skip(1).filter_map(|group| {
        let name = group.strip_prefix('P').unwrap_or(group).strip_prefix('<')?;
        name.split_once('>').map(|(name, _)| name)
    })
}

/// A rule that names the service of a record.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct ServiceRule {
    /// The name; `{field}` and `{capture}` are filled in, with a table `{map}` and nothing else. Without
    /// fields and captures it is a named service, as are all of a table.
    pub name: String,
    /// CEL predicate that must hold.
    pub when: Option<String>,
    /// Field name and regular expression, all of which must match; named groups become captures.
    pub matches: Vec<(String, String)>,
    /// Table that the value of a field must be in.
    #[serde(default)]
    pub map: Option<ServiceMap>,
    /// Service tier, 1 the most critical.
    pub tier: Option<u8>,
    /// The owning team.
    pub owner: Option<String>,
    /// Where its runbook lies.
    pub runbook_url: Option<String>,
    /// Where its dashboard lies.
    #[serde(default)]
    pub dashboard_url: Option<String>,
    /// Labels that its alerts are routed by, those of its tier included.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl ServiceRule {
    /// The services that it names outright, each once, by name.
    pub fn names(&self) -> BTreeSet<String> {
        match &self.map {
            Some(map) => map.values.iter().map(|(_, service)| self.name.replace("{map}", service)).collect(),
            None if self.name.contains('{') => BTreeSet::new(),
            None => BTreeSet::from([self.name.clone()]),
        }
    }
}

/// Bounds on what input can make grow.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Limits {
    /// Services made by templates that the engine keeps apart at a time; more go to `__other__`.
    pub services_max: u32,
    /// The same for one ingest thread between two flushes; wider.
    pub ingest_services_max: u32,
    /// Longest line, bytes.
    pub line_bytes_max: u32,
    /// Longest service name, bytes; longer ones are cut.
    pub service_name_bytes_max: u32,
    /// Longest route, bytes; of a longer path the rest is cut.
    pub route_bytes_max: u32,
    /// Combinations of dimension values that the engine keeps apart for one service at a time.
    pub dimension_values_max: u32,
    /// The same for one ingest thread between two flushes; wider.
    pub ingest_dimension_values_max: u32,
    /// Longest value of a dimension, bytes; longer ones are cut.
    pub dimension_value_bytes_max: u32,
    /// Latest request ids of a partition that a record may repeat to be dropped.
    pub duplicate_ids_max: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            services_max: 10_000,
            ingest_services_max: 50_000,
            line_bytes_max: 1 << 20,
            service_name_bytes_max: 128,
            route_bytes_max: 256,
            dimension_values_max: 100,
            ingest_dimension_values_max: 1_000,
            dimension_value_bytes_max: 256,
            duplicate_ids_max: 100_000,
        }
    }
}

/// Records that no service rule matches are counted under this name.
pub const UNMATCHED: &str = "__unmatched__";
/// Template-made services, values of dimensions, and groups of SLOs beyond the limit are counted under this name.
pub const OTHER: &str = "__other__";
/// The group of records without a value of the field that an SLO's groups are by.
pub const NONE: &str = "__none__";
