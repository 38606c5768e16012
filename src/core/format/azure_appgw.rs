//! Azure Application Gateway access logs: one record of category `ApplicationGatewayAccessLog`.
//!
//! Source of the grammar: "Diagnostic logs for Application Gateway" of the Azure documentation, and the table
//! AGWAccessLogs: both have `timeTaken` of v2 in seconds (older pages had milliseconds for both). The members lie in
//! `properties`, or at the top where a forwarder unfolded them. That `timeStamp` is the end is not documented, but
//! was observed (MicrosoftDocs/azure-docs#105858).
//!
//! Invariant: `timeTaken` is milliseconds on a gateway of the first version, whose instances are named
//! `ApplicationGatewayRole_IN_n`, and seconds on all others.

use crate::core::format::instant::Form;
use crate::core::format::members::{As, Facts, Member, Members};
use crate::core::format::units::{Unit, value_us};
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};
use memchr::memrchr;

const MEMBERS: &[Member] = &[
    (Field::Time, As::Time(Form::Any), &["timeStamp", "timestamp", "time", "TimeGenerated"]),
    (Field::Status, As::Status, &[".httpStatus"]),
    (Field::UpstreamStatus, As::Statuses, &[".serverStatus"]),
    (Field::UpstreamLatency, As::Duration(Some(Unit::S)), &[".serverResponseLatency"]),
    (Field::BytesReceived, As::Count, &[".receivedBytes"]),
    (Field::BytesSent, As::Count, &[".sentBytes"]),
    (Field::Method, As::Text, &[".httpMethod"]),
    (Field::Path, As::Uri, &[".originalRequestUriWithArgs", ".requestUri"]),
    (Field::Query, As::Text, &[".requestQuery"]),
    (Field::Protocol, As::Text, &[".httpVersion"]),
    (Field::Host, As::Authority, &[".originalHost", ".host"]),
    (Field::RequestId, As::Text, &[".transactionId"]),
    (Field::Client, As::Address, &[".clientIP", ".clientIp"]),
    (Field::ClientPort, As::Count, &[".clientPort"]),
    (Field::UserAgent, As::Text, &[".userAgent"]),
    (Field::TlsCipher, As::Text, &[".sslCipher"]),
    (Field::TlsProtocol, As::Text, &[".sslProtocol"]),
    (Field::ErrorReason, As::Text, &[".error_info", ".errorInfo", ".ErrorInfo"]),
    (Field::Upstream, As::Text, &["backendPoolName", ".backendPoolName"]),
    (Field::UpstreamServer, As::Text, &[".serverRouted"]),
    (Field::Frontend, As::Text, &["listenerName", ".listenerName"]),
    (Field::RouteName, As::Text, &["ruleName", ".ruleName"]),
    (Field::ContentType, As::Text, &[".contentType"]),
    (Field::Instance, As::Text, &[".instanceId"]),
];

// The further paths.
const CATEGORY: usize = 0;
const INSTANCE: usize = 1;
const TIME_TAKEN: usize = 3;
const RESOURCE: usize = 5;

const FACTS: Facts = Facts {
    format: Format::AzureAppgw,
    members: &[MEMBERS],
    unit: Some(Unit::S),
    within: "properties",
    others: &[
        "category",
        "properties.instanceId",
        "instanceId",
        "properties.timeTaken",
        "timeTaken",
        "resourceId",
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
        if members.text(line, CATEGORY).is_some_and(|c| c != b"ApplicationGatewayAccessLog") {
            return Ok(Parsed::Skipped);
        }
        members.fill(line, wanted, record)?;
        // In `properties`, or at the top.
        let text = |path| members.text(line, path).or(members.text(line, path + 1));
        if record.client_latency_us.is_none()
            && let Some(taken) = text(TIME_TAKEN)
        {
            let is_first = text(INSTANCE).is_some_and(|name| name.starts_with(b"ApplicationGatewayRole"));
            let unit = if is_first { Unit::Ms } else { Unit::S };
            let Ok(taken) = value_us(taken, Some(unit)) else {
                let time = record.time;
                record.clear();
                record.time = time;
                return Err(Reason::BadNumber);
            };
            record.client_latency_us = taken;
        }
        if wanted.has(Field::LoadBalancer)
            && record.get(Field::LoadBalancer) == Value::Absent
            && let Some(id) = members.text(line, RESOURCE)
        {
            let name = &id[memrchr(b'/', id).map_or(0, |slash| slash + 1)..];
            record.set(Field::LoadBalancer, if name.is_empty() { Value::Absent } else { Value::Text(name) });
        }
        Ok(Parsed::Record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.members.repaired()
    }
}

/// Facts for `explain --format azure_appgw`.
pub(super) static PRESET: Preset = Preset {
    format: Format::AzureAppgw,
    name: "azure_appgw",
    doc: "Azure Application Gateway access log, one record an object (v1 and v2)",
    time_is: "end of the request: timeStamp, timestamp or time, when the gateway wrote the record; without a zone UTC",
    lateness_s_default: 600,
    lateness_why: "Azure Monitor exports diagnostic logs in batches, minutes late",
    client_latency_is: "timeTaken: seconds, but milliseconds on v1 (instanceId ApplicationGatewayRole_IN_n)",
    upstream_latency_is: "serverResponseLatency, seconds (v2)",
    client_gone_if: "status 499",
    websocket_if: "status 101",
    service_template: "{host}",
    absent_if: "null, -, empty, a missing key, a status of 0",
    skips: "records of other categories (firewall, health, performance)",
    rejects: "lines that are no JSON object and that no rule repairs (v1 writes \"clientPort\":-), that end before it does, that \
              have no httpStatus, or whose time, httpStatus, timeTaken, serverResponseLatency or bytes cannot be read",
    fields: &[
        (Field::Time, "timeStamp, timestamp or time"),
        (Field::Status, "httpStatus"),
        (Field::UpstreamStatus, "serverStatus, the last if several"),
        (Field::Method, "httpMethod"),
        (Field::Host, "originalHost, else host, without the port"),
        (Field::Port, "originalHost, else host, the port"),
        (Field::Path, "originalRequestUriWithArgs, else requestUri"),
        (Field::Query, "the same, after the question mark; requestQuery"),
        (Field::Protocol, "httpVersion"),
        (Field::ClientLatency, "timeTaken"),
        (Field::UpstreamLatency, "serverResponseLatency"),
        (Field::BytesReceived, "receivedBytes"),
        (Field::BytesSent, "sentBytes"),
        (Field::ClientGone, "httpStatus"),
        (Field::Websocket, "httpStatus"),
        (Field::RequestId, "transactionId"),
        (Field::LoadBalancer, "resourceId, after its last slash"),
        (Field::Client, "clientIP or clientIp"),
        (Field::ClientPort, "clientPort"),
        (Field::UserAgent, "userAgent"),
        (Field::TlsCipher, "sslCipher"),
        (Field::TlsProtocol, "sslProtocol"),
        (Field::ErrorReason, "error_info"),
        (Field::Scheme, "requestUri, where it is a whole URL"),
        (Field::Upstream, "backendPoolName"),
        (Field::UpstreamServer, "serverRouted"),
        (Field::Frontend, "listenerName"),
        (Field::RouteName, "ruleName"),
        (Field::ContentType, "contentType"),
        (Field::Instance, "instanceId"),
        (Field::Repair, "what was repaired, if the line is no valid JSON"),
    ],
};
