//! The JSON formats once more, over all members of a line in their order: slow, and sharing nothing with the parsers but
//! the reasons' names. Valid JSON is read by serde_json; what a repair may make of the rest by a small descent here.

use super::slow_text::Made;
use jiff::Timestamp;
use regex::Regex;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::LazyLock;

/// An expression, compiled once.
macro_rules! regex {
    ($text:literal) => {{
        static REGEX: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("an expression"));
        &*REGEX
    }};
}

/// A member's value: a number is a text that begins with this.
const NUMBER: char = '\u{f8f0}';

/// What stands for an object's text.
pub(crate) const OBJECT: &str = "\u{f8f1}";

/// Any JSON value, with every member in its place, equal keys too.
enum Tree {
    Null,
    Flag(bool),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
                Ok(Tree::Flag(flag))
            }
            fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Tree::Array(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = map.next_entry()? {
                    all.push(one);
                }
                Ok(Tree::Object(all))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Every member by its whole path, in the order of the line.
type Flat = Vec<(String, Option<String>)>;

fn flatten(path: Option<&str>, tree: &Tree, all: &mut Flat) {
    let below = |key: &str| path.map_or(key.to_owned(), |path| format!("{path}.{key}"));
    let text = match tree {
        Tree::Null => None,
        Tree::Object(_) => Some(OBJECT.into()),
        Tree::Flag(flag) => Some(flag.to_string()),
        Tree::Text(text) => Some(text.trim_start_matches(NUMBER).to_owned()),
        Tree::Array(_) => Some(written(tree)),
    };
    all.extend(path.map(|path| (path.to_owned(), text)));
    match tree {
        Tree::Array(items) => {
            items.iter().enumerate().for_each(|(i, t)| flatten(Some(&below(&i.to_string())), t, all))
        }
        Tree::Object(members) => members.iter().for_each(|(key, t)| flatten(Some(&below(key)), t, all)),
        _ => {}
    }
}

/// The value as it stood, where it was written without spaces.
fn written(tree: &Tree) -> String {
    let all = |items: Vec<String>| items.join(",");
    match tree {
        Tree::Null => "null".into(),
        Tree::Flag(flag) => flag.to_string(),
        Tree::Text(text) => text.strip_prefix(NUMBER).map_or_else(|| json!(text).to_string(), str::to_owned),
        Tree::Array(items) => format!("[{}]", all(items.iter().map(written).collect())),
        Tree::Object(members) => {
            let member = |(key, value): &(String, Tree)| format!("{}:{}", json!(key), written(value));
            format!("{{{}}}", all(members.iter().map(member).collect()))
        }
    }
}

/// A format: its members, one a line (`field kind path path ..`), and what it does beside.
pub(crate) struct Spec {
    pub(crate) members: &'static str,
    pub(crate) gone: &'static [u64],
    pub(crate) no_status: bool,
    pub(crate) from_start: bool,
    /// A number that cannot be read is none.
    pub(crate) guesses: bool,
    pub(crate) before: fn(&Flat) -> Option<Value>,
    pub(crate) after: fn(&Flat, &mut Map<String, Value>),
}

/// The first member of that path that has a value.
pub(crate) fn get<'a>(flat: &'a Flat, path: &str) -> Option<&'a str> {
    let (_, text) = flat.iter().find(|(p, _)| p == path)?;
    text.as_deref().filter(|text| !matches!(*text, "" | "-" | OBJECT))
}

pub(crate) fn has(flat: &Flat, path: &str) -> bool {
    flat.iter().any(|(p, _)| p == path)
}

impl Spec {
    /// The record without nulls, or why there is none.
    pub(crate) fn read(&self, line: &[u8]) -> Value {
        let line = String::from_utf8_lossy(line);
        let flat = match members(&line) {
            Ok(flat) => flat,
            Err(reason) => return json!({ "rejected": reason }),
        };
        if let Some(other) = (self.before)(&flat) {
            return other;
        }
        match self.record(&flat) {
            Ok(mut record) => {
                (self.after)(&flat, &mut record);
                Value::Object(record)
            }
            Err(reason) => json!({ "rejected": reason }),
        }
    }

