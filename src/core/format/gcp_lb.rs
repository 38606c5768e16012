//! Google Cloud's Application Load Balancers: LogEntry objects of Cloud Logging.
//!
//! Source of the grammar: "Global external Application Load Balancer logging and monitoring" and the LogEntry
//! reference of the Google Cloud documentation. `timestamp` is the time when the first front end received the
//! request: its begin.
//!
//! Invariant: an entry with an `httpRequest` is a request, with a status or without. Entries may be a sample
//! (`logConfig.sampleRate`): counts are of what was logged.

use crate::core::format::instant::Form;
use crate::core::format::members::{As, Facts, Member, Members};
use crate::core::format::units::Unit;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::json::Raw;
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};
use memchr::memmem;

const MEMBERS: &[Member] = &[
    (Field::RequestCreation, As::Start(Form::Any), &["timestamp"]),
    (Field::Status, As::Status, &["httpRequest.status"]),
    (Field::ClientLatency, As::Duration(Some(Unit::S)), &["httpRequest.latency"]),
    (Field::BytesReceived, As::Count, &["httpRequest.requestSize"]),
    (Field::BytesSent, As::Count, &["httpRequest.responseSize"]),
    (Field::Method, As::Text, &["httpRequest.requestMethod"]),
    (Field::Path, As::Uri, &["httpRequest.requestUrl"]),
    (Field::Protocol, As::Text, &["httpRequest.protocol"]),
    (Field::RequestId, As::Text, &["trace", "insertId"]),
    (Field::LoadBalancer, As::Text, &["resource.labels.url_map_name"]),
    (Field::Client, As::Address, &["httpRequest.remoteIp"]),
    (Field::UserAgent, As::Text, &["httpRequest.userAgent"]),
    (Field::TlsCipher, As::Text, &["jsonPayload.tls.cipher"]),
    (Field::TlsProtocol, As::Text, &["jsonPayload.tls.protocol"]),
    (Field::Referer, As::Text, &["httpRequest.referer"]),
    (Field::Upstream, As::Text, &["resource.labels.backend_service_name"]),
    (Field::UpstreamServer, As::Text, &["httpRequest.serverIp"]),
    (Field::Frontend, As::Text, &["resource.labels.forwarding_rule_name"]),
    (Field::Termination, As::Text, &["jsonPayload.statusDetails", "jsonPayload.proxyStatus"]),
    (Field::Zone, As::Text, &["resource.labels.zone"]),
];

// The further paths.
const REQUEST: usize = 0;
const DETAILS: usize = 1;
const PROXY_STATUS: usize = 2;
const CACHE_HIT: usize = 3;
const CACHE_LOOKUP: usize = 4;
const LOG_NAME: usize = 5;
const INSERT_ID: usize = 6;

const FACTS: Facts = Facts {
    format: Format::GcpLb,
    members: &[MEMBERS],
    unit: Some(Unit::S),
    no_status: true,
    others: &[
        "httpRequest",
        "jsonPayload.statusDetails",
        "jsonPayload.proxyStatus",
        "httpRequest.cacheHit",
        "httpRequest.cacheLookup",
        "logName",
        "insertId",
    ],
    ..Facts::USUAL
};

#[derive(Debug)]
pub(super) struct Parser {
    members: Members,
}

