//! One member's value into the record.
//!
//! Invariant: a part that another member has filled already is left as it is.

use super::{As, Rule, Unit};
use crate::core::format::instant::instant;
use crate::core::format::number::{Unreadable, few_digits, status};
use crate::core::format::request::{self, Request, target, without_brackets};
use crate::core::format::units::{decimal, value_us, value_us_at};
use crate::core::record::{Field, Fields, Reason, Record, Value};
use crate::core::time::Time;
use std::ops::Range;

/// What is known beside the record while its members are read.
pub(super) struct Reading {
    pub(super) wanted: Fields,
    /// When the request began.
    pub(super) start: Option<Time>,
    /// A status was there, with or without a value.
    pub(super) has_status: bool,
    /// Something that a record needs could not be read.
    pub(super) refused: Option<Reason>,
}

/// What is written where no time is known.
const NEVER: Time = Time(0);

/// Reads what a member has written between these two bytes of the line; whether it had a value.
#[inline]
pub(super) fn read<'a>(
    rule: &Rule,
    line: &'a [u8],
    place: Range<usize>,
    reading: &mut Reading,
    record: &mut Record<'a>,
) -> Result<bool, Reason> {
    let place = (place.start, place.end);
    let Some(text) = line.get(place.0..place.1).and_then(request::value) else { return Ok(false) };
    let field = rule.field;
    let wanted = reading.wanted;
    match rule.read {
        As::Text => record.set(field, Value::Text(text)),
        As::Status => {
            let status = code(text).map_err(|_| Reason::BadStatus)?;
            record.status = status;
            return Ok(status.is_some());
        }
        As::Statuses => match last(text).and_then(|text| code(text).ok().flatten()) {
            Some(status) => record.set(field, Value::Integer(status.into())),
            None => return Ok(false),
        },
        As::Count => {
            let number = few_digits(line, place, 0).map_or_else(|| decimal(text, 0), |n| Ok(Some(n)));
            return put(record, field, number);
        }
        As::Duration(unit) => return put(record, field, value_us_at(line, place, unit)),
        As::Durations(unit) => {
            let total = match unit.and_then(|unit| few_digits(line, place, unit.scale())) {
                Some(one) => Ok((Some(one), Some(one))),
                None => total(text, unit),
            };
            return durations(text, total, field, wanted, record);
        }
        As::Time(form) => {
            let time = instant(text, form);
            if time == Some(NEVER) {
                return Ok(false);
            } else if field == Field::Time {
                record.time = time.ok_or(Reason::BadTime)?;
            } else {
                record.set(field, time.map_or(Value::Absent, Value::Timestamp));
            }
        }
        As::Start(form) => {
            let time = instant(text, form).ok_or(Reason::BadTime)?;
            if time == NEVER {
                return Ok(false);
            }
            reading.start = Some(time);
            record.set(Field::RequestCreation, Value::Timestamp(time));
        }
        As::Request => fill_request(&request::request(text), wanted, record),
        As::Uri => uri(text, wanted, record),
        As::Authority => authority(text, wanted, record),
        As::Address => {
            let (address, port) = address(text);
            part(record, wanted, Field::Client, texts(address));
            part(record, wanted, Field::ClientPort, port);
        }
        As::Last => match last_server(text) {
            Some(server) => record.set(field, Value::Text(server)),
            None => return Ok(false),
        },
        As::Flag => {
            let flag = match text {
                b"true" | b"1" | b"True" => true,
                b"false" | b"0" | b"False" => false,
                _ => return Ok(false),
            };
            record.set(field, Value::Boolean(flag));
        }
    }
    Ok(true)
}

/// Puts a part that no other member has filled.
#[inline(always)]
fn part<'a>(record: &mut Record<'a>, wanted: Fields, field: Field, value: Value<'a>) {
    if wanted.has(field) && !matches!(value, Value::Absent) && !record.has(field) {
        record.set(field, value);
    }
}

#[inline(always)]
fn put(
    record: &mut Record<'_>,
    field: Field,
    number: Result<Option<u64>, Unreadable>,
) -> Result<bool, Reason> {
    // Only what is always filled is a reason; the rest is absent.
    let is_needed = super::ALWAYS.has(field);
    match number {
        Ok(Some(n)) => record.set(field, Value::Integer(n)),
        Ok(None) => return Ok(false),
        Err(Unreadable) if is_needed => return Err(Reason::BadNumber),
        Err(Unreadable) => return Ok(false),
    }
    Ok(true)
}

