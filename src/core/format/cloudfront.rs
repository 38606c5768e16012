//! Access logs of Amazon CloudFront: standard logs (with their `#Fields:` line, or without it by position),
//! JSON lines of standard logging v2, and real-time logs with the declared columns.
//!
//! Source of the grammar: "Standard logging reference" and "Use real-time access logs", Amazon CloudFront
//! documentation. Columns of standard logs were only ever appended: 12 (2012) to 33 (2019).
//!
//! Invariant: with neither header nor declaration a line is read by the order of the standard log, so far
//! as it goes; what lies behind the columns that are known is ignored.

mod json;

use crate::core::format::instant::Form;
use crate::core::format::roles::{Plan, Role};
use crate::core::format::units::Unit;
use crate::core::format::w3c_lines::{Dialect, W3cLines};
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};
use json::JsonCells;

/// The columns of a standard log in their order.
const STANDARD: &[&str] = &[
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "fle-status",
    "fle-encrypted-fields",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
];

/// How many of them lines had in earlier years.
const EARLIER: &[usize] = &[12, 15, 18, 19, 23, 24, 26];

macro_rules! table {
    ($host:literal, $distribution:literal) => {
        &[
            ("timestamp(ms)", Role::End(Form::Epoch(Unit::Ms))),
            ("timestamp", Role::End(Form::Any)),
            ("date", Role::Day),
            ("time", Role::Clock),
            ("sc-status", Role::Status),
            ("time-taken", Role::Duration(Field::ClientLatency, Unit::S)),
            ("origin-lbl", Role::Duration(Field::UpstreamLatency, Unit::S)),
            ("origin-fbl", Role::Duration(Field::UpstreamHeader, Unit::S)),
            ("time-to-first-byte", Role::Duration(Field::FirstByte, Unit::S)),
            ("cs-bytes", Role::Integer(Field::BytesReceived)),
            ("sc-bytes", Role::Integer(Field::BytesSent)),
            ("cs-method", Role::Text(Field::Method)),
            ($host, Role::Address(Field::Host, Field::Port)),
            ("cs-uri-stem", Role::Url),
            ("cs-uri-query", Role::Text(Field::Query)),
            ("cs-protocol-version", Role::Text(Field::Protocol)),
            ("cs-protocol", Role::Text(Field::Scheme)),
            ("x-edge-request-id", Role::Text(Field::RequestId)),
            ("c-ip", Role::Text(Field::Client)),
            ("c-port", Role::Integer(Field::ClientPort)),
            ("cs(User-Agent)", Role::PercentText(Field::UserAgent)),
            ("cs-user-agent", Role::PercentText(Field::UserAgent)),
            ("ssl-cipher", Role::Text(Field::TlsCipher)),
            ("ssl-protocol", Role::Text(Field::TlsProtocol)),
            ("cs(Referer)", Role::Text(Field::Referer)),
            ("cs-referer", Role::Text(Field::Referer)),
            ("x-forwarded-for", Role::PercentText(Field::ForwardedFor)),
            ("x-edge-result-type", Role::Text(Field::CacheStatus)),
            ("x-edge-detailed-result-type", Role::Text(Field::Termination)),
            ("x-edge-response-result-type", Role::Text(Field::Termination)),
            ("x-edge-location", Role::Text(Field::EdgeLocation)),
            ("DistributionId", Role::Text(Field::Zone)),
            ("primary-distribution-id", Role::Text(Field::Zone)),
            ($distribution, Role::Text(Field::Zone)),
            ("cache-behavior-path-pattern", Role::Text(Field::RouteName)),
            ("c-country", Role::Text(Field::Country)),
            ("sc-content-type", Role::Text(Field::ContentType)),
        ]
    };
}

/// Standard logs have the distribution in `cs(Host)` and what the viewer asked for in `x-host-header`.
static STANDARD_LOG: Dialect = Dialect {
    format: Format::Cloudfront,
    separator: Some(b'\t'),
    exact: false,
    usual: STANDARD,
    earlier: EARLIER,
    gone: None,
    table: table!("x-host-header", "cs(Host)"),
};

/// Real-time logs have them the other way round.
static REAL_TIME_LOG: Dialect = Dialect {
    format: Format::Cloudfront,
    separator: Some(b'\t'),
    exact: false,
    usual: STANDARD,
    earlier: EARLIER,
    gone: None,
    table: table!("cs-host", "x-host-header"),
};

/// What the client's leaving is told by.
const TOLD_BY: Fields = Fields::of(&[Field::CacheStatus, Field::Termination, Field::Scheme]);

/// Reads lines by the last header.
#[derive(Debug)]
pub(super) struct Parser {
    lines: W3cLines,
    json: JsonCells,
    json_plan: Plan,
}

