//! The structural index of a line: where its columns start.
//!
//! Columns are separated by one or more spaces; a column that starts with a quote runs to the next quote
//! without a backslash before it, spaces included, and on to the next space. Where that quote is missing
//! the column runs to the line's end, without the spaces there.
//!
//! Invariant: the vector walks, the portable walk and the lexer find the same columns in any bytes.
//!
//! The walk takes 64 bytes at a time as bit masks (the way of simdjson: Langdale and Lemire, "Parsing
//! Gigabytes of JSON per Second", 2019): a running xor of the quotes' bits is 1 inside quotes, so one
//! shift and two ands give the starts of all columns. It assumes that quotes open only at a column's
//! start, close only before a space, and are never escaped; where a line breaks that, the lexer reads it
//! again byte by byte.

mod escaping;
mod near;
mod replacing;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use escaping::Escaping;
pub use near::{begins, each, first_before, first_of, last_of, marks};
pub use replacing::{Replacing, hex_byte, names};

/// Most columns that are indexed; what a line has beyond them is ignored.
pub const COLUMNS_MAX: usize = 48;

/// A power of two above that: starts found in the same block beyond it are dropped.
const STARTS_MAX: usize = 64;

/// What a format knows of its lines beforehand: runs of so many bare columns, in which no quote stands,
/// and so many quoted ones after them. Such lines are indexed faster; others as well.
pub type Shape = &'static [(usize, usize)];

/// Where the columns of one line lie.
#[derive(Clone, Debug)]
pub struct Columns {
    /// First byte of each column, and one byte past the space after the last.
    starts: [u32; STARTS_MAX],
    len: usize,
    /// More than one space stands somewhere between two columns, or after the last.
    wide: bool,
}

impl Default for Columns {
    fn default() -> Columns {
        Columns::new()
    }
}

impl Columns {
    /// No column yet.
    #[inline(always)]
    pub const fn new() -> Columns {
        Columns { starts: [0; STARTS_MAX], len: 0, wide: false }
    }

    /// Indexes the first `wanted` columns of the line at least (no more than [`COLUMNS_MAX`]).
    #[inline(always)]
    pub fn index(&mut self, line: &[u8], wanted: usize, shape: Shape) {
        // Positions are u32; lines are bounded far below that by `line_bytes_max`.
        let line = &line[..line.len().min(u32::MAX as usize - 64)];
        let wanted = wanted.min(COLUMNS_MAX);
        self.len = 0;
        self.wide = false;
        #[cfg(target_arch = "x86_64")]
        if x86::avx512(line, wanted, shape, self) || x86::avx2(line, wanted, shape, self) {
            return;
        }
        portable(line, wanted, shape, self);
    }

    /// How many columns were found whole.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Where the first `N - 1` columns start, and one past the space after them, if the line has so many and one
    /// space between each two: what [`FirstColumns`] needs.
    #[inline(always)]
    pub fn first<const N: usize>(&self) -> Option<FirstColumns<'_, N>> {
        if self.wide || self.len + 1 < N {
            return None;
        }
        Some(FirstColumns { starts: self.starts.first_chunk()? })
    }

    /// Whether the line has no column.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether anything stands between the end of a column that was found and the end of the line.
    pub fn is_followed(&self, line: &[u8], column: usize) -> bool {
        column < self.len && self.range(line, column).1 < line.len()
    }
}

impl ColumnRanges for Columns {
    #[inline(always)]
    fn range(&self, line: &[u8], column: usize) -> (usize, usize) {
        if column >= self.len {
            return (0, 0);
        }
        let start = self.starts[column % STARTS_MAX] as usize;
        let end = self.starts[(column + 1) % STARTS_MAX] as usize - 1;
        if self.wide { trimmed(line, start, end) } else { (start, end) }
    }
}

/// The first `N - 1` columns of a line that has them all, one space apart: found without a question, where
/// the number of the column is a constant.
#[derive(Clone, Copy, Debug)]
pub struct FirstColumns<'c, const N: usize> {
    starts: &'c [u32; N],
}

