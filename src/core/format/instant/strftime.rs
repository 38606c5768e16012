//! Instants that a site spells with strftime, whole or in pieces of a line.
//!
//! Source of the grammar: strftime of POSIX; Apache's `%{..}t`.
//!
//! Invariant: a text is read whole or not at all.

use super::clf::{month, two, with_second};
use super::offset_us;
use super::timestamp::minute_start;
use crate::core::format::number::decimals_e6;
use crate::core::time::Time;

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
pub(in crate::core::format) struct Strftime {
    items: Box<[Item]>,
}

/// What the pieces of a line have told of one instant.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::core::format) struct Pieces {
    date: Option<(u32, u32, u32)>,
    clock: (u32, u32, u32),
    micros: i64,
    zone_us: i64,
    epoch: Option<Time>,
}

impl Strftime {
    /// Compiles a format, as `%d/%b/%Y:%T %z`. The error is the place of what is not understood.
    pub(in crate::core::format) fn new(format: &str) -> Result<Strftime, usize> {
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
    pub(in crate::core::format) fn has_date(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Day | Item::Epoch))
    }

    /// Reads the text, whole.
    pub(in crate::core::format) fn read(&self, mut text: &[u8], pieces: &mut Pieces) -> Option<()> {
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
    pub(in crate::core::format) fn time(&self) -> Option<Time> {
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
            if let Ok(format) = Strftime::new(&format) {
                let mut pieces = Pieces::default();
                let _ = format.read(&text, &mut pieces);
                let _ = pieces.time();
            }
        }
    }
}
