//! What the text of one variable of a format string is to the record.
//!
//! Invariant: nothing, `-` and negative numbers are no value; a value that a record needs and that is
//! neither a value nor that is a [`Reason`]; any other that cannot be read is absent.

use crate::core::format::instant::{Clf, Form, Pieces, Strftime, instant};
use crate::core::format::list::{items, last_item};
use crate::core::format::number::{Unreadable, count, status};
use crate::core::format::request::{self, Request, port, request, value, without_brackets};
use crate::core::format::units::{Unit, duration_us};
use crate::core::record::{Field, Fields, Reason, Record, Value};
use crate::core::time::Time;
use memchr::memchr;

/// How an instant is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Written {
    /// `10/Oct/2000:13:55:36 -0700`.
    Clf,
    /// `06/Feb/2009:12:14:14.655`.
    ClfDecimals,
    /// `2000-10-10T13:55:36+00:00`.
    Iso8601,
    /// A number since the epoch.
    Epoch(Unit),
    /// As the site spells it; the pieces of several variables make one instant.
    Pieces(Strftime),
    /// What is added to the pieces: milliseconds or microseconds within the second.
    Fraction(Unit),
}

/// Which end of the request an instant is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// When it ended.
    End,
    /// When it began: the client's latency later it ended.
    Start,
    /// When its connection was accepted: the time since then later it ended.
    Accept,
}

/// What a variable's text is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// Nothing that a record has.
    Nothing,
    /// Text as it stands.
    Text(Field),
    /// Text, without a mark at its end.
    Marked(Field, u8),
    /// A name in its place says that there is none.
    Named(Field, &'static [u8]),
    /// A count; `+` before it says that it went on.
    Count(Field),
    /// A count of bytes, where `-` says that there were none.
    BytesOrDash(Field),
    /// The client's status.
    Status,
    /// The upstream's status, or a list of them: the last counts.
    UpstreamStatus,
    /// An instant.
    Time(Written, Mark),
    /// The client's latency. Of several the one with the highest number counts.
    Latency(Unit, u8),
    /// The time since the connection was accepted; the client's latency where nothing better is.
    SinceAccept(Unit),
    /// The upstream's latency.
    Upstream(Unit),
    /// The upstreams' latencies, a list: their sum counts.
    Upstreams(Unit),
    /// A duration, or a list of them: the last counts.
    Duration(Field, Unit),
    /// The request line.
    Request,
    /// Path and query, or a whole URL.
    Uri,
    /// The path alone.
    Path,
    /// `?` where a query follows.
    QuestionMark,
    /// The query, with or without `?`.
    Query,
    /// A host, with or without a port.
    Host,
    /// The client's address, with or without a port.
    Address(bool),
    /// Addresses of all targets tried: the last one answered.
    Peers,
    /// How the proxy says that the request ended.
    Termination,
}

impl Reading {
    /// The field that it is about, where a second variable for it would be one too many.
    pub(super) fn field(&self) -> Option<Field> {
        Some(match self {
            Reading::Text(field)
            | Reading::Marked(field, _)
            | Reading::Named(field, _)
            | Reading::Count(field)
            | Reading::BytesOrDash(field)
            | Reading::Duration(field, _) => *field,
            Reading::Time(Written::Pieces(_) | Written::Fraction(_), _) => return None,
            Reading::Time(..) => Field::Time,
            Reading::Status => Field::Status,
            Reading::UpstreamStatus => Field::UpstreamStatus,
            Reading::Upstream(_) | Reading::Upstreams(_) => Field::UpstreamLatency,
            Reading::Host => Field::Host,
            Reading::Address(_) => Field::Client,
            Reading::Peers => Field::Target,
            _ => return None,
        })
    }

    /// Whether its text never has a space but within a list: at a line's end it ends there.
    pub(super) fn is_word(&self) -> bool {
        !matches!(
            self,
            Reading::Nothing
                | Reading::Text(_)
                | Reading::Request
                | Reading::Uri
                | Reading::Path
                | Reading::Query
        )
    }
}

