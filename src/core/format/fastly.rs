//! Fastly's streamed logs: text by the default format `%h %l %u %t "%r" %>s %b`, and JSON with the keys of its
//! documentation's examples, also behind a syslog header.
//!
//! Source of the grammar: "Custom log formats" and "Useful variables to log" of the Fastly documentation. The
//! format is the site's: other keys are declared by path.
//!
//! Invariant: a line that ends with a brace is JSON from its first brace on; every other is text.

use crate::core::format::common_log::{common_log, referer_and_agent};
use crate::core::format::instant::Form;
use crate::core::format::members::{As, COMMON, Facts, Member, Members};
use crate::core::format::reading::fill_request;
use crate::core::format::units::{Unit, decimal};
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};
use memchr::memchr;

const MEMBERS: &[Member] = &[
    (Field::Time, As::Time(Form::Any), &["time_end"]),
    (Field::RequestCreation, As::Start(Form::Any), &["time_start", "timestamp"]),
    (Field::Status, As::Status, &["response_status", "status", "resp_status"]),
    (Field::ClientLatency, As::Duration(Some(Unit::Us)), &["time_elapsed", "time_elapsed_usec", "elapsed_usec"]),
    (Field::ClientLatency, As::Duration(Some(Unit::Ms)), &["time_elapsed_msec", "elapsed_msec"]),
    (
        Field::BytesSent,
        As::Count,
        &["resp_bytes_written", "response_body_size", "resp_body_size", "resp_body_bytes_written"],
    ),
    (Field::BytesReceived, As::Count, &["req_bytes_read", "req_body_size", "req_body_bytes_read"]),
    (Field::Method, As::Text, &["request_method"]),
    (Field::Protocol, As::Text, &["request_protocol"]),
    (Field::Host, As::Authority, &["host"]),
    (Field::Path, As::Uri, &["url"]),
    (Field::Referer, As::Text, &["request_referer"]),
    (Field::UserAgent, As::Text, &["request_user_agent"]),
    (Field::TlsProtocol, As::Text, &["tls_client_protocol"]),
    (Field::TlsCipher, As::Text, &["tls_client_cipher"]),
    (Field::Sni, As::Text, &["tls_client_servername"]),
    (Field::CacheStatus, As::Text, &["response_state", "fastly_info_state", "cache_status"]),
    (Field::EdgeLocation, As::Text, &["pop", "server_datacenter", "datacenter"]),
    (Field::Instance, As::Text, &["fastly_server", "server_identity"]),
    (Field::Country, As::Text, &["geo_country", "geo_country_code"]),
    (Field::Zone, As::Text, &["service_id"]),
    (Field::Upstream, As::Text, &["backend", "origin_host"]),
];

const FACTS: Facts = Facts {
    format: Format::Fastly,
    members: &[MEMBERS, OTHERS],
    unit: Some(Unit::Us),
    guesses: true,
    ..Facts::USUAL
};

/// Names that many sites use, but for times: what Fastly's examples call `timestamp` is the begin.
const OTHERS: &[Member] = COMMON.split_at(2).1;

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
        let line = line.trim_ascii();
        let object = match line {
            [b'{', ..] => line,
            [.., b'}'] => &line[memchr(b'{', line).unwrap_or(0)..],
            _ => return text(line, wanted, record),
        };
        self.members.find(object, wanted)?;
        self.members.fill(object, wanted, record).map(|()| Parsed::Record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.members.repaired()
    }
}

