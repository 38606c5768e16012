//! Instants of text logs: `10/Oct/2000:13:55:36 -0700` and its relatives, and those that a site spells with
//! strftime.
//!
//! Source of the grammar: Apache's and nginx's documentation of their log formats; HAProxy's configuration
//! manual, section 8; strftime of POSIX.
//!
//! Invariant: a time is read whole or not at all. A time without a zone is UTC, unless another piece of the
//! line or the site says otherwise.

use crate::core::format::number::decimals_e6;
use crate::core::format::timestamp::{minute_start, timestamp};
use crate::core::time::{SECOND_US, Time};

/// Bytes of `10/Oct/2000:13:55:36 -0700`.
pub(super) const CLF_LEN: usize = 26;

/// Microseconds in a minute.
const MINUTE_US: i64 = 60 * SECOND_US;

/// Reads `10/Oct/2000:13:55:36 -0700`. Remembers the last one, as neighbours mostly share their second.
#[derive(Clone, Debug)]
pub(super) struct Clf {
    text: [u8; CLF_LEN],
    time: Time,
}

impl Clf {
    /// A reader that remembers nothing.
    pub(super) const fn new() -> Clf {
        Clf { text: [0; CLF_LEN], time: Time(0) }
    }

    /// The instant, if the text is one.
    #[inline(always)]
    pub(super) fn read(&mut self, text: &[u8]) -> Option<Time> {
        let text: &[u8; CLF_LEN] = text.try_into().ok()?;
        if *text == self.text {
            return Some(self.time);
        }
        self.read_anew(text)
    }

    #[inline(never)]
    fn read_anew(&mut self, text: &[u8; CLF_LEN]) -> Option<Time> {
        let (local, zone) = (clf_local(&text[..20])?, &text[20..]);
        let time = Time(local.0 - offset_us(zone.strip_prefix(b" ")?)?);
        *self = Clf { text: *text, time };
        Some(time)
    }
}

/// Reads `10/Oct/2000:13:55:36` as if it were UTC.
#[inline]
fn clf_local(text: &[u8]) -> Option<Time> {
    let text: &[u8; 20] = text.try_into().ok()?;
    let separators = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':')];
    if separators.iter().any(|(at, byte)| text[*at] != *byte) {
        return None;
    }
    let two = |at: usize| two(&text[at..]);
    let year = two(7)? * 100 + two(9)?;
    let minute = minute_start(year, month(&text[3..6])?, (two(0)?, two(12)?, two(15)?))?;
    with_second(minute, two(18)?)
}

/// Reads HAProxy's `06/Feb/2009:12:14:14.655`, with any number of decimals or none, as if it were UTC; a zone
/// behind it is heeded.
pub(super) fn clf_decimals(text: &[u8]) -> Option<Time> {
    let (whole, mut rest) = text.split_at_checked(20)?;
    let mut time = clf_local(whole)?;
    if let Some(zone) = rest.len().checked_sub(6).map(|at| &rest[at..])
        && let [b' ', zone @ ..] = zone
    {
        time.0 -= offset_us(zone)?;
        rest = &rest[..rest.len() - 6];
    }
    match rest {
        [] => Some(time),
        // The usual three are read at once.
        [b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let ms = i64::from(a - b'0') * 100 + i64::from(b - b'0') * 10 + i64::from(c - b'0');
            Some(Time(time.0 + ms * 1000))
        }
        [b'.', decimals @ ..] => Some(Time(time.0 + i64::from(decimals_e6(decimals)?))),
        _ => None,
    }
}

/// Reads RFC 3339 and ISO 8601 with `Z`, with an offset (`+01:00`, `+0100`), or with neither (UTC).
pub(super) fn iso8601(text: &[u8]) -> Option<Time> {
    let zone_at = match text.get(19..)?.iter().position(|b| matches!(b, b'+' | b'-')) {
        Some(at) => 19 + at,
        None => return timestamp(text),
    };
    let (local, zone) = text.split_at(zone_at);
    if local.ends_with(b"Z") {
        return None;
    }
    Some(Time(timestamp(local)?.0 - offset_us(zone)?))
}

