//! HAProxy's `log-format`: the site's own string, alone or pasted as the whole directive.
//!
//! Source of the grammar: HAProxy's configuration manual, "Custom log format": `%[(name)][{flags}]variable`
//! and `%[(name)][{flags}][expression]`. Flag `+Q` puts quotes around texts; `%{flags}o` sets flags for all
//! that follows.
//!
//! Invariant: a variable that HAProxy does not have is an error; an expression is text that a label may ask
//! for, by the name that it is given, the name of the variable that it fetches, or as it stands.

use crate::core::format::LayoutError;
use crate::core::format::pasted::{Pasted, word};
use crate::core::format::pattern::{Extent, Part, Pattern, Variable};
use crate::core::format::reading::{Mark, Reading, Written};
use crate::core::format::units::Unit;
use crate::core::record::{Field, Labels};

/// What HAProxy's variables are, and whether `+Q` puts quotes around; of several for one field the first counts.
const VARIABLES: &[(&str, Reading, bool)] = &[
    ("tr", Reading::Time(Written::ClfDecimals, Mark::Start), false),
    ("trg", Reading::Time(Written::Clf, Mark::Start), false),
    ("trl", Reading::Time(Written::Clf, Mark::Start), false),
    ("t", Reading::Time(Written::ClfDecimals, Mark::Accept), false),
    ("T", Reading::Time(Written::Clf, Mark::Accept), false),
    ("Tl", Reading::Time(Written::Clf, Mark::Accept), false),
    ("Ts", Reading::Time(Written::Epoch(Unit::S), Mark::Accept), false),
    ("ms", Reading::Time(Written::Fraction(Unit::Ms), Mark::Accept), false),
    ("ci", Reading::Address(false), true),
    ("cp", Reading::Count(Field::ClientPort), false),
    ("ft", Reading::Marked(Field::Frontend, b'~'), true),
    ("f", Reading::Text(Field::Frontend), true),
    ("b", Reading::Text(Field::Upstream), true),
    ("s", Reading::Named(Field::UpstreamServer, b"<NOSRV>"), true),
    ("si", Reading::Text(Field::Target), true),
    ("ST", Reading::Status, false),
    ("st", Reading::Status, false),
    ("B", Reading::Count(Field::BytesSent), false),
    ("U", Reading::Count(Field::BytesReceived), false),
    ("Ta", Reading::Latency(Unit::Ms, 3), false),
    ("Tu", Reading::Latency(Unit::Ms, 2), false),
    ("Tt", Reading::SinceAccept(Unit::Ms), false),
    ("Tr", Reading::Upstream(Unit::Ms), false),
    ("Tw", Reading::Duration(Field::Queue, Unit::Ms), false),
    ("Tc", Reading::Duration(Field::UpstreamConnect, Unit::Ms), false),
    ("Th", Reading::Duration(Field::TlsHandshake, Unit::Ms), false),
    ("r", Reading::Request, true),
    ("HM", Reading::Text(Field::Method), true),
    ("HU", Reading::Uri, true),
    ("HP", Reading::Path, true),
    ("HPO", Reading::Path, true),
    ("HQ", Reading::Query, true),
    ("HV", Reading::Text(Field::Protocol), true),
    ("tsc", Reading::Termination, false),
    ("ts", Reading::Termination, false),
    ("rc", Reading::Count(Field::Retries), false),
    ("ID", Reading::Text(Field::RequestId), true),
    ("H", Reading::Text(Field::Instance), true),
    ("sslv", Reading::Text(Field::TlsProtocol), true),
    ("sslc", Reading::Text(Field::TlsCipher), true),
    ("hrl", Reading::Nothing, true),
    ("hsl", Reading::Nothing, true),
    ("hr", Reading::Nothing, true),
    ("hs", Reading::Nothing, true),
    ("CC", Reading::Nothing, true),
    ("CS", Reading::Nothing, true),
    ("fi", Reading::Nothing, true),
    ("bi", Reading::Nothing, true),
    ("fp", Reading::Nothing, false),
    ("bp", Reading::Nothing, false),
    ("sp", Reading::Nothing, false),
    ("TR", Reading::Nothing, false),
    ("Tq", Reading::Nothing, false),
    ("Td", Reading::Nothing, false),
    ("Ti", Reading::Nothing, false),
    ("ac", Reading::Nothing, false),
    ("fc", Reading::Nothing, false),
    ("bc", Reading::Nothing, false),
    ("sc", Reading::Nothing, false),
    ("sq", Reading::Nothing, false),
    ("bq", Reading::Nothing, false),
    ("lc", Reading::Nothing, false),
    ("rt", Reading::Nothing, false),
    ("pid", Reading::Nothing, false),
];

