//! The walk over one line.

use super::memory::Place;
use super::paths::NONE;
use super::text::{decode, escape, escaped_end, text_stop};
use super::{Kind, Malformed, Raw, Repairs, Span, Walker};

/// Deepest nesting.
const DEPTH_MAX: u32 = 127;

/// Most bytes of a line.
const LINE_MAX: usize = u32::MAX as usize - 1;

type Walked<T> = Result<T, Malformed>;

impl Walker {
    pub(super) fn run<const REPAIR: bool>(&mut self, line: &[u8]) -> Walked<()> {
        for path in self.present.drain(..) {
            self.spans[usize::from(path)] = Span::ABSENT;
        }
        self.decoded.clear();
        self.has_escapes = false;
        self.repairs = Repairs::default();
        self.memory.start();
        if line.len() > LINE_MAX {
            return Err(Malformed::Broken(LINE_MAX));
        }
        let at = space(line, 0);
        if line.get(at) != Some(&b'{') {
            return Err(Malformed::NoObject);
        }
        let end = self.object::<REPAIR>(line, at + 1, 0, 1)?;
        match space(line, end) {
            end if end == line.len() => Ok(()),
            end => Err(Malformed::Broken(end)),
        }
    }

    /// The members after an opening brace; returns the place after the closing one.
    fn object<const REPAIR: bool>(
        &mut self,
        line: &[u8],
        mut at: usize,
        node: u16,
        depth: u32,
    ) -> Walked<usize> {
        let mut place = Place { node, is_first: true };
        loop {
            let child;
            (child, at) = match self.memory.guess(place, line, at) {
                Some(known) => known,
                None => match self.next_key::<REPAIR>(line, at, place)? {
                    (Some(child), at) => (child, at),
                    (None, at) => return Ok(at),
                },
            };
            place.is_first = false;
            at = match line.get(at) {
                Some(b'"') => self.text_value::<REPAIR>(line, at, child)?,
                _ => self.value::<REPAIR>(line, space(line, at), child, depth)?,
            };
        }
    }

    /// The next key: the node that it leads to, and where its value begins. No node where the object ends instead, and the place
    /// after it.
    #[inline(never)]
    fn next_key<const REPAIR: bool>(
        &mut self,
        line: &[u8],
        start: usize,
        place: Place,
    ) -> Walked<(Option<u16>, usize)> {
        let mut at = space(line, start);
        match line.get(at) {
            Some(b'}') => return Ok((None, at + 1)),
            Some(b',') if !place.is_first => {
                at = space(line, at + 1);
                if REPAIR && line.get(at) == Some(&b'}') {
                    self.repairs.commas = true;
                    return Ok((None, at + 1));
                }
            }
            _ if place.is_first => {}
            other => return wrong(other, at),
        }
        match line.get(at) {
            Some(b'"') => {}
            other => return wrong(other, at),
        }
        let (end, escaped) = self.string::<REPAIR>(line, at + 1)?;
        let colon = space(line, end + 1);
        match line.get(colon) {
            Some(b':') => {}
            other => return wrong(other, colon),
        }
        let value = space(line, colon + 1);
        let Some(from) = self.trie.node(place.node) else { return Ok((Some(NONE), value)) };
        if escaped {
            let start = self.decoded.len();
            decode(&line[at + 1..end], &mut self.decoded);
            let child = from.child(&self.decoded[start..]);
            self.decoded.truncate(start);
            return Ok((Some(child), value));
        }
        let child = from.child(&line[at + 1..end]);
        self.memory.learn(place, &line[start..value], child);
        Ok((Some(child), value))
    }

    /// The text that begins with the quote there; returns the place after it.
    #[inline(always)]
    fn text_value<const REPAIR: bool>(&mut self, line: &[u8], at: usize, node: u16) -> Walked<usize> {
        let (end, escaped) = self.string::<REPAIR>(line, at + 1)?;
        let kind = if escaped { Kind::Escaped } else { Kind::Text };
        if escaped {
            self.has_escapes = true;
        }
        self.found(node, Span { start: at as u32 + 1, end: end as u32, kind });
        Ok(end + 1)
    }