/// Microseconds that a zone is east of UTC: `-0700`, `+05:45`, `Z`.
pub(super) fn offset_us(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        b"Z" => return Some(0),
        [sign, rest @ ..] if rest.len() == 4 => (*sign, two(rest)?, two(&rest[2..])?),
        [sign, rest @ ..] if rest.len() == 5 && rest[2] == b':' => (*sign, two(rest)?, two(&rest[3..])?),
        _ => return None,
    };
    let us = i64::from(hours * 60 + minutes) * MINUTE_US;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(us),
        b'-' => Some(-us),
        _ => None,
    }
}

/// The number of a month by its English abbreviation.
#[inline(always)]
fn month(text: &[u8]) -> Option<u32> {
    Some(match text {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// The number of two digits that the text begins with.
#[inline(always)]
fn two(text: &[u8]) -> Option<u32> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => Some(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
        _ => None,
    }
}

/// A leap second is read as the second before it.
fn with_second(minute: Time, second: u32) -> Option<Time> {
    let second = if second == 60 { 59 } else { second };
    (second < 60).then_some(Time(minute.0 + i64::from(second) * SECOND_US))
}

/// One conversion of a strftime format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Item {
    Byte(u8),
    Year,
    YearOfCentury,
    Month,
    MonthName,
    Day,
    Hour,
    Minute,
    Second,
    /// So many decimals of the second.
    Decimals(u8),
    Zone,
    /// Letters that name a zone: only the names of UTC are understood.
    ZoneName,
    Epoch,
}

/// A format of strftime.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Strftime {
    items: Box<[Item]>,
}

/// What the pieces of a line have told of one instant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pieces {
    date: Option<(u32, u32, u32)>,
    clock: (u32, u32, u32),
    micros: i64,
    zone_us: i64,
    epoch: Option<Time>,
}

impl Strftime {
    /// Compiles a format, as `%d/%b/%Y:%T %z`. The error is the place of what is not understood.
    pub(super) fn new(format: &str) -> Result<Strftime, usize> {
        let mut items = Vec::new();
        let mut chars = format.bytes().enumerate().peekable();
        while let Some((at, byte)) = chars.next() {
            if byte != b'%' {
                items.push(Item::Byte(byte));
                continue;
            }
            let (_, conversion) = chars.next().ok_or(at)?;
            let expanded: &[Item] = match conversion {
                b'%' => &[Item::Byte(b'%')],
                b'Y' => &[Item::Year],
                b'y' => &[Item::YearOfCentury],
                b'm' => &[Item::Month],
                b'b' | b'h' => &[Item::MonthName],
                b'd' | b'e' => &[Item::Day],
                b'H' | b'k' => &[Item::Hour],
                b'M' => &[Item::Minute],
                b'S' => &[Item::Second],
                b'f' => &[Item::Decimals(9)],
                b'z' => &[Item::Zone],
                b'Z' => &[Item::ZoneName],
                b's' => &[Item::Epoch],
                b'T' => &[Item::Hour, Item::Byte(b':'), Item::Minute, Item::Byte(b':'), Item::Second],
                b'R' => &[Item::Hour, Item::Byte(b':'), Item::Minute],
                b'F' => &[Item::Year, Item::Byte(b'-'), Item::Month, Item::Byte(b'-'), Item::Day],
                b'D' => &[Item::Month, Item::Byte(b'/'), Item::Day, Item::Byte(b'/'), Item::YearOfCentury],
                b'1'..=b'9' if chars.peek().is_some_and(|(_, next)| *next == b'f') => {
                    chars.next();
                    items.push(Item::Decimals(conversion - b'0'));
                    &[]
                }
                _ => return Err(at),
            };
            items.extend_from_slice(expanded);
        }
        Ok(Strftime { items: items.into() })
    }

