//! nginx access logs as JSON, which a site's `log_format` pastes together.
//!
//! Source of the grammar: nginx's `ngx_http_log_module` and `ngx_http_upstream_module` documentation. The keys
//! are the site's; those that are variables' names are found without being declared.
//!
//! Invariant: with `escape=json` or without, a line is read: unset variables leave `"x":,` or `"x": -`, several
//! upstreams leave `0.1, 0.2` without quotes, and the default escaping leaves `\x22` in texts. Such lines
//! are repaired, and their records say so (`repair`).

use crate::core::format::members::{COMMON, Facts, Members, NGINX};
use crate::core::format::units::Unit;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

const FACTS: Facts =
    Facts { format: Format::NginxJson, members: &[NGINX, COMMON], unit: Some(Unit::S), ..Facts::USUAL };

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

/// Facts for `explain --format nginx_json`.
pub(super) static PRESET: Preset = Preset {
    format: Format::NginxJson,
    name: "nginx_json",
    doc: "nginx access log as JSON by the site's log_format; keys that are variables' names need no declaration",
    time_is: "end of the request: msec, time_iso8601, time_local, time, @timestamp, .., the first that is there",
    lateness_s_default: 60,
    lateness_why: "workers write buffered blocks, and shippers flush every few seconds",
    client_latency_is: "request_time (or response_time, responsetime, duration), seconds",
    upstream_latency_is: "upstream_response_time, seconds: the sum over all servers tried",
    client_gone_if: "status 499: the client closed the connection before the answer",
    websocket_if: "status 101",
    service_template: "{host}",
    absent_if: "null, -, empty, a missing value; a status of 0 or 000 (nothing was sent)",
    skips: "none",
    rejects: "lines that are no JSON object and that no rule repairs, that end before it does, that have no status and time, \
              or whose time, status, latencies or bytes cannot be read",
    fields: &[
        (Field::Time, "msec, time_iso8601, time_local, time, timestamp, @timestamp, .."),
        (Field::Status, "status, http_status, status_code, .."),
        (Field::UpstreamStatus, "upstream_status, the last of its list"),
        (Field::Method, "request_method, method; request"),
        (Field::Host, "http_host, host, server_name"),
        (Field::Port, "the same, after the colon"),
        (Field::Path, "request_uri, uri, path, url; request"),
        (Field::Query, "the same, after the question mark; args, query_string"),
        (Field::Protocol, "server_protocol, protocol; request"),
        (Field::ClientLatency, "request_time, response_time, responsetime, duration, .."),
        (Field::UpstreamLatency, "upstream_response_time, the sum of its list"),
        (Field::BytesReceived, "request_length, bytes_received, .."),
        (Field::BytesSent, "bytes_sent, body_bytes_sent, size, .."),
        (Field::ClientGone, "status"),
        (Field::Websocket, "status"),
        (Field::RequestId, "request_id, http_x_request_id, .."),
        (Field::Client, "remote_addr, client_ip, .."),
        (Field::ClientPort, "the same, after the colon"),
        (Field::UserAgent, "http_user_agent, user_agent, agent"),
        (Field::TlsCipher, "ssl_cipher"),
        (Field::TlsProtocol, "ssl_protocol"),
        (Field::RequestCreation, "start_time"),
        (Field::Scheme, "scheme"),
        (Field::User, "remote_user"),
        (Field::Referer, "http_referer, referer"),
        (Field::ForwardedFor, "http_x_forwarded_for, x_forwarded_for, .."),
        (Field::Upstream, "proxy_upstream_name, upstream_name"),
        (Field::UpstreamServer, "upstream_addr, the last of its list"),
        (Field::UpstreamLatencyList, "upstream_response_time, as written"),
        (Field::UpstreamLatencyLast, "upstream_response_time, the last value"),
        (Field::UpstreamConnect, "upstream_connect_time, the sum of its list"),
        (Field::UpstreamHeader, "upstream_header_time, the sum of its list"),
        (Field::CacheStatus, "upstream_cache_status"),
        (Field::GrpcStatus, "grpc_status"),
        (Field::Instance, "hostname"),
        (Field::Repair, "what was repaired, if the line is no valid JSON"),
    ],
};