/// What has been read of a line beside the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    instant: Option<Time>,
    pieces: Pieces,
    fraction_us: i64,
    mark: Mark,
    latency_rank: u8,
    since_accept_us: Option<u64>,
    has_status: bool,
    /// Where what the format string has not begins, if the line has all that it has.
    pub(super) end_at: usize,
    /// How the proxy says that the request ended.
    pub(super) termination: &'a [u8],
}

impl Seen<'_> {
    #[inline(always)]
    pub(super) fn nothing() -> Self {
        Seen {
            instant: None,
            pieces: Pieces::default(),
            fraction_us: 0,
            mark: Mark::End,
            latency_rank: 0,
            since_accept_us: None,
            has_status: false,
            end_at: usize::MAX,
            termination: b"",
        }
    }

    /// Whether enough was read for a record.
    #[inline(always)]
    pub(super) fn is_record(&self) -> bool {
        self.has_status && self.time().is_some()
    }

    /// The instant as it is logged.
    #[inline(always)]
    pub(super) fn time(&self) -> Option<Time> {
        let time = match self.instant {
            Some(time) => Some(time),
            None => self.pieces.time(),
        };
        time.map(|time| Time(time.0.saturating_add(self.fraction_us)))
    }

    /// The end of the request, as far as it can be told.
    #[inline(always)]
    pub(super) fn end(&self, client_latency_us: Option<u64>) -> Option<Time> {
        let took = match self.mark {
            Mark::End => None,
            Mark::Start => client_latency_us,
            Mark::Accept => self.since_accept_us.or(client_latency_us),
        };
        let took = took.and_then(|took| i64::try_from(took).ok()).unwrap_or(0);
        self.time().map(|time| Time(time.0.saturating_add(took)))
    }
}

/// A line and where the text of a variable stands in it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) line: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Place<'a> {
    #[inline(always)]
    fn text(self) -> &'a [u8] {
        self.line.get(self.start..self.end).unwrap_or_default()
    }
}

impl Reading {
    /// Whether anything becomes of the text where these fields are wanted.
    pub(super) fn is_read(&self, wanted: Fields) -> bool {
        match self {
            Reading::Nothing | Reading::QuestionMark => false,
            Reading::Text(field)
            | Reading::Marked(field, _)
            | Reading::Named(field, _)
            | Reading::Duration(field, _) => wanted.has(*field),
            Reading::Count(field) => {
                matches!(field, Field::BytesReceived | Field::BytesSent) || wanted.has(*field)
            }
            Reading::Uri => wanted.any(URL),
            Reading::Path => wanted.has(Field::Path),
            Reading::Query => wanted.has(Field::Query),
            Reading::Host => wanted.any(HOST),
            Reading::Address(_) => wanted.any(CLIENT),
            _ => true,
        }
    }

