//! HTTP logs of HAProxy: `option httplog`, `httpslog`, `httplog clf`, or the site's own `log-format`; with or
//! without the tag that syslog puts before (`haproxy[14389]: `).
//!
//! Source of the grammar: HAProxy's configuration manual, section 8 "Logging". Requests come last, with `"`
//! and what is not printable written as `#XX`, and may be cut by syslog's limit.
//!
//! Invariant: a line whose timers, status and bytes can be read is a record, whatever became of its request.
//! What the same program prints besides (TCP connections, handshake errors, servers going up) is skipped.

use crate::core::format::instant::offset_us;
use crate::core::format::haproxy_layout::{self, CLF, HTTPLOG};
use crate::core::format::pattern::Pattern;
use crate::core::format::reading::{Written, Reading, Seen};
use crate::core::format::request::value;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout, Mapping};
use crate::core::time::Time;
use crate::core::scan::first_of;
use memchr::memmem;

/// Reads lines as HAProxy writes them, or as the site says.
#[derive(Debug)]
pub(super) struct Parser {
    layouts: Layouts,
    /// How far a time without a zone is east of UTC.
    zone_us: i64,
}

#[derive(Debug)]
enum Layouts {
    Usual { httplog: Pattern, clf: Pattern },
    Declared { pattern: Pattern, without_zone: bool },
}

impl Parser {
    /// A parser of the usual lines, in UTC or in the zone that the site declares, or of those of the site's
    /// `log-format`.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        let zone_us = match layout {
            Layout::Mapped { pattern: None, separator: None, columns, fields } if columns.is_empty() => {
                zone_us(fields)?
            }
            Layout::Usual | Layout::Text(_) => 0,
            _ => return Err(LayoutError::not_taken(Format::Haproxy)),
        };
        let layouts = match layout {
            Layout::Text(text) => {
                let pattern = haproxy_layout::compile(text, labels)?;
                let without_zone = pattern.has(|r| matches!(r, Reading::Time(Written::ClfDecimals, _)));
                Layouts::Declared { pattern, without_zone }
            }
            _ => Layouts::Usual {
                httplog: haproxy_layout::compile(HTTPLOG, labels)?.needing(is_needed),
                clf: haproxy_layout::compile(CLF, labels)?.needing(is_needed),
            },
        };
        Ok(Parser { layouts, zone_us })
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
        let message = without_tag(line);
        let (read, without_zone) = match &mut self.layouts {
            Layouts::Declared { pattern, without_zone } => {
                (pattern.read(message, wanted, record), *without_zone)
            }
            Layouts::Usual { clf, .. } if is_clf(message) => (clf.read(message, wanted, record), false),
            Layouts::Usual { httplog, .. } => {
                let read = httplog.read(message, wanted, record);
                if let Ok(seen) = &read {
                    fill_tls(message, seen, wanted, record);
                }
                (read, true)
            }
        };
        if without_zone && record.time != Record::NO_TIME {
            record.time = Time(record.time.0 - self.zone_us);
        }
        match read {
            Ok(seen) => {
                record.client_gone = matches!(seen.termination.first(), Some(b'C' | b'c'));
                record.websocket = record.status == Some(101);
                Ok(Parsed::Record)
            }
            Err(reason) => {
                let tagged = message.len() < line.len();
                if is_no_request(message, tagged) { Ok(Parsed::Skipped) } else { Err(reason) }
            }
        }
    }
}

/// What a line of the usual layouts must have.
fn is_needed(reading: &Reading) -> bool {
    matches!(reading, Reading::Latency(..) | Reading::Count(Field::BytesSent))
}

/// The zone that the site declares: `{ fields: { time: { unit: "+02:00" } } }`.
fn zone_us(fields: &[Mapping]) -> Result<i64, LayoutError> {
    let fail = |item: usize, message: &str| LayoutError {
        message: message.to_string(),
        hint: Some("declare { fields: { time: { unit: \"+02:00\" } } }, or log %trg or %trl, which have a zone".into()),
        item,
        span: 0..0,
    };
    let mut zone = 0;
    for (item, field) in fields.iter().enumerate() {
        if field.name != Field::Time.name() {
            return Err(fail(item, "of haproxy's lines only the zone of the time can be declared"));
        }
        let unit = field.unit.as_deref().unwrap_or("Z");
        zone = offset_us(unit.as_bytes())
            .ok_or_else(|| fail(item, "the unit of haproxy's time is its zone, as hours and minutes east of UTC"))?;
    }
    Ok(zone)
}

/// The message behind `Feb  6 12:14:14 localhost haproxy[14389]: `.
#[inline(always)]
fn without_tag(line: &[u8]) -> &[u8] {
    let Some(open) = first_of(line, 0, *b"[") else { return line };
    let pid = line[open + 1..].iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let rest = &line[open + 1 + pid..];
    if pid > 0 { rest.strip_prefix(b"]: ").unwrap_or(line) } else { line }
}

/// Whether the line begins like one of `option httplog clf`: an address, and ` - - [` where others have `:port [`.
#[inline(always)]
fn is_clf(message: &[u8]) -> bool {
    let space = first_of(message, 0, *b" ");
    space.is_some_and(|space| matches!(message[space..], [_, b'-', b' ', b'-', b' ', b'[', ..]))
}

