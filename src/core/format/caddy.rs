//! Caddy access logs: the JSON of its loggers `http.log.access..`.
//!
//! Source of the grammar: "log (directive)" and "Logging" of the Caddy documentation.
//!
//! Invariant: other lines of the same stream (startup, TLS, errors) are skipped, whatever their keys' order.

use crate::core::format::instant::Form;
use crate::core::format::members::{As, Facts, Member, Members};
use crate::core::format::units::Unit;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};
use memchr::memchr;

const MEMBERS: &[Member] = &[
    (Field::Time, As::Time(Form::Any), &["ts", "time"]),
    (Field::Status, As::Status, &["status"]),
    (Field::ClientLatency, As::Duration(Some(Unit::S)), &["duration", "latency"]),
    (Field::ClientLatency, As::Duration(Some(Unit::Ms)), &["duration_ms"]),
    (Field::BytesReceived, As::Count, &["bytes_read"]),
    (Field::BytesSent, As::Count, &["size"]),
    (Field::Method, As::Text, &["request.method"]),
    (Field::Host, As::Authority, &["request.host"]),
    (Field::Path, As::Uri, &["request.uri"]),
    (Field::Protocol, As::Text, &["request.proto"]),
    (Field::RequestId, As::Text, &["request.headers.X-Request-Id.0", "resp_headers.X-Request-Id.0", "uuid"]),
    (Field::Client, As::Address, &["request.client_ip", "request.remote_ip", "request.remote_addr"]),
    (Field::ClientPort, As::Count, &["request.remote_port"]),
    (Field::UserAgent, As::Text, &["request.headers.User-Agent.0"]),
    (Field::TlsCipher, As::Text, &["request.tls.cipher_suite"]),
    (Field::TlsProtocol, As::Text, &["request.tls.version"]),
    (Field::User, As::Text, &["user_id"]),
    (Field::Referer, As::Text, &["request.headers.Referer.0"]),
    (Field::ForwardedFor, As::Text, &["request.headers.X-Forwarded-For.0"]),
    (Field::Frontend, As::Text, &["logger"]),
    (Field::ContentType, As::Text, &["resp_headers.Content-Type.0"]),
    (Field::Alpn, As::Text, &["request.tls.proto"]),
    (Field::Sni, As::Text, &["request.tls.server_name"]),
];

// The further paths.
const LOGGER: usize = 0;
const MESSAGE: usize = 1;

const FACTS: Facts = Facts {
    format: Format::Caddy,
    members: &[MEMBERS],
    unit: Some(Unit::S),
    others: &["logger", "msg"],
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
        let line = without_prefix(line);
        self.members.find(line, wanted)?;
        let members = &self.members;
        let is_access = match members.text(line, LOGGER) {
            Some(logger) => logger.starts_with(b"http.log.access"),
            None => members.text(line, MESSAGE) == Some(b"handled request"),
        };
        if !is_access {
            let is_log = members.text(line, LOGGER).or(members.text(line, MESSAGE)).is_some();
            return if is_log { Ok(Parsed::Skipped) } else { Err(Reason::NotThisFormat) };
        }
        members.fill(line, wanted, record).map(|()| Parsed::Record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.members.repaired()
    }
}

/// The object behind `caddy  | `, which docker compose puts before every line.
#[inline]
fn without_prefix(line: &[u8]) -> &[u8] {
    if line.first() == Some(&b'{') {
        return line;
    }
    match memchr(b'{', line).and_then(|brace| line.split_at_checked(brace)) {
        Some((prefix, object)) if prefix.trim_ascii_end().ends_with(b"|") => object,
        _ => line,
    }
}

/// Facts for `explain --format caddy`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Caddy,
    name: "caddy",
    doc: "Caddy access log, JSON (behind a prefix of docker compose too)",
    time_is: "end of the request: ts, when the response had been written; a number or a text (time_format)",
    lateness_s_default: 60,
    lateness_why: "lines are streamed; shippers flush every few seconds",
    client_latency_is: "duration, seconds, or with its unit where duration_format says so",
    upstream_latency_is: "none: lines do not tell it",
    client_gone_if: "status 499: the client went away before the upstream answered",
    websocket_if: "status 101",
    service_template: "{host}",
    absent_if: "null, -, empty, a missing key, a status of 0 (nothing was written, or the connection was taken over)",
    skips: "lines of loggers that do not begin with http.log.access",
    rejects: "lines that are no JSON object, that end before it does, that have no status, or whose ts, status, duration or \
              bytes cannot be read",
    fields: &[
        (Field::Time, "ts"),
        (Field::Status, "status"),
        (Field::Method, "request.method"),
        (Field::Host, "request.host, without the port"),
        (Field::Port, "request.host, the port"),
        (Field::Path, "request.uri"),
        (Field::Query, "request.uri, after the question mark"),
        (Field::Protocol, "request.proto"),
        (Field::ClientLatency, "duration"),
        (Field::BytesReceived, "bytes_read"),
        (Field::BytesSent, "size"),
        (Field::ClientGone, "status"),
        (Field::Websocket, "status"),
        (Field::RequestId, "X-Request-Id of the request or the response; uuid"),
        (Field::Client, "request.client_ip, else remote_ip, else remote_addr"),
        (Field::ClientPort, "request.remote_port, or remote_addr after the colon"),
        (Field::UserAgent, "request.headers.User-Agent"),
        (Field::TlsCipher, "request.tls.cipher_suite, a number"),
        (Field::TlsProtocol, "request.tls.version, a number"),
        (Field::Scheme, "request.uri, where it is a whole URL"),
        (Field::User, "user_id"),
        (Field::Referer, "request.headers.Referer"),
        (Field::ForwardedFor, "request.headers.X-Forwarded-For, the first"),
        (Field::Frontend, "logger"),
        (Field::ContentType, "resp_headers.Content-Type"),
        (Field::Alpn, "request.tls.proto"),
        (Field::Sni, "request.tls.server_name"),
        (Field::Repair, "what was repaired, if the line is no valid JSON"),
    ],
};
