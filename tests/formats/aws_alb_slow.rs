//! The grammar of ALB lines once more, by regular expressions and strings: slow, and sharing nothing with
//! the parser but the reasons' names.

use super::escapes_slow::{HEX, kept, shown};
use jiff::Timestamp;
use regex::bytes::Regex;
use serde_json::{Map, Value, json};

/// The expressions.
pub(crate) struct Slow {
    column: Regex,
    kind: Regex,
    time: Regex,
    seconds: Regex,
    count: Regex,
    status: Regex,
    request: Regex,
    url: Regex,
    unread_url: Regex,
    port: Regex,
    arn: Regex,
}

type Refused = &'static str;

impl Slow {
    /// Compiles them.
    pub(crate) fn new() -> Slow {
        let regex = |text: &str| Regex::new(&format!("(?s-u){text}")).expect("a regular expression");
        Slow {
            column: regex(r#""(?:[^"\\]|\\.)*(?:"[^ ]*|\\?\z)|[^ "][^ ]*"#),
            kind: regex(r"\A(?:https?|h2|grpcs|wss?)\z"),
            time: regex(r"\A([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)Z?\z"),
            seconds: regex(r"\A(-?)([0-9]+)(?:\.([0-9]+))?\z"),
            count: regex(r"\A(-?)([0-9]+)\z"),
            status: regex(r"\A[1-9][0-9]{2}\z"),
            request: regex(r"\A([^ ]*) (.*) ([^ ]*)\z"),
            url: regex(r"\A[A-Za-z0-9]{1,7}://([^/?]*)([^?]*)(?:\?(.*))?\z"),
            unread_url: regex(r"\A[A-Za-z0-9]{1,7}://([^/?]*:[0-9]+)-(?:[/?].*)?\z"),
            port: regex(r"\A(.*):([0-9]+)\z"),
            arn: regex(r"\Aarn:[^/]*:targetgroup/(.+)/[^/]*\z"),
        }
    }

    /// The record without nulls, or `{"rejected": reason}`.
    pub(crate) fn read(&self, line: &[u8]) -> Value {
        match self.record(line) {
            Ok(record) => Value::Object(shown(record, HEX)),
            Err(reason) => json!({ "rejected": reason }),
        }
    }

    fn record(&self, line: &[u8]) -> Result<Map<String, Value>, Refused> {
        let places: Vec<_> = self.column.find_iter(line).take(48).collect();
        let mut columns: Vec<&[u8]> =
            places.iter().map(|place| place.as_bytes().trim_ascii_end_spaces()).collect();
        let followed =
            |i: usize| places.get(i).is_some_and(|p| p.start() + columns_len(&p.as_bytes()) < line.len());
        let kind = *columns.first().ok_or("empty")?;
        let cut_kind = !followed(0)
            && ["http", "https", "h2", "grpcs", "ws", "wss"].iter().any(|k| k.as_bytes().starts_with(kind));
        if !(self.kind.is_match(kind) || cut_kind && columns.len() == 1) {
            return Err("not_this_format");
        }
        let time = columns.get(1).and_then(|c| self.time(c));
        if !followed(11) {
            return Err(if followed(1) && time.is_none() { "bad_time" } else { "truncated" });
        }
        let time = time.ok_or("bad_time")?;
        let phases = [self.seconds(columns[5])?, self.seconds(columns[6])?, self.seconds(columns[7])?];
        let status = self.status(columns[8]).map_err(|_| "bad_status")?;
        let (received, sent) = (self.count(columns[10])?, self.count(columns[11])?);

        // What can be trusted after the twelfth column.
        let whole_quote = |c: &[u8]| c.len() >= 2 && c[0] == b'"' && c.ends_with(b"\"");
        if !columns.get(12).is_some_and(|c| whole_quote(c) || *c == b"-") {
            columns.truncate(12);
        } else {
            let last = columns[columns.len() - 1];
            let closed = Regex::new(r#"(?s-u)\A"(?:.*[^\\])?(?:\\\\)*"\z"#)
                .expect("a regular expression")
                .is_match(last);
            let short = columns.len() < 18 && !followed(columns.len() - 1);
            if places.len() < 48 && (last[0] == b'"' && !closed || last[0] != b'"' && short) {
                columns.pop();
            }
        }
        let column = |i: usize| columns.get(i).copied().unwrap_or_default();
        let bare = |i: usize| match bare(column(i)) {
            [b'"', ..] => &b""[..],
            whole => whole,
        };
        let creation = self.time(column(21)).filter(|_| column(21).ends_with(b"Z"));
        let wall = creation.map(|c| time - c).filter(|wall| *wall >= 0);
        let sum = || phases.iter().try_fold(0u64, |sum, phase| sum.checked_add((*phase)?));

        let mut record = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                record.insert(name.to_owned(), value);
            }
        };
        put("time", Some(instant(time)));
        put("status", status.map(Value::from));
        put("client_latency_us", wall.map(Value::from).or_else(|| sum().map(Value::from)));
        put("upstream_latency_us", phases[1].map(Value::from));
        put("bytes_received", received.map(Value::from));
        put("bytes_sent", sent.map(Value::from));
        put("client_gone", Some((status == Some(460)).into()));
        put("websocket", Some(kind.starts_with(b"w").into()));
        put("upstream_status", self.status(column(9)).ok().flatten().map(Value::from));
        for (i, name) in
            ["request_processing_us", "target_processing_us", "response_processing_us"].iter().enumerate()
        {
            put(name, phases[i].map(Value::from));
        }
        let plain = [
            ("type", 0),
            ("load_balancer", 2),
            ("target", 4),
            ("user_agent", 13),
            ("tls_cipher", 14),
            ("tls_protocol", 15),
            ("target_group_arn", 16),
            ("request_id", 17),
            ("domain_name", 18),
            ("certificate_arn", 19),
            ("actions", 22),
            ("redirect_url", 23),
            ("error_reason", 24),
        ];
        for (name, i) in plain {
            put(name, text(bare(i)));
        }
        put("target_group", self.arn.captures(bare(16)).and_then(|c| text(&c[1])));
        put("rule_priority", self.count(bare(20)).ok().flatten().map(Value::from));
        put("request_creation", creation.map(instant));
        let (client, client_port) = self.port(column(3));
        put("client", text(unbracketed(client)));
        put("client_port", client_port);
        self.request(bare(12), &mut put);

        let mut next = 25;
        while column(next) != b"" && column(next)[0] != b'"' && column(next).contains(&b':') {
            next += 1;
        }
        let targets = (next - 25).max(1);
        let mut statuses = 0;
        while statuses < targets && (self.status(column(25 + targets + statuses)).is_ok()) {
            statuses += 1;
        }
        let statuses = statuses.max(1);
        let list = |first: usize, count: usize| {
            let there = first + count <= columns.len();
            there.then(|| {
                let start = places[first].start();
                let last = places[first + count - 1].start() + columns[first + count - 1].len();
                text(self::bare(&line[start..last]))
            })?
        };
        // An open quote, as everywhere: nothing.
        let closed = |list: Option<Value>| list.filter(|l| !l.as_str().is_some_and(|l| l.starts_with('"')));
        put("target_list", closed(list(25, targets)));
        put("target_status_list", closed(list(25 + targets, statuses)));
        let tail = [
            "classification",
            "classification_reason",
            "connection_id",
            "transformed_host",
            "transformed_uri",
        ];
        for (i, name) in tail.iter().chain(&["transform_status"]).enumerate() {
            put(name, text(bare(25 + targets + statuses + i)));
        }
        Ok(record)
    }

