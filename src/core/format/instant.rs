//! Instants in every form that access logs know: RFC 3339 and what resembles it, the common log format, numbers since the
//! epoch, .NET's `1/9/2007 9:41:00 AM +01:00`, and what a site spells with strftime.
//!
//! Invariant: an instant is read whole or not at all. One without a zone is UTC, unless another piece of the line or the site
//! says otherwise. A number is of the unit that puts it between 1973 and 5138, unless the site says of which.

mod clf;
mod strftime;
mod timestamp;

pub(super) use clf::{CLF_LEN, Clf, clf};
pub(super) use strftime::{Pieces, Strftime};
pub(super) use timestamp::{Recent, timestamp, timestamp_near};

use crate::core::format::number::{decimals_e6, eight_digits, leading_decimals_e6};
use crate::core::format::units::{Unit, decimal};
use crate::core::time::{SECOND_US, Time};
use clf::two;
use timestamp::{minute_start, whole_seconds};

/// How an instant is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Any of the others, told apart by its looks; numbers by their magnitude.
    Any,
    /// `2018-07-02T22:23:00.186641Z`, a space for the `T`, slashes in the date, any offset, any decimals.
    Rfc3339,
    /// `10/Oct/2000:13:55:36 -0700`, in brackets or not.
    Clf,
    /// A number since the epoch.
    Epoch(Unit),
}

impl Form {
    /// The names in declarations.
    pub(super) const NAMES: &str = "rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns, clf";

    /// The form of that name.
    pub(super) fn by_name(name: &str) -> Option<Form> {
        match name {
            "rfc3339" => Some(Form::Rfc3339),
            "clf" => Some(Form::Clf),
            _ => name.strip_prefix("epoch_").and_then(Unit::by_name).map(Form::Epoch),
        }
    }
}

/// Reads an instant.
#[inline]
pub(super) fn instant(text: &[u8], form: Form) -> Option<Time> {
    match form {
        Form::Rfc3339 => rfc3339(text),
        Form::Clf => clf(text),
        Form::Epoch(unit) => epoch(text, unit),
        Form::Any => match text {
            [_, b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-' | b'/', ..] => rfc3339(text),
            _ => any(text),
        },
    }
}

fn any(text: &[u8]) -> Option<Time> {
    if let Some(time) = epoch_s(text) {
        return Some(time);
    }
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    match text.get(digits) {
        None | Some(b'.' | b'e' | b'E') => match digits {
            0 => None,
            1..=11 if text[digits..].iter().any(|b| matches!(b, b'e' | b'E')) => epoch_with_exponent(text),
            1..=11 => epoch(text, Unit::S),
            12..=14 => epoch(text, Unit::Ms),
            15..=17 => epoch(text, Unit::Us),
            _ => epoch(text, Unit::Ns),
        },
        Some(b'/') if digits <= 2 && text.get(digits + 1).is_some_and(u8::is_ascii_alphabetic) => clf(text),
        Some(b'/') => dotnet(text),
        Some(b'[') => clf(text),
        _ => None,
    }
}

/// `1.646861401524e9`, `1.646861401524e+12`.
#[cold]
fn epoch_with_exponent(text: &[u8]) -> Option<Time> {
    let whole = decimal(text, 0).ok()??;
    let unit = match whole.checked_ilog10() {
        None | Some(..11) => Unit::S,
        Some(11..14) => Unit::Ms,
        Some(14..17) => Unit::Us,
        Some(_) => Unit::Ns,
    };
    epoch(text, unit)
}

fn epoch(text: &[u8], unit: Unit) -> Option<Time> {
    if unit == Unit::S
        && let Some(time) = epoch_s(text)
    {
        return Some(time);
    }
    let micros = decimal(text, unit.scale()).ok()??;
    i64::try_from(micros).ok().map(Time)
}

/// `1646861401.524`: the usual number of seconds, with decimals.
#[inline(always)]
fn epoch_s(text: &[u8]) -> Option<Time> {
    let (high, low) = text.split_first_chunk()?;
    let [tens, ones, rest @ ..] = low else { return None };
    let (micros, []) = decimals(rest.starts_with(b".").then_some(rest)?)? else { return None };
    let seconds = eight_digits(u64::from_le_bytes(*high))? * 100 + u64::from(two(&[*tens, *ones])?);
    Some(Time(seconds.cast_signed() * SECOND_US + micros))
}

/// A date, a time of day, and what follows: decimals and zone.
#[inline]
fn rfc3339(text: &[u8]) -> Option<Time> {
    let (whole, rest) = text.split_first_chunk::<19>()?;
    let mut utc = *whole;
    if matches!(utc[10], b' ' | b't') {
        utc[10] = b'T';
    }
    if (utc[4], utc[7]) == (b'/', b'/') {
        (utc[4], utc[7]) = (b'-', b'-');
    }
    zoned(&utc, rest)
}

/// The instant from its date and time, and the decimals and zone that follow.
#[inline]
fn zoned(utc: &[u8; 19], rest: &[u8]) -> Option<Time> {
    let (micros, zone) = decimals(rest)?;
    Some(Time(whole_seconds(utc)?.0 + micros - zone_us(zone)?))
}

/// The microseconds that the text begins with, `.5` or `,5`, if it does so, and what follows.
#[inline]
fn decimals(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.' | b',', rest @ ..] = text else { return Some((0, text)) };
    let (micros, digits) = leading_decimals_e6(rest);
    (digits > 0).then(|| (micros.into(), &rest[digits..]))
}

/// Microseconds that a zone is east of UTC: nothing, `Z`, a name of UTC, or an offset, perhaps of hours alone, each perhaps
/// behind a space.
#[inline]
fn zone_us(zone: &[u8]) -> Option<i64> {
    match *zone.strip_prefix(b" ").unwrap_or(zone) {
        [] | [b'Z' | b'z'] | [b'U', b'T', b'C'] | [b'G', b'M', b'T'] => Some(0),
        [sign, a, b] => offset_us(&[sign, a, b, b'0', b'0']),
        ref zone => offset_us(zone),
    }
}

/// Microseconds that a zone is east of UTC: `-0700`, `+05:45`, `Z`.
pub(super) fn offset_us(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        b"Z" => return Some(0),
        [sign, rest @ ..] if rest.len() == 4 => (*sign, two(rest)?, two(&rest[2..])?),
        [sign, rest @ ..] if rest.len() == 5 && rest[2] == b':' => (*sign, two(rest)?, two(&rest[3..])?),
        _ => return None,
    };
    let us = i64::from(hours * 60 + minutes) * 60 * SECOND_US;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(us),
        b'-' => Some(-us),
        _ => None,
    }
}

