//! An event as it is written: the CloudEvent with two extensions that say where it comes from.
//!
//! `ninetailjournal` is the journal's id, `ninetailposition` the pair `<position>/<index>` in it: by them a
//! file is read back, and anybody can tell a repetition.

use crate::core::event::Event;
use crate::core::rollup::OutputPosition;
use serde_json::Value;

/// The event's JSON, without a line end.
pub(super) fn encode(event: &Event, pipeline: &str, journal: &str) -> Vec<u8> {
    let mut value = event.to_json(&format!("/ninetail/{pipeline}"));
    if let Value::Object(attributes) = &mut value {
        attributes.insert("ninetailjournal".into(), journal.into());
        attributes.insert("ninetailposition".into(), position(event.position).into());
    }
    value.to_string().into_bytes()
}

/// A position as text.
pub(super) fn position(at: OutputPosition) -> String {
    format!("{}/{}", at.position, at.index)
}

/// What a written line says of itself.
#[derive(PartialEq, Debug)]
pub(super) struct Line {
    pub(super) journal: String,
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
        at: OutputPosition { position: position.parse().ok()?, index: index.parse().ok()? },
        subject: text("subject")?.to_owned(),
        sequence: text("sequence")?.parse().ok()?,
    })
}
