//! The lines of nginx, ingress-nginx, Apache and HAProxy once more, by regular expressions and splitting:
//! slow, and sharing nothing with the parsers. A line is a record or it is none; why it is none is not told.

use super::escapes_slow::{C, HASH, HEX, kept, shown};
use jiff::Timestamp;
use jiff::fmt::strtime;
use regex::bytes::Regex;
use serde_json::{Map, Value};

/// The expressions.
pub(crate) struct Slow {
    time: Regex,
    bracket: Regex,
    quoted: Regex,
    count: Regex,
    seconds: Regex,
    millis_time: Regex,
    status: Regex,
    time_like: Regex,
    named: Regex,
    address: Regex,
    url: Regex,
    unread_url: Regex,
    port: Regex,
    tag: Regex,
}

type Object = Map<String, Value>;

/// None where the line is no record.
type Read<T> = Option<T>;

impl Slow {
    /// Compiles them.
    pub(crate) fn new() -> Slow {
        let regex = |text: &str| Regex::new(&format!("(?s-u){text}")).expect("a regular expression");
        let months = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec";
        let clf = format!(r"[0-9]{{2}}/(?:{months})/[0-9]{{4}}:[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}");
        Slow {
            time: regex(&format!(r"\A({clf} [+-](?:[01][0-9]|2[0-3])[0-5][0-9])\z")),
            bracket: regex(r"\A\[(.{26})\](?: |\z)"),
            quoted: regex(r#"\A"((?:\\.|[^\\])*?)"(?: |\z)"#),
            count: regex(r"\A(-?)([0-9]+)\z"),
            seconds: regex(r"\A(-?)([0-9]+)(?:\.([0-9]+))?\z"),
            millis_time: regex(&format!(r"\A({clf})(?:\.([0-9]+))?( [+-](?:[01][0-9]|2[0-3])[0-5][0-9])?\z")),
            status: regex(r"\A[1-9][0-9]{2}\z"),
            time_like: regex(r"\A[0-9]+\.[0-9]{3}(?:[, ]|\z)"),
            named: regex(r"\A([a-z_]+)="),
            address: regex(r"\A[0-9A-Fa-f.:\[\]]*[.:][0-9A-Fa-f.:\[\]]*\z"),
            url: regex(r"\A[A-Za-z0-9]{1,7}://([^/?]*)([^?]*)(?:\?(.*))?\z"),
            unread_url: regex(r"\A[A-Za-z0-9]{1,7}://([^/?]*:[0-9]+)-(?:[/?].*)?\z"),
            port: regex(r"\A(.*):([0-9]+)\z"),
            tag: regex(r"\A[^\[]*\[[0-9]{1,10}\]: "),
        }
    }

    /// A line of nginx as everybody writes them.
    pub(crate) fn nginx(&self, line: &[u8]) -> Read<Object> {
        self.nginx_kept(line).map(|record| shown(record, HEX))
    }

    fn nginx_kept(&self, line: &[u8]) -> Read<Object> {
        let mut record = Object::new();
        let (between, tail) = self.combined(line, false, &mut record)?;
        self.nginx_tail(between, tail, &mut record);
        record.insert("client_gone".into(), (record.get("status") == Some(&499.into())).into());
        Some(record)
    }

    /// A line of ingress-nginx's `upstreaminfo`.
    pub(crate) fn ingress(&self, line: &[u8]) -> Read<Object> {
        self.ingress_kept(line).map(|record| shown(record, HEX))
    }

    fn ingress_kept(&self, line: &[u8]) -> Read<Object> {
        let mut record = Object::new();
        let (_, tail) = self.combined(line, false, &mut record)?;
        record.insert("client_gone".into(), (record.get("status") == Some(&499.into())).into());
        let last_quote = line.iter().rposition(|b| *b == b'"')?;
        if tail.is_empty() || last_quote + 2 >= line.len() {
            return Some(record);
        }
        let mut rest = Some(&line[last_quote + 2..]);
        // The next list, and whether anything follows it.
        let next = |rest: &mut Option<&[u8]>| -> (Vec<u8>, bool) {
            let Some(text) = rest.filter(|t| !t.is_empty()) else { return (Vec::new(), false) };
            let list = list(text);
            *rest = text.get(list.len() + 1..);
            (list.to_vec(), text.len() > list.len())
        };
        let bracketed = |rest: &mut Option<&[u8]>| -> Option<Vec<u8>> {
            let text = (*rest)?;
            let close = text.iter().position(|b| *b == b']').filter(|_| text[0] == b'[')?;
            (text.get(close + 1) == Some(&b' ')).then(|| {
                *rest = text.get(close + 2..);
                text[1..close].to_vec()
            })
        };
        let whole = |(list, followed): (Vec<u8>, bool)| if followed { list } else { Vec::new() };
        put(&mut record, "bytes_received", self.count(&whole(next(&mut rest)))?.map(Value::from));
        put(&mut record, "client_latency_us", self.duration(&whole(next(&mut rest)), 6)?.map(Value::from));
        put(&mut record, "upstream", bracketed(&mut rest).and_then(|name| text(&name)));
        bracketed(&mut rest);
        self.peers(&whole(next(&mut rest)), &mut record);
        next(&mut rest);
        self.upstreams(&whole(next(&mut rest)), &mut record)?;
        self.statuses(&next(&mut rest).0, &mut record);
        put(&mut record, "request_id", text(&next(&mut rest).0));
        Some(record)
    }

    /// A line of Apache as everybody writes them.
    pub(crate) fn apache(&self, line: &[u8]) -> Read<Object> {
        self.apache_kept(line).map(|record| shown(record, C))
    }

    fn apache_kept(&self, line: &[u8]) -> Read<Object> {
        let mut record = Object::new();
        self.combined(line, true, &mut record)?;
        record.insert("client_gone".into(), false.into());
        Some(record)
    }

    /// A line of HAProxy's `httplog` or `httpslog`, or of `httplog clf`.
    pub(crate) fn haproxy(&self, line: &[u8]) -> Read<Object> {
        self.haproxy_kept(line).map(|record| shown(record, HASH))
    }

    fn haproxy_kept(&self, line: &[u8]) -> Read<Object> {
        let message = self.tag.find(line).map_or(line, |tag| &line[tag.end()..]);
        let mut record = Object::new();
        let first_space = message.iter().position(|b| *b == b' ').unwrap_or(message.len());
        let termination;
        if message[first_space..].starts_with(b" - - [") {
            let mut left = message;
            let mut to = |literal: &str| cut(&mut left, literal);
            put(&mut record, "client", text(unbracketed(to(" - - [")?)));
            let start = self.clf(to("] \"")?)?;
            self.request(to("\" ")?, &mut record);
            let status = self.read_status(to(" ")?)?;
            put(&mut record, "status", status.map(Value::from));
            put(&mut record, "bytes_sent", self.count(plus(to(" \"\" \"\" ")?))?.map(Value::from));
            put(&mut record, "client_port", self.count(plus(to(" ")?)).flatten().map(Value::from));
            to(" \"")?;
            put(&mut record, "frontend", text(without(to("\" \"")?, b'~')));
            put(&mut record, "upstream", text(to("\" \"")?));
            put(&mut record, "upstream_server", text(to("\" ")?).filter(|s| s != "<NOSRV>"));
            to(" ")?;
            for name in ["queue_us", "upstream_connect_us"] {
                put(&mut record, name, self.duration(plus(to(" ")?), 3).flatten().map(Value::from));
            }
            put(&mut record, "upstream_latency_us", self.duration(plus(to(" ")?), 3)?.map(Value::from));
            let took = self.duration(plus(to(" ")?), 3)?;
            put(&mut record, "client_latency_us", took.map(Value::from));
            record.insert("time".into(), instant(start + took.map_or(0, |us| us as i64)));
            termination = to(" ").map(<[u8]>::to_vec);
            let rest = termination.is_some() && (0..4).all(|_| to(" ").is_some());
            let retries = rest.then(|| to(" ")).flatten();
            put(&mut record, "retries", retries.and_then(|r| self.count(plus(r)).flatten()).map(Value::from));
        } else {
            let mut left = message;
            let mut to = |literal: &str| cut(&mut left, literal);
            let (address, port) = self.port(to(" [")?);
            put(&mut record, "client", text(unbracketed(address)));
            put(&mut record, "client_port", port);
            let start = self.local(to("] ")?)?;
            put(&mut record, "frontend", text(without(to(" ")?, b'~')));
            put(&mut record, "upstream", text(to("/")?));
            put(&mut record, "upstream_server", text(to(" ")?).filter(|s| s != "<NOSRV>"));
            to("/")?;
            for name in ["queue_us", "upstream_connect_us"] {
                put(&mut record, name, self.duration(plus(to("/")?), 3).flatten().map(Value::from));
            }
            put(&mut record, "upstream_latency_us", self.duration(plus(to("/")?), 3)?.map(Value::from));
            let took = self.duration(plus(to(" ")?), 3)?;
            put(&mut record, "client_latency_us", took.map(Value::from));
            record.insert("time".into(), instant(start + took.map_or(0, |us| us as i64)));
            put(&mut record, "status", self.read_status(to(" ")?)?.map(Value::from));
            put(&mut record, "bytes_sent", self.count(plus(to(" ")?))?.map(Value::from));
            termination =
                (to(" ").is_some() && to(" ").is_some()).then(|| to(" ").map(<[u8]>::to_vec)).flatten();
            let walked = termination.is_some() && (0..4).all(|_| to("/").is_some());
            let retries = walked.then(|| to(" ")).flatten();
            put(&mut record, "retries", retries.and_then(|r| self.count(plus(r)).flatten()).map(Value::from));
            let queues = retries.is_some() && to("/").is_some() && to(" ").is_some();
            if queues {
                self.captures_and_request(left, &mut record);
            }
        }
        let termination = termination.unwrap_or_default();
        let termination = bare(&termination);
        put(&mut record, "termination", text(termination));
        record.insert("client_gone".into(), termination.first().is_some_and(|b| b"Cc".contains(b)).into());
        let websocket = record.get("status") == Some(&101.into());
        record.insert("websocket".into(), websocket.into());
        Some(record)
    }

    fn captures_and_request(&self, left: &[u8], record: &mut Object) {
        let mut left = left;
        if left.starts_with(b"{") && (cut(&mut left, "}").is_none() || cut(&mut left, " ").is_none()) {
            return;
        }
        if left.starts_with(b"{") {
            if cut(&mut left, "}").is_none() || cut(&mut left, " \"").is_none() {
                return;
            }
        } else {
            match left.strip_prefix(b"\"") {
                Some(rest) => left = rest,
                None => return,
            }
        }
        let Some(request) = cut(&mut left, "\"") else {
            // It was cut: the method is whole, and the path behind which the query has begun.
            let mut words = left.split(|b| *b == b' ');
            let (method, target, more) = (words.next(), words.next(), words.next());
            if let (Some(method), Some(target)) = (method, target) {
                put(record, "method", text(method));
                if let (Some(query), None) = (target.iter().position(|b| *b == b'?'), more) {
                    self.target(&target[..query], record);
                }
            }
            return;
        };
        self.request(request, record);
        let words: Vec<&[u8]> = left.split(|b| *b == b' ').filter(|w| !w.is_empty()).collect();
        if let [errors, tls, ..] = words[..]
            && errors.iter().filter(|b| **b == b'/').count() == 4
        {
            let names = ["sni", "tls_protocol", "tls_cipher"];
            for (name, part) in names.iter().zip(tls.split(|b| *b == b'/')) {
                put(record, name, text(part));
            }
        }
    }

    /// Everything up to the user agent; gives what stands before the referer and behind the agent.
    fn combined<'a>(
        &self,
        line: &'a [u8],
        dash_is_zero: bool,
        record: &mut Object,
    ) -> Read<(&'a [u8], &'a [u8])> {
        let opens = (0..line.len()).filter(|i| line[*i] == b'[');
        let (open, time) = opens
            .filter_map(|open| {
                let text = self.bracket.captures(&line[open..])?.get(1)?.as_bytes();
                Some((open, self.clf(text)?))
            })
            .next()?;
        record.insert("time".into(), instant(time));
        let mut at = open + 29;
        let request = self.quoted.captures(line.get(at..)?)?;
        let (whole, request) = (request.get(0)?.as_bytes(), request.get(1)?.as_bytes());
        at += whole.len();
        let mut words = line.get(at..)?.splitn(3, |b| *b == b' ');
        let (status, bytes) = (words.next()?, words.next()?);
        if bytes.is_empty() && words.next().is_none() {
            return None;
        }
        at += status.len() + 1 + bytes.len() + 1;
        let status = self.read_status(status)?;
        put(record, "status", status.map(Value::from));
        record.insert("websocket".into(), (status == Some(101)).into());
        let bytes = match bytes {
            b"-" => dash_is_zero.then_some(0),
            b"" => return None,
            _ => self.count(bytes)?,
        };
        put(record, "bytes_sent", bytes.map(Value::from));
        self.head(&line[..open], record);
        self.request(request, record);
        let mut rest = line.get(at..).unwrap_or_default();
        let mut between = &b""[..];
        if rest.first().is_some_and(|b| *b != b'"') {
            between = rest.split(|b| *b == b' ').next().unwrap_or_default();
            rest = rest.get(between.len() + 1..).unwrap_or_default();
        }
        for name in ["referer", "user_agent"] {
            let Some(found) = self.quoted.captures(rest) else { return Some((between, b"")) };
            put(record, name, text(&found[1]));
            rest = &rest[found[0].len()..];
        }
        Some((between, rest))
    }

