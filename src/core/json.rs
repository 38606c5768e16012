//! Members of JSON objects by path, in one pass over the bytes and without building anything.
//!
//! A [`Walker`] holds a set of paths and finds where their values lie in a line. Values stay as they were
//! written ([`Raw`]); texts with escapes are decoded only where the caller asks, into a buffer that the walker
//! keeps from line to line.
//!
//! - A path is keys joined by dots: `log.file.path`. Shippers write such a key nested or flat, so any run of its
//!   parts may be one key: `{"log":{"file.path":1}}` has it too. A part that is a number is also an index into an
//!   array: `headers.Host.0`, or `headers.Host[0]`.
//! - Of members with the same path the first counts, however it is spelt: what stands later in a line is more often
//!   the client's.
//! - Grammar: RFC 8259 objects, but bytes of texts are not checked (UTF-8, control characters), and a half of a
//!   surrogate pair stands for U+FFFD. At most 127 levels.
//! - [`Walker::repair`] reads a line once more by wider rules, for JSON that servers paste together; what had to be
//!   repaired is told in [`Repairs`].
//!
//! Invariant: what is found is a function of the line alone. What the walker remembers of earlier lines
//! (`memory.rs`) only makes the same answer faster.

mod memory;
mod paths;
mod text;
mod walk;

pub use text::{decode, text_stop};

use memory::Memory;
use paths::Trie;
use std::fmt;

/// A value as it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Raw<'a> {
    /// `null`; after a repair also a value that is missing, or a bare `-`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number's text.
    Number(&'a [u8]),
    /// A text without escapes, or one that was decoded; without its quotes.
    Text(&'a [u8]),
    /// A text in which a backslash stands; without its quotes. See [`Walker::decode`] and [`decode`].
    Escaped(&'a [u8]),
    /// After a repair: what stands where a value belongs and is none, as `0.1, 0.2` or `10.0.0.1:80`.
    Bare(&'a [u8]),
    /// An object, braces included.
    Object(&'a [u8]),
    /// An array, brackets included. See [`elements`].
    Array(&'a [u8]),
}

/// Why a line is no JSON object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// It does not begin with `{`.
    NoObject,
    /// It ends inside the object.
    Cut,
    /// At that byte stands what JSON does not allow.
    Broken(usize),
}

/// What was repaired in a line.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Repairs {
    /// A value that is missing, a bare `-`, or bare text.
    pub values: bool,
    /// A backslash before what needs none: `\x22` stands for that byte, others for themselves.
    pub escapes: bool,
    /// A comma before the closing brace.
    pub commas: bool,
}

impl Repairs {
    /// What was repaired, in words; none if nothing was.
    pub const fn name(self) -> Option<&'static str> {
        Some(match (self.values, self.escapes, self.commas) {
            (false, false, false) => return None,
            (true, false, false) => "value",
            (false, true, false) => "escape",
            (false, false, true) => "comma",
            (true, true, false) => "value,escape",
            (true, false, true) => "value,comma",
            (false, true, true) => "escape,comma",
            (true, true, true) => "value,escape,comma",
        })
    }
}

/// Where a value lies.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
    kind: Kind,
}

/// What lies there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Absent,
    Null,
    True,
    False,
    Number,
    Text,
    Escaped,
    /// A text that lies in the buffer of decoded ones.
    Decoded,
    Bare,
    Object,
    Array,
}

impl Span {
    const ABSENT: Span = Span { start: 0, end: 0, kind: Kind::Absent };

    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    fn raw<'a>(self, line: &'a [u8], decoded: &'a [u8]) -> Option<Raw<'a>> {
        let bytes = || line.get(self.range()).unwrap_or_default();
        Some(match self.kind {
            Kind::Absent => return None,
            Kind::Null => Raw::Null,
            Kind::True => Raw::Boolean(true),
            Kind::False => Raw::Boolean(false),
            Kind::Number => Raw::Number(bytes()),
            Kind::Text => Raw::Text(bytes()),
            Kind::Escaped => Raw::Escaped(bytes()),
            Kind::Decoded => Raw::Text(decoded.get(self.range()).unwrap_or_default()),
            Kind::Bare => Raw::Bare(bytes()),
            Kind::Object => Raw::Object(bytes()),
            Kind::Array => Raw::Array(bytes()),
        })
    }
}