    /// Whether it tells the date, or the seconds since the epoch: without that there is no time.
    pub(super) fn has_date(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Day | Item::Epoch))
    }

    /// Reads the text, whole.
    pub(super) fn read(&self, mut text: &[u8], pieces: &mut Pieces) -> Option<()> {
        let (mut date, mut with_date) = ((0, 0, 0), false);
        for item in &self.items {
            match *item {
                Item::Byte(byte) => text = text.strip_prefix(&[byte])?,
                Item::Year => {
                    date.0 = two(text)? * 100 + two(text.get(2..)?)?;
                    text = &text[4..];
                }
                Item::MonthName => {
                    date.1 = month(text.get(..3)?)?;
                    text = &text[3..];
                }
                Item::Decimals(digits) => {
                    let decimals = text.get(..usize::from(digits))?;
                    pieces.micros = i64::from(decimals_e6(decimals)?);
                    text = &text[decimals.len()..];
                }
                Item::Zone => {
                    let len = if text.get(3) == Some(&b':') { 6 } else { text.len().min(5) };
                    let len = if text.starts_with(b"Z") { 1 } else { len };
                    pieces.zone_us = offset_us(text.get(..len)?)?;
                    text = &text[len..];
                }
                Item::ZoneName => {
                    let len = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                    if !matches!(&text[..len], b"UTC" | b"GMT" | b"Z") {
                        return None;
                    }
                    text = &text[len..];
                }
                Item::Epoch => {
                    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
                    // Twelve digits of seconds are far beyond every year that is accepted.
                    let seconds = (1..=12).contains(&len).then(|| &text[..len])?;
                    let seconds = seconds.iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0'));
                    pieces.epoch = Some(Time::from_seconds(seconds));
                    text = &text[len..];
                }
                two_digits => {
                    let n = match text {
                        [b' ', digit @ b'0'..=b'9', ..] => u32::from(digit - b'0'),
                        _ => two(text)?,
                    };
                    match two_digits {
                        Item::YearOfCentury => date.0 = 2000 + n,
                        Item::Month => date.1 = n,
                        Item::Day => (date.2, with_date) = (n, true),
                        Item::Hour => pieces.clock.0 = n,
                        Item::Minute => pieces.clock.1 = n,
                        _ => pieces.clock.2 = n,
                    }
                    text = &text[2..];
                }
            }
        }
        if with_date {
            pieces.date = Some(date);
        }
        text.is_empty().then_some(())
    }
}