/// What `option httpslog` has behind the request: `0/0/0/0/0 1wt.eu/TLSv1.3/TLS_AES_256_GCM_SHA384`.
#[inline(always)]
fn fill_tls<'a>(message: &'a [u8], seen: &Seen<'a>, wanted: Fields, record: &mut Record<'a>) {
    const TLS: Fields = Fields::of(&[Field::Sni, Field::TlsProtocol, Field::TlsCipher]);
    if seen.end_at >= message.len() || !wanted.any(TLS) {
        return;
    }
    let mut words = message[seen.end_at..].split(|b| *b == b' ').filter(|word| !word.is_empty());
    let (Some(errors), Some(tls)) = (words.next(), words.next()) else { return };
    if errors.iter().filter(|b| **b == b'/').count() != 4 {
        return;
    }
    let mut parts = tls.split(|b| *b == b'/');
    for field in [Field::Sni, Field::TlsProtocol, Field::TlsCipher] {
        if let Some(text) = parts.next().and_then(value)
            && wanted.has(field)
        {
            record.set(field, Value::Text(text));
        }
    }
}

/// Whether a line that could not be read is none of a request: a TCP connection has three timers, an error
/// names its listener and a colon, and everything else has neither address nor date. Such lines are known by
/// syslog's tag, or by their first word.
#[cold]
fn is_no_request(message: &[u8], tagged: bool) -> bool {
    const FIRST_WORDS: [&[u8]; 12] = [
        b"Proxy ", b"Server ", b"Backup Server ", b"Health check ", b"Connect from ", b"Stopping ", b"Pausing ",
        b"backend ", b"Proxies ", b"[NOTICE]", b"[WARNING]", b"[ALERT]",
    ];
    let Some(date) = memmem::find(message, b" [") else {
        return tagged && !message.is_empty() || FIRST_WORDS.iter().any(|word| message.starts_with(word));
    };
    let Some(close) = memmem::find(&message[date..], b"] ") else {
        return FIRST_WORDS.iter().any(|word| message.starts_with(word));
    };
    let mut words = message[date + close + 2..].split(|b| *b == b' ');
    let listener = words.next().unwrap_or_default();
    let server = words.next().unwrap_or_default();
    let timers = words.next().unwrap_or_default();
    let is_error = listener.ends_with(b":") || server.ends_with(b":");
    let is_tcp = timers.iter().filter(|b| **b == b'/').count() == 2
        && timers.iter().all(|b| b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'+'));
    is_error || is_tcp || FIRST_WORDS.iter().any(|word| message.starts_with(word))
}

/// Facts for `explain --format haproxy`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Haproxy,
    name: "haproxy",
    doc: "HAProxy HTTP log: httplog, httpslog, httplog clf; or the site's own log-format; with or without syslog's tag",
    time_is: "end of the request: %tr, when its first byte came, plus %Ta (%t plus %Tt). %tr and %t have no zone: UTC, \
              unless declared as in { fields: { time: { unit: \"+02:00\" } } }",
    lateness_s_default: 60,
    lateness_why: "lines are written as requests end and pass syslog; with option logasap they come earlier",
    client_latency_is: "%Ta; of other log-formats %Tu, else %Tt",
    upstream_latency_is: "%Tr",
    client_gone_if: "the first letter of the termination state is C or c: the client aborted or timed out",
    websocket_if: "status 101",
    service_template: "{upstream}",
    absent_if: "-1 (and any negative number), - or nothing; <NOSRV> for servers; a request of <BADREQ>",
    skips: "TCP connections (three timers), errors of handshakes and listeners, and what the process says of itself",
    rejects: "lines that end before the byte counter, or whose time, timers, status or bytes cannot be read; \
              a request that is cut or broken does not reject the line",
    fields: &[
        (Field::Time, "%tr + %Ta; %trg, %trl, %t, %T, %Tl, %Ts"),
        (Field::Status, "%ST"),
        (Field::Method, "%r, up to the first space, of a cut one too; %HM"),
        (Field::Host, "%r, the URL's host"),
        (Field::Port, "%r, the URL's port"),
        (Field::Path, "%r, the path, percent signs as they stand; of a cut one if its query had begun; %HU, %HP, %HPO"),
        (Field::Query, "%r, the query, percent signs as they stand; %HU, %HQ"),
        (Field::Protocol, "%r, after the last space; %HV"),
        (Field::ClientLatency, "%Ta; %Tu, %Tt"),
        (Field::UpstreamLatency, "%Tr"),
        (Field::BytesReceived, "%U"),
        (Field::BytesSent, "%B"),
        (Field::ClientGone, "%tsc, %ts"),
        (Field::Websocket, "%ST"),
        (Field::RequestId, "%ID, %[unique-id]"),
        (Field::Client, "%ci"),
        (Field::ClientPort, "%cp"),
        (Field::Target, "%si, with :%sp"),
        (Field::TlsCipher, "httpslog, behind the request; %sslc"),
        (Field::TlsProtocol, "httpslog, behind the request; %sslv"),
        (Field::Upstream, "%b"),
        (Field::UpstreamServer, "%s"),
        (Field::UpstreamConnect, "%Tc"),
        (Field::Queue, "%Tw"),
        (Field::TlsHandshake, "%Th"),
        (Field::Frontend, "%ft, without the ~ of TLS"),
        (Field::Termination, "%tsc, %ts"),
        (Field::Retries, "%rc, without the + of a redispatch"),
        (Field::Instance, "%H"),
        (Field::Sni, "httpslog, behind the request; %[ssl_fc_sni]"),
    ],
};
