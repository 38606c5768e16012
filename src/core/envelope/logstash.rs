//! Logstash's event: `{"@version":"1","@timestamp":..,"host":..,"message":"<line>"}`; in ECS mode also
//! `"event":{"original":"<line>"}`, which is the line before any filter changed it.

use super::document::{Document, Key};
use crate::core::json::Raw;

pub(super) fn recognises(document: &Document<'_>, _: bool) -> bool {
    document.has(Key::AtVersion) && line(document).is_some()
}

pub(super) fn line<'p>(document: &Document<'p>) -> Option<Raw<'p>> {
    document.text(Key::EventOriginal).or_else(|| document.line(Key::Message))
}
