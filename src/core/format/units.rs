//! Durations in the units that access logs use, and decimal numbers.
//!
//! Invariant: decimals become whole microseconds exactly; nothing wraps or rounds up, what is finer is cut. Negative numbers are
//! no value.

use crate::core::format::number::{Unreadable, count, eight_digits, few_digits, seconds_us};

/// The unit of a duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

impl Unit {
    /// The names in declarations.
    pub(super) const NAMES: &str = "s, ms, us, ns";

    /// The unit of that name.
    pub(super) fn by_name(name: &str) -> Option<Unit> {
        Some(match name {
            "s" => Unit::S,
            "ms" => Unit::Ms,
            "us" => Unit::Us,
            "ns" => Unit::Ns,
            _ => return None,
        })
    }

    /// A number of it times ten to this power is microseconds.
    pub(super) const fn scale(self) -> i64 {
        match self {
            Unit::S => 6,
            Unit::Ms => 3,
            Unit::Us => 0,
            Unit::Ns => -3,
        }
    }
}

/// A duration of a text line in whole microseconds, decimals or none. `-`, and any negative number, is no value. Takes
/// the line and where the number lies in it, as [`count`] does.
#[inline(always)]
pub(super) fn duration_us(line: &[u8], place: (usize, usize), unit: Unit) -> Result<Option<u64>, Unreadable> {
    match few_digits(line, place, unit.scale()) {
        Some(us) => Ok(Some(us)),
        None => any_duration_us(line, place, unit),
    }
}

#[cold]
fn any_duration_us(line: &[u8], place: (usize, usize), unit: Unit) -> Result<Option<u64>, Unreadable> {
    let whole = match unit {
        Unit::S => return seconds_us(line, place),
        Unit::Ms => count(line, place).map(|n| n.map(|n| n.checked_mul(1000))),
        Unit::Us => count(line, place).map(|n| n.map(Some)),
        Unit::Ns => count(line, place).map(|n| n.map(|n| Some(n / 1000))),
    };
    match whole {
        Ok(None) => Ok(None),
        Ok(Some(us)) => us.map(Some).ok_or(Unreadable),
        Err(Unreadable) => with_decimals(line.get(place.0..place.1).unwrap_or_default(), unit),
    }
}

/// `12.345`.
fn with_decimals(text: &[u8], unit: Unit) -> Result<Option<u64>, Unreadable> {
    // Text has no exponents.
    let plain = text.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'));
    if plain { decimal(text, unit.scale()) } else { Err(Unreadable) }
}

/// A duration that may write its unit, `42ms`, in whole microseconds. The unit that it writes itself goes before the given one.
/// Takes the bytes before the text too, as [`duration_us`] does.
#[inline(always)]
pub(super) fn value_us_at(
    line: &[u8],
    place: (usize, usize),
    unit: Option<Unit>,
) -> Result<Option<u64>, Unreadable> {
    match unit.and_then(|unit| few_digits(line, place, unit.scale())) {
        Some(us) => Ok(Some(us)),
        None => value_us(line.get(place.0..place.1).unwrap_or_default(), unit),
    }
}

/// The same of a text alone.
#[inline]
pub(super) fn value_us(text: &[u8], unit: Option<Unit>) -> Result<Option<u64>, Unreadable> {
    match (text.last(), unit) {
        (Some(b'0'..=b'9'), Some(unit)) => decimal(text, unit.scale()),
        // A bare number says nothing without a unit.
        (Some(b'0'..=b'9'), None) => decimal(text, 0).map(|_| None),
        _ => written(text),
    }
}

