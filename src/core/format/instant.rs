//! Instants in all the forms that a site may declare: RFC 3339 with any offset, seconds to nanoseconds
//! since the epoch, and the common log format's `10/Oct/2000:13:55:36 -0700`.
//!
//! Invariant: an instant without an offset is UTC; what is not wholly of its form is not read.

use crate::core::format::number::decimals_e6;
use crate::core::format::timestamp::{minute_start, timestamp};
use crate::core::time::{SECOND_US, Time};

/// How an instant is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Any of the others, told apart by its looks; numbers by their magnitude.
    Any,
    Rfc3339,
    EpochSeconds,
    EpochMillis,
    EpochMicros,
    EpochNanos,
    Clf,
}

/// Names of the forms in declarations.
pub(super) const FORMS: &[(&str, Form)] = &[
    ("rfc3339", Form::Rfc3339),
    ("epoch_s", Form::EpochSeconds),
    ("epoch_ms", Form::EpochMillis),
    ("epoch_us", Form::EpochMicros),
    ("epoch_ns", Form::EpochNanos),
    ("clf", Form::Clf),
];

/// Reads an instant.
#[inline]
pub(super) fn instant(text: &[u8], form: Form) -> Option<Time> {
    match form {
        Form::Any => match text {
            [_, _, _, _, b'-', ..] => rfc3339(text),
            [b'[', ..] | [_, _, b'/', ..] | [_, b'/', ..] => clf(text),
            _ => epoch(text, None),
        },
        Form::Rfc3339 => rfc3339(text),
        Form::EpochSeconds => epoch(text, Some(SECOND_US)),
        Form::EpochMillis => epoch(text, Some(1000)),
        Form::EpochMicros => epoch(text, Some(1)),
        Form::EpochNanos => epoch(text, Some(0)),
        Form::Clf => clf(text),
    }
}

/// `2019-12-13` and `22:36:26` as two texts, UTC.
#[inline]
pub(super) fn day(text: &[u8]) -> Option<Time> {
    match text {
        [a, b, c, d, b'-', e, f, b'-', g, h] => {
            let (year, month) = (two(*a, *b)? * 100 + two(*c, *d)?, two(*e, *f)?);
            minute_start(year, month, (two(*g, *h)?, 0, 0))
        }
        _ => None,
    }
}

/// Microseconds since midnight of `22:36:26` or `22:36:26.123`; a leap second is the second before it.
#[inline]
pub(super) fn clock_us(text: &[u8]) -> Option<i64> {
    let [a, b, b':', c, d, b':', e, f, rest @ ..] = text else { return None };
    let (hour, minute, second) = (two(*a, *b)?, two(*c, *d)?, two(*e, *f)?);
    let micros = match rest {
        [] => 0,
        [b'.', decimals @ ..] if decimals.len() <= 9 => decimals_e6(decimals)?,
        _ => return None,
    };
    let seconds = hour * 3600 + minute * 60 + second.min(59);
    (hour < 24 && minute < 60 && second <= 60).then(|| i64::from(seconds) * SECOND_US + i64::from(micros))
}

#[inline(always)]
fn two(a: u8, b: u8) -> Option<u32> {
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    (a < 10 && b < 10).then(|| u32::from(a) * 10 + u32::from(b))
}

/// `T` or a space between date and time, `.` or `,` before at most nine decimals, and `Z`, an offset with
/// or without its colon, or nothing.
fn rfc3339(text: &[u8]) -> Option<Time> {
    if let Some(time) = timestamp(text) {
        return Some(time);
    }
    let (date, rest) = text.split_at_checked(10)?;
    let (b'T' | b't' | b' ', rest) = (*rest.first()?, rest.get(1..)?) else { return None };
    let end = rest.iter().position(|b| matches!(b, b'Z' | b'z' | b'+' | b'-' | b' ')).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at(end);
    let (whole, decimals) = clock.split_at_checked(8)?;
    let micros = match decimals {
        [] => 0,
        [b'.' | b',', decimals @ ..] if decimals.len() <= 9 => i64::from(decimals_e6(decimals)?),
        _ => return None,
    };
    let offset = match offset {
        [] | b"Z" | b"z" => 0,
        _ => offset_us(offset.strip_prefix(b" ").unwrap_or(offset))?,
    };
    Some(Time(day(date)?.0 + clock_us(whole)? + micros - offset))
}

/// `+0545`, `-07:00`.
fn offset_us(text: &[u8]) -> Option<i64> {
    let (sign, hour, minute) = match text {
        [sign, a, b, b':', c, d] | [sign, a, b, c, d] => (sign, two(*a, *b)?, two(*c, *d)?),
        _ => return None,
    };
    let us = i64::from(hour * 60 + minute) * 60 * SECOND_US;
    match sign {
        _ if hour > 23 || minute > 59 => None,
        b'+' => Some(us),
        b'-' => Some(-us),
        _ => None,
    }
}