    /// The value there, which the node is asked for; returns the place after it.
    #[inline(always)]
    fn value<const REPAIR: bool>(&mut self, line: &[u8], at: usize, node: u16, depth: u32) -> Walked<usize> {
        let (span, end) = match line.get(at) {
            Some(b'"') => return self.text_value::<REPAIR>(line, at, node),
            Some(b'{' | b'[') => return self.container::<REPAIR>(line, at, node, depth),
            Some(_) => {
                let (kind, end) = match scalar(line, at) {
                    Ok((kind, end)) if !REPAIR || ends_value(line, end) => (kind, end),
                    Err(error) if !REPAIR => return Err(error),
                    _ => self.bare(line, at)?,
                };
                (Span { start: at as u32, end: end as u32, kind }, end)
            }
            None => return Err(Malformed::Cut),
        };
        self.found(node, span);
        Ok(match span.kind {
            // The spaces before a comma belong to nothing.
            Kind::Bare | Kind::Null if REPAIR => space(line, end),
            _ => end,
        })
    }

    fn container<const REPAIR: bool>(
        &mut self,
        line: &[u8],
        at: usize,
        node: u16,
        depth: u32,
    ) -> Walked<usize> {
        if depth >= DEPTH_MAX {
            return Err(Malformed::Broken(at));
        }
        // Kept before what is inside it, so that the first of two is the outer one's too.
        let is_first = self.found(node, Span { start: at as u32, end: at as u32, kind: Kind::Null });
        let inner = if self.trie.node(node).is_some_and(super::paths::Node::goes_on) { node } else { NONE };
        let kind = if line[at] == b'{' { Kind::Object } else { Kind::Array };
        let end = if !REPAIR && inner == NONE {
            pass(line, at, depth)?
        } else if line[at] == b'{' {
            self.object::<REPAIR>(line, at + 1, inner, depth + 1)?
        } else {
            self.array::<REPAIR>(line, at + 1, inner, depth + 1)?
        };
        if is_first {
            for &path in self.trie.node(node).iter().flat_map(|node| &node.paths) {
                let span = &mut self.spans[usize::from(path)];
                if span.start == at as u32 && span.kind == Kind::Null {
                    *span = Span { start: at as u32, end: end as u32, kind };
                }
            }
        }
        Ok(end)
    }

    fn array<const REPAIR: bool>(&mut self, line: &[u8], at: usize, node: u16, depth: u32) -> Walked<usize> {
        let indexed = self.trie.node(node).is_some_and(|node| node.indexed);
        let mut at = space(line, at);
        if line.get(at) == Some(&b']') {
            return Ok(at + 1);
        }
        let mut index = 0u32;
        loop {
            let child = match self.trie.node(node) {
                Some(node) if indexed => node.child(digits(index, &mut [0; 10])),
                _ => NONE,
            };
            // Within arrays nothing is repaired but texts: where would a bare value end?
            at = match line.get(at) {
                Some(b'"' | b'{' | b'[') => self.value::<REPAIR>(line, at, child, depth)?,
                _ => self.value::<false>(line, at, child, depth)?,
            };
            at = space(line, at);
            match line.get(at) {
                Some(b',') => at = space(line, at + 1),
                Some(b']') => return Ok(at + 1),
                other => return wrong(other, at),
            }
            index = index.saturating_add(1);
        }
    }

    /// Keeps a value for every path that ends at the node, if it has none yet; whether it was kept for any.
    #[inline(always)]
    fn found(&mut self, node: u16, value: Span) -> bool {
        let Some(node) = self.trie.node(node) else { return false };
        let mut kept = false;
        for &path in &node.paths {
            let span = &mut self.spans[usize::from(path)];
            if span.kind == Kind::Absent {
                *span = value;
                self.present.push(path);
                kept = true;
            }
        }
        kept
    }

    /// The place of the quote that ends a text, and whether a backslash stands in it.
    #[inline(always)]
    fn string<const REPAIR: bool>(&mut self, line: &[u8], at: usize) -> Walked<(usize, bool)> {
        match text_stop(line, at) {
            Some(end) if line[end] == b'"' => Ok((end, false)),
            Some(backslash) => self.escaped::<REPAIR>(line, backslash).map(|end| (end, true)),
            None => Err(Malformed::Cut),
        }
    }

