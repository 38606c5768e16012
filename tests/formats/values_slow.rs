//! Numbers, durations and instants as texts write them: slow, for the slow readers of all formats.

use jiff::Timestamp;
use serde_json::Value;

/// An expression, compiled once.
macro_rules! regex {
    ($text:literal) => {{
        static REGEX: std::sync::LazyLock<regex::Regex> =
            std::sync::LazyLock::new(|| regex::Regex::new($text).expect("an expression"));
        &*REGEX
    }};
}
pub(crate) use regex;

/// A number times that power of ten, cut; or, with `units`, a duration with its unit in microseconds. None if it is negative.
pub(crate) fn quantity(text: &str, scale: i32, units: bool) -> Result<Option<Value>, ()> {
    let number = regex!(r"\A(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?\z");
    let value = match number.captures(text) {
        Some(read) => {
            if !read[1].is_empty() {
                return Ok(None);
            }
            let decimals = read.get(3).map_or("", |m| m.as_str());
            let exponent: i64 = read.get(4).map_or(Ok(0), |m| m.as_str().parse()).unwrap_or(0);
            let digits = format!("{}{decimals}", &read[2]);
            let zeros = exponent + i64::from(scale) - decimals.len() as i64;
            let digits = digits.trim_start_matches('0');
            if digits.is_empty() || zeros < -(digits.len() as i64) {
                "0".to_owned()
            } else if zeros < 0 {
                format!("0{}", &digits[..digits.len() - zeros.unsigned_abs() as usize])
            } else if zeros > 40 {
                return Err(());
            } else {
                format!("{digits}{}", "0".repeat(zeros as usize))
            }
        }
        None => {
            let with_unit = regex!(r"\A-?(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|μs|ms|s|m|h))+\z");
            if !with_unit.is_match(text) || !units {
                return Err(());
            }
            let part = regex!(r"([0-9]+(?:\.[0-9]+)?)([^0-9.]+)");
            let mut sum = 0u64;
            for part in part.captures_iter(text) {
                let (scale, times) = match &part[2] {
                    "ns" => (-3, 1),
                    "ms" => (3, 1),
                    "s" => (6, 1),
                    "m" => (6, 60),
                    "h" => (6, 3600),
                    _ => (0, 1),
                };
                let one = quantity(&part[1], scale, false)?.and_then(|v| v.as_u64()).ok_or(())?;
                sum = one.checked_mul(times).and_then(|one| sum.checked_add(one)).ok_or(())?;
            }
            if text.starts_with('-') {
                return Ok(None);
            }
            sum.to_string()
        }
    };
    value.parse::<u64>().map(|n| Some(n.into())).map_err(drop)
}

/// RFC 3339 and what resembles it.
pub(crate) fn iso(text: &str) -> Option<i64> {
    let iso = regex!(
        r"\A(\d{4})[-/](\d\d)[-/](\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))?(?: ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?\z"
    );
    let read = iso.captures(text)?;
    let decimals: String =
        read.get(5).map_or("", |m| m.as_str()).chars().chain("000000".chars()).take(6).collect();
    let utc: Timestamp =
        format!("{}-{}-{}T{}.{decimals}Z", &read[1], &read[2], &read[3], &read[4]).parse().ok()?;
    let zone = read.get(6).map_or("", |m| m.as_str()).replace(':', "");
    let offset = match zone.strip_prefix(['+', '-']) {
        None => 0,
        Some(digits) => {
            let (hours, minutes): (i64, i64) =
                (digits[..2].parse().ok()?, digits.get(2..4).unwrap_or("00").parse().ok()?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if zone.starts_with('-') { -60 } else { 60 }
        }
    };
    Some(utc.as_microsecond() - offset * 1_000_000)
}

/// An instant in any form.
pub(crate) fn instant(text: &str) -> Option<i64> {
    if let Some(time) = iso(text) {
        return Some(time);
    }
    let clf = regex!(r"\A(\[?)(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d)([^\]]*)(\]?)\z");
    let dotnet = regex!(r"\A(\d+)/(\d+)/(\d+) (\d+):(\d+):(\d+) (AM|PM)( [^ ]+)?\z");
    if let Some(read) = clf.captures(text).filter(|read| read[1].is_empty() == read[7].is_empty()) {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = 1 + months.iter().position(|month| *month == &read[3])?;
        return iso(&format!("{}-{month:02}-{:0>2}T{}{}", &read[4], &read[2], &read[5], &read[6]));
    }
    if let Some(read) = dotnet.captures(text) {
        let n = |i: usize| read[i].parse::<u32>().ok();
        let hour = n(4).filter(|hour| (1..=12).contains(hour))? % 12 + if &read[7] == "PM" { 12 } else { 0 };
        let zone = read.get(8).map_or("", |zone| zone.as_str());
        let (month, day, minute, second) = (n(1)?, n(2)?, n(5)?, n(6)?);
        return iso(&format!("{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}", n(3)?));
    }
    let whole = text.split(['.', 'e', 'E']).next()?.len();
    let scale = match whole {
        _ if text.contains(['e', 'E']) && whole < 12 => {
            let n = quantity(text, 0, false).ok()??.as_u64()?;
            [(100_000_000_000, 6), (100_000_000_000_000, 3), (100_000_000_000_000_000, 0), (u64::MAX, -3)]
                .iter()
                .find(|(below, _)| n < *below)?
                .1
        }
        ..12 => 6,
        12..15 => 3,
        15..18 => 0,
        _ => -3,
    };
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.ends_with(|c: char| !c.is_ascii_digit()) {
        return None;
    }
    i64::try_from(quantity(text, scale, false).ok()??.as_u64()?).ok()
}

/// RFC 3339 with six decimals, or none where they are 0.
pub(crate) fn shown(micros: i64) -> Value {
    let time = Timestamp::from_microsecond(micros.clamp(-62_135_596_800_000_000, 253_402_207_200_000_000))
        .unwrap_or_default();
    if micros.rem_euclid(1_000_000) == 0 { format!("{time:.0}").into() } else { format!("{time:.6}").into() }
}
