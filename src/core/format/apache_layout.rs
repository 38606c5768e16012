//! Apache's `LogFormat`: the site's own string, alone or pasted as the whole directive with its nickname.
//!
//! Source of the grammar: Apache's documentation of `mod_log_config`, `mod_logio` and `mod_ssl`:
//! `%[!][status,…][<|>][{argument}]letter`.
//!
//! Invariant: a letter that Apache does not have is an error; a header or variable that nobody knows is text
//! that a label may ask for, by its name in small letters with `_` for `-`.

use crate::core::format::LayoutError;
use crate::core::format::instant::Strftime;
use crate::core::format::pasted::{Pasted, word};
use crate::core::format::pattern::{Extent, Part, Pattern, Variable};
use crate::core::format::reading::{Mark, Reading, Written};
use crate::core::format::units::Unit;
use crate::core::record::{Field, Labels};

/// Compiles a `LogFormat`.
///
/// # Errors
/// If it cannot be read, or lines of it could not be.
pub(super) fn compile(source: &str, labels: &Labels) -> Result<Pattern, LayoutError> {
    Pattern::new(parts(source)?, true, labels)
}

/// The literals and variables of a `LogFormat`.
///
/// # Errors
/// If it cannot be read.
pub(super) fn parts(source: &str) -> Result<Vec<Part>, LayoutError> {
    let pasted = directive(source)?;
    let text = &pasted.text;
    let mut parts = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let literal = text[at..].iter().position(|b| *b == b'%').unwrap_or(text.len() - at);
        parts.push(Part::Literal(text[at..at + literal].to_vec()));
        at += literal;
        if at == text.len() {
            break;
        }
        if text.get(at + 1) == Some(&b'%') {
            parts.push(Part::Literal(b"%".to_vec()));
            at += 2;
            continue;
        }
        at = variable(&pasted, at, &mut parts)?;
    }
    Ok(parts)
}

/// The format string of what was pasted. Escaped quotes are taken for quotes in any case, as that is how
/// every configuration file has them.
fn directive(source: &str) -> Result<Pasted, LayoutError> {
    let unescape = |byte: u8| match byte {
        b'"' | b'\\' => Some(byte),
        b't' => Some(b'\t'),
        b'n' => Some(b'\n'),
        _ => None,
    };
    let start = match word(source, 0) {
        Some((name, end)) if name.eq_ignore_ascii_case("LogFormat") => end,
        Some((first, end)) if is_quoted_whole(source) => end - first.len(),
        _ => return Ok(Pasted::unescaped(source, 0, unescape)),
    };
    let open = start + source[start..].len() - source[start..].trim_start().len();
    if !source[open..].starts_with(['"', '\'']) {
        return Err(LayoutError {
            message: "`LogFormat` is followed by the format string in quotes".into(),
            hint: Some("paste the directive whole: LogFormat \"…\" nickname".into()),
            item: 0,
            span: 0..start,
        });
    }
    let (pasted, end) = Pasted::quoted(source, open, unescape)?;
    let mut rest = source[end..].split_ascii_whitespace();
    match (rest.next(), rest.next()) {
        // The nickname, if there is one.
        (_, None) => Ok(pasted),
        (_, Some(more)) => {
            let start = source.rfind(more).unwrap_or(end);
            Err(LayoutError {
                message: "this does not belong to the directive".into(),
                hint: Some("paste one LogFormat, from its name to its nickname".into()),
                item: 0,
                span: start..start + more.len(),
            })
        }
    }
}

/// Whether the text is one quoted string, and perhaps a nickname: between the first quote and the last there
/// are only escaped ones.
fn is_quoted_whole(source: &str) -> bool {
    let bytes = source.trim_start().as_bytes();
    let plain = (0..bytes.len()).filter(|i| bytes[*i] == b'"' && (*i == 0 || bytes[i - 1] != b'\\')).count();
    bytes.first() == Some(&b'"') && plain == 2
}

