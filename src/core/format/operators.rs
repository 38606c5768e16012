//! Envoy's format strings: operators between percent signs, literal text between them.
//!
//! Source of the grammar: "Access logging", Envoy documentation. Text formats escape nothing, so a client
//! can write whatever stands between two operators into a header.
//!
//! Invariant: lines are read from the left. Where that finds a quote in a value that no client writes, what
//! stands behind the last header that a client does write is read from the right, and the headers between are
//! left out.

use crate::core::format::LayoutError;
use crate::core::format::cells::{CELLS_MAX, Cells};
use crate::core::format::instant::Form;
use crate::core::format::roles::{Plan, Role};
use crate::core::format::units::Unit;
use crate::core::record::{Field, Fields, Labels, Reason};
use crate::core::scan::{first_of, last_of};
use std::ops::Range;

/// One value of a line.
#[derive(Debug)]
struct Piece {
    /// The text that follows it.
    after: Box<[u8]>,
    /// Whether a client may write anything into it.
    free: bool,
    /// Whether it has no space in it.
    word: bool,
    /// Whether it may have a quote in it.
    quotes: bool,
}

/// A format string, compiled.
#[derive(Debug)]
pub(super) struct Template {
    before: Box<[u8]>,
    pieces: Vec<Piece>,
    /// Values up to here are needed.
    needed: usize,
    /// Behind the last value that a client may write anything into.
    from_right: usize,
    /// Whether no value that is needed stands among those.
    numbers_first: bool,
    pub(super) plan: Plan,
    /// The cells of the request and of the response flags.
    pub(super) request: Option<usize>,
    pub(super) flags: Option<usize>,
}

/// An operator as it is written, `REQ(X-A?X-B):10`, and where.
struct Operator<'t> {
    name: &'t str,
    arguments: Option<&'t str>,
    span: Range<usize>,
}

/// What an operator is to the record.
struct Meaning {
    role: Option<Role>,
    free: bool,
    word: bool,
    /// Name of a label that it may be asked for by.
    label: String,
}

impl Template {
    /// Compiles a format string.
    pub(super) fn new(text: &str, labels: &Labels) -> Result<Template, LayoutError> {
        let (literals, operators) = take_apart(text)?;
        let mut template = Template {
            before: literals[0].as_bytes().into(),
            pieces: Vec::new(),
            needed: 0,
            from_right: 0,
            numbers_first: true,
            plan: Plan::new(),
            request: None,
            flags: None,
        };
        let mut roles = Vec::new();
        let mut i = 0;
        while i < operators.len() {
            let cell = template.pieces.len();
            // Method, path and protocol are read as one, as a path may hold anything.
            let request = operators[i..].get(..3).is_some_and(|three| {
                three.iter().map(header_or_name).eq([":METHOD", ":PATH", "PROTOCOL"])
                    && literals[i + 1] == " "
                    && literals[i + 2] == " "
            });
            let meaning = if request {
                i += 2;
                Meaning { role: Some(Role::Request), free: false, word: false, label: String::new() }
            } else {
                meaning(&operators[i])?
            };
            let after = literals[i + 1].as_str();
            if after.is_empty() && i + 1 < operators.len() {
                return Err(error(
                    "nothing stands between two operators: their values cannot be told apart".into(),
                    Some("put a space or a quote between them".into()),
                    operators[i + 1].span.clone(),
                ));
            }
            if let Some(role) = meaning.role {
                roles.push((cell, role));
                if is_needed(role) {
                    template.needed = cell + 1;
                }
            }
            for (_, field) in labels.iter().filter(|(name, _)| *name == meaning.label) {
                roles.push((cell, Role::Text(field)));
            }
            if meaning.free {
                template.from_right = cell + 1;
            }
            template.pieces.push(Piece {
                after: after.as_bytes().into(),
                free: meaning.free,
                quotes: meaning.free || meaning.role == Some(Role::Request),
                word: meaning.word && after.bytes().next().is_none_or(|b| matches!(b, b' ' | b'"' | b']')),
            });
            i += 1;
        }
        if template.pieces.len() > CELLS_MAX {
            return Err(error("there are more than 128 operators".into(), None, 0..text.len()));
        }
        let has = |wanted: Field| {
            roles.iter().any(|(_, role)| match role {
                Role::Status => wanted == Field::Status,
                Role::Start(_) | Role::End(_) => wanted == Field::Time,
                _ => false,
            })
        };
        for (field, operator) in [(Field::Time, "%START_TIME%"), (Field::Status, "%RESPONSE_CODE%")] {
            if !has(field) {
                let message = format!("the format has no {operator}");
                return Err(error(message, Some("requests cannot be judged without".into()), 0..text.len()));
            }
        }
        let first_free = template.pieces.iter().position(|piece| piece.free).unwrap_or(template.pieces.len());
        let among = first_free..template.from_right;
        template.numbers_first = !roles.iter().any(|(cell, role)| is_needed(*role) && among.contains(cell));
        // The reason of a failure is told by three operators; the most telling goes first.
        roles.sort_by_key(|(cell, role)| match role {
            Role::Text(Field::ErrorReason) => usize::MAX - cell,
            _ => *cell,
        });
        roles.iter().for_each(|(cell, role)| template.plan.add(*cell, *role));
        template.plan.finish();
        template.request = template.plan.cell_of(Role::Request);
        template.flags = template.plan.cell_of(Role::Text(Field::Termination));
        Ok(template)
    }

