//! Envoy's and Istio's default lines the slow way: one expression for each number of values that a line may
//! have, tried from the most to the fewest.

use super::slow_text::{Made, Refused, count, instant, iso, millis, outcome, regex, status};
use regex::bytes::{Captures, Regex};
use serde_json::Value;

/// A value: its name, and what follows it. The expression depends on who writes it.
type Piece = (&'static str, Writer, &'static str);

#[derive(Clone, Copy, PartialEq)]
enum Writer {
    /// Envoy: no space, no quote.
    Word,
    /// Envoy: no quote.
    Words,
    /// A request line.
    Request,
    /// A client.
    Client,
}

use Writer::{Client, Request, Word, Words};

const HEAD: &[Piece] = &[("start", Words, "] \""), ("request", Request, "\" "), ("code", Word, " ")];
const NUMBERS: &[Piece] =
    &[("received", Word, " "), ("sent", Word, " "), ("duration", Word, " "), ("upstream", Word, " \"")];
const CLIENTS: &[Piece] = &[("xff", Client, "\" \""), ("agent", Client, "\" \""), ("id", Client, "\" \"")];

struct Layout {
    pieces: Vec<Piece>,
    /// By number of values: the expression of a line that has so many.
    left: Vec<&'static Regex>,
    right: &'static Regex,
}

/// The formats of one kind of line.
pub(crate) struct Slow(Vec<Layout>);

impl Slow {
    pub(crate) fn envoy() -> Slow {
        let tail: &[Piece] = &[("authority", Word, "\" \""), ("host", Word, "\"")];
        Slow(vec![Layout::new(&[HEAD, &[("flags", Word, " ")], NUMBERS, CLIENTS, tail])])
    }

    pub(crate) fn istio() -> Slow {
        let tail: &[Piece] = &[
            ("authority", Word, "\" \""),
            ("host", Word, "\" "),
            ("cluster", Word, " "),
            ("local", Word, " "),
            ("downstream", Word, " "),
            ("remote", Word, " "),
            ("sni", Word, " "),
            ("route", Words, ""),
        ];
        let new: &[Piece] = &[
            ("flags", Word, " "),
            ("details", Word, " "),
            ("termination", Word, " \""),
            ("failure", Words, "\" "),
        ];
        let old: &[Piece] = &[("flags", Word, " \""), ("policy", Words, "\" \""), ("failure", Words, "\" ")];
        let oldest: &[Piece] = &[("flags", Word, " \""), ("policy", Words, "\" ")];
        Slow([new, old, oldest].map(|flags| Layout::new(&[HEAD, flags, NUMBERS, CLIENTS, tail])).into())
    }

    pub(crate) fn read(&self, line: &[u8]) -> Value {
        outcome(self.record(line))
    }

    fn record(&self, line: &[u8]) -> Result<Made, Refused> {
        if line.is_empty() {
            return Err("empty");
        }
        let mut refused = "not_this_format";
        for (i, layout) in self.0.iter().enumerate() {
            match layout.split(line) {
                Ok(captures) => return layout.record(&captures),
                Err("not_this_format") if i > 0 => {}
                Err(reason) => refused = reason,
            }
        }
        Err(refused)
    }
}