impl Parser {
    /// A parser that knows the columns that are declared, else the standard ones, until it reads a header.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        let columns: &[String] = match layout {
            Layout::Columns(columns) | Layout::Mapped { columns, .. } => columns,
            _ => &[],
        };
        let real_time = columns.iter().any(|name| name == "cs-host");
        let dialect = if real_time { &REAL_TIME_LOG } else { &STANDARD_LOG };
        let lines = W3cLines::new(dialect, layout, labels)?;
        let mut keys: Vec<&str> = dialect.table.iter().map(|(name, _)| *name).collect();
        let more = labels.iter().map(|(name, _)| name).chain(lines.sources());
        for name in more {
            if !keys.contains(&name) {
                keys.push(name);
            }
        }
        let json_plan = lines.plan_of(keys.iter().map(|name| name.as_bytes()));
        let json = JsonCells::new(&keys);
        Ok(Parser { lines, json, json_plan })
    }

    /// The header in force.
    pub(super) fn carry(&self) -> Option<&[u8]> {
        self.lines.carry()
    }

    /// Takes a header that was in force.
    pub(super) fn restore(&mut self, carry: &[u8]) {
        self.lines.restore(carry);
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
        let lines = &mut self.lines;
        match line.first() {
            None => return Err(Reason::Empty),
            Some(b'#') => {
                lines.directive(line);
                return Ok(Parsed::Skipped);
            }
            Some(b'{') => {
                let (plan, wanted) = (&mut self.json_plan, wanted.union(TOLD_BY));
                let (text, cells) = self.json.find(line, wanted, |cell| plan.is_read(cell, wanted))?;
                plan.read(text, cells, wanted, record)?;
            }
            Some(_) => {
                if !lines.plan.fills().has(Field::Status) {
                    // A header of another kind of log: of streams (RTMP).
                    return Ok(Parsed::Skipped);
                }
                lines.split(line)?;
                lines.plan.read(line, &lines.cells, wanted.union(TOLD_BY), record)?;
            }
        }
        flags(wanted, record);
        Ok(Parsed::Record)
    }
}

/// What the result types and the protocol say; they are left in the record only where they are wanted.
#[inline]
fn flags(wanted: Fields, record: &mut Record<'_>) {
    let is = |field, text: &[u8]| record.text(field) == Some(text);
    let midway = matches!(record.status, Some(200..=299)) && is(Field::CacheStatus, b"Error");
    let gone = record.status.is_none() || midway || is(Field::Termination, b"ClientCommError");
    let websocket = is(Field::Scheme, b"ws") || is(Field::Scheme, b"wss") || record.status == Some(101);
    record.client_gone |= gone;
    record.websocket |= websocket;
    if !wanted.has(Field::CacheStatus) {
        record.set(Field::CacheStatus, Value::Absent);
    }
    if !wanted.has(Field::Termination) {
        record.set(Field::Termination, Value::Absent);
    }
    if !wanted.has(Field::Scheme) {
        record.set(Field::Scheme, Value::Absent);
    }
}

/// Facts for `explain --format cloudfront`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Cloudfront,
    name: "cloudfront",
    doc: "Amazon CloudFront: standard logs (tabs, 12 to 33 columns and more, by #Fields or position), v2 JSON lines, \
          real-time logs with declared columns",
    time_is: "end of the request, when the edge had answered: date and time (UTC, whole seconds), or timestamp",
    lateness_s_default: 3600,
    lateness_why: "standard logs come within an hour as a rule (up to 24 hours late); real-time logs and v2 to a stream need a minute",
    client_latency_is: "time-taken",
    upstream_latency_is: "origin-lbl, the last byte from the origin, where the log has it",
    client_gone_if: "status 000: the viewer left before the answer; x-edge-result-type Error with a 2xx status, or \
                     ClientCommError: it left midway",
    websocket_if: "cs-protocol is ws or wss, or the status is 101",
    service_template: "{host}",
    absent_if: "- or empty; a status of 0 or 000",
    skips: "lines that begin with #, and all lines under a header without sc-status (RTMP)",
    rejects: "lines without tabs, that end before the status, or whose time, status, time-taken or byte counters cannot be read; \
              JSON lines that are broken. Real-time logs are sampled: counts are those of the sample. \
              A partition must not mix lines of different headers",
    fields: &[
        (Field::Time, "date and time, or timestamp, or timestamp(ms)"),
        (Field::Status, "sc-status"),
        (Field::Method, "cs-method"),
        (Field::Host, "x-host-header (real-time: cs-host), without the port"),
        (Field::Port, "x-host-header (real-time: cs-host), the port if it has one"),
        (Field::Path, "cs-uri-stem, escapes as they stand"),
        (Field::Query, "cs-uri-query, escapes as they stand"),
        (Field::Protocol, "cs-protocol-version"),
        (Field::ClientLatency, "time-taken"),
        (Field::UpstreamLatency, "origin-lbl"),
        (Field::BytesReceived, "cs-bytes"),
        (Field::BytesSent, "sc-bytes"),
        (Field::ClientGone, "sc-status, x-edge-result-type, x-edge-detailed-result-type"),
        (Field::Websocket, "cs-protocol, sc-status"),
        (Field::RequestId, "x-edge-request-id"),
        (Field::Client, "c-ip"),
        (Field::ClientPort, "c-port"),
        (Field::UserAgent, "cs(User-Agent), decoded"),
        (Field::TlsCipher, "ssl-cipher"),
        (Field::TlsProtocol, "ssl-protocol"),
        (Field::Scheme, "cs-protocol"),
        (Field::Referer, "cs(Referer), escapes as they stand"),
        (Field::ForwardedFor, "x-forwarded-for, decoded"),
        (Field::UpstreamLatencyList, "origin-lbl, as written"),
        (Field::UpstreamLatencyLast, "origin-lbl"),
        (Field::UpstreamHeader, "origin-fbl"),
        (Field::FirstByte, "time-to-first-byte"),
        (Field::RouteName, "cache-behavior-path-pattern"),
        (Field::CacheStatus, "x-edge-result-type"),
        (Field::Termination, "x-edge-detailed-result-type, else x-edge-response-result-type"),
        (Field::EdgeLocation, "x-edge-location"),
        (Field::Zone, "DistributionId, else the distribution's domain: cs(Host) (real-time: x-host-header)"),
        (Field::Country, "c-country"),
        (Field::ContentType, "sc-content-type"),
    ],
};
