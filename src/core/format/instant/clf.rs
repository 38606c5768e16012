//! Instants of the common log format: `10/Oct/2000:13:55:36 -0700` and its relatives.
//!
//! Source of the grammar: Apache's and nginx's documentation of their log formats; HAProxy's configuration
//! manual, section 8.
//!
//! Invariant: a time is read whole or not at all.

use super::timestamp::minute_start;
use super::{decimals, offset_us, zone_us};
use crate::core::format::number::decimals_e6;
use crate::core::time::{SECOND_US, Time};

/// Bytes of `10/Oct/2000:13:55:36 -0700`.
pub(in crate::core::format) const CLF_LEN: usize = 26;
/// Bytes of `10/Oct/2000:13:55:36`.
const LOCAL_LEN: usize = 20;

/// Reads `10/Oct/2000:13:55:36 -0700`. Remembers the last one, as neighbours mostly share their second.
#[derive(Clone, Debug)]
pub(in crate::core::format) struct Clf {
    text: [u8; CLF_LEN],
    time: Time,
    /// Of [`Clf::decimals`]: the text up to its second, and what it is as if it were UTC.
    local: ([u8; LOCAL_LEN], Time),
}

impl Clf {
    /// A reader that remembers nothing.
    pub(in crate::core::format) const fn new() -> Clf {
        Clf { text: [0; CLF_LEN], time: Time(0), local: ([0; LOCAL_LEN], Time(0)) }
    }

    /// The instant, if the text is one.
    #[inline(always)]
    pub(in crate::core::format) fn read(&mut self, text: &[u8]) -> Option<Time> {
        let text: &[u8; CLF_LEN] = text.try_into().ok()?;
        if *text == self.text {
            return Some(self.time);
        }
        self.read_anew(text)
    }

    #[inline(never)]
    fn read_anew(&mut self, text: &[u8; CLF_LEN]) -> Option<Time> {
        let (local, zone) = text.split_first_chunk()?;
        let time = Time(clf_local(local)?.0 - offset_us(zone.strip_prefix(b" ")?)?);
        (self.text, self.time) = (*text, time);
        Some(time)
    }

    /// HAProxy's `06/Feb/2009:12:14:14.655`, with any number of decimals or none, as if it were UTC; a zone behind it is
    /// heeded.
    #[inline]
    pub(in crate::core::format) fn decimals(&mut self, text: &[u8]) -> Option<Time> {
        let (local, mut rest) = text.split_first_chunk()?;
        if *local != self.local.0 {
            self.local = (*local, clf_local(local)?);
        }
        let mut time = self.local.1;
        if let Some(zone) = rest.len().checked_sub(6).map(|at| &rest[at..])
            && let [b' ', zone @ ..] = zone
        {
            time.0 -= offset_us(zone)?;
            rest = &rest[..rest.len() - 6];
        }
        match rest {
            [] => Some(time),
            [b'.', decimals @ ..] => Some(Time(time.0 + i64::from(decimals_e6(decimals)?))),
            _ => None,
        }
    }
}

/// Reads `10/Oct/2000:13:55:36` as if it were UTC.
#[inline]
fn clf_local(text: &[u8; LOCAL_LEN]) -> Option<Time> {
    let separators = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':')];
    if separators.iter().any(|(at, byte)| text[*at] != *byte) {
        return None;
    }
    let two = |at: usize| two(&text[at..]);
    let year = two(7)? * 100 + two(9)?;
    let minute = minute_start(year, month(&text[3..6])?, (two(0)?, two(12)?, two(15)?))?;
    with_second(minute, two(18)?)
}

/// The instant in any of the ways in which it is written: in brackets or not, a day of one digit, decimals or none, any zone or
/// none.
pub(in crate::core::format) fn clf(text: &[u8]) -> Option<Time> {
    let text = match text {
        [b'[', inner @ .., b']'] => inner,
        _ => text,
    };
    let mut local = *b"00/Jan/0000:00:00:00";
    let short = usize::from(text.get(1) == Some(&b'/'));
    let (whole, rest) = text.split_at_checked(local.len() - short)?;
    local[short..].copy_from_slice(whole);
    let (micros, zone) = decimals(rest)?;
    Some(Time(clf_local(&local)?.0 + micros - zone_us(zone)?))
}

/// The number of a month by its English abbreviation.
#[inline(always)]
pub(super) fn month(text: &[u8]) -> Option<u32> {
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
pub(super) fn two(text: &[u8]) -> Option<u32> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => Some(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
        _ => None,
    }
}

/// A leap second is read as the second before it.
pub(super) fn with_second(minute: Time, second: u32) -> Option<Time> {
    let second = if second == 60 { 59 } else { second };
    (second < 60).then_some(Time(minute.0 + i64::from(second) * SECOND_US))
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
            assert_eq!(Clf::new().decimals(text.as_bytes()), at(expected), "{text}");
        }
        for text in ["", "06/Feb/2009:12:14:14.", "06/Feb/2009:12:14:14,655", "06/Feb/2009:12:14:14.65x"] {
            assert_eq!(Clf::new().decimals(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9/: JanOct.+-]{0,30}") {
            let _ = (Clf::new().read(text.as_bytes()), Clf::new().decimals(text.as_bytes()), clf(text.as_bytes()));
        }
    }
}