    fn head(&self, head: &[u8], record: &mut Object) {
        let head = head.trim_ascii();
        let words: Vec<&[u8]> = head.split(|b| *b == b' ').collect();
        let (addresses, user): (Vec<u8>, Vec<u8>) =
            if let Some(dash) = (1..words.len()).find(|i| words[*i] == b"-" && i + 1 < words.len()) {
                (words[..dash].join(&b' '), words[dash + 1..].join(&b' '))
            } else if words.len() > 1
                && words[words.len() - 1] == b"-"
                && (words.len() == 2 || self.address.is_match(words[words.len() - 2]))
            {
                (words[..words.len() - 1].join(&b' '), Vec::new())
            } else if words.len() > 2 {
                (words[..words.len() - 2].join(&b' '), words[words.len() - 1].to_vec())
            } else {
                (words[0].to_vec(), Vec::new())
            };
        let closes = user.windows(4).position(|w| w == b"] - ").filter(|_| user.starts_with(b"["));
        let (addresses, user) = match closes {
            Some(close) => (user[1..close].to_vec(), user[close + 4..].to_vec()),
            None => (addresses, user),
        };
        let parts = (1..addresses.len()).find(|i| addresses[*i] == b' ' && addresses[i - 1] != b',');
        let (host, addresses) = match parts {
            Some(at) => (&addresses[..at], addresses[at..].trim_ascii_start()),
            None => (&b""[..], &addresses[..]),
        };
        let first = addresses.split(|b| *b == b',').next().unwrap_or_default();
        if addresses.contains(&b',') {
            record.insert("forwarded_for".into(), kept(addresses).into());
        }
        put(record, "client", text(unbracketed(first)));
        self.host(host, record);
        put(record, "user", text(&user).filter(|user| user != "\"\""));
    }