/// Columns of a line, by number.
pub trait ColumnRanges {
    /// First byte of a column and the byte after its last one. Empty for a column that is not there.
    fn range(&self, line: &[u8], column: usize) -> (usize, usize);

    /// The bytes of a column, quotes included. Empty for a column that is not there.
    #[inline(always)]
    fn get<'a>(&self, line: &'a [u8], column: usize) -> &'a [u8] {
        let (start, end) = self.range(line, column);
        line.get(start..end).unwrap_or_default()
    }
}

impl<const N: usize> ColumnRanges for FirstColumns<'_, N> {
    #[inline(always)]
    fn range(&self, _: &[u8], column: usize) -> (usize, usize) {
        match self.starts.get(column..column + 2) {
            Some([start, next]) => (*start as usize, *next as usize - 1),
            _ => (0, 0),
        }
    }
}

/// The range without the spaces at its end.
#[cold]
fn trimmed(line: &[u8], start: usize, mut end: usize) -> (usize, usize) {
    while end > start && line.get(end - 1) == Some(&b' ') {
        end -= 1;
    }
    (start, end)
}

/// How to look at 64 bytes at once.
trait Block {
    /// A bit for each byte that is this one.
    fn equal(bytes: &[u8; 64], byte: u8) -> u64;

    /// Bit i of the result is the xor of the bits 0 to i.
    fn running_xor(bits: u64) -> u64;

    /// Writes `base` plus the numbers of the bits that are set, in order, as far as there are slots. What it leaves in
    /// the slots behind these is anything.
    fn positions(slots: &mut [u32], base: u32, bits: u64);
}

/// A few at a time, so that the branch between is seldom missed.
#[inline(always)]
fn positions(slots: &mut [u32], base: u32, mut bits: u64) {
    for slots in slots.as_chunks_mut::<4>().0 {
        for slot in slots {
            *slot = base + bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
        }
        if bits == 0 {
            break;
        }
    }
}

/// Plain integer arithmetic, for every machine.
struct Portable;

impl Block for Portable {
    fn equal(bytes: &[u8; 64], byte: u8) -> u64 {
        bytes.iter().enumerate().fold(0, |bits, (i, b)| bits | u64::from(*b == byte) << i)
    }

    fn running_xor(mut bits: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            bits ^= bits << shift;
        }
        bits
    }

    fn positions(slots: &mut [u32], base: u32, bits: u64) {
        positions(slots, base, bits);
    }
}

#[cold]
#[inline(never)]
fn portable(line: &[u8], wanted: usize, shape: Shape, columns: &mut Columns) {
    index::<Portable>(line, wanted, shape, columns);
}

/// By the shape as far as it goes, then the walk; where the line is not what they take it for, the lexer.
#[inline(always)]
fn index<B: Block>(line: &[u8], wanted: usize, shape: Shape, columns: &mut Columns) {
    let from = match shaped::<B>(line, wanted, shape, columns) {
        Some(_) if columns.len >= wanted => return,
        Some(from) => from,
        None => {
            columns.len = 0;
            0
        }
    };
    if walk::<B>(line, from, wanted, columns).is_none() {
        lex(line, wanted, columns);
    }
}