/// `1/9/2007 9:41:00 AM +01:00`: month, day and year, and a clock of twelve hours.
#[cold]
fn dotnet(text: &[u8]) -> Option<Time> {
    let mut words = text.split(|b| *b == b' ');
    let (date, clock, half) = (words.next()?, words.next()?, words.next()?);
    let zone = words.next().unwrap_or_default();
    if words.next().is_some() {
        return None;
    }
    let numbers = |text: &[u8], separator: u8| {
        let mut parts = text.split(|b| *b == separator).map(|part| decimal(part, 0).ok()?);
        let three = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(three)
    };
    let ([month, day, year], [hour, minute, second]) = (numbers(date, b'/')?, numbers(clock, b':')?);
    if !(1..=12).contains(&hour) || month > 12 || day > 31 || year > 9999 || minute > 59 || second > 60 {
        return None;
    }
    let hour = match half {
        b"AM" => hour % 12,
        b"PM" => hour % 12 + 12,
        _ => return None,
    };
    let mut utc = *b"0000-00-00T00:00:00";
    let century = [(0, year / 100), (2, year % 100)];
    for (at, n) in century.into_iter().chain([(5, month), (8, day), (11, hour), (14, minute), (17, second)]) {
        utc[at..at + 2].copy_from_slice(&[b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]);
    }
    zoned(&utc, zone)
}

/// `2019-12-13`: the day's start, UTC.
#[inline]
pub(super) fn day(text: &[u8]) -> Option<Time> {
    let [_, _, _, _, b'-', _, _, b'-', _, _] = text else { return None };
    minute_start(two(text)? * 100 + two(&text[2..])?, two(&text[5..])?, (two(&text[8..])?, 0, 0))
}