    fn host(&self, text: &[u8], record: &mut Object) {
        let colons = text.iter().filter(|b| **b == b':').count();
        let (host, port) = if colons > 1 && !text.starts_with(b"[") { (text, None) } else { self.port(text) };
        if let Some(host) = self::text(unbracketed(host)) {
            record.insert("host".into(), host);
            put(record, "port", port);
        }
    }

    fn nginx_tail(&self, between: &[u8], tail: &[u8], record: &mut Object) {
        let (mut latency, mut upstream, mut quoted_before) = (false, false, false);
        let mut values: Vec<(Option<Vec<u8>>, Vec<u8>, bool)> = Vec::new();
        if self.time_like.is_match(between) {
            values.push((None, between.to_vec(), false));
        }
        let mut rest = tail;
        while !rest.is_empty() {
            if rest[0] == b' ' {
                rest = &rest[1..];
                continue;
            }
            let name = self.named.captures(rest).map(|found| found[1].to_vec());
            rest = &rest[name.as_ref().map_or(0, |name| name.len() + 1)..];
            if let Some(found) = self.quoted.captures(rest) {
                values.push((name, found[1].to_vec(), true));
                rest = &rest[found[0].len()..];
            } else if rest.starts_with(b"\"") {
                break;
            } else {
                let list = list(rest);
                values.push((name, list.to_vec(), false));
                rest = rest.get(list.len() + 1..).unwrap_or_default();
            }
        }
        for (name, value, quoted) in values {
            let name = name.map(|name| String::from_utf8_lossy(&name).into_owned());
            let seconds = |slow: &Slow| slow.duration(plus(&value), 6);
            match name.as_deref() {
                None => {
                    let is_list = value.contains(&b' ');
                    let time = self.time_like.is_match(&value)
                        || latency && (value == b"-" && !quoted || is_list && value.starts_with(b"-"));
                    if time && (latency || is_list) {
                        if !upstream {
                            upstream = self.upstreams(&value, record).is_some();
                        }
                    } else if time {
                        latency = seconds(self).is_some();
                        put(record, "client_latency_us", seconds(self).flatten().map(Value::from));
                    } else if quoted && !quoted_before {
                        quoted_before = true;
                        let dots = value.iter().filter(|b| **b == b'.').count();
                        let number = value.iter().all(|b| b.is_ascii_digit() || *b == b'.');
                        if !number || dots == 3 {
                            put(record, "forwarded_for", text(&value));
                        }
                    }
                }
                Some("rt" | "request_time") => {
                    latency |= seconds(self).is_some();
                    put(record, "client_latency_us", seconds(self).flatten().map(Value::from));
                }
                Some("urt" | "ut" | "upstream_response_time") => {
                    upstream |= self.upstreams(&value, record).is_some();
                }
                Some(time @ ("uct" | "uht" | "upstream_connect_time" | "upstream_header_time")) => {
                    let name = if time.contains('c') && time != "upstream_header_time" {
                        "upstream_connect_us"
                    } else {
                        "upstream_header_us"
                    };
                    let last = items(&value).pop().unwrap_or_default();
                    put(record, name, self.duration(plus(&last), 6).flatten().map(Value::from));
                }
                Some("ua" | "upstream_addr") => self.peers(&value, record),
                Some("us" | "upstream_status") => self.statuses(&value, record),
                Some("cs" | "upstream_cache_status") => put(record, "cache_status", text(&value)),
                Some("rid" | "request_id") => put(record, "request_id", text(&value)),
                Some("rl" | "request_length") => {
                    if let Some(bytes) = self.count(plus(&value)) {
                        record.remove("bytes_received");
                        put(record, "bytes_received", bytes.map(Value::from));
                    }
                }
                _ => {}
            }
        }
    }

