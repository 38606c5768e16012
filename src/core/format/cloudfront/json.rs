//! One JSON object a line: where the values of known keys lie.
//!
//! Invariant: what is no whole object is rejected; values that are objects or lists are passed over. Nothing is allocated, but for lines
//! with escapes longer than any before.

use crate::core::format::cells::{CELLS_MAX, Cells};
use crate::core::format::members::rejected;
use crate::core::json::{Raw, Walker};
use crate::core::record::{Fields, Reason};

/// Finds the values of its keys.
#[derive(Debug)]
pub(super) struct JsonCells {
    keys: Box<[String]>,
    /// Finds those that are read where these fields are wanted.
    walker: Walker,
    wanted: Option<Fields>,
    /// A line with escapes, and values without them.
    decoded: Vec<u8>,
    cells: Cells,
}

impl JsonCells {
    pub(super) fn new(keys: &[&str]) -> JsonCells {
        let keys = keys.iter().take(CELLS_MAX).map(|key| (*key).to_owned()).collect();
        let walker = Walker::new([]);
        JsonCells { keys, walker, wanted: None, decoded: Vec::new(), cells: Cells::new() }
    }

    /// From now on these fields are wanted.
    #[cold]
    fn want(&mut self, wanted: Fields, is_read: impl Fn(usize) -> bool) {
        let keys = self.keys.iter().enumerate();
        self.walker = Walker::of_some(keys.map(|(cell, key)| is_read(cell).then_some(key.as_str())));
        self.wanted = Some(wanted);
    }

    /// The values of the line's keys, so far as they are read where these fields are wanted, and the bytes in which they lie; without
    /// their escapes.
    pub(super) fn find<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        is_read: impl Fn(usize) -> bool,
    ) -> Result<(&'a [u8], &'a Cells), Reason> {
        if self.wanted != Some(wanted) {
            self.want(wanted, is_read);
        }
        let JsonCells { keys, walker, decoded, cells, .. } = self;
        walker.walk(line).map_err(|error| rejected(error, line))?;
        cells.reset(keys.len());
        walker.decode_all(line);
        // Cells lie in one run of bytes: what was decoded, if anything was, stands behind the line.
        let mut behind: &[u8] = &[];
        for &key in walker.present() {
            let Some((bytes, place)) = walker.written(line, key.into()) else { continue };
            if bytes.get(place.start) == Some(&b'[') && matches!(walker.get(line, key.into()), Some(Raw::Array(_))) {
                continue;
            }
            let mut offset = 0;
            if !std::ptr::eq(bytes, line) {
                (behind, offset) = (bytes, line.len());
            }
            cells.set(key.into(), offset + place.start, offset + place.end);
        }
        if behind.is_empty() {
            return Ok((line, cells));
        }
        decoded.clear();
        decoded.extend_from_slice(line);
        decoded.extend_from_slice(behind);
        Ok((decoded, cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn read(json: &mut JsonCells, line: &[u8]) -> Option<(String, String)> {
        let (text, cells) = json.find(line, Fields::NONE, |_| true).ok()?;
        let get = |cell| String::from_utf8_lossy(cells.get(text, cell)).into_owned();
        Some((get(0), get(1)))
    }

    #[test]
    fn objects() {
        let mut json = JsonCells::new(&["a", "b"]);
        let cases = [
            (r#"{"a":"1","b":2}"#, Some(("1", "2"))),
            (r#"{ "b" : null , "x":{"a":["}",{}]}, "a" : "q\"\\\/\u00e9\ud83d\ude00\ud83dx" } "#, Some(("q\"\\/é😀\u{fffd}x", ""))),
            (r#"{}"#, Some(("", ""))),
            (r#"{"a":"1""#, None),
            (r#"{"a":"1"}x"#, None),
            (r#"{"a" "1"}"#, None),
            (r#"{"a":}"#, None),
            (r#"{"a":"\"#, None),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(read(&mut json, line.as_bytes()), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(a in any::<String>(), b in any::<u32>(), c in any::<String>()) {
            let line = serde_json::json!({ "c": [c.clone(), { "a": 1 }], "a": a, c.clone() + "!": "", "b": b });
            let mut json = JsonCells::new(&["a", "b"]);
            prop_assert_eq!(read(&mut json, line.to_string().as_bytes()), Some((a, b.to_string())));
        }

        #[test]
        fn reads_what_serde_json_reads(line in "\\{(\"[ab]\":(\"[a-z\\\\\"]{0,3}\"|[0-9]{1,3}|\\[\\]),?){0,3}\\}") {
            if let Ok(Value::Object(object)) = serde_json::from_str(&line) {
                let mut json = JsonCells::new(&["a", "b"]);
                let of = |key: &str| match object.get(key) {
                    Some(Value::String(text)) => Some(text.clone()),
                    Some(Value::Number(n)) => Some(n.to_string()),
                    _ => None,
                };
                // of equal keys the first counts here, and there the last
                let twice = ["\"a\":", "\"b\":"].iter().any(|key| line.matches(key).count() > 1);
                if let (Some(a), Some(b), false) = (of("a"), of("b"), twice) {
                    prop_assert_eq!(read(&mut json, line.as_bytes()), Some((a, b)));
                }
            }
        }
    }
}