/// Reads the variable that begins at that `%`, and says where it ends.
fn variable(pasted: &Pasted, start: usize, parts: &mut Vec<Part>) -> Result<usize, LayoutError> {
    let text = &pasted.text;
    let mut at = start + 1;
    // Conditions and modifiers: what does not meet them is written as `-`.
    let mut original = false;
    while let Some(byte) = text.get(at) {
        match byte {
            b'!' | b',' | b'0'..=b'9' | b'>' => {}
            b'<' => original = true,
            _ => break,
        }
        at += 1;
    }
    let argument_at = at + 1;
    let argument = match text.get(at) {
        Some(b'{') => match text[at..].iter().position(|b| *b == b'}') {
            Some(len) => {
                let argument = pasted.str(at + 1..at + len);
                at += len + 1;
                Some(argument)
            }
            None => return Err(unknown(pasted, start..at + 1, "this brace is never closed".into())),
        },
        _ => None,
    };
    let len = match text.get(at) {
        Some(b'^') => 3,
        _ => 1,
    };
    let letters = pasted.str(at..(at + len).min(text.len()));
    let end = (at + len).min(text.len());
    let span = start..end;
    if letters.is_empty() {
        return Err(unknown(pasted, span, "a `%` must be followed by a letter that Apache knows".into()));
    }
    if letters == "t" {
        return time(pasted, argument.as_deref(), argument_at, span, parts);
    }
    let Some((reading, rank)) = reading(&letters, argument.as_deref(), original) else {
        return Err(unknown(pasted, span.clone(), format!("Apache has no `{}`", pasted.str(span))));
    };
    let name = argument.map_or(letters, |argument| argument.to_ascii_lowercase().replace('-', "_"));
    let span = pasted.span(span);
    parts.push(Part::Variable(Variable { name, span, reading, extent: Extent::Plain, rank }));
    Ok(end)
}

fn unknown(pasted: &Pasted, span: std::ops::Range<usize>, message: String) -> LayoutError {
    let hint = Some("see the custom log formats of Apache's mod_log_config".into());
    LayoutError { message, hint, item: 0, span: pasted.span(span) }
}

/// What a letter is, and how it stands to others for the same field.
fn reading(letters: &str, argument: Option<&str>, original: bool) -> Option<(Reading, usize)> {
    let lower = argument.unwrap_or_default().to_ascii_lowercase();
    let text = |field| (Reading::Text(field), 0);
    Some(match (letters, lower.as_str()) {
        ("s", _) => (Reading::Status, usize::from(original)),
        ("b", _) => (Reading::BytesOrDash(Field::BytesSent), 0),
        ("B", _) => (Reading::Count(Field::BytesSent), 0),
        ("O", _) => (Reading::Count(Field::BytesSent), 1),
        ("I", _) => (Reading::Count(Field::BytesReceived), 0),
        ("D", _) | ("T", "us") => (Reading::Latency(Unit::Us, 3), 0),
        ("T", "ms") => (Reading::Latency(Unit::Ms, 2), 0),
        ("T", "" | "s") => (Reading::Latency(Unit::S, 1), 0),
        ("^FB", _) => (Reading::Duration(Field::FirstByte, Unit::Us), 0),
        ("r", _) => (Reading::Request, 0),
        ("m", _) => text(Field::Method),
        ("U", _) => (Reading::Path, 0),
        ("q", _) => (Reading::Query, 0),
        ("H", _) => text(Field::Protocol),
        ("v", _) => (Reading::Host, 0),
        ("V", _) => (Reading::Host, 1),
        ("i", "host") => (Reading::Host, 2),
        ("p", "" | "canonical" | "local") => (Reading::Count(Field::Port), 0),
        ("p", "remote") => (Reading::Count(Field::ClientPort), 0),
        ("a", "") => (Reading::Address(false), 0),
        ("h", "") => (Reading::Address(false), 1),
        ("a" | "h", "c") => (Reading::Address(false), 2),
        ("A", _) => text(Field::Instance),
        ("u", _) => text(Field::User),
        ("X", _) => (Reading::Termination, 0),
        ("L", "") => (Reading::Text(Field::RequestId), 3),
        ("L", "c") => text(Field::ConnectionId),
        ("i", "referer") => text(Field::Referer),
        ("i", "user-agent") => text(Field::UserAgent),
        ("i", "x-forwarded-for") => text(Field::ForwardedFor),
        ("e" | "n", "unique_id") => text(Field::RequestId),
        ("i", "x-request-id") => (Reading::Text(Field::RequestId), 1),
        ("o", "x-request-id") => (Reading::Text(Field::RequestId), 2),
        ("o", "content-type") => text(Field::ContentType),
        ("x" | "c" | "e", "ssl_protocol") => text(Field::TlsProtocol),
        ("x" | "c" | "e", "ssl_cipher") => text(Field::TlsCipher),
        ("x" | "c" | "e", "ssl_tls_sni") => text(Field::Sni),
        ("e", "balancer_worker_name") => text(Field::UpstreamServer),
        ("f" | "k" | "l" | "P" | "R" | "S" | "i" | "o" | "e" | "n" | "C" | "x" | "c" | "^ti" | "^to", _) => {
            (Reading::Nothing, 0)
        }
        _ => return None,
    })
}

