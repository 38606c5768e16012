//! Lines in the W3C extended log file format of any server.
//!
//! Source of the grammar: "Extended Log File Format", W3C working draft WD-logfile-960323. Columns are named
//! by `#Fields:` lines, or by the site; a space or a tab stands between them.
//!
//! Invariant: as for IIS, a line is read only by as many columns as are named.

use crate::core::format::instant::Form;
use crate::core::format::roles::Role;
use crate::core::format::units::Unit;
use crate::core::format::w3c_lines::{Dialect, W3cLines};
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

static DIALECT: Dialect = Dialect {
    format: Format::W3c,
    separator: None,
    exact: true,
    usual: &[],
    earlier: &[],
    gone: None,
    table: &[
        ("date", Role::Day),
        ("time", Role::Clock),
        ("timestamp", Role::End(Form::Any)),
        ("sc-status", Role::Status),
        ("time-taken", Role::Duration(Field::ClientLatency, Unit::S)),
        ("cs-bytes", Role::Integer(Field::BytesReceived)),
        ("sc-bytes", Role::Integer(Field::BytesSent)),
        ("bytes", Role::Integer(Field::BytesSent)),
        ("cs-method", Role::Text(Field::Method)),
        ("cs-uri-stem", Role::Text(Field::Path)),
        ("cs-uri-path", Role::Text(Field::Path)),
        ("cs-uri", Role::Url),
        ("cs-uri-query", Role::Text(Field::Query)),
        ("cs-uri-scheme", Role::Text(Field::Scheme)),
        ("cs-host", Role::Address(Field::Host, Field::Port)),
        ("cs(Host)", Role::Address(Field::Host, Field::Port)),
        ("cs-uri-port", Role::Integer(Field::Port)),
        ("s-port", Role::Integer(Field::Port)),
        ("cs-version", Role::Text(Field::Protocol)),
        ("cs-username", Role::Text(Field::User)),
        ("c-ip", Role::Text(Field::Client)),
        ("c-port", Role::Integer(Field::ClientPort)),
        ("cs(User-Agent)", Role::Text(Field::UserAgent)),
        ("cs(Referer)", Role::Text(Field::Referer)),
        ("cs(X-Forwarded-For)", Role::Text(Field::ForwardedFor)),
        ("rs-status", Role::Integer(Field::UpstreamStatus)),
        ("cached", Role::Text(Field::CacheStatus)),
        ("sc(Content-Type)", Role::Text(Field::ContentType)),
        ("s-computername", Role::Text(Field::Instance)),
        ("s-sitename", Role::Text(Field::Zone)),
    ],
};

/// Reads lines by the last header.
#[derive(Debug)]
pub(super) struct Parser {
    lines: W3cLines,
}

impl Parser {
    /// A parser that knows the columns that are declared until it reads a header.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        Ok(Parser { lines: W3cLines::new(&DIALECT, layout, labels)? })
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
        self.lines.read(line, wanted, record)
    }
}

/// Facts for `explain --format w3c`.
pub(super) static PRESET: Preset = Preset {
    format: Format::W3c,
    name: "w3c",
    doc: "W3C extended log of any server: columns by the last #Fields line, else as declared; fields may be mapped",
    time_is: "end of the request: date and time (UTC), as the draft has it; `fields: { time: .. }` or \
              `{ request_creation: .. }` (the start: the end is client_latency later) map another column",
    lateness_s_default: 600,
    lateness_why: "such logs are mostly delivered as files",
    client_latency_is: "time-taken, seconds as the draft has it; `fields: { client_latency: { from: time-taken, unit: ms } }` \
                        says otherwise",
    upstream_latency_is: "none, unless fields map one",
    client_gone_if: "status 499, or as fields map it",
    websocket_if: "status 101, or as fields map it",
    service_template: "{host}",
    absent_if: "- or empty; a negative number; a status of 0",
    skips: "lines that begin with # and empty lines",
    rejects: "every line before a #Fields line, if no columns are declared; lines with more columns than the header names \
              (another layout) or fewer (cut); lines of a header without `date` (#Date says when a file began, not the \
              day of a line); lines whose time, status, latencies or byte counters cannot be read. \
              A partition must not mix lines of different headers",
    fields: ANY,
};

/// What may be filled by mapping: everything.
pub(super) const ANY: &[(Field, &str)] = &{
    let mut any = [(Field::Time, "the column of that name, or as mapped"); Field::ALL.len()];
    let mut i = 0;
    while i < any.len() {
        any[i].0 = Field::ALL[i];
        i += 1;
    }
    any
};