    #[cold]
    fn escaped<const REPAIR: bool>(&mut self, line: &[u8], mut at: usize) -> Walked<usize> {
        if let Some(end) = escaped_end(line, at) {
            return Ok(end);
        }
        loop {
            match line.get(at) {
                Some(b'"') => return Ok(at),
                Some(b'\\') => {}
                _ => {
                    at = text_stop(line, at).ok_or(Malformed::Cut)?;
                    continue;
                }
            }
            at += match escape(line, at) {
                Ok(read) => read,
                Err(Malformed::Broken(_)) if REPAIR => {
                    self.repairs.escapes = true;
                    1
                }
                Err(error) => return Err(error),
            };
        }
    }

    /// What stands where a value belongs: to a comma before the next key, or to a brace.
    fn bare(&mut self, line: &[u8], at: usize) -> Walked<(Kind, usize)> {
        let mut end = at;
        loop {
            match line.get(end) {
                None => return Err(Malformed::Cut),
                Some(b'}') => break,
                Some(b',') if matches!(line.get(space(line, end + 1)), Some(b'"' | b'}') | None) => break,
                Some(b'"' | b'\\' | b'{' | b'[' | b']') => return Err(Malformed::Broken(end)),
                Some(_) => end += 1,
            }
        }
        let text = line[at..end].trim_ascii_end();
        self.repairs.values = true;
        let kind = if matches!(text, b"" | b"-") { Kind::Null } else { Kind::Bare };
        Ok((kind, at + text.len()))
    }
}

/// The place after a value in which nothing is looked for. What it allows and refuses is what the walk does.
fn pass(line: &[u8], mut at: usize, depth: u32) -> Walked<usize> {
    // Whether the innermost one that is open is an object, in the lowest bit, and so on outwards.
    let (mut objects, mut level) = (0u128, depth);
    loop {
        match line.get(at) {
            Some(b'"') => at = pass_text(line, at + 1)?,
            // Headers are mostly arrays of one text.
            Some(b'[') if line.get(at + 1) == Some(&b'"') && level < DEPTH_MAX => {
                at = pass_text(line, at + 2)?;
                if line.get(at) == Some(&b']') {
                    at += 1;
                } else {
                    (objects, level) = (objects << 1, level + 1);
                }
            }
            Some(open @ (b'[' | b'{')) => {
                // Arrays in arrays are opened, and closed, many at once.
                let is_object = *open == b'{';
                let opened = if is_object { 1 } else { run(line, at, b'[') };
                if opened > DEPTH_MAX - level {
                    return Err(Malformed::Broken(at + (DEPTH_MAX - level) as usize));
                }
                (objects, level) = (objects << opened | u128::from(is_object), level + opened);
                at = space(line, at + opened as usize);
                if line.get(at) == Some(if is_object { &b'}' } else { &b']' }) {
                    (at, objects, level) = (at + 1, objects >> 1, level - 1);
                } else {
                    if is_object {
                        at = pass_key(line, at)?;
                    }
                    continue;
                }
            }
            Some(_) => at = scalar(line, at)?.1,
            None => return Err(Malformed::Cut),
        }
        // Behind a value.
        loop {
            if level == depth {
                return Ok(at);
            }
            let is_object = objects & 1 != 0;
            at = space(line, at);
            let closed = match line.get(at) {
                Some(b',') => {
                    at = space(line, at + 1);
                    if is_object {
                        at = pass_key(line, at)?;
                    }
                    break;
                }
                Some(b'}') if is_object => 1,
                Some(b']') if !is_object => {
                    run(line, at, b']').min(objects.trailing_zeros()).min(level - depth)
                }
                other => return wrong(other, at),
            };
            (at, objects, level) = (at + closed as usize, objects >> closed, level - closed);
        }
    }
}

/// How often the byte that stands there does so in a row; that it does so more often than there are levels is enough.
#[inline(always)]
fn run(line: &[u8], at: usize, byte: u8) -> u32 {
    // Mostly there is one.
    if line.get(at + 1) != Some(&byte) {
        return 1;
    }
    let rest = line.get(at..).unwrap_or_default();
    rest.iter().take(DEPTH_MAX as usize + 1).take_while(|b| **b == byte).count() as u32
}

/// The place of the value behind a key.
#[inline(always)]
fn pass_key(line: &[u8], at: usize) -> Walked<usize> {
    let colon = match line.get(at) {
        Some(b'"') => space(line, pass_text(line, at + 1)?),
        other => return wrong(other, at),
    };
    match line.get(colon) {
        Some(b':') => Ok(space(line, colon + 1)),
        other => wrong(other, colon),
    }
}