/// `42ms`, `0.005192s`, `1h2m3.5s`.
fn written(text: &[u8]) -> Result<Option<u64>, Unreadable> {
    let (is_negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut sum = 0u64;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| matches!(b, b'0'..=b'9' | b'.')).count();
        let letters = rest[digits..].iter().take_while(|b| !matches!(b, b'0'..=b'9' | b'.')).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        let (times, scale) = match unit {
            b"ns" => (1, -3),
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => (1, 0),
            b"ms" => (1, 3),
            b"s" => (1, 6),
            b"m" => (60, 6),
            b"h" => (3600, 6),
            _ => return Err(Unreadable),
        };
        let part = decimal(number, scale)?.and_then(|n| n.checked_mul(times)).ok_or(Unreadable)?;
        sum = sum.checked_add(part).ok_or(Unreadable)?;
        rest = &rest[digits + letters..];
    }
    Ok((!is_negative && !text.is_empty()).then_some(sum))
}

/// A decimal number times ten to the power of `scale`; what is left behind the point is cut.
#[inline]
pub(super) fn decimal(text: &[u8], scale: i64) -> Result<Option<u64>, Unreadable> {
    match short(text, scale) {
        Some(number) => Ok(Some(number)),
        None => any_decimal(text, scale),
    }
}

/// The same of what most numbers are: few digits, perhaps a point and more of them.
#[inline]
fn short(text: &[u8], scale: i64) -> Option<u64> {
    const TENS: [u64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
    let mut places = usize::try_from(scale).ok().filter(|places| *places < TENS.len())?;
    if text.len() > 18 {
        return None;
    }
    let (mut number, mut at) = (0u64, 0);
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk)
        && let Some(digits) = eight_digits(u64::from_le_bytes(*eight))
    {
        number = number * 100_000_000 + digits;
        at += 8;
    }
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        number = number * 10 + u64::from(digit - b'0');
        at += 1;
    }
    if at == 0 {
        return None;
    }
    if text.get(at) == Some(&b'.') {
        let start = at + 1;
        at = start;
        while let Some(digit @ b'0'..=b'9') = text.get(at) {
            if places > 0 {
                number = number * 10 + u64::from(digit - b'0');
                places -= 1;
            }
            at += 1;
        }
        if at == start {
            return None;
        }
    }
    if at == text.len() { number.checked_mul(TENS[places]) } else { None }
}

/// The same of any number.
fn any_decimal(text: &[u8], scale: i64) -> Result<Option<u64>, Unreadable> {
    let (is_negative, magnitude) = match text {
        [b'-', magnitude @ ..] => (true, magnitude),
        _ => (false, text),
    };
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (whole, rest) = magnitude.split_at(digits(magnitude));
    let (decimals, rest) = match rest {
        [b'.', rest @ ..] => rest.split_at(digits(rest)),
        _ => (&[][..], rest),
    };
    let exponent = match rest {
        [] if magnitude.last() == Some(&b'.') => return Err(Unreadable),
        [] => 0,
        [b'e' | b'E', exponent @ ..] => self::exponent(exponent)?,
        _ => return Err(Unreadable),
    };
    if whole.is_empty() {
        return Err(Unreadable);
    }
    if is_negative {
        return Ok(None);
    }
    let places = whole.len() as i64 + exponent + scale;
    let mut all = whole.iter().chain(decimals);
    let mut number = 0u64;
    for _ in 0..places {
        let digit = all.next();
        if digit.is_none() && number == 0 {
            break;
        }
        let digit = u64::from(digit.map_or(0, |digit| digit - b'0'));
        number = number.checked_mul(10).and_then(|n| n.checked_add(digit)).ok_or(Unreadable)?;
    }
    Ok(Some(number))
}

