//! Envoy access logs as JSON, with the keys of Envoy Gateway's and Istio's defaults.
//!
//! Source of the grammar: "Access logging" of the Envoy documentation; the default formats of Envoy Gateway and
//! Istio. Keys are configured: others are declared by path.
//!
//! Invariant: a line without method and protocol and with status 0 is a TCP connection, no request.

use crate::core::format::instant::Form;
use crate::core::format::members::{As, Facts, Member, Members};
use crate::core::format::units::Unit;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

const MS: As = As::Duration(Some(Unit::Ms));

/// What Envoy's operators are called in both defaults.
const MEMBERS: &[Member] = &[
    (Field::RequestCreation, As::Start(Form::Any), &["start_time"]),
    (Field::Status, As::Status, &["response_code"]),
    (Field::ClientLatency, MS, &["duration"]),
    (Field::UpstreamLatency, MS, &["x-envoy-upstream-service-time", "upstream_service_time"]),
    (Field::BytesReceived, As::Count, &["bytes_received"]),
    (Field::BytesSent, As::Count, &["bytes_sent"]),
    (Field::Method, As::Text, &["method"]),
    (Field::Path, As::Uri, &["x-envoy-origin-path", "x-envoy-original-path", "path"]),
    (Field::Protocol, As::Text, &["protocol"]),
    (Field::Host, As::Authority, &[":authority", "authority"]),
    (Field::RequestId, As::Text, &["x-request-id", "request_id"]),
    (Field::Client, As::Address, &["downstream_remote_address"]),
    (Field::UserAgent, As::Text, &["user-agent", "user_agent"]),
    (Field::TlsProtocol, As::Text, &["downstream_tls_version"]),
    (Field::TlsCipher, As::Text, &["downstream_tls_cipher"]),
    (Field::ErrorReason, As::Text, &["response_code_details"]),
    (Field::ForwardedFor, As::Text, &["x-forwarded-for", "x_forwarded_for"]),
    (Field::Referer, As::Text, &["referer"]),
    (Field::Upstream, As::Text, &["upstream_cluster", "upstream_cluster_name"]),
    (Field::UpstreamServer, As::Text, &["upstream_host"]),
    (Field::Frontend, As::Text, &["downstream_local_address"]),
    (Field::RouteName, As::Text, &["route_name"]),
    (Field::Termination, As::Text, &["response_flags"]),
    (Field::GrpcStatus, As::Count, &["grpc_status_number", "grpc_status"]),
    (Field::Sni, As::Text, &["requested_server_name"]),
];

// The further paths.
const METHOD: usize = 0;
const PROTOCOL: usize = 1;
const FLAGS: usize = 2;

pub(super) const fn facts(format: Format) -> Facts {
    Facts {
        format,
        members: &[MEMBERS],
        unit: Some(Unit::Ms),
        others: &["method", "protocol", "response_flags"],
        ..Facts::USUAL
    }
}

#[derive(Debug)]
pub(super) struct Parser {
    members: Members,
}

impl Parser {
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        Parser::of(Format::EnvoyJson, layout, labels)
    }

    /// The parser of that one of the two formats.
    pub(super) fn of(format: Format, layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        Ok(Parser { members: Members::new(&facts(format), layout, labels)? })
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
        members.fill(line, wanted, record)?;
        if record.status.is_none() {
            if members.text(line, METHOD).is_none() && members.text(line, PROTOCOL).is_none() {
                record.clear();
                return Ok(Parsed::Skipped);
            }
            let flags = members.text(line, FLAGS).unwrap_or_default();
            record.client_gone |= flags.split(|b| *b == b',').any(|flag| flag == b"DC");
        }
        Ok(Parsed::Record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.members.repaired()
    }
}

/// Facts for `explain --format envoy_json`.
pub(super) static PRESET: Preset = preset(
    Format::EnvoyJson,
    "envoy_json",
    "Envoy access log as JSON, with the keys of Envoy Gateway's default",
);

/// The facts about one of the two formats.
pub(super) const fn preset(format: Format, name: &'static str, doc: &'static str) -> Preset {
    Preset {
        format,
        name,
        doc,
        time_is: "end of the request: start_time + duration",
        lateness_s_default: 60,
        lateness_why: "lines are streamed; a line is written when the request ends, but shippers flush every few seconds",
        client_latency_is: "duration, milliseconds",
        upstream_latency_is: "x-envoy-upstream-service-time or upstream_service_time, milliseconds",
        client_gone_if: "no status and response flag DC (the client went away before the answer), or status 499",
        websocket_if: "status 101",
        service_template: "{upstream}",
        absent_if: "null, -, empty, negative numbers, a status of 0",
        skips: "TCP connections: neither method nor protocol, and no status",
        rejects: "lines that are no JSON object and that no rule repairs, that end before it does, that have no response_code, \
                  or whose start_time, response_code, durations or bytes cannot be read",
        fields: &[
            (Field::Time, "start_time + duration"),
            (Field::Status, "response_code"),
            (Field::Method, "method"),
            (Field::Host, ":authority or authority, up to the port"),
            (Field::Port, ":authority or authority, after the colon"),
            (Field::Path, "x-envoy-origin-path, x-envoy-original-path or path"),
            (Field::Query, "the same, after the question mark"),
            (Field::Protocol, "protocol"),
            (Field::ClientLatency, "duration"),
            (Field::UpstreamLatency, "x-envoy-upstream-service-time or upstream_service_time"),
            (Field::BytesReceived, "bytes_received"),
            (Field::BytesSent, "bytes_sent"),
            (Field::ClientGone, "response_code, response_flags"),
            (Field::Websocket, "response_code"),
            (Field::RequestId, "x-request-id or request_id"),
            (Field::Client, "downstream_remote_address, up to the port"),
            (Field::ClientPort, "downstream_remote_address, after the colon"),
            (Field::UserAgent, "user-agent or user_agent"),
            (Field::TlsCipher, "downstream_tls_cipher"),
            (Field::TlsProtocol, "downstream_tls_version"),
            (Field::RequestCreation, "start_time"),
            (Field::ErrorReason, "response_code_details"),
            (Field::Scheme, "the path, where it is a whole URL"),
            (Field::Referer, "referer"),
            (Field::ForwardedFor, "x-forwarded-for or x_forwarded_for"),
            (Field::Upstream, "upstream_cluster"),
            (Field::UpstreamServer, "upstream_host"),
            (Field::Frontend, "downstream_local_address"),
            (Field::RouteName, "route_name"),
            (Field::Termination, "response_flags"),
            (Field::GrpcStatus, "grpc_status_number or grpc_status"),
            (Field::Sni, "requested_server_name"),
            (Field::Repair, "what was repaired, if the line is no valid JSON"),
        ],
    }
}