    /// Reads the text into the record, or keeps it in `seen`.
    #[inline(always)]
    pub(super) fn read<'a>(
        &self,
        place: Place<'a>,
        wanted: Fields,
        clf: &mut Clf,
        seen: &mut Seen<'a>,
        record: &mut Record<'a>,
    ) -> Result<(), Reason> {
        match self {
            Reading::Nothing | Reading::QuestionMark => {}
            Reading::Text(field) if wanted.has(*field) => put(record, *field, place.text()),
            Reading::Status => {
                record.status = client_status(place.text()).map_err(|_| Reason::BadStatus)?;
                seen.has_status = true;
            }
            Reading::Time(instant, mark) => read_time(instant, *mark, place, clf, seen)?,
            Reading::Count(field) => {
                let read = plus_count(place);
                match field {
                    Field::BytesReceived => record.bytes_received = read.map_err(|_| Reason::BadNumber)?,
                    Field::BytesSent => record.bytes_sent = read.map_err(|_| Reason::BadNumber)?,
                    _ => put_integer(record, *field, wanted, read.ok().flatten()),
                }
            }
            Reading::BytesOrDash(field) => {
                let bytes = match place.text() {
                    b"-" => Some(0),
                    _ => plus_count(place).map_err(|_| Reason::BadNumber)?,
                };
                record.set(*field, bytes.map_or(Value::Absent, Value::Integer));
            }
            Reading::Latency(unit, rank) => {
                let us = one_duration_us(place, *unit).map_err(|_| Reason::BadNumber)?;
                if us.is_some() && *rank >= seen.latency_rank {
                    record.client_latency_us = us;
                    seen.latency_rank = *rank;
                }
            }
            Reading::SinceAccept(unit) => {
                seen.since_accept_us = one_duration_us(place, *unit).map_err(|_| Reason::BadNumber)?;
                if seen.latency_rank == 0 {
                    record.client_latency_us = seen.since_accept_us;
                }
            }
            Reading::Upstream(unit) => {
                record.upstream_latency_us = one_duration_us(place, *unit).map_err(|_| Reason::BadNumber)?;
            }
            Reading::Upstreams(unit) => read_upstreams(place, *unit, wanted, record)?,
            Reading::Request => fill_request(place.text(), wanted, record),
            Reading::Termination => {
                let text = unquoted(place.text());
                seen.termination = text;
                if wanted.has(Field::Termination) {
                    put(record, Field::Termination, text);
                }
            }
            _ => self.read_seldom(place, wanted, record),
        }
        Ok(())
    }

    /// What is only read where it is wanted.
    fn read_seldom<'a>(&self, place: Place<'a>, wanted: Fields, record: &mut Record<'a>) {
        let text = place.text();
        match self {
            Reading::Marked(field, mark) if wanted.has(*field) => {
                put(record, *field, text.strip_suffix(&[*mark]).unwrap_or(text));
            }
            Reading::Named(field, none) if wanted.has(*field) && text != *none => put(record, *field, text),
            Reading::UpstreamStatus => {
                let last = status(last_item(text)).ok().flatten();
                put_integer(record, Field::UpstreamStatus, wanted, last.map(u64::from));
                if wanted.has(Field::TargetStatusList) {
                    put(record, Field::TargetStatusList, text);
                }
            }
            Reading::Duration(field, unit) if wanted.has(*field) => {
                let item = last_item(text);
                let end = place.start + text.len();
                let last = Place { start: end - item.len(), end, ..place };
                put_integer(record, *field, wanted, one_duration_us(last, *unit).ok().flatten());
            }
            Reading::Uri if wanted.any(URL) => fill_parts(request::target(text), wanted, record),
            Reading::Path if wanted.has(Field::Path) => put(record, Field::Path, text),
            Reading::Query if wanted.has(Field::Query) => {
                put(record, Field::Query, text.strip_prefix(b"?").unwrap_or(text));
            }
            Reading::Host if wanted.any(HOST) => fill_host(text, wanted, record),
            Reading::Address(with_port) if wanted.any(CLIENT) => {
                fill_client(text, *with_port, wanted, record)
            }
            Reading::Peers => {
                if wanted.has(Field::Target) {
                    put(record, Field::Target, last_item(text));
                }
                if wanted.has(Field::TargetList) {
                    put(record, Field::TargetList, text);
                }
            }
            _ => {}
        }
    }
}

const HOST: Fields = Fields::of(&[Field::Host, Field::Port]);
const CLIENT: Fields = Fields::of(&[Field::Client, Field::ClientPort]);
const URL: Fields = Fields::of(&[Field::Host, Field::Port, Field::Path, Field::Query]);
const REQUEST: Fields = URL.union(Fields::of(&[Field::Method, Field::Protocol]));

#[inline(always)]
fn put<'a>(record: &mut Record<'a>, field: Field, text: &'a [u8]) {
    if let Some(text) = value(text) {
        record.set(field, Value::Text(text));
    }
}

