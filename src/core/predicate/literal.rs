//! The texts inside `duration("..")` and `timestamp("..")`, read exactly.
//!
//! Invariant: no float and no rounding: what a microsecond cannot hold is an error.

/// Microseconds of a CEL duration: an optional sign, then numbers with units `h m s ms us ns` (and `d`,
/// 24 hours, as elsewhere in the pipeline file). The error says what is wrong.
pub(super) fn duration_us(text: &str) -> Result<i64, &'static str> {
    const FORM: &str = "not a duration such as 200ms, 1.5s or 1h30m";
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(FORM);
    }
    let mut total_ns: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(FORM)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        rest = tail;
        let unit_ns: i128 = match unit {
            "d" => 86_400_000_000_000,
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" => 1_000,
            "ns" => 1,
            _ => return Err(FORM),
        };
        let (whole, places) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || number.ends_with('.') || places.contains('.') {
            return Err(FORM);
        }
        if whole.len() > 18 || places.len() > 18 {
            return Err("too long a number");
        }
        let scale = 10i128.pow(places.len() as u32);
        let scaled: i128 = format!("{whole}{places}").parse().map_err(|_| FORM)?;
        let ns = scaled * unit_ns;
        if ns % scale != 0 {
            return Err("finer than a microsecond");
        }
        total_ns += ns / scale;
    }
    if total_ns % 1_000 != 0 {
        return Err("finer than a microsecond");
    }
    let us = i64::try_from(total_ns / 1_000).map_err(|_| "too long a duration")?;
    Ok(if negative { -us } else { us })
}

/// Microseconds since the epoch of an RFC 3339 timestamp. The error says what is wrong.
pub(super) fn timestamp_us(text: &str) -> Result<i64, &'static str> {
    let time: jiff::Timestamp = text.parse().map_err(|_| "not a timestamp such as 2024-05-01T12:00:00Z")?;
    if time.as_nanosecond() % 1_000 != 0 {
        return Err("finer than a microsecond");
    }
    Ok(time.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact() {
        let good = [
            ("200ms", 200_000),
            ("1.5s", 1_500_000),
            ("0.1s", 100_000),
            ("1h30m", 5_400_000_000),
            ("-2us", -2),
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("1000ns", 1),
            ("500ns500ns", 1),
            ("30d", 2_592_000_000_000),
            ("0.000001s", 1),
        ];
        for (text, want) in good {
            assert_eq!(duration_us(text), Ok(want), "{text}");
        }
        let bad =
            ["", "-", "1", "s", "1 s", "1x", "1.s", ".5s", "1.2.3s", "1ns", "0.1us", "--1s", "+1s", "1s "];
        for text in bad.iter().chain(&["99999999999999999999s", "999999999999999999d", "١s"]) {
            assert!(duration_us(text).is_err(), "{text}");
        }
    }

    #[test]
    fn timestamps_are_exact() {
        assert_eq!(timestamp_us("2018-07-02T22:23:00.186641Z"), Ok(1_530_570_180_186_641));
        assert_eq!(timestamp_us("1970-01-01T01:00:00+01:00"), Ok(0));
        for bad in ["", "yesterday", "2018-07-02", "2018-07-02T22:23:00.1866415Z"] {
            assert!(timestamp_us(bad).is_err(), "{bad}");
        }
    }
}
