//! The Common Log Format as Traefik and Fastly write it: `host ident user [time] "request" status size`, and
//! what follows.
//!
//! Source of the grammar: "Log Files" of the Apache documentation; "Access Logs" of Traefik's, "Custom log
//! formats" of Fastly's.
//!
//! Invariant: quotes within the request are not escaped by either. The request ends at the first quote behind
//! which a status stands.

use crate::core::format::instant::clf;
use crate::core::format::number::status;
use crate::core::format::request::value;
use crate::core::record::Reason;
use crate::core::time::Time;
use memchr::{memchr, memchr_iter, memmem};

/// A line taken apart.
#[derive(Debug)]
pub(super) struct CommonLog<'a> {
    pub(super) host: Option<&'a [u8]>,
    pub(super) user: Option<&'a [u8]>,
    pub(super) time: Result<Time, Reason>,
    pub(super) request: &'a [u8],
    pub(super) status: Option<u16>,
    pub(super) size: &'a [u8],
    /// What follows the size, with the space before it.
    pub(super) rest: &'a [u8],
}

/// Takes a line apart; the time as well where the rest cannot be read.
#[inline]
pub(super) fn common_log(line: &[u8]) -> Result<CommonLog<'_>, (Reason, Time)> {
    const NO_TIME: Time = crate::core::record::Record::NO_TIME;
    if line.trim_ascii().is_empty() {
        return Err((Reason::Empty, NO_TIME));
    }
    let Some((before, after)) = memmem::find(line, b" [").map(|at| (&line[..at], &line[at + 2..])) else {
        return Err((Reason::NotThisFormat, NO_TIME));
    };
    let Some(end) = memchr(b']', after) else { return Err((Reason::Truncated, NO_TIME)) };
    let (stamp, after) = after.split_at(end);
    let time = clf(stamp).ok_or(Reason::BadTime);
    let known = time.unwrap_or(NO_TIME);
    let Some(quoted) = after.strip_prefix(b"] \"") else {
        let cut = b"] \"".starts_with(after);
        return Err((if cut { Reason::Truncated } else { Reason::NotThisFormat }, known));
    };
    let Some(end) = memchr_iter(b'"', quoted).find(|end| begins_status(&quoted[end + 1..])) else {
        // Something stands behind a quote, and something behind that.
        let is_whole =
            memmem::find(quoted, b"\" ").is_some_and(|at| memchr(b' ', &quoted[at + 2..]).is_some());
        return Err((if is_whole { Reason::BadStatus } else { Reason::Truncated }, known));
    };
    let request = &quoted[..end];
    let after = &quoted[end + 2..];
    let Some(space) = memchr(b' ', after) else { return Err((Reason::Truncated, known)) };
    let (code, after) = (&after[..space], &after[space + 1..]);
    let status = status(code).map_err(|_| (Reason::BadStatus, known))?;
    let end = memchr(b' ', after).unwrap_or(after.len());
    let (size, rest) = after.split_at(end);
    if size.is_empty() {
        return Err((Reason::Truncated, known));
    }
    let (host, user) = identities(before);
    Ok(CommonLog { host, user, time, request, status, size, rest })
}

/// Whether ` 200 ` or ` - ` follows, or the line ends after it.
#[inline(always)]
fn begins_status(text: &[u8]) -> bool {
    match text {
        [b' ', b'-' | b'0', b' ', ..] => true,
        [b' ', a, b, c, b' ', ..] => [a, b, c].iter().all(|digit| digit.is_ascii_digit()),
        _ => false,
    }
}

/// Host and user of `host ident user`, each perhaps in quotes; a user may have spaces.
#[inline]
fn identities(text: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let Some(space) = memchr(b' ', text) else { return (value(unquoted(text)), None) };
    let rest = &text[space + 1..];
    let user = memchr(b' ', rest).and_then(|space| value(unquoted(&rest[space + 1..])));
    (value(unquoted(&text[..space])), user)
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [b'"', inner @ .., b'"'] => inner,
        _ => text,
    }
}

/// Takes `"referer" "user agent"` apart. Quotes within may stand bare; the first pair with a space between
/// divides.
pub(super) fn referer_and_agent(text: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let inner = text.trim_ascii().strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    let Some(inner) = inner else { return (None, None) };
    match memmem::find(inner, b"\" \"") {
        Some(at) => (value(&inner[..at]), value(&inner[at + 3..])),
        None => (value(inner), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_the_request_does_not_end_it() {
        let line = br#"::1 - a b [24/Nov/2024:13:38:04 +0000] "GET /x" y"z HTTP/1.1" 200 352 "-" "q" "r""#;
        let read = common_log(line).expect("a line");
        assert_eq!(read.request, br#"GET /x" y"z HTTP/1.1"#);
        assert_eq!((read.host, read.user), (Some(&b"::1"[..]), Some(&b"a b"[..])));
        assert_eq!(referer_and_agent(read.rest), (None, Some(&b"q\" \"r"[..])));
    }

    #[test]
    fn lines_that_are_cut_or_others() {
        let line = br#"1.2.3.4 - - [24/Nov/2024:13:38:04 +0000] "GET / HTTP/2" 200 352"#;
        assert!(common_log(line).is_ok());
        for end in 0..line.len() - 3 {
            let reason = match end {
                0 => Reason::Empty,
                1..13 => Reason::NotThisFormat,
                _ => Reason::Truncated,
            };
            assert_eq!(common_log(&line[..end]).map_err(|(reason, _)| reason).err(), Some(reason), "{end}");
        }
        let odd = br#"1.2.3.4 - - [24/Nov/2024:13:38:04 +0000] "GET / HTTP/2" OK 352"#;
        assert_eq!(common_log(odd).map_err(|(reason, _)| reason).err(), Some(Reason::BadStatus));
    }
}