/// `option httplog`, as HAProxy's manual spells it.
pub(super) const HTTPLOG: &str = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r";

/// `option httplog clf`, as far as a record needs it. In the place of `%ms` stands another number: those are
/// milliseconds of the connection, not of the request. The last one is there for the end of the one before: what a line
/// ends in may be cut.
pub(super) const CLF: &str = "%ci - - [%trg] %{+Q}r %ST %B \"\" \"\" %cp %lc %{+Q}ft %{+Q}b %{+Q}s \
                              %TR %Tw %Tc %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq";

/// Compiles a `log-format`.
///
/// # Errors
/// If it cannot be read, or lines of it could not be.
pub(super) fn compile(source: &str, labels: &Labels) -> Result<Pattern, LayoutError> {
    Pattern::new(parts(source)?, false, labels)
}

/// The literals and variables of a `log-format`.
///
/// # Errors
/// If it cannot be read.
pub(super) fn parts(source: &str) -> Result<Vec<Part>, LayoutError> {
    let pasted = directive(source)?;
    let text = &pasted.text;
    let (mut parts, mut at, mut quotes) = (Vec::new(), 0, false);
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
        at = variable(&pasted, at, &mut quotes, &mut parts)?;
    }
    // A time that has its own decimals takes no others.
    let decimals = parts.iter().any(|part| match part {
        Part::Variable(v) => matches!(v.reading, Reading::Time(Written::ClfDecimals, _)),
        Part::Literal(_) => false,
    });
    for part in &mut parts {
        if let Part::Variable(v) = part
            && decimals
            && matches!(v.reading, Reading::Time(Written::Fraction(_), _))
        {
            v.reading = Reading::Nothing;
        }
    }
    Ok(parts)
}

/// The format string of what was pasted.
fn directive(source: &str) -> Result<Pasted, LayoutError> {
    let unescape = |byte: u8| match byte {
        b' ' | b'"' | b'\'' | b'\\' | b'#' => Some(byte),
        b't' => Some(b'\t'),
        _ => None,
    };
    let start = match word(source, 0) {
        Some(("log-format", end)) => end,
        _ => return Ok(Pasted::unescaped(source, 0, unescape)),
    };
    let open = start + source[start..].len() - source[start..].trim_start().len();
    if !source[open..].starts_with(['"', '\'']) {
        // Without quotes every space within has a backslash.
        return Ok(Pasted::unescaped(source, open, unescape));
    }
    let (pasted, end) = Pasted::quoted(source, open, unescape)?;
    match source[end..].trim() {
        "" => Ok(pasted),
        rest => {
            let start = end + source[end..].find(rest).unwrap_or(0);
            Err(LayoutError {
                message: "this does not belong to the directive".into(),
                hint: Some("paste one log-format, from its name to its closing quote".into()),
                item: 0,
                span: start..start + rest.len(),
            })
        }
    }
}