/// Finds the columns of the shape and returns where the next one starts. None if the line is otherwise, or
/// ends within the next 64 bytes.
#[inline(always)]
fn shaped<B: Block>(line: &[u8], wanted: usize, shape: Shape, columns: &mut Columns) -> Option<usize> {
    let mut at = 0;
    columns.starts[0] = 0;
    for &(bare, quoted) in shape {
        // Bare columns: spaces alone, no two of them side by side, and no quote.
        let first = columns.len;
        let (mut base, mut after_space, mut odd) = (at, 1, 0);
        let mut first_quote = usize::MAX;
        columns.len += 1;
        while columns.len <= first + bare {
            let block = line.get(base..)?.first_chunk::<64>()?;
            let spaces = B::equal(block, b' ');
            let quotes = B::equal(block, b'"');
            if quotes != 0 {
                first_quote = first_quote.min(base + quotes.trailing_zeros() as usize);
            }
            odd |= spaces & (spaces << 1 | after_space);
            after_space = spaces >> 63;
            columns.push::<B>(base + 1, spaces);
            base += 64;
        }
        columns.len = first + bare;
        at = columns.starts[columns.len % STARTS_MAX] as usize;
        if odd != 0 || first_quote < at {
            return None;
        }
        // Quoted columns: from a quote to the next one.
        for _ in 0..quoted {
            if *line.get(at)? != b'"' {
                return None;
            }
            let mut close = at + 1;
            loop {
                let quotes = B::equal(line.get(close..)?.first_chunk::<64>()?, b'"');
                if quotes != 0 {
                    close += quotes.trailing_zeros() as usize;
                    break;
                }
                close += 64;
            }
            if *line.get(close - 1)? == b'\\' || *line.get(close + 1)? != b' ' {
                return None;
            }
            at = close + 2;
            columns.len += 1;
            columns.starts[columns.len % STARTS_MAX] = at as u32;
        }
        if columns.len >= wanted {
            break;
        }
    }
    Some(at)
}

/// What one block hands to the next.
struct Carry {
    /// All ones inside quotes.
    inside: u64,
    /// 1 if the last byte was a space outside quotes, or there was none.
    space: u64,
    /// 1 if the last byte was a backslash.
    backslash: u64,
    /// 1 if the last byte closed a quote.
    closing: u64,
    /// Not 0 once a space followed a space outside quotes.
    wide: u64,
    /// Not 0 once a quote stood where the walk cannot judge it.
    odd: u64,
}

impl Carry {
    /// The starts of columns in a block, of which the first bytes have been `seen` before.
    #[inline(always)]
    fn starts<B: Block>(&mut self, block: &[u8; 64], seen: u32, valid: u64) -> u64 {
        let spaces = B::equal(block, b' ') >> seen;
        let quotes = B::equal(block, b'"') >> seen;
        let backslashes = B::equal(block, b'\\') >> seen;
        let inside = B::running_xor(quotes) ^ self.inside;
        let spaces_out = spaces & !inside;
        let after_space = spaces_out << 1 | self.space;
        let closing = quotes & !inside;
        let escaped = (backslashes << 1 | self.backslash) & quotes;
        let opening_within = quotes & inside & !after_space;
        let closing_within = (closing << 1 | self.closing) & !spaces;
        self.odd |= (escaped | opening_within | closing_within) & valid;
        self.wide |= spaces_out & after_space;
        self.inside = (inside.cast_signed() >> 63).cast_unsigned();
        self.space = spaces_out >> 63;
        self.backslash = backslashes >> 63;
        self.closing = closing >> 63;
        !spaces_out & after_space & valid
    }
}

impl Columns {
    /// Adds starts.
    #[inline(always)]
    fn push<B: Block>(&mut self, base: usize, bits: u64) {
        if let Some(slots) = self.starts.get_mut(self.len..) {
            B::positions(slots, base as u32, bits);
        }
        self.len += bits.count_ones() as usize;
    }

    /// Ends the last column at the end of the line, as if a space stood there.
    #[inline(always)]
    fn close(&mut self, line_len: usize) {
        if self.len > COLUMNS_MAX {
            self.len = COLUMNS_MAX;
        } else {
            self.starts[self.len] = line_len as u32 + 1;
        }
    }
}

