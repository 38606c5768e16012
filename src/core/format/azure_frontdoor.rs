//! Azure Front Door access logs: one record of category `FrontDoorAccessLog` (classic: `FrontdoorAccessLog`).
//!
//! Source of the grammar: "Monitor metrics and logs in Azure Front Door" of the Azure documentation. Every
//! property is a string. It has an `httpStatusCode` of 0 where the origin did not answer in time, and of 499 where
//! the client closed the connection; its pages have said milliseconds of `timeTaken`, but records have seconds
//! ("0.230").
//!
//! Invariant: a request counts once: what the edge asked of the origin shield (`isReceivedFromClient` false) is
//! skipped.

use crate::core::format::instant::Form;
use crate::core::format::members::{As, Facts, Member, Members};
use crate::core::format::units::Unit;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

const S: As = As::Duration(Some(Unit::S));

const MEMBERS: &[Member] = &[
    (Field::Time, As::Time(Form::Any), &["time", "timeStamp", "timestamp", "TimeGenerated"]),
    (Field::Status, As::Status, &[".httpStatusCode"]),
    (Field::UpstreamStatus, As::Statuses, &[".originStatusCode"]),
    (Field::ClientLatency, S, &[".timeTaken"]),
    (Field::BytesReceived, As::Count, &[".requestBytes"]),
    (Field::BytesSent, As::Count, &[".responseBytes"]),
    (Field::Method, As::Text, &[".httpMethod"]),
    (Field::Path, As::Uri, &[".requestUri"]),
    (Field::Protocol, As::Text, &[".httpVersion"]),
    (Field::Host, As::Authority, &[".hostName"]),
    (Field::RequestId, As::Text, &[".trackingReference"]),
    (Field::Client, As::Address, &[".clientIp", ".clientIP"]),
    (Field::ClientPort, As::Count, &[".clientPort"]),
    (Field::UserAgent, As::Text, &[".userAgent"]),
    (Field::TlsCipher, As::Text, &[".securityCipher"]),
    (Field::TlsProtocol, As::Text, &[".securityProtocol"]),
    (Field::ErrorReason, As::Text, &[".errorInfo", ".ErrorInfo"]),
    (Field::Referer, As::Text, &[".referer"]),
    (Field::Upstream, As::Text, &[".originName", ".backendHostname"]),
    (Field::UpstreamServer, As::Text, &[".originIp"]),
    (Field::FirstByte, S, &[".timeToFirstByte"]),
    (Field::Frontend, As::Text, &[".endpoint"]),
    (Field::RouteName, As::Text, &[".routingRuleName"]),
    (Field::CacheStatus, As::Text, &[".cacheStatus"]),
    (Field::Termination, As::Text, &[".result"]),
    (Field::EdgeLocation, As::Text, &[".pop"]),
    (Field::Country, As::Text, &[".clientCountry"]),
    (Field::Sni, As::Text, &[".sni"]),
];

// The further paths.
const CATEGORY: usize = 0;
const FROM_CLIENT: usize = 1;
const FROM_CLIENT_TOP: usize = 2;

const FACTS: Facts = Facts {
    format: Format::AzureFrontdoor,
    members: &[MEMBERS],
    unit: Some(Unit::S),
    within: "properties",
    others: &["category", "properties.isReceivedFromClient", "isReceivedFromClient"],
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
        if members.text(line, CATEGORY).is_some_and(|c| !c.eq_ignore_ascii_case(b"FrontDoorAccessLog")) {
            return Ok(Parsed::Skipped);
        }
        let from_client = members.text(line, FROM_CLIENT).or(members.text(line, FROM_CLIENT_TOP));
        if from_client.is_some_and(|is| is.eq_ignore_ascii_case(b"false")) {
            return Ok(Parsed::Skipped);
        }
        members.fill(line, wanted, record).map(|()| Parsed::Record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.members.repaired()
    }
}

/// Facts for `explain --format azure_frontdoor`.
pub(super) static PRESET: Preset = Preset {
    format: Format::AzureFrontdoor,
    name: "azure_frontdoor",
    doc: "Azure Front Door access log, one record an object (Standard, Premium and classic)",
    time_is: "end of the request: time, when the edge had delivered the response",
    lateness_s_default: 600,
    lateness_why: "Azure Monitor exports diagnostic logs in batches, minutes late",
    client_latency_is: "timeTaken, seconds",
    upstream_latency_is: "none: records do not tell it",
    client_gone_if: "status 499",
    websocket_if: "status 101",
    service_template: "{host}",
    absent_if: "null, -, empty, a missing key, a status of 0 (the origin did not answer in time)",
    skips: "records of other categories (firewall, health probes), and what the edge asked of the origin shield",
    rejects: "lines that are no JSON object and that no rule repairs, that end before it does, that have no httpStatusCode, \
              or whose time, httpStatusCode, timeTaken or bytes cannot be read",
    fields: &[
        (Field::Time, "time"),
        (Field::Status, "httpStatusCode"),
        (Field::UpstreamStatus, "originStatusCode"),
        (Field::Method, "httpMethod"),
        (Field::Host, "requestUri, its host; else hostName"),
        (Field::Port, "requestUri, its port"),
        (Field::Path, "requestUri, its path"),
        (Field::Query, "requestUri, its query"),
        (Field::Protocol, "httpVersion"),
        (Field::ClientLatency, "timeTaken"),
        (Field::BytesReceived, "requestBytes"),
        (Field::BytesSent, "responseBytes"),
        (Field::ClientGone, "httpStatusCode"),
        (Field::Websocket, "httpStatusCode"),
        (Field::RequestId, "trackingReference"),
        (Field::Client, "clientIp"),
        (Field::ClientPort, "clientPort"),
        (Field::UserAgent, "userAgent"),
        (Field::TlsCipher, "securityCipher"),
        (Field::TlsProtocol, "securityProtocol"),
        (Field::ErrorReason, "errorInfo or ErrorInfo"),
        (Field::Scheme, "requestUri, its scheme"),
        (Field::Referer, "referer"),
        (Field::Upstream, "originName, classic: backendHostname"),
        (Field::UpstreamServer, "originIp"),
        (Field::FirstByte, "timeToFirstByte"),
        (Field::Frontend, "endpoint"),
        (Field::RouteName, "routingRuleName"),
        (Field::CacheStatus, "cacheStatus"),
        (Field::Termination, "result"),
        (Field::EdgeLocation, "pop"),
        (Field::Country, "clientCountry"),
        (Field::Sni, "sni"),
        (Field::Repair, "what was repaired, if the line is no valid JSON"),
    ],
};