/// `%t` in brackets; `%{sec}t` and the like; `%{%d/%b/%Y}t`, of which several may make one time.
fn time(
    pasted: &Pasted,
    argument: Option<&str>,
    argument_at: usize,
    span: std::ops::Range<usize>,
    parts: &mut Vec<Part>,
) -> Result<usize, LayoutError> {
    let (mark, spelled) = match argument {
        Some(argument) => match (argument.strip_prefix("end:"), argument.strip_prefix("begin:")) {
            (Some(spelled), _) => (Mark::End, spelled),
            (_, Some(spelled)) => (Mark::Start, spelled),
            _ => (Mark::Start, argument),
        },
        None => (Mark::Start, ""),
    };
    let (instant, rank) = match spelled {
        "" => (Written::Clf, 4),
        "sec" => (Written::Epoch(Unit::S), 3),
        "msec" => (Written::Epoch(Unit::Ms), 2),
        "usec" => (Written::Epoch(Unit::Us), 1),
        "msec_frac" => (Written::Fraction(Unit::Ms), 0),
        "usec_frac" => (Written::Fraction(Unit::Us), 0),
        format => match Strftime::new(format) {
            Ok(format) => (Written::Pieces(format), 0),
            Err(at) => {
                let begins = argument_at + argument.map_or(0, str::len) - spelled.len() + at;
                return Err(LayoutError {
                    message: "this conversion of a time cannot be read back".into(),
                    hint: Some(
                        "use %Y %m %b %d %H %M %S %T %F %z %s; or %{usec}t, microseconds since the epoch"
                            .into(),
                    ),
                    item: 0,
                    span: pasted.span(begins..begins + 2),
                });
            }
        },
    };
    let brackets = spelled.is_empty();
    if brackets {
        parts.push(Part::Literal(b"[".to_vec()));
    }
    let end = span.end;
    let (name, span) = ("t".to_string(), pasted.span(span));
    let reading = Reading::Time(instant, mark);
    parts.push(Part::Variable(Variable { name, span, reading, extent: Extent::Plain, rank }));
    if brackets {
        parts.push(Part::Literal(b"]".to_vec()));
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_point_at_what_is_wrong() {
        let cases: &[(&str, &str, &str)] = &[
            ("%h %t %>s %", "a `%` must be followed by a letter that Apache knows", "%"),
            ("%h %t %>s %y", "Apache has no `%y`", "%y"),
            ("%t %>s %{Referer", "this brace is never closed", "%{"),
            ("%t %>s %{ns}T", "Apache has no `%{ns}T`", "%{ns}T"),
            ("%{%d/%b/%Y %I}t %>s", "this conversion of a time cannot be read back", "%I"),
            ("%{end:%H %p}t %>s", "this conversion of a time cannot be read back", "%p"),
            ("%t %>s%b", "nothing stands between `s` and `b`", "%>s%b"),
            ("LogFormat \"%t %>s\" a b", "this does not belong to the directive", "b"),
            ("LogFormat common", "`LogFormat` is followed by the format string in quotes", "LogFormat"),
            ("LogFormat \"%t \\\"%r\\\" %>s%b\" a", "nothing stands between `s` and `b`", "%>s%b"),
            ("LogFormat \"%t %>s", "this quote is never closed", "\""),
            ("%h %t", "the format string has no status", ""),
            ("%h %>s %{%H:%M}t", "the format string has no time", ""),
        ];
        for (source, message, at) in cases {
            let error = compile(source, &Labels::default()).expect_err(source);
            assert_eq!(error.message, *message, "{source}");
            assert_eq!(&source[error.span.clone()], *at, "{source}");
        }
    }

    #[test]
    fn a_pasted_directive_is_its_string() {
        let plain = r#"%h %l %u %t "%r" %>s %b"#;
        let escaped = plain.replace('"', "\\\"");
        for source in [
            plain.to_string(),
            escaped.clone(),
            format!("LogFormat \"{escaped}\" common"),
            format!("  logformat  \"{escaped}\""),
            format!("LogFormat '{plain}' common\n"),
            format!("\"{escaped}\" common"),
        ] {
            let pasted = directive(&source).map(|p| String::from_utf8_lossy(&p.text).into_owned());
            assert_eq!(pasted.as_deref(), Ok(plain), "{source}");
        }
    }
}