    /// Finds the values of a line.
    #[inline]
    pub(super) fn split(&self, line: &[u8], cells: &mut Cells) -> Result<(), Reason> {
        cells.make_room(self.pieces.len());
        let found = self.read_from_left(line, cells);
        if found == self.pieces.len() {
            return Ok(());
        }
        cells.empty_from(found);
        self.otherwise(line, cells, found)
    }

    /// Finds values from the left. Returns how many there are, before the first that is not as it must be.
    #[inline]
    fn read_from_left(&self, line: &[u8], cells: &mut Cells) -> usize {
        if !begins(line, &self.before) {
            return 0;
        }
        let mut at = self.before.len();
        for (i, piece) in self.pieces.iter().enumerate() {
            let Some(rest) = line.get(at..) else { return i };
            let len = match piece.after.first() {
                Some(first) if i + 1 < self.pieces.len() => {
                    if piece.word {
                        piece.word_len(*first, line, at)
                    } else {
                        piece.text_len(*first, line, at)
                    }
                }
                _ => piece.last_len(rest).filter(|len| piece.allows(line, at, at + *len)),
            };
            let Some(len) = len else { return i };
            cells.set(i, at, at + len);
            at += len + piece.after.len();
        }
        self.pieces.len()
    }

    #[cold]
    #[inline(never)]
    fn otherwise(&self, line: &[u8], cells: &mut Cells, found: usize) -> Result<(), Reason> {
        if self.read_from_right(line, cells, found).is_some() {
            return Ok(());
        }
        // That may have left something.
        self.read_from_left(line, cells);
        if found >= self.needed {
            (found..self.pieces.len()).for_each(|cell| cells.set(cell, 0, 0));
            return Ok(());
        }
        // Where the line ends as it must, it is not cut but another.
        let last = self.pieces.last().map_or(&[][..], |piece| &piece.after);
        let other = found == 0 || !last.is_empty() && line.ends_with(last);
        Err(if other { Reason::NotThisFormat } else { Reason::Truncated })
    }

    /// Finds the values behind the last free one from the right; the free ones are left out.
    fn read_from_right(&self, line: &[u8], cells: &mut Cells, found: usize) -> Option<()> {
        let first_free = self.pieces.iter().position(|piece| piece.free)?;
        if found < first_free || !self.numbers_first || self.from_right == self.pieces.len() {
            return None;
        }
        let start = match first_free.checked_sub(1) {
            Some(before) => cells.range(before).1 + self.pieces[before].after.len(),
            None => self.before.len(),
        };
        let mut end = line.len().checked_sub(self.pieces.last()?.after.len())?;
        if !ends(line, &self.pieces.last()?.after) {
            return None;
        }
        for i in (self.from_right..self.pieces.len()).rev() {
            let before = &self.pieces[i - 1].after;
            let head = line.get(start..end)?;
            let at = start + rfind(head, before)?;
            let value = at + before.len();
            if !self.pieces[i].allows(line, value, end) {
                return None;
            }
            cells.set(i, value, end);
            end = at;
        }
        (first_free..self.from_right).for_each(|cell| cells.set(cell, 0, 0));
        Some(())
    }
}

