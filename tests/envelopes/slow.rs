//! JSON envelopes by serde_json, one obvious step after another. Says nothing of what it does not know: parts of lines,
//! syslog, packed bytes, texts that are not UTF-8, members of the same name.

use serde_json::{Map, Value};

/// The envelopes of a piece, and its line, or what else it is.
pub(crate) type Piece = (Vec<&'static str>, Result<Vec<u8>, &'static str>);

/// All pieces of the message; None if it is not for this reader.
pub(crate) fn read(message: &[u8], json_lines: bool) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let text = std::str::from_utf8(message).ok()?;
    inside(text, &mut Vec::new(), json_lines, &mut pieces)?;
    if pieces.is_empty() {
        pieces.push((Vec::new(), Err("skipped")));
    }
    Some(pieces)
}

fn inside(text: &str, steps: &mut Vec<&'static str>, json_lines: bool, out: &mut Vec<Piece>) -> Option<()> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if steps.len() > 4 || text.starts_with(['\0', '\x1f', '<', '"']) || text.starts_with("H4sI") {
        return None;
    }
    if text.trim_end_matches(['\r', '\n']).contains('\n') || text.contains("\n\n") {
        return None;
    }
    let bare = text.strip_suffix('\n').unwrap_or(text);
    let bare = bare.strip_suffix('\r').unwrap_or(bare);
    if bare.contains('\r') {
        return None;
    }
    if bare.starts_with('{') {
        // what is torn may be known by what it still has: not to this reader
        let value: Value = serde_json::from_str(bare).ok()?;
        let object = value.as_object()?;
        if serde_json::to_string(&value).ok()?.len() != without_blanks(bare) {
            return None;
        }
        if let Some(step) = shipper(object, json_lines) {
            steps.push(step);
            lines(step, object, steps, json_lines, out)?;
            steps.pop();
            return Some(());
        }
    } else if let Some((header, line)) = cri(bare) {
        if header {
            return None;
        }
        steps.push("cri");
        inside(line, steps, json_lines, out)?;
        steps.pop();
        return Some(());
    } else if bare.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase()) {
        return None; // may be syslog without a priority
    }
    out.push((steps.clone(), if bare.is_empty() { Err("empty") } else { Ok(bare.as_bytes().to_vec()) }));
    Some(())
}

/// Bytes outside of strings that are no blanks, and all inside: what serde_json prints if it read every member and no
/// escape was written in another way.
fn without_blanks(text: &str) -> usize {
    let (mut quoted, mut escaped, mut count) = (false, false, 0);
    for byte in text.bytes() {
        if quoted || !byte.is_ascii_whitespace() {
            count += 1;
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    count
}

/// Whether it is only a part, and the content.
fn cri(line: &str) -> Option<(bool, &str)> {
    let time = line.as_bytes();
    let at = |i: usize, byte| time.get(i) == Some(&byte);
    let digits = time.get(..4)?.iter().all(u8::is_ascii_digit);
    if !(digits && at(4, b'-') && at(7, b'-') && at(10, b'T') && at(13, b':') && at(16, b':')) {
        return None;
    }
    let columns: Vec<&str> = line.splitn(4, ' ').collect();
    let [_, "stdout" | "stderr", tag, rest @ ..] = &columns[..] else { return None };
    let first = tag.split(':').next()?;
    let content = rest.first().copied().unwrap_or_default();
    matches!(first, "P" | "F").then_some((first == "P", content))
}

fn shipper(object: &Map<String, Value>, json_lines: bool) -> Option<&'static str> {
    let text = |key: &str| object.get(key).is_some_and(Value::is_string);
    let map = |key: &str| object.get(key).is_some_and(Value::is_object);
    let list = |key: &str| object.get(key).is_some_and(Value::is_array);
    let number = |key: &str| object.get(key).is_some_and(Value::is_number);
    let has = |key: &str| object.contains_key(key);
    let line = |key: &str| text(key) || map(key);
    let original = original(object).is_some();
    let timed = number("@timestamp") || number("date");
    Some(match () {
        () if list("resourceLogs") => "otlp_json",
        () if list("logEvents") && (has("messageType") || text("logGroup")) => "cloudwatch",
        () if (map("schema") || object.get("schema") == Some(&Value::Null)) && line("payload") => {
            "kafka_connect"
        }
        () if has("@version") && (line("message") || original) => "logstash",
        () if line("message")
            && (map("@metadata")
                || map("beat")
                || object.get("agent").is_some_and(|a| a.get("type").is_some())
                || has("agent.type")) =>
        {
            "filebeat"
        }
        () if line("message") && text("source_type") => "vector",
        () if text("log")
            && text("stream")
            && text("time")
            && !["@timestamp", "kubernetes", "tag", "date", "@version"].iter().any(|key| has(key)) =>
        {
            "docker"
        }
        () if (text("log") || map("log_processed"))
            && (timed || map("kubernetes") && !has("docker") || has("@timestamp")) =>
        {
            "fluent_bit"
        }
        () if !text("log") && !map("log_processed") && timed && !json_lines && text("message") => {
            "fluent_bit"
        }
        () if (text("log") || text("message")) && (text("tag") || map("kubernetes") || !json_lines) => {
            "fluentd"
        }
        () if object
            .get("records")
            .and_then(Value::as_array)
            .is_some_and(|r| r.first().is_none_or(Value::is_object)) =>
        {
            "azure_records"
        }
        () => return None,
    })
}

fn original(object: &Map<String, Value>) -> Option<&Value> {
    let nested = object.get("event").and_then(|event| event.get("original"));
    nested.or(object.get("event.original")).filter(|value| value.is_string())
}

fn lines(
    step: &'static str,
    object: &Map<String, Value>,
    steps: &mut Vec<&'static str>,
    json_lines: bool,
    out: &mut Vec<Piece>,
) -> Option<()> {
    let text = |key: &str| object.get(key).filter(|value| value.is_string());
    let any = |key: &str| object.get(key).filter(|value| value.is_string() || value.is_object());
    let line = match step {
        "filebeat" | "vector" => any("message"),
        "logstash" => original(object).or_else(|| any("message")),
        "kafka_connect" => any("payload"),
        "docker" => text("log"),
        "fluent_bit" => text("log").or(text("message")).or(any("log_processed")),
        "fluentd" => text("log").or(text("message")),
        "azure_records" => {
            for record in object["records"].as_array()? {
                if record.is_object() {
                    inside(&record.to_string(), steps, json_lines, out)?;
                } else {
                    out.push((steps.clone(), Err("bad_envelope")));
                }
            }
            return Some(());
        }
        "cloudwatch" => {
            if object.get("messageType").is_some_and(|kind| kind == "CONTROL_MESSAGE") {
                out.push((steps.clone(), Err("skipped")));
                return Some(());
            }
            for event in object["logEvents"].as_array()? {
                match event.get("message") {
                    Some(Value::String(line)) => inside(line, steps, json_lines, out)?,
                    _ => out.push((steps.clone(), Err("bad_envelope"))),
                }
            }
            return Some(());
        }
        _ => return None,
    };
    match line? {
        Value::String(line) if step == "docker" && line.len() >= 16 << 10 => None,
        Value::String(line) => inside(line, steps, json_lines, out),
        other => inside(&other.to_string(), steps, json_lines, out),
    }
}