/// A number of units since the epoch, with or without decimals. Without a unit (in microseconds, 0 for
/// nanoseconds) the magnitude says it: seconds stay below 10^11 until the year 5138.
fn epoch(text: &[u8], unit: Option<i64>) -> Option<Time> {
    let point = text.iter().position(|b| *b == b'.').unwrap_or(text.len());
    let (digits, decimals) = (&text[..point], text.get(point + 1..));
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let micros = decimals.map_or(Some(0), decimals_e6)?;
    let n = digits.iter().try_fold(0i64, |n, d| n.checked_mul(10)?.checked_add(i64::from(d - b'0')))?;
    let by_magnitude =
        [(100_000_000_000, SECOND_US), (100_000_000_000_000, 1000), (100_000_000_000_000_000, 1)];
    let of_magnitude = || by_magnitude.iter().find(|(below, _)| n < *below).map_or(0, |(_, unit)| *unit);
    let unit = unit.unwrap_or_else(of_magnitude);
    let below = i64::from(micros) * unit / SECOND_US;
    if unit == 0 { Some(Time(n / 1000)) } else { n.checked_mul(unit)?.checked_add(below).map(Time) }
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `10/Oct/2000:13:55:36 -0700`, with or without brackets, decimals or the offset.
fn clf(text: &[u8]) -> Option<Time> {
    let text = match text {
        [b'[', inner @ .., b']'] => inner,
        _ => text,
    };
    let (date, rest) = text.split_at_checked(text.iter().position(|b| *b == b':')?)?;
    let (day, month, year) = match date {
        [a, b, b'/', month @ .., b'/', c, d, e, f] => {
            (two(*a, *b)?, month, two(*c, *d)? * 100 + two(*e, *f)?)
        }
        [b, b'/', month @ .., b'/', c, d, e, f] => (two(b'0', *b)?, month, two(*c, *d)? * 100 + two(*e, *f)?),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)? as u32 + 1;
    let rest = &rest[1..];
    let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
    let offset = rest.get(end + 1..).map_or(Some(0), offset_us)?;
    Some(Time(minute_start(year, month, (day, 0, 0))?.0 + clock_us(&rest[..end])? - offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_by_its_looks() {
        let cases = [
            ("2019-12-13T22:36:26Z", Some("2019-12-13T22:36:26Z")),
            ("2019-12-13 22:36:26", Some("2019-12-13T22:36:26Z")),
            ("2019-12-13T22:36:26,5+02:00", Some("2019-12-13T20:36:26.5Z")),
            ("2021-11-12T16:59:45+0000", Some("2021-11-12T16:59:45Z")),
            ("2021-11-12 16:59:45.123456789 -0345", Some("2021-11-12T20:44:45.123456Z")),
            ("10/Oct/2000:13:55:36 -0700", Some("2000-10-10T20:55:36Z")),
            ("[10/Oct/2000:13:55:36 +0545]", Some("2000-10-10T08:10:36Z")),
            ("[9/Oct/2000:13:55:36.250]", Some("2000-10-09T13:55:36.25Z")),
            ("1653485126", Some("2022-05-25T13:25:26Z")),
            ("1653485126.5", Some("2022-05-25T13:25:26.5Z")),
            ("1653485126500", Some("2022-05-25T13:25:26.5Z")),
            ("1653485126500000", Some("2022-05-25T13:25:26.5Z")),
            ("1653485126500000999", Some("2022-05-25T13:25:26.5Z")),
            ("2019-13-13T22:36:26Z", None),
            ("2019-12-13T22:36:26+25:00", None),
            ("2019-12-13T22:36:61Z", None),
            ("2019-12-13T22:36:26Zx", None),
            ("10/Okt/2000:13:55:36 -0700", None),
            ("31/Feb/2000:13:55:36 -0700", None),
            ("99999999999999999999", None),
            ("1.", None),
            ("-", None),
            ("-1", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(instant(text.as_bytes(), Form::Any), expected.and_then(Time::parse), "{text}");
        }
    }

    #[test]
    fn a_declared_form_reads_no_other() {
        assert_eq!(instant(b"1653485126", Form::EpochMillis), Some(Time(1_653_485_126_000)));
        assert_eq!(instant(b"1653485126", Form::EpochNanos), Some(Time(1_653_485)));
        assert_eq!(instant(b"1653485126", Form::Rfc3339), None);
        assert_eq!(instant(b"2019-12-13T22:36:26Z", Form::EpochSeconds), None);
        assert_eq!(instant(b"2019-12-13T22:36:26Z", Form::Clf), None);
    }
}
