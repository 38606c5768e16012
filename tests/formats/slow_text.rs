//! Numbers, times and requests of access logs once more, by regular expressions and wide integers: slow, and
//! sharing nothing with the parsers but the reasons' names.

use jiff::civil::DateTime;
use regex::bytes::Regex;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::HashMap;

pub(crate) type Refused = &'static str;

/// A record being made.
#[derive(Default)]
pub(crate) struct Made(pub(crate) Map<String, Value>);

impl Made {
    pub(crate) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(crate) fn some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Text, if it says anything.
    pub(crate) fn text(&mut self, name: &str, text: &[u8]) {
        if !text.is_empty() && text != b"-" {
            self.put(name, String::from_utf8_lossy(text).into_owned());
        }
    }

    /// The upstream's latency with its list.
    pub(crate) fn upstream(&mut self, text: &[u8], us: Option<u64>) {
        self.some("upstream_latency_us", us);
        self.some("upstream_latency_last_us", us);
        self.text("upstream_latency_list", text);
    }

    /// `host:port` of an address.
    pub(crate) fn address(&mut self, host: &str, port: &str, text: &[u8]) {
        let (address, number) = split_port(text);
        let address = address.strip_prefix(b"[").and_then(|a| a.strip_suffix(b"]")).unwrap_or(address);
        self.text(host, address);
        self.some(port, number);
    }

    /// A request line.
    pub(crate) fn request(&mut self, line: &[u8]) {
        let Some(parts) = regex(r"\A([^ ]*) (.*) ([^ ]*)\z").captures(line) else { return };
        self.text("method", &parts[1]);
        self.text("protocol", &parts[3]);
        self.target(&parts[2]);
    }

    /// A path with its query, `*`, or a URL.
    pub(crate) fn target(&mut self, target: &[u8]) {
        let url = regex(r"\A[A-Za-z0-9]{1,7}://([^/?]*)([^?]*)(?:\?(.*))?\z");
        let unread = regex(r"\A[A-Za-z0-9]{1,7}://([^/?]*:[0-9]+)-(?:[/?].*)?\z");
        if let Some(parts) = unread.captures(target).filter(|parts| split_port(&parts[1]).1.is_some()) {
            self.address("host", "port", &parts[1]);
        } else if let Some(parts) = url.captures(target) {
            self.address("host", "port", &parts[1]);
            self.whole("path", &parts[2]);
            self.whole("query", parts.get(3).map_or(&b""[..], |m| m.as_bytes()));
        } else if target == b"*" {
            self.whole("path", target);
        } else if target.starts_with(b"/") {
            let mut parts = target.splitn(2, |b| *b == b'?');
            self.whole("path", parts.next().unwrap_or_default());
            self.whole("query", parts.next().unwrap_or_default());
        }
    }

    /// Text that may be a dash.
    fn whole(&mut self, name: &str, text: &[u8]) {
        if !text.is_empty() {
            self.put(name, String::from_utf8_lossy(text).into_owned());
        }
    }
}

/// The outcome as the tests compare it.
pub(crate) fn outcome(made: Result<Made, Refused>) -> Value {
    match made {
        Ok(made) => Value::Object(made.0),
        Err("skipped") => json!({ "skipped": true }),
        Err(reason) => json!({ "rejected": reason }),
    }
}

/// The expression over bytes; compiled once.
pub(crate) fn regex(text: &str) -> &'static Regex {
    thread_local!(static COMPILED: RefCell<HashMap<String, &'static Regex>> = RefCell::default());
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(regex) = compiled.get(text) {
            return *regex;
        }
        let regex = Regex::new(&format!("(?s-u){text}")).expect("a regular expression");
        *compiled.entry(text.to_owned()).or_insert(Box::leak(Box::new(regex)))
    })
}

pub(crate) fn split_port(text: &[u8]) -> (&[u8], Option<u64>) {
    let Some(colon) = text.iter().rposition(|b| *b == b':') else { return (text, None) };
    let digits = &text[colon + 1..];
    let number = (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
        .then(|| digits.iter().try_fold(0u64, |n, d| n.checked_mul(10)?.checked_add(u64::from(d - b'0'))));
    match number.flatten().filter(|n| *n < 1 << 16) {
        Some(port) => (&text[..colon], Some(port)),
        None => (text, None),
    }
}

pub(crate) fn status(text: &[u8]) -> Result<Option<u64>, ()> {
    match text {
        b"" | b"-" | b"-1" | b"0" | b"000" => Ok(None),
        [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => {
            String::from_utf8_lossy(text).parse().map(Some).map_err(|_| ())
        }
        _ => Err(()),
    }
}

/// A decimal times ten to the power of `scale`, cut. Without decimals allowed, a count.
pub(crate) fn decimal(text: &[u8], scale: usize, decimals: bool) -> Result<Option<u64>, ()> {
    let text = std::str::from_utf8(text).map_err(|_| ())?;
    if text.is_empty() || text == "-" {
        return Ok(None);
    }
    let (negative, magnitude) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = match magnitude.split_once('.') {
        Some((whole, fraction)) if decimals && !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(()),
        None => (magnitude, ""),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(());
    }
    if negative {
        return Ok(None);
    }
    let padded: String = fraction.chars().chain("0".repeat(scale).chars()).take(scale).collect();
    let all = format!("{whole}{padded}");
    all.trim_start_matches('0')
        .parse::<u64>()
        .or_else(|e| if all.bytes().all(|b| b == b'0') { Ok(0) } else { Err(e) })
        .map(Some)
        .map_err(|_| ())
}

pub(crate) fn seconds(text: &[u8]) -> Result<Option<u64>, ()> {
    decimal(text, 6, true)
}

pub(crate) fn millis(text: &[u8]) -> Result<Option<u64>, ()> {
    decimal(text, 3, true)
}

pub(crate) fn count(text: &[u8]) -> Result<Option<u64>, ()> {
    decimal(text, 0, false)
}

/// Microseconds since the epoch of an RFC 3339 time in UTC, `Z` or nothing at its end.
pub(crate) fn utc(text: &[u8]) -> Option<i64> {
    let read = regex(r"\A([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)Z?\z");
    let text = read.captures(text)?;
    let time: DateTime = std::str::from_utf8(&text[1]).ok()?.parse().ok()?;
    // Some parsers take the 60th second for the 59th, this one too.
    jiff::tz::TimeZone::UTC.to_timestamp(time).ok().map(|t| t.as_microsecond())
}

/// The same of what resembles it: any zone, a space for the `T`, slashes.
pub(crate) fn iso(text: &[u8]) -> Option<i64> {
    super::values_slow::iso(std::str::from_utf8(text).ok()?)
}

/// RFC 3339 with six decimals, or none where they are 0; the last time that can be shown for later ones.
pub(crate) fn instant(micros: i64) -> Value {
    super::values_slow::shown(micros)
}