#[inline(always)]
fn put_integer(record: &mut Record<'_>, field: Field, wanted: Fields, n: Option<u64>) {
    if let Some(n) = n.filter(|_| wanted.has(field)) {
        record.set(field, Value::Integer(n));
    }
}

/// The request line's parts. A host that the line names elsewhere goes before the URL's.
#[inline(always)]
pub(super) fn fill_request<'a>(text: &'a [u8], wanted: Fields, record: &mut Record<'a>) {
    if wanted.any(REQUEST) {
        fill_parts(request(text), wanted, record);
    }
}

fn fill_parts<'a>(parts: Request<'a>, wanted: Fields, record: &mut Record<'a>) {
    let Request { method, host, port, path, query, protocol } = parts;
    let mut part = |field, part: Option<&'a [u8]>| {
        if let Some(text) = part.filter(|_| wanted.has(field)) {
            record.set(field, Value::Text(text));
        }
    };
    part(Field::Method, method);
    part(Field::Path, path);
    part(Field::Query, query);
    part(Field::Protocol, protocol);
    // Both or none, as the port belongs to the host.
    if let Some(host) = host.filter(|_| wanted.any(HOST) && record.get(Field::Host) == Value::Absent) {
        record.set(Field::Host, Value::Text(host));
        put_integer(record, Field::Port, wanted, port.map(u64::from));
    }
}

/// A request line that ends too early: the method is whole, and the path where its query has begun.
pub(super) fn fill_cut_request<'a>(text: &'a [u8], wanted: Fields, record: &mut Record<'a>) {
    let Some(space) = memchr(b' ', text).filter(|_| wanted.any(REQUEST)) else { return };
    let (method, rest) = (value(&text[..space]), &text[space + 1..]);
    let parts = match memchr(b' ', rest) {
        // Something follows the target, or a raw space is within it.
        Some(_) => Request::default(),
        None => Request { query: None, ..request::target(&rest[..memchr(b'?', rest).unwrap_or(0)]) },
    };
    fill_parts(Request { method, ..parts }, wanted, record);
}

/// `example.com`, `example.com:8080`, `[::1]:443`.
pub(super) fn fill_host<'a>(text: &'a [u8], wanted: Fields, record: &mut Record<'a>) {
    let (host, port) = host_and_port(text);
    let Some(host) = value(without_brackets(host)) else { return };
    record.set(Field::Host, Value::Text(host));
    put_integer(record, Field::Port, wanted, port.map(u64::from));
}

/// An IPv6 address without brackets has no port.
fn host_and_port(text: &[u8]) -> (&[u8], Option<u16>) {
    let bare_ipv6 = !text.starts_with(b"[") && text.iter().filter(|b| **b == b':').count() > 1;
    if bare_ipv6 { (text, None) } else { port(text) }
}

/// The client's address.
pub(super) fn fill_client<'a>(text: &'a [u8], with_port: bool, wanted: Fields, record: &mut Record<'a>) {
    let (address, number) = if with_port { port(text) } else { (text, None) };
    if wanted.has(Field::Client) {
        put(record, Field::Client, without_brackets(address));
    }
    put_integer(record, Field::ClientPort, wanted, number.map(u64::from));
}

/// Three digits, or what says that none was sent. nginx writes 009 for an answer of HTTP/0.9, which has none.
#[inline(always)]
pub(super) fn client_status(text: &[u8]) -> Result<Option<u16>, Unreadable> {
    match status(text) {
        Err(_) if matches!(text, b"009" | b"") => Ok(None),
        read => read,
    }
}

#[inline(always)]
fn plus_count(mut place: Place<'_>) -> Result<Option<u64>, Unreadable> {
    match place.line.get(place.start) {
        Some(b'+') if place.start < place.end => place.start += 1,
        _ if place.start == place.end => return Ok(None),
        _ => {}
    }
    count(place.line, (place.start, place.end))
}

