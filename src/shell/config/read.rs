//! From YAML text to [`PipelineFile`], with problems that show their place.
//!
//! Invariant: `${VAR}` is filled in after parsing and in plain scalars only, so that no value of a
//! variable can change the file's structure. What the parser says is put in our own words, so that
//! every message looks alike and no variable's value is quoted.

use super::PipelineFile;
use super::diagnostic::{Problem, nearest};
use super::scalar::bytes_of;
use serde_saphyr::Error;
use std::collections::HashMap;
use std::ops::Range;

/// Reads the text of a pipeline file; `variables` fill `${NAME}`, `${NAME:-default}`, `${NAME:?message}`.
pub fn parse(text: &str, variables: HashMap<String, String>) -> Result<PipelineFile, Box<Problem>> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        reject_unsupported_tags: true,
    };
    serde_saphyr::from_str_with_options(text, options.with_properties(variables))
        .map_err(|error| Box::new(explain(text, &error)))
}

/// The parser's error as one of our problems.
pub(in crate::shell) fn explain(text: &str, error: &Error) -> Problem {
    let error = error.without_snippet();
    if let Error::AliasError { error, .. } = error {
        return explain(text, error);
    }
    let location = error.location();
    let span = location.and_then(|l| bytes_of(&l).or_else(|| counted(text, l.line(), l.column())));
    let span = span.map(|s| match error {
        Error::UnsupportedTag { tag, .. } => before(text, s.start, tag).unwrap_or(s),
        _ => widen(text, s),
    });
    let written = span.clone().and_then(|s| text.get(s)).unwrap_or_default();
    let (message, hint) = words(error, written);
    // A plain scalar inside brackets cannot hold braces: the commonest way to meet a syntax error here.
    let in_flow = span.as_ref().is_some_and(|s| on_line(text, s.start).contains("${"));
    let hint = hint.or_else(|| {
        let known = matches!(error, Error::ExternalMessage { .. } | Error::Message { .. });
        (in_flow && known).then(|| {
            "inside [ ] and { } a plain text cannot hold ${…}: write the list or mapping as lines".into()
        })
    });
    Problem { span, message, hint, file: None }
}

/// The bytes at a line and column, both from 1, columns in characters.
fn counted(text: &str, line: u64, column: u64) -> Option<Range<usize>> {
    let (line, column) = (usize::try_from(line).ok()?, usize::try_from(column).ok()?);
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let within = text.get(start..)?.char_indices().nth(column.checked_sub(1)?).map_or(0, |(i, _)| i);
    Some(start + within..start + within)
}

/// The word on this line that ends at or before the offset.
fn before(text: &str, offset: usize, word: &str) -> Option<Range<usize>> {
    let start = text.get(..offset)?.rfind('\n').map_or(0, |i| i + 1);
    let found = start + text[start..offset].rfind(word)?;
    Some(found..found + word.len())
}

fn on_line(text: &str, offset: usize) -> &str {
    let offset = offset.min(text.len());
    let start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
    let end = text[offset..].find('\n').map_or(text.len(), |i| offset + i);
    &text[start..end]
}

/// A span of nothing becomes the word that stands there.
fn widen(text: &str, span: Range<usize>) -> Range<usize> {
    if !span.is_empty() || !text.is_char_boundary(span.start) {
        return span;
    }
    let word = text[span.start..].find([' ', ':', '\n', ',', ']', '}']).unwrap_or(1).max(1);
    span.start..span.start + word
}