    fn request(&self, line: &[u8], put: &mut impl FnMut(&str, Option<Value>)) {
        let Some(parts) = self.request.captures(line) else { return };
        put("method", text(&parts[1]));
        put("protocol", text(&parts[3]));
        let target = &parts[2];
        let (authority, path, query) = if let Some(unread) = self.unread_url.captures(target)
            && self.port(unread.get(1).map_or(b"", |m| m.as_bytes())).1.is_some()
        {
            (unread.get(1).map(|m| m.as_bytes()), None, None)
        } else if let Some(url) = self.url.captures(target) {
            let part = |i| url.get(i).map(|m| m.as_bytes());
            (part(1), part(2), part(3))
        } else if target == b"*" {
            (None, Some(target), None)
        } else if target.starts_with(b"/") {
            let mut parts = target.splitn(2, |b| *b == b'?');
            (None, parts.next(), parts.next())
        } else {
            (None, None, None)
        };
        let some = |part: Option<&[u8]>| part.filter(|p| !p.is_empty()).map(|p| kept(p).into());
        put("path", some(path));
        put("query", some(query));
        if let Some(authority) = authority {
            let (host, port) = self.port(authority);
            put("host", text(unbracketed(host)));
            put("port", port);
        }
    }

    fn time(&self, column: &[u8]) -> Option<i64> {
        let read = self.time.captures(column)?;
        let text = format!("{}Z", std::str::from_utf8(&read[1]).ok()?);
        text.parse::<Timestamp>().ok().map(|t| t.as_microsecond())
    }

