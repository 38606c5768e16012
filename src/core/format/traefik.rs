//! Traefik access logs: text (`common`, `genericCLF`) and JSON, told apart by the first byte of each line.
//!
//! Source of the grammar: "Logs and Access Logs" of the Traefik documentation; the formatters of its
//! `middlewares/accesslog`.
//!
//! Invariant: the text's tail is read from its end, since quotes in referer and user agent stand bare in
//! versions before 3.5.

use crate::core::format::common_log::{common_log, referer_and_agent};
use crate::core::format::instant::Form;
use crate::core::format::members::{As, Facts, Member, Members};
use crate::core::format::reading::fill_request;
use crate::core::format::request::value;
use crate::core::format::units::{Unit, decimal};
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};
use crate::core::time::Time;
use memchr::{memmem, memrchr};

const NS: As = As::Duration(Some(Unit::Ns));

const MEMBERS: &[Member] = &[
    (Field::RequestCreation, As::Start(Form::Any), &["StartUTC", "StartLocal"]),
    (Field::Time, As::Time(Form::Any), &["time"]),
    (Field::Status, As::Status, &["DownstreamStatus"]),
    (Field::UpstreamStatus, As::Statuses, &["OriginStatus"]),
    (Field::ClientLatency, NS, &["Duration"]),
    (Field::UpstreamLatency, NS, &["OriginDuration"]),
    (Field::BytesReceived, As::Count, &["RequestContentSize"]),
    (Field::BytesSent, As::Count, &["DownstreamContentSize"]),
    (Field::Method, As::Text, &["RequestMethod"]),
    (Field::Host, As::Authority, &["RequestAddr", "RequestHost"]),
    (Field::Port, As::Count, &["RequestPort"]),
    (Field::Path, As::Uri, &["RequestPath"]),
    (Field::Protocol, As::Text, &["RequestProtocol"]),
    (Field::RequestId, As::Text, &["request_X-Request-Id", "TraceId"]),
    (Field::Client, As::Address, &["ClientHost", "ClientAddr"]),
    (Field::ClientPort, As::Count, &["ClientPort"]),
    (Field::UserAgent, As::Text, &["request_User-Agent"]),
    (Field::TlsCipher, As::Text, &["TLSCipher"]),
    (Field::TlsProtocol, As::Text, &["TLSVersion"]),
    (Field::Scheme, As::Text, &["RequestScheme"]),
    (Field::User, As::Text, &["ClientUsername"]),
    (Field::Referer, As::Text, &["request_Referer"]),
    (Field::ForwardedFor, As::Text, &["request_X-Forwarded-For"]),
    (Field::Upstream, As::Text, &["ServiceName"]),
    (Field::UpstreamServer, As::Text, &["ServiceURL", "ServiceURL.Host", "ServiceAddr"]),
    (Field::Frontend, As::Text, &["entryPointName"]),
    (Field::RouteName, As::Text, &["RouterName"]),
    (Field::ContentType, As::Text, &["downstream_Content-Type"]),
    (Field::Retries, As::Count, &["RetryAttempts"]),
];

// The further paths.
const STATUS: usize = 0;
const METHOD: usize = 1;
const DURATION: usize = 2;
const LEVEL: usize = 3;
const MESSAGE: usize = 4;

const FACTS: Facts = Facts {
    format: Format::Traefik,
    members: &[MEMBERS],
    unit: Some(Unit::Ns),
    from_start: true,
    no_status: true,
    others: &["DownstreamStatus", "RequestMethod", "Duration", "level", "msg", "message"],
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
        if line.first() != Some(&b'{') {
            return text(line, wanted, record);
        }
        self.members.find(line, wanted)?;
        let members = &self.members;
        if [STATUS, METHOD, DURATION].iter().all(|path| members.raw(line, *path).is_none()) {
            // Traefik's own log, which may share the stream.
            let own = [LEVEL, MESSAGE, MESSAGE + 1].iter().any(|path| members.raw(line, *path).is_some());
            return if own { Ok(Parsed::Skipped) } else { Err(Reason::NotThisFormat) };
        }
        members.fill(line, wanted, record)?;
        record.client_gone |= record.status.is_none();
        Ok(Parsed::Record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.members.repaired()
    }
}

/// Reads a line of text.
#[inline]
fn text<'a>(line: &'a [u8], wanted: Fields, record: &mut Record<'a>) -> Result<Parsed, Reason> {
    let read = match common_log(line) {
        Ok(read) => read,
        Err((Reason::NotThisFormat, _)) if is_own(line) => return Ok(Parsed::Skipped),
        Err((reason, time)) => {
            record.time = time;
            return Err(reason);
        }
    };
    let start = read.time?;
    let refuse = |record: &mut Record<'a>, reason| {
        record.time = start;
        Err(reason)
    };
    let Some(tail) = tail(read.rest) else { return refuse(record, Reason::BadNumber) };
    let size = match read.size {
        b"-" => Ok(None),
        size => decimal(size, 0),
    };
    let Ok(size) = size else { return refuse(record, Reason::BadNumber) };
    let duration = tail.duration_us.and_then(|us| i64::try_from(us).ok()).unwrap_or(0);
    record.time = Time(start.0.saturating_add(duration));
    record.status = read.status;
    record.client_latency_us = tail.duration_us;
    record.bytes_sent = size;
    record.client_gone = matches!(read.status, None | Some(499));
    record.websocket = read.status == Some(101);
    let texts = |text: Option<&'a [u8]>| text.map_or(Value::Absent, Value::Text);
    fill_request(read.request, wanted, record);
    record.set(Field::Client, texts(read.host));
    record.set(Field::User, texts(read.user));
    record.set(Field::RequestCreation, Value::Timestamp(start));
    record.set(Field::UpstreamServer, texts(tail.server));
    record.set(Field::RouteName, texts(tail.router));
    if wanted.any(const { Fields::of(&[Field::UserAgent, Field::Referer]) }) {
        let (referer, agent) = referer_and_agent(tail.rest);
        record.set(Field::Referer, texts(referer));
        record.set(Field::UserAgent, texts(agent));
    }
    Ok(Parsed::Record)
}

