//! Cloudflare Logpush, dataset `http_requests`: one JSON object a line.
//!
//! Source of the grammar: "HTTP requests" of the Cloudflare Logs documentation. Which fields there are, and how
//! times are written (RFC 3339, unix, unixnano; number or text), is chosen by the job.
//!
//! Invariant: a request of a visitor counts once: what a Worker asked for on its behalf is skipped.

use crate::core::format::instant::Form;
use crate::core::format::members::{As, Facts, Member, Members};
use crate::core::format::units::Unit;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};

const MS: As = As::Duration(Some(Unit::Ms));

const MEMBERS: &[Member] = &[
    (Field::RequestCreation, As::Start(Form::Any), &["EdgeStartTimestamp"]),
    (Field::Time, As::Time(Form::Any), &["EdgeEndTimestamp"]),
    (Field::Status, As::Status, &["EdgeResponseStatus"]),
    (Field::UpstreamStatus, As::Statuses, &["OriginResponseStatus"]),
    (Field::UpstreamLatency, MS, &["OriginResponseDurationMs"]),
    (Field::UpstreamLatency, As::Duration(Some(Unit::Ns)), &["OriginResponseTime"]),
    (Field::BytesReceived, As::Count, &["ClientRequestBytes"]),
    (Field::BytesSent, As::Count, &["EdgeResponseBytes"]),
    (Field::Method, As::Text, &["ClientRequestMethod"]),
    (Field::Host, As::Authority, &["ClientRequestHost"]),
    (Field::Path, As::Uri, &["ClientRequestURI", "ClientRequestPath"]),
    (Field::Protocol, As::Text, &["ClientRequestProtocol"]),
    (Field::RequestId, As::Text, &["RayID"]),
    (Field::Client, As::Address, &["ClientIP"]),
    (Field::ClientPort, As::Count, &["ClientSrcPort"]),
    (Field::UserAgent, As::Text, &["ClientRequestUserAgent"]),
    (Field::TlsCipher, As::Text, &["ClientSSLCipher"]),
    (Field::TlsProtocol, As::Text, &["ClientSSLProtocol"]),
    (Field::Scheme, As::Text, &["ClientRequestScheme"]),
    (Field::Referer, As::Text, &["ClientRequestReferer"]),
    (Field::UpstreamServer, As::Text, &["OriginIP"]),
    (Field::UpstreamConnect, MS, &["OriginTCPHandshakeDurationMs"]),
    (Field::UpstreamHeader, MS, &["OriginResponseHeaderReceiveDurationMs"]),
    (Field::FirstByte, MS, &["EdgeTimeToFirstByteMs"]),
    (Field::CacheStatus, As::Text, &["CacheCacheStatus"]),
    (Field::EdgeLocation, As::Text, &["EdgeColoCode"]),
    (Field::Zone, As::Text, &["ZoneName"]),
    (Field::Country, As::Text, &["ClientCountry"]),
    (Field::ContentType, As::Text, &["EdgeResponseContentType"]),
];

// The further paths.
const SUBREQUEST: usize = 0;
const ORIGIN_STATUS: usize = 1;

const FACTS: Facts = Facts {
    format: Format::Cloudflare,
    members: &[MEMBERS],
    unit: Some(Unit::Ms),
    others: &["WorkerSubrequest", "OriginResponseStatus"],
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
        if members.text(line, SUBREQUEST) == Some(b"true") {
            return Ok(Parsed::Skipped);
        }
        members.fill(line, wanted, record)?;
        // An origin that was not asked has a latency of 0.
        if members.text(line, ORIGIN_STATUS) == Some(b"0") {
            for field in [Field::UpstreamLatency, Field::UpstreamConnect, Field::UpstreamHeader] {
                if record.integer(field) == Some(0) {
                    record.set(field, Value::Absent);
                }
            }
        }
        Ok(Parsed::Record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.members.repaired()
    }
}

/// Facts for `explain --format cloudflare`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Cloudflare,
    name: "cloudflare",
    doc: "Cloudflare Logpush, dataset http_requests, JSON lines",
    time_is: "end of the request: EdgeEndTimestamp; else EdgeStartTimestamp, plus the client's latency where a site declares one",
    lateness_s_default: 600,
    lateness_why: "Logpush delivers in batches, usually within minutes",
    client_latency_is: "EdgeEndTimestamp - EdgeStartTimestamp where the job writes them finer than seconds (unixnano); else absent: \
                        no field tells it, first_byte comes nearest",
    upstream_latency_is: "OriginResponseDurationMs, else OriginResponseTime (nanoseconds); absent where the origin was not asked",
    client_gone_if: "status 499: the client closed the connection before the answer",
    websocket_if: "status 101",
    service_template: "{host}",
    absent_if: "null, -, empty, a missing key, a status or time of 0; an origin's latency of 0 with its status 0",
    skips: "requests of Workers (WorkerSubrequest true)",
    rejects: "lines that are no JSON object, that end before it does, that have no EdgeResponseStatus, or whose times, status, \
              origin latency or bytes cannot be read",
    fields: &[
        (Field::Time, "EdgeEndTimestamp"),
        (Field::Status, "EdgeResponseStatus"),
        (Field::UpstreamStatus, "OriginResponseStatus"),
        (Field::Method, "ClientRequestMethod"),
        (Field::Host, "ClientRequestHost, without the port"),
        (Field::Port, "ClientRequestHost, the port"),
        (Field::Path, "ClientRequestURI, else ClientRequestPath"),
        (Field::Query, "ClientRequestURI, after the question mark"),
        (Field::Protocol, "ClientRequestProtocol"),
        (Field::ClientLatency, "EdgeEndTimestamp - EdgeStartTimestamp"),
        (Field::UpstreamLatency, "OriginResponseDurationMs, else OriginResponseTime"),
        (Field::BytesReceived, "ClientRequestBytes"),
        (Field::BytesSent, "EdgeResponseBytes"),
        (Field::ClientGone, "EdgeResponseStatus"),
        (Field::Websocket, "EdgeResponseStatus"),
        (Field::RequestId, "RayID"),
        (Field::Client, "ClientIP"),
        (Field::ClientPort, "ClientSrcPort"),
        (Field::UserAgent, "ClientRequestUserAgent"),
        (Field::TlsCipher, "ClientSSLCipher"),
        (Field::TlsProtocol, "ClientSSLProtocol"),
        (Field::RequestCreation, "EdgeStartTimestamp"),
        (Field::Scheme, "ClientRequestScheme"),
        (Field::Referer, "ClientRequestReferer"),
        (Field::UpstreamServer, "OriginIP"),
        (Field::UpstreamConnect, "OriginTCPHandshakeDurationMs"),
        (Field::UpstreamHeader, "OriginResponseHeaderReceiveDurationMs"),
        (Field::FirstByte, "EdgeTimeToFirstByteMs"),
        (Field::CacheStatus, "CacheCacheStatus"),
        (Field::EdgeLocation, "EdgeColoCode"),
        (Field::Zone, "ZoneName"),
        (Field::Country, "ClientCountry"),
        (Field::ContentType, "EdgeResponseContentType"),
        (Field::Repair, "what was repaired, if the line is no valid JSON"),
    ],
};