    fn record(&self, flat: &Flat) -> Result<Map<String, Value>, &'static str> {
        let mut record = Map::new();
        let (mut start, mut end, mut has_status, mut refused) = (None, None, false, None);
        for member in self.members.lines().map(str::trim).filter(|m| !m.is_empty()) {
            let words: Vec<&str> = member.split(' ').collect();
            let (field, kind, paths) = (words[0], words[1], &words[2..]);
            // A later line for a field that is filled is not read, but for one that may fill others.
            let of_parts = ["uri", "authority", "address", "request", "start"].contains(&kind);
            if record.contains_key(field) && !of_parts {
                continue;
            }
            has_status |= field == "status" && paths.iter().any(|path| has(flat, path));
            let is_needed =
                ["client_latency_us", "upstream_latency_us", "bytes_received", "bytes_sent"].contains(&field);
            let mut own = None;
            for text in paths.iter().filter_map(|path| get(flat, path)) {
                let scale = kind.split(':').nth(1).map_or(0, |s| s.parse().expect("a scale"));
                let read = match kind.split(':').next().unwrap_or_default() {
                    "text" => Ok(Some(Value::from(text))),
                    "count" => quantity(text, 0, false).map_err(|()| "bad_number"),
                    "dur" => quantity(text, scale, true).map_err(|()| "bad_number"),
                    // Only where it writes its unit.
                    "dur_written" => match quantity(text, 0, true) {
                        Ok(_) if text.ends_with(|c: char| c.is_ascii_digit()) => Ok(None),
                        read => read.map_err(|()| "bad_number"),
                    },
                    "uri" | "authority" | "address" | "request" => {
                        let mut made = Made::default();
                        parts(kind, text, &mut made);
                        for (name, part) in made.0 {
                            record.entry(name).or_insert(part);
                        }
                        break;
                    }
                    "last" => {
                        let words = text.split([',', ' ', '"']);
                        let server = words.rev().find(|word| !matches!(*word, "" | "-" | ":" | "[" | "]"));
                        Ok(server.map(Value::from))
                    }
                    "status" => status(text).map_err(|()| "bad_status"),
                    "statuses" => Ok(listed(text).next_back().and_then(|text| status(text).ok().flatten())),
                    "durs" => {
                        let mut sum = None;
                        for one in listed(text) {
                            match quantity(one, scale, true) {
                                Ok(Some(n)) => sum = Some(sum.unwrap_or(0) + n.as_u64().unwrap_or(0)),
                                Ok(None) => {}
                                Err(()) => own = own.or(Some("bad_number")),
                            }
                        }
                        if own.is_some() { Err("bad_number") } else { Ok(sum.map(Value::from)) }
                    }
                    "start" | "end" => match instant(text) {
                        Some(0) => Ok(None),
                        Some(time) => {
                            let place = if kind == "start" { &mut start } else { &mut end };
                            *place = Some(time);
                            Ok(Some(shown(time)))
                        }
                        None => Err("bad_time"),
                    },
                    other => panic!("{other}"),
                };
                match read {
                    Ok(Some(value)) => {
                        own = None;
                        record.entry(field).or_insert(value);
                        break;
                    }
                    Ok(None) => {}
                    Err(reason) => {
                        own = own.or(Some(reason).filter(|_| is_needed || reason != "bad_number"));
                    }
                }
            }
            let rank =
                |reason: &&str| ["bad_time", "bad_status", "bad_number"].iter().position(|r| r == reason);
            let own = own.filter(|reason| !self.guesses || *reason != "bad_number");
            refused = refused.into_iter().chain(own).min_by_key(rank);
        }
        let latency = record.get("client_latency_us").and_then(Value::as_i64);
        if let Some(start) = start {
            match end {
                Some(end) if !self.from_start => {
                    if latency.is_none() && end >= start && (end % 1_000_000 != 0 || start % 1_000_000 != 0) {
                        record.insert("client_latency_us".into(), (end - start).into());
                    }
                }
                _ => end = Some(start + latency.unwrap_or(0)),
            }
        }
        if let Some(reason) = refused {
            return Err(reason);
        }
        match end {
            Some(end) => drop(record.insert("time".into(), shown(end))),
            None => return Err(if has_status { "bad_time" } else { "not_this_format" }),
        }
        if !has_status && !self.no_status {
            return Err("not_this_format");
        }
        let status = record.get("status").and_then(Value::as_u64);
        record.insert("websocket".into(), (status == Some(101)).into());
        record.insert("client_gone".into(), status.is_some_and(|s| self.gone.contains(&s)).into());
        Ok(record)
    }
}

