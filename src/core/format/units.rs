//! Durations in the units that access logs use.
//!
//! Invariant: nothing wraps or rounds up; what is below a microsecond is cut.

use crate::core::format::number::{Unreadable, count, seconds_us};

/// The unit of a duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// The unit of that name.
    pub(super) fn by_name(name: &str) -> Option<Unit> {
        match name {
            "s" => Some(Unit::Seconds),
            "ms" => Some(Unit::Millis),
            "us" => Some(Unit::Micros),
            "ns" => Some(Unit::Nanos),
            _ => None,
        }
    }
}

/// A duration in whole microseconds, decimals or none. `-`, and any negative number, is no value. Takes
/// the line and where the number lies in it, as [`count`] does.
#[inline(always)]
pub(super) fn duration_us(line: &[u8], place: (usize, usize), unit: Unit) -> Result<Option<u64>, Unreadable> {
    let whole = match unit {
        Unit::Seconds => return seconds_us(line, place),
        Unit::Millis => count(line, place).map(|n| n.map(|n| n.checked_mul(1000))),
        Unit::Micros => count(line, place).map(|n| n.map(Some)),
        Unit::Nanos => count(line, place).map(|n| n.map(|n| Some(n / 1000))),
    };
    match whole {
        Ok(None) => Ok(None),
        Ok(Some(us)) => us.map(Some).ok_or(Unreadable),
        Err(Unreadable) => with_decimals(line.get(place.0..place.1).unwrap_or_default(), unit),
    }
}

/// `12.345`: the digits of the integer and as many decimals as microseconds have room for.
#[cold]
fn with_decimals(text: &[u8], unit: Unit) -> Result<Option<u64>, Unreadable> {
    let magnitude = text.strip_prefix(b"-").unwrap_or(text);
    let point = magnitude.iter().position(|b| *b == b'.').ok_or(Unreadable)?;
    let (whole, decimals) = (&magnitude[..point], &magnitude[point + 1..]);
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if !digits(whole) || !digits(decimals) {
        return Err(Unreadable);
    }
    if magnitude.len() < text.len() {
        return Ok(None);
    }
    let scale = if unit == Unit::Millis { 3 } else { 0 };
    let kept = decimals.iter().copied().chain(std::iter::repeat(b'0')).take(scale);
    let us = whole
        .iter()
        .copied()
        .chain(kept)
        .try_fold(0u64, |n, digit| n.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    let us = us.ok_or(Unreadable)?;
    Ok(Some(if unit == Unit::Nanos { us / 1000 } else { us }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        use Unit::*;
        let cases = [
            ("0.107", Seconds, Ok(Some(107_000))),
            ("226", Millis, Ok(Some(226_000))),
            ("0", Millis, Ok(Some(0))),
            ("1.5", Millis, Ok(Some(1_500))),
            ("1.2345678", Millis, Ok(Some(1_234))),
            ("18446744073709551", Millis, Ok(Some(18_446_744_073_709_551_000))),
            ("18446744073709552", Millis, Err(Unreadable)),
            ("18446744073709552.0", Millis, Err(Unreadable)),
            ("116075", Micros, Ok(Some(116_075))),
            ("116075.9", Micros, Ok(Some(116_075))),
            ("1999", Nanos, Ok(Some(1))),
            ("1999.9", Nanos, Ok(Some(1))),
            ("-", Millis, Ok(None)),
            ("-1", Nanos, Ok(None)),
            ("-1.5", Millis, Ok(None)),
            ("", Millis, Err(Unreadable)),
            (".5", Millis, Err(Unreadable)),
            ("5.", Millis, Err(Unreadable)),
            ("12ms", Millis, Err(Unreadable)),
        ];
        for (text, unit, expected) in cases {
            assert_eq!(duration_us(text.as_bytes(), (0, text.len()), unit), expected, "{text} {unit:?}");
        }
    }
}
