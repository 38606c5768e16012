//! Access logs of the AWS Classic Load Balancer.
//!
//! Source of the grammar: "Access logs for your Classic Load Balancer", AWS Elastic Load Balancing
//! documentation. Lines have 12 columns (until 2015) or 15, side by side in one file.
//!
//! Invariant: a line whose first eleven columns can be read is a record, or a TCP connection and skipped.
//! The request and what follows it may be cut or broken; what cannot be read there is absent.

use crate::core::format::number::{Unreadable, count, seconds_us, status};
use crate::core::format::request::{Request, port, request, value, without_brackets};
use crate::core::format::instant::timestamp;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::scan::{ColumnRanges, Columns, Shape};
use crate::core::settings::{Format, Layout};
use crate::core::time::Time;

// Columns, counted from 0.
const TIME: usize = 0;
const LOAD_BALANCER: usize = 1;
const CLIENT: usize = 2;
const TARGET: usize = 3;
const PHASES: [usize; 3] = [4, 5, 6];
const STATUS: usize = 7;
const TARGET_STATUS: usize = 8;
const RECEIVED: usize = 9;
const SENT: usize = 10;
const REQUEST: usize = 11;
const USER_AGENT: usize = 12;
const TLS_CIPHER: usize = 13;
const TLS_PROTOCOL: usize = 14;

/// Columns that are known; more are ignored.
const COLUMNS: usize = TLS_PROTOCOL + 1;

/// Numbers bare, request and user agent quoted, cipher and protocol bare.
const SHAPE: Shape = &[(11, 2), (2, 0)];

const PARTS: Fields =
    Fields::of(&[Field::Method, Field::Host, Field::Port, Field::Path, Field::Query, Field::Protocol]);
const PHASE_FIELDS: [Field; 3] =
    [Field::RequestProcessing, Field::TargetProcessing, Field::ResponseProcessing];
const TEXTS: [(Field, usize); 5] = [
    (Field::LoadBalancer, LOAD_BALANCER),
    (Field::Target, TARGET),
    (Field::UserAgent, USER_AGENT),
    (Field::TlsCipher, TLS_CIPHER),
    (Field::TlsProtocol, TLS_PROTOCOL),
];

/// Keeps the room for a line's columns.
#[derive(Debug)]
pub(super) struct Parser {
    columns: Columns,
}

impl Parser {
    /// A parser; the site declares nothing.
    pub(super) fn new(layout: &Layout, _: &Labels) -> Result<Parser, LayoutError> {
        match layout {
            Layout::Usual => Ok(Parser { columns: Columns::new() }),
            _ => Err(LayoutError::not_taken(Format::AwsClb)),
        }
    }

    /// Reads one line; see [`super::Parser::parse`].
    #[inline]
    pub(super) fn parse<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<Parsed, Reason> {
        record.clear();
        let columns = &mut self.columns;
        columns.index(line, COLUMNS, SHAPE);
        if !columns.is_followed(line, SENT) {
            return Err(short(line, columns, record));
        }
        let start = start(columns.get(line, TIME))?;
        record.time = start;
        let bad = |_: Unreadable| Reason::BadNumber;
        let seconds = |column| seconds_us(line, columns.range(line, column)).map_err(bad);
        let phases = [seconds(PHASES[0])?, seconds(PHASES[1])?, seconds(PHASES[2])?];
        let sum = phases.iter().try_fold(0u64, |sum, phase| sum.checked_add((*phase)?));
        let end = Time(start.0.saturating_add(i64::try_from(sum.unwrap_or_default()).unwrap_or_default()));
        record.time = end;
        let status_text = columns.get(line, STATUS);
        let status_sent = status(status_text).map_err(|_| Reason::BadStatus)?;
        let received = count(line, columns.range(line, RECEIVED)).map_err(bad)?;
        let sent = count(line, columns.range(line, SENT)).map_err(bad)?;
        let tail = Tail { line, columns, len: readable(line, columns) };
        if status_text == b"-" && columns.get(line, TARGET_STATUS) == b"-" && is_connection(tail.get(REQUEST)) {
            return Ok(Parsed::Skipped);
        }
        record.status = status_sent;
        record.client_latency_us = sum;
        record.upstream_latency_us = phases[1];
        record.bytes_received = received;
        record.bytes_sent = sent;
        fill(&tail, wanted, record);
        if wanted.has(Field::RequestCreation) {
            record.set(Field::RequestCreation, Value::Timestamp(start));
        }
        for (field, phase) in PHASE_FIELDS.into_iter().zip(phases).filter(|(field, _)| wanted.has(*field)) {
            record.set(field, integer(phase));
        }
        Ok(Parsed::Record)
    }
}

/// The first column. A line of another kind begins with a word.
#[inline(always)]
fn start(text: &[u8]) -> Result<Time, Reason> {
    timestamp(text).ok_or_else(|| match text.first() {
        Some(b'0'..=b'9') => Reason::BadTime,
        _ => Reason::NotThisFormat,
    })
}

/// The request column of a TCP or TLS listener: `"- - - "`.
fn is_connection(request: &[u8]) -> bool {
    request.iter().all(|b| matches!(b, b'"' | b'-' | b' '))
}

/// Why a line without its first eleven columns is rejected.
#[cold]
#[inline(never)]
fn short(line: &[u8], columns: &Columns, record: &mut Record<'_>) -> Reason {
    if columns.is_empty() {
        return Reason::Empty;
    }
    match start(columns.get(line, TIME)) {
        Ok(time) => {
            record.time = if columns.is_followed(line, TIME) { time } else { Record::NO_TIME };
            Reason::Truncated
        }
        Err(Reason::BadTime) if !columns.is_followed(line, TIME) => Reason::Truncated,
        Err(reason) => reason,
    }
}