impl Piece {
    /// How much of the text is this value, which is a word without quotes: whatever is none ends it. Such are mostly short.
    #[inline(always)]
    fn word_len(&self, first: u8, line: &[u8], at: usize) -> Option<usize> {
        let end = first_of(line, at, [first, b' ', b'"'])?;
        begins(&line[end..], &self.after).then_some(end - at)
    }

    /// The same of any other value: it runs to the first place of what follows it.
    #[inline(always)]
    fn text_len(&self, first: u8, line: &[u8], start: usize) -> Option<usize> {
        // Where the value has no quote, the first one ends the search.
        let quote = if self.quotes { first } else { b'"' };
        let mut at = start;
        loop {
            at = first_of(line, at, [first, quote])?;
            if begins(&line[at..], &self.after) {
                return Some(at - start);
            }
            if !self.quotes && line[at] == b'"' {
                return None;
            }
            at += 1;
        }
    }

    /// The same for the last value: what follows it ends the line.
    #[inline]
    fn last_len(&self, text: &[u8]) -> Option<usize> {
        ends(text, &self.after).then(|| text.len() - self.after.len())
    }

    /// Whether the value between these places is as such values are.
    #[inline]
    fn allows(&self, line: &[u8], start: usize, end: usize) -> bool {
        let first = match (self.quotes, self.word) {
            (false, false) => first_of(line, start, *b"\""),
            (false, true) => first_of(line, start, *b"\" "),
            (true, false) => None,
            (true, true) => first_of(line, start, *b" "),
        };
        first.is_none_or(|first| first >= end)
    }
}

/// Whether the text begins with the literal, which is mostly a byte or two: too short for a call. (Where it is empty, the C library's
/// comparison may look at the address of nothing, which costs a hundred nanoseconds.)
#[inline(always)]
pub(super) fn begins(text: &[u8], literal: &[u8]) -> bool {
    match *literal {
        [one] => text.first() == Some(&one),
        [one, two] => matches!(*text, [a, b, ..] if a == one && b == two),
        [one, two, three] => matches!(*text, [a, b, c, ..] if a == one && b == two && c == three),
        _ => text.len() >= literal.len() && text.iter().zip(literal).all(|(a, b)| a == b),
    }
}

/// Whether the text ends with it.
#[inline(always)]
fn ends(text: &[u8], literal: &[u8]) -> bool {
    text.len().checked_sub(literal.len()).is_some_and(|at| begins(&text[at..], literal))
}

/// The last place of a needle of a few bytes, which is mostly near the end.
fn rfind(mut text: &[u8], needle: &[u8]) -> Option<usize> {
    let last = *needle.last()?;
    loop {
        let end = last_of(text, last)? + 1;
        if let Some(start) = end.checked_sub(needle.len()).filter(|start| begins(&text[*start..], needle)) {
            return Some(start);
        }
        text = &text[..end - 1];
    }
}

/// Literals and the operators between them.
fn take_apart(text: &str) -> Result<(Vec<String>, Vec<Operator<'_>>), LayoutError> {
    let (mut literals, mut operators) = (vec![String::new()], Vec::new());
    let mut at = 0;
    while at < text.len() {
        let Some(percent) = text[at..].find('%').map(|p| at + p) else {
            push(&mut literals, &text[at..]);
            break;
        };
        push(&mut literals, &text[at..percent]);
        if text[percent + 1..].starts_with('%') {
            push(&mut literals, "%");
            at = percent + 2;
            continue;
        }
        let operator = operator(text, percent)?;
        at = operator.span.end;
        operators.push(operator);
        literals.push(String::new());
    }
    // The line end that the configuration writes is no part of the line.
    if let Some(last) = literals.last_mut() {
        let end = last.trim_end_matches(['\n', '\r']);
        *last = end.strip_suffix("\\n").unwrap_or(end).to_owned();
    }
    Ok((literals, operators))
}

fn push(literals: &mut [String], text: &str) {
    if let Some(last) = literals.last_mut() {
        last.push_str(text);
    }
}

