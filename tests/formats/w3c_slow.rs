//! CloudFront by position and IIS by declared columns, the slow way: a map of names to values.

use super::slow_text::{Made, Refused, count, decimal, instant, millis, outcome, seconds, status, utc};
use serde_json::Value;
use std::collections::BTreeMap;

type Named<'l> = BTreeMap<&'static str, &'l [u8]>;

/// The columns of a standard log.
pub(crate) const CLOUDFRONT: [&str; 33] = [
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "fle-status",
    "fle-encrypted-fields",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
];

/// Columns that a site of IIS may have picked.
pub(crate) const IIS: [&str; 15] = [
    "date",
    "time",
    "s-ip",
    "cs-method",
    "cs-uri-stem",
    "cs-uri-query",
    "s-port",
    "cs-username",
    "c-ip",
    "cs(User-Agent)",
    "cs(Referer)",
    "sc-status",
    "sc-substatus",
    "sc-win32-status",
    "time-taken",
];

fn given<'l>(named: &Named<'l>, name: &str) -> Option<&'l [u8]> {
    named.get(name).copied().filter(|value| !matches!(*value, b"" | b"-"))
}

fn time(named: &Named<'_>) -> Result<i64, Refused> {
    let (date, clock) = (given(named, "date"), given(named, "time"));
    let good = |text: Option<&[u8]>, full: &dyn Fn(&str) -> String| {
        text.map(|text| utc(full(std::str::from_utf8(text).unwrap_or("?")).as_bytes()).ok_or("bad_time"))
    };
    let day = good(date, &|date| format!("{date}T00:00:00")).transpose()?;
    let clock = good(clock, &|clock| format!("1970-01-01T{clock}")).transpose()?;
    // A `Z` at the end is no part of either.
    let zoned =
        [given(named, "date"), given(named, "time")].iter().flatten().any(|text| text.ends_with(b"Z"));
    if zoned {
        return Err("bad_time");
    }
    Ok(day.ok_or("bad_time")? + clock.ok_or("bad_time")?)
}

fn needed(made: &mut Made, name: &str, n: Result<Option<u64>, ()>) -> Result<(), Refused> {
    made.some(name, n.map_err(|()| "bad_number")?);
    Ok(())
}

fn texts(made: &mut Made, named: &Named<'_>, table: &[(&str, &str)]) {
    table.iter().for_each(|(field, name)| made.text(field, given(named, name).unwrap_or_default()));
}

pub(crate) fn cloudfront(line: &[u8]) -> Value {
    outcome(cloudfront_record(line))
}

fn cloudfront_record(line: &[u8]) -> Result<Made, Refused> {
    match line.first() {
        None => return Err("empty"),
        Some(b'#') => return Err("skipped"),
        Some(_) => {}
    }
    let mut columns: Vec<&[u8]> = line.split(|b| *b == b'\t').collect();
    if columns.len() < 33 && ![12, 15, 18, 19, 23, 24, 26].contains(&columns.len()) {
        columns.pop();
    }
    if columns.len() < 9 {
        return Err("truncated");
    }
    let named: Named<'_> = CLOUDFRONT.into_iter().zip(columns).collect();
    let get = |name: &str| given(&named, name).unwrap_or_default();
    let mut made = Made::default();
    made.put("time", instant(time(&named)?));
    needed(&mut made, "client_latency_us", seconds(get("time-taken")))?;
    let sent = status(get("sc-status")).map_err(|()| "bad_status")?;
    made.some("status", sent);
    needed(&mut made, "bytes_received", count(get("cs-bytes")))?;
    needed(&mut made, "bytes_sent", count(get("sc-bytes")))?;
    made.some("first_byte_us", seconds(get("time-to-first-byte")).ok().flatten());
    made.some("client_port", count(get("c-port")).ok().flatten());
    made.address("host", "port", get("x-host-header"));
    let stem = get("cs-uri-stem");
    let mut parts = stem.splitn(2, |b| *b == b'?');
    for name in ["path", "query"] {
        let part = parts.next().unwrap_or_default();
        if !part.is_empty() {
            made.put(name, String::from_utf8_lossy(part).into_owned());
        }
    }
    if !made.0.contains_key("query") {
        made.text("query", get("cs-uri-query"));
    }
    let table = [
        ("method", "cs-method"),
        ("protocol", "cs-protocol-version"),
        ("scheme", "cs-protocol"),
        ("request_id", "x-edge-request-id"),
        ("client", "c-ip"),
        ("tls_cipher", "ssl-cipher"),
        ("tls_protocol", "ssl-protocol"),
        ("referer", "cs(Referer)"),
        ("cache_status", "x-edge-result-type"),
        ("termination", "x-edge-response-result-type"),
        ("termination", "x-edge-detailed-result-type"),
        ("edge_location", "x-edge-location"),
        ("zone", "cs(Host)"),
        ("content_type", "sc-content-type"),
    ];
    texts(&mut made, &named, &table);
    for (field, name) in [("user_agent", "cs(User-Agent)"), ("forwarded_for", "x-forwarded-for")] {
        if let Some(text) = given(&named, name) {
            made.put(field, String::from_utf8_lossy(&percent(text)).into_owned());
        }
    }
    let midway = matches!(sent, Some(200..=299)) && get("x-edge-result-type") == b"Error";
    let interrupted = made.0.get("termination").is_some_and(|t| t == "ClientCommError");
    made.put("client_gone", sent.is_none() || midway || interrupted);
    made.put("websocket", sent == Some(101) || matches!(get("cs-protocol"), b"ws" | b"wss"));
    Ok(made)
}