impl Parser {
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        Ok(Parser { members: Members::new(&FACTS, layout, labels)? })
    }

    #[inline]
    pub(super) fn parse<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<Parsed, Reason> {
        record.clear();
        self.members.find(line, wanted)?;
        let members = &self.members;
        if !matches!(members.raw(line, REQUEST), Some(Raw::Object(_))) {
            let is_entry = members.text(line, LOG_NAME).or(members.text(line, INSERT_ID)).is_some();
            return if is_entry { Ok(Parsed::Skipped) } else { Err(Reason::NotThisFormat) };
        }
        members.fill(line, wanted, record)?;
        if record.status.is_none() {
            const GONE: &[u8] = b"client_disconnected_before_any_response";
            let names = |text: &[u8]| memmem::find(text, GONE).is_some();
            record.client_gone |=
                [DETAILS, PROXY_STATUS].iter().any(|path| members.text(line, *path).is_some_and(names));
        }
        if wanted.has(Field::CacheStatus) && record.get(Field::CacheStatus) == Value::Absent {
            let is = |path| members.raw(line, path) == Some(Raw::Boolean(true));
            let status: Option<&[u8]> = match (is(CACHE_HIT), is(CACHE_LOOKUP)) {
                (true, _) => Some(b"hit"),
                (false, true) => Some(b"miss"),
                (false, false) => None,
            };
            record.set(Field::CacheStatus, status.map_or(Value::Absent, Value::Text));
        }
        Ok(Parsed::Record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.members.repaired()
    }
}

/// Facts for `explain --format gcp_lb`.
pub(super) static PRESET: Preset = Preset {
    format: Format::GcpLb,
    name: "gcp_lb",
    doc: "Google Cloud Application Load Balancer: LogEntry objects of Cloud Logging (perhaps a sample, see logConfig.sampleRate)",
    time_is: "end of the request: timestamp (when the request came) + httpRequest.latency",
    lateness_s_default: 60,
    lateness_why: "entries are streamed from Cloud Logging through Pub/Sub",
    client_latency_is: "httpRequest.latency (\"0.005192s\"); cache hits have none",
    upstream_latency_is: "none: entries do not tell it",
    client_gone_if: "no status and statusDetails (or proxyStatus) has client_disconnected_before_any_response, or status 499",
    websocket_if: "status 101",
    service_template: "{upstream}",
    absent_if: "null, -, empty, a missing key, a status of 0",
    skips: "entries without httpRequest (audit and health check logs)",
    rejects: "lines that are no LogEntry, that end before it does, or whose timestamp, status, latency or sizes cannot be read",
    fields: &[
        (Field::Time, "timestamp + httpRequest.latency"),
        (Field::Status, "httpRequest.status"),
        (Field::Method, "httpRequest.requestMethod"),
        (Field::Host, "httpRequest.requestUrl, its host"),
        (Field::Port, "httpRequest.requestUrl, its port"),
        (Field::Path, "httpRequest.requestUrl, its path"),
        (Field::Query, "httpRequest.requestUrl, its query"),
        (Field::Protocol, "httpRequest.protocol"),
        (Field::ClientLatency, "httpRequest.latency"),
        (Field::BytesReceived, "httpRequest.requestSize"),
        (Field::BytesSent, "httpRequest.responseSize"),
        (Field::ClientGone, "jsonPayload.statusDetails or proxyStatus; httpRequest.status"),
        (Field::Websocket, "httpRequest.status"),
        (Field::RequestId, "trace, else insertId"),
        (Field::LoadBalancer, "resource.labels.url_map_name"),
        (Field::Client, "httpRequest.remoteIp, without its port"),
        (Field::ClientPort, "httpRequest.remoteIp, its port"),
        (Field::UserAgent, "httpRequest.userAgent"),
        (Field::TlsCipher, "jsonPayload.tls.cipher"),
        (Field::TlsProtocol, "jsonPayload.tls.protocol"),
        (Field::RequestCreation, "timestamp"),
        (Field::Scheme, "httpRequest.requestUrl, its scheme"),
        (Field::Referer, "httpRequest.referer"),
        (Field::Upstream, "resource.labels.backend_service_name"),
        (Field::UpstreamServer, "httpRequest.serverIp"),
        (Field::Frontend, "resource.labels.forwarding_rule_name"),
        (Field::CacheStatus, "httpRequest.cacheHit and cacheLookup: hit or miss"),
        (Field::Termination, "jsonPayload.statusDetails, else proxyStatus"),
        (Field::Zone, "resource.labels.zone"),
        (Field::Repair, "what was repaired, if the line is no valid JSON"),
    ],
};