/// The operator whose first percent sign stands there.
fn operator(text: &str, percent: usize) -> Result<Operator<'_>, LayoutError> {
    let rest = &text[percent + 1..];
    let unclosed = || {
        let message = "a percent sign begins an operator that does not end".into();
        error(message, Some("write `%NAME%`, and `%%` for a percent sign".into()), percent..text.len())
    };
    let name_len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).ok_or_else(unclosed)?;
    let (name, rest) = rest.split_at(name_len);
    // Arguments may hold percent signs, as times do; a bracket closes before the last sign.
    let (arguments, rest) = match rest.strip_prefix('(') {
        Some(inner) => {
            let close = [")%", "):"].iter().filter_map(|end| inner.find(end)).min().ok_or_else(unclosed)?;
            (Some(&inner[..close]), &inner[close + 1..])
        }
        None => (None, rest),
    };
    let digits = rest.strip_prefix(':').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let rest = digits.unwrap_or(rest);
    if name.is_empty() || !rest.starts_with('%') {
        return Err(unclosed());
    }
    Ok(Operator { name, arguments, span: percent..text.len() - rest.len() + 1 })
}

/// The header that an operator of the request names, in capitals; else the operator's own name.
fn header_or_name<'t>(operator: &Operator<'t>) -> &'t str {
    match (operator.name, operator.arguments) {
        // Of `X-ENVOY-ORIGINAL-PATH?:PATH` the second is the plain one.
        ("REQ", Some(header)) => header.rsplit_once('?').map_or(header, |(_, plain)| plain),
        (name, _) => name,
    }
}

/// Numbers that decide what a record is.
fn is_needed(role: Role) -> bool {
    const NUMBERS: Fields =
        Fields::of(&[Field::ClientLatency, Field::UpstreamLatency, Field::BytesReceived, Field::BytesSent]);
    match role {
        Role::Status | Role::Start(_) | Role::End(_) => true,
        Role::Duration(field, _) | Role::Integer(field) => NUMBERS.has(field),
        _ => false,
    }
}

fn meaning(operator: &Operator<'_>) -> Result<Meaning, LayoutError> {
    use Role::{Address, Duration, Grpc, Integer, Text};
    let header = operator.arguments.unwrap_or_default().to_ascii_uppercase();
    let header = header.rsplit_once('?').map_or(header.as_str(), |(_, plain)| plain);
    let ms = |field| Some(Duration(field, Unit::Ms));
    let role = match operator.name {
        "START_TIME" => Some(Role::Start(form(operator)?)),
        "EMIT_TIME" => Some(Role::End(form(operator)?)),
        "RESPONSE_CODE" => Some(Role::Status),
        "RESPONSE_FLAGS" => Some(Text(Field::Termination)),
        "UPSTREAM_TRANSPORT_FAILURE_REASON" | "CONNECTION_TERMINATION_DETAILS" | "RESPONSE_CODE_DETAILS" => {
            Some(Text(Field::ErrorReason))
        }
        "BYTES_RECEIVED" => Some(Integer(Field::BytesReceived)),
        "BYTES_SENT" => Some(Integer(Field::BytesSent)),
        "DURATION" => ms(Field::ClientLatency),
        "PROTOCOL" => Some(Text(Field::Protocol)),
        "UPSTREAM_HOST" => Some(Text(Field::Target)),
        "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Some(Text(Field::Upstream)),
        "ROUTE_NAME" => Some(Text(Field::RouteName)),
        "REQUESTED_SERVER_NAME" => Some(Text(Field::Sni)),
        "DOWNSTREAM_REMOTE_ADDRESS" => Some(Address(Field::Client, Field::ClientPort)),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Some(Text(Field::Client)),
        "DOWNSTREAM_TLS_VERSION" => Some(Text(Field::TlsProtocol)),
        "DOWNSTREAM_TLS_CIPHER" => Some(Text(Field::TlsCipher)),
        "HOSTNAME" => Some(Text(Field::Instance)),
        "CONNECTION_ID" => Some(Text(Field::ConnectionId)),
        "GRPC_STATUS" | "GRPC_STATUS_NUMBER" => Some(Grpc),
        "REQ" => match header {
            ":METHOD" => Some(Text(Field::Method)),
            ":PATH" => Some(Role::Url),
            ":AUTHORITY" | "HOST" => Some(Address(Field::Host, Field::Port)),
            ":SCHEME" => Some(Text(Field::Scheme)),
            "USER-AGENT" => Some(Text(Field::UserAgent)),
            "REFERER" => Some(Text(Field::Referer)),
            "X-FORWARDED-FOR" => Some(Text(Field::ForwardedFor)),
            "X-REQUEST-ID" => Some(Text(Field::RequestId)),
            _ => None,
        },
        "RESP" | "TRAILER" => match header {
            "X-ENVOY-UPSTREAM-SERVICE-TIME" => ms(Field::UpstreamLatency),
            "GRPC-STATUS" => Some(Grpc),
            "CONTENT-TYPE" => Some(Text(Field::ContentType)),
            _ => None,
        },
        _ => None,
    };
    let pseudo = header.starts_with(':');
    let headers = matches!(operator.name, "REQ" | "RESP" | "TRAILER");
    let number = matches!(role, Some(Duration(..) | Grpc));
    // What a client or a target may write: any header but those that Envoy checks or makes itself.
    let free = headers && !pseudo && !number;
    let spaced = matches!(
        operator.name,
        "START_TIME"
            | "EMIT_TIME"
            | "ROUTE_NAME"
            | "UPSTREAM_TRANSPORT_FAILURE_REASON"
            | "DYNAMIC_METADATA"
            | "FILTER_STATE"
    );
    let label = match operator.name {
        "REQ" | "RESP" | "TRAILER" => header.to_ascii_lowercase().replace(['-', ':'], "_"),
        name => name.to_ascii_lowercase(),
    };
    Ok(Meaning { role, free, word: !free && !spaced, label })
}