/// What some kinds of members fill beside their field.
fn parts(kind: &str, text: &str, made: &mut Made) {
    let address = |made: &mut Made, host: &str, port: &str| {
        // Version 6 without brackets has no port.
        if !text.starts_with('[') && text.matches(':').count() > 1 {
            made.text(host, text.as_bytes());
        } else {
            made.address(host, port, text.as_bytes());
        }
    };
    match kind {
        "authority" => address(made, "host", "port"),
        "address" => address(made, "client", "client_port"),
        "request" => made.request(text.as_bytes()),
        _ => {
            made.target(text.as_bytes());
            let scheme =
                regex!(r"\A([A-Za-z0-9]+)://").captures(text).filter(|_| made.0.contains_key("host"));
            made.some("scheme", scheme.map(|scheme| scheme[1].to_owned()));
            if made.0.is_empty() {
                let (path, query) = text.split_once('?').unwrap_or((text, ""));
                made.text("path", path.as_bytes());
                made.text("query", query.as_bytes());
            }
        }
    }
}

/// All members of the line.
fn members(line: &str) -> Result<Flat, &'static str> {
    let trimmed = line.trim_matches([' ', '\t', '\r', '\n']);
    if !trimmed.starts_with('{') {
        return Err(if line.bytes().all(|b| b.is_ascii_whitespace()) { "empty" } else { "not_this_format" });
    }
    let tree = match serde_json::from_str::<Tree>(&for_serde(line)) {
        Ok(tree) => tree,
        Err(error) if error.is_eof() => return Err("truncated"),
        Err(_) => {
            let mut descent = Descent { rest: trimmed };
            let tree = descent.object(0).ok_or("broken_json")?;
            if !descent.rest.is_empty() {
                return Err("broken_json");
            }
            tree
        }
    };
    let mut flat = Vec::new();
    flatten(None, &tree, &mut flat);
    Ok(flat)
}

/// The line as serde_json reads it as it is meant: numbers as texts (so that none loses digits), control characters
/// escaped, halves of surrogate pairs replaced.
fn for_serde(line: &str) -> String {
    let number = regex!(r"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?");
    let pair = regex!(r"\A\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}");
    let half = regex!(r"\A\\u[dD][89a-fA-F][0-9a-fA-F]{2}");
    let (mut out, mut rest, mut inside, mut before) = (String::new(), line, false, ' ');
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        if inside {
            if let Some(found) = pair.find(rest) {
                taken = found.end();
                out.push_str(found.as_str());
            } else if let Some(found) = half.find(rest) {
                taken = found.end();
                out.push_str("\\ufffd");
            } else if first == '\\' && rest.len() > 1 && rest.is_char_boundary(2) {
                taken = 2;
                out.push_str(&rest[..2]);
            } else if first < ' ' {
                out.push_str(&format!("\\u{:04x}", u32::from(first)));
            } else {
                out.push(first);
                inside = first != '"';
            }
        } else {
            let found = number.find(rest).filter(|found| {
                let after = rest[found.end()..].trim_start_matches([' ', '\t', '\r', '\n']);
                matches!(before, ':' | ',' | '[') && (after.is_empty() || after.starts_with([',', '}', ']']))
            });
            if let Some(found) = found {
                taken = found.end();
                out.push_str(&format!("\"\\uf8f0{}\"", found.as_str()));
            } else {
                out.push(first);
                inside = first == '"';
            }
            if !matches!(first, ' ' | '\t' | '\r' | '\n') {
                before = first;
            }
        }
        rest = &rest[taken..];
    }
    out
}

/// Reads what is no JSON by the rules of a repair. None if even these do not help.
struct Descent<'a> {
    rest: &'a str,
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

