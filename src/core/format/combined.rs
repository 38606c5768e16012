//! The lines that nginx and Apache write unless told otherwise, and their kin:
//! `[vhost] address ident user [time] "request" status bytes ["referer" "agent"] …`.
//!
//! Source of the grammar: nginx's and Apache's documentation of their combined formats. What stands before
//! the time and behind the agent is told by its shape; the callers read the latter.
//!
//! Invariant: time, status and bytes decide whether a line is a record; what cannot be told of the rest is
//! absent.

use crate::core::format::instant::{CLF_LEN, Clf};
use crate::core::format::number::count;
use crate::core::format::quotes;
use crate::core::format::reading::{client_status, fill_client, fill_host, fill_request};
use crate::core::format::request::value;
use crate::core::record::{Field, Fields, Reason, Record, Value};
use crate::core::scan::first_of;
use crate::core::time::Time;
use memchr::{memchr, memchr_iter, memmem};

const HEAD: Fields = Fields::of(&[Field::Host, Field::Port, Field::Client, Field::User, Field::ForwardedFor]);

/// The middle of a line, and where the rest begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Middle<'a> {
    /// What stands between bytes and referer: some sites log a time there.
    pub(super) between: &'a [u8],
    /// What stands behind the agent, without the space before it.
    pub(super) tail: &'a [u8],
}

/// Reads everything up to the user agent. The record's time is the time as it is logged.
#[inline(always)]
pub(super) fn read<'a>(
    line: &'a [u8],
    wanted: Fields,
    dash_is_zero: bool,
    clf: &mut Clf,
    record: &mut Record<'a>,
) -> Result<Middle<'a>, Reason> {
    let (open, time) = bracket(line, clf)?;
    record.time = time;
    // Behind `] `.
    let at = open + 1 + CLF_LEN + 2;
    let (request, at) = quoted(line, at).ok_or_else(|| without_request(line, at))?;
    let space = |at: usize| first_of(line, at, *b" ").unwrap_or(line.len());
    let status_end = space(at);
    let status = client_status(line.get(at..status_end).unwrap_or_default())
        .map_err(|_| if at >= line.len() { Reason::Truncated } else { Reason::BadStatus })?;
    if at >= line.len() {
        return Err(Reason::Truncated);
    }
    let bytes_at = status_end + 1;
    if bytes_at >= line.len() {
        return Err(Reason::Truncated);
    }
    let bytes_end = space(bytes_at);
    let bytes = match line.get(bytes_at..bytes_end) {
        Some(b"-") => dash_is_zero.then_some(0),
        _ => count(line, (bytes_at, bytes_end)).map_err(|_| Reason::BadNumber)?,
    };
    record.status = status;
    record.bytes_sent = bytes;
    record.websocket = status == Some(101);
    if wanted.any(HEAD) {
        fill_head(&line[..open], wanted, record);
    }
    fill_request(request, wanted, record);

    let mut at = bytes_end + 1;
    let between = match line.get(at) {
        Some(b'"') | None => &[][..],
        Some(_) => {
            let end = space(at);
            let between = &line[at..end];
            at = end + 1;
            between
        }
    };
    let mut text = |field: Field, at: usize| match quoted(line, at) {
        Some((text, next)) => {
            if wanted.has(field)
                && let Some(text) = value(text)
            {
                record.set(field, Value::Text(text));
            }
            next
        }
        None => line.len(),
    };
    let at = text(Field::Referer, at);
    let at = text(Field::UserAgent, at);
    Ok(Middle { between, tail: line.get(at..).unwrap_or_default() })
}

/// Where the bracket before the time stands, and the time. What stands before it may have brackets too.
#[inline(always)]
fn bracket(line: &[u8], clf: &mut Clf) -> Result<(usize, Time), Reason> {
    let mut bad = None;
    for open in memchr_iter(b'[', line) {
        let Some((text, [b']', rest @ ..])) = line[open + 1..].split_at_checked(CLF_LEN) else {
            continue;
        };
        let looks_so = text[2] == b'/' && text[6] == b'/' && text[11] == b':';
        match clf.read(text) {
            Some(time) if rest.is_empty() || rest[0] == b' ' => return Ok((open, time)),
            Some(_) => {}
            None if looks_so => bad = Some(Reason::BadTime),
            None => {}
        }
    }
    Err(bad.unwrap_or_else(|| without_time(line)))
}