/// How the time is written: milliseconds of RFC 3339 where nothing else is asked for.
fn form(operator: &Operator<'_>) -> Result<Form, LayoutError> {
    let Some(format) = operator.arguments.filter(|format| !format.is_empty()) else {
        return Ok(Form::Rfc3339);
    };
    let iso = format.starts_with("%Y-%m-%d") || format.starts_with("%F");
    match format {
        "%s%3f" => Ok(Form::Epoch(Unit::Ms)),
        "%s%6f" => Ok(Form::Epoch(Unit::Us)),
        "%s%9f" => Ok(Form::Epoch(Unit::Ns)),
        "%s" | "%s.%3f" | "%s.%6f" | "%s.%9f" => Ok(Form::Epoch(Unit::S)),
        _ if iso => Ok(Form::Rfc3339),
        _ if format.starts_with("%d/%b/%Y:") => Ok(Form::Clf),
        _ => Err(error(
            format!("times written `{format}` cannot be read"),
            Some("use %START_TIME% as it is, %s.%3f, or a form that begins with %Y-%m-%dT".into()),
            operator.span.clone(),
        )),
    }
}

fn error(message: String, hint: Option<String>, span: Range<usize>) -> LayoutError {
    LayoutError { message, hint, item: 0, span }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_wrongly_is_said_with_its_place() {
        let cases = [
            ("%START_TIME% %RESPONSE_CODE", "a percent sign begins an operator that does not end", 13..27),
            ("%START_TIME% %REQ(X%", "a percent sign begins an operator that does not end", 13..20),
            ("%START_TIME%%RESPONSE_CODE%", "nothing stands between two operators", 12..27),
            ("%START_TIME(%H:%M)% %RESPONSE_CODE%", "times written `%H:%M` cannot be read", 0..19),
            ("%START_TIME% x", "the format has no %RESPONSE_CODE%", 0..14),
            ("%RESPONSE_CODE%", "the format has no %START_TIME%", 0..15),
            ("", "the format has no %START_TIME%", 0..0),
        ];
        for (text, message, span) in cases {
            let error = Template::new(text, &Labels::default()).unwrap_err();
            assert!(error.message.starts_with(message), "{text}: {}", error.message);
            assert_eq!(error.span, span, "{text}");
        }
    }

    #[test]
    fn operators_with_arguments_and_lengths() {
        let text = "%START_TIME(%Y-%m-%dT%H:%M:%S%z)% %% %REQ(X-A?X-B):10% %RESPONSE_CODE%\\n";
        let (literals, operators) = take_apart(text).expect("a format");
        assert_eq!(literals, ["", " % ", " ", ""]);
        let read: Vec<_> = operators.iter().map(|o| (o.name, o.arguments)).collect();
        let start = ("START_TIME", Some("%Y-%m-%dT%H:%M:%S%z"));
        assert_eq!(read, [start, ("REQ", Some("X-A?X-B")), ("RESPONSE_CODE", None)]);
    }
}