/// `written` is what stands in the file: the parser does not repeat a text that a variable may have filled.
fn words(error: &Error, written: &str) -> (String, Option<String>) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let hint = retired(field).map(str::to_string).unwrap_or_else(|| {
                meant(field, expected, || format!("known keys here: {}", expected.join(", ")))
            });
            (format!("unknown key `{field}`"), Some(hint))
        }
        Error::SerdeUnknownVariant { expected, .. } => {
            let all = || format!("one of: {}", expected.join(", "));
            (format!("unknown value `{written}`"), Some(meant(written, expected, all)))
        }
        Error::SerdeMissingField { field, .. } => (format!("key `{field}` is missing"), None),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("key `{key}` stands here twice"), Some("keep one of them".into()))
        }
        Error::SerdeInvalidType { unexpected, expected, .. } => {
            (format!("expected {expected}, found {}", yaml_words(unexpected)), None)
        }
        Error::InvalidScalar { ty, .. } => (format!("not a valid {}", yaml_words(ty)), None),
        Error::UnresolvedProperty { name, .. } => (
            format!("environment variable `{name}` is not set"),
            Some(format!("set it, or give a default: ${{{name}:-default}}")),
        ),
        Error::InvalidPropertyName { name, .. } => (
            format!("`{name}` is no variable"),
            Some("write ${NAME} or ${NAME:-default}; quote the text where it is meant literally".into()),
        ),
        Error::PropertyRequiredButUnset { name, message, .. }
        | Error::PropertyRequiredButEmpty { name, message, .. } => (
            format!("environment variable `{name}` is not set"),
            Some(message.clone()).filter(|m| !m.is_empty()),
        ),
        Error::MultipleDocuments { .. } => (
            "more than one YAML document".into(),
            Some("a pipeline is one document: remove the `---`".into()),
        ),
        Error::UnsupportedTag { tag, .. } => (
            format!("`{tag}` is read as a YAML tag"),
            Some(format!("quote a text that begins with `!`: '{tag}'")),
        ),
        Error::Unexpected { expected, .. } => (format!("expected {}", yaml_words(expected)), None),
        Error::NullIntoString { .. } => ("expected a text, found nothing".into(), None),
        other => {
            let mut text = other.to_string();
            // The parser's own place stands in our snippet already.
            if let Some((_, rest)) = text.split_once(": ").filter(|(head, _)| head.contains("line ")) {
                text = rest.to_string();
            }
            if let Some((head, _)) = text.rsplit_once(" at line ") {
                text = head.to_string();
            }
            (text, None)
        }
    }
}

/// `did you mean`, or what else there is to say.
fn meant(word: &str, candidates: &[&'static str], otherwise: impl Fn() -> String) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => otherwise(),
    }
}

/// Keys that people bring from elsewhere.
fn retired(key: &str) -> Option<&'static str> {
    Some(match key {
        "password" => "secrets come from files: use `password_file`",
        "key_password" => "secrets come from files: use `key_password_file`",
        "key" | "key_pem" => "secrets come from files: use `key_file`",
        "source" => "sources are a list: `sources:`",
        "target" => "the objective stands in percent: `objective: 99.9`",
        "period" => "the budget's period is `window`",
        _ => return None,
    })
}

fn yaml_words(text: &str) -> String {
    match text {
        "sequence" | "sequence start" => "a list".into(),
        "map" | "mapping start" | "mapping" => "a mapping of keys".into(),
        "string scalar" | "scalar" | "string" => "a single value".into(),
        "unit value" => "nothing".into(),
        other => other.into(),
    }
}

/// Places where a quoted scalar holds `${`: it stays as it is, which is seldom meant.
pub fn literal_variables(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let mut quote: Option<(char, usize)> = None;
        let (mut before, mut solid) = (' ', ':');
        for (i, c) in line.char_indices() {
            match quote {
                None if c == '#' && before.is_whitespace() => break,
                // A quote opens a scalar only where a value may begin.
                None if (c == '"' || c == '\'') && ":-[{,".contains(solid) => quote = Some((c, i)),
                Some((open, start)) if c == open && before != '\\' => {
                    let body = &line[start..=i];
                    if let Some(at) = variable_in(body) {
                        found.push(offset + start + at.start..offset + start + at.end);
                    }
                    quote = None;
                }
                _ => {}
            }
            before = c;
            if !c.is_whitespace() {
                solid = c;
            }
        }
        offset += line.len();
    }
    found
}

/// The first `${NAME…}` in a text.
fn variable_in(text: &str) -> Option<Range<usize>> {
    let start = text.find("${")?;
    let name = text[start + 2..].chars().next()?;
    let end = text[start..].find('}')? + start + 1;
    (name == '_' || name.is_ascii_alphabetic()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_variables_are_found() {
        let text = "a: ${X}\nb: \"${Y}\" # '${Z}'\nc: '^/(?<team>[a-z]+)/$'\nd: host == \"${W}\"\n";
        let found: Vec<&str> = literal_variables(text).into_iter().map(|s| &text[s]).collect();
        assert_eq!(found, ["${Y}"]);
    }
}