    fn peers(&self, list: &[u8], record: &mut Object) {
        put(record, "target_list", text(list));
        put(record, "target", items(list).pop().and_then(|last| text(&last)));
    }

    fn statuses(&self, list: &[u8], record: &mut Object) {
        put(record, "target_status_list", text(list));
        let last = items(list).pop().unwrap_or_default();
        put(record, "upstream_status", self.read_status(&last).flatten().map(Value::from));
    }

    fn upstreams(&self, list: &[u8], record: &mut Object) -> Read<()> {
        put(record, "upstream_latency_list", text(list));
        let mut sum: Option<u64> = None;
        let mut last = None;
        for item in items(list) {
            if let Some(us) = self.duration(plus(&item), 6)? {
                sum = Some(sum.unwrap_or(0).checked_add(us)?);
                last = Some(us);
            }
        }
        record.remove("upstream_latency_us");
        put(record, "upstream_latency_us", sum.map(Value::from));
        put(record, "upstream_latency_last_us", last.map(Value::from));
        Some(())
    }

    fn request(&self, line: &[u8], record: &mut Object) {
        let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let [method, target @ .., protocol] = &words[..] else { return };
        if target.is_empty() {
            return;
        }
        put(record, "method", text(method));
        put(record, "protocol", text(protocol));
        self.target(&target.join(&b' '), record);
    }