/// How many columns can be trusted. Where the request is not one quoted column, what follows has moved;
/// where the line ends in a column that no line ever ended with, that was cut.
#[inline(always)]
fn readable(line: &[u8], columns: &Columns) -> usize {
    let len = columns.len();
    if !matches!(columns.get(line, REQUEST), [b'"', .., b'"']) {
        return len.min(REQUEST);
    }
    let whole = len == COLUMNS || len == REQUEST + 1 || columns.is_followed(line, len - 1);
    if whole { len } else { len - 1 }
}

/// The columns that can be trusted.
struct Tail<'a, 'c> {
    line: &'a [u8],
    columns: &'c Columns,
    len: usize,
}

impl<'a> Tail<'a, '_> {
    /// The bytes of a column without its quotes, empty if it is not there.
    #[inline(always)]
    fn get(&self, column: usize) -> &'a [u8] {
        if column >= self.len {
            return &[];
        }
        match self.columns.get(self.line, column) {
            [b'"', inner @ .., b'"'] => inner,
            // A quote that nothing closes: what follows is anything.
            [b'"', ..] => &[],
            bare => bare,
        }
    }
}

#[inline(always)]
fn text(text: &[u8]) -> Value<'_> {
    value(text).map_or(Value::Absent, Value::Text)
}

#[inline(always)]
fn integer(n: Option<u64>) -> Value<'static> {
    n.map_or(Value::Absent, Value::Integer)
}

#[inline(always)]
fn fill<'a>(tail: &Tail<'a, '_>, wanted: Fields, record: &mut Record<'a>) {
    if wanted.any(PARTS) {
        let part = |part: Option<&'a [u8]>| part.map_or(Value::Absent, Value::Text);
        let Request { method, host, port, path, query, protocol } = request(tail.get(REQUEST));
        record.set(Field::Method, part(method));
        record.set(Field::Host, part(host));
        record.set(Field::Port, integer(port.map(u64::from)));
        record.set(Field::Path, part(path));
        record.set(Field::Query, part(query));
        record.set(Field::Protocol, part(protocol));
    }
    for (field, column) in TEXTS.into_iter().filter(|(field, _)| wanted.has(*field)) {
        record.set(field, text(tail.get(column)));
    }
    if wanted.has(Field::Client) || wanted.has(Field::ClientPort) {
        let (address, port) = port(tail.get(CLIENT));
        record.set(Field::Client, text(without_brackets(address)));
        record.set(Field::ClientPort, integer(port.map(u64::from)));
    }
    if wanted.has(Field::UpstreamStatus) {
        let status = status(tail.get(TARGET_STATUS)).ok().flatten();
        record.set(Field::UpstreamStatus, integer(status.map(u64::from)));
    }
}

/// Facts for `explain --format aws_clb`.
pub(super) static PRESET: Preset = Preset {
    format: Format::AwsClb,
    name: "aws_clb",
    doc: "AWS Classic Load Balancer access log, 12 columns (until 2015) or 15",
    time_is: "end of the request: column 1, when the load balancer received it, plus the three processing times; \
              column 1 alone where one of them is -1",
    lateness_s_default: 600,
    lateness_why: "a load balancer writes files every 5 (or 60) minutes, and delivery is eventually consistent",
    client_latency_is: "the sum of the three processing times, if none is -1",
    upstream_latency_is: "backend_processing_time",
    client_gone_if: "never: the log does not tell",
    websocket_if: "never: they pass through TCP listeners",
    service_template: "{load_balancer}",
    absent_if: "-, -1 (and any negative number) or empty; a status of 0 or 000",
    skips: "connections of TCP and SSL listeners: both statuses and all parts of the request are -",
    rejects: "lines that do not begin with a time (Application and Network Load Balancers), that end before the byte \
              counters, or whose status, processing times or byte counters cannot be read; a request that is cut or \
              broken does not reject the line",
    fields: &[
        (Field::Time, "time + the three processing times"),
        (Field::Status, "elb_status_code"),
        (Field::UpstreamStatus, "backend_status_code"),
        (Field::Method, "request, up to the first space"),
        (Field::Host, "request, the URL's host, IPv6 addresses without brackets"),
        (Field::Port, "request, the URL's port"),
        (Field::Path, "request, the URL's path, escapes as they stand"),
        (Field::Query, "request, the URL's query, escapes as they stand"),
        (Field::Protocol, "request, after the last space"),
        (Field::ClientLatency, "request_ + backend_ + response_processing_time"),
        (Field::UpstreamLatency, "backend_processing_time"),
        (Field::BytesReceived, "received_bytes"),
        (Field::BytesSent, "sent_bytes"),
        (Field::LoadBalancer, "elb"),
        (Field::Client, "client:port, up to the last colon"),
        (Field::ClientPort, "client:port, after the last colon"),
        (Field::Target, "backend:port"),
        (Field::RequestProcessing, "request_processing_time"),
        (Field::TargetProcessing, "backend_processing_time"),
        (Field::ResponseProcessing, "response_processing_time"),
        (Field::UserAgent, "user_agent"),
        (Field::TlsCipher, "ssl_cipher"),
        (Field::TlsProtocol, "ssl_protocol"),
        (Field::RequestCreation, "time"),
    ],
};
