//! A dead letter, and its JSON (`schemas/dead-letter.schema.json`).

use crate::core::accumulator::Rejected;
use crate::core::settings::Step;
use crate::core::time::Time;

/// Longest line kept, bytes; longer ones are cut, with the true length beside.
pub const DEAD_LETTER_BYTES_MAX: usize = 512 << 10;

/// Escaped text up to this length is kept as text even where base64 would be shorter, bytes.
const ESCAPED_BYTES_MAX: usize = 64 << 10;

/// A line that could not be read, borrowed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Letter<'a> {
    /// Source of the pipeline file.
    pub source: &'a str,
    /// Topic, or the file of an archive.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset of the message.
    pub offset: i64,
    /// The line's number within the message, from 0.
    pub index: u32,
    /// Why, as [`crate::core::record::Reason::name`].
    pub reason: &'static str,
    /// What rejected it: `format`, an envelope by its name, or `message`.
    pub step: &'static str,
    /// The envelopes that it came in, from the outside in.
    pub envelope: &'a [Step],
    /// The line's bytes, or as many as were kept.
    pub line: &'a [u8],
    /// The line's true length, bytes.
    pub length: u64,
    /// When ingest saw it.
    pub seen: Time,
}

impl<'a> Letter<'a> {
    /// Of a line that was rejected, in the message of that offset.
    pub fn of(rejected: &Rejected<'a>, offset: i64, seen: Time) -> Letter<'a> {
        let &Rejected { partition, line, length, index, envelope, reason, .. } = rejected;
        Letter {
            source: &partition.source,
            topic: &partition.topic,
            partition: partition.number,
            offset,
            index,
            reason: reason.name(),
            step: rejected.step(),
            envelope,
            line,
            length,
            seen,
        }
    }
}

impl Letter<'_> {
    /// `source-topic-partition-offset`, and the line's number where it is not the message's first: the same line
    /// again has the same key.
    pub fn key(&self) -> String {
        let Letter { source, topic, partition, offset, index, .. } = self;
        match index {
            0 => format!("{source}-{topic}-{partition}-{offset}"),
            more => format!("{source}-{topic}-{partition}-{offset}-{more}"),
        }
    }

    /// The bytes that are kept.
    pub fn kept(&self) -> &[u8] {
        let mut end = self.line.len().min(DEAD_LETTER_BYTES_MAX);
        // text stays text: no character is cut in two
        let floor = end.saturating_sub(3);
        while end > floor && self.line.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        &self.line[..end]
    }

    /// Whether bytes of the line are missing.
    pub fn truncated(&self) -> bool {
        self.length > self.kept().len() as u64
    }

    /// Appends the JSON. UTF-8 is kept as `line`, unless it is long and its escapes would make it longer
    /// than base64, which bounds the letter to 4/3 of the bytes kept; anything else is `line_base64`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut value = serde_json::json!({
            "source": self.source,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "index": self.index,
            "reason": self.reason,
            "step": self.step,
            "envelope": self.envelope.iter().map(|step| step.name()).collect::<Vec<_>>(),
            "length": self.length,
            "truncated": self.truncated(),
            "seen": self.seen.to_string(),
        });
        let kept = self.kept();
        let (name, line) = match std::str::from_utf8(kept) {
            Ok(text) if escaped_len(kept) <= (kept.len().div_ceil(3) * 4).max(ESCAPED_BYTES_MAX) => {
                ("line", text.to_owned())
            }
            _ => ("line_base64", base64(kept)),
        };
        value[name] = line.into();
        // writing into memory cannot fail
        let _ = serde_json::to_writer(out, &value);
    }
}

/// Length inside a JSON string, as serde_json escapes.
fn escaped_len(text: &[u8]) -> usize {
    let one = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.iter().map(one).sum()
}

/// RFC 4648, with padding.
pub(in crate::edges::sink) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| group.get(i).copied().unwrap_or(0) as usize;
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let shown = digit <= group.len();
            text.push(if shown { DIGITS[word >> (18 - 6 * digit) & 63] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
pub(super) fn letter(line: &[u8]) -> Letter<'_> {
    Letter {
        source: "alb",
        topic: "alb-logs",
        partition: 3,
        offset: 42,
        index: 0,
        reason: "truncated",
        step: "format",
        envelope: &[],
        line,
        length: line.len() as u64,
        seen: Time::from_seconds(1_530_570_180),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn json(letter: &Letter<'_>) -> Value {
        let mut out = Vec::new();
        letter.write_json(&mut out);
        assert!(!out.contains(&b'\n'), "one line");
        serde_json::from_slice(&out).expect("is JSON")
    }

    #[test]
    fn base64_as_in_the_rfc() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, want) in cases {
            assert_eq!(base64(plain.as_bytes()), want);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn letters_agree_with_their_schema() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/dead-letter.schema.json");
        let schema: Value = serde_json::from_slice(&std::fs::read(path).expect("is there")).expect("is JSON");
        let schema = jsonschema::validator_for(&schema).expect("is a schema");
        let long = vec![b'x'; DEAD_LETTER_BYTES_MAX + 1];
        let controls = vec![1; 100_000];
        let umlauts = format!("x{}", "\u{e4}".repeat(DEAD_LETTER_BYTES_MAX));
        let cases: [(&[u8], &str, bool); 7] = [
            (b"", "line", false),
            ("h2 2018 \"caf\u{e9}\"".as_bytes(), "line", false),
            (b"\xff\xfe", "line_base64", false),
            (b"a\nb\"c\0", "line", false),
            (&controls, "line_base64", false),
            (&long, "line", true),
            (umlauts.as_bytes(), "line", true),
        ];
        for (line, held_in, truncated) in cases {
            let value = json(&letter(line));
            if let Err(error) = schema.validate(&value) {
                panic!("{error}");
            }
            assert!(value.get(held_in).is_some(), "{held_in}");
            assert_eq!(value["truncated"], truncated);
            assert_eq!(value["length"], line.len());
        }
        let capped = Letter { length: 10 << 20, ..letter(b"prefix") };
        assert_eq!(
            (json(&capped)["truncated"].as_bool(), capped.key()),
            (Some(true), "alb-alb-logs-3-42".into())
        );
        // the topic's limit is 1 MiB by default: a letter stays below it
        let worst = vec![0xff; DEAD_LETTER_BYTES_MAX];
        let mut out = Vec::new();
        letter(&worst).write_json(&mut out);
        assert!(out.len() < 900_000, "{}", out.len());
    }
}
