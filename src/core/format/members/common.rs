//! Names that many sites give to the same thing.
//!
//! Invariant: only names whose meaning and unit are the same wherever they are used. A `duration` without a
//! unit is milliseconds here and seconds there: it counts only where the value writes its unit.

use super::{As, Member};
use crate::core::format::instant::Form;
use crate::core::format::units::Unit;
use crate::core::record::Field;

const ANY: Form = Form::Any;
const S: As = As::Duration(Some(Unit::S));
const MS: As = As::Duration(Some(Unit::Ms));
const US: As = As::Duration(Some(Unit::Us));
const NS: As = As::Duration(Some(Unit::Ns));

/// Names of JSON access logs in general, nginx's variables and the Elastic Common Schema among them.
pub(crate) const COMMON: &[Member] = &[
    (
        Field::Time,
        As::Time(ANY),
        &[
            "msec",
            "time_iso8601",
            "time_local",
            "time",
            "timestamp",
            "@timestamp",
            "ts",
            "datetime",
            "date_time",
            "date",
            "event_time",
            "eventTime",
        ],
    ),
    (Field::RequestCreation, As::Start(ANY), &["start_time", "startTime", "StartUTC"]),
    (
        Field::Status,
        As::Status,
        &[
            "status",
            "http_status",
            "status_code",
            "statusCode",
            "http_status_code",
            "response_status",
            "response_code",
            "code",
            "http.response.status_code",
            "http.status_code",
            "httpRequest.status",
            "response.status",
            "res.statusCode",
        ],
    ),
    (Field::UpstreamStatus, As::Statuses, &["upstream_status"]),
    (
        Field::ClientLatency,
        S,
        &["request_time", "duration_s", "duration_seconds", "latency_s", "latency_seconds"],
    ),
    (
        Field::ClientLatency,
        MS,
        &[
            "duration_ms",
            "durationMs",
            "latency_ms",
            "latencyMs",
            "response_time_ms",
            "request_time_ms",
            "elapsed_ms",
            "took_ms",
        ],
    ),
    (Field::ClientLatency, US, &["duration_us", "latency_us", "request_time_us", "response_time_us"]),
    (Field::ClientLatency, NS, &["duration_ns", "latency_ns", "event.duration"]),
    (
        Field::ClientLatency,
        As::Duration(None),
        &["duration", "latency", "elapsed", "response_time", "responseTime", "took", "httpRequest.latency"],
    ),
    (Field::UpstreamLatency, As::Durations(Some(Unit::S)), &["upstream_response_time"]),
    (Field::UpstreamConnect, As::Durations(Some(Unit::S)), &["upstream_connect_time"]),
    (Field::UpstreamHeader, As::Durations(Some(Unit::S)), &["upstream_header_time"]),
    (
        Field::BytesReceived,
        As::Count,
        &["request_length", "bytes_received", "bytes_in", "request_size", "http.request.bytes"],
    ),
    (
        Field::BytesSent,
        As::Count,
        &[
            "bytes_sent",
            "body_bytes_sent",
            "bytes_out",
            "response_size",
            "response_bytes",
            "http.response.bytes",
            "http.response.body.bytes",
            "bytes",
            "size",
        ],
    ),
    (
        Field::Method,
        As::Text,
        &[
            "method",
            "request_method",
            "http_method",
            "requestMethod",
            "verb",
            "http.request.method",
            "http.method",
            "httpRequest.requestMethod",
            "req.method",
        ],
    ),
    (
        Field::Path,
        As::Uri,
        &[
            "request_uri",
            "uri",
            "path",
            "url",
            "url.original",
            "url.full",
            "url.path",
            "http.target",
            "http.url",
            "requestUrl",
            "httpRequest.requestUrl",
            "req.url",
        ],
    ),
    (Field::Query, As::Text, &["query", "query_string", "args", "url.query"]),
    (Field::Protocol, As::Text, &["protocol", "server_protocol", "http_protocol"]),
    (Field::Path, As::Request, &["request", "request_line"]),
    (
        Field::Host,
        As::Authority,
        &["http_host", "host", "server_name", "vhost", "authority", ":authority", "url.domain", "http.host"],
    ),
    (Field::Scheme, As::Text, &["scheme", "url.scheme", "http.scheme"]),
    (
        Field::RequestId,
        As::Text,
        &[
            "request_id",
            "x_request_id",
            "requestId",
            "req_id",
            "http_x_request_id",
            "http.request.id",
            "trace_id",
        ],
    ),
    (
        Field::Client,
        As::Address,
        &[
            "remote_addr",
            "client_ip",
            "clientip",
            "clientIp",
            "remote_ip",
            "remoteIp",
            "client.ip",
            "client.address",
            "source.ip",
            "httpRequest.remoteIp",
            "client",
        ],
    ),
    (Field::User, As::Text, &["remote_user", "user.name"]),
    (
        Field::UserAgent,
        As::Text,
        &[
            "http_user_agent",
            "user_agent",
            "user_agent.original",
            "userAgent",
            "useragent",
            "http.user_agent",
            "agent",
        ],
    ),
    (
        Field::Referer,
        As::Text,
        &["http_referer", "http_referrer", "referer", "referrer", "http.request.referrer"],
    ),
    (Field::ForwardedFor, As::Text, &["http_x_forwarded_for", "x_forwarded_for", "xff", "forwarded_for"]),
    (Field::Upstream, As::Text, &["proxy_upstream_name", "upstream_name", "upstream_cluster"]),
    (Field::UpstreamServer, As::Last, &["upstream_addr", "upstream_host"]),
    (Field::TlsProtocol, As::Text, &["ssl_protocol", "tls_protocol"]),
    (Field::TlsCipher, As::Text, &["ssl_cipher", "tls_cipher"]),
    (Field::CacheStatus, As::Text, &["upstream_cache_status", "cache_status"]),
    (Field::GrpcStatus, As::Count, &["grpc_status"]),
];

/// Further names under which nginx's variables are found: its durations are seconds.
pub(crate) const NGINX: &[Member] = &[
    (
        Field::ClientLatency,
        S,
        &["request_time", "responsetime", "response_time", "request_duration", "duration", "rt"],
    ),
    (
        Field::UpstreamLatency,
        As::Durations(Some(Unit::S)),
        &["upstream_response_time", "upstreamtime", "upstream_time", "upstream_duration", "urt"],
    ),
    (Field::UpstreamConnect, As::Durations(Some(Unit::S)), &["uct"]),
    (Field::UpstreamHeader, As::Durations(Some(Unit::S)), &["uht"]),
    (Field::UpstreamServer, As::Last, &["upstreamhost"]),
    (Field::Instance, As::Text, &["hostname"]),
];
