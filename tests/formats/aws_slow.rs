//! Classic and Network Load Balancers by the slow way.

use super::slow_text::{Made, Refused, count, instant, iso, millis, outcome, regex, seconds, status, utc};
use regex::bytes::Regex;
use serde_json::Value;

/// A Classic Load Balancer's lines.
pub(crate) struct Clb {
    column: &'static Regex,
}

impl Clb {
    pub(crate) fn new() -> Clb {
        Clb { column: regex(r#""(?:[^"\\]|\\.)*(?:"[^ ]*|\\?\z)|[^ "][^ ]*"#) }
    }

    pub(crate) fn read(&self, line: &[u8]) -> Value {
        outcome(self.record(line))
    }

    fn record(&self, line: &[u8]) -> Result<Made, Refused> {
        let places: Vec<_> = self.column.find_iter(line).take(16).collect();
        let trimmed = |c: &'_ [u8]| c.len() - c.iter().rev().take_while(|b| **b == b' ').count();
        let mut columns: Vec<&[u8]> = places.iter().map(|p| &p.as_bytes()[..trimmed(p.as_bytes())]).collect();
        let followed =
            |i: usize| places.get(i).is_some_and(|p| p.start() + trimmed(p.as_bytes()) < line.len());
        let first = *columns.first().ok_or("empty")?;
        let start = utc(first).ok_or(match first[0] {
            b'0'..=b'9' if !followed(0) => "truncated",
            b'0'..=b'9' => "bad_time",
            _ => "not_this_format",
        })?;
        if !followed(10) {
            return Err("truncated");
        }
        let number = |n: Result<Option<u64>, ()>| n.map_err(|()| "bad_number");
        let phases =
            [number(seconds(columns[4]))?, number(seconds(columns[5]))?, number(seconds(columns[6]))?];
        let sent = status(columns[7]).map_err(|()| "bad_status")?;
        let bytes = [number(count(columns[9]))?, number(count(columns[10]))?];
        columns.truncate(15);
        let whole = |c: &[u8]| c.len() >= 2 && c[0] == b'"' && c.ends_with(b"\"");
        if !columns.get(11).is_some_and(|c| whole(c)) {
            columns.truncate(11);
        } else if !matches!(columns.len(), 12 | 15) && !followed(columns.len() - 1) {
            columns.pop();
        }
        let column = |i: usize| match columns.get(i).copied().unwrap_or_default() {
            c if whole(c) => &c[1..c.len() - 1],
            [b'"', ..] => b"",
            c => c,
        };
        if columns[7] == b"-" && columns[8] == b"-" && column(11).iter().all(|b| b"\"- ".contains(b)) {
            return Err("skipped");
        }
        let sum = phases.iter().map(|p| p.map(u128::from)).sum::<Option<u128>>();
        let sum = sum.and_then(|sum| u64::try_from(sum).ok());
        let mut made = Made::default();
        made.put("time", instant(start.saturating_add(sum.unwrap_or(0).try_into().unwrap_or(0))));
        made.some("status", sent);
        made.some("client_latency_us", sum);
        made.some("upstream_latency_us", phases[1]);
        made.some("bytes_received", bytes[0]);
        made.some("bytes_sent", bytes[1]);
        made.put("client_gone", false);
        made.put("websocket", false);
        made.put("request_creation", instant(start));
        for (i, name) in ["request", "target", "response"].iter().enumerate() {
            made.some(&format!("{name}_processing_us"), phases[i]);
        }
        made.some("upstream_status", status(column(8)).ok().flatten());
        made.address("client", "client_port", column(2));
        let texts = [
            ("load_balancer", 1),
            ("target", 3),
            ("user_agent", 12),
            ("tls_cipher", 13),
            ("tls_protocol", 14),
        ];
        texts.iter().for_each(|(name, i)| made.text(name, column(*i)));
        made.request(column(11));
        Ok(made)
    }
}

/// A Network Load Balancer's line.
pub(crate) fn nlb(line: &[u8]) -> Value {
    outcome(nlb_record(line))
}

fn nlb_record(line: &[u8]) -> Result<Made, Refused> {
    if !line.starts_with(b"tls ") {
        return Err(match line {
            b"" => "empty",
            b"t" | b"tl" | b"tls" => "truncated",
            _ => "not_this_format",
        });
    }
    let mut columns: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let found = columns.len();
    if found < 21 {
        columns.pop();
    }
    let column = |i: usize| columns.get(i).copied().unwrap_or_default();
    let given = |i: usize| Some(column(i)).filter(|c| !matches!(*c, b"" | b"-"));
    if found <= 3 {
        return Err("truncated");
    }
    let start = given(21).and_then(iso);
    let end = match given(2) {
        Some(text) => iso(text).ok_or("bad_time")?,
        None => match start {
            Some(start) => start,
            None => return Err("bad_time"),
        },
    };
    let bytes = (count(column(9)), count(column(10)));
    let (received, sent) = (bytes.0.map_err(|()| "bad_number")?, bytes.1.map_err(|()| "bad_number")?);
    if found < 12 {
        return Err("truncated");
    }
    if given(2).is_none() && given(21).is_some_and(|text| iso(text).is_none()) {
        return Err("bad_time");
    }
    let mut made = Made::default();
    made.put("time", instant(end));
    made.put("client_gone", false);
    made.put("websocket", false);
    made.some("request_creation", start.map(instant));
    made.some("bytes_received", received);
    made.some("bytes_sent", sent);
    made.some("connection_time_us", millis(column(7)).ok().flatten());
    made.some("tls_handshake_us", millis(column(8)).ok().flatten());
    made.address("client", "client_port", given(5).unwrap_or_default());
    let texts = [
        ("type", 0),
        ("load_balancer", 3),
        ("frontend", 4),
        ("target", 6),
        ("termination", 11),
        ("certificate_arn", 12),
        ("tls_cipher", 14),
        ("tls_protocol", 15),
        ("domain_name", 17),
        ("protocol", 18),
        ("alpn", 20),
    ];
    texts.iter().for_each(|(name, i)| made.text(name, column(*i)));
    Ok(made)
}
