//! A block of whole lines in a thread's own buffer.
//!
//! Invariant: a block ends at the end of a line. Only its last line can be cut, and then its true length is known.

use std::ops::Range;

/// A thread's memory for one block; it grows to the size of a block plus the longest line.
#[derive(Default, Debug)]
pub struct Buffer {
    pub(super) bytes: Vec<u8>,
    /// The thread's number with the dealer.
    pub(super) thread: Option<usize>,
}

/// Whole lines of one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    /// Index of the file in the order of reading (see [`Dealer::name`](super::Dealer::name)).
    pub file: usize,
    /// What this block accounts for in the running order over all files, unpacked bytes. Spans of blocks follow one another
    /// without holes; for a plain file they are ranges that its lines *start* in.
    pub span: Range<i64>,
    /// Where the span starts in the (unpacked) file.
    pub start: u64,
    /// Where the first line starts in the (unpacked) file; not before `start`.
    pub offset: u64,
    /// The lines with their line ends; the last one may have none.
    pub bytes: &'a [u8],
    /// The true length of the last line, without its line end, if it was too long and cut.
    pub cut: Option<u64>,
}

/// One line of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// Its bytes without `\n`; only the beginning if it was cut.
    pub bytes: &'a [u8],
    /// Its length without `\n`.
    pub length: u64,
    /// Where it starts in the (unpacked) file.
    pub offset: u64,
}

impl<'a> Block<'a> {
    /// A line's place in the running order over all files: what names it in dead letters. It lies in `span`.
    pub fn position(&self, line: &Line<'_>) -> i64 {
        self.span.start.saturating_add_unsigned(line.offset - self.start)
    }

    /// The lines in order.
    #[inline]
    pub fn lines(&self) -> Lines<'a> {
        Lines { rest: self.bytes, offset: self.offset, cut: self.cut }
    }
}

/// See [`Block::lines`].
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    offset: u64,
    cut: Option<u64>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.offset;
        match memchr::memchr(b'\n', self.rest) {
            Some(end) => {
                let bytes = &self.rest[..end];
                self.rest = &self.rest[end + 1..];
                self.offset += end as u64 + 1;
                Some(Line { bytes, length: end as u64, offset })
            }
            None => {
                let bytes = std::mem::take(&mut self.rest);
                Some(Line { bytes, length: self.cut.unwrap_or(bytes.len() as u64), offset })
            }
        }
    }
}
