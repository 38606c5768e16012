//! The request line of a log: `GET https://shop.example.com:443/cart?id=1 HTTP/1.1`.
//!
//! Invariant: parts are slices of the line as they stood; a part that cannot be told is absent and
//! never makes up another.

use crate::core::scan::{first_of, last_of};

/// The parts of a request line.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Option<&'a [u8]>,
    pub(super) host: Option<&'a [u8]>,
    pub(super) port: Option<u16>,
    pub(super) path: Option<&'a [u8]>,
    pub(super) query: Option<&'a [u8]>,
    pub(super) protocol: Option<&'a [u8]>,
}

/// Takes a request line apart: the method runs to the first space, the protocol from the last one; what
/// stands between is the target, whatever is in it. With fewer than two spaces nothing can be told.
#[inline(always)]
pub(super) fn request(text: &[u8]) -> Request<'_> {
    let (Some(first), Some(last)) = (first_of(text, 0, *b" "), last_of(text, b' ')) else {
        return Request::default();
    };
    if first == last {
        return Request::default();
    }
    let method = value(&text[..first]);
    let mark = first_of(text, first + 1, *b"?").filter(|mark| *mark < last).map(|mark| mark - first - 1);
    let parts = parts(&text[first + 1..last], mark);
    Request { method, protocol: value(&text[last + 1..]), ..parts }
}

/// `-` and nothing mean that there is no value.
#[inline(always)]
pub(super) fn value(text: &[u8]) -> Option<&[u8]> {
    (!matches!(text, b"" | b"-")).then_some(text)
}

/// Takes the target apart: `scheme://authority/path?query`, or a path alone, or `*`.
#[inline(always)]
pub(super) fn target(text: &[u8]) -> Request<'_> {
    parts(text, first_of(text, 0, *b"?"))
}

/// The same, where the first question mark is known.
#[inline(always)]
fn parts(text: &[u8], mark: Option<usize>) -> Request<'_> {
    if let [b'/', ..] = text {
        return path_and_query(text, mark);
    }
    let Some(authority) = after_scheme(text) else {
        let path = Some(text).filter(|text| *text == b"*");
        return Request { path, ..Request::default() };
    };
    let end = first_of(authority, 0, *b"/?").unwrap_or(authority.len());
    let before = text.len() - authority.len() + end;
    let (authority, rest) = authority.split_at(end);
    // `http://host:80-` and `http://host:80-/`: the load balancer writes `-` for a target that it could
    // not read; what may follow is not the client's.
    let (authority, rest) = match authority.strip_suffix(b"-") {
        Some(read) if read.last().is_some_and(u8::is_ascii_digit) && port(read).1.is_some() => {
            (read, &[][..])
        }
        _ => (authority, rest),
    };
    let (host, port) = port(authority);
    // Neither a scheme nor what it is parted by has a question mark.
    let mark = mark.map(|mark| mark - before).filter(|mark| *mark < rest.len());
    Request { host: value(without_brackets(host)), port, ..path_and_query(rest, mark) }
}

/// What follows `scheme://`.
#[inline(always)]
fn after_scheme(text: &[u8]) -> Option<&[u8]> {
    // The longest scheme in use has five letters.
    let colon = text.iter().take(8).position(|b| *b == b':')?;
    let scheme = &text[..colon];
    let rest = text[colon + 1..].strip_prefix(b"//")?;
    (!scheme.is_empty() && scheme.iter().all(u8::is_ascii_alphanumeric)).then_some(rest)
}

#[inline(always)]
fn path_and_query(text: &[u8], mark: Option<usize>) -> Request<'_> {
    let (path, query) = match mark {
        Some(mark) => (&text[..mark], &text[mark + 1..]),
        None => (text, &[][..]),
    };
    // A path of one dash is a path.
    let some = |text: &'_ [u8]| !text.is_empty();
    Request {
        path: Some(path).filter(|p| some(p)),
        query: Some(query).filter(|q| some(q)),
        ..Request::default()
    }
}

/// Splits `host:port` at the last colon, as IPv6 addresses come without brackets too. What is no port
/// belongs to the host.
#[inline(always)]
pub(super) fn port(text: &[u8]) -> (&[u8], Option<u16>) {
    let Some(colon) = last_of(text, b':') else { return (text, None) };
    let digits = &text[colon + 1..];
    let number = digits.iter().try_fold(0u32, |n, digit| match digit {
        b'0'..=b'9' if n < 10_000 => Some(n * 10 + u32::from(digit - b'0')),
        _ => None,
    });
    match number.and_then(|n| u16::try_from(n).ok()) {
        Some(port) if !digits.is_empty() => (&text[..colon], Some(port)),
        _ => (text, None),
    }
}

