//! A syslog message: RFC 5424, or RFC 3164 in the forms that daemons really send.
//!
//! ```text
//! <171>1 2025-11-05T20:47:03.000000+00:00 host app procid msgid [sd] MSG
//! <134>Feb  6 12:14:14 host haproxy[14389]: MSG
//! ```
//! Of the second kind the priority, the host and the tag may each be missing, and the time may be an ISO one. Without a
//! priority it is taken for syslog only if there is a tag, or an object right after the host: some formats begin
//! their own lines with a time.

use super::cri::begins_with_time;

/// What the header says, and the message. What it does not say is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Syslog<'p> {
    pub(super) priority: Option<u16>,
    pub(super) time: &'p [u8],
    pub(super) hostname: &'p [u8],
    pub(super) app_name: &'p [u8],
    pub(super) procid: &'p [u8],
    pub(super) msgid: &'p [u8],
    pub(super) content: &'p [u8],
}

/// Longest tag that is taken for one, bytes.
const TAG_BYTES_MAX: usize = 64;

/// Takes the header off. None if there is none.
pub(super) fn read(line: &[u8]) -> Option<Syslog<'_>> {
    let (priority, rest) = match line {
        [b'<', rest @ ..] => {
            let end = rest.iter().take(4).position(|b| *b == b'>')?;
            let digits = std::str::from_utf8(&rest[..end]).ok()?;
            (Some(digits.parse().ok().filter(|p| *p < 192)?), &rest[end + 1..])
        }
        _ => (None, line),
    };
    if let (Some(_), [b'1', b' ', rest @ ..]) = (priority, rest)
        && let Some(syslog) = rfc5424(rest)
    {
        return Some(Syslog { priority, ..syslog });
    }
    let syslog = rfc3164(rest);
    let sure = priority.is_some()
        || !syslog.time.is_empty() && (!syslog.app_name.is_empty() || syslog.content.starts_with(b"{"));
    sure.then_some(Syslog { priority, ..syslog })
}

fn rfc5424(rest: &[u8]) -> Option<Syslog<'_>> {
    let mut columns = rest.splitn(6, |b| *b == b' ');
    let mut column = || columns.next().filter(|c| !c.is_empty());
    let (time, hostname, app_name, procid, msgid, rest) =
        (column()?, column()?, column()?, column()?, column()?, column()?);
    let content = match rest {
        [b'-'] => &[][..],
        [b'-', b' ', content @ ..] => content,
        [b'[', ..] => after_structured_data(rest)?,
        _ => return None,
    };
    let value = |column: &'static [u8]| column;
    let nil = |column| if column == value(b"-") { &[][..] } else { column };
    Some(Syslog {
        priority: None,
        time: nil(time),
        hostname: nil(hostname),
        app_name: nil(app_name),
        procid: nil(procid),
        msgid: nil(msgid),
        content: content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content),
    })
}

/// What follows `[id name="value" ...][...]` and one blank.
fn after_structured_data(bytes: &[u8]) -> Option<&[u8]> {
    let (mut quoted, mut at) = (false, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b']' if !quoted => match &bytes[at + 1..] {
                [b'[', ..] => {}
                [] => return Some(&[]),
                [b' ', content @ ..] => return Some(content),
                _ => return None,
            },
            _ => {}
        }
        at += 1;
    }
    None
}

fn rfc3164(rest: &[u8]) -> Syslog<'_> {
    let (time, rest) = time(rest);
    let mut syslog = Syslog { time, content: rest, ..Syslog::default() };
    if let Some((name, procid, content)) = tag(rest) {
        (syslog.app_name, syslog.procid, syslog.content) = (name, procid, content);
        return syslog;
    }
    // a host stands only behind a time
    if time.is_empty() {
        return syslog;
    }
    let Some(end) = rest.iter().position(|b| *b == b' ') else { return syslog };
    syslog.hostname = &rest[..end];
    let after = &rest[end + 1..];
    syslog.content = after;
    if let Some((name, procid, content)) = tag(after) {
        (syslog.app_name, syslog.procid, syslog.content) = (name, procid, content);
    } else {
        let blanks = after.iter().take_while(|b| **b == b' ').count();
        syslog.content = &after[blanks..];
    }
    syslog
}

