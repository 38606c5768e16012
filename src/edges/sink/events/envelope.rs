//! An event as it is written: the CloudEvent, with the journal's id beside the position in it.
//!
//! `ninetailjournal` is the journal's id, `ninetailposition` the pair `<position>/<index>` in it: by them a
//! file is read back, and anybody can tell a repetition.

use crate::core::event::{self, Attributes, Event};
use crate::core::rollup::OutputPosition;
use serde_json::Value;
use std::sync::Arc;

/// Media type of a whole event.
pub const STRUCTURED_TYPE: &str = "application/cloudevents+json; charset=UTF-8";
/// Media type of an event's data alone.
pub const DATA_TYPE: &str = "application/json";

/// How a CloudEvent lies in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// All of it in the body.
    #[default]
    Structured,
    /// Its attributes in headers, its data in the body.
    Binary,
}

impl Mode {
    /// The name, as in a pipeline file.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Structured => "structured",
            Mode::Binary => "binary",
        }
    }
}

/// The event's JSON, without a line end.
pub(in crate::edges::sink) fn encode(event: &Event, pipeline: &str, journal: &Arc<str>) -> Vec<u8> {
    event.to_json(&event.attributes(&event::source(pipeline), Some(journal))).into_bytes()
}

/// The same as a line of a file, which tells what incarnation of the state folder wrote it.
pub(super) fn line(
    event: &Event,
    pipeline: &str,
    journal: &Arc<str>,
    incarnation: Option<&Arc<str>>,
) -> Vec<u8> {
    let attributes = event.attributes(&event::source(pipeline), Some(journal));
    let attributes = Attributes { ninetailincarnation: incarnation.cloned(), ..attributes };
    let mut line = event.to_json(&attributes).into_bytes();
    line.push(b'\n');
    line
}

/// The event's headers and body as a Kafka record.
pub(super) fn record(
    event: &Event,
    pipeline: &str,
    journal: &Arc<str>,
    mode: Mode,
) -> (Vec<(String, String)>, Vec<u8>) {
    match mode {
        Mode::Structured => (vec![content_type(STRUCTURED_TYPE)], encode(event, pipeline, journal)),
        Mode::Binary => {
            let attributes = event.attributes(&event::source(pipeline), Some(journal));
            let attributes = serde_json::to_value(attributes).unwrap_or_default();
            (binary(&attributes, "ce_"), event.data.clone().into_bytes())
        }
    }
}

/// The headers and body of a structured event over HTTP.
pub(in crate::edges::sink) fn request(event: &Value, mode: Mode) -> (Vec<(String, String)>, Vec<u8>) {
    match mode {
        Mode::Structured => (vec![content_type(STRUCTURED_TYPE)], event.to_string().into_bytes()),
        Mode::Binary => (binary(event, "ce-"), event["data"].to_string().into_bytes()),
    }
}

/// The headers of binary mode; each attribute's name follows the prefix.
fn binary(attributes: &Value, prefix: &str) -> Vec<(String, String)> {
    let mut headers = vec![content_type(DATA_TYPE)];
    for (name, value) in attributes.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) if name != "datacontenttype" => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        headers.push((format!("{prefix}{name}"), text));
    }
    headers
}

fn content_type(value: &str) -> (String, String) {
    ("content-type".to_owned(), value.to_owned())
}

/// A position as text.
pub(in crate::edges::sink) fn position(at: OutputPosition) -> String {
    format!("{}/{}", at.position, at.index)
}

/// What a written line says of itself.
#[derive(PartialEq, Debug)]
pub(super) struct Line {
    pub(super) journal: String,
    /// Empty where it was not written.
    pub(super) incarnation: String,
    pub(super) at: OutputPosition,
    pub(super) subject: String,
    pub(super) sequence: u64,
}

/// Reads a written line back; None if we did not write it.
pub(super) fn decode(line: &[u8]) -> Option<Line> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let text = |name| value.get(name)?.as_str();
    let (position, index) = text("ninetailposition")?.split_once('/')?;
    Some(Line {
        journal: text("ninetailjournal")?.to_owned(),
        incarnation: text("ninetailincarnation").unwrap_or_default().to_owned(),
        at: OutputPosition { position: position.parse().ok()?, index: index.parse().ok()? },
        subject: text("subject")?.to_owned(),
        sequence: text("sequence")?.parse().ok()?,
    })
}