/// `[2001:db8::1]` is the address 2001:db8::1.
#[inline(always)]
pub(super) fn without_brackets(host: &[u8]) -> &[u8] {
    match host {
        [b'[', address @ .., b']'] => address,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// method host port path query protocol, `~` where absent.
    fn parts(text: &[u8]) -> String {
        let Request { method, host, port, path, query, protocol } = request(text);
        let text = |part: Option<&[u8]>| part.map_or("~".into(), |p| String::from_utf8_lossy(p).into_owned());
        let port = port.map_or("~".into(), |p| p.to_string());
        [text(method), text(host), port, text(path), text(query), text(protocol)].join(" ")
    }

    #[test]
    fn requests() {
        let cases: &[(&str, &str)] = &[
            ("GET https://10.0.2.105:773/ HTTP/2.0", "GET 10.0.2.105 773 / ~ HTTP/2.0"),
            ("POST http://a.example:80/b/c?d=e?f HTTP/1.1", "POST a.example 80 /b/c d=e?f HTTP/1.1"),
            ("GET http://a:80/? HTTP/1.1", "GET a 80 / ~ HTTP/1.1"),
            ("GET http://a:80?x=1 HTTP/1.1", "GET a 80 ~ x=1 HTTP/1.1"),
            ("GET http://a:80 HTTP/1.1", "GET a 80 ~ ~ HTTP/1.1"),
            ("GET http://a/b HTTP/1.1", "GET a ~ /b ~ HTTP/1.1"),
            ("GET http://a:80/- HTTP/1.1", "GET a 80 /- ~ HTTP/1.1"),
            ("GET http://a:80//b//?c/d HTTP/1.1", "GET a 80 //b// c/d HTTP/1.1"),
            ("GET http://[2001:db8::1]:80/x HTTP/1.1", "GET 2001:db8::1 80 /x ~ HTTP/1.1"),
            ("GET http://[2001:db8::1]/x HTTP/1.1", "GET 2001:db8::1 ~ /x ~ HTTP/1.1"),
            ("GET http://2001:db8::1:80/x HTTP/1.1", "GET 2001:db8::1 80 /x ~ HTTP/1.1"),
            ("GET https://:@bxss.me::80/x HTTP/1.1", "GET :@bxss.me: 80 /x ~ HTTP/1.1"),
            ("GET http://a:99999/x HTTP/1.1", "GET a:99999 ~ /x ~ HTTP/1.1"),
            ("GET http://a:/x HTTP/1.1", "GET a: ~ /x ~ HTTP/1.1"),
            ("GET http://a-b-:80/x HTTP/1.1", "GET a-b- 80 /x ~ HTTP/1.1"),
            ("GET http://a-/x HTTP/1.1", "GET a- ~ /x ~ HTTP/1.1"),
            ("GET wss://a:443/x HTTP/1.1", "GET a 443 /x ~ HTTP/1.1"),
            ("GET http://a:80/SpaceInUri b c HTTP/1.1", "GET a 80 /SpaceInUri b c ~ HTTP/1.1"),
            ("GET http://a:80/\\x22\\xC3\\x88 HTTP/1.1", "GET a 80 /\\x22\\xC3\\x88 ~ HTTP/1.1"),
            ("GET /a?b=http://c HTTP/1.1", "GET ~ ~ /a b=http://c HTTP/1.1"),
            ("OPTIONS * HTTP/1.1", "OPTIONS ~ ~ * ~ HTTP/1.1"),
            ("CONNECT a:443 HTTP/1.1", "CONNECT ~ ~ ~ ~ HTTP/1.1"),
            ("- http://a:80- -", "~ a 80 ~ ~ ~"),
            ("- http://a.example.com:80-/ ", "~ a.example.com 80 ~ ~ ~"),
            ("- http://[::1]:80- -", "~ ::1 80 ~ ~ ~"),
            ("- - - ", "~ ~ ~ ~ ~ ~"),
            ("- - -", "~ ~ ~ ~ ~ ~"),
            ("-", "~ ~ ~ ~ ~ ~"),
            ("", "~ ~ ~ ~ ~ ~"),
            ("GET", "~ ~ ~ ~ ~ ~"),
            ("GET http://a:80/", "~ ~ ~ ~ ~ ~"),
            ("  ", "~ ~ ~ ~ ~ ~"),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text.as_bytes()), *expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-a-z0-9:/?@ \\[\\]*]{0,30}") {
            let _ = request(text.as_bytes());
        }
    }
}
