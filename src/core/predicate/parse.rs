//! From text to CEL's syntax tree, with every node's bytes in the text.

use super::PredicateError;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, SourceInfo};
use std::ops::Range;

/// Longest predicate, bytes: bounds the recursion of everything that walks its tree.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Most tokens that can nest inside one another (the parser recurses over them).
const NESTING_MAX: usize = 200;

/// A parsed predicate.
pub(super) struct Parsed<'t> {
    /// What was parsed.
    pub(super) text: &'t str,
    /// Its tree.
    pub(super) root: IdedExpr,
    source: SourceInfo,
}

/// Parses CEL.
pub(super) fn parse(text: &str) -> Result<Parsed<'_>, PredicateError> {
    if text.trim().is_empty() {
        return Err(
            PredicateError::new(0..text.len(), "the predicate is empty").hint("for example: status < 500")
        );
    }
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the predicate is longer than {TEXT_BYTES_MAX} bytes");
        return Err(PredicateError::new(0..text.len(), message));
    }
    if let Some(at) = too_deep(text) {
        let end = text.len();
        return Err(PredicateError::new(at..end, "nested too deeply from here on")
            .hint("split it, or use `in [..]` or a regular expression"));
    }
    match cel::parser::Parser::new().parse_with_source_info(text) {
        Ok((root, source)) => Ok(Parsed { text, root, source }),
        Err(errors) => Err(syntax_error(text, &errors)),
    }
}

impl Parsed<'_> {
    /// The bytes of the node's own token: an operator, a name, a literal, an opening bracket.
    pub(super) fn token(&self, expr: &IdedExpr) -> Range<usize> {
        match self.source.offset_for(expr.id) {
            // `stop` is where the last character begins
            Some((start, stop)) => {
                let start = self.boundary(start as usize);
                let stop = self.boundary(stop as usize).max(start);
                start..stop + self.text[stop..].chars().next().map_or(0, char::len_utf8)
            }
            None => 0..self.text.len(),
        }
    }

    /// The bytes of the node with all below it.
    pub(super) fn span(&self, expr: &IdedExpr) -> Range<usize> {
        let mut span = self.token(expr);
        let mut cover = |child: &IdedExpr| {
            let inner = self.span(child);
            span = span.start.min(inner.start)..span.end.max(inner.end);
        };
        match &expr.expr {
            Expr::Call(call) => call.target.iter().map(|t| t.as_ref()).chain(&call.args).for_each(&mut cover),
            Expr::List(list) => list.elements.iter().for_each(&mut cover),
            Expr::Select(select) => {
                cover(&select.operand);
                // its own token is the dot
                let after = self.text[span.end..].trim_start();
                if after.starts_with(&select.field) {
                    span.end = self.text.len() - after.len() + select.field.len();
                }
            }
            Expr::Map(map) => map.entries.iter().for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(e) => cover(&e.value),
                EntryExpr::StructField(e) => cover(&e.value),
            }),
            _ => {}
        }
        if let Expr::Call(call) = &expr.expr
            && call.target.is_none()
            && is_name(&call.func_name)
        {
            span.start = span.start.min(self.function_name(expr, &call.func_name).start);
        }
        // take in the brackets that closing tokens leave out
        let missing = |open: u8, close: u8| {
            let inside = &self.text.as_bytes()[span.clone()];
            let count = |b: u8| inside.iter().filter(|x| **x == b).count();
            count(open) > count(close)
        };
        let close = match &expr.expr {
            Expr::Call(call) if is_name(&call.func_name) && missing(b'(', b')') => Some(')'),
            Expr::List(_) if missing(b'[', b']') => Some(']'),
            _ => None,
        };
        match close.and_then(|c| self.text[span.end..].find(c)) {
            Some(i) if self.text[span.end..span.end + i].trim().is_empty() => span.start..span.end + i + 1,
            _ => span,
        }
    }

    /// The bytes of the name of a called function: it stands before the bracket.
    pub(super) fn function_name(&self, expr: &IdedExpr, name: &str) -> Range<usize> {
        let token = self.token(expr);
        let before = self.text[..token.start].trim_end();
        match before.ends_with(name) {
            true => before.len() - name.len()..before.len(),
            false => token,
        }
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

fn is_name(function: &str) -> bool {
    function.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Where the text may nest deeper than the parser should recurse: counts the tokens that could stand inside
/// one another, which are all but those that `&&`, `||` and commas separate.
fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut base, mut open) = (0usize, 0usize, Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b if b.is_ascii_whitespace() => {}
            quote @ (b'"' | b'\'') => {
                // a wrong guess about raw or triple quotes only moves the count a little
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                depth += 1;
            }
            b'(' | b'[' | b'{' => {
                open.push(base);
                depth += 1;
                base = depth;
            }
            b')' | b']' | b'}' => {
                depth = base;
                base = open.pop().unwrap_or(0);
            }
            b'&' | b'|' | b',' => depth = base,
            b'?' => {
                depth += 1;
                base += 1;
            }
            b if b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80 => {
                let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
                at += bytes[at..].iter().take_while(|b| word(b)).count() - 1;
                depth += 1;
            }
            _ => depth += 1,
        }
        if depth.max(base) > NESTING_MAX {
            return Some(start);
        }
        at += 1;
    }
    None
}

/// The first syntax error, in our words where its cause can be told.
fn syntax_error(text: &str, errors: &cel::ParseErrors) -> PredicateError {
    let (position, message) = match errors.errors.first() {
        Some(error) => (error.pos, error.msg.as_str()),
        None => ((1, 1), "not a CEL expression"),
    };
    let at = offset(text, position.0, position.1);
    let rest = &text[at..];
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let length = word.max(rest.chars().next().map_or(0, char::len_utf8));
    let span = at..at + length;
    if message.contains("has() macro") {
        let has = text[..at].rfind("has").map_or(span, |i| i..i + 3);
        return PredicateError::new(has, "has() is not needed here")
            .hint("write `x != null` to ask whether a field is there");
    }
    let previous = text[..at].trim_end();
    let hint = if message.contains("token recognition error") && rest.starts_with('=')
        || previous.ends_with('=') && !previous.ends_with("==")
    {
        Some("equality is written ==")
    } else if rest.starts_with('&') || rest.starts_with("and ") {
        Some("and is written &&")
    } else if rest.starts_with('|') || rest.starts_with("or ") {
        Some("or is written ||")
    } else if previous.ends_with("not") {
        Some("not is written !")
    } else {
        None
    };
    let message = message.trim_start_matches("Syntax error: ");
    let message = message.split(" expecting ").next().unwrap_or(message);
    let message = match message.trim_start_matches("mismatched input ") {
        "'<EOF>'" => "the expression ends too early".to_string(),
        _ if at == text.len() => "the expression ends too early".to_string(),
        _ => format!("not CEL: {}", message.replace(['\n', '\r'], " ")),
    };
    PredicateError { message, hint: hint.map(str::to_string), span }
}

/// Byte offset of a line and column (in characters), both from 1.
fn offset(text: &str, line: isize, column: isize) -> usize {
    let mut start = 0;
    for (number, content) in text.split_inclusive('\n').enumerate() {
        if number as isize + 1 == line.max(1) {
            let skip = (column - 1).max(0) as usize;
            let within = content.char_indices().nth(skip).map_or(content.len(), |(i, _)| i);
            return start + within;
        }
        start += content.len();
    }
    text.len()
}
