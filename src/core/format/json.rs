//! JSON lines of any origin: fields by path, as the site declares them, and names that many sites use.
//!
//! Invariant: what is not declared is only found under names that mean one thing (`members/common.rs`).

use crate::core::format::members::{COMMON, Facts, Members};
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

const FACTS: Facts =
    Facts { format: Format::Json, members: &[COMMON], gone: &[499, 460], guesses: true, ..Facts::USUAL };

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
        self.members.fill(line, wanted, record).map(|()| Parsed::Record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.members.repaired()
    }
}

/// Facts for `explain --format json`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Json,
    name: "json",
    doc: "any JSON lines: fields by path as declared, and under names that many sites use",
    time_is: "the member that is declared as `time`, taken for the end of the request; else time, @timestamp, msec and the like; \
              else the begin (start_time, or what is declared as `request_creation`) plus the client's latency. RFC 3339, CLF or \
              a number, of which its size tells the unit; UTC where no zone is written",
    lateness_s_default: 60,
    lateness_why: "lines are streamed; shippers flush every few seconds",
    client_latency_is: "the member that is declared; else request_time (seconds), or a name that ends in its unit (duration_ms), or \
                        a duration that writes its unit (\"12ms\"); a bare `duration` is not guessed at",
    upstream_latency_is: "the member that is declared; else upstream_response_time (seconds): the sum of its list",
    client_gone_if: "status 499 or 460, or the member declared as `client_gone`",
    websocket_if: "status 101, or the member declared as `websocket`",
    service_template: "{host}",
    absent_if: "null, -, empty, negative numbers, a status of 0, a time of 0; after a repair also a missing value",
    skips: "none",
    rejects: "lines that are no JSON object and that no rule repairs, that end before it does, that have no status and time, \
              or whose time, status or a declared number cannot be read",
    fields: &[
        (Field::Time, "time, timestamp, @timestamp, ts, time_iso8601, time_local, msec, .."),
        (Field::Status, "status, status_code, http_status, http.response.status_code, .."),
        (Field::UpstreamStatus, "upstream_status, the last of its list"),
        (Field::Method, "method, request_method, http.request.method, ..; request"),
        (Field::Host, "host, http_host, server_name, url.domain, ..; a whole URL"),
        (Field::Port, "the same, after the colon"),
        (Field::Path, "request_uri, uri, path, url, url.original, ..; request"),
        (Field::Query, "the same, after the question mark; query, args"),
        (Field::Protocol, "protocol, server_protocol; request"),
        (Field::ClientLatency, "request_time, duration_ms, latency_us, event.duration, .."),
        (Field::UpstreamLatency, "upstream_response_time, the sum of its list"),
        (Field::BytesReceived, "request_length, bytes_received, bytes_in, .."),
        (Field::BytesSent, "bytes_sent, body_bytes_sent, bytes_out, size, .."),
        (Field::ClientGone, "status"),
        (Field::Websocket, "status"),
        (Field::TargetGroup, "as declared"),
        (Field::RequestId, "request_id, x_request_id, trace_id, .."),
        (Field::Type, "as declared"),
        (Field::LoadBalancer, "as declared"),
        (Field::Client, "remote_addr, client_ip, source.ip, .."),
        (Field::ClientPort, "the same, after the colon"),
        (Field::Target, "as declared"),
        (Field::RequestProcessing, "as declared"),
        (Field::TargetProcessing, "as declared"),
        (Field::ResponseProcessing, "as declared"),
        (Field::UserAgent, "http_user_agent, user_agent, user_agent.original, .."),
        (Field::TlsCipher, "ssl_cipher, tls_cipher"),
        (Field::TlsProtocol, "ssl_protocol, tls_protocol"),
        (Field::DomainName, "as declared"),
        (Field::RequestCreation, "start_time, startTime, StartUTC"),
        (Field::Actions, "as declared"),
        (Field::RedirectUrl, "as declared"),
        (Field::ErrorReason, "as declared"),
        (Field::Scheme, "scheme, url.scheme; a whole URL"),
        (Field::User, "remote_user, user.name"),
        (Field::Referer, "http_referer, referer, .."),
        (Field::ForwardedFor, "http_x_forwarded_for, x_forwarded_for, .."),
        (Field::Upstream, "proxy_upstream_name, upstream_name, upstream_cluster"),
        (Field::UpstreamServer, "upstream_addr, upstream_host, the last of the list"),
        (Field::UpstreamLatencyList, "upstream_response_time, as written"),
        (Field::UpstreamLatencyLast, "upstream_response_time, the last value"),
        (Field::UpstreamConnect, "upstream_connect_time, the sum of its list"),
        (Field::UpstreamHeader, "upstream_header_time, the sum of its list"),
        (Field::FirstByte, "as declared"),
        (Field::Queue, "as declared"),
        (Field::TlsHandshake, "as declared"),
        (Field::Frontend, "as declared"),
        (Field::RouteName, "as declared"),
        (Field::CacheStatus, "upstream_cache_status, cache_status"),
        (Field::Termination, "as declared"),
        (Field::EdgeLocation, "as declared"),
        (Field::Zone, "as declared"),
        (Field::Country, "as declared"),
        (Field::ContentType, "as declared"),
        (Field::Retries, "as declared"),
        (Field::GrpcStatus, "grpc_status"),
        (Field::Instance, "as declared"),
        (Field::Sni, "as declared"),
        (Field::Repair, "what was repaired, if the line is no valid JSON"),
    ],
};