impl Descent<'_> {
    fn take(&mut self, what: &str) -> Option<()> {
        self.rest = self.rest.trim_start_matches(SPACE).strip_prefix(what)?.trim_start_matches(SPACE);
        Some(())
    }

    fn object(&mut self, depth: usize) -> Option<Tree> {
        self.take("{")?;
        let mut members = Vec::new();
        while !self.rest.starts_with('}') {
            let key = self.string()?;
            self.take(":")?;
            members.push((key, self.value(depth)?));
            if self.take(",").is_none() {
                break;
            }
        }
        self.take("}").map(|()| Tree::Object(members))
    }

    fn value(&mut self, depth: usize) -> Option<Tree> {
        if depth > 125 {
            return None;
        }
        match self.rest.chars().next()? {
            '"' => self.string().map(Tree::Text),
            '{' => self.object(depth + 1),
            '[' => self.array(depth + 1),
            _ => {
                let end = regex!(r#"(?s)\A[^"\\{}\[\]]*?(?:[ \t\r\n]*,[ \t\r\n]*(?:["}]|\z)|[ \t\r\n]*})"#);
                let found = end.find(self.rest)?.as_str();
                let text = found.trim_end_matches(['"', '}', ' ', '\t', '\r', '\n']);
                let text = if found.ends_with('}') && !text.ends_with(',') || !found.contains(',') {
                    text
                } else {
                    text.strip_suffix(',').unwrap_or(text)
                };
                let len = text.len();
                let text = text.trim_end_matches([' ', '\t', '\r', '\n', '\u{c}']);
                self.rest = &self.rest[len..];
                Some(match text {
                    "true" => Tree::Flag(true),
                    "false" => Tree::Flag(false),
                    "null" | "-" => Tree::Null,
                    _ => Tree::Text(text.to_owned()),
                })
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Tree> {
        self.take("[")?;
        let mut items = Vec::new();
        if self.take("]").is_some() {
            return Some(Tree::Array(items));
        }
        loop {
            items.push(match self.rest.chars().next()? {
                '"' | '{' | '[' => self.value(depth)?,
                _ => {
                    let scalar =
                        regex!(r"\A(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)");
                    let text = scalar.find(self.rest)?.as_str();
                    self.rest = &self.rest[text.len()..];
                    match text {
                        "null" => Tree::Null,
                        "true" | "false" => Tree::Flag(text == "true"),
                        number => Tree::Text(format!("{NUMBER}{number}")),
                    }
                }
            });
            if self.take(",").is_none() {
                return self.take("]").map(|()| Tree::Array(items));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let whole = regex!(r#"(?s)\A"((?:[^"\\]|\\.)*)""#);
        let found = whole.captures(self.rest)?;
        let inner = found.get(1)?.as_str();
        self.rest = self.rest[found.get(0)?.end()..].trim_start_matches(SPACE);
        let escape = regex!(
            r#"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(["\\/bfnrt]))"#
        );
        // Bytes, since `\xC3\xA9` is one character.
        let (mut out, mut at) = (Vec::new(), 0);
        for found in escape.captures_iter(inner) {
            let place = found.get(0)?;
            out.extend_from_slice(&inner.as_bytes()[at..place.start()]);
            at = place.end();
            let hex = |i: usize| found.get(i).and_then(|m| u32::from_str_radix(m.as_str(), 16).ok());
            let mut push =
                |c: Option<char>| out.extend_from_slice(c.unwrap_or('\u{fffd}').to_string().as_bytes());
            if let (Some(high), Some(low)) = (hex(1), hex(2)) {
                push(char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)));
            } else if let Some(code) = hex(3) {
                push(char::from_u32(code));
            } else if let Some(byte) = hex(4) {
                out.push(byte as u8);
            } else {
                let letter = found.get(5)?.as_str();
                let decoded = match letter {
                    "b" => "\u{8}",
                    "f" => "\u{c}",
                    "n" => "\n",
                    "r" => "\r",
                    "t" => "\t",
                    same => same,
                };
                out.extend_from_slice(decoded.as_bytes());
            }
        }
        out.extend_from_slice(&inner.as_bytes()[at..]);
        Some(String::from_utf8_lossy(&out).into_owned())
    }
}

fn listed(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split([',', ' ', ':', '[', ']', '"']).filter(|value| !matches!(*value, "" | "-" | "null"))
}

fn status(text: &str) -> Result<Option<Value>, ()> {
    match text {
        "-1" | "000" => Ok(None),
        _ => match quantity(text, 0, false)?.as_ref().and_then(Value::as_u64) {
            Some(n @ 100..=999) => Ok(Some(n.into())),
            Some(0) | None => Ok(None),
            Some(_) => Err(()),
        },
    }
}

/// A number times that power of ten, cut; or, with `units`, a duration with its unit in microseconds. None if it is negative.
pub(crate) fn quantity(text: &str, scale: i32, units: bool) -> Result<Option<Value>, ()> {
    let number = regex!(r"\A(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?\z");
    let value = match number.captures(text) {
        Some(read) => {
            if !read[1].is_empty() {
                return Ok(None);
            }
            let decimals = read.get(3).map_or("", |m| m.as_str());
            let exponent: i64 = read.get(4).map_or(Ok(0), |m| m.as_str().parse()).unwrap_or(0);
            let digits = format!("{}{decimals}", &read[2]);
            let zeros = exponent + i64::from(scale) - decimals.len() as i64;
            let digits = digits.trim_start_matches('0');
            if digits.is_empty() || zeros < -(digits.len() as i64) {
                "0".to_owned()
            } else if zeros < 0 {
                format!("0{}", &digits[..digits.len() - zeros.unsigned_abs() as usize])
            } else if zeros > 40 {
                return Err(());
            } else {
                format!("{digits}{}", "0".repeat(zeros as usize))
            }
        }
        None => {
            let with_unit = regex!(r"\A-?(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|μs|ms|s|m|h))+\z");
            if !with_unit.is_match(text) || !units {
                return Err(());
            }
            let part = regex!(r"([0-9]+(?:\.[0-9]+)?)([^0-9.]+)");
            let mut sum = 0u64;
            for part in part.captures_iter(text) {
                let (scale, times) = match &part[2] {
                    "ns" => (-3, 1),
                    "ms" => (3, 1),
                    "s" => (6, 1),
                    "m" => (6, 60),
                    "h" => (6, 3600),
                    _ => (0, 1),
                };
                let one = quantity(&part[1], scale, false)?.and_then(|v| v.as_u64()).ok_or(())?;
                sum = one.checked_mul(times).and_then(|one| sum.checked_add(one)).ok_or(())?;
            }
            if text.starts_with('-') {
                return Ok(None);
            }
            sum.to_string()
        }
    };
    value.parse::<u64>().map(|n| Some(n.into())).map_err(drop)
}

/// RFC 3339 and what resembles it.
pub(crate) fn iso(text: &str) -> Option<i64> {
    let iso = regex!(
        r"\A(\d{4})[-/](\d\d)[-/](\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))?(?: ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?\z"
    );
    let read = iso.captures(text)?;
    let decimals: String =
        read.get(5).map_or("", |m| m.as_str()).chars().chain("000000".chars()).take(6).collect();
    let utc: Timestamp =
        format!("{}-{}-{}T{}.{decimals}Z", &read[1], &read[2], &read[3], &read[4]).parse().ok()?;
    let zone = read.get(6).map_or("", |m| m.as_str()).replace(':', "");
    let offset = match zone.strip_prefix(['+', '-']) {
        None => 0,
        Some(digits) => {
            let (hours, minutes): (i64, i64) =
                (digits[..2].parse().ok()?, digits.get(2..4).unwrap_or("00").parse().ok()?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if zone.starts_with('-') { -60 } else { 60 }
        }
    };
    Some(utc.as_microsecond() - offset * 1_000_000)
}

/// An instant in any form.
pub(crate) fn instant(text: &str) -> Option<i64> {
    if let Some(time) = iso(text) {
        return Some(time);
    }
    let clf = regex!(r"\A(\[?)(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d)([^\]]*)(\]?)\z");
    let dotnet = regex!(r"\A(\d+)/(\d+)/(\d+) (\d+):(\d+):(\d+) (AM|PM)( [^ ]+)?\z");
    if let Some(read) = clf.captures(text).filter(|read| read[1].is_empty() == read[7].is_empty()) {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = 1 + months.iter().position(|month| *month == &read[3])?;
        return iso(&format!("{}-{month:02}-{:0>2}T{}{}", &read[4], &read[2], &read[5], &read[6]));
    }
    if let Some(read) = dotnet.captures(text) {
        let n = |i: usize| read[i].parse::<u32>().ok();
        let hour = n(4).filter(|hour| (1..=12).contains(hour))? % 12 + if &read[7] == "PM" { 12 } else { 0 };
        let zone = read.get(8).map_or("", |zone| zone.as_str());
        let (month, day, minute, second) = (n(1)?, n(2)?, n(5)?, n(6)?);
        return iso(&format!("{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}", n(3)?));
    }
    let whole = text.split(['.', 'e', 'E']).next()?.len();
    let scale = match whole {
        _ if text.contains(['e', 'E']) && whole < 12 => {
            let n = quantity(text, 0, false).ok()??.as_u64()?;
            [(100_000_000_000, 6), (100_000_000_000_000, 3), (100_000_000_000_000_000, 0), (u64::MAX, -3)]
                .iter()
                .find(|(below, _)| n < *below)?
                .1
        }
        ..12 => 6,
        12..15 => 3,
        15..18 => 0,
        _ => -3,
    };
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.ends_with(|c: char| !c.is_ascii_digit()) {
        return None;
    }
    i64::try_from(quantity(text, scale, false).ok()??.as_u64()?).ok()
}

/// RFC 3339 with six decimals, or none where they are 0.
pub(crate) fn shown(micros: i64) -> Value {
    let time = Timestamp::from_microsecond(micros.clamp(-62_135_596_800_000_000, 253_402_207_200_000_000))
        .unwrap_or_default();
    if micros.rem_euclid(1_000_000) == 0 { format!("{time:.0}").into() } else { format!("{time:.6}").into() }
}
