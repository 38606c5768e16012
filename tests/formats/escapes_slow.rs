//! What servers escape, taken out once more: by a regular expression for each server.
//!
//! The slow parsers keep bytes as characters of the same number, so that nothing is lost until it is known what the
//! bytes are.

use super::slow_text::regex;
use serde_json::{Map, Value};

/// Texts in which escapes are taken out, those that tell what a client sent. Labels too, which no slow parser has.
const SENT: [&str; 16] = [
    "method",
    "host",
    "path",
    "query",
    "protocol",
    "request_id",
    "user_agent",
    "domain_name",
    "redirect_url",
    "transformed_host",
    "transformed_uri",
    "user",
    "referer",
    "forwarded_for",
    "content_type",
    "sni",
];

/// nginx and the Application Load Balancer.
pub(crate) const HEX: &str = r"\\x([0-9A-Fa-f]{2})";
/// Apache.
pub(crate) const C: &str = r#"\\x([0-9A-Fa-f]{2})|\\(["\\bnrtvf])"#;
/// HAProxy.
pub(crate) const HASH: &str = r"#([0-9A-Fa-f]{2})";

/// Bytes, none lost.
pub(crate) fn kept(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The record as it is shown: without escapes, and with what is no UTF-8 replaced.
pub(crate) fn shown(record: Map<String, Value>, escapes: &str) -> Map<String, Value> {
    let text = |name: &str, text: &str| {
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect();
        if !SENT.contains(&name) {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let plain = regex(escapes).replace_all(&bytes, |found: &regex::bytes::Captures<'_>| {
            if let Some(digits) = found.get(1) {
                let digits = String::from_utf8_lossy(digits.as_bytes()).into_owned();
                return vec![u8::from_str_radix(&digits, 16).expect("two digits")];
            }
            let names = [("b", "\x08"), ("n", "\n"), ("r", "\r"), ("t", "\t"), ("v", "\x0b"), ("f", "\x0c")];
            let name = String::from_utf8_lossy(&found[2]).into_owned();
            names.iter().find(|(n, _)| *n == name).map_or(name.clone(), |(_, c)| (*c).to_owned()).into_bytes()
        });
        String::from_utf8_lossy(&plain).into_owned()
    };
    let value = |(name, value): (String, Value)| match value {
        Value::String(kept) => (name.clone(), text(&name, &kept).into()),
        other => (name, other),
    };
    record.into_iter().map(value).collect()
}
