//! Where the values of one line lie, for formats whose columns are declared: by number, whatever found them.
//!
//! Invariant: a cell's range lies within the bytes that were split.

use crate::core::scan::each;

/// Most columns that are looked at.
pub(super) const CELLS_MAX: usize = 128;

/// The cells of a line. Kept from line to line, so that finding them allocates nothing.
#[derive(Debug)]
pub(super) struct Cells {
    ranges: Box<[(u32, u32); CELLS_MAX]>,
    len: usize,
}

impl Cells {
    pub(super) fn new() -> Cells {
        Cells { ranges: Box::new([(0, 0); CELLS_MAX]), len: 0 }
    }

    /// How many cells there are.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Where a cell lies; empty for one that is not there.
    #[inline(always)]
    pub(super) fn range(&self, cell: usize) -> (usize, usize) {
        if cell >= self.len.min(CELLS_MAX) {
            return (0, 0);
        }
        let (start, end) = self.ranges[cell];
        (start as usize, end as usize)
    }

    /// The bytes of a cell of these bytes.
    #[inline(always)]
    pub(super) fn get<'a>(&self, bytes: &'a [u8], cell: usize) -> &'a [u8] {
        let (start, end) = self.range(cell);
        bytes.get(start..end).unwrap_or_default()
    }

    /// Makes room for so many cells, all of them empty.
    #[inline(always)]
    pub(super) fn reset(&mut self, len: usize) {
        self.make_room(len);
        self.empty_from(0);
    }

    /// Makes room for so many cells, of which each must still be set.
    #[inline(always)]
    pub(super) fn make_room(&mut self, len: usize) {
        self.len = len.min(CELLS_MAX);
    }

    /// Empties the cells from that one on.
    #[inline(always)]
    pub(super) fn empty_from(&mut self, first: usize) {
        self.ranges[first.min(self.len)..self.len].fill((0, 0));
    }

    /// Says where a cell lies.
    #[inline(always)]
    pub(super) fn set(&mut self, cell: usize, start: usize, end: usize) {
        if cell < self.len {
            // Lines are bounded far below 4 GiB by `line_bytes_max`; beyond that a cell is empty.
            self.ranges[cell] = match (u32::try_from(start), u32::try_from(end)) {
                (Ok(start), Ok(end)) => (start, end),
                _ => (0, 0),
            };
        }
    }

    /// Forgets the last cell.
    pub(super) fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    /// Appends a cell; false if there is no room.
    #[inline(always)]
    fn push(&mut self, start: usize, end: usize) -> bool {
        if self.len >= CELLS_MAX {
            return false;
        }
        self.len += 1;
        self.set(self.len - 1, start, end);
        true
    }

    /// Splits at every separator; two of them side by side have an empty cell between. The rest of a line
    /// with more cells than there is room for is left out.
    #[inline(always)]
    pub(super) fn split(&mut self, line: &[u8], separator: u8) {
        self.len = 0;
        let mut start = 0;
        each(line, separator, |end| {
            let is_full = !self.push(start, end);
            start = end + 1;
            is_full
        });
        self.push(start, line.len());
    }

    /// Splits at separators, but a cell that begins with a quote runs to the quote that a separator or the
    /// end follows; within, a quote is written twice. Spaces as separators may stand side by side.
    pub(super) fn split_quoted(&mut self, line: &[u8], separator: u8) {
        self.len = 0;
        let mut at = 0;
        loop {
            if separator == b' ' {
                at += line[at..].iter().take_while(|b| **b == b' ').count();
                if at == line.len() {
                    return;
                }
            }
            let end = quoted_end(&line[at..], separator)
                .or_else(|| line[at..].iter().position(|b| *b == separator));
            let end = end.map_or(line.len(), |end| at + end);
            if !self.push(at, end) || end == line.len() {
                return;
            }
            at = end + 1;
        }
    }

    /// Takes the quotes off a cell that has them on both ends.
    pub(super) fn unquote(&mut self, line: &[u8]) {
        for range in &mut self.ranges[..self.len] {
            if let Some([b'"', .., b'"']) = line.get(range.0 as usize..range.1 as usize) {
                *range = (range.0 + 1, range.1 - 1);
            }
        }
    }
}

/// Where the cell ends that begins with a quote. None if it does not, or nothing closes it.
fn quoted_end(text: &[u8], separator: u8) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        at += memchr::memchr(b'"', &text[at..])?;
        match text.get(at + 1) {
            None => return Some(at + 1),
            Some(b) if *b == separator => return Some(at + 1),
            Some(b'"') => at += 2,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(line: &str, split: impl Fn(&mut Cells, &[u8])) -> Vec<String> {
        let mut cells = Cells::new();
        split(&mut cells, line.as_bytes());
        cells.unquote(line.as_bytes());
        (0..cells.len()).map(|i| String::from_utf8_lossy(cells.get(line.as_bytes(), i)).into()).collect()
    }

    #[test]
    fn plain_and_quoted() {
        let plain = |line| cells(line, |c, l| c.split(l, b'\t'));
        assert_eq!(plain("a\t\tb\t"), ["a", "", "b", ""]);
        assert_eq!(plain(""), [""]);
        let quoted = |line| cells(line, |c, l| c.split_quoted(l, b' '));
        assert_eq!(quoted("a  \"b \"\"c\"\" d\" e "), ["a", "b \"\"c\"\" d", "e"]);
        assert_eq!(quoted("\"a b"), ["\"a", "b"]);
        assert_eq!(quoted("\"\" \"a\"b c\" d"), ["", "a\"b c", "d"]);
        let commas = |line| cells(line, |c, l| c.split_quoted(l, b','));
        assert_eq!(commas("a,,\"b,c\","), ["a", "", "b,c", ""]);
    }

    #[test]
    fn more_cells_than_there_is_room_for_are_left_out() {
        let line = "a\t".repeat(CELLS_MAX + 9);
        let mut cells = Cells::new();
        cells.split(line.as_bytes(), b'\t');
        assert_eq!(cells.len(), CELLS_MAX);
        assert_eq!(cells.get(line.as_bytes(), CELLS_MAX), b"");
    }
}