impl Layout {
    fn new(parts: &[&[Piece]]) -> Layout {
        let pieces: Vec<Piece> = parts.concat();
        let one = |(name, writer, after): &Piece, last: bool| {
            let value = match (writer, *after) {
                (Word, _) => r#"[^ "]*"#,
                (Words, "] \"") => r#"(?:[^"\]]|\]+[^ "\]]|\]+ [^"\]])*\]*"#,
                (Words, _) => r#"[^"]*"#,
                // Up to the first quote that a space follows, or a space and a quote.
                (Request, _) => r#"(?:[^"]|"+[^ "])*"*"#,
                (Client, _) => r#"(?:[^"]|"+(?:[^ "]| [^"]))*"*"#,
            };
            format!("(?<{name}>{value}){}{}", regex_lite_escape(after), if last { r"\z" } else { "" })
        };
        let left = |n: usize| {
            let all: String =
                pieces[..n].iter().enumerate().map(|(i, p)| one(p, i + 1 == pieces.len())).collect();
            regex(&format!(r"\A\[{all}"))
        };
        let first_client = pieces.iter().position(|p| p.1 == Client).unwrap_or(0);
        let behind = pieces.iter().rposition(|p| p.1 == Client).unwrap_or(0) + 1;
        let head: String = pieces[..first_client].iter().map(|p| one(p, false)).collect();
        let tail: String = pieces[behind..]
            .iter()
            .enumerate()
            .map(|(i, p)| {
                // From the right the last value has no space either.
                let last = behind + i + 1 == pieces.len();
                if last && p.2.is_empty() { format!(r#"(?<{}>[^ "]*)\z"#, p.0) } else { one(p, last) }
            })
            .collect();
        let right = regex(&format!("\\A\\[{head}.*\" \"{tail}"));
        let left = (0..=pieces.len()).map(left).collect();
        Layout { left, right, pieces }
    }

    fn split<'l>(&self, line: &'l [u8]) -> Result<Captures<'l>, Refused> {
        let all = self.pieces.len();
        if let Some(captures) = self.left[all].captures(line).or_else(|| self.right.captures(line)) {
            return Ok(captures);
        }
        let found = (0..all).rev().find(|n| self.left[*n].is_match(line)).unwrap_or(0);
        let needed = self.pieces.iter().position(|p| p.0 == "upstream").unwrap_or(0) + 1;
        if found >= needed {
            return self.left[found].captures(line).ok_or("truncated");
        }
        let last = self.pieces[all - 1].2.as_bytes();
        let whole = !last.is_empty() && line.ends_with(last);
        Err(if found == 0 || whole { "not_this_format" } else { "truncated" })
    }

    fn record(&self, captures: &Captures<'_>) -> Result<Made, Refused> {
        let get = |name: &str| captures.name(name).map_or(&b""[..], |m| m.as_bytes());
        let given = |name: &str| Some(get(name)).filter(|text| !matches!(*text, b"" | b"-"));
        let start = given("start").and_then(iso).ok_or("bad_time")?;
        let duration = millis(given("duration").unwrap_or_default()).map_err(|()| "bad_number")?;
        let sent = status(get("code")).map_err(|()| "bad_status")?;
        let number = |n: Result<Option<u64>, ()>| n.map_err(|()| "bad_number");
        let (received, bytes_sent) = (number(count(get("received")))?, number(count(get("sent")))?);
        let upstream = number(millis(get("upstream")))?;
        if sent.is_none() && get("request") == b"- - -" {
            return Err("skipped");
        }
        let mut made = Made::default();
        made.put("time", instant(start.saturating_add(duration.unwrap_or(0).try_into().unwrap_or(0))));
        made.put("request_creation", instant(start));
        made.some("status", sent);
        made.some("client_latency_us", duration);
        made.upstream(get("upstream"), upstream);
        made.some("bytes_received", received);
        made.some("bytes_sent", bytes_sent);
        made.request(get("request"));
        let by_client = get("flags").split(|b| *b == b',').any(|flag| flag == b"DC");
        made.put("client_gone", sent.is_none() && by_client);
        made.put("websocket", sent == Some(101));
        made.address("host", "port", get("authority"));
        made.address("client", "client_port", get("remote"));
        let texts = [
            ("termination", "flags"),
            ("forwarded_for", "xff"),
            ("user_agent", "agent"),
            ("request_id", "id"),
            ("target", "host"),
            ("upstream", "cluster"),
            ("sni", "sni"),
            ("route_name", "route"),
            ("error_reason", "details"),
            ("error_reason", "termination"),
            ("error_reason", "failure"),
        ];
        texts.iter().for_each(|(field, name)| made.text(field, get(name)));
        if made.0.get("error_reason").is_some_and(|reason| reason == "via_upstream") {
            made.0.remove("error_reason");
        }
        Ok(made)
    }
}

fn regex_lite_escape(text: &str) -> String {
    ::regex::escape(text)
}