/// A status code, also one that became a decimal number on its way.
#[inline(always)]
fn code(text: &[u8]) -> Result<Option<u16>, Unreadable> {
    status(text).or_else(|_| match decimal(text, 0)? {
        Some(n @ 100..=999) => Ok(Some(n as u16)),
        Some(0) | None => Ok(None),
        _ => Err(Unreadable),
    })
}

/// The values of a list: `0.1, 0.2 : -`, or an array. `-` is none.
fn values(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let between = |b: &u8| matches!(b, b',' | b' ' | b':' | b'[' | b']' | b'"');
    text.split(between).filter(|value| !matches!(*value, b"" | b"-" | b"null"))
}

fn last(text: &[u8]) -> Option<&[u8]> {
    values(text).next_back()
}

/// The last of `10.0.0.1:80, 10.0.0.2:80 : unix:/run/a.sock`.
fn last_server(text: &[u8]) -> Option<&[u8]> {
    // A server's own colons have no space beside them.
    let words = text.split(|b| matches!(b, b',' | b' ' | b'"'));
    words.rev().find(|word| !matches!(*word, b"" | b"-" | b":" | b"[" | b"]"))
}

/// The sum of a list of durations, and the last one.
fn total(text: &[u8], unit: Option<Unit>) -> Result<(Option<u64>, Option<u64>), Unreadable> {
    values(text).try_fold((None, None), |(sum, last), value| match value_us(value, unit)? {
        Some(n) => Ok((Some(sum.unwrap_or(0u64).checked_add(n).ok_or(Unreadable)?), Some(n))),
        None => Ok((sum, last)),
    })
}

fn durations<'a>(
    text: &'a [u8],
    total: Result<(Option<u64>, Option<u64>), Unreadable>,
    field: Field,
    wanted: Fields,
    record: &mut Record<'a>,
) -> Result<bool, Reason> {
    let Ok((sum, last)) = total else {
        return if super::ALWAYS.has(field) { Err(Reason::BadNumber) } else { Ok(false) };
    };
    let integer = |n: Option<u64>| n.map_or(Value::Absent, Value::Integer);
    record.set(field, integer(sum));
    if field == Field::UpstreamLatency {
        part(record, wanted, Field::UpstreamLatencyLast, integer(last));
        part(record, wanted, Field::UpstreamLatencyList, Value::Text(text));
    }
    Ok(sum.is_some())
}

fn texts(text: Option<&[u8]>) -> Value<'_> {
    text.map_or(Value::Absent, Value::Text)
}

pub(super) fn fill_request<'a>(parts: &Request<'a>, wanted: Fields, record: &mut Record<'a>) {
    part(record, wanted, Field::Method, texts(parts.method));
    part(record, wanted, Field::Host, texts(parts.host));
    let port = parts.port.map_or(Value::Absent, |port| Value::Integer(port.into()));
    part(record, wanted, Field::Port, port);
    part(record, wanted, Field::Path, texts(parts.path));
    part(record, wanted, Field::Query, texts(parts.query));
    part(record, wanted, Field::Protocol, texts(parts.protocol));
}

fn uri<'a>(text: &'a [u8], wanted: Fields, record: &mut Record<'a>) {
    let parts = target(text);
    if parts == Request::default() {
        // No URL: a path that the site wrote otherwise.
        let end = memchr::memchr(b'?', text).unwrap_or(text.len());
        let query = text.get(end + 1..).and_then(request::value);
        return fill_request(&Request { path: request::value(&text[..end]), query, ..parts }, wanted, record);
    }
    if parts.host.is_some()
        && let Some(colon) = memchr::memchr(b':', text)
    {
        part(record, wanted, Field::Scheme, Value::Text(&text[..colon]));
    }
    fill_request(&parts, wanted, record);
}

fn authority<'a>(text: &'a [u8], wanted: Fields, record: &mut Record<'a>) {
    // An address of version 6 without brackets has colons and no port.
    let (host, port) = address(text);
    part(record, wanted, Field::Host, texts(host));
    part(record, wanted, Field::Port, port);
}

/// `address:port`, `[address]:port`, or an address alone, of version 6 too.
fn address(text: &[u8]) -> (Option<&[u8]>, Value<'_>) {
    if memchr::memchr(b':', text).is_none() {
        return (request::value(without_brackets(text)), Value::Absent);
    }
    let is_bare_v6 = text.iter().filter(|b| **b == b':').count() > 1 && !text.starts_with(b"[");
    if is_bare_v6 {
        return (Some(text), Value::Absent);
    }
    let (host, port) = request::port(text);
    (request::value(without_brackets(host)), port.map_or(Value::Absent, |port| Value::Integer(port.into())))
}
