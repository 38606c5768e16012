//! Instants as JSON members have them: RFC 3339 and what resembles it, `10/Oct/2000:13:55:36 -0700`, numbers
//! since the epoch, and .NET's `1/9/2007 9:41:00 AM +01:00`.
//!
//! Invariant: an instant is read whole or not at all. One without a zone is UTC. A number is of the unit that
//! puts it between 1973 and 5138, unless the site says of which.

use super::quantity::decimal;
use crate::core::format::timestamp::timestamp;
use crate::core::time::{SECOND_US, Time};

/// The form of an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// Whichever it is.
    Any,
    /// `2018-07-02T22:23:00.186641Z`, a space for the `T`, slashes in the date, any offset, any decimals.
    Rfc3339,
    /// `10/Oct/2000:13:55:36 -0700`, in brackets or not.
    Clf,
    /// A number; ten to this power of microseconds.
    Epoch(i64),
}

impl Form {
    /// All names.
    pub(super) const NAMES: &'static str = "rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns, clf";

    /// The form of that name.
    pub(super) fn by_name(name: &str) -> Option<Form> {
        Some(match name {
            "rfc3339" => Form::Rfc3339,
            "clf" => Form::Clf,
            "epoch_s" => Form::Epoch(6),
            "epoch_ms" => Form::Epoch(3),
            "epoch_us" => Form::Epoch(0),
            "epoch_ns" => Form::Epoch(-3),
            _ => return None,
        })
    }
}

/// Reads an instant.
#[inline]
pub(crate) fn instant(text: &[u8], form: Form) -> Option<Time> {
    match form {
        Form::Rfc3339 => rfc3339(text),
        Form::Clf => clf(text),
        Form::Epoch(scale) => epoch(text, scale),
        Form::Any => match text {
            [_, _, _, _, b'-', ..] | [_, b'0'..=b'9', _, _, b'/', ..] => rfc3339(text),
            _ => any(text),
        },
    }
}

fn any(text: &[u8]) -> Option<Time> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    match text.get(digits) {
        None | Some(b'.' | b'e' | b'E') => match digits {
            0 => None,
            1..=11 if text[digits..].iter().any(|b| matches!(b, b'e' | b'E')) => epoch_with_exponent(text),
            1..=11 => epoch(text, 6),
            12..=14 => epoch(text, 3),
            15..=17 => epoch(text, 0),
            _ => epoch(text, -3),
        },
        Some(b'/') if digits == 2 && text.get(3).is_some_and(u8::is_ascii_alphabetic) => clf(text),
        Some(b'/') => dotnet(text),
        Some(b'[') => clf(text),
        _ => None,
    }
}

/// `1.646861401524e9`, `1.646861401524e+12`.
#[cold]
fn epoch_with_exponent(text: &[u8]) -> Option<Time> {
    let whole = decimal(text, 0).ok()??;
    let scale = match whole.checked_ilog10() {
        None | Some(..11) => 6,
        Some(11..14) => 3,
        Some(14..17) => 0,
        Some(_) => -3,
    };
    epoch(text, scale)
}

fn epoch(text: &[u8], scale: i64) -> Option<Time> {
    let micros = decimal(text, scale).ok()??;
    i64::try_from(micros).ok().map(Time)
}

/// Where the decimals of a timestamp with microseconds begin, and how long it is.
const DECIMALS: usize = 20;
const LEN: usize = 27;

/// A date, a time of day, and what follows: decimals and zone.
#[inline]
fn rfc3339(text: &[u8]) -> Option<Time> {
    let (whole, rest) = text.split_first_chunk::<19>()?;
    let mut utc = *b"0000-00-00T00:00:00.000000Z";
    utc[..19].copy_from_slice(whole);
    if matches!(utc[10], b' ' | b't') {
        utc[10] = b'T';
    }
    if (utc[4], utc[7]) == (b'/', b'/') {
        (utc[4], utc[7]) = (b'-', b'-');
    }
    zoned(&mut utc, rest)
}

/// The instant from its date and time, and the decimals and zone that follow.
#[inline]
fn zoned(utc: &mut [u8; LEN], rest: &[u8]) -> Option<Time> {
    let zone = match rest {
        [b'.' | b',', decimals @ ..] => {
            let digits = decimals.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            let kept = digits.min(6);
            utc[DECIMALS..DECIMALS + kept].copy_from_slice(&decimals[..kept]);
            &decimals[digits..]
        }
        _ => rest,
    };
    let time = timestamp(utc.as_slice())?;
    Some(Time(time.0 - offset_us(zone)?))
}

/// `Z`, nothing, `+01:00`, `+0100`, `+01`, each perhaps after a space.
#[inline]
fn offset_us(zone: &[u8]) -> Option<i64> {
    let (sign, digits) = match zone.strip_prefix(b" ").unwrap_or(zone) {
        b"" | b"Z" | b"z" | b"UTC" | b"GMT" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let [a, b, c, d] = match *digits {
        [a, b] => [a, b, b'0', b'0'],
        [a, b, b':', c, d] | [a, b, c, d] => [a, b, c, d],
        _ => return None,
    };
    let two = |a: u8, b: u8| {
        (a.is_ascii_digit() && b.is_ascii_digit()).then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
    };
    let (hours, minutes) = (two(a, b)?, two(c, d)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60 * SECOND_US)
}

/// `10/Oct/2000:13:55:36 -0700`, with decimals too, in brackets or not.
pub(crate) fn clf(text: &[u8]) -> Option<Time> {
    let text = match text {
        [b'[', inner @ .., b']'] => inner,
        _ => text,
    };
    let (whole, rest) = text.split_first_chunk::<20>()?;
    if [whole[2], whole[6], whole[11]] != [b'/', b'/', b':'] {
        return None;
    }
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let month = MONTHS.iter().position(|name| whole[3..6] == name[..])? as u8 + 1;
    let mut utc = *b"0000-00-00T00:00:00.000000Z";
    utc[..4].copy_from_slice(&whole[7..11]);
    utc[5..7].copy_from_slice(&[b'0' + month / 10, b'0' + month % 10]);
    utc[8..10].copy_from_slice(&whole[..2]);
    utc[11..19].copy_from_slice(&whole[12..]);
    zoned(&mut utc, rest)
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
    let mut utc = *b"0000-00-00T00:00:00.000000Z";
    let century = [(0, year / 100), (2, year % 100)];
    for (at, n) in century.into_iter().chain([(5, month), (8, day), (11, hour), (14, minute), (17, second)]) {
        utc[at..at + 2].copy_from_slice(&[b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]);
    }
    zoned(&mut utc, zone)
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
        assert_eq!(instant(b"1653485126", Form::Epoch(3)), Some(Time(1_653_485_126_000)));
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
        assert_eq!(instant(b"2018-07-02T22:23:00Z", Form::Epoch(6)), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9/: TZeAPM.+-]{0,30}") {
            for form in [Form::Any, Form::Rfc3339, Form::Clf, Form::Epoch(6)] {
                let _ = instant(text.as_bytes(), form);
            }
        }
    }
}