    fn seconds(&self, column: &[u8]) -> Result<Option<u64>, Refused> {
        if column == b"-" {
            return Ok(None);
        }
        let read = self.seconds.captures(column).ok_or("bad_number")?;
        if !read[1].is_empty() {
            return Ok(None);
        }
        let decimals = read.get(3).map_or(&b""[..], |d| d.as_bytes());
        let micros: Vec<u8> = decimals.iter().copied().chain(*b"000000").take(6).collect();
        let digits = [&read[2], &micros[..]].concat();
        String::from_utf8_lossy(&digits).parse().map(Some).map_err(|_| "bad_number")
    }

    fn count(&self, column: &[u8]) -> Result<Option<u64>, Refused> {
        if column == b"-" {
            return Ok(None);
        }
        let read = self.count.captures(column).ok_or("bad_number")?;
        if !read[1].is_empty() {
            return Ok(None);
        }
        String::from_utf8_lossy(&read[2]).parse().map(Some).map_err(|_| "bad_number")
    }

    fn status(&self, column: &[u8]) -> Result<Option<u16>, ()> {
        match column {
            b"-" | b"-1" | b"0" | b"000" => Ok(None),
            _ if self.status.is_match(column) => {
                String::from_utf8_lossy(column).parse().map(Some).map_err(|_| ())
            }
            _ => Err(()),
        }
    }

    fn port<'a>(&self, text: &'a [u8]) -> (&'a [u8], Option<Value>) {
        let Some(parts) = self.port.captures(text) else { return (text, None) };
        match String::from_utf8_lossy(&parts[2]).parse::<u16>() {
            Ok(port) => (parts.get(1).map_or(b"", |m| m.as_bytes()), Some(port.into())),
            Err(_) => (text, None),
        }
    }
}

trait Trim {
    fn trim_ascii_end_spaces(&self) -> &[u8];
}

impl Trim for [u8] {
    fn trim_ascii_end_spaces(&self) -> &[u8] {
        &self[..columns_len(&self)]
    }
}

/// Length without the spaces at the end, which only an open quote has.
fn columns_len(column: &&[u8]) -> usize {
    column.iter().rposition(|b| *b != b' ').map_or(0, |last| last + 1)
}

fn bare(column: &[u8]) -> &[u8] {
    if column.len() >= 2 && column[0] == b'"' && column.ends_with(b"\"") {
        &column[1..column.len() - 1]
    } else {
        column
    }
}

fn unbracketed(host: &[u8]) -> &[u8] {
    if host.len() >= 2 && host[0] == b'[' && host.ends_with(b"]") { &host[1..host.len() - 1] } else { host }
}

fn text(text: &[u8]) -> Option<Value> {
    (!text.is_empty() && text != b"-").then(|| kept(text).into())
}

/// RFC 3339 with six decimals, or none where they are 0.
fn instant(micros: i64) -> Value {
    let time = Timestamp::from_microsecond(micros).unwrap_or_default();
    if micros.rem_euclid(1_000_000) == 0 { format!("{time:.0}").into() } else { format!("{time:.6}").into() }
}