/// The walk over all blocks from the start of a column until enough columns are known. None if there was
/// a quote that it cannot judge.
#[inline(always)]
fn walk<B: Block>(line: &[u8], from: usize, wanted: usize, columns: &mut Columns) -> Option<()> {
    let mut carry = Carry { inside: 0, space: 1, backslash: 0, closing: 0, wide: 0, odd: 0 };
    let (blocks, rest) = line.get(from..)?.as_chunks::<64>();
    let mut base = from;
    for block in blocks {
        let starts = carry.starts::<B>(block, 0, u64::MAX);
        columns.push::<B>(base, starts);
        base += 64;
        if columns.len > wanted {
            break;
        }
    }
    if columns.len > wanted {
        // The last start only ends the column before it.
        columns.len = (columns.len - 1).min(COLUMNS_MAX);
    } else {
        if !rest.is_empty() {
            let mut padded = [0; 64];
            let (block, seen) = match line.last_chunk::<64>() {
                Some(last) => (last, 64 - rest.len() as u32),
                None => {
                    padded[..rest.len()].copy_from_slice(rest);
                    (&padded, 0)
                }
            };
            let starts = carry.starts::<B>(block, seen, (1 << rest.len()) - 1);
            columns.push::<B>(base, starts);
        }
        // The last column ends where the line does, but for spaces; an open quote may have them within.
        carry.wide |= u64::from(line.last() == Some(&b' '));
        columns.close(line.len());
    }
    columns.wide = carry.wide != 0;
    (carry.odd == 0).then_some(())
}