/// Why a line without a time is none.
#[cold]
fn without_time(line: &[u8]) -> Reason {
    if line.iter().all(|b| *b == b' ') {
        return Reason::Empty;
    }
    // The time is the fourth word or so: a line that has begun so, and has no request, was cut.
    let cut = match memchr(b'[', line) {
        Some(open) => {
            let begun = &line[open + 1..];
            let digits = |range: std::ops::Range<usize>| {
                begun.iter().take(range.end).skip(range.start).all(u8::is_ascii_digit)
            };
            begun.len() <= CLF_LEN && digits(0..2) && begun.get(2).is_none_or(|b| *b == b'/') && open > 0
        }
        None => false,
    };
    if cut { Reason::Truncated } else { Reason::NotThisFormat }
}

#[cold]
fn without_request(line: &[u8], at: usize) -> Reason {
    match line.get(at) {
        None | Some(b'"') => Reason::Truncated,
        Some(_) => Reason::NotThisFormat,
    }
}

/// The text within the quotes that open at `at`, and where the line goes on behind the space after them.
/// Quotes close before a space or the line's end.
#[inline(always)]
pub(super) fn quoted(line: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let inner = line.get(at..)?.strip_prefix(b"\"")?;
    let close = quotes::close(inner)?;
    Some((&inner[..close], at + 1 + close + 2))
}

/// What stands before the time: `[vhost[:port]] address[, address…] ident user`.
fn fill_head<'a>(head: &'a [u8], wanted: Fields, record: &mut Record<'a>) {
    let head = head.trim_ascii();
    // ` - ` is the ident that nobody has; it parts addresses from the user, who may have spaces.
    let (addresses, user) = match memmem::find(head, b" - ") {
        Some(dash) => (&head[..dash], &head[dash + 3..]),
        None => match head.strip_suffix(b" -") {
            Some(addresses) if last_is_address(addresses) => (addresses, &[][..]),
            _ => with_ident(head),
        },
    };
    // `address - [address, address] - user`: what the request was forwarded for.
    let forwarded = memmem::find(user, b"] - ").filter(|_| user.starts_with(b"["));
    let (addresses, user) = forwarded.map_or((addresses, user), |end| (&user[1..end], &user[end + 4..]));
    // A comma goes on; any other space parts the host from the addresses.
    let host_end = memchr_iter(b' ', addresses).find(|space| *space > 0 && addresses[space - 1] != b',');
    let (host, addresses) = match host_end {
        Some(end) => (&addresses[..end], addresses[end..].trim_ascii_start()),
        None => (&[][..], addresses),
    };
    let first = memchr(b',', addresses).map_or(addresses, |comma| &addresses[..comma]);
    if first.len() < addresses.len() && wanted.has(Field::ForwardedFor) {
        record.set(Field::ForwardedFor, Value::Text(addresses));
    }
    fill_client(first, false, wanted, record);
    fill_host(host, wanted, record);
    if let Some(user) = value(user).filter(|user| wanted.has(Field::User) && *user != b"\"\"") {
        record.set(Field::User, Value::Text(user));
    }
}

/// Whether the last word is an IP address or the only word: no ident stands there.
fn last_is_address(words: &[u8]) -> bool {
    let Some(space) = memchr::memrchr(b' ', words) else { return true };
    let last = &words[space + 1..];
    last.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':' | b'[' | b']'))
        && last.iter().any(|b| matches!(b, b'.' | b':'))
}

/// The ident is there: the last two words are it and the user.
fn with_ident(head: &[u8]) -> (&[u8], &[u8]) {
    let mut spaces = memchr::memrchr_iter(b' ', head);
    match (spaces.next(), spaces.next()) {
        (Some(user), Some(ident)) => (&head[..ident], &head[user + 1..]),
        (Some(ident), None) => (&head[..ident], &[]),
        _ => (head, &[]),
    }
}
