//! Scalars as they are written in a pipeline file, each with its place.
//!
//! Invariant: numbers that decide (objectives, factors) are kept as their text until they are read as
//! decimals; no float ever holds them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};

/// A value and the bytes of the file it stands at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

impl<T> At<T> {
    /// Another value in the same place.
    pub fn with<U>(&self, value: U) -> At<U> {
        At { value, span: self.span.clone() }
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<At<T>, D::Error> {
        let spanned = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        let span = bytes_of(&spanned.referenced).unwrap_or(0..0);
        Ok(At { value: spanned.value, span })
    }
}

/// The bytes that a location stands for, where the parser knows them.
pub(super) fn bytes_of(location: &serde_saphyr::Location) -> Option<Range<usize>> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let len = usize::try_from(location.span().byte_len()?).ok()?;
    Some(start..start + len)
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

macro_rules! texts {
    ($($(#[doc = $doc:literal])+ $name:ident $schema:tt;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

texts! {
    /// A duration: `200ms`, `30s`, `5m`, `1h30m`, `30d` (a day is 24 hours).
    DurationText {
        "type": "string",
        "pattern": "^([0-9]+(us|ms|s|m|h|d|w))+$",
        "examples": ["200ms", "30s", "5m", "1h30m", "30d"]
    };
    /// A decimal number with at most six places, read exactly.
    DecimalText { "type": ["number", "string"], "examples": [99.95, "2%"] };
    /// A size: bytes, or with a unit (`64KiB`, `1MiB`).
    SizeText { "type": ["integer", "string"], "pattern": "^[0-9]+ *(B|KiB|MiB|GiB|kB|MB|GB)?$" };
    /// A CEL predicate over the record's fields.
    PredicateText { "type": "string", "examples": ["status < 500", "host == \"shop.example.com\""] };
}

/// One text, or a list of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OneOrMany(Vec<(String, Option<Range<usize>>)>);

impl OneOrMany {
    /// A single text, in the place of the whole.
    pub fn one(text: &str) -> OneOrMany {
        OneOrMany(vec![(text.to_string(), None)])
    }

    /// Several texts, each in the place of the whole.
    pub fn many(texts: impl IntoIterator<Item = String>) -> OneOrMany {
        OneOrMany(texts.into_iter().map(|text| (text, None)).collect())
    }
}

impl At<OneOrMany> {
    /// Every text with its place.
    pub fn items(&self) -> impl Iterator<Item = At<String>> + '_ {
        self.value.0.iter().map(|(text, span)| At {
            value: text.clone(),
            span: span.clone().unwrap_or_else(|| self.span.clone()),
        })
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMany, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![(text.to_string(), None)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(At { value, span }) = items.next_element::<At<String>>()? {
                    texts.push((value, Some(span)));
                }
                Ok(OneOrMany(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 }
            ]
        })
    }
}

/// Microseconds of a duration such as `1h30m`; None if it is not one or does not fit.
///
/// Grammar: one or more of digits and a unit (`us ms s m h d w`), a day being 24 hours.
pub fn duration_us(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit_us: u64 = match &rest[..letters] {
            "us" | "µs" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            "w" => 604_800_000_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit_us)?)?;
        rest = &rest[letters..];
    }
    Some(total)
}

/// A number of seconds in the shortest exact form: `90s`, `1h`, `3d`.
pub fn seconds_text(seconds: u64) -> String {
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds > 0 && seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

/// A number of microseconds in the shortest exact form: `200ms`, `1500us`, `2s`.
pub fn micros_text(micros: u64) -> String {
    match micros {
        _ if micros.is_multiple_of(1_000_000) => seconds_text(micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

/// Bytes of a size such as `64KiB`; None if it is not one or does not fit.
pub fn size_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_exactly() {
        let cases = [
            ("30s", Some(30_000_000)),
            ("5m", Some(300_000_000)),
            ("1h30m", Some(5_400_000_000)),
            ("30d", Some(2_592_000_000_000)),
            ("200ms", Some(200_000)),
            ("1us", Some(1)),
            ("0s", Some(0)),
        ];
        for (text, want) in cases {
            assert_eq!(duration_us(text), want, "{text}");
        }
        for bad in ["", "5", "s", "1.5h", "-1s", "5 m", "1y", "99999999999999999999s", "99999999999d"] {
            assert_eq!(duration_us(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_print_shortest() {
        for text in ["90s", "5m", "36h", "30d", "0s"] {
            assert_eq!(seconds_text(duration_us(text).unwrap() / 1_000_000), text);
        }
        assert_eq!(micros_text(200_000), "200ms");
        assert_eq!(micros_text(1_500), "1500us");
        assert_eq!(micros_text(2_000_000), "2s");
    }

    #[test]
    fn sizes_read() {
        let cases =
            [("512", Some(512)), ("64KiB", Some(65_536)), ("1 MiB", Some(1 << 20)), ("1kB", Some(1000))];
        for (text, want) in cases {
            assert_eq!(size_bytes(text), want, "{text}");
        }
        for bad in ["", "KiB", "1.5MiB", "-1", "1TB"] {
            assert_eq!(size_bytes(bad), None, "{bad}");
        }
    }
}