#[cold]
fn exponent(text: &[u8]) -> Result<i64, Unreadable> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Unreadable);
    }
    // Beyond that nothing is left but 0 and what is too large.
    Ok(sign * digits.iter().fold(0i64, |n, digit| (n * 10 + i64::from(digit - b'0')).min(10_000_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        use Unit::*;
        let cases = [
            ("0.107", S, Ok(Some(107_000))),
            ("226", Ms, Ok(Some(226_000))),
            ("0", Ms, Ok(Some(0))),
            ("1.5", Ms, Ok(Some(1_500))),
            ("1.2345678", Ms, Ok(Some(1_234))),
            ("18446744073709551", Ms, Ok(Some(18_446_744_073_709_551_000))),
            ("18446744073709552", Ms, Err(Unreadable)),
            ("18446744073709552.0", Ms, Err(Unreadable)),
            ("116075", Us, Ok(Some(116_075))),
            ("116075.9", Us, Ok(Some(116_075))),
            ("1999", Ns, Ok(Some(1))),
            ("1999.9", Ns, Ok(Some(1))),
            ("-", Ms, Ok(None)),
            ("-1", Ns, Ok(None)),
            ("-1.5", Ms, Ok(None)),
            ("", Ms, Err(Unreadable)),
            (".5", Ms, Err(Unreadable)),
            ("5.", Ms, Err(Unreadable)),
            ("12ms", Ms, Err(Unreadable)),
            ("1e3", Ms, Err(Unreadable)),
        ];
        for (text, unit, expected) in cases {
            assert_eq!(duration_us(text.as_bytes(), (0, text.len()), unit), expected, "{text} {unit:?}");
        }
    }

    #[test]
    fn decimals_with_any_exponent() {
        let cases = [
            ("0", 0, Ok(Some(0))),
            ("200", 0, Ok(Some(200))),
            ("5.0", 0, Ok(Some(5))),
            ("1.2e3", 0, Ok(Some(1200))),
            ("0.000929675", 6, Ok(Some(929))),
            ("5.4e-05", 6, Ok(Some(54))),
            ("1.5E+1", 6, Ok(Some(15_000_000))),
            ("1646861401.5241024", 6, Ok(Some(1_646_861_401_524_102))),
            ("1999", -3, Ok(Some(1))),
            ("999", -3, Ok(Some(0))),
            ("1e-999999999999", 6, Ok(Some(0))),
            ("0e999999999999", 6, Ok(Some(0))),
            ("1e999999999999", 6, Err(Unreadable)),
            ("18446744073709551615", 0, Ok(Some(u64::MAX))),
            ("18446744073709551616", 0, Err(Unreadable)),
            ("007", 0, Ok(Some(7))),
            ("-1", 6, Ok(None)),
            ("-0.5e1", 6, Ok(None)),
            ("", 0, Err(Unreadable)),
            ("-", 0, Err(Unreadable)),
            ("1.", 0, Err(Unreadable)),
            (".5", 0, Err(Unreadable)),
            ("1e", 0, Err(Unreadable)),
            ("1e+", 0, Err(Unreadable)),
            ("1,5", 0, Err(Unreadable)),
            ("NaN", 0, Err(Unreadable)),
        ];
        for (text, scale, expected) in cases {
            assert_eq!(decimal(text.as_bytes(), scale), expected, "{text}");
        }
    }

    #[test]
    fn durations_with_their_own_unit() {
        let cases = [
            ("12", Some(Unit::Ms), Ok(Some(12_000))),
            ("12", None, Ok(None)),
            ("42ms", None, Ok(Some(42_000))),
            ("42ms", Some(Unit::S), Ok(Some(42_000))),
            ("0.005192s", None, Ok(Some(5192))),
            ("929.675\u{b5}s", None, Ok(Some(929))),
            ("929.675\u{3bc}s", None, Ok(Some(929))),
            ("1500ns", None, Ok(Some(1))),
            ("1h2m3.5s", None, Ok(Some(3_723_500_000))),
            ("-1s", None, Ok(None)),
            ("", None, Ok(None)),
            ("s", None, Err(Unreadable)),
            ("5 s", None, Err(Unreadable)),
            ("5x", None, Err(Unreadable)),
            ("x5", Some(Unit::S), Err(Unreadable)),
        ];
        for (text, unit, expected) in cases {
            assert_eq!(value_us(text.as_bytes(), unit), expected, "{text}");
        }
    }
}
