//! Access logs of Microsoft IIS in the W3C extended format.
//!
//! Sources of the grammar: the W3C draft, and Microsoft's "W3C Logging" for http.sys. That says no more of
//! `time` than that the request occurred then; lines show that it is when the response had been sent, from which
//! `time-taken` counts back. A site picks its columns; `#Fields:` lines name them and come again in the middle of a
//! file whenever they change.
//!
//! Invariant: a line is read only by the columns that are known to be its own: as many as the header, or
//! the declaration, names. What has more or fewer belongs to another layout and would be misread.

use crate::core::format::instant::Form;
use crate::core::format::roles::Role;
use crate::core::format::units::Unit;
use crate::core::format::w3c_lines::{Dialect, W3cLines};
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

static DIALECT: Dialect = Dialect {
    format: Format::Iis,
    separator: Some(b' '),
    exact: true,
    usual: &[],
    earlier: &[],
    gone: Some((Role::Integer(Field::SystemStatus), NAME_DELETED)),
    table: &[
        ("date", Role::Day),
        ("time", Role::Clock),
        ("EndRequest-UTC", Role::End(Form::Rfc3339)),
        ("sc-status", Role::Status),
        ("time-taken", Role::Duration(Field::ClientLatency, Unit::Ms)),
        ("TimeTakenMS", Role::Duration(Field::ClientLatency, Unit::Ms)),
        ("cs-bytes", Role::Integer(Field::BytesReceived)),
        ("sc-bytes", Role::Integer(Field::BytesSent)),
        ("cs-method", Role::Text(Field::Method)),
        ("cs-uri-stem", Role::Text(Field::Path)),
        ("cs-uri-query", Role::Text(Field::Query)),
        ("cs-host", Role::Address(Field::Host, Field::Port)),
        ("cs(Host)", Role::Address(Field::Host, Field::Port)),
        ("s-port", Role::Integer(Field::Port)),
        ("cs-version", Role::Text(Field::Protocol)),
        ("cs-username", Role::Text(Field::User)),
        ("c-ip", Role::Text(Field::Client)),
        ("c-port", Role::Integer(Field::ClientPort)),
        ("cs(User-Agent)", Role::PlusText(Field::UserAgent)),
        ("cs(Referer)", Role::Text(Field::Referer)),
        ("X-Forwarded-For", Role::PlusText(Field::ForwardedFor)),
        ("cs(X-Forwarded-For)", Role::PlusText(Field::ForwardedFor)),
        ("sc-substatus", Role::Integer(Field::Substatus)),
        ("sc-win32-status", Role::Integer(Field::SystemStatus)),
        ("s-sitename", Role::Text(Field::Zone)),
        ("s-computername", Role::Text(Field::Instance)),
        ("crypt-protocol", Role::Text(Field::TlsProtocol)),
        ("crypt-cipher", Role::Text(Field::TlsCipher)),
    ],
};

/// ERROR_NETNAME_DELETED: the connection was gone when the response was to be sent, or acknowledged.
const NAME_DELETED: &[u8] = b"64";

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

/// Facts for `explain --format iis`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Iis,
    name: "iis",
    doc: "Microsoft IIS, W3C extended log: columns by the last #Fields line, else as declared",
    time_is: "end of the request: date and time (UTC), whole seconds; EndRequest-UTC of Advanced Logging",
    lateness_s_default: 120,
    lateness_why: "http.sys writes its log in blocks, at least once a minute",
    client_latency_is: "time-taken (TimeTakenMS), milliseconds",
    upstream_latency_is: "none, unless fields map one",
    client_gone_if: "sc-win32-status is 64: the connection was gone when the response was sent or acknowledged",
    websocket_if: "status 101",
    service_template: "{zone}",
    absent_if: "- or empty; a negative number; a status of 0",
    skips: "lines that begin with # and empty lines",
    rejects: "every line before a #Fields line, if no columns are declared; lines with more columns than the header names \
              (another layout) or fewer (cut); lines of a header without `date` (#Date says when a file began, not the \
              day of a line); lines whose time, status, time-taken or byte counters cannot be read. \
              A partition must not mix lines of different headers",
    fields: &[
        (Field::Time, "date and time"),
        (Field::Status, "sc-status"),
        (Field::Method, "cs-method"),
        (Field::Host, "cs-host or cs(Host), without the port"),
        (Field::Port, "the port of cs-host, else s-port"),
        (Field::Path, "cs-uri-stem, as it stands"),
        (Field::Query, "cs-uri-query, as it stands"),
        (Field::Protocol, "cs-version"),
        (Field::ClientLatency, "time-taken"),
        (Field::BytesReceived, "cs-bytes"),
        (Field::BytesSent, "sc-bytes"),
        (Field::ClientGone, "sc-win32-status"),
        (Field::Websocket, "sc-status"),
        (Field::Client, "c-ip"),
        (Field::ClientPort, "c-port"),
        (Field::UserAgent, "cs(User-Agent), + as a space"),
        (Field::TlsCipher, "crypt-cipher"),
        (Field::TlsProtocol, "crypt-protocol"),
        (Field::User, "cs-username"),
        (Field::Referer, "cs(Referer)"),
        (Field::ForwardedFor, "X-Forwarded-For, + as a space"),
        (Field::Zone, "s-sitename"),
        (Field::Substatus, "sc-substatus"),
        (Field::SystemStatus, "sc-win32-status"),
        (Field::Instance, "s-computername"),
    ],
};