fn percent(text: &[u8]) -> Vec<u8> {
    let escape = super::slow_text::regex("%(?:25([0-9a-fA-F]{2})|([0-9a-fA-F]{2}))");
    let byte = |c: &regex::bytes::Captures<'_>| {
        let digits = c.get(1).or(c.get(2)).map(|m| String::from_utf8_lossy(m.as_bytes()).into_owned());
        vec![u8::from_str_radix(&digits.unwrap_or_default(), 16).unwrap_or(b'?')]
    };
    escape.replace_all(text, byte).into_owned()
}

pub(crate) fn iis(line: &[u8]) -> Value {
    outcome(iis_record(line))
}

fn iis_record(line: &[u8]) -> Result<Made, Refused> {
    if line.is_empty() || line[0] == b'#' {
        return Err("skipped");
    }
    let mut columns: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    if columns.len() > IIS.len() {
        let column = super::slow_text::regex(r#" *("(?:[^"]|""|"[^ "])*"(?: |\z)|[^ ]+(?: |\z)|\z)"#);
        let mut at = 0;
        columns.clear();
        while let Some(found) = column.captures_at(line, at).filter(|_| at < line.len()) {
            let (whole, value) = (found.get(0).expect("a match"), found.get(1).expect("a match"));
            if value.is_empty() {
                break;
            }
            columns.push(value.as_bytes().strip_suffix(b" ").unwrap_or(value.as_bytes()));
            at = whole.end();
        }
    }
    match columns.len() {
        0..15 => return Err("truncated"),
        15 => {}
        _ => return Err("not_this_format"),
    }
    let bare = |c: &'_ [u8]| c.len() >= 2 && c[0] == b'"' && c.ends_with(b"\"");
    let doubles = super::slow_text::regex("\"\"");
    let texts_of: Vec<Vec<u8>> = columns
        .iter()
        .map(|c| {
            if bare(c) {
                doubles.replace_all(&c[1..c.len() - 1], &b"\""[..]).into_owned()
            } else {
                c.to_vec()
            }
        })
        .collect();
    let named_texts: Named<'_> = IIS.into_iter().zip(texts_of.iter().map(Vec::as_slice)).collect();
    let columns = columns.into_iter().map(|c| if bare(c) { &c[1..c.len() - 1] } else { c });
    let named: Named<'_> = IIS.into_iter().zip(columns).collect();
    let get = |name: &str| given(&named, name).unwrap_or_default();
    let mut made = Made::default();
    made.put("time", instant(time(&named)?));
    needed(&mut made, "client_latency_us", millis(get("time-taken")))?;
    let sent = status(get("sc-status")).map_err(|()| "bad_status")?;
    made.some("status", sent);
    for (field, name) in
        [("port", "s-port"), ("substatus", "sc-substatus"), ("system_status", "sc-win32-status")]
    {
        made.some(field, decimal(get(name), 0, false).ok().flatten());
    }
    let table = [
        ("method", "cs-method"),
        ("path", "cs-uri-stem"),
        ("query", "cs-uri-query"),
        ("user", "cs-username"),
        ("client", "c-ip"),
        ("referer", "cs(Referer)"),
    ];
    texts(&mut made, &named_texts, &table);
    if let Some(agent) = given(&named_texts, "cs(User-Agent)") {
        made.put("user_agent", String::from_utf8_lossy(agent).replace('+', " "));
    }
    made.put("client_gone", get("sc-win32-status") == b"64");
    made.put("websocket", sent == Some(101));
    Ok(made)
}
