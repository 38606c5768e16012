//! Kafka Connect's JSON converter: `{"schema":{..},"payload":"<line>"}`; without schemas the message is the value
//! itself, a JSON string.

use super::document::{Document, Key};
use crate::core::json::Raw;
use memchr::memchr2;

pub(super) fn recognises(document: &Document<'_>, _: bool) -> bool {
    let schema = matches!(document.get(Key::Schema), Some(Raw::Object(_) | Raw::Null));
    schema && document.line(Key::Payload).is_some()
}

pub(super) fn line<'p>(document: &Document<'p>) -> Option<Raw<'p>> {
    document.line(Key::Payload)
}

/// The inside of the one string that the message is.
pub(super) fn string(payload: &[u8]) -> Option<Raw<'_>> {
    let inside = payload.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let (mut at, mut escaped) = (0, false);
    while let Some(found) = memchr2(b'"', b'\\', &inside[at..]) {
        if inside[at + found] == b'"' || at + found + 1 == inside.len() {
            return None;
        }
        escaped = true;
        at += found + 2;
    }
    Some(if escaped { Raw::Escaped(inside) } else { Raw::Text(inside) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_string_is_told_from_a_line_that_begins_with_one() {
        assert_eq!(string(br#""a b""#), Some(Raw::Text(b"a b")));
        assert_eq!(string(br#""a \"b\"""#), Some(Raw::Escaped(br#"a \"b\""#)));
        assert_eq!(string(br#""""#), Some(Raw::Text(b"")));
        for none in [&br#""a" 1 "b""#[..], br#""a\""#, b"\"", b"a", b""] {
            assert_eq!(string(none), None, "{}", String::from_utf8_lossy(none));
        }
    }
}