/// What follows the size: ` "referer" "ua" <count> "<router>" "<server>" <n>ms`.
#[derive(Default)]
struct Tail<'a> {
    rest: &'a [u8],
    router: Option<&'a [u8]>,
    server: Option<&'a [u8]>,
    duration_us: Option<u64>,
}

/// Takes the tail apart from its end. Without a duration there (`genericCLF`) all of it is the rest. None if
/// the duration is no number.
#[inline]
fn tail(text: &[u8]) -> Option<Tail<'_>> {
    let text = text.trim_ascii_end();
    let Some(text) = text.strip_suffix(b"ms") else { return Some(Tail { rest: text, ..Tail::default() }) };
    let space = memrchr(b' ', text)?;
    let duration_us = decimal(&text[space + 1..], 3).ok()?;
    let quoted = |text: &'_ [u8]| -> Option<(usize, usize)> {
        let close = text.len().checked_sub(1).filter(|at| text[*at] == b'"')?;
        memrchr(b'"', &text[..close]).map(|open| (open, close))
    };
    let mut rest = text[..space].trim_ascii_end();
    let mut names = [None; 2];
    for name in &mut names {
        let Some((open, close)) = quoted(rest) else { break };
        *name = value(&rest[open + 1..close]);
        rest = rest[..open].trim_ascii_end();
    }
    let count = rest.iter().rev().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
    let rest = rest[..rest.len() - count].trim_ascii_end();
    Some(Tail { rest, router: names[1], server: names[0], duration_us })
}

/// Whether the line is of Traefik's own log, which may share the stream: `time="2024-..." level=info msg=..`, or
/// `2024-11-24T13:38:04Z INF ..`.
fn is_own(line: &[u8]) -> bool {
    let is_dated = line.len() > 20 && line[4] == b'-' && line[7] == b'-' && line[10] == b'T';
    let words: [&[u8]; 7] = [b" TRC ", b" DBG ", b" INF ", b" WRN ", b" ERR ", b" FTL ", b" PNC "];
    line.starts_with(b"time=\"") && memmem::find(line, b" level=").is_some()
        || is_dated && words.iter().any(|word| memmem::find(&line[..line.len().min(48)], word).is_some())
}

/// Facts for `explain --format traefik`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Traefik,
    name: "traefik",
    doc: "Traefik access log, text (common, genericCLF) or JSON, line by line",
    time_is: "end of the request: its begin (StartUTC; the text's time) + duration; JSON without a begin: time",
    lateness_s_default: 60,
    lateness_why: "lines may be buffered (bufferingSize), and shippers flush every few seconds",
    client_latency_is: "Duration (nanoseconds); the text's last column (whole milliseconds)",
    upstream_latency_is: "OriginDuration (nanoseconds); text has none",
    client_gone_if: "no status (-, 0 or absent), or status 499",
    websocket_if: "status 101",
    service_template: "{upstream}",
    absent_if: "null, -, empty, a missing key, a status of 0",
    skips: "lines of Traefik's own log",
    rejects: "lines that are neither, that end before the size (text) or the object does, or whose time, status, duration \
              or size cannot be read",
    fields: &[
        (Field::Time, "StartUTC + Duration"),
        (Field::Status, "DownstreamStatus"),
        (Field::UpstreamStatus, "OriginStatus"),
        (Field::Method, "RequestMethod; text: the request's"),
        (Field::Host, "RequestAddr or RequestHost"),
        (Field::Port, "RequestAddr after the colon, or RequestPort"),
        (Field::Path, "RequestPath; text: the request's"),
        (Field::Query, "RequestPath, after the question mark; text: the request's"),
        (Field::Protocol, "RequestProtocol; text: the request's"),
        (Field::ClientLatency, "Duration; text: the last column"),
        (Field::UpstreamLatency, "OriginDuration"),
        (Field::BytesReceived, "RequestContentSize"),
        (Field::BytesSent, "DownstreamContentSize; text: size"),
        (Field::ClientGone, "DownstreamStatus"),
        (Field::Websocket, "DownstreamStatus"),
        (Field::RequestId, "request_X-Request-Id, TraceId"),
        (Field::Client, "ClientHost; text: the first column"),
        (Field::ClientPort, "ClientPort, or ClientAddr after the colon"),
        (Field::UserAgent, "request_User-Agent; text: the second quoted one after the size"),
        (Field::TlsCipher, "TLSCipher"),
        (Field::TlsProtocol, "TLSVersion"),
        (Field::RequestCreation, "StartUTC; text: the time"),
        (Field::Scheme, "RequestScheme"),
        (Field::User, "ClientUsername; text: the third column"),
        (Field::Referer, "request_Referer; text: the first quoted one after the size"),
        (Field::ForwardedFor, "request_X-Forwarded-For"),
        (Field::Upstream, "ServiceName"),
        (Field::UpstreamServer, "ServiceURL, its Host, or ServiceAddr; text: the last quoted column"),
        (Field::Frontend, "entryPointName"),
        (Field::RouteName, "RouterName; text: the quoted column after the count"),
        (Field::ContentType, "downstream_Content-Type"),
        (Field::Retries, "RetryAttempts"),
        (Field::Repair, "what was repaired, if the line is no valid JSON"),
    ],
};