impl Pieces {
    /// The instant that the pieces make, if they make one.
    pub(super) fn time(&self) -> Option<Time> {
        let whole = match (self.epoch, self.date) {
            (Some(epoch), _) => epoch,
            (None, Some((year, month, day))) => {
                let minute = minute_start(year, month, (day, self.clock.0, self.clock.1))?;
                Time(with_second(minute, self.clock.2)?.0 - self.zone_us)
            }
            (None, None) => return None,
        };
        Some(Time(whole.0 + self.micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Option<Time> {
        let time = Time::parse(text);
        assert!(time.is_some(), "{text}");
        time
    }

    #[test]
    fn clf_with_every_zone() {
        let mut clf = Clf::new();
        for (text, expected) in [
            ("10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
            ("10/Oct/2000:13:55:36 +0330", "2000-10-10T10:25:36Z"),
            ("01/Jan/2024:00:10:00 +0545", "2023-12-31T18:25:00Z"),
            ("29/Feb/2024:23:59:60 +0000", "2024-02-29T23:59:59Z"),
        ] {
            assert_eq!(clf.read(text.as_bytes()), at(expected), "{text}");
            assert_eq!(clf.read(text.as_bytes()), at(expected), "{text}, remembered");
        }
        for text in [
            "",
            "-",
            "10/Oct/2000:13:55:36",
            "10/Oct/2000:13:55:36 0700",
            "10/Oct/2000:13:55:36 -07000",
            "10/Oct/2000:13:55:36 -2400",
            "10/Oct/2000:13:55:36 -0760",
            "10/oct/2000:13:55:36 -0700",
            "30/Feb/2000:13:55:36 -0700",
            "10/Oct/2000:24:55:36 -0700",
            "10/Oct/2000 13:55:36 -0700",
            "1a/Oct/2000:13:55:36 -0700",
        ] {
            assert_eq!(clf.read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn clf_with_decimals() {
        for (text, expected) in [
            ("06/Feb/2009:12:14:14.655", "2009-02-06T12:14:14.655Z"),
            ("06/Feb/2009:12:14:14", "2009-02-06T12:14:14Z"),
            ("06/Feb/2009:12:14:14.655123", "2009-02-06T12:14:14.655123Z"),
            ("06/Feb/2009:12:14:14 +0100", "2009-02-06T11:14:14Z"),
            ("06/Feb/2009:12:14:14.500 -0030", "2009-02-06T12:44:14.5Z"),
        ] {
            assert_eq!(clf_decimals(text.as_bytes()), at(expected), "{text}");
        }
        for text in ["", "06/Feb/2009:12:14:14.", "06/Feb/2009:12:14:14,655", "06/Feb/2009:12:14:14.65x"] {
            assert_eq!(clf_decimals(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn iso_with_every_zone() {
        for (text, expected) in [
            ("2000-10-10T13:55:36+00:00", "2000-10-10T13:55:36Z"),
            ("2000-10-10T13:55:36-07:00", "2000-10-10T20:55:36Z"),
            ("2000-10-10T13:55:36.25+0545", "2000-10-10T08:10:36.25Z"),
            ("2000-10-10T13:55:36.123Z", "2000-10-10T13:55:36.123Z"),
            ("2000-10-10T13:55:36", "2000-10-10T13:55:36Z"),
        ] {
            assert_eq!(iso8601(text.as_bytes()), at(expected), "{text}");
        }
        for text in ["", "-", "2000-10-10", "2000-10-10T13:55:36Z+00:00", "2000-10-10T13:55:36+00"] {
            assert_eq!(iso8601(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn strftime_formats() {
        for (format, text, expected) in [
            ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
            ("%Y-%m-%dT%T%z", "2000-10-10T13:55:36+01:00", "2000-10-10T12:55:36Z"),
            ("%F %T.%3f", "2000-10-10 13:55:36.250", "2000-10-10T13:55:36.25Z"),
            ("%e/%b/%Y %R", " 1/Jan/2024 00:01", "2024-01-01T00:01:00Z"),
            ("%D %T %Z", "10/31/24 13:55:36 GMT", "2024-10-31T13:55:36Z"),
            ("%s%%", "971211336%", "2000-10-10T20:55:36Z"),
        ] {
            let compiled = Strftime::new(format).unwrap_or_else(|at| panic!("{format} at {at}"));
            let mut pieces = Pieces::default();
            assert_eq!(compiled.read(text.as_bytes(), &mut pieces), Some(()), "{format}: {text}");
            assert_eq!(pieces.time(), at(expected), "{format}: {text}");
            let longer = format!("{text}0x");
            assert_eq!(compiled.read(longer.as_bytes(), &mut pieces), None, "{format}: {longer}");
            for cut in 0..text.len() {
                assert_eq!(compiled.read(&text.as_bytes()[..cut], &mut pieces), None, "{format}: {cut}");
            }
        }
        for (format, place) in [("%I:%M %p", 0), ("%d/%Q", 3), ("100%", 3)] {
            assert_eq!(Strftime::new(format), Err(place), "{format}");
        }
    }

    #[test]
    fn pieces_of_one_time_may_stand_apart() {
        let (date, zone) = (Strftime::new("%d/%b/%Y:%T").ok(), Strftime::new("%z").ok());
        let mut pieces = Pieces::default();
        assert_eq!(pieces.time(), None);
        assert!(date.is_some_and(|d| d.read(b"10/Oct/2000:13:55:36", &mut pieces).is_some()));
        assert!(zone.is_some_and(|z| z.read(b"-0700", &mut pieces).is_some()));
        assert_eq!(pieces.time(), at("2000-10-10T20:55:36Z"));
    }

    proptest! {
        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..40), format in "[%YbmdHMSTzsf3/: ]{0,12}") {
            let _ = (Clf::new().read(&text), clf_decimals(&text), iso8601(&text), offset_us(&text));
            if let Ok(format) = Strftime::new(&format) {
                let mut pieces = Pieces::default();
                let _ = format.read(&text, &mut pieces);
                let _ = pieces.time();
            }
        }
    }
}