/// Reads the variable or expression that begins at that `%`, and says where it ends.
fn variable(
    pasted: &Pasted,
    start: usize,
    quotes: &mut bool,
    parts: &mut Vec<Part>,
) -> Result<usize, LayoutError> {
    let text = &pasted.text;
    let fail = |range: std::ops::Range<usize>, message: String| LayoutError {
        message,
        hint: Some("see \"Custom log format\" in HAProxy's configuration manual".into()),
        item: 0,
        span: pasted.span(range),
    };
    let closed = |at: usize, by: u8| match text[at..].iter().position(|b| *b == by) {
        Some(len) => Ok(at + len),
        None => Err(fail(at..at + 1, "this is never closed".into())),
    };
    let mut at = start + 1;
    let mut given = None;
    if text.get(at) == Some(&b'(') {
        let end = closed(at, b')')?;
        // A type may follow the name.
        given = pasted.str(at + 1..end).split(':').next().map(str::to_string);
        at = end + 1;
    }
    let mut quoted = *quotes;
    if text.get(at) == Some(&b'{') {
        let end = closed(at, b'}')?;
        for flag in pasted.str(at + 1..end).split(',') {
            match flag.trim() {
                "+Q" => quoted = true,
                "-Q" => quoted = false,
                "+json" | "+cbor" => {
                    return Err(fail(at..end + 1, "lines that HAProxy encodes are no text".into()));
                }
                // Hexadecimal numbers cannot be told from others.
                "+X" => return Err(fail(at..end + 1, "numbers as +X writes them cannot be read".into())),
                _ => {}
            }
        }
        at = end + 1;
    }
    if text.get(at) == Some(&b'[') {
        let end = matching(text, at).ok_or_else(|| fail(at..at + 1, "this is never closed".into()))?;
        let expression = pasted.str(at + 1..end);
        let reading = match expression.as_str() {
            "ssl_fc_sni" => Reading::Text(Field::Sni),
            "ssl_fc_protocol" => Reading::Text(Field::TlsProtocol),
            "ssl_fc_cipher" => Reading::Text(Field::TlsCipher),
            "unique-id" => Reading::Text(Field::RequestId),
            _ => Reading::Nothing,
        };
        let fetched = expression.strip_prefix("var(").and_then(|name| name.split(')').next());
        let name = given.unwrap_or_else(|| fetched.unwrap_or(&expression).to_string());
        let rank = VARIABLES.len();
        push(
            parts,
            Variable { name, span: pasted.span(start..end + 1), reading, extent: Extent::Plain, rank },
            quoted,
        );
        return Ok(end + 1);
    }
    let len = text[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    let end = at + len;
    let name = pasted.str(at..end);
    if name == "o" {
        *quotes = quoted;
        // The space behind it is not written.
        return Ok(end + usize::from(text.get(end) == Some(&b' ')));
    }
    let Some(rank) = VARIABLES.iter().position(|(known, ..)| *known == name) else {
        let message = match name.as_str() {
            "" => "a `%` must be followed by a variable's name".to_string(),
            _ => format!("HAProxy has no variable `{name}`"),
        };
        return Err(fail(start..end.max(start + 1), message));
    };
    let (_, reading, is_text) = &VARIABLES[rank];
    let extent = if matches!(name.as_str(), "hr" | "hs") { Extent::Block } else { Extent::Plain };
    let (reading, span) = (reading.clone(), pasted.span(start..end));
    push(parts, Variable { name: given.unwrap_or(name), span, reading, extent, rank }, quoted && *is_text);
    Ok(end)
}

fn push(parts: &mut Vec<Part>, variable: Variable, quoted: bool) {
    let quote = || Part::Literal(if quoted { b"\"".to_vec() } else { Vec::new() });
    parts.extend([quote(), Part::Variable(variable), quote()]);
}

/// Where the bracket closes that opens there: expressions may have brackets within.
fn matching(text: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, byte) in text.iter().enumerate().skip(open) {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_point_at_what_is_wrong() {
        let cases: &[(&str, &str, &str)] = &[
            ("[%tr] %ST %", "a `%` must be followed by a variable's name", "%"),
            ("[%tr] %ST %xyz", "HAProxy has no variable `xyz`", "%xyz"),
            ("[%tr] %ST %{+Q", "this is never closed", "{"),
            ("[%tr] %ST %[capture.req.hdr(0)", "this is never closed", "["),
            ("[%tr] %{+X}ST", "numbers as +X writes them cannot be read", "{+X}"),
            ("%{+json}o %(t)tr %(s)ST", "lines that HAProxy encodes are no text", "{+json}"),
            ("[%tr] %ST%B", "nothing stands between `ST` and `B`", "%ST%B"),
            ("log-format \"[%tr] %ST\" x", "this does not belong to the directive", "x"),
            ("log-format \"[%tr] %ST", "this quote is never closed", "\""),
            ("log-format [%tr]\\ %xyz", "HAProxy has no variable `xyz`", "%xyz"),
            ("[%tr] %B", "the format string has no status", ""),
            ("%ST %ms", "the format string has no time", ""),
        ];
        for (source, message, at) in cases {
            let error = compile(source, &Labels::default()).expect_err(source);
            assert_eq!(error.message, *message, "{source}");
            assert_eq!(&source[error.span.clone()], *at, "{source}");
        }
    }

    #[test]
    fn a_pasted_directive_is_its_string() {
        let plain = r#"%ci [%tr] "%r" %ST"#;
        for source in [
            plain.to_string(),
            plain.replace(' ', "\\ ").replace('"', "\\\""),
            format!("log-format \"{}\"", plain.replace('"', "\\\"")),
            format!("  log-format  '{plain}'\n"),
            format!("log-format {}", plain.replace(' ', "\\ ")),
        ] {
            let pasted = directive(&source).map(|p| String::from_utf8_lossy(&p.text).into_owned());
            assert_eq!(pasted.as_deref(), Ok(plain), "{source}");
        }
    }
}