/// Microseconds since midnight of `22:36:26` or `22:36:26.123`; a leap second is the second before it.
#[inline]
pub(super) fn clock_us(text: &[u8]) -> Option<i64> {
    let [_, _, b':', _, _, b':', _, _, rest @ ..] = text else { return None };
    let (hour, minute, second) = (two(text)?, two(&text[3..])?, two(&text[6..])?);
    let micros = match rest {
        [] => 0,
        [b'.', decimals @ ..] if decimals.len() <= 9 => decimals_e6(decimals)?,
        _ => return None,
    };
    let seconds = hour * 3600 + minute * 60 + second.min(59);
    (hour < 24 && minute < 60 && second <= 60).then(|| i64::from(seconds) * SECOND_US + i64::from(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_in_every_form() {
        let cases = [
            ("2018-07-02T22:23:00.186641Z", "2018-07-02T22:23:00.186641Z"),
            ("2018-07-02T22:23:00Z", "2018-07-02T22:23:00Z"),
            ("2018-07-02T22:23:00", "2018-07-02T22:23:00Z"),
            ("2018/07/02 22:23:00.5", "2018-07-02T22:23:00.5Z"),
            ("1/10/2007 9:41:00 AM", "2007-01-10T09:41:00Z"),
            ("2018-07-02 22:23:00,5", "2018-07-02T22:23:00.5Z"),
            ("2018-07-02T22:23:00.123456789+02:00", "2018-07-02T20:23:00.123456Z"),
            ("2021-11-12T16:59:45+0000", "2021-11-12T16:59:45Z"),
            ("2021-11-12T16:59:45-0330", "2021-11-12T20:29:45Z"),
            ("2021-11-12T16:59:45 +05", "2021-11-12T11:59:45Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
            ("10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
            ("[9/Oct/2000:13:55:36.250]", "2000-10-09T13:55:36.25Z"),
            ("2000-10-10T13:55:36-07:00", "2000-10-10T20:55:36Z"),
            ("10/1/2007 9:41:00 AM", "2007-10-01T09:41:00Z"),
            ("10/11/2007 9:41:00 AM", "2007-10-11T09:41:00Z"),
            ("[10/Oct/2000:13:55:36.5 +0545]", "2000-10-10T08:10:36.5Z"),
            ("1653485126", "2022-05-25T13:25:26Z"),
            ("1653485126.5", "2022-05-25T13:25:26.5Z"),
            ("1.653485126e9", "2022-05-25T13:25:26Z"),
            ("1.653485126e+12", "2022-05-25T13:25:26Z"),
            ("1653485126001", "2022-05-25T13:25:26.001Z"),
            ("1653485126000001", "2022-05-25T13:25:26.000001Z"),
            ("1653485126000001999", "2022-05-25T13:25:26.000001Z"),
            ("1/9/2007 9:41:00 AM", "2007-01-09T09:41:00Z"),
            ("1/9/2007 10:41:00 AM +01:00", "2007-01-09T09:41:00Z"),
            ("12/31/2007 12:00:01 AM", "2007-12-31T00:00:01Z"),
            ("12/31/2007 12:00:01 PM", "2007-12-31T12:00:01Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(instant(text.as_bytes(), Form::Any), Time::parse(expected), "{text}");
        }
        assert_eq!(instant(b"1653485126", Form::Epoch(Unit::Ms)), Some(Time(1_653_485_126_000)));
    }

    #[test]
    fn what_is_no_instant() {
        for text in [
            "",
            "-",
            "yesterday",
            "2018-07-02",
            "2018-02-30T00:00:00Z",
            "2018-07-02T22:23:00.Z",
            "2018-07-02T22:23:00+25:00",
            "2018-07-02T22:23:00X",
            "10/Okt/2000:13:55:36 -0700",
            "10/Oct/2000:13:55:36 PST",
            "31/Feb/2000:13:55:36 -0700",
            "2000-10-10T13:55:36Z+00:00",
            "13/9/2007 9:41:00 AM",
            "1/9/2007 13:41:00 PM",
            "1/9/2007 9:41:00",
            "1/9/2007",
            "-5",
            "1.5.5",
            "99999999999999999999999",
            "2018-07-02T22:23:0\u{ff}",
        ] {
            assert_eq!(instant(text.as_bytes(), Form::Any), None, "{text}");
        }
        assert_eq!(instant(b"2018-07-02T22:23:00Z", Form::Clf), None);
        assert_eq!(instant(b"2018-07-02T22:23:00Z", Form::Epoch(Unit::S)), None);
        assert_eq!(instant(b"1653485126", Form::Epoch(Unit::Ns)), Some(Time(1_653_485)));
        assert_eq!(instant(b"1653485126", Form::Rfc3339), None);
    }

    proptest! {
        #[test]
        fn seconds_with_decimals_are_read_as_any_number(text in "[0-9]{9,11}[.,]?[0-9]{0,10}[.Z ]?") {
            let number = decimal(text.as_bytes(), 6).ok().flatten().and_then(|us| i64::try_from(us).ok());
            prop_assert_eq!(instant(text.as_bytes(), Form::Epoch(Unit::S)), number.map(Time));
            if let Some(time) = epoch_s(text.as_bytes()) {
                prop_assert_eq!(instant(text.as_bytes(), Form::Any), Some(time));
            }
        }

        #[test]
        fn never_panics(text in "[0-9/: TZeAPM.+-]{0,30}") {
            for form in [Form::Any, Form::Rfc3339, Form::Clf, Form::Epoch(Unit::S)] {
                let _ = instant(text.as_bytes(), form);
            }
        }
    }
}