/// The place after the quote that ends a text.
#[inline]
fn pass_text(line: &[u8], mut at: usize) -> Walked<usize> {
    loop {
        at = text_stop(line, at).ok_or(Malformed::Cut)?;
        if line[at] == b'"' {
            return Ok(at + 1);
        }
        if let Some(end) = escaped_end(line, at) {
            return Ok(end + 1);
        }
        at += escape(line, at)?;
    }
}

fn wrong<T>(byte: Option<&u8>, at: usize) -> Walked<T> {
    Err(if byte.is_none() { Malformed::Cut } else { Malformed::Broken(at) })
}

/// The next byte that is no white space.
#[inline(always)]
fn space(line: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = line.get(at) {
        at += 1;
    }
    at
}

/// Whether an object may go on there, or end.
fn ends_value(line: &[u8], end: usize) -> bool {
    let next = space(line, end);
    match line.get(next) {
        Some(b',') => matches!(line.get(space(line, next + 1)), Some(b'"' | b'}') | None),
        Some(b'}') | None => true,
        _ => false,
    }
}

/// A number, `true`, `false` or `null`: what it is, and the place after it.
#[inline(always)]
fn scalar(line: &[u8], at: usize) -> Walked<(Kind, usize)> {
    let word = |word: &[u8], kind| {
        let rest = &line[at..];
        if rest.starts_with(word) {
            Ok((kind, at + word.len()))
        } else if word.starts_with(rest) {
            Err(Malformed::Cut)
        } else {
            Err(Malformed::Broken(at))
        }
    };
    match line[at] {
        b'-' | b'0'..=b'9' => number(line, at).map(|end| (Kind::Number, end)),
        b'n' => word(b"null", Kind::Null),
        b't' => word(b"true", Kind::True),
        b'f' => word(b"false", Kind::False),
        _ => Err(Malformed::Broken(at)),
    }
}

/// The place after the number.
#[inline(always)]
fn number(line: &[u8], mut at: usize) -> Walked<usize> {
    let digits = |mut at: usize| {
        while let Some(b'0'..=b'9') = line.get(at) {
            at += 1;
        }
        at
    };
    at += usize::from(line[at] == b'-');
    at = match line.get(at) {
        Some(b'0') => at + 1,
        Some(b'1'..=b'9') => digits(at + 1),
        other => return wrong(other, at),
    };
    if line.get(at) == Some(&b'.') {
        let end = digits(at + 1);
        if end == at + 1 {
            return wrong(line.get(end), end);
        }
        at = end;
    }
    if let Some(b'e' | b'E') = line.get(at) {
        at += 1 + usize::from(matches!(line.get(at + 1), Some(b'+' | b'-')));
        let end = digits(at);
        if end == at {
            return wrong(line.get(end), end);
        }
        at = end;
    }
    Ok(at)
}

/// The number in decimal.
fn digits(mut n: u32, room: &mut [u8; 10]) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return &room[at..];
        }
    }
}

/// Walks over the elements of an array.
pub(super) struct Elements<'a> {
    array: &'a [u8],
    /// Where the next element begins; past the end after the last one.
    at: usize,
}

impl<'a> Elements<'a> {
    pub(super) fn new(array: &'a [u8]) -> Elements<'a> {
        let open = space(array, 0);
        let at = if array.get(open) == Some(&b'[') { space(array, open + 1) } else { array.len() };
        Elements { array, at }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let (array, at) = (self.array, self.at);
        let first = *array.get(at)?;
        // Whatever ends the walk ends it for good.
        self.at = array.len();
        let end = pass(array, at, 1).ok()?;
        let inner = || &array[at + 1..end - 1];
        let raw = match first {
            b'"' if memchr::memchr(b'\\', inner()).is_some() => Raw::Escaped(inner()),
            b'"' => Raw::Text(inner()),
            b'{' => Raw::Object(&array[at..end]),
            b'[' => Raw::Array(&array[at..end]),
            b'n' => Raw::Null,
            b't' | b'f' => Raw::Boolean(first == b't'),
            _ => Raw::Number(&array[at..end]),
        };
        let next = space(array, end);
        match array.get(next) {
            Some(b',') => self.at = space(array, next + 1),
            Some(b']') => {}
            _ => return None,
        }
        Some(raw)
    }
}
