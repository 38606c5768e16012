//! One flat JSON object a line: where the values of known keys lie.
//!
//! Invariant: what is no whole object is rejected; values that are objects or lists are passed over. Nothing
//! is allocated, but for lines with escapes longer than any before.

use crate::core::format::cells::{CELLS_MAX, Cells};
use crate::core::json::{decode, text_stop};
use crate::core::record::Reason;

/// Finds the values of its keys.
#[derive(Debug)]
pub(super) struct JsonCells {
    /// With the quotes around them.
    keys: Vec<Box<[u8]>>,
    /// By place in the line before: which key stood there. Keys mostly come in the same order.
    order: Vec<Option<usize>>,
    /// The line, and behind it values without their escapes.
    decoded: Vec<u8>,
    cells: Cells,
}

impl JsonCells {
    pub(super) fn new(keys: &[&str]) -> JsonCells {
        let keys = keys.iter().take(CELLS_MAX).map(|key| format!("\"{key}\"").into_bytes().into()).collect();
        JsonCells { keys, order: vec![None; CELLS_MAX], decoded: Vec::new(), cells: Cells::new() }
    }

    /// The values of the line's keys, and the bytes in which they lie.
    pub(super) fn find<'a>(&'a mut self, line: &'a [u8]) -> Result<(&'a [u8], &'a Cells), Reason> {
        self.cells.reset(self.keys.len());
        self.decoded.clear();
        let whole = self.object(line);
        if whole.is_none() {
            return Err(if line.ends_with(b"}") { Reason::NotThisFormat } else { Reason::Truncated });
        }
        Ok((if self.decoded.is_empty() { line } else { &self.decoded }, &self.cells))
    }

    fn object(&mut self, line: &[u8]) -> Option<()> {
        let mut at = blank(line, 1);
        if line.get(at) == Some(&b'}') {
            return (blank(line, at + 1) == line.len()).then_some(());
        }
        for member in 0.. {
            let slot;
            (slot, at) = self.key(member, line, at)?;
            at = blank(line, at);
            if line.get(at) != Some(&b':') {
                return None;
            }
            at = blank(line, at + 1);
            at = match line.get(at)? {
                b'"' => {
                    let (range, escaped) = string(line, at)?;
                    if let Some(slot) = slot {
                        self.keep(slot, line, range, escaped);
                    }
                    range.1 + 1
                }
                b'{' | b'[' => nested(line, at)?,
                _ => {
                    let end = at + line[at..].iter().position(|b| matches!(b, b',' | b'}' | b' '))?;
                    if let Some(slot) = slot.filter(|_| &line[at..end] != b"null") {
                        self.cells.set(slot, at, end);
                    }
                    end
                }
            };
            at = blank(line, at);
            match line.get(at)? {
                b',' => at = blank(line, at + 1),
                b'}' => return (blank(line, at + 1) == line.len()).then_some(()),
                _ => return None,
            }
        }
        None
    }

    /// The number of the key there, if it is known, and the place behind it.
    #[inline]
    fn key(&mut self, member: usize, line: &[u8], at: usize) -> Option<(Option<usize>, usize)> {
        // No known key has a quote or a backslash in it: what begins with one is it.
        if let Some(Some(slot)) = self.order.get(member)
            && line.get(at..)?.starts_with(&self.keys[*slot])
        {
            return Some((Some(*slot), at + self.keys[*slot].len()));
        }
        let ((_, end), _) = string(line, at)?;
        let slot = self.keys.iter().position(|known| **known == line[at..=end]);
        if let Some(guess) = self.order.get_mut(member) {
            *guess = slot;
        }
        Some((slot, end + 1))
    }

    #[inline]
    fn keep(&mut self, slot: usize, line: &[u8], (start, end): (usize, usize), escaped: bool) {
        if !escaped {
            return self.cells.set(slot, start, end);
        }
        if self.decoded.is_empty() {
            self.decoded.extend_from_slice(line);
        }
        let from = self.decoded.len();
        decode(&line[start..end], &mut self.decoded);
        self.cells.set(slot, from, self.decoded.len());
    }
}

fn blank(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count()
}

/// The inside of the string that begins there, and whether it has escapes.
#[inline]
fn string(line: &[u8], at: usize) -> Option<((usize, usize), bool)> {
    if line.get(at) != Some(&b'"') {
        return None;
    }
    let (mut end, mut escaped) = (at + 1, false);
    loop {
        match line.get(end)? {
            b'"' => return Some(((at + 1, end), escaped)),
            b'\\' => {
                escaped = true;
                end += 2;
            }
            _ => end = text_stop(line, end)?,
        }
    }
}

/// Behind the object or list that begins there.
fn nested(line: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match line.get(at)? {
            b'"' => at = string(line, at)?.0.1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn read(json: &mut JsonCells, line: &[u8]) -> Option<(String, String)> {
        let (text, cells) = json.find(line).ok()?;
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
            (r#"{"a":}"#, Some(("", ""))),
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
                // Of a key that comes twice the last value counts, but a list is passed over.
                if let (Some(a), Some(b)) = (of("a"), of("b")) {
                    prop_assert_eq!(read(&mut json, line.as_bytes()), Some((a, b)));
                }
            }
        }
    }
}