/// The time in front, if there is one, and what follows the blank behind it.
fn time(rest: &[u8]) -> (&[u8], &[u8]) {
    let end = if begins_with_time(rest) {
        rest.iter().position(|b| *b == b' ')
    } else {
        begins_with_month(rest).then_some(15)
    };
    match end {
        Some(end) if rest.get(end) == Some(&b' ') => (&rest[..end], &rest[end + 1..]),
        _ => (&[], rest),
    }
}

/// Whether the bytes begin like `Feb  6 12:14:14`.
#[inline]
pub(super) fn begins_with_month(bytes: &[u8]) -> bool {
    let months = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let Some((month, rest)) = bytes.split_first_chunk::<3>() else { return false };
    months.chunks_exact(3).any(|m| m == month)
        && matches!(
            rest,
            [b' ', b' ' | b'0'..=b'3', b'0'..=b'9', b' ', _, _, b':', _, _, b':', _, b'0'..=b'9', ..]
        )
}

/// `name: ` or `name[procid]: ` in front: the two, and what follows.
fn tag(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let head = &bytes[..bytes.len().min(TAG_BYTES_MAX)];
    let legal =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'(' | b')' | b'@');
    let name_end = head.iter().position(|b| !legal(b))?;
    let (procid, rest) = match &bytes[name_end..] {
        [b'[', rest @ ..] => {
            let end = rest.iter().take(TAG_BYTES_MAX).position(|b| *b == b']')?;
            (&rest[..end], &rest[end + 1..])
        }
        rest => (&[][..], rest),
    };
    let content = rest.strip_prefix(b":")?;
    // `host:443 ...` and `a::b` are no tags
    let content = match content {
        [] => content,
        [b' ', content @ ..] => content,
        _ => return None,
    };
    (name_end > 0).then_some((&bytes[..name_end], procid, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_all_kinds() {
        // line; app, host, content
        let cases: &[(&str, Option<(&str, &str, &str)>)] = &[
            (
                "<134>Feb  6 12:14:14 lb1 haproxy[14389]: 10.0.1.2:33 x",
                Some(("haproxy", "lb1", "10.0.1.2:33 x")),
            ),
            ("Feb  6 12:14:14 lb1 haproxy[14389]: x", Some(("haproxy", "lb1", "x"))),
            ("<30>Aug  4 20:06:05 haproxy[8]: x", Some(("haproxy", "", "x"))),
            ("<190>Oct 10 13:55:36 web nginx: 1.2.3.4 - -", Some(("nginx", "web", "1.2.3.4 - -"))),
            ("<14>haproxy[9]: x", Some(("haproxy", "", "x"))),
            ("<14>2021-11-12T16:59:46.613304+00:00 h nginx: x", Some(("nginx", "h", "x"))),
            ("2021-11-12T16:59:46.613304+00:00 1.1.1.1  {  \"a\":1}", Some(("", "1.1.1.1", "{  \"a\":1}"))),
            ("<14>Oct 10 13:55:36 h 1.2.3.4 - - [x]", Some(("", "h", "1.2.3.4 - - [x]"))),
            (
                "<171>1 2025-11-05T20:47:03.000000+00:00 h app 7 id [a b=\"]\\\"\"][c] \u{feff}x y",
                Some(("app", "h", "x y")),
            ),
            ("<171>1 2025-11-05T20:47:03Z - - - - - x", Some(("", "", "x"))),
            ("<171>1 2025-11-05T20:47:03Z h app - - -", Some(("app", "h", ""))),
            // no headers: a Classic Load Balancer's line, an nginx line, anything
            ("2015-05-13T23:39:43.945958Z my-lb 192.168.131.39:2817 10.0.0.1:80 0.1", None),
            ("127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1", None),
            ("Feb  6 12:14:14 lb1 no tag here", None),
            ("<999>x", None),
            ("<>x", None),
            ("<html>", None),
            ("", None),
        ];
        for (line, want) in cases {
            let got = read(line.as_bytes()).map(|s| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (text(s.app_name), text(s.hostname), text(s.content))
            });
            let want = want.map(|(a, h, c)| (a.to_string(), h.to_string(), c.to_string()));
            assert_eq!(got, want, "{line}");
        }
        assert_eq!(read(b"<134>x").and_then(|s| s.priority), Some(134));
    }
}