    fn target(&self, target: &[u8], record: &mut Object) {
        let some = |part: &[u8]| (!part.is_empty()).then(|| kept(part).into());
        let (authority, path, query): (Option<&[u8]>, &[u8], &[u8]) = if let Some(unread) =
            self.unread_url.captures(target)
            && self.port(unread.get(1).map_or(b"", |m| m.as_bytes())).1.is_some()
        {
            (unread.get(1).map(|m| m.as_bytes()), b"", b"")
        } else if let Some(url) = self.url.captures(target) {
            let part = |i| url.get(i).map_or(&b""[..], |m| m.as_bytes());
            (Some(part(1)), part(2), part(3))
        } else if target == b"*" {
            (None, target, b"")
        } else if target.starts_with(b"/") {
            let at = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
            (None, &target[..at], target.get(at + 1..).unwrap_or_default())
        } else {
            (None, b"", b"")
        };
        put(record, "path", some(path));
        put(record, "query", some(query));
        if let Some(authority) = authority.filter(|_| !record.contains_key("host")) {
            let (host, port) = self.port(authority);
            if let Some(host) = text(unbracketed(host)) {
                record.insert("host".into(), host);
                put(record, "port", port);
            }
        }
    }

    fn clf(&self, text: &[u8]) -> Read<i64> {
        let text = self.time.captures(text)?;
        let text = String::from_utf8_lossy(&text[1]).into_owned();
        let time = strtime::parse("%d/%b/%Y:%H:%M:%S %z", &text).ok()?;
        time.to_timestamp().ok().map(|t| t.as_microsecond())
    }