/// Reads a line of text.
fn text<'a>(line: &'a [u8], wanted: Fields, record: &mut Record<'a>) -> Result<Parsed, Reason> {
    let read = common_log(line).map_err(|(reason, time)| {
        record.time = time;
        reason
    })?;
    record.time = read.time?;
    record.bytes_sent = match read.size {
        b"-" => None,
        size => decimal(size, 0).map_err(|_| Reason::BadNumber)?,
    };
    record.status = read.status;
    record.client_gone = read.status == Some(499);
    record.websocket = read.status == Some(101);
    let texts = |text: Option<&'a [u8]>| text.map_or(Value::Absent, Value::Text);
    fill_request(read.request, wanted, record);
    record.set(Field::RequestCreation, Value::Timestamp(record.time));
    record.set(Field::Client, texts(read.host));
    record.set(Field::User, texts(read.user));
    if wanted.any(const { Fields::of(&[Field::UserAgent, Field::Referer]) }) {
        let (referer, agent) = referer_and_agent(read.rest);
        record.set(Field::Referer, texts(referer));
        record.set(Field::UserAgent, texts(agent));
    }
    Ok(Parsed::Record)
}

/// Facts for `explain --format fastly`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Fastly,
    name: "fastly",
    doc: "Fastly log stream: text by the default format (perhaps with referer and user agent), or JSON",
    time_is: "end of the request: time_end; else the begin (time_start, timestamp; the text's time) + the client's latency, which \
              text does not have",
    lateness_s_default: 120,
    lateness_why: "batching endpoints deliver every minute or so",
    client_latency_is: "time_elapsed (microseconds), or what the site declares; text has none",
    upstream_latency_is: "what the site declares",
    client_gone_if: "status 499",
    websocket_if: "status 101",
    service_template: "{host}",
    absent_if: "null, -, empty, a missing key, a status of 0",
    skips: "none",
    rejects: "lines that are neither, that end before the size (text) or the object does, that have no status, or whose time, \
              status, or a declared number cannot be read",
    fields: &[
        (Field::Time, "time_end; time_start or timestamp + time_elapsed; the text's time"),
        (Field::Status, "response_status, status; the text's status"),
        (Field::UpstreamStatus, "upstream_status"),
        (Field::Method, "request_method; the text's request"),
        (Field::Host, "host, or a whole URL"),
        (Field::Port, "the same, after the colon"),
        (Field::Path, "url; the text's request"),
        (Field::Query, "url, after the question mark; the text's request"),
        (Field::Protocol, "request_protocol, protocol; the text's request"),
        (Field::ClientLatency, "time_elapsed, time_elapsed_msec, .."),
        (Field::UpstreamLatency, "upstream_response_time"),
        (Field::BytesReceived, "req_bytes_read, req_body_size, .."),
        (Field::BytesSent, "resp_bytes_written, response_body_size, ..; the text's size"),
        (Field::ClientGone, "status"),
        (Field::Websocket, "status"),
        (Field::RequestId, "request_id, .."),
        (Field::Client, "client_ip; the text's first column"),
        (Field::ClientPort, "the same, after the colon"),
        (Field::UserAgent, "request_user_agent; text: the second quoted one after the size"),
        (Field::TlsCipher, "tls_client_cipher"),
        (Field::TlsProtocol, "tls_client_protocol"),
        (Field::RequestCreation, "time_start or timestamp; the text's time"),
        (Field::Scheme, "scheme, or a whole URL"),
        (Field::User, "remote_user; the text's third column"),
        (Field::Referer, "request_referer; text: the first quoted one after the size"),
        (Field::ForwardedFor, "x_forwarded_for, .."),
        (Field::Upstream, "backend, origin_host"),
        (Field::UpstreamServer, "upstream_addr"),
        (Field::UpstreamLatencyList, "upstream_response_time, as written"),
        (Field::UpstreamLatencyLast, "upstream_response_time, the last value"),
        (Field::UpstreamConnect, "upstream_connect_time"),
        (Field::UpstreamHeader, "upstream_header_time"),
        (Field::CacheStatus, "response_state, fastly_info_state, .."),
        (Field::EdgeLocation, "pop, server_datacenter, .."),
        (Field::Zone, "service_id"),
        (Field::Country, "geo_country, geo_country_code"),
        (Field::GrpcStatus, "grpc_status"),
        (Field::Instance, "fastly_server, server_identity"),
        (Field::Sni, "tls_client_servername"),
        (Field::Repair, "what was repaired, if the line is no valid JSON"),
    ],
};