/// The grammar byte by byte.
#[cold]
#[inline(never)]
fn lex(line: &[u8], wanted: usize, columns: &mut Columns) {
    columns.len = 0;
    columns.wide = true;
    let mut at = 0;
    while columns.len <= wanted {
        at += line[at..].iter().take_while(|b| **b == b' ').count();
        if at >= line.len() {
            columns.close(line.len());
            return;
        }
        columns.starts[columns.len] = at as u32;
        columns.len += 1;
        if line[at] == b'"' {
            at += 1;
            while at < line.len() && line[at] != b'"' {
                at += if line[at] == b'\\' { 2 } else { 1 };
            }
            at = (at + 1).min(line.len());
        }
        at += line[at..].iter().take_while(|b| **b != b' ').count();
    }
    columns.len -= 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trimmed(column: &[u8]) -> &[u8] {
        &column[..column.iter().rposition(|b| *b != b' ').map_or(0, |last| last + 1)]
    }

    /// The grammar once more, as a machine over states, sharing nothing with the above.
    fn obvious(line: &[u8]) -> Vec<&[u8]> {
        let (mut columns, mut start, mut quoted, mut escaped) = (Vec::new(), None, false, false);
        for (i, &byte) in line.iter().enumerate() {
            match start {
                None if byte == b' ' => {}
                None => {
                    start = Some(i);
                    quoted = byte == b'"';
                }
                Some(_) if quoted => {
                    quoted = escaped || byte != b'"';
                    escaped = !escaped && byte == b'\\';
                }
                Some(s) if byte == b' ' => {
                    columns.push(&line[s..i]);
                    start = None;
                }
                Some(_) => {}
            }
        }
        columns.extend(start.map(|s| trimmed(&line[s..])));
        columns
    }

    /// Shapes that lines may or may not have.
    const SHAPES: [Shape; 5] = [&[], &[(1, 1)], &[(3, 0)], &[(12, 2)], &[(12, 2), (3, 3), (2, 0)]];

    fn check(line: &[u8], wanted: usize) {
        let wanted = wanted.min(COLUMNS_MAX);
        let expected = obvious(line);
        let mut found = Vec::new();
        for shape in SHAPES {
            let mut columns = Columns { starts: [7; STARTS_MAX], len: 0, wide: false };
            portable(line, wanted, shape, &mut columns);
            found.push((columns, "portable"));
            let mut dispatched = Columns::new();
            dispatched.index(line, wanted, shape);
            found.push((dispatched, "dispatched"));
            #[cfg(target_arch = "x86_64")]
            for (name, way) in x86::WAYS {
                let mut columns = Columns { starts: [9; STARTS_MAX], len: 0, wide: false };
                if way(line, wanted, shape, &mut columns) {
                    found.push((columns, name));
                }
            }
        }
        let mut lexed = found[0].0.clone();
        lex(line, wanted, &mut lexed);
        found.push((lexed, "lexer"));
        for (columns, way) in found {
            // A shape may find more than is wanted.
            assert!(columns.len() >= wanted.min(expected.len()), "{way} {line:?}");
            assert!(columns.len() <= expected.len(), "{way} {line:?}");
            for (i, column) in expected.iter().take(columns.len()).enumerate() {
                assert_eq!(columns.get(line, i), *column, "{way} column {i}");
                let end = column.as_ptr_range().end as usize - line.as_ptr() as usize;
                assert_eq!(columns.is_followed(line, i), end < line.len(), "{way} column {i}");
            }
            assert_eq!(columns.get(line, columns.len()), b"");
        }
    }

    #[test]
    fn columns_of_small_lines() {
        let cases: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b"   ", &[]),
            (b"a", &[b"a"]),
            (b"a b", &[b"a", b"b"]),
            (b"  a   b  ", &[b"a", b"b"]),
            (br#"a "b c" d"#, &[b"a", br#""b c""#, b"d"]),
            (br#"a "" d"#, &[b"a", br#""""#, b"d"]),
            (br#""a  b""#, &[br#""a  b""#]),
            (br#""a \" b" c"#, &[br#""a \" b""#, b"c"]),
            (br#""a \\" c"#, &[br#""a \\""#, b"c"]),
            (br#"a"b c"d"#, &[br#"a"b"#, br#"c"d"#]),
            (br#""a b"c d"#, &[br#""a b"c"#, b"d"]),
            (br#""h2","http/1.1" x"#, &[br#""h2","http/1.1""#, b"x"]),
            (br#"a "b c"#, &[b"a", br#""b c"#]),
            (br#"a "b\"#, &[b"a", br#""b\"#]),
            (b"a\tb \x00 c", &[b"a\tb", b"\x00", b"c"]),
        ];
        for (line, columns) in cases {
            assert_eq!(obvious(line), *columns, "{}", String::from_utf8_lossy(line));
            // The same at every place within a block and across the border of two.
            for pad in 0..130 {
                let mut padded = vec![b' '; pad];
                padded.extend_from_slice(line);
                check(&padded, COLUMNS_MAX);
                check(&padded, 1);
            }
        }
    }

    #[test]
    fn columns_beyond_the_most_are_ignored() {
        for columns in [COLUMNS_MAX - 1, COLUMNS_MAX, COLUMNS_MAX + 1, 500] {
            for column in ["a ", "aaaaaaa ", "\"a b\"  "] {
                let line = column.repeat(columns);
                check(line.as_bytes(), COLUMNS_MAX);
                check(line.trim_end().as_bytes(), COLUMNS_MAX);
                let mut columns = Columns::new();
                columns.index(line.as_bytes(), usize::MAX, SHAPES[0]);
                assert!(columns.len() <= COLUMNS_MAX);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes(line in proptest::collection::vec(any::<u8>(), 0..300), wanted in 0..COLUMNS_MAX + 2) {
            check(&line, wanted);
        }

        #[test]
        fn lines_of_structure(line in "[a \"\\\\]{0,200}", wanted in 0..COLUMNS_MAX + 2) {
            check(line.as_bytes(), wanted);
        }

        #[test]
        fn lines_with_a_shape(line in "([a-z0-9:]{1,20} ){12}(\"[a-z \\\\]{0,99}\" ?){2}( ?[a-z]{1,30}| \"[a-z ]{0,9}\"?){0,20}") {
            check(line.as_bytes(), 22);
            check(line.as_bytes(), COLUMNS_MAX);
        }

        #[test]
        fn lines_like_logs(line in "(([a-z0-9]{1,20}|\"[a-z \\\\]{0,40}\") ){0,60}", wanted in 0..COLUMNS_MAX + 2) {
            check(line.as_bytes(), wanted);
        }
    }
}