    fn local(&self, text: &[u8]) -> Read<i64> {
        let found = self.millis_time.captures(text)?;
        let zone = found.get(3).map_or(&b" +0000"[..], |zone| zone.as_bytes());
        let whole = self.clf(&[&found[1], zone].concat())?;
        let decimals = found.get(2).map_or(&b""[..], |d| d.as_bytes());
        let micros: Vec<u8> = decimals.iter().copied().chain(*b"000000").take(6).collect();
        Some(whole + String::from_utf8_lossy(&micros).parse::<i64>().ok()?)
    }

    /// A duration, in units of which a second has ten to the power of `places` fewer than a microsecond's.
    fn duration(&self, text: &[u8], places: usize) -> Read<Option<u64>> {
        if matches!(text, b"" | b"-") {
            return Some(None);
        }
        let found = self.seconds.captures(text)?;
        let decimals = found.get(3).map(|d| d.as_bytes());
        if !found[1].is_empty() {
            return Some(None);
        }
        let zeros = b"000000";
        let places: Vec<u8> = decimals.unwrap_or(b"").iter().chain(zeros).copied().take(places).collect();
        String::from_utf8_lossy(&[&found[2], &places[..]].concat()).parse().ok().map(Some)
    }

    fn count(&self, text: &[u8]) -> Read<Option<u64>> {
        if matches!(text, b"" | b"-") {
            return Some(None);
        }
        let found = self.count.captures(text)?;
        if !found[1].is_empty() {
            return Some(None);
        }
        String::from_utf8_lossy(&found[2]).parse().ok().map(Some)
    }

    fn read_status(&self, text: &[u8]) -> Read<Option<u16>> {
        match text {
            b"" | b"-" | b"-1" | b"0" | b"000" | b"009" => Some(None),
            _ if self.status.is_match(text) => String::from_utf8_lossy(text).parse().ok().map(Some),
            _ => None,
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

/// The text up to the literal; what is left goes on behind it.
fn cut<'a>(left: &mut &'a [u8], literal: &str) -> Option<&'a [u8]> {
    let at = left.windows(literal.len()).position(|w| w == literal.as_bytes())?;
    let before = &left[..at];
    *left = &left[at + literal.len()..];
    Some(before)
}

/// The list that the text begins with: words, joined behind a comma and around a colon.
fn list(text: &[u8]) -> &[u8] {
    let words: Vec<&[u8]> = text.split(|b| *b == b' ').collect();
    let (mut len, mut i) = (words[0].len(), 0);
    loop {
        if words[i].ends_with(b",") && i + 1 < words.len() {
            len += 1 + words[i + 1].len();
            i += 1;
        } else if i + 2 < words.len() && words[i + 1] == b":" {
            len += 3 + words[i + 2].len();
            i += 2;
        } else {
            return &text[..len];
        }
    }
}

fn items(list: &[u8]) -> Vec<Vec<u8>> {
    let separator = Regex::new("(?-u), | : ").expect("a regular expression");
    separator.split(list).map(<[u8]>::to_vec).collect()
}

/// Without the plus before a number; one alone is none.
fn plus(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"+").filter(|rest| !rest.is_empty()).unwrap_or(text)
}

fn without(text: &[u8], mark: u8) -> &[u8] {
    text.strip_suffix(&[mark]).unwrap_or(text)
}

fn bare(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(text)
}

fn unbracketed(host: &[u8]) -> &[u8] {
    host.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).unwrap_or(host)
}

fn text(text: &[u8]) -> Option<Value> {
    (!text.is_empty() && text != b"-").then(|| kept(text).into())
}

fn put(record: &mut Object, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        record.insert(name.to_owned(), value);
    }
}

/// RFC 3339 with six decimals, or none where they are 0.
fn instant(micros: i64) -> Value {
    let time = Timestamp::from_microsecond(micros).unwrap_or_default();
    if micros.rem_euclid(1_000_000) == 0 { format!("{time:.0}").into() } else { format!("{time:.6}").into() }
}
