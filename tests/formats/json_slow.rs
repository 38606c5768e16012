//! The JSON formats once more, over all members of a line in their order: slow, and sharing nothing with the parsers but
//! the reasons' names. Valid JSON is read by serde_json; what a repair may make of the rest by a small descent here.

use super::slow_text::Made;
use super::values_slow::{instant, quantity, regex, shown};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;

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
