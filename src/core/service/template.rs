//! Names of services made from fields and captures: `team-{team}`, `{target_group}`.
//!
//! Invariant: a name is valid UTF-8 without control characters and within its limit, and depends on the
//! template's bytes alone.

use crate::core::predicate::{PredicateError, closest, named_field};
use crate::core::record::{Field, Kind, Labels, Record, Value};

/// A piece of a name.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Literal(Box<[u8]>),
    Field(Field),
    /// A named group: index of the pattern in the rule, index of the group in the pattern.
    Capture {
        pattern: usize,
        group: usize,
    },
}

/// Reads a name. `captures` finds a named group; it wins over a field of the same name.
pub(super) fn parse(
    name: &str,
    captures: &[(String, usize, usize)],
    labels: &mut Labels,
) -> Result<Vec<Piece>, PredicateError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < name.len() {
        let rest = &name[at..];
        let Some(open) = rest.find(['{', '}']) else {
            pieces.push(Piece::Literal(rest.as_bytes().into()));
            break;
        };
        if open > 0 {
            pieces.push(Piece::Literal(rest.as_bytes()[..open].into()));
        }
        let start = at + open;
        let close = name[start..].find('}').filter(|_| name.as_bytes()[start] == b'{');
        let Some(close) = close else {
            return Err(PredicateError::new(start..start + 1, "a brace without its other half")
                .hint("a field or capture is written {target_group}"));
        };
        let inner = start + 1..start + close;
        let word = &name[inner.clone()];
        pieces.push(match captures.iter().find(|c| c.0 == word) {
            Some((_, pattern, group)) => Piece::Capture { pattern: *pattern, group: *group },
            None => Piece::Field(field(word, inner.clone(), captures, labels)?),
        });
        at = start + close + 1;
    }
    Ok(pieces)
}

fn field(
    word: &str,
    span: std::ops::Range<usize>,
    captures: &[(String, usize, usize)],
    labels: &mut Labels,
) -> Result<Field, PredicateError> {
    let field = named_field(word, labels, span.clone()).map_err(|mut error| {
        if !labels.is_known(word) {
            error.message = format!("unknown field or capture {word}");
        }
        match closest(word, captures.iter().map(|c| c.0.as_str())) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error,
        }
    })?;
    nameable(field, word, span)
}

/// The field of that name, if services can be named by its values.
pub(super) fn named(
    word: &str,
    span: std::ops::Range<usize>,
    labels: &mut Labels,
) -> Result<Field, PredicateError> {
    nameable(named_field(word, labels, span.clone())?, word, span)
}

fn nameable(field: Field, word: &str, span: std::ops::Range<usize>) -> Result<Field, PredicateError> {
    match field.kind() {
        Kind::Text | Kind::Integer | Kind::Boolean => Ok(field),
        Kind::Duration | Kind::Timestamp => {
            Err(PredicateError::new(span, format!("a service cannot be named by a time ({word})"))
                .hint("use a field of text, such as target_group or host"))
        }
    }
}

/// Appends a field's value as a name shows it. False: it is absent.
pub(super) fn append(record: &Record<'_>, field: Field, into: &mut Vec<u8>) -> bool {
    match record.get(field) {
        Value::Text(bytes) => into.extend_from_slice(bytes),
        Value::Integer(v) => append_integer(v, into),
        Value::Boolean(b) => into.extend_from_slice(if b { b"true" } else { b"false" }),
        Value::Absent | Value::Timestamp(_) => return false,
    }
    true
}

fn append_integer(mut value: u64, into: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[at..]);
}

/// How many bytes of a raw name can matter: cleaning never shortens, and a character has at most four.
pub(super) const fn raw_bytes_max(name_bytes_max: usize) -> usize {
    name_bytes_max + 4
}

/// The name that raw bytes make: invalid UTF-8 and control characters become U+FFFD, cut at a character
/// border to at most so many bytes.
pub(super) fn clean(raw: &[u8], name_bytes_max: usize) -> String {
    let mut name = String::new();
    for c in String::from_utf8_lossy(raw).chars() {
        let c = if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        if name.len() + c.len_utf8() > name_bytes_max {
            break;
        }
        name.push(c);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Time;

    #[test]
    fn templates_are_checked() {
        let captures = [("team".to_string(), 0, 1)];
        for good in ["checkout", "{host}", "team-{team}", "{team}{host}:{port}", "{client_gone}"] {
            assert!(parse(good, &captures, &mut Labels::default()).is_ok(), "{good}");
        }
        let bad = [
            ("{", 0..1, None),
            ("a}", 1..2, None),
            ("a{host", 1..2, None),
            ("{}", 1..1, None),
            ("{hots}", 1..5, Some("did you mean host?")),
            ("x-{taem}", 3..7, Some("did you mean team?")),
            ("{client_latency}", 1..15, None),
            ("{time}", 1..5, None),
        ];
        for (name, span, hint) in bad {
            let error = parse(name, &captures, &mut Labels::default()).expect_err(name);
            assert_eq!(error.span, span, "{name}");
            if let Some(hint) = hint {
                assert_eq!(error.hint.as_deref(), Some(hint), "{name}");
            }
        }
    }

    #[test]
    fn values_print() {
        let mut record = Record::at(Time::default());
        record.set(Field::Port, Value::Integer(8080));
        record.set(Field::Host, Value::Text(b"a"));
        let mut out = Vec::new();
        for (field, there) in
            [(Field::Host, true), (Field::Port, true), (Field::Path, false), (Field::Websocket, true)]
        {
            assert_eq!(append(&record, field, &mut out), there, "{field:?}");
        }
        append_integer(u64::MAX, &mut out);
        append_integer(0, &mut out);
        assert_eq!(out, b"a8080false184467440737095516150");
    }

    #[test]
    fn names_are_clean() {
        let cases: [(&[u8], usize, &str); 7] = [
            (b"checkout", 128, "checkout"),
            (b"a\nb\x1bc", 128, "a\u{fffd}b\u{fffd}c"),
            (b"\xff\xfe", 128, "\u{fffd}\u{fffd}"),
            ("äöü".as_bytes(), 5, "äö"),
            ("äöü".as_bytes(), 6, "äöü"),
            (b"\xff\xff", 5, "\u{fffd}"),
            (b"", 8, ""),
        ];
        for (raw, max, want) in cases {
            assert_eq!(clean(raw, max), want, "{raw:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn only_the_first_raw_bytes_matter(raw in proptest::collection::vec(0u8.., 0..40), max in 1usize..16) {
            let cut = &raw[..raw.len().min(raw_bytes_max(max))];
            assert_eq!(clean(cut, max), clean(&raw, max));
            assert!(clean(&raw, max).len() <= max);
            assert_eq!(clean(clean(&raw, max).as_bytes(), max), clean(&raw, max));
        }
    }
}
