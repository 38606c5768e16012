//! The text of Traefik and Fastly, and CloudFront's JSON, the slow way. Shares nothing with the parsers but the reasons' names.

use super::slow_text::{Made, Refused, instant, outcome, regex, status};
use super::values_slow::{instant as read_instant, quantity};
use serde_json::Value;

/// `host ident user [time] "request" status size`, and what follows.
struct Line<'l> {
    time: Option<i64>,
    request: &'l [u8],
    status: Option<u64>,
    size: &'l [u8],
    rest: &'l [u8],
}

fn take_apart<'l>(line: &'l [u8], made: &mut Made) -> Result<Line<'l>, Refused> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Err("empty");
    }
    let group = |pattern: &str, text: &'l [u8]| -> Option<Vec<&'l [u8]>> {
        let found = regex(pattern).captures(text)?;
        Some(found.iter().skip(1).map(|m| m.map_or(&b""[..], |m| m.as_bytes())).collect())
    };
    let head = group(r"\A(.*?) \[(.*)\z", line).ok_or("not_this_format")?;
    let stamp = group(r"\A([^\]]*)\](.*)\z", head[1]).ok_or("truncated")?;
    let is_clf = regex(r"\A\[?[0-9]{1,2}/[A-Z]").is_match(stamp[0]);
    let time = std::str::from_utf8(stamp[0]).ok().filter(|_| is_clf).and_then(read_instant);
    let quoted = match stamp[1] {
        [b' ', b'"', quoted @ ..] => quoted,
        b"" | b" " => return Err("truncated"),
        _ => return Err("not_this_format"),
    };
    let Some(parts) = group(r#"\A(.*?)" (-|0|[0-9]{3}) (.*)\z"#, quoted) else {
        let other = regex(r#"" .* "#).is_match(quoted);
        return Err(if other { "bad_status" } else { "truncated" });
    };
    let code = status(parts[1]).map_err(|()| "bad_status")?;
    let size = group(r"\A([^ ]*)(.*)\z", parts[2]).expect("any text");
    if size[0].is_empty() {
        return Err("truncated");
    }
    let names = group(r"\A([^ ]*)(?: [^ ]*(?: (.*))?)?\z", head[0]).expect("any text");
    made.text("client", bare(names[0]));
    made.text("user", bare(names[1]));
    Ok(Line { time, request: parts[0], status: code, size: size[0], rest: size[1] })
}

fn bare(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

fn texts(made: &mut Made, rest: &[u8]) {
    let inner = rest.trim_ascii();
    let Some(inner) = inner.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")) else { return };
    match regex(r#"\A(.*?)" "(.*)\z"#).captures(inner) {
        Some(two) => {
            made.text("referer", &two[1]);
            made.text("user_agent", &two[2]);
        }
        None => made.text("referer", inner),
    }
}

/// A number, cut to whole ones.
fn number(text: &[u8], scale: i32) -> Result<Option<u64>, ()> {
    let text = std::str::from_utf8(text).map_err(drop)?;
    quantity(text, scale, false).map(|n| n.and_then(|n| n.as_u64()))
}

fn finish(made: &mut Made, line: &Line<'_>, end: i64, start: i64) {
    made.put("time", instant(end));
    made.put("request_creation", instant(start));
    made.some("status", line.status);
    made.put("websocket", line.status == Some(101));
    made.request(line.request);
    // A port belongs to a host.
    if !made.0.contains_key("host") {
        made.0.remove("port");
    }
}

pub(crate) fn fastly(line: &[u8]) -> Value {
    let record = |line: &[u8]| {
        let mut made = Made::default();
        let read = take_apart(line, &mut made)?;
        let time = read.time.ok_or("bad_time")?;
        if read.size != b"-" {
            made.some("bytes_sent", number(read.size, 0).map_err(|()| "bad_number")?);
        }
        made.put("client_gone", read.status == Some(499));
        finish(&mut made, &read, time, time);
        texts(&mut made, read.rest);
        Ok(made)
    };
    outcome(record(line))
}

pub(crate) fn traefik(line: &[u8]) -> Value {
    let words = r"\A.{4}-.{2}-.{2}T.{0,36} (?:TRC|DBG|INF|WRN|ERR|FTL|PNC) ";
    let own = regex(r#"\Atime=".* level="#).is_match(line)
        || line.len() > 20 && regex(words).find(&line[..line.len().min(48)]).is_some();
    match traefik_record(line) {
        Err("not_this_format") if own => outcome(Err("skipped")),
        read => outcome(read),
    }
}

fn traefik_record(line: &[u8]) -> Result<Made, Refused> {
    let mut made = Made::default();
    let read = take_apart(line, &mut made)?;
    let start = read.time.ok_or("bad_time")?;
    let mut rest = read.rest.trim_ascii_end();
    let mut took = None;
    if let Some(before) = rest.strip_suffix(b"ms") {
        let parts = regex(r"\A(.*) ([^ ]*)\z").captures(before).ok_or("bad_number")?;
        took = number(&parts[2], 3).map_err(|()| "bad_number")?;
        rest = rest[..parts[1].len()].trim_ascii_end();
        for name in ["upstream_server", "route_name"] {
            let Some(quoted) = regex(r#"\A(.*)"([^"]*)"\z"#).captures(rest) else { break };
            made.text(name, &quoted[2]);
            rest = rest[..quoted[1].len()].trim_ascii_end();
        }
        let count = regex(r"[0-9-]*\z").find(rest).map_or(0, |found| found.len());
        rest = rest[..rest.len() - count].trim_ascii_end();
    }
    if read.size != b"-" {
        made.some("bytes_sent", number(read.size, 0).map_err(|()| "bad_number")?);
    }
    made.some("client_latency_us", took);
    made.put("client_gone", matches!(read.status, None | Some(499)));
    finish(&mut made, &read, start.saturating_add(took.unwrap_or(0) as i64), start);
    texts(&mut made, rest);
    Ok(made)
}
