//! A format string as it is pasted from a server's configuration, with that file's quotes and escapes.
//!
//! Invariant: every byte of the string knows where it stands in what was pasted, so that an error points there.

use crate::core::format::LayoutError;
use std::ops::Range;

/// A text that was pasted from a server's configuration, without the quotes and escapes of that.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Pasted {
    /// The format string itself.
    pub(super) text: Vec<u8>,
    /// Where each of its bytes stands in what was pasted, and where it ends.
    places: Vec<usize>,
}

impl Pasted {
    /// A text as it stands.
    pub(super) fn plain(text: &str) -> Pasted {
        Pasted { text: text.into(), places: (0..=text.len()).collect() }
    }

    /// Quoted strings side by side, from `at` on: `'…' '…';`. `unescape` says what a backslash and the byte
    /// behind it stand for; None leaves both.
    pub(super) fn quoted(
        source: &str,
        mut at: usize,
        unescape: fn(u8) -> Option<u8>,
    ) -> Result<(Pasted, usize), LayoutError> {
        let bytes = source.as_bytes();
        let mut pasted = Pasted::default();
        loop {
            at += bytes[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
            let open = at;
            let Some(quote @ (b'\'' | b'"')) = bytes.get(at).copied() else { break };
            at += 1;
            loop {
                match (bytes.get(at), bytes.get(at + 1)) {
                    (None, _) => {
                        return Err(LayoutError {
                            message: "this quote is never closed".into(),
                            hint: Some("paste the directive whole, up to its end".into()),
                            item: 0,
                            span: open..open + 1,
                        });
                    }
                    (Some(byte), _) if *byte == quote => break,
                    (Some(b'\\'), Some(next)) if unescape(*next).is_some() => {
                        pasted.push(unescape(*next).unwrap_or(*next), at);
                        at += 2;
                    }
                    (Some(byte), _) => {
                        pasted.push(*byte, at);
                        at += 1;
                    }
                }
            }
            at += 1;
        }
        pasted.places.push(at);
        Ok((pasted, at))
    }

    /// A text without quotes around it, but with escapes.
    pub(super) fn unescaped(source: &str, from: usize, unescape: fn(u8) -> Option<u8>) -> Pasted {
        let bytes = source.trim_end().as_bytes();
        let (mut pasted, mut at) = (Pasted::default(), from);
        while let Some(&byte) = bytes.get(at) {
            let next = bytes.get(at + 1).copied().filter(|_| byte == b'\\').and_then(unescape);
            pasted.push(next.unwrap_or(byte), at);
            at += 1 + usize::from(next.is_some());
        }
        pasted.places.push(at);
        pasted
    }

    fn push(&mut self, byte: u8, place: usize) {
        self.text.push(byte);
        self.places.push(place);
    }

    /// Where a range of the format string stands in what was pasted.
    pub(super) fn span(&self, range: Range<usize>) -> Range<usize> {
        let place = |at: usize| self.places.get(at).or(self.places.last()).copied().unwrap_or(0);
        let start = place(range.start);
        let end = if range.is_empty() { start } else { place(range.end - 1) + 1 };
        start..end
    }

    /// The bytes of a range as text.
    pub(super) fn str(&self, range: Range<usize>) -> String {
        String::from_utf8_lossy(self.text.get(range).unwrap_or_default()).into_owned()
    }
}

/// Words of a pasted directive: the next one from `at` on, and where it ends.
pub(super) fn word(source: &str, at: usize) -> Option<(&str, usize)> {
    let rest = source.get(at..)?;
    let start = at + (rest.len() - rest.trim_start().len());
    let word = source[start..].split_ascii_whitespace().next()?;
    Some((word, start + word.len()))
}