/// A duration in whole microseconds; `+` before it says that it went on.
#[inline(always)]
fn one_duration_us(mut place: Place<'_>, unit: Unit) -> Result<Option<u64>, Unreadable> {
    if place.start == place.end {
        return Ok(None);
    }
    if place.line.get(place.start) == Some(&b'+') {
        place.start += 1;
    }
    duration_us(place.line, (place.start, place.end), unit)
}

#[inline(always)]
fn read_time<'a>(
    written: &Written,
    mark: Mark,
    place: Place<'a>,
    clf: &mut Clf,
    seen: &mut Seen<'a>,
) -> Result<(), Reason> {
    let text = place.text();
    let time = match written {
        Written::Clf => clf.read(text),
        Written::ClfDecimals => clf.decimals(text),
        Written::Iso8601 => instant(text, Form::Rfc3339),
        Written::Epoch(unit) => {
            one_duration_us(place, *unit).ok().flatten().and_then(|us| i64::try_from(us).ok()).map(Time)
        }
        Written::Pieces(format) => {
            format.read(text, &mut seen.pieces).ok_or(Reason::BadTime)?;
            if format.has_date() {
                seen.mark = mark;
            }
            return Ok(());
        }
        Written::Fraction(unit) => {
            let us = one_duration_us(place, *unit).ok().flatten().ok_or(Reason::BadTime)?;
            seen.fraction_us = i64::try_from(us).map_err(|_| Reason::BadTime)?;
            return Ok(());
        }
    };
    seen.instant = Some(time.ok_or(Reason::BadTime)?);
    seen.mark = mark;
    Ok(())
}

/// Several values: a comma between peers of one group, a colon where the request went on to another group.
#[inline(always)]
fn read_upstreams<'a>(
    place: Place<'a>,
    unit: Unit,
    wanted: Fields,
    record: &mut Record<'a>,
) -> Result<(), Reason> {
    let text = place.text();
    if wanted.has(Field::UpstreamLatencyList) {
        put(record, Field::UpstreamLatencyList, text);
    }
    if memchr(b' ', text).is_none() {
        let us = one_duration_us(place, unit).map_err(|_| Reason::BadNumber)?;
        record.upstream_latency_us = us;
        put_integer(record, Field::UpstreamLatencyLast, wanted, us);
        return Ok(());
    }
    let (mut sum, mut last) = (None, None);
    for (start, end) in items(text) {
        let item = Place { start: place.start + start, end: place.start + end, ..place };
        if let Some(us) = one_duration_us(item, unit).map_err(|_| Reason::BadNumber)? {
            sum = Some(sum.unwrap_or(0u64).checked_add(us).ok_or(Reason::BadNumber)?);
            last = Some(us);
        }
    }
    record.upstream_latency_us = sum;
    put_integer(record, Field::UpstreamLatencyLast, wanted, last);
    Ok(())
}

#[inline(always)]
fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [b'"', inner @ .., b'"'] => inner,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_request_tells_what_is_whole() {
        let cases: &[(&str, &str)] = &[
            ("GET /a/b", "GET ~ ~"),
            ("GET /a/b?c=d", "GET /a/b ~"),
            ("GET https://h.example/a?c", "GET /a ~"),
            ("GET /a?b HTTP/1", "GET ~ ~"),
            ("GET ", "GET ~ ~"),
            ("GE", "~ ~ ~"),
            ("", "~ ~ ~"),
        ];
        for (text, expected) in cases {
            let mut record = Record::at(Time(0));
            fill_cut_request(text.as_bytes(), Fields::ALL, &mut record);
            let part = |field| match record.get(field) {
                Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
                _ => "~".into(),
            };
            let parts = [Field::Method, Field::Path, Field::Query].map(part).join(" ");
            assert_eq!(parts, *expected, "{text}");
        }
    }
}