/// Finds the values of a set of paths, line after line. A path is known by its number in the order given.
pub struct Walker {
    trie: Trie,
    memory: Memory,
    /// By path, of the last line.
    spans: Vec<Span>,
    /// The paths that have one.
    present: Vec<u16>,
    decoded: Vec<u8>,
    /// A text was kept that has escapes.
    has_escapes: bool,
    repairs: Repairs,
}

impl Walker {
    /// A walker for these paths (at most 65,000). Equal paths are found alike.
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Walker {
        Walker::of_some(paths.into_iter().map(Some))
    }

    /// The same, but numbers without a path are never found.
    pub fn of_some<'p>(paths: impl IntoIterator<Item = Option<&'p str>>) -> Walker {
        let mut trie = Trie::new();
        let mut count = 0;
        for path in paths {
            if let Some(path) = path {
                trie.add(path, count);
            }
            count += 1;
        }
        Walker {
            trie,
            memory: Memory::new(),
            spans: vec![Span::ABSENT; count],
            present: Vec::new(),
            decoded: Vec::new(),
            has_escapes: false,
            repairs: Repairs::default(),
        }
    }

    /// Finds what the line has of the paths; forgets what was found before.
    ///
    /// # Errors
    /// If the line is no JSON object. What was found until then is kept.
    pub fn walk(&mut self, line: &[u8]) -> Result<(), Malformed> {
        self.run::<false>(line)
    }

    /// The same by wider rules: see [`Repairs`].
    ///
    /// # Errors
    /// If even these do not make it an object.
    #[cold]
    pub fn repair(&mut self, line: &[u8]) -> Result<Repairs, Malformed> {
        self.run::<true>(line).map(|()| self.repairs)
    }

    /// The value of a path, as found in `line` by the last walk.
    #[inline]
    pub fn get<'a>(&'a self, line: &'a [u8], path: usize) -> Option<Raw<'a>> {
        self.spans.get(path)?.raw(line, &self.decoded)
    }

    /// The value of a path as it is written, and where it lies among the bytes that come first: a text without its quotes, a number, an
    /// array, `true` and `false`. None for objects and `null`. Numbers are read faster where the bytes before them are there too.
    #[inline(always)]
    pub fn written<'a>(&'a self, line: &'a [u8], path: usize) -> Option<(&'a [u8], std::ops::Range<usize>)> {
        let span = self.spans.get(path)?;
        match span.kind {
            Kind::Text
            | Kind::Number
            | Kind::True
            | Kind::False
            | Kind::Escaped
            | Kind::Bare
            | Kind::Array => Some((line, span.range())),
            Kind::Decoded => Some((&self.decoded, span.range())),
            Kind::Absent | Kind::Null | Kind::Object => None,
        }
    }

    /// Whether the last line has the path, with `null` or any other value.
    #[inline]
    pub fn has(&self, path: usize) -> bool {
        self.spans.get(path).is_some_and(|span| span.kind != Kind::Absent)
    }

    /// The text of a path; none where it is no text. One with escapes must have been decoded.
    #[inline]
    pub fn text<'a>(&'a self, line: &'a [u8], path: usize) -> Option<&'a [u8]> {
        match self.get(line, path)? {
            Raw::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Decodes the text of a path, if it has escapes. From then on [`Walker::get`] gives it as text.
    #[inline(always)]
    pub fn decode(&mut self, line: &[u8], path: usize) {
        if let Some(span) = self.spans.get_mut(path)
            && span.kind == Kind::Escaped
        {
            let start = self.decoded.len() as u32;
            decode(line.get(span.range()).unwrap_or_default(), &mut self.decoded);
            *span = Span { start, end: self.decoded.len() as u32, kind: Kind::Decoded };
        }
    }

    /// Whether any text that was found has escapes.
    #[inline(always)]
    pub fn has_escapes(&self) -> bool {
        self.has_escapes
    }

    /// Decodes every text that has escapes.
    #[inline]
    pub fn decode_all(&mut self, line: &[u8]) {
        if !self.has_escapes {
            return;
        }
        for i in 0..self.present.len() {
            self.decode(line, usize::from(self.present[i]));
        }
    }

    /// The paths that the last line has, in the order of the line.
    #[inline]
    pub fn present(&self) -> &[u16] {
        &self.present
    }
}

impl fmt::Debug for Walker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walker").field("paths", &self.spans.len()).finish_non_exhaustive()
    }
}

/// The elements of an array as it stands in a line, one after another, without allocating. Ends early where it
/// is none.
pub fn elements(array: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    walk::Elements::new(array)
}

#[cfg(test)]
mod tests;
