//! What is wrong with a pipeline file, and where: file, line, column, a caret, a way out.
//!
//! Invariant: every problem that has a place shows it, and no problem shows a secret (only text that
//! stands in the file is quoted, never what a variable or a secret's file held).

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A file that a pipeline file takes in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Included {
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// One thing that is wrong, or that deserves a warning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Bytes of the file it is about; None where it is about the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
    /// The file that it stands in, where that is not the pipeline file.
    pub file: Option<Arc<Included>>,
}

impl Problem {
    /// A problem at these bytes of the file.
    pub fn at(span: &Range<usize>, message: impl Into<String>) -> Problem {
        Problem { span: Some(span.clone()), message: message.into(), hint: None, file: None }
    }

    /// The same problem with a way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem, in another file than the pipeline's.
    pub fn of(mut self, file: Option<&Arc<Included>>) -> Problem {
        self.file = file.cloned();
        self
    }
}

/// A pipeline file that cannot be used, with every problem found in it.
#[derive(Clone, Debug)]
pub struct Invalid {
    /// Its path as given.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let path = self.path.display().to_string();
            f.write_str(&render(problem, Level::Error, &path, &self.text, false))?;
        }
        Ok(())
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The file cannot be used.
    Error,
    /// It can, but probably does not say what was meant.
    Warning,
}

/// The problem as text of several lines, with a caret under its place; `path` and `text` are the pipeline file's.
pub fn render(problem: &Problem, level: Level, path: &str, text: &str, color: bool) -> String {
    let included = problem.file.as_ref().map(|file| (file.path.display().to_string(), file.text.as_str()));
    let (path, text) = included.as_ref().map_or((path, text), |(path, text)| (path.as_str(), *text));
    let (word, paint) = match level {
        Level::Error => ("error", "\x1b[1;31m"),
        Level::Warning => ("warning", "\x1b[1;33m"),
    };
    let (paint, strong, dim, off) =
        if color { (paint, "\x1b[1m", "\x1b[34m", "\x1b[0m") } else { ("", "", "", "") };
    let mut out = format!("{paint}{word}{off}{strong}: {}{off}\n", problem.message);
    let Some(span) = &problem.span else {
        out.push_str(&format!("{dim} -->{off} {path}\n"));
        push_hint(&mut out, problem, dim, off, 1);
        return out;
    };
    let place = Place::of(text, span.start);
    let width = place.line.to_string().len();
    let line = place.text.replace('\t', " ");
    let carets = text
        .get(span.start..span.end.min(span.start + place.rest))
        .map_or(1, |s| s.trim_end().chars().count())
        .max(1);
    out.push_str(&format!("{dim}{:width$}-->{off} {path}:{}:{}\n", "", place.line, place.column));
    out.push_str(&format!("{dim}{:width$} |{off}\n", ""));
    out.push_str(&format!("{dim}{} |{off} {line}\n", place.line));
    let indent = " ".repeat(place.column - 1);
    out.push_str(&format!("{dim}{:width$} |{off} {indent}{paint}{}{off}\n", "", "^".repeat(carets)));
    push_hint(&mut out, problem, dim, off, width);
    out
}

fn push_hint(out: &mut String, problem: &Problem, dim: &str, off: &str, width: usize) {
    if let Some(hint) = &problem.hint {
        out.push_str(&format!("{dim}{:width$} ={off} hint: {hint}\n", ""));
    }
}

/// A place in a text, as a person counts.
struct Place<'a> {
    /// From 1.
    line: usize,
    /// Characters from 1.
    column: usize,
    /// The line's text.
    text: &'a str,
    /// Bytes from the place to the end of its line.
    rest: usize,
}

impl<'a> Place<'a> {
    fn of(text: &'a str, offset: usize) -> Place<'a> {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
        let end = text[offset..].find('\n').map_or(text.len(), |i| offset + i);
        let line = text[..offset].bytes().filter(|b| *b == b'\n').count() + 1;
        Place {
            line,
            column: text[start..offset].chars().count() + 1,
            text: text[start..end].trim_end_matches('\r'),
            rest: end - offset,
        }
    }
}

/// `line:column` of a byte offset, both from 1.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let place = Place::of(text, offset);
    (place.line, place.column)
}

/// The candidate that was probably meant, if one is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

/// Edit distance: insertions, deletions, substitutions, and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_place() {
        let text = "name: edge\nslos:\n  - windw: 30d\n";
        let start = text.find("windw").unwrap();
        let problem = Problem::at(&(start..start + 5), "unknown key `windw`").hint("did you mean `window`?");
        let shown = render(&problem, Level::Error, "p.yaml", text, false);
        let want = "error: unknown key `windw`\n --> p.yaml:3:5\n  |\n3 |   - windw: 30d\n  |     ^^^^^\n  = hint: did you mean `window`?\n";
        assert_eq!(shown, want);
    }

    #[test]
    fn places_at_the_edges_do_not_panic() {
        for offset in [0, 3, 100] {
            let problem = Problem::at(&(offset..offset + 50), "x");
            assert!(render(&problem, Level::Warning, "p", "aéb", true).contains('^'), "{offset}");
        }
    }

    #[test]
    fn near_words_are_found() {
        let cases = [
            ("windw", Some("window")),
            ("objetcive", Some("objective")),
            ("sevrice", Some("service")),
            ("zebra", None),
        ];
        for (word, want) in cases {
            assert_eq!(nearest(word, ["window", "objective", "service", "name"]), want, "{word}");
        }
    }
}
